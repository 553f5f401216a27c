"""Ridge regression on standardised features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xlgen.forecast.jackknife import Predictor

LAMS = tuple(float(lam) for lam in np.geomspace(1e-3, 1e2, 11))
"""Strengths of the ridge that are chosen from, for standardised features and a sum of squares."""


def ridge(x: NDArray, y: NDArray) -> Predictor:
    """Ridge regression on standardised features [hoerl1970ridge], its strength chosen by leaving one row out.

    A feature that a row lacks (``nan``) counts as its mean over the others. Forecasts are shares, and are cut to
    [0, 1].
    """
    from sklearn import config_context
    from sklearn.linear_model import RidgeCV

    if len(y) < 2 or not x.shape[1]:
        return lambda new: np.full(len(new), y.mean())
    there = np.isfinite(x)
    counts = np.maximum(there.sum(axis=0), 1)
    centre = np.where(there, x, 0).sum(axis=0) / counts
    scale = np.sqrt(np.where(there, np.square(x - centre), 0).sum(axis=0) / counts)
    scale = np.where(scale > 1e-12 * np.abs(centre), scale, np.inf)

    def standardised(x: NDArray) -> NDArray:
        return np.where(np.isfinite(x), (x - centre) / scale, 0)

    with config_context(assume_finite=True, skip_parameter_validation=True):  # which takes longer than the fit
        model = RidgeCV(alphas=LAMS).fit(standardised(x), y)
    return lambda new: (model.intercept_ + standardised(new) @ model.coef_).clip(0, 1)
