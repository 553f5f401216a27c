"""Training throughput: our loop and transformers' ``Trainer`` on the same job, step by step in turn.

Both train copies of one model with AdamW, a linear schedule and clipping at 1, without dropout or evaluation. The
"same batches" job gives both the same batches in the same order, so that their weights have to agree at the end; in
the "own batches" job each makes its batches as it does by default.
"""

from __future__ import annotations

import copy
import gc
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from transformers import DataCollatorWithPadding, Trainer, TrainerCallback, TrainingArguments

from benchmarks.harness import Timing, error, finished, timing_of
from benchmarks.shapes import Bench, Shape
from xlgen.core.config import RunConfig
from xlgen.core.device import accelerator_for
from xlgen.data.encode import Encoded, training_order
from xlgen.objectives import create
from xlgen.training import optimizers
from xlgen.training.setup import Loop, groups
from xlgen.training.train import _update

OPERATION = "training throughput"
LR, CLIP = 1e-4, 1.0
TOLERANCE = 1e-4
"""Of the distance that training moved the weights: AdamW's first steps are signs, which rounding can turn."""


class _Clock(TrainerCallback):
    """Time from the first step to the last, without the Trainer's setting up."""

    def on_train_begin(self, *args, **kwargs):
        self.start = time.perf_counter()

    def on_train_end(self, *args, **kwargs):
        self.seconds = time.perf_counter() - self.start


def trainer_run(model: nn.Module, examples: Sequence[dict], batch_size: int, seed: int, **settings: Any) -> float:
    """Train for one epoch with the Trainer; return the seconds."""
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=batch_size,
            num_train_epochs=1,
            learning_rate=LR,
            max_grad_norm=CLIP,
            lr_scheduler_type="linear",
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            use_cpu=True,
            seed=seed,
            **{k: v for k, v in settings.items() if k != "data_collator"},
        )
        collator = {k: v for k, v in settings.items() if k == "data_collator"}
        trainer = Trainer(model, arguments, train_dataset=examples, callbacks=[clock], **collator)
        with redirect_stdout(io.StringIO()):
            trainer.train()
    return clock.seconds


def our_run(model: nn.Module, train: Encoded, batch_size: int, epoch: int) -> float:
    """Train for one epoch with our loop; return the seconds."""
    steps = -(-len(train) // batch_size)
    config = RunConfig(batch_size=batch_size, lr=LR, clip=CLIP, warmup=0.0, epochs=1)
    loop = Loop(
        config=config,
        accelerator=accelerator_for("cpu"),
        objective=create("baseline"),
        model=model,
        optimizer=optimizers.create("adamw", groups(model, 0.0), LR),
        train=train,
        dev=(),
        views=None,
    )
    start = time.perf_counter()
    for number, micro_batches in enumerate(train.epoch(batch_size, 0, 0, epoch)):
        _update(loop, number, micro_batches)
    seconds = time.perf_counter() - start
    assert number + 1 == steps == loop.steps
    return seconds


def same_batches(shape: Shape, repeats: int) -> dict[str, Any]:
    """The "same batches" job on a shape: full batches of one length, so that both do the same arithmetic."""
    steps = 12 if shape.layers <= 4 else 2
    model = Bench(replace(shape, training=0)).model
    generator = torch.Generator().manual_seed(3)
    n = steps * shape.batch
    ids = torch.randint(5, shape.vocabulary, (n, shape.length), generator=generator)
    labels = torch.randint(shape.classes, (n,), generator=generator)
    train = Encoded.pack(ids.tolist(), torch.zeros_like(ids).tolist(), labels.tolist(), 0, position_ids=True)
    order = torch.cat(training_order(train.lengths, shape.batch, 0, 0))
    batch = train.batch(order)
    examples = [
        {**{name: tensor[i] for name, tensor in batch.inputs.items()}, "labels": batch.labels[i]} for i in range(n)
    ]
    trained = {}

    def theirs(repeat: int) -> float:
        trained["theirs"] = copy.deepcopy(model)
        return trainer_run(trained["theirs"], examples, shape.batch, 0, train_sampling_strategy="sequential")

    def ours(repeat: int) -> float:
        trained["ours"] = copy.deepcopy(model)
        return our_run(trained["ours"], train, shape.batch, 0)

    timing = in_turn(theirs, ours, repeats)
    difference = _apart(model, trained["ours"], trained["theirs"])
    return finished(
        OPERATION,
        "xlgen",
        timing,
        unit="transformers' Trainer, same batches",
        goal=1.0,
        units=1,
        difference=difference,
        tolerance=TOLERANCE,
        note=f"{steps} steps of {shape.batch} x {shape.length}; error: how far the final weights of the two are apart, "
        "over how far training moved them",
    )


def own_batches(
    model: nn.Module, train: Encoded, tokenizer: Any, batch_size: int, repeats: int, **settings: Any
) -> Timing:
    """The "own batches" job: ours are bucketed by length; the Trainer's are padded to their longest."""
    examples = [_example(train, i) for i in range(len(train))]

    def theirs(repeat: int) -> float:
        collator = DataCollatorWithPadding(tokenizer)
        return trainer_run(copy.deepcopy(model), examples, batch_size, repeat, data_collator=collator, **settings)

    def ours(repeat: int) -> float:
        return our_run(copy.deepcopy(model), train, batch_size, repeat)

    return in_turn(theirs, ours, repeats)


def in_turn(theirs: Callable[[int], float], ours: Callable[[int], float], repeats: int) -> Timing:
    """Time both, the one first and then the other, so that neither always finds the memory as the other left it.

    Args:
        theirs, ours: give the seconds of the repeat of a number; the first of each warms up.
        repeats: pairs that are timed.
    """
    seconds = {theirs: [], ours: []}
    for repeat in range(repeats + 1):
        for run in (theirs, ours) if repeat % 2 else (ours, theirs):
            seconds[run].append(run(repeat))
            gc.collect()  # the Trainer and its optimizer refer to each other
    return timing_of(seconds[theirs][1:], seconds[ours][1:])


def _example(train: Encoded, i: int) -> dict[str, list[int] | int]:
    inputs = train.inputs(torch.tensor([i]))
    return {name: inputs[name][0].tolist() for name in ("input_ids", "token_type_ids")} | {
        "labels": int(train.labels[i])
    }


def _apart(start: nn.Module, a: nn.Module, b: nn.Module) -> float:
    """Distance of two trained models over the distance that training moved the second."""
    weights = [{name: w.detach() for name, w in model.named_parameters()} for model in (start, a, b)]
    moved = {name: w - weights[0][name] for name, w in weights[2].items()}
    return error({name: w - weights[0][name] for name, w in weights[1].items()}, moved)
