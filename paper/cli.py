"""The command line with what the book needs: ``xlgen grid``, ``plan``, ``record``, ``notebook``, and the protocols."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xlgen import cli
from xlgen.cli import arguments, options_of
from xlgen.cli.arguments import add_checkpoints, add_common
from xlgen.cli.listing import LISTS, Entry, about
from xlgen.cli.written import writable
from xlgen.core.config import RunOptions
from xlgen.core.errors import ConfigError

if TYPE_CHECKING:
    from paper.grid import Job
    from paper.protocols import Protocol


def protocols(store: Path) -> Iterable[Entry]:
    from paper.protocols import PROTOCOLS

    for name, function in PROTOCOLS.items():
        yield Entry(name, about(function))


LISTS["protocols"] = protocols


def parser() -> argparse.ArgumentParser:
    """The grammar of all commands."""
    return arguments.parser(add for add, _ in COMMANDS.values())


def main(given: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code, as :func:`xlgen.cli.main`."""
    return cli.main(given, COMMANDS)


def _add_record(commands) -> None:
    record = commands.add_parser(
        "record",
        help="train and measure the models of some protocols, and write their numbers to records/",
        description="Train and measure the models of some protocols, one after the other, where the store does not "
        "have them, and write a record of each: what the chapters read in place of training them. Several at once, "
        "here or on a cluster, are an engine's business: `make records`, or `xlgen grid --print`.",
    )
    _add_runs(record)
    record.add_argument("--job", type=arguments.path, help="in place of protocols, one file of `xlgen grid`: one model")
    record.add_argument("--until", default="record", help="the last step of each: train, measure or record (record)")
    record.add_argument(
        "--folder", type=arguments.path, help="where records are written; records/ of the checkout unless given"
    )
    add_common(record)
    add_checkpoints(record)
    record.set_defaults(command="record")


def _add_grid(commands) -> None:
    grid = commands.add_parser(
        "grid",
        help="write a job for each model of some protocols, and say what is missing",
        description="Write a job, a file for `xlgen record --job`, for each model of some protocols, and say how many "
        "have no record. With --print, a shell line for each of those, for xargs, GNU parallel or an array of SLURM.",
    )
    _add_runs(grid)
    grid.add_argument("--print", action="store_true", dest="lines", help="print a shell line for each missing run")
    grid.add_argument("--list", action="store_true", help="print the file of each run's job")
    grid.add_argument(
        "--jobs", type=arguments.path, default=Path("build", "grid"), help="folder of the jobs (build/grid)"
    )
    grid.add_argument("--folder", type=arguments.path, help="of the records; records/ of the checkout unless given")
    add_common(grid)
    add_checkpoints(grid)
    grid.set_defaults(command="grid")


def _add_runs(command: argparse.ArgumentParser) -> None:
    """Which runs: those of protocols, or of a grid."""
    command.add_argument("protocols", nargs="*", help="names; see `xlgen list protocols`")
    command.add_argument("--grid", help="in place of protocols, the name of a grid of --file, such as mini")
    command.add_argument(
        "--file", type=arguments.path, help="YAML file of grids; workflow/grid.yml of the checkout unless given"
    )
    command.add_argument("--preset", default="mini", help="with protocols: mini (the default), real, small or paper")


def _add_plan(commands) -> None:
    plan = commands.add_parser(
        "plan",
        help="say what the runs of some protocols will take, before anything is spent",
        description="Say what training the runs of some protocols will take: steps, tokens, memory of a device, hours "
        "and cost. Nothing is trained, but the models are loaded and the data read.",
    )
    _add_runs(plan)
    plan.add_argument(
        "--tokens-per-second",
        type=arguments.number,
        help="sub-words of plain training that another device computes a second; unless given, steps of each kind of "
        "run are timed here, for ten seconds at most",
    )
    plan.add_argument(
        "--price", type=arguments.number, default=0.0, help="of an hour of the device, in any currency (0)"
    )
    plan.add_argument("--out", type=arguments.path, help="also write seconds and bytes of each run, by name, as JSON")
    add_common(plan)
    plan.set_defaults(command="plan")


