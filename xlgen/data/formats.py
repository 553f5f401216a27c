"""Rows of a file with the names of their columns: TSV, CSV, JSON lines, Parquet, or a folder that ``datasets`` saved.

TSV has its texts as they are, unless the whole file is quoted as CSV (:func:`_quoted`). Text may be gzip'd. Files are
read a row at a time, so that none is too large, and what is damaged is an error with its file and line.
"""

from __future__ import annotations

import csv
import gzip
import json
import logging
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

from xlgen.core.errors import DataError, first_line, what_is_wrong

log = logging.getLogger(__name__)

Record = tuple[str, Mapping[str, Any]]
"""Where a row is, in words, and its cells by column."""

# Characters of a cell: a long text is read, and one whose quotation mark is never closed does not fill the memory.
csv.field_size_limit(1 << 24)

QUOTED = re.compile(r'"(?:[^"]|"")*"')
"""A cell that is quoted as in CSV."""


def suffix_of(file: Path) -> str:
    """The ending of a file's name in small letters, before ``.gz``."""
    return Path(_without_gz(file)).suffix.lower()


def stem_of(file: Path) -> str:
    """A file's name without its ending and ``.gz``, in whatever letters these are."""
    return Path(_without_gz(file)).stem


def _without_gz(file: Path) -> str:
    return file.stem if _is_gz(file) else file.name


def _is_gz(file: Path) -> bool:
    return file.suffix.lower() == ".gz"


def is_saved(path: Path) -> bool:
    """Whether it is a folder that ``datasets`` has saved."""
    return path.is_dir() and any((path / name).is_file() for name in ("dataset_info.json", "dataset_dict.json"))


