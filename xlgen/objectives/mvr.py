r"""Multi-view subword regularisation (wang2021mvr, equation 4, in the form of its authors' code).

.. math::

    L = \frac12 \mathrm{CE}(\hat x, y) + \frac12 \mathrm{CE}(x', y)
        + \lambda \, \mathrm{KL}\big(p_\theta^{1/\tau}(\cdot|\hat x) \,\|\, p_\theta(\cdot|x')\big)

with the tokenizer's own segmentation :math:`\hat x` and a sampled one :math:`x'`, means over the units [nats].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from xlgen.core.coerce import NotNegative, Positive, settle
from xlgen.core.errors import DataError
from xlgen.data.batch import IGNORE, Batch, scored
from xlgen.objectives.accumulate import accumulate
from xlgen.objectives.base import OBJECTIVES, Step
from xlgen.objectives.divergence import DIRECTIONS, divergence


@OBJECTIVES.register("mvr")
@dataclass(frozen=True)
class MVR:
    """Predict the label from two segmentations, and the same distribution from both.

    Two forward passes with dropout masks of their own. As in the authors' code the divergence is not detached: its
    gradient reaches the weights through both predictions; and only its target is tempered. ``p`` and ``faithful`` are
    read by the data layer, which samples the views (see :mod:`xlgen.data.segment`).

    In tagging a unit is a word, and a sampled segmentation that is too long has lost words at the end of its sentence.
    The words are matched sentence by sentence; the lost ones count as 0 in the second and third term.

    Attributes:
        p: how random the sampled segmentation is, in [0, 1]: the probability that WordPiece rejects a piece, or the
            unigram model's inverse temperature; 0 repeats the tokenizer's own segmentation.
        lam: weight of the divergence, >= 0.
        kl_t: temperature of the divergence's target, > 0; the authors use 2 for question answering.
        faithful: as in the authors' code, sample one segmentation per example for all epochs, with a rejection rule
            that can turn a word into [UNK]. By default every epoch samples anew and no known word is lost.
        direction: ``"forward"`` as in the authors' code, whose target is the tokenizer's own segmentation;
            ``"reverse"``, whose target is the sampled one; or ``"symmetric"``, the mean of the two.
    """

    needs_double_backward: ClassVar[bool] = False
    needs_views: ClassVar[bool] = True
    needs_anchors: ClassVar[bool] = False

    p: Annotated[float, Field(ge=0, le=1, description="a probability in [0, 1]")] = 0.2
    lam: NotNegative = 0.6
    kl_t: Positive = 1.0
    faithful: bool = False
    direction: Literal[DIRECTIONS] = "forward"

    def __post_init__(self):
        settle(self)

    def gradient(self, model: nn.Module, batches: Sequence[Batch], step: Step) -> dict[str, float]:
        """Accumulate the gradient; log ``loss`` (of the tokenizer's segmentation), ``view_loss`` and ``kl``.

        Raises:
            DataError: a batch has no sampled view, or one with other labels.
            TrainingError: a loss is not finite.
        """

        def terms(batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
            if batch.view is None:
                raise DataError(
                    "mvr needs batches with a sampled view; build them with a segmenter (xlgen.data.segment)."
                )
            logits, view_logits = model(**batch.inputs).logits, model(**batch.view).logits
            loss = F.cross_entropy(*scored(logits, batch.labels))
            mine, theirs, labels = shared(batch, logits, view_logits)
            part = len(labels) / batch.units
            view_loss = part * F.cross_entropy(theirs, labels)
            kl = part * divergence(mine, theirs, direction=self.direction, temperature=self.kl_t)
            objective = 0.5 * loss + 0.5 * view_loss + self.lam * kl
            return objective, {"loss": loss, "view_loss": view_loss, "kl": kl}

        return accumulate(model, batches, step, terms)


def shared(batch: Batch, logits: Tensor, view_logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The units that both segmentations have: both logits (U, C) and the labels (U,).

    The k-th labelled place of a row is the same word in both. To cut the longer of the two flattened batches, as the
    authors' code does, would match the words of every later sentence with others.
    """
    if batch.labels.ndim == 1:
        return logits, view_logits, batch.labels
    there = batch.labels != IGNORE, batch.view_labels != IGNORE
    common = torch.minimum(*(mask.sum(dim=1, keepdim=True) for mask in there))
    mine, theirs = (mask & (mask.cumsum(dim=1) <= common) for mask in there)
    labels = batch.labels[mine]
    if not torch.equal(labels, batch.view_labels[theirs]):
        raise DataError("the sampled view of a tagged batch has other labels; build both from the same sentences.")
    return logits[mine], view_logits[theirs], labels
