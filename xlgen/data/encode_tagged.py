"""From tagged sentences to sub-words: the label of a word stands on its first one.

Every word is tokenised by itself, as it stands in a sentence: after a space (:func:`xlgen.data.plain.word_prefix`). Its
first sub-word carries its label; the others, and the special sub-words, carry :data:`~xlgen.data.batch.IGNORE`. As in
hu2020xtreme's code, nothing is cut off: a sentence that does not fit goes on in a further piece that starts with a
whole word, and a word that comes out empty, or longer than a whole piece, becomes the unknown sub-word. So every word
of the data is scored exactly once, with any tokenizer and length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import torch

from xlgen.core.errors import ConfigError
from xlgen.data import plain
from xlgen.data.batch import IGNORE
from xlgen.data.encode import CHUNK, Encoded, key_of
from xlgen.data.read_tagged import TaggedRows
from xlgen.data.token_cache import remembered


@dataclass(frozen=True)
class Frame:
    """The special sub-words that a tokenizer puts around a text: ``before`` it and ``after`` it."""

    before: list[int]
    after: list[int]

    @classmethod
    def of(cls, tokenizer) -> Frame:
        """Read the frame off an encoded text: "a", or where the tokenizer makes nothing of it, a piece that it has."""
        for example in chain("a", tokenizer.get_vocab()):
            if text := plain.encode(tokenizer, [example], special=False)["input_ids"][0]:
                break
        framed = plain.encode(tokenizer, [example])["input_ids"][0]
        first = next(i for i in range(len(framed)) if framed[i : i + len(text)] == text)
        return cls(framed[:first], framed[first + len(text) :])

    def room(self, max_length: int) -> int:
        """Sub-words of text that fit in ``max_length``."""
        if (room := max_length - len(self.before) - len(self.after)) < 1:
            raise ConfigError(f"max_length is {max_length}; expected room for a word between the special sub-words.")
        return room


@dataclass(frozen=True)
class Cut:
    """A piece of a sentence: its words ``start`` to ``stop`` (excluded)."""

    sentence: int
    start: int
    stop: int


def cuts(lengths: Sequence[Sequence[int]], room: int) -> Iterator[Cut]:
    """Cut sentences so that the words of each piece take at most ``room`` sub-words, as few pieces as possible.

    Args:
        lengths: sub-words of every word of every sentence, none above ``room``.
        room: sub-words of a piece.
    """
    for sentence, words in enumerate(lengths):
        start, used = 0, 0
        for word, length in enumerate(words):
            if used + length > room:
                yield Cut(sentence, start, word)
                start, used = word, 0
            used += length
        yield Cut(sentence, start, len(words))


def word_ids(rows: TaggedRows, tokenizer, room: int) -> dict[str, list[int]]:
    """The sub-words of every different word: at least one, at most ``room``, or the unknown one."""
    words = list(dict.fromkeys(word for sentence in rows.words for word in sentence))
    positions: dict[str, list[int]] = {}
    prefix = plain.word_prefix(tokenizer)
    for start in range(0, len(words), CHUNK):
        part = words[start : start + CHUNK]
        texts = [prefix + word for word in part]
        ids = plain.encode(tokenizer, texts, special=False)["input_ids"]
        positions |= zip(part, (_fitting(pieces, room, tokenizer.unk_token_id) for pieces in ids), strict=True)
    return positions


def _fitting(pieces: list[int], room: int, unknown: int) -> list[int]:
    return pieces if 1 <= len(pieces) <= room else [unknown]


def encode_tagged(
    rows: TaggedRows, tokenizer, max_length: int, cache_dir: Path | None = None, position_ids: bool = False
) -> Encoded:
    """Tokenise ``rows`` once; asked again for the same, answer from memory or from ``cache_dir``.

    Args:
        rows: the sentences.
        tokenizer: a fast tokenizer of transformers; it also says whether the model takes ``token_type_ids``.
        max_length: sub-words of a piece, special ones included; a longer sentence becomes several rows.
        cache_dir: as in :func:`xlgen.data.encode.encode`.
        position_ids: as there.

    Returns:
        One row a piece, those of a sentence next to each other; ``example`` holds the number of the sentence.

    Raises:
        ConfigError: ``max_length`` has no room for a word.
        ModelError: the tokenizer is not a fast one, or cannot pad.
    """
    key = key_of(rows, tokenizer, max_length)

    def tensors() -> dict[str, torch.Tensor]:
        room = Frame.of(tokenizer).room(max_length)
        ids = word_ids(rows, tokenizer, room)
        lengths = [[len(ids[word]) for word in sentence] for sentence in rows.words]
        encoded = _packed(
            rows, list(cuts(lengths, room)), ids.__getitem__, tokenizer, max_length, position_ids=position_ids
        )
        arrays = {"tokens": encoded.tokens, "offsets": encoded.offsets, "labels": encoded.labels}
        types = {} if encoded.types is None else {"types": encoded.types}
        return arrays | types | {"example": encoded.example}

    def build(arrays: dict[str, torch.Tensor]) -> Encoded:
        return Encoded(**{"types": None, **arrays}, pad=tokenizer.pad_token_id, position_ids=position_ids)

    return remembered(key, cache_dir, tensors, build, position_ids=position_ids)


def tagged_view(
    rows: TaggedRows,
    tokenizer,
    max_length: int,
    segment: Callable[[str], list[int]],
    position_ids: bool = False,
) -> Encoded:
    """The rows of :func:`encode_tagged` with the words in another segmentation.

    Row i holds the words of row i there, so that the units of the two can be matched one by one. The other segmentation
    may need more sub-words: a piece that no longer fits loses whole words at its end, and only those lose their match.

    Args:
        rows: the sentences.
        tokenizer: as in :func:`encode_tagged`.
        max_length: as there.
        segment: sub-words of a word, without special ones; called for the words in order.
        position_ids: as in :func:`encode_tagged`.
    """
    room = Frame.of(tokenizer).room(max_length)
    ids = word_ids(rows, tokenizer, room)
    lengths = [[len(ids[word]) for word in sentence] for sentence in rows.words]
    prefix = plain.word_prefix(tokenizer)

    def drawn(word: str) -> list[int]:
        return _fitting(segment(prefix + word), room, tokenizer.unk_token_id)

    return _packed(rows, list(cuts(lengths, room)), drawn, tokenizer, max_length, position_ids=position_ids)


def _packed(
    rows: TaggedRows,
    pieces: Sequence[Cut],
    segment: Callable[[str], list[int]],
    tokenizer,
    max_length: int,
    *,
    position_ids: bool,
) -> Encoded:
    frame = Frame.of(tokenizer)
    room, before, after = frame.room(max_length), [IGNORE] * len(frame.before), [IGNORE] * len(frame.after)
    tokens, labels = [], []
    for cut in pieces:
        ids, targets = [], []
        words, tags = rows.words[cut.sentence], rows.labels[cut.sentence]
        for word, label in zip(words[cut.start : cut.stop], tags[cut.start : cut.stop], strict=True):
            found = segment(word)
            if len(ids) + len(found) > room:
                break
            ids += found
            targets += [label, *[IGNORE] * (len(found) - 1)]
        tokens.append([*frame.before, *ids, *frame.after])
        labels.append([*before, *targets, *after])
    types = [[0] * len(row) for row in tokens] if "token_type_ids" in tokenizer.model_input_names else None
    example = [cut.sentence for cut in pieces]
    return Encoded.pack(tokens, types, labels, tokenizer.pad_token_id, position_ids=position_ids, example=example)
