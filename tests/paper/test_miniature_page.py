"""What the page on the miniature shows: sentences side by side, and what pretraining examples replace."""

import random
import re
from xml.etree import ElementTree

import pytest
import torch

from paper import overheard, parallel, pretrained
from xlgen.data.mini.corpus import Corpus, Example
from xlgen.data.mini.grammar import Clause, Sentence, pieces, realise
from xlgen.data.mini.lexicon import languages, lexicon
from xlgen.data.mini.world import PERSON_VERBS
from xlgen.models import locate

BUYS = Clause("doctor", "buy", "car")
SELLS = Clause("nurse", "sell", "lamp", negated=True)
BOTH = Sentence((BUYS, SELLS), "but")


def example(second: Sentence, replaced: set, first: Sentence = BOTH) -> Example:
    one, two = (tuple(pieces(sentence, lexicon(code))) for sentence, code in ((first, "en"), (second, "tr")))
    return Example(one, two, frozenset(replaced))


def test_a_gloss_names_the_concepts_in_the_languages_order():
    assert parallel.gloss(BOTH, lexicon("en")) == "doctor · buy · car · but · nurse · not sell · lamp"
    assert parallel.gloss(BOTH, lexicon("ja")) == "doctor · car · buy · but · nurse · lamp · not sell"
    assert [parallel.order(lexicon(code)) for code in ("en", "ar", "tr")] == ["SVO", "VSO", "SOV"]


def test_every_language_has_its_sentences_in_its_own_direction():
    pairs = [(BOTH, Sentence((BUYS,))), (Sentence((SELLS,)), BOTH)]
    shown = re.sub(r"<(br|col [^>]*)>", r"<\1/>", parallel.table(pairs, languages(), "All").data)
    blocks = ElementTree.fromstring(shown).findall("tbody")
    assert len(blocks) == len(languages()) == 17
    for code, block in zip(languages(), blocks, strict=True):
        cells = block.findall(".//td")
        assert [cell.text for cell in cells] == [realise(s, lexicon(code)) for pair in pairs for s in pair]
        assert {(cell.get("lang"), cell.get("dir")) for cell in cells} == {(code, "rtl" if code in "ar ur" else "ltr")}
        assert block.find(".//th").get("rowspan") == "2"


@pytest.mark.parametrize(
    ("clauses", "replaced", "ways"),
    [
        ([BUYS, SELLS], set(), set()),
        ([Clause("nurse", "buy", "car"), SELLS], {(0, "S")}, {"borrowed"}),
        ([Clause("doctor", "buy", "lamp"), SELLS], {(0, "O")}, {"borrowed"}),
        ([Clause("teacher", "buy", "car"), SELLS], {(0, "S")}, set()),
        ([Clause("doctor", "sell", "car"), SELLS], {(0, "V")}, set()),
        (
            [Clause("nurse", "buy", "car"), Clause("doctor", "sell", "lamp")],
            {(0, "S"), (1, "S")},
            {"passed on", "borrowed"},
        ),
    ],
)
def test_a_replacement_is_recognised(clauses, replaced, ways):
    assert overheard.replacements(example(Sentence(tuple(clauses), "but"), replaced)) == ways


def test_agent_and_patient_that_change_places_are_recognised():
    first, second = (Sentence((Clause(a, PERSON_VERBS[0], b),)) for a, b in (("doctor", "nurse"), ("nurse", "doctor")))
    assert "turned" in overheard.replacements(example(second, {(0, "S"), (0, "O")}, first))
    assert overheard.replacements(example(first, {(0, "V")}, first)) == set()


def test_all_pairs_are_counted_by_the_languages_that_they_are_realised_in():
    heard = overheard.listen(400, 0.7)
    assert sum(heard.kinds.values()) == 400 and heard.kinds.keys() <= overheard.KINDS.keys()
    assert sum(heard.languages.values()) == 800 and heard.languages.keys() <= set(languages())
    assert heard.kinds["target", True] == 0  # the promise of xlgen.data.mini.corpus
    inside = heard.kinds["English", True] + heard.kinds["English", False]
    assert heard.languages["en"] == heard.with_english + inside  # such pairs have it twice
    assert heard == overheard.listen(400, 0.7) != overheard.listen(400, 0.0)


def test_the_card_is_of_the_shipped_encoder():
    folder = locate("mini")
    shown = pretrained.card(folder)
    model = pretrained.Matching(folder)
    assert shown["weights"].startswith(f"{pretrained.n_weights(folder) / 1e6:.2f} million")
    assert pretrained.n_weights(folder) >= sum(w.numel() for w in model.bert.bert.embeddings.parameters())
    assert f"{model.bert.config.vocab_size:,} " in shown["vocabulary"] and shown["time"].endswith("hours on a CPU")
    with torch.no_grad():
        assert model(input_ids=torch.tensor([[1, 2, 3]])).logits.shape == (1, 2)


def test_unrelated_texts_replace_nothing():
    corpus, rng = Corpus(), random.Random(0)
    drawn = [corpus.example(rng) for _ in range(300)]
    assert any(one.replaced is None for one in drawn)
    assert all(not overheard.replacements(one) for one in drawn if not one.replaced)
