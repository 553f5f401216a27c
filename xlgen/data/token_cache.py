"""Tokenised splits, kept in memory and in files, so that nothing is tokenised twice."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from xlgen.core.files import atomic

log = logging.getLogger(__name__)
T = TypeVar("T")

REMEMBERED = 64
"""Encoded splits kept in memory: 15 languages in two splits, twice."""

_memory: dict[tuple[str, bool], object] = {}


def remembered(
    key: str,
    cache_dir: Path | None,
    make: Callable[[], dict[str, Tensor]],
    build: Callable[[dict[str, Tensor]], T],
    *,
    position_ids: bool,
) -> T:
    """The encoded split of a key, from memory, from its file or, where there is neither, from ``make``.

    Args:
        key: digest of all that decides the tensors.
        cache_dir: folder of the files; ``None`` keeps none.
        make: the tensors of the file.
        build: the encoded split of the tensors.
        position_ids: part of what is remembered, not of the file.
    """
    if (key, position_ids) in _memory:
        return _memory[key, position_ids]
    path = None if cache_dir is None else Path(cache_dir) / f"{key}.safetensors"
    tensors = _load(path, key) if path is not None and path.exists() else None
    if tensors is None:
        tensors = make()
        if path is not None:
            with atomic(path) as temporary:
                temporary.write_bytes(save(tensors, {"checksum": _checksum(key, tensors)}))
    if len(_memory) >= REMEMBERED:
        del _memory[next(iter(_memory))]
    return _memory.setdefault((key, position_ids), build(tensors))


def _checksum(key: str, tensors: dict[str, Tensor]) -> str:
    total = hashlib.sha256(key.encode())
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.numpy().tobytes())
    return total.hexdigest()


def _load(path: Path, key: str) -> dict[str, Tensor] | None:
    try:
        with safe_open(path, framework="pt") as file:
            names, checksum = list(file.keys()), (file.metadata() or {}).get("checksum")
            tensors = {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError):
        tensors, checksum = {}, None
    if checksum != _checksum(key, tensors):
        log.warning("%s does not match its checksum and is made again", path)
        return None
    return tensors
