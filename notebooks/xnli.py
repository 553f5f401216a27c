# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Fine-tune on English, evaluate everywhere
#
# One model, from start to end. A multilingual encoder is fine-tuned on English sentence pairs with one training
# objective and then evaluated in every language of the task. For each language we measure what
# {cite:t}`bassi2024generalization` measured (margin, sharpness, distance from the pretrained weights) and ask which of
# these numbers go along with accuracy over the languages that the model never saw a label in, and how sure one can be
# with so few of them. The objective, the data and the encoder are parameters of the page.
#
# ```{admonition} What you will learn
# :class: tip
# - How margin, sharpness and distance are computed for one model in many languages, and on which examples.
# - How to read a correlation over a dozen languages: interval, p-value, rank correlation, and what the seed does to it.
# - Why a measure that needs labels has to be compared with the simplest measure that needs them: accuracy itself.
# ```

# %% tags=["parameters", "hide-input"]
objective: str = "baseline"  # baseline, sam, fisher, mvr, l2, ewc, … or one of your own
preset: str = "mini"  # mini (offline miniature), real (10,000 real English pairs, e5-small), small (20,000) or paper
task: str = ""  # mini-xnli, mini-pawsx, xnli or pawsx; empty: the preset's own
model: str = ""  # mini, a hub id or a folder; empty: the preset's own
seeds: list = [0]  # random seeds, one training run each; figures show the first
train_size: int = None  # English training pairs [count], 0 for all; None: the preset's own
epochs: int = None  # passes over the training pairs [count]; None: the preset's own
hyper: dict = {}  # hyper-parameters of the objective and other settings of the run, by name
alpha_criterion: str = "accuracy_deviation"  # of the α-search: or loss_deviation, absolute_loss
data_dir: str = ""  # folder with the official archives; empty: the hub
store: str = ""  # folder of trained models and measures; empty: runs/ of the checkout
workers: int = 1  # models trained or measured side by side [processes]; the book runs chapters side by side

# %% tags=["hide-cell"]
import matplotlib.pyplot as plt
import numpy as np

from paper import chapters, figures, live, protocols, published, records
from paper.notebook import provenance
from paper.protocols import few, uniform
from xlgen.analysis import NOTHING, binomial_interval, correlations, over_seeds, paired, signed
from xlgen.data.catalogue import TASKS
from xlgen.training.presets import config_for

figures.use_style()
seeds, hyper = chapters.words(seeds, int), chapters.by_name(hyper)
say = chapters.Say("xnli")

# %% [markdown]
# ## Train, or find in the store
#
# A configuration is a preset (how much of which data, for how long), an encoder, an objective and a seed. Everything
# that changes a result is in it, and its hash is the name of the trained model in the store: a model that is there
# already is not trained again. What misses a setting below takes it from the preset.

# %% tags=["reads:records"]
options = chapters.options_for(store, data_dir)
settings = chapters.given(model=model, train_size=train_size, epochs=epochs) | hyper
configs = {
    (objective, seed): config_for(preset, task or None, objective=objective, seed=seed, **settings) for seed in seeds
}
measures = chapters.study_measures(size=500, sharpness_size=few(preset), criterion=alpha_criterion)
protocol = uniform(configs, *measures, names=("objective", "seed"))
models = records.obtain(protocol, options, workers=workers, live=len(configs))

# %% tags=["remove-input"]
shown = (objective, seeds[0])
first = models.runs[shown]
config, corpus = first.config, TASKS[first.task]
english, targets = corpus.source_language, [code for code in corpus.languages if code != corpus.source_language]
facts = chapters.facts(models)
hyper_values = ", ".join(f"{k} = {v}" for k, v in config.hyper.items()) or "no hyper-parameters"
say(task=first.task, objective=objective, encoder=facts["encoder"], targets=len(targets), seeds=facts["seeds"])
chapters.table(
    ("setting", "value"),
    [
        ("task", f"{first.task}, trained in {english}, evaluated in {len(corpus.languages)} languages"),
        ("encoder", facts["encoder"]),
        ("objective", f"{objective} ({hyper_values})"),
        (
            "training",
            f"{facts['pairs']} pairs, {config.epochs} epochs, {first.manifest['steps']:,} steps of {config.batch_size}",
        ),
        ("trained weights", "all" if config.tuning == "full" else f"{config.tuning} and the head"),
        (
            "optimizer",
            f"{config.optimizer}, peak learning rate {config.lr:g}, warm-up {config.warmup:.0%}, clip {config.clip:g}",
        ),
        ("checkpoint", f"best accuracy on {first.manifest['dev_pairs']:,} English development pairs"),
        ("seeds", ", ".join(map(str, seeds))),
    ],
    "The run that this page is about",
)

