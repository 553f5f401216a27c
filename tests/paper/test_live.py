"""Live figures: their numbers are numpy's, they work offline and by keyboard, and print has a picture."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from browser import CHROMIUM, Browser
from matplotlib.colors import to_rgb

from paper import ledger, live, sphinxext
from paper.ledger.page import register
from paper.live import embed
from paper.live.ledger_grid import colours
from paper.notebook import LEDGER
from xlgen.analysis import AnalysisError, correlate, signed
from xlgen.core.errors import UnknownName

LANGUAGES = ["ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"]
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")


def luminance(colour: tuple[float, float, float]) -> float:
    """Relative luminance of the WCAG."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return float(np.dot((0.2126, 0.7152, 0.0722), linear))


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
    figure = embed.drawn("vega", {"x": "</script>"}, "<svg/>", name="a", caption="a < b", alt='c "d"')
    assert json.loads(re.search(r"<script[^>]*>(.*?)</script>", figure.html)[1]) == {"x": "</script>"}
    assert "a &lt; b" in figure.html and 'alt="c &quot;d&quot;"' in figure.html
    assert "data:image/svg+xml;base64,PHN2Zy8+" in figure.html


def test_the_book_gets_no_script_in_its_cells_and_a_notebook_gets_all(monkeypatch):
    figure = live.Live("a", "vega", {}, "<svg/>", "", "b")
    monkeypatch.setenv(LEDGER, "somewhere")
    assert figure._repr_mimebundle_() == {"text/html": figure.html, "text/plain": "b"}
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


def test_a_language_has_one_point():
    both = pd.concat([frame(), frame().assign(task="xnli")])
    with pytest.raises(AnalysisError, match="mini-xnli; miniature, xnli"):
        live.leave_out(both, x="margin")


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
def test_in_the_dark_theme_the_picker_is_dark_and_all_of_it_can_be_read(page):
    table = frame()
    browser = page(live.picker(table[table.objective == "sam"], x="margin"))
    names = ("text-base", "text-muted", "surface", "background", "border")
    theme = dict(zip(names, ("#ced6dd", "#9ca4af", "#29313d", "#14181e", "#48566b"), strict=True))
    style = "".join(f"--pst-color-{name}: {colour};" for name, colour in theme.items())
    browser.run(
        f"(document.documentElement.style.cssText = {style!r}, document.documentElement.dataset.theme = 'dark')"
    )
    panel, svg = "document.querySelector('.live-panel')", "document.querySelector('.live-vega svg')"

    def seen(elements: str, what: str) -> set[tuple[float, ...]]:
        """Colours but those that let through what is below."""
        said = browser.run(f"[...{elements}].map(e => getComputedStyle(e)[{what!r}])")
        return {tuple(float(c) / 255 for c in one[4:-1].split(",")) for one in said if one.startswith("rgb(")}

    below = luminance(to_rgb(theme["surface"]))
    assert seen(f"[{panel}]", "backgroundColor") == {to_rgb(theme["surface"])} and not seen(
        f"[{svg}]", "backgroundColor"
    )
    text = seen(f"{svg}.querySelectorAll('text')", "fill") | seen(f"{panel}.querySelectorAll('select')", "color")
    points = seen("document.querySelectorAll('.points_marks path')", "fill")
    assert text and points and seen(f"{svg}.querySelectorAll('.role-axis-grid line')", "stroke") == {to_rgb("#48566b")}
    assert all((luminance(colour) + 0.05) / (below + 0.05) >= 4.5 for colour in text)
    assert all((luminance(colour) + 0.05) / (below + 0.05) >= 3 for colour in points)


@needs_chromium
def test_the_picker_changes_from_the_miniature_to_real_data(page):
    table = frame()
    real = table.assign(task="xnli", scale="real", value=(table.value**2).round(4))
    browser = page(live.picker(pd.concat([table.assign(scale="miniature"), real]), x="margin"))
    expect(browser, *points(table, "baseline", None, "margin"))
    choose(browser, "scale and task", "real, xnli")
    x, y = points(real, "baseline", None, "margin")
    expect(browser, x, y)


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
@pytest.mark.parametrize("times", [1, 2])
def test_a_notebook_outside_the_book_draws_the_figure_by_itself(browser, tmp_path, monkeypatch, times):
    monkeypatch.delenv(LEDGER, raising=False)
    text = live.leave_out(frame(), x="margin")._repr_mimebundle_()["text/html"]
    path = tmp_path / "cell.html"
    path.write_text(f'<!doctype html><meta charset="utf-8"><body>{text * times}')
    browser.errors.clear()
    browser.open(path, f"document.querySelectorAll('.live-said').length === {times}")
    assert (browser.errors, browser.foreign) == ([], [])


