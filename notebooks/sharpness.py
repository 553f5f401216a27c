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

# %% tags=["parameters", "hide-input"]
objective: str = "baseline"  # baseline, sam, fisher, mvr or one of your own
preset: str = "mini"  # mini (offline miniature), small (20,000 real English pairs) or paper
task: str = ""  # mini-xnli, mini-pawsx, xnli or pawsx; empty: the preset's own
model: str = ""  # mini, a hub id or a folder; empty: the preset's own
seed: int = 0  # random seed of the training run and of the two-dimensional example
languages: list = ["de", "es", "ru", "tr", "zh", "ur", "sw"]  # English is always there; empty: all
train_size: int = None  # English training pairs [count], 0 for all; None: the preset's own
epochs: int = None  # passes over the training pairs [count]; None: the preset's own
hyper: dict = {}  # hyper-parameters of the objective and other settings of the run, by name
scales: list = [0.0001, 0.05, 0.1]  # noise scales beside the paper's four [parameter units]
data_dir: str = ""  # folder with the official archives; empty: the hub
store: str = ""  # folder of trained models and measures; empty: runs/ of the checkout

# %% tags=["hide-cell"]
import math
from itertools import combinations, product
from statistics import median

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn
from torch.func import grad, hessian

from paper import chapters, figures, live, protocols, published, records, sharpness, timing
from paper.notebook import provenance, shows_error
from paper.protocols import uniform
from paper.protocols.base import ALPHA
from xlgen.analysis import correlate, signed, spearman
from xlgen.data.batch import Batch
from xlgen.data.catalogue import TASKS
from xlgen.measures import Predictions, Subject, measuring, settings_of
from xlgen.measures.sharpness_alpha import sharpness_alpha
from xlgen.measures.sharpness_difference import sharpness_difference
from xlgen.models.evaluate import losses
from xlgen.models.perturb import norm, weights
from xlgen.training.presets import config_for

figures.use_style()
languages, scales = chapters.words(languages), chapters.words(scales, float)
hyper = chapters.by_name(hyper)
say = chapters.Say("sharpness")

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
    ascended = neighbour = w + n * grad(loss)(w)
    p = lam * ascended.norm()
    away = ascended - w_0
    if away.norm() > p:
        neighbour = w_0 + p * away / away.norm()
    return loss(neighbour) - loss(w_0), (w, ascended, neighbour)


# %% [markdown]
# To watch it, take a logistic regression with two weights, fitted to one set of points. A second set, the same points
# turned by an angle, plays the language that the model was not trained on: there $w_0$ is no minimum.

