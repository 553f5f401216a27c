"""What a tuning method is: the choice of the parameters that fine-tuning trains, old ones or new ones among them.

A frozen dataclass of hyper-parameters, applied once to a model that has its pretrained weights. What it trains is what
has ``requires_grad`` afterwards, so that the loop, the objectives and the optimizer never see the method. New modules
are inserted in place and as submodules: the model keeps its class and the names of its parameters, so that saving,
measuring and comparing with the pretrained weights work as before.

The head is always trained, and so is whatever else the pretrained checkpoint lacks (BERT's pooler, where it comes
without one): random weights are no use frozen. A pretrained pooler is part of the encoder and is frozen with it, as in
the code of houlsby2019adapters; BitFit trains its bias, as in benzaken2022bitfit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Protocol, runtime_checkable

from torch import nn

from xlgen.core.errors import ModelError
from xlgen.core.registry import Registry
from xlgen.models.layers import encoder

TUNINGS: Registry[type] = Registry("tuning")


@runtime_checkable
class Tuning(Protocol):
    """A choice of parameters; see the module's docstring.

    Class attributes:
        inserts: whether new modules are inserted; if not, a stored model is a plain one.
        lr: the learning rate that goes with it unless another is asked for; ``None`` is the encoder's own.

    Attributes:
        positions: places that it takes of the sequence, which the text no longer has.
    """

    inserts: ClassVar[bool]
    lr: ClassVar[float | None]

    @property
    def positions(self) -> int: ...

    def apply(self, model: nn.Module) -> nn.Module:
        """Set ``requires_grad`` of every parameter, insert new ones from torch's global generator, return the model.

        Raises:
            ModelError: the method does not apply to this kind of model.
        """
        ...


def head(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """The named parameters on top of a classifier's pretrained base."""
    inside = encoder(model)
    return ((name, p) for name, p in model.named_parameters() if name not in inside)


def freeze(model: nn.Module) -> None:
    """Train nothing but the head."""
    inside = encoder(model)
    for name, p in model.named_parameters():
        p.requires_grad = name not in inside


def does_not_apply(name: str, model: nn.Module, why: str) -> ModelError:
    """The error that says so and names the alternatives."""
    others = ", ".join(sorted(other for other in TUNINGS if other != name))
    return ModelError(f"tuning {name!r} does not apply to {type(model).__name__}: {why}; use one of {others}.")