# %% [markdown]
# The development set that chooses the checkpoint is English. No label in another language has any influence on the
# model: transfer is *zero-shot*.

# %% mystnb={"figure": {"name": "fig-xnli-log", "caption": "Training of the first seed. Left: mean cross-entropy of the training steps since the last look (with dropout, so it can lie above the development loss early on) and of the English development set. Right: English development accuracy; the ring marks the checkpoint that is kept."}, "image": {"alt": "Two panels against the epoch: training and development cross-entropy, and development accuracy with one epoch marked by a ring."}} tags=["hide-input"]
log, best = first.log, first.summary
epoch = [entry["epoch"] for entry in log]
fig, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.4))
names = {"loss": "training", "sam_loss": "training, at the ascended weights", "view_loss": "training, sampled view"}
for (name, label), marker in zip((names | {"dev_loss": "English dev"}).items(), "os^D", strict=True):
    if name in log[0]:
        left.plot(epoch, [entry[name] for entry in log], marker=marker, label=label)
left.set(xlabel="epoch", ylabel="cross-entropy [nats]", xlim=(0, None), ylim=(0, None))
left.legend()
right.plot(epoch, [entry["dev_accuracy"] for entry in log], marker="o")
right.plot(best["epoch"], best["dev_accuracy"], "o", ms=13, mfc="none", mec="C2", mew=1.6)
right.set(xlabel="epoch", ylabel="accuracy, English dev", xlim=(0, None), ylim=(None, 1.02))
plt.show()

# %% tags=["remove-input"]
skip = ("step", "seconds", "lr")
chapters.table(
    [name for name in log[0] if name not in skip],
    [[f"{value:.4g}" for name, value in entry.items() if name not in skip] for entry in log],
    "The log of the first seed: losses in nats; what else the objective logs, as a mean over the steps",
)

# %% [markdown]
# ## Accuracy in every language
#
# Everything was measured in one go, and is kept in the store beside the model. Accuracy, loss and margins are functions
# of the predictions and are computed on 500 examples of the development and of the test split; the two sharpnesses need
# gradients at perturbed weights and are computed on fewer test examples. Dropout is off.

# %%
rows = chapters.with_both_errors(models.rows())


def column(measure: str) -> dict:
    """The rows of a measure of the first seed, by language."""
    return chapters.column(rows, measure, shown)


accuracy = {code: row["value"] for code, row in column("accuracy").items()}
intervals = {code: binomial_interval(row["value"], row["n"]) for code, row in column("accuracy").items()}
chance = chapters.commonest(corpus, english, "test", intervals[english].n, options.data_dir)

# %% tags=["remove-input"]
worst, best_target = min(targets, key=accuracy.get), max(targets, key=accuracy.get)
unlearnt = sum(intervals[code].low <= chance for code in targets)
say(
    accuracy_english=f"{accuracy[english]:.3f}",
    accuracy_mean=f"{np.mean([accuracy[code] for code in targets]):.3f}",
    accuracy_low=f"{accuracy[worst]:.3f} ({worst})",
    accuracy_high=f"{accuracy[best_target]:.3f} ({best_target})",
    accuracy_n=f"{intervals[english].n:,}",
    chance=f"{chance:.3f}",
    unlearnt=f"{unlearnt or 'none'} of the {len(targets)}",
)
chapters.unlearnt([intervals[english]], chance, english)

# %% mystnb={"figure": {"name": "fig-xnli-accuracy", "caption": "Test accuracy in each language with its 95 % binomial (Wilson) interval. Dashed: always answering with the most frequent label."}, "image": {"alt": "Bars of test accuracy by language with short error bars; a dashed line marks chance."}} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(8.4, 3.6))
figures.bars_by_language(ax, {objective: intervals}, chance=chance)
plt.show()

# %% [markdown]
# In {numref}`fig-xnli-accuracy` English reaches {glue:text}`xnli-accuracy-english`; the {glue:text}`xnli-targets` other
# languages reach {glue:text}`xnli-accuracy-mean` on average, from {glue:text}`xnli-accuracy-low` to
# {glue:text}`xnli-accuracy-high`. In {glue:text}`xnli-unlearnt` the interval reaches down to the most frequent
# label's share, {glue:text}`xnli-chance`. The intervals come from {glue:text}`xnli-accuracy-n` examples per language. They
# say what other examples would give; what another seed would give comes at the end of the page.

