"""Pretraining of the miniature's encoder: one command, seeded and resumable.

A small BERT reads pairs of texts (:mod:`xlgen.data.mini.corpus`) and is trained on the sum of three losses, all from
one forward pass:

* masked and translation language modelling: whole phrases are masked on both sides :cite:`devlin2019bert`;
* replaced-token detection: for each token of the second text, does it agree with the first? (as in ELECTRA, XLM-E);
* matching: has anything been replaced? (from the pooled [CLS]).

Training starts easy: in the first steps most sentences have one clause, and the positions of the second text start
again at 0, as in XLM's translation language modelling :cite:`conneau2019xlm`, so that words that translate each other
are found; both aids fade out linearly.

The learning rate warms up, stays constant and falls linearly to 0 over the last part of the run. Step ``k`` draws its
examples from a generator seeded with ``(seed, k)``, so a resumed run continues exactly where it stopped.

Run ``python -m pretraining --out FOLDER``; run it again to continue after an interruption.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
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

from pretraining.card import card
from pretraining.collate import Batches
from pretraining.lsa import word_vectors
from pretraining.recipe import Recipe
from pretraining.tokenizer import train_tokenizer
from xlgen.core.errors import ConfigError
from xlgen.core.files import atomic
from xlgen.data.batch import IGNORE
from xlgen.models import MINI

log = logging.getLogger(__name__)
SHIPPED = MINI
COLUMNS = ("masked", "replaced", "match", "match_accuracy")


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
    with atomic(folder / "state.safetensors") as temporary:
        save_file({k: v.clone() for k, v in state.items()}, temporary, metadata=meta)


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
    parser = argparse.ArgumentParser(prog="python -m pretraining", description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/mini-encoder"), help="folder of the encoder and state")
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help=f"default {value}")
    arguments = vars(parser.parse_args())
    out = arguments.pop("out")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    pretrain(Recipe(**arguments), out, progress=os.isatty(2))
