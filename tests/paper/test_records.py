"""Records: written from the store, read in its place, and never believed when edited."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from paper import protocols, records
from paper.chapters import collect, records_box
from paper.protocols.penalties import spelled
from paper.protocols.settings import TITLES
from paper.published import printed_table
from xlgen.core import code, store
from xlgen.core.config import RunConfig, RunOptions
from xlgen.core.errors import ConfigError, UnknownName
from xlgen.core.store import StoreError, read_json
from xlgen.data.catalogue import TASKS
from xlgen.measures import MEASURES as EVERY_MEASURE
from xlgen.measures import measuring
from xlgen.measures.measuring import MeasureConfig
from xlgen.measures.recorded import read
from xlgen.models.tuning import TUNINGS
from xlgen.objectives import OBJECTIVES
from xlgen.training.presets import config_for

TINY = {"train_size": 32, "dev_size": 16, "epochs": 1, "max_length": 32}
MEASURES = (MeasureConfig(("accuracy", "margin"), ("en", "de"), "test", 20),)
KEYS = (("baseline", 0), ("baseline", 1))


def tiny_protocol(measures=MEASURES) -> protocols.Protocol:
    configs = {key: config_for("mini", seed=key[1], **TINY) for key in KEYS}
    return protocols.Protocol(configs, dict.fromkeys(configs, measures))


COMMIT = "0123456789" * 4


@pytest.fixture(scope="module", autouse=True)
def clean():
    """Tests run in trees with changes too."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (store, records):
            patch.setattr(module, "git_commit", lambda folder: COMMIT)
        yield patch


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store with two models, and their records."""
    options = RunOptions(store=tmp_path_factory.mktemp("store"), progress=False, threads=1)
    folder = tmp_path_factory.mktemp("records")
    protocol = tiny_protocol()
    paths = [
        records._make(c.hash, measuring.resolve(c, options), MEASURES, options, folder)
        for c in protocol.configs.values()
    ]
    return protocol, options, folder, paths


def test_a_record_is_the_run_it_was_written_from(made):
    protocol, options, _, paths = made
    for config, path in zip(protocol.configs.values(), paths, strict=True):
        stored, recorded = measuring.run(config, options), read(path)
        assert recorded.config == stored.config and recorded.key == stored.key == path.stem
        assert (recorded.summary, recorded.log, recorded.manifest) == (stored.summary, stored.log, stored.manifest)
        assert measuring.measure(recorded, MEASURES[0], options) == measuring.measure(stored, MEASURES[0], options)
        assert measuring.table([recorded], MEASURES[0], options) == measuring.table([stored], MEASURES[0], options)


def test_writing_a_record_again_gives_the_same_bytes(made):
    _, options, folder, paths = made
    before = [path.read_bytes() for path in paths]
    for path in paths:
        read(path).write(folder)
    assert [path.read_bytes() for path in paths] == before


def test_what_is_recorded_is_not_trained(made, tmp_path):
    protocol, options, folder, _ = made
    elsewhere = replace(options, store=tmp_path)
    found = records.obtain(protocol, elsewhere, live=0, folder=folder)
    assert found.live == frozenset() and found.comparison == () and list(found.runs) == list(KEYS)
    assert not [path for path in tmp_path.iterdir() if (path / "model").exists()]
    here = records.obtain(protocol, options, live=2, folder=folder)
    assert here.live == frozenset(KEYS) and here.measured == found.measured


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory, made):
    """Another store."""
    return replace(made[1], store=tmp_path_factory.mktemp("elsewhere"))


def test_a_run_is_not_compared_with_the_record_that_was_written_from_it(made):
    protocol, options, folder, _ = made
    found = records.obtain(protocol, options, live=2, folder=folder)
    assert found.live == frozenset(KEYS) and found.comparison == ()
    assert "found again" not in records_box(found).data


def test_a_record_keeps_the_manifest_of_each_measure(made):
    _, options, _, paths = made
    recorded = read(paths[0])
    for name, one in recorded.measured.items():
        assert (
            one["manifest"] == read_json(options.store / name / "manifest.json")
            and one["manifest"]["kind"] == "measure"
        )
        assert one["config"]["code"]["evaluation"] >= 1


@pytest.mark.parametrize("commit", [COMMIT + "+", None])
@pytest.mark.parametrize("kind", ["run", "measure"])
def test_numbers_of_no_commit_are_not_recorded(made, tmp_path, kind, commit):
    recorded = read(made[3][0])
    if kind == "run":
        bad = replace(recorded, manifest={**recorded.manifest, "commit": commit})
    else:
        name, one = next(iter(recorded.measured.items()))
        other = {**one, "manifest": {**one["manifest"], "commit": commit}}
        bad = replace(recorded, measured={**recorded.measured, name: other})
    with pytest.raises(StoreError, match="without changes"):
        bad.write(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("commit", [COMMIT + "+", None])
def test_records_are_not_made_with_uncommitted_code(monkeypatch, tmp_path, commit):
    monkeypatch.setattr(records, "git_commit", lambda folder: commit)
    with pytest.raises(ConfigError, match="without changes"):
        records.make(["seeds"], options=RunOptions(store=tmp_path), folder=tmp_path)


def test_live_models_are_compared_with_their_records(made, elsewhere):
    protocol, _, folder, _ = made
    found = records.obtain(protocol, elsewhere, live=1, folder=folder)
    assert found.live == {KEYS[0]} and found.comparison
    assert {one.key for one in found.comparison} == {KEYS[0]} and all(one.relative == 0 for one in found.comparison)
    assert {one.measure for one in found.comparison} == {"accuracy", "margin"}


def test_the_box_says_what_was_trained_and_how_far_it_is_from_its_record(made, elsewhere):
    protocol, _, folder, _ = made
    one, both = (records.obtain(protocol, elsewhere, live=live, folder=folder) for live in (1, 2))
    text = records_box(one).data
    assert (
        "Of the 2 models of this protocol 1 was trained in this store" in text and "The numbers of the other 1" in text
    )
    assert "2 were trained in this store, by this version of the code.</p>" in records_box(both).data
    assert "8 of the 8 recorded" in records_box(both).data
    moved = replace(one.comparison[0], recorded=2.0, here=2.5)
    text = records_box(replace(one, comparison=(moved, *one.comparison[1:]))).data
    assert (
        "3 of the 4 recorded" in text and "relative difference is 0.25" in text and "2.5 here, 2 in the record" in text
    )


def test_rows_have_everything_that_was_measured(made):
    protocol, options, folder, _ = made
    splits = (*MEASURES, *(replace(MEASURES[0], split=split) for split in ("dev", "dev_held")))
    found = records.obtain(tiny_protocol(splits), options, live=2, folder=folder)
    rows = found.rows()
    names = {
        f"{split}{name}" for split in ("", "dev_", "dev_held_") for name in ("accuracy", "margin", "margin_correct")
    }
    assert {row["measure"] for row in rows} == names and len(rows) == len(KEYS) * 2 * 9
    assert {row["measure"] for row in collect(list(found.runs.values()), splits, options)} == names
    assert set(found.frame.measure) == names and len(found.frame) == len(rows)
    row = next(r for r in rows if (r["key"], r["language"], r["measure"]) == (KEYS[1], "de", "dev_margin"))
    assert row["value"] == found.measured[KEYS[1]][1]["margin"]["de"].value and row["seed"] == 1


def test_a_record_without_a_measure_is_trained_instead(made):
    protocol, options, folder, _ = made
    more = (*MEASURES, MeasureConfig(("loss",), ("en",), "test", 20))
    found = records.obtain(tiny_protocol(more), options, live=0, folder=folder)
    assert found.live == frozenset(KEYS)
    with pytest.raises(StoreError, match="no loss with these settings"):
        measuring.measure(read(folder / f"{found.runs[KEYS[0]].key}.json"), more[1], options)


@pytest.mark.parametrize("part", ["summary", "measured", "config", "digest"])
def test_an_edited_record_is_refused(made, tmp_path, part):
    path = made[3][0]
    content = json.loads(path.read_text())
    if part == "measured":
        next(iter(content[part].values()))["values"] = {}
    else:
        content[part] = {"summary": {}, "config": content["config"] | {"seed": 9}, "digest": "0" * 16}[part]
    edited = tmp_path / path.name
    edited.write_text(json.dumps(content))
    with pytest.raises(StoreError, match="not as it was written"):
        read(edited)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"digest": 1}'])
def test_what_is_no_record_is_refused(tmp_path, text):
    path = tmp_path / "0123456789abcdef.json"
    path.write_text(text)
    with pytest.raises(StoreError, match="make records"):
        read(path)


def test_a_renamed_record_is_refused(made, tmp_path):
    path = tmp_path / "0123456789abcdef.json"
    path.write_bytes(made[3][0].read_bytes())
    with pytest.raises(StoreError, match="not as it was written"):
        read(path)


def test_a_relative_difference():
    def relative(recorded, here):
        return records.Difference(("a",), "loss", "en", recorded, here).relative

    assert relative(2.0, 2.0) == 0 and relative(math.nan, math.nan) == 0 and relative(2.0, 1.0) == 0.5
    assert relative(0.0, 1.0) == math.inf and math.isnan(relative(1.0, math.nan))


def test_parts_share_the_models_and_keep_stages_together(monkeypatch, tmp_path):
    done = []
    monkeypatch.setattr(records, "_make", lambda key, config, *rest: done.append((key, config.start)))
    options, parts = RunOptions(store=tmp_path), []
    for part in range(2):
        done.clear()
        values = {
            "protocols": ["stages", "frozen"],
            "preset": "mini",
            "folder": str(tmp_path),
            "part": part,
            "parts": 2,
        }
        records.make_part(values, options)
        parts.append({key for key, _ in done})
        assert all(start in parts[-1] for _, start in done if start)
    plan = records._plan(["stages", "frozen"], "mini", options)
    assert parts[0].isdisjoint(parts[1]) and parts[0] | parts[1] == set(plan) and all(parts)


def test_unknown_protocols_are_refused(tmp_path):
    with pytest.raises(UnknownName, match="Did you mean 'seeds'"):
        records.make(["seed"], options=RunOptions(store=tmp_path), folder=tmp_path)


def test_every_protocol_is_a_list_of_known_runs_at_each_preset(tmp_path):
    for name, protocol in protocols.PROTOCOLS.items():
        found = protocol("mini")
        assert found.configs and found.configs.keys() == found.measures.keys(), name
        assert len(set(map(repr, found.configs.values()))) == len(found.configs), name
        for key, config in found.configs.items():
            assert isinstance(config, RunConfig) and config.task.startswith("mini-")
            kind = TASKS[config.task].kind
            assert all("f1" not in one.names or kind == "token" for one in found.measures[key]), name


def test_settings_of_table_10_on_the_papers_scale():
    found = protocols.settings("paper").configs
    assert len(found) == 40
    l2 = found["xnli", "l2", 1]
    assert (l2.lr, l2.epochs, l2.objective) == (5e-5, 3, "l2")
    assert l2.warmup * 3 * math.ceil(392_702 / 32) == pytest.approx(4000, rel=1e-3)
    assert found["udpos", "vanilla", 1].epochs == 10 and found["udpos", "l2", 1].epochs == 15
    assert found["pawsx", "vanilla", 4].lr == 4e-5 and found["pawsx", "vanilla", 4].epochs == 8


def test_settings_of_table_10_on_the_miniature_keep_their_ratios():
    paper, mini = protocols.settings("paper").configs, protocols.settings("mini").configs
    usual = config_for("mini")
    for task in TITLES:
        for setup in ("vanilla", "l2"):
            ratios = {mini[f"mini-{task}", setup, n].lr / paper[task, setup, n].lr for n in range(1, 6)}
            assert max(ratios) == pytest.approx(min(ratios), rel=1e-3)
            assert all(mini[f"mini-{task}", setup, n].warmup == paper[task, setup, n].warmup for n in range(1, 6))
        rates = [mini[f"mini-{task}", "vanilla", n].lr for n in range(1, 6)]
        assert math.prod(rates) ** 0.2 == pytest.approx(usual.lr, rel=1e-3)
    assert len(printed_table("anonymous2021frustratingly", 10).rows) == 40


def test_regularisers_are_the_sweep_the_texts_and_a_model_for_each_language_seed_by_seed():
    found = protocols.regularisers("mini", seeds=(0, 5)).configs
    by_seed = [key[2] for key in found]
    assert by_seed == sorted(by_seed) and len(found) == 2 * (7 + 3 + 13 + 5)
    first = list(found)[:10]  # what is looked into comes first
    assert {setup for task, setup, _ in first if task == "mini-pawsx"} == {
        protocols.VANILLA, ("L2", 0.01), ("EWC fr", 0.01)
    }  # fmt: skip
    assert {setup for task, setup, _ in first if task == "mini-xnli"} == {
        protocols.VANILLA, ("L2", 0.01), ("EWC fr", 0.01), ("L2", 0.1), ("EWC fr", 0.1), ("EWC fr+en", 0.01),
        ("EWC mix fr-en", 0.01),
    }  # fmt: skip
    for task in ("mini-xnli", "mini-pawsx"):
        own = {name.removeprefix("EWC ") for of, (name, at), _ in found if of == task and at == 0.01}
        assert set(TASKS[task].languages) - {"en"} <= own
    for (_, (name, strength), _), config in found.items():
        given = {"vanilla": {}, "L2": {"lam": strength}}.get(name)
        given = {"lam": strength, "text": name[4:], "examples": 400} if given is None else given
        assert given.items() <= config.hyper.items()
        assert config.objective == {"vanilla": "baseline", "L2": "l2"}.get(name, "ewc")


def test_regularisers_at_chosen_strengths_and_languages():
    found = protocols.regularisers(
        "mini", strengths=(1.0,), strength=0.5, language="de", own=("sw",), variants=(), seeds=(0,)
    ).configs
    assert {key[:2] for key in found} == {
        ("mini-xnli", setup)
        for setup in (protocols.VANILLA, *((n, s) for n in ("L2", "EWC de") for s in (0.5, 1.0)), ("EWC sw", 0.5))
    } | {("mini-pawsx", setup) for setup in (protocols.VANILLA, ("L2", 0.5), ("EWC de", 0.5))}
    with pytest.raises(UnknownName, match="unknown target language 'sq'. Did you mean"):
        protocols.regularisers("mini", own=("sq",))


def test_settings_are_spelled_as_in_the_paper_and_apart():
    assert spelled("none", 0.0) == "vanilla" and spelled("fpen", 0.001) == "fpen=0.001" and spelled("kl", 1.0) == "kl=1"
    settings = {key[:2] for key in protocols.penalties("mini").configs}
    assert len({spelled(*setting) for setting in settings}) == len(settings)


def test_a_second_stage_begins_from_its_first_and_has_no_penalty(tmp_path):
    options = RunOptions(store=tmp_path)
    found = protocols.stages("mini", options=options).configs
    for (which, language), config in found.items():
        if language:
            assert config.start == measuring.resolve(found[which, ""], options).hash
            assert (config.objective, config.language, config.train_size) == ("baseline", language, 0)


def test_what_is_asked_for_comes_before_the_protocol():
    found = protocols.seeds("mini", seeds=(0,), train_size=100, epochs=1)
    assert {(c.train_size, c.epochs) for c in found.configs.values()} == {(100, 1)}
    assert {c.train_size for c in protocols.seeds("mini").configs.values()} == {3_000}
    assert {c.train_size for c in protocols.seeds("small").configs.values()} == {20_000}


def test_the_committed_records_are_those_of_the_protocols(tmp_path):
    """A change of data, encoder, settings or measures makes records out of date: `make records` writes them anew."""
    options, folder = RunOptions(store=tmp_path), records.default_folder()
    plan = records._plan((), "mini", options)
    generated = {path.stem for path in folder.iterdir() if read(path).task.startswith("mini-")}
    assert generated == set(plan)
    for key, (_, measures) in plan.items():
        assert records._complete(folder / f"{key}.json", measures, options) is not None, key


def test_every_committed_number_is_of_a_version_of_the_code_that_is_known():
    """Also of real data, which need not be here: the versions that a name holds are those of today's code."""
    for path in records.default_folder().iterdir():
        record = read(path)
        objective, tuning = OBJECTIVES[record.config.objective], TUNINGS[record.config.tuning]
        assert record.config.code == code.of_run(objective, tuning), path.name
        for name, one in record.measured.items():
            (measure,) = one["config"]["names"]
            assert one["config"]["code"] == code.of_measure(EVERY_MEASURE[measure]), (path.name, measure, name)
            assert one["config"]["source"] == record.key and one["manifest"]["kind"] == "measure"