def lines_of(file: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text without their ends, and their numbers from 1.

    Raises:
        DataError: the file is damaged, or cannot be read; it says the line before.
    """
    number = 0
    try:
        with _open(file) as text:
            for number, line in enumerate(text, start=1):  # noqa: B007 (an error says it)
                yield number, line.removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise DataError(f"{file}, line {_undecoded(file)}: not UTF-8; save it as UTF-8.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{file}, after line {number}: not a complete gzip file ({error}).") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}).") from None


def _undecoded(file: Path) -> int:
    """The first line that is not UTF-8: text is decoded in blocks, so that reading stops long before it."""
    number = 0
    try:
        with gzip.open(file) if _is_gz(file) else file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):  # noqa: B007 (it is told of the line that fails)
                line.decode()
    except UnicodeDecodeError:
        return number
    except (OSError, EOFError, zlib.error):  # the file ends within the line
        return number + 1
    return number


def header_of(file: Path) -> list[str]:
    """The names of a file's columns.

    Raises:
        DataError: there are none.
    """
    suffix = suffix_of(file)
    if suffix == ".parquet" or is_saved(file):
        return list(_features(file))
    if suffix == ".jsonl":  # an object may have names that those before it have not
        names = list(dict.fromkeys(name for _, cells in records_of(file) for name in cells))
        if not names:
            raise DataError(f"{file}: no rows; expected an object a line.")
        return names
    usual = "\t" if suffix == ".tsv" else ","
    line = next((line for _, line in lines_of(file) if line), "")
    if usual not in line and (other := next((mark for mark in ";\t|," if mark in line), None)):
        was, expected = ("tabs" if mark == "\t" else repr(mark) for mark in (other, usual))
        raise DataError(
            f"{file}: the columns {line[:60]!r} are separated by {was}; expected {expected} in a {suffix}: save it so."
        )
    header = next(_cells(file), (0, []))[1]
    if not any(header):
        raise DataError(f"{file}: no header; expected the names of the columns in the first line.")
    return header


def records_of(file: Path) -> Iterator[Record]:
    """The rows of a file: where each is, in words, and its cells by column.

    Raises:
        DataError: a row is damaged, or has other columns than the first.
    """
    suffix = suffix_of(file)
    if suffix == ".parquet":
        yield from _parquet(file)
    elif is_saved(file):
        yield from ((f"{file}, row {n}", cells) for n, cells in enumerate(_dataset(file)))
    elif suffix == ".jsonl":
        for number, line in lines_of(file):
            if line.strip():
                yield f"{file}, line {number}", _object(file, number, line)
    else:
        rows = _cells(file)
        _, header = next(rows)
        for number, cells in rows:
            if len(cells) != len(header):
                raise DataError(f"{file}, line {number}: {len(cells)} columns; expected the header's {len(header)}.")
            yield f"{file}, line {number}", dict(zip(header, cells, strict=True))


def class_names(file: Path, column: str | None) -> Sequence[str] | None:
    """The names of numbered labels in a column of Parquet or of a saved data set, where the file has them."""
    feature = _features(file).get(column) if column else None
    return getattr(getattr(feature, "feature", feature), "names", None)


def _open(file: Path) -> TextIO:
    # Only "\n" ends a line: texts contain other characters that are taken for line ends elsewhere.
    if _is_gz(file):
        return gzip.open(file, "rt", encoding="utf-8-sig", newline="\n")
    return file.open(encoding="utf-8-sig", newline="\n")


def _cells(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and cells of TSV or CSV, the header first; lines without anything are left out."""
    if suffix_of(file) == ".tsv":
        stat = file.stat() if file.exists() else None
        quoted = stat and _quoted(file, (stat.st_mtime_ns, stat.st_size))
        for number, line in lines_of(file):
            if line:
                cells = line.split("\t")
                yield number, [_unquoted(cell) for cell in cells] if quoted and '"' in line else cells
        return
    begun = [0]

    def text() -> Iterator[str]:
        for begun[0], line in lines_of(file):
            yield line + "\n"

    reader = csv.reader(text(), strict=True)
    try:
        yield from ((begun[0], cells) for cells in reader if cells)
    except csv.Error as error:
        raise DataError(f'{file}, line {begun[0]}: not CSV ({error}); quote texts with commas as "…".') from None


@lru_cache(maxsize=128)
def _quoted(file: Path, version: tuple[int, int]) -> bool:  # version only tells files apart
    """Whether TSV is quoted as CSV, as spreadsheets and pandas write it, and the translations of PAWS-X are.

    That is so if each cell with a quotation mark begins and ends with one and has those inside doubled, and there is
    one with such, or all names of columns are quoted. Otherwise texts in quotation marks are not told from quoted ones.
    The first mark that is in a text ends the reading.
    """
    found = first = 0
    for number, line in lines_of(file):
        first = first or (number if line else 0)
        if '"' not in line:
            continue
        cells = line.split("\t")
        marked = [cell for cell in cells if '"' in cell]
        if not all(map(QUOTED.fullmatch, marked)):
            return False
        if not found and (any('""' in cell[1:-1] for cell in marked) or number == first and len(marked) == len(cells)):
            found = number
    if found:
        log.warning("%s, line %d: cells are quoted as in CSV; the quotes are taken off", file, found)
    return bool(found)


def _unquoted(cell: str) -> str:
    return cell[1:-1].replace('""', '"') if cell.startswith('"') else cell


def _object(file: Path, number: int, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{file}, line {number}: not JSON ({what_is_wrong(error)}); expected an object a line."
        ) from None
    if not isinstance(found, dict):
        raise DataError(f'{file}, line {number}: {line[:60]!r}; expected an object such as {{"premise": …}}.')
    return found


def _parquet(file: Path) -> Iterator[Record]:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        row = 0
        for batch in ParquetFile(file).iter_batches(batch_size=1024):
            for cells in batch.to_pylist():
                yield f"{file}, row {row}", cells
                row += 1
    except (ArrowException, OSError) as error:
        raise DataError(f"{file}: not Parquet ({str(error).splitlines()[0]}).") from None


def _features(file: Path) -> Mapping[str, Any]:
    """The columns of a Parquet file or a saved data set with their types as ``datasets`` knows them."""
    if is_saved(file):
        return _dataset(file).features
    from datasets import Features
    from pyarrow import ArrowException
    from pyarrow.parquet import read_schema

    try:
        schema = read_schema(file)
    except (ArrowException, OSError) as error:
        raise DataError(f"{file}: not Parquet ({str(error).splitlines()[0]}).") from None
    try:
        return Features.from_arrow_schema(schema)
    except Exception as error:  # what datasets raises of strange metadata has no base class below
        raise DataError(
            f"{file}: its columns are not described as datasets describes them ({first_line(error)}); write it again, "
            "or without the metadata 'huggingface'."
        ) from None


def _dataset(folder: Path):
    from datasets import DatasetDict, load_from_disk

    for name in _saved_files(folder):
        if not isinstance(name, str) or Path(name).name != name:
            raise DataError(f"{folder}: state.json names {name!r}, outside the folder; expected files beside it.")
    try:
        found = load_from_disk(str(folder))
    # what a damaged folder raises has no base class below Exception
    except Exception as error:
        raise DataError(f"{folder}: cannot be read by datasets ({str(error).splitlines()[0][:200]}).") from error
    if isinstance(found, DatasetDict):
        parts = ", ".join(str(folder / name) for name in found)
        raise DataError(f"{folder} holds several data sets; expected one of {parts}.")
    return found


def _saved_files(folder: Path) -> list[Any]:
    """The names of the files that a saved data set would be read from."""
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        return [part["filename"] for part in state["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []  # datasets says what is wrong
