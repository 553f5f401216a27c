"""What the chapters on fine-tuned models share: what is measured on what, results as rows, tables and boxes of a page.

Every chapter measures with :func:`study_measures`, so that a model that two chapters need is trained and measured once.
"""

from __future__ import annotations

import html
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlgen import records, study
from xlgen.analysis import AnalysisError, Correlation, Interval, paired, partial_correlation, signed, verdict
from xlgen.analysis.rows import Row, Run
from xlgen.config import RunOptions
from xlgen.errors import ConfigError, UnknownName
from xlgen.notebook import LEDGER, root
from xlgen.published import Published, find
from xlgen.study import MeasureConfig
from xlgen.tasks import Task

if TYPE_CHECKING:
    from IPython.display import HTML

PREDICTED = ("accuracy", "loss", "margin", "margin_p10", "margin_logit", "margin_logit_p10")
"""Measures that are functions of the predictions alone."""

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
"""How rows of :func:`collect` are named on a page."""

MIN_TARGETS = 5
"""Fewest target languages of a chapter: a partial correlation has no interval with four."""


def words(value: object, kind: type = str) -> list[Any]:
    """A parameter that is a list, in any form in which papermill may hand it over.

    >>> words("en, de"), words("0,1", int), words(3, int), words(["en"])
    (['en', 'de'], [0, 1], [3], ['en'])

    Raises:
        ConfigError: an entry is not of that kind.
    """
    items = list(value) if isinstance(value, (list, tuple)) else [w.strip() for w in str(value).split(",") if w.strip()]
    try:
        return [kind(item) for item in items]
    except (TypeError, ValueError):
        raise ConfigError(f"{value!r} is no list of {kind.__name__}; expected entries separated by commas.") from None


def given(**parameters: object) -> dict[str, Any]:
    """The parameters that were set: those that are neither ``None`` nor an empty text."""
    return {name: value for name, value in parameters.items() if value is not None and value != ""}


def options_for(store: str = "", data_dir: str = "", text_dir: str = "", threads: int = 1) -> RunOptions:
    """How a chapter runs, from its parameters of these names.

    Args:
        store: folder of trained models and measures; empty is ``runs/`` of the checkout.
        data_dir: folder with the official archives; empty is the hub.
        text_dir: plain text, a file or a folder; empty is the model's own.
        threads: CPU threads of each process.
    """
    data, text = (Path(name).expanduser() if name else None for name in (data_dir, text_dir))
    folder = Path(store).expanduser() if store else root() / "runs"
    return RunOptions(store=folder, data_dir=data, text_dir=text, threads=threads, progress=False)


def ledger_folder(store: Path | None = None) -> Path:
    """Where a chapter writes its evidence for the ledger.

    While the book is built it is a folder of the book, which only chapters of that build write to. A chapter that is
    run by hand, perhaps with other parameters, writes beside its results.

    Args:
        store: folder of the results; by default ``runs/`` of the checkout.
    """
    return Path(os.environ[LEDGER]) if os.environ.get(LEDGER) else (store or root() / "runs") / "ledger"


def scale_of(preset: str, changed: Mapping[str, object]) -> str:
    """The ledger's scale of runs with a preset; one whose settings are changed is not the paper's."""
    return {"mini": "miniature", "paper": "real data" if changed else "paper"}.get(preset, "real data")


def spoken(task: Task, languages: Sequence[str] = ()) -> tuple[str, ...]:
    """The languages to measure: the source language, then those asked for in the order of the task; none means all.

    Raises:
        UnknownName: the task has no such language.
        ConfigError: too few to correlate over.
    """
    for language in languages:
        if language not in task.languages:
            raise UnknownName(f"language of {task.name}", language, task.languages)
    chosen = [code for code in task.languages if code == task.source_language or not languages or code in languages]
    if len(chosen) - 1 < MIN_TARGETS:
        raise ConfigError(
            f"languages names {len(chosen) - 1} besides {task.source_language!r}; expected at least {MIN_TARGETS} to "
            "correlate over."
        )
    return tuple(chosen)


