"""Studies: everything is computed once, and asking for anything else is another result."""

import json
import math
import pickle
import shutil
import threading
from dataclasses import replace

import pytest
import torch
from tiny import ToyTask, config, options, save_encoder

from xlgen import models
from xlgen.core.config import RunConfig
from xlgen.core.errors import ConfigError, DataError, ModelError, TrainingError, UnknownName
from xlgen.core.files import StoreError
from xlgen.core.store import Store
from xlgen.data.catalogue import TASKS
from xlgen.measures import MEASURES, Value, measuring
from xlgen.measures.measuring import Checkpoint, MeasureConfig
from xlgen.objectives import OBJECTIVES
from xlgen.training import runs

pytestmark = pytest.mark.usefixtures("toy_tasks")

torch.set_num_threads(1)


@pytest.fixture
def encoder(tmp_path):
    return save_encoder(tmp_path / "encoder")


@pytest.fixture
def trainings(monkeypatch):
    """The configurations that are really trained."""
    seen, original = [], runs.train
    monkeypatch.setattr(runs, "train", lambda config, *rest: seen.append(config) or original(config, *rest))
    return seen


@pytest.fixture
def computed(monkeypatch):
    """The measures that are really computed."""
    seen, original = [], measuring.compute

    def compute(measured, names, settings):
        seen.extend((name, tuple(measured.batches)) for name in names)
        return original(measured, names, settings)

    monkeypatch.setattr(measuring, "compute", compute)
    return seen


def quick(encoder, **changes):
    return config(encoder, epochs=1, **changes)


def test_a_run_is_trained_once_and_stored_whole(encoder, tmp_path, trainings):
    opts = options(tmp_path, checkpoint_every=2)
    first = measuring.run(quick(encoder, seed=3), opts)
    again = measuring.run(quick(encoder, seed=3), opts)
    assert len(trainings) == 1 and first == again
    assert sorted(path.name for path in first.folder.iterdir()) == [
        "SHA256SUMS",
        "config.json",
        "log.json",
        "manifest.json",
        "model",
        "summary.json",
    ]
    assert RunConfig.from_dict(json.loads((first.folder / "config.json").read_text())).hash == first.key
    assert first.summary in first.log and first.manifest["seed"] == 3 and first.manifest["threads"] == 1
    assert not Store(opts.store).partial(first.key).exists()
    assert measuring.find(first.key[:5], opts).config == first.config


def test_the_stored_model_is_the_trained_one_for_xlgen_and_for_transformers(encoder, tmp_path, monkeypatch):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    kept, original = [], runs.train
    monkeypatch.setattr(runs, "train", lambda *args: kept.append(original(*args)) or kept[-1])
    run = measuring.run(quick(encoder), options(tmp_path))
    trained = dict(kept[0].model.named_parameters())
    for model in (measuring.load_model(run), AutoModelForSequenceClassification.from_pretrained(run.model)):
        assert all(torch.equal(w, trained[name]) for name, w in model.named_parameters())
        assert model.config.id2label == {0: "entailment", 1: "neutral", 2: "contradiction"}
    assert AutoTokenizer.from_pretrained(run.model).tokenize("w3") == ["w3"]


def test_whatever_changes_a_result_is_another_run(encoder, tmp_path, monkeypatch):
    def key(config, **changes):
        return measuring.resolve(config, options(tmp_path, **changes)).hash

    base = key(quick(encoder))
    assert base == key(quick(encoder), threads=2, progress=True, checkpoint_every=1)
    assert base == key(measuring.resolve(quick(encoder), options(tmp_path)))
    assert base != key(quick(encoder, seed=1))
    assert base != key(quick(encoder, train_size=49))
    assert base == key(quick(encoder, objective="baseline", hyper={}))
    sam = key(quick(encoder, objective="sam"))
    assert sam == key(quick(encoder, objective="sam", hyper={"rho": str(OBJECTIVES["sam"]().rho)}))
    assert sam != key(quick(encoder, objective="sam", hyper={"rho": 0.2}))

    with monkeypatch.context() as patch:
        patch.setitem(TASKS._entries, "toy", ToyTask(version=1))
        assert base != key(quick(encoder))
    save_encoder(encoder, seed=1)
    assert base != key(quick(encoder))


