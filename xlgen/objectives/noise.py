r"""Consistency under Gaussian noise on the weights (stickland2021regularising, section 2).

.. math::

    L(\theta) + \lambda \, \mathrm{KL}\big(p_\theta \,\|\, p_{\theta + \epsilon}\big), \qquad
    \epsilon \sim N(0, \sigma^2 I), \qquad
    E_\epsilon \, \mathrm{KL} = \tfrac12 \sigma^2 \, \mathrm{Tr} F(\theta) + O(\sigma^4)

with means over the units [nats]: for small noise a penalty on the trace of the Fisher information.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from xlgen.core.coerce import NotNegative, Positive, settle
from xlgen.data.batch import Batch, scored
from xlgen.models.perturb import gaussian
from xlgen.objectives.accumulate import accumulate
from xlgen.objectives.ascent import replayed
from xlgen.objectives.base import OBJECTIVES, Step
from xlgen.objectives.divergence import DIRECTIONS, divergence


@OBJECTIVES.register("consistency")
@dataclass(frozen=True)
class Consistency:
    r"""Predict the same from the weights and from weights with noise.

    One :math:`\epsilon` is drawn for each optimizer step, for the trained parameters alone, tied ones once; all
    micro-batches see it. Both passes see the same dropout masks, so that the divergence is due to the noise. It takes
    two forward and two backward passes and memory for :math:`\epsilon` and :math:`\theta + \epsilon`.

    Attributes:
        lam: weight of the divergence, >= 0.
        sigma: standard deviation of the noise, >= 0 [parameter units].
        direction: ``"forward"`` has the prediction of the weights as its target, ``"reverse"`` that of the noisy
            weights; ``"symmetric"`` is the mean of both. To second order in the noise they are equal.
        kl_t: temperature of the target, > 0; see :func:`~xlgen.objectives.divergence.divergence`.
        detach: hold the target constant. Without it the gradient reaches the weights through both predictions, as
            that of :math:`\frac12 \sigma^2 \mathrm{Tr} F` does.
    """

    needs_double_backward: ClassVar[bool] = False
    needs_views: ClassVar[bool] = False
    needs_anchors: ClassVar[bool] = False

    lam: NotNegative = 1.0
    sigma: NotNegative = 0.01
    direction: Literal[DIRECTIONS] = "forward"
    kl_t: Positive = 1.0
    detach: bool = False

    def __post_init__(self):
        settle(self)

    def gradient(self, model: nn.Module, batches: Sequence[Batch], step: Step) -> dict[str, float]:
        """Accumulate the gradient; log ``loss`` (of the weights without noise) and ``kl``.

        Raises:
            TrainingError: the loss or the divergence is not finite.
        """
        theta = {name: w for name, w in model.named_parameters() if w.requires_grad}
        epsilon = {name: e.to(theta[name]) for name, e in gaussian(theta, self.sigma, step.generator).items()}

        def terms(batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
            with replayed(model):
                clean, labels = scored(model(**batch.inputs).logits, batch.labels)
            noisy = {name: w + epsilon[name] for name, w in theta.items()}
            perturbed, _ = scored(functional_call(model, noisy, (), dict(batch.inputs)).logits, batch.labels)
            loss = F.cross_entropy(clean, labels)
            kl = divergence(clean, perturbed, direction=self.direction, temperature=self.kl_t, detach=self.detach)
            return loss + self.lam * kl, {"loss": loss, "kl": kl}

        return accumulate(model, batches, step, terms)
