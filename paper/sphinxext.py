"""Build the book with one command: execute the chapters that are out of date, and make the pages work offline.

Sphinx loads this extension from ``_config.yml``. Before any page is read, each notebook in the table of contents whose
stored output is stale is executed with papermill into ``book/notebooks/``, which is what the pages are made from.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import jupyter_server_mathjax
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx_external_toc.parsing import parse_toc_yaml

import paper
import xlgen
from paper import handout, house, notebook, pages
from paper.cli import LISTS
from paper.live import embed
from xlgen.cli.listing import in_words
from xlgen.core.config import digest
from xlgen.core.errors import UnknownName, XlgenError

log = logging.getLogger(__name__)

FOLDER = "notebooks"
PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "scipy", "matplotlib")

MATHJAX = {
    "config": ["TeX-AMS-MML_HTMLorMML-full.js"],
    "tex2jax": {
        "inlineMath": [["\\(", "\\)"]],
        "displayMath": [["\\[", "\\]"]],
        "ignoreClass": "tex2jax_ignore|mathjax_ignore",
        "processClass": "tex2jax_process|mathjax_process|math|output_area",
    },
    "HTML-CSS": {"availableFonts": [], "imageFont": None, "preferredFont": None, "webFont": "STIX-Web"},
    "messageStyle": "none",
}
"""MathJax 2 (the version that a package on PyPI carries) with its own web font."""


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_config_value("xlgen_parameters", {}, "env", [dict])
    app.add_directive("execution-times", ExecutionTimes)
    app.add_directive("bad-inputs", BadInputs)
    app.add_directive("house", House)
    app.add_directive("xlgen-list", Listing)
    app.connect("config-inited", refresh_notebooks)
    app.connect("config-inited", use_local_mathjax)
    app.connect("builder-inited", copy_mathjax)
    app.connect("builder-inited", copy_live)
    app.connect("html-page-context", load_live)
    app.connect("env-get-outdated", outdated_by_notebooks)
    app.connect("build-finished", pages.finish)
    app.connect("build-finished", hand_out)
    return {"version": xlgen.__version__, "parallel_read_safe": True, "parallel_write_safe": True}


def refresh_notebooks(app: Sphinx, config: Config) -> None:
    """Execute the stale chapters; the build ends with the cell's own error if one fails."""
    book = Path(app.srcdir)
    toc = parse_toc_yaml(book / config.external_toc_path)
    sources = [book.parent / f"{page}.py" for page in toc if page.startswith(f"{FOLDER}/")]
    try:
        refresh(sources, book / FOLDER, config.xlgen_parameters)
    except notebook.NotebookError as error:
        raise SystemExit(f"{error.trace}\n\n{error}") from None
    except XlgenError as error:
        raise SystemExit(str(error)) from None  # any other exception would be followed by the build's own traceback


