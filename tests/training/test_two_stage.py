"""Two-stage fine-tuning: what the second stage is trained on, begins from and is called."""

import pytest
import torch
from tiny import ToyTask, config, options, resumed, save_encoder

from xlgen import models
from xlgen.core.config import RunConfig
from xlgen.core.device import accelerator_for
from xlgen.core.errors import ConfigError, DataError, UnknownName
from xlgen.core.files import StoreError, read_json
from xlgen.core.store import Store
from xlgen.data.catalogue import TASKS
from xlgen.data.halves import halves
from xlgen.data.read_pairs import Rows
from xlgen.data.read_tagged import TaggedRows
from xlgen.measures import measuring
from xlgen.measures.measuring import MeasureConfig
from xlgen.models.evaluate import predict
from xlgen.training import runs, setup, train

pytestmark = pytest.mark.usefixtures("toy_tasks")

torch.set_num_threads(1)


def first_stage(encoder, tmp_path, **changes):
    return measuring.run(config(encoder, epochs=1, **changes), options(tmp_path))


def second(encoder, start, **changes):
    return config(encoder, **{"epochs": 1, "start": start, "language": "xx", **changes})


def loop_of(wanted, tmp_path):
    return setup.prepare(wanted, options(tmp_path), accelerator_for("cpu"))[0]


def named(model):
    return {name: w.detach().clone() for name, w in model.named_parameters()}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def pairs(n, dropped=()):
    kept = [str(row) for row in range(n) if row not in dropped]
    return Rows(tuple(kept), tuple(kept), tuple(int(row) % 2 for row in kept), tuple(dropped))


