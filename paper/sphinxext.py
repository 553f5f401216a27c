"""Build the book with one command: execute the chapters that are out of date, and make the pages work offline.

Sphinx loads this extension from ``_config.yml``. Before any page is read, each notebook in the table of contents whose
stored output is stale is executed with papermill into ``book/notebooks/``, which is what the pages are made from.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import jupyter_server_mathjax
import yaml
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
from paper import citation, handout, house, notebook, pages, schedule, slides
from paper.cli import LISTS
from paper.live import embed
from xlgen.cli.listing import in_words
from xlgen.core.config import digest
from xlgen.core.errors import UnknownName, XlgenError

log = logging.getLogger(__name__)

FOLDER = "notebooks"
ALONE = "XLGEN_ALONE"
"""Environment variable of a build that executes nothing."""
LIVE = "XLGEN_LIVE"
"""Environment variable: the parameter ``live`` of every chapter that has one, ``all`` in ``make book LIVE=all``."""
MOST = 4
"""Most chapters side by side: each takes about a gigabyte."""
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
    app.add_config_value("xlgen_seconds", {}, "", [dict])
    app.add_directive("execution-times", ExecutionTimes)
    app.add_directive("bad-inputs", BadInputs)
    app.add_directive("house", House)
    app.add_directive("slides", Decks)
    app.add_directive("bibtex", BibTeX)
    app.add_directive("xlgen-list", Listing)
    app.connect("config-inited", refresh_notebooks)
    app.connect("config-inited", use_local_mathjax)
    app.connect("config-inited", launch_with_an_address)
    app.connect("builder-inited", copy_mathjax)
    app.connect("builder-inited", copy_live)
    app.connect("html-page-context", load_live)
    app.connect("autodoc-process-docstring", say_of_a_name, priority=400)  # before napoleon
    app.connect("env-get-outdated", outdated_by_notebooks)
    app.connect("build-finished", pages.finish)
    app.connect("build-finished", hand_out)
    return {"version": xlgen.__version__, "parallel_read_safe": True, "parallel_write_safe": True}


def refresh_notebooks(app: Sphinx, config: Config) -> None:
    """Execute the stale chapters; the build ends with the cell's own error if one fails."""
    book = Path(app.srcdir)
    if os.environ.get(ALONE):
        return
    toc = parse_toc_yaml(book / config.external_toc_path)
    sources = [book.parent / f"{page}.py" for page in toc if page.startswith(f"{FOLDER}/")]
    parameters = live_parameters(sources, config.xlgen_parameters, os.environ.get(LIVE, ""))
    # Chapters run side by side with a thread each, so that no number depends on how many cores there are.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    how = {"workers": min(schedule.cores(), MOST), "expected": config.xlgen_seconds, "first": first_page}
    try:
        refresh(sources, book / FOLDER, parameters, **how)
    except notebook.NotebookError as error:
        raise SystemExit(f"{error.trace}\n\n{error}".lstrip()) from None
    except XlgenError as error:
        raise SystemExit(str(error)) from None  # any other exception would be followed by the build's own traceback


def live_parameters(
    sources: Iterable[Path], parameters: Mapping[str, Mapping[str, Any]], live: str
) -> dict[str, dict[str, Any]]:
    """The chapters' parameters, with ``live`` for those that have such a parameter, unless it is empty."""
    given = {name: dict(values) for name, values in parameters.items()}
    for source in sources if live else ():
        if "live" in notebook.parameters(source):
            given.setdefault(source.stem, {})["live"] = live
    return given


def first_page(target: Path) -> None:
    """Make the page of one executed chapter, before the others are executed: references to them lead nowhere yet."""
    book = target.parents[1]
    folder = book / "_build" / "first"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "toc.yml").write_text(f"format: jb-book\nroot: {FOLDER}/{target.stem}\n", encoding="utf-8")
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(book), "--quiet"]
    command += ["--toc", str(folder / "toc.yml"), "--path-output", str(folder)]
    done = subprocess.run(command, env=os.environ | {ALONE: "1"}, capture_output=True)
    page = folder / "_build" / "html" / FOLDER / f"{target.stem}.html"
    if done.returncode == 0 and page.is_file():
        log.info("the first page is there to read while the others are made: %s", page)


