"""Settings as users type them: read as the type that their annotation declares, or refused in the user's own words.

Values come from a shell (text), from JSON, from YAML (where ``1e-3`` is a text and an unquoted ``true`` a truth value),
from papermill and from Python. One meaning is read as one value whatever it came from, so that it has one name in the
store: ``1``, ``1.0`` and ``"1"`` are the same ``float``. Nothing is rounded, cut or guessed. Types and ranges are those
of the annotations, checked by pydantic: ``steps: Annotated[int, Field(ge=1)]``. A ``Field``'s ``description`` replaces
the words that would be made from its bounds.
"""

from __future__ import annotations

import ast
import inspect
import json
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache, cached_property, wraps
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from xlgen.core.errors import ConfigError, UnknownChoice, UnknownName

NONE = ("none", "null")
"""How a text says that there is no value."""


def _different(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) != len(values):
        raise ValueError
    return values


def _countable(value: int) -> int:
    if value >= COUNTABLE:
        raise ValueError
    return value


COUNTABLE, SEEDS = 2**31, 2**63
"""Sizes below the first and other whole numbers below the second fit what computes with them."""

AtLeast0 = Annotated[int, Field(ge=0), AfterValidator(_countable)]
AtLeast1 = Annotated[int, Field(ge=1), AfterValidator(_countable)]
Seed = Annotated[int, Field(ge=0)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Different = (Field(min_length=1), AfterValidator(_different))
"""Metadata of a sequence: at least one entry, and no entry twice."""


@dataclass(frozen=True)
class Setting:
    """One setting: its name, its annotation, and its default (``None`` also where there is none)."""

    name: str
    annotation: Any
    default: Any = None

    def read(self, value: Any, owner: str = "") -> Any:
        """``value`` as the annotation declares it.

        Args:
            value: as it was given.
            owner: what an error puts before the name of the setting.

        Raises:
            UnknownChoice: the annotation is a ``Literal``, and this is none of its words.
            ConfigError: a value of the wrong type or out of its range.
        """
        try:
            return self._adapter.validate_python(value)
        except ValidationError:
            kind, _ = _bare(self.annotation)
            # none, true and false as they are typed, wherever that was
            shown = str(value).lower() if value is None or isinstance(value, bool) else repr(value)
            wrong = f"{owner}{self.name} is {shown}; expected {self.expected}{_too_large(value, self.annotation)}."
            if get_origin(kind) is Literal:
                raise UnknownChoice(wrong, value, get_args(kind)) from None
            raise ConfigError(wrong) from None

    @property
    def expected(self) -> str:
        """What is expected, in words."""
        words, described = _words(self.annotation)
        if described or self.default in (None, "", ()) or isinstance(self.default, (bool, Mapping)):
            return words
        many = isinstance(self.default, (list, tuple))
        return f"{words}, such as {', '.join(map(str, self.default)) if many else self.default}"

    @cached_property
    def _adapter(self) -> TypeAdapter:
        return TypeAdapter(_lenient(self.annotation), config=ConfigDict(allow_inf_nan=False))


@cache
def settings_of(owner: Callable | type) -> dict[str, Setting]:
    """The settings of a dataclass (its fields) or of a function (its parameters that have to be named), by name."""
    hints = get_type_hints(owner, include_extras=True)
    if is_dataclass(owner):
        pairs = [(f.name, None if f.default is MISSING else f.default) for f in fields(owner) if f.init]
    else:
        named = [p for p in inspect.signature(owner).parameters.values() if p.kind == p.KEYWORD_ONLY]
        pairs = [(p.name, None if p.default is p.empty else p.default) for p in named]
    return {name: Setting(name, hints.get(name, Any), default) for name, default in pairs}


def typed(owner: Callable | type, given: Mapping[str, Any], what: str, prefix: str = "") -> dict[str, Any]:
    """The values of ``given``, read as ``owner`` declares them.

    Args:
        owner: a dataclass or a function.
        given: values by setting.
        what: what a name that does not exist was meant to be, in words (``"setting of 'margin'"``).
        prefix: what the user put before the names.

    Raises:
        UnknownName: ``owner`` has no such setting.
        ConfigError: a value of the wrong type or out of its range.
    """
    settings = settings_of(owner)
    for name in given:
        if not settings:
            raise ConfigError(f"{what.removeprefix('setting of ')} has no settings; {name!r} was given.")
        if name not in settings:
            raise UnknownName(what, name, settings)
    return {name: settings[name].read(value, prefix) for name, value in given.items()}


def complete(owner: Callable, given: Mapping[str, Any], what: str, prefix: str = "") -> dict[str, Any]:
    """As :func:`typed`, with the defaults of the settings that ``given`` does not name, in the order of ``owner``."""
    defaults = {name: setting.default for name, setting in settings_of(owner).items()}
    return typed(owner, defaults | dict(given), what, prefix)


def settle(instance: Any, owner: str = "") -> None:
    """Read every field of a frozen dataclass as its annotation declares it; for ``__post_init__``.

    Raises:
        ConfigError: a value of the wrong type or out of its range.
    """
    for name, setting in settings_of(type(instance)).items():
        object.__setattr__(instance, name, setting.read(getattr(instance, name), owner))


def checked(function: Callable) -> Callable:
    """The function, with the values of its named parameters read as it declares them."""

    @wraps(function)
    def call(*args: Any, **given: Any) -> Any:
        return function(*args, **typed(function, given, f"setting of {function.__name__!r}"))

    return call


def entries(value: Any) -> Any:
    """The entries of a list that may be typed as ``0,1``, ``[0, 1]`` or, with one entry, ``0``."""
    if isinstance(value, str):
        text = value.strip()
        if text[:1] in ("[", "("):
            return list(_literal(text))
        return [word for word in (part.strip() for part in text.split(",")) if word]
    return list(value) if isinstance(value, (list, tuple, range)) else [value]


def _by_name(value: Any) -> Any:
    """A mapping that may be typed as JSON or as Python writes it."""
    return _literal(value.strip()) if isinstance(value, str) else value


def _literal(text: str) -> Any:
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    raise ValueError


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError
    value = float(value) if isinstance(value, str) else value
    return value + 0.0 if isinstance(value, float) else value  # -0.0 and 0.0 are one value


def _whole(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            value = float(value)  # "1e3", which is refused where it is not whole
    if isinstance(value, (int, float)) and abs(value) >= SEEDS:
        raise ValueError
    return value


def _word(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _chosen(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else _word(value)  # YAML has made a truth value of a word


def _none(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip().lower() in NONE else value


SCALARS = {int: _whole, float: _number, str: _word, bool: _word}
NAMES = {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}
MANY = {int: "whole numbers", float: "numbers", str: "words"}


def _too_large(value: Any, annotation: Any) -> str:
    """The limit that a whole number has passed, in words, or nothing."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return ""
    kind, metadata = _bare(annotation)
    limit = COUNTABLE if any(getattr(item, "func", None) is _countable for item in metadata) else SEEDS
    return f", and below {limit}" if kind is int and number >= limit else ""


def _bare(annotation: Any) -> tuple[Any, list[Any]]:
    """An annotation without what ``Annotated`` adds to it, and what that is."""
    if get_origin(annotation) is Annotated:
        kind, *metadata = get_args(annotation)
        return kind, metadata
    return annotation, []


def _lenient(annotation: Any) -> Any:
    """The annotation for pydantic, which reads every part of it from any of its spellings."""
    kind, metadata = _bare(annotation)
    origin = get_origin(kind) or kind
    if origin in (Union, types.UnionType):
        parts = tuple(_lenient(part) for part in get_args(kind))
        return Annotated[(Union[parts], *metadata, BeforeValidator(_none))]  # noqa: UP007
    if origin is Literal:
        return Annotated[(kind, *metadata, BeforeValidator(_chosen))]
    if origin in (Sequence, tuple, list):
        (entry, *_) = get_args(kind) or (Any,)
        return Annotated[(tuple[_lenient(entry), ...], *metadata, BeforeValidator(entries))]
    if origin in (Mapping, dict):
        name, value = get_args(kind) or (Any, Any)
        return Annotated[(dict[name, _lenient(value)], *metadata, BeforeValidator(_by_name))]
    if origin in SCALARS:
        return Annotated[(kind, *metadata, BeforeValidator(SCALARS[origin]))]
    return annotation


def _words(annotation: Any) -> tuple[str, bool]:
    """What an annotation asks for, and whether somebody has described it."""
    kind, metadata = _bare(annotation)
    for item in metadata:
        if isinstance(item, FieldInfo) and item.description:
            return item.description, True
    origin = get_origin(kind) or kind
    if origin in (Union, types.UnionType):
        (part,) = (part for part in get_args(kind) if part is not types.NoneType)
        words, described = _words(part)
        return f"{words}, or none", described
    if origin is Literal:
        *most, last = map(repr, get_args(kind))
        return f"{', '.join(most)} or {last}", True
    if origin in (Sequence, tuple, list):
        entry, bounds = _bare((get_args(kind) or (Any,))[0])
        distinct = "different " if any(item in metadata for item in Different) else ""
        return f"{distinct}{MANY.get(entry, 'entries')}{_range(bounds)} separated by commas", False
    if origin in (Mapping, dict):
        return 'values by name, such as {"rho": 0.05}', True
    return NAMES.get(origin, "another value") + _range(metadata), False


def _range(metadata: Sequence[Any]) -> str:
    """Bounds in words."""
    bounds = [bound for part in metadata if isinstance(part, FieldInfo) for bound in part.metadata]
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    limits = [
        f" {sign} {getattr(part, name):g}" for name, sign in signs.items() for part in bounds if hasattr(part, name)
    ]
    return " and".join(limits)
