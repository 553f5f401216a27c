"""Figures of the book: one style, one colour and marker per objective, and the few plots that every page uses.

Every function draws into axes that it is given and returns them::

    figures.use_style()
    figure, ax = plt.subplots()
    figures.scatter_correlation(ax, x, y, labels=languages, correlation=correlate(x, y), objective="sam")

Figures have a white panel of their own rather than a transparent background. A text that is legible both on a white
page and on the dark one (#121212) would need a contrast of 4.5 with each; no colour has more than 4.3.
"""

from paper.figures.axes import panels, plain_ticks
from paper.figures.bar_charts import bars, bars_by_language
from paper.figures.estimates import forest, interval, marks, marks_by_language, repeats
from paper.figures.grids import heat_map, ranks
from paper.figures.labels import label_points
from paper.figures.looks import FAINT, INK, LOOKS, SETUPS, SPARE, Look, look, use_style
from paper.figures.scatter import scatter_correlation, scatter_pairs, scatter_ranges, slope
from paper.figures.search import bisection

__all__ = [
    "FAINT",
    "INK",
    "LOOKS",
    "SETUPS",
    "SPARE",
    "Look",
    "bars",
    "bars_by_language",
    "bisection",
    "forest",
    "heat_map",
    "interval",
    "label_points",
    "look",
    "marks",
    "marks_by_language",
    "panels",
    "plain_ticks",
    "ranks",
    "repeats",
    "scatter_correlation",
    "scatter_pairs",
    "scatter_ranges",
    "slope",
    "use_style",
]
