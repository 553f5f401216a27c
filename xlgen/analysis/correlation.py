"""Correlation coefficients of two measures over languages, with intervals and permutation p-values."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from xlgen.analysis.intervals import LEVEL, MIN_POINTS, AnalysisError, Interval, finite, fisher_ends, fisher_interval

RESAMPLES = 9_999
BATCH = 1_000  # resamples at a time: Kendall's needs n² numbers for each


def pearson(x: NDArray, y: NDArray, axis: int = -1) -> NDArray:
    """Compute Pearson's r along ``axis``, as ``numpy.corrcoef``; ``nan`` where one of the two is constant."""
    undefined = is_constant(x, axis) | is_constant(y, axis)
    x, y = x - x.mean(axis, keepdims=True), y - y.mean(axis, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (x * y).sum(axis) / np.sqrt((x * x).sum(axis) * (y * y).sum(axis))
    return np.where(undefined, np.nan, np.clip(r, -1, 1))


def within_minus_pooled(x: NDArray, y: NDArray) -> float:
    r"""By how much Pearson's r is larger within the rows of a table, in the mean, than over all its points.

    .. math:: \frac1G \sum_g r_g - r_{\text{pooled}}

    The coefficients are signed. A difference of absolute values would be positive where there is nothing: the mean of
    \|r\| over 14 points of noise is 0.22, over 56 points 0.11. This one is 0 in the mean then.

    Args:
        x: (rows, columns).
        y: the same shape.
    """
    return float(pearson(x, y).mean() - pearson(x.ravel(), y.ravel()))


def spearman(x: NDArray, y: NDArray, axis: int = -1) -> NDArray:
    """Compute Spearman's ρ along ``axis``: Pearson's r of the ranks, ties sharing their mean rank."""
    return pearson(stats.rankdata(x, axis=axis), stats.rankdata(y, axis=axis), axis)


def kendall(x: NDArray, y: NDArray, axis: int = -1) -> NDArray:
    """Compute Kendall's τ_b along ``axis``: concordant minus discordant pairs, over the pairs that are not tied."""
    x, y = (np.moveaxis(np.asarray(a), axis, -1) for a in (x, y))
    dx, dy = (np.sign(a[..., :, None] - a[..., None, :]).astype(np.int8) for a in (x, y))
    untied = np.sqrt(np.count_nonzero(dx, axis=(-2, -1)) * np.count_nonzero(dy, axis=(-2, -1)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (dx * dy).sum((-2, -1), dtype=np.int64) / untied


def is_constant(a: NDArray, axis: int = -1) -> NDArray:
    """Whether all values along ``axis`` are equal but for rounding."""
    return np.ptp(a, axis) <= 1e-12 * np.abs(a).max(axis)


STATISTICS: dict[str, tuple[Callable[..., NDArray], Callable[[float, int], float]]] = {
    "pearson": (pearson, lambda r, n: 1 / math.sqrt(n - 3)),
    "spearman": (spearman, lambda r, n: math.sqrt((1 + r**2 / 2) / (n - 3))),
    "kendall": (kendall, lambda r, n: math.sqrt(0.437 / (n - 4)) if n > 4 else math.inf),
}
"""By name, the coefficient and the standard error of its artanh: Fisher's; Bonett & Wright's (Psychometrika 65, 2000);
Fieller, Hartley & Pearson's (Biometrika 44, 1957)."""


@dataclass(frozen=True)
class Coefficient:
    """A correlation coefficient with its uncertainty.

    Attributes:
        value: the estimate.
        low: lower end of the interval by Fisher's z, with the standard error of :data:`STATISTICS`; ``nan`` where the
            estimate is exactly ±1 (as of ranks in perfect order), whose z is infinite.
        high: its upper end.
        bootstrap: ends of the bootstrap interval over languages: BCa, or of percentiles where BCa does not exist.
        p: two-sided permutation p-value of no association.
    """

    value: float
    low: float
    high: float
    bootstrap: tuple[float, float]
    p: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Correlation:
    """How two measures go together over languages.

    Attributes:
        n: points used.
        left_out: points left out because their status is not ``"ok"``.
        pearson: linear correlation, the paper's coefficient.
        spearman: rank correlation.
        kendall: τ_b.
        exact: the p-values come from all n! permutations rather than from a sample of them.
        status: ``"ok"``, or ``"undefined"``: every number is then ``nan``.
        reason: why it is undefined, in words.
    """

    n: int
    left_out: int
    pearson: Coefficient
    spearman: Coefficient
    kendall: Coefficient
    exact: bool
    status: str = "ok"
    reason: str = ""

    def __str__(self) -> str:
        left_out = f" ({self.left_out} left out)" if self.left_out else ""
        if self.status != "ok":
            return f"r undefined: {self.reason}{left_out}"
        return f"r = {self.interval()}, n = {self.n}{left_out}"

    def __format__(self, spec: str) -> str:
        """Coefficient, interval, points and permutation p-value for prose, with as many digits as ``spec`` says.

        >>> f"{correlate([1, 2, 3, 4, 5], [1, 3, 2, 5, 4]):.2f}"
        'r = 0.80 [−0.28, 0.99] (n = 5, p = 0.13)'
        """
        if not spec or self.status != "ok":
            return str(self)
        return f"r = {self.interval():{spec}} (n = {self.n}, p = {self.pearson.p:.2g})"

    def interval(self, name: str = "pearson") -> Interval:
        """One of the three coefficients with its Fisher-z interval: ``f"{c.interval('spearman'):.2f}"`` for prose."""
        coefficient = getattr(self, name)
        return Interval(coefficient.value, coefficient.low, coefficient.high, self.n)


def correlate(
    x: ArrayLike,
    y: ArrayLike,
    *,
    status: Sequence[str] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Correlation:
    """Correlate two measures over languages, with intervals and permutation p-values.

    Args:
        x: one number per language.
        y: one number per language, in the same order.
        status: of each point; points whose status is not ``"ok"`` (a saturated sharpness) are left out and counted.
        seed: of the resampling.
        resamples: bootstrap samples, and permutations; all n! permutations are used where they are no more.

    Returns:
        The three coefficients. The status is ``"undefined"`` where fewer than 4 points are left, or ``x`` or ``y`` is
        constant over those that are.

    Raises:
        AnalysisError: lengths differ, fewer than 4 points are given, or a number with status ``"ok"`` is not finite.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.ndim != 1 or x.shape != y.shape or (status is not None and len(status) != len(x)):
        sizes = [x.shape, y.shape] + ([] if status is None else [(len(status),)])
        raise AnalysisError(f"x, y{', status' * (len(sizes) > 2)} have shapes {sizes}; expected equally many numbers.")
    if len(x) < MIN_POINTS:
        raise AnalysisError(f"{len(x)} points; expected at least {MIN_POINTS} for a correlation.")
    if resamples < 99:
        raise AnalysisError(f"resamples is {resamples}; expected at least 99.")
    keep = np.ones(len(x), dtype=bool) if status is None else np.array([word == "ok" for word in status])
    left_out = int((~keep).sum())
    x, y = (finite(np.where(keep, a, 0), name)[keep] for a, name in ((x, "x"), (y, "y")))
    n = len(x)
    exact = math.factorial(n) <= resamples
    if reason := _why_undefined(x, y):
        nothing = Coefficient(math.nan, math.nan, math.nan, (math.nan, math.nan), math.nan)
        return Correlation(n, left_out, nothing, nothing, nothing, exact, "undefined", reason)
    coefficients = {name: _coefficient(x, y, name, seed, resamples) for name in STATISTICS}
    return Correlation(n, left_out, **coefficients, exact=exact)


def _why_undefined(x: NDArray, y: NDArray) -> str:
    if len(x) < MIN_POINTS:
        return f"{len(x)} usable points, {MIN_POINTS} needed"
    constant = [name for name, a in (("x", x), ("y", y)) if is_constant(a)]
    return f"{' and '.join(constant)} constant" if constant else ""


def _coefficient(x: NDArray, y: NDArray, name: str, seed: int, resamples: int) -> Coefficient:
    statistic, stderr = STATISTICS[name]
    value = float(statistic(x, y))
    p = stats.permutation_test(
        (x,),
        lambda shuffled, axis: statistic(shuffled, np.broadcast_to(y, shuffled.shape), axis),
        permutation_type="pairings",
        vectorized=True,
        n_resamples=resamples,
        batch=BATCH,
        rng=seed,
    ).pvalue
    ends = fisher_ends(value, stderr(value, len(x)))
    return Coefficient(value, *ends, bootstrap_ends(x, y, statistic, seed, resamples), float(p))


def bootstrap_ends(x: NDArray, y: NDArray, statistic: Callable, seed: int, resamples: int) -> tuple[float, float]:
    """BCa interval over resampled pairs; percentiles where a resample or a jack-knife sample has no coefficient."""
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        result = stats.bootstrap(
            (x, y), statistic, paired=True, vectorized=True, n_resamples=resamples, batch=BATCH, rng=seed
        )
    ends = (float(result.confidence_interval.low), float(result.confidence_interval.high))
    if not np.isfinite(ends).all():
        low, high = np.nanquantile(result.bootstrap_distribution, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        ends = (float(low), float(high))
    return ends


def partial_correlation(x: ArrayLike, y: ArrayLike, given: ArrayLike) -> Interval:
    r"""Compute the Pearson correlation of ``x`` and ``y`` with a third measure held fixed, and its interval.

    .. math:: r_{xy \cdot z} = \frac{r_{xy} - r_{xz} r_{yz}}{\sqrt{(1 - r_{xz}^2)(1 - r_{yz}^2)}}

    Raises:
        AnalysisError: lengths differ, fewer than 5 points, a number is not finite, or ``given`` determines ``x`` or
            ``y`` (or one of the three is constant).
    """
    x, y, z = (finite(values, name) for values, name in ((x, "x"), (y, "y"), (given, "given")))
    if not x.shape == y.shape == z.shape:
        raise AnalysisError(f"x, y, given have shapes {x.shape}, {y.shape}, {z.shape}; expected equally many numbers.")
    xy, xz, yz = (float(pearson(a, b)) for a, b in ((x, y), (x, z), (y, z)))
    rest = (1 - xz**2) * (1 - yz**2)
    if not rest > 1e-12:
        raise AnalysisError("no partial correlation: given determines x or y, or one of the three is constant.")
    return fisher_interval(max(-1.0, min(1.0, (xy - xz * yz) / math.sqrt(rest))), len(x), given=1)
