r"""Regression within languages: what differs between models, where others' accuracy in the language is known.

With the accuracies :math:`y_{m\ell}` of other models m in the languages :math:`\ell` and their features
:math:`x_{m\ell}`, a new model's accuracy in a language that they have is forecast from theirs,

.. math:: \hat y_\ell = \bar y_\ell + \beta^\top (x_\ell - \bar x_\ell), \qquad
    y_{m\ell} - \bar y_\ell \approx \beta^\top (x_{m\ell} - \bar x_\ell)

the fixed-effects (within) estimator [mundlak1978pooling], with a ridge on β. Without features it is a look-up of what
the other models reach there. A language that they lack is forecast by the line through all of them
(:func:`xlgen.forecast.ridge.ridge`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from xlgen.forecast.jackknife import Predictor
from xlgen.forecast.ridge import LAMS, ridge


def numbers(languages: ArrayLike) -> NDArray:
    """A number for each language, (N,), the same in every table: the codes' hashes in the 52 bits that floats hold."""
    codes = np.asarray(languages, dtype=object)
    return (pd.util.hash_array(codes) >> np.uint64(12)).astype(float)


def within(x: NDArray, y: NDArray) -> Predictor:
    """Fit languages' means and one slope for all differences from them; a line for languages that are not among them.

    Args:
        x: (N, K + 1) features, K ≥ 0, ``nan`` where one is missing, and last the language (:func:`numbers`).
        y: (N,) accuracies.

    Returns:
        What predicts from (M, K + 1), shares in [0, 1]. Where no two rows share a language there is nothing to learn of
        differences, and all is forecast by the line.
    """
    from sklearn import config_context
    from sklearn.linear_model import RidgeCV

    line, language = ridge(x[:, :-1], y), x[:, -1]
    centre, level = pd.DataFrame(x[:, :-1]).groupby(language).mean(), pd.Series(y).groupby(language).mean()
    if len(level) == len(y):
        return lambda new: line(new[:, :-1])

    def differs(rows: NDArray) -> NDArray:  # a feature that is missing is taken not to
        return np.nan_to_num(rows[:, :-1] - centre.reindex(rows[:, -1]).to_numpy())

    scale = np.sqrt(np.square(differs(x)).mean(axis=0))
    scale = np.where(scale > 1e-12, scale, np.inf)
    with config_context(assume_finite=True, skip_parameter_validation=True):  # which takes longer than the fit
        ridges = RidgeCV(alphas=LAMS, fit_intercept=False)
        features = scale.size > 0
        beta = ridges.fit(differs(x) / scale, y - level[language].to_numpy()).coef_ if features else scale

    def forecast(new: NDArray) -> NDArray:
        others = level.reindex(new[:, -1]).to_numpy()
        return np.where(np.isnan(others), line(new[:, :-1]), (others + differs(new) / scale @ beta).clip(0, 1))

    return forecast
