# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which language?
#
# A model was fine-tuned on English and is to be used in a language for which nobody has a labelled test set. How accurate
# will it be there? The earlier chapters define measures and look at a few models. This one takes every measure, on all
# models of {cite:t}`bassi2024generalization`'s protocol and on a real encoder, and asks which of them says so, how many
# points it is wrong, and what it costs to compute. The [next chapter](which_model) asks the other question: which of
# several models is good in a given language. All tables in full are in {doc}`every_measure`.
#
# ```{admonition} What you will learn
# :class: tip
# - How to test a forecast on languages that had no part in it, and which guesses without any measure it has to beat.
# - How to be honest about languages that come back in every model (draw whole languages) and about some thirty measures
#   that were all tried (Holm).
# - Why a measure that is computed from the predictions it is meant to predict proves nothing, and what labels are worth.
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
import pandas as pd
from myst_nb import glue

from paper import chapters, figures, protocols
from paper.chapters.contests import (
    BASES,
    as_it_is,
    compared,
    error_forest,
    error_of,
    forecasts,
    passes,
    real_error_forest,
    side_by_side,
)
from paper.chapters.measures import (
    ALPHA,
    MeasureTables,
    beside_real,
    corrected,
    few,
    listed,
    named,
    once,
    p_text,
    tested,
)
from paper.live import picker
from paper.notebook import provenance
from xlgen.analysis import clustered, errors, holm, leave_one_out, mean_of_others, signed
from xlgen.analysis.contest import contests
from xlgen.forecast.forecasters import DIRECT

figures.use_style()
say, objectives = chapters.Say("which_language"), chapters.words(objectives)
seeds, thorough = chapters.words(seeds, int), chapters.words(thorough, int)
choices = {"task": task, "objectives": objectives, "seeds": seeds, "thorough": thorough, "size": size}
choices |= chapters.given(model=model, train_size=train_size, epochs=epochs)
found, real = beside_real(protocols.seeds(preset, **choices), chapters.options_for(store, data_dir), workers, live)

# %% tags=["remove-input"]
chapters.records_box(found)

# %% tags=["remove-input"]
study = MeasureTables(found)
keys, languages, tried, candidates = study.keys, study.languages, once(study.tried), once(study.candidates)
tables, facts, task = study.tables, chapters.facts(found), study.frame.task.iloc[0]
accuracy = tables["accuracy"]  # (models, languages)
n_examples, label_free = study.about.n["accuracy"], sum(not study.needs_labels(m) for m in tried)
say(models=len(keys), with_all=len(study.with_all), languages=len(languages), tried=len(tried), free=label_free)
say(task=task, encoder=facts["encoder"], examples=f"{n_examples:,}", candidates=len(candidates))

# %% tags=["remove-input"]
first = tested(study.over_languages, tried, resamples)
first_p = corrected(first)
related = study.settled(first, first_p)
say(first_count=f"{len(related)} of {len(candidates)}", first_list=listed(related, first))

# %% tags=["remove-input"]
varying = [m for m in candidates if first[m].status == "ok"]
entries = {named(m): [m] for m in varying} | study.sets_of([m for m in varying if study.mostly_there(m)])
results = contests(entries, lambda measures: study.leave_out("language", measures))
free = {title: not any(map(study.needs_labels, measures)) for title, measures in entries.items()}
ordered = sorted(results, key=lambda title: error_of(results[title]))
best_free = next((title for title in ordered if free[title]), None)
best_labelled = next((title for title in ordered if not free[title]), None)
dropped = few(named(m) for m in varying if not study.mostly_there(m))
say(best_free=compared(results, best_free), best_labelled=compared(results, best_labelled), dropped=dropped)
say(best_free_english=compared(results, best_free, "English"))

# %% tags=["remove-input"]
real_rows = forecasts(real, facts["english"])
counted_once = once(row["measure"] for row in real_rows)
real_rows = [row for row in real_rows if row["measure"] in counted_once]
looked_at = [row for row in real_rows if not row["needs_labels"]]
best_real = min(looked_at, key=lambda r: r["error"].value, default=None)
real_said, n_real = "no record yet", 0
if best_real:
    gap = f"{best_real['error']:.1f} points, the mean of the others {best_real['baseline']:.1f}"
    real_said, n_real = f"{named(best_real['measure'])} {gap}", real.key.nunique()
