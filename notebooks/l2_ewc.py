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

# %% tags=["parameters"]
preset: str = "mini"  # sizes: mini (offline miniature), small (20,000 real English pairs) or paper
tasks: list = []  # the first is looked at closely; empty: XNLI and PAWS-X, or their miniatures
model: str = ""  # mini, a hub id or a folder; empty: the preset's own
seeds: list = [0, 1, 2]  # random seeds, every setup is trained with each
live: int = 1  # models trained in this build even where a record is committed, those looked into at least [count]
lams: list = [0.01, 0.1]  # strengths of the sweep, of L2 and of EWC
lam: float = 0.01  # strength in the tables of scores; one of the sweep, or added to it
language: str = "fr"  # target language of EWC's text in the sweep and where the weights are looked into
ewc_languages: list = []  # target languages that get an EWC model of their own as in the paper; empty: all
variants: list = ["fr+en", "mix fr-en"]  # further texts for EWC
examples: int = 400  # paragraphs of text for each Fisher information [count]
probe: int = 100  # paragraphs of text on which forgetting is measured [count]
data_dir: str = ""  # folder with the official archives, relative to the working directory; empty: the hub
text_dir: str = ""  # plain text, a file or a folder with <language>.txt; empty: the miniature's own, or Wikipedia
train_size: int = None  # English training pairs [count], 0 for all; None: the protocols' own, fewer at preset mini
epochs: int = None  # passes over the training pairs [count]; None: the preset's own
size: int = 500  # test examples of each language [count]; 0: all
store: str = ""  # folder of trained models and measures; empty: runs/ of the checkout
workers: int = 2  # models trained or measured side by side [processes]
threads: int = 1  # CPU threads of each [count]

# %%
import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from myst_nb import glue

from paper import chapters, figures, ledger, protocols, records
from paper.notebook import provenance
from paper.published import contradictions, printed_table
from xlgen import models
from xlgen.analysis import Interval, interval_of_mean, signed, verdict
from xlgen.data import text
from xlgen.data.batch import scored
from xlgen.data.catalogue import TASKS
from xlgen.fisher import mlm, of_text
from xlgen.measures.measuring import load_model
from xlgen.models import layers

figures.use_style()
tasks, variants, ewc_languages = (chapters.words(some) for some in (tasks, variants, ewc_languages))
seeds, lams = chapters.words(seeds, int), chapters.words(lams, float)

# %% [markdown]
# ## What is minimised
#
# With $\ell_t$ the cross-entropy of the task and $\theta^*$ the pretrained weights, the paper's equations 1 and 2 are
#
# $$ L_{\text{L2}} = \ell_t + \frac{\lambda}{2} \sum_i (\theta_i - \theta^*_i)^2, \qquad
# L_{\text{EWC}} = \ell_t + \frac{\lambda}{2} \sum_i F_i\, (\theta_i - \theta^*_i)^2 . $$ (eq-l2_ewc-losses)
#
# The sums are over the weights that the pretrained encoder has; the new classification head has no $\theta^*$ and is
# free. $F_i$ is the diagonal of the Fisher information of the encoder's pretraining loss on plain text in the *target*
# language, which needs no label:
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
# equally hard in the mean over weights, and differ only in *which* weights are held.

# %% tags=["reads:records"]
options = chapters.options_for(store, data_dir, text_dir, threads)
usual = [protocols.name_of(task, preset) for task in ("xnli", "pawsx")]
main, *others = tasks or usual
focus, every_seed = language, seeds
strengths = sorted({*lams, lam})
common = chapters.given(model=model, train_size=train_size, epochs=epochs)
protocol = protocols.regularisers(
    preset,
    tasks=[main, *others],
    strengths=strengths,
    strength=lam,
    language=focus,
    variants=variants,
    own=ewc_languages,
    examples=examples,
    seeds=every_seed,
    size=size,
    **common,
)
vanilla, first = protocols.VANILLA, f"EWC {focus}"
texts = [focus, *variants]
setups = [vanilla] + [
    (name, strength)
    for strength in strengths
    for name in ("L2", *(f"EWC {text}" for text in texts))
    if (main, (name, strength), every_seed[0]) in protocol.configs
]
# The second half of this page looks into these models of the first seed.
first_seed = len(setups) + 3 * len(others)
found = records.obtain(
    protocol, options, workers=workers, live=max(live, first_seed)
)  # fmt: skip
runs = found.runs
measured = {k: v["accuracy"] for k, (v,) in found.measured.items()}
frobenius = {
    k: v["frobenius"]["all"] for k, (v,) in found.measured.items()
}  # fmt: skip

own = ("EWC own", lam)  # no model: of each language, its own


def alone(task: str) -> list[str]:
    """Languages with an EWC model of their own."""
    return [
        code
        for code in TASKS[task].languages
        if (task, (f"EWC {code}", lam), every_seed[0]) in runs
    ]  # fmt: skip


tabled = [vanilla, ("L2", lam), own]
compared = [vanilla, ("L2", lam), (first, lam)]
over = "seeds" if len(every_seed) > 1 else "languages"

# %% tags=["hide-input"]
chapters.records_box(found)

# %% tags=["hide-input"]
config, manifest = runs[main, vanilla, every_seed[0]].config, runs[main, vanilla, every_seed[0]].manifest
encoder = "the shipped miniature" if config.model == "mini" else Path(config.model).name
glue("l2_ewc-task", main, display=False)
glue("l2_ewc-encoder", encoder, display=False)
glue("l2_ewc-lam", f"{lam:g}", display=False)
glue("l2_ewc-focus", focus, display=False)
glue("l2_ewc-pairs", f"{manifest['train_pairs']:,}", display=False)
glue("l2_ewc-steps", f"{manifest['steps']:,}", display=False)
seeded = "one seed" if len(every_seed) == 1 else f"{len(every_seed)} seeds"
glue("l2_ewc-seeds", seeded, display=False)
glue("l2_ewc-over", over, display=False)
chapters.table(
    ("setting", "value"),
    [
        ("tasks", ", ".join([main, *others])),
        ("encoder", encoder),
        ("setups", ", ".join(f"{name} {strength:g}" if strength else name for name, strength in setups)),
        ("EWC own", "; ".join(f"{task}: {', '.join(alone(task))}" for task in (main, *others))),
        ("training", f"{manifest['train_pairs']:,} pairs, {config.epochs} epochs, {manifest['steps']:,} steps"),
        ("optimizer", f"AdamW without weight decay, peak learning rate {config.lr:g}, clip {config.clip:g}"),
        ("Fisher information", f"{examples:,} paragraphs of text a language, divided by its mean"),
        ("seeds", ", ".join(map(str, every_seed))),
    ],
    f"What was run: {len(runs)} models, {len(found.live)} of them live",
)

# %% [markdown]
# Weight decay is off: it pulls towards 0, and the penalties towards $\theta^*$. The checkpoint is the one with the best
# English development accuracy, for every setup.

# %%
english = TASKS[main].source_language


