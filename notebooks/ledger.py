# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The ledger
#
# Every numbered table and figure of the papers, what it claims, what was found here, and whether the claim held. No
# sentence of this page was written with a result in mind: the claims are data, the numbers come from the chapters as
# they ran, and the verdicts follow from both by rules that do not know the outcome.
#
# Two choices of what goes *into* a number were made after first scores had been seen, though, and are no
# preregistration: in {doc}`pawsx` a first stage counts only if it is above chance in English (that page names those
# left out, and gives the coefficient with them), and in {doc}`tagging` languages near the floor are left out of the
# counts (the counts with them stand beside).
#
# The size of the models of {doc}`objectives` is no neutral choice either: they are trained on 3,000 pairs, to save time.
# With the preset's 6,000 pairs 24 of the 123 verdicts were "agrees", 7 "agrees in sign only", 6 "does not agree", 72
# "cannot say" and 14 "not run"; with 3,000 pairs 28, 5, 6, 70 and 14. That page says what the difference is due to.
#
# ```{admonition} What you will learn
# :class: tip
# - Which claims of the papers hold in this setting, which do not, and which cannot be told with so little data.
# - What makes a verdict, when the only honest one is "cannot say", and how many chance alone would hand out.
# - Where the papers contradict themselves or each other, what was chosen, and how much the choice matters.
# ```

# %% tags=["parameters", "hide-input"]
evidence: str = ""  # folder with the chapters' evidence; empty: the book's, else the store's
store: str = ""  # folder of trained models and measures; empty: runs/ of the checkout

# %% tags=["hide-cell"]
import math
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from paper import chapters, figures, ledger, published
from paper.ledger import page
from paper.live import ledger_grid
from paper.notebook import provenance, root

figures.use_style()
say = chapters.Say("ledger")

# %% tags=["hide-input", "reads:book/notebooks/ledger"]
folder = Path(evidence) if evidence else chapters.ledger_folder(chapters.options_for(store).store)
records = ledger.load(folder)
rows = ledger.rows(records)
ran = [row for row in rows if row.scale]
pages = {name: f"{name}.html" for name in ledger.CHAPTERS if (root() / "notebooks" / f"{name}.py").is_file()}
papers = {paper.name: paper for paper in published.PAPERS.values()}
counts = ledger.counts(rows)


def verdicts(of_rows: list) -> str:
    """How many rows have which verdict, in words."""
    by = Counter(row.verdict for row in of_rows)
    return ", ".join(f"{by[word]} “{word}”" for word in ledger.OUTCOMES if by[word]) or "none"


# %% tags=["remove-input"]
n_live, items = sum(row.live for row in ran), {(row.paper, row.item) for row in ran}
say(rows=len(rows), claims=len(ledger.CLAIMS), run=len(ran), live=n_live, records=len(ran) - n_live)
say(items=sum(len(paper.items) for paper in papers.values()), items_run=len(items), counts=verdicts(rows))
say(**{key: counts["scale"][word] for key, word in zip(("miniature", "real", "paper"), ledger.SCALES, strict=True)})

# %% [markdown]
# The book starts from {cite:t}`bassi2024generalization`, {cite:t}`stickland2021regularising` and
# {cite:t}`anonymous2021frustratingly`. Together they number {glue:text}`ledger-items` tables and figures, and each of
# these has at least one row here. Two further texts were read and have no row of their own: a second transcript of the
# second paper, with the same two figures, and a summary of the first (arXiv 2404.15928), which repeats its claims in
# words and has no empirical item.
#
# ```{admonition} How to read it
# :class: note
# *Miniature* is the encoder, the data and the sizes that this book ships: a pattern that appears there is a pattern,
# and no replication of a number. *Real data* is the papers' data with another encoder or size, *paper* the papers'
# setting. *Live* means that every model behind the number was trained or measured by this build or found in its store;
# *record*, that some were read from run records that are kept in the repository. Intervals are 95 %: of differences,
# ratios and shares over seeds or settings, of which a single one has no interval, of correlations over languages or
# models; the chapter says which. Differences of scores are in percentage points.
# Nothing here is about mBERT unless the scale says so.
# ```
#
# ## In numbers
#
# Of {glue:text}`ledger-rows` rows ({glue:text}`ledger-claims` claims, each once at every scale at which it was run),
# {glue:text}`ledger-run` have been run, {glue:text}`ledger-live` of them live and {glue:text}`ledger-records` with
# records; they cover {glue:text}`ledger-items-run` of the {glue:text}`ledger-items` tables and figures. The verdicts:
# {glue:text}`ledger-counts`.

