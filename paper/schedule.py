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
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from paper import notebook
from xlgen.core.errors import XlgenError

EVERY = 30.0
"""Seconds between two lines on what is being done, if no chapter ends meanwhile."""
PATIENCE = 15.0
"""Seconds in which a process that is told to end may tidy up."""


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
        in_work = [(work.task, work.begun) for work in running.values()]
        say(progress(line, in_work, waiting, workers))

    try:
        while waiting or running:
            while waiting and len(running) < workers:
                task = waiting.pop(0)
                tell(f"executing {total - len(waiting)}/{total}: {task.name}")
                work = _here(task) if workers == 1 else _beside(task)
                running[work.answer] = work
            ready = [*running] if workers == 1 else connection.wait(running, EVERY)
            for answer in ready:
                task = running[answer].task
                seconds, error = running[answer].outcome()
                del running[answer]
                if error is not None:
                    raise notebook.NotebookError(*error)
                ended += 1
                done(task)
                tell(f"executed {ended}/{total}: {task.name} in {seconds:.0f} s")
            if not ready:
                tell(f"executed {ended}/{total}")
    finally:
        _stop([work.process for work in running.values() if work.process])


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


@dataclass
class _Work:
    """A chapter in work: when it began [s], where its outcome will be, and its process, if it has one."""

    task: Task
    begun: float
    answer: Any
    process: BaseProcess | None = None

    def outcome(self) -> Outcome:
        if self.process is None:
            return self.answer
        try:
            found = self.answer.recv()
        except EOFError:
            found = 0.0, (f"{self.task.name} failed: its process was killed, by a lack of memory perhaps", "")
        self.process.join()
        return found


def _here(task: Task) -> _Work:
    """Execute a chapter in this process."""
    begun = time.perf_counter()
    return _Work(task, begun, _outcome(task, bar=True))


def _beside(task: Task) -> _Work:
    """Begin to execute a chapter in a process of its own."""
    context = multiprocessing.get_context("spawn")
    answer, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(task, sender), name=task.name)
    process.start()
    sender.close()  # so that the death of the process is the end of what can be read
    return _Work(task, time.perf_counter(), answer, process)


def _answer(task: Task, sender: connection.Connection) -> None:
    """In a process: an interruption is the business of who started it, who then asks this one to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_follow, daemon=True).start()
    sender.send(_outcome(task, bar=False))


def _end(*_: object) -> None:
    """End in an orderly way: the kernel is shut down and the unfinished notebook taken away. Once is enough."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)


def _follow() -> None:
    """Do not outlive a build that was killed."""
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGTERM)


def _outcome(task: Task, *, bar: bool) -> Outcome:
    """Execute a chapter."""
    try:
        made = notebook.execute(task.source, task.target, task.given, task.evidence, bar=bar, **task.facts)
    except notebook.NotebookError as error:
        return 0.0, (str(error), error.trace)
    except XlgenError as error:
        return 0.0, (str(error), "")
    return made.metadata.xlgen.seconds, None


def _stop(processes: Sequence[BaseProcess]) -> None:
    """End processes, at once if they do not do it in time; a kernel whose process is gone ends by itself."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + PATIENCE
    for process in processes:
        process.join(max(until - time.monotonic(), 0))
        process.kill()
        process.join()
