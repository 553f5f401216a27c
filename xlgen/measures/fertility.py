"""What the tokenizer makes of a language: sub-words per word, and the share of unknown ones [rust2021good].

fertility = Σ_i s_i / Σ_i w_i,   unknown_rate = Σ_i n_i / Σ_i s_i

over the examples i with w_i words, s_i sub-words (special ones left out, nothing cut off) and n_i unknown sub-words.
Words are those of the data in tagging, and what stands between spaces elsewhere. No model is run.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from xlgen.core.errors import ConfigError
from xlgen.data.read_pairs import Rows
from xlgen.data.read_tagged import TaggedRows
from xlgen.measures.base import MEASURES, Subject, Value, label_free
from xlgen.measures.blocks import blocks

UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")
"""Scripts without spaces between words, as the names of their characters begin."""


@MEASURES.register("fertility")
@label_free
def fertility(subject: Subject) -> dict[str, Value]:
    """Count sub-words per word [1].

    Returns:
        Per language, a value >= 1 with its standard error as a ratio of totals over examples. ``extra``:
        ``per_character``, sub-words a character (spaces left out), which every script has. The status is ``"unspaced"``
        where most letters belong to a script without spaces between words: there are no words to count.
    """
    result = {}
    for language, rows in _texts(subject).items():
        sub_words, _ = _segmented(rows, subject.tokenizer)
        words, characters, unspaced = _counted(rows)
        value, error, parts = ratio(sub_words, words)
        extra = {"per_character": ratio(sub_words, characters)[0]}
        status = "unspaced" if unspaced else "ok"
        if unspaced:
            value, error, parts = math.nan, None, {}
        result[language] = Value(value, error, len(rows), f"{subject.split}, text", "examples", status, extra | parts)
    return result


@MEASURES.register("unknown_rate")
@label_free
def unknown_rate(subject: Subject) -> dict[str, Value]:
    """Compute the share of sub-words that are the unknown one.

    Returns:
        Per language, a value in [0, 1] with its standard error as a ratio of totals over examples.
    """
    result = {}
    for language, rows in _texts(subject).items():
        sub_words, unknown = _segmented(rows, subject.tokenizer)
        value, error, parts = ratio(unknown, sub_words)
        result[language] = Value(value, error, len(rows), f"{subject.split}, text", "examples", extra=parts)
    return result


def ratio(x: Tensor, y: Tensor) -> tuple[float, float | None, dict[str, list[float]]]:
    """R = Σ x_i / Σ y_i, its linearised error √(N/(N-1) Σ_i (x_i - R y_i)²) / Σ y_i, and its blocks.

    The error is ``None`` with one example.
    """
    n, total = len(x), y.sum().item()
    value = x.sum().item() / total
    residuals = x - value * y
    error = math.sqrt(n / (n - 1) * residuals.square().sum().item()) / total if n > 1 else None
    return value, error, blocks(residuals * n / total, torch.arange(n))


def _texts(subject: Subject) -> dict[str, Rows | TaggedRows]:
    if not subject.texts or subject.tokenizer is None:
        raise ConfigError(
            "this measure counts sub-words in texts, which the subject lacks; give it `texts` and a `tokenizer`, or "
            "measure through xlgen.measures.measuring."
        )
    return dict(subject.texts)


def _segmented(rows: Rows | TaggedRows, tokenizer) -> tuple[Tensor, Tensor]:
    """Sub-words of each example, and how many of them are unknown: (N,) each, float64."""

    def counts(texts: Sequence[str]) -> Tensor:
        options = dict(add_special_tokens=False, return_attention_mask=False, return_token_type_ids=False)
        ids = tokenizer(list(texts), **options)["input_ids"]
        return torch.tensor([[len(row), row.count(tokenizer.unk_token_id)] for row in ids], dtype=torch.float64)

    if isinstance(rows, TaggedRows):  # each word by itself, as they are encoded
        words = list(dict.fromkeys(word for sentence in rows.words for word in sentence))
        of = dict(zip(words, counts(words), strict=True))
        sums = torch.stack([sum((of[word] for word in sentence), torch.zeros(2)) for sentence in rows.words])
    else:
        sums = counts(rows.first) + counts(rows.second)
    return sums[:, 0], sums[:, 1]


def _counted(rows: Rows | TaggedRows) -> tuple[Tensor, Tensor, bool]:
    """Words and characters of each example, (N,) each, and whether there are no words for want of spaces."""
    tagged = isinstance(rows, TaggedRows)
    words = rows.words if tagged else [(a + " " + b).split() for a, b in zip(rows.first, rows.second, strict=True)]
    number = torch.tensor([len(row) for row in words], dtype=torch.float64)
    characters = torch.tensor([sum(map(len, row)) for row in words], dtype=torch.float64)
    letters = [_unspaced(c) for row in words for word in row for c in word if c.isalpha()]
    return number, characters, not tagged and 2 * sum(letters) > len(letters)


@cache
def _unspaced(character: str) -> bool:
    return unicodedata.name(character, "").startswith(UNSPACED)
