"""Arrows between rooms go down only: read from every import, those inside functions too."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("core", "data", "models", "fisher", "objectives", "training", "measures", "analysis", "forecast", "cli")
"""The rooms of xlgen, in the order in which they may be imported."""

PACKAGES = ("xlgen", "paper", "pretraining")
BOOK = {"IPython", "docutils", "jinja2", "jupytext", "myst_nb", "nbformat", "papermill", "sphinx"}


def files(package: str) -> dict[str, Path]:
    """The modules of a package and their files."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        found[".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = path
    return found


MODULES = {name: path for package in PACKAGES for name, path in files(package).items()}


def imports(text: str) -> set[str]:
    """The modules that a source imports, wherever in it, as far into a package as it names them."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not read"
            full = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in full.values()}
    return found


@cache
def edges() -> dict[str, set[str]]:
    """What each module imports."""
    return {name: imports(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def room(module: str) -> str:
    """``xlgen.data``, ``paper.ledger``; modules at the top of a package are rooms by themselves."""
    return ".".join(module.split(".")[:2])


def upward(edges: dict[str, set[str]]) -> list[str]:
    """The arrows of xlgen that do not go down."""
    order = {f"xlgen.{name}": floor for floor, name in enumerate(("", *ROOMS))} | {"xlgen": 0}
    order["xlgen.__main__"] = len(ROOMS) + 1
    return [
        f"{module} -> {name}"
        for module, names in edges.items()
        if module.split(".")[0] == "xlgen"
        for name in sorted(names)
        if name.split(".")[0] == "xlgen" and order[room(name)] > order[room(module)]
    ]


def rooms(edges: dict[str, set[str]]) -> dict[str, set[str]]:
    """Which rooms a room imports."""
    graph = {}
    for module, names in edges.items():
        graph.setdefault(room(module), set()).update(room(n) for n in names if n in MODULES and room(n) != room(module))
    return graph


def test_every_module_has_a_room():
    assert {room(module) for module in files("xlgen")} == {"xlgen", "xlgen.__main__", *(f"xlgen.{r}" for r in ROOMS)}


def test_arrows_inside_xlgen_go_down():
    assert not upward(edges())


@pytest.mark.parametrize(
    "module, name", [("xlgen.core.store", "xlgen.data.batch"), ("xlgen.measures.base", "xlgen.cli")]
)
def test_an_upward_arrow_is_found(module, name):
    assert upward({module: imports(f"def f():\n    import {name}\n")}) == [f"{module} -> {name}"]


def test_there_is_no_cycle_between_rooms():
    tuple(TopologicalSorter(rooms(edges())).static_order())


@pytest.mark.parametrize(
    "package, unknown",
    [
        ("xlgen", {"paper", "pretraining", "notebooks", "benchmarks", *BOOK}),
        ("pretraining", {"paper", *BOOK}),
        ("paper", {"pretraining"}),
    ],
)
def test_a_package_does_not_know_what_stands_on_it(package, unknown):
    for module in files(package):
        assert not {name.split(".")[0] for name in edges()[module]} & unknown, module