def test_a_configuration_made_for_other_data_is_refused(encoder, tmp_path, monkeypatch):
    resolved = measuring.resolve(quick(encoder), options(tmp_path))
    monkeypatch.setitem(TASKS._entries, "toy", ToyTask(version=1))
    with pytest.raises(DataError, match="remove its 'data' entry"):
        measuring.run(resolved, options(tmp_path))


@pytest.mark.parametrize(
    ("changes", "suggestion"),
    [({"objective": "sma"}, "sam"), ({"objective": "sam", "hyper": {"roh": 1}}, "rho"), ({"task": "tyo"}, "toy")],
)
def test_names_are_checked_with_a_suggestion(encoder, tmp_path, changes, suggestion):
    with pytest.raises(UnknownName, match=f"Did you mean '{suggestion}'"):
        measuring.run(config(encoder, **changes), options(tmp_path))


def test_a_failed_run_leaves_nothing_in_the_store_but_its_last_checkpoint(encoder, tmp_path):
    opts = options(tmp_path, checkpoint_every=1)
    with pytest.raises(TrainingError):
        measuring.run(config(encoder, lr=1e38, epochs=9), opts)
    files = [path for path in opts.store.rglob("*") if path.is_file() and not {".tokens", ".locks"} & {*path.parts}]
    assert [path.parent.name for path in files] in ([], [".partial"])


def test_a_run_that_another_process_trains_is_waited_for(encoder, tmp_path, trainings, monkeypatch):
    opts = options(tmp_path)
    wanted, store = runs.resolve(config(encoder), opts), Store(opts.store)
    elsewhere = runs.run(wanted, replace(opts, store=tmp_path / "elsewhere"))
    alone, arrived = Store.alone, threading.Event()
    with store.alone(wanted.hash):
        monkeypatch.setattr(Store, "alone", lambda self, name: arrived.set() or alone(self, name))
        waiting = threading.Thread(target=runs.run, args=(wanted, opts))
        waiting.start()
        arrived.wait(60)
        shutil.copytree(elsewhere.folder, store.root / wanted.hash)
    waiting.join(60)
    assert len(trainings) == 1 and store.entries("run") == [wanted.hash]


def test_an_interrupted_run_is_resumed_and_its_checkpoint_removed(encoder, tmp_path, monkeypatch):
    from xlgen.training import train

    wanted, update = config(encoder), train._update
    whole = measuring.run(wanted, options(tmp_path / "whole"))
    opts, done = options(tmp_path, checkpoint_every=2), []

    def killed(loop, number, micro_batches):
        if len(done) == 9:
            raise KeyboardInterrupt
        done.append(number)
        return update(loop, number, micro_batches)

    monkeypatch.setattr(train, "_update", killed)
    with pytest.raises(KeyboardInterrupt):
        measuring.run(wanted, opts)
    assert Store(opts.store).entries("run") == []
    monkeypatch.setattr(train, "_update", lambda *args: done.append(args[1]) or update(*args))
    resumed = measuring.run(wanted, opts)
    assert done == [*range(9), *range(8, 21)]
    assert (resumed.folder / "model" / "model.safetensors").read_bytes() == (
        whole.folder / "model" / "model.safetensors"
    ).read_bytes()
    assert not Store(opts.store).partial(resumed.key).exists()


def test_a_measure_is_computed_once_and_one_more_computes_one(encoder, tmp_path, computed):
    run, opts = measuring.run(quick(encoder), options(tmp_path)), options(tmp_path)
    both = ("en", "xx")
    first = measuring.measure(run, MeasureConfig(("accuracy", "margin")), opts)
    assert computed == [("accuracy", both), ("margin", both)]
    assert measuring.measure(run, MeasureConfig(("margin", "accuracy")), opts) == first
    assert len(computed) == 2
    measuring.measure(run, MeasureConfig(("accuracy", "loss")), opts)
    assert computed[2:] == [("loss", both)]
    measuring.measure(run, MeasureConfig(("loss",), languages=("xx",)), opts)
    measuring.measure(run, MeasureConfig(("loss",), split="dev"), opts)
    measuring.measure(run, MeasureConfig(("loss",), size=3), opts)
    assert len(computed) == 6
    assert first["accuracy"]["xx"].n == 18 and 0 <= first["accuracy"]["xx"].value <= 1


