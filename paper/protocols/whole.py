"""The miniature's preset as it is, with all of its 6,000 English examples, rather than the protocols' 3,000."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paper.protocols.base import PROTOCOLS, Protocol, name_of, uniform
from xlgen.data.catalogue import TASKS
from xlgen.measures.measuring import MeasureConfig
from xlgen.training.presets import config_for


@PROTOCOLS.register("miniature")
def miniature(
    preset: str = "mini",
    *,
    tasks: Sequence[str] = (),
    seeds: Sequence[int] = (0, 1, 2),
    size: int = 0,
    **settings: Any,
) -> Protocol:
    """Plain fine-tuning on the preset's own number of examples, tested on all. Keys (task, seed).

    Args:
        preset: see :mod:`xlgen.training.presets`.
        tasks: XNLI and PAWS-X, or their miniatures, unless given.
        seeds: random seeds.
        size: test examples of each language; 0 is all of them.
        settings: of a run, by name.
    """
    tasks = tasks or tuple(name_of(task, preset) for task in ("xnli", "pawsx"))
    configs = {(task, seed): config_for(preset, task, **settings, seed=seed) for task in tasks for seed in seeds}
    return uniform(configs, MeasureConfig(("accuracy",), size=size), names=("task", "seed"))


@PROTOCOLS.register("distances")
def distances(
    preset: str = "mini",
    *,
    tasks: Sequence[str] = (),
    seed: int = 0,
    size: int = 120,
    folds: int = 4,
    **settings: Any,
) -> Protocol:
    """anonymous2021frustratingly, Table 5: scores, and the Fréchet distance with the loss of the first. Keys: tasks.

    Args:
        preset: see :mod:`xlgen.training.presets`.
        tasks: the paper's four, or their miniatures, unless given.
        seed: of the fine-tuning.
        size: test examples of each language for the distance.
        folds: parts of the examples, for its standard error.
        settings: of a run, by name.
    """
    tasks = tasks or tuple(name_of(task, preset) for task in ("xnli", "wikiann", "udpos", "pawsx"))
    first = TASKS[tasks[0]]
    how = {"frechet": {"folds": folds, "source": first.source_language}}
    loss = MeasureConfig(("frechet",), first.languages, "test", size, how)
    scored = {task: MeasureConfig((TASKS[task].metric,), TASKS[task].languages, "test", 0) for task in tasks}
    configs = {task: config_for(preset, task, seed=seed, **settings) for task in tasks}
    return Protocol(configs, {task: (scored[task], *((loss,) if task == tasks[0] else ())) for task in tasks})
