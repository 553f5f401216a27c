# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which measure predicts transfer, and how surely?
#
# The earlier chapters define measures, and look at one model or at one run of each objective. This page takes all
# measures, on all models of {cite:t}`bassi2024generalization`'s protocol, in all languages, and asks the question of the
# book: if one wants to know how accurate a model will be in a language that it was never fine-tuned on, which number
# should one compute? Correlation answers half of it. The other half is prediction: how many points is one wrong in a
# language that has never been seen, and is that better than a guess that needs no measure at all?
#
# ```{admonition} What you will learn
# :class: tip
# - Two questions hide in "the measure correlates with accuracy": which *language* is good for a model, and which *model*
#   is good in a language. A measure can answer the one and be silent on the other.
# - How to be honest about languages that come back in every model, and about twenty measures that were all tried.
# - How to test a predictor on languages that had no part in it, and which baselines it has to beat.
# ```

# %% tags=["parameters"]
preset: str = "mini"  # sizes: mini (offline miniature), small (20,000 real English pairs) or paper
task: str = ""  # mini-xnli, mini-pawsx, xnli or pawsx; empty: XNLI or its miniature
model: str = ""  # mini, a hub id or a folder; empty: the preset's own
objectives: list = ["baseline", "sam", "mvr", "fisher"]  # training objectives
seeds: list = [0, 1, 2, 3, 4, 5, 6, 7]  # random seeds, each objective is trained with each
thorough: list = [0, 1, 2]  # seeds whose models get every measure; the others those of predictions
size: int = 500  # examples of each language and split for accuracy and margins [count]; 0: all
data_dir: str = ""  # folder with the official archives, relative to the working directory; empty: the hub
train_size: int = None  # English training pairs [count], 0 for all; None: the protocol's own
epochs: int = None  # passes over the training pairs [count]; None: the preset's own
resamples: int = 4999  # bootstrap samples, and permutations [count]
live: int = 1  # models trained in this build even where a record is committed [count]
store: str = ""  # folder of trained models and measures; empty: runs/ of the checkout
workers: int = 2  # models trained or measured side by side [processes]
threads: int = 1  # CPU threads of each [count]

# %%
import math
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from myst_nb import glue

from paper import chapters, figures, ledger, protocols, records
from paper.notebook import provenance
from paper.published import contradictions
from xlgen.analysis import (
    AnalysisError,
    Interval,
    clustered,
    correlate,
    errors,
    fisher_interval,
    gain,
    holm,
    interval_of_mean,
    leave_one_out,
    mean_of_others,
    pearson,
    signed,
    within_minus_pooled,
)
from xlgen.core.errors import ConfigError
from xlgen.data.catalogue import TASKS

figures.use_style()
objectives = chapters.words(objectives)
seeds, thorough = chapters.words(seeds, int), chapters.words(thorough, int)

# %% [markdown]
# ## What was measured
#
# The protocol has four objectives with eight seeds each. All models have the measures of their predictions, on the
# development and on the test split; those of some seeds (`thorough`) have all the others too, which take gradients or
# move the weights, and are dear.

# %% tags=["reads:records"]
options = chapters.options_for(
    store=store,
    data_dir=data_dir,
    threads=threads,
)
names, every_seed = objectives, seeds
protocol = protocols.seeds(
    preset,
    task=task,
    objectives=names,
    seeds=every_seed,
    thorough=thorough,
    size=size,
    **chapters.given(
        model=model,
        train_size=train_size,
        epochs=epochs,
    ),
)
found = records.obtain(protocol, options, workers=workers, live=live)
rows = found.rows()

# %% tags=["hide-input"]
chapters.records_box(found)

# %% tags=["hide-input"]
first = next(iter(found.runs.values()))
english = TASKS[first.task].source_language
keys = list(found.runs)
languages = [c for c in TASKS[first.task].languages if c != english and any(row["language"] == c for row in rows)]
encoder = "the shipped miniature" if first.config.model == "mini" else Path(first.config.model).name
scale = "miniature" if first.task.startswith("mini-") else "real data"
for row in list(rows):  # the margin of the correctly classified examples alone
    if row["measure"] == "dev_margin" and "correct_only" in row["extra"]:
        status = "ok" if row["extra"]["n_correct"] else "none_correct"
        rows.append(row | {"measure": "dev_margin_correct", "value": row["extra"]["correct_only"], "status": status})
kinds = {row["measure"]: row for row in rows}
NAMES = chapters.NAMES | {
    "loss": "loss (test) [nats]",
    "margin_p10": "margin, 10th percentile (test)",
    "margin_logit": "margin of logits (test)",
    "margin_logit_p10": "margin of logits, 10th p. (test)",
    "sharpness_adaptive": "sharpness, adaptive [nats]",
    "fisher_trace": "Tr F",
    "hessian_eigenvalue": "top eigenvalue of the Hessian",
    "frechet": "Fréchet distance to English",
    "frobenius": "distance from the pretrained weights",
}


def name(measure: str) -> str:
    return NAMES.get(measure, measure)


def needs_labels(measure: str) -> bool:
    return "true labels" in kinds[measure]["on"]


def same_predictions(measure: str) -> bool:
    """Computed from the predictions of which accuracy is the share of correct ones."""
    return measure in chapters.PREDICTED


tried = sorted(
    (m for m in kinds if m != "accuracy"),
    key=lambda m: (same_predictions(m), needs_labels(m), not m.startswith("dev_")),
)
with_all = [key for key in keys if {r["measure"] for r in rows if r["key"] == key} >= set(tried)]
if not with_all:
    raise ConfigError("thorough names none of the seeds; expected at least one whose models get every measure.")
glue("synthesis-models", f"{len(keys)}", display=False)
glue("synthesis-with-all", f"{len(with_all)}", display=False)
glue("synthesis-languages", f"{len(languages)}", display=False)
glue("synthesis-tried", f"{len(tried)}", display=False)
glue("synthesis-task", first.task, display=False)
glue("synthesis-encoder", encoder, display=False)
glue("synthesis-free", f"{sum(not needs_labels(m) for m in tried)}", display=False)
statuses = {m: Counter(r["status"] for r in rows if r["measure"] == m and r["language"] != english) for m in tried}
chapters.table(
    ("measure", "labels in the target language", "computed on", "examples", "models", "values left out"),
    [
        (
            name(m) + (" †" if same_predictions(m) else ""),
            "needed" if needs_labels(m) else "not needed",
            kinds[m]["on"].split(",")[0],
            f"{kinds[m]['n']:,}" if kinds[m]["n"] else "",
            len({r["key"] for r in rows if r["measure"] == m}),
            f"{sum(statuses[m].values()) - statuses[m]['ok']} of {sum(statuses[m].values())}",
        )
        for m in tried
    ],
    f"Every measure that was tried, on {len(keys)} models ({first.task}, {encoder}, {first.manifest['train_pairs']:,} "
    "English pairs). † from the very predictions that accuracy is computed from",
)

# %% [markdown]
# Read the second column first. A number that needs labelled examples in the target language is of little use for
# deciding whether to collect some: with the labels in hand one can count correct answers. Of the
# {glue:text}`synthesis-tried` measures, {glue:text}`synthesis-free` need no label: the trace of the Fisher information
# (its labels are the model's own), the Fréchet distance between the Fisher information of English and of the language,
# and the distance that the weights went, which knows nothing of the language at all. A label-free measure that predicts
# is worth more than a labelled one that predicts better.
#
# The dagger marks a trap. The margin on the test split is a function of the predictions whose correct share *is* the
# accuracy; that the two agree says that arithmetic works. The paper's Figure 3 puts the margin of the *validation* split
# against test accuracy, and so do we. The rows with a dagger are shown, and counted among the measures tried, but they
# are no candidates for an answer. The sharpnesses are a milder case of the same: they are computed with the labels of
# test examples that are also among those of the accuracy.
#
# A search of α that ended at an end of its bracket, and a search of the adaptive sharpness that did not converge, gives
# a bound and no measurement. Such values are left out everywhere on this page, and counted (last column).


