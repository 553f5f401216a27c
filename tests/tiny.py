"""A model of a few thousand weights and a task of a few dozen pairs, for tests of everything that trains."""

import json
import random
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest
import torch
import transformers
from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

from xlgen.core.config import RunConfig, RunOptions
from xlgen.data.halves import HALVES, halves
from xlgen.data.read_pairs import Rows
from xlgen.data.read_tagged import TaggedRows
from xlgen.training import train

WORDS = [f"w{i}" for i in range(24)]
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *"abcdefghijklmnopqrstuvwxyz0123456789"]
VOCAB += [f"##{piece}" for piece in "0123456789"]


@dataclass(frozen=True)
class ToyTask:
    """The label is the number of the first word of the first text, modulo 3; other languages use later words."""

    name: str = "toy"
    languages: tuple[str, ...] = ("en", "xx")
    labels: tuple[str, ...] = ("entailment", "neutral", "contradiction")
    source_language: str = "en"
    version: int = 0
    kind: str = "sequence"
    metric: str = "accuracy"

    @property
    def aliases(self):
        return {}

    def rows(self, language: str, split: str, data_dir: Path | None = None) -> Rows:
        if split in HALVES:
            return halves(ToyTask.rows(self, language, "dev"))[split]
        return _rows(self.languages.index(language), split, self.version)


@dataclass(frozen=True)
class TaggedToy(ToyTask):
    """The label of a word is its number, modulo 3."""

    name: str = "tagged"
    labels: tuple[str, ...] = ("O", "B-X", "I-X")
    metric: str = "f1"
    kind: str = "token"

    def rows(self, language: str, split: str, data_dir: Path | None = None) -> TaggedRows:
        rows = super().rows(language, split)
        words = tuple(tuple(text.split()) for text in rows.first)
        return TaggedRows(words, tuple(tuple(WORDS.index(word) % 3 for word in sentence) for sentence in words))


@lru_cache
def _rows(language: int, split: str, version: int) -> Rows:
    draw = random.Random(f"{split} {version}")
    first, second, labels = [], [], []
    for _ in range({"train": 50, "dev": 21, "test": 18}[split]):
        words = [draw.randrange(12) + 12 * language for _ in range(draw.randint(3, 9))]
        first.append(" ".join(WORDS[w] for w in words[:-2]))
        second.append(" ".join(WORDS[w] for w in words[-2:]))
        labels.append(words[0] % 3)
    return Rows(tuple(first), tuple(second), tuple(labels))


def save_encoder(folder: Path, seed: int = 0) -> Path:
    """A pretrained model without a classification head, with its tokenizer."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        sizes = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
        config = BertConfig(vocab_size=len(VOCAB), max_position_embeddings=32, **sizes)
        BertForMaskedLM(config).save_pretrained(folder)
    BertTokenizerFast(vocab={piece: i for i, piece in enumerate(VOCAB)}).save_pretrained(folder)
    return folder


FAMILIES = ("bert", "roberta", "xlm-roberta", "xlm", "mt5")
"""The classes of mBERT, RoBERTa, XLM-R base and large, XLM, and mT5."""

SHORT = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
LETTERS = "w0123456789"


def save_family(folder: Path, family: str, seed: int = 0) -> Path:
    """A pretrained model of one of :data:`FAMILIES` as the hub has it: without a classification head."""
    if family == "bert":
        return save_encoder(folder, seed)
    tokenizer, config, kind = _FAMILY[family](folder)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        kind(config(vocab_size=len(tokenizer))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _roberta(folder):
    """Byte-level BPE; a word of two pieces more often than not."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *LETTERS, "\u0120", "\u0120w"]
    merges = [("\u0120", "w"), *((a, b) for a in "12" for b in "0123456789")]
    pieces += ["".join(pair) for pair in merges[1:]]
    vocab = {piece: i for i, piece in enumerate(pieces)}

    def config(vocab_size):
        return transformers.RobertaConfig(vocab_size=vocab_size, max_position_embeddings=34, type_vocab_size=1, **SHORT)

    return transformers.RobertaTokenizer(vocab=vocab, merges=merges), config, transformers.RobertaForMaskedLM


