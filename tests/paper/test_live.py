"""Live figures: their numbers are numpy's, they work offline and by keyboard, and print has a picture."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from browser import CHROMIUM, Browser

from paper import live
from paper.live import embed
from paper.notebook import LEDGER
from xlgen.analysis import correlate, signed
from xlgen.core.errors import UnknownName

LANGUAGES = ["ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"]
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")


def frame() -> pd.DataFrame:
    """Two objectives, two seeds, two measures in fifteen languages; of one measure, one seed only."""
    rng = np.random.default_rng(0)
    rows = []
    for objective in ("baseline", "sam"):
        for seed in (0, 1):
            accuracy = rng.uniform(0.4, 0.9, 15)
            measures = {"accuracy": accuracy, "margin": accuracy + rng.normal(0, 0.1, 15)}
            measures |= {"fisher_trace": 100 * np.exp(-accuracy + rng.normal(0, 0.3, 15))} if seed == 0 else {}
            rows += [
                {"task": "mini-xnli", "objective": objective, "seed": seed, "language": language}
                | {"measure": measure, "value": float(f"{value:.4f}")}
                for measure, values in measures.items()
                for language, value in zip(["en", *LANGUAGES], values, strict=True)
            ]
    return pd.DataFrame(rows)


def points(table: pd.DataFrame, objective: str, seed: int | None, x: str) -> tuple[np.ndarray, np.ndarray]:
    """The measure and the accuracy of the targets; the mean over seeds for ``None``."""
    rows = table[(table.objective == objective) & (table.language != "en")]
    rows = rows if seed is None else rows[rows.seed == seed]
    wide = rows.pivot_table("value", "language", "measure", aggfunc="mean")
    return wide[x].to_numpy(), wide["accuracy"].to_numpy()


def left_out(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Mean error of the line, and of the mean, that were fitted without the point: refitted n times."""
    rest = [np.arange(len(x)) != i for i in range(len(x))]
    line = [abs(np.polyval(np.polyfit(x[keep], y[keep], 1), a) - b) for keep, a, b in zip(rest, x, y, strict=True)]
    return float(np.mean(line)), float(np.mean([abs(y[keep].mean() - b) for keep, b in zip(rest, y, strict=True)]))


def statistics(browser: Browser) -> dict[str, float]:
    """The row that the numbers below the chart are written from."""
    keys = ["n", "r", "low", "high", "error", "error_of_mean"]
    find = "document.querySelector('.readout_marks text').__data__.datum"
    return browser.run(f"(({{ {', '.join(keys)} }}) => ({{ {', '.join(keys)} }}))({find})")


def expect(browser: Browser, x: np.ndarray, y: np.ndarray) -> None:
    said, found = browser.run("document.querySelector('.live-said').textContent"), statistics(browser)
    r = correlate(x, y, resamples=99).pearson
    expected = (len(x), r.value, r.low, r.high, *left_out(x, y))
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-9)
    assert f"r = {signed(r.value)} [{signed(r.low)}, {signed(r.high)}], n = {len(x)}." in said
    assert (
        "by {:.1f} points of accuracy, the mean of the others by {:.1f}.".format(*(100 * e for e in expected[4:]))
        in said
    )


@pytest.fixture(scope="module")
def browser():
    with Browser() as one:
        yield one


@pytest.fixture
def page(browser, tmp_path):
    """Open a live figure as the book does: scripts beside the page, after one that has a ``_`` of its own."""

    def open_page(figure: live.Live) -> Browser:
        embed.write(tmp_path / "_static" / embed.FOLDER)
        names = [f"_static/{embed.FOLDER}/{name}" for name in embed.files(figure.html)]
        scripts = "".join(f'<script src="{name}" defer></script>' for name in names)
        style = f'<link rel="stylesheet" href="_static/{embed.FOLDER}/live.css">'
        head = f'<meta charset="utf-8"><title>t</title>{style}<script>const _ = 1;</script>{scripts}'
        path = tmp_path / "page.html"
        path.write_text(f'<!doctype html><html lang="en"><head>{head}</head><body>{figure.html}</body></html>')
        browser.errors.clear()
        browser.foreign.clear()
        browser.open(path, "document.querySelector('.live-said')")
        return browser

    yield open_page
    assert (browser.errors, browser.foreign) == ([], [])


def choose(browser: Browser, label: str, value: str) -> None:
    """Choose an option as the keyboard does: focus the menu of that label, and type the option's first letters."""
    find = f"[...document.querySelectorAll('.live-bar label')].find((l) => l.textContent.startsWith({label!r}))"
    browser.run(f"{find}.querySelector('select').focus()")
    for letter in value:
        browser.press(letter)
    assert browser.run("document.activeElement.selectedOptions[0].textContent") == value


