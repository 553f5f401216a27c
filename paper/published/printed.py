"""Every numbered table of the papers that the book reproduces, cell by cell as printed.

One CSV file a table. Lines that start with ``#`` say where it is from, its caption, its units, which columns name the
rows, and what was changed to write it as one table: a table that wraps onto several blocks is put back side by side, a
column without a heading gets one, and nothing else. A cell that is empty in print is empty here.

The tables of bassi2024generalization are correlations, over languages, of a measure with test accuracy. The paper
prints no interval and no p-value, and does not say over how many languages. Their files say what is assumed here, so
that the interval that belongs to a printed coefficient can be computed, and how this project calls their rows and
columns.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from xlgen import analysis
from xlgen.analysis import Correlation, Interval, Verdict, fisher_interval, signed
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
        Paper("anonymous2021frustratingly", "Anonymous, L2 and EWC (2021)", tables=22, figures=2),
    )
}
"""By the key of the paper in the bibliography."""


def with_names(text: str) -> str:
    """A text with the papers' short names in place of their keys.

    >>> with_names("Algorithm 1 of bassi2024generalization")
    'Algorithm 1 of Bassi et al. (2024)'
    """
    for key, paper in PAPERS.items():
        text = text.replace(key, paper.name)
    return text


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
        n: of a correlation, languages that it is taken to be over; 0 where it is none, or that is not known.
    """

    paper: str
    table: int
    row: str
    column: str
    printed: str
    part: str = "value"
    n: int = 0

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

    value = number  # as intervals and coefficients have it

    @property
    def interval(self) -> Interval:
        """The 95 % Fisher-z interval that a correlation has at ``n``; the paper does not print it.

        Raises:
            AnalysisError: it is no correlation over a known number of languages.
        """
        return fisher_interval(self.number, self.n)

    def verdict(self, ours: Correlation) -> Verdict:
        """Does our Pearson correlation agree with it, by :func:`xlgen.analysis.verdict` with both numbers of points?"""
        r = ours.pearson
        return analysis.verdict(r.value, (r.low, r.high), self.number, n=ours.n, n_published=self.n)

    def beside(self, ours: Correlation) -> str:
        """Both coefficients and the verdict, in a sentence."""
        outcome = str(self.verdict(ours))
        return f"Published r = {signed(self.number)}; ours: {ours}. {outcome[0].upper()}{outcome[1:]}."

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
        task: of a table of correlations, the task, by its name in :data:`xlgen.data.catalogue.TASKS`.
        n: languages each coefficient is taken to be over.
        n_note: why ``n``, in words.
        objectives: rows by the name of the objective, where the project has it (with the encoder mBERT).
        measures: columns by the name of the measure.
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
    task: str = ""
    n: int = 0
    n_note: str = ""
    objectives: Mapping[str, str] = field(default_factory=dict)
    measures: Mapping[str, str] = field(default_factory=dict)

    def cell(self, row: str, column: str, part: str = "value") -> Cell:
        """One cell, by the names of its row and column as printed.

        Raises:
            UnknownName: the table has no such row or column.
        """
        if row not in self.rows:
            raise UnknownName(f"row of Table {self.number} of {self.paper}", row, self.rows)
        if column not in self.columns:
            raise UnknownName(f"column of Table {self.number} of {self.paper}", column, self.columns)
        return Cell(self.paper, self.number, row, column, self.rows[row][column], part, self.n)

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
    return PrintedTable(
        paper,
        number,
        caption=facts[f"Table {number}"][0],
        units=facts["Units"][0],
        file=file,
        notes=tuple(facts.get("Note", ())),
        keys=keys,
        columns=columns,
        rows={", ".join(row[: len(keys)]): dict(zip(columns, row[len(keys) :], strict=True)) for row in body},
        task=facts.get("Task", [""])[0],
        n=int(facts.get("Points", ["0"])[0]),
        n_note=facts.get("Points are", [""])[0],
        objectives=dict(line.split(" = ") for line in facts.get("Row", ())),
        measures=dict(line.split(" = ") for line in facts.get("Column", ())),
    )


@cache
def tables() -> tuple[PrintedTable, ...]:
    """Every numbered table of the papers, in their order."""
    return tuple(
        _read(paper.key, number, f"{paper.key}_table{number}.csv")
        for paper in PAPERS.values()
        for number in range(1, paper.tables + 1)
    )


def printed_table(paper: str, number: int | str) -> PrintedTable:
    """The table of that number.

    >>> printed_table("anonymous2021frustratingly", 2).cell("mBERT, w/ L2", "Avg.").number
    66.03

    Raises:
        UnknownName: there is no such paper or table.
    """
    if paper not in PAPERS:
        raise UnknownName("paper", paper, PAPERS)
    numbered = {str(table.number): table for table in tables() if table.paper == paper}
    if str(number) not in numbered:
        raise UnknownName(f"table of {paper}", str(number), numbered)
    return numbered[str(number)]


def find(task: str, measure: str, objective: str) -> Cell | None:
    """Look up the correlation that a paper prints for a combination of this project's names.

    Args:
        task: a task; a miniature stands for the task it imitates (``"mini-xnli"`` for ``"xnli"``).
        measure: a measure.
        objective: an objective.

    Returns:
        The cell for mBERT, or ``None`` where no paper prints one.
    """
    for table in tables():
        if table.task == task.removeprefix("mini-") and measure in table.measures and objective in table.objectives:
            return table.cell(table.objectives[objective], table.measures[measure])
    return None
