"""Several predictors against each other: each predicts the same rows, from regressions that did not see their group."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlgen.analysis.gains import Errors, Gain, errors, gain
from xlgen.analysis.intervals import AnalysisError
from xlgen.analysis.predictor import leave_one_out

Entry = TypeVar("Entry")
FEWEST_GROUPS = 3
"""A strength of the ridge is chosen by leaving out a group of those that are left."""


@dataclass(frozen=True)
class Contest:
    """What the predictors of a contest said, and how far off they were.

    Attributes:
        rows: of the table, those that every predictor can predict.
        groups: of these rows, what was left out together.
        y: of these rows, what was predicted.
        predicted: by predictor, what it said of these rows.
        errors: by predictor, in points, by group.
    """

    rows: NDArray
    groups: tuple[Hashable, ...]
    y: NDArray
    predicted: Mapping[str, NDArray]
    errors: Mapping[str, Errors]

    def gain(self, ours: str, baseline: str) -> Gain:
        """How much smaller the error of one is than that of another, paired by group."""
        return gain(self.errors[ours].mae, self.errors[baseline].mae)


def contest(
    predictors: Mapping[str, ArrayLike],
    y: ArrayLike,
    groups: Sequence[Hashable],
    within: Mapping[str, Sequence[Hashable]] | None = None,
) -> Contest:
    """Predict each group of rows from all the others with each of several predictors (:func:`leave_one_out`).

    Args:
        predictors: by name, (N, K) measures; ``nan`` takes the row out for all of them, so that no one is compared on
            easier rows. A column of zeros, with ``within``, is the mean of the other groups.
        y: (N,) accuracies.
        groups: (N,) what is left out together.
        within: by name, (N,) labels with a mean of their own; a predictor without them has one regression for all.

    Raises:
        AnalysisError: fewer than three groups have a row that every predictor can predict, or lengths differ.
    """
    tables = {name: np.asarray(x, dtype=float) for name, x in predictors.items()}
    y, within = np.asarray(y, dtype=float), within or {}
    lengths = {"y": len(y), "groups": len(groups)} | {name: len(x) for name, x in tables.items()}
    lengths |= {f"within of {name}": len(labels) for name, labels in within.items()}
    if len(set(lengths.values())) != 1:
        raise AnalysisError(f"rows: {lengths}; expected as many of each.")
    rows = np.flatnonzero(np.isfinite(np.column_stack([*tables.values()])).all(axis=1))
    here = tuple(groups[row] for row in rows)
    if len(set(here)) < FEWEST_GROUPS:
        raise AnalysisError(f"{len(set(here))} groups with all measures; expected at least {FEWEST_GROUPS}.")
    labels = {name: [given[row] for row in rows] for name, given in within.items()}
    predicted = {name: leave_one_out(x[rows], y[rows], here, labels.get(name)).values for name, x in tables.items()}
    return Contest(rows, here, y[rows], predicted, {name: errors(v, y[rows], here) for name, v in predicted.items()})


def contests(entries: Mapping[str, Entry], hold: Callable[[Entry], Contest]) -> dict[str, Contest]:
    """The contest of each entry, by name; that of an entry with too few groups is not held."""
    results = {}
    for name, entry in entries.items():
        with suppress(AnalysisError):
            results[name] = hold(entry)
    return results
