"""α-based sharpness: how far the weights can be moved, in the worst direction, before the model gets worse.

jiang2020fantastic (after keskar2017large), as used in bassi2024generalization, section 3.2 and appendix A.2. The search
is over α in a bracket; where the answer lies outside the bracket the status says so.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from xlgen.core.coerce import AtLeast0, AtLeast1, NotNegative, Positive
from xlgen.core.errors import ConfigError
from xlgen.measures.attack import Attack, Bracket, bisect, guide
from xlgen.measures.base import MEASURES, Predictions, Subject, Value
from xlgen.measures.blocks import BLOCKS, block_of, kept
from xlgen.measures.frobenius import shared_weights
from xlgen.measures.sampling import resampled, totals
from xlgen.models.evaluate import losses, subset
from xlgen.models.perturb import distance, restored, weights

log = logging.getLogger(__name__)


def accuracy_deviation(before: Predictions, after: Predictions) -> Tensor:
    """acc(w) - acc(w + u), by unit: 1 where the answer was right and is wrong, -1 where it is the other way round."""
    right = [(p.logits.argmax(dim=1) == p.labels).double() for p in (before, after)]
    return right[0] - right[1]


def loss_deviation(before: Predictions, after: Predictions) -> Tensor:
    """L(w + u) - L(w), by unit [nats]."""
    return losses(after) - losses(before)


def absolute_loss(before: Predictions, after: Predictions) -> Tensor:
    """L(w + u), by unit [nats]."""
    return losses(after)


CRITERIA: dict[str, Callable[[Predictions, Predictions], Tensor]] = {
    f.__name__: f for f in (accuracy_deviation, loss_deviation, absolute_loss)
}


SEARCHES = ("bisection", "plain", "guided")


@MEASURES.register("sharpness_alpha")
def sharpness_alpha(
    subject: Subject,
    *,
    criterion: Literal[tuple(CRITERIA)] = "accuracy_deviation",
    threshold: Positive = 0.1,
    alpha_min: Positive = 1e-6,
    alpha_max: Positive = 0.1,
    search: Literal[SEARCHES] = "bisection",
    bisections: AtLeast1 = 9,
    restarts: AtLeast1 = 2,
    steps: AtLeast1 = 5,
    tolerance: Positive = 0.05,
    relative: bool = False,
    epsilon: NotNegative = 1e-6,
    examples: AtLeast0 = 256,
    seed: int = 0,
) -> dict[str, Value]:
    """Search the largest α whose worst perturbation u, ||u||_∞ ≤ α, is still tolerated; the value is 1/α².

    For each α the worst case is sought from ``restarts`` starts u ~ U(-α/2, α/2), each followed by
    ``steps`` steps of projected gradient ascent on the mean cross-entropy, the steepest in the ℓ_∞ norm::

        u ← clip(u + (2α / steps) sign ∇L(w + u), -α, α)

    (long enough to reach any corner from any start). The largest deviation met, always from the *unperturbed* model,
    decides. Every language and α uses the same starts.

    Three searches use these attacks. ``"plain"`` bisects log α and takes all steps from all starts:
    ``bisections · restarts · (steps + 1/3)`` units. ``"bisection"`` gives an α up at the first point that is not
    tolerated, which changes no decision. ``"guided"`` decides as they do but tries fewer α, from above, each start by
    itself; it stops when the ends of the bracket differ by ``tolerance``. It assumes that what one start tolerates it
    also tolerates at a smaller α.

    Criteria; u is not tolerated if

    - ``"accuracy_deviation"``: acc(w) - acc(w + u) ≥ threshold (jiang2020fantastic);
    - ``"loss_deviation"``: L(w + u) - L(w) ≥ threshold [nats];
    - ``"absolute_loss"``: L(w + u) ≥ threshold [nats], as bassi2024generalization prints it (0.1). In a language that
      the model was not trained on L(w) alone is larger: no α is tolerated and the search ends at ``alpha_min``.

    An accuracy moves in steps of 1/U, so that a threshold of 0.1 is 3/24 = 0.125 with 24 examples, 5/48 = 0.104 with 48
    and itself with 40: ``extra`` has the number of answers lost and what share that is.

    The standard error is that of the bootstrap over examples, sentences in tagging (efron1993bootstrap), of the
    perturbations that the search has met: what each does to each example is known, so it takes no further pass. For a
    sample of the examples the answer is where the worst of them reaches the threshold, by interpolation between the α
    that were tried (and 0). The error is 2/α² times that of log α, which is the width of the samples' middle 95 % over
    2 · 1.96. The attack on another sample would have met perturbations that are worse for it: in simulations these
    errors are about right for the accuracy and up to twice too large for a loss. Nor do they know of the bias: the
    worst case of a few examples is worse than that of many.

    Args:
        subject: model and examples; the weights are restored exactly.
        criterion: see above.
        threshold: see above.
        alpha_min: lower end of the search.
        alpha_max: upper end of the search.
        search: see above.
        bisections: values of α tried; the final bracket has the ratio (alpha_max / alpha_min)^(2^-bisections). Not
            used by the guided search.
        restarts: random starts for each α.
        steps: ascent steps from each start.
        tolerance: the guided search ends when the bracket's ends have a ratio of at most 1 + tolerance.
        relative: magnitude-aware ball ``|u_i| ≤ α |w_i| + epsilon`` in place of ``|u_i| ≤ α``.
        epsilon: see ``relative``.
        examples: the first so many examples of each language; 0 is all of them.
        seed: seeds the starts.

    Returns:
        Per language 1/α² with its standard error (``None`` unless the status is ``"ok"``) and status ``"ok"``,
        ``"hit_lower"`` (no α tried is tolerated: 1/α² is at least the value) or ``"hit_upper"`` (every α tried is
        tolerated: at most the value). ``extra``: ``alpha`` (the largest α found tolerated), ``alpha_above`` (the
        smallest found not tolerated, or ``None``), ``alpha_interval`` (of the bootstrap, from 2.5 to 97.5 %),
        ``threshold`` (the smallest deviation that there can be and that is not tolerated), ``threshold_count`` (of how
        many lost answers; ``None`` for a loss), ``search`` (each α tried with the largest deviation met; in the guided
        search by one start), ``units`` (cost in forward and backward passes over the examples) and, where pretrained
        weights are known, ``distance`` ||W - W_0||_F and ``phi`` = ||W - W_0||_F² / (4 α²), the paper's simplified φ,
        over the parameters that the pretrained model has.

    Raises:
        ConfigError: a setting is out of range.
        UnknownName: the criterion or the search does not exist.
        ModelError: the pretrained weights do not fit the model.
        TrainingError: the unperturbed model's logits are not finite.
    """
    if alpha_min >= alpha_max:
        raise ConfigError(f"alpha_min is {alpha_min!r}, alpha_max {alpha_max!r}; expected alpha_min < alpha_max.")
    moved = None if subject.reference is None else distance(shared_weights(subject), subject.reference)
    unperturbed = subject.predictions
    parameters = weights(subject.model)
    result = {}
    with restored(parameters) as origin:
        for language, batches in subject.batches.items():
            few = subset(batches, examples)
            before = unperturbed[language].first(examples or unperturbed[language].examples)
            n = before.examples
            count = _count(threshold, len(before)) if criterion == "accuracy_deviation" else None
            attack = Attack(
                model=subject.model,
                batches=few,
                parameters=parameters,
                origin=origin,
                before=before,
                deviation=CRITERIA[criterion],
                threshold=threshold,
                restarts=restarts,
                steps=steps,
                epsilon=epsilon if relative else None,
                seed=seed,
                thorough=search == "plain",
            )
            low, high, status = _bracket(attack, alpha_min, alpha_max, bisections, tolerance, guided=search == "guided")
            log.info("sharpness_alpha: %s, alpha %.3g (%s), %.1f units", language, low, status, attack.units)
            extra = {"alpha": low, "alpha_above": high, "search": attack.tried, "units": attack.units}
            extra |= {"threshold": threshold if count is None else count / len(before), "threshold_count": count}
            error, extra["alpha_interval"] = _bootstrap(attack, alpha_min) if status == "ok" else (None, None)
            if error is not None and n >= BLOCKS:
                extra |= kept(-2 / low**2 * _blocks(attack, alpha_min))
            stderr = None if error is None else 2 / low**2 * error
            if moved is not None:
                extra |= {"distance": moved, "phi": moved**2 / (4 * low**2)}
            on = f"{subject.split}, first {n} examples, true labels, eval mode, all parameters"
            kind = "" if stderr is None else "examples"
            result[language] = Value(1 / low**2, stderr, len(before), on, kind, status, extra)
    return result


def _count(threshold: float, units: int) -> int | None:
    """The fewest lost answers of ``units`` that are not tolerated; ``None`` if not even all of them are so many."""
    return next((count for count in range(1, units + 1) if count / units >= threshold), None)


def _bootstrap(attack: Attack, alpha_min: float) -> tuple[float | None, list[float] | None]:
    """Standard error of log α and interval of α over resampled examples; ``None`` with one example."""
    example = attack.before.example
    units = totals(torch.ones(len(example)), example)
    if len(units) < 2:
        return None, None
    counts = torch.stack([draw.bincount(minlength=len(units)) for draw in resampled(len(units))]).double()
    ends = torch.tensor([0.025, 0.975], dtype=torch.float64)
    low, high = _alphas(attack, counts, alpha_min).quantile(ends).tolist()
    return math.log(high / low) / (2 * 1.96), [low, high]


def _blocks(attack: Attack, alpha_min: float) -> Tensor:
    """By how much log α is another in each block of examples: the jackknife's, from α without the block."""
    block = block_of(attack.before.examples)[attack.before.example.unique()]
    counts = torch.stack([(block != k).double() for k in range(BLOCKS)])
    without = _alphas(attack, counts, alpha_min).log()
    return (BLOCKS - 1) * (without.mean() - without)


