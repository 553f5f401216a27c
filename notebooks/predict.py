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
# - How to put an interval around a forecast without assuming a distribution, and what shows whether it keeps its word.
# - Why the guess to beat is what other models reach in the same language, and what a forecast is worth in labels.
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
from paper.chapters.forecasts import (
    ATC,
    BESIDE,
    CHOSEN,
    DOC,
    FIRST,
    HEAD,
    LABELS,
    LINE,
    LOOKUP,
    MEAN,
    SURE,
    WITHIN,
    afterwards,
    beside_labels,
    closer,
    contest,
    new_language,
    other_encoders,
    points,
    share,
)
from paper.chapters.measures import named
from paper.notebook import provenance
from xlgen import cli, models
from xlgen.analysis import interval_of_mean
from xlgen.data.catalogue import TASKS
from xlgen.data.encode import encode
from xlgen.data.mini import tasks as miniature
from xlgen.data.read_pairs import Rows
from xlgen.forecast import frame as frames
from xlgen.forecast.chance import spread, widened
from xlgen.forecast.evaluate import evaluate, left_out
from xlgen.forecast.forecasters import DEFAULT, ridge
from xlgen.forecast.jackknife import fewest, jackknife_plus
from xlgen.forecast.labels import error_of_labels, labels_worth
from xlgen.forecast.within import within
from xlgen.measures.atc import threshold
from xlgen.models.evaluate import predict
from xlgen.training.runs import run

figures.use_style()
say = chapters.Say("predict")
seeds = chapters.words(seeds, int)

# %% [markdown]
# ## In short
#
# | there are | forecasts are off by [points], miniature; real | so |
# |---|---|---|
# | records of other models of the task, in this language, and four labelled languages of this model | {glue:text}`predict-mini-records-4`; {glue:text}`predict-real-records-4` | forecast |
# | such records, and no labels of this model but English | {glue:text}`predict-mini-within`; {glue:text}`predict-real-within` | forecast |
# | such records, none in this language | {glue:text}`predict-mini-new`; {glue:text}`predict-real-new` | forecast, unless two points decide |
# | nine labelled languages of this model or more, no records | {glue:text}`predict-miniature-error`; {glue:text}`predict-real-error` | forecast |
# | labels in English alone | DoC, real sentences: {glue:text}`predict-direct`; not known beforehand | label a hundred |
#
# `xlgen predict` uses all labels and records that it is given, and marks a language as *outside* if one of its estimators
# is beyond all that the forecast was fitted on: for that one nothing here holds. These errors are on the sentences that the
# records were counted on; {eq}`eq-predict-chance` is what others add. All languages of this page are in their
# encoder's pretraining. For one that is not nothing was tried: look at its share of unknown sub-words, and label a hundred.
#
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
#
# Languages also change how often each class is predicted. *Optimal transport* (COT) {cite:p}`lu2023characterizing` moves
# predictions, at the least cost, until the classes are as frequent as in English; a prediction with probability $p$ for
# the class it is moved to costs $1 - p$, and the forecast is one minus the mean cost. The *thresholded* estimators (ATC)
# {cite:p}`garg2022leveraging` are the share of examples that are surer than a threshold that English sets.

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
say(level=f"{level:.0%}", default=", ".join(map(named, DEFAULT)), fewest=fewest(level))

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
names = ("error", "mean", "covered", "worth", "width", "widest")
missing = () if "real" in whole else [f"real_{name}" for name in names]
say(**dict.fromkeys(missing, "(no record)"))
for scale, table in whole.items():
    say(**{f"{scale}_error": points(table.loc[LINE.name]), f"{scale}_mean": points(table.loc[MEAN.name])})
    say(**{f"{scale}_covered": share(table.loc[LINE.name, "coverage"])})
    one = left_out(both[scale], LINE, level=level)
    widths = 100 * (one["high"] - one["low"]).groupby(one["language"]).mean()
    say(**{f"{scale}_width": f"{widths.median():.0f}", f"{scale}_widest": f"{widths.max():.0f} ({widths.idxmax()})"})

