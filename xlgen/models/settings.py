"""What a checkpoint's config.json says beyond the encoder's shape: obeyed, or refused with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlgen.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

CHANGED = {
    "auto_map": "it comes with code of its own, which is not run, and without it the weights mean something else",
    "quantization_config": "its weights are rounded to few bits, and cannot be trained or differentiated as they are",
    "is_decoder": "each place sees only those before it, so that the first one, which heads read, sees no text",
    "causal": "each place sees only those before it, so that the first one, which heads read, sees no text",
    "add_cross_attention": "it attends to a second text that there is none of",
}
"""Settings that make another model of the weights, and why such a model is refused."""

FORM = {"return_dict": True, "output_hidden_states": False, "output_attentions": False}
"""Settings of what a call returns beside the logits, which change no number: always these."""


def plain(config: PreTrainedConfig, name: str) -> None:
    """Set what calls return, and refuse what would make another model of the weights.

    Args:
        config: of the model, changed in place.
        name: the model, as the user gave it.

    Raises:
        ModelError: a setting of :data:`CHANGED` is there, or positions are not absolute where only those are known.
    """
    for key, reason in CHANGED.items():
        if value := getattr(config, key, None):
            raise ModelError(f"{key} in the config.json of {name!r} is {value!r}: {reason}; give a plain encoder.")
    kind = getattr(config, "position_embedding_type", None) or "absolute"
    if kind != "absolute":  # transformers no longer has the others, and would read the weights as absolute ones
        raise ModelError(
            f"position_embedding_type in the config.json of {name!r} is {kind!r}; expected 'absolute', the only one "
            "that transformers still computes."
        )
    for key, value in FORM.items():
        setattr(config, key, value)
