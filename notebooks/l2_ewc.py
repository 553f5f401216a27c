# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Staying close to the pretrained weights
#
# Fine-tuning on English may overwrite what an encoder knows of other languages. {cite:t}`anonymous2021frustratingly`
# hold the weights back in two ways, by their distance from the pretrained weights (*L2*) and by the same distance
# weighted by the Fisher information of text in the target language (*EWC*, {cite:p}`kirkpatrick2017ewc`), and report
# that the simpler one helps and the other does not. This page trains both, puts the paper's Tables 1, 2, 9 and 15 and
# its Figure 1 beside ours, and then looks at what the penalties do: how far the weights move, and how much of each
# language the encoder forgets.
#
# ```{admonition} What you will learn
# :class: tip
# - Why L2 is EWC with a Fisher information of 1, and how to scale the latter so that both share one $\lambda$.
# - What is traded between English and the other languages as $\lambda$ grows, and whether EWC needs text in the
#   language that it is to protect.
# - How to measure forgetting itself, as a divergence in nats, and where EWC's quadratic approximation of it breaks.
# ```

# %% tags=["parameters", "hide-input"]
preset: str = "mini"  # mini (offline miniature), small (20,000 real English pairs) or paper
tasks: list = []  # the first is looked at closely; empty: XNLI and PAWS-X, or their miniatures
model: str = ""  # mini, a hub id or a folder; empty: the preset's own
seeds: list = [0, 1, 2]  # random seeds, every setup is trained with each
lams: list = [0.01, 0.1]  # strengths of the sweep, of L2 and of EWC; the first is that of the tables
language: str = "fr"  # of EWC's text in the sweep and where the weights are looked into
ewc_languages: list = []  # languages with an EWC model of their own, as in the paper; empty: all
live: "int or all" = 1  # models trained here even where a record is committed [count], or all
data_dir: str = ""  # folder with the official archives; empty: the hub
text_dir: str = ""  # folder with <language>.txt; empty: the miniature's own text, or Wikipedia
train_size: int = None  # English training pairs [count], 0 for all; None: the protocol's own
epochs: int = None  # passes over the training pairs [count]; None: the preset's own
store: str = ""  # folder of trained models and measures; empty: runs/ of the checkout
workers: int = 1  # models trained or measured side by side [processes]; the book runs chapters side by side

# %% tags=["hide-cell"]
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import display

from paper import chapters, figures, protocols, records
from paper.notebook import provenance
from paper.published import BY_LANGUAGE, contradictions, printed_table
from xlgen.analysis import paired_change, signed
from xlgen.data.catalogue import TASKS
from xlgen.fisher import of_text
from xlgen.fisher.forgetting import Forgetting, inner
from xlgen.measures.measuring import load_model

figures.use_style()
say = chapters.Say("l2_ewc")
tasks, ewc_languages, seeds = chapters.words(tasks), chapters.words(ewc_languages), chapters.words(seeds, int)
lams = chapters.words(lams, float)

# %% [markdown]
# ## What is minimised
#
# With $\ell_t$ the cross-entropy of the task and $\theta^*$ the pretrained weights, the paper's equations 1 and 2 are
#
# $$ L_{\text{L2}} = \ell_t + \frac{\lambda}{2} \sum_i (\theta_i - \theta^*_i)^2, \qquad
# L_{\text{EWC}} = \ell_t + \frac{\lambda}{2} \sum_i F_i\, (\theta_i - \theta^*_i)^2 . $$ (eq-l2_ewc-losses)
#
# The sums are over the weights of the pretrained encoder; the new classification head has no $\theta^*$ and is free.
# $F_i$ is the diagonal of the Fisher information of the pretraining loss on plain text in the *target* language:
#
# $$ F_i = \frac1N \sum_{n=1}^{N} \Big( \frac{\partial}{\partial \theta_i} \log p_{\theta^*}(\text{hidden sub-words of
# paragraph } n \mid \text{the rest}) \Big)^2 . $$ (eq-l2_ewc-fisher)
#
# ```{admonition} Two names for one penalty
# :class: note
# With $F_i = 1$ EWC *is* L2. And with the true $F$ in place of its diagonal, $\frac12 \Delta^\top F \Delta$ is the
# first term of a divergence: by {eq}`eq-theory-quadratic`, for $\Delta = \theta - \theta^*$,
#
# $$ \mathrm{KL}\big[ p_{\theta^*} \,\|\, p_\theta \big] = \tfrac12\, \Delta^\top F\, \Delta + O(\|\Delta\|^3)
# \;\approx\; \tfrac12 \sum_i F_i\, \Delta_i^2 . $$ (eq-l2_ewc-kl)
#
# So EWC asks: how different may the encoder's guesses at the hidden words of *French* become, per unit of English
# loss? L2 asks the same of a model in which all weights matter alike. Two things can go wrong with the answer: $\Delta$
# is not small, and $F$ is not diagonal. Both are measured below.
# ```
#
# A raw $F_i$ is tiny (its mean over the weights is in a table below), so that $\lambda$ of the two penalties would
# differ by orders of magnitude. Here $F$ is divided by its mean, $\frac1P \sum_i F_i = 1$: both penalties then pull
# equally hard in the mean over weights, and differ only in *which* weights are held. It is computed from 400
# paragraphs. Weight decay is off: it pulls towards 0, and the penalties towards $\theta^*$. The checkpoint is the one
# with the best English development accuracy. Setups are compared in pairs: the same seed (hence the same head and the
# same order of batches) and the same language.

