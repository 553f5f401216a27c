"""bassi2024generalization, what a summary of it asks for next: other tasks, other noise scales, other durations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paper.protocols.base import PROTOCOLS, REAL, REAL_FEW, SIZE, Protocol, config, name_of
from xlgen.measures.measuring import MeasureConfig

EXAMPLES = 60
"""Of each language, for the sharpness."""
USUAL = 0.001
"""The noise scale where none is asked for."""


@PROTOCOLS.register("checks")
def checks(
    preset: str = "mini",
    *,
    tasks: Sequence[str] = ("wikiann", "udpos"),
    languages: Sequence[str] = (),
    scales: Sequence[float] = (0.0001, 0.001, 0.01, 0.1),
    durations: Sequence[float] = (0.5, 1, 2),
    seeds: Sequence[int] = (8, 9, 10),
    size: int = SIZE,
    **overrides: Any,
) -> Protocol:
    """Margin and sharpness of vanilla fine-tuning where the paper does not look. Keys (task, duration, seed).

    Args:
        preset: see :mod:`xlgen.training.presets`.
        tasks: of words, for one duration.
        languages: of their margins, for archives without the development split of some; all of the task unless given.
        scales: standard deviations of the noise on XNLI [parameter units], a decade each, for the duration 1.
        durations: on XNLI, epochs as a multiple of the preset's own.
        seeds: random seeds, each of every check; no other protocol has them, so that nobody has looked at these models.
        size: examples of each language and split for scores and margins; of the test split ``real`` takes all.
        overrides: settings of a run, by name.
    """

    def measures(kind: str, *noise: float) -> tuple[MeasureConfig, ...]:
        scored, asked = (("accuracy", "f1"), languages) if kind == "token" else (("accuracy",), ())
        settings = [{"sharpness_difference": {"noise_scale": s, "noise_seeds": (0, 1, 2)}} for s in noise]
        few, scored_rows = (REAL_FEW, 0) if preset == REAL else (EXAMPLES, size)
        sharp = (MeasureConfig(("sharpness_difference",), (), "test", few, one) for one in settings)
        return (MeasureConfig(scored, (), "test", scored_rows), MeasureConfig(("margin",), asked, "dev", size), *sharp)

    xnli, configs, measured = name_of("xnli", preset), {}, {}
    usual = config(preset, xnli, overrides).epochs
    for seed in seeds:
        for task in (name_of(task, preset) for task in tasks):
            configs[task, 1, seed] = config(preset, task, overrides, seed=seed)
            measured[task, 1, seed] = measures("token", USUAL)
        for times in durations:
            longer = dict(overrides) | {"epochs": max(1, round(times * usual))}
            configs[xnli, times, seed] = config(preset, xnli, longer, seed=seed)
            measured[xnli, times, seed] = measures("sequence", *(scales if times == 1 else [USUAL]))
    return Protocol(configs, measured, ("task", "duration", "seed"))
