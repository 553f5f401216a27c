"""Errors that say what was wrong, what was expected and what to do.

Everything a user can get wrong raises :class:`XlgenError` (or a subclass) with a message of one line; the command
line prints that line and exits with 2, without a traceback.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence


def what_is_wrong(error: BaseException) -> str:
    """Why a text cannot be read, in words for somebody who does not know Python."""
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}, column {error.colno}: {error.msg[0].lower()}{error.msg[1:]}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if mark := getattr(error, "problem_mark", None):  # of YAML
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return first_line(error)


_PYTHONS = re.compile(r" \(\w+(Error|Exception)\)|\b\w+(Error|Exception): |\[Errno -?\d+\] ")


def first_line(error: BaseException) -> str:
    """The first line of what another library says of an error, without Python's names and numbers for it."""
    return _PYTHONS.sub("", (str(error).strip().splitlines() or ["no details"])[0]).rstrip(".:")[:200]


class XlgenError(Exception):
    """Base of all errors caused by what the user asked for, rather than by a defect of the library."""


class UnknownName(XlgenError):
    """A name that is not in a registry: an objective, a task, a language, a preset, …

    Args:
        kind: what the name was meant to be, in words (``"objective"``).
        name: what was given.
        accepted: the names that exist; the closest is suggested.
    """

    def __init__(self, kind: str, name: object, accepted: Iterable[str]):
        accepted = sorted(accepted)
        super().__init__(f"unknown {kind} {name!r}.{_hint(name, accepted)} Known: {', '.join(accepted)}.")


def _hint(name: object, accepted: Sequence[str]) -> str:
    """The known name that is closest to ``name``, if one is close."""
    close = difflib.get_close_matches(str(name), accepted, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


class ConfigError(XlgenError):
    """A setting outside its range, or two settings that contradict each other."""


class UnknownChoice(UnknownName, ConfigError):
    """A setting that is none of the words that it can be.

    Args:
        message: what is wrong and what was expected; the closest word is suggested after it.
        value: what was given.
        accepted: the words that it can be.
    """

    def __init__(self, message: str, value: object, accepted: Iterable[str]):
        XlgenError.__init__(self, message + _hint(value, sorted(accepted)))


class DataError(XlgenError):
    """A data file or data set that is missing, malformed or not what the task expects."""


class ModelError(XlgenError):
    """A model that cannot be loaded or does not fit what was asked of it."""


class TrainingError(XlgenError):
    """Training or measuring met a value that is not finite."""
