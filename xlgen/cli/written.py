"""What commands print and write, and where they may."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from xlgen.core.errors import ConfigError
from xlgen.core.files import is_stream, put

if TYPE_CHECKING:
    import pandas

    from xlgen.data.task import Task

TABLES = (".csv", ".parquet")
"""How the names of tables end that are written."""


def writable(path: Path | None, option: str = "--out", endings: Sequence[str] = ()) -> None:
    """Try now whether a file can be written that is written after the work; nothing new stays.

    Args:
        path: of the file; ``None`` if there is none.
        option: that names it.
        endings: that its name can have; any unless given. What is no regular file needs none.

    Raises:
        ConfigError: it cannot.
    """
    if path is None:
        return
    try:
        if is_stream(path):
            return
        place = path.resolve()
        folder = next(folder for folder in place.parents if folder.exists())
        if folder != place.parent:  # it is made when the file is written
            TemporaryFile(dir=folder).close()
        else:
            fresh = not place.exists()
            place.open("a").close()  # nothing else tells for all file systems; what is there stays
            if fresh:
                place.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{option} {path} cannot be written ({error.strerror}); give another path.") from None
    if endings and path.suffix.lower() not in endings:
        raise ConfigError(f"{option} {path}: expected a name that ends in {' or '.join(endings)}.")


def apart(path: Path | None, task: Task, option: str = "--out") -> None:
    """Refuse to write over a user's data, or among them, where it would be read as data the next time.

    Raises:
        ConfigError: the path is that of the data, or in their folder.
    """
    from xlgen.data.own_task import OwnTask

    if path is None or not isinstance(task, OwnTask):
        return
    outside(path, option, task.files.path, "the data")


def outside(path: Path | None, option: str, given: Path | None, what: str) -> None:
    """Refuse to write over what is read, or into its folder.

    Raises:
        ConfigError: the path is that of ``given``, or in it.
    """
    if path is None or given is None:
        return
    if path.resolve().is_relative_to(given.resolve()) or (path.exists() and given.exists() and path.samefile(given)):
        raise ConfigError(f"{option} {path} is in {what}, {given}; give a path outside of them.")


def say_columns(guesses: Mapping[str, Mapping[str, str]]) -> None:
    """Print which columns of a user's files are what, so that a wrong guess is seen."""
    for file, columns in guesses.items():
        print(f"{file}: {', '.join(f'{what} is {name!r}' for what, name in columns.items())}")


def grid(rows: pandas.DataFrame) -> str:
    """Languages down, measures across."""
    cells = [
        f"{value:.5g}" if status == "ok" else status for value, status in zip(rows.value, rows.status, strict=True)
    ]
    wide = rows.assign(cell=cells).pivot(index="language", columns="measure", values="cell").fillna("")
    wide = wide.reindex(index=rows["language"].unique(), columns=rows["measure"].unique())
    return wide.rename_axis(index=None, columns="language").to_string()


def write_table(path: Path, rows: pandas.DataFrame) -> None:
    """Write rows as Parquet where the name ends so, as CSV otherwise (:func:`put`); settings by name as JSON."""
    plain = rows.map(lambda cell: json.dumps(cell) if isinstance(cell, dict) else cell)
    parquet = path.suffix.lower() == ".parquet"
    put(path, plain.to_parquet(index=False) if parquet else plain.to_csv(index=False).encode())
