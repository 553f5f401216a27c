"""Objectives that ask two predictions to agree, against their definitions and the theorem behind them."""

import copy
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from test_objectives import bert, cut, examples, flat, gradient, identical, relative, state
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertForTokenClassification

from xlgen.core.errors import ConfigError, DataError
from xlgen.data.batch import IGNORE, Batch
from xlgen.fisher import exact
from xlgen.objectives import MVR, Baseline, Step, create
from xlgen.objectives.divergence import DIRECTIONS, divergence
from xlgen.objectives.noise import Consistency
from xlgen.objectives.rdrop import RDrop

torch.set_num_threads(1)


class Small(nn.Module):
    """A classifier small enough for the exact Fisher information; ``tied`` uses one matrix twice."""

    def __init__(self, tied=False):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        if tied:
            self.second.weight = self.first.weight
        self.dropout = nn.Dropout(0.0)
        self.double()

    def forward(self, x):
        return SimpleNamespace(logits=self.second(self.dropout(torch.tanh(self.first(x)))))


class Plain(nn.Module):
    """The same without the wrapping, for :mod:`xlgen.fisher.exact`."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x).logits


def points(n=6, seed=0):
    x = torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Batch({"x": x}, torch.arange(n) % 3, torch.arange(n))


def kl(p, q):
    """By the definition, from probabilities (U, C)."""
    return (p * (p.log() - q.log())).sum(-1).mean()


# --- the divergence ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_each_direction_has_its_own_target_and_only_the_target_is_tempered(temperature):
    z = torch.randn(2, 7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    clean, perturbed = z
    p, q = z.softmax(-1)
    p_flat, q_flat = (z / temperature).softmax(-1)
    expected = {"forward": kl(p_flat, q), "reverse": kl(q_flat, p)}
    expected["symmetric"] = (expected["forward"] + expected["reverse"]) / 2
    for direction in DIRECTIONS:
        found = divergence(clean, perturbed, direction=direction, temperature=temperature)
        torch.testing.assert_close(found, expected[direction], rtol=1e-12, atol=0)
    assert len({round(v.item(), 6) for v in expected.values()}) == 3


@pytest.mark.parametrize(("direction", "target"), [("forward", 0), ("reverse", 1)])
def test_detach_holds_the_target_constant_and_nothing_else(direction, target):
    views = [torch.randn(5, 3, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    free = torch.autograd.grad(divergence(*views, direction=direction), views)
    held = torch.autograd.grad(divergence(*views, direction=direction, detach=True), views, materialize_grads=True)
    assert free[0].any() and free[1].any()
    assert not held[target].any() and torch.equal(held[1 - target], free[1 - target])


@pytest.mark.parametrize("kind", [MVR, RDrop, Consistency])
def test_options_out_of_range_are_explained(kind):
    with pytest.raises(ConfigError, match="direction is 'both'; expected 'forward', 'reverse' or 'symmetric'"):
        kind(direction="both")
    with pytest.raises(ConfigError, match="kl_t is 0"):
        kind(kl_t=0)
    for name in {"lam", "alpha", "sigma"} & set(kind.__dataclass_fields__):
        with pytest.raises(ConfigError, match=f"{name} is -1"):
            kind(**{name: -1})


@pytest.mark.parametrize(("name", "hyper"), [("rdrop", {}), ("consistency", {}), ("mvr", {"direction": "symmetric"})])
def test_micro_batches_add_up_to_one_batch(name, hyper):
    model, batch, objective = bert(), examples(9), create(name, hyper)
    whole, logs = gradient(objective, model, [batch])
    parts, part_logs = gradient(objective, model, cut(batch, 4, 2, 3))
    assert relative(parts, whole) < 1e-12 and part_logs == pytest.approx(logs, rel=1e-9, abs=1e-15)
    assert logs["loss"] == pytest.approx(F.cross_entropy(model(**batch.inputs).logits, batch.labels).item(), rel=1e-12)


# --- MVR --------------------------------------------------------------------------------------------------------------


def test_mvr_can_turn_its_divergence_around():
    model, batch = bert(), examples(6)
    det, prob = (model(**x).logits.detach().softmax(-1) for x in (batch.inputs, batch.view))
    expected = {"forward": kl(det, prob), "reverse": kl(prob, det), "symmetric": (kl(det, prob) + kl(prob, det)) / 2}
    for direction, value in expected.items():
        assert gradient(MVR(direction=direction), model, [batch])[1]["kl"] == pytest.approx(value.item(), rel=1e-9)


def tagger():
    torch.manual_seed(0)
    sizes = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    config = BertConfig(vocab_size=40, num_labels=4, max_position_embeddings=16, attn_implementation="eager", **sizes)
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    return BertForTokenClassification(config).double().train()


def tagged():
    """Three sentences of 3, 2 and 3 words; the view of the first has lost its last word."""
    at = {  # row: places of the words in both segmentations
        0: ([1, 3, 6], [1, 5]),
        1: ([1, 2], [2, 6]),
        2: ([2, 4, 5], [1, 2, 3]),
    }
    generator = torch.Generator().manual_seed(1)
    ids, view_ids = (torch.randint(5, 40, (3, width), generator=generator) for width in (7, 8))
    labels, view_labels = torch.full((3, 7), IGNORE), torch.full((3, 8), IGNORE)
    truth = {0: [0, 1, 2], 1: [3, 0], 2: [1, 2, 3]}
    for row, (places, view_places) in at.items():
        for k, place in enumerate(places):
            labels[row, place] = truth[row][k]
        for k, place in enumerate(view_places):
            view_labels[row, place] = truth[row][k]
    inputs, view = ({"input_ids": x, "attention_mask": torch.ones_like(x)} for x in (ids, view_ids))
    return Batch(inputs, labels, torch.arange(3), view=view, view_labels=view_labels), at


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_mvr_matches_the_words_of_each_sentence(direction):
    """Word by word by hand; the lost word counts as 0 in the terms of the view."""
    model, (batch, at) = tagger(), tagged()
    found, logs = gradient(MVR(lam=0.6, direction=direction), model, [batch])
    model.zero_grad()
    z, view_z = model(**batch.inputs).logits, model(**batch.view).logits
    loss = view_loss = divergence = 0.0
    for row, (places, view_places) in at.items():
        for place in places:
            loss = loss - z[row, place].log_softmax(-1)[batch.labels[row, place]] / 8
        for place, view_place in zip(places, view_places, strict=False):
            p, q = z[row, place].softmax(-1), view_z[row, view_place].softmax(-1)
            view_loss = view_loss - q.log()[batch.labels[row, place]] / 8
            ways = {"forward": kl(p[None], q[None]), "reverse": kl(q[None], p[None])}
            divergence = divergence + ways.get(direction, sum(ways.values()) / 2) / 8
    (0.5 * loss + 0.5 * view_loss + 0.6 * divergence).backward()
    assert relative(found, {name: p.grad for name, p in model.named_parameters() if p.grad is not None}) < 1e-12
    expected = {"loss": loss.item(), "view_loss": view_loss.item(), "kl": divergence.item()}
    assert logs == pytest.approx(expected, rel=1e-9)
    parts, _ = gradient(MVR(lam=0.6, direction=direction), model, [batch.rows(slice(0, 1)), batch.rows(slice(1, 3))])
    assert relative(parts, found) < 1e-12


def test_mvr_refuses_a_view_of_other_words():
    batch, _ = tagged()
    labels = batch.view_labels.clone()
    labels[1, 2] = 1
    with pytest.raises(DataError, match="other labels"):
        gradient(MVR(), tagger(), [replace(batch, view_labels=labels)])


# --- R-Drop -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("direction", "kl_t"), [("symmetric", 1.0), ("forward", 1.0), ("reverse", 2.0)])
def test_rdrop_is_its_formula(direction, kl_t):
    model, batch = bert(dropout=0.3), examples(6)
    torch.manual_seed(1)
    found, logs = gradient(RDrop(alpha=0.7, direction=direction, kl_t=kl_t), model, [batch])
    model.zero_grad()
    torch.manual_seed(1)
    z1, z2 = model(**batch.inputs).logits, model(**batch.inputs).logits
    p1, p2, t1, t2 = z1.softmax(-1), z2.softmax(-1), (z1 / kl_t).softmax(-1), (z2 / kl_t).softmax(-1)
    ways = {"forward": kl(t1, p2), "reverse": kl(t2, p1), "symmetric": (kl(t1, p2) + kl(t2, p1)) / 2}
    loss = sum(F.cross_entropy(z, batch.labels) for z in (z1, z2)) / 2
    (loss + 0.7 * ways[direction]).backward()
    assert relative(found, {name: p.grad for name, p in model.named_parameters()}) < 1e-12
    assert logs == pytest.approx({"loss": loss.item(), "kl": ways[direction].item()}, rel=1e-9) and logs["kl"] > 1e-6


def test_rdrop_without_dropout_is_the_baseline():
    model, batch = bert(), examples(6)
    expected, _ = gradient(Baseline(), model, [batch])
    found, logs = gradient(RDrop(alpha=5.0), model, [batch])
    assert relative(found, expected) < 1e-12 and abs(logs["kl"]) < 1e-14


# --- noise on the weights ---------------------------------------------------------------------------------------------


def seeded(seed):
    return Step(generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("tied", [False, True])
def test_the_mean_divergence_is_half_the_variance_times_the_fisher_trace(tied):
    """E KL(p_θ || p_θ+ε) = 1/2 σ² Tr F, F from its definition; tied weights move together and count once."""
    model, batch, sigma = Small(tied), points(), 1e-2
    logits, theta = exact.flat(Plain(model), batch.inputs["x"])
    expected = 0.5 * sigma**2 * exact.fisher(logits, theta).trace().item()
    generator = torch.Generator().manual_seed(0)
    objective = Consistency(sigma=sigma)
    draws = torch.tensor([gradient(objective, model, [batch], Step(generator=generator))[1]["kl"] for _ in range(600)])
    error = draws.std().item() / math.sqrt(600)
    assert error < 0.05 * expected and abs(draws.mean().item() - expected) < 4 * error


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("tied", [False, True])
def test_the_gradient_is_that_of_the_loss_with_the_noise_held_fixed(direction, tied):
    """Against differences of the objective itself: both predictions move with the weights."""
    model, batch = Small(tied), points()
    objective = Consistency(lam=3.0, sigma=0.5, direction=direction, kl_t=1.5)
    found, _ = gradient(objective, model, [batch], seeded(1))

    def value():
        logs = gradient(objective, model, [batch], seeded(1))[1]
        return logs["loss"] + 3.0 * logs["kl"]

    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        direction_ = {n: torch.randn(w.shape, generator=generator, dtype=w.dtype) for n, w in model.named_parameters()}
        values = []
        for sign in (1, -2, 1):
            with torch.no_grad():
                for name, w in model.named_parameters():
                    w += sign * 1e-5 * direction_[name]
            values.append(value())
        assert float(flat(found) @ flat(direction_)) == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-6)


def test_a_detached_target_leaves_the_gradient_of_the_noisy_pass_alone():
    model, batch = Small(), points()
    base, _ = gradient(Baseline(), model, [batch])
    found, logs = gradient(Consistency(lam=2.0, sigma=0.3, detach=True), model, [batch], seeded(3))
    target = model(**batch.inputs).logits.softmax(-1).detach()
    noisy = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for _, w in sorted(noisy.named_parameters()):
            w += 0.3 * torch.randn(w.shape, generator=generator)
    noisy.zero_grad()
    expected = kl(target, noisy(**batch.inputs).logits.softmax(-1))
    expected.backward()
    assert logs["kl"] == pytest.approx(expected.item(), rel=1e-9)
    added = {name: found[name] - base[name] for name in base}
    assert relative(added, {name: 2 * w.grad for name, w in noisy.named_parameters()}) < 1e-9


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_weight_or_noise_it_is_the_baseline(dtype):
    """With weight 0 bit for bit, random state included; without noise up to the rounding of the divergence."""
    found = []
    for objective in (Baseline(), Consistency(lam=0.0), Consistency(sigma=0.0)):
        model = bert(dropout=0.2, dtype=dtype)
        torch.manual_seed(2)
        found.append((gradient(objective, model, cut(examples(6), 4, 2)), torch.get_rng_state()))
    (baseline, _), (no_weight, logs), (no_noise, _) = (each for each, _ in found)
    assert identical(no_weight, baseline) and all(torch.equal(rng, found[0][1]) for _, rng in found)
    assert relative(no_noise, baseline) < (1e-5 if dtype == torch.float32 else 1e-13)
    assert logs["kl"] > 0


def test_the_divergence_is_due_to_the_noise_and_not_to_dropout():
    model = bert(dropout=0.4)
    assert abs(gradient(Consistency(sigma=0.0), model, [examples(6)])[1]["kl"]) < 1e-14
    assert gradient(RDrop(), model, [examples(6)])[1]["kl"] > 1e-6


def test_noise_moves_the_trained_parameters_alone_and_for_one_pass():
    model, batch = Small(), points()
    for p in model.first.parameters():
        p.requires_grad_(False)
    before, seen = state(model), []
    for module in (model.first, model.second):
        module.register_forward_pre_hook(lambda module, _: seen.append(module.weight.detach().clone()))
    gradient(Consistency(), model, [batch])
    assert (
        torch.equal(seen[0], seen[2])
        and not torch.equal(seen[1], seen[3])
        and torch.equal(seen[1], before["second.weight"])
    )
    assert identical(state(model), before)
