"""What the papers leave open or their codes do otherwise: each option of an objective, a tuning or a measure, alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paper.protocols.base import ALPHA, FEW, PROTOCOLS, SIZE, Protocol, config, name_of
from paper.protocols.transfer import SETUPS
from xlgen.measures.measuring import MeasureConfig

AS_IT_IS = "as it is"
"""The setup that the options of its group are compared with."""
DETAILS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "mvr": {
        "one sampling for all epochs, the authors' rejection": {"faithful": True},
        "target at temperature 2": {"kl_t": 2.0},
        "the sampled segmentation as target": {"direction": "reverse"},
    },
    "rdrop": {
        "the first pass as target": {"direction": "forward"},
        "target at temperature 2": {"kl_t": 2.0},
    },
    "consistency": {
        "target held constant": {"detach": True},
        "the noisy weights as target": {"direction": "reverse"},
        "target at temperature 2": {"kl_t": 2.0},
    },
    "sam": {
        "new dropout masks in the second pass": {"same_dropout": False},
        "radius relative to the weights (ASAM)": {"adaptive": True, "rho": 0.5},
    },
    "fisher": {
        "true labels": {"labels": "true"},
        "double backward": {"method": "double_backward"},
    },
    "ewc": {
        "labels drawn from the model": {"labels": "sample"},
        "F not divided by its mean": {"normalise": "raw"},
    },
    "prompt": {"vectors drawn anew, none from the vocabulary": {"from_vocabulary": False}},
}
"""By objective or tuning, its options in words, with the settings that differ from the default."""
MEASURED: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "fisher_trace": {
        AS_IT_IS: {"labels": "model", "examples": 48},
        "labels drawn from the model": {"labels": "sample", "examples": 48},
        "true labels": {"labels": "true", "examples": 48},
    },
    "sharpness_difference": {
        AS_IT_IS: {"noise_seeds": (0, 1, 2)},
        "steps not projected into the ball": {"noise_seeds": (0, 1, 2), "project": False},
    },
    "sharpness_alpha": {
        AS_IT_IS: ALPHA,
        "radius relative to each weight": ALPHA | {"relative": True, "alpha_max": 1.0},
    },
}
"""By measure, its options in words, with their settings; of vanilla fine-tuning."""


@PROTOCOLS.register("details")
def details(
    preset: str = "mini", *, task: str = "", seeds: Sequence[int] = (0, 1, 2), size: int = SIZE, **overrides: Any
) -> Protocol:
    """What the papers leave open: each option of an objective or a tuning alone. Keys (group, option, seed).

    Args:
        preset: see :mod:`xlgen.training.presets`.
        task: XNLI or its miniature, unless given.
        seeds: random seeds.
        size: examples of each language and split for the scores.
        overrides: settings of a run, by name.
    """
    task, configs, measures = task or name_of("xnli", preset), {}, {}
    scored = MeasureConfig(("accuracy", "loss"), (), "test", size)
    for seed in seeds:
        vanilla = ("vanilla", AS_IT_IS, seed)
        configs[vanilla] = config(preset, task, overrides, seed=seed)
        measures[vanilla] = (scored, *measured())
        for group, options in DETAILS.items():
            base = {"ewc": SETUPS["ewc"], "prompt": {"tuning": "prompt"}}.get(group, {"objective": group})
            for option, settings in ({AS_IT_IS: {}} | dict(options)).items():
                configs[group, option, seed] = config(preset, task, overrides, **(base | settings), seed=seed)
                measures[group, option, seed] = (scored,)
    return Protocol(configs, measures, ("group", "option", "seed"))


def measured() -> tuple[MeasureConfig, ...]:
    """One configuration for each option of :data:`MEASURED`, in its order."""
    return tuple(
        MeasureConfig((measure,), (), "test", FEW, {measure: settings})
        for measure, options in MEASURED.items()
        for settings in options.values()
    )
