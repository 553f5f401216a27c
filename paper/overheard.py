"""What the pretraining text of the miniature holds, found by listening to it as it is drawn."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from unittest import mock

from xlgen.data.mini import corpus
from xlgen.data.mini.corpus import Corpus, Example
from xlgen.data.mini.grammar import Piece, pieces

KINDS = {
    ("translation", True): "a sentence and its translation",
    ("English", True): "a sentence and its restatement, both English",
    ("target", True): "a pair inside a target language, marked as matching or not",
    ("English", False): "two unrelated English sentences",
    ("target", False): "two unrelated sentences of one target language",
}
"""Kinds of pairs: the languages of the two texts, and whether the encoder is told if they match."""


@dataclass
class Overheard:
    """Counts over pairs of texts.

    Attributes:
        kinds: pairs of each of :data:`KINDS`.
        languages: texts in each language.
        with_english: pairs with English on at least one side.
        replaced: pairs in which something is replaced in a way of :func:`replacements`.
    """

    kinds: Counter[tuple[str, bool]] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    with_english: int = 0
    replaced: Counter[str] = field(default_factory=Counter)


def listen(n: int, smoothing: float) -> Overheard:
    """Draw pairs of the pretraining text, always the same ones, and count what they are.

    An example does not say which languages it is in; they are those in which its sentences are realised, the first and
    the last that the realiser is called with (between them is what a code-switch takes its words from).

    Args:
        n: pairs.
        smoothing: exponent of the languages' weights, see :class:`xlgen.data.mini.corpus.Corpus`.
    """
    source, rng, counts = Corpus(smoothing), random.Random("miniature"), Overheard()
    for _ in range(n):
        with mock.patch.object(corpus, "pieces", wraps=pieces) as realiser:
            example = source.example(rng)
        spoken = [call.args[1].code for call in realiser.call_args_list]
        pair = spoken[0], spoken[-1]
        inside = "English" if pair[0] == "en" else "target"
        counts.kinds[inside if pair[0] == pair[1] else "translation", example.replaced is not None] += 1
        counts.languages.update(pair)
        counts.with_english += "en" in pair
        counts.replaced.update(replacements(example))
    return counts


def roles(text: Iterable[Piece]) -> list[tuple[str, str]]:
    """Agent and patient of each clause."""
    concepts = {(piece.clause, piece.slot): piece.concept for piece in text}
    return [(concepts[clause, "S"], concepts[clause, "O"]) for clause in (0, 1) if (clause, "S") in concepts]


def replacements(example: Example) -> set[str]:
    """How the second text differs from the first, of three ways that resemble the tasks.

    Returns:
        Some of ``"turned"`` (agent and patient of a clause change places), ``"passed on"`` (the agents of the two
        clauses do) and ``"borrowed"`` (a person or thing is replaced by one of the other clause).
    """
    if not example.replaced:
        return set()
    before, after = roles(example.first), roles(example.second)
    agents, others = ([agent for agent, _ in clauses] for clauses in (before, after))
    of_first = {role: {clause["SO".index(role)] for clause in before} for role in "SO"}
    ways = {
        "turned": any((b, a) in before and (a, b) not in before for a, b in after),
        "passed on": len(after) == 2 and agents == others[::-1],
        "borrowed": any(
            role in "SO" and after[clause]["SO".index(role)] in of_first[role] for clause, role in example.replaced
        ),
    }
    return {way for way, so in ways.items() if so}
