# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Tr F and the weight of the penalty
#
# {cite:t}`stickland2021regularising` propose that consistency losses help because they hold down the trace of the
# Fisher information. Their Figure 1 shows English development accuracy against $\mathrm{Tr}\, F$ at the end of
# training, for models with a consistency loss, with a direct penalty on $\mathrm{Tr}\, F$, and with weight decay. This
# page draws that figure again, tests each of its three statements, and then asks two questions that the figure leaves
# open: does $\mathrm{Tr}\, F$ say anything about the *other* languages, and is small always good?
#
# ```{admonition} What you will learn
# :class: tip
# - How to compute $\mathrm{Tr}\, F$ exactly at little cost, and how far its stand-in in the Fisher penalty is from it.
# - What a weight of the consistency loss, of the Fisher penalty and of the weight decay do to $\mathrm{Tr}\, F$.
# - Why a correlation over models depends on which models are in it: $\mathrm{Tr}\, F$ is small for two reasons.
# ```

# %% tags=["parameters", "hide-input"]
preset: str = "mini"  # sizes: mini (offline miniature), small (20,000 real English pairs) or paper
task: str = ""  # a task of sentence pairs; empty: XNLI, or its miniature
model: str = ""  # mini, a hub id or a folder; empty: the preset's own
kl: list = []  # weights of the consistency loss (MVR); empty: the protocol's
fpen: list = []  # weights of the Fisher penalty; empty: the protocol's
wd: list = []  # weights of the decoupled weight decay; empty: the protocol's
seeds: list = [0, 1]  # random seeds of every setting; at least four models a penalty
live: "int or all" = 1  # models trained here even where a record is committed [count], or all, at least 1
train_size: int = None  # English training pairs [count], 0: all; None: the protocol's own
epochs: int = None  # passes over the training pairs [count]; None: the preset's own
data_dir: str = ""  # folder with the official archives; empty: the hub
store: str = ""  # folder of trained models and measures; empty: runs/ of the checkout
workers: int = 1  # models trained or measured side by side [processes]; the book runs chapters side by side

# %% tags=["hide-cell"]
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from paper import chapters, figures, protocols, records
from paper.notebook import provenance
from paper.protocols.penalties import WEIGHTS, spelled
from xlgen import fisher, models
from xlgen.analysis import binomial_interval, correlate, interval_of_mean, signed
from xlgen.data.catalogue import TASKS
from xlgen.measures.measuring import MeasureConfig, load_model, run_many, subject
from xlgen.objectives import create

figures.use_style()
say = chapters.Say("fisher")
seeds = chapters.words(seeds, int)
kl, fpen, wd = (chapters.words(some, float) for some in (kl, fpen, wd))

# %% [markdown]
# ## Three numbers, one name
#
# With $g(x, y) = \nabla_\theta \log p_\theta(y|x)$ up to its sign, the trace of the Fisher information is
#
# $$ \mathrm{Tr}\, F = \frac1N \sum_{i=1}^{N} \sum_{c=1}^{C} p_\theta(c|x_i)\, \|g(x_i, c)\|^2 . $$ (eq-fisher-trace)
#
# The inner sum is over the labels that the *model* expects; no label of the data enters. Two other numbers go by
# almost the same name. The *Fisher penalty* adds to the loss of a batch of $B$ examples, with labels $\tilde y_i$ drawn
# from the model,
#
# $$ \lambda\, \Big\| \frac1B \sum_{i=1}^{B} g(x_i, \tilde y_i) \Big\|^2, \qquad
# \mathbb{E}_{\tilde y} \Big\| \frac1B \sum_{i=1}^{B} g(x_i, \tilde y_i) \Big\|^2
# = \frac{1}{B^2} \sum_{i=1}^{B} \sum_c p_\theta(c|x_i)\, \|g(x_i, c)\|^2 \approx \frac{\mathrm{Tr}\, F}{B} ,
# $$ (eq-fisher-penalty)
#
# because gradients for independently drawn labels are uncorrelated ({eq}`eq-theory-penalty`). So $B \|\bar g\|^2$ is an
# unbiased but noisy stand-in for $\mathrm{Tr}\, F$. The *empirical Fisher* puts the label of the data in place of the
# sum over $c$; it measures how badly the labels fit as much as anything else. The chapter {doc}`theory` tells the three
# apart on a small network, and derives the other half of the argument: a consistency loss under small independent noise
# on the weights is $\frac12 \sigma^2\, \mathrm{Tr}\, F$ ({eq}`eq-theory-consistency`).

# %% tags=["remove-input"]
contradictions = chapters.conflicts("fisher-labels", "fisher-half", "fisher-norm", "fisher-accuracy")
chapters.box("warning", "Where the papers contradict themselves or each other", *contradictions)

# %% [markdown]
# ```{admonition} What the paper leaves open, and what is chosen here
# :class: note
# - *Which weights.* They stand in the legend of a figure without coordinates. Here: a logarithmic grid for each kind.
# - *Which trace.* Examples, labels and estimator are not said. Here: {eq}`eq-fisher-trace`, exact, with dropout off,
#   over all weights, on the first 200 English development examples.
# - *End of training.* Here the checkpoint with the best accuracy on {glue:text}`fisher-dev-examples` English
#   development examples is kept, so that each model is compared at its best.
# - *Which consistency loss.* That of {cite:t}`wang2021mvr`, multi-view subword regularisation, whose $\lambda$ is the
#   weight $k$. At $k = 0$ it still trains on two segmentations, so it is not vanilla fine-tuning.
# - *L2 penalties.* Here AdamW's decoupled weight decay {cite:p}`loshchilov2019adamw`, towards 0.
# ```
#
# ## The models

