"""The ledger: every claim of the papers beside what was found for it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from paper.ledger.claims import CLAIMS, Claim, LedgerError
from paper.ledger.records import SCALES, Record
from paper.published import PAPERS, Number
from xlgen import analysis
from xlgen.analysis import AGREES, CANNOT_SAY, DISAGREES, SIGN_ONLY, Verdict, signed, verdict_of_pairs
from xlgen.core.errors import UnknownName

NOT_RUN = "not run"
OUTCOMES = (AGREES, SIGN_ONLY, DISAGREES, CANNOT_SAY, NOT_RUN)
"""Every verdict of the ledger."""


@dataclass(frozen=True)
class Row:
    """A claim at one scale.

    Attributes:
        claim: the claim.
        paper: short name of the paper.
        item: its table or figure.
        sentence: the claim in words.
        number: what is published, a line for each pair, or empty where the claim is a direction.
        ours: the number with its interval, a line for each pair; empty where it was not run.
        n: points behind the number, 0 where it was not run.
        seeds: of the runs.
        scale: miniature, real data or paper; empty where it was not run.
        verdict: one of :data:`paper.ledger.OUTCOMES`.
        because: why, in words.
        chapter: that ran or would run it.
        run_keys: of the runs in the store.
        live: computed in this build, rather than read from a committed record; ``None`` where it was not run.
    """

    claim: Claim
    paper: str
    item: str
    sentence: str
    number: str
    ours: str
    n: int
    seeds: tuple[int, ...]
    scale: str
    verdict: str
    because: str
    chapter: str
    run_keys: tuple[str, ...]
    live: bool | None


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
    if claim.pairs:
        return verdict_of_pairs(ours.value, ours.low, ours.p)
    if claim.kind == "share" and math.isnan(ours.low):
        few = f"over {ours.n} run{'s' * (ours.n != 1)}, which settle no share: the languages of a model move together"
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
    found: dict[str, list[Record]] = {}
    for one in results:
        if one.claim not in CLAIMS:
            raise UnknownName("claim", one.claim, CLAIMS)
        found.setdefault(one.claim, []).append(one)
    ordered = sorted((claim for _, claim in CLAIMS.items()), key=_place)
    return tuple(
        _row(claim, one)
        for claim in ordered
        for one in sorted(found.get(claim.id, ()), key=lambda one: SCALES.index(one.scale) if one.scale else 0)
        or (None,)
    )


def counts(table: Iterable[Row]) -> dict[str, Counter[str]]:
    """How many rows there are at each scale and of each verdict, and of each verdict at each scale."""
    table = tuple(table)
    return {
        "scale": Counter(row.scale or "not run" for row in table),
        "verdict": Counter(row.verdict for row in table),
        "scale and verdict": Counter(f"{row.scale or 'not run'}: {row.verdict}" for row in table),
    }


def _place(claim: Claim) -> tuple[int, int]:
    return list(PAPERS).index(claim.paper), PAPERS[claim.paper].items.index(claim.item)


def _row(claim: Claim, one: Record | None) -> Row:
    said, ran = verdict(claim, one), one is not None and not one.reason
    return Row(
        claim=claim,
        paper=PAPERS[claim.paper].name,
        item=claim.item,
        sentence=claim.sentence,
        number=_number(claim),
        ours=_ours(claim, one) if ran else "",
        n=one.n if ran else 0,
        seeds=one.seeds if ran else (),
        scale=one.scale if ran else "",
        verdict=said.outcome,
        because=said.because,
        chapter=claim.chapter,
        run_keys=one.run_keys if ran else (),
        live=one.live if ran else None,
    )


def _number(claim: Claim) -> str:
    if claim.pairs:
        return "\n".join(f"{pair}: {_one(number)}" for pair, number in zip(claim.pairs, claim.numbers, strict=False))
    return _one(claim.numbers[0]) if claim.numbers else ""


def _one(number: Number) -> str:
    """A published number as printed, or with as many digits as its cells have."""
    if number.how == "share":
        wins, of = number.wins
        return f"{wins} of {of}"
    digits = max(len(cell.digits.partition(".")[2]) for cell in number.cells)
    return signed(number.value, max(digits, 2))


def _ours(claim: Claim, one: Record) -> str:
    if claim.kind == "procedure":
        return "carried out" if one.value == 1 else "not carried out"
    if claim.pairs:
        return "\n".join(f"{pair}: {shown(one.value[pair], one.low[pair], one.high[pair])}" for pair in claim.pairs)
    return shown(one.value, one.low, one.high)


def shown(value: float, low: float, high: float) -> str:
    """A number with its interval, for a table."""
    if math.isnan(value):
        return "undefined"
    return signed(value) if math.isnan(low) else f"{signed(value)} [{signed(low)}, {signed(high)}]"
