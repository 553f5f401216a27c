"""From a configuration to stored results: train once, measure once, tabulate.

Everything here is idempotent. A run or a measure that is in the store is read, not computed; asking for it again costs
nothing, and asking with another setting, other data or another encoder is another result.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from itertools import product
from typing import Annotated, Any

import pandas
import torch
from pydantic import Field

from xlgen import models
from xlgen.core import code
from xlgen.core.coerce import AtLeast0, AtLeast1, settle
from xlgen.core.config import SCHEMA, RunOptions, digest
from xlgen.core.device import accelerator_for, threads
from xlgen.core.errors import ConfigError, ModelError, UnknownName, XlgenError
from xlgen.core.files import StoreError, write_json
from xlgen.core.jobs import Job, side_by_side
from xlgen.core.processes import Processes, started
from xlgen.core.result import MANIFEST, Result, manifest
from xlgen.core.store import Store
from xlgen.data.batch import Batch
from xlgen.data.catalogue import TASKS, Task
from xlgen.data.read_pairs import Rows
from xlgen.data.read_tagged import TaggedRows
from xlgen.measures import MEASURES, Subject, Value, typed
from xlgen.measures import measure as compute
from xlgen.models import class_order, vocabulary
from xlgen.training.runs import Run, find, resolve, run, run_many
from xlgen.training.setup import tokens

__all__ = [
    "Checkpoint",
    "MeasureConfig",
    "Run",
    "class_order",
    "find",
    "frame",
    "load_model",
    "measure",
    "measure_many",
    "names",
    "resolve",
    "run",
    "run_many",
    "stored",
    "subject",
]

log = logging.getLogger(__name__)

COLUMNS = "run task model objective tuning hyper seed language measure value stderr n status".split()
"""Of :func:`frame`."""


@dataclass(frozen=True)
class Checkpoint:
    """A classifier that was fine-tuned elsewhere.

    Attributes:
        model: a Hugging Face folder or hub id.
        task: name of the task it was fine-tuned on.
        pretrained: the model that fine-tuning started from, for measures of the distance; empty if unknown.
        max_length: sub-words of a pair.
    """

    model: str
    task: str
    pretrained: str = ""
    max_length: Annotated[int, Field(ge=8, description="at least 8 sub-words")] = 128

    def __post_init__(self):
        settle(self)

    @cached_property
    def key(self) -> str:
        """Part of the names of its measures in the store."""
        pretrained = models.fingerprint(self.pretrained) if self.pretrained else ""
        return digest([models.fingerprint(self.model), self.task, pretrained, self.max_length])


@dataclass(frozen=True)
class MeasureConfig:
    """What is measured, and on what: everything that determines the values, given the model.

    Attributes:
        names: of measures in :data:`xlgen.measures.MEASURES`.
        languages: of the task; none means all.
        split: ``"dev"`` or ``"test"``; ``"dev_held"`` is the half of ``"dev"`` that no second stage is trained on,
            ``"shifted"`` has text of another domain (:data:`xlgen.data.task.SHIFTED`).
        size: examples of each language; 0 is all of them.
        settings: by measure, its settings; those not given take the measure's defaults.
        batch_size: examples of a forward pass.
        data: fingerprint of the examples (filled in by the loader).
    """

    names: tuple[str, ...] = ("accuracy", "margin")
    languages: tuple[str, ...] = ()
    split: str = "test"
    size: AtLeast0 = 0
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    batch_size: AtLeast1 = 64
    data: str = ""

    def __post_init__(self):
        settle(self)

    def named(self, name: str) -> str:
        """What a measure is called in tables of several splits: as it is on the test split, else ``dev_margin``."""
        return name if self.split == "test" else f"{self.split}_{name}"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MeasureConfig:
        """Inverse of :func:`dataclasses.asdict`; unknown keys are an error with a suggestion."""
        names = [f.name for f in fields(cls)]
        for key in values:
            if key not in names:
                raise UnknownName("setting", key, names)
        return cls(**values)


def load_model(source: Run | Checkpoint) -> torch.nn.Module:
    """The fine-tuned classifier, in ``eval()`` mode, on the CPU, with attention that can be differentiated twice."""
    task = TASKS[source.task]
    return models.load_finetuned(source.model, len(task.labels), kind=task.kind)


def subject(source: Run | Checkpoint, config: MeasureConfig, options: RunOptions) -> Subject:
    """The model and the examples that measures are functions of.

    A large vocabulary is cut to the sub-words of the examples, which changes no measure
    (:mod:`xlgen.models.vocabulary`).
    """
    task, device = TASKS[source.task], accelerator_for(options.device).device
    model, tokenizer = load_model(source).to(device), models.load_tokenizer(source.model)
    order, positions = class_order(model, task), models.takes_position_ids(model)
    max_length = models.longest_input(model, source.max_length)

    def batched(rows: Rows | TaggedRows) -> list[Batch]:
        encoded = tokens(rows.relabelled(order), tokenizer, max_length, options, positions)
        return [batch.to(device) for batch in encoded.batches(config.batch_size)]

    texts = _rows(task, config, options)
    batches = {language: batched(rows) for language, rows in texts.items()}
    reference = _reference(source, model)
    vocabulary.cut(model, _ids(batches.values(), lambda: batched(_source_rows(task, config, options))))
    return Subject(
        model,
        batches=batches,
        split=config.split,
        reference=reference,
        labels=tuple(task.labels[order.index(i)] for i in range(len(order))),
        kind=task.kind,
        source=lambda: batched(_source_rows(task, config, options)),
        source_language=task.source_language,
        texts=texts,
        tokenizer=tokenizer,
        encoder=source.pretrained,
    )


def _ids(parts: Iterable[Sequence[Batch]], source: Callable[[], Sequence[Batch]]) -> Iterator[torch.Tensor]:
    """The sub-words of all examples, and then of those that measures are calibrated on, read when asked for."""
    for part in parts:
        yield from (batch.inputs["input_ids"] for batch in part)
    yield from (batch.inputs["input_ids"] for batch in source())


def measure(
    source: Run | Checkpoint,
    config: MeasureConfig,
    options: RunOptions,
    then: Callable[[Subject], object] | None = None,
) -> dict[str, dict[str, Value]]:
    """Measure a model; measures that the store or the records have are read.

    Args:
        source: a stored run, the record of one, or a model that was fine-tuned elsewhere.
        config: what to measure, on what.
        options: how.
        then: called with the subject, its predictions made, if anything had to be measured.

    Returns:
        By measure, by language (or ``"all"``), the value.

    Raises:
        UnknownName: a measure, setting, language or split does not exist.
        TrainingError: a value is not finite.
        StoreError: a measure would have to be computed, and the run is a record, without weights.
    """
    config = _resolve_measures(TASKS[source.task], config, options)
    results = _found(source, config, options)
    if missing := _missing(source, results):
        _check_labels(TASKS[source.task], config, options)
        with threads(options.threads):
            measured = _compute(source, replace(config, names=missing), options)
        if then is not None:
            then(measured)
        results = _found(source, config, options)
    return {
        name: {language: Value(**value) for language, value in result.read("values").items()}
        for name, result in results.items()
    }


def stored(source: Run | Checkpoint, config: MeasureConfig, options: RunOptions) -> dict[str, Result | None]:
    """By measure, what the store or the records have of it: ``None`` where it has not been measured."""
    return _found(source, _resolve_measures(TASKS[source.task], config, options), options)


def names(source: Run | Checkpoint, config: MeasureConfig, options: RunOptions) -> dict[str, str]:
    """By measure, its name in the store, whether or not it has been measured, or the run trained."""
    return _keys(source, _resolve_measures(TASKS[source.task], config, options))


def measure_many(
    runs: Sequence[Run], config: MeasureConfig, options: RunOptions, workers: int = 2
) -> list[dict[str, dict[str, Value]]]:
    """Measure several stored runs in ``workers`` processes; otherwise as :func:`measure` of each.

    Runs that lack the same measures are dealt out to the processes, which read the data once for all of theirs.
    """
    options = replace(options, threads=options.threads or 1)
    lacking: dict[str, tuple[MeasureConfig, list[Run]]] = {}
    for source in runs:
        resolved = _resolve_measures(TASKS[source.task], config, options)
        if missing := _missing(source, _found(source, resolved, options)):
            settings = {name: resolved.settings[name] for name in missing}
            only = replace(resolved, names=missing, settings=settings, data="")
            lacking.setdefault(source.task + repr(only), (only, []))[1].append(source)
    jobs = [
        Job(f"measures of {', '.join(asked.key for asked in share)}", _measure_all, (share, only))
        for only, sources in lacking.values()
        for share in (sources[part::workers] for part in range(workers))
        if share
    ]
    if workers > 1 and len(jobs) > 1:
        side_by_side(jobs, workers, options)
    return [measure(source, config, options) for source in runs]


def _measure_all(runs: Sequence[Run], config: MeasureConfig, options: RunOptions) -> None:
    """What one process of :func:`measure_many` does."""
    for source in runs:
        measure(source, config, options)


def frame(runs: Sequence[Run | Checkpoint], configs: Iterable[MeasureConfig], options: RunOptions) -> pandas.DataFrame:
    """A row for each run, measure and language; what is missing is measured.

    Args:
        runs: stored runs, records of runs, or models that were fine-tuned elsewhere.
        configs: what is measured of each of them, on what.
        options: how.

    Returns:
        Columns ``run``, ``task``, ``model``, ``objective``, ``tuning``, ``hyper``, ``seed`` (``<NA>`` for a model of
        elsewhere), ``language``, ``measure`` (as :meth:`MeasureConfig.named`), ``value``, ``stderr`` (``nan`` for
        none), ``n`` and ``status``.

    Raises:
        XlgenError: as :func:`measure`.
    """
    rows = []
    for source, config in product(runs, configs):
        measured = measure(source, config, options)
        trained = None if isinstance(source, Checkpoint) else source.config
        who = {
            "run": source.key,
            "task": source.task,
            "model": trained.model if trained else source.model,
            "objective": trained.objective if trained else "",
            "tuning": trained.tuning if trained else "",
            "hyper": dict(trained.hyper) if trained else {},
            "seed": trained.seed if trained else None,
        }
        for name, values in measured.items():
            for language, v in values.items():
                numbers = {"value": v.value, "stderr": v.stderr, "n": v.n, "status": v.status}
                rows.append(who | {"language": language, "measure": config.named(name)} | numbers)
    types = {"seed": "Int64", "value": float, "stderr": float, "n": int}
    return pandas.DataFrame(rows, columns=COLUMNS).astype(types)


def _rows(task: Task, config: MeasureConfig, options: RunOptions) -> dict[str, Rows | TaggedRows]:
    return {
        language: task.rows(language, config.split, options.data_dir).take(config.size) for language in config.languages
    }


def _check_labels(task: Task, config: MeasureConfig, options: RunOptions) -> None:
    """Refuse measures that look at labels of examples that have none."""
    bare = [language for language, rows in _rows(task, config, options).items() if not rows.labelled]
    free = [name for name, entry in MEASURES.items() if getattr(entry, "label_free", False)]
    if bare and (need := [name for name in config.names if name not in free]):
        raise ConfigError(
            f"{', '.join(need)}: needs labels, which {', '.join(bare)} has not. Leave out the languages, or use "
            f"measures without labels: {', '.join(sorted(free))}."
        )


def _source_rows(task: Task, config: MeasureConfig, options: RunOptions) -> Rows | TaggedRows:
    """The labelled rows that measures are calibrated on: as many of the source language as of each language."""
    return task.rows(task.source_language, "dev", options.data_dir).take(config.size)


def _resolve_measures(task: Task, config: MeasureConfig, options: RunOptions) -> MeasureConfig:
    """Fill in languages, settings and the fingerprint of the examples; names are checked."""
    if config.split == "train":
        raise ConfigError("split is 'train'; expected 'dev' or 'test', which every language has.")
    for name in config.settings:
        MEASURES[name]
    settings = {}
    for name in config.names:
        settings[name] = typed(name, config.settings.get(name, {}))
        if "calibration" in settings[name]:  # what it was calibrated on is part of its name in the store
            given, settings[name]["calibration"] = (
                settings[name]["calibration"],
                _source_rows(task, config, options).fingerprint,
            )
            if given not in ("", settings[name]["calibration"]):
                raise ConfigError(f"{name}.calibration is {given!r}, of other data than can be read now; leave it out.")
    config = replace(config, languages=config.languages or task.languages, settings=settings)
    fingerprints = {language: rows.fingerprint for language, rows in _rows(task, config, options).items()}
    return replace(config, data=digest(fingerprints))


def _keys(source: Run | Checkpoint, config: MeasureConfig) -> dict[str, str]:
    """Each measure's name in the store."""
    return {
        name: digest([SCHEMA, source.key, source.task, asdict(_only(config, name)), code.of_measure(MEASURES[name])])
        for name in config.names
    }


