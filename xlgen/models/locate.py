"""Where a model is: the shipped miniature, one that a package brings, a folder, or a name on the hub."""

from __future__ import annotations

import difflib
import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from xlgen.core.errors import ModelError, first_line, what_is_wrong
from xlgen.core.files import sha256
from xlgen.models.catalogue import MODELS, spellings_of
from xlgen.models.packaged import PACKAGED, folder_of

MINI = Path(__file__).parents[1] / "data" / "mini" / "encoder"
"""Folder of the shipped encoder, the model named ``"mini"``."""

FILES = ("*.json", "*.safetensors", "*.txt", "*.model")
"""What is downloaded from the hub and what :func:`fingerprint` covers: configuration, weights, tokenizer."""


MODULES = "modules.json"
"""File of a folder of sentence-transformers that says what its parts are, the encoder first."""

SETTINGS = ("config.json", "tokenizer_config.json", "tokenizer.json", "added_tokens.json", "special_tokens_map.json")
"""Files that hold settings by name, where a model has them."""

POINTER = b"version https://git-lfs"
"""How a file begins that git has put in the place of a large one."""


def locate(name: str) -> Path:
    """The folder of a model; what the hub's cache lacks is downloaded.

    A cached copy is used as it is, without asking the hub for a newer one. A packaged encoder and the folder that it
    was converted to are one model with one :func:`fingerprint`.

    Args:
        name: ``"mini"``, a name in :data:`xlgen.models.packaged.PACKAGED`, a folder, or a hub id. Of a folder of
            sentence-transformers it is the encoder's, which may be one below, such as ``0_Transformer``.

    Raises:
        ModelError: there is no such model, the hub cannot be reached, or the folder is not a safetensors model; or as
            :func:`xlgen.models.packaged.folder_of`.
    """
    if name in PACKAGED:
        return folder_of(name)
    folder = MINI if name == "mini" else Path(name).expanduser()
    if name != "mini" and not (name and folder.is_dir()):
        if not name or name[0] in ".~" or folder.is_absolute() or len(folder.parts) > 2:
            raise ModelError(f"no folder {name!r}; expected a model folder, a hub id or 'mini'.{_close(name)}")
        folder = _from_hub(name)
    return _checked(_encoder(folder, name), name)


def fingerprint(name: str) -> str:
    """First 16 hex digits of the SHA-256 of a model's configuration, weights and tokenizer."""
    total = hashlib.sha256()
    folder = locate(name)
    for path in sorted(path for pattern in FILES for path in folder.glob(pattern)):
        total.update(f"{path.name} {sha256(path)}\n".encode())
    return total.hexdigest()[:16]


def modules(folder: Path) -> list[dict[str, Any]]:
    """The parts of a model of sentence-transformers, the encoder first.

    Raises:
        ModelError: the file cannot be read, or holds something else.
    """
    found = _json(folder / MODULES)
    if not (isinstance(found, list) and found and all(isinstance(part, dict) for part in found)):
        raise ModelError(f"{folder / MODULES} holds no list of modules; download the model again.")
    return found


def settings_in(file: Path) -> dict[str, Any]:
    """A JSON file of a model.

    Raises:
        ModelError: it cannot be read, or holds something else than settings by name.
    """
    found = _json(file)
    if not isinstance(found, dict):
        raise ModelError(f"{file} holds no settings by name; download the model again.")
    return found


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{file} cannot be read ({what_is_wrong(error)}); download the model again.") from None


def _encoder(folder: Path, name: str) -> Path:
    """The folder of the encoder in one of sentence-transformers: itself, or as old ones have it, one below.

    Raises:
        ModelError: its description cannot be read, or names no encoder in the folder.
    """
    if not (folder / MODULES).is_file():
        return folder
    path = modules(folder)[0].get("path")
    if not isinstance(path, str) or (path and not _is_name(path)):
        raise ModelError(
            f"{folder / MODULES} names {path!r} as the encoder's folder; expected '' or the name of a folder beside it."
        )
    if not (folder / path).is_dir():
        raise ModelError(f"{name!r} lacks the folder {path}, which its {MODULES} names; copy all of the model.")
    return folder / path