# %% tags=["hide-input", "reads:records"]
options = chapters.options_for(store, data_dir, text_dir)
main, *others = every_task = tasks or [protocols.name_of(task, preset) for task in ("xnli", "pawsx")]
VANILLA, first = protocols.VANILLA, f"EWC {language}"
lam, strengths = lams[0], sorted({*lams})
variants = [f"{language}+en", f"mix {language}-en"]
settings = chapters.given(model=model, train_size=train_size, epochs=epochs)
ewc = dict(strength=lam, language=language, variants=variants, own=ewc_languages)
protocol = protocols.regularisers(preset, tasks=every_task, strengths=lams, seeds=seeds, **ewc, **settings)
penalties = ("L2", first, *(f"EWC {corpus}" for corpus in variants))
sweep = [(name, at) for at in strengths for name in penalties if (main, (name, at), seeds[0]) in protocol.configs]
looked_into = 1 + 2 * len(strengths)  # vanilla, L2 and EWC of the first task and seed, which come first
trained = records.obtain(protocol, options, workers=workers, live=max(chapters.how_many(live), looked_into))

# %% tags=["remove-input"]
display(chapters.records_box(trained))
config, facts = trained.runs[main, VANILLA, seeds[0]].config, chapters.facts(trained)
over, english = "seeds" if len(seeds) > 1 else "languages", TASKS[main].source_language
say(task=main, lam=f"{lam:g}", focus=language, over=over, **facts)
trained_of = {(task, setup) for task, setup, _ in trained.runs}
alone = {task: [c for c in TASKS[task].languages if (task, (f"EWC {c}", lam)) in trained_of] for task in every_task}
setups = ", ".join(f"{name} {at:g}" if at else name for name, at in [VANILLA, *sweep])
of_own = "; ".join(f"{task}: {', '.join(codes)}" for task, codes in alone.items())
chapters.run_table(trained, tasks=", ".join(every_task), setups=setups, EWC_own=of_own)


# %%
def accuracy(task: str, setup: tuple) -> pd.DataFrame:
    """Test accuracy [%], a row for each seed and a column for each language."""
    return chapters.score_frame(trained, [(task, setup, seed) for seed in seeds], "accuracy")


def own(task: str) -> pd.DataFrame:
    """EWC as in the paper: in each language another model, with the text of that language."""
    of = {c: (f"EWC {c}", lam) if c in alone[task] else (first, lam) for c in TASKS[task].languages}
    return pd.DataFrame({code: accuracy(task, setup)[code] for code, setup in of.items()})


names, studies = {"vanilla": "vanilla", "l2": "L2", "ewc": "EWC own", "one": first}, {}
for task in every_task:
    ours = {setup: accuracy(task, setup) for each, setup, seed in protocol.configs if (each, seed) == (task, seeds[0])}
    ours |= {"vanilla": ours[VANILLA], "l2": ours["L2", lam], "one": ours[first, lam], "ewc": own(task)}
    studies[task] = chapters.Comparison(task, ours, "anonymous2021frustratingly", names)
study = studies[main]

# %% [markdown]
# ## Tables 1, 2 and 9: who is better, and where?
#
# The paper's Table 1 has the mean zero-shot score of four tasks, its Tables 2 and 9 XNLI and PAWS-X by language (7 and
# 8: {doc}`tagging <tagging>`). Ours is from {glue:text}`l2_ewc-seeds`, the paper's from three of mBERT on all pairs.
#
# ```{admonition} What EWC means in the paper
# :class: note
# The paper's EWC row is not one model: "we fine-tune the model for each target language separately", so that each cell
# belongs to another fine-tuning, with the Fisher information of that cell's language. Here it is called *EWC own*;
# where a language has no model of its own, as English, the cell is that of EWC with the text of
# {glue:text}`l2_ewc-focus`. In the sweep below, and where we look into the weights, EWC is one model, with that text.
# ```

# %% tags=["remove-input"]
for kind in ("l2", "ewc"):
    say(**{f"change_{kind}": f"{study.change(kind):+.2f}"})
    say(**{f"wins_{kind}": f"{len(study.better(kind))} of {len(study.shared)}"})
caption = f"""Accuracy [%] (Table 1 of the paper for its two tasks with pairs of sentences); mean of the languages that both \
have, differences with 95 % Student-t intervals; λ = {lam:g}"""
chapters.means_table(studies.values(), caption)


# %% mystnb={"figure": {"name": "fig-l2_ewc-languages", "caption": "Change of test accuracy against vanilla fine-tuning by language, in percentage points. Filled: ours, with the 95 % Student-t interval over seeds (none with one seed). Hollow: the paper's Tables 2 and 9 (mBERT, three seeds, no interval printed)."}, "image": {"alt": "Two panels, one per task: for each language the change of accuracy by L2 and by EWC, ours as filled marks with intervals and the paper's as hollow marks, around a line at zero."}} tags=["hide-input"]
for task, ax in figures.panels(every_task, (9.6, 3.7), columns=1).items():
    studies[task].draw(ax, ["l2", "ewc"])
    ax.set(title="", ylabel=f"{task}:\nchange of accuracy [points]")
plt.show()

# %% [markdown]
# On {glue:text}`l2_ewc-task` L2 changes the mean by {glue:text}`l2_ewc-change-l2` points, better than vanilla in
# {glue:text}`l2_ewc-wins-l2` languages; EWC with each language's own text by {glue:text}`l2_ewc-change-ewc`, better in
# {glue:text}`l2_ewc-wins-ewc`. The verdict says whether our interval and the paper's number go together.
#
# ### Does the text have to be the language's own?
#
# Row $d$, column $c$ of the figure is the change in language $c$ by EWC with text in $d$. If EWC protects the language
# whose text it has read, the diagonal stands out. Before you look: by how many points?

