"""Any Hugging Face encoder as a classifier: the shipped miniature, a folder, or a name on the hub.

Weights are read from safetensors and nothing else, and no code that comes with a model is run: a model is data.
"""

from __future__ import annotations

import difflib
import hashlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from xlgen.errors import ModelError
from xlgen.presets import MODELS
from xlgen.store import read_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MINI = Path(__file__).parent / "mini" / "encoder"
"""Folder of the shipped encoder, the model named ``"mini"``."""

FILES = ("*.json", "*.safetensors", "*.txt", "*.model")
"""What is downloaded from the hub and what :func:`fingerprint` covers: configuration, weights, tokenizer."""

COUNTS_FROM_ZERO = frozenset({"albert", "bert", "convbert", "electra", "ernie", "mobilebert"})
"""Model types with learned absolute positions 0, 1, … (RoBERTa's kind counts from the padding number instead)."""


def locate(name: str) -> Path:
    """The folder of a model; what the hub's cache lacks is downloaded.

    A cached copy is used as it is, without asking the hub for a newer one.

    Args:
        name: ``"mini"``, a folder, or a hub id.

    Raises:
        ModelError: there is no such model, the hub cannot be reached, or the folder is not a safetensors model.
    """
    folder = MINI if name == "mini" else Path(name).expanduser()
    if name != "mini" and not (name and folder.is_dir()):
        if not name or name[0] in ".~" or folder.is_absolute() or len(folder.parts) > 2:
            raise ModelError(f"no folder {name!r}; expected a model folder, a hub id or 'mini'.{_close(name)}")
        folder = _from_hub(name)
    return _checked(folder, name)


