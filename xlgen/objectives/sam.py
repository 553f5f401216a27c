r"""Sharpness-aware minimisation (foret2021sam) and its adaptive form (kwon2021asam).

.. math::

    \min_\theta \max_{\|T_\theta^{-1} \epsilon\|_2 \le \rho} L(\theta + \epsilon), \qquad
    \hat\epsilon = \rho \, \frac{T_\theta^2 \nabla L(\theta)}{\|T_\theta \nabla L(\theta)\|_2}, \qquad
    g = \nabla L(\theta) \big|_{\theta + \hat\epsilon}

(equations 2 and 3 of foret2021sam, whose :math:`T_\theta` is the identity; equation 9 of kwon2021asam with
:math:`T_\theta = |\theta| + \eta` for weights and 1 for biases, as in its authors' code).

The maximum may also be taken over each of the parts :math:`m` of a step's :math:`B` examples by itself,

.. math::

    g = \sum_m \frac{B_m}{B} \nabla L_m(\theta) \big|_{\theta + \hat\epsilon_m}, \qquad
    \hat\epsilon_m = \rho \, \frac{T_\theta^2 \nabla L_m(\theta)}{\|T_\theta \nabla L_m(\theta)\|_2} ,

which is what the paper trains with, a part being the examples of one accelerator. What it lowers is the *m-sharpness*
of its section 4.1: the mean over the parts of how far the loss of one can rise within the radius.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from xlgen.core.coerce import NotNegative, settle
from xlgen.core.hyper import YOUNGER
from xlgen.data.batch import Batch
from xlgen.objectives.accumulate import Terms, accumulate, cross_entropy, finite
from xlgen.objectives.ascent import collected, norm, perturbed, replayed, with_gradient
from xlgen.objectives.base import OBJECTIVES, Step


@OBJECTIVES.register("sam")
@dataclass(frozen=True)
class SAM:
    """Take the gradient where the loss, to first order, is worst within a radius of the weights.

    The ascent and the descent each run over *all* micro-batches of the step, of all processes, so neither accumulation
    nor the number of processes changes anything. With ``ascent="micro_batch"`` each micro-batch has an ascent of its
    own; the number of processes then changes nothing either, but ``micro_batch_size`` is the paper's m. The direction
    does not depend on the scale of the loss.

    With ``rho = 0`` nothing is special-cased: both passes see the same weights and, with ``same_dropout``, the same
    masks and leave the same random state, so that a whole run equals the baseline's bit for bit, at twice the cost.

    Attributes:
        rho: radius, >= 0 [parameter norm; with ``adaptive`` relative to the weights, and best some ten times larger].
        adaptive: measure the radius relative to each weight, which makes it invariant to rescaling of the weights.
        eta: added to \\|w\\| by ``adaptive`` so that weights at 0 can move, >= 0.
        same_dropout: both passes draw the same dropout masks, so that the ascent is one of the loss that is descended;
            without it they are independent, as in the common implementations.
        ascent: whose loss is ascended: that of the whole ``"step"``, or of each ``"micro_batch"`` by itself. Of several
            processes each has one micro-batch, unless a smaller ``micro_batch_size`` is asked for: its own examples, as
            in the paper.
    """

    needs_double_backward: ClassVar[bool] = False
    needs_views: ClassVar[bool] = False
    needs_anchors: ClassVar[bool] = False

    rho: NotNegative = 0.05
    adaptive: bool = False
    eta: NotNegative = 0.01
    same_dropout: bool = True
    ascent: Literal["step", "micro_batch"] = field(default="step", metadata=YOUNGER)

    def __post_init__(self):
        settle(self)

    def gradient(self, model: nn.Module, batches: Sequence[Batch], step: Step) -> dict[str, float]:
        """Accumulate the gradient at the perturbed weights; the weights themselves are left exactly as they were.

        Returns:
            ``loss`` at the weights, ``sam_loss`` at the perturbed weights, and ``ascent_norm``, the norm
            :math:`\\|T_\\theta \\nabla L\\|_2` of the first gradient (of the parts, the mean of theirs).

        Raises:
            TrainingError: a loss or the norm of the ascent is not finite.
        """
        if self.ascent == "micro_batch":
            return accumulate(model, batches, step, self._of_each(model, step))
        with self._masks(model):
            ascent = accumulate(model, batches, step, cross_entropy(model))
        with self._ascended(model, step) as size:
            descent = accumulate(model, batches, step, cross_entropy(model))
        return {"loss": ascent["loss"], "sam_loss": descent["loss"], "ascent_norm": size}

    def _of_each(self, model: nn.Module, step: Step) -> Terms:
        """Both passes of one micro-batch by itself."""
        loss_of = cross_entropy(model)
        theta = {name: w for name, w in model.named_parameters() if w.requires_grad}

        def terms(batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
            found: dict[str, Tensor] = {}
            with collected(theta, found):
                with self._masks(model):
                    before, _ = loss_of(batch)
                    step.backward(before)
                with self._ascended(model, step) as size:
                    after, _ = loss_of(batch)
                    step.backward(after)
            # linear in the weights with the gradient that was found: accumulate weighs, shares and adds up
            mean = torch.stack([(theta[name] * gradient).sum() for name, gradient in found.items()]).sum()
            return mean, {"loss": before, "sam_loss": after, "ascent_norm": after.new_tensor(size)}

        return terms

    def _masks(self, model: nn.Module) -> AbstractContextManager:
        """Around the first pass: what the second draws its masks from."""
        return replayed(model) if self.same_dropout else nullcontext()

    @contextmanager
    def _ascended(self, model: nn.Module, step: Step) -> Iterator[float]:
        """Hold the weights where their gradients, which are lost, point to; gives the norm of the ascent."""
        parameters = with_gradient(model)
        direction, size = self.direction(parameters)
        size = finite(size, "the norm of SAM's ascent", step)
        model.zero_grad(set_to_none=True)
        # a gradient of exactly 0 has no direction: stay
        with perturbed(list(parameters.values()), direction, self.rho / size if size > 0 else 0.0):
            yield size

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
