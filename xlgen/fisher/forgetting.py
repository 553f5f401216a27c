r"""What an encoder forgets of a language: how far its guesses are from the pretrained encoder's.

.. math:: D(\Delta) = \frac1N \sum_{n=1}^{N} \sum_{t \in M_n} \mathrm{KL}\big[ p_{\theta^*}(\cdot \mid \tilde x_n, t)
    \,\|\, p_{\theta^* + \Delta}(\cdot \mid \tilde x_n, t) \big]

in nats a paragraph, over N paragraphs of plain text with the sub-words at the places :math:`M_n` hidden
(:mod:`xlgen.fisher.mlm`); of an encoder of sentences, over N sentences with one guess each, which of the candidates is
the translation (:mod:`xlgen.fisher.contrastive`). The pretrained head, or the candidates, stay as they are;
:math:`\Delta` moves the encoder only. For small :math:`\Delta` it is :math:`\frac12 \Delta^\top F \Delta`, F the Fisher
information of these guesses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from xlgen.core.errors import UnknownName
from xlgen.data.batch import Batch, scored
from xlgen.fisher import of_text
from xlgen.models import layers, load_tokenizer


class Forgetting:
    """The divergence of a pretrained encoder's guesses after its weights were moved.

    Args:
        model: ``"mini"``, a packaged encoder, a folder or a hub id.
        paragraphs: by language, those of a text of :func:`xlgen.fisher.of_text.read`.
        max_length: sub-words of a paragraph; what is longer loses its end.
        batch_size: paragraphs of a forward pass.

    Raises:
        DataError, ModelError: as :func:`xlgen.fisher.of_text.load` and :func:`xlgen.fisher.of_text.batches_of`.
    """

    def __init__(self, model: str, paragraphs: Mapping[str, Sequence], *, max_length: int, batch_size: int = 16):
        self.model, tokenizer = of_text.load(model), load_tokenizer(model)
        sizes = {"max_length": max_length, "batch_size": batch_size}
        self.batches = {
            code: of_text.batches_of(self.model, tokenizer, texts, **sizes) for code, texts in paragraphs.items()
        }
        self.origin = {name: w.detach().clone() for name, w in self.model.named_parameters()}
        self.names = layers.encoder(self.model)
        self.before = {code: self._guesses(batches) for code, batches in self.batches.items()}

    def displacement(self, tuned: nn.Module) -> dict[str, Tensor]:
        """Fine-tuned minus pretrained weights of the encoder, by their names in the fine-tuned model."""
        now = dict(tuned.named_parameters())
        return {name: now[name].detach() - self.origin[key] for key, name in self.names.items() if name in now}

    @torch.no_grad()
    def __call__(
        self, displacement: Mapping[str, Tensor], t: float = 1.0, languages: Iterable[str] = ()
    ) -> dict[str, float]:
        """What is forgotten at the pretrained weights plus t times a displacement.

        Args:
            displacement: by the encoder's names, see :meth:`displacement`; what has none stays.
            t: fraction of it.
            languages: all of them unless given.

        Returns:
            By language, nats a paragraph.

        Raises:
            UnknownName: there is no text in that language, or no weight of that name.
        """
        languages = tuple(languages) or tuple(self.batches)
        for kind, given, expected in (
            ("language", languages, self.batches),
            ("weight of the encoder", displacement, self.names.values()),
        ):
            for name in given:
                if name not in expected:
                    raise UnknownName(kind, name, expected)
        weights = dict(self.model.named_parameters())
        try:
            for key, name in self.names.items():
                if name in displacement:
                    weights[key].add_(displacement[name], alpha=t)
            return {code: self._divergence(code) for code in languages}
        finally:
            for key, w in weights.items():
                w.copy_(self.origin[key])

    @torch.no_grad()
    def _guesses(self, batches: Sequence[Batch]) -> list[Tensor]:
        """Log-probabilities of all that is guessed, a batch each."""
        return [scored(self.model(**batch.inputs).logits, batch.labels)[0].log_softmax(-1) for batch in batches]

    def _divergence(self, code: str) -> float:
        total = 0.0
        for p, q in zip(self.before[code], self._guesses(self.batches[code]), strict=True):
            total += (p.exp() * (p - q)).sum(dtype=torch.float64).item()
        return total / sum(len(batch) for batch in self.batches[code])


def inner(a: Mapping[str, Tensor], b: Mapping[str, Tensor], weight: Mapping[str, Tensor] | None = None) -> float:
    r"""Inner product of two displacements, :math:`\sum_i a_i b_i` or, weighted, :math:`\sum_i F_i a_i b_i`.

    Args:
        a: by the names of the weights.
        b: the same names.
        weight: F, such as a diagonal of the Fisher information; what it does not name weighs nothing.
    """
    total = 0.0
    for name in a:
        if weight is None or name in weight:
            product = a[name].double() * b[name].double()
            total += (product if weight is None else product * weight[name]).sum().item()
    return total
