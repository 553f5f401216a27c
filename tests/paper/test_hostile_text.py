"""Text of a data set is text on every page: looked at in a browser, where a script that it holds would have run."""

from pathlib import Path

import pytest
from browser import CHROMIUM, Browser

from paper.bad_inputs import BadInput, answer, checkpoint
from paper.chapters import page

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

HOSTILE = """<script>window.ran = 1</script><img src=x onerror="window.ran = 2">'"><svg onload=window.ran=3>&lt;"""


def seen(path: Path, holds: str = "") -> None:
    """Open a page: nothing of a data set has run, asked for anything or become an element, and the text is there."""
    with Browser() as browser:
        browser.open(path)
        assert browser.run("window.ran === undefined")
        assert browser.run("document.querySelectorAll('script, img[src=x], svg[onload], iframe').length") == 0
        assert browser.errors == [] and browser.foreign == []
        assert holds in browser.run("document.body.innerText")


@needs_chromium
def test_the_browser_would_notice(tmp_path):
    (tmp_path / "x.html").write_text(f"<!DOCTYPE html><body>{HOSTILE}")
    with pytest.raises(AssertionError):
        seen(tmp_path / "x.html")


@needs_chromium
def test_a_report_on_hostile_data_and_names_shows_them_as_text(tmp_path):
    name = "<img src=x onerror=window.ran=4>"
    data = f"premise\thypothesis\n{HOSTILE}\tb\n"
    files = {name: checkpoint, "pairs-ko.tsv": data}
    asked = f"predict --model '{name}' --task mini-xnli --data pairs-ko.tsv --report page.html --device cpu"
    code, _, said = answer(BadInput("", asked, files), tmp_path)
    assert code == 0, said
    seen(tmp_path / "page.html", name)


@needs_chromium
def test_a_chapters_tables_and_boxes_show_a_premise_as_text(tmp_path):
    parts = (
        page.table(["language", HOSTILE], [[HOSTILE, "0.5"]], HOSTILE),
        page.box("note", HOSTILE, HOSTILE),
    )
    content = "".join(part.data for part in parts)
    (tmp_path / "x.html").write_text(f"<!DOCTYPE html><meta charset=utf-8><body>{content}", encoding="utf-8")
    seen(tmp_path / "x.html", HOSTILE)
