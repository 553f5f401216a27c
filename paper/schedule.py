"""Chapters side by side: which begins when, what is said meanwhile, and what an interruption leaves.

Each chapter is executed by a process of its own, so that what it sets is its own, and so that it can be stopped: on an
interruption or a failure every process is told to end, shuts its kernel down and takes its unfinished notebook away.
Executed chapters and trained models stay, and the next build goes on from there.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paper import notebook
from xlgen.core.errors import XlgenError

EVERY = 30.0
"""Seconds between two lines on what is being done, if no chapter ends meanwhile."""


@dataclass(frozen=True)
class Task:
    """A chapter to execute; the arguments of :func:`paper.notebook.execute`, and the seconds that it may take."""

    source: Path
    target: Path
    given: Mapping[str, Any]
    evidence: Path
    facts: Mapping[str, Any] = field(default_factory=dict)
    expected: float = 60.0

    @property
    def name(self) -> str:
        return self.source.stem


def cores() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def longest_first(tasks: Sequence[Task]) -> list[Task]:
    """The first chapter of the book, whose page is then soon there, and after it the longest, so none ends late."""
    return [*tasks[:1], *sorted(tasks[1:], key=lambda task: -task.expected)]


def execute(
    tasks: Sequence[Task],
    workers: int,
    say: Callable[[str], object],
    done: Callable[[Task], object] = lambda task: None,
) -> None:
    """Execute chapters in this order, ``workers`` at a time.

    Args:
        tasks: the chapters.
        workers: processes; 1 executes them in this one.
        say: called with each line of progress.
        done: called with each chapter that has been executed.

    Raises:
        NotebookError: a cell failed, or a parameter is wrong; the chapters that were being executed are stopped.
    """
    waiting, running, ended, total = list(tasks), {}, 0, len(tasks)

    def tell(line: str) -> None:
        say(progress(line, list(running.values()), waiting, workers))

    with _runner(workers) as submit:
        while waiting or running:
            while waiting and len(running) < workers:
                task = waiting.pop(0)
                tell(f"executing {total - len(waiting)}/{total}: {task.name}")
                running[submit(task)] = task, time.perf_counter()
            finished = wait(running, timeout=EVERY, return_when=FIRST_COMPLETED).done
            for future in finished:
                task, _ = running.pop(future)
                seconds, error = future.result()
                if error is not None:
                    raise notebook.NotebookError(*error)
                ended += 1
                done(task)
                tell(f"executed {ended}/{total}: {task.name} in {seconds:.0f} s")
            if not finished:
                tell(f"executed {ended}/{total}")


def progress(
    line: str, running: Sequence[tuple[Task, float]], waiting: Sequence[Task], workers: int, now: float | None = None
) -> str:
    """A line of progress, with the chapters in work and their minutes so far, those left, and the minutes to the end.

    Args:
        line: what has happened.
        running: chapters and when they began [s].
        waiting: those that have not begun.
        workers: side by side.
        now: the time [s]; the clock's unless given.
    """
    now = time.perf_counter() if now is None else now
    in_work = [f"{task.name} ({(now - begun) / 60:.1f} min)" for task, begun in running]
    rest = [max(task.expected - (now - begun), 0.0) for task, begun in running]
    rest += [task.expected for task in waiting]
    if not rest:
        return f"{line}; none left"
    minutes = max(sum(rest) / workers, *rest) / 60
    left = ", ".join(task.name for task in waiting) or "none"
    return f"{line}; in work: {', '.join(in_work) or 'none'}; left: {left}; about {minutes:.0f} min to go"


Outcome = tuple[float, tuple[str, str] | None]
"""Seconds, and the message and the traceback of what went wrong: not every exception can be sent."""


def _work(task: Task, *, bar: bool = False) -> Outcome:
    """Execute a chapter."""
    try:
        made = notebook.execute(task.source, task.target, task.given, task.evidence, bar=bar, **task.facts)
    except notebook.NotebookError as error:
        return 0.0, (str(error), error.trace)
    except XlgenError as error:
        return 0.0, (str(error), "")
    return made.metadata.xlgen.seconds, None


@contextmanager
def _runner(workers: int) -> Iterator[Callable[[Task], Future[Outcome]]]:
    """A function that begins a chapter; at the end of the block no process is left."""
    if workers == 1:
        yield _at_once
        return
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        yield lambda task: pool.submit(_orderly, task)
    except BaseException:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _at_once(task: Task) -> Future[Outcome]:
    future: Future[Outcome] = Future()
    future.set_result(_work(task, bar=True))
    return future


def _begin() -> None:
    """In a process: an interruption is the business of who started it, who then asks this one to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _orderly(task: Task) -> Outcome:
    """In a process: execute a chapter; asked to end meanwhile, shut the kernel down and tidy up first."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        return _work(task)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
