"""The table that forecasters learn from: one row a number, from records, the store or a user's file.

Its columns are ``task``, ``model`` (or ``run``, a model's name in the store, which comes first where both are there),
``language``, ``measure`` and ``value``; rows with a ``status`` that is not ``"ok"`` are left out, and so are measures
of a model as a whole. The rows of :func:`xlgen.measures.measuring.frame` and the files of ``xlgen measure --out`` are
such tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xlgen.core.config import RunConfig
from xlgen.core.errors import DataError, UnknownName, what_is_wrong
from xlgen.core.files import encode
from xlgen.core.packed import unpack
from xlgen.data.catalogue import TASKS, Task
from xlgen.measures import ALL, settings_of

COLUMNS = ["task", "model", "language", "measure", "value"]
KEYS = ["task", "model", "language"]
TRUTH, SOURCE, NOISE = "truth", "source", "noise"
"""Columns of :func:`wide`: what is forecast, the same of the model in the source language, and its standard error."""

SHARES = ("accuracy", "f1")
"""Measures whose values are shares of what is right."""


def tidy(rows: pd.DataFrame | Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The rows that can be used, with the columns :data:`COLUMNS`.

    Raises:
        DataError: a column is missing, there are no rows, two are about the same number, or a share is none.
    """
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    if "run" in frame:
        frame = frame.assign(model=frame["run"])
    if missing := [name for name in COLUMNS if name not in frame]:
        raise DataError(
            f"the records have no column {', '.join(missing)}, but {', '.join(map(str, frame)) or 'none'}; expected "
            f"{', '.join(COLUMNS)}, as `xlgen measure --out` writes them."
        )
    if "status" in frame:
        frame = frame[frame["status"] == "ok"]
    columns = [*COLUMNS, "stderr"] if "stderr" in frame else COLUMNS
    frame = frame.loc[frame["language"] != ALL, columns]
    numbers = pd.to_numeric(frame["value"], errors="coerce")
    if (strange := ~np.isfinite(numbers)).any():
        where = frame[strange].iloc[0]
        raise DataError(
            f"{where['measure']} of {where['language']!r} ({where['model']}) is {where['value']!r}; expected a number."
        )
    share = frame["measure"].isin(SHARES)
    if (beyond := share & ~numbers.between(0, 1)).any():
        where = frame[beyond].iloc[0]
        raise DataError(
            f"{where['measure']} of {where['language']!r} ({where['model']}) is {where['value']!r}; expected a share "
            "in [0, 1], such as 0.55 for 55 %."
        )
    if frame.empty:
        raise DataError("the records have no rows with a number for a language; expected some.")
    if (twice := frame.duplicated([*KEYS, "measure"])).any():
        where = frame[twice].iloc[0]
        raise DataError(
            f"{where['measure']} of {where['language']!r} ({where['model']}) is there twice; expected once."
        )
    if "stderr" in frame:
        frame = frame.assign(stderr=pd.to_numeric(frame["stderr"], errors="coerce").abs())
    return frame.assign(value=numbers.astype(float), language=frame["language"].astype(str))


def load(path: Path) -> pd.DataFrame:
    """A table in a CSV or Parquet file, or of a folder of records (:func:`of_records`), with all of its columns.

    Raises:
        DataError: the file cannot be read; or as :func:`of_records`.
        StoreError: a record is damaged.
    """
    if path.is_dir():
        return of_records(path)
    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"records {path}: expected a .csv or .parquet file, as `xlgen measure --out` writes it, or a folder of "
            "records."
        )
    try:
        # "nan", the code of Min Nan, is a language; and a run named 00000123 is no number
        texts = dict.fromkeys(("run", "task", "model", "language", "measure"), str)
        return reader(path, dtype=texts, keep_default_na=False) if reader is pd.read_csv else reader(path)
    except (OSError, ValueError) as error:
        raise DataError(f"records {path} cannot be read ({what_is_wrong(error)}); write them again.") from None


