"""Agreement of dropout masks: how often the model predicts the same class with other units switched off.

A = 1/U Σ_u 2 / (K (K - 1)) Σ_{k<l} 1[argmax_j f_j^k(x_u) = argmax_j f_j^l(x_u)]

with f^k the model under the k-th dropout mask. The agreement of two independently trained models forecasts accuracy
where the two are calibrated together [jiang2022disagreement]; masks of one model stand in for models and agree more.
:func:`xlgen.measures.logits.agreement` compares models.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xlgen.core.device import forked, seed_of
from xlgen.core.errors import ConfigError, ModelError
from xlgen.data.batch import scored
from xlgen.measures.base import MEASURES, Subject, Value, label_free
from xlgen.measures.blocks import blocks
from xlgen.measures.sampling import clustered
from xlgen.models.evaluate import Predictions, evaluating, gather


@MEASURES.register("dropout_agreement")
@label_free
def dropout_agreement(subject: Subject, *, masks: int = 4, seed: int = 0) -> dict[str, Value]:
    """Average over pairs of dropout masks the share of units that both label alike.

    Args:
        subject: model and examples.
        masks: K, at least 2: forward passes in training mode, every example with a mask of its own in each.
        seed: of the masks.

    Returns:
        Per language, a value in [0, 1], with its standard error over examples, clustered by sentence in tagging; the
        masks are independent between examples, so it holds their noise too.

    Raises:
        ConfigError: fewer than two masks.
        ModelError: the model has no dropout, so that all masks are one.
    """
    if masks < 2:
        raise ConfigError(f"masks is {masks}; expected at least 2, to compare.")
    model, examples = subject.model, dict(subject.batches)
    if not any(isinstance(module, nn.Dropout) and module.p > 0 for module in model.modules()):
        raise ModelError("the model has no dropout, so that its masks always agree; use the measure 'confidence'.")
    result = {}
    for language, batches in examples.items():
        passes = [_pass(model, batches, language, seed_of("dropout", seed, language, k)) for k in range(masks)]
        agreed = agreement([p.logits.argmax(dim=1) for p in passes])
        on = f"{subject.split}, no labels, {masks} dropout masks"
        error, extra = clustered(agreed, passes[0].example), blocks(agreed, passes[0].example)
        result[language] = Value(agreed.mean().item(), error, len(agreed), on, "examples", extra=extra)
    return result


def agreement(classes: list[Tensor]) -> Tensor:
    """Share of the pairs of K predictions, (U,) each, that are equal: (U,), float64."""
    pairs = [(a == b).double() for k, a in enumerate(classes) for b in classes[:k]]
    return torch.stack(pairs).mean(dim=0)


def _pass(model: nn.Module, batches, language: str, seed: int) -> Predictions:
    with evaluating(model), forked(batches[0].labels.device), torch.no_grad():
        torch.manual_seed(seed)
        model.train()  # `evaluating` gives every module its own mode back
        return gather([scored(model(**b.inputs).logits, b.labels)[0] for b in batches], batches, language)