# %% tags=["reads:records"]
options = chapters.options_for(store, data_dir)
changed = chapters.given(model=model, train_size=train_size, epochs=epochs)
weights = {**WEIGHTS, **chapters.given(kl=kl or None, fpen=fpen or None, wd=wd or None)}
protocol = protocols.penalties(preset, task=task, weights=weights, seeds=seeds, **changed)
at_least = max(chapters.how_many(live), 1)
found = records.obtain(protocol, options, workers=workers, live=at_least)
trained_here = [key for key in found.runs if key in found.live]  # keys are (penalty, weight, seed)
first = found.runs[trained_here[0]]
config, task_facts = first.config, TASKS[first.config.task]
english = task_facts.source_language

# %% tags=["remove-input"]
evidence = chapters.Evidence("fisher", found, preset, changed, store=options.store)
say(**chapters.facts(found), task=config.task)
LONG = {"kl": "consistency loss", "fpen": "Fisher penalty", "wd": "weight decay"}
grid = {f"{kind}: {LONG[kind]}": ", ".join(f"{w:g}" for w in weights[kind]) for kind in weights}
chapters.run_table(found, task=config.task, batches=config.batch_size, **grid, the_paper="mBERT, 20,000 pairs of XNLI")

# %% tags=["remove-input"]
chapters.records_box(found)

# %% [markdown]
# ## The exact trace at little cost
#
# {eq}`eq-fisher-trace` asks for $C$ gradients of every example. `xlgen.fisher.trace` needs none of them. The squared
# norm of a gradient of a linear map follows from its inputs and from the gradient of its outputs; so the backward pass
# stops at the activations, goes through a whole batch at once, and, as $\sum_c p_c (e_c - p)(e_c - p)^\top$ has rank
# $C - 1$, runs $C - 1$ times. {doc}`speed` has what it costs.
#
# Does it compute the same? Here is {eq}`eq-fisher-trace` by brute force, one gradient for each example and class, in
# double precision, for a model that was trained in this build:

# %%
where = MeasureConfig(("fisher_trace",), (english,), "dev", 200)
batches = subject(first, where, options).batches[english]
few = batches[0].rows(slice(0, 8 if config.model == "mini" else 2)).to("cpu")
exact = load_model(first).double()


def gradients(model, batch):
    """g(x_b, c) for each example and class (B, C, P), and p (B, C)."""
    theta, g, p = list(model.parameters()), [], []
    how = {"retain_graph": True, "allow_unused": True, "materialize_grads": True}
    for b in range(len(batch)):
        inputs = batch.rows(slice(b, b + 1)).inputs
        log_p = model(**inputs).logits[0].log_softmax(dim=0)
        for value in log_p:
            parts = torch.autograd.grad(value, theta, **how)
            g.append(torch.cat([part.flatten() for part in parts]))
        p.append(log_p.detach().exp())
    return torch.stack(g).view(len(batch), len(log_p), -1), torch.stack(p)


g, p = gradients(exact, few)
brute = (p * g.square().sum(dim=2)).sum(dim=1)[few.index.argsort()]
engine = fisher.trace(exact, [few]).values
difference = ((engine - brute) / brute).abs().max().item()
beside = pd.DataFrame({"brute force": brute, "xlgen.fisher.trace": engine}, few.index.sort().values.tolist())
print(beside.to_string(float_format="{:.12g}".format))
print(f"largest relative difference: {difference:.0e}")

# %% [markdown]
# With all gradients at hand, so are the other two numbers: $B \|\bar g\|^2$ for many draws of the labels, and both
# quantities with the labels of the data. All of them are sums of entries of the matrix of inner products
# $\langle g(x_i, c), g(x_j, c') \rangle$.

# %%
n, C, _ = g.shape
inner = g.flatten(0, 1) @ g.flatten(0, 1).T  # (B C, B C)
draws = 4000
generator = torch.Generator().manual_seed(0)
drawn = torch.multinomial(p, draws, replacement=True, generator=generator).T
at = torch.arange(n) * C + torch.cat([drawn, few.labels[None]])  # rows of the matrix: of every draw, and of the data
values = inner[at[:, :, None], at[:, None, :]].sum(dim=(1, 2)) / n  # B ||mean gradient||²
proxies, with_data = values[:-1].numpy(), values[-1].item()
exactly, empirical = brute.mean().item(), inner.diagonal()[at[-1]].mean().item()
mean_proxy = interval_of_mean(proxies)
del g

# %% mystnb={"figure": {"name": "fig-fisher-proxy", "caption": "Distribution of the Fisher penalty's quantity, B times the squared norm of the mean gradient, over draws of the labels from the model, for the few development examples of the check. Solid: its mean. Dashed: the exact trace on the same examples. Dotted: the empirical Fisher, with the labels of the data."}, "image": {"alt": "Histogram on a logarithmic axis, with three vertical lines: the mean of the histogram and the exact trace lie on each other, the trace of the empirical Fisher lies elsewhere."}} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.4))
edges = np.geomspace(max(proxies.min(), 1e-12), proxies.max() * 1.001, 40)
ax.hist(proxies, edges, facecolor=("#009E73", 0.35), edgecolor="#009E73", lw=0.6)
ax.axvline(mean_proxy.value, ls="-", color=figures.INK, lw=2, label="mean of the draws")
ax.axvline(exactly, ls="--", color="#D55E00", lw=2, label="Tr F, exact")
ax.axvline(empirical, ls=":", color="#0072B2", lw=2, label="Tr of the empirical Fisher")
ax.set(xscale="log", xlabel=r"$B\,\|\bar g\|^2$ [nats² / parameter²]", ylabel=f"draws of {draws:,}")
figures.plain_ticks(ax.xaxis)
ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, columnspacing=1.2)
ax.grid(visible=False, axis="x")
plt.show()

