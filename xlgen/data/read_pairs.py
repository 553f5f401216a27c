"""Read labelled sentence pairs from the official archives and from the hub, and refuse what is not what it claims.

Every check is about silence: a quoted tab, a half-downloaded file or a stripped label column would otherwise change a
result without a word.
"""

from __future__ import annotations

import gzip
import logging
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path

from xlgen.core.config import digest
from xlgen.core.errors import DataError, first_line

log = logging.getLogger(__name__)

Codes = tuple[tuple[str, int], ...]
"""Spellings of labels in the files and their class indices (hashable, for the cache of parsed files)."""
NO_LABEL = -1
"""Class index of a spelling that says that there is no label; its rows are dropped. It is the hub's, too."""


@dataclass(frozen=True)
class Rows:
    """Labelled sentence pairs of one language and split.

    Attributes:
        first: the premise, or the first sentence.
        second: the hypothesis, or the second sentence.
        labels: class indices.
        dropped: row numbers, in the source, of the rows left out because they carry no text or no label.
        labelled: whether the labels are known; where they are not, their places hold class 0.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    labels: tuple[int, ...]
    dropped: tuple[int, ...] = ()
    labelled: bool = True

    def __post_init__(self):
        if not len(self.first) == len(self.second) == len(self.labels):
            raise ValueError(f"{len(self.first)} first, {len(self.second)} second texts, {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def fingerprint(self) -> str:
        """First 16 hex digits of the SHA-256 of texts and labels."""
        return digest([self.first, self.second, self.labels if self.labelled else None])

    def relabelled(self, order: Sequence[int]) -> Rows:
        """The same with label ``i`` replaced by ``order[i]``."""
        return replace(self, labels=tuple(order[label] for label in self.labels))

    def take(self, n: int) -> Rows:
        """The first ``n`` rows; all of them where ``n`` is 0 or there are no more."""
        return self if n == 0 or n >= len(self) else self.part(0, n)

    def part(self, start: int, stop: int) -> Rows:
        """The rows ``start`` to ``stop - 1``."""
        kept = slice(start, stop)
        return replace(self, first=self.first[kept], second=self.second[kept], labels=self.labels[kept])


@dataclass(frozen=True)
class File:
    """Where an archive keeps a split, and in which columns.

    Attributes:
        path: relative to the folder that the archive was unpacked in; ``{language}`` stands for the language.
        first: column of the first text.
        second: column of the second text.
        label: column of the label.
        language: column that names the language, if one file holds all of them.
    """

    path: str
    first: str
    second: str
    label: str
    language: str | None = None


@dataclass(frozen=True)
class Hub:
    """Where the Hugging Face hub keeps a task: one config a language, one column a field.

    Attributes:
        id: ``owner/name`` of the data set.
        first: column of the first text; in tagging, of the words.
        second: column of the second text; ``None`` in tagging.
        label: column of the label, or of the labels.
        config: name of the config of a language.
        names: what ``{language}`` stands for in ``config``, where that is not the language's code.
        splits: the hub's names of the splits.
    """

    id: str
    first: str
    second: str | None
    label: str = "label"
    config: str = "{language}"
    names: Mapping[str, str] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=lambda: {"train": "train", "dev": "validation", "test": "test"})

    def config_of(self, language: str) -> str:
        """The name of the config of a language."""
        return self.config.format(language=self.names.get(language, language))


def folders(data_dir: Path) -> list[Path]:
    """``data_dir`` and its direct subfolders: an archive may be unpacked in either.

    Raises:
        DataError: there is no such folder.
    """
    if not data_dir.is_dir():
        raise DataError(f"no data folder {data_dir}; expected a folder that holds the unpacked archives.")
    return [data_dir, *sorted(path for path in data_dir.iterdir() if path.is_dir())]


def locate(data_dir: Path, relative: str) -> Path | None:
    """The file ``relative``, plain or with ``.gz``, in ``data_dir`` or a direct subfolder; ``None`` if absent."""
    places = (folder / f"{relative}{suffix}" for folder in folders(data_dir) for suffix in ("", ".gz"))
    return next((place for place in places if place.is_file()), None)


def read_archive(
    path: Path, file: File, language: str, languages: tuple[str, ...], codes: Codes, drop: frozenset[str]
) -> dict[str, Rows]:
    """Rows by language of one TSV file of an archive.

    Args:
        path: the file, plain or gzip'd.
        file: its columns.
        language: language of a file without a language column.
        languages: that the language column may name.
        codes: spellings of the labels.
        drop: texts that mark a row as carrying no text; other empty texts are errors.

    Returns:
        Parsed once per version of the file and process, so do not change it.

    Raises:
        DataError: bad gzip, bad UTF-8, missing column, wrong number of columns, unknown label or language, empty text.
    """
    stat, fixed = path.stat(), None if file.language else language
    return _parse(path, (stat.st_mtime_ns, stat.st_size), file, fixed, languages, codes, drop)


@lru_cache(maxsize=32)
def _parse(path, version, file, language, languages, codes, drop) -> dict[str, Rows]:  # version only tells files apart
    spelled, records = dict(codes), defaultdict(list)
    # Only "\n" ends a row: the texts contain other characters that str.splitlines takes for line ends.
    lines = [line.removesuffix("\r") for line in read_text(path).removesuffix("\n").split("\n")]
    header = lines[0].split("\t")
    wanted = [name for name in (file.first, file.second, file.label, file.language) if name]
    if missing := [name for name in wanted if name not in header]:
        shown = ", ".join(header)[:120]
        raise DataError(f"{path}: no column {', '.join(missing)} in the header; expected {wanted}, got {shown!r}.")
    first, second, label = (header.index(name) for name in wanted[:3])
    column = header.index(file.language) if file.language else None
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split("\t")
        if len(cells) != len(header):
            raise DataError(f"{path}, line {number}: expected {len(header)} tab-separated columns, got {len(cells)}.")
        spoken = language if column is None else cells[column]
        if spoken not in languages:
            raise DataError(
                f"{path}, line {number}: unknown language {spoken!r}; expected one of {', '.join(languages)}."
            )
        if cells[label] not in spelled:
            raise DataError(f"{path}, line {number}: {unknown_label(cells[label], spelled)}")
        records[spoken].append((number, cells[first], cells[second], spelled[cells[label]]))
    if not records:
        raise DataError(f"{path}: no rows after the header; unpack the archive again.")
    return {spoken: _rows(f"{path}, line", records_of, drop) for spoken, records_of in records.items()}


def read_text(path: Path) -> str:
    """The text of a file, plain or gzip'd; what is damaged is a :class:`~xlgen.core.errors.DataError`."""
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: not a complete gzip file ({error}); download it again.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not UTF-8; expected the archive's own UTF-8 file.") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error


