# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How far is a language from English?
#
# Before any fine-tuning, can one say in which languages it will transfer? {cite:t}`anonymous2021frustratingly` compare
# the *Fisher information* of two languages: which weights matter for English text, and which for text in another
# language? The Fréchet distance of the two goes along with zero-shot performance (their Table 5). It needs no label, so
# if it holds, it is what one wants to know before deploying in a new language. This page computes all distances between
# all languages, correlates them with transfer on four tasks, and looks for what the distance is made of.
#
# ```{admonition} What you will learn
# :class: tip
# - What the Fréchet distance of two Fisher informations is, and why it lies between 0 and 1.
# - How it goes along with zero-shot performance here, with intervals, on plain text and on the task's test set.
# - What inflates it: embedding rows that two languages do not share, and too few examples; and what simpler number it
#   has to beat.
# ```

# %% tags=["parameters", "hide-input"]
preset: str = "mini"  # sizes: mini (offline miniature), small (20,000 real English pairs) or paper
tasks: list = []  # the first has pairs of sentences and gives the second corpus; empty: the paper's four
model: str = ""  # mini, a hub id or a folder; empty: the preset's own
seed: int = 0  # random seed of the fine-tuning
examples: int = 200  # paragraphs of plain text of each language [count]
folds: int = 4  # parts for standard errors and sizes, at least 2; each is a file of 4 bytes a parameter a language
train_size: int = None  # English training examples [count], 0: all; None: the preset's own
epochs: int = None  # passes over the training examples [count]; None: the preset's own
data_dir: str = ""  # folder with the official archives; empty: the hub
text_dir: str = ""  # a folder with <language>.txt; empty: the miniature's own text, or Wikipedia
store: str = ""  # folder of trained models, measures and Fisher informations; empty: runs/
live: "int or all" = 1  # models trained here even where a record is committed [count], or all
workers: int = 1  # models trained or measured side by side [processes]; the book runs chapters side by side

# %% tags=["hide-cell"]
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from paper import chapters, figures, protocols, records
from paper.notebook import provenance
from paper.published import printed_table
from xlgen import models
from xlgen.analysis import FEWEST, correlate, fisher_interval, signed, verdict
from xlgen.data import text
from xlgen.data.catalogue import TASKS
from xlgen.data.mini.corpus import weights
from xlgen.data.mini.lexicon import lexicon
from xlgen.fisher import of_text
from xlgen.fisher.frechet import distances

figures.use_style()
say = chapters.Say("frechet")
tasks = chapters.words(tasks)

# %% [markdown]
# ## The distance
#
# The diagonal of a Fisher information has one number for each weight: how much the log-likelihood of the data depends
# on it. Divide by its sum, $\hat F = F / \mathrm{tr} F$, and it is a distribution over weights. The paper's equation 3
# is
#
# $$ d^2(\hat F_1, \hat F_2) = \tfrac12\, \mathrm{tr} \big( \hat F_1 + \hat F_2 - 2 (\hat F_1 \hat F_2)^{1/2} \big)
# = 1 - \sum_i \sqrt{\hat F_{1,i}}\, \sqrt{\hat F_{2,i}} , $$ (eq-frechet-distance)
#
# for diagonal matrices. The second form shows that it is the squared Hellinger distance of two distributions: 0 where
# both languages need the same weights in the same proportions, 1 where they need different ones.
# {cite:t}`kirkpatrick2017ewc`, who use it between tasks and layer by layer, call $1 - d^2$ the overlap.

# %% tags=["remove-input"]
comma, loss = (sentence.partition(" Here: ")[0] for sentence in chapters.conflicts("frechet-comma", "short-frechet"))
chapters.box(
    "warning",
    "Two gaps in the paper",
    f"{comma} Here: the product, as Kirkpatrick et al. have it.",
    f"{loss} Here: both readings, the masked-language-model loss of the pretrained encoder on the texts of the test set, "
    "and the loss of the task at the fine-tuned weights with its labels. How much the choice matters is in the table "
    "below.",
)

# %% [markdown]
# ## Fisher information of text
#
# For every language, text without labels: 15 % of the sub-words of a paragraph are hidden, and the gradient of the
# log-likelihood of the hidden ones is squared, paragraph by paragraph. The encoder is the pretrained one. The miniature
# writes its own text, unrelated sentences in every language; with a real encoder it is Wikipedia. An encoder of
# sentences, such as multilingual E5, has no masked-language-model loss: where this page says so, it is then that of
# finding a sentence's translation ({mod}`xlgen.fisher.contrastive`). Before you look: which language is nearest to
# English?

# %%
options = chapters.options_for(store, data_dir, text_dir)
tasks = tasks or [protocols.name_of(task, preset) for task in ("xnli", "wikiann", "udpos", "pawsx")]
main, english = tasks[0], TASKS[tasks[0]].source_language
union = dict.fromkeys(code for task in tasks for code in TASKS[task].languages)
languages = [english, *(code for code in union if code != english)]
changed = chapters.given(model=model, train_size=train_size, epochs=epochs)
TEST_SIZE, folds = 120, max(folds, 2)  # test examples of each language [count]
protocol = protocols.distances(preset, tasks=tasks, seed=seed, size=TEST_SIZE, folds=folds, **changed)
encoder, max_length = protocol.configs[main].model, protocol.configs[main].max_length


