"""From scores to the numbers of a record: value, low, high and n, as keywords of :func:`xlgen.ledger.record`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from xlgen.analysis import LEVEL, Correlation, Interval, binomial_interval, interval_of_mean
from xlgen.errors import UnknownName
from xlgen.ledger.claims import LedgerError


def of(result: Interval | Correlation) -> dict[str, Any]:
    """The numbers of an interval, or of a Pearson correlation with its interval."""
    found = result.pearson if isinstance(result, Correlation) else result
    return {"value": found.value, "low": found.low, "high": found.high, "n": result.n}


def differences(scores: Mapping[str, Sequence[float]], pairs: Sequence[str]) -> dict[str, Any]:
    """Mean differences of an ordering's pairs, each with its Student-t interval over the paired points.

    Args:
        scores: by name, one score a point (a seed, a language), the points in the same order for all names.
        pairs: ``"a > b"``, the names of what is compared.

    Raises:
        UnknownName: a pair names something that has no scores.
        LedgerError: names have differently many scores.
    """
    found = {}
    for pair in pairs:
        first, second = (np.asarray(values, dtype=float) for values in _scores(scores, pair))
        if first.shape != second.shape:
            raise LedgerError(f"{pair!r}: {len(first)} and {len(second)} scores; expected one of each for every point.")
        found[pair] = interval_of_mean(first - second)
    parts = {key: {pair: getattr(one, key) for pair, one in found.items()} for key in ("value", "low", "high")}
    return parts | {"n": min(one.n for one in found.values())}


def spreads(scores: Mapping[str, Sequence[float]], pairs: Sequence[str]) -> dict[str, Any]:
    """Differences of the logarithm of the standard deviation of an ordering's pairs, by :func:`spread_ratio`.

    Args:
        scores: by name, one score a run.
        pairs: ``"a > b"``: a varies more than b.

    Raises:
        UnknownName: a pair names something that has no scores.
        LedgerError: there are too few scores, or they do not vary.
    """
    found = {pair: spread_ratio(*_scores(scores, pair)) for pair in pairs}
    parts = {key: {pair: math.log(one[key]) for pair, one in found.items()} for key in ("value", "low", "high")}
    return parts | {"n": min(one["n"] for one in found.values())}


def _scores(scores: Mapping[str, Sequence[float]], pair: str) -> list[Sequence[float]]:
    names = pair.split(" > ")
    for name in names:
        if name not in scores:
            raise UnknownName("name in a pair", name, scores)
    return [scores[name] for name in names]


def share(wins: int, n: int) -> dict[str, Any]:
    """A share of ``n`` languages, with Wilson's interval.

    Raises:
        AnalysisError: ``wins`` is not in 0..n.
    """
    return of(binomial_interval(wins / n if n else math.nan, n))


def spread_ratio(first: Sequence[float], second: Sequence[float]) -> dict[str, Any]:
    r"""The ratio of two standard deviations, with the interval of the F distribution.

    .. math:: \frac{s_1}{s_2} \Big/ \sqrt{F_{n_1-1,\,n_2-1}(0.975)} \;\ldots\;
        \frac{s_1}{s_2} \Big/ \sqrt{F_{n_1-1,\,n_2-1}(0.025)}

    It takes the scores for normal and the two groups for independent. ``n`` is the number of the smaller group.

    Raises:
        LedgerError: a group has fewer than two scores, or they are all equal.
    """
    n1, n2 = len(first), len(second)
    if min(n1, n2) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        raise LedgerError(f"{n1} and {n2} scores; expected at least two of each, and not all of a group the same.")
    ratio = float(np.std(first, ddof=1) / np.std(second, ddof=1))
    tail = (1 - LEVEL) / 2
    low, high = (ratio / math.sqrt(stats.f.ppf(p, n1 - 1, n2 - 1)) for p in (1 - tail, tail))
    return {"value": ratio, "low": low, "high": high, "n": min(n1, n2)}
