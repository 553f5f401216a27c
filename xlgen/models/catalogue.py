"""The encoders that have a row: what they are called, and how fast they learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xlgen.core.registry import Registry


@dataclass(frozen=True)
class Model:
    """An encoder and how it is fine-tuned.

    Attributes:
        about: what it is, in words.
        settings: of :class:`~xlgen.core.config.RunConfig`; they belong to the encoder, whatever the data.
        hub: its id on the hub; its name in :data:`MODELS`, where that is another, is how the papers call it.
    """

    about: str
    settings: Mapping[str, Any]
    hub: str = ""


PRETRAINED = {"lr": 2e-5, "warmup": 0.0, "weight_decay": 0.0, "clip": 1.0, "batch_size": 32}
"""AdamW on a pretrained encoder of 100 million parameters or more: the settings of hu2020xtreme."""


MODELS: Registry[Model] = Registry("model")


MODELS.add(
    "mini",
    Model(
        "the shipped miniature: a tiny multilingual BERT, pretrained by this project, no download",
        PRETRAINED | {"lr": 5e-4, "warmup": 0.1},
    ),
)


MODELS.add(
    "bert-base-multilingual-cased",
    Model(
        "mBERT, the papers' encoder: 104 languages, 178 million parameters",
        PRETRAINED,
        "google-bert/bert-base-multilingual-cased",
    ),
)


MODELS.add("roberta-base", Model("RoBERTa, English: 125 million parameters", PRETRAINED, "FacebookAI/roberta-base"))


MODELS.add(
    "xlm-mlm-en-2048",
    Model("XLM, English: 667 million parameters; needs sacremoses", PRETRAINED, "FacebookAI/xlm-mlm-en-2048"),
)


MODELS.add(
    "xlm-roberta-base",
    Model("XLM-R base: 100 languages, 278 million parameters", PRETRAINED, "FacebookAI/xlm-roberta-base"),
)


MODELS.add(
    "xlm-roberta-large",
    Model(
        "XLM-R large: 100 languages, 560 million parameters",
        PRETRAINED | {"lr": 3e-5},  # as hu2020xtreme
        "FacebookAI/xlm-roberta-large",
    ),
)


MODELS.add(
    "google/mt5-small",
    Model(
        "mT5 small: 101 languages, 300 million parameters",
        # optimizer and batches as in bassi2024generalization, who name no learning rate: this is xue2021mt5's
        PRETRAINED | {"optimizer": "adafactor", "lr": 1e-3, "micro_batch_size": 8},
        "google/mt5-small",
    ),
)


MODELS.add(
    "e5-small",
    Model(
        "multilingual-e5-small from 4 bits: 100 languages, 118 million parameters; needs the extra `real`, no hub",
        PRETRAINED | {"lr": 1e-4, "warmup": 0.1},  # twelve layers of a third of mBERT's width, and a new pooler
    ),
)


MODELS.add(
    "minilm-en",
    Model(
        "all-MiniLM-L6-v2, English: 23 million parameters; needs the extra `real`, no hub",
        PRETRAINED | {"lr": 1e-4, "warmup": 0.1},
    ),
)


def spellings_of(model: str) -> list[str]:
    """The names of a model: as given, in :data:`MODELS`, and last its id on the hub; they may be the same.

    >>> spellings_of("xlm-roberta-base")
    ['xlm-roberta-base', 'xlm-roberta-base', 'FacebookAI/xlm-roberta-base']
    """
    rows = ([name, row.hub or name] for name, row in MODELS.items() if model in (name, row.hub or name))
    return [model, *next(rows, [])]


SHAPES: Mapping[str, tuple[str, int, int]] = {
    "mini": ("bert", 128, 4),
    "bert-base-multilingual-cased": ("bert", 768, 12),
    "roberta-base": ("roberta", 768, 12),
    "xlm-mlm-en-2048": ("xlm", 2048, 12),
    "xlm-roberta-base": ("xlm-roberta", 768, 12),
    "xlm-roberta-large": ("xlm-roberta", 1024, 24),
    "google/mt5-small": ("mt5", 512, 8),
    "e5-small": ("bert", 384, 12),
    "minilm-en": ("bert", 384, 6),
}
"""What their config.json has: model_type, width and layers. The vocabulary may have been cut."""

WIDTH = ("hidden_size", "d_model", "emb_dim")
LAYERS = ("num_hidden_layers", "num_layers", "n_layers")
"""What kinds of models call these there."""


def could_be(config: Mapping[str, Any], model: str) -> bool:
    """Whether a config.json can be that of a listed encoder that was fine-tuned: of its kind, width and layers.

    Args:
        config: what is written there.
        model: the encoder, in any spelling; one that is not listed could be anything.
    """
    spelled = spellings_of(model)
    shape = SHAPES.get(spelled[1]) if len(spelled) > 1 else None
    sizes = (next((config[key] for key in keys if key in config), 0) for keys in (WIDTH, LAYERS))
    return shape is None or (config.get("model_type"), *sizes) == shape