def informations(texts: dict) -> dict:
    """Fisher information of each fold of each language's text."""
    how = of_text.Settings(max_length)
    parts = {
        code: [text.Text(t.languages, t.source, t.paragraphs[k::folds]) for k in range(folds)]
        for code, t in texts.items()
    }
    return {code: [of_text.of_text(encoder, fold, how, options) for fold in each] for code, each in parts.items()}


def compare(of_folds: dict):
    """All distances between the languages."""
    diagonals = {code: [fold.diagonal() for fold in each] for code, each in of_folds.items()}
    counts = {code: [fold.facts["examples"] for fold in each] for code, each in of_folds.items()}
    return distances(diagonals, of_folds[english][0].facts["embeddings"], counts)


plain = {code: of_text.read(encoder, [code], examples, options) for code in languages}
of_plain = informations(plain)
on_text = compare(of_plain)

# %% tags=["hide-input"]
scripts = {code: lexicon(code).script for code in languages}  # the writing system, by the miniature's lexicon
by_script = list(dict.fromkeys(scripts.values()))
ordered = sorted(languages, key=lambda code: (by_script.index(scripts[code]), languages.index(code)))


def part_of(name: str) -> str:
    """How tables and figures call a part of the encoder."""
    return name.rpartition("encoder.")[2].replace("without_embeddings", "without embeddings")


def by_part(compared, matrices: dict | None = None) -> dict[str, pd.DataFrame]:
    """The distances, or other ``matrices``, as a table of languages by languages, for each part of the encoder."""
    if matrices is None:
        matrices = {"overall": compared.d2, "without_embeddings": compared.without_embeddings, **compared.by_layer}
    each = compared.languages
    return {part_of(name): pd.DataFrame(matrix.numpy(), each, each) for name, matrix in matrices.items()}


def heat(ax, d2: pd.DataFrame, small: bool) -> None:
    """A matrix of distances, languages in one order, lines between the scripts."""
    order = [code for code in ordered if code in d2.index]
    image = ax.imshow(d2.loc[order, order], cmap="cividis", vmin=0)
    ax.set_xticks(range(len(order)), order, rotation=90, fontsize=5 if small else 8)
    ax.set_yticks(range(len(order)), order, fontsize=5 if small else 8)
    ax.grid(visible=False)
    for i in range(1, len(order)):
        if scripts[order[i]] != scripts[order[i - 1]]:
            ax.axhline(i - 0.5, color="white", lw=0.8)
            ax.axvline(i - 0.5, color="white", lw=0.8)
    bar = plt.colorbar(image, ax=ax, shrink=0.8)
    bar.ax.tick_params(labelsize=6 if small else 8)
    bar.set_label("" if small else "$d^2$ [0 to 1]")


parts = by_part(on_text)
layers = [part for part in parts if part not in ("overall", "without embeddings")]

# %% mystnb={"figure": {"name": "fig-frechet-matrix", "caption": "Squared Fréchet distances between the Fisher informations of text, pretrained encoder. Languages are in the order of their scripts, white lines between them. Left: all weights of the encoder. Right: without the embedding tables; note the other scale."}, "image": {"alt": "Two heat maps of distances between all pairs of languages, with white lines between groups of languages with the same script."}} tags=["hide-input"]
for part, ax in figures.panels(["overall", "without embeddings"], (5.2, 4.6)).items():
    heat(ax, parts[part], small=False)
plt.show()

# %% mystnb={"figure": {"name": "fig-frechet-layers", "caption": "The same for every part of the encoder, each normalised to unit trace by itself, as Kirkpatrick et al. do. Each panel has its own scale."}, "image": {"alt": "Small heat maps of distances between languages, one for each layer, one for the embedding tables and one for the other weights."}} tags=["hide-input"]
for part, ax in figures.panels(layers, (3.5, 3.2), columns=3).items():
    heat(ax, parts[part], small=True)
plt.show()

# %% tags=["remove-input"]
say(examples=f"{examples:,}", task=main)
pairs = [(a, b) for i, a in enumerate(languages) for b in languages[:i]]
alike = np.array([scripts[a] == scripts[b] for a, b in pairs])
for part, name in (("overall", "all"), ("without embeddings", "inner")):
    d2 = np.array([parts[part].loc[pair] for pair in pairs])
    say(**{f"same_{name}": f"{d2[alike].mean():.3f}", f"other_{name}": f"{d2[~alike].mean():.3f}"})
others = languages[1:]
from_english = parts["overall"].loc[english, others]
nearest, farthest = from_english.idxmin(), from_english.idxmax()
say(nearest=f"{nearest} ({from_english[nearest]:.3f})", farthest=f"{farthest} ({from_english[farthest]:.3f})")

# %% [markdown]
# In {numref}`fig-frechet-matrix` the nearest language to English is {glue:text}`frechet-nearest` and the farthest
# {glue:text}`frechet-farthest`. Two languages of the same script are {glue:text}`frechet-same-all` apart on average,
# two of different scripts {glue:text}`frechet-other-all`; without the embedding tables {glue:text}`frechet-same-inner`
# and {glue:text}`frechet-other-inner`.
#
# ## Fisher information of the test set
#
# The paper's second corpus is the XNLI test set, whose texts are translations of each other: the same content in every
# language. First with the masked-language-model loss and the pretrained encoder, so that only the text differs from
# above. Then with the loss of the task: the model is fine-tuned on English, and the Fisher information is that of its
# classification, with the labels of the test set.

