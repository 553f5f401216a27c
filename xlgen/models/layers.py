"""The parts of a model by the names of its parameters: encoder and head, embedding tables, numbered blocks."""

from __future__ import annotations

import re
from collections.abc import Collection

from torch import nn


def encoder(model: nn.Module) -> dict[str, str]:
    """The encoder's parameters, without any head; all where the model does not say what its encoder is.

    Returns:
        By name in the model, the name that a model with another head gives it: a table that is tied to the
        language-model head may be listed under the head's name.
    """
    prefix = getattr(model, "base_model_prefix", "")
    if not isinstance(getattr(model, prefix, None) if prefix else None, nn.Module):
        return {name: name for name, _ in model.named_parameters()}
    own = {id(w): f"{prefix}.{name}" for name, w in getattr(model, prefix).named_parameters()}
    return {name: own[id(w)] for name, w in model.named_parameters() if id(w) in own}


def embedding_tables(model: nn.Module) -> set[str]:
    """Names of the embedding tables."""
    return {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Embedding)}


def layer_of(name: str, tables: Collection[str]) -> str:
    """``"…layer.3"`` for a parameter of a numbered block, ``"embeddings"`` for a table outside them, or ``"rest"``."""
    block = re.match(r"(.*?\.\d+)\.", name)
    if block:
        return block.group(1)
    return "embeddings" if name in tables else "rest"
