"""The ledger's page: every row is there and can be found, and nothing in it is markup by accident."""

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
    ledger.record("l2_ewc", GAIN.id, **numbers, **common, seeds=[0, 1, 2, 5], run_keys=keys, live=False)
    pairs = {key: dict.fromkeys(PAIRS.pairs, value) for key, value in numbers.items()}
    ledger.record("l2_ewc", PAIRS.id, **pairs, p=dict.fromkeys(PAIRS.pairs, 0.01), **common, seeds=[0])
    ledger.record("objectives", "bassi-t1-margin-sam", value=math.nan, low=math.nan, high=math.nan, **common, seeds=[0])
    ledger.not_run("l2_ewc", "l2-f2-steps", "a < b & c", folder=folder)
    return ledger.rows(ledger.load(folder))


def lines(shown) -> dict[str, ElementTree.Element]:
    """The rows of a table by their id; it has to be well-formed for that."""
    return {row.get("id"): row for row in ElementTree.fromstring(shown.data).iter("tr") if row.get("id")}


def words(element) -> str:
    return re.sub(r"\s+", " ", " ".join(element.itertext())).strip()


def test_every_row_is_a_line_with_what_the_menus_choose_by(tmp_path):
    rows = evidence(tmp_path)
    shown = page.register(rows, "all & more", PAGES)
    found = lines(shown)
    assert len(found) == len(rows) and shown.data.startswith('<div class="ledger-scroll" style="overflow-x: auto">')
    assert "<caption>all &amp; more</caption>" in shown.data and " hidden" not in shown.data
    one = found[f"{GAIN.id}-miniature"]
    assert one.get("data-verdict") == "agrees in sign only" and one.get("data-chapter") == "l2_ewc"
    assert one.get("data-scale") == "miniature" and one.get("data-paper") == "Anonymous, L2 and EWC (undated)"
    text = words(one)
    for part in ("Table 1", GAIN.sentence, "1.64", "1.000 [0.500, 1.500]", "n = 13, seeds 0–2, 5", "miniature, record"):
        assert part in text, part
    assert "3 runs 00000000 00000000 00000000" in text and one.find(".//a").get("href") == "l2_ewc.html"
    two = words(found[f"{PAIRS.id}-miniature"])
    assert "best > none: 1.000 [0.500, 1.500]" in two and "miniature, live" in two and "n = 13, seed 0" in two
    assert "undefined" in words(found["bassi-t1-margin-sam-miniature"])
    assert "a < b & c" in words(found["l2-f2-steps"]) and found["l2-f2-steps"].get("data-scale") == "not run"
    assert found["bassi-t1-margin-mt5"].find(".//a") is None, "a link to a page that does not exist"


def test_the_menus_name_what_the_rows_carry_and_are_hidden_without_scripts(tmp_path):
    rows = evidence(tmp_path)
    shown = page.controls(rows).data
    assert shown.startswith('<div class="ledger-filter" hidden>') and "bar.hidden = false" in shown
    carried = {key: {row.get(f"data-{key}") for row in lines(page.register(rows, "", {})).values()} for key in
               ("verdict", "paper", "scale", "chapter")}  # fmt: skip
    bar = ElementTree.fromstring(shown[: shown.index("</div>") + 6].replace(" hidden>", ">"))
    menus = {menu.get("name"): {option.text for option in menu.iter("option")} for menu in bar.iter("select")}
    assert menus == {key: values | {"all"} for key, values in carried.items()}


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


def test_a_contradiction_says_what_was_chosen_how_much_it_matters_and_which_rows_it_touches(tmp_path):
    rows = evidence(tmp_path)
    [conflict] = [one for one in published.contradictions() if one.id == "seeds-differ"]
    said = ledger.choice("l2_ewc", "seeds-differ", "With 1 seed < 2 points.", folder=tmp_path)
    other = ledger.choice("l2_ewc", "korean", "Something else.", folder=tmp_path)
    shown = ElementTree.fromstring(page.conflicts([conflict], rows, [said, other], PAGES).data)
    text = words(shown)
    assert shown.get("class") == "admonition warning" and text.startswith("Section 4.2 and section 5.1")
    assert conflict.sentence in text and f"Here: {conflict.choice}" in text and "Something else" not in text
    assert "How much it matters" in text and "With 1 seed < 2 points." in text
    assert "≈" not in text and "✓ agrees" in text  # the row of Figure 1
    silent = words(ElementTree.fromstring(page.conflicts([conflict], ledger.rows(()), [], {}).data))
    assert "How much" not in silent and "In the ledger" not in silent
