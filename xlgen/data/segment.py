r"""Probabilistic subword segmentation of texts: the second view of multi-view subword regularisation (wang2021mvr).

The text goes through the tokenizer's own normaliser and pre-tokeniser, its words are segmented at random (see
:mod:`xlgen.data.subwords`), and the special tokens are put around them as the tokenizer does. One number ``p`` sets the
randomness, as in wang2021mvr: the probability of rejection for WordPiece, the exponent alpha for unigram models.
``p = 0`` is the tokenizer's own segmentation for both (for unigram models a convention: it is the limit of large
alpha, while alpha -> 0 is uniform).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch

from xlgen.core.errors import ConfigError
from xlgen.data import plain
from xlgen.data.subwords import Unigram, WordPiece

CACHED_WORDS = 2**16
UNKNOWN_PENALTY = 10.0
"""SentencePiece scores an unknown character this much below the vocabulary's worst piece [nats]."""


@dataclass(frozen=True)
class PairTemplate:
    """How a tokenizer puts its special tokens around two texts: BERT's, RoBERTa's or any other fixed form.

    Attributes:
        cut_left: a text that is too long loses its beginning, not its end.
        before, between, after: special ids around and between the texts.
        types: segment numbers of these five parts, in order of the parts: before, first, between, second, after.
    """

    before: list[int]
    between: list[int]
    after: list[int]
    types: tuple[list[int], int, list[int], int, list[int]]
    cut_left: bool = False

    @classmethod
    def of(cls, tokenizer) -> PairTemplate:
        """Read the template off an encoded pair."""
        encoded, left = tokenizer("a", "a", return_token_type_ids=True), tokenizer.truncation_side == "left"
        ids, types, texts = encoded["input_ids"], encoded["token_type_ids"], encoded.sequence_ids(0)
        first, second = texts.index(0), texts.index(1)
        first_end, second_end = len(texts) - texts[::-1].index(0), len(texts) - texts[::-1].index(1)
        special = slice(0, first), slice(first_end, second), slice(second_end, None)
        before, between, after = (types[part] for part in special)
        return cls(*(ids[part] for part in special), (before, types[first], between, types[second], after), left)

    def fill(self, first: list[int], second: list[int], max_length: int) -> tuple[list[int], list[int]]:
        """``input_ids`` and ``token_type_ids`` of the pair, the longer text cut first where it is too long."""
        room = max_length - len(self.before) - len(self.between) - len(self.after)
        n, m = longest_first(len(first), len(second), room)
        if self.cut_left:
            first, second = first[len(first) - n :], second[len(second) - m :]
        else:
            first, second = first[:n], second[:m]
        before, first_type, between, second_type, after = self.types
        types = [*before, *[first_type] * len(first), *between, *[second_type] * len(second), *after]
        return [*self.before, *first, *self.between, *second, *self.after], types


def longest_first(n: int, m: int, room: int) -> tuple[int, int]:
    """Lengths to which texts of lengths ``n`` and ``m`` are cut to fit in ``room`` together.

    The rule of the ``tokenizers`` library: the shorter text stays whole if it takes no more than half of the room.
    """
    if n + m <= room:
        return n, m
    short, long = room // 2, room - room // 2
    if min(n, m) <= short:
        short, long = min(n, m), room - min(n, m)
    return (short, long) if n <= m else (long, short)


