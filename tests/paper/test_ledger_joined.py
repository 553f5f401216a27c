"""Claims that are one are judged once, by the number from the most models, and with the paper's own criterion."""

import csv
from dataclasses import replace
from importlib import resources

import pytest

from paper import ledger
from paper.ledger.joined import FROM_WORST, Group, groups
from xlgen.core.errors import UnknownName

TABLE, FIGURE = (ledger.CLAIMS[f"bassi-{item}-baseline"] for item in ("t1-margin", "f3"))  # 0.801, and a direction
OWN, OTHER = (ledger.CLAIMS[f"bassi-f7-extreme{end}"] for end in ("", "-deviation"))
NAN = float("nan")


def record(claim, value, low, high, models=1, scale="miniature"):
    keys = tuple(f"{number:016x}" for number in range(models))
    facts = {"n": 14, "seeds": (0,), "pairs": (3000,), "scale": scale, "run_keys": keys}
    return ledger.Record(claim.chapter, claim.id, value, low, high, **facts)


def joint_of(claim, *records, scale="miniature"):
    found = [j for j in ledger.joined(ledger.rows(records)) if j.concerns([claim.id]) and j.scale == scale]
    assert len(found) == 1
    return found[0]


def test_every_claim_is_in_one_group_and_counted_once():
    named = [name for group in groups() for name in (*group.parts, *group.others)]
    assert sorted(named) == sorted(dict(ledger.CLAIMS.items()))
    joints = ledger.joined(ledger.rows(()))
    assert len(joints) == len(groups()) == len({joint.id for joint in joints})
    assert sum(ledger.counts(joints)["verdict"].values()) == len(joints)


def test_claims_of_one_table_and_one_figure_on_the_same_data_are_all_joined():
    """Table 1 and Figures 3 and 4, Table 3 and Figure 7, of the objectives that the figures show."""
    of_claim = {name: group for group in groups() for name in (*group.parts, *group.others)}
    for first, second in (("t1-margin", "f3"), ("t1-sharpness", "f4"), ("t3", "f7")):
        for objective in ("baseline", "sam", "mvr", "fisher"):
            assert of_claim[f"bassi-{first}-{objective}"] is of_claim[f"bassi-{second}-{objective}"]


@pytest.mark.parametrize(
    ("few", "many", "outcome"),
    [
        ((0.80, 0.5, 0.9), (0.85, 0.7, 0.95), "agrees"),
        ((0.80, 0.5, 0.9), (0.97, 0.92, 0.99), "agrees in sign only"),  # differs from 0.801 by z, over 14 points each
        ((0.97, 0.92, 0.99), (0.80, 0.5, 0.9), "agrees"),  # the fewer models do not count
        ((0.80, 0.5, 0.9), (0.2, -0.3, 0.6), "cannot say"),
        ((0.80, 0.5, 0.9), (-0.5, -0.8, -0.1), "does not agree"),
    ],
)
def test_a_claim_is_judged_by_the_number_from_the_most_models(few, many, outcome):
    for records in ((record(TABLE, *few), record(FIGURE, *many, models=8)),
                    (record(TABLE, *many, models=8), record(FIGURE, *few))):  # fmt: skip
        joint = joint_of(TABLE, *records)
        assert joint.verdict == outcome and len(joint.row.run_keys) == 8 and joint.items == ("Table 1", "Figure 3")
        assert joint.published.number == "0.801" and joint.id == "bassi-t1-margin-baseline-miniature"


def test_its_verdict_is_the_least_favourable_that_a_row_has_with_that_number():
    """By other code: each row judged alone, its own record replaced by that of the most models."""
    for value, low, high in ((0.97, 0.92, 0.99), (0.8, 0.6, 0.9), (-0.5, -0.8, -0.1), (0.2, -0.1, 0.5)):
        many = record(FIGURE, value, low, high, models=8)
        alone = [
            ledger.verdict(FIGURE, many),
            ledger.verdict(TABLE, replace(many, claim=TABLE.id, chapter=TABLE.chapter)),
        ]
        worst = [word for word in FROM_WORST if word in {one.outcome for one in alone}][0]
        joint = joint_of(TABLE, record(TABLE, 0.8, 0.6, 0.9), many)
        assert joint.judged in alone and joint.verdict == worst
        if len({one.outcome for one in alone}) == 1:
            assert joint.judged == alone[1], "of equals, the reason beside the published number is given"


