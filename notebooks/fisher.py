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

# %% tags=["parameters"]
preset: str = "mini"  # sizes: mini (offline miniature), small (20,000 real English pairs) or paper
task: str = ""  # a task of sentence pairs; empty: XNLI, or its miniature
model: str = ""  # mini, a hub id or a folder; empty: the preset's own
kl: list = []  # weights of the consistency loss (MVR); empty: the protocol's
fpen: list = []  # weights of the Fisher penalty; empty: the protocol's
wd: list = []  # weights of the decoupled weight decay; empty: the protocol's
seeds: list = [0, 1]  # random seeds, every setting is trained with each
live: int = 1  # models trained in this build even where a record is committed [count], at least 1
tolerance: float = 5.0  # a setting this far below vanilla in English counts as too heavily penalised [points]
checked: int = 8  # examples of the check by brute force [count]; each takes C times the memory of the weights
draws: int = 4000  # draws of the labels in the check [count]
watched: int = 4  # looks in an epoch at how the trace develops, one more training [count]; 0: none
data_dir: str = ""  # folder with the official archives, relative to the working directory; empty: the hub
text_dir: str = ""  # not needed by these objectives
train_size: int = None  # English training pairs [count], 0 for all; None: the protocol's own
epochs: int = None  # passes over the training pairs [count]; None: the preset's own
size: int = 500  # test examples of each language [count]; 0: all
store: str = ""  # folder of trained models and measures; empty: runs/ of the checkout
workers: int = 2  # models trained or measured side by side [processes]
threads: int = 1  # CPU threads of each [count]

# %%
import math

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from myst_nb import glue

from paper import chapters, figures, ledger, protocols, records
from paper.notebook import provenance
from paper.protocols.penalties import WEIGHTS
from paper.published import contradictions
from xlgen import fisher, models
from xlgen.analysis import (
    AGREES,
    DISAGREES,
    AnalysisError,
    binomial_interval,
    correlate,
    interval_of_mean,
    partial_correlation,
    signed,
    verdict,
)
from xlgen.data.catalogue import TASKS
from xlgen.measures.measuring import MeasureConfig, load_model, run_many, subject

figures.use_style()
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

# %% tags=["hide-input"]
known = {row.id: row for row in contradictions()}
chapters.box(
    "warning",
    "Where the papers contradict themselves or each other",
    *(
        f"{known[name].sentence} Here: {known[name].choice}"
        for name in ("fisher-labels", "fisher-half", "fisher-norm", "fisher-accuracy")
        if name in known
    ),
)

# %% [markdown]
# ```{admonition} What the paper leaves open, and what is chosen here
# :class: note
# - *Which weights.* They stand in the legend of a figure without coordinates. Here: a logarithmic grid for each kind.
# - *Which trace.* Examples, labels and estimator are not said. Here: {eq}`eq-fisher-trace`, exact, with dropout off,
#   over all weights, on the first 200 English development examples.
# - *End of training.* Here the checkpoint with the best English development accuracy is kept, so that each model is
#   compared at its best, and a model that has overfitted later is not.
# - *Which consistency loss.* "The same loss and hyper-parameters as" {cite:t}`wang2021mvr`: multi-view subword
#   regularisation, whose $\lambda$ is the weight $k$. At $k = 0$ it still trains on two segmentations, so it is not
#   vanilla fine-tuning.
# - *L2 penalties.* Here AdamW's decoupled weight decay {cite:p}`loshchilov2019adamw`, towards 0.
# ```
#
# ## The models

# %% tags=["reads:records"]
options = chapters.options_for(store, data_dir, text_dir, threads)
common = chapters.given(model=model, train_size=train_size, epochs=epochs)
every_seed = seeds
weights = {}
for kind, some in {"kl": kl, "fpen": fpen, "wd": wd}.items():
    weights[kind] = some or list(WEIGHTS[kind])
protocol = protocols.penalties(
    preset,
    **chapters.given(task=task),
    weights=weights,
    seeds=every_seed,
    size=size,
    **common,
)
found = records.obtain(protocol, options, workers=workers, live=max(live, 1))

vanilla = ("none", 0.0)
settings = list(dict.fromkeys(key[:2] for key in found.runs))
penalised = [setting for setting in settings if setting != vanilla]
first = next(key for key in found.runs if key in found.live)
config = found.runs[first].config
facts = TASKS[config.task]
english = facts.source_language

measured = {}  # of each model, by split and measure
for key, each in found.measured.items():
    measured[key] = {
        (one.split, name): values
        for one, part in zip(found.measures[key], each, strict=True)
        for name, values in part.items()
    }

# %% tags=["hide-input"]
# a setting is spelled as in the paper: kl=k, fpen=k
SPELLED = {"none": "vanilla", "kl": "kl", "fpen": "fpen", "wd": "wd"}
LONG = {"kl": "consistency loss", "fpen": "Fisher penalty", "wd": "weight decay"}
manifest = found.runs[first].manifest
encoder = "the shipped miniature" if config.model == "mini" else config.model.rpartition("/")[2]
seeded = "one seed" if len(every_seed) == 1 else f"{len(every_seed)} seeds"
glue("fisher-task", config.task, display=False)
glue("fisher-encoder", encoder, display=False)
glue("fisher-pairs", f"{manifest['train_pairs']:,}", display=False)
glue("fisher-seeds", seeded, display=False)
glue("fisher-models", f"{len(found.runs)}", display=False)
glue("fisher-settings", f"{len(settings)}", display=False)
chapters.table(
    ("setting", "value"),
    [
        ("task", f"{config.task}, trained in {english}"),
        ("encoder", encoder),
        *((f"{SPELLED[k]}: {LONG[k]}", ", ".join(f"{w:g}" for w in weights[k])) for k in weights),
        ("training", f"{manifest['train_pairs']:,} pairs, {config.epochs} epochs, {manifest['steps']:,} steps"),
        ("optimizer", f"AdamW, batches of {config.batch_size}, peak learning rate {config.lr:g}, clip {config.clip:g}"),
        ("checkpoint", f"best accuracy on {manifest['dev_pairs']:,} English development pairs"),
        ("seeds", ", ".join(map(str, every_seed))),
    ],
    f"{len(found.runs)} models; the paper has mBERT on 20,000 pairs of XNLI",
)

