# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Will it transfer to my language?
#
# You have a model that was fine-tuned on English, and text in a language without labels. How often will it be right there?
# This page gives the forecast, its interval and the price of being wrong, and says when to label a hundred examples
# instead. All numbers but those of one small model are read from committed records, of the miniature and a real encoder.
#
# ```{admonition} What you will learn
# :class: tip
# - How to put an interval around a forecast without assuming a distribution, and how to find out whether it keeps its word.
# - What a forecast is worth in labelled examples, and when to collect these instead.
# - Why "cannot say" has two reasons, too few languages and too noisy a measure, with two different cures.
# ```

# %% tags=["parameters", "hide-input"]
seeds: list = [0, 1, 2]  # random seeds of the recorded models of the miniature
encoder: str = "e5-small"  # encoder of the real models in the records
level: float = 0.9  # of the intervals of forecasts [share]
examples: int = 200  # examples of each language that the live model answers [count]
train_size: int = None  # English training pairs of the live model [count]; None: the protocol's own
store: str = ""  # folder of trained models and measures; empty: runs/ of the checkout

# %% tags=["hide-cell"]
import contextlib
import io
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display

from paper import chapters, figures, live, protocols, records
from paper.chapters.forecasts import ATC, DOC, HEAD, LINE, MEAN, SURE, afterwards, closer, contest, points, share
from paper.chapters.measures import named
from paper.notebook import provenance
from xlgen import cli, models
from xlgen.data.catalogue import TASKS
from xlgen.data.encode import encode
from xlgen.data.mini import tasks as miniature
from xlgen.data.read_pairs import Rows
from xlgen.forecast import frame as frames
from xlgen.forecast.evaluate import evaluate, left_out
from xlgen.forecast.forecasters import DEFAULT, ridge
from xlgen.forecast.jackknife import fewest, jackknife_plus
from xlgen.forecast.labels import error_of_labels, labels_worth
from xlgen.measures.atc import threshold
from xlgen.models.evaluate import predict
from xlgen.training.runs import run

figures.use_style()
say = chapters.Say("predict")
seeds = chapters.words(seeds, int)

# %% [markdown]
# ## Make a prediction
#
# One forward pass over the text gives the *mean confidence*: the probability of the predicted class, averaged over the
# examples. It needs no label. A neural network is known to be surer than it is right. Before you read on, decide: will a
# line from mean confidence to accuracy forecast a language that it has not seen better than the mean of the others does?
# And better than the trace of the Fisher information?
#
# How much too sure it is can be seen where there are labels, in English ($S$). The *difference of confidences*
# {cite:p}`guillory2021predicting` takes that off in the language $L$:
#
# $$ \mathrm{DoC}_L = \bar c_L - (\bar c_S - \mathrm{acc}_S) . $$ (eq-predict-doc)
#
# Within one model this is a constant: a line from DoC is a line from the confidence. Between models it is not.

# %% tags=["reads:records"]
every = records.recorded()
every = every[(every.split == "test") | (every.measure == "dev_margin")]
every = every[every.key.isin(every[every.measure == DEFAULT[-1]].key)].assign(run=every.key)
recent = every[every.seed.isin(seeds) | (every.model == encoder)]
several = frames.tidy(recent)  # all models that one pass was recorded of
mini = frames.tidy(recent[(recent.task == "mini-xnli") & (recent.objective == "baseline")])
real = recent[(recent.task == "xnli") & (recent.model == encoder)]
real = frames.tidy(real) if len(real) else None
both = {"miniature": mini} | ({"real": real} if real is not None else {})
say(level=f"{level:.0%}", default=" and ".join(map(named, DEFAULT)), fewest=fewest(level))

# %% [markdown]
# ## An interval that assumes no distribution
#
# Fit the line $\hat\mu_{-i}$ without language $i$, and see how far it is off there: $R_i = |y_i - \hat\mu_{-i}(x_i)|$. For
# a new language every such line makes a forecast and takes its own error along. The jackknife+
# {cite:p}`barber2021predictive` puts the ends at quantiles of these:
#
# $$ \Big[\; q^-_{\alpha}\{\hat\mu_{-i}(x) - R_i\},\;\; q^+_{\alpha}\{\hat\mu_{-i}(x) + R_i\} \;\Big] $$ (eq-predict-jackknife)
#
# $q^+_\alpha$ is the $\lceil (1-\alpha)(n+1) \rceil$-th smallest of the $n$ values, and $q^-_\alpha$ its mirror image. If
# the languages are exchangeable it holds the truth with a probability of at least $1 - 2\alpha$. In a few lines:


# %%
def from_scratch(fit, x, y, new, level):
    """Ends of the interval at one new point."""
    lows, highs = [], []
    for i in range(len(y)):
        others = np.arange(len(y)) != i
        line = fit(x[others], y[others])
        error = abs(y[i] - line(x[i : i + 1])[0])
        lows.append(line(new)[0] - error)
        highs.append(line(new)[0] + error)
    place = int(np.ceil(level * (len(y) + 1)))
    return sorted(lows)[-place], sorted(highs)[place - 1]


first = mini[mini.model == mini.model.iloc[0]]
rows = frames.wide(first, DEFAULT)
x, y = rows[list(DEFAULT)].to_numpy(), rows["truth"].to_numpy()
ours = from_scratch(ridge, x[1:], y[1:], x[:1], level)
band = jackknife_plus(ridge, x[1:], y[1:], x[:1], level=level)
assert np.allclose(ours, (band.low[0], band.high[0]))
print(f"{rows['language'][0]}: [{ours[0]:.3f}, {ours[1]:.3f}]; the truth is {y[0]:.3f}")

# %% [markdown]
# The line is a ridge regression on {glue:text}`predict-default`. Now every language in turn is the one without labels: it
# is forecast from the others, and its own labels are looked at only to draw the truth.

# %% mystnb={"figure": {"name": "fig-predict-forecasts", "caption": "Each language forecast from the other languages of the same model (diamonds, with jackknife+ intervals), beside the accuracy that its labels give (circles). Left: a model of the miniature. Right, where the records have one: a real encoder on XNLI."}, "image": {"alt": "One row a language with a forecast, its interval and the measured accuracy; one panel for the miniature, one for real data."}} tags=["hide-input"]
fig, axes = plt.subplots(1, len(both), figsize=(4.8 * len(both), 4.4), squeeze=False)
for ax, (scale, frame) in zip(axes[0], both.items(), strict=True):
    single = frame[frame.model == frame.model.iloc[0]]
    table = left_out(single, LINE, level=level).sort_values("truth", ignore_index=True)
    for height, row in table.iterrows():
        ax.plot([row["low"], row["high"]], [height] * 2, color="#D55E00", lw=1.4)
    ax.plot(table["value"], table.index, "D", color="#D55E00", label="forecast")
    ax.plot(table["truth"], table.index, "o", color=figures.INK, label="with labels")
    ax.set_yticks(table.index, table["language"])
    ax.set(xlabel="accuracy", title=scale)
axes[0][0].legend(frameon=False)
plt.show()

# %% tags=["remove-input"]
whole = {scale: evaluate(frame, "language", [LINE, MEAN], level) for scale, frame in both.items()}
whole = {scale: table.set_index("forecaster") for scale, table in whole.items()}
missing = () if "real" in whole else ("real_error", "real_mean", "real_covered", "real_worth")
say(**dict.fromkeys(missing, "(no record)"))
for scale, table in whole.items():
    say(**{f"{scale}_error": points(table.loc[LINE.name]), f"{scale}_mean": points(table.loc[MEAN.name])})
    say(**{f"{scale}_covered": share(table.loc[LINE.name, "coverage"])})

