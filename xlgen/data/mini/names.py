"""Names in the miniature world: who and what can be called how, and sentences about them.

A name is a concept like any other: ``"anna rossi"``, ``"hotel rossi"``, ``"oslo"``. :func:`named` adds all of them to a
lexicon, with square brackets around what is the name, and :func:`sentence` draws sentences in which they occur.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

from xlgen.data.mini.grammar import Clause, Sentence
from xlgen.data.mini.lexicon import Lexicon
from xlgen.data.mini.world import (
    ADVERBIALS,
    CITIES,
    CITY_VERBS,
    FIRST_NAMES,
    OBJECTS,
    ORGANISATION_NAMES,
    ORGANISATIONS,
    PERSON_NAMES,
    PERSONS,
    SURNAMES,
    VERBS,
    things_for,
)

HELD_OUT = frozenset("hugo otto elena teresa navarro quintero sato diallo helsinki monaco monte_carlo".split())
"""First names, surnames and cities that no training sentence has."""

IN = "in "
"""Before a city, makes the adverbial."""

_KINDS = dict.fromkeys(PERSON_NAMES, "PER") | dict.fromkeys(ORGANISATION_NAMES, "ORG") | dict.fromkeys(CITIES, "LOC")


def kind(concept: str) -> str:
    """``"PER"``, ``"ORG"`` or ``"LOC"`` of a name, ``""`` of any other concept."""
    return _KINDS.get(concept.removeprefix(IN), "")


@cache
def _pool(split: str) -> tuple[list[str], list[str], list[str]]:
    """First names, surnames and cities that a split may use."""
    pools = (FIRST_NAMES, SURNAMES, CITIES)
    return tuple([name for name in pool if split != "train" or name not in HELD_OUT] for pool in pools)


def named(words: Lexicon) -> Lexicon:
    """The lexicon with all names as nouns, and the cities also as adverbials."""
    nouns, adverbials = dict(words.nouns), dict(words.adverbials)
    for concept in PERSON_NAMES:
        first, last = (words.names[part][key] for part, key in zip(("first", "surname"), concept.split(), strict=True))
        forms = {"first": first["nom"], "first_acc": first.get("acc", ""), "last": last["nom"]}
        forms["last_acc"] = last.get("acc", "")
        subject, thing = (phrase.format(**forms) for phrase in words.naming[first["gender"]])
        nouns[concept] = (subject, thing, first["gender"])
    for concept in ORGANISATION_NAMES:
        what, name = concept.split()
        spelled = (words.names["surname"] | words.names["city"])[name]["nom"]
        phrase = words.organisations[what].format(name=spelled)
        nouns[concept] = (phrase, phrase, "n")
    for concept in CITIES:
        forms = words.names["city"][concept]
        thing, place = (phrase.format(**forms) for phrase in words.naming["city"])
        nouns[concept] = (thing, thing, "n")
        adverbials[IN + concept] = place
    return replace(words, nouns=nouns, adverbials=adverbials)


def sentence(rng: random.Random, split: str) -> Sentence:
    """A random sentence of one or two clauses, with the names that the split may use."""
    first, second = _clause(rng, split), _clause(rng, split)
    if rng.random() < 0.5 or {first.subject, first.object} & {second.subject, second.object}:
        return Sentence((first,))
    return Sentence((replace(first, negated=False), replace(second, negated=True)), "but")


def _clause(rng: random.Random, split: str) -> Clause:
    first, last, cities = _pool(split)
    person = f"{rng.choice(first)} {rng.choice(last)}"
    subject = person if rng.random() < 0.5 else rng.choice(PERSONS)
    verb = rng.choice(VERBS)
    choices = [rng.choice(things_for(verb))] if things_for(verb) else []
    if "person" in OBJECTS[verb]:
        choices += [rng.choice(PERSONS), f"{rng.choice(first)} {rng.choice(last)}"]
    if "building" in OBJECTS[verb]:
        choices.append(f"{rng.choice(ORGANISATIONS)} {rng.choice([*last, *cities])}")
    if verb in CITY_VERBS:
        choices.append(rng.choice(cities))
    while (thing := rng.choice(choices)) == subject:
        choices.remove(thing)
    place = None
    if rng.random() < 0.4:
        place = IN + rng.choice(cities) if rng.random() < 0.5 else rng.choice(ADVERBIALS)
    return Clause(subject, verb, thing, rng.random() < 0.3, place, place is not None and rng.random() < 0.5)
