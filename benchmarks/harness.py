"""Time rows against a plain step, check their values, and keep every finished row.

A unit that is timed once, at the start, made the same code read 0.98 and then 1.47 on a busy machine. So the unit is
timed immediately before every repeat, and the ratio is the median over these pairs. Memory is a pass of its own, so
that the thread that watches it touches no timing.
"""

from __future__ import annotations

import ctypes
import gc
import importlib.metadata
import math
import statistics
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
import torch
from torch import Tensor

from benchmarks.shapes import Bench, Shape, Timed

MIB = 2**20
PATIENCE = 8.0
"""Seconds from which a peer is timed twice only."""
Make = Callable[[Bench], Timed]
Reference = Callable[[Bench], Any]


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        operation: what is computed; rows of one operation are compared.
        who: who computes it: "xlgen", a peer, or a loop.
        make: prepares (not timed) and returns what is timed. If that returns a function, the function is called, not
            timed, for the value to check.
        reference: name of the naive computation that the value is checked against, ``"name"`` or ``"name: value"``;
            none if empty.
        tolerance: largest relative error.
        goal: largest ratio aimed at; ``None`` for peers, and where the aim is to be ahead of them.
        unit: makes the step that the ratio is to; ``None`` is the plain forward and backward pass.
        unit_name: of that step.
        units: of the ratio, in one run.
        needs: distribution that has to be installed.
        gib: memory needed, so that a row that cannot fit is not tried.
        layers: of the largest shape that the row is worth the time on.
        brief: measured on shapes that are to be brief, too.
        closely: timed three times as often, where a few percent decide.
    """

    operation: str
    who: str
    make: Make
    reference: str = ""
    tolerance: float = 1e-6
    goal: float | None = None
    unit: Make | None = None
    unit_name: str = "plain"
    units: int = 1
    needs: str = ""
    gib: Callable[[Shape], float] = lambda shape: 0.0
    layers: float = math.inf
    brief: bool = False
    closely: bool = False

    @property
    def ours(self) -> bool:
        return self.who == "xlgen"


@dataclass(frozen=True)
class Timing:
    """Medians over pairs (unit, run).

    Attributes:
        seconds: of a run.
        ratio: of a run to the unit before it.
        low, high: smallest and largest ratio.
        n: pairs.
    """

    seconds: float
    ratio: float
    low: float
    high: float
    n: int


def pairs(unit: Timed, run: Timed, n: int, *, between: Callable[[], object] = lambda: None) -> Timing:
    """Time ``unit`` and then ``run``, ``n`` times.

    Args:
        unit: the plain step.
        run: what is compared with it.
        n: how often.
        between: called before each of the two, not timed.
    """
    units, runs = [], []
    for _ in range(n):
        with _no_collection():
            for seconds, step in ((units, unit), (runs, run)):
                between()
                start = time.perf_counter()
                step()
                seconds.append(time.perf_counter() - start)
    return timing_of(units, runs)


def timing_of(units: Sequence[float], runs: Sequence[float]) -> Timing:
    """Of the seconds of each unit and of the run that came after it."""
    ratios = [run / unit for unit, run in zip(units, runs, strict=True)]
    return Timing(statistics.median(runs), statistics.median(ratios), min(ratios), max(ratios), len(runs))


@contextmanager
def _no_collection():
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def peak(run: Timed) -> tuple[float, Any]:
    """Largest growth of the process's memory during ``run`` [MiB], and what it returned."""
    process, stop = psutil.Process(), threading.Event()
    gc.collect()
    _give_back()
    base = most = process.memory_info().rss

    def watch():
        nonlocal most
        while not stop.wait(0.002):
            most = max(most, process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        value = run()
    finally:
        stop.set()
        watcher.join()
    most = max(most, process.memory_info().rss)
    return (most - base) / MIB, value


def _give_back() -> None:
    """Return freed memory to the system, where the C library can: what it keeps would hide the growth."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return


def error(value: Any, reference: Any) -> float:
    """Relative difference; of tensors by name, that of the vector of all. What is missing is infinitely wrong."""
    if isinstance(reference, Mapping):
        if not isinstance(value, Mapping) or not reference.keys() <= value.keys():
            return math.inf
        differences = [_square(value[name].reshape(r.shape), r) for name, r in reference.items()]
        return math.sqrt(sum(differences) / sum(_square(r) for r in reference.values()))
    return abs(float(value) - reference) / abs(reference)


def _square(tensor: Tensor, other: Tensor | None = None) -> float:
    """||tensor - other||² in float64, without a copy of the whole."""
    parts = tensor.detach().flatten().split(2**20)
    others = [None] * len(parts) if other is None else other.detach().flatten().split(2**20)
    wide = (a.double() if b is None else a.double() - b.double() for a, b in zip(parts, others, strict=True))
    return sum(float(torch.dot(x, x)) for x in wide)


def finished(
    operation: str,
    who: str,
    timing: Timing,
    *,
    unit: str = "plain",
    goal: float | None = None,
    units: int = 1,
    extra_mib: float | None = None,
    difference: float | None = None,
    tolerance: float | None = None,
    note: str = "",
) -> dict[str, Any]:
    """A row of the table; ``status`` is wrong where the value differs by more than the tolerance."""
    right = difference is None or tolerance is None or difference <= tolerance
    return {
        "operation": operation,
        "who": who,
        "ours": who == "xlgen",
        "unit": unit,
        "goal": goal,
        "status": "ok" if right else "wrong",
        "seconds": timing.seconds / units,
        "ratio": timing.ratio / units,
        "low": timing.low / units,
        "high": timing.high / units,
        "n": timing.n,
        "extra_mib": extra_mib,
        "error": difference,
        "tolerance": tolerance,
        "note": note,
    }


def missing(operation: str, who: str, status: str, reason: str) -> dict[str, Any]:
    """A row that could not be measured: skipped or failed, and why."""
    return {"operation": operation, "who": who, "ours": who == "xlgen", "status": status, "reason": reason}


@dataclass
class Measurer:
    """Measures the rows of one shape.

    Attributes:
        bench: model and batches.
        references: the naive computations by name.
        repeats: pairs of each row.
    """

    bench: Bench
    references: Mapping[str, Reference]
    repeats: int
    _plain_mib: float | None = None
    _known: tuple[str, Any] = field(default=("", None))

    def plain_seconds(self) -> float:
        """Median time of the plain step."""
        return pairs(self.bench.plain, self.bench.plain, 3, between=self.bench.clear).seconds

    def measure(self, row: Row) -> dict[str, Any]:
        """The finished row, or why there is none: ``status`` is ok, wrong, skipped or failed."""
        who = row.who
        if row.needs:
            try:
                who = f"{row.needs} {importlib.metadata.version(row.needs)}: {row.who}"
            except importlib.metadata.PackageNotFoundError:
                return missing(row.operation, f"{row.needs}: {row.who}", "skipped", f"{row.needs} is not installed")
        if (needed := row.gib(self.bench.shape)) > self.bench.shape.room:
            limit = self.bench.shape.room
            return missing(row.operation, who, "skipped", f"takes some {needed:.0f} GiB; the limit is {limit:g}")
        if self.bench.shape.layers > row.layers or (self.bench.shape.brief and not row.brief):
            return missing(row.operation, who, "skipped", "not run at this size, to save time")
        before = self.bench.fingerprint()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = self._measure(row, who)
        except Exception as failure:
            if row.ours:
                raise
            text = " ".join(f"{type(failure).__name__}: {failure}".split())
            return missing(row.operation, who, "failed", text[:200])
        finally:
            self.bench.clear()
            gc.collect()
        if self.bench.fingerprint() != before:
            raise RuntimeError(f"{row.who}: {row.operation}: the weights are not what they were")
        return found

    def _measure(self, row: Row, who: str) -> dict[str, Any]:
        bench = self.bench
        reference = self._reference(row.reference) if row.reference else None
        if self._plain_mib is None:
            self._plain_mib = self._warm_peak(bench.plain)[0]
        unit = bench.plain if row.unit is None else row.unit(bench)
        run = row.make(bench)
        start = time.perf_counter()
        mib, value = self._warm_peak(run)
        slow = not row.ours and time.perf_counter() - start > PATIENCE
        n = (min(self.repeats, 2) if slow else self.repeats) * (3 if row.closely else 1)
        value = value() if callable(value) else value
        difference = None if reference is None else error(value, reference)
        del value
        bench.clear()
        return finished(
            row.operation,
            who,
            pairs(unit, run, n, between=bench.clear),
            unit=row.unit_name,
            goal=row.goal,
            units=row.units,
            extra_mib=mib - self._plain_mib,
            difference=difference,
            tolerance=row.tolerance if row.reference else None,
        )

    def _warm_peak(self, run: Timed) -> tuple[float, Any]:
        """Memory and value of a run that is not timed."""
        self.bench.clear()
        return peak(run)

    def _reference(self, name: str) -> Any:
        """Computed when first asked for, and forgotten when another one is: some are as large as the model.

        ``"group: value"`` is one of several values that are computed together.
        """
        group, _, value = name.partition(": ")
        if self._known[0] != group:
            self._known = ("", None)
            self._known = (group, self.references[group](self.bench))
            self.bench.clear()
        return self._known[1][value] if value else self._known[1]
