"""What is not a step: the data path, evaluation, the search for alpha, segmentation, training throughput, start-up."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import throughput
from benchmarks.harness import Timing, finished, pairs, timing_of
from benchmarks.shapes import Bench, Shape
from paper.protocols.base import PREDICTED
from xlgen import models
from xlgen.data.batch import Batch
from xlgen.data.catalogue import TASKS
from xlgen.data.encode import Encoded, encode
from xlgen.data.read_pairs import Rows
from xlgen.data.segment import Segmenter
from xlgen.forecast.scores import Tally, scores
from xlgen.measures import MEASURES, Subject
from xlgen.models.evaluate import Predictions, losses, predict
from xlgen.objectives import Step, create

XNLI = Path(__file__).resolve().parents[2] / "shared" / "data" / "xnli"
"""Where the archive of XNLI may lie, beside the checkout."""
LENGTH = 128
BATCH = 64
TIMED = 300
"""Examples of each language whose forward pass is timed; tokens are counted on all."""
SEARCHED = 5
"""Models, of as many seeds, whose α is sought."""
TRAINED = 640
"""Examples of the training jobs."""
PASSED = 640
"""Examples of each language of the pass over unlabelled text."""

Found = Iterator[dict[str, Any]]


def measured(data_dir: Path | None, repeats: int, wanted: Callable[[str], bool]) -> Found:
    """All rows, one after another."""
    parts = {
        "data path": lambda: data_path(data_dir),
        "forecast": lambda: forecast(data_dir),
        "evaluation": evaluation,
        "alpha-sharpness": alpha,
        "segmentation": lambda: segmentation(repeats),
        throughput.OPERATION: lambda: training(repeats),
        "start-up": lambda: start_up(repeats),
    }
    for name, part in parts.items():
        if wanted(name):
            yield from part()


def exactly(number: float, seconds: float = 0.0) -> Timing:
    """A count, as a timing."""
    return Timing(seconds, number, number, number, 1)


def token_counts(batches: Iterable[Batch], max_length: int) -> dict[str, int]:
    """Sub-words of the ``text``, ``processed`` with padding as batched, and ``fixed``: padded to ``max_length``."""
    counts = {"text": 0, "processed": 0, "fixed": 0}
    for batch in batches:
        counts["text"] += int(batch.inputs["attention_mask"].sum())
        counts["processed"] += batch.inputs["input_ids"].numel()
        counts["fixed"] += len(batch) * max_length
    return counts


def data_path(data_dir: Path | None) -> Found:
    """Bucketed and padded to the longest of the batch, against the order of the split padded to 128.

    One pair of timings for each language. Both have to predict the same label for every example.
    """
    folder = data_dir or (XNLI if XNLI.is_dir() else None)
    task = TASKS["xnli" if folder else "mini-xnli"]
    tokenizer = models.load_tokenizer("mini")
    model = models.load_classifier("mini", len(task.labels), seed=0)
    data_of = partial(encode, tokenizer=tokenizer, max_length=LENGTH, position_ids=True)
    plain, ours, tokens, differ, timed = [], [], [], 0, 0
    for language in task.languages:
        rows = task.rows(language, "test", folder)
        tokens.append(token_counts(data_of(rows).batches(BATCH), LENGTH))
        data = data_of(rows.take(TIMED))
        whole, bucketed = padded(data), data.batches(BATCH)
        predict(model, data_of(rows.take(BATCH)).batches(BATCH))  # a warm-up
        labels, seconds = [], []
        for batches in (whole, bucketed):
            start = time.perf_counter()
            labels.append(predict(model, batches).logits.argmax(dim=1))
            seconds.append(time.perf_counter() - start)
        plain.append(seconds[0])
        ours.append(seconds[1])
        differ += int((labels[0] != labels[1]).sum())
        timed += len(data)
    sums = {name: sum(count[name] for count in tokens) for name in tokens[0]}
    unit, where = f"padded to {LENGTH}", f"{task.name} test, {len(task.languages)} languages"
    operation = f"data path, {where}"
    counts = timing_of([count["fixed"] for count in tokens], [count["processed"] for count in tokens])
    yield finished(f"{operation}: tokens", "xlgen",
        Timing(0.0, sums["processed"] / sums["fixed"], counts.low, counts.high, len(tokens)), unit=unit,
        note=f"{sums['processed']:,} tokens for {sums['text']:,} of text, against {sums['fixed']:,}; the miniature's "
        "tokenizer, which cuts real text in more pieces than a tokenizer trained on it",
    )  # fmt: skip
    yield finished(f"{operation}: forward passes", "xlgen", timing_of(plain, ours), unit=unit,
        difference=float(differ), tolerance=0.0,
        note=f"one pair a language, {timed:,} examples; error: labels that differ",
    )  # fmt: skip


def forecast(data_dir: Path | None) -> Found:
    """From text to labels and estimators, as ``predict`` goes through it, against a plain loop of transformers.

    The loop cuts the text in batches in the order of the file, each padded to its longest. One pair of timings for each
    language, sub-words included. Both have to predict the same label for every example.
    """
    folder = data_dir or (XNLI if XNLI.is_dir() else None)
    task = TASKS["xnli" if folder else "mini-xnli"]
    tokenizer, model = (
        models.load_tokenizer("mini"),
        models.load_classifier("mini", len(task.labels), seed=0, eager=False),
    )
    known = scores(Predictions(torch.eye(len(task.labels)).double(), torch.tensor([0, 1, 1])))

    @torch.no_grad()
    def plain(rows: Rows) -> torch.Tensor:
        labels = []
        for start in range(0, len(rows), BATCH):
            part = rows.part(start, start + BATCH)
            batch = tokenizer(
                list(part.first),
                list(part.second),
                truncation=True,
                max_length=LENGTH,
                padding=True,
                return_tensors="pt",
            )
            labels.append(model(**batch).logits.argmax(dim=1))
        return torch.cat(labels)

    def ours(rows: Rows) -> torch.Tensor:
        found = predict(model, encode(rows, tokenizer, LENGTH, None, models.takes_position_ids(model)).batches(BATCH))
        Tally().add(found, known, len(rows))
        return found.logits.argmax(dim=1)

    seconds, differ, timed = {plain: [], ours: []}, 0, 0
    for language in task.languages:
        rows = task.rows(language, "test", folder).take(PASSED)
        for run in seconds:
            run(rows.take(BATCH + 1))  # a warm-up, of other rows than those that are remembered
        labels = {}
        for run, found in seconds.items():
            start = time.perf_counter()
            labels[run] = run(rows)
            found.append(time.perf_counter() - start)
        differ += int((labels[plain] != labels[ours]).sum())
        timed += len(rows)
    yield finished("forecast: a pass over unlabelled text", "xlgen", timing_of(*seconds.values()),
        unit="transformers' own loop", goal=1 / 1.5, difference=float(differ), tolerance=0.0,
        note=f"{task.name} test, {len(task.languages)} languages, {timed:,} examples from text to estimators, "
        f"{timed / sum(seconds[ours]):,.0f} a second; error: labels that differ",
    )  # fmt: skip


def padded(data: Encoded) -> list[Batch]:
    """The order of the split, every example padded to :data:`LENGTH`, as hu2020xtreme does."""
    batches = []
    for index in torch.arange(len(data)).split(BATCH):
        batch = data.batch(index)
        short = LENGTH - batch.inputs["input_ids"].shape[1]
        fill = {"input_ids": data.pad, "attention_mask": 0, "token_type_ids": 0}
        inputs = {
            name: torch.nn.functional.pad(tensor, (0, short), value=fill.get(name, 0))
            for name, tensor in batch.inputs.items()
        }
        inputs["position_ids"] = torch.arange(LENGTH).repeat(len(index), 1)
        batches.append(Batch(inputs, batch.labels, batch.index))
    return batches


def evaluation() -> Found:
    """Accuracy, loss and margins of a language: how often is the model called for each batch?"""
    task, calls = TASKS["mini-xnli"], []
    model = models.load_classifier("mini", len(task.labels), seed=0)
    data = encode(task.rows("en", "dev", None).take(TIMED), models.load_tokenizer("mini"), LENGTH, None, True)
    batches = data.batches(BATCH)
    subject = Subject(model, {"en": batches})
    handle = model.register_forward_hook(lambda *_: calls.append(1))
    start = time.perf_counter()
    values = {name: MEASURES[name](subject)["en"].value for name in PREDICTED}
    seconds = time.perf_counter() - start
    handle.remove()
    known = losses(predict(model, padded(data))).mean().item()
    yield finished("evaluation: accuracy, loss and four margins", "xlgen", exactly(len(calls) / len(batches), seconds),
        unit="forward passes a batch", goal=1.0, difference=abs(values["loss"] - known) / known, tolerance=1e-5,
    )  # fmt: skip


def alpha() -> Found:
    """The guided search against the plain one, 15 bisections of 3 starts of 20 steps, for models of several seeds."""
    shape = Shape("alpha", layers=2, width=64, vocabulary=1_000, batch=32, repeats=1, length=16, batches=2, lr=2e-3)
    units, seconds = {"plain": [], "guided": []}, {"plain": [], "guided": []}
    differences, ends = [], set()
    for seed in range(SEARCHED):
        bench, answers = Bench(shape, seed), []
        for search in units:
            start = time.perf_counter()
            value = MEASURES["sharpness_alpha"](
                Subject(bench.model, {"en": bench.batches}), search=search, restarts=3, steps=20, bisections=15
            )["en"]
            seconds[search].append(time.perf_counter() - start)
            units[search].append(value.extra["units"])
            answers.append(value.extra["alpha"])
            ends.add(value.status)
        differences.append(abs(answers[1] / answers[0] - 1))
    unit, operation = "forward+backward passes", "alpha-sharpness, one language"
    yield finished(operation, "xlgen", spread(units["guided"], seconds["guided"]), unit=unit,
        goal=statistics.median(units["plain"]) / 5, difference=max(differences), tolerance=0.05,
        note=f"{SEARCHED} models (statuses: {', '.join(sorted(ends))}), farthest answer {max(differences):.1%} from "
        "the plain search's; stated tolerance 5 %",
    )  # fmt: skip
    yield finished(operation, "plain search", spread(units["plain"], seconds["plain"]), unit=unit)


def spread(numbers: list[float], seconds: list[float]) -> Timing:
    """Counts that differ, as a timing."""
    return Timing(statistics.median(seconds), statistics.median(numbers), min(numbers), max(numbers), len(numbers))


def segmentation(repeats: int) -> Found:
    """Sampling the second view of a step's examples, against the step of MVR that uses it."""
    task, tokenizer = TASKS["mini-xnli"], models.load_tokenizer("mini")
    rows = task.rows("en", "train", None).take(32)
    segmenter = Segmenter.for_tokenizer(tokenizer)
    model = models.load_classifier("mini", len(task.labels), seed=0).train()
    objective = create("mvr")

    def sample() -> Encoded:
        generator = torch.Generator().manual_seed(0)
        both = zip(rows.first, rows.second, strict=True)
        ids, types = zip(*(segmenter.pair(*texts, generator, LENGTH) for texts in both), strict=True)
        return Encoded.pack(ids, types, rows.labels, tokenizer.pad_token_id, position_ids=True)

    batch = encode(rows, tokenizer, LENGTH, None, True).batch(torch.arange(len(rows)), sample())

    def step():
        model.zero_grad()
        objective.gradient(model, [batch], Step())

    step()
    yield finished("segmentation of a step's examples", "xlgen", pairs(step, sample, max(repeats, 5)),
        unit="MVR step of the miniature", goal=0.05,
    )  # fmt: skip


