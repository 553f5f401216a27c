"""An open question about the first paper: objectives and measures over pairs of languages, and in another domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from paper.chapters.directions import MEANT
from paper.chapters.measures import LOGARITHMIC
from paper.chapters.truth import Side
from xlgen.analysis import LEVEL, MIN_POINTS, NOTHING, RESAMPLES, Interval, interval_of_mean
from xlgen.data.task import SHIFTED

if TYPE_CHECKING:
    import pandas as pd

SIGNS: Mapping[str, int] = {m: MEANT[m] for m in ("margin", "confidence", "sharpness_difference", "fisher_trace")}
"""Of the measures that are asked, how they should go with accuracy: the margin and the confidence along with it."""
FEWEST_MODELS = 3
"""Fewest models or seeds whose mean gets an interval: Student's t with one degree of freedom is too wide to read."""


def right_order(x: ArrayLike, y: ArrayLike, sign: int) -> NDArray:
    """For every two languages, whether a measure puts them in the order of their accuracies; a tie is one half.

    Args:
        x: (L,) a measure, by language.
        y: (L,) accuracies.
        sign: of the measure, see :data:`SIGNS`.

    Returns:
        (L, L), symmetric; ``nan`` where a number is missing.
    """
    x, y = (np.asarray(values, dtype=float) for values in (x, y))
    along = sign * np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    return np.where(np.isnan(along), np.nan, (1 + along) / 2)


def pairs_in_order(side: Side, measure: str, objective: str, *, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    r"""Share of the pairs of target languages that a measure puts in the order of their accuracies.

    .. math:: C = \binom{L}{2}^{-1} \sum_{a < b} \mathbb{1}\big[(x_a - x_b)(y_a - y_b) > 0\big] = \frac{1 + \tau}{2}

    with Kendall's :math:`\tau`, mean over the objective's models. The interval draws languages, with all pairs of those
    drawn.

    Args:
        side: with the models.
        measure: one of :data:`SIGNS`.
        objective: of the models.
        seed: of the bootstrap.
        resamples: bootstrap samples.
    """
    orders = _orders(side, measure, objective)
    if not orders:
        return NOTHING
    order = np.mean(list(orders.values()), axis=0)
    languages = len(order)
    draws = np.random.default_rng(seed).multinomial(languages, np.full(languages, 1 / languages), resamples)
    value, *drawn = _share(order, np.vstack([np.ones(languages), draws]))
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(value), min(float(low), float(value)), max(float(high), float(value)), languages)


def change_of_order(side: Side, measure: str, objective: str) -> Interval:
    """How much larger an objective's :func:`pairs_in_order` is than the baseline's, in these languages.

    The mean difference over the seeds that both have, with :func:`over_models`: what an objective does has to come back
    with another seed.

    Args:
        side: with the models.
        measure: one of :data:`SIGNS`.
        objective: of the models.
    """
    ours, theirs = (_orders(side, measure, name) for name in (objective, "baseline"))
    pairs = np.triu_indices(side.accuracy.shape[1], 1)
    return over_models([float((ours[seed] - theirs[seed])[pairs].mean()) for seed in ours if seed in theirs])


def over_models(values: Sequence[float]) -> Interval:
    """Mean of one value a model or seed, with Student's t.

    No ends from fewer than :data:`FEWEST_MODELS`, nor where all values are the same: a share of few pairs often is, and
    that is no certainty.
    """
    if not values:
        return NOTHING
    found = interval_of_mean(values)
    if found.n < FEWEST_MODELS or found.low == found.high:
        return Interval(found.value, np.nan, np.nan, found.n)
    return found


def _orders(side: Side, measure: str, objective: str) -> dict[int, NDArray]:
    """By seed, :func:`right_order` of the objective's models that have the measure in every language."""
    if measure not in side.tables or side.accuracy.shape[1] < MIN_POINTS:
        return {}
    x = side.tables[measure].reindex(index=side.accuracy.index, columns=side.accuracy.columns)
    models = [key for key in side.models if key[0] == objective and np.isfinite(x.loc[[key]]).all(axis=None)]
    return {
        key[1]: right_order(x.loc[[key]].iloc[0], side.accuracy.loc[[key]].iloc[0], SIGNS[measure]) for key in models
    }


