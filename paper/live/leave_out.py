"""Few points: click a language out, and the correlation moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paper.figures import INK
from paper.live.embed import Live, show
from paper.live.looks import as_csv, scales, straight, styled
from paper.live.picker import MEAN, wide
from paper.live.statistics import readout
from xlgen.analysis import AnalysisError
from xlgen.core.errors import UnknownName

if TYPE_CHECKING:
    import pandas as pd


def leave_out(frame: pd.DataFrame, x: str) -> Live:
    """A scatter plot with one point per language; a click, or Enter, takes one out of the numbers and puts it back.

    Args:
        frame: as of :func:`paper.live.picker`, of one task and scale; the models that differ in the objective can be
            chosen, in the mean over their seeds.
        x: measure across.

    Raises:
        UnknownName: ``x`` is no measure of the frame.
        AnalysisError: there are several tasks or scales, so that a language would have several points.
    """
    import altair as alt

    if x not in set(frame.measure):
        raise UnknownName("measure", x, set(frame.measure))
    table = wide(frame[frame.measure.isin([x, "accuracy"])])
    settings = sorted(set(table.scale + ", " + table.task))
    if len(settings) > 1:
        raise AnalysisError(f"the frame has {'; '.join(settings)}; expected one task and scale: choose its rows first.")
    table = table[table.seed == MEAN].rename(columns={x: "x", "accuracy": "y"})[["objective", "language", "x", "y"]]
    objectives = list(dict.fromkeys(table.objective))
    data = as_csv(table, "x", "y")

    model = alt.param(
        name="the_objective", value=objectives[0], bind=alt.binding_select(options=objectives, name="objective ")
    )
    out = alt.selection_point(name="out", fields=["language"], toggle="true", on="click", clear=False, empty=False)
    base = alt.Chart().transform_filter("datum.objective == the_objective")
    across = alt.X("x:Q", title=x.replace("_", " "), scale=alt.Scale(zero=False, padding=12))
    up = alt.Y("y:Q", title="accuracy", scale=alt.Scale(zero=False, padding=12))
    colour, shape = scales(objectives)
    points = (
        base.mark_point(size=90, opacity=1, strokeWidth=1.5, cursor="pointer")
        .encode(
            across,
            up,
            fill=alt.condition(out, alt.value("white"), alt.Color("objective:N", scale=colour, legend=None)),
            stroke=alt.Stroke("objective:N", scale=colour, legend=None),
            shape=alt.Shape("objective:N", scale=shape, legend=None),
            tooltip=["language:N", alt.Tooltip("x:Q", title=x, format=".4~g"), alt.Tooltip("y:Q", format=".3f")],
            description=alt.Description("label:N"),
        )
        .transform_calculate(label=f"datum.language + ': {x} ' + format(datum.x, '.4~g') + ', accuracy ' + datum.y")
        .add_params(out)
        .properties(name="points")
    )
    kept = base.transform_filter(~out)
    names = base.mark_text(align="left", dx=8, dy=-7, fontSize=10, color="#333333", tooltip=None).encode(
        across, up, text="language:N"
    )
    said = (
        base.transform_filter(out)
        .transform_aggregate(gone="values(language)")
        .transform_calculate(words="'Without ' + join(pluck(datum.gone, 'language'), ', ') + '.'")
        .mark_text(align="left", baseline="bottom", fontSize=12, color=INK)
        .encode(x=alt.value(0), y=alt.value(-42), text="words:N")
        .properties(name="readout_out")
    )
    chart = alt.layer(straight(kept), names, points, readout(kept), said, data=data).add_params(model)
    return show(
        styled(chart.properties(height=300)),
        name="leave-out",
        alt=f"Scatter plot, one point per language: {x} across, accuracy up, and a straight line through what is in.",
    )
