"""Difference of confidences [guillory2021predicting].

DoC = acc(S) - (AC(S) - AC(L))

with the accuracy and the mean confidence on the source's development set S, and the mean confidence on the language L:
what the model loses in confidence it is taken to lose in accuracy.
"""

from __future__ import annotations

import math

from xlgen.measures.base import MEASURES, Subject, Value, label_free
from xlgen.measures.blocks import blocks
from xlgen.measures.sampling import clustered


@MEASURES.register("doc")
@label_free
def doc(subject: Subject, *, calibration: str = "") -> dict[str, Value]:
    """Forecast accuracy by the source's accuracy minus what confidence falls.

    Args:
        subject: with the source's development examples.
        calibration: fingerprint of those, filled in where results are stored.

    Returns:
        Per language, a forecast of accuracy; it is not cut to [0, 1]. The standard error holds the sampling of both
        sets, clustered by sentence in tagging, as if they were independent: on the source's own development set, or a
        translation of it, it is too large.
    """
    source = subject.calibration
    sure = source.log_probs.amax(dim=1).exp()
    right = (source.logits.argmax(dim=1) == source.labels).double()
    gap, gap_error = (right - sure).mean().item(), clustered(right - sure, source.example)
    on = subject.calibrated_on(calibration)
    result = {}
    for language, predictions in subject.predictions.items():
        largest = predictions.log_probs.amax(dim=1).exp()
        error = clustered(largest, predictions.example)
        total = None if error is None or gap_error is None else math.hypot(error, gap_error)
        extra = {"gap": gap} | blocks(largest, predictions.example)
        result[language] = Value(largest.mean().item() + gap, total, len(largest), on, "examples", extra=extra)
    return result
