"""The training loop: the same bits again, also after an interruption; and each setting does what it says."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from tiny import TaggedToy, config, options, resumed
from transformers import get_linear_schedule_with_warmup

from xlgen import models
from xlgen.core import device
from xlgen.core.errors import ConfigError, TrainingError, UnknownName
from xlgen.core.files import read_tensors
from xlgen.core.store import Store
from xlgen.data.encode import encode
from xlgen.data.encode_tagged import encode_tagged
from xlgen.measures import MEASURES, Predictions, Subject
from xlgen.models.evaluate import losses, predict
from xlgen.objectives import Baseline
from xlgen.training import optimizers, setup, train

pytestmark = pytest.mark.usefixtures("toy_tasks")

torch.set_num_threads(1)


def weights(trained):
    return {name: w.detach().clone() for name, w in trained.model.named_parameters()}


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(weights(a).values(), weights(b).values(), strict=True))


def timeless(trained):
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in trained.log]


def test_a_run_is_a_function_of_its_configuration(encoder, tmp_path):
    torch.manual_seed(1)
    first = train.train(config(encoder), options(tmp_path))
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = train.train(config(encoder), options(tmp_path))
    assert torch.equal(torch.get_rng_state(), before)
    assert same(first, second) and timeless(first) == timeless(second)
    assert not same(first, train.train(config(encoder, seed=1), options(tmp_path)))


def test_every_step_of_every_run_draws_anew(encoder, tmp_path, monkeypatch):
    draws, gradient = [], Baseline.gradient

    def recorded(self, model, batches, step):
        draws.append((torch.initial_seed(), step.generator.initial_seed()))
        return gradient(self, model, batches, step)

    monkeypatch.setattr(Baseline, "gradient", recorded)
    for seed in (0, 1):
        train.train(config(encoder, epochs=2, seed=seed), options(tmp_path))
    assert len({number for pair in draws for number in pair}) == 2 * len(draws) == 2 * 28


def test_it_learns(encoder, tmp_path):
    trained = train.train(config(encoder, epochs=25, dropout=0.0), options(tmp_path))
    assert trained.log[0]["loss"] > 1.0 > 0.6 > trained.log[-1]["loss"]
    assert trained.facts["steps"] == 25 * 7 and trained.facts["train_pairs"] == 50


@pytest.mark.parametrize("every", [1, 3, 7])
@pytest.mark.parametrize("objective", ["baseline", "sam", "fisher", "mvr"])
def test_killed_at_any_step_and_resumed_it_ends_in_the_same_bits(encoder, tmp_path, monkeypatch, objective, every):
    wanted = config(encoder, objective=objective, epochs=2, evals_per_epoch=2, weight_decay=0.1, warmup=0.2)
    whole = train.train(wanted, options(tmp_path))
    kills = [1, 4, 6, 7, 8, 13]
    again = resumed(monkeypatch, wanted, options(tmp_path, checkpoint_every=every), kills)
    assert same(whole, again)
    assert timeless(whole) == timeless(again)
    assert len(whole.log) == 4 and all(set(a) == set(b) for a, b in zip(whole.log, again.log, strict=True))


def test_a_finished_checkpoint_is_not_trained_again(encoder, tmp_path, monkeypatch):
    file, wanted = tmp_path / "resume.safetensors", config(encoder, epochs=1)
    first = train.train(wanted, options(tmp_path, checkpoint_every=1), file)
    monkeypatch.setattr(train, "_update", lambda *_: pytest.fail("trained again"))
    assert same(first, train.train(wanted, options(tmp_path), file))


def test_without_checkpoints_no_file_is_written(encoder, tmp_path):
    train.train(config(encoder, epochs=1), options(tmp_path, checkpoint_every=0), tmp_path / "resume.safetensors")
    assert not (tmp_path / "resume.safetensors").exists()


def test_sam_with_radius_zero_is_the_baseline(encoder, tmp_path):
    baseline = train.train(config(encoder), options(tmp_path))
    assert same(baseline, train.train(config(encoder, objective="sam", hyper={"rho": 0.0}), options(tmp_path)))
    assert not same(baseline, train.train(config(encoder, objective="sam", hyper={"rho": 0.1}), options(tmp_path)))


@pytest.fixture
def double(monkeypatch):
    """Train in float64, so that rounding does not hide behind AdamW's normalisation."""
    load = models.load_classifier
    monkeypatch.setattr(models, "load_classifier", lambda *args, **kwargs: load(*args, **kwargs).double())


