"""The pair tasks of the miniature: inference, in two domains, and paraphrase.

Both are built so that words alone do not give the label away: it depends on *who did what*.

``mini-xnli``: the premise states one thing that happens and one that does not (*The doctor buys the car, but the
nurse does not buy the lamp*), the hypothesis is a single clause.

* entailment: one of the two clauses (its adverbial dropped, the object perhaps named by its kind);
* contradiction: one of the two clauses with its polarity flipped or its verb replaced by the antonym;
* neutral: the subject of one clause with the predicate, or the object, of the other.

``mini-pawsx``: both sentences have the same bag of words in English. A paraphrase moves the adverbial or swaps the
order of the clauses; a non-paraphrase also exchanges two roles (agent and patient, or the agents of two clauses).

``mini-xnli-people`` asks the question of ``mini-xnli`` about another domain: what people do to people, each time at
some time or place, where ``mini-xnli`` has things and mostly no adverbial.

Every example is made of concepts and then put into words, so the languages are parallel; row ``i`` of a split means
the same in all of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from xlgen.core.errors import DataError, UnknownName
from xlgen.data.mini.grammar import Clause, Sentence, realise
from xlgen.data.mini.lexicon import lexicon
from xlgen.data.mini.world import ADVERBIALS, ANTONYM, CATEGORY_OF, PERSON_VERBS, PERSONS, things_for

SIZES = {"train": 20_000, "dev": 1_000, "test": 1_000}
SAME_VERB = 0.6
"""Share of premises whose two clauses have the same verb."""

TWO_CLAUSES = 0.65
"""Share of paraphrase pairs whose sentences have two clauses; the others have one and an adverbial."""

LABELS = {
    "mini-xnli": ("entailment", "neutral", "contradiction"),
    "mini-xnli-people": ("entailment", "neutral", "contradiction"),
    "mini-pawsx": ("different", "paraphrase"),
}


@dataclass(frozen=True)
class Pair:
    """Two sentences in concepts, and their label."""

    first: Sentence
    second: Sentence
    label: int


def _thing_clauses(rng: random.Random) -> tuple[Clause, Clause]:
    """Two clauses about things of different kinds, by different persons, one of the clauses negated.

    Most often the verb is the same in both (*buys the car, but … does not buy the lamp*), so that it does not tell
    which clause a negation belongs to; else the verbs are neither the same nor antonyms.
    """
    subjects = rng.sample(PERSONS, 2)
    same = rng.random() < SAME_VERB
    verbs = [rng.choice(sorted(ANTONYM))] * 2 if same else rng.sample(sorted(ANTONYM), 2)
    while verbs[1] == ANTONYM[verbs[0]]:
        verbs = rng.sample(sorted(ANTONYM), 2)
    objects = [rng.choice(things_for(verb)) for verb in verbs]
    while CATEGORY_OF[objects[0]] == CATEGORY_OF[objects[1]]:
        objects[1] = rng.choice(things_for(verbs[1]))
    negated = rng.random() < 0.5
    return (
        Clause(subjects[0], verbs[0], objects[0], negated),
        Clause(subjects[1], verbs[1], objects[1], not negated),
    )


def _people_clauses(rng: random.Random) -> tuple[Clause, Clause]:
    """As :func:`_thing_clauses` about four persons, with an adverbial in each clause."""
    a, b, c, d = rng.sample(PERSONS, 4)
    about_people = sorted(set(ANTONYM).intersection(PERSON_VERBS))
    same = rng.random() < SAME_VERB
    verbs = [rng.choice(about_people)] * 2 if same else rng.sample(about_people, 2)
    while verbs[1] == ANTONYM[verbs[0]]:
        verbs = rng.sample(about_people, 2)
    negated = rng.random() < 0.5
    return Clause(a, verbs[0], b, negated), Clause(c, verbs[1], d, not negated)


def _with_adverbial(clause: Clause, rng: random.Random) -> Clause:
    return replace(clause, adverbial=rng.choice(ADVERBIALS), front=rng.random() < 0.5)


def _hypothesis(clauses: tuple[Clause, Clause], label: int, rng: random.Random) -> Clause:
    """A hypothesis with the given label; its polarity and the use of antonyms do not tell neutral from the rest."""
    affirmed, denied = sorted(clauses, key=lambda clause: clause.negated)
    kind = rng.randrange(4)
    if label == 0:
        return affirmed if kind < 2 else denied
    if label == 2:
        if kind < 2:
            return replace(affirmed, negated=True)
        if kind == 2:
            return replace(denied, negated=False)
        return replace(affirmed, verb=ANTONYM[affirmed.verb])
    one, other = rng.sample(clauses, 2)
    mixed = replace(other, subject=one.subject)
    if rng.random() < 0.5 and (other.object in PERSONS or other.object in things_for(one.verb)):
        mixed = replace(one, object=other.object)
    mixed = replace(mixed, negated=kind < 2)
    return replace(mixed, verb=ANTONYM[mixed.verb]) if kind == 3 else mixed


def nli_pair(label: int, rng: random.Random) -> Pair:
    """One pair of ``mini-xnli``."""
    clauses = _thing_clauses(rng)
    hypothesis = _hypothesis(clauses, label, rng)
    if rng.random() < 0.25:
        hypothesis = replace(hypothesis, object=CATEGORY_OF[hypothesis.object])
    spoken = list(clauses)
    if rng.random() < 0.3:
        place = rng.randrange(2)
        spoken[place] = _with_adverbial(spoken[place], rng)
    return Pair(Sentence(tuple(spoken), "but"), Sentence((hypothesis,)), label)


def people_pair(label: int, rng: random.Random) -> Pair:
    """One pair of ``mini-xnli-people``."""
    clauses = _people_clauses(rng)
    spoken = tuple(_with_adverbial(clause, rng) for clause in clauses)
    return Pair(Sentence(spoken, "but"), Sentence((_hypothesis(clauses, label, rng),)), label)


def paraphrase_pair(label: int, rng: random.Random) -> Pair:
    """One pair of ``mini-pawsx``; label 1 is a paraphrase."""
    a, b, c, d = rng.sample(PERSONS, 4)
    v, w = rng.sample(PERSON_VERBS, 2)
    first, second = _with_adverbial(Clause(a, v, b), rng), Clause(c, w, d)
    double = rng.random() < TWO_CLAUSES
    swapped = (replace(first, subject=b, object=a), second)
    if double and rng.random() < 0.5:
        swapped = (replace(first, subject=c), replace(second, subject=a))
    clauses = (first, second) if label else swapped
    # The same rearrangements serve both labels; a paraphrase is never word for word the first sentence.
    move, turn = rng.choice(((True, False), (False, True), (True, True))) if double else (True, False)
    if move:
        clauses = (replace(clauses[0], front=not clauses[0].front), clauses[1])
    if not double:
        return Pair(Sentence((first,)), Sentence(clauses[:1]), label)
    return Pair(Sentence((first, second), "and"), Sentence(clauses[::-1] if turn else clauses, "and"), label)


_MAKE = {"mini-xnli": nli_pair, "mini-xnli-people": people_pair, "mini-pawsx": paraphrase_pair}


def _generate(task: str) -> Iterator[Pair]:
    """Distinct pairs, the labels in turn."""
    rng = random.Random(f"xlgen {task} 1")
    seen: set[Pair] = set()
    while True:
        pair = _MAKE[task](len(seen) % len(LABELS[task]), rng)
        if pair not in seen:
            seen.add(pair)
            yield pair


@cache
def pairs(task: str, split: str) -> tuple[Pair, ...]:
    """The split of a task in concepts. Test and dev come first, so a longer training split leaves them alone."""
    if task not in _MAKE:
        raise UnknownName("miniature task", task, _MAKE)
    if split not in SIZES:
        raise UnknownName("split", split, SIZES)
    start = {"test": 0, "dev": SIZES["test"], "train": SIZES["test"] + SIZES["dev"]}[split]
    stop = start + SIZES[split]
    chosen = [pair for number, pair in zip(range(stop), _generate(task), strict=False) if number >= start]
    random.Random(f"xlgen {task} {split}").shuffle(chosen)
    return tuple(chosen)


@cache
def rows(task: str, language: str, split: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...]]:
    """First sentences, second sentences and labels of a split in a language."""
    if split == "train" and language != "en":
        raise DataError(f"{task} has training pairs in English only; {language!r} has dev and test.")
    words = lexicon(language)
    chosen = pairs(task, split)
    return (
        tuple(realise(pair.first, words) for pair in chosen),
        tuple(realise(pair.second, words) for pair in chosen),
        tuple(pair.label for pair in chosen),
    )
