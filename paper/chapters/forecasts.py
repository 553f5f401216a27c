"""Tables of the page on forecasts: estimators beside each other, with their price and their noise."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from paper.chapters.measures import named
from paper.chapters.noise import NOISE_HEAD, noise, noise_cells
from paper.protocols.base import LABEL_FREE_MEASURES
from xlgen.analysis import Interval, interval_of_mean
from xlgen.data.catalogue import TASKS
from xlgen.forecast import frame as frames
from xlgen.forecast.basis import basis_of
from xlgen.forecast.evaluate import evaluate, left_out
from xlgen.forecast.forecasters import DEFAULT, Forecaster, rivals
from xlgen.forecast.jackknife import jackknife_plus
from xlgen.forecast.scores import ESTIMATORS

LINE = Forecaster("line from four of one pass", DEFAULT)
"""What ``xlgen predict`` fits where languages of the model are labelled, or no other model has the language."""
WITHIN = Forecaster("four of one pass, beside the others' in the language", DEFAULT, "within")
"""What it fits where other models have the language."""
FIRST = Forecaster("line from DoC and thresholded entropy", ("doc", "atc_entropy"))
"""What it fitted from the first choice (:data:`CHOSEN`) to the second."""
SURE = Forecaster("line from confidence and thresholded entropy", ("confidence", "atc_entropy"))
"""The same without what each model is too sure by in English."""
MEAN = Forecaster("mean of the others", (), "mean")
LOOKUP = Forecaster("mean of the others in the language", (), "within")
DOC = Forecaster("DoC as it is", ("doc",), "as is")
ATC = Forecaster("ATC as it is", ("atc",), "as is")
OF_THE_PAPERS = ("fisher_trace", "sharpness_difference", "dev_margin")
"""Measures beside those without labels; those of the very predictions that accuracy counts are no forecasts."""
CHOSEN = ("2026-11-30T10:53", "2026-11-30T21:13")
"""When :data:`FIRST` was chosen over :data:`SURE`, and :data:`LINE` and :data:`WITHIN` in its place, with the records
of that time in sight: those of later models, which had no part in it, are the fair test."""
BESIDE = "2026-12-01T00:05"
"""When labels of the model's own began to count beside records, which was tried on the models of before."""
LABELS = (1, 4, 9)
"""Labelled languages of a model that are tried beside records of others."""
FEW = 5
"""Groups without which an error has no interval: of fewer, its ends say more of Student's t than of the errors."""
HEAD = ("", "labels of the language", "passes", "error [points]", "r of forecasts", *NOISE_HEAD)


def points(row: pd.Series) -> str:
    """The mean absolute error of a row of :func:`~xlgen.forecast.evaluate.evaluate` in points, with its interval."""
    if row["groups"] < FEW:
        return f"{100 * row['mae']:.1f}"
    return f"{Interval(100 * row['mae'], 100 * max(row['mae_low'], 0), 100 * row['mae_high'], row['groups']):.1f}"


def estimators(frame: pd.DataFrame) -> list[Forecaster]:
    """What a table of measures can be forecast by, under the names of the book: see :func:`rivals`."""
    known = set(frame["measure"])
    chosen = [name for name in (*LABEL_FREE_MEASURES, *OF_THE_PAPERS) if name in known]
    return [replace(one, name=_title(one)) for one in rivals(chosen)]


def _title(one: Forecaster) -> str:
    if one.measures == DEFAULT:
        return LINE.name
    if one.measures == (frames.SOURCE,):
        return "English accuracy"
    if len(one.measures) != 1:
        return one.name
    return named(one.measures[0]) + ", as it is" * (one.how == "as is")


def contest(frame: pd.DataFrame, rows: pd.DataFrame) -> list[tuple]:
    """The estimators of some models under :data:`HEAD`, the smallest error in a left-out language first.

    Args:
        frame: as of :func:`xlgen.forecast.frame.tidy`.
        rows: of the records, of the one model whose noise is shown; they say which measures look at labels.
    """
    chosen = {one.name: one for one in estimators(frame)}
    body = []
    used = {measure for measure, on in zip(rows["measure"], rows["on"], strict=True) if "true labels" in on}
    for _, row in evaluate(frame, "language", list(chosen.values()), None).iterrows():
        one = chosen[row["forecaster"]]
        said = noise_cells(noise(rows, one.measures[0]) if one.how == "ridge" and len(one.measures) == 1 else None)
        # a mean of the others is highest where the one left out is lowest: its r is -1, and says nothing
        r = "" if np.isnan(row["r"]) or one.how == "mean" else f"{row['r']:.2f}"
        body.append((one.name, "needed" if used & {*one.measures} else "", row["passes"], points(row), r, *said))
    return body


def closer(frame: pd.DataFrame, one: Forecaster, other: Forecaster, leave: str) -> Interval:
    """The mean absolute error of a forecaster minus that of another [points], with its 95 % interval over models.

    Args:
        frame: as of :func:`xlgen.forecast.frame.tidy`.
        one: negative if it misses by less.
        other: the other.
        leave: what is left out, a name in :data:`xlgen.forecast.evaluate.SPLITS`.
    """
    first, second = (
        (100 * (found["value"] - found[frames.TRUTH]).abs()).groupby(found["model"]).mean()
        for found in (left_out(frame, each, leave, None) for each in (one, other))
    )
    return interval_of_mean(first - second)


def new_language(frame: pd.DataFrame, forecaster: Forecaster) -> Interval:
    """The mean absolute error in a language that no model has, of a model of which no language is labelled [points].

    Each model and language is forecast from the other models in the other languages.

    Args:
        frame: as of :func:`xlgen.forecast.frame.tidy`, of one task.
        forecaster: which.

    Returns:
        The mean over models with its 95 % interval.
    """
    table = frames.wide(frame, forecaster.measures)
    x, y = forecaster.features(table), table[frames.TRUTH].to_numpy()
    apart = [table["model"].tolist(), table["language"].tolist()]
    off = pd.Series(100 * np.abs(jackknife_plus(forecaster.fit, x, y, x[:1], apart).held - y))
    return interval_of_mean(off.groupby(table["model"]).mean())