def by_language(task: str, setup: tuple, seed: int) -> dict:
    """Test accuracy; of EWC's own, each language's from its model."""
    if setup != own:
        return measured[task, setup, seed]
    usual = measured[task, (first, lam), seed]
    keys = {code: (task, (f"EWC {code}", lam), seed) for code in usual}
    return {c: measured.get(key, usual)[c] for c, key in keys.items()}


def accuracy(task: str, setup: tuple[str, float]) -> dict[str, float]:
    """Test accuracy by language, the mean over seeds."""
    each = [by_language(task, setup, seed) for seed in every_seed]
    return {
        code: np.mean([values[code].value for values in each])
        for code in each[0]
    }  # fmt: skip


def change(task: str, new: tuple, codes=None, old=vanilla) -> Interval:
    """Difference of two setups, mean over languages [points]."""
    pairs = [
        (by_language(task, new, s), by_language(task, old, s))
        for s in every_seed
    ]  # fmt: skip
    codes = codes or [code for code in pairs[0][0] if code != english]
    differences = np.array([
        [100 * (a[c].value - b[c].value) for c in codes]
        for a, b in pairs
    ])  # fmt: skip
    if len(every_seed) > 1:
        return interval_of_mean(differences.mean(axis=1))
    if len(codes) > 1:
        return interval_of_mean(differences[0])
    one, other = (each[codes[0]] for each in pairs[0])
    shares, value = (one.value, other.value), float(differences[0, 0])
    half = 196 * math.sqrt(sum(p * (1 - p) for p in shares) / one.n)
    return Interval(value, value - half, value + half, one.n)


# %% [markdown]
# ## Tables 1, 2 and 9: who is better, and where?
#
# The paper's Table 1 has the mean zero-shot score of four tasks; its Tables 2 and 9 have XNLI and PAWS-X by language.
# (WikiAnn and UDPOS, Tables 7 and 8, belong to the chapter on tagging.) Every number of ours is from
# {glue:text}`l2_ewc-seeds`; the paper's are means of three seeds of mBERT on the full training sets.
#
# ```{admonition} What EWC means in the paper
# :class: note
# The paper's EWC row is not one model: "we fine-tune the model for each target language separately", so that each cell
# belongs to another fine-tuning, with the Fisher information of that cell's language. Here it is called *EWC own*;
# where a language has no model of its own, as English, the cell is that of EWC with the text of
# {glue:text}`l2_ewc-focus`. In the sweep below, and where we look into the weights, EWC is one model, with that text.
# ```

# %% tags=["hide-input"]
PAPER = "anonymous2021frustratingly"
NUMBER = {"xnli": 2, "pawsx": 9}
ROWS = {"vanilla": "vanilla", "L2": "w/ l2", "EWC": "w/ ewc"}


def printed(task: str) -> dict:
    """The paper's scores by language, for vanilla, L2 and EWC; empty where it has no such table."""
    number = NUMBER.get(task.removeprefix("mini-"))
    if number is None:
        return {}
    table = printed_table(PAPER, number)
    spelled = {row.split(", ")[1].lower(): row for row in table.rows}
    codes = ("en", *table.targets)
    return {name: {c: table.cell(spelled[low], c).number for c in codes} for name, low in ROWS.items()}


def points(interval) -> str:
    return f"{signed(interval.value, 2)} [{signed(interval.low, 2)}, {signed(interval.high, 2)}]"


body, sentences, outcomes = [], [], {}
for task in (main, *others):
    paper, targets = printed(task), [code for code in accuracy(task, vanilla) if code != english]
    for setup in tabled:
        score = accuracy(task, setup)
        name = setup[0].split()[0]
        old, row = paper.get("vanilla"), paper.get(name)
        mean = np.mean([100 * score[code] for code in targets])
        both = [c for c in targets if not row or c in row]
        theirs = "not printed" if not row else f"{np.mean([row[c] for c in row if c != english]):.2f}"
        cells = (f"{task}: {setup[0]}", f"{100 * score[english]:.2f}", f"{mean:.2f}")
        if setup == vanilla:
            body.append((*cells, "", theirs, "", ""))
            continue
        ours = change(task, setup, both)
        their_gain = np.nan if not row else np.mean([row[c] - old[c] for c in row if c != english])
        said = verdict(ours.value, (ours.low, ours.high), float(their_gain)) if row else None
        outcomes[task, name] = (ours, their_gain, said)
        body.append((*cells, points(ours), theirs, signed(their_gain, 2) if row else "", said.outcome if said else ""))
head = ("", english, "mean of targets", "minus vanilla, 95 %", "paper: mean", "paper: minus vanilla", "verdict")
chapters.table(
    head,
    body,
    f"Accuracy [%] (Table 1 of the paper for its two tasks with pairs of sentences), λ = {lam:g}. Differences are of the "
    f"languages that both have; Student-t interval over {over}",
)

# %% mystnb={"figure": {"name": "fig-l2_ewc-languages", "caption": "Change of test accuracy against vanilla fine-tuning by language, in percentage points. Filled: ours, with the 95 % Student-t interval over seeds (with one seed, that of a difference of two independent binomial shares). Hollow: the paper's Tables 2 and 9 (mBERT, three seeds, no interval printed)."}, "image": {"alt": "Two panels, one a task: for each language the change of accuracy by L2 and by EWC, ours as filled marks with intervals and the paper's as hollow marks, around a line at zero."}} tags=["hide-input"]
LOOK = {"vanilla": figures.look("baseline"), "L2": figures.Look("#0072B2", "s"), "EWC": figures.Look("#D55E00", "^")}
fig, axes = plt.subplots(1 + len(others), 1, figsize=(9.6, 3.3 * (1 + len(others))), squeeze=False)
for ax, task in zip(axes[:, 0], (main, *others), strict=True):
    paper, old = printed(task), accuracy(task, vanilla)
    for shift, setup in ((-0.16, tabled[1]), (0.16, tabled[2])):
        name = setup[0].split()[0]
        for place, code in enumerate(old):
            ours = change(task, setup, [code])
            label = f"{setup[0]}, ours" if not place else None
            style = dict(color=LOOK[name].colour, fmt=LOOK[name].marker, elinewidth=1)
            ax.errorbar(place + shift, ours.value, yerr=ours.value - ours.low, label=label, **style)
            if paper and code in paper[name]:
                theirs = paper[name][code] - paper["vanilla"][code]
                label = f"{name}, paper" if not place else None
                hollow = dict(mfc="white", mec=LOOK[name].colour, color=LOOK[name].colour, ls="none")
                ax.plot(place + shift + 0.14, theirs, LOOK[name].marker, ms=5, label=label, **hollow)
    ax.axhline(0, color=figures.INK, lw=0.8)
    ax.set_xticks(range(len(old)), list(old))
    ax.set_ylabel(f"{task}:\nchange of accuracy [points]")
    ax.grid(visible=False, axis="x")
axes[0, 0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4)
plt.show()