# %% tags=["hide-input"]
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
batches = subject(found.runs[first], where, options).batches[english]
few = batches[0].rows(slice(0, checked)).to("cpu")
exact = load_model(found.runs[first]).double()


def gradients(model, batch):
    """g(x_b, c) for each example and class (B, C, P), and p (B, C)."""
    theta, g, p = list(model.parameters()), [], []
    how = dict(
        retain_graph=True,
        allow_unused=True,
        materialize_grads=True,
    )
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
order = few.index.sort().values
print("example   brute force        xlgen.fisher.trace")
for row, one, other in zip(order, brute, engine, strict=True):
    print(f"{row:7d}   {one:.12g}".ljust(29) + f"{other:.12g}")
print(f"largest relative difference: {difference:.0e}")

# %% [markdown]
# With all gradients at hand, so are the other two numbers: $B \|\bar g\|^2$ for many draws of the labels, and both
# quantities with the labels of the data. All of them are sums of entries of the matrix of inner products
# $\langle g(x_i, c), g(x_j, c') \rangle$.

# %%
n, C, _ = g.shape
inner = g.flatten(0, 1) @ g.flatten(0, 1).T  # (B C, B C)
generator = torch.Generator().manual_seed(0)


def proxy(y):
    """B ||mean gradient||² for labels (m, B)."""
    at = torch.arange(n) * C + y
    return inner[at[:, :, None], at[:, None, :]].sum(dim=(1, 2)) / n


drawn = torch.multinomial(p, draws, replacement=True, generator=generator)
proxies = proxy(drawn.T).numpy()
of_data = torch.arange(n) * C + few.labels
exactly = brute.mean().item()
empirical = inner.diagonal()[of_data].mean().item()
with_data = proxy(few.labels[None]).item()
del g

# %% tags=["hide-input"]
mean_proxy = interval_of_mean(proxies)
glue("fisher-checked", f"{n}", display=False)
glue("fisher-draws", f"{draws:,}", display=False)
glue("fisher-difference", f"{difference:.0e}", display=False)
glue("fisher-exact", f"{exactly:.4g}", display=False)
reach = (mean_proxy.high - mean_proxy.low) / 2
glue("fisher-proxy", f"{mean_proxy.value:.4g} ± {reach:.2g}", display=False)
low, middle, high = np.quantile(proxies, (0.025, 0.5, 0.975))
glue("fisher-proxy-range", f"{low:.3g} to {high:.3g}", display=False)
glue("fisher-proxy-median", f"{middle:.3g}", display=False)
glue("fisher-empirical", f"{empirical:.3g}", display=False)
glue("fisher-with-data", f"{with_data:.3g}", display=False)

# %% mystnb={"figure": {"name": "fig-fisher-proxy", "caption": "Distribution of the Fisher penalty's quantity, B times the squared norm of the mean gradient, over draws of the labels from the model, for the few development examples of the check. Solid: its mean. Dashed: the exact trace on the same examples. Dotted: the empirical Fisher, with the labels of the data."}, "image": {"alt": "Histogram on a logarithmic axis, with three vertical lines: the mean of the histogram and the exact trace lie on each other, the trace of the empirical Fisher lies elsewhere."}} tags=["hide-input"]