def beside_labels(frame: pd.DataFrame, labels: Sequence[int], level: float, draws: int = 2) -> pd.DataFrame:
    """What `xlgen predict` is off by where languages of the model are labelled, with records of others and without.

    Every model is the new one in turn. Of its languages as many as are asked for are drawn as labelled, and all its
    others are forecast.

    Args:
        frame: as of :func:`xlgen.forecast.frame.tidy`, of one task.
        labels: how many languages are labelled.
        level: of the intervals.
        draws: of labelled languages for each model.

    Returns:
        A row for each number of ``labels``, ``basis`` (``"records"`` of the other models and the labels, or the labels
        ``"alone"``) and model, the mean over its languages and draws of ``off``, the absolute error, ``width``, that of
        the interval [points], and ``inside``, the share of truths in it (``nan`` where there is none).
    """
    task, found, rng = TASKS[frame["task"].iloc[0]], [], np.random.default_rng(0)
    frame = frame[frame["measure"].isin([*ESTIMATORS, task.metric])]
    table = frames.wide(frame, ESTIMATORS)
    for model, here in table.groupby("model"):
        for count, _ in itertools.product(labels, range(draws)):
            labelled = rng.permutation(here["language"].to_numpy())[:count].tolist()
            own = here.assign(truth=here["truth"].where(here["language"].isin(labelled)))
            asked = own[own["truth"].isna()]
            truth = here.loc[asked.index, "truth"].to_numpy()
            for name, records in (("records", frame[frame["model"] != model]), ("alone", None)):
                basis = basis_of(task, own, records, labelled, level)
                if basis.forecaster.how == "as is":  # neither labels enough nor records
                    continue
                band = basis.forecasts(asked, level)
                width = band["high"] - band["low"]
                inside = np.where(np.isnan(width), np.nan, (band["low"] <= truth) & (truth <= band["high"]))
                off = 100 * np.abs(band["forecast"] - truth)
                found.append((count, name, model, off.mean(), 100 * width.mean(), inside.mean()))
    columns = ["labels", "basis", "model", "off", "width", "inside"]
    return pd.DataFrame(found, columns=columns).groupby(columns[:3]).mean().reset_index()


def other_encoders(rows: pd.DataFrame, forecasters: Sequence[Forecaster]) -> pd.DataFrame:
    """Models of each encoder, forecast from those of the task's other encoders.

    Args:
        rows: of the records, of any tasks.
        forecasters: which.

    Returns:
        A row for each task, encoder ``model`` and forecaster: how many ``models`` are forecast and from how many
        ``others``, the mean absolute error ``off`` over models and target languages, and the mean error ``bias``
        [points]. None where all models of a task are of one encoder.
    """
    encoder, found = rows.groupby("key")["model"].first(), []
    several = rows.groupby("task")["model"].transform("nunique") > 1
    for task, some in rows[several].groupby("task"):
        frame = frames.tidy(some)
        for one in forecasters:
            table = frames.wide(frame, one.measures).dropna(subset=list(one.measures))
            own, y = table["model"].map(encoder), table[frames.TRUTH]
            for name in own.unique():
                new, rest = table[own == name], table[own != name]
                forecast = one.fit(one.features(rest), y[own != name].to_numpy())(one.features(new))
                row = {"task": task, "model": name, "forecaster": one.name, "models": new["model"].nunique()}
                off = 100 * (forecast - y[own == name])
                found.append(row | {"others": rest["model"].nunique(), "off": off.abs().mean(), "bias": off.mean()})
    return pd.DataFrame(found)


def afterwards(rows: pd.DataFrame, forecasters: Sequence[Forecaster], level: float, chosen: str) -> pd.DataFrame:
    """Models that were trained after a choice, forecast from those of before.

    Args:
        rows: of the records, of one task and encoder.
        forecasters: which.
        level: of the intervals.
        chosen: when, one of :data:`CHOSEN`.

    Returns:
        A row for each model and forecaster: ``objective``, ``seed``, ``forecaster``, the mean absolute error ``off``
        over target languages [points] and the share ``inside`` of them whose interval holds the truth (``nan`` where
        there is none). No rows where fewer than two models are older or none is younger.
    """
    frame, about = frames.tidy(rows), rows.groupby("key")[["objective", "seed", "created"]].first()
    found = []
    for one in forecasters:
        table = frames.wide(frame, one.measures).dropna(subset=list(one.measures))
        late = table["model"].map(about["created"]) > chosen
        old, new = table[~late], table[late]
        if old["model"].nunique() < 2 or new.empty:
            continue
        x, y = one.features(old), old[frames.TRUTH].to_numpy()
        band = jackknife_plus(one.fit, x, y, one.features(new), [old["model"].tolist()], level)
        off, known = 100 * (band.value - new[frames.TRUTH]).abs(), np.isfinite(band.high - band.low)
        inside = new[frames.TRUTH].between(band.low, band.high).where(known)
        by_model = new.assign(off=off, inside=inside.astype(float)).groupby("model")[["off", "inside"]].mean()
        found.append(about.join(by_model, how="inner").assign(forecaster=one.name))
    columns = ["objective", "seed", "forecaster", "off", "inside"]
    return pd.concat(found)[columns] if found else pd.DataFrame(columns=columns)


def share(covered: float) -> str:
    """A coverage, if there is one."""
    return "no interval" if np.isnan(covered) else f"{covered:.0%}"