# %% [markdown]
# ## Margin
#
# How far is the true class ahead of the best other one? With the predicted probabilities, averaged over the $N$
# examples of a language {cite:p}`bassi2024generalization`:
#
# $$ \gamma = \frac1N \sum_{i=1}^{N} \Big( p_\theta(y_i \mid x_i) - \max_{j \neq y_i} p_\theta(j \mid x_i) \Big)
# \in [-1, 1]. $$ (eq-xnli-margin)
#
# An example contributes a positive number exactly if it is classified correctly. The paper's Figure 3 puts the margin
# on the *validation* set against accuracy on the *test* set; that is the left panel below. The right one takes both
# from the test set, where the two are computed from the very same predictions and should agree better. English is left
# out of the correlation: it was trained on, and the question is about the languages that were not.

# %% mystnb={"figure": {"name": "fig-xnli-margin", "caption": "Margin against test accuracy, one point per target language. Left: margin on the development split, as in Figure 3 of Bassi et al. Right: margin on the test split. Bars: one standard error over examples. Above: Pearson's r with its 95 % interval."}, "image": {"alt": "Two scatter plots of accuracy against margin, one point for each target language with its code."}} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9.6, 4.2))
for ax, measure in zip(axes, ("dev_margin", "margin"), strict=True):
    pairs = paired(rows, measure, without=(english,))[shown]
    figures.scatter_pairs(ax, pairs, f"{chapters.NAMES[measure]} [probability]", objective=objective)
plt.show()

# %% [markdown]
# The margin is nearly a function of accuracy: a model that is certain of everything has $\gamma_i = \pm 1$, and then
# {eq}`eq-xnli-margin` *is* $2 \cdot \text{accuracy} - 1$. So a high correlation is no surprise, and there is a simpler
# number that needs the same labels: accuracy on the development split. Two ways to see what the margin adds are its
# *partial* correlation with test accuracy at fixed development accuracy, and the margin of the correctly classified
# examples alone, which cannot know how many there are.


# %%
def correlation(measure: str, without: tuple[str, ...] = (english,)):
    """With test accuracy over languages, for the first seed."""
    return correlations(rows, measure, without=without)[shown]


def beyond(measure: str, fixed: str):
    """Partial correlation with test accuracy over the target languages."""
    return chapters.partial(rows, measure, fixed, shown, (english,)) or NOTHING


margin_beyond = beyond("dev_margin", fixed="dev_accuracy")
print("margin (dev)             ", correlation("dev_margin"))
print("accuracy (dev)           ", correlation("dev_accuracy"))
print("margin, correct only     ", correlation("dev_margin_correct"))
print("margin at fixed accuracy ", f"{margin_beyond:.3f}")

# %% tags=["remove-input"]
say(
    margin_r=f"{correlation('dev_margin')}",
    accuracy_r=f"{correlation('dev_accuracy')}",
    margin_beyond=f"{margin_beyond:.3f}",
)

# %% [markdown]
# Development accuracy: {glue:text}`xnli-accuracy-r`. Margin: {glue:text}`xnli-margin-r`. At fixed development accuracy the
# margin keeps a partial correlation of {glue:text}`xnli-margin-beyond`; as long as such an interval includes 0, nothing is
# shown that counting right answers would not show. (An interval without 0 is necessary, not sufficient: a margin that is
# only a less noisy estimate of accuracy than counting would have one too.) Remember the comparison when a measure that
# needs labels in the target language is recommended for languages that have none.
#
# ```{exercise} ★ A margin without labels
# :label: xnli-ex-unlabelled
#
# (a) Change {eq}`eq-xnli-margin` so that it needs no label. (b) For a model whose probabilities are *calibrated* in
# a language, what is the expected accuracy there? (c) Why should one not count on that in a zero-shot language?
# ```
#
# ```{solution} xnli-ex-unlabelled
# :class: dropdown
#
# (a) Take the best class in place of the true one: the gap between the two most probable classes. It is the margin of
# an example that is classified correctly, and minus the margin (for two classes) of one that is not. (b) The mean
# probability of the best class: that is what calibrated means. (c) Calibration is a property of the data that the model
# was fitted to. Far from them a network tends to be overconfident, and how far a language is from English is just
# what we do not know.
# ```

# %% [markdown]
# ## Sharpness by difference
#
# How much does the loss rise when the weights are moved a little? {cite:t}`bassi2024generalization` define, with
# $L$ the mean cross-entropy in one language and $w_0$ the fine-tuned weights (their Algorithm 1),
#
# $$ \begin{aligned}
# w &= w_0 + \varepsilon, \quad \varepsilon \sim N(0, \sigma^2 I), \qquad w' = w + n \nabla L(w), \\
# w' &\leftarrow w_0 + p \, \frac{w' - w_0}{\|w' - w_0\|} \ \text{ if } \|w' - w_0\| > p = \lambda \|w'\|, \\
# \phi_{\text{difference}} &= L(w') - L(w_0) .
# \end{aligned} $$ (eq-xnli-phi)
#
# Noise so that the gradient does not vanish, one step uphill, and a projection on a ball. The paper takes $n = 0.05$,
# $\lambda$ "small like 0.05" and chooses $\sigma$ for each model; here $\sigma$ is a parameter and the same for all. The
# same draws of $\varepsilon$ serve all languages, so that differences between languages are not due to the draw.
#
# Two controls come with it: the same noise without the step uphill, and what the step would give if the loss were a
# plane, $n \|\nabla L(w)\|^2$.