# %% mystnb={"figure": {"name": "fig-l2_ewc-own", "caption": "Change of test accuracy against vanilla in each language (columns) by EWC with text in each language (rows), in points, mean over seeds. Framed: the language's own text. A cell's own uncertainty is that of the figure above; the mean of the framed cells against the others is in the text."}, "image": {"alt": "A heat map for each task, texts as rows and evaluated languages as columns, with the number in each cell; the cells of the diagonal are framed."}} tags=["hide-input"]
cells = {task: one.matrix([(f"EWC {d}", lam) for d in alone[task]]) for task, one in studies.items() if alone[task]}
most, height = max(abs(grid).max() for grid in cells.values()) or 1.0, max(map(len, cells.values()))
shape = dict(figsize=(10.4, 0.38 * height + 1.6), width_ratios=[grid.shape[1] for grid in cells.values()])
fig, axes = plt.subplots(1, len(cells), squeeze=False, **shape)
for ax, (task, grid) in zip(axes[0], cells.items(), strict=True):
    codes = studies[task].targets
    image = figures.heat_map(ax, grid, alone[task], codes, (-most, most), "PuOr", ".1f")
    for y, code in enumerate(alone[task]):
        ax.add_patch(plt.Rectangle((codes.index(code) - 0.5, y - 0.5), 1, 1, fill=False, ec="k", lw=1.6))
    ax.set(title=task, xlabel="evaluated in", ylabel="text of EWC")
fig.colorbar(image, ax=axes[0], label="change [points]", fraction=0.03, pad=0.02)
plt.show()


# %%
def own_minus_others(task: str):
    """Accuracy with a language's own text minus with another's, mean over languages [points]."""
    codes = alone[task]
    by_text = np.array([studies[task].of((f"EWC {d}", lam), codes) for d in codes])
    mine = np.diagonal(by_text, axis1=0, axis2=2)  # seeds, languages
    return paired_change(mine, (by_text.sum(axis=0) - mine) / (len(codes) - 1))


# %% tags=["remove-input"]
several = [task for task in every_task if len(alone[task]) > 1]
parts = []
for grid, task in ((cells[task], task) for task in several):
    columns, rows = (grid.mean(axis).var() / (grid.var() or 1) for axis in (0, 1))
    parts.append(f"on {task} {columns:.0%} between the languages, {rows:.0%} between the texts")
preferred = [f"{own_minus_others(task):+.2f} points on {task}" for task in several]
say(shares="; ".join(parts) or "there is one text", own="; ".join(preferred) or "not to be had from one text")
display(*(one.table(f"{task}: change of accuracy [points, 95 %], λ = {lam:g}") for task, one in studies.items()))

# %% [markdown]
# EWC with the language's own text minus EWC with another's, mean over languages: {glue:text}`l2_ewc-own`. Only an
# interval above 0 would show that the text should be the language's own. The variance of the figure's cells is split:
# {glue:text}`l2_ewc-shares`. What is left belongs to single cells, the diagonal and noise among them.
# The intervals are over {glue:text}`l2_ewc-over`. To train again changes all languages together, which an interval over
# seeds knows; with three it is wide. One over languages says whether a change is consistent *for these models*.
#
# ## Figure 1: how hard to pull?

# %% mystnb={"figure": {"name": "fig-l2_ewc-sweep", "caption": "Left: change of the mean zero-shot accuracy over the target languages, relative to vanilla fine-tuning in percent, against λ (the paper's Δ Avg of Figure 1); bars: 95 % Student-t interval over seeds (with one seed, over languages). Right: change of English test accuracy, in points, with its 95 % interval over seeds (none with one seed). Both pair the models of a seed. EWC's Fisher information has mean 1, so that λ is the same scale for both."}, "image": {"alt": "Two panels against lambda on a logarithmic axis, one line each for L2 and EWC: relative change of zero-shot accuracy, and change of English accuracy, around lines at zero."}} tags=["hide-input"]
LOOK, targets = figures.SETUPS, study.targets
lines = {"vanilla": [VANILLA], "l2": [("L2", at) for at in strengths], "ewc": [(first, at) for at in strengths]}
unit = 100 / study.mean(VANILLA, targets)
left, right = figures.panels(["mean of the targets", english], (4.8, 3.8)).values()
for kind, aside in (("l2", 0.975), ("ewc", 1.025)):
    x, style = aside * np.array(strengths), dict(label=lines[kind][0][0], ls="-", capsize=2)
    relative = [paired_change(*(unit * study.of(s, targets) for s in (setup, VANILLA))) for setup in lines[kind]]
    figures.marks(left, x, relative, LOOK[kind], **style)
    figures.marks(right, x, [study.change(setup, [english]) for setup in lines[kind]], LOOK[kind], **style)
for ax, of in ((left, "% of vanilla"), (right, "points")):
    ax.axhline(0, color=figures.INK, lw=0.8)
    ax.set(xscale="log", xlabel="λ", ylabel=f"change of accuracy [{of}]")
ax.legend()
plt.show()

# %% tags=["remove-input"]
for kind in ("l2", "ewc"):
    best = max(lines[kind], key=lambda setup: study.mean(setup, targets))
    say(**{f"best_lam_{kind}": f"{best[1]:g}", f"best_{kind}": f"{study.change(best, targets):+.2f}"})
    say(**{f"best_english_{kind}": signed(study.change(best, [english]).value, 2)})
    say(**{f"strongest_{kind}": signed(study.change(lines[kind][-1], [english]).value, 2)})
say(strongest=f"{strengths[-1]:g}")

# %% [markdown]
# L2's best $\lambda$, {glue:text}`l2_ewc-best-lam-l2`, changes the mean of the targets by {glue:text}`l2_ewc-best-l2` points
# against vanilla, and English by {glue:text}`l2_ewc-best-english-l2`; that of EWC with text in
# {glue:text}`l2_ewc-focus`, {glue:text}`l2_ewc-best-lam-ewc`, by {glue:text}`l2_ewc-best-ewc` points, and English by
# {glue:text}`l2_ewc-best-english-ewc`. (The interval does not know that the best was chosen; beyond the sweep may lie a better one.) At the
# strongest pull, $\lambda =$ {glue:text}`l2_ewc-strongest`, English accuracy changes by
# {glue:text}`l2_ewc-strongest-l2` points with L2 and {glue:text}`l2_ewc-strongest-ewc` with EWC. The paper prints no numbers.
#
# ## How far do the weights move?
#
# The penalty bounds $\|W - W_0\|_F$ over the pretrained weights. Is it this distance that matters, or which weights make it
# up? And is there a gain at all? A point below and to the left of vanilla has only learnt less.


# %% mystnb={"figure": {"name": "fig-l2_ewc-distance", "caption": "Left: change of the mean accuracy over the target languages (filled) and in English (hollow) against vanilla, by the distance of the fine-tuned weights from the pretrained ones. Right: the former against the latter, which is the trade itself. One point a setup of the sweep, lines in the order of λ, which is written beside the points; vanilla is at zero. Bars: 95 % interval over seeds (with one seed, over languages, and none in English)."}, "image": {"alt": "Left: change of accuracy against the Frobenius distance, a black point at zero for vanilla and a line of points each for L2 and EWC, hollow marks for English. Right: change of the mean target accuracy against the change of English accuracy for the same setups."}} tags=["hide-input"]
def far(setup: tuple, part: str = "") -> float:
    """Distance from the pretrained weights, mean over seeds; of a layer if one is named."""
    each = [trained.measured[main, setup, seed][0]["frobenius"]["all"] for seed in seeds]
    return float(np.mean([v.extra["by_layer"][part] if part else v.value for v in each]))


left, right = figures.panels(["", " "], (4.8, 4.0)).values()
for kind, line in lines.items():
    x, look, style = [far(setup) for setup in line], LOOK[kind], dict(label=line[0][0], ls="-", lw=1)
    zero_shot, source = ([study.change(setup, codes) for setup in line] for codes in (targets, [english]))
    figures.marks(left, x, zero_shot, look, **style)
    figures.marks(left, x, source, look, ls=":", lw=1, mfc="white")
    z, reach = [one.value for one in source], [one.value - one.low for one in source]
    figures.marks(right, z, zero_shot, look, xerr=reach, **style)
    for place, one, (_, at) in zip(z, zero_shot, line, strict=True):
        beside = dict(xytext=(4, -11 if kind == "ewc" else 5), textcoords="offset points", fontsize=8)
        right.annotate(f"{at:g}" if at else "", (place, one.value), **beside)
left.set(xlabel=r"$\|W - W_0\|_F$ [parameter norm]", ylabel="change of accuracy [points]", xlim=(0, None))
right.set(xlabel=f"change in {english} [points]", ylabel="change, mean of targets [points]")
right.axvline(0, color=figures.INK, lw=0.8)
left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
for ax in (left, right):
    ax.axhline(0, color=figures.INK, lw=0.8)
plt.show()

# %% mystnb={"figure": {"name": "fig-l2_ewc-layers", "caption": "Distance from the pretrained weights by part of the encoder, for the setups at the λ of the tables."}, "image": {"alt": "Groups of bars, one group for each layer, the embedding tables and the rest; a bar each for vanilla, L2 and EWC."}} tags=["hide-input"]
norms = trained.measured[main, VANILLA, seeds[0]][0]["frobenius"]["all"].extra
parts = list(norms["by_layer"])
compared = {"vanilla": VANILLA, "l2": ("L2", lam), "ewc": (first, lam)}
fig, ax = plt.subplots(figsize=(8.4, 3.4))
heights = {setup[0]: (LOOK[kind], [far(setup, part) for part in parts]) for kind, setup in compared.items()}
figures.bars(ax, [part.rpartition("encoder.")[2] for part in parts], heights)
ax.set_ylabel("distance [parameter norm]")
plt.show()

# %% tags=["remove-input"]
mean = {setup: study.mean(setup, targets) for setup in (VANILLA, *sweep)}
above = [f"{name} at λ = {at:g}" for name, at in sweep if mean[name, at] > mean[VANILLA]]
lost = [s for s in sweep if mean[s] < mean[VANILLA] and study.change(s, [english]).value <= 1e-9]
kept = {part: far((first, lam), part) / far(VANILLA, part) for part in parts if far(VANILLA, part) > 0}
short = {part: f"{part.rpartition('encoder.')[2]} ({share:.0%}" for part, share in kept.items()}
tight, loose = short[min(kept, key=kept.get)], short[max(kept, key=kept.get)]
say(far_vanilla=f"{far(VANILLA):.2f}", far_l2=f"{far(('L2', lam)):.2f}", far_ewc=f"{far((first, lam)):.2f}")
say(far_share=f"{norms['relative']:.1%}", tight=f"{tight} of vanilla's)", loose=f"{loose})")
some = f"{len(above)} of the {len(sweep)} setups with a penalty ({', '.join(above)}) {'has' if len(above) == 1 else 'have'}"
say(above=some if above else f"None of the {len(sweep)} setups with a penalty has", dominated=len(lost))

# %% [markdown]
# Vanilla fine-tuning moves the weights by {glue:text}`l2_ewc-far-vanilla` ({glue:text}`l2_ewc-far-share` of
# $\|W_0\|_F$); at $\lambda =$ {glue:text}`l2_ewc-lam` L2 leaves {glue:text}`l2_ewc-far-l2` of it and EWC
# {glue:text}`l2_ewc-far-ewc`. L2 holds all weights alike. EWC shortens the way most in the part
# {glue:text}`l2_ewc-tight` and least in {glue:text}`l2_ewc-loose`. {glue:text}`l2_ewc-above` a higher mean over the
# targets than vanilla; {glue:text}`l2_ewc-dominated` are no better in English and worse in the targets.
#
# ## What the Fisher information holds on to
#
# Which weights are these? $F$ is far from even:


# %%
def words_of(code: str, n: int):
    return of_text.read(config.model, [code], n, options)


read = of_text.Settings(config.max_length)
fisher = {c: of_text.of_text(config.model, words_of(c, 400), read, options) for c in dict.fromkeys([english, language])}

