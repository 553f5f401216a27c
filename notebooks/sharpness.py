# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Sharpness, step by step
#
# A model is called sharp where a small change of its weights makes its loss much larger. This chapter takes apart two
# ways of turning that into one number per language: the difference-based sharpness of
# {cite:t}`bassi2024generalization`, and the search for a radius $\alpha$ {cite:p}`keskar2017large,jiang2020fantastic`
# that it is meant to replace. The first is shown in two dimensions before it meets an encoder; both are then run on the
# fine-tuned miniature.
#
# ```{admonition} What you will learn
# :class: tip
# - What each line of Algorithm 1 does, and how much of its result is due to the noise, the gradient and the projection.
# - What the noise scale, a parameter that the paper leaves free, does to the result and to the order of the languages.
# - Why the search for $\alpha$ ends at the edge of its bracket, how to notice, what mends it, and what both cost.
# ```

# %% tags=["parameters"]
objective: str = "baseline"  # training objective: baseline, sam, fisher, mvr or one of your own
preset: str = "mini"  # sizes: mini (offline miniature), small (20,000 real English pairs) or paper
task: str = ""  # mini-xnli, mini-pawsx, xnli or pawsx; empty: the preset's own
model: str = ""  # mini, a hub id or a folder; empty: the preset's own
seed: int = 0  # random seed of the training run and of the two-dimensional example
languages: list = ["de", "es", "ru", "tr", "zh", "ur", "sw"]  # language codes, English is always there; empty: all
data_dir: str = ""  # folder with the official archives, relative to the working directory; empty: the hub
train_size: int = None  # English training pairs [count], 0 for all; None: the preset's own
epochs: int = None  # passes over the training pairs [count]; None: the preset's own
hyper: dict = {}  # any hyper-parameter of the objective or other setting of the run, by name
size: int = 60  # test examples of each language [count]; 0: all
scales: list = [0.0001, 0.05, 0.1]  # noise scales measured beside the paper's four [parameter units]
noise_seeds: list = [0, 1, 2]  # seeds of the noise draws behind each value, at least two
alpha_size: int = 40  # test examples of each language for the search of alpha [count], at most size
rounds: int = 3  # repetitions of each timing [count]
store: str = ""  # folder of trained models and measures; empty: runs/ of the checkout

# %%
import math
import time
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from statistics import median
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import torch
from myst_nb import glue
from torch import nn

from paper import chapters, figures, ledger
from paper.notebook import provenance, root, shows_error
from paper.published import find as find_published
from xlgen.analysis import correlate, signed, spearman
from xlgen.core.config import RunOptions
from xlgen.data.batch import Batch
from xlgen.data.catalogue import TASKS
from xlgen.measures import Predictions, Subject, Value, settings_of
from xlgen.measures.measuring import MeasureConfig, measure, run_many
from xlgen.measures.measuring import subject as load_subject
from xlgen.measures.sharpness_alpha import sharpness_alpha
from xlgen.measures.sharpness_difference import sharpness_difference
from xlgen.models.evaluate import loss_and_gradient, losses, subset
from xlgen.models.perturb import norm, weights
from xlgen.training.presets import config_for

figures.use_style()
languages, hyper = chapters.words(languages), chapters.by_name(hyper)
scales, noise_seeds = chapters.words(scales, float), chapters.words(noise_seeds, int)

# %% [markdown]
# ## Algorithm 1 in two dimensions
#
# Let $L(w)$ be the mean cross-entropy of a classifier with weights $w$ on the examples of one language, and $w_0$ the
# weights after fine-tuning. {cite:t}`bassi2024generalization` define
#
# $$ \phi_{\text{difference}} = L(w') - L(w_0) $$ (eq-sharpness-difference)
#
# where $w'$ is a neighbour of $w_0$ that their Algorithm 1 finds without any search.
#
# ```{prf:algorithm} Difference-based sharpness
# :label: sharpness-algorithm
#
# **Input** fine-tuned weights $w_0$, noise scale $\sigma$, step $n$ (0.05), relative radius $\lambda$ ("small like
# 0.05")
#
# **Output** $\phi_{\text{difference}}$ [nats]
#
# 1. draw $\varepsilon \sim N(0, \sigma^2 I)$ and set $w \leftarrow w_0 + \varepsilon$
# 2. $w' \leftarrow w + n \nabla L(w)$
# 3. $p \leftarrow \lambda \|w'\|_F$
# 4. **if** $\|w' - w_0\|_F > p$: $\; w' \leftarrow w_0 + p\, (w' - w_0) / \|w' - w_0\|_F$
# 5. **return** $L(w') - L(w_0)$
# ```
#
# The norm is that of all weights as one vector. In step 1 the paper adds noise "to avoid zero gradient": at a minimum
# $\nabla L(w_0) = 0$ and step 2 alone would go nowhere. Note that $n$ is a step size, not a number of examples. In code:


# %%
def algorithm_1(loss, w_0, epsilon, n, lam):
    """Return phi and, on the way to it, w, w + n grad L(w) and w'."""
    w = w_0 + epsilon
    ascended = neighbour = w + n * torch.func.grad(loss)(w)
    p = lam * ascended.norm()
    away = ascended - w_0
    if away.norm() > p:
        neighbour = w_0 + p * away / away.norm()
    return loss(neighbour) - loss(w_0), (w, ascended, neighbour)


# %% [markdown]
# To watch it, take a logistic regression with two weights, fitted to one set of points. A second set, the same points
# turned by an angle, plays the language that the model was not trained on: there $w_0$ is no minimum.

# %%
generator = torch.Generator().manual_seed(seed)
n_points = 60
labels = torch.arange(n_points) % 2
sign = (2 * labels - 1)[:, None]
centre, spread = torch.tensor([[1.0, 0.4], [1.0, 0.6]]).double()
normal = {"generator": generator, "dtype": torch.float64}
points = torch.randn(n_points, 2, **normal)
points = points * spread + sign * centre
c, s = math.cos(0.9), math.sin(0.9)
turned = points @ torch.tensor([[c, -s], [s, c]]).double()
toys = {"trained on": points, "not trained on": turned}


class Toy(nn.Module):
    """Logistic regression without bias, with logits as in the library."""

    def __init__(self, w: torch.Tensor):
        super().__init__()
        self.w = nn.Parameter(w.clone())

    def forward(self, x: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=toy_logits(self.w, x))


