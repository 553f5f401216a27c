# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Four objectives side by side
#
# {cite:t}`bassi2024generalization` fine-tune one encoder with four training objectives and compare, within each model
# and across models, where it is flat and where it transfers. This page does the same: it fetches the four models from
# the store (training what is missing), puts the paper's Table 1 and Table 3 beside ours, draws its Figures 1 to 4, and
# asks what such a comparison can show with one run of each objective and a dozen languages.
#
# ```{admonition} What you will learn
# :class: tip
# - What SAM, the Fisher penalty and multi-view subword regularisation change in the training step, and what they cost.
# - Which of the paper's correlations have the same sign in this setting, which do not, and which cannot be told.
# - Three ways in which a comparison of correlations misleads: pooling models, a free noise scale, and a single seed.
# ```

# %% tags=["parameters"]
objectives: list = ["baseline", "sam", "fisher", "mvr"]  # training objectives; the first is the reference
preset: str = "mini"  # sizes: mini (offline miniature), small (20,000 real English pairs) or paper
task: str = ""  # mini-xnli, mini-pawsx, xnli or pawsx; empty: the preset's own
model: str = ""  # mini, a hub id or a folder; empty: the preset's own
seeds: list = [0]  # random seeds, each objective is trained with each; figures show the first
extra_seeds: list = [1, 2]  # further seeds of the reference, for the spread over seeds
languages: list = []  # language codes to evaluate, English is always there; empty: all of the task
data_dir: str = ""  # folder with the official archives, relative to the working directory; empty: the hub
text_dir: str = ""  # ewc: plain text, a file or a folder with <language>.txt; empty: the miniature's own, or Wikipedia
train_size: int = None  # English training pairs [count], 0 for all; None: the preset's own
epochs: int = None  # passes over the training pairs [count]; None: the preset's own
hyper: dict = {}  # hyper-parameters and settings of runs by objective, such as {sam: {rho: 0.1}}
size: int = 500  # examples of each language and split for accuracy and margins [count]; 0: all
sharpness_size: int = 100  # test examples of each language for the difference-based sharpness [count]
alpha_size: int = 40  # test examples of each language for the search of alpha [count]
noise_scale: float = 0.001  # standard deviation of the noise on the weights [parameter units]
noise_seeds: list = [0, 1, 2]  # seeds of the noise draws that are averaged
scales: list = [0.001, 0.005, 0.01, 0.02]  # noise scales of the sweep [parameter units], the paper's
sweep_size: int = 50  # test examples of each language for the sweep [count]
store: str = ""  # folder of trained models and measures; empty: runs/ of the checkout
workers: int = 2  # models trained or measured side by side [processes]
threads: int = 1  # CPU threads of each [count]

# %%
import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from myst_nb import glue

from paper import chapters, figures, ledger, published
from paper.notebook import provenance
from xlgen.analysis import (
    binomial_interval,
    correlate,
    correlations,
    fisher_interval,
    interval_of_mean,
    over_seeds,
    paired,
    pearson,
    signed,
)
from xlgen.core.errors import UnknownName
from xlgen.data.catalogue import TASKS
from xlgen.measures.measuring import MeasureConfig, run_many
from xlgen.training.presets import config_for

figures.use_style()
objectives, languages = chapters.words(objectives), chapters.words(languages)
seeds, extra_seeds, noise_seeds = (chapters.words(s, int) for s in (seeds, extra_seeds, noise_seeds))
scales, hyper = chapters.words(scales, float), chapters.by_name(hyper)

# %% [markdown]
# ## What is minimised
#
# Let $L(\theta) = -\frac1B \sum_i \log p_\theta(y_i \mid x_i)$ be the cross-entropy of a step's $B$ examples, the whole
# objective of the *baseline*.
#
# **SAM** {cite:p}`foret2021sam` minimises the worst loss within a radius $\rho$ of the weights: the gradient is taken
# one step uphill, at $\theta + \hat\varepsilon$.
#
# $$ \min_\theta \max_{\|\varepsilon\| \le \rho} L(\theta + \varepsilon), \qquad
# \hat\varepsilon = \rho\, \nabla L(\theta) / \|\nabla L(\theta)\| . $$ (eq-objectives-sam)
#
# The **Fisher penalty** {cite:p}`jastrzebski2021catastrophic,stickland2021regularising` adds the squared norm of a
# gradient whose labels are drawn from the model; in the mean it is $\mathrm{Tr}\, F / B$ ({doc}`theory`).
#
# $$ L(\theta) + \lambda \Big\| \frac1B \sum_i \nabla \ell(x_i, \tilde y_i) \Big\|^2, \qquad
# \tilde y_i \sim p_\theta(\cdot \mid x_i) . $$ (eq-objectives-fisher)
#
# **Multi-view subword regularisation** (MVR) {cite:p}`wang2021mvr` trains on two segmentations of the same text, the
# tokenizer's own $\hat x$ and a sampled one $x'$, and asks for the same prediction from both.
#
# $$ \tfrac12 \mathrm{CE}(\hat x, y) + \tfrac12 \mathrm{CE}(x', y)
# + \lambda\, \mathrm{KL}\big[ p_\theta(\cdot \mid \hat x) \,\|\, p_\theta(\cdot \mid x') \big] . $$ (eq-objectives-mvr)
#
# Each changes how the gradient of a step is computed, and nothing else: data, order, learning rate, number of steps and
# the choice of the checkpoint (best English development accuracy) are the same.

