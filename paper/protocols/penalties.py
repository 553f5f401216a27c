"""stickland2021regularising: penalties of several weights, Tr F, and a second stage in another language."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from paper.protocols.base import PROTOCOLS, SIZE, Protocol, config, name_of, uniform
from xlgen.core.config import RunConfig, RunOptions
from xlgen.core.errors import UnknownName
from xlgen.data.catalogue import TASKS
from xlgen.measures.measuring import MeasureConfig, resolve

WEIGHTS = {"kl": (0.1, 0.3, 1.0, 3.0), "fpen": (0.001, 0.01, 0.1, 1.0), "wd": (0.1, 1.0, 10.0)}
"""Of the consistency loss, the Fisher penalty and the weight decay; stickland2021regularising prints none."""
STAGE_WEIGHTS = {"kl": (0.3, 1.0, 3.0), "fpen": (0.01, 0.1, 1.0)}
"""The same, of the first stages on PAWS-X."""


@PROTOCOLS.register("penalties")
def penalties(
    preset: str = "mini",
    *,
    task: str = "",
    weights: Mapping[str, Sequence[float]] = WEIGHTS,
    seeds: Sequence[int] = (0, 1),
    size: int = SIZE,
    **overrides: Any,
) -> Protocol:
    """stickland2021regularising, Figure 1: penalties of several weights and Tr F. Keys (kind, weight, seed)."""
    task = task or name_of("xnli", preset)
    configs = {
        (*which, seed): config(preset, task, overrides, **_penalty(*which), seed=seed)
        for seed in seeds
        for which in _which(weights)
    }
    english = (TASKS[task].source_language,)
    trace = {"fisher_trace": {"examples": 200}}
    return uniform(
        configs,
        MeasureConfig(("accuracy", "loss"), english, "dev", 0),
        MeasureConfig(("accuracy", "loss"), (), "test", size),
        MeasureConfig(("fisher_trace",), english, "dev", 200, trace),
        names=("penalty", "weight", "seed"),
    )


@PROTOCOLS.register("stages")
def stages(
    preset: str = "mini",
    *,
    task: str = "",
    weights: Mapping[str, Sequence[float]] = STAGE_WEIGHTS,
    languages: Sequence[str] = ("de", "es", "zh"),
    options: RunOptions | None = None,
    first_name: Callable[[RunConfig], str] | None = None,
    **overrides: Any,
) -> Protocol:
    """stickland2021regularising, Figure 2: English, then a target language from there. Keys ((kind, weight), language).

    The language of the first stage is empty. A second stage has the first one's settings without its penalty.

    Args:
        preset: see :mod:`xlgen.training.presets`.
        task: PAWS-X or its miniature, unless given.
        weights: of the first stages' penalties, by kind; one without any is first.
        languages: of the second stages.
        options: where the data are, which name a first stage.
        first_name: what names it instead, where there are no data.
        overrides: settings of a run, by name.
    """
    task = task or name_of("pawsx", preset)
    first_name = first_name or (lambda first: resolve(first, options or RunOptions()).hash)
    configs, measures = {}, {}
    english = TASKS[task].source_language
    trace = {"fisher_trace": {"examples": 200}}
    held = tuple(MeasureConfig(("accuracy", "loss"), languages, split, 0) for split in ("dev_held", "test"))
    for which in _which(weights):
        first = config(preset, task, overrides, **_penalty(*which))
        configs[which, ""] = first
        measures[which, ""] = (*held, MeasureConfig(("fisher_trace",), (english,), "dev", 200, trace))
        start = first_name(first)
        for language in languages:
            second = config(preset, task, {**overrides, "train_size": 0, "dev_size": 0}, start=start, language=language)
            configs[which, language] = second
            measures[which, language] = tuple(replace(one, languages=(language,)) for one in held)
    return Protocol(configs, measures, ("penalty", "second"))


def _which(weights: Mapping[str, Sequence[float]]) -> list[tuple[str, float]]:
    return [("none", 0.0), *((kind, float(weight)) for kind, some in weights.items() for weight in some)]


def _penalty(kind: str, weight: float) -> dict[str, Any]:
    """Settings of a run with a penalty: ``"kl"`` is MVR's consistency loss, ``"wd"`` the optimizer's weight decay."""
    known = {
        "none": {"objective": "baseline"},
        "kl": {"objective": "mvr", "lam": weight},
        "fpen": {"objective": "fisher", "weight": weight},
        "wd": {"objective": "baseline", "weight_decay": weight},
    }
    if kind not in known:
        raise UnknownName("penalty", kind, known)
    return known[kind]


def spelled(kind: str, weight: float) -> str:
    """A penalty and its weight as stickland2021regularising spells them: ``kl=0.1``, ``fpen=1``, or ``vanilla``."""
    return "vanilla" if kind == "none" else f"{kind}={weight:g}"
