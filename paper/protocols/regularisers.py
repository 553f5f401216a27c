"""anonymous2021frustratingly: how hard L2 and EWC pull, and with whose text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paper.protocols.base import (
    PROTOCOLS,
    REAL,
    REAL_FEW,
    REAL_FRECHET,
    SIZE,
    Protocol,
    at_real,
    config,
    name_of,
    uniform,
)
from xlgen.core.errors import UnknownName
from xlgen.data.catalogue import TASKS
from xlgen.measures.measuring import MeasureConfig

VANILLA = ("vanilla", 0.0)
"""Key of fine-tuning without a penalty."""


@PROTOCOLS.register("regularisers")
def regularisers(
    preset: str = "mini",
    *,
    tasks: Sequence[str] = (),
    strengths: Sequence[float] = (0.01, 0.1),
    strength: float = 0.01,
    language: str = "fr",
    variants: Sequence[str] = ("fr+en", "mix fr-en"),
    own: Sequence[str] = (),
    examples: int = 400,
    seeds: Sequence[int] = (0, 1, 2),
    size: int = SIZE,
    **overrides: Any,
) -> Protocol:
    """anonymous2021frustratingly, Tables 1, 2, 9 and 15 and Figure 1. Keys (task, (name, λ), seed), seed by seed.

    At one strength every task has vanilla, L2, and EWC with text of one language. The first task also has both at the
    other strengths, and EWC with the variants of Table 15. After these come, for each task, the EWC models of its
    other target languages: the paper's row "EWC" is a model for each language, with text of that language.

    Args:
        preset: see :mod:`xlgen.training.presets`.
        tasks: XNLI and PAWS-X unless given.
        strengths: λ of the sweep, Figure 1.
        strength: λ of the tables; one of the sweep, or added to it.
        language: of the text of EWC in the sweep.
        variants: further texts for EWC, see :mod:`xlgen.data.text`.
        own: target languages that get an EWC model of their own; none means all of each task.
        examples: paragraphs of text for each Fisher information.
        seeds: every setup is trained with each.
        size: examples of each language that are measured; of the test split the preset ``real`` takes all.
        overrides: settings of a run.

    Raises:
        UnknownName: no task has a language of ``own``.
    """
    tasks = tasks or tuple(name_of(task, preset) for task in ("xnli", "pawsx"))
    targets = {task: [c for c in TASKS[task].languages if c != TASKS[task].source_language] for task in tasks}
    for code in own:
        if not any(code in codes for codes in targets.values()):
            raise UnknownName("target language", code, sorted({c for codes in targets.values() for c in codes}))

    def ewc(text: str, at: float) -> dict[tuple[str, float], dict[str, Any]]:
        return {(f"EWC {text}", at): {"objective": "ewc", "lam": at, "text": text, "examples": examples}}

    def both(at: float) -> dict[tuple[str, float], dict[str, Any]]:
        return {("L2", at): {"objective": "l2", "lam": at}} | ewc(language, at)

    setups = {task: {VANILLA: {"objective": "baseline"}} | both(strength) for task in tasks}
    for at in sorted({*strengths} - {strength}):
        setups[tasks[0]] |= both(at)
    for text in variants:
        setups[tasks[0]] |= ewc(text, strength)
    alone = {
        task: {
            setup: settings
            for code in codes
            if code != language and (not own or code in own)
            for setup, settings in ewc(code, strength).items()
        }
        for task, codes in targets.items()
    }
    configs = {
        (task, setup, seed): config(preset, task, overrides, **settings, seed=seed)
        for seed in seeds
        for part in (setups, alone)
        for task in tasks
        for setup, settings in part[task].items()
    }
    measures = [MeasureConfig(("accuracy", "frobenius"), (), "test", size)]
    if preset == REAL:
        dear = {"frobenius": {}, "frechet": REAL_FRECHET}
        measures = [*at_real(size), MeasureConfig(tuple(dear), (), "test", REAL_FEW, dear)]
    return uniform(configs, *measures, names=("task", "setup", "seed"))