# %% tags=["reads:records"]
spoken = TASKS[main].languages
found = records.obtain(protocol, options, workers=workers, live=chapters.how_many(live))

rows = {code: TASKS[main].rows(code, "test", options.data_dir).take(TEST_SIZE) for code in spoken}
joined = {code: [*map(" ".join, zip(each.first, each.second, strict=True))] for code, each in rows.items()}
tested = {code: of_text.of_rows(encoder, code, joined, f"{main}, test") for code in spoken}
on_test = compare(informations(tested))
on_task = found.measured[main][1]["frechet"]
chapters.records_box(found)

# %% mystnb={"figure": {"name": "fig-frechet-test", "caption": "Squared Fréchet distances on the test set of the task. Left: masked-language-model loss of the pretrained encoder on its texts. Right: loss of the task at the fine-tuned weights. All weights of the encoder; each panel has its own scale."}, "image": {"alt": "Two heat maps of distances between languages on the test set, languages in the order of their scripts."}} tags=["hide-input"]
axes = figures.panels(["masked-LM loss, pretrained", "loss of the task, fine-tuned"], (5.2, 4.6)).values()
of_task = pd.DataFrame({a: {b: on_task[a].extra["row"][b] for b in spoken} for a in spoken}).T
for ax, d2 in zip(axes, (by_part(on_test)["overall"], of_task), strict=True):
    heat(ax, d2, small=False)
plt.show()

# %% [markdown]
# ## Does the distance say where transfer works?
#
# The vanilla models of the four tasks, fine-tuned on English with the settings of the other chapters, give the
# zero-shot scores: accuracy, or F1 over entities for WikiAnn. Each is correlated with the distance to English, over the
# target languages of the task.

# %% tags=["hide-input"]
SOURCES = {"text": "text, masked LM", "test": "test set, masked LM", "task": "test set, task loss"}
away, stderr, blocks = {}, {}, {}  # distance to English, its standard error, and its folds: languages by parts
for source, compared in (("text", on_text), ("test", on_test)):
    errors = by_part(compared, {"overall": compared.stderr, **compared.stderr_of_parts})
    away[source] = pd.DataFrame({part: d2.loc[english] for part, d2 in by_part(compared).items()})
    stderr[source] = pd.DataFrame({part: error.loc[english] for part, error in errors.items()})
    to_english = {name: d[:, compared.languages.index(english)].T.tolist() for name, d in compared.blocks.items()}
    to_english = {part_of(name.replace("d2", "overall")): d for name, d in to_english.items()}
    blocks[source] = pd.DataFrame(to_english, compared.languages)
away["task"] = pd.DataFrame({code: value.extra["by_layer"] for code, value in on_task.items()}).T
away["task"].columns = [*map(part_of, away["task"])]
away["task"]["overall"] = pd.Series({code: value.value for code, value in on_task.items()})
away["task"]["without embeddings"] = pd.Series({c: v.extra["without_embeddings"] for c, v in on_task.items()})
stderr["task"] = pd.DataFrame({"overall": {code: value.stderr for code, value in on_task.items()}})
blocks["task"] = pd.DataFrame({"overall": {code: value.extra.get("blocks") for code, value in on_task.items()}})
measured = {task: found.measured[task][0][TASKS[task].metric] for task in tasks}
scores = {task: pd.DataFrame([vars(v) for v in values.values()], [*values]) for task, values in measured.items()}


# %%
def targets(source: str, task: str, but: tuple = ()) -> list[str]:
    """The target languages that have both a distance and a score."""
    return [code for code in TASKS[task].languages if code in away[source].index and code not in (english, *but)]


def transfer(source: str, task: str, part: str = "overall", but: tuple = ()):
    """Correlation of distance and score over the target languages; None for fewer than four."""
    codes = targets(source, task, but)
    return correlate(away[source][part][codes], scores[task]["value"][codes]) if len(codes) >= 4 else None


def without_noise(source: str, task: str, part: str = "overall"):
    """Its reliability, and the correlation without noise; None where the errors of a part are not known."""
    codes = targets(source, task)
    if part not in stderr[source]:
        return None
    x_stderr = chapters.errors_apart(stderr[source][part][codes], blocks[source][part][codes])
    y_stderr = chapters.errors_apart(scores[task]["stderr"][codes], score_blocks(task)[codes])
    return chapters.noise_of(away[source][part][codes], x_stderr, scores[task]["value"][codes], y_stderr)


def score_blocks(task: str) -> pd.Series:
    """By how much the score of each language is another in each block of examples; None where that is not known."""
    return scores[task]["extra"].map(lambda extra: extra.get("blocks"))


table_5 = {(source, task): transfer(source, task) for source in SOURCES for task in tasks}
table_5 = {cell: correlation for cell, correlation in table_5.items() if correlation is not None}

# %% mystnb={"figure": {"name": "fig-frechet-transfer", "caption": "Zero-shot score against the squared Fréchet distance to English, one point per target language; first task. Vertical bars: one standard error over examples; horizontal: the jackknife's, where there are folds. Above: Pearson's r with its 95 % interval."}, "image": {"alt": "Three scatter plots of the zero-shot score against the distance to English, one for each corpus and loss, points labelled by language."}} tags=["hide-input"]
for source, ax in zip(SOURCES, figures.panels(SOURCES.values(), (3.8, 4.2), columns=3).values(), strict=True):
    codes = [code for code in spoken if code != english]
    x, y, ours = away[source]["overall"][codes], scores[main].loc[codes], table_5[source, main]
    bars = {"xerr": stderr[source]["overall"][codes], "yerr": y["stderr"]}
    figures.scatter_correlation(ax, x, y["value"], **bars, labels=codes, correlation=ours)
    ax.get_legend().remove()
    ax.set(xlabel="$d^2$ to English", title=f"{SOURCES[source]}\n{ours}")
    ax.set_ylabel(f"{main}: {TASKS[main].metric} (test)" if source == "text" else "")
