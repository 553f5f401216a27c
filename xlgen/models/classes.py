"""The names of a classifier's classes, and their order."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from xlgen.core.errors import ModelError

if TYPE_CHECKING:
    from xlgen.data.task import Task

log = logging.getLogger(__name__)


def class_names(written: Mapping[str, Any], name: str) -> list[str] | None:
    """The names of the classes 0, 1, … that a config.json gives in ``id2label``, ``label2id`` or both.

    Transformers reads the first alone: without it, or where it holds ``LABEL_0``…, it forgets the second.

    Args:
        written: config.json.
        name: what the user called the model.

    Returns:
        ``None`` where neither names them: there is none, or they are called ``LABEL_0``, ``LABEL_1``, … in order.

    Raises:
        ModelError: the two contradict each other, or one does not number the classes 0, 1, …
    """
    first = _numbered({number: label for number, label in (written.get("id2label") or {}).items()}, "id2label", name)
    second = _numbered({number: label for label, number in (written.get("label2id") or {}).items()}, "label2id", name)
    if len(written.get("label2id") or {}) > len(second or ()) and second is not None:
        raise ModelError(f"label2id in the config.json of {name!r} gives two classes one number; correct it.")
    if first and second and first != second:
        raise ModelError(
            f"id2label and label2id in the config.json of {name!r} contradict each other: {', '.join(first)} and "
            f"{', '.join(second)}; correct the wrong one."
        )
    return first or second


def _numbered(labels: Mapping[Any, Any], key: str, name: str) -> list[str] | None:
    """The labels in the order of their numbers; ``None`` if they are no names."""
    try:
        numbers = {int(number): str(label) for number, label in labels.items()}
    except (TypeError, ValueError):
        numbers = {-1: ""}
    if sorted(numbers) != [*range(len(numbers))]:
        raise ModelError(f"{key} in the config.json of {name!r} does not number the classes 0, 1, …; correct it.")
    names = [numbers[i] for i in range(len(numbers))]
    return None if all(label.lower() == f"label_{i}" for i, label in enumerate(names)) else names


def class_order(model: nn.Module, task: Task) -> list[int]:
    """The model's class index of each of the task's labels, by the names in the model's configuration.

    Models without names (``LABEL_0``…) are taken to have the task's order, which is said in the log.

    Raises:
        ModelError: the names are others than the task's.
    """
    names = [str(model.config.id2label[i]) for i in range(model.config.num_labels)]
    aliases = {alias.lower(): label for alias, label in task.aliases.items()}
    spelled = [aliases.get(name.lower(), name).lower() for name in names]
    labels = [label.lower() for label in task.labels]
    if sorted(spelled) == sorted(labels):
        return [spelled.index(label) for label in labels]
    if not named(model):
        log.warning("the model does not name its classes; they are taken to be %s", ", ".join(task.labels))
        return list(range(len(task.labels)))
    raise ModelError(
        f"the model's classes are {', '.join(names)}; expected {', '.join(task.labels)} in any order. Correct id2label "
        "and label2id in its config.json."
    )


def named(model: nn.Module) -> bool:
    """Whether a model's configuration names its classes, rather than calling them ``LABEL_0``…"""
    names = model.config.id2label
    return not all(re.fullmatch(f"label_{i}", str(names[i]).lower()) for i in range(len(names)))
