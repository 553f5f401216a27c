"""What is recorded of a real encoder, beside a chapter's own models: in every build, without data or encoder."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from paper import ledger, published
from paper.chapters.comparison import VANILLA, Comparison, means_table
from paper.chapters.noise import NOISE_HEAD, noise_cells
from paper.chapters.page import box, table
from paper.chapters.setups import rows_of, setups_of
from paper.published import BY_LANGUAGE
from paper.records import Obtained
from xlgen.analysis import RESAMPLES
from xlgen.data.catalogue import TASKS
from xlgen.training.runs import Run

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import HTML

    from paper.chapters.evidence import Evidence

ENCODER = "e5-small"
"""Of the grid of real data; see :mod:`xlgen.models.packaged`."""
SEEDS = tuple(range(8))
"""All that a grid of real data ever asks for; those that are recorded count."""
NOT_AS_PUBLISHED: Mapping[str, tuple[frozenset[str], str]] = {
    "xnli": (
        frozenset(("e8cdb3421605316e", "6b63fb48faf5b1c2")),
        "the English training pairs are the first of 20,000 of MultiNLI, of five genres, whose words were joined by "
        "rules; the official file has 392,702",
    ),
    "pawsx": (
        frozenset(
            ("7dac79660e335da5", "900dd0a9c8145279")  # English, then the second stages in de, es and zh
            + ("f0b1dff1cd135ccc", "dea818b13f523ad3", "928595a8fecb34a2")
        ),
        "the official English training pairs were not at hand, and these are of PAWS-Wiki, without a sentence of the "
        "development and test rows; the test labels of es, fr, ja and ko are those of the English pairs, which in the "
        "development rows differ from their own in 0.2 to 1.2 %",
    ),
    "udpos": (frozenset(("e248f811f5c74ff7",)), "the German test sentences were not at hand"),
}
"""By task, what the recorded models had that is not as it is published: fingerprints of the data, and what it is."""
COMMAND = "make records GRID=real ARGS='options=\"--data-dir DIR\"'"


def real_box(*found: Obtained) -> HTML:
    """A box: which recorded models of a real encoder stand here, when they were trained, and on which data.

    Args:
        found: of :func:`paper.records.committed`.
    """
    runs = {run.key: run for part in found for run in part.runs.values()}
    if not runs:
        text = f"No model of a real encoder is recorded for this yet. It is run by: {COMMAND}"
        return box("note", "Real data: not run", text)
    some: dict[tuple[str, str], list[Run]] = {}
    for run in runs.values():
        some.setdefault((run.config.model, run.task), []).append(run)
    lines, unlike = [], set()
    for (encoder, task), of_task in some.items():
        pairs, data = {run.manifest["train_pairs"] for run in of_task}, {run.config.data for run in of_task}
        models = f"{len(of_task)} model{'s' * (len(of_task) != 1)}"
        examples = " or ".join(f"{number:,}" for number in sorted(pairs))
        lines.append(f"{encoder} on {task}: {models} of {examples} training examples, data {', '.join(sorted(data))}")
        known, what = NOT_AS_PUBLISHED.get(task, (frozenset(), ""))
        unlike |= {f"of {task}, {what}"} if data & known else set()
    first, *_, last = sorted(run.manifest["created"][:10] for run in runs.values()) * 2
    return box(
        "note",
        "Real data, recorded",
        f"{'; '.join(lines)}. Trained {first if first == last else f'{first} to {last}'}.",
        *([f"Not as published: {'; '.join(sorted(unlike))}."] if unlike else ()),
        "The numbers are read from committed records: this page needs neither the data nor the encoder. Data are named "
        f"by the fingerprint of the rows and the encoder. To train these models again: {COMMAND}",
    )


def real_table(found: Obtained, caption: str, named: Callable[[Any], str]) -> HTML | None:
    """Scores of recorded models, a row for each task and setup: its seeds, English, and the other languages.

    Args:
        found: of :func:`paper.records.committed`.
        caption: of the table.
        named: what a setup is called, from a key; keys of one name are its seeds.

    Returns:
        Nothing where there are no models.
    """
    setups: dict[str, list[Hashable]] = {}
    for key in found.runs:
        setups.setdefault(f"{found.runs[key].task}: {named(key)}", []).append(key)
    if not setups:
        return None
    body = []
    for name, keys in setups.items():
        task = TASKS[found.runs[keys[0]].task]
        means = _scores(found, keys).mean()
        targets = means.drop(task.source_language).sort_values()
        ends = [f"{targets.iloc[end]:.1f} ({targets.index[end]})" for end in (0, -1)]
        body.append(
            (name, len(keys), f"{means[task.source_language]:.1f}", f"{targets.mean():.1f}", *ends, len(targets))
        )
    head = ("", "seeds", "English", "mean of targets", "lowest", "highest", "target languages")
    return table(head, body, caption)


def target_means(found: Obtained) -> dict[Hashable, float]:
    """Of each recorded model, the mean score [%] over the target languages."""
    return {
        key: float(_scores(found, [key]).drop(columns=TASKS[run.task].source_language).iloc[0].mean())
        for key, run in found.runs.items()
    }


def real_relations(
    found: Obtained,
    measures: Mapping[str, str | tuple[str, str]],
    caption: str,
    named: Callable[[Any], str],
    resamples: int = RESAMPLES,
) -> HTML | None:
    """How measures of recorded models go with accuracy over the target languages: a row a measure and setup.

    Pearson's r over the languages, mean over the seeds of a setup, with the bootstrap interval over languages of
    :func:`xlgen.analysis.clustered`; beside it reliability and r corrected for error of the seeds' means
    (:func:`paper.chapters.noise.noise`). Values that are bounds are left out.

    Args:
        found: of :func:`paper.records.committed`, of one task.
        measures: by title, the measure as rows name it, and the entry of its ``extra`` that counts, if not its value;
            of such an entry no error is known.
        caption: of the table.
        named: what a setup is called, from a key; keys of one name are its seeds.
        resamples: bootstrap samples of every interval.

    Returns:
        Nothing where no model has any of the measures.
    """
    body = [
        (title, setup, len(tables.x), r.clusters, f"{r.interval:.2f}", *noise_cells(tables.noise(resamples)))
        for title, measure in measures.items()
        for setup, tables in setups_of(found, measure, named).items()
        if (r := tables.correlation(resamples)).status == "ok"
    ]
    head = ("measure", "setup", "seeds", "languages", "r with accuracy [95 %]", *NOISE_HEAD)
    return table(head, body, caption) if body else None


def real_setups(
    evidence: Evidence,
    found: Obtained,
    setups: Mapping[str, Hashable],
    names: Mapping[str, str],
    paper: str,
    named: Callable[[Any], str],
) -> list[HTML]:
    """Recorded models of several setups: a table of scores, one beside the paper's means, and the rows of the ledger.

    Args:
        evidence: of the chapter, which gets a row at the scale *real data* for each claim on a mean over languages
            (Table 1 of the paper) and on a share of them.
        found: of :func:`paper.records.committed`, with keys (task, setup, seed).
        setups: by kind, the part of the key; ``"vanilla"`` is among them.
        names: how the kinds are called on the page.
        paper: key in the bibliography.
        named: what a model's setup is called, from its key.

    Returns:
        What there is to be shown.
    """
    pairs = compared(found, setups, paper, names)
    for one in pairs:
        kind = next(kind for kind in one.ours if kind != VANILLA)
        numbers = {f"l2-t1-{one.task}-{kind}": one.change(kind, over="seeds")}
        numbers |= {f"l2-t{number}-{kind}": one.share(kind) for number in BY_LANGUAGE[one.paper].get(one.task, ())}
        common = _seeds(found, one.task, [setups[VANILLA], setups[kind]])
        rows = rows_of(found, [(one.task, setups[name], seed) for name in (VANILLA, kind) for seed in common])
        for claim in (claim for claim in numbers if claim in evidence.claims):
            evidence.settle_recorded(claim, numbers[claim], rows)
    shown = [real_table(found, "Scores [%] of the recorded models of a real encoder, means over seeds", named)]
    if pairs:
        caption = "The same beside the paper's means [%], over the languages and seeds that both have"
        shown.append(means_table(pairs, caption))
    return [one for one in shown if one is not None]


def compared(found: Obtained, setups: Mapping[str, Hashable], paper: str, names: Mapping[str, str]) -> list[Comparison]:
    """Each recorded setup of each task beside vanilla fine-tuning, over the seeds that both have.

    Args:
        found: of :func:`paper.records.committed`, with keys (task, setup, seed).
        setups: by kind, the part of the key; ``"vanilla"`` is among them.
        paper: key in the bibliography.
        names: how the kinds are called on the page.
    """
    one_each = []
    for task in dict.fromkeys(key[0] for key in found.runs):
        for kind in (kind for kind in setups if kind != VANILLA):
            both = (VANILLA, kind)
            if not (common := _seeds(found, task, [setups[k] for k in both])):
                continue
            ours = {k: _scores(found, [(task, setups[k], seed) for seed in common]) for k in both}
            one_each.append(Comparison(task, ours, paper, {k: names[k] for k in both}))
    return one_each


def real_order(
    evidence: Evidence,
    found: Obtained,
    task: str,
    claim: str,
    called: Mapping[str, Hashable],
    codes: Sequence[str] = (),
) -> None:
    """Give a claim on an order of setups its row at the scale *real data*, where all that it names are recorded.

    Args:
        evidence: of the chapter; nothing is done where the claim is not its own.
        found: of :func:`paper.records.committed`, with keys (task, setup, seed).
        task: of the models.
        claim: its id.
        called: by name in the claim's pairs, the part of the key.
        codes: languages whose mean is compared; the target languages that the paper has too, unless given.
    """
    if claim not in evidence.claims:
        return
    pairs = evidence.claims[claim].pairs
    named = dict.fromkeys(name for pair in pairs for name in pair.split(" > "))
    if not (common := _seeds(found, task, [called[name] for name in named])):
        return
    english = TASKS[task].source_language
    keys = {name: [(task, called[name], seed) for seed in common] for name in named}
    frames = {name: _scores(found, some) for name, some in keys.items()}
    printed = published.scores(evidence.claims[claim].paper, task).get(VANILLA, {})
    chosen = list(codes) or [c for c in frames[next(iter(named))] if c != english and (not printed or c in printed)]
    scores = {name: list(frame[chosen].mean(axis=1)) for name, frame in frames.items()}
    used = [key for some in keys.values() for key in some]
    evidence.settle_recorded(claim, ledger.differences(scores, pairs), rows_of(found, used))


def _seeds(found: Obtained, task: str, parts: Iterable[Hashable]) -> list[int]:
    """Those with which a task's models of all of these setups are recorded."""
    return sorted(set.intersection(*({key[2] for key in found.runs if key[:2] == (task, part)} for part in parts)))


def _scores(found: Obtained, keys: Iterable[Hashable]) -> pd.DataFrame:
    """What the papers score the task with [%], a row a model and a column a language; of the test split if possible."""
    import pandas as pd

    rows = []
    for key in keys:
        measure = "f1" if TASKS[found.runs[key].task].kind == "token" else "accuracy"
        parts = zip(found.measures[key], found.measured[key], strict=True)
        scored = [(one.split == "test", len(part[measure]), part[measure]) for one, part in parts if measure in part]
        *_, values = max(scored, key=lambda entry: entry[:2])
        rows.append({code: 100 * value.value for code, value in values.items()})
    return pd.DataFrame(rows)
