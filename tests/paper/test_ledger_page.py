"""The ledger's page: every claim is there and can be found, and nothing in it is markup by accident."""

import math
import re
from xml.etree import ElementTree

from paper import ledger, published
from paper.ledger import page

GAIN = ledger.CLAIMS["l2-t1-xnli-l2"]
PAIRS = ledger.CLAIMS["l2-f1-zero-shot"]
PAGES = {"l2_ewc": "l2_ewc.html"}


def evidence(folder):
    common = {"n": 13, "scale": "miniature", "folder": folder}
    keys = [f"{n:016x}" for n in range(3)]
    numbers = {"value": 1.0, "low": 0.5, "high": 1.5}
    facts = {"seeds": [0, 1, 2, 5], "pairs": [3000, 10_000], "run_keys": keys, "live": False}
    ledger.record("l2_ewc", GAIN.id, **numbers, **common, **facts)
    pairs = {key: dict.fromkeys(PAIRS.pairs, value) for key, value in numbers.items()}
    ledger.record("l2_ewc", PAIRS.id, **pairs, p=dict.fromkeys(PAIRS.pairs, 0.01), **common, seeds=[0])
    ledger.record("objectives", "bassi-t1-margin-sam", value=math.nan, low=math.nan, high=math.nan, **common, seeds=[0])
    for name, models in (("t3", 1), ("f7", 3)):
        claim = ledger.CLAIMS[f"bassi-{name}-fisher"]
        small = {"value": 0.2, "low": 0.1, "high": 0.5, "seeds": [0], "run_keys": keys[:models]}
        ledger.record(claim.chapter, claim.id, **common, **small)
    ledger.not_run("l2_ewc", "l2-f2-steps", "a < b & c", folder=folder)
    return ledger.joined(ledger.rows(ledger.load(folder)))


def markup(shown) -> ElementTree.Element:
    """What is shown, which has to be well-formed for that."""
    return ElementTree.fromstring(shown.data.replace(" open>", ">"))


def lines(shown) -> dict[str, ElementTree.Element]:
    """The rows of a table by their id; it has to be well-formed for that."""
    return {row.get("id"): row for row in ElementTree.fromstring(shown.data).iter("tr") if row.get("id")}


def words(element) -> str:
    return re.sub(r"\s+", " ", " ".join(element.itertext())).strip()


def test_every_claim_is_a_line_with_what_the_menus_choose_by(tmp_path):
    joints = evidence(tmp_path)
    shown = page.register(joints, "all & more", PAGES)
    found = lines(shown)
    assert (
        list(found) == [joint.id for joint in joints]
        and '<div class="ledger-scroll" style="overflow-x: auto"' in shown.data
    )
    assert shown.data.startswith('<details class="ledger-paper"><summary>all &amp; more</summary>')
    assert " hidden" not in shown.data
    one = found[f"{GAIN.id}-miniature"]
    assert one.get("data-verdict") == "agrees in sign only" and one.get("data-chapter") == "l2_ewc"
    assert one.get("data-scale") == "miniature" and one.get("data-paper") == "Anonymous, L2 and EWC (2021)"
    assert one.get("data-item") == "Anonymous, L2 and EWC (2021), Table 1"
    text = words(one)
    parts = ["Table 1", GAIN.sentence, "1.64", "no uncertainty printed", "1.000 [0.500, 1.500]", "miniature, record"]
    parts += ["n = 13, 3,000 and 10,000 pairs, seeds 0–2, 5", "sign settled; published value in our interval"]
    for part in parts:
        assert part in text, part
    assert "Runs: 00000000 00000000 00000000" in text and one.find(".//a").get("href") == "l2_ewc.html"
    two = words(found[f"{PAIRS.id}-miniature"])
    assert "best > none: 1.000 [0.500, 1.500]" in two and "miniature, live" in two and "n = 13, seed 0" in two
    both = found["bassi-t1-margin-sam-miniature"]
    assert "undefined" in words(both) and "0.874" in words(both) and "at n = 14" in words(both)
    assert words(both).startswith("Table 1, Figure 3")
    assert "a < b & c" in words(found["l2-f2-steps"]) and found["l2-f2-steps"].get("data-scale") == "not run"
    assert found["bassi-t1-margin-mt5"].find(".//a") is None, "a link to a page that does not exist"


