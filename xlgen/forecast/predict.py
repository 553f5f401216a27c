"""How well a fine-tuned model does in languages without labels, with an interval, and what that rests on."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field
from torch import Tensor

from xlgen.core.coerce import AtLeast0, AtLeast1, Setting
from xlgen.core.config import RunOptions
from xlgen.core.device import threads
from xlgen.core.errors import ConfigError, DataError, UnknownName
from xlgen.data.languages import LANGUAGES, iso3
from xlgen.data.own_task import OwnTask
from xlgen.data.task import Task, check_split
from xlgen.data.task_file import task_of
from xlgen.forecast import frame as frames
from xlgen.forecast.basis import basis_of
from xlgen.forecast.chance import spread, widened
from xlgen.forecast.jackknife import LEVEL
from xlgen.forecast.labels import labels_worth
from xlgen.forecast.one_pass import tallies_of
from xlgen.forecast.others import of_others
from xlgen.forecast.scores import ESTIMATORS, Tally
from xlgen.measures.asked import Checkpoint
from xlgen.training.runs import Run

log = logging.getLogger(__name__)

PRECISIONS = ("float32", "bf16")
"""Of the forward passes. bfloat16 has eight bits for a number's digits."""

SIZE, BATCH = Setting("size", AtLeast0), Setting("batch_size", AtLeast1, 64)
LEVELS = Setting("level", Annotated[float, Field(gt=0, lt=1)], LEVEL)


@dataclass(frozen=True)
class Forecast:
    """Forecasts of a model, one row a language.

    Attributes:
        table: ``language``, its ``name``, the ``forecast``, the ends of its interval ``low`` and ``high`` (``nan``
            where there is none), the ``metric`` that is forecast, whether the language lies ``outside`` what the
            forecast rests on and ``because`` of what, the value ``measured`` with labels where they could be used and
            its ``stderr``, ``rows``, how many ``labels`` have the same mean error (``nan`` for F1, which is no share of
            them), and each estimator.
        model: what is forecast.
        task: name of the task.
        metric: that the task is scored by.
        unit: what has a label, in words.
        basis: what the forecasts rest on, in words.
        interval: what the intervals rest on, in words, or why there are none.
        level: of the intervals.
        error: mean absolute error of such forecasts of what was left out, the mean over the table's languages; ``nan``
            if it could not be measured.
        source: the task's metric on the labelled examples of the source language that the forecast is calibrated on.
        source_stderr: its standard error.
        source_rows: how many they are.
        fitted: model, language, features and truth of the rows that the forecast was fitted on.
        features: the estimators that it was made from.
        columns: by file, the columns that were guessed or named.
    """

    table: pd.DataFrame
    model: str
    task: str
    metric: str
    unit: str
    basis: str
    interval: str
    level: float
    error: float
    source: float
    source_stderr: float
    source_rows: int
    fitted: pd.DataFrame
    features: tuple[str, ...]
    columns: Mapping[str, Mapping[str, str]]


