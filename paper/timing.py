"""How long work takes, in units of other work on the same machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

from xlgen.measures import Subject
from xlgen.measures.sharpness_alpha import sharpness_alpha
from xlgen.measures.sharpness_difference import sharpness_difference
from xlgen.models.evaluate import loss_and_gradient, subset


def in_units(
    works: Mapping[str, Callable[[], object]], unit: Callable[[], object], rounds: int
) -> dict[str, list[float]]:
    """Time each work and the unit by turns, so that a machine that slows down slows both.

    Args:
        works: by name.
        unit: what they are compared with; the median of three before a work and of three after it is its time then.
        rounds: repetitions.

    Returns:
        By name, the time of each round over that of the unit.
    """
    unit()  # the first time is not like the others
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            before = median(_seconds(unit) for _ in range(3))
            spent = _seconds(work)
            after = median(_seconds(unit) for _ in range(3))
            times[name].append(2 * spent / (before + after))
    return times


def sharpness(subject: Subject, language: str, examples: int, rounds: int) -> dict[str, tuple[float, list[float]]]:
    """What one draw of the difference-based sharpness and one search for α cost.

    The unit is one forward and backward pass over the same examples; a forward pass alone counts one third.

    Args:
        subject: the model, with the examples of the language.
        language: on whose examples.
        examples: the first so many of them.
        rounds: repetitions.

    Returns:
        For ``"difference"`` and ``"alpha"`` the units counted, and the time of each round in units.
    """
    batches, values = subset(subject.batches[language], examples), []

    def fresh() -> Subject:  # without stored predictions
        return Subject(subject.model, {language: batches})

    works = {
        "difference": lambda: sharpness_difference(fresh(), noise_seeds=(0,), control=False),
        "alpha": lambda: values.append(sharpness_alpha(fresh(), examples=examples)[language]),
    }
    times = in_units(works, lambda: loss_and_gradient(subject.model, batches), rounds)
    units = {"difference": 5 / 3, "alpha": 1 / 3 + values[0].extra["units"]}
    return {name: (units[name], times[name]) for name in works}


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