# %%
labels = torch.arange(60) % 2
sign = (2 * labels - 1)[:, None]
centre, spread = torch.tensor([[1.0, 0.4], [1.0, 0.6]]).double()
normal = torch.randn(60, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
points = normal * spread + sign * centre
c, s = math.cos(0.9), math.sin(0.9)
toys = {"trained on": points, "not trained on": points @ torch.tensor([[c, -s], [s, c]]).double()}


def toy_loss(x: torch.Tensor):
    return lambda w: nn.functional.cross_entropy(sharpness.logits(w, x), labels)


w_0, loss = torch.zeros(2).double(), toy_loss(points)
for _ in range(30):  # Newton's method
    w_0 = w_0 - torch.linalg.solve(hessian(loss)(w_0), grad(loss)(w_0))
for name, x in toys.items():
    slope = grad(toy_loss(x))(w_0).norm()
    print(f"{name:15} L(w_0) = {toy_loss(x)(w_0):.3f}, |grad L(w_0)| = {slope:.1e}")

# %% mystnb={"figure": {"name": "fig-sharpness-live", "caption": "Algorithm 1, line by line, on the loss of two weights: choose the noise scale σ, the step n and the relative radius λ, and draw again."}, "image": {"alt": "Contours of a loss of two weights with the fitted weights, the noisy ones and their neighbour, and buttons that go step by step."}} tags=["hide-input"]
first_draw = torch.randn(2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
live.algorithm_1(toys, sign[:, 0], w_0, first_draw)

# %% [markdown]
# Does the value depend more on σ, or on the draw? Try both before you read on. Below, the step and the ball are
# exaggerated so that they can be seen, and the same $\varepsilon$ serves for both data sets.

# %%
toy_settings = {"n": 15.0, "lam": 0.25}
epsilon = torch.randn(2, generator=torch.Generator().manual_seed(seed))
walks = {name: algorithm_1(toy_loss(x), w_0, epsilon, **toy_settings) for name, x in toys.items()}
for name, (phi, (_, ascended, neighbour)) in walks.items():
    where = "inside the ball" if torch.equal(ascended, neighbour) else "projected"
    print(f"{name:15} phi = {phi:.3f} nats, {where}")

# %% tags=["remove-input"]
steps = [f"{(ascended - w).norm() / epsilon.norm():.2f}" for _, (w, ascended, _) in walks.values()]
say(toy_left=steps[0], toy_right=steps[1])

# %% mystnb={"figure": {"name": "fig-sharpness-walk", "caption": "Algorithm 1 on a logistic regression with two weights: the noise carries w₀ to w, the gradient step goes uphill, and what lies outside the ball of radius p around w₀ is pulled back to its surface. Left: the points that w₀ was fitted to. Right: the turned points, for which w₀ is no minimum. Contours: loss [nats]."}, "image": {"alt": "Two contour plots of a loss over two weights, each with arrows from the fitted weights to a noisy point and from there uphill. On the left the gradient step is short and stays in the circle; on the right it is long, and a dashed line leads back to the circle."}} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(7.8, 4.3), sharex=True, sharey=True)
radii = {name: toy_settings["lam"] * path[1].norm() for name, (_, path) in walks.items()}
ends = [path[1] - w_0 for _, path in walks.values()]
reach = 1.08 * max(*(end.abs().max() for end in ends), *radii.values())
for ax, (name, (phi, path)) in zip(axes, walks.items(), strict=True):
    sharpness.walk(ax, toy_loss(toys[name]), w_0, path, radii[name], reach)
    ax.set_title(rf"{name}: $\phi$ = {phi:.3f} nats")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
plt.show()

# %% [markdown]
# {numref}`fig-sharpness-walk` shows a first difficulty. For the points that $w_0$ was fitted to the gradient step is
# {glue:text}`sharpness-toy-left` times as long as the noise. For the others it is {glue:text}`sharpness-toy-right` times
# as long: at $w_0$ there is a slope already, without any noise, and $\phi_{\text{difference}}$ measures how steep the
# loss is as much as how curved. In a zero-shot language "the sharpness of the optimum" is the sharpness of a point that
# is not one.
#
# The library's measure `sharpness_difference` does the same for any classifier, with the gradient of all examples at once
# (averaged over batches, the result would depend on their size: the projection is not linear). It must agree:

# %%
batches = {name: [Batch({"x": x}, labels, torch.arange(60))] for name, x in toys.items()}
toy_subject, largest, projected = Subject(sharpness.Logistic(w_0), batches), 0.0, []
for scale, draw in product((0.1, 1.0, 10.0), range(4)):
    values = sharpness_difference(toy_subject, noise_scale=scale, noise_seeds=[draw], **toy_settings)
    epsilon = scale * torch.randn(2, generator=torch.Generator().manual_seed(draw))
    for name, value in values.items():
        phi, path = algorithm_1(toy_loss(toys[name]), w_0, epsilon, **toy_settings)
        largest = max(largest, abs(value.value - phi.item()))
        projected.append(not torch.equal(path[1], path[2]))
        assert value.extra["clipped"] == projected[-1]
print(f"{len(projected)} cases, {sum(projected)} projected: differences up to {largest:.1e} nats")

# %% [markdown]
# ## The same on a fine-tuned encoder
#
# Now the encoder of the miniature, fine-tuned on English pairs, and 60 test examples of several languages, translations of
# the same pairs. All that this page measures of it: $\phi$ without noise, at the four scales among which the paper chooses
# and at others, always with the same three draws of $\varepsilon$; and two searches for $\alpha$, which come later.

# %% tags=["reads:records"]
options = chapters.options_for(store, data_dir)
torch.set_num_threads(1)
settings = chapters.given(model=model, train_size=train_size, epochs=epochs) | hyper
config = config_for(preset, task or None, objective=objective, seed=seed, **settings)
languages = chapters.spoken(TASKS[config.task], languages)
PAPER = (0.001, 0.005, 0.01, 0.02)
grid, draws, few = sorted({*scales, *PAPER}), (0, 1, 2), 40
criteria = ("absolute_loss", "accuracy_deviation")
noise = [{"noise_scale": scale, "noise_seeds": draws} for scale in (0.0, *grid)]
search = [{"examples": few, "criterion": name} for name in criteria]
wanted = [("sharpness_difference", s) for s in noise] + [("sharpness_alpha", s) for s in search]
measures = [measuring.MeasureConfig((name,), languages, "test", 60, {name: s}) for name, s in wanted]
protocol = uniform({seed: config}, *measures, names=("seed",))
models = records.obtain(protocol, options, workers=1)
still, *measured = (values for part in models.measured[seed] for values in part.values())
sweep = dict(zip(grid, measured, strict=False))
searches = dict(zip(criteria, measured[len(grid) :], strict=True))

# %% tags=["remove-input"]
run = models.runs[seed]
subject = measuring.subject(run, measuring.MeasureConfig(languages=languages, size=60), options)
hits = {lang: (p.logits.argmax(dim=1) == p.labels).double() for lang, p in subject.predictions.items()}
accuracy = {lang: answers.mean().item() for lang, answers in hits.items()}
source, least = languages[0], min(languages, key=accuracy.get)
parameters = weights(subject.model).values()
P, length = sum(w.numel() for w in parameters), norm(parameters)
say(parameters=f"{P:,}", rms=f"{length / math.sqrt(P):.3f}")

# %% [markdown]
# The model has {glue:text}`sharpness-parameters` weights with a root mean square of {glue:text}`sharpness-rms`. Start
# without noise, $\sigma = 0$, which leaves the gradient step alone. As long as the step stays in the ball it gives
#
# $$ \phi_{\text{difference}} = L\big(w_0 + n \nabla L(w_0)\big) - L(w_0)
# = n\, \|\nabla L(w_0)\|^2 + O(n^2) . $$ (eq-sharpness-first)

# %%
n, lam = (settings_of("sharpness_difference")[key] for key in ("n", "lam"))
first_order = {lang: v.extra["ascent_norm"][0] ** 2 / n for lang, v in still.items()}
print({lang: round(still[lang].value / first_order[lang], 2) for lang in languages})

# %% tags=["remove-input"]
ordered = sorted(languages, key=lambda lang: still[lang].value)
lowest, highest = (f"{still[lang].value:.3g} ({lang})" for lang in (ordered[0], ordered[-1]))
values = {lang: still[lang].value for lang in languages}
say(lowest=lowest, highest=highest, first=chapters.first_order(values, first_order))
say(n_languages=len(languages), n_examples=still[source].n)
chapters.table(
    ("language", "accuracy", "L(w₀) [nats]", "n ‖∇L(w₀)‖² [nats]", "φ without noise [nats]"),
    [
        (lang, f"{accuracy[lang]:.2f}", f"{v.extra['loss']:.3f}", f"{first_order[lang]:.3g}", f"{v.value:.3g}")
        for lang, v in still.items()
    ],
    f"The gradient step alone, on {still[source].n} test examples of each language",
)

# %% [markdown]
# At a minimum the last column would be zero. It lies between {glue:text}`sharpness-lowest` and
# {glue:text}`sharpness-highest` nats, and is {glue:text}`sharpness-first` Both columns need the labels of the language: this
# sharpness can be had only where labelled examples are.
#
# Now the noise. The paper chooses its scale "empirically" for each model among 0.001, 0.005, 0.01 and 0.02. For each of
# these and others the table has the three lengths that compete (medians over languages) and two results (means over
# languages): $\phi$, and the *control*, the same noise projected in the same way but without the gradient step.


# %%
def over(scale: float, key: str) -> np.ndarray:
    """One of the extras, (languages,) or (languages, draws)."""
    return np.array([sweep[scale][lang].extra[key] for lang in languages])


compete = ("noise_norm", "ascent_norm", "radius")
lengths = {key: [float(np.median(over(scale, key))) for scale in grid] for key in compete}
phis, controls = ([over(scale, key).mean() for scale in grid] for key in ("phi", "phi_noise"))
bound = [scale for scale in grid if over(scale, "clipped").mean() > 0.5]
binding = lam / math.sqrt(1 - lam**2) * length / math.sqrt(P)  # where the noise alone reaches the ball

# %% tags=["remove-input"]
at = grid.index(0.01)
relative = lengths["ascent_norm"][at] / lengths["noise_norm"][at]
say(binding=f"{binding:.2g}", bound=f"from {bound[0]:g} on" if bound else "at none of them")
say(step_length=f"{relative:.1%}", phi=f"{phis[at]:.3g}", control=f"{controls[at]:.2g}")
body = [
    (f"{scale:g}", f"{a:.3g}", f"{b:.3g}", f"{c:.3g}", f"{over(scale, 'clipped').mean():.0%}", f"{x:.3g}", f"{y:.2g}")
    for scale, a, b, c, x, y in zip(grid, *lengths.values(), phis, controls, strict=True)
]
chapters.table(
    ("σ", "‖ε‖", "n ‖∇L(w)‖", "p", "projected", "φ [nats]", "control [nats]"),
    body,
    "Lengths (medians over languages and draws), and the result with and without the gradient step (means)",
)

# %% mystnb={"figure": {"name": "fig-sharpness-sweep", "caption": "Left: the lengths of the noise, of the gradient step and of the radius p, against the noise scale (medians over draws). Right: the result for each language with one standard error over the draws (solid), and the control without the gradient step (dashed). The colour tells how accurate the model is in the language. Dotted: the scale at which the noise alone reaches the ball. Shaded: the range of scales in the paper."}, "image": {"alt": "Two panels over the logarithm of the noise scale. Left: the length of the noise rises in proportion to the scale and crosses the radius, which is constant until the noise is as large as the weights; the gradient steps are far shorter. Right: the result of each language and, dashed, its control."}} tags=["hide-input"]
by_accuracy = sorted(languages, key=accuracy.get)
shade = dict(zip(by_accuracy, plt.get_cmap("cividis")(np.linspace(0, 0.8, len(languages))), strict=True))
fig, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.9))
for ax in (left, right):
    ax.axvspan(PAPER[0], PAPER[-1], color="0.93", lw=0, zorder=0)
    ax.axvline(binding, color="0.45", ls=":", lw=1.2)
