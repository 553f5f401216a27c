"""Slides of a chapter from the same source: its title, goals, equations, figures, exercises and what was learnt.

What goes on a slide is a matter of rule, so that no cell has to say it. In the order of the chapter:

- the title with the first paragraph;
- every box and every exercise, without solutions; the answer of a concept check on a slide after the question; not the
  commands of "Your turn";
- every numbered equation under the heading of its section, with the sentence that leads to it;
- every figure with one sentence: the first one below it that names it, else the first of the paragraph that follows it.

A deck is one HTML page that needs nothing but the book's own files. The arrow keys, the space bar and Page Up and Down
go from slide to slide; printed, each slide is a page.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from paper import handout
from paper.templates import fill

if TYPE_CHECKING:
    from nbformat import NotebookNode

FOLDER = "slides"
LEFT_OUT = ("Your turn",)
LONG = 600
"""Characters; more are set smaller."""
SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z*{$])")


@dataclass(frozen=True)
class Slide:
    """One slide.

    Attributes:
        title: plain Markdown.
        text: plain Markdown.
        figure: a PNG, or ``None``.
        alt: what the figure shows, in words.
    """

    title: str
    text: str
    figure: bytes | None = None
    alt: str = ""


def slides(name: str, executed: NotebookNode, book: handout.Book) -> list[Slide]:
    """The slides of an executed chapter.

    Args:
        name: of the chapter.
        executed: the chapter with its outputs.
        book: what it may refer to.
    """
    texts = handout.numbers_in(executed)

    def said(prose: str) -> str:
        return handout.roles(prose, texts, book).strip()

    title, section, hidden = book.titles[name], "", False
    made = [front := Slide(title, "")]
    cells = executed.cells
    for place, cell in enumerate(cells):
        if cell.cell_type == "code":
            figure = cell.metadata.get("mystnb", {}).get("figure", {})
            drawn = [o["data"]["image/png"] for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
            if figure and drawn and not hidden:
                caption = f"{book.numbers[figure['name']]}. {said(sentences(figure['caption'])[0])}"
                text = "\n\n".join(filter(None, (said(finding(cells[place + 1 :], figure["name"])), f"*{caption}*")))
                alt = cell.metadata["mystnb"].get("image", {}).get("alt", caption)
                made.append(Slide(said(section) or title, text, base64.b64decode(drawn[-1]), alt))
            continue
        lead = ""
        for kind, head, text in blocks(cell.source):
            if kind in ("solution-start", "solution-end"):
                hidden = kind == "solution-start"
            elif hidden or kind == "solution" or head in LEFT_OUT:
                continue
            elif kind == "exercise":
                label = re.search(r"^:label: (.+)$", text, re.MULTILINE)[1]
                made.append(Slide(f"{book.numbers[label]}. {said(head)}", said(without_options(text))))
            elif head.startswith(handout.CHECK):
                made.append(Slide("Concept check", said(head.removeprefix(handout.CHECK))))
                made.append(Slide("Concept check", said(without_options(text))))
            elif kind:
                made.append(Slide(said(head) or kind.capitalize(), said(without_options(text))))
            elif heading := re.match(r"(#+) (.+)$", text):
                section = heading[2] if heading[1] != "#" else ""
            elif handout.EQUATION.search(text):
                made.append(Slide(said(section) or title, said(f"{sentences(lead)[-1]}\n\n{text}")))
            elif made == [front]:
                made = [Slide(title, said(text))]
            lead = text if not kind else ""
    return made


def blocks(prose: str) -> Iterator[tuple[str, str, str]]:
    """The paragraphs, headings and boxes of a cell: kind (empty, or that of a box), title and text."""
    lines, kept = iter(prose.splitlines()), []
    for line in lines:
        if start := handout.FENCE.match(line):
            yield from paragraphs(kept)
            ticks, kind, head = start.groups()
            kept = []
            inside = []
            for inner in lines:
                if inner == ticks:
                    break
                inside.append(inner)
            yield kind, head, "\n".join(inside)
        else:
            kept.append(line)
    yield from paragraphs(kept)


def paragraphs(lines: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Paragraphs as :func:`blocks` gives them; code is none."""
    text = re.sub(r"^(`{3,}).*?^\1$", "", "\n".join(lines), flags=re.MULTILINE | re.DOTALL)
    for paragraph in re.split(r"\n\s*\n", text):
        if paragraph.strip():
            yield "", "", paragraph.strip()


def without_options(text: str) -> str:
    """The text of a box without its options."""
    return "\n".join(line for line in text.splitlines() if not handout.OPTION.match(line))


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph; an empty one has one empty sentence."""
    return SENTENCE.split(" ".join(text.split()))


def finding(after: Sequence[NotebookNode], figure: str) -> str:
    """One sentence on a figure, from the cells below it and above the next heading or figure; or none."""
    first = ""
    for place, cell in enumerate(after):
        if cell.cell_type == "code":
            if "figure" in cell.metadata.get("mystnb", {}):
                break
            continue
        for kind, _, text in blocks(cell.source):
            if kind or text.startswith("#"):
                return first
            if named := [sentence for sentence in sentences(text) if f"`{figure}`" in sentence]:
                return named[0]
            first = first or (sentences(text)[0] if place == 0 else "")
    return first


def markdown() -> MarkdownIt:
    """A reader of plain Markdown with formulas, which MathJax shows; HTML in it stays text."""
    made = MarkdownIt("commonmark", {"html": False})
    return made.use(dollarmath_plugin, renderer=lambda formula, options: formula, allow_labels=False)


def deck(name: str, shown: Sequence[Slide], images: Sequence[str], mathjax: Mapping[str, Any]) -> str:
    """The page of a chapter's slides.

    Args:
        name: of the chapter.
        shown: the slides.
        images: the address of the figure of each slide, as seen from the page; empty without one.
        mathjax: its configuration.
    """
    reader = markdown()
    reader.add_render_rule("math_inline", _formula(r"\({}\)", "span"))
    reader.add_render_rule("math_block", _formula(r"\[{}\]", "div"))
    pages = [
        {
            "title": reader.renderInline(slide.title),
            "text": reader.render(slide.text),
            "long": len(slide.text) > LONG,
            "image": image,
            "alt": slide.alt,
        }
        for slide, image in zip(shown, images, strict=True)
    ]
    return fill("slides.html", name=name, title=shown[0].title, slides=pages, mathjax=dict(mathjax))


def _formula(brackets: str, tag: str) -> Callable[..., str]:
    def rule(self, tokens, index, options, env) -> str:
        return f'<{tag} class="math">{escape(brackets.format(tokens[index].content.strip()))}</{tag}>'

    return rule


def write(chapters: Mapping[str, NotebookNode], book: handout.Book, mathjax: Mapping[str, Any], out: Path) -> None:
    """Write a deck for each chapter into the built site.

    Args:
        chapters: executed, by name.
        book: what they may refer to.
        mathjax: its configuration.
        out: folder of the site; the pages have drawn the same figures there, under the same names.
    """
    for folder in (FOLDER, "_images"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for name, executed in chapters.items():
        shown, images = slides(name, executed, book), []
        for slide in shown:
            image = ""
            if slide.figure is not None:
                image = f"_images/{hashlib.sha256(slide.figure).hexdigest()}.png"
                if not (out / image).is_file():
                    (out / image).write_bytes(slide.figure)
            images.append(image and f"../{image}")
        (out / FOLDER / f"{name}.html").write_text(deck(name, shown, images, mathjax), encoding="utf-8")
