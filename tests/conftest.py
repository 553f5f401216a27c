"""Fixtures that several files share; a file that changes its encoder has one of its own."""

import multiprocessing

import pytest
from fresh import FRESH, serve
from tiny import TaggedToy, ToyTask, save_encoder

from xlgen.data.catalogue import TASKS

LONG = ("test_schedule.py", "test_book.py")


def pytest_collection_modifyitems(items):
    """The longest first, and those with fresh processes: of two workers one has them together, so that what they start
    from is made once, and nobody is left with them at the end."""
    items.sort(key=lambda item: item.path.name not in LONG and "server" not in item.fixturenames)


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """Folder of an encoder of a few thousand weights, to be read only."""
    return save_encoder(tmp_path_factory.mktemp("models") / "encoder")


@pytest.fixture(scope="session")
def server():
    """Of fresh processes."""
    serve()


@pytest.fixture
def forked(server, monkeypatch):
    """A process that is to import everything anew is a fork of one that has, for tests of what it does then."""
    monkeypatch.setattr(multiprocessing, "get_context", lambda method: FRESH)


@pytest.fixture
def toy_tasks(monkeypatch):
    """The toy tasks are among the known ones."""
    monkeypatch.setitem(TASKS._entries, "toy", ToyTask())
    monkeypatch.setitem(TASKS._entries, "tagged", TaggedToy())
