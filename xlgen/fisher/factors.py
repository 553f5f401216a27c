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

Grams = dict[Hashable, list[Tensor]]
"""Gram matrices of inputs, which maps with the same input (query, key and value) and all backward passes share."""

SMALL = 8_000_000
"""Multiplications that cost about as much as the calls which one more block of a Gram matrix takes."""


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

    def lengths(self) -> list[int]:
        """For each example, the place after which nothing reaches the logits: 1 where only the first is read."""
        places = self.left.shape[1]
        if self.left[:, -1].any(dim=1).all():
            return [places] * len(self.left)
        reached = torch.linalg.vecdot(self.left, self.left) != 0
        return (reached * torch.arange(1, places + 1, device=reached.device)).amax(dim=1).tolist()


@dataclass(frozen=True)
class Rows:
    """One use of an embedding table: ids (B, T) and right (B, T, width) the gradient of the output."""

    ids: Tensor
    right: Tensor


Use = Outer | Rows


def squared_norms(uses: Sequence[Use], grams: Grams) -> Tensor:
    """||Σ uses||_F² for each example, (B,), float64; ``grams`` is filled as a cache."""
    outer = [use for use in uses if isinstance(use, Outer)]
    rows = [use for use in uses if isinstance(use, Rows)]
    total = torch.zeros(len(uses[0].right), dtype=torch.float64, device=uses[0].right.device)
    if rows:
        total += _rows(rows)
    for i, f in enumerate(outer):
        total += _outer(f, grams)
        for g in outer[:i]:
            total += 2 * _sum((f.left @ g.left.mT) * (f.right @ g.right.mT))
        for g in rows:  # <l_t, one-hot vector> is an entry of l_t
            left = f.left.gather(2, g.ids[:, None, :].expand(-1, f.left.shape[1], -1))
            total += 2 * _sum(left * (f.right @ g.right.mT))
    return total


def merged(ids: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Add up the gradients (B, T, width) of the same row of a table in the same example.

    Returns:
        For each row that an example touches: the example, the row's number, and the sum (U, width).
    """
    size = ids.max() + 1
    touched, place = (torch.arange(len(ids), device=ids.device)[:, None] * size + ids).unique(return_inverse=True)
    summed = right.new_zeros(len(touched), right.shape[2])
    summed.index_add_(0, place.flatten(), right.reshape(-1, right.shape[2]))
    return touched // size, touched % size, summed


def _rows(uses: Sequence[Rows]) -> Tensor:
    example, _, summed = merged(torch.cat([use.ids for use in uses], 1), torch.cat([use.right for use in uses], 1))
    norms = summed.square().sum(dim=1, dtype=torch.float64)
    return norms.new_zeros(len(uses[0].ids)).index_add_(0, example, norms)


def _outer(use: Outer, grams: Grams) -> Tensor:
    """Squared norms of one use.

    The Gram matrices are symmetric: in blocks of rows, what lies left of the diagonal is left out.
    """
    places = use.left.shape[1] if use.left[:, -1].any() else max(*use.lengths(), 1)
    left, right = use.left[:, :places], use.right[:, :places]
    inputs, outputs = right.shape[2], left.shape[2]
    if 5 / 8 * places * (outputs + inputs) > outputs * inputs:
        return _direct(left, right)
    # up to four blocks, which compute 5/8
    blocks = min(len(left) * places**2 * outputs // SMALL + 1, 4)
    starts = range(0, places, -(-places // blocks))
    key = use.key, places, starts.step
    if key not in grams:
        grams[key] = [right[:, i : i + starts.step] @ right[:, i:].mT for i in starts]
    total = torch.zeros(len(left), dtype=torch.float64, device=left.device)
    for i, gram in zip(starts, grams[key], strict=True):
        product = (left[:, i : i + starts.step] @ left[:, i:].mT).mul_(gram)
        total += 2 * _sum(product) - _sum(product[:, :, : starts.step])
    return total


def _direct(left: Tensor, right: Tensor) -> Tensor:
    """||Σ_t l_t r_t^T||² from the matrix, one example at a time."""
    matrix = left.new_empty(left.shape[2], right.shape[2])
    norms = [
        torch.linalg.vector_norm(torch.mm(a.t(), b, out=matrix), dtype=torch.float64)
        for a, b in zip(left, right, strict=True)
    ]
    return torch.stack(norms).square()


def _sum(product: Tensor) -> Tensor:
    return product.sum(dim=(1, 2), dtype=torch.float64)
