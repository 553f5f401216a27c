"""The unit that objectives and measures see: a batch of examples of one language, already on its device.

Classification has one label an example, tagging one a word. What is scored is called a *unit*: every mean of a loss,
a margin or an accuracy is a mean over units, and :func:`scored` picks them out, so that nothing else has to know which
of the two it is dealing with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

IGNORE = -100
"""Label of a place that is not scored: padding, special sub-words, and all sub-words of a word but the first."""


@dataclass(frozen=True)
class Batch:
    """Examples padded to the longest of them.

    Attributes:
        inputs: what the model's ``forward`` takes, labels excluded: ``input_ids``, ``attention_mask`` and, where the
            model has them, ``token_type_ids`` and ``position_ids``; each a contiguous (B, T) tensor (a broadcast
            (1, T) tensor silently breaks every method that looks at one example's gradient).
        labels: (B,) class indices; in tagging (B, T), with :data:`IGNORE` at the places that are not scored.
        index: (B,) row numbers in the split, so that predictions can be put back in the split's order. A long tagged
            sentence is cut in pieces: several rows of the batch then have the same number.
        view: the same examples in a second, sampled segmentation (T may differ); ``None`` unless asked for.
        view_labels: labels of the view, as ``labels``; a view that had to be cut has fewer units, from the end.
        piece: (B,) number of the piece within its example; ``None`` where every example is one piece.
    """

    inputs: Mapping[str, Tensor]
    labels: Tensor
    index: Tensor
    view: Mapping[str, Tensor] | None = None
    view_labels: Tensor | None = None
    piece: Tensor | None = None

    def __len__(self) -> int:
        return self.labels.shape[0]

    @property
    def units(self) -> int:
        """Labelled positions: the examples of classification, the words of tagging."""
        return len(self) if self.labels.ndim == 1 else int((self.labels != IGNORE).sum())

    def map(self, function) -> Batch:
        """The same with every tensor replaced by ``function`` of it."""

        def each(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {key: function(tensor) for key, tensor in tensors.items()}

        return replace(
            self,
            inputs=each(self.inputs),
            labels=function(self.labels),
            index=function(self.index),
            piece=None if self.piece is None else function(self.piece),
            view=None if self.view is None else each(self.view),
            view_labels=None if self.view_labels is None else function(self.view_labels),
        )

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on ``device``."""
        return self.map(lambda tensor: tensor.to(device))

    def rows(self, which: Tensor | slice) -> Batch:
        """Some of the rows; the padding stays."""
        return self.map(lambda tensor: tensor[which].contiguous())


def scored(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The units of a batch: logits (U, C) and labels (U,), in the order of the rows and of the words in each.

    Args:
        logits: (B, C), or (B, T, C) in tagging.
        labels: (B,), or (B, T) with :data:`IGNORE` at the places that are not scored.
    """
    if labels.ndim == 1:
        return logits, labels
    there = labels != IGNORE
    return logits[there], labels[there]


def count(batches: Sequence[Batch]) -> int:
    """Units in all ``batches``: the denominator of every mean, so that no mean is a mean of batch means."""
    return sum(batch.units for batch in batches)


def examples(batches: Sequence[Batch]) -> int:
    """Examples in all ``batches``; the pieces of a long tagged sentence are one."""
    if all(batch.piece is None for batch in batches):
        return sum(map(len, batches))
    return len(torch.cat([batch.index for batch in batches]).unique())
