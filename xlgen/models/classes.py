"""The classes of a fine-tuned head, as the names in its config.json say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from xlgen.errors import ModelError


def class_names(settings: Mapping[str, Any], n_labels: int) -> list[str] | None:
    """The name of each class, in the order of the logits.

    ``id2label`` and ``label2id`` say the same thing twice. transformers reads the first and, where it is absent, makes
    names up, so that a checkpoint that has named its classes in the second alone is misread. Here each counts, unless
    it holds nothing but the made-up names ``LABEL_0``, ….

    Args:
        settings: the contents of config.json.
        n_labels: classes of the task.

    Returns:
        ``n_labels`` names; ``None`` where neither says anything.

    Raises:
        ModelError: one of them does not give each of the classes 0, 1, … one name, or the two differ.
    """
    found = {}
    for key, pairs in (("id2label", _pairs(settings, "id2label")), ("label2id", _pairs(settings, "label2id"))):
        names = [name for _, name in sorted(pairs)]
        numbers = [number for number, _ in sorted(pairs)]
        if not pairs or _made_up(names, numbers):
            continue
        if numbers != list(range(n_labels)) or len({name.lower() for name in names}) < n_labels:
            raise ModelError(
                f"{key} in its config.json is {settings[key]}; expected another name for each of the {n_labels} "
                f"classes 0 to {n_labels - 1}; correct it."
            )
        found[key] = names
    first, *others = found.values() or [None]
    if any([name.lower() for name in names] != [name.lower() for name in first] for names in others):
        raise ModelError(
            f"id2label and label2id in its config.json name its classes differently, {', '.join(found['id2label'])} "
            f"and {', '.join(found['label2id'])}; correct the wrong one, or remove it."
        )
    return first


def _pairs(settings: Mapping[str, Any], key: str) -> list[tuple[int, str]]:
    """The (number, name) of each class."""
    given = settings.get(key) or {}
    try:
        pairs = given.items() if key == "id2label" else [(number, name) for name, number in given.items()]
        return [(int(number), str(name)) for number, name in pairs]
    except (AttributeError, TypeError, ValueError):
        raise ModelError(f"{key} in its config.json is {given!r}; expected names and whole numbers.") from None


def _made_up(names: list[str], numbers: list[int]) -> bool:
    """Whether these are the names that transformers gives to classes without names, in their order."""
    return all(re.fullmatch(f"label_{number}", name.lower()) for name, number in zip(names, numbers, strict=True))
