"""Does what was found agree with what was claimed? Words that the numbers choose, for every page and the ledger.

How often these words are wrong is computed by :func:`paper.ledger.error_rates` and stands on the ledger's page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from xlgen.analysis.holm import holm
from xlgen.analysis.intervals import LEVEL, MIN_POINTS, AnalysisError, Z, signed

AGREES = "agrees"
SIGN_ONLY = "agrees in sign only"
DISAGREES = "does not agree"
CANNOT_SAY = "cannot say"

FEWEST = 5
"""Fewest points of a correlation that can settle anything. Of the 24 orders of four points two are perfect, so that no
permutation test of them has a p-value below 1/12, whatever Fisher's z says."""


@dataclass(frozen=True)
class Verdict:
    """What the numbers say of a claim: one of the outcomes above, and why, in words."""

    outcome: str
    because: str

    def __str__(self) -> str:
        return f"{self.outcome}: {self.because}"


def difference_of_z(r: float, n: int, other: float, n_other: int) -> float:
    r"""The test statistic of two correlations from independent samples, standard normal where they are of one truth.

    .. math:: z = \frac{\operatorname{artanh} r_1 - \operatorname{artanh} r_2}{\sqrt{1/(n_1 - 3) + 1/(n_2 - 3)}}

    (R. A. Fisher, Metron 1, 1921). A coefficient of ±1 has an infinite z.

    Raises:
        AnalysisError: a sample has fewer than 4 points, or a number is no correlation.
    """
    if min(n, n_other) < MIN_POINTS or not (abs(r) <= 1 and abs(other) <= 1):
        raise AnalysisError(
            f"r = {r} of {n} and {other} of {n_other} points; expected correlations of at least {MIN_POINTS} points."
        )
    if 1 in (abs(r), abs(other)):
        return math.copysign(math.inf, r - other) if r != other else 0.0
    return (math.atanh(r) - math.atanh(other)) / math.sqrt(1 / (n - 3) + 1 / (n_other - 3))


def verdict(
    value: float,
    interval: tuple[float, float],
    published: float | None = None,
    null: float = 0.0,
    *,
    sign: int = 0,
    n: int | None = None,
    n_published: int = 0,
    bound: float | None = None,
) -> Verdict:
    """Compare a number and its 95 % interval with what was published.

    The first line that applies decides (ends belong to intervals):

    1. there is no interval, or ours is a correlation over fewer than :data:`FEWEST` points: *cannot say*;
    2. the interval includes the null, so that our data do not settle the sign: *cannot say*;
    3. our value lies not on the side of the null that is claimed: *does not agree*;
    4. no number is published: *agrees*;
    5. both are correlations whose numbers of points are known: *agrees in sign only* where the two differ by
       :func:`difference_of_z` at 5 % (two-sided), else *agrees*;
    6. the published number lies in our interval: *agrees*. It does not: *agrees in sign only*, and the sentence says
       that the published number was taken as exact, because nothing is known of its uncertainty.

    With a ``bound`` the claim is that the number is small: *agrees* where the interval lies within ± the bound, *does
    not agree* where it lies wholly outside, else *cannot say*.

    Args:
        value: ours.
        interval: its ends, ``nan`` where there are none.
        published: the number of the paper; ``None`` where it claims a direction only.
        null: the value that says nothing either way.
        sign: the direction claimed, ±1 from the null; 0 is that of the published number.
        n: of a correlation, the points that ours is over; ``None`` where the number is none.
        n_published: of a correlation, the points that the published one is over; 0 where that is not known.
        bound: of a claim that the number is small.

    Raises:
        AnalysisError: nothing is claimed, or the published number is ``nan`` or, of a correlation, outside [-1, 1].
    """
    low, high = interval
    if published is not None and (math.isnan(published) or (n is not None and abs(published) > 1)):
        raise AnalysisError(f"the published number is {published!r}; expected a number, of a correlation in [-1, 1].")
    if published is None and not sign and bound is None:
        raise AnalysisError("nothing is claimed; give a published number, a sign or a bound.")
    if math.isnan(value) or math.isnan(low) or math.isnan(high):
        return Verdict(CANNOT_SAY, "there is no interval to compare with")
    if bound is not None:
        return _small(low, high, bound)
    if n is not None and n < FEWEST:
        return Verdict(CANNOT_SAY, f"ours is over {n} points, fewer than {FEWEST}")
    if low <= null <= high:
        return Verdict(CANNOT_SAY, f"our interval includes {null:g}, so our sign is not settled")
    settled = f"our interval excludes {null:g}"
    claimed = sign or (published > null) - (published < null)
    if (value - null) * claimed <= 0:
        return Verdict(DISAGREES, f"{settled} and ours lies on the other side of it than claimed")
    if published is None:
        return Verdict(AGREES, f"{settled}; the paper gives a direction and no number")
    if n is not None and n_published >= MIN_POINTS:
        z = difference_of_z(value, n, published, n_published)
        differ = abs(z) > Z
        test = f"z = {signed(z, 2)}, ours over {n} points, the paper's over {n_published}"
        words = f"the two coefficients {'differ' if differ else 'are not shown to differ'} ({test})"
        return Verdict(SIGN_ONLY if differ else AGREES, f"{settled}; {words}")
    if low <= published <= high:
        return Verdict(AGREES, f"{settled} and the published value lies in it")
    unknown = "the paper gives no interval of it" if n is None else "its number of points is not known"
    return Verdict(SIGN_ONLY, f"{settled} and the published value, taken as exact, lies outside it: {unknown}")


