"""Records: written from the store, read in its place, and never believed when edited."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from paper import protocols, records
from paper.chapters import records_box
from paper.protocols import PROTOCOLS
from paper.protocols.penalties import spelled
from paper.published import printed_table, sensitivity
from paper.published.sensitivity import TITLES
from xlgen.core import code, result
from xlgen.core.config import RunConfig, RunOptions
from xlgen.core.errors import UnknownName
from xlgen.core.files import StoreError, read_json
from xlgen.core.packed import pack, unpack
from xlgen.core.result import Result
from xlgen.data.catalogue import TASKS
from xlgen.measures import MEASURES as EVERY_MEASURE
from xlgen.measures import measuring
from xlgen.measures.measuring import MeasureConfig
from xlgen.models.sentences import loss_of
from xlgen.models.tuning import TUNINGS
from xlgen.objectives import OBJECTIVES
from xlgen.training import runs
from xlgen.training.presets import config_for
from xlgen.training.runs import Run

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
        for module in (result, records):
            patch.setattr(module, "git_commit", lambda folder: COMMIT)
        yield patch


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store with two models, and their records."""
    options = RunOptions(store=tmp_path_factory.mktemp("store"), progress=False, threads=1)
    folder = tmp_path_factory.mktemp("records")
    protocol = tiny_protocol()
    paths = [records.made(runs.run(c, options), MEASURES, folder, options) for c in protocol.configs.values()]
    return protocol, options, folder, paths


def record_of(path, options) -> tuple[Run, RunOptions]:
    """The run of a record, and options by which nothing but the folder of records has anything."""
    kept = replace(options, store=path.parent / "empty", records=path.parent)
    return runs.stored(path.stem, kept), kept


def test_a_record_is_the_run_it_was_written_from(made):
    protocol, options, _, paths = made
    for config, path in zip(protocol.configs.values(), paths, strict=True):
        run, (recorded, kept) = measuring.run(config, options), record_of(path, options)
        assert recorded.config == run.config and recorded.key == run.key == path.stem
        assert (recorded.summary, recorded.log, recorded.manifest) == (run.summary, run.log, run.manifest)
        assert measuring.measure(recorded, MEASURES[0], kept) == measuring.measure(run, MEASURES[0], options)
        assert measuring.frame([recorded], MEASURES, kept).equals(measuring.frame([run], MEASURES, options))


def test_a_record_has_no_weights_and_says_so(made):
    _, options, _, paths = made
    recorded, kept = record_of(paths[0], options)
    for ask in (lambda: recorded.model, lambda: recorded.folder, lambda: measuring.load_model(recorded)):
        with pytest.raises(StoreError, match=f"{paths[0].name} is a record of {recorded.key}, .* not its weights"):
            ask()
    with pytest.raises(StoreError, match="no loss with these settings on these examples.*not its weights.*`live`"):
        measuring.measure_many([recorded], replace(MEASURES[0], names=("accuracy", "loss")), kept)


def test_numbers_are_looked_up_in_both_roots_and_the_record_comes_first(made, tmp_path):
    _, options, _, paths = made
    record, kept = unpack(paths[0])[0], replace(options, records=paths[0].parent)
    assert runs.stored(record.name, kept).result == record and runs.stored(record.name, options).result != record
    loss = MeasureConfig(("loss",), ("en",), "test", 20)
    here = measuring.measure(runs.stored(record.name, options), loss, options)  # the store alone has it
    assert measuring.measure(runs.stored(record.name, kept), loss, kept) == here
    run, *measures = unpack(paths[0])
    moved = {**measures[0].packed, "values": {"en": {"value": 9.0}}}
    pack(tmp_path, run, [replace(measures[0], packed=moved), *measures[1:]])
    (name,) = moved["config"]["names"]
    found = measuring.measure(runs.stored(run.name, kept), MEASURES[0], replace(options, records=tmp_path))
    assert found[name]["en"].value == 9.0


