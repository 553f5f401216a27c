"""Margin: how far the true class is ahead of the best other class.

γ_i = f_{y_i}(x_i) - max_{j ≠ y_i} f_j(x_i)   [bassi2024generalization, section 3.2]

The paper averages γ over the examples (in tagging: over the words) with f the predicted probabilities (``margin``).
jiang2020fantastic takes logits and the 10th percentile; ``margin_p10``, ``margin_logit`` and ``margin_logit_p10`` are
the other combinations. The mean margin of probabilities is nearly a function of accuracy (a confident model has γ ≈
±1), so the margin of the correctly classified alone is given too.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from xlgen.measures.base import MEASURES, Predictions, Subject, Value
from xlgen.measures.blocks import blocks
from xlgen.measures.sampling import clustered, design_effect

PERCENTILE = 0.1


def margins(predictions: Predictions, space: str) -> Tensor:
    """γ_i of every unit, (U,), float64.

    Args:
        predictions: logits and labels.
        space: ``"prob"`` for f = softmax of the logits (γ in [-1, 1]), ``"logit"`` for the logits themselves.
    """
    scores = predictions.log_probs.exp() if space == "prob" else predictions.logits
    true = predictions.labels[:, None]
    best_other = scores.scatter(1, true, -math.inf).amax(dim=1)
    return scores.gather(1, true)[:, 0] - best_other


def mean_and_error(gamma: Tensor, example: Tensor) -> tuple[float, float | None, dict]:
    """Mean, its standard error, clustered by example, and its :func:`~xlgen.measures.blocks.blocks`."""
    return gamma.mean().item(), clustered(gamma, example), blocks(gamma, example)


def percentile_and_error(gamma: Tensor, example: Tensor) -> tuple[float, float | None, dict]:
    r"""10th percentile Q(q), its standard error (Q(q + δ) - Q(q - δ)) / 2 and blocks; ``None`` with one example.

    .. math:: \delta = \sqrt{q (1 - q) D / U}

    is the error of the share of the U units below the percentile, with D the design effect of that share
    (:func:`xlgen.measures.sampling.design_effect`), 1 where every example has one unit (woodruff1952quantiles). By the
    same slope the percentile of a block falls with the share of its units below the whole's.
    """
    value = torch.quantile(gamma, PERCENTILE)
    below = (gamma <= value).double()
    effect = design_effect(below, example)
    delta = math.sqrt(PERCENTILE * (1 - PERCENTILE) / len(gamma) * (effect or 0.0))
    at = torch.tensor([PERCENTILE, max(PERCENTILE - delta, 0.0), min(PERCENTILE + delta, 1.0)], dtype=gamma.dtype)
    value, low, high = torch.quantile(gamma, at).tolist()
    parts = blocks(-below * (high - low) / (2 * delta), example) if delta else {}
    return value, None if effect is None else (high - low) / 2, parts


@MEASURES.register("margin")
def margin(subject: Subject) -> dict[str, Value]:
    """Average the margin of the probabilities over the units: the paper's margin, in [-1, 1]."""
    return _measure(subject, "prob", "mean")


@MEASURES.register("margin_p10")
def margin_p10(subject: Subject) -> dict[str, Value]:
    """Compute the 10th percentile of the margin of the probabilities, in [-1, 1]."""
    return _measure(subject, "prob", "p10")


@MEASURES.register("margin_logit")
def margin_logit(subject: Subject) -> dict[str, Value]:
    """Average the margin of the logits over the units [logits]."""
    return _measure(subject, "logit", "mean")


@MEASURES.register("margin_logit_p10")
def margin_logit_p10(subject: Subject) -> dict[str, Value]:
    """Compute the 10th percentile of the margin of the logits [logits], as in jiang2020fantastic."""
    return _measure(subject, "logit", "p10")


def _measure(subject: Subject, space: str, reduce: str) -> dict[str, Value]:
    """Margins of the units, per language; ``extra`` has the same statistic over the correctly classified (γ > 0)."""
    statistic = mean_and_error if reduce == "mean" else percentile_and_error
    result = {}
    for language, predictions in subject.predictions.items():
        gamma = margins(predictions, space)
        value, stderr, parts = statistic(gamma, predictions.example)
        right = gamma > 0
        n_correct = int(right.sum())
        only, only_stderr, of_only = (
            statistic(gamma[right], predictions.example[right]) if n_correct else (math.nan, None, {})
        )
        extra = {"correct_only": only, "correct_only_stderr": only_stderr, "n_correct": n_correct} | parts
        extra |= {f"correct_only_{name}": part for name, part in of_only.items()}
        on = f"{subject.split}, true labels, eval mode"
        result[language] = Value(value, stderr, len(gamma), on, "examples", extra=extra)
    return result
