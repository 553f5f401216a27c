"""Which version of which algorithm made a number: part of the name of every stored result.

The library's modules form *parts*: :data:`PARTS` names those of several modules and those whose name is not their
place, and any other module that computes something is a part by itself. A result rests on the parts that its module
imports, directly or not; imports are read from the source, so that none can be forgotten.

``versions.csv`` beside this file gives each part's version by the digest of its source. Whoever changes a source adds a
row (``make version``): a higher version if a number can change, the same one and the reason why none does otherwise.
Until then the digest stands for the version, so that code in the making is never answered with older numbers.

What is read (rows, texts, encoders, tokenizers) is no matter of versions: names cover it by digests of its contents.
"""

from __future__ import annotations

import ast
import csv
import hashlib
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from xlgen.core.errors import XlgenError

PACKAGE = Path(__file__).parents[1]
VERSIONS = Path(__file__).parent / "versions.csv"

PARTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "encoding": ("data.batch", "data.encode", "data.plain", "data.encode_tagged", "models.tokens"),
        "models": (
            *("models.layers", "models.vocabulary", "models.tuning", "models.tuning.base"),
            *(f"models.{name}" for name in ("classes", "configuration", "families", "load")),
        ),
        "evaluation": ("models.evaluate", "models.perturb", "models.representations", "measures.base"),
        "training": ("training.train", "training.setup", "training.stages", "training.optimizers", "data.halves"),
        "device": ("core.device", "core.processes"),
        "gradients": (
            "models.precision",
            *(f"objectives.{name}" for name in ("base", "accumulate", "ascent", "divergence")),
        ),
        "segmentation": ("data.segment", "data.subwords"),
        "fisher": tuple(f"fisher.{name}" for name in ("engine", "recorder", "modules", "factors", "trace", "diagonal")),
        "text": ("fisher.of_text", "fisher.mlm"),
        "contrastive": ("fisher.contrastive", "models.sentences"),
        # one module each, under a name that its place does not change
        "anchors": ("training.anchors",),
        "chunks": ("models.entity_f1",),
        "frechet": ("fisher.frechet",),
        "languages": ("data.languages",),
        "mini.corpus": ("data.mini.corpus",),
        "tuning.adapter": ("models.tuning.adapter",),
        "tuning.bitfit": ("models.tuning.bitfit",),
        "tuning.full": ("models.tuning.full",),
        "tuning.prompt": ("models.tuning.prompt",),
    }
)
"""Parts of several modules, or of one under another name. Names of modules are relative to the package."""

NEUTRAL = frozenset(
    (
        *("core", "data", "fisher", "measures", "models", "objectives", "objectives.hyper", "training"),
        *(f"core.{name}" for name in "code coerce config errors files hyper packed registry result store".split()),
        *(f"data.{name}" for name in "catalogue mini mini.grammar mini.lexicon mini.world".split()),
        *(f"data.{name}" for name in "parallel read_pairs read_tagged task text token_cache".split()),
        "measures.blocks",
        *(f"models.{name}" for name in "catalogue locate messages".split()),
        *(f"training.{name}" for name in "checkpoint presets".split()),
    )
)
"""Modules without a part: they find, check, keep and name, say more of a value and do not change it, or read what names
cover by its contents."""

OPTIONAL = MappingProxyType({"data.segment": "needs_views", "training.anchors": "needs_anchors"})
"""What training imports for some objectives alone, and the attribute that they have."""

YOUNGER = ("measures.subjects",)
"""Parts of every measure that are younger than the first results: left out of their names while they are at version 1.
They stand for their own source alone, not for what they import."""


def of_run(objective: type, tuning: type, loss: str = "mlm") -> dict[str, int | str]:
    """Versions of all that trains a model, by part: ``{"encoding": 1, "objectives.sam": 2, …}``.

    Args:
        objective: a class of :data:`xlgen.objectives.OBJECTIVES`.
        tuning: a class of :data:`xlgen.models.tuning.TUNINGS`.
        loss: of the encoder's pretraining, as :func:`xlgen.models.sentences.loss_of` says.
    """
    without = [module for module, needs in OPTIONAL.items() if not getattr(objective, needs)]
    if not hasattr(objective, "corpora"):
        without.append("fisher.of_text")
    return _versions(["training.train"], (objective, tuning), ["fisher.frechet", *_other(loss), *without])


def of_measure(measure: Callable) -> dict[str, int | str]:
    """Versions of all that computes a measure, by part.

    Args:
        measure: a function of :data:`xlgen.measures.MEASURES`.
    """
    found = _versions(["data.encode", "data.encode_tagged", "models.load", "models.tokens"], [measure])
    return found | {part: version for part, version in versions(YOUNGER).items() if version != 1}


def of_tokens() -> dict[str, int | str]:
    """Versions of what makes sub-words of rows."""
    return versions(["encoding"])