# %% [markdown]
# The engine and the loop differ by a relative {glue:text}`fisher-difference`. On these {glue:text}`fisher-checked`
# examples $\mathrm{Tr}\, F$ is {glue:text}`fisher-exact`, and the mean of {glue:text}`fisher-draws` draws of
# $B \|\bar g\|^2$ is {glue:text}`fisher-proxy` (95 % interval). A training step sees a single draw: 95 % of them lie
# from {glue:text}`fisher-proxy-range`, with the median at {glue:text}`fisher-proxy-median` ({numref}`fig-fisher-proxy`).
# With the labels of the data the trace of the empirical Fisher is {glue:text}`fisher-empirical` and $B \|\bar g\|^2$ is
# {glue:text}`fisher-with-data`; neither estimates $\mathrm{Tr}\, F$.
#
# From here on $\mathrm{Tr}\, F$ is the exact one. Averaged over the batches of {glue:text}`fisher-examples` examples, one
# draw of $B \|\bar g\|^2$ is {glue:text}`fisher-stand-in` times as large, over the models of this page (which all get the
# same random numbers, so that these are not independent draws).
#
# ## Figure 1: accuracy against Tr F
#
# What was measured goes into one table, a row for each model, and its means over seeds into another, a row for each
# setting; of $\mathrm{Tr}\, F$ the mean is that of its logarithm. Before you look: which setting has the smallest trace?

# %%
scores = found.frame.pivot_table("value", ["penalty", "weight", "seed"], ["measure", "language"]).loc[list(found.runs)]
targets = [code for code in task_facts.languages if code != english]
measured = 100 * scores["accuracy"][[english, *targets]]
measured["zero-shot"] = measured[targets].mean(axis=1)
measured["dev"] = 100 * scores["dev_accuracy", english]
measured["trace"] = scores["dev_fisher_trace", english]
measured["log trace"] = np.log10(measured["trace"])
measured = measured.reset_index()
by_setting = measured.groupby(["penalty", "weight"], sort=False)
settings = by_setting.mean()
vanilla = ("none", 0.0)
plain_dev, plain_trace = settings["dev"][vanilla], 10 ** settings["log trace"][vanilla]

# %% tags=["remove-input"]
low, middle, high = np.quantile(proxies, (0.025, 0.5, 0.975))
half = (mean_proxy.high - mean_proxy.low) / 2
say(checked=n, draws=f"{draws:,}", difference=f"{difference:.0e}", exact=f"{exactly:.4g}")
say(proxy=f"{mean_proxy.value:.4g} ± {half:.2g}", proxy_range=f"{low:.3g} to {high:.3g}")
say(proxy_median=f"{middle:.3g}", empirical=f"{empirical:.3g}", with_data=f"{with_data:.3g}")
names = lambda some: ", ".join(spelled(*setting) for setting in some) or "none"  # noqa: E731
traces = found.frame[found.frame["measure"] == "dev_fisher_trace"]
stand_in = pd.json_normalize(traces["extra"])["proxy"].to_numpy() / traces["value"].to_numpy()
n_dev = int(found.frame[found.frame["measure"] == "dev_accuracy"]["n"].iloc[0])
say(settings=len(settings), dev_examples=f"{n_dev:,}", examples=f"{traces['n'].iloc[0]}")
say(stand_in=f"{min(stand_in):.2f} to {max(stand_in):.2f}")
reached = [binomial_interval(share / 100, n_dev) for share in by_setting.get_group(vanilla)["dev"]]
guess = chapters.commonest(task_facts, english, "dev", n_dev, options.data_dir)
chapters.unlearnt(reached, guess, f"{english} (vanilla training)")

# %% mystnb={"figure": {"name": "fig-fisher-accuracy", "caption": "The paper's Figure 1 with our models: English development accuracy against Tr F of the kept checkpoint. Crosses: consistency loss (kl), circles: Fisher penalty (fpen), squares: weight decay (wd), star: vanilla; the number beside a mark is the weight. Marks are means over seeds (of Tr F the geometric one); bars reach from the smallest to the largest seed. Right: the same without the settings whose accuracy is far below vanilla's by more than 5 points."}, "image": {"alt": "Two scatter plots of English development accuracy against the trace of the Fisher information on a logarithmic axis, with crosses, circles, squares and a star, each with the weight of its penalty beside it."}} tags=["hide-input"]
TOLERANCE = 5.0  # a setting that lies further below vanilla in English is too heavily penalised [points]
LOOK = {"none": figures.Look(figures.INK, "*"), "wd": figures.Look("#0072B2", "s")}
LOOK |= {"kl": figures.Look(figures.look("mvr").colour, "x"), "fpen": figures.Look(figures.look("fisher").colour, "o")}
LEGEND = {"none": "vanilla"} | {kind: f"{kind}=k, {long}" for kind, long in LONG.items()}
heavy = settings["dev"] < plain_dev - TOLERANCE
lowest, highest = by_setting.min(), by_setting.max()


def scatter(ax, some, score: str) -> None:
    """One mark a setting, with the weight beside it; bars reach over the seeds."""
    for kind, means in some.groupby("penalty", sort=False):
        x, y, at = 10 ** means["log trace"], means[score], means.index
        bars = (lowest["trace"][at], highest["trace"][at]), (lowest[score][at], highest[score][at])
        labels = [f"{weight:g}" if weight else "" for _, weight in at]
        figures.scatter_ranges(ax, x, y, *bars, look=LOOK[kind], legend=LEGEND[kind], labels=labels)
    ax.set(xscale="log", xlabel=r"$\mathrm{Tr}\,F$ [nats² / parameter²]")
    figures.plain_ticks(ax.xaxis)


