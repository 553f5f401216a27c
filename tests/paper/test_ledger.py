"""The ledger: a claim for every table and figure, and verdicts by rule that are wrong no more often than they say."""

import ast
import csv
import math
from pathlib import Path

import numpy as np
import pytest

from paper import ledger, published
from paper.ledger import rates, table
from paper.ledger.claims import Claim
from xlgen.analysis import AGREES, CANNOT_SAY, DISAGREES, SIGN_ONLY, Verdict, correlate
from xlgen.core.errors import XlgenError
from xlgen.data.catalogue import TASKS

ITEMS = {
    "bassi2024generalization": ["Table 1", "Table 2", "Table 3", *(f"Figure {n}" for n in range(1, 8))],
    "stickland2021regularising": ["Figure 1", "Figure 2"],
    "anonymous2021frustratingly": [*(f"Table {n}" for n in range(1, 23)), "Figure 1", "Figure 2"],
}
L2 = "anonymous2021frustratingly"
ROOT = Path(__file__).resolve().parents[2]
NAN = math.nan


@pytest.mark.parametrize(("paper", "item"), [(paper, item) for paper, items in ITEMS.items() for item in items])
def test_every_table_and_figure_has_a_claim(paper, item):
    assert ledger.claims(paper=paper, item=item)


def test_there_is_no_other_item():
    assert {paper: list(facts.items) for paper, facts in published.PAPERS.items()} == ITEMS


@pytest.mark.parametrize("name", ledger.CHAPTERS)
def test_a_chapter_is_called_by_the_title_of_its_page(name):
    source = (ROOT / "notebooks" / f"{name}.py").read_text(encoding="utf-8")
    assert f"\n# # {ledger.CHAPTERS[name]}\n" in source


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
        (PRINTED, -0.8, -0.9, -0.6, "agrees"), (PRINTED, -0.5, -0.8, -0.1, "agrees"),
        (PRINTED, -0.3, -0.5, -0.1, "agrees in sign only"),
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
        (SHARE, 0.0, NAN, NAN, "cannot say"),
        (WEAK, 0.1, -0.3, 0.4, "agrees"), (WEAK, -0.8, -0.9, -0.6, "does not agree"),
        (WEAK, 0.7, 0.51, 0.9, "does not agree"),
        (WEAK, 0.1, -0.6, 0.6, "cannot say"), (WEAK, 0.1, NAN, NAN, "cannot say"),
        (DONE, 1, NAN, NAN, "carried out"), (DONE, 0, NAN, NAN, "cannot say"),
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


def test_an_ordering_is_judged_by_all_its_pairs():
    claim = ledger.CLAIMS["l2-f1-zero-shot"]
    scores = {"best": [3.0, 3.1, 2.9], "none": [1.0, 1.0, 1.1], "largest": [2.0, 2.1, 1.9]}
    found = ledger.differences(scores, claim.pairs)
    assert ledger.verdict(claim, made(claim, **found | {"n": 3})).outcome == "agrees"
    turned = ledger.differences(scores | {"best": [0.0, 0.1, 0.2]}, claim.pairs)
    assert "for best > largest" in ledger.verdict(claim, made(claim, **turned | {"n": 3})).because


def test_a_printed_correlation_has_the_verdict_that_the_chapters_give_it():
    rng, cell = np.random.default_rng(0), published.find("xnli", "sharpness_difference", "baseline")
    for rho in (-0.95, -0.8, -0.5, 0.0, 0.5, 0.9):
        x = rng.normal(size=14)
        ours = correlate(x, rho * x + math.sqrt(1 - rho**2) * rng.normal(size=14), resamples=99)
        there = cell.verdict(ours)
        assert ledger.verdict(PRINTED, made(PRINTED, **ledger.of(ours))) == there
        said = cell.beside(ours)
        assert f"{str(there)[1:]}." in said and str(ours) in said and "Published r = −0.845" in said


