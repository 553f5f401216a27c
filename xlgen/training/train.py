"""One loop for every objective: linear warm-up and decay, the best checkpoint by the English development score.

A run is a function of its configuration. All randomness of a step (dropout, sampled labels) is drawn from a seed made
of the run's seed and the step's number, and the order of the examples from the seed and the epoch, so a checkpoint
needs no generator states, and a run that was interrupted and resumed ends in the same bits as one that was not. Nothing
depends on the number of processes that share a step either (:mod:`xlgen.core.processes`).
"""

from __future__ import annotations

import logging
import math
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from xlgen.core.config import RunConfig, RunOptions
from xlgen.core.device import accelerator_for, forked, seed_of, threads
from xlgen.core.errors import ConfigError, TrainingError
from xlgen.core.files import StoreError
from xlgen.core.processes import Processes
from xlgen.data.batch import Batch, count
from xlgen.data.catalogue import TASKS
from xlgen.models import vocabulary
from xlgen.models.entity_f1 import chunk_counts, f1_of
from xlgen.models.evaluate import losses, predict
from xlgen.objectives import Step
from xlgen.objectives.ascent import norm, with_gradient
from xlgen.training import checkpoint
from xlgen.training.checkpoint import Progress
from xlgen.training.setup import Loop, prepare

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """What training returns.

    Attributes:
        model: with the weights of the best checkpoint, in ``eval()`` mode.
        tokenizer: of the model.
        log: one entry a look at the development set: ``epoch``, ``step``, ``loss`` (mean training cross-entropy since
            the last look [nats]) and whatever else the objective logs, ``dev_accuracy``, ``dev_f1`` (where F1 is the
            task's metric), ``dev_loss`` [nats], ``lr``, ``seconds``.
        best: the entry of the best checkpoint.
        facts: for the manifest: device, threads, processes, numbers of pairs and steps, seconds.
    """

    model: nn.Module
    tokenizer: Any
    log: list[dict[str, Any]]
    best: dict[str, Any]
    facts: dict[str, Any]


def train(config: RunConfig, options: RunOptions, resume: Path | None = None) -> Trained:
    """Fine-tune on the source language and return the best checkpoint.

    The best has the highest development accuracy, or F1 where that is the task's metric; of equals, the lower
    development loss; then the earlier.

    Args:
        config: what to train.
        options: how.
        resume: file of the unfinished run: read if it is there (set aside, if it is damaged), replaced every
            ``options.checkpoint_every`` steps with weights that are finite, and kept if training diverges.

    Raises:
        TrainingError: a loss, gradient or logit is not finite.
        ConfigError: of several processes, not all can read the store, or the setting ``dropout_stream`` is for one.
        XlgenError: the model, the data or a setting cannot be used.
    """
    accelerator = accelerator_for(options.device)
    processes = Processes.of(accelerator)
    if processes.number > 1 and config.dropout != 0 and not config.dropout_stream:
        raise ConfigError(
            f"dropout_stream is '', one stream of dropout masks a step, which {processes.number} processes cannot "
            "share; set dropout_stream='micro_batch', as xlgen.training.runs.resolve does, or dropout=0."
        )
    with threads(options.threads), forked(accelerator.device):
        loop, tokenizer = prepare(config, options, accelerator)
        progress, best = Progress(), {}
        if resume is not None and resume.is_file():
            try:
                progress, best = checkpoint.load(resume, loop.model, loop.optimizer)
                log.info("resumed at step %d of %d", progress.step, loop.steps)
            except StoreError as error:
                log.warning("%s It is set aside, and training begins again.", str(error).split("; delete")[0] + ".")
                with suppress(OSError):  # another process of the run has done it
                    resume.rename(resume.with_suffix(".damaged"))
        begin = processes.gather(progress.step)
        if len({*begin}) > 1:
            raise ConfigError(
                f"the processes would begin at steps {', '.join(map(str, begin))}, because not all of them see the "
                f"checkpoint {resume}; expected a store that all share, such as a folder on a network file system."
            )
        try:
            best = _fit(loop, options, progress, best, resume)
        except TrainingError as error:
            if resume is None or not resume.is_file():
                raise
            raise TrainingError(
                f"{error} The last good checkpoint is kept in {resume}: the same command goes on from it, and meets "
                "the same value again unless the machine was to blame; other settings are another run."
            ) from None
        checkpoint.put_back(loop.model, best)
        vocabulary.restore(loop.model)
        facts = {
            "device": str(accelerator.device),
            "threads": torch.get_num_threads(),
            "processes": accelerator.num_processes,
            "train_pairs": len(loop.train),
            "dev_pairs": count(loop.dev),
            "steps": loop.steps,
            "seconds": progress.seconds,
        }
    return Trained(loop.model.eval(), tokenizer, progress.log, progress.best, facts)


