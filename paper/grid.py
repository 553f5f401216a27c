"""A grid of runs as jobs: for each model a file with all that is needed to train, measure and record it alone.

An engine (Snakemake, ``xargs``, GNU parallel, an array of SLURM) starts the jobs, in any order and number, on any
machine that sees the store: none of them knows of another, and nothing here starts two at once. A grid is a list of
protocols with choices, in a YAML file or on the command line.
"""

from __future__ import annotations

import inspect
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from paper import records
from paper.protocols import PROTOCOLS, Protocol
from xlgen.core.config import RunConfig, RunOptions
from xlgen.core.errors import ConfigError, UnknownName, what_is_wrong
from xlgen.core.files import atomic, encode, read_json
from xlgen.core.packed import unpack
from xlgen.core.result import Result
from xlgen.core.store import Store
from xlgen.measures import measuring
from xlgen.measures.measuring import MeasureConfig
from xlgen.training.runs import Run, run

STEPS = ("train", "measure", "record")
"""Of a job, each with those before it."""
ALL = "all"


@dataclass(frozen=True)
class Job:
    """A model that is trained, measured and recorded without any other.

    Attributes:
        config: of its run, with everything that its name covers.
        measures: what is measured of it.
        results: names of the measures in the store, which its record has when it is whole.
        first: the run whose weights it begins from, if that is of the grid.
    """

    config: RunConfig
    measures: tuple[MeasureConfig, ...]
    results: tuple[str, ...]
    first: RunConfig | None = None

    def recorded(self, folder: Path) -> bool:
        """Whether ``folder`` has a record of it with everything that is measured."""
        path = folder / f"{self.config.hash}.json"
        return path.is_file() and {one.name for one in unpack(path)} >= {*self.results}

    def write(self, folder: Path) -> Path:
        """Write ``folder/<run>.json``; a file that is the same stays, so that nothing is late by it."""
        path, content = folder / f"{self.config.hash}.json", json.dumps(encode(asdict(self)), indent=1) + "\n"
        if not path.is_file() or path.read_text(encoding="utf-8") != content:
            with atomic(path) as temporary:
                temporary.write_text(content, encoding="utf-8")
        return path

    @classmethod
    def read(cls, path: Path) -> Job:
        """Inverse of :meth:`write`.

        Raises:
            StoreError: the file cannot be read.
            ConfigError: it is not what was written.
        """
        content = read_json(path, "write it with `xlgen grid`")
        try:
            first = content["first"] and RunConfig.from_dict(content["first"])
            measures = tuple(MeasureConfig.from_dict(one) for one in content["measures"])
            job = cls(RunConfig.from_dict(content["config"]), measures, tuple(content["results"]), first)
        except (KeyError, TypeError):
            raise ConfigError(f"{path} is no job; write it with `xlgen grid`.") from None
        if job.config.hash != path.stem:
            raise ConfigError(
                f"{path} holds run {job.config.hash}; expected {path.stem}, as it is called. Write it again with "
                "`xlgen grid`."
            )
        return job


def protocols_of(file: Path, name: str, options: RunOptions) -> list[Protocol]:
    """The protocols of one grid of a YAML file: ``name: [{protocol: seeds, preset: mini, seeds: [0, 1]}, …]``.

    ``protocol: all`` stands for every one, with the same preset and settings.

    Raises:
        ConfigError: the file cannot be read, or an entry names no protocol.
        UnknownName: there is no such grid, protocol or choice.
    """
    import yaml

    try:
        grids = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(
            f"{file} cannot be read as YAML ({what_is_wrong(error)}); expected a file of grids."
        ) from None
    if not isinstance(grids, dict):
        raise ConfigError(f"{file} holds no grids by name; expected `name: [{{protocol: seeds, preset: mini}}]`.")
    if name not in grids:
        raise UnknownName(f"grid of {file.name}", name, grids)
    entries = grids[name]
    if not isinstance(entries, list) or not all(isinstance(e, dict) and "protocol" in e for e in entries):
        raise ConfigError(f"{file}: {name} is no list of protocols; expected `- {{protocol: seeds, preset: mini}}`.")
    every = [name for name, _ in PROTOCOLS.items()]
    entries = [
        entry | {"protocol": n}
        for entry in entries
        for n in (every if entry["protocol"] == ALL else [entry["protocol"]])
    ]
    return [protocol(options=options, **entry) for entry in entries]


def protocol(protocol: str, preset: str = "mini", *, options: RunOptions, **choices: Any) -> Protocol:
    """A protocol by its name, with choices of its own and settings of a run."""
    function = PROTOCOLS[protocol]
    given = {"options": options} if "options" in inspect.signature(function).parameters else {}
    return function(preset, **given, **choices)


def jobs(protocols: Iterable[Protocol], options: RunOptions, others: Iterable[Protocol] = ()) -> list[Job]:
    """Each model of the protocols once, with all that any of them measures; what others begin from comes first.

    Args:
        protocols: whose models are wanted.
        options: where the data are.
        others: protocols whose measures of the same models are wanted too: a record is one file a model.
    """
    plan = records.plan(protocols, options, others)
    made = []
    for name, (config, measures) in plan.items():
        trained = Run(config, Result(name, options.store / name))
        results = tuple(key for one in measures for key in measuring.names(trained, one, options).values())
        first = plan[config.start][0] if config.start in plan else None
        made.append(Job(config, measures, results, first))
    return sorted(made, key=lambda job: job.first is not None)


def lines(jobs: Sequence[Job], written: Mapping[str, Path], options: RunOptions, more: Sequence[str] = ()) -> list[str]:
    """A shell line for each job, in any order and number.

    Jobs that begin from one run whose weights the store does not have stand on one line, behind that run if it is one
    of them: the first of the line trains it, and no two lines do.

    Args:
        jobs: those that are wanted.
        written: by name of the run, the job's file.
        options: where the store is.
        more: arguments of each command.
    """
    store, together = Store(options.store), {}
    waiting = {job.first.hash for job in jobs if job.first is not None}
    for job in jobs:
        name = job.config.hash
        apart = job.first is None or store.get(job.first.hash) is not None
        together.setdefault(name if apart or name in waiting else job.first.hash, []).append(name)
    command = ["xlgen", "record", *more, "--job"]
    return [" && ".join(shlex.join([*command, str(written[name])]) for name in names) for names in together.values()]


def check_step(name: str) -> None:
    """Refuse what is none of :data:`STEPS`.

    Raises:
        UnknownName: there is no such step.
    """
    if name not in STEPS:
        raise UnknownName("step", name, STEPS)


def do(job: Job, until: str, folder: Path, options: RunOptions) -> Path:
    """Train, measure and record the model of a job, as far as it has not been done.

    Args:
        job: what is to be done.
        until: the last of :data:`STEPS`.
        folder: of the records.
        options: how; ``threads`` 0 means one, whatever the machine has.

    Returns:
        The trained model's folder, or its record.

    Raises:
        UnknownName: there is no such step.
        ConfigError: files differ from the commit, so that nobody could make the record again.
        XlgenError: as for training and measuring.
    """
    check_step(until)
    records.check_commit()
    options = replace(options, threads=options.threads or 1)
    if job.first is not None and Store(options.store).get(job.config.hash) is None:
        run(job.first, options)
    source = run(job.config, options)
    if until == "train":
        return source.folder
    if until == "measure":
        return records.measured(source, job.measures, options).folder
    return records.made(source, job.measures, folder, options)
