"""A table of numbers as colours, and the ranks of its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike


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
