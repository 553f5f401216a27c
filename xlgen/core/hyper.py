"""Build what a registry names from hyper-parameters that may be strings (command line, papermill)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xlgen.core.coerce import settings_of, typed
from xlgen.core.errors import ConfigError
from xlgen.core.registry import Registry


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


def need(owner: object, name: str, ok: bool, expected: str) -> None:
    """Raise a :class:`ConfigError` for the field ``name`` of ``owner`` unless ``ok``."""
    if not ok:
        raise ConfigError(f"{name} is {getattr(owner, name)!r}; expected {expected}.")