# ---------------------------------------------------------------------------------------------------- embedding


def test_a_figure_has_a_picture_and_every_word_of_it_is_escaped():
    figure = live.Live("a", "vega", {"x": "</script>"}, "<svg/>", "a < b", 'c "d"')
    assert json.loads(re.search(r"<script[^>]*>(.*?)</script>", figure.html)[1]) == {"x": "</script>"}
    assert "a &lt; b" in figure.html and 'alt="c &quot;d&quot;"' in figure.html
    assert "data:image/svg+xml;base64,PHN2Zy8+" in figure.html


def test_the_book_gets_no_script_in_its_cells_and_a_notebook_gets_all(monkeypatch):
    figure = live.Live("a", "vega", {}, "<svg/>", "", "b")
    monkeypatch.setenv(LEDGER, "somewhere")
    assert figure._repr_mimebundle_()["text/html"] == figure.html
    monkeypatch.delenv(LEDGER)
    alone = figure._repr_mimebundle_()["text/html"]
    assert alone.count("<script>") == alone.count("</script>") - 1 == 3 and "vegaEmbed" in alone


def test_only_pages_with_a_live_figure_load_scripts():
    assert embed.files("<p>plain</p>") == []
    assert embed.files(live.Live("a", "vega", {}, "", "", "b").html) == ["bundle.js", "live.js", "vega.js"]


def test_an_unknown_measure_is_named():
    with pytest.raises(UnknownName, match="margin"):
        live.picker(frame(), x="margn")
    with pytest.raises(UnknownName, match="margin"):
        live.leave_out(frame(), x="margn")


# ---------------------------------------------------------------------------------------------- picker, leave out


@needs_chromium
def test_the_picker_computes_what_numpy_does_for_every_choice(page):
    table = frame()
    browser = page(live.picker(table, x="margin"))
    expect(browser, *points(table, "baseline", None, "margin"))
    choose(browser, "objective", "sam")
    choose(browser, "seed", "1")
    browser.wait("document.querySelector('.points_marks path[fill=\"#0072B2\"]')")
    expect(browser, *points(table, "sam", 1, "margin"))
    choose(browser, "measure", "fisher trace")
    browser.wait("document.querySelector('.live-said').textContent.startsWith('No values')")
    choose(browser, "seed", "0")
    browser.wait("document.querySelector('.live-said').textContent.startsWith('r =')")
    expect(browser, *points(table, "sam", 0, "fisher_trace"))
    browser.run("document.querySelector('input[type=checkbox]').focus()")
    browser.press(" ")
    browser.wait("document.querySelector('.live-vega svg').textContent.includes('log₁₀ of fisher trace')")
    x, y = points(table, "sam", 0, "fisher_trace")
    expect(browser, np.log10(x), y)


@needs_chromium
def test_a_language_is_left_out_and_put_back_by_keyboard(page):
    table = frame()
    browser = page(live.leave_out(table, x="margin"))
    x, y = points(table, "baseline", None, "margin")
    expect(browser, x, y)
    browser.run("document.querySelectorAll('.points_marks path')[2].focus()")
    assert browser.run("document.activeElement.getAttribute('aria-label')").startswith("de: margin")
    browser.wait("document.querySelector('#vg-tooltip-element')?.textContent.includes('de')")  # the name, on focus
    browser.press("Enter")
    browser.wait("document.querySelector('.live-said').textContent.includes('Without de.')")
    expect(browser, np.delete(x, 2), np.delete(y, 2))
    browser.press(" ")
    browser.wait("!document.querySelector('.live-said').textContent.includes('Without')")
    expect(browser, x, y)


@needs_chromium
def test_too_few_points_have_no_coefficient(page):
    table = frame()
    browser = page(live.leave_out(table[table.language.isin(["en", "ar", "bg", "de"])], x="margin"))
    assert browser.run("document.querySelector('.live-said').textContent").startswith("r is undefined: 3 points")


@needs_chromium
def test_print_shows_the_picture(page):
    browser = page(live.leave_out(frame(), x="margin"))
    shown = "[...document.querySelectorAll('.live-panel, .live-picture')].map((e) => e.offsetHeight > 0)"
    assert browser.run(shown) == [True, False]
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.run(shown) == [False, True]
    browser.call("Emulation.setEmulatedMedia", media="")
