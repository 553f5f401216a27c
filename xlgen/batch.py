"""The unit that objectives and measures see: a batch of examples of one language, already on its device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Examples padded to the longest of them.

    Attributes:
        inputs: what the model's ``forward`` takes, labels excluded: ``input_ids``, ``attention_mask`` and, where the
            model has them, ``token_type_ids`` and ``position_ids``; each a contiguous (B, T) tensor (a broadcast
            (1, T) tensor silently breaks every method that looks at one example's gradient).
        labels: (B,) class indices.
        index: (B,) row numbers in the split, so that predictions can be put back in the split's order.
        view: the same examples in a second, sampled segmentation (T may differ); ``None`` unless asked for.
    """

    inputs: Mapping[str, Tensor]
    labels: Tensor
    index: Tensor
    view: Mapping[str, Tensor] | None = None

    def __len__(self) -> int:
        return self.labels.shape[0]

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on ``device``."""
        move = lambda tensors: {k: v.to(device) for k, v in tensors.items()}  # noqa: E731
        return replace(
            self,
            inputs=move(self.inputs),
            labels=self.labels.to(device),
            index=self.index.to(device),
            view=None if self.view is None else move(self.view),
        )


def count(batches: Sequence[Batch]) -> int:
    """Examples in all ``batches``: the denominator of every mean, so that no mean is a mean of batch means."""
    return sum(len(batch) for batch in batches)
