"""Kept logits: a model's predictions on every row, beside the store, so that a later measure costs no forward pass.

A run has one safetensors file, ``<store>/../logits/<run>.safetensors``: of each split and language the logits in half
precision (U, C), the labels and example numbers of the units, and the mean and the variance of the representations
(:mod:`xlgen.measures.representation_distance`). What is kept is named by the fingerprint of its rows: other rows
replace it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from xlgen.core.config import RunOptions
from xlgen.core.device import threads
from xlgen.core.errors import DataError, ModelError
from xlgen.core.files import StoreError, read_tensors, write_tensors
from xlgen.data.catalogue import TASKS
from xlgen.measures import dropout_agreement, measuring
from xlgen.measures.base import Subject, Value
from xlgen.measures.sampling import clustered
from xlgen.models.evaluate import Predictions
from xlgen.models.representations import pooled
from xlgen.training.runs import Run

SPLITS = ("dev", "test")


@dataclass(frozen=True)
class Part:
    """What is kept of one language and split.

    Attributes:
        predictions: the units; the logits have the precision of float16.
        mean: (d,) of the representations of the examples.
        variance: (d,) the diagonal of their covariance.
        data: fingerprint of the rows.
    """

    predictions: Predictions
    mean: Tensor
    variance: Tensor
    data: str


@dataclass(frozen=True)
class Kept:
    """The kept logits of a model.

    Attributes:
        run: its name in the store.
        task: name of the task.
        labels: names of the classes, in the order of the logits.
        kind: ``"sequence"`` or ``"token"``.
        source_language: of the task.
        encoder: model that fine-tuning started from.
        parts: by split and language.
    """

    run: str
    task: str
    labels: tuple[str, ...]
    kind: str
    source_language: str
    encoder: str
    parts: Mapping[tuple[str, str], Part]

    def subject(self, split: str = "test", languages: Sequence[str] = (), size: int = 0) -> Subject:
        """What :func:`xlgen.measures.measure` takes, for the measures that look at predictions alone.

        Those that need the model or the text raise an error that says so.

        Args:
            split: of the examples.
            languages: all that are kept unless given.
            size: examples of each language, and of the source's development set; 0 is all.

        Raises:
            DataError: a language of the split is not kept.
        """
        languages = languages or [language for there, language in self.parts if there == split]
        predictions = {language: _first(self._part(split, language).predictions, size) for language in languages}
        subject = Subject(nn.Identity(), _NoModel(self.run), split, None, self.labels, self.kind)
        subject.source_language, subject.encoder = self.source_language, self.encoder
        subject.predictions = predictions
        if ("dev", self.source_language) in self.parts:
            subject.calibration = _first(self._part("dev", self.source_language).predictions, size)
        return subject

    def _part(self, split: str, language: str) -> Part:
        if (split, language) not in self.parts:
            there = ", ".join("/".join(part) for part in self.parts)
            raise DataError(f"no logits of {split}/{language} are kept of run {self.run}; kept are {there}.")
        return self.parts[split, language]


class _NoModel(Mapping):
    """Stands where the batches would: whoever asks for them needs the model."""

    def __init__(self, run: str):
        self.run = run

    def _refuse(self) -> Any:
        raise ModelError(
            f"kept logits have no model; measure run {self.run} with xlgen.measures.measuring.measure instead."
        )

    def __getitem__(self, language: str) -> Any:
        self._refuse()

    def __iter__(self) -> Iterator[str]:
        self._refuse()

    def __len__(self) -> int:
        self._refuse()


def place(run: str, options: RunOptions, folder: Path | None = None) -> Path:
    """The file of a run's kept logits."""
    return (Path(options.store).resolve().parent / "logits" if folder is None else folder) / f"{run}.safetensors"


def keep(
    run: Run,
    options: RunOptions,
    splits: Sequence[str] = SPLITS,
    languages: Sequence[str] = (),
    *,
    batch_size: int = 64,
    folder: Path | None = None,
) -> Path:
    """Keep the logits of every row; what the file has of the same rows is left as it is.

    Args:
        run: a stored run.
        options: how; the store says where.
        splits: ``"dev"`` and ``"test"``.
        languages: of the task; none means all.
        batch_size: examples of a forward pass.
        folder: of the files, in place of the one beside the store.

    Returns:
        The file.

    Raises:
        UnknownName: the task has no such language or split.
        TrainingError: a logit is not finite.
        ModelError: a logit is too large for half precision.
    """
    task, path = TASKS[run.task], place(run.key, options, folder)
    languages = languages or task.languages
    parts = dict(read(path).parts) if path.is_file() else {}
    labels: tuple[str, ...] = tuple(task.labels)
    for split in splits:
        rows = {language: task.rows(language, split, options.data_dir) for language in languages}
        parts_of = {language: parts.get((split, language)) for language in languages}
        missing = [x for x in languages if parts_of[x] is None or parts_of[x].data != rows[x].fingerprint]
        if not missing:
            continue
        config = measuring.MeasureConfig((), tuple(missing), split, batch_size=batch_size)
        subject = measuring.subject(run, config, options)
        labels = subject.labels
        for language in missing:
            with threads(options.threads):
                parts_of = pooled(subject.model, subject.batches[language], language)
            parts[split, language] = _part(*parts_of, rows[language].fingerprint)
    kept = Kept(run.key, run.task, labels, task.kind, task.source_language, run.pretrained, parts)
    _write(path, kept)
    return path


