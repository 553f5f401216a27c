"""anonymous2021frustratingly: five settings of the hyper-parameters, and an extreme learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from paper.protocols.base import PROTOCOLS, SIZE, Protocol, config, name_of, scores, uniform
from paper.protocols.transfer import SETUPS
from paper.published import printed_table, statements
from paper.published.sensitivity import PAPER, TITLES, setting
from paper.published.sensitivity import SETUPS as NAMES
from xlgen.data.catalogue import TASKS


@PROTOCOLS.register("settings")
def settings(
    preset: str = "mini",
    *,
    tasks: Sequence[str] = (),
    setups: Sequence[str] = ("vanilla", "l2"),
    size: int = SIZE,
    **overrides: Any,
) -> Protocol:
    """anonymous2021frustratingly, Tables 3, 4, 10 to 13: five settings. Keys (task, setup, number of the setting)."""
    tasks = tasks or tuple(name_of(task, preset) for task in TITLES)
    configs = {
        (task, setup, int(row["Setting"])): config(
            preset, task, overrides, **SETUPS[setup], **_scaled(preset, task, setup, row, overrides)
        )
        for task in tasks
        for setup in setups
        for row in _table10(task, setup)
    }
    return uniform(configs, scores(size), names=("task", "setup", "setting"))


@PROTOCOLS.register("extreme")
def extreme(
    preset: str = "mini",
    *,
    tasks: Sequence[str] = (),
    setups: Sequence[str] = ("vanilla", "l2"),
    size: int = SIZE,
    **overrides: Any,
) -> Protocol:
    """anonymous2021frustratingly, Table 14: an extreme learning rate. Keys (task, setup)."""
    tasks = tasks or tuple(name_of(task, preset) for task in TITLES)
    printed = next(float(one.printed) for one in statements() if one.id == "l2-extreme-lr")
    configs = {
        (task, setup): config(
            preset, task, overrides, **SETUPS[setup], lr=_digits(printed * _unit(preset, task, overrides))
        )
        for task in tasks
        for unit in [_unit(preset, task, overrides)]
        for setup in setups
    }
    return uniform(configs, scores(size), names=("task", "setup"))


def beside_table10(protocol: Protocol) -> list[tuple[str, ...]]:
    """A row a task and setting: rate, warm-up and epochs as printed, and those of our runs; L2's where they differ."""
    rows = []
    for task, number in dict.fromkeys((task, number) for task, _, number in protocol.configs):
        both = []
        for setup in NAMES:
            ours = protocol.configs[task, setup, number]
            printed = setting(task, setup, number)
            both.append((*printed, f"{ours.lr:.2g}", f"{ours.warmup:.1%}", f"{ours.epochs}"))
        cells = (v if v == l2 else f"{v}; L2 {l2}" for v, l2 in zip(*both, strict=True))
        rows.append((f"{task}, {number}", *cells))
    return rows


def _table10(task: str, setup: str) -> list[dict[str, str]]:
    """Its rows of a task, vanilla or with L2."""
    title, name = TITLES[task.removeprefix("mini-")], NAMES[setup]
    table = printed_table(PAPER, 10)
    rows = ({"name": row} | {column: table.cell(row, column).printed for column in table.columns} for row in table.rows)
    return [
        row | {"Setting": row["name"].split(", ")[2]} for row in rows if row["name"].startswith(f"{title}, {name}, ")
    ]


def _unit(preset: str, task: str, overrides: Mapping[str, Any]) -> float:
    """What a printed learning rate is multiplied by.

    The papers' encoders take it as printed. The miniature's own learning rate stands for the geometric mean of the
    five of the task.
    """
    usual = config(preset, task, overrides)
    if usual.model != "mini":
        return 1.0
    rates = [math.log(float(row["LR"])) for row in _table10(task, "vanilla")]
    return usual.lr / math.exp(sum(rates) / len(rates))


def _scaled(preset: str, task: str, setup: str, row: Mapping[str, str], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A row of Table 10 as settings of a run.

    Warm-up is printed in steps; its share of the paper's steps is kept. At the preset ``"mini"`` the epochs keep
    their ratio to the mean of the five vanilla settings, which stands for the preset's own number.
    """
    name, epochs = task.removeprefix("mini-"), float(row["Epochs"])
    size = TASKS[name].sizes["train"]
    pairs = size["en"] if isinstance(size, Mapping) else size
    warmup = float(row["Warmup steps"]) / (epochs * math.ceil(pairs / 32))
    if preset == "mini":
        five = [float(other["Epochs"]) for other in _table10(task, "vanilla")]
        epochs = max(1, round(config(preset, task, overrides).epochs * epochs * len(five) / sum(five)))
    return {
        "lr": _digits(float(row["LR"]) * _unit(preset, task, overrides)),
        "warmup": _digits(warmup),
        "epochs": int(epochs),
    }


def _digits(value: float) -> float:
    """Four digits: a run is named by its settings, and the last bit of a logarithm depends on the machine."""
    return float(f"{value:.4g}")
