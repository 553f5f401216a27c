"""The command line: ``xlgen run``, ``measure``, ``predict``, ``frechet``, ``list``; :mod:`paper.cli` adds the book's.

Heavy libraries are imported by the command that needs them, so that ``xlgen --help`` answers at once.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType

from xlgen.cli.arguments import parser
from xlgen.cli.given import columns, nested, pairs, settings_in, words
from xlgen.cli.listing import LISTS
from xlgen.cli.written import TABLES, apart, grid, outside, say_columns, writable, write_table
from xlgen.core.config import RunOptions
from xlgen.core.errors import ConfigError, UnknownName, XlgenError, first_line

ALONE = ("predict", "frechet", "list", "plan")
"""Commands that keep nothing of what is not finished."""

Command = tuple[Callable, Callable]
"""What adds a command to argparse's sub-parsers, and what runs it."""


def main(arguments: Sequence[str] | None = None, more: Mapping[str, Command] = MappingProxyType({})) -> int:
    """Run the command line and return its exit code: 0, 2 after an error of the user's or of the disk, 128 and the
    number of the signal when interrupted (130 for Ctrl-C, 143 for SIGTERM).

    Args:
        arguments: those of the process unless given.
        more: commands that stand on this package, by name.
    """
    args = parser(add for add, _ in more.values()).parse_args(arguments)
    commands = COMMANDS | {name: run for name, (_, run) in more.items()}
    logging.basicConfig(level=logging.INFO if args.verbose else logging.WARNING, format="%(name)s: %(message)s")
    try:
        with _terminable():
            _check_processes(args.command)
            commands[args.command](args)
    except XlgenError as error:
        print("xlgen:", " ".join(str(error).split()), file=sys.stderr)
        return 2
    except BrokenPipeError:  # who reads along, such as `head`, has had enough; files were written before
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:  # of a disk or a path, of which the library could say no more
        if error.strerror is None:
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(
            f"xlgen: {where}{error.strerror}. What is finished is kept: make room, or give a folder that can be read "
            "and written, and give the same command again.",
            file=sys.stderr,
        )
        return 2
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        print(
            f"xlgen: the memory is full ({first_line(error)}). Take smaller batches: --batch-size, or of a run --set "
            "micro_batch_size=8, which changes no number but by rounding.",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt as end:
        again = "nothing was written" if args.command in ALONE else "the same command resumes from the last checkpoint"
        print(f"xlgen: interrupted; {again}.", file=sys.stderr)
        return 128 + (end.args[0] if end.args else signal.SIGINT)
    return 0


def _out_of_memory(error: Exception) -> bool:
    """Whether torch, on a device or on the CPU, or Python had no memory left."""
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or "DefaultCPUAllocator" in str(error)


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM, with which clusters end a job, interrupt the block as Ctrl-C does: nothing half-made remains."""

    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt(number)

    if threading.current_thread() is not threading.main_thread():  # others cannot be interrupted
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _check_processes(command: str) -> None:
    """Refuse, in one of several processes, the commands that do not share their work."""
    if command in ("run", "measure", "list"):
        return
    from xlgen.core.processes import started

    if started() > 1:
        raise ConfigError(
            f"xlgen {command} was started in {started()} processes, which would all do the same; expected one. Only "
            "xlgen run and xlgen measure share their work: start this one without torchrun or accelerate launch."
        )


def options_of(args: argparse.Namespace) -> RunOptions:
    return RunOptions(
        store=args.store,
        data_dir=args.data_dir,
        text_dir=args.text_dir,
        device=args.device,
        progress=not args.no_progress,
        threads=args.threads,
        checkpoint_every=getattr(args, "checkpoint_every", RunOptions.checkpoint_every),
    )


def _run(args: argparse.Namespace) -> None:
    from xlgen.training.presets import build, config_for

    given = {key: getattr(args, key) for key in ("task", "model", "objective", "tuning", "seed", "start", "language")}
    given = {key: value for key, value in given.items() if value is not None} | pairs(args.set)
    if args.config and args.preset:
        raise ConfigError("--config and --preset are both given; choose one, and change settings with --set.")
    if args.config:
        values = settings_in(args.config)
        config = build({**values, **given} | ({"data": ""} if given else {}))
    else:
        config = config_for(args.preset or "mini", **given)
    options = options_of(args)
    from accelerate import PartialState

    from xlgen.measures import measuring

    run = measuring.run(config, options)
    if not PartialState().is_main_process:
        return
    best = run.summary
    print(
        f"run {run.key}: {run.config.task}, {run.config.objective}, seed {run.config.seed}: "
        f"dev accuracy {best['dev_accuracy']:.4f} at epoch {best['epoch']:g}, {run.manifest['seconds']:.0f} s"
    )
    print(run.folder)


def _measure(args: argparse.Namespace) -> None:
    _check_source(args)
    options = options_of(args)
    writable(args.out, "--out", TABLES)
    from accelerate import PartialState

    from xlgen.data.catalogue import TASKS
    from xlgen.data.own_task import OwnTask
    from xlgen.data.task_file import task_of
    from xlgen.measures import MEASURES, measuring

    values = settings_in(args.config) if args.config else {}
    flags = {"split": args.split, "size": args.size, "batch_size": args.batch_size}
    flags |= {"names": words(args.measures, "--measures"), "languages": words(args.languages, "--languages")}
    values |= {key: value for key, value in flags.items() if value is not None}
    config = measuring.MeasureConfig.from_dict(values)
    config = replace(config, settings=nested(config.settings, args.set))
    if not config.names:
        raise ConfigError("--measures names none; see `xlgen list measures`.")
    for measure in nested({}, args.set):
        if measure not in config.names and measure in MEASURES:
            raise ConfigError(
                f"--set is given for {measure}, and only {', '.join(config.names)} is measured; ask for it."
            )
    if args.model:
        source = measuring.Checkpoint(args.model, args.task, args.pretrained, args.max_length)
    else:
        source = measuring.find(args.run, options)
    task = task_of(args.task or source.task, args.data, columns(args.columns), config.languages)
    apart(args.out, task)
    if args.model:
        source = replace(source, task=task.name)
    elif task.name != source.task and not isinstance(task, OwnTask):
        raise ConfigError(
            f"run {source.key} is of {source.task!r}, and --task is {task.name!r}: its rows would pass for the run's "
            "own. Leave out --task, or give the rows as --data."
        )
    with TASKS.standing_in(source.task, task):
        rows = measuring.frame([source], [config], options)
    if not PartialState().is_main_process:
        return
    if args.out:
        write_table(args.out, rows)
    say_columns(task.files.guesses if isinstance(task, OwnTask) else {})
    print(f"{source.model} ({source.task}, {config.split if args.data is None else args.data})")
    print(grid(rows))


def _predict(args: argparse.Namespace) -> None:
    _check_source(args)
    options = options_of(args)
    writable(args.out, "--out", TABLES)
    writable(args.report, "--report", (".html",))
    from xlgen.data.own_task import OwnTask
    from xlgen.data.task_file import task_of
    from xlgen.forecast import report
    from xlgen.forecast.predict import predict
    from xlgen.training.runs import find

    source, languages = args.model or find(args.run, options), words(args.languages, "--languages") or ()
    task = task_of(args.task or source.task, args.data, columns(args.columns), languages)
    apart(args.out, task)
    apart(args.report, task, "--report")
    outside(args.out, "--out", args.records, "the records")
    outside(args.report, "--report", args.records, "the records")
    if args.data and (args.size or args.split != "test"):
        raise ConfigError("--size and --split are of the task's own data; of --data all rows are read.")
    say_columns(task.files.guesses if isinstance(task, OwnTask) else {})  # before the work, which may take hours
    found = predict(
        source,
        task,
        languages,
        labelled=words(args.labelled, "--labelled"),
        records=args.records,
        split=args.split,
        size=args.size,
        batch_size=args.batch_size,
        max_length=args.max_length,
        level=args.level,
        precision=args.precision,
        pretrained=args.pretrained,
        options=options,
    )
    if args.out:
        about = {"model": found.model, "task": found.task, "level": found.level}
        write_table(args.out, found.table.assign(**about))
    if args.report:
        report.write(args.report, found)
    print(report.text(found))


def _check_source(args: argparse.Namespace) -> None:
    if args.model == "":
        raise ConfigError("--model is empty; expected a folder or hub id of a classifier.")
    if args.model and not args.task:
        raise ConfigError("--model needs --task: what the model was fine-tuned on; see `xlgen list tasks`.")


def _frechet(args: argparse.Namespace) -> None:
    options = options_of(args)
    writable(args.out, "--out", TABLES)
    import pandas

    from xlgen import models
    from xlgen.core.device import threads
    from xlgen.fisher import of_text

    models.locate(args.model)  # a misspelt name is answered before any text is read

    settings = of_text.Settings(args.max_length, args.labels, args.seed)
    with threads(options.threads):
        found = of_text.of_languages(
            args.model, words(args.languages, "--languages"), args.examples, args.folds, settings, options
        )
    rows, source = pandas.DataFrame(found.rows()), found.languages[0]
    if args.out:
        write_table(args.out, rows)
    print(f"{args.model}: squared Fréchet distance from {source!r}, {args.examples} paragraphs of each language")
    print(grid(rows[(rows["source"] == source) & rows["measure"].isin(["d2", "without_embeddings"])]))


def _list(args: argparse.Namespace) -> None:
    if args.what not in LISTS:
        raise UnknownName("list", args.what, LISTS)
    for entry in LISTS[args.what](args.store):
        print(f"{entry.name:26} {entry.line}".rstrip())


COMMANDS = {
    "run": _run,
    "measure": _measure,
    "predict": _predict,
    "frechet": _frechet,
    "list": _list,
}
