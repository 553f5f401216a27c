# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # PAWS-X, and a second language
#
# PAWS-X {cite:p}`yang2019pawsx` asks whether two sentences made of nearly the same words mean the same. Two papers use
# it, and both have a claim that rests on very few points. {cite:t}`bassi2024generalization` correlate margin and
# sharpness with accuracy over its seven languages (their Table 2). {cite:t}`stickland2021regularising` fine-tune on
# English and *then* on a target language, and report that the model gains more from the second language where the
# trace of its Fisher information was small after the first (their Figure 2). This page repeats both and asks of each
# what else could have made the correlation.
#
# ```{admonition} What you will learn
# :class: tip
# - How wide an interval six or seven languages leave, and why a correlation of 0.998 with the margin says little when
#   there are two classes.
# - How a second stage of fine-tuning is set up so that nothing is trained on what is measured.
# - Why a gain goes with a low start whatever the curvature, and how to ask for more: a partial correlation.
# ```

# %% tags=["parameters", "hide-input"]
preset: str = "mini"  # sizes: mini (offline miniature), small (20,000 real English pairs) or paper
task: str = ""  # empty: PAWS-X, or its miniature
model: str = ""  # mini, a hub id or a folder; empty: the preset's own
seeds: list = [0, 1, 2]  # random seeds of the models behind Table 2
kl: list = []  # weights of the consistency loss in first stages; empty: the protocol's own
fpen: list = []  # weights of the Fisher penalty in first stages; empty: the protocol's own
second: list = ["de", "es", "zh"]  # languages of the second stage
live: "int or all" = 1  # models of each protocol trained here even where a record is committed [count], or all
train_size: int = None  # English training pairs [count], 0: all; None: the protocol's own
epochs: int = None  # passes over the training pairs, in either stage [count]; None: the preset's
data_dir: str = ""  # folder with the official archives; empty: the hub
store: str = ""  # folder of trained models and measures; empty: runs/ of the checkout
workers: int = 1  # models trained or measured side by side [processes]; the book runs chapters side by side

# %% tags=["hide-cell"]
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display

from paper import chapters, figures, protocols, published, records
from paper.chapters import truth
from paper.notebook import provenance
from paper.protocols.penalties import STAGE_WEIGHTS, spelled
from xlgen.analysis import MIN_POINTS, binomial_interval, clustered, correlate, partial_correlation, signed
from xlgen.data.catalogue import TASKS

figures.use_style()
say = chapters.Say("pawsx")
seeds, second = chapters.words(seeds, int), chapters.words(second)
kl, fpen = chapters.words(kl, float), chapters.words(fpen, float)

# %% [markdown]
# ## The task
#
# In English both sentences of a pair have the same words, so that a bag of words is of no use: what counts is who did
# what. The translations of the development and test rows are parallel.

# %%
options = chapters.options_for(store, data_dir)
task = task or protocols.name_of("pawsx", preset)
languages, labels, english = TASKS[task].languages, TASKS[task].labels, TASKS[task].source_language
targets = [code for code in languages if code != english]

for code in (english, targets[0]):
    rows = TASKS[task].rows(code, "dev", options.data_dir)
    print(f"{code}: {rows.first[0]}\n    {rows.second[0]}")
print("->", labels[rows.labels[0]])

# %% [markdown]
# Every model below is fine-tuned on English alone and evaluated in all languages. First the plain ones:

# %% tags=["reads:records"]
changed = chapters.given(model=model, train_size=train_size, epochs=epochs)
protocol = protocols.transfer(preset, tasks=[task], setups=["vanilla"], seeds=seeds, **changed)
found = records.obtain(protocol, options, workers=workers, live=chapters.how_many(live))
first = found.runs[task, "vanilla", seeds[0]]

# %% tags=["remove-input"]
other_task = chapters.given(task="" if task == protocols.name_of("pawsx", preset) else task)
evidence = chapters.Evidence("pawsx", found, preset, changed | other_task, store=options.store)
say(**chapters.facts(found), task=task, targets=len(targets))
trained = [f"{seed} ({'trained here' if (task, 'vanilla', seed) in found.live else 'record'})" for seed in seeds]
spoken = f"{english} (training), {', '.join(targets)}"
learnt_english = ", ".join(f"{run.summary['dev_accuracy']:.3f}" for run in found.runs.values())
of_models = {"models": ", ".join(trained), "English dev accuracy": learnt_english}
chapters.run_table(found, task=f"{task}: {', '.join(labels)}", languages=spoken, **of_models)

# %% tags=["remove-input"]
chapters.records_box(found)

# %% [markdown]
# ## With two classes, margin is nearly accuracy
#
# The margin of an example is the probability of its label minus the largest other one. With two classes the other one
# is $1 - p_\theta(y|x)$. Write $c_i = \max_y p_\theta(y|x_i) \in [\tfrac12, 1]$ for the confidence, and $s_i = \pm 1$ for
# right and wrong:
#
# $$ \gamma_i = 2 p_\theta(y_i | x_i) - 1 = s_i\, (2 c_i - 1), \qquad
# \bar\gamma = \frac1N \sum_i s_i (2 c_i - 1) . $$ (eq-pawsx-margin)
#
# If all confidences are equal, $\bar\gamma = (2c - 1)(2\,\mathrm{acc} - 1)$: the mean margin is a linear function of
# accuracy, and its correlation with it is 1 *whatever the model*. A large encoder after many epochs is nearly always
# sure of itself, $c_i \approx 1$ in every language, and comes close. A measure that could predict accuracy without knowing
# the labels would be news; this one is computed from the labels, and with two classes it counts them again. Before you
# look: how large a coefficient do you expect?

# %%
scores = found.frame.pivot_table("value", "seed", ["measure", "language"])


def means(measure, codes, of_seeds) -> np.ndarray:
    """One measure by language, the mean over seeds."""
    return scores[measure].loc[of_seeds, codes].to_numpy().mean(axis=0)


def related(measure, of_seeds=seeds, codes=targets):
    """Correlation over languages of seeds' means with accuracy."""
    return correlate(means(measure, codes, of_seeds), means("accuracy", codes, of_seeds))


# %% tags=["remove-input"]
n_of = found.frame.drop_duplicates(["measure", "language"]).set_index(["measure", "language"])["n"]
n_dev = int(n_of["dev_accuracy", english])
guess = chapters.commonest(TASKS[task], english, "dev", n_dev, options.data_dir)
reached = [binomial_interval(share, n_dev) for share in scores["dev_accuracy", english]]
chapters.unlearnt(reached, guess, english)

# %% mystnb={"figure": {"name": "fig-pawsx-table2", "caption": "Test accuracy of each language against the margin on the development split (left) and difference-based sharpness (right): means over the seeds with the language's code, and faint, each seed. The legend has Pearson's r of the means over the target languages, without English, with its 95 % Fisher-z interval. Dashed: where the margin of a model that is always certain lies, accuracy = (1 + margin) / 2."}, "image": {"alt": "Two scatter plots with one labelled point a language: test accuracy against the margin, close to a dashed straight line, and against sharpness."}} tags=["hide-input"]
every = list(languages)
fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.2), sharey=True)
for measure, ax in (("dev_margin", left), ("sharpness_difference", right)):
    ax.plot(scores[measure][every], scores["accuracy"][every], "o", ms=3, color=figures.FAINT, alpha=0.6, zorder=1)
    x, y = means(measure, every, seeds), means("accuracy", every, seeds)
    figures.scatter_correlation(ax, x, y, labels=every, correlation=related(measure))
    ax.set_xlabel(chapters.NAMES[measure])
ends = np.array(left.get_xlim())
left.axline((ends[0], (1 + ends[0]) / 2), slope=0.5, ls="--", lw=1, color=figures.FAINT, zorder=0)
left.set(xlim=ends, ylabel="accuracy (test)")
plt.show()

# %% tags=["remove-input"]
off = (scores["margin"] - (2 * scores["accuracy"] - 1)).mean().abs()
say(off=f"{off.max():.3f} ({off.idxmax()})")

# %% [markdown]
# On the same rows (the test split) the mean margin differs from $2\,\mathrm{acc} - 1$ by at most
# {glue:text}`pawsx-off`. What is left to find out for the development split's margin is how alike two sets of parallel
# sentences are.
#
# ## Table 2, beside ours
#
# The paper prints one coefficient a model, without an interval or the number of languages. We give the interval that
# the coefficient has at seven (English included), the most there can be; ours is over the
# {glue:text}`pawsx-targets` target languages, because English was trained on, and with English beside it.

# %%
TABLE, COLUMNS = published.TABLES["2"], {"dev_margin": "Margin", "sharpness_difference": "Sharpness"}
ours = {measure: related(measure) for measure in COLUMNS}
by_seed = {(measure, seed): related(measure, [seed]) for measure in COLUMNS for seed in seeds}
drawn = {m: clustered(scores[m].loc[seeds, targets], scores["accuracy"].loc[seeds, targets]) for m in COLUMNS}

# what is recorded of real PAWS-X, with a multilingual encoder and with an English one, as two of the paper's may be
at_real = {
    name: records.committed(
        protocols.seeds("real", task="pawsx", model=name, objectives=["baseline"], seeds=chapters.SEEDS)
    )
    for name in (chapters.ENCODER, "minilm-en")
}
real = {name: truth.Side(chapters.rows_of(one), "en", "real data") for name, one in at_real.items()}

# %% tags=["remove-input"]
cells = {row: [TABLE.cell(row, column) for column in COLUMNS.values()] for row in TABLE.rows}
body = [
    (f"paper: {row}", *(f"{cell.interval}" for cell in printed), f"{TABLE.n}?", "", "")
    for row, printed in cells.items()
]


def noisy(some: list[dict], source: str = english) -> tuple[str, str]:
    """Reliabilities of margin and sharpness, and their r corrected for error."""
    of_each = (chapters.noise_cells(chapters.noise(some, measure, source)) for measure in COLUMNS)
    return tuple(" / ".join(pair) for pair in list(zip(*of_each, strict=True))[:2])


per_seed = {seed: [row for row in found.rows() if row["seed"] == seed] for seed in seeds}
body += [
    (f"ours, seed {s}", *(f"{by_seed[m, s].interval():.3f}" for m in COLUMNS), len(targets), *noisy(per_seed[s]))
    for s in seeds
]
means_row = (f"{ours[m].interval():.3f}" for m in COLUMNS)
body.append(("ours, means over seeds", *means_row, len(targets), *noisy(found.rows())))
with_english = [f"{related(m, codes=list(languages)).interval():.3f}" for m in COLUMNS]
body.append(("… with English", *with_english, len(languages), "", ""))
if len(seeds) > 1:
    body.append(("ours, mean r, languages drawn", *(f"{drawn[m].interval}" for m in COLUMNS), len(targets), "", ""))
for name, side in real.items():
    if side.models:
        of_side = [side.relation(m) for m in COLUMNS]
        shown = [f"{one.interval:.3f}" if one else "not recorded" for one in of_side]
        count = f"{len(side.models)} seed{'s' * (len(side.models) != 1)}"
        quiet = noisy(chapters.rows_of(at_real[name]), "en") if all(of_side) else ("", "")
        body.append((f"real data: {name}, {count}", *shown, side.accuracy.shape[1], *quiet))
chapters.table(
    ("", "margin (dev), r", "sharpness, r", "languages", "reliabilities", "r corrected for error"),
    body,
    "Pearson's r with test accuracy over languages and its 95 % interval: Fisher's z; where languages are drawn, and of "
    "real data, a bootstrap over languages. The paper's intervals are not printed: they follow from r if it is over "
    f"{TABLE.n} languages. Ours on {n_of['accuracy', english]:,.0f} examples per language, sharpness on "
    f"{n_of['sharpness_difference', english]:,.0f}. Reliability of margin / of sharpness: the share of the variance over "
    "languages that other examples would not change; r corrected for error: divided by the root of both reliabilities",
)

# %% tags=["remove-input"]
chapters.show(chapters.real_box(*at_real.values()))
for name, one in at_real.items():
    if one.runs:
        caption = f"Accuracy [%] of {name} on PAWS-X itself, means over the recorded seeds"
        chapters.show(chapters.real_table(one, caption, lambda key: key[0]))

# %% mystnb={"figure": {"name": "fig-pawsx-real", "caption": "Real data: test accuracy on PAWS-X itself against the margin on the development split (above) and difference-based sharpness (below), a multilingual encoder and one that has read English alone; one point per target language, mean over the seeds. Bars: one standard error. Above: Pearson's r, 95 % bootstrap over languages."}, "image": {"alt": "Scatter plots of test accuracy, a row for the margin and one for sharpness, a column an encoder, points labelled by language."}} tags=["remove-input", "reads:records"]
of_real = {
    label: {
        name: setup
        for name, one in at_real.items()
        for setup in chapters.setups_of(one, measure, lambda key: key[0]).values()
    }
    for label, measure in zip(
        ("margin (dev) [probability]", r"$\phi_\mathrm{difference}$ [nats]"), COLUMNS, strict=True
    )
}
chapters.real_scatter(of_real)

# %% tags=["remove-input"]
least = {n: math.tanh(1.959964 / math.sqrt(n - 3)) for n in (len(targets), TABLE.n)}
undecided = [cell for printed in cells.values() for cell in printed if 0 in cell.interval]
apart = 100 * scores["accuracy"][targets].std(axis=1)
accuracies = found.frame[(found.frame["measure"] == "accuracy") & found.frame["language"].isin(targets)]
say(least=f"{least[len(targets)]:.2f}", least_7=f"{least[TABLE.n]:.2f}", n_undecided=len(undecided))
say(undecided="; ".join(f"{cell.row}, {cell.column} ({signed(cell.value)})" for cell in undecided))
say(apart=f"{apart.min():.1f} to {apart.max():.1f}", error=f"{100 * accuracies['stderr'].mean():.1f}")

# %% [markdown]
# ```{admonition} A handful of points
# :class: warning
# With {glue:text}`pawsx-targets` languages the 95 % interval of a correlation excludes 0 only where
# $|r| >$ {glue:text}`pawsx-least`, with seven where $|r| >$ {glue:text}`pawsx-least-7`. The languages are related, so
# these limits are, if anything, too low. {glue:text}`pawsx-n-undecided` of the paper's six coefficients could be those
# of no relation at all: {glue:text}`pawsx-undecided`.
#
# More seeds do not help: they make the mean of each language more precise, and leave the number of languages as it is.
#
# And there must be something to predict. Over the target languages our accuracies have a standard deviation of
# {glue:text}`pawsx-apart` points (by seed), and the standard error of each is {glue:text}`pawsx-error` points. The
# languages are translations of the same examples, so part of that error is common to all and cancels; the rest is
# noise in the correlation.
# ```
#
# ### Which margin, which seeds?
#
# Three choices stand behind one printed number. None is settled by the paper, so here is how much each matters.

# %% tags=["remove-input"]
VARIANTS = {
    "dev_margin": "margin on the development split",
    "margin": "margin on the test split, which accuracy is of",
    "dev_margin_correct": "dev margin of the correct examples alone",
    "dev_margin_logit": "dev margin of the logits",
}
body = []
for measure, named in VARIANTS.items():
    each = [related(measure, [seed]) for seed in seeds] + [related(measure)]
    body.append((named, *(f"{c.interval():.3f}" for c in each)))
chapters.table(
    ("", *(f"seed {seed}" for seed in seeds), "means over seeds"),
    body,
    f"r with test accuracy over {len(targets)} languages, 95 % Fisher-z intervals",
)

# %% tags=["remove-input"]
r = {measure: signed(related(measure).pearson.value) for measure in (*VARIANTS, "sharpness_difference")}
lowest, *_, highest = sorted(by_seed["sharpness_difference", seed].pearson.value for seed in seeds) * 2
matters = {
    "margin-split": f"On {task} r of the margin with accuracy is {r['dev_margin']} on the development split and "
    f"{r['margin']} on the test split (means over {len(seeds)} seeds).",
    "seeds-of-tables": f"On {task} r of sharpness with accuracy is {signed(lowest)} to {signed(highest)} for single "
    f"seeds, and {r['sharpness_difference']} for means over {len(seeds)}.",
}
for name, sentence in matters.items():
    evidence.choice(name, sentence)
disputed = ("margin-split", "xlm", "pawsx-in-figure-1", "seeds-of-tables")
chapters.box(
    "warning",
    "Where the paper does not fit itself",
    *(f"{why} {matters.get(n, '')}" for n, why in zip(disputed, chapters.conflicts(*disputed), strict=True)),
    "So two of the three rows of Table 2 may be of encoders that have seen no German, Spanish, French, Japanese, Korean "
    "or Chinese: if so they score near chance there, and what varies over their languages is something else.",
)

# %% tags=["remove-input"]
for measure, column in COLUMNS.items():
    evidence.settle(f"bassi-t2-{column.lower()}-mbert", ours[measure])
    for row, name in (("mbert", chapters.ENCODER), ("roberta", "minilm-en")):  # the latter have read English alone
        if (numbers := truth.numbers_of(real[name].relation(measure))) is not None:
            rows = chapters.rows_of(at_real[name])
            evidence.settle_recorded(f"bassi-t2-{column.lower()}-{row}", numbers, rows[rows.measure == measure])
say(margin=r["dev_margin"], correct=f"{related('dev_margin_correct').interval():.3f}")
say(verdict_margin=evidence.verdict("bassi-t2-margin-mbert").outcome)
say(verdict_sharpness=TABLE.cell("mBERT", "Sharpness").beside(ours["sharpness_difference"]).removesuffix("."))
evidence.table("Table 2", caption="Table 2 in the ledger; real data: an English encoder stands for RoBERTa")

# %% [markdown]
# Much of the margin's r follows from its definition: the mean margin is within {glue:text}`pawsx-off` of
# $2\,\mathrm{acc} - 1$ in every language. Taken over the *correctly classified* examples alone, where it no longer
# counts errors, the margin's r is
# {glue:text}`pawsx-correct`. That is the part of the margin that could be news: is a model surer of itself in the
# languages in which it is more often right?
#
# ```{exercise} ★ How sure is it?
# :label: pawsx-ex-confidence
#
# Estimate from the mean margin and the accuracy of each language how much of {eq}`eq-pawsx-margin` is confidence: the
# factor $\bar\gamma / (2\,\mathrm{acc} - 1)$ on the test split. When is it a bad estimate of $2\bar c - 1$?
# ```
#
# ````{solution-start} pawsx-ex-confidence
# :class: dropdown
# ````

# %%
for code in languages:
    margin, accuracy = means("margin", [code], seeds)[0], means("accuracy", [code], seeds)[0]
    line = f"{code}: accuracy {accuracy:.3f}, margin {margin:.3f}"
    print(line, f"ratio {margin / (2 * accuracy - 1):.2f}")

# %% [markdown]
# The ratio is $2\bar c - 1$ if the model is as sure when it is wrong as when it is right. It is usually less sure when
# it is wrong; then wrong answers cost less than they count, and the ratio is above the mean confidence, even above 1.
# Near chance both are near 0, and it says nothing.
#
# ````{solution-end}
# ````
#
# ```{exercise} ★★ How many languages?
# :label: pawsx-ex-languages
#
# How many languages would have to be in PAWS-X for mBERT's printed sharpness coefficient to exclude 0?
# ```
#
# ````{solution-start} pawsx-ex-languages
# :class: dropdown
# ````

# %%
printed = TABLE.cell("mBERT", "Sharpness").value
needed = 3 + (1.96 / math.atanh(abs(printed))) ** 2
print(f"r = {printed}: {math.ceil(needed)} languages")

# %% [markdown]
# By Fisher's $z$: $\operatorname{artanh} |r| > 1.96 / \sqrt{n - 3}$. XTREME has 40, and these are not independent either.
#
# ````{solution-end}
# ````
#
# ## A second language
#
# {cite:t}`stickland2021regularising` argue from the geometry of the loss. Near the end of the English stage, with
# $\theta_1$ its weights,
#
# $$ \mathrm{KL}\big[ p_{\theta_1} \,\|\, p_{\theta_1 + \Delta} \big] \approx \tfrac12\, \Delta^\top F(\theta_1)\, \Delta ,
# \qquad \mathrm{E}_\Delta\, \Delta^\top F \Delta = C \operatorname{Tr} F \;\text{ for isotropic } \Delta
# \text{ of variance } C . $$ (eq-pawsx-travel)
#
# With a small $\operatorname{Tr} F$ one can "travel further" ($\Delta$ is large) before what was learnt is lost, and so,
# they conjecture, a model gains more from a second language. (The step of a second stage is not isotropic; this is an
# intuition, and they call it one.)
#
# The protocol, as they describe it: train on English with various penalties, so that $\operatorname{Tr} F$ varies. Cut
# the development split of a target language in two. Train on the first half, starting from $\theta_1$, and measure on the
# second half how much accuracy rises. In code a second stage is a run like any other, with two more settings:
#
#     xlgen run --task mini-pawsx --start <name of the first run> --language de
#
# The halves are cut at the same rows of the source in every language, so that no held sentence is a translation of a
# trained one (`xlgen.data.halves`).

# %%
weights = {"kl": kl or STAGE_WEIGHTS["kl"], "fpen": fpen or STAGE_WEIGHTS["fpen"]}
staged = protocols.stages(preset, task=task, weights=weights, languages=second, options=options, **changed)
# keys are (penalty, language); the first stage comes first, and then a second stage from it
stages = records.obtain(staged, options, workers=workers, live=2 * chapters.how_many(live))

# %% tags=["remove-input"]
chapters.records_box(stages)

# %% [markdown]
# Of each first stage (a row): accuracy after English and after the second stage, and $\operatorname{Tr} F$ between the
# two. A first stage that is not above chance in English has not learnt the task.

# %%
penalties = {f"{kind}={weight:g}" if weight else kind: (kind, weight) for (kind, weight), _ in stages.runs}
frame = stages.frame.assign(
    first=[f"{kind}={weight:g}" if weight else kind for kind, weight in stages.frame["penalty"]]
)


def accuracies(measure: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accuracy [%] of each first stage (row) by language, after English and after the second stage there."""
    rows, table = frame[frame["measure"] == measure], {"index": "first", "columns": "language", "values": "value"}
    stage_1, stage_2 = (rows[(rows["second"] == "") == is_first].pivot(**table) for is_first in (True, False))
    return 100 * stage_1.loc[[*penalties], second], 100 * stage_2.loc[[*penalties], second]


before, after = accuracies("dev_held_accuracy")
before_test, after_test = accuracies("accuracy")
gain, gain_test = after - before, after_test - before_test
trace = frame[frame["measure"] == "dev_fisher_trace"].set_index("first")["value"][[*penalties]]
curvature = np.log10(trace)

chance = chapters.commonest(TASKS[task], english, "dev", 0, options.data_dir)
reached = pd.Series({name: stages.runs[key, ""].summary["dev_accuracy"] for name, key in penalties.items()})
noise = math.sqrt(chance * (1 - chance) / stages.runs[("none", 0.0), ""].manifest["dev_pairs"])
learnt = reached > chance + 1.96 * noise
kept = learnt if learnt.sum() >= 5 else learnt | True  # with too few others all count

# %% mystnb={"figure": {"name": "fig-pawsx-stages", "caption": "Increase of a language's accuracy by the second stage, against Tr F after English (development split, labels drawn from the model; logarithmic axis). One point a first stage: circle, no penalty; diamond, consistency loss; triangle, Fisher penalty; the number is the penalty's weight. Hollow: not above chance in English after the first stage. Bars: 95 % of a difference of two binomial shares, too wide because both models saw the same rows. Above: Pearson's r with log Tr F and its Fisher-z interval over the first stages that count."}, "image": {"alt": "One panel per language: the increase of accuracy by the second stage against the trace of the Fisher information after the first, on a logarithmic axis, one labelled point a first-stage model with an error bar."}} tags=["hide-input"]
LOOK = {"none": figures.look("baseline"), "kl": figures.look("mvr"), "fpen": figures.look("fisher")}
END = {"none": -1, "kl": 1, "fpen": -1}  # of the bar, where the number stands
over_models = {code: correlate(curvature[kept], gain[code][kept]) for code in second}
fig, axes = plt.subplots(1, len(second), figsize=(3.3 * len(second), 3.8), sharey=True, squeeze=False)
for ax, code in zip(axes[0], second, strict=True):
    n = stages.measured[("none", 0.0), ""][0]["accuracy"][code].n
    shares = np.stack([before[code], after[code]]) / 100
    half = 1.96 * 100 * np.sqrt((shares * (1 - shares)).sum(0) / n)
    for (name, (kind, weight)), reach in zip(penalties.items(), half, strict=True):
        point, end, colour = (trace[name], gain[code][name]), END[kind], LOOK[kind].colour
        fill = colour if learnt[name] else "white"
        ax.errorbar(*point, yerr=reach, fmt=LOOK[kind].marker, color=colour, elinewidth=0.8, mfc=fill)
        place = {"xytext": (0, 3 * end), "textcoords": "offset points", "va": "bottom" if end > 0 else "top"}
        number = f"{weight:g}" if weight else ""
        ax.annotate(number, (point[0], point[1] + end * reach), ha="center", fontsize=7.5, color=colour, **place)
    ax.axhline(0, color=figures.FAINT, lw=0.8)
    ax.set(xscale="log", xlabel="Tr F after English [nats² / parameter²]")
    ax.margins(x=0.15, y=0.1)
    figures.plain_ticks(ax.xaxis)
    ax.set_title(f"{code}: {over_models[code]}".replace(", n", "\nn"), fontsize=8.5)
axes[0, 0].set_ylabel("increase of accuracy,\nheld half of dev [points]")
names = {"none": "no penalty", "kl": "consistency loss (kl)", "fpen": "Fisher penalty (fpen)"}
marks = {"ls": "none"}
handles = [plt.Line2D([], [], marker=s.marker, color=s.colour, label=names[k], **marks) for k, s in LOOK.items()]
fig.legend(handles=handles, loc="outside lower center", ncols=len(handles))
plt.show()

# %% tags=["remove-input"]
halves = stages.runs[("none", 0.0), second[0]].manifest
say(second_pairs=f"{halves['train_pairs']:,}", held_pairs=f"{halves['dev_pairs']:,}", first_stages=int(kept.sum()))
changes = {
    c: [f"{b:.1f} → {a:.1f} ({signed(a - b, 1)})" for b, a in zip(before[c], after[c], strict=True)] for c in second
}
chapters.table(
    (
        "first stage",
        "Tr F [nats² / parameter²]",
        f"{english} dev accuracy",
        *(f"{code}: before → after" for code in second),
    ),
    zip(penalties, map("{:.3g}".format, trace), map("{:.1f}".format, 100 * reached), *changes.values(), strict=True),
    f"Accuracy [%] on the held half ({halves['dev_pairs']:,} rows a language), and the increase [points]",
)

# %% [markdown]
# Every point is one model with one seed. The second stage saw {glue:text}`pawsx-second-pairs` rows, with the first's
# settings and without its penalty; the checkpoint is the one that is best on {glue:text}`pawsx-held-pairs` held rows,
# the very rows on which the figure measures. That flatters every increase a little; the test split, which chose nothing,
# is in the next table.


# %%
def together(some, scored=gain):
    """One slope for all languages, each with its own mean."""
    return clustered(np.tile(curvature[some], (len(second), 1)), scored[some].T, how="centred").interval


fixed = {code: chapters.held_fixed(curvature[kept], gain[code][kept], before[code][kept]) for code in second}
starts = {code: correlate(before[code][kept], gain[code][kept]) for code in second}

# %% tags=["remove-input"]
body = []
for which, some in {"": kept, ", all models": learnt | True}.items():
    for code in second if not (which and kept.all()) else []:
        x, y, z = curvature[some], gain[code][some], before[code][some]
        rs = [correlate(x, y), correlate(x, gain_test[code][some]), correlate(z, y)]
        held, test, start = (f"{c.interval():.3f}" for c in rs)
        at_start = chapters.held_fixed(x, y, z)
        body.append(
            (f"{code}{which}", held, signed(rs[0].spearman.value, 2), test, start, f"{at_start or 'undefined'}")
        )
    if not (which and kept.all()):
        body.append((f"together{which}", f"{together(some)}", "", "", "", ""))
columns = ("log Tr F, increase: r", "rank ρ", "the same, test split", "start, increase: r")
chapters.table(
    ("", *columns, "log Tr F, increase, at fixed start"),
    body,
    f"Over the {kept.sum()} first stages that count, 95 % intervals: Fisher's z; together: one slope for all languages, each with its "
    "own mean, bootstrap over first stages, which the languages share",
)

# %% tags=["remove-input"]
for code in second:
    if f"stickland-f2-{code}" in evidence.claims:
        keys = [(penalties[name], stage) for name in kept.index[kept] for stage in ("", code)]
        evidence.settle(f"stickland-f2-{code}", over_models[code], keys, found=stages)
figure_2 = {name.removeprefix("stickland-f2-"): evidence.verdict(name) for name in evidence.records if "-f2-" in name}
settled = [code for code, r in fixed.items() if r is not None and 0 not in r]
final = after[kept].to_numpy()
say(
    unlearnt=", ".join(learnt.index[~learnt]) or "none", chance=f"{chance:.1%}", pooled_all=f"{together(learnt | True)}"
)
say(pooled=f"{together(kept)}", pooled_after=f"{together(kept, after)}")
say(stage_verdicts="; ".join(f"{code}: {verdict.outcome}" for code, verdict in figure_2.items()))
say(n_ceiling=sum(c.status == "ok" and c.pearson.high < 0 for c in starts.values()), n_second=len(second))
say(starts="; ".join(f"{code} {c.interval():.3f}" for code, c in starts.items()))
say(fixed="; ".join(f"{code} {r or 'undefined'}" for code, r in fixed.items()), n_fixed=len(settled))
say(spans=f"{np.ptp(before[kept].to_numpy(), axis=0).max():.1f}", final=f"{final.min():.1f} and {final.max():.1f} %")
say(least_fixed=f"{math.tanh(1.959964 / math.sqrt(max(int(kept.sum()) - 4, 1))):.2f}")
evidence.table("Figure 2", caption="Figure 2, and ours")

# %% tags=["remove-input", "reads:records"]
real_stages = records.committed(protocols.stages("real", first_name=records.names_of_committed()))
body, risen = [], {}
for which, code in (key for key in real_stages.runs if key[1]):
    models = [real_stages.measured[which, stage] for stage in ("", code)]
    held, test = ([measured[split]["accuracy"][code] for measured in models] for split in (0, 1))
    told, name = models[0][2]["fisher_trace"][english].value, spelled(*which)
    reach = 1.96 * math.hypot(*(math.sqrt(end.value * (1 - end.value) / end.n) for end in test))
    rise = test[1].value - test[0].value
    reached_english = f"{100 * real_stages.runs[which, ''].summary['dev_accuracy']:.1f}"
    risen.setdefault(f"{name} ({reached_english} % in {english}, Tr F {told:.3g})", []).append(100 * rise)
    moves = [" → ".join(f"{100 * end.value:.1f}" for end in ends) for ends in (held, test)]
    ends = f"{signed(100 * rise, 1)} [{signed(100 * (rise - reach), 1)}, {signed(100 * (rise + reach), 1)}]"
    body.append((name, f"{told:.3g}", reached_english, code, *moves, ends))
if body:
    chapters.show(chapters.real_box(real_stages))
    head = ("first stage", "Tr F [nats² / parameter²]", f"{english} dev", "language", "held half", "test")
    head = (*head, "increase, test [points]")
    caption = """Figure 2 on PAWS-X itself: accuracy [%] before → after, one model a row. The held half chose the \
second stage's checkpoint, the test split chose nothing; 95 % of a difference of two binomial shares, too wide because \
both models saw the same rows"""
    display(chapters.table(head, body, caption))
means = [f"{signed(np.mean(rises), 1)} points after {name}" for name, rises in risen.items()]
say(real_first_stages=f"{len(risen)} first stage{'s' * (len(risen) != 1)}", real_risen="; ".join(means) or "not run")
say(fewest_stages=MIN_POINTS)

# %% [markdown]
# All languages together have r = {glue:text}`pawsx-pooled`. The paper shows points and prints no coefficient, and does
# not say how many models there are.
#
# Real data have {glue:text}`pawsx-real-first-stages` so far; a coefficient takes {glue:text}`pawsx-fewest-stages`. The
# increase on the test split, in the mean of the second languages: {glue:text}`pawsx-real-risen`. A first stage that gets
# no more right in English than the more frequent answer, a little over half, has learnt nothing to add to.
#
# ```{admonition} Who has learnt English?
# :class: warning
# First stages that are not above chance in English (accuracy {glue:text}`pawsx-chance` plus 1.96 standard errors):
# {glue:text}`pawsx-unlearnt`. The penalty has kept such a model from learning anything: it has nothing to be flat
# around, starts lowest of all, and gains most from any data. It is left out of r, unless fewer than five others are
# left. With all first stages, r of the languages together would be {glue:text}`pawsx-pooled-all`. The rule was made
# after a model at chance had been seen.
# ```
#
# ## A low start, or a flat one?
#
# The increase has the start in it: $\text{increase} = \text{after} - \text{before}$. A model that begins low can rise
# more, for three reasons that have nothing to do with curvature. There is a *ceiling*: if the second stage brings every
# model to the same accuracy, the increase *is* the start with a minus sign. There is *noise*: a model that was unlucky on
# the held rows will be less unlucky after any training. And a penalty that is too heavy for English leaves a model that
# has learnt less, may be flatter for that very reason, and has more left to learn.
#
# So the question is not whether $\operatorname{Tr} F$ and the increase go together, but whether they do *among models with
# the same start*:
#
# $$ r_{xy \cdot z} = \frac{r_{xy} - r_{xz} r_{yz}}{\sqrt{(1 - r_{xz}^2)(1 - r_{yz}^2)}}, \qquad
# x = \log \operatorname{Tr} F, \quad y = \text{increase}, \quad z = \text{before} . $$ (eq-pawsx-partial)

# %% mystnb={"figure": {"name": "fig-pawsx-start", "caption": "The increase by the second stage against the accuracy before it, held half of the development split; all languages, one mark each. Dashed: where all models would lie that end at the mean final accuracy of those that count, a ceiling that everybody reaches (slope −1). The legend has r of start and increase; hollow marks are left out of it."}, "image": {"alt": "Scatter plot of the increase against the accuracy before the second stage, one marker a language, with a dashed line of slope minus one."}} tags=["hide-input"]
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#333333")
fig, ax = plt.subplots(figsize=(6.8, 4.2))
for code, colour, marker in zip(second, COLOURS * len(second), "s^DPo" * len(second), strict=False):
    ax.plot(before[code][kept], gain[code][kept], marker, color=colour, label=f"{code}: {starts[code]}")
    ax.plot(before[code][~kept], gain[code][~kept], marker, color=colour, mfc="white")
level = after[kept].to_numpy().mean()
ends = np.array(ax.get_xlim())
ax.plot(ends, level - ends, ls="--", lw=1, color=figures.FAINT, label=f"all end at {level:.1f} %")
ax.axhline(0, color=figures.FAINT, lw=0.8)
ax.set(xlim=ends, xlabel="accuracy after English [%]", ylabel="increase by the second stage [points]")
ax.legend(loc="lower left", bbox_to_anchor=(0, 1))
plt.show()

# %% [markdown]
# ```{admonition} The ceiling
# :class: important
# That a lower start goes with a larger increase is settled in {glue:text}`pawsx-n-ceiling` of
# {glue:text}`pawsx-n-second` languages: {glue:text}`pawsx-starts`. At a fixed start, $\operatorname{Tr} F$ says
# something more about the increase (interval excludes 0) in {glue:text}`pawsx-n-fixed`: {glue:text}`pawsx-fixed`; the
# paper's claim has a negative sign.
#
# The starts differ by up to {glue:text}`pawsx-spans` points between these first stages; with
# {glue:text}`pawsx-first-stages` models a partial correlation has to exceed {glue:text}`pawsx-least-fixed` to be settled.
# After the second stage the accuracies lie between {glue:text}`pawsx-final`: a ceiling common to all would make them
# equal. Where the models end up, over all languages, has r = {glue:text}`pawsx-pooled-after` with
# $\log \operatorname{Tr} F$.
# ```
#
# ```{exercise} ★★ Increase or end?
# :label: pawsx-ex-partial
#
# Show that at a fixed start it does not matter whether $y$ in {eq}`eq-pawsx-partial` is the increase or the accuracy after
# the second stage. Check it with the numbers of this page.
# ```
#
# ````{solution-start} pawsx-ex-partial
# :class: dropdown
# ````
#
# A partial correlation is the correlation of what remains of $x$ and of $y$ after a linear regression on $z$. The
# increase is $\text{after} - z$, and a regression on $z$ takes $z$ away whole, so the remainders are the same numbers.

# %%
for code in second:
    for what, scored in (("increase", gain), ("after", after)):
        x, y, z = curvature[kept], scored[code][kept], before[code][kept]
        print(f"{code}, {what:8}: {partial_correlation(x, y, z).value:+.6f}")

# %% [markdown]
# The claim of Figure 2, asked at a fixed start, is a claim about who is best at the end. That is what a user wants to
# know.
#
# ````{solution-end}
# ````
#
# ```{exercise} ★★ Regression to the mean
# :label: pawsx-ex-noise
#
# Suppose all first stages are equally good, all second stages too, and the accuracies differ only because each is
# measured with binomial noise of its own. Which correlation of start and increase do you expect? Simulate it.
# ```
#
# ````{solution-start} pawsx-ex-noise
# :class: dropdown
# ````

# %%
rng = np.random.default_rng(0)
held = halves["dev_pairs"]
shape = 2000, len(penalties)  # that many figures, of so many models
start = rng.binomial(held, 0.7, shape) / held
rise = rng.binomial(held, 0.8, shape) / held - start
rs = [np.corrcoef(z, y)[0, 1] for z, y in zip(start, rise, strict=True)]
low, high = np.quantile(rs, [0.025, 0.975])
print(f"mean r {np.mean(rs):.2f}, 95 % in {low:.2f} to {high:.2f}")

# %% [markdown]
# With equal variances $\operatorname{corr}(b, a - b) = -\sigma_b^2 / (\sigma_b \sqrt{\sigma_a^2 + \sigma_b^2})
# = -1/\sqrt2 \approx -0.71$: a strong negative correlation out of nothing. Both accuracies are of the same rows here, so
# that part of the noise is shared and cancels; but whenever the spread of the starts is not much larger than their
# noise, a correlation with the increase must be read with this in mind.
#
# ````{solution-end}
# ````
#
# ```{admonition} Concept check: $r = 0.99$ between margin and accuracy over seven languages: the margin predicts transfer. True?
# :class: dropdown
# *No.* The misconception is that a high correlation is a discovery. With two classes the margin is nearly
# $2\,\mathrm{acc} - 1$ by {eq}`eq-pawsx-margin`, and it needs the very labels that one would want to do without.
# ```
#
# ```{admonition} What we learnt
# :class: important
# - Table 2, margin: r = {glue:text}`pawsx-margin`, and the paper's number {glue:text}`pawsx-verdict-margin`. With two
#   classes the margin is close to a linear function of accuracy by its definition ({eq}`eq-pawsx-margin`).
# - Table 2, sharpness: {glue:text}`pawsx-verdict-sharpness`. With {glue:text}`pawsx-targets` languages only |r| above
#   {glue:text}`pawsx-least` can be settled.
# - Figure 2: {glue:text}`pawsx-stage-verdicts`; together r = {glue:text}`pawsx-pooled`, over
#   {glue:text}`pawsx-first-stages` first stages.
# - That a lower start goes with a larger increase is settled in {glue:text}`pawsx-n-ceiling` of
#   {glue:text}`pawsx-n-second` languages; that $\operatorname{Tr} F$ says more at a fixed start, in
#   {glue:text}`pawsx-n-fixed`.
# - All of this is {glue:text}`pawsx-encoder` on {glue:text}`pawsx-task`, {glue:text}`pawsx-pairs` English pairs,
#   {glue:text}`pawsx-seeds` for Table 2 and one for Figure 2. The papers have mBERT on PAWS-X.
# ```
#
# ```{admonition} Your turn
# :class: tip
# More first stages, which is what Figure 2 lacks (they are trained here, where there is no record):
#
#     papermill notebooks/pawsx.ipynb out.ipynb -p kl 0.1,0.3,1,3,10 -p fpen 0.001,0.01,0.1,1,10
#
# Everything trained here, none read from records:
#
#     papermill notebooks/pawsx.ipynb out.ipynb -p live all
#
# Real data, with any encoder ({doc}`/running`):
#
#     papermill notebooks/pawsx.ipynb out.ipynb -p preset small -p data_dir archives -p model mini -p train_size 2000
# ```

# %% tags=["remove-input"]
provenance(
    [run.key for run in (*found.runs.values(), *stages.runs.values())],
    {"preset": preset, "task": task, "model": first.config.model, "seeds": seeds, "live": live}
    | {"kl": list(weights["kl"]), "fpen": list(weights["fpen"]), "second": second}
    | chapters.given(train_size=train_size, epochs=epochs),
)
