"""The command line's grammar: commands, arguments and their help."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import xlgen
from xlgen.cli.listing import LISTS
from xlgen.core.config import RunOptions

SPLITS = "dev, test (the default), dev_held, the half of dev that no second stage sees, or shifted, another domain"


class Parser(argparse.ArgumentParser):
    """argparse's, whose errors are one line like all others, with the option that was probably meant.

    Options are not abbreviated: ``--data`` would be ``--data-dir`` to a command that has no ``--data``.
    """

    def __init__(self, *args: Any, **given: Any):
        super().__init__(*args, **{"allow_abbrev": False} | given)

    def parse_args(self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None):
        """As argparse's; what a command does not know is its own business, not that of all commands."""
        found, strange = self.parse_known_args(args, namespace)
        if strange:
            commands = next(action for action in self._actions if isinstance(action, argparse._SubParsersAction))
            commands.choices[found.command].error(f"unrecognized arguments: {' '.join(strange)}")
        return found

    def error(self, message: str) -> NoReturn:
        known = [*self._option_string_actions]
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                known += action.choices
        strange = re.search("(?:invalid choice: '|unrecognized arguments: )([^' ]+)", message)
        known = [word for word in known if not strange or word != strange[1]]  # another command's
        near = difflib.get_close_matches(strange[1], known, n=1) if strange else []
        hint = f" Did you mean {near[0]}?" if near else ""
        message = message.removeprefix("argument ").replace(": is '", " is '")
        self.exit(2, f"xlgen: {message}.{hint} See `{self.prog} --help`.\n")


def whole(text: str) -> int:
    """A whole number, as argparse reads it."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"is {text!r}; expected a whole number") from None


def number(text: str) -> float:
    """A number, as argparse reads it."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"is {text!r}; expected a number") from None


def path(text: str) -> Path:
    """A path, as argparse reads it; ``Path("")`` would be the present folder."""
    if not text:
        raise argparse.ArgumentTypeError("is ''; expected a path")
    return Path(text)


def parser(more: Iterable[Callable] = ()) -> Parser:
    """The command line's grammar.

    Args:
        more: functions that add a command each to argparse's sub-parsers.
    """
    top = Parser(prog="xlgen", description="Fine-tune on English, measure, and predict transfer.")
    top.add_argument("--version", action="version", version=xlgen.__version__)
    commands = top.add_subparsers(required=True, metavar="command")
    _add_run(commands)
    _add_measure(commands)
    _add_predict(commands)
    _add_frechet(commands)

    listing = commands.add_parser("list", help="show what there is", description="Show what there is.")
    listing.add_argument("what", help=", ".join(LISTS))
    add_common(listing, listing_only=True)
    listing.set_defaults(command="list")
    for add in more:
        add(commands)
    return top


def _add_run(commands) -> None:
    run = commands.add_parser(
        "run",
        help="fine-tune a model, unless the store has it",
        description="Fine-tune a model on English, unless the store has it. An interrupted run is resumed. With "
        "--start and --language a model of the store is fine-tuned further, in another language.",
    )
    run.add_argument("--preset", help="sizes and epochs: mini (the default), real, small or paper")
    run.add_argument("--task", help="the preset's own unless given; see `xlgen list tasks`")
    run.add_argument("--model", help="'mini', a hub id or a folder; the preset's own unless given")
    run.add_argument("--objective", help="baseline unless given; see `xlgen list objectives`")
    run.add_argument("--tuning", help="full unless given; see `xlgen list tunings`")
    run.add_argument("--seed", help="0 unless given")
    run.add_argument("--start", metavar="HASH", help="go on from a run of the store, or the beginning of its name")
    run.add_argument(
        "--language",
        help="train on the first half of this language's development rows, and choose the checkpoint by the second; "
        "the source language's training rows unless given",
    )
    run.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any setting of a run or hyper-parameter of the objective or tuning; can be repeated",
    )
    run.add_argument("--config", type=path, help="JSON file with settings, in place of a preset")
    add_common(run)
    add_checkpoints(run)
    run.set_defaults(command="run")


def _add_measure(commands) -> None:
    measure = commands.add_parser(
        "measure",
        help="measure a fine-tuned model in each language",
        description="Measure a fine-tuned model in each language: a run of the store, or a checkpoint of your own.",
    )
    _add_model(measure)
    measure.add_argument("--pretrained", default="", help="with --model: what fine-tuning started from")
    measure.add_argument("--measures", help="names, separated by commas; see `xlgen list measures`")
    measure.add_argument("--languages", help="codes, separated by commas; all of the task's unless given")
    measure.add_argument("--split", help=SPLITS)
    measure.add_argument("--size", type=whole, help="examples of each language; all unless given")
    measure.add_argument("--batch-size", type=whole, help="examples of a forward pass")
    measure.add_argument(
        "--set", action="append", default=[], metavar="MEASURE.SETTING=VALUE", help="a setting; can be repeated"
    )
    measure.add_argument("--config", type=path, help="JSON file with these settings")
    measure.add_argument("--out", type=path, help="also write all rows, with standard errors, to this .csv or .parquet")
    add_common(measure)
    measure.set_defaults(command="measure")