# %%
phi = {code: row for code, row in column("sharpness_difference").items() if code in targets}
n = 0.05
ratios = {}
for code, row in phi.items():
    draws = {key: np.array(row["extra"][key]) for key in ("phi", "phi_noise", "ascent_norm")}
    first_order = np.mean(draws["ascent_norm"] ** 2) / n  # the step has length n |g|
    ratios[code] = np.mean(draws["phi"] - draws["phi_noise"]) / first_order

# %% tags=["remove-input"]


def examples_over_noise(row: dict) -> float:
    """The standard error over the examples, in units of that over the draws of noise."""
    draws = np.array(row["extra"]["phi"])
    return row["extra"]["stderr_examples"] / (draws.std(ddof=1) / np.sqrt(len(draws)))


share = [row["extra"]["ascent_share"] for row in phi.values()]
clipped = np.mean([row["extra"]["clipped"] for row in phi.values()])
say(
    phi_ratio_low=f"{min(ratios.values()):.2f}",
    phi_ratio_high=f"{max(ratios.values()):.2f}",
    phi_share_low=f"{min(share):.0%}",
    phi_share_high=f"{max(share):.0%}",
    phi_clipped=f"{clipped:.0%}",
    phi_errors=f"{np.median([examples_over_noise(row) for row in phi.values()]):.0f}",
    phi_n=phi[targets[0]]["n"],
    phi_draws=len(phi[targets[0]]["extra"]["phi"]),
    phi_scale=f"{measures[-1].settings['sharpness_difference']['noise_scale']:g}",
)

# %% mystnb={"figure": {"name": "fig-xnli-sharpness", "caption": "Difference-based sharpness against test accuracy, one point per target language. Bars: one standard error over examples, of the sharpness over the noise draws too."}, "image": {"alt": "Scatter plot of test accuracy against sharpness, one point for each target language with its code."}} tags=["hide-input"]
pairs = paired(rows, "sharpness_difference", without=(english,))[shown]
fig, ax = plt.subplots(figsize=(6.4, 4.4))
figures.scatter_pairs(ax, pairs, r"sharpness $\phi_\mathrm{difference}$ [nats]", objective=objective)
plt.show()

# %% [markdown]
# {numref}`fig-xnli-sharpness` is computed on the first {glue:text}`xnli-phi-n` test examples of each language with
# {glue:text}`xnli-phi-draws` draws of noise at $\sigma =$ {glue:text}`xnli-phi-scale`. Other examples would move a point
# more than other noise: in the median the standard error over examples is {glue:text}`xnli-phi-errors` times that over
# the draws, and it still takes the perturbed weights as given. The projection was active in
# {glue:text}`xnli-phi-clipped` of the draws. How much of $\phi$ is due to the gradient, and not to the noise? The
# control is $\phi$ of the same noise without the step uphill: the step's share lies between
# {glue:text}`xnli-phi-share-low` and {glue:text}`xnli-phi-share-high`, depending on the language.
#
# That share has a meaning. To first order the step raises the loss by $n \|\nabla L\|^2$, so as far as it makes up
# $\phi$ and is short, the sharpness is a squared gradient norm. Whether it is short can be checked: $\phi$ minus the
# control is between {glue:text}`xnli-phi-ratio-low` and {glue:text}`xnli-phi-ratio-high` times that term. Where this is far
# from 1 the step leaves the region in which the loss looks like its gradient ($n$ is the paper's, chosen for another
# encoder), and where the *loss* of a language is high, so is its gradient. The fair question is again whether sharpness
# says more than a simpler number, here the loss on the development split.

# %%
sharpness_beyond = beyond("sharpness_difference", fixed="dev_loss")
print("sharpness               ", correlation("sharpness_difference"))
print("loss (dev)              ", correlation("dev_loss"))
print("sharpness at fixed loss ", f"{sharpness_beyond:.3f}")
say(phi_beyond=f"{sharpness_beyond:.3f}")

# %% [markdown]
# At fixed development loss the partial correlation of sharpness with test accuracy is {glue:text}`xnli-phi-beyond`. In
# {doc}`sharpness` the same model has another coefficient: of fewer languages, English among them, and fewer examples.
#
# How much does one language carry? Guess which one, then take it out: a click, or Tab and Enter.

