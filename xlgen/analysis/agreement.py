"""How often two lists of judgements agree, beyond what chance alone would give."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np

from xlgen.analysis.intervals import LEVEL, AnalysisError, Interval


def cohens_kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float:
    r"""Cohen's κ [cohen1960coefficient]: agreement beyond chance, as a share of what chance leaves.

    .. math:: \kappa = \frac{p_o - p_e}{1 - p_e}, \qquad p_e = \sum_c p_{1c}\, p_{2c}

    with :math:`p_o` the share of items with the same judgement and :math:`p_{ic}` the share of items to which judge i
    gives category c. 1 is perfect agreement, 0 what two judges reach who keep their shares and do not look, below 0
    less than that. ``nan`` where both give one and the same category to every item: chance agrees always then.

    Args:
        first: a judgement an item.
        second: the other judge's, in the same order.

    Raises:
        AnalysisError: there are no items, or differently many.
    """
    if len(first) != len(second) or not len(first):
        raise AnalysisError(f"{len(first)} and {len(second)} judgements; expected one of each for every item.")
    n, shares = len(first), (Counter(first), Counter(second))
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    chance = sum(shares[0][c] * shares[1][c] for c in shares[0]) / n**2
    return (observed - chance) / (1 - chance) if chance < 1 else math.nan


def kappa_interval(
    first: Sequence[Hashable], second: Sequence[Hashable], *, resamples: int = 4_999, seed: int = 0
) -> Interval:
    """:func:`cohens_kappa` with the percentile interval of a bootstrap over items [efron1993bootstrap].

    It takes the items for independent draws; relatives (two margins, two confidences) make it too narrow. Resamples
    without a κ are left out; where that is most of them, there is no interval.

    Args:
        first: a judgement an item.
        second: the other judge's.
        resamples: bootstrap samples.
        seed: of the resampling.

    Raises:
        AnalysisError: as for :func:`cohens_kappa`.
    """
    value, n, draw = cohens_kappa(first, second), len(first), np.random.default_rng(seed)
    drawn = (draw.integers(n, size=n) for _ in range(resamples))
    again = np.array([cohens_kappa([first[i] for i in some], [second[i] for i in some]) for some in drawn])
    ends = (math.nan, math.nan)
    if math.isfinite(value) and np.isfinite(again).mean() > 0.5:
        low, high = np.nanquantile(again, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        ends = (min(float(low), value), max(float(high), value))
    return Interval(value, *ends, n)


def effective_number(columns: Sequence[Sequence[float]]) -> float:
    r"""How many independent columns would spread as these do: the participation ratio of their correlations.

    .. math:: \frac{(\sum_i \lambda_i)^2}{\sum_i \lambda_i^2}

    with :math:`\lambda_i` the eigenvalues of the correlation matrix: m for m uncorrelated columns, 1 where all are
    the same but for sign and scale, and never more than the number of points minus one.

    Args:
        columns: numbers of the same points, a list a column, none of them constant.

    Raises:
        AnalysisError: there is no column, or one is constant or not finite.
    """
    x = np.asarray(columns, dtype=float)
    if x.ndim != 2 or not len(x) or not np.isfinite(x).all() or (np.ptp(x, axis=1) == 0).any():
        raise AnalysisError(f"columns have shape {x.shape}; expected some, of finite numbers that vary.")
    r = np.atleast_2d(np.corrcoef(x))
    return float(np.trace(r) ** 2 / np.sum(r**2))  # of a symmetric matrix Σλ² is the sum of its squared entries
