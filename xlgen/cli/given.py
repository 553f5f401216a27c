"""What is typed after an option: words, pairs of a name and a value, a file of settings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from xlgen.core.errors import ConfigError, what_is_wrong


def pairs(texts: Iterable[str], option: str = "--set", example: str = "epochs=3") -> dict[str, str]:
    """Names with what is said of each, from ``name=value``."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key.strip() and equals):
            raise ConfigError(f"{option} {text!r} is not of the form key=value, such as {option} {example}.")
        found[key.strip()] = value.strip()
    return found


def nested(settings: Mapping[str, Mapping[str, Any]], texts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Add ``measure.setting=value`` pairs to the settings by measure."""
    found = {measure: dict(given) for measure, given in settings.items()}
    for key, value in pairs(texts).items():
        measure, dot, setting = key.partition(".")
        if not dot:
            raise ConfigError(f"--set {key}={value}: name the measure too, as in --set sharpness_difference.n=0.05.")
        found.setdefault(measure, {})[setting] = value
    return found


def words(text: str | None, option: str) -> tuple[str, ...] | None:
    """The words of an option, ``None`` if it was not given."""
    if text is None:
        return None
    found = tuple(word.strip() for word in text.split(",") if word.strip())
    if not found:
        raise ConfigError(f"{option} names none; expected words separated by commas.")
    return found


def columns(text: str | None) -> dict[str, str]:
    """The user's names of columns, from ``--columns``."""
    given = words(text, "--columns") or ()
    found = pairs(given, "--columns", "first=premise")
    if len(found) < len(given):
        raise ConfigError(f"--columns {text} names a column twice; expected each once, such as first=premise.")
    return found


def settings_in(path: Path) -> dict[str, Any]:
    """The settings by name of a JSON file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}); expected a JSON file with settings.") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read as JSON: {what_is_wrong(error)}.") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no settings by name; expected a JSON object.")
    return values
