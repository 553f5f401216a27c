"""Full fine-tuning: every parameter is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from xlgen.models.tuning.base import TUNINGS


@TUNINGS.register("full")
@dataclass(frozen=True)
class Full:
    """Train all parameters; it has no hyper-parameters."""

    inserts: ClassVar[bool] = False
    lr: ClassVar[float | None] = None
    positions: ClassVar[int] = 0

    def apply(self, model: nn.Module) -> nn.Module:
        return model.requires_grad_(requires_grad=True)
