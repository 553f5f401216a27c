"""How much a choice matters: sentences that chapters compute where the papers contradict themselves or each other.

They lie in the chapter's file beside its evidence and are taken out with it by :func:`paper.ledger.clear`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path

from paper.ledger import files
from paper.ledger.claims import CHAPTERS, LedgerError
from paper.published import contradictions
from xlgen.core.errors import UnknownName


@dataclass(frozen=True)
class Choice:
    """What another choice would have changed.

    Attributes:
        chapter: that computed it.
        contradiction: name of a row of :func:`paper.published.contradictions`.
        sentence: with the numbers.
    """

    chapter: str
    contradiction: str
    sentence: str

    def __post_init__(self):
        if self.chapter not in CHAPTERS:
            raise UnknownName("chapter", self.chapter, CHAPTERS)
        names = [conflict.id for conflict in contradictions()]
        if self.contradiction not in names:
            raise UnknownName("contradiction", self.contradiction, names)
        if not self.sentence.strip():
            raise LedgerError(f"nothing is said of {self.contradiction!r}; expected a sentence with numbers.")


def choice(chapter: str, contradiction: str, sentence: str, *, folder: Path) -> Choice:
    """Record how much a choice matters; the last sentence of a chapter on a contradiction counts.

    Raises:
        UnknownName: there is no such chapter or contradiction.
        LedgerError: nothing is said.
    """
    made = Choice(chapter, contradiction, sentence)
    kept = [entry for entry in _read(chapter, folder) if entry.contradiction != contradiction]
    files.write(chapter, "choices", [asdict(entry) for entry in (*kept, made)], folder)
    return made


def choices(folder: Path) -> tuple[Choice, ...]:
    """What every chapter has recorded, in the order of the chapters.

    Raises:
        StoreError: a file cannot be read.
        LedgerError: a file holds something else.
    """
    return tuple(entry for chapter in CHAPTERS for entry in _read(chapter, folder))


def _read(chapter: str, folder: Path) -> list[Choice]:
    entries, names = files.read(chapter, "choices", folder), {field.name for field in fields(Choice)}
    if any(set(entry) != names for entry in entries):
        path = files.path_of(chapter, folder)
        raise LedgerError(f"{path} holds no choices of a chapter; delete it and run the chapter again.")
    return [Choice(**entry) for entry in entries]
