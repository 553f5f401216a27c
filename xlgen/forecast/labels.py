r"""How many labelled examples are worth a forecast.

The share p̂ of n labelled examples that a model has right is off by √(p (1 - p) / n) √(2/π) on average: the mean
absolute deviation of a normal variable is √(2/π) of its standard deviation. A forecast with the mean absolute error MAE
is worth as many labels as have that error,

.. math:: n = \frac2\pi \, \frac{p (1 - p)}{\mathrm{MAE}^2}

so that whoever has more of them had better use them. De Moivre's exact deviation of a binomial share differs by less
than 2 % from ten expected examples of either kind on.
"""

from __future__ import annotations

import math

from xlgen.analysis.intervals import AnalysisError


def labels_worth(error: float, accuracy: float) -> float:
    """The number of labelled examples whose accuracy has the same mean absolute error.

    Args:
        error: mean absolute error of the forecast, in (0, 1].
        accuracy: p, in [0, 1], such as the forecast itself.

    Returns:
        n, not rounded; 0 at an accuracy of 0 or 1, of which a single label tells all.

    Raises:
        AnalysisError: a number out of its range.
    """
    if not 0 < error <= 1:
        raise AnalysisError(f"error is {error}; expected a mean absolute error in (0, 1], such as 0.03.")
    return 2 / math.pi * _variance(accuracy) / error**2


def error_of_labels(n: float, accuracy: float) -> float:
    """The mean absolute error of the accuracy on ``n`` labelled examples: the inverse of :func:`labels_worth`.

    Raises:
        AnalysisError: a number out of its range.
    """
    if not n > 0:
        raise AnalysisError(f"n is {n}; expected a number of examples above 0.")
    return math.sqrt(2 / math.pi * _variance(accuracy) / n)


def _variance(accuracy: float) -> float:
    if not 0 <= accuracy <= 1:
        raise AnalysisError(f"accuracy is {accuracy}; expected a share in [0, 1].")
    return accuracy * (1 - accuracy)