# %%
def table_of(measure: str, who: list) -> np.ndarray:
    """Models down, languages across; nan where there is no value."""
    known = {
        (row["key"], row["language"]): row["value"]
        for row in rows
        if row["measure"] == measure and row["status"] == "ok"
    }
    return np.array(
        [
            [
                known.get((k, c), known.get((k, "all"), np.nan))
                for c in languages
            ]
            for k in who
        ]
    )  # fmt: skip


tables = {m: table_of(m, keys) for m in (*tried, "accuracy")}
accuracy = tables["accuracy"]  # (models, languages)

# %% tags=["hide-input"]
levels = {key: float(np.mean(row)) for key, row in zip(keys, accuracy, strict=True)}
spread_languages = float(np.std(accuracy.mean(axis=0), ddof=1))
spread_models = float(np.std(accuracy.mean(axis=1), ddof=int(len(keys) > 1)))
rest = accuracy - accuracy.mean(axis=0) - accuracy.mean(axis=1, keepdims=True) + accuracy.mean()
examples = next(r["n"] for r in rows if r["measure"] == "accuracy")
counting = float(np.sqrt(np.mean(accuracy * (1 - accuracy) / examples)))
glue("synthesis-spread-languages", f"{100 * spread_languages:.1f}", display=False)
glue("synthesis-spread-models", f"{100 * spread_models:.1f}", display=False)
glue("synthesis-spread-rest", f"{100 * np.sqrt(np.mean(rest**2)):.1f}", display=False)
glue("synthesis-counting", f"{100 * counting:.1f}", display=False)
glue("synthesis-examples", f"{examples:,}", display=False)

# %% [markdown]
# ## Two questions
#
# Accuracy varies for two reasons. Over the {glue:text}`synthesis-languages` target languages (mean of all models) its
# standard deviation is {glue:text}`synthesis-spread-languages` points; over the {glue:text}`synthesis-models` models
# (mean of all languages) {glue:text}`synthesis-spread-models` points; what is left after both is
# {glue:text}`synthesis-spread-rest` points, and counting {glue:text}`synthesis-examples` test examples alone explains
# {glue:text}`synthesis-counting` of these. With models $r$, languages $\ell$, a measure $x_{r\ell}$ and accuracies
# $y_{r\ell}$:
#
# 1. **Over languages, for a fixed model.** In which languages will *this* model be good? Correlate over $\ell$ for each
#    $r$. This is what the paper's Tables 1 and 3 and its Figures 3, 4 and 7 do, with one model of each objective.
# 2. **Over models, for a fixed language.** Which of these models should one take? Correlate over $r$ for each $\ell$.
#    The paper's Figure 5 asks this, of the mean over languages.
#
# $$ \bar r_{\text{languages}} = \frac1R \sum_r \operatorname{corr}_\ell(x_{r\ell}, y_{r\ell}), \qquad
# \bar r_{\text{models}} = \frac1L \sum_\ell \operatorname{corr}_r(x_{r\ell}, y_{r\ell}) . $$ (eq-synthesis-two)
#
# A scatter plot of all models and all languages at once (Figures 1 and 2) mixes the two.
#
# How sure is the mean of $R$ coefficients? Not $R$ times as sure as one: French is easy for every model, and each model
# meets the same French. The languages are the *clusters*. The interval is a bootstrap that draws whole languages, with
# all their models {cite:p}`efron1993bootstrap`; the p-value permutes whole languages, in the same way in every model. For
# the second question models are drawn and permuted instead (with fewer than about eight of them, its intervals are not to
# be trusted). There are {glue:text}`synthesis-tried` measures, so that one
# of them is expected below $p = 0.05$ if none is related to accuracy; Holm's step-down correction
# {cite:p}`holm1979simple` makes up for that, whatever the dependence between the measures: with
# $p_{(1)} \le \dots \le p_{(m)}$,
#
# $$ \tilde p_{(i)} = \min\Big(1, \max_{j \le i} (m - j + 1)\, p_{(j)} \Big) . $$ (eq-synthesis-holm)

# %%
KINDS = ("pearson", "spearman", "kendall")


def over_languages(measure, coefficient="pearson", who=keys):
    """Question 1: models are rows, languages are drawn."""
    pick = [keys.index(key) for key in who]
    return clustered(
        tables[measure][pick],
        accuracy[pick],
        coefficient=coefficient,
        resamples=resamples,
    )


def over_models(measure, coefficient="pearson", who=keys):
    """Question 2: languages are rows, models are drawn."""
    pick = [keys.index(key) for key in who]
    return clustered(
        tables[measure][pick].T,
        accuracy[pick].T,
        coefficient=coefficient,
        resamples=resamples,
    )


first_answer = {k: {m: over_languages(m, k) for m in tried} for k in KINDS}
second_answer = {k: {m: over_models(m, k) for m in tried} for k in KINDS}


def corrected(answer: dict) -> dict:
    """Holm-adjusted p-values of one coefficient, by measure."""
    p = holm([answer[m].p for m in tried])
    return dict(zip(tried, map(float, p), strict=True))


first_p = {k: corrected(first_answer[k]) for k in KINDS}
second_p = {k: corrected(second_answer[k]) for k in KINDS}

# %% mystnb={"figure": {"name": "fig-synthesis-forest", "caption": "Mean correlation of each measure with test accuracy. Left: over languages, for a fixed model. Right: over models, for a fixed language. 95 % bootstrap intervals over languages (left) and over models (right). Filled circles: needs labels in the target language; hollow diamonds: needs none; grey crosses: from the very predictions that accuracy is computed from."}, "image": {"alt": "Two forest plots side by side with one row for each measure, showing its mean correlation with accuracy over languages and over models, with intervals."}} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9.6, 0.34 * len(tried) + 1.4), sharey=True)
for ax, answer, title in zip(
    axes, (first_answer["pearson"], second_answer["pearson"]), ("over languages", "over models"), strict=True
):
    for height, measure in enumerate(tried):
        c = answer[measure]
        if c.status != "ok":
            ax.text(0, height, "undefined", ha="center", va="center", color=figures.FAINT, fontsize=8)
            continue
        colour = figures.FAINT if same_predictions(measure) else figures.INK if needs_labels(measure) else "#D55E00"
        marker = "x" if same_predictions(measure) else "o" if needs_labels(measure) else "D"
        ax.plot([c.low, c.high], [height, height], color=colour, lw=1.4)
        face = colour if needs_labels(measure) else "white"
        ax.plot([c.value], [height], marker, color=colour, markerfacecolor=face)
    ax.axvline(0, color=figures.FAINT, lw=0.8, zorder=0)
    ax.set(xlim=(-1.05, 1.05), ylim=(len(tried) - 0.5, -0.5), xlabel=f"mean r with accuracy, {title}")
    ax.grid(visible=False, axis="y")
axes[0].set_yticks(range(len(tried)), [name(m) for m in tried])
plt.show()


# %% tags=["hide-input"]
def p_text(p: float) -> str:
    return "" if math.isnan(p) else f"{p:.2g}"


def answers(answer: dict, adjusted: dict, caption: str):
    body = []
    for m in tried:
        cells = [f"{name(m)}{' †' if same_predictions(m) else ''}", "needed" if needs_labels(m) else "not needed"]
        c = answer["pearson"][m]
        if c.status != "ok":
            body.append((*cells, "", f"undefined: {c.reason}", *[""] * 7))
            continue
        cells.append(f"{c.groups} × {c.clusters}" + (f" ({c.left_out} left out)" if c.left_out else ""))
        for k in KINDS:
            cells += [str(answer[k][m].interval), p_text(answer[k][m].p), p_text(adjusted[k][m])]
        body.append(tuple(cells))
    head = (
        "",
        "labels",
        "table",
        *(h for k in ("Pearson", "Spearman", "Kendall") for h in (f"{k} [95 %]", "p", "Holm")),
    )
    return chapters.table(head, body, caption)


