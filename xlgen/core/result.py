"""One stored result: its documents, where they came from, and whether its files are as they were written."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import xlgen
from xlgen.core.files import StoreError, read_json, sha256

MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
"""Digests of a result's files, as ``sha256sum -c`` reads them; results older than this file have none."""


def manifest(kind: str, **facts: Any) -> dict[str, Any]:
    """What a result was computed with: versions, platform, git commit, time, and ``facts`` such as the seed."""
    packages = ("torch", "transformers", "tokenizers", "accelerate", "numpy")
    return {
        "kind": kind,
        "created": datetime.now(UTC).isoformat(timespec="microseconds"),
        "versions": {"python": platform.python_version(), "xlgen": xlgen.__version__}
        | {package: metadata.version(package) for package in packages},
        "platform": platform.platform(),
        "processor": platform.machine(),
        "commit": git_commit(Path(__file__).resolve().parents[2]),
    } | facts


def git_commit(folder: Path) -> str | None:
    """The commit of the source tree ``folder``, ``+`` appended where files differ; ``None`` if it is not one.

    Packed results (``records/*.json``) are no source: who makes them again rewrites them one after the other.
    """
    if not (folder / ".git").exists():  # an installed package may lie inside somebody else's repository
        return None
    git = ["git", "-C", str(folder)]
    changed = [*git, "status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)records/*.json"]
    try:
        commit, differs = (
            subprocess.run(ask, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
            for ask in ([*git, "rev-parse", "HEAD"], changed)
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + "+" * bool(differs)


@dataclass(frozen=True)
class Result:
    """A complete result: JSON documents such as ``"config"`` and ``"manifest"``, and perhaps files beside them.

    Attributes:
        name: in the store.
        place: its folder, or the packed file that it is in.
        packed: its documents by name, if it is in a packed file; it then has nothing else.
    """

    name: str
    place: Path
    packed: Mapping[str, Any] | None = None

    def read(self, document: str) -> Any:
        """One of its documents.

        Raises:
            StoreError: it is damaged; the result has then been set aside.
        """
        return self.documents(document)[0]

    def documents(self, *names: str) -> list[Any]:
        """Some of its documents; as :meth:`read` of each, but faster: thousands of results are listed."""
        if self.packed is not None:
            return [self.packed[name] for name in names]
        sums, values = _sums(self.place), []
        for path in (self.place / f"{name}.json" for name in names):
            try:
                content = path.read_bytes()
            except OSError:
                content = None
            if sums is not None and (content is None or hashlib.sha256(content).hexdigest() != sums.get(path.name)):
                _set_aside(path, self.place)
            values.append(read_json(path, content=content))
        return values

    @property
    def folder(self) -> Path:
        """Its folder, with all its files.

        Raises:
            StoreError: it is packed; or a file is damaged, and the result has been set aside.
        """
        if self.packed is not None:
            raise StoreError(
                f"{self.place} is a record of {self.name}, with its numbers and not its weights. Train it here (in a "
                "chapter: `live`), or add what is to be measured to its protocol and run `make records`."
            )
        check_sums(self.place)
        return self.place


def check_sums(folder: Path) -> None:
    """Compare the files of a result with their digests; one that is damaged is set aside, and is not read again.

    Raises:
        StoreError: a file is missing, or is not as it was written.
    """
    for name, expected in (_sums(folder) or {}).items():
        file = folder / name
        if not file.is_file() or sha256(file) != expected:
            _set_aside(file, folder)


def _sums(folder: Path) -> dict[str, str] | None:
    """The digests of a result's files, by name; ``None`` of one that is older than digests."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    return dict(reversed(line.split("  ", 1)) for line in lines if "  " in line)


def _set_aside(file: Path, folder: Path) -> NoReturn:
    """Rename a result of which this file is damaged, and say so."""
    aside = folder.with_name(f".damaged-{folder.name}-{uuid.uuid4().hex[:8]}")
    try:
        folder.rename(aside)
    except OSError as error:
        raise StoreError(
            f"{file} is not as it was written, and {folder} cannot be set aside ({error.strerror}); delete it."
        ) from None
    raise StoreError(
        f"{file} is not as it was written; its result is set aside in {aside} and not read again. Give the "
        "same command again, and it is made anew."
    )
