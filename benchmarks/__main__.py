"""``python -m benchmarks``: measure, print and keep the whole table."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import transformers

from benchmarks import memory, peers, pipeline, report, rows_fisher, rows_measures, rows_steps, throughput
from benchmarks.harness import Measurer, Row
from benchmarks.shapes import SHAPES, Bench, Shape
from xlgen.core.files import atomic
from xlgen.core.result import git_commit

SOURCES = (rows_steps, rows_fisher, rows_measures)
PACKAGES = ("torch", "transformers", "accelerate", peers.OPTIMIZER, peers.OPACUS, peers.LAPLACE, peers.CURVLINOPS)
ROOT = Path(__file__).resolve().parents[1]
PIPELINE = "pipeline"
MEMORY = "memory"
SIZES = (*SHAPES, PIPELINE, MEMORY)


def main(arguments: list[str] | None = None) -> int:
    """Measure; the exit status is 1 if a value of ours is wrong."""
    asked = _parser().parse_args(arguments)
    torch.set_num_threads(asked.threads)
    transformers.logging.set_verbosity_error()
    out = asked.out or (ROOT / "build" / "benchmarks" if asked.only else report.RESULTS)
    wrong = 0
    for size in asked.size:
        found: list[dict[str, Any]] = []
        facts = facts_of(asked.threads) | {"size": size}
        started = time.perf_counter()
        for row in _measured(size, asked, facts):
            found.append(row)
            print(report.line(row, found), flush=True)
            facts["seconds"] = round(time.perf_counter() - started, 1)
            write(out / f"{size}.json", {"facts": facts, "rows": found})
        wrong += sum(row["ours"] and row["status"] == "wrong" for row in found)
        print(f"\n{size}: {report.summary(found)}; {facts.get('seconds', 0):.0f} s\n", flush=True)
    return int(wrong > 0)


def _measured(size: str, asked: argparse.Namespace, facts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of a table, one after another."""
    wanted = lambda name: not asked.only or any(part in name for part in asked.only)  # noqa: E731
    if size == PIPELINE:
        yield from pipeline.measured(asked.data_dir, asked.repeats or 5, wanted)
        return
    if size == MEMORY:
        yield from memory.measured()
        return
    shape = SHAPES[size]
    print(f"# {describe(shape)}", flush=True)
    facts["shape"] = describe(shape)
    chosen = [row for row in rows() if wanted(f"{row.operation}, {row.who}")]
    if chosen:
        bench = Bench(shape)
        facts["training"] = f"loss {bench.losses[0]:.3f} to {bench.losses[1]:.3f} in {shape.training} steps"
        references = {name: make for source in SOURCES for name, make in source.references().items()}
        measurer = Measurer(bench, references, asked.repeats or shape.repeats)
        facts["plain_seconds"] = measurer.plain_seconds()
        print(f"# trained: {facts['training']}; plain step {facts['plain_seconds']:.3g} s", flush=True)
        yield from map(measurer.measure, chosen)
        del bench, measurer
    if wanted(throughput.OPERATION) and not shape.brief:
        yield throughput.same_batches(shape, asked.repeats or shape.repeats)


def rows() -> list[Row]:
    """All rows; those of one operation together, ours first, so that each reference is computed once."""
    every = [row for source in (*SOURCES, peers) for row in source.rows()]
    operations = list(dict.fromkeys(row.operation for row in every))
    return sorted(every, key=lambda row: operations.index(row.operation))


def describe(shape: Shape) -> str:
    """A shape in words."""
    return (
        f"BERT classifier, {shape.layers} layers x {shape.width}, vocabulary {shape.vocabulary:,}, "
        f"{shape.parameters / 1e6:.1f} million parameters, {shape.classes} labels, batch {shape.batch} x "
        f"{shape.length}, eager attention, float32"
    )


def facts_of(threads: int) -> dict[str, Any]:
    """When and on what."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": git_commit(ROOT),
        "cpu": _cpu(),
        "threads": threads,
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def write(path: Path, content: dict[str, Any]) -> None:
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__, allow_abbrev=False)
    parser.add_argument("--size", nargs="+", choices=SIZES, default=SIZES, help="tables to make (default: all)")
    parser.add_argument("--only", nargs="+", default=(), metavar="TEXT", help="rows whose name contains one of these")
    parser.add_argument("--repeats", type=int, default=0, help="pairs of timings of each row (default: by size)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--data-dir", type=Path, help="folder with XNLI-1.0/ (default: beside the checkout, if there)")
    parser.add_argument(
        "--out", type=Path, help="folder of the tables (default: benchmarks/results; with --only, build/benchmarks)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
