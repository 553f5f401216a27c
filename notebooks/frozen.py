# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Frozen encoders
#
# If fine-tuning on English spoils an encoder for other languages, why not leave the encoder alone?
# {cite:t}`anonymous2021frustratingly` try three techniques that freeze nearly all of it: soft prompts
# {cite:p}`lester2021prompt`, BitFit {cite:p}`benzaken2022bitfit` and adapters {cite:p}`houlsby2019adapters`. They
# report that all three learn less English than full fine-tuning, that only adapters transfer better, on one task of
# two, and that holding the weights back softly, with L2, beats all of them. This page counts what each technique
# trains, checks that the rest does not move, and puts the paper's Tables 6, 16, 17 and 18 beside ours.
#
# ```{admonition} What you will learn
# :class: tip
# - Which parameters soft prompts, BitFit and adapters train, how many these are, and why the share depends on the size
#   of the encoder.
# - How the scores in English and in the other languages depend on the number of trained parameters.
# - Why a small gap between English and the other languages is no merit by itself.
# ```

# %% tags=["parameters", "hide-input"]
preset: str = "mini"  # mini (offline miniature), small (20,000 real English examples) or paper
tasks: list = []  # empty: XNLI and UDPOS, or their miniatures
model: str = ""  # mini, a hub id or a folder; empty: the preset's own
seeds: list = [0, 1, 2]  # random seeds, every technique is trained with each
printed_settings: bool = False  # train the frozen techniques with the settings of Table 16
data_dir: str = ""  # folder with the official archives; empty: the hub
train_size: int = None  # English training examples [count], 0 for all; None: the protocol's own
epochs: int = None  # passes over the training examples [count]; None: the preset's own
size: int = 500  # test examples of each language [count]; 0: all
live: "int or all" = 1  # models trained here even where a record is committed [count], or all
store: str = ""  # folder of trained models and measures; empty: runs/ of the checkout
workers: int = 1  # models trained or measured side by side [processes]; the book runs chapters side by side

# %% tags=["hide-cell"]
import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import ClassVar

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import display
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from paper import chapters, figures, protocols, records
from paper.notebook import provenance
from paper.published import BY_LANGUAGE, printed_table, setup_of
from xlgen import models
from xlgen.analysis import AGREES, DISAGREES, interval_of_mean, signed, verdict
from xlgen.data.catalogue import TASKS
from xlgen.measures.measuring import load_model, run_many
from xlgen.models import tuning
from xlgen.training.presets import config_for

figures.use_style()
say = chapters.Say("frozen")
tasks, seeds = chapters.words(tasks), chapters.words(seeds, int)

# %% [markdown]
# ## What is trained
#
# Full fine-tuning moves all weights $\theta$ of the encoder, and those of the new head $\psi$. A frozen technique keeps
# the pretrained weights $\theta^*$ and trains a small set of others, $\phi$, with the same loss:
#
# $$ \min_{\theta, \psi} \ell_t(\theta, \psi) \quad \text{(vanilla)}, \qquad
# \min_{\phi, \psi} \ell_t(\theta^*, \phi, \psi) \quad \text{(frozen)}, \qquad |\phi| \ll |\theta| . $$ (eq-frozen-loss)
#
# L2 ({eq}`eq-l2_ewc-losses`) lies between the two: with $\lambda \to \infty$ nothing but the head is trained.
#
# **Soft prompts** put $P$ trained vectors in front of the embedded sub-words $e_t$:
#
# $$ [e_1, \ldots, e_T] \;\leftarrow\; [p_1, \ldots, p_P, e_1, \ldots, e_T], \qquad
# \phi = (p_1, \ldots, p_P) . $$ (eq-frozen-prompt)
#
# They change no weight, only what the layers attend to. The text keeps its order and moves up by $P$ places.
#
# **BitFit** keeps the matrix of every linear layer and of every LayerNorm, and trains the term that is added:
#
# $$ h = W^* x + b, \qquad h = \gamma^* \odot \hat x + b, \qquad \phi = \text{all } b . $$ (eq-frozen-bitfit)
#
# **Adapters** insert a bottleneck of width $m$ behind each sub-layer (attention and feed-forward), and train the
# LayerNorms too:
#
# $$ h \;\leftarrow\; h + W_{up}\, \mathrm{GELU}(W_{down} h + b_{down}) + b_{up}, \qquad
# W_{down} \in \mathbb{R}^{m \times d},\; W_{up} \in \mathbb{R}^{d \times m},\; m \ll d . $$ (eq-frozen-adapter)
#
# With $W_{up} = 0$ at the start, training begins from exactly the pretrained encoder.
#
# ```{admonition} What the paper leaves open
# :class: warning
# Where the prompt's vectors start, whether they come before or after the first special token, and what trains besides
# the inserted modules. Here each technique is as in its own paper or that paper's code: the prompt starts from
# embeddings of the vocabulary and comes first, so that a head that reads the first place reads the first vector's;
# BitFit trains the biases of the LayerNorms and the pooler too, adapters the LayerNorms, and all of them the head.
# ```
#
# How many parameters are these? We build each model as it is trained and ask for what has `requires_grad`.

