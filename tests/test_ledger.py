"""The ledger: a claim for every table and figure, and verdicts by rule."""

import math

import numpy as np
import pytest

from xlgen import ledger, published
from xlgen.analysis import correlate
from xlgen.analysis import verdict as verdict_of_correlation
from xlgen.ledger.claims import Claim

ITEMS = {
    "bassi2024generalization": ["Table 1", "Table 2", "Table 3", *(f"Figure {n}" for n in range(1, 8))],
    "stickland2021regularising": ["Figure 1", "Figure 2"],
    "anonymous2021frustratingly": [*(f"Table {n}" for n in range(1, 23)), "Figure 1", "Figure 2"],
}
L2 = "anonymous2021frustratingly"
NAN = math.nan


@pytest.mark.parametrize(("paper", "item"), [(paper, item) for paper, items in ITEMS.items() for item in items])
def test_every_table_and_figure_has_a_claim(paper, item):
    assert ledger.claims(paper=paper, item=item)


def test_there_is_no_other_item():
    assert {paper: list(facts.items) for paper, facts in published.PAPERS.items()} == ITEMS


EVERY = [pytest.param(claim, id=claim.id) for claim in ledger.claims()]


@pytest.mark.parametrize("claim", EVERY)
def test_a_claim_is_a_sentence_with_a_rule_and_its_sign_is_that_of_the_published_number(claim):
    assert claim.sentence.endswith(".") and "  " not in claim.sentence and claim.rule
    for number in claim.numbers:
        assert number.value == number.value and {cell.paper for cell in number.cells} == {claim.paper}
    if claim.published is not None and claim.null is not None:
        assert claim.direction == np.sign(claim.published - claim.null) != 0
    if claim.pairs:
        assert all(len(pair.split(" > ")) == 2 for pair in claim.pairs)
        assert all(number.value > 0 for number in claim.numbers)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("l2-t5-wiki-udpos", "a higher zero-shot"),
        ("l2-t21-l2", "is lower than"),
        ("bassi-t3-baseline", "a higher test"),
    ],
)
def test_sentences_say_what_the_numbers_say(name, words):
    assert words in ledger.CLAIMS[name].sentence


def test_published_numbers_of_some_claims():
    number = {name: ledger.CLAIMS[name].published for name in ("l2-t1-xnli-l2", "l2-t3-xnli-spread", "l2-t8-l2")}
    assert number == pytest.approx({"l2-t1-xnli-l2": 1.64, "l2-t3-xnli-spread": 0.2 / 1.58, "l2-t8-l2": 10 / 13})
    for claim in ledger.claims(paper="bassi2024generalization", item="Table 1"):
        _, _, measure, objective = claim.id.split("-")
        names = {"margin": "margin", "sharpness": "sharpness_difference"}
        if objective != "mt5":
            assert claim.published == published.find("xnli", names[measure], objective).value


def test_names_of_objectives_and_tunings_in_claims_exist():
    from xlgen.objectives import OBJECTIVES

    for claim in ledger.claims(paper="bassi2024generalization", item="Table 3"):
        assert claim.id.removeprefix("bassi-t3-") in OBJECTIVES


def made(claim, value, low=NAN, high=NAN, **facts):
    known = {"n": 14, "seeds": (0,), "scale": "miniature"}
    return ledger.Record(claim.chapter, claim.id, value, low, high, **known | facts)


PRINTED = ledger.CLAIMS["bassi-t1-sharpness-baseline"]  # −0.845
SIGN = ledger.CLAIMS["bassi-f4-sam"]  # −
GAIN = ledger.CLAIMS["l2-t1-xnli-l2"]  # +1.64
SPREAD = ledger.CLAIMS["l2-t3-xnli-spread"]  # 0.127, below 1
SHARE = ledger.CLAIMS["l2-t2-ewc"]  # 3 of 13, below one half
WEAK = ledger.CLAIMS["bassi-f5-weak"]  # within 0.5
DONE = ledger.CLAIMS["l2-f2-steps"]


