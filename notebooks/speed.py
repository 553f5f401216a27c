# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What it costs
#
# A measure that is expensive is not used, and an objective that doubles the price of training has to be worth it. This page
# shows what everything costs in units of a plain training step, what it would cost at best, and what other packages
# take for the same number. Nothing is timed while the book is built: the tables were made by one command on one
# machine, are kept in the repository, and are only shown here.
#
# ```{admonition} What you will learn
# :class: tip
# - What the trace and the diagonal of the Fisher information, sharpness-aware minimisation and the penalties cost at least.
# - How far this library and its peers are from that, on a small model and on one of mBERT's size.
# - How to time two programs on a machine that does other things as well.
# ```

# %% tags=["parameters", "hide-input"]
results: str = ""  # folder with tables to show; empty: those of the repository
drawn: str = "mbert-4"  # table that the figure draws, if it is there: small, mbert-4 or mbert-8

# %% tags=["hide-cell", "reads:benchmarks"]
import matplotlib.pyplot as plt
from IPython.display import display

from benchmarks import report
from paper import chapters, figures
from paper.notebook import provenance

figures.use_style()
say = chapters.Say("speed")
tables = report.load(results or report.RESULTS)
order = [name for name in ("small", "mbert-4", "mbert-8", "pipeline") if name in tables]
steps = [name for name in order if name != "pipeline"]
drawn = drawn if drawn in steps else steps[-1]

# %% tags=["remove-input"]
facts = tables[drawn]["facts"]
versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items() if number)
say(machine=f"{facts['cpu']}, {facts['threads']} thread", date=facts["date"], versions=versions)
say(shape=facts["shape"], plain=f"{facts['plain_seconds']:.2f} s")

# %% [markdown]
# ## The unit, and the floor
#
# The unit is one forward and backward pass of the same batch. A forward pass multiplies the input of each linear map by
# its weights; a backward pass has two products of that size, the gradient of the input and the gradient of the weights.
# With $F$ for the forward pass, the unit is therefore $3F$, and one can count what each operation needs at least:
#
# | operation | needs | in units |
# |---|---|---|
# | sharpness-aware minimisation | two forward and backward passes | 2 |
# | Fisher penalty, true labels | the same: the gradient at the weights is that of the loss | 2 |
# | Fisher penalty, sampled labels | one more backward pass | 8/3 |
# | $\mathrm{Tr} F$, true labels | a forward pass, the gradients of the inputs alone, and two Gram matrices a map | 0.75 |
# | $\mathrm{Tr} F$, model's labels, $C$ classes | the same with $C - 1$ backward passes | 1.16 |
# | diagonal of $F$, true labels | each example's weight gradient, squared and added up | 1 |
# | diagonal of $F$, model's labels | the same with $C - 1$ backward passes | 5/3 |
#
# The figures for $F$ are those of a base-sized encoder with 128 sub-words and three classes. Two ideas make the
# difference. The squared norm of a gradient $\sum_t \delta_t a_t^\top$ follows from the Gram matrices of $\delta$ and
# $a$, so that the gradient itself is never formed {cite:p}`li2022large`. And the expectation over the model's own labels has
# rank $C - 1$: $\mathrm{diag}(p) - p p^\top = S S^\top$, so that $C - 1$ backward passes give it exactly.
#
# ```{exercise} ★ Below the unit
# :label: speed-ex-below
#
# A trace of the Fisher information costs less than a training step, although it needs the norm of *every* example's
# gradient, of which the step only has the mean. What does the step compute that the trace can do without?
# ```
#
# ```{solution} speed-ex-below
# :class: dropdown
#
# The gradients of the weights: a third of the unit, and for the embedding table a matrix as large as the vocabulary. The
# Gram matrices that replace them grow with the square of the length, not with the size of the maps, and at 128 sub-words
# they are small. For very long texts it is the other way round.
# ```
#
# ## How it was timed
#
# A machine is never quiet, and a unit that is timed once, at the start, makes the same code look fast today and slow
# tomorrow. So one plain step is timed immediately before every repeat of every operation, and what is shown is the
# median of the ratios of these pairs, with the smallest and the largest. Memory is measured in a pass of its own. Every
# value is compared with a naive computation in the same process: for the Fisher information a loop over the examples
# and classes in float64, for the objectives their definition.
#
# Machine: {glue:text}`speed-machine`, {glue:text}`speed-date`. Plain step of the model in the figure:
# {glue:text}`speed-plain` ({glue:text}`speed-shape`). Versions: {glue:text}`speed-versions`.

