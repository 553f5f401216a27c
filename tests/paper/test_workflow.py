"""The workflow, with Snakemake, on a grid of two tiny models: what is there is not done again, and nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from paper import grid
from paper.protocols import PROTOCOLS
from xlgen.core.config import RunOptions

ROOT = Path(__file__).resolve().parents[2]
SNAKEMAKE = os.environ.get("SNAKEMAKE") or shutil.which("snakemake")
needs_snakemake = pytest.mark.skipif(not SNAKEMAKE, reason="needs snakemake: pip install '.[engine]'")
ENTRY = {"protocol": "tagging", "tasks": ["mini-wikiann"], "setups": ["vanilla"], "size": 20}
ENTRY |= {"train_size": 32, "dev_size": 16, "epochs": 1, "max_length": 32}


def test_the_grids_name_protocols_and_choices_that_exist(tmp_path):
    for name, entries in yaml.safe_load((ROOT / "workflow" / "grid.yml").read_text(encoding="utf-8")).items():
        for entry in entries:
            if entry["protocol"] != "stages":  # names its first stages by the data, which are not here
                assert grid.protocol(options=RunOptions(store=tmp_path), **entry).configs, name


def test_the_miniature_grid_is_every_protocol():
    grids = yaml.safe_load((ROOT / "workflow" / "grid.yml").read_text(encoding="utf-8"))
    assert sorted(entry["protocol"] for entry in grids["mini"]) == sorted(name for name, _ in PROTOCOLS.items())


class Checkout:
    """A copy of the code with a commit of its own, and a grid of tiny runs."""

    def __init__(self, folder: Path):
        self.folder = folder
        listed = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "xlgen", "paper", "workflow"],
            capture_output=True,
            text=True,
            check=True,
        )
        for name in listed.stdout.splitlines():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        (folder / "_toc.yml").touch()  # what a checkout is known by
        (folder / "notebooks").mkdir()
        (folder / ".gitignore").write_text("__pycache__\n/runs\n/build\n/records\n/.snakemake\n/grid.yml\n")
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "a copy"]):
            who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
            subprocess.run(["git", "-C", str(folder), *who, *words], check=True)

    def grid(self, seeds: list[int]) -> None:
        (self.folder / "grid.yml").write_text(json.dumps({"tiny": [ENTRY | {"seeds": seeds}]}))

    def start(self, *words: str) -> subprocess.Popen:
        settings = ["grid=tiny", "file=grid.yml", f"xlgen={sys.executable} -m paper"]
        environment = os.environ | {"PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1"}
        command = [SNAKEMAKE, *words, "--config", *settings]
        how = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        return subprocess.Popen(command, cwd=self.folder, env=environment, **how)

    def run(self, *words: str) -> dict[str, int]:
        """Jobs that were done, by rule."""
        process = self.start(*words)
        said, _ = process.communicate()
        assert process.returncode == 0, said
        rules = [line.split()[1].rstrip(":") for line in said.splitlines() if line.startswith(("rule ", "localrule "))]
        return {rule: rules.count(rule) for rule in {*rules} - {"records"}}

    def numbers(self) -> dict[str, dict]:
        """Everything measured, by record and name."""
        records = {path.stem: json.loads(path.read_text()) for path in (self.folder / "records").glob("*.json")}
        return {name: {key: one["values"] for key, one in r["measured"].items()} for name, r in records.items()}


@needs_snakemake
def test_a_grid_is_run_once_and_what_is_lost_is_done_again(tmp_path):
    here = Checkout(tmp_path)
    here.grid([0])
    assert here.run() == {"train": 1, "measure": 1, "record": 1}
    numbers = here.numbers()
    assert here.run() == {}
    (here.folder / "xlgen" / "measures" / "README").write_text("prose")
    os.utime(here.folder / "paper" / "figures.py")
    assert here.run() == {}
    (record,) = (here.folder / "records").glob("*.json")
    record.unlink()
    assert here.run() == {"record": 1} and here.numbers() == numbers
    shutil.rmtree(here.folder / "runs" / record.stem)
    assert here.run() == {}  # the record stands for it
    record.unlink()
    assert here.run() == {"train": 1, "measure": 1, "record": 1} and here.numbers() == numbers
    here.grid([0, 1])
    assert here.run() == {"train": 1, "measure": 1, "record": 1}
    assert here.numbers().items() >= numbers.items() and len(here.numbers()) == 2


@needs_snakemake
def test_a_grid_that_was_killed_ends_with_the_same_numbers(tmp_path):
    killed, other = Checkout(tmp_path / "killed"), Checkout(tmp_path / "other")
    for here in (killed, other):
        here.grid([0])
    process = killed.start()
    while process.poll() is None and not list((killed.folder / "runs").glob("*/manifest.json")):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not killed.numbers()
    killed.run("--unlock")
    killed.run()
    other.run()
    assert killed.numbers() == other.numbers()
