"""Pictures of the chapter on sharpness, and the model with two weights that it begins with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

from xlgen.measures import Value


def logits(w: Tensor, x: Tensor) -> Tensor:
    """Those of a logistic regression without bias: ∓w·x / 2, (N, 2)."""
    return (x @ w)[:, None] * torch.tensor([-0.5, 0.5]).double()


class Logistic(nn.Module):
    """Logistic regression without bias, with logits as the library's models have them."""

    def __init__(self, w: Tensor):
        super().__init__()
        self.w = nn.Parameter(w.clone())

    def forward(self, x: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=logits(self.w, x))


def walk(
    ax: Axes, loss: Callable[[Tensor], Tensor], w_0: Tensor, path: Sequence[Tensor], radius: float, reach: float
) -> Axes:
    """Draw Algorithm 1 on the contours of a loss of two weights.

    Args:
        ax: where.
        loss: of the weights [nats].
        w_0: where it begins.
        path: w after the noise, after the gradient step, and w'.
        radius: p.
        reach: half the side of the picture.
    """
    w, ascended, neighbour = path
    side = torch.linspace(-reach, reach, 81, dtype=torch.float64)
    plane = torch.cartesian_prod(w_0[0] + side, w_0[1] + side)
    heights = torch.func.vmap(loss)(plane).view(81, 81).T
    lines = ax.contour(w_0[0] + side, w_0[1] + side, heights, levels=12, colors="0.75", linewidths=0.8)
    ax.clabel(lines, lines.levels[::3], fontsize=7, colors="0.45")
    ax.add_patch(plt.Circle(w_0, radius, fill=False, color="C3", lw=1.2))
    for start, end, style in ((w_0, w, "-C1"), (w, ascended, "-C2"), (ascended, neighbour, "--C3")):
        ax.plot(*zip(start, end, strict=True), style)
    ax.plot(*w_0, "o", color="C0", label="$w_0$")
    ax.plot(*w, "s", ms=5, color="C1", label=r"$w = w_0 + \varepsilon$")
    ax.plot(*ascended, "^", ms=6, color="C2", label=r"$w + n\,\nabla L(w)$")
    ax.plot(*neighbour, "*", ms=10, mec="white", color="C3", label="$w'$ (circle: radius $p$)")
    ax.set(xlabel="weight 1", ylabel="weight 2", aspect="equal")
    ax.label_outer()
    ax.grid(visible=False)
    return ax


def sweep(
    left: Axes,
    right: Axes,
    values: Mapping[float, Mapping[str, Value]],
    colours: Mapping[str, object],
    names: Mapping[str, str],
) -> None:
    """Draw what the noise scale does: the lengths that compete, and the result with and without the gradient step.

    Args:
        left: where the lengths of noise, gradient step and radius go (medians over draws).
        right: where the results go, with one standard error over draws, and, dashed, the control.
        values: by noise scale, by language.
        colours: by language, in the order of the legend.
        names: of the languages, in the legend.
    """
    scales = list(values)

    def over_languages(key: str) -> list[float]:
        return [np.median([value.extra[key] for value in at_scale.values()]) for at_scale in values.values()]

    left.plot(scales, over_languages("noise_norm"), "o-", ms=4, color="C1", label=r"noise $\|\varepsilon\|$")
    left.plot(scales, over_languages("radius"), "s-", ms=4, color="C2", label="radius $p$")
    for language, colour in colours.items():
        own = [at_scale[language] for at_scale in values.values()]
        label = None if len(left.lines) > 2 else r"gradient step $n\,\|\nabla L(w)\|$"
        left.plot(scales, [np.median(v.extra["ascent_norm"]) for v in own], lw=1.2, color=colour, label=label)
        phi, errors = [v.value for v in own], [v.stderr for v in own]
        right.errorbar(scales, phi, yerr=errors, fmt="o-", ms=3.5, lw=1.2, color=colour, label=names[language])
        right.plot(scales, [np.mean(v.extra["phi_noise"]) for v in own], "--", lw=0.9, color=colour)
    for ax in (left, right):
        ax.set(xscale="log", xlabel=r"noise scale $\sigma$ [parameter units]")
    left.set(yscale="log", ylabel="length [parameter norm]")
    left.legend()
    right.set_yscale("symlog", linthresh=1e-3, linscale=0.5)
    right.set_ylabel(r"$\phi_\mathrm{difference}$ [nats], linear near 0")
