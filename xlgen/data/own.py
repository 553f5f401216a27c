"""A user's own files: any language, with labels or without, in the format that they are in.

Sentence pairs are TSV, CSV, JSON lines or Parquet, plain or (the first three) gzip'd, or a folder that ``datasets`` has
saved; tagged sentences are CoNLL columns, CoNLL-U, JSON lines, Parquet or such a folder. Files are read a row at a
time, and every row is checked in a first reading, before anything is computed.

Columns are named by the user or guessed (:mod:`xlgen.data.columns`). The language of a row is that of its column, or
the end of the file's name (``test-ko.tsv``, ``test-pt-br.tsv``), or the one that the user has named. Files without such
a column are of different languages: those of one are as a rule its splits, and rows that a model was trained on would
pass for rows that it is measured on.
"""

from __future__ import annotations

import difflib
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from xlgen.core.errors import ConfigError, DataError, UnknownName
from xlgen.data.codes import code_of, is_language, no_code
from xlgen.data.columns import GUESSES, columns_of
from xlgen.data.conll import sentences_of, sentences_of_conllu
from xlgen.data.formats import Record, class_names, is_saved, records_of, stem_of, suffix_of
from xlgen.data.read_pairs import Rows
from xlgen.data.read_tagged import TaggedRows

log = logging.getLogger(__name__)

CHUNK = 2048
"""Rows of one language that are handed on together: enough for batches of equal length, few enough for any memory."""

LABEL = {"sequence": "label", "token": "tags"}
SUFFIXES = {
    "sequence": (".tsv", ".csv", ".jsonl", ".parquet"),
    "token": (".conll", ".tsv", ".txt", ".conllu", ".jsonl", ".parquet"),
}

SPLITS = frozenset("train dev valid validation test".split())

