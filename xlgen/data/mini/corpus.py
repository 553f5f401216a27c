"""The text that the miniature's encoder is pretrained on.

Languages are drawn in proportion to the size of their Wikipedia raised to 0.7, as multilingual BERT did, so that
English is seen about thirty times as often as Swahili. Three kinds of examples are drawn:

* *translations*: a sentence and its translation in another language, or the translation of one of its two clauses;
* *restatements in English*: the same, both in English;
* *plain text*: two unrelated sentences of one language.

In half of the translations and restatements some words of the second sentence are replaced (a person, verb, object,
adverbial or the polarity; in sentences about things often by the other clause's), and the encoder learns to tell which;
nothing else is labelled. What is deliberately absent, because it would be the tasks' own supervision: task labels;
pairs inside a target language that are marked as matching or not; and agent and patient exchanged, on which the
paraphrase task rests.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from itertools import accumulate

from xlgen.data.mini.grammar import Clause, Piece, Sentence, pieces
from xlgen.data.mini.lexicon import lexicon
from xlgen.data.mini.world import (
    ADVERBIALS,
    ANTONYM,
    CATEGORIES,
    CATEGORY_OF,
    OBJECTS,
    PERSON_VERBS,
    PERSONS,
    THING_VERBS,
    VERBS,
    things_for,
)

WIKIPEDIA = {
    "en": 5.8, "de": 2.3, "fr": 2.1, "ru": 1.5, "es": 1.5, "vi": 1.2, "ja": 1.1, "zh": 1.0, "ar": 0.65, "ko": 0.43,
    "tr": 0.32, "bg": 0.25, "el": 0.16, "ur": 0.15, "hi": 0.13, "th": 0.13, "sw": 0.045,
}  # fmt: skip
"""Articles per language at the time of multilingual BERT, in millions, rounded."""

SMOOTHING = 0.7
"""Exponent of the sampling weights (multilingual BERT's)."""


def weights(smoothing: float = SMOOTHING) -> dict[str, float]:
    """Share of each language in the text; sums to 1."""
    raised = {language: size**smoothing for language, size in WIKIPEDIA.items()}
    total = sum(raised.values())
    return {language: weight / total for language, weight in raised.items()}


@dataclass(frozen=True)
class Example:
    """Two texts in pieces.

    Attributes:
        first, second: the pieces of the two texts.
        replaced: (clause, slot) of the second text whose words do not agree with the first; ``None`` where the two
            texts have nothing to do with each other and nothing is to be told.
    """

    first: tuple[Piece, ...]
    second: tuple[Piece, ...]
    replaced: frozenset[tuple[int, str]] | None


class Corpus:
    """Draws examples; the same generator state gives the same example on every machine."""

    def __init__(self, smoothing: float = SMOOTHING):
        shares = weights(smoothing)
        self._languages = tuple(shares)
        self._cumulative = tuple(accumulate(shares.values()))

    def language(self, rng: random.Random) -> str:
        """A language, by its share of the text."""
        return rng.choices(self._languages, cum_weights=self._cumulative)[0]

    def other_language(self, language: str, rng: random.Random) -> str:
        """Another language, by its share of the text."""
        while (other := self.language(rng)) == language:
            pass
        return other

    def text(self, rng: random.Random) -> str:
        """One sentence of plain text, for the tokenizer."""
        return "".join(piece.text for piece in pieces(sentence(rng), lexicon(self.language(rng))))

    def example(self, rng: random.Random, ease: float = 0.0, *, hard: bool = False) -> Example:
        """One pretraining example; with probability ``ease`` of a single clause.

        A ``hard`` one more often has two clauses, and what is replaced more often comes from the other clause, so that
        the words alone do not tell.
        """
        simple = rng.random() < ease
        kind = rng.random()
        if kind < 0.05:
            words = lexicon(self.language(rng))
            return Example(tuple(pieces(sentence(rng), words)), tuple(pieces(sentence(rng), words)), None)
        stated = sentence(rng, simple=simple, double=0.75 if hard else 0.55)
        repeated, numbers = _repeat(stated, rng)
        if kind < 0.3:
            first, second = "en", "en"
            repeated = _rearranged(repeated, rng)
        else:
            first = self.language(rng) if kind < 0.6 else "en"
            second = self.other_language(first, rng)
            if kind >= 0.85:
                first, second = second, first
        replaced: frozenset[tuple[int, str]] = frozenset()
        if rng.random() < 0.5:
            repeated, replaced = _corrupted(stated, repeated, numbers, rng, 0.9 if hard else 0.5)
        spoken = pieces(stated, lexicon(first))
        if rng.random() < 0.2:
            spoken = self._switched(stated, spoken, (first, second), rng)
        return Example(tuple(spoken), tuple(pieces(repeated, lexicon(second))), replaced)

    def _switched(
        self, stated: Sentence, spoken: list[Piece], pair: tuple[str, str], rng: random.Random
    ) -> list[Piece]:
        """Code-switching: some phrases of the first text in a third language, if both are written with spaces.

        Never in the language of the second text, which would put matching phrases of one language side by side.
        """
        third = self.other_language(pair[0], rng)
        if third == pair[1] or not (lexicon(pair[0]).space and lexicon(third).space):
            return spoken
        phrases = {(p.clause, p.slot): p.text for p in pieces(stated, lexicon(third)) if p.slot}
        return [
            piece._replace(text=phrases[piece.clause, piece.slot]) if piece.slot and rng.random() < 0.4 else piece
            for piece in spoken
        ]


def clause(rng: random.Random, *, persons: bool, adverbial: float) -> Clause:
    """A random clause about persons or about things."""
    subject = rng.choice(PERSONS)
    verb = rng.choice(PERSON_VERBS if persons else THING_VERBS)
    thing = _object(verb, rng, persons=persons, but=(subject,))
    place = rng.choice(ADVERBIALS) if rng.random() < adverbial else None
    return Clause(subject, verb, thing, rng.random() < 0.3, place, place is not None and rng.random() < 0.5)


def _object(verb: str, rng: random.Random, *, persons: bool, but: tuple[str, ...]) -> str:
    """An object that fits the verb and is none of ``but``; things are sometimes named by their kind."""
    while (thing := rng.choice(PERSONS if persons else things_for(verb))) in but:
        pass
    return CATEGORY_OF[thing] if not persons and rng.random() < 0.1 else thing


def sentence(rng: random.Random, *, simple: bool = False, double: float = 0.55) -> Sentence:
    """A random sentence of one clause if ``simple``, else with probability ``double`` of two."""
    persons = rng.random() < 0.4
    if simple or rng.random() < 1 - double:
        return Sentence((clause(rng, persons=persons, adverbial=0.5),))
    first, second = (clause(rng, persons=persons, adverbial=0.2) for _ in range(2))
    if rng.random() < 0.4:
        second = replace(
            second, verb=first.verb, object=_object(first.verb, rng, persons=persons, but=(first.subject, first.object))
        )
    while second.subject in (first.subject, second.object):
        second = replace(second, subject=rng.choice(PERSONS))
    link = "and"
    if rng.random() < 0.7:
        link, negated = "but", rng.random() < 0.5
        first, second = replace(first, negated=negated), replace(second, negated=not negated)
    return Sentence((first, second), link)


def _repeat(stated: Sentence, rng: random.Random) -> tuple[Sentence, tuple[int, ...]]:
    """The sentence, or one of its two clauses; and which of its clauses are in the result."""
    if len(stated.clauses) == 1 or rng.random() < 0.4:
        return stated, tuple(range(len(stated.clauses)))
    number = rng.randrange(2)
    part = stated.clauses[number]
    if rng.random() < 0.7:
        part = replace(part, adverbial=None, front=False)
    return Sentence((part,)), (number,)


def _rearranged(repeated: Sentence, rng: random.Random) -> Sentence:
    """The same with adverbials moved."""
    return replace(
        repeated,
        clauses=tuple(
            replace(c, front=not c.front) if c.adverbial and rng.random() < 0.5 else c for c in repeated.clauses
        ),
    )


def _corrupted(
    stated: Sentence, repeated: Sentence, numbers: tuple[int, ...], rng: random.Random, borrowing: float = 0.5
) -> tuple[Sentence, frozenset[tuple[int, str]]]:
    """Replace one or two slots of ``repeated``; returns it with the (clause, slot) that were replaced.

    With probability ``borrowing`` the new word is that of the other clause, where there is one about things.
    """
    clauses = list(repeated.clauses)
    replaced = set()
    for _ in range(1 if rng.random() < 0.7 else 2):
        position = rng.randrange(len(clauses))
        other = stated.clauses[1 - numbers[position]] if len(stated.clauses) == 2 else None
        clauses[position], slot = _one_slot_changed(clauses[position], other, rng, borrowing)
        replaced.add((position, slot))
    return replace(repeated, clauses=tuple(clauses)), frozenset(replaced)


def _one_slot_changed(c: Clause, other: Clause | None, rng: random.Random, borrowing: float) -> tuple[Clause, str]:
    """Change the subject, verb, polarity, object or adverbial; sometimes to what the other clause has."""
    about_persons = c.object in PERSONS
    borrow = other is not None and not about_persons and rng.random() < borrowing
    slot = rng.choice("SSVVNOO" + "A" * (c.adverbial is not None))
    if slot == "S":
        taken = (c.subject, c.object) if other is None else (c.subject, c.object, other.subject, other.object)
        new = other.subject if borrow else rng.choice([p for p in PERSONS if p not in taken])
        return replace(c, subject=new), "S"
    if slot == "N":
        return replace(c, negated=not c.negated), "V"
    if slot == "A":
        return replace(c, adverbial=rng.choice([a for a in ADVERBIALS if a != c.adverbial])), "A"
    if slot == "V":
        kind = "person" if about_persons else CATEGORY_OF.get(c.object, c.object)
        fitting = [v for v in VERBS if v != c.verb and kind in OBJECTS[v]]
        if c.verb in ANTONYM and ANTONYM[c.verb] in fitting and rng.random() < 0.4:
            return replace(c, verb=ANTONYM[c.verb]), "V"
        if borrow and other.verb in fitting:
            return replace(c, verb=other.verb), "V"
        return replace(c, verb=rng.choice(fitting)), "V"
    if about_persons:
        taken = (c.subject, c.object) if other is None else (c.subject, c.object, other.subject, other.object)
        return replace(c, object=rng.choice([p for p in PERSONS if p not in taken])), "O"
    if c.object in CATEGORIES:
        others = [kind for kind in CATEGORIES if kind != c.object]
        fitting = [kind for kind in OBJECTS[c.verb] if kind in others] or others
    else:
        fitting = [thing for thing in things_for(c.verb) if thing != c.object]
    if borrow and other.object in fitting:
        return replace(c, object=other.object), "O"
    return replace(c, object=rng.choice(fitting)), "O"
