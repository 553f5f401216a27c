"""Settings that belong together: how much of the data and how long (presets), how fast an encoder learns (models).

A preset changes sizes, never code: ``mini`` runs offline on a laptop in a minute, ``small`` uses 20,000 real English
pairs (stickland2021regularising), ``paper`` the settings of bassi2024generalization, section 4.1, and hu2020xtreme.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from xlgen.coerce import settings_of, typed
from xlgen.config import RunConfig
from xlgen.errors import UnknownName
from xlgen.registry import Registry


@dataclass(frozen=True)
class Model:
    """An encoder and how it is fine-tuned.

    Attributes:
        about: what it is, in words.
        settings: of :class:`~xlgen.config.RunConfig`; they belong to the encoder, whatever the data.
        hub: its id on the hub; its name in :data:`MODELS`, where that is another, is how the papers call it.
    """

    about: str
    settings: Mapping[str, Any]
    hub: str = ""


@dataclass(frozen=True)
class Preset:
    """How much of the data, for how long, with which encoder unless another is asked for.

    Attributes:
        about: what it is for, in words.
        task: the task unless another is asked for.
        settings: of :class:`~xlgen.config.RunConfig`.
    """

    about: str
    task: str
    settings: Mapping[str, Any]


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

PRESETS: Registry[Preset] = Registry("preset")
PRESETS.add(
    "mini",
    Preset(
        "the miniature: offline, about a minute on a laptop",
        "mini-xnli",
        {"model": "mini", "train_size": 6_000, "dev_size": 1_000, "epochs": 3, "max_length": 128},
    ),
)
PRESETS.add(
    "real",
    Preset(
        "real data on a laptop: 10,000 English pairs, and an encoder that a package brings (extra `real`)",
        "xnli",
        {"model": "e5-small", "train_size": 10_000, "dev_size": 1_000, "epochs": 2, "max_length": 128},
    ),
)
PRESETS.add(
    "small",
    Preset(
        "real data, 20,000 English pairs",
        "xnli",
        {
            "model": "bert-base-multilingual-cased",
            "train_size": 20_000,
            "dev_size": 0,
            "epochs": 3,
            "max_length": 128,
        },
    ),
)
PRESETS.add(
    "paper",
    Preset(
        "real data, all English pairs, the paper's 15 epochs: a GPU and a day",
        "xnli",
        {"model": "bert-base-multilingual-cased", "train_size": 0, "dev_size": 0, "epochs": 15, "max_length": 128},
    ),
)

SETTINGS = tuple(settings_of(RunConfig))
"""Names of a run's settings."""


def config_for(preset: str, task: str | None = None, **overrides: Any) -> RunConfig:
    """The configuration of a run: preset, the encoder's settings, the tuning's learning rate, then ``overrides``.

    >>> config_for("mini", "mini-xnli", objective="sam", rho=0.1, seed=3).hyper
    {'rho': 0.1}

    Args:
        preset: a name in :data:`PRESETS`.
        task: a name in :data:`xlgen.tasks.TASKS`; ``None`` is the preset's own.
        overrides: settings of :class:`~xlgen.config.RunConfig` and hyper-parameters of the objective and
            of the tuning, by name.

    Raises:
        UnknownName: no such preset, setting or hyper-parameter.
        ConfigError: a value of the wrong type or out of its range.
    """
    chosen = PRESETS[preset]
    overrides = {"task": task or chosen.task} | overrides
    names = spellings_of(overrides.get("model", chosen.settings["model"]))
    encoder = next((MODELS[name].settings for name in names if name in MODELS), PRETRAINED)
    return build({**chosen.settings, **encoder, **_rate(overrides), **overrides})


def spellings_of(model: str) -> list[str]:
    """The names of a model: as given, in :data:`MODELS`, and last its id on the hub; they may be the same.

    >>> spellings_of("xlm-roberta-base")
    ['xlm-roberta-base', 'xlm-roberta-base', 'FacebookAI/xlm-roberta-base']
    """
    rows = ([name, row.hub or name] for name, row in MODELS.items() if model in (name, row.hub or name))
    return [model, *next(rows, [])]


def _rate(overrides: Mapping[str, Any]) -> dict[str, float]:
    """The learning rate of a tuning that has one of its own."""
    if "tuning" not in overrides:
        return {}
    from xlgen.tuning import TUNINGS  # imports torch

    lr = TUNINGS[overrides["tuning"]].lr
    return {} if lr is None else {"lr": lr}


def build(values: Mapping[str, Any]) -> RunConfig:
    """A :class:`~xlgen.config.RunConfig` from values that may be strings (command line, papermill, a file).

    Keys that are no setting are taken for hyper-parameters of the objective, or else of the tuning.

    Raises:
        UnknownName: a key is neither a setting nor a hyper-parameter of the objective or the tuning.
        ConfigError: a value of the wrong type or out of its range.
    """
    values = {key: value for key, value in values.items() if key != "code"}  # the loader's to say, not the user's
    named = {key: value for key, value in values.items() if key in SETTINGS}
    settings = typed(RunConfig, {"hyper": {}, "tuning_hyper": {}} | named, "setting")
    if extra := {key: value for key, value in values.items() if key not in SETTINGS}:
        from xlgen.objectives import OBJECTIVES  # imports torch
        from xlgen.tuning import TUNINGS

        owners = (
            ("hyper", OBJECTIVES[settings.get("objective", RunConfig.objective)]),
            ("tuning_hyper", TUNINGS[settings.get("tuning", RunConfig.tuning)]),
        )
        known = {f.name: owner for owner, kind in reversed(owners) for f in fields(kind)}
        for key, value in extra.items():
            if key not in known:
                raise UnknownName("setting", key, [*SETTINGS, *known])
            settings[known[key]][key] = value
    return RunConfig.from_dict(settings)
