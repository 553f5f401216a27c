"""The miniature and real data asked the same questions: on worlds whose answers are known."""

import math

import numpy as np
import pandas as pd
import pytest

from paper import chapters, ledger, protocols, records
from paper.chapters import truth
from paper.chapters.truth import FALLS, RISES, UNSETTLED, Side, across, asked, parting, says
from xlgen.analysis import NOTHING, clustered
from xlgen.core.config import RunOptions
from xlgen.training import runs

LANGUAGES = ["ar", "bg", "de", "el", "es", "fr", "hi"]
ALL = [(o, seed) for o in ("baseline", "sam", "mvr", "fisher") for seed in (0, 1)]


def frame(models, without=()):
    """Margin rises with accuracy, sharpness falls; SAM is 2 points better and the Fisher penalty 3 worse."""
    better = {"sam": 0.02, "fisher": -0.03}
    rows = []
    for objective, seed in models:
        who = {"objective": objective, "seed": seed, "key": f"{objective}{seed}", "status": "ok", "stderr": 0.01}
        who |= {"train_size": 10_000, "extra": {}}
        for place, code in enumerate(["en", *LANGUAGES]):
            accuracy = 0.8 - 0.03 * place + better.get(objective, 0) + 0.001 * seed * (-1) ** place
            values = {"accuracy": accuracy, "dev_margin": accuracy + 0.004 * (place % 3)}
            values |= {"margin": accuracy - 0.1, "sharpness_difference": 1 - accuracy + 0.003 * (place % 2)}
            rows += [who | {"language": code, "measure": m, "value": v} for m, v in values.items() if m not in without]
        rows.append(
            who | {"language": "all", "measure": "frobenius", "value": 3.0 + (objective == "fisher") + 0.1 * seed}
        )
    return pd.DataFrame(rows)


def side(models, **more):
    return Side(frame(models, **more), "en", "real data", resamples=199)


@pytest.mark.parametrize("models", [ALL[:1], ALL[:2], ALL[:4], ALL])
def test_relations_have_the_signs_that_they_were_given_for_any_number_of_models(models):
    one = side(models)
    assert one.models == models and one.accuracy.shape == (len(models), 7)
    assert says(one.relation("dev_margin")) == RISES and says(one.relation("sharpness_difference")) == FALLS
    assert one.relation("dev_margin").groups == len(models)
    assert one.relation("fisher_trace") is None and one.relation("frobenius") is None


def test_relations_are_of_the_objectives_that_are_asked_for():
    one = side(ALL)
    assert one.relation("dev_margin", ["sam"]).groups == 2
    assert one.relation("dev_margin", ["adam"]) is None


def test_nobody_is_asked_where_there_is_no_record():
    none = Side(pd.DataFrame(), "en", "real data")
    assert none.models == none.measures == none.objectives == [] and none.accuracy.empty
    assert none.relation("dev_margin") is None and none.levels("accuracy") == {} and none.gain("sam") == NOTHING
    assert [none.record(claim) for claim in asked()] == [None] * len(asked())


def test_gains_are_points_over_common_seeds_and_a_single_seed_has_no_ends():
    one = side(ALL)
    assert one.gain("sam").value == pytest.approx(2) and one.gain("fisher").value == pytest.approx(-3)
    assert one.gain("sam").n == 2 and one.gain("adam") == NOTHING
    alone = side([("baseline", 0), ("sam", 0), ("sam", 1)]).gain("sam")
    assert alone.n == 1 and alone.value == pytest.approx(2) and math.isnan(alone.low)
    assert side([("baseline", 0), ("sam", 1)]).gain("sam") == NOTHING


def test_a_bound_is_no_number():
    rows = frame(ALL[:1])
    rows.loc[(rows.measure == "sharpness_difference") & (rows.language == "de"), "status"] = "hit_lower"
    one = Side(rows, "en", "real data", resamples=199)
    assert one.relation("sharpness_difference").left_out == 1


def test_claims_that_cannot_be_asked_have_no_record():
    """One model of the baseline answers for the baseline's correlations, and for nothing that compares objectives."""
    found = {claim.id: side(ALL[:1]).record(claim) for claim in asked()}
    both = {"bassi-t1-margin-baseline", "bassi-t1-sharpness-baseline"}
    assert {name for name, record in found.items() if record} == both


def test_claims_are_judged_as_the_ledger_does():
    one, claims = side(ALL), {claim.id: claim for claim in asked()}
    records = {name: one.record(claim) for name, claim in claims.items()}
    outcome = {name: ledger.verdict(claims[name], record).outcome for name, record in records.items() if record}
    assert outcome["bassi-t1-margin-sam"] in (ledger.AGREES, "agrees in sign only")
    assert records["bassi-t1-margin-sam"].n == len(LANGUAGES) and records["bassi-t1-margin-sam"].seeds == (0, 1)
    assert records["bassi-f6-best"].value["sam > fisher"] == pytest.approx(5)
    assert records["bassi-f5-distance"].value["fisher > sam"] == pytest.approx(1)
    assert outcome["bassi-f1-pooled"] == outcome["bassi-f2-pooled"] == ledger.AGREES
    assert records["bassi-f5-weak"].n == len(ALL) and records["bassi-t3-sam"] is None


def with_alpha(models):
    """1/α² that falls strictly with accuracy, of SAM in all languages but two."""
    rows = frame(models)
    alpha = rows[rows.measure == "sharpness_difference"].assign(measure="sharpness_alpha")
    alpha.loc[(alpha.objective == "sam") & alpha.language.isin(["ar", "bg"]), "status"] = "hit_upper"
    return pd.concat([rows, alpha], ignore_index=True)


def test_a_claim_is_judged_once_and_what_has_another_criterion_than_the_papers_is_open():
    """The coefficient of α-sharpness alone would settle it: Table 3 claims the sign that it has."""
    one = Side(with_alpha(ALL), "en", "real data", resamples=199)
    judged = one.judged()
    assert set(judged) <= set(truth.asked_once())
    alpha = {group.others[0]: joint for group, joint in judged.items() if group.others}
    assert set(alpha) == {f"bassi-t3-{o}" for o in ("baseline", "sam", "mvr", "fisher")}
    assert {joint.verdict for joint in alpha.values()} == {UNSETTLED}
    claims = {claim.id: claim for claim in asked()}
    assert ledger.verdict(claims["bassi-t3-mvr"], one.record(claims["bassi-t3-mvr"])).outcome != UNSETTLED
    both = {tuple(claim.item for claim in group.claims) for group in judged}
    assert ("Table 1", "Figure 3") in both and ("Table 3", "Figure 7") in both
    assert side(ALL[:1]).judged().keys() < judged.keys() and not Side(pd.DataFrame(), "en", "real data").judged()


def test_a_number_over_fewer_languages_than_there_are_says_so():
    judged = Side(with_alpha(ALL), "en", "real data", resamples=199).judged()
    shown = {group.claims[0].id: truth.numbers_shown(joint, len(LANGUAGES)) for group, joint in judged.items()}
    assert shown["bassi-t3-sam"].endswith(f", n = {len(LANGUAGES) - 2}")
    assert not any("n = " in text for name, text in shown.items() if name != "bassi-t3-sam")
    assert shown["bassi-f6-best"].count(";") == 2


def order(values):
    """The claim of Figure 1 on which objectives are flattest, with these differences, all of them settled."""
    claim = ledger.CLAIMS["bassi-f1-flattest"]
    numbers = dict(zip(claim.pairs, values, strict=True))
    ends = {"low": {p: v - 0.1 for p, v in numbers.items()}, "high": {p: v + 0.1 for p, v in numbers.items()}}
    parts = {"value": numbers, **ends, "p": dict.fromkeys(claim.pairs, 1e-4), "n": 5}
    record = ledger.Record(claim.chapter, claim.id, **parts, seeds=(0,), scale="real data")
    (joint,) = (joint for joint in ledger.joined(ledger.rows([record])) if joint.scale)
    return joint


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            [1, 1, -1, -1],
            "because of mvr alone: baseline > sam and baseline > fisher have the claimed sign",
        ),
        ([1, -1, -1, -1], "though baseline > sam has the claimed sign"),
        ([-1, -1, -1, -1], ""),
        ([1, 1, 1, 1], ""),
    ],
)
def test_an_order_that_does_not_hold_because_of_one_objective_names_it(values, words):
    """Pairs: baseline > sam, baseline > fisher, mvr > sam, mvr > fisher."""
    assert truth.because_of(order(values)) == words
    (plain,) = (
        joint for group, joint in side(ALL[:1]).judged().items() if group.claims[0].id == "bassi-t1-margin-baseline"
    )
    assert truth.because_of(plain) == ""


