"""How often the verdicts are wrong: situations of which the truth is known, judged by the book's own rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from paper.ledger.evidence import differences, share, spread_ratio
from xlgen.analysis import (
    AGREES,
    CANNOT_SAY,
    DISAGREES,
    SIGN_ONLY,
    Interval,
    Verdict,
    fisher_interval,
    interval_of_mean,
    pearson,
    verdict,
    verdict_of_pairs,
)

DRAWS = 2_000
FAMILIES = (4, 4, 3, 3)
"""Sizes of the language families of the simulation: 14 languages."""
KINSHIP = 0.5
"""Share of a measure's variance over languages that a family has in common, where languages are related."""
TOGETHER = 0.7
"""Correlation of the languages of one model, where a lucky run moves all of them."""
SETTLED = (AGREES, SIGN_ONLY, DISAGREES)


@dataclass(frozen=True)
class Rate:
    """How often a verdict is wrong in a situation.

    Attributes:
        situation: what is so.
        error: the verdict that is wrong then.
        promised: how often it may come at most; ``nan`` where no promise is made, and the rate is what it is.
        value: how often it came.
        of_settled: how often it came among the draws that settled anything (not *cannot say*); ``nan`` if none did.
        draws: simulated cases.
    """

    situation: str
    error: str
    promised: float
    value: float
    of_settled: float
    draws: int

    @property
    def stderr(self) -> float:
        """Of the simulation, at the promised rate, or at the one that was found where none is promised."""
        p = self.value if math.isnan(self.promised) else self.promised
        return math.sqrt(p * (1 - p) / self.draws)


def error_rates(draws: int = DRAWS, seed: int = 0) -> tuple[Rate, ...]:
    """Simulate every situation of :data:`SITUATIONS`; a few seconds."""
    return tuple(
        _rate(situation, wrong, promised, simulate(np.random.default_rng([seed, number]), draws))
        for number, (situation, wrong, promised, simulate) in enumerate(SITUATIONS)
    )


def _rate(situation: str, wrong: tuple[str, ...], promised: float, verdicts: Iterator[Verdict]) -> Rate:
    outcomes = [judged.outcome for judged in verdicts]
    errors = sum(outcome in wrong for outcome in outcomes)
    settled = sum(outcome != CANNOT_SAY for outcome in outcomes)
    words = "settled, either way" if wrong == SETTLED else " or ".join(wrong)
    return Rate(
        situation, words, promised, errors / len(outcomes), errors / settled if settled else math.nan, len(outcomes)
    )


def _measures(rng: Generator, draws: int, rho: float, kinship: float = 0.0) -> tuple[NDArray, NDArray]:
    """Two measures (draws, languages) of correlation ρ, of which families of languages share a part."""
    n = sum(FAMILIES)
    family = np.repeat(np.arange(len(FAMILIES)), FAMILIES)
    common, own = rng.normal(size=(2, draws, len(FAMILIES)))[..., family], rng.normal(size=(2, draws, n))
    x, z = math.sqrt(kinship) * common + math.sqrt(1 - kinship) * own
    return x, rho * x + math.sqrt(1 - rho**2) * z


def _correlations(rho: float, *, kinship: float = 0.0, theirs: str, n_known: bool = True) -> Callable:
    """Ours from languages of a population, and the paper's: a direction, the truth, or another sample of it."""

    def simulate(rng: Generator, draws: int) -> Iterator[Verdict]:
        ours = pearson(*_measures(rng, draws, rho, kinship))
        other = pearson(*_measures(rng, draws, rho, kinship))
        n = sum(FAMILIES)
        for r, r_p in zip(ours.tolist(), other.tolist(), strict=True):
            published = {"direction": None, "truth": rho, "sample": r_p}[theirs]
            ends = _ends(fisher_interval(r, n))
            yield verdict(r, ends, published, sign=0 if published else 1, n=n, n_published=n if n_known else 0)

    return simulate


def _gains(rng: Generator, draws: int, runs: int, mean: float) -> NDArray:
    """Differences (draws, runs, languages) of two setups, whose languages move together from run to run."""
    common, own = rng.normal(size=(draws, runs, 1)), rng.normal(size=(draws, runs, sum(FAMILIES)))
    return mean + math.sqrt(TOGETHER) * common + math.sqrt(1 - TOGETHER) * own