def _share(order: NDArray, counts: NDArray) -> NDArray:
    """Mean of the pairs' orders, where languages (columns) are drawn so many times, for each draw (row)."""
    upper = np.triu(np.ones_like(order), 1)
    pairs = np.einsum("da,ab,db->d", counts, upper, counts)
    right = np.einsum("da,ab,db->d", counts, upper * order, counts)
    return right / np.where(pairs, pairs, np.nan)


class Shifted:
    """Models that were scored on English of another domain too: the protocol ``domains``.

    Args:
        frame: of :func:`paper.chapters.real.rows_of`; it may be empty.
        source: language of the training data.
        scale: see :class:`~paper.chapters.truth.Side`.
    """

    def __init__(self, frame: pd.DataFrame, source: str, scale: str):
        self.source = source
        self.side = Side(frame[~frame.measure.str.startswith(SHIFTED)] if len(frame) else frame, source, scale)
        english = frame[frame.language == source] if len(frame) else frame
        self._english = {(row.objective, row.seed, row.measure): row.value for row in english.itertuples()}

    def english(self, measure: str, key: tuple[str, int], *, shifted: bool) -> float:
        """Of a model in English, of the other domain or of that of the training data; ``nan`` where it has none."""
        return self._english.get((*key, f"{SHIFTED}_{measure}" if shifted else measure), np.nan)

    def models(self, objective: str) -> list[tuple[str, int]]:
        """Those that were scored in the other domain."""
        keys = (key for key in self.side.models if key[0] == objective)
        return [key for key in keys if np.isfinite(self.english("accuracy", key, shifted=True))]

    def level(self, objective: str, *, shifted: bool) -> float:
        """Mean accuracy in English."""
        found = [self.english("accuracy", key, shifted=shifted) for key in self.models(objective)]
        return float(np.mean(found)) if found else np.nan

    def in_order(self, measure: str, objective: str) -> float:
        """Share of the target languages that a measure puts on the right side of English of the other domain."""
        each = []
        for key, x, y in self._columns(measure, objective):
            there = (self.english(name, key, shifted=True) for name in (measure, "accuracy"))
            both = (np.append(values, one) for values, one in zip((x, y), there, strict=True))
            each.append(right_order(*both, SIGNS[measure])[-1, :-1].mean())
        return float(np.mean(each)) if each else np.nan

    def off(self, measure: str, objective: str) -> tuple[Interval, Interval, Interval]:
        """Errors [points] in English of the other domain, forecast minus accuracy, with :func:`over_models`.

        A measure of :data:`paper.chapters.measures.LOGARITHMIC` enters the line by its logarithm.

        Returns:
            Of the line that is fitted to a model's target languages, of these languages' mean, and of the accuracy in
            English of the domain of the training data.
        """
        errors: tuple[list[float], list[float], list[float]] = ([], [], [])
        for key, x, y in self._columns(measure, objective):
            at, truth = (self.english(name, key, shifted=True) for name in (measure, "accuracy"))
            if measure in LOGARITHMIC:
                at, x = np.log(at), np.log(x)
            slope, constant = np.polyfit(x, y, 1)
            forecasts = (slope * at + constant, y.mean(), self.english("accuracy", key, shifted=False))
            for found, forecast in zip(errors, forecasts, strict=True):
                found.append(100 * (forecast - truth))
        line, mean, english = map(over_models, errors)
        return line, mean, english

    def _columns(self, measure: str, objective: str):
        """Of each model: its key, and measure and accuracy of the target languages that have both."""
        for key in self.models(objective) if measure in self.side.tables else ():
            x, y = (self.side.tables[name].loc[[key]].to_numpy(dtype=float)[0] for name in (measure, "accuracy"))
            there = np.isfinite(x) & np.isfinite(y)
            if there.sum() >= MIN_POINTS and np.isfinite(self.english(measure, key, shifted=True)):
                yield key, x[there], y[there]