def _lower_cased(folder: Path, name: str) -> None:
    """Refuse an encoder whose texts were lower-cased before its tokenizer saw them.

    Raises:
        ModelError: its tokenizer keeps capitals.
    """
    asked, done = folder / "sentence_bert_config.json", folder / "tokenizer_config.json"
    if not asked.is_file() or not settings_in(asked).get("do_lower_case"):
        return
    if not (done.is_file() and settings_in(done).get("do_lower_case")):
        raise ModelError(
            f"{name!r} has do_lower_case in {asked.name}, and its tokenizer keeps capitals: texts would not be read as "
            f"in its training; set do_lower_case in {done.name}, too, or to false there."
        )


def _checked(folder: Path, name: str) -> Path:
    if (folder / "adapter_config.json").is_file():
        raise ModelError(
            f"{name!r} has adapter_config.json: either it is an adapter alone, or transformers would apply the adapter "
            "to full weights that may contain it. Give a folder with the merged model: merge_and_unload() and "
            "save_pretrained() in peft; if model.safetensors is that already, delete adapter_config.json."
        )
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} has no config.json; expected a Hugging Face model folder for {name!r}.")
    shards = _shards(folder)
    for file in shards:
        if not file.is_file():
            raise ModelError(
                f"{name!r} lacks {file.name}, which its model.safetensors.index.json names; copy all of the model."
            )
    for file in (*shards, folder / "config.json", *folder.glob("tokenizer*.json")):
        with file.open("rb") as content:
            if content.read(len(POINTER)) == POINTER:
                raise ModelError(
                    f"{file} is a pointer of git-lfs and not the file itself; fetch it with `git lfs pull` in that "
                    "folder, or download the model again."
                )
    for file in SETTINGS:
        if (folder / file).is_file() and not _by_name(folder / file):
            raise ModelError(f"{folder / file} holds no settings by name; download the model again.")
    _lower_cased(folder, name)
    if shards:
        return folder
    raise ModelError(
        f"{name!r} has no model.safetensors, and pickled weights are refused because reading them can run code; "
        "convert them with model.save_pretrained(folder) in an environment that you trust, and give that folder."
    )


def _by_name(file: Path) -> bool:
    """Whether a JSON file holds values by name; one that cannot be read is left to whoever needs it."""
    facts = file.stat()
    return _parsed_by_name(file, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=256)  # a large tokenizer.json takes a second
def _parsed_by_name(file: Path, size: int, changed: int) -> bool:
    try:
        return isinstance(json.loads(file.read_text(encoding="utf-8")), dict)
    except (OSError, ValueError, RecursionError):
        return True


def _shards(folder: Path) -> list[Path]:
    """The files of the weights; none, if there are no safetensors.

    Raises:
        ModelError: the index of several files cannot be read, or names one that is not in the folder.
    """
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file() or not index.is_file():
        return [whole] if whole.is_file() else []
    try:
        names = {*json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()}
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{index} cannot be read ({what_is_wrong(error)}); download the model again.") from None
    except (KeyError, TypeError, AttributeError):
        raise ModelError(f"{index} has no weight_map, from weights to files; download the model again.") from None
    for name in names:
        if not isinstance(name, str) or not _is_name(name):
            raise ModelError(f"{index} names {name!r}, outside the model's folder; expected names of files beside it.")
    return [folder / name for name in sorted(names)]


def _is_name(text: str) -> bool:
    """Whether it names something in a folder, and nothing outside."""
    return text not in ("", ".", "..") and Path(text).name == text and "\\" not in text


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError

    spellings = spellings_of(name)
    for spelling, cached in [*((spelling, True) for spelling in spellings), (spellings[-1], False)]:
        try:
            folder = Path(
                snapshot_download(spelling, allow_patterns=FILES, ignore_patterns="*/*", local_files_only=cached)
            )
        except RepositoryNotFoundError:
            raise ModelError(
                f"{name!r} is no folder, and the hub shows no such model; check the name, or log in with `hf auth "
                f"login` if the model is gated.{_close(name)}"
            ) from None
        except HFValidationError:
            raise ModelError(f"{name!r} is neither a folder nor a hub id.{_close(name)}") from None
        except (OSError, HfHubHTTPError, ValueError) as error:
            reason = first_line(error)
            continue
        if not cached or (any(folder.glob("*.safetensors")) and (folder / "config.json").is_file()):
            return folder
    raise ModelError(
        f"{name!r} is no folder, is not in the hub's cache, and there is no connection to the hub; give a folder, set "
        f"HF_HOME to a cache that has it, or use 'mini'.{_close(name)} ({reason})"
    )


def _close(name: str) -> str:
    close = difflib.get_close_matches(name, list(MODELS), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close and close[0] != name else ""