answers(
    first_answer,
    first_p,
    "Question 1, over languages for a fixed model: mean coefficient over models [bootstrap over languages], permutation p, "
    f"and p corrected for {len(tried)} measures",
)

# %% tags=["hide-input"]
answers(
    second_answer,
    second_p,
    "Question 2, over models for a fixed language: mean coefficient over languages [bootstrap over models], permutation p, "
    f"and p corrected for {len(tried)} measures",
)

# %% tags=["hide-input"]
LEVEL = 0.05
candidates = [m for m in tried if not same_predictions(m)]


def settled(answer: dict, adjusted: dict) -> list[str]:
    """Candidates whose corrected p-value is small and whose interval excludes 0, the strongest first."""
    passed = [m for m in candidates if adjusted["pearson"][m] <= LEVEL and 0 not in answer["pearson"][m].interval]
    return sorted(passed, key=lambda m: -abs(answer["pearson"][m].value))


def listed(some: list[str], answer: dict) -> str:
    return ", ".join(f"{name(m)} ({signed(answer['pearson'][m].value, 2)})" for m in some) or "none"


first_settled, second_settled = settled(first_answer, first_p), settled(second_answer, second_p)
least_p = 1 / (resamples + 1)
glue("synthesis-first-count", f"{len(first_settled)} of {len(candidates)}", display=False)
glue("synthesis-second-count", f"{len(second_settled)} of {len(candidates)}", display=False)
glue("synthesis-first-list", listed(first_settled, first_answer), display=False)
glue("synthesis-second-list", listed(second_settled, second_answer), display=False)
glue("synthesis-least-p", f"{least_p:.1g}", display=False)
both = [m for m in first_settled if m in second_settled]
flipped = [m for m in both if first_answer["pearson"][m].value * second_answer["pearson"][m].value < 0]
glue("synthesis-both", ", ".join(map(name, both)) or "no measure", display=False)
glue(
    "synthesis-flipped",
    f"with opposite signs for {', '.join(map(name, flipped))}" if flipped else "with the same sign in both",
    display=False,
)

# %% [markdown]
# Of the candidates (the rows without a dagger) {glue:text}`synthesis-first-count` are related to accuracy over
# languages, by a Holm-corrected p-value of at most 0.05 and an interval that excludes 0:
# {glue:text}`synthesis-first-list`. Over models it is {glue:text}`synthesis-second-count`:
# {glue:text}`synthesis-second-list`. Both questions are answered by {glue:text}`synthesis-both`,
# {glue:text}`synthesis-flipped`. (No p-value can be below {glue:text}`synthesis-least-p`, one over the number of
# permutations.)
#
# ````{exercise} ★ What would have been announced?
# :label: synthesis-ex-holm
#
# How many measures have $p \le 0.05$ over models without a correction, with Bonferroni's ($m\,p$) and with Holm's? Why is
# Holm's never worse than Bonferroni's, and why does neither ask whether the measures are independent?
# ````
#
# ````{solution-start} synthesis-ex-holm
# :class: dropdown
# ````

# %%
p = np.array([second_answer["pearson"][m].p for m in tried])
p = np.where(np.isnan(p), 1, p)
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
# ## Within an objective, and across
#
# Is there one relation, or one for each objective? In the next table the first columns have question 1 within each
# objective (mean over its seeds); then all models; then the coefficient of all points *centred* (each model's means taken
# out, so that one slope is fitted to all) and *pooled* (nothing taken out). Where pooled and centred differ, the
# difference between models does it.


# %%
def of(objective: str) -> list:
    """Keys of its models."""
    return [key for key in keys if key[0] == objective]


def together(measure: str, how: str):
    """All points at once, languages as clusters."""
    return clustered(
        tables[measure],
        accuracy,
        how=how,
        resamples=resamples,
    )


within = {
    m: {o: over_languages(m, who=of(o)) for o in names}
    for m in candidates
}  # fmt: skip
centred = {m: together(m, "centred") for m in candidates}
pooled = {m: together(m, "pooled") for m in candidates}

# %% tags=["hide-input"]


def cell(c) -> str:
    return str(c.interval) if c.status == "ok" else "undefined"


chapters.table(
    ("", *names, "all models, mean", "centred", "pooled"),
    [
        (
            name(m),
            *(cell(within[m][o]) for o in names),
            cell(first_answer["pearson"][m]),
            cell(centred[m]),
            cell(pooled[m]),
        )
        for m in candidates
    ],
    "Question 1: Pearson's r with test accuracy over languages, 95 % bootstrap intervals over languages",
)

# %% [markdown]
# The same for question 2: over the models of *one* objective, which differ in nothing but the seed, and over all models.
# A measure that tells objectives apart but not the seeds of one objective has found four points, and four points prove
# little; the permutation of all models, which the p-values of question 2 come from, takes every model for one draw.


# %%
def over_seeds_of(measure: str):
    """Rows are an objective and a language; seeds are drawn."""
    x, y = (
        np.vstack(
            [table_of(m, [(o, s) for s in every_seed]).T for o in names]
        )
        for m in (measure, "accuracy")
    )  # fmt: skip
    return clustered(x, y, resamples=resamples)


by_seed = {m: over_seeds_of(m) for m in candidates}
seed_p = holm([by_seed[m].p for m in candidates])
seed_p = dict(zip(candidates, map(float, seed_p), strict=True))

# %% tags=["hide-input"]
chapters.table(
    ("", *names, "within objectives, mean", "Holm", "across all models", "Holm"),
    [
        (
            name(m),
            *(cell(over_models(m, who=of(o))) for o in names),
            cell(by_seed[m]),
            p_text(seed_p[m]),
            cell(second_answer["pearson"][m]),
            p_text(second_p["pearson"][m]),
        )
        for m in candidates
    ],
    "Question 2: Pearson's r with test accuracy over models for a fixed language, 95 % bootstrap intervals over models "
    f"(p corrected for {len(candidates)} and {len(tried)} measures)",
)

# %% tags=["hide-input"]
seed_settled = [m for m in candidates if seed_p[m] <= LEVEL and 0 not in by_seed[m].interval]
if all(by_seed[m].status != "ok" for m in candidates):
    told = "With fewer than four seeds an objective, nothing can be said of models that differ in the seed alone"
elif seed_settled:
    strongest = ", ".join(f"{name(m)} ({signed(by_seed[m].value, 2)})" for m in seed_settled)
    told = f"Among models that differ in the seed alone, accuracy in a language is related to {strongest}"
else:
    told = "Among models that differ in the seed alone, no measure is related to accuracy beyond its correction"
unknown = [m for m in candidates if by_seed[m].status != "ok"]
if 0 < len(unknown) < len(candidates):
    told += f"; {len(unknown)} of {len(candidates)} measures have too few seeds for this question"
glue("synthesis-seeds-only", told, display=False)

# %% [markdown]
# {glue:text}`synthesis-seeds-only`.
#
# ````{exercise} ★★ As if all points were independent
# :label: synthesis-ex-clusters
#
# Compute Fisher's interval for the centred coefficient of the sharpness by difference, as if its models × languages were
# independent points, and compare its length with the interval over languages. How many models would it take to make
# Fisher's interval as short as you like, and what would it then be about?
# ````
#
# ````{solution-start} synthesis-ex-clusters
# :class: dropdown
# ````

# %%
c = centred["sharpness_difference"]
naive = fisher_interval(c.value, c.points)
print("over languages:", c)
print("naive:         ", naive, f"n = {c.points}")
print(f"{(c.high - c.low) / (naive.high - naive.low):.1f} times as long")

