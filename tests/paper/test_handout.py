"""Chapters to hand out: numbers in the prose, nothing that only Sphinx understands, solutions for those who teach."""

import json
import re
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from paper import handout, notebook

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))


@pytest.fixture(scope="module")
def book():
    return handout.book_of(SOURCES, sorted((ROOT / "book").glob("*.md")), ROOT / "book" / "references.bib")


def prose(made):
    return "\n\n".join(cell.source for cell in made.cells if cell.cell_type == "markdown")


EXERCISE = """Before {eq}`eq-a` and {numref}`fig-a`.

$$ a = b $$ (eq-a)

````{exercise} ★ Why?
:label: ex-a
What is {glue:text}`x-best`?
````

````{solution-start} ex-a
:class: dropdown
````
Because."""
BOOK = handout.Book(
    {"running": "Running"}, {"eq-a": "(4.1)", "fig-a": "Fig. 4.3", "ex-a": "Exercise 4.1"}, {"k": ("A and B", "2024")}
)


def chapter():
    glued = new_output(
        "display_data",
        data={"application/papermill.record/text/plain": "'sam'"},
        metadata={"scrapbook": {"name": "x-best"}},
    )
    return new_notebook(
        cells=[
            new_code_cell("say(best='sam')", outputs=[glued]),
            new_code_cell("preset = 'small'", metadata={"tags": ["injected-parameters"]}),
            new_markdown_cell(EXERCISE),
            new_code_cell("secret = 1"),
            new_markdown_cell("The end.\n\n````{solution-end}\n````\n\nAfter it {cite:p}`k`, see {doc}`/running`."),
            new_code_cell("after = 2"),
        ]
    )


def test_the_teachers_copy_has_numbers_references_and_solutions():
    made = handout.handout(chapter(), BOOK)
    text = prose(made)
    assert "Before (4.1) and Fig. 4.3." in text and r"$$ a = b \tag{4.1} $$" in text
    assert "**Exercise 4.1. ★ Why?**\nWhat is sam?" in text
    assert "**Solution of Exercise 4.1**\n\nBecause." in text and "The end." in text
    assert "After it (A and B, 2024), see *Running*." in text and ":class:" not in text
    assert [cell.source for cell in made.cells if cell.cell_type == "code"] == [
        "say(best='sam')",
        "secret = 1",
        "after = 2",
    ]


def test_the_students_copy_has_all_but_what_is_between_start_and_end_of_a_solution():
    made = handout.handout(chapter(), BOOK, solutions=False)
    text = prose(made)
    assert "Why?" in text and "After it" in text
    assert not any(word in text for word in ("Solution", "Because", "The end"))
    assert [cell.source for cell in made.cells if cell.cell_type == "code"] == ["say(best='sam')", "after = 2"]


def test_a_solution_in_one_box_ends_with_the_box():
    cell = "```{solution} ex-a\n:class: dropdown\nBecause.\n```\n\nGo on."
    assert handout.plain(cell, {}, BOOK, solutions=False) == ("Go on.", False)
    assert handout.plain(cell, {}, BOOK)[0] == "**Solution of Exercise 4.1**\n\nBecause.\n\nGo on."


def test_a_box_is_a_quotation():
    cell = "```{admonition} What you will learn\n:class: tip\n- one\n\n- two\n```"
    assert handout.plain(cell, {}, BOOK)[0] == "> **What you will learn**\n>\n> - one\n>\n> - two"


def test_the_answer_of_a_concept_check_is_for_those_who_teach():
    cell = "```{admonition} Concept check: So $a = b$. True?\n:class: dropdown\n*False.*\n```\n\nGo on."
    question = "> **Concept check: So $a = b$. True?**\n>"
    assert handout.plain(cell, {}, BOOK)[0] == f"{question}\n> *False.*\n\nGo on."
    assert handout.plain(cell, {}, BOOK, solutions=False) == (f"{question}\n\nGo on.", False)


def test_a_number_that_was_not_computed_says_so():
    assert handout.plain("{glue:text}`x-y`", {}, BOOK)[0] == "(x-y: not computed)"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_no_chapter_leaves_anything_that_only_sphinx_understands(source, book):
    read = notebook.read(source)
    teacher, student = (handout.handout(read, book, solutions=solutions) for solutions in (True, False))
    text = prose(teacher)
    assert not re.findall(r"\{[a-z]+(?::[a-z]+)?\}`[^`]*`|^`{3,}\{.*|^:\w+: .*|\(eq-[\w-]+\)", text, re.MULTILINE)
    missing = [label for label in re.findall(r"(?:fig|eq|exercise)-[\w-]+", text) if label in book.numbers]
    assert not missing  # every label has become its number
    solved, asked = (
        text.count("**Solution of Exercise"),
        len(re.findall(r"^\*\*Exercise \d+\.\d+\. ", text, re.MULTILINE)),
    )
    assert solved == asked > 0
    assert "**Solution" not in prose(student) and prose(student).count("**Exercise ") == asked


def test_two_archives_hold_all_chapters(book, tmp_path):
    chapters = {source.stem: notebook.read(source) for source in SOURCES[:2]}
    archives = handout.write(chapters, book, tmp_path)
    for archive, solutions in zip(archives, (True, False), strict=True):
        with zipfile.ZipFile(archive) as packed:
            assert packed.namelist() == [f"{name}.ipynb" for name in chapters]
            text = prose(nbformat.reads(packed.read(packed.namelist()[0]), as_version=4))
            assert ("**Solution" in text) is solutions
    download = tmp_path / "_sources" / "notebooks" / f"{SOURCES[0].stem}.ipynb"
    assert json.loads(download.read_text())["nbformat"] == 4