fig, (left, right) = plt.subplots(1, 2, figsize=(10.4, 4.4))
scatter(left, settings, "dev")
scatter(right, settings[~heavy], "dev")
left.set(ylabel="English development accuracy [%]", title="all settings")
right.set(title=f"within {TOLERANCE:g} points of vanilla, or above it")
fig.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=4)
plt.show()

# %%
HEADLINE, LIGHT = "all settings (Figure 1)", "without the too heavily penalised"
RAW, APART = "all settings, Tr F not as its logarithm", "all models, seeds apart"
points = {HEADLINE: settings, RAW: settings, LIGHT: settings[~heavy], APART: measured}
points |= {f"seed {seed}": some for seed, some in measured.groupby("seed", sort=False)}
points |= {f"{kind} and vanilla": settings.loc[["none", kind]] for kind in weights if len(weights[kind]) >= 3}
trace_of = {name: some["trace" if name == RAW else "log trace"] for name, some in points.items()}
answers = {name: correlate(trace_of[name], some["dev"]) for name, some in points.items()}
seeds_apart = by_setting[["trace", "log trace", "dev"]].var().mean() ** 0.5  # of one model, pooled over the settings


def without_noise(name: str):
    """The reliability, and r corrected for error: what seeds move; None for one seed, which cannot say."""
    x, y = trace_of[name], points[name]["dev"]
    models = len(measured) / len(settings) if points[name].index.nlevels == 2 else 1  # of a point
    errors = [np.full(len(x), seeds_apart[column.name] / models**0.5) for column in (x, y)]
    return chapters.noise_of(x, errors[0], y, errors[1])


# %% tags=["remove-input"]
evidence.settle("stickland-f1-accuracy", answers[HEADLINE])
say(verdict_accuracy=str(evidence.verdict("stickland-f1-accuracy")), headline=f"{answers[HEADLINE]:.2f}")
say(goes=chapters.goes(answers[HEADLINE]))
say(heavy=names(settings.index[heavy]), tolerance=f"{TOLERANCE:g}", light=f"{answers[LIGHT]:.2f}")
say(raw=f"{answers[RAW]:.2f}", apart=f"{answers[APART]:.2f}")
caption = """English development accuracy and log₁₀ Tr F. A point is a setting (mean over seeds) unless said otherwise; \
intervals are over the points. Reliability: the share of the variance of log₁₀ Tr F that seeds do not explain. The \
paper prints no coefficient"""
chapters.correlation_table(answers, caption, {name: without_noise(name) for name in answers})

# %% [markdown]
# What is a point, which axis, which settings? Over the {glue:text}`fisher-settings` settings
# {glue:text}`fisher-headline`. The paper says that a larger $\mathrm{Tr}\, F$ goes with a lower accuracy, so that $r$
# should be negative. The verdict: {glue:text}`fisher-verdict-accuracy`. Without the settings more than
# {glue:text}`fisher-tolerance` points below vanilla ({glue:text}`fisher-heavy`), {glue:text}`fisher-light`. The paper's
# axis cannot be read; without the logarithm {glue:text}`fisher-raw`. With every seed as a point of its own,
# {glue:text}`fisher-apart`, an interval too narrow, as two seeds of one setting are not two independent settings.
#
# ```{admonition} Whoever chooses the weights chooses the correlation
# :class: warning
# The points of this figure are not a sample of anything. Add heavier penalties, and more of them have learnt little;
# add weaker ones, and more of them lie beside vanilla. A correlation over them describes the grid as much as the
# world, and its interval, which takes the settings for independent draws, does not know this.
# ```
#
# ## Tr F against the weight
#
# The paper's second statement is about cause: turn up the weight, and $\mathrm{Tr}\, F$ falls. Here the weights are
# set by us, so a correlation with them is an effect. Only their order matters, so it is Spearman's coefficient; and
# models are compared within their seed, which sets the new head and with it a level of $\mathrm{Tr}\, F$.

# %% mystnb={"figure": {"name": "fig-fisher-weights", "caption": "Tr F against the weight of each penalty, both axes logarithmic. Marks: one model each; lines: geometric mean over seeds; band: vanilla models, from the smallest to the largest seed."}, "image": {"alt": "Three panels side by side, one a penalty, of the trace against the weight on logarithmic axes, with a horizontal band for vanilla fine-tuning."}} tags=["hide-input"]
panels = dict(zip(weights, plt.subplots(1, len(weights), figsize=(10.4, 3.6), sharey=True)[1], strict=True))
for kind, ax in panels.items():
    mean, one_each, style = settings.loc[kind].sort_index(), measured[measured["penalty"] == kind], LOOK[kind]
    ax.axhspan(lowest["trace"][vanilla], highest["trace"][vanilla], color=figures.FAINT, alpha=0.3, lw=0)
    ax.axhline(plain_trace, color=figures.FAINT, lw=1, label="vanilla")
    ax.plot(mean.index, 10 ** mean["log trace"], color=style.colour, lw=1.2)
    size = {"ls": "none", "mew": 2 if kind == "kl" else 0.5}
    ax.plot(one_each["weight"], one_each["trace"], style.marker, color=style.colour, **size)
    ax.set(xscale="log", yscale="log", xlabel=f"weight of the {LONG[kind]}", title=kind)
    ax.set_xticks(mean.index, [f"{weight:g}" for weight in mean.index])
    ax.set_xticks([], minor=True)
figures.plain_ticks(panels["kl"].yaxis)
panels["kl"].set_ylabel(r"$\mathrm{Tr}\,F$ [nats² / parameter²]")
panels["kl"].legend()
plt.show()


# %%
def effect(kind, vanilla_too, within_seeds=True):
    """Correlation of weight and log Tr F over the models of a kind; vanilla has weight 0."""
    some = measured[measured["penalty"].isin([kind, "none"] if vanilla_too else [kind])]
    log_trace = np.log(some["trace"])
    level = log_trace.groupby(some["seed"]).transform("mean") if within_seeds else 0.0
    return correlate(some["weight"], log_trace - level)


