"""What a forecast rests on: labelled languages, records of other models, or the source language alone."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
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

MANY = fewest()
"""Labelled languages of a model that tell how far off its forecasts are, where as many of other models could tell it
too. With the least number that a level takes, an interval is as long as the greatest of their errors."""

FEATURES = f"{', '.join(DEFAULT[:-1])} and {DEFAULT[-1]}"

DIRECT = MappingProxyType({"sequence": "doc", "token": "atc"})
"""By kind of task, what forecasts where nothing but the source is labelled. DoC has missed by less than ATC where pairs
of sentences are classified, and by more where words are (the page on forecasts has the numbers). None of the estimators
that are calibrated on the source alone is good everywhere: none has an interval."""


@dataclass(frozen=True)
class Basis:
    """What forecasts rest on.

    Attributes:
        forecaster: how they are made.
        rows: what it is fitted on: keys, features and truth, and the ``group`` that a row is left out with for
            intervals, empty where it never is.
        words: forecaster and rows, for the reader.
        interval: what intervals rest on, or why there are none.
        metric: what is forecast.
    """

    forecaster: Forecaster
    rows: pd.DataFrame
    words: str
    interval: str
    metric: str

    def beside(self, part: pd.DataFrame) -> Basis:
        """The same basis with the model's own rows as a part of its examples has them; what the part lacks stays."""
        keys = ["model", "language"]
        rows = self.rows.set_index(keys)
        rows.update(part.set_index(keys)[[*self.forecaster.measures, frames.TRUTH]])
        return replace(self, rows=rows.reset_index())

    def forecasts(self, own: pd.DataFrame, level: float) -> dict[str, NDArray]:
        """``forecast``, ``low`` and ``high`` of each row; a row that was fitted is forecast from the others."""
        found = np.empty((len(own), 3))
        for others, new, places in self._left_out(own):
            found[places] = self._ends(others, own.iloc[places], new, level)
        return dict(zip(("forecast", "low", "high"), found.T, strict=True))

    def values(self, own: pd.DataFrame) -> NDArray:
        """The forecasts alone."""
        found = np.empty(len(own))
        for others, _, places in self._left_out(own):
            fit = self.forecaster.fit(self.forecaster.features(others), others[frames.TRUTH].to_numpy(float))
            found[places] = fit(self.forecaster.features(own.iloc[places]))
        return found

    def _left_out(self, own: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, bool, list[int]]]:
        """The fitted rows but for one's own, whether the language is new, and the places of ``own`` that share both."""
        fitted = list(zip(self.rows["model"], self.rows["language"], strict=True))
        groups: dict[tuple, list[int]] = {}
        pairs = zip(own["model"], own["language"], strict=True)
        for i, (pair, new) in enumerate(zip(pairs, self._new(own), strict=True)):
            groups.setdefault((pair if pair in fitted else None, new), []).append(i)
        for (left_out, new), places in groups.items():
            yield self.rows[np.array([pair != left_out for pair in fitted], dtype=bool)], new, places

    def chance(self, own: pd.DataFrame) -> NDArray:
        """The standard error that other models' examples give to what is known in a row's language, or in all if new.

        ``nan`` where the records have none; 0 where no other models are learnt from, or those of other tasks, whose
        examples are others and whose errors show it.
        """
        others = self.rows[~self.rows["model"].isin(own["model"])]
        if self.forecaster.how == "as is" or others.empty:
            return np.zeros(len(own))
        there, everywhere = others.groupby("language")[frames.NOISE].median(), others[frames.NOISE].median()
        return own["language"].map(there).fillna(everywhere).to_numpy(dtype=float)

    def _ends(self, rows: pd.DataFrame, own: pd.DataFrame, new: bool, level: float) -> NDArray:
        x, y, at = self.forecaster.features(rows), rows[frames.TRUTH].to_numpy(float), self.forecaster.features(own)
        apart = _apart(rows, new)
        if not apart:
            return np.column_stack([self.forecaster.fit(x, y)(at), np.full((len(own), 2), math.nan)])
        band = jackknife_plus(self.forecaster.fit, x, y, at, apart, level)
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
                    digits = next(d for d in range(3, 18) if f"{row[name]:.{d}f}" != f"{end:.{d}f}" or d == 17)
                    why.append(f"{name} {row[name]:.{digits}f} is {side} {end:.{digits}f}")
            found.append("; ".join(why))
        return found

    def errors(self, own: pd.DataFrame, level: float) -> list[float]:
        """By row, the mean absolute error of such forecasts of what they rest on; ``nan`` if it is unknown.

        What they rest on is left out as for the row's interval: with a model the language, where it is new.
        """
        x, y = self.forecaster.features(self.rows), self.rows[frames.TRUTH].to_numpy(dtype=float)

        def error(new: bool) -> float:
            if self.forecaster.how == "as is" and len(y):  # nothing is fitted, so that nothing has to be left out
                return float(np.abs(self.forecaster.fit(x, y)(x) - y).mean())
            if not (apart := _apart(self.rows, new)) or len(y) < FEWEST:
                return math.nan
            band = jackknife_plus(self.forecaster.fit, x, y, x[:1], apart, level)
            return float(np.nanmean(np.abs(band.held - y)))

        ways = self._new(own)
        found = {new: error(new) for new in dict.fromkeys(ways)}
        return [found[new] for new in ways]

    def _new(self, own: pd.DataFrame) -> list[bool]:
        """Of each row, whether other models matter to the forecast, and have not its language."""
        models: dict[str, set[str]] = {}
        for model, language in zip(self.rows["model"], self.rows["language"], strict=True):
            models.setdefault(language, set()).add(model)
        within = self.forecaster.how == "within"
        pairs = zip(own["model"], own["language"], strict=True)
        return [within and not models.get(language, set()) - {model} for model, language in pairs]


