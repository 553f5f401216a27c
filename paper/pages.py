"""What the theme leaves to do on a finished page: names for folded code, roles for screen readers, less weight.

Every function takes the page as a :class:`bs4.BeautifulSoup` and changes it in place. A page that was finished before
stays as it is, so that a second build may finish all pages again.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path

from bs4 import BeautifulSoup, Tag
from sphinx.application import Sphinx

WORDS_A_MINUTE = 200
LONG = 40
"""Computed text with more characters is not bold."""
USELESS = (
    "*.map",
    "locales/**/*",
    "mathjax/extensions/a11y/**/*",
    "mathjax/jax/output/SVG/**/*",
    "mathjax/localization/**/*",
    "vendor/fontawesome/webfonts/*.ttf",
)
"""Under ``_static``, what no page asks for: source maps, the theme's translations, MathJax's speech, its drawing in SVG
and its menus in other languages, and a second format of the fonts of icons, for browsers without WOFF2."""


def finish(app: Sphinx, error: Exception | None) -> None:
    """Finish every page of a build that has succeeded."""
    if error or app.builder.format != "html":
        return
    out = Path(app.outdir)
    for path in sorted(out.rglob("*.html")):
        if "_static" not in path.parts:
            text = path.read_text(encoding="utf-8")
            notebook = Path(app.srcdir) / path.relative_to(out).with_suffix(".ipynb")
            if (new := finished(text, seconds_of(notebook))) != text:
                path.write_text(new, encoding="utf-8")
    drop_useless(out / "_static")


def drop_useless(static: Path) -> None:
    """Take out what no page asks for, see :data:`USELESS`."""
    for pattern in USELESS:
        for path in static.rglob(pattern):
            if path.is_file():
                path.unlink()


def seconds_of(notebook: Path) -> float | None:
    """How long an executed chapter took; ``None`` of a page that computes nothing."""
    if not notebook.is_file():
        return None
    return json.loads(notebook.read_text(encoding="utf-8"))["metadata"].get("xlgen", {}).get("seconds")


def finished(page: str, seconds: float | None = None) -> str:
    """A page with all that is done here; with a badge of times if it took some to compute."""
    soup = BeautifulSoup(page, "html.parser")
    if seconds is not None:
        show_times(soup, seconds)
    name_folds(soup)
    calm_lists(soup)
    name_buttons(soup)
    name_toggles(soup)
    drop_thebe(soup)
    mend_bibliography(soup)
    return str(soup)


def show_times(soup: BeautifulSoup, seconds: float) -> None:
    """Say under the title how long the page took to compute, and takes to read and to teach.

    Reading: 200 words of prose a minute, and a minute for each figure and table. Teaching: half as much again, to the
    next five minutes.
    """
    title = soup.select_one("article h1")
    if title is None or soup.select_one("p.times"):
        return
    article = title.find_parent("article")
    words = sum(len(node.get_text().split()) for node in article.select("p, li") if not node.find_parent("details"))
    reading = words / WORDS_A_MINUTE + len(article.select("figure, table"))
    badge = soup.new_tag("p", attrs={"class": "times"})
    cpu = f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
    badge.string = f"computed in {cpu} · {reading:.0f} min to read · {5 * math.ceil(reading * 1.5 / 5)} min to teach"
    title.insert_after(badge)


def calm_lists(soup: BeautifulSoup) -> None:
    """Mark computed text that is a list or a sentence and no number, which would shout if all of it were bold."""
    for text in soup.select("span.pasted-text"):
        if len(text.get_text()) > LONG and "long" not in text["class"]:
            text["class"] = [*text["class"], "long"]


def name_folds(soup: BeautifulSoup) -> None:
    """Name each folded cell by what it holds, and let its visible text be its name for a screen reader."""
    taken: Counter[str] = Counter()
    for details in soup.select("details.hide"):
        summary, cell = details.find("summary"), details.find_parent("div", class_="cell")
        if summary is None or cell is None or "aria-label" not in summary.attrs:
            continue
        del summary["aria-label"]
        name = name_of(cell)
        taken[name] += 1
        name += f" ({taken[name]})" if taken[name] > 1 else ""
        for paragraph in summary.find_all("p"):
            paragraph.string = name


def name_of(cell: Tag) -> str:
    """What a folded cell holds: the figure or table that it makes, its functions, or the set-up."""
    code = cell.find("pre")
    text = code.get_text() if code else ""
    if "tag_parameters" in cell.get("class", []):
        return "Set-up: parameters"
    if "tag_injected-parameters" in cell.get("class", []):
        return "Set-up: parameters of this build"
    if re.match(r"\s*(import|from) ", text):
        return "Set-up: imports"
    if number := cell.select_one("figcaption .caption-number"):
        return f"Code of {number.get_text().strip()}"
    if caption := cell.select_one("table caption"):
        return f"Code of the table: {first_words(caption.get_text())}"
    if box := cell.select_one(".output .admonition-title"):
        return f"Code of the box: {first_words(box.get_text())}"
    if functions := re.findall(r"^(?:def|class) (\w+)", text, re.MULTILINE):
        return f"Code: {', '.join(functions)}"
    names = re.findall(r"^(\w+)(?:, \w+)* (?:\|)?= ", text, re.MULTILINE)
    return f"Code: {', '.join(dict.fromkeys(names[:3]))}" if names else "Code"


def first_words(text: str, most: int = 60) -> str:
    """The beginning of a text, to the end of a clause or a word."""
    text = re.split(r"[;:,.]\s|\s\(", " ".join(text.split()), maxsplit=1)[0]
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0] + " …"


def name_buttons(soup: BeautifulSoup) -> None:
    """Buttons of the theme whose name is not what they show: the title of an icon is not a second name."""
    for icon in soup.select("button[aria-label] i[title]"):
        del icon["title"]
        icon["aria-hidden"] = "true"
    for button in soup.select("button.search-button-field[aria-label]"):
        del button["aria-label"]


def name_toggles(soup: BeautifulSoup) -> None:
    """What unfolds the pages below another in the sidebar is an icon: its name is that of the page above them."""
    for summary in soup.select("nav li > details > summary"):
        if not summary.get_text(strip=True) and (link := summary.find_parent("li").find("a")):
            summary["aria-label"] = f"Pages of {' '.join(link.get_text().split())}"


def drop_thebe(soup: BeautifulSoup) -> None:
    """Take out Thebe, which no page uses: the theme declares its constant twice, an error in the console."""
    for script in soup.find_all("script"):
        if "THEBE_JS_URL" in script.text or "thebe" in script.get("src", ""):
            script.decompose()
    for style in soup.find_all("link", href=re.compile("thebe")):
        style.decompose()


def mend_bibliography(soup: BeautifulSoup) -> None:
    """A list has items: docutils gives those of a bibliography a role of their own, which is no list item's."""
    for entry in soup.select('[role="doc-biblioentry"]'):
        entry["role"] = "listitem"
