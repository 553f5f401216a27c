"""Tables, boxes and sentences of a page whose text was computed."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from paper import records
from paper.chapters.noise import NOISE_HEAD, noise_cells
from paper.published import Cell, contradictions, discrepancies, find
from xlgen.analysis import Correlation, Interval, signed
from xlgen.analysis.reliability import Disattenuated
from xlgen.analysis.rows import Row
from xlgen.core.errors import UnknownName

if TYPE_CHECKING:
    from IPython.display import HTML

NAMES = {
    "accuracy": "accuracy (test)",
    "dev_accuracy": "accuracy (dev)",
    "dev_loss": "loss (dev) [nats]",
    "dev_margin": "margin (dev)",
    "margin": "margin (test)",
    "dev_margin_p10": "margin, 10th percentile (dev)",
    "dev_margin_logit": "margin of logits (dev)",
    "dev_margin_logit_p10": "margin of logits, 10th p. (dev)",
    "dev_margin_correct": "margin, correct only (dev)",
    "sharpness_difference": "sharpness, difference [nats]",
    "sharpness_alpha": "sharpness, 1/α²",
}
"""How rows of :meth:`paper.records.Obtained.rows` are named on a page."""


def table(head: Sequence[object], body: Iterable[Sequence[object]], caption: str, *, dense: bool = False) -> HTML:
    """A table of a page; the first cell of each row names it.

    Args:
        head: names of the columns.
        body: the rows.
        caption: of the table.
        dense: in small print, a row a line or, of many columns, two; it scrolls if it is wider than the page.
    """
    from IPython.display import HTML

    def text(cell: object) -> str:
        return html.escape(re.sub(r"\[([^][,]*), ([^][,]*)\]", "[\\1,\N{NO-BREAK SPACE}\\2]", str(cell)))

    cells = "".join(f'<th scope="col">{text(cell)}</th>' if str(cell) else "<td></td>" for cell in head)
    lines = []
    for first, *rest in body:
        numbers = "".join(f"<td>{text(cell)}</td>" for cell in rest)
        lines.append(f'<tr><th scope="row">{text(first)}</th>{numbers}</tr>')
    looks = "dataframe dense" if dense else "dataframe"
    return HTML(
        f'<table class="{looks}"><caption>{html.escape(caption)}</caption><thead><tr>{cells}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def box(kind: str, title: str, *paragraphs: str) -> HTML:
    """An admonition (``"note"``, ``"warning"``, ``"important"``) whose text was computed."""
    from IPython.display import HTML

    text = "".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in paragraphs)
    return HTML(f'<div class="admonition {kind}"><p class="admonition-title">{html.escape(title)}</p>{text}</div>')


def show(*parts: HTML | None) -> None:
    """Show tables and boxes one below the other; what is ``None`` there is nothing to show of."""
    from IPython.display import display

    display(*(part for part in parts if part is not None))


def conflicts(*names: str) -> list[str]:
    """Where the papers contradict themselves or each other, and what is chosen here: a sentence or two each.

    Args:
        names: of rows of :func:`paper.published.contradictions`.

    Raises:
        UnknownName: there is no such row.
    """
    rows = {row.id: row for row in contradictions()}
    for name in names:
        if name not in rows:
            raise UnknownName("contradiction", name, rows)
    return [str(rows[name]) for name in names]


def own_contradictions(paper: str, tables: Collection[int]) -> HTML:
    """A box: where a paper contradicts itself in these tables, what is done here, and which numbers do not add up.

    Args:
        paper: key in the bibliography.
        tables: numbers of its tables.
    """

    def names_one(words: str) -> bool:
        lists = re.findall(r"Tables? ([\d, and]+)", words)
        return any(int(number) in tables for some in lists for number in re.findall(r"\d+", some))

    lines = [f"{row.places}: {row}" for row in contradictions() if row.papers == (paper,) and names_one(row.places)]
    lines += [
        f"{check.where[0].upper()}{check.where[1:]}: printed {check.printed}; {check.words}: {check.recomputed:.4g}."
        for check in discrepancies()
        if check.paper == paper and not check.explained and names_one(f"{check.where} {check.words}")
    ]
    return box("warning", "The paper contradicts itself", *lines)


def records_box(*found: records.Obtained) -> HTML:
    """A box: which models were trained here, and how far their numbers are from the committed records."""
    total, live = sum(len(part.runs) for part in found), sum(len(part.live) for part in found)
    were = "was" if live == 1 else "were"
    first = f"Of the {total} models of this protocol {live} {were} trained in this store, by this version of the code."
    if live < total:
        first += (
            f" The numbers of the other {total - live} are read from committed records, which “make records” wrote "
            "with the same version."
        )
    again = [difference for part in found for difference in part.comparison]
    if not again:
        return box("note", "Live or recorded", first)
    same = sum(one.relative == 0 for one in again)
    worst = max(again, key=lambda one: one.relative)
    models = len({one.key for one in again})
    second = (
        f"{models} of those trained here {'has' if models == 1 else 'have'} a record of another training too. {same} "
        f"of the {len(again)} recorded numbers were found again to the last bit"
    )
    if worst.relative:
        second += (
            f"; the largest relative difference is {worst.relative:.2g} ({worst.measure}, {worst.language}: "
            f"{worst.here:.6g} here, {worst.recorded:.6g} in the record). Another processor, or another version of "
            "torch or of this library, rounds otherwise, and training amplifies that."
        )
    else:
        second += "."
    return box("note", "Live or recorded", first, second)


def run_table(found: records.Obtained, **more: object) -> HTML:
    """What was run: encoder, training and seeds of a protocol's models, and what else the chapter says by name.

    The settings are those of the first model; what differs between models is for the chapter to say.
    """
    first = next(iter(found.runs.values()))
    config, manifest = first.config, first.manifest
    rows = {
        "encoder": "the shipped miniature" if config.model == "mini" else config.model,
        "training": f"{manifest['train_pairs']:,} examples, {config.epochs} epochs, {manifest['steps']:,} steps",
        "optimizer": f"AdamW, peak learning rate {config.lr:g}, clip {config.clip:g}",
        "seeds": ", ".join(map(str, sorted({run.config.seed for run in found.runs.values()}))),
    }
    rows |= {name.replace("_", " "): value for name, value in more.items()}
    return table(
        ("setting", "value"),
        rows.items(),
        f"What was run: {len(found.runs)} models, {len(found.live)} of them live",
    )


def correlation_table(
    ours: Mapping[str, Correlation], caption: str, noise: Mapping[str, Disattenuated | None] | None = None
) -> HTML:
    """Coefficients with intervals, rank correlations and the permutation p-value, a row each.

    Args:
        ours: by name of the row.
        caption: of the table.
        noise: by name of the row, how reliable the measure is and what r would be without noise, where that is known
            (:func:`paper.chapters.noise.noise`); without it the table has no such columns.
    """
    head = ["", "n", "Pearson's r", "95 %, Fisher z", "95 %, bootstrap", "p", "Spearman's ρ", "Kendall's τ"]
    head += NOISE_HEAD if noise is not None else ()
    body = []
    for name, c in ours.items():
        n = f"{c.n}" + (f" ({c.left_out} left out)" if c.left_out else "")
        if c.status != "ok":
            body.append((name, n, f"undefined: {c.reason}", *[""] * (len(head) - 3)))
            continue
        r, ends = (
            c.pearson,
            (f"[{signed(a)}, {signed(b)}]" for a, b in ((c.pearson.low, c.pearson.high), c.pearson.bootstrap)),
        )
        cells = (signed(r.value), *ends, f"{r.p:.2g}", signed(c.spearman.value), signed(c.kendall.value))
        body.append((name, n, *cells, *(noise_cells(noise.get(name)) if noise is not None else ())))
    return table(head, body, caption)


def saturation(rows: Iterable[Row]) -> HTML:
    """A box: in how many languages the α-search ended at an end of its bracket."""
    rows = [row for row in rows if row["measure"] == "sharpness_alpha"]
    counts = Counter(row["status"] for row in rows)
    if counts["ok"] == len(rows):
        return box("note", "No saturation", f"The α-search ended inside its bracket in all {len(rows)} cases.")
    meaning = {
        "hit_lower": "no α that was tried is tolerated, so 1/α² is at least the value",
        "hit_upper": "every α that was tried is tolerated, so 1/α² is at most the value",
    }
    ends = [
        f"{n} with status {status} ({meaning[status]}): "
        + ", ".join(sorted({row["language"] for row in rows if row["status"] == status}))
        for status, n in counts.items()
        if status != "ok"
    ]
    first = f"In {len(rows) - counts['ok']} of {len(rows)} cases the α-search ended at an end of its bracket: "
    last = "These values are bounds, not measurements. They are left out of every correlation and counted there."
    return box("warning", "Saturation", first + "; ".join(ends) + ".", last)


def adds(beyond: Interval | None) -> str:
    """Whether a measure says more than another one, in words, from the partial correlation of :func:`partial`."""
    if beyond is None:
        return "cannot be said, because one determines the other or a value is missing"
    told = "is not shown: the interval includes 0" if 0 in beyond else "is shown: the interval excludes 0"
    return f"{told} (partial r = {beyond})"


def published(task: str, measure: str, objective: str) -> Cell | None:
    """The paper's coefficient for a measure, as rows name it; its margin is the development split's (Figure 3)."""
    return None if measure == "margin" else find(task, measure.removeprefix("dev_"), objective)


def beside(task: str, measure: str, objective: str, ours: Correlation) -> str:
    """One sentence: our correlation, the paper's, and whether they agree."""
    cell, name = published(task, measure, objective), NAMES.get(measure, measure)
    if cell is None:
        return f"{name}, {objective}: the paper prints no correlation for {task.removeprefix('mini-')}. Ours: {ours}."
    return f"{name}, {objective} (Table {cell.table}, {cell.row}). {cell.beside(ours)}"


def unlearnt(reached: Iterable[Interval], guess: float, language: str) -> HTML | None:
    """A warning, if no model is shown to be better than one that always gives the commonest answer.

    Args:
        reached: accuracy of each model in a language.
        guess: share of that answer (:func:`paper.chapters.commonest`).
        language: as it is named on the page.
    """
    reached = list(reached)
    if any(one.low > guess for one in reached):
        return None
    return box(
        "warning",
        "Nothing has been learnt here",
        f"No model does better in {language} than to give the commonest answer always, right in {guess:.1%} of "
        f"the examples: the highest accuracy is {max(one.value for one in reached):.1%}. What follows compares models "
        "that have not learnt the task. More training examples (train_size) or epochs are needed.",
    )
