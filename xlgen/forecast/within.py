r"""Regression within languages: what differs between models, where others' accuracy in the language is known.

With the accuracies :math:`y_{m\ell}` of other models m in the languages :math:`\ell` and their features
:math:`x_{m\ell}`, a new model's accuracy in a language that they have is forecast from theirs,

.. math:: \hat y_\ell = \bar y_\ell + \beta^\top (x_\ell - \bar x_\ell) + u, \qquad
    y_{m\ell} - \bar y_\ell \approx \beta^\top (x_{m\ell} - \bar x_\ell)

the fixed-effects (within) estimator [mundlak1978pooling], with a ridge on β. Without features it is a look-up of what
the other models reach there. A language that they lack is forecast by the line through all of them
(:func:`xlgen.forecast.ridge.ridge`) and u.

All languages of a model share an error, and labels in some of them show it: u is the best linear unbiased prediction of
a random effect of the model, the mean of its k residuals times :math:`k / (k + \sigma_e^2 / \sigma_u^2)`
[robinson1991blup]. It is 0 for a model without labels.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from xlgen.forecast.jackknife import Predictor
from xlgen.forecast.ridge import LAMS, ridge


def numbers(names: ArrayLike) -> NDArray:
    """A number for each name, (N,), the same in every table: the names' hashes in the 52 bits that floats hold."""
    codes = np.asarray(names, dtype=object)
    return (pd.util.hash_array(codes) >> np.uint64(12)).astype(float)


def within(x: NDArray, y: NDArray) -> Predictor:
    """Fit languages' means, one slope for all differences from them, and what each model is better by than forecast.

    Args:
        x: (N, K + 2) features, K ≥ 0, ``nan`` where one is missing, then the language and last the model
            (:func:`numbers`).
        y: (N,) accuracies.

    Returns:
        What predicts from (M, K + 2), shares in [0, 1]. Where no two rows share a language there is nothing to learn of
        differences, and all is forecast by the line.
    """
    from sklearn import config_context
    from sklearn.linear_model import RidgeCV

    features, language, model = x[:, :-2], x[:, -2], x[:, -1]
    line = ridge(features, y)
    beside_line = effects(y - line(features), model)
    by_language = pd.Series(y).groupby(language)
    centre, level, n = pd.DataFrame(features).groupby(language).mean(), by_language.mean(), by_language.size()

    def by_line(new: NDArray) -> NDArray:
        return (line(new[:, :-2]) + _of(beside_line, new)).clip(0, 1)

    if len(level) == len(y):
        return by_line

    def differs(rows: NDArray) -> NDArray:  # a feature that is missing is taken not to
        return np.nan_to_num(rows[:, :-2] - centre.reindex(rows[:, -2]).to_numpy())

    scale = np.sqrt(np.square(differs(x)).mean(axis=0))
    scale = np.where(scale > 1e-12, scale, np.inf)
    off = y - level[language].to_numpy()
    with config_context(assume_finite=True, skip_parameter_validation=True):  # which takes longer than the fit
        ridges = RidgeCV(alphas=LAMS, fit_intercept=False)
        beta = ridges.fit(differs(x) / scale, off).coef_ if scale.size else scale
    others = n[language].to_numpy() - 1
    known = others > 0
    # a row is part of its language's mean: n / (n - 1) of the residual is what it differs by from the others
    residual = (off - differs(x) / scale @ beta)[known] * (others[known] + 1) / others[known]
    beside = effects(residual, model[known])

    def forecast(new: NDArray) -> NDArray:
        there = level.reindex(new[:, -2]).to_numpy()
        inside = (there + differs(new) / scale @ beta + _of(beside, new)).clip(0, 1)
        return np.where(np.isnan(there), by_line(new), inside)

    return forecast


def effects(residual: NDArray, model: NDArray) -> pd.Series:
    r"""What each model's residuals have in common, shrunk towards 0: the prediction of a random effect.

    With :math:`n_m` of N residuals of model m, their mean :math:`\bar r_m`, and the variances within and between the M
    models by the moments of the analysis of variance [searle1992variance],

    .. math:: u_m = \frac{n_m}{n_m + \sigma_e^2 / \sigma_u^2}\, \bar r_m , \qquad
        \sigma_u^2 = \max\Big(0, \frac{\sum_m n_m (\bar r_m - \bar r)^2 / (M - 1) - \sigma_e^2}
        {(N - \sum_m n_m^2 / N) / (M - 1)}\Big)

    Args:
        residual: (N,) of the rows.
        model: (N,) of each row.

    Returns:
        By model; all 0 where there are fewer than two models, or one row of each.
    """
    names, index = np.unique(model, return_inverse=True)
    n, total = np.bincount(index), np.bincount(index, residual)
    mean, rows, models = total / n, len(index), len(names)
    if not 1 < models < rows:
        return pd.Series(0.0, names)
    inner = np.square(residual - mean[index]).sum() / (rows - models)
    between = (n * np.square(mean - residual.mean())).sum() / (models - 1)
    outer = max(0.0, between - inner) / ((rows - np.square(n).sum() / rows) / (models - 1))
    return pd.Series(mean * n * outer / (n * outer + inner) if outer else 0.0, names)


def _of(effect: pd.Series, new: NDArray) -> NDArray:
    return effect.reindex(new[:, -1]).fillna(0.0).to_numpy()
