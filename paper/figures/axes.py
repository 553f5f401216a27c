"""What the figures share: empty panels, plain numbers on an axis, a legend that covers nothing, checked columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from xlgen.analysis import AnalysisError


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


def legend_above(ax: Axes, columns: int = 1) -> Axes:
    """A legend that covers no point."""
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, ncols=columns, handletextpad=0.4)
    return ax


def columns_of(**columns: ArrayLike | None) -> list[NDArray]:
    """One-dimensional float arrays of the length of the first; a missing one is all ``nan``."""
    arrays = {name: None if values is None else np.asarray(values, dtype=float) for name, values in columns.items()}
    shape = next(iter(arrays.values())).shape
    for name, values in arrays.items():
        if values is not None and (values.ndim != 1 or values.shape != shape):
            raise AnalysisError(f"{name} has shape {values.shape}; expected {shape[:1]}, one number per point.")
    return [np.full(shape, np.nan) if values is None else values for values in arrays.values()]
