"""Committed records: what many seeds and settings gave, without training them in every build of the book.

A record is a result like any other, in the root of the store that is only read, and without weights
(:class:`xlgen.core.store.Store`): a job (:mod:`paper.grid`) trains and measures one model in the store, and then packs
its documents. :func:`obtain` is what a chapter asks: it trains some of a protocol's models here, reads the others from
their records, and compares the former with theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paper import notebook
from paper.protocols import Protocol
from xlgen.core.config import RunConfig, RunOptions
from xlgen.core.errors import ConfigError
from xlgen.core.files import encode
from xlgen.core.hyper import named
from xlgen.core.packed import pack, unpack
from xlgen.core.result import Result, git_commit
from xlgen.forecast.frame import unusual
from xlgen.measures import Subject, Value, logits
from xlgen.measures.measuring import MeasureConfig, measure, measure_many, stored
from xlgen.models import tuning as tunings
from xlgen.objectives import create
from xlgen.training import runs as trained_runs
from xlgen.training.runs import Run, resolve, run_many

if TYPE_CHECKING:
    import pandas as pd

Measured = dict[str, dict[str, Value]]


@dataclass(frozen=True)
class Difference:
    """A number that was computed here and is in a record too."""

    key: Hashable
    measure: str
    language: str
    recorded: float
    here: float

    @property
    def relative(self) -> float:
        """|here - recorded| / |recorded|; 0 where both are the same or both undefined."""
        if self.here == self.recorded or (math.isnan(self.here) and math.isnan(self.recorded)):
            return 0.0
        return abs(self.here - self.recorded) / abs(self.recorded) if self.recorded else math.inf


@dataclass(frozen=True)
class Obtained:
    """The models of a protocol.

    Attributes:
        runs: by key.
        measured: by key, what each of the protocol's measure configurations gave.
        measures: the configurations, by key.
        live: keys of the models that were trained in this store, by code of the same version.
        comparison: numbers of the live models that have a record of another training, beside it.
        names: of the parts of a key.
    """

    runs: Mapping[Hashable, Run]
    measured: Mapping[Hashable, tuple[Measured, ...]]
    measures: Mapping[Hashable, tuple[MeasureConfig, ...]]
    live: frozenset[Hashable]
    comparison: tuple[Difference, ...]
    names: tuple[str, ...] = ()

    @cached_property
    def frame(self) -> pd.DataFrame:
        """:meth:`rows` as one table, with a column for each part of a key (``setup``, ``penalty``, …) beside them.

        Means over seeds: ``frame[frame.measure == "accuracy"].pivot_table("value", "setup", "language")``.
        """
        import pandas as pd

        return pd.DataFrame([dict(zip(self.names, row["key"], strict=bool(self.names))) | row for row in self.rows()])

    def rows(self) -> list[dict[str, Any]]:
        """Everything measured, for :mod:`xlgen.analysis`: a row for each model, measure and language.

        Measures on another split than the test split are named after it, ``dev_…`` or ``dev_held_…``. Each margin is
        followed by ``…_correct``: the same statistic over the correctly classified examples.
        """
        rows = [
            {
                "key": key,
                "task": self.runs[key].task,
                "objective": self.runs[key].config.objective,
                "seed": self.runs[key].config.seed,
                "language": language,
                "measure": config.named(name),
            }
            | asdict(value)
            for key, parts in self.measured.items()
            for config, part in zip(self.measures[key], parts, strict=True)
            for name, values in part.items()
            for language, value in values.items()
        ]
        both = ([row, correct_only(row)] if "correct_only" in row["extra"] else [row] for row in rows)
        return list(chain.from_iterable(both))

    def whole(self) -> Obtained:
        """The models that have all that was asked: :func:`committed` gives those with a part of it too."""
        there = [
            key
            for key, parts in self.measured.items()
            if all({*one.names} <= {*part} for one, part in zip(self.measures[key], parts, strict=True))
        ]
        runs, measured, measures = ({k: one[k] for k in there} for one in (self.runs, self.measured, self.measures))
        compared = tuple(one for one in self.comparison if one.key in runs)
        return Obtained(runs, measured, measures, self.live & {*there}, compared, self.names)


def correct_only(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a margin over the correctly classified examples, from that over all."""
    extra = row["extra"]
    n, status = extra["n_correct"], "ok" if extra["n_correct"] else "none_correct"
    value, stderr = extra["correct_only"], extra["correct_only_stderr"]
    new = {"measure": f"{row['measure']}_correct", "value": value, "stderr": stderr, "n": n, "status": status}
    parts = {"blocks": extra["correct_only_blocks"]} if "correct_only_blocks" in extra else {}
    return dict(row) | new | {"on": f"{row['on']}, correctly classified", "extra": parts}


