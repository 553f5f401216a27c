"""bassi2024generalization, what a summary of it asks for next: other tasks, other noise scales, other durations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paper.protocols.base import PROTOCOLS, SIZE, Protocol, config, name_of
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
    scales: Sequence[float] = (0.0001, 0.001, 0.01, 0.1),
    durations: Sequence[float] = (0.5, 1, 2),
    seeds: Sequence[int] = (8, 9, 10),
    size: int = SIZE,
    **overrides: Any,
) -> Protocol:
    """Margin and sharpness of vanilla fine-tuning where the paper does not look. Keys (check, value, seed).

    Args:
        preset: see :mod:`xlgen.training.presets`.
        tasks: of words, check ``"task"``.
        scales: standard deviations of the noise on XNLI [parameter units], check ``"scale"``; a decade each.
        durations: on XNLI, epochs as a multiple of the preset's own, check ``"duration"``.
        seeds: random seeds, each of every check; no other protocol has them, so that nobody has looked at these models.
        size: examples of each language and split for scores and margins.
        overrides: settings of a run, by name.
    """

    def measures(kind: str, *noise: float) -> tuple[MeasureConfig, ...]:
        scored = ("accuracy", "f1") if kind == "token" else ("accuracy",)
        settings = [{"sharpness_difference": {"noise_scale": s, "noise_seeds": (0, 1, 2)}} for s in noise]
        sharp = (MeasureConfig(("sharpness_difference",), (), "test", EXAMPLES, one) for one in settings)
        return (MeasureConfig(scored, (), "test", size), MeasureConfig(("margin",), (), "dev", size), *sharp)

    xnli, plan = name_of("xnli", preset), {}
    usual = config(preset, xnli, overrides).epochs
    for seed in seeds:
        for task in (name_of(task, preset) for task in tasks):
            plan["task", task, seed] = config(preset, task, overrides, seed=seed), measures("token", USUAL)
        for scale in scales:
            plan["scale", scale, seed] = config(preset, xnli, overrides, seed=seed), measures("sequence", scale)
        for times in durations:
            longer = dict(overrides) | {"epochs": max(1, round(times * usual))}
            plan["duration", times, seed] = config(preset, xnli, longer, seed=seed), measures("sequence", USUAL)
    configs, measured = ({key: parts[i] for key, parts in plan.items()} for i in (0, 1))
    return Protocol(configs, measured, ("check", "value", "seed"))