def predict(
    model: str | Path | Run,
    task: str | Task = "",
    languages: Sequence[str] = (),
    *,
    data: Path | str | None = None,
    columns: Mapping[str, str] | None = None,
    labelled: Sequence[str] | None = None,
    records: pd.DataFrame | Path | str | None = None,
    split: str = "test",
    size: int = 0,
    batch_size: int = 64,
    max_length: int = 128,
    level: float = LEVEL,
    precision: str = "float32",
    pretrained: str = "",
    options: RunOptions | None = None,
) -> Forecast:
    """Forecast a fine-tuned model's accuracy (F1, where the task is scored by it) in languages without labels.

    One forward pass over the text gives the mean confidence, the same less what the model is too sure by in the source
    language (:mod:`xlgen.measures.doc`), less what it costs to have as many of each class as there
    (:mod:`xlgen.measures.transport`), and the share of units above a threshold that is found there
    (:mod:`xlgen.measures.atc`). What forecasts from them depends on the labels there are, from strong to weak:

    - records of other models of the task: a regression on those, in a language that they have from how the model
      differs from theirs there, and everywhere from what it is better by in its own labelled languages
      (:mod:`xlgen.forecast.within`). From 9 models on (at the 90 % level), intervals by CV+, a model left out at a
      time but for its labels in the languages that are labelled here, and its language with it where the language is in
      the records of none; with 9 or more labelled target languages, by jackknife+ over these. Models of which it is
      known that they are of another encoder are left out;
    - labelled target languages, 9 or more: a ridge regression on them; intervals by jackknife+;
    - labelled target languages, 3 to 8: a regression on them, without intervals;
    - records of other tasks alone: an estimator calibrated on the source language; from 9 tasks on, intervals from its
      errors there;
    - nothing but the source language: that estimator, without intervals. It forecasts the accuracy of single words also
      where a task is scored by F1.

    A language lies outside what the forecast rests on where an estimator is below the least or above the greatest value
    among the rows that were fitted; with the source alone, every other language does.

    Errors and intervals are about sentences like those at hand: what the chance of these adds, and of those that the
    records were counted on, is in them (:mod:`xlgen.forecast.chance`). Sentences of another kind are another task.

    Args:
        model: a folder or hub id of a fine-tuned classifier, or a run of the store.
        task: name in the catalogue or path of a task file (:mod:`xlgen.data.task_file`); a run's own unless given. Or a
            task, with the data that it has: ``data`` and ``columns`` are those of a name.
        languages: any codes that the data have; all of them unless given.
        data: a user's file or folder, in place of the task's own data (:mod:`xlgen.data.own`).
        columns: of the user's files, where they are not to be guessed.
        labelled: languages whose labels may be used; unless given those that are labelled in the user's files, and none
            of the task's own data.
        records: other models' measured numbers: a table, a CSV or Parquet file, or a folder of records
            (:mod:`xlgen.forecast.frame`).
        split: of the task's own data.
        size: rows of each language of the task's own data; 0 is all.
        batch_size: rows of a forward pass.
        max_length: sub-words of a pair or sentence; a run's own is used.
        level: of the intervals.
        precision: of the forward passes: ``"float32"``, or ``"bf16"``, mixed, which moves the answers that were close
            (:data:`PRECISIONS`).
        pretrained: the encoder that the fine-tuning of a folder or hub id started from; a run's own is known. Records
            of others are left out; without it those that the model cannot be of, by the sizes in its config.json.
        options: device, threads, data folder, progress.

    Raises:
        UnknownName: a task, language, column, split or precision that there is not.
        DataError: a file is not what is expected.
        ConfigError: labels are needed in a language that has none.
        ModelError: the model cannot be loaded, or has other classes than the task.
    """
    options = options or RunOptions()
    size, batch_size, level = SIZE.read(size), BATCH.read(batch_size), LEVELS.read(level)
    check_split(split)
    if precision not in PRECISIONS:
        raise UnknownName("precision", precision, PRECISIONS)
    found = task
    if isinstance(task, str):
        found = task_of(task or getattr(model, "task", ""), None if data is None else Path(data), columns, languages)
    source = model if isinstance(model, Run) else Checkpoint(str(model), found.name, pretrained, max_length)
    known, left_out = (None, []) if records is None else of_others(records, source, found.name)
    wanted, labelled = _languages(found, languages, labelled)
    if known is not None:
        _say_unlike(wanted, {*known.loc[known["task"] == found.name, "language"]})
    with threads(options.threads):
        tallies, parts, at_home, labels = tallies_of(
            found, source, wanted, labelled, split, size, batch_size, precision, options
        )
    if not tallies:
        raise DataError(
            f"there is no text to forecast from but in {found.source_language!r}; expected another language."
        )
    own, *folds = (_table(found, source, some, labels, labelled) for some in (tallies, *parts))
    # labels of a part count for as much as those of all rows, of which it tells how far they are off
    noise = own.set_index("language")[frames.NOISE]
    folds = [part.assign(**{frames.NOISE: part["language"].map(noise)}) for part in folds]
    forecast = _forecast(found, source, tallies, own, folds, at_home, labelled, known, level)
    if not left_out:
        return forecast
    return replace(
        forecast, basis=f"{forecast.basis}; nothing is learnt from {' and from '.join(left_out)} in the records"
    )


