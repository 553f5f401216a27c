"""Where the papers contradict themselves or each other, and what is done here."""

from __future__ import annotations

from dataclasses import dataclass

from paper.published.printed import content


@dataclass(frozen=True)
class Contradiction:
    """A row of ``contradictions.csv``.

    Attributes:
        id: its name.
        papers: keys in the bibliography; one paper contradicts itself.
        places: sections, tables and figures.
        sentence: what does not go together.
        choice: what this project does.
        chapters: that show how much it matters, by file name.
        claims: of the ledger that bear on it.
    """

    id: str
    papers: tuple[str, ...]
    places: str
    sentence: str
    choice: str
    chapters: tuple[str, ...]
    claims: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.sentence} Here: {self.choice}"

    @property
    def within(self) -> bool:
        """One paper contradicts itself."""
        return len(self.papers) == 1


def contradictions() -> tuple[Contradiction, ...]:
    """Every row of ``contradictions.csv``."""
    _, (_, *body) = content("contradictions.csv")
    return tuple(
        Contradiction(name, tuple(papers.split()), *words, tuple(chapters.split()), tuple(claims.split()))
        for name, papers, *words, chapters, claims in body
    )