# %%
options = chapters.options_for(store, data_dir)
first_task, *_ = wanted = tasks or [protocols.name_of(task, preset) for task in ("xnli", "udpos")]
english = TASKS[first_task].source_language
FROZEN = {"prompt": "soft prompts", "bitfit": "BitFit", "adapter": "adapters"}
NAMES = {"vanilla": "vanilla", "l2": "L2"} | FROZEN
encoder = config_for(preset, first_task, **chapters.given(model=model)).model


def built(task: str, technique: str):
    """The classifier as training begins: what is trained has requires_grad."""
    facts, name = TASKS[task], technique if technique in FROZEN else "full"
    return models.load_classifier(encoder, len(facts.labels), seed=0, kind=facts.kind, tuning=name)


def count(classifier) -> tuple[int, int]:
    """Parameters that are trained, and all of them."""
    each = [(p.numel(), p.requires_grad) for p in classifier.parameters()]
    return sum(n for n, trained in each if trained), sum(n for n, _ in each)


# %% mystnb={"figure": {"name": "fig-frozen-parts", "caption": "What is trained (dark) and what is frozen (light), by part of the classifier of the first task: trained parameters of all parameters of that part, counted in the model before training. Vanilla and L2 train the same parameters."}, "image": {"alt": "A grid: parts of the classifier in rows, techniques in columns; each cell has the number of trained parameters and of all, and is dark where they are trained."}} tags=["hide-input"]
PARTS = ["inserted", "embedding tables", "weight matrices", "biases", "LayerNorm scales", "LayerNorm biases", "head"]


def parts(classifier) -> np.ndarray:
    """A row a part: parameters that are trained, and all of them."""
    norms = {name for name, module in classifier.named_modules() if type(module).__name__.endswith("LayerNorm")}
    tables = {name for name, module in classifier.named_modules() if isinstance(module, nn.Embedding)}
    on_top = {name for name, _ in tuning.head(classifier)}
    numbers = np.zeros((len(PARTS), 2), int)
    for name, p in classifier.named_parameters():
        owner, _, leaf = name.rpartition(".")
        of_norm = "LayerNorm " * (owner in norms)
        part = f"{of_norm}biases" if leaf == "bias" else "LayerNorm scales" if of_norm else "weight matrices"
        part = "embedding tables" if owner in tables else part
        part = "inserted" if "soft_prompt" in name or ".adapter." in name else part
        part = "head" if name in on_top else part
        numbers[PARTS.index(part)] += (p.numel() * p.requires_grad, p.numel())
    return numbers


columns = {"vanilla": "vanilla, L2"} | FROZEN
trained, total = np.moveaxis(np.array([parts(built(first_task, t)) for t in columns]), (0, 2), (2, 0))
fig, ax = plt.subplots(figsize=(8.6, 3.6))
ax.imshow(trained / np.maximum(total, 1), cmap="Blues", vmin=0, vmax=2.4, aspect="auto")
for (row, place), n in np.ndenumerate(total):
    words = f"{trained[row, place]:,} of {n:,}" if trained[row, place] else f"frozen: {n:,}" if n else "none"
    ax.text(place, row, words, ha="center", va="center", fontsize=8.5, color=figures.INK)
ax.set_xticks(range(len(columns)), columns.values())
ax.set_yticks(range(len(PARTS)), PARTS)
ax.xaxis.tick_top()
ax.grid(visible=False)
plt.show()

# %% [markdown]
# The share that is trained depends on the encoder: biases and bottlenecks grow with its width $d$, matrices with $d^2$. The
# papers' encoder is much wider, so its shape is counted too, on PyTorch's `meta` device, which has shapes and no numbers.


# %%
def like_mbert(technique: str):
    """A classifier of mBERT's shape, without numbers: BERT base with this vocabulary."""
    with torch.device("meta"):
        classifier = BertForSequenceClassification(BertConfig(vocab_size=119_547, num_labels=3))
        return tuning.create(technique if technique in FROZEN else "full").apply(classifier)


at_mbert = {t: count(like_mbert(t)) for t in NAMES}
counted = {(task, t): count(built(task, t)) for task in wanted for t in NAMES}

# %% tags=["remove-input"]
title = {task: task.removeprefix("mini-").upper() for task in wanted}
share = lambda numbers: f"{numbers[0] / numbers[1]:.2%}"  # noqa: E731
for t in FROZEN:
    say(**{f"share_{t}": share(counted[first_task, t]), f"share_mbert_{t}": share(at_mbert[t])})
body = []
for t, name in NAMES.items():
    cells = (*(counted[task, t] for task in wanted), at_mbert[t])
    body.append((name, *(f"{numbers[0]:,} ({share(numbers)})" for numbers in cells)))
