"""What is timed: BERT classifiers of two sizes, randomly initialised and trained a few steps on made-up labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertConfig, BertForSequenceClassification

from xlgen.data.batch import Batch, count


@dataclass(frozen=True)
class Shape:
    """A model and a batch.

    Attributes:
        name: of the table.
        layers, width, vocabulary: of the model; heads are 64 wide, the feed-forward layer is four times the width.
        batch: examples of a batch.
        repeats: pairs of timings of each row, unless asked for otherwise.
        length: places of each example, padded; half to all of them are text.
        classes: labels.
        batches: of a "data set", for what is measured over one.
        training: steps of training before anything is measured.
        lr: of the training.
        room: memory that a row may need on top of the model [GiB]; rows that say that they need more are left out.
        brief: leave out what the same model with fewer examples has shown: there, what is not arithmetic weighs more.
    """

    name: str
    layers: int
    width: int
    vocabulary: int
    batch: int
    repeats: int
    length: int = 128
    classes: int = 3
    batches: int = 4
    training: int = 40
    lr: float = 3e-4
    room: float = 6.0
    brief: bool = False

    @property
    def parameters(self) -> int:
        per_layer = 12 * self.width**2 + 13 * self.width
        embeddings = (self.vocabulary + self.length + 2) * self.width
        head = self.width * (self.width + self.classes + 3) + self.classes
        return self.layers * per_layer + embeddings + head

    @property
    def per_sample(self) -> float:
        """Memory of the gradients of all examples of a batch, side by side [GiB]."""
        return self.batch * self.parameters * 4 / 2**30

    @property
    def weights(self) -> float:
        """Memory of one copy of the weights [GiB]."""
        return self.parameters * 4 / 2**30


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("small", layers=4, width=256, vocabulary=8_000, batch=8, repeats=11),
        Shape("mbert-4", layers=12, width=768, vocabulary=119_547, batch=4, repeats=3, batches=2, training=6, lr=1e-4),
        Shape(
            "mbert-8",
            layers=12,
            width=768,
            vocabulary=119_547,
            batch=8,
            repeats=3,
            batches=1,
            training=4,
            lr=1e-4,
            brief=True,
        ),
    )
}


class Bench:
    """A trained model, its batches, and the plain step that everything is compared with.

    The rows of one table share the model: whatever they do has to leave the weights as they were, bit for bit.
    """

    def __init__(self, shape: Shape, seed: int = 0):
        self.shape = shape
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            self.model = BertForSequenceClassification(_config(shape)).eval()
        generator = torch.Generator().manual_seed(seed)
        self.batches = [_batch(shape, number, generator) for number in range(shape.batches)]
        self.losses = self._train()

    @property
    def batch(self) -> Batch:
        return self.batches[0]

    @cached_property
    def weights(self) -> dict[str, nn.Parameter]:
        return dict(self.model.named_parameters())

    def loss(self, batch: Batch) -> Tensor:
        return F.cross_entropy(self.model(**batch.inputs).logits, batch.labels)

    def plain(self) -> None:
        """One forward and backward pass: the unit."""
        self.loss(self.batch).backward()

    def plain_all(self) -> None:
        """The same over all batches."""
        for batch in self.batches:
            self.loss(batch).backward()

    def clear(self) -> None:
        self.model.zero_grad(set_to_none=True)

    def gradients(self) -> dict[str, Tensor]:
        """What is in ``p.grad``, not copied."""
        return {name: w.grad for name, w in self.weights.items() if w.grad is not None}

    def cross_entropy_gradient(self) -> dict[str, Tensor]:
        """Of the plain step; leaves ``p.grad`` as it is."""
        names, theta = zip(*self.weights.items(), strict=True)
        return dict(zip(names, torch.autograd.grad(self.loss(self.batch), theta), strict=True))

    def fingerprint(self) -> list[int]:
        """Changes with any bit of any weight (almost surely)."""
        return [int(w.detach().view(torch.int32).sum(dtype=torch.int64)) for w in self.weights.values()]

    def _train(self) -> tuple[float, float]:
        """Train on all batches in turn; return the mean loss before and after."""
        before = self._mean_loss()
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=self.shape.lr, fused=True)
        for step in range(self.shape.training):
            self.clear()
            self.loss(self.batches[step % len(self.batches)]).backward()
            optimizer.step()
        self.clear()
        return before, self._mean_loss()

    @torch.no_grad()
    def _mean_loss(self) -> float:
        return sum(len(b) * self.loss(b).item() for b in self.batches) / count(self.batches)


def _config(shape: Shape) -> BertConfig:
    return BertConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=max(1, shape.width // 64),
        intermediate_size=4 * shape.width,
        max_position_embeddings=shape.length,
        num_labels=shape.classes,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        attn_implementation="eager",
    )


def _batch(shape: Shape, number: int, generator: torch.Generator) -> Batch:
    """Padded examples with repeated sub-words, in two views; the label is that of the first sub-word."""

    def inputs(first: Tensor) -> dict[str, Tensor]:
        ids = torch.randint(5, shape.vocabulary, (shape.batch, shape.length), generator=generator)
        ids[:, 0], ids[:, 2] = first, ids[:, 1]
        lengths = torch.randint(shape.length // 2, shape.length + 1, (shape.batch,), generator=generator)
        lengths[0] = shape.length
        mask = (torch.arange(shape.length) < lengths[:, None]).long()
        positions = torch.arange(shape.length).repeat(shape.batch, 1)
        types = torch.zeros_like(ids)
        return {
            "input_ids": ids * mask,
            "attention_mask": mask,
            "token_type_ids": types,
            "position_ids": positions,
        }

    labels = torch.randint(shape.classes, (shape.batch,), generator=generator)
    first = 5 + labels + shape.classes * torch.randint(8, (shape.batch,), generator=generator)
    index = torch.arange(number * shape.batch, (number + 1) * shape.batch)
    return Batch(inputs(first), labels, index, view=inputs(first), view_labels=labels)


Timed = Callable[[], object]
"""What is timed; what it returns is checked."""