# %% [markdown]
# On average over languages the forecast is off by {glue:text}`predict-miniature-error` points in the miniature, and by
# {glue:text}`predict-real-error` in real data; the mean of the others by {glue:text}`predict-miniature-mean` and
# {glue:text}`predict-real-mean`. Half of the languages have intervals narrower than {glue:text}`predict-miniature-width`
# points (real: {glue:text}`predict-real-width`), the widest has {glue:text}`predict-miniature-widest` (real:
# {glue:text}`predict-real-widest`): there the forecast may be right, but it says little.
#
# Of the intervals {glue:text}`predict-miniature-covered` and {glue:text}`predict-real-covered` hold the truth. *That is no
# success.* With thirteen others the place in {eq}`eq-predict-jackknife` is the thirteenth of thirteen: the interval reaches
# as far as the worst of them, and whatever the measure, about thirteen of fourteen languages lie within. Only models that
# had no part in the choice of the forecast can tell; they come below.
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
bodies = {scale: contest(frame, every[every.key == frame.model.iloc[0]]) for scale, frame in both.items()}
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
# ```{admonition} Concept check: the corrected correlation is that of the true values. True?
# :class: dropdown
# *It is a bound.* The misconception is that noise can only weaken a correlation. The same examples enter the confidence
# *and* the accuracy, so that their errors go the same way, and part of what is corrected for was in $r$ already.
# ```
#
# ## Another model
#
# Left out so far was a language of a model whose other languages are labelled. Now no language of *this* model is, but other
# models were measured. If they have the language, the guess to beat is what they reach in it, $\bar y_L$. Estimators
# then need to say only how this model differs from them,
#
# $$ \hat y_L = \bar y_L + \beta^\top (x_L - \bar x_L) , $$ (eq-predict-within)
#
# with a slope $\beta$ that is fitted to such differences {cite:p}`mundlak1978pooling`. What the encoder knows of a language,
# and no estimator sees, is in $\bar y_L$. A language that no other model has is left with the line.

# %% tags=["remove-input"]
worlds = {"mini": several[several.task == "mini-xnli"]}
worlds |= {"real": real} if real is not None and real.model.nunique() > 1 else {}
where = {"mini": "miniature", "real": encoder}
body, error = [], {}
for scale, frame in worlds.items():
    for _, row in evaluate(frame, "model", (WITHIN, LOOKUP, LINE, FIRST, SURE, DOC, ATC, MEAN), level).iterrows():
        ends = f"{100 * row['width']:.0f}" if np.isfinite(row["width"]) else "none"
        body.append((f"a model ({where[scale]})", row["forecaster"], points(row), ends, row["groups"]))
        error[scale, row["forecaster"]] = points(row)
    for one in (LINE, MEAN):
        off = new_language(frame, one)
        error[scale, one.name, "new"] = f"{off:.1f}"
        body.append((f"a model and a language ({where[scale]})", one.name, f"{off:.1f}", "", off.n))
for scale in where:
    for name, key in (("within", (WITHIN.name,)), ("lookup", (LOOKUP.name,)), ("new", (LINE.name, "new"))):
        say(**{f"{scale}_{name}": error.get((scale, *key), "(not recorded)")})
    say(**{f"{scale}_new_mean": error.get((scale, MEAN.name, "new"), "(not recorded)")})
    gain = closer(worlds[scale], WITHIN, LOOKUP, "model") if scale in worlds else None
    line = closer(worlds[scale], LINE, LOOKUP, "model") if scale in worlds else None
    say(**{f"{scale}_gain": f"{gain:+.2f}" if gain else "(not recorded)"})
    say(**{f"{scale}_line_gain": f"{line:+.2f}" if line else "(not recorded)"})
head = ("left out", "forecast by", "error [points]", "mean width of the interval [points]", "models")
chapters.table(head, body, f"A model is forecast from the others (XNLI, {level:.0%} intervals)", dense=True)

