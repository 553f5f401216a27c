# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Do the details matter?
#
# A paper prints an equation. Its code also decides whether a target is held constant, whether two passes share their
# dropout masks, whose labels are drawn, and at which temperature. Two groups that "use SAM" may differ in all of these.
# Each such choice is an option of this library. This page changes one at a time and shows what it moves.
#
# ```{admonition} What you will learn
# :class: tip
# - Which choices the papers leave to their code, and what the options for them are called here.
# - How much each changes the accuracy in languages that were not trained on, seed by seed.
# - Which options of a measure change its order of the languages, which only its unit, and what hangs on the learning rate.
# ```

# %% tags=["parameters", "hide-input"]
preset: str = "mini"  # sizes: mini (offline miniature), real, small (20,000 real English pairs) or paper
task: str = ""  # mini-xnli or xnli; empty: XNLI or its miniature
model: str = ""  # mini, a hub id or a folder; empty: the preset's own
seeds: list = [0, 1, 2]  # random seeds, each option is trained with each
data_dir: str = ""  # folder with the official archives; empty: the hub
train_size: int = None  # English training pairs [count], 0 for all; None: the protocol's own
epochs: int = None  # passes over the training pairs [count]; None: the preset's own
size: int = 500  # test examples of each language [count]; 0: all
live: "int or all" = 1  # models trained here even where a record is committed [count], or all
store: str = ""  # folder of trained models and measures; empty: runs/ of the checkout
workers: int = 1  # models trained or measured side by side [processes]; the book runs chapters side by side

# %% tags=["hide-cell", "reads:records"]
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import spearmanr, ttest_1samp

from paper import chapters, figures, protocols, records
from paper.notebook import provenance
from paper.protocols import AS_IT_IS, DETAILS, MEASURED
from xlgen.analysis import Interval, clustered, holm, paired_change

figures.use_style()
say = chapters.Say("details")
seeds = chapters.words(seeds, int)
options = chapters.options_for(store, data_dir)
changed = chapters.given(model=model, train_size=train_size, epochs=epochs)
protocol = protocols.details(preset, task=task, seeds=seeds, size=size, **changed)
found = records.obtain(protocol, options, workers=workers, live=chapters.how_many(live))
facts = chapters.facts(found)
say(**{name: facts[name] for name in ("encoder", "models", "seeds", "pairs")})

# %% tags=["remove-input"]
chapters.records_box(found)

# %% [markdown]
# ## Make a prediction
#
# The options below are those that no other chapter changes. Before you look: name one that you expect to move the mean
# accuracy of the target languages by more than a point, and one that you would not bother to report in a paper.
#
# ## One change at a time
#
# All are of {glue:text}`details-encoder`, trained on {glue:text}`details-pairs` English pairs: {glue:text}`details-models`
# models. Every option has the same seeds, examples and order as its default, so that the difference is taken seed by
# seed, as a mean over the target languages:

# %%
frame = found.frame
scores = frame[(frame.measure == "accuracy") & (frame.language != facts["english"])]
by_seed = 100 * scores.pivot_table("value", ["group", "option", "seed"], "language")
english = 100 * frame[(frame.measure == "accuracy") & (frame.language == facts["english"])].pivot_table(
    "value", ["group", "option", "seed"], "language"
)
pairs = [(group, option) for group, some in DETAILS.items() for option in some]
change = {pair: paired_change(by_seed.loc[pair], by_seed.loc[pair[0], AS_IT_IS]) for pair in pairs}
change_en = {pair: paired_change(english.loc[pair], english.loc[pair[0], AS_IT_IS]) for pair in pairs}

# %% [markdown]
# Some of so many differences will look settled by chance. Holm's correction asks for more of each:

# %%
differences = {pair: (by_seed.loc[pair] - by_seed.loc[pair[0], AS_IT_IS]).mean(axis=1) for pair in pairs}
p = [ttest_1samp(each, 0).pvalue if len(each) > 1 else np.nan for each in differences.values()]
corrected = dict(zip(pairs, holm(p), strict=True))

# %% tags=["remove-input"]
body = [
    (
        f"{group}: {option} ({', '.join(f'{name}={value}' for name, value in DETAILS[group][option].items())})",
        f"{by_seed.loc[group, AS_IT_IS].to_numpy().mean():.1f}",
        f"{change[group, option]:+.1f}",
        f"{change_en[group, option]:+.1f}",
        "" if np.isnan(corrected[group, option]) else f"{corrected[group, option]:.2f}",
    )
    for group, option in pairs
]
head = ("", "default [%]", "change, targets [points]", "change, English [points]", "p (Holm)")
caption = f"Change of the accuracy by each option; 95 % Student-t intervals over {facts['seeds']}"
largest = max(pairs, key=lambda pair: abs(change[pair].value))
settled = [f"{group}: {option}" for group, option in pairs if corrected[group, option] <= 0.05]
say(largest=": ".join(largest), largest_change=f"{change[largest]:+.1f}", settled="; ".join(settled) or "none")
middle = np.median([abs(one.value) for one in change.values()])
say(options=f"{len(pairs)}", median=f"{middle:.1f}", seed_spread=f"{by_seed.mean(axis=1).loc['vanilla'].std():.1f}")
chapters.table(head, body, caption, dense=True)

# %% mystnb={"figure": {"name": "fig-details-change", "caption": "Change of the mean accuracy of the target languages by each option, in points, with 95 % Student-t intervals over seeds (none with one seed). Small dots: the seeds."}, "image": {"alt": "One row an option with a mark, its interval and a dot a seed, around a vertical line at zero."}} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(7.2, 0.36 * len(pairs) + 1))
for height, pair in enumerate(pairs):
    one, look = change[pair], figures.look("sam")
    if np.isfinite(one.low):
        ax.plot([one.low, one.high], [height] * 2, color=look.colour, lw=1.2)
    ax.plot(differences[pair], [height] * len(differences[pair]), ".", color=figures.FAINT, ms=4, zorder=3)
    ax.plot(one.value, height, "o", color=look.colour)
ax.axvline(0, color=figures.FAINT, lw=0.8)
ax.set_yticks(range(len(pairs)), [f"{group}: {option}" for group, option in pairs])
ax.set(ylim=(len(pairs) - 0.5, -0.5), xlabel="change of the mean target accuracy [points]")
plt.show()

# %% [markdown]
# **What it shows.** The median change of the {glue:text}`details-options` options is {glue:text}`details-median` points;
# plain fine-tuning, repeated with other seeds, varies by {glue:text}`details-seed-spread` (standard deviation). Largest
# is *{glue:text}`details-largest`* ({glue:text}`details-largest-change`). Settled after Holm's correction:
# {glue:text}`details-settled`. With {glue:text}`details-seeds` an interval is wide, so that an option that is not
# settled is not shown to be harmless: the interval says how harmful it can still be.
#
# ## Options of the measures
#
# An option of a measure can change its unit, which no correlation sees, or the order of the languages, which is the
# answer. Of each model of plain fine-tuning: the correlation over the target languages between the measure as it is and
# with the option, and the ratio of the two.

# %%
vanilla = {seed: found.measured["vanilla", AS_IT_IS, seed][1:] for seed in seeds}
named = [(measure, option) for measure, some in MEASURED.items() for option in some]


def values(seed: int, measure: str, option: str) -> np.ndarray:
    """A number for each target language."""
    part = vanilla[seed][named.index((measure, option))][measure]
    return np.array([value.value for language, value in part.items() if language != facts["english"]])


# %% tags=["remove-input"]
body, order = [], {}
for measure, option in (pair for pair in named if pair[1] != AS_IT_IS):
    both = [(values(seed, measure, AS_IT_IS), values(seed, measure, option)) for seed in seeds]
    r = [spearmanr(*pair).statistic for pair in both]
    ratio = [np.median(new / old) for old, new in both]
    order[measure, option] = min(r)
    own = MEASURED[measure][option].items() - MEASURED[measure][AS_IT_IS].items()
    settings = ", ".join(f"{name}={value}" for name, value in sorted(own))
    body.append((f"{measure}: {option} ({settings})", " ".join(f"{x:.2f}" for x in r), f"{np.median(ratio):.2g}"))
steady = [f"{measure}: {option}" for (measure, option), least in order.items() if least >= 0.9]
moved = [f"{measure}: {option}" for (measure, option), least in order.items() if least < 0.9]
say(steady="; ".join(steady) or "none", moved="; ".join(moved) or "none")
head = ("", "rank correlation, by seed", "ratio (median)")
chapters.table(head, body, "Each measure with an option beside itself without, over the target languages", dense=True)

