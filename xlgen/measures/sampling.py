r"""Standard errors over examples: what another sample of as many examples would have changed.

A unit is an example of classification or a word of tagging. Words of one sentence are not independent, and two equal
words tell no more than one; so everywhere examples are what is drawn at random, and units come with their examples:
clusters of a mean, or what a bootstrap draws.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

RESAMPLES = 500
"""Bootstrap samples: a standard error itself is then good to some 3 %."""


def clustered(values: Tensor, example: Tensor) -> float | None:
    r"""Standard error of the mean of ``values`` over U units in N examples as clusters; ``None`` with one example.

    .. math:: \sqrt{\frac{N}{N-1} \sum_i \Big( \sum_{u \in i} (x_u - \bar x) \Big)^2} \Big/ U

    the linearised error of a ratio of totals. Where every example has one unit, it is the usual :math:`s / \sqrt N`.

    Args:
        values: (U,) values of the units.
        example: (U,) number of the example that each belongs to; numbers that do not occur count for nothing.
    """
    sums = _deviations(values, example)
    n = len(sums)
    return math.sqrt(n / (n - 1) * sums.square().sum().item()) / len(values) if n > 1 else None


def design_effect(values: Tensor, example: Tensor) -> float | None:
    r"""Variance of the mean with examples as clusters, relative to that of as many independent units (Kish's deff).

    .. math:: \frac{N (U - 1)}{(N - 1) U} \, \frac{\sum_i (\sum_{u \in i} (x_u - \bar x))^2}{\sum_u (x_u - \bar x)^2}

    1 where every example has one unit, or where nothing varies; ``None`` with one example. Arguments as `clustered`.
    """
    sums, units = _deviations(values, example), (values.double() - values.double().mean()).square().sum().item()
    n, u = len(sums), len(values)
    if n < 2:
        return None
    return n * (u - 1) / ((n - 1) * u) * (sums.square().sum().item() / units) if units else 1.0


def resampled(n: int) -> Tensor:
    """Bootstrap samples of ``n`` examples: (:data:`RESAMPLES`, n) numbers, the same in every run."""
    generator = torch.Generator().manual_seed(0)
    return torch.stack([torch.randint(n, (n,), generator=generator) for _ in range(RESAMPLES)])


def totals(values: Tensor, example: Tensor) -> Tensor:
    """Sums (N,) over the units of each example of ``values`` (U,), float64; of examples that have units."""
    examples, place = example.unique(return_inverse=True)
    return torch.zeros(len(examples), dtype=torch.float64).index_add_(0, place, values.double())


def _deviations(values: Tensor, example: Tensor) -> Tensor:
    return totals(values.double() - values.double().mean(), example)
