"""From rows to padded batches: tokenised once, bucketed by length, padded to the longest of each batch.

Compute follows the real lengths. The order of training is a function of the seed and the epoch alone, so that a run
can be repeated and resumed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import tokenizers
import torch
from torch import Tensor

from xlgen.core import code
from xlgen.core.config import digest
from xlgen.core.errors import ModelError
from xlgen.data import plain
from xlgen.data.batch import IGNORE, Batch
from xlgen.data.read_pairs import Rows
from xlgen.data.token_cache import remembered

POOL = 50
"""Batches of a pool in training: enough for neighbours of equal length, few enough to leave the order random."""

CHUNK = 8192
"""Pairs of one call of the tokenizer, whose results take a hundred times the memory of the token numbers."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """Tokenised examples of one language and split, unpadded.

    Attributes:
        tokens: (sum of the lengths,) int32, sub-word numbers of all examples in a row.
        types: (sum of the lengths,) int32, segment numbers; ``None`` where the model takes none.
        offsets: (N + 1,) int64; example i is ``tokens[offsets[i]:offsets[i + 1]]``.
        labels: (N,) int64 class indices; in tagging (sum of the lengths,), as :attr:`xlgen.data.batch.Batch.labels`.
        pad: number of the padding sub-word.
        position_ids: give each batch explicit positions 0, 1, …
        example: in tagging, (N,) number of the sentence that each row is a piece of, ascending; else ``None``.
    """

    tokens: Tensor
    types: Tensor | None
    offsets: Tensor
    labels: Tensor
    pad: int
    position_ids: bool = False
    example: Tensor | None = None

    @classmethod
    def pack(
        cls,
        input_ids: Sequence[Sequence[int]],
        token_type_ids: Sequence[Sequence[int]] | None,
        labels: Sequence[int] | Sequence[Sequence[int]],
        pad: int,
        *,
        position_ids: bool = False,
        example: Sequence[int] | None = None,
    ) -> Encoded:
        """Build from one sequence a row, as a tokenizer returns them; with ``example``, also one of labels."""
        lengths = torch.tensor([0, *map(len, input_ids)])
        return cls(
            tokens=_flat(input_ids),
            types=None if token_type_ids is None else _flat(token_type_ids),
            offsets=lengths.cumsum(0),
            labels=torch.tensor(labels, dtype=torch.int64) if example is None else _flat(labels).long(),
            pad=pad,
            position_ids=position_ids,
            example=None if example is None else torch.tensor(example, dtype=torch.int64),
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def piece(self) -> Tensor | None:
        """(N,) in tagging, how many rows before each row belong to the same sentence."""
        if self.example is None:
            return None
        first = torch.searchsorted(self.example, self.example)
        return torch.arange(len(self)) - first

    @property
    def lengths(self) -> Tensor:
        """(N,) sub-words of each example, special tokens included."""
        return self.offsets.diff()

    def inputs(self, index: Tensor) -> dict[str, Tensor]:
        """The model's inputs for the examples ``index``, padded on the right to the longest of them.

        Args:
            index: (B,) row numbers.

        Returns:
            Contiguous (B, T) int64 tensors. Padded places hold the padding sub-word, segment 0 and mask 0.
        """
        source, mask = self._places(index)
        inputs = {
            "input_ids": self.tokens[source].long().masked_fill(~mask, self.pad),
            "attention_mask": mask.long(),
        }
        if self.types is not None:
            inputs["token_type_ids"] = self.types[source].long().masked_fill(~mask, 0)
        if self.position_ids:
            inputs["position_ids"] = torch.arange(mask.shape[1]).repeat(len(index), 1)
        return inputs

    def _places(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Where in ``tokens`` the sub-words of the rows are, and which places are not padding; (B, T) each."""
        lengths = self.lengths[index]
        place = torch.arange(int(lengths.max()))
        mask = place < lengths[:, None]
        return (self.offsets[index][:, None] + place).masked_fill(~mask, 0), mask

    def targets(self, index: Tensor) -> Tensor:
        """The labels of the rows ``index``: (B,), or (B, T) in tagging."""
        if self.example is None:
            return self.labels[index]
        source, mask = self._places(index)
        return self.labels[source].masked_fill(~mask, IGNORE)

    def batch(self, index: Tensor, view: Encoded | None = None) -> Batch:
        """The rows ``index`` as a batch; with ``view``, also in that segmentation, padded on its own."""
        return Batch(
            inputs=self.inputs(index),
            labels=self.targets(index),
            index=index if self.example is None else self.example[index],
            piece=None if self.piece is None else self.piece[index],
            view=None if view is None else view.inputs(index),
            view_labels=None if view is None else view.targets(index),
        )

    def batches(self, batch_size: int) -> list[Batch]:
        """All examples for evaluation, longest first, so that too little memory shows at once."""
        order = self.lengths.argsort(descending=True, stable=True)
        return [self.batch(index) for index in order.split(batch_size)] if len(self) else []

    def epoch(
        self,
        batch_size: int,
        micro_batch_size: int,
        seed: int,
        epoch: int,
        views: Callable[[int], Encoded] | None = None,
    ) -> Iterator[list[Batch]]:
        """All examples once, for training: one list of micro-batches per optimizer step.

        The order is :func:`training_order`. Within a step, micro-batches are cut by length and padded one by one.

        Args:
            batch_size: examples of a step; the last few form one shorter step, at a random place.
            micro_batch_size: examples of a forward pass; 0 is ``batch_size``.
            seed: of the order.
            epoch: 0-based number of the epoch, part of the order's seed and the argument of ``views``.
            views: the same rows in a sampled segmentation for this epoch, attached as ``Batch.view``.
        """
        view = None if views is None else views(epoch)
        if view is not None and len(view) != len(self):
            raise ValueError(f"a view of {len(view)} other examples; expected the same {len(self)} rows")
        for index in training_order(self.lengths, batch_size, seed, epoch):
            yield [self.batch(part, view) for part in index.split(micro_batch_size or batch_size)]


