"""A user's own files: any language, with labels or without, in the format that they are in.

Sentence pairs are TSV, CSV, JSON lines or Parquet, plain or (the first three) gzip'd, or a folder that ``datasets`` has
saved; tagged sentences are CoNLL columns, CoNLL-U, JSON lines, Parquet or such a folder. Files are read a row at a
time, and every row is checked in a first reading, before anything is computed.

Columns are named by the user or guessed from :data:`GUESSES`. The language of a row is that of its column, or the last
part of the file's name (``test-ko.tsv``), or the one that the user has named.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

from xlgen.core.errors import DataError, UnknownName, what_is_wrong
from xlgen.data.languages import LANGUAGES
from xlgen.data.read_pairs import Rows
from xlgen.data.read_tagged import COLUMNS as CONLLU
from xlgen.data.read_tagged import TaggedRows, read_treebanks
from xlgen.data.task import Task

CHUNK = 2048
"""Rows of one language that are handed on together: enough for batches of equal length, few enough for any memory."""

GUESSES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "sequence": {
        "first": ("first", "premise", "sentence1", "text1", "text_a", "question1"),
        "second": ("second", "hypothesis", "hypo", "sentence2", "text2", "text_b", "question2"),
        "label": ("label", "gold_label", "class"),
        "language": ("language", "lang"),
    },
    "token": {
        "words": ("words", "tokens", "word", "form"),
        "tags": ("tags", "ner_tags", "pos_tags", "upos", "labels", "tag", "label"),
        "language": ("language", "lang"),
    },
}
"""By kind of task, what each column is called, the likeliest name first."""

NEEDED = {"sequence": ("first", "second"), "token": ("words",)}
LABEL = {"sequence": "label", "token": "tags"}
SUFFIXES = {
    "sequence": (".tsv", ".csv", ".jsonl", ".parquet"),
    "token": (".conll", ".tsv", ".txt", ".conllu", ".jsonl", ".parquet"),
}

Record = tuple[str, Mapping[str, Any]]
"""Where a row is, in words, and its cells by column."""


@dataclass(frozen=True)
class Found:
    """What there is of a language: rows, and whether they have labels."""

    rows: int
    labelled: bool


@dataclass(frozen=True, eq=False)
class OwnFiles:
    """A user's files of one task.

    Attributes:
        path: a file, or a folder of files or of ``datasets``.
        labels: class indices by the spellings of the labels.
        kind: ``"sequence"`` or ``"token"``.
        columns: the user's names of columns, by those of :data:`GUESSES`; others are guessed.
        language: of files that do not tell.
    """

    path: Path
    labels: Mapping[str, int]
    kind: str = "sequence"
    columns: Mapping[str, str] = field(default_factory=dict)
    language: str = ""

    def __post_init__(self):
        for name in self.columns:
            if name not in GUESSES[self.kind]:
                raise UnknownName("column", name, GUESSES[self.kind])

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """The files, or the folder that ``datasets`` has saved.

        Raises:
            DataError: there are none, or one of another format.
        """
        known = SUFFIXES[self.kind]
        spoken = f"expected {', '.join(known)} (.gz where it is text), or a folder that datasets has saved"
        if not self.path.exists():
            near = difflib.get_close_matches(self.path.name, _names(self.path.parent), n=1)
            hint = f" Did you mean {str(self.path.with_name(near[0]))!r}?" if near else ""
            raise DataError(f"no file or folder {self.path}; {spoken}.{hint}")
        if _saved(self.path):
            return (self.path,)
        if self.path.is_dir():
            found = tuple(sorted(file for file in self.path.iterdir() if _suffix(file) in known and file.is_file()))
            if not found:
                raise DataError(f"no data files in the folder {self.path}; {spoken}.")
            return found
        if _suffix(self.path) not in known:
            raise DataError(f"{self.path}: the ending {_suffix(self.path) or 'is missing and'!r} is unknown; {spoken}.")
        return (self.path,)

    @cached_property
    def guesses(self) -> dict[str, dict[str, str]]:
        """By file, which column is what; empty for CoNLL files, which have no names."""
        return {str(file): self._columns(file) for file in self.files if not self._conll(file)}

    @cached_property
    def survey(self) -> dict[str, Found]:
        """What there is of each language, after every row has been checked.

        Raises:
            DataError: what is wrong, with its file, line and column.
        """
        counts: Counter[str] = Counter()
        labelled: dict[str, tuple[bool, str]] = {}
        for where, language, _, label in self._rows():
            counts[language] += 1
            known, first = labelled.setdefault(language, (label is not None, where))
            if known != (label is not None):
                bare, other = (first, where) if label is not None else (where, first)
                raise DataError(
                    f"{bare}: no label in {language!r}, although {other} has one; expected labels in all rows of a "
                    "language or in none. Keep the rows without in a file of their own."
                )
        if not counts:
            raise DataError(f"{self.path}: no rows; expected some.")
        return {language: Found(n, labelled[language][0]) for language, n in sorted(counts.items())}

    def chunks(self, languages: Iterable[str], size: int = CHUNK) -> Iterator[tuple[str, Rows | TaggedRows]]:
        """The rows of some languages, at most ``size`` of one language at a time, in the order of the files."""
        wanted, waiting = set(languages), {}
        for _, language, texts, label in self._rows():
            if language in wanted:
                held = waiting.setdefault(language, [])
                held.append((texts, label))
                if len(held) == size:
                    yield language, self._packed(waiting.pop(language))
        for language, held in waiting.items():
            yield language, self._packed(held)

    def rows(self, language: str) -> Rows | TaggedRows:
        """All rows of a language.

        Raises:
            UnknownName: the files do not have it.
            DataError: as :attr:`survey`.
        """
        if language not in self.survey:
            raise UnknownName(f"language in {self.path}", language, self.survey)
        ((_, rows),) = self.chunks([language], self.survey[language].rows)
        return rows

    def _packed(self, held: Sequence[tuple[tuple, Any]]) -> Rows | TaggedRows:
        labelled = held[0][1] is not None
        if self.kind == "token":
            words = tuple(texts for texts, _ in held)
            tags = tuple(label if labelled else (0,) * len(texts) for texts, label in held)
            return TaggedRows(words, tags, labelled=labelled)
        first, second = zip(*(texts for texts, _ in held), strict=True)
        return Rows(first, second, tuple(label if labelled else 0 for _, label in held), labelled=labelled)

    def _rows(self) -> Iterator[tuple[str, str, tuple, Any]]:
        """Where a row is, its language, its texts and its label, ``None`` where it has none."""
        for file in self.files:
            if self._conll(file):
                yield from self._tagged(file)
            else:
                columns = self._columns(file)
                names = (
                    None if _suffix(file) in (".tsv", ".csv", ".jsonl") else _class_names(file, self._label(columns))
                )
                for where, cells in _records(file):
                    yield self._checked(where, cells, columns, names, file)

    def _label(self, columns: Mapping[str, str]) -> str | None:
        return columns.get(LABEL[self.kind])

    def _conll(self, file: Path) -> bool:
        return self.kind == "token" and _suffix(file) in (".conll", ".tsv", ".txt", ".conllu")

    def _columns(self, file: Path) -> dict[str, str]:
        """The columns of a file by what they are."""
        header = _header(file)
        found = {}
        if twice := [name for name, n in Counter(header).items() if n > 1]:
            raise DataError(
                f"{file}: {header.count(twice[0])} columns are called {twice[0]!r}; expected different names."
            )
        for what, likely in GUESSES[self.kind].items():
            if what in self.columns:
                if self.columns[what] not in header:
                    raise UnknownName(f"column of {file} for {what}", self.columns[what], header)
                found[what] = self.columns[what]
                continue
            by_name = {name.lower(): name for name in reversed(header)}
            if guess := next((by_name[name] for name in likely if name in by_name), None):
                found[what] = guess
        for what in NEEDED[self.kind]:
            if what not in found:
                likely = GUESSES[self.kind][what]
                near = [x for name in likely for x in difflib.get_close_matches(name, header, n=1, cutoff=0.75)]
                hint = f" Did you mean {what}={near[0]}?" if near else ""
                raise DataError(
                    f"{file}: no column for {what!r} among {', '.join(header)[:200]}; expected one of "
                    f"{', '.join(likely)}, or its name as --columns {what}=NAME.{hint}"
                )
        return found

    def _checked(
        self, where: str, cells: Mapping[str, Any], columns: Mapping[str, str], names: Sequence[str] | None, file: Path
    ) -> tuple[str, str, tuple, Any]:
        def refuse(what: str, expected: str) -> DataError:
            cell = cells.get(columns[what])
            found = "nothing" if cell is None else repr(str(cell)[:60])
            place = f"{where}, column {columns[what]!r}"
            return DataError(f"{place}: {found}; {expected}{'' if expected.endswith('?') else '.'}")

        if "language" in columns:
            language = cells.get(columns["language"])
            if problem := _no_code(language):
                raise refuse("language", problem)
        else:
            language = self._of_file(file)
        if self.kind == "token":
            words = cells.get(columns["words"])
            if not _texts(words):
                raise refuse("words", "expected a list of words, none of them empty")
            tags = cells.get(columns["tags"]) if "tags" in columns else None
            if tags is None:
                return where, language, tuple(words), None
            if not isinstance(tags, (list, tuple)) or len(tags) != len(words):
                raise refuse("tags", f"expected a list of {len(words)} tags, one a word")
            return where, language, tuple(words), tuple(self._index(tag, names, where, columns["tags"]) for tag in tags)
        for what in ("first", "second"):
            text = cells.get(columns[what])
            if not isinstance(text, str) or not text.strip():
                raise refuse(what, "expected a sentence")
            if "\0" in text:
                raise refuse(what, "expected text without NUL characters; the file is damaged, or not UTF-8")
        label = cells.get(columns["label"]) if "label" in columns else None
        index = None if label in (None, "", -1) else self._index(label, names, where, columns["label"])
        return where, language, (cells[columns["first"]], cells[columns["second"]]), index

    def _index(self, label: Any, names: Sequence[str] | None, where: str, column: str) -> int:
        if names and isinstance(label, int) and 0 <= label < len(names):
            label = names[label]
        index = self.labels.get(str(label))
        if index is None:
            near = difflib.get_close_matches(str(label), self.labels, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise DataError(
                f"{where}, column {column!r}: unknown label {label!r}; expected one of {', '.join(self.labels)}.{hint}"
            )
        return index

    def _of_file(self, file: Path) -> str:
        stem = file.name.removesuffix(".gz").removesuffix(_suffix(file))
        last = re.split(r"[._-]", stem)[-1]
        if last in LANGUAGES:
            return last
        if not self.language:
            raise DataError(
                f"{file}: neither a column of languages nor a code at its name's end, as {stem}-ko{_suffix(file)}"
                "; rename it, or name its only language with --languages."
            )
        return self.language

    def _tagged(self, file: Path) -> Iterator[tuple[str, str, tuple, Any]]:
        language = self._of_file(file)
        for where, words, tags in _conllu(file, self.labels, language) if _suffix(file) == ".conllu" else _conll(file):
            indices = None if tags is None else tuple(
                tag if isinstance(tag, int) else self._index(tag, None, place, "tag")
                for tag, place in zip(tags, where, strict=True)
            )  # fmt: skip
            yield where[0], language, words, indices


@dataclass(frozen=True, eq=False)
class OwnTask(Task):
    """A task whose rows are a user's, whatever the split; what they lack of the source language is the task's own.

    Attributes:
        files: the user's.
        base: the task of the catalogue, if it is one.
    """

    files: OwnFiles | None = None
    base: Task | None = None

    def rows(self, language: str, split: str, data_dir: Path | None = None) -> Rows | TaggedRows:
        """As :meth:`Task.rows`; development rows of the source language have labels, or are the base's.

        Raises:
            UnknownName: the files do not have the language.
            DataError: as :attr:`OwnFiles.survey`; or there are no labelled rows of the source language anywhere.
        """
        there = self.files.survey.get(language)
        if split != "dev" or language != self.source_language or (there and there.labelled):
            return self._kept(language)
        if self.base is None:
            raise DataError(
                f"{self.files.path} has no labelled rows in {language!r}, which forecasts are calibrated on; add them."
            )
        return self.base.rows(language, split, data_dir)

    def _kept(self, language: str) -> Rows | TaggedRows:
        known = self.__dict__.setdefault("_known", {})
        if language not in known:
            known[language] = self.files.rows(language)
        return known[language]


def own_task(task: Task, path: Path, columns: Mapping[str, str], languages: Sequence[str] = ()) -> OwnTask:
    """A task with a user's files in place of its own; any language that they have is one of it.

    Args:
        task: labels and kind.
        path: the files.
        columns: see :attr:`OwnFiles.columns`.
        languages: the wanted ones; a single one names that of files that do not tell.

    Raises:
        UnknownName: the files lack a language or a column.
        DataError: as :attr:`OwnFiles.survey`.
    """
    index = {label: i for i, label in enumerate(task.labels)}
    labels = index | {alias: index[label] for alias, label in task.aliases.items()}
    targets = [language for language in languages if language != task.source_language]
    files = OwnFiles(path, labels, task.kind, columns, targets[0] if len(targets) == 1 else "")
    for language in languages:
        if language not in files.survey and language != task.source_language:
            raise UnknownName(f"language in {path}", language, files.survey)
    facts = {name: getattr(task, name) for name in ("name", "labels", "aliases", "metric", "kind", "source_language")}
    base = task if task.languages else None  # a task of the user's own has no other data
    return OwnTask(**facts, languages=tuple(languages) or tuple(files.survey), citation="", files=files, base=base)


def _no_code(language: Any) -> str:
    """What is wrong with a language's code; empty if nothing is."""
    if isinstance(language, str) and re.fullmatch("[a-z]{2,3}([-_][A-Za-z0-9]+)*", language):
        return ""
    codes = {facts.name.lower(): code for code, facts in LANGUAGES.items()} | {code.upper(): code for code in LANGUAGES}
    near = difflib.get_close_matches(str(language).lower(), codes, n=1, cutoff=0.8)
    code = codes.get(str(language)) or (codes[near[0]] if near else "")
    return f"expected the code of a language, such as {code or 'ko'!r}" + (f". Did you mean {code!r}?" if code else "")


