"""Figures of the book: one style, one colour and marker per objective, and the few plots that every page uses.

Every function draws into axes that it is given and returns them::

    figures.use_style()
    figure, ax = plt.subplots()
    figures.scatter_correlation(ax, x, y, labels=languages, correlation=correlate(x, y), objective="sam")

Figures have a white panel of their own rather than a transparent background. A text that is legible both on a white
page and on the dark one (#121212) would need a contrast of 4.5 with each; no colour has more than 4.3.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.container import ErrorbarContainer
from matplotlib.image import AxesImage
from matplotlib.text import Annotation
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from paper.published import Cell
from xlgen.analysis import AnalysisError, Clustered, Correlation, Interval, Pairs, correlate
from xlgen.core.errors import UnknownName

INK = "#333333"
FAINT = "#767676"


@dataclass(frozen=True)
class Look:
    """How an objective is drawn on every page: the marker differs too, so that colour is never needed."""

    colour: str
    marker: str


LOOKS: dict[str, Look] = {
    "baseline": Look(INK, "o"),
    "sam": Look("#0072B2", "s"),
    "fisher": Look("#D55E00", "^"),
    "mvr": Look("#009E73", "D"),
}
"""By objective. To give a new objective a look of its own, add a row."""

SETUPS: dict[str, Look] = {
    "vanilla": LOOKS["baseline"],
    "l2": Look("#0072B2", "s"),
    "ewc": Look("#D55E00", "^"),
    "prompt": Look("#CC79A7", "P"),
    "bitfit": Look("#D55E00", "^"),
    "adapter": Look("#009E73", "D"),
}
"""By setup of anonymous2021frustratingly; no figure has both EWC and BitFit."""

SPARE = tuple(Look(colour, marker) for marker in "vP<X>" for colour in ("#CC79A7", "#0072B2", "#D55E00", "#009E73"))


def look(objective: str) -> Look:
    """The look of an objective; one without a row in :data:`LOOKS` gets a spare one, always the same."""
    return LOOKS.get(objective) or SPARE[zlib.crc32(objective.encode()) % len(SPARE)]


def use_style() -> None:
    """Use the book's style from here on."""
    with resources.as_file(resources.files("paper") / "xlgen.mplstyle") as path:
        plt.style.use(path)


def panels(titles: Iterable[str], size: tuple[float, float] = (4.2, 3.9), columns: int = 2) -> dict[str, Axes]:
    """Draw one empty panel a title, row by row.

    Args:
        titles: all different; they are written above the panels.
        size: of a panel, width and height [inches].
        columns: panels side by side, at most.

    Returns:
        The axes by title.
    """
    titles = list(titles)
    columns = min(columns, len(titles))
    rows = -(-len(titles) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(size[0] * columns, size[1] * rows), squeeze=False)
    for spare in axes.flat[len(titles) :]:
        spare.remove()
    for ax, title in zip(axes.flat, titles, strict=False):
        ax.set_title(title, fontsize="medium")
    return dict(zip(titles, axes.flat, strict=False))


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


def plain_ticks(axis: Axis, ticks: Sequence[float] = ()) -> None:
    """Write plain numbers (``0.05``) on a logarithmic axis, also where it spans less than a decade.

    Args:
        axis: the axis, which its data has been drawn on.
        ticks: where the numbers are; at 1, 2 and 5 of each decade unless given.
    """
    low, high = axis.get_view_interval()
    if len(ticks):
        axis.set_ticks(ticks)
    else:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)) if high > 5 * low else MaxNLocator(4))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:g}")


