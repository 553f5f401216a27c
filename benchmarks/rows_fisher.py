"""Rows of the Fisher information: trace and diagonal, of the true labels and of the model's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks import naive
from benchmarks.harness import Row
from benchmarks.shapes import Bench, Timed
from xlgen import fisher

GOALS = {("trace", "true"): 0.85, ("trace", "model"): 1.35, ("diagonal", "true"): 1.2, ("diagonal", "model"): 1.9}
NAMES = {"trace": "Tr F", "diagonal": "diagonal of F", "true": "true labels", "model": "model's labels"}


def operation(kind: str, labels: str) -> str:
    """How a row is named."""
    return f"{NAMES[kind]}, {NAMES[labels]}"


def rows() -> list[Row]:
    """Ours and the naive loop, for each of the four."""
    found = []
    for (kind, labels), goal in GOALS.items():
        what, reference = operation(kind, labels), f"fisher: {kind} {labels}"
        loop = partial(_loop, kind, labels)
        found += [
            Row(what, "xlgen", partial(_ours, kind, labels), reference, 1e-6, goal, brief=True),
            Row(what, "naive loop", loop, reference, 1e-3, brief=(kind, labels) == ("trace", "true")),
        ]
    return found


def references() -> dict[str, Callable[[Bench], object]]:
    return {"fisher": naive.fisher}


def _ours(kind: str, labels: str, bench: Bench) -> Timed:
    if kind == "trace":
        return lambda: fisher.trace(bench.model, [bench.batch], labels).mean
    return lambda: fisher.diagonal(bench.model, [bench.batch], labels)


def _loop(kind: str, labels: str, bench: Bench) -> Timed:
    return naive.loop(bench.model, bench, labels=labels, diagonal=kind == "diagonal")
