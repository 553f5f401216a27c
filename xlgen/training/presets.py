"""Settings that belong together: how much of the data and how long, with which encoder.

A preset changes sizes, never code: ``mini`` runs offline on a laptop in a minute, ``small`` uses 20,000 real English
pairs (stickland2021regularising), ``paper`` the settings of bassi2024generalization, section 4.1, and hu2020xtreme.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from xlgen.core.coerce import settings_of, typed
from xlgen.core.config import RunConfig
from xlgen.core.errors import UnknownName
from xlgen.core.registry import Registry
from xlgen.models.catalogue import MODELS, PRETRAINED, spellings_of
from xlgen.models.tuning import TUNINGS
from xlgen.objectives import OBJECTIVES


@dataclass(frozen=True)
class Preset:
    """How much of the data, for how long, with which encoder unless another is asked for.

    Attributes:
        about: what it is for, in words.
        task: the task unless another is asked for.
        settings: of :class:`~xlgen.core.config.RunConfig`.
    """

    about: str
    task: str
    settings: Mapping[str, Any]


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
        task: a name in :data:`xlgen.data.catalogue.TASKS`; ``None`` is the preset's own.
        overrides: settings of :class:`~xlgen.core.config.RunConfig` and hyper-parameters of the objective and
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


def _rate(overrides: Mapping[str, Any]) -> dict[str, float]:
    """The learning rate of a tuning that has one of its own."""
    if "tuning" not in overrides:
        return {}
    lr = TUNINGS[overrides["tuning"]].lr
    return {} if lr is None else {"lr": lr}


def build(values: Mapping[str, Any]) -> RunConfig:
    """A :class:`~xlgen.core.config.RunConfig` from values that may be strings (command line, papermill, a file).

    Keys that are no setting are taken for hyper-parameters of the objective, or else of the tuning.

    Raises:
        UnknownName: a key is neither a setting nor a hyper-parameter of the objective or the tuning.
        ConfigError: a value of the wrong type or out of its range.
    """
    values = {key: value for key, value in values.items() if key != "code"}  # the loader's to say, not the user's
    named = {key: value for key, value in values.items() if key in SETTINGS}
    settings = typed(RunConfig, {"hyper": {}, "tuning_hyper": {}} | named, "setting")
    if extra := {key: value for key, value in values.items() if key not in SETTINGS}:
        owners = (
            ("hyper", OBJECTIVES[settings.get("objective", RunConfig.objective)]),
            ("tuning_hyper", TUNINGS[settings.get("tuning", RunConfig.tuning)]),
        )
        owner_of = {f.name: owner for owner, kind in reversed(owners) for f in fields(kind)}
        for key, value in extra.items():
            if key not in owner_of:
                raise UnknownName("setting", key, [*SETTINGS, *owner_of])
            settings[owner_of[key]][key] = value
    return RunConfig.from_dict(settings)
