"""The learning rate, which is chosen by the accuracy on English development examples alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paper.protocols.base import FEW, OBJECTIVES, PREDICTED, PROTOCOLS, SIZE, Protocol, config, name_of, uniform
from paper.protocols.seeds import DEAR
from xlgen.measures.measuring import MeasureConfig


@PROTOCOLS.register("rates")
def rates(
    preset: str = "mini", *, task: str = "", factors: Sequence[float] = (1 / 3, 1, 3), seed: int = 0, **overrides: Any
) -> Protocol:
    """Plain fine-tuning at three learning rates: that of the encoder, a third and three times it. Keys (rate).

    What decides is the accuracy of the kept checkpoint on the English development examples (the run's own
    ``dev_accuracy``). Nothing else is measured: no other language can have a part in the choice.

    Args:
        preset: see :mod:`xlgen.training.presets`.
        task: XNLI or its miniature, unless given.
        factors: by which the encoder's learning rate is multiplied.
        seed: random seed.
        overrides: settings of a run, by name.
    """
    task = task or name_of("xnli", preset)
    given = config(preset, task, overrides).lr
    tried = [float(f"{given * factor:.2g}") for factor in factors]
    configs = {(lr,): config(preset, task, overrides | {"lr": lr}, seed=seed) for lr in tried}
    return uniform(configs, names=("lr",))


@PROTOCOLS.register("faster")
def faster(
    preset: str = "mini",
    *,
    task: str = "",
    objectives: Sequence[str] = OBJECTIVES,
    factor: float = 3,
    seeds: Sequence[int] = (0, 1, 2),
    size: int = SIZE,
    **overrides: Any,
) -> Protocol:
    """Objectives at the encoder's learning rate and at another. Keys (lr, objective, seed).

    Which conclusions are those of a learning rate? The models at the encoder's own are those of ``seeds``.

    Args:
        preset: see :mod:`xlgen.training.presets`.
        task: XNLI or its miniature, unless given.
        objectives: names of objectives.
        factor: by which the encoder's learning rate is multiplied.
        seeds: random seeds.
        size: examples of each language for the scores.
        overrides: settings of a run, by name.
    """
    task = task or name_of("xnli", preset)
    given = config(preset, task, overrides).lr
    configs = {
        (lr, objective, seed): config(preset, task, overrides | {"lr": lr}, objective=objective, seed=seed)
        for lr in (given, float(f"{given * factor:.2g}"))
        for seed in seeds
        for objective in objectives
    }
    moved = {name: DEAR[name] for name in ("sharpness_difference", "fisher_trace", "frobenius")}
    scored = MeasureConfig((*PREDICTED, "confidence"), (), "test", size)
    return uniform(
        configs, scored, MeasureConfig(tuple(moved), (), "test", FEW, moved), names=("lr", "objective", "seed")
    )
