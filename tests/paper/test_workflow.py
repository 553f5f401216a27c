"""The workflow, with Snakemake, on a grid of tiny models: what is there is not done again, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import signal
import time

import pytest
import yaml
from checkout import ROOT, Checkout, needs_snakemake

from paper import grid, records
from paper.protocols import PROTOCOLS
from xlgen.core.config import RunOptions

GRIDS = yaml.safe_load((ROOT / "workflow" / "grid.yml").read_text(encoding="utf-8"))


def test_the_grids_name_protocols_and_choices_that_exist(tmp_path):
    for name, entries in GRIDS.items():
        for entry in entries:
            if entry["protocol"] not in ("all", "stages"):  # stages names its first runs by data that may not be here
                assert grid.protocol(options=RunOptions(store=tmp_path), **entry).configs, name


def test_all_is_every_protocol(tmp_path, monkeypatch):
    monkeypatch.setattr(grid, "protocol", lambda protocol, preset="mini", **_: (protocol, preset))
    found = grid.protocols_of(ROOT / "workflow" / "grid.yml", "mini", RunOptions(store=tmp_path))
    assert found == [(name, "mini") for name, _ in PROTOCOLS.items()]


@pytest.mark.engine
@needs_snakemake
def test_a_grid_is_run_once_and_what_is_lost_is_done_again(tmp_path):
    here = Checkout(tmp_path)
    here.grid([0])
    assert here.run() == {"train": 1, "measure": 1, "record": 1}
    numbers = here.numbers()
    assert here.run() == {}
    (here.folder / "xlgen" / "measures" / "README").write_text("prose")
    for name in ("paper/figures/looks.py", "notebooks/one.py", "xlgen/objectives/sam.py"):
        os.utime(here.folder / name)
    assert here.run() == {}
    assert here.run("book", "-n") == {"chapter": 2, "book": 1}
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


@pytest.mark.engine
@needs_snakemake
def test_of_the_book_what_is_out_of_date_is_done_again_and_no_more(tmp_path):
    here = Checkout(tmp_path)
    chapters, executed = here.folder / "notebooks", here.folder / "book" / "notebooks"

    def book():
        """Jobs by rule, and the chapters that were executed."""
        before = {path: path.read_bytes() for path in executed.glob("*.ipynb")}
        jobs = here.run("book")
        return jobs, {path.stem for path in executed.glob("*.ipynb") if path.read_bytes() != before.get(path)}

    def page(name):
        return (here.folder / "book" / "_build" / "html" / f"{name}.html").read_text(encoding="utf-8")

    here.grid([0])
    assert book() == ({"train": 1, "measure": 1, "record": 1, "chapter": 2, "book": 1}, {"one", "ledger"})
    assert "prose" in page("notebooks/one")
    assert book() == ({}, set())
    # prose: the ledger is asked, too, and finds that what it reads is the same
    (chapters / "one.py").write_text((chapters / "one.py").read_text().replace("prose", "other words"))
    assert book() == ({"chapter": 2, "book": 1}, {"one"})
    assert "other words" in page("notebooks/one")
    # a call that ended after the chapter, before the book
    (chapters / "one.py").write_text((chapters / "one.py").read_text().replace("other", "last"))
    assert here.run("build/grid/one.chapter") == {"chapter": 1}
    assert book() == ({"chapter": 1, "book": 1}, set())
    assert "last words" in page("notebooks/one")
    (here.folder / "book" / "start.md").write_text("# Another start\n")
    assert book() == ({"book": 1}, set())
    assert "Another start" in page("start")
    with (here.folder / "paper" / "figures" / "looks.py").open("a") as file:
        file.write("# changed\n")
    assert book() == ({"chapter": 2, "book": 1}, {"one", "ledger"})
    shutil.rmtree(here.folder / "book" / "_build")
    assert book() == ({"book": 1}, set())
    assert book() == ({}, set())


@pytest.mark.engine
@needs_snakemake
def test_a_grid_that_was_killed_ends_with_the_same_numbers(tmp_path):
    """Snakemake and all that it started are killed while a model is trained, and again while one is measured."""
    killed, other = Checkout(tmp_path / "killed"), Checkout(tmp_path / "other")
    for here in (killed, other):
        here.grid([0, 1])
    for sign in (".snakemake/incomplete/*", "runs/*/manifest.json"):
        process = killed.start()
        while process.poll() is None and not [*killed.folder.glob(sign)]:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not killed.numbers()
        killed.run("--unlock")
    killed.run()
    other.run()
    assert len(killed.numbers()) == 2 and killed.numbers() == other.numbers()


def test_the_grid_of_real_data_names_no_model_twice_and_measures_all_rows(tmp_path):
    """Its protocols without second stages, whose names need the data: each entry adds models, but those which measure
    more of the models of others, and none is trained twice with other measures under another name. Where the learning
    rate is chosen, nothing is measured."""
    seen: dict[str, str] = {}
    for entry in GRIDS["real"]:
        assert entry["preset"] == "real"
        if entry["protocol"] == "stages":
            continue
        found = grid.protocol(options=RunOptions(store=tmp_path), **entry)
        new = {records.filled_in(config).hash for config in found.configs.values()} - seen.keys()
        assert bool(new) == (entry["protocol"] not in ("divergence", "domains")), f"{entry} adds nothing"
        seen |= dict.fromkeys(new, entry["protocol"])
        if entry["protocol"] == "rates":
            assert not any(found.measures.values())
            continue
        for measures in found.measures.values():
            scored = {one.split: one.size for one in measures if "accuracy" in one.names}
            assert scored.get("test", scored.get("dev")) in (0, 2000) or entry["protocol"] == "divergence", entry
    assert {*seen.values()} == {
        "rates",
        "seeds",
        "regularisers",
        "penalties",
        "tagging",
        "frozen",
        "settings",
        "extreme",
        "checks",
    }