# %% [markdown]
# The order of the languages stays (at least .9 with every seed): {glue:text}`details-steady`. It does not:
# {glue:text}`details-moved`. A paper that prints such a measure has to say which it used.
#
# ## The learning rate
#
# One choice is in no equation either. Of three learning rates the miniature's own need not be the best on English
# ({doc}`truth` has all three). Are its findings those of training that is too slow? The four objectives of
# {cite:t}`bassi2024generalization` again, at {glue:text}`details-rate` in place of {glue:text}`details-own-rate`, with
# the same examples and seeds:

# %% tags=["hide-cell", "reads:records"]
two_rates = protocols.faster(preset, task=task, seeds=seeds, size=size, **changed)
again = records.obtain(two_rates, options, workers=workers, live=max(chapters.how_many(live) - 1, 0))  # one is above
numbers = again.frame.set_index(["measure", "lr", "objective", "seed", "language"]).value.sort_index()
own, faster = sorted({lr for lr, _, _ in again.runs})
objectives = list(dict.fromkeys(objective for _, objective, _ in again.runs))
related = ("margin", "confidence", "sharpness_difference", "fisher_trace")
tables = {
    (name, lr): numbers[name, lr].unstack("language").drop(columns=facts["english"])
    for name in ("accuracy", *related)
    for lr in (own, faster)
}
level = {lr: 100 * numbers["accuracy", lr, "baseline"].unstack("language") for lr in (own, faster)}
say(rate=f"{faster:g}", own_rate=f"{own:g}")

# %%
gain, relation = {}, {}
for lr in (own, faster):
    accuracy = 100 * tables["accuracy", lr]
    for name in objectives[1:]:
        gain[name, lr] = paired_change(accuracy.loc[name], accuracy.loc["baseline"])
    for name in related:
        relation[name, lr] = clustered(tables[name, lr], tables["accuracy", lr]).interval


def compared(one: Interval, other: Interval) -> str:
    """Whether two estimates have one sign, as far as their intervals settle it."""
    signs = {np.sign(i.value) if i.low > 0 or i.high < 0 else 0 for i in (one, other)}
    if 0 in signs:
        return "open" if len(signs) == 1 else "at one rate"
    return "same" if len(signs) == 1 else "opposite"


# %% tags=["remove-input"]
body = [
    ("English [%]", *(f"{level[lr][facts['english']].mean():.1f}" for lr in (own, faster)), ""),
    ("targets [%]", *(f"{level[lr].drop(columns=facts['english']).to_numpy().mean():.1f}" for lr in (own, faster)), ""),
]
both = [(f"{name}: gain, targets [points]", "+.1f", gain, name) for name in objectives[1:]]
both += [(f"r of {name} and accuracy", ".2f", relation, name) for name in related]
for words, spec, found_at, name in both:
    one, other = found_at[name, own], found_at[name, faster]
    body.append((words, format(one, spec), format(other, spec), compared(one, other)))
signs = [row[-1] for row in body if row[-1]]
say(same=f"{signs.count('same')}", opposite=f"{signs.count('opposite')}", one_only=f"{signs.count('at one rate')}")
parts = {"english_moves": [facts["english"]], "targets_move": list(tables["accuracy", own])}
moved = {part: paired_change(level[faster][codes], level[own][codes]) for part, codes in parts.items()}
say(compared=f"{len(signs)}", **{part: f"{change:+.1f}" for part, change in moved.items()})
head = ("", f"rate {own:g}", f"rate {faster:g}", "sign")
caption = (
    f"Two learning rates, {facts['seeds']} each: gains over plain fine-tuning with 95 % Student-t intervals over seeds, "
    "correlations over the target languages (mean over models) with 95 % bootstrap intervals"
)
chapters.table(head, body, caption, dense=True)