def test_one_row_that_was_not_run_leaves_the_claim_to_the_other():
    joint = joint_of(TABLE, record(FIGURE, 0.85, 0.7, 0.95, models=8))
    assert joint.verdict == "agrees" and [row.item for row in joint.rows] == ["Figure 3"]
    neither = joint_of(TABLE, scale="")
    assert neither.verdict == "not run" and neither.id == TABLE.id


def test_scales_are_claims_of_their_own():
    records = [record(TABLE, 0.8, 0.6, 0.9), record(FIGURE, 0.1, -0.4, 0.5, models=3, scale="real data")]
    by = {joint.scale: joint for joint in ledger.joined(ledger.rows(records)) if joint.concerns([TABLE.id])}
    assert {scale: joint.verdict for scale, joint in by.items()} == {"miniature": "agrees", "real data": "cannot say"}
    assert by["real data"].id == f"{TABLE.id}-real-data" and by["real data"].published.number == "0.801"


def test_what_is_tested_with_another_criterion_does_not_count():
    own, other = record(OWN, 1.0, 1.0, 1.0), record(OTHER, 0.0, 0.0, 0.0, models=12)
    joint = joint_of(OWN, own, other)
    assert joint.verdict == "agrees" and joint.row.claim is OWN and [row.claim for row in joint.others] == [OTHER]
    assert [row.verdict for row in joint.others] == ["does not agree"]
    alone = joint_of(OWN, other)
    assert alone.verdict == "cannot say" and alone.row is None and "another criterion only" in alone.because
    assert "loss above 0.1" in alone.criterion


def test_a_procedure_that_was_carried_out_is_no_agreement_and_counts_apart():
    done = [record(ledger.CLAIMS[f"l2-{item}"], 1.0, NAN, NAN) for item in ("f2-steps", "t10-settings")]
    joints = [joint for joint in ledger.joined(ledger.rows([record(TABLE, 0.8, 0.6, 0.9), *done])) if joint.scale]
    assert ledger.counts(joints)["verdict"] == {"agrees": 1, "carried out": 2}
    assert ledger.in_words(joints) == "1 “agrees”, 2 procedures carried out"
    assert ledger.in_words(joints[-1:]) == "1 procedure carried out"


def test_one_claim_with_two_verdicts_on_the_same_data_has_one_and_counts_once():
    joints = ledger.joined(ledger.rows([record(TABLE, 0.97, 0.92, 0.99), record(FIGURE, 0.8, 0.6, 0.9, models=8)]))
    [joint] = [joint for joint in joints if joint.scale]
    assert {row.verdict for row in joint.rows} == {"agrees", "agrees in sign only"}
    assert ledger.counts(joints)["scale and verdict"]["miniature: agrees"] == 1


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"parts": (TABLE.id, "l2-t5-wiki-xnli")}, "of 2 papers"),
        ({"parts": (TABLE.id, "bassi-f5-weak")}, "several kinds"),
        ({"others": (OTHER.id,)}, "go together"), ({"criterion": "x"}, "go together"),
    ],
)  # fmt: skip
def test_claims_that_cannot_be_one_are_refused(facts, message):
    with pytest.raises(ledger.LedgerError, match=message):
        Group(**{"sentence": "S.", "parts": (TABLE.id, FIGURE.id)} | facts)


def test_a_name_that_is_no_claim_is_refused():
    with pytest.raises(UnknownName, match="bassi-t1-margin-base"):
        Group("S.", ("bassi-t1-margin-base",))


def test_joined_claims_have_a_sentence_and_no_column_is_cut():
    text = (resources.files("paper.ledger") / "joined.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for row in csv.DictReader(lines):
        assert None not in row and None not in row.values() and row["sentence"].endswith(".")
