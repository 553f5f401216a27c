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
    if len(y) < 2 or not x.shape[1]:
        return lambda new: np.full(len(new), y.mean())
    there = np.isfinite(x)
    counts = np.maximum(there.sum(axis=0), 1)
    centre = np.where(there, x, 0).sum(axis=0) / counts
    scale = np.sqrt(np.where(there, np.square(x - centre), 0).sum(axis=0) / counts)
    scale = np.where(scale > 1e-12 * np.abs(centre), scale, np.inf)

    def standardised(x: NDArray) -> NDArray:
        return np.where(np.isfinite(x), (x - centre) / scale, 0)

    mean = y.mean()
    beta = slopes(standardised(x), y - mean, 1 / len(y))
    return lambda new: (mean + standardised(new) @ beta).clip(0, 1)


def slopes(z: NDArray, y: NDArray, leverage: float) -> NDArray:
    r"""Coefficients (K,) of the ridge without intercept, of that strength which forecasts rows left out best.

    .. math:: \hat\beta_\lambda = (Z^\top Z + \lambda I)^{-1} Z^\top y , \qquad
        y_i - z_i^\top \hat\beta_{\lambda,-i} = \frac{y_i - z_i^\top \hat\beta_\lambda}{1 - h_i} , \qquad
        h_i = h + z_i^\top (Z^\top Z + \lambda I)^{-1} z_i

    with the least sum of squares of the second over :data:`LAMS`: no row has to be left out to know them all
    [allen1974press].

    Args:
        z: (N, K) features.
        y: (N,) what is predicted.
        leverage: h of every row, 1 / N where the means of z and y were taken off, else 0.
    """
    variances, axes = np.linalg.eigh(z.T @ z)
    u = z @ axes
    shrunk, along = 1 / (variances[:, None] + LAMS), (u.T @ y)[:, None]
    left_out = (y[:, None] - u @ (along * shrunk)) / (1 - leverage - np.square(u) @ shrunk)
    best = np.square(left_out).sum(axis=0).argmin()
    return axes @ (along * shrunk)[:, best]
