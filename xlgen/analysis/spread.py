r"""Standard deviations over runs: their intervals, the intervals of their ratios, and how many runs a ratio takes.

All of it takes the scores for normal; a variance is more sensitive to that than a mean, and the Brown–Forsythe test
(:func:`scipy.stats.levene` with medians) is not.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from xlgen.analysis.intervals import LEVEL, NOTHING, Interval, student

TAILS = (1 - (1 - LEVEL) / 2, (1 - LEVEL) / 2)
"""Quantiles of which the upper one gives the lower end."""
POWER = 0.8
"""Probability of finding a difference that is usually asked for."""
MOST = 5_000
"""Most runs that :func:`runs_needed` tries."""


def varies(*groups: ArrayLike, fewest: int = 2) -> bool:
    """Whether each group has enough scores for a standard deviation, and they are not all the same."""
    return all(len(group) >= fewest and np.ptp(group) > 0 for group in groups)


def std_interval(scores: ArrayLike) -> Interval:
    r"""The sample standard deviation s of n scores, with the interval of the χ² distribution.

    .. math:: s \sqrt{\tfrac{n-1}{\chi^2_{n-1}(0.975)}} \;\ldots\; s \sqrt{\tfrac{n-1}{\chi^2_{n-1}(0.025)}}

    :data:`~xlgen.analysis.NOTHING` with fewer than two scores, or where they do not vary.
    """
    if not varies(scores):
        return NOTHING
    n, s = len(scores), float(np.std(scores, ddof=1))
    low, high = (s * math.sqrt((n - 1) / stats.chi2.ppf(tail, n - 1)) for tail in TAILS)
    return Interval(s, low, high, n)


def f_interval(ratio: float, n: int, m: int) -> Interval:
    r"""The ratio of the standard deviations of n and m independent scores, with the interval of the F distribution.

    .. math:: \frac{s_1}{s_2} \Big/ \sqrt{F_{n-1,\,m-1}(0.975)} \;\ldots\;
        \frac{s_1}{s_2} \Big/ \sqrt{F_{n-1,\,m-1}(0.025)}

    Args:
        ratio: s₁ / s₂, for example of two printed numbers.
        n: scores of the first group, at least two.
        m: scores of the second group, at least two.
    """
    low, high = (float(ratio / math.sqrt(stats.f.ppf(tail, n - 1, m - 1))) for tail in TAILS)
    return Interval(ratio, low, high, min(n, m))


def ratio_of(first: ArrayLike, second: ArrayLike) -> Interval:
    """The standard deviation of the first scores over that of the second, as if independent: :func:`f_interval`.

    :data:`~xlgen.analysis.NOTHING` where a group has fewer than two scores, or they do not vary.
    """
    if not varies(first, second):
        return NOTHING
    return f_interval(float(np.std(first, ddof=1) / np.std(second, ddof=1)), len(first), len(second))


def paired_ratio(first: ArrayLike, second: ArrayLike) -> Interval:
    r"""The standard deviation of the first scores over that of the second, from n pairs [pitman1939variances].

    The sum and the difference of two scores are correlated if and only if their variances differ. Solving the t-test of
    that correlation for the ratio gives, with :math:`w = s_1^2 / s_2^2` and r the correlation of the pairs,

    .. math:: \sqrt{w \left( K \pm \sqrt{K^2 - 1} \right)}, \qquad
        K = 1 + \frac{2 (1 - r^2)\, t_{n-2,\,0.975}^2}{n - 2} .

    :data:`~xlgen.analysis.NOTHING` with fewer than three pairs, or where a side does not vary.
    """
    if not varies(first, second, fewest=3):
        return NOTHING
    n, r = len(first), np.corrcoef(first, second)[0, 1]
    w = np.var(first) / np.var(second)
    k = 1 + 2 * (1 - r**2) * student(n - 2) ** 2 / (n - 2)
    reach = math.sqrt(max(0, k**2 - 1))
    return Interval(*(float(math.sqrt(w * x)) for x in (1, k - reach, k + reach)), n)


def brown_forsythe(first: ArrayLike, second: ArrayLike) -> float:
    """p-value of the test of equal spread that compares mean distances from the groups' medians [brown1974robust].

    ``nan`` where a group has fewer than two scores, or they do not vary.
    """
    return float(stats.levene(first, second, center="median").pvalue) if varies(first, second) else math.nan


def power(ratio: float | NDArray, n: int | NDArray) -> NDArray:
    r"""How probably the two-sided 5 % F test finds that one standard deviation is ``ratio`` times the other.

    .. math:: \Pr[F > \rho^2 F(0.975)] + \Pr[F < \rho^2 F(0.025)], \qquad F \sim F_{n-1,\,n-1}

    Args:
        ratio: of the true standard deviations, ρ.
        n: runs of each method, at least two.
    """
    f = stats.f(np.asarray(n) - 1, np.asarray(n) - 1)
    high, low = (f.ppf(tail) for tail in TAILS)
    return f.sf(ratio**2 * high) + f.cdf(ratio**2 * low)


def runs_needed(ratio: float) -> int | None:
    """Fewest runs of each method with a :func:`power` of 80 %; ``None`` if more than :data:`MOST`."""
    counts = np.arange(2, MOST + 1)
    enough = power(ratio, counts) >= POWER
    return int(counts[np.argmax(enough)]) if enough.any() else None


def detectable(n: int) -> float:
    """The largest ratio below 1, in thousandths, that n runs of each method find with a :func:`power` of 80 %."""
    grid = np.linspace(0.001, 0.999, 999)
    return float(grid[power(grid, n) >= POWER].max(initial=0))