caption = "Trained parameters, new head included, and their share of all parameters of the model"
chapters.table(("", *(f"{task}, our encoder" for task in wanted), "XNLI, mBERT's shape"), body, caption)

# %% [markdown]
# Adapters train {glue:text}`frozen-share-adapter` of {glue:text}`frozen-encoder` and
# {glue:text}`frozen-share-mbert-adapter` of mBERT: the same bottleneck of 64 is nearly no bottleneck in a narrow
# encoder. For BitFit it is {glue:text}`frozen-share-bitfit` and {glue:text}`frozen-share-mbert-bitfit`, for soft
# prompts {glue:text}`frozen-share-prompt` and {glue:text}`frozen-share-mbert-prompt`.
#
# ## What is frozen does not move
#
# An optimizer with weight decay, a tied weight or a forgotten flag would move what is called frozen. So we train each
# technique on 160 English examples, with exactly the hyper-parameters of the paper's Table 16, and compare every
# parameter with the pretrained checkpoint, bit by bit.

# %%
table16 = printed_table("anonymous2021frustratingly", 16)
COLUMN = {"tokens": "# Prompts", "lr": "LR", "epochs": "Epochs", "bottleneck": "Size"}
row16 = {(task, setup_of(row.partition(", ")[2])): row for row in table16.rows for task in wanted if title[task] in row}


def as_printed(task: str, technique: str) -> dict:
    """The row of Table 16 as settings of a run; empty where it has none."""
    if (task, technique) not in row16:
        return {}
    cells = {key: table16.cell(row16[task, technique], name).printed for key, name in COLUMN.items()}
    own = {"prompt": "tokens", "adapter": "bottleneck"}.get(technique)
    return {"lr": float(cells["lr"]), "epochs": int(cells["epochs"])} | ({own: int(cells[own])} if own else {})


printed_seeds = [int(seed) for seed in next(iter(table16.rows.values()))["Seeds"].split(",")]
small = chapters.given(model=model) | {"train_size": 160, "dev_size": 64, "seed": printed_seeds[0]}
keys = [(task, t) for task in wanted for t in FROZEN]
checks = {key: config_for(preset, key[0], **small | {"tuning": key[1]} | as_printed(*key)) for key in keys}
checked = dict(zip(checks, run_many(list(checks.values()), options, workers), strict=True))


# %%
def moved(task: str, technique: str, run) -> Counter:
    """Pretrained parameters of a trained model that changed, of those that are frozen and of those that are not."""
    after = load_model(run)
    before = models.pretrained_weights(run.pretrained, after)
    trained = {name for name, p in built(task, technique).named_parameters() if p.requires_grad}
    numbers = Counter(frozen=0, frozen_moved=0, trained=0, trained_moved=0)
    for name, w in after.named_parameters():
        if name in before:
            kind = "trained" if name in trained else "frozen"
            numbers[kind] += w.numel()
            numbers[f"{kind}_moved"] += int((w != before[name]).sum())
    return numbers


# %% tags=["remove-input"]
outcome = {key: moved(*key, run) for key, run in checked.items()}
say(frozen=f"{sum(one['frozen'] for one in outcome.values()):,}", models_checked=len(outcome))
say(moved=f"{sum(one['frozen_moved'] for one in outcome.values()):,}")
head = ("", "frozen parameters", "of these moved", "pretrained and trained", "of these moved")
body = [(f"{task}: {NAMES[t]}", *(f"{n:,}" for n in numbers.values())) for (task, t), numbers in outcome.items()]
caption = "Parameters after training against the pretrained checkpoint, trained in this build with the settings of"
chapters.table(head, body, f"{caption} Table 16 on 160 examples")

# %% [markdown]
# Of the {glue:text}`frozen-frozen` frozen parameters of the {glue:text}`frozen-models-checked` models,
# {glue:text}`frozen-moved` differ from the pretrained ones in any bit. So the encoder of a frozen technique *cannot* forget:
# take the inserted modules and the changed biases away and the pretrained encoder is back.
#
# ## The protocol, and Table 16
#
# All start from the same pretrained encoder; the checkpoint is the one with the best English development score.

# %% tags=["hide-input", "reads:records"]
settings = chapters.given(model=model, train_size=train_size, epochs=epochs)
order = ("bitfit", "adapter", "prompt", "baseline", "l2")  # those trained here are frozen ones
protocol = protocols.frozen(preset, tasks=wanted, techniques=order, seeds=seeds, size=size, **settings)
if printed_settings:
    tuned = {}
    for (task, technique, seed), config in protocol.configs.items():
        values = as_printed(task, technique)
        own = {k: values.pop(k) for k in ("tokens", "bottleneck") if k in values}
        tuned[task, technique, seed] = config.with_(**values, tuning_hyper={**config.tuning_hyper, **own})
    protocol = replace(protocol, configs=tuned)
