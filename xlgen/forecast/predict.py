"""How well a fine-tuned model does in languages without labels, with an interval, and what that rests on."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import Field
from tqdm.auto import tqdm

from xlgen import models
from xlgen.core.coerce import AtLeast0, AtLeast1, Setting
from xlgen.core.config import RunOptions
from xlgen.core.device import accelerator_for, threads
from xlgen.core.errors import ConfigError, DataError, UnknownName
from xlgen.data.encode import encode
from xlgen.data.encode_tagged import encode_tagged
from xlgen.data.languages import LANGUAGES
from xlgen.data.own import CHUNK, OwnTask
from xlgen.data.read_pairs import Rows
from xlgen.data.read_tagged import TaggedRows
from xlgen.data.task import Task
from xlgen.data.task_file import task_of
from xlgen.forecast import frame as frames
from xlgen.forecast.forecasters import DEFAULT, Forecaster
from xlgen.forecast.jackknife import LEVEL, fewest, jackknife_plus
from xlgen.forecast.labels import labels_worth
from xlgen.forecast.scores import MEANS, Score, Tally, scores
from xlgen.measures.measuring import Checkpoint
from xlgen.models import class_order
from xlgen.models.evaluate import Predictions
from xlgen.models.evaluate import predict as logits_of
from xlgen.training.runs import Run

FEWEST = 3
"""Labelled target languages that a regression is fitted on."""

DIRECT = "atc"
"""What forecasts where nothing but the source is labelled. None of the estimators that are calibrated on the source
alone is good everywhere (on one real model DoC misses by less, on the miniature ATC does): none has an interval."""

PRECISIONS = ("float32", "bf16")
"""Of the forward passes. bfloat16 has eight bits for a number's digits."""


SIZE, BATCH = Setting("size", AtLeast0), Setting("batch_size", AtLeast1, 64)
LEVELS = Setting("level", Annotated[float, Field(gt=0, lt=1)], LEVEL)


@dataclass(frozen=True)
class Forecast:
    """Forecasts of a model, one row a language.

    Attributes:
        table: ``language``, its ``name``, the ``forecast``, the ends of its interval ``low`` and ``high`` (``nan``
            where there is none), the ``metric`` that is forecast, whether the language lies ``outside`` what the
            forecast rests on and ``because`` of what, the value ``measured`` with labels where they could be used,
            ``rows``, how many ``labels`` have the same mean error, and each estimator.
        model: what is forecast.
        task: name of the task.
        basis: what the forecasts rest on, in words.
        interval: what the intervals rest on, in words, or why there are none.
        level: of the intervals.
        error: mean absolute error of such forecasts of what was left out; ``nan`` if it could not be measured.
        source: accuracy (or F1) on the development examples of the source language.
        fitted: model, language, features and truth of the rows that the forecast was fitted on.
        features: the estimators that it was made from.
        columns: by file, the columns that were guessed or named.
    """

    table: pd.DataFrame
    model: str
    task: str
    basis: str
    interval: str
    level: float
    error: float
    source: float
    fitted: pd.DataFrame
    features: tuple[str, ...]
    columns: Mapping[str, Mapping[str, str]]


