r"""Intervals of predictions that assume no distribution: jackknife+ [barber2021predictive], also of groups of rows.

With :math:`\hat\mu_{-i}` fitted without row i (and without the rows that are left out with it), and
:math:`R_i = |y_i - \hat\mu_{-i}(x_i)|`, the interval at x is

.. math:: \big[ q^-_{n,\alpha}\{\hat\mu_{-i}(x) - R_i\},\; q^+_{n,\alpha}\{\hat\mu_{-i}(x) + R_i\} \big]

where :math:`q^+_{n,\alpha}` is the :math:`\lceil (1-\alpha)(n+1) \rceil`-th smallest of n values, infinite where there
are fewer, and :math:`q^-_{n,\alpha}\{v_i\} = -q^+_{n,\alpha}\{-v_i\}`. Where the rows are exchangeable it covers a new
one with a probability of at least 1 - 2α, and mostly of about 1 - α.

Rows of one model share an error: what is exchangeable are the models. All rows are ranked together nevertheless (the
pooling of dunn2022distribution), which covers about 1 - α over many new models, and of one model all rows or few. It
takes as many groups as it takes rows: with three groups whose errors differ it would cover far less. Languages that are
related are not quite exchangeable either: :mod:`xlgen.forecast.evaluate` measures what is covered.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlgen.analysis.intervals import AnalysisError, finite

Predictor = Callable[[NDArray], NDArray]
"""(M, K) features to (M,) predictions."""

Fit = Callable[[NDArray, NDArray], Predictor]
"""Features (N, K) and what is predicted (N,) to what predicts it; the order of the rows must not matter."""

LEVEL = 0.9


@dataclass(frozen=True)
class Band:
    """Predictions with their intervals.

    Attributes:
        value: (M,) by the fit on all rows.
        low: (M,) ends of the intervals, -∞ where there are too few groups for one (:func:`fewest`).
        high: (M,) as ``low``, +∞.
        held: (N,) predictions of the rows themselves, by fits without them; ``nan`` where a row is never left out.
    """

    value: NDArray
    low: NDArray
    high: NDArray
    held: NDArray


def jackknife_plus(
    fit: Fit,
    x: ArrayLike,
    y: ArrayLike,
    new: ArrayLike,
    apart: Sequence[Sequence[Hashable]] | None = None,
    level: float = LEVEL,
) -> Band:
    """Predict ``new`` rows with intervals.

    Args:
        fit: the regression.
        x: (N, K) features.
        y: (N,) what is predicted.
        new: (M, K) features of the rows to predict.
        apart: labelings of the N rows. A row is predicted by a fit without the rows that share one of its labels: with
            the languages, leave one language out; with the models, leave one model out; with both, what a new language
            of a new model meets. The first labeling has the groups that are exchangeable, and None for rows that are
            fitted on and never predicted: their errors are not those of a new one. Without any, each row is one
            (jackknife+); otherwise this is CV+.
        level: 1 - α.

    Raises:
        AnalysisError: numbers that are not finite, lengths that differ, a level outside (0, 1), or rows of which one
            shares a label with each other one, so that nothing is left to fit.
    """
    y, x, new = finite(y, "y"), np.asarray(x, dtype=float), np.asarray(new, dtype=float)
    n = len(y)
    labels = [list(labeling) for labeling in ([range(n)] if apart is None else apart)]
    if y.ndim != 1 or x.ndim != 2 or new.ndim != 2 or x.shape[1] != new.shape[1] or {n} != {len(x), *map(len, labels)}:
        raise AnalysisError(f"x {x.shape}, y {y.shape}, new {new.shape} and labels {[*map(len, labels)]} do not match.")
    if not 0 < level < 1:
        raise AnalysisError(f"level is {level}; expected a share between 0 and 1, such as 0.9.")
    held, there = np.full(n, math.nan), np.empty((n, len(new)))
    numbers = [{label: number for number, label in enumerate(dict.fromkeys(labeling))} for labeling in labels]
    codes = np.array([[of[label] for label in labeling] for of, labeling in zip(numbers, labels, strict=True)])
    ranked = np.array([label is not None for label in labels[0]], dtype=bool)
    for key in dict.fromkeys(map(tuple, codes[:, ranked].T)):
        same = codes == np.array(key)[:, None]
        out, rest = same.all(axis=0), ~same.any(axis=0)
        if not rest.any():
            names = ", ".join(str(labeling[out.argmax()]) for labeling in labels)
            raise AnalysisError(f"nothing is left to fit without {names}; expected other rows too.")
        predictor = fit(x[rest], y[rest])
        held[out], there[out] = predictor(x[out]), predictor(new)
    value = fit(x, y)(new)
    if len({*labels[0]} - {None}) < fewest(level):
        return Band(value, np.full(len(new), -np.inf), np.full(len(new), np.inf), held)
    there, residual = there[ranked], np.abs(y - held)[ranked, None]
    return Band(value, -_upper(-(there - residual), level), _upper(there + residual, level), held)


def fewest(level: float = LEVEL) -> int:
    """Rows, or groups of rows, without which no interval of that level is finite: n >= level / (1 - level)."""
    return math.ceil(level / (1 - level) - 1e-9)


def _upper(values: NDArray, level: float) -> NDArray:
    """The ⌈level (n + 1)⌉-th smallest of each column of (n, M)."""
    n, place = len(values), math.ceil(level * (len(values) + 1) - 1e-9)
    return np.sort(values, axis=0)[min(place, n) - 1]