names = {lang: f"{lang} ({accuracy[lang]:.2f})" for lang in languages}
sharpness.sweep(left, right, sweep, shade, names)
fig.legend(*right.get_legend_handles_labels(), title="language\n(accuracy)", fontsize=8, loc="outside right center")
plt.show()

# %% [markdown]
# In {numref}`fig-sharpness-sweep` the noise has length $\|\varepsilon\| \approx \sigma \sqrt P$ for $P$ weights, and
# reaches the ball at $\sigma =$ {glue:text}`sharpness-binding`. In most cases the projection binds
# {glue:text}`sharpness-bound`. From there on $w'$ lies at the distance $p$ whatever $\sigma$ is, almost in the direction of
# $\varepsilon$, and the gradient step shrinks by the factor $p / \|w' - w_0\|$, which falls as $1/\sigma$. Where $\sigma$
# comes near the root mean square of the weights, $\|w'\|$ grows with the noise, and $p$ with it.
#
# At the paper's scale 0.01 the gradient step has {glue:text}`sharpness-step-length` of the length of the noise. But
# lengths do not say what $\phi$ is made of: a random direction and a gradient are nearly orthogonal here, so that the loss
# rises in proportion to the gradient step but only with the square of the noise. The control decides: with the gradient
# step $\phi$ is {glue:text}`sharpness-phi` nats on average, without it {glue:text}`sharpness-control` nats.
#
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
#
# ## Does the order of the languages survive?
#
# To predict transfer one needs only the order of the languages. The table compares the order at each noise scale with that
# without noise, and the orders by single draws of noise at one scale with each other: if these do not agree, the order is
# an accident of the noise. The last columns correlate $\phi$ with accuracy.