# %% [markdown]
# The error of {eq}`eq-predict-within` minus that of the look-up is {glue:text}`predict-mini-gain` points in the miniature and
# {glue:text}`predict-real-gain` in real data (95 % over models, each forecast from the others, so that they are not quite
# independent); that of a line through all languages, {glue:text}`predict-mini-line-gain` and
# {glue:text}`predict-real-line-gain`. Where no model has the language, the line is what there is: off by {glue:text}`predict-mini-new` and {glue:text}`predict-real-new` points, against
# {glue:text}`predict-mini-new-mean` and {glue:text}`predict-real-new-mean` for the mean of all others.
#
# Labels in other languages of *this* model say more: all its languages share an error, and these show it. With the mean
# $\bar r$ of the residuals of {eq}`eq-predict-within` in its $k$ labelled languages,
#
# $$ \hat y_L = \bar y_L + \beta^\top (x_L - \bar x_L) + u , \qquad
#    u = \frac{k}{k + \sigma_e^2 / \sigma_u^2}\, \bar r , $$ (eq-predict-effect)
#
# where $\sigma_u^2$ is how much models vary in this, and $\sigma_e^2$ how much the languages of one
# {cite:p}`robinson1991blup`. Of each model one, four or nine languages are drawn and count as labelled; all its others are
# forecast, with records of the other models and without:

# %% tags=["remove-input"]
body, effect = [], {}
for scale, frame in worlds.items():
    results = beside_labels(frame, LABELS, level)
    for (count, basis), some in results.groupby(["labels", "basis"]):
        off, width, held = interval_of_mean(some["off"]), some["width"].mean(), some["inside"].mean()
        effect[scale, basis, count] = f"{off:.1f}", f"{width:.1f}", share(held)
        what = "records and labels" if basis == "records" else "labels alone"
        wide = f"{width:.1f}" if np.isfinite(width) else "none"
        body.append((where[scale], count, what, f"{off:.1f}", wide, share(held), off.n))
for scale in where:
    for basis, count in (("records", 1), ("records", 4), ("records", 9), ("alone", 9)):
        off, width, held = effect.get((scale, basis, count), ["(not recorded)"] * 3)
        say(**{f"{scale}_{basis}_{count}": off, f"{scale}_{basis}_{count}_width": width})
        say(**{f"{scale}_{basis}_{count}_held": held})
head = ("world", "labelled", "fitted on", "error [points]", "mean width [points]", "truths in the interval", "models")
chapters.table(head, body, f"A model with some labelled languages ({level:.0%} intervals)", dense=True)

# %% [markdown]
# Four labelled languages beside records leave an error of {glue:text}`predict-mini-records-4` and
# {glue:text}`predict-real-records-4` points, in intervals that are {glue:text}`predict-mini-records-4-width` and
# {glue:text}`predict-real-records-4-width` points wide and hold {glue:text}`predict-mini-records-4-held` and
# {glue:text}`predict-real-records-4-held` of the truths. Nine without records leave {glue:text}`predict-mini-alone-9` and
# {glue:text}`predict-real-alone-9`: what others reach in a language is worth more than one's own labels in other languages.
# This was tried on {glue:text}`predict-beside-known` real models, and models that came later have no part in the choice.
#
# ```{exercise} ★★ What a left-out model keeps
# :label: predict-ex-keeps
#
# For the interval each recorded model is left out in turn. Four languages of your model are labelled. Why must the
# left-out model keep its labels in these four, and why are its errors there not counted?
# ```
#
# ```{solution} predict-ex-keeps
# :class: dropdown
#
# Models are exchangeable only if each is forecast from as much as yours is. Without its four labels the left-out one has
# $u = 0$ and is off by more: the intervals would be too wide. Where it is labelled nothing is to be forecast.
# ```
#
# *Who chooses among forecasts by their errors flatters the winner.* `xlgen predict` has learnt that: its first choice, a line
# from DoC and thresholded entropy, was the best of those tried when {glue:text}`predict-first-known` real models were
# recorded. Of models that were trained afterwards it missed {glue:text}`predict-first-late`. So it was given up for the present choice, which was made with
# {glue:text}`predict-known` real models in sight. Its own fair test are the models that are trained since:

# %% tags=["remove-input"]
of_encoder = recent[(recent.task == "xnli") & (recent.model == encoder)]
asked = zip(((FIRST, SURE), (WITHIN, LOOKUP)), CHOSEN, strict=True)
trials = [afterwards(of_encoder, some, level, since) for some, since in asked]
told = [late.groupby("forecaster")[["off", "inside"]].mean() for late in trials]
counts = [late[["objective", "seed"]].drop_duplicates().shape[0] for late in trials]


def missed(table, one) -> str:
    """The error of a forecaster on later models, and how often its intervals held."""
    return f"by {table.off[one.name]:.1f} points, and its intervals held {share(table.inside[one.name])} of the truths"


first, second = told
say(first_known=of_encoder.key.nunique() - counts[0], known=of_encoder.key.nunique() - counts[1])
say(beside_known=of_encoder[of_encoder.created <= BESIDE].key.nunique())
beside = f", where a line from the confidence itself missed by {first.off[SURE.name]:.1f}" if counts[0] else ""
say(first_late=f"{counts[0]} {missed(first, FIRST)}{beside}" if counts[0] else "none so far")
body = [
    (f"{r.objective}, seed {r.seed}", r.forecaster, f"{r.off:.1f}", share(r.inside)) for r in trials[1].itertuples()
]
head = ("model", "forecast by", "error [points]", "truths in the interval")
chapters.show(chapters.table(head, sorted(body), "Models that were trained after the choice") if body else None)
fair = "none is recorded yet"
if counts[1]:
    fair = f"of {counts[1]} it missed {missed(second, WITHIN)}; the look-up missed by {second.off[LOOKUP.name]:.1f}"
say(late=fair)
since = f"; {fair}".replace("it missed", "trained since this was chosen it missed") if counts[1] else ""
labelled = effect.get(("real", "records", 4), ["(not recorded)"])[0]
said = [error.get(("real", *key), "(not recorded)") for key in ((WITHIN.name,), (LOOKUP.name,), (LINE.name, "new"))]
say(
    real_model=f"{said[0]} points where these were measured in the language (their mean there: {said[1]}), "
    f"{said[2]} where they were not; with four of its languages labelled too {labelled}{since}"
)

# %% [markdown]
# So far: {glue:text}`predict-late`. All languages of a model share its error, so that of one model an interval holds nearly
# all, of another few. What it says holds over many models, and it takes {glue:text}`predict-fewest`.
#
# ## Other sentences
#
# So far all errors are on the very sentences that the other models were counted on. Yours are others. Then $\bar y_L$ carries
# the luck of *their* sentences, with a standard error $s_r$. All models share it, so that no model that is left out shows it.
# And $x_L$ carries the luck of yours: $s_h$, how much the forecast varies over ten parts of your rows. With the normal
# quantile $z$ of the level, an end that {eq}`eq-predict-jackknife` puts at a distance $d$ belongs at
#
# $$ d' = \sqrt{d^2 + z^2\,(s_r^2 + s_h^2)} . $$ (eq-predict-chance)
#
# A world in which sentences are drawn, where what is asked for is the accuracy on all of them:


# %%
def held(rng, models=9, languages=14, count=1500, level=level):
    """How many of a new model's accuracies the intervals hold, before and after what chance adds."""
    model, language = np.indices((models + 1, languages)).reshape(2, -1)
    p = rng.uniform(0.55, 0.7, languages)[language] + rng.normal(0, 0.01, models + 1)[model]
    p, error = p + rng.normal(0, 0.005, len(p)), np.sqrt(0.24 / count)
    y = p + rng.normal(0, error, languages)[language]  # all models were counted on the same sentences
    parts = rng.normal(0, np.sqrt(10) * error / 2, (10, languages))  # the new one's own, in ten parts
    sure, old = p + 0.1 + rng.normal(0, 0.006, len(p)), model < models

    def seen(luck):
        return np.column_stack([sure[~old] + luck, language[~old], model[~old], np.zeros(languages)])

    known = np.column_stack([sure, language, model, np.full(len(p), error)])[old]
    band = jackknife_plus(within, known, y[old], seen(parts.mean(axis=0)), [model[old].tolist()], level)
    fit = within(known, y[old])
    chance = np.hypot(error, spread([fit(seen(part)) for part in parts]))
    wide = widened(band.value, band.low, band.high, chance, level)
    return [np.mean((low <= p[~old]) & (p[~old] <= high)) for low, high in ((band.low, band.high), wide)]


