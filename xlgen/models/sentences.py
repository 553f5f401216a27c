"""Encoders that were trained on pairs of sentences: how they make a vector of a text, and how they compare two.

What an encoder was pretrained with decides what is the Fisher information of its text: a masked language model guesses
hidden words (:mod:`xlgen.fisher.mlm`), an encoder of sentences finds the translation (:mod:`xlgen.fisher.contrastive`).
The vector of a text is the mean over its sub-words, special ones included, of the last hidden states, scaled to length
one, as all encoders of :data:`SENTENCES` have it; one that makes it otherwise is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from xlgen.core.errors import ModelError
from xlgen.models.catalogue import spellings_of
from xlgen.models.locate import MODULES, locate, modules, settings_in

POOLING = "1_Pooling/config.json"
PROMPTS = "config_sentence_transformers.json"
PLAIN = frozenset({"Transformer", "Pooling", "Normalize"})
"""Modules of sentence-transformers that add no weights to the encoder's."""


@dataclass(frozen=True)
class Sentences:
    """How an encoder was trained to tell sentences apart.

    Attributes:
        prefix: what its texts begin with.
        temperature: τ, which cosines are divided by.
    """

    prefix: str
    temperature: float


E5 = Sentences("query: ", 0.01)
"""wang2024multilingual: the prefix of both sides of a symmetric task, and the temperature of both of its stages."""

SENTENCES = {
    "e5-small": E5,
    **{f"intfloat/multilingual-e5-{size}": E5 for size in ("small", "base", "large")},
    "minilm-en": Sentences("", 0.05),
}
"""By the model's name. The temperature of MiniLM's last stage is the usual one of sentence-transformers, 1/20."""


def loss_of(name: str) -> Literal["mlm", "contrastive"]:
    """The loss that a model was pretrained with, last: of masked words, or of pairs of sentences.

    Args:
        name: ``"mini"``, a packaged encoder, a folder, or a hub id. A folder of sentence-transformers is one of
            sentences; any other is a masked language model, or none at all.

    Raises:
        ModelError: as :func:`xlgen.models.locate`.
    """
    if any(spelling in SENTENCES for spelling in spellings_of(name)):
        return "contrastive"
    return "contrastive" if (_outer(name) / MODULES).is_file() else "mlm"


def sentences_of(name: str) -> Sentences:
    """How an encoder of sentences was trained: from :data:`SENTENCES`, or what its folder says, with τ = 1/20.

    Raises:
        ModelError: as :func:`xlgen.models.locate`; or its folder says that vectors of sentences are not the mean over
            the sub-words, or does not say what they are.
    """
    for spelling in spellings_of(name):
        if spelling in SENTENCES:
            return SENTENCES[spelling]
    folder = _outer(name)
    kinds = [str(module.get("type", "")).rpartition(".")[-1] for module in modules(folder)]
    if other := next((kind for kind in kinds if kind not in PLAIN), None):
        raise ModelError(
            f"the vectors of {name!r} pass through {other} ({MODULES}); expected the encoder and the mean over its "
            "sub-words alone."
        )
    if not (folder / POOLING).is_file():
        raise ModelError(
            f"{name!r} has no {POOLING}, which says how it makes the vector of a sentence; give a folder with all of "
            "the model."
        )
    if modes := sorted(_pooling(settings_in(folder / POOLING)) - {"mean"}):
        raise ModelError(f"{name!r} makes the vector of a sentence by {', '.join(modes)} ({POOLING}); expected 'mean'.")
    return Sentences(_prompt(folder / PROMPTS), 0.05)


def _outer(name: str) -> Path:
    """The folder of the model with what belongs to sentences, which may have the encoder in a folder below."""
    locate(name)
    folder = Path(name).expanduser()
    return folder if name != "mini" and folder.is_dir() else locate(name)


def _pooling(settings: dict[str, Any]) -> set[str]:
    """The modes of the pooling, by either of the ways in which sentence-transformers has written them."""
    if "pooling_mode" in settings:
        given = settings["pooling_mode"]
        return {given} if isinstance(given, str) else {*given}
    modes = (
        key.removeprefix("pooling_mode_") for key, on in settings.items() if key.startswith("pooling_mode_") and on
    )
    return {mode.removesuffix("_tokens") for mode in modes}


def _prompt(file: Path) -> str:
    """What every text begins with unless its user says otherwise."""
    settings = settings_in(file) if file.is_file() else {}
    return (settings.get("prompts") or {}).get(settings.get("default_prompt_name") or "", "")