def _only(config: MeasureConfig, name: str) -> MeasureConfig:
    """The same with one measure: each is stored by itself, so that asking for one more computes one."""
    return replace(config, names=(name,), settings={name: config.settings[name]})


def _found(source: Run | Checkpoint, config: MeasureConfig, options: RunOptions) -> dict[str, Result | None]:
    """By measure of a resolved configuration, the result."""
    store = Store(options.store, options.records)
    return {name: store.get(key, of=source.key) for name, key in _keys(source, config).items()}


def _missing(source: Run | Checkpoint, results: Mapping[str, Result | None]) -> tuple[str, ...]:
    """The measures that have to be computed.

    Raises:
        StoreError: there are some, and no weights.
    """
    missing = tuple(name for name, result in results.items() if result is None)
    try:
        if missing:
            _ = source.model
    except StoreError as error:
        raise StoreError(f"there is no {', '.join(missing)} with these settings on these examples: {error}") from None
    return missing


def _compute(source: Run | Checkpoint, config: MeasureConfig, options: RunOptions) -> Subject:
    """Measure everything in ``config``, which share one model and its predictions, and store each by itself.

    Several processes share the languages out, and call it together.
    """
    store, keys = Store(options.store), _keys(source, config)
    store.check_writable()
    processes = Processes.of(accelerator_for(options.device)) if started() > 1 else Processes()
    measured = subject(source, replace(config, languages=processes.mine(config.languages)), options)
    for name in config.names:
        values = _shared(name, measured, source, config, options, processes)
        if processes.index > 0:
            continue
        only = _only(config, name)
        with store.write(keys[name]) as folder:
            facts = {"source": source.key, "task": source.task, "code": code.of_measure(MEASURES[name])}
            write_json(folder / "config.json", asdict(only) | facts)
            write_json(folder / "values.json", {language: asdict(value) for language, value in values.items()})
            write_json(folder / MANIFEST, manifest("measure", threads=torch.get_num_threads(), device=options.device))
    processes.gather(None)  # nobody reads before everything is written
    return measured


