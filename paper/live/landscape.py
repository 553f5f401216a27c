"""Figures on a landscape of two weights, those of a logistic regression: Algorithm 1, SAM's ρ, the search of α."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from paper.figures import look
from paper.live.embed import Live, drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACROSS = 81
"""Heights along a side of a picture."""


def loss(w: ArrayLike, x: ArrayLike, labels: ArrayLike) -> NDArray:
    """Mean cross-entropy [nats] of the logistic regression without bias.

    Args:
        w: (..., 2) weights.
        x: (N, 2) points.
        labels: (N,) of -1 and 1.
    """
    return np.logaddexp(0, -np.asarray(labels) * (np.asarray(w) @ np.asarray(x).T)).mean(axis=-1)


def gradient(w: ArrayLike, x: ArrayLike, labels: ArrayLike) -> NDArray:
    """Gradient (2,) of :func:`loss` at one w."""
    x, labels = np.asarray(x), np.asarray(labels)
    return (-labels / (1 + np.exp(labels * (x @ np.asarray(w))))) @ x / len(x)


def picture(centre: NDArray, reach: float, height: Callable[[NDArray], NDArray], paths: list[tuple[Any, ...]]) -> str:
    """Contours around a centre with arrows, each (from, to, colour), as SVG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 4.6), layout="constrained", facecolor="white")
    ax = figure.subplots()
    side = np.linspace(-reach, reach, ACROSS)
    plane = np.stack(np.meshgrid(centre[0] + side, centre[1] + side), axis=-1)
    ax.contour(plane[..., 0], plane[..., 1], height(plane), levels=14, colors="0.75", linewidths=0.8)
    for start, end, colour in paths:
        ax.annotate(
            "", end, start, arrowprops={"arrowstyle": "->", "color": colour, "lw": 1.8, "shrinkA": 0, "shrinkB": 0}
        )
    ax.plot(*centre, "o", color="#333333")
    ax.set(xlabel="first weight", ylabel="second weight", aspect="equal")
    return as_svg(figure)


def algorithm_1(
    sets: Mapping[str, ArrayLike],
    labels: ArrayLike,
    w_0: ArrayLike,
    epsilon: ArrayLike,
    *,
    sigma: float = 1.0,
    n: float = 15.0,
    lam: float = 0.25,
) -> Live:
    """Algorithm 1 line by line, with σ, n and λ to choose and noise to draw again.

    Args:
        sets: by name, (N, 2) points; the last one is shown first.
        labels: (N,) of -1 and 1, of every set.
        w_0: (2,) fitted weights.
        epsilon: (2,) the first draw, for σ = 1.
        sigma: noise scale that is shown first.
        n: step.
        lam: relative radius of the ball.
    """
    sets = {key: np.asarray(x, dtype=float) for key, x in sets.items()}
    labels, w_0, epsilon = (np.asarray(each, dtype=float) for each in (labels, w_0, epsilon))
    first, x = list(sets.items())[-1]
    w = w_0 + sigma * epsilon
    ascended = w + n * gradient(w, x, labels)
    away, radius = ascended - w_0, lam * np.linalg.norm(ascended)
    pulled = w_0 + away * min(1, radius / np.linalg.norm(away))
    reach = 1.1 * max(radius, *(np.linalg.norm(each - w_0) for each in (w, ascended)))
    paths = [(w_0, w, "#0072B2"), (w, ascended, "#D55E00"), (ascended, pulled, "#009E73")]
    alt = "Contours of a loss over two weights; arrows from the fitted ones by noise, then uphill, then back to a ball."
    data = {
        "sets": {key: x.tolist() for key, x in sets.items()},
        "labels": labels.tolist(),
        "w_0": w_0.tolist(),
        "epsilon": epsilon.tolist(),
        "first": first,
        **{"sigma": sigma, "n": n, "lam": lam, "alt": alt},
    }
    shown = picture(w_0, reach, lambda plane: loss(plane, x, labels), paths)
    return drawn("algorithm_1", data, shown, name="algorithm-1", alt=alt)