def _languages(
    task: Task, languages: Sequence[str], labelled: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Languages to go through, and those whose labels are used; without the source language."""
    own, source = isinstance(task, OwnTask), task.source_language
    there = task.files.survey if own else task.languages
    if own and source not in there:
        for language in there:
            if iso3(re.split("[-_]", language)[0]) == iso3(source):
                raise DataError(f"{language!r} in {task.files.path} is the source language; call it {source!r} there.")
    for language in languages:
        if language not in there and language != task.source_language:
            raise UnknownName(f"language of {task.name} (text of others is given as --data)", language, there)
    if labelled is None:
        labelled = [language for language, found in there.items() if found.labelled] if own else []
    for language in labelled:
        if language not in there:
            raise UnknownName("labelled language", language, there)
        if own and not there[language].labelled:
            raise ConfigError(
                f"{task.files.path} has no labels in {language!r}; leave it out of the labelled languages."
            )
    labelled = tuple(language for language in dict.fromkeys(labelled) if language != task.source_language)
    wanted = [language for language in languages or there if language != task.source_language]
    return tuple(dict.fromkeys([*wanted, *labelled])), labelled


def _say_unlike(languages: Sequence[str], known: Collection[str]) -> None:
    """Warn of languages that the records have by another code: they would count as new."""
    bases = {iso3(re.split("[-_]", language)[0]): language for language in known}
    for language in languages:
        if language not in known and (theirs := bases.get(iso3(re.split("[-_]", language)[0]))):
            log.warning("the records have %r, and not %r, which is new to them; call it so if it is", theirs, language)


def _table(
    task: Task, source: Run | Checkpoint, tallies: Mapping[str, Tally], labels: Tensor, labelled: Sequence[str]
) -> pd.DataFrame:
    """A row a language with any rows: its estimators, and the truth where labels may be used."""
    rows = []
    for language, tally in tallies.items():
        if tally.units:
            row = {"task": task.name, "model": source.key, "language": language, **tally.estimates(labels)}
            known = language in labelled
            truth = {
                frames.TRUTH: tally.truth(task.metric) if known else math.nan,
                frames.NOISE: tally.truth_error(task.metric) if known else math.nan,
            }
            rows.append(row | truth)
    return pd.DataFrame(rows, columns=["task", "model", "language", *ESTIMATORS, frames.TRUTH, frames.NOISE])


def _forecast(
    task: Task,
    source: Run | Checkpoint,
    tallies: Mapping[str, Tally],
    own: pd.DataFrame,
    folds: Sequence[pd.DataFrame],
    at_home: Tally,
    labelled: Sequence[str],
    records: pd.DataFrame | None,
    level: float,
) -> Forecast:
    basis = basis_of(task, own, records, labelled, level)
    found = basis.forecasts(own, level)
    of_parts = [pd.Series(basis.beside(part).values(part), part["language"]) for part in folds]
    of_rows = spread([values.reindex(own["language"]).to_numpy() for values in of_parts])
    of_records, p = basis.chance(own), found["forecast"]
    # a language of a row or two has no parts: no estimator is less sure of than the count of what is right, with two
    # rows of either kind added: one row that is right does not make all right
    n = np.array([tally.rows for tally in tallies.values()]) + 4
    share = ((n - 4) * p + 2) / n
    counted = np.sqrt(share * (1 - share) / n)
    of_rows = np.where(np.isnan(of_rows), counted, of_rows)
    chance = np.sqrt(np.nan_to_num(np.square(of_records)) + np.square(of_rows))
    measured = {
        language: (tally.truth(basis.metric), tally.truth_error(basis.metric))
        if language in labelled
        else (math.nan,) * 2
        for language, tally in tallies.items()
    }
    truths, errors_of_truths = zip(*(measured[language] for language in own["language"]), strict=True)
    low, high = widened(p, found["low"], found["high"], chance, level)
    because = basis.outside(own)
    table = own[["language"]].assign(
        name=[LANGUAGES[code].name if code in LANGUAGES else code for code in own["language"]],
        forecast=p,
        low=low,
        high=high,
        metric=basis.metric,
        outside=[bool(why) for why in because],
        because=because,
        measured=truths,
        stderr=errors_of_truths,
        rows=[tally.rows for tally in tallies.values()],
    )
    errors = np.sqrt(np.square(basis.errors(own, level)) + 2 / math.pi * np.square(chance))
    worth = [
        labels_worth(error, min(max(p, 0), 1)) if 0 < error <= 1 and basis.metric == "accuracy" else math.nan
        for error, p in zip(errors, table["forecast"], strict=True)
    ]
    interval = basis.interval
    if table["low"].notna().any():
        interval += ", and the chance of the examples"
        if np.isnan(of_records).any():
            interval += "; without that of the records' own, which have no column stderr"
    return Forecast(
        table=table.assign(labels=worth, **{name: own[name] for name in ESTIMATORS}),
        model=source.model,
        task=task.name,
        metric=task.metric,
        unit="words" if task.kind == "token" else "examples",
        basis=basis.words,
        interval=interval,
        level=level,
        error=float(np.mean(errors)),
        source=at_home.truth(task.metric),
        source_stderr=at_home.truth_error(task.metric),
        source_rows=at_home.rows,
        fitted=basis.rows[["model", "language", *basis.forecaster.measures, frames.TRUTH]],
        features=basis.forecaster.measures,
        columns=task.files.guesses if isinstance(task, OwnTask) else {},
    )
