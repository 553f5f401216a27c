"""Correlations over languages with their uncertainty, summaries over seeds, predictions, verdicts on published figures.

A measure predicts transfer if, over the languages of one model, it goes up or down with accuracy. The points are few
(14 languages in XNLI), so a coefficient is never given without its interval. All intervals are 95 % intervals and take
the languages for independent draws; related languages carry less information than that, so they are, if anything, too
narrow.

What the caller got wrong raises :class:`AnalysisError`. What data may well do (a measure that saturates in every
language is constant) gives a result with status ``"undefined"`` and the reason in words.
"""

from xlgen.analysis.change import paired_change
from xlgen.analysis.clustered import Clustered, clustered
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
    within_minus_pooled,
)
from xlgen.analysis.gains import Errors, Gain, errors, gain, sign_flip
from xlgen.analysis.holm import holm
from xlgen.analysis.intervals import (
    LEVEL,
    MIN_POINTS,
    NOTHING,
    AnalysisError,
    Interval,
    binomial_interval,
    fisher_interval,
    interval_of_mean,
    p_of_mean,
    signed,
)
from xlgen.analysis.predictor import LAMS, Predicted, Ridge, leave_one_out, mean_of_others, ridge
from xlgen.analysis.reliability import Disattenuated, disattenuated
from xlgen.analysis.rows import Pairs, Row, Run, correlations, paired, pivot
from xlgen.analysis.seeds import OverSeeds, over_seeds
from xlgen.analysis.verdicts import (
    AGREES,
    CANNOT_SAY,
    DISAGREES,
    FEWEST,
    SIGN_ONLY,
    Verdict,
    difference_of_z,
    verdict,
    verdict_of_pairs,
)

__all__ = [
    "AGREES",
    "CANNOT_SAY",
    "DISAGREES",
    "FEWEST",
    "LAMS",
    "LEVEL",
    "MIN_POINTS",
    "NOTHING",
    "RESAMPLES",
    "SIGN_ONLY",
    "STATISTICS",
    "AnalysisError",
    "Clustered",
    "Coefficient",
    "Correlation",
    "Disattenuated",
    "Errors",
    "Gain",
    "Interval",
    "OverSeeds",
    "Pairs",
    "Predicted",
    "Ridge",
    "Row",
    "Run",
    "Verdict",
    "binomial_interval",
    "clustered",
    "correlate",
    "correlations",
    "difference_of_z",
    "disattenuated",
    "errors",
    "fisher_interval",
    "gain",
    "holm",
    "interval_of_mean",
    "kendall",
    "leave_one_out",
    "mean_of_others",
    "over_seeds",
    "p_of_mean",
    "paired",
    "paired_change",
    "partial_correlation",
    "pearson",
    "pivot",
    "ridge",
    "sign_flip",
    "signed",
    "spearman",
    "verdict",
    "verdict_of_pairs",
    "within_minus_pooled",
]
