"""A model and its examples, ready to be measured."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch

from xlgen import models
from xlgen.core.config import RunOptions
from xlgen.core.device import accelerator_for
from xlgen.core.errors import ModelError
from xlgen.data.batch import Batch
from xlgen.data.catalogue import TASKS
from xlgen.data.read_pairs import Rows
from xlgen.data.read_tagged import TaggedRows
from xlgen.measures import Subject, settings_of
from xlgen.measures.asked import Checkpoint, MeasureConfig, rows_of, source_rows
from xlgen.models import class_order, vocabulary
from xlgen.training.runs import Run
from xlgen.training.setup import tokens

log = logging.getLogger(__name__)


def load_model(source: Run | Checkpoint) -> torch.nn.Module:
    """The fine-tuned classifier, in ``eval()`` mode, on the CPU, with attention that can be differentiated twice."""
    task = TASKS[source.task]
    return models.load_finetuned(source.model, len(task.labels), kind=task.kind)


def subject(source: Run | Checkpoint, config: MeasureConfig, options: RunOptions) -> Subject:
    """The model and the examples that measures are functions of.

    A large vocabulary is cut to the sub-words of the examples, and of the source's if one of ``config.names`` is
    calibrated on them, which changes no measure (:mod:`xlgen.models.vocabulary`).
    """
    task, device = TASKS[source.task], accelerator_for(options.device).device
    model, tokenizer = load_model(source).to(device), models.load_tokenizer(source.model)
    order, positions = class_order(model, task), models.takes_position_ids(model)
    max_length = models.longest_input(model, source.max_length)

    def batched(rows: Rows | TaggedRows) -> list[Batch]:
        encoded = tokens(rows.relabelled(order), tokenizer, max_length, options, positions)
        return [batch.to(device) for batch in encoded.batches(config.batch_size)]

    def at_home() -> list[Batch]:
        return batched(source_rows(task, config, options))

    texts = rows_of(task, config, options)
    batches = {language: batched(rows) for language, rows in texts.items()}
    reference = _reference(source, model)
    calibrated = any("calibration" in settings_of(name) for name in config.names)
    vocabulary.cut(model, _ids(batches.values(), at_home if calibrated else tuple))
    return Subject(
        model,
        batches=batches,
        split=config.split,
        reference=reference,
        labels=tuple(task.labels[order.index(i)] for i in range(len(order))),
        kind=task.kind,
        source=at_home,
        source_language=task.source_language,
        texts=texts,
        tokenizer=tokenizer,
        encoder=source.pretrained,
    )


def _ids(parts: Iterable[Sequence[Batch]], source: Callable[[], Sequence[Batch]]) -> Iterator[torch.Tensor]:
    """The sub-words of all examples, and then of those that a measure is calibrated on, read when asked for."""
    for part in parts:
        yield from (batch.inputs["input_ids"] for batch in part)
    yield from (batch.inputs["input_ids"] for batch in source())


def _reference(source: Run | Checkpoint, model: torch.nn.Module) -> dict[str, torch.Tensor] | None:
    if not source.pretrained:
        return None
    try:
        return models.pretrained_weights(source.pretrained, model)
    except ModelError as error:  # most measures do without; those that do not will say so
        log.warning("measuring without the pretrained weights: %s", error)
        return None
