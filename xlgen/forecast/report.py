"""A forecast as one HTML file that needs nothing else: to be mailed, printed, and read without a network."""

from __future__ import annotations

import io
import math
from html import escape
from pathlib import Path

from xlgen.core.files import put
from xlgen.forecast import frame as frames
from xlgen.forecast.basis import percent
from xlgen.forecast.predict import Forecast

METRICS = {"accuracy": "accuracy", "f1": "F1"}
"""What each metric is called in a sentence."""

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }
table { border-collapse: collapse; width: 100% } caption { text-align: left; padding: .5rem 0 }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #ccc; text-align: right }
th:first-child, td:first-child { text-align: left } svg { max-width: 100%; height: auto }
.outside { color: #8a3b00 }
"""


def write(path: Path, forecast: Forecast) -> None:
    """Write the report, whole or not at all."""
    put(path, html(forecast).encode())


def html(forecast: Forecast) -> str:
    """The page: the table, the plot, what both rest on, and how many labels would do as well."""
    title = f"{Path(forecast.model).name or forecast.model} on {forecast.task}: how well will it transfer?"
    metric = forecast.table["metric"].iloc[0]
    rows = "".join(_row(row) for _, row in forecast.table.iterrows())
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>
<style>{STYLE}</style></head>
<body>
<h1>{escape(title)}</h1>
<p>Model: <code>{escape(forecast.model)}</code>; {METRICS[forecast.metric]} {forecast.source:.1%} ±
{forecast.source_stderr:.1%} on {forecast.source_rows:,} labelled rows of the source language.</p>
<p>Forecast by: {escape(forecast.basis)}.</p>
<p>Intervals: {escape(forecast.interval)}.</p>
<p>{escape(price(forecast))}</p>
<table><caption>Forecast {metric}, with what was measured where labels were at hand</caption>
<thead><tr><th scope="col">language</th><th scope="col">forecast</th>
<th scope="col">{percent(forecast.level)} interval</th><th scope="col">measured</th><th scope="col">worth (labels)</th>
<th scope="col">rows</th><th scope="col">outside</th></tr></thead>
<tbody>{rows}</tbody></table>
<figure>{plot(forecast)}<figcaption>{escape(described(forecast))}</figcaption></figure>
<p>A language is outside where an estimator has a value that no result had from which the forecast was learnt: the
forecast is then a guess beyond experience. Intervals are about all sentences like those at hand; what is measured is
about these rows alone, with its standard error.</p>
</body></html>
"""


def text(forecast: Forecast) -> str:
    """The forecast for a terminal: what it rests on, and a line a language."""
    metric = forecast.table["metric"].iloc[0]
    known = f"{forecast.source:.3f} ± {forecast.source_stderr:.3f} on {forecast.source_rows:,} labelled rows"
    at_home = f"{METRICS[forecast.metric]} {known} of the source language"
    lines = [f"{forecast.model} ({forecast.task}): {at_home}"]
    lines += [f"forecast by {forecast.basis}", forecast.interval, price(forecast)]
    head = ["language", metric, f"{percent(forecast.level)} interval", "measured", "labels", "rows", "outside"]
    rows = [head, *([row["language"], *_cells(row, ".3f")] for _, row in forecast.table.iterrows())]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for row in rows:
        cells = [
            cell.ljust(w) if i in (0, 6) else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _cells(row, form: str) -> list[str]:
    """What a row says behind its language; shares in a format."""

    def joined(word: str, first: float, second: float) -> str:
        return f"{first:{form}} {word} {second:{form}}"

    measured = "" if math.isnan(row["measured"]) else joined("±", row["measured"], row["stderr"])
    if row["stderr"] == 0:  # all right or all wrong: rows so few tell no error
        measured = f"{row['measured']:{form}}"
    return [
        "" if math.isnan(row["forecast"]) else f"{row['forecast']:{form}}",
        "none" if math.isnan(row["low"]) else joined("to", row["low"], row["high"]),
        measured,
        "" if math.isnan(row["labels"]) else f"{math.ceil(row['labels']):,}",
        f"{row['rows']:,}",
        row["because"],
    ]


def price(forecast: Forecast) -> str:
    """What being wrong costs, in words, and when to collect labels instead."""
    if not forecast.error > 0:
        return "How far off such forecasts are is not known here: label a sample before you rely on them."
    metric, labels = forecast.table["metric"].iloc[0], forecast.table["labels"].max()
    off = f"Such forecasts are off by {forecast.error:.1%} of {METRICS[metric]} on average."
    if not labels >= 1:
        return off
    return (
        f"{off} The {METRICS[metric]} on {math.ceil(labels)} labelled {forecast.unit} of a language is as good: with "
        "more of them, measure instead; with fewer, the forecast is better."
    )


def described(forecast: Forecast) -> str:
    """The plot in words, for those who do not see it."""
    lines = [f"{row['language']} {row['forecast']:.1%}" for _, row in forecast.table.iterrows()]
    name = forecast.features[0]
    fitted = (
        f" The {len(forecast.fitted)} dots are labelled results that it was learnt from."
        if len(forecast.fitted)
        else ""
    )
    return f"Forecast against {name}: {', '.join(lines)}.{fitted}"


def plot(forecast: Forecast) -> str:
    """The scatter plot as SVG: the estimator across, forecasts with intervals and labelled results up."""
    import matplotlib
    from matplotlib.figure import Figure

    name = forecast.features[0]
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "xlgen"}):
        figure = Figure(figsize=(7, 4.5), layout="constrained")
        axes = figure.add_subplot()
        known, table = forecast.fitted, forecast.table
        if len(known):
            axes.scatter(known[name], known[frames.TRUTH], s=14, color="#777777", label="labelled results")
        below, above = (table["forecast"] - table["low"]).fillna(0), (table["high"] - table["forecast"]).fillna(0)
        ends = [below.clip(lower=0), above.clip(lower=0)]
        axes.errorbar(table[name], table["forecast"], ends, fmt="o", color="#0b5394", label="forecasts")
        for _, row in table.iterrows():
            axes.annotate(row["language"], (row[name], row["forecast"]), (4, 4), textcoords="offset points")
        axes.set_xlabel(name.replace("_", " "))
        axes.set_ylabel(table["metric"].iloc[0])
        axes.legend(frameon=False)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    drawing = text.getvalue()
    alt = f'<svg role="img" aria-label="{escape(described(forecast), quote=True)}"'
    return drawing[drawing.index("<svg") :].replace("<svg", alt, 1)


def _row(row) -> str:
    cells = [f"{row['language']} ({row['name']})", *_cells(row, ".1%")]
    kind = ' class="outside"' if row["outside"] else ""
    return f"<tr{kind}>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>\n"
