"""How the project is built, read from its code: rooms, the arrows between them, and the walk of one number."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path

from paper.templates import fill

STEPS = (
    ("paper.protocols.seeds:seeds", "notebooks"),
    ("paper.records:obtain", "notebooks"),
    ("xlgen.training.runs:run_many", "paper.records"),
    ("xlgen.training.runs:run", "xlgen.training.runs"),
    ("xlgen.training.train:train", "xlgen.training.runs"),
    ("xlgen.core.store:Store.write", "xlgen.training.runs"),
    ("xlgen.measures.measuring:measure_many", "paper.records"),
    ("xlgen.measures.subjects:subject", "xlgen.measures.measuring"),
    ("xlgen.measures.base:Value", "xlgen.measures.accuracy"),
    ("paper.records:Obtained.rows", "notebooks"),
    ("xlgen.analysis.clustered:clustered", "notebooks"),
    ("paper.ledger.evidence:of", "paper.chapters.evidence"),
    ("paper.ledger.records:record", "paper.chapters.evidence"),
    ("paper.ledger.table:rows", "notebooks"),
    ("paper.ledger.table:verdict", "paper.ledger.table"),
    ("xlgen.analysis.verdicts:verdict", "paper.ledger.table"),
    ("paper.ledger.page:register", "notebooks"),
)
"""The walk of one number, from training to its verdict: what is called, and where it is called from."""

CONCEPTS = {
    "config": "xlgen.core.config:RunConfig",
    "task": "xlgen.data.task:Task",
    "model": "xlgen.models.catalogue:Model",
    "run": "xlgen.training.runs:Run",
    "measure": "xlgen.measures.base",
    "value": "xlgen.measures.base:Value",
    "table": "paper.records:Obtained.frame",
    "interval": "xlgen.analysis.intervals:Interval",
    "claim": "paper.ledger.claims:Claim",
    "evidence": "paper.ledger.records:Record",
    "verdict": "xlgen.analysis.verdicts:Verdict",
    "page": "paper.sphinxext",
}
"""What one has to know to follow a number, and where it is defined."""


SILENT = (
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE),
    *(tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER),
)


@dataclass(frozen=True)
class Room:
    """A folder of modules that are read together.

    Attributes:
        name: of the package, ``"xlgen.core"``; ``"paper"`` and the others that stand on xlgen are rooms as a whole.
        about: the first sentence of its docstring.
        files: its sources.
    """

    name: str
    about: str
    files: tuple[Path, ...]

    @cached_property
    def lines(self) -> int:
        """Lines of code: without blank lines, comments and docstrings."""
        return sum(_lines(path.read_text(encoding="utf-8")) for path in self.files)


def rooms(root: Path) -> dict[str, Room]:
    """The rooms of a checkout by name, each after those that it imports."""
    folders = sorted(path.parent for path in (root / "xlgen").glob("*/__init__.py"))
    folders += [root / name for name in ("pretraining", "paper", "notebooks")]
    result = {}
    for folder in folders:
        files = tuple(sorted(folder.rglob("*.py")))
        init = folder / "__init__.py"
        about = _first(ast.get_docstring(ast.parse(init.read_text(encoding="utf-8")))) if init.is_file() else ""
        name = ".".join(folder.relative_to(root).parts)
        result[name] = Room(name, about or "The chapters of the book.", files)
    height = floors(arrows(result))
    return {name: result[name] for name in sorted(result, key=lambda name: (height[name], name))}


def arrows(rooms: Mapping[str, Room]) -> dict[str, set[str]]:
    """Which other rooms each room imports, inside functions too."""
    return {
        name: {
            other
            for path in room.files
            for module in _imports(path.read_text(encoding="utf-8"))
            for other in rooms
            if other != name and f"{module}.".startswith(f"{other}.")
        }
        for name, room in rooms.items()
    }


def direct(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The arrows that do not follow from others: without a → c where a → b → … → c."""

    def below(name: str) -> set[str]:
        return graph[name].union(*(below(other) for other in graph[name]))

    return {name: {a for a in to if not any(a in below(b) for b in to - {a})} for name, to in graph.items()}


def floors(graph: Mapping[str, set[str]]) -> dict[str, int]:
    """How high each room stands: one floor above the highest that it imports."""

    def floor(name: str) -> int:
        return 1 + max(map(floor, graph[name]), default=-1)

    return {name: floor(name) for name in graph}


def picture(rooms: Mapping[str, Room]) -> str:
    """The rooms and the arrows between them as an SVG: the longest chain in a column, each other room in its own."""
    graph = direct(arrows(rooms))
    height = floors(graph)

    def trunk(name: str) -> list[str]:
        return [name, *(trunk(max(sorted(graph[name]), key=height.get)) if graph[name] else [])]

    spine = trunk(max(sorted(graph), key=height.get))
    columns = dict.fromkeys(spine, 0)
    columns |= {name: number for number, name in enumerate(sorted(set(graph) - set(spine)), 1)}
    boxes = {name: (columns[name], height[spine[0]] - height[name]) for name in reversed(rooms)}
    lines = [(name, other) for name in boxes for other in sorted(graph[name])]
    words = "; ".join(f"{name} imports {', '.join(sorted(graph[name]))}" for name in boxes if graph[name])
    return fill("rooms.svg", boxes=boxes, arrows=lines, rooms=rooms, words=words)


def walk() -> Iterator[tuple[str, str, str]]:
    """The steps of one number: what is called, its module, and what it does."""
    for name, _ in STEPS:
        module, _, inside = name.partition(":")
        yield inside, module, about(name)


def concepts() -> Iterator[tuple[str, str, str]]:
    """What one has to know: its name, where it is defined, and what it is."""
    for concept, name in CONCEPTS.items():
        yield concept, name.replace(":", "."), about(name)


def about(name: str) -> str:
    """The first sentence of the docstring of a module, or of what ``module:name`` is.

    Raises:
        KeyError: there is no such thing.
    """
    module, _, inside = name.partition(":")
    thing = import_module(module)
    for part in inside.split(".") if inside else ():
        thing = vars(thing)[part]
    return _first(thing.__doc__)


def _first(docstring: str | None) -> str:
    """Its first sentence, with the names in it as they are called."""
    words = " ".join((docstring or "").strip().split("\n\n")[0].split()).partition(" (see ")[0]
    words = re.sub(r"(?::\w+:)?`+~?([^`]*)`+", r"\1", words)
    return words if words.endswith(".") else f"{words}."


@cache  # several views of the rooms read the same files
def _imports(text: str) -> frozenset[str]:
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


@cache
def _lines(text: str) -> int:
    """Lines that hold code: neither blank, nor a comment, nor a docstring."""
    prose = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, node.end_lineno + 1)
    }
    tokens = (token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type not in SILENT)
    return len({line for token in tokens for line in range(token.start[0], token.end[0] + 1)} - prose)