def plain(axis) -> None:
    """Plain numbers on a logarithmic axis, also where it spans less than a decade."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)) if high > 5 * low else MaxNLocator(4))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:g}")


fig, ax = plt.subplots(figsize=(6.4, 3.4))
lines = [(mean_proxy.value, "-", figures.INK, "mean of the draws"), (exactly, "--", "#D55E00", "Tr F, exact")]
lines.append((empirical, ":", "#0072B2", "Tr of the empirical Fisher"))
edges = np.geomspace(max(proxies.min(), 1e-12), proxies.max() * 1.001, 40)
ax.hist(proxies, edges, facecolor=("#009E73", 0.35), edgecolor="#009E73", lw=0.6)
for value, dash, colour, label in lines:
    ax.axvline(value, ls=dash, color=colour, lw=2, label=label)
ax.set(xscale="log", xlabel=r"$B\,\|\bar g\|^2$ [nats² / parameter²]", ylabel=f"draws of {draws:,}")
plain(ax.xaxis)
ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, columnspacing=1.2)
ax.grid(visible=False, axis="x")
plt.show()

# %% [markdown]
# The engine and the loop differ by a relative {glue:text}`fisher-difference`. On these {glue:text}`fisher-checked`
# examples $\mathrm{Tr}\, F$ is {glue:text}`fisher-exact`, and the mean of {glue:text}`fisher-draws` draws of
# $B \|\bar g\|^2$ is {glue:text}`fisher-proxy` (95 % interval). A training step sees a single draw: 95 % of them lie
# from {glue:text}`fisher-proxy-range`, with the median at {glue:text}`fisher-proxy-median`
# ({numref}`fig-fisher-proxy`). With the labels of the data the trace of the empirical
# Fisher is {glue:text}`fisher-empirical` and $B \|\bar g\|^2$ is {glue:text}`fisher-with-data`; neither estimates
# $\mathrm{Tr}\, F$.

# %% tags=["hide-input"]
trace = {key: values["dev", "fisher_trace"][english].value for key, values in measured.items()}
dev = {key: 100 * values["dev", "accuracy"][english].value for key, values in measured.items()}
test = {
    key: {code: 100 * v.value for code, v in values["test", "accuracy"].items()} for key, values in measured.items()
}
targets = [code for code in test[first] if code != english]
zero_shot = {key: float(np.mean([values[code] for code in targets])) for key, values in test.items()}
stand_in = [
    measured[key]["dev", "fisher_trace"][english].extra["proxy"] / trace[key] for key in measured if trace[key] > 0
]
glue("fisher-stand-in", f"{min(stand_in):.2f} to {max(stand_in):.2f}", display=False)
glue("fisher-examples", f"{measured[first]['dev', 'fisher_trace'][english].n}", display=False)
glue("fisher-dev-examples", f"{measured[first]['dev', 'accuracy'][english].n:,}", display=False)


def called(setting: tuple) -> str:
    kind, weight = setting[:2]
    return SPELLED[kind] if kind == "none" else f"{SPELLED[kind]}={weight:g}"


def by_seed(of: dict, setting: tuple) -> np.ndarray:
    return np.array([of[(*setting, seed)] for seed in every_seed])


def mean(of: dict, setting: tuple) -> float:
    return float(by_seed(of, setting).mean())


def decades(setting: tuple) -> float:
    """log₁₀ of Tr F, mean over seeds."""
    return float(np.log10(by_seed(trace, setting)).mean())


# %% tags=["hide-input"]
n_labels = len(facts.labels)
reached = [
    binomial_interval(values["dev", "accuracy"][english].value, values["dev", "accuracy"][english].n)
    for key, values in measured.items()
    if key[:2] == vanilla
]
chapters.unlearnt(
    reached, chapters.commonest(facts, english, "dev", reached[0].n, options.data_dir), f"{english} (vanilla training)"
)

# %% [markdown]
# Averaged over the batches of {glue:text}`fisher-examples` examples, one draw of $B \|\bar g\|^2$ is
# {glue:text}`fisher-stand-in` times the exact trace, over the models of this page (which all get the same random
# numbers, so that these are not independent draws). From here on $\mathrm{Tr}\, F$ is the exact one.
#
# ## Figure 1: accuracy against Tr F

# %% mystnb={"figure": {"name": "fig-fisher-accuracy", "caption": "The paper's Figure 1 with our models: English development accuracy against Tr F of the kept checkpoint. Crosses: consistency loss (kl), circles: Fisher penalty (fpen), squares: weight decay (wd), star: vanilla; the number beside a mark is the weight. Marks are means over seeds (of Tr F the geometric one); bars reach from the smallest to the largest seed. Right: the same without the settings whose accuracy is far below vanilla's (the parameter tolerance)."}, "image": {"alt": "Two scatter plots of English development accuracy against the trace of the Fisher information on a logarithmic axis, with crosses, circles, squares and a star, each with the weight of its penalty beside it."}} tags=["hide-input"]
LOOK = {
    "none": figures.Look(figures.INK, "*"),
    "kl": figures.Look(figures.look("mvr").colour, "x"),
    "fpen": figures.Look(figures.look("fisher").colour, "o"),
    "wd": figures.Look("#0072B2", "s"),
}
least = mean(dev, vanilla) - tolerance
heavy = [setting for setting in penalised if mean(dev, setting) < least]
light = [setting for setting in settings if setting not in heavy]


def reaching(of: dict, setting: tuple, centre: float) -> list:
    """From the centre to the smallest and the largest seed, as lengths for an error bar."""
    each = by_seed(of, setting)
    return [[max(centre - each.min(), 0)], [max(each.max() - centre, 0)]]


def scatter(ax, which: list, of: dict) -> None:
    """One mark a setting, with the weight beside it."""
    labelled = set()
    for kind, weight in which:
        setting, style = (kind, weight), LOOK[kind]
        x, y = 10 ** decades(setting), mean(of, setting)
        ends = {"xerr": reaching(trace, setting, x), "yerr": reaching(of, setting, y)}
        ax.errorbar(x, y, **ends, fmt="none", ecolor=style.colour, elinewidth=0.8)
        name = "vanilla" if kind == "none" else f"{kind}=k, {LONG[kind]}"
        size = {"ms": 13 if kind == "none" else 7, "mew": 2 if kind == "kl" else 0.5}
        ax.plot(x, y, style.marker, ls="none", color=style.colour, label=None if kind in labelled else name, **size)
        labelled.add(kind)
        if kind != "none":
            (right, up), side = {"kl": (6, 6), "fpen": (6, -11), "wd": (-6, 6)}[kind], {"wd": "right"}.get(kind, "left")
            where = {"xytext": (right, up), "textcoords": "offset points", "ha": side}
            ax.annotate(f"{weight:g}", (x, y), **where, fontsize=8, color=style.colour)
    ax.margins(0.1)
    ax.set(xscale="log", xlabel=r"$\mathrm{Tr}\,F$ [nats² / parameter²]")
    plain(ax.xaxis)


fig, (left, right) = plt.subplots(1, 2, figsize=(10.4, 4.4))
scatter(left, settings, dev)
scatter(right, light, dev)
left.set(ylabel="English development accuracy [%]", title="all settings")
right.set(title=f"within {tolerance:g} points of vanilla, or above it")
fig.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=4)
plt.show()

# %% tags=["hide-input"]


def related(which: list, of: dict, scale=np.log10, keys: list | None = None):
    """Correlation of Tr F and a score over settings (means over seeds), or over single models where keys are given."""
    points = keys or which
    if len(points) < 4:
        return None
    if keys:
        return correlate([scale(trace[key]) for key in keys], [of[key] for key in keys])
    x = [decades(s) if scale is np.log10 else mean(trace, s) for s in which]
    return correlate(x, [mean(of, s) for s in which])


RAW, LIGHT = "all settings, Tr F not as its logarithm", "without the too heavily penalised"
rows = {"all settings (Figure 1)": related(settings, dev), RAW: related(settings, dev, scale=lambda x: x)}
rows[LIGHT] = related(light, dev)
if len(every_seed) > 1:
    rows["all models, seeds apart"] = related([], dev, keys=list(found.runs))
    for seed in every_seed:
        rows[f"seed {seed}"] = related([], dev, keys=[key for key in found.runs if key[2] == seed])
for kind in weights:
    rows[f"{kind} and vanilla"] = related([s for s in settings if s[0] in (kind, "none")], dev)
rows = {name: one for name, one in rows.items() if one is not None}
chapters.correlation_table(
    rows,
    "English development accuracy and log₁₀ Tr F. A point is a setting (mean over seeds) unless said otherwise; intervals "
    "are over the points. The paper prints no coefficient",
)

# %% tags=["hide-input"]
headline, without = rows.get("all settings (Figure 1)"), rows.get(LIGHT)


def names(some: list) -> str:
    return ", ".join(map(called, some)) or "none"


def told(c) -> str:
    """A correlation with interval and permutation p-value, for prose."""
    if c is None or c.status != "ok":
        return "undefined" if c is None else f"undefined ({c.reason})"
    r = c.pearson
    ends = "no interval" if math.isnan(r.low) else f"[{signed(r.low, 2)}, {signed(r.high, 2)}]"
    return f"r = {signed(r.value, 2)} {ends} (n = {c.n}, p = {r.p:.2g})"


def sign(c) -> int:
    """Of a correlation whose interval excludes 0; 0 where it does not."""
    if c is None:
        return 0
    r = c.pearson
    return {AGREES: 1, DISAGREES: -1}.get(verdict(r.value, (r.low, r.high), sign=1, n=c.n).outcome, 0)


DIRECTION = {
    -1: "a larger Tr F goes with a lower accuracy, as the paper says",
    0: "the data do not settle the sign",
    1: "a larger Tr F goes with a *higher* accuracy, against the paper",
}
if not heavy:
    choice = f"No setting lies more than {tolerance:g} points below vanilla, so nothing is left out on the right"
elif without is None:
    choice = f"Without {names(heavy)} too few settings are left to correlate"
elif sign(headline) == sign(without):
    choice = (
        f"Leaving out {names(heavy)}, which lie more than {tolerance:g} points below vanilla, does not change that: "
        f"{told(without)}"
    )
else:
    choice = (
        f"Leaving out {names(heavy)}, which lie more than {tolerance:g} points below vanilla, changes the answer: "
        f"{told(without)}; "
        f"{DIRECTION[sign(without)]}"
    )
glue("fisher-headline", told(headline), display=False)
glue("fisher-direction", DIRECTION[sign(headline)].replace("*", ""), display=False)
glue("fisher-choice", choice.replace("*", ""), display=False)
glue("fisher-raw", told(rows.get(RAW)), display=False)
if len(every_seed) > 1:
    apart = (
        f"With every seed as a point of its own, {told(rows['all models, seeds apart'])}; that interval is too narrow, "
        "as two seeds of one setting are not two independent settings"
    )
else:
    apart = "There is one seed, so a setting is a single model"
glue("fisher-apart", apart, display=False)

# %% [markdown]
# Over the {glue:text}`fisher-settings` settings {glue:text}`fisher-headline`: {glue:text}`fisher-direction`.
# {glue:text}`fisher-choice`.
#
# The paper regresses on an axis that we cannot read, so both scales are in the table: without the logarithm
# {glue:text}`fisher-raw`. {glue:text}`fisher-apart`.
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
fig, axes = plt.subplots(1, len(weights), figsize=(10.4, 3.6), sharey=True)
base = by_seed(trace, vanilla)
for ax, kind in zip(axes, weights, strict=True):
    mine, style = sorted(s for s in settings if s[0] == kind), LOOK[kind]
    ax.axhspan(base.min(), base.max(), color=figures.FAINT, alpha=0.3, lw=0)
    ax.axhline(10 ** decades(vanilla), color=figures.FAINT, lw=1, label="vanilla")
    ax.plot([w for _, w in mine], [10 ** decades(s) for s in mine], color=style.colour, lw=1.2)
    for s in mine:
        each = by_seed(trace, s)
        ax.plot([s[1]] * len(each), each, style.marker, color=style.colour, mew=2 if kind == "kl" else 0.5)
    ax.set(xscale="log", yscale="log", xlabel=f"weight of the {LONG[kind]}", title=kind)
    ax.set_xticks([w for _, w in mine], [f"{w:g}" for _, w in mine])
    ax.xaxis.set_minor_locator(NullLocator())
plain(axes[0].yaxis)
axes[0].set_ylabel(r"$\mathrm{Tr}\,F$ [nats² / parameter²]")
axes[0].legend()
plt.show()

# %% tags=["hide-input"]


def ordered(kind: str, with_vanilla: bool, centred: bool = True):
    """Correlation of weight and log Tr F over the models of a kind, the mean of their seed taken off.

    Vanilla models count as weight 0. ``None`` for fewer than four models.
    """
    keys = [key for key in found.runs if key[0] == kind or (with_vanilla and key[0] == "none")]
    level = {seed: np.mean([np.log(trace[key]) for key in keys if key[2] == seed]) for seed in every_seed}
    y = [np.log(trace[key]) - centred * level[key[2]] for key in keys]
    return correlate([key[1] for key in keys], y) if len(keys) >= 4 else None


# at weight 0 the penalties are exactly vanilla training; MVR is not, it still trains on two segmentations
effect = {kind: ordered(kind, with_vanilla=kind != "kl") for kind in weights}
head = ("", "n", "Spearman's ρ", "95 %", "p", "ρ, levels left in", "fitted power of the weight")
body = []
for kind in weights:
    for with_vanilla in (False, True):
        c = ordered(kind, with_vanilla)
        label = f"{kind}, {LONG[kind]}" + (", vanilla as weight 0" if with_vanilla else "")
        if c is None or c.status != "ok":
            body.append((label, "" if c is None else c.n, "undefined", "", "", "", ""))
            continue
        own = [key for key in found.runs if key[0] == kind and key[1] > 0]
        x, y = np.log([key[1] for key in own]), np.log([trace[key] for key in own])
        power = "" if with_vanilla or np.ptp(x) == 0 else signed(np.polyfit(x, y, 1)[0], 2)
        rho, raw = c.spearman, ordered(kind, with_vanilla, centred=False).spearman
        ends = "none" if math.isnan(rho.low) else f"[{signed(rho.low)}, {signed(rho.high)}]"
        body.append((label, c.n, signed(rho.value), ends, f"{rho.p:.2g}", signed(raw.value), power))
chapters.table(
    head,
    body,
    "Weight and Tr F over models, the mean of log Tr F over the models of a seed taken off (a seed's head sets a level "
    "that is common to its models). A power of −1 halves Tr F where the weight doubles",
)

# %% tags=["hide-input"]


def fall(kind: str) -> str:
    """What a kind of penalty does to Tr F, in words."""
    c, mine = effect[kind], sorted(s for s in settings if s[0] == kind)
    if c is None or c.status != "ok":
        return f"Of the {LONG[kind]} there are too few models to say"
    rho = c.spearman
    verb = "falls" if rho.value < 0 else "rises"
    if math.isnan(rho.low):
        verb += " with every step, but the models are too few for an interval"
    elif 0 in rho:
        verb = "moves in no settled direction"
    factor = 10 ** (decades(mine[-1]) - decades(vanilla))
    return (
        f"With the weight of the {LONG[kind]} Tr F {verb} (ρ = {signed(rho.value, 2)}); at the heaviest, "
        f"{called(mine[-1])}, it is {factor:.2g} times vanilla's"
    )


for kind in weights:
    glue(f"fisher-fall-{kind}", fall(kind), display=False)

# %% [markdown]
# {glue:text}`fisher-fall-kl`. {glue:text}`fisher-fall-fpen`. {glue:text}`fisher-fall-wd`.
#
# ## Does the Fisher penalty do what the consistency loss does?
#
# The paper's third statement is that it has "a similar effect". The ledger makes that a number: the best English
# development accuracy of either kind, over the weights, differs by at most one point. The best of a kind is taken
# within each seed, and the interval is over seeds.

# %% tags=["hide-input"]
best_of = {
    kind: np.array([max(dev[(*s, seed)] for s in settings if s[0] == kind) for seed in every_seed]) for kind in weights
}
gap = interval_of_mean(best_of["kl"] - best_of["fpen"])
winner = {kind: max((s for s in settings if s[0] == kind), key=lambda s: mean(dev, s)) for kind in weights}


def points(interval) -> str:
    if math.isnan(interval.low):
        return signed(interval.value, 2)
    return f"{signed(interval.value, 2)} [{signed(interval.low, 2)}, {signed(interval.high, 2)}]"


def against(setting: tuple, languages: list):
    """Difference to vanilla in points, mean over seeds, with the interval over languages."""
    return interval_of_mean(
        [
            np.mean([test[(*setting, seed)][code] - test[(*vanilla, seed)][code] for seed in every_seed])
            for code in languages
        ]
    )


body = []
for setting in (vanilla, *winner.values()):
    english_test = np.mean([test[(*setting, seed)][english] for seed in every_seed])
    body.append(
        (
            called(setting),
            f"{10 ** decades(setting):.3g}",
            f"{mean(dev, setting):.2f}",
            f"{english_test:.2f}",
            f"{mean(zero_shot, setting):.2f}",
            "" if setting == vanilla else points(against(setting, targets)),
        )
    )
head = ("best weight", "Tr F", "English dev", "English test", "zero-shot", "zero-shot minus vanilla, 95 %")
chapters.table(
    head,
    body,
    "Accuracy [%] of each kind at its best weight (by English development accuracy, mean over the seeds); "
    "zero-shot: mean over the target languages, test; interval over languages, paired",
)

# %% tags=["hide-input"]
glue("fisher-gap", points(gap), display=False)
glue("fisher-gap-seeds", "one seed, hence no interval" if len(every_seed) == 1 else f"{len(every_seed)} seeds, "
     "Student-t", display=False)  # fmt: skip
closer = abs(decades(winner["kl"]) - decades(winner["fpen"]))
glue("fisher-apart-trace", f"{10**closer:.2f}", display=False)
glue("fisher-best-kl", called(winner["kl"]), display=False)
glue("fisher-best-fpen", called(winner["fpen"]), display=False)

# %% [markdown]
# The best model with a consistency loss minus the best one with a Fisher penalty: {glue:text}`fisher-gap` points
# ({glue:text}`fisher-gap-seeds`). Equal accuracy need not mean an equal cause: at their best weights,
# {glue:text}`fisher-best-kl` and {glue:text}`fisher-best-fpen`, the two kinds differ in $\mathrm{Tr}\, F$ by a factor
# of {glue:text}`fisher-apart-trace`. And the maximum over several noisy accuracies lies above all their true values;
# the exercises ask by how much.
#
# ## Beyond the paper: the other languages
#
# The title of the paper promises cross-lingual generalisation, but its Figure 1 is about English. With the same models:
# does $\mathrm{Tr}\, F$ *in English* go with accuracy in languages that the model was never fine-tuned on?

# %% mystnb={"figure": {"name": "fig-fisher-zero-shot", "caption": "Left: mean test accuracy over the target languages against Tr F in English; marks and bars as in the figure above. Right: Pearson's r of log Tr F and test accuracy, over the settings, with its 95 % interval, for the mean and for each language; the last row is English."}, "image": {"alt": "Left: a scatter plot of zero-shot accuracy against the trace on a logarithmic axis. Right: one correlation with a horizontal interval for each language."}} tags=["hide-input"]
by_language = {code: {key: values[code] for key, values in test.items()} for code in (*targets, english)}
of_language = {"mean of targets": related(settings, zero_shot)}
of_language |= {code: related(settings, by_language[code]) for code in (*targets, english)}
of_language = {code: c for code, c in of_language.items() if c is not None}
fig, (left, right) = plt.subplots(1, 2, figsize=(10.4, 0.27 * len(of_language) + 1.4))
scatter(left, settings, zero_shot)
left.set(ylabel="zero-shot accuracy, mean of targets [%]")
left.legend()
figures.forest(right, of_language)
right.set_xlabel("Pearson's r of log Tr F and accuracy, 95 %")
plt.show()

# %% tags=["hide-input"]
mean_r = of_language.get("mean of targets")
light_r = related(light, zero_shot)
settled = [code for code in targets if sign(of_language.get(code))]
below = [code for code in settled if sign(of_language[code]) < 0]
each = (
    f"The interval excludes 0 in {len(settled)} of the {len(targets)} target languages; the sign is negative in "
    f"{len(below)} of these"
)
try:
    held = partial_correlation(
        [decades(s) for s in settings], [mean(zero_shot, s) for s in settings], [mean(dev, s) for s in settings]
    )
    beyond = "With English development accuracy held fixed, what Tr F adds " + chapters.adds(held)
except AnalysisError:
    beyond = "With English development accuracy held fixed, what Tr F adds " + chapters.adds(None)
glue("fisher-zero-shot", told(mean_r), display=False)
glue("fisher-zero-shot-light", told(light_r), display=False)
glue("fisher-zero-shot-each", each, display=False)
glue("fisher-zero-shot-beyond", beyond, display=False)

# %% [markdown]
# For the mean of the target languages {glue:text}`fisher-zero-shot`; without the too heavily penalised settings
# {glue:text}`fisher-zero-shot-light`. {glue:text}`fisher-zero-shot-each`. {glue:text}`fisher-zero-shot-beyond`. That is
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
def parts(model):
    """Tr F, that of the encoder's weights, 1 - ||p||², accuracy."""
    prefix = model.base_model_prefix
    inner = [name for name, _ in model.base_model.named_parameters()]
    inner = [f"{prefix}.{name}" for name in inner]
    whole = fisher.trace(model, batches).mean
    encoder = fisher.trace(model, batches, names=inner).mean
    right, doubt = [], []
    for batch in batches:
        with torch.no_grad():
            logits = model(**batch.inputs).logits.double()
        right.append(logits.argmax(dim=1) == batch.labels)
        p = logits.softmax(dim=1)
        doubt.append(1 - p.square().sum(dim=1))
    share = torch.cat(right).double().mean().item()
    return whole, encoder, torch.cat(doubt).mean().item(), share