# at weight 0 the penalties are exactly vanilla training; MVR is not, it still trains on two segmentations
effects = {kind: effect(kind, vanilla_too=kind != "kl") for kind in weights}

# %% tags=["remove-input"]
body = []
for kind in effects:
    own = measured[measured["penalty"] == kind]
    power = np.polyfit(np.log(own["weight"]), np.log(own["trace"]), 1)[0]
    heaviest = 10 ** settings["log trace"][kind].sort_index().iloc[-1] / plain_trace
    for vanilla_too in [too for too in (False, True) if len(own) + too * len(seeds) >= 4]:
        c, raw = effect(kind, vanilla_too), effect(kind, vanilla_too, within_seeds=False)
        label = f"{kind}, {LONG[kind]}" + ", vanilla as weight 0" * vanilla_too
        more = ("", "") if vanilla_too else (signed(power, 2), f"{heaviest:.2g}")
        ranks = (f"{c.interval('spearman'):.3f}", f"{c.spearman.p:.2g}", signed(raw.spearman.value))
        body.append((label, c.n, *ranks, *more))
for claim, kinds in {"consistency": ["kl"], "penalty": ["fpen", "none"]}.items():
    keys = [key for key in found.runs if key[0] in kinds]
    evidence.settle(f"stickland-f1-{claim}", effects[kinds[0]].interval("spearman"), keys)
    told = evidence.verdict(f"stickland-f1-{claim}")
    say(**{f"verdict_{claim}": str(told), f"outcome_{claim}": told.outcome})
say(**{f"fall_{kind}": f"ρ = {c.interval('spearman'):.2f}" for kind, c in effects.items()})
chapters.table(
    ("", "n", "Spearman's ρ [95 %]", "p", "ρ, levels left in", "fitted power of the weight", "heaviest / vanilla"),
    body,
    "Weight and Tr F over models, the mean of log Tr F over the models of a seed taken off (a seed's head sets a level "
    "that is common to its models). A power of −1 halves Tr F where the weight doubles. Last: Tr F at the heaviest weight",
)

# %% [markdown]
# Of the weight and $\mathrm{Tr}\, F$ the consistency loss has {glue:text}`fisher-fall-kl`, the Fisher penalty
# {glue:text}`fisher-fall-fpen`, weight decay {glue:text}`fisher-fall-wd`; 0 in the interval settles no direction.
#
# ## Does the Fisher penalty do what the consistency loss does?
#
# The paper's third statement is that it has "a similar effect". The ledger makes that a number: the best English
# development accuracy of either kind, over the weights, differs by at most one point. The best of a kind is taken
# within each seed, and the interval is over seeds.

# %%
top = measured.groupby(["penalty", "seed"])["dev"].max()
gap = interval_of_mean(top["kl"] - top["fpen"])
best = {kind: (kind, settings["dev"][kind].idxmax()) for kind in weights}

# %% tags=["remove-input"]
evidence.settle("stickland-f1-similar", gap, [key for key in found.runs if key[0] in ("kl", "fpen")])
ratio = 10 ** abs(settings["log trace"][best["kl"]] - settings["log trace"][best["fpen"]])
similar = evidence.verdict("stickland-f1-similar")
say(verdict_similar=str(similar), outcome_similar=similar.outcome, gap=f"{gap:.2f}", apart_trace=f"{ratio:.2f}")
say(best_kl=spelled(*best["kl"]), best_fpen=spelled(*best["fpen"]))
body = []
for setting, mean in settings.sort_values("log trace").iterrows():
    scored = [f"{mean[score]:.2f}" for score in ("dev", english, "zero-shot")] + [signed(mean["dev"] - plain_dev, 1)]
    change = "" if setting == vanilla else f"{interval_of_mean(mean[targets] - settings.loc[vanilla, targets]):.2f}"
    body.append((spelled(*setting), f"{10 ** mean['log trace']:.3g}", *scored, change))
columns = "Tr F", "English dev", "English test", "zero-shot", "dev minus vanilla", "zero-shot minus vanilla, 95 %"
caption = "Accuracy [%] of each setting, by Tr F; zero-shot: mean of the targets, test; paired interval over languages"
chapters.table(("setting", *columns), body, caption)

# %% [markdown]
# The best model with a consistency loss minus the best one with a Fisher penalty: {glue:text}`fisher-gap` points
# ({glue:text}`fisher-seeds`, Student-t). Equal accuracy need not mean an equal cause: at their best weights,
# {glue:text}`fisher-best-kl` and {glue:text}`fisher-best-fpen`, they differ in $\mathrm{Tr}\, F$ by a factor of
# {glue:text}`fisher-apart-trace`. And the largest of several noisy accuracies lies above all their true values, as an
# exercise shows.
#
# ## Beyond the paper: the other languages
#
# The title of the paper promises cross-lingual generalisation, but its Figure 1 is about English. With the same models:
# does $\mathrm{Tr}\, F$ *in English* go with accuracy in languages that the model was never fine-tuned on?

# %% mystnb={"figure": {"name": "fig-fisher-zero-shot", "caption": "Left: mean test accuracy over the target languages against Tr F in English; marks and bars as in the figure above. Right: Pearson's r of log Tr F and test accuracy, over the settings, with its 95 % interval, for the mean and for each language; the last row is English."}, "image": {"alt": "Left: a scatter plot of zero-shot accuracy against the trace on a logarithmic axis. Right: one correlation with a horizontal interval for each language."}} tags=["hide-input"]
over_settings = {"mean of targets": correlate(settings["log trace"], settings["zero-shot"])}
over_settings |= {code: correlate(settings["log trace"], settings[code]) for code in (*targets, english)}
fig, (left, right) = plt.subplots(1, 2, figsize=(10.4, 0.27 * len(over_settings) + 1.4))
scatter(left, settings, "zero-shot")
left.set(ylabel="zero-shot accuracy, mean of targets [%]")
left.legend()
figures.forest(right, over_settings)
right.set_xlabel("Pearson's r of log Tr F and accuracy, 95 %")
plt.show()