def keep_measured(run: Run, subject: Subject, options: RunOptions, folder: Path | None = None) -> Path:
    """Keep the logits that a subject has been measured by, beside what the file has of other splits and languages.

    Args:
        run: a stored run.
        subject: of it, as :func:`xlgen.measures.measuring.measure` hands it over.
        options: how; the store says where.
        folder: of the files, in place of the one beside the store.
    """
    task, path = TASKS[run.task], place(run.key, options, folder)
    parts = dict(read(path).parts) if path.is_file() else {}
    for language, representations in subject.represented.items():
        parts[subject.split, language] = _part(*representations, subject.texts[language].fingerprint)
    kept = Kept(run.key, run.task, subject.labels, task.kind, task.source_language, run.pretrained, parts)
    _write(path, kept)
    return path


def _part(r: Tensor, predictions: Predictions, data: str) -> Part:
    return Part(predictions, r.mean(dim=0), r.var(dim=0, correction=min(1, len(r) - 1)), data)


def read(path: Path) -> Kept:
    """Inverse of :func:`keep`.

    Raises:
        StoreError: the file is missing or cannot be read.
    """
    tensors, meta = read_tensors(path)
    try:
        parts = {}
        for name, data in meta.pop("data").items():
            logits, labels, example, mean, variance = (tensors[f"{name}/{kind}"] for kind in KINDS)
            predictions = Predictions(logits.double(), labels.long(), example.long())
            parts[tuple(name.split("/"))] = Part(predictions, mean.double(), variance.double(), data)
        return Kept(**{**meta, "labels": tuple(meta["labels"])}, parts=parts)
    except (KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path} holds no kept logits ({error!r}); delete it and keep them again.") from None


KINDS = ("logits", "labels", "example", "mean", "variance")


def _write(path: Path, kept: Kept) -> None:
    tensors, data = {}, {}
    for (split, language), part in kept.parts.items():
        half = part.predictions.logits.half()
        if not half.isfinite().all():
            raise ModelError(f"a logit of {split}/{language} is too large for half precision; check the model.")
        whole = (part.predictions.labels.to(torch.int16), part.predictions.example.to(torch.int32))
        every = (half, *whole, part.mean.float(), part.variance.float())
        tensors |= {f"{split}/{language}/{kind}": tensor for kind, tensor in zip(KINDS, every, strict=True)}
        data[f"{split}/{language}"] = part.data
    facts = {name: getattr(kept, name) for name in ("run", "task", "labels", "kind", "source_language", "encoder")}
    write_tensors(path, tensors, facts | {"data": data})


def agreement(kept: Sequence[Kept], split: str = "test", size: int = 0) -> dict[str, Value]:
    """Agreement of models: how often two of them label a unit alike [jiang2022disagreement].

    GDE = 1/U Σ_u 2 / (K (K - 1)) Σ_{k<l} 1[argmax_j f_j^k(x_u) = argmax_j f_j^l(x_u)]

    For models that differ in the seed alone it forecasts accuracy, if they are calibrated together. No label is used.

    Args:
        kept: of at least two models, on the same rows.
        split: of the examples.
        size: examples of each language; 0 is all.

    Returns:
        Per language that all have, a value in [0, 1], with its standard error over examples for the given models,
        clustered by sentence in tagging.

    Raises:
        DataError: fewer than two models, or models of other tasks, classes or rows.
    """
    first = kept[0] if kept else None
    if len(kept) < 2 or any((model.task, model.labels) != (first.task, first.labels) for model in kept):
        raise DataError("agreement compares at least two models of one task with the same order of classes.")
    result = {}
    for language in [x for there, x in first.parts if there == split and all((split, x) in k.parts for k in kept)]:
        parts = [model.parts[split, language] for model in kept]
        if len({part.data for part in parts}) > 1:
            raise DataError(f"the models were kept on different rows of {split}/{language}; keep them again.")
        predictions = [_first(part.predictions, size) for part in parts]
        agreed = dropout_agreement.agreement([model.logits.argmax(dim=1) for model in predictions])
        on = f"{split}, no labels, {len(kept)} models"
        result[language] = Value(
            agreed.mean().item(), clustered(agreed, predictions[0].example), len(agreed), on, "examples"
        )
    return result


def _first(predictions: Predictions, size: int) -> Predictions:
    return predictions.first(size) if size else predictions
