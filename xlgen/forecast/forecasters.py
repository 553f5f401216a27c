"""What forecasts accuracy: a regression on measures, a measure as it is, or the mean of what is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xlgen.forecast.frame import NOISE, SOURCE
from xlgen.forecast.jackknife import Fit, Predictor
from xlgen.forecast.ridge import ridge
from xlgen.forecast.within import numbers, within
from xlgen.measures import LABEL_FREE

PASSES = {
    "accuracy": 1,
    "dropout_agreement": 4,
    "fertility": 0,
    "fisher_trace": 6,
    "frechet": 3,
    "frobenius": 0,
    "hessian_eigenvalue": 240,
    "noise_divergence": 9,
    "pretraining_share": 0,
    "sharpness_adaptive": 31,
    "sharpness_alpha": 288,
    "sharpness_difference": 16,
    "typological_distance": 0,
    "unknown_rate": 0,
    SOURCE: 0,
}
"""Forward passes over a language's examples with a measure's own settings; a backward pass counts two. Measures that
are not here look at the predictions or representations of one pass, which they share."""


@dataclass(frozen=True)
class Forecaster:
    """A way to forecast.

    Attributes:
        name: in tables.
        measures: the features.
        how: ``"ridge"`` regresses on them, ``"within"`` on how they differ from other models' in the same language
            where there are any, and on the model's own labels in others; ``"as is"`` takes the only one for the
            forecast, ``"mean"`` the mean of the labelled rows. Within languages, without measures and own labels, is
            the mean of other models in the same language.
    """

    name: str
    measures: tuple[str, ...] = ()
    how: Literal["ridge", "within", "as is", "mean"] = "ridge"

    @property
    def passes(self) -> int:
        """Forward passes over a language's examples; see :data:`PASSES`."""
        return sum(PASSES.get(name, 0) for name in self.measures) + any(name not in PASSES for name in self.measures)

    @property
    def label_free(self) -> bool:
        """Whether no label of the language that is forecast is looked at; the papers' margin, for one, does."""
        return all(name in LABEL_FREE or name == SOURCE for name in self.measures)

    @property
    def fit(self) -> Fit:
        return {"ridge": ridge, "within": within, "as is": as_is, "mean": mean}[self.how]

    def features(self, table: pd.DataFrame) -> NDArray:
        """(N, K) of the rows of :func:`xlgen.forecast.frame.wide`; within languages in which and whose they are, too,
        and the standard error of what is known."""
        x = table[list(self.measures)].to_numpy(dtype=float)
        if self.how != "within":
            return x
        return np.column_stack([x, *map(numbers, (table["language"], table["model"])), table[NOISE].astype(float)])


def as_is(x: NDArray, y: NDArray) -> Predictor:
    """The only feature, whatever the rows, cut to [0, 1]."""
    return lambda new: new[:, 0].clip(0, 1)


def mean(x: NDArray, y: NDArray) -> Predictor:
    """The mean of the rows."""
    return lambda new: np.full(len(new), y.mean())


DIRECT = ("confidence", "confidence_scaled", "doc", "atc", "atc_entropy", "cot", "cott", "dropout_agreement")
"""Measures that are forecasts of accuracy by themselves."""

OF_THE_LANGUAGE = ("pretraining_share", "typological_distance", "fertility", "unknown_rate")
"""Features of the language and the tokenizer, for which no model is run (lauscher2020zero, lin2019choosing)."""


def rivals(measures: Iterable[str]) -> list[Forecaster]:
    """All that a table of these measures can be forecast by, the simplest first.

    The mean of the others, the accuracy in the source language, each direct estimator as it is, a regression on each
    measure by itself, on the features of the language together, and on :data:`DEFAULT`.
    """
    known = [name for name in dict.fromkeys(measures) if name not in ("accuracy", "f1", "loss")]
    found = [Forecaster("mean of the others", (), "mean"), Forecaster("source accuracy", (SOURCE,), "as is")]
    found += [Forecaster(f"{name} as it is", (name,), "as is") for name in DIRECT if name in known]
    found += [Forecaster(name, (name,)) for name in known]
    if len(language := tuple(name for name in OF_THE_LANGUAGE if name in known)) > 1:
        found.append(Forecaster("features of the language", language))
    if set(DEFAULT) <= set(known):
        found.append(Forecaster(" + ".join(DEFAULT), DEFAULT))
    return found


DEFAULT = ("confidence", "doc", "cot", "atc_entropy")
"""Measures that `predict` regresses on, all from one pass. Within a model DoC is the mean confidence plus a constant:
what the model is too sure by in its source language. Between models that constant has a slope of its own, because it is
known from the development examples alone. COT takes off what the shares of the predicted classes are wrong by."""
