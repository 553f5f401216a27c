"""Objectives against their definitions, in float64 on a BERT small enough for exact oracles."""

import copy
import importlib
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertForSequenceClassification

from xlgen.core.errors import ConfigError, DataError, TrainingError, UnknownName
from xlgen.core.hyper import named
from xlgen.data.batch import Batch
from xlgen.objectives import MVR, OBJECTIVES, SAM, Baseline, FisherPenalty, Objective, Step, create

FISHER = [
    {"labels": labels, "method": m} for labels in ("sample", "true") for m in ("finite_difference", "double_backward")
]
ALL = [
    ("baseline", {}),
    ("sam", {}),
    ("sam", {"adaptive": True}),
    ("mvr", {}),
    *(("fisher", hyper) for hyper in FISHER),
]
OF_PARTS = ("sam", {"ascent": "micro_batch"})
"""The one that depends on how a step is cut into micro-batches."""


def bert(dropout=0.0, dtype=torch.float64):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
        num_labels=3,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        attn_implementation="eager",
    )
    return BertForSequenceClassification(config).to(dtype).train()


def examples(n, seed=0, length=8, view=True):
    """Padded examples whose label follows from their first two tokens."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, 40, (n, length), generator=generator)
    mask = torch.ones_like(ids)
    mask[::3, -2:] = 0
    other = torch.randint(5, 40, (n, length + 2), generator=generator)
    sampled = {"input_ids": other, "attention_mask": torch.ones_like(other)} if view else None
    return Batch({"input_ids": ids, "attention_mask": mask}, (ids[:, 0] + 2 * ids[:, 1]) % 3, torch.arange(n), sampled)


def cut(batch, *sizes):
    """``batch`` in micro-batches of ``sizes``."""
    assert sum(sizes) == len(batch)
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    take = lambda tensors, a, b: None if tensors is None else {k: v[a:b] for k, v in tensors.items()}  # noqa: E731
    return [
        Batch(take(batch.inputs, a, a + n), batch.labels[a : a + n], batch.index[a : a + n], take(batch.view, a, a + n))
        for a, n in zip(starts, sizes, strict=True)
    ]


def gradient(objective, model, batches, step=None):
    """The gradients by name, and the logs."""
    model.zero_grad(set_to_none=True)
    logs = objective.gradient(model, batches, step or Step())
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}, logs


def flat(tensors):
    return torch.cat([t.flatten() for t in tensors.values()])


def relative(found, expected):
    return float((flat(found) - flat(expected)).norm() / flat(expected).norm())


def state(model):
    return {name: p.detach().clone() for name, p in model.state_dict().items()}


def identical(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def trained():
    """A model after a few steps, where the curvature is that of training rather than of initialisation."""
    model, data = bert(), examples(64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(30):
        optimizer.zero_grad()
        F.cross_entropy(model(**data.inputs).logits, data.labels).backward()
        optimizer.step()
    return model


@pytest.fixture(scope="module")
def trained_model():
    return trained()


# --- all objectives -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "hyper"), ALL)
def test_micro_batches_add_up_to_one_batch(name, hyper):
    model, batch, objective = bert(), examples(9), create(name, hyper)
    whole, logs = gradient(objective, model, [batch])
    parts, part_logs = gradient(objective, model, cut(batch, 4, 2, 3))
    assert (
        relative(parts, whole) < 1e-8 if hyper.get("method") == "finite_difference" else relative(parts, whole) < 1e-12
    )
    assert part_logs == pytest.approx(logs, rel=1e-9)
    expected = F.cross_entropy(model(**batch.inputs).logits, batch.labels)
    assert logs["loss"] == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize(("name", "hyper"), [*ALL, OF_PARTS])
def test_weights_and_frozen_parameters_are_left_alone(name, hyper):
    model = bert(dropout=0.1)
    for p in model.bert.embeddings.parameters():
        p.requires_grad_(False)
    before, pointers = state(model), [p.data_ptr() for p in model.parameters()]
    found, _ = gradient(create(name, hyper), model, cut(examples(6), 4, 2))
    assert identical(state(model), before) and pointers == [p.data_ptr() for p in model.parameters()]
    assert found and not any("embeddings" in key for key in found)


@pytest.mark.parametrize(("name", "hyper"), [*ALL, OF_PARTS])
def test_parameters_without_a_gradient_are_left_alone(name, hyper):
    model, batch = bert(), examples(6)
    unused = nn.Parameter(torch.ones(3, dtype=torch.float64))
    expected, _ = gradient(create(name, hyper), model, [batch])
    model.register_parameter("unused", unused)
    found, _ = gradient(create(name, hyper), model, [batch])
    assert identical(found, expected) and torch.equal(unused, torch.ones(3))
    for p in model.parameters():  # as after zero_grad(set_to_none=False)
        p.grad = torch.zeros_like(p)
    create(name, hyper).gradient(model, [batch], Step())
    assert relative({name: model.get_parameter(name).grad for name in expected}, expected) < 1e-12
    assert torch.equal(unused, torch.ones(3)) and (unused.grad is None or not unused.grad.any())


@pytest.mark.parametrize(("name", "hyper"), [*ALL, OF_PARTS])
def test_a_loss_that_is_not_finite_stops_training(name, hyper):
    model = bert()
    with torch.no_grad():
        model.classifier.bias.fill_(math.nan)
    with pytest.raises(TrainingError, match="optimizer step 7; train with a lower learning rate") as error:
        gradient(create(name, hyper), model, [examples(4)], Step(number=7))
    assert "\n" not in str(error.value)
    assert torch.isfinite(model.classifier.weight).all()


@pytest.mark.parametrize(("name", "hyper"), [*ALL, OF_PARTS])
def test_objectives_satisfy_the_protocol(name, hyper):
    objective = create(name, hyper)
    assert isinstance(objective, Objective)
    assert objective.needs_views == (name == "mvr")
    assert objective.needs_double_backward == (hyper.get("method") == "double_backward")
    with pytest.raises(AttributeError):
        objective.needs_views = True


# --- names and hyper-parameters -------------------------------------------------------------------------------------


def test_create_reads_strings_and_keeps_defaults():
    assert create("baseline") == Baseline() and create("mvr", {}) == MVR(p=0.2, lam=0.6, kl_t=1.0, faithful=False)
    assert create("sam", {"rho": "0.1", "adaptive": "True", "same_dropout": 0}) == SAM(0.1, True, same_dropout=False)
    # papermill turns the word true into a boolean
    assert create("fisher", {"labels": True, "every_k": "10"}) == FisherPenalty(labels="true", every_k=10)
    assert isinstance(create("sam", {"rho": 1}).rho, float) and isinstance(
        create("fisher", {"every_k": 2.0}).every_k, int
    )


@pytest.mark.parametrize(
    ("name", "hyper", "error", "message"),
    [
        ("sma", {}, UnknownName, "unknown objective 'sma'. Did you mean 'sam'?"),
        ("sam", {"roh": 0.1}, UnknownName, "unknown hyper-parameter of sam 'roh'. Did you mean 'rho'?"),
        ("fisher", {"wieght": 1}, UnknownName, "Did you mean 'weight'?"),
        ("baseline", {"rho": 0.1}, ConfigError, "baseline has no hyper-parameters; 'rho' was given."),
        ("sam", {"rho": "big"}, ConfigError, "sam: rho is 'big'; expected a number >= 0, such as 0.05."),
        ("sam", {"rho": True}, ConfigError, "expected a number"),
        ("sam", {"rho": None}, ConfigError, "expected a number"),
        ("sam", {"adaptive": "maybe"}, ConfigError, "expected true or false"),
        ("sam", {"adaptive": 2}, ConfigError, "expected true or false"),
        ("sam", {"rho": -0.1}, ConfigError, "rho is -0.1; expected a number >= 0"),
        ("sam", {"rho": "nan"}, ConfigError, "rho is 'nan'"),
        ("sam", {"rho": "inf"}, ConfigError, "rho is 'inf'"),
        ("sam", {"eta": -1}, ConfigError, "eta is -1;"),
        ("sam", {"ascent": "process"}, ConfigError, "ascent is 'process'; expected 'step' or 'micro_batch'"),
        ("fisher", {"weight": -1}, ConfigError, "weight is -1;"),
        ("fisher", {"labels": "model"}, ConfigError, "labels is 'model'; expected 'sample' or 'true'"),
        ("fisher", {"method": "exact"}, ConfigError, "expected 'finite_difference' or 'double_backward'"),
        ("fisher", {"every_k": 0}, ConfigError, "every_k is 0"),
        ("fisher", {"every_k": "1.5"}, ConfigError, "expected a whole number"),
        ("fisher", {"every_k": "inf"}, ConfigError, "expected a whole number"),
        ("fisher", {"h": 0}, ConfigError, "h is 0;"),
        ("mvr", {"p": 1.5}, ConfigError, r"p is 1.5; expected a probability in [0, 1]"),
        ("mvr", {"lam": -1}, ConfigError, "lam is -1;"),
        ("mvr", {"kl_t": 0}, ConfigError, "kl_t is 0;"),
    ],
)
def test_bad_names_and_values_are_explained(name, hyper, error, message):
    with pytest.raises(error) as raised:
        create(name, hyper)
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_the_registry_lists_the_objectives():
    assert {"baseline", "sam", "fisher", "mvr"} <= set(OBJECTIVES)


# --- baseline -------------------------------------------------------------------------------------------------------


def test_baseline_is_the_gradient_of_the_cross_entropy():
    model, batch = bert(), examples(5)
    found, _ = gradient(Baseline(), model, [batch])
    model.zero_grad()
    F.cross_entropy(model(**batch.inputs).logits, batch.labels).backward()
    assert identical(found, {name: p.grad for name, p in model.named_parameters()})


# --- SAM ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("adaptive", [False, True])
def test_sam_is_the_papers_two_steps(adaptive):
    model, batch, rho, eta = bert(), examples(6), 0.3, 0.05
    found, logs = gradient(SAM(rho=rho, adaptive=adaptive, eta=eta), model, [batch])

    oracle = copy.deepcopy(model)
    g, _ = gradient(Baseline(), oracle, [batch])
    t = {
        name: w.detach().abs() + eta if adaptive and "weight" in name else torch.ones_like(w)
        for name, w in oracle.named_parameters()
    }
    size = math.sqrt(sum(((t[name] * g[name]) ** 2).sum().item() for name in g))
    with torch.no_grad():
        for name, w in oracle.named_parameters():
            w += rho * t[name] ** 2 * g[name] / size
    expected, above = gradient(Baseline(), oracle, [batch])
    assert relative(found, expected) < 1e-12 and relative(found, g) > 1e-3
    assert logs["sam_loss"] == pytest.approx(above["loss"], rel=1e-12) and logs["sam_loss"] > logs["loss"]
    assert logs["ascent_norm"] == pytest.approx(size, rel=1e-12)


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sam_without_a_radius_is_the_baseline_bit_for_bit(adaptive, dtype):
    def run(objective):
        model = bert(dropout=0.2, dtype=dtype)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        torch.manual_seed(1)
        for number in range(4):
            gradient(objective, model, cut(examples(6, seed=number), 4, 2), Step(number))
            optimizer.step()
        return state(model), torch.get_rng_state()

    baseline, sam = run(Baseline()), run(SAM(rho=0.0, adaptive=adaptive))
    assert identical(baseline[0], sam[0]) and torch.equal(baseline[1], sam[1])
    assert not identical(baseline[0], run(SAM(rho=0.05, adaptive=adaptive))[0])


@pytest.mark.parametrize("adaptive", [False, True])
def test_an_ascent_of_each_part_gives_the_mean_of_their_gradients_at_perturbed_weights(adaptive):
    """Whose m-sharpness is lowered: foret2021sam, section 4.1."""
    model, batch, sizes = bert(), examples(9), (4, 2, 3)
    how = {"rho": 0.3, "adaptive": adaptive}
    found, logs = gradient(SAM(**how, ascent="micro_batch"), model, cut(batch, *sizes))
    parts = [gradient(SAM(**how), model, [part]) for part in cut(batch, *sizes)]
    expected = {name: sum(n / 9 * part[name] for n, (part, _) in zip(sizes, parts, strict=True)) for name in found}
    assert relative(found, expected) < 1e-12
    assert logs == pytest.approx(
        {key: sum(n / 9 * p[key] for n, (_, p) in zip(sizes, parts, strict=True)) for key in logs}
    )
    together, _ = gradient(SAM(**how), model, cut(batch, *sizes))
    assert relative(found, together) > 1e-3


@pytest.mark.parametrize("same_dropout", [False, True])
def test_an_ascent_of_the_only_part_is_that_of_the_step_bit_for_bit(same_dropout):
    model, step = bert(dropout=0.2), SAM(same_dropout=same_dropout)
    results = []
    for objective in (step, SAM(same_dropout=same_dropout, ascent="micro_batch")):
        torch.manual_seed(1)
        results.append((*gradient(objective, model, [examples(6)]), torch.get_rng_state()))
    (one, logs, drawn), (other, other_logs, other_drawn) = results
    assert identical(one, other) and logs == other_logs and torch.equal(drawn, other_drawn)


def test_a_hyper_parameter_that_came_later_is_not_in_a_name_until_it_is_set():
    assert named(SAM(rho=0.1)) == {"rho": 0.1, "adaptive": False, "eta": 0.01, "same_dropout": True}
    assert named(SAM(ascent="micro_batch"))["ascent"] == "micro_batch"


class Recorder(nn.Module):
    """Passes everything to a model and notes the masks of its dropout layers."""

    def __init__(self, model):
        super().__init__()
        self.model, self.masks = model, []
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.register_forward_hook(
                    lambda _, inputs, output: self.masks.append((output == 0) & (inputs[0] != 0))
                )

    def forward(self, **inputs):
        return self.model(**inputs)


@pytest.mark.parametrize(
    ("objective", "same"),
    [
        (SAM(), True),
        (SAM(same_dropout=False), False),
        (FisherPenalty(), True),
        (FisherPenalty(labels="true"), True),
    ],
)
def test_the_two_passes_share_their_dropout_masks(objective, same):
    torch.manual_seed(3)
    model = Recorder(bert(dropout=0.3))
    gradient(objective, model, cut(examples(6), 4, 2))
    first, second = model.masks[: len(model.masks) // 2], model.masks[len(model.masks) // 2 :]
    assert len(first) > 4 and any(mask.any() for mask in first)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True)) == same


@pytest.mark.parametrize(
    "objective", [SAM(rho=0.5), SAM(adaptive=True), FisherPenalty(h=0.1), FisherPenalty(labels="true")]
)
def test_weights_are_restored_after_an_exception_in_the_second_pass(objective):
    model = bert(dtype=torch.float32)
    before, calls, moved = state(model), [0], []

    def backward(loss):
        calls[0] += 1
        if calls[0] == 4:
            moved.append(not identical(state(model), before))
            raise KeyboardInterrupt
        loss.backward()

    with pytest.raises(KeyboardInterrupt):
        gradient(objective, model, cut(examples(6), 3, 3), Step(backward=backward))
    assert moved == [True] and identical(state(model), before)


def test_sam_and_fisher_survive_a_gradient_of_zero():
    model = bert()
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([0.0, -800.0, -800.0]))  # certain, and right
    batch = examples(4)
    batch = Batch(batch.inputs, torch.zeros_like(batch.labels), batch.index)
    for objective in (SAM(), SAM(adaptive=True), FisherPenalty(), FisherPenalty(labels="true")):
        found, logs = gradient(objective, model, [batch])
        assert not flat(found).any() and logs["loss"] == 0


@pytest.mark.parametrize("objective", [SAM(), SAM(adaptive=True), FisherPenalty(labels="true")])
def test_a_gradient_that_is_not_finite_stops_training(objective):
    def backward(loss):
        loss.backward(torch.tensor(math.inf, dtype=loss.dtype))

    model = bert()
    before = state(model)
    with pytest.raises(TrainingError, match="^the norm of .* is (inf|nan) at optimizer step 0"):
        gradient(objective, model, [examples(4)], Step(backward=backward))
    assert identical(state(model), before)


def test_sam_does_not_depend_on_the_scale_of_the_loss():
    """Loss scaling in mixed precision multiplies the result and nothing else."""
    model, batch = bert(), examples(5)
    plain, _ = gradient(SAM(rho=0.5), model, [batch])
    scaled, _ = gradient(SAM(rho=0.5), model, [batch], Step(backward=lambda loss: (1024 * loss).backward()))
    assert relative({name: g / 1024 for name, g in scaled.items()}, plain) < 1e-12


# --- Fisher penalty -------------------------------------------------------------------------------------------------


def penalty(objective, model, batch, seed=0, number=0):
    """The part of the gradient that comes from the penalty, and the logs."""
    base, _ = gradient(Baseline(), model, [batch])
    generator = torch.Generator().manual_seed(seed)
    found, logs = gradient(objective, model, [batch], Step(number=number, generator=generator))
    return {name: found[name] - base[name] for name in base}, logs


@pytest.mark.parametrize("labels", ["sample", "true"])
def test_double_backward_is_the_gradient_of_the_squared_norm(labels, trained_model):
    """Against differences of the penalty itself along random directions: no second derivative is involved."""
    batch, model = examples(8, seed=5), copy.deepcopy(trained_model)
    objective = FisherPenalty(weight=0.5, labels=labels, method="double_backward")
    found, logs = penalty(objective, model, batch)
    y = labels_of(objective, model(**batch.inputs).logits, batch, Step())

    def value():
        loss = F.cross_entropy(model(**batch.inputs).logits, y)
        return sum(g.square().sum().item() for g in torch.autograd.grad(loss, list(model.parameters())))

    assert logs["penalty"] == pytest.approx(value(), rel=1e-9)
    assert logs["fisher_trace"] == pytest.approx(8 * value(), rel=1e-9)
    for seed in range(3):
        generator, values = torch.Generator().manual_seed(seed), []
        direction = {
            name: torch.randn(w.shape, generator=generator, dtype=w.dtype) for name, w in model.named_parameters()
        }
        for sign in (1, -2, 1):
            with torch.no_grad():
                for name, w in model.named_parameters():
                    w += sign * 1e-6 * direction[name]
            values.append(value())
        slope = 0.5 * (values[0] - values[1]) / 2e-6
        assert float(flat(found) @ flat(direction)) == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize("labels", ["sample", "true"])
def test_finite_difference_is_within_a_percent_of_double_backward(labels, trained_model):
    batch = examples(16, seed=5)
    exact, logs = penalty(FisherPenalty(labels=labels, method="double_backward"), trained_model, batch)
    found, found_logs = penalty(FisherPenalty(labels=labels), trained_model, batch)
    assert relative(found, exact) < 1e-2
    assert found_logs == pytest.approx(logs, rel=1e-9)
    assert flat(exact).norm() > 1e-3
    coarse, fine = (penalty(FisherPenalty(labels=labels, h=h), trained_model, batch)[0] for h in (1e-4, 1e-5))
    assert relative(coarse, exact) == pytest.approx(10 * relative(fine, exact), rel=0.1)


def test_finite_difference_under_dropout_sees_one_function(trained_model):
    """With different masks in the two evaluations the difference over h would be noise."""
    model = copy.deepcopy(trained_model)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.2
    found = []
    for hyper in ({}, {"method": "double_backward"}):
        torch.manual_seed(4)
        found.append(gradient(FisherPenalty(weight=1.0, **hyper), model, [examples(16)])[0])
    torch.manual_seed(4)
    base, _ = gradient(Baseline(), model, [examples(16)])
    assert relative(found[0], found[1]) < 1e-2 and relative(base, found[1]) > 0.1


@pytest.mark.parametrize("hyper", FISHER)
def test_every_k_steps_the_penalty_counts_k_times(hyper, trained_model):
    batch = examples(8)
    each, _ = penalty(FisherPenalty(**hyper), trained_model, batch)
    third, logs = penalty(FisherPenalty(every_k=3, **hyper), trained_model, batch, number=6)
    assert relative(third, {name: 3 * g for name, g in each.items()}) < 1e-6 and "penalty" in logs
    for number in (1, 2, 7):
        none, logs = penalty(FisherPenalty(every_k=3, **hyper), trained_model, batch, number=number)
        assert not flat(none).any() and set(logs) == {"loss"}


@pytest.mark.parametrize("hyper", FISHER)
def test_a_penalty_without_weight_is_the_baseline(hyper):
    found = []
    for objective in (Baseline(), FisherPenalty(weight=0.0, **hyper)):
        model = bert(dropout=0.2)
        torch.manual_seed(2)
        found.append((gradient(objective, model, cut(examples(6), 4, 2))[0], torch.get_rng_state()))
    assert relative(found[1][0], found[0][0]) < 1e-14 and torch.equal(found[0][1], found[1][1])
    if hyper["method"] == "finite_difference":
        assert identical(found[1][0], found[0][0])


def labels_of(objective, logits, batch, step):
    """The labels of the penalty for a step of one micro-batch."""
    (u,) = objective._uniform([batch], step)
    return objective._labels(logits, batch.labels, u, step)


def test_sampled_labels_follow_the_model_and_the_generator(monkeypatch):
    logits = torch.tensor([[0.0, 1.0, 2.0]], dtype=torch.float64).repeat(20_000, 1)
    batch = Batch({}, torch.zeros(20_000, dtype=torch.long), torch.arange(20_000))
    draws = [
        labels_of(FisherPenalty(), logits, batch, Step(generator=torch.Generator().manual_seed(s))) for s in (0, 0, 1)
    ]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    frequencies = torch.bincount(draws[0], minlength=3) / 20_000
    torch.testing.assert_close(frequencies.double(), logits[0].softmax(0), atol=0.015, rtol=0)
    certain = labels_of(FisherPenalty(), torch.tensor([[-900.0, 0.0, -900.0]]).repeat(9, 1), examples(9), Step())
    assert certain.tolist() == [1] * 9
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.ones(*shape, dtype=torch.float64))
    assert (
        labels_of(FisherPenalty(), logits[:9], examples(9), Step()).tolist() == [2] * 9
    )  # rounding finds no fourth class


def test_fisher_trace_estimates_the_trace(trained_model):
    """B ‖mean g‖² averages to Tr F = 1/B Σ_i Σ_c p_c ‖g_ic‖², because gradients of sampled labels average to 0."""
    model, batch, trace = trained_model, examples(4), 0.0
    for i in range(4):
        inputs = {k: v[i : i + 1] for k, v in batch.inputs.items()}
        log_p = model(**inputs).logits.log_softmax(-1)[0]
        for c in range(3):
            g = torch.autograd.grad(log_p[c], list(model.parameters()), retain_graph=True)
            trace += log_p[c].exp().item() * sum(part.square().sum().item() for part in g) / 4
    generator, objective = torch.Generator().manual_seed(0), FisherPenalty(weight=0.0)
    draws = torch.tensor(
        [gradient(objective, model, [batch], Step(generator=generator))[1]["fisher_trace"] for _ in range(150)]
    )
    assert abs(draws.mean().item() - trace) < 4 * draws.std().item() / math.sqrt(150)


# --- MVR ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kl_t", [1.0, 2.0])
def test_mvr_is_its_formula_and_not_detached(kl_t):
    model, batch = bert(), examples(6)
    found, logs = gradient(MVR(lam=0.6, kl_t=kl_t), model, [batch])
    model.zero_grad()
    det, prob = model(**batch.inputs).logits, model(**batch.view).logits
    target, q = (det / kl_t).softmax(-1), prob.softmax(-1)
    kl = (target * (target.log() - q.log())).sum(-1).mean()
    loss, view_loss = (-z.log_softmax(-1)[torch.arange(6), batch.labels].mean() for z in (det, prob))
    (0.5 * loss + 0.5 * view_loss + 0.6 * kl).backward()
    assert relative(found, {name: p.grad for name, p in model.named_parameters()}) < 1e-12
    expected = {"loss": loss.item(), "view_loss": view_loss.item(), "kl": kl.item()}
    assert logs == pytest.approx(expected, rel=1e-9) and logs["kl"] > 0


def test_mvr_of_two_equal_views_is_the_baseline():
    model, batch = bert(), examples(6)
    same = Batch(batch.inputs, batch.labels, batch.index, batch.inputs)
    expected, _ = gradient(Baseline(), model, [same])
    for lam in (0.0, 0.6):  # the divergence is at its minimum, 0
        found, logs = gradient(MVR(lam=lam), model, [same])
        assert relative(found, expected) < 1e-12 and abs(logs["kl"]) < 1e-12


def test_mvr_without_a_view_says_what_to_do():
    with pytest.raises(DataError, match="mvr needs batches with a sampled view"):
        gradient(MVR(), bert(), [examples(4, view=False)])


def test_each_micro_batch_of_each_step_has_dropout_masks_of_its_own():
    x, model = torch.ones(4000, 1), nn.Sequential(nn.Linear(1, 1), nn.Dropout(0.5))

    def masks(seed, number):
        torch.manual_seed(seed)
        with importlib.import_module("xlgen.objectives.accumulate")._own_masks(model)(number):
            return model(x)

    first = masks(0, 0)
    assert torch.equal(first, masks(0, 0))
    for other in (masks(0, 1), masks(1, 0)):  # another micro-batch, another step
        assert 0.4 < (first == other).float().mean() < 0.6
