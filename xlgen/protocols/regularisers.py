"""anonymous2021frustratingly: how hard L2 and EWC pull, and with whose text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xlgen.protocols.base import PROTOCOLS, SIZE, Protocol, config, name_of, uniform
from xlgen.study import MeasureConfig

VANILLA = ("vanilla", 0.0)
"""Key of fine-tuning without a penalty."""


@PROTOCOLS.register("regularisers")
def regularisers(
    preset: str = "mini",
    *,
    tasks: Sequence[str] = (),
    strengths: Sequence[float] = (0.01, 0.1),
    strength: float = 0.01,
    languages: Sequence[str] = ("fr",),
    variants: Sequence[str] = ("fr+en", "mix fr-en"),
    examples: int = 400,
    seeds: Sequence[int] = (0, 1, 2),
    size: int = SIZE,
    **overrides: Any,
) -> Protocol:
    """anonymous2021frustratingly, Tables 1, 2, 9 and 15 and Figure 1. Keys (task, (name, λ), seed), seed by seed.

    The first task has every setup: L2, and EWC with text of the first language, at every strength; EWC with the other
    languages and with the variants of Table 15 at one. The other tasks have vanilla and both at that one.

    Args:
        preset: see :mod:`xlgen.presets`.
        tasks: XNLI and PAWS-X unless given.
        strengths: λ of the sweep, Figure 1.
        strength: λ of the tables; one of the sweep, or added to it.
        languages: target languages that get an EWC model of their own.
        variants: further texts for EWC, see :mod:`xlgen.text`.
        examples: paragraphs of text for each Fisher information.
        seeds: every setup is trained with each.
        size: examples of each language that are measured.
        overrides: settings of a run.
    """
    first, *others = tasks or tuple(name_of(task, preset) for task in ("xnli", "pawsx"))

    def ewc(text: str, at: float) -> dict[str, Any]:
        return {"objective": "ewc", "lam": at, "text": text, "examples": examples}

    usual, *more = languages
    setups: dict[tuple[str, float], dict[str, Any]] = {VANILLA: {"objective": "baseline"}}
    for at in sorted({*strengths, strength}):
        setups["L2", at] = {"objective": "l2", "lam": at}
        setups[f"EWC {usual}", at] = ewc(usual, at)
    setups |= {(f"EWC {text}", strength): ewc(text, strength) for text in (*more, *variants)}
    compared = (VANILLA, ("L2", strength), (f"EWC {usual}", strength))
    configs = {
        (task, setup, seed): config(preset, task, overrides, **setups[setup], seed=seed)
        for seed in seeds
        for task, chosen in ((first, setups), *((other, compared) for other in others))
        for setup in chosen
    }
    return uniform(configs, MeasureConfig(("accuracy", "frobenius"), (), "test", size))