class Segmenter:
    """Sample segmentations of texts as a tokenizer would encode them, and count the words that come out unknown.

    The text goes through the tokenizer's own normaliser and pre-tokeniser; special tokens written in it are text
    (:mod:`xlgen.data.plain`). Build one with :meth:`for_tokenizer`.

    Attributes:
        words: words segmented so far.
        unknown: how many of them contain the unknown piece.
    """

    def __init__(self, split: Callable[[str], list[str]], model: WordPiece | Unigram, template: PairTemplate):
        self.split, self.model, self.template = split, model, template
        # lattices do not change between epochs, and words repeat
        self._lattice = lru_cache(maxsize=CACHED_WORDS)(model.lattice)
        self.words = self.unknown = 0

    @classmethod
    def for_tokenizer(cls, tokenizer, p: float = 0.2, faithful: bool = False) -> Segmenter:
        """Build the segmenter of a Hugging Face fast tokenizer.

        Args:
            tokenizer: with a WordPiece vocabulary (BERT) or a unigram model (XLM-R, mT5).
            p: probability of rejecting a piece (WordPiece) or exponent alpha (unigram), in [0, 1]; 0 is the
                tokenizer's own segmentation.
            faithful: the authors' rejection rule, see :class:`WordPiece`; nothing changes for unigram models.

        Raises:
            ConfigError: ``p`` is out of its range, or the tokenizer is of another kind.
        """
        if not 0 <= p <= 1:
            raise ConfigError(f"p is {p!r}; expected a probability in [0, 1].")
        backend = plain.backend(tokenizer) if getattr(tokenizer, "is_fast", False) else None
        description = json.loads(backend.to_str())["model"] if backend is not None else {"type": "slow (Python)"}
        build = {"WordPiece": _wordpiece, "Unigram": _unigram}.get(description["type"])
        if build is None:
            raise ConfigError(
                f"mvr cannot sample segmentations of a {description['type']} tokenizer; use a model with WordPiece "
                "(bert-base-multilingual-cased) or a unigram vocabulary (xlm-roberta-base, google/mt5-small), or the "
                "objective baseline, sam or fisher."
            )
        model = build(description, backend, p, faithful=faithful)
        return cls(_splitter(backend), model, PairTemplate.of(tokenizer))

    def segment(self, text: str, generator: torch.Generator | int) -> list[int]:
        """The ids of ``text`` in a sampled segmentation, without special tokens.

        Args:
            text: one text.
            generator: source of the randomness, of which one number is drawn; or a seed.
        """
        return self._segment(text, _python_rng(generator))

    def pair(
        self, first: str, second: str, generator: torch.Generator | int, max_length: int
    ) -> tuple[list[int], list[int]]:
        """``(input_ids, token_type_ids)`` of two texts in sampled segmentations, special tokens included.

        Args:
            first: one text.
            second: the other.
            generator: source of the randomness, of which one number is drawn; or a seed.
            max_length: sub-words of the pair, special tokens included; cut as the tokenizer's ``longest_first``.
        """
        rng = _python_rng(generator)
        return self.template.fill(self._segment(first, rng), self._segment(second, rng), max_length)

    def reachable(self, text: str) -> set[int]:
        """The ids of all pieces that a segmentation of ``text`` can have."""
        return {id for word in self.split(text) for id in self.model.reachable(self._lattice(word))}

    @property
    def unknown_rate(self) -> float:
        """Fraction of all words segmented so far that contain the unknown piece (0 before the first)."""
        return self.unknown / self.words if self.words else 0.0

    def _segment(self, text: str, rng: random.Random) -> list[int]:
        ids, words, draw, unknown = [], self.split(text), self.model.draw, self.model.unknown
        for word in words:
            pieces = draw(self._lattice(word), rng)
            self.unknown += unknown in pieces
            ids += pieces
        self.words += len(words)
        return ids


def _python_rng(generator: torch.Generator | int) -> random.Random:
    """Python's own generator: torch's is slow where one number is wanted at a time."""
    if isinstance(generator, torch.Generator):
        generator = int(torch.randint(2**63 - 1, (), generator=generator))
    return random.Random(generator)


def _splitter(backend) -> Callable[[str], list[str]]:
    normalizer, pre_tokenizer = backend.normalizer, backend.pre_tokenizer

    def split(text: str) -> list[str]:
        text = normalizer.normalize_str(text) if normalizer is not None else text
        if pre_tokenizer is None:
            return [text] if text else []
        return [word for word, _ in pre_tokenizer.pre_tokenize_str(text)]

    return split


def _wordpiece(description: dict, backend, p: float, *, faithful: bool) -> WordPiece:
    return WordPiece(
        description["vocab"],
        unknown=description["vocab"][description["unk_token"]],
        prefix=description["continuing_subword_prefix"],
        longest_word=description["max_input_chars_per_word"],
        p=p,
        faithful=faithful,
    )


def _unigram(description: dict, backend, p: float, *, faithful: bool) -> Unigram:
    model, scored = backend.model, description["vocab"]
    pieces = {piece: (id, score) for id, (piece, score) in enumerate(scored)}
    return Unigram(
        pieces,
        longest=max(map(len, pieces), default=1),
        unknown=description["unk_id"],
        unknown_score=min(score for _, score in scored) - UNKNOWN_PENALTY,
        own=lambda word: [token.id for token in model.tokenize(word)],
        alpha=p,
    )