plt.show()

# %% tags=["remove-input"]
COLUMN = {"xnli": ("XNLI", 2), "wikiann": ("Wikiann", 7), "udpos": ("UDPOS", 8), "pawsx": ("PAWSX", 9)}
PAPER, in_xnli = "anonymous2021frustratingly", TASKS["xnli"].languages
body, outcomes = [], []
for (source, task), ours in table_5.items():
    r, theirs, outcome = ours.pearson, "not printed", ""
    if task.removeprefix("mini-") in COLUMN:
        column, number = COLUMN[task.removeprefix("mini-")]
        cell = printed_table(PAPER, 5).cell("Wiki" if source == "text" else "XNLI", column)
        n = sum(source == "text" or code in in_xnli for code in printed_table(PAPER, number).targets)
        theirs = f"{fisher_interval(cell.number, n)}, n = {n}"
        outcome = verdict(r.value, (r.low, r.high), cell.number, n=ours.n, n_published=n).outcome
        outcomes.append((source, outcome))
    quiet = chapters.noise_cells(without_noise(source, task))
    cells = f"{ours}", f"{r.p:.2g}", signed(ours.spearman.value), *quiet, theirs, outcome
    body.append((f"{SOURCES[source]}: {task}", *cells))
head = ("", "ours, Pearson's r [95 %]", "p", "Spearman's ρ", *chapters.NOISE_HEAD)
head += ("paper, r [interval at its n]", "verdict")
chapters.table(head, body, "Table 5: correlation of the distance to English with the zero-shot score, target languages")

# %% tags=["remove-input"]
for source in SOURCES:
    rs = [ours for (other, _), ours in table_5.items() if other == source]
    beside = Counter(outcome for other, outcome in outcomes if other == source)
    negative, settled = sum(r.pearson.value < 0 for r in rs), sum(map(chapters.is_settled, rs))
    counted = f"{negative} of {len(rs)} are negative, {settled} of all settled"
    listed = ", ".join(f"{n} “{outcome}”" for outcome, n in beside.items()) or "none"
    say(**{f"summary_{source}": f"{counted}; beside the paper's cells: {listed}"})
reliable = {name: chapters.noise_cells(without_noise(source, main))[0] for source, name in SOURCES.items()}
say(reliable="; ".join(f"{value or 'not known'} ({name})" for name, value in reliable.items()))
say(r_text=f"{table_5['text', main]}", four=f"{np.tanh(1.96):.2f}", test_size=TEST_SIZE)
say(encoder=chapters.facts(found)["encoder"], fewest=FEWEST)

# %% [markdown]
# The paper gives no interval and no number of languages; the interval beside its coefficient is the one that such a
# number has over the target languages of its Tables 2, 7, 8 and 9; for the row *XNLI* without Japanese, which that
# test set does not have. With the four languages that are then left of PAWS-X, a coefficient has to exceed
# {glue:text}`frechet-four` for its interval to exclude 0. Its Wikiann and UDPOS columns are F1, ours accuracy for
# UDPOS. Its row *XNLI* stands beside both of our readings. If the claim holds, the coefficients are negative; one is
# settled if its interval excludes 0 and it has {glue:text}`frechet-fewest` points or more:
#
# - text, masked-LM loss: {glue:text}`frechet-summary-text`;
# - test set, masked-LM loss: {glue:text}`frechet-summary-test`;
# - test set, loss of the task: {glue:text}`frechet-summary-task`.
#
# *Reliability* is the share of a distance's variance over the languages that its jackknife errors do not explain, and
# noise alone draws a coefficient towards 0 by its root. All distances are to English, whose own error moves all languages
# alike: where the folds are known it is left out, as in {doc}`xnli`. With {glue:text}`frechet-task` it is
# {glue:text}`frechet-reliable`.
#
# Both rows of the paper's table go into the {doc}`ledger <ledger>`, the second one with the masked-language-model loss.
# How much that choice matters, and what it does to leave out the languages that the XNLI test set does not have:

# %% tags=["remove-input"]
evidence = chapters.Evidence("frechet", found, preset, changed, store=options.store, missing="not among the tasks")
of_xnli = main.removeprefix("mini-") == "xnli"
with evidence:
    for task in tasks:
        for corpus, source in [("wiki", "text"), *([("xnli", "test")] if of_xnli else [])]:
            claim = f"l2-t5-{corpus}-{task.removeprefix('mini-')}"
            if claim in evidence.claims and (source, task) in table_5:
                evidence.settle(claim, table_5[source, task], [task])
