"""Average thresholded confidence [garg2022leveraging].

With a score s of each unit, a threshold t is chosen on the source's M labelled units so that as many lie below it as
are predicted wrongly, and the forecast is the share of the language's units that reach it:

Σ_m 1[s(x_m) < t] = Σ_m 1[argmax_j f_j(x_m) ≠ y_m],   ATC = 1/U Σ_u 1[s(x_u) ≥ t]

The score is the maximum confidence, s = max_j p_j (``atc``), or the negative entropy, s = Σ_j p_j log p_j
(``atc_entropy``).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from xlgen.measures.base import MEASURES, Predictions, Subject, Value, label_free
from xlgen.measures.blocks import blocks
from xlgen.measures.entropy import entropies
from xlgen.measures.sampling import clustered

RESAMPLES = 200
"""Bootstrap samples of the source's examples: the threshold's part of the standard error is then good to some 5 %."""


@MEASURES.register("atc")
@label_free
def atc(subject: Subject, *, calibration: str = "") -> dict[str, Value]:
    """Forecast accuracy by the share of units whose maximum confidence reaches the source's threshold.

    Args:
        subject: with the source's development examples.
        calibration: fingerprint of those, filled in where results are stored.

    Returns:
        Per language, a forecast of accuracy in [0, 1]; ``extra``: ``threshold``. The standard error holds the sampling
        of the language's examples at the given threshold, clustered by sentence in tagging, and the spread of the
        forecast over bootstrap samples of the source's examples (efron1993bootstrap), as if the two were independent.
    """
    return _measure(subject, lambda predictions: predictions.log_probs.amax(dim=1).exp(), calibration)


@MEASURES.register("atc_entropy")
@label_free
def atc_entropy(subject: Subject, *, calibration: str = "") -> dict[str, Value]:
    """Forecast accuracy by the share of units whose negative entropy reaches the source's threshold."""
    return _measure(subject, lambda predictions: -entropies(predictions), calibration)


def _measure(subject: Subject, score, calibration: str) -> dict[str, Value]:
    source = subject.calibration
    s, wrong = score(source), source.logits.argmax(dim=1) != source.labels
    t, drawn = threshold(s, wrong), thresholds(s, wrong, source)
    on = subject.calibrated_on(calibration)
    return {
        language: at_threshold(score(predictions), predictions, t, drawn, on)
        for language, predictions in subject.predictions.items()
    }


def threshold(score: Tensor, wrong: Tensor) -> float:
    """t such that as many of the scores (M,) lie below it as there are wrong predictions; infinite if all are wrong."""
    k = int(wrong.sum())
    return score.sort().values[k].item() if k < len(score) else math.inf


def thresholds(score: Tensor, wrong: Tensor, source: Predictions) -> Tensor | None:
    """The threshold in bootstrap samples of the source's examples, (R,); ``None`` for a single example."""
    n, generator = source.examples, torch.Generator().manual_seed(0)
    if n < 2:
        return None
    order = score.argsort()
    ordered, example, cuts = score[order], source.example[order], []
    for _ in range(RESAMPLES):
        times = torch.randint(n, (n,), generator=generator).bincount(minlength=n)
        k = int(times[source.example[wrong]].sum())
        place = int(torch.searchsorted(times[example].cumsum(0), k, right=True))  # the first with more than k up to it
        cuts.append(ordered[place].item() if place < len(ordered) else math.inf)
    return torch.tensor(cuts, dtype=score.dtype)


def at_threshold(score: Tensor, predictions: Predictions, t: float, drawn: Tensor | None, on: str) -> Value:
    """Share of the scores (U,) that reach t, with the uncertainty of the sample and of t."""
    reached = (score >= t).double()
    error = clustered(reached, predictions.example)
    if drawn is not None and error is not None:
        shares = 1 - torch.searchsorted(score.sort().values, drawn).double() / len(score)
        error = math.hypot(error, shares.std().item())
    elif drawn is None:
        error = None
    extra = {"threshold": t} | blocks(reached, predictions.example)
    return Value(reached.mean().item(), error, len(score), on, "examples", extra=extra)
