"""Sentences of the miniature side by side in its languages, as a table of a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from xlgen.data.mini.grammar import Clause, Sentence, pieces, realise
from xlgen.data.mini.lexicon import Lexicon, lexicon

if TYPE_CHECKING:
    from IPython.display import HTML


def gloss(sentence: Sentence, words: Lexicon) -> str:
    """The concepts of a sentence in the order in which a language names them.

    >>> gloss(Sentence((Clause("doctor", "buy", "car", negated=True),)), lexicon("tr"))
    'doctor · car · not buy'
    """
    parts, clause = [], 0
    for piece in pieces(sentence, words):
        if not piece.slot:
            continue
        if piece.clause != clause:
            parts, clause = [*parts, sentence.link], piece.clause
        negated = piece.slot == "V" and sentence.clauses[clause].negated
        parts.append(("not " if negated else "") + piece.concept.replace("_", " "))
    return " · ".join(parts)


def order(words: Lexicon) -> str:
    """The places of subject, verb and object: ``"SVO"``, ``"SOV"``, …"""
    return "".join(piece.slot for piece in pieces(Sentence((Clause("doctor", "buy", "car"),)), words))


def table(pairs: Sequence[tuple[Sentence, Sentence]], codes: Iterable[str], caption: str) -> HTML:
    """Pairs of sentences, a block of rows for each language; under each sentence is its :func:`gloss`.

    Args:
        pairs: one row each.
        codes: of the languages.
        caption: of the table.
    """
    from IPython.display import HTML

    blocks = []
    for words in map(lexicon, codes):
        rows = ["".join(_spoken(sentence, words) for sentence in pair) for pair in pairs]
        blocks.append(f"<tbody><tr>{_named(words, len(pairs))}{'</tr><tr>'.join(rows)}</tr></tbody>")
    head = "".join(f'<th scope="col" style="text-align: left">{name}</th>' for name in ("language", "first", "second"))
    widths = "".join(f'<col style="width: {share}%">' for share in (20, 44, 36))
    return HTML(
        f'<table class="dataframe" style="width: 100%; table-layout: fixed"><caption>{caption}</caption>'
        f"<colgroup>{widths}</colgroup><thead><tr>{head}</tr></thead>{''.join(blocks)}</table>"
    )


def _spoken(sentence: Sentence, words: Lexicon) -> str:
    """A sentence in its own direction, and its gloss."""
    direction, side = ("rtl", "right") if words.rtl else ("ltr", "left")
    return (
        f'<td dir="{direction}" lang="{words.code}" style="text-align: {side}; font-size: 1.05em">'
        f'{realise(sentence, words)}<div dir="ltr" lang="en" style="text-align: {side}; font-size: 0.75em; '
        f'opacity: 0.8">{gloss(sentence, words)}</div></td>'
    )


def _named(words: Lexicon, rows: int) -> str:
    """The language's own name, its English one, script and word order."""
    return (
        f'<th scope="rowgroup" rowspan="{rows}" style="text-align: left; vertical-align: top; font-weight: normal">'
        f'<b dir="{"rtl" if words.rtl else "ltr"}" lang="{words.code}">{words.name}</b><br>'
        f"{words.english} ({words.code})<br>"
        f'<span style="font-size: 0.75em; opacity: 0.8">{words.script}, {order(words)}</span></th>'
    )
