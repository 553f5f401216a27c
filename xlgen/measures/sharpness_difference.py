"""Difference-based sharpness: the rise of the loss from the optimum to a noisy, ascended, projected neighbour.

Algorithm 1 of bassi2024generalization. It is computed with one gradient per language and draw of noise; nothing is
searched for, so it cannot saturate as the α-based sharpness does.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from xlgen.core.coerce import Different, NotNegative, Positive
from xlgen.data.batch import Batch
from xlgen.measures.base import MEASURES, Predictions, Subject, Value
from xlgen.measures.blocks import blocks
from xlgen.measures.sampling import clustered
from xlgen.models.evaluate import loss_and_gradient, losses, predict
from xlgen.models.perturb import distance, gaussian, gaussian_left_out, norm, restored, weights

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Draw:
    """One run of Algorithm 1 for one language and one ε.

    Attributes:
        rises: (U,) loss of each unit at w' minus its loss at w_0 [nats]; φ is their mean.
        noise_rise: φ of the same noise without the ascent step; ``None`` if not asked for.
        ascent: n ||∇L(w)||.
        distance: ||w' - w_0|| before the projection.
        radius: p = λ ||w'||_F.
        clipped: whether w' was projected.
    """

    rises: Tensor
    noise_rise: float | None
    ascent: float
    distance: float
    radius: float
    clipped: bool


@MEASURES.register("sharpness_difference")
def sharpness_difference(
    subject: Subject,
    *,
    noise_scale: NotNegative = 0.001,
    n: NotNegative = 0.05,
    lam: Positive = 0.05,
    noise_seeds: Annotated[Sequence[int], *Different] = (0, 1, 2),
    project: bool = True,
    control: bool = True,
) -> dict[str, Value]:
    """Compute φ_difference = L(w') - L(w_0) per language (Algorithm 1 of bassi2024generalization).

    With all parameters, embeddings included, as one vector, L the mean cross-entropy over all examples of the
    language, in eval mode::

        w  = w_0 + ε,  ε ~ N(0, noise_scale²)      (line 2)
        w' = w + n ∇L(w)                           (lines 3-4; the raw gradient of all examples at once)
        p  = λ ||w'||_F                            (line 5)
        w' = w_0 + p (w' - w_0) / ||w' - w_0||     if ||w' - w_0|| > p   (lines 6-8)

    The paper chooses ``noise_scale`` for each model among 0.001, 0.005, 0.01 and 0.02. Values at different scales
    cannot be compared: from about λ times the RMS weight upwards the projection binds, and it shrinks the ascent step
    by p / ||w' - w_0|| along with the noise. ε is almost all of the displacement, but the ascent can still be almost
    all of φ, n ||∇L||² to first order. The default is the scale that disturbs it least; ``extra`` has the shares.

    The same ε are used for every language, so differences between languages are paired. A draw takes a gradient and a
    forward pass for each language; L(w_0) comes from the pass that accuracy and margin are computed from. Besides the
    model this holds three copies of the weights on its device (w_0, w and the gradient).

    Args:
        subject: model and examples; the weights are restored exactly.
        noise_scale: standard deviation of ε; 0 leaves the ascent step alone (one draw).
        n: step size of the ascent.
        lam: radius of the ball relative to ||w'||_F.
        noise_seeds: one ε for each; φ is averaged over them.
        project: project on the ball; ``False`` skips lines 6-8.
        control: also compute φ of the noise without the ascent step (one more forward pass a draw).

    Returns:
        Per language φ [nats], the Monte-Carlo standard error over ε (with one draw that over examples, and then
        ``stderr_kind`` says so), and in ``extra`` one number a draw for ``phi``, ``noise_norm`` ||ε||, ``ascent_norm``
        n ||∇L(w)||, ``distance`` ||w' - w_0|| before projection, ``radius`` p and ``phi_noise`` (the control); further
        ``clipped`` (share of draws that were projected), ``loss`` L(w_0), ``ascent_share`` = 1 - mean φ_noise / mean φ
        (how much of φ is due to the gradient), ``stderr_examples`` (standard error over examples, given w'; in tagging
        clustered by sentence) and ``seeds``.

    Raises:
        ConfigError: a setting is out of range.
        TrainingError: a loss or gradient is not finite.
    """
    seeds = list(noise_seeds) if noise_scale > 0 else list(noise_seeds)[:1]
    predictions = subject.predictions
    at_optimum = {language: losses(p) for language, p in predictions.items()}
    parameters = weights(subject.model)
    draws = {language: [] for language in subject.batches}
    noise_norms = []
    with restored(parameters) as origin:
        for seed in seeds:
            direction = gaussian(parameters, 1.0, torch.Generator().manual_seed(seed))
            ww, we, ee = gaussian_left_out(parameters, torch.Generator().manual_seed(seed))
            noise_norms.append(noise_scale * math.hypot(norm(direction.values()), math.sqrt(ee)))
            outside = ww + 2 * noise_scale * we + noise_scale**2 * ee, noise_scale**2 * ee
            noisy = {name: origin[name] + (noise_scale * direction[name]).to(p) for name, p in parameters.items()}
            ball = Ball(parameters, origin, noisy, n, lam, project, outside)
            for language, batches in subject.batches.items():
                log.info("sharpness_difference: noise %d, %s", seed, language)
                draw = _draw(subject.model, batches, language, ball, at_optimum[language], control=control)
                draws[language].append(draw)
    on = f"{subject.split}, true labels, eval mode, all parameters"
    shared = {"seeds": seeds, "noise_norm": noise_norms}
    return {language: _value(drawn, predictions[language], on, shared) for language, drawn in draws.items()}


@dataclass(frozen=True)
class Ball:
    """Where one draw takes place: the live parameters, w_0 and w = w_0 + ε, with Algorithm 1's n and λ.

    ``outside``: ||w||² and ||w - w_0||² over the rows that a cut of the vocabulary has left out. They have no gradient,
    so both are the same before and after the ascent; a projection of them changes no logit.
    """

    parameters: Mapping[str, Tensor]
    origin: Mapping[str, Tensor]
    noisy: Mapping[str, Tensor]
    n: float
    lam: float
    project: bool
    outside: tuple[float, float] = (0.0, 0.0)

    @torch.no_grad()
    def to_noise(self) -> None:
        """Set the weights to w (line 2)."""
        for name, p in self.parameters.items():
            p.copy_(self.noisy[name])

    @torch.no_grad()
    def ascend(self, gradient: Mapping[str, Tensor]) -> None:
        """Set the weights to w' = w + n ∇L(w) (line 4)."""
        for name, p in self.parameters.items():
            torch.add(self.noisy[name], gradient[name], alpha=self.n, out=p)

    @torch.no_grad()
    def clip(self) -> tuple[float, float, bool]:
        """Project the weights on the ball (lines 5-8); return the distance before, the radius, and whether it moved."""
        weight, moved = self.outside
        far = math.hypot(distance(self.parameters, self.origin), math.sqrt(moved))
        radius = self.lam * math.hypot(norm(self.parameters.values()), math.sqrt(weight))
        clipped = self.project and far > radius
        if clipped:
            for name, p in self.parameters.items():
                torch.lerp(self.origin[name], p, radius / far, out=p)
        return far, radius, clipped