# %%
options = chapters.options_for(store, data_dir, text_dir, threads)
names, each = objectives, seeds
wanted = [(name, seed) for seed in each for name in names]
wanted += [(names[0], seed) for seed in extra_seeds]
for name in hyper:
    if name not in names:
        raise UnknownName("objective in hyper", name, names)
common = chapters.given(model=model, train_size=train_size, epochs=epochs)
configs = [
    config_for(
        preset,
        task or None,
        **common | hyper.get(name, {}) | {"objective": name, "seed": seed},
    )
    for name, seed in dict.fromkeys(wanted)
]
facts = TASKS[configs[0].task]
spoken = chapters.spoken(facts, languages)
english, targets = facts.source_language, spoken[1:]
runs = run_many(configs, options, workers)

# %% tags=["hide-input"]
reference, seed = names[0], each[0]
shown = {run.config.objective: run for run in reversed(runs) if run.config.seed == seed}
shown = {name: shown[name] for name in names}
first = runs[0].config
encoder = "the shipped miniature" if first.model == "mini" else Path(first.model).name
pairs, steps, seconds = (runs[0].manifest[k] for k in ("train_pairs", "steps", "seconds"))
glue("objectives-encoder", encoder, display=False)
glue("objectives-task", first.task, display=False)
glue("objectives-reference", reference, display=False)
glue("objectives-targets", f"{len(targets)}", display=False)
chapters.table(
    ("", "hyper-parameters", "best epoch", "English dev accuracy", "training time [s]", f"relative to {reference}"),
    [
        (
            name,
            ", ".join(f"{k} = {v}" for k, v in run.config.hyper.items()) or "none",
            f"{run.summary['epoch']:g}",
            f"{run.summary['dev_accuracy']:.3f}",
            f"{run.manifest['seconds']:.0f}",
            f"{run.manifest['seconds'] / shown[reference].manifest['seconds']:.1f}",
        )
        for name, run in shown.items()
    ],
    f"{first.task}, {encoder}, seed {seed}: {pairs:,} English pairs, {first.epochs} epochs, {steps:,} steps; "
    f"trained up to {workers} side by side",
)

# %% [markdown]
# Then every model is measured in every language, with the settings of the chapter on {doc}`one model <xnli>`.

# %%
measures = chapters.study_measures(
    languages=spoken,
    size=size,
    sharpness_size=sharpness_size,
    alpha_size=alpha_size,
    noise_scale=noise_scale,
    noise_seeds=noise_seeds,
)
rows = chapters.collect(runs, measures, options, workers)


def numbers(measure: str, name: str) -> np.ndarray:
    """Values over the target languages, at the seed that is shown."""
    found = chapters.column(rows, measure, (name, seed), (english,))
    return np.array([found[code]["value"] for code in targets])


# %% [markdown]
# ## Who is most accurate?

# %% mystnb={"figure": {"name": "fig-objectives-accuracy", "caption": "Test accuracy of each objective in each language with its 95 % binomial (Wilson) interval."}, "image": {"alt": "Groups of bars by language, one bar for each objective, with error bars."}} tags=["hide-input"]
reached = {
    name: {
        code: binomial_interval(row["value"], row["n"])
        for code, row in chapters.column(rows, "accuracy", (name, seed)).items()
    }
    for name in names
}
fig, ax = plt.subplots(figsize=(9.6, 3.8))
figures.bars_by_language(ax, reached)
ax.set_xlim(-0.6, len(spoken) - 0.4)
plt.show()

# %% tags=["hide-input"]
body = []
for name in names:
    by = {code: reached[name][code].value for code in targets}
    worst, top = min(by, key=by.get), max(by, key=by.get)
    gap = interval_of_mean(numbers("accuracy", name) - numbers("accuracy", reference))
    body.append(
        (
            name,
            f"{reached[name][english].value:.3f}",
            f"{np.mean(list(by.values())):.3f}",
            f"{by[worst]:.3f} ({worst})",
            f"{by[top]:.3f} ({top})",
            "" if name == reference else str(gap),
        )
    )
head = ("", english, "mean of targets", "lowest", "highest", f"mean minus {reference}, 95 %")
chapters.table(head, body, f"Test accuracy, seed {seed}; differences are paired by language")

# %% [markdown]
# The last column is the mean over languages of the difference to the reference, with a Student-t interval over the
# languages. It says whether the difference is consistent over languages *for these two models*; a model of another seed
# is another model. The sentence below is written by the numbers:


