"""The ledger at a glance: its tables and figures by verdict, and menus for all tables of its page."""

from __future__ import annotations

import html
from collections.abc import Iterable

from paper.ledger.claims import CHAPTERS
from paper.ledger.joined import Joint
from paper.ledger.page import LOOKS
from paper.ledger.table import NOT_RUN, OUTCOMES
from paper.live.embed import Live
from paper.published import PAPERS

BLACK_ON = ("#56B4E9", "#D55E00", "#BBBBBB", "#009E73", "#FFFFFF")
"""Colours of :data:`paper.ledger.page.LOOKS` on which black text has the larger contrast; white has it on the rest."""


def ledger_grid(joints: Iterable[Joint]) -> Live:
    """A line for each table and figure with the number of its claims by verdict, each a link to the first of them.

    A claim of two figures is counted in the line of each. The menus, and a click on a number, also leave only those
    claims in the tables that :func:`paper.ledger.page.register` has put on the page.

    Args:
        joints: of :func:`paper.ledger.joined`.
    """
    joints = tuple(joints)
    items = {
        (paper.name, item): [joint for joint in joints if joint.paper == paper.name and item in joint.items]
        for paper in PAPERS.values()
        for item in paper.items
    }
    head = "".join(
        f'<th scope="col" style="{colours(verdict)}">{LOOKS[verdict][0]} {html.escape(verdict)}</th>'
        for verdict in OUTCOMES
    )
    lines = "".join(
        f'<tr data-paper="{html.escape(paper)}" data-item="{html.escape(f"{paper}, {item}")}">'
        f'<th scope="row">{html.escape(f"{paper}, {item}")}</th>'
        + "".join(_cell(f"{paper}, {item}", verdict, found) for verdict in OUTCOMES)
        + "</tr>"
        for (paper, item), found in items.items()
    )
    alt = f"The {len(items)} tables and figures of the papers by verdict"
    table = (
        f'<div class="live-scroll" tabindex="0" role="region" aria-label="{alt}"><table class="live-grid">'
        f'<thead><tr><th scope="col">Table or figure</th>{head}</tr></thead><tbody>{lines}</tbody></table></div>'
    )
    menus = {
        "paper": list(dict.fromkeys(paper for paper, _ in items)),
        "item": [f"{paper}, {item}" for paper, item in items],
        "verdict": [word for word in OUTCOMES if any(joint.verdict == word for joint in joints)],
        "scale": list(dict.fromkeys(joint.scale or NOT_RUN for joint in joints)),
        "chapter": [name for name in CHAPTERS if any(name in joint.chapters for joint in joints)],
    }
    return Live("ledger-grid", "ledger_grid", {"menus": menus, "names": {"item": "table or figure"}}, table, "", alt)


def _cell(item: str, verdict: str, joints: list[Joint]) -> str:
    found = [joint.id for joint in joints if joint.verdict == verdict]
    if not found:
        return "<td></td>"
    label = html.escape(f"{item}: {verdict}, {len(found)} claim{'s' * (len(found) != 1)}")
    return (
        f'<td style="{colours(verdict)}"><a href="#{html.escape(found[0])}" data-verdict="{html.escape(verdict)}" '
        f'aria-label="{label}">{LOOKS[verdict][0]} {len(found)}</a></td>'
    )


def colours(verdict: str) -> str:
    """Style of a cell: the colour of a verdict under black or white text."""
    colour = LOOKS[verdict][1]
    return f"background-color: {colour}; color: {'black' if colour in BLACK_ON else 'white'}"
