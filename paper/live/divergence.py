"""The KL divergence of a small step, its quadratic form, and what is left: slope 3, down to the floor of rounding."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from paper.figures import INK
from paper.live.embed import Live, show
from paper.live.looks import styled
from xlgen.analysis import AnalysisError

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
SHAPES = ("circle", "square", "triangle-up", "diamond")


def divergence(
    radii: ArrayLike,
    quadratic: ArrayLike,
    computed: Mapping[str, ArrayLike],
    *,
    name: str = "divergence",
    caption: str = "",
) -> Live:
    """Sliders for the size and the direction of a step; divergence, quadratic form and remainders on log-log axes.

    Args:
        radii: (R,) sizes of the step, in geometric progression [parameter norm].
        quadratic: (R, D) ½ εᵀFε in each of D directions [nats].
        computed: by the way of computing it, (R, D) the divergence [nats]; the first is the most exact, and its
            remainder's slope is given.
        name: of the figure.
        caption: below the figure.

    Raises:
        AnalysisError: shapes differ, or the sizes are in no geometric progression.
    """
    import altair as alt
    import pandas as pd

    radii, quadratic = np.asarray(radii, dtype=float), np.asarray(quadratic, dtype=float)
    computed = {key: np.asarray(value, dtype=float) for key, value in computed.items()}
    for key, value in {"quadratic": quadratic, **computed}.items():
        if value.shape != (len(radii), quadratic.shape[-1]):
            raise AnalysisError(f"{key} has shape {value.shape}; expected {(len(radii), quadratic.shape[-1])}.")
    steps = np.diff(np.log10(radii))
    if len(radii) < 3 or not np.allclose(steps, steps[0]):
        raise AnalysisError("the sizes of the step are in no geometric progression; use numpy.logspace.")
    directions = quadratic.shape[1]
    first = next(iter(computed))
    remainders = {f"remainder, {key}": np.abs(value - quadratic) for key, value in computed.items()}
    with np.errstate(divide="ignore"):
        slope = np.gradient(np.log(remainders[f"remainder, {first}"]), np.log(radii), axis=0)
    index = np.indices(quadratic.shape)
    columns = {"number": index[0], "direction": index[1] + 1, "size": np.broadcast_to(radii[:, None], quadratic.shape)}
    columns |= {"KL": computed[first], "½εᵀFε": quadratic, **remainders, "slope": slope}
    columns |= {f"KL {key}": value for key, value in computed.items()}
    table = pd.DataFrame({key: value.ravel() for key, value in columns.items()})
    series = ["KL", "½εᵀFε", *remainders]
    data = alt.Data(
        values=table.to_csv(index=False, float_format="%.6g"),
        format=alt.CsvDataFormat(type="csv", parse=dict.fromkeys(table.columns, "number")),
    )

    def slider(key: str, label: str, low: float, high: float, step: float, value: float) -> alt.Parameter:
        return alt.param(name=key, value=value, bind=alt.binding_range(min=low, max=high, step=step, name=label))

    start, step = float(np.log10(radii[0])), float(steps[0])
    size = slider("log_size", "log₁₀ ‖ε‖ ", start, float(np.log10(radii[-1])), step, start + step * (len(radii) // 2))
    direction = slider("the_direction", "direction ", 1, directions, 1, 1)
    base = alt.Chart().transform_filter("datum.direction == the_direction")
    here = base.transform_filter(f"abs(datum.number - (log_size - {start!r}) / {step!r}) < 0.5")
    across = alt.X("size:Q", title="size of the step ‖ε‖ [parameter norm]", scale=alt.Scale(type="log"))
    up = alt.Y("value:Q", title="[nats]", scale=alt.Scale(type="log"), axis=alt.Axis(format="~e", tickCount=8))
    across.axis = alt.Axis(format="~e", tickCount=8)
    palette = ["#333333", "#999999", *COLOURS][: len(series)]
    legend = alt.Legend(orient="bottom", columns=2, labelLimit=300)
    colour = alt.Color("series:N", scale=alt.Scale(domain=series, range=palette), title=None, legend=legend)
    shape = alt.Shape(
        "series:N",
        scale=alt.Scale(domain=series, range=["cross", "stroke", *SHAPES][: len(series)]),
        title=None,
        legend=legend,
    )
    long = base.transform_fold(series, as_=["series", "value"]).transform_filter("datum.value > 0")
    lines = long.mark_line(strokeWidth=1.2).encode(across, up, colour)
    marked = (
        here.transform_fold(series, as_=["series", "value"])
        .transform_filter("datum.value > 0")
        .mark_point(filled=True, size=90, opacity=1)
        .encode(across, up, colour, shape, tooltip=["series:N", alt.Tooltip("value:Q", format=".3~e")])
        .properties(name="points")
    )
    rule = here.mark_rule(color="#767676", strokeDash=[4, 3]).encode(across)

    def number(column: str) -> str:
        return f"replace(format(datum['{column}'], '.2e'), '-', '−')"

    parts = " + ', ' + ".join(f"'{key} ' + {number(f'remainder, {key}')}" for key in computed)
    negative = [f"(datum['KL {key}'] < 0 ? ' Negative KL: {key}.' : '')" for key in computed]
    words = (
        f"['‖ε‖ = ' + {number('size')} + ': KL ' + {number('KL')} + ', ½εᵀFε ' + {number('½εᵀFε')} + ' nats.', "
        f"'Remainder: ' + {parts} + '.', "
        f"'Its slope here: ' + format(datum.slope, '.2f') + '.' + {' + '.join(negative)}]"
    )
    readout = (
        here.transform_calculate(words=words)
        .mark_text(align="left", baseline="bottom", fontSize=11, lineHeight=15, color=INK)
        .encode(x=alt.value(0), y=alt.value(-40), text="words:N")
        .properties(name="readout")
    )
    chart = alt.layer(rule, lines, marked, readout, data=data).add_params(size, direction).properties(height=320)
    return show(
        styled(chart),
        name=name,
        caption=caption,
        alt="Log-log plot over the size of the step: the divergence and its quadratic form fall with slope 2, the "
        "remainder with slope 3 until rounding stops it.",
    )