@needs_chromium
def test_print_shows_the_picture(page):
    browser = page(live.leave_out(frame(), x="margin"))
    shown = "[...document.querySelectorAll('.live-panel, .live-picture')].map((e) => e.offsetHeight > 0)"
    assert browser.run(shown) == [True, False]
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.run(shown) == [False, True]
    browser.call("Emulation.setEmulatedMedia", media="")


# -------------------------------------------------------------------------------------- a landscape of two weights

RNG = np.random.default_rng(1)
LABELS = np.where(np.arange(40) % 2, 1.0, -1.0)
POINTS = RNG.normal(size=(40, 2)) * [1, 0.6] + LABELS[:, None] * [1, 0.4]
TURNED = POINTS @ np.array([[0.6, -0.8], [0.8, 0.6]])
W_0 = np.array([3.0, 2.0])
SETS = {"trained on": POINTS, "not trained on": TURNED}


def loss(w: np.ndarray, x: np.ndarray) -> float:
    return float(-np.log(1 / (1 + np.exp(-LABELS * (x @ w)))).mean())


def slope(of, w: np.ndarray) -> np.ndarray:
    """Gradient by central differences."""
    return np.array([(of(w + e) - of(w - e)) / 2e-5 for e in 1e-5 * np.eye(2)])


def press(browser: Browser, label: str) -> str:
    """Press a button by keyboard; what is said then."""
    find = f"[...document.querySelectorAll('button')].find((b) => b.textContent === {label!r})"
    browser.run(f"{find}.focus()")
    browser.press("Enter")
    return browser.run("document.querySelector('.live-said').textContent")


def state(browser: Browser, name: str) -> dict:
    return json.loads(browser.run(f"JSON.stringify(document.querySelector('.live-panel').{name})"))


@needs_chromium
def test_algorithm_1_goes_line_by_line_and_ends_where_it_should(page):
    epsilon = np.array([0.5, -0.3])
    browser = page(live.algorithm_1(SETS, LABELS, W_0, epsilon, sigma=0.8, n=10, lam=0.2))
    for line in range(1, 6):
        assert press(browser, "Next line").startswith(f"Line {line if line < 5 else 4}: ")
    found, x = state(browser, "walk"), TURNED
    w = W_0 + 0.8 * epsilon
    ascended = w + 10 * slope(lambda w: loss(w, x), w)
    radius, away = 0.2 * np.linalg.norm(ascended), ascended - W_0
    assert np.linalg.norm(away) > radius and found["outside"]
    neighbour = W_0 + radius * away / np.linalg.norm(away)
    for key, value in {"w": w, "ascended": ascended, "radius": radius, "neighbour": neighbour}.items():
        np.testing.assert_allclose(found[key], value, rtol=1e-6)
    assert found["phi"] == pytest.approx(loss(neighbour, x) - loss(W_0, x), rel=1e-6)
    assert "Over 2 draws" in press(browser, "Draw again")
    browser.run("document.querySelectorAll('input[type=range]')[2].focus()")
    browser.press("ArrowRight")
    assert state(browser, "walk")["radius"] / np.linalg.norm(state(browser, "walk")["ascended"]) == pytest.approx(0.21)


@needs_chromium
def test_sams_second_step_takes_the_gradient_that_the_first_climbed_to(page):
    start = np.array([0.5, 3.0])
    browser = page(live.two_steps(POINTS, LABELS, W_0, start, rate=2.0, rho=0.7, lam=0.5))
    up = slope(lambda w: loss(w, POINTS), start)
    climbed = start + 0.7 * up / np.linalg.norm(up)
    press(browser, "Next step")
    np.testing.assert_allclose(state(browser, "state")["climbed"], climbed, rtol=1e-6)
    press(browser, "Next step")
    np.testing.assert_allclose(
        state(browser, "state")["w"], start - 2 * slope(lambda w: loss(w, POINTS), climbed), rtol=1e-6
    )


@needs_chromium
@pytest.mark.parametrize("objective", ["baseline", "fisher"])
def test_plain_descent_and_the_fisher_penalty(page, objective):
    start = np.array([0.5, 3.0])

    def minimised(w):
        p = 1 / (1 + np.exp(-(POINTS @ w)))
        trace = (p * (1 - p) * (POINTS**2).sum(axis=1)).mean()
        return loss(w, POINTS) + 0.5 * trace * (objective == "fisher")

    browser = page(live.two_steps(POINTS, LABELS, W_0, start, rate=2.0, lam=0.5))
    choose(browser, "objective", {"fisher": "Fisher penalty"}.get(objective, objective))
    press(browser, "Next step")
    np.testing.assert_allclose(state(browser, "state")["w"], start - 2 * slope(minimised, start), rtol=1e-6)
    for _ in range(2):
        press(browser, "Fifty steps")
    assert minimised(np.array(state(browser, "state")["w"])) < minimised(start)


