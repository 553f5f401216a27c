"""Moving weights without copies, and what keeps that exact."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from xlgen.data.batch import Batch
from xlgen.objectives import FisherPenalty, Step
from xlgen.objectives.ascent import collected, norm, perturbed


def test_perturbed_weights_take_the_direction_s_memory_and_leave_their_own_alone():
    w, other = nn.Parameter(torch.randn(5)), nn.Parameter(torch.randn(2, 3))
    before = [p.detach().clone() for p in (w, other)]
    direction = [torch.randn(5), torch.randn(2, 3)]
    expected = [b + 0.5 * d for b, d in zip(before, direction, strict=True)]
    places, moved = [p.data_ptr() for p in (w, other)], [d.data_ptr() for d in direction]
    with perturbed([w, other], direction, 0.5):
        assert [p.data_ptr() for p in (w, other)] == moved
        assert all(torch.allclose(p, e, rtol=0, atol=1e-7) for p, e in zip((w, other), expected, strict=True))
    assert [p.data_ptr() for p in (w, other)] == places
    assert all(torch.equal(p, b) for p, b in zip((w, other), before, strict=True))


def test_a_direction_that_is_still_needed_is_kept():
    w, direction = nn.Parameter(torch.randn(5)), torch.randn(5)
    before, kept = w.detach().clone(), direction.clone()
    with perturbed([w], [direction], 2.0, keep=True):
        assert torch.allclose(w, before + 2 * direction) and torch.equal(direction, kept)
    assert torch.equal(w, before) and torch.equal(direction, kept)


def test_weights_come_back_if_moving_them_fails_half_way():
    theta = [nn.Parameter(torch.randn(3)), nn.Parameter(torch.randn(3))]
    before, places = [p.detach().clone() for p in theta], [p.data_ptr() for p in theta]
    with pytest.raises(RuntimeError), perturbed(theta, [torch.randn(3), torch.randn(4)], 1.0):
        raise AssertionError("not reached")
    assert [p.data_ptr() for p in theta] == places
    assert all(torch.equal(p, b) for p, b in zip(theta, before, strict=True))


def test_the_norm_of_a_large_tensor_does_not_lose_digits():
    large = torch.full((3_000_001,), 1e-3)
    expected = math.sqrt(3_000_001 * float(large[0]) ** 2 + 25)
    assert norm([large, torch.tensor([[3.0], [4.0]])]).item() == pytest.approx(expected, rel=1e-6)
    assert norm([]).item() == 0 and norm([torch.zeros(0)]).item() == 0
    assert norm([torch.tensor([math.nan])]).isnan() and norm([torch.tensor([math.inf])]).isinf()
    assert norm([torch.full((4,), 300.0, dtype=torch.float16)]).item() == 600  # 300² is no half


def test_collected_gradients_are_added_apart_from_the_others():
    w, unused = nn.Parameter(torch.tensor([1.0, 2.0])), nn.Parameter(torch.zeros(1))
    theta, apart = {"w": w, "unused": unused}, {}
    (3 * w).sum().backward()
    for _ in range(2):
        with collected(theta, apart):
            w.square().sum().backward()
    with pytest.raises(KeyboardInterrupt), collected(theta, apart):
        raise KeyboardInterrupt
    assert torch.equal(w.grad, torch.tensor([3.0, 3.0])) and unused.grad is None
    assert set(apart) == {"w"} and torch.equal(apart["w"], torch.tensor([4.0, 8.0]))


class Twins(nn.Module):
    """Two parameters that only enter as a sum: autograd has one tensor for both gradients."""

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.randn(4, 3, dtype=torch.float64))
        self.b = nn.Parameter(torch.randn(4, 3, dtype=torch.float64))

    def forward(self, x):
        return type("Output", (), {"logits": F.silu(x) @ (self.a + self.b)})


@pytest.mark.parametrize("labels", ["sample", "true"])
def test_parameters_that_share_a_gradient_are_moved_once_each(labels):
    torch.manual_seed(0)
    model, found = Twins(), []
    batch = Batch({"x": torch.randn(5, 4, dtype=torch.float64)}, torch.tensor([0, 1, 2, 0, 1]), torch.arange(5))
    for method in ("finite_difference", "double_backward"):
        model.zero_grad()
        FisherPenalty(weight=1.0, labels=labels, method=method, h=1e-6).gradient(model, [batch], Step())
        found.append(torch.stack([model.a.grad, model.b.grad]))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-6)
