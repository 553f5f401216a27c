"""What is done to a finished page: folds that say what they hold, names that are what is shown, nothing twice."""

from pathlib import Path

import jupyter_server_mathjax
from bs4 import BeautifulSoup

from paper import pages, sphinxext

FOLD = (
    '<div class="cell {tags}"><details class="hide"><summary aria-label="Toggle hidden content">'
    '<p class="collapsed">Show code cell source</p><p class="expanded">Hide code cell source</p></summary>'
    "<pre>{code}</pre></details>{output}</div>"
)
FIGURE = '<figure><figcaption><span class="caption-number">Fig. 4.3 </span>Margin.</figcaption></figure>'
TABLE = "<table><caption>Accuracy [%] over seeds: means; and more</caption></table>"
BOX = '<div class="output"><p class="admonition-title">Live or recorded</p></div>'


def folds(*cells: str) -> list[str]:
    soup = BeautifulSoup(pages.finished("".join(cells)), "html.parser")
    assert not soup.select("summary[aria-label]")  # the visible text is the name
    return [summary.find("p").text for summary in soup.find_all("summary")]


def test_a_fold_is_named_by_what_it_holds():
    cells = [
        ("tag_parameters", "preset = 1", "", "Set-up: parameters"),
        ("tag_injected-parameters", "# Parameters\nsize = 1", "", "Set-up: parameters of this build"),
        ("", "import os\nx = 1", "", "Set-up: imports"),
        ("", "fig = 1", FIGURE, "Code of Fig. 4.3"),
        ("", "body = []", TABLE, "Code of the table: Accuracy [%] over seeds"),
        ("", "box()", BOX, "Code of the box: Live or recorded"),
        ("", "def power(x):\n    y = 2\n\ndef runs(n):\n    z = 3", "", "Code: power, runs"),
        ("", "low, high = 1, 2\nmean = 3", "", "Code: low, mean"),
        ("", "print(1)", "", "Code"),
    ]
    made = folds(*(FOLD.format(tags=tags, code=code, output=output) for tags, code, output, _ in cells))
    assert made == [name for *_, name in cells]


def test_two_folds_of_a_page_have_two_names():
    cell = FOLD.format(tags="", code="import os", output="")
    assert folds(cell, cell) == ["Set-up: imports", "Set-up: imports (2)"]


def test_a_long_caption_is_cut_between_words():
    assert pages.first_words("Accuracy (test) of all") == "Accuracy"
    assert pages.first_words("ab " * 40) == "ab " * 19 + "ab …"


def test_a_finished_page_stays_as_it_is():
    page = pages.finished(
        FOLD.format(tags="", code="x = 1 &lt; 2", output=FIGURE)
        + '<script>const THEBE_JS_URL = "a"</script><script>kept = 1 < 2 && 3</script><pre>a  &amp;\n b</pre>'
        + '<button aria-label="Color mode"><i title="Light"></i></button>'
        + '<div role="list"><div role="doc-biblioentry">A</div></div>'
    )
    assert pages.finished(page) == page
    assert "THEBE" not in page and "kept = 1 < 2 && 3" in page and "<pre>a  &amp;\n b</pre>" in page
    assert 'role="listitem"' in page and 'title="Light"' not in page


def test_nothing_is_finished_after_an_error(tmp_path):
    class App:
        outdir = srcdir = tmp_path

        class builder:
            format = "html"

    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "a.js.map").write_text("{}")
    page = tmp_path / "a.html"
    page.write_text('<div role="doc-biblioentry">A</div>')
    pages.finish(App, RuntimeError())
    assert "listitem" not in page.read_text()
    pages.finish(App, None)
    assert "listitem" in page.read_text() and not list((tmp_path / "_static").iterdir())


def test_a_chapter_says_what_it_costs_once():
    words = "<p>" + "word " * 400 + "</p>"
    page = f"<article><h1>Title</h1>{words}<figure></figure><details><p>{words}</p></details></article>"
    made = pages.finished(page, 131.0)
    assert '<p class="times">computed in 2 min · 3 min to read · 5 min to teach</p>' in made
    assert pages.finished(made, 131.0) == made
    assert 'class="times"' not in pages.finished(page)


def test_mathjax_asks_for_no_font_that_is_not_there():
    folder = Path(jupyter_server_mathjax.__file__).parent / "static" / "config"
    (script,) = (path.read_text(encoding="utf-8") for path in folder.glob("TeX-AMS-MML_HTMLorMML-full.js"))
    assert "about:blank" in script and ".otf')" in script
    mended = sphinxext.without_missing_fonts(script)
    assert "url('about:blank')" not in mended and ".otf')" not in mended


def test_what_unfolds_pages_of_the_sidebar_has_their_name():
    page = "<nav><li><a>The\n library</a><details><summary><i></i></summary><li><a>core</a></li></details></li></nav>"
    made = pages.finished(page)
    assert '<summary aria-label="Pages of The library">' in made and pages.finished(made) == made


def test_computed_text_that_is_a_list_is_not_bold():
    short, long = "0.93 [0.88, 0.96]", "margin (dev), mean confidence, entropy [nats]"
    page = pages.finished(f'<p><span class="pasted-text">{short}</span>, <span class="pasted-text">{long}</span></p>')
    texts = {text.get_text(): text["class"] for text in BeautifulSoup(page, "html.parser").select("span")}
    assert texts == {short: ["pasted-text"], long: ["pasted-text", "long"]}
    assert pages.finished(page) == page


def test_what_no_page_asks_for_is_taken_out(tmp_path):
    needed = ["mathjax/jax/output/HTML-CSS/jax.js", "vendor/fontawesome/webfonts/fa.woff2", "a.css"]
    useless = [
        "a.css.map",
        "locales/fr/LC_MESSAGES/booktheme.po",
        "mathjax/jax/output/SVG/jax.js",
        "mathjax/localization/fr/fr.js",
        "vendor/fontawesome/webfonts/fa.ttf",
    ]
    for name in (*needed, *useless):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    pages.drop_useless(tmp_path)
    assert {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()} == set(needed)


def test_no_menu_of_a_formula_leads_to_what_was_taken_out():
    """MathJax would load the renderer, or the language, that is chosen there."""
    assert sphinxext.MATHJAX["MathMenu"] == {"showRenderer": False, "showLocale": False}
    shipped = Path(jupyter_server_mathjax.__file__).parent / "static" / "config" / sphinxext.MATHJAX["config"][0]
    assert all(f"{option}:" in shipped.read_text(encoding="utf-8") for option in sphinxext.MATHJAX["MathMenu"])
