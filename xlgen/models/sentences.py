"""Encoders that were trained on pairs of sentences: how they make a vector of a text, and how they compare two.

What an encoder was pretrained with decides what is the Fisher information of its text: a masked language model guesses
hidden words (:mod:`xlgen.fisher.mlm`), an encoder of sentences finds the translation (:mod:`xlgen.fisher.contrastive`).
The vector of a text is the mean over its sub-words, special ones included, of the last hidden states, scaled to length
one, as all encoders of :data:`SENTENCES` have it; one that makes it otherwise is refused.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
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
    if (modes := _pooling(settings_in(folder / POOLING), name)) != {"mean"}:
        how = ", ".join(sorted(modes)) or "nothing"
        raise ModelError(f"{name!r} makes the vector of a sentence by {how} ({POOLING}); expected 'mean'.")
    return Sentences(_prompt(folder / PROMPTS), 0.05)


def unlisted(name: str) -> list[dict[str, Any]]:
    """What the name of a result in the store has to say of an encoder of sentences beside its fingerprint.

    How its vectors are made depends on what it is called, and on files that the fingerprint does not cover. Nothing is
    said of the encoders of :data:`SENTENCES`, whose files are known, and of others than those of sentences.

    Raises:
        ModelError: as :func:`sentences_of`.
    """
    if loss_of(name) != "contrastive" or any(spelling in SENTENCES for spelling in spellings_of(name)):
        return []
    return [asdict(sentences_of(name))]


def _outer(name: str) -> Path:
    """The folder of the model with what belongs to sentences, which may have the encoder in a folder below."""
    locate(name)
    folder = Path(name).expanduser()
    return folder if name != "mini" and folder.is_dir() else locate(name)


def _pooling(settings: dict[str, Any], name: str) -> set[str]:
    """The modes of the pooling, by either of the ways in which sentence-transformers has written them.

    Raises:
        ModelError: they are no words.
    """
    if "pooling_mode" in settings:
        given = settings["pooling_mode"]
        modes = [given] if isinstance(given, str) else given
        if not (isinstance(modes, list) and all(isinstance(mode, str) for mode in modes)):
            raise ModelError(f"pooling_mode of {name!r} is {given!r} ({POOLING}); expected 'mean'.")
        return {*modes}
    modes = (
        key.removeprefix("pooling_mode_") for key, on in settings.items() if key.startswith("pooling_mode_") and on
    )
    return {mode.removesuffix("_tokens") for mode in modes}


def _prompt(file: Path) -> str:
    """What every text begins with unless its user says otherwise.

    Raises:
        ModelError: the file has no texts by name, or names none of them.
    """
    settings = settings_in(file) if file.is_file() else {}
    prompts, default = settings.get("prompts") or {}, settings.get("default_prompt_name") or ""
    if not (isinstance(prompts, dict) and all(isinstance(text, str) for text in prompts.values())):
        raise ModelError(f"prompts is {prompts!r} in {file}; expected texts by name.")
    if not isinstance(default, str) or (default and default not in prompts):
        raise ModelError(f"default_prompt_name is {default!r} in {file}; expected one of its prompts.")
    return prompts.get(default, "")
