"""The next checks of a summary of the first paper, put to the miniature and to recorded models of a real encoder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from paper import protocols, records
from paper.chapters.truth import across
from paper.protocols.checks import USUAL
from xlgen.analysis import RESAMPLES, Interval, signed
from xlgen.measures import Value

if TYPE_CHECKING:
    import pandas as pd

    from paper.records import Obtained

PHI = "sharpness_difference"
NAMES = ("other tasks", "noise scale", "seeds and durations")

Key = tuple[str, float, int]
"""Task without its ``mini-``, duration as a multiple of the usual epochs, seed."""


@dataclass(frozen=True)
class Checked:
    """Models of the protocol ``checks``, measured.

    Attributes:
        tables: by measure, and of the sharpness by difference by measure and noise scale, a row a model (its
            :data:`Key`) and a column a target language.
        epochs: by key.
    """

    tables: Mapping[Any, pd.DataFrame]
    epochs: Mapping[Key, int]

    @classmethod
    def of(cls, found: Obtained, source: str) -> Checked:
        """Those of a chapter.

        Args:
            found: of the protocol.
            source: language of the training data, which is no target.
        """
        cells = (
            (_key(key), name, config.split, config.settings, language, value)
            for key, parts in found.measured.items()
            for config, part in zip(found.measures[key], parts, strict=True)
            for name, values in part.items()
            for language, value in values.items()
        )
        return cls(_tables(cells, source), {_key(key): run.config.epochs for key, run in found.runs.items()})

    @classmethod
    def recorded(cls, encoder: str, source: str = "en", seeds: Sequence[int] = (0,)) -> Checked:
        """Those of a real encoder that are recorded; it needs neither data nor encoder.

        Args:
            encoder: name of the model.
            source: language of the training data.
            seeds: of the protocol.
        """
        return cls.of(records.committed(protocols.checks("real", model=encoder, seeds=seeds)), source)

    def noises(self, resamples: int = RESAMPLES) -> dict[float, Interval]:
        """By noise scale, the correlation of the sharpness by difference with accuracy over the languages of XNLI."""
        scales = sorted(name[1] for name in self.tables if isinstance(name, tuple))
        return {scale: self._relation((PHI, scale), "accuracy", "xnli", 1, (), resamples) for scale in scales}

    def answers(self, poor: Sequence[str], resamples: int = RESAMPLES) -> dict[tuple[str, str], str]:
        """By check and what is varied in it, the answer in words; what was not run is not there.

        Args:
            poor: the target languages with the least text in pretraining.
            resamples: bootstrap samples of every interval.
        """
        answers = {}
        for task in dict.fromkeys(task for task, _, _ in self.epochs if task != "xnli"):
            cells = [self._relation(name, "f1", task, 1, (), resamples) for name in ("dev_margin", (PHI, USUAL))]
            if any(one.n for one in cells):
                margin, sharpness = (_shown(one) for one in cells)
                answers[NAMES[0], task] = f"r with F1: margin {margin}, sharpness {sharpness} ({self._models(task, 1)})"
        for scale, relation in self.noises(resamples).items():
            if relation.n:
                answers[NAMES[1], f"σ = {scale:g}"] = f"r of φ with accuracy {_shown(relation)}"
        for duration in sorted({duration for task, duration, _ in self.epochs if task == "xnli"}):
            of_all, of_poor = (
                self._relation("dev_margin", (PHI, USUAL), "xnli", duration, some, resamples) for some in ((), poor)
            )
            if of_all.n:
                epochs = next(n for key, n in self.epochs.items() if key[:2] == ("xnli", duration))
                words = f"r of margin and φ {_shown(of_all)}{self._each(duration)}; low-resource half {_shown(of_poor)}"
                about = f"{epochs} epoch{'s' * (epochs != 1)}, {self._models('xnli', duration)}"
                answers[NAMES[2], f"{duration:g} × the epochs"] = f"{words} ({about})"
        return answers

    def _rows(self, name: Any, task: str, duration: float) -> pd.DataFrame:
        """A measure of the models of one task and duration."""
        import pandas as pd

        table = self.tables.get(name, pd.DataFrame())
        return table.loc[[key for key in table.index if key[:2] == (task, duration)]].dropna(axis=1, how="all")

    def _relation(
        self, x: Any, y: Any, task: str, duration: float, languages: Sequence[str], resamples: int
    ) -> Interval:
        return across(self._rows(x, task, duration), self._rows(y, task, duration), languages, resamples)

    def _models(self, task: str, duration: float) -> str:
        n = sum(key[:2] == (task, duration) for key in self.epochs)
        return f"{n} model{'s' * (n != 1)}"

    def _each(self, duration: float) -> str:
        """The range of the correlation over seeds, where there are several."""
        x, y = (self._rows(name, "xnli", duration) for name in ("dev_margin", (PHI, USUAL)))
        codes = [code for code in x.columns if code in y.columns]
        each = [np.corrcoef(x.loc[[key], codes], y.loc[[key], codes])[0, 1] for key in x.index if key in y.index]
        return f"; seed by seed {signed(min(each), 2)} to {signed(max(each), 2)}" if len(each) > 1 else ""


def _key(key: tuple[str, float, int]) -> Key:
    return (key[0].removeprefix("mini-"), *key[1:])


def _shown(relation: Interval) -> str:
    return f"{relation:.2f}" if relation.n else "not run"


def _tables(cells: Iterable[tuple[Key, str, str, Mapping, str, Value]], source: str) -> dict[Any, pd.DataFrame]:
    """By measure, a table; of two numbers of one cell that of more examples counts, and a bound is no number."""
    import pandas as pd

    found: dict[Any, dict[Key, dict[str, Value]]] = {}
    for key, name, split, settings, language, value in cells:
        if language == source or value.status != "ok":
            continue
        measure: Any = name if split == "test" else f"{split}_{name}"
        if name == PHI:
            measure = (PHI, settings[PHI]["noise_scale"])
        row = found.setdefault(measure, {}).setdefault(key, {})
        if language not in row or row[language].n < value.n:
            row[language] = value

    def table(rows: Mapping[Key, Mapping[str, Value]]) -> pd.DataFrame:
        numbers = {key: {language: value.value for language, value in row.items()} for key, row in rows.items()}
        frame = pd.DataFrame.from_dict(numbers, orient="index")
        frame.index = pd.Index(list(numbers), tupleize_cols=False)
        return frame

    return {measure: table(rows) for measure, rows in found.items()}