HALVED = "expected text without halved characters (surrogates); write the file again as UTF-8"


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
        columns: the user's names of columns, by those of :data:`xlgen.data.columns.GUESSES`; others are guessed.
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
        for column, n in Counter(self.columns.values()).items():
            if n > 1:
                same = " and ".join(what for what, name in self.columns.items() if name == column)
                raise ConfigError(f"{same} are both the column {column!r}; expected different ones.")

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
        if is_saved(self.path):
            return (self.path,)
        if self.path.is_dir():
            there = sorted(path for path in self.path.iterdir() if not path.name.startswith("."))
            found = tuple(file for file in there if suffix_of(file) in known and file.is_file())
            real = {file.resolve() for file in found if not file.is_symlink()}
            found = tuple(file for file in found if not file.is_symlink() or file.resolve() not in real)
            others = _listed([f"{path.name}/" if path.is_dir() else path.name for path in there if path not in found])
            if not found:
                raise DataError(f"no data files in the folder {self.path}{others and f', only {others}'}; {spoken}.")
            if others:
                log.warning("%s: ignored: %s; %s, and links to none of them", self.path, others, spoken)
            return found
        if suffix_of(self.path) not in known:
            ending = suffix_of(self.path)
            wrong = f"the ending {ending!r} is unknown" if ending else "its name has no ending"
            raise DataError(f"{self.path}: {wrong}; {spoken}.")
        return (self.path,)

    @cached_property
    def guesses(self) -> dict[str, dict[str, str]]:
        """By file, which column is what; empty for CoNLL files, which have no names."""
        return {str(file): columns_of(file, self.kind, self.columns) for file in self.files if not self._conll(file)}

    @cached_property
    def _languages(self) -> dict[str, str]:
        """By file without a column of languages, its language.

        Raises:
            DataError: two files are of one language, are called the same but for the format, or have a column of
                languages and are called by different splits.
        """
        known: dict[str, Path] = {}
        for file in self.files:
            if (other := known.setdefault(stem_of(file), file)) != file:
                raise DataError(
                    f"{other} and {file} are called the same but for the format; expected the rows once: name the one "
                    "that is meant, or move the other out of the folder."
                )
        found, spoken, splits = {}, {}, {}
        for file in map(str, self.files):
            if "language" in self.guesses.get(file, {}):
                for split in SPLITS.intersection(re.split(r"[._-]", stem_of(Path(file)).lower())):
                    splits.setdefault(split, file)
                if len(set(splits.values())) > 1:
                    both = " and ".join(dict.fromkeys(splits.values()))
                    raise DataError(
                        f"{both} are called by different splits; expected rows of one: name the file that is meant."
                    )
                continue
            language = found[file] = self._of_file(Path(file))
            if (other := spoken.setdefault(language, file)) != file:
                raise DataError(
                    f"{other} and {file} are both {language!r}; expected one file of a language: name the one that is "
                    "meant, or give a file with a column of languages."
                )
        return found

    @cached_property
    def survey(self) -> dict[str, Found]:
        """What there is of each language, after every row has been checked.

        Raises:
            DataError: what is wrong, with its file, line and column.
            ConfigError: columns are named, and a file has no names for them.
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
                    "language or in none. Leave out the rows without, or give them alone, as another file."
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
        languages = self._languages
        if self.columns and (bare := next(filter(self._conll, self.files), None)):
            first, last = ("FORM", "UPOS") if suffix_of(bare) == ".conllu" else ("its first column", "its last")
            raise ConfigError(
                f"columns are named ({', '.join(self.columns)}), and {bare} has no names of columns: words are "
                f"{first}, tags {last}. Leave the names out (--columns, or [columns] of the task file)."
            )
        for file in self.files:
            if self._conll(file):
                yield from self._tagged(file, languages[str(file)])
            else:
                columns = self.guesses[str(file)]
                names = (
                    None if suffix_of(file) in (".tsv", ".csv", ".jsonl") else class_names(file, self._label(columns))
                )
                for where, cells in records_of(file) if "language" in columns else _of_one(file, columns):
                    yield self._checked(where, cells, columns, names, languages.get(str(file), ""))

    def _label(self, columns: Mapping[str, str]) -> str | None:
        return columns.get(LABEL[self.kind])

    def _conll(self, file: Path) -> bool:
        return self.kind == "token" and suffix_of(file) in (".conll", ".tsv", ".txt", ".conllu")

    def _checked(
        self,
        where: str,
        cells: Mapping[str, Any],
        columns: Mapping[str, str],
        names: Sequence[str] | None,
        language: str,
    ) -> tuple[str, str, tuple, Any]:
        def refuse(what: str, expected: str) -> DataError:
            cell = cells.get(columns[what])
            found = "nothing" if cell is None else repr(str(cell)[:60])
            place = f"{where}, column {columns[what]!r}"
            return DataError(f"{place}: {found}; {expected}{'' if expected.endswith('?') else '.'}")

        if "language" in columns:
            language = cells.get(columns["language"])
            if problem := no_code(language):
                raise refuse("language", problem)
        if self.kind == "token":
            words = cells.get(columns["words"])
            if not _texts(words):
                raise refuse("words", "expected a list of words, none of them empty")
            if not all(map(_is_unicode, words)):
                raise refuse("words", HALVED)
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
            if not _is_unicode(text):
                raise refuse(what, HALVED)
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
            if not hint and re.fullmatch(r"[0-9]+(\.0)?", str(label)):
                hint = f' What a number means is said by [aliases] in a task file, a line each: "{label}" = "LABEL".'
            raise DataError(
                f"{where}, column {column!r}: unknown label {label!r}; expected one of {', '.join(self.labels)}.{hint}"
            )
        return index

    def _of_file(self, file: Path) -> str:
        stem = stem_of(file)
        parts, named = re.split(r"[._-]", stem), re.split("[_-]", self.language.lower())
        if self.language and [part.lower() for part in parts[-len(named) :]] == named:
            return self.language
        if code := code_of(parts):
            return code
        if not self.language:
            raise DataError(
                f"{file}: neither a column of languages nor a code at its name's end, as {stem}-ko{suffix_of(file)}"
                "; rename it, or name its only language with --languages."
            )
        return self.language

    def _tagged(self, file: Path, language: str) -> Iterator[tuple[str, str, tuple, Any]]:
        universal = suffix_of(file) == ".conllu"
        for where, words, tags in (
            sentences_of_conllu(file, self.labels, language) if universal else sentences_of(file, language)
        ):
            indices = None if tags is None else tuple(
                tag if isinstance(tag, int) else self._index(tag, None, place, "tag")
                for tag, place in zip(tags, where, strict=True)
            )  # fmt: skip
            yield where[0], language, words, indices


def _of_one(file: Path, columns: Mapping[str, str]) -> Iterator[Record]:
    """The rows of a file that is of one language.

    Raises:
        DataError: another column holds languages, in every row, and more than one: this can be said after the last.
    """
    unused: dict[str, set[str]] | None = None
    for where, cells in records_of(file):
        if unused is None:
            unused = {name: set() for name in cells if name not in columns.values()}
        for name, found in list(unused.items()):
            cell = cells.get(name)
            if isinstance(cell, str) and (cell in found or is_language(cell)):
                found.add(cell)
            else:
                del unused[name]
        yield where, cells
    for name, found in (unused or {}).items():
        if len(found) > 1:
            raise DataError(
                f"{file}: the column {name!r} looks like languages ({_listed(sorted(found))}); name it as --columns "
                f"language={name}, or take it out, if all rows are of one language."
            )


def _texts(words: Any) -> bool:
    return isinstance(words, (list, tuple)) and bool(words) and all(isinstance(w, str) and w.strip() for w in words)


def _is_unicode(text: str) -> bool:
    """Whether it can be written: half of a pair of surrogates, which JSON can hold, is no character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []
