"""``python -m benchmarks.pretraining_loss``: of which loss of text an encoder of sentences has a Fisher information.

EWC and the Fréchet distance ask for the loss of pretraining. An encoder of sentences has no masked-language-model head,
and three losses can stand in: finding translations, which it was trained on (:mod:`xlgen.fisher.contrastive`); the
hidden words, with a head that is fitted while the encoder is frozen; finding the other half of a sentence, which needs
no translation. A loss at which the encoder is no better than a guess says nothing of what its weights are for. One that
it is good at has a Fisher information whose two estimates, from halves of the texts, agree: the correlation of their
logarithms over the weights of the layers, and the squared Fréchet distance between them, which is 0 between equal ones.

All texts are premises of XNLI's development rows; the head is fitted on others than the measured ones. The vocabulary
is that of all these texts. Seconds are of the processor, of both halves.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.modeling_outputs import TokenClassifierOutput

from benchmarks.__main__ import facts_of
from benchmarks.report import RESULTS
from xlgen import models
from xlgen.core.files import atomic
from xlgen.data import parallel
from xlgen.data.batch import IGNORE, Batch, count, scored
from xlgen.fisher import contrastive, diagonal, mlm
from xlgen.fisher.frechet import distances
from xlgen.models import vocabulary
from xlgen.models.layers import encoder as encoder_of
from xlgen.models.layers import layer_of

LANGUAGES = ("fr", "hi", "sw", "zh")
MEASURED, FITTED = 160, 200
"""Texts of each language: the Fisher information is of the first, the head is fitted on the next."""
EPOCHS, RATE, WORDS, MASKINGS = 10, 1e-3, 256, 2
"""Of the head: passes, AdamW's rate, hidden words of a step, and how often each text is hidden anew."""
SIZES = {"max_length": 64, "batch_size": 16}
LOSSES = ("translation", "translation, answers drawn", "other half of the sentence", "hidden words, fitted head")
COLUMNS = ("loss", "language", "nats", "of a guess", "log r of halves", "d² of halves", "seconds")


