"""How quadratic the divergence under noise of recorded and live models is, by the size of the noise."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paper.records import Obtained
from xlgen.analysis import spearman


@dataclass(frozen=True)
class Quadratic:
    r"""The divergence under noise of one model and size, beside what stands for it.

    Attributes:
        form: (languages,) over :math:`\frac12 \varepsilon^\top F \varepsilon` of the same draws, taken at the smallest
            noise, where what it leaves out is least.
        trace: (pairs of draws,) over :math:`\frac12 \sigma^2 \mathrm{Tr} F`, mean over the languages.
        order: rank correlation over the languages of the divergence and Tr F.
    """

    form: NDArray
    trace: NDArray
    order: float

    @property
    def trace_stderr(self) -> float:
        """Of the mean of :attr:`trace` over the draws."""
        return float(self.trace.std(ddof=1) / math.sqrt(len(self.trace)))


def quadratic(models: Obtained) -> dict[tuple[Hashable, float], Quadratic]:
    """By key and size of the noise.

    Args:
        models: of the protocol ``divergence``, that have all that it asks.
    """
    found = {}
    for key, (first, *others) in models.measured.items():
        trace = {language: value.value for language, value in first["fisher_trace"].items()}
        by_size = {
            one.settings["noise_divergence"]["noise_scale"]: [part["noise_divergence"][code].extra for code in trace]
            for one, part in zip(models.measures[key][1:], others, strict=True)
        }
        least = min(by_size)
        form = np.array([extra["forms"] for extra in by_size[least]]).mean(axis=1) / least**2
        for sigma, extras in by_size.items():
            pairs = np.array([extra["pairs"] for extra in extras]) / sigma**2  # (languages, pairs)
            by_trace = 2 * pairs / np.array([*trace.values()])[:, None]
            order = spearman(pairs.mean(axis=1), [*trace.values()])
            found[key, sigma] = Quadratic(pairs.mean(axis=1) / form, by_trace.mean(axis=0), float(order))
    return found
