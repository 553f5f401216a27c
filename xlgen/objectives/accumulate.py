r"""The gradient of a mean over the units of all micro-batches of one optimizer step.

.. math:: \nabla \frac{1}{B} \sum_{i=1}^{B} \ell_i = \sum_m \frac{B_m}{B} \nabla \frac{1}{B_m} \sum_{i \in m} \ell_i

so that the result does not depend on how the ``B`` units (examples, or words in tagging) were cut into micro-batches
of ``B_m``.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xlgen.batch import Batch, count, scored
from xlgen.errors import TrainingError
from xlgen.objectives.base import Step

Terms = Callable[[Batch], tuple[Tensor, Mapping[str, Tensor]]]
"""Of one micro-batch: the mean to differentiate, and means to log; ``"loss"`` among them is the cross-entropy."""


def accumulate(batches: Sequence[Batch], step: Step, terms: Terms, *, sync: bool = True) -> dict[str, float]:
    """Add the gradient of the mean of ``terms`` over all units to ``p.grad``.

    Args:
        batches: the micro-batches; one backward pass each.
        step: runs the backward passes; those of all micro-batches but the last are inside ``step.no_sync``.
        terms: what to differentiate and what to log.
        sync: reduce the gradient over processes with the last micro-batch; if not, keep it local altogether.

    Returns:
        The logged means over all units.

    Raises:
        TrainingError: a logged mean is not finite.
    """
    total, means = count(batches), defaultdict(list)
    for number, batch in enumerate(batches, start=1):
        share = batch.units / total
        with nullcontext() if sync and number == len(batches) else step.no_sync():
            objective, logged = terms(batch)
            step.backward(share * objective)
        for name, mean in logged.items():
            means[name].append(share * mean.detach())
    # read once, after the last backward pass: asking every micro-batch would make the device wait for the host
    return {name: finite(torch.stack(parts).sum(), name, step) for name, parts in means.items()}


def cross_entropy(model: nn.Module) -> Terms:
    """The terms of plain training: :math:`-\\log p_\\theta(y|x)` [nats]."""

    def terms(batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        loss = F.cross_entropy(*scored(model(**batch.inputs).logits, batch.labels))
        return loss, {"loss": loss}

    return terms


def finite(value: Tensor | float, name: str, step: Step) -> float:
    """``value`` as a float.

    Raises:
        TrainingError: it is not finite.
    """
    number = float(value.detach() if isinstance(value, Tensor) else value)
    if not math.isfinite(number):
        raise TrainingError(
            f"{name} is {number} at optimizer step {step.number}; "
            "train with a lower learning rate, more warm-up or in float32."
        )
    return number