scored = real[real.measure == "accuracy"] if n_real else pd.DataFrame({"train_size": [0], "n": [0], "language": [""]})
say(real_pairs=f"{scored.train_size.max():,}", real_rows=f"{scored.n.max():,}")
say(real_languages=scored.language.nunique(), real_models=n_real, real_best=real_said, real_tried=len(looked_at))
say(real_row=f"{real_said}; the best of {len(looked_at)} that were looked at" if best_real else real_said)
unknown = [m for m in candidates if m not in {row["measure"] for row in real_rows}]
say(real_missing=few(map(named, unknown)))

# %% [markdown]
# ## The forecasts, and what they cost
#
# Take a language away, fit a straight line from the measure to the accuracy in all the others, read the forecast off it,
# and count by how many points it misses. Do so for every language in turn. The simplest guess needs no measure: the mean
# of the other languages. A *pass* is one forward pass over the examples of a language, and a backward pass counts as two.

# %% tags=["remove-input"]
singles = {m: results[named(m)] for m in varying if named(m) in results}
caption = f"""Errors in a language that was left out [points], with 95 % intervals over languages, of the miniature \
({len(keys)} models; {len(study.with_all)} of them have the expensive measures) and of real XNLI (e5-small; models: at most {n_real}); \
a blank: not recorded, or constant"""
side_by_side(singles, real_rows, {m: study.needs_labels(m) for m in singles}, caption, BASES["language"]["mean"])

# %% [markdown]
# ```{admonition} What the rows are
# :class: dropdown
# - *COT*: share out the predictions so that the classes come out as often as in English, as cheaply as possible, where a
#   prediction that gives a class the probability $p$ costs $1 - p$; the forecast is 1 minus the mean cost
#   {cite:p}`lu2023characterizing`. *COTT*: the share of examples whose cost is below a threshold set on English.
# - *ATC*: the share whose confidence, or negative entropy, is above such a threshold {cite:p}`garg2022leveraging`.
# - *DoC*: the mean confidence less what it is too high by in English {cite:p}`guillory2021predicting`.
# - *Nuclear norm*: large where predictions are certain and spread over the classes {cite:p}`deng2023confidence`.
# - *Sub-words per word*: into how many pieces the tokenizer cuts a word. *Text in pretraining*: $\log_{10}$ of the amount
#   of text in the corpus of the encoder's pretraining (for the miniature, whose languages are drawn by it, of articles in
#   Wikipedia), relative to English. Both are features of the language, and need no model.
# ```
#
# *Mean confidence* stands for DoC too: within a model they differ by a constant, so that over languages they count once;
# over models they are two measures. Other pages have other numbers for the same measure: here one slope is fitted to all
# models, in {doc}`predict` a line to each; and each error is of the models that have the measure, fewer if it is expensive.
#
# Compare the rows of one pass with those of sixteen and more. On real text the best without labels is
# {glue:text}`which_language-real-best`: the best of {glue:text}`which_language-real-tried` (those
# that are missing here are in {doc}`every_measure`), chosen by looking, which flatters it. Models of multilingual E5 small recorded so far: {glue:text}`which_language-real-models`, fine-tuned on at
# most {glue:text}`which_language-real-pairs` English pairs of MultiNLI and scored on
# {glue:text}`which_language-real-rows` test pairs of XNLI in each of {glue:text}`which_language-real-languages` languages.
# The last stage of its pretraining saw English NLI pairs, so its English is better than its size suggests. Real languages
# lie closer together than those of the miniature, so that the mean of the others is harder to beat. Without a real
# record: {glue:text}`which_language-real-missing`.
#
# The rows "needed" have labels of the language, of its development split at least. With labels in hand one can count
# correct answers, and the last part of this page asks whether anything beats that.

# %% tags=["remove-input"]
rest = accuracy - accuracy.mean(axis=0) - accuracy.mean(axis=1, keepdims=True) + accuracy.mean()
by_model = np.std(accuracy.mean(axis=1), ddof=int(len(keys) > 1))
counting = np.sqrt(np.mean(accuracy * (1 - accuracy) / n_examples))
say(spread_languages=f"{100 * np.std(accuracy.mean(axis=0), ddof=1):.1f}", spread_models=f"{100 * by_model:.1f}")
say(spread_rest=f"{100 * np.sqrt(np.mean(rest**2)):.1f}", counting=f"{100 * counting:.1f}")

