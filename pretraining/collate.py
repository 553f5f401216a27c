"""From pretraining examples to tensors: what is masked, what was replaced, and the batches of a run."""

from __future__ import annotations

import random

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from pretraining.recipe import Recipe
from xlgen.data.batch import IGNORE
from xlgen.data.mini.corpus import Corpus, Example


class Collator:
    """Turns examples into tensors: tokens, masks and what is to be told of each token."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        self.core = tokenizer.backend_tokenizer
        self.mask_id, self.pad_id = tokenizer.mask_token_id, tokenizer.pad_token_id
        self.size = len(tokenizer)

    def encode(self, examples: list[Example]) -> list:
        """Tokenised pairs of texts."""
        return self.core.encode_batch(
            [("".join(p.text for p in e.first), "".join(p.text for p in e.second)) for e in examples]
        )

    def __call__(
        self, examples: list[Example], codes: list, rng: random.Random, *, mask: float, ease: float
    ) -> dict[str, Tensor]:
        """A batch, padded to its longest pair; with probability ``ease`` the second text's positions start at 0."""
        rows = [self._row(example, code, rng, mask) for example, code in zip(examples, codes, strict=True)]
        for row in rows:
            length, second = len(row["input_ids"]), sum(row["token_type_ids"])
            again = second if rng.random() < ease else 0
            row["position_ids"] = [*range(length - again), *range(again)]
        width = max(len(row["input_ids"]) for row in rows)
        fill = {"input_ids": self.pad_id, "token_type_ids": 0, "position_ids": 0, "attention_mask": 0}
        fill |= {"masked": IGNORE, "replaced": IGNORE}
        batch = {k: torch.tensor([row[k] + [v] * (width - len(row[k])) for row in rows]) for k, v in fill.items()}
        batch["match"] = torch.tensor([IGNORE if e.replaced is None else int(not e.replaced) for e in examples])
        return batch

    def _row(self, example: Example, code, rng: random.Random, share: float) -> dict[str, list[int]]:
        slots = [self._slot_of_character(side) for side in (example.first, example.second)]
        phrases = sorted({(side, slot) for side in (0, 1) for slot in slots[side] if slot})
        wrong = example.replaced or frozenset()
        hidden = {phrase for phrase in phrases if rng.random() < share}
        hidden -= {(1, slot) for slot in wrong}
        ids, masked, replaced = list(code.ids), [], []
        for place, (side, (start, _)) in enumerate(zip(code.sequence_ids, code.offsets, strict=True)):
            slot = slots[side][start] if side is not None else None
            mask = slot is not None and (side, slot) in hidden
            masked.append(ids[place] if mask else IGNORE)
            told = side == 1 and slot is not None and not mask and example.replaced is not None
            replaced.append(int(slot in wrong) if told else IGNORE)
            if mask:
                draw = rng.random()
                ids[place] = self.mask_id if draw < 0.85 else rng.randrange(5, self.size) if draw < 0.9 else ids[place]
        return {
            "input_ids": ids,
            "token_type_ids": list(code.type_ids),
            "attention_mask": list(code.attention_mask),
            "masked": masked,
            "replaced": replaced,
        }

    @staticmethod
    def _slot_of_character(side) -> list[tuple[int, str] | None]:
        out: list[tuple[int, str] | None] = []
        for piece in side:
            out.extend([(piece.clause, piece.slot) if piece.slot else None] * len(piece.text))
        return out


POOL = 16
"""Steps whose examples are drawn together and sorted by length, so that little of a batch is padding."""


class Batches:
    """The batches of a run; that of a step is a function of the recipe's seed and the step alone."""

    def __init__(self, recipe: Recipe, tokenizer: PreTrainedTokenizerFast):
        self.recipe, self.corpus, self.collate = recipe, Corpus(recipe.smoothing), Collator(tokenizer)
        self._number, self._pool = -1, []

    def __getitem__(self, step: int) -> dict[str, Tensor]:
        number, place = divmod(step, POOL)
        if number != self._number:
            self._number, self._pool = number, self._draw(number)
        rng = random.Random(f"pretrain {self.recipe.seed} mask {step}")
        mask, ease = self.recipe.mask_at(step), self.recipe.ease_at(step)
        return self.collate(*self._pool[place], rng, mask=mask, ease=ease)

    def _draw(self, number: int) -> list[tuple[list[Example], list]]:
        rng = random.Random(f"pretrain {self.recipe.seed} pool {number}")
        size = self.recipe.batch
        ease, hard = self.recipe.ease_at(number * POOL), number * POOL >= self.recipe.hard
        examples = [self.corpus.example(rng, ease, hard=hard) for _ in range(POOL * size)]
        codes = self.collate.encode(examples)
        order = sorted(range(len(codes)), key=lambda i: len(codes[i].ids))
        cuts = [order[start : start + size] for start in range(0, len(order), size)]
        batches = [([examples[i] for i in cut], [codes[i] for i in cut]) for cut in cuts]
        rng.shuffle(batches)
        return batches