def toy_logits(w: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return (x @ w)[:, None] * torch.tensor([-0.5, 0.5]).double()


def toy_loss(x: torch.Tensor):
    cross_entropy = nn.functional.cross_entropy
    return lambda w: cross_entropy(toy_logits(w, x), labels)


grad, hessian = torch.func.grad, torch.func.hessian
w_0, loss = torch.zeros(2).double(), toy_loss(points)
for _ in range(30):  # Newton's method
    w_0 = w_0 - torch.linalg.solve(hessian(loss)(w_0), grad(loss)(w_0))
for name, x in toys.items():
    loss = toy_loss(x)
    print(f"{name:15} L(w_0) = {loss(w_0):.3f},", end=" ")
    print(f"|grad L(w_0)| = {grad(loss)(w_0).norm():.1e}")

# %% [markdown]
# The step and the ball are exaggerated so that they can be seen. The same $\varepsilon$ serves for both data sets.

# %%
toy_settings = {"n": 15.0, "lam": 0.25}
same_draw = torch.Generator().manual_seed(seed)
epsilon = torch.randn(2, generator=same_draw)
walks = {
    name: algorithm_1(toy_loss(x), w_0, epsilon, **toy_settings)
    for name, x in toys.items()
}  # fmt: skip
for name, (phi, (_, ascended, neighbour)) in walks.items():
    inside = torch.equal(ascended, neighbour)
    print(f"{name:15} phi = {phi:.3f} nats,", end=" ")
    print("inside the ball" if inside else "projected")

# %% tags=["hide-input"]
relative = [((ascended - w).norm() / epsilon.norm()).item() for _, (w, ascended, _) in walks.values()]
glue("sharpness-toy-left", f"{relative[0]:.2f}", display=False)
glue("sharpness-toy-right", f"{relative[1]:.2f}", display=False)

# %% mystnb={"figure": {"name": "fig-sharpness-walk", "caption": "Algorithm 1 on a logistic regression with two weights: the noise carries w₀ to w, the gradient step goes uphill, and what lies outside the ball of radius p around w₀ is pulled back to its surface. Left: the points that w₀ was fitted to. Right: the turned points, for which w₀ is no minimum. Contours: loss [nats]."}, "image": {"alt": "Two contour plots of a loss over two weights, each with arrows from the fitted weights to a noisy point and from there uphill. On the left the gradient step is short and stays in the circle; on the right it is long, and a dashed line leads back to the circle."}} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(7.8, 4.3), sharex=True, sharey=True)
radii = {name: toy_settings["lam"] * path[1].norm() for name, (_, path) in walks.items()}
ends = [path[1] - w_0 for _, path in walks.values()]
reach = 1.08 * max(*(end.abs().max() for end in ends), *radii.values())
side = torch.linspace(-reach, reach, 81, dtype=torch.float64)
plane = torch.cartesian_prod(w_0[0] + side, w_0[1] + side)
for ax, (name, x) in zip(axes, toys.items(), strict=True):
    phi, (w, ascended, neighbour) = walks[name]
    heights = torch.func.vmap(toy_loss(x))(plane).view(81, 81).T
    lines = ax.contour(w_0[0] + side, w_0[1] + side, heights, levels=12, colors="0.75", linewidths=0.8)
    ax.clabel(lines, lines.levels[::3], fontsize=7, colors="0.45")
    ax.add_patch(plt.Circle(w_0, radii[name], fill=False, color="C3", lw=1.2))
    for start, end, color in ((w_0, w, "C1"), (w, ascended, "C2")):
        ax.plot(*zip(start, end, strict=True), color=color)
    ax.plot(*zip(ascended, neighbour, strict=True), "--", color="C3", lw=1.2)
    ax.plot(*w_0, "o", color="C0", label="$w_0$")
    ax.plot(*w, "s", ms=5, color="C1", label=r"$w = w_0 + \varepsilon$")
    ax.plot(*ascended, "^", ms=6, color="C2", label=r"$w + n\,\nabla L(w)$")
    ax.plot(*neighbour, "*", ms=10, mec="white", color="C3", label="$w'$ (circle: radius $p$)")
    ax.set(title=rf"{name}: $\phi$ = {phi:.3f} nats", xlabel="weight 1", aspect="equal")
    ax.grid(visible=False)
axes[0].set_ylabel("weight 2")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
plt.show()

# %% [markdown]
# {numref}`fig-sharpness-walk` shows a first difficulty. For the points that $w_0$ was fitted to the gradient step is
# {glue:text}`sharpness-toy-left` times as long as the noise. For the others it is {glue:text}`sharpness-toy-right` times
# as long: at $w_0$ there is a slope already, without any noise, and $\phi_{\text{difference}}$ measures how steep the
# loss is as much as how curved. In a zero-shot language "the sharpness of the optimum" is the sharpness of a point that
# is not one.
#
# The library's measure `sharpness_difference` does the same for any classifier, with the gradient of all examples at
# once. (Averaged over batches, the result would depend on the size of the batches: the projection is not linear.) It
# must agree with the ten lines above, projected or not:

# %%
toy, index = Toy(w_0), torch.arange(n_points)
batches = {name: [Batch({"x": x}, labels, index)] for name, x in toys.items()}
toy_subject = Subject(toy, batches)
largest, projected = 0.0, []
for scale in (0.1, 1.0, 10.0):
    for draw in range(4):
        settings = {"noise_scale": scale, "noise_seeds": [draw]}
        values = sharpness_difference(toy_subject, **settings, **toy_settings)
        same_draw = torch.Generator().manual_seed(draw)
        epsilon = scale * torch.randn(2, generator=same_draw)
        for name, value in values.items():
            loss = toy_loss(toys[name])
            phi, path = algorithm_1(loss, w_0, epsilon, **toy_settings)
            largest = max(largest, abs(value.value - phi.item()))
            projected.append(not torch.equal(path[1], path[2]))
            assert value.extra["clipped"] == projected[-1]
print(f"{len(projected)} cases, {sum(projected)} projected,", end=" ")
print(f"largest difference {largest:.1e} nats")

# %% tags=["hide-input"]
glue("sharpness-largest", f"{largest:.0e}", display=False)
glue("sharpness-cases", f"{len(projected)}", display=False)
glue("sharpness-projected", f"{sum(projected)}", display=False)

# %% [markdown]
# The largest difference over {glue:text}`sharpness-cases` cases, {glue:text}`sharpness-projected` of them projected, is
# {glue:text}`sharpness-largest` nats.
#
# ## The same on a fine-tuned encoder
#
# Now the encoder of the miniature, fine-tuned on English pairs, and the test sets of several languages, which are
# translations of the same pairs. The run comes from the store; if it is not there, it is trained first.

# %%
options = RunOptions(
    store=Path(store).expanduser() if store else root() / "runs",
    data_dir=Path(data_dir) if data_dir else None,
    threads=1,
    progress=False,
)
torch.set_num_threads(1)
settings = chapters.given(
    model=model,
    train_size=train_size,
    epochs=epochs,
)
settings |= hyper | {"objective": objective, "seed": seed}
config = config_for(preset, task or None, **settings)
languages = chapters.spoken(TASKS[config.task], languages)
(run,) = run_many([config], options)
on = MeasureConfig(languages=languages, size=size)
subject = load_subject(run, on, options)
accuracy = {
    lang: (p.logits.argmax(dim=1) == p.labels).double().mean().item()
    for lang, p in subject.predictions.items()
}  # fmt: skip
source, least = languages[0], min(languages, key=accuracy.get)
parameters = weights(subject.model).values()
P, length = sum(w.numel() for w in parameters), norm(parameters)
glue("sharpness-parameters", f"{P:,}", display=False)
glue("sharpness-rms", f"{length / math.sqrt(P):.3f}", display=False)

# %% [markdown]
# The model has {glue:text}`sharpness-parameters` weights with a root mean square of {glue:text}`sharpness-rms`. Start
# without noise, $\sigma = 0$, which leaves the gradient step alone. As long as the step stays in the ball it gives
#
# $$ \phi_{\text{difference}} = L\big(w_0 + n \nabla L(w_0)\big) - L(w_0)
# = n\, \|\nabla L(w_0)\|^2 + O(n^2) . $$ (eq-sharpness-first)


# %%
NAME = "sharpness_difference"
n, lam = (settings_of(NAME)[key] for key in ("n", "lam"))
draws = noise_seeds


def difference(scale: float) -> dict[str, Value]:
    """The measure at one noise scale, by language; stored ones are read."""
    setting = {"noise_scale": scale, "noise_seeds": draws}
    config = replace(on, names=(NAME,), settings={NAME: setting})
    return measure(run, config, options)[NAME]


still = difference(0.0)
first = {lang: v.extra["ascent_norm"][0] ** 2 / n for lang, v in still.items()}

# %% tags=["hide-input"]
lowest = min(languages, key=lambda lang: still[lang].value)
highest = max(languages, key=lambda lang: still[lang].value)
for key, lang in (("lowest", lowest), ("highest", highest)):
    glue(f"sharpness-{key}", f"{still[lang].value:.3g} ({lang})", display=False)
excess = median(still[lang].value / first[lang] for lang in languages)
glue("sharpness-excess", f"{excess:.1f}", display=False)
chapters.table(
    ("language", "accuracy", "L(w₀) [nats]", "n ‖∇L(w₀)‖² [nats]", "φ without noise [nats]"),
    [
        (lang, f"{accuracy[lang]:.2f}", f"{v.extra['loss']:.3f}", f"{first[lang]:.3g}", f"{v.value:.3g}")
        for lang, v in still.items()
    ],
    f"The gradient step alone, on {still[languages[0]].n} test examples of each language",
)

# %% [markdown]
# At a minimum the last column would be zero. It lies between {glue:text}`sharpness-lowest` and
# {glue:text}`sharpness-highest` nats, and is {glue:text}`sharpness-excess` times the squared slope of
# {eq}`eq-sharpness-first` (median over languages); the rest is what the loss does beyond first order along the step.
# Both columns need the labels of the language: this sharpness can be had only where labelled examples are.
#
# Now the noise. The paper chooses its scale "empirically" for each model among 0.001, 0.005, 0.01 and 0.02. Here are
# these and others, always with the same draws of $\varepsilon$ for all languages. For each scale the table has the
# three lengths that compete (medians over languages) and two results (means over languages): $\phi$, and the *control*,
# the same noise projected in the same way but without the gradient step.

# %%
PAPER = (0.001, 0.005, 0.01, 0.02)
grid = sorted({*scales, *PAPER})
sweep = {scale: difference(scale) for scale in grid}


def over(scale: float, key: str) -> np.ndarray:
    """One of the extras, (languages,) or (languages, draws)."""
    return np.array([sweep[scale][lang].extra[key] for lang in languages])


lengths = {
    key: [float(np.median(over(scale, key))) for scale in grid]
    for key in ("noise_norm", "ascent_norm", "radius")
}  # fmt: skip
phis, controls = (
    [over(s, key).mean() for s in grid]
    for key in ("phi", "phi_noise")
)  # fmt: skip

# %% tags=["hide-input"]
chapters.table(
    ("σ", "‖ε‖", "n ‖∇L(w)‖", "p", "projected", "φ [nats]", "control [nats]"),
    [
        (
            f"{scale:g}",
            f"{a:.3g}",
            f"{b:.3g}",
            f"{c:.3g}",
            f"{over(scale, 'clipped').mean():.0%}",
            f"{phi:.3g}",
            f"{control:.2g}",
        )
        for scale, a, b, c, phi, control in zip(grid, *lengths.values(), phis, controls, strict=True)
    ],
    "Lengths (medians over languages and draws), and the result with and without the gradient step (means)",
)

# %% tags=["hide-input"]
binding = lam / math.sqrt(1 - lam**2) * length / math.sqrt(P)
bound = [scale for scale in grid if over(scale, "clipped").mean() > 0.5]
glue("sharpness-binding", f"{binding:.2g}", display=False)
glue("sharpness-bound", f"from {bound[0]:g} on" if bound else "at none of them", display=False)
at = grid.index(0.01)
phi, control = phis[at], controls[at]
relative = lengths["ascent_norm"][at] / lengths["noise_norm"][at]
if abs(control) < 0.2 * abs(phi):
    verdict = "Small as it is, the gradient step makes the result: the noise alone would not have shown it."
elif abs(control) > 0.8 * abs(phi):
    verdict = "The result is that of the noise; the gradient step hardly matters."
else:
    verdict = "Noise and gradient step both contribute."
glue("sharpness-step-length", f"{relative:.1%}", display=False)
glue("sharpness-phi", f"{phi:.3g}", display=False)
glue("sharpness-control", f"{control:.2g}", display=False)
glue("sharpness-share-verdict", verdict, display=False)

# %% mystnb={"figure": {"name": "fig-sharpness-sweep", "caption": "Left: the lengths of the noise, of the gradient step and of the radius p, against the noise scale (medians over draws). Right: the result for each language with one standard error over the draws (solid), and the control without the gradient step (dashed). The colour tells how accurate the model is in the language. Dotted: the scale at which the noise alone reaches the ball. Shaded: the range of scales in the paper."}, "image": {"alt": "Two panels over the logarithm of the noise scale. Left: the length of the noise rises in proportion to the scale and crosses the radius, which is constant until the noise is as large as the weights; the gradient steps are far shorter. Right: the result of each language and, dashed, its control."}} tags=["hide-input"]
by_accuracy = sorted(languages, key=accuracy.get)
tones = plt.get_cmap("cividis")(np.linspace(0, 0.8, len(languages)))
shade = dict(zip(by_accuracy, tones, strict=True))

fig, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.9))
for ax in (left, right):
    ax.axvspan(PAPER[0], PAPER[-1], color="0.93", lw=0, zorder=0)
    ax.axvline(binding, color="0.45", ls=":", lw=1.2)
    ax.set(xscale="log", xlabel=r"noise scale $\sigma$ [parameter units]")
