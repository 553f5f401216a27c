"""Move a model's weights for a while: exact copies, restoring on exit, shared noise, and norms over all weights.

A perturbation is undone by copying the saved weights back, never by subtracting it: (w + ε) - ε is not w in floating
point.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

BLOCK = 2**16
"""Numbers that are converted to float64 at a time on the CPU: few enough to stay in its cache."""


def weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """All floating-point parameters in the order of their names, tied ones once."""
    return {name: p for name, p in sorted(model.named_parameters()) if p.is_floating_point()}


@contextmanager
def restored(parameters: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Give copies of ``parameters`` and copy them back, bit for bit, on exit and after any exception.

    The parameters keep their storage: optimizers, tied weights and views of them stay valid.

    Args:
        parameters: by name, as :func:`weights` returns them; a tensor that is there twice is copied once.

    Yields:
        w_0: the copies, by the same names.
    """
    copies = {id(p): p.detach().clone() for p in parameters.values()}
    try:
        yield {name: copies[id(p)] for name, p in parameters.items()}
    finally:
        with torch.no_grad():
            for p in parameters.values():
                p.copy_(copies[id(p)])


def gaussian(parameters: Mapping[str, Tensor], scale: float, generator: torch.Generator) -> dict[str, Tensor]:
    """Draw ε ~ N(0, scale²) for every parameter.

    Drawn in float32 on the CPU, parameter after parameter in the order of the names, so that neither the device, the
    type of the weights nor the order of the modules changes the draw.

    Returns:
        ε by name, on the CPU.
    """
    return {
        name: torch.randn(parameters[name].shape, generator=generator, dtype=torch.float32).mul_(scale)
        for name in sorted(parameters)
    }


def norm(tensors: Iterable[Tensor]) -> float:
    """Frobenius norm of the concatenation of all ``tensors``, accumulated in float64."""
    return math.sqrt(sum(_square(_blocks(t)) for t in tensors))


def distance(parameters: Mapping[str, Tensor], origin: Mapping[str, Tensor]) -> float:
    """||w - origin||_F over all ``parameters``, accumulated in float64."""
    pairs = ((p, origin[name].to(p)) for name, p in parameters.items())
    return math.sqrt(sum(_square(a - b for a, b in zip(_blocks(p), _blocks(o), strict=True)) for p, o in pairs))


def inner(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    """Inner product of two vectors given by name, accumulated in float64."""
    pairs = (zip(_blocks(a[name]), _blocks(b[name]), strict=True) for name in a)
    return sum(torch.stack([torch.dot(x.double(), y.double()) for x, y in pair]).sum().item() for pair in pairs)


def _blocks(tensor: Tensor) -> Sequence[Tensor]:
    """The numbers of ``tensor``; on the CPU in parts, because to convert it in whole costs ten times more."""
    return tensor.detach().flatten().split(BLOCK if tensor.device.type == "cpu" else max(tensor.numel(), 1))


def _square(blocks: Iterable[Tensor]) -> float:
    return torch.stack([torch.dot(x, x) for x in map(Tensor.double, blocks)]).sum().item()
