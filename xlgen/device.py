"""Where a run computes: the device, CPU threads, torch's random state, and the share of each of several processes.

Data parallelism is one function, :func:`average`, called once a step. Hooks on the backward passes would not do: an
objective may run several of them, or set ``p.grad`` itself, and need not know that there are other processes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import nn

from xlgen.batch import Batch
from xlgen.errors import ConfigError, UnknownName

DEVICES = ("auto", "cpu", "cuda", "mps")


def accelerator_for(device: str) -> Accelerator:
    """Accelerate's view of this process on ``device``, one of :data:`DEVICES`; always in full precision.

    Raises:
        UnknownName: no such device.
        ConfigError: the machine does not have it, or this process has already used another.
    """
    if device not in DEVICES:
        raise UnknownName("device", device, DEVICES)
    try:
        accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no")
    except ValueError:
        raise ConfigError(f"this process has already used another device than {device!r}; start a new one.") from None
    if device not in ("auto", accelerator.device.type):
        raise ConfigError(
            f"device is {device!r}, but this process computes on {accelerator.device.type!r}; use 'auto'."
        )
    return accelerator


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Let torch use ``n`` CPU threads in the block; 0 leaves the number as it is."""
    before = torch.get_num_threads()
    torch.set_num_threads(n or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def forked(device: torch.device) -> AbstractContextManager:
    """Leave torch's global generators as they were before the block."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


def seed_of(*parts: object) -> int:
    """A seed that differs wherever ``parts`` differ."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1


def share(batches: Sequence[Batch], accelerator: Accelerator) -> list[Batch]:
    """The examples of a step that this process works on, on its device: all if it is the only one."""
    if accelerator.num_processes > 1:
        mine = slice(accelerator.process_index, None, accelerator.num_processes)
        batches = [part for part in (batch.rows(mine) for batch in batches) if len(part)]
    return [batch.to(accelerator.device) for batch in batches]


def average(model: nn.Module, logged: dict[str, float], units: int, accelerator: Accelerator) -> dict[str, float]:
    """Average gradients and logged numbers over the processes, weighted by the units of each.

    Args:
        model: ``p.grad`` of its trained parameters is replaced.
        logged: means over this process's units.
        units: how many they are; may be 0, with nothing logged.
        accelerator: the processes.

    Returns:
        The logged means over the units of all processes.
    """
    if accelerator.num_processes == 1:
        return logged
    everyone = gather_object([(logged, units)])
    total = sum(n for _, n in everyone)
    for weight in model.parameters():
        if weight.requires_grad:
            mine = torch.zeros_like(weight) if weight.grad is None else weight.grad * (units / total)
            weight.grad = accelerator.reduce(mine, "sum")
    names = {name: None for numbers, _ in everyone for name in numbers}
    return {name: sum(numbers.get(name, 0.0) * n for numbers, n in everyone) / total for name in names}