@pytest.mark.parametrize("objective", ["baseline", "sam"])
def test_micro_batches_do_not_change_the_run(encoder, tmp_path, double, objective):
    wanted = config(encoder, objective=objective, dropout=0.0)
    whole = train.train(wanted, options(tmp_path))
    for size in (1, 3):
        parts = train.train(wanted.with_(micro_batch_size=size), options(tmp_path))
        for a, b in zip(weights(whole).values(), weights(parts).values(), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-7)
        assert whole.log[-1]["loss"] == pytest.approx(parts.log[-1]["loss"], abs=1e-9)


def test_the_logged_loss_is_the_mean_over_examples(encoder, tmp_path):
    wanted = config(encoder, lr=1e-30, dropout=0.0, epochs=1)
    trained = train.train(wanted, options(tmp_path))
    rows, dev = setup.read(wanted, options(tmp_path))
    assert len(rows) % wanted.batch_size

    def evaluated(rows):
        encoded = encode(rows, trained.tokenizer, wanted.max_length, position_ids=True)
        return predict(trained.model, encoded.batches(50))

    (entry,) = trained.log
    assert entry["loss"] == pytest.approx(losses(evaluated(rows)).mean().item(), abs=1e-6)
    predictions = evaluated(dev)
    assert entry["dev_loss"] == pytest.approx(losses(predictions).mean().item(), abs=1e-6)
    right = (predictions.logits.argmax(1) == predictions.labels).sum().item()
    assert entry["dev_accuracy"] == right / 21


# accuracies and losses of six looks, and the look that must win: accuracy first, then loss, then the earlier
LOOKS = [
    ([0, 2, 1, 2, 2, 1], [9, 5, 1, 3, 3, 0], 3),
    ([1, 1, 1, 1, 1, 1], [2, 2, 2, 2, 2, 2], 0),
    ([0, 0, 0, 0, 0, 3], [1, 1, 1, 1, 1, 9], 5),
]


@pytest.mark.parametrize(("right", "confidence", "best"), LOOKS)
def test_the_best_checkpoint_is_returned(encoder, tmp_path, monkeypatch, right, confidence, best):
    seen = []

    def scripted(model, batches, language):
        look = len(seen)
        seen.append({name: w.detach().clone() for name, w in model.named_parameters()})
        logits = torch.zeros(4, 3, dtype=torch.float64)
        logits[:, 0] = 0.1 * (10 - confidence[look])  # the loss of the wrong ones grows with the other logit
        labels = torch.tensor([0] * right[look] + [1] * (4 - right[look]))
        logits[labels == 0, 0] = 1.0
        logits[labels == 1, 0] = 1.0 + confidence[look]
        return Predictions(logits, labels)

    monkeypatch.setattr(train, "predict", scripted)
    trained = train.train(config(encoder, epochs=2, evals_per_epoch=3), options(tmp_path))
    assert len(seen) == 6
    assert trained.best == trained.log[best]
    assert all(torch.equal(w, seen[best][name]) for name, w in weights(trained).items())
    assert not same(trained, SimpleNamespace(model=SimpleNamespace(named_parameters=seen[best - 1].items)))


def test_looks_are_spread_over_the_epoch_and_the_last_is_its_end(encoder, tmp_path):
    def steps(**changes):
        return [entry["step"] for entry in train.train(config(encoder, epochs=2, **changes), options(tmp_path)).log]

    assert steps() == [7, 14]
    assert steps(evals_per_epoch=3) == [2, 5, 7, 9, 12, 14]
    assert steps(evals_per_epoch=100, batch_size=25) == [1, 2, 3, 4]


