# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # KL divergence, Fisher information and flatness
#
# Consistency training, the Fisher penalty and sharpness-aware training look like three methods. This chapter derives
# what connects them, on models so small that every expectation is a finite sum and every claim can be checked to
# rounding: the KL divergence between a model and its perturbed copy is, to leading order, a quadratic form in the
# Fisher information matrix, and noise turns that form into a trace. It goes on with a warning about what a flat model is,
# and ends with encoders, which are asked the same at the sizes of noise that the methods take.
#
# ```{admonition} What you will learn
# :class: tip
# - Why $\mathrm{KL}[p_\theta \| p_{\theta+\varepsilon}] \approx \frac12 \varepsilon^\top F \varepsilon$, and how to
#   see the size of the error in a plot.
# - Why Gaussian noise measures $\mathrm{Tr}\, F$, and which quantities called "Fisher" do not.
# - Why two networks that compute the same function can differ in flatness by orders of magnitude.
# ```

# %% tags=["parameters", "hide-input"]
n_states: int = 3  # classes C of the softmax and of the network [count], at least 2
hidden: int = 5  # hidden units of the network [count]
n_examples: int = 60  # examples of the data set [count]
sigma: float = 0.01  # standard deviation of the noise on the parameters [parameter units]
n_draws: int = 4096  # noise draws behind each average [count]
seed: int = 0  # random seed
live: "int or all" = 1  # encoders trained here even where a record is committed [count], or all
store: str = ""  # folder of trained models and measures; empty: runs/ of the checkout
workers: int = 1  # encoders trained or measured side by side [processes]; the book runs chapters side by side

# %% tags=["hide-cell"]
import math

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from paper import chapters, figures, protocols, records
from paper.live import divergence as live_divergence
from paper.notebook import provenance, shows_error
from xlgen.analysis import signed
from xlgen.fisher.exact import empirical_fisher, fisher, flat, kl, scores

figures.use_style()
say = chapters.Say("theory")
generator = torch.Generator().manual_seed(seed)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


# %% [markdown]
# ## From KL to Fisher
#
# A classifier with parameters $\theta$ gives the probability $p_\theta(y)$ to class $y$; the input $x$ is left out
# until it matters. Move the parameters by $\varepsilon$. By how much do the predictions change? By definition
#
# $$ \mathrm{KL}[p_\theta \| p_{\theta+\varepsilon}]
# = \sum_y p_\theta(y) \big( \log p_\theta(y) - \log p_{\theta+\varepsilon}(y) \big). $$ (eq-theory-kl)
#
# **Expand.** Call $s(y) = \nabla_\theta \log p_\theta(y)$ the *score*; it is minus the gradient of the cross-entropy
# for label $y$. If $\log p_\theta$ has three continuous derivatives, then
#
# $$ \mathrm{KL}[p_\theta \| p_{\theta+\varepsilon}] = - \varepsilon^\top \sum_y p_\theta(y)\, s(y)
# - \tfrac12 \varepsilon^\top \Big( \sum_y p_\theta(y)\, \nabla^2_\theta \log p_\theta(y) \Big) \varepsilon
# + O(\|\varepsilon\|^3). $$ (eq-theory-taylor)
#
# **The score has mean zero.** Since $p\, \nabla \log p = \nabla p$ and probabilities sum to one,
#
# $$ \sum_y p_\theta(y)\, s(y) = \sum_y \nabla_\theta p_\theta(y) = \nabla_\theta 1 = 0. $$ (eq-theory-score)
#
# **The information equality.** Differentiate $s = \nabla p / p$ once more: $\nabla^2 \log p = \nabla^2 p / p -
# s s^\top$. In the mean the first term vanishes for the same reason, $\sum_y \nabla^2 p_\theta(y) = \nabla^2 1 = 0$,
# so that
#
# $$ - \sum_y p_\theta(y)\, \nabla^2_\theta \log p_\theta(y)
# = \sum_y p_\theta(y)\, s(y)\, s(y)^\top =: F(\theta). $$ (eq-theory-information)
#
# The linear term is gone and the quadratic one holds the *Fisher information matrix* $F$:
#
# $$ \mathrm{KL}[p_\theta \| p_{\theta+\varepsilon}]
# = \tfrac12\, \varepsilon^\top F(\theta)\, \varepsilon + O(\|\varepsilon\|^3). $$ (eq-theory-quadratic)
#
# With inputs, both sides are averaged over $x$, and $F(\theta) = \mathbb{E}_x \mathbb{E}_{y \sim p_\theta(y|x)}
# [g\, g^\top]$ with $g(x, y) = -s$, the definition in {cite:t}`stickland2021regularising`. The label is drawn from the
# *model*; no label of the data enters $F$.
#
# The smallest example is a softmax whose logits are the parameters themselves. There $s(y) = e_y - p$, with $e_y$
# the unit vector of class $y$, and the sum is done by hand:
#
# $$ F = \mathrm{diag}(p) - p\, p^\top, \qquad \varepsilon^\top F \varepsilon = \mathrm{Var}_{y \sim p}[\varepsilon_y],
# \qquad \mathrm{Tr}\, F = 1 - \|p\|^2. $$ (eq-theory-softmax)
#
# The module `xlgen.fisher.exact` computes $F$ by enumerating the classes. It agrees with the hand calculation:

# %%
logits = normal(n_states)
p = torch.softmax(logits, dim=0)
F = fisher(lambda theta: theta[None], logits)  # one "example" whose logits are theta
print("p            ", p.numpy().round(3))
print("Tr F, 1-|p|^2", F.trace().item(), (1 - p @ p).item())
print("largest error", (F - (torch.diag(p) - torch.outer(p, p))).abs().max().item())

