"""The optimizers by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from xlgen.core.errors import UnknownName

Groups = Sequence[Mapping[str, Any]]
"""Parameter groups, each with its ``weight_decay``."""


def create(name: str, groups: Groups, lr: float) -> torch.optim.Optimizer:
    """Build an optimizer; the training loop sets the learning rate of every step.

    ``"adamw"`` (loshchilov2019adamw) keeps two moments a weight. ``"adafactor"`` (shazeer2018adafactor) keeps a row and
    a column of the second moment of a matrix, no first moment, and limits the root mean square of an update to 1, which
    is what T5 and mT5 are trained with. Because a schedule gives the learning rate, it is not derived from the number
    of steps (``relative_step``) or from the size of the weights (``scale_parameter``): the form that transformers' own
    trainer uses. It wants a learning rate some ten times as large as AdamW does (1e-3 for mT5), and since its update
    hardly depends on the scale of the gradient, clipping the gradient changes little.

    Args:
        name: ``"adamw"`` or ``"adafactor"``.
        groups: the trained parameters.
        lr: peak learning rate.

    Raises:
        UnknownName: there is no such optimizer.
    """
    if name not in OPTIMIZERS:
        raise UnknownName("optimizer", name, OPTIMIZERS)
    return OPTIMIZERS[name](groups, lr)


def _adamw(groups: Groups, lr: float) -> torch.optim.Optimizer:
    # one pass over the memory; the other forms take some ten, which on the CPU is a tenth of a step of a base model
    return torch.optim.AdamW(groups, lr=lr, eps=1e-8, fused=True)


def _adafactor(groups: Groups, lr: float) -> torch.optim.Optimizer:
    from transformers.optimization import Adafactor

    return Adafactor(groups, lr=lr, scale_parameter=False, relative_step=False, warmup_init=False)


OPTIMIZERS: dict[str, Callable[[Groups, float], torch.optim.Optimizer]] = {"adamw": _adamw, "adafactor": _adafactor}