def refresh(
    sources: Iterable[Path],
    folder: Path,
    parameters: Mapping[str, Mapping[str, Any]],
    *,
    workers: int = 1,
    expected: Mapping[str, float] = {},  # noqa: B006 (read only)
    first: Callable[[Path], object] = lambda target: None,
) -> list[str]:
    """Execute the chapters whose output in ``folder`` is stale, side by side.

    A chapter that reads what others write into ``folder`` comes after all of these, and whether it is stale is asked
    then. Evidence for the ledger goes to ``folder/ledger``.

    Args:
        sources: the chapters (``.py``), in the order of the book.
        folder: where the executed notebooks are.
        parameters: by name of the chapter, what replaces its defaults.
        workers: chapters executed side by side.
        expected: by name of the chapter, the seconds that it takes, unless an earlier output says so.
        first: called with the first output.

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
    inside = folder.absolute()
    reading = [name for name, source in chapters.items() if any(inside in (p, *p.parents) for p in reads(source))]
    executed: list[str] = []
    opening: list[threading.Thread] = []

    def show(task: schedule.Task) -> None:
        if not opening and len(tasks) > 2:
            opening.append(threading.Thread(target=first, args=(task.target,), daemon=True))
            opening[0].start()

    for group in ([name for name in chapters if name not in reading], *([name] for name in reading)):
        tasks = []
        for name in group:
            given = dict(parameters.get(name, {}))
            facts = {"fingerprint": fingerprint(chapters[name], given, library), "parameters": given}
            before = stored(target := folder / f"{name}.ipynb")
            if before.get("fingerprint") != facts["fingerprint"]:
                seconds = before.get("seconds", expected.get(name, schedule.Task.expected))
                tasks.append(schedule.Task(chapters[name], target, given, folder / "ledger", facts, seconds))
        if tasks:
            schedule.execute(schedule.longest_first(tasks), min(workers, len(tasks)), log.info, show)
        executed += [task.name for task in tasks]
    for thread in opening:
        thread.join()
    return executed


def reads(source: Path) -> list[Path]:
    """The folders that a chapter reads, by the tags ``reads:folder`` of its cells."""
    tags = {tag for cell in notebook.read(source).cells for tag in cell.metadata.get("tags", [])}
    top = source.absolute().parents[1]
    return [top / tag.removeprefix("reads:") for tag in sorted(tags) if tag.startswith("reads:")]


def refresh_one(name: str) -> Path:
    """Execute one chapter for the book of this checkout if its output is stale; its path there.

    Raises:
        UnknownName: no such chapter.
        NotebookError: as :func:`refresh`.
    """
    source, book = notebook.find(name), notebook.root() / "book"
    settings = yaml.safe_load((book / "_config.yml").read_text(encoding="utf-8"))
    given = settings["sphinx"]["config"].get("xlgen_parameters", {}).get(source.stem, {})
    refresh([source], book / FOLDER, {source.stem: given})
    return book / FOLDER / f"{source.stem}.ipynb"


def fingerprint(source: Path, given: Mapping[str, Any], library: str) -> str:
    """Hash of all that a chapter's output depends on: its cells, its parameters, the library and the packages.

    Each tag ``reads:folder`` of a cell adds the ``.py`` and ``.json`` files in a folder of the checkout, by their names
    and contents.
    """
    read, top = notebook.read(source).cells, source.absolute().parents[1]
    inside = (path for folder in reads(source) for path in sorted(folder.rglob("[!.]*")))
    files = [path for path in inside if path.suffix in (".py", ".json")]
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


def launch_with_an_address(app: Sphinx, config: Config) -> None:
    """Take out the launch buttons of a book without a public address: there is nothing that they could open."""
    options = config.html_theme_options
    if not options.get("repository_url"):
        options["launch_buttons"] = {}


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
    """Offer the chapters for download with their numbers in the prose, in two archives, and as slides."""
    if error or app.builder.format != "html":
        return
    import nbformat

    book = Path(app.srcdir)
    names = [page.removeprefix(f"{FOLDER}/") for page in app.config.external_site_map if page.startswith(f"{FOLDER}/")]
    sources = [book.parent / FOLDER / f"{name}.py" for name in names]
    known = handout.book_of(sources, sorted(book.glob("*.md")), book / "references.bib")
    chapters = {name: nbformat.read(book / FOLDER / f"{name}.ipynb", as_version=4) for name in names}
    handout.write(chapters, known, Path(app.outdir))
    slides.write(chapters, known, app.config.mathjax2_config, Path(app.outdir))


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


def say_of_a_name(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Begin what is said of a constant with an empty comment: napoleon takes words before a colon for its type."""
    if what in ("data", "attribute"):
        lines[:0] = ["..", ""]


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


class Decks(SphinxDirective):
    """A list of the chapters' slides, in the order of the book."""

    def run(self) -> list[nodes.Node]:
        listed = nodes.bullet_list()
        for page in self.config.external_site_map:
            if page.startswith(f"{FOLDER}/"):
                name = page.removeprefix(f"{FOLDER}/")
                prose = [cell.source for cell in notebook.read(Path(self.env.srcdir).parent / f"{page}.py").cells]
                title = handout.title_of(prose[0])
                link = nodes.reference("", title, refuri=f"{slides.FOLDER}/{name}.html", internal=False)
                listed += nodes.list_item("", nodes.paragraph("", "", link))
        return [listed]


class BibTeX(SphinxDirective):
    """The entry of ``CITATION.cff``, to copy."""

    def run(self) -> list[nodes.Node]:
        source = Path(self.env.srcdir).parent / "CITATION.cff"
        self.env.note_dependency(str(source))
        return [nodes.literal_block(text := citation.bibtex(source), text, language="bibtex")]


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
