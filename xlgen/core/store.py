"""Results on disk: ``root/<hash>/`` is written once, atomically, and never changed.

A result is written into a temporary folder beside its destination and renamed when it is complete, so that a folder
named by a hash is always whole: whoever finds it can use it, and whoever is killed leaves nothing behind but a
temporary folder that nobody reads. Tensors are safetensors and everything else is JSON: nothing is pickled.

A second root is only read: results without weights, committed with the code that they were computed by. It is packed,
``records/<run>.json`` with the documents of a run and of everything measured of it, because a folder for each result
would be some 5,000 files in place of 244. A packed file ends with a digest of its contents, which is checked when it
is read: it is written by :func:`pack` and never by hand.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import platform
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from filelock import FileLock

import xlgen
from xlgen.core.config import RunConfig, digest
from xlgen.core.errors import XlgenError, what_is_wrong

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
"""Digests of a result's files, as ``sha256sum -c`` reads them; results older than this file have none."""


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
        if not file.is_file() or _sum(file, *_version(file)) != expected:
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


def _version(file: Path) -> tuple[int, int]:
    facts = file.stat()
    return facts.st_mtime_ns, facts.st_size


@lru_cache(maxsize=4096)
def _sum(file: Path, changed: int, size: int) -> str:
    """The SHA-256 of a file that was last changed then."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


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


class Store:
    """The results of one or two folders.

    Args:
        root: a folder for each result; created when something is written.
        records: packed results, which are read and come first: a number that is committed is not another one because
            the model was trained here too.
    """

    def __init__(self, root: Path | str, records: Path | None = None):
        self.root, self.records = Path(root), records

    def get(self, name: str, of: str = "") -> Result | None:
        """A result, or ``None`` where neither folder has it.

        Args:
            name: of the result.
            of: the run that it is a measure of, whose packed file would hold it; itself unless given.

        Raises:
            StoreError: there is something, but not a complete result.
        """
        if self.records is not None and (path := self.records / f"{of or name}.json").is_file():
            for result in unpack(path):
                if result.name == name:
                    return result
        folder = self.root / name
        if not folder.is_dir():
            return None
        if not (folder / MANIFEST).is_file():
            raise StoreError(f"{folder} has no {MANIFEST}, so it is not a complete result; delete it and run again.")
        return Result(name, folder)

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
            files = [path for path in sorted(temporary.rglob("*")) if path.is_file()]
            lines = (f"{_sum(path, *_version(path))}  {path.relative_to(temporary).as_posix()}\n" for path in files)
            (temporary / SUMS).write_text("".join(lines), encoding="utf-8")
            try:
                temporary.rename(self.root / name)
            except OSError:  # renaming onto a folder that is not empty: the first writer wins
                if self.get(name) is None:
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Wait until no other process of this machine is in such a block for the result; a dead one is in none."""
        lock = self.root / ".locks" / name
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):
            yield

    def check_writable(self) -> None:
        """Refuse now what would fail after the work.

        Raises:
            StoreError: nothing can be written here.
        """
        try:
            with atomic(self.root / ".try") as temporary:
                temporary.write_bytes(b"x")
            (self.root / ".try").unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"the store {self.root} cannot be written ({error.strerror}); give a folder that can: --store FOLDER."
            ) from None

    def partial(self, name: str) -> Path:
        """The file in which an unfinished run keeps its checkpoint; it is deleted when the run is stored."""
        return self.root / ".partial" / f"{name}.safetensors"

    @property
    def tokens(self) -> Path:
        """The folder of tokenised data, which can be deleted at any time."""
        return self.root / ".tokens"

    def entries(self, kind: str) -> list[str]:
        """Names of the complete results of one kind (``"run"``, ``"measure"``) in ``root``, oldest first."""
        results = []
        for path in self.root.glob(f"[!.]*/{MANIFEST}"):  # a name with a dot is still being written
            try:
                facts = Result(path.parent.name, path.parent).read("manifest")
            except StoreError as error:  # the others stay usable
                log.warning("%s", error)
                continue
            if facts["kind"] == kind:
                results.append((facts["created"], path.parent.name))
        return [name for _, name in sorted(results)]

    def find(self, prefix: str, kind: str = "run") -> str:
        """The full name of the one result of this kind in ``root`` whose name starts with ``prefix``.

        Raises:
            StoreError: there is none, or there are several.
        """
        names = self.entries(kind)
        matches = [name for name in names if name.startswith(prefix)] if prefix else []
        if not matches:
            raise StoreError(f"no {kind} in {self.root} starts with {prefix!r}; it holds {len(names)} of them.")
        if len(matches) > 1:
            raise StoreError(
                f"{prefix!r} is the beginning of {len(matches)} results: {', '.join(matches)}; give more of it."
            )
        return matches[0]