def training(repeats: int) -> Found:
    """The miniature's job, each making its batches as it does by default."""
    task, tokenizer = TASKS["mini-xnli"], models.load_tokenizer("mini")
    model = models.load_classifier("mini", len(task.labels), seed=0, dropout=0.0)
    train = encode(task.rows("en", "train", None).take(TRAINED), tokenizer, LENGTH, None, True)
    for name, settings in (("", {}), (", grouped by length", {"train_sampling_strategy": "group_by_length"})):
        timing = throughput.own_batches(model, train, tokenizer, 32, repeats, **settings)
        yield finished(f"{throughput.OPERATION}, miniature", "xlgen", timing, unit=f"transformers' Trainer{name}",
            goal=1.0, note=f"{TRAINED} pairs in batches of 32, each loop with its own batches",
        )  # fmt: skip


def start_up(repeats: int) -> Found:
    """Seconds of a fresh interpreter, less those of one that does nothing."""
    commands = {
        ("start-up: import xlgen", 0.3): ["-c", "import xlgen"],
        ("start-up: xlgen --help", 0.5): ["-m", "xlgen", "--help"],
    }

    def seconds(arguments: list[str]) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        return time.perf_counter() - start

    for (name, goal), arguments in commands.items():
        seconds(arguments)
        found = sorted(seconds(arguments) - seconds(["-c", ""]) for _ in range(max(repeats, 5)))
        middle = found[len(found) // 2]
        yield finished(
            name, "xlgen", Timing(middle, middle, found[0], found[-1], len(found)), unit="seconds", goal=goal
        )
    code = "import sys, xlgen; print(*sorted({'torch', 'transformers'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    yield finished("start-up: torch and transformers after import xlgen", "xlgen", exactly(len(loaded)),
        unit="modules", goal=0,
    )  # fmt: skip
