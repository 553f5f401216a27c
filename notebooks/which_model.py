# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which model?
#
# The [chapter before](which_language) fixed the model and asked in which languages it is good. Here the language is fixed
# and there are several fine-tuned models to choose from: other objectives, other seeds. Which of them is good in this
# language? Model selection without labels in the target language is this question, and so is the paper's Figure 5.
#
# ```{admonition} What you will learn
# :class: tip
# - A measure can tell languages apart and be silent on models, or the other way round: two questions with two answers.
# - How to test the choice of a model: leave out a model, draw whole models, and treat an objective as one draw.
# - How much of the difference between models there is to predict, when each accuracy is counted on a few hundred examples.
# ```

# %% tags=["parameters", "hide-input"]
preset: str = "mini"  # sizes: mini (offline miniature), small (20,000 real English pairs) or paper
task: str = ""  # mini-xnli, mini-pawsx, xnli or pawsx; empty: XNLI or its miniature
model: str = ""  # mini, a hub id or a folder; empty: the preset's own
objectives: list = ["baseline", "sam", "mvr", "fisher"]  # training objectives
seeds: list = [0, 1, 2, 3, 4, 5, 6, 7]  # random seeds, each objective is trained with each
thorough: list = [0, 1, 2]  # seeds whose models get every measure; the others those of predictions
size: int = 500  # examples of each language and split for accuracy and margins [count]; 0: all
data_dir: str = ""  # folder with the official archives, from the working directory; empty: the hub
train_size: int = None  # English training pairs [count], 0 for all; None: the protocol's own
epochs: int = None  # passes over the training pairs [count]; None: the preset's own
resamples: int = 4999  # bootstrap samples, and permutations [count]
live: "int or all" = 1  # models trained here even where a record is committed [count], or all
store: str = ""  # folder of trained models and measures; empty: runs/ of the checkout
workers: int = 1  # models trained or measured side by side [processes]; the book runs chapters side by side

# %% tags=["hide-cell", "reads:records"]
import matplotlib.pyplot as plt
import numpy as np

from paper import chapters, figures, protocols
from paper.chapters.contests import BASES, compared, error_forest, error_of, forecasts, side_by_side
from paper.chapters.measures import (
    ALPHA,
    TWINS,
    MeasureTables,
    beside_real,
    cell,
    corrected,
    few,
    listed,
    named,
    once,
    p_text,
    tested,
)
from paper.notebook import provenance
from xlgen.analysis import MIN_POINTS, clustered, holm
from xlgen.analysis.contest import contests

figures.use_style()
say, objectives = chapters.Say("which_model"), chapters.words(objectives)
seeds, thorough = chapters.words(seeds, int), chapters.words(thorough, int)
choices = {"task": task, "objectives": objectives, "seeds": seeds, "thorough": thorough, "size": size}
choices |= chapters.given(model=model, train_size=train_size, epochs=epochs)
found, real = beside_real(protocols.seeds(preset, **choices), chapters.options_for(store, data_dir), workers, live)

# %% tags=["remove-input"]
chapters.records_box(found)

# %% tags=["remove-input"]
study = MeasureTables(found)
keys, languages, tried, candidates = study.keys, study.languages, study.tried, study.candidates
tables, facts, task = study.tables, chapters.facts(found), study.frame.task.iloc[0]
accuracy = tables["accuracy"]  # (models, languages)
n_examples = study.about.n["accuracy"]
say(models=len(keys), with_all=len(study.with_all), languages=len(languages), tried=len(tried))
say(task=task, encoder=facts["encoder"], examples=f"{n_examples:,}", objectives=", ".join(objectives))
by_model = np.std(accuracy.mean(axis=1), ddof=int(len(keys) > 1))
say(spread_models=f"{100 * by_model:.1f}", spread_languages=f"{100 * np.std(accuracy.mean(axis=0), ddof=1):.1f}")