def predict(
    model: str | Path | Run,
    task: str | Task = "",
    languages: Sequence[str] = (),
    *,
    data: Path | str | None = None,
    columns: Mapping[str, str] | None = None,
    labelled: Sequence[str] | None = None,
    records: pd.DataFrame | Path | str | None = None,
    split: str = "test",
    size: int = 0,
    batch_size: int = 64,
    max_length: int = 128,
    level: float = LEVEL,
    precision: str = "float32",
    options: RunOptions | None = None,
) -> Forecast:
    """Forecast a fine-tuned model's accuracy (F1, where the task is scored by it) in languages without labels.

    One forward pass over the text gives the mean confidence and the share of units above the threshold of the source
    language (:mod:`xlgen.measures.atc`). What forecasts from them depends on the labels there are, from strong to weak:

    - labelled target languages, 9 or more at the 90 % level: a ridge regression on them; intervals by jackknife+;
    - records of other models of the task: a regression on those (and on what is labelled); intervals by CV+, a model
      left out at a time, and its language with it where the language is in the records of none;
    - labelled target languages, 3 to 8: a regression on them, without intervals;
    - records of other tasks alone: an estimator calibrated on the source language; intervals from its errors there;
    - nothing but the source language: that estimator, without intervals. It forecasts the accuracy of single words also
      where a task is scored by F1.

    A language lies outside what the forecast rests on where an estimator is below the least or above the greatest value
    among the rows that were fitted; with the source alone, every other language does.

    Errors and intervals are about the accuracy on the rows at hand. Where the labelled languages and the others are
    translations of the same sentences, all share the luck of these, and errors on other sentences are larger.

    Args:
        model: a folder or hub id of a fine-tuned classifier, or a run of the store.
        task: name in the catalogue or path of a task file (:mod:`xlgen.data.task_file`); a run's own unless given. Or a
            task, with the data that it has: ``data`` and ``columns`` are those of a name.
        languages: any codes that the data have; all of them unless given.
        data: a user's file or folder, in place of the task's own data (:mod:`xlgen.data.own`).
        columns: of the user's files, where they are not to be guessed.
        labelled: languages whose labels may be used; unless given those that are labelled in the user's files, and none
            of the task's own data.
        records: other models' measured numbers: a table or a CSV or Parquet file (:mod:`xlgen.forecast.frame`).
        split: of the task's own data.
        size: rows of each language of the task's own data; 0 is all.
        batch_size: rows of a forward pass.
        max_length: sub-words of a pair or sentence; a run's own is used.
        level: of the intervals.
        precision: of the forward passes: ``"float32"``, or ``"bf16"``, mixed, which moves the answers that were close
            (:data:`PRECISIONS`).
        options: device, threads, data folder, progress.

    Raises:
        UnknownName: a task, language, column or precision that there is not.
        DataError: a file is not what is expected.
        ConfigError: labels are needed in a language that has none.
        ModelError: the model cannot be loaded, or has other classes than the task.
    """
    options = options or RunOptions()
    size, batch_size, level = SIZE.read(size), BATCH.read(batch_size), LEVELS.read(level)
    if precision not in PRECISIONS:
        raise UnknownName("precision", precision, PRECISIONS)
    found = task
    if isinstance(task, str):
        found = task_of(task or getattr(model, "task", ""), None if data is None else Path(data), columns, languages)
    source = model if isinstance(model, Run) else Checkpoint(str(model), found.name, max_length=max_length)
    known = None if records is None else _records(records, source)
    wanted, labelled = _languages(found, languages, labelled)
    with threads(options.threads):
        tallies, at_home = _tallies(found, source, wanted, labelled, split, size, batch_size, precision, options)
    if not tallies:
        raise DataError(
            f"there is no text to forecast from but in {found.source_language!r}; expected another language."
        )
    return _forecast(found, source, tallies, at_home, labelled, known, level)


def _records(records: pd.DataFrame | Path | str, source: Run | Checkpoint) -> pd.DataFrame:
    """The table, without what it has of the model itself."""
    table = frames.tidy(records) if isinstance(records, pd.DataFrame) else frames.read(Path(records))
    return table[~table["model"].isin({source.key, source.model})]


