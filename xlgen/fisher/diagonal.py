r"""The diagonal of the Fisher information matrix, exact, holding one gradient of one matrix at a time."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor, nn

from xlgen.core.errors import TrainingError
from xlgen.data.batch import Batch, examples
from xlgen.fisher.engine import chosen, run
from xlgen.fisher.factors import Outer, Rows, Use, merged


def diagonal(
    model: nn.Module,
    batches: Sequence[Batch],
    labels: str = "model",
    *,
    names: Collection[str] | None = None,
    generator: torch.Generator | None = None,
) -> dict[str, Tensor]:
    r"""Compute the mean square of each entry of the gradients of single examples.

    .. math:: F_{jj} = \frac1N \sum_i E_{y \sim q_i} \Big( \frac{\partial}{\partial\theta_j}
              \log p_\theta(y | x_i) \Big)^2

    The arguments, and what an example is, are those of :func:`~xlgen.fisher.trace.trace`, which is the sum of all
    entries. Besides the result this holds the gradient of one matrix with respect to one example.

    Returns:
        By parameter name, float32 or wider, on the model's device; a tied parameter once, under its first name; zero
        where a parameter takes no part [nats² / parameter²].

    Raises:
        ConfigError, DataError, ModelError, UnknownName: see :func:`xlgen.fisher.engine.run`.
        TrainingError: a logit or an entry is not finite.
    """
    squares = _Squares(chosen(model, names))
    # F is quadratic: with gradients scaled by 1/√N it needs no division, which would touch every embedding
    scale = 1 / math.sqrt(max(examples(batches), 1))
    run(model, batches, lambda *_, **__: squares, labels=labels, names=names, generator=generator, scale=scale)
    return squares.result()


class _Squares:
    """Collects the sum of squared gradients of each parameter."""

    def __init__(self, parameters: dict[str, nn.Parameter]):
        wide = lambda p: torch.promote_types(p.dtype, torch.float32)  # noqa: E731
        self.names = {p: name for name, p in parameters.items()}
        self.sums = {p: torch.zeros_like(p, dtype=wide(p), requires_grad=False) for p in parameters.values()}
        self.matrices: dict[torch.Size, Tensor] = {}

    def vectors(self, gradients: Mapping[Tensor, Tensor]) -> None:
        for p, gradient in gradients.items():
            self.sums[p] += gradient.square().sum(dim=0)

    def matrix(self, p: Tensor, parts: Sequence[Use]) -> None:
        if all(isinstance(part, Rows) for part in parts):
            self._rows(p, parts)
            return
        total = self.sums[p]
        if p.shape not in self.matrices:  # reused: fresh memory for each matrix would cost as much as the product
            self.matrices[p.shape] = torch.empty_like(total)
        matrix = self.matrices[p.shape]
        outer = [(part, part.lengths()) for part in parts if isinstance(part, Outer)]
        for b in range(len(parts[0].right)):
            for number, (part, lengths) in enumerate(outer):
                left, right = part.left[b, : lengths[b]].t(), part.right[b, : lengths[b]]
                torch.addmm(matrix, left, right, beta=min(number, 1), out=matrix)
            for part in parts:
                if isinstance(part, Rows):
                    matrix.index_add_(0, part.ids[b], part.right[b])
            total.addcmul_(matrix, matrix)

    def _rows(self, p: Tensor, parts: Sequence[Rows]) -> None:
        """An embedding table: only the rows that an example touches."""
        ids, right = torch.cat([part.ids for part in parts], 1), torch.cat([part.right for part in parts], 1)
        _, touched, summed = merged(ids, right)
        self.sums[p].index_add_(0, touched, summed.square_())

    def row(self, p: Tensor, b: int, gradient: Tensor) -> None:
        gradient = gradient.to(self.sums[p].dtype)
        self.sums[p].addcmul_(gradient, gradient)

    def end(self) -> None:
        pass

    def result(self) -> dict[str, Tensor]:
        for p, total in self.sums.items():
            if not torch.isfinite(total.sum()):
                raise TrainingError(f"the Fisher information of {self.names[p]!r} is not finite; check the weights.")
        return {name: self.sums[p] for p, name in self.names.items()}