# %% [markdown]
# A certain model ($p$ a unit vector) has $\mathrm{Tr}\, F = 0$ whether or not it is right. That is the first caution:
# a small trace says that predictions are insensitive to the parameters, not that they are good.
#
# ```{exercise} ★ Certain, undecided, and structured noise
# :label: theory-ex-trace
#
# (a) For which $p$ is $\mathrm{Tr}\, F$ of {eq}`eq-theory-softmax` largest, and how large is it?
# (b) Compute $\mathbb{E}[\varepsilon^\top F \varepsilon]$ for noise with mean zero and any covariance $\Sigma$.
# (c) Which $\varepsilon \neq 0$ leave the KL divergence of the softmax at exactly zero?
# ```
#
# ```{solution} theory-ex-trace
# :class: dropdown
#
# (a) $\|p\|$ is smallest at the uniform distribution, where the trace is $1 - 1/C$.
# (b) $\mathbb{E}[\mathrm{Tr}(F \varepsilon \varepsilon^\top)] = \mathrm{Tr}(F \Sigma)$. Structured noise weighs the
# directions; only $\Sigma = \sigma^2 I$ gives the trace of $F$.
# (c) Multiples of $(1, \dots, 1)$: a constant added to all logits changes nothing, and has no variance.
# ```

# %% [markdown]
# ## The theorem in a plot
#
# Now a network: two inputs, one hidden layer of tanh units, softmax output. The data are a few overlapping clouds of
# points. tanh is chosen because {eq}`eq-theory-taylor` needs three derivatives, which a ReLU does not have.

# %%
labels = torch.arange(n_examples) % n_states
angle = 2 * math.pi * labels.double() / n_states
x = torch.stack([angle.cos(), angle.sin()], dim=1) + 0.7 * normal(n_examples, 2)  # (N, 2)


def network(activation: nn.Module, inputs: torch.Tensor = x):
    """The network on fixed inputs as a function of one flat parameter vector, and the length of that vector."""
    logits, like = flat(nn.Sequential(nn.Linear(2, hidden), activation, nn.Linear(hidden, n_states)), inputs)
    return logits, len(like)


def train(logits, theta: torch.Tensor, steps: int = 500, rate: float = 0.5) -> torch.Tensor:
    """Plain gradient descent on the mean cross-entropy."""
    gradient = torch.func.grad(lambda t: nn.functional.cross_entropy(logits(t), labels))
    for _ in range(steps):
        theta = theta - rate * gradient(theta)
    return theta


smooth, P = network(nn.Tanh())
theta_0 = 0.5 * normal(P)
theta = train(smooth, theta_0)
F = fisher(smooth, theta)
accuracy = (smooth(theta).argmax(dim=1) == labels).double().mean().item()
print(f"{P} parameters, training accuracy {accuracy:.2f}, Tr F {F.trace():.3f}")

# %% [markdown]
# Take eight random directions, walk along each by a distance $\|\varepsilon\|$, and compare the exact KL divergence
# with the quadratic form. If {eq}`eq-theory-quadratic` holds, the KL divergence falls with slope 2 in a log-log plot
# and the *remainder* $|\mathrm{KL} - \frac12 \varepsilon^\top F \varepsilon|$ with slope 3. A wrong $F$ would leave a
# remainder of slope 2, so the plot tests every entry that the directions touch.
#
# The KL divergence is computed twice: literally, by {eq}`eq-theory-kl`, and by `xlgen.fisher.exact.kl`, which uses
# $\sum_y p_{\theta+\varepsilon}(y) = \sum_y p_\theta(y)$ to write the same number as
#
# $$ \mathrm{KL} = \sum_y p_\theta(y) \big( e^{d_y} - 1 - d_y \big), \qquad
# d_y = \log p_{\theta+\varepsilon}(y) - \log p_\theta(y). $$ (eq-theory-stable)


