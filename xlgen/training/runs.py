"""Trained models in the store: train once, find again, train many side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from accelerate import PartialState

from xlgen import models
from xlgen.core import code
from xlgen.core.config import RunConfig, RunOptions, digest
from xlgen.core.device import accelerator_for
from xlgen.core.errors import DataError
from xlgen.core.files import write_json
from xlgen.core.hyper import named
from xlgen.core.jobs import Job, side_by_side
from xlgen.core.processes import Processes, started
from xlgen.core.result import MANIFEST, Result, manifest
from xlgen.core.store import Store
from xlgen.data.catalogue import TASKS
from xlgen.models import tuning as tunings
from xlgen.models.sentences import loss_of, unlisted
from xlgen.objectives import create
from xlgen.training import stages
from xlgen.training.anchors import check, texts_for
from xlgen.training.setup import read
from xlgen.training.train import Trained, train

MODEL = "model"
"""Folder of the weights in that of a run."""


@dataclass(frozen=True)
class Run:
    """A trained model in the store.

    Attributes:
        config: what it was trained with, data fingerprint included.
        result: what the store has of it.
    """

    config: RunConfig
    result: Result

    @property
    def key(self) -> str:
        """The run's name in the store."""
        return self.result.name

    @property
    def folder(self) -> Path:
        """Where it is.

        Raises:
            StoreError: it is a record, without weights.
        """
        return self.result.folder

    @property
    def task(self) -> str:
        return self.config.task

    @property
    def model(self) -> str:
        """The fine-tuned model: a Hugging Face folder.

        Raises:
            StoreError: the run is a record, without weights.
        """
        return str(self.folder / MODEL)

    @property
    def pretrained(self) -> str:
        return self.config.model

    @property
    def max_length(self) -> int:
        return self.config.max_length

    @cached_property
    def log(self) -> list[dict[str, Any]]:
        """One entry a look at the development set; see :class:`xlgen.training.train.Trained`."""
        return self.result.read("log")

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The entry of the best checkpoint."""
        return self.result.read("summary")

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What it was computed with; see :func:`xlgen.core.result.manifest`."""
        return self.result.read("manifest")


def resolve(config: RunConfig, options: RunOptions) -> RunConfig:
    """Fill in what the hash must cover: the objective's defaults, the first stage's name, data, encoder, and code.

    Settings that mean the same are given one spelling. In several processes also what these can share is filled in, if
    it is not: see ``micro_batch_size`` and ``dropout_stream``. The first stage's name is a hash of all that determines
    its weights, so it stands for them in this run's.

    Raises:
        UnknownName: the task, its language, the objective or a hyper-parameter does not exist.
        StoreError: the run to start from does not exist.
        ConfigError: it is of another task, model or tuning.
        DataError: ``config`` has the fingerprint of other data than can be read now.
    """
    objective = create(config.objective, config.hyper)
    tuning = tunings.create(config.tuning, config.tuning_hyper)
    check(config, objective)
    config = _all_of_them(stages.resolved(config, options), options)
    texts = [text.fingerprint for text in texts_for(config, objective, options)]
    texts += unlisted(config.model) if texts else []
    task = TASKS[config.task]
    facts = [task.kind, task.metric, *task.labels]
    rows = [rows.fingerprint for rows in read(config, options)]
    data = digest([facts, *rows, models.fingerprint(config.model), *texts])
    if config.data not in ("", data):
        raise DataError(
            f"the configuration was made for data {config.data}, but {data} is what can be read now (task, data "
            "folder or encoder have changed); remove its 'data' entry to train on them."
        )
    versions = code.of_run(type(objective), type(tuning), loss_of(config.model))
    config = config.with_(hyper=named(objective), tuning_hyper=named(tuning), data=data, code=versions)
    config = _to_share(config, started())
    return config.with_(micro_batch_size=0) if config.micro_batch_size == config.batch_size else config


