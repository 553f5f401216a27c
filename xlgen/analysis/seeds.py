"""A correlation over models that differ in their seed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from xlgen.analysis.correlation import Correlation
from xlgen.analysis.intervals import AnalysisError, Interval, interval_of_mean


@dataclass(frozen=True)
class OverSeeds:
    """A coefficient over models that differ in their seed.

    It says how far the coefficient of *these* languages depends on the seed; not what other languages would give,
    which is what the interval of a single :class:`Coefficient` is about.

    Attributes:
        mean: tanh of the mean of Fisher's z; ``nan``, as ``low``, ``high`` and ``spread``, where no seed has a defined
            coefficient, or a seed's is exactly ±1, whose z is infinite.
        low: lower end of the Student-t interval of that mean; ``nan`` with one seed.
        high: its upper end.
        spread: standard deviation of z over seeds; ``nan`` with one seed.
        smallest: smallest coefficient of a seed.
        largest: largest coefficient of a seed.
        n_seeds: seeds used.
        left_out: seeds whose correlation is undefined.
    """

    mean: float
    low: float
    high: float
    spread: float
    smallest: float
    largest: float
    n_seeds: int
    left_out: int

    @property
    def interval(self) -> Interval:
        """The mean with its interval over seeds."""
        return Interval(self.mean, self.low, self.high, self.n_seeds)

    def __str__(self) -> str:
        return f"{self.interval}, mean over {self.n_seeds} seeds"


def over_seeds(correlations: Iterable[Correlation | float]) -> OverSeeds:
    """Average a correlation coefficient over seeds on the scale of Fisher's z.

    Args:
        correlations: one per seed, of which Pearson's coefficient is taken; or coefficients, ``nan`` for an undefined
            one.

    Raises:
        AnalysisError: there are none, or a number is outside [-1, 1].
    """
    values = [c.pearson.value if isinstance(c, Correlation) else float(c) for c in correlations]
    defined = [r for r in values if not math.isnan(r)]
    if not values:
        raise AnalysisError("no correlations; expected one per seed.")
    if max(map(abs, defined), default=0) > 1:
        raise AnalysisError(f"a seed has r = {max(defined, key=abs)}; expected correlations in [-1, 1].")
    z = [math.atanh(r) if abs(r) < 1 else math.nan for r in defined]
    usable = z and not any(map(math.isnan, z))
    mean = interval_of_mean(z) if usable else Interval(math.nan, math.nan, math.nan, len(z))
    return OverSeeds(
        mean=math.tanh(mean.value),
        low=math.tanh(mean.low),
        high=math.tanh(mean.high),
        spread=float(np.std(z, ddof=1)) if len(z) > 1 else math.nan,
        smallest=min(defined, default=math.nan),
        largest=max(defined, default=math.nan),
        n_seeds=len(z),
        left_out=len(values) - len(z),
    )