# %% mystnb={"figure": {"name": "fig-l2_ewc-lorenz", "caption": "Share of the trace of the Fisher information that lies in the largest entries, against their share of all weights (both logarithmic to the left). If all weights mattered alike, as L2 has it, the curve would be the dashed line."}, "image": {"alt": "Curves of the cumulative share of the trace for English and the target language, far above a dashed diagonal."}} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.8))
half, quiet = {}, {}
for (code, information), style in zip(fisher.items(), ("-", "--"), strict=False):
    flat = torch.cat([part.flatten() for part in information.diagonal().values()])
    ordered = flat.double().sort(descending=True).values
    total = (ordered.cumsum(0) / ordered.sum()).numpy()
    half[code] = f"{float((np.searchsorted(total, 0.5) + 1) / len(total)):.2%}"
    quiet[code] = f"{float((flat == 0).double().mean()):.1%}"
    places = np.unique(np.geomspace(1, len(total), 400).astype(int)) - 1
    ax.plot((places + 1) / len(total), total[places], style, lw=1.8, label=code)
ax.plot(*[np.geomspace(1e-5, 1, 200)] * 2, ":", color=figures.FAINT, label="all weights alike (L2)")
ax.set(xscale="log", xlabel="share of the weights", ylabel="share of the trace", ylim=(0, 1.02), xlim=(1e-5, 1))
ax.legend()
plt.show()

# %% tags=["remove-input"]
mean_f = fisher[language].facts["mean"]
say(half=half[language], mean_f=f"{mean_f:.2g}", raw=f"{lam / mean_f:.2g}")
say(trace=f"{fisher[language].facts['trace']:.3g}", zero=quiet[language])

# %% [markdown]
# Half of the trace of {glue:text}`l2_ewc-focus` ({glue:text}`l2_ewc-trace` nats²/parameter² in all) lies in
# {glue:text}`l2_ewc-half` of the weights; {glue:text}`l2_ewc-zero` have an entry of exactly 0. EWC nails the former
# down and leaves the others nearly free: at the same $\lambda$ its model moves by {glue:text}`l2_ewc-far-ewc`, that of
# L2 by {glue:text}`l2_ewc-far-l2`. Without the division by the mean, {glue:text}`l2_ewc-mean-f`, the same penalty would
# need $\lambda =$ {glue:text}`l2_ewc-raw`. A $\lambda$ without the scale of its Fisher information says nothing.
#
# ## Table 15: whose text?
#
# Two penalties, of French and of English (`fr+en`), or one of a corpus that is half of each (`mix fr-en`)?

# %% tags=["remove-input"]
rows15 = printed_table("anonymous2021frustratingly", 15).rows.values()
setups15 = [VANILLA, *((f"EWC {corpus}", lam) for corpus in (language, *variants)), ("L2", lam)]
body = []
for setup, row in zip(setups15, rows15 if language == "fr" and "xnli" in main else [{}] * 5, strict=True):
    cells = [f"{study.mean(setup, [code]):.2f}" for code in (english, language)]
    cells += ["" if setup == VANILLA else f"{study.change(setup, [code]):+.2f}" for code in (english, language)]
    body.append((setup[0], *cells, *(row.get(code, "") for code in (english, language))))
head = ["", *(f"{code}, {what}" for what in ("ours", "minus vanilla", "paper") for code in (english, language))]
caption = f"{main}: accuracy [%], and differences [points] with 95 % interval"
display(chapters.table(head, body, f"{caption} (Student-t, over seeds), λ = {lam:g} (Table 15)"))
of_text_in = {setup: study.mean(setup, [language]) for setup in setups15[1:-1]}
top, bottom = max(of_text_in, key=of_text_in.get), min(of_text_in, key=of_text_in.get)
say(variants_top=top[0], variants_bottom=bottom[0], variants_gap=f"{study.change(top, [language], bottom):+.2f}")
conflicts = {row.id: row for row in contradictions()}
said = conflicts["ewc-variants"].sentence
chapters.box("warning", "The paper's text and its table", said) if "xnli" in main else None

# %% [markdown]
# Highest in {glue:text}`l2_ewc-focus` is {glue:text}`l2_ewc-variants-top`, {glue:text}`l2_ewc-variants-gap` points
# above the lowest, {glue:text}`l2_ewc-variants-bottom` (an interval that does not know that the two were chosen for
# being the ends). Two penalties are not one of a mixture: their Fisher informations add up (each divided by its own
# mean), so that `fr+en` also pulls twice as hard at the same $\lambda$.
#
# ## What is forgotten, in nats
#
# Forgetting can be measured: put the pretrained language-model head back on the fine-tuned encoder, hide words of plain
# text, and compare its guesses with those of the pretrained model. The left side of {eq}`eq-l2_ewc-kl`, summed over the
# hidden sub-words of a paragraph, needs neither labels nor a task ({mod}`xlgen.fisher.forgetting`). An encoder of
# sentences, such as multilingual E5, has no such head: its guess is which of many candidates a sentence's translation is.

# %%
further = ["zh", "sw"] if config.model == "mini" and not text_dir else []
read_in = list(dict.fromkeys([english, language, *further]))
paragraphs = {code: words_of(code, 100).paragraphs for code in read_in}
forgetting = Forgetting(config.model, paragraphs, max_length=config.max_length)
ways, forgotten = {}, {}
for setup in (VANILLA, *lines["l2"], *lines["ewc"]):
    ways[setup] = forgetting.displacement(load_model(trained.runs[main, setup, seeds[0]]))
    forgotten[setup] = forgetting(ways[setup])  # nats a paragraph, by language

# %% mystnb={"figure": {"name": "fig-l2_ewc-forgetting", "caption": "Forgetting: divergence of the encoder's guesses at hidden words after fine-tuning from those before, per paragraph, first seed. Left: in several languages, for the setups of the tables. Right: in the target language of EWC against the distance of the weights, over the sweep. No interval: the paragraphs are the same for all setups."}, "image": {"alt": "Left: groups of bars by language, one bar each for vanilla, L2 and EWC. Right: divergence against distance, a line of points each for L2 and EWC and a point for vanilla."}} tags=["hide-input"]
fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.8))
heights = {s[0]: (LOOK[kind], [forgotten[s][code] for code in read_in]) for kind, s in compared.items()}
figures.bars(left, read_in, heights)
left.set_ylabel("forgotten [nats a paragraph]")
for kind, line in lines.items():
    x = [trained.measured[main, setup, seeds[0]][0]["frobenius"]["all"].value for setup in line]
    y = [forgotten[setup][language] for setup in line]
    right.plot(x, y, LOOK[kind].marker + "-", color=LOOK[kind].colour, label=line[0][0])