def _alphas(attack: Attack, counts: Tensor, alpha_min: float) -> Tensor:
    """α of samples in which the N examples occur so many times each, (R, N): (R,)."""
    example = attack.before.example
    units = totals(torch.ones(len(example)), example)
    worst = {0.0: counts @ totals(attack.deviation(attack.before, attack.before), example)}  # by α, of each sample
    for alpha, deviations in attack.met:
        sums = (
            torch.full((len(counts),), math.inf).double()
            if deviations is None
            else counts @ totals(deviations, example)
        )
        worst[alpha] = torch.maximum(worst[alpha], sums) if alpha in worst else sums
    alphas = torch.tensor(sorted(worst), dtype=torch.float64)
    deviation = torch.stack([worst[alpha] for alpha in alphas.tolist()]) / (counts @ units)
    return _crossing(alphas, deviation.cummax(dim=0).values, attack.threshold).clamp(min=alpha_min)


def _crossing(x: Tensor, y: Tensor, level: float) -> Tensor:
    """Where each of R rising curves y (A, R) over x (A,) reaches a level, by interpolation; at most the last x."""
    above = (y < level).sum(dim=0).clamp(1, len(x) - 1)
    low, high = y.gather(0, above[None] - 1)[0], y.gather(0, above[None])[0]
    share = ((level - low) / (high - low)).nan_to_num(0).clamp(0, 1)  # 0 / 0 where both reach it
    return x[above - 1] + share * (x[above] - x[above - 1])


def _bracket(attack: Attack, low: float, high: float, bisections: int, tolerance: float, *, guided: bool) -> Bracket:
    """Search, unless the weights themselves are not tolerated."""
    if attack.deviation(attack.before, attack.before).mean() >= attack.threshold:
        return low, low, "hit_lower"
    return guide(attack, low, high, tolerance) if guided else bisect(attack, low, high, bisections)
