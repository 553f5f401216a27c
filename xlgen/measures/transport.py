"""Confidence optimal transport [lu2023characterizing].

The predictions on the language are carried to the labels of the source at the least cost. To carry p(x_u) to the label
c costs ½‖p(x_u) - e_c‖₁ = 1 - p_c(x_u), so that with the source's label frequencies w

W = min_π Σ_u Σ_c π_uc (1 - p_c(x_u)),   Σ_c π_uc = 1/U,   Σ_u π_uc = w_c,   π ≥ 0

and the forecast of accuracy is 1 - W (``cot``). It corrects confidence for a language in which the model favours some
classes. ``cott`` compares the cost of each unit, U Σ_c π_uc (1 - p_c(x_u)), with a threshold chosen on the source as in
:mod:`xlgen.measures.atc`.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xlgen.measures.atc import at_threshold, threshold, thresholds
from xlgen.measures.base import MEASURES, Predictions, Subject, Value, label_free
from xlgen.measures.blocks import blocks
from xlgen.measures.sampling import clustered

FEW, COARSER = 1000, 8
"""Units from which on every so many are carried first."""


@MEASURES.register("cot")
@label_free
def cot(subject: Subject, *, calibration: str = "") -> dict[str, Value]:
    """Forecast accuracy by 1 - W, the cost of carrying predictions to the source's labels.

    Args:
        subject: with the source's development examples.
        calibration: fingerprint of those, filled in where results are stored.

    Returns:
        Per language, a forecast of accuracy in [0, 1]. The standard error is the delta method's: with the potentials v
        of the classes, W = 1/U Σ_u min_c(1 - p_c(x_u) - v_c) + Σ_c w_c v_c, both sums clustered by sentence in tagging.
    """
    source = subject.calibration
    on = subject.calibrated_on(calibration)
    result = {}
    for language, predictions in subject.predictions.items():
        cost = 1 - predictions.log_probs.exp()
        plan, v = carried(cost, source.labels)
        costs, counts = (cost - v).amin(dim=1), v[source.labels]
        errors = clustered(costs, predictions.example), clustered(counts, source.example)
        error = None if None in errors else math.hypot(*errors)
        value = 1 - (plan * cost).sum().item()
        extra = blocks(-costs, predictions.example)
        result[language] = Value(value, error, len(cost), on, "examples", extra=extra)
    return result


@MEASURES.register("cott")
@label_free
def cott(subject: Subject, *, calibration: str = "") -> dict[str, Value]:
    """Forecast accuracy by the share of units that are carried at no more than the source's threshold.

    Args:
        subject: with the source's development examples.
        calibration: fingerprint of those, filled in where results are stored.

    Returns:
        Per language, a forecast of accuracy in [0, 1]; ``extra``: ``threshold`` (of the negative cost). The standard
        error is that of :func:`xlgen.measures.atc.atc`, with the potentials of the classes as they are. They and the
        threshold move together, so that it tends to be too large: on the miniature 1.3 to 1.6 times a bootstrap of all.
    """
    source = subject.calibration
    score = _score(source, source)
    wrong = source.logits.argmax(dim=1) != source.labels
    t, drawn = threshold(score, wrong), thresholds(score, wrong, source)
    on = subject.calibrated_on(calibration)
    return {
        language: at_threshold(_score(predictions, source), predictions, t, drawn, on)
        for language, predictions in subject.predictions.items()
    }


def _score(predictions: Predictions, source: Predictions) -> Tensor:
    """The negative cost of carrying each unit, (U,)."""
    cost = 1 - predictions.log_probs.exp()
    plan, _ = carried(cost, source.labels)
    return -(plan * cost).sum(dim=1) * len(cost)


def carried(cost: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The optimal plan π (U, C), and potentials v (C,) with which it is optimal: π_uc > 0 only at min_c(cost_uc - v_c).

    Successive shortest paths over the classes: every unit begins at its cheapest class, and mass goes from classes with
    too much to those with too little along the cheapest chain of re-assignments. Mass is counted in whole numbers, so
    that the plan is exact. Of many units the potentials of a few come first: with any potentials, a plan that takes the
    cheapest class of each unit is optimal for the masses that it happens to give, and from good ones less is left over.

    Args:
        cost: (U, C).
        labels: (M,) of the source; w_c = share of c.
    """
    units, classes = cost.shape
    x = cost.numpy().astype(np.float64)
    mass = np.zeros((units, classes), dtype=np.int64)  # in parts of 1 / (U M)
    near = carried(cost[::COARSER], labels)[1].numpy() if units >= FEW else 0
    mass[np.arange(units), (x - near).argmin(axis=1)] = len(labels)
    excess = mass.sum(axis=0) - units * labels.bincount(minlength=classes).numpy()
    price, who = np.full((classes, classes), np.inf), np.zeros((classes, classes), dtype=np.int64)
    stale = range(classes)
    while True:
        for a in stale:  # the unit at a that is cheapest to send to each other class
            there = np.flatnonzero(mass[:, a])
            if len(there):
                extra = x[there] - x[there, a, None]
                best = extra.argmin(axis=0)
                price[a], who[a] = extra[best, np.arange(classes)], there[best]
            else:
                price[a] = np.inf
        distance, before = _shortest(price, np.where(excess > 0, 0.0, np.inf))
        if not (excess < 0).any():
            v, _ = _shortest(price, np.zeros(classes))
            return torch.from_numpy(mass / (units * len(labels))), torch.from_numpy(v)
        path = [int(np.where(excess < 0, distance, np.inf).argmin())]
        while before[path[-1]] >= 0:
            path.append(int(before[path[-1]]))
        path.reverse()
        steps = [(a, b, who[a, b]) for a, b in zip(path, path[1:], strict=False)]
        amount = min(excess[path[0]], -excess[path[-1]], *(mass[u, a] for a, _, u in steps))
        for a, b, u in steps:
            mass[u, a] -= amount
            mass[u, b] += amount
        excess[path[0]] -= amount
        excess[path[-1]] += amount
        stale = path


def _shortest(price: NDArray, start: NDArray) -> tuple[NDArray, NDArray]:
    """Bellman and Ford: least price of reaching each class, and the class before it (-1 at a start)."""
    distance, before = start.copy(), np.full(len(start), -1)
    for _ in range(len(start)):
        through = distance[:, None] + price
        best = through.argmin(axis=0)
        lengths = through[best, np.arange(len(start))]
        better = lengths < distance - 1e-12  # rounding makes no cycles
        if not better.any():
            break
        distance, before = np.where(better, lengths, distance), np.where(better, best, before)
    return distance, before
