"""Which loss of text: its table on a tiny encoder, and the parts that the library does not have."""

import csv
import json
import math

import pytest
import torch
from tiny import ToyTask, save_sentences

from benchmarks import pretraining_loss
from benchmarks.pretraining_loss import COLUMNS, Guesser, agreement, fit, halved, nats, numbered
from xlgen import models
from xlgen.data.batch import IGNORE
from xlgen.data.catalogue import TASKS
from xlgen.fisher import contrastive, mlm

torch.set_num_threads(1)


def test_a_text_is_cut_at_the_space_nearest_to_its_middle():
    assert halved("one two three four") == ("one two", "three four")
    assert halved("没有空格的句子") == ("没有空", "格的句子")
    assert halved("a") == ("", "a")


def test_labels_are_numbered_anew_and_what_is_not_scored_stays():
    ids = torch.tensor([2, 5, 9])
    assert numbered(torch.tensor([[9, IGNORE, 2], [5, 5, IGNORE]]), ids).tolist() == [[2, IGNORE, 0], [1, 1, IGNORE]]


def test_a_fisher_information_agrees_with_its_powers_and_not_with_others():
    one = {"a": torch.rand(50, 40) + 1e-3, "b": torch.rand(30) + 1e-3}
    assert agreement(one, {name: 7 * f.square() for name, f in one.items()}) == pytest.approx(1)
    assert agreement(one, {name: 1 / f for name, f in one.items()}) == pytest.approx(-1)
    assert abs(agreement(one, {name: torch.rand_like(f) for name, f in one.items()})) < 0.2


def test_the_fitted_head_is_better_than_a_guess_and_the_encoder_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(pretraining_loss, "EPOCHS", 200)
    monkeypatch.setattr(pretraining_loss, "RATE", 1e-2)
    folder = str(save_sentences(tmp_path / "model"))
    tokenizer, encoder = models.load_tokenizer(folder), contrastive.load(folder).encoder
    before = {name: w.clone() for name, w in encoder.named_parameters()}
    texts = [f"w{i % 3} w{i % 3} w{i % 3} w{i % 3}" for i in range(40)]
    batches = mlm.batches(encoder, tokenizer, texts, max_length=16, batch_size=8)
    guesser = Guesser(encoder, "bert", encoder.get_input_embeddings().weight.detach())
    guess = math.log(encoder.config.vocab_size)
    assert nats(guesser, batches) == pytest.approx(guess, rel=0.1)
    fit(guesser, batches)
    assert nats(guesser, batches) < 0.5 * guess
    assert all(torch.equal(w, before[name]) for name, w in encoder.named_parameters())


def test_the_table_has_every_loss_of_every_language(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(TASKS._entries, "xnli", ToyTask())
    folder, out = save_sentences(tmp_path / "model"), tmp_path / "out"
    line = ["--encoder", str(folder), "--languages", "xx", "--texts", "8", "--fitted", "4", "--out", str(out)]
    pretraining_loss.main([*line, "--data-dir", str(tmp_path)])
    with (out / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["loss"] for row in rows] == [
        "translation",
        "translation, answers drawn",
        "other half of the sentence",
        "hidden words, fitted head",
    ]
    assert all(tuple(row) == COLUMNS and row["language"] == "xx" for row in rows)
    assert all(float(row["of a guess"]) == pytest.approx(math.log(4), rel=0.01) for row in rows[:3])
    assert all(-1 <= float(row["log r of halves"]) <= 1 and 0 < float(row["d² of halves"]) < 1 for row in rows)
    assert rows[0]["nats"] == rows[1]["nats"] and rows[0]["d² of halves"] != rows[1]["d² of halves"]
    assert json.loads((out / "facts.json").read_text())["texts"] == 8
