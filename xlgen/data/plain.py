r"""Text is data: nothing that a text says becomes a special sub-word.

A tokenizer looks for its special sub-words in every text, and a unigram or WordPiece vocabulary may hold them as
ordinary pieces besides: a premise that quotes ``</s>``, ``[SEP]`` or ``<extra_id_0>`` would end there, or hide
something. Transformers' ``split_special_tokens`` prevents the first and not the second. Texts are therefore encoded by
a copy of the tokenizer in which the special sub-words have names that no text has. All numbers stay: those of the
special sub-words that a tokenizer puts around a text, and those of every text that quotes none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from tokenizers import Tokenizer

MARK = "\ufdd0\ufdd1\ufdd0"
"""In front of the renamed sub-words: Unicode's noncharacters, which are not for interchange and so in no text."""

SENTINEL = re.compile(r"<extra_id_\d+>")
"""Special sub-words of T5's kind, which mT5's vocabulary holds as ordinary pieces."""

SPACE = "▁"
"""SentencePiece's mark of a space."""


def encode(
    tokenizer: Any,
    texts: Sequence[str],
    seconds: Sequence[str] | None = None,
    *,
    max_length: int | None = None,
    special: bool = True,
) -> dict[str, list[list[int]]]:
    """Encode texts, or pairs of texts, as the tokenizer would if none of them quoted a special sub-word.

    Args:
        tokenizer: a fast tokenizer of transformers, or XLM's. Its state is left as it was.
        texts: the texts.
        seconds: as many second texts.
        max_length: sub-words of a row, special ones included; a longer one is cut sub-word by sub-word at the end of
            its longer text (or the beginning, where the tokenizer says so). ``None`` cuts nothing.
        special: put the special sub-words around the texts.

    Returns:
        Lists with one row for each text: ``input_ids``, ``special_tokens_mask`` (1 at the special sub-words) and, where
        the tokenizer's model takes them, ``token_type_ids``.
    """
    if not getattr(tokenizer, "is_fast", False):  # XLM's looks sub-words up after splitting words into characters
        options = {"truncation": "longest_first", "max_length": max_length} if max_length else {}
        return tokenizer(
            list(texts),
            None if seconds is None else list(seconds),
            add_special_tokens=special,
            split_special_tokens=True,
            return_special_tokens_mask=True,
            return_attention_mask=False,
            **options,
        ).data
    copy = backend(tokenizer)
    if max_length is None:
        copy.no_truncation()
    else:
        copy.enable_truncation(max_length, strategy="longest_first", direction=tokenizer.truncation_side)
    rows = list(texts) if seconds is None else list(zip(texts, seconds, strict=True))
    encodings = copy.encode_batch(rows, add_special_tokens=special)
    inputs = {
        "input_ids": [encoding.ids for encoding in encodings],
        "special_tokens_mask": [encoding.special_tokens_mask for encoding in encodings],
    }
    if "token_type_ids" in tokenizer.model_input_names:
        inputs["token_type_ids"] = [encoding.type_ids for encoding in encodings]
    return inputs


def backend(tokenizer: Any) -> Tokenizer:
    """The tokenizer's ``tokenizers`` backend for texts: a copy that knows no special sub-word by its name."""
    special = {*tokenizer.all_special_tokens}
    special |= {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return _backend(tokenizer.backend_tokenizer.to_str(), frozenset(special))


def word_prefix(tokenizer: Any) -> str:
    """What a word of a sentence has in front of it when it is encoded by itself: a space, or nothing.

    Byte-level BPE (RoBERTa), and SentencePiece without a prefix, have other pieces for a word after a space than for
    one at the beginning of a text; the words of a sentence are the former, so there a space is put in front.
    """
    parts = pre_tokenizers(tokenizer) if getattr(tokenizer, "is_fast", False) else ()
    kept = any(part["type"] == "ByteLevel" or part.get("prepend_scheme") == "never" for part in parts)
    return " " if kept else ""


def pre_tokenizers(tokenizer: Any) -> list[dict[str, Any]]:
    """The descriptions of a fast tokenizer's pre-tokenizers, a sequence of them as its parts."""
    own = tokenizer.backend_tokenizer.pre_tokenizer
    if own is None:
        return []
    whole = json.loads(own.__getstate__())
    return whole.get("pretokenizers", [whole])


@lru_cache(maxsize=4)
def _backend(description: str, special: frozenset[str]) -> Tokenizer:
    parts = json.loads(description)
    model, added = parts["model"], parts["added_tokens"]

    def named(piece: str) -> str:
        bare = piece.lstrip(SPACE)
        return MARK + piece if bare in special or SENTINEL.fullmatch(bare) else piece

    for token in added:
        token["content"] = named(token["content"])
        if token["content"].startswith(MARK):
            token |= {"special": True, "normalized": False}
    if isinstance(model["vocab"], dict):
        model["vocab"] = {named(piece): id for piece, id in model["vocab"].items()}
    else:
        model["vocab"] = [(named(piece), score) for piece, score in model["vocab"]]
    if model.get("unk_token"):
        model["unk_token"] = named(model["unk_token"])
    if "merges" in model:
        merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
        model["merges"] = [merge for merge in merges if all(named(x) == x for x in (*merge, "".join(merge)))]
    copy = Tokenizer.from_str(json.dumps(parts | {"truncation": None, "padding": None}))
    copy.encode_special_tokens = True  # that is: as text, wherever they are found
    return copy