sentences = {}
if of_xnli:
    losses = [
        f"{task}: {signed(table_5['test', task].pearson.value)} and {signed(table_5['task', task].pearson.value)}"
        for task in tasks
        if ("test", task) in table_5
    ]
    sentences["short-frechet"] = (
        f"With the masked-language-model loss and with the loss of the task, r is {'; '.join(losses)}."
    )
    less = {task: transfer("text", task, but=tuple(union.keys() - set(in_xnli))) for task in tasks}
    both = [(task, table_5["text", task], less[task]) for task in tasks if ("text", task) in table_5 and less[task]]
    fewer = [
        f"{task} {signed(a.pearson.value)} (n = {a.n}) and {signed(b.pearson.value)} (n = {b.n})"
        for task, a, b in both
        if b.n < a.n
    ]
    sentences["frechet-japanese"] = (
        f"On text, r with all target languages and with those of the XNLI test set alone: {'; '.join(fewer)}."
    )
for name, sentence in sentences.items():
    evidence.choice(name, sentence)
chosen = [f"{why} {sentences[name]}" for name, why in zip(sentences, chapters.conflicts(*sentences), strict=True)]
chapters.box("warning", "Where the paper leaves a choice", *chosen)

# %% tags=["remove-input"]
chapters.correlation_table(
    {f"{SOURCES[source]}: {part}": transfer(source, main, part) for source in SOURCES for part in parts},
    f"By part of the encoder: correlation with the score of {main}, target languages. Of parts of the task's loss "
    "records keep no errors",
    {f"{SOURCES[source]}: {part}": without_noise(source, main, part) for source in SOURCES for part in parts},
)

# %% [markdown]
# The table has many rows, and a coefficient that was sought is worth less than one that was predicted. Read it for
# agreement between rows and not for the largest.
#
# ## The trap: rows that are not shared
#
# The embedding table has one row a sub-word, and a language uses few of them. Where two languages share no sub-words,
# their Fisher informations lie in different rows, whatever the rest of the encoder does. How much this counts can be
# said exactly. With $\alpha_k$ the share of the trace of $F_k$ that lies in the embedding tables,
#
# $$ 1 - d^2 = \sqrt{\alpha_1 \alpha_2}\; (1 - d^2_{\text{embeddings}})
# + \sqrt{(1 - \alpha_1)(1 - \alpha_2)}\; (1 - d^2_{\text{others}}), $$ (eq-frechet-split)
#
# with each part normalised by itself. Two languages with nothing in common in the tables would be at least
# $1 - \sqrt{(1 - \alpha_1)(1 - \alpha_2)}$ apart, however alike the rest.
#
# Not all of the tables belongs to a language. Special sub-words such as the mask are in every text, and so are
# positions; and where the table is also the output layer, as in BERT, every hidden sub-word sends a gradient to *all*
# rows. So we look at the rows of a language's own sub-words apart.
#
# There is a simpler number of the same kind: the squared Hellinger distance of the *frequencies of sub-words* in the
# two texts. It needs a tokenizer, no model and no gradient.

# %%
tokenizer = models.load_tokenizer(encoder)


def counts(paragraphs) -> Counter:
    """How often each sub-word is in a text."""
    how = {"add_special_tokens": False, "truncation": True, "max_length": max_length}
    own = [each if isinstance(each, str) else each[0] for each in paragraphs]  # of translations, the first
    return Counter(piece for ids in tokenizer(own, **how)["input_ids"] for piece in ids)


def frequencies(pieces: Counter) -> dict[int, float]:
    """Relative frequency of each sub-word."""
    return {piece: n / pieces.total() for piece, n in pieces.items()}


def hellinger(p: dict, q: dict) -> float:
    """Squared Hellinger distance of two distributions."""
    return 1 - sum((p[piece] * q[piece]) ** 0.5 for piece in p.keys() & q.keys())


def spelling_distances(of_folds) -> pd.Series:
    """The distance of each language from English, from the counts of some folds."""
    each = {code: frequencies(sum(of_folds(pieces), Counter())) for code, pieces in counted.items()}
    return pd.Series({code: hellinger(each[english], each[code]) for code in languages})


counted = {code: [counts(corpus.paragraphs[k::folds]) for k in range(folds)] for code, corpus in plain.items()}
used = {code: frequencies(sum(pieces, Counter())) for code, pieces in counted.items()}
spelled = spelling_distances(list)

# %% [markdown]
# The share of the trace in the tables, the two sides of {eq}`eq-frechet-split`, and the distance of the rows of
# sub-words alone:

# %%
embeddings = of_plain[english][0].facts["embeddings"]
diagonals = {code: [fold.diagonal() for fold in each] for code, each in of_plain.items()}


def share_of_tables(code: str) -> float:
    """Share of the trace that lies in the embedding tables."""
    inside = total = 0.0
    for fold, diagonal in zip(of_plain[code], diagonals[code], strict=True):
        trace = {name: fold.facts["examples"] * f.sum(dtype=torch.float64).item() for name, f in diagonal.items()}
        total += sum(trace.values())
        inside += sum(trace[name] for name in embeddings)
    return inside / total


alpha = pd.Series({code: share_of_tables(code) for code in languages})
overlap = 1 - away["text"]
both, neither = (alpha[english] * alpha) ** 0.5, ((1 - alpha[english]) * (1 - alpha)) ** 0.5
rebuilt = both * overlap["embeddings"] + neither * overlap["without embeddings"]
error = (rebuilt - overlap["overall"]).abs().max()

words = max(embeddings, key=lambda name: len(diagonals[english][0][name]))
own = torch.ones(len(diagonals[english][0][words]), dtype=torch.bool)
own[tokenizer.all_special_ids] = False
cut = {code: [{words: fold[words][own]} for fold in each] for code, each in diagonals.items()}
in_rows = pd.Series(distances(cut).d2[0].numpy(), languages)


