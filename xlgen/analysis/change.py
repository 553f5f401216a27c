"""How much a score changes from one setup to another, seed by seed and language by language."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from xlgen.analysis.intervals import AnalysisError, Interval, interval_of_mean
from xlgen.core.errors import UnknownName

OVER = {"seeds": 1, "languages": 0}
"""What is drawn anew, and the axis that is averaged first."""


def paired_change(new: ArrayLike, old: ArrayLike, over: str = "") -> Interval:
    r"""Mean of the paired differences :math:`D_{sl}` of seed s in language l, with its Student-t interval.

    .. math:: \bar D \pm t_{n-1, 0.975}\, \frac{s}{\sqrt n}

    Over seeds, n and s are of the means :math:`\bar D_{s\cdot}`: would the mean over these languages change alike if
    the models were trained again? Over languages, they are of :math:`\bar D_{\cdot l}`: is the change, averaged
    over these seeds, the same in one language as in another? The languages of one model move together, so that an
    interval over languages says nothing of other models. With a single seed or language it has no ends.

    Args:
        new: scores (seeds, languages), in the unit that the change is wanted in.
        old: of the setup compared with, the same seeds and languages.
        over: ``"seeds"`` or ``"languages"``; seeds, where there are several, unless given.

    Raises:
        AnalysisError: the scores are not two tables of one shape, there are none, or one is not finite.
        UnknownName: ``over`` is something else.
    """
    new, old = np.asarray(new, dtype=float), np.asarray(old, dtype=float)
    if new.ndim != 2 or new.shape != old.shape:
        raise AnalysisError(f"scores of shape {new.shape} and {old.shape}; expected (seeds, languages) of both.")
    over = over or ("seeds" if len(new) > 1 else "languages")
    if over not in OVER:
        raise UnknownName("over", over, OVER)
    return interval_of_mean(np.mean(new - old, axis=OVER[over]) if new.size else [])