def of_records(folder: Path) -> pd.DataFrame:
    """The table of a folder of records, a file a model (:mod:`xlgen.core.packed`): what was measured on test examples.

    Models that have seen labels of a target language are left out: trained in one, or begun from another run. Where a
    measure was taken more than once, that with the fewest settings besides its defaults counts, and of these that of
    most examples. The column ``encoder`` has the name of what a model was fine-tuned from.

    Raises:
        DataError: there are no records of other models in the folder.
        StoreError: a record is damaged.
    """
    best: dict[tuple[str, ...], tuple[tuple[int, int], dict[str, Any]]] = {}
    encoders = {}
    for path in sorted(folder.glob("*.json")):
        run, *measured = unpack(path, keep=False)
        trained = RunConfig.from_dict(run.read("config"))
        if trained.language or trained.start:
            continue
        encoders[run.name] = trained.model
        for result in measured:
            asked = result.read("config")
            if asked["split"] != "test":
                continue
            (name,) = asked["names"]
            plain = -unusual(name, asked["settings"][name])
            for language, value in result.read("values").items():
                key = (trained.task, run.name, language, name)
                rank = plain, value["n"]
                if key not in best or rank > best[key][0]:
                    row = dict(zip([*KEYS, "measure"], key, strict=True))
                    best[key] = rank, row | {key: value.get(key) for key in ("value", "stderr", "status")}
    if not best:
        raise DataError(f"records {folder}: the folder has no records; expected those that `xlgen record` writes.")
    table = tidy([row for _, row in best.values()])
    return table.assign(encoder=table["model"].map(encoders))


def unusual(measure: str, settings: Mapping[str, Any]) -> int:
    """How many settings of a recorded measure differ from the measure's defaults."""
    usual = encode(settings_of(measure))
    return sum(value != usual.get(name) for name, value in settings.items())


def target(task: str) -> str:
    """The measure that a task is scored by; accuracy if the task is not in the catalogue."""
    return TASKS[task].metric if task in TASKS else "accuracy"


def source_language(task: str) -> str:
    return TASKS[task].source_language if task in TASKS else "en"


def wide(frame: pd.DataFrame, features: Iterable[str] = (), task: Task | None = None) -> pd.DataFrame:
    """A row for each model and target language: its keys, features, :data:`TRUTH`, :data:`SOURCE` and :data:`NOISE`.

    A number that is missing is ``nan``, as is a standard error, but for the truth: languages without are left out. So
    is the source language, in which the model was trained: how it does there says nothing of transfer.

    Args:
        frame: as :func:`tidy` returns it.
        features: measures.
        task: of the user's own, whose score and source language are not in the catalogue.

    Raises:
        UnknownName: no row has one of the features.
        DataError: no language has the truth.
    """
    known = set(frame["measure"])
    for name in features:
        if name not in known:
            raise UnknownName("measure in the records", name, known)
    table = frame.pivot(index=KEYS, columns="measure", values="value").reset_index()
    own = {} if task is None else {task.name: task}
    metrics = {name: own[name].metric if name in own else target(name) for name in frame["task"].unique()}
    sources = {name: own[name].source_language if name in own else source_language(name) for name in metrics}
    truths = frame[frame["measure"] == frame["task"].map(metrics)].set_index(KEYS)
    errors = truths["stderr"] if "stderr" in frame else pd.Series(np.nan, truths.index)
    keys = pd.MultiIndex.from_frame(table[KEYS])
    table = table.assign(**{TRUTH: truths["value"].reindex(keys).to_numpy(), NOISE: errors.reindex(keys).to_numpy()})
    table = table.dropna(subset=TRUTH)
    here = table["language"] == table["task"].map(sources)
    source = table[here].set_index(["task", "model"])[TRUTH]
    table = table[~here].reset_index(drop=True)
    if table.empty:
        raise DataError("the records hold no accuracy (or F1) of a target language; measure it, with its labels.")
    places = pd.MultiIndex.from_frame(table[["task", "model"]])
    return table.assign(**{SOURCE: source.reindex(places).to_numpy()})[[*KEYS, *features, TRUTH, SOURCE, NOISE]]