found = records.obtain(protocol, options, workers=workers, live=chapters.how_many(live))
chapters.records_box(found)

# %% tags=["remove-input"]
here = [key for key in found.live if key[1] in FROZEN]
strays = [key for key in here if moved(*key[:2], found.runs[key])["frozen_moved"]]
body, differing = [], []
for task, t in checks:
    run, printed = found.runs[task, t, seeds[0]], as_printed(task, t)
    ours, cells = {"lr": run.config.lr, "epochs": run.config.epochs} | dict(run.config.tuning_hyper), []
    for key in COLUMN:
        cells.append(f"{ours[key]:g}" if key in ours else "")
        if key in printed and ours[key] != printed[key]:
            cells[-1] += f" (paper: {printed[key]:g})"
            differing.append(f"{task}, {NAMES[t]}: {COLUMN[key]} {cells[-1].split()[0]} instead of {printed[key]:g}")
    body.append((f"{task}: {NAMES[t]}", *cells, *(f"{run.manifest[key]:,}" for key in ("train_pairs", "steps"))))
plain, facts = found.runs[first_task, "baseline", seeds[0]], chapters.facts(found)
say(live=f"{len(strays)} of {len(here)}", settings="; ".join(differing) or "none", **facts, train=facts["pairs"])
say(lam=f"{found.runs[first_task, 'l2', seeds[0]].config.hyper['lam']:g}", lr_full=f"{plain.config.lr:g}")
say(paper_seeds=f"{len(printed_seeds)} ({', '.join(map(str, printed_seeds))})")
head = ("", "prompt vectors", "learning rate", "epochs", "bottleneck", "training examples", "steps")
chapters.table(head, body, "Table 16 and ours; empty: the technique has no such setting")

# %% [markdown]
# A frozen parameter has moved in {glue:text}`frozen-live` models of frozen techniques that were trained here for the
# tables below. Not as in Table 16 are: {glue:text}`frozen-settings`. With `-p printed_settings True` they are trained
# as printed (vanilla and L2 keep theirs). The paper's seeds are {glue:text}`frozen-paper-seeds`; ours are
# {glue:text}`frozen-seeds`. Vanilla and L2 ($\lambda =$ {glue:text}`frozen-lam`) have the encoder's own learning rate,
# {glue:text}`frozen-lr-full`: where few parameters are trained, each must move farther. Every model below saw
# {glue:text}`frozen-train` English examples. The paper does not say among how many settings its own are the best.

# %%
SCORE = {task: {"sequence": "accuracy", "token": "f1"}[TASKS[task].kind] for task in wanted}
studies = {}
for task in wanted:
    keys = {t: [(task, {"vanilla": "baseline"}.get(t, t), seed) for seed in seeds] for t in NAMES}
    ours = {t: chapters.score_frame(found, keys[t], SCORE[task]) for t in NAMES}
    studies[task] = chapters.Comparison(task, ours, "anonymous2021frustratingly", NAMES)


def by_seed(task: str, technique: str, test: str) -> np.ndarray:
    """The score [%] of each seed: English, zero-shot (mean over the shared targets), or the gap between the two."""
    source, zero = (studies[task].of(technique, codes).mean(axis=1) for codes in ([english], studies[task].shared))
    return {"en": source, "zero-shot": zero, "gap": source - zero}[test]


def difference(task: str, technique: str, test: str):
    """Technique minus vanilla [points], over seeds."""
    return interval_of_mean(by_seed(task, technique, test) - by_seed(task, "vanilla", test))


# %% tags=["remove-input"]
table6 = printed_table("anonymous2021frustratingly", 6)
printed6 = {}
for task, column in ((task, column) for task in wanted for column in table6.columns if title[task] in column):
    test = "en" if column.startswith("en") else "zero-shot"
    printed6 |= {(task, setup_of(row), test): table6.cell(row, column).number for row in table6.rows}
for task, t, _ in list(printed6):
    printed6[task, t, "gap"] = printed6[task, t, "en"] - printed6[task, t, "zero-shot"]


def beside(task: str, technique: str, test: str) -> list[str]:
    """Ours, minus vanilla, the paper's, minus vanilla."""
    theirs, base = (printed6.get((task, t, test)) for t in (technique, "vanilla"))
    change = f"{difference(task, technique, test):+.2f}" if technique != "vanilla" else ""
    gain = f"{theirs - base:+z.2f}".replace("-", "−") if theirs is not None and technique != "vanilla" else ""
    return [f"{by_seed(task, technique, test).mean():.2f}", change, "" if theirs is None else f"{theirs:.2f}", gain]


uncounted = {task: [c for c in one.targets if c not in one.shared] for task, one in studies.items()}
left_out = "; ".join(f"{task}: {', '.join(codes) or 'none'}" for task, codes in uncounted.items())
say(left_out=left_out, over=f"Student-t intervals over {facts['seeds']}")

