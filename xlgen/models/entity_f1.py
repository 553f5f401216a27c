r"""F1 of tagged chunks: how entities are scored, and how hu2020xtreme's script scores parts of speech.

A chunk is a stretch of words with a type; the F1 of a language is the harmonic mean of precision and recall over all
its chunks (micro average). What a chunk is follows the default mode of nakayama2018seqeval, which hu2020xtreme calls:
the first letter of a tag is its prefix and the rest its type; ``B-`` always begins a chunk, and so does an ``I-`` after
``O`` or after another type.

Parts of speech are read by the same rule, although they have no prefix, and that has consequences. Only a change of
type begins a chunk, so that adjacent equal tags are *one* chunk, which counts only if all of it is right, and both its
ends: F1 is mostly some points below the accuracy (xlm-roberta-large: 74.2 where its accuracy is 78.2). ``CCONJ`` and
``SCONJ`` are the same type, ``CONJ``, and an ``X`` at the end of a sentence is no chunk at all. Published "UDPOS"
numbers are this F1 or the accuracy; the measures ``f1`` and ``accuracy`` give both.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from xlgen.models.evaluate import Predictions


def chunks(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """The chunks in a sequence of tags: type, first place, last place.

    >>> sorted(chunks(["B-PER", "I-PER", "O", "I-LOC", "B-LOC"]))
    [('LOC', 3, 3), ('LOC', 4, 4), ('PER', 0, 1)]
    >>> sorted(chunks(["DET", "NOUN", "NOUN"]))
    [('ET', 0, 0), ('OUN', 1, 2)]
    """
    spans, start, prefix, kind = set(), 0, "O", ""
    for i, tag in enumerate([*tags, "O"]):
        now, type_ = tag[0], tag[1:].split("-", 1)[-1] or "_"
        ends = prefix in "ES" or (prefix in "BI" and now in "BSO") or (prefix != "O" and type_ != kind)
        starts = now in "BS" or (prefix in "ESO" and now in "EI") or (now != "O" and type_ != kind)
        if ends:
            spans.add((kind, start, i - 1))
        if starts:
            start = i
        prefix, kind = now, type_
    return spans


def chunk_counts(predictions: Predictions, names: Sequence[str]) -> Tensor:
    """Chunks of each sentence that are right, predicted and true: (N, 3), int64.

    Args:
        predictions: of the words of all sentences.
        names: tags by class index.
    """
    # All sentences in one sequence with an O after each, as nakayama2018seqeval does: with parts of speech, a chunk may
    # be said to begin in the sentence before (an X at the beginning), and has to match in that, too.
    lengths = predictions.example.unique_consecutive(return_counts=True)[1]
    sentence = torch.arange(len(lengths)).repeat_interleave(lengths + 1)
    place = torch.arange(len(predictions)) + torch.arange(len(lengths)).repeat_interleave(lengths)
    counts = []
    for classes in (predictions.logits.argmax(dim=1), predictions.labels):
        tags = ["O"] * len(sentence)
        for at, number in zip(place.tolist(), classes.tolist(), strict=True):
            tags[at] = names[number]
        counts.append(chunks(tags))
    mine, true = counts
    ends = [torch.tensor([end for _, _, end in part], dtype=torch.int64) for part in (mine & true, mine, true)]
    return torch.stack([torch.bincount(sentence[end], minlength=len(lengths)) for end in ends], dim=1)


def f1_of(counts: Tensor) -> Tensor:
    """(..., 3) counts to (...) values; 0 where nothing is predicted and nothing true."""
    right, predicted, true = counts.double().unbind(-1)
    return 2 * right / (predicted + true).clamp(min=1)
