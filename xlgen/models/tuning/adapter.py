r"""Adapters: small bottleneck layers between the frozen ones [houlsby2019adapters, section 2.1].

.. math:: h \leftarrow h + W_{up}\, \mathrm{GELU}(W_{down} h + b_{down}) + b_{up},
    \qquad W_{down} \in \mathbb{R}^{m \times d},\; W_{up} \in \mathbb{R}^{d \times m},\; m \ll d
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from xlgen.core.coerce import settle
from xlgen.models.layers import encoder
from xlgen.models.tuning.base import TUNINGS, does_not_apply, freeze

SUBLAYERS = {
    "bert": ("BertSelfOutput", "BertOutput"),
    "roberta": ("RobertaSelfOutput", "RobertaOutput"),
    "xlm-roberta": ("XLMRobertaSelfOutput", "XLMRobertaOutput"),
    "xlm": ("MultiHeadAttention", "TransformerFFN"),
    "mt5": ("MT5LayerSelfAttention", "MT5LayerCrossAttention", "MT5LayerFF"),
    "t5": ("T5LayerSelfAttention", "T5LayerCrossAttention", "T5LayerFF"),
}
"""By model type, the classes of the modules that compute or finish a sub-layer: attention or feed-forward."""

DOWN_STD = 1e-2
"""Standard deviation of the new down-projections, truncated at two of it, as in houlsby2019adapters."""


class Bottleneck(nn.Module):
    """The layer :math:`h + W_{up} GELU(W_{down} h)`, with biases.

    Args:
        d: width of the model.
        m: width of the bottleneck.
    """

    def __init__(self, d: int, m: int):
        super().__init__()
        self.down = nn.Linear(d, m)
        self.up = nn.Linear(m, d)
        nn.init.trunc_normal_(self.down.weight, std=DOWN_STD, a=-2 * DOWN_STD, b=2 * DOWN_STD)
        for weight in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(weight)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.up(F.gelu(self.down(h)))


@TUNINGS.register("adapter")
@dataclass(frozen=True)
class Adapter:
    """Train a bottleneck after every sub-layer, the LayerNorms and the head; the rest is frozen.

    A bottleneck follows the attention's output projection and another the feed-forward layer, before the residual
    connection and the LayerNorm; in mT5's decoder a third follows the cross-attention. As in the authors' code it
    comes after the sub-layer's dropout (XLM's attention applies its own outside of the module: there it comes before),
    is a GELU, and the LayerNorms are trained too. The authors draw both projections near zero; here the
    up-projection is zero, so that training starts from exactly the pretrained model.

    Attributes:
        bottleneck: width m of the bottleneck, >= 1; 64 in the L2/EWC paper (table 16, with learning rate 1e-3).
    """

    inserts: ClassVar[bool] = True
    lr: ClassVar[float | None] = 1e-3
    positions: ClassVar[int] = 0

    bottleneck: Annotated[int, Field(ge=1, description="a width >= 1, such as 64")] = 64

    def __post_init__(self):
        settle(self)

    def apply(self, model: nn.Module) -> nn.Module:
        freeze(model)
        places = list(_places(model))
        if not places:
            sublayers = ", ".join(SUBLAYERS)
            raise does_not_apply("adapter", model, f"places for them are known in {sublayers} only")
        for p in _layer_norms(model):
            p.requires_grad = True
        for place in places:
            place.adapter = Bottleneck(model.config.hidden_size, self.bottleneck).train(place.training)
            place.register_forward_hook(_through)
        return model


def _places(model: nn.Module) -> Iterator[nn.Module]:
    """The modules whose output is what the residual connection adds: a sub-layer's dropout, or all of XLM's.

    None of them has parameters of its own, so that hooks on the layers with parameters see their true outputs.
    """
    names = SUBLAYERS.get(model.config.model_type, ())
    for module in model.modules():
        if type(module).__name__ in names:
            dropout = getattr(module, "dropout", None)
            yield dropout if isinstance(dropout, nn.Module) else module


def _through(module: nn.Module, _inputs: tuple, output: Any) -> Any:
    if isinstance(output, tuple):  # attention: what comes after the first is not part of the sub-layer's output
        return module.adapter(output[0]), *output[1:]
    return module.adapter(output)


def _layer_norms(model: nn.Module) -> Iterator[nn.Parameter]:
    owners = {name for name, module in model.named_modules() if type(module).__name__.endswith("LayerNorm")}
    inside = encoder(model)
    return (p for name, p in model.named_parameters() if name in inside and name.rpartition(".")[0] in owners)
