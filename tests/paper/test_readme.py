"""The README's numbers are the book's."""

import base64

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from paper import readme
from xlgen.core.errors import UnknownName

TABLE = (
    "<table><caption>{caption}: all</caption><thead><tr><th></th><th>en</th></tr></thead>"
    "<tbody><tr><th>sam &amp; co</th><td>0.5 | 1</td></tr></tbody></table>"
)


@pytest.fixture
def book(tmp_path):
    folder = tmp_path / "book" / "notebooks"
    folder.mkdir(parents=True)
    (tmp_path / "book" / "_static").mkdir()
    for name in {name for name, _ in readme.TABLES}:
        cells = [new_code_cell("", metadata={"mystnb": {"figure": {"name": readme.PICTURE[1]}}})]
        cells[0].outputs = [new_output("display_data", {"image/png": base64.b64encode(b"png").decode()})]
        for notebook, caption in readme.TABLES:
            if notebook == name:
                cells.append(new_code_cell(""))
                cells[-1].outputs = [new_output("execute_result", {"text/html": TABLE.format(caption=caption)})]
        nbformat.write(new_notebook(cells=cells), folder / f"{name}.ipynb")
    (tmp_path / "README.md").write_text("before\n<!-- numbers -->\nold\n<!-- /numbers -->\nafter\n")
    return tmp_path


def test_numbers_are_replaced_and_nothing_else(book):
    readme.update(book)
    text = (book / "README.md").read_text()
    assert text.startswith("before\n") and text.endswith("<!-- /numbers -->\nafter\n") and "old" not in text
    assert text.count("| sam & co | 0.5 \\| 1 |") == len(readme.TABLES)
    assert (book / "book" / "_static" / "overview.png").read_bytes() == b"png"
    readme.update(book)
    assert (book / "README.md").read_text() == text


def test_a_missing_table_leaves_the_readme_alone(book):
    path = book / "book" / "notebooks" / "miniature.ipynb"
    nbformat.write(new_notebook(cells=[]), path)
    with pytest.raises(UnknownName, match="table of miniature.ipynb"):
        readme.update(book)
    assert "old" in (book / "README.md").read_text()
