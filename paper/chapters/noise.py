"""How much of a correlation over languages is lost to noise: reliability, and the coefficient without it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from paper import records
from paper.chapters.rows import with_both_errors
from xlgen.analysis import MIN_POINTS, disattenuated
from xlgen.analysis.correlation import is_constant
from xlgen.analysis.reliability import Disattenuated, in_common
from xlgen.data.catalogue import TASKS

if TYPE_CHECKING:
    import pandas as pd

NOISE_HEAD = ("reliability", "r corrected for error", "cannot say because")
"""Of the columns that :func:`noise_cells` fills."""


def noise(
    rows: pd.DataFrame | Iterable[Mapping[str, Any]], measure: str, source: str = "en", resamples: int = 1999
) -> Disattenuated | None:
    """A measure's correlation with accuracy over the languages of one setup, with and without noise.

    Of several models the mean values are correlated, with the errors of one: these are of the same examples, so that
    another seed takes little of them away.

    Args:
        rows: as of :func:`paper.records.recorded` or :meth:`paper.records.Obtained.rows`, of models that differ in
            nothing but their seed.
        measure: of each language.
        source: language that is left out.
        resamples: of the bootstrap.

    Returns:
        ``None`` where standard errors are missing or the languages are too few.
    """
    import pandas as pd

    frame = pd.DataFrame(rows)
    frame = frame[(frame.status == "ok") & (frame.language != source) & frame.measure.isin([measure, "accuracy"])]
    frame = with_errors_apart(frame)
    squares = frame.assign(stderr=frame.stderr.astype(float) ** 2)
    means = squares.groupby(["measure", "language"], sort=False)[["value", "stderr"]].mean()
    parts = [means.loc[name] for name in (measure, "accuracy") if name in means.index.levels[0]]
    if len(parts) < 2:
        return None
    x, x_square, y, y_square = pd.concat(parts, axis=1, join="inner").astype(float).dropna().to_numpy().T
    return noise_of(x, np.sqrt(x_square), y, np.sqrt(y_square), resamples) if x_square.any() else None


def with_errors_apart(frame: pd.DataFrame) -> pd.DataFrame:
    r"""Rows whose standard error is what sets a language apart from the others: :math:`s \sqrt{1 - c}`.

    Languages have the share c of their squared errors in common (:func:`xlgen.analysis.reliability.in_common`), by
    measure: of the recorded models of the task, so that all pages say the same of the same models, or, where no blocks
    of examples of theirs are known, of these models; 0 where there are none.

    Args:
        frame: as of :func:`noise`, of target languages only; without columns ``task``, ``key`` and ``extra`` nothing is
            known of blocks.
    """
    frame = _with_both(frame)
    if frame.empty or not {"extra", "task", "key"} <= {*frame.columns}:
        return frame
    shared = shares(frame)
    kept = [math.sqrt(1 - shared[key]) for key in zip(frame.task, frame.measure, strict=True)]
    return frame.assign(stderr=frame.stderr.astype(float) * kept)


def errors_apart(stderr: pd.Series, blocks: pd.Series) -> pd.Series:
    """Of the standard errors (L,) of one measure, what sets a language apart, by its blocks.

    Args:
        stderr: by language.
        blocks: by language, of :func:`xlgen.measures.blocks.blocks`; where one is missing, the errors stay whole.
    """
    return stderr * math.sqrt(1 - _share([(np.array(blocks.tolist()), stderr)] if blocks.notna().all() else ()))


def shares(frame: pd.DataFrame) -> dict[tuple[str, str], float]:
    """By task and measure, the share of the squared error that languages have in common: :func:`with_errors_apart`.

    Where they seem to have less than nothing in common, by chance or because the errors are too small, it is 0.
    """
    frame, found = _with_both(frame), {}
    own = blocks(frame)
    for task, measure in dict.fromkeys(zip(frame.task, frame.measure, strict=True)):
        found[task, measure] = _share(blocks_of_recorded(task).get((task, measure)) or own.get((task, measure), ()))
    return found


def _share(models: Iterable[tuple[ArrayLike, ArrayLike]]) -> float:
    c = in_common(models)
    return 0.0 if math.isnan(c) else max(c, 0.0)


def blocks(frame: pd.DataFrame) -> dict[tuple[str, str], list[tuple[NDArray, NDArray]]]:
    """By task and measure, of each model that has :func:`~xlgen.measures.blocks.blocks`: those (L, K), and errors (L,).

    Args:
        frame: as of :func:`with_errors_apart`.
    """
    known = np.array([isinstance(extra, Mapping) and "blocks" in extra for extra in frame.extra], dtype=bool)
    there = frame[frame.stderr.notna() & known]
    found: dict[tuple[str, str], list[tuple[NDArray, NDArray]]] = {}
    for (task, measure, _), rows in there.groupby(["task", "measure", "key"], sort=False):
        if len(rows) >= 2:
            table = np.array([extra["blocks"] for extra in rows.extra])
            found.setdefault((task, measure), []).append((table, rows.stderr.to_numpy(float)))
    return found


def _with_both(frame: pd.DataFrame) -> pd.DataFrame:
    if "stderr_kind" not in frame:
        return frame
    rows = with_both_errors(frame.to_dict("records"))
    return frame.assign(stderr=[row["stderr"] for row in rows], stderr_kind=[row["stderr_kind"] for row in rows])


@cache
def blocks_of_recorded(task: str) -> dict[tuple[str, str], list[tuple[NDArray, NDArray]]]:
    """:func:`blocks` of the target languages of the task's recorded models."""
    frame = records.recorded(task=task)
    return blocks(_with_both(frame[frame.language != TASKS[task].source_language])) if len(frame) else {}


def noise_of(
    x: ArrayLike, x_stderr: ArrayLike, y: ArrayLike, y_stderr: ArrayLike, resamples: int = 1999
) -> Disattenuated | None:
    """A correlation with and without noise, of columns with their standard errors.

    Returns:
        ``None`` where a standard error is missing, a column does not vary, or the points are too few.
    """
    columns = [np.asarray(column, dtype=float) for column in (x, x_stderr, y, y_stderr)]
    if len(columns[0]) < MIN_POINTS or not all(np.isfinite(column).all() for column in columns):
        return None
    if is_constant(columns[0]) or is_constant(columns[2]):
        return None
    return disattenuated(*columns, resamples=resamples)


def noise_cells(found: Disattenuated | None) -> tuple[str, str, str]:
    """What :data:`NOISE_HEAD` heads; empty where the errors are not known."""
    if found is None:
        return "", "", ""
    corrected = "" if np.isnan(found.corrected.value) else f"{found.corrected:.2f}"
    return reliability_text(found.reliability_x), corrected, found.why_not


def reliability_text(reliability: float) -> str:
    """Two digits; below 0, where the errors are larger than all differences between languages, how far says nothing."""
    return "< 0" if reliability < 0 else f"{reliability:.2f}"
