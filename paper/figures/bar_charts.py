"""Bars in groups: by language with an interval, or by any name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from paper.figures.axes import legend_above
from paper.figures.looks import INK, Look, look
from xlgen.analysis import Interval


def bars_by_language(ax: Axes, accuracy: Mapping[str, Mapping[str, Interval]], *, chance: float | None = None) -> Axes:
    """Draw the accuracy in each language, a bar per objective, with its interval.

    Args:
        ax: where.
        accuracy: by objective, by language, with a binomial interval; a missing or ``nan`` one is a gap.
        chance: accuracy of guessing, drawn as a line.
    """
    languages = list(dict.fromkeys(language for row in accuracy.values() for language in row))
    width = 0.8 / max(1, len(accuracy))
    gap = Interval(np.nan, np.nan, np.nan, 0)
    for number, (objective, row) in enumerate(accuracy.items()):
        values = [row.get(language, gap) for language in languages]
        centres = np.arange(len(languages)) + (number - (len(accuracy) - 1) / 2) * width
        heights = np.array([v.value for v in values])
        ends = np.array([(v.value - v.low, v.high - v.value) for v in values]).reshape(-1, 2).T
        colour = look(objective).colour
        ax.bar(centres, heights, 0.9 * width, facecolor=(colour, 0.35), edgecolor=colour, label=objective)
        ax.errorbar(centres, heights, yerr=ends, fmt="none", ecolor=colour, elinewidth=1.6)
    if chance is not None:
        ax.axhline(chance, color=INK, linestyle="--", linewidth=0.8, label=f"chance, {chance:.2f}")
    ax.set_xticks(range(len(languages)), languages)
    ax.set(ylim=(0, 1), ylabel="accuracy, 95 % interval")
    ax.grid(visible=False, axis="x")
    return legend_above(ax, columns=len(accuracy) + 1)


def bars(ax: Axes, groups: Sequence[str], rows: Mapping[str, tuple[Look, Sequence[float]]]) -> Axes:
    """Draw groups of bars, one bar of each row in a group; the hatch differs too, so that colour is never needed.

    Args:
        ax: where.
        groups: names of the groups.
        rows: by label, the look and one height a group.
    """
    width = 0.81 / max(1, len(rows))
    for number, (label, (style, heights)) in enumerate(rows.items()):
        ax.bar(
            np.arange(len(groups)) + (number - (len(rows) - 1) / 2) * width,
            heights,
            0.92 * width,
            facecolor=(style.colour, 0.35),
            edgecolor=style.colour,
            hatch=("", "//", "xx", "..")[number % 4],
            label=label,
        )
    ax.set_xticks(range(len(groups)), groups)
    ax.grid(visible=False, axis="x")
    return legend_above(ax, columns=len(rows))
