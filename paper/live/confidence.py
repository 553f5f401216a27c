"""Accuracy from confidence: a threshold for all languages, and how far confidence is from accuracy in each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from paper.figures import FAINT, INK
from paper.live.embed import Live, show
from paper.live.looks import above, as_csv, styled
from xlgen.analysis import AnalysisError

if TYPE_CHECKING:
    import altair as alt

BINS = 10
STEP = 0.01


def thresholds(
    confidence: Mapping[str, ArrayLike],
    correct: Mapping[str, ArrayLike],
    *,
    source: str = "en",
    chosen: float | None = None,
    caption: str = "",
) -> Live:
    """A slider for the threshold; the share of examples above it against the accuracy, one point a language.

    The average thresholded confidence takes the threshold at which the share in the source language is its accuracy.

    Args:
        confidence: by language, (N,) probabilities of the predicted class.
        correct: by language, (N,) whether it is right.
        source: language in which the threshold is chosen.
        chosen: the threshold, where other examples of the source have given it; ``None`` chooses it on these.
        caption: below the figure.

    Raises:
        AnalysisError: languages or lengths differ.
    """
    import altair as alt
    import pandas as pd

    confidence, correct = _both(confidence, correct, source)
    accuracy = {language: float(right.mean()) for language, right in correct.items()}
    grid = np.round(np.arange(0, 1 + STEP / 2, STEP), 2)
    share = {language: [float((value >= t).mean()) for t in grid] for language, value in confidence.items()}
    if chosen is None:
        chosen = float(grid[np.argmin(np.abs(np.array(share[source]) - accuracy[source]))])
    rows = [
        (t, language, int(language == source), share[language][k], accuracy[language])
        for language in confidence
        for k, t in enumerate(grid)
    ]
    table = pd.DataFrame(rows, columns=["t", "language", "is_source", "share", "accuracy"])
    data = as_csv(table, "t", "share", "accuracy", "is_source")
    threshold = alt.param(
        name="threshold",
        value=round(chosen / STEP) * STEP,
        bind=alt.binding_range(min=0, max=1, step=STEP, name="threshold "),
    )
    base = alt.Chart().transform_filter(f"abs(datum.t - threshold) < {STEP / 2}")
    across = alt.X("share:Q", title="share of examples above the threshold", scale=alt.Scale(domain=[0, 1]))
    up = alt.Y("accuracy:Q", title="accuracy", scale=alt.Scale(domain=[0, 1]))
    points = (
        base.transform_calculate(
            label="datum.language + ': share ' + format(datum.share, '.3f') + ', accuracy '"
            " + format(datum.accuracy, '.3f')"
        )
        .mark_point(filled=True, size=90, opacity=1, stroke="white", strokeWidth=0.7)
        .encode(
            across,
            up,
            shape=alt.Shape("is_source:N", scale=alt.Scale(domain=[0, 1], range=["circle", "diamond"]), legend=None),
            color=alt.Color("is_source:N", scale=alt.Scale(domain=[0, 1], range=[INK, "#D55E00"]), legend=None),
            tooltip=["language:N", alt.Tooltip("share:Q", format=".3f"), alt.Tooltip("accuracy:Q", format=".3f")],
            description=alt.Description("label:N"),
        )
        .properties(name="points")
    )
    names = base.mark_text(align="left", dx=7, dy=-6, fontSize=10, color=INK).encode(across, up, text="language:N")
    words = (
        "['Threshold ' + format(threshold, '.2f') + ': in the mean the share is off by '"
        " + format(100 * datum.error, '.1f') + ' points in the ' + datum.n + ' other languages.', "
        f"'The threshold that {source} chooses is {chosen:.2f}.']"
    )
    said = (
        base.transform_filter("!datum.is_source")
        .transform_calculate(off="abs(datum.share - datum.accuracy)")
        .transform_aggregate(error="mean(off)", n="count()")
        .transform_calculate(words=words)
    )
    chart = alt.layer(_diagonal(), names, points, above(said), data=data).add_params(threshold)
    what = "Scatter plot, one point a language: the share of examples above a threshold and the accuracy."
    return show(styled(chart.properties(height=340)), name="thresholds", caption=caption, alt=what)


def calibration(
    confidence: Mapping[str, ArrayLike],
    correct: Mapping[str, ArrayLike],
    *,
    first: str = "en",
    caption: str = "",
) -> Live:
    """Accuracy against confidence in ten bins of equal width, one language at a time beside all others in grey.

    Args:
        confidence: by language, (N,) probabilities of the predicted class.
        correct: by language, (N,) whether it is right.
        first: language that is shown first.
        caption: below the figure.

    Raises:
        AnalysisError: languages or lengths differ.
    """
    import altair as alt
    import pandas as pd

    confidence, correct = _both(confidence, correct, first)
    rows = []
    for language, value in confidence.items():
        bins = np.minimum((value * BINS).astype(int), BINS - 1)
        for one in np.unique(bins):
            inside = bins == one
            here = (value[inside].mean(), correct[language][inside].mean(), inside.sum())
            rows.append((language, *here, value.mean(), correct[language].mean()))
    numbers = ["confidence", "accuracy", "n", "all_confidence", "all_accuracy"]
    data = as_csv(pd.DataFrame(rows, columns=["language", *numbers]), *numbers)
    language = alt.param(
        name="the_language", value=first, bind=alt.binding_select(options=list(confidence), name="language ")
    )
    across = alt.X("confidence:Q", title="mean confidence in the bin", scale=alt.Scale(domain=[0, 1]))
    up = alt.Y("accuracy:Q", title="accuracy in the bin", scale=alt.Scale(domain=[0, 1]))
    chosen = alt.Chart().transform_filter("datum.language == the_language")
    others = alt.Chart().mark_line(color="#CCCCCC", strokeWidth=1).encode(across, up, detail="language:N")
    line = chosen.mark_line(color="#0072B2").encode(across, up)
    points = (
        chosen.transform_calculate(
            label="'confidence ' + format(datum.confidence, '.2f') + ', accuracy ' + format(datum.accuracy, '.2f')"
            " + ', ' + datum.n + ' examples'"
        )
        .mark_point(filled=True, opacity=1, color="#0072B2")
        .encode(
            across,
            up,
            size=alt.Size("n:Q", scale=alt.Scale(range=[20, 250]), legend=None),
            tooltip=[*(alt.Tooltip(f"{each}:Q", format=".3f") for each in ("confidence", "accuracy")), "n:Q"],
            description=alt.Description("label:N"),
        )
        .properties(name="points")
    )
    words = (
        "['In ' + the_language + ' the mean confidence is ' + format(datum.c, '.3f') + ', the accuracy ' + "
        "format(datum.a, '.3f') + '.', 'Expected calibration error: ' + format(datum.gap / datum.n, '.3f') + '.']"
    )
    said = (
        chosen.transform_calculate(gap="datum.n * abs(datum.confidence - datum.accuracy)")
        .transform_aggregate(gap="sum(gap)", n="sum(n)", c="max(all_confidence)", a="max(all_accuracy)")
        .transform_calculate(words=words)
    )
    chart = alt.layer(_diagonal(), others, line, points, above(said), data=data).add_params(language)
    what = "Accuracy over confidence in ten bins, one line a language, and the diagonal of perfect calibration."
    return show(styled(chart.properties(height=340)), name="calibration", caption=caption, alt=what)


def _both(
    confidence: Mapping[str, ArrayLike], correct: Mapping[str, ArrayLike], needed: str
) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
    if set(confidence) != set(correct) or needed not in confidence:
        raise AnalysisError(
            f"confidence of {list(confidence)}, answers of {list(correct)}; expected both, with {needed}."
        )
    values = {language: np.asarray(value, dtype=float) for language, value in confidence.items()}
    right = {language: np.asarray(correct[language], dtype=float) for language in values}
    for language, value in values.items():
        if value.shape != right[language].shape or not len(value):
            raise AnalysisError(
                f"{language}: {value.shape} confidences, {right[language].shape} answers; expected (N,)."
            )
    return values, right


def _diagonal() -> alt.Chart:
    import altair as alt

    ends = alt.Data(values=[{"x": 0, "y": 0}, {"x": 1, "y": 1}])
    return alt.Chart(ends).mark_line(color=FAINT, strokeDash=[4, 3], strokeWidth=1).encode(x="x:Q", y="y:Q")
