"""Several processes as one: each differentiates some micro-batches of a step, all add up all gradients in one order.

A gradient is a sum over micro-batches, and floating-point sums depend on their order. Averaging what each process has
summed by itself changes the last bits, and AdamW, which divides a gradient by its own size, makes of them differences
as large as the learning rate wherever the true gradient is 0: the biases of attention's keys. So the micro-batch is
the unit: it is computed by one process, whole, and every process adds the gradients of all of them up one by one, as
one process would. The weights are then the same to the last bit, however many processes there are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from torch import Tensor, distributed

T = TypeVar("T")

SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
"""Variables of the environment in which launchers say how many processes there are."""

BLOCK = 2**22
"""Numbers that are exchanged at a time: what a process receives of all others is in memory at once."""


def started() -> int:
    """How many processes ``torchrun``, ``accelerate launch`` or MPI has started to share a run; 1 without them."""
    return next((int(os.environ[name]) for name in SIZES if os.environ.get(name)), 1)


@dataclass(frozen=True)
class Processes:
    """The processes that share a step.

    Attributes:
        index: of this one.
        number: of all.
    """

    index: int = 0
    number: int = 1

    @classmethod
    def of(cls, accelerator: Accelerator) -> Processes:
        """Those that ``accelerator`` has joined."""
        return cls(accelerator.process_index, accelerator.num_processes)

    def mine(self, items: Sequence[T]) -> Sequence[T]:
        """What this process works on, of one item for each micro-batch of a step: in turn, round after round."""
        return items[self.index :: self.number]

    def gather(self, value: T) -> list[T]:
        """Everybody's ``value``, in the order of the processes; it has to be picklable, its tensors on the CPU."""
        if self.number == 1:
            return [value]
        values: list[Any] = [None] * self.number
        distributed.all_gather_object(values, value)
        return values

    def add(self, sums: Mapping[str, Tensor], parts: Mapping[str, Tensor]) -> None:
        """Add everybody's ``parts`` to ``sums``, in place, in the order of the processes.

        Args:
            sums: contiguous; the same names and numbers in the same order in all processes, before and after.
            parts: of this process; some names or all may be missing, which stand for zeros.
        """
        for bucket in _buckets(sums, parts):
            totals, mine = zip(*bucket, strict=True)
            block = torch.cat(mine)
            received = [torch.empty_like(block) for _ in range(self.number)]
            distributed.all_gather(received, block)
            for part in received:
                torch._foreach_add_(totals, part.split([len(total) for total in totals]))


def _buckets(sums: Mapping[str, Tensor], parts: Mapping[str, Tensor]) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Pairs of flat views of the same places of both, together :data:`BLOCK` numbers: a message costs time of its own.

    A tensor is cut where it is longer.
    """
    bucket, free = [], BLOCK
    for name, total in sums.items():
        mine = parts[name] if name in parts else torch.zeros_like(total)
        for pair in zip(total.view(-1).split(BLOCK), mine.reshape(-1).split(BLOCK), strict=True):
            if len(pair[0]) > free:
                yield bucket
                bucket, free = [], BLOCK
            bucket.append(pair)
            free -= len(pair[0])
    if bucket:
        yield bucket
