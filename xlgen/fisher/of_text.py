"""Diagonal Fisher informations of text, computed once and stored with their provenance.

They depend on the pretrained model and on the text alone, not on a task or a run: all runs with the same text share
them, and so do the distances between languages.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from xlgen import models
from xlgen.core import code
from xlgen.core.coerce import Seed, settle
from xlgen.core.config import SCHEMA, RunOptions, digest
from xlgen.core.device import accelerator_for, seed_of
from xlgen.core.errors import ConfigError
from xlgen.core.files import read_json, read_tensors, write_json, write_tensors
from xlgen.core.result import MANIFEST, manifest
from xlgen.core.store import Store
from xlgen.data import parallel
from xlgen.data import text as plain_text
from xlgen.data.batch import Batch
from xlgen.data.text import Text
from xlgen.fisher import contrastive, diagonal, mlm
from xlgen.fisher.frechet import Distances, distances
from xlgen.models.layers import embedding_tables, encoder
from xlgen.models.sentences import loss_of, unlisted

log = logging.getLogger(__name__)

FILE = "fisher.safetensors"
BATCH = 8
"""Paragraphs of a forward pass: the logits of a large vocabulary fill the memory. No effect but rounding."""


@dataclass(frozen=True)
class Settings:
    """What a Fisher information of text depends on besides the model and the text.

    Attributes:
        max_length: sub-words of a paragraph, special ones included.
        labels: ``"true"``, the hidden words or the translations (the empirical Fisher information), or ``"sample"``,
            drawn from the model.
        seed: of what is hidden, and of the sampled labels.
    """

    max_length: Annotated[int, Field(ge=8, description="at least 8 sub-words")] = 128
    labels: Literal["true", "sample"] = "true"
    seed: Seed = 0

    def __post_init__(self):
        settle(self)


@dataclass(frozen=True)
class Stored:
    """A diagonal Fisher information in the store.

    Attributes:
        folder: where it is.
    """

    folder: Path

    @cached_property
    def facts(self) -> dict[str, Any]:
        """The manifest: fingerprints of model and text, where the text is from, settings, examples, mean and trace."""
        return read_json(self.folder / MANIFEST)

    def diagonal(self) -> dict[str, Tensor]:
        """F of the encoder, without any head, by parameter name, on the CPU [nats² / parameter²]."""
        return read_tensors(self.folder / FILE)[0]


def read(name: str, languages: Sequence[str], n: int, options: RunOptions) -> Text:
    """The text for a model's Fisher information: paragraphs, or for an encoder of sentences pairs of translations.

    Args:
        name: of the model.
        languages: codes; of several the paragraphs alternate.
        n: paragraphs, or pairs, in all.
        options: where the text is.

    Raises:
        ModelError: as :func:`xlgen.models.locate`.
        DataError, UnknownName: as :func:`xlgen.data.text.read` and :func:`xlgen.data.parallel.read`.
    """
    if loss_of(name) == "contrastive":
        return parallel.read(languages, n, text_dir=options.text_dir, data_dir=options.data_dir)
    return plain_text.read(languages, n, text_dir=options.text_dir, model=name)


def of_rows(name: str, language: str, rows: Mapping[str, Sequence[str]], source: str) -> Text:
    """The text for a model's Fisher information from texts that are translations of one another row by row.

    Args:
        name: of the model.
        language: whose text it is.
        rows: by language, English among them; as many of each. Of an encoder of sentences each row is paired with its
            translation, and what comes twice is taken once.
        source: where the rows are from.

    Raises:
        ModelError: as :func:`xlgen.models.locate`.
    """
    paragraphs = parallel.of_rows(language, rows) if loss_of(name) == "contrastive" else tuple(rows[language])
    return Text((language,), source, paragraphs)


def load(name: str) -> nn.Module:
    """A pretrained encoder with the loss of its pretraining, in ``eval()`` mode, float32, on the CPU.

    Args:
        name: ``"mini"``, a packaged encoder, a folder, or a hub id.

    Raises:
        ModelError: as :func:`xlgen.fisher.mlm.load` and :func:`xlgen.fisher.contrastive.load`.
    """
    return (contrastive if loss_of(name) == "contrastive" else mlm).load(name)


def batches_of(
    model: nn.Module, tokenizer: Any, paragraphs: Sequence, *, max_length: int, batch_size: int, seed: int = 0
) -> list[Batch]:
    """What a model of :func:`load` has to guess in a text: hidden sub-words, or which sentence is the translation.

    Args:
        model: of :func:`load`.
        tokenizer: its own.
        paragraphs: of a text of :func:`read`.
        max_length: sub-words of a paragraph, special ones included; what is longer loses its end.
        batch_size: paragraphs of a forward pass. No effect but rounding.
        seed: of what is hidden.

    Raises:
        DataError, ModelError: as :func:`xlgen.fisher.mlm.batches` and :func:`xlgen.fisher.contrastive.batches`.
    """
    sizes = {"max_length": models.longest_input(model, max_length), "batch_size": batch_size}
    if isinstance(model, contrastive.Finder):
        return contrastive.batches(model, tokenizer, paragraphs, **sizes)
    return mlm.batches(model, tokenizer, paragraphs, **sizes, seed=seed)


def of_text(name: str, text: Text, settings: Settings, options: RunOptions) -> Stored:
    """The Fisher information of the loss of pretraining on ``text``, unless the store has it.

    The mean over paragraphs of the squared gradient of the log-likelihood of all hidden sub-words of the paragraph
    (:mod:`xlgen.fisher.mlm`); of an encoder of sentences, the mean over sentences of that of the translation
    (:mod:`xlgen.fisher.contrastive`).

    Args:
        name: ``"mini"``, a packaged encoder, a folder, or a hub id.
        text: the paragraphs, or the pairs; see :func:`read`.
        settings: how.
        options: where it is computed and stored.

    Raises:
        ModelError: as :func:`xlgen.fisher.mlm.load` and :func:`xlgen.fisher.contrastive.load`.
    """
    store, model_print, loss = Store(options.store), models.fingerprint(name), loss_of(name)
    facts = [model_print, text.fingerprint, asdict(settings), code.of_text(loss), *unlisted(name)]
    key = digest([SCHEMA, "fisher", *facts])
    if store.get(key) is None:
        log.info("Fisher information of %d paragraphs in %s", len(text), ", ".join(text.languages))
        device = accelerator_for(options.device).device
        model = load(name).to(device)
        sizes = {"max_length": settings.max_length, "batch_size": BATCH}
        batches = batches_of(model, models.load_tokenizer(name), text.paragraphs, **sizes, seed=settings.seed)
        generator = torch.Generator().manual_seed(seed_of("fisher labels", settings.seed))
        on_device = [batch.to(device) for batch in batches]
        names = encoder(model)
        F = diagonal(model, on_device, labels=settings.labels, names=names, generator=generator)
        F = {names[parameter]: part.cpu() for parameter, part in F.items()}
        trace = sum(part.sum(dtype=torch.float64).item() for part in F.values())
        facts = {
            "model": model_print,
            "text": text.fingerprint,
            "source": text.source,
            "languages": list(text.languages),
            "examples": len(text),
            "loss": loss,
            "guesses": sum(batch.units for batch in batches),
            "trace": trace,
            "mean": trace / sum(part.numel() for part in F.values()),
            "embeddings": sorted(embedding_tables(model) & F.keys()),
            "device": device.type,
            "threads": torch.get_num_threads(),
        }
        with store.write(key) as folder:
            write_tensors(folder / FILE, F, {})
            write_json(folder / MANIFEST, manifest("fisher", **asdict(settings), **facts))
    return Stored(store.get(key).folder)


def of_languages(
    name: str, languages: Sequence[str], examples: int, folds: int, settings: Settings, options: RunOptions
) -> Distances:
    """Distances between the Fisher informations of text in several languages, over the encoder's parameters.

    Args:
        name: ``"mini"``, a packaged encoder, a folder, or a hub id.
        languages: codes, the source language first.
        examples: paragraphs, or pairs, of each language; see :func:`read`.
        folds: parts that the paragraphs are dealt to for the standard errors; 1 gives none. Each part of each language
            is a file of 4 bytes a parameter, which is read piece by piece: memory does not grow with them.
        settings: how each is computed.
        options: where they are computed and stored.

    Raises:
        ConfigError: fewer than two languages, or not one paragraph for each fold.
        DataError: as :func:`read`.
        ModelError: as :func:`of_text`.
    """
    if len(languages) < 2 or len(set(languages)) < len(languages):
        raise ConfigError(f"languages are {', '.join(languages) or 'none'}; expected two or more different ones.")
    if examples < 1:
        raise ConfigError(f"examples is {examples}; expected a number of paragraphs of each language, such as 1000.")
    if not 1 <= folds <= examples:
        raise ConfigError(f"folds is {folds}; expected 1 to {examples}, the number of examples.")
    plain_text.check_folder(languages, options.text_dir)
    texts = {language: read(name, [language], examples, options) for language in languages}
    parts: dict[str, list[Stored]] = {}
    for language, text in texts.items():
        dealt = [Text(text.languages, text.source, text.paragraphs[k::folds]) for k in range(folds)]
        parts[language] = [of_text(name, part, settings, options) for part in dealt]
    tables = parts[languages[0]][0].facts["embeddings"]
    counts = {language: [part.facts["examples"] for part in stored] for language, stored in parts.items()}
    return distances({k: [part.diagonal() for part in stored] for k, stored in parts.items()}, tables, counts)
