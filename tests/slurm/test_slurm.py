"""A grid on SLURM, for real: jobs and the controller are killed, and the numbers are those of an undisturbed grid."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from checkout import Checkout, needs_snakemake

SCRIPT = Path(__file__).with_name("one_node.sh")
ON_SLURM = ["--executor", "slurm", "--jobs", "2", "--retries", "2", "--default-resources", "runtime=60", "mem_mb=500"]
ON_SLURM += ["--latency-wait", "30", "--seconds-between-status-checks", "5"]
ON_SLURM += ["--slurm-status-command", "squeue"]  # there is no accounting


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    folder = tmp_path / "slurm"
    subprocess.run([SCRIPT, "start", folder], check=True)
    monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    yield folder
    subprocess.run([SCRIPT, "stop", folder], check=True)


def running() -> list[str]:
    """Numbers of the jobs that compute; none while the controller is away."""
    asked = subprocess.run(["squeue", "-h", "-t", "running", "-o", "%A"], capture_output=True, text=True)
    return asked.stdout.split()


def wait_for(condition, seconds: float = 300.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.5)


@pytest.mark.slurm
@needs_snakemake
def test_a_grid_whose_jobs_and_controller_were_killed_is_that_of_an_undisturbed_one(cluster, tmp_path):
    disturbed, other = Checkout(tmp_path / "disturbed"), Checkout(tmp_path / "other")
    for here in (disturbed, other):
        here.grid([0])
    process = disturbed.start(*ON_SLURM)
    wait_for(running)
    subprocess.run(["scancel", "--signal=KILL", "--full", running()[0]], check=True)
    time.sleep(5)
    wait_for(running)
    subprocess.run([SCRIPT, "kill-controller", cluster], check=True)
    time.sleep(10)
    subprocess.run([SCRIPT, "start-controller", cluster], check=True)
    while process.poll() is None:
        time.sleep(5)
        subprocess.run([SCRIPT, "resume", cluster], check=True)
    said, _ = process.communicate()
    (Path(os.environ.get("TRANSCRIPT", tmp_path / "transcript"))).write_text(said)
    if process.returncode:  # a job may have been lost more often than it is tried again: the same call goes on
        disturbed.run(*ON_SLURM)
    other.run()
    assert len(disturbed.numbers()) == 1 and disturbed.numbers() == other.numbers()
