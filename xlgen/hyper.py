"""Build what a registry names from hyper-parameters that may be strings (command line, papermill)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_type_hints

from xlgen.errors import ConfigError, UnknownName
from xlgen.registry import Registry

BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def create(registry: Registry[type], name: str, hyper: Mapping[str, Any] | None = None) -> Any:
    """Build the entry ``name``; hyper-parameters that ``hyper`` does not give take their defaults.

    Args:
        registry: of frozen dataclasses.
        name: a name in it.
        hyper: values by hyper-parameter; strings are read as the type that the dataclass declares.

    Raises:
        UnknownName: no entry, or no hyper-parameter of this entry, has that name.
        ConfigError: a value of the wrong type or out of its range.
    """
    kind, hyper = registry[name], hyper or {}
    known = [f.name for f in fields(kind)]
    types = get_type_hints(kind)
    for key in hyper:
        if not known:
            raise ConfigError(f"{name} has no hyper-parameters; {key!r} was given.")
        if key not in known:
            raise UnknownName(f"hyper-parameter of {name}", key, known)
    return kind(**{key: coerce(value, types[key], f"{name}: {key}") for key, value in hyper.items()})


def coerce(value: Any, kind: type, what: str) -> Any:
    """Read ``value`` as a ``bool``, ``int``, ``float`` or ``str`` without losing anything of it."""
    text = str(value).strip()
    if kind is str:
        # YAML and papermill turn the word true into a boolean before it gets here
        return text.lower() if isinstance(value, bool) else text
    try:
        if kind is bool:
            return BOOLEANS[text.lower()]
        number = float(text)
        if kind is float:
            return number
        if number != int(number):
            raise ValueError
        return int(number)
    except (KeyError, ValueError, OverflowError):
        expected = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise ConfigError(f"{what} is {value!r}; expected {expected}.") from None


def need(owner: object, name: str, ok: bool, expected: str) -> None:
    """Raise a :class:`ConfigError` for the field ``name`` of ``owner`` unless ``ok``."""
    if not ok:
        raise ConfigError(f"{type(owner).__name__}: {name} is {getattr(owner, name)!r}; expected {expected}.")
