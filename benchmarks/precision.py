"""``python -m benchmarks.precision``: what training in bfloat16 changes in scores, and what its steps cost.

Each model is trained twice with the same seed, in float32 and in bfloat16, and both are scored in float32. What is in
the store is not trained again. A seed gives the same initial weights, order and dropout masks to both, so that their
difference is the rounding's alone; how far apart two seeds are in float32 says what that difference is worth.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.harness import pairs
from xlgen.core.config import RunConfig, RunOptions
from xlgen.core.device import accelerator_for
from xlgen.core.files import atomic, write_json
from xlgen.measures.measuring import MeasureConfig, measure
from xlgen.objectives import Step
from xlgen.training.presets import config_for
from xlgen.training.runs import run
from xlgen.training.setup import prepare

PRECISIONS = ("float32", "bf16")
SEEDS = (0, 1, 2)
STEPS = 5
"""Pairs of steps that are timed."""
JOBS = {
    "mini": (("baseline", "sam"), {"preset": "mini", "train_size": 3_000}, (), 500),
    "real": (
        ("baseline", "sam"),
        {"preset": "real", "train_size": 1_500, "epochs": 1},
        ("en", "de", "ar", "sw", "zh"),
        300,
    ),
}
"""By name: the objectives, the settings of a run, and of how many examples of which languages the scores are."""


def compared(name: str, seeds: Sequence[int], options: RunOptions) -> Iterator[dict[str, Any]]:
    """A row for each objective and seed: the accuracy in each language by precision, and the ratio of a step's time."""
    objectives, settings, languages, size = JOBS[name]
    for objective in objectives:
        both = {p: config_for(**settings, objective=objective, precision=p) for p in PRECISIONS}
        timing = pairs(*(_step(config, options) for config in both.values()), STEPS)
        for seed in seeds:
            trained = {p: run(config.with_(seed=seed), options) for p, config in both.items()}
            asked = MeasureConfig(("accuracy",), languages, "test", size)
            accuracy = {
                p: {language: value.value for language, value in measure(one, asked, options)["accuracy"].items()}
                for p, one in trained.items()
            }
            one = trained["bf16"].config
            yield {
                **{key: getattr(one, key) for key in ("task", "model", "objective", "seed", "train_size", "epochs")},
                "examples": size,
                "accuracy": accuracy,
                "time": round(timing.ratio, 3),
                "time_range": [round(timing.low, 3), round(timing.high, 3)],
            }


def _step(config: RunConfig, options: RunOptions):
    """The gradient of a run's first batch, over and over."""
    loop, _ = prepare(config, options, accelerator_for(options.device))
    batches = next(loop.train.epoch(config.batch_size, config.micro_batch_size, config.seed, 0))

    def step() -> None:
        loop.model.train().zero_grad()
        loop.objective.gradient(loop.model, batches, Step())

    step()
    return step


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=[*JOBS])
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--data-dir", type=Path, help="for real")
    parser.add_argument("--store", type=Path, default=Path("runs"), help="where the models are kept")
    parser.add_argument("--out", type=Path, default=report.RESULTS / "precision.json")
    asked = parser.parse_args(given)
    options = RunOptions(store=asked.store, data_dir=asked.data_dir, device="cpu", threads=1, progress=False)
    rows = []
    for name in asked.jobs:
        for row in compared(name, asked.seeds, options):
            print(json.dumps(row), flush=True)
            rows.append(row)
            with atomic(asked.out) as temporary:
                write_json(temporary, rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