# %% tags=["remove-input"]
scales = [*ledger.SCALES, ledger.NOT_RUN]
body = [
    (word, *(counts["scale and verdict"][f"{scale}: {word}"] or "" for scale in scales), counts["verdict"][word])
    for word in ledger.OUTCOMES
]
body.append(("all", *(counts["scale"][scale] or "" for scale in scales), len(rows)))
chapters.table(("verdict", *scales, "all"), body, "Rows of the ledger by verdict and scale")

# %% mystnb={"figure": {"name": "fig-ledger", "caption": "Rows of the ledger by paper and verdict. The numbers in the bars are rows; a table or figure may have several."}, "image": {"alt": "One horizontal bar for each paper, divided by verdict; each part has its own colour and hatch and its number of rows."}} tags=["hide-input"]
totals = np.array([sum(row.paper == name for row in rows) for name in papers])
fig, ax = plt.subplots(figsize=(9.6, 0.7 * len(papers) + 1.2))
left = np.zeros(len(papers))
for word, (sign, colour, hatch) in page.LOOKS.items():
    number = np.array([sum((row.paper, row.verdict) == (name, word) for row in rows) for name in papers])
    bars = ax.barh(
        range(len(papers)), 100 * number / totals, 0.7, left, color=colour, hatch=hatch, ec=figures.INK, lw=0.6
    )
    bars.set_label(f"{sign} {word}")
    for height, (n, bar) in enumerate(zip(number, bars, strict=True)):
        if n:
            middle = bar.get_x() + bar.get_width() / 2
            plate = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.9}
            ax.text(middle, height, str(n), ha="center", va="center", fontsize=9, bbox=plate)
    left += 100 * number / totals
ax.set_yticks(range(len(papers)), [f"{name}\n{n} rows" for name, n in zip(papers, totals, strict=True)])
ax.set(xlabel="share of the paper's rows [%]", xlim=(0, 100), ylim=(len(papers) - 0.5, -0.5))
ax.grid(visible=False)
ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=5, columnspacing=1)
plt.show()

# %% tags=["remove-input"]
head = ("chapter", "rows", "run", "live", "with records", "verdicts of those run")
body = []
for name, about in ledger.CHAPTERS.items():
    own = [row for row in rows if row.chapter == name]
    done = [row for row in own if row.scale]
    if own:
        live = sum(row.live for row in done)
        body.append((about, len(own), len(done), live, len(done) - live, verdicts(done)))
chapters.table(head, body, "Rows of the ledger by chapter")

# %% tags=["remove-input"]
with_interval = [row for row in ran if "[" in row.ours]
settled = [row for row in with_interval if row.verdict != "cannot say"]
say(intervals=len(with_interval), settled=len(settled), chance=f"{0.05 * len(with_interval):.0f}")

# %% [markdown]
# A row with an interval is settled by chance in about one of twenty cases where there is nothing to be found, in more
# where its interval takes related languages for independent ({ref}`ledger-rates`). Of
# {glue:text}`ledger-intervals` rows with an interval {glue:text}`ledger-settled` are settled, for or against the claim;
# chance would settle {glue:text}`ledger-chance`. Which of them are chance's, nobody knows; and they come in groups,
# because many share their models, so that a surprise comes in groups too.
#
# ## The rows
#
# Choose what to see. Where scripts do not run, there are no menus and all rows are shown. Under "Ours" stands how many
# points (languages, models, runs) and which seeds a number is from; a click on the runs shows their names in the store.

# %% tags=["remove-input"]
ledger_grid(rows)

# %% tags=["remove-input"]
page.controls(rows)

# %% tags=["remove-input"]


