"""Does a published correlation agree with ours? Words that the numbers choose."""

from __future__ import annotations

import math
from dataclasses import dataclass

from xlgen.analysis.correlation import Correlation
from xlgen.analysis.intervals import AnalysisError, signed

IN_INTERVAL = "agrees in sign and lies in the interval"
SIGN_ONLY = "agrees in sign only"
DISAGREES = "does not agree"
CANNOT_SAY = "cannot say"

FEWEST = 5
"""Fewest points of a correlation that can settle anything. Of the 24 orders of four points two are perfect, so that no
permutation test of them has a p-value below 1/12, whatever Fisher's z says."""


@dataclass(frozen=True)
class Verdict:
    """Whether a published correlation agrees with ours: one of the four outcomes, and a sentence with the numbers."""

    outcome: str
    sentence: str
    published: float
    ours: Correlation


def verdict(published: float, ours: Correlation) -> Verdict:
    """Compare a published Pearson correlation with ours and its interval (Fisher's z, 95 %, ends included).

    The first line that applies decides:

    1. ours is over fewer than :data:`FEWEST` points, has no interval (it is undefined or exactly ±1), or the interval
       includes 0, so that our data do not settle the sign: *cannot say* (the sentence adds whether the published value
       lies in the interval);
    2. the published value has not our sign: *does not agree*;
    3. it lies in our interval: *agrees in sign and lies in the interval*;
    4. it does not: *agrees in sign only*.

    Raises:
        AnalysisError: ``published`` is not in [-1, 1].
    """
    if not -1 <= published <= 1:
        raise AnalysisError(f"the published r is {published!r}; expected a correlation in [-1, 1].")
    r = ours.pearson
    where = "in it" if published in r else "outside it"
    if math.isnan(r.low):
        outcome, because = CANNOT_SAY, "there is no interval to compare with"
    elif ours.n < FEWEST:
        outcome = CANNOT_SAY
        because = f"ours is over {ours.n} points, fewer than {FEWEST}; the published value lies {where}"
    elif 0 in r:
        outcome = CANNOT_SAY
        because = f"our interval includes 0, so our sign is not settled; the published value lies {where}"
    elif published * r.value <= 0:
        outcome, because = DISAGREES, "our interval excludes 0 and the published value has not our sign"
    else:
        outcome = IN_INTERVAL if published in r else SIGN_ONLY
        because = f"our interval excludes 0 and the published value lies {where}"
    sentence = f"Published r = {signed(published)}; ours: {ours}. {outcome[0].upper()}{outcome[1:]}: {because}."
    return Verdict(outcome, sentence, published, ours)
