"""Models that cannot understand a sentence: what the words alone give away.

Both are multilayer perceptrons on word counts, without order. If they come close to the encoder, the task can be
solved by its surface and says nothing of transfer.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_WORD = re.compile(r"\w+|[^\w\s]")


def words(text: str) -> list[str]:
    """Lower-cased words and punctuation marks."""
    return _WORD.findall(text.lower())


def _counts(texts: tuple[str, ...], index: dict[str, int]) -> Tensor:
    out = torch.zeros(len(texts), len(index))
    for row, text in enumerate(texts):
        for word in words(text):
            if word in index:
                out[row, index[word]] += 1
    return out


def _features(first: tuple[str, ...], second: tuple[str, ...], index: dict[str, int], inputs: str) -> Tensor:
    """(N, D) features: the second sentence's bag, or both bags, what they share and where they differ."""
    b = _counts(second, index)
    if inputs == "second":
        return b
    a = _counts(first, index)
    return torch.cat([a, b, torch.minimum(a, b), (a - b).abs()], dim=1)


def shortcut_accuracy(train, test, *, inputs: str, seed: int = 0, epochs: int = 20, hidden: int = 128) -> float:
    """Accuracy on ``test`` of a bag-of-words perceptron fitted to ``train``.

    Args:
        train, test: rows with ``first``, ``second`` and ``labels``.
        inputs: ``"second"`` (the hypothesis alone) or ``"both"``.
        seed: initialisation and order.
        epochs: passes over the training pairs.
        hidden: units of the hidden layer.
    """
    vocabulary = sorted({word for text in (*train.first, *train.second) for word in words(text)})
    index = {word: number for number, word in enumerate(vocabulary)}
    x = _features(train.first, train.second, index, inputs)
    y = torch.tensor(train.labels)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(x.shape[1], hidden), nn.ReLU(), nn.Linear(hidden, int(y.max()) + 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    for _ in range(epochs):
        for rows in torch.randperm(len(y), generator=generator).split(128):
            optimizer.zero_grad()
            F.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
    with torch.inference_mode():
        predicted = model(_features(test.first, test.second, index, inputs)).argmax(1)
    return float((predicted == torch.tensor(test.labels)).float().mean())