def scatter_correlation(
    ax: Axes,
    x: ArrayLike,
    y: ArrayLike,
    *,
    xerr: ArrayLike | None = None,
    yerr: ArrayLike | None = None,
    labels: Sequence[str] = (),
    correlation: Correlation | Clustered | None = None,
    objective: str = "baseline",
) -> Axes:
    """Draw one point per language, its code beside it, and the correlation above the axes.

    Call it again with another objective to draw both into the same axes.

    Args:
        ax: where.
        x: a measure; a language whose ``x`` or ``y`` is not finite is not drawn.
        y: another one, usually accuracy.
        xerr: half-lengths of the horizontal error bars; ``nan`` draws none.
        yerr: half-lengths of the vertical ones.
        labels: language codes.
        correlation: of ``x`` and ``y``; its coefficient and interval go into the legend.
        objective: sets colour and marker, and is named in the legend.

    Raises:
        AnalysisError: lengths differ.
    """
    x, y, xerr, yerr = _columns(x=x, y=y, xerr=xerr, yerr=yerr)
    if len(labels) not in (0, len(x)):
        raise AnalysisError(f"{len(labels)} labels for {len(x)} points; expected one each, or none.")
    shown = np.isfinite(x) & np.isfinite(y)
    style = look(objective)
    ax.errorbar(
        x[shown],
        y[shown],
        xerr=xerr[shown],
        yerr=yerr[shown],
        fmt=style.marker,
        color=style.colour,
        ecolor=style.colour,
        markeredgecolor="white",
        elinewidth=0.8,
        label=objective if correlation is None else f"{objective}: {correlation}",
    )
    if ax.get_xscale() == "log":  # within a decade all nine are written otherwise, one over another
        ax.xaxis.set_minor_locator(LogLocator(subs=(2, 4)))
    if labels:
        label_points(ax, x[shown], y[shown], [label for label, drawn in zip(labels, shown, strict=True) if drawn])
    return _legend_above(ax)


def scatter_pairs(ax: Axes, pairs: Pairs, xlabel: str, *, objective: str = "baseline", xerr: bool = True) -> Axes:
    """Draw test accuracy against a measure over languages, with error bars and the correlation.

    A language whose measure is a bound (its status is not ``"ok"``) is not drawn and not in the correlation.

    Args:
        ax: where.
        pairs: of :func:`xlgen.analysis.paired`, accuracy as y.
        xlabel: the measure, with its unit.
        objective: sets colour and marker.
        xerr: draw the standard errors of the measure too.
    """
    usable = np.array(pairs.status) == "ok"
    scatter_correlation(
        ax,
        np.where(usable, pairs.x, np.nan),
        pairs.y,
        xerr=pairs.xerr if xerr else None,
        yerr=pairs.yerr,
        labels=pairs.languages,
        correlation=correlate(pairs.x, pairs.y, status=pairs.status),
        objective=objective,
    )
    ax.set(xlabel=xlabel, ylabel="accuracy (test)")
    return ax


def scatter_ranges(
    ax: Axes,
    x: ArrayLike,
    y: ArrayLike,
    x_ends: tuple[ArrayLike, ArrayLike],
    y_ends: tuple[ArrayLike, ArrayLike],
    *,
    look: Look,
    legend: str,
    labels: Sequence[str] = (),
) -> Axes:
    """Draw means with bars from the smallest to the largest of what they are means of, each with a label beside it.

    Args:
        ax: where.
        x: means.
        y: means.
        x_ends: the smallest and the largest.
        y_ends: the smallest and the largest.
        look: colour and marker; a star is drawn larger.
        legend: name of these points in the legend.
        labels: one a point, or none.
    """
    x, y = np.asarray(x), np.asarray(y)
    ax.hlines(y, *x_ends, color=look.colour, lw=0.8)
    ax.vlines(x, *y_ends, color=look.colour, lw=0.8)
    size = {"ms": 13 if look.marker == "*" else 7, "mew": 2 if look.marker == "x" else 0.5}
    ax.plot(x, y, look.marker, ls="none", color=look.colour, label=legend, **size)
    ax.margins(0.1)
    for point, label in zip(zip(x, y, strict=True), labels, strict=bool(labels)):
        ax.annotate(label, point, xytext=(6, 6), textcoords="offset points", fontsize=LABEL_SIZE, color=look.colour)
    return ax


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
    return _legend_above(ax) if published else ax


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
    return _legend_above(ax, columns=len(accuracy) + 1)


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
    return _legend_above(ax, columns=4)


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
    return _legend_above(ax, columns=len(rows))