@needs_chromium
@pytest.mark.parametrize(("criterion", "steps"), [("loss", 4), ("rise of the loss", 1), ("drop of accuracy", 4)])
def test_the_bisection_tries_what_a_search_in_numpy_tries(page, criterion, steps):
    browser = page(live.bisection(SETS, LABELS, W_0, bisections=8, restarts=2, steps=steps, seed=3))
    choose(browser, "not tolerated", criterion)
    said = press(browser, "To the end")
    starts, x = np.random.default_rng(3).uniform(-0.5, 0.5, (2, 2)), TURNED
    right = [float((LABELS * (x @ W_0) > 0).mean()), loss(W_0, x)]

    def deviation(w):
        lost = right[0] - float((LABELS * (x @ w) > 0).mean())
        return {"loss": loss(w, x), "rise of the loss": loss(w, x) - right[1]}.get(criterion, lost)

    low, high, answers = 1e-4, 10.0, set()
    for tried in state(browser, "state")["tried"]:
        alpha, met = np.sqrt(low * high), []
        for start in starts:
            u = alpha * start
            for _ in range(steps + 1):
                met.append(deviation(W_0 + u))
                u = np.clip(u + 2 * alpha / steps * np.sign(slope(lambda w: loss(w, x), W_0 + u)), -alpha, alpha)
        assert (tried["alpha"], tried["value"]) == pytest.approx((alpha, max(met)), rel=1e-6, abs=1e-12)
        answers.add(max(met) < 0.1)
        low, high = (alpha, high) if max(met) < 0.1 else (low, alpha)
    assert answers == ({False} if criterion == "loss" else {True, False})
    assert ("hit_lower" in said) == (criterion == "loss")


# ------------------------------------------------------------------------------------------ divergence, confidence


def test_the_divergence_wants_a_progression_and_one_shape():
    radii = np.logspace(-4, 0, 9)
    square = np.ones((9, 2)) * radii[:, None] ** 2
    with pytest.raises(AnalysisError, match=r"stable has shape \(8, 2\); expected \(9, 2\)"):
        live.divergence(radii, square, {"stable": square[1:]})
    with pytest.raises(AnalysisError, match="geometric"):
        live.divergence(radii + 1, square, {"stable": square})


@needs_chromium
def test_sliders_choose_the_size_and_the_direction_of_the_step(page):
    radii = np.logspace(-4, 0, 9)
    square = np.array([1.0, 2.0]) * radii[:, None] ** 2
    cubic = np.array([3.0, 5.0]) * radii[:, None] ** 3
    browser = page(live.divergence(radii, square, {"stable": square + cubic, "float32": -square}))
    for slider, key in ((0, "ArrowRight"), (1, "ArrowRight")):
        browser.run(f"document.querySelectorAll('input[type=range]')[{slider}].focus()")
        browser.press(key)
    browser.wait("document.querySelector('.live-said').textContent.startsWith('‖ε‖ = 3.16e−2: KL 2.16e−3')")
    said = browser.run("document.querySelector('.live-said').textContent")
    assert "½εᵀFε 2.00e−3 nats. Remainder: stable 1.58e−4, float32 4.00e−3. Its slope here: 3.00." in said
    assert said.endswith("Negative KL: float32.")


def answers() -> tuple[dict, dict]:
    rng = np.random.default_rng(2)
    confidence = {language: rng.uniform(1 / 3, 1, 200).round(4) for language in ("en", "de", "sw")}
    return confidence, {key: rng.uniform(size=200) < value - 0.1 * (key == "sw") for key, value in confidence.items()}


def test_confidence_and_answers_must_belong_together():
    confidence, correct = answers()
    with pytest.raises(AnalysisError, match="with en"):
        live.thresholds({"de": confidence["de"]}, {"de": correct["de"]})
    with pytest.raises(AnalysisError, match="sw: "):
        live.calibration(confidence, correct | {"sw": correct["sw"][1:]})


@needs_chromium
def test_the_threshold_is_the_sources_until_it_is_moved(page):
    confidence, correct = answers()
    browser = page(live.thresholds(confidence, correct))
    for key in (None, "ArrowRight"):
        if key:
            browser.run("document.querySelector('input[type=range]').focus()")
            browser.press(key)
        t = float(browser.run("document.querySelector('input[type=range]').value"))
        share = {language: (value >= t).mean() for language, value in confidence.items()}
        off = np.mean([abs(share[language] - correct[language].mean()) for language in ("de", "sw")])
        said = f"Threshold {t:.2f}: in the mean the share is off by {100 * off:.1f} points in the 2 other languages."
        browser.wait(f"document.querySelector('.live-said').textContent.startsWith({said!r})")
        assert abs(share["en"] - correct["en"].mean()) < 0.02 if key is None else True


