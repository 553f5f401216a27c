"""From a chapter's parameters to settings."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from paper.notebook import root
from xlgen.core.coerce import Setting
from xlgen.core.config import RunOptions
from xlgen.core.errors import ConfigError, UnknownName
from xlgen.data.catalogue import Task

MIN_TARGETS = 5
"""Fewest target languages of a chapter: a partial correlation has no interval with four."""


def words(value: object, kind: type = str) -> list[Any]:
    """A parameter that is a list, in any form in which papermill may hand it over.

    A chapter reads its lists in its first cell, before it trains anything, and calls what was read by the same name.

    >>> words("en, de"), words("0,1", int), words(3, int), words(["en"]), words("[0, 1]", int)
    (['en', 'de'], [0, 1], [3], ['en'], [0, 1])

    Raises:
        ConfigError: an entry is not of that kind.
    """
    return list(Setting("a list", tuple[kind, ...]).read(value))


def by_name(value: object) -> dict[str, Any]:
    """A parameter that holds values by name, in any form in which papermill may hand it over.

    >>> by_name('{"rho": 0.1}') == by_name("{'rho': 0.1}") == by_name({"rho": 0.1})
    True

    Raises:
        ConfigError: it does not.
    """
    return Setting("a parameter", Mapping[str, Any]).read(value)


def how_many(live: object) -> int:
    """The parameter ``live`` as a number of models: a count, or ``"all"``.

    >>> how_many("3"), how_many(3), how_many("all") > 10**9
    (3, 3, True)

    Raises:
        ConfigError: it is neither.
    """
    if live == "all":
        return sys.maxsize
    described = Annotated[int, Field(ge=0, description="a number of models, or all")]
    return Setting("live", described).read(live)


def given(**parameters: object) -> dict[str, Any]:
    """The parameters that were set: those that are neither ``None`` nor an empty text."""
    return {name: value for name, value in parameters.items() if value is not None and value != ""}


def options_for(store: str = "", data_dir: str = "", text_dir: str = "", threads: int = 1) -> RunOptions:
    """How a chapter runs, from its parameters of these names.

    Args:
        store: folder of trained models and measures; empty is ``runs/`` of the checkout.
        data_dir: folder with the official archives; empty is the hub.
        text_dir: plain text, a file or a folder; empty is the model's own.
        threads: CPU threads of each process.
    """
    data, text = (Path(str(name)).expanduser() if name else None for name in (data_dir, text_dir))
    folder = Path(str(store)).expanduser() if store else root() / "runs"
    return RunOptions(store=folder, data_dir=data, text_dir=text, threads=threads, progress=False)


def scale_of(preset: str, changed: Mapping[str, object]) -> str:
    """The ledger's scale of runs with a preset; one whose settings are changed is not the paper's."""
    return {"mini": "miniature", "paper": "real data" if changed else "paper"}.get(preset, "real data")


def spoken(task: Task, languages: Sequence[str] = ()) -> tuple[str, ...]:
    """The languages to measure: the source language, then those asked for in the order of the task; none means all.

    Raises:
        UnknownName: the task has no such language.
        ConfigError: too few to correlate over.
    """
    for language in languages:
        if language not in task.languages:
            raise UnknownName(f"language of {task.name}", language, task.languages)
    chosen = [code for code in task.languages if code == task.source_language or not languages or code in languages]
    if len(chosen) - 1 < MIN_TARGETS:
        raise ConfigError(
            f"languages names {len(chosen) - 1} besides {task.source_language!r}; expected at least {MIN_TARGETS} to "
            "correlate over."
        )
    return tuple(chosen)