# %%
def ranking(measure: str, what: str, largest: bool) -> str:
    """Who is first in the mean over target languages, and is it settled?"""
    mean = {name: numbers(measure, name).mean() for name in names}
    order = sorted(names, key=mean.get, reverse=largest)
    if len(order) == 1:
        return f"{order[0]} alone has been trained"
    one, two = order[:2]
    gap = interval_of_mean(numbers(measure, one) - numbers(measure, two))
    settled = "includes" if 0 in gap else "excludes"
    ranked = ", ".join(f"{name} {mean[name]:.3g}" for name in order)
    return (
        f"{one} is {what} ({ranked}); the difference of the first two over "
        f"{gap.n} languages is {gap}, which {settled} 0"
    )


most = ranking("accuracy", "most accurate", largest=True)
flattest = ranking("sharpness_difference", "flattest", largest=False)
glue("objectives-most", most, display=False)
glue("objectives-flattest", flattest, display=False)

# %% [markdown]
# In the mean over the target languages {glue:text}`objectives-most`.

# %% [markdown]
# ## Table 1, beside ours
#
# Margin (development split) and difference-based sharpness (test split), each correlated with test accuracy over the
# {glue:text}`objectives-targets` target languages, within each model. Each of the paper's cells gets a verdict by a fixed
# rule: our data *cannot say* where our interval includes 0; otherwise the signs agree or not, and where they do, the
# two coefficients differ or are not shown to: both are estimates over a few languages, and the test of the difference of
# two Fisher $z$ takes the uncertainty of both.

# %% tags=["hide-input"]
first_runs = [row for row in rows if row["seed"] == seed]


def within(measure: str) -> dict:
    """Correlation with test accuracy over target languages, by objective."""
    found = correlations(first_runs, measure, without=(english,))
    return {name: found[name, seed] for name in names}


def cells(measure: str) -> dict:
    return {name: chapters.published(first.task, measure, name) for name in names}


def compared(measure: str) -> list[tuple]:
    lines = []
    for name, ours in within(measure).items():
        cell = cells(measure)[name]
        printed = "not printed" if cell is None else f"{cell.interval}"
        outcome = "" if cell is None else cell.verdict(ours).outcome
        p = "" if ours.status != "ok" else f"{ours.pearson.p:.2g}"
        lines.append((f"{name}, {chapters.NAMES[measure]}", printed, str(ours), p, outcome))
    return lines


head = ("", "paper, r [interval at its n]", "ours", "p", "verdict")
table_1 = compared("dev_margin") + compared("sharpness_difference")
chapters.table(head, table_1, "Table 1 of Bassi et al. (mBERT on XNLI or PAWS-X), and ours")

# %% mystnb={"figure": {"name": "fig-objectives-table1", "caption": "Correlation of margin (left) and difference-based sharpness (right) with test accuracy over the target languages, 95 % intervals. Hollow: the paper's coefficient with the interval it has at its number of languages."}, "image": {"alt": "Two forest plots, one row for each objective: our correlation with its interval and under it the paper's."}} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.4))
for ax, measure in zip(axes, ("dev_margin", "sharpness_difference"), strict=True):
    figures.forest(ax, within(measure), cells(measure))
    ax.set_xlabel(f"r with accuracy: {chapters.NAMES[measure].split(' [')[0]}")
plt.show()

# %% tags=["hide-input"]
given_verdicts = [line[-1] for line in table_1 if line[-1]]
verdicts = ", ".join(f"{given_verdicts.count(word)} “{word}”" for word in dict.fromkeys(given_verdicts))
verdicts = (
    f"of {len(given_verdicts)} cells of the paper, {verdicts}" if verdicts else "the paper has no cell for this task"
)
glue("objectives-verdicts", verdicts, display=False)
chapters.box("note", "Table 1 in one line", f"{verdicts[0].upper()}{verdicts[1:]}.")

# %% [markdown]
# ```{exercise} ★★ How many languages does a difference need?
# :label: objectives-ex-power
#
# The paper's sharpness has $r = -0.845$ for the baseline and $r = -0.584$ for SAM. With Fisher's $z$, how many languages
# would tell two such coefficients apart (95 %, two-sided), if they came from separate sets of languages?
# ```
#
# ````{solution-start} objectives-ex-power
# :class: dropdown
# ````
#
# $\operatorname{artanh} r$ has the standard error $1/\sqrt{n-3}$, the difference of two has $\sqrt{2/(n-3)}$. It must
# exceed its 1.96-fold:

# %%
two = [
    published.cell("1", row, "Sharpness").value
    for row in ("Baseline", "mBERT+SAM")
]  # fmt: skip
distance = abs(math.atanh(two[0]) - math.atanh(two[1]))
needed = 3 + 2 * (1.96 / distance) ** 2
print(f"difference of z {distance:.2f}; n = {math.ceil(needed)} languages")

