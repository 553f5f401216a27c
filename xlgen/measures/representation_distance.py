"""Distance of a language's representations from the source's.

r(x) is the mean of the last hidden layer over the sub-words of x. With its means μ over the language's examples and μ_S
over the source's development examples, and the source's total spread σ_S² = 1/M Σ_m ‖r(x_m) - μ_S‖²,

d = ‖μ - μ_S‖₂ / σ_S   [spreads of the source]

The directions in which languages differ, and not the examples, are what it sees (libovicky2020language).
"""

from __future__ import annotations

import math

import torch

from xlgen.measures.base import MEASURES, Subject, Value, label_free
from xlgen.measures.blocks import blocks
from xlgen.models.representations import pooled


@MEASURES.register("representation_distance")
@label_free
def representation_distance(subject: Subject, *, calibration: str = "") -> dict[str, Value]:
    """Measure how far the mean representation is from the source's, in spreads of the source.

    Args:
        subject: with the source's development examples; their labels are not used.
        calibration: fingerprint of those, filled in where results are stored.

    Returns:
        Per language, a value >= 0 with ``n`` examples. The standard error is the delta method's for two independent
        samples. At distance 0 the value is about σ_S √(1/N + 1/M), not 0, and its error means little: what the source
        itself has on another split is the floor. The status is ``"no_spread"`` where all examples of the source, such
        as a single one, have the same representation.
    """
    source, _ = pooled(subject.model, subject.source_batches, subject.source_language)
    centred = source - source.mean(dim=0)
    squares = centred.square().sum(dim=1)
    spread = math.sqrt(squares.mean().item())
    on = f"{subject.split}, no labels, eval mode; from {len(source)} examples of the source {calibration}".rstrip()
    result = {}
    for language, (r, _) in subject.represented.items():
        if not spread:
            result[language] = Value(math.nan, None, len(r), on, status="no_spread")
            continue
        difference = r.mean(dim=0) - source.mean(dim=0)
        length = difference.norm()
        towards = difference / length.clamp(min=1e-300)
        here = r @ towards / spread
        there = -(centred @ towards) / spread - length / (2 * spread**3) * squares
        error = None
        if min(len(here), len(there)) > 1:
            error = math.sqrt(sum((x.var() / len(x)).item() for x in (here, there)))
        extra = blocks(here, torch.arange(len(here)))
        result[language] = Value(length.item() / spread, error, len(r), on, "examples", extra=extra)
    return result
