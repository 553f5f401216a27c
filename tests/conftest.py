"""Fixtures that several files share; a file that changes its encoder has one of its own."""

import pytest
from tiny import TaggedToy, ToyTask, save_encoder

from xlgen.data.catalogue import TASKS


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """Folder of an encoder of a few thousand weights, to be read only."""
    return save_encoder(tmp_path_factory.mktemp("models") / "encoder")


@pytest.fixture
def toy_tasks(monkeypatch):
    """The toy tasks are among the known ones."""
    monkeypatch.setitem(TASKS._entries, "toy", ToyTask())
    monkeypatch.setitem(TASKS._entries, "tagged", TaggedToy())
