"""The papers' tables as data, one CSV file each, with the columns as printed, and whether their numbers add up.

:func:`tables` has every numbered table, :func:`statements` the numbers of the texts, :func:`discrepancies` what does
not add up when it is recomputed, :func:`contradictions` where the papers contradict themselves or each other.

:data:`TABLES` knows more of those of bassi2024generalization: every number is a Pearson correlation, over languages, of
a measure with test accuracy. The paper prints no interval and no p-value, and does not say over how many languages;
:attr:`Table.n` says what is assumed here, so that the interval that belongs to a printed coefficient can be computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from paper.published.by_language import BY_LANGUAGE, scores, setup_of
from paper.published.conflicts import Contradiction, contradictions
from paper.published.numbers import Number
from paper.published.printed import PAPERS, Cell, Paper, PrintedTable, printed_table, tables
from paper.published.sums import Check, checks, discrepancies
from paper.published.texts import Statement, statements
from xlgen import analysis
from xlgen.analysis import Correlation, Interval, Verdict, fisher_interval, signed
from xlgen.core.errors import UnknownName

__all__ = [
    "BY_LANGUAGE",
    "PAPERS",
    "SOURCE",
    "TABLES",
    "Cell",
    "Check",
    "Contradiction",
    "Number",
    "Paper",
    "PrintedTable",
]
__all__ += ["Published", "Statement", "Table", "cell", "checks", "contradictions", "discrepancies", "find"]
__all__ += ["printed_table", "scores", "setup_of", "statements", "tables"]

SOURCE = "bassi2024generalization"


@dataclass(frozen=True)
class Published:
    """A coefficient that a paper prints.

    Attributes:
        table: number of the table.
        row: its row, as printed.
        column: its column, as printed.
        printed: the number, as printed (``"-0.410"``).
        n: languages it is taken to be over.
        source: key in the bibliography.
    """

    table: str
    row: str
    column: str
    printed: str
    n: int
    source: str = SOURCE

    @property
    def value(self) -> float:
        """The coefficient."""
        return float(self.printed)

    @property
    def interval(self) -> Interval:
        """The 95 % Fisher-z interval that the coefficient has at ``n``; the paper does not print it."""
        return fisher_interval(self.value, self.n)

    def verdict(self, ours: Correlation) -> Verdict:
        """Does our Pearson correlation agree with it, by :func:`xlgen.analysis.verdict` with both numbers of points?"""
        r = ours.pearson
        return analysis.verdict(r.value, (r.low, r.high), self.value, n=ours.n, n_published=self.n)

    def beside(self, ours: Correlation) -> str:
        """Both coefficients and the verdict, in a sentence."""
        said = str(self.verdict(ours))
        return f"Published r = {signed(self.value)}; ours: {ours}. {said[0].upper()}{said[1:]}."


@dataclass(frozen=True)
class Table:
    """A table of a paper.

    Attributes:
        name: its number.
        task: the task, by the name it has in :data:`xlgen.data.catalogue.TASKS`.
        n: languages each coefficient is taken to be over.
        n_note: why ``n``, in words.
        objectives: rows by the name of the objective, where the project has it (with the encoder mBERT).
        measures: columns by the name of the measure.
        caption: as printed.
        columns: as printed, without the column of the rows' names.
        cells: by row, by column, the number as printed.
    """

    name: str
    task: str
    n: int
    n_note: str
    objectives: Mapping[str, str]
    measures: Mapping[str, str]
    caption: str
    columns: tuple[str, ...]
    cells: Mapping[str, Mapping[str, str]]

    @property
    def rows(self) -> tuple[str, ...]:
        """The rows' names, as printed."""
        return tuple(self.cells)

    def cell(self, row: str, column: str) -> Published:
        """One number, by the names of its row and column as printed.

        Raises:
            UnknownName: the table has no such row or column.
        """
        if row not in self.cells:
            raise UnknownName(f"row of Table {self.name} of {SOURCE}", row, self.cells)
        if column not in self.columns:
            raise UnknownName(f"column of Table {self.name} of {SOURCE}", column, self.columns)
        return Published(self.name, row, column, self.cells[row][column], self.n)


def _read(name: str, **facts) -> Table:
    """The table in the file of that number; ``facts`` are the attributes that the file does not hold."""
    printed = printed_table(SOURCE, int(name))
    return Table(name, **facts, caption=printed.caption, columns=printed.columns, cells=printed.rows)


_MEASURES = {"margin": "Margin", "sharpness_difference": "Sharpness"}
_ALPHA = {"sharpness_alpha": "Correlation coefficient of α-sharpness with accuracy"}
_XNLI = {
    "task": "xnli",
    "n": 14,
    "n_note": "the 14 languages of section 4.1 that serve for evaluation only; English is not counted",
    "objectives": {"baseline": "Baseline", "mvr": "mBERT+MVR", "sam": "mBERT+SAM", "fisher": "mBERT+FIM"},
}
_PAWSX = {
    "task": "pawsx",
    "n": 7,
    "n_note": "the 7 languages of section 4.1, English included; the 6 others alone give a wider interval",
    "objectives": {"baseline": "mBERT"},
}

TABLES: dict[str, Table] = {
    "1": _read("1", **_XNLI, measures=_MEASURES),
    "2": _read("2", **_PAWSX, measures=_MEASURES),
    "3": _read("3", **_XNLI, measures=_ALPHA),
}
"""By the number of the table."""


def cell(table: str | int, row: str, column: str) -> Published:
    """Look up one number by the names the paper prints.

    >>> cell(1, "mBERT+SAM", "Sharpness").printed
    '-0.584'

    Raises:
        UnknownName: there is no such table, row or column.
    """
    if str(table) not in TABLES:
        raise UnknownName(f"table of {SOURCE}", str(table), TABLES)
    return TABLES[str(table)].cell(row, column)


def find(task: str, measure: str, objective: str) -> Published | None:
    """Look up the coefficient that the paper prints for a combination of this project's names.

    Args:
        task: a task; a miniature stands for the task it imitates (``"mini-xnli"`` for ``"xnli"``).
        measure: a measure.
        objective: an objective.

    Returns:
        The number for mBERT, or ``None`` where the paper prints none.
    """
    for table in TABLES.values():
        if table.task == task.removeprefix("mini-") and measure in table.measures and objective in table.objectives:
            return table.cell(table.objectives[objective], table.measures[measure])
    return None