# %% tags=["remove-input"]
first, second = tested(study.over_languages, once(tried), resamples), tested(study.over_models, tried, resamples)
first_p, second_p = corrected(first), corrected(second)
related = [study.settled(answer, p) for answer, p in ((first, first_p), (second, second_p))]
in_both = [m for m in related[1] if TWINS.get(m, m) in related[0]]
flipped = [m for m in in_both if first[TWINS.get(m, m)].value * second[m].value < 0]
say(first_count=f"{len(related[0])} of {len(once(candidates))}")
say(second_count=f"{len(related[1])} of {len(candidates)}", second_list=listed(related[1], second))
say(both=f"{len(in_both)}", flipped=few(map(named, flipped)), least_p=f"{1 / (resamples + 1):.1g}")

# %% tags=["remove-input"]
entries = {named(m): [m] for m in candidates if np.isfinite(tables[m]).any()}
joint = study.sets_of(list(filter(study.mostly_there, candidates)))
entries |= {title: measures for title, measures in joint.items() if title != "all with labels"}
models_out = contests(entries, lambda measures: study.leave_out("model", measures))
free = {title: not any(map(study.needs_labels, measures)) for title, measures in entries.items()}
better = {}
for base in BASES["model"]:
    gains = {title: result.gain("ours", base) for title, result in models_out.items()}
    better[base] = [title for title, gain in gains.items() if gain.difference.high < 0 and gain.p_flip <= ALPHA]
best_model = min(models_out, key=lambda title: error_of(models_out[title]), default=None)
n_beat = len(better["English"])
beat_english = f"{n_beat} of the {len(models_out)} regressions {'beats' if n_beat == 1 else 'beat'} it"
say(across_better=f"{len(better['mean'])} of {len(models_out)}", across_english=n_beat, beat_english=beat_english)
say(across_free=sum(free[title] for title in better["mean"]), across=compared(models_out, best_model))
say(across_level=f"{error_of(models_out[best_model], 'English'):.2f}" if best_model else "undefined")

# %% [markdown]
# ## Forecasts of a new model
#
# Leave out a model with all its languages. In each language, fit a straight line from the measure to the accuracy of the
# other models, and read off the one that was left out. The simplest guess needs no measure: what the language gives on
# average over the other models. **Before you look:** take the measure without labels that did best in the
# [chapter before](which_language). Will it halve the error of the simplest guess here too?

# %% tags=["remove-input"]
real_rows, n_real = forecasts(real, facts["english"], "model"), real.key.nunique() if len(real) else 0
singles = {m: models_out[named(m)] for m in candidates if named(m) in models_out}
caption = f"""Errors of a model that was left out [points], with 95 % intervals over models, of the miniature ({len(keys)} \
models; {len(study.with_all)} of them have the expensive measures) and of real XNLI (e5-small; models: {n_real}\
{f"; it takes {MIN_POINTS}" * (n_real < MIN_POINTS)}); a blank: too few models, or not recorded"""
labelled = {m: study.needs_labels(m) for m in singles}
varying = {m: [m] for m in singles if m in first and first[m].status == "ok" and not labelled[m]}
by_language = contests(varying, lambda measures: study.leave_out("language", measures))
before = min(by_language, key=lambda m: error_of(by_language[m]), default=None)
halved = "there is no such measure"
if before in singles:
    ours, base = (singles[before].errors[who].mean for who in ("ours", "mean"))
    verb = "halves" if ours.value <= base.value / 2 else "does not halve"
    halved = f"{named(before)} {verb} the error: {ours:.2f} points against {base:.2f}"
beside = {row["measure"]: row for row in real_rows}
if before in beside:
    halved += (
        f"; on real XNLI {beside[before]['error']:.2f} against {beside[before]['baseline']:.2f} of the same models"
    )
unlabelled = [row for row in real_rows if not row["needs_labels"]]
real_read = f"Of real models {n_real} are recorded; the question takes at least {MIN_POINTS}."
if unlabelled:
    below = sum(row["error"].value < row["baseline"].value for row in unlabelled)
    least = min(unlabelled, key=lambda row: row["error"].value)
    real_read = (
        f"In the real column {below} of {len(unlabelled)} measures without labels miss by less than the language's mean "
        f"of the same models. The least error has {named(least['measure'])}, {least['error']:.2f} against "
        f"{least['baseline']:.2f} ({least['models']} models): the best of {len(unlabelled)}, chosen by looking."
    )
