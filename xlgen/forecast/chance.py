r"""What the chance of examples adds to the interval of a forecast.

A forecast is about sentences like those at hand, not about these alone, and errors on one set of sentences do not show
two of its uncertainties. What other models reached in the language was counted on some sentences: all models share the
luck of these, with a standard error :math:`s_r`. And the estimators were computed on the user's sentences, as were the
labels of the model's other languages: :math:`s_h` is how much the forecast varies between parts of these. Each end of
the interval, at a distance d from the forecast, is put at

.. math:: d' = \sqrt{d^2 + z^2 (s_r^2 + s_h^2)}

with z the normal quantile of the level, as if what is added were normal and independent. It is too wide, if anything:
the luck that languages of the records do not share is in d already.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm


def widened(value: NDArray, low: NDArray, high: NDArray, chance: NDArray, level: float) -> tuple[NDArray, NDArray]:
    """The ends (M,) of intervals at that level around forecasts, in [0, 1], where chance adds a standard error (M,).

    A forecast on the wrong side of an end, which jackknife+ allows, is at a distance of 0 from it.
    """
    added = np.square(norm.ppf((1 + level) / 2) * chance)
    down, up = (np.sqrt(np.square(np.maximum(d, 0)) + added) for d in (value - low, high - value))
    return (value - down).clip(0, 1), (value + up).clip(0, 1)


def spread(forecasts: Sequence[ArrayLike]) -> NDArray:
    """The standard error (M,) of a forecast on all rows, from those of K parts of the rows by themselves, (K, M).

    Parts in which a language has no rows are ``nan``; a language needs two, and is ``nan`` otherwise.
    """
    parts = np.asarray(forecasts, dtype=float)
    there = np.isfinite(parts)
    n = there.sum(axis=0)
    mean = np.where(there, parts, 0).sum(axis=0) / np.maximum(n, 1)
    square = np.square(np.where(there, parts - mean, 0)).sum(axis=0)
    return np.where(n > 1, np.sqrt(square / (np.maximum(n - 1, 1) * np.maximum(n, 1))), math.nan)