def _add_notebook(commands) -> None:
    notebook = commands.add_parser(
        "notebook", help="execute a notebook with parameters", description="Execute a notebook with parameters."
    )
    notebook.add_argument("name", help="name of a notebook, such as xnli")
    notebook.add_argument("-p", nargs=2, action="append", default=[], metavar=("KEY", "VALUE"), dest="parameters")
    notebook.add_argument(
        "--book", action="store_true", help="as a chapter of the book, with its parameters there; only if out of date"
    )
    notebook.add_argument("--out", type=arguments.path, help="the executed notebook; in build/notebooks unless given")
    notebook.add_argument("--verbose", action="store_true", help="say what is being done")
    notebook.set_defaults(command="notebook")


def _record(args: argparse.Namespace) -> None:
    options = options_of(args)
    writable(args.folder and args.folder / "record.json", "--folder")
    from paper import grid, records

    if args.job and (args.protocols or args.grid):
        raise ConfigError("protocols and --job are both given; choose one.")
    grid.check_step(args.until)  # before the jobs, whose list takes long
    for job in [grid.Job.read(args.job)] if args.job else _jobs(args, options):
        print(grid.do(job, args.until, args.folder or records.default_folder(), options), flush=True)


def _grid(args: argparse.Namespace) -> None:
    from paper import grid, records

    options, folder = options_of(args), args.folder or records.default_folder()
    writable(args.jobs / "job.json", "--jobs")
    jobs = _jobs(args, options)
    written = {job.config.hash: job.write(args.jobs) for job in jobs}
    missing = [job for job in jobs if not job.recorded(folder)]
    if args.lines:
        print(*grid.lines(missing, written, options, _given(args)), sep="\n", end="\n" * bool(missing))
        return
    if args.list:
        print(*written.values(), sep="\n")
        return
    print(f"{len(jobs)} runs, {len(jobs) - len(missing)} recorded, {len(missing)} missing; jobs are in {args.jobs}")


def _plan(args: argparse.Namespace) -> None:
    from paper import planned

    options = options_of(args)
    if args.tokens_per_second is not None and not 0 < args.tokens_per_second < math.inf:
        raise ConfigError(f"--tokens-per-second is {args.tokens_per_second}; expected a positive number.")
    if not 0 <= args.price < math.inf:
        raise ConfigError(f"--price is {args.price}; expected a number, 0 or more.")
    writable(args.out)
    costs = planned.costs(_protocols(args, options), options, args.tokens_per_second)
    print(planned.text(costs, args.price))
    if args.out:
        planned.write(args.out, costs)


def _jobs(args: argparse.Namespace, options: RunOptions) -> list[Job]:
    """Of the miniature, with the measures of every protocol: a record that was made for one has to do for all.

    Real data may not all be at hand, so that of them only what is named is asked.
    """
    from paper import grid
    from paper.protocols import PROTOCOLS

    named = _protocols(args, options)
    every = [name for name, _ in PROTOCOLS.items()] if args.protocols and args.preset == "mini" else []
    return grid.jobs(named, options, [grid.protocol(name, options=options) for name in every])


def _protocols(args: argparse.Namespace, options: RunOptions) -> list[Protocol]:
    """Those that are named, or those of a grid."""
    from paper import grid, notebook

    if bool(args.grid) == bool(args.protocols):
        raise ConfigError(
            f"expected names of protocols, such as `xlgen {args.command} seeds`, or --grid with the name of a grid."
        )
    if args.protocols:
        return [grid.protocol(name, args.preset, options=options) for name in args.protocols]
    return grid.protocols_of(args.file or notebook.root() / "workflow" / "grid.yml", args.grid, options)


def _given(args: argparse.Namespace) -> list[str]:
    """The options that differ from their defaults, for the command of a job."""
    plain = parser().parse_args(["record"])
    words = []
    for name in ("store", "data_dir", "text_dir", "device", "threads", "checkpoint_every", "folder"):
        if (value := getattr(args, name)) != getattr(plain, name):
            words += [f"--{name.replace('_', '-')}", str(value)]
    return [*words, *(["--no-progress"] if args.no_progress else [])]


def _notebook(args: argparse.Namespace) -> None:
    from paper import notebook

    if args.book:
        if args.parameters or args.out:
            raise ConfigError("--book comes without -p and --out: _config.yml has the book's parameters.")
        from paper import stale

        print(stale.refresh_one(args.name))
        return
    writable(args.out)
    print(notebook.run(args.name, dict(args.parameters), args.out))


COMMANDS = {
    "record": (_add_record, _record),
    "grid": (_add_grid, _grid),
    "plan": (_add_plan, _plan),
    "notebook": (_add_notebook, _notebook),
}
