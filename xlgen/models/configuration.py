"""A model's config.json: what of it is obeyed, what has no effect on the logits, and what is refused.

What names the architecture and its sizes is obeyed by transformers. Two kinds of words need care, because transformers
takes them without a sound: those that only change how a result is handed over (:data:`HANDED_OVER`) are set to what
this library reads, and those that it would not obey are refused with the reason (:func:`check`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlgen.core.errors import ModelError
from xlgen.core.files import read_json

if TYPE_CHECKING:
    from transformers import PretrainedConfig

AGAIN = "download the model again, or correct the file"
"""What to do with a damaged file of a model."""

HANDED_OVER = {
    "return_dict": True,
    "output_hidden_states": False,
    "output_attentions": False,
    "use_cache": False,  # a classifier generates nothing, and the cache is a copy of keys and values
    "chunk_size_feed_forward": 0,  # the same function, and an error for texts that chunks do not divide
    "gradient_checkpointing": False,
    "torchscript": False,
}
"""Settings that change what comes with the logits, or how they are computed, and not the logits: by name, the value
that they are given."""


def configuration(folder: Path, name: str, **changes: Any) -> tuple[PretrainedConfig, dict[str, Any]]:
    """The configuration of a model as transformers reads it, and as it is written.

    Args:
        folder: of the model.
        name: what the user called it.
        changes: settings given the values that the library needs.

    Raises:
        ModelError: as :func:`check`.
        OSError, ValueError, KeyError: from transformers, of a configuration that it does not know.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import CONFIG_MAPPING, AutoConfig

    written = read_json(folder / "config.json", AGAIN)
    if not isinstance(written, Mapping):
        raise ModelError(f"the config.json of {name!r} holds no settings by name; {AGAIN}.")
    check(written, name)
    if written.get("model_type") not in CONFIG_MAPPING:
        raise ModelError(
            f"{name!r} cannot be used: its config.json has model_type {written.get('model_type') or ''!r}, which "
            "transformers does not know; expected an encoder of its own, such as 'xlm-roberta'."
        )
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, **changes)
    except StrictDataclassError as error:
        key = (re.findall(r"field '(\w+)'", str(error)) or ["a setting"])[0]
        raise ModelError(
            f"{name!r} cannot be used: its config.json has {key} {written.get(key)!r}, a value of another kind than "
            "transformers expects there; correct it as the model was saved."
        ) from None
    for key, value in HANDED_OVER.items():
        if hasattr(config, key):
            setattr(config, key, value)
    return config, written


def check(written: Mapping[str, Any], name: str) -> None:
    """Refuse the settings that transformers, or this library, would not obey.

    Args:
        written: config.json.
        name: what the user called the model.

    Raises:
        ModelError: with the reason.
    """
    what = next(filter(None, (refused(written) for refused in REFUSED)), None)
    if what:
        raise ModelError(f"{name!r} cannot be used: its config.json {what}.")


def _decoder(written: Mapping[str, Any]) -> str:
    keys = [key for key in ("is_decoder", "add_cross_attention", "causal") if written.get(key)]
    return keys and f"says {keys[0]}, which makes it a decoder whose places see no later one; expected an encoder"


def _code(written: Mapping[str, Any]) -> str:
    return written.get("auto_map") and (
        "has auto_map: it is computed by code of its own, which is not run; if transformers' own "
        f"{written.get('model_type')!r} is the same model, delete auto_map there"
    )


def _quantized(written: Mapping[str, Any]) -> str:
    return written.get("quantization_config") and (
        "has quantization_config: quantised weights have no gradients; save the model in float32 or bfloat16"
    )


def _positions(written: Mapping[str, Any]) -> str:
    kind = written.get("position_embedding_type") or "absolute"
    limited = kind == "absolute" or written.get("model_type") not in ABSOLUTE
    return "" if limited else f"has position_embedding_type {kind!r}, which transformers no longer computes"


def _languages(written: Mapping[str, Any]) -> str:
    asked = written.get("model_type") == "xlm" and written.get("use_lang_emb", True) and written.get("n_langs", 1) > 1
    return asked and "has use_lang_emb: it adds the embedding of a text's language, which no task gives"


def _kinds(written: Mapping[str, Any]) -> str:
    wrong = (key for key, kind in KINDS.items() if written.get(key) is not None and not isinstance(written[key], kind))
    return (key := next(wrong, "")) and f"has {key} {written[key]!r}, a value of another kind than belongs there"


KINDS = {"id2label": dict, "label2id": dict, "xlgen_tuning": dict, "architectures": (list, str), "model_type": str}
"""What is read of a config.json beside transformers, and of which kind it has to be."""

ABSOLUTE = frozenset(
    {"albert", "bert", "camembert", "convbert", "electra", "ernie", "roberta", "xlm-roberta", "xlm-roberta-xl"}
)
"""Model types that had relative positions before transformers 5, under ``position_embedding_type``."""

REFUSED = (_kinds, _code, _quantized, _decoder, _positions, _languages)
"""Each says what is wrong with a config.json, or nothing."""