# %% tags=["hide-input"]
for (task, name), (ours, theirs, said) in outcomes.items():
    new = accuracy(task, next(setup for setup in tabled if setup[0].startswith(name)))
    old, paper = accuracy(task, vanilla), printed(task)
    wins = sum(new[c] > old[c] for c in new if c != english)
    sentence = f"{task}, {name}: better than vanilla in {wins} of {len(new) - 1} target languages"
    if paper:
        codes = [c for c in paper[name] if c != english]
        known = sum(paper[name][c] > paper["vanilla"][c] for c in codes)
        sentence += f" (paper: {known} of {len(codes)}); mean change {points(ours)} points, paper {signed(theirs, 2)}"
        sentence += f". {str(said)[0].upper()}{str(said)[1:]}."
    else:
        sentence += f"; mean change {points(ours)} points."
    sentences.append(sentence)
glue("l2_ewc-verdict-l2", sentences[0], display=False)
glue("l2_ewc-verdict-ewc", sentences[1], display=False)
chapters.box("note", "The paper's claim, and ours", *sentences)

# %% [markdown]
# ### Does the text have to be the language's own?
#
# With a model for each text, each evaluated in every language, the question can be asked directly. Row $d$, column $c$
# of the figure is the change in language $c$ by EWC with text in $d$. If EWC protects the language whose text it has
# read, the diagonal stands out.

# %% mystnb={"figure": {"name": "fig-l2_ewc-own", "caption": "Change of test accuracy against vanilla in each language (columns) by EWC with text in each language (rows), in points, mean over seeds. Framed: the language's own text. A cell's own uncertainty is that of the figure above; the mean of the framed cells against the others is in the text."}, "image": {"alt": "A heat map for each task, texts as rows and evaluated languages as columns, with the number in each cell; the cells of the diagonal are framed."}} tags=["hide-input"]
matrix = {
    task: {
        text: {c: change(task, (f"EWC {text}", lam), [c]).value for c in accuracy(task, vanilla) if c != english}
        for text in alone(task)
    }
    for task in (main, *others)
    if alone(task)
}
wide = [len(next(iter(rows.values()))) for rows in matrix.values()]
fig, axes = plt.subplots(1, len(matrix), figsize=(10.4, 0.38 * max(map(len, matrix.values())) + 1.6), squeeze=False,
                         width_ratios=wide)  # fmt: skip
most = max(abs(v) for rows in matrix.values() for row in rows.values() for v in row.values()) or 1.0
for ax, (task, rows) in zip(axes[0], matrix.items(), strict=True):
    columns = list(next(iter(rows.values())))
    grid = np.array([[row[c] for c in columns] for row in rows.values()])
    shown = ax.imshow(grid, cmap="PuOr", vmin=-most, vmax=most, aspect="auto")
    for y, text_code in enumerate(rows):
        for x, code in enumerate(columns):
            dark = abs(grid[y, x]) > 0.6 * most
            ax.text(x, y, signed(grid[y, x], 1), ha="center", va="center", fontsize=6.5, color="w" if dark else "k")
            if text_code == code:
                ax.add_patch(plt.Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, ec="k", lw=1.6))
    ax.set_xticks(range(len(columns)), columns, fontsize=8)
    ax.set_yticks(range(len(rows)), list(rows), fontsize=8)
    ax.set(title=task, xlabel="evaluated in", ylabel="text of EWC")
    ax.grid(visible=False)
fig.colorbar(shown, ax=axes[0], label="change [points]", fraction=0.03, pad=0.02)
plt.show()


# %% tags=["hide-input"]
def preference(task: str) -> Interval | None:
    """Accuracy in a language with its own text minus with another one's, mean over languages [points]."""
    codes = [c for c in alone(task) if c in accuracy(task, vanilla)]
    if len(codes) < 2:
        return None
    each = np.array([
        [
            100 * (at[c][c].value - np.mean([at[d][c].value for d in codes if d != c]))
            for c in codes
        ]
        for at in ({d: measured[task, (f"EWC {d}", lam), seed] for d in codes} for seed in every_seed)
    ])  # fmt: skip
    return interval_of_mean(each.mean(1) if len(every_seed) > 1 else each[0])


def shares(rows: dict) -> str:
    """How much of the cells' variance lies between columns and between rows, in words."""
    grid = np.array([[row[c] for c in row] for row in rows.values()])
    total = ((grid - grid.mean()) ** 2).mean()
    parts = [((grid.mean(axis) - grid.mean()) ** 2).mean() / total for axis in (0, 1)] if total else [0, 0]
    return f"{parts[0]:.0%} between the languages, {parts[1]:.0%} between the texts"


preferred = {task: preference(task) for task in (main, *others)}
glue(
    "l2_ewc-shares",
    "; ".join(f"on {task} {shares(rows)}" for task, rows in matrix.items() if len(rows) > 1) or "there is one text",
    display=False,
)
told_of_own = [f"{points(one)} points on {task}" for task, one in preferred.items() if one]
better = [task for task, one in preferred.items() if one and one.low > 0]
glue(
    "l2_ewc-own",
    f"EWC with the language's own text minus EWC with another's, mean over languages: {'; '.join(told_of_own)}. That the "
    f"text should be the language's own is {'shown on ' + ' and '.join(better) if better else 'not shown'}"
    if told_of_own
    else "With fewer than two texts it cannot be asked whether the text should be the language's own",
    display=False,
)
body = []
for task in (main, *others):
    paper, old = printed(task), accuracy(task, vanilla)
    for code in old:
        theirs = (paper["EWC"].get(code), paper["vanilla"].get(code)) if paper else (None, None)
        theirs = "" if None in theirs else signed(theirs[0] - theirs[1], 2)
        each = [points(change(task, setup, [code])) for setup in (own, (first, lam), ("L2", lam))]
        body.append((f"{task}: {code}", f"{100 * old[code]:.2f}", *each, theirs))
head = ("", "vanilla [%]", "EWC own", first, "L2", "paper: EWC own")
chapters.table(head, body, f"Change against vanilla by language [points, 95 %], λ = {lam:g}")

# %% [markdown]
# {glue:text}`l2_ewc-own` (95 % intervals over {glue:text}`l2_ewc-over`). The variance of the figure's cells is split:
# {glue:text}`l2_ewc-shares`. What is left belongs to single cells, the diagonal and noise among them.
#
# The intervals on this page are over {glue:text}`l2_ewc-over`; the paper averages three seeds, this page has
# {glue:text}`l2_ewc-seeds`. To train again changes all languages together, and that is what an interval over seeds
# knows; with three seeds it is wide. An interval over languages, which is all that one seed allows, says whether a
# change is consistent over languages *for these models*.
#
# ## Figure 1: how hard to pull?

# %% tags=["hide-input"]
box = {row.id: row for row in contradictions()}.get("seeds-differ")
chapters.box("warning", "The paper contradicts itself", box.sentence, f"Here: {seeded} in the sweep.") if box else None

