"""One forward pass over the text of all languages, of which sums remain (:mod:`xlgen.forecast.scores`)."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Iterator, Mapping, Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from tqdm.auto import tqdm

from xlgen import models
from xlgen.core.config import RunOptions
from xlgen.core.device import accelerator_for
from xlgen.core.errors import DataError, ModelError
from xlgen.data.encode import encode
from xlgen.data.encode_tagged import encode_tagged
from xlgen.data.own import CHUNK
from xlgen.data.own_task import OwnTask
from xlgen.data.read_pairs import Rows
from xlgen.data.read_tagged import TaggedRows
from xlgen.data.task import Task
from xlgen.forecast.scores import FOLDS, KEPT, Score, Tally, scores
from xlgen.measures.asked import Checkpoint
from xlgen.models import class_order
from xlgen.models.evaluate import Predictions
from xlgen.models.evaluate import predict as logits_of
from xlgen.training.runs import Run

log = logging.getLogger(__name__)

FEW = 100
"""Rows that a forecast is calibrated on below which it is told that they are few: an accuracy on them is known to ± 5
points at best."""


def tallies_of(
    task: Task,
    source: Run | Checkpoint,
    languages: Sequence[str],
    labelled: Sequence[str],
    split: str,
    size: int,
    batch_size: int,
    precision: str,
    options: RunOptions,
) -> tuple[dict[str, Tally], list[dict[str, Tally]], Tally, Tensor]:
    """Go through the text once.

    Args:
        task: what is to be told apart.
        source: the model that does it.
        languages: of the text.
        labelled: those of them whose labels are counted.
        split: of the task's own data.
        size: rows of each language of the task's own data; 0 is all.
        batch_size: rows of a forward pass.
        precision: see :data:`xlgen.forecast.predict.PRECISIONS`.
        options: device, data folder, progress.

    Returns:
        A tally per language; the same of each of :data:`FOLDS` parts of its rows; that of the source's development
        examples; and the labels of these.

    Raises:
        DataError: the development examples of the source have no labels.
        ModelError: the classes have no names, and in another order more of the rows are right.
    """
    total, chunks = _chunks(task, languages, split, size, options)
    dev = task.rows(task.source_language, "dev", options.data_dir)
    if not dev.labelled:
        raise DataError(
            f"the rows in {task.source_language!r}, which forecasts are calibrated on, have no labels; add them."
        )
    device = accelerator_for(options.device).device
    model = models.load_finetuned(source.model, len(task.labels), eager=False, kind=task.kind).to(device)
    tokenizer, order, positions = (
        models.load_tokenizer(source.model),
        class_order(model, task),
        models.takes_position_ids(model),
    )
    length, encoder = models.longest_input(model, source.max_length), encode_tagged if task.kind == "token" else encode
    names = tuple(task.labels[order.index(i)] for i in range(len(order)))

    full = 0

    def predicted(rows: Rows | TaggedRows, language: str) -> Predictions:
        nonlocal full
        encoded = encoder(rows.relabelled(order), tokenizer, length, None, positions)
        full += int((encoded.offsets.diff() >= length).sum())
        batches = [batch.to(device) for batch in encoded.batches(batch_size)]
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            return logits_of(model, batches, language)

    with tqdm(total=total + len(dev), unit=" rows", disable=not (options.progress and sys.stderr.isatty())) as bar:
        calibration = predicted(dev, task.source_language)
        bar.update(len(dev))
        if len(dev) < FEW:
            log.warning(
                "the forecast is calibrated on %d labelled rows in %r, whose chance is not in the intervals; give %d "
                "or more.", len(dev), task.source_language, FEW,
            )  # fmt: skip
        check_classes(calibration, names, source.model, models.named(model))
        known: Mapping[str, Score] = scores(calibration)
        at_home, tallies = Tally(), {language: Tally() for language in languages}
        parts = [{language: Tally(kept=KEPT // FOLDS) for language in languages} for _ in range(FOLDS)]
        at_home.add(calibration, known, len(dev))
        at_home.add_labels(calibration, names, task.kind)
        for language, rows in chunks:
            found = predicted(rows, language)
            fold = (found.example + tallies[language].rows) % FOLDS
            folds = [
                Predictions(found.logits[fold == k], found.labels[fold == k], found.example[fold == k])
                for k in range(FOLDS)
            ]
            counted = [(tallies[language], found), *((part[language], f) for part, f in zip(parts, folds, strict=True))]
            for tally, some in counted:
                tally.add(some, known, len(some.example.unique()))
                if language in labelled:
                    tally.add_labels(some, names, task.kind)
            bar.update(len(rows))
    if full and task.kind == "sequence":  # a long sentence of words is read in pieces
        log.warning(
            "%d of %d rows fill all %d sub-words: what is beyond is not read. If it was fine-tuned with more, give "
            "--max-length.", full, total + len(dev), length,
        )  # fmt: skip
    return tallies, parts, at_home, calibration.labels


def check_classes(found: Predictions, names: Sequence[str], model: str, named: bool) -> None:
    """Refuse an order of the classes that is assumed and by far not the best; warn of a model that has learnt nothing.

    Args:
        found: of labelled rows of the source language, labels by the number of the model's class.
        names: of the model's classes.
        model: as the user called it.
        named: by its config.json, so that the order is none that is assumed.

    Raises:
        ModelError: in another order significantly more of the rows are right.
    """
    n, classes = len(found.labels), len(names)
    counts = torch.bincount(found.logits.argmax(dim=1) * classes + found.labels, minlength=classes**2)
    counts = counts.view(classes, classes).numpy()
    places, best = linear_sum_assignment(counts, maximize=True)
    gained, lost = ((places != best) @ counts[places, which] for which in (best, places))
    right = counts.trace()
    if not named and gained - lost > 4 * math.sqrt(gained + lost):
        raise ModelError(
            f"{model!r} does not name its classes: taken to be {', '.join(names)} they are right in {right / n:.0%} of "
            f"{n} labelled rows of the source language, and in {(right + gained - lost) / n:.0%} if they are "
            f"{', '.join(names[j] for j in best)}. Write the right order as id2label in its config.json."
        )
    constant = counts.sum(axis=0).max()
    if right <= constant:
        log.warning(
            "the model is right in %.0f%% of %d labelled rows of the source language, one answer to all in %.0f%%: it "
            "has not learnt the task, or its classes are others.", 100 * right / n, n, 100 * constant / n,
        )  # fmt: skip


def _chunks(
    task: Task, languages: Sequence[str], split: str, size: int, options: RunOptions
) -> tuple[int, Iterator[tuple[str, Rows | TaggedRows]]]:
    """How many rows there are, and the rows of each language, some at a time."""
    if isinstance(task, OwnTask):
        return sum(task.files.survey[language].rows for language in languages), task.files.chunks(languages)
    rows = {language: task.rows(language, split, options.data_dir).take(size) for language in languages}
    parts = (
        (language, all_.part(start, start + CHUNK))
        for language, all_ in rows.items()
        for start in range(0, len(all_), CHUNK)
    )
    return sum(map(len, rows.values())), parts