def test_a_row_says_where_nothing_is_known_of_the_published_uncertainty():
    known, unknown = (ledger.verdict(c, made(c, v, v - 0.2, v + 0.2)) for c, v in ((PRINTED, -0.3), (GAIN, 0.5)))
    assert known.outcome == unknown.outcome == SIGN_ONLY
    assert "the paper's over 14" in known.because and "taken as exact" in unknown.because
    assert "so the row says" not in known.because and "taken as exact" not in known.because


# ------------------------------------------------------------------------------------------------------ error rates


@pytest.fixture(scope="module")
def simulated():
    return ledger.error_rates(seed=1)


def test_no_rule_is_wrong_more_often_than_it_promises(simulated):
    kept = [rate for rate in simulated if not math.isnan(rate.promised)]
    assert len(kept) > 10
    for rate in kept:
        assert rate.value <= rate.promised + 3.5 * rate.stderr, rate


def test_tests_that_are_exact_are_wrong_as_often_as_they_promise(simulated):
    """Under the null, with the published value true, and with correlated languages."""
    exact = ["correlation over 14 languages: there is none", "difference over 3 seeds: there is none; languages move"]
    exact += ["difference over 3 seeds: the published number is the truth", "ratio of two spreads of 5 settings: 1"]
    exact += ["one truth, 0.9", "lies at the bound"]
    for words in exact:
        [rate] = [r for r in simulated if words in r.situation and not math.isnan(r.promised)]
        assert abs(rate.value - rate.promised) <= 3.5 * rate.stderr, rate


def test_related_languages_have_the_share_in_common_that_is_said():
    """And the correlation of two measures is the one asked for."""
    x, y = rates._measures(np.random.default_rng(0), 4_000, 0.6, rates.KINSHIP)
    families = np.repeat(np.arange(len(rates.FAMILIES)), rates.FAMILIES)
    pairs = np.corrcoef(x, rowvar=False)
    kin = (families[:, None] == families) & ~np.eye(14, dtype=bool)
    assert x.var() == pytest.approx(1, rel=0.05) and y.var() == pytest.approx(1, rel=0.05)
    assert pairs[kin].mean() == pytest.approx(rates.KINSHIP, abs=0.03)
    assert pairs[families[:, None] != families].mean() == pytest.approx(0, abs=0.03)
    assert np.mean(x * y) == pytest.approx(0.6, abs=0.03)


def test_what_settled_nothing_is_left_out_of_the_second_rate():
    outcomes = [DISAGREES, AGREES, AGREES, CANNOT_SAY, CANNOT_SAY, CANNOT_SAY, CANNOT_SAY, CANNOT_SAY]
    found = rates._rate("", (DISAGREES,), 0.05, (Verdict(outcome, "") for outcome in outcomes))
    assert (found.value, found.of_settled) == (1 / 8, 1 / 3)
    nothing = rates._rate("", (DISAGREES,), 0.05, iter([Verdict(CANNOT_SAY, "")]))
    assert nothing.value == 0 and math.isnan(nothing.of_settled)


def test_the_page_says_how_much_related_languages_cost(simulated):
    """Their rate by other code: plain loops, numpy's coefficient and the interval in full."""
    [rate] = [r for r in simulated if "families" in r.situation and r.error == "settled, either way"]
    rng, wrong = np.random.default_rng(5), 0
    for _ in range(4_000):
        families = np.concatenate([np.full(size, number) for number, size in enumerate(rates.FAMILIES)])
        x, y = (rng.normal(size=4)[families] + rng.normal(size=14) for _ in range(2))  # each half of the variance
        wrong += abs(math.atanh(np.corrcoef(x, y)[0, 1])) * math.sqrt(11) > 1.959964
    p = wrong / 4_000
    assert p > 0.08 and abs(rate.value - p) < 3.5 * math.sqrt(p * (1 - p) * (1 / 4_000 + 1 / rate.draws))


