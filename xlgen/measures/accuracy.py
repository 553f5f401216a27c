"""Accuracy and cross-entropy of each language: what the generalisation measures are meant to predict."""

from __future__ import annotations

import math

from xlgen.evaluate import losses
from xlgen.measures.base import MEASURES, Subject, Value


@MEASURES.register("accuracy")
def accuracy(subject: Subject) -> dict[str, Value]:
    """Compute the share of examples whose most probable class is the label.

    acc = 1/N Σ_i 1[argmax_j f_j(x_i) = y_i], with the binomial standard error √(acc (1 - acc) / N).

    Returns:
        Per language, a value in [0, 1].
    """
    result = {}
    for language, predictions in subject.predictions.items():
        n = len(predictions)
        share = (predictions.logits.argmax(dim=1) == predictions.labels).double().mean().item()
        stderr = math.sqrt(share * (1 - share) / n)
        result[language] = Value(share, stderr, n, f"{subject.split}, true labels, eval mode", "examples")
    return result


@MEASURES.register("loss")
def loss(subject: Subject) -> dict[str, Value]:
    """Compute the mean cross-entropy L = -1/N Σ_i log p(y_i|x_i) [nats], with its standard error over examples."""
    result = {}
    for language, predictions in subject.predictions.items():
        each = losses(predictions)
        n = len(each)
        stderr = each.std().item() / math.sqrt(n) if n > 1 else None
        result[language] = Value(each.mean().item(), stderr, n, f"{subject.split}, true labels, eval mode", "examples")
    return result