def test_another_criterion_has_a_line_of_its_own_that_says_so_and_does_not_count(tmp_path):
    joints = evidence(tmp_path)
    shown = markup(page.register(joints, "x", PAGES))
    rows = list(shown.iter("tr"))
    [at] = [number for number, row in enumerate(rows) if row.get("id") == "bassi-t3-fisher-miniature"]
    main, *others = rows[at : at + 3]
    assert "cannot say" in words(main) and "with another criterion only, below" in words(main)
    for item, row in zip(("Table 3", "Figure 7"), others, strict=True):
        assert row.get("class") == "other" and row.get("id") is None
        assert {k: row.get(k) for k in main.attrib if k != "id"} == {k: v for k, v in main.items() if k != "id"}
        assert words(row).startswith(f"{item}, another criterion: accuracy falls by 0.1 (the paper: loss above 0.1)")
        assert "not counted; by itself: does not agree" in words(row) and "0.200 [0.100, 0.500]" in words(row)
    assert sum(row.get("class") == "other" for row in rows) == 2


def test_a_fold_shows_what_it_holds_under_its_title():
    shown = markup(page.fold("a & b", page.error_rates([])))
    assert shown.tag == "details" and shown.find("summary").text == "a & b" and shown.find("table") is not None


def test_error_rates_are_shown_with_what_is_promised():
    rates = [
        ledger.Rate("a < b", "settled, either way", 0.05, 0.04, 1.0, 400),
        ledger.Rate("c", "agrees", math.nan, 0.25, math.nan, 100),
    ]
    shown = ElementTree.fromstring(page.error_rates(rates).data)
    body = [[words(cell) for cell in row] for row in shown.iter("tr")][1:]
    assert body == [
        ["a < b", "settled, either way", "5", "4.0 ± 1.1", "100.0"],
        ["c", "agrees", "nothing", "25.0 ± 4.3", "none"],
    ]


def test_verdicts_are_told_apart_without_colour():
    assert set(page.LOOKS) == set(ledger.OUTCOMES)
    signs, colours, _ = zip(*page.LOOKS.values(), strict=True)
    assert len(set(signs)) == len(set(colours)) == len(page.LOOKS)


def test_printed_numbers_that_do_not_add_up_have_a_box_each_unless_rounding_explains_them():
    wrong = published.discrepancies()
    shown = ElementTree.fromstring(f"<main>{page.discrepancies(wrong).data}</main>")
    *boxes, last = map(words, shown)
    unexplained = [check for check in wrong if not check.explained]
    assert len(boxes) == len(unexplained) and last.startswith("In the last digit")
    for text, check in zip(boxes, unexplained, strict=True):
        assert text.startswith(published.PAPERS[check.paper].name) and f"{check.recomputed:.4g}".lstrip("-") in text
        assert check.printed.lstrip("-") in text and check.paper not in text
    explained = [check for check in wrong if check.explained]
    assert len(shown[-1].findall("p")) == 1 + len(explained)
    assert len(ElementTree.fromstring(f"<main>{page.discrepancies(explained).data}</main>")) == 1


def test_a_contradiction_says_what_was_chosen_how_much_it_matters_and_which_claims_it_touches(tmp_path):
    joints = evidence(tmp_path)
    [conflict] = [one for one in published.contradictions() if one.id == "seeds-differ"]
    said = ledger.choice("l2_ewc", "seeds-differ", "With 1 seed < 2 points.", folder=tmp_path)
    other = ledger.choice("l2_ewc", "korean", "Something else.", folder=tmp_path)
    shown = ElementTree.fromstring(page.conflicts([conflict], joints, [said, other], PAGES).data)
    text = words(shown)
    assert shown.tag == "details" and text.startswith("Section 4.2 and section 5.1")
    assert conflict.sentence in text and f"Here: {conflict.choice}" in text and "Something else" not in text
    assert "How much it matters" in text and "With 1 seed < 2 points." in text
    assert "≈" not in text and "✓ agrees" in text  # the row of Figure 1
    silent = words(ElementTree.fromstring(page.conflicts([conflict], ledger.joined(ledger.rows(())), [], {}).data))
    assert "How much" not in silent and "In the ledger" not in silent