# %% [markdown]
# For the mean of the target languages {glue:text}`fisher-zero-shot`; without the too heavily penalised settings
# {glue:text}`fisher-zero-shot-light`. The interval excludes 0 in {glue:text}`fisher-n-settled` of the
# {glue:text}`fisher-n-targets` target languages, and the sign is negative in {glue:text}`fisher-n-negative` of these.
# That $\mathrm{Tr}\, F$ adds something where English development accuracy is held fixed {glue:text}`fisher-beyond`. That is
# the question that matters for whoever chooses a model: English accuracy is known anyway.
#
# ## Is small always good?
#
# $\mathrm{Tr}\, F$ is small where the model is certain ({eq}`eq-theory-softmax`), and it is small where the outputs
# hardly depend on the weights, whatever has been learnt. Two numbers tell these reasons apart: how undecided the model
# is, $1 - \|p\|^2$, and the trace divided by it. They are compared for the pretrained encoder with its new, random
# head, which knows nothing of the task, and for what training makes of it. The part of the trace that belongs to the
# weights of the encoder is given apart from that of the head.


# %%
DIGITS = {"Tr F": ".3g", "encoder": ".3g", "head": ".3g", "head / Tr F": ".0%", "1 − ‖p‖²": ".3f"}
DIGITS |= {"of its maximum": ".0%", "Tr F / (1 − ‖p‖²)": ".3g", "accuracy": ".1%"}


def parts(model) -> list[float]:
    """Tr F and that of the encoder's and the head's weights, how undecided the model is, and accuracy."""
    inner = [f"{model.base_model_prefix}.{name}" for name, _ in model.base_model.named_parameters()]
    whole, encoder = fisher.trace(model, batches).mean, fisher.trace(model, batches, names=inner).mean
    right, doubts = [], []
    for batch in batches:
        with torch.no_grad():
            p = model(**batch.inputs).logits.double().softmax(dim=1)
        right.append(p.argmax(dim=1) == batch.labels)
        doubts.append(1 - p.square().sum(dim=1))
    doubt, accuracy = torch.cat(doubts).mean().item(), torch.cat(right).double().mean().item()
    head = whole - encoder
    return [whole, encoder, head, head / whole, doubt, doubt / (1 - 1 / n_labels), whole / doubt, accuracy]


n_labels = len(task_facts.labels)
looked = {"untrained": models.load_classifier(config.model, n_labels, seed=config.seed, kind=task_facts.kind)}
looked |= {spelled(*key[:2]): load_model(found.runs[key]) for key in trained_here[:at_least]}
device = batches[0].labels.device
split = pd.DataFrame({name: parts(model.to(device)) for name, model in looked.items()}, [*DIGITS]).T

# %% tags=["remove-input"]
settled = [over_settings[code].pearson for code in targets if 0 not in over_settings[code].pearson]
light = correlate(settings["log trace"][~heavy], settings["zero-shot"][~heavy])
say(zero_shot=f"{over_settings['mean of targets']:.2f}", zero_shot_light=f"{light:.2f}")
say(n_settled=len(settled), n_targets=len(targets), n_negative=sum(r.value < 0 for r in settled))
say(beyond=chapters.adds(chapters.held_fixed(settings["log trace"], settings["zero-shot"], settings["dev"])))
new, old = split.iloc[0], split.iloc[1]
flatter, top = settings[settings["log trace"] < settings["log trace"][vanilla]], settings["dev"].idxmax()
share = settings["dev"][top] / 100
noise = 196 * math.sqrt(2 * share * (1 - share) / (n_dev * len(seeds)))  # 95 % of the differences of two equal models
below = settings[settings["log trace"] < settings["log trace"][top]]
clearly_worse = names(below.index[below["dev"] < settings["dev"][top] - noise])
if new["Tr F"] < 10 ** settings["log trace"][top] and 100 * new["accuracy"] < settings["dev"][top] - noise:
    clearly_worse += ", the untrained model"
say(untrained_times=f"{new['Tr F'] / old['Tr F']:.2f}", untrained_mean=f"{new['Tr F'] / plain_trace:.2f}")
say(n_penalised=len(settings) - 1, n_flatter=len(flatter))
say(flatter_better=names(flatter.index[flatter["dev"] > plain_dev]), best=spelled(*top), noise=f"{noise:.1f}")
say(clearly_worse=clearly_worse)
body = [(name, *map(format, row, DIGITS.values())) for name, row in split.iterrows()]
body.append((f"{split.index[1]} / untrained", *(f"{ratio:.2f}" for ratio in old / new)))
caption = """Two reasons for a small Tr F [nats² / parameter²]: the whole, the parts of encoder and head, and how undecided the \
model is; models of this build (each of its own seed), on the development examples of the trace"""
chapters.table(("model", *DIGITS), body, caption)