def measured(
    encoder: str, languages: Sequence[str], data_dir: Path, n: int, fitted: int, losses: Sequence[str] = LOSSES
) -> Iterator[dict[str, Any]]:
    """A row for each loss and language.

    Args:
        encoder: a name or folder of an encoder of sentences.
        languages: codes of XNLI, English excluded.
        data_dir: where XNLI is.
        n: texts of each language; half of them for each estimate.
        fitted: texts of each language that the head is fitted on.
        losses: some of :data:`LOSSES`.
    """
    pairs = {code: parallel.read([code], n + fitted, data_dir=data_dir).paragraphs for code in languages}
    tokenizer, finder = models.load_tokenizer(encoder), contrastive.load(encoder)
    texts = [text for some in pairs.values() for pair in some for text in (*pair, *halved(pair[0]))]
    coded = tokenizer([prefix + text for prefix in ("", finder.sentences.prefix) for text in texts])["input_ids"]
    ids = torch.tensor(sorted({id for row in coded for id in row} | {*tokenizer.all_special_ids}))
    table = finder.encoder.get_input_embeddings().weight.detach()[ids]
    vocabulary.cut(finder.encoder, [ids])
    guesser = Guesser(finder.encoder, finder.base_model_prefix, table)

    def find(some: Sequence[parallel.Pair]) -> list[Batch]:
        return contrastive.batches(finder, tokenizer, some, **SIZES)

    def hide(some: Sequence[parallel.Pair], seed: int = 0) -> list[Batch]:
        batches = mlm.batches(finder.encoder, tokenizer, [text for text, _ in some], **SIZES, seed=seed)
        return [replace(batch, labels=numbered(batch.labels, ids)) for batch in batches]

    def pieces(some: Sequence[parallel.Pair]) -> list[Batch]:
        return find([halved(text) for text, _ in some])

    if LOSSES[3] in losses:
        others = [hide(some[n:], seed=1 + k) for some in pairs.values() for k in range(MASKINGS)]
        fit(guesser, [batch for batches in others for batch in batches])
    guess, words = math.log(n // 2), math.log(len(ids))
    how = zip(LOSSES, (finder, finder, finder, guesser), (find, find, pieces, hide), strict=True)
    for loss, model, prepare in how:
        for code, some in pairs.items() if loss in losses else ():
            halves = [prepare(some[: n // 2]), prepare(some[n // 2 : n])]
            labels = "sample" if loss == LOSSES[1] else "true"
            yield row(loss, code, model, halves, labels, words if model is guesser else guess)


def halved(text: str) -> parallel.Pair:
    """The beginning and the end of a text, cut at the space nearest to its middle, or there if it has none."""
    middle = len(text) // 2
    at = min((i for i, c in enumerate(text) if c == " "), key=lambda i: abs(i - middle), default=middle)
    return text[:at], text[at:].lstrip()


def numbered(labels: Tensor, ids: Tensor) -> Tensor:
    """The labels as places among the ascending ``ids``; what is not scored stays so."""
    return torch.searchsorted(ids, labels.clamp(min=0)).masked_fill(labels == IGNORE, IGNORE)


class Guesser(nn.Module):
    """An encoder under a new masked-language-model head as BERT's, whose last matrix begins as the embeddings."""

    def __init__(self, encoder: nn.Module, prefix: str, table: Tensor):
        super().__init__()
        self.config, self.base_model_prefix, width = encoder.config, prefix, table.shape[1]
        self.add_module(prefix, encoder)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            dense, last = nn.Linear(width, width), nn.Linear(*table.T.shape)
        last.weight.data.copy_(table)
        self.head = nn.Sequential(dense, nn.GELU(), nn.LayerNorm(width), last)

    def forward(self, **inputs: Tensor) -> TokenClassifierOutput:
        """Logits (B, T, V)."""
        return TokenClassifierOutput(
            logits=self.head(getattr(self, self.base_model_prefix)(**inputs).last_hidden_state)
        )


def fit(guesser: Guesser, batches: Sequence[Batch]) -> None:
    """Fit the head to the hidden words of ``batches``; the encoder stays as it is."""
    encoder = getattr(guesser, guesser.base_model_prefix)
    with torch.no_grad():
        found = [scored(encoder(**batch.inputs).last_hidden_state, batch.labels) for batch in batches]
    states, words = (torch.cat(part) for part in zip(*found, strict=True))
    optimizer, draw = torch.optim.AdamW(guesser.head.parameters(), lr=RATE), torch.Generator().manual_seed(0)
    for _ in range(EPOCHS):
        for some in torch.randperm(len(words), generator=draw).split(WORDS):
            optimizer.zero_grad()
            functional.cross_entropy(guesser.head(states[some]), words[some]).backward()
            optimizer.step()


def row(
    loss: str, language: str, model: nn.Module, halves: Sequence[Sequence[Batch]], labels: str, guess: float
) -> dict[str, Any]:
    """What a loss is, and how far the Fisher informations of two halves of the texts agree."""
    names = [name for name in encoder_of(model) if layer_of(name, ()) != "rest"]
    start = time.process_time()
    found = [
        diagonal(model, half, labels, names=names, generator=torch.Generator().manual_seed(k))
        for k, half in enumerate(halves)
    ]
    seconds = time.process_time() - start
    both = [batch for half in halves for batch in half]
    apart = distances({str(k): [F] for k, F in enumerate(found)}).d2[0, 1].item()
    values = (loss, language, nats(model, both), guess, agreement(*found), apart, seconds)
    return dict(zip(COLUMNS, values, strict=True))


@torch.no_grad()
def nats(model: nn.Module, batches: Sequence[Batch]) -> float:
    """The mean loss of a scored answer."""
    total = 0.0
    for batch in batches:
        logits, labels = scored(model(**batch.inputs).logits, batch.labels)
        total += functional.cross_entropy(logits.double(), labels, reduction="sum").item()
    return total / count(batches)


def agreement(one: dict[str, Tensor], two: dict[str, Tensor]) -> float:
    """Pearson correlation of the logarithms of two Fisher informations, over the weights that both have."""
    x, y = (torch.cat([part[name].flatten() for name in one]) for part in (one, two))
    there = (x > 0) & (y > 0)
    return torch.corrcoef(torch.stack([x[there].double().log(), y[there].double().log()]))[0, 1].item()


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and keep the table and what it was made with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", default="e5-small")
    parser.add_argument("--languages", default=",".join(LANGUAGES))
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=LOSSES)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=MEASURED)
    parser.add_argument("--fitted", type=int, default=FITTED)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS / "pretraining_loss")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(asked.threads)
    asked.out.mkdir(parents=True, exist_ok=True)
    how = {"encoder": asked.encoder, "texts": asked.texts, "fitted": asked.fitted}
    rows = []
    sizes = asked.texts, asked.fitted, asked.losses
    for one in measured(asked.encoder, asked.languages.split(","), asked.data_dir, *sizes):
        rows.append({name: f"{v:#.3g}".rstrip(".") if isinstance(v, float) else v for name, v in one.items()})
        print(*rows[-1].values(), sep=", ", flush=True)
        with (
            atomic(asked.out / "table.csv") as temporary,
            temporary.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    with atomic(asked.out / "facts.json") as temporary:
        temporary.write_text(json.dumps(how | facts_of(asked.threads), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