device = batches[0].labels.device
looked = {
    "untrained": models.load_classifier(
        config.model,
        n_labels,
        seed=config.seed,
        kind=facts.kind,
    )
}
here = [key for key in found.runs if key in found.live][: max(live, 1)]
looked |= {called(key): load_model(found.runs[key]) for key in here}
split = {name: parts(one.to(device)) for name, one in looked.items()}

# %% tags=["hide-input"]
chapters.table(
    (
        "model",
        "Tr F",
        "encoder's part",
        "head's part",
        "1 − ‖p‖²",
        "of its maximum",
        "Tr F / (1 − ‖p‖²)",
        "accuracy [%]",
    ),
    [
        (
            name,
            f"{whole:.3g}",
            f"{inner_part:.3g}",
            f"{whole - inner_part:.3g}",
            f"{doubt:.3f}",
            f"{doubt / (1 - 1 / n_labels):.0%}",
            f"{whole / doubt:.3g}" if doubt else "",
            f"{100 * share:.1f}",
        )
        for name, (whole, inner_part, doubt, share) in split.items()
    ],
    "Two reasons for a small Tr F [nats² / parameter²]; models of this build (each of its own seed), on the development "
    "examples of the trace",
)

# %% tags=["hide-input"]
new, old = split["untrained"], split[called(here[0])]
plain_trace = 10 ** decades(vanilla)
compared = "the untrained model is the flatter one" if new[0] < plain_trace else "the untrained model is not flatter"
start = (
    f"Before training Tr F is {new[0]:.3g}, {new[0] / plain_trace:.2f} times that of the vanilla models: {compared}, and it "
    f"is right in {100 * new[3]:.0f} % of the examples"
)
factors = (
    f"From the untrained model to {called(here[0])} the first number, 1 − ‖p‖², is multiplied by {old[2] / new[2]:.2f}, "
    f"and the trace divided by it by {(old[0] / old[2]) / (new[0] / new[2]):.2f}"
)
of_head = [f"{(one[0] - one[1]) / one[0]:.0%}" for one in (new, old)]


