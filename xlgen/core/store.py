"""Results on disk: ``root/<hash>/`` is written once, atomically, and never changed.

A result is written into a temporary folder beside its destination and renamed when it is complete, so that a folder
named by a hash is always whole: whoever finds it can use it, and whoever is killed leaves nothing behind but a
temporary folder that nobody reads. Tensors are safetensors and everything else is JSON: nothing is pickled.
"""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xlgen
from xlgen.core.errors import XlgenError

if TYPE_CHECKING:
    from torch import Tensor

MANIFEST = "manifest.json"


class StoreError(XlgenError):
    """A stored result that is incomplete or unreadable."""


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON that every reader accepts: a float that is not finite becomes ``{"float": "nan"}``."""
    text = json.dumps(encode(value), indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Inverse of :func:`write_json`.

    Raises:
        StoreError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_hook=decode)
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read ({error}); delete {path.parent} and run again.") from None


def encode(value: Any) -> Any:
    """``value`` as JSON knows it: a float that is not finite becomes ``{"float": "nan"}``."""
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy and torch numbers and arrays
        return encode(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return value


def decode(value: dict[str, Any]) -> Any:
    """Inverse of :func:`encode` for one JSON object, as ``object_hook`` of the parser."""
    return float(value["float"]) if value.keys() == {"float"} else value


def write_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Any) -> None:
    """Write ``tensors`` and the JSON value ``meta`` as one safetensors file, atomically."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        dense = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        save_file(dense, temporary, metadata={"meta": json.dumps(encode(meta), allow_nan=False)})
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], Any]:
    """Inverse of :func:`write_tensors`; the tensors are on the CPU.

    Raises:
        StoreError: the file cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            meta = json.loads(file.metadata()["meta"], object_hook=decode)
            return {name: file.get_tensor(name) for name in file.keys()}, meta  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError, TypeError, KeyError, ValueError) as error:
        raise StoreError(f"{path} cannot be read ({error}); delete it and run again.") from None


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
    """The commit of the source tree ``folder``, ``+`` appended where files differ; ``None`` if it is not one."""
    if not (folder / ".git").exists():  # an installed package may lie inside somebody else's repository
        return None
    ask = ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
    try:
        answer = subprocess.run(ask, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


class Store:
    """The folder of results.

    Args:
        root: created when something is written.
    """

    def __init__(self, root: Path | str):
        self.root = Path(root)

    def get(self, name: str) -> Path | None:
        """The folder of a result, or ``None`` where it has not been computed.

        Raises:
            StoreError: the folder exists but is not a complete result.
        """
        folder = self.root / name
        if not folder.is_dir():
            return None
        if not (folder / MANIFEST).is_file():
            raise StoreError(f"{folder} has no {MANIFEST}, so it is not a complete result; delete it and run again.")
        return folder

    @contextmanager
    def write(self, name: str) -> Iterator[Path]:
        """A temporary folder that becomes ``root/name`` when the block ends without an exception.

        On any exception nothing remains. If somebody else has written the same result meanwhile, theirs is kept: the
        name is a hash of everything that determines the result. The block must write ``manifest.json``.
        """
        temporary = self.root / f".writing-{name}-{uuid.uuid4().hex}"
        temporary.mkdir(parents=True)
        try:
            yield temporary
            if not (temporary / MANIFEST).is_file():
                raise ValueError(f"a result needs a {MANIFEST}")
            try:
                temporary.rename(self.root / name)
            except OSError:  # renaming onto a folder that is not empty: the first writer wins
                if self.get(name) is None:
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def partial(self, name: str) -> Path:
        """The file in which an unfinished run keeps its checkpoint; it is deleted when the run is stored."""
        return self.root / ".partial" / f"{name}.safetensors"

    @property
    def tokens(self) -> Path:
        """The folder of tokenised data, which can be deleted at any time."""
        return self.root / ".tokens"

    def entries(self, kind: str) -> list[str]:
        """Names of the complete results of one kind (``"run"``, ``"measure"``), oldest first."""
        found = []
        for path in self.root.glob(f"[!.]*/{MANIFEST}"):  # a name with a dot is still being written
            facts = read_json(path)
            if facts["kind"] == kind:
                found.append((facts["created"], path.parent.name))
        return [name for _, name in sorted(found)]

    def find(self, prefix: str, kind: str = "run") -> str:
        """The full name of the one result of this kind whose name starts with ``prefix``.

        Raises:
            StoreError: there is none, or there are several.
        """
        names = self.entries(kind)
        found = [name for name in names if name.startswith(prefix)] if prefix else []
        if not found:
            raise StoreError(f"no {kind} in {self.root} starts with {prefix!r}; it holds {len(names)} of them.")
        if len(found) > 1:
            raise StoreError(
                f"{prefix!r} is the beginning of {len(found)} results: {', '.join(found)}; give more of it."
            )
        return found[0]
