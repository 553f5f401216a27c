"""Pretraining of the miniature: resumable to the bit, and nothing masked or told that should not be."""

import json
import random
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoModelForPreTraining, AutoTokenizer

from pretraining.collate import Collator
from pretraining.lsa import word_vectors
from pretraining.pretrain import SHIPPED, Pretrainer, pretrain
from pretraining.recipe import Recipe
from pretraining.tokenizer import train_tokenizer
from xlgen.core.errors import ConfigError
from xlgen.data.batch import IGNORE
from xlgen.data.mini import corpus, lexicon, world

TINY = Recipe(
    layers=1, hidden=16, heads=2, feed_forward=16, vocabulary=6000, steps=7, batch=4, vectors=400, warmup=2, easy=4,
    hard=5,
)  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(SHIPPED)


def test_a_new_tokenizer_has_the_size_asked_for_and_knows_common_words():
    new = train_tokenizer(size=3000, sentences=3000, seed=0, smoothing=0.7)
    assert len(new) == 3000
    assert new.tokenize("The doctor buys İstasyonda") == ["the", "doctor", "buys", *new.tokenize("istasyonda")]


def test_the_shipped_tokenizer_spells_every_word_of_every_language(tokenizer):
    for code in lexicon.languages():
        words = lexicon.lexicon(code)
        texts = [phrase for forms in words.nouns.values() for phrase in forms[:2]]
        texts += [form for forms in words.verbs.values() for form in forms.values()] + list(words.adverbials.values())
        assert tokenizer.unk_token_id not in {i for ids in tokenizer(texts)["input_ids"] for i in ids}, code


def test_interrupted_pretraining_continues_to_the_same_bits(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    pretrain(TINY, tmp_path / "whole", every=2, progress=False)
    calls = []
    losses = Pretrainer.losses

    def stumble(self, batch):
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return losses(self, batch)

    monkeypatch.setattr(Pretrainer, "losses", stumble)
    with pytest.raises(KeyboardInterrupt):
        pretrain(TINY, tmp_path / "broken", every=2, progress=False)
    monkeypatch.undo()
    pretrain(TINY, tmp_path / "broken", every=2, progress=False)
    whole, broken = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "broken"))
    assert whole.keys() == broken.keys()
    assert all(torch.equal(whole[name], broken[name]) for name in whole)
    model, info = AutoModelForMaskedLM.from_pretrained(tmp_path / "whole", output_loading_info=True)
    assert not info["missing_keys"]
    assert AutoTokenizer.from_pretrained(tmp_path / "whole").mask_token == "[MASK]"
    assert "English" in (tmp_path / "whole" / "README.md").read_text(encoding="utf-8")


def test_a_vocabulary_smaller_than_the_alphabet_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="vocabulary is 50; expected at least"):
        pretrain(replace(TINY, vocabulary=50), tmp_path, progress=False)


def test_learning_rate_warms_up_stays_and_falls():
    recipe = Recipe(steps=100, warmup=10, decay=0.2, lr=1.0)
    rates = [recipe.lr_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9:80] == pytest.approx([1.0] * 71)
    assert rates[90] == pytest.approx(0.5) and rates[99] > 0


def test_aids_of_the_beginning_fade_out():
    recipe = Recipe(easy=10)
    assert [recipe.ease_at(step) for step in (0, 5, 10, 50)] == [1.0, 0.5, 0.0, 0.0]
    rng = random.Random(0)
    drawn = corpus.Corpus()
    assert all(
        {p.clause for p in example.first if p.slot} == {0}
        for example in (drawn.example(rng, 1.0) for _ in range(300))
        if example.replaced is not None
    )