# %% [markdown]
# In the mean over languages the forecast is off by {glue:text}`predict-miniature-error` points in the miniature, and by
# {glue:text}`predict-real-error` in real data; the mean of the others by {glue:text}`predict-miniature-mean` and
# {glue:text}`predict-real-mean`. Of the intervals, which aim at {glue:text}`predict-level`,
# {glue:text}`predict-miniature-covered` and {glue:text}`predict-real-covered` hold the truth.
#
# ```{exercise} ★ How many languages does an interval need?
# :label: predict-ex-fewest
#
# At 90 % no interval is finite with fewer than {glue:text}`predict-fewest` labelled languages. Why, from
# {eq}`eq-predict-jackknife`? How many does one need at 95 %?
# ```
#
# ```{solution} predict-ex-fewest
# :class: dropdown
#
# The place $\lceil (1-\alpha)(n+1) \rceil$ must not be beyond $n$: $n \ge (1-\alpha)/\alpha$, which is 9 at 90 % and 19 at
# 95 %. The fourteen target languages of XNLI cannot give a 95 % interval.
# ```
#
# ## The estimators, and what they cost
#
# *As it is* takes the estimator for the forecast, which needs labels in English alone; the others are regressions on the
# labelled languages. *Passes* is the cost in forward passes over the text. *Reliability* is the share of a measure's
# variance over languages that is not noise of the examples, $\rho = 1 - \overline{s^2} / \operatorname{var}(x)$ with $s$
# the part of the standard error that sets a language apart (translations err together), and the correlation without
# noise is $r / \sqrt{\rho_x \rho_y}$ {cite:p}`spearman1904proof`. Where the interval of $r$ holds 0 the last column says
# why: too few languages (measure more of them), or too noisy a measure (measure more examples).

# %% tags=["remove-input"]
bodies = {scale: contest(frame, every[every.key == frame.model.iloc[0]], level) for scale, frame in both.items()}
for scale, body in bodies.items():
    models_of = both[scale].model.nunique()
    caption = f"{scale}: {models_of} model{'s' * (models_of != 1)}, a language left out at a time; noise of the first"
    display(chapters.table(HEAD, body, caption, dense=True))


def of(body, name: str) -> str:
    """The error of an estimator in a table."""
    return next((row[3] for row in body if row[0] == name), "not recorded")


for short, scale in (("mini", "miniature"), ("real", "real")):
    body = bodies.get(scale, [])
    free = next((f"{row[0]}, {row[3]}" for row in body if not row[1]), "not recorded")
    say(**{f"{short}_best": free, f"{short}_fisher": of(body, named("fisher_trace"))})
    say(**{f"{short}_confidence": of(body, named("confidence"))})
    say(**{f"{short}_cannot": "; ".join(f"{row[0]} ({row[-1]})" for row in body if row[-1]) or "none"})

# %% [markdown]
# The least error without a label of the language: {glue:text}`predict-mini-best` in the miniature, and
# {glue:text}`predict-real-best` in real data. It was chosen by looking at this very table. A line from confidence, which
# costs one pass, is off by {glue:text}`predict-mini-confidence` and {glue:text}`predict-real-confidence` points; one from
# the trace of the Fisher information by {glue:text}`predict-mini-fisher` and {glue:text}`predict-real-fisher`. Cannot say
# in real data: {glue:text}`predict-real-cannot`.
#
# ```{admonition} Concept check: the correlation without noise is that of the true values. True?
# :class: dropdown
# *It is a bound.* The misconception is that noise can only weaken a correlation. The same examples enter the confidence
# *and* the accuracy, so that their errors go the same way, and part of what is corrected for was in $r$ already.
# ```
#
# ## Another model, another task
#
# Left out so far was a language of a model whose other languages are labelled. Harder: no language of *this* model is
# labelled, and others are; and hardest, not even of this task.

# %% tags=["remove-input"]
splits = [("a language", "miniature, XNLI", mini, "language")]
splits += [("a model", "miniature, XNLI", several[several.task == "mini-xnli"], "model")]
splits += [("a real model", f"{encoder}, XNLI", real, "model")] if real is not None and real.model.nunique() > 1 else []
splits += [("a task", "all tasks of the records", several, "task")]
actual = several[~several.task.str.startswith("mini-")]
splits += [("a real task", "the real tasks of the records", actual, "task")] if actual.task.nunique() > 1 else []
body, error = [], {}
for what, where, frame, leave in splits:
    for _, row in evaluate(frame, leave, (LINE, SURE, DOC, ATC, MEAN), level).iterrows():
        body.append((f"{what} ({where})", row["forecaster"], points(row), share(row["coverage"]), row["groups"]))
        error.setdefault((what, row["forecaster"]), points(row))