# %% [markdown]
# Train more seeds and $n$ grows without bound; the interval shrinks to nothing, around the coefficient of *these*
# languages. It says ever more surely what these languages give, and nothing about the next language, which is what one
# wants to know.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## The paper's figures again
#
# Now with all seeds: a point is the mean over the models of an objective, bars are standard deviations over them. The
# coefficient over a panel is that of question 1 (models × languages), with its interval over languages.


# %%
def means(measure: str, objective: str):
    """Mean and standard deviation over an objective's models."""
    x = table_of(measure, of(objective))
    used = np.isfinite(x)
    n = np.maximum(used.sum(axis=0), 1)
    mean = np.where(used, x, 0).sum(axis=0) / n
    square = np.where(used, (x - mean) ** 2, 0).sum(axis=0)
    mean = np.where(used.any(axis=0), mean, np.nan)
    return mean, np.sqrt(square / np.maximum(n - 1, 1))


# %% mystnb={"figure": {"name": "fig-synthesis-1", "caption": "Compare Figures 1 and 2 of Bassi et al.: margin (left) and test accuracy (right) against the sharpness by difference, one point for each objective and target language, mean over seeds."}, "image": {"alt": "Two scatter plots with sharpness on the horizontal axis and points in four colours and markers for the objectives: margin falls with sharpness on the left, accuracy on the right."}} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9.6, 4.2))
shown = [o for o in names if np.isfinite(table_of("sharpness_difference", of(o))).any()]
for ax, measure, label in zip(axes, ("margin", "accuracy"), ("margin (test) [probability]", "accuracy"), strict=True):
    for o in shown:
        x, y = means("sharpness_difference", o)[0], means(measure, o)[0]
        look = figures.look(o)
        ax.plot(x, y, look.marker, color=look.colour, markeredgecolor="white", label=o)
    ax.set(xlabel=r"sharpness $\phi_\mathrm{difference}$ [nats]", ylabel=label)
axes[0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, handletextpad=0.3)
plt.show()

# %% mystnb={"figure": {"name": "fig-synthesis-3", "caption": "Compare Figure 3 of Bassi et al.: margin on the development split against accuracy on the test split, one point a target language, mean over seeds. Bars: standard deviation over seeds."}, "image": {"alt": "Four scatter plots, one an objective, of test accuracy against development margin, points labelled by language."}} tags=["hide-input"]


def panels(measure: str, label: str, logarithmic: bool = False) -> None:
    """A scatter plot an objective."""
    height = math.ceil(len(names) / 2)
    fig, axes = plt.subplots(height, 2, figsize=(9.6, 3.9 * height), squeeze=False)
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    for ax, o in zip(axes.flat, names, strict=False):
        (x, xerr), (y, yerr) = means(measure, o), means("accuracy", o)
        ax.margins(0.1)
        if logarithmic:
            ax.set_xscale("log")
        several = len(of(o)) > 1
        figures.scatter_correlation(
            ax,
            x,
            y,
            xerr=xerr if several and not logarithmic else None,
            yerr=yerr if several else None,
            labels=languages,
            correlation=within[measure][o],
            objective=o,
        )
        ax.set(xlabel=label, ylabel="accuracy (test)")


panels("dev_margin", "margin (dev) [probability]")
plt.show()

# %% mystnb={"figure": {"name": "fig-synthesis-4", "caption": "Compare Figure 4 of Bassi et al.: sharpness by difference against test accuracy, one point a target language, mean over seeds. Bars: standard deviation over seeds."}, "image": {"alt": "Four scatter plots, one an objective, of test accuracy against sharpness by difference, points labelled by language."}} tags=["hide-input"]
panels("sharpness_difference", r"sharpness $\phi_\mathrm{difference}$ [nats]")
plt.show()

# %% mystnb={"figure": {"name": "fig-synthesis-7", "caption": "Compare Figure 7 of Bassi et al.: sharpness by search, one over α squared, against test accuracy, one point a target language, mean over the seeds whose search ended inside its bracket. Logarithmic axis; r is that of the values themselves, as in the paper."}, "image": {"alt": "Four scatter plots, one an objective, of test accuracy against one over alpha squared on a logarithmic axis."}} tags=["hide-input"]
panels("sharpness_alpha", r"sharpness $1/\alpha^2$ [1 / parameter²]", logarithmic=True)
plt.show()

# %% tags=["hide-input"]
chapters.saturation(rows)

# %% [markdown]
# The paper prints the criterion $L(w_0 + u) < 0.1$ for the search of $\alpha$ and finds that it ends at the ends of its
# bracket. Here the criterion is a drop of accuracy, which can be met in every language; where the box counts no end, that
# is due to the criterion (the chapter on {doc}`sharpness <sharpness>` has both).

# %% mystnb={"figure": {"name": "fig-synthesis-5", "caption": "Compare Figure 5 of Bassi et al.: Frobenius distance from the pretrained weights against mean test accuracy over the target languages, one point a model."}, "image": {"alt": "Scatter plot of mean test accuracy against the distance from the pretrained weights, one point for each model, in four colours and markers for the objectives."}} tags=["hide-input"]
distance = tables["frobenius"][:, 0]
mean_accuracy = accuracy.mean(axis=1)
fig, ax = plt.subplots(figsize=(6.8, 4.4))
for o in names:
    pick = [keys.index(key) for key in of(o)]
    look = figures.look(o)
    ax.plot(distance[pick], mean_accuracy[pick], look.marker, color=look.colour, markeredgecolor="white", label=o)
ax.set(xlabel=r"$\|W - W_0\|_F$ [parameter norm]", ylabel="mean accuracy of the target languages (test)")
ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, handletextpad=0.3)
plt.show()

# %% [markdown]
# ## Prediction
#
# A correlation of 0.7 is not a promise of any accuracy. So we predict: for language $\ell$ take the regression of
# accuracy on measures, fitted in all *other* languages, and apply it to the measures of $\ell$. Several measures go in
# by ridge regression {cite:p}`hoerl1970ridge`, on standardised measures $z$,
#
# $$ \hat\beta = \arg\min_\beta \frac1N \sum_{r,\,\ell' \neq \ell} \big( y_{r\ell'} - \bar y_r - z_{r\ell'}^\top \beta
# \big)^2 + \lambda \|\beta\|^2 , $$ (eq-synthesis-ridge)
#
# where $\bar y_r$ is the model's mean over those other languages, and $z$ is a deviation from the model's mean in the
# same way. Everything that is estimated (means, standard deviations, $\lambda$ and $\beta$) comes from the other
# languages: $\lambda$ is chosen by leaving out each of *them* in turn. All models' rows of $\ell$ are left out together;
# otherwise the same French would sit in the training rows, under another model's name. With $\lambda \to \infty$ the
# prediction becomes $\bar y_r$, so that the ridge contains the first of two baselines:
#
# - **mean**: the model's mean accuracy over the other target languages. It needs their labels and no measure.
# - **English accuracy**: a straight line in the model's English test accuracy, fitted in the other languages.
#
# $1/\alpha^2$ and $\mathrm{Tr}\,F$, which are positive by definition and spread over orders of magnitude, enter by their
# logarithms; this was fixed before looking. Errors are in points of accuracy, as a mean over models within a language;
# the intervals are Student-t over languages, and differences to a baseline are paired by language. (They are approximate:
# the errors of two languages have most of their training rows in common.) They are also for *this* test set: its sentences
# are the same ones in all languages, translated, so that an unlucky choice of them is shared by the languages that are
# left out and those that are learnt from, and no interval over languages contains it.

# %%
LOGARITHMIC = ("sharpness_alpha", "fisher_trace")
own = {
    row["key"]: row["value"]
    for row in rows
    if row["measure"] == "accuracy" and row["language"] == english
}  # fmt: skip
model_of = [key for key in keys for _ in languages]
language_of = [code for _ in keys for code in languages]
target = accuracy.ravel()
english_of = np.array([[own[key]] for key in model_of])