def default_folder() -> Path:
    """The records of this checkout."""
    return notebook.root() / "records"


def each(folder: Path | None = None) -> Iterator[tuple[RunConfig, Result, list[Result]]]:
    """Each committed record: the run's configuration, the run, and what was measured of it.

    Args:
        folder: of the records; the checkout's unless given.
    """
    for path in sorted((default_folder() if folder is None else folder).glob("*.json")):
        source, *results = unpack(path)  # kept: chapters go through all of them several times
        yield RunConfig.from_dict(source.read("config")), source, results


def recorded(folder: Path | None = None, **settings: Any) -> pd.DataFrame:
    """Every number of the committed records whose runs have these settings, a row for each model, measure and language.

    It needs neither the data nor the encoder, and asks for no protocol: what is there is there. Where a measure was
    taken more than once, that with the fewest settings besides its defaults counts, and of these that of most examples.

    Args:
        folder: of the records; the checkout's unless given.
        settings: of :class:`~xlgen.core.config.RunConfig`, such as ``task="xnli", model="e5-small"``.

    Returns:
        Columns ``key`` (of the run), ``created``, ``train_size`` [examples], ``task``, ``model``, ``objective``,
        ``seed``, ``language``, ``measure``, ``split`` and the attributes of :class:`~xlgen.measures.Value`; measures
        are named as in :meth:`Obtained.rows`.
    """
    import pandas as pd

    columns: dict[str, list[Any]] = {}
    once: dict[Any, Any] = {}  # a table of thousands of runs says the same few words again and again
    for config, source, results in each(folder):
        if any(getattr(config, name) != value for name, value in settings.items()):
            continue
        about = {name: getattr(config, name) for name in ("task", "model", "objective", "seed")}
        manifest = source.read("manifest")
        about |= {"key": source.name, "created": manifest["created"], "train_size": manifest["train_pairs"]}
        best: dict[tuple[str, str], tuple[tuple[int, int], dict[str, Any]]] = {}
        for result in results:
            asked = result.read("config")
            (name,), split = asked["names"], asked["split"]
            measure = name if split == "test" else f"{split}_{name}"
            plain = -unusual(name, asked["settings"][name])
            for language, value in result.read("values").items():
                row = about | {"language": language, "measure": measure, "split": split} | asdict(Value(**value))
                rank, (before, _) = (plain, row["n"]), best.get((measure, language), ((-math.inf, 0), {}))
                if rank > before:
                    best[measure, language] = rank, row
        for column, cell in chain.from_iterable(row.items() for _, row in best.values()):
            columns.setdefault(column, []).append(once.setdefault(cell, cell) if type(cell) is str else cell)
    return pd.DataFrame(columns)


def obtain(
    protocol: Protocol, options: RunOptions, *, workers: int = 2, live: int = 1, folder: Path | None = None
) -> Obtained:
    """The models of a protocol, measured.

    Args:
        protocol: what is wanted.
        options: how to train and measure what has no record.
        workers: models trained or measured side by side.
        live: the first so many keys are trained here, whether or not they have a record, and compared with it.
        folder: of the records; the checkout's unless given.

    Raises:
        StoreError: a record cannot be read.
        XlgenError: as for training and measuring.
    """
    kept = replace(options, records=default_folder() if folder is None else folder)
    configs = {key: resolve(config, options) for key, config in protocol.configs.items()}
    records = {
        key: record
        for key, config in configs.items()
        if (record := _complete(config.hash, protocol.measures[key], kept)) is not None
    }
    here = [key for number, key in enumerate(configs) if number < live or key not in records]
    starts = {configs[key].start for key in here}
    here += [key for key, config in configs.items() if config.hash in starts and key not in here]
    trained = dict(zip(here, run_many([configs[key] for key in here], options, workers), strict=True))
    rest = {key: record for key, record in records.items() if key not in trained}
    runs = {key: trained.get(key) or rest[key] for key in configs}
    measured = _measure(trained, protocol.measures, options, workers) | _measure(rest, protocol.measures, kept, workers)
    measured = {key: measured[key] for key in configs}
    both = [key for key in configs if key in trained and key in records and _again(trained[key], records[key])]
    recorded = _measure({key: records[key] for key in both}, protocol.measures, kept, workers)
    comparison = tuple(
        Difference(key, name, language, value.value, now[name][language].value)
        for key in both
        for before, now in zip(recorded[key], measured[key], strict=True)
        for name, values in before.items()
        for language, value in values.items()
    )
    return Obtained(runs, measured, dict(protocol.measures), frozenset(trained), comparison, protocol.names)


