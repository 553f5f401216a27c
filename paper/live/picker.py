"""The picker: any measure against accuracy, for one model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from paper.figures import INK
from paper.live.embed import Live, show
from paper.live.looks import as_csv, scales, straight, styled
from paper.live.statistics import readout
from xlgen.core.errors import UnknownName

if TYPE_CHECKING:
    import pandas as pd

MEAN = "mean"
"""Instead of a seed: the mean over the seeds."""


def wide(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per model and target language with an accuracy, a column per measure; for several seeds also their mean.

    Args:
        frame: as :attr:`paper.records.Obtained.frame`; a column ``scale`` is kept, a missing one is ``"miniature"``.
    """
    import pandas as pd

    frame = frame.assign(scale=frame.get("scale", "miniature"))
    frame = frame[~frame.language.isin(["en", "all"])]
    index = ["scale", "task", "objective", "seed", "language"]
    table = frame.pivot_table("value", index, "measure", aggfunc="first").reset_index().astype({"seed": str})
    table = table[table["accuracy"].notna()]
    mean = table.drop(columns="seed").groupby([name for name in index if name != "seed"]).mean().reset_index()
    return pd.concat([mean.assign(seed=MEAN), table], ignore_index=True)[[*index, *table.columns.difference(index)]]


def picker(frame: pd.DataFrame, x: str, *, labels: Mapping[str, str] | None = None, caption: str = "") -> Live:
    """A scatter plot with one point per language, whose measure, model and scale of axis the reader picks.

    Args:
        frame: columns ``task``, ``objective``, ``seed``, ``language``, ``measure``, ``value`` and, for several
            scales, ``scale``.
        x: measure that is shown first.
        labels: measures in words, by name; only these are offered if there are any.
        caption: below the figure.

    Raises:
        UnknownName: ``x`` is no measure of the frame.
    """
    import altair as alt

    known = set(frame.measure)
    for measure in (x, *(labels or ())):
        if measure not in known:
            raise UnknownName("measure", measure, known)
    table = wide(frame)
    measures = [one for one in labels or table.columns[5:] if one != "accuracy"]
    words = {one: (labels or {}).get(one, one.replace("_", " ")) for one in measures}
    table = table.assign(setting=table.scale + ", " + table.task).rename(columns={"accuracy": "accuracy of y"})
    table = table[["setting", "objective", "seed", "language", *measures, "accuracy of y"]]
    data = as_csv(table, *table.columns[4:], seed="string")

    def menu(column: str, first: str, label: str) -> alt.Parameter:
        options = list(dict.fromkeys(table[column]))
        return alt.param(
            name=f"the_{column}",
            value=first if first in options else options[0],
            bind=alt.binding_select(options=options, labels=[str(one) for one in options], name=label),
        )

    measure = alt.param(
        name="measure",
        value=x,
        bind=alt.binding_select(options=measures, labels=[words[one] for one in measures], name="measure "),
    )
    menus = [
        menu(*each)
        for each in (
            ("setting", "", "scale and task "),
            ("objective", "baseline", "objective "),
            ("seed", MEAN, "seed "),
        )
    ]
    log = alt.param(name="log_x", value=False, bind=alt.binding_checkbox(name="logarithm of the measure "))
    named = alt.param(name="names", value=True, bind=alt.binding_checkbox(name="names "))

    chosen = " && ".join(f"datum.{column} == the_{column}" for column in ("setting", "objective", "seed"))
    base = (
        alt.Chart()
        .transform_filter(chosen)
        .transform_calculate(raw="datum[measure]", y="datum['accuracy of y']")
        .transform_filter("isValid(datum.raw) && isValid(datum.y) && (!log_x || datum.raw > 0)")
        .transform_calculate(x="log_x ? log(datum.raw) / LN10 : datum.raw")
    )
    across = alt.X("x:Q", title=None, scale=alt.Scale(zero=False, nice=True, padding=12))
    up = alt.Y("y:Q", title="accuracy", scale=alt.Scale(zero=False, nice=True, padding=12))
    colour, shape = scales(dict.fromkeys(table.objective))
    points = (
        base.mark_point(filled=True, size=70, opacity=1, stroke="white", strokeWidth=0.7)
        .encode(
            across,
            up,
            color=alt.Color("objective:N", scale=colour, legend=None),
            shape=alt.Shape("objective:N", scale=shape, legend=None),
            tooltip=[
                alt.Tooltip("language:N"),
                alt.Tooltip("raw:Q", title="measure", format=".4~g"),
                alt.Tooltip("y:Q", title="accuracy", format=".3f"),
            ],
            description=alt.Description("label:N"),
        )
        .transform_calculate(
            label="datum.language + ': measure ' + format(datum.raw, '.4~g') + ', accuracy ' + format(datum.y, '.3f')"
        )
        .properties(name="points")
    )
    # of neighbours in x one has its name above on the right, the other below on the left
    names = [
        base.transform_filter("names")
        .transform_window(place="row_number()", sort=[alt.SortField("x")])
        .transform_filter(f"datum.place % 2 == {odd}")
        .mark_text(align=side, dx=across_by, dy=down_by, fontSize=10, color="#333333")
        .encode(across, up, text="language:N")
        for odd, side, across_by, down_by in ((0, "left", 6, -6), (1, "right", -6, 9))
    ]
    title = (
        alt.Chart(alt.Data(values=[{}]))
        .mark_text(text=alt.expr(f"(log_x ? 'log₁₀ of ' : '') + {words!r}[measure]"), fontSize=12, color=INK)
        .encode(x=alt.value(alt.expr("width / 2")), y=alt.value(alt.expr("height + 34")))
    )
    chart = alt.layer(straight(base), points, *names, title, readout(base), data=data).add_params(
        measure, *menus, log, named
    )
    chart = chart.properties(height=300)
    return show(
        styled(chart),
        name="picker",
        caption=caption,
        alt=f"Scatter plot, one point per language: {words[x]} across and accuracy up, and a straight line.",
    )
