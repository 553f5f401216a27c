r"""Predicting accuracy from measures: ridge regression, tested on groups of rows that it has never seen.

A row is one model in one language. Rows are grouped, by language or by model, and predicted a group at a time from a
regression on all the other groups, so that nothing of a language (or a model) helps to predict it.

The errors that are found are those for the test set at hand. Where its examples are the same sentences in all
languages, as in XNLI and PAWS-X, an unlucky choice of sentences moves the accuracies of the group that is left out and
of those learnt from together; another test set would have other errors, and no interval over groups contains that.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlgen.analysis.intervals import AnalysisError, finite

LAMS = tuple(float(lam) for lam in np.geomspace(1e-4, 1e2, 13))
"""Strengths of the ridge that are chosen from; standardised measures have a variance of 1."""


@dataclass(frozen=True)
class Ridge:
    """A fitted regression: ``intercept + (x - centre) / scale @ beta``."""

    centre: NDArray
    scale: NDArray
    beta: NDArray
    intercept: float

    def __call__(self, x: NDArray) -> NDArray:
        """Predictions (N,) for measures (N, K)."""
        return self.intercept + (x - self.centre) / self.scale @ self.beta


def ridge(x: NDArray, y: NDArray, lams: Sequence[float]) -> list[Ridge]:
    r"""Fit a ridge regression on standardised measures, for each of several strengths [hoerl1970ridge].

    .. math:: \hat\beta = \arg\min_\beta \frac1N \| y - \bar y - Z \beta \|^2 + \lambda \|\beta\|^2
        = \Big( \frac1N Z^\top Z + \lambda I \Big)^{-1} \frac1N Z^\top (y - \bar y)

    with Z the measures minus their means, divided by their standard deviations; all of it from the rows given. The
    intercept is not penalised. A measure that is constant has the coefficient 0.

    Args:
        x: (N, K) measures.
        y: (N,) what is predicted.
        lams: the strengths λ ≥ 0; with 0, directions without variance have the coefficient 0.
    """
    centre, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale > 1e-12 * np.abs(x).max(axis=0), scale, np.inf)
    z, mean = (x - centre) / scale, float(y.mean())
    variances, axes = np.linalg.eigh(z.T @ z / len(y))
    along = axes.T @ (z.T @ (y - mean) / len(y))
    variances = np.where(variances > 1e-12 * max(variances.max(), 1e-300), variances, np.inf)
    return [Ridge(centre, scale, axes @ (along / (variances + lam)), mean) for lam in lams]


@dataclass(frozen=True)
class Predicted:
    """Predictions of rows by regressions that did not see their group.

    Attributes:
        values: (N,) one a row.
        lams: by group, the strength that was chosen for predicting it.
    """

    values: NDArray
    lams: dict[Hashable, float]


def leave_one_out(
    x: ArrayLike,
    y: ArrayLike,
    groups: Sequence[Hashable],
    within: Sequence[Hashable] | None = None,
    lams: Sequence[float] | None = None,
) -> Predicted:
    """Predict each group of rows from all the others.

    For every group: the strength of the ridge is chosen by leaving out, in turn, each of the *other* groups (least
    squared error, a group counting once), with means and standard deviations computed anew from what then remains; the
    regression is fitted on all other groups and applied to the rows left out. Of those only the measures are read,
    and of each row only its own.

    With ``within`` the regression is on deviations: x and y minus their means over the training rows of the same label
    (the same model, if groups are languages). The prediction adds the label's mean back, so that at infinite strength
    it is :func:`mean_of_others`.

    Args:
        x: (N, K) measures.
        y: (N,) accuracies.
        groups: (N,) what is left out together.
        within: (N,) labels with a mean of their own; a label without a training row takes the mean of all of them.
        lams: to choose from; by default :data:`LAMS`, or plain least squares (0) for a single measure.

    Raises:
        AnalysisError: numbers that are not finite, lengths that differ, or too few groups: 2 are needed to leave one
            out, 3 if a strength is to be chosen.
    """
    x, y, g, w = _tables(x, y, groups, within)
    lams = list(lams) if lams is not None else [0.0] if x.shape[1] == 1 else list(LAMS)
    kinds, values, chosen = np.unique(g), np.empty(len(y)), {}
    if len(kinds) < (least := 2 + (len(lams) > 1)):
        raise AnalysisError(f"{len(kinds)} groups; expected at least {least}, to leave one out.")
    names = dict(zip(g.tolist(), groups, strict=True))
    for out in kinds:
        rest = g != out
        lam = lams[0] if len(lams) == 1 else lams[_best(x[rest], y[rest], g[rest], w[rest], lams)]
        values[~rest] = _fitted(x, y, w, rest, [lam])[0]
        chosen[names[int(out)]] = lam
    return Predicted(values, chosen)


def mean_of_others(y: ArrayLike, groups: Sequence[Hashable], within: Sequence[Hashable] | None = None) -> NDArray:
    """Predict each row by the mean of the other groups' rows with the same ``within`` label: the simplest baseline.

    Raises:
        AnalysisError: as :func:`leave_one_out`.
    """
    y = np.asarray(y, dtype=float)
    return leave_one_out(np.zeros((len(y), 1)), y, groups, within).values


def _best(x: NDArray, y: NDArray, g: NDArray, w: NDArray, lams: Sequence[float]) -> int:
    """Index of the strength with the least mean squared error over groups left out in turn; of equals the strongest."""
    errors = np.zeros(len(lams))
    for out in np.unique(g):
        rest = g != out
        errors += [np.square(predicted - y[~rest]).mean() for predicted in _fitted(x, y, w, rest, lams)]
    order = np.argsort(lams)[::-1]
    return int(order[np.argmin(errors[order])])


def _fitted(x: NDArray, y: NDArray, w: NDArray, rest: NDArray, lams: Sequence[float]) -> list[NDArray]:
    """Predictions of the rows that are not in ``rest``, for each strength, from a regression on those that are."""
    columns = np.column_stack([x, y])
    offset = _label_means(columns[rest], w[rest], w)
    deviations = columns - offset
    fits = ridge(deviations[rest, :-1], deviations[rest, -1], lams)
    return [fit(deviations[~rest, :-1]) + offset[~rest, -1] for fit in fits]


def _label_means(rows: NDArray, labels: NDArray, wanted: NDArray) -> NDArray:
    """The mean row of each wanted label; of all rows for a label that none has."""
    counts = np.bincount(labels, minlength=wanted.max() + 1)
    sums = np.column_stack([np.bincount(labels, column, minlength=len(counts)) for column in rows.T])
    means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], rows.mean(axis=0))
    return means[wanted]


def _tables(x: ArrayLike, y: ArrayLike, groups: Sequence, within: Sequence | None) -> list[NDArray]:
    y = finite(y, "y")
    x = np.asarray(x, dtype=float)
    lengths = [len(y), len(x), len(groups)] + ([] if within is None else [len(within)])
    if y.ndim != 1 or x.ndim != 2 or len(set(lengths)) != 1 or not x.shape[1]:
        raise AnalysisError(f"x has shape {x.shape} for {lengths[0]} y, {lengths[2]} groups; expected a row for each.")
    finite(x.ravel(), "x")
    g, w = (_codes(labels) for labels in (groups, within if within is not None else [0] * len(y)))
    return [x, y, g, w]


def _codes(labels: Sequence[Hashable]) -> NDArray:
    """Whole numbers in place of labels, in the order in which they come."""
    codes = {label: code for code, label in enumerate(dict.fromkeys(labels))}
    return np.array([codes[label] for label in labels])
