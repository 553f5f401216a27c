"""Training in bfloat16: matrix products in half the bits, on weights, gradients and sums that stay in float32.

Only the forward passes of training are lowered (the backward passes follow them), each by itself: torch keeps the
rounded weights as long as a block of ``torch.autocast`` lasts, and an objective that moves the weights between two
passes, as SAM does, must not meet the old ones in the second. In ``eval()`` mode, which is how the development set is
looked at and everything is measured, the model computes in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps

import torch
from torch import nn


def lower(model: nn.Module, device: torch.device) -> None:
    """Let the forward passes of ``model`` in training mode compute in bfloat16 where torch holds that to be safe.

    Logits come out in float32. It lasts as long as the model.
    """
    forward = model.forward

    @wraps(forward)
    def lowered(*args, **kwargs):
        if not model.training or getattr(model, "in_float32", False):
            return forward(*args, **kwargs)
        with torch.autocast(device.type, torch.bfloat16):
            out = forward(*args, **kwargs)
        out.logits = out.logits.float()
        return out

    model.forward = lowered


@contextmanager
def float32(model: nn.Module) -> Iterator[None]:
    """Compute in float32 in the block, also in training: for differences that bfloat16 would round away."""
    before = getattr(model, "in_float32", False)
    model.in_float32 = True
    try:
        yield
    finally:
        model.in_float32 = before