left.plot(grid, lengths["noise_norm"], "o-", ms=4, color="C1", label=r"noise $\|\varepsilon\|$")
left.plot(grid, lengths["radius"], "s-", ms=4, color="C2", label="radius $p$")
for lang in by_accuracy:
    ascents = [np.median(sweep[s][lang].extra["ascent_norm"]) for s in grid]
    label = r"gradient step $n\,\|\nabla L(w)\|$" if lang == by_accuracy[0] else None
    left.plot(grid, ascents, color=shade[lang], lw=1.2, label=label)
    values = [sweep[s][lang] for s in grid]
    right.errorbar(
        grid,
        [v.value for v in values],
        yerr=[v.stderr for v in values],
        fmt="o-",
        ms=3.5,
        lw=1.2,
        color=shade[lang],
        label=f"{lang} ({accuracy[lang]:.2f})",
    )
    right.plot(grid, [np.mean(v.extra["phi_noise"]) for v in values], "--", lw=0.9, color=shade[lang])
left.set(yscale="log", ylabel="length [parameter norm]")
left.legend()
right.set_yscale("symlog", linthresh=1e-3, linscale=0.5)
right.set_ylabel(r"$\phi_\mathrm{difference}$ [nats], linear near 0")
fig.legend(*right.get_legend_handles_labels(), title="language\n(accuracy)", fontsize=8, loc="outside right center")
plt.show()