@pytest.mark.parametrize("n", [2, 3, 20, 21])
def test_halves_are_disjoint_complete_and_in_order(n):
    rows = pairs(n)
    first, held = halves(rows).values()
    assert first.first + held.first == rows.first and first.labels + held.labels == rows.labels
    assert len(first) == n // 2
    tags = TaggedRows(tuple((text,) for text in rows.first), tuple((label,) for label in rows.labels))
    assert [part.words for part in halves(tags).values()] == [tags.words[: n // 2], tags.words[n // 2 :]]


def test_no_half_has_a_translation_of_a_row_of_the_other():
    whole, gaps = halves(pairs(20)), halves(pairs(20, dropped=(0, 3, 9, 10)))
    assert gaps["dev_first"].first == ("1", "2", "4", "5", "6", "7", "8")
    assert gaps["dev_first"].dropped == (0, 3, 9) and gaps["dev_held"].dropped == (10,)
    for here, there in (("dev_first", "dev_held"), ("dev_held", "dev_first")):
        assert set(gaps[here].first) < set(whole[here].first)
        assert not set(gaps[here].first) & set(whole[there].first)


def test_every_task_knows_its_halves():
    task = TASKS["mini-pawsx"]
    dev, first, held = (task.rows("de", split) for split in ("dev", "dev_first", "dev_held"))
    assert len(first) == len(held) == 500 and dev.first == first.first + held.first
    assert task.rows("en", "dev_held").labels == held.labels
    with pytest.raises(UnknownName, match="Did you mean 'dev_held'"):
        task.rows("de", "dev_hold")


@pytest.mark.parametrize("task", ["toy", "tagged"])
def test_the_second_stage_is_trained_on_the_first_half_and_chosen_by_the_second(encoder, tmp_path, task):
    wanted = second(encoder, first_stage(encoder, tmp_path, task=task).key, task=task)
    dev = TASKS[task].rows("xx", "dev")
    trained, held = setup.read(wanted, options(tmp_path))
    assert trained == dev.take(10) and len(held) == 11
    assert held == halves(dev)["dev_held"]
    loop = loop_of(wanted, tmp_path)
    own = setup.tokens(trained, models.load_tokenizer(wanted.model), 24, options(tmp_path), False)
    assert torch.equal(loop.train.tokens, own.tokens) and torch.equal(loop.train.labels, own.labels)
    assert sum(len(batch) for batch in loop.dev) == 11


def test_sizes_apply_to_the_halves_and_the_source_language_keeps_its_training_split(encoder, tmp_path):
    start, opts = first_stage(encoder, tmp_path).key, options(tmp_path)
    trained, held = setup.read(second(encoder, start, train_size=4, dev_size=3), opts)
    dev = TASKS["toy"].rows("xx", "dev")
    assert trained.first == dev.first[:4] and held.first == dev.first[10:13]
    for spelling in ("", "en"):
        train_rows, dev_rows = setup.read(second(encoder, start, language=spelling), opts)
        assert (len(train_rows), len(dev_rows)) == (50, 21)


@pytest.mark.parametrize("tuning", ["full", "bitfit", "prompt", "adapter"])
def test_it_begins_from_the_first_stage_bit_for_bit(encoder, tmp_path, tuning):
    run = first_stage(encoder, tmp_path, tuning=tuning)
    wanted = second(encoder, run.key, tuning=tuning, seed=5)
    loop, stored = loop_of(wanted, tmp_path), measuring.load_model(run)
    assert equal(named(loop.model), named(stored))
    fresh = loop_of(wanted.with_(start=""), tmp_path).model
    assert not equal(named(fresh), named(stored))
    trained = [{name for name, w in model.named_parameters() if w.requires_grad} for model in (loop.model, fresh)]
    assert trained[0] == trained[1]
    logits = [predict(model, loop.dev).logits for model in (loop.model, stored)]
    assert torch.allclose(*logits, atol=1e-6)


def test_nothing_is_learnt_at_a_vanishing_rate(encoder, tmp_path):
    run = first_stage(encoder, tmp_path)
    after = train.train(second(encoder, run.key, lr=1e-30), options(tmp_path))
    assert equal(named(after.model), named(measuring.load_model(run)))


def test_the_anchors_stay_the_pretrained_weights(encoder, tmp_path):
    run = first_stage(encoder, tmp_path)
    loop = loop_of(second(encoder, run.key, objective="l2"), tmp_path)
    (anchor,) = loop.anchors
    before, now = models.pretrained_weights(str(encoder), loop.model), named(loop.model)
    assert equal(dict(anchor.theta), before)
    assert not any(torch.equal(now[name], w) for name, w in before.items() if name.endswith("query.weight"))


def test_it_is_a_function_of_its_configuration_also_when_interrupted(encoder, tmp_path, monkeypatch):
    run, opts = first_stage(encoder, tmp_path), options(tmp_path, checkpoint_every=1)
    wanted = second(encoder, run.key, epochs=4)
    whole, again = train.train(wanted, opts), train.train(wanted, opts)
    assert equal(named(whole.model), named(again.model))
    assert whole.facts["train_pairs"] == 10 and whole.facts["dev_pairs"] == 11
    assert equal(named(whole.model), named(resumed(monkeypatch, wanted, opts, [1, 2, 5]).model))


def test_the_name_covers_the_start_and_the_language(encoder, tmp_path):
    opts = options(tmp_path)
    first = [first_stage(encoder, tmp_path, seed=seed) for seed in (0, 1)]
    wanted = [second(encoder, run.key) for run in first] + [
        second(encoder, first[0].key, language=code) for code in ("",)
    ]
    wanted.append(second(encoder, "", language="xx"))
    keys = [measuring.resolve(one, opts).hash for one in wanted]
    assert len({*keys, *(run.key for run in first)}) == 6
    assert measuring.resolve(second(encoder, first[0].key, language="en"), opts).hash == keys[2]
    short = measuring.resolve(second(encoder, first[0].key[:9]), opts)
    assert short.start == first[0].key and short.hash == keys[0]
    other_half = ToyTask(version=1)
    TASKS._entries["toy"] = other_half
    assert measuring.resolve(second(encoder, first[0].key), opts).hash != keys[0]


def test_older_results_keep_their_names():
    plain = RunConfig()
    assert plain.hash == RunConfig(start="", language="").hash == "9e1708dc01652009"
    assert plain.hash != plain.with_(language="xx").hash != plain.with_(start="xx").hash


def test_stored_and_found_again(encoder, tmp_path):
    run = first_stage(encoder, tmp_path)
    after = measuring.run(second(encoder, run.key[:8]), options(tmp_path))
    assert measuring.find(after.key, options(tmp_path)).config == after.config
    assert after.config.start == run.key and read_json(after.folder / "config.json")["language"] == "xx"
    assert after.pretrained == str(encoder)


@pytest.mark.parametrize(("workers", "waves"), [(1, []), (2, [2, 2])])
def test_first_stages_of_a_list_are_trained_before_the_second(encoder, tmp_path, monkeypatch, workers, waves):
    opts, seen = options(tmp_path), []

    def here(jobs, workers, opts):
        seen.append(len(jobs))
        for job in reversed(jobs):
            job.work(*job.arguments, opts)

    monkeypatch.setattr(runs, "side_by_side", here)
    first = [measuring.resolve(config(encoder, seed=seed, epochs=1), opts) for seed in (0, 1)]
    then = [second(encoder, one.hash, seed=one.seed) for one in first]
    found = measuring.run_many([*then, *first], opts, workers)
    assert [run.config.start for run in found] == [first[0].hash, first[1].hash, "", ""]
    assert [run.config.language for run in found] == ["xx", "xx", "", ""]
    assert seen == waves and len(Store(opts.store).entries("run")) == 4


def test_measures_of_the_held_half_are_those_of_its_rows(encoder, tmp_path):
    opts, run = options(tmp_path), first_stage(encoder, tmp_path)
    measured = measuring.measure(run, MeasureConfig(("accuracy",), ("xx",), "dev_held"), opts)["accuracy"]["xx"]
    whole = measuring.measure(run, MeasureConfig(("accuracy",), ("xx",), "dev"), opts)["accuracy"]["xx"]
    subject = measuring.subject(run, measuring.MeasureConfig(("accuracy",), ("xx",), "dev"), opts)
    found = predict(subject.model, subject.batches["xx"])
    right = (found.logits.argmax(1) == found.labels).double()
    assert (measured.n, whole.n) == (11, 21) and "dev_held" in measured.on
    assert measured.value == pytest.approx(right[10:].mean().item())
    assert whole.value == pytest.approx(right.mean().item())
    first = measuring.measure(run, MeasureConfig(("accuracy",), ("xx",), "dev_held", 4), opts)["accuracy"]["xx"]
    assert first.value == pytest.approx(right[10:14].mean().item())


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"start": "0123456789abcdef"}, StoreError, "no run in .* starts with '0123456789abcdef'"),
        ({"start": "0123"}, StoreError, "no run in .* starts with '0123'"),
        ({"task": "mini-pawsx", "start": "", "language": "yy"}, UnknownName, "language of mini-pawsx 'yy'"),
        ({"task": "tagged"}, ConfigError, "has task 'toy', and this run has 'tagged'; expected the same"),
        ({"tuning": "bitfit"}, ConfigError, "has tuning Full"),
    ],
)
def test_what_cannot_be_a_second_stage_is_refused(encoder, tmp_path, changes, error, message):
    run = first_stage(encoder, tmp_path)
    with pytest.raises(error, match=message):
        measuring.run(second(encoder, **{"start": run.key, **changes}), options(tmp_path))
    assert Store(tmp_path / "runs").entries("run") == [run.key]


