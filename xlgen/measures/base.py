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

from xlgen.batch import Batch
from xlgen.coerce import checked
from xlgen.evaluate import Predictions, predict
from xlgen.registry import Registry

ALL = "all"
"""The language key of a measure that belongs to the model rather than to a language."""


@dataclass(frozen=True)
class Value:
    """One measured number.

    Attributes:
        value: the estimate; ``nan`` only with a status that says why.
        stderr: its standard error, of the kind ``stderr_kind`` names; ``None`` where the value is exact.
        n: examples it was computed on (0 for a measure of the weights alone).
        on: what it was computed on, in words: split, labels, mode.
        stderr_kind: ``"examples"`` (sampling of examples), ``"noise"`` (Monte Carlo over noise draws) or ``""``.
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
    """

    model: nn.Module
    batches: Mapping[str, Sequence[Batch]]
    split: str = "test"
    reference: Mapping[str, Tensor] | None = None
    labels: tuple[str, ...] = ()
    kind: str = "sequence"

    @cached_property
    def predictions(self) -> dict[str, Predictions]:
        """Logits and labels of every language, from one forward pass shared by all measures that need no gradient."""
        return {language: predict(self.model, batches, language) for language, batches in self.batches.items()}


Measure = Callable[..., dict[str, Value]]


class Measures(Registry[Measure]):
    """Measures by name; their settings are read as the functions declare them (:mod:`xlgen.coerce`)."""

    def add(self, name: str, entry: Measure, version: int = 1) -> Measure:
        return super().add(name, checked(entry), version)


MEASURES = Measures("measure")