# %% [markdown]
# The two models were evaluated in the *same* languages on translations of the same examples, so the coefficients are
# dependent and fewer may do; but the paper gives no covariance, and ranking objectives by such coefficients (as is easily
# done with a table of them) asks more of fourteen languages than they hold.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## All models in one plot
#
# The paper's Figure 1 puts margin against sharpness for all models and languages at once, its Figure 2 sharpness against
# accuracy. The same from our models:

# %% mystnb={"figure": {"name": "fig-objectives-1", "caption": "Margin against sharpness, one point for each objective and target language (compare Figure 1 of Bassi et al.). The legend has the correlation within each objective."}, "image": {"alt": "Scatter plot of margin against sharpness; points of four colours and markers for the objectives."}} tags=["hide-input"]
pooled = {}


def combined(y: str, label: str) -> None:
    """One point an objective and target language, sharpness on the horizontal axis."""
    _, ax = plt.subplots(figsize=(7.2, 5.2))
    for name in names:
        points = paired(first_runs, "sharpness_difference", y, without=(english,))[name, seed]
        within_one = correlate(points.x, points.y, status=points.status)
        figures.scatter_correlation(ax, points.x, points.y, correlation=within_one, objective=name)
    ax.set(xlabel=r"sharpness $\phi_\mathrm{difference}$ [nats]", ylabel=label)
    x, z = (np.concatenate([numbers(m, name) for name in names]) for m in ("sharpness_difference", y))
    pooled[y] = float(pearson(x, z))


combined("margin", "margin (test) [probability]")
plt.show()

# %% mystnb={"figure": {"name": "fig-objectives-2", "caption": "Test accuracy against sharpness, one point for each objective and target language (compare Figure 2 of Bassi et al.). The legend has the correlation within each objective."}, "image": {"alt": "Scatter plot of accuracy against sharpness; points of four colours and markers for the objectives."}} tags=["hide-input"]
combined("accuracy", "accuracy (test)")
plt.show()

# %% tags=["hide-input"]
average = over_seeds(within("sharpness_difference").values())
glue("objectives-pooled-accuracy", signed(pooled["accuracy"]), display=False)
glue("objectives-pooled-margin", signed(pooled["margin"]), display=False)
glue("objectives-within-mean", signed(average.mean), display=False)
glue("objectives-points", f"{len(names) * len(targets)}", display=False)

# %% [markdown]
# Over all {glue:text}`objectives-points` points the correlation of sharpness with accuracy is
# {glue:text}`objectives-pooled-accuracy` (with the margin {glue:text}`objectives-pooled-margin`); within the objectives
# it is {glue:text}`objectives-within-mean` in the mean. The pooled coefficient mixes two questions: are flatter
# *languages* easier for a model, and are flatter *models* better? It gets no interval here, because the points are not
# independent: the same languages come back with every model.
#
# On sharpness itself the paper writes that the min-max methods, "including FIM and SAM, have the lowest sharpness
# values". Here, in the mean over the target languages, {glue:text}`objectives-flattest`.
#
# ````{exercise} ★ Pooled, within, between
# :label: objectives-ex-pool
#
# Take the mean over languages out of each objective's sharpness and accuracy, and correlate all points; then correlate
# the objectives' means. Which of the two does the pooled coefficient resemble? Why are four means no evidence?
# ````
#
# ````{solution-start} objectives-ex-pool
# :class: dropdown
# ````

# %%
x, y = (
    np.array([numbers(measure, name) for name in names])
    for measure in ("sharpness_difference", "accuracy")
)  # fmt: skip
centred = [a - a.mean(axis=1, keepdims=True) for a in (x, y)]
print("within ", signed(float(pearson(*(a.ravel() for a in centred)))))
print("between", signed(float(pearson(x.mean(axis=1), y.mean(axis=1)))),
      f"({len(names)} points)")  # fmt: skip
print("pooled ", signed(pooled["accuracy"]))
print("four points, 0.8:", fisher_interval(0.8, 4))

# %% [markdown]
# With four points Fisher's $z$ has the standard error 1: the last line is the interval of a coefficient of 0.8. And the
# four differ in more than flatness: each has its own effective step size, loss and scale of the weights.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## Model by model
#
# Figures 3 and 4 of the paper, one panel an objective. Note the axes: each panel has its own.

# %% mystnb={"figure": {"name": "fig-objectives-3", "caption": "Margin on the development split against accuracy on the test split, one panel an objective, one point a target language (compare Figure 3 of Bassi et al.). Bars: one standard error over examples."}, "image": {"alt": "Four scatter plots of test accuracy against development margin, points labelled by language."}} tags=["hide-input"]


