r"""Divergence under noise: how far the predictions move when Gaussian noise is laid on the weights.

.. math::

    D_\sigma = E_{\varepsilon \sim N(0, \sigma^2 I)}\, E_x\, \mathrm{KL}[p_\theta \| p_{\theta + \varepsilon}]
             = \tfrac12 \sigma^2\, \mathrm{Tr} F + O(\sigma^4)

with KL averaged over units, and Tr F a unit. It is what training with consistency under noise adds to the loss, and
what the trace of the Fisher information stands for [stickland2021regularising, section 2], at a size of the noise
rather than in its limit. It takes forward passes alone.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from xlgen.core.coerce import Different, Positive
from xlgen.measures.base import MEASURES, Subject, Value, label_free
from xlgen.measures.blocks import blocks
from xlgen.measures.sampling import clustered
from xlgen.models.evaluate import Predictions, predict
from xlgen.models.perturb import gaussian, restored, weights

log = logging.getLogger(__name__)


@MEASURES.register("noise_divergence")
@label_free
def noise_divergence(
    subject: Subject,
    *,
    noise_scale: Positive = 0.001,
    noise_seeds: Annotated[Sequence[int], *Different] = (0, 1, 2, 3),
) -> dict[str, Value]:
    r"""Average KL[p_θ ‖ p_{θ+ε}] over the units and Gaussian noise ε on all weights [nats].

    Each seed gives a pair :math:`\pm\varepsilon`, over which the odd orders of the expansion cancel. The same pairs, up
    to their scale, are used for every language and every :math:`\sigma`, so that differences between them are paired.
    The divergence is computed as :math:`\sum_y p_\theta(y) (e^{d_y} - 1 - d_y)` with :math:`d_y` the change of
    :math:`\log p(y)`: see :func:`xlgen.fisher.exact.kl`. What is left of rounding is that of the logits.

    A pair also gives the quadratic form of its own :math:`\varepsilon`, because half the difference of its two
    :math:`d_y` is the score along it, :math:`o_y = \varepsilon^\top \nabla \log p_\theta(y) + O(\sigma^3)`:

    .. math:: \tfrac12 \varepsilon^\top F \varepsilon = \tfrac12 E_x \sum_y p_\theta(y) \, o_y^2 + O(\sigma^4)

    Divergence and form have their noise in common, so that their ratio shows how quadratic the divergence is where
    that with Tr F would have the noise of the draws.

    Args:
        subject: model and examples; the weights are restored exactly.
        noise_scale: :math:`\sigma`, standard deviation of the noise, > 0 [parameter units].
        noise_seeds: one pair of :math:`\pm\varepsilon` for each.

    Returns:
        Per language :math:`D_\sigma` [nats], the Monte-Carlo standard error over the pairs (with one pair that over
        examples, and then ``stderr_kind`` says so), and in ``extra`` ``pairs``, the divergence of each [nats];
        ``forms``, their quadratic forms [nats]; ``seeds``; and ``stderr_examples``, the standard error over examples
        given the noise (in tagging clustered by sentence).

    Raises:
        ConfigError: a setting is out of its range.
        TrainingError: a logit is not finite.
    """
    before, parameters = subject.predictions, weights(subject.model)
    pairs: dict[str, list[Pair]] = {language: [] for language in subject.batches}
    with restored(parameters) as origin:
        for seed in noise_seeds:
            log.info("noise_divergence: noise %d of scale %g", seed, noise_scale)
            epsilon = gaussian(parameters, noise_scale, torch.Generator().manual_seed(seed))
            after = []
            for sign in (1, -1):
                _move(parameters, origin, epsilon, sign)
                after.append({k: predict(subject.model, batches, k) for k, batches in subject.batches.items()})
            for language in pairs:
                pairs[language].append(_pair(before[language], *(each[language] for each in after)))
    on = f"{subject.split}, no labels, eval mode, all parameters"
    return {language: _value(drawn, before[language], on, list(noise_seeds)) for language, drawn in pairs.items()}


@dataclass(frozen=True)
class Pair:
    """What one ±ε says of each unit, (U,) both, float64 [nats]: the divergence, mean of both signs, and the form."""

    divergence: Tensor
    form: Tensor


def _pair(before: Predictions, plus: Predictions, minus: Predictions) -> Pair:
    p, changes = before.log_probs.exp(), [after.log_probs - before.log_probs for after in (plus, minus)]
    divergence = sum((p * (torch.expm1(d) - d)).sum(dim=-1) for d in changes) / 2
    along = (changes[0] - changes[1]) / 2
    return Pair(divergence, (p * along.square()).sum(dim=-1) / 2)


@torch.no_grad()
def _move(
    parameters: Mapping[str, Tensor], origin: Mapping[str, Tensor], epsilon: Mapping[str, Tensor], sign: int
) -> None:
    for name, p in parameters.items():
        torch.add(origin[name], epsilon[name].to(p), alpha=sign, out=p)


def _value(pairs: Sequence[Pair], before: Predictions, on: str, seeds: list[int]) -> Value:
    """The mean over the pairs of one language."""
    units = torch.stack([pair.divergence for pair in pairs])
    means, sampling = units.mean(dim=1), clustered(units.mean(dim=0), before.example)
    extra = {
        "pairs": means.tolist(),
        "forms": [pair.form.mean().item() for pair in pairs],
        "seeds": seeds,
        "stderr_examples": sampling,
        **blocks(units.mean(dim=0), before.example),
    }
    noise = means.std().item() / math.sqrt(len(means)) if len(means) > 1 else None
    kind = "examples" if noise is None else "noise"
    return Value(means.mean().item(), sampling if noise is None else noise, len(before), on, kind, extra=extra)
