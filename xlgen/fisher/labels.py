r"""Directions in the logits: whose gradients are squared and added up.

The gradient of an example's log-likelihood is a linear function of :math:`e = y - p`, the gradient of
:math:`\log p_\theta(y|x)` with respect to the logits (y one-hot). The empirical Fisher information needs e itself. The
Fisher information needs the mean over the model's labels, :math:`\sum_c p_c (1_c - p)(1_c - p)^T = \mathrm{diag}(p) -
p p^T`, whose rank is C - 1: with any S such that :math:`S S^T = \mathrm{diag}(p) - p p^T` the squared gradients along
the C - 1 columns of S add up to it exactly, one backward pass fewer than classes.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from xlgen.core.errors import ConfigError, TrainingError
from xlgen.data.batch import IGNORE, scored

LABELS = ("true", "model", "sample")
EXACT_CLASSES = 128
"""Most classes for which the mean over the model's labels is computed rather than sampled."""


def directions(
    logits: Tensor, labels: Tensor, kind: str, generator: torch.Generator | None = None, scale: float = 1.0
) -> list[Tensor]:
    """Tensors shaped as ``logits``: the squared gradients along them add up to an example's Fisher information.

    Args:
        logits: (B, C), or (B, T, C) in tagging and masked language modelling.
        labels: (B,), or (B, T) with :data:`~xlgen.data.batch.IGNORE` where nothing is scored.
        kind: ``"true"``: the labels given; ``"model"``: the mean over all labels, units being independent given x;
            ``"sample"``: one label per unit drawn from the model.
        generator: a CPU generator, for ``"sample"``: one uniform number per unit, so that cutting the examples into
            batches does not change the draw.
        scale: factor of all directions.

    Raises:
        ConfigError: ``"model"`` with more than :data:`EXACT_CLASSES` classes.
        TrainingError: a logit is not finite.
    """
    values, y = scored(logits.detach(), labels)
    values = values.double()  # in float32, 1 - p of a confident model would cancel
    if not values.isfinite().all():
        raise TrainingError("a logit is not finite; check the model's weights.")
    p = values.softmax(dim=-1)
    if kind == "model":
        columns = _model(p, labels)
    else:
        if kind == "sample":
            y = draw(p, generator)
        p.scatter_add_(1, y[:, None], torch.full_like(p[:, :1], -1))  # -e: signs vanish in the square
        columns = iter((p,))
    return [_place(column * scale, logits, labels) for column in columns]


def factor(p: Tensor) -> Tensor:
    r"""S (U, C, C - 1) with :math:`S S^T = \mathrm{diag}(p) - p p^T`, in closed form (tanabe1992multinomial).

    .. math::

        S_{jj} = \sqrt{p_j q_j / q_{j-1}}, \quad S_{ij} = -p_i \sqrt{p_j / (q_{j-1} q_j)} \ (i > j), \qquad
        q_j = \sum_{k>j} p_k

    The most probable class comes last, so that every q is at least 1/C and nothing cancels.

    Args:
        p: probabilities (U, C), float64.
    """
    p, order = p.sort(dim=-1)
    rest = p.flip(-1).cumsum(-1).flip(-1)  # q_{j-1} = p_j + q_j
    before, q, first = rest[:, None, :-1], rest[:, None, 1:], p[:, None, :-1]
    factor = (-p[:, :, None] * (first / (before * q)).sqrt()).tril(-1)
    factor.diagonal(dim1=1, dim2=2).copy_((first * q / before).sqrt()[:, 0])
    return torch.empty_like(factor).scatter_(1, order[:, :, None].expand_as(factor), factor)


def draw(p: Tensor, generator: torch.Generator | None) -> Tensor:
    """Labels (U,) drawn from probabilities (U, C).

    Raises:
        ConfigError: there is no generator.
    """
    return inverted(p, uniform(len(p), generator))


def uniform(n: int, generator: torch.Generator | None) -> Tensor:
    """(n, 1) uniform numbers on the CPU: what :func:`draw` draws ``n`` labels with, at once or in parts.

    Raises:
        ConfigError: there is no generator.
    """
    if generator is None:
        raise ConfigError("labels 'sample' need a generator, such as torch.Generator().manual_seed(0).")
    return torch.rand(n, 1, dtype=torch.float64, generator=generator)


def inverted(p: Tensor, u: Tensor) -> Tensor:
    """Labels (U,) where the distribution functions of ``p`` (U, C) reach ``u`` (U, 1)."""
    # the last class takes what rounding leaves between its cumulative probability and 1
    return (p.cumsum(dim=-1)[:, :-1] <= u.to(p.device)).sum(dim=-1)


def _model(p: Tensor, labels: Tensor) -> Iterator[Tensor]:
    """Columns of S; in tagging one unit of every row at a time, as E (Σ_u g_u)² = Σ_u E g_u²."""
    if p.shape[1] > EXACT_CLASSES:
        raise ConfigError(
            f"labels 'model' need a backward pass for each of {p.shape[1]} classes, more than {EXACT_CLASSES}; "
            "use 'sample', which draws one label, or 'true'."
        )
    columns = factor(p).unbind(-1)
    if labels.ndim == 1:
        yield from columns
        return
    there = labels != IGNORE
    rank = (there.cumsum(1) - 1)[there]  # number of a unit within its row
    for number in range(int(rank.max()) + 1 if len(rank) else 0):
        for column in columns:
            yield column * (rank == number)[:, None]


def _place(column: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Values of the units (U, C) in a tensor shaped as ``logits``, zero elsewhere."""
    if labels.ndim == 1:
        return column.to(logits.dtype)
    placed = torch.zeros_like(logits)
    placed[labels != IGNORE] = column.to(logits.dtype)
    return placed
