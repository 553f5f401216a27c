"""Read tagged sentences, one label a word, in XTREME's layout, from treebanks and from the hub.

The columns of XTREME's files are hu2020xtreme's: a word, a tab and its tag, and an empty line after each sentence. As
there, a word without a tag has the task's default; but a file in which *no* word has one is refused, because XTREME
withholds the labels of some test sets, and scoring those as if all were ``O`` would look like a result.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path

from xlgen.core.config import digest
from xlgen.core.errors import DataError
from xlgen.data.read_pairs import Codes, Hub, load_table, read_text, unknown_label

log = logging.getLogger(__name__)

COLUMNS = "ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC".split()
"""Of CoNLL-U."""

Sentence = tuple[tuple[str, ...], tuple[int, ...]]

Table = list[tuple[tuple[int, ...], list[str]]]
"""The words of a sentence, each with its number, or its first and last number, and its cells."""

PRECEDENCE = {
    "de": "PROPN ADP DET",
    "es": "VERB AUX PRON ADP DET",
    "fr": "VERB AUX PRON NOUN ADJ ADV ADP DET PART SCONJ CCONJ",
    "": "VERB NOUN PROPN PRON ADJ NUM ADV INTJ AUX ADP DET PART CCONJ SCONJ X PUNCT SYM",
}
"""Which of the words in a contraction gives its tag, where their depths do not tell (XTREME's converter)."""


@dataclass(frozen=True)
class TaggedRows:
    """Tagged sentences of one language and split.

    Attributes:
        words: the words of each sentence.
        labels: their class indices.
        dropped: row numbers, in the source, of rows left out; always empty, and there for the likeness to
            :class:`xlgen.data.read_pairs.Rows`.
        labelled: as there.
    """

    words: tuple[tuple[str, ...], ...]
    labels: tuple[tuple[int, ...], ...]
    dropped: tuple[int, ...] = ()
    labelled: bool = True

    def __post_init__(self):
        lengths = tuple(map(len, self.words)), tuple(map(len, self.labels))
        if lengths[0] != lengths[1]:
            raise ValueError(f"words and labels of {len(lengths[0])} and {len(lengths[1])} sentences do not match")

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def fingerprint(self) -> str:
        """First 16 hex digits of the SHA-256 of words and labels."""
        return digest(["tagged", self.words, self.labels if self.labelled else None])

    def relabelled(self, order: Sequence[int]) -> TaggedRows:
        """The same with label ``i`` replaced by ``order[i]``."""
        return replace(self, labels=tuple(tuple(order[label] for label in row) for row in self.labels))

    def take(self, n: int) -> TaggedRows:
        """The first ``n`` sentences; all of them where ``n`` is 0 or there are no more."""
        return self if n == 0 or n >= len(self) else self.part(0, n)

    def part(self, start: int, stop: int) -> TaggedRows:
        """The sentences ``start`` to ``stop - 1``."""
        return replace(self, words=self.words[start:stop], labels=self.labels[start:stop])


def read_tsv(path: Path, language: str, codes: Codes, default: int, elsewhere: str) -> TaggedRows:
    """Sentences of one file of words and tags, plain or gzip'd.

    Args:
        path: the file.
        language: of the file; the prefix ``<language>:`` of the original WikiAnn is taken off if every word has it.
        codes: spellings of the tags.
        default: label of a word without a tag.
        elsewhere: what to do about a file without any tags, in words.

    Returns:
        Parsed once per version of the file and process, so do not change it.

    Raises:
        DataError: bad gzip, bad UTF-8, more than two columns, an empty word, an unknown tag, no words, or no tags.
    """
    stat = path.stat()
    return _parse_tsv(path, (stat.st_mtime_ns, stat.st_size), language, codes, default, elsewhere)


@lru_cache(maxsize=32)
def _parse_tsv(path, version, language, codes, default, elsewhere) -> TaggedRows:  # version only tells files apart
    spelled, sentences, bare = dict(codes), [[]], 0
    # Only "\n" ends a line: words contain other characters that str.splitlines takes for line ends.
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        word, *tag = line.removesuffix("\r").split("\t")
        if not word and not tag:
            sentences.append([])
            continue
        if not word or not (tag or word.strip()) or len(tag) > 1:
            raise DataError(f"{path}, line {number}: expected a word, a tab and its tag, got {line[:60]!r}.")
        if tag and tag[0] not in spelled:
            raise DataError(f"{path}, line {number}: {unknown_label(tag[0], spelled)}")
        bare += not tag
        sentences[-1].append((word, spelled[tag[0]] if tag else default))
    total = sum(map(len, sentences))
    if not total:
        raise DataError(f"{path}: no words; unpack the archive again.")
    if bare == total:
        raise DataError(f"{path}: none of its {total} words has a tag, as in XTREME's withheld test sets; {elsewhere}.")
    if bare:
        log.warning("%s: %d of %d words have no tag and count as the default", path, bare, total)
    prefix = f"{language}:"
    if all(word.startswith(prefix) for sentence in sentences for word, _ in sentence):
        sentences = [[(word.removeprefix(prefix) or word, y) for word, y in sentence] for sentence in sentences]
    return _rows(tuple(zip(*sentence, strict=True)) for sentence in sentences if sentence)


def _rows(sentences: Iterable[Sentence]) -> TaggedRows:
    words, labels = zip(*sentences, strict=True)
    return TaggedRows(words, labels)


def read_treebanks(paths: Sequence[Path], language: str, codes: Codes) -> TaggedRows:
    """Sentences of CoNLL-U files of Universal Dependencies, one file after another (nivre2020universal).

    As in XTREME's converter, contractions stay one word (German *im*) with the tag of the word inside that is highest
    in the tree, spaces inside words are taken out (Vietnamese), and words that are not written are left out.

    Raises:
        DataError: bad gzip, bad UTF-8, a line that is not CoNLL-U (with its column), an unknown tag, no words.
    """
    sentences = [sentence for path in paths for sentence in _sentences(path, language, dict(codes))]
    if not sentences:
        raise DataError(f"{', '.join(map(str, paths))}: no words; download it again.")
    return _rows(sentences)


def _sentences(path: Path, language: str, spelled: dict[str, int]) -> Iterator[Sentence]:
    lines = [line.removesuffix("\r") for line in read_text(path).split("\n")]
    ends = [-1, *(number for number, line in enumerate(lines) if not line), len(lines)]
    for start, end in pairwise(ends):
        table = _table(path, lines, range(start + 1, end), spelled)
        if table:
            yield _written(table, PRECEDENCE.get(language, PRECEDENCE[""]).split(), spelled)


def _table(path: Path, lines: Sequence[str], numbers: range, spelled: dict[str, int]) -> Table:
    """The words and contractions of a sentence.

    Words are numbered 1, 2, 3, …; a contraction ``3-4`` comes before its words; a word that is not written, ``8.1``,
    comes after word 8 and is left out.
    """
    table, heads = [], []
    word = empty = 0  # the last word, and the last one behind it that is not written
    within = span = 0  # the last word of the last contraction, and its line

    def need(ok: bool, number: int, column: int, expected: str) -> None:
        if not ok:
            got = lines[number].split("\t")[column]
            where = f"{path}, line {number + 1}, column {column + 1} ({COLUMNS[column]})"
            raise DataError(f"{where} is {got!r}; expected {expected}.")

    for number in numbers:
        if lines[number].startswith("#"):
            continue
        cells = lines[number].split("\t")
        if len(cells) != len(COLUMNS):
            raise DataError(
                f"{path}, line {number + 1}: {len(cells)} columns; expected the {len(COLUMNS)} of CoNLL-U "
                f"({' '.join(COLUMNS)}) with tabs between them."
            )
        following = f"the word {word + 1}, a contraction such as {word + 1}-{word + 2}, or {word}.{empty + 1}"
        numbered = re.fullmatch(
            r"([0-9]{1,9})(?:([-.])([0-9]{1,9}))?", cells[0]
        )  # not isdigit, which takes ² for a digit
        need(bool(numbered), number, 0, following)
        first, kind, last = int(numbered[1]), numbered[2], int(numbered[3] or 0)
        if kind == ".":
            need(first == word and last == empty + 1, number, 0, following)
            empty += 1
            continue
        need(first == word + 1, number, 0, following)
        need(bool(cells[1].strip()), number, 1, "a word")
        if kind == "-":
            need(last > first > within, number, 0, f"a contraction of words after {max(word, within)}")
            within, span = last, number
            table.append(((first, last), cells))
            continue
        if cells[3] not in spelled:
            raise DataError(f"{path}, line {number + 1}, column 4 (UPOS): {unknown_label(cells[3], spelled)}")
        need(bool(re.fullmatch("[0-9]{1,9}", cells[6])), number, 6, "the number of the word's head, or 0 for the root")
        word, empty = first, 0
        heads.append((number, int(cells[6])))
        table.append(((first,), cells))
    need(within <= word, span, 0, f"lines for all its words; the sentence ends with word {word}")
    for number, head in heads:
        need(head <= word, number, 6, f"a word of the sentence, 1 to {word}, or 0 for the root")
    return table


def _written(
    table: list[tuple[tuple[int, ...], list[str]]], precedence: list[str], spelled: dict[str, int]
) -> Sentence:
    """Words as they are written, and their labels."""
    single = {span[0]: cells for span, cells in table if len(span) == 1}
    head = {number: int(cells[6]) for number, cells in single.items()}

    def rank(number: int) -> tuple[int, int]:
        """Depth in the tree, then the tag's place; a tag that is not listed comes last."""
        depth, above = 0, number
        while (above := head[above]) and depth <= len(head):  # a broken tree may hold a cycle
            depth += 1
        tag = single[number][3]
        return depth, precedence.index(tag) if tag in precedence else len(precedence)

    words, labels, last = [], [], 0
    for span, cells in table:
        if len(span) == 2:
            last = span[1]
            tag = single[min(range(span[0], last + 1), key=rank)][3]
        elif span[0] <= last:
            continue
        else:
            tag = cells[3]
        words.append(cells[1].replace(" ", ""))
        labels.append(spelled[tag])
    return tuple(words), tuple(labels)


def read_tagged_hub(hub: Hub, language: str, split: str, codes: Codes, files: list[Path]) -> TaggedRows:
    """Sentences of one language and split, from ``files`` (a local copy) or, without any, from the hub.

    Raises:
        DataError: the hub cannot be reached, or what it holds lacks a column, has an unknown label or no words.
    """
    table, where = load_table(hub, language, split, files)
    spelled = dict(codes)
    feature = table.features[hub.label]
    names = dict(enumerate(getattr(getattr(feature, "feature", feature), "names", None) or ()))
    # Without names the numbers are class indices; with names, the names decide, whatever their order.
    indices = {i: spelled.get(name) for i, name in names.items()} or {i: i for i in spelled.values()}
    sentences = []
    for row, (words, tags) in enumerate(zip(table[hub.first][:], table[hub.label][:], strict=True)):
        labels = [spelled.get(tag) if isinstance(tag, str) else indices.get(tag) for tag in tags]
        if None in labels:
            strange = tags[labels.index(None)]
            raise DataError(f"{where}, row {row}: {unknown_label(names.get(strange, strange), spelled)}")
        if len(words) != len(labels) or not all(isinstance(word, str) for word in words):
            raise DataError(
                f"{where}, row {row}: {len(words)} words, {len(labels)} tags; expected a tag for each word."
            )
        if words:
            sentences.append((tuple(words), tuple(labels)))
    if not sentences:
        raise DataError(f"{where}: no words; download it again.")
    return _rows(sentences)
