"""Fresh processes: forks of one that has imported the libraries, so that none has to import them for itself."""

import multiprocessing
import os
import sys
from multiprocessing import forkserver

import pytest

FRESH = multiprocessing.get_context("forkserver")
IMPORTED = ["papermill", "jupytext", "test_processes", "test_faults", "test_killed_builds", "test_ledger_lost"]
IMPORTED += ["test_schedule", "test_jobs"]
"""What executes chapters, and the modules whose functions such processes run, as far as they can be found."""


def serve() -> None:
    """Start the one process that the others are forks of, if it is not there."""
    FRESH.set_forkserver_preload(IMPORTED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        forkserver.ensure_running()