# %% mystnb={"figure": {"name": "fig-xnli-leave-out", "caption": "Sharpness against test accuracy, one point per target language, in the mean over the seeds; the correlation and its interval without the languages that are taken out."}, "image": {"alt": "Scatter plot whose points can be taken out, with the correlation in words."}} tags=["hide-input"]
live.leave_out(models.frame, x="sharpness_difference")

# %% [markdown]
# ````{exercise} ★★ A squared gradient in disguise
# :label: xnli-ex-gradient
#
# Without noise and projection, $w' = w_0 + n \nabla L(w_0)$. (a) Expand $\phi$ to second order in $n$. (b) What do
# ratios of $\phi$ to the first-order term above and below 1 mean? Print them by language. (c) Which part of $\phi$
# deserves the name curvature?
# ````
#
# ````{solution-start} xnli-ex-gradient
# :class: dropdown
# ````
#
# (a) $\phi = n \|g\|^2 + \frac12 n^2 g^\top H g + O(n^3)$ with $g = \nabla L(w_0)$. (b) Above 1 the loss curves upwards
# along its own gradient, below 1 it bends down: going up, it reaches flatter ground, as it must when the step is long
# enough to change most predictions.

# %%
for code, ratio in sorted(ratios.items(), key=lambda item: item[1]):
    print(f"{code}: phi {phi[code]['value']:.4f} nats, ratio {ratio:.2f}")

# %% [markdown]
# (c) The second term alone, which is (ratio − 1) times the first, and only while the ratio is near 1; farther out all
# orders matter. Where the projection is active it shortens the step, and the ratio says nothing.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## Sharpness by search
#
# The older definition asks the opposite question {cite:p}`keskar2017large,jiang2020fantastic`: how far may every single
# weight be moved, in the worst direction, before the model gets worse by a given amount?
#
# $$ \alpha = \max \Big\{ a : \max_{\|u\|_\infty \le a} \mathrm{deviation}(w_0, w_0 + u) < d \Big\}, \qquad
# \text{sharpness} = 1 / \alpha^2 . $$ (eq-xnli-alpha)
#
# Here the deviation is the drop of accuracy on a few test examples (`alpha_criterion`), the inner maximum is sought by
# projected gradient ascent, the outer one by bisection. The paper prints the criterion $L(w_0 + u) < 0.1$ and reports
# that its search ended at the ends of the bracket. In a language whose loss is above 0.1 before anything is
# moved, it must: no $a$ is small enough. The status of each search is therefore kept:

# %% tags=["remove-input"]
chapters.saturation([row for row in rows if (row["objective"], row["seed"]) == shown])

# %% mystnb={"figure": {"name": "fig-xnli-alpha", "caption": "α-sharpness against test accuracy, one point per target language (compare Figure 7 of Bassi et al.). Logarithmic axis; Pearson's r is, as in the paper, that of the values themselves. Searches that ended at an end of the bracket are not drawn. The standard errors of the search (bootstrap over its examples) are in the table; they are not drawn."}, "image": {"alt": "Scatter plot of test accuracy against one over alpha squared, one point for each target language whose search ended inside the bracket."}} tags=["hide-input"]
pairs = paired(rows, "sharpness_alpha", without=(english,))[shown]
fig, ax = plt.subplots(figsize=(6.4, 4.4))
ax.set_xscale("log")
figures.scatter_pairs(ax, pairs, r"sharpness $1 / \alpha^2$ [1 / parameter²]", objective=objective, xerr=False)
plt.show()

# %% [markdown]
# ## Distance from the pretrained weights
#
# $\|W - W_0\|_F$, the Frobenius distance that fine-tuning went {cite:p}`nagarajan2019generalization`, is a number of the
# model and not of a language: it is the same whatever language one asks about. It can go along with transfer over
# *models* (the paper's Figure 5), but no correlation over languages can be computed from it.

# %%
for seed in seeds:
    (row,) = chapters.column(rows, "frobenius", (objective, seed)).values()
    relative, head = (row["extra"][key] for key in ("relative", "excluded_norm"))
    print(f"seed {seed}: {row['value']:.2f}, {relative:.1%} of |W_0|;", end=" ")
    print(f"the new head (norm {head:.2f}) is not counted")

# %% [markdown]
# ## All measures beside the paper
#
# Now the correlations of all measures with test accuracy over the target languages. The paper prints coefficients
# without intervals; the hollow marks below are its numbers with the interval that such a coefficient has at the paper's
# number of languages.

