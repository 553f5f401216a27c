"""``python -m benchmarks.load``: many runs through the store, the list, the table and a figure, untrained.

A committed record is copied under the names of other seeds, as a folder of the store and as a record, and each part of
the work is done by a fresh process, which tells its time and how much its memory has grown.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import report
from xlgen.core.config import RunConfig
from xlgen.core.files import write_json
from xlgen.core.packed import RUN, pack, unpack
from xlgen.core.store import Store

SIZES = (250, 500, 1_000)
LISTED = 10_000
UNIT = 2**20 if sys.platform == "darwin" else 2**10
"""In which the system tells a process's largest memory, in parts of a MiB."""


def fill(folder: Path, number: int, *, records: bool = True) -> None:
    """Write ``number`` results of the store, and their records."""
    template = sorted((report.RESULTS.parents[1] / "records").glob("*.json"))[0]
    run, *measures = unpack(template)
    config, store = RunConfig.from_dict(run.read("config")), Store(folder / "runs")
    for seed in range(number):
        other = config.with_(seed=seed)
        documents = {name: run.read(name) for name in RUN} | {"config": other.to_dict()}
        with store.write(other.hash) as result:
            for name, value in documents.items():
                write_json(result / f"{name}.json", value)
        if records:
            pack(folder / "records", replace(run, name=other.hash, packed=documents), measures)


def listed(folder: Path) -> int:
    """What ``xlgen list runs`` prints."""
    from xlgen.cli.listing import runs

    return sum(len(entry.line) > 0 for entry in runs(folder / "runs"))


def collected(folder: Path) -> int:
    """A table of everything measured."""
    from paper.records import recorded

    return recorded(folder / "records")["key"].nunique()


def plotted(folder: Path) -> int:
    """A figure of one measure of every run against another."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    from paper.records import recorded

    rows = recorded(folder / "records")
    rows = rows[rows["split"] == "test"]
    wide = rows.pivot_table("value", ["key", "language"], "measure")
    figure, axes = pyplot.subplots()
    axes.scatter(wide.iloc[:, 0], wide.iloc[:, -1], s=1)
    figure.savefig(folder / "figure.png")
    return wide.index.get_level_values("key").nunique()


def measured(work: Callable[[Path], int], folder: Path) -> dict[str, float]:
    """Seconds and MiB of the work in a process of its own, which has imported what it needs by then."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_alone, (work, folder))


def _alone(work: Callable[[Path], int], folder: Path) -> dict[str, float]:
    import paper.records  # noqa: F401 (its time is not the work's)

    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    count = work(folder)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "runs": count,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu, 3),
        "mib": round((after.ru_maxrss - before.ru_maxrss) / UNIT, 1),
    }


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of runs")
    parser.add_argument("--listed", type=int, default=LISTED, help="results of the last list")
    parser.add_argument("--out", type=Path, default=report.RESULTS / "load.json")
    asked = parser.parse_args(given)
    rows = []
    for number in (*asked.sizes, asked.listed):
        with tempfile.TemporaryDirectory() as name:
            folder, began = Path(name), time.process_time()
            fill(folder, number, records=number in asked.sizes)
            rows.append({"work": "write", "runs": number, "cpu_seconds": round(time.process_time() - began, 3)})
            for work in (listed, collected, plotted) if number in asked.sizes else (listed,):
                rows.append({"work": work.__name__} | measured(work, folder))
        print(*map(json.dumps, rows[-4:]), sep="\n", flush=True)
    from benchmarks import __main__ as command  # not in the processes that are measured

    command.write(asked.out, {"facts": command.facts_of(1), "rows": rows})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