# %%
base = np.array([still[lang].value for lang in languages])
right_answers = [accuracy[lang] for lang in languages]
kept, repeated, with_accuracy = {}, {}, {}
for scale in grid:
    values = np.array([sweep[scale][lang].value for lang in languages])
    kept[scale] = float(spearman(values, base))
    pairs = combinations(over(scale, "phi").T, 2)  # two draws of noise
    repeated[scale] = float(np.mean([spearman(a, b) for a, b in pairs]))
    with_accuracy[scale] = correlate(values, right_answers)

# %% tags=["remove-input"]
chapters.table(
    ("σ", "with the order corrected for error", "between two draws", "φ with accuracy", "p"),
    [
        (f"{s:g}", signed(kept[s], 2), signed(repeated[s], 2), with_accuracy[s], f"{with_accuracy[s].pearson.p:.2g}")
        for s in grid
    ],
    f"Rank correlations over {len(languages)} languages, and Pearson's r with its 95 % interval and permutation p",
)

# %% tags=["remove-input"]
means = [phis[grid.index(scale)] for scale in PAPER]
factor = f", a factor of {max(means) / min(means):.1f}" if min(means) > 0 else ""
ends = {lang: sorted(sweep[scale][lang].value for scale in PAPER)[:: len(PAPER) - 1] for lang in languages}
mover = max(languages, key=lambda lang: ends[lang][1] - ends[lang][0])
rs = [with_accuracy[scale].pearson.value for scale in PAPER]
worst_repeated = min(grid, key=repeated.get)
printed = published.find("xnli", "sharpness_difference", "baseline")
ours = f"between {min(means):.3g} and {max(means):.3g} nats{factor}"
say(paper_range=ours, paper_language=f"{mover}, from {ends[mover][0]:.2g} to {ends[mover][1]:.2g} nats")
say(paper_rs=f"from {signed(min(rs), 2)} to {signed(max(rs), 2)}", published=printed.printed.replace("-", "−"))
say(published_interval=f"[{signed(printed.interval.low, 2)}, {signed(printed.interval.high, 2)}]")
say(kept=chapters.order_kept(*({scale: table[scale] for scale in PAPER} for table in (kept, repeated))))
say(draws_worst=f"{signed(repeated[worst_repeated], 2)} (at {worst_repeated:g})")