# %%
names = [name for name in chapters.NAMES if name != "accuracy"]
ours = {name: correlation(name) for name in names}
printed = {name: chapters.published(first.task, name, objective) for name in names}
with_english = {name: correlation(name, without=()) for name in names}

# %% mystnb={"figure": {"name": "fig-xnli-forest", "caption": "Pearson correlation of each measure with test accuracy over the target languages, 95 % intervals. Hollow: the paper's coefficient (mBERT on the real task) with the interval it has at its number of languages."}, "image": {"alt": "Forest plot with one row for each measure: a filled mark with an interval for this page's model, and under three of them a hollow mark for the paper's coefficient."}} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(7.2, 5.2))
by_title = {chapters.NAMES[name]: ours[name] for name in names}
figures.forest(ax, by_title, {chapters.NAMES[name]: cell for name, cell in printed.items()})
plt.show()

# %% tags=["remove-input"]
in_tables = ("dev_margin", "sharpness_difference", "sharpness_alpha")
sentences = [chapters.beside(first.task, name, objective, ours[name]) for name in in_tables]
chapters.box("note", f"The paper's cells for {objective}, and ours", *sentences)

# %% tags=["remove-input"]
evidence = chapters.Evidence("xnli", models, preset, settings, store=options.store)
both = f"probabilities {ours['dev_margin']}; logits {ours['dev_margin_logit']}"
sentence = f"Development margin and accuracy: {both}."
evidence.choice("margin-space", sentence)
(conflict,) = (entry for entry in published.contradictions() if entry.id == "margin-space")
chapters.box("warning", "Which margin?", f"{conflict} {sentence}")

# %% tags=["remove-input"]
of_shown = [row for row in rows if (row["objective"], row["seed"]) == shown]
noise = {chapters.NAMES[name]: chapters.noise(of_shown, name, english) for name in names}
caption = f"Correlations with test accuracy over the {len(targets)} target languages"
chapters.correlation_table(by_title, caption, noise)

# %% tags=["remove-input"]
shared = {name: c for (_, name), c in chapters.shares(models.frame[models.frame.language != english]).items()}
words = {"accuracy": "accuracy", "margin": "dev_margin", "sharpness": "sharpness_difference"}
say(**{f"shared_{word}": f"{shared[name]:.2f}" for word, name in words.items()})

# %% [markdown]
# *Reliability* is the share of a measure's variance over the languages that other examples would not have changed, and
# *r corrected for error* the coefficient divided by the root of both reliabilities (that of accuracy too): what it would be if
# both were known exactly ({mod}`xlgen.analysis.reliability`). The last column says why a sign cannot be said: too few
# languages, or too noisy a measure.
#
# The languages of this test set are translations of each other. A hard example is hard in many of them: it moves all
# languages alike, which is part of every standard error and sets no language apart. Of the squared error of accuracy the
# languages have the share {glue:text}`xnli-shared-accuracy` in common, of that of the margin
# {glue:text}`xnli-shared-margin` and of the sharpness by difference {glue:text}`xnli-shared-sharpness`
# ({func}`~xlgen.analysis.reliability.in_common`; 0, but for chance, if every language had examples of its own). Only
# the rest counts against a measure's reliability {cite:p}`hoyt1941test`.

# %% [markdown]
# The same measures of a real encoder, fine-tuned on English pairs of MultiNLI and scored on all test pairs of XNLI, as
# far as it is recorded:

# %% tags=["remove-input", "reads:records"]
real = records.committed(protocols.seeds("real", objectives=[objective], seeds=chapters.SEEDS))
title_of = {chapters.NAMES[name]: name for name in names}
caption = "Real data: correlations over the target languages, mean over seeds, 95 % bootstrap over languages"
chapters.show(chapters.real_box(real))
chapters.show(chapters.real_table(real, "Accuracy [%] of the recorded models", lambda key: key[0]))

# %% mystnb={"figure": {"name": "fig-xnli-real", "caption": "Real data: test accuracy against some of the measures, one point per target language, mean over the seeds. Bars: one standard error. Searches for α that ended at an end of the bracket are not drawn. Above: Pearson's r, 95 % bootstrap over languages."}, "image": {"alt": "Scatter plots of test accuracy against a measure each, points labelled by language."}} tags=["remove-input", "reads:records"]
shown_measures = {
    "margin (dev) [probability]": "dev_margin",
    "confidence (no labels)": "confidence",
    r"$\phi_\mathrm{difference}$ [nats]": "sharpness_difference",
    r"$1/\alpha^2$ [1 / parameter²]": "sharpness_alpha",
    r"$\mathrm{Tr}\,F$ [nats² / parameter²]": "fisher_trace",
    "Fréchet $d^2$ from English": "frechet",
}
setups = {label: chapters.setups_of(real, name, lambda key: key[0]) for label, name in shown_measures.items()}
chapters.real_scatter(setups, logarithmic=[r"$1/\alpha^2$ [1 / parameter²]"], columns=3)

