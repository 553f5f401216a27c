"""Distance of a language's representations from the source's.

r(x) is the mean of the last hidden layer over the sub-words of x. With its means μ over the language's examples and μ_S
over the source's development examples, and the source's total spread σ_S² = 1/M Σ_m ‖r(x_m) - μ_S‖²,

d = ‖μ - μ_S‖₂ / σ_S   [spreads of the source]

The directions in which languages differ, and not the examples, are what it sees (libovicky2020language).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from xlgen.batch import Batch
from xlgen.evaluate import Predictions, predict
from xlgen.measures.base import MEASURES, Subject, Value, label_free


class Pooling(nn.Module):
    """A classifier that also keeps r(x) of every row it is given, by the row's place in the passes."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model, self.sums, self.counts = model, [], []

    def forward(self, **inputs: Tensor):
        output = self.model(**inputs, output_hidden_states=True)
        states = output.get("hidden_states")
        hidden = states[-1] if states is not None else output.encoder_last_hidden_state
        mask = inputs["attention_mask"]
        hidden = hidden[:, -mask.shape[1] :].double()  # without the places of a soft prompt
        self.sums.append((hidden * mask[:, :, None]).sum(dim=1).cpu())
        self.counts.append(mask.sum(dim=1).cpu())
        return output


def pooled(model: nn.Module, batches: Sequence[Batch], language: str = "") -> tuple[Tensor, Predictions]:
    """r(x) of every example (N, d) in float64, and the predictions of the same forward pass.

    The pieces of a sentence that was cut count by their sub-words.
    """
    pooling = Pooling(model)
    predictions = predict(pooling, batches, language)
    index = torch.cat([batch.index.cpu() for batch in batches])
    sums, counts = torch.cat(pooling.sums), torch.cat(pooling.counts).double()
    n = int(index.max()) + 1
    total = torch.zeros(n, sums.shape[1], dtype=torch.float64).index_add_(0, index, sums)
    return total / torch.zeros(n, dtype=torch.float64).index_add_(0, index, counts)[:, None], predictions


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
        itself has on another split is the floor.
    """
    source, _ = pooled(subject.model, subject.source_batches, subject.source_language)
    centred = source - source.mean(dim=0)
    squares = centred.square().sum(dim=1)
    spread = math.sqrt(squares.mean().item())
    on = f"{subject.split}, no labels, eval mode; from {len(source)} examples of the source {calibration}".rstrip()
    result = {}
    for language, batches in subject.batches.items():
        r, _ = pooled(subject.model, batches, language)
        difference = r.mean(dim=0) - source.mean(dim=0)
        length = difference.norm()
        towards = difference / length.clamp(min=1e-300)
        here = r @ towards / spread
        there = -(centred @ towards) / spread - length / (2 * spread**3) * squares
        error = None
        if min(len(here), len(there)) > 1:
            error = math.sqrt(sum((x.var() / len(x)).item() for x in (here, there)))
        result[language] = Value(length.item() / spread, error, len(r), on, "examples")
    return result