say(model_error=error["a model", LINE.name], task_error=error["a task", LINE.name])
say(task_doc=error["a task", DOC.name], task_atc=error["a task", ATC.name])
of_real = [error.get(("a real model", one.name), "not recorded") for one in (LINE, MEAN)]
say(real_model_error=of_real[0])
for scale, frame in (("mini", several[several.task == "mini-xnli"]), ("real", real)):
    known = frame is not None and frame.model.nunique() > 1
    gain = closer(frame, LINE, SURE, "model") if known else None
    say(**{f"{scale}_gain": f"{gain:+.2f}" if gain else "(not recorded)"})
head = ("left out", "forecast by", "error [points]", "covered", "groups")
chapters.table(
    head, body, f"What {level:.0%} intervals cover; one error a group, and as many trials as groups", dense=True
)

# %% tags=["remove-input"]
by_task = left_out(several, LINE, "task", level)
by_task = by_task.assign(off=100 * (by_task["value"] - by_task["truth"]))
head = ("task that no label was seen of", "models", "languages", "error [points]", "bias [points]")
body = [
    (
        task,
        rows.model.nunique(),
        rows.language.nunique(),
        f"{rows.off.abs().mean():.1f}",
        f"{rows.off.mean():+.1f}".replace("-", "−"),
    )
    for task, rows in by_task.groupby("task")
]
real_tasks = actual.task.nunique()
say(tasks=several.task.nunique(), real_tasks=f"{real_tasks} real task{'s' * (real_tasks != 1)}")
say(real_task_error=error.get(("a real task", LINE.name), "(not recorded)"))
say(worst_task=max((float(row[3]), row[0]) for row in body)[1], worst_error=f"{max(float(row[3]) for row in body):.1f}")
chapters.table(head, body, "Each task forecast by a line through the languages of all other tasks")

# %% [markdown]
# The records have {glue:text}`predict-tasks` tasks with these estimators, of which {glue:text}`predict-real-tasks`; a real
# task forecast from the other real tasks alone is off by {glue:text}`predict-real-task-error` points. From task to task
# nothing carries over: of all tasks the line is off by {glue:text}`predict-task-error` points, DoC as it is by
# {glue:text}`predict-task-doc` and ATC by {glue:text}`predict-task-atc`; worst is
# {glue:text}`predict-worst-task` ({glue:text}`predict-worst-error`). (WikiAnn is scored by the F1 of names, and confidence is
# that of single words.) An interval for a new task would take nine others. Label some languages of your own task instead.
#
# Between models of one task it matters what is made of the confidence. Each model is too sure by another amount, which
# {eq}`eq-predict-doc` takes off. The error of the line from DoC minus that of the line from the confidence, for a model of
# which nothing but English is labelled, is {glue:text}`predict-real-gain` points in real data and
# {glue:text}`predict-mini-gain` in the miniature. That is why `xlgen predict` fits DoC.
#
# But it was chosen with most of these models in sight, and such a gain flatters itself. The fair test are the models that
# were trained after the choice, forecast from those of before:

# %% tags=["remove-input"]
late = afterwards(recent[(recent.task == "xnli") & (recent.model == encoder)], (LINE, SURE, MEAN), level)
body = [(f"{r.objective}, seed {r.seed}", r.forecaster, f"{r.off:.1f}", share(r.inside)) for r in late.itertuples()]
head = ("model", "forecast by", "error [points]", "covered")
chapters.show(chapters.table(head, sorted(body), "Models that were trained after the choice") if body else None)
means = late.groupby("forecaster")[["off", "inside"]].mean()
for short, one in (("line", LINE), ("sure", SURE)):
    there = one.name in means.index
    say(**{f"late_{short}": f"{means.off[one.name]:.1f}" if there else "(not recorded)"})
    say(**{f"late_{short}_covered": share(means.inside[one.name]) if there else "(not recorded)"})
trained_since = late[["objective", "seed"]].drop_duplicates().shape[0]
since = (
    f"; of the {trained_since} trained since the choice {means.off[LINE.name]:.1f} and {means.off[MEAN.name]:.1f}"
    if body
    else ""
)
say(late_models=trained_since, real_model=f"{of_real[0]} points, the mean of the others {of_real[1]}{since}")