def heat_map(
    ax: Axes,
    grid: ArrayLike,
    rows: Sequence[str],
    columns: Sequence[str],
    limits: tuple[float, float],
    cmap: str,
    form: str,
) -> AxesImage:
    """Draw a table of numbers as colours, with each number in its cell.

    Args:
        ax: where.
        grid: (rows, columns); ``nan`` is a blank.
        rows: their names.
        columns: their names.
        limits: numbers at the two ends of the colours.
        cmap: name of the colours.
        form: how a number is written, such as ``".0f"``.
    """
    grid = np.asarray(grid, dtype=float)
    image = ax.imshow(grid, cmap=cmap, vmin=limits[0], vmax=limits[1], aspect="auto")
    for (row, column), value in np.ndenumerate(grid):
        if np.isfinite(value):
            dark = np.dot(image.to_rgba(value)[:3], (0.299, 0.587, 0.114)) < 0.5
            words = format(value, form).replace("-", "−")
            ax.text(column, row, words, ha="center", va="center", fontsize=6.5, color="white" if dark else "black")
    ax.set_xticks(range(len(columns)), columns, fontsize=8)
    ax.set_yticks(range(len(rows)), rows, fontsize=8)
    ax.grid(visible=False)
    return image


def slope(
    ax: Axes,
    x: ArrayLike,
    y: ArrayLike,
    reference_slope: float,
    *,
    yerr: ArrayLike | None = None,
    label: str = "measured",
) -> Axes:
    """Draw y against x on logarithmic axes, and a line of the slope that theory expects through their geometric mean.

    Args:
        ax: where.
        x: positive numbers.
        y: positive numbers.
        reference_slope: exponent k of y ∝ x^k.
        yerr: half-lengths of the error bars.
        label: of the points, in the legend.

    Raises:
        AnalysisError: lengths differ, there are no points, or a number is not positive.
    """
    x, y, _, yerr = _columns(x=x, y=y, xerr=None, yerr=yerr)
    if not (len(x) and (x > 0).all() and (y > 0).all() and np.isfinite([x, y]).all()):
        raise AnalysisError("a slope on logarithmic axes needs at least one point, with positive finite numbers.")
    ax.errorbar(x, y, yerr=yerr, fmt="o", color=INK, label=label)
    ends = np.array([x.min(), x.max()])
    centre_x, centre_y = np.exp(np.log(x).mean()), np.exp(np.log(y).mean())
    ax.plot(
        ends,
        centre_y * (ends / centre_x) ** reference_slope,
        linestyle="--",
        color=FAINT,
        label=f"slope {reference_slope:g}",
        zorder=1,
    )
    ax.set(xscale="log", yscale="log")
    ax.legend()
    return ax


def ranks(ax: Axes, columns: Mapping[str, Mapping[str, float]], colours: Mapping[str, object]) -> Axes:
    """Draw the rank of each name in each column, 1 for the smallest value, and the names at both ends.

    The last column is what the others are compared with: it has squares, and dotted lines lead to it.

    Args:
        ax: where.
        columns: by title, a value for each name.
        colours: by name.
    """
    orders = [sorted(values, key=values.get) for values in columns.values()]
    last = len(orders) - 1
    for name, colour in colours.items():
        heights = [order.index(name) + 1 for order in orders]
        ax.plot(range(last), heights[:-1], "o-", color=colour)
        ax.plot([last - 1, last], heights[-2:], ":", color=colour)
        ax.plot(last, heights[-1], "s", color=colour)
        ax.text(-0.25, heights[0], name, ha="right", va="center", color=colour)
        ax.text(last + 0.2, heights[-1], name, va="center", color=colour)
    ax.set(ylabel="rank", xlim=(-0.8, last + 0.8))
    ax.set_xticks(range(last + 1), list(columns))
    ax.set_yticks(range(1, len(colours) + 1))
    ax.invert_yaxis()
    ax.grid(visible=False, axis="x")
    return ax


