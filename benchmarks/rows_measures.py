"""Rows of the sharpness measures: Algorithm 1 of bassi2024generalization for one more language, and for fifteen."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from benchmarks.harness import Row
from benchmarks.shapes import Bench, Timed
from xlgen.measures.base import Subject
from xlgen.measures.sharpness_difference import Ball, _draw, sharpness_difference
from xlgen.models.evaluate import losses, predict
from xlgen.models.perturb import gaussian, weights

NOISE, STEP, RADIUS = 0.001, 0.05, 0.05
LANGUAGES = 15


def rows() -> list[Row]:
    """The marginal language, which shares ε and has its L(w_0) from the accuracy; and all of it."""
    unit = {"unit": lambda bench: bench.plain_all, "unit_name": "plain, all batches"}
    return [
        Row("difference-based sharpness, one language", "xlgen", _language, "phi", 1e-2, 1.5, **unit),
        Row(f"difference-based sharpness, {LANGUAGES} languages, each", "xlgen", _all, **unit,
            units=LANGUAGES, layers=4),
    ]  # fmt: skip


def references() -> dict[str, Callable[[Bench], object]]:
    return {"phi": _phi}


def _epsilon(bench: Bench) -> dict[str, torch.Tensor]:
    return gaussian(weights(bench.model), NOISE, torch.Generator().manual_seed(0))


def _language(bench: Bench) -> Timed:
    """One more language: w_0, ε and the loss at w_0 are there already."""
    parameters, at_optimum = weights(bench.model), losses(predict(bench.model, bench.batches))
    origin = {name: p.detach().clone() for name, p in parameters.items()}
    noisy = {name: e.add_(origin[name]) for name, e in _epsilon(bench).items()}
    ball = Ball(parameters, origin, noisy, STEP, RADIUS, True)

    @torch.no_grad()
    def run():
        with torch.enable_grad():
            draw = _draw(bench.model, bench.batches, "", ball, at_optimum, control=False)
        for name, p in parameters.items():
            p.copy_(origin[name])
        return draw.rises.mean().item()

    return run


def _all(bench: Bench) -> Timed:
    """All of the measure with one draw of ε, for the average language; predictions are those of the accuracy."""
    names = [f"language {i}" for i in range(LANGUAGES)]
    subject = Subject(bench.model, dict.fromkeys(names, bench.batches))
    subject.__dict__["predictions"] = dict.fromkeys(names, predict(bench.model, bench.batches))

    def run():
        sharpness_difference(subject, noise_scale=NOISE, n=STEP, lam=RADIUS, noise_seeds=(0,), control=False)

    return run


def _phi(bench: Bench) -> float:
    """Algorithm 1, line by line."""
    theta, n = bench.weights, sum(map(len, bench.batches))

    def loss() -> torch.Tensor:
        return sum(bench.loss(batch) * len(batch) for batch in bench.batches) / n

    epsilon, w_0 = _epsilon(bench), {name: w.detach().clone() for name, w in theta.items()}
    with torch.no_grad():
        before = loss().item()
        for name, w in theta.items():
            w += epsilon[name]
    del epsilon
    g = torch.autograd.grad(loss(), list(theta.values()))
    with torch.no_grad():
        for w, part in zip(theta.values(), g, strict=True):
            w += STEP * part
        p = RADIUS * _norm(theta.values())
        distance = _norm(w - w_0[name] for name, w in theta.items())
        for name, w in theta.items():
            if distance > p:
                w.copy_(w_0[name] + p / distance * (w - w_0[name]))
        after = loss().item()
        for name, w in theta.items():
            w.copy_(w_0[name])
    return after - before


def _norm(tensors) -> float:
    return math.sqrt(sum(float(torch.linalg.vector_norm(t, dtype=torch.float64)) ** 2 for t in tensors))