# %% [markdown]
# Over these {glue:text}`predict-late-models` models the line from DoC misses by {glue:text}`predict-late-line` points in the mean,
# that from the confidence by {glue:text}`predict-late-sure`; the intervals cover {glue:text}`predict-late-line-covered`
# and {glue:text}`predict-late-sure-covered`. All languages of a model share its error: of one model an interval holds
# nearly all, of another few. What it says holds over many models, and it takes nine.
#
# ## With labels in English alone
#
# Nothing to fit, and no other model: an estimator is taken as it is.

# %% tags=["remove-input"]
body, nearer = [], {"sequence": [], "token": []}
for (name, coded_by), rows in recent.groupby(["task", "model"], sort=False):
    if frames.target(name) != "accuracy":  # a share of single words is no forecast of an F1
        continue
    frame = frames.tidy(rows)
    errors = evaluate(frame, "language", [DOC, ATC], level).set_index("forecaster")
    cells = [points(errors.loc[one.name]) for one in (DOC, ATC)]
    body.append((name, coded_by, frame.model.nunique(), *cells))
    nearer[TASKS[name].kind].append(errors.loc[DOC.name, "mae"] < errors.loc[ATC.name, "mae"])
for kind, wins in nearer.items():
    say(**{f"{kind}_doc": f"{sum(wins)} of {len(wins)}"})
head = ("task", "encoder", "models", "DoC [points]", "ATC [points]")
chapters.table(head, sorted(body), "Error of an estimator that is calibrated on English alone [95 % over languages]")

# %% [markdown]
# DoC misses by less than ATC in {glue:text}`predict-sequence-doc` rows where pairs of sentences are classified, and in
# {glue:text}`predict-token-doc` where words are. `xlgen predict` takes DoC for sentences and ATC for words, and gives no
# interval: nothing in English says how far off it is elsewhere.
#
# ## The price of being wrong, and a hundred labels
#
# The accuracy on $n$ labelled examples is itself off, by $\sqrt{2/\pi}\sqrt{p(1-p)/n}$ in the mean. A forecast that is off by
# $E$ is worth
#
# $$ n = \frac{2}{\pi}\, \frac{p\,(1 - p)}{E^2} $$ (eq-predict-labels)
#
# labels. With more than that, count correct answers; with fewer, the forecast is better.

# %% mystnb={"figure": {"name": "fig-predict-labels", "caption": "Mean absolute error of an accuracy that was counted on n labelled examples (line, at an accuracy of 0.7), and that of the forecasts (dashed). Where the line is below, labels are better than the forecast."}, "image": {"alt": "A falling curve of the error of counting over the number of labels, crossed by a dashed horizontal line for each scale's forecasts."}} tags=["hide-input"]
n = np.geomspace(10, 3000, 100)
fig, ax = plt.subplots(figsize=(6.4, 3.6))
ax.plot(n, [100 * error_of_labels(each, 0.7) for each in n], color=figures.INK, label="counted on n labels")
for scale, colour in zip(both, ("#D55E00", "#0072B2"), strict=False):
    mae = whole[scale].loc[LINE.name, "mae"]
    ax.axhline(100 * mae, ls="--", color=colour, label=f"forecast, {scale}")
    reached = both[scale][both[scale].measure == "accuracy"].value.mean()
    say(**{f"{scale}_worth": f"{labels_worth(mae, reached):.0f}"})
ax.set(xscale="log", xlabel="labelled examples of the language", ylabel="error [points]", ylim=(0, None))
ax.legend(frameon=False)
say(hundred=f"{100 * error_of_labels(100, 0.7):.1f}", decide=f"{labels_worth(0.02, 0.7):.0f}")
plt.show()

