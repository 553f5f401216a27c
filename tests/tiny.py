"""A model of a few thousand weights and a task of a few dozen pairs, for tests of everything that trains."""

import random
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

from xlgen.config import RunConfig, RunOptions
from xlgen.readers import Rows

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
        return _rows(self.languages.index(language), split, self.version)


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


def config(folder: Path, **changes) -> RunConfig:
    """A run of 7 steps an epoch and 3 epochs."""
    settings = dict(task="toy", model=str(folder), train_size=0, dev_size=0, epochs=3, batch_size=8, lr=5e-3)
    return RunConfig(**{**settings, "max_length": 24, **changes})


def options(folder: Path, **changes) -> RunOptions:
    return RunOptions(**{"store": folder / "runs", "device": "cpu", "threads": 1, "progress": False, **changes})
