"""A run whose numbers were kept, and whose weights were not: one small JSON file each, committed.

A record is written from a run of the store (:mod:`paper.records`) and never by hand: it ends with a digest of its
contents, which is checked when it is read.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlgen.core.config import RunConfig, digest
from xlgen.core.store import StoreError, decode, encode
from xlgen.measures.base import Value


@dataclass(frozen=True)
class Recorded:
    """What is known of a run without its weights.

    Attributes:
        config: what it was trained with, data fingerprint included.
        summary: entry of the best checkpoint; see :class:`xlgen.training.train.Trained`.
        log: one entry a look at the development set.
        manifest: what it was computed with.
        measured: by name of the result in the store: what was measured (``"config"``), the ``"values"``, and what they
            were computed with (``"manifest"``).
    """

    config: RunConfig
    summary: Mapping[str, Any]
    log: list[dict[str, Any]]
    manifest: Mapping[str, Any]
    measured: Mapping[str, Mapping[str, Any]]

    @property
    def key(self) -> str:
        """The run's name in the store."""
        return self.config.hash

    @property
    def task(self) -> str:
        return self.config.task

    @property
    def max_length(self) -> int:
        return self.config.max_length

    def values(self, name: str, key: str) -> dict[str, Value]:
        """By language, the values of the measure that the store would keep as ``key``.

        Raises:
            StoreError: the record does not have it.
        """
        if key not in self.measured:
            raise StoreError(
                f"the record of run {self.key} has no {name} with these settings on these examples; train it here "
                "(`live`), or add the measure to its protocol and run `make records`."
            )
        return {language: Value(**value) for language, value in self.measured[key]["values"].items()}

    def write(self, folder: Path) -> Path:
        """Write ``folder/<key>.json``, atomically.

        Raises:
            StoreError: a number is not of a commit, so that nobody could compute it again.
        """
        for manifest in (self.manifest, *(one["manifest"] for one in self.measured.values())):
            commit = manifest["commit"] or "no commit"
            if not re.fullmatch("[0-9a-f]{40}", commit):
                raise StoreError(
                    f"run {self.key}: its {manifest['kind']} is of {commit}; expected a commit without changes (+). "
                    "Commit, delete this result, and run again."
                )
        content = encode(
            {
                "config": self.config.to_dict(),
                "summary": self.summary,
                "log": self.log,
                "manifest": self.manifest,
                "measured": self.measured,
            }
        )
        folder.mkdir(parents=True, exist_ok=True)
        temporary, path = folder / f".{self.key}-{uuid.uuid4().hex}", folder / f"{self.key}.json"
        try:
            temporary.write_text(_lines(content | {"digest": digest(content)}), encoding="utf-8")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        return path


def read(path: Path) -> Recorded:
    """Inverse of :meth:`Recorded.write`.

    Raises:
        StoreError: the file cannot be read, or is not what was written.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content, found = json.loads(text), json.loads(text, object_hook=decode)
        said, _ = content.pop("digest"), found.pop("digest")
        known = digest(content)
        recorded = Recorded(RunConfig.from_dict(found.pop("config")), **found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path} cannot be read ({error}); run `make records` again.") from None
    if said != known or path.stem != recorded.key:
        raise StoreError(f"{path} is not as it was written; restore it, or run `make records` again.")
    return recorded


def _lines(content: Mapping[str, Any]) -> str:
    """JSON with a line an entry, and a line a measure: small, and its changes can be read."""

    def compact(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    measured = ",\n".join(f"{compact(key)}:{compact(value)}" for key, value in content["measured"].items())
    rest = ",\n".join(f"{compact(key)}:{compact(value)}" for key, value in content.items() if key != "measured")
    return f'{{{rest},\n"measured":{{\n{measured}\n}}}}\n'
