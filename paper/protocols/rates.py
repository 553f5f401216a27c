"""The learning rate, which is chosen by the accuracy on English development examples alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paper.protocols.base import PROTOCOLS, Protocol, config, name_of, uniform


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
