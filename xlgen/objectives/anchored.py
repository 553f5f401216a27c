r"""Stay close to the pretrained weights: the L2 distance and elastic weight consolidation.

.. math::

    L(\theta) + \frac{\lambda}{2} \sum_i (\theta_i - \theta^*_i)^2, \qquad
    L(\theta) + \frac{\lambda}{2} \sum_{\ell} \sum_i F_{\ell,i} (\theta_i - \theta^*_i)^2

(equations 1 and 2 of anonymous2021frustratingly; kirkpatrick2017ewc). :math:`\theta^*` are the pretrained weights and
:math:`F_\ell` is the diagonal of the Fisher information of the loss of pretraining on text in language :math:`\ell`:
that of hidden words (:mod:`xlgen.fisher.mlm`), or, of an encoder of sentences, that of finding translations
(:mod:`xlgen.fisher.contrastive`). The half is the papers'; common implementations leave it out, and their
:math:`\lambda` is half of this.

One algorithm serves both: the L2 distance is the case :math:`F_i = 1`. The gradient of the penalty,
:math:`\lambda F_i (\theta_i - \theta^*_i)`, is known in closed form and is added to that of the cross-entropy; no graph
is built. Both are there before the training loop clips the gradient, as for any term of a loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from xlgen.core.coerce import AtLeast1, NotNegative, settle
from xlgen.data.batch import Batch
from xlgen.models.perturb import blocks
from xlgen.objectives.accumulate import accumulate, cross_entropy, finite
from xlgen.objectives.ascent import with_gradient
from xlgen.objectives.base import OBJECTIVES, Anchor, Step
from xlgen.objectives.hyper import need

LABELS = ("true", "sample")
NORMALISE = ("mean", "raw")
MIXED = "mix "
"""Begins a term that is one corpus of several languages, as in ``"mix fr-en"``."""


@OBJECTIVES.register("l2")
@dataclass(frozen=True)
class L2:
    """Add the squared distance from the pretrained weights to the cross-entropy.

    The distance is over the trained parameters that the pretrained model has: all of the encoder, and not the new head.
    A weight decay towards 0 would pull elsewhere, so ``weight_decay`` has to be 0.

    Attributes:
        lam: :math:`\\lambda`, >= 0. The paper does not give its own.
    """

    needs_double_backward: ClassVar[bool] = False
    needs_views: ClassVar[bool] = False
    needs_anchors: ClassVar[bool] = True

    lam: NotNegative = 0.01

    def __post_init__(self):
        settle(self)

    def gradient(self, model: nn.Module, batches: Sequence[Batch], step: Step) -> dict[str, float]:
        """Accumulate the gradient; log ``loss`` and ``penalty``, which is the sum over i without :math:`\\lambda`."""
        return _anchored(model, batches, step, self.lam)


@OBJECTIVES.register("ewc")
@dataclass(frozen=True)
class EWC:
    """Add the squared distance from the pretrained weights, each weighted by its Fisher information on some text.

    The text is that of a target language (see :mod:`xlgen.data.text`), and needs no label; an encoder of sentences
    needs its translation (:mod:`xlgen.data.parallel`). Weights that the loss of pretraining does not depend on, such as
    BERT's pooler, have no Fisher information and are free.

    Attributes:
        lam: :math:`\\lambda`, >= 0. The paper does not give its own; it depends on ``normalise``.
        text: languages: ``"fr"``; ``"fr+en"``, the sum of two penalties; ``"mix fr-en"``, one penalty with the Fisher
            information of text that is half French and half English (table 15 of anonymous2021frustratingly).
        examples: paragraphs of text, or pairs, for each Fisher information, >= 1.
        normalise: ``"mean"`` divides each Fisher information by its mean over the penalised parameters, so that
            :math:`\\lambda` compares with that of L2; ``"raw"`` does not, and :math:`\\lambda` has to be some orders of
            magnitude larger.
        labels: ``"true"``, the words of the text or its translations (the empirical Fisher information), or
            ``"sample"``, drawn from the model, as in the definition.
    """

    needs_double_backward: ClassVar[bool] = False
    needs_views: ClassVar[bool] = False
    needs_anchors: ClassVar[bool] = True

    lam: NotNegative = 0.01
    text: str = "fr"
    examples: AtLeast1 = 1000
    normalise: Literal[NORMALISE] = "mean"
    labels: Literal[LABELS] = "true"

    def __post_init__(self):
        settle(self)
        well = all(all(languages) and len({*languages}) == len(languages) for languages in self.corpora)
        need(self, "text", well, "languages such as 'fr', 'fr+en' or 'mix fr-en'")
        need(self, "examples", self.examples >= max(map(len, self.corpora)), "a number of paragraphs, such as 1000")

    @property
    def corpora(self) -> tuple[tuple[str, ...], ...]:
        """The languages of each penalty's text: ``"fr+en"`` is two corpora of one, ``"mix fr-en"`` one of two."""
        terms = [term.strip() for term in self.text.split("+")]
        return tuple(
            tuple(language.strip() for language in term.removeprefix(MIXED).split("-"))
            if term.startswith(MIXED)
            else (term,)
            for term in terms
        )

    def gradient(self, model: nn.Module, batches: Sequence[Batch], step: Step) -> dict[str, float]:
        """Accumulate the gradient; log ``loss`` and ``penalty``, which is the sum over i and languages, without λ."""
        return _anchored(model, batches, step, self.lam)


def _anchored(model: nn.Module, batches: Sequence[Batch], step: Step, lam: float) -> dict[str, float]:
    logs = accumulate(model, batches, step, cross_entropy(model))
    penalty = sum(_pull(model, anchor, lam) for anchor in step.anchors)
    return {**logs, "penalty": finite(penalty, "penalty", step)}


@torch.no_grad()
def _pull(model: nn.Module, anchor: Anchor, lam: float) -> Tensor | float:
    """Add λ F (θ - θ*) to the gradient; return the sum of F (θ - θ*)²."""
    sums = []
    for name, w in with_gradient(model).items():  # what has received no gradient has not been trained: it stands at θ*
        if name in anchor.theta:
            fisher = [] if anchor.weight is None else [anchor.weight[name]]
            for theta, origin, gradient, *weight in _views(w.detach(), anchor.theta[name], w.grad, *fisher):
                delta = theta - origin
                force = delta * weight[0] if weight else delta
                gradient.add_(force, alpha=lam)
                sums.append(torch.dot(delta.flatten(), force.flatten()))
    return torch.stack(sums).sum(dtype=torch.float64) if sums else 0.0


def _views(*tensors: Tensor) -> Iterable[tuple[Tensor, ...]]:
    """Views of the same places of each; on the CPU small enough for its cache, where new memory costs nothing."""
    if not all(tensor.is_contiguous() for tensor in tensors):
        return [tensors]
    return zip(*map(blocks, tensors), strict=True)