# %% [markdown]
# ## Two questions
#
# Accuracy varies for two reasons. Over the {glue:text}`which_language-languages` target languages (mean of all models)
# its standard deviation is {glue:text}`which_language-spread-languages` points; over the
# {glue:text}`which_language-models` models (mean of all languages) {glue:text}`which_language-spread-models` points; what
# is left after both is {glue:text}`which_language-spread-rest` points, and counting {glue:text}`which_language-examples`
# test examples alone explains {glue:text}`which_language-counting` of these. With models $r$, languages $\ell$, a measure
# $x_{r\ell}$ and accuracies $y_{r\ell}$ there are two correlations:
#
# $$ \bar r_{\text{languages}} = \frac1R \sum_r \operatorname{corr}_\ell(x_{r\ell}, y_{r\ell}), \qquad
# \bar r_{\text{models}} = \frac1L \sum_\ell \operatorname{corr}_r(x_{r\ell}, y_{r\ell}) . $$ (eq-which-language-two)
#
# The first is about *this* chapter's question: in which languages will a given model be good? The paper's Tables 1 and 3
# and its Figures 3, 4 and 7 ask it of one model of each objective. The second is the next chapter's. A scatter plot of
# all models and all languages at once, as in the paper's Figures 1 and 2, mixes the two.
#
# **Before you look:** write down one measure that needs no label in the language and one that does, and the correlation
# that you expect of each. Then pick them.

# %% tags=["remove-input"]
by_language = set(study.frame[study.frame.language.isin(languages)].measure)
shown_first = [m for m in singles if m in by_language and not study.needs_labels(m)]
picture = picker(
    pd.concat([study.frame.assign(scale="miniature"), real.assign(scale="real")]),
    x=min(shown_first, key=lambda m: error_of(singles[m]), default="confidence"),
    labels={measure: named(measure) for measure in study.tried if measure in by_language},
    caption="Any measure of any model against accuracy, one point per language; r with its interval, and the error of a "
    "line that has not seen the language.",
)
glue("which_language-picker", picture, display=False)
picture

# %% [markdown]
# ## How sure is the mean of many correlations?
#
# Not as many times as sure as one. French is easy for every model, and each model meets the same French: the languages
# are the *clusters*. The bootstrap draws whole languages, with all their models {cite:p}`efron1993bootstrap`. The
# permutation hands the measure's languages out anew, in the same way in every model, as if it knew nothing of them. From
# scratch, for the mean confidence of a model in its own answers:

# %%
x, y = tables["confidence"], accuracy  # (models, languages)


def mean_r(x, y):
    """Pearson's r of each row, and their mean."""
    dx, dy = (a - a.mean(axis=1, keepdims=True) for a in (x, y))
    return np.mean((dx * dy).sum(axis=1) / np.sqrt((dx**2).sum(axis=1) * (dy**2).sum(axis=1)))


rng, n = np.random.default_rng(0), len(languages)
drawn = [mean_r(x[:, some], y[:, some]) for some in rng.integers(n, size=(resamples, n))]
dealt = [mean_r(x[:, rng.permutation(n)], y) for _ in range(resamples)]
low, high = np.quantile(drawn, [0.025, 0.975])
p = (1 + np.sum(np.abs(dealt) >= abs(mean_r(x, y)))) / (1 + resamples)

# %% [markdown]
# The library does the same, with two refinements: its interval is corrected for bias and skewness (BCa), and models or
# languages with a missing value are handled.

# %%
c = clustered(x, y, resamples=resamples)
assert np.isclose(c.value, mean_r(x, y))
print(f"from scratch: r = {mean_r(x, y):.3f} [{low:.3f}, {high:.3f}], p = {p:.2g}")
print(f"xlgen:        r = {c.value:.3f} [{c.low:.3f}, {c.high:.3f}], p = {c.p:.2g}")