# %% [markdown]
# A forecast with labelled languages is worth {glue:text}`predict-miniature-worth` labels in the miniature and
# {glue:text}`predict-real-worth` in real data. A hundred labels leave an error of {glue:text}`predict-hundred` points.
#
# | there are | off by [points] | so |
# |---|---|---|
# | nine labelled languages of this model, or more | {glue:text}`predict-miniature-error`; real {glue:text}`predict-real-error` | forecast |
# | records of other models of the task | {glue:text}`predict-model-error`; real {glue:text}`predict-real-model-error` | forecast, unless two points decide |
# | English labels alone, or other tasks | not known beforehand | label a hundred |
#
# To two points, count on {glue:text}`predict-decide` labels. Where a language is *outside*, the first two rows do not hold.
#
# ```{exercise} ★★ Both
# :label: predict-ex-both
#
# You have a forecast with error $E$ *and* fifty labels. How would you combine them, and what is the error of the result?
# ```
#
# ```{solution} predict-ex-both
# :class: dropdown
#
# If their errors are independent, weigh each by the inverse of its squared error. With $E$ worth $n$ labels by
# {eq}`eq-predict-labels`, the result is worth $n + 50$. They are independent if the fifty examples are not among those
# that were forecast from.
# ```
#
# ## Confidence is not accuracy
#
# Two figures to touch, of one live model of the miniature. ATC counts the examples above a threshold that English chooses:

# %%
options = chapters.options_for(store)
changed = chapters.given(train_size=train_size)
pair = protocols.seeds("mini", objectives=["baseline"], seeds=[0, 1], **changed).configs
trained, second = (run(config, options) for config in pair.values())
task, tokenizer = TASKS[trained.task], models.load_tokenizer(trained.model)


def reader(trained):
    """The predictions of a model for some rows of its task."""
    model = models.load_finetuned(trained.model, len(task.labels), eager=False, kind=task.kind)
    positions = models.takes_position_ids(model)

    def answers(rows: Rows, language: str):
        encoded = encode(rows, tokenizer, trained.max_length, None, positions)
        return predict(model, encoded.batches(64), language)

    return answers


answers = reader(trained)
found = {code: answers(task.rows(code, "test").take(examples), code) for code in task.languages}
sure = {code: one.log_probs.exp().amax(dim=1).numpy() for code, one in found.items()}
right = {code: (one.logits.argmax(dim=1) == one.labels).numpy() for code, one in found.items()}
dev = answers(task.rows("en", "dev").take(examples), "en")
dev_sure, dev_right = dev.log_probs.exp().amax(dim=1), dev.logits.argmax(dim=1) == dev.labels
chosen = min(threshold(dev_sure, ~dev_right), 1.0)
live.thresholds(
    sure,
    right,
    chosen=chosen,
    name="predict-thresholds",
    caption="The share of examples above a threshold against accuracy, one point a language. Move the threshold away from "
    "the one that English chooses: does any other fit all languages better?",
)

# %% tags=["hide-input"]
live.calibration(
    sure,
    right,
    name="predict-calibration",
    caption="Accuracy in bins of confidence, one language at a time. Below the diagonal the model is surer than it is right.",
)

# %% [markdown]
# ## A second model in place of labels
#
# Train the same model again with another seed, $f'$. How often do the two label alike?
#
# $$ \mathrm{agreement} = \frac1U \sum_u \mathbb{1}\big[\arg\max f(x_u) = \arg\max f'(x_u)\big] $$ (eq-predict-agreement)
#
# Where the two are calibrated together, this *is* the accuracy in expectation {cite:p}`jiang2022disagreement`: the answer of
# $f'$ is then as good a draw of the label as the label itself. It takes a second training, and no label. Does it beat one
# pass of one model?

# %%
other = reader(second)
alike = {}
for code, one in found.items():
    two = other(task.rows(code, "test").take(examples), code)
    alike[code] = (one.logits.argmax(dim=1) == two.logits.argmax(dim=1)).double().mean().item()


def off(x, y) -> float:
    """A line through the other languages, for each language in turn: its mean absolute error [points]."""
    errors = []
    for i in range(len(y)):
        others = np.arange(len(y)) != i
        slope, level = np.polyfit(x[others], y[others], 1)
        errors.append(abs(slope * x[i] + level - y[i]))
    return 100 * np.mean(errors)


# %% tags=["remove-input"]
targets = [code for code in task.languages if code != task.source_language]
truth = np.array([right[code].mean() for code in targets])
rivals = {"agreement of two seeds": alike, "mean confidence of one": {code: x.mean() for code, x in sure.items()}}
body = []
for name, by_language in rivals.items():
    x = np.array([by_language[code] for code in targets])
    as_it_is = 100 * abs(x - truth).mean()
    body.append((name, f"{np.corrcoef(x, truth)[0, 1]:.2f}", f"{as_it_is:.1f}", f"{off(x, truth):.1f}"))
