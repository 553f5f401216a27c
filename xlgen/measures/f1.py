"""F1 of tagged chunks, by :mod:`xlgen.models.entity_f1`."""

from __future__ import annotations

import torch
from torch import Tensor

from xlgen.core.errors import ConfigError
from xlgen.measures.base import MEASURES, Subject, Value
from xlgen.measures.sampling import resampled
from xlgen.models.entity_f1 import chunk_counts, f1_of


@MEASURES.register("f1")
def f1(subject: Subject) -> dict[str, Value]:
    r"""Compute F1 = 2 TP / (2 TP + FP + FN) over the chunks of all sentences, 0 where there are no chunks.

    The standard error is that of the bootstrap over sentences (efron1993bootstrap), drawn from a generator with a fixed
    seed, so that it is the same in every run.

    Returns:
        Per language, a value in [0, 1] with ``n`` sentences. ``extra``: ``precision``, ``recall`` and the number of
        true chunks, ``chunks``.

    Raises:
        ConfigError: the task has one label an example, so that there are no chunks.
    """
    if subject.kind != "token":
        raise ConfigError("f1 scores the chunks of tagged sentences; use the measure 'accuracy' for this task.")
    on = f"{subject.split}, true labels, eval mode"
    result = {}
    for language, predictions in subject.predictions.items():
        counts = chunk_counts(predictions, subject.labels)
        right, predicted, true = counts.sum(0).tolist()
        extra = {"precision": right / max(predicted, 1), "recall": right / max(true, 1), "chunks": int(true)}
        n = len(counts)
        result[language] = Value(f1_of(counts.sum(0)).item(), _stderr(counts), n, on, "examples", extra=extra)
    return result


def _stderr(counts: Tensor) -> float | None:
    """Standard deviation of F1 over bootstrap samples of the sentences (N, 3); ``None`` for a single sentence."""
    n = len(counts)
    return f1_of(torch.stack([counts[draw].sum(0) for draw in resampled(n)])).std().item() if n > 1 else None
