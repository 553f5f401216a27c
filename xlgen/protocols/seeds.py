"""bassi2024generalization: objectives side by side, with eight seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xlgen.protocols.base import FEW, PREDICTED, PROTOCOLS, SIZE, Protocol, config, name_of, uniform
from xlgen.study import MeasureConfig


@PROTOCOLS.register("seeds")
def seeds(
    preset: str = "mini",
    *,
    task: str = "",
    objectives: Sequence[str] = ("baseline", "sam", "mvr", "fisher"),
    seeds: Sequence[int] = tuple(range(8)),
    size: int = SIZE,
    **overrides: Any,
) -> Protocol:
    """bassi2024generalization, Figures 1 to 7: objectives × eight seeds, with every measure. Keys (objective, seed)."""
    task = task or name_of("xnli", preset)
    configs = {
        (objective, seed): config(preset, task, overrides, objective=objective, seed=seed)
        for seed in seeds
        for objective in objectives
    }
    alpha = {"examples": 32, "alpha_min": 1e-5, "bisections": 7, "restarts": 1, "steps": 3}
    settings = {
        "sharpness_difference": {"noise_scale": 0.001, "noise_seeds": (0, 1, 2)},
        "sharpness_alpha": alpha,
        "sharpness_adaptive": {"examples": 32},
        "fisher_trace": {"examples": 48, "proxy": False},
        "hessian_eigenvalue": {"examples": 16},
        "frechet": {"examples": 32, "labels": "model"},
        "frobenius": {},
    }
    return uniform(
        configs,
        MeasureConfig(PREDICTED, (), "dev", size),
        MeasureConfig(PREDICTED, (), "test", size),
        MeasureConfig(tuple(settings), (), "test", FEW, settings),
    )
