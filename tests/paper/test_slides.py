"""Slides: what the rule takes from a chapter, in plain HTML that says nothing that only Sphinx understands."""

import base64
import hashlib
import re
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from paper import handout, notebook, slides
from paper.sphinxext import MATHJAX

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
BOOK = handout.Book(
    {"x": "A chapter", "running": "Running"},
    {"eq-x": "(4.1)", "fig-x-a": "Fig. 4.1", "fig-x-b": "Fig. 4.2", "x-ex": "Exercise 4.1"},
    {"k": ("A and B", "2024")},
)
FIRST = """# A chapter

One < two. See {cite:t}`k`.

```{admonition} What you will learn
:class: tip
- One thing.
```
"""
EQUATION = """## A $p$ section

Not this one. With $x$ as in {doc}`/running`

$$ a = b_i $$ (eq-x)

Not numbered, not shown: $$ c = d $$
"""
BELOW = """Nothing of it. As {numref}`fig-x-a` shows, {glue:text}`x-best` is best. Nothing more.

````{exercise} ★ Why?
:label: x-ex
Say why {eq}`eq-x` holds.
```python
pass
```
````

````{solution-start} x-ex
:class: dropdown
````
Because.

$$ e = f $$ (eq-x)"""
LAST = """````{solution-end}
````

```{admonition} Concept check: So $a = b$. True?
:class: dropdown
*False.* It is not.
```

```{admonition} Your turn
A command.
```

```{admonition} What we learnt
- {glue:text}`x-best`
```"""


def figure(name: str, drawn: bool):
    meta = {"figure": {"name": name, "caption": "The $y$ of all. More."}, "image": {"alt": f"Shows {name}."}}
    data = {"image/png": base64.b64encode(PNG).decode()} if drawn else {"text/html": "<b>live</b>"}
    return new_code_cell("draw()", metadata={"mystnb": meta}, outputs=[new_output("display_data", data=data)])


def chapter():
    data = {"application/papermill.record/text/plain": "'sam'"}
    glued = new_output("display_data", data=data, metadata={"scrapbook": {"name": "x-best"}})
    first, equation, below, last = map(new_markdown_cell, (FIRST, EQUATION, BELOW, LAST))
    shown, alive, hidden, later = (figure(f"fig-x-{n}", n != "b" or i == 3) for i, n in enumerate("abab"))
    cells = [first, new_code_cell("say()", outputs=[glued]), equation, shown, below, hidden, last, alive, later]
    return new_notebook(cells=cells)


def test_the_rule():
    made = slides.slides("x", chapter(), BOOK)
    assert [(slide.title, slide.text) for slide in made] == [
        ("A chapter", "One < two. See A and B (2024)."),
        ("What you will learn", "- One thing."),
        ("A $p$ section", "With $x$ as in *Running*\n\n$$ a = b_i \\tag{4.1} $$"),
        ("A $p$ section", "As Fig. 4.1 shows, sam is best.\n\n*Fig. 4.1. The $y$ of all.*"),
        ("Exercise 4.1. ★ Why?", "Say why (4.1) holds.\n```python\npass\n```"),
        ("Concept check", "So $a = b$. True?"),
        ("Concept check", "*False.* It is not."),
        ("What we learnt", "- sam"),
        ("A $p$ section", "*Fig. 4.2. The $y$ of all.*"),
    ]
    assert [slide.figure for slide in made] == [None, None, None, PNG, None, None, None, None, PNG]
    assert made[3].alt == "Shows fig-x-a."


def test_a_chapter_of_nothing_has_its_title():
    assert slides.slides("x", new_notebook(), BOOK) == [slides.Slide("A chapter", "")]


def test_a_sentence_on_a_figure_is_from_its_own_section():
    above = [new_markdown_cell("Of it. More."), new_markdown_cell("## Next\n\n{numref}`fig-x-a` is elsewhere.")]
    assert slides.finding(above, "fig-x-a") == "Of it."
    assert slides.finding(above[1:], "fig-x-a") == ""
    assert slides.finding([new_code_cell("print()"), new_markdown_cell("Of the print.")], "fig-x-a") == ""
    assert slides.finding([figure("fig-x-b", True), *above], "fig-x-a") == ""


def test_the_page_is_text_and_its_pictures_are_those_of_the_chapter(tmp_path):
    slides.write({"x": chapter()}, BOOK, MATHJAX, tmp_path)
    text = (tmp_path / "slides" / "x.html").read_text(encoding="utf-8")
    soup = BeautifulSoup(text, "html.parser")
    assert len(soup.select("section")) == len(soup.select("h1, h2")) == 9 and len(soup.select("h1")) == 1
    assert "One &lt; two" in text and r"\[a = b_i \tag{4.1}\]" in text and "{" not in soup.select_one("main h1").text
    image = soup.select_one("img")
    assert (tmp_path / "slides" / image["src"]).read_bytes() == PNG and image["alt"] == "Shows fig-x-a."
    assert image["src"] == f"../_images/{hashlib.sha256(PNG).hexdigest()}.png"  # MyST-NB's own name for it
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_chapter_has_slides_that_say_nothing_only_sphinx_understands(source):
    book = handout.book_of(SOURCES, sorted((ROOT / "book").glob("*.md")), ROOT / "book" / "references.bib")
    made = slides.slides(source.stem, notebook.read(source), book)
    titles = [slide.title for slide in made]
    assert titles[0] == book.titles[source.stem] and {"What you will learn", "What we learnt"} <= set(titles)
    assert "Your turn" not in titles and all(slide.text for slide in made)
    text = "\n".join(slide.title + slide.text for slide in made)
    assert not re.findall(r"\{[a-z]+(?::[a-z]+)?\}`[^`]*`|`{3,}\{|^:\w+: |\(eq-[\w-]+\)", text, re.MULTILINE)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_keys_go_from_slide_to_slide(tmp_path):
    slides.write({"x": chapter()}, BOOK, MATHJAX, tmp_path)
    with Browser(900, 600) as page:
        page.open(tmp_path / "slides" / "x.html")
        for key, number in (("ArrowRight", 2), (" ", 3), ("ArrowLeft", 2), ("ArrowDown", 3)):
            page.press(key)
            page.wait(f"Math.abs(document.getElementById('s{number}').getBoundingClientRect().top) < 3")
        assert page.run("location.hash") == "#s3" and not page.foreign
