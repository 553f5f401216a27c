"""What the papers claim, item by item: a sentence, the published number, and the evidence that would test it.

The claims are the rows of ``claims.csv``, to be read beside the papers; its first lines say what the columns are.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from paper.published import PAPERS, Number, numbers
from xlgen.analysis import FEWEST
from xlgen.core.errors import XlgenError
from xlgen.core.registry import Registry

CHAPTERS = {
    "theory": "KL divergence, Fisher information and flatness",
    "sharpness": "Sharpness, step by step",
    "xnli": "Fine-tune on English, evaluate everywhere",
    "objectives": "Four objectives side by side",
    "pawsx": "PAWS-X, and a second language",
    "l2_ewc": "Staying close to the pretrained weights",
    "frechet": "How far is a language from English?",
    "fisher": "Tr F and the weight of the penalty",
    "tagging": "A label for every word",
    "frozen": "Frozen encoders",
    "stability": "Seeds and settings",
    "every_measure": "Every measure, every model",
}
"""The chapters that may record evidence, by file name, with their titles."""


class LedgerError(XlgenError):
    """A claim, or a record of its evidence, that is not as the ledger needs it."""


FEWEST_RUNS = 6
"""Fewest runs that can settle a share: of the 2ⁿ ways in which n runs can lie on the sides of one half, two have all on
one side, which is fewer than 5 % of them from six runs on."""


@dataclass(frozen=True)
class Kind:
    """A kind of evidence.

    Attributes:
        null: the value that says nothing either way; ``None`` where there is none.
        unit: of the value, in words.
        rule: how the verdict is computed, in words.
        criterion: the same in a few words, for a row of the ledger.
    """

    null: float | None
    unit: str
    rule: str
    criterion: str


_SETTLED = (
    "cannot say where the 95 % interval is missing or includes {null}; does not agree where the value lies on the "
    "other side of {null} than claimed; otherwise agrees where no number is published, or "
)
_EXACT = (
    "where the published number lies in the interval; agrees in sign only where it lies outside, as if it were exact, "
    "because no uncertainty of it is known (the row says so)"
)
_INSIDE = "settled; published value in our interval"

KINDS: Mapping[str, Kind] = {
    "correlation": Kind(
        0,
        "correlation",
        f"cannot say with fewer than {FEWEST} points; {_SETTLED.format(null='0')}where the two coefficients are not "
        "shown to differ; agrees in sign only where they differ: two-sided 5 % test of the difference of two Fisher z, "
        "with the numbers of points of both",
        "sign settled; two coefficients compared by z",
    ),
    "difference": Kind(0, "difference, in the paper's units", _SETTLED.format(null="0") + _EXACT, f"sign {_INSIDE}"),
    "ratio": Kind(1, "ratio", _SETTLED.format(null="1") + _EXACT, f"side of 1 {_INSIDE}"),
    "share": Kind(
        0.5,
        "share of languages, median over runs",
        f"the interval is over runs and not over the languages, which move together in a model; there is none with "
        f"fewer than {FEWEST_RUNS} runs; {_SETTLED.format(null='one half')}{_EXACT}",
        f"side of one half {_INSIDE}; at least {FEWEST_RUNS} runs",
    ),
    "ordering": Kind(
        0,
        "one difference a pair",
        "does not agree where a pair differs the other way with p < 5 %, corrected by Holm for the number of pairs; "
        "agrees where the 95 % interval of every pair lies on the claimed side of 0; agrees in sign only where every "
        "pair has the claimed direction and at least one of them a corrected p < 5 %; otherwise cannot say",
        "every pair as claimed; p corrected by Holm",
    ),
    "small": Kind(
        None,
        "as the bound",
        "agrees where the 95 % interval lies within ± the bound; does not agree where it lies wholly outside; "
        "otherwise, and where there is no interval, cannot say",
        "interval within ± the bound",
    ),
    "procedure": Kind(
        None,
        "carried out (1) or not (0)",
        "carried out where it could be, its chapter says what is not as printed; otherwise cannot say. It counts "
        "neither for the paper nor against it, because nothing is compared",
        "a procedure as described",
    ),
}
"""By name."""


@dataclass(frozen=True)
class Claim:
    """Something that a table or figure is there to show.

    Attributes:
        id: its name, unique.
        paper: key in the bibliography.
        item: ``"Table 5"``, ``"Figure 2"``.
        sentence: the claim, in one plain sentence.
        kind: of the evidence, a name of :data:`KINDS`.
        chapter: that runs it, a name of :data:`CHAPTERS`.
        numbers: the published numbers: one, one for each pair of an ordering, or none.
        sign: the direction claimed, +1 or −1 from the null; 0 leaves it to the published number.
        pairs: of an ordering: ``"a > b"``, the names of what is compared.
        bound: of a small value.
        n: languages that a published coefficient is taken to be over; 0 where that is not known.
        needs: what it takes that may not be at hand; the reason it was not run if no chapter says another.
    """

    id: str
    paper: str
    item: str
    sentence: str
    kind: str
    chapter: str
    numbers: tuple[Number, ...] = ()
    sign: int = 0
    pairs: tuple[str, ...] = ()
    bound: float | None = None
    n: int = 0
    needs: str = ""

    def __post_init__(self):
        if self.paper not in PAPERS or self.item not in PAPERS[self.paper].items:
            raise LedgerError(f"claim {self.id!r} is of {self.item} of {self.paper}; expected a numbered item.")
        if self.kind not in KINDS or self.chapter not in CHAPTERS:
            raise LedgerError(f"claim {self.id!r} has kind {self.kind!r} and chapter {self.chapter!r}; one is unknown.")
        if (self.kind == "ordering") != bool(self.pairs) or (self.kind == "small") != (self.bound is not None):
            raise LedgerError(f"claim {self.id!r}: pairs are of orderings, and a bound is of small values, always.")
        expected = len(self.pairs) if self.pairs else 1
        if len(self.numbers) not in (0, expected):
            raise LedgerError(f"claim {self.id!r} has {len(self.numbers)} numbers; expected {expected} or none.")
        if self.null is not None and not self.pairs and self.direction == 0:
            raise LedgerError(f"claim {self.id!r} has no direction; expected a sign or a published number.")

    @property
    def null(self) -> float | None:
        """The value that says nothing either way."""
        return KINDS[self.kind].null

    @property
    def published(self) -> float | None:
        """The published number, where there is one and only one."""
        return self.numbers[0].value if len(self.numbers) == 1 and not self.pairs else None

    @property
    def direction(self) -> int:
        """+1 or −1: on which side of the null the value is claimed to be (0: nothing is)."""
        if self.sign or self.published is None or self.null is None:
            return self.sign
        return (self.published > self.null) - (self.published < self.null)

    @property
    def rule(self) -> str:
        """How its verdict is computed, in words."""
        return KINDS[self.kind].rule + (f" (bound: {self.bound:g})" if self.kind == "small" else "")


CLAIMS: Registry[Claim] = Registry("claim")
"""Every claim, in the order of the file."""


def _read(row: Mapping[str, str]) -> Claim:
    """The claim in a row of ``claims.csv``."""
    words = {key: row[key] for key in ("id", "paper", "item", "sentence", "kind", "chapter", "needs")}
    return Claim(
        **words,
        numbers=tuple(_number(row, *rows) for rows in zip(_list(row["row"]), _others(row), strict=True)),
        sign={"": 0, "+": 1, "-": -1}[row["sign"]],
        pairs=_list(row["pairs"]),
        bound=float(row["bound"]) if row["bound"] else None,
        n=int(row["n"] or 0),
    )


def _number(row: Mapping[str, str], first: str, other: str) -> Number:
    """What follows from the cells of one row of the paper's table, or of one row against another."""
    how, paper, table, part = row["how"], row["paper"], int(row["table"]), row["part"] or "value"
    if how == "value":
        return numbers.value(paper, table, first, row["column"], part)
    if how == "share":
        return numbers.share(paper, (table, first), (int(row["against"] or table), other), part)
    return numbers.compare(how, paper, table, row["column"], (first, other), part)


def _list(cell: str) -> tuple[str, ...]:
    return tuple(cell.split("; ")) if cell else ()


def _others(row: Mapping[str, str]) -> tuple[str, ...]:
    return _list(row["other"]) or ("",) * len(_list(row["row"]))


with (resources.files(__package__) / "claims.csv").open(encoding="utf-8", newline="") as _file:
    for _row in csv.DictReader(line for line in _file if not line.startswith("#")):
        CLAIMS.add(_row["id"], _read(_row))


def claims(*, paper: str = "", item: str = "", chapter: str = "") -> tuple[Claim, ...]:
    """The claims, all or those of a paper, an item or a chapter."""
    wanted = {"paper": paper, "item": item, "chapter": chapter}
    return tuple(
        claim
        for _, claim in CLAIMS.items()
        if all(not value or getattr(claim, name) == value for name, value in wanted.items())
    )