def _add_predict(commands) -> None:
    predict = commands.add_parser(
        "predict",
        help="forecast a fine-tuned model's accuracy in languages without labels",
        description="Forecast a fine-tuned model's accuracy (F1, where the task is scored by it) in languages without "
        "labels, from one pass over their text. Labels in some target languages, or records of other models, make it "
        "better and give it intervals.",
    )
    _add_model(predict)
    predict.add_argument("--languages", help="codes, separated by commas; all that there are unless given")
    predict.add_argument(
        "--labelled",
        help="languages whose labels may be used; unless given those that are labelled in --data, and none otherwise",
    )
    predict.add_argument(
        "--records",
        type=path,
        help="numbers of other models: a folder of records, or what `xlgen measure --out` writes (.csv, .parquet)",
    )
    predict.add_argument(
        "--pretrained", default="", help="with --model: what fine-tuning started from; records of others are left out"
    )
    predict.add_argument("--split", default="test", help=f"of the task's own data: {SPLITS}")
    predict.add_argument(
        "--size", type=whole, default=0, help="examples of each language of the task's own data; 0 is all"
    )
    predict.add_argument("--batch-size", type=whole, default=64, help="examples of a forward pass (64)")
    predict.add_argument(
        "--precision", default="float32", help="of the forward passes: float32 (the default) or bf16, for GPUs"
    )
    predict.add_argument("--level", type=number, default=0.9, help="of the intervals (0.9)")
    predict.add_argument("--out", type=path, help="also write the table to this .csv or .parquet file")
    predict.add_argument("--report", type=path, help="also write a report with a plot to this .html file")
    add_common(predict)
    predict.set_defaults(command="predict")


def _add_model(command: argparse.ArgumentParser) -> None:
    """Which model, and how a user's own files are given."""
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--run", metavar="HASH", help="a run of the store, or the beginning of its name")
    source.add_argument("--model", help="folder or hub id of a classifier that was fine-tuned elsewhere")
    command.add_argument(
        "--task",
        default="",
        help="with --model: what it was fine-tuned on; see `xlgen list tasks`, or a task file (.toml, .yaml)",
    )
    command.add_argument("--max-length", type=whole, default=128, help="with --model: sub-words of a pair (128)")
    command.add_argument(
        "--data",
        type=path,
        help="your own file or folder: TSV, CSV, JSON lines, Parquet, CoNLL, CoNLL-U, or what datasets has saved; "
        "any language, with labels or without",
    )
    command.add_argument(
        "--columns", metavar="WHAT=NAME,…", help="columns of --data: first, second, label, language; or words, tags"
    )


def _add_frechet(commands) -> None:
    frechet = commands.add_parser(
        "frechet",
        help="distances between languages by the Fisher information of text",
        description="Fréchet distances between languages: how different the weights are that an encoder needs for "
        "their text: to guess hidden words, or, if it is one of sentences, to find translations. Without labels, and "
        "before any fine-tuning.",
    )
    frechet.add_argument("--model", default="mini", help="a pretrained encoder: 'mini', e5-small, a folder or a hub id")
    frechet.add_argument("--languages", required=True, help="codes, separated by commas, the source language first")
    frechet.add_argument(
        "--examples", type=whole, default=1000, help="paragraphs, or translations, of each language (1000)"
    )
    frechet.add_argument("--folds", type=whole, default=5, help="parts for the standard errors (5); 1 is none")
    frechet.add_argument("--max-length", type=whole, default=128, help="sub-words of a paragraph (128)")
    frechet.add_argument("--labels", default="true", help="true (the right answers) or sample (drawn from the model)")
    frechet.add_argument("--seed", type=whole, default=0, help="of what is hidden (0)")
    frechet.add_argument("--out", type=path, help="also write all distances, layer by layer, to this .csv or .parquet")
    add_common(frechet)
    frechet.set_defaults(command="frechet")


def add_common(command: argparse.ArgumentParser, *, listing_only: bool = False) -> None:
    command.add_argument("--store", type=path, default=RunOptions.store, help="folder of the results (runs)")
    command.add_argument("--verbose", action="store_true", help="say what is being done")
    if listing_only:
        return
    command.add_argument("--data-dir", type=path, help="folder with the official archives; the hub unless given")
    command.add_argument(
        "--text-dir",
        type=path,
        help="text for ewc and frechet: a file, or a folder with <language>.txt[.gz]; for encoders of sentences, such "
        "as e5-small, a folder with en-<language>.tsv[.gz]",
    )
    command.add_argument("--device", default=RunOptions.device, help="auto (the default), cpu, cuda or mps")
    command.add_argument("--threads", type=whole, default=RunOptions.threads, help="CPU threads; 0 is torch's choice")
    command.add_argument("--no-progress", action="store_true", help="no progress bar")


def add_checkpoints(command: argparse.ArgumentParser) -> None:
    """For commands that train."""
    command.add_argument(
        "--checkpoint-every",
        type=whole,
        default=RunOptions.checkpoint_every,
        help="optimizer steps between checkpoints for resuming; 0 is none",
    )
