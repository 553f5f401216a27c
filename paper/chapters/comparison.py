"""Setups of a task beside vanilla fine-tuning, language by language, ours and a paper's."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from paper import figures, ledger
from paper.chapters.page import table
from paper.published import scores
from paper.records import Obtained
from xlgen.analysis import Interval, paired_change, verdict
from xlgen.core.errors import UnknownName
from xlgen.data.catalogue import TASKS

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import HTML
    from matplotlib.axes import Axes

VANILLA = "vanilla"


@dataclass(frozen=True)
class Comparison:
    """Scores of a task's setups by seed and language, and what a paper prints of them.

    Attributes:
        task: its name; a miniature stands beside the paper's numbers of the task that it imitates.
        ours: by setup, scores [%], a row a seed and a column a language; ``"vanilla"`` is among them.
        paper: key in the bibliography.
        names: how the setups are called on the page, those of the tables, vanilla first.
        means: the paper's mean [%] of the target languages by setup, where another table prints it; else it is that of
            its scores by language.
    """

    task: str
    ours: Mapping[Any, pd.DataFrame]
    paper: str
    names: Mapping[Any, str]
    means: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def printed(self) -> dict[str, dict[str, float]]:
        """The paper's scores by setup and language, see :func:`paper.published.scores`."""
        return scores(self.paper, self.task)

    @property
    def english(self) -> str:
        """The language of the training examples."""
        return TASKS[self.task].source_language

    @property
    def languages(self) -> list[str]:
        """All languages that are scored."""
        return list(self.ours[VANILLA].columns)

    @property
    def targets(self) -> list[str]:
        """Those besides English."""
        return [code for code in self.languages if code != self.english]

    @property
    def shared(self) -> list[str]:
        """The target languages that the paper has too; all of them where it has no table of the task."""
        return [code for code in self.targets if code in self.printed.get(VANILLA, self.targets)]

    def of(self, setup: Any, codes: Sequence[str] = ()) -> NDArray:
        """Scores [%] (seeds, languages), in the shared target languages unless others are given.

        Raises:
            UnknownName: there is no such setup.
        """
        if setup not in self.ours:
            raise UnknownName("setup", setup, list(map(str, self.ours)))
        return self.ours[setup][list(codes or self.shared)].to_numpy()

    def mean(self, setup: Any, codes: Sequence[str] = ()) -> float:
        """Mean score [%] over seeds and languages."""
        return float(self.of(setup, codes).mean())

    def change(self, setup: Any, codes: Sequence[str] = (), old: Any = VANILLA, over: str = "") -> Interval:
        """How much higher a setup scores than another [points], see :func:`xlgen.analysis.paired_change`."""
        return paired_change(self.of(setup, codes), self.of(old, codes), over)

    def changes(self, setup: Any) -> dict[str, Interval]:
        """The change against vanilla in each language."""
        return {code: self.change(setup, [code]) for code in self.languages}

    def matrix(self, setups: Sequence[Any]) -> NDArray:
        """The changes [points] of these setups (rows) in the target languages (columns), mean over seeds."""
        return np.array([[self.change(setup, [code]).value for code in self.targets] for setup in setups])

    def gains(self, setup: Any) -> dict[str, float]:
        """The change that the paper prints, by language; empty where it prints none."""
        row = self.printed.get(setup, {})
        return {code: value - self.printed[VANILLA][code] for code, value in row.items()}

    def printed_mean(self, setup: Any) -> float:
        """The paper's mean [%] of the target languages; ``nan`` where it prints none."""
        row = [value for code, value in self.printed.get(setup, {}).items() if code != self.english]
        return self.means.get(setup, float(np.mean(row)) if row else np.nan)

    def better(self, setup: Any, codes: Sequence[str] = ()) -> list[str]:
        """The languages in which the mean over seeds is above vanilla's; a tie is no win."""
        codes = codes or self.shared
        above = (self.of(setup, codes) - self.of(VANILLA, codes)).mean(axis=0) > 1e-9  # but for rounding
        return [code for code, wins in zip(codes, above, strict=True) if wins]

    def share(self, setup: Any, codes: Sequence[str] = ()) -> dict[str, Any]:
        """In which share of the languages a setup is better than vanilla, see :func:`paper.ledger.share`."""
        return ledger.share(list(map(ledger.wins, self.of(setup, codes), self.of(VANILLA, codes))))

    def table(self, caption: str, marked: Collection[str] = ()) -> HTML:
        """Scores of vanilla and changes by language, ours beside the paper's; a cross marks some languages."""
        setups = [setup for setup in self.names if setup != VANILLA]
        theirs = [setup for setup in setups if setup in self.printed]
        body = []
        for code in self.languages:
            cells = [f"{code} †" if code in marked else code, f"{self.mean(VANILLA, [code]):.2f}"]
            cells += [f"{self.change(setup, [code]):+.2f}" for setup in setups]
            if theirs:
                cells.append(_digits(self.printed[VANILLA].get(code, np.nan)))
            body.append((*cells, *(_signed(self.gains(setup).get(code, np.nan)) for setup in theirs)))
        head = ["", "vanilla", *(f"{self.names[setup]} − vanilla" for setup in setups)]
        head += ["paper: vanilla"] * bool(theirs) + [f"paper: {self.names[setup]} − vanilla" for setup in theirs]
        return table(head, body, caption)

    def draw(self, ax: Axes, setups: Sequence[Any], codes: Sequence[str] = ()) -> Axes:
        """Draw the changes by language, ours with their intervals and the paper's hollow."""
        rows = {}
        for setup in setups:
            look = figures.SETUPS[setup]
            rows[f"{self.names[setup]}, ours"] = (look, self.changes(setup))
            if setup in self.printed:
                rows[f"{self.names[setup]}, paper"] = (look, self.gains(setup))
        return figures.marks_by_language(ax, codes or self.languages, rows)


