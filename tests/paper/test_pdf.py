"""The book as one page to print: what is for a screen is gone, and addresses lead where they led."""

import re
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser
from bs4 import BeautifulSoup

from paper import pdf
from xlgen.core.errors import XlgenError

HEAD = '<link rel="stylesheet" href="{up}_static/a.css"/><script type="text/x-mathjax-config">1</script>'
START = (
    f"<head>{HEAD.format(up='')}</head><body><nav>menu</nav><article class='bd-article'><h1 id='top'>Start</h1>"
    "<a href='notebooks/one.html#fig'>figure</a><a href='#top'>top</a><a href='https://example.org/a'>out</a></article>"
)
ONE = (
    f"<head>{HEAD.format(up='../')}</head><body><article class='bd-article'><h1 id='top'>One</h1>"
    "<details class='hide'><pre>folded</pre></details><script>alert()</script><button>Copy</button>"
    "<figure id='fig'><img src='../_images/a.png' alt='A'/></figure><a href='../start.html'>start</a>"
    "<a href='../_static/student.zip'>zip</a></article>"
)
PAGES = {"start": START, "notebooks/one": ONE}


def test_pages_become_one_whose_links_stay_within():
    soup = BeautifulSoup(pdf.joined(PAGES), "html.parser")
    assert [link["href"] for link in soup.select("a")] == [
        "#notebooks-one--fig",
        "#start--top",
        "https://example.org/a",
        "#start--",
        "_static/student.zip",
    ]
    ids = [element["id"] for element in soup.select("[id]")]
    assert len(ids) == len(set(ids)) == 5
    assert {link["href"][1:] for link in soup.select('a[href^="#"]')} <= set(ids)
    assert soup.select_one("img")["src"] == "_images/a.png"
    assert [link["href"] for link in soup.select("link")] == ["_static/a.css"]
    assert not soup.select("article :is(script, button, details), nav") and "folded" not in soup.text


def test_what_unfolds_is_open_and_the_ledger_says_why_without_a_click():
    folds = (
        "<details class='dropdown'><summary>Solution</summary><p>x</p></details><table class='ledger'><tr><td>"
        "<details><summary>why</summary>because<span class='runs'>Runs: 0123</span></details></td></tr></table>"
    )
    soup = BeautifulSoup(pdf.joined({"start": START.replace("</article>", f"{folds}</article>")}), "html.parser")
    (dropdown,) = soup.select("details")
    assert dropdown.has_attr("open") and dropdown.summary.text == "Solution"
    assert soup.select_one("table.ledger td").text.strip() == "because"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_table_that_is_wider_than_a_sheet_is_made_smaller(tmp_path):
    tables = "".join(f"<table><tr>{f'<td>{n}</td>' * n}</tr></table>" for n in (2, 200))
    (tmp_path / "all.html").write_text(pdf.joined({"start": START.replace("</article>", f"{tables}</article>")}))
    with Browser() as browser:
        browser.open(tmp_path / "all.html", "document.readyState === 'complete'")
        few, many = browser.run("[...document.querySelectorAll('table')].map(t => t.style.zoom || '1')")
        widths = browser.run("[...document.querySelectorAll('table')].map(t => t.getBoundingClientRect().width)")
        sheet = browser.run("document.body.clientWidth")
    assert (
        few == "1" and float(many) < 1 and max(widths) <= sheet + 1 and sheet == pytest.approx(178 / 25.4 * 96, abs=1)
    )


def test_without_pages_or_browser_it_says_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(XlgenError, match="no page start in .*; build the book first: make book"):
        pdf.write(tmp_path, ["start"], tmp_path / "book.pdf")
    (tmp_path / "start.html").write_text(START)
    monkeypatch.setattr(pdf, "BROWSERS", ("no-such-browser",))
    with pytest.raises(XlgenError, match="none of no-such-browser is installed"):
        pdf.write(tmp_path, ["start"], tmp_path / "book.pdf")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_every_page_of_the_site_begins_on_its_own_sheet(tmp_path):
    (tmp_path / "notebooks").mkdir()
    for name, text in PAGES.items():
        (tmp_path / f"{name}.html").write_text(text)
    target = tmp_path / "book.pdf"
    pdf.write(tmp_path, list(PAGES), target)
    assert len(re.findall(rb"/Type */Page\b", target.read_bytes())) == len(PAGES)
    assert not Path(tmp_path, "all-pages.html").exists()
