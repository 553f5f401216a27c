"""The whole book as one PDF: ``python -m paper.pdf`` joins the pages that were built last; Chromium prints them.

The pages are joined in the order of the table of contents, without what is for a screen: navigation, scripts, folded
code. Solutions and all else that unfolds are printed where they stand, and a table that is wider than a sheet is made
smaller. Links from page to page become links within the PDF. A script is printed if the machine has a font for it.
"""

from __future__ import annotations

import logging
import posixpath
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from bs4 import BeautifulSoup, Tag
from sphinx_external_toc.parsing import parse_toc_yaml

from paper.notebook import root
from xlgen.core.errors import XlgenError

log = logging.getLogger(__name__)

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LEFT_OUT = (
    "script, nav, button, a.headerlink, details.hide, .toctree-wrapper, .live-panel, .ledger-filter, .prev-next-area, "
    "table.ledger :is(summary, .runs)"
)
STYLE = """
@page { size: A4; margin: 18mm 16mm }
html { font-size: 10pt }
html, body, main { display: block }
body { width: 178mm; margin: 0 }
article.page { break-before: page; max-width: none; padding: 0 }
img { max-height: 220mm }
table { font-size: 0.8em }
.bd-content table td { white-space: normal }
.bd-content table.ledger { min-width: 0; table-layout: fixed }
.bd-content table.ledger :is(th, td:nth-of-type(n)) { min-width: 0; width: 20% }
.bd-content table.ledger :is(th, td):nth-child(2) { width: 13% }
.bd-content table.ledger :is(th, td):last-child { width: 29% }
.bd-content table.ledger .verdict { white-space: normal }
h1, h2, h3, h4 { break-after: avoid; break-inside: avoid }
pre, tr { break-inside: avoid }
.bd-content div.cell:has(table) { break-inside: auto }
"""
FITTED = """
function fit(element, width) {
  const needed = Math.max(element.scrollWidth, element.getBoundingClientRect().width);
  if (needed > width) element.style.zoom = width / needed;
}
addEventListener("load", () => document.querySelectorAll("table").forEach(table =>
  fit(table, table.closest("dd, li, .admonition, article").clientWidth)));
window.MathJax && MathJax.Hub.Register.StartupHook("End", () => document.querySelectorAll("div.math").forEach(block => {
  const number = block.querySelector(".eqno"), shown = block.querySelector(".MathJax");
  if (shown) fit(shown, block.clientWidth - (number ? 3 * number.offsetWidth : 0));
}));
"""
"""What is wider than a sheet becomes smaller: nobody scrolls on paper. An equation has its number on the right."""


def joined(pages: Mapping[str, str]) -> str:
    """One page of several.

    Args:
        pages: their HTML, by name (``notebooks/xnli``), in the order in which they are printed. Addresses in the result
            are seen from the folder of the site.
    """
    styles, configuration, articles = [], None, []
    for name, text in pages.items():
        soup, folder = BeautifulSoup(text, "html.parser"), posixpath.dirname(name)
        for link in soup.select('link[rel="stylesheet"]'):
            if (address := _from_top(link["href"], folder)) not in styles:
                styles.append(address)
        configuration = configuration or soup.find("script", type="text/x-mathjax-config")
        article = soup.select_one("article.bd-article")
        for element in article.select(LEFT_OUT):
            element.decompose()
        for element in article.select("table.ledger details"):
            element.unwrap()
        for element in article.select("details"):
            element["open"] = ""
        for element in article.select("[id]"):
            element["id"] = _anchor(name, element["id"])
        for element in article.select("[href], [src]"):
            _readdress(element, name, folder, pages)
        article["id"], article["class"] = _anchor(name, ""), ["bd-article", "page"]
        articles.append(str(article))
    head = "".join(f'<link rel="stylesheet" href="{address}"/>' for address in styles)
    mathjax = f'{configuration}<script src="_static/mathjax/MathJax.js"></script>' if configuration else ""
    return (
        '<!DOCTYPE html><html lang="en" data-theme="light"><head><meta charset="utf-8"/>'
        "<title>Will it transfer?</title>"
        f"{head}<style>{STYLE}</style>{mathjax}</head>"
        f'<body><main class="bd-content">{"".join(articles)}</main><script>{FITTED}</script></body></html>'
    )


def _readdress(element: Tag, name: str, folder: str, pages: Mapping[str, str]) -> None:
    """Let a link or a picture of the page ``name`` point to the same from the joined page."""
    for attribute in ("href", "src"):
        address = element.get(attribute)
        if address is None or urlsplit(address).scheme:
            continue
        path, _, anchor = address.partition("#")
        target = _from_top(path, folder).removesuffix(".html") if path else name
        element[attribute] = f"#{_anchor(target, anchor)}" if target in pages else _from_top(address, folder)


def _from_top(address: str, folder: str) -> str:
    return posixpath.normpath(posixpath.join(folder, address))


def _anchor(page: str, name: str) -> str:
    return f"{page.replace('/', '-')}--{name}"


def write(site: Path, names: Sequence[str], target: Path) -> None:
    """Print a built site.

    Args:
        site: its folder.
        names: of the pages, in their order.
        target: the PDF.

    Raises:
        XlgenError: there is no such page, or no Chromium, or it has failed.
    """
    if missing := [name for name in names if not (site / f"{name}.html").is_file()]:
        raise XlgenError(f"no page {missing[0]} in {site}; build the book first: make book.")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise XlgenError(f"none of {', '.join(BROWSERS)} is installed; a browser prints the pages.")
    page = site / "all-pages.html"
    page.write_text(joined({name: (site / f"{name}.html").read_text(encoding="utf-8") for name in names}), "utf-8")
    target.unlink(missing_ok=True)
    try:
        with tempfile.TemporaryDirectory() as profile:
            flags = [
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                f"--user-data-dir={profile}",
                "--no-pdf-header-footer",
            ]
            # MathJax asks for its fonts and waits between formulas: time that the browser need not really wait
            command = [
                browser,
                *flags,
                "--virtual-time-budget=600000",
                f"--print-to-pdf={target}",
                page.absolute().as_uri(),
            ]
            done = subprocess.run(command, capture_output=True, text=True)
    finally:
        page.unlink()
    if not target.is_file():
        raise XlgenError(f"{browser} has printed nothing: {done.stderr.strip()[-500:]}")


def main() -> None:
    """Print the book that was built last to ``book/_build/book.pdf``."""
    top = root()
    target = top / "book" / "_build" / "book.pdf"
    write(top / "book" / "_build" / "html", list(parse_toc_yaml(top / "_toc.yml")), target)
    log.warning("written: %s", target.relative_to(top))


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    try:
        main()
    except XlgenError as error:
        raise SystemExit(str(error)) from None