def kept(protocol: Protocol, options: RunOptions, folder: Path | None = None) -> Protocol:
    """The part of a protocol that committed records have whole: what :func:`obtain` gives without any training.

    Args:
        protocol: what is wanted.
        options: whose other settings name the runs.
        folder: of the records; the checkout's unless given.

    Raises:
        StoreError: a record cannot be read.
    """
    options = replace(options, records=default_folder() if folder is None else folder)
    there = {
        key: config
        for key, config in protocol.configs.items()
        if _complete(resolve(config, options).hash, protocol.measures[key], options) is not None
    }
    return replace(protocol, configs=there, measures={key: protocol.measures[key] for key in there})


def committed(protocol: Protocol, folder: Path | None = None) -> Obtained:
    """The models of a protocol as far as they are recorded, of whatever data: it needs neither data nor encoder.

    A record belongs to a key whose settings it has, but for what is only known where the data are; of several the
    newest counts. Of each measure it gives what has the settings asked for; of several, that of most examples. What is
    not recorded is left out, so that a protocol may ask for more than any grid has run.

    Args:
        protocol: what is wanted, at the preset of a real encoder.
        folder: of the records; the checkout's unless given.

    Returns:
        Without live models; its keys are in the order of the protocol.
    """
    wanted = {key: filled_in(asked) for key, asked in protocol.configs.items()}
    runs: dict[Hashable, Run] = {}
    parts: dict[Hashable, tuple[Measured, ...]] = {}
    for config, source, results in each(folder):
        for key in (key for key, asked in wanted.items() if _same_run(config, asked, source)):
            if key in runs and runs[key].manifest["created"] > source.read("manifest")["created"]:
                continue
            runs[key] = Run(config, source)
            parts[key] = tuple(_recorded_part(one, results) for one in protocol.measures[key])
    keys = [key for key in protocol.configs if key in runs]
    measures = {key: protocol.measures[key] for key in keys}
    runs, parts = ({key: one[key] for key in keys} for one in (runs, parts))
    return Obtained(runs, parts, measures, frozenset(), (), protocol.names)


def names_of_committed(folder: Path | None = None) -> Callable[[RunConfig], str]:
    """What gives the name of a recorded run with these settings, of whatever data; empty where there is none."""
    every = [(config, source) for config, source, _ in each(folder)]

    def name(config: RunConfig) -> str:
        asked = filled_in(config)
        return next((source.name for recorded, source in every if _same_run(recorded, asked, source)), "")

    return name


def filled_in(config: RunConfig) -> RunConfig:
    """The settings with all defaults, as those of a record are."""
    objective, tuning = create(config.objective, config.hyper), tunings.create(config.tuning, config.tuning_hyper)
    return config.with_(hyper=named(objective), tuning_hyper=named(tuning))


def _same_run(recorded: RunConfig, asked: RunConfig, source: Result) -> bool:
    """Whether a record has all settings that are asked for, but for what is only known where the data are."""
    only_there = ("data", "code", "dev_size", "train_size")
    names = (field.name for field in fields(RunConfig) if field.name not in only_there)
    if any(getattr(recorded, name) != getattr(asked, name) for name in names):
        return False
    whole = recorded.train_size == 0 and source.read("manifest")["train_pairs"] <= asked.train_size
    return recorded.train_size == asked.train_size or whole


