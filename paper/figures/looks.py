"""One style for every figure, and one colour and marker for each objective and setup."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from importlib import resources

import matplotlib.pyplot as plt

INK = "#333333"

FAINT = "#767676"


@dataclass(frozen=True)
class Look:
    """How an objective is drawn on every page: the marker differs too, so that colour is never needed."""

    colour: str
    marker: str


LOOKS: dict[str, Look] = {
    "baseline": Look(INK, "o"),
    "sam": Look("#0072B2", "s"),
    "fisher": Look("#D55E00", "^"),
    "mvr": Look("#009E73", "D"),
}
"""By objective. To give a new objective a look of its own, add a row."""

SETUPS: dict[str, Look] = {
    "vanilla": LOOKS["baseline"],
    "l2": Look("#0072B2", "s"),
    "ewc": Look("#D55E00", "^"),
    "prompt": Look("#CC79A7", "P"),
    "bitfit": Look("#D55E00", "^"),
    "adapter": Look("#009E73", "D"),
}
"""By setup of anonymous2021frustratingly; no figure has both EWC and BitFit."""

SPARE = tuple(Look(colour, marker) for marker in "vP<X>" for colour in ("#CC79A7", "#0072B2", "#D55E00", "#009E73"))


def look(objective: str) -> Look:
    """The look of an objective; one without a row in :data:`LOOKS` gets a spare one, always the same."""
    return LOOKS.get(objective) or SPARE[zlib.crc32(objective.encode()) % len(SPARE)]


def use_style() -> None:
    """Use the book's style from here on."""
    with resources.as_file(resources.files("paper") / "xlgen.mplstyle") as path:
        plt.style.use(path)