def _draw(
    model: nn.Module, batches: Sequence[Batch], language: str, ball: Ball, at_optimum: Tensor, *, control: bool
) -> Draw:
    """Run Algorithm 1 once; leaves the weights at the neighbour, for the caller to restore."""
    noise_rise = None
    ball.to_noise()
    noisy_loss, gradient = loss_and_gradient(model, batches, language)
    ascent = ball.n * norm(gradient.values())
    if control:
        # without a projection the loss at w_0 + ε is already known from the gradient's forward pass
        noise_loss = losses(predict(model, batches, language)).mean().item() if ball.clip()[2] else noisy_loss
        noise_rise = noise_loss - at_optimum.mean().item()
    ball.ascend(gradient)
    del gradient
    far, radius, clipped = ball.clip()
    return Draw(losses(predict(model, batches, language)) - at_optimum, noise_rise, ascent, far, radius, clipped)


def _value(draws: Sequence[Draw], at_optimum: Predictions, on: str, shared: Mapping[str, object]) -> Value:
    """Average the draws of one language."""
    phi = torch.stack([draw.rises.mean() for draw in draws])
    rises = torch.stack([draw.rises for draw in draws]).mean(dim=0)
    value, sampling = phi.mean().item(), clustered(rises, at_optimum.example)
    extra = {
        **shared,
        "phi": phi.tolist(),
        "ascent_norm": [draw.ascent for draw in draws],
        "distance": [draw.distance for draw in draws],
        "radius": [draw.radius for draw in draws],
        "clipped": sum(draw.clipped for draw in draws) / len(draws),
        "loss": losses(at_optimum).mean().item(),
        "stderr_examples": sampling,
        **blocks(rises, at_optimum.example),
    }
    if draws[0].noise_rise is not None:
        extra["phi_noise"] = [draw.noise_rise for draw in draws]
        extra["ascent_share"] = 1 - sum(extra["phi_noise"]) / len(draws) / value if value else math.nan
    if len(draws) == 1:
        return Value(value, sampling, len(at_optimum), on, "examples", extra=extra)
    return Value(value, phi.std().item() / math.sqrt(len(phi)), len(at_optimum), on, "noise", extra=extra)