def _recorded_part(one: MeasureConfig, results: Iterable[Result]) -> Measured:
    """Of what was measured of a run, what a configuration asks for, by measure."""
    part: Measured = {}
    most: dict[str, float] = {}
    for result in results:
        asked = result.read("config")
        (name,) = asked["names"]
        if name not in one.names or asked["split"] != one.split:
            continue
        settings = encode(dict(one.settings.get(name, {})))
        if any(asked["settings"][name].get(key) != value for key, value in settings.items()):
            continue
        size = asked["size"] or math.inf
        if size > most.get(name, 0):
            values = result.read("values").items()
            part[name] = {c: Value(**v) for c, v in values if not one.languages or c in one.languages}
            most[name] = size
    return {name: part[name] for name in one.names if name in part}


Entry = tuple[RunConfig, tuple[MeasureConfig, ...]]


def check_commit() -> None:
    """Refuse to make records of code that nobody else has.

    Raises:
        ConfigError: files differ from the commit.
    """
    if (commit := git_commit(notebook.root()) or "no commit").endswith(("+", "commit")):
        raise ConfigError(f"the code is of {commit}; expected a commit without changes (+). Commit, then make records.")


def plan(protocols: Iterable[Protocol], options: RunOptions, others: Iterable[Protocol] = ()) -> dict[str, Entry]:
    """By name in the store, each model of the protocols once, with all that any of them measures.

    Args:
        protocols: whose models are wanted.
        options: where the data are.
        others: protocols whose measures of the same models are wanted too: a record is one file a model.
    """
    entries: dict[str, Entry] = {}
    asked = chain(((protocol, True) for protocol in protocols), ((protocol, False) for protocol in others))
    for protocol, wanted in asked:
        for key, config in protocol.configs.items():
            resolved = resolve(config, options)
            if not wanted and resolved.hash not in entries:
                continue
            _, before = entries.get(resolved.hash, (resolved, ()))
            entries[resolved.hash] = resolved, (*before, *(one for one in protocol.measures[key] if one not in before))
    return entries


def _again(trained: Run, record: Run) -> bool:
    """Whether the run is another training than the one that the record was written from."""
    return trained.manifest["created"] != record.manifest["created"]


def made(source: Run, measures: Sequence[MeasureConfig], folder: Path, options: RunOptions) -> Path:
    """Measure a stored run and write its record; what the store has of it is not measured again.

    What follows the predictions may take long, so that a record is written after them already; not over one that is
    there, which may have more.
    """
    for number, one in enumerate(measures, start=1):
        measured(source, [one], options)
        if "representation_distance" in one.names and not (folder / f"{source.key}.json").is_file():
            _pack(source, measures[:number], options, folder)
    return _pack(source, measures, options, folder)


def measured(source: Run, measures: Sequence[MeasureConfig], options: RunOptions) -> Run:
    """Measure a stored run, and keep what later measures without labels need beside the store; return the run."""
    for one in measures:
        whole = "representation_distance" in one.names
        measure(source, one, options, _keep(source, options) if whole else None)
    return source


def _keep(source: Run, options: RunOptions) -> Callable[[Subject], object]:
    """Keep logits and representations beside the store, so that a measure that comes later costs no training."""
    return lambda subject: logits.keep_measured(source, subject, options)


def _pack(source: Run, measures: Sequence[MeasureConfig], options: RunOptions, folder: Path) -> Path:
    """Write the record of a stored run."""
    return pack(folder, source.result, [result for one in measures for result in stored(source, one, options).values()])


def _complete(name: str, measures: Sequence[MeasureConfig], kept: RunOptions) -> Run | None:
    """The record of a run, if there is one and it has everything that is wanted."""
    record = trained_runs.stored(name, kept)
    if record is None or record.result.packed is None:
        return None
    results = (result for one in measures for result in stored(record, one, kept).values())
    return record if all(result is not None and result.packed is not None for result in results) else None


def _measure(
    runs: Mapping[Hashable, Run],
    measures: Mapping[Hashable, tuple[MeasureConfig, ...]],
    options: RunOptions,
    workers: int,
) -> dict[Hashable, tuple[Measured, ...]]:
    """Measure the runs that share a list of configurations together, side by side."""
    found: dict[Hashable, tuple[Measured, ...]] = {}
    for wanted in dict.fromkeys(repr(measures[key]) for key in runs):
        keys = [key for key in runs if repr(measures[key]) == wanted]
        columns = [measure_many([runs[key] for key in keys], one, options, workers) for one in measures[keys[0]]]
        found |= zip(keys, zip(*columns, strict=True), strict=True)
    return {key: found[key] for key in runs}