right.set(xlabel=r"$\|W - W_0\|_F$ [parameter norm]", ylabel=f"forgotten in {language} [nats a paragraph]")
right.set(xlim=(0, None), ylim=(0, None))
plt.show()

# %% tags=["remove-input"]
nats = {name: forgotten[compared[name.lower()]] for name in ("vanilla", "L2", "EWC")}
ranked = [f"{name} {nats[name][language]:.2f}" for name in sorted(nats, key=lambda name: nats[name][language])]
still = [f"in {c} {nats['EWC'][c] / nats['vanilla'][c]:.0%}" for c in read_in if nats["vanilla"][c] > 0]
order, best = sorted(forgotten, key=lambda setup: forgotten[setup][language]), max(forgotten, key=mean.get)
say(least=", ".join(ranked), protected=", ".join(still), place=f"{order.index(best) + 1} of {len(order)}")
say(remembers=f"{order[0][0]} at λ = {order[0][1]:g}", remembers_change=signed(mean[order[0]] - mean[VANILLA], 2))
say(transfers=best[0] + f" at λ = {best[1]:g}" * bool(best[1]))

# %% [markdown]
# At the $\lambda$ of the tables a paragraph in {glue:text}`l2_ewc-focus`, the language of EWC's text, loses
# {glue:text}`l2_ewc-least` nats. Of what vanilla fine-tuning forgets, EWC still forgets {glue:text}`l2_ewc-protected`.
# If these numbers are alike, then what it protects is no single language. Does remembering more mean transferring
# better? The setup that forgets least, {glue:text}`l2_ewc-remembers`, changes zero-shot accuracy by
# {glue:text}`l2_ewc-remembers-change` points; the one that transfers best, {glue:text}`l2_ewc-transfers`, is number
# {glue:text}`l2_ewc-place` in remembering. A language model's memory and the transfer of a classifier need not be the
# same thing.
#
# ## Where the quadratic approximation ends
#
# EWC replaces forgetting by $\frac12 \sum_i F_i \Delta_i^2$. How good is that along the way that fine-tuning really
# takes? We walk from $\theta^*$ to the fine-tuned weights, $\theta^* + t \Delta$, and measure the divergence at every
# $t$; once more along a random direction of the same length. For a random direction the off-diagonal terms of $F$
# average out ({eq}`eq-theory-trace`), so that the diagonal is enough; for the direction of training nothing of the
# kind holds. $F$ is computed with labels drawn from the model here, because with the words of the text it is only an
# estimate of the curvature of the divergence ({cite:p}`kunstner2019limitations`).

# %%
sampled = of_text.of_text(config.model, words_of(language, 100), of_text.Settings(config.max_length, "sample"), options)
tuned, draw = ways[VANILLA], torch.Generator().manual_seed(0)
noise = {key: torch.randn(w.shape, generator=draw) for key, w in tuned.items()}
ratio = math.sqrt(inner(tuned, tuned) / inner(noise, noise))
walk, measured, predicted = np.geomspace(0.003, 1, 9), {}, {}
for name, way in (("fine-tuning", tuned), ("random", {key: ratio * w for key, w in noise.items()})):
    measured[name] = [forgetting(way, t, [language])[language] for t in walk]
    predicted[name] = inner(way, way, sampled.diagonal()) / 2 * walk**2

# %% mystnb={"figure": {"name": "fig-l2_ewc-quadratic", "caption": "Divergence on text of the target language against the fraction t of the way, along the way of vanilla fine-tuning and along a random direction of the same length. Marks: measured. Lines: EWC's approximation, half the diagonal quadratic form (slope 2)."}, "image": {"alt": "Logarithmic plot with two sets of marks and two straight lines of slope two; for the random direction marks and line lie close for small t, for the fine-tuning direction the marks differ from their line."}} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.8, 4.2))
for name, colour, marker in (("fine-tuning", "#009E73", "o"), ("random", "#CC79A7", "v")):
    ax.plot(walk, measured[name], marker, color=colour, label=f"{name}: measured")
    ax.plot(walk, predicted[name], "-", color=colour, lw=1, label=f"{name}: ½ Σ F Δ²")
ax.set(xscale="log", yscale="log", xlabel="t, fraction of the way", ylabel=f"KL on {language} [nats a paragraph]")
ax.legend()
plt.show()

# %% tags=["remove-input"]
near, end = ({name: measured[name][at] / predicted[name][at] for name in measured} for at in (2, -1))
say(near_t=f"{walk[2]:.2g}", bend=f"{end['fine-tuning'] / near['fine-tuning']:.2g}")
for name, key in (("fine-tuning", "tuned"), ("random", "random")):
    say(**{f"near_{key}": f"{near[name]:.2g}", f"end_{key}": f"{end[name]:.2g}"})

# %% [markdown]
# Along the random direction the measured divergence is {glue:text}`l2_ewc-near-random` times the diagonal form near the
# start ($t =$ {glue:text}`l2_ewc-near-t`), where it should be 1, and {glue:text}`l2_ewc-end-random` times at its end.
# Along the way of fine-tuning it is {glue:text}`l2_ewc-near-tuned` times near the start, which is the price of dropping
# the off-diagonal terms, and {glue:text}`l2_ewc-end-tuned` times at the end; the change from the one to the other, a
# factor of {glue:text}`l2_ewc-bend`, is what the higher orders add. The factor farther from 1 is what fails here: the
# first, because training moves many weights together, and a diagonal cannot see a direction.
#
# ## The same on real text
#
# Vanilla fine-tuning, L2 and EWC of a real encoder, as far as they are recorded: at $\lambda = 0.01$ beside the paper,
# and at other strengths. EWC is one model with the Fisher information of French text, for all languages.