def _difference(truth: float) -> Callable:
    def simulate(rng: Generator, draws: int) -> Iterator[Verdict]:
        for gains in _gains(rng, draws, 3, truth).mean(axis=-1):
            mean = interval_of_mean(gains)
            yield verdict(mean.value, _ends(mean), truth or None, sign=1)

    return simulate


def _small(rng: Generator, draws: int) -> Iterator[Verdict]:
    for gains in 1 + 0.1 * rng.normal(size=(draws, 3)):
        mean = interval_of_mean(gains)
        yield verdict(mean.value, _ends(mean), bound=1)


def _share(runs: int) -> Callable:
    def simulate(rng: Generator, draws: int) -> Iterator[Verdict]:
        for shares in (_gains(rng, draws, runs, 0) > 0).mean(axis=-1):
            median = share(shares)
            yield verdict(median["value"], (median["low"], median["high"]), null=0.5, sign=1)

    return simulate


def _ratio(truth: float) -> Callable:
    def simulate(rng: Generator, draws: int) -> Iterator[Verdict]:
        for first, second in zip(truth * rng.normal(size=(draws, 5)), rng.normal(size=(draws, 5)), strict=True):
            ratio = spread_ratio(first, second)
            published = None if truth == 1 else truth
            yield verdict(ratio["value"], (ratio["low"], ratio["high"]), published, 1, sign=-1)

    return simulate


def _ordering(rng: Generator, draws: int) -> Iterator[Verdict]:
    pairs = ("a > c", "a > d", "b > c", "b > d")
    for scores in rng.normal(size=(draws, 4, 3)):
        numbers = differences(dict(zip("abcd", scores, strict=True)), pairs)
        yield verdict_of_pairs(numbers["value"], numbers["low"], numbers["p"])


def _ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


_RELATED = f"; languages in {len(FAMILIES)} families that share {KINSHIP:.0%} of the variance"
_NONE = "correlation over 14 languages: there is none"
_TWO = "correlation: ours and the published one are two samples of 14 languages with one truth, "
_SEEDS = "difference over 3 seeds: "
_SHARE = "share of languages, truly one half, in models whose languages move together, over "
_ORDER = "ordering of 4 pairs over 3 seeds: there is none"
SITUATIONS: tuple[tuple[str, tuple[str, ...], float, Callable], ...] = (
    (_NONE, SETTLED, 0.05, _correlations(0, theirs="direction")),
    (_NONE + _RELATED, SETTLED, math.nan, _correlations(0, kinship=KINSHIP, theirs="direction")),
    ("correlation: the published sign is the truth, 0.3", (DISAGREES,), 0.025, _correlations(0.3, theirs="direction")),
    ("correlation: the published number is the truth, 0.8", (SIGN_ONLY,), 0.05, _correlations(0.8, theirs="truth")),
    (_TWO + "0.6", (SIGN_ONLY,), 0.05, _correlations(0.6, theirs="sample")),
    (_TWO + "0.9", (SIGN_ONLY,), 0.05, _correlations(0.9, theirs="sample")),
    (_TWO + "0.9" + _RELATED, (SIGN_ONLY,), math.nan, _correlations(0.9, kinship=KINSHIP, theirs="sample")),
    (
        _TWO + "0.9, but the paper's number of languages is not known (the row says so)",
        (SIGN_ONLY,),
        math.nan,
        _correlations(0.9, theirs="sample", n_known=False),
    ),
    (_SEEDS + "there is none; languages move together", SETTLED, 0.05, _difference(0)),
    (_SEEDS + "the published number is the truth; languages move together", (SIGN_ONLY,), 0.05, _difference(3)),
    (_SEEDS + "it is claimed to be small and lies at the bound", (AGREES,), 0.025, _small),
    (_SHARE + "6 runs", SETTLED, 0.05, _share(6)),
    (_SHARE + "3 runs, which settle no share", SETTLED, 0, _share(3)),
    ("ratio of two spreads of 5 settings: 1", SETTLED, 0.05, _ratio(1)),
    ("ratio of two spreads of 5 settings: the published number is the truth", (SIGN_ONLY,), 0.05, _ratio(0.2)),
    (_ORDER, (DISAGREES,), 0.025, _ordering),
    (_ORDER, (AGREES, SIGN_ONLY), 0.025, _ordering),
)
"""What is so, the verdicts that are wrong then, how often they may come, and how it is simulated."""