# %% [markdown]
# Before training $\mathrm{Tr}\, F$ is {glue:text}`fisher-untrained-times` times that of the vanilla model
# beside it ({glue:text}`fisher-untrained-mean` times the mean over the seeds), with nothing learnt. Training moves both factors; the table has by how much. The new head has small random weights, through which
# the logits feel little of the encoder, so much of the untrained model's trace belongs to the head.
#
# Of the {glue:text}`fisher-n-penalised` settings with a penalty {glue:text}`fisher-n-flatter` end with a smaller
# $\mathrm{Tr}\, F$ than vanilla (they stand above it in the table of settings); better in English are of these:
# {glue:text}`fisher-flatter-better`. If accuracy simply fell as $\mathrm{Tr}\, F$ grows, nothing with a smaller trace
# than the best setting, {glue:text}`fisher-best`, could be worse. Two equal models may differ by
# {glue:text}`fisher-noise` points on so many examples; worse by more than that, with a smaller trace, are:
# {glue:text}`fisher-clearly-worse`. A small trace alone says little of what has been learnt.
#
# ## How Tr F develops
#
# If it starts small and ends small, what lies between? {cite:t}`jastrzebski2021catastrophic` speak of an early
# "explosion". The objective `fisher` logs $B \|\bar g\|^2$ at each step at which it computes the penalty. With weight
# 0 it changes nothing and only watches: vanilla training, seen through the same instrument.

# %%
often = {"objective": "fisher", "hyper": {"weight": 0.0, "every_k": 4}, "evals_per_epoch": 4, "dev_size": 200}
watching = protocol.configs[(*vanilla, seeds[0])].with_(**often)
(watched,) = run_many([watching], options, workers)
logs = {"vanilla, watched": watched.log}
logs |= {spelled("fpen", weight): found.runs["fpen", weight, seeds[0]].log for weight in sorted(weights["fpen"])}
looks = {name: pd.DataFrame(log) for name, log in logs.items()}
for log in looks.values():  # an estimate is the mean over the steps since the last look, where the penalty was computed
    log["middle"] = (log["epoch"] + log["epoch"].shift(fill_value=0)) / 2
looks = {name: log.dropna(subset="fisher_trace") for name, log in looks.items()}

# %% mystnb={"figure": {"name": "fig-fisher-develops", "caption": "The logged estimate of Tr F over training, of the first seed: means since the last look, with sampled labels on training batches and with dropout, drawn at the middle of the steps they are over. Dashed: Tr F before training, exact, on development examples."}, "image": {"alt": "Lines of the logged trace against the epoch on a logarithmic axis, one for a vanilla training and one for each weight of the Fisher penalty, and a dashed line for the untrained model."}} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(7.2, 3.8))
tones = [figures.INK, *plt.get_cmap("cividis")(np.linspace(0.0, 0.85, len(looks) - 1))]
for (name, log), tone, marker in zip(looks.items(), tones, " " + "v^Ds<>o" * len(looks), strict=False):
    width = 2.2 if name.startswith("vanilla") else 1.2
    ax.plot(log["middle"], log["fisher_trace"], f"{marker.strip()}-", color=tone, lw=width, label=name)
ax.axhline(new["Tr F"], ls="--", color=figures.FAINT, lw=1.2, label="untrained")
ax.set(yscale="log", xlabel="epoch", ylabel=r"$B\,\|\bar g\|^2$ [nats² / parameter²]", xlim=(0, None))
figures.plain_ticks(ax.yaxis)
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# In vanilla training the estimate has its largest mean, {glue:text}`fisher-peak`, at epoch
# {glue:text}`fisher-peak-epoch`: {glue:text}`fisher-peak-untrained` times the untrained model's trace, and
# {glue:text}`fisher-peak-last` times the last one, {glue:text}`fisher-last` ({numref}`fig-fisher-develops`). "At the end
# of training" is a choice too. These means are of training batches with dropout, so they
# do not continue the exact values of the other figures.
#
# ## Exercises
#
# ```{exercise} ★ The weight and the batch
# :label: fisher-ex-batch
#
# A colleague doubles the batch size from $B$ to $2B$ and keeps the weight $\lambda$ of the Fisher penalty. (a) What
# happens to the pull on $\mathrm{Tr}\, F$, by {eq}`eq-fisher-penalty`? (b) And with the labels of the data, early and
# late in training?
# ```
#
# ```{solution} fisher-ex-batch
# :class: dropdown
#
# (a) The expected penalty is $\lambda\, \mathrm{Tr}\, F / B$, so it halves; $\lambda$ has to double. A weight `fpen=k`
# without its batch size says nothing. (b) With the labels of the data {eq}`eq-theory-penalty` has a second term,
# $(1 - \frac1B) \|\mathbb{E} g\|^2$, the squared gradient of the training loss. Early on it dominates and hardly
# depends on $B$; near a minimum it vanishes, and the trace of the empirical Fisher divided by $B$ is left.
# ```
#
# ````{exercise} ★★ The best of several
# :label: fisher-ex-best
#
# Suppose that the consistency loss and the Fisher penalty were exactly the same method, with the same true accuracy at
# every weight, and that models of one setting differ over seeds only by chance. How often would the best of the one
# kind and the best of the other differ by more than one point, on as many development examples as here?
# ````
#
# ````{solution-start} fisher-ex-best
# :class: dropdown
# ````
#
# Draw accuracies from the binomial distribution with the same probability of success, as many for each kind as there
# are weights, and compare the two maxima. (Training noise comes on top; that all models see the same examples makes
# the differences smaller.)

# %%
rng = np.random.default_rng(0)
true = settings["dev"].max() / 100
tops = []
for kind in ("kl", "fpen"):
    accuracies = rng.binomial(n_dev, true, (20_000, len(weights[kind])))
    tops.append(100 * accuracies.max(axis=1) / n_dev)
often, above = (np.abs(tops[0] - tops[1]) > 1).mean(), tops[0].mean() - 100 * true
print(f"{n_dev} examples, true accuracy {100 * true:.1f} %; more than one point apart in {often:.0%} of the cases")
print(f"the best lies {above:.2f} points above the truth")