def refresh(sources: Iterable[Path], folder: Path, parameters: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Execute the chapters whose output in ``folder`` is stale, in the order of the book.

    Whether a chapter is stale is asked again when its turn comes, because an earlier one may have rewritten what it
    reads. Evidence for the ledger goes to ``folder/ledger``.

    Args:
        sources: the chapters (``.py``), in the order of the book.
        folder: where the executed notebooks are.
        parameters: by name of the chapter, what replaces its defaults.

    Returns:
        The names of the chapters that were executed.

    Raises:
        UnknownName: there is no such chapter or parameter.
        NotebookError: a cell failed; the chapter's earlier output and evidence are still in place.
    """
    library = library_fingerprint()
    chapters = {source.stem: source for source in sources}
    for name, source in chapters.items():
        if not source.is_file():
            raise UnknownName("notebook of _toc.yml", name, (path.stem for path in source.parent.glob("*.py")))
    for name in parameters:
        if name not in chapters:
            raise UnknownName("chapter in xlgen_parameters", name, chapters)
    given = {name: dict(parameters.get(name, {})) for name in chapters}
    kept = {name: stored(folder / f"{name}.ipynb").get("fingerprint") for name in chapters}
    current = {name: fingerprint(source, given[name], library) for name, source in chapters.items()}
    executed: list[str] = []
    for name, source in chapters.items():
        if executed:
            current[name] = fingerprint(source, given[name], library)
        if kept[name] == current[name]:
            continue
        executed.append(name)
        later = list(chapters)[list(chapters).index(name) + 1 :]
        left = [other for other in later if kept[other] != current[other]]
        number = f"{len(executed)}/{len(executed) + len(left)}"
        log.info("executing %s: %s …", number, name)
        facts = {"fingerprint": current[name], "parameters": given[name]}
        done = notebook.execute(source, folder / f"{name}.ipynb", given[name], folder / "ledger", **facts)
        seconds = done.metadata.xlgen.seconds
        log.info("executed %s: %s in %.0f s; left: %s", number, name, seconds, ", ".join(left) or "none")
    return executed


def fingerprint(source: Path, given: Mapping[str, Any], library: str) -> str:
    """Hash of all that a chapter's output depends on: its cells, its parameters, the library and the packages.

    Each tag ``reads:folder`` of a cell adds the ``.py`` and ``.json`` files in a folder of the checkout, by their names
    and contents.
    """
    read = notebook.read(source).cells
    tags = {tag for cell in read for tag in cell.metadata.get("tags", []) if tag.startswith("reads:")}
    top = source.absolute().parents[1]
    folders = [top / tag.removeprefix("reads:") for tag in sorted(tags)]
    files = [path for folder in folders for path in sorted(folder.rglob("[!.]*")) if path.suffix in (".py", ".json")]
    contents = [[path.relative_to(top).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()] for path in files]
    cells = [[cell.cell_type, cell.source, cell.metadata] for cell in read]
    return digest([cells, dict(given), library, contents])


def library_fingerprint() -> str:
    """Hash of every file of the packages (code, lexicons, encoder, tables) and of the versions that they run on."""
    versions = {name: metadata.version(name) for name in PACKAGES} | {"python": platform.python_version()}
    total = hashlib.sha256(json.dumps(versions, sort_keys=True).encode())
    for package in (Path(xlgen.__file__).parent, Path(paper.__file__).parent):
        for path in sorted(package.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.name != Path(__file__).name:
                total.update(path.relative_to(package.parent).as_posix().encode() + b"\0")
                total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def stored(path: Path) -> dict[str, Any]:
    """What :func:`paper.notebook.execute` wrote about an executed notebook; empty if there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))["metadata"]["xlgen"]
    except (OSError, ValueError, KeyError):
        return {}


