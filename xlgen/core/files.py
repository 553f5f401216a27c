"""Files that are whole or not there: JSON and safetensors, written atomically; nothing is pickled."""

from __future__ import annotations

import hashlib
import json
import math
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlgen.core.errors import XlgenError, what_is_wrong

if TYPE_CHECKING:
    from torch import Tensor


class StoreError(XlgenError):
    """A stored result that is incomplete or unreadable."""


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that replaces it when the block ends without an exception.

    Whoever reads ``path`` finds the old file or the new one, whole. The folder is made if there is none.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def put(path: Path, content: bytes) -> None:
    """Write a file of the user's choice, whole or not at all: where a link leads, and straight to a pipe."""
    if is_stream(path):
        sys.stdout.flush()
        with path.open("ab") as file:
            file.write(content)
        return
    with atomic(path.resolve()) as temporary:
        temporary.write_bytes(content)


def is_stream(path: Path) -> bool:
    """Whether what is there is no file that another can replace: ``/dev/stdout``, a pipe, a terminal."""
    return path.exists() and (path.parent == Path("/dev") or not (path.is_file() or path.is_dir()))


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON that every reader accepts: a float that is not finite becomes ``{"float": "nan"}``."""
    text = json.dumps(encode(value), indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path, advice: str = "", content: bytes | None = None) -> Any:
    """Inverse of :func:`write_json`.

    Args:
        path: of the file.
        advice: what to do if it cannot be read; deleting the folder, which is a result, unless given.
        content: of the file, if it has been read.

    Raises:
        StoreError: the file is missing or is not JSON.
    """
    try:
        return DECODER.decode((path.read_bytes() if content is None else content).decode())
    except (OSError, ValueError, RecursionError) as error:
        advice = advice or f"delete {path.parent} and run again"
        raise StoreError(f"{path} cannot be read ({what_is_wrong(error)}); {advice}.") from None


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


DECODER = json.JSONDecoder(object_hook=decode)
"""One for all files: to make it takes as long as to read a small file."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Any) -> None:
    """Write ``tensors`` and the JSON value ``meta`` as one safetensors file, atomically, with a digest of both.

    Raises:
        StoreError: the disk is full, or cannot be written.
    """
    from safetensors.torch import save_file

    dense = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(encode(meta), allow_nan=False)
    with written(path), atomic(path) as temporary:
        save_file(dense, temporary, metadata={"meta": text, "digest": _digest(dense, text)})


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Say which file it was that could not be written, where safetensors does not."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        raise StoreError(
            f"{path} cannot be written ({what_is_wrong(error)}); make room, and give the same command again."
        ) from None


def _digest(tensors: Mapping[str, Tensor], meta: str) -> str:
    import torch

    total = hashlib.sha256(meta.encode())
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return total.hexdigest()


def read_tensors(path: Path) -> tuple[dict[str, Tensor], Any]:
    """Inverse of :func:`write_tensors`; the tensors are on the CPU.

    Raises:
        StoreError: the file cannot be read, or is not what was written.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata()
            meta = json.loads(facts["meta"], object_hook=decode)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        # files older than digests have none, and nothing else beside their meta
        whole = facts.keys() == {"meta"} or facts["digest"] == _digest(tensors, facts["meta"])
    except (OSError, SafetensorError, ValueError) as error:
        raise StoreError(f"{path} cannot be read ({what_is_wrong(error)}); delete it and run again.") from None
    except (TypeError, KeyError, RuntimeError):
        whole = False
    if not whole:
        raise StoreError(f"{path} is not as it was written; delete it and run again.")
    return tensors, meta


def sha256(path: Path) -> str:
    """SHA-256 of a file; remembered while its size and time of change stay."""
    facts = path.stat()
    return _sha256(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=4096)  # whoever lists a store asks for thousands
def _sha256(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
