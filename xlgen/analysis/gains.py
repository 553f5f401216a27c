"""Errors of predictions by group, and whether one prediction is better than another."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from xlgen.analysis.intervals import AnalysisError, Interval, finite, interval_of_mean, p_of_mean

EXACT = 14
"""Most values whose signs are flipped in all possible ways."""


@dataclass(frozen=True)
class Errors:
    """Errors of a prediction, in points (hundredths).

    Attributes:
        mae: by group, the mean absolute error.
        rmse: by group, the root of the mean squared error.
    """

    mae: Mapping[Hashable, float]
    rmse: Mapping[Hashable, float]

    @property
    def mean(self) -> Interval:
        """Mean over groups of the mean absolute error, with its Student-t interval over groups."""
        return interval_of_mean(list(self.mae.values()))

    @property
    def root(self) -> float:
        """Root of the mean over groups of the mean squared error."""
        return math.sqrt(np.mean(np.square(list(self.rmse.values()))))


def errors(predicted: ArrayLike, y: ArrayLike, groups: Sequence[Hashable]) -> Errors:
    """Errors by group of predicted shares, in points.

    Raises:
        AnalysisError: lengths differ, or a number is not finite.
    """
    predicted, y = finite(predicted, "predicted"), finite(y, "y")
    if not len(predicted) == len(y) == len(groups) > 0:
        raise AnalysisError(f"{len(predicted)} predictions, {len(y)} values, {len(groups)} groups; expected one each.")
    off: dict[Hashable, list[float]] = {}
    for group, miss in zip(groups, 100 * (predicted - y), strict=True):
        off.setdefault(group, []).append(float(miss))
    mae = {group: float(np.mean(np.abs(miss))) for group, miss in off.items()}
    return Errors(mae, {group: math.sqrt(np.mean(np.square(miss))) for group, miss in off.items()})


@dataclass(frozen=True)
class Gain:
    """How much smaller one error is than another, paired by group.

    Attributes:
        difference: mean of (error − baseline's error) with its Student-t interval over groups; negative is better.
        p: two-sided p-value of Student's t; ``nan`` where all differences are the same and not 0: there is no t.
        p_flip: two-sided p-value of flipping the signs of the groups' differences.
        better: groups in which the error is smaller.
    """

    difference: Interval
    p: float
    p_flip: float
    better: int


def gain(ours: Mapping[Hashable, float], baseline: Mapping[Hashable, float]) -> Gain:
    """Compare the errors of two predictions of the same groups.

    Raises:
        AnalysisError: the groups differ, or there are fewer than 2.
    """
    if set(ours) != set(baseline) or len(ours) < 2:
        raise AnalysisError(f"errors of {len(ours)} and {len(baseline)} groups; expected the same, at least 2.")
    d = np.array([ours[group] - baseline[group] for group in ours])
    difference = interval_of_mean(d)
    return Gain(difference, p_of_mean(difference), sign_flip(d), int((d < 0).sum()))


def sign_flip(values: ArrayLike, *, seed: int = 0, resamples: int = 9_999) -> float:
    r"""Two-sided p-value of a mean of 0: the share of the sign patterns s with :math:`|\sum s_i d_i| \ge |\sum d_i|`.

    All :math:`2^n` patterns up to n = 14, else a sample of them with the given one among it. It is exact where each
    value is as likely to come with the other sign. Sums that differ by rounding alone are equal: differences of
    accuracies are whole numbers of examples, and ``scipy.stats.permutation_test`` takes some of their ties for less.

    Raises:
        AnalysisError: there are no values, or one is not finite.
    """
    d = finite(values, "values")
    if len(d) == 0:
        raise AnalysisError("no values; expected at least one.")
    if len(d) <= EXACT:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(d))))
    else:
        drawn = np.random.default_rng(seed).choice((1.0, -1.0), size=(resamples, len(d)))
        signs = np.vstack([np.ones(len(d)), drawn])
    sums = np.abs(signs @ d)
    return float((sums >= abs(d.sum()) - 1e-9 * np.abs(d).sum()).mean())
