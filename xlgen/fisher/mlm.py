r"""Masked language modelling of plain text: the loss whose Fisher information says which weights a language needs.

.. math:: \ell(x) = -\sum_{t \in M} \log p_\theta(x_t | \tilde x)

where :math:`\tilde x` is the paragraph x with the sub-words at the places M hidden (devlin2019bert). As in BERT, 15 %
of a paragraph's sub-words are in M, and at least one. Unlike in BERT's pretraining all of them are replaced by
``[MASK]``, none is kept and none becomes a random sub-word: random sub-words come from all languages, and their
embeddings would enter the Fisher information of a language that does not have them, which is what the distance between
two languages is meant to tell. Eight of ten hidden sub-words are replaced by ``[MASK]`` in pretraining, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from xlgen.core.device import seed_of
from xlgen.core.errors import ModelError
from xlgen.data import plain
from xlgen.data.batch import IGNORE, Batch
from xlgen.data.encode import Encoded
from xlgen.models import check_encoder, pretrained, takes_position_ids

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

SHARE = 0.15
"""Share of the sub-words of a paragraph that are hidden."""


def load(name: str) -> PreTrainedModel:
    """A pretrained encoder with its own masked-language-model head, in ``eval()`` mode, float32, on the CPU.

    Args:
        name: ``"mini"``, a folder, or a hub id.

    Raises:
        ModelError: as :func:`xlgen.models.locate`; or the model was not pretrained as a masked language model, as mT5
            was not, or its head was not saved.
    """
    from transformers import MODEL_FOR_MASKED_LM_MAPPING, AutoModelForMaskedLM

    def check(config: PretrainedConfig) -> None:
        if type(config) not in MODEL_FOR_MASKED_LM_MAPPING:
            raise ModelError(
                f"{name!r} ({config.model_type}) is no masked language model, so there is no Fisher information of "
                "text; use an encoder such as mBERT or XLM-R, or what needs no text: the objective 'l2', or the "
                "measure 'frechet' of the task's examples."
            )

    model, info = pretrained(AutoModelForMaskedLM, name, "a masked language model", check)
    names = {key for key, _ in model.named_parameters()}
    missing = names & {*info["missing_keys"]}
    if missing:
        raise ModelError(
            f"{name!r} lacks {len(missing)} weights of a masked language model ({min(missing)}, …): its head was not "
            "saved, and a new one knows no words; give the pretrained model itself."
        )
    check_encoder(f"{model.base_model_prefix}.", names, info, name)
    return model.eval()


def batches(
    model: nn.Module, tokenizer: Any, paragraphs: Sequence[str], *, max_length: int, batch_size: int, seed: int = 0
) -> list[Batch]:
    """Masked paragraphs, longest first; the label is the hidden sub-word, elsewhere there is none.

    What is hidden is a function of the seed and the paragraph: it depends neither on the other paragraphs nor on the
    size of the batches.

    Args:
        model: says whether the batches carry positions.
        tokenizer: fast, with a mask sub-word.
        paragraphs: at least one.
        max_length: sub-words of a paragraph, special ones included; what is longer loses its end.
        batch_size: paragraphs of a forward pass.
        seed: of what is hidden.

    Raises:
        ModelError: the tokenizer has no mask sub-word, or makes nothing of a paragraph.
    """
    if tokenizer.mask_token_id is None:
        raise ModelError(f"the tokenizer of {tokenizer.name_or_path!r} has no mask sub-word; use a masked LM's.")
    coded = plain.encode(tokenizer, paragraphs, max_length=max_length)
    hidden, labels = [], []
    for number, (ids, special) in enumerate(zip(coded["input_ids"], coded["special_tokens_mask"], strict=True)):
        places = _places(special, torch.Generator().manual_seed(seed_of("mask", seed, list(ids))))
        if not places:
            raise ModelError(f"the tokenizer makes no sub-word of paragraph {number}, {paragraphs[number][:40]!r}.")
        hidden.append([tokenizer.mask_token_id if place in places else token for place, token in enumerate(ids)])
        labels.append([token if place in places else IGNORE for place, token in enumerate(ids)])
    encoded = Encoded.pack(
        hidden,
        coded.get("token_type_ids"),
        labels,
        tokenizer.pad_token_id,
        position_ids=takes_position_ids(model),
        example=range(len(hidden)),
    )
    return encoded.batches(batch_size)


def _places(special: Sequence[int], generator: torch.Generator) -> set[int]:
    """The places to hide: a share of those that are not special, at least one if there are any."""
    open_places = [place for place, is_special in enumerate(special) if not is_special]
    n = min(len(open_places), max(1, round(SHARE * len(open_places))))
    return {open_places[i] for i in torch.randperm(len(open_places), generator=generator)[:n].tolist()}