# %% [markdown]
# There are {glue:text}`which_language-tried` measures. If none were related to accuracy, one or two of them would still
# be expected below $p = 0.05$. Holm's step-down correction {cite:p}`holm1979simple` makes up for that, whatever the
# dependence between the measures: with $p_{(1)} \le \dots \le p_{(m)}$,
#
# $$ \tilde p_{(i)} = \min\Big(1, \max_{j \le i} (m - j + 1)\, p_{(j)} \Big) . $$ (eq-which-language-holm)


# %%
def step_down(p):
    """Holm: the smallest p times m, the next times m - 1, …, never below the one before."""
    adjusted = np.empty(len(p))
    adjusted[np.argsort(p)] = np.minimum(1, np.maximum.accumulate(np.sort(p) * np.arange(len(p), 0, -1)))
    return adjusted


p = np.nan_to_num([c.p for c in first.values()], nan=1)  # a constant measure was tried as well
assert np.allclose(step_down(p), holm(p))
print(f"{np.sum(p <= 0.05)} measures with p <= 0.05, {np.sum(step_down(p) <= 0.05)} after the correction")

# %% mystnb={"figure": {"name": "fig-which-language-forest", "caption": "Mean correlation of each measure with test accuracy over languages, for a fixed model, with 95 % bootstrap intervals over languages. Filled circles: needs labels in the target language; hollow diamonds: needs none; grey crosses: from the very predictions that accuracy is computed from."}, "image": {"alt": "A forest plot with one row for each measure, showing its mean correlation with accuracy over languages with an interval."}} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(7.4, 0.3 * len(tried) + 1.2))
study.forest(ax, first, "languages")
plt.show()

# %% [markdown]
# The crosses in {numref}`fig-which-language-forest` mark a trap. The margin on the test split is a function of the very
# predictions whose correct share *is* the accuracy; that the two agree says that arithmetic works. The paper's Figure 3
# puts the margin of the *validation* split against test accuracy, and so do we. The crosses are counted among the
# measures tried, but are no candidates for an answer. The sharpnesses are a milder case: they are computed with labels of
# test examples that are also among those of the accuracy.
#
# Of the candidates, {glue:text}`which_language-first-count` are related to accuracy over languages (corrected p at most
# 0.05, and an interval without 0), the strongest first: {glue:text}`which_language-first-list`
# ({numref}`fig-which-language-forest`).
#
# ```{admonition} Concept check: With more seeds the interval of $r$ becomes as short as one likes. True?
# :class: dropdown
# *Not for the next language.* The misconception is that every point is a new piece of evidence. The short interval would be
# about *these* languages: more models average out the noise of training in each, and the interval shrinks around what these
# languages give. It says nothing about the next language, which is the one that has no labels. Only more languages help
# with that; {doc}`every_measure` has the exercise in numbers.
# ```
#
# ## From a correlation to a forecast
#
# A correlation of 0.7 promises no accuracy. So we predict: for language $\ell$ take the regression of accuracy on
# measures, fitted in all *other* languages, and apply it to the measures of $\ell$. All models' rows of $\ell$ are left
# out together; otherwise the same French would sit in the training rows, under another model's name. With one measure it
# is a straight line through the deviations from each model's own mean:

# %%
missed = {}
for i, code in enumerate(languages):
    others = [j for j in range(n) if j != i]
    # of each model, without the language:
    x_mean, y_mean = (a[:, others].mean(axis=1, keepdims=True) for a in (x, y))
    dx, dy = x[:, others] - x_mean, y[:, others] - y_mean
    slope = (dx * dy).sum() / (dx**2).sum()
    forecast = y_mean[:, 0] + slope * (x[:, i] - x_mean[:, 0])
    missed[code] = 100 * np.abs(forecast - y[:, i]).mean()
print(f"mean absolute error: {np.mean(list(missed.values())):.2f} points; worst: {max(missed, key=missed.get)}")

# %%
library = study.leave_out("language", ["confidence"]).errors["ours"]
assert np.allclose([library.mae[code] for code in languages], list(missed.values()))
print(f"xlgen: {library.mean:.2f} points")