say(halved=halved, real_read=real_read)
side_by_side(singles, real_rows, labelled, caption, BASES["model"]["mean"])

# %% [markdown]
# The answer: {glue:text}`which_model-halved`. {glue:text}`which_model-real-read`
#
# In the miniature {glue:text}`which_model-across-better` regressions, joint ones among them, beat the language's mean over
# the other models (not corrected for their number); {glue:text}`which_model-across-free` of these need no label in the
# target language. The smallest error: {glue:text}`which_model-across` models. A rival that needs no label in the target
# language is the model's English accuracy: it misses by {glue:text}`which_model-across-level` points, and
# {glue:text}`which_model-beat-english`.
#
# ## Why it is harder
#
# Over languages (mean of all models) the standard deviation of accuracy is {glue:text}`which_model-spread-languages` points;
# over the {glue:text}`which_model-models` models (mean of all languages) {glue:text}`which_model-spread-models`. There is
# less to tell apart. As in {eq}`eq-which-language-two`, the coefficient
#
# $$ \bar r_{\text{models}} = \frac1L \sum_\ell \operatorname{corr}_r(x_{r\ell}, y_{r\ell}) $$
#
# correlates over models $r$ in each language $\ell$. All languages meet the same models, so whole models are drawn and
# dealt out. It is the computation of the chapter before with the table turned on its side:

# %%
x, y = tables["confidence"].T, accuracy.T  # (languages, models)


def mean_r(x, y):
    """Pearson's r of each row, and their mean."""
    dx, dy = (a - a.mean(axis=1, keepdims=True) for a in (x, y))
    return np.mean((dx * dy).sum(axis=1) / np.sqrt((dx**2).sum(axis=1) * (dy**2).sum(axis=1)))


rng, n = np.random.default_rng(0), len(keys)
dealt = [mean_r(x[:, rng.permutation(n)], y) for _ in range(resamples)]
p = (1 + np.sum(np.abs(dealt) >= abs(mean_r(x, y)))) / (1 + resamples)
c = clustered(x, y, resamples=resamples)
assert np.isclose(c.value, mean_r(x, y))
print(f"from scratch: r = {mean_r(x, y):.3f}, p = {p:.2g}; xlgen: r = {c.value:.3f}, p = {c.p:.2g}")

# %% mystnb={"figure": {"name": "fig-which-model-forest", "caption": "Mean correlation of each measure with test accuracy. Left: over languages, for a fixed model. Right: over models, for a fixed language. 95 % bootstrap intervals over languages (left) and over models (right). Filled circles: needs labels in the target language; hollow diamonds: needs none; grey crosses: from the very predictions that accuracy is computed from."}, "image": {"alt": "Two forest plots side by side with one row for each measure, showing its mean correlation with accuracy over languages and over models, with intervals."}} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9.6, 0.3 * len(tried) + 1.2), sharey=True)
for ax, answer, over in zip(axes, (first, second), ("languages", "models"), strict=True):
    study.forest(ax, answer, over, tried)
plt.show()

# %% [markdown]
# Of the candidates, {glue:text}`which_model-second-count` are related to accuracy over models (Holm-corrected p at most
# 0.05, and an interval without 0), the strongest first: {glue:text}`which_model-second-list`
# ({numref}`fig-which-model-forest`). Over languages it is {glue:text}`which_model-first-count`, where the difference of
# confidences (DoC) and the mean confidence count once. Related in both: {glue:text}`which_model-both`; with opposite signs:
# {glue:text}`which_model-flipped`. No p-value can be below {glue:text}`which_model-least-p`, one over the number of
# permutations; where a corrected one is near 0.05 there are more of them, so that no verdict hangs on their seed. With fewer
# than about eight models, intervals over models are not to be trusted.
#
# ```{admonition} Concept check: $r = 0.9$ over languages, so one keeps the model with the highest value. True?
# :class: dropdown
# *Not shown.* The misconception is that what goes along with accuracy from language to language also does from model to
# model. The left panel of
# {numref}`fig-which-model-forest` is about the first, the right one about the second, and a measure that is far from 0 on
# the left can be near it on the right. A model that is over-confident everywhere has the highest confidence and need not
# be the best.
# ```
#
# ````{exercise} ★ What would have been announced?
# :label: which-model-ex-holm
#
# How many measures have $p \le 0.05$ over models without a correction, with Bonferroni's ($m\,p$) and with Holm's? Why is
# Holm's never worse than Bonferroni's, and why does neither ask whether the measures are independent?
# ````
#
# ````{solution-start} which-model-ex-holm
# :class: dropdown
# ````