# %% [markdown]
# In {numref}`fig-sharpness-sweep` the noise has length $\|\varepsilon\| \approx \sigma \sqrt P$ for $P$ weights, and
# reaches the ball at $\sigma =$ {glue:text}`sharpness-binding`. In most cases the projection binds
# {glue:text}`sharpness-bound`. From there on $w'$ lies at the distance $p$ whatever $\sigma$ is, in a direction that is
# almost that of $\varepsilon$, and the projection shrinks the gradient step by the factor $p / \|w' - w_0\|$, which
# falls as $1/\sigma$. Where $\sigma$ comes near the root mean square of the weights themselves, $\|w'\|$ grows with
# the noise, and $p$ with it.
#
# At the paper's scale 0.01 the gradient step has {glue:text}`sharpness-step-length` of the length of the noise; yet one
# cannot say from the lengths what $\phi$ is made of. With this many weights a random direction and a gradient are
# nearly orthogonal: the loss rises in proportion to the gradient step but only with the square of the noise. The
# control decides: with the gradient step $\phi$ is {glue:text}`sharpness-phi` nats in the mean, without it
# {glue:text}`sharpness-control` nats. {glue:text}`sharpness-share-verdict`

# %% [markdown]
# ```{exercise} ★ Where does the projection bind?
# :label: sharpness-ex-binding
#
# Leave the gradient step aside. (a) Show that the projection binds from $\sigma = \lambda r / \sqrt{1 - \lambda^2}$ on,
# where $r$ is the root mean square of the weights, however many weights there are. (b) Suppose that the weights of a
# large encoder have $r = 0.04$. For which of the paper's scales does the projection bind? (c) What is left of the
# gradient step there?
# ```
#
# ```{solution} sharpness-ex-binding
# :class: dropdown
#
# (a) With $P$ weights $\|\varepsilon\|^2 \approx \sigma^2 P$ and, since a random direction is nearly orthogonal to
# $w_0$, $\|w'\|^2 \approx (r^2 + \sigma^2) P$. The condition $\|\varepsilon\| > \lambda \|w'\|$ is then $\sigma^2 >
# \lambda^2 (r^2 + \sigma^2)$; $P$ cancels. (b) $\sigma = 0.05 \cdot 0.04 = 0.002$: for 0.005, 0.01 and 0.02.
# (c) The factor $p / \|\varepsilon\|$, about $0.002 / \sigma$: 40, 20 and 10 per cent.
# ```

# %% [markdown]
# ## Does the order of the languages survive?
#
# To predict transfer one does not need the value of a measure, only the order of the languages. The table compares the
# order at each noise scale with that without noise, and the orders by single draws of noise at one scale with each
# other: if these do not agree, the order is an accident of the noise. The last column correlates $\phi$ with accuracy.


# %%
def order(values) -> dict[str, int]:
    """Rank of each language, 1 for the smallest value."""
    flattest_first = sorted(values, key=values.get)
    return {lang: i for i, lang in enumerate(flattest_first, start=1)}


def phi_of(scale: float) -> dict[str, float]:
    return {lang: v.value for lang, v in sweep[scale].items()}


def agreement(scale: float) -> float:
    """Mean rank correlation between two draws of noise."""
    pairs = combinations(over(scale, "phi").T, 2)
    return float(np.mean([spearman(a, b) for a, b in pairs]))


