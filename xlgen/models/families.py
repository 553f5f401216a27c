"""What differs between the kinds of encoders: positions, segments, and how long a text may be."""

from __future__ import annotations

import inspect
import logging

from torch import nn

from xlgen.core.errors import ConfigError, ModelError
from xlgen.models import tuning

log = logging.getLogger(__name__)

COUNTS_FROM_ZERO = frozenset({"albert", "bert", "convbert", "electra", "ernie", "flaubert", "mobilebert", "xlm"})
"""Model types with learned absolute positions 0, 1, … (RoBERTa's kind counts from the padding number instead)."""

NO_SEGMENTS = frozenset({"flaubert", "xlm"})
"""Model types that take segment numbers for sub-words, although their tokenizers return some."""

SHORTEST = 8
"""Sub-words of the shortest texts that make sense, special tokens included; also the least ``max_length`` of a run."""


def takes_position_ids(model: nn.Module) -> bool:
    """Whether batches should carry explicit positions 0, 1, …

    Models of BERT's kind otherwise broadcast one row of positions over the batch, and every method that looks at the
    gradient of one example is silently wrong.
    """
    takes = "position_ids" in inspect.signature(model.forward).parameters
    return takes and model.config.model_type in COUNTS_FROM_ZERO


def longest_input(model: nn.Module, max_length: int) -> int:
    """Sub-words that a text may have: ``max_length``, or as many as the model has positions for, if that is fewer.

    RoBERTa's kind cannot use the positions up to the padding number, and a soft prompt takes some of them. mT5 has
    relative positions, and no limit.

    Raises:
        ConfigError: ``max_length`` is less than :data:`SHORTEST`.
        ModelError: the model, or a soft prompt, leaves fewer than that.
    """
    room, prompt = max_length, tuning.of(model).positions
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            unused = 0 if module.padding_idx is None else module.padding_idx + 1
            room = min(room, module.num_embeddings - unused - prompt)
    if room < SHORTEST:
        if room == max_length:
            raise ConfigError(f"max_length is {max_length}; expected at least {SHORTEST} sub-words.")
        if room + prompt < SHORTEST:
            raise ModelError(f"the model has positions for {room + prompt} sub-words; expected {SHORTEST} or more.")
        raise ModelError(
            f"the tuning 'prompt' with tokens={prompt} leaves room for {max(room, 0)} sub-words of text; expected "
            f"room for {SHORTEST} or more: set tokens to at most {room + prompt - SHORTEST}."
        )
    if room < max_length:
        log.warning("texts are cut to %d sub-words instead of %d: the model has no more positions", room, max_length)
    return room


def kind_of(model: nn.Module) -> str:
    """``"token"`` for a model that labels sub-words, ``"sequence"`` for one that labels texts."""
    return "token" if type(model).__name__.endswith("ForTokenClassification") else "sequence"
