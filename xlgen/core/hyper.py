"""Build what a registry names from hyper-parameters that may be strings (command line, papermill)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from xlgen.core.coerce import settings_of, typed
from xlgen.core.errors import ConfigError
from xlgen.core.registry import Registry

YOUNGER = MappingProxyType({"younger": True})
"""Metadata of a hyper-parameter that is younger than the first results, in all of which it is at its default."""


def create(registry: Registry[type], name: str, hyper: Mapping[str, Any] | None = None) -> Any:
    """Build the entry ``name``; hyper-parameters that ``hyper`` does not give take their defaults.

    Args:
        registry: of frozen dataclasses.
        name: a name in it.
        hyper: values by hyper-parameter; read as the types that the dataclass declares.

    Raises:
        UnknownName: no entry, or no hyper-parameter of this entry, has that name.
        ConfigError: a value of the wrong type or out of its range.
    """
    kind, hyper = registry[name], hyper or {}
    if hyper and not settings_of(kind):
        raise ConfigError(f"{name} has no hyper-parameters; {next(iter(hyper))!r} was given.")
    return kind(**typed(kind, hyper, f"hyper-parameter of {name}", f"{name}: "))


def named(entry: Any) -> dict[str, Any]:
    """The hyper-parameters of an entry that name a result: all but those at their default that are :data:`YOUNGER`."""
    values = {f: getattr(entry, f.name) for f in fields(entry)}
    return {f.name: value for f, value in values.items() if not f.metadata.get("younger") or value != f.default}


def need(owner: object, name: str, ok: bool, expected: str) -> None:
    """Raise a :class:`ConfigError` for the field ``name`` of ``owner`` unless ``ok``."""
    if not ok:
        raise ConfigError(f"{name} is {getattr(owner, name)!r}; expected {expected}.")