def panels(measure: str, label: str) -> None:
    """A scatter plot an objective."""
    height = math.ceil(len(names) / 2)
    fig, axes = plt.subplots(height, 2, figsize=(9.6, 4 * height), squeeze=False)
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    for ax, name in zip(axes.flat, names, strict=False):
        points = paired(first_runs, measure, without=(english,))[name, seed]
        usable = np.array(points.status) == "ok"
        if measure == "sharpness_alpha":
            ax.set_xscale("log")
        figures.scatter_correlation(
            ax,
            np.where(usable, points.x, np.nan),
            points.y,
            xerr=points.xerr,
            yerr=points.yerr,
            labels=points.languages,
            correlation=correlate(points.x, points.y, status=points.status),
            objective=name,
        )
        ax.set(xlabel=label, ylabel="accuracy (test)")


panels("dev_margin", "margin (dev) [probability]")
plt.show()

# %% mystnb={"figure": {"name": "fig-objectives-4", "caption": "Difference-based sharpness against accuracy on the test split, one panel an objective, one point a target language (compare Figure 4 of Bassi et al.). Bars: one standard error, over noise draws for sharpness and over examples for accuracy."}, "image": {"alt": "Four scatter plots of test accuracy against sharpness, points labelled by language."}} tags=["hide-input"]
panels("sharpness_difference", r"sharpness $\phi_\mathrm{difference}$ [nats]")
plt.show()

# %% [markdown]
# ## Table 3: sharpness by search
#
# The paper's appendix correlates $1/\alpha^2$, the sharpness found by a search, with accuracy, and finds no strong
# relation. Here the search has a criterion that can be met in every language (a drop of accuracy), and its status is
# kept:

# %% tags=["hide-input"]
chapters.saturation([row for row in first_runs if row["objective"] in names])

# %% tags=["hide-input"]
chapters.table(head, compared("sharpness_alpha"), "Table 3 of Bassi et al. (mBERT on XNLI), and ours")

# %% mystnb={"figure": {"name": "fig-objectives-7", "caption": "α-sharpness against accuracy on the test split, one panel an objective (compare Figure 7 of Bassi et al.). Logarithmic axis; Pearson's r is, as in the paper, that of the values themselves. Searches that ended at an end of the bracket are not drawn."}, "image": {"alt": "Four scatter plots of test accuracy against one over alpha squared on a logarithmic axis."}} tags=["hide-input"]
panels("sharpness_alpha", r"sharpness $1/\alpha^2$ [1 / parameter²]")
plt.show()

# %% [markdown]
# ## A free noise scale
#
# The paper finds the noise scale of $\phi_{\text{difference}}$ "empirically" *for each model* among four. This page
# fixes one for all, so that sharpness can be compared between models. How much freedom lies in the choice? The same
# measure at each of the four scales:

# %%
known = [row for row in first_runs if row["measure"] == "accuracy"]


def at_scale(scale: float) -> list[dict]:
    """Accuracy, and sharpness at a scale of the noise."""
    setting = {"noise_scale": scale, "noise_seeds": (0,)}
    config = MeasureConfig(
        names=("sharpness_difference",),
        languages=spoken,
        size=sweep_size,
        settings={"sharpness_difference": setting},
    )
    models = list(shown.values())
    return known + chapters.collect(models, [config], options, workers)


sweep = {scale: at_scale(scale) for scale in scales}


def swept(scale: float, name: str) -> list[float]:
    """Sharpness of an objective in the target languages."""
    measured = ("sharpness_difference", (name, seed), (english,))
    found = chapters.column(sweep[scale], *measured)
    return [found[code]["value"] for code in targets]


at = {
    scale: correlations(
        some,
        "sharpness_difference",
        without=(english,),
    )
    for scale, some in sweep.items()
}

# %% mystnb={"figure": {"name": "fig-objectives-scales", "caption": "Left: mean sharpness over the target languages against the scale of the noise. Right: correlation of sharpness with test accuracy over the target languages, with its 95 % interval (shifted sideways for legibility). One draw of noise."}, "image": {"alt": "Two panels against the noise scale: mean sharpness on logarithmic axes, and the correlation with accuracy with error bars, one line for each objective."}} tags=["hide-input"]
fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.8))
for number, name in enumerate(names):
    style = figures.look(name)
    x = np.array(list(sweep)) * 1.05 ** (number - (len(names) - 1) / 2)
    mean = [np.mean(swept(scale, name)) for scale in sweep]
    left.plot(list(sweep), mean, marker=style.marker, color=style.colour, label=name)
    r = [c[name, seed].pearson for c in at.values()]
    ends = [[c.value - c.low for c in r], [c.high - c.value for c in r]]
    right.errorbar(x, [c.value for c in r], yerr=ends, fmt=style.marker + "-", color=style.colour, elinewidth=0.8, lw=1)
left.set(xscale="log", xlabel=r"noise scale $\sigma$", ylabel=r"mean $\phi_\mathrm{difference}$ [nats]")
left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
right.axhline(0, color=figures.FAINT, lw=0.8, zorder=0)
right.set(xscale="log", xlabel=r"noise scale $\sigma$", ylabel="Pearson's r with accuracy", ylim=(-1.05, 1.05))
plt.show()

