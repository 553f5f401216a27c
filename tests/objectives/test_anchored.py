"""L2 and EWC against automatic differentiation, their limits bit for bit, and where θ* and F come from."""

import copy

import pytest
import torch
from test_objectives import bert, cut, examples, gradient, identical, relative
from test_train import same, timeless
from tiny import config, options, resumed, save_family
from torch.nn import functional as F

from xlgen import models
from xlgen.core.config import RunConfig
from xlgen.core.device import accelerator_for
from xlgen.core.errors import ConfigError, DataError, ModelError, UnknownName
from xlgen.core.store import Store
from xlgen.data.text import read
from xlgen.fisher import mlm, of_text
from xlgen.fisher.of_text import Settings
from xlgen.objectives import Anchor, Baseline, Step, create
from xlgen.objectives.anchored import EWC, L2
from xlgen.training import runs, setup, train
from xlgen.training.anchors import anchors_for
from xlgen.training.presets import config_for

pytestmark = pytest.mark.usefixtures("toy_tasks")

torch.set_num_threads(1)


# --- the gradient ---------------------------------------------------------------------------------------------------


def moved(model, seed=1):
    """θ* at some distance from the weights of ``model``, for all but the head; and an F over orders of magnitude."""
    draw = torch.Generator().manual_seed(seed)
    names = {name: w for name, w in model.named_parameters() if not name.startswith("classifier")}
    theta = {k: w.detach() + 0.1 * torch.randn(w.shape, generator=draw, dtype=w.dtype) for k, w in names.items()}
    return theta, {k: 10 ** (3 * torch.randn(w.shape, generator=draw, dtype=w.dtype)) for k, w in names.items()}


def penalty(model, theta, weight=None):
    parts = [
        ((1 if weight is None else weight[name]) * (w - theta[name]).square()).sum()
        for name, w in model.named_parameters()
        if name in theta
    ]
    return sum(parts)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_is_that_of_the_equation(weighted):
    model, batch, lam = bert(), examples(6), 0.7
    theta, weight = moved(model)
    anchors = [Anchor(theta, weight if weighted else None)]
    found, logs = gradient(EWC(lam) if weighted else L2(lam), model, [batch], Step(anchors=anchors))
    model.zero_grad()
    loss = F.cross_entropy(model(**batch.inputs).logits, batch.labels)
    distance = penalty(model, theta, weight if weighted else None)
    (loss + lam / 2 * distance).backward()
    assert relative(found, {name: w.grad for name, w in model.named_parameters()}) < 1e-14
    assert logs["loss"] == pytest.approx(loss.item(), rel=1e-14)
    assert logs["penalty"] == pytest.approx(distance.item(), rel=1e-12)


def test_the_penalties_of_several_corpora_add_up():
    model, batch = bert(), examples(4)
    (theta, one), (_, two) = moved(model), moved(model, seed=2)
    both, logs = gradient(EWC(), model, [batch], Step(anchors=[Anchor(theta, one), Anchor(theta, two)]))
    total = {name: one[name] + two[name] for name in one}
    expected, expected_logs = gradient(EWC(), model, [batch], Step(anchors=[Anchor(theta, total)]))
    assert relative(both, expected) < 1e-14
    assert logs["penalty"] == pytest.approx(expected_logs["penalty"], rel=1e-12)


