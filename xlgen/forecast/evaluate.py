"""How good forecasts are: what is left out is forecast from the rest, its error and the coverage are counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xlgen.analysis.intervals import Z, interval_of_mean
from xlgen.core.errors import DataError, UnknownName
from xlgen.forecast import frame as frames
from xlgen.forecast.forecasters import Forecaster, rivals
from xlgen.forecast.jackknife import LEVEL, Fit, jackknife_plus


@dataclass(frozen=True)
class Split:
    """What is forecast from what.

    Attributes:
        within: rows are forecast from those that are alike in these columns,
        apart: and that differ in all of these. The first is what intervals are over.
    """

    within: tuple[str, ...]
    apart: tuple[str, ...]


SPLITS = {
    "language": Split(("task", "model"), ("language",)),
    "model": Split(("task",), ("model",)),
    "model and language": Split(("task",), ("language", "model")),
    "task": Split((), ("task",)),
}
"""What can be left out: a language of a model, a model of a task, both at once, a whole task."""


def left_out(
    frame: pd.DataFrame, forecaster: Forecaster, leave: str = "language", level: float | None = LEVEL
) -> pd.DataFrame:
    """Forecast every model and language from rows that do not share what is left out.

    Args:
        frame: as :func:`xlgen.forecast.frame.tidy` returns it.
        forecaster: which.
        leave: a name in :data:`SPLITS`.
        level: of the intervals, each of which is made of the other rows alone; ``None`` makes none.

    Returns:
        The keys, ``truth``, ``value``, ``low`` and ``high`` of each row that can be forecast. Where the features of a
        row are missing altogether it cannot, nor where nothing is left to learn from. Ends are infinite where there are
        too few rows (:func:`~xlgen.forecast.jackknife.fewest`) or groups for an interval, or none is made.

    Raises:
        UnknownName: there is no such way to leave out, or the table lacks a measure.
    """
    if leave not in SPLITS:
        raise UnknownName("what to leave out", leave, SPLITS)
    split = SPLITS[leave]
    table = frames.wide(frame, [name for name in forecaster.measures if name != frames.SOURCE])
    if forecaster.measures:
        table = table.dropna(subset=list(forecaster.measures), how="all").reset_index(drop=True)
    x, y = forecaster.features(table), table[frames.TRUTH].to_numpy(dtype=float)
    alike = table.groupby(list(split.within)).ngroup().to_numpy() if split.within else np.zeros(len(table), int)
    apart = np.array([pd.factorize(table[name], sort=True)[0] for name in split.apart])
    ends, order = np.empty((len(table), 3)), []
    for key in np.unique(np.vstack([alike, apart]), axis=1).T:
        out = (alike == key[0]) & (apart == key[1:, None]).all(axis=0)
        rest = (alike == key[0]) & (apart != key[1:, None]).all(axis=0)
        if rest.any():
            ends[out] = _forecast(x[rest], y[rest], x[out], apart[:, rest], forecaster.fit, level)
            order.append(np.flatnonzero(out))
    if not order:
        raise DataError(f"nothing is left to learn from without a {leave}; expected at least two.")
    found = table[[*frames.KEYS, frames.TRUTH]].assign(value=ends[:, 0], low=ends[:, 1], high=ends[:, 2])
    return found.iloc[np.concatenate(order)].reset_index(drop=True)


def _forecast(x: NDArray, y: NDArray, new: NDArray, apart: NDArray, fit: Fit, level: float | None) -> NDArray:
    """Forecast and ends (M, 3) of new rows, from rows (N, K) that are apart in these (A, N) respects."""
    if level is None or any(len(np.unique(labels)) < 2 for labels in apart):  # one group tells nothing of others
        return np.column_stack([fit(x, y)(new), np.tile([-math.inf, math.inf], (len(new), 1))])
    band = jackknife_plus(fit, x, y, new, apart.tolist(), level)
    return np.column_stack([band.value, band.low, band.high])


def evaluate(
    frame: pd.DataFrame, leave: str = "language", forecasters: Sequence[Forecaster] = (), level: float | None = LEVEL
) -> pd.DataFrame:
    """Errors and coverage of forecasters, best first.

    Args:
        frame: as :func:`xlgen.forecast.frame.tidy` returns it.
        leave: a name in :data:`SPLITS`.
        forecasters: all :func:`~xlgen.forecast.forecasters.rivals` of the table unless given.
        level: of the intervals; ``None`` makes none.

    Returns:
        A row for each forecaster: its mean absolute error ``mae`` with the Student-t interval (95 %) of the mean over
        what was left out (over languages, models or tasks, each counting once); ``r``, the correlation of forecasts and
        truth; ``coverage``, the share of finite intervals that hold the truth, with Wilson's interval (95 %) as
        if each group were a single trial, which is too wide, if anything; ``width``, their mean length; ``intervals``,
        the share of rows that have one; ``passes``, the cost; ``label_free``; ``rows``; and ``groups``.
    """
    frame = frames.tidy(frame)
    rows = [
        _summary(left_out(frame, each, leave, level), each, leave) for each in forecasters or rivals(frame["measure"])
    ]
    return pd.DataFrame(rows).sort_values("mae", kind="stable", ignore_index=True)


def _summary(found: pd.DataFrame, forecaster: Forecaster, leave: str) -> dict[str, object]:
    group = SPLITS[leave].apart[0]
    error = (found["value"] - found[frames.TRUTH]).abs().groupby(found[group]).mean()
    mae = interval_of_mean(error)
    finite = found[np.isfinite(found["low"]) & np.isfinite(found["high"])]
    inside = finite[frames.TRUTH].between(finite["low"], finite["high"])
    covered = inside.groupby(finite[group]).mean()
    low, high = wilson(covered.mean(), len(covered)) if len(covered) else (math.nan, math.nan)
    varies = found["value"].nunique() > 1 and found[frames.TRUTH].nunique() > 1
    return {
        "forecaster": forecaster.name,
        "leave": leave,
        "mae": mae.value,
        "mae_low": mae.low,
        "mae_high": mae.high,
        "r": found["value"].corr(found[frames.TRUTH]) if varies else math.nan,
        "coverage": covered.mean(),
        "coverage_low": low,
        "coverage_high": high,
        "width": (finite["high"] - finite["low"]).mean(),
        "intervals": len(finite) / len(found),
        "passes": forecaster.passes,
        "label_free": forecaster.label_free,
        "rows": len(found),
        "groups": len(error),
    }


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of ``n`` trials, which need not be a whole number of them."""
    middle, reach = share + Z**2 / (2 * n), Z * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return (middle - reach) / (1 + Z**2 / n), (middle + reach) / (1 + Z**2 / n)
