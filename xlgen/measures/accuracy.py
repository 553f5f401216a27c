"""Accuracy and cross-entropy of each language: what the generalisation measures are meant to predict.

Both are means over units: the examples of classification, the words of tagging. Words of one sentence are not
independent, so in tagging the standard error is clustered by sentence.
"""

from __future__ import annotations

import math
from typing import Any

from xlgen.measures.base import MEASURES, Subject, Value
from xlgen.measures.blocks import blocks
from xlgen.measures.sampling import clustered
from xlgen.models.evaluate import losses


@MEASURES.register("accuracy")
def accuracy(subject: Subject) -> dict[str, Value]:
    """Compute the share of units whose most probable class is the label.

    acc = 1/U Σ_u 1[argmax_j f_j(x_u) = y_u], with the binomial standard error √(acc (1 - acc) / U); in tagging that
    clustered by sentence, see :func:`xlgen.measures.sampling.clustered`.

    Returns:
        Per language, a value in [0, 1]; ``n`` counts the units.
    """
    result = {}
    for language, predictions in subject.predictions.items():
        n = len(predictions)
        right = (predictions.logits.argmax(dim=1) == predictions.labels).double()
        share = right.mean().item()
        binomial = math.sqrt(share * (1 - share) / n)
        error = binomial if subject.kind == "sequence" else clustered(right, predictions.example)
        result[language] = _value(share, error, n, subject, blocks(right, predictions.example))
    return result


@MEASURES.register("loss")
def loss(subject: Subject) -> dict[str, Value]:
    """Compute the mean cross-entropy L = -1/U Σ_u log p(y_u|x_u) [nats], with its standard error over examples."""
    result = {}
    for language, predictions in subject.predictions.items():
        per_unit = losses(predictions)
        n = len(per_unit)
        error = clustered(per_unit, predictions.example)
        extra = blocks(per_unit, predictions.example)
        result[language] = _value(per_unit.mean().item(), error, n, subject, extra)
    return result


def _value(value: float, error: float | None, n: int, subject: Subject, extra: dict[str, Any]) -> Value:
    return Value(value, error, n, f"{subject.split}, true labels, eval mode", "examples", extra=extra)
