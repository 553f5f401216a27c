"""Give a collector the gradient of every example with respect to every parameter, in the cheapest exact form.

One forward pass, then one backward pass for each direction in the logits (:mod:`~xlgen.fisher.labels`) that computes
the gradients of activations and of no weight. What each parameter's gradient is made of is handed over as it comes by,
and freed. The remaining parameters (:mod:`~xlgen.fisher.recorder`) are differentiated one example at a time.

A tagged sentence that was cut in pieces is one example with several rows, whose gradients are added before anything is
squared: its rows make a batch of their own, and a sum of outer products over its places runs over those of all rows.
With the model's labels nothing need be added: its units are independent given x, and so are its pieces.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor, nn

from xlgen.core.errors import ConfigError, DataError, ModelError, UnknownName
from xlgen.data.batch import Batch
from xlgen.fisher.factors import Use
from xlgen.fisher.labels import LABELS, directions
from xlgen.fisher.modules import uses
from xlgen.fisher.recorder import Call, Recorder
from xlgen.models.evaluate import evaluating, join

log = logging.getLogger(__name__)


class Collector(Protocol):
    """Receives, for each direction, every parameter's gradients for the examples of a batch once.

    B is the number of rows of the batch, or 1 where they are the pieces of one example and their gradients are added.
    """

    def vectors(self, gradients: Mapping[Tensor, Tensor]) -> None:
        """Of all parameters (n,): the gradient for each example, (B, n)."""

    def matrix(self, p: Tensor, parts: Sequence[Use]) -> None:
        """Of a matrix: what its gradients are the sum of."""

    def row(self, p: Tensor, b: int, gradient: Tensor) -> None:
        """Of any parameter: its gradient for row ``b`` of the batch, or the sum over the rows, which is row 0."""

    def end(self) -> None:
        """The batch is done with."""


def run(
    model: nn.Module,
    batches: Sequence[Batch],
    collector: Callable[..., Collector],
    *,
    labels: str,
    names: Collection[str] | None,
    generator: torch.Generator | None,
    scale: float = 1.0,
) -> None:
    """Go through all examples.

    Args:
        model: left exactly as it was.
        batches: the examples.
        collector: gives the receiver of a batch; ``together``: its rows are the pieces of one example, added up.
        labels: see :func:`~xlgen.fisher.labels.directions`.
        names: parameters to look at; ``None`` for all floating-point ones.
        generator: source of sampled labels.
        scale: factor of all gradients.

    Raises:
        ConfigError: ``labels`` is unknown or has no generator, or too many classes for ``"model"``.
        DataError: there are no examples.
        ModelError: which gradient belongs to which example cannot be told.
        TrainingError: a logit is not finite.
        UnknownName: no parameter has a name in ``names``.
    """
    if labels not in LABELS:
        raise ConfigError(f"labels is {labels!r}; expected one of {', '.join(map(repr, LABELS))}.")
    if not any(len(batch) for batch in batches):
        raise DataError("there are no examples to compute a Fisher information on.")
    parameters = chosen(model, names)
    with evaluating(model), _requiring(model, parameters.values()), torch.enable_grad():
        recorder = Recorder(model, parameters)
        whole, cut = (batches, []) if labels == "model" else _gathered(batches)
        if not whole:
            with recorder.forward(cut[0].rows(slice(0, 1)), lambda *_: None):
                pass  # see _parts
        for part in _parts(whole):
            _pass(recorder, part, collector(part, together=False), labels, generator, scale, together=False)
        for part in cut:
            _pass(recorder, part, collector(part, together=True), labels, generator, scale, together=True)


def chosen(model: nn.Module, names: Collection[str] | None) -> dict[str, nn.Parameter]:
    """The parameters looked at, by name; tied ones once, under their first name.

    Raises:
        UnknownName: no parameter has that name.
    """
    parameters = {name: p for name, p in model.named_parameters() if p.is_floating_point()}
    for name in names or ():
        if name not in parameters:
            raise UnknownName("parameter", name, parameters)
    return parameters if names is None else {name: p for name, p in parameters.items() if name in set(names)}


def _gathered(batches: Sequence[Batch]) -> tuple[Sequence[Batch], list[Batch]]:
    """The examples of one row in their batches, and a batch for each example of several rows, its pieces."""
    if all(batch.piece is None for batch in batches):
        return batches, []
    numbers, rows = torch.cat([batch.index for batch in batches]).unique(return_counts=True)
    several = numbers[rows > 1]
    if not len(several):
        return batches, []
    chosen = [(batch, torch.isin(batch.index, several)) for batch in batches]
    whole = [batch if not cut.any() else batch.rows(~cut) for batch, cut in chosen]
    pieces = [batch.rows(cut) for batch, cut in chosen if cut.any()]
    return [batch for batch in whole if len(batch)], [
        join([batch.rows(batch.index == number) for batch in pieces if (batch.index == number).any()])
        for number in several
    ]


def _parts(batches: Sequence[Batch]) -> Iterator[Batch]:
    """The batches; the first example goes alone, which shows what has no batch dimension (see the recorder)."""
    first = True
    for batch in batches:
        if first and len(batch) > 1:
            yield batch.rows(slice(0, 1))
            batch = batch.rows(slice(1, None))
        if len(batch):
            first = False
            yield batch


def _pass(
    recorder: Recorder,
    batch: Batch,
    collector: Collector,
    labels: str,
    generator: torch.Generator | None,
    scale: float,
    *,
    together: bool,
) -> None:
    """One batch; with ``together`` the gradients of its rows are added to one."""
    vectors: dict[Tensor, Tensor] = {}
    shared: dict[Tensor, list[Use]] = defaultdict(list)

    def deliver(call: Call, gradient: Tensor) -> None:
        if call.expanded:
            _check_rows(call, gradient, direction)
        if call.module in recorder.unfit:
            return
        for p, part in uses(call.module, call.x, gradient):
            if id(p) not in forward.fast:
                continue
            if together:
                part = part.sum(dim=0, keepdim=True) if isinstance(part, Tensor) else part.together()
            if isinstance(part, Tensor):
                vectors[p] = vectors[p] + part if p in vectors else part
            elif forward.used[id(p)] == 1:
                collector.matrix(p, (part,))
            else:
                shared[p].append(part)

    with recorder.forward(batch, deliver) as forward:
        along = directions(forward.logits, batch.labels, labels, generator, scale)
        for number, direction in enumerate(along, start=1):
            if forward.ends:
                keep = number < len(along)
                torch.autograd.grad(forward.logits, forward.ends, direction, retain_graph=keep)
            collector.vectors(vectors)
            for p, parts in shared.items():
                collector.matrix(p, parts)
            vectors.clear()
            shared.clear()
        slow = {name: p for name, p in recorder.parameters.items() if id(p) not in forward.fast}
    if slow:
        _say(tuple(slow))
        rows = [slice(0, len(batch))] if together else [slice(b, b + 1) for b in range(len(batch))]
        _one_by_one(recorder.model, batch, rows, along, list(slow.values()), collector)
    collector.end()


def _one_by_one(
    model: nn.Module,
    batch: Batch,
    examples: Sequence[slice],
    along: Sequence[Tensor],
    parameters: Sequence[Tensor],
    collector: Collector,
) -> None:
    """Differentiate one example at a time; each is some rows of the batch."""
    for b, rows in enumerate(examples):
        logits = model(**batch.rows(rows).inputs).logits
        for number, direction in enumerate(along, start=1):
            keep = number < len(along)
            gradients = torch.autograd.grad(logits, parameters, direction[rows], retain_graph=keep, allow_unused=True)
            for p, gradient in zip(parameters, gradients, strict=True):
                if gradient is not None:
                    collector.row(p, b, gradient.to_dense() if gradient.is_sparse else gradient)


def _check_rows(call: Call, gradient: Tensor, direction: Tensor) -> None:
    """An output that was repeated for every example must have been used by every example."""
    asked, got = (x.reshape(len(x), -1).any(dim=1) for x in (direction, gradient))
    if (asked & ~got).any():
        raise ModelError(
            f"{type(call.module).__name__}{tuple(call.module.weight.shape)} was called once for {len(got)} examples; "
            "give the batches its input for each example, such as position_ids (B, T)."
        )


@lru_cache
def _say(names: tuple[str, ...]) -> None:
    """Once for the same parameters, not once for each batch and language."""
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    log.warning("Fisher information of %s: one example at a time, which is exact and slower.", shown)


@contextmanager
def _requiring(model: nn.Module, parameters: Collection[Tensor]) -> Iterator[None]:
    """Let ``parameters`` and no others require gradients; the flags come back."""
    flags = [(p, p.requires_grad) for p in model.parameters()]
    asked = {id(p) for p in parameters}
    try:
        for p, _ in flags:
            p.requires_grad_(id(p) in asked)
        yield
    finally:
        for p, flag in flags:
            p.requires_grad_(flag)
