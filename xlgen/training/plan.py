r"""What a run will cost, before it is started: steps, tokens, memory and time.

On *this* device some steps and some looks at the development set are made, by the code of the run itself, and timed.
With :math:`T` sub-words in all steps of a run, padding included, :math:`D` in all looks, and :math:`V` epochs with a
sampled segmentation,

.. math::

    \text{seconds} = s\, T + d\, D + v\, V,

:math:`s`, :math:`d` and :math:`v` being the seconds of a sub-word of a step, of a look, and of a segmentation.

*Another* device is known by its throughput :math:`r`: sub-words a second of plain training, padding included, all
weights trained. Then

.. math::

    \text{seconds} = \frac{\phi T + \psi D}{r}, \qquad
    \phi = \frac{\text{operations of the objective's step}}{\text{operations of a plain step}},

    \psi = \frac{\text{operations of a forward pass}}{\text{operations of a plain step}} \approx \frac13 .

:math:`\phi` is not a table: one step of the objective is made, with the run's own model, tuning and batch, and the
multiplications of its passes are counted. A forward pass counts one and a backward pass two, so that it is 2 for SAM
(two of each), some more than 2 for MVR (the sampled segmentation is longer), (2 + 3 · 2) / 3 = 8/3 for the Fisher
penalty with sampled labels (two forward and three backward passes), averaged over ``every_k`` steps, and less than 1
where the encoder is frozen. What is no multiplication of matrices (the optimizer, norms, noise, attention's softmax) is
not counted, which is right where multiplications take nearly all the time: not of a small model, above all a frozen
one.

Time is that of the training loop, as a run's manifest has it: neither loading, nor tokenising, nor the Fisher
information of EWC's text, nor measures.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, islice, repeat

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from xlgen.core.config import RunConfig, RunOptions, digest
from xlgen.core.device import accelerator_for, forked, threads
from xlgen.data.batch import Batch
from xlgen.data.encode import Encoded, training_order
from xlgen.objectives import OBJECTIVES, Step
from xlgen.training import train
from xlgen.training.setup import Loop, prepare

NUMBER = 4
"""Bytes of a weight, its gradient, and each of AdamW's two moments."""
SECONDS = 10.0
"""Of timing the steps of a kind of run, at most: then no other is begun."""
STEPS, TIMES, BATCHES = 8, 3, 4
"""Steps that are timed, how often each, and batches of the development set."""


@dataclass(frozen=True)
class Plan:
    """What a run will take.

    Attributes:
        steps: of the optimizer.
        tokens: sub-words of the training examples, special ones included and padding not, of all epochs.
        padded: T, what is computed of them: padding included. Batches differ a little by epoch; this is the first's,
            times the epochs.
        evaluated: D, the same of the development set, of all looks.
        factor: :math:`\\phi`.
        forward: :math:`\\psi`.
        memory: bytes on the device of weights, gradients and the optimizer (on the CPU also of the best weights so
            far), and of what the longest micro-batch keeps for its backward passes; libraries take more.
    """

    steps: int
    tokens: int
    padded: int
    evaluated: int
    factor: float
    forward: float
    memory: int

    def seconds(self, throughput: float) -> float:
        """Of the training loop, on another device, of ``throughput`` sub-words of plain training a second."""
        return (self.factor * self.padded + self.forward * self.evaluated) / throughput


