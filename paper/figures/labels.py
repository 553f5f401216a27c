"""Labels beside points, each where nothing else stands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.text import Annotation
from numpy.typing import NDArray

from paper.figures.looks import INK

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