# %% [markdown]
# Several measures go in together by ridge regression {cite:p}`hoerl1970ridge`, on standardised measures $z$,
#
# $$ \hat\beta = \arg\min_\beta \frac1N \sum_{r,\,\ell' \neq \ell} \big( y_{r\ell'} - \bar y_r - z_{r\ell'}^\top \beta
# \big)^2 + \lambda \|\beta\|^2 , $$ (eq-which-language-ridge)
#
# where $\bar y_r$ is the model's mean over those other languages, and $z$ is a deviation from the model's mean in the
# same way. Everything that is estimated (means, standard deviations, $\lambda$ and $\beta$) comes from the other
# languages; $\lambda$ is chosen by leaving out each of *them* in turn. With $\lambda \to \infty$ the prediction becomes
# $\bar y_r$, so that the ridge contains the first of two baselines:
#
# - **mean of other languages**: the model's mean accuracy there. It needs their labels and no measure.
# - **English accuracy**: a straight line in the model's English test accuracy, fitted in the other languages. It is the
#   same number for all languages of a model, so it cannot tell them apart.
#
# $1/\alpha^2$ and $\mathrm{Tr}\,F$, which are positive and spread over orders of magnitude, enter by their logarithms;
# this was fixed before looking. Errors are in points of accuracy, a mean over models within a language.

# %% mystnb={"figure": {"name": "fig-which-language-errors", "caption": "Mean absolute error of predicting the accuracy of a language that had no part in the prediction, with its 95 % interval over languages (Student-t): on real text, where models are recorded (left), and in the miniature (right). Best first on real text, then what is known of the miniature alone. Filled circles: needs labels in the target language; hollow diamonds: needs none. Lines: the baselines, of the miniature on the rows of all measures."}, "image": {"alt": "One row for each predictor with its mean absolute error and interval, on real text to the left and in the miniature to the right, and vertical lines for the baselines."}} tags=["hide-input"]
fair = [row for row in real_rows if row["measure"] in candidates]  # not from the labels that accuracy is counted with
by_real = [named(row["measure"]) for row in sorted(fair, key=lambda row: row["error"].value)]
order = by_real + [title for title in ordered if title not in by_real]
fig, axes = plt.subplots(1, 1 + bool(by_real), figsize=(10.4, 0.27 * len(order) + 1.6), sharey=True, squeeze=False)
error_forest(axes[0, -1], results, free, BASES["language"], order)
if by_real:
    real_error_forest(axes[0, 0], fair, BASES["language"]["mean"], order)
    for ax, scale in zip(axes[0], ("real text", "miniature"), strict=True):
        ax.set_xlabel(f"{scale}: {ax.get_xlabel()}")
plt.show()

# %% [markdown]
# Against the mean of the other languages, the best without labels in the target language is
# {glue:text}`which_language-best-free`; the best with labels {glue:text}`which_language-best-labelled`. Against the line in
# English accuracy, the best without labels is {glue:text}`which_language-best-free-english`. "The best" of many is chosen
# by looking, and flattered by it; the corrected p-values above are not. Left out of the joint regressions, because more
# than a tenth of their values are bounds or missing: {glue:text}`which_language-dropped`.
#
# The intervals are Student-t over languages, paired by language for a difference. They are approximate, because the errors
# of two languages have most of their training rows in common. And they are for *this* test set: its sentences are the
# same ones in all languages, translated, so that an unlucky choice of them is shared by the languages that are left out
# and those that are learnt from, and no interval over languages contains it.

# %% mystnb={"figure": {"name": "fig-which-language-predicted", "caption": "Predicted against measured accuracy of each target language, mean over models, by regressions that did not see the language. The line is where they are equal."}, "image": {"alt": "Scatter plots of measured against predicted accuracy, one panel per predictor, points labelled by language, with a diagonal line."}} tags=["hide-input"]
whole = results.get("all together") or next(iter(results.values()))
drawn = {"mean of other languages": (whole, "mean")}
drawn |= {title: (results[title], "ours") for title in (best_free, best_labelled) if title is not None}
fig, axes = plt.subplots(1, len(drawn), figsize=(9.6, 3.7), sharex=True, sharey=True, squeeze=False)
for ax, (title, (result, who)) in zip(axes[0], drawn.items(), strict=True):
    points = pd.DataFrame({"x": result.predicted[who], "y": result.y}).groupby(list(result.groups)).mean()
    points = points.reindex(languages)
    ax.margins(0.14)
    ax.axline((points.y.mean(), points.y.mean()), slope=1, color=figures.FAINT, lw=0.8, zorder=0)
    figures.scatter_correlation(ax, points.x, points.y, labels=languages)
    ax.get_legend().remove()
    ax.set_title(title, fontsize=9.5)
    ax.set_xlabel("predicted accuracy")
