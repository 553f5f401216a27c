"""Chapters side by side: order, what is said, failures and interruptions."""

import multiprocessing
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
import yaml
from fresh import FRESH

from paper import notebook, schedule, stale

WAITING = """# %%
import os, time
from pathlib import Path

folder = Path("met")
folder.mkdir(exist_ok=True)
(folder / "{name}").write_text(str(os.getpid()))
until = time.monotonic() + 300
while not (folder / "{other}").exists() and time.monotonic() < until:
    time.sleep(0.05)
assert (folder / "{other}").exists()
"""
"""A chapter that ends when another one has begun."""


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "notebooks").mkdir()
    return tmp_path


def task(checkout: Path, name: str, text: str = "# %%\n1\n", expected: float = 60.0) -> schedule.Task:
    source = checkout / "notebooks" / f"{name}.py"
    source.write_text(text)
    folder = checkout / "book" / "notebooks"
    return schedule.Task(source, folder / f"{name}.ipynb", {}, folder / "ledger", expected=expected)


def test_the_first_chapter_comes_first_and_then_the_longest(checkout):
    tasks = [task(checkout, name, expected=seconds) for name, seconds in (("a", 1), ("b", 2), ("c", 9), ("d", 5))]
    assert [one.name for one in schedule.longest_first(tasks)] == ["a", "c", "d", "b"]
    assert schedule.longest_first([]) == []


def test_every_chapter_has_its_seconds():
    """One without would be taken for a short one, and the last to end."""
    settings = yaml.safe_load((notebook.root() / "_config.yml").read_text(encoding="utf-8"))["sphinx"]["config"]
    assert settings["xlgen_seconds"].keys() == {path.stem for path in (notebook.root() / "notebooks").glob("*.py")}


def test_a_line_says_what_is_in_work_and_left_and_how_long(checkout):
    a, b, c = (task(checkout, name, expected=120) for name in "abc")
    line = schedule.progress("executed 1/4", [(a, 0.0), (b, 30.0)], [c], 2, now=90.0)
    # 30 s are left of a, 60 of b, and 120 of c, which no second process shortens
    assert line == "executed 1/4; in work: a (1.5 min), b (1.0 min); left: c; about 2 min to go"
    assert schedule.progress("executed 4/4", [], [], 2) == "executed 4/4; none left"
    late = schedule.progress("executed 0/1", [(a, 0.0)], [], 1, now=600.0)
    assert late == "executed 0/1; in work: a (10.0 min); left: none; about 0 min to go"


def test_chapters_run_side_by_side(checkout):
    """Each ends only when the other has begun."""
    tasks = [task(checkout, one, WAITING.format(name=one, other=other)) for one, other in ("ab", "ba")]
    said, done = [], []
    schedule.execute(tasks, 2, said.append, lambda one: done.append(one.name))
    assert sorted(done) == ["a", "b"] and all(one.target.is_file() for one in tasks)
    assert said[1].startswith("executing 2/2: b; in work: a (0.0 min); left: none; about ")
    assert re.fullmatch(r"executed 2/2: [ab] in \d+ s; none left", said[-1])


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_stops_the_others_and_has_the_cells_error(checkout, workers):
    waiting = task(checkout, "b", WAITING.format(name="b", other="nobody"))
    tasks = [task(checkout, "a", '# %%\nraise ValueError("on purpose")\n'), waiting]
    with pytest.raises(notebook.NotebookError, match="ValueError: on purpose") as failed:
        schedule.execute(tasks, workers, lambda line: None)
    assert "raise ValueError" in failed.value.trace
    assert not waiting.target.exists() and not list(waiting.target.parent.glob(".running-*"))


def _builds(top):
    """Execute what is stale of three chapters, two at a time, in processes of one group, as a shell starts them."""
    os.setsid()
    os.chdir(top)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    fork = multiprocessing.get_context("fork")
    multiprocessing.get_context = lambda method: fork  # this process has imported what a new one would
    sources = [Path(f"notebooks/{name}.py") for name in "abc"]
    try:
        done = stale.refresh(sources, Path("book/notebooks"), {}, workers=2)
    except KeyboardInterrupt:
        sys.exit(130)
    Path("did").write_text(" ".join(done))


def build(top):
    process = FRESH.Process(target=_builds, args=(top,))
    process.start()
    return process


@pytest.mark.usefixtures("server")
def test_an_interrupted_build_leaves_nothing_half_done_and_goes_on(checkout):
    task(checkout, "a")
    for one, other in ("bx", "cx"):
        task(checkout, one, WAITING.format(name=one, other=other))
    first = build(checkout)
    kernels = [checkout / "met" / name for name in "bc"]
    until = time.monotonic() + 300
    while not all(path.is_file() and path.read_text() for path in kernels) and time.monotonic() < until:
        time.sleep(0.1)
    os.killpg(first.pid, signal.SIGINT)  # as a terminal does it: to all processes of the group
    first.join(120)
    assert first.exitcode == 130 and not (checkout / "did").exists()
    folder = checkout / "book" / "notebooks"
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["a.ipynb"]
    assert not list(folder.glob(".running-*"))
    for path in kernels:
        assert not alive(int(path.read_text())), "a kernel outlives the build"
    (checkout / "met" / "x").touch()
    second = build(checkout)
    second.join(300)
    assert second.exitcode == 0 and (checkout / "did").read_text() == "b c"


def alive(process: int) -> bool:
    """Whether there is such a process, waiting ten seconds for its end."""
    for _ in range(100):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.1)
    return True


def test_what_reads_the_others_output_comes_after_them(checkout, monkeypatch):
    text = '# %% tags=["reads:book/notebooks/ledger"]\n1\n'
    sources = [task(checkout, "a", text).source, task(checkout, "b").source, task(checkout, "c").source]
    groups = []
    monkeypatch.setattr(schedule, "execute", lambda tasks, *rest: groups.append([one.name for one in tasks]))
    expected = {"b": 1.0, "c": 2.0, "a": 3.0}
    assert stale.refresh(sources, checkout / "book" / "notebooks", {}, expected=expected) == ["b", "c", "a"]
    assert groups == [["b", "c"], ["a"]]


def test_all_live_is_asked_of_the_chapters_that_have_the_parameter(checkout):
    with_live = task(checkout, "a", '# %% tags=["parameters"]\nlive: "int or all" = 1  # models\n').source
    without = task(checkout, "b", '# %% tags=["parameters"]\nn: int = 1  # count\n').source
    given = stale.live_parameters([with_live, without], {"b": {"n": 2}}, "all")
    assert given == {"a": {"live": "all"}, "b": {"n": 2}}
    assert stale.live_parameters([with_live, without], {"b": {"n": 2}}, "") == {"b": {"n": 2}}