# %% tags=["remove-input"]
def spread_of_tables(code: str) -> dict[str, float]:
    """Where in the tables the trace lies: the language's own sub-words, special ones, other rows, other tables."""
    by_row = sum(fold[words].double().sum(1) for fold in diagonals[code])
    whole = sum(fold[name].sum(dtype=torch.float64) for fold in diagonals[code] for name in embeddings)
    mine = torch.zeros(len(own), dtype=torch.bool)
    mine[list(used[code])] = True
    rows = {"own sub-words": mine & own, "special sub-words": ~own, "sub-words not in the text": own & ~mine}
    shares = {name: float(by_row[some].sum() / whole) for name, some in rows.items()}
    return shares | {"positions and types": 1 - sum(shares.values())}


spread = pd.DataFrame({code: spread_of_tables(code) for code in languages}).median(axis=1)
shared = pd.Series({code: np.mean([piece in used[english] for piece in used[code]]) for code in others})
spelling = correlate(spelled[others], in_rows[others])
median = away["text"].loc[others].median()
say(alpha_low=f"{alpha.min():.0%}", alpha_high=f"{alpha.max():.0%}", alpha_en=f"{alpha[english]:.0%}")
say(split_error=f"{error:.0e}", spelling_embeddings=f"{spelling}", median_rows=f"{in_rows[others].median():.3f}")
say(shared_low=f"{shared.min():.0%} ({shared.idxmin()})", shared_high=f"{shared.max():.0%} ({shared.idxmax()})")
say(spread=", ".join(f"{share:.0%} {name}" for name, share in spread.items()), median_all=f"{median['overall']:.3f}")
say(median_emb=f"{median['embeddings']:.3f}", median_inner=f"{median['without embeddings']:.3f}")
say(r_tables=f"{transfer('text', main, 'embeddings')}", r_inner=f"{transfer('text', main, 'without embeddings')}")

# %% mystnb={"figure": {"name": "fig-frechet-trap", "caption": "What the distance to English is made of, plain text. Left: overall (circles), embedding tables alone (triangles), of these the rows of sub-words other than special ones (pointing down), and all other weights (squares), by language; the dash is the least overall distance that two languages without a common row would have. Right: distance of the rows of sub-words against the distance of the sub-word frequencies, which needs no model. Above: Pearson's r with its 95 % interval."}, "image": {"alt": "Left: marks for each language, the rows of sub-words highest and the other weights lowest. Right: scatter plot of the distance of the rows of sub-words against the distance of sub-word frequencies."}} tags=["hide-input"]
fig, (left, right) = plt.subplots(1, 2, figsize=(10.8, 4.2), width_ratios=(3, 2))
order = [code for code in ordered if code != english]
marks = (("overall", "o", figures.INK), ("embeddings", "^", "#D55E00"), ("without embeddings", "s", "#0072B2"))
for part, marker, colour in marks:
    left.plot(order, away["text"][part][order], marker, color=colour, label=part)
left.plot(order, 1 - neither[order], "_", ms=12, color=figures.FAINT, label="no common row: at least")
left.plot(order, in_rows[order], "v", color="#CC79A7", label="rows of sub-words")
left.set(ylabel="$d^2$ to English", ylim=(0, 1.04))
left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, columnspacing=1)
figures.scatter_correlation(right, spelled[others], in_rows[others], labels=others, correlation=spelling)
right.get_legend().remove()
right.set(xlabel="$d^2$ of sub-word frequencies", ylabel="$d^2$ of the rows of sub-words", title=f"{spelling}")
plt.show()

# %% [markdown]
# Between {glue:text}`frechet-alpha-low` and {glue:text}`frechet-alpha-high` of a language's Fisher information lies in
# the embedding tables ({glue:text}`frechet-alpha-en` of English); there it is spread, in the median language, as
# {glue:text}`frechet-spread`. The median distance to English is {glue:text}`frechet-median-rows` in the rows of
# sub-words, {glue:text}`frechet-median-emb` in the tables as a whole, {glue:text}`frechet-median-inner` in all other
# weights and {glue:text}`frechet-median-all` overall ({eq}`eq-frechet-split` puts tables and others together with an
# error of {glue:text}`frechet-split-error`). English has between {glue:text}`frechet-shared-low` and
# {glue:text}`frechet-shared-high` of the sub-words of another language. The distance of the rows of sub-words and that
# of their mere frequencies: {glue:text}`frechet-spelling-embeddings`.
#
# What does it do to the claim? With {glue:text}`frechet-task`, the distance of the tables has
# {glue:text}`frechet-r-tables`, that of all weights {glue:text}`frechet-r-text` and that of all weights *without* the
# tables {glue:text}`frechet-r-inner`. Where leaving the tables out makes the correlation stronger, they are noise for
# this purpose.
#
# So the honest question is not whether the distance correlates with transfer, but whether it does more than to count
# common sub-words, or to know how much text of a language the encoder has seen.