@needs_chromium
def test_calibration_of_the_language_that_is_chosen(page):
    confidence, correct = answers()
    browser = page(live.calibration(confidence, correct))
    choose(browser, "language", "sw")
    value, right = confidence["sw"], correct["sw"]
    bins = (10 * value).astype(int)
    error = sum(abs(value[bins == one].sum() - right[bins == one].sum()) for one in set(bins)) / len(value)
    said = f"In sw the mean confidence is {value.mean():.3f}, the accuracy {right.mean():.3f}. "
    said += f"Expected calibration error: {error:.3f}."
    browser.wait(f"document.querySelector('.live-said').textContent === {said!r}")


# ------------------------------------------------------------------------------------------------------------ ledger


def test_every_claim_of_the_ledger_is_in_a_cell_of_each_of_its_tables_and_figures():
    joints = ledger.joined(ledger.rows([]))
    shown = live.ledger_grid(joints).html
    anchors = re.findall(r'<tr id="([^"]*)"', register(joints, "x", {}).data)
    assert anchors == [joint.id for joint in joints] and len(set(anchors)) == len(joints)
    assert set(re.findall(r'href="#([^"]*)"', shown)) <= set(anchors)
    assert shown.count("<tr data-paper") == len({(joint.paper, i) for joint in joints for i in joint.items}) == 36
    counts = [int(number) for number in re.findall(r"aria-label=\"[^\"]*, (\d+) claims?\"", shown)]
    assert sum(counts) == sum(len(joint.items) for joint in joints) > len(joints)


def test_text_on_the_colours_of_the_grid_can_be_read():
    for verdict in ledger.OUTCOMES:
        both = [to_rgb(colour) for colour in re.findall(r"color: ([#\w]+)", colours(verdict))]
        light, dark = sorted((luminance(colour) for colour in both), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


@needs_chromium
def test_the_menus_and_cells_of_the_grid_choose_the_claims_of_the_page(page):
    joints = ledger.joined(ledger.rows([]))
    names = list(dict.fromkeys(joint.paper for joint in joints))
    tables = "".join(register([joint for joint in joints if joint.paper == n], n, {}).data for n in names)
    figure = live.ledger_grid(joints)
    browser = page(replace(figure, caption="", still=figure.still + tables))
    said = "document.querySelector('.live-said').textContent"
    opened = "[...document.querySelectorAll('details.ledger-paper')].filter((one) => one.open).length"
    seen = "[...document.querySelectorAll('table.ledger tr[id]')].filter((row) => row.checkVisibility()).length"
    assert browser.run(opened) == 0 and browser.run(seen) == 0
    choose(browser, "paper", names[0])
    own = [joint for joint in joints if joint.paper == names[0]]
    lines = len({item for joint in own for item in joint.items})
    assert browser.run(said) == f"{lines} of 36 tables and figures, {len(own)} of {len(joints)} claims."
    assert browser.run(opened) == 1 and browser.run(seen) == len(own)
    press(browser, "Show all")
    choose(browser, "table or figure", f"{names[0]}, Figure 3")
    both = [joint for joint in own if "Figure 3" in joint.items]
    assert browser.run(seen) == len(both) and {"Table 1", "Figure 3"} == {i for joint in both for i in joint.items}
    press(browser, "Show all")
    browser.run("document.querySelector('.live-grid a').focus()")
    browser.press("Enter")
    first = [joint for joint in own if own[0].items[0] in joint.items]
    assert browser.run(seen) == len(first) < len(own)
    chosen = browser.run("[...document.querySelectorAll('.live-bar select')].map((menu) => menu.value)")
    assert chosen == ["", f"{names[0]}, {own[0].items[0]}", "not run", "", ""]
    press(browser, "Show all")
    assert browser.run(said) == f"36 of 36 tables and figures, {len(joints)} of {len(joints)} claims."
    browser.run("document.querySelectorAll('details.ledger-paper').forEach((one) => (one.open = false))")
    browser.run(f"location.hash = {joints[-1].id!r}")
    browser.wait(f"{opened} === 1")


# ----------------------------------------------------------------------------------------------------------- Sphinx


def test_the_book_writes_the_scripts_once_and_loads_them_where_they_are_needed(tmp_path):
    added = []
    app = SimpleNamespace(
        outdir=tmp_path,
        builder=SimpleNamespace(format="html"),
        add_js_file=lambda name, **_: added.append(name),
        add_css_file=added.append,
    )
    sphinxext.copy_live(app)
    sphinxext.load_live(app, "start", "page.html", {"body": "<p>no figure</p>"}, None)
    assert added == []
    sphinxext.load_live(app, "xnli", "page.html", {"body": live.Live("a", "vega", {}, "", "", "b").html}, None)
    assert added == ["live/bundle.js", "live/live.js", "live/vega.js", "live/live.css"]
    assert all((tmp_path / "_static" / name).is_file() for name in added)