# %% [markdown]
# ## Table 6: English and zero-shot
#
# The score is accuracy on XNLI, and on UDPOS the F1 of {cite:t}`hu2020xtreme`'s script ({doc}`/methods`). *Zero-shot*
# is the mean over the languages that the paper's tables have; we have more (not counted: {glue:text}`frozen-left-out`),
# and those are in the figure below. Differences to vanilla are paired ({glue:text}`frozen-over`). With three seeds such
# an interval is {math}`t_{2, 0.975} / \sqrt 3 \approx 2.5` standard deviations to each side: only large differences can
# be settled.

# %% tags=["remove-input"]
body = []
for task, test, t in ((task, test, t) for task in wanted for test in ("en", "zero-shot") for t in NAMES):
    cells, ours = beside(task, t, test), difference(task, t, test)
    gain = printed6.get((task, t, test), math.nan) - printed6.get((task, "vanilla", test), math.nan)
    judged = verdict(ours.value, (ours.low, ours.high), gain).outcome if gain == gain and t != "vanilla" else ""
    body.append((f"{task}, {test}: {NAMES[t]}", *cells, judged))
head = ("", "ours", "minus vanilla, 95 %", "paper", "paper: minus vanilla", "verdict")
caption = f"Scores [%] and differences [points] beside Table 6; Student-t over {facts['seeds']}"
display(chapters.table(head, body, caption))
guess, reached, at_chance = {}, {}, {}
for task in wanted:
    scored = protocol.measures[task, "baseline", seeds[0]][0]
    for code in TASKS[task].languages:
        guess[task, code] = chapters.commonest(TASKS[task], code, scored.split, scored.size, options.data_dir)
        for t in NAMES:
            key = {"vanilla": "baseline"}.get(t, t)
            each = [found.measured[task, key, seed][0]["accuracy"][code] for seed in seeds]
            reached[task, t, code] = np.mean([value.value for value in each])
            if reached[task, t, code] - 1.96 * max(value.stderr or 0 for value in each) <= guess[task, code]:
                at_chance.setdefault((task, t), []).append(code)
say(chance="; ".join(f"{task}, {NAMES[t]} ({', '.join(at_chance[task, t])})" for task, t in at_chance) or "none")
full = [f"{task}, {NAMES[t]}" for task in wanted for t in NAMES if by_seed(task, t, "en").mean() >= 99]
say(ceiling="; ".join(full) or "none")

# %% [markdown]
# **Chance and ceiling.** At chance is a model whose accuracy, mean over the seeds, is not above the share of the
# commonest class by more than 1.96 standard errors (of one seed, over examples): {glue:text}`frozen-chance`.
# Differences between such scores say nothing, and a gap between two of them is small for no good reason. At the
# ceiling, an English score of 99 % or more, is {glue:text}`frozen-ceiling`: there the gap is little more than 100 minus
# the zero-shot score.

# %% tags=["remove-input"]
changed = settings if printed_settings else settings | {"settings": "not those of Table 16"}
evidence = chapters.Evidence("frozen", found, preset, changed, store=options.store)
for task, test in ((task, test) for task in wanted for test in ("zero-shot", "en")):
    claim = f"l2-t6-{title[task].lower()}" + "-en" * (test == "en")
    if claim in evidence.claims:
        points = {t: by_seed(task, {"baseline": "vanilla"}.get(t, t), test) for t in order}
        keys = {t: [(task, t, seed) for seed in seeds] for t in order}
        evidence.settle_pairs(claim, lambda a, b, x=points: interval_of_mean(x[a] - x[b]), keys.get)
as_table16 = [run for key, run in checked.items() if as_printed(*key)]
if len(as_table16) == len(table16.rows):
    done = {"value": float(all(np.isfinite(run.summary["dev_loss"]) for run in as_table16)), "n": len(as_table16)}
    done |= {"low": math.nan, "high": math.nan, "seeds": printed_seeds[:1], "run_keys": [run.key for run in as_table16]}
    evidence.settle("l2-t16-settings", done, [])
evidence.table("Table 6", "Table 16", caption="The paper's claims, and ours (Table 16: on 160 examples)")

# %% [markdown]
# ## How many parameters does it take?
#
# The techniques differ in kind, but above all in number. If the number were all, the points of the next figure would
# lie on one rising curve, in English and zero-shot alike. Before you look: which technique will lie above it?

