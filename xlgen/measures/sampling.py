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

BLOCKS = 8
"""Blocks of examples: of 14 languages, what sets their errors apart is then known to some 15 %."""


def clustered(values: Tensor, example: Tensor) -> float | None:
    r"""Standard error of the mean of ``each`` over U units in N examples as clusters; ``None`` with one example.

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


def blocks(values: Tensor, example: Tensor) -> dict[str, list[float]]:
    r"""By how much the mean of U units is another in each of K = :data:`BLOCKS` blocks of neighbouring examples.

    .. math:: d_k = \frac{K}{U} \sum_{i \in k} \sum_{u \in i} (x_u - \bar x), \qquad \sum_k d_k = 0

    with block k the examples from (k - 1) N / K to k N / K. Of parallel languages it holds the same ones in all, so
    that the blocks tell the errors that languages have in common from those that set them apart
    (:func:`xlgen.analysis.reliability.apart`). Arguments as `clustered`; for a statistic that is no mean, the values
    are those that its linearised error is computed from.

    Returns:
        ``{"blocks": [d_1, …, d_K]}`` to four digits, for a value's ``extra``; nothing with fewer examples than blocks.
    """
    n = int(example[-1]) + 1
    if n < BLOCKS:
        return {}
    deviations = values.double() - values.double().mean()
    sums = torch.zeros(BLOCKS, dtype=torch.float64).index_add_(0, example * BLOCKS // n, deviations)
    return {"blocks": [float(f"{d:.4g}") for d in (sums * (BLOCKS / len(values))).tolist()]}


def resampled(n: int) -> Tensor:
    """Bootstrap samples of ``n`` examples: (:data:`RESAMPLES`, n) numbers, the same in every run."""
    generator = torch.Generator().manual_seed(0)
    return torch.stack([torch.randint(n, (n,), generator=generator) for _ in range(RESAMPLES)])


def totals(values: Tensor, example: Tensor) -> Tensor:
    """Sums (N,) over the units of each example of ``each`` (U,), float64; of examples that have units."""
    examples, place = example.unique(return_inverse=True)
    return torch.zeros(len(examples), dtype=torch.float64).index_add_(0, place, values.double())


def _deviations(values: Tensor, example: Tensor) -> Tensor:
    return totals(values.double() - values.double().mean(), example)
