"""The site that was built last, opened in Chromium: names, colours, widths, print; skipped without either.

axe, which finds more, is used where it is: ``node_modules/axe-core`` of this folder or one above it, or the folder that
``AXE_CORE`` names.
"""

import json
import os
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "book" / "_build" / "html"
FEW = ("start", "running", "bad-inputs", "api/measures", "notebooks/theory", "notebooks/xnli", "notebooks/predict")
"""Pages that are opened each time; all of them, some minutes, if ``XLGEN_SITE`` is ``all``."""
PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.rglob("*.html")
    if not path.relative_to(SITE).parts[0].startswith("_")
    and path.stem not in ("genindex", "search", "py-modindex", "prf-prf", "index")
    if os.environ.get("XLGEN_SITE") == "all" or path.relative_to(SITE).with_suffix("").as_posix() in FEW
)
FOLDERS = [os.environ.get("AXE_CORE", ""), *(str(folder / "node_modules/axe-core") for folder in (ROOT, *ROOT.parents))]
AXE = next((path for folder in FOLDERS if folder and (path := Path(folder, "axe.min.js")).is_file()), None)

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium"),
    pytest.mark.skipif(not PAGES, reason="no built site: make book"),
]
LOADED = "document.readyState === 'complete' && !(window.MathJax && MathJax.Hub && MathJax.Hub.queue.running)"

FAULTS = {
    "no name": """[...document.querySelectorAll('summary, button, a[href]')].filter(e => e.checkVisibility()
        && !e.textContent.trim() && !e.getAttribute('aria-label') && !e.title
        && !e.querySelector('img[alt], svg[aria-label], title'))""",
    "a name that is not what is shown": """[...document.querySelectorAll('summary[aria-label]')].filter(e =>
        !e.getAttribute('aria-label').includes(e.innerText.trim()))""",
    "a picture without words": "[...document.querySelectorAll('img:not([alt])')]",
    "a table without headers": "[...document.querySelectorAll('article table')].filter(e => !e.querySelector('th'))",
    "right to left, and does not say so": r"""[...document.querySelectorAll('article *')].filter(e =>
        [...e.childNodes].some(n => n.nodeType === 3 && /[\u0590-\u08ff]{3,}\s+[\u0590-\u08ff]{3,}/.test(n.data))
        && !(e.closest('[lang]:not(html)') && e.closest('[dir]')))""",
}
"""Elements of a page that must not be there."""
FIRST_VISIT = "Got invalid theme mode"
"""The theme's warning that nobody has chosen between light and dark yet."""
SCREEN = 900
"""Height of a window [pixels]."""
MOST = 25
"""Screens of a page; who has to scroll farther finds nothing."""
NUMBER_OVER_EQUATION = """[...document.querySelectorAll('div.math .eqno')].filter(number => {
    const shown = number.parentElement.querySelector('.MathJax_Display, .MathJax');
    if (!shown || !number.checkVisibility()) return false;
    const a = number.getBoundingClientRect(), b = shown.getBoundingClientRect();
    return a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
})"""
CUT = """[...document.querySelectorAll('article pre')].filter(e => e.checkVisibility()
    && e.scrollWidth > e.clientWidth + 1)"""


@pytest.fixture(scope="module")
def browser():
    with Browser(1280, SCREEN) as page:
        yield page


def opened(browser: Browser, page: str) -> Browser:
    """The browser on a page, with a fresh list of what it has to say of it."""
    browser.errors.clear()
    browser.foreign.clear()
    browser.resize(1280, SCREEN)
    browser.open(SITE / page, LOADED)
    return browser


def shown(browser: Browser, elements: str) -> list[str]:
    """The beginnings of the elements that an expression gives."""
    return browser.run(f"{elements}.map(e => e.outerHTML.slice(0, 160))")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_on_a_screen_on_a_phone_and_on_paper(browser, page):
    opened(browser, page)
    assert browser.run("document.documentElement.lang") == "en" and browser.run("document.title")
    if not page.startswith("slides/"):  # where a screen is a slide
        assert browser.run("document.documentElement.scrollHeight") <= MOST * SCREEN
    assert {fault: found for fault, elements in FAULTS.items() if (found := shown(browser, elements))} == {}
    browser.resize(390, 844)
    assert browser.run("document.documentElement.scrollWidth") <= 390
    assert not shown(browser, NUMBER_OVER_EQUATION)
    browser.call("Emulation.setEmulatedMedia", media="print")
    browser.resize(720, 1000)  # A4 less its margins
    try:
        assert not shown(browser, CUT)
        assert not browser.run("[...document.querySelectorAll('.bd-sidebar')].some(e => e.checkVisibility())")
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")
    assert not [error for error in browser.errors if FIRST_VISIT not in error] and not browser.foreign


@pytest.mark.skipif("start.html" not in PAGES, reason="no page start")
def test_the_first_screen_has_question_answer_routes_and_the_picker(browser):
    opened(browser, "start.html").wait("document.querySelector('.front .live-panel svg')")
    ends = "[...document.querySelectorAll('.front p, .front li, .front .live-panel')]"
    assert browser.run(f"{ends}.length") >= 6
    assert browser.run(f"Math.max(...{ends}.map(e => e.getBoundingClientRect().bottom))") <= SCREEN


@pytest.mark.skipif(AXE is None, reason="no axe-core: AXE_CORE names no folder of it")
@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing_serious(browser, page, mode):
    # a colour that is on its way from one theme to the other is neither's
    opened(browser, page).run(
        "document.head.append(Object.assign(document.createElement('style'), "
        "{textContent: '* {transition: none !important}'}))"
    )
    browser.run(f"document.documentElement.dataset.theme = {json.dumps(mode)}")
    browser.run(AXE.read_text(encoding="utf-8") + "; 0")
    found = browser.run(
        "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations"
        ".filter(v => ['serious', 'critical'].includes(v.impact)).map(v => [v.id, v.nodes[0].html.slice(0, 160)]))"
    )
    assert not found