def bisection(
    upper: Axes,
    lower: Axes,
    trials: Sequence[tuple[float, float]],
    *,
    bracket: tuple[float, float],
    start: float,
    threshold: float,
) -> None:
    """Draw the trials of a search for the largest tolerated α above, and its bracket after each trial below.

    Args:
        upper: where the worst accuracy met at each α goes: circles are tolerated, crosses are not.
        lower: where the brackets go, the first on top.
        trials: (α, largest drop of accuracy that was met), in order.
        bracket: of α before the first trial.
        start: accuracy without perturbation.
        threshold: a drop from which a perturbation is not tolerated.
    """
    low, high = bracket
    for number, (alpha, drop) in enumerate(trials, start=1):
        tolerated = drop < threshold
        low, high = (alpha, high) if tolerated else (low, alpha)
        upper.plot(alpha, start - drop, "o" if tolerated else "x", ms=5, color="C0")
        lower.plot([low, high], [number, number], color="C0", lw=4, solid_capstyle="butt")
        lower.plot(alpha, number, "|", ms=9, color="C2")
    upper.axhline(start, color="0.45", ls="--", lw=1)
    upper.axhline(start - threshold, color="C2", lw=1, label="not tolerated from here downwards")
    upper.set(xscale="log", ylim=(-0.03, 1.03))
    lower.set(xlabel=r"$\alpha$ [parameter units]", yticks=range(1, len(trials) + 1, 2))
    lower.set_ylim(len(trials) + 0.5, 0.5)


def _columns(**columns: ArrayLike | None) -> list[NDArray]:
    """One-dimensional float arrays of the length of the first; a missing one is all ``nan``."""
    arrays = {name: None if values is None else np.asarray(values, dtype=float) for name, values in columns.items()}
    shape = next(iter(arrays.values())).shape
    for name, values in arrays.items():
        if values is not None and (values.ndim != 1 or values.shape != shape):
            raise AnalysisError(f"{name} has shape {values.shape}; expected {shape[:1]}, one number per point.")
    return [np.full(shape, np.nan) if values is None else values for values in arrays.values()]


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


def _legend_above(ax: Axes, columns: int = 1) -> Axes:
    """A legend that covers no point."""
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, ncols=columns, handletextpad=0.4)
    return ax


OFFSETS = ((5, 7), (-5, 7), (5, -7), (-5, -7), (0, 10), (0, -10), (8, 0), (-8, 0))  # of a label's near edge [points]
LABEL_SIZE = 8


def label_points(ax: Axes, x: NDArray, y: NDArray, labels: Sequence[str]) -> None:
    """Write each label at the first place around its point that is free of points and of earlier labels."""
    drawn = [c.lines[0].get_xydata() for c in ax.containers if isinstance(c, ErrorbarContainer) and c.lines[0]]
    taken = [_box(ax, point, (0, 0), "o") for point in np.concatenate(drawn)]
    taken += [_box(ax, text.xy, text.xyann, text.get_text()) for text in ax.texts if isinstance(text, Annotation)]
    for point, label in zip(zip(x, y, strict=True), labels, strict=True):
        free = [offset for offset in OFFSETS if not _overlaps(_box(ax, point, offset, label), taken)]
        offset = free[0] if free else OFFSETS[0]
        taken.append(_box(ax, point, offset, label))
        ax.annotate(
            label,
            point,
            xytext=offset,
            textcoords="offset points",
            ha={1: "left", 0: "center", -1: "right"}[int(np.sign(offset[0]))],
            va="center",
            fontsize=LABEL_SIZE,
            color=INK,
        )


def _box(ax: Axes, point: tuple[float, float], offset: tuple[float, float], label: str) -> tuple[NDArray, NDArray]:
    """Lower left and upper right corner of a label, in points; a character is about 0.62 of the font's size wide."""
    half = LABEL_SIZE * np.array([0.31 * len(label), 0.5])
    centre = ax.transData.transform(point) * 72 / ax.figure.dpi + offset + np.sign(offset[0]) * half * (1, 0)
    return centre - half, centre + half


def _overlaps(box: tuple[NDArray, NDArray], others: Sequence[tuple[NDArray, NDArray]]) -> bool:
    return any((box[0] < high).all() and (low < box[1]).all() for low, high in others)
