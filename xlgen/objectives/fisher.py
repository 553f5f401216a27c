r"""The Fisher penalty (jastrzebski2021catastrophic; stickland2021regularising).

.. math::

    L(\theta) + \lambda \|\bar g(\theta)\|^2, \qquad
    \bar g(\theta) = \frac1B \sum_{i=1}^{B} \nabla_\theta \ell(x_i, \tilde y_i), \quad
    \tilde y_i \sim p_\theta(\cdot|x_i)

with the sampled labels held constant. For them :math:`E\|\bar g\|^2 = \mathrm{Tr} F / B`. The gradient of the penalty
is twice the Hessian of the loss :math:`\frac1B \sum_i \ell(x_i, \tilde y_i)` times its gradient :math:`\bar g`; by a
forward difference

.. math::

    \nabla \|\bar g\|^2 = 2 H \bar g
    \approx \frac{2 \|\bar g\|}{h} \Big( \bar g\big(\theta + h \, \bar g / \|\bar g\|\big) - \bar g(\theta) \Big).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xlgen.core.coerce import AtLeast1, NotNegative, Positive, settle
from xlgen.data.batch import Batch, count, scored
from xlgen.fisher.labels import inverted, uniform
from xlgen.models.precision import float32
from xlgen.objectives.accumulate import accumulate, cross_entropy, finite
from xlgen.objectives.ascent import norm, perturbed, replayed, with_gradient
from xlgen.objectives.base import OBJECTIVES, Step

LABELS = ("sample", "true")
METHODS = ("finite_difference", "double_backward")
Logs = tuple[dict[str, float], float]
"""What to log of the loss, and the penalty."""


@OBJECTIVES.register("fisher")
@dataclass(frozen=True)
class FisherPenalty:
    """Add the squared norm of a step's mean gradient to its cross-entropy.

    The finite difference costs one more forward and backward pass (and, for sampled labels, one more backward pass)
    and works with any attention kernel. Its passes see the same dropout masks. It needs gradients in float32: the
    rounding of half precision is larger than the difference. Steps with the penalty are therefore computed in float32
    also where the run's precision is lower. Double backward is exact, keeps the graphs of all micro-batches until the
    end of the step and needs eager attention. The penalty is that of the gradient of all examples of the step, in
    several processes too: these share the passes of the finite difference, while each does all of double backward's,
    which they do not make faster.

    Attributes:
        weight: :math:`\\lambda`, >= 0.
        labels: ``"sample"`` draws them from the model, as in the definition of the Fisher information; ``"true"``
            penalises the norm of the loss's own gradient.
        every_k: steps between two evaluations of the penalty, >= 1; its gradient counts ``every_k`` times then.
        method: ``"finite_difference"`` or ``"double_backward"``.
        h: length of the finite difference's step, > 0 [parameter norm]. The truncation error grows in proportion to
            it, the error of float32 in proportion to its inverse; on BERT encoders of 2 to 12 layers, untrained to
            overfitted, the default came within 1 % of double backward in float32, where 1e-3 was up to 6 % off.
    """

    needs_views: ClassVar[bool] = False
    needs_anchors: ClassVar[bool] = False

    weight: NotNegative = 0.01
    labels: Literal[LABELS] = "sample"
    every_k: AtLeast1 = 1
    method: Literal[METHODS] = "finite_difference"
    h: Positive = 1e-4

    def __post_init__(self):
        settle(self)

    @property
    def needs_double_backward(self) -> bool:
        return self.method == "double_backward"

    def gradient(self, model: nn.Module, batches: Sequence[Batch], step: Step) -> dict[str, float]:
        """Accumulate the gradient of the cross-entropy and, every ``every_k`` steps, of the penalty.

        Returns:
            ``loss``; on the steps of the penalty also ``penalty``, :math:`\\|\\bar g\\|^2` before any weight, and
            ``fisher_trace``, :math:`B \\|\\bar g\\|^2`, which for sampled labels estimates Tr F without bias.

        Raises:
            TrainingError: the loss or the penalty is not finite.
        """
        if step.number % self.every_k:
            return accumulate(model, batches, step, cross_entropy(model))
        method = self._double_backward if self.needs_double_backward else self._finite_difference
        with float32(model):
            logs, penalty = method(model, batches, step)
        return {**logs, "penalty": penalty, "fisher_trace": count(batches) * penalty}

    def _double_backward(self, model: nn.Module, batches: Sequence[Batch], step: Step) -> Logs:
        total, theta = count(batches), [w for w in model.parameters() if w.requires_grad]
        loss, fisher_loss = 0.0, 0.0
        for batch, u in zip(batches, self._uniform(batches, step), strict=True):
            share = batch.units / total
            logits, true = scored(model(**batch.inputs).logits, batch.labels)
            loss = loss + share * F.cross_entropy(logits, true)
            fisher_loss = fisher_loss + share * F.cross_entropy(logits, self._labels(logits, true, u, step))
        g = torch.autograd.grad(fisher_loss, theta, create_graph=True, allow_unused=True)
        penalty = sum(part.square().sum() for part in g if part is not None)
        step.backward(loss + self.weight * self.every_k * penalty)
        return {"loss": finite(loss, "loss", step)}, finite(penalty, "penalty", step)

    def _finite_difference(self, model: nn.Module, batches: Sequence[Batch], step: Step) -> Logs:
        with replayed(model):
            logs, labels, g = self._mean_gradient(model, batches, step)
        theta, direction = [model.get_parameter(name) for name in g], list(g.values())
        size = finite(norm(direction), "the norm of the Fisher penalty's gradient", step)
        # a gradient of exactly 0 has no direction, and the penalty is at its minimum
        scale = 2 * self.weight * self.every_k * size / self.h if size > 0 else 0.0
        true, relabelled = self.labels == "true", iter(labels)
        if not true and theta:
            torch._foreach_add_([w.grad for w in theta], direction, alpha=-scale)

        def terms(batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
            logits, _ = scored(model(**batch.inputs).logits, batch.labels)
            loss = F.cross_entropy(logits, next(relabelled))
            return scale * loss, {"loss": loss}

        with perturbed(theta, direction, self.h / size if size > 0 else 0.0, keep=true):
            if true and theta:
                torch._foreach_mul_(direction, 1 - scale)  # the same memory as the gradient of the loss
            accumulate(model, batches, step, terms)
        return logs, size**2

    def _mean_gradient(
        self, model: nn.Module, batches: Sequence[Batch], step: Step
    ) -> tuple[dict[str, float], list[Tensor], dict[str, Tensor]]:
        """Accumulate the cross-entropy's gradient; return its logs, the penalty's labels and :math:`\\bar g`.

        The labels are those of this process's micro-batches. With true labels the two gradients are one and share their
        memory.
        """
        labels, g, uniform = [], {}, iter(step.processes.mine(self._uniform(batches, step)))

        def terms(batch: Batch) -> tuple[Tensor | tuple[Tensor, Tensor], Mapping[str, Tensor]]:
            logits, true = scored(model(**batch.inputs).logits, batch.labels)
            loss = F.cross_entropy(logits, true)
            labels.append(self._labels(logits, true, next(uniform), step))
            if self.labels == "true":
                return loss, {"loss": loss}
            return (loss, F.cross_entropy(logits, labels[-1])), {"loss": loss}

        logs = accumulate(model, batches, step, terms, g)
        return logs, labels, g if self.labels == "sample" else {n: w.grad for n, w in with_gradient(model).items()}

    def _uniform(self, batches: Sequence[Batch], step: Step) -> Sequence[Tensor | None]:
        """What each micro-batch's labels are drawn with: one random number a unit, (U, 1).

        Neither cutting a step into micro-batches nor sharing these among processes changes the draw.
        """
        if self.labels == "true":
            return [None] * len(batches)
        return uniform(count(batches), step.generator).split([batch.units for batch in batches])

    def _labels(self, logits: Tensor, true: Tensor, u: Tensor | None, step: Step) -> Tensor:
        """The penalty's labels (U,): true, or drawn from the model."""
        if u is None:
            return true
        finite(logits.detach().abs().max(), "the largest logit", step)
        return inverted(logits.detach().double().softmax(dim=-1), u)