# %% mystnb={"figure": {"name": "fig-sharpness-ranks", "caption": "Rank of each language by its difference-based sharpness (1: flattest) without noise and at each noise scale, and by its error rate (1: most accurate). A line that crosses another is a pair of languages whose order depends on the scale. Shaded: the range of scales in the paper."}, "image": {"alt": "One line for each language across columns for the noise scales, at the height of its rank; the last column ranks the languages by error rate."}} tags=["hide-input"]
columns = {"none": {lang: v.value for lang, v in still.items()}}
columns |= {f"{scale:g}": {lang: v.value for lang, v in sweep[scale].items()} for scale in grid}
columns |= {"error\nrate": {lang: 1 - share for lang, share in accuracy.items()}}
fig, ax = plt.subplots(figsize=(7.2, 3.9))
ax.axvspan(1 + grid.index(PAPER[0]) - 0.4, 1 + grid.index(PAPER[-1]) + 0.4, color="0.93", lw=0, zorder=0)
figures.ranks(ax, columns, {lang: shade[lang] for lang in languages})
ax.set_xlabel(r"noise scale $\sigma$ [parameter units]")
plt.show()

# %% [markdown]
# In {numref}`fig-sharpness-ranks` every rank rests on few examples: neighbours may differ by chance. Two draws of noise at
# one scale agree least with a rank correlation of {glue:text}`sharpness-draws-worst`. The correlations with accuracy are of
# {glue:text}`sharpness-n-languages` languages, English among them, and {glue:text}`sharpness-n-examples` examples of each;
# {doc}`xnli` has all targets without English and more examples, so that the same model has another coefficient there.
#
# ```{admonition} A disagreement: one noise scale for each model
# :class: warning
# {cite:t}`bassi2024generalization` do not say by which criterion a model's scale was found nor which scale belongs to
# which number. Over their four scales, in this one model, the mean of $\phi_{\text{difference}}$ over languages lies
# {glue:text}`sharpness-paper-range`; the language that moves most is {glue:text}`sharpness-paper-language`; the
# correlation with accuracy goes {glue:text}`sharpness-paper-rs`. {glue:text}`sharpness-kept` Their Table 1 has a
# correlation of {glue:text}`sharpness-published` for the baseline on XNLI (with 14 languages, the 95 % interval that it
# does not print is {glue:text}`sharpness-published-interval`).
#
# So (1) two models measured at different scales must not be compared, as their Figures 1 and 2 invite one to do; (2) a
# scale chosen for its correlation with accuracy has seen the answer; (3) their text defines $W'$ as $W + \epsilon$, the
# control above, while their algorithm has the gradient step: these are two measures. This book uses one scale for all
# models, 0.001, reports $\phi$ with its standard error over draws, and keeps the control beside it.
# ```
#
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