class Planner:
    """Plans runs; what alike runs have in common is found out once.

    Args:
        options: how the runs would be trained. Data are read and tokenised as for these.
    """

    def __init__(self, options: RunOptions):
        self.options = options
        self._known: dict[str, _Cost] = {}
        self._paces: dict[str, _Pace] = {}

    def plan(self, config: RunConfig) -> Plan:
        """What a run will take; nothing is stored of it.

        Raises:
            XlgenError: the model, the data or a setting cannot be used.
        """
        own, plain = self._cost(config), self._cost(_plain(config))
        return Plan(
            steps=config.epochs * own.steps,
            tokens=config.epochs * own.tokens,
            padded=config.epochs * own.padded,
            evaluated=config.epochs * config.evals_per_epoch * own.evaluated,
            factor=own.step / plain.step,
            forward=own.forward / plain.step,
            memory=own.memory,
        )

    def seconds(self, config: RunConfig) -> float:
        """Of the training loop on this device: steps of the run are timed, for :data:`SECONDS` at most.

        Raises:
            XlgenError: as of :meth:`plan`, or training that diverges at once.
        """
        if (key := _kind(config)) not in self._paces:
            self._paces[key] = self._with(config, _pace)
        pace, plan = self._paces[key], self.plan(config)
        return pace.step * plan.padded + pace.look * plan.evaluated + pace.view * config.epochs

    def _cost(self, config: RunConfig) -> _Cost:
        if (key := _kind(config)) not in self._known:
            self._known[key] = self._with(config, _cost)
        return self._known[key]

    def _with(self, config: RunConfig, work: Callable):
        """The work on the loop of a run; of a second stage with a new head, and of EWC as of L2: its F takes long."""
        if OBJECTIVES[config.objective].needs_anchors:
            config = config.with_(objective="l2", hyper={})
        accelerator = accelerator_for(self.options.device)
        with threads(self.options.threads), forked(accelerator.device):
            return work(prepare(config.with_(start=""), self.options, accelerator)[0])


@dataclass(frozen=True)
class _Cost:
    """Of an epoch; ``step`` and ``forward`` are operations a padded sub-word."""

    steps: int
    tokens: int
    padded: int
    evaluated: int
    step: float
    forward: float
    memory: int


@dataclass(frozen=True)
class _Pace:
    """Seconds of a padded sub-word of a step and of a look, and of an epoch's sampled segmentation."""

    step: float
    look: float
    view: float


def _plain(config: RunConfig) -> RunConfig:
    return config.with_(objective="baseline", hyper={}, tuning="full", tuning_hyper={})


def _kind(config: RunConfig) -> str:
    """The same for runs that cost the same an epoch: a hyper-parameter that is a fraction is a strength."""
    plain = asdict(config.with_(seed=0, epochs=1, evals_per_epoch=1, lr=1.0, warmup=0.0, clip=0.0, start="", data=""))
    plain["hyper"] = {name: value for name, value in config.hyper.items() if not isinstance(value, float)}
    return digest(plain)


