"""What a grid will take: :mod:`xlgen.training.plan` of each run, summed and in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from paper import records
from paper.protocols import Protocol
from xlgen.core.config import RunConfig, RunOptions
from xlgen.core.files import atomic, write_json
from xlgen.training.plan import Plan, Planner

COLUMNS = "task model objective tuning runs steps tokens work GiB rate hours".split()


@dataclass(frozen=True)
class Cost:
    """A run, its plan, and the seconds of its training loop on the device."""

    config: RunConfig
    plan: Plan
    seconds: float


def costs(protocols: Iterable[Protocol], options: RunOptions, throughput: float | None = None) -> dict[str, Cost]:
    """By name of the run, what each model of the protocols takes.

    Args:
        protocols: whose models are planned, each once.
        options: how they would be trained.
        throughput: of another device [sub-words of plain training a second]; unless given, steps of each kind of run
            are timed here.
    """
    planner, found = Planner(options), {}
    for name, (config, _) in records.plan(protocols, options).items():
        plan = planner.plan(config)
        found[name] = Cost(config, plan, plan.seconds(throughput) if throughput else planner.seconds(config))
    return found


def text(costs: Mapping[str, Cost], price: float = 0.0) -> str:
    """A line for each kind of run, and their sum.

    ``work`` is that of a step, in plain steps. ``rate`` is the throughput at which the counted operations would take
    these hours; that of a baseline, measured on one machine, is what another asks for.
    """
    kinds: dict[tuple[str, ...], list[Cost]] = {}
    for cost in costs.values():
        config = cost.config
        kinds.setdefault((config.task, config.model, config.objective, config.tuning), []).append(cost)
    rows = [(*kind, *_numbers(alike)) for kind, alike in sorted(kinds.items())]
    rows = [COLUMNS, *rows, ("all", "", "", "", *_numbers([*costs.values()]))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    pads = [str.ljust] * 4 + [str.rjust] * 7
    lines = ["  ".join(pad(cell, w) for cell, w, pad in zip(row, widths, pads, strict=True)).rstrip() for row in rows]
    hours = sum(cost.seconds for cost in costs.values()) / 3600
    return "\n".join([*lines, *([f"cost: {hours * price:,.2f}"] if price else [])])


def _numbers(alike: list[Cost]) -> tuple[str, ...]:
    padded = sum(cost.plan.padded for cost in alike)
    seconds = sum(cost.seconds for cost in alike)
    work = sum(cost.plan.factor * cost.plan.padded for cost in alike) / padded
    return (
        f"{len(alike)}",
        f"{sum(cost.plan.steps for cost in alike):,}",
        f"{sum(cost.plan.tokens for cost in alike):,}",
        f"{work:.2f}",
        f"{max(cost.plan.memory for cost in alike) / 2**30:.2f}",
        f"{sum(cost.plan.seconds(1.0) for cost in alike) / seconds:,.0f}",
        f"{seconds / 3600:,.2f}",
    )


def write(path: Path, costs: Mapping[str, Cost]) -> None:
    """Write ``{run: {"seconds": …, "memory": …}}``, which the workflow asks a cluster for."""
    with atomic(path) as temporary:
        write_json(temporary, {n: {"seconds": c.seconds, "memory": c.plan.memory} for n, c in costs.items()})
