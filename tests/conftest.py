"""Fixtures that several files share; a file that changes its encoder has one of its own."""

import pytest
from tiny import TaggedToy, ToyTask, save_encoder

from xlgen.data.catalogue import TASKS

LONG = ("test_processes.py", "test_killed_builds.py", "test_schedule.py", "test_book.py")


def pytest_collection_modifyitems(items):
    """The longest first: of two workers one has them together, so that what they start from is made once, and nobody is
    left with them at the end."""
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """Folder of an encoder of a few thousand weights, to be read only."""
    return save_encoder(tmp_path_factory.mktemp("models") / "encoder")


@pytest.fixture
def toy_tasks(monkeypatch):
    """The toy tasks are among the known ones."""
    monkeypatch.setitem(TASKS._entries, "toy", ToyTask())
    monkeypatch.setitem(TASKS._entries, "tagged", TaggedToy())