def _flat(sequences: Iterable[Sequence[int]]) -> Tensor:
    return torch.tensor([number for sequence in sequences for number in sequence], dtype=torch.int32)


def training_order(lengths: Tensor, batch_size: int, seed: int, epoch: int) -> list[Tensor]:
    """Row numbers of each step's examples, random in order and alike in length.

    Shuffle all rows, cut them in pools of :data:`POOL` batches, sort each pool by length, cut it in batches, shuffle
    the batches. Depends on nothing but the arguments; torch's global generator is not used.

    Args:
        lengths: (N,) lengths of the examples.
        batch_size: examples of a step.
        seed: of the order.
        epoch: 0-based number of the epoch.
    """
    number = int.from_bytes(hashlib.sha256(f"order {seed} {epoch}".encode()).digest()[:8], "big") >> 1
    generator = torch.Generator().manual_seed(number)
    batches: list[Tensor] = []
    for pool in torch.randperm(len(lengths), generator=generator).split(POOL * batch_size):
        batches += pool[lengths[pool].argsort(stable=True)].split(batch_size)
    return [batches[i] for i in torch.randperm(len(batches), generator=generator)]


def fingerprint(tokenizer) -> str:
    """First 16 hex digits of the SHA-256 of all that decides how a tokenizer splits a text.

    Raises:
        ModelError: the tokenizer is neither a fast one nor XLM's, or cannot pad.
    """
    name = getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__
    slow = type(tokenizer).__name__ == "XLMTokenizer"  # there is no fast one
    if not (slow or getattr(tokenizer, "is_fast", False)):
        raise ModelError(f"the tokenizer of {name} is not a fast one; expected a model with a tokenizer.json.")
    if tokenizer.pad_token_id is None:
        raise ModelError(f"the tokenizer of {name} has no padding token; expected an encoder's tokenizer.")
    inputs = [list(tokenizer.model_input_names), tokenizer.truncation_side]
    if slow:
        merges = sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.get)
        rules = [metadata.version(package) for package in ("transformers", "sacremoses")]
        return digest([*rules, tokenizer.get_vocab(), merges, tokenizer.do_lowercase_and_remove_accent, *inputs])
    return digest([tokenizers.__version__, _description(tokenizer.backend_tokenizer), *inputs])


def _description(backend: tokenizers.Tokenizer) -> str:
    """A backend without the cutting and padding of its last call, which are no part of its identity, and are kept."""
    truncation, padding = backend.truncation, backend.padding
    backend.no_truncation()
    backend.no_padding()
    try:
        return backend.to_str()
    finally:
        if truncation is not None:
            backend.enable_truncation(**truncation)
        if padding is not None:
            backend.enable_padding(**padding)


def key_of(rows: Any, tokenizer, max_length: int) -> str:
    """Digest of all that decides the sub-words of rows: their contents, the tokenizer, the length, and the code.

    Raises:
        ModelError: as :func:`fingerprint`.
    """
    return digest([rows.fingerprint, fingerprint(tokenizer), max_length, code.of_tokens()])


def encode(
    rows: Rows, tokenizer, max_length: int, cache_dir: Path | None = None, position_ids: bool = False
) -> Encoded:
    """Tokenise ``rows`` once; asked again for the same, answer from memory or from ``cache_dir``.

    A special sub-word that is written in a text is text (:mod:`xlgen.data.plain`).

    Args:
        rows: the pairs.
        tokenizer: a fast tokenizer of transformers, or XLM's; it also says whether the model takes ``token_type_ids``.
        max_length: sub-words of a pair, special tokens included; a longer pair loses the end of its longer text (the
            beginning, where the tokenizer's ``truncation_side`` is left), sub-word by sub-word.
        cache_dir: folder of token files, named by the digest of rows, tokenizer and length; ``None`` keeps no files.
            A file that does not match its checksum is made again.
        position_ids: give batches explicit ``position_ids`` 0, 1, …: right for models of BERT's kind, wrong for
            RoBERTa's, which count from the padding number.

    Raises:
        ModelError: as :func:`fingerprint`.
    """
    key = key_of(rows, tokenizer, max_length)

    def build(tensors: dict[str, Tensor]) -> Encoded:
        labels = torch.tensor(rows.labels, dtype=torch.int64)
        return Encoded(
            tensors["tokens"], tensors.get("types"), tensors["offsets"], labels, tokenizer.pad_token_id, position_ids
        )

    def make() -> dict[str, Tensor]:
        return _tokenise(rows, tokenizer, max_length)

    return remembered(key, cache_dir, make, build, position_ids=position_ids)


def _tokenise(rows: Rows, tokenizer, max_length: int) -> dict[str, Tensor]:
    tokens, types, lengths = [], [], [0]
    for start in range(0, len(rows), CHUNK):
        chunk = slice(start, start + CHUNK)
        part = plain.encode(tokenizer, rows.first[chunk], rows.second[chunk], max_length=max_length)
        tokens.append(_flat(part["input_ids"]))
        if "token_type_ids" in part:
            types.append(_flat(part["token_type_ids"]))
        lengths += map(len, part["input_ids"])
    tensors = {"tokens": torch.cat(tokens), "offsets": torch.tensor(lengths).cumsum(0)}
    return tensors | ({"types": torch.cat(types)} if types else {})
