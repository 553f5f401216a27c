"""The ledger: every claim of the papers beside what was found for it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from paper.ledger.claims import CLAIMS, Claim, LedgerError
from paper.ledger.records import SCALES, Record
from paper.published import PAPERS, Number
from xlgen import analysis
from xlgen.analysis import AGREES, CANNOT_SAY, DISAGREES, SIGN_ONLY, Verdict, signed, verdict_of_pairs
from xlgen.core.errors import UnknownName

NOT_RUN = "not run"
CARRIED_OUT = "carried out"
"""Of a procedure: nothing is compared in it, so that it counts neither for a paper nor against it."""
OUTCOMES = (AGREES, SIGN_ONLY, DISAGREES, CANNOT_SAY, CARRIED_OUT, NOT_RUN)
"""Every verdict of the ledger."""


class Judged:
    """What has a verdict."""

    judged: Verdict

    @property
    def verdict(self) -> str:
        """One of :data:`paper.ledger.OUTCOMES`."""
        return self.judged.outcome

    @property
    def because(self) -> str:
        """Why, in words."""
        return self.judged.because


@dataclass(frozen=True)
class Row(Judged):
    """A claim at one scale.

    Attributes:
        claim: the claim.
        record: what was found for it, or why it was not run.
        judged: the verdict and why.
    """

    claim: Claim
    record: Record
    judged: Verdict

    @property
    def paper(self) -> str:
        """Short name of the paper."""
        return PAPERS[self.claim.paper].name

    @property
    def item(self) -> str:
        """Its table or figure."""
        return self.claim.item

    @property
    def sentence(self) -> str:
        """The claim in words."""
        return self.claim.sentence

    @property
    def number(self) -> str:
        """What is published, a line for each pair, or empty where the claim is a direction."""
        claim = self.claim
        if claim.pairs:
            return "\n".join(
                f"{pair}: {_printed(number)}" for pair, number in zip(claim.pairs, claim.numbers, strict=False)
            )
        return _printed(claim.numbers[0]) if claim.numbers else ""

    @property
    def uncertainty(self) -> str:
        """What is known of the published number's: of a correlation its interval at its number of points."""
        claim = self.claim
        if not claim.numbers:
            return ""
        if claim.kind != "correlation" or claim.n < analysis.MIN_POINTS:
            return "no uncertainty printed"
        theirs = analysis.fisher_interval(claim.published, claim.n)
        return f"[{signed(theirs.low)}, {signed(theirs.high)}] at n = {claim.n}"

    @property
    def ours(self) -> str:
        """The number with its interval, a line for each pair; empty where it was not run."""
        claim, record = self.claim, self.record
        if record.reason:
            return ""
        if claim.kind == "procedure":
            return CARRIED_OUT if record.value == 1 else f"not {CARRIED_OUT}"
        if claim.pairs:
            lines = ((pair, shown(record.value[pair], record.low[pair], record.high[pair])) for pair in claim.pairs)
            return "\n".join(f"{pair}: {number}" for pair, number in lines)
        return shown(record.value, record.low, record.high)

    @property
    def n(self) -> int:
        """Points behind the number, 0 where it was not run."""
        return self.record.n

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the runs."""
        return self.record.seeds

    @property
    def pairs(self) -> tuple[int, ...]:
        """Training examples of the runs, each number once."""
        return self.record.pairs

    @property
    def scale(self) -> str:
        """Miniature, real data or paper; empty where it was not run."""
        return self.record.scale

    @property
    def chapter(self) -> str:
        """That ran or would run it."""
        return self.claim.chapter

    @property
    def run_keys(self) -> tuple[str, ...]:
        """Of the runs in the store."""
        return self.record.run_keys

    @property
    def live(self) -> bool | None:
        """Computed in this build, rather than read from a committed record; ``None`` where it was not run."""
        return None if self.record.reason else self.record.live


def verdict(claim: Claim, ours: Record | None) -> Verdict:
    """Compare a claim with what was found, by :attr:`Claim.rule`.

    Args:
        claim: what is claimed.
        ours: what was found; ``None`` where no chapter has recorded anything.

    Raises:
        LedgerError: the record is of another claim.
    """
    ours = ours or _missing(claim)
    if ours.claim != claim.id:
        raise LedgerError(f"the record is of claim {ours.claim!r}; expected {claim.id!r}.")
    if ours.reason:
        return Verdict(NOT_RUN, ours.reason)
    if claim.kind == "procedure":
        if ours.value != 1:
            return Verdict(CANNOT_SAY, "could not be carried out")
        return Verdict(CARRIED_OUT, "its chapter says what is not as printed")
    if claim.pairs:
        return verdict_of_pairs(ours.value, ours.low, ours.p)
    if claim.kind == "share" and math.isnan(ours.low):
        settle = "run, which settles" if ours.n == 1 else "runs, which settle"
        few = f"over {ours.n} {settle} no share: the languages of a model move together"
        return Verdict(CANNOT_SAY, few)
    return analysis.verdict(
        ours.value,
        (ours.low, ours.high),
        claim.published,
        claim.null or 0.0,
        sign=claim.direction,
        n=ours.n if claim.kind == "correlation" else None,
        n_published=claim.n,
        bound=claim.bound,
    )


def rows(results: Iterable[Record]) -> tuple[Row, ...]:
    """Join all claims with the records of the chapters, in the order of papers, tables and figures.

    Args:
        results: of :func:`paper.ledger.load`.

    Returns:
        One row a claim and scale; a claim without a record has one row, not run.

    Raises:
        UnknownName: a record is of no claim.
    """
    by_claim: dict[str, list[Record]] = {}
    for record in results:
        if record.claim not in CLAIMS:
            raise UnknownName("claim", record.claim, CLAIMS)
        by_claim.setdefault(record.claim, []).append(record)
    return tuple(
        Row(claim, record, verdict(claim, record))
        for claim in sorted((claim for _, claim in CLAIMS.items()), key=_place)
        for record in sorted(by_claim.get(claim.id, [_missing(claim)]), key=_size)
    )


def _place(claim: Claim) -> tuple[int, int]:
    return list(PAPERS).index(claim.paper), PAPERS[claim.paper].items.index(claim.item)


def _size(record: Record) -> int:
    return SCALES.index(record.scale) if record.scale else 0


def _missing(claim: Claim) -> Record:
    """The record of a claim that no chapter has recorded."""
    return Record(
        claim.chapter, claim.id, reason=f"needs {claim.needs}" if claim.needs else "no chapter has recorded it"
    )


def _printed(number: Number) -> str:
    """A published number as printed, or with as many digits as its cells have."""
    if number.how == "share":
        wins, languages = number.wins
        return f"{wins} of {languages}"
    digits = max(len(cell.digits.partition(".")[2]) for cell in number.cells)
    return signed(number.value, max(digits, 2))


def shown(value: float, low: float, high: float) -> str:
    """A number with its interval, for a table."""
    if math.isnan(value):
        return "undefined"
    return signed(value) if math.isnan(low) else f"{signed(value)} [{signed(low)}, {signed(high)}]"
