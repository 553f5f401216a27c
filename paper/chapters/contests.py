"""Contests of forecasts: how far each measure misses a language or model that was left out, and what it beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper import figures
from paper.chapters.measures import LOGARITHMIC, UNLABELLED, named
from paper.chapters.page import table
from paper.protocols.base import PREDICTED
from xlgen.analysis import Interval, clustered, errors
from xlgen.analysis.contest import Contest, contest
from xlgen.forecast.forecasters import Forecaster

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import HTML
    from matplotlib.axes import Axes

BASES = {
    "language": {"mean": "mean of other languages", "English": "English accuracy"},
    "model": {"mean": "the language's mean", "English": "with English accuracy"},
}
"""What is left out, and the predictors without a measure that stand beside: of a new objective those of a new model."""


def forecasts(frame: pd.DataFrame, source: str, leave: str = "language") -> list[dict[str, Any]]:
    """Each measure of recorded models as a forecast of what is left out, all models at once.

    As :meth:`MeasureTables.leave_out` does it, of whatever models there are.

    Args:
        frame: of :func:`paper.records.recorded`, of one task. A model counts for the measures that it has in every
            target language.
        source: language of the training data, which is none of the targets.
        leave: ``"language"`` or ``"model"``.

    Returns:
        Rows with ``measure``, the number of ``models`` that have it, whether it ``needs_labels`` of the language and is
        computed from the ``same_predictions`` as accuracy, the correlation ``r`` with accuracy (over languages the mean
        of the models, over models that of the languages), and the mean absolute ``error`` [points] beside the
        ``baseline``, which has no measure (see :data:`BASES`); all with intervals over what is left out. A measure that
        is constant, or known of too few models, has no row.
    """
    import pandas as pd

    if frame.empty:
        return []
    frame = frame[(frame.status == "ok") & ~frame.language.isin([source, "all"])]
    parts = [part.pivot_table("value", ["key", "language"], "measure") for _, part in frame.groupby("key")]
    wide = pd.concat([part.dropna(axis=1) for part in parts])
    labelled, rows = frame.groupby("measure").on.first().str.contains("true labels"), []
    out, same = ("language", "key") if leave == "language" else ("key", "language")
    for measure in wide.columns.drop("accuracy"):
        table = wide[["accuracy", measure]].dropna().reset_index()
        x, y = (table.pivot(index=same, columns=out, values=name) for name in (measure, "accuracy"))
        c = clustered(x, y)
        if c.status == "ok":
            column = np.log(table[measure]) if measure in LOGARITHMIC else table[measure]
            predictors = {"ours": column.to_numpy()[:, None], "mean": np.zeros((len(table), 1))}
            result = contest(predictors, table.accuracy, list(table[out]), dict.fromkeys(predictors, list(table[same])))
            about = {"needs_labels": bool(labelled[measure]), "same_predictions": measure in PREDICTED}
            errors = {"error": result.errors["ours"].mean, "baseline": result.errors["mean"].mean}
            rows.append({"measure": measure, "models": table.key.nunique(), "r": c.interval} | about | errors)
    return rows


def as_it_is(frame: pd.DataFrame, measure: str, source: str) -> Interval | None:
    """Mean absolute error [points] of a measure that is a forecast of accuracy by itself, without a line.

    It needs labels in the source language alone. Of each language the mean over the models, with the interval over
    languages; ``None`` where no model has the measure in two languages.

    Args:
        frame: as of :func:`forecasts`.
        measure: one of :data:`xlgen.forecast.forecasters.DIRECT`.
        source: language of the training data, which is none of the targets.
    """
    if frame.empty:
        return None
    rows = frame[(frame.status == "ok") & (frame.language != source) & frame.measure.isin([measure, "accuracy"])]
    wide = rows.pivot(index=["key", "language"], columns="measure", values="value").dropna()
    if measure not in wide or wide.index.get_level_values("language").nunique() < 2:
        return None
    result = errors(wide[measure].clip(0, 1), wide.accuracy, list(wide.index.get_level_values("language")))
    return result.mean


def side_by_side(
    mini: Mapping[str, Contest],
    real: Sequence[Mapping[str, Any]],
    labelled: Mapping[str, bool],
    caption: str,
    base: str,
) -> HTML:
    """The errors of single measures at both scales beside their cost, those that need no label first, best first.

    Args:
        mini: by measure, of the miniature, see :meth:`MeasureTables.leave_out`.
        real: of :func:`forecasts`.
        labelled: by measure, whether it needs labels of the language.
        caption: of the table.
        base: what the predictor without a measure is called.
    """
    beside = {row["measure"]: row for row in real}
    whole = max(mini.values(), key=lambda result: len(result.rows))
    real_base = max(real, key=lambda row: row["models"], default={}).get("baseline")
    rows = [(base, "", "0", _told(whole.errors["mean"].mean), _told(real_base))]
    for m in sorted(mini, key=lambda m: (labelled[m], error_of(mini[m]))):
        words = "needed" if labelled[m] else "not needed"
        ends = _told(mini[m].errors["ours"].mean), _told(beside.get(m, {}).get("error"))
        rows.append((named(m), words, f"{passes(m)}", *ends))
    head = ("", "labels in the language", "passes", "miniature, error [95 %]", "real, error [95 %]")
    return table(head, rows, caption, dense=True)


def contest_table(results: Mapping[str, Contest], bases: Mapping[str, str], unit: str, caption: str) -> HTML:
    """Errors of predictors and their differences to baselines, one row per predictor.

    Args:
        results: by title.
        bases: what the baselines of the contests are called.
        unit: what is left out, in the plural.
        caption: of the table.
    """
    head = [cell for base in bases.values() for cell in (f"minus {base}", "p, t", "p, sign flips", f"better {unit}")]
    rows = []
    for title, result in results.items():
        row = [title, f"{result.errors['ours'].mean:.2f}", f"{result.errors['ours'].root:.2f}"]
        for gain in (result.gain("ours", base) for base in bases):
            row += [f"{gain.difference:.2f}", f"{gain.p:.2g}", f"{gain.p_flip:.2g}"]
            row.append(f"{gain.better} of {gain.difference.n}")
        rows.append(row)
    return table(("", "mean absolute error [95 %]", "RMSE", *head), rows, caption, dense=True)


def error_forest(
    ax: Axes,
    results: Mapping[str, Contest],
    free: Mapping[str, bool],
    bases: Mapping[str, str],
    order: Sequence[str] = (),
) -> None:
    """Draw the error of each predictor with its interval, best first, and a line for each predictor without a measure.

    Args:
        ax: the axes.
        results: by title; the lines are those of the contest of all measures, where there is one.
        free: by title, whether no label of the target language is needed.
        bases: a value of :data:`BASES`.
        order: titles from above, unless best first; one without a result is a gap.
    """
    order = order or sorted(results, key=lambda title: error_of(results[title]))
    whole = results.get("all together") or min(results.values(), key=error_of)
    _error_rows(ax, order, {title: result.errors["ours"].mean for title, result in results.items()}, free)
    for (base, words), style in zip(bases.items(), ("--", ":"), strict=True):
        error = error_of(whole, base)
        ax.axvline(error, color=figures.INK, ls=style, lw=1, label=f"{words}: {error:.1f}")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)


def real_error_forest(ax: Axes, real: Sequence[Mapping[str, Any]], base: str, order: Sequence[str] = ()) -> None:
    """The same of recorded models of a real encoder.

    Args:
        ax: the axes.
        real: of :func:`forecasts`, at least one row.
        base: what the predictor without a measure is called.
        order: titles from above, unless best first; one without a row is a gap.
    """
    rows = {named(row["measure"]): row for row in sorted(real, key=lambda row: row["error"].value)}
    free = {title: not row["needs_labels"] for title, row in rows.items()}
    _error_rows(ax, order or [*rows], {title: row["error"] for title, row in rows.items()}, free)
    error = max(rows.values(), key=lambda row: row["models"])["baseline"].value
    ax.axvline(error, color=figures.INK, ls="--", lw=1, label=f"{base}: {error:.1f}")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1))


def _error_rows(ax: Axes, order: Sequence[str], errors: Mapping[str, Interval], free: Mapping[str, bool]) -> None:
    for height, title in enumerate(order):
        if title in errors:
            marker, colour = ("D", UNLABELLED) if free[title] else ("o", figures.INK)
            figures.interval(ax, errors[title], height, marker, colour, 1.4, hollow=free[title])
    ax.set_yticks(range(len(order)), order)
    ax.set(ylim=(len(order) - 0.5, -0.5), xlim=(0, None), xlabel="mean absolute error [points]")
    ax.grid(visible=False, axis="y")


def passes(measure: str) -> int:
    """Forward passes over a language's examples, see :data:`xlgen.forecast.forecasters.PASSES`."""
    return Forecaster(measure, (measure,)).passes


def error_of(result: Contest, who: str = "ours") -> float:
    """Mean absolute error [points] of a predictor."""
    return result.errors[who].mean.value


def compared(results: Mapping[str, Contest], title: str | None, base: str = "mean") -> str:
    """The error of a predictor, that of a baseline, and their difference, in words."""
    if title is None:
        return "there is none"
    gain = results[title].gain("ours", base)
    return (
        f"{title}: {error_of(results[title]):.2f} points against {error_of(results[title], base):.2f} (difference "
        f"{gain.difference:+.2f}, p = {gain.p_flip:.2g} by sign flips, better in {gain.better} of {gain.difference.n})"
    )


def _told(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval:.2f}"