axes[0, 0].set_ylabel("accuracy (test)")
plt.show()

# %% [markdown]
# ````{exercise} ★ Confidence, taken at its word
# :label: which-language-ex-word
#
# A model's mean confidence is a forecast of its accuracy by itself, with no line and no labels in any language. By how
# many points does it miss, and in which direction? What does the line of the other languages repair, and what does it
# need for that?
# ````
#
# ````{solution-start} which-language-ex-word
# :class: dropdown
# ````

# %%
gap = 100 * (tables["confidence"] - accuracy)  # points
print(f"as it is:    {np.abs(gap).mean():.1f} points; mean gap {gap.mean():+.1f}")
print(f"with a line: {np.mean(list(missed.values())):.1f} points; slope {slope:.2f}")

# %% tags=["remove-input"]
off, bias = float(np.abs(gap).mean()), float(gap.mean())
say(gap=signed(bias, 1), gap_sign=f"{'over' if bias > 0 else 'under'}-confidence on average")
say(gap_share="most of the error comes from the slope" if abs(bias) < off / 2 else "it makes most of the error")

# %% [markdown]
# The mean gap is bias: above 0 a model is surer than it is right, below 0 less sure. Here it is
# {glue:text}`which_language-gap` points ({glue:text}`which_language-gap-sign`), and {glue:text}`which_language-gap-share`.
# A slope below 1 says that confidence exaggerates the differences between languages, one above 1 that it understates
# them. The line repairs both, and what it needs is that somebody has labelled other languages.
#
# ````{solution-end}
# ````
#
# ````{exercise} ★★ Leaving out rows in place of languages
# :label: which-language-ex-leak
#
# Ordinary cross-validation leaves out single rows (a model in a language), or tenths of them. What error does the
# regression on all measures without labels then seem to have? And a "predictor" that ignores all measures and answers
# with the mean accuracy of the same language in the other models? Derive which of the two questions its error answers.
# ````
#
# ````{solution-start} which-language-ex-leak
# :class: dropdown
# ````

# %%
wanted = [m for m in varying if not study.needs_labels(m)]
z, target, label = study.features(wanted), accuracy.ravel(), study.labels()
keep = np.flatnonzero(np.isfinite(z).all(axis=1))
codes, models = ([label[unit][row] for row in keep] for unit in ("language", "model"))
z, known, plain = z[keep], target[keep], [0.0]  # least squares
shown = {
    "languages left out   ": leave_one_out(z, known, codes, models, plain).values,
    "rows left out        ": leave_one_out(z, known, range(len(keep)), models, plain).values,
}
if len(set(models)) > 1:
    shown["language known, no x "] = mean_of_others(known, models, codes)
for title, values in shown.items():
    print(title, f"{errors(values, known, codes).mean.value:.2f} points")

# %% [markdown]
# With rows left out, the same language is still among the training rows under another model's name, and a regression on
# many measures recognises it: the first error is that of a new language, the second is not. The third line shows what
# there is to remember. Its error, $y_{r\ell}$ minus the mean of $y_{r'\ell}$ over $r' \ne r$, has no $\ell$-effect left in
# it. It answers the next chapter's question: how well do other models tell about this one, in a language that is known?
#
# ````{solution-end}
# ````

# %% [markdown]
# ## Is anything better than counting?
#
# A measure with labels has a simple rival: the share of correct answers on the labelled development examples. What does a
# measure add to it? Both go into one regression, and the errors are paired with those of the development accuracy alone.

