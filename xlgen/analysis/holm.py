"""Holm's step-down correction: p-values of several measures that were all tried."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xlgen.analysis.intervals import AnalysisError


def holm(p: Sequence[float] | NDArray) -> NDArray:
    r"""Adjust p-values for the number of hypotheses tried [holm1979simple].

    With the p-values in increasing order, :math:`p_{(1)} \le \dots \le p_{(m)}`,

    .. math:: \tilde p_{(i)} = \min\Big(1,\; \max_{j \le i}\, (m - j + 1)\, p_{(j)}\Big).

    Calling everything with :math:`\tilde p \le a` significant makes a single false discovery with probability at most
    a, whatever the dependence of the measures.

    Args:
        p: one a hypothesis. ``nan`` is a measure that was tried and has no p-value: it counts in m as if its p were 1,
            and stays ``nan``.

    Returns:
        The adjusted p-values, in the order given.

    Raises:
        AnalysisError: a number is outside [0, 1].
    """
    p = np.asarray(p, dtype=float)
    tried = np.where(np.isnan(p), 1.0, p)
    if p.ndim != 1 or ((tried < 0) | (tried > 1)).any():
        raise AnalysisError(f"p is {p.tolist()}; expected a list of p-values in [0, 1], or nan.")
    order = np.argsort(tried, kind="stable")
    steps = np.maximum.accumulate(np.arange(len(p), 0, -1) * tried[order])
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, steps)
    return np.where(np.isnan(p), np.nan, adjusted)
