"""Where a run computes: the device, CPU threads, and torch's random state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from accelerate import Accelerator

from xlgen.core.errors import ConfigError, UnknownName
from xlgen.core.processes import started

DEVICES = ("auto", "cpu", "cuda", "mps")


def accelerator_for(device: str) -> Accelerator:
    """Accelerate's view of this process on ``device``, one of :data:`DEVICES`; always in full precision.

    Raises:
        UnknownName: no such device.
        ConfigError: the machine does not have it, this process has already used another, or it is one of several that
            cannot join there.
    """
    if device not in DEVICES:
        raise UnknownName("device", device, DEVICES)
    try:
        # of several processes without a GPU, accelerate would leave each alone
        cpu = device == "cpu" or (device == "auto" and started() > 1 and not torch.cuda.is_available())
        accelerator = Accelerator(cpu=cpu, mixed_precision="no")
    except ValueError:
        raise ConfigError(f"this process has already used another device than {device!r}; start a new one.") from None
    if device not in ("auto", accelerator.device.type):
        raise ConfigError(
            f"device is {device!r}, but this process computes on {accelerator.device.type!r}; use 'auto'."
        )
    if accelerator.num_processes != started():
        raise ConfigError(
            f"{started()} processes were started, and {accelerator.num_processes} found each other on "
            f"{accelerator.device.type!r}; start them with torchrun, with a GPU for each or --device cpu."
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