def test_a_claim_over_all_models_and_languages_draws_both():
    one, claims = side(ALL), {claim.id: claim for claim in asked()}
    found = one.record(claims["bassi-f2-pooled"])
    x, y = (one.tables[name].to_numpy() for name in ("sharpness_difference", "accuracy"))
    both = clustered(x, y, how="pooled", rows_too=True, resamples=199)
    assert (found.low, found.high) == (both.low, both.high)


def test_noise_is_the_error_of_an_accuracy_beside_the_spread_of_the_languages():
    one = side(ALL)
    assert one.noise == pytest.approx(0.01 / one.accuracy.mean().std(ddof=1), rel=0.01)


def test_the_chapters_claims_get_rows_of_real_data_from_the_models_that_they_name(tmp_path):
    evidence = chapters.Evidence("objectives", store=tmp_path)
    models = [("baseline", 3), ("sam", 0), ("sam", 1)]
    truth.settle_real(evidence, frame(models))
    assert evidence.real.keys() == {f"bassi-t1-{m}-{o}" for m in ("margin", "sharpness") for o in ("baseline", "sam")}
    sam = evidence.real["bassi-t1-margin-sam"]
    assert (sam.scale, sam.seeds, sam.pairs, sam.run_keys) == ("real data", (0, 1), (10_000,), ("sam0", "sam1"))
    assert sam.value == side(models).relation("dev_margin", ["sam"]).value and not sam.live
    assert evidence.real["bassi-t1-margin-baseline"].seeds == (3,)


def test_a_row_names_the_models_that_have_its_measure_and_no_other(tmp_path):
    """The second seed of SAM was not measured by φ, nor the other objectives with a second seed at all."""
    rows = frame([*ALL[::2], ("sam", 1)])
    rows = rows[~((rows.key == "sam1") & (rows.measure == "sharpness_difference"))]
    one = Side(rows, "en", "real data", resamples=199)
    claims = {claim.id: claim for claim in asked()}
    assert one.record(claims["bassi-t1-margin-sam"]).seeds == (0, 1)
    assert one.record(claims["bassi-t1-sharpness-sam"]).seeds == (0,)
    assert one.record(claims["bassi-f6-best"]).seeds == one.record(claims["bassi-f1-pooled"]).seeds == (0,)
    assert one.record(claims["bassi-f5-weak"]).seeds == (0, 1)
    evidence = chapters.Evidence("objectives", store=tmp_path)
    truth.settle_real(evidence, rows)
    assert evidence.real["bassi-t1-sharpness-sam"].run_keys == ("sam0",)
    assert evidence.real["bassi-t1-margin-sam"].run_keys == ("sam0", "sam1")


def test_orders_of_objectives_get_a_row_when_all_are_there(tmp_path):
    for models, there in ((ALL, True), (ALL[:6], False)):
        evidence = chapters.Evidence("stability", store=tmp_path)
        truth.settle_real(evidence, frame(models))
        assert ("bassi-f6-best" in evidence.real) == there
    evidence = chapters.Evidence("every_measure", store=tmp_path)
    truth.settle_real(evidence, pd.DataFrame())
    assert not evidence.real
    own = chapters.Evidence("stability", None, "small", {"model": "mini"}, store=tmp_path)
    truth.settle_real(own, frame(ALL))
    assert own.scale == "real data" and not own.real