# %%
p = np.nan_to_num([c.p for c in second.values()], nan=1)
print("no correction:", (p <= 0.05).sum(), "of", len(p))
print("Bonferroni:   ", (len(p) * p <= 0.05).sum())
print("Holm:         ", (holm(p) <= 0.05).sum())

# %% [markdown]
# Bonferroni multiplies each p-value by $m$; Holm does so with the smallest only, the next is multiplied by $m - 1$, and
# so on. If the first $i$ rejections are right, only $m - i$ true hypotheses are left to be rejected by mistake. Both
# rest on the union bound, which adds probabilities and needs no independence. Nor can either know of the measures that
# we tried before and did not write down.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## Seeds, or objectives?
#
# The models differ in two ways: in the objective ({glue:text}`which_model-objectives`), and in nothing but the seed. A
# measure that tells objectives apart but not the seeds of one objective has found as many points as there are objectives,
# and they prove little. So correlate also over the models of *one* objective, in each language, and take the mean:


# %%
def over_seeds(measure, **how):
    """Rows are an objective and a language; seeds are drawn."""
    order = [[keys.index((o, seed)) for seed in seeds] for o in objectives]
    x, y = (np.vstack([table[rows].T for rows in order]) for table in (tables[measure], accuracy))
    return clustered(x, y, **how)


by_seed = tested(over_seeds, candidates, resamples)
seed_p = corrected(by_seed)

# %% tags=["remove-input"]
seed_settled = study.settled(by_seed, seed_p)
unknown = [m for m, c in by_seed.items() if c.status != "ok"]
constant = sum(second[m].status != "ok" for m in unknown)
say(
    seeds_only=listed(seed_settled, by_seed),
    seeds_unknown=f"{len(unknown)} of {len(candidates)}",
    constant=constant,
    too_few=len(unknown) - constant,
)
body = []
for m in candidates:
    row = [cell(by_seed[m]), p_text(seed_p[m]), cell(second[m]), p_text(second_p[m])]
    body.append((named(m), *row))
caption = f"""Pearson's r with test accuracy over models for a fixed language, 95 % bootstrap intervals over models \
(p corrected for {len(candidates)} and {len(tried)} measures)"""
chapters.table(("", "over seeds of one objective, mean", "Holm", "over all models", "Holm"), body, caption, dense=True)

# %% [markdown]
# Over seeds alone, these are related to accuracy, the strongest first: {glue:text}`which_model-seeds-only`.
# Undefined are {glue:text}`which_model-seeds-unknown`: {glue:text}`which_model-constant` are features of the language, the
# same for all models, and {glue:text}`which_model-too-few` are measured with too few seeds.
#
# ````{exercise} ★★ How much is there to tell?
# :label: which-model-ex-ceiling
#
# An accuracy $y = a + e$ is counted on $n$ examples: $e$ has the variance $a (1 - a) / n$. Suppose that a measure knew $a$
# itself. Derive the largest correlation with $y$ over models that it can have on average, and compute it in each language.
# ````
#
# ````{solution-start} which-model-ex-ceiling
# :class: dropdown
# ````

# %%
of_counting = np.mean(accuracy * (1 - accuracy), axis=0) / n_examples  # one per language
ceiling = np.sqrt(np.maximum(0, 1 - of_counting / np.var(accuracy, axis=0, ddof=1)))
for code, value in sorted(zip(languages, ceiling, strict=True), key=lambda pair: pair[1]):
    print(f"{code} {value:.2f}", end="  ")

