"""Representations of examples, from the same forward pass as their predictions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from xlgen.data.batch import Batch
from xlgen.models.evaluate import Predictions, predict


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
