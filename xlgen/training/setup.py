"""What a run needs before its first step: rows, tokens, sampled segmentations, model and optimizer."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from xlgen import models
from xlgen.core.config import RunConfig, RunOptions
from xlgen.core.device import seed_of
from xlgen.core.errors import DataError, ModelError
from xlgen.core.store import Store
from xlgen.data.batch import Batch
from xlgen.data.catalogue import TASKS
from xlgen.data.encode import Encoded, encode
from xlgen.data.encode_tagged import encode_tagged, tagged_view
from xlgen.data.halves import HALVES
from xlgen.data.read_pairs import Rows
from xlgen.data.read_tagged import TaggedRows
from xlgen.data.segment import Segmenter
from xlgen.models import precision, vocabulary
from xlgen.objectives import Anchor, Objective, create
from xlgen.training import optimizers, stages
from xlgen.training.anchors import anchors_for

log = logging.getLogger(__name__)

EVALUATION_BATCH = 64
"""Examples of a forward pass on the development set."""


@dataclass(frozen=True)
class Loop:
    """What does not change while a run runs."""

    config: RunConfig
    accelerator: Accelerator
    objective: Objective
    model: nn.Module
    optimizer: torch.optim.Optimizer
    train: Encoded
    dev: Sequence[Batch]
    views: Callable[[int], Encoded] | None
    anchors: Sequence[Anchor] = ()

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self.train) / self.config.batch_size)

    @property
    def steps(self) -> int:
        return self.config.epochs * self.steps_per_epoch


def prepare(config: RunConfig, options: RunOptions, accelerator: Accelerator) -> tuple[Loop, Any]:
    """Load data and model: the loop at its first step, and the tokenizer."""
    task, objective = TASKS[config.task], create(config.objective, config.hyper)
    train_rows, dev_rows = read(config, options)
    tokenizer = models.load_tokenizer(config.model)
    model = models.load_classifier(
        config.model,
        len(task.labels),
        seed=seed_of("head", config.seed),
        eager=objective.needs_double_backward,
        dropout=config.dropout,
        kind=task.kind,
        tuning=config.tuning,
        tuning_hyper=config.tuning_hyper,
    ).to(accelerator.device)
    if models.named(model) and models.class_order(model, task) != list(range(len(task.labels))):
        raise ModelError(
            f"{config.model!r} has a head whose classes are {', '.join(model.config.id2label.values())}; expected the "
            f"order of {config.task}, {', '.join(task.labels)}, or a pretrained model without a head."
        )
    if config.start:
        stages.begin(model, config, options)
    model.config.id2label = dict(enumerate(task.labels))
    model.config.label2id = {label: i for i, label in enumerate(task.labels)}
    positions, max_length = models.takes_position_ids(model), models.longest_input(model, config.max_length)
    views = None
    if objective.needs_views:
        segmenter = Segmenter.for_tokenizer(tokenizer, objective.p, faithful=objective.faithful)
        fitting = config.with_(max_length=max_length)
        how = {"positions": positions, "resample": not objective.faithful}
        views = partial(view, train_rows, segmenter, tokenizer, fitting, **how)

    train, dev = (tokens(rows, tokenizer, max_length, options, positions) for rows in (train_rows, dev_rows))
    anchors = anchors_for(config, objective, model, options) if objective.needs_anchors else ()
    pulled = objective.needs_anchors and config.start  # back from where the first stage has left them
    if config.optimizer == "adamw" and not config.weight_decay and not pulled:  # else rows that never occur move, too
        sampled = reachable(segmenter, train_rows) if objective.needs_views else ()
        vocabulary.cut(model, [train.tokens, dev.tokens, torch.tensor([tokenizer.pad_token_id, *sampled])])
        anchors = [anchor.kept(model) for anchor in anchors]
    if config.precision == "bf16":
        precision.lower(model, accelerator.device)
    loop = Loop(
        config=config,
        accelerator=accelerator,
        objective=objective,
        model=model,
        optimizer=optimizers.create(config.optimizer, groups(model, config.weight_decay), config.lr),
        train=train,
        dev=[batch.to(accelerator.device) for batch in dev.batches(EVALUATION_BATCH)],
        views=views,
        anchors=anchors,
    )
    return loop, tokenizer


def tokens(rows: Rows | TaggedRows, tokenizer: Any, max_length: int, options: RunOptions, positions: bool) -> Encoded:
    """The rows of a task of either kind, tokenised once and kept in the store."""
    encoder = encode_tagged if isinstance(rows, TaggedRows) else encode
    return encoder(rows, tokenizer, max_length, Store(options.store).tokens, position_ids=positions)


def read(config: RunConfig, options: RunOptions) -> tuple[Rows | TaggedRows, Rows | TaggedRows]:
    """The training and development rows of a run: of the source language, or halves of another's development rows.

    Raises:
        UnknownName: the task has no such language.
        DataError: the rows cannot be read, or there are too few to train on some and choose by others.
    """
    task, folder = TASKS[config.task], options.data_dir
    source = config.language in ("", task.source_language)
    language, splits = (task.source_language, ("train", "dev")) if source else (config.language, HALVES)
    train, dev = (task.rows(language, split, folder) for split in splits)
    if not (len(train) and len(dev)):
        raise DataError(
            f"{config.task} has {len(train)} rows to train on and {len(dev)} to choose the checkpoint by in "
            f"{language!r}; expected some of each. Another language than {task.source_language!r} is trained on one "
            "half of its development rows, and the other half is held."
        )
    return train.take(config.train_size), dev.take(config.dev_size)


def view(
    rows: Rows | TaggedRows,
    segmenter: Segmenter,
    tokenizer: Any,
    config: RunConfig,
    epoch: int,
    *,
    positions: bool,
    resample: bool,
) -> Encoded:
    """The training rows in a sampled segmentation: a new one each epoch, or always the first epoch's."""
    generator = torch.Generator().manual_seed(seed_of("view", config.seed, epoch if resample else 0))
    if isinstance(rows, TaggedRows):
        encoded = tagged_view(
            rows,
            tokenizer,
            config.max_length,
            partial(segmenter.segment, generator=generator),
            position_ids=positions,
        )
        log.info("sampled segmentation: %.2g of the words are unknown", segmenter.unknown_rate)
        return encoded
    pairs = [
        segmenter.pair(*texts, generator, config.max_length) for texts in zip(rows.first, rows.second, strict=True)
    ]
    log.info("sampled segmentation: %.2g of the words are unknown", segmenter.unknown_rate)
    ids, types = zip(*pairs, strict=True)
    has_types = "token_type_ids" in tokenizer.model_input_names
    return Encoded.pack(ids, types if has_types else None, rows.labels, tokenizer.pad_token_id, position_ids=positions)


def reachable(segmenter: Segmenter, rows: Rows | TaggedRows) -> set[int]:
    """The ids of all sub-words that a sampled segmentation of ``rows`` can have."""
    texts = (
        (word for words in rows.words for word in words) if isinstance(rows, TaggedRows) else rows.first + rows.second
    )
    return {id for text in {*texts} for id in segmenter.reachable(text)}


def groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameters with and without weight decay: biases and LayerNorm, all vectors, have none."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return [
        {"params": [weight for weight in trained if weight.ndim > 1], "weight_decay": weight_decay},
        {"params": [weight for weight in trained if weight.ndim <= 1], "weight_decay": 0.0},
    ]
