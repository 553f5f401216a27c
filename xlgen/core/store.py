"""Results on disk: ``root/<hash>/`` is written once, atomically, and never changed.

A result is written into a temporary folder beside its destination and renamed when it is complete, so that a folder
named by a hash is always whole: whoever finds it can use it, and whoever is killed leaves nothing behind but a
temporary folder that nobody reads.

A second root is only read: results without weights, committed with the code that they were computed by
(:mod:`xlgen.core.packed`).
"""

from __future__ import annotations

import logging
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from xlgen.core.files import StoreError, atomic, sha256
from xlgen.core.packed import unpack
from xlgen.core.result import MANIFEST, SUMS, Result

log = logging.getLogger(__name__)


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
            lines = (f"{sha256(path)}  {path.relative_to(temporary).as_posix()}\n" for path in files)
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