# %% mystnb={"figure": {"name": "fig-l2_ewc-sweep", "caption": "Left: change of the mean zero-shot accuracy over the target languages, relative to vanilla fine-tuning in percent, against λ (the paper's Δ Avg of Figure 1); bars: 95 % Student-t interval over seeds (with one seed, over languages). Right: change of English test accuracy, in points, with its 95 % interval over seeds (with one seed, that of a difference of two independent binomial shares). Both pair the models of a seed. EWC's Fisher information has mean 1, so that λ is the same scale for both."}, "image": {"alt": "Two panels against lambda on a logarithmic axis, one line each for L2 and EWC: relative change of zero-shot accuracy, and change of English accuracy, around lines at zero."}} tags=["hide-input"]
relative = {}
old = accuracy(main, vanilla)
targets = [code for code in old if code != english]
base = np.mean([100 * old[c] for c in targets])
fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.8))
for name, setup_name, aside in (("L2", "L2", 0.975), ("EWC", first, 1.025)):
    each, places = [change(main, (setup_name, s)) for s in strengths], aside * np.array(strengths)
    relative[name] = [100 * one.value / base for one in each]
    ends = np.array([[one.value - one.low, one.high - one.value] for one in each]).T * 100 / base
    style = dict(color=LOOK[name].colour, marker=LOOK[name].marker, label=setup_name, capsize=2)
    left.errorbar(places, relative[name], yerr=ends, **style)
    each = [change(main, (setup_name, s), [english]) for s in strengths]
    right.errorbar(places, [one.value for one in each], yerr=[one.value - one.low for one in each], **style)
for ax in (left, right):
    ax.axhline(0, color=figures.INK, lw=0.8)
    ax.set(xscale="log", xlabel="λ")
    ax.legend()
left.set_ylabel("zero-shot accuracy, change [% of vanilla]")
right.set_ylabel(f"accuracy in {english}, change [points]")
plt.show()

# %% tags=["hide-input"]


def best(name: str, setup_name: str) -> str:
    """The strength with the highest mean zero-shot accuracy, with its interval."""
    place = int(np.argmax(relative[name]))
    at = change(main, (setup_name, strengths[place]))
    edge = " (an end of the sweep)" if place in (0, len(strengths) - 1) else ""
    in_english = 100 * (accuracy(main, (setup_name, strengths[place]))[english] - old[english])
    return (
        f"{setup_name} is best at λ = {strengths[place]:g}{edge}: {points(at)} points over vanilla, and "
        f"{signed(in_english, 2)} in English"
    )


strongest = {name: 100 * (accuracy(main, (name, strengths[-1]))[english] - old[english]) for name in ("L2", first)}
glue("l2_ewc-best-l2", best("L2", "L2"), display=False)
glue("l2_ewc-best-ewc", best("EWC", first), display=False)
glue("l2_ewc-strongest", f"{strengths[-1]:g}", display=False)
glue("l2_ewc-strongest-l2", signed(strongest["L2"], 2), display=False)
glue("l2_ewc-strongest-ewc", signed(strongest[first], 2), display=False)

# %% [markdown]
# {glue:text}`l2_ewc-best-l2`. {glue:text}`l2_ewc-best-ewc`. (The best of several is a maximum of noisy numbers: its
# interval does not know that it was chosen.) At the strongest pull, $\lambda =$ {glue:text}`l2_ewc-strongest`, English
# accuracy changes by {glue:text}`l2_ewc-strongest-l2` points with L2 and {glue:text}`l2_ewc-strongest-ewc` with EWC.
# The paper says of its Figure 1 that models benefit "as long as it provides the model some flexibility to learn the
# downstream task while constraining it enough"; it prints neither the numbers of that figure nor its own $\lambda$.
#
# ## How far do the weights move?
#
# The penalty bounds a distance, $\|W - W_0\|_F$ over the weights that the pretrained encoder has. Accuracy against that
# distance instead of $\lambda$ shows whether it is the distance that matters, or which weights make it up. And accuracy
# in the target languages against accuracy in English shows whether there is a gain at all: a point above the one of
# vanilla has one, a point below and to the left of it has only learnt less.

# %% mystnb={"figure": {"name": "fig-l2_ewc-distance", "caption": "Left: change of the mean accuracy over the target languages (filled) and in English (hollow) against vanilla, by the distance of the fine-tuned weights from the pretrained ones. Right: the former against the latter, which is the trade itself. One point a setup of the sweep, lines in the order of λ, which is written beside the points; vanilla is at zero. Bars: 95 % interval over seeds (with one seed, over languages and binomial)."}, "image": {"alt": "Left: change of accuracy against the Frobenius distance, a black point at zero for vanilla and a line of points each for L2 and EWC, hollow marks for English. Right: change of the mean target accuracy against the change of English accuracy for the same setups."}} tags=["hide-input"]


def far(setup: tuple[str, float], part: str = "") -> float:
    """Distance from the pretrained weights, mean over seeds; of a layer if one is named."""
    each = [frobenius[main, setup, seed] for seed in every_seed]
    return float(np.mean([v.extra["by_layer"][part] if part else v.value for v in each]))


swept = {"vanilla": [vanilla], "L2": [("L2", s) for s in strengths], "EWC": [(first, s) for s in strengths]}
mean_of = {setup: float(np.mean([accuracy(main, setup)[c] for c in targets])) for setup in setups}
fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.0))
for ax in (left, right):
    ax.axhline(0, color=figures.INK, lw=0.8)
right.axvline(0, color=figures.INK, lw=0.8)
for name, line in swept.items():
    x, style = [far(setup) for setup in line], dict(color=LOOK[name].colour, lw=1, elinewidth=0.8)
    zero_shot, source = ([change(main, setup, codes) for setup in line] for codes in (targets, [english]))
    y, z = ([one.value for one in each] for each in (zero_shot, source))
    up, aside = ([0 if name == "vanilla" else one.value - one.low for one in each] for each in (zero_shot, source))
    left.errorbar(x, y, yerr=up, fmt=LOOK[name].marker + "-", label=line[0][0], **style)
    left.errorbar(x, z, yerr=aside, fmt=LOOK[name].marker + ":", mfc="white", **style)
    right.errorbar(z, y, xerr=aside, yerr=up, fmt=LOOK[name].marker + "-", label=line[0][0], **style)
    for place, setup in zip(zip(z, y, strict=True), line, strict=True):
        label, offset = f"{setup[1]:g}" if setup[1] else "", (4, -11 if name == "EWC" else 5)
        right.annotate(label, place, xytext=offset, textcoords="offset points", fontsize=8)
left.set(xlabel=r"$\|W - W_0\|_F$ [parameter norm]", ylabel="change of accuracy [points]", xlim=(0, None))
right.set(xlabel=f"change in {english} [points]", ylabel="change, mean of targets [points]")
for ax in (left, right):
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
plt.show()

# %% mystnb={"figure": {"name": "fig-l2_ewc-layers", "caption": "Distance from the pretrained weights by part of the encoder, for the setups at the λ of the tables."}, "image": {"alt": "Groups of bars, one group for each layer, the embedding tables and the rest; a bar each for vanilla, L2 and EWC."}} tags=["hide-input"]
parts = list(frobenius[main, vanilla, every_seed[0]].extra["by_layer"])
fig, ax = plt.subplots(figsize=(8.4, 3.4))
for number, setup in enumerate(compared):
    look = LOOK[setup[0].split()[0]]
    ax.bar(
        np.arange(len(parts)) + 0.27 * (number - 1),
        [far(setup, part) for part in parts],
        0.25,
        facecolor=(look.colour, 0.35),
        edgecolor=look.colour,
        hatch=("", "//", "xx")[number],
        label=setup[0],
    )
