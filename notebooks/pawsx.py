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

# %% tags=["parameters"]
preset: str = "mini"  # sizes: mini (offline miniature), small (20,000 real English pairs) or paper
task: str = ""  # empty: PAWS-X, or its miniature
model: str = ""  # mini, a hub id or a folder; empty: the preset's own
seeds: list = [0, 1, 2]  # random seeds of the models behind Table 2
kl: list = []  # weights of the consistency loss in first stages; empty: the protocol's own
fpen: list = []  # weights of the Fisher penalty in first stages; empty: the protocol's own
second: list = ["de", "es", "zh"]  # languages of the second stage
data_dir: str = ""  # folder with the official archives, relative to the working directory; empty: the hub
train_size: int = None  # English training pairs [count], 0 for all; None: the protocol's own
epochs: int = None  # passes over the training pairs, in either stage [count]; None: the preset's own
size: int = 500  # examples of each language and split behind Table 2 [count]; 0: all
live: int = 1  # models of each protocol trained in this build even where a record is committed [count]
store: str = ""  # folder of trained models and measures; empty: runs/ of the checkout
workers: int = 2  # models trained or measured side by side [processes]
threads: int = 1  # CPU threads of each [count]

# %%
import math

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import ticker
from myst_nb import glue

from paper import chapters, figures, ledger, protocols, published, records
from paper.notebook import provenance
from paper.protocols.penalties import STAGE_WEIGHTS
from xlgen.analysis import (
    AnalysisError,
    binomial_interval,
    clustered,
    correlate,
    fisher_interval,
    partial_correlation,
    signed,
)
from xlgen.data.catalogue import TASKS

figures.use_style()
seeds, second = chapters.words(seeds, int), chapters.words(second)
kl, fpen = chapters.words(kl, float), chapters.words(fpen, float)

# %% [markdown]
# ## The task
#
# In English both sentences of a pair have the same words, so that a bag of words is of no use: what counts is who did
# what. The translations of the development and test rows are parallel.

# %%
options = chapters.options_for(store, data_dir, threads=threads)
name = task or protocols.name_of("pawsx", preset)
facts = TASKS[name]
english = facts.source_language
targets = [code for code in facts.languages if code != english]

for code in (english, targets[0]):
    rows = facts.rows(code, "dev", options.data_dir)
    print(f"{code}: {rows.first[0]}\n    {rows.second[0]}")
print("->", facts.labels[rows.labels[0]])

# %% [markdown]
# Every model below is fine-tuned on English alone and evaluated in all languages. First the plain ones:

# %% tags=["reads:records"]
each = seeds
common = chapters.given(
    model=model, train_size=train_size, epochs=epochs
)  # fmt: skip
protocol = protocols.transfer(
    preset,
    tasks=[name],
    setups=["vanilla"],
    seeds=each,
    size=size,
    **common,
)
found = records.obtain(protocol, options, workers=workers, live=live)
runs = {seed: run for (_, _, seed), run in found.runs.items()}

# %% tags=["hide-input"]
run = runs[each[0]]
encoder = "the shipped miniature" if run.config.model == "mini" else run.config.model
scale = chapters.scale_of(preset, common | chapters.given(task=task))
trained = [one.manifest for one in runs.values()]
glue("pawsx-task", name, display=False)
glue("pawsx-encoder", encoder, display=False)
glue("pawsx-targets", f"{len(targets)}", display=False)
glue("pawsx-pairs", f"{run.manifest['train_pairs']:,}", display=False)
glue("pawsx-seeds", f"{len(each)} seed{'s' * (len(each) > 1)}", display=False)
chapters.table(
    ("setting", "value"),
    [
        ("task", f"{name}: {', '.join(facts.labels)}"),
        ("languages", f"{english} (training), {', '.join(targets)}"),
        ("encoder", encoder),
        ("training", f"{run.manifest['train_pairs']:,} English pairs, {run.config.epochs} epochs"),
        ("optimizer", f"AdamW, peak learning rate {run.config.lr:g}"),
        ("seeds", ", ".join(f"{s} ({'trained here' if (name, 'vanilla', s) in found.live else 'record'})" for s in each)),
        ("English dev accuracy", ", ".join(f"{one.summary['dev_accuracy']:.3f}" for one in runs.values())),
    ],
    "The models behind Table 2",
)  # fmt: skip

# %% tags=["hide-input"]
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
# the labels would be news; this one is computed from the labels, and with two classes it counts them again.

# %%
numbers = {
    (row["seed"], row["measure"], row["language"]): row
    for row in found.rows()
}  # fmt: skip


def values(measure: str, seed: int, codes) -> np.ndarray:
    """One measure of one model, by language."""
    one = [numbers[seed, measure, code] for code in codes]
    return np.array([row["value"] for row in one])


def correct_only(seed: int, codes) -> np.ndarray:
    """The dev margin over the correctly classified examples."""
    one = [numbers[seed, "dev_margin", code] for code in codes]
    return np.array([row["extra"]["correct_only"] for row in one])


def mean(measure: str, codes) -> np.ndarray:
    """The same, the mean over seeds."""
    return np.mean([values(measure, seed, codes) for seed in each], 0)


def related(measure: str, seeds, codes=tuple(targets)):
    """Correlation over languages of seeds' means with accuracy."""
    x, y = (
        np.mean([values(m, seed, codes) for seed in seeds], 0)
        for m in (measure, "accuracy")
    )  # fmt: skip
    return correlate(x, y)


# %% tags=["hide-input"]
reached = [numbers[seed, "dev_accuracy", english] for seed in each]
chapters.unlearnt(
    [binomial_interval(row["value"], row["n"]) for row in reached],
    chapters.commonest(facts, english, "dev", reached[0]["n"], options.data_dir),
    english,
)

# %% mystnb={"figure": {"name": "fig-pawsx-table2", "caption": "Test accuracy of each language against the margin on the development split (left) and difference-based sharpness (right): means over the seeds with the language's code, and faint, each seed. The legend has Pearson's r of the means over the target languages, without English, with its 95 % Fisher-z interval. Dashed: where the margin of a model that is always certain lies, accuracy = (1 + margin) / 2."}, "image": {"alt": "Two scatter plots with one labelled point a language: test accuracy against the margin, close to a dashed straight line, and against sharpness."}} tags=["hide-input"]
PLOTTED = ("dev_margin", "sharpness_difference")
fig, axes = plt.subplots(1, 2, figsize=(9.6, 4.2), sharey=True)
for ax, measure in zip(axes, PLOTTED, strict=True):
    for seed in each:
        ax.plot(
            values(measure, seed, facts.languages), values("accuracy", seed, facts.languages), "o",
            ms=3, color=figures.FAINT, alpha=0.6, zorder=1,
        )  # fmt: skip
    figures.scatter_correlation(
        ax, mean(measure, facts.languages), mean("accuracy", facts.languages), labels=facts.languages,
        correlation=related(measure, each),
    )  # fmt: skip
    ax.set_xlabel(chapters.NAMES[measure])
left = np.array(axes[0].get_xlim())
axes[0].axline((left[0], (1 + left[0]) / 2), slope=0.5, ls="--", lw=1, color=figures.FAINT, zorder=0)
axes[0].set_xlim(left)
axes[0].set_ylabel("accuracy (test)")
plt.show()

# %% tags=["hide-input"]
off = {
    code: np.mean([numbers[s, "margin", code]["value"] - (2 * numbers[s, "accuracy", code]["value"] - 1) for s in each])
    for code in facts.languages
}
farthest = max(off, key=lambda code: abs(off[code]))
glue("pawsx-off", f"{abs(off[farthest]):.3f} ({farthest})", display=False)

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

# %% tags=["hide-input"]
TABLE = published.TABLES["2"]
COLUMNS = {"dev_margin": "Margin", "sharpness_difference": "Sharpness"}
ours = {measure: related(measure, each) for measure in COLUMNS}
with_english = {measure: related(measure, each, facts.languages) for measure in COLUMNS}
by_seed = {(measure, seed): related(measure, [seed]) for measure in COLUMNS for seed in each}


def drawn(measure: str):
    """The mean over seeds of the coefficient, with an interval by drawing languages."""
    x, y = ([values(m, seed, targets) for seed in each] for m in (measure, "accuracy"))
    return clustered(x, y)


def shown(correlation) -> str:
    """The coefficient and its interval."""
    return str(fisher_interval(correlation.pearson.value, correlation.n)) if correlation.status == "ok" else "undefined"


body = [
    (f"paper: {row}", *(str(TABLE.cell(row, column).interval) for column in COLUMNS.values()), f"{TABLE.n}?")
    for row in TABLE.rows
]
body += [(f"ours, seed {s}", *(shown(by_seed[m, s]) for m in COLUMNS), len(targets)) for s in each]
body.append(("ours, means over seeds", *(shown(ours[m]) for m in COLUMNS), len(targets)))
body.append(("… with English", *(shown(with_english[m]) for m in COLUMNS), len(targets) + 1))
if len(each) > 1:
    body.append(("ours, mean r, languages drawn", *(str(drawn(m).interval) for m in COLUMNS), len(targets)))
chapters.table(
    ("", "margin (dev), r", "sharpness, r", "languages"),
    body,
    "Pearson's r with test accuracy over languages and its 95 % interval: Fisher's z; in the last row a bootstrap over "
    f"languages. The paper's intervals are not printed: they follow from r if it is over {TABLE.n} languages. Ours on "
    f"{numbers[each[0], 'accuracy', english]['n']:,} examples a language, sharpness on "
    f"{numbers[each[0], 'sharpness_difference', english]['n']:,}",
)

# %% tags=["hide-input"]
compared = {m: TABLE.cell("mBERT", column) for m, column in COLUMNS.items()}
least = {n: math.tanh(1.959964 / math.sqrt(n - 3)) for n in (len(targets), TABLE.n)}
open_cells = [
    f"{row}, {column} ({signed(TABLE.cell(row, column).value)})"
    for row in TABLE.rows
    for column in TABLE.columns
    if 0 in TABLE.cell(row, column).interval
]
undecided = (
    f"At {TABLE.n} {len(open_cells)} of the {len(TABLE.rows) * len(TABLE.columns)} printed coefficients could be those of "
    f"no relation at all: {'; '.join(open_cells)}."
    if open_cells
    else f"At {TABLE.n} all printed coefficients are settled in sign."
)
glue("pawsx-least", f"{least[len(targets)]:.2f}", display=False)
glue("pawsx-least-7", f"{least[TABLE.n]:.2f}", display=False)
apart = [100 * np.std(values("accuracy", seed, targets), ddof=1) for seed in each]
alone = [100 * np.mean([numbers[seed, "accuracy", code]["stderr"] for code in targets]) for seed in each]
chapters.box(
    "warning",
    f"{len(targets)} points",
    f"With {len(targets)} languages the 95 % interval of a correlation excludes 0 only where |r| > "
    f"{least[len(targets)]:.2f}, with {TABLE.n} where |r| > {least[TABLE.n]:.2f}. The languages are related, so these "
    "limits are, if anything, too low.",
    undecided,
    "More seeds do not help: they make the mean of each language more precise, and leave the number of languages as it "
    "is.",
    f"And there must be something to predict. Over the target languages our accuracies have a standard deviation of "
    f"{min(apart):.1f} to {max(apart):.1f} points (by seed), and the standard error of each is {np.mean(alone):.1f} points. "
    "The languages are translations of the same examples, so part of that error is common to all and cancels; the rest "
    "is noise in the correlation.",
)

# %% tags=["hide-input"]
NAMED = {"dev_margin": "Margin", "sharpness_difference": "Sharpness"}
chapters.box(
    "note",
    "Table 2, mBERT",
    *(f"{NAMED[m]}. {one.beside(ours[m])}" for m, one in compared.items()),
    f"Ours is {encoder}, on {name}. Its mean margin is within {abs(off[farthest]):.3f} of 2 acc − 1 in every language, so "
    "that much of the margin's r follows from the definition.",
)

# %% [markdown]
# ### Which margin, which seeds?
#
# Three choices stand behind one printed number. None is settled by the paper, so here is how much each matters.

# %% tags=["hide-input"]
VARIANTS = {
    "margin on the development split": lambda seed: values("dev_margin", seed, targets),
    "margin on the test split, which accuracy is of": lambda seed: values("margin", seed, targets),
    "dev margin of the correct examples alone": lambda seed: correct_only(seed, targets),
    "dev margin of the logits": lambda seed: values("dev_margin_logit", seed, targets),
}
accuracy_of = {seed: values("accuracy", seed, targets) for seed in each}
variants = {
    what: [correlate(x(seed), accuracy_of[seed]) for seed in each]
    + [correlate(np.mean([x(s) for s in each], 0), np.mean(list(accuracy_of.values()), 0))]
    for what, x in VARIANTS.items()
}
chapters.table(
    ("", *(f"seed {seed}" for seed in each), "means over seeds"),
    [(what, *map(shown, row)) for what, row in variants.items()],
    f"r with test accuracy over {len(targets)} languages, 95 % Fisher-z intervals",
)


# %% tags=["hide-input"]
def r_of(correlation) -> str:
    return signed(correlation.pearson.value)


dev, test, correct = (list(variants)[i] for i in (0, 1, 2))
spread = {m: sorted(by_seed[m, s].pearson.value for s in each) for m in COLUMNS}
matters = {
    "margin-split": f"On {name} r of the margin with accuracy is {r_of(variants[dev][-1])} on the development split and "
    f"{r_of(variants[test][-1])} on the test split (means over {len(each)} seeds).",
    "seeds-of-tables": f"On {name} r of sharpness with accuracy is {signed(spread['sharpness_difference'][0])} to "
    f"{signed(spread['sharpness_difference'][-1])} for single seeds, and "
    f"{r_of(ours['sharpness_difference'])} for means over {len(each)}.",
}
disputed = {one.id: one for one in published.contradictions() if one.id in (*matters, "xlm", "pawsx-in-figure-1")}
chapters.box(
    "warning",
    "Where the paper does not fit itself",
    *(
        f"{one.places[0].upper()}{one.places[1:]}: {one.sentence} Here: {one.choice} {matters.get(key, '')}"
        for key, one in disputed.items()
    ),
    "So two of the three rows of Table 2 may be of encoders that have seen no German, Spanish, French, Japanese, Korean or "
    "Chinese: if so they score near chance there, and what varies over their languages is something else.",
)

# %% tags=["hide-input"]
folder = chapters.ledger_folder(options.store)
ledger.clear("pawsx", folder=folder)
claims = {claim.id: claim for claim in ledger.claims(chapter="pawsx")}
for key, sentence in matters.items():
    ledger.choice("pawsx", key, sentence, folder=folder)
said = {}
for measure, column in COLUMNS.items():
    claim_id = f"bassi-t2-{column.lower()}-mbert"
    made = ledger.record(
        "pawsx", claim_id, **ledger.of(ours[measure]), seeds=each, scale=scale,
        run_keys=[run.key for run in runs.values()], folder=folder, live=found.live.issuperset(found.runs),
    )  # fmt: skip
    said[claim_id] = ledger.verdict(claims[claim_id], made)
correct_r = variants[correct][-1]
glue("pawsx-margin", f"{signed(ours['dev_margin'].pearson.value)}", display=False)
glue("pawsx-correct", shown(correct_r), display=False)
glue("pawsx-verdict-margin", compared["dev_margin"].verdict(ours["dev_margin"]).outcome, display=False)
told = compared["sharpness_difference"].beside(ours["sharpness_difference"])
glue("pawsx-verdict-sharpness", told.removesuffix("."), display=False)
chapters.box(
    "note",
    "In the ledger",
    *(f"{claims[key].item}. {claims[key].sentence} Here: {one.outcome}: {one.because}." for key, one in said.items()),
    "The other two models of Table 2 need pretrained weights that are not shipped.",
)

# %% [markdown]
# Taken over the *correctly classified* examples alone, where it no longer counts errors, the margin's r is
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
for code in facts.languages:
    margin = mean("margin", [code])[0]
    accuracy = mean("accuracy", [code])[0]
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
# By Fisher's $z$: $\operatorname{artanh} |r| > 1.96 / \sqrt{n - 3}$. There are that many languages in XTREME, but not
# that many independent ones.
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
chosen = second
weights = {
    "kl": kl or STAGE_WEIGHTS["kl"],
    "fpen": fpen or STAGE_WEIGHTS["fpen"],
}
staged = protocols.stages(
    preset,
    task=name,
    weights=weights,
    languages=chosen,
    options=options,
    **common,
)
# the first stage comes first, and then a second stage from it
stages = records.obtain(
    staged, options, workers=workers, live=2 * live
)  # fmt: skip
firsts = list(dict.fromkeys(which for which, _ in stages.runs))

# %% tags=["hide-input"]
chapters.records_box(stages)


# %%
def accuracy(which, stage: str, language: str, split: str) -> float:
    """Of a stage ("" is the first) in a language [%]."""
    part = {"held": 0, "test": 1}[split]
    measured = stages.measured[which, stage][part]
    return 100 * measured["accuracy"][language].value


def before(language: str, split: str = "held") -> np.ndarray:
    """Accuracy after English, for every first stage [%]."""
    return np.array([accuracy(w, "", language, split) for w in firsts])


def after(language: str, split: str = "held") -> np.ndarray:
    """Accuracy after the second stage in this language [%]."""
    return np.array(
        [accuracy(w, language, language, split) for w in firsts]
    )  # fmt: skip


def gain(language: str, split: str = "held") -> np.ndarray:
    """Increase by the second stage [points]."""
    return after(language, split) - before(language, split)


trace = np.array([
    stages.measured[which, ""][2]["fisher_trace"][english].value
    for which in firsts
])  # fmt: skip
curvature = np.log10(trace)

commonest = chapters.commonest(facts, english, "dev", 0, options.data_dir)
reached = np.array(
    [stages.runs[w, ""].summary["dev_accuracy"] for w in firsts]
)  # fmt: skip
n_dev = stages.runs[firsts[0], ""].manifest["dev_pairs"]
noise = math.sqrt(commonest * (1 - commonest) / n_dev)
learnt = reached > commonest + 1.96 * noise

# %% mystnb={"figure": {"name": "fig-pawsx-stages", "caption": "Increase of a language's accuracy by the second stage, against Tr F after English (development split, labels drawn from the model; logarithmic axis). One point a first stage: circle, no penalty; diamond, consistency loss; triangle, Fisher penalty; the number is the penalty's weight. Hollow: not above chance in English after the first stage. Bars: 95 % of a difference of two binomial shares, too wide because both models saw the same rows. Above: Pearson's r with log Tr F and its Fisher-z interval over the first stages that count."}, "image": {"alt": "One panel a language: the increase of accuracy by the second stage against the trace of the Fisher information after the first, on a logarithmic axis, one labelled point a first-stage model with an error bar."}} tags=["hide-input"]
PENALTIES = {"none": "no penalty", "kl": "consistency loss (kl)", "fpen": "Fisher penalty (fpen)"}
BESIDE = {"none": ((6, 0), "left"), "kl": ((6, 6), "left"), "fpen": ((-6, 6), "right")}
KINDS = {"none": figures.look("baseline"), "kl": figures.look("mvr"), "fpen": figures.look("fisher")}


def label(which) -> str:
    kind, weight = which
    return kind if kind == "none" else f"{kind}={weight:g}"


# what is not above chance has not learnt English, and is no first stage; with too few others all count
kept = learnt if learnt.sum() >= 5 else np.ones_like(learnt)
over_models = {code: correlate(curvature[kept], gain(code)[kept]) for code in chosen}
fig, axes = plt.subplots(1, len(chosen), figsize=(3.3 * len(chosen), 3.8), sharey=True, squeeze=False)
for ax, code in zip(axes[0], chosen, strict=True):
    n = stages.measured[firsts[0], ""][0]["accuracy"][code].n
    shares = np.stack([before(code), after(code)]) / 100
    half = 1.96 * 100 * np.sqrt((shares * (1 - shares)).sum(0) / n)
    for number, which in enumerate(firsts):
        style = KINDS[which[0]]
        ax.errorbar(
            trace[number], gain(code)[number], yerr=half[number], fmt=style.marker, color=style.colour, elinewidth=0.8,
            **({} if learnt[number] else {"mfc": "white"}),
        )  # fmt: skip
        shift, side = BESIDE[which[0]]
        ax.annotate(
            f"{which[1]:g}" if which[1] else "", (trace[number], gain(code)[number]), xytext=shift, ha=side, fontsize=7.5,
            textcoords="offset points", va="center",
        )  # fmt: skip
    ax.axhline(0, color=figures.FAINT, lw=0.8)
    ax.set_xscale("log")
    ax.margins(x=0.15)
    ax.xaxis.set_minor_locator(ticker.LogLocator(subs=(2, 3, 5)))
    ax.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    ax.xaxis.set_minor_formatter(ticker.FormatStrFormatter("%g"))
    ax.set_title(f"{code}: {over_models[code]}".replace(", n", "\nn"), fontsize=8.5)
    ax.set_xlabel("Tr F after English [nats²]")
axes[0, 0].set_ylabel("increase of accuracy,\nheld half of dev [points]")
handles = [
    plt.Line2D([], [], ls="none", marker=style.marker, color=style.colour, label=PENALTIES[kind])
    for kind, style in KINDS.items()
]
fig.legend(handles=handles, loc="outside lower center", ncols=len(handles))
plt.show()


# %% tags=["hide-input"]
def at_fixed_start(code: str, some, split: str = "held"):
    """Partial correlation of log Tr F and the increase at the same accuracy after English; None if undefined."""
    try:
        return partial_correlation(curvature[some], gain(code, split)[some], before(code, split)[some])
    except AnalysisError:
        return None


def together(some, what=gain):
    """One slope for all languages, each with its own mean."""
    table = np.stack([what(code)[some] for code in chosen])
    return clustered(np.tile(curvature[some], (len(chosen), 1)), table, how="centred")


everyone = np.ones_like(kept)
partial = {code: at_fixed_start(code, kept) for code in chosen}
starts = {code: correlate(before(code)[kept], gain(code)[kept]) for code in chosen}
pooled, pooled_after = together(kept), together(kept, after)
facts_of = stages.runs[firsts[0], chosen[0]].manifest
glue("pawsx-second-pairs", f"{facts_of['train_pairs']:,}", display=False)
glue("pawsx-held-pairs", f"{facts_of['dev_pairs']:,}", display=False)
glue("pawsx-models", f"{kept.sum()}", display=False)
chapters.table(
    ("first stage", "Tr F [nats²]", f"{english} dev accuracy", *(f"{code}: before → after" for code in chosen)),
    [
        (
            label(which),
            f"{trace[i]:.3g}",
            f"{100 * stages.runs[which, ''].summary['dev_accuracy']:.1f}",
            *(f"{before(code)[i]:.1f} → {after(code)[i]:.1f} ({signed(gain(code)[i], 1)})" for code in chosen),
        )
        for i, which in enumerate(firsts)
    ],
    f"Accuracy [%] on the held half ({facts_of['dev_pairs']:,} rows a language), and the increase [points]",
)

# %% [markdown]
# Every point is one model with one seed. The second stage saw {glue:text}`pawsx-second-pairs` rows, with the first's
# settings and without its penalty; the checkpoint is the one that is best on {glue:text}`pawsx-held-pairs` held rows,
# the very rows on which the figure measures. That flatters every increase a little; the test split, which chose nothing,
# is in the next table.

# %% tags=["hide-input"]
body = []
for some in [kept] if kept.all() else [kept, everyone]:
    which = "" if len(body) == 0 else ", all models"
    for code in chosen:
        x, y, z = curvature[some], gain(code)[some], before(code)[some]
        held, at_start = correlate(x, y), at_fixed_start(code, some)
        body.append(
            (
                f"{code}{which}",
                shown(held),
                signed(held.spearman.value, 2),
                shown(correlate(x, gain(code, "test")[some])),
                shown(correlate(z, y)),
                str(at_start) if at_start else "undefined",
            )
        )
    body.append((f"together{which}", str(together(some).interval), "", "", "", ""))
chapters.table(
    ("", "log Tr F, increase: r", "rank ρ", "the same, test split", "start, increase: r", "log Tr F, increase, at fixed start"),
    body,
    f"Over the {kept.sum()} first stages {'above chance in English' if learnt.sum() >= 5 else 'there are'}, 95 % intervals: "
    "Fisher's z; together: one slope for all languages, each with its own mean, bootstrap over first stages, which the "
    "languages share",
)  # fmt: skip

# %% tags=["hide-input"]
unlearnt = [label(which) for which, ok in zip(firsts, learnt, strict=True) if not ok]
without = "All first stages are above chance in English"
if unlearnt:
    without = (
        f"Of the first stages {', '.join(unlearnt)} {'is' if len(unlearnt) == 1 else 'are'} not above chance in English "
        f"(accuracy {commonest:.1%} plus 1.96 standard errors): the penalty has kept the model from learning anything. Such a "
        "model has nothing to be flat around, starts lowest of all, and gains most from any data"
    )
    if kept.all():
        without += "; it counts here, because fewer than five others are left"
    else:
        without += (
            f". It is left out of r. With it r, all languages together, would be {together(everyone).interval} "
            f"instead of {pooled.interval}. The rule was made after a model at chance had been seen"
        )
chapters.box("warning" if unlearnt else "note", "Who has learnt English?", f"{without}.")

# %% tags=["hide-input"]
for code in chosen:
    claim_id = f"stickland-f2-{code}"
    if claim_id not in claims:
        continue
    keys = [(which, stage) for which, ok in zip(firsts, kept, strict=True) if ok for stage in ("", code)]
    made = ledger.record(
        "pawsx", claim_id, **ledger.of(over_models[code]), seeds=[stages.runs[firsts[0], ""].config.seed], scale=scale,
        run_keys=[stages.runs[key].key for key in keys], folder=folder, live=stages.live.issuperset(keys),
    )  # fmt: skip
    said[claim_id] = ledger.verdict(claims[claim_id], made)
figure_2 = {key: one for key, one in said.items() if claims[key].item == "Figure 2"}
chapters.box(
    "note",
    "Figure 2, and ours",
    *(f"{claims[key].sentence} Here: r = {shown(over_models[key[-2:]])}; {one.outcome}: {one.because}." for key, one in figure_2.items()),
    f"All languages together: r = {pooled.interval}, and the interval "
    f"{'includes' if 0 in pooled.interval else 'excludes'} 0. The paper shows points and prints no coefficient, and does not "
    "say how many models there are.",
)  # fmt: skip

# %% [markdown]
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
MARKS = [figures.Look(colour, mark) for colour, mark in zip(COLOURS, "s^DPo", strict=True)]
fig, ax = plt.subplots(figsize=(6.8, 4.2))
for number, code in enumerate(chosen):
    style = MARKS[number % len(MARKS)]
    ax.plot(before(code)[kept], gain(code)[kept], style.marker, color=style.colour, label=f"{code}: {starts[code]}")
    ax.plot(before(code)[~kept], gain(code)[~kept], style.marker, color=style.colour, mfc="white")
level = np.mean([after(code)[kept] for code in chosen])
ends = np.array(ax.get_xlim())
ax.plot(ends, level - ends, ls="--", lw=1, color=figures.FAINT, label=f"all end at {level:.1f} %")
ax.axhline(0, color=figures.FAINT, lw=0.8)
ax.set(xlim=ends, xlabel="accuracy after English [%]", ylabel="increase by the second stage [points]")
ax.legend(loc="lower left", bbox_to_anchor=(0, 1))
plt.show()


# %% tags=["hide-input"]
lowest = [code for code in chosen if partial[code] is not None and 0 not in partial[code]]
ceiling = [code for code in chosen if starts[code].status == "ok" and starts[code].pearson.high < 0]
first_line = (
    f"That a lower start goes with a larger increase is settled in {len(ceiling)} of {len(chosen)} languages"
    + (f" ({', '.join(ceiling)})" if ceiling else "")
    + ": "
    + "; ".join(f"{code} {shown(starts[code])}" for code in chosen)
    + "."
)
second_line = (
    "At a fixed start, Tr F says something more about the increase in "
    + (f"{', '.join(lowest)}" if lowest else "no language")
    + " (interval excludes 0): "
    + "; ".join(f"{code} {partial[code] if partial[code] else 'undefined'}" for code in chosen)
    + "."
)
more = [code for code in lowest if partial[code].value < 0]
if lowest:
    signs = "as the paper claims" if len(more) == len(lowest) else "not everywhere as the paper claims"
    second_line += f" The sign is {signs}."
spans = max(np.ptp(before(code)[kept]) for code in chosen)
third_line = (
    f"The starts differ by up to {spans:.1f} points between these first stages; with {kept.sum()} models a partial correlation "
    f"has to exceed {math.tanh(1.959964 / math.sqrt(max(int(kept.sum()) - 4, 1))):.2f} to be settled."
)
final = np.concatenate([after(code)[kept] for code in chosen])
third_line += (
    f" After the second stage the accuracies lie between {final.min():.1f} and {final.max():.1f} %: a ceiling common to "
    "all would make them equal."
)
fourth_line = (
    f"Where the models end up (accuracy after the second stage, held half), over all languages: r with log Tr F = "
    f"{pooled_after.interval}, which {'includes' if 0 in pooled_after.interval else 'excludes'} 0."
)
glue("pawsx-ceiling", first_line.removesuffix("."), display=False)
glue("pawsx-fixed", second_line.removesuffix("."), display=False)
glue("pawsx-stage-verdicts", "; ".join(f"{key[-2:]}: {one.outcome}" for key, one in figure_2.items()), display=False)
glue("pawsx-pooled", f"{pooled.interval}", display=False)
chapters.box("important", "The ceiling", first_line, second_line, third_line, fourth_line)

# %% [markdown]
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
for code in chosen:
    for what, values_of in (("increase", gain), ("after", after)):
        x, y, z = curvature, values_of(code), before(code)
        try:
            r = partial_correlation(x[kept], y[kept], z[kept]).value
            print(f"{code}, {what:8}: {r:+.6f}")
        except AnalysisError as error:
            print(f"{code}, {what:8}: {error}")

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
held = facts_of["dev_pairs"]
shape = 2000, len(firsts)  # that many figures, of so many models
start = rng.binomial(held, 0.7, shape) / held
rise = rng.binomial(held, 0.8, shape) / held - start
each_r = [
    np.corrcoef(z, y)[0, 1] for z, y in zip(start, rise, strict=True)
]  # fmt: skip
low, high = np.quantile(each_r, [0.025, 0.975])
print(f"mean r {np.mean(each_r):.2f}, 95 % in {low:.2f} to {high:.2f}")

# %% [markdown]
# With equal variances $\operatorname{corr}(b, a - b) = -\sigma_b^2 / (\sigma_b \sqrt{\sigma_a^2 + \sigma_b^2})
# = -1/\sqrt2 \approx -0.71$: a strong negative correlation out of nothing. Both accuracies are of the same rows here, so
# that part of the noise is shared and cancels; but whenever the spread of the starts is not much larger than their
# noise, a correlation with the increase must be read with this in mind.
#
# ````{solution-end}
# ````
#
# ```{admonition} What we learnt
# :class: important
# - Table 2, margin: r = {glue:text}`pawsx-margin`, and the paper's number {glue:text}`pawsx-verdict-margin`. With two
#   classes the margin is close to a linear function of accuracy by its definition ({eq}`eq-pawsx-margin`).
# - Table 2, sharpness: {glue:text}`pawsx-verdict-sharpness`. With {glue:text}`pawsx-targets` languages only |r| above
#   {glue:text}`pawsx-least` can be settled.
# - Figure 2: {glue:text}`pawsx-stage-verdicts`; together r = {glue:text}`pawsx-pooled`, over
#   {glue:text}`pawsx-models` first stages.
# - {glue:text}`pawsx-ceiling`. {glue:text}`pawsx-fixed`.
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
#     papermill notebooks/pawsx.ipynb out.ipynb -p live 100
#
# Real data, with any encoder ({doc}`/running`):
#
#     papermill notebooks/pawsx.ipynb out.ipynb -p preset small -p data_dir archives -p model mini -p train_size 2000
# ```

# %% tags=["hide-input"]
provenance(
    [run.key for run in (*found.runs.values(), *stages.runs.values())],
    {"preset": preset, "task": name, "model": run.config.model, "seeds": each, "size": size, "live": live}
    | {kind: list(some) for kind, some in weights.items()}
    | {"second": chosen}
    | {k: v for k, v in common.items() if k != "model"},
)
