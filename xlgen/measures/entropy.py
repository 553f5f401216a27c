"""Entropy of the predictions: of each, and of their mean.

H = -1/U Σ_u Σ_j p_j(x_u) log p_j(x_u)   [nats], how undecided the model is

H(p̄) = -Σ_j p̄_j log p̄_j, p̄ = 1/U Σ_u p(x_u)   [nats], how evenly it uses the classes (its negative is the dispersity
that deng2023confidence adds to confidence)
"""

from __future__ import annotations

import torch
from torch import Tensor

from xlgen.measures.base import MEASURES, Predictions, Subject, Value, label_free
from xlgen.measures.blocks import blocks
from xlgen.measures.sampling import clustered


def entropies(predictions: Predictions) -> Tensor:
    """H(p(x_u)) of every unit, (U,), float64 [nats]."""
    return torch.special.entr(predictions.log_probs.exp()).sum(dim=1)


@MEASURES.register("entropy")
@label_free
def entropy(subject: Subject) -> dict[str, Value]:
    """Average the entropy of the predictions over the units [nats], in [0, log C].

    Returns:
        Per language, the value, with its standard error over examples, clustered by sentence in tagging.
    """
    result = {}
    for language, predictions in subject.predictions.items():
        per_unit = entropies(predictions)
        result[language] = _value(per_unit.mean().item(), per_unit, predictions, subject)
    return result


@MEASURES.register("entropy_of_mean")
@label_free
def entropy_of_mean(subject: Subject) -> dict[str, Value]:
    """Compute the entropy of the mean prediction [nats], in [0, log C].

    Returns:
        Per language, the value. Its standard error is the delta method's, that of the mean of -Σ_j p_j(x_u) log p̄_j;
        it is 0 where all classes are used alike, because the entropy is then at its maximum.
    """
    result = {}
    for language, predictions in subject.predictions.items():
        p = predictions.log_probs.exp()
        mean = p.mean(dim=0)
        value = torch.special.entr(mean).sum().item()
        terms = -torch.special.xlogy(p, mean).sum(dim=1)
        result[language] = _value(value, terms, predictions, subject)
    return result


def _value(value: float, per_unit: Tensor, predictions: Predictions, subject: Subject) -> Value:
    on = f"{subject.split}, no labels, eval mode"
    error, extra = clustered(per_unit, predictions.example), blocks(per_unit, predictions.example)
    return Value(value, error, len(per_unit), on, "examples", extra=extra)
