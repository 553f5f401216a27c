"""Claims that are one: a table and a figure of the same data say one thing, which is judged once and counted once.

Which claims these are stands in ``joined.csv``; its first lines say what the columns are. All other claims stand alone.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import resources

from paper.ledger.claims import CLAIMS, LedgerError
from paper.ledger.table import NOT_RUN, Row, verdict
from xlgen.analysis import AGREES, CANNOT_SAY, DISAGREES, SIGN_ONLY, Verdict

FROM_WORST = (DISAGREES, CANNOT_SAY, SIGN_ONLY, AGREES)
"""Of several verdicts on one number, the first of these that any of them has is that of all."""
RULE = (
    "Claims that say one thing of the same data are joined: all of them are judged by the number from the most models, "
    "and the least favourable of their verdicts counts, in the order does not agree, cannot say, agrees in sign only, "
    "agrees. What was tested with another criterion than the paper's is shown and does not count; a claim that was "
    "tested with another criterion only is one of which the ledger cannot say whether it holds"
)


@dataclass(frozen=True)
class Joint:
    """One claim at one scale, with all that tests it.

    Attributes:
        sentence: the claim.
        rows: that test it with the paper's criterion, the one with the most models first.
        others: that test it with another.
        criterion: the other one, in words.
        judged: the verdict and why.
    """

    sentence: str
    rows: tuple[Row, ...]
    others: tuple[Row, ...]
    criterion: str
    judged: Verdict

    @property
    def id(self) -> str:
        """Its anchor: the id of the claim that comes first, with the scale."""
        name = min((row.claim.id for row in self.every), key=list(dict(CLAIMS.items())).index)
        return name + (f"-{self.scale.replace(' ', '-')}" if self.scale else "")

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
        """Its tables and figures, in the order of the claims."""
        order = list(dict(CLAIMS.items()))
        return tuple(dict.fromkeys(row.item for row in sorted(self.every, key=lambda row: order.index(row.claim.id))))

    @property
    def published(self) -> Row | None:
        """The row of its published number, where there is one."""
        return next((row for row in self.every if row.claim.numbers), None)

    @property
    def scale(self) -> str:
        """Miniature, real data or paper; empty where nothing was run."""
        return self.every[0].scale

    @property
    def verdict(self) -> str:
        """One of :data:`paper.ledger.OUTCOMES`."""
        return self.judged.outcome

    @property
    def because(self) -> str:
        """Why, in words."""
        return self.judged.because

    def concerns(self, claims: Iterable[str]) -> bool:
        """Whether it is one of these claims, by id, or a part of one."""
        return not {row.claim.id for row in self.every}.isdisjoint(claims)

    @property
    def chapters(self) -> tuple[str, ...]:
        """That ran or would run it."""
        return tuple(dict.fromkeys(row.chapter for row in self.every))


@dataclass(frozen=True)
class Group:
    """Claims that are one.

    Attributes:
        sentence: what they claim; empty where the one claim of the group says it.
        parts: their ids.
        others: ids of those that test it with another criterion than the paper's.
        criterion: the other one, in words.
    """

    sentence: str
    parts: tuple[str, ...]
    others: tuple[str, ...] = ()
    criterion: str = ""

    def __post_init__(self):
        papers = {CLAIMS[name].paper for name in (*self.parts, *self.others)}
        if len(papers) != 1:
            raise LedgerError(f"{self.sentence!r} joins claims of {len(papers)} papers; expected those of one.")
        if len({CLAIMS[name].kind for name in self.parts}) > 1:
            raise LedgerError(f"{self.sentence!r} joins parts of several kinds of evidence; expected one kind.")
        if bool(self.others) != bool(self.criterion):
            raise LedgerError(f"{self.sentence!r}: others and their criterion go together; expected both or neither.")


def groups() -> tuple[Group, ...]:
    """Every claim once: those of ``joined.csv``, then each that stands alone."""
    grouped = {name for group in _JOINED for name in (*group.parts, *group.others)}
    return (*_JOINED, *(Group("", (name,)) for name in dict(CLAIMS.items()) if name not in grouped))


def joined(rows: Iterable[Row]) -> tuple[Joint, ...]:
    """Join the rows of the ledger that are of one claim.

    Args:
        rows: of :func:`paper.ledger.rows`.

    Returns:
        One a claim and scale, in the order of the rows. A claim with a part that was run is run at that scale.
    """
    rows = tuple(rows)
    place = {row.claim.id: number for number, row in reversed(list(enumerate(rows)))}
    found = []
    for group in groups():
        scales = dict.fromkeys(row.scale for row in rows if row.claim.id in (*group.parts, *group.others))
        for scale in [scale for scale in scales if scale] or list(scales):
            of = {name: [row for row in rows if row.claim.id in getattr(group, name) and row.scale == scale]
                  for name in ("parts", "others")}  # fmt: skip
            found.append(_joint(group, of["parts"], of["others"]))
    return tuple(sorted(found, key=lambda joint: min(place[row.claim.id] for row in joint.every)))


def counts(joints: Iterable[Joint]) -> dict[str, Counter[str]]:
    """How many claims there are at each scale and of each verdict, and of each verdict at each scale."""
    joints = tuple(joints)
    return {
        "scale": Counter(joint.scale or NOT_RUN for joint in joints),
        "verdict": Counter(joint.verdict for joint in joints),
        "scale and verdict": Counter(f"{joint.scale or NOT_RUN}: {joint.verdict}" for joint in joints),
    }


def _joint(group: Group, parts: list[Row], others: list[Row]) -> Joint:
    parts = sorted(parts, key=lambda row: -len(row.run_keys))
    sentence = group.sentence or parts[0].sentence
    return Joint(sentence, tuple(parts), tuple(others), group.criterion, _judged(parts, others, group.criterion))


def _judged(parts: list[Row], others: list[Row], criterion: str) -> Verdict:
    """By :data:`RULE`."""
    if not parts:
        if not others[0].scale:
            return others[0].judged
        return Verdict(CANNOT_SAY, f"tested with another criterion only: {criterion}")
    most = parts[0].record
    if most.reason or len(parts) == 1:
        return parts[0].judged
    each = [verdict(row.claim, replace(most, claim=row.claim.id, chapter=row.chapter)) for row in parts]
    named = [one for _, one in sorted(zip(parts, each, strict=True), key=lambda pair: not pair[0].claim.numbers)]
    return min(named, key=lambda one: FROM_WORST.index(one.outcome))  # of equals, the one beside a published number


def _read(row: Mapping[str, str]) -> Group:
    ids = {name: tuple(row[name].split("; ")) if row[name] else () for name in ("parts", "others")}
    return Group(row["sentence"], **ids, criterion=row["criterion"])


with (resources.files(__package__) / "joined.csv").open(encoding="utf-8", newline="") as _file:
    _JOINED = tuple(_read(_row) for _row in csv.DictReader(_line for _line in _file if not _line.startswith("#")))
