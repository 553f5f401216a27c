"""Evidence is never lost: a chapter that fails, or is killed at any moment, leaves the last whole evidence."""

import os
import signal

import pytest
from fresh import FRESH

from paper import ledger, notebook, stale

GAIN, OTHER = ledger.CLAIMS["l2-t1-xnli-l2"], ledger.CLAIMS["l2-t1-xnli-ewc"]
CHAPTER = """# %% tags=["parameters"]
moment: str = ""  # when the build is killed

# %%
import os, signal
from paper import ledger, notebook

folder = notebook.ledger_folder()
before = len(ledger.load(folder))


def now(name):
    if name == moment:
        os.kill(os.getppid(), signal.SIGKILL)
        os._exit(1)
    if name == moment.removeprefix("fails "):
        raise RuntimeError("stopped")


# %%
ledger.clear("l2_ewc", folder=folder)
now("cleared")
facts = dict(value=VALUE, low=VALUE - 1, high=VALUE + 1, n=3, seeds=[0, 1, 2], scale="miniature", folder=folder)
ledger.record("l2_ewc", "l2-t1-xnli-l2", **facts)
ledger.choice("l2_ewc", "korean", "It is VALUE.", folder=folder)
now("half")
ledger.record("l2_ewc", "l2-t1-xnli-ewc", **facts)
now("all")
print("evidence before:", before)
"""


def _builds(top, moment):
    """Execute the chapter if it is stale; killed when its evidence has been published, if that is the moment."""
    os.environ.pop(notebook.LEDGER, None)
    with (top / "said").open("w") as said:
        os.dup2(said.fileno(), 2)
    if moment == "published":
        publish = notebook.publish
        notebook.publish = lambda *files: (publish(*files), os.kill(os.getpid(), signal.SIGKILL))
    stale.refresh([top / "notebooks" / "l2_ewc.py"], top / "book", {"l2_ewc": {"moment": moment}} if moment else {})


@pytest.fixture(scope="module")
def built(server, tmp_path_factory):
    """A checkout with one chapter that has run once, with evidence 2.0."""
    top = tmp_path_factory.mktemp("checkout")
    (top / "notebooks").mkdir()
    (top / "notebooks" / "l2_ewc.py").write_text(CHAPTER.replace("VALUE", "2.0"))
    assert build(top) == 0 and found(top) == whole(2.0)
    return top


def build(top, moment=""):
    """A build in a process of its own; its exit code."""
    process = FRESH.Process(target=_builds, args=(top, moment))
    process.start()
    process.join(120)
    return process.exitcode


def found(top):
    folder = top / "book" / "ledger"
    evidence = [(one.claim, one.value) for one in ledger.load(folder)]
    return evidence, [one.sentence for one in ledger.choices(folder)]


def whole(value):
    return [(claim.id, value) for claim in (GAIN, OTHER)], [f"It is {value}."]


@pytest.mark.parametrize("moment", ["cleared", "half", "all", "published", "fails half"])
def test_a_build_that_ends_in_the_middle_of_a_chapter_leaves_whole_evidence(built, moment):
    source = built / "notebooks" / "l2_ewc.py"
    source.write_text(CHAPTER.replace("VALUE", "5.0"))
    assert build(built, moment) == (1 if "fails" in moment else -signal.SIGKILL)
    assert ("RuntimeError: stopped" in (built / "said").read_text()) == ("fails" in moment)
    assert found(built) == whole(5.0 if moment == "published" else 2.0)
    source.write_text(CHAPTER.replace("VALUE", "2.0"))  # the change is taken back
    if moment == "published":  # its evidence is new and its notebook is not, so that it runs again
        assert build(built) == 0
    assert stale.refresh([source], built / "book", {}) == []
    assert found(built) == whole(2.0)
