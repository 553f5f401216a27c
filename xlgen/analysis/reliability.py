r"""How much of what a measure says of languages is the languages: reliability, and correlations without the noise.

Classical test theory [spearman1904proof]: a value is a true score and an error that is independent of it,
:math:`x = \tau + \varepsilon`. Its reliability is the share of its variance over languages that is not error,

.. math:: \rho_x = \frac{\operatorname{var}(\tau)}{\operatorname{var}(x)}

and the correlation of two measures is smaller than that of their true scores by :math:`\sqrt{\rho_x \rho_y}` where
their errors are independent of each other. Errors of measures that look at the same examples are not quite: where they
go the same way, dividing by that root promises too much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlgen.analysis.correlation import BATCH, RESAMPLES, is_constant, pearson
from xlgen.analysis.intervals import LEVEL, MIN_POINTS, NOTHING, AnalysisError, Interval, finite, fisher_interval

FEW, NOISY = "too few languages", "too noisy a measure"


def from_errors(values: ArrayLike, stderr: ArrayLike) -> float:
    r"""Reliability from one standard error a language.

    .. math:: \rho_x = 1 - \frac{\frac1L \sum_\ell s_\ell^2}{\frac1{L-1} \sum_\ell (x_\ell - \bar x)^2}

    Languages that are translations of the same examples share a part of their errors, which moves all of them and none
    against another: the reliability is then higher than this.

    Args:
        values: (L,) of a measure, by language.
        stderr: (L,) their standard errors.

    Returns:
        At most 1; 0 or less where the errors explain all of the variance.

    Raises:
        AnalysisError: numbers that are not finite, lengths that differ, fewer than two languages, or values that do
            not vary.
    """
    values, stderr = _pair(values, stderr, "values", "stderr")
    if is_constant(values):
        raise AnalysisError("all values are the same; expected languages that differ.")
    return float(1 - np.mean(stderr**2) / values.var(ddof=1))


def split_half(first: ArrayLike, second: ArrayLike) -> float:
    r"""Reliability from two halves of the examples, by Spearman and Brown [spearman1910correlation, brown1910some].

    .. math:: \rho_x = \frac{2 r}{1 + r}

    with r the correlation over languages of a measure on one half of the examples and on the other. A measure on twice
    as many examples has twice the variance of the true scores for each of the errors.

    Args:
        first: (L,) the measure on one half, by language.
        second: (L,) on the other, which shares no example with it.

    Returns:
        At most 1; 0 or less where the halves do not agree.

    Raises:
        AnalysisError: as :func:`from_errors`, or r is -1.
    """
    first, second = _pair(first, second, "first", "second")
    if is_constant(first) or is_constant(second):
        raise AnalysisError("a half has the same value in all languages; expected languages that differ.")
    r = float(pearson(first, second))
    if r <= -1:
        raise AnalysisError("the halves are each other's opposite (r = -1), which has no reliability.")
    return 2 * r / (1 + r)


@dataclass(frozen=True)
class Disattenuated:
    """A correlation over languages, and what it would be without errors.

    Attributes:
        raw: Pearson's r with Fisher's interval.
        corrected: r over the root of the reliabilities, cut to [-1, 1], with a bootstrap interval over languages;
            ``nan`` where a reliability is not above 0.
        reliability_x: of the one measure,
        reliability_y: and of the other, from their standard errors.
    """

    raw: Interval
    corrected: Interval
    reliability_x: float
    reliability_y: float

    @property
    def why_not(self) -> str:
        """Why the sign of r cannot be said; empty if it can.

        The measure is too noisy if without errors as many languages would be enough, or if nothing is left without
        them; otherwise the languages are too few.
        """
        if 0 not in self.raw:
            return ""
        if math.isnan(self.corrected.value) or abs(self.corrected.value) >= 1:
            return NOISY
        return FEW if 0 in fisher_interval(self.corrected.value, self.raw.n) else NOISY


def disattenuated(
    x: ArrayLike,
    x_stderr: ArrayLike,
    y: ArrayLike,
    y_stderr: ArrayLike,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Disattenuated:
    r"""The correlation of two measures' true scores.

    .. math:: r_{\tau} = \frac{r_{xy}}{\sqrt{\rho_x \rho_y}}

    with the reliabilities of :func:`from_errors`. The interval resamples languages with their values and errors, and
    computes all three again. A resample in which a reliability is not above 0 tells nothing: it counts as -1 at the
    lower end, and as 1 at the upper.

    Args:
        x: (L,) one measure, by language.
        x_stderr: (L,) its standard errors.
        y: (L,) the other.
        y_stderr: (L,) its standard errors.
        seed: of the bootstrap.
        resamples: of the bootstrap.

    Raises:
        AnalysisError: as :func:`from_errors`, or fewer than four languages.
    """
    x, x_stderr = _pair(x, x_stderr, "x", "x_stderr")
    y, y_stderr = _pair(y, y_stderr, "y", "y_stderr")
    if len(x) != len(y) or len(x) < MIN_POINTS:
        raise AnalysisError(f"{len(x)} and {len(y)} languages; expected the same, and at least {MIN_POINTS}.")
    own = from_errors(x, x_stderr), from_errors(y, y_stderr)
    raw = fisher_interval(float(pearson(x, y)), len(x))
    if min(own) <= 0:
        return Disattenuated(raw, NOTHING, *own)
    drawn = _drawn(np.stack([x, x_stderr**2, y, y_stderr**2]), seed, resamples)
    low, high = (
        float(np.quantile(np.where(np.isnan(drawn), end, drawn), q))
        for end, q in ((-1, (1 - LEVEL) / 2), (1, (1 + LEVEL) / 2))
    )
    value = float(np.clip(raw.value / math.sqrt(own[0] * own[1]), -1, 1))
    return Disattenuated(raw, Interval(value, min(low, value), max(high, value), len(x)), *own)


def _drawn(table: NDArray, seed: int, resamples: int) -> NDArray:
    """Corrected coefficients of resampled languages from (4, L) values and squared errors; ``nan`` if there is none."""
    rng, n, found = np.random.default_rng(seed), table.shape[1], []
    for start in range(0, resamples, BATCH):
        x, x_error, y, y_error = table[:, rng.integers(n, size=(min(BATCH, resamples - start), n))]
        with np.errstate(invalid="ignore", divide="ignore"):
            rho = [1 - error.mean(-1) / v.var(-1, ddof=1) for v, error in ((x, x_error), (y, y_error))]
            there = (rho[0] > 0) & (rho[1] > 0)
            found.append(np.where(there, (pearson(x, y) / np.sqrt(rho[0] * rho[1])).clip(-1, 1), np.nan))
    return np.concatenate(found)


def _pair(a: ArrayLike, b: ArrayLike, name: str, other: str) -> tuple[NDArray, NDArray]:
    a, b = finite(a, name), finite(b, other)
    if a.ndim != 1 or a.shape != b.shape or len(a) < 2:
        raise AnalysisError(f"{name} {a.shape} and {other} {b.shape}; expected one number a language, at least two.")
    return a, b
