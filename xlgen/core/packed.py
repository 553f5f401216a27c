"""Packed results: the numbers of a run and of everything measured of it, without weights, as one committed file.

``records/<run>.json`` has the documents of a run and of its measures: a folder for each result would be many times as
many files. It ends with a digest of its contents, which is checked when it is read: it is written by
:func:`pack` and never by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from xlgen.core.config import RunConfig, digest
from xlgen.core.files import StoreError, atomic, decode, encode
from xlgen.core.result import Result

RUN = ("config", "summary", "log", "manifest")
MEASURE = ("config", "values", "manifest")
"""The documents of results that are packed."""


def pack(folder: Path, run: Result, measures: Iterable[Result]) -> Path:
    """Write ``folder/<run>.json``, atomically.

    Args:
        folder: of packed results.
        run: whose documents are kept, and whose weights are not.
        measures: of it.

    Raises:
        StoreError: a number is not of a commit, so that nobody could compute it again.
    """
    content = {name: run.read(name) for name in RUN}
    content["config"] = RunConfig.from_dict(content["config"]).to_dict()
    measured = {result.name: {name: result.read(name) for name in MEASURE} for result in measures}
    for made in (content["manifest"], *(result["manifest"] for result in measured.values())):
        commit = made["commit"] or "no commit"
        if not re.fullmatch("[0-9a-f]{40}", commit):
            raise StoreError(
                f"run {run.name}: its {made['kind']} is of {commit}; expected a commit without changes (+). Commit, "
                "delete this result, and run again."
            )
    content = encode(content | {"measured": dict(sorted(measured.items()))})
    path = folder / f"{run.name}.json"
    with atomic(path) as temporary:
        temporary.write_text(_lines(content | {"digest": digest(content)}), encoding="utf-8")
    return path


def unpack(path: Path, *, keep: bool = True) -> tuple[Result, ...]:
    """Inverse of :func:`pack`: the run, and then what was measured of it.

    Args:
        path: of the file.
        keep: it, for whoever asks for it again; not where thousands are read once.

    Raises:
        StoreError: the file cannot be read, or is not what was written.
    """
    try:
        facts = path.stat()
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error}); run `make records` again.") from None
    return (_unpack if keep else _unpack.__wrapped__)(path, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=1024)  # more than there are: who goes through all of them twice would find none of fewer
def _unpack(path: Path, changed: int, size: int) -> tuple[Result, ...]:
    """What is in a file that was last changed then: a run is asked for each of its measures."""
    try:
        text = path.read_text(encoding="utf-8")
        content, decoded = json.loads(text), json.loads(text, object_hook=decode)
        written, _ = content.pop("digest"), decoded.pop("digest")
        computed = digest(content)
        name = RunConfig.from_dict(decoded["config"]).hash
        run = Result(name, path, {part: decoded[part] for part in RUN})
        measures = [
            Result(key, path, {part: documents[part] for part in MEASURE})
            for key, documents in decoded["measured"].items()
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path} cannot be read ({error}); run `make records` again.") from None
    if written != computed or path.stem != name:
        raise StoreError(f"{path} is not as it was written; restore it, or run `make records` again.")
    return run, *measures


def _lines(content: Mapping[str, Any]) -> str:
    """JSON with a line an entry, and a line a measure: small, and its changes can be read."""

    def compact(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    measured = ",\n".join(f"{compact(key)}:{compact(value)}" for key, value in content["measured"].items())
    rest = ",\n".join(f"{compact(key)}:{compact(value)}" for key, value in content.items() if key != "measured")
    return f'{{{rest},\n"measured":{{\n{measured}\n}}}}\n'
