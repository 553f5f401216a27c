"""The tokenizer of a model."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlgen.core.errors import ModelError, XlgenError, first_line
from xlgen.core.files import read_json
from xlgen.models.configuration import AGAIN, configuration
from xlgen.models.families import NO_SEGMENTS
from xlgen.models.locate import locate
from xlgen.models.messages import quiet

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from transformers import PretrainedConfig, PreTrainedTokenizerBase


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a model: a fast one, except for XLM, which has none.

    It splits texts as the folder says. Where there is a ``tokenizer.json``, that is what it holds (transformers would
    build the tokenizer of a named class anew, with the class's defaults). Where there is a vocabulary alone, whether
    texts are lower-cased and lose their accents is what the vocabulary says (:func:`casing`). ALBERT's is not
    asked: its folder has to say so itself.

    Raises:
        ModelError: as :func:`locate`; or the tokenizer is missing, does not belong to the model, contradicts itself,
            pads on the left, or needs a package.
    """
    from transformers import AutoTokenizer

    folder = locate(name)
    if not any((folder / file).is_file() for file in ("tokenizer.json", "vocab.txt", "vocab.json")) and not any(
        folder.glob("*.model")
    ):  # transformers would make a tokenizer without a vocabulary
        raise ModelError(f"{folder} has no tokenizer (tokenizer.json); save the model's tokenizer there.")
    settings = read_json(folder / "config.json", AGAIN)
    if settings.get("model_type") in NO_SEGMENTS:
        _require("sacremoses", name)
    elif not (folder / "tokenizer.json").is_file() and any(folder.glob("*.model")):
        _require("google.protobuf", name)
    stated = read_json(path, AGAIN) if (path := folder / "tokenizer_config.json").is_file() else {}
    if stated.get("auto_map"):
        raise ModelError(f"the tokenizer of {name!r} is code of its own (auto_map), which is not run.")
    try:
        with quiet():
            config, _ = configuration(folder, name)
            tokenizer = AutoTokenizer.from_pretrained(
                folder, use_fast=True, trust_remote_code=False, **_unsaid(folder, stated, config.model_type, name)
            )
            if (folder / "tokenizer.json").is_file() and tokenizer.is_fast:
                _as_described(tokenizer, folder, stated, name)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise ModelError(f"the tokenizer of {name!r} cannot be loaded: {first_line(error)}") from None
    except XlgenError:
        raise
    except Exception as error:  # what a strange value raises has no base class below
        raise ModelError(
            f"{folder} has a value in tokenizer.json, tokenizer_config.json or another file of its tokenizer that "
            f"transformers cannot use ({first_line(error)}); download the model again."
        ) from None
    embedded = settings.get("vocab_size", settings.get("n_words", len(tokenizer)))
    if len(tokenizer) > embedded:
        raise ModelError(f"the tokenizer of {name!r} has {len(tokenizer)} sub-words, the model only {embedded}.")
    _check_numbers(tokenizer, config, name)
    if not _takes_segments(config):
        tokenizer.model_input_names = [key for key in tokenizer.model_input_names if key != "token_type_ids"]
    return tokenizer


def casing(pieces: Collection[str]) -> dict[str, bool | None]:
    """Whether a WordPiece vocabulary is of lower-cased texts, and of texts without accents.

    No piece with a capital can be met in lower-cased texts, and none with an accent in texts that have lost theirs.

    Args:
        pieces: of the vocabulary; special ones, in brackets, do not count.

    Returns:
        ``do_lower_case`` and ``strip_accents``, as the tokenizers of BERT's kind take them.
    """
    words = [piece for piece in pieces if not re.fullmatch(r"\[.*\]", piece)]
    cased = any(piece != piece.lower() for piece in words)
    # the accents that Latin, Greek and Cyrillic letters are composed with; other scripts' marks are letters of theirs
    accents = any("\u0300" <= c <= "\u036f" for c in unicodedata.normalize("NFD", "".join(words)))
    return {"do_lower_case": not cased, "strip_accents": not (cased or accents)}


