"""Translations without labels: from files of a folder, or the premises of XNLI's development rows.

They are what the Fisher information of an encoder of sentences is computed on. An example is a sentence and its
translation: into English from any other language, and of English into each other language in turn, so that it stands
for none of them. XNLI's development rows are translations of one another in all of its languages; of each only the
premise is read, neither the hypothesis nor the label, and no accuracy is measured on it in another language than the
one that chooses the checkpoint, unless a reader asks for that split.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from xlgen.core.errors import DataError, UnknownName
from xlgen.data.catalogue import TASKS
from xlgen.data.text import LONGEST, Text, in_turn, lines

XNLI = "xnli"
ENGLISH = "en"

Pair = tuple[str, str]


def read(languages: Sequence[str], n: int, *, text_dir: Path | None = None, data_dir: Path | None = None) -> Text:
    """Read ``n`` pairs, as many of each language, in the order of the source.

    No sentence is in two pairs: it would be a wrong answer that is right.

    Args:
        languages: codes, such as ``["fr"]``; of several the pairs alternate.
        n: pairs in all, at least one a language; what does not divide goes to the first languages.
        text_dir: a folder with ``en-<language>.tsv`` or ``en-<language>.tsv.gz``: an English sentence a line, a tab,
            and its translation (UTF-8). ``None`` reads XNLI.
        data_dir: where XNLI is, see :meth:`xlgen.data.task.Task.rows`; ``None`` reads it from the hub.

    Returns:
        The text; its paragraphs are pairs, the language's own sentence first.

    Raises:
        DataError: the text is missing, cannot be read, or has fewer pairs.
    """
    shares = [n // len(languages) + (i < n % len(languages)) for i in range(len(languages))]
    seen: set[str] = set()
    parts = []
    for language, share in zip(languages, shares, strict=True):
        source, pairs = _from_folder(language, text_dir) if text_dir else _from_xnli(language, data_dir)
        found = tuple(islice(_unique(pairs, seen), share))
        if len(found) < share:
            raise DataError(
                f"{source} has {len(found)} different sentences with translations in {language!r} (not counting those "
                f"of languages before it), {share} are asked for; ask for fewer, or give --text-dir with more."
            )
        parts.append((source, found))
    return in_turn(languages, parts)


def of_rows(language: str, rows: Mapping[str, Sequence[str]]) -> tuple[Pair, ...]:
    """Pairs from texts that are translations of one another row by row; none twice.

    Args:
        language: whose own text comes first in a pair.
        rows: by language, English among them; as many of each.
    """
    return tuple(_unique(_paired(language, rows), set()))


def _paired(language: str, rows: Mapping[str, Sequence[str]]) -> Iterable[Pair]:
    if language == ENGLISH:
        return _into_each([zip(rows[ENGLISH], other, strict=True) for code, other in rows.items() if code != ENGLISH])
    return zip(rows[language], rows[ENGLISH], strict=True)


def _unique(pairs: Iterable[Pair], seen: set[str]) -> Iterator[Pair]:
    """Those without a sentence that is empty or has been seen."""
    for pair in pairs:
        first, second = (" ".join(text.split())[:LONGEST].rstrip() for text in pair)
        if first and second and first != second and not seen & {first, second}:
            seen |= {first, second}
            yield first, second


def _from_folder(language: str, text_dir: Path) -> tuple[str, Iterable[Pair]]:
    folder = Path(text_dir).expanduser()
    wanted = "*" if language == ENGLISH else language
    files = sorted(path for end in ("tsv", "tsv.gz") for path in folder.glob(f"{ENGLISH}-{wanted}.{end}"))
    if not files:
        raise DataError(
            f"no translations in {language!r}: {text_dir} is no folder with {_file(language)} (an English sentence, a "
            "tab, its translation), which the text for an encoder of sentences has to be; leave out --text-dir to take "
            "the premises of XNLI."
        )
    source = f"{folder.name}/{files[0].name}" + (f" and {len(files) - 1} more" if len(files) > 1 else "")
    if language == ENGLISH:
        return source, _into_each([_columns(path) for path in files])
    return source, ((other, english) for english, other in _columns(files[0]))


def _file(language: str) -> str:
    return f"{ENGLISH}-{'<language>' if language == ENGLISH else language}.tsv"


def _columns(path: Path) -> Iterator[Pair]:
    for number, line in enumerate(lines(path), start=1):
        if line.strip():
            columns = line.rstrip("\r\n").split("\t")
            if len(columns) != 2:
                raise DataError(
                    f"{path}, line {number}: {len(columns)} columns; expected two, an English sentence, a tab, and its "
                    "translation."
                )
            yield columns[0], columns[1]


def _into_each(files: Sequence[Iterable[Pair]]) -> Iterator[Pair]:
    """One English sentence after another, each from the next file, until a file ends."""
    seen: set[str] = set()
    for rows in zip(*files, strict=False):
        english, _ = pair = rows[len(seen) % len(rows)]
        if english not in seen:
            seen.add(english)
            yield pair


def _from_xnli(language: str, data_dir: Path | None) -> tuple[str, Iterable[Pair]]:
    task = TASKS[XNLI]
    others = task.languages if language == ENGLISH else [language]
    try:
        rows = {code: task.rows(code, "dev", data_dir).first for code in dict.fromkeys([ENGLISH, *others])}
    except (DataError, UnknownName) as error:
        raise DataError(
            "an encoder of sentences needs translations for its Fisher information of text: give --text-dir with a "
            f"folder that has {_file(language)} (an English sentence, a tab, its translation), or XNLI with "
            f"--data-dir for its languages ({error})"
        ) from None
    return f"{XNLI} dev, premises", _paired(language, rows)
