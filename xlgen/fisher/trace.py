r"""The trace of the Fisher information matrix of a classifier, exact, without forming a gradient of a weight."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from xlgen.core.errors import TrainingError
from xlgen.data.batch import Batch
from xlgen.fisher.engine import run
from xlgen.fisher.factors import Norms, Use


@dataclass(frozen=True)
class Trace:
    """Squared gradient norms of single examples; Tr F is their mean.

    Attributes:
        values: (N,) float64 [nats² / parameter²], in the order of the split, on the CPU; one for each example, also
            where a tagged sentence was cut in pieces.
        index: (N,) row number in the split of each.
    """

    values: Tensor
    index: Tensor

    def __len__(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> float:
        """Tr F."""
        return self.values.mean().item()

    @property
    def stderr(self) -> float | None:
        """Standard error of the mean over examples; ``None`` with one example."""
        return self.values.std().item() / math.sqrt(len(self)) if len(self) > 1 else None


def trace(
    model: nn.Module,
    batches: Sequence[Batch],
    labels: str = "model",
    *,
    names: Collection[str] | None = None,
    generator: torch.Generator | None = None,
) -> Trace:
    r"""Compute Tr F of each example, :math:`\|\nabla_\theta \log p_\theta(y|x_i)\|^2` over labels y.

    .. math:: \mathrm{Tr} F = \frac1N \sum_i E_{y \sim q_i} \big\| \nabla_\theta \log p_\theta(y | x_i) \big\|^2

    with :math:`\log p_\theta(y|x_i)` the sum over the scored units of example i (its class, its words, its hidden
    sub-words), those of all pieces of a sentence that was cut. With one backward pass of activations it costs about
    three quarters of a training step; the model's labels take one such pass for each class but one (in tagging: times
    the longest sentence's words).

    Args:
        model: in any mode; computed in eval mode, and left exactly as it was.
        batches: the examples.
        labels: q_i: ``"model"``, :math:`p_\theta(\cdot|x_i)`, in closed form (the Fisher information); ``"sample"``,
            one draw from it, unbiased; ``"true"``, the label given (the "empirical" Fisher information).
        names: parameters to look at; ``None`` for all floating-point ones, frozen ones included.
        generator: a CPU generator, for ``"sample"``.

    Raises:
        ConfigError, DataError, ModelError, UnknownName: see :func:`xlgen.fisher.engine.run`.
        TrainingError: a logit or a value is not finite.
    """
    collected: list[_Norms] = []

    def collector(batch: Batch, *, together: bool) -> _Norms:
        collected.append(_Norms(batch.index[:1] if together else batch.index))
        return collected[-1]

    run(model, batches, collector, labels=labels, names=names, generator=generator)
    values = torch.cat([part.values.cpu() for part in collected])
    rows = torch.cat([part.index.cpu() for part in collected])
    if not values.isfinite().all():
        row = int(rows[~values.isfinite()][0])
        raise TrainingError(f"the squared gradient norm of row {row} is not finite; check the model's weights.")
    # with the model's labels the pieces of a sentence come one by one: their labels are independent, so traces add up
    index, place = rows.unique(return_inverse=True)
    return Trace(torch.zeros(len(index), dtype=torch.float64).index_add_(0, place, values), index)


@dataclass(eq=False)
class _Norms:
    """Collects the squared norm of each example of a batch, in float64; ``index`` has their numbers."""

    index: Tensor
    values: Tensor = field(init=False)

    def __post_init__(self):
        self.values = torch.zeros(len(self.index), dtype=torch.float64, device=self.index.device)
        self.matrices = Norms(len(self.index), self.values.device)

    def vectors(self, gradients: Mapping[Tensor, Tensor]) -> None:
        if gradients:
            together = torch.cat(tuple(gradients.values()), dim=1)
            self.values += torch.linalg.vector_norm(together, dim=1, dtype=torch.float64).square()

    def matrix(self, p: Tensor, parts: Sequence[Use]) -> None:
        self.matrices.add(parts)

    def row(self, p: Tensor, b: int, gradient: Tensor) -> None:
        self.values[b] += torch.linalg.vector_norm(gradient, dtype=torch.float64).square()

    def end(self) -> None:
        self.values += self.matrices.total()
