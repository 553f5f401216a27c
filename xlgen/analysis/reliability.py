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
from collections.abc import Iterable
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
    against another: of such errors ``stderr`` has what is left without that part (:func:`in_common`), or the
    reliability is higher than this.

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


def apart(blocks: ArrayLike) -> float:
    r"""Mean squared error of a language's value against those of the others, from blocks of parallel examples.

    .. math:: s^2 = \frac{1}{(L-1)(K-1) K} \sum_{\ell, k} \Big( d_{\ell k} - \frac1L \sum_m d_{m k} \Big)^2

    the interaction of languages and blocks in the analysis of variance of :math:`x_\ell + d_{\ell k}`. What a block
    does to all languages alike is no part of it. With it :math:`1 - s^2 / \operatorname{var}(x)` is Hoyt's reliability
    [hoyt1941test], which is Cronbach's α [cronbach1951coefficient] and with that the mean over all ways to make two
    halves of the blocks.

    Args:
        blocks: (L, K) by how much the value of each language is another in each of K blocks of examples, the same
            ones in all languages (:func:`xlgen.measures.blocks.blocks`).

    Raises:
        AnalysisError: numbers that are not finite, or fewer than two languages or blocks.
    """
    return _interaction(_blocks(blocks))


def in_common(models: Iterable[tuple[ArrayLike, ArrayLike]]) -> float:
    r"""Share of the squared standard error that all languages have in common, from the blocks of several models.

    .. math:: c = 1 - \frac{\sum s^2}{\sum \frac1L \sum_\ell s_\ell^2}

    with :math:`s^2` of :func:`apart` and the outer sums over the models. Where the errors are those of the examples it
    is the mean correlation of two languages' errors: 0, but for chance, where each language has examples of its own.
    What else is in them and the same for all languages, such as the examples that a forecast is calibrated on, is in
    common too.

    Args:
        models: of each the (L, K) blocks of :func:`apart` and the (L,) standard errors.

    Returns:
        At most 1; ``nan`` where there is no error, or no model.

    Raises:
        AnalysisError: as :func:`apart`, or there is not one error a language.
    """
    alone = whole = 0.0
    for blocks, stderr in models:
        d, s = _blocks(blocks), finite(stderr, "stderr")
        if s.shape != d.shape[:1]:
            raise AnalysisError(f"blocks {d.shape} and stderr {s.shape}; expected one error a language.")
        alone, whole = alone + _interaction(d), whole + float(np.mean(s**2))
    return 1 - alone / whole if whole else math.nan


def examples_for(reliability: float, n: float, wanted: float = 0.8) -> float:
    r"""How many examples would give a measure another reliability, by Spearman and Brown.

    .. math:: n^* = n \, \frac{\rho^* (1 - \rho)}{\rho (1 - \rho^*)}

    [spearman1910correlation, brown1910some]: m times as many examples have m times the variance of the true scores for
    each of the errors.

    Args:
        reliability: ρ of the measure on
        n: examples of each language.
        wanted: ρ*, in (0, 1).

    Returns:
        n*, not rounded; infinite where ρ is not above 0, because nothing but noise is seen yet.

    Raises:
        AnalysisError: ``wanted`` is not in (0, 1), or ρ is above 1 or not a number.
    """
    if not 0 < wanted < 1 or not reliability <= 1:
        raise AnalysisError(f"wanted {wanted!r}, reliability {reliability!r}; expected 0 < wanted < 1 and ρ <= 1.")
    return n * wanted * (1 - reliability) / (reliability * (1 - wanted)) if reliability > 0 else math.inf


def _interaction(d: NDArray) -> float:
    languages, k = d.shape
    return float(((d - d.mean(axis=0)) ** 2).sum() / ((languages - 1) * (k - 1) * k))


def _blocks(table: ArrayLike) -> NDArray:
    d = finite(table, "blocks")
    if d.ndim != 2 or min(d.shape) < 2:
        raise AnalysisError(f"blocks {d.shape}; expected a row a language and a column a block, two of each or more.")
    return d


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