def _texts(words: Any) -> bool:
    return isinstance(words, (list, tuple)) and bool(words) and all(isinstance(w, str) and w.strip() for w in words)


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def _saved(path: Path) -> bool:
    return path.is_dir() and any((path / name).is_file() for name in ("dataset_info.json", "dataset_dict.json"))


def _suffix(file: Path) -> str:
    return Path(file.name.removesuffix(".gz")).suffix.lower()


def _open(file: Path) -> TextIO:
    # Only "\n" ends a line: texts contain other characters that are taken for line ends elsewhere.
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8-sig", newline="\n")
    return file.open(encoding="utf-8-sig", newline="\n")


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text and their numbers; damage is a `DataError` with the number of the line before it."""
    number = 0
    try:
        with _open(file) as text:
            for number, line in enumerate(text, start=1):  # noqa: B007 (an error says it)
                yield number, line.removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise DataError(f"{file}, after line {number}: not UTF-8; save it as UTF-8.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{file}, after line {number}: not a complete gzip file ({error}).") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}).") from None


def _header(file: Path) -> list[str]:
    suffix = _suffix(file)
    if suffix == ".parquet" or _saved(file):
        return list(_features(file))
    if suffix == ".jsonl":
        where, cells = next(_records(file), (f"{file}", {}))
        if not cells:
            raise DataError(f"{where}: no rows; expected an object a line.")
        return list(cells)
    header = next(_cells(file), (0, []))[1]
    if not any(header):
        raise DataError(f"{file}: no header; expected the names of the columns in the first line.")
    return header


def _cells(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and cells of TSV or CSV, the header first; lines without anything are left out."""
    if _suffix(file) == ".tsv":
        yield from ((number, line.split("\t")) for number, line in _lines(file) if line)
        return
    begun = [0]

    def text() -> Iterator[str]:
        for begun[0], line in _lines(file):
            yield line + "\n"

    reader = csv.reader(text(), strict=True)
    try:
        yield from ((begun[0], cells) for cells in reader if cells)
    except csv.Error as error:
        raise DataError(f'{file}, line {begun[0]}: not CSV ({error}); quote texts with commas as "…".') from None