def test_another_encoder_or_a_measure_is_no_start(encoder, tmp_path):
    run, opts = first_stage(encoder, tmp_path), options(tmp_path)
    with pytest.raises(ConfigError, match="has model"):
        measuring.run(second(save_encoder(tmp_path / "other", seed=1), run.key), opts)
    measuring.measure(run, MeasureConfig(("accuracy",), ("xx",)), opts)
    (measure,) = Store(opts.store).entries("measure")
    with pytest.raises(StoreError, match="no run"):
        measuring.run(second(encoder, measure), opts)


def test_a_half_without_rows_is_refused(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(ToyTask, "rows", lambda self, language, split, _=None: pairs(0 if split == "dev_first" else 1))
    with pytest.raises(DataError, match="toy has 0 rows to train on and 1 to choose the checkpoint by in 'xx'"):
        setup.read(second(encoder, "", language="xx"), options(tmp_path))


def test_the_command_line_takes_both(encoder, tmp_path, capsys):
    from xlgen import cli

    run = first_stage(encoder, tmp_path)
    common = ["--store", tmp_path / "runs", "--device", "cpu", "--threads", "1"]
    toy = ["--task", "toy", "--model", encoder, "--set", "epochs=1", "--set", "max_length=24"]
    line = ["run", *toy, "--start", run.key[:10], "--language", "xx", *common]
    assert cli.main([*map(str, line)]) == 0
    key = capsys.readouterr().out.split()[1].rstrip(":")
    found = measuring.find(key, options(tmp_path)).config
    assert (found.start, found.language) == (run.key, "xx")
    assert cli.main(["list", "runs", "--store", str(tmp_path / "runs")]) == 0
    assert f"start {run.key}, language xx" in capsys.readouterr().out
    assert cli.main([*map(str, ["run", *toy, "--start", "nothing", *common])]) == 2
    assert "no run in" in capsys.readouterr().err
