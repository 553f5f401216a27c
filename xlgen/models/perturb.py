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

from xlgen.models.vocabulary import kept, left_out, whole, whole_shape

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
    type of the weights nor the order of the modules changes the draw; nor does a cut of the vocabulary, whose rows that
    are left out are drawn with the others.

    Returns:
        ε by name, on the CPU, of the shapes of ``parameters``.
    """
    return {name: kept(parameters[name], e).mul_(scale) for name, e in _normal(parameters, generator)}


def gaussian_left_out(parameters: Mapping[str, Tensor], generator: torch.Generator) -> tuple[float, float, float]:
    """What the rows that a cut of the vocabulary has left out add to norms with the noise of :func:`gaussian`.

    Args:
        parameters: as for :func:`gaussian`.
        generator: in the state that :func:`gaussian` was given it in.

    Returns:
        ||w||², <w, e> and ||e||² over the rows left out, for e of scale 1: all 0 where there are none.
    """
    sums = [0.0, 0.0, 0.0]
    if any(p.shape != whole_shape(p) for p in parameters.values()):
        for name, noise in _normal(parameters, generator):
            if rows := left_out(parameters[name], noise):
                w, e = rows
                for i, (a, b) in enumerate(((w, w), (w, e), (e, e))):
                    sums[i] += inner({name: a}, {name: b})
    return sums[0], sums[1], sums[2]


def _normal(parameters: Mapping[str, Tensor], generator: torch.Generator) -> Iterator[tuple[str, Tensor]]:
    """Standard normal numbers for each whole parameter, in the order of the names."""
    for name in sorted(parameters):
        yield name, torch.randn(whole_shape(parameters[name]), generator=generator, dtype=torch.float32)


def norm(tensors: Iterable[Tensor]) -> float:
    """Frobenius norm of the concatenation of all ``tensors``, accumulated in float64."""
    return math.sqrt(sum(_square(blocks(t)) for t in tensors))


def distance(parameters: Mapping[str, Tensor], origin: Mapping[str, Tensor]) -> float:
    """||w - origin||_F over all ``parameters``, accumulated in float64.

    Where the vocabulary was cut, an ``origin`` of the whole shape is compared with the whole parameter, and one of the
    shape of the parameter with the kept rows.
    """
    shapes = ((p, origin[name]) for name, p in parameters.items())
    pairs = ((p if p.shape == o.shape else whole(p), o.to(p)) for p, o in shapes)
    return math.sqrt(sum(_square(a - b for a, b in zip(blocks(p), blocks(o), strict=True)) for p, o in pairs))


def inner(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    """Inner product of two vectors given by name, accumulated in float64."""
    pairs = (zip(blocks(a[name]), blocks(b[name]), strict=True) for name in a)
    return sum(torch.stack([torch.dot(x.double(), y.double()) for x, y in pair]).sum().item() for pair in pairs)


def blocks(tensor: Tensor) -> Sequence[Tensor]:
    """The numbers of ``tensor``; on the CPU in parts, because to convert it in whole costs ten times more."""
    return tensor.detach().flatten().split(BLOCK if tensor.device.type == "cpu" else max(tensor.numel(), 1))


def _square(parts: Iterable[Tensor]) -> float:
    return torch.stack([torch.dot(x, x) for x in map(Tensor.double, parts)]).sum().item()
