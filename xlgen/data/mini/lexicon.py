"""Lexicons: one hand-written text file a language, read and checked here.

A lexicon holds whole surface phrases: articles, case endings, particles and agreement are written out, so that the
realiser only concatenates. ``[verb]`` declares its forms: ``pos`` and ``neg``, and where the language needs them
``.f`` (the subject is grammatically feminine) and ``.p`` (the object is a person).

Two kinds of sections serve the tagged tasks only. ``[pos]`` gives parts of speech: of a word, of a whole phrase (one
tag a word, or ``word/TAG`` where the phrase is written together), or of what is cut off the beginning (``x-``) or the
end (``-x``) of a phrase; words that are not listed are nouns, or verbs in the verb's place. ``[first]``, ``[surname]``
and ``[city]`` are names with the forms that differ, ``[naming]`` and ``[organisation]`` the phrases they stand in: the
two columns of ``[naming]`` are those of nouns for persons (by gender), and the object and the place for cities. Square
brackets are around what is the name.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from xlgen.core.errors import DataError, UnknownName
from xlgen.data.mini.world import SECTIONS

TEMPLATES = ("plain.pos", "plain.neg", "front.pos", "front.neg", "late.pos", "late.neg", "and", "but")


@dataclass(frozen=True)
class Lexicon:
    """The words of one language.

    Attributes:
        code: ISO 639-1 code.
        name: the language's own name; ``english`` its English one.
        rtl: written from right to left.
        space: words are separated by spaces.
        stop: what ends a sentence.
        templates: name to pattern, over ``{S} {V} {O} {A}`` for clauses and ``{c1} {c2}`` for pairs of clauses.
        nouns: concept to (subject phrase, object phrase, agreement class).
        verbs: concept to its forms by name.
        adverbials: concept to phrase.
        pos: word, phrase or affix to parts of speech.
        names: section (``first``, ``surname``, ``city``) to name to its forms.
        naming: ``m``, ``f`` and ``city`` to two phrases around a name.
        organisations: kind to object phrase around a ``{name}``.
    """

    code: str
    name: str
    english: str
    script: str
    rtl: bool
    space: bool
    stop: str
    templates: Mapping[str, str]
    nouns: Mapping[str, tuple[str, str, str]]
    verbs: Mapping[str, Mapping[str, str]]
    adverbials: Mapping[str, str]
    pos: Mapping[str, str]
    names: Mapping[str, Mapping[str, Mapping[str, str]]]
    naming: Mapping[str, tuple[str, str]]
    organisations: Mapping[str, str]

    def verb(self, concept: str, *, negated: bool, feminine: bool, person: bool) -> str:
        """The form of a verb; the most specific one that the language distinguishes."""
        forms = self.verbs[concept]
        base = "neg" if negated else "pos"
        marks = [".f"] * feminine + [".p"] * person
        for name in (base + "".join(marks), *(base + mark for mark in marks), base):
            if name in forms:
                return forms[name]
        raise KeyError(base)


def _sections(text: str, code: str) -> dict[str, tuple[tuple[str, ...], dict[str, tuple[str, ...]]]]:
    """Section name to (its column names, its rows)."""
    sections: dict[str, tuple[tuple[str, ...], dict[str, tuple[str, ...]]]] = {}
    rows: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        if line.startswith("["):
            name, _, columns = line[1:].partition("]")
            rows = {}
            sections[name] = (tuple(c.strip() for c in columns.split("|") if c.strip()), rows)
            continue
        key, equals, values = line.partition("=")
        if not equals or key.strip() in rows:
            raise DataError(f"lexicon {code}, line {number}: expected 'key = value' with a new key, got {line!r}.")
        rows[key.strip()] = tuple(v.strip() for v in values.split("|"))
    return sections


def parse(text: str, code: str) -> Lexicon:
    """Read a lexicon file's text.

    Raises:
        DataError: a concept or template is missing, unknown, or has the wrong number of forms.
    """
    text = unicodedata.normalize("NFC", text)
    sections = _sections(text, code)
    for section, concepts in {**SECTIONS, "templates": TEMPLATES}.items():
        columns, rows = sections.get(section, ((), {}))
        missing = [c for c in concepts if c not in rows]
        extra = [c for c in rows if c not in concepts and section != "templates"]
        ragged = [c for c, forms in rows.items() if len(forms) != max(len(columns), 1)]
        problems = (("lacks", missing), ("has unknown", extra), ("has the wrong number of forms in", ragged))
        for problem, names in problems:
            if names:
                raise DataError(f"lexicon {code}, section [{section}] {problem}: {', '.join(names)}.")
    about = {key: value[0] for key, value in sections["language"][1].items()}
    templates = {key: value[0] for key, value in sections["templates"][1].items()}
    verb_columns, verbs = sections["verb"]
    nouns = {**sections["person"][1], **sections["thing"][1], **sections["category"][1]}
    return Lexicon(
        code=code,
        name=about["name"],
        english=about["english"],
        script=about["script"],
        rtl=about["direction"] == "rtl",
        space=about["space"] == "yes",
        stop=templates.pop("stop", ""),
        templates=templates,
        nouns={concept: (forms[0], forms[1], forms[2]) for concept, forms in nouns.items()},
        verbs={concept: dict(zip(verb_columns, forms, strict=True)) for concept, forms in verbs.items()},
        adverbials={concept: forms[0] for concept, forms in sections["adverbial"][1].items()},
        pos={key: tags[0] for key, tags in sections.get("pos", ((), {}))[1].items()},
        names={name: _forms(*sections[name]) for name in ("first", "surname", "city")},
        naming={key: (phrases[0], phrases[1]) for key, phrases in sections["naming"][1].items()},
        organisations={kind: phrases[0] for kind, phrases in sections["organisation"][1].items()},
    )


def _forms(columns: tuple[str, ...], rows: dict[str, tuple[str, ...]]) -> dict[str, dict[str, str]]:
    return {key: dict(zip(columns, forms, strict=True)) for key, forms in rows.items()}


@cache
def languages() -> tuple[str, ...]:
    """Codes of all languages with a lexicon, English first."""
    folder = resources.files("xlgen.data.mini") / "lexicons"
    codes = sorted(entry.name.removesuffix(".txt") for entry in folder.iterdir() if entry.name.endswith(".txt"))
    return ("en", *(code for code in codes if code != "en"))


@cache
def lexicon(code: str) -> Lexicon:
    """The lexicon of a language; an unknown code is an error with a suggestion."""
    if code not in languages():
        raise UnknownName("language", code, languages())
    path = resources.files("xlgen.data.mini") / "lexicons" / f"{code}.txt"
    return parse(path.read_text(encoding="utf-8"), code)
