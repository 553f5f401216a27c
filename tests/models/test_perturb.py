"""Weights come back bit for bit; noise depends on names and seed alone; norms are those of one long vector."""

import math

import pytest
import torch
from torch import nn

from xlgen.models import perturb


class Tied(nn.Module):
    """An output layer that shares the embedding's table, and a frozen buffer-like integer parameter."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(7, 3)
        self.out = nn.Linear(3, 7)
        self.out.weight = self.embed.weight
        self.codes = nn.Parameter(torch.arange(4), requires_grad=False)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Tied()


def bits(model):
    return {name: p.detach().clone() for name, p in model.named_parameters(remove_duplicate=False)}


def same(model, before):
    return all(torch.equal(p, before[name]) for name, p in model.named_parameters(remove_duplicate=False))


def test_weights_are_floating_point_sorted_and_tied_once(model):
    assert list(perturb.weights(model)) == ["embed.weight", "out.bias"]


@pytest.mark.parametrize("scale", [1e-3, 1e6])
def test_restored_gives_back_the_bits_and_the_storage(model, scale):
    before, parameters = bits(model), perturb.weights(model)
    pointers = {name: p.data_ptr() for name, p in parameters.items()}
    noise = perturb.gaussian(parameters, scale, torch.Generator().manual_seed(1))
    with perturb.restored(parameters), torch.no_grad():
        for name, p in parameters.items():
            p.add_(noise[name])
        assert not same(model, before)
    assert same(model, before)
    assert pointers == {name: p.data_ptr() for name, p in parameters.items()}
    assert model.out.weight is model.embed.weight


def test_restored_after_an_exception_and_with_special_values(model):
    with torch.no_grad():
        model.embed.weight[0, 0] = math.nan
        model.embed.weight[0, 1] = -0.0
    before = model.embed.weight.detach().clone().view(torch.int32)
    parameters = perturb.weights(model)
    with pytest.raises(KeyboardInterrupt), perturb.restored(parameters), torch.no_grad():
        model.embed.weight.fill_(1.0)
        raise KeyboardInterrupt
    assert torch.equal(model.embed.weight.detach().view(torch.int32), before)


def test_a_tensor_given_twice_is_copied_once(model):
    twice = {"a": model.embed.weight, "b": model.out.weight}
    with perturb.restored(twice) as origin:
        assert origin["a"] is origin["b"]


def test_noise_depends_on_the_seed_but_not_on_order_or_type(model):
    parameters = perturb.weights(model)
    backwards = dict(reversed(parameters.items()))
    draw = lambda named, seed: perturb.gaussian(named, 0.1, torch.Generator().manual_seed(seed))  # noqa: E731
    first, again, other = draw(parameters, 3), draw(backwards, 3), draw(parameters, 4)
    wide = draw({name: p.double() for name, p in parameters.items()}, 3)
    for name in parameters:
        assert torch.equal(first[name], again[name])
        assert torch.equal(first[name], wide[name])
        assert not torch.equal(first[name], other[name])


def test_noise_has_the_scale_asked_for():
    noise = perturb.gaussian({"w": torch.empty(200, 500)}, 0.02, torch.Generator().manual_seed(0))["w"]
    assert noise.std().item() == pytest.approx(0.02, rel=0.02)
    assert noise.mean().item() == pytest.approx(0, abs=0.0005)


def test_norm_is_that_of_the_concatenation_in_float64():
    tensors = [torch.full((1000, 1000), 1e-3), torch.tensor([3.0, 4.0])]
    value = float(torch.tensor(1e-3)) ** 2 * 1e6 + 25
    assert perturb.norm(tensors) == pytest.approx(math.sqrt(value), rel=1e-12)
    assert perturb.norm([]) == 0.0


def test_distance_by_hand():
    named, origin = (
        {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([[2.0]])},
        {
            "a": torch.tensor([1.0, 0.0]),
            "b": torch.tensor([[1.0]]),
        },
    )
    assert perturb.distance(named, origin) == pytest.approx(math.sqrt(5), rel=1e-15)


def test_norms_and_inner_products_of_long_vectors_are_those_in_float64():
    """Of more than one block, the last of them shorter."""
    draw = lambda seed: torch.randn(3, 50_001, generator=torch.Generator().manual_seed(seed))  # noqa: E731
    a, b, tail = {"w": draw(0), "v": torch.ones(2)}, {"w": draw(1), "v": torch.ones(2)}, math.sqrt(2)
    assert a["w"].numel() > 2 * perturb.BLOCK and a["w"].numel() % perturb.BLOCK
    wide = {"a": a["w"].double(), "b": b["w"].double(), "gap": (a["w"] - b["w"]).double()}
    assert perturb.norm(a.values()) == pytest.approx(math.hypot(wide["a"].norm().item(), tail), rel=1e-13)
    assert perturb.distance(a, b) == pytest.approx(wide["gap"].norm().item(), rel=1e-13)
    assert perturb.inner(a, b) == pytest.approx((wide["a"] * wide["b"]).sum().item() + 2, rel=1e-11)
