"""Rows of training steps: SAM, the Fisher penalty, L2 and EWC, MVR."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks import naive
from benchmarks.harness import Row
from benchmarks.shapes import Bench, Shape, Timed
from xlgen.objectives import Anchor, Objective, Step, create
from xlgen.training import optimizers
from xlgen.training.setup import groups

SAM_STEP = "SAM step with AdamW"
PENALTY = "Fisher penalty, {} labels"


def rows() -> list[Row]:
    """Ours, and the double backward that the penalty is compared with."""
    found = [
        Row("AdamW step", "xlgen", partial(_step, "baseline", {})),
        Row(SAM_STEP, "xlgen", partial(_step, "sam", {"rho": naive.RHO}), "sam", 1e-3, brief=True),
    ]
    for labels, goal in (("true", 2.2), ("sample", 2.9)):
        operation = PENALTY.format({"sample": "sampled"}.get(labels, labels))
        reference = f"penalty {labels}"
        found += [
            Row(operation, "xlgen", partial(_penalty, labels, "finite_difference"), reference, 1e-2, goal, brief=True),
            Row(operation, "double backward", partial(_penalty, labels, "double_backward"), reference, 1e-4,
                gib=_double_backward),
        ]  # fmt: skip
    for name, fisher in (("l2", False), ("ewc", True)):
        make, unit = partial(_anchored, name, fisher), partial(_step, "baseline", {})
        operation = f"{name.upper()} step with AdamW"
        found.append(Row(operation, "xlgen", make, name, 1e-5, 1.05, unit, "baseline step", closely=True))
    return [*found, Row("MVR gradient", "xlgen", _mvr, "mvr", 1e-4, 2.05)]


def references() -> dict[str, Callable[[Bench], object]]:
    """The naive computations of the rows."""
    return {
        "sam": naive.sam,
        **{f"penalty {labels}": partial(_exact_penalty, labels) for labels in ("true", "sample")},
        **{name: partial(_exact_pull, fisher) for name, fisher in (("l2", False), ("ewc", True))},
        "mvr": _exact_mvr,
    }


def _step(name: str, hyper: dict, bench: Bench, anchors: tuple[Anchor, ...] = ()) -> Timed:
    """The gradient and the update, with a learning rate of 0: the same work, and the weights stay."""
    objective = create(name, hyper)
    optimizer = optimizers.create("adamw", groups(bench.model, 0.0), 0.0)

    def run():
        objective.gradient(bench.model, [bench.batch], Step(anchors=anchors))
        optimizer.step()
        return bench.gradients

    return run


def _double_backward(shape: Shape) -> float:
    """The graph of the backward pass keeps about three times the activations of a forward pass [GiB]."""
    per_token = shape.layers * (40 * shape.width + 6 * shape.length * max(1, shape.width // 64))
    return 3 * shape.batch * shape.length * per_token * 4 / 2**30 + 3 * shape.weights


def _penalty(labels: str, method: str, bench: Bench) -> Timed:
    objective = create("fisher", {"weight": naive.LAM, "labels": labels, "method": method})

    def run():
        objective.gradient(bench.model, [bench.batch], Step())
        return partial(_of_penalty_alone, bench)

    return run


def _of_penalty_alone(bench: Bench) -> dict[str, Tensor]:
    """What the penalty adds to the cross-entropy's gradient, which would hide an error in it."""
    found, plain = bench.gradients(), bench.cross_entropy_gradient()
    return {name: (g - plain[name]).div_(naive.LAM) for name, g in found.items()}


def _exact_penalty(labels: str, bench: Bench) -> dict[str, Tensor] | None:
    if _double_backward(bench.shape) > bench.shape.room:
        return None
    objective: Objective = create("fisher", {"labels": labels})
    with torch.no_grad():
        logits = bench.model(**bench.batch.inputs).logits
    step = Step()
    (u,) = objective._uniform([bench.batch], step)
    return naive.penalty(bench, objective._labels(logits, bench.batch.labels, u, step))


def _anchor(fisher: bool, bench: Bench) -> Anchor:
    generator = torch.Generator().manual_seed(2)
    draw = lambda w: torch.randn(w.shape, generator=generator)  # noqa: E731
    theta = {name: draw(w).mul_(0.01).add_(w.detach()) for name, w in bench.weights.items()}
    return Anchor(theta, {name: draw(w).square_() for name, w in theta.items()} if fisher else None)


def _anchored(name: str, fisher: bool, bench: Bench) -> Timed:
    return _step(name, {"lam": naive.LAM}, bench, (_anchor(fisher, bench),))


def _exact_pull(fisher: bool, bench: Bench) -> dict[str, Tensor]:
    anchor, g = _anchor(fisher, bench), bench.cross_entropy_gradient()
    for name, w in bench.weights.items():
        weight = anchor.weight[name] if fisher else 1.0
        g[name] += naive.LAM * weight * (w.detach() - anchor.theta[name])
    return g


def _mvr(bench: Bench) -> Timed:
    objective = create("mvr", {})

    def run():
        objective.gradient(bench.model, [bench.batch], Step())
        return bench.gradients

    return run


def _exact_mvr(bench: Bench) -> dict[str, Tensor]:
    """Equation 4 of wang2021mvr, with the default weight and temperature."""
    batch = bench.batch
    z, view = bench.model(**batch.inputs).logits, bench.model(**batch.view).logits
    p = z.softmax(-1)
    kl = (p * (p.log() - view.log_softmax(-1))).sum(-1).mean()
    loss = 0.5 * (F.cross_entropy(z, batch.labels) + F.cross_entropy(view, batch.labels)) + 0.6 * kl
    return dict(zip(bench.weights, torch.autograd.grad(loss, list(bench.weights.values())), strict=True))
