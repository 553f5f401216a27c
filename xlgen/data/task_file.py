"""A task of the user's own: a small TOML or YAML file beside the data, and no code.

::

    labels = ["entailment", "neutral", "contradiction"]
    data = "pairs.csv"                # a file or a folder, from where this file is; unless --data names it
    kind = "sequence"                 # a label for each pair of sentences, or "token": one for each word
    metric = "accuracy"               # or "f1", of tagged chunks
    source_language = "en"            # that the model was fine-tuned in

    [columns]                         # those whose names are not guessed
    first = "question"

    [aliases]                         # other spellings of labels in the data
    yes = "entailment"

``labels`` is needed; what else is shown here for it is what is meant where it is left out.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xlgen.core.errors import ConfigError, DataError, UnknownChoice, UnknownName, what_is_wrong
from xlgen.data.catalogue import TASKS
from xlgen.data.columns import GUESSES
from xlgen.data.own_task import own_task
from xlgen.data.task import Task

ENDINGS = (".toml", ".yaml", ".yml")
SETTINGS = ("labels", "data", "kind", "metric", "source_language", "columns", "aliases")


def read(path: Path) -> tuple[Task, Path | None, dict[str, str]]:
    """The task of a file, where its data are, and the names of its columns.

    The task is called as the file, without its ending.

    Raises:
        DataError: the file cannot be read, lacks the labels, or has a setting of the wrong type.
        UnknownName: a setting, kind or column that there is not.
    """
    values = _values(path)
    for name in values:
        if name not in SETTINGS:
            raise UnknownName(f"setting in {path}", name, SETTINGS)
    labels, aliases = values.get("labels"), _texts(path, values, "aliases")
    if not _list_of_texts(labels) or len(set(labels)) < max(2, len(labels)):
        raise DataError(f"{path}: labels is {labels!r}; expected a list of at least two different names.")
    for spelling, label in aliases.items():
        if label not in labels:
            raise UnknownName(f"label in {path} for the alias {spelling!r}", label, labels)
    kind = _choice(path, values, "kind", GUESSES, "sequence")
    metric = _choice(path, values, "metric", ("accuracy", "f1") if kind == "token" else ("accuracy",), "accuracy")
    source, data = (values.get(name, default) for name, default in (("source_language", "en"), ("data", "")))
    if not isinstance(source, str) or not isinstance(data, str):
        raise DataError(f"{path}: source_language is {source!r} and data is {data!r}; expected texts.")
    task = Task(
        path.stem, (), tuple(labels), "", aliases=aliases, metric=metric, kind=kind, source_language=source
    )  # fmt: skip
    return task, path.parent / data if data else None, _texts(path, values, "columns")


def _values(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"task {path} cannot be read ({error.strerror}); expected a TOML or YAML file.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"task {path}: byte {error.start} is not UTF-8; save it as UTF-8.") from None
    import yaml

    try:
        values = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    except (tomllib.TOMLDecodeError, yaml.YAMLError, RecursionError) as error:
        raise DataError(f"task {path}: {what_is_wrong(error)}; correct it there.") from None
    if not isinstance(values, dict):
        raise DataError(f"task {path} holds no settings by name; expected at least labels.")
    return values


def _texts(path: Path, values: Mapping[str, Any], name: str) -> dict[str, str]:
    found = values.get(name, {})
    if not isinstance(found, dict) or not _list_of_texts([*found.keys(), *found.values()]):
        raise DataError(f"{path}: {name} is {found!r}; expected texts by text.")
    return found


def _list_of_texts(found: Any) -> bool:
    return isinstance(found, list) and all(isinstance(text, str) for text in found)


def _choice(path: Path, values: Mapping[str, Any], name: str, known: Any, default: str) -> str:
    found = values.get(name, default)
    if found not in known:
        raise UnknownChoice(f"{path}: {name} is {found!r}; expected one of {', '.join(known)}.", found, known)
    return found


def task_of(
    name: str, data: Path | None = None, columns: Mapping[str, str] | None = None, languages: Sequence[str] = ()
) -> Task:
    """A task of the catalogue or of a file, with a user's data in place of its own where they are given.

    Args:
        name: of a task in :data:`xlgen.data.catalogue.TASKS`, or the path of a task file.
        data: a file or folder of the user's; a task file may name it, too.
        columns: see :attr:`xlgen.data.own.OwnFiles.columns`.
        languages: the wanted ones; those that the files have unless given.

    Raises:
        UnknownName: there is no such task, language or column.
        DataError: a file cannot be used as it is, or a task file has no data.
    """
    given = columns or {}
    if Path(name).suffix not in ENDINGS:
        task = TASKS[name]
        if given and data is None:
            raise ConfigError(f"columns are named ({', '.join(given)}) without data; give the file that has them.")
        return task if data is None else own_task(task, data, given, languages)
    task, beside, named = read(Path(name))
    if data is None and beside is None:
        raise DataError(f'{name} names no data, and none are given; add data = "FILE" to it, or give --data.')
    return own_task(task, data or beside, named | given, languages)
