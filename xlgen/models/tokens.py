"""The tokenizer of a model."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from xlgen.errors import ModelError
from xlgen.models.families import NO_SEGMENTS
from xlgen.models.locate import first_line, locate
from xlgen.models.messages import quiet
from xlgen.store import read_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a model: a fast one, except for XLM, which has none.

    Raises:
        ModelError: as :func:`locate`; or the tokenizer is missing, does not belong to the model, or needs a package.
    """
    from transformers import AutoTokenizer

    folder = locate(name)
    if not any((folder / file).is_file() for file in ("tokenizer.json", "vocab.txt", "vocab.json")) and not any(
        folder.glob("*.model")
    ):  # transformers would make a tokenizer without a vocabulary
        raise ModelError(f"{folder} has no tokenizer (tokenizer.json); save the model's tokenizer there.")
    settings = read_json(folder / "config.json")
    if settings.get("model_type") in NO_SEGMENTS:
        _require("sacremoses", name)
    elif not (folder / "tokenizer.json").is_file() and any(folder.glob("*.model")):
        _require("google.protobuf", name)
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise ModelError(f"the tokenizer of {name!r} cannot be loaded: {first_line(error)}") from None
    embedded = settings.get("vocab_size", settings.get("n_words", len(tokenizer)))
    if len(tokenizer) > embedded:
        raise ModelError(f"the tokenizer of {name!r} has {len(tokenizer)} sub-words, the model only {embedded}.")
    if settings.get("model_type") in NO_SEGMENTS:
        tokenizer.model_input_names = [key for key in tokenizer.model_input_names if key != "token_type_ids"]
    return tokenizer


def _require(module: str, name: str) -> None:
    """Say which package is missing; transformers names another one where it needs protobuf."""
    try:
        importlib.import_module(module)
    except ImportError:
        package = module.removeprefix("google.")
        raise ModelError(
            f"the tokenizer of {name!r} needs {package}; install it with `pip install {package}`, or all that encoders "
            'may need with `pip install "xlgen[families]"`.'
        ) from None
