"""Mean confidence after temperature scaling on the source's development set [guo2017calibration].

β* = argmin_β -1/M Σ_m log softmax(β f(x_m))_{y_m} over the source's M units; the temperature is T = 1/β*

AC_T = 1/U Σ_u max_j softmax(β* f(x_u))_j
"""

from __future__ import annotations

import math

import torch
from scipy.optimize import brentq
from torch import Tensor

from xlgen.measures.base import MEASURES, Predictions, Subject, Value, label_free
from xlgen.measures.blocks import blocks
from xlgen.measures.sampling import clustered


@MEASURES.register("confidence_scaled")
@label_free
def confidence_scaled(subject: Subject, *, calibration: str = "") -> dict[str, Value]:
    """Average the probability of the predicted class, at the temperature that suits the source.

    Args:
        subject: with the source's development examples.
        calibration: fingerprint of those, filled in where results are stored.

    Returns:
        Per language, a value in [1/C, 1]. Its standard error holds the sampling of the language's examples, clustered
        by sentence in tagging, and by the delta method that of the temperature. ``extra``: ``temperature`` and its
        ``temperature_stderr``. There is no value where the best temperature is 0 because no prediction on the source is
        wrong (status ``"hit_lower"``), or infinite because they are no better than chance (``"hit_upper"``).
    """
    source = subject.calibration
    beta, beta_error, status = inverse_temperature(source)
    on = subject.calibrated_on(calibration)
    if status != "ok":
        temperature = math.inf if beta == 0 else 0.0
        return {
            language: Value(math.nan, None, len(predictions), on, status=status, extra={"temperature": temperature})
            for language, predictions in subject.predictions.items()
        }
    extra = {"temperature": 1 / beta, "temperature_stderr": None if beta_error is None else beta_error / beta**2}
    result = {}
    for language, predictions in subject.predictions.items():
        p = torch.softmax(beta * predictions.logits, dim=1)
        largest, best = p.max(dim=1)
        # d max p / dβ = p_max (f_max - Σ_j p_j f_j)
        ahead = predictions.logits.gather(1, best[:, None])[:, 0] - (p * predictions.logits).sum(1)
        slope, error = (largest * ahead).mean().item(), clustered(largest, predictions.example)
        total = None if error is None or beta_error is None else math.hypot(error, slope * beta_error)
        parts = blocks(largest, predictions.example)
        result[language] = Value(largest.mean().item(), total, len(largest), on, "examples", extra=extra | parts)
    return result


def inverse_temperature(source: Predictions) -> tuple[float, float | None, str]:
    """β*, its standard error (the sandwich, clustered by sentence; ``None`` if undefined) and a status.

    The loss is convex in β, so that β* is where its slope is 0. There is none where the slope is not negative at 0, or
    where no prediction is wrong, so that it is negative for ever.
    """
    f = source.logits
    true = f.gather(1, source.labels[:, None])[:, 0]

    def scores(beta: float) -> Tensor:  # d loss / dβ of each unit
        return (torch.softmax(beta * f, dim=1) * f).sum(dim=1) - true

    if scores(0).mean() >= 0:
        return 0.0, None, "hit_upper"
    if bool((f.amax(dim=1) <= true).all()):
        return math.inf, None, "hit_lower"
    end = 1 / f.std().item()
    while scores(end).mean() < 0:
        end *= 2
    beta = brentq(lambda beta: scores(beta).mean().item(), 0, end, xtol=1e-12 * end)
    p = torch.softmax(beta * f, dim=1)
    curvature = ((p * f.square()).sum(dim=1) - (p * f).sum(dim=1).square()).mean().item()
    error = clustered(scores(beta), source.example)
    return beta, None if error is None else error / curvature, "ok"
