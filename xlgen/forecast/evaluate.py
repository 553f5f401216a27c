"""How good forecasts are: what is left out is forecast from the rest, its error and the coverage are counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xlgen.analysis.intervals import Z, interval_of_mean
from xlgen.core.errors import DataError, UnknownName
from xlgen.forecast import frame as frames
from xlgen.forecast.forecasters import Forecaster, rivals
from xlgen.forecast.jackknife import LEVEL, jackknife_plus


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
    parts = []
    for _, same in table.groupby(list(split.within)) if split.within else [((), table)]:
        for key, out in same.groupby(list(split.apart)):
            rest = same[np.logical_and.reduce([same[name] != own for name, own in zip(split.apart, key, strict=True)])]
            if len(rest):
                parts.append(_forecast(rest, out, forecaster, split.apart, level))
    if not parts:
        raise DataError(f"nothing is left to learn from without a {leave}; expected at least two.")
    return pd.concat(parts, ignore_index=True)


def _forecast(
    rest: pd.DataFrame, out: pd.DataFrame, forecaster: Forecaster, apart: Sequence[str], level: float | None
) -> pd.DataFrame:
    x, y, new = forecaster.features(rest), rest[frames.TRUTH].to_numpy(), forecaster.features(out)
    found = out[[*frames.KEYS, frames.TRUTH]]
    if level is None or any(rest[name].nunique() < 2 for name in apart):  # one group tells nothing of others
        return found.assign(value=forecaster.fit(x, y)(new), low=-math.inf, high=math.inf)
    band = jackknife_plus(forecaster.fit, x, y, new, [rest[name].tolist() for name in apart], level)
    return found.assign(value=band.value, low=band.low, high=band.high)


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
