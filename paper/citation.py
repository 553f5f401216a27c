"""How to cite the book: BibTeX made from ``CITATION.cff``."""

from __future__ import annotations

from pathlib import Path

import yaml

KINDS = {"software": "software", "article": "article", "conference-paper": "inproceedings"}


def bibtex(source: Path) -> str:
    """The entry of a ``CITATION.cff``.

    Args:
        source: the file; each of its authors has a name, or a family name and given names.
    """
    cff = yaml.safe_load(source.read_text(encoding="utf-8"))
    fields = {
        "title": f"{{{cff['title']}}}",
        "author": " and ".join(map(_author, cff["authors"])),
        "version": cff["version"],
        "year": str(cff.get("date-released", ""))[:4],
        "doi": cff.get("doi", ""),
        "url": cff.get("url", ""),
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{KINDS[cff['type']]}{{xlgen,", *lines, "}"])


def _author(author: dict[str, str]) -> str:
    """One author; braces keep a name of several words from being cut into first and last."""
    return f"{{{author['name']}}}" if "name" in author else f"{author['family-names']}, {author['given-names']}"