# %% [markdown]
# **What it shows.** Plain fine-tuning at the higher rate changes English by {glue:text}`details-english-moves` points and the
# target languages by {glue:text}`details-targets-move`: what is learnt on English need not arrive elsewhere. Of
# {glue:text}`details-compared` findings, {glue:text}`details-same` have the same settled sign at both rates,
# {glue:text}`details-opposite` the opposite one, and {glue:text}`details-one-only` are settled at one rate alone.
#
# ## The same on real text
#
# Each option takes a training of its own: of a real encoder {glue:text}`details-real-options` of them are recorded. What
# is recorded are two choices that are in no equation either, the learning rate and the number of epochs. The first is
# judged on the English development examples that it was chosen on, and no other language had a part in it.

# %% tags=["remove-input", "reads:records"]
real = records.committed(protocols.details("real", seeds=chapters.SEEDS))
rates = records.committed(protocols.rates("real"))
lengths = records.committed(protocols.checks("real", tasks=(), seeds=(0,)))  # of each length
optional = {(group, option) for group, option, _ in real.runs} & {*pairs}
say(real_options=f"{len(optional)} of {len(pairs)}")
body = [(f"{lr:g}", f"{100 * run.summary['dev_accuracy']:.1f}") for (lr,), run in sorted(rates.runs.items())]
head, caption = ("learning rate", "English dev [%]"), "Plain fine-tuning of a real encoder, by learning rate"
chapters.show(chapters.real_box(rates, lengths), chapters.table(head, body, caption, dense=True) if body else None)
caption = "Accuracy [%] of a real encoder by the number of epochs"
chapters.show(chapters.real_table(lengths, caption, lambda key: f"{key[1]:g} × the usual epochs"))

# %% [markdown]
# ```{admonition} Concept check: two papers disagree about "sharpness", so one of them is wrong. True?
# :class: dropdown
# *False.* The misconception is that a name fixes a number. Radius, projection, labels and criterion are part of a
# measure, and the table above says which of them change the order of the languages. Ask for the options first.
# ```
#
# ```{exercise} ★★ Held constant
# :label: details-ex-detach
#
# A consistency objective penalises $\mathrm{KL}(p_\theta \| p_{\theta+\epsilon})$. Compare its gradient, to second order
# in $\epsilon$, with the target held constant and without. What does the average over $\epsilon \sim N(0, \sigma^2 I)$
# leave of each? (With $s = \nabla \log p_\theta$ and $H = \nabla^2 \log p_\theta$: $\mathbb{E}_p\, s = 0$,
# $\mathbb{E}_p H = -F$.)
# ```
#
# ```{solution} details-ex-detach
# :class: dropdown
#
# Held constant: $-\mathbb{E}_p \nabla \log p_{\theta+\epsilon} = F \epsilon - \frac12 \mathbb{E}_p \nabla (\epsilon^\top H
# \epsilon) + \dots$ The part that moves with the target is $\mathbb{E}_p\, s\, (\log p_\theta - \log p_{\theta+\epsilon})
# = -F \epsilon - \frac12 \mathbb{E}_p\, s\, (\epsilon^\top H \epsilon) + \dots$ Their sum is the gradient of
# $\frac12 \epsilon^\top F(\theta)\, \epsilon$ ({eq}`eq-theory-quadratic`), on average $\frac12 \sigma^2 \nabla \mathrm{Tr} F$. Held constant, the
# term $F \epsilon$ stays: of first order, hence larger than the signal, and zero only on average. And of
# $\frac12 \sigma^2 \nabla \mathrm{Tr} F$ the part is missing that comes from the change of $p$ itself.
# ```
#
# ```{admonition} What we learnt
# :class: important
# - Of {glue:text}`details-options` options that the papers leave to their code, beyond the noise of
#   {glue:text}`details-seeds` changed the accuracy: {glue:text}`details-settled`.
# - Of the options of a measure, those that do not leave the order of the languages alone: {glue:text}`details-moved`.
# - At another learning rate {glue:text}`details-same` of {glue:text}`details-compared` findings keep their settled sign;
#   {glue:text}`details-opposite` turn round.
# ```
#
# ```{admonition} Your turn
# :class: tip
# A new option is one line in `paper/protocols/details.py`. More seeds, narrower intervals:
#
#     papermill notebooks/details.ipynb out.ipynb -p seeds 0,1,2,3,4
# ```

# %% tags=["remove-input"]
provenance(
    [run.key for run in found.runs.values()],
    {"preset": preset, "task": task, "seeds": seeds, "size": size, "live": live} | changed,
)
