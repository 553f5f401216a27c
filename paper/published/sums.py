"""Do the papers' numbers add up? Averages, changes, repetitions and sentences, recomputed from the printed cells.

Printed numbers are rounded, so that a recomputed one may differ in its last digit without anybody's mistake;
:attr:`Check.explained` tells that from a difference that rounding cannot make.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

from paper.published.numbers import Number, half_unit
from paper.published.printed import Cell, PrintedTable, printed_table, tables
from paper.published.texts import statements

L2 = "anonymous2021frustratingly"


@dataclass(frozen=True)
class Check:
    """A printed number and the same number recomputed.

    Attributes:
        kind: ``"average"``, ``"spread"``, ``"change"``, ``"repeated"`` or ``"text"``.
        paper: key in the bibliography.
        where: the cell or the sentence.
        printed: as printed.
        words: what is recomputed.
        recomputed: from other cells.
        slack: how far apart the two can be by rounding alone.
        relation: what the recomputed number is to the printed one: ``"="``, ``">="`` or ``"<="``.
    """

    kind: str
    paper: str
    where: str
    printed: str
    words: str
    recomputed: float
    slack: float
    relation: str = "="

    @property
    def adds_up(self) -> bool:
        """The recomputed number has the printed digits when it is rounded, or lies on the right side of them."""
        return self._within(half_unit(self.printed) if self.relation == "=" else 0)

    @property
    def explained(self) -> bool:
        """It adds up, or rounding alone can make the difference."""
        return self.adds_up or self._within(self.slack)

    def _within(self, reach: float) -> bool:
        off = self.recomputed - float(self.printed)
        wrong = {"=": abs(off), ">=": -off, "<=": off}[self.relation]
        return wrong <= reach + 1e-9

    def __str__(self) -> str:
        return f"{self.where}: printed {self.printed}, {self.words}: {self.recomputed:.4g}"


def averages() -> Iterator[Check]:
    """Each printed average over languages, which are all columns but English, and its standard deviation.

    The standard deviation of an average is at most the average of the standard deviations (the triangle inequality);
    more cannot be said without the runs.
    """
    for table in tables():
        for row in table.rows if table.average else ():
            whole, cells = table.cell(row, table.average), [table.cell(row, code) for code in table.targets]
            digits = max(len(cell.digits.partition(".")[2]) for cell in (whole, *cells))  # trailing zeros are left out
            printed, slack = f"{whole.number:.{digits}f}", 10.0**-digits
            words = f"mean of its {len(cells)} languages"
            yield Check("average", table.paper, str(whole), printed, words, fmean(cell.number for cell in cells), slack)
            if "±" in whole.printed:
                whole, cells = _stds(table, row)
                words = "mean of its languages' standard deviations, which it cannot exceed"
                most = fmean(cell.number for cell in cells)
                yield Check("spread", table.paper, str(whole), whole.digits, words, most, slack, ">=")


def _stds(table: PrintedTable, row: str) -> tuple[Cell, list[Cell]]:
    return table.cell(row, table.average, "std"), [table.cell(row, code, "std") for code in table.targets]


def changes() -> Iterator[Check]:
    """The changes in brackets of Table 1 of the L2 paper, from its row Vanilla."""
    table = printed_table(L2, 1)
    for row in ("mBERT, w/ EWC", "mBERT, w/ L2"):
        for column in table.columns:
            change = table.cell(row, column, "change")
            difference = Number("difference", (table.cell(row, column), table.cell("mBERT, Vanilla", column)))
            slack = difference.slack + half_unit(change.digits)
            yield Check("change", L2, str(change), change.digits, "difference of the rows", difference.value, slack)


def repeated() -> Iterator[Check]:
    """Numbers that the L2 paper prints in two tables."""
    for table, row, column, part, other in _repetitions():
        cell = printed_table(L2, table).cell(row, column, part)
        slack = half_unit(cell.digits) + half_unit(other.digits)
        yield Check("repeated", L2, str(cell), cell.digits, f"Table {other.table}", other.number, slack)


def _repetitions() -> Iterator[tuple[int, str, str, str, Cell]]:
    """Table, row, column and part of a number, and the cell of a later table (or Table 2) that repeats it."""
    for column, number in {"XNLI (Acc.)": 2, "Wikiann (F1)": 7, "UDPOS (F1)": 8, "PAWSX (Acc.)": 9}.items():
        by_language = printed_table(L2, number)
        for row, name in zip(printed_table(L2, 1).rows, by_language.rows, strict=True):
            yield 1, row, column, "value", by_language.cell(name, by_language.average)
    for column, number in {"XNLI (Acc.": 4, "Wikiann (F1": 11, "UDPOS (F1": 12, "PAWSX (Acc.": 13}.items():
        by_language = printed_table(L2, number)
        for row in printed_table(L2, 3).rows:
            name, test = row.rsplit(", ", 1)
            for part in ("value", "std"):
                other = by_language.cell(name, "en" if test == "en" else by_language.average, part)
                yield 3, row, f"{column} ± Std)", part, other
    for column, number, names in (
        ("XNLI (Acc.)", 2, {"Vanilla": "vanilla", "w/ L2": "w/ L2"}),
        ("UDPOS (F1)", 8, {"Vanilla": "vanilla", "w/ L2": "l2"}),
        ("XNLI (Acc.)", 17, _FROZEN),
        ("UDPOS (F1)", 18, _FROZEN),
    ):
        by_language = printed_table(L2, number)
        for row, name in names.items():
            for test, whole in (("en (test set)", "en"), ("zero-shot", by_language.average)):
                yield 6, row, f"{test} {column}", "value", by_language.cell(f"mBERT, {name}", whole)
    for row, name in {"Vanilla": "vanilla", "w/ EWC (fr)": "w/ EWC", "w/ L2": "w/ L2"}.items():
        for column in ("en", "fr"):
            yield 15, f"mBERT, {row}", column, "value", printed_table(L2, 2).cell(f"mBERT, {name}", column)


_FROZEN = {
    "w/ soft prompts": "soft prompts (Lester et al., 2021)",
    "w/ bitfit": "bitfit (Zaken et al., 2021)",
    "w/ adapter": "adapter (Houlsby et al., 2019)",
}


def sentences() -> Iterator[Check]:
    """The numbers of the papers' texts that follow from a table."""
    for statement in statements():
        if statement.follows is not None:
            where, number = f"{statement.where}, “{statement.words}”", statement.follows
            words = f"from Table {number.cells[0].table}"
            slack = number.slack + (half_unit(statement.printed) if statement.relation == "=" else 0)
            yield Check(
                "text", statement.paper, where, statement.printed, words, number.value, slack, statement.relation
            )


def checks() -> tuple[Check, ...]:
    """Everything that can be recomputed."""
    return (*averages(), *changes(), *repeated(), *sentences())


def discrepancies() -> tuple[Check, ...]:
    """What does not add up; :attr:`Check.explained` says where rounding alone can make the difference."""
    return tuple(check for check in checks() if not check.adds_up)
