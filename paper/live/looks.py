"""The book's colours and markers in Vega's words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from paper.figures import FAINT, INK, look

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

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


def as_csv(table: pd.DataFrame, *numbers: str, **others: str) -> alt.Data:
    """Rows as CSV text, six digits a number.

    Args:
        table: the rows.
        numbers: columns that are read as such.
        others: type of further columns that would be guessed otherwise.
    """
    import altair as alt

    parse = dict.fromkeys(numbers, "number") | others
    text = table.to_csv(index=False, float_format="%.6g")
    return alt.Data(values=text, format=alt.CsvDataFormat(type="csv", parse=parse))


def straight(chart: alt.Chart) -> alt.Chart:
    """The least-squares line through the points ``x`` and ``y``."""
    line = chart.transform_regression("x", "y").mark_line(color="#767676", strokeDash=[4, 3], strokeWidth=1)
    return line.encode(x="x:Q", y="y:Q")


def above(chart: alt.Chart) -> alt.Chart:
    """The layer that says the column ``words`` above the plot (:func:`paper.live.embed.show`)."""
    import altair as alt

    text = chart.mark_text(align="left", baseline="bottom", fontSize=12, lineHeight=16, color=INK, clip=False)
    return text.encode(x=alt.value(0), y=alt.value(-26), text="words:N").properties(name="readout")


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
