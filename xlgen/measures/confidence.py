"""Mean confidence: how sure the model is of its own predictions [hendrycks2017baseline].

AC = 1/U Σ_u max_j p_j(x_u)

Read as a forecast of accuracy it is right where the model is calibrated, and too high where it is over-confident.
"""

from __future__ import annotations

from xlgen.measures.base import MEASURES, Subject, Value, label_free
from xlgen.measures.blocks import blocks
from xlgen.measures.sampling import clustered


@MEASURES.register("confidence")
@label_free
def confidence(subject: Subject) -> dict[str, Value]:
    """Average the probability of the predicted class over the units.

    Returns:
        Per language, a value in [1/C, 1], with its standard error over examples, clustered by sentence in tagging.
    """
    result = {}
    for language, predictions in subject.predictions.items():
        largest = predictions.log_probs.amax(dim=1).exp()
        error, on = clustered(largest, predictions.example), f"{subject.split}, no labels, eval mode"
        extra = blocks(largest, predictions.example)
        result[language] = Value(largest.mean().item(), error, len(largest), on, "examples", extra=extra)
    return result
