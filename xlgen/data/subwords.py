r"""Random segmentations of a word into the pieces of a subword vocabulary.

WordPiece is segmented by *greedy longest match with rejection*: at each position the longest piece of the vocabulary
is taken with probability :math:`1 - p`, else the next shorter one, and so on. A unigram model (kudo2018subword) is
sampled over all segmentations :math:`s` of a word,

.. math:: P(s) \propto \Big( \prod_{u \in s} p(u) \Big)^\alpha,

by filtering forward and sampling backward. Both have a ``lattice``, what can be computed once for a word, and a
``draw``, a segmentation as ids.
"""

from __future__ import annotations

import math
import random
from bisect import bisect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any


@dataclass(frozen=True)
class WordPiece:
    """Greedy longest match (devlin2019bert) with rejection (wang2021mvr).

    Attributes:
        vocabulary: id of each piece; pieces inside a word begin with ``prefix``.
        unknown: id that stands for a whole word that cannot be segmented.
        prefix: mark of a piece inside a word.
        longest_word: longer words are unknown [characters].
        p: probability of rejecting a piece.
        faithful: the authors' rule: any piece can be rejected, and where all pieces are, the whole word is unknown; at
            ``p = 1`` words fall into characters. By default only pieces from which the word can be completed are
            tried and the last of them is never rejected, so that a word that the tokenizer knows stays known.
    """

    vocabulary: Mapping[str, int]
    unknown: int
    prefix: str
    longest_word: int
    p: float
    faithful: bool

    def lattice(self, word: str) -> list[list[tuple[int, int]]] | None:
        """Per start of a piece, the (end, id) of the pieces to try, longest first; ``None`` if ``word`` is unknown."""
        n = len(word)
        if n > self.longest_word:
            return None
        if self.faithful and self.p == 1:
            return [[(i + 1, self._id(word, i, i + 1, self.unknown))] for i in range(n)]
        pieces = [[(end, self._id(word, i, end)) for end in range(n, i, -1)] for i in range(n)]
        pieces = [[(end, id) for end, id in ends if id is not None] for ends in pieces]
        if self.faithful:
            return pieces
        start = 0
        while start < n:  # the tokenizer's own path: where it fails the tokenizer does not know the word
            if not pieces[start]:
                return None
            start = pieces[start][0][0]
        completing = {n}
        for start in reversed(range(n)):
            pieces[start] = [(end, id) for end, id in pieces[start] if end in completing]
            if pieces[start]:
                completing.add(start)
        return pieces

    def draw(self, lattice: list[list[tuple[int, int]]] | None, rng: random.Random) -> list[int]:
        """The ids of a segmentation."""
        if lattice is None:
            return [self.unknown]
        ids, start, p, uniform = [], 0, self.p, rng.random
        while start < len(lattice):
            for end, id in lattice[start]:  # noqa: B007
                if uniform() >= p:
                    break
            else:
                if self.faithful and p < 1:
                    return [self.unknown]
            ids.append(id)
            start = end
        return ids

    def reachable(self, lattice: list[list[tuple[int, int]]] | None) -> set[int]:
        """Every id that a segmentation can have."""
        return {self.unknown, *(id for ends in lattice or () for _, id in ends)}

    def _id(self, word: str, start: int, end: int, default: int | None = None) -> int | None:
        return self.vocabulary.get((self.prefix if start else "") + word[start:end], default)


@dataclass(frozen=True)
class Unigram:
    """All segmentations by the power ``alpha`` of their probability (kudo2018subword, section 3.3).

    Attributes:
        pieces: id and log-probability of each piece [nats].
        longest: length of the longest piece [characters].
        unknown: id of an unknown character; runs of them become one.
        unknown_score: log-probability of an unknown character [nats].
        own: the tokenizer's segmentation of a word, as ids.
        alpha: exponent; 0 is the tokenizer's segmentation.
    """

    pieces: Mapping[str, tuple[int, float]]
    longest: int
    unknown: int | None
    unknown_score: float
    own: Callable[[str], list[int]]
    alpha: float

    def lattice(self, word: str) -> Any:
        """Per end of a piece, the (start, ids) of the pieces that end there and their cumulative probabilities."""
        if self.alpha == 0:
            return self.own(word)
        n = len(word)
        forward, table = [0.0], [None]
        for end in range(1, n + 1):
            starts = range(max(0, end - self.longest), end)
            edges = [(i, self.pieces[word[i:end]]) for i in starts if word[i:end] in self.pieces]
            arcs = [(i, [id]) for i, (id, _) in edges]
            scores = [forward[i] + self.alpha * score for i, (_, score) in edges]
            if word[end - 1] not in self.pieces:
                arcs.append((end - 1, self.own(word[end - 1])))
                scores.append(forward[end - 1] + self.alpha * self.unknown_score)
            top = max(scores)
            total = list(accumulate(math.exp(score - top) for score in scores))
            forward.append(top + math.log(total[-1]))
            table.append((arcs, total))
        return table

    def draw(self, lattice: Any, rng: random.Random) -> list[int]:
        """The ids of a segmentation, sampled from its end to its beginning."""
        if self.alpha == 0:
            return lattice
        parts, end = [], len(lattice) - 1
        while end > 0:
            arcs, total = lattice[end]
            choice = bisect(total, rng.random() * total[-1], hi=len(arcs) - 1) if len(arcs) > 1 else 0
            end, ids = arcs[choice]
            parts.append(ids)
        ids = [id for part in reversed(parts) for id in part]
        if self.unknown not in ids:
            return ids
        return [id for key, run in groupby(ids) for id in ([key] if key == self.unknown else run)]

    def reachable(self, lattice: Any) -> set[int]:
        """Every id that a segmentation can have."""
        if self.alpha == 0:
            return {*lattice}
        return {id for arcs, _ in lattice[1:] for _, ids in arcs for id in ids}
