"""Every numbered table of the papers that the book reproduces, cell by cell as printed.

One CSV file a table. Lines that start with ``#`` say where it is from, its caption, its units, which columns name the
rows, and what was changed to write it as one table: a table that wraps onto several blocks is put back side by side, a
column without a heading gets one, and nothing else. A cell that is empty in print is empty here.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from xlgen.core.errors import DataError, UnknownName

NUMBER = re.compile(
    r"(?P<value>[-+]?\d+(?:\.\d+)?(?:e-\d+)?)(?: ± (?P<std>\d+(?:\.\d+)?))?(?: \((?P<change>[-+]\d+(?:\.\d+)?)\))?"
)
"""A number, its standard deviation after ``±`` and its change in brackets, where they are printed."""


@dataclass(frozen=True)
class Paper:
    """A paper of the book: its key in the bibliography, a short name, and how many tables and figures it numbers."""

    key: str
    name: str
    tables: int
    figures: int

    @property
    def items(self) -> tuple[str, ...]:
        """Its numbered tables and figures: ``("Table 1", …, "Figure 1", …)``."""
        counts = {"Table": self.tables, "Figure": self.figures}
        return tuple(f"{kind} {number}" for kind, count in counts.items() for number in range(1, count + 1))


PAPERS: dict[str, Paper] = {
    paper.key: paper
    for paper in (
        Paper("bassi2024generalization", "Bassi et al. (2024)", tables=3, figures=7),
        Paper("stickland2021regularising", "Stickland & Murray (2021)", tables=0, figures=2),
        Paper("anonymous2021frustratingly", "Anonymous, L2 and EWC (undated)", tables=22, figures=2),
    )
}
"""By the key of the paper in the bibliography."""


@dataclass(frozen=True)
class Cell:
    """A cell of a printed table, and which of its numbers is meant.

    Attributes:
        paper: key in the bibliography.
        table: number of the table.
        row: name of its row.
        column: name of its column.
        printed: the cell, as printed.
        part: ``"value"``, ``"std"`` (after ``±``) or ``"change"`` (in brackets).
    """

    paper: str
    table: int
    row: str
    column: str
    printed: str
    part: str = "value"

    @property
    def digits(self) -> str:
        """The number that is meant, as printed.

        Raises:
            DataError: the cell has no such number.
        """
        match = NUMBER.fullmatch(self.printed)
        if match is None or match[self.part] is None:
            raise DataError(f"{self} is {self.printed!r}; expected a cell with a {self.part}.")
        return match[self.part]

    @property
    def number(self) -> float:
        """The number that is meant."""
        return float(self.digits)

    def __str__(self) -> str:
        return f"Table {self.table} of {self.paper}, row {self.row!r}, column {self.column!r}"


@dataclass(frozen=True)
class PrintedTable:
    """A table as printed.

    Attributes:
        paper: key in the bibliography.
        number: its number.
        caption: as printed.
        units: of its numbers, in words.
        file: name of its file in this folder.
        notes: what the file changes or adds.
        keys: headings of the columns that name the rows.
        columns: headings of the other columns.
        rows: by name (the row's keys, joined by ``", "``), by column, the cell as printed.
    """

    paper: str
    number: int
    caption: str
    units: str
    file: str
    notes: tuple[str, ...]
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    rows: Mapping[str, Mapping[str, str]]

    def cell(self, row: str, column: str, part: str = "value") -> Cell:
        """One cell, by the names of its row and column as printed.

        Raises:
            UnknownName: the table has no such row or column.
        """
        if row not in self.rows:
            raise UnknownName(f"row of Table {self.number} of {self.paper}", row, self.rows)
        if column not in self.columns:
            raise UnknownName(f"column of Table {self.number} of {self.paper}", column, self.columns)
        return Cell(self.paper, self.number, row, column, self.rows[row][column], part)

    @property
    def average(self) -> str | None:
        """The column of averages over languages, if it has one."""
        return next((column for column in self.columns if column in ("Avg.", "Average")), None)

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns that are languages other than English."""
        return tuple(column for column in self.columns if re.fullmatch("[a-z]{2}", column) and column != "en")


def content(file: str) -> tuple[list[str], list[list[str]]]:
    """The comments, without their ``#``, and the rows of a CSV file of this folder."""
    lines = resources.files(__package__).joinpath(file).read_text(encoding="utf-8").splitlines()
    comments = [line.removeprefix("# ") for line in lines if line.startswith("# ")]
    return comments, list(csv.reader(line for line in lines if not line.startswith("# ")))


def _read(paper: str, number: int, file: str) -> PrintedTable:
    comments, (head, *body) = content(file)
    facts: dict[str, list[str]] = {}
    for name, _, text in (line.partition(": ") for line in comments[1:]):
        facts.setdefault(name, []).append(text)
    keys = tuple(facts["Rows"][0].split(", "))
    columns = tuple(head[len(keys) :])
    rows = {", ".join(row[: len(keys)]): dict(zip(columns, row[len(keys) :], strict=True)) for row in body}
    caption, units, notes = facts[f"Table {number}"][0], facts["Units"][0], tuple(facts.get("Note", ()))
    return PrintedTable(paper, number, caption, units, file, notes, keys, columns, rows)


@cache
def tables() -> tuple[PrintedTable, ...]:
    """Every numbered table of the papers, in their order."""
    return tuple(
        _read(paper.key, number, f"{paper.key}_table{number}.csv")
        for paper in PAPERS.values()
        for number in range(1, paper.tables + 1)
    )


def printed_table(paper: str, number: int) -> PrintedTable:
    """The table of that number.

    >>> printed_table("anonymous2021frustratingly", 2).cell("mBERT, w/ L2", "Avg.").number
    66.03

    Raises:
        UnknownName: there is no such paper or table.
    """
    if paper not in PAPERS:
        raise UnknownName("paper", paper, PAPERS)
    found = {str(table.number): table for table in tables() if table.paper == paper}
    if str(number) not in found:
        raise UnknownName(f"table of {paper}", str(number), found)
    return found[str(number)]
