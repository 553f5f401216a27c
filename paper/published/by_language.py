"""The papers' scores by setup and language, from the tables that print them for a task."""

from __future__ import annotations

from collections.abc import Mapping

from paper.published.printed import PAPERS, printed_table
from xlgen.core.errors import UnknownName

BY_LANGUAGE: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "anonymous2021frustratingly": {"xnli": (2, 17), "wikiann": (7,), "udpos": (8, 18), "pawsx": (9,)},
}
"""Numbers of the tables by paper and task; the second of two has the frozen encoders."""


def setup_of(row: str) -> str:
    """The setup of a row as the project calls it.

    >>> setup_of("mBERT, w/ EWC (fr+en)"), setup_of("mBERT, soft prompts (Lester et al., 2021)"), setup_of("Vanilla")
    ('ewc', 'prompt', 'vanilla')
    """
    name = row.removeprefix("mBERT, ").partition(" (")[0].lower().removeprefix("w/ ")
    return {"soft prompts": "prompt"}.get(name, name)


def scores(paper: str, task: str) -> dict[str, dict[str, float]]:
    """The scores [%] that a paper prints for a task, English first; empty where it has no table by language.

    >>> scores("anonymous2021frustratingly", "mini-xnli")["l2"]["sw"]
    50.55

    Args:
        paper: key in the bibliography.
        task: a task; a miniature stands for the task that it imitates.

    Returns:
        By setup (``"vanilla"``, ``"ewc"``, ``"l2"``, ``"prompt"``, ``"bitfit"``, ``"adapter"``), by language.

    Raises:
        UnknownName: there is no such paper.
    """
    if paper not in PAPERS:
        raise UnknownName("paper", paper, PAPERS)
    tables = (printed_table(paper, number) for number in BY_LANGUAGE.get(paper, {}).get(task.removeprefix("mini-"), ()))
    return {
        setup_of(row): {code: table.cell(row, code).number for code in ("en", *table.targets)}
        for table in tables
        for row in table.rows
    }
