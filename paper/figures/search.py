"""The course of a search by bisection."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes


def bisection(
    upper: Axes,
    lower: Axes,
    trials: Sequence[tuple[float, float]],
    *,
    bracket: tuple[float, float],
    start: float,
    threshold: float,
) -> None:
    """Draw the trials of a search for the largest tolerated α above, and its bracket after each trial below.

    Args:
        upper: where the worst accuracy met at each α goes: circles are tolerated, crosses are not.
        lower: where the brackets go, the first on top.
        trials: (α, largest drop of accuracy that was met), in order.
        bracket: of α before the first trial.
        start: accuracy without perturbation.
        threshold: a drop from which a perturbation is not tolerated.
    """
    low, high = bracket
    for number, (alpha, drop) in enumerate(trials, start=1):
        tolerated = drop < threshold
        low, high = (alpha, high) if tolerated else (low, alpha)
        upper.plot(alpha, start - drop, "o" if tolerated else "x", ms=5, color="C0")
        lower.plot([low, high], [number, number], color="C0", lw=4, solid_capstyle="butt")
        lower.plot(alpha, number, "|", ms=9, color="C2")
    upper.axhline(start, color="0.45", ls="--", lw=1)
    upper.axhline(start - threshold, color="C2", lw=1, label="not tolerated from here downwards")
    upper.set(xscale="log", ylim=(-0.03, 1.03))
    lower.set(xlabel=r"$\alpha$ [parameter units]", yticks=range(1, len(trials) + 1, 2))
    lower.set_ylim(len(trials) + 0.5, 0.5)