def counted(some: list) -> str:
    return f"{len(some)} ({names(some)})" if some else "none"


smaller = [s for s in penalised if decades(s) < decades(vanilla)]
better = [s for s in smaller if mean(dev, s) > mean(dev, vanilla)]
worse = [s for s in smaller if mean(dev, s) < mean(dev, vanilla)]
count = (
    f"Of the {len(penalised)} settings with a penalty {len(smaller)} end with a smaller Tr F than vanilla. Of these, better "
    f"than vanilla in English: {counted(better)}; worse: {counted(worse)}"
)
flattest, best = min(settings, key=decades), max(settings, key=lambda s: mean(dev, s))
lowest = (
    f"The smallest Tr F of all, {10 ** decades(flattest):.3g}, belongs to {called(flattest)}, whose English accuracy "
    f"differs from vanilla's by {signed(mean(dev, flattest) - mean(dev, vanilla), 1)} points"
)
q = mean(dev, best) / 100
noise = 196 * math.sqrt(2 * q * (1 - q) / (measured[first]["dev", "accuracy"][english].n * len(every_seed)))
lower = [called(s) for s in settings if decades(s) < decades(best) and mean(dev, s) < mean(dev, best) - noise]
lower += ["the untrained model"] if new[0] < 10 ** decades(best) and 100 * new[3] < mean(dev, best) - noise else []
shape = (
    f"The best setting in English is {called(best)}. With a smaller Tr F than it, and an accuracy that is lower by more than "
    f"the {noise:.1f} points by which two equal models may differ on so many examples: {', '.join(lower)}. So accuracy does not "
    "simply fall as Tr F grows, and a small trace alone says little of what has been learnt"
    if lower
    else f"The best setting in English is {called(best)}. Nothing with a smaller Tr F is worse by more than the {noise:.1f} "
    "points by which two equal models may differ on so many examples, so nothing here speaks against an accuracy that falls as Tr F grows"
)
for key, sentence in (("start", start), ("factors", factors), ("count", count), ("lowest", lowest), ("shape", shape)):
    glue(f"fisher-{key}", sentence, display=False)
