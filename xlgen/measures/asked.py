"""What is measured, of which model, on which examples; and the name that each number has in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field

from xlgen import models
from xlgen.core import code
from xlgen.core.coerce import AtLeast0, AtLeast1, settle
from xlgen.core.config import SCHEMA, RunOptions, digest
from xlgen.core.errors import ConfigError, UnknownName
from xlgen.data.catalogue import Task
from xlgen.data.read_pairs import Rows
from xlgen.data.read_tagged import TaggedRows
from xlgen.measures import MEASURES, typed
from xlgen.training.runs import Run


@dataclass(frozen=True)
class Checkpoint:
    """A classifier that was fine-tuned elsewhere.

    Attributes:
        model: a Hugging Face folder or hub id.
        task: name of the task it was fine-tuned on.
        pretrained: the model that fine-tuning started from, for measures of the distance; empty if unknown.
        max_length: sub-words of a pair.
    """

    model: str
    task: str
    pretrained: str = ""
    max_length: Annotated[int, Field(ge=8, description="at least 8 sub-words")] = 128

    def __post_init__(self):
        settle(self)

    @cached_property
    def key(self) -> str:
        """Part of the names of its measures in the store."""
        pretrained = models.fingerprint(self.pretrained) if self.pretrained else ""
        return digest([models.fingerprint(self.model), self.task, pretrained, self.max_length])


@dataclass(frozen=True)
class MeasureConfig:
    """What is measured, and on what: everything that determines the values, given the model.

    Attributes:
        names: of measures in :data:`xlgen.measures.MEASURES`.
        languages: of the task; none means all.
        split: ``"dev"`` or ``"test"``; ``"dev_held"`` is the half of ``"dev"`` that no second stage is trained on,
            ``"shifted"`` has text of another domain (:data:`xlgen.data.task.SHIFTED`).
        size: examples of each language; 0 is all of them.
        settings: by measure, its settings; those not given take the measure's defaults.
        batch_size: examples of a forward pass.
        data: fingerprint of the examples (filled in by the loader).
    """

    names: tuple[str, ...] = ("accuracy", "margin")
    languages: tuple[str, ...] = ()
    split: str = "test"
    size: AtLeast0 = 0
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    batch_size: AtLeast1 = 64
    data: str = ""

    def __post_init__(self):
        settle(self)

    def named(self, name: str) -> str:
        """What a measure is called in tables of several splits: as it is on the test split, else ``dev_margin``."""
        return name if self.split == "test" else f"{self.split}_{name}"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MeasureConfig:
        """Inverse of :func:`dataclasses.asdict`; unknown keys are an error with a suggestion."""
        names = [f.name for f in fields(cls)]
        for key in values:
            if key not in names:
                raise UnknownName("setting", key, names)
        return cls(**values)


def filled(task: Task, config: MeasureConfig, options: RunOptions) -> MeasureConfig:
    """Fill in what is left out: languages, settings, what is calibrated on, and the fingerprint of the examples.

    Args:
        task: whose examples they are.
        config: what is asked.
        options: where the data are.

    Raises:
        UnknownName: a measure, setting, language or split does not exist.
        ConfigError: the split is the training data, or a measure was calibrated on other data than can be read now.
    """
    if config.split == "train":
        raise ConfigError("split is 'train'; expected 'dev' or 'test', which every language has.")
    for name in config.settings:
        MEASURES[name]
    settings = {}
    for name in config.names:
        settings[name] = typed(name, config.settings.get(name, {}))
        if "calibration" in settings[name]:  # what it was calibrated on is part of its name in the store
            given, settings[name]["calibration"] = (
                settings[name]["calibration"],
                source_rows(task, config, options).fingerprint,
            )
            if given not in ("", settings[name]["calibration"]):
                raise ConfigError(f"{name}.calibration is {given!r}, of other data than can be read now; leave it out.")
    config = replace(config, languages=config.languages or task.languages, settings=settings)
    fingerprints = {language: rows.fingerprint for language, rows in rows_of(task, config, options).items()}
    return replace(config, data=digest(fingerprints))


def store_names(source: Run | Checkpoint, config: MeasureConfig) -> dict[str, str]:
    """By measure of a filled configuration, its name in the store: it covers model, examples, settings and code."""

    def facts(name: str) -> list[Any]:
        called = getattr(MEASURES[name], "called", lambda encoder: [])
        return [asdict(alone(config, name)), code.of_measure(MEASURES[name]), *called(source.pretrained)]

    return {name: digest([SCHEMA, source.key, source.task, *facts(name)]) for name in config.names}


def alone(config: MeasureConfig, name: str) -> MeasureConfig:
    """The same with one measure: each is stored by itself, so that asking for one more computes one."""
    return replace(config, names=(name,), settings={name: config.settings[name]})


def rows_of(task: Task, config: MeasureConfig, options: RunOptions) -> dict[str, Rows | TaggedRows]:
    """By language, the examples of a filled configuration."""
    return {
        language: task.rows(language, config.split, options.data_dir).take(config.size) for language in config.languages
    }


def source_rows(task: Task, config: MeasureConfig, options: RunOptions) -> Rows | TaggedRows:
    """The labelled rows that measures are calibrated on: as many of the source language as of each language."""
    return task.rows(task.source_language, "dev", options.data_dir).take(config.size)


def check_labels(task: Task, config: MeasureConfig, options: RunOptions) -> None:
    """Refuse measures that look at labels of examples that have none.

    Raises:
        ConfigError: a language has no labels, and a measure needs them.
    """
    bare = [language for language, rows in rows_of(task, config, options).items() if not rows.labelled]
    free = [name for name, entry in MEASURES.items() if getattr(entry, "label_free", False)]
    if bare and (need := [name for name in config.names if name not in free]):
        raise ConfigError(
            f"{', '.join(need)}: needs labels, which {', '.join(bare)} has not. Leave out the languages, or use "
            f"measures without labels: {', '.join(sorted(free))}."
        )