# %% tags=["remove-input"]
counters = {m: [m] for m in varying if m != "dev_accuracy"}
beyond = contests(counters, lambda measures: study.leave_out("language", measures, beside=["dev_accuracy"]))
beyond_gain = {m: result.gain("ours", "alone") for m, result in beyond.items()}
beyond_p = dict(zip(beyond, holm([gain.p_flip for gain in beyond_gain.values()]), strict=True))
adding = [m for m, gain in beyond_gain.items() if beyond_p[m] <= ALPHA and gain.difference.high < 0]
say(adds=", ".join(f"{named(m)} ({beyond_gain[m].difference:+.2f} points)" for m in adding) or "none")
traps = {"trap_test": "margin", "trap_dev": "dev_margin", "dev_accuracy": "dev_accuracy"}
say(**{key: signed(first[m].value) for key, m in traps.items()})
body = []
for m in sorted(beyond_gain, key=lambda m: beyond_gain[m].difference.value)[:6]:
    row = [f"{error_of(beyond[m], who):.2f}" for who in ("alone", "ours")]
    gain = beyond_gain[m]
    body.append((named(m), *row, f"{gain.difference:.2f}", f"{gain.p_flip:.2g}", p_text(float(beyond_p[m]))))
head = ("", "dev accuracy alone", "with the measure", "difference [95 %]", "p, sign flips", f"Holm, of {len(beyond)}")
caption = "Errors in a language that was left out [points]: development accuracy, and with a measure; the six best"
chapters.table(head, body, caption, dense=True)

# %% [markdown]
# Shown to add something to counting correct answers: {glue:text}`which_language-adds`. And the trap in numbers: over
# languages the margin of the test split correlates with test accuracy by {glue:text}`which_language-trap-test`, that of the
# development split by {glue:text}`which_language-trap-dev`, and development accuracy by
# {glue:text}`which_language-dev-accuracy`. The first number is not evidence; the other two say nearly the same.
#
# ## Verdict
#
# A candidate passes if its corrected p-value is at most 0.05, its interval of $r$ excludes 0, its error in a new language
# is smaller than that of the mean of the others (interval below 0), and no more than a tenth of its values are bounds.
# {doc}`every_measure` has the four tests of each candidate, failed ones included, and says why reliability is not a fifth.

# %% tags=["remove-input"]
passing = [m for m in candidates if study.settles(m, first[m], first_p[m], results.get(named(m)))]
passing.sort(key=lambda m: error_of(results[named(m)]))
for key, wanted in (("free", False), ("labelled", True)):
    some = [m for m in passing if study.needs_labels(m) == wanted and m != "dev_accuracy"]
    best = compared(results, named(some[0]) if some else None)
    say(**{f"passing_{key}": few(map(named, some)), f"passing_{key}_best": best})
counted = results.get(named("dev_accuracy"))
say(counted=f"{error_of(counted):.1f}" if counted else "undefined", passing=f"{len(passing)} of {len(candidates)}")
unlabelled = [m for m in passing if not study.needs_labels(m)]
if unlabelled:
    best = unlabelled[0]
    ours, mean = (results[named(best)].errors[who].mean for who in ("ours", "mean"))
    papers = {"fisher_trace": "Tr F", "frechet": "the Fréchet distance to English"}
    papers |= {"sharpness_difference": "the sharpness by difference, which needs labels"}
    costly = [
        f"{words}: {error_of(singles[m]):.1f} ({passes(m)} passes)" for m, words in papers.items() if m in singles
    ]
    others = f"where the other {len(languages) - 1} languages are labelled"
    text = (
        f"Without a label in the language and with {passes(best)} forward pass{'es' * (passes(best) != 1)} over its "
        f"text, but {others}, {named(best)} forecasts the accuracy of a language that it has not seen to {ours:.1f} "
        f"points in the miniature. The mean of the other languages misses by {mean:.1f} ({len(languages)} languages, {len(keys)} "
        "models; mean absolute errors with 95 % intervals)."
    )
    more = f"The errors of the papers' measures, in points: {'; '.join(costly)}." if costly else ""
    n_best = best_real["models"] if best_real else 0  # not all that are recorded have every measure
    scale = f"On real XNLI, with {n_best} model{'s' * (n_best != 1)} of multilingual E5 small: {real_said}."
    alone = []
    for m in dict.fromkeys(m for m in (best, "doc") if m in DIRECT):
        here, there = (as_it_is(frame, m, facts["english"]) for frame in (study.frame, real))
        if here:
            alone.append(
                f"{named(m)}{' misses' * (not alone)} by {here:.1f}" + (f" (real XNLI: {there:.1f})" if there else "")
            )
    unfitted = f"With labels in English alone there is no line: as it is, {', '.join(alone)}."
    text = [part for part in (text, more, scale, unfitted * bool(alone)) if part]
    glue("which_language-answer", chapters.box("important", "Will it transfer?", *text), display=False)
    short = (
        f"The best measure without labels, {named(best)}, is off by {ours:.1f} points in a language that it has not seen, "
        f"{others}; the mean of the others is off by {mean:.1f} (miniature, {len(keys)} models)."
    )
    same = next((row for row in real_rows if row["measure"] == best), None)
    if same:
        models = f"{same['models']} model{'s' * (same['models'] != 1)}"
        short += (
            f" On real XNLI it is off by {same['error']:.1f}, the mean by {same['baseline']:.1f} (E5 small, {models})."
        )
    say(short=short)

