"""The README's picture and tables, taken from the book that was built last; ``make readme``."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import nbformat

from paper.notebook import picture, root
from xlgen.core.errors import UnknownName

PICTURE = ("objectives", "fig-objectives-1")
TABLES = (
    ("miniature", "Test accuracy [%], mean"),
    ("objectives", "Test accuracy, seed"),
    ("objectives", "Table 1 of"),
    ("synthesis", "Leave one language out: errors"),
    ("ledger", "Rows of the ledger by verdict and scale"),
)
"""Notebook and beginning of the caption."""

BLOCK = re.compile(r"(<!-- numbers -->\n).*?(<!-- /numbers -->)", re.DOTALL)


def table(executed: Path, caption: str) -> str:
    """A table of an executed notebook as Markdown, by the beginning of its caption.

    Raises:
        UnknownName: the notebook shows no such table.
    """
    captions = []
    for cell in nbformat.read(executed, as_version=4).cells:
        for output in cell.get("outputs", []):
            shown = output.get("data", {}).get("text/html", "")
            title = re.search(r"<caption>(.*?)</caption>", shown)
            if not title:
                continue
            captions.append(title[1])
            if title[1].startswith(caption):
                parsed = ElementTree.fromstring(shown)
                rows = [["".join(cell.itertext()).replace("|", "\\|") for cell in row] for row in parsed.iter("tr")]
                lines = ["| " + " | ".join(row) + " |" for row in rows]
                return "\n".join([f"*{title[1]}:*", "", lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])
    raise UnknownName(f"table of {executed.name}", caption, captions)


def update(folder: Path) -> None:
    """Write the picture and the tables of the book in ``folder`` into its README."""
    executed = {name: folder / "book" / "notebooks" / f"{name}.ipynb" for name, _ in (PICTURE, *TABLES)}
    image = picture(executed[PICTURE[0]], PICTURE[1])
    text = "\n\n".join(table(executed[name], caption) for name, caption in TABLES)
    readme = folder / "README.md"
    new = BLOCK.sub(lambda match: match[1] + text + "\n" + match[2], readme.read_text(encoding="utf-8"))
    (folder / "book" / "_static" / "overview.png").write_bytes(image)
    readme.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    update(root())
