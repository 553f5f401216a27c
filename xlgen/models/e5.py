"""multilingual-e5-small (wang2024multilingual) from 4 bits to a Hugging Face folder: weights, configuration, tokenizer.

The tokenizer is XLM-R's: a unigram model (kudo2018subword) whose pieces and scores are in the file and whose normaliser
is SentencePiece's table ``nmt_nfkc``, which SentencePiece writes into every model that it trains.
"""

from __future__ import annotations

import hashlib
import io
import logging
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xlgen.core.errors import ModelError
from xlgen.core.files import write_json
from xlgen.models.q4 import Pieces, Q4File, read

if TYPE_CHECKING:
    from tokenizers import Tokenizer

log = logging.getLogger(__name__)

CHARACTERS = "1e2c7b43d3ee9755ceaa2ac335e253d8703604e0249ee1e81156c92b46423844"
"""SHA-256 of the table nmt_nfkc of SentencePiece 0.2.3."""

LINEAR = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
"""A layer's linear maps: name in the file, and in transformers."""

NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
"""A layer's LayerNorms, as :data:`LINEAR`."""


def convert(source: Path, folder: Path) -> None:
    """Write configuration, weights (float32, without a pooler: it has none) and tokenizer of ``source`` to ``folder``.

    Raises:
        ModelError: as :func:`xlgen.models.q4.read`; or a package is missing.
    """
    from safetensors.numpy import save_file

    file = read(source)
    save_file(weights(file), folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", config(file))
    tokenizer(file.pieces).save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", tokenizer_config(file))


def weights(file: Q4File) -> dict[str, np.ndarray]:
    """All parameters of a ``BertModel`` without a pooler, by their names in transformers."""
    sizes, tensors = file.sizes, {}
    h = sizes.hidden
    for name, rows in (("word", sizes.rows), ("position", sizes.positions), ("token_type", sizes.segments)):
        short = {"word": "word", "position": "pos", "token_type": "type"}[name]
        tensors[f"embeddings.{name}_embeddings.weight"] = file.tensor(f"emb.{short}", rows, h)
    norms = [("emb.ln", "embeddings.LayerNorm")]
    shapes = {"fi": (sizes.inner, h), "fo": (h, sizes.inner)}
    for i in range(sizes.layers):
        layer = f"encoder.layer.{i}"
        for short, name in LINEAR.items():
            shape = shapes.get(short, (h, h))
            tensors[f"{layer}.{name}.weight"] = file.tensor(f"l{i}.{short}.w", *shape)
            tensors[f"{layer}.{name}.bias"] = file.tensor(f"l{i}.{short}.b", shape[0])
        norms += [(f"l{i}.{short}", f"{layer}.{name}") for short, name in NORMS.items()]
    for short, name in norms:
        tensors |= {f"{name}.weight": file.tensor(f"{short}.w", h), f"{name}.bias": file.tensor(f"{short}.b", h)}
    return tensors


def config(file: Q4File) -> dict[str, Any]:
    """transformers' configuration. It names no version, so that the same weights always have the same fingerprint."""
    sizes = file.sizes
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": sizes.rows,
        "hidden_size": sizes.hidden,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.inner,
        "max_position_embeddings": sizes.positions,
        "type_vocab_size": sizes.segments,
        "layer_norm_eps": sizes.epsilon,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
        "pad_token_id": file.pieces.pad,
    }


def tokenizer(pieces: Pieces) -> Tokenizer:
    """XLM-R's tokenizer: ``<s> A </s>`` of one text, ``<s> A </s></s> B </s>`` of two."""
    from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors
    from tokenizers import Tokenizer as Backend

    texts = pieces.texts
    made = Backend(models.Unigram(list(zip(texts, pieces.scores, strict=True)), unk_id=pieces.unk, byte_fallback=False))
    # after the table, SentencePiece makes one space of several and none of those at the ends
    spaces = [normalizers.Replace(Regex(pattern), put) for pattern, put in (("^ +| +$", ""), (" {2,}", " "))]
    made.normalizer = normalizers.Sequence([normalizers.Precompiled(character_table()), *spaces])
    made.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    made.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    bos, eos = texts[pieces.bos], texts[pieces.eos]
    made.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(bos, pieces.bos), (eos, pieces.eos)],
    )
    special = [texts[id] for id in (pieces.bos, pieces.pad, pieces.eos, pieces.unk)]
    mask = [AddedToken("<mask>", lstrip=True, special=True)] if "<mask>" in texts else []
    made.add_special_tokens([*special, *mask])
    return made


def tokenizer_config(file: Q4File) -> dict[str, Any]:
    """What transformers needs to know besides ``tokenizer.json``."""
    texts, pieces = file.pieces.texts, file.pieces
    bos, eos = texts[pieces.bos], texts[pieces.eos]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": file.sizes.positions,
        "bos_token": bos,
        "cls_token": bos,
        "eos_token": eos,
        "sep_token": eos,
        "pad_token": texts[pieces.pad],
        "unk_token": texts[pieces.unk],
    } | ({"mask_token": "<mask>"} if "<mask>" in texts else {})


def character_table() -> bytes:
    """SentencePiece's table ``nmt_nfkc``: which characters become which.

    Versions of SentencePiece follow those of Unicode. A table other than :data:`CHARACTERS` makes another tokenizer and
    another fingerprint of the model, so that no result of one is taken for one of the other; a warning says so.

    Raises:
        ModelError: protobuf is missing.
    """
    import sentencepiece

    try:
        from sentencepiece import sentencepiece_model_pb2
    except ImportError:
        raise ModelError('the tokenizer needs protobuf; install it with `pip install "xlgen[real]"`.') from None
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b c d e f g"] * 20),
        model_writer=out,
        vocab_size=12,
        hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc",
        minloglevel=2,
    )
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(out.getvalue())
    table = model.normalizer_spec.precompiled_charsmap
    if hashlib.sha256(table).hexdigest() != CHARACTERS:
        log.warning(
            "sentencepiece %s has another table of characters than 0.2.3: rare ones become other sub-words, and "
            "results with this model are kept apart from those of 0.2.3",
            metadata.version("sentencepiece"),
        )
    return table