# %% mystnb={"figure": {"name": "fig-sharpness-bisection-live", "caption": "The search for α on the loss of two weights, one value of α after the other; choose the criterion and its threshold."}, "image": {"alt": "A bracket on a logarithmic axis that closes step by step, and buttons."}} tags=["hide-input"]
live.bisection(toys, sign[:, 0], w_0)

# %% tags=["remove-input"]
absolute, deviation = searches.values()
r, inside = {}, []
for short, (name, values) in zip(("absolute", "deviation"), searches.items(), strict=True):
    statuses = [v.status for v in values.values()]
    r[name] = correlate([v.value for v in values.values()], right_answers, status=statuses)
    inside.append(f"{name.replace('_', ' ')}: {statuses.count('ok')} of {len(values)} languages, {r[name]}")
    for status in ("ok", "hit_lower", "hit_upper"):
        those = ", ".join(lang for lang in languages if values[lang].status == status) or "none"
        say(**{f"{short}_{status.removeprefix('hit_')}": those})
sentence = f"The search ends inside its bracket, and correlates with accuracy there, as follows. {'; '.join(inside)}."
chapters.Evidence("sharpness", models, preset, settings, store=options.store).choice("alpha-criterion", sentence)
say(absolute_r=str(r["absolute_loss"]), deviation_r=str(r["accuracy_deviation"]))
first_few = {lang: Predictions(p.logits[:few], p.labels[:few]) for lang, p in subject.predictions.items()}
body = [
    (lang, f"{losses(first_few[lang]).mean():.3f}", f"{low.value:.2g}", low.status, f"{v.value:.2g}", v.status)
    + (f"{v.extra['units']:.0f}",)
    for lang, low, v in zip(languages, absolute.values(), deviation.values(), strict=True)
]
chapters.table(
    ("language", "L(w₀) [nats]", "absolute loss: 1/α²", "status", "accuracy deviation: 1/α²", "status", "its units"),
    body,
    f"Two criteria for the search on {few} examples of each language; its units: forward and backward passes of the second. An accuracy is "
    f"not tolerated from {deviation[source].extra['threshold_count']} lost answers on",
)

# %% [markdown]
# With the absolute loss the search ends at the lower edge (`hit_lower`) in: {glue:text}`sharpness-absolute-lower`. Where
# the unperturbed loss exceeds 0.1 already, no $\alpha$ is tolerated, every bisection goes downwards, and $1/\alpha^2$ is
# the edge that somebody chose for the bracket. This is one way for values to lie "at extreme points", as the paper reports
# of its own search; a correlation with them is a correlation with the bracket. The library marks such values, and
# `correlate` leaves them out. An answer (`ok`) is found in: {glue:text}`sharpness-absolute-ok`. Correlation with accuracy:
# {glue:text}`sharpness-absolute-r`.
#
# The accuracy deviation asks for a change and not for a level. An answer is found in: {glue:text}`sharpness-deviation-ok`.
# It can fail at the other edge (`hit_upper`, here: {glue:text}`sharpness-deviation-upper`), where no point was met that
# loses 0.1, as is to be expected where the model is hardly better than a constant answer: far away every example gets the
# same label, and this costs little. Correlation with accuracy: {glue:text}`sharpness-deviation-r`.
#
# Follow the bisection in two languages. The curve is the worst accuracy that the same attack meets without a threshold.


# %%
def worst(language: str, alpha: float) -> float:
    """The largest drop of accuracy that is met; no threshold stops it."""
    alone = Subject(subject.model, {language: subject.batches[language]})
    around = {"alpha_min": alpha / 2, "alpha_max": 2 * alpha, "bisections": 1}
    value = sharpness_alpha(alone, examples=few, threshold=2.0, **around)[language]
    ((_, drop),) = value.extra["search"]
    return drop


