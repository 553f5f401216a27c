r"""The trace of the Fisher information matrix, and the quantity that the Fisher penalty puts in its place.

.. math::

    \mathrm{Tr} F = E_x E_{y \sim p_\theta(y|x)} \| g(x, y) \|^2, \qquad
    g(x, y) = \nabla_\theta \log p_\theta(y | x)

[stickland2021regularising, section 2; jastrzebski2021catastrophic]. stickland2021regularising regress accuracy
on it; both penalise :math:`\|\bar g\|^2`, the squared norm of the mean gradient of a batch, which is written with the
true labels and computed with labels drawn from the model. For those :math:`E \|\bar g\|^2 = \mathrm{Tr} F / B` with B
examples in a batch. For true labels the gradients of a batch do not cancel, and it is another quantity, which goes to
zero with the gradient of the loss.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from xlgen.core.coerce import AtLeast0
from xlgen.core.errors import TrainingError
from xlgen.data.batch import Batch, scored
from xlgen.fisher import trace
from xlgen.fisher.labels import LABELS, draw
from xlgen.measures.base import MEASURES, Subject, Value
from xlgen.measures.blocks import blocks
from xlgen.models.evaluate import differentiable, evaluating, subset
from xlgen.models.perturb import norm

log = logging.getLogger(__name__)


@MEASURES.register("fisher_trace")
def fisher_trace(
    subject: Subject, *, labels: Literal[LABELS] = "model", examples: AtLeast0 = 0, proxy: bool = True, seed: int = 0
) -> dict[str, Value]:
    r"""Compute Tr F per language: the mean squared norm of the gradients of single examples.

    Exact given the examples, all floating-point parameters and in eval mode. An example's log-likelihood is the sum
    over its units, so that in tagging Tr F grows with the length of sentences; ``extra`` has it per unit. A sentence
    that was cut in pieces is one example: its gradient is the sum of theirs.

    Args:
        subject: model and examples; the model is left exactly as it was.
        labels: ``"model"``, the mean over the model's own labels in closed form, which is the definition of F and
            neither noisy nor affected by wrong labels; it takes C - 1 backward passes for C classes, and in tagging
            that times the words of the longest sentence. ``"sample"``, one label drawn per unit: one backward pass,
            for tagging with many classes. ``"true"``, the labels given: the "empirical" Fisher information, which
            falls with the training loss and is no Fisher information away from its minimum (kunstner2019limitations).
        examples: use only the first examples of the split; 0 for all.
        proxy: also compute :math:`B \|\bar g\|^2` (one more forward and backward pass over the examples).
        seed: of the labels drawn for ``"sample"`` and for the proxy; the same draw for every language.

    Returns:
        Per language Tr F [nats² / parameter²], its standard error over examples, sentences in tagging (with
        ``"sample"`` that includes the noise of the labels), and in ``extra``: ``per_unit``; ``proxy``,
        :math:`B \|\bar g\|^2` averaged over batches in proportion to their examples (a piece of a sentence is a part of
        one), with sampled labels (true ones for ``"true"``); ``proxy_stderr`` over batches; ``proxy_batch``, the B of
        its batches (all but the last of a length have it).

    Raises:
        UnknownName: no such labels.
        ConfigError: a setting is out of its range.
        TrainingError: a value is not finite.
    """
    result = {}
    for language, batches in subject.batches.items():
        log.info("fisher_trace: %s", language)
        part = subset(batches, examples)
        traced = trace(subject.model, part, labels, generator=torch.Generator().manual_seed(seed))
        extra: dict[str, Any] = {"per_unit": traced.values.sum().item() / sum(batch.units for batch in part)}
        extra |= blocks(traced.values, traced.index)
        if proxy:
            kind = "true" if labels == "true" else "sample"
            extra |= _proxy(subject.model, part, kind, torch.Generator().manual_seed(seed))
        names = {"model": "the model's labels", "sample": "labels sampled from the model", "true": "true labels"}
        on = f"{subject.split}, {names[labels]}, eval mode, all parameters"
        result[language] = Value(traced.mean, traced.stderr, len(traced), on, "examples", extra=extra)
    return result


def _proxy(model: nn.Module, batches: Sequence[Batch], labels: str, generator: torch.Generator) -> dict[str, Any]:
    """B ||mean gradient of a batch||², averaged over the batches with weights B, their examples."""
    values, sizes = [], _sizes(batches)
    for batch, size in zip(batches, sizes.tolist(), strict=True):
        with evaluating(model), differentiable(model), torch.enable_grad():
            logits, y = scored(model(**batch.inputs).logits, batch.labels)
            if labels == "sample":
                y = draw(logits.detach().double().softmax(dim=-1), generator)
            wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
            (functional.cross_entropy(wide, y, reduction="sum") / size).backward()
            values.append(size * norm(p.grad for p in model.parameters() if p.grad is not None) ** 2)
    if not all(map(math.isfinite, values)):
        raise TrainingError("the gradient of a batch is not finite; check the model's weights.")
    value = torch.tensor(values, dtype=torch.float64)
    mean = (sizes * value).sum() / sizes.sum()
    error = ((sizes / sizes.sum() * (value - mean)).square().sum() * len(values) / max(len(values) - 1, 1)).sqrt()
    return {
        "proxy": mean.item(),
        "proxy_stderr": error.item() if len(values) > 1 else None,
        "proxy_batch": round(sizes.max().item()),
    }


def _sizes(batches: Sequence[Batch]) -> Tensor:
    """Examples of each batch, float64: each of k pieces of a sentence counts 1/k."""
    index = torch.cat([batch.index for batch in batches]).cpu()
    _, place, rows = index.unique(return_inverse=True, return_counts=True)
    shares = (1 / rows.double())[place].split([len(batch) for batch in batches])
    return torch.stack([share.sum() for share in shares])
