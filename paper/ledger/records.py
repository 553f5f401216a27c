"""Evidence for claims, in one JSON file a chapter, written as the chapter runs.

A chapter calls :func:`paper.ledger.clear` once, then :func:`record` or :func:`not_run` for each of its claims.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from paper.ledger import files
from paper.ledger.claims import CHAPTERS, CLAIMS, Claim, LedgerError
from xlgen.core.errors import UnknownName, XlgenError

SCALES = ("miniature", "real data", "paper")
"""How close to the paper: the shipped miniature; the paper's data, but another model or size; the paper's setting."""

Value = float | Mapping[str, float]


@dataclass(frozen=True)
class Record:
    """What a chapter found for a claim, or why it did not look.

    Attributes:
        chapter: that ran it.
        claim: id of the claim.
        value: the number; of an ordering, one for each pair.
        low: lower end of its 95 % interval, ``nan`` where it has none; of an ordering, one for each pair.
        high: upper end.
        p: of an ordering, each pair's two-sided p-value of a difference of 0, ``nan`` where it has none; else ``nan``.
        n: points (languages, models, runs) behind each number.
        seeds: of the runs.
        pairs: training examples of the runs, each number once.
        scale: one of :data:`SCALES`.
        run_keys: of the runs in the store.
        live: computed in this build, rather than read from a committed record.
        reason: why it was not run; everything else is then empty.
    """

    chapter: str
    claim: str
    value: Value = math.nan
    low: Value = math.nan
    high: Value = math.nan
    p: Value = math.nan
    n: int = 0
    seeds: tuple[int, ...] = ()
    pairs: tuple[int, ...] = ()
    scale: str = ""
    run_keys: tuple[str, ...] = ()
    live: bool = True
    reason: str = ""

    def __post_init__(self):
        claim = _claim_of(self.chapter, self.claim)
        if not self.reason:
            _check(self, claim)


def record(
    chapter: str,
    claim_id: str,
    *,
    value: Value,
    n: int,
    seeds: Sequence[int],
    pairs: Sequence[int] = (),
    low: Value,
    high: Value,
    p: Value = math.nan,
    scale: str,
    run_keys: Sequence[str] = (),
    folder: Path,
    live: bool = True,
) -> Record:
    """Record what was found for a claim, in ``folder/<chapter>.json``; the last record of a claim and scale counts.

    Args:
        chapter: the file name of the chapter.
        claim_id: a name in :data:`paper.ledger.CLAIMS`.
        value: the number, in the paper's units; of an ordering, one for each pair; ``nan`` where it is undefined.
        n: points behind the number.
        seeds: of the runs.
        pairs: training examples of the runs.
        low: lower end of the 95 % interval, ``nan`` where there is none.
        high: upper end.
        p: of an ordering, the p-value of each pair.
        scale: one of :data:`SCALES`.
        run_keys: of the runs in the store.
        folder: of the records.
        live: computed in this build.

    Raises:
        UnknownName: there is no such chapter or claim.
        LedgerError: the claim is another chapter's, or a number is not what its kind of evidence needs.
    """
    numbers = (*map(_plain, (value, low, high, p)), int(n), tuple(map(int, seeds)), tuple(map(int, pairs)))
    made = Record(chapter, claim_id, *numbers, scale, tuple(run_keys), live)
    earlier = _read(folder, chapter)
    kept = [record for record in earlier if record.claim != claim_id or record.scale not in ("", scale)]
    _write(folder, chapter, [*kept, made])
    return made


def not_run(chapter: str, claim_id: str, reason: str, *, folder: Path) -> Record:
    """Record that a claim was not run, and why; what was recorded for it before is taken out.

    Raises:
        UnknownName: there is no such chapter or claim.
        LedgerError: the claim is another chapter's, or there is no reason.
    """
    if not reason.strip():
        raise LedgerError(f"claim {claim_id!r} was not run and no reason is given; say why in a few words.")
    made = Record(chapter, claim_id, reason=reason.strip())
    _write(folder, chapter, [*(record for record in _read(folder, chapter) if record.claim != claim_id), made])
    return made


def load(folder: Path) -> tuple[Record, ...]:
    """Every record of every chapter.

    Raises:
        StoreError: a file cannot be read.
        LedgerError: a file holds something else than records of its chapter.
    """
    return tuple(record for chapter in CHAPTERS for record in _read(folder, chapter))


def _read(folder: Path, chapter: str) -> list[Record]:
    entries, path = files.read(chapter, "evidence", folder), files.path_of(chapter, folder)
    names = {field.name for field in fields(Record)}
    if any(set(entry) != names for entry in entries):
        raise LedgerError(f"{path} holds no records of a chapter; delete it and run the chapter again.")
    if any(entry["chapter"] != chapter for entry in entries):
        raise LedgerError(f"{path} holds records of another chapter; delete it and run the chapters again.")
    try:
        return [
            Record(**entry | {name: tuple(entry[name]) for name in ("seeds", "pairs", "run_keys")}) for entry in entries
        ]
    except XlgenError as error:
        raise LedgerError(f"{path}: {error} Delete it and run the chapter again.") from None


def _write(folder: Path, chapter: str, records: Sequence[Record]) -> None:
    files.write(chapter, "evidence", [asdict(record) for record in records], folder)


def _claim_of(chapter: str, claim_id: str) -> Claim:
    if chapter not in CHAPTERS:
        raise UnknownName("chapter", chapter, CHAPTERS)
    claim = CLAIMS[claim_id]
    if claim.chapter != chapter:
        raise LedgerError(f"claim {claim_id!r} is run by the chapter {claim.chapter!r}, not by {chapter!r}.")
    return claim


def _plain(value: Any) -> Value:
    return {str(key): float(number) for key, number in value.items()} if isinstance(value, Mapping) else float(value)


def _check(record: Record, claim: Claim) -> None:
    """Whether the numbers are what the claim's kind of evidence needs.

    Raises:
        LedgerError: they are not.
    """
    what = f"record of claim {claim.id!r}"
    if record.scale not in SCALES:
        raise LedgerError(f"{what}: scale is {record.scale!r}; expected one of {', '.join(map(repr, SCALES))}.")
    if record.n < 1 or not record.seeds:
        raise LedgerError(f"{what}: n is {record.n} and seeds are {record.seeds}; expected at least one of each.")
    numbers = (record.value, record.low, record.high)
    every = (*numbers, record.p)
    if claim.pairs and not all(isinstance(part, Mapping) and set(part) == set(claim.pairs) for part in every):
        names = ", ".join(map(repr, claim.pairs))
        raise LedgerError(f"{what}: value, low, high and p each need one number for {names}.")
    if not claim.pairs and any(isinstance(part, Mapping) for part in every):
        raise LedgerError(f"{what}: value, low and high are each one number, as its kind is {claim.kind!r}.")
    if claim.pairs and not all(math.isnan(p) or 0 <= p <= 1 for p in record.p.values()):
        raise LedgerError(f"{what}: p is {record.p}; expected p-values in [0, 1], or nan.")
    triples = [tuple(part[pair] for part in numbers) for pair in claim.pairs] if claim.pairs else [numbers]
    lowest, highest = {"correlation": (-1, 1), "share": (0, 1), "ratio": (0, math.inf), "procedure": (0, 1)}.get(
        claim.kind, (-math.inf, math.inf)
    )
    for value, low, high in triples:
        if math.isinf(value) or not (math.isnan(value) or lowest <= value <= highest):
            raise LedgerError(f"{what}: value is {value}; expected a {claim.kind} in [{lowest}, {highest}].")
        missing = math.isnan(low)
        if missing != math.isnan(high) or (math.isnan(value) and not missing) or value < low or value > high:
            raise LedgerError(f"{what}: {value} with the interval [{low}, {high}]; expected low ≤ value ≤ high.")
