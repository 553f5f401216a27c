"""bassi2024generalization: objectives side by side, with eight seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paper.protocols.base import (
    ALPHA,
    FEW,
    LABEL_FREE_MEASURES,
    OBJECTIVES,
    PREDICTED,
    PROTOCOLS,
    REAL,
    REAL_FEW,
    REAL_FRECHET,
    SIZE,
    Protocol,
    at_real,
    crossed,
    name_of,
)
from xlgen.measures.measuring import MeasureConfig

DEAR: Mapping[str, Mapping[str, Any]] = {
    "sharpness_difference": {"noise_scale": 0.001, "noise_seeds": (0, 1, 2)},
    "sharpness_alpha": ALPHA,
    "sharpness_adaptive": {"examples": 40},
    "fisher_trace": {"examples": 48, "proxy": False},
    "hessian_eigenvalue": {"examples": 16, "iterations": 15, "tolerance": 0.05},
    "frechet": {"examples": 40, "labels": "model"},
    "frobenius": {},
}
"""Measures that move the miniature's weights or take its gradients, with their settings."""


@PROTOCOLS.register("seeds")
def seeds(
    preset: str = "mini",
    *,
    task: str = "",
    objectives: Sequence[str] = OBJECTIVES,
    seeds: Sequence[int] = tuple(range(8)),
    thorough: Sequence[int] = tuple(range(3)),
    size: int = SIZE,
    **overrides: Any,
) -> Protocol:
    """bassi2024generalization, Figures 1 to 7: objectives × eight seeds. Keys (objective, seed).

    Args:
        preset: see :mod:`xlgen.training.presets`.
        task: XNLI or its miniature, unless given.
        objectives: names of objectives.
        seeds: random seeds.
        thorough: the seeds with every measure; the others have those of the predictions.
        size: examples of each language and split for the predictions; of the test split the preset ``real`` takes all.
        overrides: settings of a run, by name.
    """
    task = task or name_of("xnli", preset)
    configs = crossed(preset, task, objectives, seeds, overrides)
    if preset == REAL:
        measures = {key: _real(size, thorough=key[1] in thorough) for key in configs}
        return Protocol(configs, measures, ("objective", "seed"))
    predictions = tuple(MeasureConfig(PREDICTED, (), split, size) for split in ("dev", "test"))
    without_labels = MeasureConfig(LABEL_FREE_MEASURES, (), "test", size)
    dear = MeasureConfig(tuple(DEAR), (), "test", FEW, DEAR)
    measures = {key: (*predictions, *((dear,) if key[1] in thorough else ()), without_labels) for key in configs}
    return Protocol(configs, measures, ("objective", "seed"))


def _real(size: int, *, thorough: bool) -> tuple[MeasureConfig, ...]:
    """What is measured of an encoder of real size, the cheapest first."""
    quick = {
        "sharpness_difference": {"noise_scale": 0.001, "noise_seeds": (0, 1, 2)},
        "fisher_trace": {"examples": 64, "proxy": False},
        "dropout_agreement": {},
        "frobenius": {},
    }
    slow = {
        "sharpness_alpha": ALPHA,
        "sharpness_adaptive": {"examples": 40},
        "hessian_eigenvalue": {"examples": 16, "iterations": 15, "tolerance": 0.05},
        "frechet": REAL_FRECHET,
    }
    return (
        *at_real(size),
        MeasureConfig(tuple(quick), (), "test", REAL_FEW, quick),
        *((MeasureConfig(tuple(slow), (), "test", REAL_FEW, slow),) if thorough else ()),
    )
