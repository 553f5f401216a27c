"""Compute a gradient at perturbed weights: what SAM and the finite-difference Fisher penalty share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from xlgen.perturb import restored


@contextmanager
def perturbed(theta: Sequence[Tensor], direction: Sequence[Tensor], scale: float) -> Iterator[None]:
    """Hold the weights at ``theta + scale * direction``; restore their exact bits afterwards, and on exceptions."""
    with restored({str(i): w for i, w in enumerate(theta)}):
        if theta:
            with torch.no_grad():
                torch._foreach_add_(list(theta), list(direction), alpha=scale)
        yield


@contextmanager
def replayed(model: nn.Module) -> Iterator[None]:
    """Wind torch's random state back at the end, so that what follows draws the same dropout masks again."""
    device = next(model.parameters()).device
    devices, kind = ([], "cuda") if device.type == "cpu" else ([device.index or 0], device.type)
    with torch.random.fork_rng(devices, device_type=kind):
        yield


def norm(tensors: Sequence[Tensor]) -> Tensor:
    """Euclidean norm over all ``tensors`` together (0 if there are none): a scalar, left on its device."""
    if not tensors:
        return torch.zeros(())
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(tensors))), dtype=torch.float64)


def with_gradient(model: nn.Module) -> dict[str, nn.Parameter]:
    """The trained parameters that have received a gradient, by name; the frozen and the unused have none."""
    return {name: w for name, w in model.named_parameters() if w.requires_grad and w.grad is not None}
