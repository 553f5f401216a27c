"""The ledger as HTML: tables and boxes that unfold, also without scripts, which only choose what is shown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from paper.ledger.choices import Choice
from paper.ledger.claims import CHAPTERS, KINDS
from paper.ledger.joined import Joint
from paper.ledger.rates import Rate
from paper.ledger.table import CARRIED_OUT, NOT_RUN
from paper.published import PAPERS, Check, Contradiction
from paper.templates import render
from xlgen.analysis import AGREES, CANNOT_SAY, DISAGREES, SIGN_ONLY

if TYPE_CHECKING:
    from IPython.display import HTML

LOOKS = {
    AGREES: ("✓", "#0072B2", ""),
    SIGN_ONLY: ("≈", "#56B4E9", "//"),
    DISAGREES: ("✗", "#D55E00", "xx"),
    CANNOT_SAY: ("?", "#BBBBBB", ""),
    CARRIED_OUT: ("○", "#009E73", "--"),
    NOT_RUN: ("–", "#FFFFFF", ".."),
}
"""Sign, colour and hatch of each verdict: no two are told apart by the colour alone."""


def register(joints: Iterable[Joint], caption: str, pages: Mapping[str, str]) -> HTML:
    """A table that unfolds, one line a claim and scale, and below it one for each other criterion.

    Args:
        joints: of :func:`paper.ledger.joined`.
        caption: of the table.
        pages: address of each chapter's page, by the chapter's name; a chapter without one is named only.
    """
    helpers = {"ranges": _ranges, "thousands": _thousands, "choose": choose, "kinds": KINDS}
    return _render("register", joints=tuple(joints), caption=caption, pages=pages, **helpers)


def choose(joint: Joint) -> dict[str, str]:
    """The attributes by which the menus of :func:`paper.live.ledger_grid` choose a line; several values by ``|``."""
    values = {
        "paper": [joint.paper],
        "item": [f"{joint.paper}, {item}" for item in joint.items],
        "verdict": [joint.verdict],
        "scale": [joint.scale or NOT_RUN],
        "chapter": joint.chapters,
    }
    return {f"data-{name}": "|".join(words) for name, words in values.items()}


def fold(title: str, shown: HTML) -> HTML:
    """What a cell shows under a title that unfolds it."""
    return _render("fold", title=title, shown=shown.data)


def _ranges(numbers: Sequence[int]) -> str:
    """Whole numbers with runs shortened: ``0–7``, ``0, 2``."""
    groups: list[list[int]] = []
    for number in sorted(set(numbers)):
        if groups and number == groups[-1][-1] + 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    return ", ".join(f"{g[0]}–{g[-1]}" if len(g) > 2 else ", ".join(map(str, g)) for g in groups)


def _thousands(numbers: Sequence[int]) -> str:
    return " and ".join(f"{number:,}" for number in numbers)


def error_rates(rates: Iterable[Rate]) -> HTML:
    """A table of :func:`paper.ledger.error_rates`, in percent with the standard error of the simulation."""
    return _render("error_rates", rates=tuple(rates), isnan=math.isnan)


def discrepancies(checks: Iterable[Check]) -> HTML:
    """A box for each printed number that rounding cannot explain, and one with all that it can.

    Args:
        checks: of :func:`paper.published.discrepancies`.
    """
    checks, relations, boxes = list(checks), {"=": "", ">=": "at least ", "<=": "at most "}, []
    for check in (one for one in checks if not one.explained):
        title = f"{PAPERS[check.paper].name}: {check.where.replace(f' of {check.paper}', '')}"
        text = (
            f"Printed: {relations[check.relation]}{check.printed}. Recomputed, {check.words}: {check.recomputed:.4g}. "
            f"Rounding of the cells can make a difference of {check.slack:.2g} at most. The ledger takes the number of "
            "the table."
        )
        boxes.append(("warning", title, [text.replace(" -", " −")]))
    small = [f"{check}.".replace(f" of {check.paper}", "") for check in checks if check.explained]
    return _render("boxes", boxes=[*boxes, ("note", "In the last digit", small)])


def conflicts(
    contradictions: Iterable[Contradiction],
    joints: Sequence[Joint],
    choices: Iterable[Choice],
    pages: Mapping[str, str],
) -> HTML:
    """A box that unfolds for each contradiction: what does not go together, what is done here, and how much it matters.

    Args:
        contradictions: of :func:`paper.published.contradictions`.
        joints: of the ledger; those of a contradiction's claims stand in its box, with their verdicts.
        choices: of :func:`paper.ledger.choices`.
        pages: as in :func:`register`.
    """
    return _render("conflicts", conflicts=tuple(contradictions), joints=joints, choices=tuple(choices), pages=pages)


def _render(template: str, **content: Any) -> HTML:
    return render(template, **content, chapters=CHAPTERS, looks=LOOKS)