base = np.array([still[lang].value for lang in languages])
right_answers = [accuracy[lang] for lang in languages]
kept, repeated, with_accuracy = {}, {}, {}
for scale in grid:
    values = np.array(list(phi_of(scale).values()))
    kept[scale] = float(spearman(values, base))
    repeated[scale] = agreement(scale)
    with_accuracy[scale] = correlate(values, right_answers, resamples=99)

# %% tags=["hide-input"]
chapters.table(
    ("σ", "with the order without noise", "between two draws", "φ with accuracy"),
    [(f"{s:g}", signed(kept[s], 2), signed(repeated[s], 2), with_accuracy[s]) for s in grid],
    f"Rank correlations over {len(languages)} languages, and Pearson's r with its 95 % interval",
)

# %% tags=["hide-input"]
paper = [phis[grid.index(scale)] for scale in PAPER]
low, high = min(paper), max(paper)
text = f"between {low:.3g} and {high:.3g} nats"
glue("sharpness-paper-range", text + (f", a factor of {high / low:.1f}" if low > 0 else ""), display=False)
ends = {}
for lang in languages:
    values = [sweep[scale][lang].value for scale in PAPER]
    ends[lang] = min(values), max(values)
moved = max(languages, key=lambda lang: ends[lang][1] - ends[lang][0])
text = f"{moved}, from {ends[moved][0]:.2g} to {ends[moved][1]:.2g} nats"
glue("sharpness-paper-language", text, display=False)
rs = [with_accuracy[scale].pearson.value for scale in PAPER]
glue("sharpness-paper-rs", f"from {signed(min(rs), 2)} to {signed(max(rs), 2)}", display=False)
worst_scale = min(PAPER, key=kept.get)
glue("sharpness-kept-worst", f"{signed(kept[worst_scale], 2)} (at {worst_scale:g})", display=False)
wild = [f"{scale:g}" for scale in grid if repeated[scale] < 0.5]
if wild:
    verdict = f"At {', '.join(wild)} they agree with a rank correlation below 0.5: that order says little."
else:
    verdict = "Here they agree with a rank correlation of at least 0.5 at every scale."
glue("sharpness-draws-verdict", verdict, display=False)
printed = find_published("xnli", NAME, "baseline")
glue("sharpness-published", printed.printed.replace("-", "−"), display=False)
glue(
    "sharpness-published-interval",
    f"[{signed(printed.interval.low, 2)}, {signed(printed.interval.high, 2)}]",
    display=False,
)

# %% mystnb={"figure": {"name": "fig-sharpness-ranks", "caption": "Rank of each language by its difference-based sharpness (1: flattest) without noise and at each noise scale, and by its error rate (1: most accurate). A line that crosses another is a pair of languages whose order depends on the scale. Shaded: the range of scales in the paper."}, "image": {"alt": "One line for each language across columns for the noise scales, at the height of its rank; the last column ranks the languages by error rate."}} tags=["hide-input"]
columns = {"none": {lang: v.value for lang, v in still.items()}}
columns |= {f"{scale:g}": phi_of(scale) for scale in grid}
columns |= {"error\nrate": {lang: 1 - a for lang, a in accuracy.items()}}
ranks = [order(values) for values in columns.values()]
fig, ax = plt.subplots(figsize=(7.2, 3.9))
ax.axvspan(1 + grid.index(PAPER[0]) - 0.4, 1 + grid.index(PAPER[-1]) + 0.4, color="0.93", lw=0, zorder=0)
last = len(columns) - 1
for lang in languages:
    heights = [rank[lang] for rank in ranks]
    ax.plot(range(last), heights[:-1], "o-", color=shade[lang])
    ax.plot([last - 1, last], heights[-2:], ":", color=shade[lang])
    ax.plot(last, heights[-1], "s", color=shade[lang])
    ax.text(-0.25, heights[0], lang, ha="right", va="center", color=shade[lang])
    ax.text(last + 0.2, heights[-1], lang, va="center", color=shade[lang])
ax.set(xlabel=r"noise scale $\sigma$ [parameter units]", ylabel="rank", xlim=(-0.8, last + 0.8))
ax.set_xticks(range(len(columns)), list(columns))
ax.set_yticks(range(1, len(languages) + 1))
ax.invert_yaxis()
ax.grid(visible=False, axis="x")
plt.show()

# %% [markdown]
# {numref}`fig-sharpness-ranks` shows the orders. Two draws of noise at one scale should agree on them.
# {glue:text}`sharpness-draws-verdict` Remember also that every rank rests on the same few examples: neighbours in the
# figure may differ by chance.
#
# ```{admonition} A disagreement: one noise scale for each model
# :class: warning
# {cite:t}`bassi2024generalization` find the scale "empirically" for each model, and do not say by which criterion nor
# which scale belongs to which number. Over their four scales, in this one model, the mean of
# $\phi_{\text{difference}}$ over languages lies {glue:text}`sharpness-paper-range`; the language that moves most is
# {glue:text}`sharpness-paper-language`; the correlation with accuracy goes {glue:text}`sharpness-paper-rs`; and the rank
# correlation with the order without noise goes down to {glue:text}`sharpness-kept-worst`. Their Table 1 has a
# correlation of {glue:text}`sharpness-published` for the baseline on XNLI (with 14 languages, the 95 % interval that it
# does not print is {glue:text}`sharpness-published-interval`).
#
# So (1) two models measured at different scales must not be compared, as their Figures 1 and 2 invite one to do; (2) a
# scale chosen for its correlation with accuracy has seen the answer; (3) their text defines $W'$ as $W + \epsilon$, the
# control above, while their algorithm has the gradient step: these are two measures. This book uses one scale for all
# models, 0.001, reports $\phi$ with its standard error over draws, and keeps the control beside it.
# ```