@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.33])
def test_the_schedule_is_that_of_transformers(warmup):
    steps = 21
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    oracle = get_linear_schedule_with_warmup(optimizer, math.ceil(warmup * steps), steps)
    for step in range(steps):
        assert train.schedule(step, steps, warmup) == pytest.approx(oracle.get_last_lr()[0])
        optimizer.step()
        oracle.step()


@pytest.fixture
def steps(monkeypatch):
    """The learning rate and the norm of the gradient at each optimizer step."""
    seen, original = [], torch.optim.AdamW.step

    def step(self, *args, **kwargs):
        grads = [w.grad for group in self.param_groups for w in group["params"] if w.grad is not None]
        norm = torch.linalg.vector_norm(torch.stack([g.norm() for g in grads])).item()
        seen.append((self.param_groups[0]["lr"], norm, self.param_groups))
        return original(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    return seen


def test_the_optimizer_gets_the_scheduled_rate_and_the_clipped_gradient(encoder, tmp_path, steps):
    train.train(config(encoder, lr=2e-3, warmup=0.2, clip=0.0), options(tmp_path))
    free = [norm for _, norm, _ in steps]
    assert [lr for lr, _, _ in steps] == [2e-3 * train.schedule(step, 21, 0.2) for step in range(21)]
    steps.clear()
    limit = sorted(free)[10]
    train.train(config(encoder, lr=2e-3, warmup=0.2, clip=limit), options(tmp_path))
    norms = [norm for _, norm, _ in steps]
    assert norms[0] == pytest.approx(min(free[0], limit), rel=1e-4)
    assert max(free) > limit and max(norms) == pytest.approx(limit, rel=1e-4)


def test_biases_and_layer_norms_have_no_weight_decay(encoder):
    model = models.load_classifier(str(encoder), 3, seed=0)
    names = {id(w): name for name, w in model.named_parameters()}
    decayed, free = ([names[id(w)] for w in group["params"]] for group in setup.groups(model, 0.1))
    assert all(name.endswith("bias") or "LayerNorm" in name for name in free)
    assert not any(name.endswith("bias") or "LayerNorm" in name for name in decayed)
    assert len(decayed) + len(free) == len(names)
    assert [group["weight_decay"] for group in setup.groups(model, 0.1)] == [0.1, 0.0]


@pytest.mark.parametrize("poison", ["loss", "gradient", "last"])
def test_a_value_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(
    encoder, tmp_path, monkeypatch, poison
):
    gradient, file = Baseline.gradient, tmp_path / "resume.safetensors"

    def broken(self, model, batches, step):
        logs = gradient(self, model, batches, step)
        if step.number == 5 and poison == "loss":
            return {"loss": math.nan}
        if step.number == (6 if poison == "last" else 5) and poison != "loss":
            model.classifier.weight.grad[0, 0] = math.inf
        return logs

    monkeypatch.setattr(Baseline, "gradient", broken)
    with pytest.raises(TrainingError, match="step [56]; .* is kept in .*resume.safetensors"):
        train.train(config(encoder, epochs=1, clip=0.0), options(tmp_path, checkpoint_every=1), file)
    tensors, meta = read_tensors(file)
    assert meta["progress"]["step"] == (6 if poison == "last" else 5)
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_a_diverging_run_says_so(encoder, tmp_path):
    with pytest.raises(TrainingError, match="learning rate"):
        train.train(config(encoder, lr=1e38, epochs=9), options(tmp_path))


@pytest.mark.parametrize("faithful", [False, True])
def test_sampled_views_are_new_in_every_epoch_unless_faithful(encoder, tmp_path, faithful):
    wanted = config(encoder, objective="mvr", hyper={"p": 0.5, "faithful": faithful})
    loop, tokenizer = setup.prepare(wanted, options(tmp_path), device.accelerator_for("cpu"))
    first, again, second = loop.views(0), loop.views(0), loop.views(1)
    assert torch.equal(first.tokens, again.tokens)
    assert torch.equal(first.tokens, second.tokens) == faithful
    assert not torch.equal(first.tokens, loop.train.tokens)
    if not faithful:  # another segmentation of the same words
        for i in range(len(first)):
            ids = [part.inputs(torch.tensor([i]))["input_ids"][0].tolist() for part in (first, loop.train)]
            assert tokenizer.decode(ids[0]) == tokenizer.decode(ids[1])
    other, _ = setup.prepare(wanted.with_(seed=1), options(tmp_path), device.accelerator_for("cpu"))
    assert not torch.equal(first.tokens, other.views(0).tokens)
    batch = next(loop.train.epoch(8, 0, 0, 0, loop.views))[0]
    assert set(batch.view) == set(batch.inputs)


def test_sizes_take_the_first_rows(encoder, tmp_path):
    wanted = config(encoder, train_size=20, dev_size=5)
    rows, dev = setup.read(wanted, options(tmp_path))
    assert (len(rows), len(dev)) == (20, 5)
    assert train.train(wanted.with_(epochs=1), options(tmp_path)).facts["dev_pairs"] == 5


def test_threads_are_set_for_the_run_only():
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError), device.threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise RuntimeError
    assert torch.get_num_threads() == before
    with device.threads(0):
        assert torch.get_num_threads() == before


