"""Notebooks to hand out: a chapter with its numbers in the prose, with or without the solutions of its exercises.

A chapter is written for the book: its prose holds names of numbers, references and boxes that only Sphinx understands.
A handout says the same in plain Markdown, which Jupyter, Colab and VS Code show as it is meant.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pybtex.database import parse_file

from paper import notebook

if TYPE_CHECKING:
    from nbformat import NotebookNode

ROLE = re.compile(r"\{(glue:text|cite:[tp]|numref|eq|ref|doc|mod|func|class|meth|data|math)\}`([^`]+)`")
EQUATION = re.compile(r"(\$\$.+?)\$\$ *\((eq-[\w-]+)\)", re.DOTALL)
FENCE = re.compile(r"^(`{3,})\{([\w:-]+)\} ?(.*)$")
OPTION = re.compile(r"^:(\w+): *(.*)$")
CHECK = "Concept check: "
"""What the title of a box begins with that holds the answer of the question in its title."""


@dataclass(frozen=True)
class Book:
    """What the prose of one chapter may refer to in others.

    Attributes:
        titles: of the pages, by name.
        numbers: ``"Fig. 4.3"``, ``"(4.1)"``, ``"Exercise 4.2"`` by label.
        keys: ``("Bassi et al.", "2024")`` by key of the bibliography.
    """

    titles: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def book_of(sources: Sequence[Path], pages: Sequence[Path], bibliography: Path) -> Book:
    """Number the figures, equations and exercises of the chapters as the book does.

    Args:
        sources: the chapters, in the order of their numbers.
        pages: Markdown files beside them.
        bibliography: a BibTeX file.
    """
    titles, numbers = {}, {}
    for chapter, source in enumerate(sources, start=1):
        cells = notebook.read(source).cells
        prose = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        titles[source.stem] = title_of(prose)
        figures = [name for cell in cells if (name := cell.metadata.get("mystnb", {}).get("figure", {}).get("name"))]
        exercises = re.findall(r"\{exercise\}[^\n]*\n:label: ([\w-]+)", prose)
        for form, labels in {
            "Fig. {}.{}": figures,
            "({}.{})": [label for _, label in EQUATION.findall(prose)],
            "Exercise {}.{}": exercises,
        }.items():
            numbers |= {label: form.format(chapter, i) for i, label in enumerate(labels, start=1)}
    for page in pages:
        titles[page.stem] = title_of(page.read_text(encoding="utf-8"))
    return Book(titles, numbers, keys_of(bibliography))


def title_of(prose: str) -> str:
    """The first heading; empty without one."""
    heading = re.search(r"^# (.+)$", prose, re.MULTILINE)
    return heading[1] if heading else ""


def keys_of(bibliography: Path) -> dict[str, tuple[str, str]]:
    """Authors as a text names them, and the year, by key."""
    keys = {}
    for key, entry in parse_file(str(bibliography)).entries.items():
        names = [" ".join(person.last_names) or str(person) for person in entry.persons.get("author", [])]
        names = [name.strip("{}") for name in names] or [entry.fields.get("key", key)]
        authors = names[0] if len(names) == 1 else " and ".join(names) if len(names) == 2 else f"{names[0]} et al."
        keys[key] = authors, entry.fields.get("year", "undated")
    return keys


def numbers_in(executed: NotebookNode) -> dict[str, str]:
    """The texts that an executed chapter has named, by name."""
    texts = {}
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            if name := output.get("metadata", {}).get("scrapbook", {}).get("name"):
                text = "".join(output["data"].get("application/papermill.record/text/plain", ""))
                texts[name] = text[1:-1] if text[:1] in "'\"" else text
    return texts


def handout(executed: NotebookNode, book: Book, *, solutions: bool = True) -> NotebookNode:
    """A chapter in plain Markdown with its numbers, without outputs.

    Args:
        executed: the chapter with its outputs.
        book: what it may refer to.
        solutions: whether those of the exercises, and the answers of concept checks, are kept.
    """
    import nbformat

    texts, cells, hidden = numbers_in(executed), [], False
    for cell in executed.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            continue
        if cell.cell_type == "markdown":
            prose, hidden = plain(cell.source, texts, book, solutions=solutions, hidden=hidden)
            if prose.strip():
                cells.append(nbformat.v4.new_markdown_cell(prose))
        elif not hidden:
            cells.append(nbformat.v4.new_code_cell(cell.source, metadata={"tags": cell.metadata.get("tags", [])}))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    made = nbformat.v4.new_notebook(cells=cells, metadata=nbformat.from_dict(notebook.KERNEL))
    nbformat.validate(made)
    return made


def plain(
    prose: str, texts: Mapping[str, str], book: Book, *, solutions: bool = True, hidden: bool = False
) -> tuple[str, bool]:
    """One cell of MyST as plain Markdown, and whether a solution that is left out goes on after it.

    Args:
        prose: of the cell.
        texts: numbers by name.
        book: what it may refer to.
        solutions: whether they are kept.
        hidden: a solution that is left out began in an earlier cell.
    """
    lines: list[str] = []
    open_fences: list[tuple[str, str]] = []
    for line in prose.splitlines():
        if start := FENCE.match(line):
            ticks, kind, title = start.groups()
            open_fences.append((ticks, kind))
            if not hidden and kind != "solution-end":
                lines += heading_of(kind, title, book)
            if title.startswith(CHECK) and not solutions and not hidden:
                hidden, open_fences[-1] = True, (ticks, "solution")
            if kind in ("solution", "solution-start"):
                hidden = not solutions
                if hidden:
                    del lines[-len(heading_of(kind, title, book)) :]
        elif open_fences and line == open_fences[-1][0]:
            _, kind = open_fences.pop()
            hidden = hidden and kind not in ("solution", "solution-end")
        elif open_fences and (option := OPTION.match(line)):
            label = option[2]
            if option[1] == "label" and label in book.numbers and lines and not hidden:
                lines[-1] = lines[-1].replace("Exercise.", f"{book.numbers[label]}.")
        elif not hidden:
            box = any(kind in ("admonition", "important", "warning", "note") for _, kind in open_fences)
            lines.append(f"> {line}".rstrip() if box else line)
    return roles("\n".join(lines), texts, book).strip("\n"), hidden


def heading_of(kind: str, title: str, book: Book) -> list[str]:
    """What a box begins with in plain Markdown."""
    if kind == "exercise":
        return [f"**Exercise. {title}**"]
    if kind in ("solution", "solution-start"):
        return [f"**Solution of {book.numbers.get(title, 'the exercise')}**", ""]
    return [f"> **{title or kind.removeprefix('prf:').capitalize()}**", ">"]


def roles(prose: str, texts: Mapping[str, str], book: Book) -> str:
    """Numbers, citations and references as text; a label of an equation as its number."""

    def text_of(match: re.Match[str]) -> str:
        role, target = match[1], match[2]
        if role == "glue:text":
            return texts.get(target.split(":")[0], f"({target}: not computed)")
        if role.startswith("cite"):
            known = [book.keys.get(key.strip(), (key.strip(), "")) for key in target.split(",")]
            if role == "cite:t":
                return ", ".join(f"{authors} ({year})" for authors, year in known)
            return f"({'; '.join(f'{authors}, {year}' for authors, year in known)})"
        name = (label[1] if (label := re.search(r"<([^>]+)>$", target)) else target).removeprefix("~")
        shown = target[: target.rindex("<")].strip() if label else ""
        if role == "doc":
            return f"*{shown or book.titles.get(Path(name).name, name)}*"
        if role == "math":
            return f"${target}$"
        if role in ("numref", "eq", "ref"):
            return shown or book.numbers.get(name, name)
        return f"`{name}`"

    prose = EQUATION.sub(lambda m: rf"{m[1].rstrip()} \tag{{{book.numbers.get(m[2], m[2]).strip('()')}}} $$", prose)
    return ROLE.sub(text_of, prose)


def write(chapters: Mapping[str, NotebookNode], book: Book, folder: Path) -> list[Path]:
    """Write each chapter's handout, and two archives of all of them: with solutions and without.

    Args:
        chapters: executed, by name.
        book: what they may refer to.
        folder: of the built site; notebooks go where its pages offer them for download.
    """
    import nbformat

    files = []
    for who, solutions in (("instructor", True), ("student", False)):
        archive = folder / "_static" / f"{who}.zip"
        archive.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, executed in chapters.items():
                made = nbformat.writes(handout(executed, book, solutions=solutions))
                packed.writestr(zipfile.ZipInfo(f"{name}.ipynb"), made, zipfile.ZIP_DEFLATED)
                if solutions:
                    target = folder / "_sources" / "notebooks" / f"{name}.ipynb"
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_text(made, encoding="utf-8")
        files.append(archive)
    return files