def _apart(rows: pd.DataFrame, new: bool) -> list[list[Hashable]]:
    """The labelings that rows are left out by, with those that share a language where it is new; none where that leaves
    nothing to tell how far off forecasts are."""
    left_out: list[Hashable] = [name or None for name in rows["group"]]
    languages: list[Hashable] = rows["language"].tolist()
    if not {*left_out} - {None} or len({*left_out}) < 2 or new and len({*languages}) < 2:
        return []
    return [left_out, languages] if new else [left_out]


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
    here, at, known = own.dropna(subset=frames.TRUTH), percent(level), ", ".join(labelled)
    same = None if records is None else records[records["task"] == task.name]
    if same is not None and len(same):
        return _on_models(task, here, _rows(same, DEFAULT, task), known, level)
    groups = max(2, fewest(level))
    if len(here) >= FEWEST:
        words = f"ridge regression on {FEATURES}, fitted on {len(here)} labelled languages of this model ({known})"
        how = f"jackknife+ at {at}: each labelled language forecast from the others"
        if len(here) < (languages := max(FEWEST, fewest(level))):
            how = f"no intervals: at {at} they need {languages} labelled languages"
        return Basis(Forecaster("ridge", DEFAULT), here.assign(group=here["language"]), words, how, task.metric)
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
        return Basis(direct, rows.assign(group=rows["task"]), words, how, metric)
    how = "no intervals: nothing here tells how far off it is in other languages; label some, or give records"
    nothing = own.iloc[:0]
    return Basis(direct, nothing.assign(group=""), words, how, metric)


def _on_models(task: Task, here: pd.DataFrame, others: pd.DataFrame, known: str, level: float) -> Basis:
    """Other models of the task, and what is labelled of this one.

    From labels enough in its own languages these tell how far off the forecast is. With fewer it is told by the other
    models, which are left out but for what is labelled of this one: they are then forecast from as much as it is.
    """
    n, at, own, languages = others["model"].nunique(), percent(level), "", set(here["language"])
    words = (
        f"regression on {FEATURES}, fitted on {len(others)} labelled results of {n} models of {task.name}; in a "
        "language that they have, on how the model differs from them"
    )
    if len(here):
        own = f"{len(here)} labelled language{'s' * (len(here) > 1)} of this model ({known})"
        words += f"; and on what it is better by in {own}"
    kept = languages if set(others["language"]) - languages else set()
    told = others.loc[~others["language"].isin(kept), "model"].nunique()
    groups, own_need = max(2, fewest(level)), max(FEWEST, fewest(level))
    if len(here) >= (own_need if told < groups else max(MANY, own_need)):
        how = f"jackknife+ at {at}: each labelled language of this model forecast from the others and the records"
        others, here = others.assign(group=""), here.assign(group=here["language"])
    else:
        with_labels = f" and its labels in {known}" if kept else ""
        how = (
            f"CV+ at {at}: each model forecast from the others{with_labels}, with the language left out where it is new"
        )
        others = others.assign(group=others["model"].mask(others["language"].isin(kept), ""))
        if told < groups:
            how = f"no intervals: at {at} they need {groups} models, and the records have {told}"
        here = here.assign(group="")
    rows = pd.concat([others, here], ignore_index=True)
    return Basis(Forecaster("within languages", DEFAULT, "within"), rows, words, how, task.metric)


def _rows(records: pd.DataFrame, features: Sequence[str], task: Task | None = None) -> pd.DataFrame:
    """The rows of the records that have a feature."""
    if missing := sorted(set(features) - set(records["measure"])):
        raise DataError(
            f"the records have no {', '.join(missing)}; write them with `xlgen measure --measures accuracy,"
            f"{','.join(dict.fromkeys([*DEFAULT, *DIRECT.values()]))} --out FILE.csv`."
        )
    return frames.wide(records, features, task).dropna(subset=list(features), how="all")
