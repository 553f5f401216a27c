"""One quantity against another: a point for each language, or each model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator
from numpy.typing import ArrayLike

from paper.figures.axes import columns_of, legend_above
from paper.figures.labels import LABEL_SIZE, label_points
from paper.figures.looks import FAINT, INK, Look, look
from xlgen.analysis import AnalysisError, Clustered, Correlation, Pairs, correlate


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
    x, y, xerr, yerr = columns_of(x=x, y=y, xerr=xerr, yerr=yerr)
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
    return legend_above(ax)


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
    x, y, _, yerr = columns_of(x=x, y=y, xerr=None, yerr=yerr)
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
