"""Blocks of examples: what tells the errors that languages have in common from those that set them apart."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCKS = 8
"""Blocks of examples: of 14 languages, what sets their errors apart is then known to some 15 %."""

RUNS = 16
"""Runs of neighbouring examples of which a block is made, where there are enough examples."""


def block_of(n: int) -> Tensor:
    """The block of each of n examples, (n,): runs of neighbours, dealt to the blocks in turn.

    Neighbours may belong together, as the three hypotheses of a premise do, and a test set may be sorted by genre: runs
    keep the former in one block, and give each block some of the latter. A row that one language lacks moves the
    others by less than a run.
    """
    run = max(1, n // (BLOCKS * RUNS))
    return torch.arange(n) // run % BLOCKS


def blocks(values: Tensor, example: Tensor) -> dict[str, list[float]]:
    r"""By how much the mean of U units is another in each of K = :data:`BLOCKS` blocks of examples (:func:`block_of`).

    .. math:: d_k = \frac{K}{U} \sum_{i \in k} \sum_{u \in i} (x_u - \bar x), \qquad \sum_k d_k = 0

    Of parallel languages a block holds the same examples in all, so that the blocks tell the errors that languages have
    in common from those that set them apart (:func:`xlgen.analysis.reliability.apart`).

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
    sums = torch.zeros(BLOCKS, dtype=torch.float64).index_add_(0, block_of(n)[example], deviations)
    return kept(sums * (BLOCKS / len(values)))


def kept(deviations: Tensor) -> dict[str, list[float]]:
    """The entry of a value's ``extra`` with these deviations (K,) of blocks, to four digits."""
    return {"blocks": [float(f"{d:.4g}") for d in deviations.tolist()]}
