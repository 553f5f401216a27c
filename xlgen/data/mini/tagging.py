"""The two tagging tasks of the miniature: parts of speech and names, gold-tagged and parallel.

``mini-udpos``: random sentences of the grammar with universal parts of speech (nivre2020universal), in the languages of
UDPOS. What a word is follows each language's treebank where it has that word: articles ``DET``, prepositions,
postpositions and case particles ``ADP``, negation ``PART`` or ``ADV``, the second verb of Hindi's compounds ``AUX``.
Words are as in UDPOS: contractions stay one word with the tag of their head (German *am*, Greek *στον*, Spanish *al*
are ``ADP``; Arabic *w-* "and" stays with the next word), French elision is cut (*l'* *école*), and Chinese, Japanese
and Thai are cut by the lexicon. Simplified: the words of Vietnamese are its written syllables, each with the tag of the
whole word (UDPOS joins them), and its *không* and *và* are the ``ADV`` and ``CCONJ`` of the guidelines (the treebank
has ``X`` and ``SCONJ``); Japanese nouns are whole where the treebank cuts them (*裁判* *官*); only 13 of the 17 tags
occur.

``mini-wikiann``: names of persons, cities and organisations in IOB2, in the languages of WikiAnn. Persons have a first
name and a surname, organisations are a hotel, school or hospital called after a person or a city, so that the same
word is part of a person in one sentence and of an organisation in another, and cities are places or objects. The same
nouns without a name (*the hotel*) are ``O``. Names that carry a case ending (Turkish *Oslo'yu*) or a particle (Korean)
are one word with it. Simplified: all names are written in the script of the language and, but for Russian women's first
names and Turkish, do not decline; Russian names of hotels have no quotation marks; and the words of Chinese, Japanese
and Thai are words, where WikiAnn has single characters, on which the miniature's encoder scores 0.

A third of the first names, surnames and cities never occur in training (:data:`HELD_OUT`); ``dev`` and ``test`` draw
from all, so that half of the names have a part that is new. Giving each word the tag that it mostly has in training
scores less than 0.5 in English; the shipped encoder, fine-tuned, about 0.8.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from xlgen.core.errors import DataError, UnknownName
from xlgen.data.mini import corpus, names
from xlgen.data.mini.grammar import SPACE, Piece, Sentence, capital, phrases
from xlgen.data.mini.lexicon import Lexicon, lexicon
from xlgen.data.mini.names import HELD_OUT
from xlgen.data.read_tagged import TaggedRows

__all__ = ["HELD_OUT", "SIZES", "rows", "sentences", "tagged"]

SIZES = {"train": 10_000, "dev": 1_000, "test": 1_000}

Word = tuple[str, str]
"""A word and its tag."""

_ELISION = {"fr": r"(?:[cdjlmnst]|qu)'(?=\w)|"}
_UNSPACED = r"[、。，]|[^\s、。，]+"
_PUNCTUATION = frozenset(",.،۔।、。，")


def _words(phrase: str, words: Lexicon) -> list[str]:
    """The words of a phrase of a language with spaces: punctuation and French elision cut off."""
    return re.findall(_ELISION.get(words.code, "") + r"[,.،۔।]|[^\s,.،۔।]+", phrase)


def parts_of_speech(piece: Piece, words: Lexicon) -> list[Word]:
    """The words of a phrase with their universal parts of speech."""
    phrase = piece.text.replace(SPACE, " ").strip()
    tags = [tag.rpartition("/") for tag in words.pos.get(phrase, "").split()]
    if len(tags) > 1:
        spelled = [word for word, _, _ in tags] if tags[0][0] else _words(phrase, words)
        return list(zip(spelled, (tag for _, _, tag in tags), strict=True))
    default = "VERB" if piece.slot == "V" else "NOUN"
    if words.space:
        return [(word, _tag(word, words, default)) for word in _words(phrase, words)]
    return [part for word in re.findall(_UNSPACED, phrase) for part in _cut(word, words, default)]


def _tag(word: str, words: Lexicon, default: str) -> str:
    return "PUNCT" if word in _PUNCTUATION else words.pos.get(word, default)


def _cut(phrase: str, words: Lexicon, default: str) -> list[Word]:
    """Cut the listed beginnings and ends off a phrase written without spaces."""
    if phrase in words.pos or phrase in _PUNCTUATION:
        return [(phrase, _tag(phrase, words, default))]
    for key, tag in words.pos.items():
        affix = key.strip("-")
        if key.endswith("-") and phrase.startswith(affix) and phrase != affix:
            return [(affix, tag), *_cut(phrase.removeprefix(affix), words, default)]
        if key.startswith("-") and phrase.endswith(affix) and phrase != affix:
            return [*_cut(phrase.removesuffix(affix), words, default), (affix, tag)]
    return [(phrase, default)]


def entities(piece: Piece, words: Lexicon) -> list[Word]:
    """The words of a phrase with IOB2 tags; the name is what its square brackets hold."""
    before, _, rest = piece.text.replace(SPACE, " ").partition("[")
    name, _, after = rest.partition("]")
    kind = names.kind(piece.concept) if name else ""
    if not words.space:
        around = [[(word, "O") for word, _ in parts_of_speech(Piece(part), words)] for part in (before, after)]
        inside = [(word, f"{'I' if i else 'B'}-{kind}") for i, word in enumerate(name.split())]
        return [*around[0], *inside, *around[1]]
    tags, at = [], 0
    begin, end = len(before), len(before) + len(name)
    text = before + name + after
    for word in _words(text, words):
        at = text.index(word, at)
        # An ending that is written together with the name is part of its last word.
        inside = at < end and at + len(word) > begin
        tags.append((word, f"{'I' if at > begin else 'B'}-{kind}" if inside else "O"))
        at += len(word)
    return tags


def tagged(sentence: Sentence, words: Lexicon, tag: Callable[[Piece, Lexicon], list[Word]]) -> list[Word]:
    """The words of a sentence with their tags."""
    spelled: list[Word] = []
    clitic, parts = "", [piece for piece in phrases(sentence, words) if piece.text]
    for piece, following in zip(parts, [*parts[1:], Piece(" ")], strict=True):
        part = tag(piece, words)
        if clitic:
            part[0] = (clitic + part[0][0], part[0][1])
        # Arabic "and" is written together with the next word, whatever that is.
        joined = words.space and piece.text[-1].isalpha() and following.text[0].isalpha()
        clitic = part.pop()[0] if joined else ""
        spelled += part
    return [(capital(spelled[0][0], words.code), spelled[0][1]), *spelled[1:]]


@dataclass(frozen=True)
class _Recipe:
    draw: Callable[[random.Random, str], Sentence]
    tag: Callable[[Piece, Lexicon], list[Word]]


_RECIPES = {
    "mini-udpos": _Recipe(lambda rng, split: corpus.sentence(rng), parts_of_speech),
    "mini-wikiann": _Recipe(names.sentence, entities),
}


@cache
def sentences(task: str, split: str) -> tuple[Sentence, ...]:
    """The split of a task in concepts; no sentence is in two splits."""
    if task not in _RECIPES:
        raise UnknownName("miniature task", task, _RECIPES)
    if split not in SIZES:
        raise UnknownName("split", split, SIZES)
    # Test and dev come first, so a longer training split leaves them alone.
    order = ("test", "dev", "train")
    taken = {sentence for earlier in order[: order.index(split)] for sentence in sentences(task, earlier)}
    return tuple(_distinct(task, split, taken))


def _distinct(task: str, split: str, taken: set[Sentence]) -> Iterator[Sentence]:
    rng, seen = random.Random(f"xlgen {task} {split} 1"), set(taken)
    while len(seen) < len(taken) + SIZES[split]:
        sentence = _RECIPES[task].draw(rng, split)
        if sentence not in seen:
            seen.add(sentence)
            yield sentence


@cache
def rows(task: str, language: str, split: str, labels: tuple[str, ...]) -> TaggedRows:
    """The sentences of a split in a language; a tag is its place in ``labels``."""
    if split == "train" and language != "en":
        raise DataError(f"{task} has training sentences in English only; {language!r} has dev and test.")
    chosen, words = sentences(task, split), lexicon(language)
    if task == "mini-wikiann":
        words = names.named(words)
    index = {label: i for i, label in enumerate(labels)}
    tagged_sentences = [tagged(sentence, words, _RECIPES[task].tag) for sentence in chosen]
    return TaggedRows(
        tuple(tuple(word for word, _ in sentence) for sentence in tagged_sentences),
        tuple(tuple(index[tag] for _, tag in sentence) for sentence in tagged_sentences),
    )
