"""The book's colours and markers in Vega's words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from paper.figures import FAINT, INK, look

if TYPE_CHECKING:
    import altair as alt

SHAPES = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "v": "triangle-down",
    "P": "cross",
    "<": "triangle-left",
    "X": "wedge",
    ">": "triangle-right",
}
"""Vega's name of each marker of :data:`paper.figures.LOOKS` and its spares."""


def scales(objectives: Iterable[str]) -> tuple[alt.Scale, alt.Scale]:
    """Scales of colour and of shape for objectives."""
    import altair as alt

    names = list(objectives)
    looks = [look(name) for name in names]
    return (
        alt.Scale(domain=names, range=[one.colour for one in looks]),
        alt.Scale(domain=names, range=[SHAPES[one.marker] for one in looks]),
    )


def styled(chart: Any) -> Any:
    """The chart with the style of the book's figures."""
    return (
        chart.configure(background="white", font="system-ui, DejaVu Sans, sans-serif", padding=6)
        .configure_axis(
            **{"labelColor": INK, "titleColor": INK, "gridColor": "#E3E3E3", "domainColor": INK, "tickColor": FAINT},
            **{"labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": "normal"},
        )
        .configure_view(stroke=None)
        .configure_title(anchor="start", color=INK, fontSize=13, fontWeight="normal")
        .configure_legend(labelColor=INK, titleColor=INK)
    )
