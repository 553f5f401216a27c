"""The command line with what the book needs: ``xlgen record`` and ``xlgen notebook``, and the list of protocols."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from xlgen import cli
from xlgen.cli import arguments, options_of, writable
from xlgen.cli.arguments import add_common
from xlgen.cli.listing import LISTS, Entry, about


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
        help="train and measure the models of the protocols, and write their numbers to records/",
        description="Train and measure the models of the protocols, where the store does not have them, and write a "
        "record of each: what the chapters read in place of training them.",
    )
    record.add_argument("protocols", nargs="*", help="names; all unless given; see `xlgen list protocols`")
    record.add_argument("--preset", default="mini", help="sizes and epochs: mini (the default), small or paper")
    record.add_argument("--workers", type=arguments.whole, default=2, help="models trained side by side (2)")
    record.add_argument("--folder", type=Path, help="where records are written; records/ of the checkout unless given")
    add_common(record)
    record.set_defaults(command="record")


def _add_notebook(commands) -> None:
    notebook = commands.add_parser(
        "notebook", help="execute a notebook with parameters", description="Execute a notebook with parameters."
    )
    notebook.add_argument("name", help="name of a notebook, such as xnli")
    notebook.add_argument("-p", nargs=2, action="append", default=[], metavar=("KEY", "VALUE"), dest="parameters")
    notebook.add_argument("--out", type=Path, help="the executed notebook; in build/notebooks unless given")
    notebook.add_argument("--verbose", action="store_true", help="say what is being done")
    notebook.set_defaults(command="notebook")


def _record(args: argparse.Namespace) -> None:
    options = options_of(args)
    writable(args.folder and args.folder / "record.json", "--folder")
    from paper import records

    for path in records.make(args.protocols, args.preset, options, workers=args.workers, folder=args.folder):
        print(path)


def _notebook(args: argparse.Namespace) -> None:
    from paper import notebook

    writable(args.out)
    print(notebook.run(args.name, dict(args.parameters), args.out))


COMMANDS = {"record": (_add_record, _record), "notebook": (_add_notebook, _notebook)}
