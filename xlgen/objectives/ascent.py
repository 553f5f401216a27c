"""Compute a gradient at perturbed weights: what SAM and the finite-difference Fisher penalty share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from xlgen.models.perturb import blocks


@contextmanager
def perturbed(
    theta: Sequence[Tensor], direction: Sequence[Tensor], scale: float, *, keep: bool = False
) -> Iterator[None]:
    """Hold the weights at ``theta + scale * direction``; their exact bits are back afterwards, and on exceptions.

    The weights are neither saved nor restored by a copy: the parameters point to other memory for a while. That is the
    memory of ``direction``, which is lost, or with ``keep`` new memory, which costs the CPU several times as much as
    the addition.
    """
    own = [w.data for w in theta]
    try:
        for w, d in zip(theta, direction, strict=True):
            w.data = torch.add(w.data, d, alpha=scale, out=None if keep else d)
        yield
    finally:
        for w, data in zip(theta, own, strict=True):
            w.data = data


@contextmanager
def collected(theta: Mapping[str, nn.Parameter], into: dict[str, Tensor]) -> Iterator[None]:
    """Add the gradients of the backward passes in the block to ``into`` instead of to ``w.grad``."""
    kept = {name: w.grad for name, w in theta.items()}
    for name, w in theta.items():
        w.grad = into.get(name)
    try:
        yield
    finally:
        for name, w in theta.items():
            if w.grad is not None:
                into[name] = w.grad
            w.grad = kept[name]


@contextmanager
def replayed(model: nn.Module) -> Iterator[None]:
    """Wind torch's random state back at the end, so that what follows draws the same dropout masks again."""
    device = next(model.parameters()).device
    devices, kind = ([], "cuda") if device.type == "cpu" else ([device.index or 0], device.type)
    with torch.random.fork_rng(devices, device_type=kind):
        yield


def norm(tensors: Sequence[Tensor]) -> Tensor:
    """Euclidean norm over all ``tensors`` together (0 if there are none): a float64 scalar, left on its device."""
    if not tensors:
        return torch.zeros((), dtype=torch.float64)
    return torch.stack([_square(tensor.detach()) for tensor in tensors]).sum().sqrt()


def _square(tensor: Tensor) -> Tensor:
    """The sum of squares; on the CPU by blocks, since over all of a large embedding float32 would be 1e-3 off."""
    parts = blocks(tensor.to(torch.promote_types(tensor.dtype, torch.float32)))
    return torch.stack([torch.dot(part, part) for part in parts]).sum(dtype=torch.float64)


def with_gradient(model: nn.Module) -> dict[str, nn.Parameter]:
    """The trained parameters that have received a gradient, by name; the frozen and the unused have none."""
    return {name: w for name, w in model.named_parameters() if w.requires_grad and w.grad is not None}
