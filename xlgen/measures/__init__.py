"""Generalisation measures: one file each, all entered in :data:`MEASURES` when this package is imported.

A new measure is a new file in this folder with a function registered by ``@MEASURES.register``.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Iterable, Mapping
from typing import Any

from xlgen.core import coerce
from xlgen.core.errors import TrainingError
from xlgen.measures.base import ALL, MEASURES, Predictions, Subject, Value, label_free

__all__ = [
    "ALL",
    "LABEL_FREE",
    "MEASURES",
    "Predictions",
    "Subject",
    "Value",
    "label_free",
    "measure",
    "settings_of",
    "typed",
]


def settings_of(name: str) -> dict[str, Any]:
    """The settings of a measure with their defaults.

    Raises:
        UnknownName: there is no such measure.
    """
    return {setting.name: setting.default for setting in coerce.settings_of(MEASURES[name]).values()}


def typed(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a measure: those given, read as its function declares them, and the defaults of the others.

    What means the same is the same value, and so has the same name in the store.

    >>> typed("sharpness_adaptive", {"steps": "4", "rho": 1})
    {'rho': 1.0, 'steps': 4, 'tolerance': 0.05, 'examples': 256}

    Args:
        name: of the measure.
        given: values by setting, in any spelling of :mod:`xlgen.core.coerce`.

    Raises:
        UnknownName: there is no such measure, setting or choice.
        ConfigError: a value of the wrong type or out of its range.
    """
    return coerce.complete(MEASURES[name], given, f"setting of {name!r}", f"{name}.")


def measure(
    subject: Subject, names: Iterable[str], settings: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, dict[str, Value]]:
    """Compute several measures of one subject.

    Every name and setting is checked before anything is computed. The measures that need no gradient share one forward
    pass.

    Args:
        subject: model and examples, left exactly as they were.
        names: which measures; see :data:`MEASURES`.
        settings: by measure, the settings that differ from its defaults.

    Returns:
        By measure, by language (or ``ALL``), the value.

    Raises:
        UnknownName: a measure or a setting does not exist.
        ConfigError: a setting of the wrong type or out of its range.
        TrainingError: a value is not finite although its status is ``"ok"``.
    """
    names, settings = list(names), settings or {}
    chosen = {name: typed(name, settings.get(name, {})) for name in [*names, *settings]}
    result = {}
    for name in names:
        result[name] = MEASURES[name](subject, **chosen[name])
        for language, value in result[name].items():
            if value.status == "ok" and not math.isfinite(value.value):
                raise TrainingError(f"measure {name!r} of {language!r} is {value.value}; check the model's weights.")
    return result


for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

LABEL_FREE = frozenset(name for name, entry in MEASURES.items() if getattr(entry, "label_free", False))
"""The measures that need no label of the language they are computed in; see :func:`~xlgen.measures.base.label_free`."""
