"""BitFit: the bias terms and the head [benzaken2022bitfit]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from xlgen.models.layers import encoder
from xlgen.models.tuning.base import TUNINGS, does_not_apply, freeze


@TUNINGS.register("bitfit")
@dataclass(frozen=True)
class BitFit:
    """Train every bias of the encoder, those of the LayerNorms and the pooler included, and the head.

    About 0.1 % of the parameters of BERT. The authors train with learning rates of 1e-4 to 1e-2, the L2/EWC paper
    (table 16) with 1e-3; full fine-tuning's are too small.
    """

    inserts: ClassVar[bool] = False
    lr: ClassVar[float | None] = 1e-3
    positions: ClassVar[int] = 0

    def apply(self, model: nn.Module) -> nn.Module:
        freeze(model)
        inside = encoder(model)
        biases = [p for name, p in model.named_parameters() if name in inside and name.endswith(".bias")]
        if not biases:
            raise does_not_apply("bitfit", model, "its encoder has no bias terms")
        for p in biases:
            p.requires_grad = True
        return model