glue("fisher-head-untrained", of_head[0], display=False)
glue("fisher-head-trained", of_head[1], display=False)

# %% [markdown]
# {glue:text}`fisher-start`. {glue:text}`fisher-factors`. The new head has small random weights, through which the
# logits feel little of the encoder; {glue:text}`fisher-head-untrained` of the untrained model's trace belong to the
# head, and {glue:text}`fisher-head-trained` of the trained one's.
#
# {glue:text}`fisher-count`. {glue:text}`fisher-lowest`. {glue:text}`fisher-shape`.
#
# ## How Tr F develops
#
# If it starts small and ends small, what lies between? {cite:t}`jastrzebski2021catastrophic` speak of an early
# "explosion". The objective `fisher` logs $B \|\bar g\|^2$ at each step at which it computes the penalty. With weight
# 0 it changes nothing and only watches: vanilla training, seen through the same instrument.

# %%
watch = []
if watched:
    vanilla_config = protocol.configs[(*vanilla, every_seed[0])]
    watching = vanilla_config.with_(
        objective="fisher",
        hyper={"weight": 0.0, "every_k": 4},
        evals_per_epoch=watched,
        dev_size=200,
    )
    watch = run_many([watching], options, workers)
curves = {"vanilla, watched": watch[0].log} if watch else {}
for setting in sorted(s for s in settings if s[0] == "fpen"):
    log = found.runs[(*setting, every_seed[0])].log
    curves[called(setting)] = log