short = [part.rpartition("encoder.")[2] for part in parts]
ax.set_xticks(range(len(parts)), short)
ax.set_ylabel("distance [parameter norm]")
ax.grid(visible=False, axis="x")
ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
plt.show()

# %% tags=["hide-input"]
glue("l2_ewc-far-vanilla", f"{far(vanilla):.2f}", display=False)
share = frobenius[main, vanilla, every_seed[0]].extra["relative"]
glue("l2_ewc-far-share", f"{share:.1%}", display=False)
glue("l2_ewc-far-l2", f"{far(compared[1]):.2f}", display=False)
glue("l2_ewc-far-ewc", f"{far(compared[2]):.2f}", display=False)
above = [setup for setup in setups if mean_of[setup] > mean_of[vanilla]]
dominated = [s for s in setups if mean_of[s] < mean_of[vanilla] and accuracy(main, s)[english] <= old[english]]
names_above = ", ".join(f"{name} at λ = {strength:g}" for name, strength in above) or "none"
trade = (
    f"Of the {len(setups) - 1} setups with a penalty, {len(above)} have a higher mean over the targets than vanilla "
    f"({names_above}), and {len(dominated)} are no better in English and worse in the targets"
)
glue("l2_ewc-trade", trade, display=False)
kept = {part: far(compared[2], part) / far(vanilla, part) for part in parts if far(vanilla, part) > 0}
tight, loose = min(kept, key=kept.get), max(kept, key=kept.get)
glue("l2_ewc-tight", f"{tight.rpartition('encoder.')[2]} ({kept[tight]:.0%} of vanilla's)", display=False)
glue("l2_ewc-loose", f"{loose.rpartition('encoder.')[2]} ({kept[loose]:.0%})", display=False)

# %% [markdown]
# Vanilla fine-tuning moves the weights by {glue:text}`l2_ewc-far-vanilla` ({glue:text}`l2_ewc-far-share` of
# $\|W_0\|_F$); at $\lambda =$ {glue:text}`l2_ewc-lam` L2 leaves {glue:text}`l2_ewc-far-l2` of it and EWC
# {glue:text}`l2_ewc-far-ewc`. L2 holds all weights alike. EWC shortens the way most in the part
# {glue:text}`l2_ewc-tight` and least in {glue:text}`l2_ewc-loose`. {glue:text}`l2_ewc-trade`.
#
# ## What the Fisher information holds on to
#
# Which weights are these? $F$ is far from even:

# %%
text_model = config.model
settings = of_text.Settings(config.max_length)


def words_of(corpus: list[str], n: int):
    return text.read(corpus, n, text_dir=options.text_dir, model=text_model)


stored = {
    code: of_text.of_text(
        text_model,
        words_of([code], examples),
        settings,
        options,
    )
    for code in dict.fromkeys([english, focus])
}

# %% mystnb={"figure": {"name": "fig-l2_ewc-lorenz", "caption": "Share of the trace of the Fisher information that lies in the largest entries, against their share of all weights (both logarithmic to the left). If all weights mattered alike, as L2 has it, the curve would be the dashed line."}, "image": {"alt": "Curves of the cumulative share of the trace for English and the target language, far above a dashed diagonal."}} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.8))
half, quiet = {}, {}
for (code, one), style in zip(stored.items(), ("-", "--"), strict=False):
    flat = torch.cat([part.flatten() for part in one.diagonal().values()])
    order = flat.double().sort(descending=True).values
    total = (order.cumsum(0) / order.sum()).numpy()
    half[code] = float((np.searchsorted(total, 0.5) + 1) / len(total))
    quiet[code] = float((flat == 0).double().mean())
    places = np.unique(np.geomspace(1, len(total), 400).astype(int)) - 1
    ax.plot((places + 1) / len(total), total[places], style, lw=1.8, label=code)
grid = np.geomspace(1e-5, 1, 200)
ax.plot(grid, grid, ":", color=figures.FAINT, label="all weights alike (L2)")
ax.set(xscale="log", xlabel="share of the weights", ylabel="share of the trace", ylim=(0, 1.02), xlim=(1e-5, 1))
ax.legend()
plt.show()

# %% tags=["hide-input"]
glue("l2_ewc-half", f"{half[focus]:.2%}", display=False)
glue("l2_ewc-mean-f", f"{stored[focus].facts['mean']:.2g}", display=False)
glue("l2_ewc-raw", f"{lam / stored[focus].facts['mean']:.2g}", display=False)
chapters.table(
    (
        "text",
        "source",
        "paragraphs",
        "hidden sub-words",
        "trace [nats²/parameter²]",
        "mean",
        "half of it in",
        "exactly 0",
        "raw λ",
    ),
    [
        (
            code,
            one.facts["source"],
            f"{one.facts['examples']:,}",
            f"{one.facts['hidden']:,}",
            f"{one.facts['trace']:.3g}",
            f"{one.facts['mean']:.2g}",
            f"{half[code]:.2%} of the weights",
            f"{quiet[code]:.1%}",
            f"{lam / one.facts['mean']:.2g}",
        )
        for code, one in stored.items()
    ],
    f"Fisher information of the masked-language-model loss; the last column is the λ that λ = {lam:g} would be without "
    "dividing by the mean",
)

# %% [markdown]
# Half of the trace of {glue:text}`l2_ewc-focus` lies in {glue:text}`l2_ewc-half` of the weights. EWC nails these down
# and leaves the others nearly free: at the same $\lambda$ its model moves by {glue:text}`l2_ewc-far-ewc`, that of L2
# by {glue:text}`l2_ewc-far-l2`. Without the division by the mean, {glue:text}`l2_ewc-mean-f`, the same penalty would
# need $\lambda =$ {glue:text}`l2_ewc-raw`. A $\lambda$ without the scale of its Fisher information says nothing.
#
# ## Table 15: whose text?
#
# With the Fisher informations of French and English as two penalties (`fr+en`), or one of a corpus that is half French
# and half English (`mix fr-en`), does the target language gain?

# %% tags=["hide-input"]
names15 = {"vanilla": "Vanilla", "L2": "w/ L2"}
table15 = printed_table(PAPER, 15)
rows15 = {row.split(", ", 1)[1]: row for row in table15.rows}
body, beside = [], {}
for setup in [vanilla, *((name, lam) for name in [first, *(f"EWC {c}" for c in variants), "L2"])]:
    name = setup[0]
    row = rows15.get(names15.get(name) or f"w/ EWC ({name.removeprefix('EWC ')})")
    reached = accuracy(main, setup)
    ours = [f"{100 * reached[c]:.2f}" for c in (english, focus)]
    ours += ["" if setup == vanilla else points(change(main, setup, [c])) for c in (english, focus)]
    theirs = [table15.rows[row][c] if row and c in table15.columns and "xnli" in main else "" for c in (english, focus)]
    beside[setup] = reached[focus]
    body.append((name, *ours, *theirs))
chapters.table(
    (
        "",
        *(f"{code}, ours" for code in (english, focus)),
        *(f"{code}, minus vanilla" for code in (english, focus)),
        *(f"{code}, paper" for code in (english, focus)),
    ),
    body,
    f"{main}: accuracy [%], and differences [points] with 95 % interval "
    f"({'Student-t, over seeds' if over == 'seeds' else 'binomial'}), λ = {lam:g} (Table 15)",
)

