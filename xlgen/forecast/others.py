"""Which rows of records are of other models, and of the same encoder: what a forecast may learn from."""

from __future__ import annotations

from filecmp import cmp
from pathlib import Path

import numpy as np
import pandas as pd

from xlgen import models
from xlgen.core.files import read_json
from xlgen.forecast import frame as frames
from xlgen.measures.asked import Checkpoint
from xlgen.models.catalogue import could_be, spellings_of
from xlgen.models.configuration import AGAIN
from xlgen.training.runs import Run, run_of


def of_others(
    records: pd.DataFrame | Path | str, source: Run | Checkpoint, task: str
) -> tuple[pd.DataFrame, list[str]]:
    """The table without what it has of the model itself, and of the task from other encoders; and these in words.

    What a language costs one encoder it need not cost another. Of a model whose encoder is not said the config.json
    tells which it cannot be (:func:`xlgen.models.catalogue.could_be`). Models stay whose encoder is not known, or not
    listed.
    """
    rows = (records if isinstance(records, pd.DataFrame) else frames.load(Path(records))).reset_index(drop=True)
    table = frames.tidy(rows)
    called = rows.loc[table.index, [name for name in ("run", "model") if name in rows]].astype(str)
    own = {name for name in np.unique(called.to_numpy()) if is_called(source, name)}
    table, left_out = table[~called.isin(own).any(axis=1)], ["this model itself"] * bool(own)
    column = "encoder" if "encoder" in rows else "model" if "run" in rows else ""  # as records and `measure` have it
    if column not in rows:
        return table, left_out
    ours, theirs = _listed(source.pretrained), rows.loc[table.index, column].map(_listed)
    alike = {ours} if ours else {""}
    if not source.pretrained:
        config = read_json(models.locate(source.model) / "config.json", AGAIN)
        alike |= {one for one in theirs.unique() if could_be(config, one)}
    elif not ours:
        alike |= {*theirs}
    other = (theirs != "") & ~theirs.isin(alike) & (table["task"] == task)
    if n := table.loc[other, "model"].nunique():
        left_out.append(f"{n} model{'s' * (n != 1)} of other encoders")
    return table[~other], left_out


def _listed(encoder: str) -> str:
    """The name of an encoder of the catalogue, however it is spelled; empty for another one."""
    spelled = spellings_of(str(encoder))
    return spelled[-1] if len(spelled) > 1 else ""


def is_called(source: Run | Checkpoint, name: str) -> bool:
    """Whether records that name a run or a model so are of this one: by its key, or its folder or a copy of that.

    The key of a checkpoint alone does not tell: with another ``pretrained`` or ``max_length`` it is another.
    """
    folder, other = Path(source.model).expanduser(), Path(name).expanduser()
    if name in (source.key, source.model):
        return True
    if not folder.is_dir():
        return False
    return name == run_of(folder) or other.is_dir() and (other.samefile(folder) or _is_copy(other, folder))


def _is_copy(other: Path, folder: Path) -> bool:
    """Whether two folders have the same files of weights, which are read up to the first difference."""
    theirs, ours = ({file.name: file for file in where.glob("*.safetensors")} for where in (other, folder))
    return bool(ours) and theirs.keys() == ours.keys() and all(cmp(theirs[n], ours[n], shallow=False) for n in ours)