# %% mystnb={"figure": {"name": "fig-frozen-size", "caption": "Score against the number of trained parameters, head included. Hollow: English. Filled: zero-shot, the mean over the target languages. Left: ours, with 95 % Student-t intervals over seeds (none with one seed); the dotted line is the accuracy of always guessing the commonest class in English, where the score is an accuracy. Right: the paper's Table 6, at the counts of mBERT's shape, without intervals, which it does not print."}, "image": {"alt": "Panels, a row for each task, ours to the left and the paper's to the right: score against trained parameters on a logarithmic axis, one marker a technique, hollow for English above filled for zero-shot."}} tags=["hide-input"]
panels = [f"{title[task]}, {who}" for task in wanted for who in ("ours", "paper (mBERT)")]
axes = iter(figures.panels(panels, (4.8, 3.4)).values())
for task, (ours, theirs) in zip(wanted, zip(axes, axes, strict=True), strict=True):
    for t, name in NAMES.items():
        apart = {"vanilla": 0.88, "l2": 1.14}.get(t, 1)  # the two have as many parameters
        for test, style in (("en", {"mfc": "white"}), ("zero-shot", {"label": name, "mfc": None})):
            one = interval_of_mean(by_seed(task, t, test))
            figures.marks(ours, [counted[task, t][0] * apart], [one], figures.SETUPS[t], **style)
            if (task, t, test) in printed6:
                mark = dict(mfc=style["mfc"] or figures.SETUPS[t].colour)
                figures.marks(theirs, [at_mbert[t][0] * apart], [printed6[task, t, test]], figures.SETUPS[t], **mark)
    if TASKS[task].kind == "sequence":
        ours.axhline(100 * guess[task, english], color=figures.FAINT, ls=":")
    low, high = ours.get_ylim()  # intervals of few seeds reach farther
    ours.set(ylim=(max(low, -3), min(high, 103)), ylabel="F1 [%]" if SCORE[task] == "f1" else "accuracy [%]")
    for ax in (ours, theirs):
        ax.set(xscale="log", xlabel="trained parameters [count]")
theirs.legend(*ours.get_legend_handles_labels(), loc="center", fontsize=7)  # where no mark is
plt.tight_layout()
plt.show()

# %% [markdown]
# A mark above one to its right scores higher with fewer parameters; the table above says whether by more than noise.
#
# ## Tables 17 and 18: language by language

# %% mystnb={"figure": {"name": "fig-frozen-languages", "caption": "Change of the score against vanilla fine-tuning by language, in points. Ours: mean over the seeds, with the 95 % Student-t interval over seeds (none with one seed). Paper: Tables 17 and 18 minus the vanilla rows of Tables 2 and 8, without intervals, which it does not print. Languages that the paper's tables do not have are empty there."}, "image": {"alt": "For each task two panels, one above the other, ours and the paper's: for each language the change of the score by L2, soft prompts, BitFit and adapters, around a line at zero."}} tags=["hide-input"]
fig, axes = plt.subplots(2 * len(wanted), 1, figsize=(9.6, 5.4 * len(wanted)), squeeze=False)
for number, (task, one) in enumerate(studies.items()):
    codes = [english, *one.shared, *uncounted[task]]
    for row, (who, values) in enumerate((("ours", one.changes), ("paper", one.gains))):
        ax = axes[2 * number + row, 0]
        shown = {NAMES[t]: (figures.SETUPS[t], values(t)) for t in NAMES if t != "vanilla" and values(t)}
        figures.marks_by_language(ax, codes, shown)
        low, high = ax.get_ylim()  # no change can be larger, though an interval of few seeds can
        ax.set(ylim=(max(low, -100), min(high, 100)), ylabel=f"{title[task]}, {who}:\nchange [points]")
plt.show()

# %% tags=["remove-input"]
body = []
for task, one in studies.items():
    for t in list(NAMES)[1:] if one.shared else ():
        reached_share = one.share(t)
        low, high = reached_share["low"], reached_share["high"]
        shares = f"{reached_share['value']:.2f}" + ("" if np.isnan(low) else f" [{low:.2f}, {high:.2f}]")
        theirs = sum(value > 0 for code, value in one.gains(t).items() if code != english) if one.gains(t) else ""
        body.append((f"{task}: {NAMES[t]}", f"{len(one.better(t))} of {len(one.shared)}", shares, theirs))
        claim = f"l2-t{BY_LANGUAGE[one.paper].get(title[task].lower(), (0,))[-1]}-{t}"
        if claim in evidence.claims:
            evidence.settle(claim, reached_share, [(task, name, seed) for name in (t, "baseline") for seed in seeds])
caption = f"Target languages in which a technique is better than vanilla, mean over {facts['seeds']}"
display(chapters.table(("", "better than vanilla", "share, median over seeds", "paper: better in"), body, caption))
for task, one in studies.items():
    codes = [english, *one.shared]
    body = [(name, *(f"{one.mean(t, [c]):.1f}" for c in codes)) for t, name in NAMES.items()]
    for t in (t for t in NAMES if t in one.printed):
        body.append((f"paper: {NAMES[t]}", *(f"{one.printed[t][c]:.1f}" for c in codes)))
    display(chapters.table(("", *codes), body, f"{task}: score [%] by language, mean over {facts['seeds']}"))
