"""The README's numbers are the book's, and what it and CONTRIBUTING.md name is there."""

import base64
import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from paper import readme
from xlgen.core.errors import UnknownName

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "book").glob("*.md"))]
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def number(name: str, text: str) -> nbformat.NotebookNode:
    kind = "application/papermill.record/text/plain"
    return new_output("display_data", {kind: repr(text)}, metadata={"scrapbook": {"name": name}})


@pytest.fixture
def book(tmp_path):
    folder = tmp_path / "book" / "notebooks"
    folder.mkdir(parents=True)
    (tmp_path / "book" / "_static").mkdir()
    for name in {key.partition("-")[0] for key in readme.ANSWER.values()}:
        drawn = new_code_cell("", metadata={"mystnb": {"figure": {"name": readme.PICTURE[1]}}})
        drawn.outputs = [new_output("display_data", {"image/png": base64.b64encode(b"png").decode()})]
        said = new_code_cell("")
        said.outputs = [number(key, f"{key}: 1 | 2") for key in readme.ANSWER.values() if key.startswith(name)]
        nbformat.write(new_notebook(cells=[drawn, said]), folder / f"{name}.ipynb")
    (tmp_path / "README.md").write_text("before\n<!-- numbers -->\nold\n<!-- /numbers -->\nafter\n")
    return tmp_path


def test_numbers_are_replaced_and_nothing_else(book):
    readme.update(book)
    text = (book / "README.md").read_text()
    assert text.startswith("before\n") and text.endswith("<!-- /numbers -->\nafter\n") and "old" not in text
    for question, key in readme.ANSWER.items():
        assert f"| {question} | {key}: 1 \\| 2 |\n" in text
    assert (book / "book" / "_static" / "overview.png").read_bytes() == b"png"
    readme.update(book)
    assert (book / "README.md").read_text() == text


def test_a_missing_number_leaves_the_readme_alone(book):
    path = book / "book" / "notebooks" / "ledger.ipynb"
    nbformat.write(new_notebook(cells=[]), path)
    with pytest.raises(UnknownName, match="number of the book 'ledger-counts'"):
        readme.update(book)
    assert "old" in (book / "README.md").read_text() and not list((book / "book" / "_static").iterdir())


def test_the_readme_has_the_questions_and_the_chapters_name_their_answers():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| .*\|$", readme.BLOCK.search(text)[0], re.M)
    assert rows == ["question", *readme.ANSWER]
    for key in readme.ANSWER.values():
        chapter, _, name = key.partition("-")
        source = (ROOT / "notebooks" / f"{chapter}.py").read_text(encoding="utf-8")
        assert f'"{key}"' in source or re.search(rf"\b{name.replace('-', '_')}=", source), key


def test_the_readme_counts_the_records():
    (said,) = re.findall(
        r"numbers of some (\d+) models are\s+committed", (ROOT / "README.md").read_text(encoding="utf-8")
    )
    assert int(said) == pytest.approx(len([*(ROOT / "records").glob("*.json")]), rel=0.05)


@pages
def test_targets_of_make_that_a_page_names_exist(page):
    targets = set(re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)[1].split())
    named = re.findall(r"(?:^|`)make ([a-z]+)", page.read_text(encoding="utf-8"), re.M)
    assert set(named) <= targets


def test_every_target_of_make_has_its_line_of_help():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.search(r"^\.PHONY: (.*)$", text, re.M)[1].split()) - {"help"}
    assert set(re.findall(r"^# make (\w+)", text, re.M)) == targets
    assert {line.partition(":")[0] for line in re.findall(r"^[a-z]+:", text, re.M)} == targets | {"help"}


@pytest.mark.parametrize("page", PAGES[:2], ids=lambda page: page.stem)
def test_files_and_folders_that_a_page_names_exist(page):
    built = ("runs/", "book/_build/", "book/notebooks/", "build/")
    named = re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", page.read_text(encoding="utf-8"))
    assert len(named) > 8
    named = [name for name in named if "NAME" not in name and not name.startswith(built)]
    assert not [name for name in named if not (ROOT / name).exists()]