def _records(file: Path) -> Iterator[Record]:
    """The rows of a file with the names of their columns."""
    suffix = _suffix(file)
    if suffix == ".parquet":
        yield from _parquet(file)
    elif _saved(file):
        yield from ((f"{file}, row {n}", cells) for n, cells in enumerate(_dataset(file)))
    elif suffix == ".jsonl":
        for number, line in _lines(file):
            if line.strip():
                yield f"{file}, line {number}", _object(file, number, line)
    else:
        rows = _cells(file)
        _, header = next(rows)
        for number, cells in rows:
            if len(cells) != len(header):
                raise DataError(f"{file}, line {number}: {len(cells)} columns; expected the header's {len(header)}.")
            yield f"{file}, line {number}", dict(zip(header, cells, strict=True))


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
    if _saved(file):
        return _dataset(file).features
    from datasets import Features
    from pyarrow import ArrowException
    from pyarrow.parquet import read_schema

    try:
        return Features.from_arrow_schema(read_schema(file))
    except (ArrowException, OSError) as error:
        raise DataError(f"{file}: not Parquet ({str(error).splitlines()[0]}).") from None


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


def _class_names(file: Path, column: str | None) -> Sequence[str] | None:
    """The names of numbered labels, where the file has them."""
    feature = _features(file).get(column) if column else None
    return getattr(getattr(feature, "feature", feature), "names", None)


