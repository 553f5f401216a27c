"""The papers' tables as data, one CSV file each, with the columns as printed, and whether their numbers add up.

:func:`tables` has every numbered table, :func:`printed_table` one of them, :func:`find` a correlation by the names of
this project, :func:`statements` the numbers of the texts, :func:`discrepancies` what does not add up when it is
recomputed, :func:`contradictions` where the papers contradict themselves or each other.
"""

from paper.published.by_language import BY_LANGUAGE, scores, setup_of
from paper.published.conflicts import Contradiction, contradictions
from paper.published.numbers import Number
from paper.published.printed import PAPERS, Cell, Paper, PrintedTable, find, printed_table, tables, with_names
from paper.published.sums import Check, checks, discrepancies
from paper.published.texts import Statement, statements

__all__ = ["BY_LANGUAGE", "PAPERS", "TABLES", "Cell", "Check", "Contradiction", "Number", "Paper", "PrintedTable"]
__all__ += ["Statement", "cell", "checks", "contradictions", "discrepancies", "find", "printed_table", "scores"]
__all__ += ["setup_of", "statements", "tables", "with_names"]

BASSI = "bassi2024generalization"

TABLES: dict[str, PrintedTable] = {str(table.number): table for table in tables() if table.paper == BASSI}
"""Those of bassi2024generalization, by their number."""


def cell(table: str | int, row: str, column: str) -> Cell:
    """One number of bassi2024generalization, by the names the paper prints.

    >>> cell(1, "mBERT+SAM", "Sharpness").printed
    '-0.584'

    Raises:
        UnknownName: there is no such table, row or column.
    """
    return printed_table(BASSI, table).cell(row, column)