def _all_of_them(config: RunConfig, options: RunOptions) -> RunConfig:
    """The same with 0 for numbers of rows that are no fewer than there are."""
    train, dev = read(config.with_(train_size=0, dev_size=0), options)
    return config.with_(
        train_size=config.train_size if config.train_size < len(train) else 0,
        dev_size=config.dev_size if config.dev_size < len(dev) else 0,
    )


def _to_share(config: RunConfig, processes: int) -> RunConfig:
    """The configuration with a micro-batch for each of several processes, and dropout masks that do not join them.

    The result is that of one process with the same micro-batches, and has its name.
    """
    if processes > 1:
        largest = min(config.micro_batch_size or config.batch_size, math.ceil(config.batch_size / processes))
        config = config.with_(micro_batch_size=largest, dropout_stream="micro_batch")
    return config.with_(dropout_stream="") if config.dropout == 0 else config


def run(config: RunConfig, options: RunOptions) -> Run:
    """Train, unless the store has the run; see :func:`xlgen.training.train.train`.

    Several processes that share the run call it together. Of others, the first trains, and the rest wait for it.
    """
    config, store = resolve(config, options), Store(options.store)
    shared, missing = started() > 1, store.get(config.hash) is None
    processes = Processes.of(accelerator_for(options.device)) if shared else Processes()
    if missing:
        store.check_writable()
    with store.alone(config.hash) if missing and not shared else nullcontext():
        if any(processes.gather(store.get(config.hash) is None)):
            _store(train(config, options, store.partial(config.hash)), config, store)
    return Run(config, store.get(config.hash))


def _store(trained: Trained, config: RunConfig, store: Store) -> None:
    """Write the result; of several processes the first does, and the others wait until it is there."""
    processes = PartialState()
    if processes.is_main_process:
        with store.write(config.hash) as folder:
            models.save(trained.model, trained.tokenizer, folder / MODEL)
            write_json(folder / "config.json", config.to_dict())
            write_json(folder / "log.json", trained.log)
            write_json(folder / "summary.json", trained.best)
            write_json(folder / MANIFEST, manifest("run", seed=config.seed, **trained.facts))
        store.partial(config.hash).unlink(missing_ok=True)
    processes.wait_for_everyone()


def find(prefix: str, options: RunOptions) -> Run:
    """The one stored run whose name starts with ``prefix``."""
    return stored(Store(options.store).find(prefix), options)


def stored(name: str, options: RunOptions) -> Run | None:
    """The run of this name, if the store or the records have it; of both, the record."""
    result = Store(options.store, options.records).get(name)
    return None if result is None else Run(RunConfig.from_dict(result.read("config")), result)


def run_of(folder: Path) -> str:
    """The name of the run whose weights are in a folder; empty if it is none of a store."""
    folder = folder.resolve()
    return folder.parent.name if folder.name == MODEL and (folder.parent / MANIFEST).is_file() else ""


def run_many(configs: Sequence[RunConfig], options: RunOptions, workers: int = 2) -> list[Run]:
    """Train those that the store does not have, at most ``workers`` at a time, each in a process with its own threads.

    Args:
        configs: what to train; a first stage may be among them, and is trained before those that start from it.
        options: how; ``threads`` 0 means one thread a run.
        workers: processes; 1 trains in this process, one run after the other.

    Returns:
        The runs, in the order of ``configs``.

    Raises:
        TrainingError: a run failed; the message names it and says why.
    """
    options, store = replace(options, threads=options.threads or 1), Store(options.store)
    configs = [resolve(config, options) for config in configs]
    missing = {config.hash: config for config in configs if store.get(config.hash) is None}
    while missing:
        ready = {key: config for key, config in missing.items() if config.start not in missing}
        if workers > 1 and len(ready) > 1:
            side_by_side([_job(config, key) for key, config in ready.items()], workers, options)
        else:
            for config in ready.values():
                run(config, options)
        missing = {key: config for key, config in missing.items() if key not in ready}
    return [run(config, options) for config in configs]


def _job(config: RunConfig, key: str) -> Job:
    label = f"{config.task} {config.objective} seed {config.seed} ({key})"
    return Job(label, run, (config,))