def _conll(file: Path) -> Iterator[tuple[list[str], tuple[str, ...], tuple[str, ...] | None]]:
    """The sentences of a file with a word a line, first, and its tag last; with one column there are no tags."""
    width, where, words, tags = 0, [], [], []
    for number, line in _ended(file):
        if not line.strip() or line.startswith("-DOCSTART-"):
            if words:
                yield where, tuple(words), tuple(tags) if width > 1 else None
            where, words, tags = [], [], []
            continue
        cells = line.split("\t") if "\t" in line else line.split()
        width = width or len(cells)
        if len(cells) != width or not cells[0].strip():
            raise DataError(
                f"{file}, line {number}: {line[:60]!r}; expected a word and its tag in {width} columns, as before."
            )
        where.append(f"{file}, line {number}")
        words.append(cells[0])
        tags.append(cells[-1].strip())


def _ended(file: Path) -> Iterator[tuple[int, str]]:
    yield from _lines(file)
    yield 0, ""


def _conllu(file: Path, labels: Mapping[str, int], language: str) -> Iterator[tuple[list[str], tuple[str, ...], Any]]:
    """The sentences of CoNLL-U; where all tags are ``_`` there are none."""
    if any(_tag(line) not in (None, "_") for _, line in _lines(file)):
        rows = read_treebanks([file], language, tuple(labels.items()))
        for number, (words, tags) in enumerate(zip(rows.words, rows.labels, strict=True), start=1):
            yield [f"{file}, sentence {number}"] * len(words), words, tags
        return
    where, words, within = [], [], 0
    for number, line in _ended(file):
        if line.startswith("#"):
            continue
        if not line:
            if words:
                yield where, tuple(words), None
            where, words, within = [], [], 0
            continue
        cells = line.split("\t")
        if len(cells) != len(CONLLU) or not re.fullmatch(r"[0-9]{1,9}([-.][0-9]{1,9})?", cells[0]) or not cells[1]:
            raise DataError(f"{file}, line {number}: {line[:60]!r}; expected the {len(CONLLU)} columns of CoNLL-U.")
        first, _, last = cells[0].partition("-")
        if "." in first or int(first) <= within:  # not written, or inside a contraction
            continue
        within = int(last) if last else within
        where.append(f"{file}, line {number}")
        words.append(cells[1].replace(" ", ""))


def _tag(line: str) -> str | None:
    cells = line.split("\t")
    return cells[3] if len(cells) == len(CONLLU) and cells[0].isdecimal() and not line.startswith("#") else None
