"""What changes a result (:class:`RunConfig`, hashed) and what does not (:class:`RunOptions`, never hashed).

The hash of a :class:`RunConfig` names the run in the store: the same config is trained once. Anything that could
change a number belongs in it; paths, devices and verbosity do not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from xlgen.errors import ConfigError, UnknownName

SCHEMA = 1
"""Part of every hash: raised when the meaning of a stored result changes, so that older ones are not reused."""


def digest(value: Any) -> str:
    """First 16 hex digits of the SHA-256 of ``value`` as JSON with sorted keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


_YOUNGER = ("start", "language", "dropout_stream")


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a fine-tuned model.

    Attributes:
        task: name of a task in :data:`xlgen.tasks.TASKS`.
        model: ``"mini"`` (the shipped encoder), a hub id, or a folder.
        objective: name of an objective in :data:`xlgen.objectives.OBJECTIVES`.
        hyper: the objective's own hyper-parameters; those not given take the objective's defaults.
        tuning: which parameters are trained: a name in :data:`xlgen.tuning.TUNINGS`.
        tuning_hyper: the tuning's own hyper-parameters, as ``hyper``.
        optimizer: ``"adamw"`` or ``"adafactor"``.
        seed: seeds the head's initialisation, dropout, the order of batches, sampled labels and segmentations.
        train_size: English training pairs; 0 is all of them.
        dev_size: English development pairs used to choose the best checkpoint; 0 is all of them.
        epochs: passes over the training pairs.
        batch_size: examples of one optimizer step.
        micro_batch_size: examples of one forward pass; 0 is ``batch_size``. Several processes share the micro-batches
            of a step, so that :func:`xlgen.runs.resolve` lowers it to ``batch_size`` divided by their number.
        lr: peak learning rate.
        warmup: fraction of the steps with linearly rising learning rate; it then falls linearly to 0.
        weight_decay: the optimizer's decoupled weight decay on all weights but biases and LayerNorm.
        clip: largest norm of the gradient; 0 is no clipping.
        dropout: dropout probability of the encoder and the head; ``None`` keeps the model's own.
        max_length: sub-words of a pair, special tokens included; longer pairs are cut, longest part first.
        evals_per_epoch: looks at the English development set in an epoch.
        data: fingerprint of the data actually read (filled in by the loader), so that other data is another run.
        start: name of the stored run whose fine-tuned weights, head included, training begins from; empty begins with
            the pretrained encoder and a new head.
        language: of the training rows. The source language, or empty: its training split. Another language: the first
            half of its development rows, with the second half to choose the checkpoint (stickland2021regularising).
        dropout_stream: what one stream of random numbers draws the dropout masks of: empty, all of a step, one
            micro-batch after the other; ``"micro_batch"``, one micro-batch, which is what several processes can share
            (and what :func:`xlgen.runs.resolve` fills in for them).
    """

    task: str = "mini-xnli"
    model: str = "mini"
    objective: str = "baseline"
    hyper: Mapping[str, Any] = field(default_factory=dict)
    tuning: str = "full"
    tuning_hyper: Mapping[str, Any] = field(default_factory=dict)
    optimizer: str = "adamw"
    seed: int = 0
    train_size: int = 6_000
    dev_size: int = 1_000
    epochs: int = 3
    batch_size: int = 32
    micro_batch_size: int = 0
    lr: float = 5e-4
    warmup: float = 0.1
    weight_decay: float = 0.0
    clip: float = 1.0
    dropout: float | None = None
    max_length: int = 128
    evals_per_epoch: int = 1
    data: str = ""
    start: str = ""
    language: str = ""
    dropout_stream: str = ""

    def __post_init__(self):
        def need(ok: bool, name: str, expected: str):
            if not ok:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; expected {expected}.")

        need(self.seed >= 0, "seed", "a whole number >= 0")
        need(self.train_size >= 0, "train_size", "a number of pairs, or 0 for all of them")
        need(self.dev_size >= 0, "dev_size", "a number of pairs, or 0 for all of them")
        need(self.epochs >= 1, "epochs", "at least 1")
        need(self.batch_size >= 1, "batch_size", "at least 1")
        need(0 <= self.micro_batch_size <= self.batch_size, "micro_batch_size", "0 (= batch_size) or up to batch_size")
        need(self.lr > 0, "lr", "a positive learning rate such as 2e-5")
        need(0 <= self.warmup < 1, "warmup", "a fraction of the steps in [0, 1)")
        need(self.weight_decay >= 0, "weight_decay", "a number >= 0")
        need(self.clip >= 0, "clip", "a gradient norm, or 0 for no clipping")
        need(self.dropout is None or 0 <= self.dropout < 1, "dropout", "a probability in [0, 1), or None")
        need(self.dropout_stream in ("", "micro_batch"), "dropout_stream", "'micro_batch', or '' for one of each step")
        need(self.max_length >= 8, "max_length", "at least 8 sub-words")
        need(self.evals_per_epoch >= 1, "evals_per_epoch", "at least 1")

    @property
    def hash(self) -> str:
        """The run's name in the store.

        Settings that are younger than the first results are left out while they are empty, so that those keep theirs.
        """
        named = {key: value for key, value in self.to_dict().items() if key not in _YOUNGER or value != ""}
        return digest({"schema": SCHEMA, "run": named})

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"hyper": dict(self.hyper), "tuning_hyper": dict(self.tuning_hyper)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunConfig:
        """Inverse of :meth:`to_dict`; unknown keys are an error with a suggestion."""
        known = {f.name for f in fields(cls)}
        for key in values:
            if key not in known:
                raise UnknownName("setting", key, known)
        return cls(**values)

    def with_(self, **changes: Any) -> RunConfig:
        """A copy with some settings changed."""
        return replace(self, **changes)


@dataclass(frozen=True)
class RunOptions:
    """How to run, without effect on the numbers of one machine and thread count.

    Nor has the number of processes that share the run: the weights of a configuration are the same to the last bit. Of
    a configuration that they cannot share, :func:`xlgen.runs.resolve` makes another one, with a name of its own.

    Attributes:
        store: folder of the results.
        data_dir: folder with the official archives' files; ``None`` reads from the hub.
        text_dir: plain text for the Fisher information of text, a file or a folder; see :func:`xlgen.text.read`.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``…
        progress: show a progress bar.
        threads: CPU threads of torch; 0 leaves torch's own choice.
        checkpoint_every: optimizer steps between checkpoints for resuming; 0 is none.
    """

    store: Path = Path("runs")
    data_dir: Path | None = None
    text_dir: Path | None = None
    device: str = "auto"
    progress: bool = True
    threads: int = 0
    checkpoint_every: int = 500
