"""What the theme leaves to do on a finished page: names for folded code, roles for screen readers, less weight.

Every function takes the page as a :class:`bs4.BeautifulSoup` and changes it in place. A page that was finished before
stays as it is, so that a second build may finish all pages again.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from bs4 import BeautifulSoup, Tag
from sphinx.application import Sphinx

USELESS = ("*.map", "mathjax/extensions/a11y/**/*", "mathjax/localization/**/*")
"""Under ``_static``, what no page asks for: source maps, MathJax's speech and its menus in other languages."""


def finish(app: Sphinx, error: Exception | None) -> None:
    """Finish every page of a build that has succeeded."""
    if error or app.builder.format != "html":
        return
    out = Path(app.outdir)
    for path in sorted(out.rglob("*.html")):
        if "_static" not in path.parts:
            text = path.read_text(encoding="utf-8")
            if (new := finished(text)) != text:
                path.write_text(new, encoding="utf-8")
    for pattern in USELESS:
        for path in (out / "_static").rglob(pattern):
            if path.is_file():
                path.unlink()


def finished(page: str) -> str:
    """A page with all that is done here."""
    soup = BeautifulSoup(page, "html.parser")
    name_folds(soup)
    name_buttons(soup)
    drop_thebe(soup)
    mend_bibliography(soup)
    return str(soup)


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
