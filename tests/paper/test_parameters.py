"""What a page prints as its parameters can be pasted into a shell, and is read as what the page was made with."""

import ast
import re
import shlex
from pathlib import Path

import pytest
from papermill.cli import _resolve_type

from paper import chapters, notebook
from xlgen.core.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))
pages = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)

OTHER = {
    "int or all": "all",
    "list": [3],
    "dict": {"rho": 0.1, "text": "mix fr-en"},
    "bool": True,
    "int": 7,
    "float": 0.25,
    "str": "it's a 'b' $c",
}
"""A value of each type that is no default, with what a shell would take apart."""


def cells(source: Path) -> list[str]:
    return [cell.source for cell in notebook.read(source).cells if cell.cell_type == "code"]


def defaults(source: Path) -> dict[str, object]:
    """The parameters cell, the first of all."""
    return {node.target.id: ast.literal_eval(node.value) for node in ast.parse(cells(source)[0]).body}


def pasted(line: str) -> dict[str, object]:
    """What papermill makes of a line that is pasted behind ``papermill in.ipynb out.ipynb``."""
    words = shlex.split(line)
    assert words[::3] == ["-p"] * (len(words) // 3) and len(words) % 3 == 0
    return {name: _resolve_type(value) for name, value in zip(words[1::3], words[2::3], strict=True)}


def reading(source: Path) -> dict[str, str]:
    """The statements of the cell after the parameters that give a list or a mapping its own name again, by name."""
    found = {}
    for node in ast.parse(cells(source)[1]).body:
        if isinstance(node, ast.Assign) and re.search(r"\bchapters\.(words|by_name)\b", ast.unparse(node.value)):
            (target,) = node.targets
            names = [each.id for each in (target.elts if isinstance(target, ast.Tuple) else [target])]
            found |= dict.fromkeys(names, ast.unparse(node))
    return found


def read(source: Path, given: dict[str, object]) -> dict[str, object]:
    """The parameters as the rest of a page sees them."""
    values = defaults(source) | given
    for statement in dict.fromkeys(reading(source).values()):
        exec(statement, {"chapters": chapters}, values)  # noqa: S102 (a statement of our own notebook)
    return {name: values[name] for name in defaults(source)}


def printed(source: Path) -> set[str]:
    """The names that a page prints: the keys of what :func:`paper.notebook.provenance` is given."""
    tree = ast.parse("\n".join(cells(source)))
    assigned = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AugAssign)):
            for target in getattr(node, "targets", None) or [node.target]:
                assigned.setdefault(ast.unparse(target), []).append(node.value)

    def keys(node: ast.AST) -> set[str]:
        if isinstance(node, ast.Dict):
            return {key.value for key in node.keys if key is not None}
        if isinstance(node, ast.BinOp):
            return keys(node.left) | keys(node.right)
        if isinstance(node, ast.IfExp):
            return keys(node.body) | keys(node.orelse)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "chapters.given":
            return {keyword.arg for keyword in node.keywords}
        if isinstance(node, ast.DictComp):
            return keys(node.generators[0].iter.func.value)
        if isinstance(node, ast.Name) and node.id in assigned:
            return set().union(*map(keys, assigned[node.id]))
        return set()

    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "provenance"]
    return set().union(*(keys(call.args[1]) for call in calls))


@pages
def test_lists_are_read_in_the_first_cell_before_anything_is_trained(source):
    kinds = {name: one["inferred_type_name"] for name, one in notebook.parameters(source).items()}
    assert {name for name, kind in kinds.items() if kind in ("list", "dict")} <= set(reading(source))
    # and in no other place: what is read twice is read in two ways
    assert not re.search(r"chapters\.(words|by_name)\(", "\n".join(cells(source)[2:]))


@pages
def test_the_line_that_a_page_prints_can_be_pasted(source):
    made = read(source, {})
    assert read(source, pasted(notebook.shell(made))) == made
    assert (
        read(source, notebook.typed(source, dict(zip(made, shlex.split(notebook.shell(made))[2::3], strict=True))))
        == made
    )


@pages
def test_so_can_one_with_other_values(source):
    kinds = {name: one["inferred_type_name"] for name, one in notebook.parameters(source).items()}
    # texts, whole numbers and numbers are all lists of one that a page may hold
    texts = {"tasks", "languages", "objectives", "variants", "second", "ewc_languages"}
    other = {name: ["mix fr-en"] if name in texts else OTHER[kind] for name, kind in kinds.items()}
    made = read(source, other)
    assert all(made[name] == value for name, value in other.items())
    assert read(source, pasted(notebook.shell(made))) == made
    assert (
        read(source, notebook.typed(source, dict(zip(made, shlex.split(notebook.shell(made))[2::3], strict=True))))
        == made
    )


@pages
def test_a_page_prints_names_of_its_own_parameters(source):
    found = printed(source)
    assert found or source.stem == "theory"
    assert found <= set(defaults(source))


@pytest.mark.parametrize("value", ["0,1", "[0, 1]", [0, 1], ["0", "1"]])
def test_draws_of_the_noise_are_counted_as_they_are_meant(value):
    for source in SOURCES:
        if "noise_seeds" in defaults(source):
            assert read(source, {"noise_seeds": value})["noise_seeds"] == [0, 1]
            assert read(source, {"noise_seeds": 0})["noise_seeds"] == [0]
            for wrong in ("0,x", 0.5, None, True):
                with pytest.raises(ConfigError, match="expected whole numbers separated by commas"):
                    read(source, {"noise_seeds": wrong})


def test_entries_with_commas_keep_them():
    made = ["a, b", "c"]
    (text,) = pasted(notebook.shell({"x": made})).values()
    assert chapters.words(text) == made


def test_the_defaults_of_a_page_are_of_the_types_that_it_declares():
    for source in SOURCES:
        assert notebook.typed(source, defaults(source)) == defaults(source)