def test_devices_are_checked():
    with pytest.raises(UnknownName, match="Did you mean 'cuda'"):
        device.accelerator_for("cudaa")
    assert device.accelerator_for("cpu").device.type == "cpu"
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="use 'auto'"):
            device.accelerator_for("cuda")


def test_a_stored_run_is_not_disturbed_by_options(encoder, tmp_path):
    """What is not in the configuration must not change the run."""
    wanted = config(encoder, epochs=1)
    first = train.train(wanted, options(tmp_path))
    other = replace(options(tmp_path, checkpoint_every=2), store=tmp_path / "elsewhere", progress=True)
    assert same(first, train.train(wanted, other, Store(tmp_path).partial("x")))


def test_the_best_checkpoint_is_that_of_the_tasks_score():
    """F1 where there is one, though more words are right elsewhere; the loss tells equals apart."""
    best = {"dev_f1": 0.3, "dev_accuracy": 0.1, "dev_loss": 2.0}
    assert train.rank(best) > train.rank({"dev_f1": 0.2, "dev_accuracy": 0.9, "dev_loss": 1.0})
    assert train.rank({"dev_accuracy": 0.9, "dev_loss": 1.0}) > train.rank({"dev_accuracy": 0.9, "dev_loss": 1.1})


def test_the_development_f1_counts_entities_and_not_sentences(encoder, toy_tasks, tmp_path):
    """Of the logged look that is the best: that of the weights that are returned."""
    done = train.train(config(encoder, task="tagged", epochs=1), options(tmp_path))
    rows = encode_tagged(TaggedToy().rows("en", "dev"), done.tokenizer, 24)
    found = MEASURES["f1"](Subject(done.model, {"en": rows.batches(8)}, labels=TaggedToy().labels, kind="token"))["en"]
    assert 0 < found.value < 1 and done.best["dev_f1"] == pytest.approx(found.value, rel=1e-6)


def test_seeds_have_heads_of_their_own(encoder, tmp_path):
    heads = [
        setup.prepare(config(encoder, seed=seed), options(tmp_path), device.accelerator_for("cpu"))[
            0
        ].model.classifier.weight
        for seed in (0, 0, 1)
    ]
    assert torch.equal(heads[0], heads[1]) and not torch.equal(heads[0], heads[2])


def test_optimizers_are_those_that_the_papers_name():
    weight = torch.nn.Parameter(torch.ones(2, 2))
    adamw, adafactor = (
        optimizers.create(name, [{"params": [weight]}], 1e-3).defaults for name in ("adamw", "adafactor")
    )
    assert adamw["eps"] == 1e-8 and adamw["betas"] == (0.9, 0.999)
    assert not (adafactor["scale_parameter"] or adafactor["relative_step"] or adafactor["warmup_init"])
