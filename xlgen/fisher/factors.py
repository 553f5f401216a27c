r"""The gradient of a weight matrix with respect to one example, as a sum of outer products that need not be formed.

A linear map applied at the places t of a sequence has the gradient :math:`\sum_t \delta_t a_t^T` (outputs x inputs),
with the input :math:`a_t` and the gradient :math:`\delta_t` of the output. So has an embedding table, with the one-hot
vector of its row on the left and :math:`\delta_t` on the right. For any two such sums

.. math:: \Big\langle \sum_t l_t r_t^T, \sum_s l'_s r'^T_s \Big\rangle_F
          = \sum_{t,s} \langle l_t, l'_s \rangle \langle r_t, r'_s \rangle

which needs two Gram matrices (T, T') an example ("ghost norms", li2022large). A matrix that is used more than
once, or tied, is the sum of its uses, and every pair of them has such a product.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Grams = dict[Hashable, Tensor]
"""Gram matrices of inputs, which maps with the same input (query, key and value) and all backward passes share."""


@dataclass(frozen=True)
class Outer:
    """One use of a linear map.

    Attributes:
        left: (B, T, outputs), the gradient of the output.
        right: (B, T, inputs), the input.
        key: says which input this is, the same for two maps of one input.
    """

    left: Tensor
    right: Tensor
    key: Hashable

    def add_to(self, out: Tensor, b: int) -> None:
        """Add the gradient for example ``b`` to ``out`` (outputs, inputs)."""
        out.addmm_(self.left[b].t(), self.right[b])


@dataclass(frozen=True)
class Rows:
    """One use of an embedding table: ids (B, T) and right (B, T, width) the gradient of the output."""

    ids: Tensor
    right: Tensor

    def add_to(self, out: Tensor, b: int) -> None:
        """Add the gradient for example ``b`` to ``out`` (rows, width)."""
        out.index_add_(0, self.ids[b], self.right[b])


Use = Outer | Rows


def squared_norms(uses: Sequence[Use], grams: Grams) -> Tensor:
    """||Σ uses||_F² for each example, (B,), float64; ``grams`` is filled as a cache."""
    if len(uses) == 1 and isinstance(uses[0], Outer) and _direct_is_cheaper(uses[0]):
        return _direct(uses[0])
    total = torch.zeros(len(uses[0].right), dtype=torch.float64, device=uses[0].right.device)
    for i, use in enumerate(uses):
        total += _inner(use, use, grams)
        for other in uses[:i]:
            total += 2 * _inner(use, other, grams)
    return total


def _inner(f: Use, g: Use, grams: Grams) -> Tensor:
    product = _left(f, g).mul_(_right(f, g, grams))
    return product.sum(dim=(1, 2), dtype=torch.float64)


def _left(f: Use, g: Use) -> Tensor:
    """<l_t, l'_s>, (B, T, T')."""
    match f, g:
        case Outer(), Outer():
            return f.left @ g.left.mT
        case Rows(), Rows():
            return (f.ids[:, :, None] == g.ids[:, None, :]).to(f.right.dtype)
        case Outer(), Rows():
            return f.left.gather(2, g.ids[:, None, :].expand(-1, f.left.shape[1], -1))
        case _:
            return _left(g, f).mT.contiguous()


def _right(f: Use, g: Use, grams: Grams) -> Tensor:
    """<r_t, r'_s>, (B, T, T'); kept where both are inputs of the forward pass."""
    if not (isinstance(f, Outer) and isinstance(g, Outer)):
        return f.right @ g.right.mT
    key = f.key, g.key
    if key not in grams:
        grams[key] = f.right @ g.right.mT
    return grams[key]


def _direct_is_cheaper(use: Outer) -> bool:
    """Multiplications of the gradient itself against those of the two Gram matrices."""
    places, outputs, inputs = use.left.shape[1], use.left.shape[2], use.right.shape[2]
    return outputs * inputs < places * (outputs + inputs)


def _direct(use: Outer) -> Tensor:
    """||Σ_t l_t r_t^T||² from the matrix, one example at a time."""
    matrix = use.left.new_empty(use.left.shape[2], use.right.shape[2])
    norms = [
        torch.linalg.vector_norm(torch.mm(left.t(), right, out=matrix), dtype=torch.float64)
        for left, right in zip(use.left, use.right, strict=True)
    ]
    return torch.stack(norms).square()