# %% mystnb={"figure": {"name": "fig-speed", "caption": "Cost of each operation in units of one forward and backward pass of the same batch, for the table named by the parameter `drawn`. Filled: this library; open: others that compute the same number. Bars: smallest and largest ratio; vertical ticks: goals. The axis is logarithmic."}, "image": {"alt": "One row for each operation with a filled mark for this library, open marks for other packages and a tick for the goal, against the cost in units of a training step."}} tags=["hide-input"]
rows = [row for row in tables[drawn]["rows"] if row["status"] == "ok" and row["unit"] == "plain"]
operations = list(dict.fromkeys(row["operation"] for row in rows if row["ours"]))
fig, ax = plt.subplots(figsize=(8.4, 0.5 * len(operations) + 1.2))
for height, operation in enumerate(operations):
    for row in (row for row in rows if row["operation"] == operation):
        look = figures.look("sam" if row["ours"] else "baseline")
        face = look.colour if row["ours"] else "white"
        ax.plot([row["low"], row["high"]], [height] * 2, color=look.colour, lw=1, zorder=1)
        ax.plot(row["ratio"], height, "o", color=look.colour, mfc=face, ms=6)
        if row["goal"] is not None:
            ax.plot(row["goal"], height, "|", color=figures.look("fisher").colour, ms=16, mew=2)
ax.axvline(1, color=figures.FAINT, lw=0.8, zorder=0)
ax.set_xscale("log")
marks = [0.5, 1, 2, 4, 8]
ax.set_xticks(marks, [f"{mark:g}" for mark in marks])
ax.minorticks_off()
ax.set_yticks(range(len(operations)), operations)
ax.set(ylim=(len(operations) - 0.5, -0.5), xlabel="cost in plain forward and backward passes")
plt.show()

# %% tags=["remove-input"]
lines = [(name, row) for name in order for row in tables[name]["rows"]]
aimed = [(name, row) for name, row in lines if row["ours"] and row.get("goal") is not None]
met = {name: [row["ratio"] <= row["goal"] for size, row in aimed if size == name] for name in order}
ours = [(name, row) for name, row in lines if row["ours"] and row["status"] == "ok"]
peers = [(name, row, report.best_peer(row, tables[name]["rows"])) for name, row in ours]
peers = [(name, row, peer) for name, row, peer in peers if peer is not None]
slower = [f"{row['operation']} ({name})" for name, row, peer in peers if row["ratio"] >= peer["ratio"]]
wrong = [f"{row['who']}: {row['operation']} ({name})" for name, row in lines if row["status"] == "wrong"]
missed = [
    f"{name}: {row['operation']}, {row['ratio']:.2f} [{row['low']:.2f}, {row['high']:.2f}] where {row['goal']:g} was "
    "the aim"
    for name in order
    for row in report.missed(tables[name]["rows"])
]
say(goals="; ".join(f"{name}: {sum(reached)} of {len(reached)}" for name, reached in met.items()))
say(ahead=f"{len(peers) - len(slower)} of {len(peers)}")
short = {"Goals missed": missed, "Slower than another package": slower, "Wrong values": wrong}
chapters.box("note", "What fell short", *(f"{what}: {'; '.join(some) or 'none'}." for what, some in short.items()))

# %% [markdown]
# ## The tables
#
# "To" is what a ratio is relative to. "Extra MiB" is the growth of the process's memory beyond that of a plain step.
# "Error" is the relative difference to the naive computation. A peer that was not installed, needs more memory than a
# row may take, or failed, is named with the reason.

# %% tags=["remove-input"]
for name in order:
    columns = [i for i, head in enumerate(report.HEAD) if head != "seconds"]
    body = [[report.cells(row, tables[name]["rows"])[i] for i in columns] for row in tables[name]["rows"]]
    facts = tables[name]["facts"]
    about = facts.get("shape", "data path, evaluation, search, training, start-up")
    display(chapters.table([report.HEAD[i] for i in columns], body, f"{name}: {about}; {facts['date']}"))

# %% tags=["remove-input"]
notes = {row["operation"]: row["note"] for _, row in lines if row.get("note")}
chapters.table(("", "note"), notes.items(), "What some of the rows are")

# %% [markdown]
# ## How far off a plan is
#
# `xlgen plan` says the hours of a grid before any is spent ({doc}`/running`). On this device it times a few steps of
# each kind of run. For another device whose throughput is given it counts the multiplications of a step instead, which
# takes no account of what is none: in a small model the optimizer, norms and copies are a large part of the time, and a
# frozen encoder saves fewer of them than of the multiplications. The table has both beside what the same runs took
# here, planned and trained in turn ({glue:text}`speed-planning-date`); of both the fastest counts. Seconds are the
# processor's, since the machine did other work as well.
#
# Timed, a plan was {glue:text}`speed-timed-median` off at the median of {glue:text}`speed-planned-kinds` kinds of run
# and {glue:text}`speed-timed-largest` at most; counted, {glue:text}`speed-counted-median` and
# {glue:text}`speed-counted-largest`. {glue:text}`speed-within` of the timed plans are within 25 %.

