"""xlgen: how well will a multilingual model fine-tuned on English transfer to languages it never saw?

The package is read in the order of its rooms; each imports only from those before it::

    core -> data -> models -> fisher -> objectives -> training -> measures -> analysis -> forecast -> cli

The book and its apparatus (:mod:`paper`) stand on it.

:func:`xlgen.predict <xlgen.forecast.predict.predict>` answers the question for a model and texts without labels.

Importing :mod:`xlgen` itself is free: neither torch nor transformers is loaded until something is computed.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_FRONT = {"predict": "xlgen.forecast.predict"}
"""What is to be had from here, and where it is: imported when it is asked for."""


def __getattr__(name: str) -> Any:
    if name in _FRONT:
        return getattr(import_module(_FRONT[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
