"""What the gradients of the parameters of the modules in a transformer are made of, for each example.

A parameter of one dimension gets its gradient for each example; a matrix gets a :data:`~xlgen.fisher.factors.Use`,
from which its gradient could be formed. Whatever is not here is left to automatic differentiation, one example at a
time (:mod:`xlgen.fisher.engine`): a new kind of module is faster with an entry here, and never wrong without.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from xlgen.fisher.factors import Outer, Rows, Use
from xlgen.models.vocabulary import CutEmbedding


def known(module: nn.Module) -> bool:
    """Whether :func:`uses` understands this module: one of torch's own kinds, with the forward pass of that kind."""
    if "forward" in vars(module) or module._forward_hooks or module._forward_pre_hooks:
        return False
    forward = type(module).forward
    if forward in (nn.Embedding.forward, CutEmbedding.forward):
        return module.max_norm is None and not module.scale_grad_by_freq
    if forward is nn.LayerNorm.forward:
        return len(module.normalized_shape) == 1
    return forward is nn.Linear.forward or scales(module)


def scales(module: nn.Module) -> bool:
    """Whether a module looks like RMSNorm or T5's layer norm: one weight (n,) that multiplies a normalised input."""
    return (
        any(kind in type(module).__name__ for kind in ("RMSNorm", "T5LayerNorm"))
        and list(module._parameters) == ["weight"]
        and module.weight.ndim == 1
    )


def normalised(module: nn.Module, x: Tensor) -> Tensor:
    """What the weight of a module that :func:`scales` multiplies: its output for a weight of ones."""
    return torch.func.functional_call(module, {"weight": torch.ones_like(module.weight)}, (x,))


def uses(module: nn.Module, x: Tensor, gradient: Tensor) -> Iterator[tuple[Tensor, Tensor | Use]]:
    """Parameters of a module, each with its gradient for each example (B, n) or, of a matrix, its use.

    Args:
        module: a :func:`known` one.
        x: its input (B, ..., n), or the ids (B, ...) of an embedding.
        gradient: of the examples' log-likelihoods with respect to its output (B, ..., m).
    """
    delta = _sequence(gradient)
    if isinstance(module, nn.Embedding):
        ids = (module.places(x) if isinstance(module, CutEmbedding) else x).reshape(len(x), -1)
        if module.padding_idx is not None:  # torch gives this row no gradient
            delta = delta * (ids != module.padding_idx)[:, :, None]
        yield module.weight, Rows(ids, delta)
    elif isinstance(module, nn.Linear):
        # the caller keeps x alive and unchanged, so no other input has its address
        yield module.weight, Outer(delta, _sequence(x), (x.data_ptr(), x.shape, x.stride()))
        if module.bias is not None:
            yield module.bias, delta.sum(dim=1)
    elif isinstance(module, nn.LayerNorm):
        if module.weight is not None:
            x = functional.layer_norm(x, module.normalized_shape, None, None, module.eps)
            yield module.weight, (delta * _sequence(x)).sum(dim=1)
        if module.bias is not None:
            yield module.bias, delta.sum(dim=1)
    else:
        yield module.weight, (delta * _sequence(normalised(module, x))).sum(dim=1)


def _sequence(x: Tensor) -> Tensor:
    """(B, ..., n) as (B, T, n), in float32 or wider."""
    return x.reshape(len(x), -1, x.shape[-1]).to(torch.promote_types(x.dtype, torch.float32))
