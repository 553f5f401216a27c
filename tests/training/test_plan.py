"""Plans of runs: counted before, and found to be so in the runs; costs of objectives from their passes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import torch
from tiny import TaggedToy, ToyTask
from torch import nn

from xlgen import models
from xlgen.data.catalogue import TASKS
from xlgen.training import plan, train
from xlgen.training.plan import Held, Planner


@pytest.fixture(scope="module", autouse=True)
def tasks():
    for task in (ToyTask(), TaggedToy()):
        TASKS.add(task.name, task)
    yield
    for name in ("toy", "tagged"):
        del TASKS._entries[name]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return tiny.save_encoder(tmp_path_factory.mktemp("encoder"))


def planned(encoder, tmp_path, **changes):
    config = tiny.config(encoder, **changes)
    return Planner(tiny.options(tmp_path)).plan(config), config


@pytest.mark.parametrize("changes", [{}, {"micro_batch_size": 3}, {"task": "tagged"}, {"evals_per_epoch": 2}])
def test_steps_and_tokens_are_those_of_the_run(encoder, tmp_path, monkeypatch, changes):
    found, config = planned(encoder, tmp_path, **changes)
    counts = {"tokens": 0, "padded": 0, "steps": 0, "evaluated": 0}
    update, look = train._update, train._look

    def updating(loop, number, batches):
        counts["steps"] += 1
        counts["tokens"] += sum(int(batch.inputs["attention_mask"].sum()) for batch in batches)
        if number < loop.steps_per_epoch:
            counts["padded"] += config.epochs * sum(batch.inputs["input_ids"].numel() for batch in batches)
        return update(loop, number, batches)

    def looking(loop, progress):
        counts["evaluated"] += sum(batch.inputs["input_ids"].numel() for batch in loop.dev)
        return look(loop, progress)

    monkeypatch.setattr(train, "_update", updating)
    monkeypatch.setattr(train, "_look", looking)
    done = train.train(config, tiny.options(tmp_path))
    assert found.steps == counts["steps"] == done.facts["steps"]
    assert {name: getattr(found, name) for name in counts} == counts


@pytest.mark.parametrize(
    "objective, hyper, factor",
    [
        ("baseline", {}, 1),
        ("sam", {}, 2),
        ("rdrop", {}, 2),
        ("consistency", {}, 2),
        ("mvr", {"p": 0.0}, 2),
        ("fisher", {"labels": "true"}, 2),
        ("fisher", {}, 8 / 3),
        ("fisher", {"every_k": 5}, (8 / 3 + 4) / 5),
        ("l2", {}, 1),
    ],
)
def test_an_objective_costs_its_passes(encoder, tmp_path, objective, hyper, factor):
    found, _ = planned(encoder, tmp_path, objective=objective, hyper=hyper)
    assert found.factor == pytest.approx(factor, rel=0.02) and found.forward == pytest.approx(1 / 3, rel=0.02)


def test_a_longer_segmentation_costs_more_and_a_frozen_encoder_less(encoder, tmp_path):
    assert planned(encoder, tmp_path, objective="mvr", hyper={"p": 0.9})[0].factor > 2.1
    frozen, whole = (planned(encoder, tmp_path, tuning=tuning)[0] for tuning in ("bitfit", "full"))
    assert 0.5 < frozen.factor < 0.9 and frozen.memory < whole.memory


def test_time_is_work_over_throughput(encoder, tmp_path):
    found = planned(encoder, tmp_path)[0]
    simple = replace(found, padded=900, evaluated=300, factor=2.0, forward=1 / 3)
    assert simple.seconds(100.0) == pytest.approx((2 * 900 + 100) / 100)


def test_alike_runs_are_looked_at_once(encoder, tmp_path, monkeypatch):
    planner, config = Planner(tiny.options(tmp_path)), tiny.config(encoder)
    seen = []
    monkeypatch.setattr(
        planner, "_with", lambda config, work, known=planner._with: seen.append(1) or known(config, work)
    )
    alike = (config.with_(seed=1, epochs=5), config.with_(lr=1e-3), config.with_(objective="l2", hyper={"lam": 0.1}))
    every = (config, *alike, config.with_(objective="l2", hyper={"lam": 0.3}))
    plans = [planner.plan(one) for one in every]
    assert len(seen) == 2 and plans[1].steps * 3 == plans[0].steps * 5 and plans[2] == plans[0]
    for one in every:
        planner.seconds(one)
    assert len(seen) == 4


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still but for what the test adds."""
    now = [0.0]
    monkeypatch.setattr(plan, "_clock", lambda loop: now[0])
    return now


