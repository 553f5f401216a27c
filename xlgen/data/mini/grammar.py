"""From concepts to sentences: the realiser.

A :class:`Sentence` is one or two transitive clauses made of concepts. :func:`pieces` puts it into the words of a
language piece by piece, each piece with the slot and concept it came from; :func:`realise` joins them. The pieces
are what pretraining aligns and what tagged tasks label.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from string import Formatter
from typing import NamedTuple

from xlgen.data.mini.lexicon import Lexicon
from xlgen.data.mini.world import PERSON_NAMES, PERSONS

SPACE = "␣"
"""Stands for a space that stays in languages written without spaces."""

_PERSONS = frozenset((*PERSONS, *PERSON_NAMES))


@dataclass(frozen=True)
class Clause:
    """Someone does, or does not do, something to something, perhaps at a time or place.

    ``front`` puts the adverbial at the beginning of the clause; the meaning is the same.
    """

    subject: str
    verb: str
    object: str
    negated: bool = False
    adverbial: str | None = None
    front: bool = False


@dataclass(frozen=True)
class Sentence:
    """One clause, or two joined by ``link`` (``"and"`` or ``"but"``)."""

    clauses: tuple[Clause, ...]
    link: str | None = None


class Piece(NamedTuple):
    """A stretch of a sentence: its text, and the (clause number, slot letter, concept) it expresses, if any."""

    text: str
    clause: int = -1
    slot: str = ""
    concept: str = ""


def _clause_pieces(clause: Clause, number: int, words: Lexicon) -> Iterator[Piece]:
    form = ("plain" if clause.adverbial is None else "front" if clause.front else "late") + (
        ".neg" if clause.negated else ".pos"
    )
    feminine = words.nouns[clause.subject][2] == "f"
    person = clause.object in _PERSONS
    slots = {
        "S": (words.nouns[clause.subject][0], clause.subject),
        "V": (words.verb(clause.verb, negated=clause.negated, feminine=feminine, person=person), clause.verb),
        "O": (words.nouns[clause.object][1], clause.object),
    }
    if clause.adverbial is not None:
        slots["A"] = (words.adverbials[clause.adverbial], clause.adverbial)
    for literal, slot, _, _ in Formatter().parse(words.templates[form]):
        if literal:
            yield Piece(literal, number)
        if slot:
            yield Piece(slots[slot][0], number, slot, slots[slot][1])


def phrases(sentence: Sentence, words: Lexicon) -> list[Piece]:
    """The sentence in the phrases of the lexicon as they stand there: no capital, and spaces not yet taken out."""
    if len(sentence.clauses) == 1:
        out = list(_clause_pieces(sentence.clauses[0], 0, words))
    else:
        out = []
        for literal, slot, _, _ in Formatter().parse(words.templates[sentence.link]):
            if literal:
                out.append(Piece(literal))
            if slot:
                number = int(slot[1]) - 1
                out.extend(_clause_pieces(sentence.clauses[number], number, words))
    return [*out, Piece(words.stop)]


def pieces(sentence: Sentence, words: Lexicon) -> list[Piece]:
    """The sentence in the words of a language, cut into pieces whose texts join to :func:`realise`'s string."""
    out = phrases(sentence, words)
    if not words.space:
        out = [piece._replace(text=piece.text.replace(" ", "").replace(SPACE, " ")) for piece in out]
    first = out[0]
    out[0] = first._replace(text=capital(first.text, words.code))
    return [piece for piece in out if piece.text]


def capital(text: str, code: str) -> str:
    """The text with a capital first letter, as the language writes it."""
    first = "İ" if code == "tr" and text[:1] == "i" else text[:1].upper()
    return first + text[1:]


def realise(sentence: Sentence, words: Lexicon) -> str:
    """The sentence as text."""
    return "".join(piece.text for piece in pieces(sentence, words))
