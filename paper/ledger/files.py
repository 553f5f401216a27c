"""The file of a chapter in the ledger: ``<chapter>.json`` with its evidence and its choices.

A file is replaced atomically, so that whoever reads it finds a whole one; a chapter is written by one process at a
time. :func:`paper.notebook.execute` runs a chapter on a copy of the folder and puts its file in place when the chapter
has succeeded: until then the ledger shows the chapter's last whole evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paper.ledger.claims import CHAPTERS, LedgerError
from xlgen.core.errors import UnknownName
from xlgen.core.files import atomic, read_json, write_json

PARTS = ("evidence", "choices")


def read(chapter: str, part: str, folder: Path) -> list[dict[str, Any]]:
    """One part of a chapter's file; nothing where there is no file.

    Raises:
        StoreError: the file cannot be read.
        LedgerError: it holds something else.
    """
    path = path_of(chapter, folder)
    if not path.exists():
        return []
    entries = read_json(path)
    if not isinstance(entries, dict) or set(entries) != set(PARTS):
        raise LedgerError(f"{path} holds no evidence and choices of a chapter; delete it and run the chapter again.")
    if not all(isinstance(kept, list) and all(isinstance(entry, dict) for entry in kept) for kept in entries.values()):
        raise LedgerError(f"{path} holds no lists of evidence and choices; delete it and run the chapter again.")
    return entries[part]


def write(chapter: str, part: str, entries: Sequence[dict[str, Any]], folder: Path) -> None:
    """Replace one part of a chapter's file, atomically."""
    whole = {name: list(entries) if name == part else read(chapter, name, folder) for name in PARTS}
    with atomic(path_of(chapter, folder)) as temporary:
        write_json(temporary, whole)


def clear(chapter: str, *, folder: Path) -> None:
    """Take out what a chapter has recorded, its choices too, before it runs again.

    Raises:
        UnknownName: there is no such chapter.
    """
    path_of(chapter, folder).unlink(missing_ok=True)


def path_of(chapter: str, folder: Path) -> Path:
    """The file of a chapter.

    Raises:
        UnknownName: there is no such chapter.
    """
    if chapter not in CHAPTERS:
        raise UnknownName("chapter", chapter, CHAPTERS)
    return folder / f"{chapter}.json"
