"""Generalisation measures: one file each, all entered in :data:`MEASURES` when this package is imported.

A new measure is a new file in this folder with a function registered by ``@MEASURES.register``.
"""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from xlgen.errors import TrainingError, UnknownName
from xlgen.measures.base import ALL, MEASURES, Predictions, Subject, Value, label_free

__all__ = ["ALL", "LABEL_FREE", "MEASURES", "Predictions", "Subject", "Value", "from_dict", "label_free", "measure"]
__all__ += ["settings_of", "to_dict"]


def settings_of(name: str) -> dict[str, Any]:
    """The settings of a measure with their defaults.

    Raises:
        UnknownName: there is no such measure.
    """
    parameters = list(inspect.signature(MEASURES[name]).parameters.values())[1:]
    return {p.name: p.default for p in parameters}


def measure(
    subject: Subject, names: Iterable[str], settings: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, dict[str, Value]]:
    """Compute several measures of one subject.

    Every name is checked before anything is computed. The measures that need no gradient share one forward pass.

    Args:
        subject: model and examples, left exactly as they were.
        names: which measures; see :data:`MEASURES`.
        settings: by measure, the settings that differ from its defaults.

    Returns:
        By measure, by language (or ``ALL``), the value.

    Raises:
        UnknownName: a measure or a setting does not exist.
        TrainingError: a value is not finite although its status is ``"ok"``.
    """
    names = list(names)
    settings = settings or {}
    for name in [*names, *settings]:
        known = settings_of(name)
        for key in settings.get(name, {}):
            if key not in known:
                raise UnknownName(f"setting of {name!r}", key, known)
    result = {}
    for name in names:
        result[name] = MEASURES[name](subject, **settings.get(name, {}))
        for language, value in result[name].items():
            if value.status == "ok" and not math.isfinite(value.value):
                raise TrainingError(f"measure {name!r} of {language!r} is {value.value}; check the model's weights.")
    return result


def to_dict(value: Value) -> dict[str, Any]:
    """Plain JSON values; a number that is not finite becomes ``None``."""
    return {key: _plain(item) for key, item in asdict(value).items()}


def from_dict(values: Mapping[str, Any]) -> Value:
    """Inverse of :func:`to_dict`; a value of ``None`` is ``nan``."""
    return Value(**{**values, "value": math.nan if values["value"] is None else values["value"]})


def _plain(item: Any) -> Any:
    if isinstance(item, Mapping):
        return {str(key): _plain(each) for key, each in item.items()}
    if isinstance(item, (list, tuple)):
        return [_plain(each) for each in item]
    return None if isinstance(item, float) and not math.isfinite(item) else item


for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

LABEL_FREE = frozenset(name for name, entry in MEASURES.items() if getattr(entry, "label_free", False))
"""The measures that need no label of the language they are computed in; see :func:`~xlgen.measures.base.label_free`."""