def _unsaid(folder: Path, stated: Mapping[str, Any], kind: str, name: str) -> dict[str, Any]:
    """What the class of a tokenizer would take its own default for, although the folder tells.

    Raises:
        ModelError: the default would change letters, and nothing in the folder tells whether it is right.
    """
    path, normaliser = folder / "tokenizer.json", {}
    if path.is_file():
        normalizer = read_json(path, AGAIN).get("normalizer") or {}
        if normalizer.get("type") == "BertNormalizer":
            keys = {"do_lower_case": "lowercase", "tokenize_chinese_chars": "handle_chinese_chars"}
            normaliser = {ours: normalizer[theirs] for ours, theirs in keys.items()} | {
                "strip_accents": normalizer["strip_accents"]
            }
    elif (folder / "vocab.txt").is_file() and "do_lower_case" not in stated:
        normaliser = casing((folder / "vocab.txt").read_text(encoding="utf-8").splitlines())
    elif kind == "xlm" and (folder / "vocab.json").is_file() and "do_lowercase_and_remove_accent" not in stated:
        normalizer = casing(read_json(folder / "vocab.json", AGAIN))
        if normalizer["do_lower_case"] != normalizer["strip_accents"]:  # XLM has one word for both
            raise _untold(name, "do_lowercase_and_remove_accent")
        normaliser = {"do_lowercase_and_remove_accent": normalizer["do_lower_case"]}
    elif kind == "albert" and (unsaid := [key for key in ("do_lower_case", "keep_accents") if key not in stated]):
        raise _untold(name, " and ".join(unsaid))
    return {key: value for key, value in normaliser.items() if key not in stated}


def _untold(name: str, keys: str) -> ModelError:
    return ModelError(
        f"nothing says whether the tokenizer of {name!r} lower-cases texts and takes their accents off, which "
        f"transformers would do; write {keys} in its tokenizer_config.json, true or false as it was trained."
    )


def _as_described(tokenizer: PreTrainedTokenizerBase, folder: Path, stated: Mapping[str, Any], name: str) -> None:
    """Give a tokenizer the normaliser and pre-tokeniser of its tokenizer.json.

    Raises:
        ModelError: tokenizer_config.json states another normaliser or pre-tokeniser.
    """
    from tokenizers import Tokenizer

    described = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for part, keys in (("normalizer", ("do_lower_case", "strip_accents")), ("pre_tokenizer", ("add_prefix_space",))):
        theirs, own = getattr(described, part), getattr(tokenizer.backend_tokenizer, part)
        before, after = ({} if x is None else json.loads(x.__getstate__()) for x in (theirs, own))
        if before == after:
            continue
        clash = [key for key in keys if key in stated and after.get("type") in ("BertNormalizer", "ByteLevel")]
        if clash and before.get("type") == after.get("type"):
            raise ModelError(
                f"the tokenizer of {name!r} contradicts itself: tokenizer_config.json says {clash[0]} "
                f"{stated[clash[0]]}, tokenizer.json says otherwise; correct one of them."
            )
        setattr(tokenizer.backend_tokenizer, part, theirs)


def _check_numbers(tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig, name: str) -> None:
    """Refuse special sub-words that are others for the model than for its tokenizer, and padding on the left."""
    for key, token in (("pad_token_id", "pad_token"), ("eos_token_id", "eos_token")):
        if key == "eos_token_id" and not config.is_encoder_decoder:
            continue  # an encoder reads none
        model, own = getattr(config, key, None), getattr(tokenizer, f"{token}_id")
        if None not in (model, own) and own not in (model if isinstance(model, list) else [model]):
            raise ModelError(
                f"{key} of {name!r} is {model} in its config.json, and {own} ({getattr(tokenizer, token)}) in its "
                "tokenizer; correct one of them."
            )
    if tokenizer.padding_side != "right":
        raise ModelError(
            f"the tokenizer of {name!r} pads on the {tokenizer.padding_side}, where the first place of a text, which "
            "classifiers read, would be padding; set padding_side to 'right' in tokenizer_config.json."
        )


def _takes_segments(config: PretrainedConfig) -> bool:
    """Whether the model has more than one segment, and reads their numbers as such."""
    from transformers import MODEL_MAPPING

    if config.model_type in NO_SEGMENTS or getattr(config, "type_vocab_size", 2) < 2:
        return False
    return type(config) not in MODEL_MAPPING or (
        "token_type_ids" in inspect.signature(MODEL_MAPPING[type(config)].forward).parameters
    )


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