# %% mystnb={"figure": {"name": "fig-fisher-develops", "caption": "The logged estimate of Tr F over training, of the first seed: means since the last look, with sampled labels on training batches and with dropout, drawn at the middle of the steps they are over. Dashed: Tr F before training, exact, on development examples."}, "image": {"alt": "Lines of the logged trace against the epoch on a logarithmic axis, one for a vanilla training and one for each weight of the Fisher penalty, and a dashed line for the untrained model."}} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(7.2, 3.8))
tones = plt.get_cmap("cividis")(np.linspace(0.0, 0.85, max(len(curves) - 1, 1)))
for number, (name, log) in enumerate(curves.items()):
    ends = [0.0, *(entry["epoch"] for entry in log)]
    seen = [at for at, entry in enumerate(log) if "fisher_trace" in entry]  # a step of the penalty since the last look
    middles = [(ends[at] + ends[at + 1]) / 2 for at in seen]
    heights = [log[at]["fisher_trace"] for at in seen]
    if name.startswith("vanilla"):
        ax.plot(middles, heights, "-", color=figures.INK, lw=2.2, label=name)
    else:
        tone = tones[number - bool(watch)]
        ax.plot(middles, heights, "ov^Ds<>"[number % 7] + "-", color=tone, lw=1.2, label=name)