def _unigram():
    return [("\u2581", -2.0), ("\u2581w", -1.0), *((c, -3.0) for c in LETTERS), *((f"1{i}", -2.5) for i in range(10))]


def _xlm_roberta(folder):
    special = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    tokenizer = transformers.XLMRobertaTokenizer(vocab=[*special, *_unigram(), ("<mask>", 0.0)])

    def config(vocab_size):
        return transformers.XLMRobertaConfig(
            vocab_size=vocab_size, max_position_embeddings=34, type_vocab_size=1, **SHORT
        )

    return tokenizer, config, transformers.XLMRobertaForMaskedLM


def _xlm(folder):
    """Words of one letter and one digit; BPE that marks the end of a word."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces = ["<s>", "</s>", "<pad>", "<unk>", *(f"<special{i}>" for i in range(10))]
    pieces += [*LETTERS, *(f"{c}</w>" for c in LETTERS), "w1", "w1</w>", "w2"]
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(pieces)}))
    (folder / "merges.txt").write_text("w 1\nw 1</w>\nw 2\n")
    tokenizer = transformers.XLMTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))

    def config(vocab_size):
        sizes = dict(emb_dim=16, n_layers=2, n_heads=2, max_position_embeddings=32, n_langs=1)
        return transformers.XLMConfig(vocab_size=vocab_size, use_lang_emb=False, **sizes)

    return tokenizer, config, transformers.XLMWithLMHeadModel


def _mt5(folder):
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    tokenizer = transformers.T5Tokenizer(vocab=[*special, *_unigram()], extra_ids=0)

    def config(vocab_size):
        sizes = dict(d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
        return transformers.MT5Config(vocab_size=vocab_size, **sizes)

    return tokenizer, config, transformers.MT5ForConditionalGeneration


_FAMILY = {"roberta": _roberta, "xlm-roberta": _xlm_roberta, "xlm": _xlm, "mt5": _mt5}


SENTENCE_MODULES = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))


def save_sentences(folder: Path, family: str = "bert", below: str = "") -> Path:
    """The encoder of a family as sentence-transformers writes it; old versions have it in a folder ``below``."""
    inner = folder / below
    save_family(inner, family)
    encoder = transformers.AutoModel.from_pretrained(inner)
    for file in inner.glob("*.safetensors"):
        file.unlink()
    encoder.save_pretrained(inner)
    parts = enumerate((path or below, kind) for path, kind in SENTENCE_MODULES)
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in parts
    ]
    written = {
        "modules.json": modules,
        "config_sentence_transformers.json": {"__version__": {"sentence_transformers": "2.4.0"}, "prompts": {}},
        "1_Pooling/config.json": {
            "word_embedding_dimension": 16,
            "pooling_mode_cls_token": False,
            "pooling_mode_mean_tokens": True,
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        },
    }
    for name, content in written.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    (folder / "2_Normalize").mkdir()
    (inner / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 24, "do_lower_case": False}))
    return folder


def config(folder: Path, **changes) -> RunConfig:
    """A run of 7 steps an epoch and 3 epochs."""
    settings = dict(task="toy", model=str(folder), train_size=0, dev_size=0, epochs=3, batch_size=8, lr=5e-3)
    return RunConfig(**{**settings, "max_length": 24, **changes})


def options(folder: Path, **changes) -> RunOptions:
    return RunOptions(**{"store": folder / "runs", "device": "cpu", "threads": 1, "progress": False, **changes})


def resumed(monkeypatch, wanted, where, kills):
    """Train with an interruption at each of the steps ``kills``, every time from the last checkpoint."""
    update, kills, file = train._update, list(kills), where.store.parent / "resume.safetensors"

    def killed(loop, number, micro_batches):
        if kills and number == kills[0]:
            kills.pop(0)
            raise KeyboardInterrupt
        return update(loop, number, micro_batches)

    monkeypatch.setattr(train, "_update", killed)
    while kills:
        with pytest.raises(KeyboardInterrupt):
            train.train(wanted, where, file)
    return train.train(wanted, where, file)
