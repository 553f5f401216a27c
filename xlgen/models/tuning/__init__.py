"""Tuning methods: which parameters fine-tuning trains (see :mod:`xlgen.models.tuning.base`).

=======  ==============================================================================
tuning   what is trained
=======  ==============================================================================
full     all parameters
bitfit   the bias terms and the head
adapter  small bottleneck layers between the frozen ones, LayerNorms and the head
prompt   vectors in front of the embedded text, and the head
=======  ==============================================================================

A new tuning method is a new file in this folder with a class registered by ``@TUNINGS.register``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from torch import nn

from xlgen.core import hyper as hyper_parameters
from xlgen.models.tuning.base import TUNINGS, Tuning, head

__all__ = ["TUNINGS", "Tuning", "create", "head", "of"]


def create(name: str, hyper: Mapping[str, Any] | None = None) -> Tuning:
    """Build the tuning ``name``; hyper-parameters that ``hyper`` does not give take their defaults.

    >>> create("adapter", {"bottleneck": "8"})
    Adapter(bottleneck=8)

    Args:
        name: a name in :data:`~xlgen.models.tuning.base.TUNINGS`.
        hyper: values by hyper-parameter; strings are read as the type that the tuning declares.

    Raises:
        UnknownName: no tuning, or no hyper-parameter of this tuning, has that name.
        ConfigError: a value of the wrong type or out of its range.
    """
    return hyper_parameters.create(TUNINGS, name, hyper)


def of(model: nn.Module) -> Tuning:
    """The tuning that has inserted modules into a model, as its configuration says; ``full`` where there are none."""
    stored = getattr(model.config, "xlgen_tuning", None) or {"name": "full"}
    return create(stored["name"], {key: value for key, value in stored.items() if key != "name"})


for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
