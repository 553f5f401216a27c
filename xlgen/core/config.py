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
from typing import Annotated, Any, Literal

from pydantic import Field

from xlgen.core.coerce import AtLeast0, AtLeast1, NotNegative, Seed, settle
from xlgen.core.errors import ConfigError, UnknownName

SCHEMA = 2
"""Part of every hash: raised when the meaning of a stored result changes, so that older ones are not reused."""


def digest(value: Any) -> str:
    """First 16 hex digits of the SHA-256 of ``value`` as JSON with sorted keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


_YOUNGER = {"start": "", "language": "", "dropout_stream": "", "precision": "float32"}
"""Settings that are younger than the first results, with what they are in those: left out of the hash while so."""

Pairs = Annotated[int, Field(ge=0, description="a number of pairs, or 0 for all of them")]


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a fine-tuned model.

    Attributes:
        task: name of a task in :data:`xlgen.data.catalogue.TASKS`.
        model: ``"mini"`` (the shipped encoder), a packaged encoder such as ``"e5-small"``, a hub id, or a folder.
        objective: name of an objective in :data:`xlgen.objectives.OBJECTIVES`.
        hyper: the objective's own hyper-parameters; those not given take the objective's defaults.
        tuning: which parameters are trained: a name in :data:`xlgen.models.tuning.TUNINGS`.
        tuning_hyper: the tuning's own hyper-parameters, as ``hyper``.
        optimizer: ``"adamw"`` or ``"adafactor"``.
        seed: seeds the head's initialisation, dropout, the order of batches, sampled labels and segmentations.
        train_size: English training pairs; 0 is all of them.
        dev_size: English development pairs used to choose the best checkpoint; 0 is all of them.
        epochs: passes over the training pairs.
        batch_size: examples of one optimizer step.
        micro_batch_size: examples of one forward pass; 0 is ``batch_size``. Several processes share the micro-batches
            of a step, so that :func:`xlgen.training.runs.resolve` lowers it to ``batch_size`` divided by their number.
        lr: peak learning rate.
        warmup: fraction of the steps with linearly rising learning rate, the first of them with 0; it then falls
            linearly to 0.
        weight_decay: the optimizer's decoupled weight decay on all weights but biases and LayerNorm.
        clip: largest norm of the gradient; 0 is no clipping.
        dropout: dropout probability of the encoder and the head; ``None`` keeps the model's own.
        max_length: sub-words of a pair, special tokens included; longer pairs are cut, longest part first.
        evals_per_epoch: looks at the English development set in an epoch.
        data: fingerprint of the data actually read (filled in by the loader), so that other data is another run.
        start: name of the stored run whose fine-tuned weights, head included, training begins from; empty begins with
            the pretrained encoder and a new head.
        code: versions of the code that trains it, by part (filled in by the loader); see :mod:`xlgen.core.code`.
        language: of the training rows. The source language, or empty: its training split. Another language: the first
            half of its development rows, with the second half to choose the checkpoint (stickland2021regularising).
        dropout_stream: what one stream of random numbers draws the dropout masks of: empty, all of a step, one
            micro-batch after the other; ``"micro_batch"``, one micro-batch, which is what several processes can share
            (and what :func:`xlgen.training.runs.resolve` fills in for them).
        precision: of the forward and backward passes of training: ``"float32"``, or ``"bf16"``, mixed (see
            :mod:`xlgen.models.precision`). Weights, evaluation and measures are in float32.
    """

    task: str = "mini-xnli"
    model: str = "mini"
    objective: str = "baseline"
    hyper: Mapping[str, Any] = field(default_factory=dict)
    tuning: str = "full"
    tuning_hyper: Mapping[str, Any] = field(default_factory=dict)
    optimizer: str = "adamw"
    seed: Seed = 0
    train_size: Pairs = 6_000
    dev_size: Pairs = 1_000
    epochs: AtLeast1 = 3
    batch_size: AtLeast1 = 32
    micro_batch_size: AtLeast0 = 0
    lr: Annotated[float, Field(gt=0, description="a positive learning rate such as 2e-5")] = 5e-4
    warmup: Annotated[float, Field(ge=0, lt=1, description="a fraction of the steps in [0, 1)")] = 0.1
    weight_decay: NotNegative = 0.0
    clip: Annotated[float, Field(ge=0, description="a gradient norm, or 0 for no clipping")] = 1.0
    dropout: Annotated[float, Field(ge=0, lt=1, description="a probability in [0, 1)")] | None = None
    max_length: Annotated[int, Field(ge=8, description="at least 8 sub-words")] = 128
    evals_per_epoch: AtLeast1 = 1
    data: str = ""
    start: str = ""
    language: str = ""
    code: Mapping[str, int | str] = field(default_factory=dict)
    dropout_stream: Literal["", "micro_batch"] = ""
    precision: Literal["float32", "bf16"] = "float32"

    def __post_init__(self):
        settle(self)
        if self.micro_batch_size > self.batch_size:
            raise ConfigError(
                f"micro_batch_size is {self.micro_batch_size}; expected 0 (= batch_size) or up to batch_size, which is "
                f"{self.batch_size}."
            )

    @property
    def hash(self) -> str:
        """The run's name in the store.

        The encoder counts by its contents, which are part of ``data`` once that is known, and not by what it is called.
        """
        named = {key: value for key, value in self.to_dict().items() if key not in _YOUNGER or value != _YOUNGER[key]}
        return digest({"schema": SCHEMA, "run": named | ({"model": ""} if self.data else {})})

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {key: dict(getattr(self, key)) for key in ("hyper", "tuning_hyper", "code")}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunConfig:
        """Inverse of :meth:`to_dict`; unknown keys are an error with a suggestion."""
        names = {f.name for f in fields(cls)}
        for key in values:
            if key not in names:
                raise UnknownName("setting", key, names)
        return cls(**values)

    def with_(self, **changes: Any) -> RunConfig:
        """A copy with some settings changed."""
        return replace(self, **changes)


@dataclass(frozen=True)
class RunOptions:
    """How to run, without effect on the numbers of one machine and thread count.

    Nor has the number of processes that share the run: the weights of a configuration are the same to the last bit. Of
    a configuration that they cannot share, :func:`xlgen.training.runs.resolve` makes another one, with a name of its
    own.

    Attributes:
        store: folder of the results.
        records: folder of packed results, which are read in place of computing them and come without weights
            (:class:`xlgen.core.store.Store`); ``None`` is none.
        data_dir: folder with the official archives' files; ``None`` reads from the hub.
        text_dir: text for the Fisher information of text, a file or a folder; see :func:`xlgen.data.text.read`, and for
            an encoder of sentences :func:`xlgen.data.parallel.read`.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``…
        progress: show a progress bar.
        threads: CPU threads of torch; 0 leaves torch's own choice.
        checkpoint_every: optimizer steps between checkpoints for resuming; 0 is none.
    """

    store: Path = Path("runs")
    records: Path | None = None
    data_dir: Path | None = None
    text_dir: Path | None = None
    device: str = "auto"
    progress: bool = True
    threads: AtLeast0 = 0
    checkpoint_every: AtLeast0 = 500

    def __post_init__(self):
        settle(self)
