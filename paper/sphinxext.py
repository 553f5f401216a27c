"""Build the book with one command: execute the chapters that are out of date, and make the pages work offline.

Sphinx loads this extension from ``_config.yml``. Before any page is read, each notebook in the table of contents whose
stored output is stale is executed with papermill into ``book/notebooks/``, which is what the pages are made from.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
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

import xlgen
from paper import citation, handout, house, notebook, pages, schedule, slides
from paper.cli import LISTS
from paper.live import embed
from paper.published import with_names
from paper.stale import ALONE, FOLDER, first_page, live_parameters, refresh, stored
from xlgen.cli.listing import in_words
from xlgen.core.errors import UnknownName, XlgenError

log = logging.getLogger(__name__)

LIVE = "XLGEN_LIVE"
"""Environment variable: the parameter ``live`` of every chapter that has one, ``all`` in ``make book LIVE=all``."""
MOST = 4
"""Most chapters side by side: each takes about a gigabyte."""

MATHJAX = {
    "config": ["TeX-AMS-MML_HTMLorMML-full.js"],
    "tex2jax": {
        "inlineMath": [["\\(", "\\)"]],
        "displayMath": [["\\[", "\\]"]],
        "ignoreClass": "tex2jax_ignore|mathjax_ignore",
        "processClass": "tex2jax_process|mathjax_process|math|output_area",
    },
    "HTML-CSS": {"availableFonts": [], "imageFont": None, "preferredFont": None, "webFont": "STIX-Web"},
    "MathMenu": {"showRenderer": False, "showLocale": False},
    "messageStyle": "none",
}
"""MathJax 2 (the version that a package on PyPI carries) with its own web font.

Its menu offers no renderer and no language, because :data:`paper.pages.USELESS` takes the others out.
"""


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
    return [nodes.literal("", name), *map(nodes.Text, map(with_names, words))]


class Listing(SphinxDirective):
    """A table of what ``xlgen list`` shows: objectives, tunings, measures, tasks, models or presets."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        what = self.arguments[0]
        if what not in LISTS:
            raise self.error(str(UnknownName("list", what, LISTS)))
        rows = [
            (*_words(entry.name, entry.about), nodes.Text(in_words(entry.settings))) for entry in LISTS[what](Path())
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