def test_seconds_are_those_of_the_parts_of_a_run(encoder, tmp_path, monkeypatch, clock):
    """A step costs 3 a sub-word, a look 1, a segmentation 100; every second step is disturbed the first time."""
    config = tiny.config(encoder, objective="mvr", evals_per_epoch=2)
    update, made = train._update, []

    def updating(loop, number, batches):
        clock[0] += 3e-3 * plan._size(batches) + (number % 2 and made.count(number) < 1)
        made.append(number)
        return update(loop, number, batches)

    monkeypatch.setattr(train, "_update", updating)
    prepare = plan.prepare

    def prepared(*given):
        loop, tokenizer = prepare(*given)
        forward = loop.model.forward

        def timed(**inputs):
            clock[0] += 0 if loop.model.training else 1e-3 * inputs["input_ids"].numel()
            return forward(**inputs)

        def views(epoch):
            clock[0] += 0.1
            return loop.views(epoch)

        loop.model.forward = timed
        return replace(loop, views=loop.views and views), tokenizer

    monkeypatch.setattr(plan, "prepare", prepared)
    planner = Planner(tiny.options(tmp_path))
    counts = planner.plan(config)
    planned = 3e-3 * counts.padded + 1e-3 * counts.evaluated + 0.1 * config.epochs
    assert planner.seconds(config) == pytest.approx(planned)


@pytest.mark.parametrize("hyper, fewest", [({}, 1), ({"every_k": 3}, 3)])
def test_a_slow_step_is_made_once_and_a_penalty_of_every_kth_in_its_share(
    encoder, tmp_path, monkeypatch, clock, hyper, fewest
):
    config = tiny.config(encoder, objective="fisher", hyper=hyper)
    update, made = train._update, []

    def updating(loop, number, batches):
        clock[0] += 100.0
        made.append(number)
        return update(loop, number, batches)

    monkeypatch.setattr(train, "_update", updating)
    Planner(tiny.options(tmp_path)).seconds(config)
    assert made == [0, *range(fewest)]  # the first finds memory


def test_a_graph_keeps_its_activations_until_it_is_gone():
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
    held = Held({w.untyped_storage().data_ptr() for w in model.parameters()})
    x = torch.zeros(11, 5)
    with held.counting():
        y = model(x).sum()
        assert held.now == 4 * 11 * (5 + 7)  # the input, and tanh's result once for itself and for what follows
        z = model(x.clone()).sum()
        assert held.now == 2 * 4 * 11 * (5 + 7)
        y.backward()
        del y
        z.backward()
    assert held.now == 0 and held.most == 2 * 4 * 11 * (5 + 7)


@pytest.mark.parametrize("tuning", ["full", "bitfit"])
def test_what_stays_in_memory_is_counted_as_a_run_keeps_it(encoder, tuning):
    """Weights, their best copy, and of what is trained the gradients and AdamW's moments."""
    model = models.load_classifier(str(encoder), 3, seed=0, tuning=tuning)
    trained = [w for w in model.parameters() if w.requires_grad]
    optimizer = torch.optim.AdamW(trained)
    sum(w.sum() for w in trained).backward()
    optimizer.step()
    best = [w.detach().clone() for w in model.parameters()]
    moments = [x for state in optimizer.state.values() for x in state.values() if x.ndim]
    there = [*model.parameters(), *best, *(w.grad for w in trained), *moments]
    assert plan._resident(model, torch.device("cpu")) == sum(tensor.nbytes for tensor in there)


def test_memory_grows_with_the_batch_and_shrinks_with_micro_batches(encoder, tmp_path):
    small, large, cut = (
        planned(encoder, tmp_path, **sizes)[0].memory
        for sizes in ({"batch_size": 4}, {"batch_size": 16}, {"batch_size": 16, "micro_batch_size": 4})
    )
    assert small < large and cut < large