def outdated_by_notebooks(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> Iterator[str]:
    """All pages, if a notebook has changed: a page may quote its numbers, which Sphinx does not know."""
    if any(page.startswith(f"{FOLDER}/") for page in added | changed):
        yield from env.found_docs - added - changed


def use_local_mathjax(app: Sphinx, config: Config) -> None:
    """Load MathJax from the book instead of from the network."""
    config.myst_update_mathjax = False  # it would configure MathJax 3
    config.mathjax_path = "mathjax/MathJax.js"
    config.mathjax2_config = MATHJAX


def copy_mathjax(app: Sphinx) -> None:
    """Put MathJax, which is installed but not part of this repository, into the HTML."""
    target = Path(app.outdir) / "_static" / "mathjax"
    if app.builder.format == "html" and not target.is_dir():
        shutil.copytree(Path(jupyter_server_mathjax.__file__).parent / "static", target)
        for path in (target / "config").rglob("*.js"):
            path.write_text(without_missing_fonts(path.read_text(encoding="utf-8")), encoding="utf-8")


def without_missing_fonts(script: str) -> str:
    """MathJax's configuration without addresses of fonts that are not there: a name is looked for, and not found."""
    script = script.replace("url('about:blank')", "local('MathJax_Blank')")
    return re.sub(r"url\('\"\+n\+\"/([\w-]+)\.otf'\)", r"local('\1')", script)


def hand_out(app: Sphinx, error: Exception | None) -> None:
    """Offer the chapters for download with their numbers in the prose, and all of them in two archives."""
    if error or app.builder.format != "html":
        return
    import nbformat

    book = Path(app.srcdir)
    names = [page.removeprefix(f"{FOLDER}/") for page in app.config.external_site_map if page.startswith(f"{FOLDER}/")]
    sources = [book.parent / FOLDER / f"{name}.py" for name in names]
    known = handout.book_of(sources, sorted(book.glob("*.md")), book / "references.bib")
    chapters = {name: nbformat.read(book / FOLDER / f"{name}.ipynb", as_version=4) for name in names}
    handout.write(chapters, known, Path(app.outdir))


def copy_live(app: Sphinx) -> None:
    """Write the scripts of live figures into the HTML, once for all pages."""
    if app.builder.format == "html":
        embed.write(Path(app.outdir) / "_static" / embed.FOLDER)


def load_live(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Load on each page the scripts of its live figures: none where there is no such figure."""
    scripts = embed.files(context.get("body", ""))
    for name in scripts:
        app.add_js_file(f"{embed.FOLDER}/{name}", loading_method="defer")
    if scripts:
        app.add_css_file(f"{embed.FOLDER}/live.css")


class ExecutionTimes(SphinxDirective):
    """A table of the chapters' execution times, in the order of the book."""

    def run(self) -> list[nodes.Node]:
        rows = []
        for page in self.config.external_site_map:
            facts = stored(Path(self.env.srcdir) / f"{page}.ipynb") if page.startswith(f"{FOLDER}/") else {}
            if facts:
                link = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{page}", "refdoc": self.env.docname}
                chapter = addnodes.pending_xref("", nodes.inline(), refexplicit=False, **link)
                given = " ".join(f"-p {name} {value}" for name, value in facts["parameters"].items()) or "defaults"
                rows.append((chapter, nodes.Text(f"{facts['seconds']:.0f} s"), nodes.Text(given)))
        return [table(("Chapter", "Time", "Parameters"), (4, 1, 2), rows)]


class BadInputs(SphinxDirective):
    """Tables of bad input and what is answered, a table a section, as the commands answer when the book is built."""

    def run(self) -> list[nodes.Node]:
        from paper import bad_inputs

        self.env.note_dependency(bad_inputs.__file__)
        made: list[nodes.Node] = []
        for section, rows in bad_inputs.answered().items():
            cells = [(nodes.literal("", f"xlgen {bad.typed}"), nodes.Text(said)) for bad, said in rows]
            made += [nodes.rubric("", section), table(("Typed", "Answered"), (2, 3), cells)]
        return made


class House(SphinxDirective):
    """How the project is built, read from its code: its picture, or a table of its rooms, of the walk or the concepts.

    The content is the caption of the picture, which is named ``fig-rooms``.
    """

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir).parent
        rooms = house.rooms(root)
        for room in rooms.values():
            for path in room.files:
                self.env.note_dependency(str(path))
        what = self.arguments[0]
        if what == "picture":
            caption, _ = self.state.inline_text(" ".join(self.content), self.lineno)
            image = nodes.raw("", house.picture(rooms), format="html")
            figure = nodes.figure("", image, nodes.caption("", "", *caption), names=["fig-rooms"])
            self.state.document.note_explicit_target(figure)
            return [figure]
        if what == "rooms":
            return [
                table(
                    ("Room", "What it is for", "Files", "Lines of code"),
                    (2, 6, 1, 1),
                    [
                        _words(room.name, room.about, f"{len(room.files)}", f"{room.lines:,}")
                        for room in reversed(rooms.values())
                    ],
                )
            ]
        if what == "walk":
            rows = [
                (nodes.Text(f"{number}"), *_words(name, module, about))
                for number, (name, module, about) in enumerate(house.walk(), 1)
            ]
            return [table(("", "What is called", "Of", "What it does"), (1, 3, 3, 6), rows)]
        if what == "concepts":
            rows = [(nodes.strong("", name), *_words(place, about)) for name, place, about in house.concepts()]
            return [table(("Concept", "Where", "What it is"), (1, 3, 5), rows)]
        raise self.error(str(UnknownName("view of the house", what, ("picture", "rooms", "walk", "concepts"))))


def _words(name: str, *words: str) -> list[nodes.Node]:
    """Cells of a row: a name of the code, and text."""
    return [nodes.literal("", name), *map(nodes.Text, words)]


class Listing(SphinxDirective):
    """A table of what ``xlgen list`` shows: objectives, tunings, measures, tasks, models or presets."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        what = self.arguments[0]
        if what not in LISTS:
            raise self.error(str(UnknownName("list", what, LISTS)))
        rows = [
            (nodes.literal("", entry.name), nodes.Text(entry.about), nodes.Text(in_words(entry.settings)))
            for entry in LISTS[what](Path())
        ]
        return [table(("Name", "What it is", "Settings and defaults"), (2, 4, 4), rows)]


def table(head: Sequence[str], widths: Sequence[int], rows: Iterable[Sequence[nodes.Node]]) -> nodes.table:
    """A docutils table of inline nodes."""

    def row(cells: Iterable[nodes.Node]) -> nodes.row:
        return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))

    group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in widths), cols=len(widths))
    group += nodes.thead("", row(map(nodes.Text, head)))
    group += nodes.tbody("", *map(row, rows))
    return nodes.table("", group)
