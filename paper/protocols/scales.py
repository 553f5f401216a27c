"""bassi2024generalization: the sharpness of each objective's model at the four scales of the noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paper.protocols.base import OBJECTIVES, PROTOCOLS, Protocol, config, name_of, uniform
from xlgen.measures.measuring import MeasureConfig

SCALES = (0.001, 0.005, 0.01, 0.02)
"""Standard deviations of the noise [parameter units] among which bassi2024generalization chooses for each model."""


@PROTOCOLS.register("scales")
def scales(
    preset: str = "mini",
    *,
    task: str = "",
    objectives: Sequence[str] = OBJECTIVES,
    seed: int = 0,
    scales: Sequence[float] = SCALES,
    **overrides: Any,
) -> Protocol:
    """bassi2024generalization, Appendix: φ_difference at four scales of the noise. Keys (objective, seed)."""
    task = task or name_of("xnli", preset)
    configs = {(name, seed): config(preset, task, overrides, objective=name, seed=seed) for name in objectives}
    return uniform(configs, *(at_scale(scale) for scale in scales), names=("objective", "seed"))


def at_scale(scale: float) -> MeasureConfig:
    """φ_difference with one draw of noise of this scale, on 50 test examples of each language."""
    settings = {"sharpness_difference": {"noise_scale": scale, "noise_seeds": (0,)}}
    return MeasureConfig(("sharpness_difference",), size=50, settings=settings)
