"""The numbers of a live scatter plot, computed by Vega from the points that are in it.

Equations, for the points (xᵢ, yᵢ), i = 1 … n, with deviations dx, dy from the means and sums S over the points:
r = Sxy / √(Sxx Syy); its 95 % interval tanh(artanh r ± z₀.₉₇₅ / √(n − 3)); and the error of a straight line that was
fitted without the point, |eᵢ / (1 − hᵢ)| with the residual e and the leverage hᵢ = 1/n + dxᵢ² / Sxx, in the mean.
The same of a constant, the mean of the other points, is |dyᵢ| n / (n − 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from paper.live.looks import above
from xlgen.analysis.intervals import MIN_POINTS, Z

if TYPE_CHECKING:
    import altair as alt


def with_statistics(chart: alt.Chart) -> alt.Chart:
    """Reduce the rows of a chart to one, with ``n``, ``r``, ``low``, ``high``, ``error`` and ``error_of_mean``.

    Args:
        chart: its rows are the points, with numbers ``x`` and ``y``; a row that lacks one is left out.
    """
    return (
        chart.transform_filter("isValid(datum.x) && isValid(datum.y)")
        .transform_joinaggregate(n="count()", mean_x="mean(x)", mean_y="mean(y)")
        .transform_calculate(dx="datum.x - datum.mean_x", dy="datum.y - datum.mean_y")
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


def readout(chart: alt.Chart) -> alt.Chart:
    """The statistics in words, as a layer above the plot.

    Args:
        chart: its rows are the points: a number ``x``, and ``y``, an accuracy as a share.
    """
    number = "replace(format(datum.{}, '.3f'), '-', '−')".format
    line = "format(100 * datum.{}, '.1f')".format
    words = (
        f"'r = ' + {number('r')} + ' [' + {number('low')} + ', ' + {number('high')} + '], n = ' + datum.n + '.'",
        f"'Leave one out: a line is off by ' + {line('error')} + ' points of accuracy, the mean of the others by '"
        f" + {line('error_of_mean')} + '.'",
    )
    few = f"['r is undefined: ' + datum.n + ' points; {MIN_POINTS} that differ are needed.', '']"
    said = f"isFinite(datum.r) && isValid(datum.r) ? [{words[0]}, {words[1]}] : {few}"
    return above(with_statistics(chart).transform_calculate(words=said))
