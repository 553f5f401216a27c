"""Estimates with their intervals: rows of a forest, marks by language, repeated runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from paper.figures.axes import legend_above
from paper.figures.looks import FAINT, INK, LOOKS, Look
from paper.published import Cell
from xlgen.analysis import Correlation, Interval
from xlgen.core.errors import UnknownName


def interval(
    ax: Axes,
    estimate: Interval,
    height: float,
    marker: str,
    colour: str,
    width: float = 1.6,
    *,
    hollow: bool = False,
    label: str | None = None,
) -> None:
    """Draw an estimate and its interval as a row of a forest, ``width`` [points] wide."""
    ends = [[estimate.value - estimate.low], [estimate.high - estimate.value]]
    ax.errorbar(
        [estimate.value],
        [height],
        xerr=ends,
        fmt=marker,
        color=colour,
        elinewidth=width,
        markerfacecolor="white" if hollow else colour,
        label=label,
    )


def forest(ax: Axes, ours: Mapping[str, Correlation], published: Mapping[str, Cell | None] | None = None) -> Axes:
    """Draw our correlations, one row each, with their intervals, and under them the paper's.

    The paper's interval is the one that its coefficient has at the number of languages; it does not print any.

    Args:
        ax: where.
        ours: by row; rows named by an objective have its look. An undefined correlation is written out.
        published: by row, the paper's coefficient; ``None`` where it has none.

    Raises:
        UnknownName: a row of ``published`` that is not in ``ours``.
    """
    published = {row: value for row, value in (published or {}).items() if value is not None}
    for row in published:
        if row not in ours:
            raise UnknownName("row of the figure", row, ours)
    first = True
    for height, (row, correlation) in enumerate(ours.items()):
        style, r = LOOKS.get(row, Look(INK, "o")), correlation.pearson
        if correlation.status == "ok":
            interval(ax, Interval(r.value, r.low, r.high, correlation.n), height, style.marker, style.colour, 1.6)
        else:
            ax.text(0, height, f"undefined: {correlation.reason}", ha="center", va="bottom", color=FAINT, fontsize=8)
        if row in published:
            label = "published, with the interval it has at its n" if first else None
            interval(ax, published[row].interval, height + 0.28, "o", FAINT, 0.8, hollow=True, label=label)
            first = False
    ax.axvline(0, color=FAINT, linewidth=0.8, zorder=0)
    ax.set(xlim=(-1.05, 1.05), ylim=(len(ours) - 0.4, -0.6), xlabel="Pearson's r with accuracy, 95 % interval")
    ax.set_yticks(range(len(ours)), list(ours))
    ax.grid(visible=False, axis="y")
    return legend_above(ax) if published else ax


def marks(
    ax: Axes, x: ArrayLike, y: Iterable[Interval | float], look: Look, *, label: str | None = None, **style: Any
) -> None:
    """Draw one mark an estimate, with its interval: ours are filled, numbers without one (a paper's) hollow.

    Args:
        ax: where.
        x: places, one an estimate.
        y: all intervals, or all numbers; ``nan`` is a gap.
        look: colour and marker.
        label: in the legend.
        style: further keywords of :meth:`matplotlib.axes.Axes.errorbar`.
    """
    y = list(y)
    values = [one.value if isinstance(one, Interval) else one for one in y]
    ends = [(one.value - one.low, one.high - one.value) if isinstance(one, Interval) else (np.nan, np.nan) for one in y]
    fill = {} if any(isinstance(one, Interval) for one in y) else {"mfc": "white", "ms": 5}
    style = {"fmt": look.marker, "color": look.colour, "elinewidth": 1} | fill | style
    ax.errorbar(x, values, yerr=np.reshape(ends, (-1, 2)).T, label=label, **style)


def marks_by_language(
    ax: Axes, languages: Sequence[str], rows: Mapping[str, tuple[Look, Mapping[str, Interval | float]]]
) -> Axes:
    """Draw several rows of estimates by language side by side, around a line at zero.

    Args:
        ax: where.
        languages: codes, in their order on the axis.
        rows: by label, the look and the estimates (see :func:`marks`); a language that a row lacks is a gap.
    """
    step = 0.72 / max(1, len(rows))
    for number, (label, (look, row)) in enumerate(rows.items()):
        here = [place for place, code in enumerate(languages) if code in row]
        x = np.array(here, dtype=float) + (number - (len(rows) - 1) / 2) * step
        marks(ax, x, [row[languages[place]] for place in here], look, label=label)
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.set_xticks(range(len(languages)), languages)
    ax.set_xlim(-0.6, len(languages) - 0.4)
    ax.grid(visible=False, axis="x")
    return legend_above(ax, columns=4)


def repeats(ax: Axes, columns: Mapping[float, tuple[ArrayLike, Look]], names: Sequence[object] = ()) -> Axes:
    """Draw the scores of repeated runs in columns: lines join the same run, mean and standard deviation stand beside.

    Args:
        ax: where.
        columns: by place on the horizontal axis, the scores, the same runs in the same order, and their look.
        names: what is written in place of a hollow marker, one a run.
    """
    ax.plot(list(columns), np.array([scores for scores, _ in columns.values()]), color=FAINT, lw=0.6, zorder=0)
    for place, (scores, style) in columns.items():
        for run, value in enumerate(scores):
            mark = {"marker": f"${names[run]}$", "ms": 6} if names else {"marker": style.marker, "ms": 5, "mfc": "none"}
            ax.plot(place, value, color=style.colour, mew=0.4 if names else 1.0, **mark)
        spread = np.std(scores, ddof=1) if len(scores) > 1 else np.nan
        bar = {"yerr": spread, "capsize": 3, "color": style.colour}
        ax.errorbar(place + 0.22, np.mean(scores), fmt=style.marker, ms=7, **bar)
    ax.grid(visible=False, axis="x")
    return ax
