"""What is measured on what, and the results as rows for :mod:`xlgen.analysis`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from numpy.typing import ArrayLike
from torch.nn import functional

from paper.protocols.base import ALPHA, PREDICTED
from paper.records import Obtained
from xlgen.analysis import AnalysisError, Interval, paired, partial_correlation
from xlgen.analysis.rows import Row, Run
from xlgen.data.catalogue import TASKS
from xlgen.data.read_tagged import TaggedRows
from xlgen.data.task import Task
from xlgen.measures.measuring import MeasureConfig
from xlgen.models.entity_f1 import chunk_counts, f1_of
from xlgen.models.evaluate import Predictions

if TYPE_CHECKING:
    import pandas as pd


def study_measures(
    *,
    languages: Sequence[str] = (),
    size: int = 0,
    sharpness_size: int = 200,
    alpha_size: int = ALPHA["examples"],
    noise_scale: float = 0.001,
    noise_seeds: Sequence[int] = (0, 1, 2),
    criterion: str = "accuracy_deviation",
    threshold: float = 0.1,
) -> tuple[MeasureConfig, ...]:
    """What the chapters measure: predictions on both splits; what moves the weights on a few test examples.

    The α-search is that of the protocols (:data:`paper.protocols.base.ALPHA`): one start, three ascent steps and seven
    bisections of [1e-5, 0.1] (a final bracket of 7.5 %).

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
    settings = {
        "sharpness_difference": {"noise_scale": noise_scale, "noise_seeds": tuple(noise_seeds)},
        "sharpness_alpha": {**ALPHA, "criterion": criterion, "threshold": threshold, "examples": alpha_size},
    }
    languages = tuple(languages)
    return (
        MeasureConfig(PREDICTED, languages, "dev", size),
        MeasureConfig(PREDICTED, languages, "test", size),
        MeasureConfig((*settings, "frobenius"), languages, "test", sharpness_size, settings),
    )


def score_table(found: Obtained, column: str = "value") -> pd.DataFrame:
    """What the papers score a task with, accuracy, or F1 in tagging, as shares: a row a model, a column a language.

    Args:
        found: the models; the parts of their keys name the rows.
        column: of :attr:`paper.records.Obtained.frame`, such as ``"stderr"``.
    """
    frame = found.frame
    usual = frame.task.map(lambda task: "f1" if TASKS[task].kind == "token" else "accuracy")
    return frame[frame.measure == usual].pivot(index=list(found.names), columns="language", values=column)


def column(rows: Iterable[Row], measure: str, run: Run, without: Sequence[str] = ()) -> dict[str, Row]:
    """The rows of one measure of one run, by language."""
    return {
        row["language"]: row
        for row in rows
        if row["measure"] == measure and (row["objective"], row["seed"]) == run and row["language"] not in without
    }


def with_both_errors(rows: Iterable[Row]) -> list[Row]:
    r"""Rows whose standard error is that of all that was drawn, for error bars.

    A sharpness by difference is a mean over draws of noise, on some examples. Its standard error is over the draws;
    that over the examples, given the perturbed weights, is kept beside it and mostly the larger:
    :math:`\sqrt{s_\text{noise}^2 + s_\text{examples}^2}`.
    """
    return [
        row | {"stderr": math.hypot(row["stderr"], row["extra"]["stderr_examples"]), "stderr_kind": "both"}
        if row["stderr_kind"] == "noise" and "stderr_examples" in row["extra"]
        else row
        for row in rows
    ]


def partial(rows: Iterable[Row], measure: str, fixed: str, run: Run, without: Sequence[str] = ()) -> Interval | None:
    """Correlation of a measure with test accuracy at a fixed value of another; ``None`` where there is none."""
    rows = list(rows)
    x, z = paired(rows, measure, without=without)[run], paired(rows, fixed, without=without)[run]
    return held_fixed(x.x, x.y, z.x) if {*x.status, *z.status} == {"ok"} else None


def held_fixed(x: ArrayLike, y: ArrayLike, fixed: ArrayLike) -> Interval | None:
    """Correlation of two columns at a fixed value of a third; ``None`` where that determines one of them."""
    try:
        return partial_correlation(x, y, fixed)
    except AnalysisError:
        return None


def commonest(task: Task, language: str, split: str, size: int = 0, data_dir: Path | None = None) -> float:
    """Share of the commonest label: the accuracy of a model that has learnt nothing but that label.

    Args:
        task: of sentences, or of words, each of which counts.
        language: of the task.
        split: of its data.
        size: the first so many examples; 0 is all of them.
        data_dir: folder with the official archives.
    """
    labels = task.rows(language, split, data_dir).take(size).labels
    each = list(chain.from_iterable(labels)) if task.kind == "token" else list(labels)
    return Counter(each).most_common(1)[0][1] / len(each)


def best_constant(task: Task, language: str, split: str, size: int = 0, data_dir: Path | None = None) -> float:
    """The best score of one answer for all examples: the accuracy of the commonest label, in tagging the F1 of a tag.

    Args are those of :func:`commonest`.
    """
    if task.kind == "sequence":
        return commonest(task, language, split, size, data_dir)
    rows = task.rows(language, split, data_dir).take(size)
    return max(_scores_of_tag(task, rows, tag)[0] for tag in range(len(task.labels)))


def constant_tag(task: Task, rows: TaggedRows, tag: int) -> dict[str, float]:
    """Scores [%] of a tagger that gives every word the same tag.

    Args:
        task: of words.
        rows: sentences with their tags.
        tag: its place among the task's labels.

    Returns:
        ``"f1"`` of chunks and ``"accuracy"`` of words.
    """
    f1, accuracy = _scores_of_tag(task, rows, tag)
    return {"f1": 100 * f1, "accuracy": 100 * accuracy}


def _scores_of_tag(task: Task, rows: TaggedRows, tag: int) -> tuple[float, float]:
    """F1 of chunks and accuracy of words if every word has this tag, as shares."""
    labels = torch.tensor([*chain.from_iterable(rows.labels)])
    sentence = torch.arange(len(rows)).repeat_interleave(torch.tensor([len(words) for words in rows.labels]))
    given = functional.one_hot(torch.full_like(labels, tag), len(task.labels)).double()
    f1 = f1_of(chunk_counts(Predictions(given, labels, sentence), task.labels).sum(0)).item()
    return f1, (labels == tag).double().mean().item()