outcomes = Counter(row.verdict for row in evidence.rows("Table 6", "Table 17", "Table 18"))
say(verdicts=", ".join(f"{outcome}: {n}" for outcome, n in outcomes.most_common()), tested=outcomes.total())
evidence.table("Table 17", "Table 18", caption="Language by language: the paper's claims, and ours")

# %% [markdown]
# A share has no interval over languages: the same model is scored in all of them, so that one lucky seed moves many at
# once. Its median over seeds has one, from six seeds on.
#
# ### The same on real text

# %% tags=["remove-input", "reads:records"]
real = records.committed(protocols.frozen("real", seeds=chapters.SEEDS))
parts = {t: {"vanilla": "baseline"}.get(t, t) for t in NAMES}
called = {part: NAMES[t] for t, part in parts.items()}
for name in ("xnli", "udpos"):
    for end, codes in (("", []), ("-en", [english])):
        chapters.real_order(evidence, real, name, f"l2-t6-{name}{end}", {part: part for part in called}, codes)
paper = studies[first_task].paper
chapters.show(chapters.real_box(real))
chapters.show(*chapters.real_setups(evidence, real, parts, NAMES, paper, lambda key: called[key[1]]))
chapters.show(chapters.reading(chapters.real_changes(real, lambda key: called[key[1]])))

# %% [markdown]
# ## Is the gap smaller?
#
# The paper concludes that freezing "can result in better zero-shot performance in some cases", though English is
# "slightly worse". Then the *transfer gap*, English minus zero-shot, should shrink.

# %% mystnb={"figure": {"name": "fig-frozen-gap", "caption": "Transfer gap, English minus zero-shot, in points. Filled: ours, with the 95 % Student-t interval over seeds (none with one seed). Hollow: the paper's Table 6."}, "image": {"alt": "One panel per task: the transfer gap of vanilla, L2, soft prompts, BitFit and adapters, ours as filled marks with intervals and the paper's as hollow marks."}} tags=["hide-input"]
for task, ax in figures.panels(wanted, (4.8, 3.4)).items():
    for place, t in enumerate(NAMES):
        figures.marks(ax, [place - 0.1], [interval_of_mean(by_seed(task, t, "gap"))], figures.SETUPS[t])
        if (task, t, "gap") in printed6:
            figures.marks(ax, [place + 0.15], [printed6[task, t, "gap"]], figures.SETUPS[t])
    low, high = ax.get_ylim()  # intervals of few seeds may reach farther
    ax.set(ylabel="gap [points]", ylim=(min(0, max(low, -20)), min(high, 100)))
    ax.set_xticks(range(len(NAMES)), list(NAMES.values()), fontsize=8.5)
    ax.grid(visible=False, axis="x")
plt.show()

# %% tags=["remove-input"]
body, told = [], []
for task in wanted:
    verdicts = {}
    for t in NAMES:
        ours = difference(task, t, "gap")
        outcome = verdict(ours.value, (ours.low, ours.high), sign=-1).outcome if t != "vanilla" else ""
        verdicts[t] = {AGREES: "smaller", DISAGREES: "larger", "": ""}.get(outcome, "cannot say")
        ends = [signed(difference(task, t, test).value, 2) if t != "vanilla" else "" for test in ("en", "zero-shot")]
        body.append((f"{task}: {NAMES[t]}", *beside(task, t, "gap"), *ends, verdicts[t]))
    for word in ("smaller", "larger", "cannot say"):
        named = [NAMES[t] for t in FROZEN if verdicts[t] == word]
        told += [f"{task}: {word} for {', '.join(named)}"] if named else []
say(gap="; ".join(told))
head = ("", "gap", "minus vanilla, 95 %", "paper: gap", "minus vanilla", "English", "zero-shot", "than vanilla's")
chapters.table(head, body, f"Transfer gap [points], English minus zero-shot, over {facts['seeds']}; change of its ends")

# %% [markdown]
# {glue:text}`frozen-gap`. A gap can shrink from either end, and a model that guesses has none: see the change of both.
#
# ````{exercise} ★ Count the biases by hand
# :label: frozen-ex-count
#
# A layer of BERT has width $d$ and a feed-forward width $f$. How many biases does BitFit train in it? Add those of the
# embeddings' LayerNorm and of the pooler and compare with the model.
# ````
#
# ````{solution-start} frozen-ex-count
# :class: dropdown
# ````
#
# Query, key, value and output projection have $4d$ biases, the feed-forward layer $f + d$, two LayerNorms $2d$; the
# LayerNorm of the embeddings and the pooler add $d$ each.

# %%
mbert, d, f, layers = like_mbert("bitfit"), 768, 3072, 12
by_hand = layers * (4 * d + f + d + 2 * d) + d + d
head_weights = sum(p.numel() for _, p in tuning.head(mbert))
print(f"by hand:      {by_hand + head_weights:,}")
print(f"in the model: {count(mbert)[0]:,}")

