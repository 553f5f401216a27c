"""The ledger as HTML: tables whose rows can be filtered, and boxes. Without scripts every row is visible."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from paper.ledger.choices import Choice
from paper.ledger.claims import CHAPTERS
from paper.ledger.rates import Rate
from paper.ledger.table import NOT_RUN, OUTCOMES, Row
from paper.published import PAPERS, Check, Contradiction
from xlgen.analysis import AGREES, CANNOT_SAY, DISAGREES, SIGN_ONLY

if TYPE_CHECKING:
    from IPython.display import HTML

LOOKS = {
    AGREES: ("✓", "#0072B2", ""),
    SIGN_ONLY: ("≈", "#56B4E9", "//"),
    DISAGREES: ("✗", "#D55E00", "xx"),
    CANNOT_SAY: ("?", "#BBBBBB", ""),
    NOT_RUN: ("–", "#FFFFFF", ".."),
}
"""Sign, colour and hatch of each verdict: no two are told apart by the colour alone."""

_SCRIPT = """
<script>
(() => {
  const start = () => {
    const bar = document.querySelector(".ledger-filter"), picks = [...bar.querySelectorAll("select")];
    const show = () => {
      const rows = [...document.querySelectorAll("table.ledger tbody tr")];
      for (const row of rows) row.hidden = picks.some(p => p.value && row.dataset[p.name] !== p.value);
      bar.querySelector("output").textContent = rows.filter(row => !row.hidden).length + " of " + rows.length + " rows";
    };
    bar.addEventListener("change", show);
    bar.hidden = false;
    show();
  };
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", start) : start();
})();
</script>
"""


def register(rows: Iterable[Row], caption: str, pages: Mapping[str, str]) -> HTML:
    """One line a claim and scale.

    Args:
        rows: of :func:`paper.ledger.rows`.
        caption: of the table.
        pages: address of each chapter's page, by the chapter's name; a chapter without one is named only.
    """
    head = ("Item and claim", "Paper", "Ours, interval, scale", "Verdict", "Chapter and runs")
    cells = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in head)
    return _html(
        '<div class="ledger-scroll" style="overflow-x: auto"><table class="dataframe ledger">'
        f"<caption>{_text(caption)}</caption><thead><tr>{cells}</tr></thead>"
        f"<tbody>{''.join(_line(row, pages) for row in rows)}</tbody></table></div>"
    )


def _line(row: Row, pages: Mapping[str, str]) -> str:
    scale = row.scale or NOT_RUN
    facts = {"paper": row.paper, "verdict": row.verdict, "scale": scale, "chapter": row.chapter}
    data = "".join(f' data-{key}="{_text(value)}"' for key, value in facts.items())
    basis = f"n = {row.n}, seed{'s' * (len(row.seeds) != 1)} {_ranges(row.seeds)}" if row.n else ""
    source = f"{row.scale}, {'live' if row.live else 'record'}" if row.scale else ""
    silent = "a procedure" if row.claim.kind == "procedure" else "a direction"
    sign, colour, _ = LOOKS[row.verdict]
    badge = f'<span class="verdict" style="border-color: {colour}">{sign} {_text(row.verdict)}</span>'
    return (
        f'<tr id="{_text(row.claim.id)}{"-" + row.scale.replace(" ", "-") if row.scale else ""}"{data}>'
        f'<th scope="row"><strong>{_text(row.item)}</strong> {_text(row.sentence)}</th>'
        f"<td>{_lines(row.number) or silent}</td><td>{_lines(row.ours)}{_small(basis)}{_small(source)}</td>"
        f"<td>{badge}{_small(row.because)}</td>"
        f"<td>{_link(row.chapter, pages)}{_runs(row.run_keys)}</td></tr>"
    )


def _runs(keys: Sequence[str]) -> str:
    if not keys:
        return ""
    listed = " ".join(f"<code>{_text(key[:8])}</code>" for key in keys)
    return f"<details><summary>{len(keys)} run{'s' * (len(keys) != 1)}</summary>{listed}</details>"


def _ranges(numbers: Sequence[int]) -> str:
    """Whole numbers with runs shortened: ``0–7``, ``0, 2``."""
    groups: list[list[int]] = []
    for number in sorted(set(numbers)):
        if groups and number == groups[-1][-1] + 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    return ", ".join(f"{g[0]}–{g[-1]}" if len(g) > 2 else ", ".join(map(str, g)) for g in groups)


def error_rates(rates: Iterable[Rate]) -> HTML:
    """A table of :func:`paper.ledger.error_rates`, in percent with the standard error of the simulation."""
    head = ("What is so", "Wrong then", "Promised at most [%]", "Found [%]", "Of those settled [%]")
    cells = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{_text(rate.situation)}</th><td>{_text(rate.error)}</td>'
        f"<td>{'nothing' if math.isnan(rate.promised) else f'{100 * rate.promised:g}'}</td>"
        f"<td>{100 * rate.value:.1f} ± {100 * rate.stderr:.1f}</td>"
        f"<td>{'none' if math.isnan(rate.of_settled) else f'{100 * rate.of_settled:.1f}'}</td></tr>"
        for rate in rates
    )
    caption = "How often a verdict is wrong, by simulation (± standard error at the promised rate)"
    return _html(
        f'<table class="dataframe"><caption>{_text(caption)}</caption><thead><tr>{cells}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def controls(rows: Iterable[Row]) -> HTML:
    """Menus that hide rows of every :func:`register` of the page; they appear only where scripts run."""
    rows = tuple(rows)
    menus = {
        "verdict": [word for word in OUTCOMES if any(row.verdict == word for row in rows)],
        "paper": list(dict.fromkeys(row.paper for row in rows)),
        "scale": list(dict.fromkeys(row.scale or NOT_RUN for row in rows)),
        "chapter": [name for name in CHAPTERS if any(row.chapter == name for row in rows)],
    }
    labels = "".join(
        f'<label>{name} <select name="{name}"><option value="">all</option>'
        + "".join(f"<option>{_text(word)}</option>" for word in words)
        + "</select></label> "
        for name, words in menus.items()
    )
    return _html(f'<div class="ledger-filter" hidden>{labels}<output></output></div>{_SCRIPT}')


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
        boxes.append(_box("warning", title, text.replace(" -", " −")))
    small = [f"{check}.".replace(f" of {check.paper}", "") for check in checks if check.explained]
    return _html("".join((*boxes, _box("note", "In the last digit", *small))))


def conflicts(
    found: Iterable[Contradiction], rows: Sequence[Row], said: Iterable[Choice], pages: Mapping[str, str]
) -> HTML:
    """A box for each contradiction: what does not go together, what is done here, and how much it matters.

    Args:
        found: the contradictions.
        rows: of the ledger; those of a contradiction's claims stand in its box, with their verdicts.
        said: of :func:`paper.ledger.choices`.
        pages: as in :func:`register`.
    """
    said = tuple(said)
    return _html("".join(_conflict(one, rows, said, pages) for one in found))


def _conflict(one: Contradiction, rows: Sequence[Row], said: Sequence[Choice], pages: Mapping[str, str]) -> str:
    parts = [f"<p>{_text(one.sentence)}</p><p><strong>Here:</strong> {_text(one.choice)}</p>"]
    parts += [
        f"<p><strong>How much it matters</strong> ({_link(each.chapter, pages)}): {_text(each.sentence)}</p>"
        for each in said
        if each.contradiction == one.id
    ]
    if one.chapters:
        parts.append(f"<p>More in: {', '.join(_link(name, pages) for name in one.chapters)}.</p>")
    judged = [row for row in rows if row.claim.id in one.claims and row.scale]
    items = "".join(
        f"<li>{_text(row.item)}: {_text(row.sentence)} <em>{LOOKS[row.verdict][0]} {_text(row.verdict)}</em> "
        f"({_text(row.scale)}; {_text(row.ours)})</li>"
        for row in judged
    )
    parts += [f"<p>In the ledger:</p><ul>{items}</ul>"] if items else []
    title = f"{one.places[0].upper()}{one.places[1:]}"
    return f'<div class="admonition warning"><p class="admonition-title">{_text(title)}</p>{"".join(parts)}</div>'


def _box(kind: str, title: str, *paragraphs: str) -> str:
    text = "".join(f"<p>{_text(paragraph)}</p>" for paragraph in paragraphs)
    return f'<div class="admonition {kind}"><p class="admonition-title">{_text(title)}</p>{text}</div>'


def _link(chapter: str, pages: Mapping[str, str]) -> str:
    title = _text(CHAPTERS.get(chapter, chapter))
    return f'<a href="{_text(pages[chapter])}">{title}</a>' if chapter in pages else title


def _lines(words: str) -> str:
    return _text(words).replace("\n", "<br/>")


def _small(words: str) -> str:
    return f"<br/><small>{_text(words)}</small>" if words else ""


def _text(words: str) -> str:
    return html.escape(words)


def _html(text: str) -> HTML:
    from IPython.display import HTML

    return HTML(text)
