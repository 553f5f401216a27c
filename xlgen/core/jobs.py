"""Independent pieces of work side by side, each in a process of its own.

Processes rather than threads, because torch's global state (threads, random generators) belongs to a process; fresh
ones rather than copies of this one, because threads and an accelerator do not survive being copied. A script that asks
for several workers needs ``if __name__ == "__main__":``, as each of them imports it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from tqdm.auto import tqdm

from xlgen.core import processes
from xlgen.core.config import RunOptions
from xlgen.core.errors import ConfigError, TrainingError, XlgenError


@dataclass(frozen=True)
class Job:
    """A call, and what to call it.

    Attributes:
        label: in the progress bar and in errors.
        work: a function of a module, called with the arguments and the options; what it finds is in the store.
        arguments: picklable.
    """

    label: str
    work: Callable[..., object]
    arguments: tuple[Any, ...]


def side_by_side(jobs: Sequence[Job], workers: int, options: RunOptions) -> None:
    """Run ``jobs``, at most ``workers`` at a time, with ``options.threads`` CPU threads each.

    Raises:
        TrainingError: a job failed, or its process was killed. The others are stopped: what they have finished is in
            the store, and the rest resumes from its checkpoints when asked for again.
        ConfigError: this process is one of several that share each run.
    """
    if processes.started() > 1:
        raise ConfigError(
            f"{workers} workers are asked for in each of {processes.started()} processes that share every run; "
            "expected one of the two. Set workers=1, or start one process, without torchrun or accelerate launch."
        )
    show = options.progress and sys.stderr.isatty()
    options, waiting = replace(options, progress=False), list(jobs)
    running: dict[Future[str | None], tuple[ProcessPoolExecutor, Job, float]] = {}
    with _pools(min(workers, len(jobs)), options.threads) as idle, tqdm(total=len(jobs), disable=not show) as bar:
        while waiting or running:
            while waiting and idle:
                pool, job = idle.pop(), waiting.pop(0)
                running[pool.submit(_reason, job, options)] = pool, job, time.perf_counter()
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                pool, job, begun = running.pop(future)
                try:
                    reason = future.result()
                except BrokenProcessPool:
                    reason = "its process was killed, by a lack of memory perhaps; ask for fewer workers"
                if reason is not None:
                    raise TrainingError(f"{job.label} failed: {reason}")
                idle.append(pool)
                bar.update()
                if show:
                    bar.write(f"{job.label}: {time.perf_counter() - begun:.0f} s", file=sys.stderr)


def _reason(job: Job, options: RunOptions) -> str | None:
    """In a worker: do the job; why it failed, if it did, in words, as not every exception can be sent."""
    try:
        job.work(*job.arguments, options)
    except XlgenError as error:
        return str(error)
    except Exception as error:
        return "".join(traceback.format_exception(error))
    return None


@contextmanager
def _pools(number: int, threads: int) -> Iterator[list[ProcessPoolExecutor]]:
    """Pools of one process each, so that it is known whose process was killed; no process is left behind."""
    context = multiprocessing.get_context("spawn")
    pools = [ProcessPoolExecutor(1, context, initializer=_begin) for _ in range(number)]
    others, before = set(multiprocessing.active_children()), os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(threads)  # torch reads it when it is imported: before the first line of a job
    try:
        yield list(pools)
    finally:
        os.environ.pop("OMP_NUM_THREADS")
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        for pool in pools:
            pool.shutdown()


def _begin() -> None:
    """In a worker, first: an interruption and what is said to the user are the business of who started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    """Outlive nobody: a pool that was killed tells its process nothing."""
    multiprocessing.parent_process().join()
    os._exit(1)
