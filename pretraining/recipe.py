"""How the miniature's encoder is pretrained: everything that determines it."""

from __future__ import annotations

from dataclasses import dataclass

from xlgen.data.mini.corpus import SMOOTHING


@dataclass(frozen=True)
class Recipe:
    """Everything that determines the encoder.

    Attributes:
        layers, hidden, heads, feed_forward: the shape of BERT.
        vocabulary: WordPiece pieces, over all languages.
        smoothing: exponent of the languages' sampling weights.
        steps: optimizer steps; ``decay`` is the last part of them in which the learning rate falls to 0.
        easy: steps over which the aids of the beginning fade out.
        hard: step from which examples are harder (see :meth:`xlgen.data.mini.corpus.Corpus.example`) and less is
            masked.
        vectors: translations from which the embeddings start (:mod:`pretraining.lsa`).
        batch: pairs of texts in a step.
        lr, warmup: peak learning rate and the steps to reach it.
        mask, mask_hard: probability that a phrase is masked, before and from step ``hard`` on.
        spread: standard deviation of the initial weights (BERT's 0.02 suits 768 dimensions, not 128).
        detection: weight of the replaced-token loss.
        seed: seeds initialisation and data.
    """

    layers: int = 4
    hidden: int = 128
    heads: int = 4
    feed_forward: int = 384
    vocabulary: int = 6_000
    smoothing: float = SMOOTHING
    steps: int = 15_300
    decay: float = 0.15
    easy: int = 8_000
    hard: int = 10_000
    vectors: int = 20_000
    batch: int = 32
    lr: float = 1e-3
    warmup: int = 1_000
    mask: float = 0.4
    mask_hard: float = 0.1
    spread: float = 0.06
    detection: float = 4.0
    seed: int = 0

    def lr_at(self, step: int) -> float:
        """Learning rate of a step: warm-up, plateau, linear decay."""
        left = (self.steps - step) / (self.decay * self.steps)
        return self.lr * min((step + 1) / self.warmup, 1.0, left)

    def ease_at(self, step: int) -> float:
        """Share of the examples that are made easy at a step."""
        return max(0.0, 1.0 - step / self.easy) if self.easy else 0.0

    def mask_at(self, step: int) -> float:
        """Probability that a phrase is masked at a step."""
        return self.mask if step < self.hard else self.mask_hard