def study_measures(
    *,
    languages: Sequence[str] = (),
    size: int = 0,
    sharpness_size: int = 200,
    alpha_size: int = 48,
    noise_scale: float = 0.001,
    noise_seeds: Sequence[int] = (0, 1, 2),
    criterion: str = "accuracy_deviation",
    threshold: float = 0.1,
) -> tuple[MeasureConfig, ...]:
    """What the chapters measure: predictions on both splits; what moves the weights on a few test examples.

    The α-search takes one start, three ascent steps and seven bisections of [1e-5, 0.1] (a final bracket of 7.5 %).

    Args:
        languages: of the task; none means all.
        size: examples of each language for accuracy, loss and margins; 0 is all of them.
        sharpness_size: test examples of each language for φ_difference.
        alpha_size: test examples of each language for the α-search, at most ``sharpness_size``.
        noise_scale: standard deviation of φ_difference's noise.
        noise_seeds: its draws.
        criterion: of the α-search.
        threshold: of the criterion.
    """
    alpha = {"criterion": criterion, "threshold": threshold, "examples": alpha_size}
    settings = {
        "sharpness_difference": {"noise_scale": noise_scale, "noise_seeds": tuple(noise_seeds)},
        "sharpness_alpha": alpha | {"alpha_min": 1e-5, "bisections": 7, "restarts": 1, "steps": 3},
    }
    languages = tuple(languages)
    return (
        MeasureConfig(PREDICTED, languages, "dev", size),
        MeasureConfig(PREDICTED, languages, "test", size),
        MeasureConfig((*settings, "frobenius"), languages, "test", sharpness_size, settings),
    )


def collect(
    runs: Sequence[study.Run], configs: Iterable[MeasureConfig], options: RunOptions, workers: int = 2
) -> list[dict[str, Any]]:
    """Measure what the store does not have, and arrange everything as rows for :mod:`xlgen.analysis`.

    Measures of the development split are named ``dev_…``. Each margin is followed by ``…_correct``: the same statistic
    over the correctly classified examples.

    Returns:
        One row for each run, measure and language: ``objective``, ``seed``, ``language``, ``measure`` and the
        attributes of the :class:`~xlgen.measures.Value`.
    """
    rows = []
    for config in configs:
        prefix = "" if config.split == "test" else f"{config.split}_"
        for run, measured in zip(runs, study.measure_many(runs, config, options, workers), strict=True):
            who = {"objective": run.config.objective, "seed": run.config.seed}
            for name, values in measured.items():
                for language, value in values.items():
                    row = who | {"language": language, "measure": prefix + name} | asdict(value)
                    rows.append(row)
                    if "correct_only" in value.extra:
                        rows.append(_correct_only(row))
    return rows


def _correct_only(row: Row) -> dict[str, Any]:
    extra = row["extra"]
    n, status = extra["n_correct"], "ok" if extra["n_correct"] else "none_correct"
    value, stderr = extra["correct_only"], extra["correct_only_stderr"]
    new = {"measure": f"{row['measure']}_correct", "value": value, "stderr": stderr, "n": n, "status": status}
    return dict(row) | new | {"on": f"{row['on']}, correctly classified", "extra": {}}


def column(rows: Iterable[Row], measure: str, run: Run, without: Sequence[str] = ()) -> dict[str, Row]:
    """The rows of one measure of one run, by language."""
    return {
        row["language"]: row
        for row in rows
        if row["measure"] == measure and (row["objective"], row["seed"]) == run and row["language"] not in without
    }


def partial(rows: Iterable[Row], measure: str, fixed: str, run: Run, without: Sequence[str] = ()) -> Interval | None:
    """Correlation of a measure with test accuracy at a fixed value of another; ``None`` where there is none."""
    rows = list(rows)
    x, z = paired(rows, measure, without=without)[run], paired(rows, fixed, without=without)[run]
    if {*x.status, *z.status} != {"ok"}:
        return None
    try:
        return partial_correlation(x.x, x.y, z.x)
    except AnalysisError:  # the fixed measure determines one of the two
        return None


