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

STEP = 32
"""Fewest rows of a block of a Gram matrix: smaller ones save less arithmetic than their calls cost."""

CHUNK = 16
"""Places at the end of a sequence that are looked at together for a gradient."""


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

    def together(self) -> Outer:
        """The same with all rows as one example, whose gradient is the sum of theirs."""
        return Outer(self.left.flatten(0, 1)[None], self.right.flatten(0, 1)[None], self.key)

    def places(self) -> int:
        """Places after which nothing of any example reaches the logits, rounded up: 0 if nothing does."""
        end = self.left.shape[1]
        if self.left[:, -1].any():
            return end
        while end and not self.left[:, (start := (end - 1) // CHUNK * CHUNK) : end].any():
            end = start
        return end

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

    def together(self) -> Rows:
        """The same with all rows as one example."""
        return Rows(self.ids.flatten()[None], self.right.flatten(0, 1)[None])


Use = Outer | Rows


class Norms:
    r"""Sum of the squared Frobenius norms of the gradients of many matrices, for each example.

    The Gram matrices of the outputs of all maps of one input (query, key and value), in all backward passes, are
    added up before they meet that of the input:

    .. math:: \sum_m \| L_m^T R \|_F^2 = \Big\langle \sum_m L_m L_m^T, R R^T \Big\rangle

    They are symmetric: in blocks of rows, what lies left of the diagonal is left out.
    """

    def __init__(self, examples: int, device: torch.device):
        self._total = torch.zeros(examples, dtype=torch.float64, device=device)
        self._inputs: dict[tuple[Hashable, int], tuple[Tensor, list[Tensor]]] = {}

    def add(self, uses: Sequence[Use]) -> None:
        """Add ||Σ uses||_F²; the uses are those of one matrix in one backward pass."""
        outer = [use for use in uses if isinstance(use, Outer)]
        rows = [use for use in uses if isinstance(use, Rows)]
        if rows:
            self._total += _rows(rows)
        for i, f in enumerate(outer):
            self._outer(f)
            for g in outer[:i]:
                self._total += 2 * _sum((f.left @ g.left.mT) * (f.right @ g.right.mT))
            for g in rows:  # <l_t, one-hot vector> is an entry of l_t
                left = f.left.gather(2, g.ids[:, None, :].expand(-1, f.left.shape[1], -1))
                self._total += 2 * _sum(left * (f.right @ g.right.mT))

    def total(self) -> Tensor:
        """The sum, (B,), float64. Nothing can be added to it any more: the inputs are let go."""
        products: dict[tuple[int, torch.dtype], list[Tensor]] = {}
        for (_, places), (right, grams) in self._inputs.items():
            sums = products.setdefault((places, right.dtype), [torch.zeros_like(gram) for gram in grams])
            for (rows, columns), gram, product in zip(_blocks(places), grams, sums, strict=True):
                product.addcmul_(gram, torch.bmm(right[:, rows], right[:, columns].mT))
        self._inputs.clear()
        for sums in products.values():
            for product in sums:
                self._total += 2 * _sum(product) - _sum(product[:, :, : product.shape[1]])
        return self._total

    def _outer(self, use: Outer) -> None:
        if not (places := use.places()):
            return
        inputs, outputs = use.right.shape[2], use.left.shape[2]
        if 5 / 8 * places * (outputs + inputs) > outputs * inputs:
            self._total += _direct(use.left[:, :places], use.right[:, :places])
            return
        key = use.key, places
        blocks = [(use.left[:, rows], use.left[:, columns].mT) for rows, columns in _blocks(places)]
        if key in self._inputs:
            for gram, (left, right) in zip(self._inputs[key][1], blocks, strict=True):
                gram.baddbmm_(left, right)
        else:
            self._inputs[key] = use.right, [torch.bmm(left, right) for left, right in blocks]


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


def _blocks(places: int) -> list[tuple[slice, slice]]:
    """Rows and columns of the blocks: four at most, which compute 5/8 of a matrix."""
    step = max(-(-places // 4), STEP)
    # no row beyond the places: inputs of other lengths with as many places have blocks of the same shapes
    return [(slice(i, min(i + step, places)), slice(i, places)) for i in range(0, places, step)]


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
