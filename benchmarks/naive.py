"""What every value is checked against, computed as the definitions say, and the loops that a user would write."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.shapes import Bench, Timed

RHO = 0.05
LAM = 0.01


def fisher(bench: Bench) -> dict[str, Any]:
    """Trace and diagonal for both kinds of labels, example by example and class by class in float64."""
    model = copy.deepcopy(bench.model).double()
    names = list(bench.weights)
    diagonals = {kind: [torch.zeros_like(w) for w in model.parameters()] for kind in ("true", "model")}
    traces = dict.fromkeys(diagonals, 0.0)
    n = len(bench.batch)
    for i, label in enumerate(bench.batch.labels.tolist()):
        log_p = model(**bench.batch.rows(slice(i, i + 1)).inputs).logits[0].log_softmax(-1)
        for c in range(len(log_p)):
            g = torch.autograd.grad(log_p[c], list(model.parameters()), retain_graph=c < len(log_p) - 1)
            weights = {"model": log_p[c].exp().item() / n, "true": float(c == label) / n}
            for kind, weight in weights.items():
                if weight:
                    traces[kind] += weight * sum(float(torch.dot(x.flatten(), x.flatten())) for x in g)
                    for total, part in zip(diagonals[kind], g, strict=True):
                        total.addcmul_(part, part, value=weight)
    del model, g
    result: dict[str, Any] = {f"trace {kind}": value for kind, value in traces.items()}
    for kind, tensors in diagonals.items():
        while len(tensors) > 0:  # one at a time: both in float64 and in float32 would be twice the memory
            name = names[len(tensors) - 1]
            result.setdefault(f"diagonal {kind}", {})[name] = tensors.pop().float()
    return result


def sam(bench: Bench) -> dict[str, Tensor]:
    """The gradient at w + rho g / ||g||."""
    g = bench.cross_entropy_gradient()
    size = _norm(g)
    kept = {name: w.detach().clone() for name, w in bench.weights.items()}
    with torch.no_grad():
        for name, w in bench.weights.items():
            w += RHO / size * g[name]
    del g
    found = bench.cross_entropy_gradient()
    with torch.no_grad():
        for name, w in bench.weights.items():
            w.copy_(kept[name])
    return found


def penalty(bench: Bench, labels: Tensor) -> dict[str, Tensor]:
    """The gradient of ||g||² by double backward, without that of the cross-entropy."""
    loss = F.cross_entropy(bench.model(**bench.batch.inputs).logits, labels)
    theta = list(bench.weights.values())
    g = torch.autograd.grad(loss, theta, create_graph=True)
    found = torch.autograd.grad(sum(part.square().sum() for part in g), theta)
    return dict(zip(bench.weights, found, strict=True))


def loop(model: nn.Module, bench: Bench, *, labels: str, diagonal: bool) -> Timed:
    """What a user would write: one example at a time, in the model's precision."""
    theta = dict(model.named_parameters())

    def run() -> Any:
        n, trace = len(bench.batch), 0.0
        sums = {name: torch.zeros_like(w) for name, w in theta.items()} if diagonal else {}
        for i, label in enumerate(bench.batch.labels.tolist()):
            log_p = model(**bench.batch.rows(slice(i, i + 1)).inputs).logits[0].log_softmax(-1)
            classes = [label] if labels == "true" else range(len(log_p))
            for c in classes:
                g = torch.autograd.grad(log_p[c], list(theta.values()), retain_graph=labels != "true")
                weight = 1 / n if labels == "true" else log_p[c].exp().item() / n
                for name, part in zip(theta, g, strict=True):
                    if diagonal:
                        sums[name].addcmul_(part, part, value=weight)
                if not diagonal:
                    norms = torch.stack(torch._foreach_norm(g)).double()
                    trace += weight * norms.square().sum().item()
        return sums if diagonal else trace

    return run


def _norm(tensors: dict[str, Tensor]) -> float:
    return math.sqrt(sum(float(torch.linalg.vector_norm(t, dtype=torch.float64)) ** 2 for t in tensors.values()))
