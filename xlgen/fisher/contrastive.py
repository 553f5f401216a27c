r"""Finding the translation among others: the loss of encoders of sentences, and its Fisher information.

.. math:: \ell(x_i) = -\log p_\theta(i \mid x_i), \qquad p_\theta(j \mid x_i) =
          \frac{\exp(\cos(f_\theta(x_i), c_j) / \tau)}{\sum_k \exp(\cos(f_\theta(x_i), c_k) / \tau)}

(oord2018representation; wang2024multilingual for multilingual E5, τ = 0.01), where :math:`f_\theta(x)` is the
mean of the encoder's last hidden states and :math:`c_j` are the vectors of the translations of all sentences of the
same group of at most :data:`CANDIDATES`: i's own is the answer, those of the others are the wrong ones. A guess among
K has :math:`\ln K`.

The gradient goes through the sentence :math:`x_i` and not through the candidates, whose vectors are those of the
pretrained encoder. Then :math:`p_\theta(\cdot | x_i)` is an ordinary classifier of one text with a fixed last layer,
and its Fisher information has the usual definition, example by example: the mean over sentences of the squared gradient
of :math:`\log p_\theta(y | x_i)`, y the true answer or one drawn from the model. Through the candidates as well, an
example's gradient would hold K other sentences, of another language, and the information of every language would be
mostly that of English. So F says which weights a language needs for its sentences to be found where they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from xlgen.core.errors import DataError, ModelError
from xlgen.data import plain
from xlgen.data.batch import Batch
from xlgen.data.encode import Encoded
from xlgen.models import check_encoder, pretrained, takes_position_ids
from xlgen.models.sentences import Sentences, sentences_of

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel
    from transformers.modeling_outputs import SequenceClassifierOutput

CANDIDATES = 128
"""Most translations that the right one is looked for among: few enough for a batch, and a guess has 4.85 nats."""


class Finder(nn.Module):
    """An encoder that looks for the translation of a sentence among given vectors; its own are parameters, as usual.

    Attributes:
        sentences: how the encoder makes and compares vectors.
        config: the encoder's.
        base_model_prefix: what a classifier calls the encoder, and so does this.
    """

    def __init__(self, encoder: PreTrainedModel, sentences: Sentences):
        super().__init__()
        self.sentences, self.config, self.base_model_prefix = sentences, encoder.config, encoder.base_model_prefix
        self.add_module(self.base_model_prefix, encoder)

    @property
    def encoder(self) -> PreTrainedModel:
        return getattr(self, self.base_model_prefix)

    def vectors(self, attention_mask: Tensor, **inputs: Tensor) -> Tensor:
        """(B, H), of length one: the mean over the sub-words of each text."""
        states = self.encoder(attention_mask=attention_mask, **inputs).last_hidden_state
        there = attention_mask[..., None].to(states.dtype)
        return functional.normalize((states * there).sum(1) / there.sum(1), dim=-1)

    def forward(self, candidates: Tensor, **inputs: Tensor) -> SequenceClassifierOutput:
        """Logits (B, K): cosines with the candidates (B, K, H), which have length one, divided by τ."""
        from transformers.modeling_outputs import SequenceClassifierOutput

        cosines = (candidates @ self.vectors(**inputs)[..., None]).squeeze(-1)
        return SequenceClassifierOutput(logits=cosines / self.sentences.temperature)


def load(name: str) -> Finder:
    """A pretrained encoder of sentences, in ``eval()`` mode, float32, on the CPU; without a pooler, which has no part.

    Args:
        name: a name in :data:`xlgen.models.sentences.SENTENCES`, or a folder of sentence-transformers.

    Raises:
        ModelError: as :func:`xlgen.models.locate` and :func:`xlgen.models.sentences.sentences_of`; or the model is no
            encoder alone, or its weights are not those that its config.json describes.
    """
    from transformers import AutoModel

    def check(config: PretrainedConfig) -> None:
        if config.is_encoder_decoder:
            raise ModelError(f"{name!r} ({config.model_type}) has a decoder; expected an encoder of sentences.")

    sentences = sentences_of(name)
    encoder, info = pretrained(AutoModel, name, "an encoder", check)
    check_encoder("", {key for key, _ in encoder.named_parameters()}, info, name)
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    return Finder(encoder, sentences).eval()


def batches(
    model: Finder, tokenizer: Any, pairs: Sequence[tuple[str, str]], *, max_length: int, batch_size: int
) -> list[Batch]:
    """The sentences, group by group, longest first; the label is the number of the translation in the group.

    Each batch has the vectors of all translations of its group among its inputs, as ``candidates`` (B, K, H). The
    groups are consecutive pairs, as few and as equal in size as :data:`CANDIDATES` allows.

    Args:
        model: whose vectors these are.
        tokenizer: the model's.
        pairs: each a sentence and its translation; at least two, and none twice.
        max_length: sub-words of a text, the prefix and special ones included; what is longer loses its end.
        batch_size: texts of a forward pass. No effect but rounding.

    Raises:
        DataError: there is one pair alone, and nothing to tell it from; or there are no pairs but plain texts.
    """
    if any(isinstance(pair, str) for pair in pairs):
        raise DataError(
            "plain text is given; an encoder of sentences needs translations: read them with xlgen.fisher.of_text.read."
        )
    if len(pairs) < 2:
        raise DataError(f"{len(pairs)} pair of translations: nothing to tell it from; ask for two or more.")
    n_groups = -(-len(pairs) // CANDIDATES)
    bounds = [len(pairs) * k // n_groups for k in range(n_groups + 1)]
    found = []
    for start, stop in zip(bounds, bounds[1:], strict=False):
        sides = zip(*pairs[start:stop], strict=True)
        here, there = (_encoded(model, tokenizer, texts, max_length).batches(batch_size) for texts in sides)
        candidates = _candidates(model, there)
        for batch in here:
            inputs = {**batch.inputs, "candidates": candidates.expand(len(batch), -1, -1)}
            found.append(replace(batch, inputs=inputs, index=batch.index + start))
    return found


def _encoded(model: Finder, tokenizer: Any, texts: Sequence[str], max_length: int) -> Encoded:
    coded = plain.encode(tokenizer, [model.sentences.prefix + text for text in texts], max_length=max_length)
    return Encoded.pack(
        coded["input_ids"],
        coded.get("token_type_ids"),
        range(len(texts)),
        tokenizer.pad_token_id,
        position_ids=takes_position_ids(model.encoder),
    )


@torch.no_grad()
def _candidates(model: Finder, translations: Sequence[Batch]) -> Tensor:
    """Vectors of one group's translations, (K, H) in their order, on the CPU."""
    device = next(model.parameters()).device
    found = torch.cat([model.vectors(**batch.to(device).inputs).cpu() for batch in translations])
    return found[torch.cat([batch.index for batch in translations]).argsort()]