def _languages(
    task: Task, languages: Sequence[str], labelled: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Languages to go through, and those whose labels are used; without the source language."""
    own = isinstance(task, OwnTask)
    there = task.files.survey if own else task.languages
    for language in languages:
        if language not in there and language != task.source_language:
            raise UnknownName(f"language of {task.name} (text of others is given as --data)", language, there)
    if labelled is None:
        labelled = [language for language, found in there.items() if found.labelled] if own else []
    for language in labelled:
        if language not in there:
            raise UnknownName("labelled language", language, there)
        if own and not there[language].labelled:
            raise ConfigError(
                f"{task.files.path} has no labels in {language!r}; leave it out of the labelled languages."
            )
    labelled = tuple(language for language in dict.fromkeys(labelled) if language != task.source_language)
    wanted = [language for language in languages or there if language != task.source_language]
    return tuple(dict.fromkeys([*wanted, *labelled])), labelled


def _chunks(
    task: Task, languages: Sequence[str], split: str, size: int, options: RunOptions
) -> tuple[int, Iterator[tuple[str, Rows | TaggedRows]]]:
    """How many rows there are, and the rows of each language, some at a time."""
    if isinstance(task, OwnTask):
        return sum(task.files.survey[language].rows for language in languages), task.files.chunks(languages)
    rows = {language: task.rows(language, split, options.data_dir).take(size) for language in languages}
    parts = (
        (language, all_.part(start, start + CHUNK))
        for language, all_ in rows.items()
        for start in range(0, len(all_), CHUNK)
    )
    return sum(map(len, rows.values())), parts


def _tallies(
    task: Task,
    source: Run | Checkpoint,
    languages: Sequence[str],
    labelled: Sequence[str],
    split: str,
    size: int,
    batch_size: int,
    precision: str,
    options: RunOptions,
) -> tuple[dict[str, Tally], Tally]:
    """Go through the text once: a tally a language, and that of the source's development examples."""
    total, chunks = _chunks(task, languages, split, size, options)
    dev = task.rows(task.source_language, "dev", options.data_dir)
    if not dev.labelled:
        raise DataError(
            f"the rows in {task.source_language!r}, which forecasts are calibrated on, have no labels; add them."
        )
    device = accelerator_for(options.device).device
    model = models.load_finetuned(source.model, len(task.labels), eager=False, kind=task.kind).to(device)
    tokenizer, order, positions = (
        models.load_tokenizer(source.model),
        class_order(model, task),
        models.takes_position_ids(model),
    )
    length, encoder = models.longest_input(model, source.max_length), encode_tagged if task.kind == "token" else encode
    names = tuple(task.labels[order.index(i)] for i in range(len(order)))

    def predicted(rows: Rows | TaggedRows, language: str) -> Predictions:
        encoded = encoder(rows.relabelled(order), tokenizer, length, None, positions)
        batches = [batch.to(device) for batch in encoded.batches(batch_size)]
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            return logits_of(model, batches, language)

    with tqdm(total=total + len(dev), unit=" rows", disable=not (options.progress and sys.stderr.isatty())) as bar:
        calibration = predicted(dev, task.source_language)
        bar.update(len(dev))
        known: Mapping[str, Score] = scores(calibration)
        at_home, tallies = Tally(), {language: Tally() for language in languages}
        at_home.add(calibration, known, len(dev))
        at_home.add_labels(calibration, names, task.kind)
        for language, rows in chunks:
            found = predicted(rows, language)
            tallies[language].add(found, known, len(rows))
            if language in labelled:
                tallies[language].add_labels(found, names, task.kind)
            bar.update(len(rows))
    return tallies, at_home


def _forecast(
    task: Task,
    source: Run | Checkpoint,
    tallies: Mapping[str, Tally],
    at_home: Tally,
    labelled: Sequence[str],
    records: pd.DataFrame | None,
    level: float,
) -> Forecast:
    own = pd.DataFrame(
        [
            {"task": task.name, "model": source.key, "language": language, **tally.means()}
            | {frames.TRUTH: tally.truth(task.metric) if language in labelled else math.nan}
            for language, tally in tallies.items()
        ]
    )
    basis = _basis(task, own, records, labelled, level)
    table = own[["language"]].assign(
        name=[LANGUAGES[code].name if code in LANGUAGES else code for code in own["language"]],
        **basis.forecasts(own, level),
        metric=basis.metric,
        outside=[bool(why) for why in basis.outside(own)],
        because=basis.outside(own),
        measured=own[frames.TRUTH],
        rows=[tally.rows for tally in tallies.values()],
    )
    error = basis.error(own, level)
    worth = [labels_worth(error, min(max(p, 0), 1)) if 0 < error <= 1 else math.nan for p in table["forecast"]]
    return Forecast(
        table=table.assign(labels=worth, **{name: own[name] for name in MEANS}),
        model=source.model,
        task=task.name,
        basis=basis.words,
        interval=basis.interval,
        level=level,
        error=error,
        source=at_home.truth(task.metric),
        fitted=basis.rows[["model", "language", *basis.forecaster.measures, frames.TRUTH]],
        features=basis.forecaster.measures,
        columns=task.files.guesses if isinstance(task, OwnTask) else {},
    )


@dataclass(frozen=True)
class Basis:
    """What forecasts rest on.

    Attributes:
        forecaster: how they are made,
        rows: and from what: keys, features and truth.
        words: both, for the reader.
        interval: what intervals rest on, or why there are none.
        apart: columns whose labels are left out together for intervals; none are given if empty.
        metric: what is forecast.
    """

    forecaster: Forecaster
    rows: pd.DataFrame
    words: str
    interval: str
    apart: tuple[str, ...]
    metric: str

    def forecasts(self, own: pd.DataFrame, level: float) -> dict[str, NDArray]:
        """``forecast``, ``low`` and ``high`` of each row; a row that was fitted is forecast from the others."""
        fitted = set(zip(self.rows["model"], self.rows["language"], strict=True))
        languages = set(self.rows["language"])
        groups: dict[tuple, list[int]] = {}
        for i, (model, language) in enumerate(zip(own["model"], own["language"], strict=True)):
            here = (model, language) if (model, language) in fitted else None
            known = len(self.apart) > 1 and language in languages  # of another model
            groups.setdefault((here, self.apart[:1] if known else self.apart), []).append(i)
        found = np.empty((len(own), 3))
        for (here, apart), places in groups.items():
            same = [pair == here for pair in zip(self.rows["model"], self.rows["language"], strict=True)]
            found[places] = self._ends(self.rows[~np.array(same, dtype=bool)], own.iloc[places], apart, level)
        return dict(zip(("forecast", "low", "high"), found.T, strict=True))

    def _ends(self, rows: pd.DataFrame, new: pd.DataFrame, apart: Sequence[str], level: float) -> NDArray:
        x, y, new = self.forecaster.features(rows), rows[frames.TRUTH].to_numpy(float), self.forecaster.features(new)
        value, fit = np.full((len(new), 3), math.nan), self.forecaster.fit
        if not apart or any(rows[name].nunique() < 2 for name in apart):
            value[:, 0] = fit(x, y)(new)
            return value
        band = jackknife_plus(fit, x, y, new, [rows[name].tolist() for name in apart], level)
        ends = np.column_stack([band.value, band.low.clip(0), band.high.clip(max=1)])
        ends[~np.isfinite(np.column_stack([band.value, band.low, band.high]))] = math.nan
        return ends

    def outside(self, own: pd.DataFrame) -> list[str]:
        """Of each row, which estimator is outside the range of those fitted, in words; empty where none is."""
        if self.rows.empty:
            return ["nothing but the source language is known"] * len(own)
        found = []
        for _, row in own.iterrows():
            why = []
            for name in self.forecaster.measures:
                low, high = self.rows[name].min(), self.rows[name].max()
                if not low <= row[name] <= high:
                    side, end = ("below", low) if row[name] < low else ("above", high)
                    why.append(f"{name} {row[name]:.3f} is {side} {end:.3f}")
            found.append("; ".join(why))
        return found

    def error(self, own: pd.DataFrame, level: float) -> float:
        """Mean absolute error of such forecasts of the rows they rest on, each left out; ``nan`` if it is unknown."""
        if self.rows.empty or not self.apart and len(self.rows) < FEWEST:
            return math.nan
        x, y = self.forecaster.features(self.rows), self.rows[frames.TRUTH].to_numpy(dtype=float)
        apart = self.apart or ("language",)
        if self.rows[apart[0]].nunique() < 2:
            return math.nan
        band = jackknife_plus(self.forecaster.fit, x, y, x[:1], [self.rows[apart[0]].tolist()], level)
        return float(np.abs(band.held - y).mean())


def _basis(task: Task, own: pd.DataFrame, records: pd.DataFrame | None, labelled: Sequence[str], level: float) -> Basis:
    """The strongest basis that the labels allow; see `predict`."""
    ridge, here, enough = Forecaster("ridge", DEFAULT), own.dropna(subset=frames.TRUTH), fewest(level)
    features = " and ".join(DEFAULT)
    fitted = (
        f"ridge regression on {features}, fitted on {len(here)} labelled languages of this model ({_listed(labelled)})"
    )
    if len(here) >= enough:
        how = f"jackknife+ at {level:.0%}: each labelled language forecast from the others"
        return Basis(ridge, here, fitted, how, ("language",), task.metric)
    same = None if records is None else records[records["task"] == task.name]
    if same is not None and len(same):
        rows = pd.concat([frames.wide(same, _those(same, DEFAULT)), here], ignore_index=True)
        n = rows["model"].nunique()
        words = f"ridge regression on {features}, fitted on {len(rows)} labelled results of {n} models of {task.name}"
        how = f"CV+ at {level:.0%}: each model forecast from the others, with the language left out where it is new"
        if n < 2:
            how = "no intervals: the records are of a single model, which cannot tell how far models are apart"
        return Basis(ridge, rows, words, how, ("model", "language") if n > 1 else (), task.metric)
    if len(here) >= FEWEST:
        how = f"no intervals: at {level:.0%} they need {enough} labelled languages"
        return Basis(ridge, here, fitted, how, (), task.metric)
    direct = Forecaster(DIRECT, (DIRECT,), "as is")
    words = f"{DIRECT}, calibrated on {task.source_language!r} alone, which is weaker than a fit on labelled languages"
    metric = task.metric
    if metric == "f1":
        metric, words = "accuracy", words + "; it forecasts the accuracy of words, not F1"
    alike = None if records is None else records[records["task"].map(frames.target) == "accuracy"]  # which it forecasts
    if alike is not None and metric == task.metric and len(alike):
        rows = frames.wide(alike, _those(alike, (DIRECT,)))
        how = f"CV+ at {level:.0%}: its errors in {len(rows)} labelled results of other tasks"
        return Basis(direct, rows, words, how, ("task", "model")[rows["task"].nunique() < 2 :][:1], metric)
    how = "no intervals: nothing here tells how far off it is in other languages; label some, or give records"
    nothing = own.iloc[:0]
    return Basis(direct, nothing, words, how, (), metric)


def _those(records: pd.DataFrame, features: Iterable[str]) -> tuple[str, ...]:
    """The features, if the records have them."""
    if missing := sorted(set(features) - set(records["measure"])):
        raise DataError(
            f"the records have no {', '.join(missing)}; write them with `xlgen measure --measures accuracy,"
            f"{','.join(dict.fromkeys([*DEFAULT, DIRECT]))} --out FILE.csv`."
        )
    return tuple(features)


def _listed(languages: Sequence[str]) -> str:
    return ", ".join(languages)
