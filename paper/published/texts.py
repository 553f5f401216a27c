"""Numbers that the papers give in their text, and the tables that they follow from where they do."""

from __future__ import annotations

from dataclasses import dataclass

from paper.published.numbers import Number
from paper.published.printed import content, printed_table


@dataclass(frozen=True)
class Statement:
    """A number in a text: a row of ``statements.csv``.

    Attributes:
        id: its name.
        paper: key in the bibliography.
        where: section of the paper.
        words: what it says.
        relation: ``"="``, ``">="`` or ``"<="``.
        printed: the number, as printed, but for words (“one-third”) and powers of ten.
        unit: in words.
        follows: from which cells of which table; ``None`` where no table has it.
    """

    id: str
    paper: str
    where: str
    words: str
    relation: str
    printed: str
    unit: str
    follows: Number | None


def statements() -> tuple[Statement, ...]:
    """Every row of ``statements.csv``."""
    _, (head, *body) = content("statements.csv")
    rows = (dict(zip(head, line, strict=True)) for line in body)
    return tuple(Statement(**{key: row[key] for key in head[:7]}, follows=_follows(row)) for row in rows)


def _follows(row: dict[str, str]) -> Number | None:
    if not row["how"]:
        return None
    table = printed_table(row["paper"], int(row["table"]))
    names = [name for name in (row["row"], row["other"]) if name]
    return Number(row["how"], tuple(table.cell(name, row["column"], row["part"]) for name in names))