def _cost(loop: Loop) -> _Cost:
    config, lengths = loop.config, loop.train.lengths
    order = training_order(lengths, config.batch_size, config.seed, 0)
    widths = [_padded(lengths, index, config) for index in order]
    view = None if loop.views is None else loop.views(0)
    typical = _batches(loop.train, order[widths.index(sorted(widths)[len(widths) // 2])], view, config)
    longest = _batches(loop.train, order[widths.index(max(widths))], view, config)
    every = getattr(loop.objective, "every_k", 1)
    with FlopCounterMode(display=False) as counted:
        _gradient(loop, 0, typical)
    dear = counted.get_total_flops()
    with FlopCounterMode(display=False) as counted:
        _gradient(loop, 1, typical)
    step = (dear + (every - 1) * counted.get_total_flops()) / every
    # in train() mode, whose attention is made of multiplications that can be counted; the fused kernel's cannot
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        loop.model(**typical[0].to(loop.accelerator.device).inputs)
    return _Cost(
        steps=len(order),
        tokens=int(lengths.sum()),
        padded=sum(widths),
        evaluated=_size(loop.dev),
        step=step / _size(typical),
        forward=counted.get_total_flops() / typical[0].inputs["input_ids"].numel(),
        memory=_resident(loop.model, loop.accelerator.device) + _kept(loop, longest),
    )


def _padded(lengths: Tensor, index: Tensor, config: RunConfig) -> int:
    parts = index.split(config.micro_batch_size or config.batch_size)
    return sum(len(part) * int(lengths[part].max()) for part in parts)


def _batches(train: Encoded, index: Tensor, view: Encoded | None, config: RunConfig) -> list[Batch]:
    return [train.batch(part, view) for part in index.split(config.micro_batch_size or config.batch_size)]


def _gradient(loop: Loop, number: int, batches: Sequence[Batch]) -> None:
    loop.model.train()
    loop.optimizer.zero_grad()
    step = Step(number, backward=loop.accelerator.backward)
    loop.objective.gradient(loop.model, [batch.to(loop.accelerator.device) for batch in batches], step)


def _pace(loop: Loop) -> _Pace:
    """Time a view, some of the first epoch's steps, and a few batches of the development set.

    Each step is made several times, and the fastest counts: what else the machine does only makes it slower.
    """
    began = _clock(loop)
    epoch = loop.train.epoch(loop.config.batch_size, loop.config.micro_batch_size, loop.config.seed, 0, loop.views)
    first = next(epoch)
    view = 0.0 if loop.views is None else _clock(loop) - began
    every = getattr(loop.objective, "every_k", 1)
    steps = [first, *islice(epoch, every * math.ceil(STEPS / every) - 1)]
    train._update(loop, 0, first)  # it finds memory and chooses kernels
    least, began = [math.inf] * len(steps), _clock(loop)
    for number in chain(*repeat(range(len(steps)), TIMES)):
        before = _clock(loop)
        if before - began > SECONDS and math.isfinite(max(least[:every])):
            break
        train._update(loop, number, steps[number])
        least[number] = min(least[number], _clock(loop) - before)
    done = [(seconds, batches) for seconds, batches in zip(least, steps, strict=True) if math.isfinite(seconds)]
    few, look = loop.dev[:: math.ceil(len(loop.dev) / BATCHES)], math.inf
    loop.model.eval()
    for _ in range(TIMES):
        before = _clock(loop)
        with torch.no_grad():
            for batch in few:
                loop.model(**batch.inputs)
        look = min(look, _clock(loop) - before)
        if look > SECONDS / TIMES:
            break
    return _Pace(
        step=sum(seconds for seconds, _ in done) / _size(chain(*(batches for _, batches in done))),
        look=look / _size(few),
        view=view,
    )


def _size(batches: Iterable[Batch]) -> int:
    """Sub-words, padding included."""
    return sum(batch.inputs["input_ids"].numel() for batch in batches)


def _clock(loop: Loop) -> float:
    """Seconds that this process has been computing, when all that was asked of the device is done."""
    if loop.accelerator.device.type == "cpu":
        return time.process_time() / torch.get_num_threads()
    if loop.accelerator.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def _resident(model: nn.Module, device: torch.device) -> int:
    """Weights; gradients and two moments of those that are trained; on the CPU, where it is kept, the best copy too."""
    sizes = Counter()
    for w in model.parameters():
        sizes[w.requires_grad] += w.numel()
    copies = 2 if device.type == "cpu" else 1
    return NUMBER * (copies * sum(sizes.values()) + 3 * sizes[True])


def _kept(loop: Loop, batches: Sequence[Batch]) -> int:
    """The most bytes that a step's passes keep at once for differentiation."""
    held = Held({w.untyped_storage().data_ptr() for w in loop.model.parameters()})
    with held.counting():
        _gradient(loop, 0, batches)
    return held.most


class Held:
    """Bytes of the tensors that graphs keep, each memory once, and the most at once.

    Args:
        without: addresses of memory that is not counted: the weights.
    """

    def __init__(self, without: set[int] = frozenset()):
        self.without, self.users, self.now, self.most = without, Counter(), 0, 0

    def counting(self) -> saved_tensors_hooks:
        return saved_tensors_hooks(lambda tensor: _Kept(tensor, self), lambda kept: kept.tensor)


class _Kept:
    """A tensor that a graph keeps, until the graph is gone."""

    def __init__(self, tensor: Tensor, held: Held):
        self.tensor, self.held, storage = tensor, held, tensor.untyped_storage()
        self.address, self.size = storage.data_ptr(), storage.nbytes()
        if self.address not in held.without:
            held.users[self.address] += 1
            held.now += self.size * (held.users[self.address] == 1)
            held.most = max(held.most, held.now)

    def __del__(self):
        if self.address not in self.held.without:
            self.held.users[self.address] -= 1
            self.held.now -= self.size * (not self.held.users[self.address])
