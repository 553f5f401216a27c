"""Evaluate a classifier on batches: logits in the order of the split, losses, and the gradient of the mean loss.

Nothing here trains or leaves a trace: the model runs in ``eval()`` mode, and its training flags, ``requires_grad``
pattern and ``p.grad`` are afterwards what they were before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from xlgen.core.errors import DataError, TrainingError
from xlgen.data.batch import IGNORE, Batch, count, scored


@dataclass(frozen=True)
class Predictions:
    """The scored units of a split in its order: examples of classification, words of tagging; on the CPU.

    Attributes:
        logits: (U, C) in float64.
        labels: (U,).
        example: (U,) row number of the example that each unit belongs to, ascending; one each unless given.
    """

    logits: Tensor
    labels: Tensor
    example: Tensor | None = None

    def __post_init__(self):
        if self.example is None:
            object.__setattr__(self, "example", torch.arange(len(self.labels)))

    def __len__(self) -> int:
        return self.labels.shape[0]

    @property
    def examples(self) -> int:
        """How many examples the units come from."""
        return int(self.example[-1]) + 1

    def first(self, n: int) -> Predictions:
        """The units of the first ``n`` examples."""
        end = int(torch.searchsorted(self.example, n))
        return Predictions(self.logits[:end], self.labels[:end], self.example[:end])

    @property
    def log_probs(self) -> Tensor:
        """log p(y|x), (N, C) [nats]."""
        return torch.log_softmax(self.logits, dim=-1)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put ``model`` in ``eval()`` mode and give every module its own training flag back on exit."""
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in flags:
            module.training = training


@contextmanager
def differentiable(model: nn.Module) -> Iterator[None]:
    """Let every floating-point parameter of ``model`` collect a gradient from zero; flags and ``p.grad`` come back."""
    parameters = [p for p in model.parameters() if p.is_floating_point()]
    kept = [(p, p.requires_grad, p.grad) for p in parameters]
    try:
        for p in parameters:
            p.grad = None
            p.requires_grad = True
        yield
    finally:
        for p, requires_grad, grad in kept:
            p.requires_grad = requires_grad
            p.grad = grad


def predict(model: nn.Module, batches: Sequence[Batch], language: str = "") -> Predictions:
    """Compute the logits of every example in one forward pass without gradients.

    Args:
        model: returns an object with ``logits`` (B, C), or (B, T, C) in tagging, for ``batch.inputs``.
        batches: all examples of one language; their ``index`` values are 0..N-1, each once (each piece once).
        language: named in the message of an error.

    Returns:
        The units, in the order of the split.

    Raises:
        DataError: there are no examples, or the index values are not 0..N-1.
        TrainingError: a logit is not finite.
    """
    # no_grad, not inference_mode: a tensor that a model caches in its forward pass must stay usable in a later backward
    with evaluating(model), torch.no_grad():
        return gather([scored(model(**b.inputs).logits, b.labels)[0] for b in batches], batches, language)


def losses(predictions: Predictions) -> Tensor:
    """Cross-entropy -log p(y_i|x_i) of each unit, (U,), float64 [nats]."""
    return functional.cross_entropy(predictions.logits, predictions.labels, reduction="none")


def predictions_and_gradient(
    model: nn.Module, batches: Sequence[Batch], language: str = ""
) -> tuple[Predictions, dict[str, Tensor]]:
    """Compute the gradient of the mean loss over *all* batches, and the logits of the same forward pass.

    ∇L(θ) = 1/N Σ_i ∇ -log p_θ(y_i|x_i), over all floating-point parameters, also those frozen in training.

    Returns:
        The predictions (as `predict`), and the gradient by parameter name in fresh tensors of each parameter's type;
        zero where a parameter does not take part. A tied parameter appears once.

    Raises:
        DataError: as `predict`.
        TrainingError: a logit or the gradient is not finite.
    """
    total = count(batches)
    logits = []
    with evaluating(model), differentiable(model), torch.enable_grad():
        for batch in batches:
            out, labels = scored(model(**batch.inputs).logits, batch.labels)
            wide = out.to(torch.promote_types(out.dtype, torch.float32))
            (functional.cross_entropy(wide, labels, reduction="sum") / total).backward()
            logits.append(out.detach())
        gradient = {
            name: torch.zeros_like(p) if p.grad is None else p.grad
            for name, p in model.named_parameters()
            if p.is_floating_point()
        }
    predictions = gather(logits, batches, language)
    # a sum in float32 is finite if the numbers are, and on the CPU far cheaper than one that converts them
    if not all(math.isfinite(g.sum(dtype=torch.promote_types(g.dtype, torch.float32))) for g in gradient.values()):
        raise TrainingError(f"the gradient{_of(language)} is not finite; lower the perturbation or check the weights.")
    return predictions, gradient