def of_text(loss: str = "mlm") -> dict[str, int | str]:
    """Versions of all that computes the Fisher information of a text, by part.

    Args:
        loss: as :func:`of_run`.
    """
    return versions(rests_on(["fisher.of_text"], ["fisher.frechet", *_other(loss)]))


def _other(loss: str) -> tuple[str, ...]:
    """Modules that compute the loss of other encoders; those of masked words are one part with all Fisher information
    of text, so that the names of older results stand."""
    return () if loss == "contrastive" else PARTS["contrastive"]


def versions(parts: Iterable[str]) -> dict[str, int | str]:
    """By part, the version of its source as it is now; its digest, if ``versions.csv`` does not know that."""
    numbers = {(row["part"], row["source"]): int(row["version"]) for row in rows()}
    return {part: numbers.get((part, source(part)), source(part)) for part in sorted(parts)}


def rests_on(modules: Iterable[str], without: Iterable[str] = ()) -> set[str]:
    """The parts of the given modules and of all that they import, directly or not.

    Args:
        modules: names relative to the package.
        without: modules whose import is not followed.
    """
    seen, waiting = set(without) | NEUTRAL, list(modules)
    parts = set()
    while waiting:
        if (module := waiting.pop()) not in seen:
            seen.add(module)
            parts.add(part_of(module))
            waiting += imports(module)
    return parts


def part_of(module: str) -> str:
    """The part that a module belongs to."""
    return next((part for part, modules in PARTS.items() if module in modules), module)


@cache
def imports(module: str) -> tuple[str, ...]:
    """The package's modules that a module imports, wherever in it."""
    modules = []
    for node in ast.walk(_parsed(module)):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        inside = (name.removeprefix("xlgen.") for name in names if name.startswith("xlgen."))
        modules += [name for name in inside if path(name).is_file()]
    return tuple(dict.fromkeys(modules))


@cache
def source(part: str) -> str:
    """Digest of the source of a part as it is now, with the tables beside it; see :func:`digest_of`."""
    files = [path(module) for module in PARTS.get(part, (part,))]
    tables = [file.with_suffix(".csv") for file in files]
    beside = [table.read_text(encoding="utf-8") for table in tables if table.is_file()]
    return digest_of((file.read_text(encoding="utf-8") for file in files), beside)


def digest_of(texts: Iterable[str], tables: Iterable[str] = ()) -> str:
    """First 12 hex digits of the SHA-256 of the statements of some modules, and of some tables, in no order.

    Comments, docstrings, imports and blank lines do not count, nor do names of modules and places of statements.
    """
    statements = {statement for text in texts for statement in _statements(text)} | set(tables)
    return hashlib.sha256("\0".join(sorted(statements)).encode()).hexdigest()[:12]


def path(module: str) -> Path:
    """The file of a module of the package, there or not."""
    place = PACKAGE.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


@cache
def rows() -> tuple[dict[str, str], ...]:
    """The rows of ``versions.csv``: part, version, source, why."""
    with VERSIONS.open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def _statements(text: str) -> Iterator[str]:
    """The statements of a module that are neither an import nor a text, without comments."""
    lines, tree = text.splitlines(), ast.parse(text)
    silent = {
        number
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom)) or _is_text(node)
        for number in range(node.lineno, node.end_lineno + 1)
    }
    for node in tree.body:
        first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))])
        numbers = (number for number in range(first, node.end_lineno + 1) if number not in silent)
        code = [line for number in numbers if (line := _without_comment(lines[number - 1])).strip()]
        if code:
            yield "\n".join(code)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _without_comment(line: str) -> str:
    """The line without its comment; where a quote follows the ``#``, which may then be in a text, it is kept."""
    before, _, after = line.partition("#")
    return (line if "'" in after or '"' in after else before).rstrip()


def _parsed(module: str) -> ast.Module:
    return ast.parse(path(module).read_text(encoding="utf-8"))


def _versions(modules: Iterable[str], entries: Iterable[Callable], without: Iterable[str] = ()) -> dict[str, int | str]:
    """Versions of modules and of entries of registries; an entry from outside the package is a part by itself."""
    inside, outside = list(modules), {}
    for entry in entries:
        if entry.__module__.startswith("xlgen."):
            inside.append(entry.__module__.removeprefix("xlgen."))
        else:
            outside[f"{entry.__module__}.{entry.__qualname__}"] = digest_of([textwrap.dedent(_source(entry))])
    return versions(rests_on(inside, without)) | outside


def _source(entry: Callable) -> str:
    try:
        return inspect.getsource(entry)
    except (OSError, TypeError):
        raise XlgenError(
            f"the source of {entry.__qualname__} cannot be read, so its results could not be told from those of "
            "another version; define it in a file."
        ) from None
