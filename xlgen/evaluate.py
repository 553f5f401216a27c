"""Evaluate a classifier on batches: logits in the order of the split, losses, and the gradient of the mean loss.

Nothing here trains or leaves a trace: the model runs in ``eval()`` mode, and its training flags, ``requires_grad``
pattern and ``p.grad`` are afterwards what they were before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from xlgen.batch import Batch, count
from xlgen.errors import DataError, TrainingError


@dataclass(frozen=True)
class Predictions:
    """Logits (N, C) in float64 and labels (N,), in the order of the split, on the CPU."""

    logits: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return self.labels.shape[0]

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
            p.requires_grad_(True)
        yield
    finally:
        for p, requires_grad, grad in kept:
            p.requires_grad_(requires_grad)
            p.grad = grad


def predict(model: nn.Module, batches: Sequence[Batch], language: str = "") -> Predictions:
    """Compute the logits of every example in one forward pass without gradients.

    Args:
        model: returns an object with ``logits`` (B, C) for ``batch.inputs``.
        batches: all examples of one language; their ``index`` values are 0..N-1, each once.
        language: named in the message of an error.

    Returns:
        Logits (N, C) in float64 and labels (N,), in the order of the split, on the CPU.

    Raises:
        DataError: there are no examples, or the index values are not 0..N-1.
        TrainingError: a logit is not finite.
    """
    # no_grad, not inference_mode: a tensor that a model caches in its forward pass must stay usable in a later backward
    with evaluating(model), torch.no_grad():
        return _gather([model(**batch.inputs).logits for batch in batches], batches, language)


def losses(predictions: Predictions) -> Tensor:
    """Cross-entropy -log p(y_i|x_i) of each example, (N,), float64 [nats]."""
    return functional.cross_entropy(predictions.logits, predictions.labels, reduction="none")


def mean_loss(model: nn.Module, batches: Sequence[Batch], language: str = "") -> float:
    """Mean cross-entropy over the examples (never a mean of batch means), in float64 [nats]; raises as `predict`."""
    return losses(predict(model, batches, language)).mean().item()


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
            out = model(**batch.inputs).logits
            wide = out.to(torch.promote_types(out.dtype, torch.float32))
            (functional.cross_entropy(wide, batch.labels, reduction="sum") / total).backward()
            logits.append(out.detach())
        gradient = {
            name: torch.zeros_like(p) if p.grad is None else p.grad
            for name, p in model.named_parameters()
            if p.is_floating_point()
        }
    predictions = _gather(logits, batches, language)
    if not all(math.isfinite(g.sum(dtype=torch.float64)) for g in gradient.values()):
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
    if n == 0 or n >= count(batches):
        return list(batches)
    size = max(len(batch) for batch in batches)
    groups: list[list[Batch]] = []
    for batch in batches:
        rows = batch.index < n
        part = Batch({k: v[rows] for k, v in batch.inputs.items()}, batch.labels[rows], batch.index[rows])
        if len(part) == 0:
            continue
        if not groups or count(groups[-1]) + len(part) > size:
            groups.append([])
        groups[-1].append(part)
    return [_join(group) for group in groups]


def _join(group: Sequence[Batch]) -> Batch:
    """One batch with the rows of all, each tensor padded to the longest."""

    def cat(key: str) -> Tensor:
        width = max(part.inputs[key].shape[1] for part in group)
        padded = [functional.pad(part.inputs[key], (0, width - part.inputs[key].shape[1])) for part in group]
        return torch.cat(padded)

    labels, index = torch.cat([part.labels for part in group]), torch.cat([part.index for part in group])
    return Batch({key: cat(key) for key in group[0].inputs}, labels, index)


def _gather(logits: Sequence[Tensor], batches: Sequence[Batch], language: str) -> Predictions:
    """Join the batches' logits and put them back in the order of the split."""

    if count(batches) == 0:
        raise DataError(f"there are no examples{_of(language)} to evaluate on.")
    index = torch.cat([batch.index.cpu() for batch in batches])
    if not torch.equal(index.sort().values, torch.arange(len(index))):
        raise DataError(f"the batches{_of(language)} must hold the rows 0 to {len(index) - 1} of the split, each once.")
    order = index.argsort()
    joined = torch.cat([x.cpu().double() for x in logits])[order]
    if not joined.isfinite().all():
        row = int((~joined.isfinite()).any(dim=1).nonzero()[0])
        raise TrainingError(f"the logits of row {row}{_of(language)} are not finite: {joined[row].tolist()}.")
    return Predictions(joined, torch.cat([batch.labels.cpu() for batch in batches])[order])


def _of(language: str) -> str:
    return f" of {language!r}" if language else ""
