"""Blocks of examples: what tells the errors that languages have in common from those that set them apart."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCKS = 8
"""Blocks of examples: of 14 languages, what sets their errors apart is then known to some 15 %."""


def blocks(values: Tensor, example: Tensor) -> dict[str, list[float]]:
    r"""By how much the mean of U units is another in each of K = :data:`BLOCKS` blocks of neighbouring examples.

    .. math:: d_k = \frac{K}{U} \sum_{i \in k} \sum_{u \in i} (x_u - \bar x), \qquad \sum_k d_k = 0

    with block k the examples from (k - 1) N / K to k N / K. Of parallel languages it holds the same ones in all, so
    that the blocks tell the errors that languages have in common from those that set them apart
    (:func:`xlgen.analysis.reliability.apart`).

    Args:
        values: (U,) of the units; for a statistic that is no mean, those that its linearised error is computed from.
        example: (U,) number of the example that each belongs to, ascending.

    Returns:
        ``{"blocks": [d_1, …, d_K]}`` to four digits, for a value's ``extra``; nothing with fewer examples than blocks.
    """
    n = int(example[-1]) + 1
    if n < BLOCKS:
        return {}
    deviations = values.double() - values.double().mean()
    sums = torch.zeros(BLOCKS, dtype=torch.float64).index_add_(0, example * BLOCKS // n, deviations)
    return {"blocks": [float(f"{d:.4g}") for d in (sums * (BLOCKS / len(values))).tolist()]}
