"""The concepts of the miniature world and what can be done to what.

Language plays no part here: a sentence is built from concepts first and put into words by
:mod:`xlgen.data.mini.grammar` afterwards, so that every example exists in all languages at once.
"""

from __future__ import annotations

PERSONS = tuple(
    "doctor teacher student farmer lawyer engineer cook soldier baker painter driver judge king thief hunter "
    "fisherman boy man father writer merchant neighbor nurse queen girl woman mother singer dancer princess".split()
)

CATEGORIES: dict[str, tuple[str, ...]] = {
    "fruit": ("apple", "banana", "lemon", "pear"),
    "vehicle": ("car", "bus", "bicycle", "train"),
    "animal": ("dog", "cat", "horse", "cow"),
    "furniture": ("table", "chair", "bed", "sofa"),
    "tool": ("hammer", "knife", "saw", "axe"),
    "building": ("house", "school", "hospital", "hotel"),
    "garment": ("shirt", "coat", "hat", "dress"),
    "instrument": ("guitar", "piano", "violin", "drum"),
    "flower": ("rose", "tulip", "lily", "sunflower"),
    "device": ("phone", "clock", "lamp", "radio"),
}
"""Hypernym to its members."""

THINGS = tuple(thing for members in CATEGORIES.values() for thing in members)
CATEGORY_OF = {thing: category for category, members in CATEGORIES.items() for thing in members}

ANTONYM_PAIRS = (
    ("buy", "sell"),
    ("find", "lose"),
    ("love", "hate"),
    ("push", "pull"),
    ("remember", "forget"),
    ("show", "hide"),
    ("praise", "criticize"),
    ("protect", "attack"),
    ("repair", "break"),
)
ANTONYM = {a: b for pair in ANTONYM_PAIRS for a, b in (pair, pair[::-1])}

_EVERY = tuple(CATEGORIES)
_MOVABLE = ("vehicle", "animal", "furniture", "instrument")
_MADE = ("vehicle", "furniture", "tool", "instrument", "device")
_NOT_BUILDING = tuple(c for c in CATEGORIES if c != "building")

OBJECTS: dict[str, tuple[str, ...]] = {
    "buy": _EVERY,
    "sell": _EVERY,
    "find": _NOT_BUILDING,
    "lose": _NOT_BUILDING,
    "love": (*_EVERY, "person"),
    "hate": (*_EVERY, "person"),
    "push": (*_MOVABLE, "person"),
    "pull": (*_MOVABLE, "person"),
    "remember": (*_EVERY, "person"),
    "forget": (*_EVERY, "person"),
    "show": _NOT_BUILDING,
    "hide": _NOT_BUILDING,
    "praise": (*_EVERY, "person"),
    "criticize": (*_EVERY, "person"),
    "protect": ("animal", "building", "flower", "vehicle", "person"),
    "attack": ("animal", "building", "flower", "vehicle", "person"),
    "repair": _MADE,
    "break": _MADE,
    "see": (*_EVERY, "person"),
    "visit": ("building", "person"),
    "invite": ("person",),
    "greet": ("person",),
    "choose": (*_EVERY, "person"),
    "draw": (*_EVERY, "person"),
}
"""Verb to the categories its object may come from; ``"person"`` stands for all persons."""

VERBS = tuple(OBJECTS)
PERSON_VERBS = tuple(verb for verb, kinds in OBJECTS.items() if "person" in kinds)
THING_VERBS = tuple(verb for verb, kinds in OBJECTS.items() if kinds != ("person",))

TIMES = "today now every_day in_the_morning in_the_evening at_night on_monday on_sunday in_summer in_winter".split()
PLACES = (
    "in_the_garden in_the_park in_the_city in_the_village at_the_market at_the_station on_the_street "
    "near_the_river".split()
)
ADVERBIALS = (*TIMES, *PLACES)

FIRST_NAMES = "mario leo hugo pablo bruno otto anna emma clara paola elena teresa".split()
SURNAMES = "rossi moretti conti leone romero navarro castillo quintero suzuki sato okello diallo".split()
CITIES = "oslo tokyo toronto chicago helsinki baku delhi monaco san_francisco monte_carlo".split()
ORGANISATIONS = "hotel school hospital".split()
PERSON_NAMES = tuple(f"{first} {last}" for first in FIRST_NAMES for last in SURNAMES)
ORGANISATION_NAMES = tuple(f"{kind} {name}" for kind in ORGANISATIONS for name in (*SURNAMES, *CITIES))
CITY_VERBS = tuple(verb for verb, kinds in OBJECTS.items() if "building" in kinds and verb not in ("buy", "sell"))
"""Verbs whose object may be a city."""

SECTIONS: dict[str, tuple[str, ...]] = {
    "person": PERSONS,
    "thing": THINGS,
    "category": tuple(CATEGORIES),
    "verb": VERBS,
    "adverbial": ADVERBIALS,
    "first": tuple(FIRST_NAMES),
    "surname": tuple(SURNAMES),
    "city": tuple(CITIES),
    "naming": ("m", "f", "city"),
    "organisation": tuple(ORGANISATIONS),
}
"""Sections of a lexicon file and the concepts each must hold."""


def things_for(verb: str) -> tuple[str, ...]:
    """Things that can be the object of ``verb``."""
    return tuple(thing for kind in OBJECTS[verb] if kind != "person" for thing in CATEGORIES[kind])
