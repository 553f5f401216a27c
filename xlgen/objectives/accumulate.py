r"""The gradient of a mean over the units of all micro-batches of one optimizer step.

.. math:: \nabla \frac{1}{B} \sum_{i=1}^{B} \ell_i = \sum_m \frac{B_m}{B} \nabla \frac{1}{B_m} \sum_{i \in m} \ell_i

so that the result does not depend on how the ``B`` units (examples, or words in tagging) were cut into micro-batches
of ``B_m``. Several processes take turns with the micro-batches, and each ends with the whole sum.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xlgen.core.device import seed_of
from xlgen.core.errors import TrainingError, XlgenError
from xlgen.data.batch import Batch, count, scored
from xlgen.objectives.ascent import collected, replayed
from xlgen.objectives.base import Step

Terms = Callable[[Batch], tuple[Tensor | tuple[Tensor, Tensor], Mapping[str, Tensor]]]
"""Of one micro-batch: the mean to differentiate, and means to log; ``"loss"`` among them is the cross-entropy.

Where a second mean is to be differentiated by itself, ``(mean, second)``.
"""


def accumulate(
    model: nn.Module, batches: Sequence[Batch], step: Step, terms: Terms, second: dict[str, Tensor] | None = None
) -> dict[str, float]:
    """Add the gradient of the mean of ``terms`` over all units to ``p.grad``.

    Args:
        model: whose trained parameters receive gradients.
        batches: the micro-batches; one backward pass each.
        step: runs the backward passes, and has the processes that share them.
        terms: what to differentiate and what to log; called for the micro-batches of this process,
            ``step.processes.mine(batches)``, in their order.
        second: receives the gradient of the second mean, by the parameters' names.

    Returns:
        The logged means over all units.

    Raises:
        TrainingError: a logged mean is not finite.
    """
    total, means = count(batches), defaultdict(list)
    theta = {name: w for name, w in model.named_parameters() if w.requires_grad}
    masks = _own_masks(model) if step.own_masks else lambda number: nullcontext()

    def differentiate(number: int, into: dict[str, Tensor]) -> dict[str, Tensor]:
        batch = batches[number]
        share = batch.units / total
        with masks(number):
            objective, logged = terms(batch)
        if isinstance(objective, tuple):
            objective, other = objective
            with collected(theta, into):
                (share * other).backward(retain_graph=True)
        step.backward(share * objective)
        return {name: share * mean.detach() for name, mean in logged.items()}

    work = _alone if step.processes.number == 1 else _shared
    for logged in work(differentiate, len(batches), theta, {} if second is None else second, step):
        for name, mean in logged.items():
            means[name].append(mean)
    # read once, after the last backward pass: asking every micro-batch would make the device wait for the host
    return {name: finite(torch.stack(parts).sum(), name, step) for name, parts in means.items()}


Work = Callable[[int, dict[str, Tensor]], dict[str, Tensor]]


def _alone(
    differentiate: Work, n: int, theta: Mapping[str, nn.Parameter], second: dict[str, Tensor], step: Step
) -> Iterator[dict[str, Tensor]]:
    for number in range(n):
        yield differentiate(number, second)


def _shared(
    differentiate: Work, n: int, theta: Mapping[str, nn.Parameter], second: dict[str, Tensor], step: Step
) -> Iterator[dict[str, Tensor]]:
    """One micro-batch of each process at a time; the last round may leave some without.

    An error of one is raised in all, which would otherwise wait for it.
    """
    processes = step.processes
    first = {name: w.grad for name, w in theta.items() if w.grad is not None}
    for start in range(0, n, processes.number):
        number, parts, others, logged, failure = start + processes.index, {}, {}, {}, None
        if number < n:
            try:
                with collected(theta, parts):
                    logged = {name: mean.cpu() for name, mean in differentiate(number, others).items()}
            except XlgenError as error:
                failure = error
        everyone = processes.gather((logged, failure and str(failure), ({*parts}, {*others})))
        for _, problem, _ in everyone:
            if problem is not None:
                raise failure or TrainingError(problem)
        for i, (sums, mine) in enumerate(((first, parts), (second, others))):
            named = set().union(*(names[i] for _, _, names in everyone))
            for name, w in theta.items():  # who has a gradient in no process keeps none: weight decay passes over it
                if name in named and name not in sums:
                    sums[name] = torch.zeros_like(w, memory_format=torch.contiguous_format)
            processes.add(sums, mine)
        yield from (means for means, *_ in everyone[: n - start])
    for name, gradient in first.items():
        theta[name].grad = gradient


def _own_masks(model: nn.Module) -> Callable[[int], AbstractContextManager]:
    """Contexts, by the number of a micro-batch, with a stream of dropout masks of its own.

    All streams begin from one draw from torch's global generator: a pass that is to see the masks of another winds that
    generator back (:func:`~xlgen.objectives.ascent.replayed`), as for the masks of one stream.
    """
    start = int(torch.randint(2**62, ()))

    @contextmanager
    def stream(number: int) -> Iterator[None]:
        with replayed(model):
            torch.manual_seed(seed_of("masks", start, number))
            yield

    return stream


def cross_entropy(model: nn.Module) -> Terms:
    """The terms of plain training: :math:`-\\log p_\\theta(y|x)` [nats]."""

    def terms(batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        loss = F.cross_entropy(*scored(model(**batch.inputs).logits, batch.labels))
        return loss, {"loss": loss}

    return terms


def finite(value: Tensor | float, name: str, step: Step) -> float:
    """``value`` as a float.

    Raises:
        TrainingError: it is not finite.
    """
    number = float(value.detach() if isinstance(value, Tensor) else value)
    if not math.isfinite(number):
        raise TrainingError(
            f"{name} is {number} at optimizer step {step.number}; "
            "train with a lower learning rate, more warm-up or in float32."
        )
    return number
