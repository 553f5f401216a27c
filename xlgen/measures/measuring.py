"""From a configuration to stored results: train once, measure once, tabulate.

Everything here is idempotent. A run or a measure that is in the store is read, not computed; asking for it again costs
nothing, and asking with another setting, other data or another encoder is another result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import product

import pandas
import torch

from xlgen.core import code
from xlgen.core.config import RunOptions
from xlgen.core.device import accelerator_for, threads
from xlgen.core.errors import XlgenError
from xlgen.core.files import StoreError, write_json
from xlgen.core.jobs import Job, side_by_side
from xlgen.core.processes import Processes, started
from xlgen.core.result import MANIFEST, Result, manifest
from xlgen.core.store import Store
from xlgen.data.catalogue import TASKS
from xlgen.measures import MEASURES, Subject, Value
from xlgen.measures import measure as compute
from xlgen.measures.asked import Checkpoint, MeasureConfig, alone, check_labels, filled, store_names
from xlgen.measures.subjects import load_model, subject
from xlgen.training.runs import Run, find, resolve, run, run_many

__all__ = [
    "Checkpoint",
    "MeasureConfig",
    "Run",
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

COLUMNS = "run task model objective tuning hyper seed language measure value stderr n status".split()
"""Of :func:`frame`."""


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
    config = filled(TASKS[source.task], config, options)
    results = _found(source, config, options)
    if missing := _missing(source, results):
        check_labels(TASKS[source.task], config, options)
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
    return _found(source, filled(TASKS[source.task], config, options), options)


def names(source: Run | Checkpoint, config: MeasureConfig, options: RunOptions) -> dict[str, str]:
    """By measure, its name in the store, whether or not it has been measured, or the run trained."""
    return store_names(source, filled(TASKS[source.task], config, options))


def measure_many(
    runs: Sequence[Run], config: MeasureConfig, options: RunOptions, workers: int = 2
) -> list[dict[str, dict[str, Value]]]:
    """Measure several stored runs in ``workers`` processes; otherwise as :func:`measure` of each.

    Runs that lack the same measures are dealt out to the processes, which read the data once for all of theirs.
    """
    options = replace(options, threads=options.threads or 1)
    lacking: dict[str, tuple[MeasureConfig, list[Run]]] = {}
    for source in runs:
        asked = filled(TASKS[source.task], config, options)
        if missing := _missing(source, _found(source, asked, options)):
            settings = {name: asked.settings[name] for name in missing}
            only = replace(asked, names=missing, settings=settings, data="")
            lacking.setdefault(source.task + repr(only), (only, []))[1].append(source)
    jobs = [
        Job(f"measures of {', '.join(one.key for one in share)}", _measure_all, (share, only))
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


def _found(source: Run | Checkpoint, config: MeasureConfig, options: RunOptions) -> dict[str, Result | None]:
    """By measure of a resolved configuration, the result."""
    store = Store(options.store, options.records)
    return {name: store.get(key, of=source.key) for name, key in store_names(source, config).items()}


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
    store, keys = Store(options.store), store_names(source, config)
    store.check_writable()
    processes = Processes.of(accelerator_for(options.device)) if started() > 1 else Processes()
    measured = subject(source, replace(config, languages=processes.mine(config.languages)), options)
    for name in config.names:
        values = _shared(name, measured, source, config, options, processes)
        if processes.index > 0:
            continue
        with store.write(keys[name]) as folder:
            facts = {"source": source.key, "task": source.task, "code": code.of_measure(MEASURES[name])}
            write_json(folder / "config.json", asdict(alone(config, name)) | facts)
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