# %% [markdown]
# So a single comparison of two maxima on these examples cannot show that two methods are the same; what would be
# needed is the paired difference of many seeds at weights that were chosen on other examples.
#
# ````{solution-end}
# ````
#
# ```{exercise} ★★★ A flatter model with the same predictions
# :label: fisher-ex-scale
#
# (a) Multiply the logits of a trained model by $s > 1$. What happens to its accuracy, and to $\mathrm{Tr}\, F$ for
# $s \to \infty$? (b) Weight decay shrinks the head. Which way does that push $\mathrm{Tr}\, F$ of an undecided and of a
# certain model? (c) Which of the settings of {numref}`fig-fisher-accuracy` would you trust to be *flatter*, rather than
# only scaled?
# ```
#
# ```{solution} fisher-ex-scale
# :class: dropdown
#
# (a) Accuracy stays. The Jacobian of the logits grows by $s$, its square by $s^2$, but $\mathrm{diag}(p) - p p^\top$
# falls exponentially in $s$ wherever the largest logit is unique: $\mathrm{Tr}\, F \to 0$. (b) With a smaller head both
# effects reverse. An undecided model, whose $1 - \|p\|^2$ is near its maximum already, only loses in the Jacobian:
# $\mathrm{Tr}\, F$ falls. A certain model becomes less certain, and $\mathrm{Tr}\, F$ can rise.
# (c) None on this evidence. Compare the cross-entropy, which a change of scale does alter, and an invariant measure
# ({doc}`theory`, {doc}`sharpness`).
# ```
#
# ## The verdicts

# %% tags=["remove-input"]
seen = looks["vanilla, watched"]
peak, last = seen.loc[seen["fisher_trace"].idxmax()], seen["fisher_trace"].iloc[-1]
say(peak=f"{peak['fisher_trace']:.3g}", peak_epoch=f"{peak['epoch']:.2f}", last=f"{last:.3g}")
say(peak_untrained=f"{peak['fisher_trace'] / new['Tr F']:.2f}", peak_last=f"{peak['fisher_trace'] / last:.2f}")
low, high = settings["dev"]["fpen"].min(), settings["dev"]["fpen"].max()
shares = f"the exact trace is {exactly:.3g} with the model's labels and {empirical:.3g} with those of the data"
evidence.choice("fisher-labels", f"On {n} development examples {shares}.")
span = f"from {low:.1f} to {high:.1f} % (at {spelled(*best['fpen'])}); vanilla has {plain_dev:.1f} %"
why = f"Over the weights of the Fisher penalty English development accuracy goes {span}."
evidence.choice("fisher-accuracy", f"{why} The weight decides which of the papers is right.")
evidence.table("Figure 1", caption="Figure 1 of the paper, and ours")

# %% [markdown]
# ## The same on real text
#
# Of a real encoder on XNLI: what the penalties cost or bring at the weights that are recorded, and how $\operatorname{Tr} F$
# goes with accuracy over the languages of one model.

# %% tags=["remove-input", "reads:records"]
real = records.committed(
    protocols.penalties("real", weights=WEIGHTS | {"kl": (*WEIGHTS["kl"], create("mvr").lam)}, seeds=chapters.SEEDS)
)
over = records.committed(protocols.seeds("real", seeds=chapters.SEEDS))
chapters.show(chapters.real_box(real, over))
chapters.show(chapters.real_table(real, "Accuracy [%] of the recorded models", lambda key: spelled(*key[:2])))
caption = "Real data: correlation over the target languages, mean over seeds, 95 % bootstrap over languages"
chapters.show(chapters.real_relations(over, {"Tr F": "fisher_trace"}, caption, lambda key: key[0]))
changes = chapters.real_changes(real, lambda key: spelled(*key[:2]))
chapters.show(chapters.reading(changes, chapters.real_relation(over, "Tr F", "fisher_trace", lambda key: key[0])))

# %% [markdown]
# ```{admonition} Concept check: In the paper's Figure 1, models with a smaller $\mathrm{Tr}\, F$ are more accurate: lower it, and accuracy rises. True?
# :class: dropdown
# *It does not follow.* The misconception is that a correlation over models that we chose is an effect. The trace is small
# where a model is certain and where its outputs hardly depend on the weights. A constant answer, given with certainty, has
# a trace of 0, and a penalty that is heavy enough may find it.
# ```
#
# ```{admonition} What we learnt
# :class: important
# - Over the settings, accuracy in English {glue:text}`fisher-goes` $\mathrm{Tr}\, F$ ({glue:text}`fisher-headline`); the
#   paper says that it falls. For the other languages {glue:text}`fisher-zero-shot`.
# - That $\mathrm{Tr}\, F$ falls as a weight grows: {glue:text}`fisher-outcome-consistency` for the consistency loss,
#   {glue:text}`fisher-outcome-penalty` for the Fisher penalty. That the two do alike: {glue:text}`fisher-outcome-similar`.
# - A small trace alone says little: smaller than the best setting's, and worse: {glue:text}`fisher-clearly-worse`.
# - All of this is of {glue:text}`fisher-encoder` on {glue:text}`fisher-task`, {glue:text}`fisher-pairs` pairs,
#   {glue:text}`fisher-seeds`. The paper has mBERT on 20,000 pairs of XNLI.
# ```
#
# ```{admonition} Your turn
# :class: tip
# A finer grid of the Fisher penalty, all models trained here:
#
#     papermill notebooks/fisher.ipynb out.ipynb -p fpen 0.003,0.01,0.03,0.1,0.3 -p seeds 0,1,2
#
# The paper's size, on its data with its encoder (a GPU and a day):
#
#     papermill notebooks/fisher.ipynb out.ipynb -p preset small -p data_dir archives
# ```

# %% tags=["remove-input"]
given = {"preset": preset, "task": config.task, "model": config.model, "seeds": seeds, "live": live, **weights}
runs = [run.key for run in (*found.runs.values(), watched)]
provenance(runs, given | chapters.given(train_size=train_size, epochs=epochs))