# %% [markdown]
# ```{admonition} Which measure says in which language a model is good?
# :class: important
# - {glue:text}`which_language-passing` candidates pass. Without labels in the target language, the smallest error first:
#   {glue:text}`which_language-passing-free`. The first against the mean of the other languages:
#   {glue:text}`which_language-passing-free-best`.
# - With labels: {glue:text}`which_language-passing-labelled`. The first:
#   {glue:text}`which_language-passing-labelled-best`. But whoever has labels can count: accuracy on the development split
#   misses by {glue:text}`which_language-counted` points. Shown to add something to it:
#   {glue:text}`which_language-adds`.
# - How surely? The intervals are over {glue:text}`which_language-languages` languages, several of them related, and
#   {glue:text}`which_language-models` models of one encoder ({glue:text}`which_language-encoder`) on one task
#   ({glue:text}`which_language-task`). They say what other languages of this kind would give, and nothing about another
#   encoder or task; the column of real text in the first table is the only check of that here.
# ```
#
# ```{exercise} ★★★ The measure that you need
# :label: which-language-ex-decide
#
# You have a fine-tuned model, no labels in language X, and 200 unlabelled pairs in it. (a) Which rows of the first table
# are about your case? (b) You compute a label-free measure and predict an accuracy. Which interval goes with it: that of
# $r$, of the mean absolute error, or another one? (c) What has to be true of X for any of this to hold? (d) Extend: run
# `xlgen predict` on a language of your own and compare its interval with yours ({doc}`/running`).
# ```
#
# ```{solution} which-language-ex-decide
# :class: dropdown
#
# (a) Those that need no labels. (b) None of the two: both are about means over languages. For one new language take the
# spread of the errors of the left-out languages, $\hat y \pm t\, s \sqrt{1 + 1/L}$ with $s$ the root mean squared error
# (the RMSE column in {doc}`every_measure`), which does not shrink with more languages. (c) That X is like a draw from the
# languages that the line was fitted in: covered by the encoder, with text of the same kind. A language in a script that
# the encoder has never seen lies outside of all measures' ranges, and a line says nothing there. (d) `predict` takes the
# jackknife+ interval, which makes no assumption of normal errors; with few labelled languages it is longer.
# ```
#
# ```{admonition} What we learnt
# :class: important
# - Over languages {glue:text}`which_language-first-count` candidates are related to accuracy after the correction.
# - Without labels, the smallest error in a new language: {glue:text}`which_language-best-free`; with labels:
#   {glue:text}`which_language-best-labelled`.
# - Whole languages are drawn, dealt out and left out, because a language comes back in every model.
# - All of it for {glue:text}`which_language-models` models, {glue:text}`which_language-with-all` of them with every measure.
# ```
#
# ```{admonition} Your turn
# :class: tip
# Everything trained here, with one seed and a fifth of the pairs; every measure for all seeds (it measures what has no
# record); real data, with the miniature's or any other encoder ({doc}`/running`):
#
#     papermill notebooks/which_language.ipynb out.ipynb -p seeds 0 -p train_size 600 -p live 4
#     papermill notebooks/which_language.ipynb out.ipynb -p thorough 0,1,2,3,4,5,6,7
#     papermill notebooks/which_language.ipynb out.ipynb -p preset small -p data_dir archives -p model mini -p seeds 0,1
# ```

# %% tags=["remove-input"]
provenance(
    [run.key for run in found.runs.values()],
    {"preset": preset, **choices, "task": task, "resamples": resamples},
)