default = settings_of("sharpness_alpha")
bracket = default["alpha_min"], default["alpha_max"]
alphas = np.geomspace(*bracket, 9)
watched = list(dict.fromkeys((source, least)))
curves = {lang: [worst(lang, alpha) for alpha in alphas] for lang in watched}

# %% mystnb={"figure": {"name": "fig-sharpness-search", "caption": "The search for α with the accuracy deviation, in the language of the fine-tuning and in the one with the lowest accuracy. Above: worst accuracy met (blue: without a threshold, at nine values of α), the accuracy without perturbation (dashed) and the level at which a perturbation is not tolerated (red). Circles: the α that were tolerated; crosses: those that were not, at the first point that decided it. Below: the bracket after each step."}, "image": {"alt": "Two columns. Above, worst accuracy against the logarithm of alpha with the trials of the bisection; below, horizontal bars that halve from step to step and close in on the answer or on an edge of the bracket."}} tags=["hide-input"]
size = (4.1 * len(watched), 5.2)
fig, axes = plt.subplots(2, len(watched), figsize=size, sharex=True, sharey="row", squeeze=False, height_ratios=(3, 2))
for (upper, lower), lang in zip(axes.T, watched, strict=True):
    value, start = deviation[lang], hits[lang][:few].mean().item()
    met = start - np.array(curves[lang])
    upper.plot(alphas, met, ".-", color="C1", lw=1.2, label="worst accuracy met, no threshold")
    limits = {"bracket": bracket, "start": start, "threshold": default["threshold"]}
    figures.bisection(upper, lower, value.extra["search"], **limits)
    upper.set_title(rf"{lang}: {value.status}, $\alpha$ = {value.extra['alpha']:.1e}")
fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
axes[0, 0].set_ylabel(f"accuracy on {few} examples")
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
# \frac53$ units. The search takes up to $b\, r\, (s + \frac13)$ units for $b$ bisections, $r$ restarts and $s$ steps, and
# stops early at every $\alpha$ that is not tolerated. Both must also move all the weights, so we measure as well, in
# turns, with batches of 8 as in the paper and with twice as many (`paper.timing`).

# %%
costs = {n: timing.sharpness(subject, source, n, rounds=3) for n in (8, 16)}

# %% tags=["remove-input"]
body, units, times = [], [], []
for n, cost in costs.items():
    (draw_units, draw_times), (search_units, search_times) = cost["difference"], cost["alpha"]
    ratios = [b / a for a, b in zip(draw_times, search_times, strict=True)]
    units.append(search_units / draw_units)
    times.append(median(ratios))
    counted = [f"{x:.1f}" for x in (draw_units, search_units, units[-1])]
    timed = [f"{median(t):.1f} ({min(t):.1f} to {max(t):.1f})" for t in (draw_times, search_times, ratios)]
    body.append((f"{n}", *counted, *timed))
most, lean = (c["bisections"] * c["restarts"] * (c["steps"] + 1 / 3) for c in (default, ALPHA))
say(ratio_time=f"{min(times):.0f} to {max(times):.0f}", ratio_units=f"{min(units):.0f} to {max(units):.0f}")
say(few=few, granularity=f"{1 / few:.3f}", most=f"{most:.0f}", lean=f"{lean:.0f} units")
chapters.table(
    ("examples", "draw, counted", "search, counted", "ratio", "draw, timed", "search, timed", "ratio"),
    body,
    "Cost in forward and backward passes over the same examples, counted, and timed as multiples of one timed pass (one "
    "thread, 3 rounds: median, range)",
)

# %% [markdown]
# {cite:t}`bassi2024generalization` report that their algorithm is "roughly 5-10 times faster" at a batch size of 8. Here
# the search takes {glue:text}`sharpness-ratio-time` times as long as one draw (median over rounds, the smallest and the
# largest case); counted in units, {glue:text}`sharpness-ratio-units` times. The comparison depends on settings of the
# search that the paper does not state. Ours takes at most {glue:text}`sharpness-most` units, the leaner one of the other
# chapters {glue:text}`sharpness-lean`.
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
#
# ## Break it
#
# What happens outside of the sensible range? Noise of scale 1000, a bracket that ends at $10^{-5}$, and a slip of the
# keyboard:

# %%
alone = Subject(subject.model, {source: subject.batches[source]})
broken = sharpness_difference(alone, noise_scale=1e3, noise_seeds=(0, 1))[source]
radius = broken.extra["radius"][0]
print(f"noise 1000: phi = {broken.value:.3g} ± {broken.stderr:.2g} nats, radius {radius:.3g}")
tiny = sharpness_alpha(alone, examples=few, alpha_max=1e-5)[source]
print(f"up to 1e-5: 1/alpha^2 = {tiny.value:.3g}, status {tiny.status}")
say(tiny=tiny.status)
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
    return sharpness_difference(subject, noise_scale=scale, noise_seeds=(0, 1))[source].value


alone = measuring.subject(run, measuring.MeasureConfig(languages=[source], size=60), options)
logits = alone.predictions[source].logits
plain = {scale: phi_at(alone, scale) for scale in (0, 0.001)}
factors = {".query.": 16, ".key.": 1 / 16}
with torch.no_grad():
    for name, w in weights(alone.model).items():
        w.mul_(next((factor for part, factor in factors.items() if part in name), 1))
alone = Subject(alone.model, alone.batches)
change = (alone.predictions[source].logits - logits).abs().max()
print(f"largest change of a logit {change:g}")
for scale, phi in plain.items():
    print(f"noise {scale:<5}  phi {phi:.4f}, then {phi_at(alone, scale):.4f}")

# %% [markdown]
# (b) `relative=True`, the magnitude-aware box $|u_i| \le \alpha |w_i| + \epsilon$: it is rescaled along with the
# weights, apart from the small $\epsilon$ that lets zero weights move.
#
# ````{solution-end}
# ````
#
# ## The same on real text
#
# Does the gradient step of $\phi$ add anything to the noise, with a real encoder on XNLI? If its row and that of the
# control are alike, it does not. A positive correlation says that sharper languages are more accurate. ({doc}`xnli` says
# what reliability and noise are, below 0 the errors exceed all differences; {doc}`theory` has the adaptive sharpness.)

# %% tags=["remove-input", "reads:records"]
real = records.committed(protocols.seeds("real", seeds=chapters.SEEDS))
asked = {
    "φ, with the gradient step": "sharpness_difference",
    "the noise alone (control)": ("sharpness_difference", "phi_noise"),
    "1/α²": "sharpness_alpha",
    "adaptive worst case": "sharpness_adaptive",
    "largest Hessian eigenvalue": "hessian_eigenvalue",
}
caption = "Real data: correlation over the target languages, mean over seeds, 95 % bootstrap over languages"
chapters.show(chapters.real_box(real))
chapters.show(chapters.real_relations(real, asked, caption, lambda key: key[0]))
both = ("With the gradient step", "sharpness_difference"), ("with the noise alone", asked["the noise alone (control)"])
chapters.show(chapters.reading(chapters.real_difference(real, *both, lambda key: key[0])))

# %% [markdown]
# ```{admonition} Concept check: The loss in Swahili rises steeply around $w_0$: so $w_0$ is a sharp minimum of that loss. True?
# :class: dropdown
# *False.* The misconception is that fine-tuning ends at a minimum of every loss. It ended near one of the English loss; that
# of Swahili has a slope at $w_0$. A rise to first order says that the place is not a minimum. Only the rise beyond the
# slope is curvature.
# ```
#
# ```{admonition} What we learnt
# :class: important
# - In a zero-shot language $w_0$ is no minimum. Without noise $\phi_{\text{difference}}$ lies between
#   {glue:text}`sharpness-lowest` and {glue:text}`sharpness-highest` nats, and needs labels. To first order it is
#   $n \|\nabla L\|^2$; here it is {glue:text}`sharpness-first`
# - The noise scale decides what is measured. From $\sigma =$ {glue:text}`sharpness-binding` on the projection binds and
#   shrinks the gradient step. Of the paper's four scales: {glue:text}`sharpness-kept`
# - A search for $\alpha$ must have a criterion that can be met. With the absolute loss it stopped at the lower edge in:
#   {glue:text}`sharpness-absolute-lower`. It takes {glue:text}`sharpness-ratio-time` times as long as one draw.
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

# %% tags=["remove-input"]
provenance(
    [run.key],
    {"objective": objective, "preset": preset, "task": config.task, "model": config.model, "seed": seed}
    | chapters.given(train_size=train_size, epochs=epochs, hyper=hyper or None),
)