def register(name: str):
    """All rows of a paper."""
    own = [row for row in rows if row.paper == name]
    return page.register(own, f"{name}: {len(own)} rows; {verdicts(own)}", pages)


bassi, stickland, l2 = papers

# %% [markdown]
# ### Bassi et al.: measures of generalisation

# %% tags=["remove-input"]
register(bassi)

# %% [markdown]
# ### Stickland & Murray: the trace of the Fisher information

# %% tags=["remove-input"]
register(stickland)

# %% [markdown]
# ### Anonymous: L2 and EWC

# %% tags=["remove-input"]
register(l2)

# %% [markdown]
# ## The rules
#
# All pages of the book have their verdicts from one function. A verdict is computed from our number, its 95 % interval
# and the printed number, where there is one. Each claim is of one kind of evidence, and each kind has one rule. They lean
# one way on purpose: where our data do not settle a sign, they say nothing, whatever the paper says.

# %% tags=["remove-input"]
of_kind = Counter(claim.kind for claim in ledger.claims())
body = [
    (name, of_kind[name], kind.unit, "none" if kind.null is None else f"{kind.null:g}", kind.rule)
    for name, kind in ledger.KINDS.items()
]
chapters.table(("kind", "claims", "unit", "says nothing at", "rule"), body, "Kinds of evidence and their rules")

# %% [markdown]
# (ledger-rates)=
# ### How often the rules are wrong
#
# Situations of which the truth is known are drawn {glue:text}`ledger-draws` times each, and judged by the function that
# judges the rows. A rule that promises 5 % should be wrong in no more than that.

# %% tags=["remove-input"]
rates = ledger.error_rates()
say(draws=f"{rates[0].draws:,}")
page.error_rates(rates)

# %% tags=["remove-input"]
kept = [rate for rate in rates if not math.isnan(rate.promised)]
beyond = [rate for rate in kept if rate.value > rate.promised + 3 * rate.stderr]
most = max((rate for rate in rates if math.isnan(rate.promised)), key=lambda rate: rate.value)
say(kept=f"{len(kept) - len(beyond)} of {len(kept)}", worst=f"{100 * most.value:.0f} % ({most.situation})")

# %% [markdown]
# Within three standard errors of the simulation {glue:text}`ledger-kept` promises are kept. Nothing is promised where
# the languages of a correlation are related, and where the uncertainty of the published number is not known: the largest
# rate is {glue:text}`ledger-worst`. Read such rows with that in mind; a row says when the published number had to be
# taken as exact. The rates are of all cases, as a test has them; the last column has those among the cases that settled
# anything.
#
# ```{exercise} ★ Agreement by sign
# :label: ledger-ex-sign
#
# Suppose a claim were counted as confirmed whenever our value lies on the claimed side, interval or not. How many rows
# would be confirmed? How many of those does the rule above call "cannot say", and which of the two counts would you
# print in an abstract?
# ```
#
# ````{solution-start} ledger-ex-sign
# :class: dropdown
# ````

# %%
verdict_of = {(row.claim.id, row.scale): row.verdict for row in ran}
confirmed, n_signs = [], 0
for record in records:
    claim = ledger.CLAIMS[record.claim]
    if record.reason or claim.null is None:
        continue
    if claim.pairs:
        right = all(value > claim.null for value in record.value.values())
    else:
        right = (record.value - claim.null) * claim.direction > 0
    n_signs += 1
    if right:
        confirmed.append(verdict_of[record.claim, record.scale])
print(f"{len(confirmed)} of {n_signs} on the claimed side,")
print(f"{confirmed.count('cannot say')} of them “cannot say”")

# %% [markdown]
# If nothing were to be found, half of the single numbers would lie on the claimed side. A count of signs looks like
# confirmation and is mostly the toss of a coin; the second count is what remains when the coin has been asked for its
# interval.
#
# ````{solution-end}
# ````
#
# ## What was not run

# %% tags=["remove-input"]
missing: dict[str, list] = {}
for row in rows:
    if not row.scale:
        missing.setdefault(row.because, []).append(row)


def listed(of_rows: list) -> str:
    """Tables and figures of some rows, by paper."""
    by = {name: list(dict.fromkeys(row.item for row in of_rows if row.paper == name)) for name in papers}
    return "; ".join(f"{name}: {', '.join(items)}" for name, items in by.items() if items)