def test_the_penalty_counts_once_however_the_step_is_cut():
    model, batch = bert(), examples(9)
    theta, weight = moved(model)
    whole, logs = gradient(EWC(), model, [batch], Step(anchors=[Anchor(theta, weight)]))
    parts, part_logs = gradient(EWC(), model, cut(batch, 4, 2, 3), Step(anchors=[Anchor(theta, weight)]))
    assert relative(parts, whole) < 1e-12
    assert part_logs["penalty"] == logs["penalty"] and part_logs["loss"] == pytest.approx(logs["loss"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ewc_with_ones_is_l2_bit_for_bit(dtype):
    model, batch = bert(dtype=dtype), examples(6)
    theta, _ = moved(model)
    ones = {name: torch.ones_like(w) for name, w in theta.items()}
    l2, l2_logs = gradient(L2(0.3), model, [batch], Step(anchors=[Anchor(theta)]))
    ewc, ewc_logs = gradient(EWC(0.3), model, [batch], Step(anchors=[Anchor(theta, ones)]))
    assert identical(l2, ewc) and l2_logs == ewc_logs


def test_without_weight_it_is_the_baseline_bit_for_bit():
    model, batch = bert(dtype=torch.float32), examples(6)
    theta, weight = moved(model)
    expected, _ = gradient(Baseline(), model, [batch])
    for objective, anchor in ((L2(0.0), Anchor(theta)), (EWC(0.0), Anchor(theta, weight))):
        found, _ = gradient(objective, model, [batch], Step(anchors=[anchor]))
        assert identical(found, expected)


def test_only_trained_parameters_count():
    model, batch = bert(), examples(6)
    theta, _ = moved(model)
    trained = [name for name, w in model.named_parameters() if name.endswith("bias") or "classifier" in name]
    for name, w in model.named_parameters():
        w.requires_grad_(name in trained)
    found, logs = gradient(L2(0.5), model, [batch], Step(anchors=[Anchor(theta)]))
    baseline, _ = gradient(Baseline(), model, [batch])
    assert found.keys() == baseline.keys() == set(trained)
    biases = {name: theta[name] for name in trained if name in theta}
    assert logs["penalty"] == pytest.approx(penalty(model, biases).item(), rel=1e-12)
    assert torch.equal(found["classifier.weight"], baseline["classifier.weight"])
    assert not torch.equal(found["bert.pooler.dense.bias"], baseline["bert.pooler.dense.bias"])


def test_the_weights_and_the_anchors_are_left_alone():
    model, batch = bert(), examples(6)
    theta, weight = moved(model)
    before = copy.deepcopy((model.state_dict(), theta, weight))
    gradient(EWC(), model, [batch], Step(anchors=[Anchor(theta, weight)]))
    for now, then in zip((model.state_dict(), theta, weight), before, strict=True):
        assert identical(now, then)


# --- hyper-parameters -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "corpora"),
    [
        ("fr", (("fr",),)),
        ("fr+en", (("fr",), ("en",))),
        ("mix fr-en", (("fr", "en"),)),
        (" mix  fr - en + sw ", (("fr", "en"), ("sw",))),
        ("zh-min-nan", (("zh-min-nan",),)),
    ],
)
def test_the_variants_of_the_paper(text, corpora):
    assert create("ewc", {"text": text}).corpora == corpora


@pytest.mark.parametrize(
    ("name", "hyper", "message"),
    [
        ("l2", {"lam": -1}, "lam is -1"),
        ("l2", {"lam": "inf"}, "lam is 'inf'"),
        ("ewc", {"lam": "nan"}, "lam is 'nan'"),
        ("ewc", {"text": ""}, "'mix fr-en'"),
        ("ewc", {"text": "fr+"}, "'fr\\+en'"),
        ("ewc", {"text": "mix fr-fr"}, "text is 'mix fr-fr'"),
        ("ewc", {"examples": 0}, "examples is 0"),
        ("ewc", {"text": "mix fr-en", "examples": 1}, "examples is 1"),
        ("ewc", {"normalise": "max"}, "'mean' or 'raw'"),
        ("ewc", {"labels": "model"}, "'true' or 'sample'"),
    ],
)
def test_bad_hyper_parameters_are_refused(name, hyper, message):
    with pytest.raises(ConfigError, match=message):
        create(name, hyper)


# --- θ* and F -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def text_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    draw = torch.Generator().manual_seed(0)
    for number, language in enumerate(("en", "fr")):
        words = torch.randint(12 * number, 12 * number + 12, (20, 9), generator=draw).tolist()
        lines = [" ".join(f"w{word}" for word in line) for line in words]
        (folder / f"{language}.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def wanted(encoder, tmp_path, text_dir):
    """A run's configuration and options."""

    def make(objective="ewc", **changes):
        hyper = changes.pop("hyper", {"examples": 10} if objective == "ewc" else {})
        return config(encoder, objective=objective, hyper=hyper, **changes), options(tmp_path, text_dir=text_dir)

    return make


def anchors(chosen, opts):
    objective = create(chosen.objective, chosen.hyper)
    model = models.load_classifier(chosen.model, 3, seed=5, tuning=chosen.tuning)
    return anchors_for(chosen, objective, model, opts), model


def test_theta_is_the_pretrained_encoder_without_the_new_weights(wanted):
    (anchor,), model = anchors(*wanted("l2"))
    new = {"classifier.weight", "classifier.bias", "bert.pooler.dense.weight", "bert.pooler.dense.bias"}
    assert set(dict(model.named_parameters())) - set(anchor.theta) == new and anchor.weight is None
    pretrained = dict(mlm.load(wanted()[0].model).named_parameters())
    assert all(torch.equal(w, pretrained[name]) for name, w in anchor.theta.items())
    start = dict(model.named_parameters())
    assert all(torch.equal(w, start[name]) and w is not start[name] for name, w in anchor.theta.items())


def test_the_pooler_of_a_checkpoint_that_has_one_is_held_by_l2_and_free_in_ewc(tmp_path):
    model = models.load_classifier("mini", 3, seed=0)
    for objective, held in (("l2", True), ("ewc", False)):
        hyper = {} if held else {"examples": 4}
        chosen = RunConfig(model="mini", objective=objective, hyper=hyper)
        (anchor,) = anchors_for(chosen, create(objective, hyper), model, options(tmp_path))
        assert ("bert.pooler.dense.weight" in anchor.theta) is held
        assert "classifier.weight" not in anchor.theta


def test_the_fisher_information_is_that_of_the_text_with_mean_one_or_raw(wanted, text_dir):
    chosen, opts = wanted()
    (anchor,), _ = anchors(chosen, opts)
    values = torch.cat([f.double().flatten() for f in anchor.weight.values()])
    assert values.mean().item() == pytest.approx(1, rel=1e-6) and values.min() >= 0
    assert anchor.weight.keys() == anchor.theta.keys()
    (raw,), _ = anchors(chosen.with_(hyper={"examples": 10, "normalise": "raw"}), opts)
    text = read(["fr"], 10, text_dir=text_dir)
    stored = of_text.of_text(chosen.model, text, Settings(chosen.max_length), opts)
    assert identical(raw.weight, stored.diagonal()) and len(Store(opts.store).entries("fisher")) == 1
    (drawn,), _ = anchors(chosen.with_(hyper={"examples": 10, "normalise": "raw", "labels": "sample"}), opts)
    stored_too = of_text.of_text(chosen.model, text, Settings(chosen.max_length, "sample"), opts)
    assert identical(drawn.weight, stored_too.diagonal()) and not identical(drawn.weight, raw.weight)
    torch.testing.assert_close(
        anchor.weight["bert.encoder.layer.0.output.dense.weight"],
        raw.weight["bert.encoder.layer.0.output.dense.weight"] / stored.facts["mean"],
    )


def test_two_penalties_are_two_anchors_and_mixed_text_is_one(wanted):
    chosen, opts = wanted()
    raw = {"examples": 10, "normalise": "raw"}
    found = {text: anchors(chosen.with_(hyper=raw | {"text": text}), opts)[0] for text in ("fr", "fr+en", "mix fr-en")}
    assert [len(each) for each in found.values()] == [1, 2, 1]
    assert identical(found["fr"][0].weight, found["fr+en"][0].weight)
    half = raw | {"examples": 5}
    one, two = (anchors(chosen.with_(hyper=half | {"text": text}), opts)[0][0].weight for text in ("fr", "en"))
    for name, mixed in found["mix fr-en"][0].weight.items():
        torch.testing.assert_close(mixed, (one[name] + two[name]) / 2, rtol=1e-4, atol=1e-9)


def test_with_bitfit_the_mean_is_over_what_is_trained(wanted):
    (anchor,), model = anchors(*wanted(tuning="bitfit"))
    assert anchor.theta and all(dict(model.named_parameters())[name].requires_grad for name in anchor.theta)
    values = torch.cat([f.double().flatten() for f in anchor.weight.values()])
    assert values.mean().item() == pytest.approx(1, rel=1e-6)


def test_what_cannot_be_anchored_is_refused(wanted, tmp_path):
    with pytest.raises(ConfigError, match="tuning 'prompt' trains no weight"):
        anchors(*wanted("l2", tuning="prompt"))
    for objective in ("l2", "ewc"):
        chosen, opts = wanted(objective, weight_decay=0.01)
        for refusing in (runs.resolve, anchors):
            with pytest.raises(ConfigError, match="weight_decay=0"):
                refusing(chosen, opts)
    with pytest.raises(DataError, match="no text in 'sw'"):
        runs.resolve(*wanted(hyper={"text": "sw"}))
    chosen, opts = wanted()
    with pytest.raises(ModelError, match="no masked language model"):
        anchors(chosen.with_(model=str(save_family(tmp_path / "mt5", "mt5"))), opts)


# --- whole runs -----------------------------------------------------------------------------------------------------


def test_a_run_without_weight_is_the_baselines_bit_for_bit(wanted):
    baseline = train.train(*wanted("baseline"))
    for objective in ("l2", "ewc"):
        chosen, opts = wanted(objective)
        found = train.train(chosen.with_(hyper={**chosen.hyper, "lam": 0.0}), opts)
        assert same(baseline, found)
        assert found.log[-1]["loss"] == baseline.log[-1]["loss"] and found.log[-1]["penalty"] > 0


@pytest.mark.parametrize("objective", ["l2", "ewc"])
def test_a_run_stays_the_closer_the_more_weight(wanted, objective):
    travelled = []
    for lam in (0.0, 1.0, 100.0):
        chosen, opts = wanted(objective)
        chosen = chosen.with_(hyper={**chosen.hyper, "lam": lam})
        travelled.append(train.train(chosen, opts).log[-1]["penalty"])
    assert travelled[0] > 1.5 * travelled[1] > 1.5 * 1.5 * travelled[2] > 0


@pytest.mark.parametrize("objective", ["l2", "ewc"])
def test_killed_and_resumed_it_ends_in_the_same_bits(wanted, tmp_path, monkeypatch, objective):
    chosen, opts = wanted(objective, epochs=2)
    whole = train.train(chosen, opts)
    update, kills, file = train._update, [4, 9], tmp_path / "resume.safetensors"

    def killed(loop, number, micro_batches):
        if kills and number == kills[0]:
            kills.pop(0)
            raise KeyboardInterrupt
        return update(loop, number, micro_batches)

    monkeypatch.setattr(train, "_update", killed)
    opts = options(tmp_path, text_dir=opts.text_dir, checkpoint_every=3)
    while kills:
        with pytest.raises(KeyboardInterrupt):
            train.train(chosen, opts, file)
    resumed = train.train(chosen, opts, file)
    assert same(whole, resumed) and timeless(whole) == timeless(resumed)


def test_the_text_is_part_of_the_run_and_its_place_is_not(wanted, tmp_path, text_dir):
    chosen, opts = wanted()
    first = runs.resolve(chosen, opts)
    assert first.hyper["text"] == "fr" and first.data
    copied = tmp_path / "elsewhere"
    copied.mkdir()
    (copied / "fr.txt").write_bytes((text_dir / "fr.txt").read_bytes())
    assert runs.resolve(chosen, options(tmp_path, text_dir=copied)).hash == first.hash
    (copied / "fr.txt").write_text("w3 w4 w5\n" * 10)
    assert runs.resolve(chosen, options(tmp_path, text_dir=copied)).hash != first.hash
    with pytest.raises(DataError, match="made for data"):
        runs.resolve(first, options(tmp_path, text_dir=copied))
    baseline = runs.resolve(wanted("baseline")[0], opts)
    assert runs.resolve(wanted("l2")[0], opts).data == baseline.data != first.data


def test_runs_that_differ_in_the_seed_share_a_fisher_information(wanted, monkeypatch):
    chosen, opts = wanted(epochs=1)
    first = runs.run(chosen, opts)
    monkeypatch.setattr(mlm, "load", lambda name: pytest.fail("computed again"))
    second = runs.run(chosen.with_(seed=1), opts)
    assert first.key != second.key and len(Store(opts.store).entries("fisher")) == 1
    assert first.log[-1]["penalty"] > 0


def test_the_command_line_names_hyper_parameters_of_ewc():
    chosen = config_for("mini", objective="ewc", lam="3", text="fr+en", examples="50")
    assert create(chosen.objective, chosen.hyper) == EWC(lam=3.0, text="fr+en", examples=50)
    with pytest.raises(UnknownName, match="'text'"):
        config_for("mini", objective="ewc", txet="fr")


# --- optimizers -----------------------------------------------------------------------------------------------------


def adafactor(p, gradients, lr, decay=0.0):
    """shazeer2018adafactor, algorithm 4, written out for one matrix: no first moment, schedule given from outside."""
    row, column = torch.zeros(p.shape[0], dtype=p.dtype), torch.zeros(p.shape[1], dtype=p.dtype)
    for t, g in enumerate(gradients, start=1):
        beta = 1 - t**-0.8
        row = beta * row + (1 - beta) * (g**2 + 1e-30).mean(dim=1)
        column = beta * column + (1 - beta) * (g**2 + 1e-30).mean(dim=0)
        update = g / (row[:, None] * column[None, :] / row.mean()).sqrt()
        update = update / max(1.0, update.square().mean().sqrt().item())
        p = p - lr * decay * p - lr * update
    return p


def test_adafactor_is_the_papers_with_a_learning_rate_from_outside():
    from xlgen.training import optimizers

    draw = torch.Generator().manual_seed(0)
    start, *gradients = (torch.randn(4, 3, generator=draw, dtype=torch.float64) for _ in range(6))
    w = torch.nn.Parameter(start.clone())
    optimizer = optimizers.create("adafactor", [{"params": [w], "weight_decay": 0.1}], lr=0.02)
    for g in gradients:
        w.grad = g.clone()
        optimizer.step()
    torch.testing.assert_close(w.detach(), adafactor(start, gradients, 0.02, 0.1), rtol=1e-12, atol=1e-12)


def test_the_optimizer_is_part_of_the_run_and_an_unknown_one_is_refused(wanted):
    adamw, other = (train.train(*wanted("baseline", epochs=1, optimizer=name)) for name in ("adamw", "adafactor"))
    assert not same(adamw, other)
    with pytest.raises(UnknownName, match="Did you mean 'adafactor'"):
        train.train(*wanted("baseline", optimizer="adafator"))


@pytest.mark.parametrize("every", [1, 3])
def test_adafactor_resumes_in_the_same_bits(wanted, tmp_path, monkeypatch, every):
    chosen, _ = wanted("baseline", epochs=2, optimizer="adafactor", weight_decay=0.1, warmup=0.2)
    whole = train.train(chosen, options(tmp_path))
    assert same(whole, resumed(monkeypatch, chosen, options(tmp_path, checkpoint_every=every), [1, 5, 9]))


def test_the_state_of_adafactor_is_restored_with_its_types(wanted, tmp_path):
    from xlgen.training import checkpoint

    chosen, opts = wanted("baseline", optimizer="adafactor")
    loop, _ = setup.prepare(chosen, opts, accelerator_for("cpu"))
    train._update(loop, 0, next(loop.train.epoch(8, 0, 0, 0)))
    checkpoint.save(tmp_path / "c.safetensors", loop.model, loop.optimizer, checkpoint.Progress(step=1), {})
    other, _ = setup.prepare(chosen, opts, accelerator_for("cpu"))
    progress, _ = checkpoint.load(tmp_path / "c.safetensors", other.model, other.optimizer)
    saved, restored = loop.optimizer.state_dict()["state"], other.optimizer.state_dict()["state"]
    assert progress.step == 1 and saved.keys() == restored.keys()
    for index, state in saved.items():
        assert state.keys() == restored[index].keys() and restored[index]["step"] == 1
        for key, value in state.items():
            assert type(value) is type(restored[index][key])
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(restored[index][key]))
