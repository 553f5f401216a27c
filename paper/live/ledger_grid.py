"""The ledger at a glance: its tables and figures by verdict."""

from __future__ import annotations

import html
from collections.abc import Iterable

from paper.ledger.page import LOOKS
from paper.ledger.table import OUTCOMES, Row
from paper.live.embed import Live

BLACK_ON = ("#56B4E9", "#D55E00", "#BBBBBB", "#FFFFFF")
"""Colours of :data:`paper.ledger.page.LOOKS` on which black text has the larger contrast; white has it on the rest."""


def ledger_grid(rows: Iterable[Row], *, name: str = "ledger-grid", caption: str = "") -> Live:
    """A line for each table and figure with the number of its rows by verdict, each a link to the first of them.

    A click also leaves only those rows in the tables that :func:`paper.ledger.page.register` has put on the page.

    Args:
        rows: of :func:`paper.ledger.rows`.
        name: of the figure.
        caption: below the figure.
    """
    items: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        items.setdefault((row.paper, row.item), []).append(row)
    head = "".join(
        f'<th scope="col" style="{colours(verdict)}">{LOOKS[verdict][0]} {html.escape(verdict)}</th>'
        for verdict in OUTCOMES
    )
    lines = "".join(
        f'<tr data-paper="{html.escape(paper)}"><th scope="row">{html.escape(f"{paper}, {item}")}</th>'
        + "".join(_cell(f"{paper}, {item}", verdict, found) for verdict in OUTCOMES)
        + "</tr>"
        for (paper, item), found in items.items()
    )
    alt = f"The {len(items)} tables and figures of the papers by verdict"
    table = (
        f'<div class="live-scroll" tabindex="0" role="region" aria-label="{alt}"><table class="live-grid">'
        f'<thead><tr><th scope="col">Table or figure</th>{head}</tr></thead><tbody>{lines}</tbody></table></div>'
    )
    papers = list(dict.fromkeys(paper for paper, _ in items))
    return Live(name, "ledger_grid", {"papers": papers, "verdicts": OUTCOMES}, table, caption, alt)


def address(row: Row) -> str:
    """The anchor of a row in the tables of :func:`paper.ledger.page.register`."""
    return row.claim.id + (f"-{row.scale.replace(' ', '-')}" if row.scale else "")


def _cell(item: str, verdict: str, rows: list[Row]) -> str:
    found = [address(row) for row in rows if row.verdict == verdict]
    if not found:
        return "<td></td>"
    label = html.escape(f"{item}: {verdict}, {len(found)} row{'s' * (len(found) != 1)}")
    return (
        f'<td style="{colours(verdict)}"><a href="#{html.escape(found[0])}" data-verdict="{html.escape(verdict)}" '
        f'data-rows="{html.escape(" ".join(found))}" aria-label="{label}">{LOOKS[verdict][0]} {len(found)}</a></td>'
    )


def colours(verdict: str) -> str:
    """Style of a cell: the colour of a verdict under black or white text."""
    colour = LOOKS[verdict][1]
    return f"background-color: {colour}; color: {'black' if colour in BLACK_ON else 'white'}"
