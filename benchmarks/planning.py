"""``python -m benchmarks.planning``: what ``xlgen plan`` says, beside what the runs of the committed records took.

Runs that were alike took different times, since the machine did other work as well; the fastest of them was disturbed
least, and is what a plan can be right about.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import report
from paper.records import default_folder
from xlgen.core.config import RunConfig, RunOptions
from xlgen.core.store import atomic, unpack, write_json
from xlgen.training.plan import Planner

KINDS = ("task", "model", "objective", "tuning", "train_size", "epochs")
FEWEST = 3
"""Runs of a kind, of other seeds or strengths, of the miniature."""


def compared(planner: Planner, tasks: Sequence[str], seconds: float) -> Iterator[dict[str, Any]]:
    """A row for each kind of run of the tasks: seconds planned, and of the runs."""
    kinds: dict[tuple[Any, ...], list[tuple[float, RunConfig]]] = defaultdict(list)
    for path in sorted(default_folder().glob("*.json")):
        run, *_ = unpack(path)
        config, facts = RunConfig.from_dict(run.read("config")), run.read("manifest")
        if config.task in tasks and facts["threads"] == 1 and not config.start:
            kinds[tuple(getattr(config, name) for name in KINDS)].append((facts["seconds"], config))
    for kind, runs in sorted(kinds.items(), key=str):
        if len(runs) < FEWEST and kind[1] == "mini":
            continue
        took, config = sorted(seconds for seconds, _ in runs), runs[0][1]
        plan = planner.plan(config)
        planned = plan.seconds(planner.throughput(config, seconds))
        yield dict(zip(KINDS, kind, strict=True)) | {
            "runs": len(runs),
            "factor": round(plan.factor, 3),
            "planned": round(planned, 1),
            "fastest": round(took[0], 1),
            "median": round(took[len(took) // 2], 1),
            "error": round(planned / took[0] - 1, 3),
        }


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", default=["mini-xnli", "mini-pawsx", "mini-wikiann", "mini-udpos", "xnli"])
    parser.add_argument("--data-dir", type=Path, help="for xnli")
    parser.add_argument("--seconds", type=float, default=10.0, help="of measuring the throughput, for each task (10)")
    parser.add_argument("--store", type=Path, default=Path("runs"), help="where tokens are kept")
    parser.add_argument("--out", type=Path, default=report.RESULTS / "planning.json")
    asked = parser.parse_args(given)
    options = RunOptions(store=asked.store, data_dir=asked.data_dir, device="cpu", threads=1, progress=False)
    rows = []
    for row in compared(Planner(options), asked.tasks, asked.seconds):
        print(json.dumps(row), flush=True)
        rows.append(row)
        with atomic(asked.out) as temporary:
            write_json(temporary, rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
