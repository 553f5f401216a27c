"""Claims that are one: a table and a figure of the same data say one thing, which is judged once and counted once.

Which claims these are stands in ``joined.csv``; its first lines say what the columns are. All other claims stand alone.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import resources

from paper.ledger.claims import CLAIMS, Claim, LedgerError
from paper.ledger.records import SCALES
from paper.ledger.table import CARRIED_OUT, NOT_RUN, OUTCOMES, Judged, Row, verdict
from xlgen.analysis import AGREES, CANNOT_SAY, DISAGREES, SIGN_ONLY, Verdict

FROM_WORST = (DISAGREES, CANNOT_SAY, SIGN_ONLY, AGREES, CARRIED_OUT)
"""Of several verdicts on one number, the first of these that any of them has is that of all."""


@dataclass(frozen=True)
class Group:
    """Claims that are one.

    Attributes:
        sentence: what they claim.
        parts: their ids.
        others: ids of those that test it with another criterion than the paper's.
        criterion: the other one, in words.
    """

    sentence: str
    parts: tuple[str, ...]
    others: tuple[str, ...] = ()
    criterion: str = ""

    def __post_init__(self):
        papers = {claim.paper for claim in self.claims}
        if len(papers) != 1:
            raise LedgerError(f"{self.sentence!r} joins claims of {len(papers)} papers; expected those of one.")
        if len({CLAIMS[name].kind for name in self.parts}) > 1:
            raise LedgerError(f"{self.sentence!r} joins parts of several kinds of evidence; expected one kind.")
        if bool(self.others) != bool(self.criterion):
            raise LedgerError(f"{self.sentence!r}: others and their criterion go together; expected both or neither.")

    @property
    def claims(self) -> tuple[Claim, ...]:
        """All of them."""
        return tuple(CLAIMS[name] for name in (*self.parts, *self.others))


@dataclass(frozen=True)
class Joint(Judged):
    """One claim at one scale, with all that tests it.

    Attributes:
        group: the claims that are one.
        rows: that test it with the paper's criterion, the one with the most models first.
        others: that test it with another.
        judged: the verdict and why.
    """

    group: Group
    rows: tuple[Row, ...]
    others: tuple[Row, ...]
    judged: Verdict

    @property
    def id(self) -> str:
        """Its anchor: the id of its first claim, with the scale."""
        return self.group.claims[0].id + (f"-{self.scale.replace(' ', '-')}" if self.scale else "")

    @property
    def sentence(self) -> str:
        """The claim in words."""
        return self.group.sentence

    @property
    def criterion(self) -> str:
        """The other criterion, in words."""
        return self.group.criterion

    @property
    def every(self) -> tuple[Row, ...]:
        """All rows."""
        return self.rows + self.others

    @property
    def row(self) -> Row | None:
        """The one whose number is judged; there is none where all are of another criterion."""
        return self.rows[0] if self.rows else None

    @property
    def paper(self) -> str:
        """Short name of the paper."""
        return self.every[0].paper

    @property
    def items(self) -> tuple[str, ...]:
        """Its tables and figures."""
        return tuple(dict.fromkeys(claim.item for claim in self.group.claims))

    @property
    def published(self) -> Row:
        """A row with its published number, where one of its claims has one."""
        claim = next((claim for claim in self.group.claims if claim.numbers), self.group.claims[0])
        return replace(self.every[0], claim=claim)

    @property
    def scale(self) -> str:
        """Miniature, real data or paper; empty where nothing was run."""
        return self.every[0].scale

    def concerns(self, claims: Iterable[str]) -> bool:
        """Whether one of these claims, by id, is it or a part of it."""
        return not {claim.id for claim in self.group.claims}.isdisjoint(claims)

    @property
    def chapters(self) -> tuple[str, ...]:
        """That ran or would run it."""
        return tuple(dict.fromkeys(row.chapter for row in self.every))


def groups() -> tuple[Group, ...]:
    """Every claim once: those of ``joined.csv``, then each that stands alone."""
    grouped = {claim.id for group in _JOINED for claim in group.claims}
    return (*_JOINED, *(Group(claim.sentence, (name,)) for name, claim in CLAIMS.items() if name not in grouped))


def joined(rows: Iterable[Row]) -> tuple[Joint, ...]:
    """Join the rows of the ledger that are of one claim, and judge it once.

    All parts of a claim are judged by the number from the most models, and the least favourable of their verdicts
    counts: the first of :data:`FROM_WORST` that one of them has. What was tested with another criterion than the
    paper's is kept and does not count; of a claim that was tested with another only, the ledger cannot say whether it
    holds.

    Args:
        rows: of :func:`paper.ledger.rows`.

    Returns:
        One a claim and scale at which a part of it was run, else one that was not run; in the order of the rows.
    """
    rows = tuple(rows)
    place = {row.claim.id: number for number, row in reversed(list(enumerate(rows)))}
    found = []
    for group in sorted(groups(), key=lambda group: place[group.claims[0].id]):
        own, others = ([row for row in rows if row.claim.id in names] for names in (group.parts, group.others))
        scales = {row.scale for row in (*own, *others)}
        for scale in (scale for scale in SCALES if scale in scales) if scales != {""} else ("",):
            at = ([row for row in some if row.scale == scale] for some in (own, others))
            found.append(_joint(group, *at))
    return tuple(found)


def counts(joints: Iterable[Joint]) -> dict[str, Counter[str]]:
    """How many claims there are at each scale and of each verdict, and of each verdict at each scale."""
    joints = tuple(joints)
    return {
        "scale": Counter(joint.scale or NOT_RUN for joint in joints),
        "verdict": Counter(joint.verdict for joint in joints),
        "scale and verdict": Counter(f"{joint.scale or NOT_RUN}: {joint.verdict}" for joint in joints),
    }


def in_words(joints: Iterable[Joint]) -> str:
    """How many claims have which verdict, for a sentence; procedures that were carried out are named as what they are.

    >>> in_words([])
    'none'
    """
    by = counts(joints)["verdict"]
    words = {word: f"“{word}”" for word in OUTCOMES}
    words[CARRIED_OUT] = f"procedure{'s' * (by[CARRIED_OUT] != 1)} {CARRIED_OUT}"
    return ", ".join(f"{by[word]} {words[word]}" for word in OUTCOMES if by[word]) or "none"


def _joint(group: Group, rows: list[Row], others: list[Row]) -> Joint:
    rows = sorted(rows, key=lambda row: -len(row.run_keys))
    return Joint(group, tuple(rows), tuple(others), _judged(group, rows, others))


def _judged(group: Group, rows: list[Row], others: list[Row]) -> Verdict:
    """By the rule of :func:`joined`."""
    if not rows and others[0].scale:
        return Verdict(CANNOT_SAY, f"tested with another criterion only: {group.criterion}")
    most = (rows or others)[0]
    if not most.scale:
        return most.judged
    parts = sorted((CLAIMS[name] for name in group.parts), key=lambda claim: not claim.numbers)
    each = [verdict(claim, replace(most.record, claim=claim.id, chapter=claim.chapter)) for claim in parts]
    return min(each, key=lambda one: FROM_WORST.index(one.outcome))  # of equals, the one beside a published number


def _read(row: Mapping[str, str]) -> Group:
    ids = {name: tuple(row[name].split("; ")) if row[name] else () for name in ("parts", "others")}
    return Group(row["sentence"], **ids, criterion=row["criterion"])


with (resources.files(__package__) / "joined.csv").open(encoding="utf-8", newline="") as _file:
    _JOINED = tuple(_read(_row) for _row in csv.DictReader(_line for _line in _file if not _line.startswith("#")))