ax.axhline(new[0], ls="--", color=figures.FAINT, lw=1.2, label="untrained")
ax.set(yscale="log", xlabel="epoch", ylabel=r"$B\,\|\bar g\|^2$ [nats² / parameter²]", xlim=(0, None))
plain(ax.yaxis)
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% tags=["hide-input"]
if watch:
    seen = [entry for entry in watch[0].log if "fisher_trace" in entry]
    heights = [entry["fisher_trace"] for entry in seen]
    top = int(np.argmax(heights))
    place = "the end" if top == len(heights) - 1 else f"epoch {seen[top]['epoch']:.2f}"
    developed = (
        f"In vanilla training the estimate has its largest mean, {heights[top]:.3g}, at {place}: "
        f"{heights[top] / new[0]:.2f} times the untrained model's trace, and {heights[top] / heights[-1]:.2f} times the "
        f"last one, {heights[-1]:.3g}"
    )
else:
    developed = "Vanilla training was not watched in this build"
glue("fisher-developed", developed, display=False)

# %% [markdown]
# {glue:text}`fisher-developed` ({numref}`fig-fisher-develops`). "At the end of training" is thus a choice too: the
# same model has another $\mathrm{Tr}\, F$ an epoch earlier. These means are of training batches with dropout, so they
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
n_dev = measured[first]["dev", "accuracy"][english].n
true = max(mean(dev, s) for s in settings) / 100
tops = []
for kind in ("kl", "fpen"):
    each = rng.binomial(n_dev, true, (20_000, len(weights[kind])))
    tops.append(100 * each.max(axis=1) / n_dev)
often = (np.abs(tops[0] - tops[1]) > 1).mean()
print(f"{n_dev} examples, true accuracy {100 * true:.1f} %")
print(f"more than one point apart in {often:.0%} of the cases")
above = tops[0].mean() - 100 * true
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

# %% tags=["hide-input"]
folder = chapters.ledger_folder(options.store)
ledger.clear("fisher", folder=folder)
evidence = {"scale": "miniature" if preset == "mini" else "real data", "folder": folder}
evidence |= {"live": set(found.runs) <= set(found.live)}


def spearman(c) -> dict:
    return {"value": c.spearman.value, "low": c.spearman.low, "high": c.spearman.high, "n": c.n}


numbers = {
    "accuracy": (headline and ledger.of(headline), list(found.runs), "Pearson's r with log₁₀ Tr F over settings"),
    "consistency": (effect["kl"] and spearman(effect["kl"]), None, "Spearman's ρ over models, within seeds"),
    "penalty": (effect["fpen"] and spearman(effect["fpen"]), None, "Spearman's ρ over models, within seeds"),
    "similar": (ledger.of(gap), None, "points, kl minus fpen; interval over seeds"),
}
kinds_of = {"consistency": ("kl",), "penalty": ("fpen", "none"), "similar": ("kl", "fpen")}
sentences = {}
for name, (value, keys, unit) in numbers.items():
    claim = ledger.CLAIMS[f"stickland-f1-{name}"]
    keys = keys or [key for key in found.runs if key[0] in kinds_of[name]]
    if value is None or not value["n"]:
        ours = ledger.not_run("fisher", claim.id, "too few models for a coefficient", folder=folder)
        shown = "not run"
    else:
        used = {"seeds": every_seed, "run_keys": [found.runs[key].key for key in keys]}
        ours = ledger.record("fisher", claim.id, **value, **used, **evidence)
        ends = "" if math.isnan(value["low"]) else f" [{signed(value['low'], 2)}, {signed(value['high'], 2)}]"
        shown = f"{signed(value['value'], 2)}{ends} ({unit}, n = {value['n']})"
    judged = str(ledger.verdict(claim, ours))
    sentences[name] = f"{claim.sentence} Ours: {shown}. {judged[0].upper()}{judged[1:]}."
    glue(f"fisher-verdict-{name}", sentences[name], display=False)
best_fpen = winner["fpen"]
choices = {
    "fisher-labels": f"On {n} development examples the exact trace is {exactly:.3g} with the model's labels and "
    f"{empirical:.3g} with those of the data.",
    "fisher-accuracy": f"Over the weights of the Fisher penalty English development accuracy goes from "
    f"{min(mean(dev, s) for s in settings if s[0] == 'fpen'):.1f} to {mean(dev, best_fpen):.1f} % (at "
    f"{called(best_fpen)}); vanilla has {mean(dev, vanilla):.1f} %. The weight decides which of the papers is right.",
}
for name, sentence in choices.items():
    ledger.choice("fisher", name, sentence, folder=folder)
chapters.box("note", "Figure 1 of the paper, and ours", *sentences.values())

# %% [markdown]
# ```{admonition} What we learnt
# :class: important
# - {glue:text}`fisher-verdict-accuracy`
# - {glue:text}`fisher-verdict-consistency` {glue:text}`fisher-verdict-penalty` {glue:text}`fisher-verdict-similar`
# - {glue:text}`fisher-shape`. For the other languages {glue:text}`fisher-zero-shot`.
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
#     papermill notebooks/fisher.ipynb out.ipynb -p preset small -p data_dir archives -p checked 2
# ```

# %% tags=["hide-input"]
provenance(
    [run.key for run in [*found.runs.values(), *watch]],
    {"preset": preset, "task": config.task, "model": config.model, "seeds": every_seed, "live": live}
    | weights
    | {"tolerance": tolerance, "checked": checked, "watched": watched, "size": size}
    | {k: v for k, v in common.items() if k != "model"},
)