def two_steps(
    x: ArrayLike,
    labels: ArrayLike,
    w_0: ArrayLike,
    start: ArrayLike,
    *,
    rate: float = 10.0,
    rho: float = 1.0,
    lam: float = 0.5,
) -> Live:
    """Descent from the same place: plain, by SAM's two steps, or with the Fisher penalty; ρ and λ to choose.

    The contours are of what is minimised, so that they change with ρ and λ. The penalty is λ Tr F, the mean of the
    objective's λ ‖ḡ‖² for one example a step.

    Args:
        x: (N, 2) points.
        labels: (N,) of -1 and 1.
        w_0: (2,) the minimum of the loss.
        start: (2,) where the descent begins.
        rate: learning rate.
        rho: SAM's radius that is shown first.
        lam: weight of the penalty that is shown first.
    """
    x, labels, w_0, start = (np.asarray(each, dtype=float) for each in (x, labels, w_0, start))
    slope = gradient(start, x, labels)
    climbed = start + rho * slope / np.linalg.norm(slope)
    reach = 1.25 * max(np.linalg.norm(each - w_0) for each in (start, climbed))
    paths = [(start, climbed, "#CC79A7"), (start, start - rate * gradient(climbed, x, labels), look("sam").colour)]
    alt = "Contours of a loss over two weights; from a point, one arrow climbs and another descends."
    objectives = {"baseline": "baseline", "sam": "SAM", "fisher": "Fisher penalty"}
    data = {
        **{"x": x.tolist(), "labels": labels.tolist(), "w_0": w_0.tolist(), "start": start.tolist()},
        **{"rate": rate, "rho": rho, "lam": lam, "reach": float(reach), "alt": alt, "objectives": objectives},
        "looks": {key: {"colour": look(key).colour} for key in objectives},
    }
    shown = picture(w_0, reach, lambda plane: loss(plane, x, labels), paths)
    return drawn("two_steps", data, shown, name="two-steps", alt=alt)


def bisection(
    sets: Mapping[str, ArrayLike],
    labels: ArrayLike,
    w_0: ArrayLike,
    *,
    bracket: tuple[float, float] = (1e-4, 10.0),
    threshold: float = 0.1,
    bisections: int = 9,
    restarts: int = 2,
    steps: int = 5,
    seed: int = 0,
) -> Live:
    """The α-bisection step by step, with the criterion to choose; see :mod:`xlgen.measures.sharpness_alpha`.

    Args:
        sets: by name, (N, 2) points; the last one is shown first.
        labels: (N,) of -1 and 1, of every set.
        w_0: (2,) fitted weights.
        bracket: lower and upper end of the search.
        threshold: of the criterion, shown first.
        bisections: values of α tried.
        restarts: random starts for each α, the same for all.
        steps: ascent steps from each start.
        seed: of the starts.
    """
    from matplotlib.figure import Figure

    sets = {key: np.asarray(x, dtype=float) for key, x in sets.items()}
    labels, w_0 = np.asarray(labels, dtype=float), np.asarray(w_0, dtype=float)
    starts = np.random.default_rng(seed).uniform(-0.5, 0.5, (restarts, 2))
    alt = "Worst deviation of each alpha that was tried over log alpha, the threshold, and the bracket that is left."
    first, x = list(sets.items())[-1]
    data = {
        **{"sets": {key: x.tolist() for key, x in sets.items()}, "labels": labels.tolist(), "w_0": w_0.tolist()},
        **{"starts": starts.tolist(), "bracket": bracket, "threshold": threshold, "bisections": bisections},
        **{"steps": steps, "first": first, "alt": alt},
    }
    figure = Figure(figsize=(6.2, 3), layout="constrained", facecolor="white")
    ax = figure.subplots()
    alphas = np.geomspace(*bracket, 41)
    deviations = [worst(alpha, starts, steps, x, labels, w_0) for alpha in alphas]
    ax.plot(alphas, deviations, ".-", color="#333333")
    ax.axhline(threshold, color="#767676", linestyle="--")
    ax.set(xscale="log", ylim=(0, 3 * max(threshold, deviations[0])), xlabel="α", ylabel="worst L(w + u) [nats]")
    return drawn("bisection", data, as_svg(figure), name="bisection", alt=alt)


def worst(alpha: float, starts: NDArray, steps: int, x: NDArray, labels: NDArray, w_0: NDArray) -> float:
    """The largest loss that projected gradient ascent meets in the box of half-width α around w_0."""
    largest = -np.inf
    for start in starts:
        u = start * alpha
        for _ in range(steps + 1):
            largest = max(largest, float(loss(w_0 + u, x, labels)))
            u = np.clip(u + 2 * alpha / steps * np.sign(gradient(w_0 + u, x, labels)), -alpha, alpha)
    return largest


def as_svg(figure: Figure) -> str:
    """A Matplotlib figure as SVG, the same whenever it is drawn."""
    import matplotlib

    out = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "xlgen"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()