# %% tags=["remove-input", "reads:records"]
chapters.show(chapters.real_relations(real, title_of, caption, lambda key: key[0]))
chapters.show(chapters.reading(chapters.real_settled(real, title_of, lambda key: key[0])))

# %% [markdown]
# Three cautions before any of these numbers is believed. The languages are not independent draws (related ones carry
# less information than their number says), so the intervals are, if anything, too narrow. There are many rows, and
# among twenty coefficients of nothing at all one is expected below $p = 0.05$. And if the encoder is not mBERT, agreement
# with the paper is agreement of a pattern and not a replication.
#
# Including English adds one point, and not just any point: it lies where the training data were. The table shows how
# much that point does.

# %% tags=["remove-input"]
change = {name: with_english[name].pearson.value - ours[name].pearson.value for name in names}
moved = max(names, key=lambda name: abs(np.nan_to_num(change[name])))
say(english_moves=f"{chapters.NAMES[moved]}, by {signed(change[moved])}")
chapters.table(
    ("", "targets alone", "with English", "difference of r"),
    [(chapters.NAMES[name], ours[name], with_english[name], signed(change[name])) for name in names],
    "Correlations with test accuracy without and with English",
)

# %% [markdown]
# The coefficient that English moves most: {glue:text}`xnli-english-moves`.
#
# ````{exercise} ★★ Which language carries the correlation?
# :label: xnli-ex-leverage
#
# Leave out one target language at a time and recompute the correlation of sharpness and accuracy. Which language moves
# it most? Is the largest move smaller than the interval of {numref}`fig-xnli-forest`, and should it be?
# ````
#
# ````{solution-start} xnli-ex-leverage
# :class: dropdown
# ````

# %%
whole = ours["sharpness_difference"].pearson
pairs = paired(rows, "sharpness_difference", without=(english,))[shown]
x, y = np.array(pairs.x), np.array(pairs.y)
left_out = {code: np.corrcoef(np.delete(x, i), np.delete(y, i))[0, 1] for i, code in enumerate(pairs.languages)}
for code in sorted(targets, key=lambda code: -abs(left_out[code] - whole.value))[:5]:
    print(f"without {code}: r = {signed(left_out[code])}")
print(f"with all:   r = {signed(whole.value)},", end=" ")
print(f"interval [{signed(whole.low)}, {signed(whole.high)}]")

# %% [markdown]
# It usually is much smaller, and it should be: the interval is about *other* languages altogether, of which removing a
# single one says little. If one language does move $r$ as far as the interval reaches, then the correlation is a
# statement about that language.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What another seed would give
#
# A seed changes the new classification head, dropout and the order of the examples. The intervals above know nothing of
# that: they are about other languages, given this model. Train with several seeds (`-y "seeds: [0, 1, 2]"`) to see how
# far the coefficient of *these* languages depends on it.

# %% mystnb={"figure": {"name": "fig-xnli-seeds", "caption": "Correlation of each measure with test accuracy over the target languages, one mark per seed. The line goes from the smallest to the largest."}, "image": {"alt": "One row for each measure, with a mark for the correlation coefficient of every seed."}} tags=["hide-input"]
per_seed = {name: list(correlations(rows, name, without=(english,)).values()) for name in names}
if len(seeds) > 1:
    fig, ax = plt.subplots(figsize=(7.2, 4.6))
    for height, cs in enumerate(per_seed.values()):
        r = [c.pearson.value for c in cs]
        ax.plot(r, [height] * len(r), "o-", color=figures.look(objective).colour, mfc="white", lw=1)
    ax.axvline(0, color=figures.FAINT, lw=0.8, zorder=0)
    ax.set_yticks(range(len(names)), [chapters.NAMES[name] for name in names])
    ax.set(xlim=(-1.05, 1.05), ylim=(len(names) - 0.5, -0.5), xlabel="Pearson's r with accuracy (test)")
    plt.show()

# %% tags=["remove-input"]
mean_accuracy = [
    np.mean([row["value"] for row in chapters.column(rows, "accuracy", key, (english,)).values()]) for key in configs
]
ends = f"the mean target accuracy lies between {min(mean_accuracy):.3f} and {max(mean_accuracy):.3f}"
say(spread=f"Over {len(seeds)} seeds {ends}." if len(seeds) > 1 else "One seed alone says nothing of the spread.")
across = {chapters.NAMES[name]: over_seeds(each_seed) for name, each_seed in per_seed.items()}
chapters.table(
    ("", "mean over seeds", "smallest", "largest", "seeds", "undefined"),
    [
        (title, signed(s.mean), signed(s.smallest), signed(s.largest), s.n_seeds, s.left_out)
        for title, s in across.items()
    ],
    "Pearson's r over seeds (mean on the scale of Fisher's z)",
) if len(seeds) > 1 else None