raw, wide = np.mean([held(np.random.default_rng(seed)) for seed in range(12)], axis=0)
print(f"intervals of {level:.0%} hold {raw:.0%} of the accuracies; with the chance of sentences {wide:.0%}")

# %% tags=["remove-input"]
luck = (
    of_encoder[(of_encoder.measure == "accuracy") & of_encoder.language.isin(real.language)]
    if len(of_encoder)
    else None
)
say(
    raw=f"{raw:.0%}",
    wide=f"{wide:.0%}",
    luck=f"{100 * luck.stderr.median():.1f}" if luck is not None else "(not recorded)",
    counted_on=f"{luck.n.median():,.0f}" if luck is not None else "(not recorded)",
)

# %% [markdown]
# Without it the intervals hold {glue:text}`predict-raw`, with it {glue:text}`predict-wide`. In the real records, which are
# counted on {glue:text}`predict-counted-on` sentences a language, $s_r$ is {glue:text}`predict-luck` points, beside the
# {glue:text}`predict-real-within` that the forecast is off by on these sentences. So `xlgen predict` gives wider intervals than
# the tables above, and no forecast from records is worth more labels than these were counted on.
#
# ## Another encoder
#
# If the records are of another encoder than yours, models are no longer exchangeable, and no theorem says anything
# of the interval:

# %% tags=["remove-input"]
across = other_encoders(every, (WITHIN, LOOKUP, LINE, DOC))
body = [
    (r.task, f"{r.model} ({r.models})", r.others, r.forecaster, f"{r.off:.1f}", f"{r.bias:+.1f}".replace("-", "−"))
    for r in across.itertuples()
]
head = ("task", "encoder (models)", "models of others", "forecast by", "error [points]", "bias [points]")
chapters.show(chapters.table(head, body, "An encoder is forecast from models of other encoders") if body else None)
by = across.groupby("forecaster").off.mean() if body else {}
for short, one in (("within", WITHIN), ("lookup", LOOKUP), ("doc", DOC)):
    say(**{f"across_{short}": f"{by[one.name]:.1f}" if body else "(not recorded)"})

# %% [markdown]
# From another encoder the forecast is off by {glue:text}`predict-across-within` points on average and the look-up by
# {glue:text}`predict-across-lookup`; DoC as it is, which rests on the model's own English alone, by
# {glue:text}`predict-across-doc`. What languages cost one encoder they need not cost another: `minilm-en` has seen English
# alone. Use records of your own encoder, or label. `xlgen predict` leaves models out that are known to be of another.
#
# ## Another task
#
# Hardest: no label was seen of this task, and records are of others.

# %% tags=["remove-input"]
body, by_task, error = [], left_out(several, LINE, "task", level), {}
actual = several[~several.task.str.startswith("mini-")]
sets = {"all tasks of the records": several} | ({"its real tasks": actual} if actual.task.nunique() > 1 else {})
for what, frame in sets.items():
    for _, row in evaluate(frame, "task", (LINE, DOC, ATC, MEAN), level).iterrows():
        body.append((what, row["forecaster"], points(row), row["groups"]))
        error[what, row["forecaster"]] = points(row)
display(chapters.table(("", "forecast by", "error [points]", "tasks"), body, "A task is forecast from the others"))
say(**{f"task_{short}": error["all tasks of the records", one.name] for short, one in (("line", LINE), ("doc", DOC))})
by_task = by_task.assign(off=100 * (by_task["value"] - by_task["truth"]))
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
say(tasks=several.task.nunique(), real_tasks=actual.task.nunique())
worst = max(body, key=lambda row: float(row[3]))
say(worst_task=worst[0], worst_error=worst[3])
head = ("task that no label was seen of", "models", "languages", "error [points]", "bias [points]")
chapters.table(head, body, "Each task forecast by a line through the languages of all other tasks")

