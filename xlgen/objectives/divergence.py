r"""The Kullback-Leibler divergence between two predictions for the same units: what consistency objectives penalise.

.. math::

    \mathrm{KL}(p \,\|\, q) = \frac1U \sum_{u=1}^{U} \sum_y p(y|u) \big(\log p(y|u) - \log q(y|u)\big)

``p`` is the *target*, which q is to come close to. Which of the two predictions is the target is the *direction*.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

DIRECTIONS = ("forward", "reverse", "symmetric")


def divergence(
    clean: Tensor, perturbed: Tensor, *, direction: str = "forward", temperature: float = 1.0, detach: bool = False
) -> Tensor:
    """The mean divergence between the predictions of two views.

    Only the target is tempered, as in wang2021mvr: p is the softmax of its logits / temperature, q that of its own
    logits, so that with a temperature other than 1 the divergence of equal views is not 0.

    Args:
        clean: logits (U, C) of the view that is not perturbed.
        perturbed: logits (U, C) of the other, unit by unit.
        direction: ``"forward"``, KL(clean || perturbed), whose target is the clean view; ``"reverse"``,
            KL(perturbed || clean); or ``"symmetric"``, the mean of the two, each with its own target.
        temperature: of the target, > 0; above 1 it is flatter.
        detach: hold the target constant; without it the gradient reaches the weights through both views.

    Returns:
        A scalar [nats]: the sum over classes, the mean over units.
    """

    def kl(target: Tensor, q: Tensor) -> Tensor:
        target = F.log_softmax(target / temperature, dim=-1)
        target = target.detach() if detach else target
        return F.kl_div(F.log_softmax(q, dim=-1), target, reduction="batchmean", log_target=True)

    if direction == "forward":
        return kl(clean, perturbed)
    if direction == "reverse":
        return kl(perturbed, clean)
    return 0.5 * (kl(clean, perturbed) + kl(perturbed, clean))