# %%
seen = weights() if encoder == "mini" else {}  # share of each language in the pretraining text
rivals = {"sub-word frequencies, d²": spelled, "pretraining text, log share": np.log(pd.Series(seen, dtype=float))}
rivals = {name: rival for name, rival in rivals.items() if len(rival)}
codes = [code for code in spoken if code != english and all(code in rival for rival in rivals.values())]
score = scores[main]["value"][codes]
frechet = {"overall": away["text"]["overall"][codes], "without embeddings": away["text"]["without embeddings"][codes]}
dropped = pd.DataFrame([spelling_distances(lambda each, k=k: each[:k] + each[k + 1 :]) for k in range(folds)])
spelled_stderr = ((folds - 1) ** 2 / folds * dropped.var()) ** 0.5  # the jackknife's, as of the other distances
beyond = {
    (part, name): chapters.held_fixed(d2, score, rival[codes])
    for part, d2 in frechet.items()
    for name, rival in rivals.items()
}

# %% tags=["remove-input"]
apart = {p: chapters.errors_apart(stderr["text"][p][codes], blocks["text"][p][codes]) for p in frechet}
errors = {f"Fréchet, {part}": error for part, error in apart.items()} | {"sub-word frequencies, d²": spelled_stderr}
columns = {f"Fréchet, {part}": d2 for part, d2 in frechet.items()} | {name: of[codes] for name, of in rivals.items()}
exact = pd.Series(0.0, codes)
score_stderr = chapters.errors_apart(scores[main]["stderr"][codes], score_blocks(main)[codes])
chapters.correlation_table(
    {name: correlate(x, score) for name, x in columns.items()},
    f"Correlation with the score of {main}: the distance on plain text, and its rivals. The shares of pretraining text "
    "are known exactly",
    {name: chapters.noise_of(x, errors.get(name, exact)[codes], score, score_stderr) for name, x in columns.items()},
)

# %% tags=["remove-input"]
last = list(rivals)[-1]
say(rival=last.partition(",")[0], adds_all=chapters.adds(beyond["overall", last]))
say(adds_inner=chapters.adds(beyond["without embeddings", last]))
chapters.table(
    ("Fréchet distance", "held fixed", "partial r with the score [95 %]", "that the distance adds something"),
    [(*names, f"{r}" if r else "none", chapters.adds(r).partition(":")[0]) for names, r in beyond.items()],
    f"More than a simpler number? ({main}, n = {len(codes)})",
)

# %% [markdown]
# ## How many examples?
#
# A Fisher information from few paragraphs is noisy, and noise is a distance too: two samples of the *same* language are
# some way apart. The jackknife estimates that bias. Below, growing parts of the same text.

# %%
sizes, d2_at, same_at, r_at = [], [], {}, []
for k in range(1, folds + 1):
    part = distances({code: each[:k] for code, each in diagonals.items()}, embeddings)
    sizes.append(sum(fold.facts["examples"] for fold in of_plain[english][:k]))
    d2_at.append(pd.Series(part.d2[0].numpy(), languages))
    r_at.append(correlate(d2_at[-1][codes], score))
    if 2 * k <= folds:
        halves = [{"one": each[:k], "other": each[k : 2 * k]} for each in diagonals.values()]
        same_at[sizes[-1]] = np.mean([distances(two, embeddings).d2[0, 1] for two in halves])
d2_at = pd.DataFrame(d2_at, sizes)[others]
bias = pd.Series(on_text.bias[0].numpy(), languages)[others]

# %% mystnb={"figure": {"name": "fig-frechet-sizes", "caption": "Left: squared distance to English against the number of paragraphs of each language (lines, one per language; the median in bold), and the mean distance between two samples of the same language (squares). Crosses: all paragraphs, jackknife's bias subtracted. Right: correlation with the score of the first task, 95 % interval."}, "image": {"alt": "Left: lines falling with the number of paragraphs, far above squares for two samples of the same language. Right: correlation coefficient with error bars against the number of paragraphs."}} tags=["hide-input"]
fig, (left, right) = plt.subplots(1, 2, figsize=(10.4, 4.0))
left.plot(d2_at, "-", color=figures.FAINT, lw=0.6)
left.plot(d2_at.median(axis=1), "o-", color=figures.INK, label="median of languages")
left.plot(same_at.keys(), same_at.values(), "s--", color="#D55E00", label="same language, other text")
corrected = d2_at.iloc[-1] - bias
left.plot([sizes[-1]] * len(others), corrected, "x", color="#0072B2", label="bias subtracted")
left.set(xlabel="paragraphs of each language", ylabel="$d^2$ to English", ylim=(0, None), xlim=(0, None))
left.legend()
r = [one.pearson for one in r_at]
ends = np.array([[one.value - one.low, one.high - one.value] for one in r]).T
right.errorbar(sizes, [one.value for one in r], yerr=ends, fmt="o-", color=figures.INK, capsize=2)
right.axhline(0, color=figures.FAINT, lw=0.8)
right.set(xlabel="paragraphs of each language", ylabel=f"r with the score of {main}", ylim=(-1.05, 1.05))
right.set_xlim(0, None)
plt.show()

# %% tags=["remove-input"]
medians, smallest = d2_at.median(axis=1), min(same_at)
say(
    size_first=f"{medians.iloc[0]:.3f} with {sizes[0]} paragraphs", size_last=f"{medians.iloc[-1]:.3f} with {sizes[-1]}"
)
say(floor=f"{same_at[smallest]:.3f} with {smallest} paragraphs each", bias=f"{bias.median():.3f}")
say(bias_order=f"ρ = {correlate(corrected, d2_at.iloc[-1]).spearman.value:.3f}")
say(r_first=signed(r[0].value), r_last=signed(r[-1].value))

