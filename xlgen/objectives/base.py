"""What a training objective is: a gradient procedure.

An objective is a frozen dataclass of its hyper-parameters. It receives the model and *all micro-batches of one
optimizer step*, and leaves the gradient in ``p.grad``. Schedule and clipping live in the training loop, accumulation
and data parallelism in :func:`~xlgen.objectives.accumulate.accumulate`, and none of them sees the method; SAM therefore
works with all of them, and a new objective is one new file.

In several processes each is given the whole step, and each has to leave the gradient of the whole step. What
``accumulate`` computes is shared among them; an objective without it does all of the work in each, and is right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from xlgen.core.processes import Processes
from xlgen.core.registry import Registry
from xlgen.data.batch import Batch
from xlgen.models.vocabulary import kept

OBJECTIVES: Registry[type] = Registry("objective")


@dataclass(frozen=True)
class Anchor:
    """Weights to stay close to, and how much each matters: what L2 and EWC pull towards.

    Attributes:
        theta: :math:`\\theta^*`, the pretrained weights by parameter name, on the model's device; parameters that the
            pretrained model lacks (the new head) are absent.
        weight: the diagonal of a Fisher information by the same names; ``None`` stands for ones.
    """

    theta: Mapping[str, Tensor]
    weight: Mapping[str, Tensor] | None = None

    def kept(self, model: nn.Module) -> Anchor:
        """The same for the rows that :func:`xlgen.models.vocabulary.cut` has kept in ``model``."""
        theta = dict(model.named_parameters())

        def rows(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: kept(theta[name], tensor) for name, tensor in tensors.items()}

        return Anchor(rows(self.theta), None if self.weight is None else rows(self.weight))


@dataclass
class Step:
    """What an objective may know of the optimizer step it computes the gradient of.

    Attributes:
        number: 0-based index of the optimizer step.
        generator: source of the objective's own randomness (sampled labels); a CPU generator seeded by the loop.
        backward: runs the backward pass of a scalar (``accelerator.backward`` in the loop).
        processes: that share the micro-batches; this one alone by default.
        own_masks: every micro-batch draws its dropout masks from a stream of its own, so that each can be computed
            without those before it; see ``dropout_stream`` of :class:`~xlgen.core.config.RunConfig`.
        anchors: for objectives with ``needs_anchors``; the same at every step.
    """

    number: int = 0
    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))
    backward: Callable[[Tensor], None] = torch.Tensor.backward
    processes: Processes = Processes()
    own_masks: bool = False
    anchors: Sequence[Anchor] = ()


@runtime_checkable
class Objective(Protocol):
    """A gradient procedure; see the module's docstring.

    Class attributes:
        needs_double_backward: the model must use attention kernels that can be differentiated twice (eager).
        needs_views: batches must carry ``view``, a sampled segmentation of the same examples.
        needs_anchors: the step must carry ``anchors``, weights to stay close to.
    """

    needs_double_backward: ClassVar[bool]
    needs_views: ClassVar[bool]
    needs_anchors: ClassVar[bool]

    def gradient(self, model: nn.Module, batches: Sequence[Batch], step: Step) -> dict[str, float]:
        """Accumulate the gradient of the step's objective in ``p.grad`` (zero on entry) and return numbers to log.

        The key ``"loss"`` is always there: the mean cross-entropy over the units of ``batches`` [nats].
        """
        ...