body = [
    (f"{reason[0].upper()}{reason[1:]}", len(some), listed(some))
    for reason, some in sorted(missing.items(), key=lambda pair: -len(pair[1]))
]
nothing = chapters.box("note", "Everything was run", "Every claim has a number.")
chapters.table(("why", "rows", "tables and figures"), body, "Claims that were not run") if body else nothing

# %% [markdown]
# A row that needs pretrained weights runs with one parameter where those weights are at hand ({doc}`/running`); its
# verdict then appears at the scale *real data* or *paper* beside that of the miniature.
#
# And some rows were run with less than the paper has, which no verdict shows. EWC takes its Fisher information from
# French text unless the chapter says otherwise, where the paper trains another model for every target language. Models
# behind records are trained on fewer examples than those of the other chapters. And where the paper has mBERT, the
# miniature has an encoder that was pretrained on generated text.
#
# ## Printed numbers that do not add up

# %% tags=["remove-input"]
checks, wrong = published.checks(), published.discrepancies()
say(checks=len(checks), wrong=len(wrong), rounding=sum(check.explained for check in wrong))

# %% [markdown]
# Averages, changes, numbers that are printed twice and numbers of the texts that follow from a table:
# {glue:text}`ledger-checks` of them can be recomputed from the printed cells. {glue:text}`ledger-wrong` do not come out
# as printed; in {glue:text}`ledger-rounding` of these the rounding of the cells can make the difference.

# %% tags=["remove-input"]
page.discrepancies(wrong)

# %% [markdown]
# ## Where the papers contradict themselves, or each other
#
# For each: what does not go together, what is done here, and where the choice could be computed both ways, what it
# changes.

# %% tags=["remove-input"]
contradictions, choices = published.contradictions(), ledger.choices(folder)
say(contradictions=len(contradictions), choices=len({choice.contradiction for choice in choices}))


def boxes_of(*keys: str):
    """The contradictions of a paper with itself, or of two papers."""
    return page.conflicts([one for one in contradictions if set(one.papers) == set(keys)], rows, choices, pages)


# %% [markdown]
# ### Between the papers

# %% tags=["remove-input"]
boxes_of("bassi2024generalization", "stickland2021regularising")

# %% [markdown]
# ### Within Bassi et al.

# %% tags=["remove-input"]
boxes_of("bassi2024generalization")

# %% [markdown]
# ### Within Stickland & Murray

# %% tags=["remove-input"]
boxes_of("stickland2021regularising")

# %% [markdown]
# ### Within Anonymous, L2 and EWC

# %% tags=["remove-input"]
boxes_of("anonymous2021frustratingly")

# %% [markdown]
# ```{admonition} What we learnt
# :class: important
# - Of {glue:text}`ledger-rows` rows: {glue:text}`ledger-counts`. They cover {glue:text}`ledger-items-run` of
#   {glue:text}`ledger-items` tables and figures; {glue:text}`ledger-miniature` rows are the miniature's,
#   {glue:text}`ledger-real` real data's and {glue:text}`ledger-paper` in the papers' setting.
# - {glue:text}`ledger-settled` rows are settled, and about {glue:text}`ledger-chance` would be by chance.
# - {glue:text}`ledger-wrong` of {glue:text}`ledger-checks` recomputed numbers do not come out as printed, and in
#   {glue:text}`ledger-contradictions` places the papers contradict themselves or each other; for
#   {glue:text}`ledger-choices` of these a chapter has computed how much the choice matters.
# ```
#
# ```{admonition} Your turn
# :class: tip
# A chapter that is run by hand writes its evidence beside its results. Run one on other data and look at its rows:
#
#     papermill notebooks/frechet.ipynb out.ipynb -p preset small -p data_dir archives -p text_dir texts -p model mini
#     papermill notebooks/ledger.ipynb ledger.out.ipynb -p evidence runs/ledger
# ```

# %% tags=["remove-input"]
provenance(sorted({key for row in ran for key in row.run_keys}), {"evidence": evidence, "store": store})