# %% [markdown]
# ## The search for α
#
# The older definition looks for the worst case instead. In the form of {cite:t}`jiang2020fantastic`, after
# {cite:t}`keskar2017large`,
#
# $$ \alpha^\star = \max \Big\{ \alpha : \max_{\|u\|_\infty \le \alpha} \text{damage}(w_0 + u) < \text{threshold} \Big\},
# \qquad \text{sharpness} = 1 / {\alpha^\star}^2 . $$ (eq-sharpness-alpha)
#
# The inner maximum is sought by gradient ascent from random starts, clipped to the box; it is a lower bound. The outer
# one is found by bisection of $\log \alpha$ in a bracket. What counts as damage decides everything:
#
# - *absolute loss*: $L(w_0 + u) \ge 0.1$, as {cite:t}`bassi2024generalization` print it;
# - *accuracy deviation*: the accuracy falls by 0.1 or more, as {cite:t}`jiang2020fantastic` use it for models that fit
#   their data almost perfectly. There the two say nearly the same; in a zero-shot language they need not.


# %%
def search(**given) -> dict[str, Value]:
    """The alpha-based sharpness, by language; stored ones are read."""
    name = "sharpness_alpha"
    setting = {"examples": alpha_size, **given}
    config = replace(on, names=(name,), settings={name: setting})
    return measure(run, config, options)[name]


searches = {
    name: search(criterion=name)
    for name in ("absolute_loss", "accuracy_deviation")
}  # fmt: skip

# %% tags=["hide-input"]
first_few = {lang: Predictions(p.logits[:alpha_size], p.labels[:alpha_size]) for lang, p in subject.predictions.items()}
chapters.table(
    ("language", "L(w₀) [nats]", "absolute loss: 1/α²", "status", "accuracy deviation: 1/α²", "status", "units"),
    [
        (
            lang,
            f"{losses(first_few[lang]).mean():.3f}",
            *(cell for found in searches.values() for cell in (f"{found[lang].value:.2g}", found[lang].status)),
            f"{searches['accuracy_deviation'][lang].extra['units']:.0f}",
        )
        for lang in languages
    ],
    f"Two criteria for the search on {len(first_few[languages[0]])} examples of each language; units: forward and backward "
    f"passes. An accuracy is not tolerated from {searches['accuracy_deviation'][source].extra['threshold_count']} lost "
    "answers on",
)


# %% tags=["hide-input"]
def named(found, status) -> str:
    """The languages that have this status, in words."""
    those = [lang for lang in languages if found[lang].status == status]
    return ", ".join(those) if those else "none"


absolute, deviation = searches.values()
correlations = [
    correlate([v.value for v in found.values()], right_answers, status=[v.status for v in found.values()], resamples=99)
    for found in searches.values()
]
folder = chapters.ledger_folder(options.store)
ledger.clear("sharpness", folder=folder)
ends_inside = "; ".join(
    f"{name.replace('_', ' ')}: {sum(v.status == 'ok' for v in found.values())} of {len(found)} languages, {told}"
    for (name, found), told in zip(searches.items(), correlations, strict=True)
)
sentence = f"The search ends inside its bracket, and correlates with accuracy there, as follows. {ends_inside}."
ledger.choice("sharpness", "alpha-criterion", sentence, folder=folder)
glue("sharpness-absolute-r", str(correlations[0]), display=False)
glue("sharpness-deviation-r", str(correlations[1]), display=False)
glue("sharpness-absolute-lower", named(absolute, "hit_lower"), display=False)
glue("sharpness-absolute-ok", named(absolute, "ok"), display=False)
glue("sharpness-deviation-ok", named(deviation, "ok"), display=False)
glue("sharpness-deviation-upper", named(deviation, "hit_upper"), display=False)

# %% [markdown]
# With the absolute loss the search ends at the lower edge (`hit_lower`) in: {glue:text}`sharpness-absolute-lower`. Look
# at $L(w_0)$: where the unperturbed loss exceeds 0.1 already, no $\alpha$ is tolerated, every bisection goes downwards,
# and $1/\alpha^2$ is the edge that somebody chose for the bracket. This is one way for values to lie "at extreme
# points", as the paper reports of its own search; a correlation with them is a correlation with the bracket. The library
# marks such values, and `correlate` leaves them out. A proper answer (`ok`) there is in:
# {glue:text}`sharpness-absolute-ok`. Correlation with accuracy: {glue:text}`sharpness-absolute-r`.
#
# The accuracy deviation asks for a change and not for a level. It finds an answer (`ok`) in:
# {glue:text}`sharpness-deviation-ok`. It can fail at the other edge (`hit_upper`, here:
# {glue:text}`sharpness-deviation-upper`), where no point was met that loses 0.1. That is to be expected where the model
# is hardly better than a constant answer: far away every example gets the same label, and this costs little.
# Correlation with accuracy: {glue:text}`sharpness-deviation-r`.
#
# To watch the bisection, follow it in the language of the fine-tuning and in the one with the lowest accuracy. The curve
# is the worst accuracy met at each $\alpha$ by the same attack without a threshold.


# %%
def worst(language: str, alpha: float) -> float:
    """The largest drop of accuracy that is met; no threshold stops it."""
    alone = Subject(subject.model, {language: subject.batches[language]})
    found = sharpness_alpha(
        alone,
        examples=alpha_size,
        threshold=2.0,
        alpha_min=alpha / 2,
        alpha_max=2 * alpha,
        bisections=1,
    )
    ((_, drop),) = found[language].extra["search"]
    return drop


default = settings_of("sharpness_alpha")
bottom, top = default["alpha_min"], default["alpha_max"]
watched = list(dict.fromkeys((source, least)))
alphas = np.geomspace(bottom, top, 9)
curves = {
    lang: [worst(lang, alpha) for alpha in alphas]
    for lang in watched
}  # fmt: skip

