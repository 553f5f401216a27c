"""anonymous2021frustratingly over settings of the hyper-parameters: its Tables 3, 4 and 10 to 14 by task and setup.

Tasks are those of the project, a miniature stands for the task that it imitates; setups are ``"vanilla"`` and ``"l2"``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from paper.published.printed import Cell, PrintedTable, printed_table
from xlgen.core.errors import UnknownName

PAPER = "anonymous2021frustratingly"
TITLES: Mapping[str, str] = {"xnli": "XNLI", "wikiann": "Wikiann", "udpos": "UDPOS", "pawsx": "PANX"}
"""How Table 10 names the tasks."""
BY_LANGUAGE: Mapping[str, int] = {"xnli": 4, "wikiann": 11, "udpos": 12, "pawsx": 13}
"""The table by language of each task."""
SETUPS: Mapping[str, str] = {"vanilla": "Vanilla", "l2": "w/ L2"}
"""How the tables name fine-tuning without and with the penalty."""

CONSTANT: Mapping[str, float] = {"xnli": 100 / 3, "pawsx": 100 * 1093 / 2000}
"""Accuracy [%] of the best constant answer: three classes of 1,670 test pairs each, and 1,093 of the 2,000 English test
pairs of PAWS-X that are no paraphrases (yang2019pawsx, its test split)."""
SETTINGS = (1, 2, 3, 4, 5)
"""Numbers of the settings of Table 10."""


def over_settings(task: str, setup: str, test: str, part: str = "value") -> float:
    """Table 3: the mean over five settings, or with ``part="std"`` the standard deviation.

    >>> over_settings("mini-xnli", "l2", "zero-shot", "std")
    0.2

    Args:
        task: the task.
        setup: fine-tuning.
        test: ``"en"``, or ``"zero-shot"`` for the mean of the other languages.
        part: of the cell.

    Raises:
        UnknownName: the paper has no such task, setup or test.
    """
    table = printed_table(PAPER, 3)
    return table.cell(f"mBERT, {_known('setup', setup, SETUPS)}, {test}", _column(table, task), part).number


def extreme(task: str, setup: str) -> float:
    """Table 14: the zero-shot score at the extreme learning rate. Errors are those of :func:`over_settings`."""
    table = printed_table(PAPER, 14)
    return table.cell(f"mBERT, {_known('setup', setup, SETUPS)}", _column(table, task)).number


def by_language(task: str, setup: str, language: str, part: str = "value") -> Cell:
    """Tables 4, 11, 12 and 13: a language's mean and standard deviation over the five settings, as printed.

    Raises:
        UnknownName: the paper has no such task, setup or language.
    """
    return _by_language(task).cell(f"mBERT, {_known('setup', setup, SETUPS)}", language, part)


def grid(task: str, codes: Sequence[str], part: str = "value") -> list[list[float]]:
    """:func:`by_language` as numbers, a row a language, a column for each of :data:`SETUPS`."""
    return [[by_language(task, setup, code, part).number for setup in SETUPS] for code in codes]


def languages(task: str) -> tuple[str, ...]:
    """The languages other than English of the task's table by language."""
    return _by_language(task).targets


def setting(task: str, setup: str, number: int) -> tuple[str, ...]:
    """Table 10: learning rate, warm-up [steps] and epochs of one of the five settings, as printed."""
    table = printed_table(PAPER, 10)
    row = f"{_known('task', task.removeprefix('mini-'), TITLES)}, {_known('setup', setup, SETUPS)}, {number}"
    return tuple(table.cell(row, column).printed for column in table.columns)


def unlike(task: str) -> list[int]:
    """Numbers of the settings in which vanilla fine-tuning and L2 differ in more than the penalty."""
    return [number for number in SETTINGS if setting(task, "vanilla", number) != setting(task, "l2", number)]


def _by_language(task: str) -> PrintedTable:
    return printed_table(PAPER, int(_known("task", task.removeprefix("mini-"), BY_LANGUAGE)))


def _column(table: PrintedTable, task: str) -> str:
    _known("task", task.removeprefix("mini-"), TITLES)
    return next(column for column in table.columns if column.lower().startswith(task.removeprefix("mini-")))


def _known(what: str, name: str, names: Mapping[str, str | int]) -> str | int:
    if name not in names:
        raise UnknownName(f"{what} of {PAPER}", name, names)
    return names[name]