def features(some: list) -> np.ndarray:
    """A row for each model and language, a column a measure."""
    x = [
        np.log(tables[m]) if m in LOGARITHMIC else tables[m]
        for m in some
    ]  # fmt: skip
    return np.column_stack([table.ravel() for table in x])


def predict(some: list, groups: list, within: list):
    """Errors of the measures and of both baselines, on the same rows.

    None where fewer than three groups have rows with all of them.
    """
    x = features(some)
    keep = np.flatnonzero(np.isfinite(x).all(axis=1))
    g, w = ([labels[row] for row in keep] for labels in (groups, within))
    if len(set(g)) < 3:
        return None
    y, known = target[keep], english_of[keep]
    each = {
        "ours": leave_one_out(x[keep], y, g, w).values,
        "mean": mean_of_others(y, g, w),
        "English": leave_one_out(known, y, g).values,
    }
    return {
        who: errors(values, y, g) for who, values in each.items()
    } | {"rows": keep, "values": each}  # fmt: skip


def new_language(some: list):
    """Question 1: languages are left out."""
    return predict(some, language_of, model_of)


# %% tags=["hide-input"]
MISSING = 0.1


def mostly_there(measure: str) -> bool:
    x = table_of(measure, with_all)
    return x.size > 0 and np.mean(np.isfinite(x)) >= 1 - MISSING


varies = [m for m in candidates if first_answer["pearson"][m].status == "ok"]
joint = [m for m in varies if mostly_there(m)]
sets = {
    "all without labels": [m for m in joint if not needs_labels(m)],
    "all with labels": [m for m in joint if needs_labels(m)],
    "all together": joint,
}
sets = {title: some for title, some in sets.items() if len(some) > 1}
singles = {name(m): [m] for m in varies}
dropped = [name(m) for m in varies if m not in joint]
predictions = {title: new_language(some) for title, some in (singles | sets).items()}
predictions = {title: p for title, p in predictions.items() if p is not None}
gains = {
    title: {base: gain(p["ours"].mae, p[base].mae) for base in ("mean", "English")} for title, p in predictions.items()
}


def points(interval: Interval) -> str:
    if math.isnan(interval.low):
        return f"{signed(interval.value, 2)} (no interval)"
    return f"{signed(interval.value, 2)} [{signed(interval.low, 2)}, {signed(interval.high, 2)}]"


def prediction_table(found: dict, compared: dict, bases: dict, unit: str, caption: str):
    head = ("", "mean absolute error [95 %]", "RMSE")
    head += tuple(h for base in bases.values() for h in (f"minus {base}", "p, t", "p, sign flips", f"better {unit}"))
    body = []
    for title, p in found.items():
        line = [title, points(p["ours"].mean).replace("+", ""), f"{p['ours'].root:.2f}"]
        for base in bases:
            one = compared[title][base]
            count = f"{one.better} of {one.difference.n}"
            line += [points(one.difference), f"{one.p:.2g}", f"{one.p_flip:.2g}", count]
        body.append(tuple(line))
    return chapters.table(head, body, caption)


whole = predictions.get("all together") or next(iter(predictions.values()))
BASES = {"mean": "mean of other languages", "English": "English accuracy"}
prediction_table(
    predictions,
    gains,
    BASES,
    "languages",
    f"Leave one language out: errors [points] over {len(languages)} languages. Baselines on the rows of all measures: mean "
    f"{whole['mean'].mean.value:.2f}, English accuracy {whole['English'].mean.value:.2f}",
)

# %% mystnb={"figure": {"name": "fig-synthesis-errors", "caption": "Mean absolute error of predicting the accuracy of a language that had no part in the prediction, with its 95 % interval over languages (Student-t). Filled circles: needs labels in the target language; hollow diamonds: needs none. Lines: the two baselines on the rows of all measures."}, "image": {"alt": "One row for each predictor with its mean absolute error and interval, and two vertical lines for the baselines."}} tags=["hide-input"]
ordered = sorted(predictions, key=lambda title: predictions[title]["ours"].mean.value)
fig, ax = plt.subplots(figsize=(8.2, 0.34 * len(ordered) + 1.6))
for height, title in enumerate(ordered):
    mean = predictions[title]["ours"].mean
    free = not any(needs_labels(m) for m in (singles | sets)[title])
    colour = "#D55E00" if free else figures.INK
    ax.plot([mean.low, mean.high], [height, height], color=colour, lw=1.4)
    ax.plot(mean.value, height, "D" if free else "o", color=colour, markerfacecolor="white" if free else colour)
for base, style in (("mean", "--"), ("English", ":")):
    label = f"{BASES[base]}: {whole[base].mean.value:.1f}"
    ax.axvline(whole[base].mean.value, color=figures.INK, ls=style, lw=1, label=label)
ax.set_yticks(range(len(ordered)), ordered)
ax.set(ylim=(len(ordered) - 0.5, -0.5), xlim=(0, None), xlabel="mean absolute error [points]")
ax.grid(visible=False, axis="y")
ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
plt.show()

# %% mystnb={"figure": {"name": "fig-synthesis-predicted", "caption": "Predicted against measured accuracy of each target language, mean over models, by regressions that did not see the language. The line is where they are equal."}, "image": {"alt": "Scatter plots of measured against predicted accuracy, one panel a predictor, points labelled by language, with a diagonal line."}} tags=["hide-input"]
best_free = next((t for t in ordered if not any(needs_labels(m) for m in (singles | sets)[t])), None)
best_labelled = next((t for t in ordered if any(needs_labels(m) for m in (singles | sets)[t])), None)
drawn = [("mean of other languages", whole, "mean")]
drawn += [(t, predictions[t], "ours") for t in (best_free, best_labelled) if t is not None]
fig, axes = plt.subplots(1, len(drawn), figsize=(9.6, 3.7), sharex=True, sharey=True, squeeze=False)
for ax, (title, p, who) in zip(axes[0], drawn, strict=True):
    at = np.array([language_of[row] for row in p["rows"]])
    x = [p["values"][who][at == code].mean() if (at == code).any() else np.nan for code in languages]
    y = [target[p["rows"]][at == code].mean() if (at == code).any() else np.nan for code in languages]
    ax.margins(0.14)
    ax.axline((np.nanmean(y), np.nanmean(y)), slope=1, color=figures.FAINT, lw=0.8, zorder=0)
    figures.scatter_correlation(ax, x, y, labels=languages)
    ax.get_legend().remove()
    ax.set_title(title, fontsize=9.5)
    ax.set_xlabel("predicted accuracy")
axes[0, 0].set_ylabel("accuracy (test)")
plt.show()

# %% tags=["hide-input"]
chapters.table(
    ("", *languages),
    [
        (f"{title}, {what}", *(f"{getattr(p[who], key).get(code, math.nan):.1f}" for code in languages))
        for title, p, who in drawn
        for what, key in (("mean absolute error", "mae"), ("RMSE", "rmse"))
    ],
    "Errors by language that was left out [points], over the models",
)

# %% tags=["hide-input"]


def shown_gain(title: str | None, base: str = "mean") -> str:
    """How a predictor compares with a baseline, in words."""
    if title is None:
        return "there is none"
    one = gains[title][base]
    better = one.difference.high < 0 and max(one.p, one.p_flip) <= LEVEL
    worse = one.difference.low > 0
    word = "better than" if better else "worse than" if worse else "not shown to differ from"
    return (
        f"{title}: {predictions[title]['ours'].mean.value:.2f} points, {word} {BASES[base]} "
        f"({predictions[title][base].mean.value:.2f} points; difference {points(one.difference)}, "
        f"p = {one.p_flip:.2g} by sign flips, better in {one.better} of {one.difference.n} languages)"
    )


