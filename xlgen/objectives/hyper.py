"""Build an objective from a name and hyper-parameters that may be strings (command line, papermill)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xlgen.core import hyper as hyper_parameters
from xlgen.core.hyper import need
from xlgen.objectives.base import OBJECTIVES, Objective

__all__ = ["create", "need"]


def create(name: str, hyper: Mapping[str, Any] | None = None) -> Objective:
    """Build the objective ``name``; hyper-parameters that ``hyper`` does not give take their defaults.

    >>> create("sam", {"rho": "0.1"})
    SAM(rho=0.1, adaptive=False, eta=0.01, same_dropout=True, ascent='step')

    Args:
        name: a name in :data:`~xlgen.objectives.base.OBJECTIVES`.
        hyper: values by hyper-parameter; strings are read as the type that the objective declares.

    Raises:
        UnknownName: no objective, or no hyper-parameter of this objective, has that name.
        ConfigError: a value of the wrong type or out of its range.
    """
    return hyper_parameters.create(OBJECTIVES, name, hyper)