# %% [markdown]
# The records have {glue:text}`predict-tasks` tasks with these estimators, of which {glue:text}`predict-real-tasks` real.
# From task to task nothing carries over: the line is off by {glue:text}`predict-task-line` points, DoC as it is by
# {glue:text}`predict-task-doc`; worst is {glue:text}`predict-worst-task` ({glue:text}`predict-worst-error`). (WikiAnn is scored
# by the F1 of names, and confidence is that of single words.) An interval for a new task would take nine others. Label
# some languages of your own task instead.
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
direct = [
    f"{doc} ({name}, {coded_by})"
    for name, coded_by, _, doc, _ in sorted(body)
    if not name.startswith("mini-") and TASKS[name].kind == "sequence"
]
say(direct="; ".join(direct) or "(not recorded)")
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
    ends = [labels_worth(whole[scale].loc[LINE.name, end], reached) for end in ("mae_high", "mae_low")]
    say(**{f"{scale}_worth": f"{labels_worth(mae, reached):.0f} [{ends[0]:.0f}, {ends[1]:.0f}]"})
ax.set(xscale="log", xlabel="labelled examples of the language", ylabel="error [points]", ylim=(0, None))
ax.legend(frameon=False)
say(hundred=f"{100 * error_of_labels(100, 0.7):.1f}", decide=f"{labels_worth(0.02, 0.7):.0f}")
plt.show()

# %% [markdown]
# A forecast with labelled languages is worth {glue:text}`predict-miniature-worth` labels in the miniature and
# {glue:text}`predict-real-worth` in real data (the interval is that of the error), or more: part of what it seems to miss by
# is the chance of the examples that the truth was counted on. A hundred labels leave an error of
# {glue:text}`predict-hundred` points; to two points, count on {glue:text}`predict-decide`.
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
    caption="The share of examples above a threshold against accuracy, one point a language. Move the threshold away from "
    "the one that English chooses: does any other fit all languages better?",
)

# %% tags=["hide-input"]
live.calibration(
    sure,
    right,
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
others = others[["task", "run", "language", "measure", "value", "stderr", "status"]]
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
error_ko = 100 * answered.log_probs.exp().amax(dim=1).std().item() / len(labels) ** 0.5
say(korean=f"{truth_ko:.3f}", korean_n=len(labels), known_to=f"{error_ko:.1f}", ten_times=f"{error_ko / 10**0.5:.1f}")

# %% [markdown]
# The miniature's generator wrote these {glue:text}`predict-korean-n` pairs and knows the labels, which the command did not
# see: the accuracy is {glue:text}`predict-korean`. On so many pairs the mean confidence is known to
# ± {glue:text}`predict-known-to` points (one standard error), on ten times as many to ± {glue:text}`predict-ten-times`: with
# fewer than a few hundred sentences it is they that limit the forecast. `report.html` is the table with a plot, to be
# mailed. Formats and columns: {doc}`/running`; tasks of your own: {doc}`/extending`.
#
# ```{admonition} What we learnt
# :class: important
# - Where other languages of the model are labelled, one pass over the text and a line forecast a new one to
#   {glue:text}`predict-miniature-error` points in the miniature and {glue:text}`predict-real-error` in real data (mean of the
#   others: {glue:text}`predict-miniature-mean`, {glue:text}`predict-real-mean`).
# - Where other models have the language, what they reach in it and how this model differs from them give
#   {glue:text}`predict-mini-within` and {glue:text}`predict-real-within`; their mean alone {glue:text}`predict-mini-lookup` and
#   {glue:text}`predict-real-lookup`. Four labelled languages of the model itself bring it to
#   {glue:text}`predict-mini-records-4` and {glue:text}`predict-real-records-4`. From another task nothing carries over.
# - Whether intervals keep their word is seen on models that had no part in the choice: {glue:text}`predict-late`. The first
#   choice missed {glue:text}`predict-first-late`.
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
