"""The benchmarks pair, check and report as they say. Nothing here looks at how long anything takes."""

import math
from dataclasses import replace
from importlib import metadata

import pytest
import torch
from tiny import options

from benchmarks import __main__ as command
from benchmarks import harness, memory, naive, peers, pipeline, precision, report, throughput
from benchmarks.harness import Measurer, Row, error, pairs
from benchmarks.shapes import SHAPES, Bench, Shape
from xlgen import models
from xlgen.core.store import Store
from xlgen.data.catalogue import TASKS
from xlgen.data.encode import encode
from xlgen.models.evaluate import predict
from xlgen.training import runs as runs_

TINY = Shape("tiny", layers=1, width=32, vocabulary=60, batch=4, repeats=1, length=12, batches=2, training=10, lr=3e-3)


@pytest.fixture(scope="module")
def bench():
    return Bench(TINY)


@pytest.fixture(autouse=True)
def no_collection(monkeypatch):
    """Collecting garbage around every timing takes longer than all else here."""
    monkeypatch.setattr(harness.gc, "collect", lambda: 0)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still but for what the test adds."""
    now = [0.0]
    monkeypatch.setattr(harness.time, "perf_counter", lambda: now[0])
    return now


def row(value=1.0, reference="one", **changes):
    """A row whose value is right, unless told otherwise."""
    given = {"operation": "count", "who": "xlgen", "make": lambda bench: lambda: value, "reference": reference}
    return Row(**{**given, **changes})


def measure(bench, *rows):
    measurer = Measurer(bench, {"one": lambda bench: 1.0, "two": lambda bench: {"a": 1.0, "b": 2.0}}, repeats=1)
    return [measurer.measure(each) for each in rows]


# --- timing ---------------------------------------------------------------------------------------------------------


def test_the_unit_is_timed_immediately_before_every_repeat(clock):
    events, costs = [], iter([1.0, 2.0, 10.0, 30.0, 4.0, 4.0])

    def step(name):
        def run():
            events.append(name)
            clock[0] += next(costs)

        return run

    def between():
        events.append("-")
        clock[0] += 100  # not timed

    timing = pairs(step("unit"), step("run"), 3, between=between)
    assert events == ["-", "unit", "-", "run"] * 3
    assert (timing.low, timing.ratio, timing.high, timing.n) == (1.0, 2.0, 3.0, 3)
    assert timing.seconds == 4.0


def test_the_ratio_is_the_median_of_ratios_and_not_the_ratio_of_medians():
    timing = harness.timing_of([1.0, 10.0, 100.0], [3.0, 10.0, 200.0])
    assert timing.ratio == 2.0 and timing.seconds / 10.0 == 1.0


# --- values ---------------------------------------------------------------------------------------------------------


def test_error_is_relative_and_sees_what_is_missing():
    a = {"x": torch.tensor([3.0, 0.0]), "y": torch.tensor([4.0])}
    assert error(1.1, 1.0) == pytest.approx(0.1)
    assert error(a, a) == 0
    assert error({**a, "y": torch.tensor([4.5])}, a) == pytest.approx(0.1)
    assert error({"x": a["x"]}, a) == math.inf and error(3.0, a) == math.inf


@pytest.mark.parametrize(
    ("value", "status"), [(1.0, "ok"), (1.0 + 1e-8, "ok"), (1.001, "wrong"), (math.nan, "wrong"), (math.inf, "wrong")]
)
def test_a_wrong_value_is_called_wrong(bench, value, status):
    (found,) = measure(bench, row(value))
    assert found["status"] == status
    assert ("WRONG" in report.verdict(found, [found])) == (status == "wrong")


def test_a_value_may_be_one_of_several_and_may_be_made_after_timing(bench):
    calls = []
    late = row(make=lambda bench: lambda: lambda: calls.append(1) or 2.0, reference="two: b")
    (found,) = measure(bench, late)
    assert found["status"] == "ok" and calls == [1]


def test_every_value_of_ours_is_right(bench):
    sources = [source.references() for source in command.SOURCES]
    measurer = Measurer(bench, {name: make for found in sources for name, make in found.items()}, repeats=1)
    for each in command.rows():
        if each.ours or each.who in ("naive loop", "double backward"):
            found = measurer.measure(each)
            assert found["status"] == "ok", found
            assert (found["error"] is None) == (not each.reference)


def test_every_reference_is_there():
    known = {name for source in command.SOURCES for name in source.references()}
    rows = command.rows()
    assert {each.reference.partition(":")[0] for each in rows} - {""} <= known
    assert {each.operation for each in peers.rows() if each.reference} <= {each.operation for each in rows if each.ours}


def test_the_naive_trace_is_the_sum_of_the_naive_diagonal(bench):
    found = naive.fisher(bench)
    for labels in ("true", "model"):
        total = sum(part.sum(dtype=torch.float64).item() for part in found[f"diagonal {labels}"].values())
        assert found[f"trace {labels}"] == pytest.approx(total, rel=1e-6)
        for diagonal in (False, True):
            value = naive.loop(bench.model, bench, labels=labels, diagonal=diagonal)()
            assert error(value, found[f"{'diagonal' if diagonal else 'trace'} {labels}"]) < 1e-5


def test_a_row_that_moves_the_weights_is_refused(bench):
    def make(bench):
        return lambda: bench.model.classifier.bias.data.add_(1.0)

    kept = bench.model.classifier.bias.detach().clone()
    with pytest.raises(RuntimeError, match="the weights are not what they were"):
        measure(bench, row(make=make, reference=""))
    bench.model.classifier.bias.data.copy_(kept)


# --- what cannot be run ---------------------------------------------------------------------------------------------


def test_a_missing_peer_is_named_with_the_reason(bench):
    (found,) = measure(bench, row(who="fast", needs="no-such-distribution"))
    assert found["status"] == "skipped" and found["reason"] == "no-such-distribution is not installed"
    assert "no-such-distribution" in report.line(found, [found]) and "fast" in found["who"]


def test_a_peer_that_fails_is_named_and_a_failure_of_ours_is_not_hidden(bench):
    def make(bench):
        raise ValueError("one\ntwo")

    (found,) = measure(bench, row(who="peer", make=make))
    assert found["status"] == "failed" and found["reason"] == "ValueError: one two"
    with pytest.raises(ValueError, match="one"):
        measure(bench, row(make=make))


def test_a_peer_that_cannot_fit_is_not_tried(bench):
    (found,) = measure(bench, row(who="peer", make=None, gib=lambda shape: 99.0))
    assert found["status"] == "skipped" and "99 GiB" in found["reason"]


def test_the_size_of_a_model_is_known_before_it_is_built(bench):
    assert TINY.parameters == sum(w.numel() for w in bench.model.parameters())
    assert SHAPES["mbert-4"].parameters == 177_560_835  # mBERT's 177,855,747 with 128 positions
    large = SHAPES["mbert-4"]
    assert not [each.who for each in command.rows() if each.ours and each.gib(large) > large.room]


# --- command and report ---------------------------------------------------------------------------------------------


def test_a_ratio_just_below_zero_is_zero():
    assert [report._number(ratio) for ratio in (-0.001, 0.004, -0.02, 123.4)] == ["0.00", "0.00", "-0.02", "123"]


def test_an_interrupted_run_keeps_what_is_finished(tmp_path, monkeypatch):
    def measured(size, asked, facts):
        yield harness.finished("count", "xlgen", harness.Timing(1, 2, 2, 2, 1), goal=3.0)
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_measured", measured)
    with pytest.raises(KeyboardInterrupt):
        command.main(["--size", "small", "--out", str(tmp_path)])
    ((name, kept),) = report.load(tmp_path).items()
    assert name == "small" and [each["operation"] for each in kept["rows"]] == ["count"]
    assert kept["facts"]["versions"]["torch"] == metadata.version("torch") and kept["facts"]["threads"] == 1


@pytest.mark.parametrize(("difference", "status"), [(0.0, 0), (1.0, 1)])
def test_the_exit_status_says_whether_a_value_is_wrong(tmp_path, monkeypatch, capsys, difference, status):
    one = harness.finished(
        "count", "xlgen", harness.Timing(1, 2, 2, 2, 1), goal=1.5, difference=difference, tolerance=0.1
    )
    monkeypatch.setattr(command, "_measured", lambda *arguments: iter([one]))
    assert command.main(["--size", "small", "--out", str(tmp_path)]) == status
    assert "0 of 1 goals met, missed: count" in capsys.readouterr().out


def test_some_rows_alone_do_not_replace_the_whole_table(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(command, "_measured", lambda *arguments: iter([harness.missing("a", "b", "skipped", "c")]))
    monkeypatch.setattr(command, "write", lambda path, content: written.append(path))
    command.main(["--size", "small", "--only", "a"])
    command.main(["--size", "small"])
    assert written[0].parent != report.RESULTS and written[1] == report.RESULTS / "small.json"


def test_the_verdict_compares_with_the_best_right_peer():
    def found(who, ratio, low, high, **changes):
        timing = harness.Timing(1.0, ratio, low, high, 3)
        return harness.finished("count", who, timing, **changes)

    ours = found("xlgen", 2.0, 1.9, 2.1, goal=1.5)
    slow, near = found("slow", 3.0, 2.9, 3.1), found("near", 2.05, 2.0, 2.1)
    wrong = found("wrong", 1.0, 1.0, 1.0, difference=1.0, tolerance=0.1)
    assert report.verdict(ours, [ours, slow]) == "missed, ahead"
    assert report.verdict(ours, [ours, slow, near]) == "missed, ahead (ranges overlap)"
    assert report.verdict(ours, [ours, slow, wrong]) == "missed, ahead"
    assert report.verdict(ours, [ours, found("fast", 1.0, 0.9, 1.1)]) == "missed, behind"
    noisy = found("xlgen", 2.0, 1.4, 2.1, goal=1.5)
    assert report.verdict(noisy, [noisy]) == "missed (range includes it)" and report.missed([noisy]) == [noisy]
    assert report.verdict(slow, [ours, slow]) == ""
    assert report.best_peer(ours, [ours, {**slow, "unit": "another step"}]) is None


def test_two_loops_are_timed_in_turn_and_each_is_first_every_other_time():
    order = []
    runs = {name: lambda repeat, name=name: order.append((repeat, name)) or {"a": 2.0, "b": 1.0}[name] for name in "ab"}
    timing = throughput.in_turn(runs["a"], runs["b"], 3)
    assert (timing.ratio, timing.n) == (0.5, 3)
    assert order == [(0, "b"), (0, "a"), (1, "a"), (1, "b"), (2, "b"), (2, "a"), (3, "a"), (3, "b")]


# --- data path and throughput ---------------------------------------------------------------------------------------


def test_padding_to_a_fixed_length_changes_no_label():
    task = TASKS["mini-xnli"]
    data = encode(task.rows("en", "dev", None).take(70), models.load_tokenizer("mini"), pipeline.LENGTH, None, True)
    model, whole = models.load_classifier("mini", len(task.labels), seed=0), pipeline.padded(data)
    assert {batch.inputs["input_ids"].shape[1] for batch in whole} == {pipeline.LENGTH}
    fixed, bucketed = predict(model, whole), predict(model, data.batches(pipeline.BATCH))
    assert torch.equal(fixed.logits.argmax(1), bucketed.logits.argmax(1))
    torch.testing.assert_close(fixed.logits, bucketed.logits, atol=1e-4, rtol=0)


def test_our_loop_and_the_trainer_do_the_same_job():
    found = throughput.same_batches(replace(TINY, lr=1e-3), 1)
    assert found["status"] == "ok" and found["error"] < 1e-4 and found["n"] == 1


# --- memory -----------------------------------------------------------------------------------------------------------


def test_memory_is_that_of_a_process_of_its_own_and_every_pair_is_counted(tmp_path):
    text = memory.write_text(tmp_path / "pairs.tsv", 10).read_text(encoding="utf-8").splitlines()
    assert [line.split("\t")[2] for line in text[1:]] == list(memory.LANGUAGES[:10])
    (found,) = memory.measured((8, 12))
    assert (found["status"], found["unit"]) == ("ok", "8 pairs") and 0.8 < found["ratio"] < 1.2


# --- precision --------------------------------------------------------------------------------------------------------


def test_bfloat16_is_compared_with_float32_at_the_same_seeds(encoder, toy_tasks, tmp_path, monkeypatch):
    size = {"train_size": 0, "dev_size": 0, "epochs": 1, "batch_size": 8, "max_length": 24}
    settings = {"preset": "mini", "task": "toy", "model": str(encoder), **size}
    monkeypatch.setitem(precision.JOBS, "mini", (("baseline", "sam"), settings, (), 0))
    monkeypatch.setattr(precision, "STEPS", 1)
    asked = ["--jobs", "mini", "--seeds", "0", "1", "--store", str(tmp_path / "runs"), "--out"]
    assert precision.main([*asked, str(tmp_path / "precision.json")]) == 0
    rows = report.load(tmp_path)["precision"]
    assert [(row["objective"], row["seed"]) for row in rows] == [(o, s) for o in ("baseline", "sam") for s in (0, 1)]
    runs = [runs_.find(name, options(tmp_path)) for name in Store(tmp_path / "runs").entries("run")]
    assert sorted((run.config.objective, run.config.seed, run.config.precision) for run in runs) == sorted(
        (o, s, p) for o in ("baseline", "sam") for s in (0, 1) for p in ("float32", "bf16")
    )
    for row in rows:
        assert row["accuracy"].keys() == {"float32", "bf16"} and row["accuracy"]["bf16"].keys() == {"en", "xx"}
    assert [cells[2:4] for cells in report.lowered(rows)] == [("baseline", "2"), ("sam", "2")]


def test_what_bfloat16_changes_is_said_in_points_over_seeds():
    rows = [
        {"task": "t", "model": "m", "objective": "o", "time": 1.5, "time_range": [1.0, 2.0]}
        | {"accuracy": {"float32": {"en": 0.8, "a": 0.5, "b": 0.6}, "bf16": {"en": 0.8 + change, "a": 0.44, "b": 0.62}}}
        for change in (-0.01, 0.0, 0.01)
    ]
    (cells,) = report.lowered(rows)
    assert cells == ("t", "m", "o", "3", "80.0 ± 0.0", "+0.0 ± 1.0", "55.0 ± 0.0", "−2.0 ± 0.0", "−6.0",
                     "1.50 [1.00, 2.00]")  # fmt: skip
    assert len(cells) == len(report.LOWERED)
    assert "o of m, others: −2.0 ± 0.0, seeds 0.0" in report.beyond_seeds(rows)
    for row, apart in zip(rows, (-0.1, 0.0, 0.1), strict=True):
        for accuracy in row["accuracy"].values():
            accuracy |= {language: value + apart for language, value in accuracy.items()}
    assert report.beyond_seeds(rows) == []