# %% tags=["hide-input"]
spans, orders = {}, []
for name in names:
    r = [c[name, seed].pearson.value for c in at.values()]
    spans[name] = f"{name} {signed(min(r))} to {signed(max(r))}"
for scale in sweep:
    by = {name: np.mean(swept(scale, name)) for name in names}
    orders.append(tuple(sorted(names, key=by.get)))
same = "is the same" if len(set(orders)) == 1 else f"takes {len(set(orders))} different forms"
glue("objectives-spans", "; ".join(spans.values()), display=False)
glue("objectives-orders", same, display=False)
glue("objectives-scales", f"{len(sweep)}", display=False)

# %% [markdown]
# Over the {glue:text}`objectives-scales` scales of {numref}`fig-objectives-scales` the correlation with accuracy
# goes from {glue:text}`objectives-spans`, and the order of the objectives by mean sharpness
# {glue:text}`objectives-orders`.
#
# ````{exercise} ★★★ Choosing a scale under the null
# :label: objectives-ex-forking
#
# Suppose sharpness had *nothing* to do with accuracy, and the scale were chosen for the strongest correlation among
# four. (a) Which $|r|$ is exceeded in 5 % of the cases with one scale and 14 languages? (b) And with the best of four, if
# the four were independent? (c) What if they were identical, and which is closer to the truth here?
# ````
#
# ````{solution-start} objectives-ex-forking
# :class: dropdown
# ````

# %%
draw = np.random.default_rng(0)
accuracy = draw.normal(size=(20_000, 1, 14))
sharpness = draw.normal(size=(20_000, 4, 14))
r = np.abs(pearson(sharpness, accuracy))  # (20000, 4)
print(f"(a) one scale:    {np.quantile(r[:, 0], 0.95):.3f}")
print(f"(b) best of four: {np.quantile(r.max(axis=1), 0.95):.3f}")
values = [swept(scale, reference) for scale in sweep]
if len(values) > 1:
    print("(c) r between scales:", np.corrcoef(values).round(2).tolist())

# %% [markdown]
# (c) Identical scales leave the threshold of (a). The printed matrix says where between the two this model is: entries
# near 1 mean that the choice hardly matters, small ones that it is four chances instead of one.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## How much of it is the seed?
#
# The reference was trained with several seeds: other initial heads, other dropout masks, another order of the same
# examples. The paper averages accuracies over eight seeds; its Table 1 has one coefficient a model. How far apart are the
# coefficients of models that differ in nothing but the seed?

# %% mystnb={"figure": {"name": "fig-objectives-seeds", "caption": "Correlation of five measures with test accuracy over the target languages for the reference objective, one mark a seed, each with its 95 % interval over languages."}, "image": {"alt": "Forest plot with a group of marks for each measure, one mark with an interval for every seed."}} tags=["hide-input"]
watched = ("dev_accuracy", "dev_margin", "dev_margin_correct", "sharpness_difference", "sharpness_alpha")
mine = [row for row in rows if row["objective"] == reference]
by_seed = {measure: list(correlations(mine, measure, without=(english,)).values()) for measure in watched}
fig, ax = plt.subplots(figsize=(7.2, 4.2))
style = figures.look(reference)
for height, cs in enumerate(by_seed.values()):
    for number, c in enumerate(cs):
        r, at = c.pearson, height + 0.2 * (number - (len(cs) - 1) / 2)
        ends = [[r.value - r.low], [r.high - r.value]]
        ax.errorbar([r.value], [at], xerr=ends, fmt=style.marker, color=style.colour, elinewidth=0.8)
ax.axvline(0, color=figures.FAINT, lw=0.8, zorder=0)
ax.set_yticks(range(len(watched)), [chapters.NAMES[measure] for measure in watched])
ax.set(xlim=(-1.05, 1.05), ylim=(len(watched) - 0.5, -0.5), xlabel="Pearson's r with accuracy, 95 % interval")
ax.grid(visible=False, axis="y")
plt.show()

# %% tags=["hide-input"]
seen = {run.config.seed: chapters.column(rows, "accuracy", (reference, run.config.seed), (english,)) for run in runs}
means = [np.mean([row["value"] for row in by.values()]) for by in seen.values() if by]
over = {measure: over_seeds(cs) for measure, cs in by_seed.items()}
gaps = {measure: s.largest - s.smallest for measure, s in over.items() if np.isfinite(s.largest)}
widest = max(gaps, key=gaps.get, default=None)
if len(means) < 2:
    moved = "there is one seed, so nothing can be said about the spread"
else:
    moved = f"the mean target accuracy goes from {min(means):.3f} to {max(means):.3f}"
    if widest:
        moved += f", and the coefficient that moves most is that of {chapters.NAMES[widest]}, by {gaps[widest]:.3f}"
