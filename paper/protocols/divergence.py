"""stickland2021regularising, section 2: KL under noise on the weights beside the trace that it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paper.protocols.base import OBJECTIVES, PROTOCOLS, REAL, REAL_FEW, Protocol, crossed, few, name_of, uniform
from paper.protocols.seeds import DEAR
from xlgen.measures.measuring import MeasureConfig

SIGMAS = (0.001, 0.003, 0.01, 0.03)
"""Standard deviations of the noise [parameter units]: 0.001 is the noise of the sharpness by difference, 0.01 that of
training with consistency."""


@PROTOCOLS.register("divergence")
def divergence(
    preset: str = "mini",
    *,
    task: str = "",
    objectives: Sequence[str] = OBJECTIVES,
    seeds: Sequence[int] = (0,),
    sigmas: Sequence[float] = SIGMAS,
    **overrides: Any,
) -> Protocol:
    """The divergence under noise of several sizes, and Tr F on the same examples. Keys (objective, seed).

    Args:
        preset: see :mod:`xlgen.training.presets`.
        task: XNLI or its miniature, unless given.
        objectives: names of objectives.
        seeds: random seeds.
        sigmas: standard deviations of the noise [parameter units], different ones.
        overrides: settings of a run, by name.
    """
    task = task or name_of("xnli", preset)
    examples = REAL_FEW if preset == REAL else DEAR["fisher_trace"]["examples"]
    trace = {"fisher_trace": {"examples": examples, "proxy": False}}
    configs = crossed(preset, task, objectives, seeds, overrides)
    return uniform(
        configs,
        MeasureConfig(("fisher_trace",), (), "test", few(preset), trace),
        *(at(sigma, examples) for sigma in sigmas),
        names=("objective", "seed"),
    )


def at(sigma: float, examples: int) -> MeasureConfig:
    """The divergence under noise of this scale, on the first test examples of each language."""
    settings = {"noise_divergence": {"noise_scale": sigma, "noise_seeds": (0, 1, 2, 3)}}
    return MeasureConfig(("noise_divergence",), (), "test", examples, settings)
