r"""Adaptive sharpness: the worst rise of the loss when every weight moves in proportion to its size.

.. math:: \max_{\|\delta / |w|\|_2 \le \rho} L(w + \delta) - L(w)
    = \max_{\|v\|_2 \le \rho} L\big(w \odot (1 + v)\big) - L(w)

(kwon2021asam, equation 3 with T = ``|w|``; andriushchenko2023modern, equation 2). dinh2017sharp rescale the weights of
a network without changing what it computes and make any sharpness that measures steps in parameter units what they
like. Here v stays what it is when weights are rescaled, so the number does too.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xlgen.core.coerce import AtLeast0, AtLeast1, Positive
from xlgen.data.batch import Batch
from xlgen.measures.base import MEASURES, Predictions, Subject, Value
from xlgen.measures.blocks import blocks
from xlgen.measures.sampling import clustered
from xlgen.models.evaluate import losses, predict, predictions_and_gradient, subset
from xlgen.models.perturb import norm, restored, weights

log = logging.getLogger(__name__)


@MEASURES.register("sharpness_adaptive")
def sharpness_adaptive(
    subject: Subject, *, rho: Positive = 0.1, steps: AtLeast1 = 10, tolerance: Positive = 0.05, examples: AtLeast0 = 256
) -> dict[str, Value]:
    """Seek the largest rise of the loss within relative perturbations of ℓ_2 norm at most ``rho``.

    All parameters are moved, embeddings and biases included, and those at 0 stay there. From v = 0, ``steps`` steps of
    projected gradient ascent::

        v ← Π_ρ(v + ρ/2 · g / ||g||),   g = ∇_v L = w ⊙ ∇L(w ⊙ (1 + v)),   Π_ρ(v) = v · min(1, ρ / ||v||)

    whose direction is ASAM's. Nothing is drawn at random. The largest rise met is a lower bound of the maximum.

    Args:
        subject: model and examples; the weights are restored exactly.
        rho: radius [relative: 1 would allow one weight to change by its own size].
        steps: ascent steps.
        tolerance: the search has converged if its second half raised the value by at most this share.
        examples: the first so many examples of each language; 0 is all of them.

    Returns:
        Per language the largest rise met, at least 0 [nats], its standard error over examples (sentences in tagging)
        given the perturbation, and the status ``"ok"`` or ``"not_converged"`` (a worse perturbation is likely).
        ``extra``: ``rises`` (the rise after each step), ``loss`` L(w) and ``units`` (cost in forward and backward
        passes over the examples).

    Raises:
        ConfigError: a setting is out of range.
        TrainingError: a loss or gradient is not finite.
    """
    unperturbed = subject.predictions
    parameters = weights(subject.model)
    result = {}
    with restored(parameters) as origin:
        for language, batches in subject.batches.items():
            few = subset(batches, examples)
            before = unperturbed[language].first(examples or unperturbed[language].examples)
            ascent = _ascend(subject.model, few, language, parameters, origin, before, rho, steps)
            log.info("sharpness_adaptive: %s, %.4g nats", language, ascent.best.mean().item())
            on = f"{subject.split}, first {before.examples} examples, true labels, eval mode, all parameters"
            result[language] = _value(ascent, before, tolerance, on)
    return result


@dataclass(frozen=True)
class Ascent:
    """One language's search: the mean rise after each step, and the (U,) rises of the units at the best."""

    rises: list[float]
    best: Tensor


def _ascend(
    model: nn.Module,
    batches: Sequence[Batch],
    language: str,
    parameters: Mapping[str, Tensor],
    origin: Mapping[str, Tensor],
    before: Predictions,
    rho: float,
    steps: int,
) -> Ascent:
    """Leaves the weights at the last point, for the caller to restore."""
    at_optimum = losses(before)
    rises, best = [], torch.zeros_like(at_optimum)
    v = {name: torch.zeros_like(p) for name, p in parameters.items()}
    for step in range(steps + 1):
        with torch.no_grad():
            for name, p in parameters.items():
                p.copy_(origin[name] * (1 + v[name]))
        if step == steps:
            after = predict(model, batches, language)
        else:
            after, gradient = predictions_and_gradient(model, batches, language)
        rise = losses(after) - at_optimum
        if step:
            rises.append(rise.mean().item())
            best = max(best, rise, key=torch.mean)
        if step < steps:
            _step(v, {name: g.mul_(origin[name]) for name, g in gradient.items()}, rho)
    return Ascent(rises, best)


def _step(v: Mapping[str, Tensor], g: Mapping[str, Tensor], rho: float) -> None:
    """Move v half a radius along g and back to the ball."""
    length = norm(g.values())
    if length == 0:  # no direction is worse than another
        return
    for name, part in v.items():
        part.add_(g[name], alpha=rho / 2 / length)
    far = norm(v.values())
    if far > rho:
        for part in v.values():
            part.mul_(rho / far)


def _value(ascent: Ascent, before: Predictions, tolerance: float, on: str) -> Value:
    value, n = ascent.best.mean().item(), len(before)
    half = max([0.0, *ascent.rises[: len(ascent.rises) // 2]])
    status = "ok" if value <= (1 + tolerance) * half else "not_converged"
    extra = {
        "rises": ascent.rises,
        "loss": losses(before).mean().item(),
        "units": len(ascent.rises) + 1 / 3,
        **blocks(ascent.best, before.example),
    }
    return Value(value, clustered(ascent.best, before.example), n, on, "examples", status, extra)