glue("objectives-moved", moved, display=False)
glue("objectives-seeds", f"{len(means)}", display=False)
chapters.table(
    ("", "mean r over seeds [95 %, t]", "smallest", "largest", "seeds"),
    [
        (chapters.NAMES[measure], str(s).split(", mean")[0], signed(s.smallest), signed(s.largest), s.n_seeds)
        for measure, s in over.items()
    ],
    f"Pearson's r of {reference} over seeds (mean on the scale of Fisher's z)",
)

# %% [markdown]
# Over {glue:text}`objectives-seeds` seeds {glue:text}`objectives-moved`. A difference between two objectives that is not
# larger than the difference between two seeds of one of them is no finding about the objectives. The same for every
# objective, with Student-t intervals over seeds where there are several (`-p seeds 0,1,2` trains all of them):

# %% tags=["hide-input"]


def summary(number) -> str:
    """A mean over seeds, with its interval if there are several."""
    several = np.isfinite(number.low)
    return f"{signed(number.mean)} [{signed(number.low)}, {signed(number.high)}]" if several else signed(number.mean)


body = []
for name in names:
    each_seed = [run.config.seed for run in runs if run.config.objective == name]
    found = [chapters.column(rows, "accuracy", (name, s), (english,)).values() for s in each_seed]
    mean = interval_of_mean([np.mean([row["value"] for row in by]) for by in found])
    reach = f" [{mean.low:.3f}, {mean.high:.3f}]" if mean.n > 1 else ""
    mine = [row for row in rows if row["objective"] == name]
    r = [
        summary(over_seeds(correlations(mine, measure, without=(english,)).values()))
        for measure in ("dev_margin", "sharpness_difference", "sharpness_alpha")
    ]
    body.append((name, len(each_seed), f"{mean.value:.3f}{reach}", *r))
head = ("", "seeds", "mean target accuracy", "r, margin (dev)", "r, sharpness, difference", "r, sharpness, 1/α²")
chapters.table(head, body, "Means over seeds, with 95 % intervals where there are several")

# %% [markdown]
# ## What the measures add
#
# The margin is nearly a function of accuracy, and sharpness rises with the loss. Both are fair only against the simple
# measure that they contain. The table has partial correlations with test accuracy: margin at fixed development accuracy,
# sharpness at fixed development loss, and beside them the margin of the correctly classified examples alone.

# %% tags=["hide-input"]
simple, alone, body = within("dev_accuracy"), within("dev_margin_correct"), []
for name in names:
    who = (name, seed)
    margin, sharp = (
        chapters.partial(first_runs, measure, fixed, who, (english,))
        for measure, fixed in (("dev_margin", "dev_accuracy"), ("sharpness_difference", "dev_loss"))
    )
    body.append((name, simple[name], margin or "undefined", alone[name], sharp or "undefined"))
head_2 = ("", "dev accuracy", "margin at fixed dev accuracy", "margin, correct only", "sharpness at fixed dev loss")
adding = [sum(line[k] != "undefined" and 0 not in line[k] for line in body) for k in (2, 4)]
glue("objectives-margin-adds", f"{adding[0]} of {len(names)}", display=False)
glue("objectives-sharpness-adds", f"{adding[1]} of {len(names)}", display=False)
chapters.table(head_2, body, "Correlation and partial correlation with test accuracy, 95 % intervals")

# %% [markdown]
# The interval of the partial correlation excludes 0 for the margin in {glue:text}`objectives-margin-adds` models, for
# sharpness in {glue:text}`objectives-sharpness-adds`.

# %% [markdown]
# ## In the ledger
#
# The cells of the paper's Tables 1 and 3 are rows of the {doc}`ledger <ledger>`. The evidence is the coefficient of the
# seed that is shown, with its interval over languages; what other seeds would have given stands two sections above.

# %% tags=["hide-input"]
folder = chapters.ledger_folder(options.store)
ledger.clear("objectives", folder=folder)
recorded = {"seeds": [seed], "scale": chapters.scale_of(preset, common | hyper), "folder": folder}
lines = []
for item, measure in (("t1-margin", "dev_margin"), ("t1-sharpness", "sharpness_difference"), ("t3", "sharpness_alpha")):
    for name, ours in within(measure).items():
        cell = chapters.published(first.task, measure, name)
        if cell is None or f"{cell.table}" != item[1]:
            continue
        claim = ledger.CLAIMS[f"bassi-{item}-{name}"]
        if ours.status == "ok":
            keys = [shown[name].key]
            one = ledger.record("objectives", claim.id, **ledger.of(ours), **recorded, run_keys=keys)
        else:
            one = ledger.not_run("objectives", claim.id, f"no correlation: {ours.reason}", folder=folder)
        lines.append(
            f"{claim.item}. {claim.sentence} Paper: {cell.printed}; ours: {ours}. {ledger.verdict(claim, one)}."
        )
lines = [line.replace("-0.", "−0.") for line in lines] or [
    "The paper's tables have no row for this task and these models."
]
chapters.box("note", "The paper's claims, and what became of them", *lines)