def _small(low: float, high: float, bound: float) -> Verdict:
    if -bound <= low and high <= bound:
        return Verdict(AGREES, f"our interval lies within ± {bound:g}")
    if low > bound or high < -bound:
        return Verdict(DISAGREES, f"our interval lies outside ± {bound:g}")
    return Verdict(CANNOT_SAY, f"our interval reaches over ± {bound:g}")


def verdict_of_pairs(value: Mapping[str, float], low: Mapping[str, float], p: Mapping[str, float]) -> Verdict:
    """Is an order as claimed, of which every pair ``"a > b"`` has a difference that should be above 0?

    Many pairs are tried, so that what *one* pair can do is corrected for their number by :func:`xlgen.analysis.holm`;
    what *all* of them have to do needs no correction. The first line that applies decides:

    1. the difference of a pair is below 0 with a corrected p-value below 5 %: *does not agree*;
    2. every 95 % interval lies above 0: *agrees*;
    3. every difference is above 0 and the corrected p-value of at least one is below 5 %: *agrees in sign only*;
    4. *cannot say*.

    Args:
        value: by pair, the difference.
        low: by pair, the lower end of its 95 % interval, ``nan`` where it has none.
        p: by pair, the two-sided p-value of a difference of 0, ``nan`` where it has none.
    """
    adjusted = dict(zip(value, holm([p[pair] for pair in value]), strict=True))
    settled = {pair for pair in value if adjusted[pair] < 1 - LEVEL}
    right = [pair for pair in value if value[pair] > 0]
    beyond = [pair for pair in value if low[pair] > 0]
    reversed_ = [pair for pair in value if value[pair] < 0 and pair in settled]
    pairs = f"{len(value)} pair{'s' * (len(value) != 1)}"
    differ = f"{len(right)} differ{'s' * (len(right) == 1)}"
    of = f"of {pairs}, {differ} as claimed, {len(beyond)} of them beyond their interval"
    if reversed_:
        swapped = ", ".join(f"{signed(value[pair])} for {pair} (p = {adjusted[pair]:.2g})" for pair in reversed_)
        return Verdict(DISAGREES, f"{of}; settled the other way, corrected for the number of pairs: {swapped}")
    if len(beyond) == len(value):
        return Verdict(AGREES, of)
    if len(right) == len(value) and settled:
        return Verdict(SIGN_ONLY, f"{of}, {len(settled)} also when corrected for the number of pairs")
    return Verdict(CANNOT_SAY, of)
