"""Correlations over languages with their uncertainty, summaries over seeds, verdicts on published figures.

A measure predicts transfer if, over the languages of one model, it goes up or down with accuracy. The points are few
(14 languages in XNLI), so a coefficient is never given without its interval. All intervals are 95 % intervals and take
the languages for independent draws; related languages carry less information than that, so they are, if anything, too
narrow.

What the caller got wrong raises :class:`AnalysisError`. What data may well do (a measure that saturates in every
language is constant) gives a result with status ``"undefined"`` and the reason in words.
"""

from xlgen.analysis.correlation import (
    RESAMPLES,
    STATISTICS,
    Coefficient,
    Correlation,
    correlate,
    kendall,
    partial_correlation,
    pearson,
    spearman,
)
from xlgen.analysis.intervals import (
    LEVEL,
    MIN_POINTS,
    AnalysisError,
    Interval,
    binomial_interval,
    fisher_interval,
    interval_of_mean,
    signed,
)
from xlgen.analysis.rows import Pairs, Row, Run, correlations, paired, pivot
from xlgen.analysis.seeds import OverSeeds, over_seeds
from xlgen.analysis.verdicts import CANNOT_SAY, DISAGREES, IN_INTERVAL, SIGN_ONLY, Verdict, verdict

__all__ = [
    "CANNOT_SAY",
    "DISAGREES",
    "IN_INTERVAL",
    "LEVEL",
    "MIN_POINTS",
    "RESAMPLES",
    "SIGN_ONLY",
    "STATISTICS",
    "AnalysisError",
    "Coefficient",
    "Correlation",
    "Interval",
    "OverSeeds",
    "Pairs",
    "Row",
    "Run",
    "Verdict",
    "binomial_interval",
    "correlate",
    "correlations",
    "fisher_interval",
    "interval_of_mean",
    "kendall",
    "over_seeds",
    "paired",
    "partial_correlation",
    "pearson",
    "pivot",
    "signed",
    "spearman",
    "verdict",
]
