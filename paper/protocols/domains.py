"""An open question of bassi2024generalization's summary: objectives and measures under a shift of the domain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paper.protocols.base import FEW, OBJECTIVES, PROTOCOLS, REAL, REAL_FEW, SIZE, Protocol, crossed, name_of, uniform
from xlgen.data.catalogue import TASKS
from xlgen.data.task import SHIFTED
from xlgen.measures.measuring import MeasureConfig

PASSED = ("accuracy", "margin", "confidence")
"""Of one forward pass."""


@PROTOCOLS.register("domains")
def domains(
    preset: str = "mini",
    *,
    objectives: Sequence[str] = (*OBJECTIVES, "l2"),
    seeds: Sequence[int] = (11, 12, 13),
    size: int = SIZE,
    **overrides: Any,
) -> Protocol:
    """English of another domain beside the other languages, and what measures say of it. Keys (objective, seed).

    The other domain of XNLI is SNLI's pictures, that of its miniature what people do to people.

    Args:
        preset: see :mod:`xlgen.training.presets`.
        objectives: names of objectives.
        seeds: random seeds; no other protocol has these, so that nobody has looked at these models.
        size: examples of each language and of the other domain for one pass; ``real`` takes all.
        overrides: settings of a run, by name.
    """
    task = name_of("xnli", preset)
    english = (TASKS[task].source_language,)
    every, some = (0, REAL_FEW) if preset == REAL else (size, FEW)
    moved = {
        "sharpness_difference": {"noise_scale": 0.001, "noise_seeds": (0, 1, 2)},
        "fisher_trace": {"examples": 64 if preset == REAL else 48, "proxy": False},
    }
    configs = crossed(preset, task, objectives, seeds, overrides)
    measures = [
        one
        for languages, split in (((), "test"), (english, SHIFTED))
        for one in (
            MeasureConfig(PASSED, languages, split, every),
            MeasureConfig(tuple(moved), languages, split, some, moved),
        )
    ]
    return uniform(configs, *measures, names=("objective", "seed"))
