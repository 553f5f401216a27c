"""What a protocol is: models to be trained, and what is measured of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from xlgen.core.config import RunConfig
from xlgen.core.registry import Registry
from xlgen.data.catalogue import TASKS
from xlgen.measures.measuring import MeasureConfig
from xlgen.training.presets import config_for

SMALL: Mapping[str, Mapping[str, Any]] = {"mini": {"train_size": 3_000}}
"""By preset, what differs from it in every protocol."""
OBJECTIVES = ("baseline", "sam", "mvr", "fisher")
"""Of bassi2024generalization."""
SIZE = 500
"""Examples of each language and split that are measured."""
FEW = 100
"""Examples of each language and split for what moves the weights or takes gradients."""
REAL = "real"
"""The preset whose languages lie close together: it scores all test examples, without labels too."""
REAL_FEW = 64
"""Examples of each language for what moves the weights of an encoder of real size, or takes its gradients."""
REAL_FRECHET: Mapping[str, Any] = {"examples": 40, "labels": "model", "folds": 2}
"""The Fréchet distance of an encoder of real size: two folds of every language are in memory at once."""
ALPHA: Mapping[str, Any] = {"examples": 40, "alpha_min": 1e-5, "bisections": 7, "restarts": 1, "steps": 3}
"""The search for α of every chapter: of 40 answers its threshold of 0.1 is exactly 4, and its bracket ends at 7.5 %."""
PREDICTED = ("accuracy", "loss", "margin", "margin_p10", "margin_logit", "margin_logit_p10")
LABEL_FREE_MEASURES = (
    "confidence",
    "confidence_scaled",
    "doc",
    "atc",
    "atc_entropy",
    "entropy",
    "entropy_of_mean",
    "nuclear_norm",
    "cot",
    "cott",
    "dropout_agreement",
    "representation_distance",
    "fertility",
    "unknown_rate",
    "pretraining_share",
)
"""Measures that need no label of the language, but `typological_distance`, which needs a database, and
`noise_divergence`, which the protocol ``divergence`` has at several sizes of the noise: all of one subject cost eight
forward passes (one shared, one for the representations, four with dropout, and the source's two)."""


@dataclass(frozen=True)
class Protocol:
    """Models to be trained and measured.

    Attributes:
        configs: by key.
        measures: what is measured of each model, by key.
        names: what the parts of a key are, the columns of :attr:`paper.records.Obtained.frame`.
    """

    configs: Mapping[Hashable, RunConfig]
    measures: Mapping[Hashable, tuple[MeasureConfig, ...]]
    names: tuple[str, ...] = ()


PROTOCOLS: Registry[Callable[..., Protocol]] = Registry("protocol")
"""By name; each takes a preset, choices of its own, and settings of a run by name."""


def name_of(task: str, preset: str) -> str:
    """The task at a preset: the miniature's twin at ``"mini"``."""
    return f"mini-{task}" if preset == "mini" else task


def config(preset: str, task: str, overrides: Mapping[str, Any], **settings: Any) -> RunConfig:
    """What is asked for comes before the protocol's own settings, and those before the preset's."""
    return config_for(preset, task, **{**SMALL.get(preset, {}), **settings, **overrides})


def crossed(
    preset: str, task: str, objectives: Sequence[str], seeds: Sequence[int], overrides: Mapping[str, Any]
) -> dict[Hashable, RunConfig]:
    """Each objective with each seed, by (objective, seed), seed after seed."""
    return {
        (objective, seed): config(preset, task, overrides, objective=objective, seed=seed)
        for seed in seeds
        for objective in objectives
    }


def few(preset: str) -> int:
    """Examples of each language and split for what moves the weights or takes gradients: :data:`FEW`, or fewer."""
    return REAL_FEW if preset == REAL else FEW


def uniform(configs: Mapping[Hashable, RunConfig], *measures: MeasureConfig, names: tuple[str, ...]) -> Protocol:
    """The same measures of every model, but F1, which tagging alone has."""
    by_kind = {
        kind: tuple(replace(one, names=tuple(n for n in one.names if n != "f1" or kind == "token")) for one in measures)
        for kind in ("sequence", "token")
    }
    return Protocol(configs, {key: by_kind[TASKS[config.task].kind] for key, config in configs.items()}, names)


def at_real(size: int) -> tuple[MeasureConfig, ...]:
    """What is measured of every classifier at the preset ``real``: all test examples in one pass, and English as well.

    Args:
        size: examples of each language of the development split.
    """
    free = [name for name in LABEL_FREE_MEASURES if name not in ("representation_distance", "dropout_agreement")]
    return (
        MeasureConfig(("representation_distance", *PREDICTED, *free), (), "test", 0),  # one pass gives them all
        MeasureConfig(PREDICTED, (), "dev", size),
    )


def scores(size: int) -> MeasureConfig:
    return MeasureConfig(("accuracy", "loss", "f1"), (), "test", size)
