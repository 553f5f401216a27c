"""Attacks of a given size on a model's weights, and the choice of the sizes.

Used by :mod:`xlgen.measures.sharpness_alpha`, which says what is sought. An attack of size α is a few climbs from
random starts; α is tolerated if none of them meets a perturbation that is not. :func:`bisect` halves a bracket with
whole attacks. :func:`guide` looks for the bracket of one climb after the other, from above, where climbs are short.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from xlgen.core.errors import TrainingError
from xlgen.data.batch import Batch
from xlgen.measures.base import Predictions
from xlgen.models.evaluate import predict, predictions_and_gradient
from xlgen.models.vocabulary import kept, whole_shape

FORWARD = 1 / 3
"""Cost of a forward pass alone, in forward and backward passes."""


@dataclass
class Attack:
    """The search for the worst perturbation of a given size, for one language.

    Attributes:
        model: whose weights are moved, and left moved.
        batches: the examples.
        parameters: the live weights, by name.
        origin: w, by the same names.
        before: the predictions at w.
        deviation: (U,) by unit, how much worse the second predictions are than the first; what counts is the mean.
        threshold: the deviation that is no longer tolerated.
        restarts: random starts.
        steps: ascent steps from each of them.
        epsilon: of the magnitude-aware ball, or ``None``.
        seed: of the random starts.
        thorough: end every climb, also after a perturbation that is not tolerated.
        units: forward and backward passes over the examples so far.
        tried: each α attacked, with the largest deviation met.
        met: each perturbation met, its α with the deviation of each unit; ``None`` where the model overflows.
        states: of the random generator before each start, as far as they are known.
    """

    model: nn.Module
    batches: Sequence[Batch]
    parameters: Mapping[str, Tensor]
    origin: Mapping[str, Tensor]
    before: Predictions
    deviation: Callable[[Predictions, Predictions], Tensor]
    threshold: float
    restarts: int
    steps: int
    epsilon: float | None
    seed: int
    thorough: bool = False
    units: float = 0.0
    tried: list[tuple[float, float]] = field(default_factory=list)
    met: list[tuple[float, Tensor | None]] = field(default_factory=list)
    states: list[Tensor] = field(default_factory=list)

    def bound(self, name: str, alpha: float) -> Tensor:
        """Largest ``|u_i|`` of each weight: α, or ``α |w_i| + ε`` in the magnitude-aware ball."""
        origin = self.origin[name]
        return torch.full_like(origin, alpha) if self.epsilon is None else origin.abs() * alpha + self.epsilon

    @torch.no_grad()
    def start(self, alpha: float, generator: torch.Generator) -> None:
        """Set w + u with u uniform in the middle half of the ball; drawn on the CPU in the order of the names."""
        for name, p in self.parameters.items():
            uniform = kept(p, torch.rand(whole_shape(p), generator=generator, dtype=torch.float32)) - 0.5
            p.copy_(self.origin[name] + uniform.to(p) * self.bound(name, alpha))

    @torch.no_grad()
    def ascend(self, alpha: float, gradient: Mapping[str, Tensor]) -> None:
        """Take one step up and clip every weight to the ball."""
        for name, p in self.parameters.items():
            origin, bound = self.origin[name], self.bound(name, alpha)
            p.addcmul_(gradient[name].sign(), bound, value=2 / self.steps)
            p.clamp_(origin - bound, origin + bound)

    def look(self) -> Predictions | None:
        """The predictions where the weights are now, by a forward pass; ``None`` if the model overflows."""
        self.units += FORWARD
        try:
            return predict(self.model, self.batches)
        except TrainingError:
            return None

    def judge(self, alpha: float, after: Predictions | None) -> float:
        """The deviation of a perturbation, which is remembered: a model that overflows is worse by any criterion."""
        per_unit = None if after is None else self.deviation(self.before, after)
        self.met.append((alpha, per_unit))
        return math.inf if per_unit is None else per_unit.sum().item() / len(per_unit)

    def climb(self, restart: int, alpha: float) -> tuple[float, int | None]:
        """Ascend from one of the starts.

        Args:
            restart: number of the start; every earlier one must have been used before.
            alpha: size of the ball.

        Returns:
            The largest deviation met, and the ascent steps before the first that is not tolerated (``None``: all are).
        """
        generator = torch.Generator().manual_seed(self.seed)
        if restart:
            generator.set_state(self.states[restart - 1])
        self.start(alpha, generator)
        self.states[restart:] = [generator.get_state(), *self.states[restart + 1 :]]
        largest, exceeded = -math.inf, None
        for step in range(self.steps + 1):
            if step == self.steps:
                after = self.look()
            else:
                self.units += 1
                try:
                    after, gradient = predictions_and_gradient(self.model, self.batches)
                except TrainingError:
                    return self.judge(alpha, None), step if exceeded is None else exceeded
            deviation = self.judge(alpha, after)
            largest = max(largest, deviation)
            if deviation >= self.threshold and exceeded is None:
                exceeded = step
                if not self.thorough:
                    break
            if step < self.steps:
                self.ascend(alpha, gradient)
        return largest, exceeded

    def tolerated(self, alpha: float) -> bool:
        """Climb from all starts, or up to the first perturbation that is not tolerated."""
        largest = -math.inf
        for restart in range(self.restarts):
            largest = max(largest, self.climb(restart, alpha)[0])
            if largest >= self.threshold and not self.thorough:
                break
        self.tried.append((alpha, largest))
        return largest < self.threshold


Bracket = tuple[float, float | None, str]
"""The largest α found tolerated, the smallest found not tolerated (``None``: none), and the status."""


def bisect(attack: Attack, low: float, high: float, bisections: int) -> Bracket:
    """Bisect log α with whole attacks."""
    tolerated = exceeded = False
    for _ in range(bisections):
        alpha = math.sqrt(low * high)
        if attack.tolerated(alpha):
            low, tolerated = alpha, True
        else:
            high, exceeded = alpha, True
    status = "ok" if tolerated and exceeded else "hit_upper" if tolerated else "hit_lower"
    return low, high if exceeded else None, status


def guide(attack: Attack, bottom: float, top: float, tolerance: float) -> Bracket:
    """Bring the ends of the bracket to a ratio of at most 1 + ``tolerance``, start by start.

    An α is tolerated if it is from every start, so the answer is the smallest of the starts' own. The first start's is
    sought from above. Each other start is tried at the lower end alone and goes on from there only if it fails. At the
    end every start has been tried at the lower end or above it. A short climb is cheap, and says how far the answer
    is: to take all steps, α may be smaller by the share that was taken (we go half of the way, in log α).
    """
    alpha, above = top, None
    for restart in range(attack.restarts):
        low = None
        while low is None or (above is not None and above > low * (1 + tolerance)):
            largest, steps = attack.climb(restart, alpha)
            attack.tried.append((alpha, largest))
            if steps is None:
                low = alpha
                alpha = math.sqrt(low * (above or low))
            elif alpha == bottom:
                return bottom, bottom, "hit_lower"
            else:
                above = alpha
                farther = alpha * math.sqrt(max(steps, 1) / attack.steps)
                alpha = max(farther, math.sqrt((low or bottom) * above))
                alpha = max(bottom, min(alpha, above / (1 + tolerance)))
        alpha = low
    return low, above, "hit_upper" if above is None else "ok"
