"""Results as rows (objective, seed, language, measure, value, …) arranged for analysis and figures."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from xlgen.analysis.correlation import RESAMPLES, Correlation, correlate
from xlgen.analysis.intervals import AnalysisError
from xlgen.core.errors import UnknownName

Row = Mapping[str, Any]
"""One measured number: objective, seed, language, measure, value, stderr, n, status."""
Run = tuple[str, int]
"""Objective and seed."""


def pivot(rows: Iterable[Row], measure: str) -> dict[Run, dict[str, Row]]:
    """Arrange the rows of one measure by (objective, seed), then by language, in the order they come in.

    Raises:
        UnknownName: no row has that measure.
        AnalysisError: two rows are about the same number.
    """
    rows = list(rows)
    result: dict[Run, dict[str, Row]] = {}
    for row in rows:
        if row["measure"] != measure:
            continue
        run = (row["objective"], row["seed"])
        if row["language"] in result.setdefault(run, {}):
            raise AnalysisError(f"{measure} of {row['language']!r} ({run[0]}, seed {run[1]}) twice; expected it once.")
        result[run][row["language"]] = row
    if not result:
        raise UnknownName("measure in the results", measure, {row["measure"] for row in rows})
    return result


@dataclass(frozen=True)
class Pairs:
    """Two measures of the same languages; standard errors are ``nan`` where there is none."""

    languages: tuple[str, ...]
    x: tuple[float, ...]
    y: tuple[float, ...]
    xerr: tuple[float, ...]
    yerr: tuple[float, ...]
    status: tuple[str, ...]


def paired(
    rows: Iterable[Row], measure: str, target: str = "accuracy", without: Collection[str] = ()
) -> dict[Run, Pairs]:
    """Pair a measure (x) with a target (y) over the languages, by (objective, seed).

    Args:
        rows: the results.
        measure: x.
        target: y.
        without: languages to leave out, such as the source language.

    Raises:
        UnknownName: no row has one of the two measures, or a language of ``without``.
        AnalysisError: a language has one of the two but not the other.
    """
    rows = list(rows)
    spoken = {row["language"] for row in rows}
    for language in without:
        if language not in spoken:
            raise UnknownName("language to leave out", language, spoken)
    xs, ys = pivot(rows, measure), pivot(rows, target)
    result = {}
    for run in xs | ys:
        x, y = ({k: v for k, v in table.get(run, {}).items() if k not in without} for table in (xs, ys))
        if odd := sorted(x.keys() ^ y.keys()):
            has, lacks = (measure, target) if odd[0] in x else (target, measure)
            raise AnalysisError(f"{odd[0]!r} ({run[0]}, seed {run[1]}) has {has} but no {lacks}; expected both.")
        result[run] = Pairs(
            tuple(y),
            *(tuple(_number(table[k][field]) for k in y) for field in ("value", "stderr") for table in (x, y)),
            tuple(x[k]["status"] if x[k]["status"] != "ok" else y[k]["status"] for k in y),
        )
    return result


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def correlations(
    rows: Iterable[Row],
    measure: str,
    target: str = "accuracy",
    *,
    without: Collection[str] = (),
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[Run, Correlation]:
    """Correlate a measure with a target over the languages, by (objective, seed).

    Args and errors are those of :func:`paired` and :func:`~xlgen.analysis.correlate`.
    """
    return {
        run: correlate(p.x, p.y, status=p.status, seed=seed, resamples=resamples)
        for run, p in paired(rows, measure, target, without).items()
    }
