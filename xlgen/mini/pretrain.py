"""Pretraining of the miniature's encoder: one command, seeded and resumable.

A small BERT reads pairs of texts (:mod:`xlgen.mini.corpus`) and is trained on the sum of three losses, all from one
forward pass:

* masked and translation language modelling: whole phrases are masked on both sides :cite:`devlin2019bert`;
* replaced-token detection: for each token of the second text, does it agree with the first? (as in ELECTRA, XLM-E);
* matching: has anything been replaced? (from the pooled [CLS]).

Training starts easy: in the first steps most sentences have one clause, and the positions of the second text start
again at 0, as in XLM's translation language modelling :cite:`conneau2019xlm`, so that words that translate each other
are found; both aids fade out linearly.

The learning rate warms up, stays constant and falls linearly to 0 over the last part of the run. Step ``k`` draws its
examples from a generator seeded with ``(seed, k)``, so a resumed run continues exactly where it stopped.

Run ``python -m xlgen.mini.pretrain --out FOLDER``; run it again to continue after an interruption.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm
from transformers import BertConfig, BertForPreTraining, PreTrainedTokenizerFast

from xlgen.errors import ConfigError
from xlgen.mini.card import card
from xlgen.mini.corpus import SMOOTHING, Corpus, Example
from xlgen.mini.lsa import word_vectors
from xlgen.mini.tokenizer import train_tokenizer

log = logging.getLogger(__name__)
IGNORE = -100
SHIPPED = Path(__file__).parent / "encoder"
COLUMNS = ("masked", "replaced", "match", "match_accuracy")


@dataclass(frozen=True)
class Recipe:
    """Everything that determines the encoder.

    Attributes:
        layers, hidden, heads, feed_forward: the shape of BERT.
        vocabulary: WordPiece pieces, over all languages.
        smoothing: exponent of the languages' sampling weights.
        steps: optimizer steps; ``decay`` is the last part of them in which the learning rate falls to 0.
        easy: steps over which the aids of the beginning fade out.
        hard: step from which examples are harder (see :meth:`xlgen.mini.corpus.Corpus.example`) and less is masked.
        vectors: translations from which the embeddings start (:mod:`xlgen.mini.lsa`).
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


class Pretrainer(nn.Module):
    """BERT with its own two pretraining heads and one that tells replaced tokens."""

    def __init__(self, recipe: Recipe, pad: int):
        super().__init__()
        config = BertConfig(
            vocab_size=recipe.vocabulary,
            hidden_size=recipe.hidden,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            intermediate_size=recipe.feed_forward,
            max_position_embeddings=128,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            initializer_range=recipe.spread,
            pad_token_id=pad,
            attn_implementation="sdpa",
        )
        self.bert = BertForPreTraining(config)
        self.detect = nn.Linear(recipe.hidden, 1)

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The three losses, each a mean over what it is asked about [nats]."""
        names = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
        hidden, pooled = self.bert.bert(**{k: batch[k] for k in names}, return_dict=False)[:2]
        masked = batch["masked"] != IGNORE
        scores = self.bert.cls.predictions(hidden[masked])  # (masked tokens, V)
        told = batch["replaced"] != IGNORE
        matches = self.bert.cls.seq_relationship(pooled)  # (B, 2)
        detected = self.detect(hidden[told]).squeeze(-1)
        return {
            "masked": F.cross_entropy(scores, batch["masked"][masked]),
            "replaced": F.binary_cross_entropy_with_logits(detected, batch["replaced"][told].float()),
            "match": F.cross_entropy(matches, batch["match"], ignore_index=IGNORE),
            "match_accuracy": (matches.argmax(-1) == batch["match"])[batch["match"] != IGNORE].float().mean(),
        }


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
        examples = [self.corpus.example(rng, ease, hard) for _ in range(POOL * size)]
        codes = self.collate.encode(examples)
        order = sorted(range(len(codes)), key=lambda i: len(codes[i].ids))
        cuts = [order[start : start + size] for start in range(0, len(order), size)]
        batches = [([examples[i] for i in cut], [codes[i] for i in cut]) for cut in cuts]
        rng.shuffle(batches)
        return batches


@dataclass
class Progress:
    """How far a run has come: steps done, seconds spent on them, and the losses so far."""

    step: int = 0
    seconds: float = 0.0
    curve: list = field(default_factory=list)


def _save_state(folder: Path, model: Pretrainer, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    """Write all that a resumed run needs, atomically."""
    state = {f"model/{k}": v for k, v in model.state_dict().items() if "decoder" not in k}
    for number, slots in optimizer.state_dict()["state"].items():
        state |= {f"optimizer/{number}/{k}": v for k, v in slots.items()}
    meta = {"progress": json.dumps(asdict(progress))}
    save_file({k: v.clone() for k, v in state.items()}, folder / "state.tmp", metadata=meta)
    os.replace(folder / "state.tmp", folder / "state.safetensors")


def _load_state(folder: Path, model: Pretrainer, optimizer: torch.optim.Optimizer) -> Progress:
    path = folder / "state.safetensors"
    if not path.exists():
        return Progress()
    with safe_open(path, "pt") as file:
        meta = file.metadata()
    tensors = load_file(path)
    model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model/")}, strict=False)
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith("optimizer/"):
            _, number, name = key.split("/")
            state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return Progress(**json.loads(meta["progress"]))


def _tokenizer(recipe: Recipe, folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer in ``folder``, else the shipped one if its size is right, else a new one.

    Training a tokenizer breaks ties at random, whatever the seed; only a tokenizer that is kept gives the same encoder.
    """
    for place in (folder, SHIPPED):
        if (place / "tokenizer.json").exists():
            tokenizer = PreTrainedTokenizerFast.from_pretrained(place)
            if len(tokenizer) == recipe.vocabulary:
                break
    else:
        tokenizer = train_tokenizer(
            size=recipe.vocabulary, sentences=60_000, seed=recipe.seed, smoothing=recipe.smoothing
        )
    if len(tokenizer) > recipe.vocabulary:
        raise ConfigError(
            f"vocabulary is {recipe.vocabulary}; expected at least {len(tokenizer)}, the letters of all languages."
        )
    tokenizer.save_pretrained(folder)
    return tokenizer