def score_frame(found: Obtained, keys: Iterable[Hashable], measure: str) -> pd.DataFrame:
    """A measure [%] of models, a row each, by language."""
    import pandas as pd

    parts = [found.measured[key][0][measure] for key in keys]
    return pd.DataFrame([{code: 100 * value.value for code, value in part.items()} for part in parts])


def means_table(comparisons: Iterable[Comparison], caption: str) -> HTML:
    """The mean over the shared target languages for each task and setup, ours beside the paper's, with the verdict."""
    body = []
    for one in comparisons:
        for setup, name in one.names.items():
            theirs = one.printed_mean(setup)
            cells = [f"{one.task}: {name}", *(f"{one.mean(setup, codes):.2f}" for codes in ([one.english], one.shared))]
            if setup == VANILLA:
                body.append((*cells, "", "", "", _digits(theirs), "", "", ""))
                continue
            over_seeds, over_languages = (one.change(setup, over=over) for over in ("seeds", "languages"))
            gain = theirs - one.printed_mean(VANILLA)
            # as in the ledger: the languages of one model move together, so that one seed settles nothing
            outcome = verdict(over_seeds.value, (over_seeds.low, over_seeds.high), gain).outcome if gain == gain else ""
            wins = [sum(change > 0 for code, change in one.gains(setup).items() if code != one.english)]
            wins += [len(one.gains(setup)) - 1]
            cells += [f"{over_seeds:+.2f}", f"{over_languages:+.2f}", f"{len(one.better(setup))} of {len(one.shared)}"]
            cells += [_digits(theirs), _signed(gain), "{} of {}".format(*wins) if gain == gain else "", outcome]
            body.append(cells)
    ours = ("", "English", "mean of targets", "minus vanilla, over seeds", "over languages", "better in")
    return table((*ours, "paper: mean", "minus vanilla", "better in", "verdict"), body, caption)


def _digits(number: float) -> str:
    return "" if np.isnan(number) else f"{number:.2f}"


def _signed(number: float) -> str:
    return "" if np.isnan(number) else f"{number:+z.2f}".replace("-", "−")