def test_a_share_of_languages_by_wilson_would_be_wrong_in_most_cases():
    """What the rule replaces: the languages of one model were taken for independent draws."""
    wins = (rates._gains(np.random.default_rng(0), 2_000, 1, 0) > 0).mean(axis=-1)
    z = 1.959964
    assert np.mean(np.abs(wins - 0.5) > z * np.sqrt(0.25 / 14)) > 0.4
    assert all(math.isnan(ledger.share(one)["low"]) for one in wins)


def test_without_its_correction_an_ordering_would_disagree_too_often(monkeypatch, simulated):
    [kept] = [r for r in simulated if r.situation.startswith("ordering") and r.error == "does not agree"]
    monkeypatch.setattr("xlgen.analysis.verdicts.holm", np.asarray)
    outcomes = [one.outcome for one in rates._ordering(np.random.default_rng(0), 2_000)]
    assert outcomes.count("does not agree") / 2_000 > 0.05 > kept.value


# ------------------------------------------------------------------------------------------------------ claims.csv


def lines():
    path = Path(ledger.claims.__code__.co_filename).with_name("claims.csv")
    with path.open(encoding="utf-8", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(line for line in file if not line.startswith("#"))}


def test_the_file_of_claims_shows_the_numbers_that_its_cells_give():
    rows = lines()
    assert list(rows) == [claim.id for claim in ledger.claims()]
    for claim in ledger.claims():
        shown = "; ".join(map(table._printed, claim.numbers))
        assert rows[claim.id]["published"] == shown, claim.id
        assert rows[claim.id]["n"] == (str(claim.n) if claim.n else "")


def test_published_coefficients_are_over_the_languages_of_their_tables():
    for claim in ledger.claims(paper="bassi2024generalization"):
        if claim.numbers:
            assert claim.n == published.TABLES[claim.item.split()[1]].n
    number = {"xnli": 2, "wikiann": 7, "udpos": 8, "pawsx": 9}
    for claim in ledger.claims(item="Table 5"):
        _, _, corpus, task = claim.id.split("-")
        evaluated = published.printed_table(L2, number[task]).targets
        assert claim.n == sum(corpus == "wiki" or code in TASKS["xnli"].languages for code in evaluated)
    assert all(claim.n == 0 for claim in ledger.claims() if claim.kind != "correlation" or not claim.numbers)


@pytest.mark.parametrize("field", ["row", "table", "column"])
def test_a_row_that_names_no_cell_is_refused(field):
    row = lines()["bassi-t1-margin-sam"] | {field: "99"}
    with pytest.raises(XlgenError):
        ledger.claims.__globals__["_read"](row)


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


def test_only_one_module_has_the_words_of_a_verdict():
    words = {"agrees", "agrees in sign only", "does not agree", "cannot say"}
    assert words | {"carried out", "not run"} == set(ledger.OUTCOMES)
    having = set()
    for package in ("xlgen", "paper"):
        for path in (ROOT / package).rglob("*.py"):
            nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if any(isinstance(node, ast.Constant) and node.value in words for node in nodes):
                having.add(path.relative_to(ROOT).as_posix())
    assert having == {"xlgen/analysis/verdicts.py"}


def test_an_order_is_judged_by_its_p_values_as_they_are():
    order = next(claim for _, claim in ledger.CLAIMS.items() if claim.pairs)
    value, low = dict.fromkeys(order.pairs, 0.1), dict.fromkeys(order.pairs, -0.1)
    for p, outcome in ((0.04, "agrees in sign only"), (0.06, "cannot say")):
        found = made(
            order, value, low, dict.fromkeys(order.pairs, 0.3), p=dict.fromkeys(order.pairs, p / len(order.pairs))
        )
        assert ledger.verdict(order, found).outcome == outcome


def test_a_published_coefficient_is_as_uncertain_as_its_own_number_of_languages():
    """−.845 over 14 and −.3 over 1,000 languages differ; with −.3's number on both sides more would."""
    outcomes = [ledger.verdict(PRINTED, made(PRINTED, r, r - 0.05, r + 0.05, n=1000)).outcome for r in (-0.3, -0.6)]
    assert outcomes == ["agrees in sign only", "agrees"]
