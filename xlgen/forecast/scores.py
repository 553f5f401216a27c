r"""Estimators of texts without labels in constant memory: means over units, summed up a piece of the text at a time.

Every measure in :data:`MEANS` is the mean of a score of each unit, given what is known of the source's development
examples. Scores are summed chunk by chunk and the logits are dropped, so that memory does not grow with the text.

Confidence optimal transport (:mod:`xlgen.measures.transport`) is no mean: it takes all units at once. Of at most
:data:`KEPT` of them it is exact; of more, units are drawn, and what the text has in confidence beyond these is added,

.. math:: \mathrm{cot} = \bar c - (\bar c_{\text{drawn}} - \mathrm{cot}_{\text{drawn}})

because what transport takes off the confidence varies much less from draw to draw than the confidence itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from xlgen.measures.atc import threshold
from xlgen.measures.entropy import entropies
from xlgen.measures.transport import carried
from xlgen.models.entity_f1 import chunk_counts, f1_of
from xlgen.models.evaluate import Predictions

MEANS = ("confidence", "doc", "atc", "atc_entropy", "entropy")
ESTIMATORS = (*MEANS, "cot")
METRICS = ("accuracy", "f1")
KEPT = 10_000
"""Units of a language that transport looks at."""

FOLDS = 10
"""Parts of a language's rows, each of which is forecast from by itself (:mod:`xlgen.forecast.chance`)."""

Score = Callable[[Predictions], Tensor]


def sure(predictions: Predictions) -> Tensor:
    """The probability of the predicted class of every unit, (U,)."""
    return predictions.log_probs.amax(dim=1).exp()


def scores(source: Predictions) -> Mapping[str, Score]:
    """By name in :data:`MEANS`, the score of every unit (U,) whose mean is the measure of that name.

    Args:
        source: logits and labels of the source's development examples.
    """
    wrong = source.logits.argmax(dim=1) != source.labels
    gap = 1 - wrong.double().mean().item() - sure(source).mean().item()
    by_confidence, by_entropy = threshold(sure(source), wrong), threshold(-entropies(source), wrong)
    return {
        "confidence": sure,
        "doc": lambda predictions: sure(predictions) + gap,
        "atc": lambda predictions: (sure(predictions) >= by_confidence).double(),
        "atc_entropy": lambda predictions: (-entropies(predictions) >= by_entropy).double(),
        "entropy": entropies,
    }


@dataclass
class Tally:
    """Sums over the units of one language.

    Attributes:
        rows: examples.
        units: examples of classification, words of tagging.
        sums: by measure, the sum of its scores.
        counts: by metric, (3,) what is right, predicted and true: units, and chunks for F1.
        squares: by metric, (3, 3) the sum over examples of the products of their counts.
        kept: units that transport looks at.
        drawn: probabilities (U, C) of at most these, each as likely as any other.
        ticket: (U,) of the drawn, random numbers in [0, 1): the lowest of all units stay.
        lots: what draws them.
    """

    rows: int = 0
    units: int = 0
    sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(MEANS, 0.0))
    counts: dict[str, Tensor] = field(default_factory=lambda: {name: torch.zeros(3).double() for name in METRICS})
    squares: dict[str, Tensor] = field(default_factory=lambda: {name: torch.zeros(3, 3).double() for name in METRICS})
    kept: int = KEPT
    drawn: Tensor = field(default_factory=lambda: torch.zeros(0, 0, dtype=torch.float64))
    ticket: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.float64))
    lots: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))

    def add(self, predictions: Predictions, known: Mapping[str, Score], rows: int) -> None:
        """Count the predictions of some rows."""
        self.rows += rows
        self.units += len(predictions)
        for name, score in known.items():
            self.sums[name] += score(predictions).sum().item()
        p = predictions.log_probs.exp()
        self.drawn = torch.cat([self.drawn.reshape(-1, p.shape[1]), p])
        self.ticket = torch.cat([self.ticket, torch.rand(len(p), generator=self.lots, dtype=torch.float64)])
        if len(self.drawn) > self.kept:
            stay = self.ticket.topk(self.kept, largest=False).indices
            self.drawn, self.ticket = self.drawn[stay], self.ticket[stay]

    def add_labels(self, predictions: Predictions, names: tuple[str, ...], kind: str) -> None:
        """Count what is right of predictions whose labels are known."""
        right = (predictions.logits.argmax(dim=1) == predictions.labels).double()
        rows = predictions.example.unique(return_inverse=True)[1]
        units = torch.bincount(rows)
        found = {"accuracy": torch.stack([torch.bincount(rows, right), units, units], dim=1).double()}
        if kind == "token":
            found["f1"] = chunk_counts(predictions, names).double()
        for metric, counts in found.items():
            self.counts[metric] += counts.sum(dim=0)
            self.squares[metric] += counts.T @ counts

    def estimates(self, labels: Tensor) -> dict[str, float]:
        """By name in :data:`ESTIMATORS`, the value of the measure.

        Args:
            labels: (M,) of the source's development examples, whose frequencies transport carries to.
        """
        values = {name: total / self.units for name, total in self.sums.items()}
        cost = 1 - self.drawn
        plan, _ = carried(cost, labels)
        taken_off = (plan * cost).sum() - cost.amin(dim=1).mean()
        return values | {"cot": values["confidence"] - taken_off.item()}

    def truth(self, metric: str) -> float:
        """The accuracy, or F1; ``nan`` without units."""
        return f1_of(self.counts[metric]).item() if self.units else math.nan

    def truth_error(self, metric: str) -> float:
        r"""The standard error of the truth over examples; ``nan`` without units.

        With the counts :math:`c_e` of example e, their sum (r, p, t) and :math:`F = 2r / (p + t)`, of which the
        accuracy is the case p = t, by linearisation :math:`\mathrm{se}^2 = a^\top \sum_e c_e c_e^\top a / (p + t)^2`
        with :math:`a = (2, -F, -F)`.
        """
        of = self.truth(metric)
        a = torch.tensor([2, -of, -of], dtype=torch.float64)
        total = self.counts[metric][1:].sum().clamp(min=1)
        return ((a @ self.squares[metric] @ a).clamp(min=0).sqrt() / total).item()
