"""A build that is killed at random moments, with its kernel: the next one resumes, and no half-run page is ever shown.

What :mod:`test_ledger_lost` does at four chosen moments is done here at any call of the building process.
``XLGEN_MOMENTS=50`` tries that many; the ordinary suite tries a few.
"""

import itertools
import os
import random
import signal
import sys
from multiprocessing import forkserver

import nbformat
import pytest
from test_processes import FRESH

from paper import sphinxext

MOMENTS = int(os.environ.get("XLGEN_MOMENTS", "2"))
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
def built(tmp_path_factory):
    """A checkout with a chapter that has run, and the number of calls that it took."""
    FRESH.set_forkserver_preload([__name__])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        forkserver.ensure_running()
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