# %% tags=["remove-input"]
kept = report.load()
planning = kept["planning"]["rows"]
percent = lambda value: f"{value:+.0%}".replace("-", "−").replace("%", " %")  # noqa: E731
for name, key in (("timed", "error"), ("counted", "error_counted")):
    errors = sorted(abs(row[key]) for row in planning)
    say(**{f"{name}_median": f"{errors[len(errors) // 2]:.0%}", f"{name}_largest": f"{errors[-1]:.0%}"})
within = sum(abs(row["error"]) <= 0.25 for row in planning)
say(planned_kinds=len(planning), planning_date=kept["planning"]["facts"]["date"], within=f"{within} of {len(planning)}")
body = [
    (row["task"], row["model"], row["objective"], row["tuning"], row["steps"], f"{min(row['seconds']):.1f}")
    + (f"{min(row['planned']):.1f}", percent(row["error"]), f"{row['counted']:.1f}", percent(row["error_counted"]))
    for row in planning
]
head = ("task", "model", "objective", "tuning", "steps", "took [s]", "timed [s]", "error", "counted [s]", "error")
chapters.table(head, body, "What runs took, and what was planned", dense=True)

# %% [markdown]
# ## A thousand runs
#
# A grid leaves many small results. A committed record was copied under the names of other seeds
# ({glue:text}`speed-load-date`), and each part of the work was done by a fresh process, which tells its processor's time
# and how much its memory grew. Time is to grow with the number of runs, and memory not beyond the table that is asked
# for. `xlgen list runs` of {glue:text}`speed-listed` results took {glue:text}`speed-listed-seconds`.

# %% tags=["remove-input"]
load = kept["load"]["rows"]
most = max(load, key=lambda row: (row["work"] == "listed", row["runs"]))
say(load_date=kept["load"]["facts"]["date"], listed=f"{most['runs']:,}", listed_seconds=f"{most['cpu_seconds']:.1f} s")
words = {"write": "write results and records", "listed": "list", "collected": "a table of every number"}
words["plotted"] = "table and figure"
cells = {(row["work"], row["runs"]): row for row in load}
numbers = sorted({row["runs"] for row in load})
body = []
for work, word in words.items():
    for title, key in (("time [s]", "cpu_seconds"), ("memory [MiB]", "mib")):
        values = [cells.get((work, number), {}).get(key) for number in numbers]
        if any(value is not None for value in values):
            body.append((word, title, *("" if value is None else f"{value:.1f}" for value in values)))
chapters.table(("work", "", *(f"{number:,} runs" for number in numbers)), body, "Many runs")

# %% [markdown]
# ## What bfloat16 changes
#
# With `--set precision=bf16` the forward and backward passes of training are computed in bfloat16 where torch holds that
# to be safe. Each model is trained twice with the same seed, that is with the same initial weights, batches and dropout
# masks, and both are scored in float32. Accuracies and differences are in points, mean ± standard deviation over seeds;
# "others" is the mean over the other languages, "one language" the largest difference in one language and seed, and
# "time" what a step takes relative to one in float32, on this CPU: median and range of pairs.

# %% tags=["remove-input"]
if "precision" in tables:
    display(chapters.table(report.LOWERED, report.lowered(tables["precision"]), "Training in bfloat16 and in float32"))
    say(bf16_beyond="; ".join(report.beyond_seeds(tables["precision"])) or "none")
else:
    say(bf16_beyond="not timed")

# %% [markdown]
# Mean differences that are larger than the spread of float32 between seeds [points]: {glue:text}`speed-bf16-beyond`. In one
# language and one seed it can be several points: rounding takes training down another path, as another seed would. Two
# objectives should therefore be compared in one precision. The encoder of real size is trained on 1,500 pairs for one
# epoch, enough to be above chance and no more. On this CPU, which has instructions for bfloat16, it is no gain in time.
#
# ```{admonition} What we learnt
# :class: important
# - Goals reached: {glue:text}`speed-goals`.
# - Where another package computes the same number, this library was faster in {glue:text}`speed-ahead` cases.
# - A plan of this device is off by {glue:text}`speed-timed-median` at the median, and lists of thousands of runs take
#   seconds.
# - Most of what a careless step loses is not arithmetic but memory: copies of the weights, fresh memory for each
#   gradient, an optimizer that passes over the parameters ten times.
# ```
#
# ```{admonition} Your turn
# :class: tip
# Measure on your own machine (minutes for `small`, half an hour for everything), and look at the result:
#
#     python -m benchmarks --size small --out my-results
#     papermill notebooks/speed.ipynb out.ipynb -p results my-results -p drawn small
#
# Other packages are optional; what is missing is named in the table. `make bench` installs them first.
# ```

# %% tags=["remove-input"]
provenance([], {"results": results or "benchmarks/results", "drawn": drawn})
