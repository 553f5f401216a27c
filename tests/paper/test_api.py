"""The reference of the library: each module is on the page of its room, once."""

import re
from pathlib import Path

import pytest
import yaml

from paper.sphinxext import say_of_a_name

ROOT = Path(__file__).resolve().parents[2]
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "book" / "api").glob("*.md")}
ROOMS = sorted(path.parent.name for path in (ROOT / "xlgen").glob("*/__init__.py"))


def test_each_room_has_a_page_of_the_book():
    assert sorted(PAGES) == ROOMS
    listed = re.findall(r"file: api/(\w+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    assert sorted(listed) == ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_a_page_has_every_module_of_its_room_once(room):
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "xlgen" / room).rglob("*.py")
    ]
    assert re.findall(r"automodule:: (\S+)", PAGES[room]) == sorted(modules)
    headings = [f"xlgen.{heading}" for heading in re.findall(r"^## (.+)$", PAGES[room], re.MULTILINE)]
    assert headings == sorted(modules)[1:]


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
