"""Plain text of a language: from a file or folder, from Wikipedia on the hub, or the miniature's own.

Text without labels is what the Fisher information of the loss of pretraining is computed on. An example of a masked
language model is a paragraph: a line of a file, an article of Wikipedia, or a sentence of the miniature. That of an
encoder of sentences is a pair of translations (:mod:`xlgen.data.parallel`).
"""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain, islice
from pathlib import Path

from xlgen.core.config import digest
from xlgen.core.errors import DataError, first_line

WIKIPEDIA, DUMP = "wikimedia/wikipedia", "20231101"
LONGEST = 4096
"""Characters kept of a paragraph: more than any encoder reads, and little to hash."""


@dataclass(frozen=True)
class Text:
    """Paragraphs of one language, or of several in turn.

    Attributes:
        languages: codes.
        source: where it was read, in words.
        paragraphs: without line ends and surrounding spaces, none empty, at most :data:`LONGEST` characters each; or
            pairs of such, each a sentence and its translation.
    """

    languages: tuple[str, ...]
    source: str
    paragraphs: tuple[str, ...] | tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.paragraphs)

    @cached_property
    def fingerprint(self) -> str:
        """First 16 hex digits of the SHA-256 of the paragraphs."""
        return digest(self.paragraphs)


def read(languages: Sequence[str], n: int, *, text_dir: Path | None = None, model: str = "") -> Text:
    """Read ``n`` paragraphs, as many of each language, in the order of the source.

    Args:
        languages: codes, such as ``["fr"]``; of several the paragraphs alternate.
        n: paragraphs in all, at least one a language; what does not divide goes to the first languages.
        text_dir: a text file (one paragraph a line, UTF-8, plain or ``.gz``), or a folder with ``<language>.txt``,
            ``<language>.txt.gz`` or a folder ``<language>/`` of such files. ``None`` reads the miniature's own text
            for the model ``"mini"``, and Wikipedia from the hub for all others.
        model: the encoder that the text is for.

    Raises:
        UnknownName: the miniature does not have the language.
        DataError: the text is missing, cannot be read, or has fewer paragraphs.
    """
    shares = [n // len(languages) + (i < n % len(languages)) for i in range(len(languages))]
    check_folder(languages, text_dir)
    text_dir = None if text_dir is None else Path(text_dir).expanduser()
    return in_turn(
        languages,
        [_part(language, share, text_dir, model) for language, share in zip(languages, shares, strict=True)],
    )


def check_folder(languages: Iterable[str], text_dir: Path | None) -> None:
    """Refuse one file as the text of several languages, which would then be the same.

    Raises:
        DataError: it is.
    """
    several = [*dict.fromkeys(languages)]
    if text_dir is not None and len(several) > 1 and Path(text_dir).expanduser().is_file():
        raise DataError(f"{text_dir} is one file, but text in {', '.join(several)} is asked for; give a folder.")


def in_turn(languages: Sequence[str], parts: Sequence[tuple[str, tuple]]) -> Text:
    """The text of several languages in turn.

    Args:
        languages: codes.
        parts: of each language the source's name and the paragraphs: as many, or one more in the first ones.
    """
    least = len(parts[-1][1])
    rows = chain.from_iterable(zip(*(paragraphs[:least] for _, paragraphs in parts), strict=True))
    rest = (paragraphs[least] for _, paragraphs in parts if len(paragraphs) > least)
    return Text(tuple(languages), ", ".join(dict.fromkeys(source for source, _ in parts)), (*rows, *rest))


def _part(language: str, n: int, text_dir: Path | None, model: str) -> tuple[str, tuple[str, ...]]:
    """The source's name, and its first ``n`` paragraphs."""
    if text_dir is not None:
        files = _files(text_dir, language)
        facts = tuple((path.stat().st_mtime_ns, path.stat().st_size) for path in files)
        source, sentences = f"{files[0].parent.name}/{files[0].name}", _from_files(tuple(files), facts, n)
    elif model == "mini":
        source, sentences = "xlgen.mini", _generated(language, n)
    else:
        source, sentences = f"{WIKIPEDIA} {DUMP}", _from_wikipedia(language, n)
    if len(sentences) < n:
        where = text_dir or source
        raise DataError(f"{where} has {len(sentences)} paragraphs in {language!r}, {n} are asked for; ask for fewer.")
    return source, sentences


@lru_cache(maxsize=64)
def _generated(language: str, n: int) -> tuple[str, ...]:
    """Unrelated sentences; those of one language are no translations of another's."""
    from xlgen.data.mini.corpus import sentence
    from xlgen.data.mini.grammar import realise
    from xlgen.data.mini.lexicon import lexicon

    words, rng = lexicon(language), random.Random(f"xlgen text {language}")
    return tuple(realise(sentence(rng), words) for _ in range(n))


def _files(text_dir: Path, language: str) -> list[Path]:
    if text_dir.is_file():
        return [text_dir]
    places = [text_dir / f"{language}{end}" for end in (".txt", ".txt.gz")]
    files = [path for path in places if path.is_file()][:1]
    folder = text_dir / language
    files = files or sorted(path for path in folder.glob("*") if path.name.endswith((".txt", ".txt.gz")))
    if not files:
        raise DataError(
            f"no text in {language!r}: {text_dir} is no text file and has no {language}.txt, {language}.txt.gz or "
            f"folder {language}/ of such files."
        )
    return files


@lru_cache(maxsize=64)
def _from_files(files: tuple[Path, ...], facts: tuple, n: int) -> tuple[str, ...]:  # facts only tells versions apart
    return tuple(islice(_paragraphs(chain.from_iterable(map(lines, files))), n))


def lines(path: Path) -> Iterator[str]:
    """The lines of a text file, plain or gzip'd.

    Raises:
        DataError: it cannot be read, or is not UTF-8.
    """
    try:
        # only "\n" ends a paragraph: the texts contain other characters that universal newlines would cut at
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8-sig", newline="\n") as file:
            yield from file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: not a complete gzip file ({error}); copy it again.") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8; expected UTF-8 text with one paragraph a line.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from None


def _paragraphs(texts: Iterable[str]) -> Iterator[str]:
    return filter(None, (" ".join(text.split())[:LONGEST].rstrip() for text in texts))


@lru_cache(maxsize=64)
def _from_wikipedia(language: str, n: int) -> tuple[str, ...]:
    """The beginnings of the first ``n`` articles of the dump."""
    config = f"{DUMP}.{language}"
    try:
        from datasets import load_dataset

        articles = load_dataset(WIKIPEDIA, config, split="train", streaming=True)
        return tuple(islice(_paragraphs(article["text"] for article in articles), n))
    # the hub's client, the network stack and the parquet reader share no base class below Exception
    except Exception as error:
        raise DataError(
            f"cannot read {WIKIPEDIA} ({config}): {first_line(error)}; without the hub, "
            f"give --text-dir with a text file or a folder that has {language}.txt (one paragraph a line)."
        ) from None
