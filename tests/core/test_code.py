"""Versions of the code: every source has one, and a changed source is never answered with an older number."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from dataclasses import replace

import pytest
from pin import missing, parts, pin

from xlgen.core import code
from xlgen.core.config import RunOptions
from xlgen.measures import MEASURES, Value, measuring
from xlgen.measures.measuring import MeasureConfig
from xlgen.models import MINI
from xlgen.models.tuning import TUNINGS
from xlgen.objectives import OBJECTIVES
from xlgen.training import runs
from xlgen.training.presets import config_for

TINY = {"train_size": 32, "dev_size": 16, "epochs": 1, "max_length": 32}
MODULE = '''"""About."""

from __future__ import annotations

import math

SIZE = 3


@decorated
def area(r: float) -> float:
    """Doc."""
    # why
    return math.pi * r**2  # so


class Thing:
    """Doc."""

    def f(self, x):
        return x + SIZE
'''


def changed(old: str, new: str) -> str:
    assert old in MODULE
    return MODULE.replace(old, new)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package, whose sources are read in place of the package's own."""
    folder = tmp_path / "xlgen"
    shutil.copytree(code.PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__", "encoder", "lexicons"))
    monkeypatch.setattr(code, "PACKAGE", folder)
    forget()
    yield folder
    forget()


def forget() -> None:
    for function in (code.source, code.imports, code.rows):
        function.cache_clear()


def test_every_source_that_makes_numbers_has_a_version():
    assert not missing(), (
        f"the source of {', '.join(missing())} has changed: `make version WHY='what'` if a number can change, "
        "`make version SAME=1 WHY='why none can'` if not"
    )


def test_the_table_has_a_line_of_versions_for_each_part_and_no_other():
    rows = code.rows()
    assert all(set(row) == {"part", "version", "source", "why"} and row["why"].strip() for row in rows)
    assert Counter((row["part"], row["source"]) for row in rows).most_common(1)[0][1] == 1
    for part in {row["part"] for row in rows}:
        versions = [int(row["version"]) for row in rows if row["part"] == part]
        assert versions == sorted(versions) and set(versions) == set(range(1, max(versions) + 1)), part
        newest = [row["source"] for row in rows if row["part"] == part and int(row["version"]) == max(versions)]
        assert code.source(part) in newest, f"{part}: the source of today is of an older version"
    assert {row["part"] for row in rows} == set(parts())


def test_parts_share_no_module_and_name_files_that_exist():
    named = [module for modules in code.PARTS.values() for module in modules]
    assert len(named) == len(set(named)) and not set(named) & code.NEUTRAL
    for module in (*named, *code.NEUTRAL):
        assert code.path(module).is_file(), module


@pytest.mark.parametrize(
    "text",
    [
        changed("About", "Another text"),
        changed('"""Doc."""', '"""Another\n\n    text."""'),
        changed("# why", "# for another reason"),
        changed("  # so", ""),
        changed("import math", "import math\nimport os"),
        changed("\n\n\nclass", "\n\n\n\nclass"),
        changed("SIZE = 3\n\n\n", "") + "\n\nSIZE = 3\n",
    ],
)
def test_words_imports_and_places_are_no_part_of_a_source(text):
    assert code.digest_of([text]) == code.digest_of([MODULE])


@pytest.mark.parametrize(
    "text",
    [
        changed("SIZE = 3", "SIZE = 4"),
        changed("r**2", "r**3"),
        changed("@decorated\n", ""),
        changed("        return x + SIZE", "        return x\n        + SIZE"),
        changed("x + SIZE", 'x + "# SIZE"'),
        MODULE + "\nSIZE += 1\n",
    ],
)
def test_anything_else_is(text):
    assert code.digest_of([text]) != code.digest_of([MODULE])


def test_statements_may_move_between_the_files_of_a_part():
    head, tail = MODULE.split("class Thing")
    assert code.digest_of([head, "class Thing" + tail]) == code.digest_of([MODULE])


def test_a_digest_is_the_same_on_every_python():
    assert code.digest_of([MODULE]) == "e1f9d7e8c615"


def test_a_changed_measure_has_another_version_and_the_others_keep_theirs(package):
    before = {name: code.of_measure(measure) for name, measure in MEASURES.items()}
    path = package / "measures" / "margin.py"
    path.write_text(path.read_text() + "\n\nPERCENTILE = 11\n")
    forget()
    after = {name: code.of_measure(measure) for name, measure in MEASURES.items()}
    moved = {name for name in before if before[name] != after[name]}
    assert moved == {name for name in before if name.startswith("margin")}


def test_what_hands_examples_to_measures_is_in_the_versions_of_all_once_it_changes(package):
    before = {name: code.of_measure(measure) for name, measure in MEASURES.items()}
    assert not any("measures.subjects" in versions for versions in before.values())
    path = package / "measures" / "subjects.py"
    path.write_text(path.read_text() + "\n\nANOTHER = 1\n")
    forget()
    for name, measure in MEASURES.items():
        found = code.of_measure(measure)
        assert found.pop("measures.subjects") == code.source("measures.subjects") and found == before[name]


@pytest.mark.parametrize(
    ("file", "concerned"),
    [
        ("objectives/sam.py", {"sam"}),
        ("objectives/accumulate.py", set(OBJECTIVES)),
        ("models/evaluate.py", set(OBJECTIVES)),
        ("data/segment.py", {"mvr"}),
        ("fisher/engine.py", {"ewc"}),
        ("fisher/labels.py", {"ewc", "fisher"}),
        ("fisher/mlm.py", {"ewc"}),
        ("measures/margin.py", set()),
        ("core/errors.py", set()),
    ],
)
def test_a_changed_source_renames_the_runs_that_rest_on_it(package, file, concerned):
    before = {name: code.of_run(objective, TUNINGS["full"]) for name, objective in OBJECTIVES.items()}
    (package / file).write_text((package / file).read_text() + "\n\nANOTHER = 1\n")
    forget()
    after = {name: code.of_run(objective, TUNINGS["full"]) for name, objective in OBJECTIVES.items()}
    assert {name for name in before if before[name] != after[name]} == concerned


def test_a_changed_measure_is_measured_again(tmp_path, monkeypatch):
    options, config = (
        RunOptions(store=tmp_path, progress=False, threads=1),
        MeasureConfig(("accuracy",), ("en",), "test", 20),
    )
    run = measuring.run(config_for("mini", **TINY), options)
    before = measuring.measure(run, config, options)["accuracy"]["en"].value
    monkeypatch.setitem(MEASURES._entries, "accuracy", half)
    monkeypatch.setattr(code, "of_measure", lambda measure: {"measures.accuracy": "0123456789ab"})
    assert before != 0.5 and measuring.measure(run, config, options)["accuracy"]["en"].value == 0.5
    monkeypatch.undo()
    assert measuring.measure(run, config, options)["accuracy"]["en"].value == before


def half(subject) -> dict[str, Value]:
    return {language: Value(0.5) for language in subject.batches}


def test_changed_training_code_trains_again(tmp_path, monkeypatch):
    options = RunOptions(store=tmp_path, progress=False)
    config = runs.resolve(config_for("mini", **TINY), options)
    monkeypatch.setattr(code, "source", lambda part: "0123456789ab" if part == "training" else "f" * 12)
    other = runs.resolve(config, options)
    assert other.code["training"] == "0123456789ab" and other.hash != config.hash
    assert replace(other, code=config.code).hash == config.hash


@pytest.mark.parametrize(
    "same",
    [
        {"micro_batch_size": 32, "batch_size": 32},
        {"train_size": 0},
        {"train_size": 20_000},
        {"train_size": 20_001},
        {"dev_size": 0},
        {"dev_size": 10**6},
        {"model": str(MINI)},
        {"language": "en"},
        {"lr": "5e-4"},
        {"code": {"training": 99}},
    ],
)
def test_settings_that_mean_the_same_are_one_model(tmp_path, same):
    options = RunOptions(store=tmp_path)
    usual = {"dev_size": 0, "train_size": 20_000 if "train_size" in same else 100}
    one = runs.resolve(config_for("mini", **usual), options)
    model = {"model": same["model"]} if "model" in same else {}
    others = {key: value for key, value in same.items() if key != "model"}  # a folder has no learning rate of its own
    assert runs.resolve(config_for("mini", **{**usual, **others}).with_(**model), options).hash == one.hash
    assert runs.resolve(config_for("mini", **{**usual, "train_size": 99}), options).hash != one.hash


def test_pins_raise_a_version_or_keep_it(package, tmp_path, monkeypatch):
    monkeypatch.setattr(code, "VERSIONS", package / "core" / "versions.csv")
    forget()
    last = max(int(row["version"]) for row in code.rows() if row["part"] == "measures.margin")
    for number, (same, expected) in enumerate([(True, last), (False, last + 1), (True, last + 1)]):
        path = package / "measures" / "margin.py"
        path.write_text(path.read_text() + f"\n\nNUMBER_{number} = 1\n")
        forget()
        assert missing() == ["measures.margin"]
        assert [row["version"] for row in pin(code.VERSIONS, "a reason", same)] == [expected]
        forget()
        assert not missing() and code.of_measure(MEASURES["margin"])["measures.margin"] == expected
    with code.VERSIONS.open() as file:
        assert [row["why"] for row in csv.DictReader(file) if row["part"] == "measures.margin"][-3:] == ["a reason"] * 3
