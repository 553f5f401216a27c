"""Intervals: of a correlation by Fisher's z, of a mean by Student's t, of a share by Wilson's score."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from xlgen.core.errors import XlgenError

LEVEL = 0.95
Z = float(stats.norm.ppf((1 + LEVEL) / 2))
"""A standard normal number is farther from 0 in 5 of 100 cases."""
MIN_POINTS = 4
"""Fewest points of a correlation: Fisher's z has no variance with three."""


class AnalysisError(XlgenError):
    """Numbers that cannot be analysed as asked."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval, from ``n`` points; the ends are ``nan`` where it has none."""

    value: float
    low: float
    high: float
    n: int

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{signed(self.value)} [{signed(self.low)}, {signed(self.high)}]"

    def __format__(self, spec: str) -> str:
        """Value and interval for prose and tables: digits, a sign, percent; what is not there is not written.

        >>> i = Interval(-0.0372, -0.08, 0.0056, 14)
        >>> f"{i:.2f}", f"{i:+.1%}", f"{Interval(1.5, math.nan, math.nan, 1):+.1f}", f"{NOTHING:.1f}"
        ('−0.04 [−0.08, 0.01]', '−3.7% [−8.0%, +0.6%]', '+1.5', 'undefined')
        """
        if not spec:
            return str(self)
        if not math.isfinite(self.value):
            return "undefined"
        sign = "+" if spec.startswith("+") else ""
        value, low, high = (
            format(x, f"{sign}z{spec.removeprefix('+')}").replace("-", "−") for x in (self.value, self.low, self.high)
        )
        return value if math.isnan(self.low) else f"{value} [{low}, {high}]"


NOTHING = Interval(math.nan, math.nan, math.nan, 0)
"""No estimate: too few points, or points that do not vary."""


def signed(number: float, digits: int = 3) -> str:
    """``number`` for prose, with as many digits as the papers print, a typographic minus and no negative zero."""
    return f"{number:z.{digits}f}".replace("-", "−")


def fisher_ends(r: float, stderr: float) -> tuple[float, float]:
    """Ends of the interval of a coefficient whose artanh has that standard error.

    tanh(artanh r ± z₀.₉₇₅ stderr). A coefficient of exactly ±1 has none (``nan``): its z is infinite, and an interval
    of length 0 would claim a certainty that a few points in perfect order do not give.
    """
    if abs(r) >= 1:
        return math.nan, math.nan
    return math.tanh(math.atanh(r) - Z * stderr), math.tanh(math.atanh(r) + Z * stderr)


def fisher_interval(r: float, n: int, given: int = 0) -> Interval:
    r"""Compute the interval of a Pearson correlation by Fisher's z.

    .. math:: \tanh\Big(\operatorname{artanh} r \pm \frac{z_{0.975}}{\sqrt{n - 3 - k}}\Big)

    Args:
        r: the correlation.
        n: points.
        given: k, variables held fixed (of a partial correlation).

    Raises:
        AnalysisError: ``r`` is no correlation, or there are too few points.
    """
    if not -1 <= r <= 1:
        raise AnalysisError(f"r is {r!r}; expected a correlation in [-1, 1].")
    if n < MIN_POINTS + given:
        raise AnalysisError(f"n is {n}; expected at least {MIN_POINTS + given} points.")
    return Interval(r, *fisher_ends(r, 1 / math.sqrt(n - 3 - given)), n)


@cache
def student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t with that many degrees of freedom."""
    return float(stats.t.ppf((1 + LEVEL) / 2, freedom))


def interval_of_mean(values: ArrayLike) -> Interval:
    r"""Compute the mean and its Student-t interval, :math:`\bar x \pm t_{n-1, 0.975}\, s / \sqrt n`.

    Raises:
        AnalysisError: there are no values, or one is not finite.
    """
    values = finite(values, "values")
    n = len(values)
    if n == 0:
        raise AnalysisError("no values; expected at least one.")
    mean = float(values.mean())
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    alike = np.ptp(values) <= 1e-12 * np.abs(values).max()  # but for rounding
    spread = 0.0 if alike else values.std(ddof=1)
    reach = float(student(n - 1) * spread / math.sqrt(n))
    return Interval(mean, mean - reach, mean + reach, n)


def p_of_mean(interval: Interval) -> float:
    r"""The two-sided p-value of a mean of 0, from the mean's Student-t interval over ``n`` values.

    .. math:: t = \frac{\bar x}{(\text{high} - \text{low}) / 2}\, t_{n-1, 0.975}

    ``nan`` where there is no interval, or where all values are the same and not 0: they have no t.
    """
    half = (interval.high - interval.low) / 2
    if math.isnan(half) or interval.n < 2 or (half == 0 and interval.value != 0):
        return math.nan
    if half == 0:
        return 1.0
    t = interval.value / half * student(interval.n - 1)
    return float(2 * stats.t.sf(abs(t), interval.n - 1))


def binomial_interval(share: float, n: int) -> Interval:
    """Compute Wilson's interval of a share of ``n`` examples, such as an accuracy.

    Raises:
        AnalysisError: ``share`` times ``n`` is no whole number of examples in 0..n.
    """
    right = round(share * n) if math.isfinite(share) else -1
    if n < 1 or not 0 <= right <= n or abs(right - share * n) > 1e-6 * n:
        raise AnalysisError(f"a share of {share!r} of {n} examples; expected a whole number of examples.")
    ends = stats.binomtest(right, n).proportion_ci(LEVEL, method="wilson")
    return Interval(share, float(ends.low), float(ends.high), n)


def finite(values: ArrayLike, name: str) -> NDArray:
    """``values`` as an array.

    Raises:
        AnalysisError: one is not finite.
    """
    values = np.asarray(values, dtype=float)
    if not np.isfinite(values).all():
        where = int(np.flatnonzero(~np.isfinite(values))[0])
        raise AnalysisError(
            f"{name}[{where}] is {values.flat[where]}; expected finite numbers, or a status that is not 'ok'."
        )
    return values
