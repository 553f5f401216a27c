"""Tagged sentences of a user's file, a word a line: CoNLL columns, or CoNLL-U."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from xlgen.core.errors import DataError
from xlgen.data.formats import lines_of
from xlgen.data.read_tagged import COLUMNS as CONLLU
from xlgen.data.read_tagged import read_treebanks


def sentences_of(file: Path, language: str) -> Iterator[tuple[list[str], tuple[str, ...], tuple[str, ...] | None]]:
    """The sentences of a file with a word a line, first, and its tag last; with one column there are no tags.

    Args:
        file: to read.
        language: of the file; the prefix ``<language>:`` of the original WikiAnn is taken off if every word has it.

    Yields:
        Where each word is, in words; the words; their tags.

    Raises:
        DataError: a line has another number of columns than the first, or the first column counts the words.
    """
    if _counts(file):
        raise DataError(
            f"{file}: the first column counts the words of each sentence (1, 2, 3, …); expected words there and tags "
            "in the last: take the numbers out, or, if it is CoNLL-U, let its name end in .conllu."
        )
    prefix = f"{language}:"
    prefix = prefix if all(not word or word.startswith(prefix) for word in _first_cells(file)) else ""
    width, where, words, tags = 0, [], [], []
    for number, line in _ended(file):
        if _between(line):
            if words:
                yield where, tuple(words), tuple(tags) if width > 1 else None
            where, words, tags = [], [], []
            continue
        cells = _cells(line)
        width = width or len(cells)
        if len(cells) != width or not cells[0].strip():
            raise DataError(
                f"{file}, line {number}: {line[:60]!r}; expected a word and its tag in {width} columns, as before."
            )
        where.append(f"{file}, line {number}")
        words.append(cells[0].removeprefix(prefix) or cells[0])
        tags.append(cells[-1].strip())


def _between(line: str) -> bool:
    """Whether a line stands between sentences."""
    return not line.strip() or line.startswith("-DOCSTART-")


def _cells(line: str) -> list[str]:
    return line.split("\t") if "\t" in line else line.split()


def _first_cells(file: Path) -> Iterator[str]:
    """The first column, empty between sentences."""
    yield from ("" if _between(line) else _cells(line)[0] for _, line in lines_of(file))


def _counts(file: Path) -> bool:
    """Whether the first of several columns counts the words of every sentence, from 0 or 1. The first word that does
    not ends the reading, and so as a rule the first of the file."""
    place, longest = 0, 0
    for cell in _first_cells(file):
        place = place + 1 if cell else 0
        if cell and cell not in (str(place), str(place - 1)):
            return False
        longest = max(longest, place)
    return longest > 1


def _ended(file: Path) -> Iterator[tuple[int, str]]:
    yield from lines_of(file)
    yield 0, ""


def sentences_of_conllu(
    file: Path, labels: Mapping[str, int], language: str
) -> Iterator[tuple[list[str], tuple[str, ...], Any]]:
    """The sentences of CoNLL-U, as :func:`sentences_of`, with indices for tags; none where all tags are ``_``.

    Args:
        file: to read.
        labels: class indices by part of speech.
        language: of the file.

    Raises:
        DataError: a line is no line of CoNLL-U, or a tag is unknown.
    """
    if any(_tag(line) not in (None, "_") for _, line in lines_of(file)):
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