def test_reliability_is_what_standard_errors_do_not_explain():
    one = side(ALL[:2])
    values = one.tables["margin"].iloc[0]
    assert one.reliability("margin") == pytest.approx(1 - 0.01**2 / values.var(ddof=1), rel=0.02)
    noisy = frame(ALL[:1])
    noisy["extra"], noisy["stderr_kind"] = [{"stderr_examples": 0.03}] * len(noisy), "noise"
    assert Side(noisy, "en", "real data").reliability("margin") == pytest.approx(1 - 0.001 / values.var(ddof=1))
    parts = pd.concat([frame([key]) for key in ALL[:2]])  # of two tables, whose rows have the same numbers
    assert Side(parts, "en", "real data").reliability("margin") == pytest.approx(one.reliability("margin"))
    assert one.counts["margin"] == 0
    assert Side(frame(ALL[:1]).assign(n=64), "en", "real data").counts["margin"] == 64
    bound = frame(ALL[:1])
    bound.loc[bound.language == "de", "stderr"] = math.nan
    assert math.isnan(Side(bound, "en", "real data").reliability("margin"))


def test_the_objectives_of_the_other_papers_are_one_setup_each():
    """A table of one row a model: of L2 and EWC one strength and one text, whatever else is recorded of them."""
    found = truth.further_models("mini")
    assert {"baseline", "l2", "ewc", "consistency", "rdrop"} == set(found.objective)
    assert not found.duplicated(["objective", "seed", "measure", "language"]).any()
    one = Side(found, "en", "miniature")
    assert one.gain("l2").n == one.gain("ewc").n == 3
    assert set(truth.further_models("real", model="e5-small").objective) >= {"baseline"}


def test_the_committed_record_is_a_model_of_the_protocol_and_others_are_not():
    found = truth.recorded_models()
    assert {"accuracy", "confidence", "dev_margin"} <= set(found.measure) and set(found.train_size) == {10_000}
    assert set(truth.recorded_models(objectives=["sam"]).objective) == {"sam"}
    assert truth.recorded_models("xlm-roberta-base").empty


def test_no_claim_is_asked_that_the_first_paper_does_not_make_and_none_twice():
    names = [claim.id for claim in asked()]
    assert len(names) == len(set(names)) and all(claim.paper == "bassi2024generalization" for claim in asked())
    assert {*truth.POOLED, *truth.ORDERED, *truth.SPREADS} < set(names)
    assert not any("mt5" in name or "extreme" in name for name in names)


@pytest.mark.parametrize(
    ("here", "there", "way"),
    [
        (RISES, RISES, "together"),
        (FALLS, RISES, "opposite"),
        (UNSETTLED, UNSETTLED, "neither"),
        (RISES, UNSETTLED, "miniature only"),
        (UNSETTLED, FALLS, "real only"),
    ],
)
def test_how_two_words_go_together(here, there, way):
    assert parting(here, there) == way


def test_an_undefined_relation_says_nothing():
    assert says(None) == UNSETTLED
    flat = frame(ALL[:1])
    flat.loc[flat.measure == "margin", "value"] = 0.5
    assert says(Side(flat, "en", "real data", resamples=199).relation("margin")) == UNSETTLED


def test_two_tables_are_correlated_over_the_models_and_languages_of_both():
    x = pd.DataFrame(np.arange(10.0).reshape(2, 5), index=["a", "b"], columns=list("vwxyz"))
    y = pd.DataFrame([[0.0, 1, 3, 2, 9]], index=["b"], columns=list("vwxyq"))
    r = across(x, y, resamples=99)
    assert r.value == pytest.approx(np.corrcoef([0, 1, 2, 3], [0, 1, 3, 2])[0, 1]) and r.n == 4
    assert across(x, y, languages="vwx") == NOTHING and across(x.loc[["a"]], y) == NOTHING


def test_a_rate_that_was_tried_is_that_of_the_protocol_s_own_model_and_no_other_s(tmp_path):
    """Penalties, other seeds and objectives have the same learning rate, and are committed too."""
    options = RunOptions(store=tmp_path, records=records.default_folder())
    names = {lr: runs.resolve(config, options).hash for (lr,), config in protocols.rates("mini").configs.items()}
    expected = {lr: runs.stored(name, options).summary["dev_accuracy"] for lr, name in names.items()}
    assert truth.rates_tried("mini") == expected and len(expected) == 3
    assert truth.rates_tried("mini", seed=99) == {}