def test_the_settings_of_a_measure_are_part_of_its_name_and_defaults_are_filled_in(encoder, tmp_path, computed):
    run, opts = measuring.run(quick(encoder), options(tmp_path)), options(tmp_path)
    name = "sharpness_difference"
    for settings in ({}, {name: {"n": 0.05}}, {name: {"n": 0.1}}):
        measuring.measure(run, MeasureConfig((name,), ("en",), size=4, settings=settings), opts)
    assert [measure for measure, _ in computed] == [name, name]
    assert name in MEASURES


def test_other_test_data_is_another_measure(encoder, tmp_path, computed, monkeypatch):
    run, opts = measuring.run(quick(encoder), options(tmp_path)), options(tmp_path)
    measuring.measure(run, MeasureConfig(("accuracy",)), opts)
    monkeypatch.setitem(TASKS._entries, "toy", ToyTask(version=1))
    measuring.measure(run, MeasureConfig(("accuracy",)), opts)
    assert len(computed) == 2


def test_values_come_back_as_they_were(encoder, tmp_path, monkeypatch):
    odd = {
        "en": Value(math.inf, None, 3, "test", "noise", "hit_lower", {"draws": [0.1, math.nan], "clipped": True}),
        "all": Value(0.1 + 0.2, 1e-300, 0),
    }
    monkeypatch.setitem(MEASURES._entries, "odd", lambda subject: odd)
    run, opts = measuring.run(quick(encoder), options(tmp_path)), options(tmp_path)
    for _ in range(2):
        values = measuring.measure(run, MeasureConfig(("odd",)), opts)["odd"]
        assert values["all"] == odd["all"]
        assert values["en"].value == math.inf and values["en"].status == "hit_lower"
        assert values["en"].extra["draws"][0] == 0.1 and math.isnan(values["en"].extra["draws"][1])


def test_measures_that_need_them_get_the_pretrained_weights(encoder, tmp_path):
    run, opts = measuring.run(quick(encoder), options(tmp_path)), options(tmp_path)
    value = measuring.measure(run, MeasureConfig(("frobenius",)), opts)["frobenius"]["all"].value
    before = models.pretrained_weights(str(encoder), measuring.load_model(run))
    after = dict(measuring.load_model(run).named_parameters())
    square = sum((after[name] - w).double().square().sum().item() for name, w in before.items())
    assert value == pytest.approx(math.sqrt(square))


def test_without_the_pretrained_model_the_other_measures_still_work(encoder, tmp_path):
    run, opts = measuring.run(quick(encoder), options(tmp_path)), options(tmp_path)
    encoder.rename(tmp_path / "gone")
    assert "accuracy" in measuring.measure(run, MeasureConfig(("accuracy",)), opts)
    with pytest.raises(ModelError, match="pretrained weights"):
        measuring.measure(run, MeasureConfig(("frobenius",)), opts)


def test_a_checkpoint_of_ones_own_is_measured_like_a_run(encoder, tmp_path, computed):
    run, opts = measuring.run(quick(encoder), options(tmp_path)), options(tmp_path)
    wanted = MeasureConfig(("accuracy", "margin"))
    mine = Checkpoint(run.model, "toy", str(encoder), max_length=24)
    assert measuring.measure(mine, wanted, opts) == measuring.measure(run, wanted, opts)
    measuring.measure(Checkpoint(run.model, "toy", str(encoder), max_length=24), wanted, opts)
    assert len(computed) == 4
    assert measuring.measure(mine, MeasureConfig(("frobenius",)), opts)["frobenius"]["all"].value > 0


def relabel(folder, labels):
    settings = json.loads((folder / "config.json").read_text())
    settings["id2label"] = {str(i): label for i, label in enumerate(labels)}
    settings["label2id"] = {label: i for i, label in enumerate(labels)}
    (folder / "config.json").write_text(json.dumps(settings))