# %%
def literal_kl(theta: torch.Tensor, epsilon: torch.Tensor, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    before, after = (torch.log_softmax(smooth(t), dim=1).to(dtype) for t in (theta, theta + epsilon))
    return (before.exp() * (before - after)).sum(dim=1).mean()


over = torch.func.vmap
directions = nn.functional.normalize(normal(8, P), dim=1)
radii = torch.logspace(-8, 0.5, 35, dtype=torch.float64)
steps = radii[:, None, None] * directions  # (35, 8, P)
quadratic = 0.5 * torch.einsum("rdi,ij,rdj->rd", steps, F, steps)
divergence = over(over(lambda e: kl(smooth, theta, e)))(steps)
literal = over(over(lambda e: literal_kl(theta, e)))(steps)
remainder, literal_remainder = (divergence - quadratic).abs(), (literal - quadratic).abs()

window = (radii >= 0.99e-6) & (radii <= 1.01e-3)
slopes = np.polyfit(radii[window].log(), remainder[window].log(), 1)[0]  # one slope for each direction
slope, slope_stderr = slopes.mean(), slopes.std(ddof=1) / math.sqrt(len(slopes))
floor = literal_remainder[radii < 1e-6].median().item()
cubic = (remainder / radii[:, None] ** 3)[window].median().item()

# %% tags=["remove-input"]
say(slope=f"{slope:.4f}", slope_stderr=f"{slope_stderr:.4f}", floor=f"{floor:.1e}")
say(crossing=f"{(floor / cubic) ** (1 / 3):.0e}", unit_roundoff=f"{torch.finfo(torch.float64).eps / 2:.1e}")

# %% mystnb={"figure": {"name": "fig-theory-slope", "caption": "KL divergence between the network and its perturbed copy, and what the quadratic form leaves of it, against the size of the step. Points: medians over eight random directions; bands: from the smallest to the largest. Computed literally, the remainder stops falling at a floor of rounding errors; computed stably, it goes on with slope 3."}, "image": {"alt": "Log-log plot. The KL divergence follows a line of slope 2. The remainder follows a line of slope 3 over seven decades when computed stably; computed literally it is flat below a step of about ten to the minus five."}} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.4, 4.6))
ax.plot(radii, quadratic.median(dim=1).values, color="C1", label=r"$\frac{1}{2}\varepsilon^\top F\varepsilon$")
for values, color in (divergence, "C1"), (literal_remainder, "C2"), (remainder, "0.5"):
    ax.fill_between(radii, values.amin(dim=1), values.amax(dim=1), color=color, alpha=0.25, lw=0)
ax.plot(radii, divergence.median(dim=1).values, "o", ms=4, color="C1", label="KL")
ax.plot(radii, literal_remainder.median(dim=1).values, "s", ms=7, mfc="none", color="C2", label="remainder, literal KL")
figures.slope(ax, radii, remainder.median(dim=1).values, 3, label="remainder, stable KL")
ax.set(xlabel=r"size of the step $\|\varepsilon\|$ [parameter norm]", ylabel="divergence [nats]", ylim=(1e-27, 10))
plt.show()

# %% [markdown]
# One direction at a time, with a step that you choose. Before you move the slider: at which size will float32 stop being
# of use?

# %% mystnb={"figure": {"name": "fig-theory-live", "caption": "The divergence, the quadratic form and what is left of it, for a step of chosen size in a chosen direction, computed in three ways."}, "image": {"alt": "Log-log plot with sliders for the size and the direction of the step."}} tags=["hide-input"]
literal_single = over(over(lambda e: literal_kl(theta, e, torch.float32)))(steps)
live_divergence(radii, quadratic, {"stable": divergence, "float64": literal, "float32": literal_single})

# %% [markdown]
# The fitted slope of the remainder in {numref}`fig-theory-slope` is {glue:text}`theory-slope` ±
# {glue:text}`theory-slope-stderr` (mean and standard error over the directions). Beyond $\|\varepsilon\| = 1$
# higher orders take over, and the remainder becomes as large as the divergence itself.
#
# The literal formula fails at the other end. Each $\log p$ is a number of order one that carries a rounding error of
# order $u =$ {glue:text}`theory-unit-roundoff`, however small $\varepsilon$ is. Its terms are of order
# $\|\varepsilon\|$ and cancel down to $\|\varepsilon\|^2$, but their errors do not cancel: a floor of
# {glue:text}`theory-floor` remains (it is below $u$ because it is a weighted mean of many errors). A remainder
# $c\|\varepsilon\|^3$ meets a floor $f$ at $\|\varepsilon\| = (f/c)^{1/3}$, here {glue:text}`theory-crossing`. In
# {eq}`eq-theory-stable` every term is already of second order, so an error $u$ in $d_y$ is multiplied by $d_y$ itself;
# the error falls with $\|\varepsilon\|$, and slope 3 goes on until $c\|\varepsilon\|^3 \approx u \|\varepsilon\|$.
#
# **Break it.** The same in float32, the precision in which encoders run:

# %%
print("step     literal KL, float32      exact (the direction with the smallest of eight)")
for radius in (1e-2, 1e-3, 1e-4, 1e-5):
    single, i = min((literal_kl(theta, radius * d, torch.float32).item(), i) for i, d in enumerate(directions))
    print(f"{radius:.0e}   {single: .3e}           {kl(smooth, theta, radius * directions[i]): .3e}")
with shows_error():
    kl(smooth, theta.float(), directions[0])

# %% [markdown]
# A KL divergence cannot be negative; a float32 one can. Hence two rules of this book: the library refuses to compute
# such differences in float32, and a measure on an encoder needs steps large enough to stand out from the rounding.
#
# ```{exercise} ★★ When is the slope 4?
# :label: theory-ex-cumulants
#
# For the softmax of {eq}`eq-theory-softmax` let $K(t) = \log \mathbb{E}_{y \sim p}[e^{t \varepsilon_y}]$ be the
# cumulant generating function of the random number $\varepsilon_y$. (a) Show that $\mathrm{KL}[p_\theta \|
# p_{\theta+\varepsilon}] = K(1) - K'(0)$. (b) Find the leading term of the remainder. (c) When is its slope 4?
# ```
#
# ```{solution} theory-ex-cumulants
# :class: dropdown
#
# (a) $p_{\theta+\varepsilon}(y) = p(y)\, e^{\varepsilon_y} / \sum_j p(j)\, e^{\varepsilon_j}$, so $\log p(y) - \log
# p_{\theta+\varepsilon}(y) = K(1) - \varepsilon_y$; average over $y$ and use $K'(0) = \mathbb{E}[\varepsilon_y]$.
# (b) With the cumulants $\kappa_i$ of $\varepsilon_y$, $K(1) - K'(0) = \kappa_2/2 + \kappa_3/6 + \dots$ The variance
# $\kappa_2$ is $\varepsilon^\top F \varepsilon$; the remainder is $\kappa_3/6$, a third central moment.
# (c) Where $\kappa_3 = 0 \neq \kappa_4$: for two equally likely classes, say, whose distribution is symmetric.
# ```

# %% [markdown]
# ## Noise measures the trace
#
# Draw $\varepsilon$ at random, with independent entries of mean zero and variance $\sigma^2$. The mixed terms of
# $\varepsilon^\top F \varepsilon$ vanish on average, and equation (1) of {cite:t}`stickland2021regularising` remains:
#
# $$ \mathbb{E}_\varepsilon[\varepsilon^\top F \varepsilon]
# = \sum_{i,j} F_{ij}\, \mathbb{E}[\varepsilon_i \varepsilon_j] = \sigma^2\, \mathrm{Tr}\, F. $$ (eq-theory-trace)
#
# An average over $m$ draws has a standard error that falls as $1/\sqrt m$; for Gaussian noise it is known in advance,
# because $\mathrm{Var}[\varepsilon^\top F \varepsilon] = 2 \sigma^4\, \mathrm{Tr}\, F^2$.

# %%
sizes = [4**k for k in range(2, 9)]
means, stderrs = [], []
for m in sizes:  # fresh draws for every m
    epsilon = sigma * normal(m, P)
    forms = torch.einsum("mi,ij,mj->m", epsilon, F, epsilon)
    means.append(forms.mean().item() / sigma**2)
    stderrs.append(forms.std().item() / math.sqrt(m) / sigma**2)
trace, predicted = F.trace().item(), math.sqrt(2 * (F @ F).trace().item())  # predicted: times 1 / sqrt(m)
stderr_slope = np.polyfit(np.log(sizes), np.log(stderrs), 1)[0]

# %% tags=["remove-input"]
say(trace=f"{trace:.3f}", trace_mc=f"{means[-1]:.3f} ± {stderrs[-1]:.3f}", trace_draws=f"{sizes[-1]:,}")
say(stderr_slope=signed(stderr_slope, 2))

# %% mystnb={"figure": {"name": "fig-theory-trace", "caption": "Monte-Carlo estimates of the trace from m noise draws, each with its estimated standard error. Line: the exact trace. Band: one standard error as predicted, which narrows as one over the square root of m."}, "image": {"alt": "Points with error bars close in on a horizontal line as the number of draws grows; the bars are as long as a band around the line that narrows by half for every fourfold number of draws."}} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.6))
ax.axhline(trace, color="C1", label=r"exact $\mathrm{Tr}\,F$")
band = predicted / np.sqrt(sizes)
ax.fill_between(sizes, trace - band, trace + band, color="C1", alpha=0.25, lw=0, label="predicted s.e.")
ax.errorbar(sizes, means, yerr=stderrs, fmt="o", color="C0", label="Monte Carlo ± s.e.")
ax.set(xscale="log", xlabel="draws $m$ [count]", ylabel=r"mean of $\varepsilon^\top F\varepsilon\,/\,\sigma^2$")
ax.legend()
plt.show()

# %% [markdown]
# With {glue:text}`theory-trace-draws` draws the estimate is {glue:text}`theory-trace-mc`; the exact trace is
# {glue:text}`theory-trace`. The fitted slope of the standard error is {glue:text}`theory-stderr-slope`
# ({numref}`fig-theory-trace`).
#
# Now put {eq}`eq-theory-quadratic` and {eq}`eq-theory-trace` together. A *consistency loss* with Gaussian noise on the
# parameters is
#
# $$ \mathbb{E}_\varepsilon\, \mathrm{KL}[p_\theta \| p_{\theta+\varepsilon}]
# = \tfrac12 \sigma^2\, \mathrm{Tr}\, F + O(\sigma^4). $$ (eq-theory-consistency)
#
# The error is of order $\sigma^4$, not $\sigma^3$: odd moments of symmetric noise are zero, so the third-order term of
# {numref}`fig-theory-slope` averages out. To see this the draws below come in pairs $\pm\varepsilon$. Before you look:
# at which $\sigma$ would you stop trusting the quadratic form?

# %%
half = normal(n_draws // 2, P)
unit = torch.cat([half, -half])
forms = 0.5 * torch.einsum("mi,ij,mj->m", unit, F, unit)
levels = np.logspace(-3, 0, 13)
ratios, ratio_stderrs, gaps = [], [], []
for level in levels:
    values = over(lambda e: kl(smooth, theta, e), chunk_size=1024)(level * unit) / level**2
    pairs = values.view(2, -1).mean(dim=0)  # the two draws of a pair are not independent
    ratios.append(2 * values.mean().item() / trace)
    ratio_stderrs.append(2 * pairs.std().item() / math.sqrt(len(pairs)) / trace)
    gaps.append(abs((values - forms).mean().item()) * level**2)  # same draws on both sides: no Monte-Carlo noise
consistency_slope = np.polyfit(np.log(levels[:5]), np.log(gaps[:5]), 1)[0]

# %% tags=["remove-input"]
say(consistency_slope=f"{consistency_slope:.2f}", consistency_ratio=f"{ratios[-1]:.2f}")
one_half = (
    f"For the small network of that page and noise of standard deviation {levels[0]:.2g} the expected divergence is "
    f"{ratios[0] / 2:.3f} ± {ratio_stderrs[0] / 2:.3f} times C Tr F (one Monte-Carlo standard error)."
)
chapters.Evidence("theory").choice("fisher-half", one_half)
here = one_half.replace("of that page", "of this page")
chapters.box("warning", "A factor of one half", *chapters.conflicts("fisher-half"), here)

# %% mystnb={"figure": {"name": "fig-theory-consistency", "caption": "Gaussian consistency loss divided by its leading term, against the standard deviation of the noise, with one Monte-Carlo standard error; all points share their draws. At 1 the consistency loss is the Fisher trace."}, "image": {"alt": "The ratio is 1 within its error bars for noise below about 0.1 and leaves 1 for larger noise."}} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.6))
ax.axhline(1, color="C1", lw=1)
ax.errorbar(levels, ratios, yerr=ratio_stderrs, fmt="o", color="C0")
ax.set(xscale="log", xlabel=r"noise $\sigma$ [parameter units]")
ax.set_ylabel(r"$\mathbb{E}\,\mathrm{KL}\;/\;\frac{1}{2}\sigma^2\,\mathrm{Tr}\,F$")
plt.show()

# %% [markdown]
# For small noise the two sides of {eq}`eq-theory-consistency` agree ({numref}`fig-theory-consistency`), and their
# difference grows with the fitted power {glue:text}`theory-consistency-slope` of $\sigma$. At $\sigma = 1$, noise of
# the size of the weights, the ratio is {glue:text}`theory-consistency-ratio` and the consistency loss is another thing.
#
# The *Fisher penalty* of {cite:t}`jastrzebski2021catastrophic` is the squared norm of the gradient of a mini-batch of
# $B$ examples. For examples drawn independently
#
# $$ \mathbb{E}\, \Big\| \frac1B \sum_{i=1}^{B} g(x_i, y_i) \Big\|^2
# = \frac1B\, \mathbb{E} \|g\|^2 + \Big(1 - \frac1B\Big) \|\mathbb{E}\, g\|^2 . $$ (eq-theory-penalty)
#
# If the labels are drawn from the model, $\mathbb{E}\, g = 0$ by {eq}`eq-theory-score`, and the penalty is
# $\mathrm{Tr}\, F / B$ on average. So a consistency loss of weight $\lambda$ and a Fisher penalty of weight
# $\lambda B \sigma^2 / 2$ have the same leading term, which is why {cite:t}`stickland2021regularising` expect similar
# effects of both. The limits of the argument are visible here. Other segmentations of a sentence, as in
# {cite:t}`wang2021mvr`, are neither small nor independent Gaussian noise on the parameters: at best they penalise
# $\mathrm{Tr}(F \Sigma)$ for some $\Sigma$. And an optimizer differentiates the penalty with the drawn labels held
# fixed, so its gradient is not quite that of $\mathrm{Tr}\, F$.
#
# With the labels of the data the first term of {eq}`eq-theory-penalty` becomes the trace of the *empirical Fisher*,
# and the second is the squared gradient of the training loss. The table compares the four numbers for the initial
# weights, the trained ones, and the trained ones when half of the labels are replaced; its last line is the network
# after training on easy data, where it is nearly certain.

# %%
B = 10


def penalty(logits, theta: torch.Tensor, labels: torch.Tensor | None, m: int = 4000) -> tuple[float, float]:
    """Mean and standard error of B |mini-batch gradient|^2; labels are drawn from the model where none are given."""
    s, p = scores(logits, theta), torch.softmax(logits(theta), dim=1)
    batch = torch.randint(len(p), (m, B), generator=generator)
    if labels is None:
        y = torch.multinomial(p[batch].view(m * B, -1), 1, generator=generator).view(m, B)
    else:
        y = labels[batch]
    values = B * s[batch, y].mean(dim=1).square().sum(dim=1)
    return values.mean().item(), values.std().item() / math.sqrt(m)


wrong = torch.where(torch.arange(n_examples) // n_states % 2 == 0, labels, (labels + 1) % n_states)
easy, _ = network(nn.Tanh(), torch.stack([2 * angle.cos(), 2 * angle.sin()], dim=1) + 0.2 * normal(n_examples, 2))
rows = {
    "initial": (smooth, theta_0, labels),
    "trained": (smooth, theta, labels),
    "half of the labels wrong": (smooth, theta, wrong),
    "easy data": (easy, train(easy, theta_0, steps=100), labels),
}
print(f"{'':26}{'Tr F':>8}{'B|g|², drawn labels':>22}{'Tr emp. F':>12}{'B|g|², data labels':>22}")
table = {}
for name, (function, t, y) in rows.items():
    exact, empirical = fisher(function, t).trace().item(), empirical_fisher(function, t, y).trace().item()
    drawn, data = ("{:.4f} ± {:.4f}".format(*penalty(function, t, labels)) for labels in (None, y))
    table[name] = exact, empirical
    print(f"{name:26}{exact:8.4f}{drawn:>22}{empirical:12.4f}{data:>22}")

# %% tags=["remove-input"]
say(empirical_wrong=f"{table['half of the labels wrong'][1] / table['trained'][1]:.1f}")
say(empirical_easy=f"{table['easy data'][1] / table['easy data'][0]:.2g}")

# %% [markdown]
# The first two columns agree within two or so standard errors; the others do not follow them. Wrong labels leave the
# model, hence $F$, untouched and multiply the trace of the empirical Fisher by {glue:text}`theory-empirical-wrong`: it
# measures how badly the labels fit as much as curvature. On the easy data it is {glue:text}`theory-empirical-easy`
# times the trace of $F$: where the model gives its label the probability $1 - \delta$, the squared gradient of that
# label is of order $\delta^2$, while the rare other labels keep $F$ at order $\delta$. Published code calls both
# Fisher; this book writes $F$ only for labels drawn from, or summed over, the model.

# %% [markdown]
# ## What "flat" means, and what it does not
#
# Two definitions of the *sharpness* of a loss $L$ at $\theta$ are in use: on average over Gaussian noise, or in the
# worst case over a neighbourhood {cite:p}`keskar2017large,foret2021sam`, here a ball:
#
# $$ S_{\text{noise}} = \mathbb{E}_{\varepsilon \sim N(0, \sigma^2 I)}\, L(\theta + \varepsilon) - L(\theta), \qquad
# S_{\text{ball}} = \max_{\|\varepsilon\| \le \rho} L(\theta + \varepsilon) - L(\theta). $$ (eq-theory-sharpness)
#
# At a minimum with Hessian $H$ they are $\frac12 \sigma^2\, \mathrm{Tr}\, H$ and $\frac12 \rho^2 \lambda_{\max}(H)$ to
# leading order. $H$ and $F$ differ by a term in the second derivatives of the logits, weighted by $p_\theta(y|x) -
# [y = \text{label}]$, which is small where the model fits. This is why a small $\mathrm{Tr}\, F$ is called flat.
#
# {cite:t}`dinh2017sharp` showed that none of these numbers belongs to the function that the network computes. A ReLU
# satisfies $\mathrm{relu}(\alpha z) = \alpha\, \mathrm{relu}(z)$ for $\alpha > 0$, so the map
#
# $$ (W_1, b_1, W_2, b_2) \mapsto (\alpha W_1, \alpha b_1, W_2 / \alpha, b_2) $$ (eq-theory-rescale)
#
# changes the parameters but not one output. The gradient with respect to $W_1$ and $b_1$ is divided by $\alpha$, that
# with respect to $W_2$ is multiplied by it. With $T_1$, $T_2$, $T_0$ the contributions of $(W_1, b_1)$, $W_2$ and
# $b_2$ to the trace at $\alpha = 1$,
#
# $$ \mathrm{Tr}\, F(\alpha) = T_1 / \alpha^2 + \alpha^2\, T_2 + T_0 . $$ (eq-theory-alpha)
#
# {cite:t}`kwon2021asam` measure the step relative to the weights instead. In the noise version of their *adaptive*
# sharpness $\varepsilon_i = \sigma |\theta_i| \xi_i$ with $\xi \sim N(0, I)$. Such noise is rescaled along with the
# weights, so the perturbed networks, too, compute the same functions at every $\alpha$. The matching trace is
# $\sum_i \theta_i^2 F_{ii}$.

# %%
relu, _ = network(nn.ReLU())
theta = train(relu, theta_0)
blocks = torch.tensor([1] * 3 * hidden + [2] * hidden * n_states + [0] * n_states)  # W1 and b1, W2, b2


def rescaled(theta: torch.Tensor, alpha: float) -> torch.Tensor:
    return torch.tensor([1.0, alpha, 1 / alpha], dtype=torch.float64)[blocks] * theta


def loss(theta: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(relu(theta), labels)


def rise(theta: torch.Tensor, epsilon: torch.Tensor) -> tuple[float, float]:
    """Mean and standard error of the rise of the loss over noise draws (m, P)."""
    values = over(loss, chunk_size=1024)(theta + epsilon) - loss(theta)
    return values.mean().item(), values.std().item() / math.sqrt(len(values))


def worst(theta: torch.Tensor, rho: float, steps: int = 20) -> float:
    """Projected gradient ascent in the ball; a lower bound of the maximum."""
    gradient, epsilon, largest = torch.func.grad(loss), torch.zeros_like(theta), 0.0
    for _ in range(steps):
        epsilon = epsilon + rho / 4 * nn.functional.normalize(gradient(theta + epsilon), dim=0)
        epsilon = epsilon * min(1.0, rho / epsilon.norm().item())
        largest = max(largest, (loss(theta + epsilon) - loss(theta)).item())
    return largest


# %%
alphas = [2.0**k for k in range(-4, 5)]
noise = normal(n_draws, P)
measured = {"Tr F": [], "noise": [], "ball": [], "adaptive": []}
changes = []
for alpha in alphas:
    t = rescaled(theta, alpha)
    changes.append((relu(t) - relu(theta)).abs().max().item())
    measured["Tr F"].append((fisher(relu, t).trace().item(), 0.0))
    measured["noise"].append(rise(t, sigma * noise))
    measured["ball"].append((worst(t, rho=5 * sigma), 0.0))
    measured["adaptive"].append(rise(t, 10 * sigma * t.abs() * noise))
middle = alphas.index(1.0)
traces, adaptive = ([value for value, _ in measured[name]] for name in ("Tr F", "adaptive"))
kinks = measured["noise"][middle][0] / (0.5 * sigma**2 * traces[middle])
tiny = rise(theta, 1e-5 * torch.cat([noise, -noise]))[0] / (0.5e-10 * traces[middle])

# %% tags=["remove-input"]
of_three = (relu(rescaled(theta, 3.0)) - relu(theta)).abs().max().item()
say(change=f"{max(changes):g}", change_three=f"{of_three:.0e}", trace_factor=f"{max(traces) / min(traces):.0f}")
say(adaptive_factor=f"{max(adaptive) / min(adaptive):.6f}", kinks=f"{kinks:.2f}", kinks_tiny=f"{tiny:.2f}")

# %% mystnb={"figure": {"name": "fig-theory-rescale", "caption": "Four measures of flatness of one and the same function, relative to their value at α = 1, against the rescaling α of its first layer. Bars: one Monte-Carlo standard error, smaller than the marks. Line: the trace predicted from its three parts at α = 1."}, "image": {"alt": "The Fisher trace, the sharpness under noise and the worst-case sharpness rise by a factor of tens to hundreds on both sides of alpha equal to one; adaptive sharpness is a horizontal line."}} tags=["hide-input"]
diagonal = fisher(relu, theta).diagonal()
parts = [diagonal[blocks == b].sum().item() for b in (0, 1, 2)]
fig, ax = plt.subplots(figsize=(6.4, 4.2))
fine = np.logspace(-4, 4, 200, base=2)
ax.plot(fine, (parts[1] / fine**2 + parts[2] * fine**2 + parts[0]) / traces[middle], color="C0", lw=1)
names = (r"$\mathrm{Tr}\,F$", r"$S_\mathrm{noise}$", r"$S_\mathrm{ball}$", r"adaptive $S_\mathrm{noise}$")
for label, values, marker in zip(names, measured.values(), "os^D", strict=True):
    value, stderr = np.array(values).T / values[middle][0]
    ax.errorbar(alphas, value, yerr=stderr, fmt=marker, label=label)
ax.set_xscale("log", base=2)
ax.set(yscale="log", xlabel=r"rescaling $\alpha$ of the first layer", ylabel=r"value relative to $\alpha = 1$")
ax.legend(loc="upper center")
plt.show()

# %% [markdown]
# {numref}`fig-theory-rescale`: the largest change of any logit over all these $\alpha$ is {glue:text}`theory-change`,
# exactly, because multiplying by a power of two does not round; at $\alpha = 3$ it is {glue:text}`theory-change-three`.
# Meanwhile $\mathrm{Tr}\, F$ varies by a factor of {glue:text}`theory-trace-factor`, and so, roughly, do both
# sharpnesses of {eq}`eq-theory-sharpness`. The adaptive one varies by a factor of {glue:text}`theory-adaptive-factor`.
#
# One detail. Each logit of this network is linear in each single weight, so $\mathrm{Tr}\, H = \mathrm{Tr}\, F$ exactly
# wherever the derivatives exist. Yet at $\alpha = 1$ the noise sharpness is {glue:text}`theory-kinks` times $\frac12
# \sigma^2\, \mathrm{Tr}\, F$ (and {glue:text}`theory-kinks-tiny` times at $\sigma = 10^{-5}$): gradient descent leaves
# some examples so close to a kink of the ReLU that noise carries them across. A derivative at a point does not see
# that; sharpness at a finite distance does.
#
# **Consequence for comparing objectives.** SAM, a Fisher penalty, weight decay and plain training drive the balance
# between layers to different places. If one of them ends with a smaller $\mathrm{Tr}\, F$ or sharpness, it may have
# found another function or rescaled the same one. Encoders are not exempt: their GELU is not homogeneous, but attention
# sees queries and keys only through their product, so $(\alpha W_Q, \alpha b_Q)$ with $(W_K / \alpha, b_K / \alpha)$ is
# an exact symmetry. Fine-tuning all models from the same pretrained weights keeps them near one scale, which helps but
# proves nothing. Therefore: compare within one objective before comparing across objectives, and put an invariant
# measure beside the others, such as adaptive sharpness, which undoes rescalings (not every reparametrisation), or one
# of the predictions alone, like the margin.

# %% [markdown]
# ````{exercise} ★★★ Can a rescaling change which language is flatter?
# :label: theory-ex-rank
#
# Two languages are measured in the *same* model, so that they share their $\alpha$. (a) Under which condition on their
# $T_1$, $T_2$, $T_0$ does the order of their traces {eq}`eq-theory-alpha` depend on $\alpha$? (b) Test it: let the
# inputs of the second language be $2 x$.
# ````
#
# ````{solution-start} theory-ex-rank
# :class: dropdown
# ````
#
# (a) For $\alpha \to 0$ the difference $\Delta T_1 / \alpha^2 + \alpha^2\, \Delta T_2 + \Delta T_0$ has the sign of
# $\Delta T_1$, for $\alpha \to \infty$ that of $\Delta T_2$. If the signs differ, the order changes exactly once: times
# $\alpha^2$ the difference is a quadratic in $\alpha^2$ whose roots have a negative product. If they agree, it changes
# twice or never. (b) The code below prints the positive roots:

# %%
far, _ = network(nn.ReLU(), 2 * x)
near_parts, far_parts = (
    [diagonal[blocks == b].sum().item() for b in (2, 0, 1)]
    for diagonal in (fisher(function, theta).diagonal() for function in (relu, far))
)
delta = np.subtract(near_parts, far_parts)  # of T2, T0, T1: the coefficients of a quadratic in alpha^2
roots = [math.sqrt(r.real) for r in np.roots(delta) if r.imag == 0 and r.real > 0]
print("differences of T2, T0, T1:", delta.round(3))
print("the order changes at alpha =", ", ".join(f"{r:.3f}" for r in roots) or "(nowhere)")

# %% [markdown]
# Where it changes, neither order is *the* order of the languages: a correlation between $\mathrm{Tr}\, F$ and transfer
# over the languages of one model is not protected by the model being the same.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## The same for an encoder, and on real text
#
# So far $F$ was a matrix that fits on a page. An encoder has millions of parameters and runs in float32, and the size of
# the noise is not ours to choose: the sharpness by difference ({doc}`sharpness`) takes $\sigma = 0.001$, training with
# consistency $\sigma = 0.01$. The measure `noise_divergence` computes $D_\sigma$, the left side of
# {eq}`eq-theory-consistency`, for each language, from pairs $\pm\varepsilon$ and forward passes alone. Half the difference
# of a pair's two changes of $\log p$ is the score along $\varepsilon$, which gives $\frac12 \varepsilon^\top F
# \varepsilon$ of the same draw, without the matrix. $\mathrm{Tr}\, F$ of the same examples comes from gradients,
# by other code. Before you look: at which of the two sizes does the form still stand for the divergence?

# %% tags=["hide-cell", "reads:records"]
found = records.obtain(
    protocols.divergence("mini"), chapters.options_for(store), workers=workers, live=chapters.how_many(live)
)
real = records.committed(protocols.divergence("real", seeds=chapters.SEEDS)).whole()

# %% tags=["remove-input"]
chapters.show(chapters.records_box(found))
chapters.show(chapters.real_box(real))

# %%
scales = {"miniature": chapters.quadratic(found), "real data": chapters.quadratic(real)}
sizes = protocols.SIGMAS

# %% mystnb={"figure": {"name": "fig-theory-encoders", "caption": "Divergence under noise over the quadratic form of the same noise, against the size of the noise: mean over the languages, with bars from the smallest to the largest language; a line per model. Filled: the miniature. Hollow, dashed: e5-small on XNLI. Dotted: the noise of the sharpness by difference, and that of training with consistency."}, "image": {"alt": "Lines that lie on one at the smallest size of the noise and leave it at the largest, some of them by a multiple."}} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.4, 4.2))
lines = [(scale, key) for scale, some in scales.items() for key in dict.fromkeys(key for key, _ in some)]
for place, (scale, key) in enumerate(lines):
    ratios = [scales[scale][key, level].form for level in sizes]
    look, filled = figures.look(key[0]), scale == "miniature"
    style = {"fmt": look.marker + ("-" if filled else "--"), "mfc": look.colour if filled else "none"}
    means = np.array([ratio.mean() for ratio in ratios])
    bars = [means - [ratio.min() for ratio in ratios], [ratio.max() for ratio in ratios] - means]
    beside = np.array(sizes) * 1.04 ** (place - (len(lines) - 1) / 2)
    label = f"{key[0]}, {scale}, seed {key[1]}"
    ax.errorbar(beside, means, yerr=bars, color=look.colour, label=label, lw=1, capsize=2, **style)
ax.axhline(1, color=figures.FAINT, lw=0.8)
for level in (0.001, 0.01):
    ax.axvline(level, color=figures.FAINT, lw=0.8, ls=":")
ticks = [0.125, 0.25, 0.5, 1, 2, 4, 8]
ax.set(xscale="log", yscale="log", xlabel=r"noise $\sigma$ [parameter units]")
ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
ax.minorticks_off()
ax.set_ylabel(r"$D_\sigma\;/\;\frac{1}{2}\varepsilon^\top F\,\varepsilon$")
ax.legend(fontsize="small", loc="upper left")
plt.show()

# %% tags=["remove-input"]
body = []
for scale, key in lines:
    some = [scales[scale][key, level] for level in sizes]
    spans = (f"{one.form.mean():.2f} ({one.form.min():.2f} to {one.form.max():.2f})" for one in some)
    trace = f"{some[0].trace.mean():.2f} ± {some[0].trace_stderr:.2f}"
    body.append((f"{scale}: {key[0]}, seed {key[1]}", *spans, trace, " ".join(signed(one.order, 2) for one in some)))
head = ("", *(f"σ = {level:g}" for level in sizes), f"over ½ σ² Tr F, σ = {sizes[0]:g}", "order of languages")
caption = (
    "Divergence under noise over the form ½ ε'Fε of the same draws, mean over the languages (smallest to largest); over "
    "½ σ² Tr F, ± one Monte-Carlo standard error; and the rank correlation of the divergence and Tr F over the "
    "languages, at each size"
)
chapters.show(chapters.table(head, body, caption, dense=True))


def ends(numbers: list[float]) -> str:
    """From the smallest to the largest."""
    return " to ".join(dict.fromkeys(signed(f(numbers), 2) for f in (min, max))) if numbers else "(not run)"


for scale, name in (("miniature", "mini"), ("real data", "real")):
    keys = [key for one, key in lines if one == scale]
    say(**{f"{name}_trace": ends([scales[scale][key, sizes[0]].trace.mean() for key in keys])})
    for place, level in enumerate(sizes):
        some = [scales[scale][key, level] for key in keys]
        say(**{f"{name}_form_{place}": ends([one.form.mean() for one in some])})
        say(**{f"{name}_span_{place}": ends([ratio for one in some for ratio in one.form])})
        say(**{f"{name}_order_{place}": ends([one.order for one in some])})

# %% [markdown]
# **What it shows.** If {eq}`eq-theory-quadratic` holds, the ratio is 1. At $\sigma = 0.001$ it is
# {glue:text}`theory-mini-form-0` over the models of the miniature and {glue:text}`theory-real-form-0` over the real
# ones, each a mean over the languages; at 0.01 it is {glue:text}`theory-mini-form-2` and {glue:text}`theory-real-form-2`,
# at 0.03 {glue:text}`theory-mini-form-3` and {glue:text}`theory-real-form-3`. Single languages lie much farther apart: at
# 0.01 from {glue:text}`theory-mini-span-2` and from {glue:text}`theory-real-span-2`. Where the ratio is far from 1, training
# with consistency does not penalise the trace any more, but a finite step.
#
# The form of four draws is not yet the trace. Over $\frac12 \sigma^2\, \mathrm{Tr}\, F$ the divergence at 0.001 is
# {glue:text}`theory-mini-trace` and {glue:text}`theory-real-trace`. All models of an encoder have the same draws, so that
# these deviations from 1 are one chance and not many; where a few examples hold much of the trace, the form is skewed,
# and the standard error of four draws too small.
#
# The last column asks what a comparison of languages asks: are those with the larger trace those whose predictions
# noise moves most? At 0.001 the rank correlation is {glue:text}`theory-mini-order-0` in the miniature and
# {glue:text}`theory-real-order-0` on real data; at 0.03 it is {glue:text}`theory-mini-order-3` and
# {glue:text}`theory-real-order-3`.

# %% [markdown]
# ```{admonition} Concept check: A model with a smaller $\mathrm{Tr}\, F$ is the better one. True?
# :class: dropdown
# *False.* The misconception is that flatness is a virtue of the function. A certain model has $\mathrm{Tr}\, F = 0$ whether
# it is right or wrong, and rescaling two layers changes the trace of one and the same function at will: it belongs to
# the function *and* to its coordinates.
# ```
#
# ```{admonition} What we learnt
# :class: important
# - $\mathrm{KL}[p_\theta \| p_{\theta+\varepsilon}] = \frac12 \varepsilon^\top F \varepsilon$ up to a remainder whose
#   fitted slope is {glue:text}`theory-slope` ± {glue:text}`theory-slope-stderr`, because the score has mean zero and
#   by the information equality.
# - Gaussian noise of small $\sigma$ measures $\frac12\sigma^2\, \mathrm{Tr}\, F$, and so does, on average, the Fisher
#   penalty with labels drawn from the model. The empirical Fisher is a different quantity.
# - Of an encoder the form stands for the divergence at $\sigma = 0.001$ (their ratio is {glue:text}`theory-mini-form-0`, on
#   real data {glue:text}`theory-real-form-0`). At 0.01, which training with consistency takes, it is from
#   {glue:text}`theory-mini-span-2` in single languages, on real data from {glue:text}`theory-real-span-2`.
# - One function can have a $\mathrm{Tr}\, F$ that differs by a factor of {glue:text}`theory-trace-factor`. Flatness
#   compares functions only where the scale of the layers is pinned down or divided out.
# ```
#
# ```{admonition} Your turn
# :class: tip
# Five classes instead of three; which slopes change, and which do not?
#
#     papermill notebooks/theory.ipynb out.ipynb -p n_states 5
#
# Then try `-p sigma 0.3`: which of the statements about noise survive?
# ```

# %% tags=["remove-input"]
given = {"n_states": n_states, "hidden": hidden, "n_examples": n_examples, "sigma": sigma, "n_draws": n_draws}
provenance([run.key for run in found.runs.values()], given | {"live": live})
