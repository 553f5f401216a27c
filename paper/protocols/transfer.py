"""anonymous2021frustratingly: regularisers and frozen encoders."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from paper.protocols.base import FEW, PREDICTED, PROTOCOLS, SIZE, Protocol, config, name_of, scores, uniform
from xlgen.core.config import RunConfig
from xlgen.measures.measuring import MeasureConfig

SETUPS: Mapping[str, Mapping[str, Any]] = {
    "vanilla": {"objective": "baseline"},
    "l2": {"objective": "l2", "lam": 0.01},
    "ewc": {"objective": "ewc", "lam": 0.01, "text": "fr", "examples": 400},
}
"""The regularisers of anonymous2021frustratingly; EWC with text of its Table 15's language."""


@PROTOCOLS.register("transfer")
def transfer(
    preset: str = "mini",
    *,
    tasks: Sequence[str] = (),
    setups: Sequence[str] = tuple(SETUPS),
    seeds: Sequence[int] = (0, 1, 2),
    size: int = SIZE,
    **overrides: Any,
) -> Protocol:
    """anonymous2021frustratingly, Tables 2 and 9; bassi2024generalization, Table 2. Keys (task, setup, seed)."""
    tasks = tasks or tuple(name_of(task, preset) for task in ("xnli", "pawsx"))
    configs = _setups(preset, tasks, setups, seeds, overrides)
    settings = {"sharpness_difference": {"noise_scale": 0.001, "noise_seeds": (0, 1, 2)}}
    few = MeasureConfig((*settings, "frobenius"), (), "test", FEW, settings)
    predictions = tuple(MeasureConfig(PREDICTED, (), split, size) for split in ("dev", "test"))
    scored = MeasureConfig(("accuracy", "loss", "frobenius"), (), "test", size)
    measures = {key: (*predictions, few) if key[1] == "vanilla" else (scored,) for key in configs}
    return Protocol(configs, measures, ("task", "setup", "seed"))


@PROTOCOLS.register("tagging")
def tagging(
    preset: str = "mini",
    *,
    tasks: Sequence[str] = (),
    setups: Sequence[str] = tuple(SETUPS),
    seeds: Sequence[int] = (0, 1, 2),
    languages: Sequence[str] = (),
    split: str = "test",
    size: int = SIZE,
    **overrides: Any,
) -> Protocol:
    """anonymous2021frustratingly, Tables 7 and 8. Keys (task, setup, seed).

    Args:
        preset: see :mod:`xlgen.training.presets`.
        tasks: WikiAnn and UDPOS unless given.
        setups: names in :data:`SETUPS`.
        seeds: every setup is trained with each.
        languages: that are measured, for archives that lack some; all of the task unless given.
        split: that is measured, for archives without the tags of the test split.
        size: examples of each language that are measured.
        overrides: settings of a run.
    """
    tasks = tasks or tuple(name_of(task, preset) for task in ("wikiann", "udpos"))
    configs = _setups(preset, tasks, setups, seeds, overrides)
    return uniform(
        configs,
        MeasureConfig(("accuracy", "loss", "f1", "frobenius"), languages, split, size),
        names=("task", "setup", "seed"),
    )


@PROTOCOLS.register("frozen")
def frozen(
    preset: str = "mini",
    *,
    tasks: Sequence[str] = (),
    techniques: Sequence[str] = ("baseline", "l2", "prompt", "bitfit", "adapter"),
    seeds: Sequence[int] = (0, 1, 2),
    size: int = SIZE,
    **overrides: Any,
) -> Protocol:
    """anonymous2021frustratingly, Tables 6, 17 and 18. Keys (task, technique, seed)."""
    tasks = tasks or tuple(name_of(task, preset) for task in ("xnli", "udpos"))
    whole = {"baseline": SETUPS["vanilla"], "l2": SETUPS["l2"]}
    configs = {
        (task, technique, seed): config(
            preset, task, overrides, **whole.get(technique, {"tuning": technique}), seed=seed
        )
        for seed in seeds
        for task in tasks
        for technique in techniques
    }
    return uniform(configs, scores(size), names=("task", "tuning", "seed"))


def _setups(
    preset: str, tasks: Sequence[str], setups: Sequence[str], seeds: Sequence[int], overrides: Mapping[str, Any]
) -> dict[Hashable, RunConfig]:
    return {
        (task, setup, seed): config(preset, task, overrides, **SETUPS[setup], seed=seed)
        for seed in seeds
        for task in tasks
        for setup in setups
    }
