"""What a forecast rests on: labelled languages, records of other models, or the source language alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xlgen.core.errors import DataError
from xlgen.data.task import Task
from xlgen.forecast import frame as frames
from xlgen.forecast.forecasters import DEFAULT, Forecaster
from xlgen.forecast.jackknife import fewest, jackknife_plus

FEWEST = 3
"""Labelled target languages that a regression is fitted on."""

DIRECT = MappingProxyType({"sequence": "doc", "token": "atc"})
"""By kind of task, what forecasts where nothing but the source is labelled. DoC has missed by less than ATC where pairs
of sentences are classified, and by more where words are (the page on forecasts has the numbers). None of the estimators
that are calibrated on the source alone is good everywhere: none has an interval."""


@dataclass(frozen=True)
class Basis:
    """What forecasts rest on.

    Attributes:
        forecaster: how they are made.
        rows: what it is fitted on: keys, features and truth.
        words: forecaster and rows, for the reader.
        interval: what intervals rest on, or why there are none.
        apart: columns whose labels are left out together for intervals; none are given if empty.
        metric: what is forecast.
    """

    forecaster: Forecaster
    rows: pd.DataFrame
    words: str
    interval: str
    apart: tuple[str, ...]
    metric: str

    def forecasts(self, own: pd.DataFrame, level: float) -> dict[str, NDArray]:
        """``forecast``, ``low`` and ``high`` of each row; a row that was fitted is forecast from the others."""
        fitted = set(zip(self.rows["model"], self.rows["language"], strict=True))
        groups: dict[tuple, list[int]] = {}
        for i, (model, language) in enumerate(zip(own["model"], own["language"], strict=True)):
            here = (model, language) if (model, language) in fitted else None
            groups.setdefault((here, self._apart(model, language)), []).append(i)
        found = np.empty((len(own), 3))
        for (here, apart), places in groups.items():
            same = [pair == here for pair in zip(self.rows["model"], self.rows["language"], strict=True)]
            found[places] = self._ends(self.rows[~np.array(same, dtype=bool)], own.iloc[places], apart, level)
        return dict(zip(("forecast", "low", "high"), found.T, strict=True))

    def _ends(self, rows: pd.DataFrame, new: pd.DataFrame, apart: Sequence[str], level: float) -> NDArray:
        x, y, new = self.forecaster.features(rows), rows[frames.TRUTH].to_numpy(float), self.forecaster.features(new)
        value, fit = np.full((len(new), 3), math.nan), self.forecaster.fit
        if not apart or any(rows[name].nunique() < 2 for name in apart):
            value[:, 0] = fit(x, y)(new)
            return value
        band = jackknife_plus(fit, x, y, new, [rows[name].tolist() for name in apart], level)
        ends = np.column_stack([band.value, band.low.clip(0), band.high.clip(max=1)])
        ends[~np.isfinite(np.column_stack([band.value, band.low, band.high]))] = math.nan
        return ends

    def outside(self, own: pd.DataFrame) -> list[str]:
        """Of each row, which estimator is outside the range of those fitted, in words; empty where none is."""
        if self.rows.empty:
            return ["nothing but the source language is known"] * len(own)
        found = []
        for _, row in own.iterrows():
            why = []
            for name in self.forecaster.measures:
                low, high = self.rows[name].min(), self.rows[name].max()
                if not low <= row[name] <= high:
                    side, end = ("below", low) if row[name] < low else ("above", high)
                    why.append(f"{name} {row[name]:.3f} is {side} {end:.3f}")
            found.append("; ".join(why))
        return found

    def errors(self, own: pd.DataFrame, level: float) -> list[float]:
        """By row, the mean absolute error of such forecasts of what they rest on; ``nan`` if it is unknown.

        What they rest on is left out as for the row's interval: a model, and with it the language where it is new.
        """
        if self.rows.empty or not self.apart and len(self.rows) < FEWEST:
            return [math.nan] * len(own)
        x, y = self.forecaster.features(self.rows), self.rows[frames.TRUTH].to_numpy(dtype=float)

        def error(apart: Sequence[str]) -> float:
            if any(self.rows[name].nunique() < 2 for name in apart):
                return math.nan
            band = jackknife_plus(self.forecaster.fit, x, y, x[:1], [self.rows[name].tolist() for name in apart], level)
            return float(np.abs(band.held - y).mean())

        rows = zip(own["model"], own["language"], strict=True)
        ways = [self._apart(model, language) or ("language",) for model, language in rows]
        found = {apart: error(apart) for apart in dict.fromkeys(ways)}
        return [found[apart] for apart in ways]

    def _apart(self, model: str, language: str) -> tuple[str, ...]:
        """What is left out together where this language is forecast: not the language, if other models have it."""
        others = self.rows.loc[self.rows["model"] != model, "language"]
        return self.apart[:1] if len(self.apart) > 1 and language in set(others) else self.apart


def percent(level: float) -> str:
    """A level as it was given: ``"99.6%"``, ``"90%"``."""
    return f"{100 * level:.10g}%"


def basis_of(
    task: Task, own: pd.DataFrame, records: pd.DataFrame | None, labelled: Sequence[str], level: float
) -> Basis:
    """The strongest basis that the labels allow, from a fit on labelled languages down to the source alone.

    Which there are, in their order, says :func:`xlgen.forecast.predict.predict`.

    Args:
        task: what is forecast.
        own: a row a language: ``model``, ``language``, the estimators, and the truth where labels may be used.
        records: other models' rows, in the form of :mod:`xlgen.forecast.frame`.
        labelled: languages whose labels may be used.
        level: of the intervals.

    Raises:
        DataError: the records lack an estimator that the forecast is made from.
    """
    ridge, here, at = Forecaster("ridge", DEFAULT), own.dropna(subset=frames.TRUTH), percent(level)
    languages, groups = max(FEWEST, fewest(level)), max(2, fewest(level))  # of which an interval can be learnt
    features, known = f"{', '.join(DEFAULT[:-1])} and {DEFAULT[-1]}", ", ".join(labelled)
    fitted = f"ridge regression on {features}, fitted on {len(here)} labelled languages of this model ({known})"
    if len(here) >= languages:
        how = f"jackknife+ at {at}: each labelled language forecast from the others"
        return Basis(ridge, here, fitted, how, ("language",), task.metric)
    same = None if records is None else records[records["task"] == task.name]
    if same is not None and len(same):
        rows = pd.concat([_rows(same, DEFAULT), here], ignore_index=True)
        n = rows["model"].nunique()
        words = (
            f"regression on {features}, fitted on {len(rows)} labelled results of {n} models of {task.name}; in a "
            "language that they have, on how the model differs from them"
        )
        how = f"CV+ at {at}: each model forecast from the others, with the language left out where it is new"
        if n < groups:
            how = f"no intervals: at {at} they need {groups} models, and the records have {n}"
        within = Forecaster("within languages", DEFAULT, "within")
        return Basis(within, rows, words, how, ("model", "language") if n > 1 else (), task.metric)
    if len(here) >= FEWEST:
        how = f"no intervals: at {at} they need {languages} labelled languages"
        return Basis(ridge, here, fitted, how, (), task.metric)
    estimator = DIRECT[task.kind]
    direct = Forecaster(estimator, (estimator,), "as is")
    words = f"{estimator}, calibrated on {task.source_language!r} alone: weaker than a fit on labelled languages"
    metric = task.metric
    if metric == "f1":
        metric, words = "accuracy", words + "; it forecasts the accuracy of words, not F1"
    alike = None if records is None else records[records["task"].map(frames.target) == "accuracy"]  # which it forecasts
    if alike is not None and metric == task.metric and len(alike):
        rows = _rows(alike, (estimator,))
        n = rows["task"].nunique()
        how = f"CV+ at {at}: its errors in {len(rows)} labelled results of {n} other tasks"
        if n < groups:
            how = f"no intervals: at {at} they need {groups} other tasks, and the records have {n}"
        return Basis(direct, rows, words, how, ("task",) if n > 1 else (), metric)
    how = "no intervals: nothing here tells how far off it is in other languages; label some, or give records"
    nothing = own.iloc[:0]
    return Basis(direct, nothing, words, how, (), metric)


def _rows(records: pd.DataFrame, features: Sequence[str]) -> pd.DataFrame:
    """The rows of the records that have a feature."""
    if missing := sorted(set(features) - set(records["measure"])):
        raise DataError(
            f"the records have no {', '.join(missing)}; write them with `xlgen measure --measures accuracy,"
            f"{','.join(dict.fromkeys([*DEFAULT, *DIRECT.values()]))} --out FILE.csv`."
        )
    return frames.wide(records, features).dropna(subset=list(features), how="all")
