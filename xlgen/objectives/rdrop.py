r"""R-Drop (liang2021rdrop, in the form of its authors' code): two dropout masks are to predict the same.

.. math::

    L = \frac12 \big(\mathrm{CE}(p_1, y) + \mathrm{CE}(p_2, y)\big)
        + \alpha \cdot \frac12 \big(\mathrm{KL}(p_1 \,\|\, p_2) + \mathrm{KL}(p_2 \,\|\, p_1)\big)

with the predictions :math:`p_1` and :math:`p_2` of two passes over the same units, means over the units [nats].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from xlgen.core.coerce import NotNegative, Positive, settle
from xlgen.data.batch import Batch, scored
from xlgen.objectives.accumulate import accumulate
from xlgen.objectives.base import OBJECTIVES, Step
from xlgen.objectives.divergence import DIRECTIONS, divergence


@OBJECTIVES.register("rdrop")
@dataclass(frozen=True)
class RDrop:
    """Predict the label under two dropout masks, and the same distribution under both.

    The paper's equation 4 *sums* the two cross-entropies; its authors' code, and this one, takes their mean. The
    paper's loss is therefore twice this one's with half the ``alpha``. The gradient of the divergence reaches the
    weights through both predictions.

    Attributes:
        alpha: weight of the divergence, >= 0; the paper searches 0.1 to 1 for language understanding.
        direction: ``"symmetric"`` as in the paper; ``"forward"`` has the first pass as its target, ``"reverse"`` the
            second. The passes are alike, so that these two differ by chance alone.
        kl_t: temperature of the divergence's target, > 0; see :func:`~xlgen.objectives.divergence.divergence`.
    """

    needs_double_backward: ClassVar[bool] = False
    needs_views: ClassVar[bool] = False
    needs_anchors: ClassVar[bool] = False

    alpha: NotNegative = 1.0
    direction: Literal[DIRECTIONS] = "symmetric"
    kl_t: Positive = 1.0

    def __post_init__(self):
        settle(self)

    def gradient(self, model: nn.Module, batches: Sequence[Batch], step: Step) -> dict[str, float]:
        """Accumulate the gradient; log ``loss`` (the mean of the two passes) and ``kl``.

        Raises:
            TrainingError: a loss is not finite.
        """

        def terms(batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
            (p1, labels), (p2, _) = (scored(model(**batch.inputs).logits, batch.labels) for _ in range(2))
            loss = 0.5 * (F.cross_entropy(p1, labels) + F.cross_entropy(p2, labels))
            kl = divergence(p1, p2, direction=self.direction, temperature=self.kl_t)
            return loss + self.alpha * kl, {"loss": loss, "kl": kl}

        return accumulate(model, batches, step, terms)
