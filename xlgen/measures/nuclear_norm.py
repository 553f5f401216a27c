"""Nuclear norm of the matrix of predictions [deng2023confidence].

‖P‖_* / √(min(U, C) U), the sum of the singular values of the (U, C) matrix of probabilities over its largest possible
value. It is high where predictions are confident *and* spread over the classes.
"""

from __future__ import annotations

import math

import torch

from xlgen.measures.base import MEASURES, Subject, Value, label_free
from xlgen.measures.blocks import blocks
from xlgen.measures.sampling import clustered


@MEASURES.register("nuclear_norm")
@label_free
def nuclear_norm(subject: Subject) -> dict[str, Value]:
    """Compute the nuclear norm of the probabilities, as a share of the largest possible.

    Returns:
        Per language, a value in (0, 1]. The standard error is the delta method's: with G = PᵀP / U the value is
        tr(G^½) / √C for U ≥ C, so that it is that of the mean of pᵀ G^(-½) p / (2 √C), clustered by sentence in
        tagging.
    """
    result = {}
    for language, predictions in subject.predictions.items():
        p = predictions.log_probs.exp()
        units, classes = p.shape
        _, singular, right = torch.linalg.svd(p, full_matrices=False)
        scale = math.sqrt(min(units, classes) * units)
        there = singular > singular[0] * 1e-12
        per_unit = (p @ right[there].T).square() @ (1 / singular[there]) * (units / (2 * scale))
        on = f"{subject.split}, no labels, eval mode"
        error, extra = clustered(per_unit, predictions.example), blocks(per_unit, predictions.example)
        result[language] = Value(singular.sum().item() / scale, error, units, on, "examples", extra=extra)
    return result