def unknown_label(label: object, labels: Iterable[str]) -> str:
    """What to say of a label that is none of ``labels``."""
    return (
        f"unknown label {label!r}; expected one of {', '.join(labels)} (some redistributions strip the labels of the "
        "test split: use the official archive)."
    )


def _rows(where: str, records: list[tuple[int, str, str, int]], drop: frozenset[str]) -> Rows:
    kept, dropped = [], []
    for row, (number, first, second, label) in enumerate(records):
        texts = {first.strip(), second.strip()}
        if texts & drop or label == NO_LABEL:
            dropped.append(row)
        elif "" in texts:
            raise DataError(f"{where} {number}: empty text; expected two sentences.")
        else:
            kept.append((first, second, label))
    if not kept:
        raise DataError(f"{where} {records[0][0]} and on: no row carries text and a label; unpack the archive again.")
    if dropped:
        lost, every = len(dropped), len(records)
        log.info("%s %d and on: dropped %d of %d rows without text or label", where, records[0][0], lost, every)
    return Rows(*zip(*kept, strict=True), tuple(dropped))


def mirror(data_dir: Path, hub: Hub, language: str, split: str) -> list[Path]:
    """Parquet files of a local copy of the hub's data set, ``<data_dir>/<owner>/<name>/<config>/<split>-*.parquet``.

    Raises:
        DataError: the names of the files say that there are more: ``train-00000-of-00004.parquet``.
    """
    pattern = f"{hub.id}/{hub.config_of(language)}/{hub.splits[split]}-*.parquet"
    files = next((files for folder in folders(data_dir) if (files := sorted(folder.glob(pattern)))), [])
    said = re.search(r"-of-0*(\d+)\.parquet$", files[0].name) if files else None
    if said and len(files) < int(said[1]):
        have = f"{len(files)} of the {said[1]} files of the split {hub.splits[split]!r}"
        raise DataError(f"{files[0].parent} has {have}; copy the others too.")
    return files


def read_hub(hub: Hub, language: str, split: str, codes: Codes, drop: frozenset[str], files: list[Path]) -> Rows:
    """Rows of one language and split, from ``files`` (a local copy) or, without any, from the hub.

    Raises:
        DataError: the hub cannot be reached, or what it holds lacks a column or has an unknown label.
    """
    table, where = load_table(hub, language, split, files)
    spelled = dict(codes)
    # Without names the numbers are class indices; with names, the names decide, whatever their order.
    names = dict(enumerate(getattr(table.features[hub.label], "names", ())))
    indices = {i: spelled.get(name) for i, name in names.items()} or {i: i for i in spelled.values()}
    if NO_LABEL in spelled.values():
        indices[NO_LABEL] = NO_LABEL
    records, columns = [], (table[name][:] for name in (hub.first, hub.second, hub.label))
    for row, (first, second, label) in enumerate(zip(*columns, strict=True)):
        index = spelled.get(label) if isinstance(label, str) else indices.get(label)
        if index is None:
            raise DataError(f"{where}, row {row}: {unknown_label(names.get(label, label), spelled)}")
        records.append((row, first or "", second or "", index))
    if not records:
        raise DataError(f"{where}: no rows; download it again.")
    return _rows(f"{where}, row", records, drop)


def load_table(hub: Hub, language: str, split: str, files: list[Path]):
    """The table of one language and split, with all columns of ``hub``, and where it is from in words.

    Raises:
        DataError: the hub cannot be reached, or a column is missing.
    """
    config = hub.config_of(language)
    where = str(files[0]) if files else f"{hub.id} ({config}, {hub.splits[split]})"
    table = _load(hub, config, split, files, where)
    wanted = [name for name in (hub.first, hub.second, hub.label) if name]
    if missing := [name for name in wanted if name not in table.column_names]:
        raise DataError(f"{where}: no column {', '.join(missing)}; it has {', '.join(table.column_names)}.")
    return table, where


def _load(hub: Hub, config: str, split: str, files: list[Path], where: str):
    from datasets import load_dataset

    try:
        if files:
            return load_dataset("parquet", data_files={"rows": [str(path) for path in files]}, split="rows")
        return load_dataset(hub.id, config, split=hub.splits[split])
    # The hub's client, the network stack and the parquet reader share no base class below Exception.
    except Exception as error:
        todo = (
            "copy the files again"
            if files
            else "if the hub cannot be reached, give --data-dir with the official archive (or with a copy of the data "
            f"set under {hub.id}/); HF_HUB_OFFLINE=1 finds only what was downloaded before"
        )
        raise DataError(f"cannot load {where}: {first_line(error)}; {todo}.") from error