def test_classes_are_matched_by_name(encoder, tmp_path):
    from safetensors.torch import load_file, save_file

    run, opts = measuring.run(quick(encoder), options(tmp_path)), options(tmp_path)
    wanted, folder = MeasureConfig(("accuracy", "loss", "margin")), run.folder / "model"
    expected = measuring.measure(run, wanted, opts)
    mine = Checkpoint(str(folder), "toy", max_length=24)

    weights, order = load_file(folder / "model.safetensors"), [2, 0, 1]
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] = weights[name][order].contiguous()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    relabel(folder, ["CONTRADICTION", "Entailment", "neutral"])
    found = measuring.measure(mine, wanted, opts)
    for name in wanted.names:
        for language in ("en", "xx"):
            assert found[name][language].value == pytest.approx(expected[name][language].value, abs=1e-7)

    relabel(folder, ["yes", "no", "maybe"])
    with pytest.raises(ModelError, match="classes are yes, no, maybe; expected entailment"):
        measuring.measure(Checkpoint(str(folder), "toy"), wanted, opts)
    relabel(folder, ["LABEL_0", "LABEL_1", "LABEL_2"])
    assert models.class_order(measuring.load_model(mine), TASKS["toy"]) == [0, 1, 2]


@pytest.mark.parametrize(
    ("wanted", "error", "message"),
    [
        (MeasureConfig(("acuracy",)), UnknownName, "Did you mean 'accuracy'"),
        (MeasureConfig(languages=("de",)), UnknownName, "language|de"),
        (MeasureConfig(split="train"), ConfigError, "'dev' or 'test'"),
        (MeasureConfig(settings={"sharpnes_alpha": {}}), UnknownName, "sharpness_alpha"),
        (MeasureConfig(("margin",), settings={"margin": {"x": 1}}), ConfigError, "'margin' has no settings"),
    ],
)
def test_a_wrong_measurement_is_refused_before_anything_is_computed(
    encoder, tmp_path, computed, monkeypatch, wanted, error, message
):
    rows = ToyTask.rows

    def checked(self, language, split, data_dir=None):
        if language not in self.languages:
            raise UnknownName("language", language, self.languages)
        return rows(self, language, split, data_dir)

    monkeypatch.setattr(ToyTask, "rows", checked)
    run = measuring.run(quick(encoder), options(tmp_path))
    with pytest.raises(error, match=message):
        measuring.measure(run, wanted, options(tmp_path))
    assert computed == []


def test_sizes_are_checked_when_given():
    for changes in ({"size": -1}, {"batch_size": 0}, {"size": 1.5}):
        with pytest.raises(ConfigError):
            MeasureConfig(**changes)
    with pytest.raises(UnknownName, match="Did you mean 'languages'"):
        MeasureConfig.from_dict({"language": ["en"]})


def test_a_damaged_result_is_reported_not_used(encoder, tmp_path):
    run, opts = measuring.run(quick(encoder), options(tmp_path)), options(tmp_path)
    (run.folder / "manifest.json").unlink()
    with pytest.raises(StoreError, match="delete it"):
        measuring.run(quick(encoder), opts)


def test_the_frame_has_a_row_for_each_run_measure_and_language(encoder, tmp_path):
    opts = options(tmp_path)
    two = [measuring.run(quick(encoder, seed=seed), opts) for seed in (0, 1)]
    mine = Checkpoint(two[1].model, "toy", str(encoder), max_length=24)
    asked = MeasureConfig(("accuracy", "frobenius")), MeasureConfig(("loss",), ("xx",), "dev")
    table = measuring.frame([*two, mine], asked, opts)
    assert list(zip(table.seed.fillna(-1), table.measure, table.language, strict=True)) == [
        (seed, measure, language)
        for seed in (0, 1, -1)
        for measure, language in [("accuracy", "en"), ("accuracy", "xx"), ("frobenius", "all"), ("dev_loss", "xx")]
    ]
    assert list(table) == [
        *("run", "task", "model", "objective", "tuning", "hyper", "seed"),
        *("language", "measure", "value", "stderr", "n", "status"),
    ]
    value = measuring.measure(two[1], MeasureConfig(("accuracy",)), opts)["accuracy"]["xx"]
    fifth, last = table.iloc[5], table.iloc[9]
    assert (fifth.value, fifth.stderr, fifth.n, fifth.run) == (value.value, value.stderr, value.n, two[1].key)
    assert (last.value, last.run, last.model, last.objective) == (value.value, mine.key, two[1].model, "")
    assert math.isnan(table.stderr[2]) and table.hyper[0] == {}
    assert list(measuring.frame([], asked, opts)) == list(table)