def _shared(
    name: str,
    measured: Subject,
    source: Run | Checkpoint,
    config: MeasureConfig,
    options: RunOptions,
    processes: Processes,
) -> dict[str, Value]:
    """A measure by language, each language computed by one of the processes, whole, as one process would.

    What needs all languages together is computed by the first. An error of one is raised in all: nobody is left
    waiting.
    """
    if processes.number == 1:
        return compute(measured, [name], config.settings)[name]
    try:
        if getattr(MEASURES[name], "together", False):
            whole = [] if processes.index else [subject(source, config, options)]
        else:
            whole = [measured] if measured.batches else []
        answer = {key: value for part in whole for key, value in compute(part, [name], config.settings)[name].items()}
    except XlgenError as error:
        answer = str(error)
    answers = processes.gather(answer)
    for one in answers:
        if isinstance(one, str):
            raise XlgenError(one)
    values = {language: value for one in answers for language, value in one.items()}
    return {language: values[language] for language in [*config.languages, *values] if language in values}


def _reference(source: Run | Checkpoint, model: torch.nn.Module) -> dict[str, torch.Tensor] | None:
    if not source.pretrained:
        return None
    try:
        return models.pretrained_weights(source.pretrained, model)
    except ModelError as error:  # most measures do without; those that do not will say so
        log.warning("measuring without the pretrained weights: %s", error)
        return None
