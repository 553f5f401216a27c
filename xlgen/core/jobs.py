"""Independent pieces of work side by side, each ``python -m xlgen …`` in a process of its own.

Processes rather than threads, because torch's global state (threads, random generators) belongs to a process; and a
command line rather than a pool, because it works the same from a script, a notebook and a cluster's scheduler.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from xlgen.core import processes
from xlgen.core.config import RunOptions
from xlgen.core.errors import ConfigError, TrainingError
from xlgen.core.store import write_json


@dataclass(frozen=True)
class Job:
    """Arguments of a command line and what to call it.

    Attributes:
        label: in the progress bar and in errors.
        arguments: the command line.
        config: written to a JSON file, whose path is appended after ``--config``.
        package: whose command line it is.
    """

    label: str
    arguments: tuple[str, ...]
    config: Mapping[str, Any]
    package: str = "xlgen"


def side_by_side(jobs: Sequence[Job], workers: int, options: RunOptions) -> None:
    """Run ``jobs``, at most ``workers`` at a time, with ``options.threads`` CPU threads each.

    Raises:
        TrainingError: a job failed; the others are stopped, and resume from their checkpoints when asked for again.
        ConfigError: this process is one of several that share each run.
    """
    if processes.started() > 1:
        raise ConfigError(
            f"{workers} workers are asked for in each of {processes.started()} processes that share every run; "
            "expected one of the two. Set workers=1, or start one process, without torchrun or accelerate launch."
        )
    waiting = list(enumerate(jobs))
    running: dict[subprocess.Popen, tuple[Job, Path, float]] = {}
    show = options.progress and sys.stderr.isatty()
    bar = tqdm(total=len(jobs), unit="job", disable=not show)
    with tempfile.TemporaryDirectory(prefix="xlgen-") as folder, bar, _stopping(running):
        while waiting or running:
            while waiting and len(running) < workers:
                number, job = waiting.pop(0)
                place = Path(folder) / str(number)
                running[_start(job, place, options)] = job, place, time.perf_counter()
            for process in [process for process in running if process.poll() is not None]:
                job, place, begun = running.pop(process)
                if process.returncode:
                    raise TrainingError(f"{job.label} failed: {_reason(place, process.returncode)}")
                bar.update()
                if show:
                    bar.write(f"{job.label}: {time.perf_counter() - begun:.0f} s", file=sys.stderr)
            time.sleep(0.05)


def command(job: Job, place: Path, options: RunOptions) -> list[str]:
    """The command line of a job whose configuration is in the folder ``place``."""
    line = [sys.executable, "-m", job.package, *job.arguments, "--config", str(place / "config.json")]
    line += ["--store", str(options.store), "--device", options.device, "--threads", str(options.threads)]
    line += ["--checkpoint-every", str(options.checkpoint_every), "--no-progress"]
    folders = (("--data-dir", options.data_dir), ("--text-dir", options.text_dir))
    return line + [word for flag, folder in folders if folder is not None for word in (flag, str(folder))]


def _start(job: Job, place: Path, options: RunOptions) -> subprocess.Popen:
    place.mkdir()
    write_json(place / "config.json", job.config)
    source = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": str(options.threads)}
    with (place / "errors").open("wb") as errors:
        return subprocess.Popen(command(job, place, options), stdout=subprocess.DEVNULL, stderr=errors, env=environment)


def _reason(place: Path, code: int) -> str:
    lines = (place / "errors").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].removeprefix("xlgen: ") if lines else f"exit code {code}"


@contextmanager
def _stopping(running: dict[subprocess.Popen, Any]) -> Iterator[None]:
    """Leave no process behind."""
    try:
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