# %% [markdown]
# ````{solution-end}
# ````
#
# ````{exercise} ★★ A gap that guessing cannot close
# :label: frozen-ex-retained
#
# Define a transfer score that is not better for a model that has learnt less. Which technique is best by it, and what
# is its value for a model at chance?
# ````
#
# ````{solution-start} frozen-ex-retained
# :class: dropdown
# ````
#
# Of what is learnt in English, how much arrives? With the accuracy $c$ of guessing, (zero-shot $- c$) / (English $-
# c$) is 1 if all arrives, and negative where guessing would be better. For a model at chance it is 0 / 0: undefined, as
# it should be, instead of perfect. Its noise grows as English approaches chance.


# %%
def retained(task: str, technique: str) -> float | None:
    """Share of the English accuracy above chance that is left."""
    if english in at_chance.get((task, technique), []):
        return None
    above = {c: reached[task, technique, c] - guess[task, c] for c in (english, *studies[task].shared)}
    return np.mean([above[c] for c in studies[task].shared]) / above[english]


for task in wanted:
    for technique in NAMES:
        left = retained(task, technique)
        said_of = "undefined" if left is None else f"{left:.0%}"
        print(f"{task}, {NAMES[technique]}: {said_of}")

# %% [markdown]
# ````{solution-end}
# ````
#
# ````{exercise} ★★★ A technique of your own
# :label: frozen-ex-own
#
# Adapters train the LayerNorms as well. How much of their effect is that? Write a technique that trains nothing but
# the LayerNorms and the head.
# ````
#
# ````{solution-start} frozen-ex-own
# :class: dropdown
# ````
#
# A technique is a frozen dataclass with `apply`. In a file of `xlgen/models/tuning/` it is available everywhere, as
# `-p tuning layernorm` or `--set tuning=layernorm`; here it is enough to apply it.


# %%
@dataclass(frozen=True)
class LayerNorms:
    """Train the LayerNorms and the head."""

    inserts: ClassVar[bool] = False
    lr: ClassVar[float] = 1e-3
    positions: ClassVar[int] = 0

    def apply(self, classifier):
        on_top = {name for name, _ in tuning.head(classifier)}
        for name, p in classifier.named_parameters():
            p.requires_grad_(name in on_top)
        for module in classifier.modules():
            if type(module).__name__.endswith("LayerNorm"):
                module.requires_grad_(True)
        return classifier


trained, total = count(LayerNorms().apply(built(first_task, "vanilla")))
print(f"{trained:,} of {total:,} parameters ({trained / total:.2%})")

# %% [markdown]
# Compare it with adapters *and* with BitFit, which trains the biases of the LayerNorms and all others.
#
# ````{solution-end}
# ````
#
# ```{admonition} Concept check: BitFit trains a thousandth of the weights, so a training step costs a thousandth. True?
# :class: dropdown
# *False.* The misconception is that what is frozen is free. The forward pass is the same, and gradients still pass through
# every layer down to the lowest trained bias; only the gradients of the matrices are left out, about a third of the work.
# What shrinks is the optimizer's memory and the file of each task.
# ```
#
# ```{admonition} What we learnt
# :class: important
# - Soft prompts, BitFit and adapters train {glue:text}`frozen-share-prompt`, {glue:text}`frozen-share-bitfit` and
#   {glue:text}`frozen-share-adapter` of {glue:text}`frozen-encoder`. Of what is frozen, {glue:text}`frozen-moved`
#   parameters moved.
# - The {glue:text}`frozen-tested` claims of Tables 6, 17 and 18: {glue:text}`frozen-verdicts`, of this encoder and
#   {glue:text}`frozen-train` English examples, {glue:text}`frozen-seeds`, beside the paper's mBERT on all data.
# - The transfer gap, compared with vanilla's: {glue:text}`frozen-gap`. At chance: {glue:text}`frozen-chance`.
# ```
#
# ```{admonition} Your turn
# :class: tip
# All models trained here, without committed records (30 short runs); the settings of Table 16 as printed:
#
#     papermill notebooks/frozen.ipynb out.ipynb -p live all
#     papermill notebooks/frozen.ipynb out.ipynb -p printed_settings True
#
# The paper's full protocol: mBERT, all English data, Table 16's settings and seeds (a GPU and days; with
# `-p model mini -p train_size 600` the same on real files in minutes, see {doc}`/running`):
#
#     papermill notebooks/frozen.ipynb out.ipynb -p preset paper -p printed_settings True -p seeds 42,10,20 -p size 0 \
#         -p data_dir archives
# ```

# %% tags=["remove-input"]
provenance(
    [run.key for run in (*found.runs.values(), *checked.values())],
    {"preset": preset, "tasks": wanted, "model": encoder, "seeds": seeds, "printed_settings": printed_settings}
    | {"size": size, "live": live}
    | chapters.given(train_size=train_size, epochs=epochs),
)
