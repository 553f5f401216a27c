"""The forecast's own question: the estimators without labels, on a model of each task of the miniature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paper.protocols.base import PROTOCOLS, SIZE, Protocol, config, name_of, uniform
from paper.protocols.transfer import SETUPS
from xlgen.measures.measuring import MeasureConfig

ONE_PASS = ("confidence", "confidence_scaled", "doc", "atc", "atc_entropy", "cot", "entropy", "nuclear_norm")
"""What one forward pass over unlabelled text gives."""


@PROTOCOLS.register("forecasts")
def forecasts(
    preset: str = "mini", *, tasks: Sequence[str] = (), seeds: Sequence[int] = (0,), size: int = SIZE, **overrides: Any
) -> Protocol:
    """A plain model of each task, and what forecasts its accuracy without labels. Keys (task, seed).

    Args:
        preset: see :mod:`xlgen.training.presets`.
        tasks: PAWS-X, WikiAnn and UD, or their miniatures, unless given; XNLI's models are those of `seeds`.
        seeds: random seeds.
        size: examples of each language.
        overrides: settings of a run, by name.
    """
    tasks = tasks or tuple(name_of(task, preset) for task in ("pawsx", "wikiann", "udpos"))
    configs = {
        (task, seed): config(preset, task, overrides, **SETUPS["vanilla"], seed=seed)
        for seed in seeds
        for task in tasks
    }
    measured = MeasureConfig(("accuracy", "loss", "f1", *ONE_PASS), (), "test", size)
    return uniform(configs, measured, names=("task", "seed"))
