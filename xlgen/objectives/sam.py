r"""Sharpness-aware minimisation (foret2021sam) and its adaptive form (kwon2021asam).

.. math::

    \min_\theta \max_{\|T_\theta^{-1} \epsilon\|_2 \le \rho} L(\theta + \epsilon), \qquad
    \hat\epsilon = \rho \, \frac{T_\theta^2 \nabla L(\theta)}{\|T_\theta \nabla L(\theta)\|_2}, \qquad
    g = \nabla L(\theta) \big|_{\theta + \hat\epsilon}

(equations 2 and 3 of foret2021sam, whose :math:`T_\theta` is the identity; equation 9 of kwon2021asam with
:math:`T_\theta = |\theta| + \eta` for weights and 1 for biases, as in its authors' code).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from xlgen.core.coerce import NotNegative, settle
from xlgen.data.batch import Batch
from xlgen.objectives.accumulate import accumulate, cross_entropy, finite
from xlgen.objectives.ascent import norm, perturbed, replayed, with_gradient
from xlgen.objectives.base import OBJECTIVES, Step


@OBJECTIVES.register("sam")
@dataclass(frozen=True)
class SAM:
    """Take the gradient where the loss, to first order, is worst within a radius of the weights.

    The ascent and the descent each run over *all* micro-batches of the step, of all processes, so neither accumulation
    nor the number of processes changes anything. (The paper lets each accelerator ascend the loss of its own examples.)
    The direction does not depend on the scale of the loss.

    With ``rho = 0`` nothing is special-cased: both passes see the same weights and, with ``same_dropout``, the same
    masks and leave the same random state, so that a whole run equals the baseline's bit for bit, at twice the cost.

    Attributes:
        rho: radius, >= 0 [parameter norm; with ``adaptive`` relative to the weights, and best some ten times larger].
        adaptive: measure the radius relative to each weight, which makes it invariant to rescaling of the weights.
        eta: added to \\|w\\| by ``adaptive`` so that weights at 0 can move, >= 0.
        same_dropout: both passes draw the same dropout masks, so that the ascent is one of the loss that is descended;
            without it they are independent, as in the common implementations.
    """

    needs_double_backward: ClassVar[bool] = False
    needs_views: ClassVar[bool] = False
    needs_anchors: ClassVar[bool] = False

    rho: NotNegative = 0.05
    adaptive: bool = False
    eta: NotNegative = 0.01
    same_dropout: bool = True

    def __post_init__(self):
        settle(self)

    def gradient(self, model: nn.Module, batches: Sequence[Batch], step: Step) -> dict[str, float]:
        """Accumulate the gradient at the perturbed weights; the weights themselves are left exactly as they were.

        Returns:
            ``loss`` at the weights, ``sam_loss`` at the perturbed weights, and ``ascent_norm``, the norm
            :math:`\\|T_\\theta \\nabla L\\|_2` of the first gradient.

        Raises:
            TrainingError: a loss or the norm of the ascent is not finite.
        """
        with replayed(model) if self.same_dropout else nullcontext():
            ascent = accumulate(model, batches, step, cross_entropy(model))
        parameters = with_gradient(model)
        direction, size = self.direction(parameters)
        size = finite(size, "the norm of SAM's ascent", step)
        model.zero_grad(set_to_none=True)
        # a gradient of exactly 0 has no direction: stay
        with perturbed(list(parameters.values()), direction, self.rho / size if size > 0 else 0.0):
            descent = accumulate(model, batches, step, cross_entropy(model))
        return {"loss": ascent["loss"], "sam_loss": descent["loss"], "ascent_norm": size}

    def direction(self, parameters: Mapping[str, nn.Parameter]) -> tuple[list[Tensor], Tensor]:
        """:math:`T_\\theta^2 \\nabla L` and :math:`\\|T_\\theta \\nabla L\\|_2`; overwrites the gradients."""
        gradients = [w.grad for w in parameters.values()]
        if not self.adaptive:
            return gradients, norm(gradients)
        weights = [w for name, w in parameters.items() if "weight" in name]
        scaled = [w.grad for w in weights]
        t = torch._foreach_abs([w.detach() for w in weights])
        torch._foreach_add_(t, self.eta)
        torch._foreach_mul_(scaled, t)
        size = norm(gradients)
        torch._foreach_mul_(scaled, t)
        return gradients, size
