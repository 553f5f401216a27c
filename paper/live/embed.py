"""Put a live figure on a page: its data and controls, and a picture of it for print and where no script runs.

A figure is a ``div`` that holds its data as JSON. ``static/live.js`` finds it, draws it with the script that
``data-live`` names and hides the picture. On a page of the book the scripts come from ``_static/live`` (see
:mod:`paper.sphinxext`); a notebook that is run elsewhere carries them in the output of each live figure, because no
file of the checkout can be reached from there. Nothing is ever asked of another host.
"""

from __future__ import annotations

import base64
import html
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paper.notebook import LEDGER

if TYPE_CHECKING:
    import altair as alt

FOLDER = "live"
"""Of the scripts, in ``_static``."""

SCRIPTS = {
    "vega": ("vega.js",),
    "algorithm_1": ("landscape.js", "algorithm_1.js"),
    "two_steps": ("landscape.js", "two_steps.js"),
    "bisection": ("landscape.js", "bisection.js"),
    "ledger_grid": ("ledger_grid.js",),
}
"""By kind of figure, the files of ``static`` that draw it, after ``live.js``."""

WIDTH = 620
"""Of a picture [pixels]; on a page the figure is as wide as the text."""


@dataclass(frozen=True)
class Live:
    """A live figure, shown by being the last expression of a cell.

    Attributes:
        name: of the figure on its page.
        kind: the script that draws it.
        data: what the script gets, as JSON.
        still: HTML of what is seen where no script runs.
        caption: what it shows and what to try, in words; empty where the cell's metadata has the caption.
        alt: what one sees.
    """

    name: str
    kind: str
    data: Any
    still: str
    caption: str
    alt: str

    @property
    def html(self) -> str:
        """The figure, without the scripts that draw it."""
        data = json.dumps(self.data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
        caption = f'<p class="live-caption">{html.escape(self.caption)}</p>' if self.caption else ""
        return (
            f'<div class="xlgen-live mathjax_ignore" id="live-{html.escape(self.name)}" data-live="{self.kind}" '
            f'role="group" aria-label="{html.escape(self.alt)}">'
            f'<script type="application/json">{data}</script><div class="live-panel"></div>'
            f"{self.still}{caption}</div>"
        )

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        text = self.html if os.environ.get(LEDGER) else self.html + scripts(self.kind)
        return {"text/html": text, "text/plain": self.alt}


def show(chart: alt.TopLevelMixin, *, name: str, caption: str = "", alt: str) -> Live:
    """Make a live figure of an Altair chart.

    A layer whose name begins with ``readout`` is a text mark whose text is written above the chart, and read out,
    whenever it changes; the marks of a layer named ``points`` can be reached by the keyboard.

    Args:
        chart: with its data in it. Its width becomes that of the text.
        name: of the figure, unique on the page.
        caption: what it shows and what to try; empty where the cell's metadata has it.
        alt: what one sees.
    """
    import vl_convert

    spec = chart.properties(description=alt, width=WIDTH).to_dict()
    picture = vl_convert.vegalite_to_svg(spec)
    for layer in spec.get("layer", ()):
        if layer.get("name", "").startswith("readout"):
            layer["mark"] |= {"fontSize": 1, "lineHeight": 1}  # it takes no room: its words stand above the chart
            layer["encoding"] |= {"y": {"value": 0}}
    return drawn("vega", spec | {"width": "container"}, picture, name=name, caption=caption, alt=alt)


def drawn(kind: str, data: Mapping[str, Any], picture: str, *, name: str, caption: str = "", alt: str) -> Live:
    """Make a live figure that the scripts of its kind draw, with a picture of it as SVG; else as :class:`Live`."""
    source = f"data:image/svg+xml;base64,{base64.b64encode(picture.encode()).decode()}"
    still = f'<img class="live-picture" src="{source}" alt="{html.escape(alt)}"/>'
    return Live(name, kind, dict(data), still, caption, alt)


@cache
def bundle() -> str:
    """The scripts Vega, Vega-Lite and Vega-Embed in one, which ``vl_convert`` carries (0.9 MB).

    In a function of its own: its names are short, and the pages of Sphinx have a ``_`` already.
    """
    import vl_convert

    return f"(() => {{{vl_convert.javascript_bundle()}}})();"


def parts(kind: str) -> dict[str, str]:
    """The scripts that draw one kind of figure, by file name, in the order of loading."""
    folder = resources.files("paper.live") / "static"
    own = {name: (folder / name).read_text(encoding="utf-8") for name in ("live.js", *SCRIPTS[kind])}
    return {"bundle.js": bundle(), **own} if kind == "vega" else own


def scripts(kind: str) -> str:
    """All that draws one figure, for a page that has no ``_static``."""
    style = (resources.files("paper.live") / "static" / "live.css").read_text(encoding="utf-8")
    whole = [part.replace("</script", "<\\/script") for part in parts(kind).values()]
    return f"<style>{style}</style>" + "".join(f"<script>{part}</script>" for part in whole)


def write(target: Path) -> None:
    """Write the scripts and the style sheet of all live figures into a folder, for the pages of the book."""
    with resources.as_file(resources.files("paper.live") / "static") as folder:
        shutil.copytree(folder, target, dirs_exist_ok=True)
    (target / "bundle.js").write_text(bundle(), encoding="utf-8")


def files(page: str) -> list[str]:
    """The scripts that a page of the book needs, in the order of loading; none without a live figure."""
    return list(dict.fromkeys(name for kind in SCRIPTS if f'data-live="{kind}"' in page for name in parts(kind)))