@pytest.mark.parametrize(
    ("claim", "value", "low", "high", "outcome"),
    [
        (PRINTED, -0.8, -0.9, -0.6, "agrees"), (PRINTED, -0.5, -0.8, -0.1, "agrees in sign only"),
        (PRINTED, 0.5, 0.1, 0.8, "does not agree"), (PRINTED, -0.3, -0.7, 0.2, "cannot say"),
        (PRINTED, -1.0, NAN, NAN, "cannot say"), (PRINTED, NAN, NAN, NAN, "cannot say"),
        (SIGN, -0.3, -0.5, -0.1, "agrees"), (SIGN, 0.3, 0.1, 0.5, "does not agree"),
        (SIGN, -0.3, -0.5, 0, "cannot say"),
        (GAIN, 1.0, 0.1, 1.9, "agrees"), (GAIN, 1.0, 0.5, 1.5, "agrees in sign only"),
        (GAIN, -1.0, -1.5, -0.5, "does not agree"), (GAIN, 1.0, -0.1, 2.1, "cannot say"),
        (GAIN, 1.0, NAN, NAN, "cannot say"),
        (SPREAD, 0.2, 0.1, 0.9, "agrees"), (SPREAD, 0.5, 0.3, 0.9, "agrees in sign only"),
        (SPREAD, 2.0, 1.1, 4.0, "does not agree"), (SPREAD, 0.5, 0.1, 2.0, "cannot say"),
        (SHARE, 0.2, 0.1, 0.4, "agrees"), (SHARE, 0.05, 0.0, 0.2, "agrees in sign only"),
        (SHARE, 0.8, 0.6, 0.9, "does not agree"), (SHARE, 0.4, 0.2, 0.6, "cannot say"),
        (WEAK, 0.1, -0.3, 0.4, "agrees"), (WEAK, -0.8, -0.9, -0.6, "does not agree"),
        (WEAK, 0.7, 0.51, 0.9, "does not agree"),
        (WEAK, 0.1, -0.6, 0.6, "cannot say"), (WEAK, 0.1, NAN, NAN, "cannot say"),
        (DONE, 1, NAN, NAN, "agrees"), (DONE, 0, NAN, NAN, "does not agree"),
    ],
)  # fmt: skip
def test_verdicts(claim, value, low, high, outcome):
    found = ledger.verdict(claim, made(claim, value, low, high))
    assert found.outcome == outcome and found.because in str(found) and "r =" not in found.because


@pytest.mark.parametrize("claim", [PRINTED, SIGN], ids=["printed", "sign"])
def test_a_correlation_over_four_points_settles_nothing(claim):
    few, enough = (ledger.verdict(claim, made(claim, -0.8, -0.9, -0.6, n=n)) for n in (4, 5))
    assert few.outcome == "cannot say" and "4 points" in few.because and "5 points" in claim.rule
    assert enough.outcome == "agrees"


@pytest.mark.parametrize(
    ("values", "reach", "outcome"),
    [
        ((2, 3), 1, "agrees"), ((2, 0.5), 1, "agrees in sign only"), ((0.5, 0.5), 1, "cannot say"),
        ((2, -0.5), 1, "cannot say"), ((2, -2), 1, "does not agree"), ((-2, -3), 1, "does not agree"),
        ((2, NAN), 1, "cannot say"), ((2, 3), NAN, "cannot say"),
    ],
)  # fmt: skip
def test_verdicts_of_orderings(values, reach, outcome):
    claim = ledger.CLAIMS["l2-f1-zero-shot"]
    value, low, high = (
        {pair: one + off for pair, one in zip(claim.pairs, values, strict=True)} for off in (0, -reach, reach)
    )
    found = ledger.verdict(claim, made(claim, value, low, high))
    assert found.outcome == outcome and ("−2 for best > largest" in found.because) == (values == (2, -2))


def test_a_correlation_has_the_verdict_that_the_chapters_give_it():
    rng = np.random.default_rng(0)
    for rho in (-0.95, -0.8, -0.5, 0.0, 0.5, 0.9):
        x = rng.normal(size=14)
        ours = correlate(x, rho * x + math.sqrt(1 - rho**2) * rng.normal(size=14), resamples=99)
        found = ledger.verdict(PRINTED, made(PRINTED, **{k: v for k, v in ledger.of(ours).items() if k != "n"}))
        there = verdict_of_correlation(PRINTED.published, ours)
        assert there.outcome.startswith(found.outcome) and there.sentence.endswith(f"{found.because}.")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"item": "Table 23"}, "numbered item"), ({"kind": "guess"}, "one is unknown"),
        ({"chapter": "x"}, "one is unknown"),
        ({"kind": "ordering"}, "pairs are of orderings"), ({"bound": 1.0}, "a bound is of small"),
        ({"sign": 0}, "no direction"), ({"numbers": (GAIN.numbers[0],) * 2}, "2 numbers; expected 1"),
    ],
)  # fmt: skip
def test_a_claim_that_cannot_be_tested_is_refused(facts, message):
    with pytest.raises(ledger.LedgerError, match=message):
        Claim(**{"id": "x", "paper": L2, "item": "Table 1", "sentence": "S.", "kind": "difference"}
              | {"chapter": "l2_ewc", "sign": 1} | facts)  # fmt: skip