def loss_and_gradient(
    model: nn.Module, batches: Sequence[Batch], language: str = ""
) -> tuple[float, dict[str, Tensor]]:
    """Mean cross-entropy over all examples [nats] and its gradient; see `predictions_and_gradient`."""
    predictions, gradient = predictions_and_gradient(model, batches, language)
    return losses(predictions).mean().item(), gradient


def subset(batches: Sequence[Batch], n: int) -> list[Batch]:
    """The examples with index < n, in batches as large as the largest of ``batches``; all of them if n is 0.

    Rows of batches of different lengths are joined, padded on the right with zeros (attention mask 0).
    """
    if n == 0 or n > max(int(batch.index.max()) for batch in batches):
        return list(batches)
    size = max(len(batch) for batch in batches)
    groups: list[list[Batch]] = []
    for batch in batches:
        part = replace(batch, view=None, view_labels=None).rows(batch.index < n)
        if len(part) == 0:
            continue
        if not groups or sum(map(len, groups[-1])) + len(part) > size:
            groups.append([])
        groups[-1].append(part)
    return [join(group) for group in groups]


def join(group: Sequence[Batch]) -> Batch:
    """One batch with the rows of all, each tensor padded to the longest on the right with zeros; views are left out."""

    def cat(tensors: Sequence[Tensor], fill: int) -> Tensor:
        width = max(tensor.shape[-1] for tensor in tensors)
        return torch.cat([functional.pad(tensor, (0, width - tensor.shape[-1]), value=fill) for tensor in tensors])

    first, labels = group[0], [part.labels for part in group]
    return Batch(
        inputs={key: cat([part.inputs[key] for part in group], 0) for key in first.inputs},
        labels=torch.cat(labels) if first.labels.ndim == 1 else cat(labels, IGNORE),
        index=torch.cat([part.index for part in group]),
        piece=None if first.piece is None else torch.cat([part.piece for part in group]),
    )


def gather(logits: Sequence[Tensor], batches: Sequence[Batch], language: str) -> Predictions:
    """Join the units of the batches and put them back in the order of the split."""
    if count(batches) == 0:
        raise DataError(f"there are no examples{_of(language)} to evaluate on.")
    _check_rows(batches, language)
    labels, rows = zip(*map(_units, batches), strict=True)
    labels, rows = torch.cat(labels), torch.cat(rows)  # rows: (U, 2), example and piece
    by_piece = rows[:, 1].argsort(stable=True)
    order = by_piece[rows[by_piece, 0].argsort(stable=True)]
    joined, example = torch.cat([x.cpu().double() for x in logits])[order], rows[order, 0]
    if not joined.isfinite().all():
        unit = int((~joined.isfinite()).any(dim=1).nonzero()[0])
        row, values = int(example[unit]), joined[unit].tolist()
        raise TrainingError(f"the logits of row {row}{_of(language)} are not finite: {values}.")
    return Predictions(joined, labels[order], example)


def _units(batch: Batch) -> tuple[Tensor, Tensor]:
    """Labels (U,) of a batch's units, and the number of example and piece (U, 2) that each belongs to."""
    rows = torch.stack([batch.index, torch.zeros_like(batch.index) if batch.piece is None else batch.piece], dim=1)
    labels = batch.labels.cpu()
    if labels.ndim == 1:
        return labels, rows.cpu()
    there = labels != IGNORE
    return labels[there], rows.cpu().repeat_interleave(there.sum(dim=1), dim=0)


def _check_rows(batches: Sequence[Batch], language: str) -> None:
    index = torch.cat([batch.index.cpu() for batch in batches])
    pieces = [torch.zeros_like(batch.index) if batch.piece is None else batch.piece for batch in batches]
    rows = torch.stack([index, torch.cat(pieces).cpu()], dim=1)
    examples = index.unique()
    if len(rows.unique(dim=0)) != len(rows) or not torch.equal(examples, torch.arange(len(examples))):
        raise DataError(f"the batches{_of(language)} must hold the rows 0 to {len(index) - 1} of the split, each once.")


def _of(language: str) -> str:
    return f" of {language!r}" if language else ""
