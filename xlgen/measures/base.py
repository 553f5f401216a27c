"""What a measure is: a function of a fine-tuned model and some examples, with a value per language.

A measure states what it was computed on and how uncertain it is; see :class:`Value`. Registering a function makes it
part of ``xlgen measure``, of the tables and of the correlations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import Tensor, nn

from xlgen.core.coerce import checked
from xlgen.core.errors import ConfigError
from xlgen.core.registry import Registry
from xlgen.data.batch import Batch
from xlgen.data.read_pairs import Rows
from xlgen.data.read_tagged import TaggedRows
from xlgen.models.evaluate import Predictions, predict
from xlgen.models.representations import pooled

ALL = "all"
"""The language key of a measure that belongs to the model rather than to a language."""


@dataclass(frozen=True)
class Value:
    """One measured number.

    Attributes:
        value: the estimate; ``nan`` only with a status that says why.
        stderr: its standard error, of the kind ``stderr_kind`` names; ``None`` where the value is exact given the
            weights, or where there is one example or no proper value.
        n: what it was computed on, counted in the measure's own terms: units (the examples of classification, the
            words of tagging) for means and functions of the units' losses, margins and answers; examples, which in
            tagging are sentences, for ``f1``, ``fisher_trace`` and ``frechet``; 0 for a measure of the weights alone.
        on: what it was computed on, in words: split, labels, mode.
        stderr_kind: ``"examples"`` (sampling of examples: of whole sentences in tagging), ``"noise"`` (Monte Carlo over
            noise draws) or ``""``.
        status: ``"ok"`` or a word that says why the number should not be used (``"hit_lower"``…).
        extra: further numbers that explain the value.
    """

    value: float
    stderr: float | None = None
    n: int = 0
    on: str = ""
    stderr_kind: str = ""
    status: str = "ok"
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Subject:
    """What is measured: a model, where it came from, and the examples of each language.

    Attributes:
        model: in ``eval()`` mode, on the device of the batches; left exactly as it was found.
        batches: per language, the examples (bucketed, padded to their longest).
        split: name of the split the examples came from.
        labels: names of the classes, in the order of the logits.
        kind: ``"sequence"`` or ``"token"``: whether a unit is an example or a word.
        reference: pretrained weights by parameter name, on the CPU; parameters that the pretrained model lacks (the
            new head) are absent.
        source: called when it is first needed, gives the labelled development examples of the source language.
        source_language: its code.
        texts: per language, the text of the examples, for measures of the text and its segmentation.
        tokenizer: the model's.
        encoder: name of the model that fine-tuning started from; empty if unknown.
    """

    model: nn.Module
    batches: Mapping[str, Sequence[Batch]]
    split: str = "test"
    reference: Mapping[str, Tensor] | None = None
    labels: tuple[str, ...] = ()
    kind: str = "sequence"
    source: Callable[[], Sequence[Batch]] | None = None
    source_language: str = "en"
    texts: Mapping[str, Rows | TaggedRows] = field(default_factory=dict)
    tokenizer: Any = None
    encoder: str = ""

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages that are measured."""
        return tuple(self.__dict__.get("predictions", self.batches))

    @cached_property
    def predictions(self) -> dict[str, Predictions]:
        """Logits and labels of every language, from one forward pass shared by all measures that need no gradient."""
        if "represented" in self.__dict__:
            return {language: predictions for language, (_, predictions) in self.represented.items()}
        return {language: predict(self.model, batches, language) for language, batches in self.batches.items()}

    @cached_property
    def represented(self) -> dict[str, tuple[Tensor, Predictions]]:
        """Representations (N, d) of every language's examples, and the predictions of the same forward pass."""
        return {language: pooled(self.model, batches, language) for language, batches in self.batches.items()}

    @cached_property
    def source_batches(self) -> Sequence[Batch]:
        """The labelled development examples of the source language, read once.

        Raises:
            ConfigError: the subject was made without them.
        """
        if self.source is None:
            raise ConfigError(
                f"this measure compares with labelled development examples in {self.source_language!r}, which the "
                "subject lacks; give them as Subject(source=…), or measure through xlgen.measures.measuring."
            )
        return self.source()

    @cached_property
    def calibration(self) -> Predictions:
        """Logits and labels of the source's development examples: one forward pass, shared as the predictions are."""
        return predict(self.model, self.source_batches, self.source_language)

    def calibrated_on(self, fingerprint: str) -> str:
        """What a label-free measure that uses :attr:`calibration` was computed on, in words."""
        source = f"{len(self.calibration)} units of dev in {self.source_language} {fingerprint}".rstrip()
        return f"{self.split}, no labels, eval mode; calibrated on {source}"


def label_free(measure: Measure) -> Measure:
    """Mark a measure that never looks at the labels of the examples it is computed on.

    It may use those of the source's development set (:attr:`Subject.calibration`). The marked ones are
    :data:`xlgen.measures.LABEL_FREE`.
    """
    measure.label_free = True
    return measure


def by_name(called: Callable[[str], Sequence[str]]) -> Callable[[Measure], Measure]:
    """Mark a measure whose value depends on what the encoder is called, which names in the store do not tell.

    Args:
        called: by the encoder's name, what the names in the store have to say of it.
    """

    def mark(measure: Measure) -> Measure:
        measure.called = called
        return measure

    return mark


def together(measure: Measure) -> Measure:
    """Mark a measure whose value in one language needs the examples of others; all others can be shared out."""
    measure.together = True
    return measure


Measure = Callable[..., dict[str, Value]]


class Measures(Registry[Measure]):
    """Measures by name; their settings are read as the functions declare them (:mod:`xlgen.core.coerce`)."""

    def add(self, name: str, entry: Measure) -> Measure:
        return super().add(name, checked(entry))


MEASURES = Measures("measure")
