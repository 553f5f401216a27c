r"""A large table of sub-words, cut to the rows that the texts at hand use, without any effect on what is computed.

A row whose sub-word never occurs takes no part: it changes no logit and its gradient is 0. AdamW without weight decay
leaves it where it is, bit for bit. (An anchor pulls it back if an earlier stage has moved it: a second stage with L2 or
EWC is not cut.) So a model of 250,000 rows can be trained and measured with the few thousand that occur, for a fraction
of the memory and of the optimizer's time, and be put together again afterwards. It is the whole model that is trained,
stored and measured:

- :func:`cut` replaces the table; sub-words keep their numbers, and one that was left out is an error;
- :func:`restore` puts the whole table back, with the trained rows in it;
- a sum over *all* parameters (a norm, a distance, the noise of Algorithm 1) is over those left out too: :func:`whole`
  has them, :func:`kept` picks the kept ones out of a whole tensor, and :mod:`xlgen.models.perturb` uses both.

Numbers with and without the cut therefore differ by rounding alone, and nothing in a run's or a measure's name says
whether there was one. Small tables, such as the miniature's, are never cut.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from xlgen.core.errors import ModelError

LARGE = 2**16
"""Rows of a table that is worth the cut: mBERT's, XLM-R's and mT5's are larger, monolingual ones are smaller."""

ALWAYS = 256
"""The first rows are kept in any case: special sub-words, which a model may look up without finding them in a text."""


class CutEmbedding(nn.Embedding):
    """An embedding table of which some rows are left out.

    Attributes:
        there: (V,) which rows it has, on the CPU.
        rest: the (V - K, H) others, on the CPU.
        place: (V,) where a sub-word's row is; V where there is none.
    """

    def __init__(self, table: nn.Embedding, there: Tensor):
        weight = table.weight.detach()
        mine = weight[there.to(weight.device)]
        padding = None if table.padding_idx is None else int(there[: table.padding_idx].sum())
        super().__init__(*mine.shape, padding, _weight=mine)
        self.weight.requires_grad_(table.weight.requires_grad)
        self.weight.table = self  # how a function that is given parameters alone finds the rest
        self.there, self.rest = there, weight[~there.to(weight.device)].cpu()
        place = torch.full((len(there),), len(there))
        place[there] = torch.arange(len(mine))
        self.register_buffer("place", place.to(weight.device), persistent=False)

    @property
    def rows(self) -> int:
        """V, of the whole table."""
        return len(self.place)

    def places(self, ids: Tensor) -> Tensor:
        """Where the rows of ``ids`` are.

        Raises:
            ModelError: one is not there.
        """
        places = self.place[ids]
        if (places == self.rows).any():
            id = int(ids[places == self.rows][0])
            raise ModelError(
                f"the sub-word {id} is in none of the texts that the vocabulary was cut to; load the model again for "
                "other texts."
            )
        return places

    def forward(self, ids: Tensor) -> Tensor:
        """The rows of ``ids``, of any shape."""
        return functional.embedding(self.places(ids), self.weight, self.padding_idx)


def cut(model: nn.Module, ids: Iterable[Tensor]) -> None:
    """Leave out the rows of the table of sub-words that none of ``ids`` asks for, if it is :data:`LARGE`.

    Call it before an optimizer is made, which has to see the smaller table.

    Args:
        model: an encoder; a table that it also uses otherwise, such as for a language-model head, stays whole.
        ids: the sub-words of all texts, in tensors of any shape.
    """
    table = model.get_input_embeddings()
    if type(table).forward is not nn.Embedding.forward or table.num_embeddings <= LARGE or not _plain(table):
        return
    uses = [
        (module, name)
        for module in model.modules()
        for name, child in module.named_children()
        if getattr(child, "weight", None) is table.weight
    ]
    if any(type(getattr(module, name)) is not type(table) for module, name in uses):
        return
    there = torch.zeros(table.num_embeddings, dtype=torch.bool)
    there[:ALWAYS] = True
    for part in ids:
        there[part.flatten().long().cpu()] = True
    smaller = CutEmbedding(table, there)
    for module, name in uses:
        setattr(module, name, smaller)


def restore(model: nn.Module) -> None:
    """Put back the whole table, if :func:`cut` left rows out of it; the parameter is a new one."""
    table = model.get_input_embeddings()
    if not isinstance(table, CutEmbedding):
        return
    padding = None if table.padding_idx is None else int(table.there.nonzero()[table.padding_idx])
    larger = nn.Embedding(table.rows, table.embedding_dim, padding, _weight=whole(table.weight).detach())
    larger.weight.requires_grad_(table.weight.requires_grad)
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if child is table:
                setattr(module, name, larger)


def whole(p: Tensor) -> Tensor:
    """The parameter with the rows that :func:`cut` left out, in a new tensor; ``p`` itself if there are none."""
    table = getattr(p, "table", None)
    if table is None:
        return p
    there, together = table.there.to(p.device), p.new_empty(whole_shape(p))
    with torch.no_grad():
        together[there], together[~there] = p.detach(), table.rest.to(p)
    return together


def whole_shape(p: Tensor) -> tuple[int, ...]:
    """The shape of :func:`whole`."""
    table = getattr(p, "table", None)
    return tuple(p.shape) if table is None else (table.rows, *p.shape[1:])


def kept(p: Tensor, tensor: Tensor) -> Tensor:
    """Those rows of ``tensor``, of the shape of the whole parameter, that ``p`` has; all if none was left out."""
    table = getattr(p, "table", None)
    return tensor if table is None else tensor[table.there.to(tensor.device)]


def left_out(p: Tensor, tensor: Tensor) -> tuple[Tensor, Tensor] | None:
    """The rows that ``p`` lacks, and those of ``tensor``, which has the whole shape; ``None`` if there are none."""
    table = getattr(p, "table", None)
    return None if table is None else (table.rest, tensor[~table.there.to(tensor.device)])


def _plain(table: nn.Embedding) -> bool:
    return table.max_norm is None and not table.scale_grad_by_freq and not table.sparse
