"""The verdict on a claim: words that the numbers choose, by the rule of the claim's kind of evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass

from xlgen.analysis import CANNOT_SAY, DISAGREES, FEWEST, IN_INTERVAL, SIGN_ONLY, Coefficient, Correlation, signed
from xlgen.analysis import verdict as verdict_of_correlation
from xlgen.ledger.claims import Claim, LedgerError
from xlgen.ledger.records import Record

AGREES = "agrees"
NOT_RUN = "not run"
OUTCOMES = (AGREES, SIGN_ONLY, DISAGREES, CANNOT_SAY, NOT_RUN)
"""Every verdict."""


@dataclass(frozen=True)
class Verdict:
    """One of :data:`OUTCOMES`, and a sentence that says why."""

    outcome: str
    because: str

    def __str__(self) -> str:
        return f"{self.outcome}: {self.because}"


def verdict(claim: Claim, ours: Record | None) -> Verdict:
    """Compare a claim with what was found, by :attr:`Claim.rule`.

    Args:
        claim: what is claimed.
        ours: what was found; ``None`` where no chapter has recorded anything.

    Raises:
        LedgerError: the record is of another claim.
    """
    if ours is None:
        return Verdict(NOT_RUN, f"needs {claim.needs}" if claim.needs else "no chapter has recorded it")
    if ours.claim != claim.id:
        raise LedgerError(f"the record is of claim {ours.claim!r}; expected {claim.id!r}.")
    if ours.reason:
        return Verdict(NOT_RUN, ours.reason)
    if claim.kind == "procedure":
        return Verdict(AGREES, "carried out") if ours.value == 1 else Verdict(DISAGREES, "could not be carried out")
    if claim.kind == "ordering":
        return _ordering(claim, ours)
    if claim.kind == "small":
        return _small(claim.bound, ours)
    if claim.kind == "correlation" and claim.published is not None:
        return _correlation(claim.published, ours)
    if claim.kind == "correlation" and ours.n < FEWEST:
        return Verdict(CANNOT_SAY, f"ours is over {ours.n} points, fewer than {FEWEST}")
    return _settled(claim, ours.value, ours.low, ours.high)


def _correlation(published: float, ours: Record) -> Verdict:
    """By the rule that the chapters use for a published coefficient."""
    r = Coefficient(ours.value, ours.low, ours.high, (math.nan, math.nan), math.nan)
    nothing = Coefficient(math.nan, math.nan, math.nan, (math.nan, math.nan), math.nan)
    found = verdict_of_correlation(published, Correlation(ours.n, 0, r, nothing, nothing, exact=False))
    outcome = AGREES if found.outcome == IN_INTERVAL else found.outcome
    return Verdict(outcome, found.sentence.rpartition(": ")[2].rstrip("."))


def _settled(claim: Claim, value: float, low: float, high: float) -> Verdict:
    null = claim.null
    if math.isnan(low) or math.isnan(value):
        return Verdict(CANNOT_SAY, "there is no interval to compare with")
    if low <= null <= high:
        return Verdict(CANNOT_SAY, f"our interval includes {null:g}, so our sign is not settled")
    settled = f"our interval excludes {null:g}"
    if (value - null) * claim.direction < 0:
        return Verdict(DISAGREES, f"{settled} and ours lies on the other side of it")
    if claim.published is None:
        return Verdict(AGREES, f"{settled}; the paper gives a direction and no number")
    where = "in it" if low <= claim.published <= high else "outside it"
    return Verdict(AGREES if where == "in it" else SIGN_ONLY, f"{settled} and the published value lies {where}")


def _small(bound: float, ours: Record) -> Verdict:
    if math.isnan(ours.low):
        return Verdict(CANNOT_SAY, "there is no interval to compare with")
    if -bound <= ours.low and ours.high <= bound:
        return Verdict(AGREES, f"our interval lies within ± {bound:g}")
    if ours.low > bound or ours.high < -bound:
        return Verdict(DISAGREES, f"our interval lies outside ± {bound:g}")
    return Verdict(CANNOT_SAY, f"our interval reaches over ± {bound:g}")


def _ordering(claim: Claim, ours: Record) -> Verdict:
    right = [pair for pair in claim.pairs if ours.value[pair] > 0]
    settled = [pair for pair in claim.pairs if ours.low[pair] > 0]
    reversed_ = [pair for pair in claim.pairs if ours.high[pair] < 0]
    count = len(claim.pairs)
    pairs = f"{count} pair{'s' * (count != 1)}"
    of = f"of {pairs}, {len(right)} differ as claimed, {len(settled)} of them beyond their interval"
    if reversed_:
        swapped = ", ".join(f"{ours.value[pair]:z.3g} for {pair}" for pair in reversed_)
        return Verdict(DISAGREES, f"{of}; settled the other way: {swapped}".replace("-", "−"))
    if len(settled) == count:
        return Verdict(AGREES, of)
    if len(right) == count and settled:
        return Verdict(SIGN_ONLY, of)
    return Verdict(CANNOT_SAY, of)


def shown(value: float, low: float, high: float) -> str:
    """A number with its interval, for a table."""
    if math.isnan(value):
        return "undefined"
    return signed(value) if math.isnan(low) else f"{signed(value)} [{signed(low)}, {signed(high)}]"