# %% tags=["hide-input"]
of_ewc = {setup: value for setup, value in beside.items() if setup[0].startswith("EWC")}
top, bottom = max(of_ewc, key=of_ewc.get), min(of_ewc, key=of_ewc.get)
glue(
    "l2_ewc-variants",
    f"{top[0]} is highest in {focus}, {points(change(main, top, [focus], bottom))} points above the lowest, {bottom[0]} "
    "(an interval that does not know that the two were chosen for being the ends)"
    if top != bottom
    else f"{top[0]} is the only text of this page",
    display=False,
)
odd = {row.id: row for row in contradictions()}.get("ewc-variants")
chapters.box("warning", "The paper's text and its table", odd.sentence) if odd and "xnli" in main else None

# %% [markdown]
# {glue:text}`l2_ewc-variants`. Two penalties are not one of a mixture: their Fisher informations add up (each divided
# by its own mean), so that `fr+en` also pulls twice as hard at the same $\lambda$.
#
# ## What is forgotten, in nats
#
# The papers infer forgetting from accuracy. It can be measured: put the pretrained language-model head back on the
# fine-tuned encoder, hide words of plain text, and compare its guesses with those of the pretrained model. The left
# side of {eq}`eq-l2_ewc-kl`, summed over the hidden sub-words of a paragraph, is how much the encoder's knowledge of a
# language has changed, and it needs neither labels nor a task.

# %%
device = "cpu"
original = mlm.load(text_model)
spelling = layers.encoder(original)
origin = {key: w.detach().clone() for key, w in original.named_parameters()}


def hidden(code: str) -> list:
    """Masked paragraphs of one language."""
    return mlm.batches(
        original,
        models.load_tokenizer(text_model),
        words_of([code], probe).paragraphs,
        max_length=models.longest_input(original, config.max_length),
        batch_size=16,
    )


@torch.no_grad()
def guesses(batches: list) -> list:
    """Log-probabilities of the hidden sub-words, a batch each."""
    found = []
    for batch in batches:
        logits = original(**batch.inputs).logits
        found.append(scored(logits, batch.labels)[0].log_softmax(-1))
    return found


def divergence(before: list, batches: list) -> float:
    """KL[before || now] of a paragraph's hidden sub-words, in nats."""
    total = 0.0
    for p, q in zip(before, guesses(batches), strict=True):
        total += (p.exp() * (p - q)).sum(dtype=torch.float64).item()
    return total / sum(len(batch) for batch in batches)


@torch.no_grad()
def move(delta: dict, factor: float = 1.0) -> None:
    """Put the encoder at the pretrained weights plus a displacement."""
    for key, w in original.named_parameters():
        step = delta.get(spelling.get(key))
        w.copy_(origin[key])
        if step is not None:
            w.add_(step, alpha=factor)


def displacement(run) -> dict:
    """Fine-tuned minus pretrained, by the encoder's parameter names."""
    tuned = dict(load_model(run).named_parameters())
    return {
        spelling[key]: tuned[spelling[key]].detach() - origin[key]
        for key in origin
        if key in spelling and spelling[key] in tuned
    }


# %% tags=["hide-input"]
read_in = list(dict.fromkeys([english, focus, *(["zh", "sw"] if text_model == "mini" and not text_dir else [])]))
paragraphs = {code: hidden(code) for code in read_in}
move({})
before = {code: guesses(batches) for code, batches in paragraphs.items()}
steps = {setup: displacement(runs[main, setup, every_seed[0]]) for setup in setups}
forgotten = {}
for setup, delta in steps.items():
    move(delta)
    forgotten[setup] = {code: divergence(before[code], paragraphs[code]) for code in read_in}
move({})

# %% mystnb={"figure": {"name": "fig-l2_ewc-forgetting", "caption": "Forgetting: divergence of the encoder's guesses at hidden words after fine-tuning from those before, per paragraph, first seed. Left: in several languages, for the setups of the tables. Right: in the target language of EWC against the distance of the weights, over the sweep. No interval: the paragraphs are the same for all setups."}, "image": {"alt": "Left: groups of bars by language, one bar each for vanilla, L2 and EWC. Right: divergence against distance, a line of points each for L2 and EWC and a point for vanilla."}} tags=["hide-input"]
fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.8))
for number, setup in enumerate(compared):
    look = LOOK[setup[0].split()[0]]
    left.bar(
        np.arange(len(read_in)) + 0.27 * (number - 1),
        [forgotten[setup][code] for code in read_in],
        0.25,
        facecolor=(look.colour, 0.35),
        edgecolor=look.colour,
        hatch=("", "//", "xx")[number],
        label=setup[0],
    )
left.set_xticks(range(len(read_in)), read_in)
left.set_ylabel("forgotten [nats a paragraph]")
left.grid(visible=False, axis="x")
for name, line in swept.items():
    x = [frobenius[main, setup, every_seed[0]].value for setup in line]
    y = [forgotten[setup][focus] for setup in line]
    right.plot(x, y, LOOK[name].marker + "-", color=LOOK[name].colour, label=line[0][0])
right.set(xlabel=r"$\|W - W_0\|_F$ [parameter norm]", ylabel=f"forgotten in {focus} [nats a paragraph]", xlim=(0, None))
right.set_ylim(0, None)
left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
plt.show()

# %% tags=["hide-input"]
forget = {setup[0].split()[0]: forgotten[setup] for setup in compared}
least = min(forget, key=lambda name: forget[name][focus])
ranked = ", ".join(f"{name} {forget[name][focus]:.2f}" for name in sorted(forget, key=lambda name: forget[name][focus]))
protected = [
    f"in {code} {forget['EWC'][code] / forget['vanilla'][code]:.0%}" for code in read_in if forget["vanilla"][code] > 0
]
glue("l2_ewc-least", f"{least} forgets least of {focus} ({ranked} nats)", display=False)
glue("l2_ewc-protected", ", ".join(protected), display=False)
deltas = {setup: np.mean([100 * (accuracy(main, setup)[c] - old[c]) for c in targets]) for setup in setups}
order = sorted(setups, key=lambda setup: forgotten[setup][focus])
best_setup = max(deltas, key=deltas.get)
glue(
    "l2_ewc-memory",
    f"The setup that forgets least, {order[0][0]} at λ = {order[0][1]:g}, changes zero-shot accuracy by "
    f"{signed(deltas[order[0]], 2)} points; the one that transfers best, {best_setup[0]}"
    + (f" at λ = {best_setup[1]:g}" if best_setup[1] else "")
    + f", is number {order.index(best_setup) + 1} of {len(order)} in remembering",
    display=False,
)

# %% [markdown]
# At the $\lambda$ of the tables {glue:text}`l2_ewc-least`. EWC was given text in {glue:text}`l2_ewc-focus` only; of
# what vanilla fine-tuning forgets, it still forgets {glue:text}`l2_ewc-protected`. If these numbers are alike, then
# what it protects is no single language.
#
# Does remembering more mean transferring better? {glue:text}`l2_ewc-memory`. A language model's memory and the
# transfer of a classifier need not be the same thing.
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
drawn = of_text.of_text(
    text_model,
    words_of([focus], probe),
    of_text.Settings(config.max_length, "sample"),
    options,
).diagonal()