# %% [markdown]
# Some choices had to be made because the paper says two things. This is how much they matter here:

# %% tags=["hide-input"]
pairs = {name: (within("dev_margin")[name], within("margin")[name]) for name in names}
pairs = {name: pair for name, pair in pairs.items() if {one.status for one in pair} == {"ok"}}
choices = {}
if pairs:
    most_moved = max(pairs, key=lambda name: abs(pairs[name][0].pearson.value - pairs[name][1].pearson.value))
    dev, test = (one.pearson.value for one in pairs[most_moved])
    changed = [
        name
        for name, (one, other) in pairs.items()
        if (cell := chapters.published(first.task, "dev_margin", name))
        and cell.verdict(one).outcome != cell.verdict(other).outcome
    ]
    choices["margin-split"] = (
        f"With the margin of the test split in place of the development split's, r with accuracy changes most for "
        f"{most_moved}, from {signed(dev)} to {signed(test)}; the verdict changes for {', '.join(changed) or 'no model'}."
    )
choices["flat-but-worse"] = (
    f"Sharpness and accuracy: r = {signed(average.mean)} in the mean within the objectives, "
    f"{signed(pooled['accuracy'])} over all objectives and languages together."
)
several = {measure: number for measure, number in over.items() if number.n_seeds > 1 and measure in (
    "dev_margin", "sharpness_difference", "sharpness_alpha")}  # fmt: skip
if several:
    spans_of_seeds = "; ".join(
        f"{chapters.NAMES[measure]}: {signed(number.smallest)} to {signed(number.largest)}, mean {signed(number.mean)}"
        for measure, number in several.items()
    )
    choices["seeds-of-tables"] = f"r with accuracy over {len(means)} seeds of {reference}. {spans_of_seeds}."
points = {name: paired(first_runs, "sharpness_alpha", without=(english,))[name, seed] for name in names}
far = {name: next(iter(chapters.column(rows, "frobenius", (name, seed)).values()))["value"] for name in names}
inside = [(a, a * far[name] ** 2 / 4, b) for name, one in points.items()
          for a, b, ok in zip(one.x, one.y, one.status, strict=True) if ok == "ok"]  # fmt: skip
if len(inside) > 4 and len(names) > 1:
    bare, scaled, reached_there = map(np.array, zip(*inside, strict=True))
    choices["alpha-measure"] = (
        "Within one model the two are proportional. Over all objectives and languages together, r with accuracy is "
        f"{signed(float(pearson(bare, reached_there)))} for 1/α² and "
        f"{signed(float(pearson(scaled, reached_there)))} for ‖W − W₀‖² / (4 α²)."
    )
for contradiction, sentence in choices.items():
    ledger.choice("objectives", contradiction, sentence, folder=folder)
conflict = {one.id: one for one in published.contradictions()}
chapters.box(
    "warning", "The paper contradicts itself", *(f"{conflict[key].sentence} {told}" for key, told in choices.items())
)

# %% [markdown]
# ```{warning}
# What this page cannot show, whatever its numbers are:
#
# - **Scale.** The encoder is {glue:text}`objectives-encoder`, the task {glue:text}`objectives-task`. Agreement with a
#   paper on mBERT is agreement of a pattern; disagreement may be due to size alone.
# - **Flatness between models.** Sharpness depends on the scale of the weights ({doc}`theory`). Objectives that end at
#   different scales can differ in sharpness and compute nearly the same function.
# - **Noise.** The paper's scale was chosen for each model, ours is one for all; neither paper nor page knows which of
#   its coefficients would have been reported at another choice.
# - **Languages.** {glue:text}`objectives-targets` languages, several of them related, are few. Intervals treat them as
#   independent draws and are, if anything, too narrow.
# - **Selection.** Hyper-parameters are the objectives' defaults and were not tuned on this task; nor was the baseline.
# ```
#
# ```{admonition} What we learnt
# :class: important
# - Table 1: {glue:text}`objectives-verdicts`.
# - In the mean over the target languages {glue:text}`objectives-most`; and {glue:text}`objectives-flattest`.
# - With nothing but the seed changed, {glue:text}`objectives-moved`.
# ```
#
# ```{admonition} Your turn
# :class: tip
# Two objectives only, with three seeds each, or another noise scale for everything:
#
#     papermill notebooks/objectives.ipynb out.ipynb -p objectives baseline,sam -p seeds 0,1,2
#     papermill notebooks/objectives.ipynb out.ipynb -p noise_scale 0.01
#
# Which radius makes SAM flattest in the sense of $\phi_{\text{difference}}$, and is that the one that transfers best?
#
#     papermill notebooks/objectives.ipynb out.ipynb -y "hyper: {sam: {rho: 0.2}}"
# ```

# %% tags=["hide-input"]
provenance(
    [run.key for run in runs],
    {"objectives": names, "preset": preset, "task": first.task, "model": first.model}
    | {"seeds": each, "extra_seeds": extra_seeds},
)
