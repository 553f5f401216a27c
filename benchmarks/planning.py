"""``python -m benchmarks.planning``: what ``xlgen plan`` says, beside what the same runs take here.

A run is planned and trained in turn, several times, and of both the fastest counts: a machine that does other work as
well is slower at one time than at another. Seconds are the processor's for this process, of one thread, so that the
time in which something else had the processor is in neither.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks import __main__ as command
from benchmarks import report
from xlgen.core.config import RunConfig, RunOptions
from xlgen.training.plan import Planner
from xlgen.training.presets import config_for
from xlgen.training.train import train

PAIRS = ("baseline", "l2", "sam", "fisher", "mvr", "rdrop")
FROZEN = ("bitfit", "adapter", "prompt")
MINI = [
    *({"objective": name} for name in PAIRS),
    *({"tuning": name} for name in FROZEN),
    {"task": "mini-wikiann"},
    *({"task": "mini-udpos", "tuning": name} for name in ("full", "adapter")),
]
"""One epoch of 960 examples of each; of each task the plain run first."""
REAL = [{"objective": "baseline"}, {"objective": "fisher"}, {"tuning": "adapter"}]
"""Of ``e5-small``; 6 steps of each, and the plain run first."""


def configs(data_dir: Path | None) -> list[RunConfig]:
    """The runs: those of real data only where these are."""
    mini = [config_for("mini", **{"train_size": 960, "dev_size": 256, "epochs": 1} | given) for given in MINI]
    small = {"train_size": 192, "dev_size": 128, "epochs": 1}
    return mini + [config_for("real", **small | given) for given in REAL if data_dir is not None]


def compared(config: RunConfig, planner: Planner, rates: dict[tuple[str, str], float], times: int) -> dict[str, Any]:
    """Seconds planned by timing steps of the run, by timing plain steps and counting operations, and of the run.

    Args:
        config: of the run.
        planner: which keeps what it has counted; what it has timed is timed anew.
        rates: by task and model, the throughput of plain training, once a plain run has been looked at.
        times: that the run is planned and trained.
    """
    plan, planned, took = planner.plan(config), [], []
    for _ in range(times):
        planner._paces.clear()
        planned.append(planner.seconds(config))
        with patch("xlgen.training.train.time.perf_counter", time.process_time):
            took.append(train(config, planner.options).facts["seconds"])
    rate = rates.setdefault((config.task, config.model), plan.seconds(1.0) / min(planned))
    return {
        **{name: getattr(config, name) for name in ("task", "model", "objective", "tuning")},
        "steps": plan.steps,
        "work": round(plan.factor, 3),
        "seconds": [round(value, 2) for value in took],
        "planned": [round(value, 2) for value in planned],
        "counted": round(plan.seconds(rate), 2),
        "error": round(min(planned) / min(took) - 1, 3),
        "error_counted": round(plan.seconds(rate) / min(took) - 1, 3),
    }


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, help="with XNLI, for the rows of e5-small; these are left out without")
    parser.add_argument("--times", type=int, default=3, help="that each run is planned and trained (3)")
    parser.add_argument("--store", type=Path, default=Path("runs"), help="where tokens are kept")
    parser.add_argument("--out", type=Path, default=report.RESULTS / "planning.json")
    asked = parser.parse_args(given)
    options = RunOptions(store=asked.store, data_dir=asked.data_dir, device="cpu", threads=1, progress=False)
    planner, rates, rows, facts = Planner(options), {}, [], command.facts_of(options.threads)
    for config in configs(asked.data_dir):
        rows.append(compared(config, planner, rates, asked.times))
        print(json.dumps(rows[-1]), flush=True)
        command.write(asked.out, {"facts": facts, "rows": rows})
    for name in ("error", "error_counted"):
        errors = [abs(row[name]) for row in rows]
        print(f"{name}: median {statistics.median(errors):.0%}, largest {max(errors):.0%} of {len(rows)} kinds of run")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
