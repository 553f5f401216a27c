"""Fine-tuning in stages: a run that begins from the weights of another run.

In Figure 2 of stickland2021regularising a model is fine-tuned on English and then on a few rows of a target language.
The second stage is a run of its own, whose setting ``start`` is the name of the first.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from xlgen import models
from xlgen.core.config import RunConfig, RunOptions
from xlgen.core.errors import ConfigError
from xlgen.core.store import Store
from xlgen.data.catalogue import TASKS
from xlgen.models import tuning as tunings
from xlgen.models.families import kind_of


def resolved(config: RunConfig, options: RunOptions) -> RunConfig:
    """The same run with one spelling: the first stage by its full name, the source language as empty.

    A full name needs no entry in the store before training: results of a second stage can be named without its first.

    Raises:
        UnknownName: the task has no such language.
        StoreError: the beginning of a name is that of no run, or of several.
        ConfigError: the first stage is of another task, model or tuning.
    """
    if config.language == TASKS[config.task].source_language:
        config = config.with_(language="")
    store = Store(options.store)
    if not config.start or (_is_full(config.start) and store.get(config.start) is None):
        return config
    return config.with_(start=folder_of(config, options).name)


def folder_of(config: RunConfig, options: RunOptions) -> Path:
    """The stored run that ``config`` begins from.

    Raises:
        StoreError: the store has no such run.
        ConfigError: it is of another task, model or tuning.
    """
    store = Store(options.store)
    result = store.get(store.find(config.start))
    first = RunConfig.from_dict(result.read("config"))
    wanted, model = (
        {"task": c.task, "model": c.model, "tuning": tunings.create(c.tuning, c.tuning_hyper)} for c in (config, first)
    )
    for key, value in wanted.items():
        same = value == model[key] or (key == "model" and models.fingerprint(value) == models.fingerprint(model[key]))
        if not same:
            raise ConfigError(
                f"the run {result.name} to start from has {key} {model[key]!r}, and this run has {value!r}; expected "
                f"the same. Train a first stage with this {key}, or change it here."
            )
    return result.folder


@torch.no_grad()
def begin(model: nn.Module, config: RunConfig, options: RunOptions) -> None:
    """Give ``model`` the fine-tuned weights of the first stage, head and inserted modules included.

    Args:
        model: the classifier of ``config`` with the tuning applied; what is trained does not change.
        config: of the second stage.
        options: where the store is.

    Raises:
        StoreError: the store has no such run.
        ConfigError: it is of another task, model or tuning.
    """
    folder = folder_of(config, options) / "model"
    first = models.load_finetuned(str(folder), model.config.num_labels, kind=kind_of(model))
    model.load_state_dict(first.state_dict())


def _is_full(name: str) -> bool:
    return len(name) == 16