# %% mystnb={"figure": {"name": "fig-sharpness-search", "caption": "The search for α with the accuracy deviation, in the language of the fine-tuning and in the one with the lowest accuracy. Above: worst accuracy met (blue: without a threshold, at nine values of α), the accuracy without perturbation (dashed) and the level at which a perturbation is not tolerated (red). Circles: the α that were tolerated; crosses: those that were not, at the first point that decided it. Below: the bracket after each step."}, "image": {"alt": "Two columns. Above, worst accuracy against the logarithm of alpha with the trials of the bisection; below, horizontal bars that halve from step to step and close in on the answer or on an edge of the bracket."}} tags=["hide-input"]
fig, axes = plt.subplots(
    2, len(watched), figsize=(4.1 * len(watched), 5.2), sharex=True, sharey="row", squeeze=False, height_ratios=(3, 2)
)
for (upper, lower), lang in zip(axes.T, watched, strict=True):
    p, found = first_few[lang], deviation[lang]
    start = (p.logits.argmax(dim=1) == p.labels).double().mean().item()
    upper.axhline(start, color="0.45", ls="--", lw=1)
    upper.axhline(start - default["threshold"], color="C2", lw=1, label="not tolerated from here downwards")
    upper.plot(
        alphas, start - np.array(curves[lang]), ".-", color="C1", lw=1.2, label="worst accuracy met, no threshold"
    )
    low, high = bottom, top
    for i, (alpha, drop) in enumerate(found.extra["search"], start=1):
        tolerated = drop < default["threshold"]
        upper.plot(alpha, start - drop, "o" if tolerated else "x", ms=5, color="C0")
        low, high = (alpha, high) if tolerated else (low, alpha)
        lower.plot([low, high], [i, i], color="C0", lw=4, solid_capstyle="butt")
        lower.plot(alpha, i, "|", ms=9, color="C2")
    upper.set(
        xscale="log",
        title=rf"{lang}: {found.status}, $\alpha$ = {found.extra['alpha']:.1e}",
        ylim=(-0.03, 1.03),
    )
    lower.set(xlabel=r"$\alpha$ [parameter units]", yticks=[1, 3, 5, 7, 9])
axes[1, 0].invert_yaxis()
fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
axes[0, 0].set_ylabel(f"accuracy on {alpha_size} examples")
axes[1, 0].set_ylabel("step of the bisection")
plt.show()

# %% [markdown]
# A last caution about {numref}`fig-sharpness-search`: with {glue:text}`sharpness-few` examples accuracy moves in steps
# of {glue:text}`sharpness-granularity`. The bisection locates $\alpha$ far more finely than the examples can.
#
# ## What they cost
#
# The unit is one forward and backward pass over the same examples; a forward pass alone counts one third. One draw of
# Algorithm 1 takes a forward pass at $w_0$, a gradient at $w$ and a forward pass at $w'$: $\frac13 + 1 + \frac13 =
# \frac53$ units. The search takes up to $b\, r\, (s + \frac13)$ units for $b$ bisections, $r$ restarts and $s$ steps,
# and stops early at every $\alpha$ that is not tolerated. Besides, both must move all the weights, and the search once
# for each unit. So we also measure: the unit, the draw and the search take turns, with batches of 8 as in the paper
# and with more.


# %%
def seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def cost(language: str, examples: int) -> dict[str, tuple[float, list[float]]]:
    """By measure: units counted; time of each round over that of the unit."""
    batches = subset(subject.batches[language], examples)
    counted = {}

    def fresh() -> Subject:
        """Without stored predictions."""
        return Subject(subject.model, {language: batches})

    def one_draw():
        sharpness_difference(fresh(), noise_seeds=(0,), control=False)
        counted["difference"] = 5 / 3

    def one_search():
        value = sharpness_alpha(fresh(), examples=examples)[language]
        counted["alpha"] = 1 / 3 + value.extra["units"]

    def unit():
        loss_and_gradient(subject.model, batches)

    unit()
    works = {"difference": one_draw, "alpha": one_search}
    times = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            before = median(seconds(unit) for _ in range(3))
            spent = seconds(work)
            after = median(seconds(unit) for _ in range(3))
            times[name].append(2 * spent / (before + after))
    return {name: (counted[name], times[name]) for name in works}


cases = list(dict.fromkeys([(source, 8), (source, alpha_size)]))
costs = {case: cost(*case) for case in cases}

# %% tags=["hide-input"]
ratios, body = {}, []
for case, measured in costs.items():
    (units, times), (units_alpha, times_alpha) = measured.values()
    each = [b / a for a, b in zip(times, times_alpha, strict=True)]
    ratios[case] = units_alpha / units, each
    names = "difference, one draw", "search for α", "ratio"
    for name, (count, t) in zip(names, (*measured.values(), ratios[case]), strict=True):
        spent = f"{median(t):.1f} ({min(t):.1f} to {max(t):.1f})"
        body.append((name, f"{case[0]}, {case[1]}", f"{count:.1f}", spent))
chapters.table(
    ("measure", "language, examples", "units counted", "units of time, median (min to max)"),
    body,
    f"Cost in forward and backward passes over the same examples, one thread, {rounds} rounds",
)

# %% tags=["hide-input"]
middle = [median(each) for _, each in ratios.values()]
counts = [units for units, _ in ratios.values()]
if min(middle) > 10:
    verdict = "more than that everywhere"
elif max(middle) < 5:
    verdict = "less than that everywhere"
elif min(middle) >= 5 and max(middle) <= 10:
    verdict = "the same"
else:
    verdict = "partly inside and partly outside of that"
glue("sharpness-ratio-time", f"{min(middle):.0f} to {max(middle):.0f}", display=False)
glue("sharpness-ratio-units", f"{min(counts):.0f} to {max(counts):.0f}", display=False)
glue("sharpness-ratio-verdict", verdict, display=False)
b, r, s = (default[key] for key in ("bisections", "restarts", "steps"))
glue("sharpness-draws", f"{len(draws)}", display=False)
glue("sharpness-draws-units", f"{1 / 3 + len(draws) * 5 / 3:.1f}", display=False)
glue("sharpness-most", f"{b * r * (s + 1 / 3):.0f}", display=False)
lean = chapters.study_measures()[-1].settings["sharpness_alpha"]
lean_units = lean["bisections"] * lean["restarts"] * (lean["steps"] + 1 / 3)
glue("sharpness-lean", f"{lean_units:.0f} units", display=False)
glue("sharpness-few", f"{alpha_size}", display=False)
glue("sharpness-granularity", f"{1 / alpha_size:.3f}", display=False)