glue("synthesis-best-free", shown_gain(best_free), display=False)
glue("synthesis-best-labelled", shown_gain(best_labelled), display=False)
glue("synthesis-best-free-english", shown_gain(best_free, "English"), display=False)
missing = (
    f"Left out of the joint regressions, because more than {MISSING:.0%} of their values are bounds: {', '.join(dropped)}"
    if dropped
    else f"No measure was left out of the joint regressions for having more than {MISSING:.0%} of its values missing"
)
glue("synthesis-dropped", missing, display=False)

# %% [markdown]
# - The best without labels in the target language: {glue:text}`synthesis-best-free`. Against the line in English
#   accuracy: {glue:text}`synthesis-best-free-english`.
# - The best with labels: {glue:text}`synthesis-best-labelled`.
#
# "The best" of many is chosen by looking, and flattered by it; the corrected p-values above are not. English accuracy
# is the same number for all languages of a model, so it cannot tell languages apart: it is a baseline for the level, no
# more. {glue:text}`synthesis-dropped`.
#
# ## Is anything better than counting?
#
# A measure with labels has a rival that is as simple as can be: the share of correct answers on the labelled
# development examples. What does a measure add to it? Both go into one regression, and the errors are paired with those
# of the development accuracy alone.

# %% tags=["hide-input"]
counted, beyond = predictions.get(name("dev_accuracy")), {}
for m in varies:
    if m == "dev_accuracy" or counted is None:
        continue
    pair = new_language(["dev_accuracy", m])
    if pair is None:
        continue
    at = pair["rows"]
    alone = leave_one_out(
        features(["dev_accuracy"])[at], target[at], [language_of[r] for r in at], [model_of[r] for r in at]
    ).values
    baseline = errors(alone, target[at], [language_of[r] for r in at])
    beyond[m] = (baseline.mean, pair["ours"].mean, gain(pair["ours"].mae, baseline.mae))
beyond_p = dict(zip(beyond, holm([one[2].p_flip for one in beyond.values()]), strict=True))
chapters.table(
    ("", "dev accuracy alone", "with the measure", "difference [95 %]", "p, sign flips", "Holm"),
    [
        (
            name(m),
            f"{a.value:.2f}",
            f"{b.value:.2f}",
            points(g.difference),
            f"{g.p_flip:.2g}",
            p_text(float(beyond_p[m])),
        )
        for m, (a, b, g) in beyond.items()
    ],
    "Leave one language out: mean absolute error [points] of development accuracy, and of it together with a measure",
)

# %% tags=["hide-input"]
adding = [m for m, one in beyond.items() if beyond_p[m] <= LEVEL and one[2].difference.high < 0]
glue(
    "synthesis-adds",
    "adds something to counting correct answers, for "
    + ", ".join(f"{name(m)} ({points(beyond[m][2].difference)} points)" for m in adding)
    if adding
    else "adds something to counting correct answers, is not shown for any of them",
    display=False,
)
trap = [first_answer["pearson"][m].value for m in ("margin", "dev_margin")]
glue("synthesis-trap-test", signed(trap[0]), display=False)
glue("synthesis-trap-dev", signed(trap[1]), display=False)
glue("synthesis-dev-accuracy", signed(first_answer["pearson"]["dev_accuracy"].value), display=False)

# %% [markdown]
# That a measure {glue:text}`synthesis-adds`. And the trap in numbers: over languages the margin of the test split
# correlates with test accuracy by {glue:text}`synthesis-trap-test`, that of the development split by
# {glue:text}`synthesis-trap-dev`, and development accuracy by {glue:text}`synthesis-dev-accuracy`. The first number is
# not evidence; the other two say nearly the same.
#
# ````{exercise} ★★ Leaving out rows in place of languages
# :label: synthesis-ex-leak
#
# Ordinary cross-validation leaves out single rows (a model in a language), or tenths of them. What error does the
# regression on the Fréchet distance or on $\mathrm{Tr}\,F$ then seem to have? And a "predictor" that ignores all measures
# and answers with the mean accuracy of the same language in the other models? Which question does its error answer?
# ````
#
# ````{solution-start} synthesis-ex-leak
# :class: dropdown
# ````

# %%
free = [m for m in varies if not needs_labels(m)]
x = features(free)
keep = np.flatnonzero(np.isfinite(x).all(axis=1))
lang, who = (
    [labels[r] for r in keep]
    for labels in (language_of, model_of)
)  # fmt: skip
plain = [0.0]  # least squares
honest = leave_one_out(x[keep], target[keep], lang, who, plain).values
row = range(len(keep))
single = leave_one_out(x[keep], target[keep], row, who, plain).values
shown = {
    "languages left out   ": honest,
    "rows left out        ": single,
}
if len(set(who)) > 1:
    known = mean_of_others(target[keep], who, lang)
    shown["language known, no x "] = known
for title, values in shown.items():
    error = errors(values, target[keep], lang)
    print(title, f"{error.mean.value:.2f} points")

# %% [markdown]
# With one or two numbers and a straight line the leak is small: a line cannot remember fourteen languages. The third
# line shows what there is to remember. A flexible method (trees, nearest neighbours) that recognises a language by its
# measures would reach that error with rows left out, and would have learnt nothing that helps in a new language. The
# third error answers question 2: how well do other models tell about this one, in a language that is known?
#
# ````{solution-end}
# ````

# %% [markdown]
# ## A new model
#
# Question 2 as a prediction. Leave out one model (all its languages) and predict its accuracies from its measures and
# the other models, by deviations from the *language's* mean over the other models. The baseline is that mean: what the
# language has always given. Then leave out a whole objective with all its seeds.


# %%
def new_model(some: list, unit: list):
    """Question 2: models, or objectives, are left out."""
    return predict(some, unit, language_of)


objective_of = [key[0] for key in model_of]
level = {name(m): [m] for m in candidates if np.isfinite(tables[m]).any()}
joint_2 = [m for m in candidates if mostly_there(m)]
sets_2 = {"all together": joint_2}
sets_2["all without labels"] = [m for m in joint_2 if not needs_labels(m)]

# %% tags=["hide-input"]


def across(unit: list) -> tuple[dict, dict]:
    chosen = {t: p for t, s in (level | sets_2).items() if s and (p := new_model(s, unit)) is not None}
    compared = {}
    for title, p in chosen.items():
        at = p["rows"]
        g, w = ([labels[r] for r in at] for labels in (unit, language_of))
        p["English"] = errors(leave_one_out(english_of[at], target[at], g, w).values, target[at], g)
        compared[title] = {base: gain(p["ours"].mae, p[base].mae) for base in ("mean", "English")}
    return chosen, compared


BASES_2 = {"mean": "the language's mean", "English": "with English accuracy"}
models_out, models_gain = across(model_of)
prediction_table(
    models_out,
    models_gain,
    BASES_2,
    "models",
    "Leave one model out: mean absolute error [points], intervals over models. English accuracy enters as a deviation from "
    "its mean over models, and takes the language's mean too",
) if models_out else None

# %% tags=["hide-input"]
objectives_out, objectives_gain = across(objective_of)
prediction_table(
    objectives_out,
    objectives_gain,
    BASES_2,
    "objectives",
    "Leave one objective out: mean absolute error [points]; intervals over as many points as there are objectives",
) if objectives_out else None

# %% tags=["hide-input"]
ordered_2 = sorted(models_out, key=lambda title: models_out[title]["ours"].mean.value)
best_model = ordered_2[0] if ordered_2 else None
beyond_english = [
    t for t in ordered_2 if models_gain[t]["English"].difference.high < 0 and models_gain[t]["English"].p_flip <= LEVEL
]
better_2 = [
    t for t in ordered_2 if models_gain[t]["mean"].difference.high < 0 and models_gain[t]["mean"].p_flip <= LEVEL
]
free_2 = [t for t in better_2 if not any(needs_labels(m) for m in (level | sets_2)[t])]
if best_model is None:
    across_words = "With so few models, nothing can be said of a new one"
