"""The reference of the library: each module is on the page of its room, once."""

import re
from pathlib import Path

import pytest
import yaml

from paper.sphinxext import say_of_a_name

ROOT = Path(__file__).resolve().parents[2]
API = ROOT / "book" / "api"
PAGES = {path.relative_to(API).with_suffix("").as_posix(): path.read_text("utf-8") for path in API.rglob("*.md")}
"""By name: ``training``; a room with many modules has pages below its own: ``measures/flatness``."""
ROOMS = sorted(path.parent.name for path in (ROOT / "xlgen").glob("*/__init__.py"))


def test_each_room_has_a_page_of_the_book():
    assert sorted(page for page in PAGES if "/" not in page) == ROOMS
    listed = re.findall(r"file: api/(\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(PAGES)


@pytest.mark.parametrize("room", ROOMS)
def test_the_pages_of_a_room_have_each_of_its_modules_once(room):
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "xlgen" / room).rglob("*.py")
    ]
    found = []
    for text in (text for page, text in PAGES.items() if page.split("/")[0] == room):
        named = re.findall(r"automodule:: (\S+)", text)
        headings = [f"xlgen.{heading}" for heading in re.findall(r"^## (.+)$", text, re.MULTILINE)]
        assert named == sorted(named) and headings == [name for name in named if name != f"xlgen.{room}"]
        found += named
    assert sorted(found) == sorted(modules)


def test_docstrings_are_read_in_googles_style():
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["sphinx"]
    assert {"sphinx.ext.autodoc", "sphinx.ext.napoleon"} <= set(config["extra_extensions"])
    assert config["config"]["napoleon_numpy_docstring"] is False


def test_words_before_a_colon_are_not_the_type_of_a_constant():
    from sphinx.ext.napoleon import Config, GoogleDocstring

    def typed(lines: list[str], what: str) -> bool:
        say_of_a_name(None, what, "LARGE", 1, None, lines)
        return ":type:" in str(GoogleDocstring(lines, Config(), what=what, name="LARGE"))

    assert ":type:" in str(GoogleDocstring(["Rows of a table: many."], Config(), what="data", name="LARGE"))
    assert not typed(["Rows of a table: many."], "data") and not typed(["Rows of a table: many."], "attribute")
    lines = ["A function: this."]
    say_of_a_name(None, "function", "f", 1, None, lines)
    assert lines == ["A function: this."]