# %% tags=["remove-input", "reads:records"]
evidence = chapters.Evidence("l2_ewc", trained, preset, settings, store=options.store)
at_real = protocols.regularisers("real", strengths=[0.001, 0.01, 0.1], variants=[], own=["fr"], seeds=chapters.SEEDS)
real, parts = records.committed(at_real), {"vanilla": VANILLA, "l2": ("L2", 0.01), "ewc": ("EWC fr", 0.01)}
called = {"vanilla": "vanilla", "l2": "L2", "ewc": "EWC, French text"}

tried = {key: run.summary["dev_accuracy"] for key, run in real.runs.items() if key[1][0] == "L2" and key[0] == "xnli"}
if len(strong := sorted({setup[1] for _, setup, _ in tried})) > 1:
    of_best = max(strong, key=lambda at: np.mean([dev for key, dev in tried.items() if key[1][1] == at]))
    ends = {"none": VANILLA, "smallest": ("L2", strong[0]), "largest": ("L2", strong[-1]), "best": ("L2", of_best)}
    chapters.real_order(evidence, real, "xnli", "l2-f1-zero-shot", ends)
    chapters.real_order(evidence, real, "xnli", "l2-f1-english", ends, [english])


def with_strength(key: tuple) -> str:
    """A setup's name and its λ."""
    name, at = key[1]
    return f"{name}, λ = {at:g}" if at else name


chapters.show(chapters.real_box(real))
chapters.show(*chapters.real_setups(evidence, real, parts, called, study.paper, with_strength))

# %% mystnb={"figure": {"name": "fig-l2_ewc-real", "caption": "Real data: change of test accuracy against vanilla fine-tuning by language, in percentage points. Filled: ours, with the 95 % Student-t interval over seeds (none with one seed). Hollow: the paper's Table 2."}, "image": {"alt": "For each language the change of accuracy, ours as filled marks and the paper's as hollow marks, around a line at zero."}} tags=["remove-input", "reads:records"]
if pairs := {
    f"{one.task}: {called[[*one.ours][-1]]}": one for one in chapters.compared(real, parts, study.paper, called)
}:
    for ax, one in zip(figures.panels(pairs, (9.6, 3.4), columns=1).values(), pairs.values(), strict=True):
        one.draw(ax, [kind for kind in one.ours if kind != "vanilla"])
        ax.set(title="", ylabel=f"{one.task}:\nchange of accuracy [points]")
    plt.show()

# %% [markdown]
# ## In the ledger
#
# What goes into the {doc}`ledger <ledger>` has its intervals over seeds: the languages of one model move together. Only
# languages that the paper has too are counted, a tie for half; a share of them is a median over seeds, and fewer than
# six settle nothing.


# %% tags=["remove-input"]
def models_of(task: str, *setups: object) -> list[tuple]:
    """Keys of the models of these setups; each language of EWC own has another."""
    single = [(f"EWC {code}", lam) for code in dict.fromkeys([language, *alone[task]])]
    each = {"vanilla": [VANILLA], "l2": [("L2", lam)], "ewc": single}
    return [(task, model, seed) for setup in setups for model in each.get(setup, [setup]) for seed in seeds]


def settle_order(claim: str, called: dict, codes: list[str]) -> None:
    """The evidence for an ordering of setups of the first task."""
    keys = {name: models_of(main, setup) for name, setup in called.items()}
    evidence.settle_pairs(claim, lambda a, b: study.change(called[a], codes, called[b], "seeds"), keys.get)


for task, one in studies.items():
    short = task.removeprefix("mini-")
    for kind in ("l2", "ewc") if one.printed else ():
        keys = models_of(task, kind, "vanilla")
        evidence.settle(f"l2-t1-{short}-{kind}", one.change(kind, over="seeds"), keys)
        evidence.settle(f"l2-t{BY_LANGUAGE[one.paper][short][0]}-{kind}", one.share(kind), keys)
if main.removeprefix("mini-") == "xnli":
    reached = {at: [trained.runs[main, ("L2", at), seed].summary["dev_accuracy"] for seed in seeds] for at in strengths}
    best = max(strengths, key=lambda at: np.mean(reached[at]))
    ends = {"none": VANILLA, "smallest": ("L2", strengths[0]), "largest": ("L2", strengths[-1]), "best": ("L2", best)}
    if len(strengths) > 1:
        settle_order("l2-f1-zero-shot", ends, study.shared)
        settle_order("l2-f1-english", ends, [english])
    done = {"value": 1, "low": math.nan, "high": math.nan, "n": 1}
    evidence.settle("l2-f2-steps", done, models_of(main, (first, lam)))
    texts = {"ewc": language, "ewc_two": variants[0], "ewc_mix": variants[1]}
    called = {"baseline": VANILLA, "l2": ("L2", lam)} | {name: (f"EWC {corpus}", lam) for name, corpus in texts.items()}
    for code in (language, english) if language == "fr" else ():
        settle_order(f"l2-t15-{code}", called, [code])
display(evidence.table(caption=f"What became of the claims, λ = {lam:g}; Tables 19 and 22 need XLM-R Large"))

# %% tags=["remove-input"]
told = {}
for pawsx in (one for one in studies.values() if one.task.removeprefix("mini-") == "pawsx"):
    gains = {kind: [pawsx.change(kind, c).value for c in (pawsx.shared, pawsx.targets)] for kind in ("l2", "ewc")}
    both = "; ".join(f"{k.upper()} {signed(a, 2)} and {signed(b, 2)} points" for k, (a, b) in gains.items())
    told["korean"] = f"Mean change against vanilla without and with Korean: {both}."
    points, share = gains["ewc"][0], 100 * gains["ewc"][0] / pawsx.mean("vanilla")
    told["ewc-pawsx-unit"] = f"Ours, EWC: {signed(points, 2)} points, which is {signed(share, 2)} % of vanilla's score."