# %% [markdown]
# With $e$ independent of $a$, $\operatorname{corr}(a, y) = \sqrt{\operatorname{Var} a / \operatorname{Var} y}$ and
# $\operatorname{Var} a = \operatorname{Var} y - \operatorname{Var} e$. Where nearly all of the variance between models is
# counting, no measure can do well. The bound is a pessimist's: all models are counted on the same examples, and the part
# of $e$ that they share shifts them together and does not count against a measure. Accuracy on the development split is
# counted on other examples and has the same noise once more.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## A new model, from scratch
#
# The table at the top, for the mean confidence, in one loop: everything is fitted without the model, by deviations from
# the *language's* mean over the other models.

# %%
missed = []
for i in range(n):
    others = [j for j in range(n) if j != i]
    # of each language, without the model:
    x_mean, y_mean = (a[:, others].mean(axis=1, keepdims=True) for a in (x, y))
    dx, dy = x[:, others] - x_mean, y[:, others] - y_mean
    slope = (dx * dy).sum() / (dx**2).sum()
    forecast = y_mean[:, 0] + slope * (x[:, i] - x_mean[:, 0])
    missed.append(100 * np.abs(forecast - y[:, i]).mean())
library = study.leave_out("model", ["confidence"]).errors["ours"]
assert np.allclose([library.mae[key] for key in keys], missed)
print(f"mean absolute error: {np.mean(missed):.2f} points; xlgen: {library.mean:.2f}")

# %% mystnb={"figure": {"name": "fig-which-model-errors", "caption": "Mean absolute error of predicting the accuracies of a model that had no part in the prediction, with its 95 % interval over models (Student-t). Filled circles: needs labels in the target language; hollow diamonds: needs none. Lines: the baselines on the rows of all measures; English accuracy enters as a deviation from its mean over models."}, "image": {"alt": "One row for each predictor with its mean absolute error and interval, and two vertical lines for the baselines."}} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(8.2, 0.3 * len(models_out) + 1.6))
error_forest(ax, models_out, free, BASES["model"])
plt.show()

# %% [markdown]
# The baseline takes what a language has always given, and the differences between models are small beside those between
# languages; that is why all errors here are small, and why few regressions are better. {doc}`every_measure` has all
# differences with their p-values, and those of leaving out a whole objective with all its seeds.
#
# ```{exercise} ★★★ A fifth objective
# :label: which-model-ex-objective
#
# The objectives of this page are four draws. Choose another one of `xlgen list objectives`, say before you train it which
# of the measures in {numref}`fig-which-model-forest` should still order the models, and run the page with it. If the
# answer changes: was it the objective, or the seeds that you could afford?
# ```
#
# ```{solution} which-model-ex-objective
# :class: dropdown
#
# For instance `-p objectives baseline,sam,mvr,fisher,rdrop -p live 8`, which trains eight models; two seeds are a first
# look. Compare the column over seeds with that over all models. A measure that gained only in the second has learnt to
# recognise the new objective. Whether it was the seeds is answered by leaving each of them out in turn; if the sign of $r$
# then changes, it was.
# ```
#
# ```{admonition} What we learnt
# :class: important
# - Over models {glue:text}`which_model-second-count` candidates are related to accuracy after the correction, over
#   languages {glue:text}`which_model-first-count`: two questions with two answers.
# - For a new model, regressions that beat the language's mean: {glue:text}`which_model-across-better`; without labels in
#   the target language: {glue:text}`which_model-across-free`; better than English accuracy:
#   {glue:text}`which_model-across-english`.
# - All of it for {glue:text}`which_model-models` models of {glue:text}`which_model-encoder` on
#   {glue:text}`which_model-task`, {glue:text}`which_model-with-all` of them with every measure.
# ```
#
# ```{admonition} Your turn
# :class: tip
# Everything trained here, with one seed and a fifth of the pairs; two objectives; every measure for all seeds (it measures
# what has no record):
#
#     papermill notebooks/which_model.ipynb out.ipynb -p seeds 0 -p train_size 600 -p live 4
#     papermill notebooks/which_model.ipynb out.ipynb -p objectives baseline,sam
#     papermill notebooks/which_model.ipynb out.ipynb -p thorough 0,1,2,3,4,5,6,7
# ```

# %% tags=["remove-input"]
provenance(
    [run.key for run in found.runs.values()],
    {"preset": preset, **choices, "task": task, "resamples": resamples},
)
