"""A number that a paper gives: a printed cell, or what follows from a few of them.

Nothing is typed twice. What a claim or a sentence is compared with is computed from the cells of the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

from paper.published.printed import Cell, printed_table
from xlgen.core.errors import ConfigError


def half_unit(printed: str) -> float:
    """Half a unit of the last printed digit: the most by which rounding changed the number."""
    mantissa, _, exponent = printed.partition("e")
    return 0.5 * 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def _share(*numbers: float) -> float:
    """The share of the first half of the numbers that are larger than those of the second half, in order."""
    half = len(numbers) // 2
    return sum(a > b for a, b in zip(numbers[:half], numbers[half:], strict=True)) / half


HOW: dict[str, Callable[..., float]] = {
    "value": lambda a: a,
    "difference": lambda a, b: a - b,
    "ratio": lambda a, b: a / b,
    "change": lambda a, b: 100 * (a / b - 1),
    "reduction": lambda a, b: 100 * (1 - a / b),
    "share": _share,
}
"""How a number follows from its cells: ``change`` and ``reduction`` of b to a are in percent of b; ``share`` is how
many of the first half of the cells are larger than their partners in the second half."""


@dataclass(frozen=True)
class Number:
    """A number that follows from printed cells.

    Attributes:
        how: a name of :data:`HOW`.
        cells: what it follows from.
    """

    how: str
    cells: tuple[Cell, ...]

    @property
    def value(self) -> float:
        """The number."""
        return HOW[self.how](*(cell.number for cell in self.cells))

    @property
    def slack(self) -> float:
        """How far rounding of its cells (one or two) can have moved it."""
        moves = product(*(((-half_unit(cell.digits)), half_unit(cell.digits)) for cell in self.cells))
        numbers = [cell.number for cell in self.cells]
        moved = (HOW[self.how](*(a + b for a, b in zip(numbers, by, strict=True))) for by in moves)
        return max(abs(number - self.value) for number in moved)

    @property
    def wins(self) -> tuple[int, int]:
        """Of a share: how many, of how many."""
        half = len(self.cells) // 2
        return round(self.value * half), half


def value(paper: str, table: int, row: str, column: str, part: str = "value") -> Number:
    """The number in one cell."""
    return Number("value", (printed_table(paper, table).cell(row, column, part),))


def compare(how: str, paper: str, table: int, column: str, rows: tuple[str, str], part: str = "value") -> Number:
    """A number from two rows of one column: the first row's against the second's.

    Raises:
        ConfigError: ``how`` is not for two numbers.
        UnknownName: there is no such table, row or column.
    """
    if how not in ("difference", "ratio", "change", "reduction"):
        raise ConfigError(f"how is {how!r}; expected difference, ratio, change or reduction.")
    return Number(how, tuple(printed_table(paper, table).cell(row, column, part) for row in rows))


def share(
    paper: str, first: tuple[int, str], second: tuple[int, str], part: str = "value", columns: Sequence[str] = ()
) -> Number:
    """In how many languages the first row is above the second; each is the number of a table and a row.

    Args:
        paper: key in the bibliography.
        first: of the row that is to be above.
        second: of the row that is to be below.
        part: which number of the cells.
        columns: languages; none means all of the first table other than English.
    """
    rows = [(printed_table(paper, table), row) for table, row in (first, second)]
    columns = columns or rows[0][0].targets
    return Number("share", tuple(table.cell(row, column, part) for table, row in rows for column in columns))