if len(seeds) > 1 and study.printed:
    by_seed = (study.of("l2") - study.of("vanilla")).mean(axis=1)
    ends = " to ".join(signed(end, 2) for end in (by_seed.min(), by_seed.max()))
    told["seeds-differ"] = f"From seed to seed the gain of L2 on {main} goes from {ends} points."
sentences = []
for name, sentence in told.items():
    evidence.choice(name, sentence)
    sentences.append(f"{conflicts[name]} {sentence}")
chapters.box("warning", "Where the paper leaves a choice", *sentences) if sentences else None

# %% [markdown]
# ````{exercise} ★ One equation, two strengths
# :label: l2_ewc-ex-step
#
# (a) Give the gradient of both penalties of {eq}`eq-l2_ewc-losses`. (b) With plain gradient descent at learning rate
# $\eta$ and constant $\ell_t$, how fast does $\Delta_i$ shrink? From which $F_i$ on does it oscillate? (c) What does
# that say about raw Fisher informations with entries over five orders of magnitude?
# ````
#
# ````{solution-start} l2_ewc-ex-step
# :class: dropdown
# ````
#
# (a) $\lambda \Delta_i$ and $\lambda F_i \Delta_i$. (b) Each step multiplies $\Delta_i$ by $1 - \eta \lambda F_i$; it
# changes sign from $F_i > 1 / (\eta \lambda)$ on and diverges from $2 / (\eta \lambda)$ on. (c) The largest entries
# decide what $\lambda$ is stable. How large are they here, in units of the mean?

# %%
flat = torch.cat([part.flatten() for part in fisher[language].diagonal().values()])
largest = float(flat.max() / flat.double().mean())
print(f"largest entry: {largest:,.0f} means")
print(f"gradient descent is stable up to lam = {2 / (config.lr * largest):.3g}")

# %% [markdown]
# AdamW divides by the size of the gradient: it does not diverge there, but oscillates with steps of $\eta$. Clipping
# does the rest, and scales the gradient of the task down with it.
#
# ````{solution-end}
# ````
#
# ```{exercise} ★★ The pull of the head
# :label: l2_ewc-ex-head
#
# The classification head is free. Could a model with $\lambda \to \infty$ still learn the task? Which of the techniques
# that the paper compares with in its section 6 is that, and what do you expect of its zero-shot accuracy?
# ```
#
# ```{solution} l2_ewc-ex-head
# :class: dropdown
#
# Only what a linear function of the pretrained features can express: the encoder stays at $\theta^*$, and the head is
# trained as a probe. It is the limit of all *frozen-encoder* techniques (soft prompts, BitFit and adapters train a
# little more). Forgetting is then zero by construction; {numref}`fig-l2_ewc-sweep` shows the way there.
# ```
#
# ````{exercise} ★★ Is the gain more than a shorter training?
# :label: l2_ewc-ex-early
#
# L2 keeps the weights near $\theta^*$. So does stopping early. Use the log of the vanilla run: how does the distance
# that L2 reaches compare with the distance after fewer steps, and which experiment would tell the two apart?
# ````
#
# ````{solution-start} l2_ewc-ex-early
# :class: dropdown
# ````

# %%
for entry in trained.runs[main, VANILLA, seeds[0]].log:
    print(f"epoch {entry['epoch']:.2f}: dev accuracy {entry['dev_accuracy']:.3f}")
for strength in strengths:
    print(f"L2 {strength:g}: {far(('L2', strength)) / far(VANILLA):.0%} of the way")

# %% [markdown]
# Train vanilla models with fewer epochs (`-p epochs 1`) until their distance equals that of an L2 model and compare the
# two at *equal distance* and at *equal English accuracy*: a penalty that wins at both does more than shorten the way.
#
# ````{solution-end}
# ````
#
# ```{admonition} Concept check: With the same $\lambda$, L2 and EWC pull equally hard. True?
# :class: dropdown
# *Only on average, and only here.* The misconception is that $\lambda$ alone is the strength. It is $\lambda F_i$, weight by
# weight; here $F$ has mean 1, and still EWC nails some weights down and leaves others free. Without that division the same
# $\lambda$ is another experiment.
# ```
#
# ```{admonition} What we learnt
# :class: important
# - On {glue:text}`l2_ewc-task`, L2 changes zero-shot accuracy by {glue:text}`l2_ewc-change-l2` points, EWC with each
#   language's own text by {glue:text}`l2_ewc-change-ewc`. The own text minus another's: {glue:text}`l2_ewc-own`.
# - Half of the Fisher information of {glue:text}`l2_ewc-focus` sits in {glue:text}`l2_ewc-half` of the weights. Along
#   the way of fine-tuning the divergence is {glue:text}`l2_ewc-near-tuned` times EWC's diagonal form near the start and
#   {glue:text}`l2_ewc-end-tuned` times at its end.
# - All of this is of {glue:text}`l2_ewc-encoder` on {glue:text}`l2_ewc-task`, {glue:text}`l2_ewc-pairs` pairs,
#   {glue:text}`l2_ewc-seeds`. The paper has mBERT on the full data.
# ```
#
# ```{admonition} Your turn
# :class: tip
# Another language looked into:
#
#     papermill notebooks/l2_ewc.ipynb out.ipynb -p language sw
#
# A finer sweep with six seeds (Figure 1), with one EWC model of a language:
#
#     papermill notebooks/l2_ewc.ipynb out.ipynb -p lams 0.01,0.001,0.1 -p seeds 0,1,2,3,4,5 -p ewc_languages fr
#
# Real data and text, with any encoder ({doc}`/running`):
#
#     papermill notebooks/l2_ewc.ipynb out.ipynb -p preset small -p data_dir archives -p text_dir texts -p model mini \
#         -p seeds 0 -p ewc_languages fr
# ```

# %% tags=["remove-input"]
provenance(
    [run.key for run in trained.runs.values()],
    {"preset": preset, "tasks": every_task, "model": config.model, "seeds": seeds, "lams": lams, "language": language}
    | ({"ewc_languages": ewc_languages} if ewc_languages else {})
    | chapters.given(train_size=train_size, epochs=epochs),
)