def schedule(step: int, steps: int, warmup: float) -> float:
    """The learning rate of optimizer step ``step`` (0-based) relative to its peak: linear up, then linear down to 0.

    As in transformers, the first step of a warm-up has the rate 0 and moves no weight.
    """
    rising = math.ceil(warmup * steps)
    if step < rising:
        return step / rising
    return (steps - step) / max(1, steps - rising)


def _fit(
    loop: Loop, options: RunOptions, progress: Progress, best: dict[str, Tensor], resume: Path | None
) -> dict[str, Tensor]:
    """Train from where ``progress`` stands to the end; return the weights of the best look."""
    config, per_epoch = loop.config, loop.steps_per_epoch
    looks = {round(look * per_epoch / config.evals_per_epoch) for look in range(1, config.evals_per_epoch + 1)}
    clock = time.perf_counter()
    bar = tqdm(
        total=loop.steps,
        initial=progress.step,
        desc=f"{config.objective}, seed {config.seed}",
        disable=not (options.progress and sys.stderr.isatty() and loop.accelerator.is_main_process),
    )
    with bar:
        while progress.step < loop.steps:
            epoch, done = divmod(progress.step, per_epoch)
            order = loop.train.epoch(config.batch_size, config.micro_batch_size, config.seed, epoch, loop.views)
            for number, micro_batches in enumerate(islice(order, done, None), start=done + 1):
                progress.add(_update(loop, progress.step, micro_batches), count(micro_batches))
                progress.step += 1
                if number in looks and _look(loop, progress):
                    best = checkpoint.copied(loop.model)
                clock, before = time.perf_counter(), clock
                progress.seconds += clock - before
                if resume is not None and options.checkpoint_every and progress.step % options.checkpoint_every == 0:
                    _save(resume, loop, progress, best)
                bar.update()
    return best


def _save(resume: Path, loop: Loop, progress: Progress, best: dict[str, Tensor]) -> None:
    if loop.accelerator.is_main_process and all(w.isfinite().all() for w in loop.model.parameters()):
        checkpoint.save(resume, loop.model, loop.optimizer, progress, best)


def _update(loop: Loop, number: int, micro_batches: list[Batch]) -> dict[str, float]:
    """One optimizer step; return what the objective logs: means over the step's examples."""
    config, accelerator = loop.config, loop.accelerator
    who = (config.seed, number, 0)  # the 0 has no meaning today: it is part of what the seeds have always been made of
    torch.manual_seed(seed_of("dropout", *who))
    step = Step(
        number,
        torch.Generator().manual_seed(seed_of("objective", *who)),
        accelerator.backward,
        processes=Processes.of(accelerator),
        own_masks=bool(config.dropout_stream),
        anchors=loop.anchors,
    )
    loop.model.train()
    loop.optimizer.zero_grad()
    logged = loop.objective.gradient(loop.model, [batch.to(accelerator.device) for batch in micro_batches], step)
    gradients = [w.grad for w in with_gradient(loop.model).values()]
    size = float(norm(gradients))
    if not (math.isfinite(logged["loss"]) and math.isfinite(size)):
        raise TrainingError(
            f"the loss is {logged['loss']} and the norm of the gradient {size} at optimizer step {number}; "
            "train with a lower learning rate or more warm-up."
        )
    if config.clip and size > config.clip:
        torch._foreach_mul_(gradients, config.clip / size)
    for group in loop.optimizer.param_groups:
        group["lr"] = config.lr * schedule(number, loop.steps, config.warmup)
    loop.optimizer.step()
    return logged


def _look(loop: Loop, progress: Progress) -> bool:
    """Evaluate on the development set, add an entry to the log, and say whether it is the best so far."""
    task = TASKS[loop.config.task]
    predictions = predict(loop.model, loop.dev, loop.config.language or task.source_language)
    right = predictions.logits.argmax(dim=1) == predictions.labels
    f1 = {"dev_f1": f1_of(chunk_counts(predictions, task.labels).sum(0)).item()} if task.metric == "f1" else {}
    entry = {
        "epoch": progress.step / loop.steps_per_epoch,
        "step": progress.step,
        **{name: total / n for name, (total, n) in progress.sums.items()},
        "dev_accuracy": right.double().mean().item(),
        **f1,
        "dev_loss": losses(predictions).mean().item(),
        "lr": loop.optimizer.param_groups[0]["lr"],
        "seconds": progress.seconds,
    }
    progress.sums = {}
    progress.log.append(entry)
    log.info("epoch %.2f: dev accuracy %.4f", entry["epoch"], entry["dev_accuracy"])
    if progress.best is not None and rank(entry) <= rank(progress.best):
        return False
    progress.best = entry
    return True


def rank(entry: dict[str, Any]) -> tuple[float, float]:
    """What the best checkpoint is the largest of: the task's metric, then minus the loss, on the development set."""
    return entry.get("dev_f1", entry["dev_accuracy"]), -entry["dev_loss"]