def test_writing_a_record_again_gives_the_same_bytes(made, tmp_path):
    for path in [*made[3], *sorted(records.default_folder().iterdir())[:20]]:
        run, *measures = unpack(path)
        assert pack(tmp_path, run, reversed(measures)).read_bytes() == path.read_bytes()


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
    _, *measures = unpack(paths[0])
    assert measures
    for one in measures:
        manifest = one.read("manifest")
        assert manifest == read_json(options.store / one.name / "manifest.json") and manifest["kind"] == "measure"
        assert one.read("config")["code"]["evaluation"] >= 1


@pytest.mark.parametrize("commit", [COMMIT + "+", None])
@pytest.mark.parametrize("kind", ["run", "measure"])
def test_numbers_of_no_commit_are_not_recorded(made, tmp_path, kind, commit):
    run, *measures = unpack(made[3][0])

    def of_another_commit(one: Result) -> Result:
        return replace(one, packed={**one.packed, "manifest": {**one.packed["manifest"], "commit": commit}})

    if kind == "run":
        run = of_another_commit(run)
    else:
        measures[-1] = of_another_commit(measures[-1])
    with pytest.raises(StoreError, match=f"its {kind} is of .* without changes"):
        pack(tmp_path, run, measures)
    assert not list(tmp_path.iterdir())


def test_live_models_are_compared_with_their_records(made, elsewhere):
    protocol, _, folder, _ = made
    found = records.obtain(protocol, elsewhere, live=1, folder=folder)
    assert found.live == {KEYS[0]} and found.comparison
    assert found.runs[KEYS[0]].folder.is_relative_to(elsewhere.store)  # the one that was trained, with its weights
    with pytest.raises(StoreError, match="is a record"):
        _ = found.runs[KEYS[1]].folder
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
    found = records.obtain(tiny_protocol(splits), options, live=2, workers=1, folder=folder)
    rows = found.rows()
    names = {
        f"{split}{name}" for split in ("", "dev_", "dev_held_") for name in ("accuracy", "margin", "margin_correct")
    }
    assert {row["measure"] for row in rows} == names and len(rows) == len(KEYS) * 2 * 9
    assert set(found.frame.measure) == names and len(found.frame) == len(rows)
    row = next(r for r in rows if (r["key"], r["language"], r["measure"]) == (KEYS[1], "de", "dev_margin"))
    assert row["value"] == found.measured[KEYS[1]][1]["margin"]["de"].value and row["seed"] == 1


def test_a_record_without_a_measure_is_trained_instead(made):
    protocol, options, folder, _ = made
    more = (*MEASURES, MeasureConfig(("loss",), ("en",), "test", 20))
    found = records.obtain(tiny_protocol(more), options, live=0, folder=folder)
    assert found.live == frozenset(KEYS)
    again = records.obtain(tiny_protocol(more), options, live=0, folder=folder)
    assert again.live == frozenset(KEYS)  # numbers of one model come from one place


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
        unpack(edited)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"digest": 1}'])
def test_what_is_no_record_is_refused(tmp_path, text):
    path = tmp_path / "0123456789abcdef.json"
    path.write_text(text)
    with pytest.raises(StoreError, match="make records"):
        unpack(path)


def test_a_renamed_record_is_refused(made, tmp_path):
    path = tmp_path / "0123456789abcdef.json"
    path.write_bytes(made[3][0].read_bytes())
    with pytest.raises(StoreError, match="not as it was written"):
        unpack(path)


def test_a_relative_difference():
    def relative(recorded, here):
        return records.Difference(("a",), "loss", "en", recorded, here).relative

    assert relative(2.0, 2.0) == 0 and relative(math.nan, math.nan) == 0 and relative(2.0, 1.0) == 0.5
    assert relative(0.0, 1.0) == math.inf and math.isnan(relative(1.0, math.nan))


@pytest.fixture(scope="module")
def every():
    """The plan of all protocols of the miniature, which takes seconds."""
    return records.plan([function("mini") for _, function in PROTOCOLS.items()], RunOptions())


