"""The numbers of a live scatter plot, computed by Vega from the points that are in it.

Equations, for the points (xᵢ, yᵢ), i = 1 … n, with deviations dx, dy from the means and sums S over the points:
r = Sxy / √(Sxx Syy); its 95 % interval tanh(artanh r ± z₀.₉₇₅ / √(n − 3)); and the error of a straight line that was
fitted without the point, |eᵢ / (1 − hᵢ)| with the residual e and the leverage hᵢ = 1/n + dxᵢ² / Sxx, in the mean.
The same of a constant, the mean of the other points, is |dyᵢ| n / (n − 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlgen.analysis.intervals import MIN_POINTS, Z

if TYPE_CHECKING:
    import altair as alt


def with_statistics(chart: alt.Chart, x: str, y: str) -> alt.Chart:
    """Reduce the rows of a chart to one, with ``n``, ``r``, ``low``, ``high``, ``error`` and ``error_of_mean``.

    Args:
        chart: its rows are the points.
        x: column of numbers; a row without one in both columns is left out.
        y: another.
    """
    return (
        chart.transform_filter(f"isValid(datum['{x}']) && isValid(datum['{y}'])")
        .transform_joinaggregate(n="count()", mean_x=f"mean({x})", mean_y=f"mean({y})")
        .transform_calculate(dx=f"datum['{x}'] - datum.mean_x", dy=f"datum['{y}'] - datum.mean_y")
        .transform_calculate(xx="datum.dx * datum.dx", xy="datum.dx * datum.dy", yy="datum.dy * datum.dy")
        .transform_joinaggregate(s_xx="sum(xx)", s_xy="sum(xy)", s_yy="sum(yy)")
        .transform_calculate(
            residual="datum.dy - datum.dx * datum.s_xy / datum.s_xx",
            leverage="1 / datum.n + datum.xx / datum.s_xx",
        )
        .transform_calculate(
            left="abs(datum.residual / (1 - datum.leverage))", plain="abs(datum.dy) * datum.n / (datum.n - 1)"
        )
        .transform_aggregate(
            n="count()", s_xx="sum(xx)", s_xy="sum(xy)", s_yy="sum(yy)", error="mean(left)", error_of_mean="mean(plain)"
        )
        .transform_calculate(r=f"datum.n < {MIN_POINTS} ? null : datum.s_xy / sqrt(datum.s_xx * datum.s_yy)")
        .transform_calculate(z="0.5 * log((1 + datum.r) / (1 - datum.r))", half=f"{Z!r} / sqrt(datum.n - 3)")
        .transform_calculate(
            low="1 - 2 / (exp(2 * (datum.z - datum.half)) + 1)", high="1 - 2 / (exp(2 * (datum.z + datum.half)) + 1)"
        )
    )


def readout(chart: alt.Chart, x: str, y: str) -> alt.Chart:
    """The statistics in words, as a layer above the plot.

    Args:
        chart: its rows are the points.
        x: column of numbers.
        y: column of accuracies, as shares.
    """
    import altair as alt

    number = "replace(format(datum.{}, '.3f'), '-', '−')".format
    line = "format(100 * datum.{}, '.1f')".format
    words = (
        f"'r = ' + {number('r')} + ' [' + {number('low')} + ', ' + {number('high')} + '], n = ' + datum.n + '.'",
        f"'Leave one out: a line is off by ' + {line('error')} + ' points of accuracy, the mean of the others by '"
        f" + {line('error_of_mean')} + '.'",
    )
    few = f"['r is undefined: ' + datum.n + ' points; {MIN_POINTS} that differ are needed.', '']"
    return (
        with_statistics(chart, x, y)
        .transform_calculate(words=f"isFinite(datum.r) && isValid(datum.r) ? [{words[0]}, {words[1]}] : {few}")
        .mark_text(align="left", baseline="bottom", fontSize=12, lineHeight=16, color="#333333", clip=False)
        .encode(x=alt.value(0), y=alt.value(-26), text="words:N")
        .properties(name="readout")
    )
