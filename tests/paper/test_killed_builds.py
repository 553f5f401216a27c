"""A build that is killed at random moments, with its kernel: the next one resumes, and no half-run page is ever shown.

What :mod:`test_ledger_lost` does at four chosen moments is done here at any call of the building process.
``XLGEN_MOMENTS=50`` tries that many; the ordinary suite tries one.
"""

import itertools
import os
import random
import signal
import sys

import nbformat
import pytest
from fresh import FRESH

from paper import notebook, sphinxext

MOMENTS = int(os.environ.get("XLGEN_MOMENTS", "1"))
CHAPTER = """# %% tags=["parameters"]
n: int = 3  # a number

# %%
print("first VALUE")

# %%
print("last VALUE")
"""


def _builds(top, said, kill_at):
    """Execute what is stale, in a process of its own group; killed, with the kernel, at a call of that number."""
    os.setsid()
    calls = itertools.count(1)

    def count(frame, event, argument):
        if event == "c_call" and next(calls) == kill_at:
            os.killpg(0, signal.SIGKILL)

    with said.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        sys.setprofile(count)
        sphinxext.refresh([top / "notebooks" / "theory.py"], top / "book" / "notebooks", {})
        sys.setprofile(None)
    (top / "calls").write_text(str(next(calls)))


def build(top, kill_at=0):
    process = FRESH.Process(target=_builds, args=(top, top / "said", kill_at))
    process.start()
    process.join(120)
    return process.exitcode


def page(top):
    """What the page is made from: the outputs, or nothing; a half-run one would be without the last."""
    path = top / "book" / "notebooks" / "theory.ipynb"
    if not path.is_file():
        return None
    cells = nbformat.read(path, as_version=4).cells
    return [output.text.strip() for cell in cells for output in cell.get("outputs", [])]


@pytest.fixture(scope="module")
def built(server, tmp_path_factory):
    """A checkout with a chapter that has run, and the number of calls that it took."""
    top = tmp_path_factory.mktemp("checkout")
    (top / "notebooks").mkdir()
    (top / "notebooks" / "theory.py").write_text(CHAPTER.replace("VALUE", "old"))
    assert build(top) == 0, (top / "said").read_text()
    return top, int((top / "calls").read_text())


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_build_killed_at_a_random_moment_shows_whole_pages_only(built, moment):
    top, calls = built
    old, new = ([f"first {value}", f"last {value}"] for value in ("old", f"new {moment}"))
    source = top / "notebooks" / "theory.py"
    source.write_text(CHAPTER.replace("VALUE", "old"))
    assert build(top) == 0 and page(top) == old
    source.write_text(CHAPTER.replace("VALUE", f"new {moment}"))
    assert build(top, random.Random(moment).randint(1, calls)) in (-signal.SIGKILL, 0), (top / "said").read_text()
    assert page(top) in (None, old, new)
    assert build(top) == 0 and page(top) == new
    assert page(top) == new and build(top) == 0


# --- a chapter that trains -------------------------------------------------------------------------------------------

TRAINING = """# %% tags=["parameters"]
encoder: str = ""  # folder
store: str = ""  # folder
kill_at: int = 0  # the call at which the chapter is killed

# %%
import hashlib, itertools, os, signal, sys
from pathlib import Path

from tiny import ToyTask, config, options
from xlgen.data.catalogue import TASKS
from xlgen.training import runs

TASKS._entries["toy"] = ToyTask()
calls = itertools.count(1)


def count(frame, event, argument):
    if event == "c_call" and next(calls) == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)


# %%
print("begins")
sys.setprofile(count)
run = runs.run(config(encoder, epochs=2), options(Path(store), checkpoint_every=2))
sys.setprofile(None)
total = next(calls)

# %%
print(run.key, hashlib.sha256((run.folder / "model" / "model.safetensors").read_bytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def chapter(encoder, tmp_path_factory):
    """What executes a chapter that trains a model, and the number of calls that this takes."""
    top = tmp_path_factory.mktemp("chapter")
    (top / "notebooks").mkdir()
    source = top / "notebooks" / "theory.py"

    def executed(folder, kill_at=0, text=TRAINING):
        source.write_text(text)
        given = {"encoder": str(encoder), "store": str(folder), "kill_at": kill_at}
        made = notebook.execute(source, folder / "theory.ipynb", given, folder / "ledger", bar=False)
        outputs = (output for cell in made.cells for output in cell.get("outputs", []))
        return "".join(output.text for output in outputs if output.get("name") == "stdout").split()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        yield executed, executed(tmp_path_factory.mktemp("undisturbed"), text=f"{TRAINING}print(total)\n")


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_chapter_killed_at_a_random_moment_is_resumed_to_the_same_bits(chapter, tmp_path, moment):
    executed, (*expected, calls) = chapter
    with pytest.raises(notebook.NotebookError, match="theory failed: its kernel was killed, by a lack of memory"):
        executed(tmp_path, kill_at=random.Random(f"chapter {moment}").randint(1, int(calls) * 19 // 20))
    assert not list(tmp_path.glob("*.ipynb"))
    assert executed(tmp_path) == expected