def adds(beyond: Interval | None) -> str:
    """Whether a measure says more than another one, in words, from the partial correlation of :func:`partial`."""
    if beyond is None:
        return "cannot be said, because one determines the other or a value is missing"
    told = "is not shown: the interval includes 0" if 0 in beyond else "is shown: the interval excludes 0"
    return f"{told} (partial r = {beyond})"


def published(task: str, measure: str, objective: str) -> Published | None:
    """The paper's coefficient for a measure of :func:`collect`; its margin is the development split's (Figure 3)."""
    return None if measure == "margin" else find(task, measure.removeprefix("dev_"), objective)


def beside(task: str, measure: str, objective: str, ours: Correlation) -> str:
    """One sentence: our correlation, the paper's, and whether they agree."""
    cell, name = published(task, measure, objective), NAMES.get(measure, measure)
    if cell is None:
        return f"{name}, {objective}: the paper prints no correlation for {task.removeprefix('mini-')}. Ours: {ours}."
    return f"{name}, {objective} (Table {cell.table}, {cell.row}). {verdict(cell.value, ours).sentence}"


def correlation_table(ours: Mapping[str, Correlation], caption: str) -> HTML:
    """Coefficients with intervals, rank correlations and the permutation p-value, a row each."""
    head = ("", "n", "Pearson's r", "95 %, Fisher z", "95 %, bootstrap", "p", "Spearman's ρ", "Kendall's τ")
    body = []
    for name, c in ours.items():
        n = f"{c.n}" + (f" ({c.left_out} left out)" if c.left_out else "")
        if c.status != "ok":
            body.append((name, n, f"undefined: {c.reason}", "", "", "", "", ""))
            continue
        r, ends = (
            c.pearson,
            (f"[{signed(a)}, {signed(b)}]" for a, b in ((c.pearson.low, c.pearson.high), c.pearson.bootstrap)),
        )
        body.append((name, n, signed(r.value), *ends, f"{r.p:.2g}", signed(c.spearman.value), signed(c.kendall.value)))
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


def table(head: Sequence[object], body: Iterable[Sequence[object]], caption: str) -> HTML:
    """A table of a page; the first cell of each row names it."""
    from IPython.display import HTML

    cells = "".join(f'<th scope="col">{html.escape(str(cell))}</th>' for cell in head)
    lines = []
    for first, *rest in body:
        numbers = "".join(f"<td>{html.escape(str(cell))}</td>" for cell in rest)
        lines.append(f'<tr><th scope="row">{html.escape(str(first))}</th>{numbers}</tr>')
    return HTML(
        f'<table class="dataframe"><caption>{html.escape(caption)}</caption><thead><tr>{cells}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def box(kind: str, title: str, *paragraphs: str) -> HTML:
    """An admonition (``"note"``, ``"warning"``, ``"important"``) whose text was computed."""
    from IPython.display import HTML

    text = "".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in paragraphs)
    return HTML(f'<div class="admonition {kind}"><p class="admonition-title">{html.escape(title)}</p>{text}</div>')


def records_box(found: records.Obtained) -> HTML:
    """A box: which models were trained here, and how far their numbers are from the committed records."""
    total, live = len(found.runs), len(found.live)
    first = f"Of the {total} models of this protocol {live} {'was' if live == 1 else 'were'} trained here."
    if live < total:
        first += (
            f" The numbers of the other {total - live} are read from committed records, which “make records” writes."
        )
    again = found.comparison
    if not again:
        return box("note", "Live or recorded", first)
    same = sum(one.relative == 0 for one in again)
    worst = max(again, key=lambda one: one.relative)
    models = len({one.key for one in again})
    second = (
        f"{models} of those trained here {'has' if models == 1 else 'have'} a record too. {same} of the {len(again)} "
        "recorded numbers were found again to the last bit"
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