else:
    one = models_gain[best_model]["mean"]
    across_words = (
        f"For a new model, {len(better_2)} of {len(ordered_2)} regressions beat the language's mean over the other models "
        f"(not corrected), {len(free_2)} of them without labels in the target language. The smallest error is that of "
        f"{best_model}, {models_out[best_model]['ours'].mean.value:.2f} points against "
        f"{models_out[best_model]['mean'].mean.value:.2f} (difference {points(one.difference)}). English accuracy, which needs "
        f"no label in the target language either, misses by {models_out[best_model]['English'].mean.value:.2f} points; "
        f"{len(beyond_english)} of the regressions are better than that"
    )
glue("synthesis-across", across_words, display=False)

# %% [markdown]
# {glue:text}`synthesis-across`.
#
# ## The claims of the paper
#
# What the figures of {cite:t}`bassi2024generalization` are there to show, one claim a row, with the verdict that the
# ledger's fixed rules give. Correlations over languages are means over seeds with an interval over languages; orderings
# of objectives are mean differences over seeds with Student-t intervals; the correlation over models in Figure 5 has
# Fisher's interval, which takes the models for independent, and is too narrow for four objectives; the share of searches
# at an end is a median over seeds, whose interval needs six of them.

# %% tags=["hide-input"]
folder = chapters.ledger_folder(options.store)
ledger.clear("synthesis", folder=folder)
measured = {m: [key for key, row in zip(keys, tables[m], strict=True) if np.isfinite(row).any()] for m in tables}


def clipped(interval: Interval) -> dict:
    """A bootstrap interval may leave its estimate out by a hair; the ledger's may not."""
    low, high = min(interval.low, interval.value), max(interval.high, interval.value)
    return ledger.of(Interval(interval.value, low, high, max(1, interval.n)))


def by_objective(values: dict) -> dict[str, list[float]]:
    """One number a seed for each objective, over the seeds that all of them have."""
    common = [s for s in every_seed if all((o, s) in values for o in names)]
    return {o: [values[o, s] for s in common] for o in names}


def ordering(claim, values: dict, measure: str):
    scores = by_objective(values)
    if not all(n in scores and scores[n] for pair in claim.pairs for n in pair.split(" > ")):
        return None
    used = [s for s in every_seed if all((o, s) in values for o in names)]
    return ledger.differences(scores, claim.pairs), [key for key in measured[measure] if key[1] in used]


sharp = {
    key: float(np.nanmean(row))
    for key, row in zip(keys, tables["sharpness_difference"], strict=True)
    if np.isfinite(row).any()
}
far = {key: float(d) for key, d in zip(keys, distance, strict=True) if np.isfinite(d)}


def pooled_with(measure: str):
    c = clustered(tables["sharpness_difference"], tables[measure], how="pooled", resamples=resamples)
    return clipped(c.interval), measured["sharpness_difference"]


def depends():
    """More negative within objectives than over all of them? One difference of signed coefficients a seed."""
    gaps, used = [], []
    for s in every_seed:
        some = [(o, s) for o in names if (o, s) in sharp]
        if len(some) < 2:
            continue
        pick = [keys.index(key) for key in some]
        x, y = tables["sharpness_difference"][pick], accuracy[pick]
        gaps.append(-within_minus_pooled(x, y))  # the claimed direction is a negative correlation
        used += some
    return (ledger.of(interval_of_mean(gaps)), used) if gaps else None


def one_objective(measure: str, objective: str):
    if objective not in names:
        return None
    return clipped(within[measure][objective].interval), [k for k in measured[measure] if k[0] == objective]


def over_runs():
    used = np.isfinite(distance)
    try:
        return ledger.of(correlate(distance[used], mean_accuracy[used])), measured["frobenius"]
    except AnalysisError:  # too few models
        return None


def at_an_end():
    """The share of searches that ended at an end of the bracket, of all languages and objectives, by seed."""
    some = [r for r in rows if r["measure"] == "sharpness_alpha" and r["language"] in languages]
    ended = {s: [r["status"] != "ok" for r in some if r["key"][1] == s] for s in every_seed}
    shares = [np.mean(each) for each in ended.values() if each]
    return (ledger.share(shares), list(dict.fromkeys(r["key"] for r in some))) if shares else None


claims = {claim.id: claim for claim in ledger.claims(chapter="synthesis")}
evidence = {
    "bassi-f1-pooled": lambda c: pooled_with("margin"),
    "bassi-f1-flattest": lambda c: ordering(c, sharp, "sharpness_difference"),
    "bassi-f2-pooled": lambda c: pooled_with("accuracy"),
    "bassi-f2-depends": lambda c: depends(),
    "bassi-f5-weak": lambda c: over_runs(),
    "bassi-f5-distance": lambda c: ordering(c, far, "frobenius"),
    "bassi-f5-accuracy": lambda c: ordering(c, {k: 100 * v for k, v in levels.items()}, "accuracy"),
    "bassi-f7-extreme": lambda c: at_an_end(),
}
for number, measure in ((3, "dev_margin"), (4, "sharpness_difference"), (7, "sharpness_alpha")):
    for o in ("baseline", "sam", "mvr", "fisher"):
        evidence[f"bassi-f{number}-{o}"] = lambda c, measure=measure, o=o: one_objective(measure, o)
lines = []
for claim_id, claim in claims.items():
    made = evidence[claim_id](claim)
    if made is None:
        record = ledger.not_run("synthesis", claim_id, "the models that it compares were not trained", folder=folder)
        ours = ""
    else:
        numbers, who = made
        record = ledger.record(
            "synthesis",
            claim_id,
            **numbers,
            seeds=sorted({key[1] for key in who}),
            scale=scale,
            run_keys=[found.runs[key].key for key in who],
            live=all(key in found.live for key in who),
            folder=folder,
        )
        values = [numbers[k] for k in ("value", "low", "high")]
        if claim.pairs:
            ours = "; ".join(f"{pair}: {points(Interval(*(v[pair] for v in values), 0))}" for pair in claim.pairs)
        else:
            spread = "" if math.isnan(values[1]) else f" [{signed(values[1])}, {signed(values[2])}]"
            ours = "undefined" if math.isnan(values[0]) else f"{signed(values[0])}{spread}"
    said = ledger.verdict(claim, record)
    lines.append((claim.item, claim.sentence, ours, said.outcome, said.because))
chapters.table(
    ("item", "claim", "ours [95 %]", "verdict", "because"),
    lines,
    f"Claims of Figures 1 to 5 and 7, at this scale: {scale}",
)

# %% tags=["hide-input"]
known, matters = {row.id: row for row in contradictions()}, {}


def r_of(measure: str) -> str:
    return cell(first_answer["pearson"][measure])


matters["margin-split"] = (
    f"Mean r over languages: {r_of('dev_margin')} with development margins, {r_of('margin')} with test."
)
matters["margin-space"] = (
    f"Mean r over languages: {r_of('dev_margin')} for probabilities, {r_of('dev_margin_logit')} for logits."
)
matters["flat-but-worse"] = (
    f"The sharpness by difference: r over languages for a fixed model {r_of('sharpness_difference')}, over models for a "
    f"fixed language {cell(second_answer['pearson']['sharpness_difference'])}."
)
used = [k for k, key in enumerate(keys) if key in measured["sharpness_difference"]]
if used:
    x, y = tables["sharpness_difference"][used], accuracy[used]
    each = pearson(x, y)
    matters["seeds-of-tables"] = (
        f"From model to model r of the sharpness by difference goes from {signed(each.min(), 2)} to {signed(each.max(), 2)}; "
        f"that of the averages of all models is {signed(float(pearson(x.mean(axis=0), y.mean(axis=0))), 2)}."
    )
