"""Jobs side by side: each in a process of its own, stopped with the others, and named where it fails."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
import torch

from xlgen.core.config import RunOptions
from xlgen.core.errors import TrainingError, UnknownName
from xlgen.core.jobs import Job, side_by_side

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = RunOptions(threads=1)


def write(path: Path, options: RunOptions) -> None:
    """Say in a file who has done the job, with how many threads."""
    print("heard by nobody")
    path.write_text(f"{os.getpid()} {torch.get_num_threads()} {os.environ['OMP_NUM_THREADS']} {options.progress}")


def refuse(options: RunOptions) -> None:
    raise UnknownName("fruit", "aple", ["apple"])


def break_down(options: RunOptions) -> None:
    raise ZeroDivisionError("a defect")


def be_killed(options: RunOptions) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for_ever(started: Path, options: RunOptions) -> None:
    started.write_text(str(os.getpid()))
    time.sleep(600)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def read_when_there(path: Path) -> str:
    while not (path.is_file() and path.read_text()):
        time.sleep(0.01)
    return path.read_text()


def test_each_job_is_done_once_in_another_process_with_its_own_threads(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    paths = [tmp_path / str(number) for number in range(5)]
    side_by_side([Job(path.name, write, (path,)) for path in paths], 2, OPTIONS)
    said = [path.read_text().split() for path in paths]
    assert str(os.getpid()) not in {pid for pid, *_ in said} and len({pid for pid, *_ in said}) == 2
    assert {tuple(rest) for _, *rest in said} == {("1", "1", "False")}
    assert os.environ["OMP_NUM_THREADS"] == "2" and not multiprocessing.active_children()
    assert "heard by nobody" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (refuse, "unknown fruit 'aple'. Did you mean 'apple'"),
        (break_down, "ZeroDivisionError: a defect"),
        (be_killed, "its process was killed"),
    ],
)
@pytest.mark.usefixtures("forked")
def test_a_job_that_fails_is_named_and_the_others_are_stopped(tmp_path, work, reason):
    done, started = tmp_path / "done", tmp_path / "started"
    jobs = [Job("long", wait_for_ever, (started,)), Job("short", write, (done,)), Job("bad", work, ())]
    with pytest.raises(TrainingError, match="(?s)^bad failed: .*" + reason):
        side_by_side([*jobs, Job("never", write, (tmp_path / "never",))], 2, OPTIONS)
    assert done.is_file() and not (tmp_path / "never").exists()
    assert not multiprocessing.active_children()
    assert not (started.is_file() and started.read_text() and alive(int(started.read_text())))


@pytest.fixture
def interruptible():
    """A shell starts what runs in its background with interruptions ignored, which Python keeps."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("forked")
def test_an_interruption_stops_all_and_leaves_what_is_finished(tmp_path, interruptible):
    done, started = tmp_path / "done", tmp_path / "started"

    def interrupt():
        read_when_there(done)
        read_when_there(started)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        side_by_side([Job("short", write, (done,)), Job("long", wait_for_ever, (started,))], 2, OPTIONS)
    assert done.is_file() and not multiprocessing.active_children() and not alive(int(started.read_text()))


def test_jobs_are_started_from_a_kernel_whose_main_module_is_no_file(tmp_path):
    import papermill
    from nbformat.v4 import new_code_cell, new_notebook

    cell = f"""
    import sys
    sys.path[:0] = {[str(ROOT), str(Path(__file__).parent)]!r}
    from pathlib import Path
    from test_jobs import OPTIONS, Job, side_by_side, write
    paths = [Path({str(tmp_path)!r}, name) for name in "ab"]
    side_by_side([Job(path.name, write, (path,)) for path in paths], 2, OPTIONS)
    """
    notebook = new_notebook(cells=[new_code_cell(textwrap.dedent(cell))])
    done = papermill.execute_notebook(notebook, None, kernel_name="python3", progress_bar=False)
    assert (tmp_path / "a").is_file() and (tmp_path / "b").is_file()
    assert "heard by nobody" not in str([cell.get("outputs") for cell in done.cells])


def script(path: Path, lines: str) -> list[str]:
    """The command line of a script that begins with what this module has."""
    path.write_text(
        f"import sys\nsys.path[:0] = {[str(ROOT), str(Path(__file__).parent)]!r}\nfrom test_jobs import *\n{lines}"
    )
    return [sys.executable, str(path)]


def test_a_script_without_a_guard_is_told_so(tmp_path):
    line = script(tmp_path / "script.py", "side_by_side([Job('mine', refuse, ())], 1, OPTIONS)\n")
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 1 and "mine failed: its process" in done.stderr and "__main__" in done.stderr


def test_no_process_outlives_who_started_it(tmp_path):
    started = tmp_path / "started"
    call = f"side_by_side([Job('mine', wait_for_ever, (Path({str(started)!r}),))], 1, OPTIONS)"
    parent = subprocess.Popen(script(tmp_path / "script.py", f"if __name__ == '__main__':\n    {call}\n"))
    worker = int(read_when_there(started))
    parent.kill()
    parent.wait()
    while alive(worker):
        time.sleep(0.01)