@pytest.fixture
def here(monkeypatch):
    """Jobs are done in this process, as soon as they are asked for; the jobs of each call."""
    calls = []

    def side_by_side(jobs, workers, options):
        calls.append(jobs)
        for job in jobs:
            job.work(*pickle.loads(pickle.dumps(job.arguments)), options)

    for module in (runs, measuring):
        monkeypatch.setattr(module, "side_by_side", side_by_side)
    return calls


def test_many_runs_are_trained_side_by_side_and_only_the_missing_ones(encoder, tmp_path, here, trainings):
    opts = options(tmp_path, threads=0)
    configs = [quick(encoder, seed=seed) for seed in (0, 1, 2, 1)]
    measuring.run(configs[0], replace(opts, threads=1))
    found = measuring.run_many(configs, opts, workers=2)
    assert [run.config.seed for run in found] == [0, 1, 2, 1]
    assert [config.seed for config in trainings] == [0, 1, 2]
    assert [len(jobs) for jobs in here] == [2]
    assert {run.manifest["threads"] for run in found} == {1}


def test_many_runs_are_measured_side_by_side_and_only_what_is_missing(encoder, tmp_path, here, computed):
    opts = options(tmp_path)
    three = [measuring.run(quick(encoder, seed=seed), opts) for seed in (0, 1, 2)]
    wanted = MeasureConfig(("accuracy", "sharpness_difference"), size=4, settings={"sharpness_difference": {"n": 0.1}})
    measuring.measure(three[0], wanted, opts)
    measuring.measure(three[1], MeasureConfig(("accuracy",), size=4), opts)
    del computed[:]
    found = measuring.measure_many(three, wanted, opts, workers=2)
    assert [len(jobs) for jobs in here] == [2]
    assert [name for name, _ in computed] == ["sharpness_difference", "accuracy", "sharpness_difference"]
    assert found == [measuring.measure(run, wanted, opts) for run in three]


def test_runs_that_lack_the_same_are_dealt_out_to_the_processes(encoder, tmp_path, here):
    opts = options(tmp_path)
    runs = [measuring.run(quick(encoder, seed=seed), opts) for seed in range(4)]
    wanted = MeasureConfig(("accuracy",), size=4)
    measuring.measure(runs[3], wanted, opts)
    measuring.measure_many(runs, wanted, opts, workers=2)
    assert [[job.arguments[0] for job in jobs] for jobs in here] == [[[runs[0], runs[2]], [runs[1]]]]


def write_pawsx(folder):
    """Files like the official archive's, a few rows each."""
    for language in ("en", "de"):
        (folder / "x-final" / language).mkdir(parents=True)
        for name in ("train", "dev_2k", "test_2k"):
            lines = [f"{i}\tw{i % 7} w{i % 5}\tw{i % 3} w4\t{i % 2}" for i in range(16)]
            text = "\n".join(["id\tsentence1\tsentence2\tlabel", *lines]) + "\n"
            (folder / "x-final" / language / f"{name}.tsv").write_text(text)
    return folder


@pytest.mark.usefixtures("forked")
def test_jobs_really_are_processes_and_end_in_the_same_bits(encoder, tmp_path):
    opts = options(tmp_path, data_dir=write_pawsx(tmp_path / "data"))
    small = dict(task="pawsx", epochs=1)
    configs = [config(encoder, seed=seed, **small) for seed in (0, 1)]
    found = measuring.run_many(configs, opts, workers=2)
    alone = measuring.run(configs[1], replace(opts, store=tmp_path / "alone"))
    both = [(run.folder / "model" / "model.safetensors").read_bytes() for run in (found[1], alone)]
    assert both[0] == both[1]
    assert [run.config.seed for run in found] == [0, 1]