# %% [markdown]
# {cite:t}`bassi2024generalization` report that their algorithm is "roughly 5-10 times faster" at a batch size of 8. Here
# the search takes {glue:text}`sharpness-ratio-time` times as long as one draw (median over rounds, the smallest and the
# largest case): {glue:text}`sharpness-ratio-verdict`. Counted in units the ratio is {glue:text}`sharpness-ratio-units`.
# The comparison depends on settings of the search that the paper does not state. Ours takes at most
# {glue:text}`sharpness-most` units: all of them where every $\alpha$ is tolerated, and one for each bisection where the
# first random start never is. The leaner search of the other chapters, with fewer starts, steps and bisections, takes
# at most {glue:text}`sharpness-lean`. Nor is one draw as precise as several: {glue:text}`sharpness-draws` draws with
# their controls, as behind {numref}`fig-sharpness-sweep`, take up to {glue:text}`sharpness-draws-units` units.
#
# ```{exercise} ★★ Which search would be 5 to 10 times as expensive?
# :label: sharpness-ex-search
#
# (a) With $b$ bisections of $\log \alpha$ between $10^{-6}$ and $0.1$, how well is $1/\alpha^2$ determined, and how
# large must $b$ be for 10 per cent? (b) Find $r$ and $s$ such that the search costs 5 to 10 times the $\frac53$ units
# of one draw. Does it still seek a worst case?
# ```
#
# ```{solution} sharpness-ex-search
# :class: dropdown
#
# (a) Each step halves the width of the bracket in $\log \alpha$: after $b$ steps its ends have the ratio
# $(10^5)^{2^{-b}}$, and $1/\alpha^2$ the square of it. It is below 1.1 if $2^b > 2 \ln 10^5 / \ln 1.1 = 242$, so
# $b = 8$. (b) 5 to 10 draws are 8 to 17 units. With $b = 8$ that leaves one or two units for each $\alpha$: one random
# start ($r = 1$) and one step ($s = 1$) make $8 \cdot \frac43$ units, 6 times a draw. A single step of steepest ascent
# finds a bad case, hardly the worst; the $\alpha$ that it yields is too large, and $1/\alpha^2$ too small.
# ```

# %% [markdown]
# ## Break it
#
# What happens outside of the sensible range? Noise of scale 1000, a bracket that ends at $10^{-5}$, and a slip of the
# keyboard:

# %%
alone = Subject(subject.model, {source: subject.batches[source]})
broken = sharpness_difference(alone, noise_scale=1e3, noise_seeds=(0, 1))
broken = broken[source]
print(f"noise 1000: phi = {broken.value:.3g} ± {broken.stderr:.2g} nats,", end=" ")
print(f"radius {broken.extra['radius'][0]:.3g}")
tiny = sharpness_alpha(alone, examples=alpha_size, alpha_max=1e-5)[source]
print(f"up to 1e-5: 1/alpha^2 = {tiny.value:.3g}, status {tiny.status}")
glue("sharpness-tiny", tiny.status, display=False)
with shows_error():
    sharpness_alpha(alone, criterion="acuracy_deviation")

# %% [markdown]
# The first is a number like any other, with no warning but its size: $p$ is relative to $\|w'\|$, so where noise dwarfs
# the weights the ball grows along, and the "neighbour" of $w_0$ is random. The second has a status,
# {glue:text}`sharpness-tiny`; without `ok` the number is nothing but an edge of the bracket. Read the status, the radius
# and the control before the value.
#
# ````{exercise} ★★★ The same function, another sharpness
# :label: sharpness-ex-rescale
#
# Attention sees queries and keys only through their products. Multiply all query weights and biases by 16 and divide
# those of the keys by 16. (a) What happens to the logits, to $\phi_{\text{difference}}$ without noise and at 0.001, and
# why? (b) Which setting of `sharpness_alpha` would not change?
# ````
#
# ````{solution-start} sharpness-ex-rescale
# :class: dropdown
# ````
#
# (a) The logits stay as they are, because powers of two do not round. The gradient with respect to the keys is
# multiplied by 16, that of the queries divided by 16, and the same noise is large for small weights. So $\phi$ changes
# although the function does not, as $\mathrm{Tr}\, F$ does in {eq}`eq-theory-alpha`.


# %%
def phi_at(subject: Subject, scale: float) -> float:
    settings = {"noise_scale": scale, "noise_seeds": (0, 1)}
    return sharpness_difference(subject, **settings)[source].value


alone = load_subject(run, replace(on, languages=[source]), options)
logits = alone.predictions[source].logits
plain = {scale: phi_at(alone, scale) for scale in (0, 0.001)}
scaled = 0
with torch.no_grad():
    for name, w in weights(alone.model).items():
        for part, factor in ((".query.", 16), (".key.", 1 / 16)):
            if part in name:
                w.mul_(factor)
                scaled += 1
alone = Subject(alone.model, alone.batches)
change = (alone.predictions[source].logits - logits).abs().max()
print(f"{scaled} tensors rescaled, largest change of a logit {change:g}")
for scale, phi in plain.items():
    print(f"noise {scale:<5}  phi {phi:.4f}, then {phi_at(alone, scale):.4f}")

# %% [markdown]
# (b) `relative=True`, the magnitude-aware box $|u_i| \le \alpha |w_i| + \epsilon$: it is rescaled along with the
# weights, apart from the small $\epsilon$ that lets zero weights move.
#
# ````{solution-end}
# ````

# %% [markdown]
# ```{admonition} What we learnt
# :class: important
# - In a zero-shot language $w_0$ is no minimum. Without noise $\phi_{\text{difference}}$ is, to first order, the squared
#   slope $n \|\nabla L\|^2$, here from {glue:text}`sharpness-lowest` to {glue:text}`sharpness-highest` nats; it needs
#   the labels of the language.
# - The noise scale decides what is measured. From $\sigma =$ {glue:text}`sharpness-binding` on the projection binds and
#   shrinks the gradient step. Over the paper's four scales the rank correlation with the order of the languages without
#   noise goes down to {glue:text}`sharpness-kept-worst`.
# - A search for $\alpha$ must have a criterion that can be met, and say when it was not. With the absolute loss it
#   stopped at the lower edge in: {glue:text}`sharpness-absolute-lower`. It takes {glue:text}`sharpness-ratio-time` times
#   as long as one draw of Algorithm 1.
# ```
#
# ```{admonition} Your turn
# :class: tip
# Does a model trained with sharpness-aware minimisation have another $\phi$ at every scale, or only at some?
#
#     papermill notebooks/sharpness.ipynb out.ipynb -p objective sam
#
# With `-y "scales: [0.002, 0.003, 0.004]"` the noise scales lie around the point where the projection binds.
# ```

# %%
provenance(
    [run.key],
    {"objective": objective, "preset": preset, "task": config.task, "model": config.model}
    | {"seed": seed, "size": size, "alpha_size": alpha_size},
)
