"""Two measures of recorded models of a setup, over the target languages."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from paper.chapters.noise import noise_of, with_errors_apart
from paper.chapters.rows import with_both_errors
from paper.records import Obtained
from xlgen.analysis import RESAMPLES, Clustered, clustered
from xlgen.analysis.reliability import Disattenuated
from xlgen.data.catalogue import TASKS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Setup:
    """Two measures of the models of a setup, which differ in their seed, in the target languages.

    Attributes:
        x: (seeds, languages) of the one, ``nan`` where it is a bound or missing.
        y: (seeds, languages) of the other.
        x_stderr: (languages,) of its mean over the seeds: that of one of them, which have the same examples.
        y_stderr: (languages,).
        x_apart: (languages,) of ``x_stderr``, what sets a language apart from the others
            (:func:`paper.chapters.noise.with_errors_apart`).
        y_apart: (languages,).
    """

    x: pd.DataFrame
    y: pd.DataFrame
    x_stderr: pd.Series
    y_stderr: pd.Series
    x_apart: pd.Series
    y_apart: pd.Series

    def points(self) -> tuple[NDArray, NDArray]:
        """The mean over the seeds, by language."""
        return self.x.mean().to_numpy(), self.y.mean().to_numpy()

    def correlation(self, resamples: int = RESAMPLES) -> Clustered:
        """Pearson's r over the languages, mean over the seeds; the interval is a bootstrap over languages."""
        return clustered(self.x, self.y, resamples=resamples)

    def noise(self, resamples: int = RESAMPLES) -> Disattenuated | None:
        """Reliability, and r corrected for error, of the means over the seeds; ``None`` where no error is known."""
        x, y = self.points()
        columns = np.array([x, self.x_apart, y, self.y_apart], dtype=float)
        columns = columns[:, np.isfinite(columns).all(axis=0)]
        return noise_of(*columns, resamples) if columns[1].any() else None


def rows_of(found: Obtained, keys: Iterable[Hashable] | None = None) -> pd.DataFrame:
    """What was measured of recorded models, as :func:`paper.records.recorded` has it; empty where there is none.

    Args:
        found: of :func:`paper.records.committed`.
        keys: of the models; all of them unless given.
    """
    import pandas as pd

    chosen = list(found.runs if keys is None else keys)
    if not chosen:
        return pd.DataFrame()
    frame = found.frame[found.frame.key.isin(chosen) & ~found.frame.measure.str.endswith("_correct")]
    about = {key: (run.key, run.manifest["created"], run.manifest["train_pairs"]) for key, run in found.runs.items()}
    for place, column in enumerate(("key", "created", "train_size")):
        values = [about[key][place] for key in found.frame.key[frame.index]]
        frame = frame.assign(**{column: values})
    return frame


def setups_of(
    found: Obtained, x: str | tuple[str, str], named: Callable[[Any], str], y: str = "accuracy"
) -> dict[str, Setup]:
    """The setups whose models have both measures, by name.

    Args:
        found: of :func:`paper.records.committed`, of one task.
        x: a measure, as rows name it; with the entry of its ``extra`` that counts, if not its value, of which no error
            is known.
        named: what a setup is called, from a key; keys of one name are its seeds.
        y: another measure.
    """
    frame = rows_of(found)
    if frame.empty:
        return {}
    measure, entry = (x, "") if isinstance(x, str) else x
    source = TASKS[next(iter(found.runs.values())).task].source_language
    frame = frame[(frame.language != source) & frame.measure.isin([measure, y])]
    frame = type(frame)(with_both_errors(frame.to_dict("records")), columns=frame.columns)
    if entry:
        numbers = [float(np.mean(extra[entry])) if entry in extra else np.nan for extra in frame.extra]
        other = frame.measure == y
        frame = frame.assign(value=frame.value.where(other, numbers), stderr=frame.stderr.where(other, np.nan))
    usable, apart = frame.status == "ok", with_errors_apart(frame).stderr
    squares = {"square": frame.stderr.astype(float) ** 2, "apart": apart.astype(float) ** 2}
    frame = frame.assign(value=frame.value.where(usable).astype(float), **squares)
    keys: dict[str, list[Hashable]] = {}
    for key, run in found.runs.items():
        keys.setdefault(named(key), []).append(run.key)
    setups = {}
    for name, some in keys.items():
        columns = {"columns": ["measure", "language"], "values": ["value", *squares]}
        wide = frame[frame.key.isin(some)].pivot(index="key", **columns)
        if not {("value", measure), ("value", y)} <= {column[:2] for column in wide.columns}:
            continue
        values = {each: wide["value"][each].dropna(how="all") for each in (measure, y)}
        both = values[measure].index.intersection(values[y].index)
        codes = [code for code in values[y].columns if code in values[measure].columns]
        if len(both):
            tables = (values[each].loc[both, codes] for each in (measure, y))
            errors = (wide[kind][each].loc[both, codes].mean() ** 0.5 for kind in squares for each in (measure, y))
            setups[name] = Setup(*tables, *errors)
    return setups