say(alike_error=body[0][-1], alone_error=body[1][-1], alike_as_is=body[0][-2], few=f"{examples}")
head = ("", "r with accuracy", "as it is [points]", "by a line, left out [points]")
chapters.table(head, body, f"Two models against one, {examples} unlabelled examples of each target language")

# %% [markdown]
# As it is, the agreement is {glue:text}`predict-alike-as-is` points from the accuracy. By a line, a language that was
# left out is off by {glue:text}`predict-alike-error` points, and by {glue:text}`predict-alone-error` with the confidence
# of one model, on {glue:text}`predict-few` examples a language. `xlgen.measures.logits.agreement` is the same for
# more models, with standard errors.
#
# ```{exercise} ★★★ A shift that confidence does not see
# :label: predict-ex-blind
#
# Construct a language in which mean confidence stays as it is and accuracy falls to chance. Which of this page's
# estimators would notice, and what would?
# ```
#
# ```{solution} predict-ex-blind
# :class: dropdown
#
# Exchange the words of two antonyms throughout: the model reads every sentence as fluently as before, and answers the
# opposite. No function of the predictions on unlabelled text can tell, because their distribution is the same. Labels can.
# Every label-free forecast assumes that the shift is of a kind that was among those it learnt from.
# ```
#
# ## Type this for your own language
#
# Pairs in Korean, which this task does not list, without labels. Records of other models say what confidence is worth:

# %%
folder = Path(tempfile.mkdtemp())
premises, hypotheses, labels = (part[:examples] for part in miniature.rows("mini-xnli", "ko", "test"))
mine = pd.DataFrame({"sentence1": premises, "sentence2": hypotheses, "language": "ko"})
mine.to_csv(folder / "mine.csv", index=False)
others = recent[(recent.task == "mini-xnli") & (recent.key != trained.key)]
others = others[["task", "run", "language", "measure", "value", "status"]]
others.to_csv(folder / "others.csv", index=False)
typed = f"xlgen predict --run {trained.key} --data mine.csv --records others.csv --report report.html --no-progress"
print("$", typed)
home, said = str(options.store.resolve()), io.StringIO()
with contextlib.chdir(folder), contextlib.redirect_stdout(said):
    assert cli.main([*typed.split()[1:], "--store", home, "--threads", "1"]) == 0
print(said.getvalue().replace(home, "runs"))

# %% tags=["remove-input"]
answered = answers(Rows(premises, hypotheses, labels), "ko")
truth_ko = (answered.logits.argmax(dim=1) == answered.labels).double().mean().item()
say(korean=f"{truth_ko:.3f}", korean_n=len(labels))

# %% [markdown]
# The miniature's generator wrote these {glue:text}`predict-korean-n` pairs and knows the labels, which the command did not
# see: the accuracy is {glue:text}`predict-korean`. `report.html` is the table with a plot, to be mailed. Formats, columns
# and tasks of your own: {doc}`/running`.
#
# ```{admonition} What we learnt
# :class: important
# - One pass over unlabelled text and a line forecast a new language to {glue:text}`predict-miniature-error` points in the
#   miniature and {glue:text}`predict-real-error` in real data; the mean of the others is off by
#   {glue:text}`predict-miniature-mean` and {glue:text}`predict-real-mean`.
# - Its {glue:text}`predict-level` intervals hold {glue:text}`predict-miniature-covered` and
#   {glue:text}`predict-real-covered` of the truths when a language is left out. From another task the line does not carry over.
# - It is worth {glue:text}`predict-miniature-worth` and {glue:text}`predict-real-worth` labels. With more, count.
# ```
#
# ```{admonition} Your turn
# :class: tip
# Other seeds, narrower intervals, more examples of the live model:
#     papermill notebooks/predict.ipynb out.ipynb -p seeds 0,1,2,3,4 -p level 0.8 -p examples 1000
# ```

# %% tags=["remove-input"]
provenance(
    [trained.key, second.key], {"seeds": seeds, "encoder": encoder, "level": level, "examples": examples} | changed
)
