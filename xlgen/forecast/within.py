r"""Regression within languages: what differs between models, where others' accuracy in the language is known.

With the accuracies :math:`y_{m\ell}` of other models m in the languages :math:`\ell` and their features
:math:`x_{m\ell}`, a new model's accuracy in a language that they have is forecast from theirs,

.. math:: \hat y_\ell = \bar y_\ell + \beta^\top (x_\ell - \bar x_\ell) + u, \qquad
    y_{m\ell} - \bar y_\ell \approx \beta^\top (x_{m\ell} - \bar x_\ell)

the fixed-effects (within) estimator [mundlak1978pooling], with a ridge on β. Without features it is a look-up of what
the other models reach there. A language that they lack is forecast by the line through all of them
(:func:`xlgen.forecast.ridge.ridge`) and u.

All languages of a model share an error, and labels in some of them show it: u is the best linear unbiased prediction of
a random effect of the model, the mean of its k residuals times :math:`k / (k + \sigma_e^2 / \sigma_u^2)`, where all are
known equally well [robinson1991blup]. It is 0 for a model without labels.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from xlgen.forecast.jackknife import Predictor
from xlgen.forecast.ridge import ridge, slopes


def numbers(names: ArrayLike) -> NDArray:
    """A number for each name, (N,), the same in every table: the names' hashes in the 52 bits that floats hold."""
    codes = np.asarray(names, dtype=object)
    return (pd.util.hash_array(codes) >> np.uint64(12)).astype(float)


def within(x: NDArray, y: NDArray) -> Predictor:
    """Fit languages' means, one slope for all differences from them, and what each model is better by than forecast.

    Args:
        x: (N, K + 3) features, K ≥ 0, ``nan`` where one is missing, then the language and the model (:func:`numbers`),
            and the standard error of the accuracy, ``nan`` if it is unknown.
        y: (N,) accuracies.

    Returns:
        What predicts from (M, K + 3), shares in [0, 1]. Where no two rows share a language there is nothing to learn of
        differences, and all is forecast by the line.
    """
    features, (language, model, noise) = x[:, :-3], x[:, -3:].T
    line = ridge(features, y)
    beside_line = effects(y - line(features), model, noise)

    def by_line(new: NDArray) -> NDArray:
        return (line(new[:, :-3]) + _of(beside_line, new)).clip(0, 1)

    languages, index, n = np.unique(language, return_inverse=True, return_counts=True)
    if len(languages) == len(y):
        return by_line
    level = np.append(np.bincount(index, y) / n, np.nan)
    there, rows_of = np.isfinite(features), (index == np.arange(len(n))[:, None]).astype(float)
    with np.errstate(invalid="ignore"):  # a feature that all rows of a language lack has no mean there
        centre = rows_of @ np.where(there, features, 0.0) / (rows_of @ there)

    def differs(rows: NDArray, at: NDArray) -> NDArray:  # a feature that is missing is taken not to
        return np.nan_to_num(rows[:, :-3] - centre[at])

    differences = differs(x, index)
    scale = np.sqrt(np.square(differences).mean(axis=0))
    scale = np.where(scale > 1e-12, scale, np.inf)
    off = y - level[index]
    beta = slopes(differences / scale, off, 0.0)
    others = n[index] - 1
    known = others > 0
    # a row is part of its language's mean: n / (n - 1) of the residual is what it differs by from the others
    residual = (off - differences / scale @ beta)[known] * (others[known] + 1) / others[known]
    beside = effects(residual, model[known], noise[known])

    def forecast(new: NDArray) -> NDArray:
        at = _places(languages, new[:, -3])
        inside = (level[at] + differs(new, at) / scale @ beta + _of(beside, new)).clip(0, 1)
        return np.where(at < 0, by_line(new), inside)

    return forecast


def effects(residual: NDArray, model: NDArray, noise: NDArray) -> pd.Series:
    r"""What each model's residuals have in common, shrunk towards 0: the prediction of a random effect.

    With the residuals :math:`r_i` of model m,

    .. math:: u_m = \frac{\sum_i w_i r_i}{1 / \sigma_u^2 + \sum_i w_i} , \qquad
        w_i = \frac{1}{\sigma_e^2 + (s_i^2 - s^2)_+}

    and the variances within and between the M models by the moments of the analysis of variance
    [searle1992variance]. They hold the sampling variance that rows mostly have, the median :math:`s^2`; what a row has
    beyond it, such as the accuracy on a hundred examples beside records of thousands, is added. Rows of more than
    :math:`2 s^2` do not enter the moments, in which with :math:`n_m` of N rows and means :math:`\bar r_m`

    .. math:: \sigma_u^2 = \max\Big(0, \frac{\sum_m n_m (\bar r_m - \bar r)^2 / (M - 1) - \sigma_e^2}
        {(N - \sum_m n_m^2 / N) / (M - 1)}\Big)

    Args:
        residual: (N,) of the rows.
        model: (N,) of each row.
        noise: (N,) standard errors of what the rows are about, ``nan`` where that of the others is assumed.

    Returns:
        By model; all 0 where there are fewer than two models, or one row of each.
    """
    names, index = np.unique(model, return_inverse=True)
    square = np.square(noise)
    usual = np.nanmedian(square) if np.isfinite(square).any() else 0.0
    excess = np.nan_to_num(square - usual).clip(0)
    plain = excess <= usual
    inner, outer = _variances(residual[plain], model[plain])
    if not outer:
        return pd.Series(0.0, names)
    weight = 1 / (max(inner, 1e-12 * outer) + excess)
    return pd.Series(np.bincount(index, weight * residual) / (1 / outer + np.bincount(index, weight)), names)


def _variances(residual: NDArray, model: NDArray) -> tuple[float, float]:
    """Within and between models, by moments; no variance between where fewer than two models have two rows."""
    index = np.unique(model, return_inverse=True)[1]
    n = np.bincount(index)
    rows, models = len(index), len(n)
    if not 1 < models < rows:
        return 0.0, 0.0
    mean = np.bincount(index, residual) / n
    inner = np.square(residual - mean[index]).sum() / (rows - models)
    between = (n * np.square(mean - residual.mean())).sum() / (models - 1)
    return inner, max(0.0, between - inner) / ((rows - np.square(n).sum() / rows) / (models - 1))


def _of(effect: pd.Series, new: NDArray) -> NDArray:
    return np.append(effect.to_numpy(), 0.0)[_places(effect.index.to_numpy(), new[:, -2])]


def _places(names: NDArray, wanted: NDArray) -> NDArray:
    """Places among sorted names; -1, the place of what is added behind them, of one that is not there."""
    at = np.searchsorted(names, wanted).clip(max=len(names) - 1)
    return np.where(names[at] == wanted, at, -1)