# %% [markdown]
# The median distance is {glue:text}`frechet-size-first` and {glue:text}`frechet-size-last`; the jackknife takes off
# another {glue:text}`frechet-bias`, which leaves the order of the languages at {glue:text}`frechet-bias-order`.
# Two samples of the same language are {glue:text}`frechet-floor` apart: that is the zero of the scale, and distances
# from different numbers of examples cannot be compared. The correlation with transfer goes from
# {glue:text}`frechet-r-first` to {glue:text}`frechet-r-last`.

# %% [markdown]
# ```{exercise} ★ A distance that is no metric of models
# :label: frechet-ex-scale
#
# (a) Show that $d^2$ does not change when one of the Fisher informations is multiplied by a constant. (b) What does that
# hide? Which of two languages, one that the encoder knows well and one that it hardly knows, has the larger trace?
# ```
#
# ```{solution} frechet-ex-scale
# :class: dropdown
#
# (a) $\hat F$ is normalised. (b) How *much* the loss depends on the weights. A language on which the encoder is certain
# and right has small gradients, one that it guesses at has large ones, so the trace goes along with the loss. Print
# `on_text.trace` by language and compare with the losses; the distance has thrown this away.
# ```
#
# ````{exercise} ★★ One layer is enough?
# :label: frechet-ex-layer
#
# Which single part of the encoder has the distance that goes best with transfer, and how probable is a coefficient as
# large as that, if the best of so many parts is taken and none goes along with it? Use permutations of the languages.
# ````
#
# ````{solution-start} frechet-ex-layer
# :class: dropdown
# ````

# %%
x, y = away["text"].loc[codes, layers].T.to_numpy(), score.to_numpy()


def strongest(values) -> float:
    """The largest absolute coefficient over the parts."""
    return max(abs(np.corrcoef(line, values)[0, 1]) for line in x)


rng = np.random.default_rng(0)
shuffled = [strongest(rng.permutation(y)) for _ in range(2000)]
of_parts = [np.corrcoef(line, y)[0, 1] for line in x]
best = int(np.argmax(np.abs(of_parts)))
p = (1 + sum(s >= strongest(y) for s in shuffled)) / 2001
print(f"{layers[best]}: r = {signed(of_parts[best])}, p of the best = {p:.2g}")

# %% [markdown]
# The permutations shuffle the languages once for all parts, so that the dependence between the parts is kept. The
# $p$-value of the *best* is what may be reported; that of the same part alone is too small.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## The same on real text
#
# Of a real encoder after fine-tuning, with the Fisher information of the task's loss on XNLI (as the third of the readings
# above, but with the model's own labels, so that it needs none), the distance of each language from English against its accuracy:

# %% tags=["remove-input", "reads:records"]
real = records.committed(protocols.seeds("real", seeds=chapters.SEEDS))
asked = {"Fréchet distance from English": "frechet", "… without the embeddings": ("frechet", "without_embeddings")}
caption = (
    "Real data: correlation of the distance with accuracy over the target languages, 95 % bootstrap over languages"
)
chapters.show(chapters.real_box(real))
chapters.show(chapters.real_relations(real, asked, caption, lambda key: key[0]))
chapters.show(chapters.reading(chapters.real_relation(real, "the distance", "frechet", lambda key: key[0])))

# %% [markdown]
# ```{admonition} Concept check: $r = -0.9$ between distance and accuracy: the encoder's *weights* say how near a language is. True?
# :class: dropdown
# *Not shown.* The misconception is that what correlates is what was meant. The distance also sees which sub-words two
# texts share and how noisy the two estimates are. It says something of its own only if it adds to counting common
# sub-words and to the share of text in pretraining.
# ```
#
# ```{admonition} What we learnt
# :class: important
# - Correlations of the distance with the score, on text: {glue:text}`frechet-summary-text`.
# - On the test set, masked-LM loss: {glue:text}`frechet-summary-test`; loss of the task:
#   {glue:text}`frechet-summary-task`.
# - Reliability of the distance over the languages: {glue:text}`frechet-reliable`.
# - Up to {glue:text}`frechet-alpha-high` of the Fisher information of text lies in the embedding tables.
#   Without them {glue:text}`frechet-r-inner`, and {glue:text}`frechet-r-text` with them.
# - That the distance of all weights adds to {glue:text}`frechet-rival` {glue:text}`frechet-adds-all`; that the one
#   without the tables does so {glue:text}`frechet-adds-inner`.
# - All of this is {glue:text}`frechet-encoder` with {glue:text}`frechet-examples` paragraphs and
#   {glue:text}`frechet-test-size` test examples per language, one seed; the paper has mBERT and Wikipedia.
# ```
#
# ```{admonition} Your turn
# :class: tip
# More text; twice the folds, for smaller steps in {numref}`fig-frechet-sizes`:
#
#     papermill notebooks/frechet.ipynb out.ipynb -p examples 1000 -p folds 10
#
# The transfer of another seed, with the same distances of text:
#
#     papermill notebooks/frechet.ipynb out.ipynb -p seed 1
#
# Real data and text, with any encoder ({doc}`/running`):
#
#     papermill notebooks/frechet.ipynb out.ipynb -p preset small -p data_dir archives -p text_dir texts -p model mini
# ```

# %% tags=["remove-input"]
provenance(
    [run.key for run in found.runs.values()],
    {"preset": preset, "tasks": tasks, "model": encoder, "seed": seed, "examples": examples, "folds": folds}
    | {"live": live}
    | chapters.given(train_size=train_size, epochs=epochs),
)