def fingerprint(name: str) -> str:
    """First 16 hex digits of the SHA-256 of a model's configuration, weights and tokenizer."""
    total = hashlib.sha256()
    folder = locate(name)
    for path in sorted(path for pattern in FILES for path in folder.glob(pattern)):
        facts = path.stat()
        total.update(f"{path.name} {_sha256(path, facts.st_size, facts.st_mtime_ns)}\n".encode())
    return total.hexdigest()[:16]


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The fast tokenizer of a model.

    Raises:
        ModelError: as :func:`locate`; or the tokenizer is missing or does not belong to the model.
    """
    from transformers import AutoTokenizer

    folder = locate(name)
    if not any((folder / file).is_file() for file in ("tokenizer.json", "vocab.txt", "vocab.json")) and not any(
        folder.glob("*.model")
    ):  # transformers would make a tokenizer without a vocabulary
        raise ModelError(f"{folder} has no tokenizer (tokenizer.json); save the model's tokenizer there.")
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise ModelError(f"the tokenizer of {name!r} cannot be loaded: {_line(error)}") from None
    embedded = read_json(folder / "config.json").get("vocab_size", len(tokenizer))
    if len(tokenizer) > embedded:
        raise ModelError(f"the tokenizer of {name!r} has {len(tokenizer)} sub-words, the model only {embedded}.")
    return tokenizer


def load_classifier(
    name: str, n_labels: int, *, seed: int, eager: bool = False, dropout: float | None = None
) -> PreTrainedModel:
    """A pretrained encoder with a new classification head, in ``eval()`` mode, float32, on the CPU.

    Args:
        name: ``"mini"``, a folder, or a hub id.
        n_labels: classes of the head.
        seed: of the new weights (head, and the pooler where the checkpoint has none); torch's global generator is
            neither read nor moved.
        eager: use attention that can be differentiated twice, rather than the fused kernels.
        dropout: probability of every dropout of the model; ``None`` keeps its own.

    Raises:
        ModelError: as :func:`locate`; or it is not an encoder that can classify.
    """
    return _load(name, n_labels, seed=seed, eager=eager, dropout=dropout)[0]


def load_finetuned(name: str, n_labels: int, *, eager: bool = True) -> PreTrainedModel:
    """A fine-tuned classifier, in ``eval()`` mode, float32, on the CPU.

    Raises:
        ModelError: as :func:`load_classifier`; or weights are missing, such as the head's, or the head has another
            number of classes.
    """
    model, fresh = _load(name, n_labels, seed=0, eager=eager)
    if fresh:
        raise ModelError(
            f"{name!r} lacks {len(fresh)} weights of a classifier with {n_labels} classes ({min(fresh)}, …); "
            "expected a checkpoint fine-tuned on the task."
        )
    return model


def pretrained_weights(name: str, model: nn.Module) -> dict[str, Tensor]:
    """The weights that fine-tuning started from, by the parameter names of ``model``.

    Args:
        name: the pretrained model, as in :func:`load_classifier`.
        model: the fine-tuned classifier.

    Returns:
        Tensors on the CPU. Parameters that the pretrained checkpoint lacks, such as the new head's, are absent.

    Raises:
        ModelError: as :func:`load_classifier`; or no parameter has the same name and shape in both.
    """
    before, fresh = _load(name, model.config.num_labels, seed=0)
    shapes = {key: weight.shape for key, weight in model.named_parameters()}
    found = {
        key: weight.detach()
        for key, weight in before.named_parameters()
        if key not in fresh and shapes.get(key) == weight.shape
    }
    if not found:
        raise ModelError(f"no weight of {name!r} has the name and shape of one of the fine-tuned model.")
    return found


def takes_position_ids(model: nn.Module) -> bool:
    """Whether batches should carry explicit positions 0, 1, …

    Models of BERT's kind otherwise broadcast one row of positions over the batch, and every method that looks at the
    gradient of one example is silently wrong.
    """
    takes = "position_ids" in inspect.signature(model.forward).parameters
    return takes and model.config.model_type in COUNTS_FROM_ZERO


def _load(
    name: str, n_labels: int, *, seed: int, eager: bool = False, dropout: float | None = None
) -> tuple[PreTrainedModel, set[str]]:
    """The classifier, and the names of its parameters that the checkpoint lacks."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    folder = locate(name)
    try:
        with quiet(), torch.random.fork_rng(devices=[]):
            config = AutoConfig.from_pretrained(folder, num_labels=n_labels, trust_remote_code=False)
            if dropout is not None:
                _set_dropout(config, dropout)
            torch.manual_seed(seed)
            model, info = AutoModelForSequenceClassification.from_pretrained(
                folder,
                config=config,
                attn_implementation="eager" if eager else None,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except (OSError, ValueError, ImportError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{name!r} cannot be loaded as a classifier: {_line(error)}") from None
    names = {key for key, _ in model.named_parameters()}
    fresh = names & ({*info["missing_keys"]} | {key for key, *_ in info["mismatched_keys"]})
    if len(fresh) > len(names) / 2:
        raise ModelError(f"the checkpoint of {name!r} has only {len(names) - len(fresh)} of {len(names)} weights.")
    return model, fresh


def _set_dropout(config, p: float) -> None:
    for key, value in config.to_dict().items():
        if "dropout" in key and (value is None or (isinstance(value, int | float) and not isinstance(value, bool))):
            setattr(config, key, p)


def _checked(folder: Path, name: str) -> Path:
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} has no config.json; expected a Hugging Face model folder for {name!r}.")
    if any((folder / f"model.safetensors{end}").is_file() for end in ("", ".index.json")):
        return folder
    raise ModelError(
        f"{name!r} has no model.safetensors, and pickled weights are refused because reading them can run code; "
        "convert them with model.save_pretrained(folder) in an environment that you trust, and give that folder."
    )


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError

    for cached in (True, False):
        try:
            folder = Path(snapshot_download(name, allow_patterns=FILES, ignore_patterns="*/*", local_files_only=cached))
        except RepositoryNotFoundError:
            raise ModelError(
                f"{name!r} is no folder, and the hub shows no such model; check the name, or log in with `hf auth "
                f"login` if the model is gated.{_close(name)}"
            ) from None
        except HFValidationError:
            raise ModelError(f"{name!r} is neither a folder nor a hub id.{_close(name)}") from None
        except (OSError, HfHubHTTPError, ValueError) as error:
            reason = _line(error)
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


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".:")[:200]


@lru_cache(maxsize=256)
def _sha256(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' report of new weights, which is expected here, and its progress bars."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if bars:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