def test_what_is_asked_of_each_token(tokenizer):
    rng = random.Random(0)
    drawn, collate = corpus.Corpus(), Collator(tokenizer)
    examples = [drawn.example(rng) for _ in range(300)]
    codes = collate.encode(examples)
    batch = collate(examples, codes, rng, mask=0.3, ease=0.0)
    masked, told = batch["masked"] != IGNORE, batch["replaced"] != IGNORE
    assert not (masked & told).any(), "a masked token cannot be told right or wrong"
    assert not (told & (batch["token_type_ids"] == 0)).any(), "only the second text is judged"
    assert not (masked & (batch["attention_mask"] == 0)).any()
    shown = batch["input_ids"][masked]
    assert (shown == tokenizer.mask_token_id).float().mean() == pytest.approx(0.85, abs=0.04)
    for example, row in zip(examples, range(len(examples)), strict=True):
        wrong = batch["replaced"][row] == 1
        assert bool(wrong.any()) <= bool(example.replaced)
        if example.replaced is None:
            assert batch["match"][row] == IGNORE and not told[row].any()
        else:
            assert batch["match"][row] == int(not example.replaced)
    replaced_share = (batch["replaced"][told] == 1).float().mean()
    assert 0.05 < replaced_share < 0.4


def test_positions_of_the_second_text_start_again_only_when_eased(tokenizer):
    rng = random.Random(0)
    drawn, collate = corpus.Corpus(), Collator(tokenizer)
    examples = [drawn.example(rng) for _ in range(20)]
    codes = collate.encode(examples)
    for ease in (0.0, 1.0):
        batch = collate(examples, codes, random.Random(0), mask=0.3, ease=ease)
        for row, code in enumerate(codes):
            positions = batch["position_ids"][row][: len(code.ids)].tolist()
            second = code.type_ids.index(1)
            assert positions[:second] == list(range(second))
            assert positions[second] == (0 if ease else second)


def test_word_vectors_bring_translations_together(tokenizer):
    vectors = word_vectors(tokenizer, dimensions=128, pairs=10_000, seed=0, smoothing=0.7)
    assert np.isfinite(vectors).all()
    assert (vectors**2).mean() == pytest.approx(1)

    def phrases(code):
        words = lexicon.lexicon(code)
        rows = [tokenizer(words.nouns[c][1], add_special_tokens=False)["input_ids"] for c in world.PERSONS]
        table = np.array([vectors[ids].sum(0) for ids in rows])
        table = table - table.mean(0)
        return table / np.linalg.norm(table, axis=1, keepdims=True)

    english = phrases("en")
    for code in ("de", "fr", "ru"):
        nearest = (phrases(code) @ english.T).argmax(1)
        assert (nearest == np.arange(len(world.PERSONS))).mean() > 0.8, "chance is 1 in 30"


def test_the_shipped_encoder_is_what_its_record_says():
    record = json.loads((SHIPPED / "pretraining.json").read_text(encoding="utf-8"))
    assert record["recipe"] == asdict(Recipe()), "the recipe has changed: pretrain again, or put it back"
    assert record["curve"][-1][0] == Recipe().steps
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 12e6
    assert not [file.name for file in SHIPPED.iterdir() if file.suffix in (".bin", ".pt", ".pkl")]
    tokenizer = AutoTokenizer.from_pretrained(SHIPPED)
    model = AutoModelForPreTraining.from_pretrained(SHIPPED).eval()
    drawn, collate, rng = corpus.Corpus(), Collator(tokenizer), random.Random("never seen in pretraining")
    examples = [drawn.example(rng, hard=True) for _ in range(600)]
    batch = collate(examples, collate.encode(examples), rng, mask=Recipe().mask_hard, ease=0.0)
    names = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
    with torch.inference_mode():
        matches = model(**{name: batch[name] for name in names}).seq_relationship_logits.argmax(-1)
    asked = batch["match"] != IGNORE
    accuracy = (matches == batch["match"])[asked].float().mean().item()
    final = record["curve"][-1][record["columns"].index("match_accuracy")]
    assert accuracy == pytest.approx(final, abs=0.05), "600 new examples, standard error about 0.01"