def pretrain(recipe: Recipe, folder: Path, *, every: int = 250, progress: bool = True) -> None:
    """Pretrain into ``folder``; continues from the last saved state if there is one.

    Args:
        recipe: what to pretrain, and how.
        folder: of the encoder and the state.
        every: steps between two entries of the loss curve, and between two saved states.
        progress: show a progress bar.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    tokenizer = _tokenizer(recipe, folder)
    model = Pretrainer(recipe, tokenizer.pad_token_id)
    start = word_vectors(
        tokenizer, dimensions=recipe.hidden, pairs=recipe.vectors, seed=recipe.seed, smoothing=recipe.smoothing
    )
    with torch.no_grad():
        model.bert.bert.embeddings.word_embeddings.weight.mul_(0.25).add_(torch.tensor(start).float(), alpha=0.08)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.lr, betas=(0.9, 0.98), eps=1e-8, foreach=True)
    done = _load_state(folder, model, optimizer)
    batches = Batches(recipe, tokenizer)
    recent: list[list[float]] = []
    before, began = done.seconds, time.monotonic()
    for step in tqdm(range(done.step, recipe.steps), initial=done.step, total=recipe.steps, disable=not progress):
        losses = model.losses(batches[step])
        loss = losses["masked"] + recipe.detection * losses["replaced"] + losses["match"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr_at(step)
        optimizer.step()
        done.step, done.seconds = step + 1, before + time.monotonic() - began
        recent.append([float(losses[k].detach()) for k in COLUMNS])
        if done.step % every == 0 or done.step == recipe.steps:
            means = [round(sum(column) / len(column), 4) for column in zip(*recent, strict=True)]
            done.curve.append([done.step, *means])
            recent = []
            log.info("step %d: masked %.3f, replaced %.3f, match %.3f (%.1f %%)", done.step, *means[:3], 100 * means[3])
            _save_state(folder, model, optimizer, done)
    _export(folder, recipe, model, done)


def _export(folder: Path, recipe: Recipe, model: Pretrainer, done: Progress) -> None:
    """Write the encoder as a Hugging Face folder, with dropout as a fine-tuned BERT has it."""
    model.bert.config.hidden_dropout_prob = 0.1
    model.bert.config.attention_probs_dropout_prob = 0.1
    model.bert.save_pretrained(folder)
    record = {
        "recipe": asdict(recipe),
        "columns": ["step", *COLUMNS],
        "curve": done.curve,
        "seconds": round(done.seconds),
        "torch": torch.__version__,
    }
    (folder / "pretraining.json").write_text(json.dumps(record) + "\n", encoding="utf-8")
    parameters = sum(p.numel() for p in model.bert.parameters())
    (folder / "README.md").write_text(card(record, parameters), encoding="utf-8")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m xlgen.mini.pretrain", description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/mini-encoder"), help="folder of the encoder and state")
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help=f"default {value}")
    arguments = vars(parser.parse_args())
    out = arguments.pop("out")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    pretrain(Recipe(**arguments), out, progress=os.isatty(2))


if __name__ == "__main__":
    main()
