"""From scores to the numbers of a record (value, low, high, p, n), as keywords of :func:`paper.ledger.record`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from paper.ledger.claims import LedgerError
from xlgen.analysis import LEVEL, AnalysisError, Correlation, Interval, interval_of_mean, p_of_mean
from xlgen.analysis.spread import ratio_of
from xlgen.core.errors import UnknownName


def of(result: Interval | Correlation) -> dict[str, Any]:
    """The numbers of an interval, or of a Pearson correlation with its interval."""
    estimate = result.pearson if isinstance(result, Correlation) else result
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "n": result.n}


def differences(scores: Mapping[str, Sequence[float]], pairs: Sequence[str]) -> dict[str, Any]:
    """Mean differences of an ordering's pairs, each with its Student-t interval over the paired points.

    Args:
        scores: by name, one score a point (a seed, a language), the points in the same order for all names.
        pairs: ``"a > b"``, the names of what is compared.

    Raises:
        UnknownName: a pair names something that has no scores.
        LedgerError: names have differently many scores.
    """
    means = {}
    for pair in pairs:
        first, second = (np.asarray(values, dtype=float) for values in _scores(scores, pair))
        if first.shape != second.shape:
            raise LedgerError(f"{pair!r}: {len(first)} and {len(second)} scores; expected one of each for every point.")
        means[pair] = interval_of_mean(first - second)
    return of_pairs(means)


def of_pairs(intervals: Mapping[str, Interval]) -> dict[str, Any]:
    """The numbers of an ordering whose pairs have these Student-t intervals; n is that of the smallest."""
    parts = {key: {pair: getattr(i, key) for pair, i in intervals.items()} for key in ("value", "low", "high")}
    parts["p"] = {pair: p_of_mean(interval) for pair, interval in intervals.items()}
    return parts | {"n": min(interval.n for interval in intervals.values())}


def spreads(scores: Mapping[str, Sequence[float]], pairs: Sequence[str]) -> dict[str, Any]:
    """Differences of the logarithm of the standard deviation of an ordering's pairs, by :func:`spread_ratio`.

    Args:
        scores: by name, one score a run.
        pairs: ``"a > b"``: a varies more than b.

    Raises:
        UnknownName: a pair names something that has no scores.
        LedgerError: there are too few scores, or they do not vary.
    """
    ratios = {pair: spread_ratio(*_scores(scores, pair)) for pair in pairs}
    parts = {key: {pair: math.log(ratio[key]) for pair, ratio in ratios.items()} for key in ("value", "low", "high")}
    parts["p"] = {pair: _p_of_ratio(ratios[pair]["value"], *map(len, _scores(scores, pair))) for pair in pairs}
    return parts | {"n": min(ratio["n"] for ratio in ratios.values())}


def _p_of_ratio(ratio: float, n1: int, n2: int) -> float:
    """Two-sided p-value of the F test of two equal variances, from the ratio of the standard deviations."""
    below = stats.f.cdf(ratio**2, n1 - 1, n2 - 1)
    return float(2 * min(below, 1 - below))


def _scores(scores: Mapping[str, Sequence[float]], pair: str) -> list[Sequence[float]]:
    names = pair.split(" > ")
    for name in names:
        if name not in scores:
            raise UnknownName("name in a pair", name, scores)
    return [scores[name] for name in names]


def wins(first: Sequence[float], second: Sequence[float]) -> float:
    """The share of languages in which the first score is above the second; a tie counts half, so that ½ says nothing.

    Raises:
        LedgerError: there are differently many scores, or none.
    """
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if first.shape != second.shape or not first.size:
        raise LedgerError(f"{first.size} and {second.size} scores; expected one of each for every language.")
    return float(np.mean((1 + np.sign(first - second)) / 2))


def share(of_runs: Sequence[float]) -> dict[str, Any]:
    r"""In which share of the languages is it so? The median of one share a run, with its interval over runs.

    The languages of one model are no independent draws: they share its weights, and a lucky seed moves all of them. So
    runs (seeds, settings) are what is drawn, and a share of one run has no interval. With :math:`x_{(1)} \le \dots \le
    x_{(n)}` the shares of n runs, the interval is

    .. math:: [x_{(k)},\, x_{(n+1-k)}], \qquad k = \max\{k : P(B_{n,1/2} < k) \le 0.025\},

    which covers the median of the shares' distribution with at least 95 %, whatever that distribution (the inverse of
    the sign test). There is none (k = 0) with fewer than six runs.

    Raises:
        AnalysisError: there are none, or one is not in [0, 1].
    """
    x = np.sort(np.asarray(of_runs, dtype=float))
    if len(x) == 0 or not ((x >= 0) & (x <= 1)).all():
        raise AnalysisError(f"shares are {list(of_runs)}; expected one number in [0, 1] for each run.")
    k = int(stats.binom.ppf((1 - LEVEL) / 2, len(x), 0.5))
    low, high = (float(x[k - 1]), float(x[-k])) if k else (math.nan, math.nan)
    return {"value": float(np.median(x)), "low": low, "high": high, "n": len(x)}


def spread_ratio(first: Sequence[float], second: Sequence[float]) -> dict[str, Any]:
    """The numbers of the ratio of two standard deviations: :func:`xlgen.analysis.spread.ratio_of`.

    Raises:
        LedgerError: a group has fewer than two scores, or they are all equal.
    """
    ratio = ratio_of(first, second)
    if not ratio.n:
        sizes = f"{len(first)} and {len(second)}"
        raise LedgerError(f"{sizes} scores; expected at least two of each, and not all of a group the same.")
    return of(ratio)