def test_a_record_has_what_protocols_that_were_not_named_measure(every):
    protocols = [function("mini") for _, function in PROTOCOLS.items()]
    named = records.plan([PROTOCOLS["scales"]("mini")], RunOptions(), protocols)
    assert len(named) == 4 and all(set(map(repr, named[key][1])) == set(map(repr, every[key][1])) for key in named)
    assert any("sharpness_alpha" in one.names for _, measures in named.values() for one in measures)


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


def test_our_settings_stand_beside_those_of_table_10():
    protocol = protocols.settings("mini", tasks=("mini-xnli", "mini-wikiann"))
    rows = {row[0]: row[1:] for row in protocols.beside_table10(protocol)}
    assert list(rows) == [f"{task}, {n}" for task in ("mini-xnli", "mini-wikiann") for n in range(1, 6)]
    for name, cells in rows.items():
        task, number = name.split(", ")
        both = [sensitivity.setting(task, setup, int(number)) for setup in sensitivity.SETUPS]
        for cell, vanilla, l2 in zip(cells[:3], *both, strict=True):
            assert cell == (vanilla if vanilla == l2 else f"{vanilla}; L2 {l2}")
        config = protocol.configs[task, "vanilla", int(number)]
        assert cells[3].split(";")[0] == f"{config.lr:.2g}" and cells[5].split(";")[0] == str(config.epochs)
        assert float(cells[4].split(";")[0].rstrip("%")) == pytest.approx(100 * config.warmup, abs=0.05)


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


def test_the_committed_records_are_those_of_the_protocols(every, tmp_path):
    """A change of data, encoder, settings or measures makes records out of date: `make records` writes them anew."""
    kept = RunOptions(store=tmp_path, records=records.default_folder())
    generated = {path.stem for path in kept.records.iterdir() if runs.stored(path.stem, kept).task.startswith("mini-")}
    assert generated == set(every)
    for key, (_, measures) in every.items():
        assert records._complete(key, measures, kept) is not None, key


def test_every_committed_number_is_of_a_version_of_the_code_that_is_known():
    """Also of real data, which need not be here: the versions that a name holds are those of today's code."""
    for path in records.default_folder().iterdir():
        run, *measures = unpack(path)
        config = RunConfig.from_dict(run.read("config"))
        versions = code.of_run(OBJECTIVES[config.objective], TUNINGS[config.tuning], loss_of(config.model))
        assert config.code == versions, path.name
        for one in measures:
            config = one.read("config")
            (measure,) = config["names"]
            assert config["code"] == code.of_measure(EVERY_MEASURE[measure]), (path.name, measure, one.name)
            assert config["source"] == run.name and one.read("manifest")["kind"] == "measure"


def test_what_is_recorded_can_be_read_without_a_protocol(made):
    protocol, options, folder, _ = made
    found = records.obtain(protocol, options, live=0, folder=folder)
    frame = records.recorded(folder, task="mini-xnli", seed=0)
    assert set(frame.seed) == {0} and set(frame.measure) == {"accuracy", "margin"}
    for row in frame.itertuples():
        (measured,) = (found.measured[key] for key in found.runs if found.runs[key].key == row.key)
        assert measured[0][row.measure][row.language].value == row.value
    assert records.recorded(folder, task="xnli").empty


def test_correct_answers_have_an_error_of_their_own():
    extra = {"n_correct": 9, "correct_only": 0.7, "correct_only_stderr": 0.05}
    row = records.correct_only(
        {"measure": "margin", "value": 0.2, "stderr": 0.01, "n": 20, "on": "test", "extra": extra}
    )
    assert (row["value"], row["stderr"], row["n"], row["measure"]) == (0.7, 0.05, 9, "margin_correct")


def test_a_model_is_whole_with_all_that_was_asked():
    asked = {key: (MeasureConfig(("accuracy",)), MeasureConfig(("margin",))) for key in "ab"}
    measured = {"a": ({"accuracy": {}}, {"margin": {}}), "b": ({"accuracy": {}}, {})}
    found = records.Obtained({"a": 1, "b": 2}, measured, asked, frozenset(), ())
    assert [*found.whole().runs] == ["a"]
