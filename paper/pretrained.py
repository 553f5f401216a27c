"""The miniature's encoder before any fine-tuning: what it was given, and its head for pairs as a classifier."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from safetensors import safe_open
from torch import nn
from transformers import BertForPreTraining

from xlgen.models import quiet


def log(folder: Path) -> dict[str, Any]:
    """What the pretraining noted beside the encoder: its ``recipe``, its losses (``columns``, ``curve``), its time."""
    return json.loads((folder / "pretraining.json").read_text(encoding="utf-8"))


def n_weights(folder: Path) -> int:
    """Weights in the file, the pretraining heads included."""
    with safe_open(folder / "model.safetensors", "pt") as file:
        return sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118 (no mapping)


def megabytes(folder: Path) -> float:
    """Size of the encoder's folder, tokenizer included [10⁶ bytes]."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) / 1e6


def card(folder: Path) -> dict[str, str]:
    """Shape, size and recipe of the encoder, in words."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    pretraining = log(folder)
    recipe = pretraining["recipe"]
    return {
        "shape": f"{config['num_hidden_layers']} layers of {config['hidden_size']} dimensions, "
        f"{config['num_attention_heads']} heads, feed-forward {config['intermediate_size']}",
        "vocabulary": f"{config['vocab_size']:,} WordPiece sub-words for all languages together",
        "weights": f"{n_weights(folder) / 1e6:.2f} million, with the pretraining heads",
        "on disk": f"{megabytes(folder):.1f} MB, tokenizer included",
        "text": f"{recipe['steps'] * recipe['batch'] / 1e6:.2f} million pairs of texts, {recipe['batch']} a step",
        "optimizer": f"AdamW, {recipe['steps']:,} steps, peak learning rate {recipe['lr']:g}, warm-up "
        f"{recipe['warmup']:,} steps, linear decay over the last {100 * recipe['decay']:.0f} %",
        "loss": f"masked + {recipe['detection']:g} × replaced + match; {100 * recipe['mask']:.0f} % of the phrases "
        "masked",
        "beginning": f"easier examples fade out over {recipe['easy']:,} steps; {recipe['vectors']:,} translations "
        "behind the first word vectors",
        "seed": f"{recipe['seed']}",
        "time": f"{pretraining['seconds'] / 3600:.1f} hours on a CPU",
    }


class Matching(nn.Module):
    """The pretraining's head for pairs as a classifier of two labels: unlike (0) and alike (1)."""

    def __init__(self, folder: Path):
        super().__init__()
        with quiet():
            self.bert = BertForPreTraining.from_pretrained(folder)

    def forward(self, **inputs):
        return SimpleNamespace(logits=self.bert(**inputs).seq_relationship_logits)
