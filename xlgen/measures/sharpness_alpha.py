"""α-based sharpness: how far the weights can be moved, in the worst direction, before the model gets worse.

jiang2020fantastic (after keskar2017large), as used in bassi2024generalization, section 3.2 and appendix A.2. The search
is over α in a bracket; where the answer lies outside the bracket the status says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal

from xlgen.coerce import AtLeast0, AtLeast1, NotNegative, Positive
from xlgen.errors import ConfigError
from xlgen.evaluate import losses, subset
from xlgen.measures.attack import Attack, Bracket, bisect, guide
from xlgen.measures.base import MEASURES, Predictions, Subject, Value
from xlgen.measures.frobenius import shared_weights
from xlgen.perturb import distance, restored, weights

log = logging.getLogger(__name__)


def accuracy_deviation(before: Predictions, after: Predictions) -> float:
    """acc(w) - acc(w + u)."""
    right = [int((p.logits.argmax(dim=1) == p.labels).sum()) for p in (before, after)]
    return (right[0] - right[1]) / len(before)


def loss_deviation(before: Predictions, after: Predictions) -> float:
    """L(w + u) - L(w) [nats]."""
    return (losses(after).mean() - losses(before).mean()).item()


def absolute_loss(before: Predictions, after: Predictions) -> float:
    """L(w + u) [nats]."""
    return losses(after).mean().item()


CRITERIA: dict[str, Callable[[Predictions, Predictions], float]] = {
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
        relative: magnitude-aware ball |u_i| ≤ α |w_i| + epsilon in place of |u_i| ≤ α.
        epsilon: see ``relative``.
        examples: the first so many examples of each language; 0 is all of them.
        seed: seeds the starts.

    Returns:
        Per language 1/α² with status ``"ok"``, ``"hit_lower"`` (no α tried is tolerated: 1/α² is at least the value) or
        ``"hit_upper"`` (every α tried is tolerated: at most the value). ``extra``: ``alpha`` (the largest α found
        tolerated), ``alpha_above`` (the smallest found not tolerated, or ``None``), ``search`` (each α tried with the
        largest deviation met; in the guided search by one start), ``units`` (cost in forward and backward passes over
        the examples) and, where pretrained weights are known, ``distance`` ||W - W_0||_F and ``phi`` =
        ||W - W_0||_F² / (4 α²), the paper's simplified φ, over the parameters that the pretrained model has.

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
            low, high, status = _bracket(attack, alpha_min, alpha_max, bisections, tolerance, search == "guided")
            log.info("sharpness_alpha: %s, alpha %.3g (%s), %.1f units", language, low, status, attack.units)
            extra = {"alpha": low, "alpha_above": high, "search": attack.tried, "units": attack.units}
            if moved is not None:
                extra |= {"distance": moved, "phi": moved**2 / (4 * low**2)}
            on = f"{subject.split}, first {n} examples, true labels, eval mode, all parameters"
            result[language] = Value(1 / low**2, None, n, on, "", status, extra)
    return result


def _bracket(attack: Attack, low: float, high: float, bisections: int, tolerance: float, guided: bool) -> Bracket:
    """Search, unless the weights themselves are not tolerated."""
    if attack.deviation(attack.before, attack.before) >= attack.threshold:
        return low, low, "hit_lower"
    return guide(attack, low, high, tolerance) if guided else bisect(attack, low, high, bisections)