def inner(a: dict, b: dict, weight: dict | None = None) -> float:
    """Inner product of displacements, weighted or not."""
    total = 0.0
    for key in a:
        if weight is None or key in weight:
            product = a[key].double() * b[key].double()
            product = product if weight is None else product * weight[key]
            total += product.sum().item()
    return total


trained = steps[vanilla]
draw = torch.Generator().manual_seed(0)
random = {
    key: torch.randn(w.shape, generator=draw) for key, w in trained.items()
}  # fmt: skip
ratio = math.sqrt(inner(trained, trained) / inner(random, random))
random = {key: ratio * w for key, w in random.items()}
walk = np.geomspace(0.003, 1, 9)
measured_kl, predicted_kl = {}, {}
for name, delta in (("fine-tuning", trained), ("random", random)):
    measured_kl[name] = []
    for t in walk:
        move(delta, t)
        now = divergence(before[focus], paragraphs[focus])
        measured_kl[name].append(now)
    predicted_kl[name] = inner(delta, delta, drawn) / 2 * walk**2
move({})

# %% mystnb={"figure": {"name": "fig-l2_ewc-quadratic", "caption": "Divergence on text of the target language against the fraction t of the way, along the way of vanilla fine-tuning and along a random direction of the same length. Marks: measured. Lines: EWC's approximation, half the diagonal quadratic form (slope 2)."}, "image": {"alt": "Logarithmic plot with two sets of marks and two straight lines of slope two; for the random direction marks and line lie close for small t, for the fine-tuning direction the marks differ from their line."}} tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.8, 4.2))
for name, colour, marker in (("fine-tuning", "#009E73", "o"), ("random", "#CC79A7", "v")):
    ax.plot(walk, measured_kl[name], marker, color=colour, label=f"{name}: measured")
    ax.plot(walk, predicted_kl[name], "-", color=colour, lw=1, label=f"{name}: ½ Σ F Δ²")
ax.set(xscale="log", yscale="log", xlabel="t, fraction of the way", ylabel=f"KL on {focus} [nats a paragraph]")
ax.legend()
plt.show()

# %% tags=["hide-input"]
near = {name: measured_kl[name][2] / predicted_kl[name][2] for name in measured_kl}
end = {name: measured_kl[name][-1] / predicted_kl[name][-1] for name in measured_kl}
glue("l2_ewc-near-t", f"{walk[2]:.2g}", display=False)
for name, key in (("fine-tuning", "tuned"), ("random", "random")):
    glue(f"l2_ewc-near-{key}", f"{near[name]:.2g}", display=False)
    glue(f"l2_ewc-end-{key}", f"{end[name]:.2g}", display=False)
bend = end["fine-tuning"] / near["fine-tuning"]
glue("l2_ewc-bend", f"{bend:.2g}", display=False)
worse = abs(math.log(near["fine-tuning"])) > abs(math.log(bend))
blame = "the length of the way more than the diagonal"
if worse:
    blame = (
        "the diagonal more than the length of the way: training moves many weights together, in directions in which the "
        "guesses change, and a diagonal cannot see a direction"
    )
glue("l2_ewc-blame", f"What fails here is {blame}", display=False)

# %% [markdown]
# Along the random direction the measured divergence is {glue:text}`l2_ewc-near-random` times the diagonal form near the
# start ($t =$ {glue:text}`l2_ewc-near-t`), where it should be 1, and {glue:text}`l2_ewc-end-random` times at its end.
# Along the way of fine-tuning it is {glue:text}`l2_ewc-near-tuned` times near the start, which is the price of dropping
# the off-diagonal terms, and {glue:text}`l2_ewc-end-tuned` times at the end; the change from the one to the other, a
# factor of {glue:text}`l2_ewc-bend`, is what the higher orders add. {glue:text}`l2_ewc-blame`.

# %% [markdown]
# ## In the ledger
#
# What was found for each claim of the paper, as it goes into the {doc}`ledger <ledger>`. The intervals are over seeds;
# with one seed there are none, because all languages and examples share its model. Only languages that the paper has
# too are counted; where it is asked in how many of them a model is better, one in which both are right equally often
# counts half. That share is a median over seeds: the languages of one model move together, so that it has an interval
# over seeds or none, and fewer than six seeds settle nothing.

# %% tags=["hide-input"]
folder = chapters.ledger_folder(options.store)
ledger.clear("l2_ewc", folder=folder)
spelled = {"vanilla": vanilla, "baseline": vanilla, "L2": ("L2", lam), "l2": ("L2", lam), "EWC": own}
spelled |= {"ewc": (first, lam), "ewc_two": ("EWC fr+en", lam), "ewc_mix": ("EWC mix fr-en", lam)}
evidence = {}


def shared(task: str) -> list[str]:
    """Target languages that the paper has too."""
    return [c for c in printed(task).get("L2", {}) if c != english and c in TASKS[task].languages]


def over_seeds(task: str, new: tuple, codes: list[str], old=vanilla) -> Interval:
    """Change over seeds; with one seed without an interval, because its languages and examples share the model."""
    found = change(task, new, codes, old)
    return found if len(every_seed) > 1 else Interval(found.value, math.nan, math.nan, 1)


def gaps(claim: str, task: str, names: dict, codes: list[str]) -> dict:
    """The same for the pairs of an ordering."""
    differences = {}
    for pair in ledger.CLAIMS[claim].pairs:
        new, old = (names[name] for name in pair.split(" > "))
        differences[pair] = over_seeds(task, new, codes, old)
    return ledger.of_pairs(differences)


def settle(claim: str, numbers: dict, keys: list) -> None:
    """Record the evidence for a claim, from the models of these setups."""
    models_of = {task: [(f"EWC {code}", lam) for code in dict.fromkeys([focus, *alone(task)])] for task, _ in keys}
    involved = [
        (task, each, one)
        for task, setup in keys
        for each in (models_of[task] if setup == own else [setup])
        for one in every_seed
    ]
    evidence[claim] = ledger.record(
        "l2_ewc",
        claim,
        **numbers,
        seeds=every_seed,
        scale=chapters.scale_of(preset, common),
        run_keys=[runs[key].key for key in involved],
        folder=folder,
        live=found.live.issuperset(involved),
    )


for task in (main, *others):
    short, codes = task.removeprefix("mini-"), shared(task)
    for name in ("L2", "EWC") if codes else ():
        keys = [(task, spelled[name]), (task, vanilla)]
        settle(f"l2-t1-{short}-{name.lower()}", ledger.of(over_seeds(task, spelled[name], codes)), keys)
        each = [[by_language(task, setup, one) for setup in (spelled[name], vanilla)] for one in every_seed]
        shares = [ledger.wins(*([score[c].value for c in codes] for score in pair)) for pair in each]
        settle(f"l2-t{NUMBER[short]}-{name.lower()}", ledger.share(shares), keys)