alphas = tables["sharpness_alpha"]
if np.isfinite(alphas).any():
    both_ways = [
        clustered(x, accuracy, how="pooled", resamples=99).value for x in (alphas, alphas * distance[:, None] ** 2)
    ]
    matters["alpha-measure"] = (
        f"Over all points r is {signed(both_ways[0])} for 1/α² and {signed(both_ways[1])} with the factor ‖W − W₀‖²."
    )
matters = {key: sentence for key, sentence in matters.items() if key in known}
for key, sentence in matters.items():
    ledger.choice("synthesis", key, sentence, folder=folder)
chapters.box(
    "warning",
    "Where the paper leaves a choice, and how much it matters",
    *(f"{known[key].sentence} Here: {known[key].choice} {sentence}" for key, sentence in matters.items()),
)

# %% tags=["hide-input"]
tally = Counter(line[3] for line in lines)
glue("synthesis-tally", ", ".join(f"{n} × “{word}”" for word, n in tally.most_common()), display=False)


def why_discarded(measure: str) -> str:
    """Why a candidate is no answer to question 1; empty for one that is."""
    c = first_answer["pearson"][measure]
    if c.status != "ok":
        one = any(r["language"] == "all" for r in rows if r["measure"] == measure)
        return "no coefficient over languages: " + ("one number a model" if one else c.reason)
    reasons = []
    if first_p["pearson"][measure] > LEVEL:
        reasons.append(f"corrected p = {first_p['pearson'][measure]:.2g}")
    if 0 in c.interval:
        reasons.append(f"the interval of r includes 0 ({c.interval})")
    title = name(measure)
    if title in gains and not gains[title]["mean"].difference.high < 0:
        reasons.append(
            f"its prediction is not shown to beat the mean of other languages ({points(gains[title]['mean'].difference)} "
            "points)"
        )
    if not mostly_there(measure):
        reasons.append(f"more than {MISSING:.0%} of its values are bounds")
    return "; ".join(reasons)


discarded = {m: why for m in candidates if (why := why_discarded(m))}
kept = [m for m in candidates if m not in discarded]
trapped = [name(m) for m in tried if same_predictions(m)]
chapters.box(
    "warning",
    f"Measures tried and discarded: {len(discarded)} of {len(candidates)} candidates, and {len(trapped)} that never were",
    *(f"{name(m)}: {why}." for m, why in discarded.items()),
    f"Never candidates, because they are functions of the same predictions as accuracy: {', '.join(trapped)}.",
)

# %% [markdown]
# ## Verdict

# %% tags=["hide-input"]


def sentence_of(measure: str) -> str:
    c, one = first_answer["pearson"][measure], gains[name(measure)]["mean"]
    return (
        f"{name(measure)} (r = {c.interval} over {c.clusters} languages, corrected p = {first_p['pearson'][measure]:.2g}; "
        f"alone it misses a new language by {predictions[name(measure)]['ours'].mean.value:.1f} points in the mean, where "
        f"the mean of the other languages misses by {predictions[name(measure)]['mean'].mean.value:.1f}; difference "
        f"{points(one.difference)})"
    )


by_error = sorted(kept, key=lambda m: predictions[name(m)]["ours"].mean.value)
kept_free = [m for m in by_error if not needs_labels(m)]
kept_labelled = [m for m in by_error if needs_labels(m) and m != "dev_accuracy"]
passing = (
    "a corrected p-value of at most 0.05, an interval that excludes 0, and a smaller error than the mean of the others"
)
verdict = []
if kept_free:
    others = f" {', '.join(map(name, kept_free[1:]))} passes too." if kept_free[1:] else ""
    verdict.append(f"Without labels in the target language, the answer is {sentence_of(kept_free[0])}.{others}")
else:
    verdict.append(f"Without labels in the target language, no single measure passes all tests: {passing}.")
if kept_labelled:
    verdict.append(
        f"With labels, {len(kept_labelled)} measures pass; the smallest error has {sentence_of(kept_labelled[0])}."
    )
else:
    verdict.append(f"With labels, no measure beside the development accuracy passes all tests: {passing}.")
if counted is not None:
    verdict.append(
        "But whoever has labels can count: accuracy on the development split misses by "
        f"{counted['ours'].mean.value:.1f} points. "
        + (
            f"Beyond it, {', '.join(map(name, adding))} adds something."
            if adding
            else "That any measure adds something to it is not shown."
        )
    )
if second_settled:
    verdict.append(f"Which model is good in a given language is related to {listed(second_settled, second_answer)}.")
else:
    verdict.append("Which model is good in a given language, none of the measures is shown to tell.")
verdict.append(f"{across_words}. {told}.")
verdict.append(
    f"How surely? The intervals are over {len(languages)} languages, several of them related, and {len(keys)} models of one "
    f"encoder ({encoder}) on one task ({first.task}). They say what other languages of this kind would give, and nothing "
    "about another encoder or task. Of the paper's claims behind its figures: "
    + ", ".join(f"{word} {n}" for word, n in tally.most_common())
    + "."
)
chapters.box("important", "Which measure predicts transfer, and how surely", *verdict)

# %% [markdown]
# ```{exercise} ★★★ The measure that you need
# :label: synthesis-ex-decide
#
# You have a fine-tuned model, no labels in language X, and 200 unlabelled pairs in it. (a) Which column of this page's
# tables is about your case? (b) You compute the label-free measure and predict an accuracy. Which interval goes with it:
# that of $r$, of the mean absolute error, or another one? (c) What has to be true of X for any of this to hold?
# ```
#
# ```{solution} synthesis-ex-decide
# :class: dropdown
#
# (a) Question 1, the rows that need no labels. (b) None of the two: both are about means over languages. For one new
# language take the spread of the errors of the left-out languages, $\hat y \pm t\, s \sqrt{1 + 1/L}$ with $s$ the
# root mean squared error by language (the RMSE column), which does not shrink with more languages. (c) That X is like a
# draw from the languages that the line was fitted in: covered by the encoder, with text of the same kind. A language in
# a script that the encoder has never seen lies outside of all measures' ranges, and a line says nothing there.
# ```
#
# ```{admonition} What we learnt
# :class: important
# - Over languages {glue:text}`synthesis-first-count` candidates are related to accuracy after the correction, over models
#   {glue:text}`synthesis-second-count`: two questions with two answers.
# - Without labels, the smallest error in a new language: {glue:text}`synthesis-best-free`.
# - With labels: {glue:text}`synthesis-best-labelled`. That a measure {glue:text}`synthesis-adds`.
# - The paper's claims: {glue:text}`synthesis-tally`. All of it for {glue:text}`synthesis-encoder` on
#   {glue:text}`synthesis-task`, {glue:text}`synthesis-models` models, {glue:text}`synthesis-with-all` of them with every
#   measure.
# ```
#
# ```{admonition} Your turn
# :class: tip
# Everything trained here, with one seed and a fifth of the training pairs:
#
#     papermill notebooks/synthesis.ipynb out.ipynb -p seeds 0 -p train_size 600 -p live 4
#
# Two objectives; every measure for all seeds (it trains and measures what has no record):
#
#     papermill notebooks/synthesis.ipynb out.ipynb -p objectives baseline,sam
#     papermill notebooks/synthesis.ipynb out.ipynb -p thorough 0,1,2,3,4,5,6,7
#
# Real data, with the miniature's or any other encoder ({doc}`/running`):
#
#     papermill notebooks/synthesis.ipynb out.ipynb -p preset small -p data_dir archives -p model mini -p seeds 0,1
# ```

# %% tags=["hide-input"]
provenance(
    [found.runs[key].key for key in keys],
    {"preset": preset, "task": first.task, "model": first.config.model, "objectives": names, "seeds": every_seed}
    | {"thorough": thorough, "size": size, "resamples": resamples}
    | chapters.given(train_size=train_size, epochs=epochs),
)