# %% [markdown]
# This page has {glue:text}`xnli-seeds`. {glue:text}`xnli-spread` The chapter on {doc}`objectives <objectives>` has three of
# the baseline.

# %% [markdown]
# ## All values
#
# The numbers behind the figures, for the first seed, and what each was computed on. A star marks a search that ended at
# an end of its bracket.

# %% tags=["remove-input"]
central = ("accuracy", "loss", "dev_margin", "margin", "sharpness_difference", "sharpness_alpha")
others = ("dev_accuracy", "dev_margin_p10", "dev_margin_logit", "dev_margin_logit_p10", "dev_margin_correct")
columns = {name: column(name) for name in central + others}
titles = {name: chapters.NAMES.get(name, f"{name} (test)") for name in columns}


def value_text(row: dict) -> str:
    error = "" if row["stderr"] is None else f" ± {row['stderr']:.2g}"
    return f"{row['value']:.4g}{error}".replace("-", "−") + ("" if row["status"] == "ok" else " *")


def values_table(names: tuple[str, ...], caption: str):
    """Languages down, measures across."""
    return chapters.table(
        ("", *(titles[name] for name in names)),
        [(code, *(value_text(columns[name][code]) for name in names)) for code in corpus.languages],
        caption,
    )


values_table(central, "Value ± standard error over examples, of the sharpness by difference over the noise draws too")

# %% tags=["remove-input"]
values_table(others, "The other margins, and accuracy on the development split: value ± standard error over examples")

# %% tags=["remove-input"]
computed_on = []
for name, values in columns.items():
    counts = sorted({row["n"] for row in values.values()})
    examples = " to ".join(f"{n:,}" for n in dict.fromkeys((counts[0], counts[-1])))
    computed_on.append((titles[name], examples, ", ".join(sorted({row["on"] for row in values.values()}))))
chapters.table(("", "examples", "computed on"), computed_on, "What each measure was computed on, per language")

# %% [markdown]
# ```{admonition} Concept check: $r = 0.9$ over 14 languages, so the measure forecasts accuracy within a few points. True?
# :class: dropdown
# *Not shown.* The misconception is that $r$ is the error of a forecast. It says how near these 14 points lie to a line, in
# units of their own spread. By how many points a forecast for a language that was left out is wrong is another number,
# and so is what a simpler measure would miss. Besides, with 14 languages the 95 % interval of 0.9 is [0.71, 0.97].
# ```
#
# ```{admonition} What we learnt
# :class: important
# - Objective {glue:text}`xnli-objective`, task {glue:text}`xnli-task`, encoder: {glue:text}`xnli-encoder`. English
#   {glue:text}`xnli-accuracy-english`; the mean of {glue:text}`xnli-targets` target languages
#   {glue:text}`xnli-accuracy-mean`.
# - Development margin and test accuracy: {glue:text}`xnli-margin-r`; at fixed development accuracy
#   {glue:text}`xnli-margin-beyond`.
# - Of the difference-based sharpness, {glue:text}`xnli-phi-share-low` to {glue:text}`xnli-phi-share-high` is due to one
#   gradient step; it is {glue:text}`xnli-phi-ratio-low` to {glue:text}`xnli-phi-ratio-high` times what the squared norm
#   of the gradient alone would give.
# ```
#
# ```{admonition} Your turn
# :class: tip
# Another objective; its row of the paper then stands beside yours:
#
#     papermill notebooks/xnli.ipynb out.ipynb -p objective sam
#
# A larger radius, three seeds, the α-criterion as the paper prints it (what does the box say now?):
#
#     papermill notebooks/xnli.ipynb out.ipynb -p objective sam -y "hyper: {rho: 0.2}"
#     papermill notebooks/xnli.ipynb out.ipynb -p seeds 0,1,2
#     papermill notebooks/xnli.ipynb out.ipynb -p alpha_criterion absolute_loss
#
# Real data, with the miniature's or any other encoder ({doc}`/running`):
#
#     papermill notebooks/xnli.ipynb out.ipynb -p preset small -p data_dir archives -p model mini
# ```

# %% tags=["remove-input"]
provenance(
    [run.key for run in models.runs.values()],
    {"objective": objective, "preset": preset, "task": first.task, "model": config.model, "seeds": seeds}
    | chapters.given(train_size=train_size, epochs=epochs, alpha_criterion=alpha_criterion)
    | ({"hyper": hyper} if hyper else {}),
)