if main.removeprefix("mini-") == "xnli":
    tuned = {s: np.mean([runs[main, ("L2", s), one].summary["dev_accuracy"] for one in every_seed]) for s in strengths}
    swept_l2 = {"none": vanilla, "smallest": ("L2", strengths[0]), "largest": ("L2", strengths[-1])}
    swept_l2["best"] = ("L2", max(strengths, key=tuned.get))
    keys = [(main, setup) for setup in dict.fromkeys(swept_l2.values())]
    if len(strengths) > 1:
        settle("l2-f1-zero-shot", gaps("l2-f1-zero-shot", main, swept_l2, shared(main)), keys)
        settle("l2-f1-english", gaps("l2-f1-english", main, swept_l2, [english]), keys[1:])
    settle("l2-f2-steps", {"value": 1, "low": math.nan, "high": math.nan, "n": 1}, [(main, spelled["ewc"])])
    if focus == "fr" and {spelled["ewc_two"], spelled["ewc_mix"]} <= set(setups):
        for code in (focus, english):
            claim = f"l2-t15-{code}"
            pairs = ledger.CLAIMS[claim].pairs
            involved = dict.fromkeys(spelled[name] for pair in pairs for name in pair.split(" > "))
            settle(claim, gaps(claim, main, spelled, [code]), [(main, setup) for setup in involved])

# %% tags=["hide-input"]
body = []
for row in ledger.rows(evidence.values()):
    if row.claim.id in evidence:
        number, ours = (words.replace("\n", "; ") for words in (row.number, row.ours))
        body.append((row.item, row.sentence, number, ours, row.n, f"{row.verdict}: {row.because}"))
head = ("", "claim", "paper", "ours [95 %]", "n", "verdict")
chapters.table(head, body, f"What became of the claims, λ = {lam:g}. Tables 19 and 22 need the weights of XLM-R Large")

# %% tags=["hide-input"]
odd, told = {row.id: row for row in contradictions()}, {}
for task in (main, *others):
    extra_codes = [c for c in accuracy(task, vanilla) if c not in (english, *shared(task))]
    if task.removeprefix("mini-") == "pawsx" and "ko" in extra_codes:
        told["korean"] = "Mean change against vanilla without and with Korean: " + "; ".join(
            f"{name} {signed(change(task, spelled[name], shared(task)).value, 2)} and "
            f"{signed(change(task, spelled[name]).value, 2)} points"
            for name in ("L2", "EWC")
        )
        told["korean"] += "."
        point, before_it = change(task, spelled["EWC"], shared(task)).value, accuracy(task, vanilla)
        told["ewc-pawsx-unit"] = (
            f"Ours, EWC: {signed(point, 2)} points, which is "
            f"{signed(point / np.mean([before_it[c] for c in shared(task)]), 2)} % of vanilla's score."
        )
if len(every_seed) > 1:
    of_seed = {
        setup: [np.mean([100 * measured[main, setup, s][c].value for c in shared(main)]) for s in every_seed]
        for setup in (spelled["L2"], vanilla)
    }
    each_one = np.subtract(*of_seed.values())
    told["seeds-differ"] = (
        f"From seed to seed the gain of L2 on {main} goes from {signed(min(each_one), 2)} to {signed(max(each_one), 2)} points."
    )
for contradiction, sentence in told.items():
    ledger.choice("l2_ewc", contradiction, sentence, folder=folder)
lines = [f"{odd[key].sentence} Here: {odd[key].choice} {sentence}" for key, sentence in told.items()]
chapters.box("warning", "Where the paper leaves a choice", *lines) if lines else None

# %% [markdown]
# ````{exercise} ★ One equation, two strengths
# :label: l2_ewc-ex-step
#
# (a) Give the gradient of both penalties of {eq}`eq-l2_ewc-losses`. (b) With plain gradient descent at learning rate
# $\eta$ and $\ell_t$ constant, how fast does $\Delta_i$ shrink? From which $F_i$ on does it oscillate? (c) What does that
# say about raw Fisher informations with entries over five orders of magnitude and a $\lambda$ that suits their mean?
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
flat = torch.cat([f.flatten() for f in stored[focus].diagonal().values()])
largest = float(flat.max() / flat.double().mean())
print(f"largest entry: {largest:,.0f} means")
stable = 2 / (config.lr * largest)
print(f"gradient descent is stable up to lam = {stable:.3g}")

# %% [markdown]
# AdamW does not diverge there, because it divides by the size of the gradient: it oscillates with steps of $\eta$. The
# clipping of the gradient does the rest, and scales the gradient of the task down with it.
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
# little more). Forgetting is then zero by construction, and {numref}`fig-l2_ewc-sweep` shows what remains of English
# accuracy on the way there. Between the two ends lies the gain, if there is one.
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
for entry in runs[main, vanilla, every_seed[0]].log:
    reached = entry["dev_accuracy"]
    print(f"epoch {entry['epoch']:.2f}: dev accuracy {reached:.3f}")
for strength in strengths:
    way = far(("L2", strength)) / far(vanilla)
    print(f"L2 {strength:g}: {way:.0%} of the way")

# %% [markdown]
# Train vanilla models with fewer epochs (`-p epochs 1`) until their distance equals that of an L2 model and compare the
# two at *equal distance* and at *equal English accuracy*. A penalty that beats early stopping at both does more than
# shorten the way.
#
# ````{solution-end}
# ````

# %% [markdown]
# ```{admonition} What we learnt
# :class: important
# - {glue:text}`l2_ewc-verdict-l2`
# - {glue:text}`l2_ewc-verdict-ewc`
# - {glue:text}`l2_ewc-own`.
# - Half of the Fisher information of {glue:text}`l2_ewc-focus` sits in {glue:text}`l2_ewc-half` of the weights. Along
#   the way of fine-tuning the divergence is {glue:text}`l2_ewc-near-tuned` times EWC's diagonal form near the start and
#   {glue:text}`l2_ewc-end-tuned` times at its end.
# - All of this is the miniature's or the named encoder's: {glue:text}`l2_ewc-encoder` on {glue:text}`l2_ewc-task`,
#   {glue:text}`l2_ewc-pairs` pairs, {glue:text}`l2_ewc-seeds`. The paper has mBERT on the full data.
# ```
#
# ```{admonition} Your turn
# :class: tip
# Another language looked into:
#
#     papermill notebooks/l2_ewc.ipynb out.ipynb -p language sw -p variants sw+en
#
# A finer sweep with six seeds (Figure 1), without EWC models for single languages but one:
#
#     papermill notebooks/l2_ewc.ipynb out.ipynb -p lams 0.001,0.003,0.01,0.03,0.1,0.3 -p seeds 0,1,2,3,4,5 \
#         -p ewc_languages fr
#
# Real data and text, with any encoder ({doc}`/running`):
#
#     papermill notebooks/l2_ewc.ipynb out.ipynb -p preset small -p data_dir archives -p text_dir texts -p model mini \
#         -p seeds 0 -p ewc_languages fr
# ```

# %% tags=["hide-input"]
provenance(
    [run.key for run in runs.values()],
    {"preset": preset, "tasks": [main, *others], "model": config.model, "seeds": every_seed, "lams": strengths}
    | {"lam": lam, "examples": examples, "probe": probe}
    | {k: v for k, v in common.items() if k != "model"},
)
