"""Measures of models as tables of a page."""

import math
import re
from dataclasses import replace
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from paper.chapters import contests, measures
from paper.chapters.noise import noise
from xlgen.analysis import AnalysisError, Interval, clustered
from xlgen.analysis.contest import contest
from xlgen.core.errors import ConfigError, UnknownName

KEYS = [("sam", 0), ("sam", 1)]
LANGUAGES = ["ar", "bg", "de", "el", "es"]


def rows():
    """Accuracy and a margin of both models; Tr F, the distance from W₀ and a correct-only margin of the first."""
    for objective, seed in KEYS:
        who = {"task": "mini-xnli", "objective": objective, "seed": seed, "key": (objective, seed), "n": 50}
        for place, code in enumerate(["en", *LANGUAGES]):
            one = who | {"language": code, "status": "ok", "on": "test, true labels"}
            yield one | {"measure": "accuracy", "value": 0.9 - 0.05 * place + 0.01 * seed}
            yield one | {"measure": "dev_margin", "value": 0.8 - 0.04 * place**1.1, "on": "dev, true labels"}
            yield one | {"measure": "dev_margin_correct", "value": 0.7, "on": "dev, true labels", "n": 31}
            yield one | {"measure": "margin_correct", "value": 0.7}
            if not seed:
                bound = {"status": "hit_lower"} if code == "de" else {}
                yield one | {"measure": "fisher_trace", "value": 1.0 + place, "on": "test, labels of the model"} | bound
        if not seed:
            yield who | {"language": "all", "status": "ok", "on": "weights", "measure": "frobenius", "value": 3.0}


@pytest.fixture
def study():
    return measures.MeasureTables(SimpleNamespace(frame=pd.DataFrame(list(rows())), runs=dict.fromkeys(KEYS)))


def text(shown):
    return re.sub(r"\s+", " ", re.sub(r"(<[^>]+>)+", "|", shown.data))


def test_tables_have_models_and_languages_and_a_gap_for_a_bound(study):
    assert study.languages == LANGUAGES and study.keys == KEYS
    assert study.tables["accuracy"].shape == (2, 5)
    assert study.tables["accuracy"][1, 0] == 0.9 - 0.05 + 0.01
    trace = study.tables["fisher_trace"]
    assert np.isnan(trace[1]).all() and np.isnan(trace[0]).tolist() == [False, False, True, False, False]
    assert study.tables["frobenius"][0].tolist() == [3.0] * 5
    assert study.bounds("fisher_trace") == pytest.approx(0.2) and not study.mostly_there("fisher_trace")
    assert study.having("fisher_trace") == study.with_all == KEYS[:1] and study.having("dev_margin") == KEYS


def test_what_needs_no_label_comes_first_and_the_margin_of_figure_3_is_the_only_one_of_correct_examples(study):
    assert set(study.tried) == {"fisher_trace", "frobenius", "dev_margin", "dev_margin_correct"}
    assert [study.needs_labels(m) for m in study.tried] == [False, False, True, True]
    assert study.sets_of(study.tried)["all without labels"] == study.tried[:2]
    assert "|Tr F|not needed|test|50|1|1 of 5|" in text(study.table("x"))
    assert "|margin, correct only (dev)|needed|dev|50|2|0 of 10|" in text(study.table("x"))


def test_without_a_model_that_has_every_measure_there_is_nothing_to_compare():
    other = [row | {"seed": 1, "key": KEYS[1]} if row["measure"] == "frobenius" else row for row in rows()]
    frame = pd.DataFrame(other)
    with pytest.raises(ConfigError, match="thorough names none of the seeds"):
        measures.MeasureTables(SimpleNamespace(frame=frame, runs=dict.fromkeys(KEYS)))


def test_answers_show_the_coefficient_and_say_where_there_is_none(study):
    answer = {m: clustered(study.tables[m], study.tables["accuracy"], resamples=99) for m in study.tried}
    shown = text(study.answers({"pearson": answer}, {"pearson": dict.fromkeys(study.tried, 0.0321)}, "x"))
    margin = answer["dev_margin"]
    assert f"|margin (dev)|{margin.interval}|{margin.p:.2g}|0.032|" in shown
    assert f"undefined: {answer['frobenius'].reason}" in shown


def test_answers_say_how_reliable_a_measure_is_where_its_errors_are_known(study):
    answer = {m: clustered(study.tables[m], study.tables["accuracy"], resamples=99) for m in study.tried}
    given = {"pearson": answer}, {"pearson": dict.fromkeys(study.tried, 0.0321)}, "x"
    study.frame = study.frame.assign(stderr=0.01)
    quiet = noise(study.frame, "dev_margin", study.source)
    shown = text(study.answers(*given, quiet=True))
    assert f"|0.032|{quiet.reliability_x:.2f}|{quiet.corrected:.2f}|" in shown
    study.frame = study.frame.assign(stderr=None)
    assert "|0.032|margin, correct only (dev)|" in text(study.answers(*given, quiet=True))
    del answer["dev_margin"]  # a measure that was not asked has no row
    assert "margin (dev)" not in text(study.answers(*given))


def test_settled_are_candidates_with_a_small_p_and_an_interval_without_0(study):
    def one(value, low, high):
        return SimpleNamespace(value=value, interval=Interval(value, low, high, 5))

    names = study.tried
    answer = dict(
        zip(names, (one(0.4, 0.1, 0.6), one(-0.8, -0.9, -0.5), one(0.9, 0.8, 1), one(0.3, -0.1, 0.6)), strict=True)
    )
    p = dict(zip(names, (0.05, 0.001, 0.06, 0.01), strict=True))
    assert study.settled(answer, p) == [names[1], names[0]]
    assert measures.listed(names[1:2], answer) == f"{measures.named(names[1])} (−0.80)"
    assert measures.listed([], answer) == "none"
    assert study.settled({names[0]: answer[names[0]]}, {names[0]: 0.01}) == [
        names[0]
    ]  # of the measures that were asked


def test_prose_names_three_and_counts_the_others():
    assert measures.few("abcde") == "a, b, c and 2 more" and measures.few("abc") == "a, b, c"
    assert measures.few([]) == "none" and measures.few("ab", most=1) == "a and 1 more"


def test_a_measure_that_is_another_plus_a_constant_counts_once_over_languages():
    assert measures.once(["doc", "atc", "confidence"]) == ["atc", "confidence"]
    assert measures.once(["doc", "atc"]) == ["doc", "atc"]
    rng = np.random.default_rng(0)
    y, x = rng.normal(size=(2, 6, 9))
    moved = x + rng.normal(size=(6, 1))  # a constant of each model
    assert clustered(moved, y, resamples=99).value == pytest.approx(clustered(x, y, resamples=99).value)
    assert clustered(moved.T, y.T, resamples=99).value != pytest.approx(clustered(x.T, y.T, resamples=99).value)


def test_only_measures_whose_verdict_could_hang_on_the_seed_are_tested_again():
    p, asked = {"sure": 0.001, "near": 0.02, "far": 0.6}, []

    def over(m, **how):
        asked.append((m, how.get("permutations", 0)))
        return SimpleNamespace(p=0.026 if "permutations" in how else p[m], how=how)

    answer = measures.tested(over, p, 99, coefficient="pearson")
    assert asked == [("sure", 0), ("near", 0), ("far", 0), ("near", 99 * measures.PERMUTATIONS)]
    assert {m: c.p for m, c in answer.items()} == {"sure": 0.001, "near": 0.026, "far": 0.6}
    assert all(c.how["coefficient"] == "pearson" and c.how["resamples"] == 99 for c in answer.values())
    assert measures.corrected(answer)["near"] > measures.ALPHA > 2 * p["near"]  # the verdict was another one


def test_contests_are_told_with_error_baseline_and_difference():
    x = np.arange(8.0)[:, None]
    result = contest({"ours": x, "mean": np.zeros((8, 1))}, 0.1 * x[:, 0] + [0.01, -0.01] * 4, list("aabbccdd"))
    gain = result.gain("ours", "mean")
    shown = text(contests.contest_table({"a measure": result}, {"mean": "the mean"}, "groups", "x"))
    assert f"|a measure|{result.errors['ours'].mean:.2f}|" in shown and f"|{gain.better} of 4|" in shown
    told = contests.compared({"a measure": result}, "a measure")
    assert f"difference {gain.difference:+.2f}" in told and told.startswith("a measure: ")
    assert contests.compared({}, None) == "there is none" and measures.p_text(math.nan) == ""


def left_out(x, y, column):
    """What a line through the other columns' deviations from the rows' means says of a column: by hand."""
    others = [i for i in range(x.shape[1]) if i != column]
    a, b = (t[:, others] - t[:, others].mean(axis=1, keepdims=True) for t in (x, y))
    slope = np.polyfit(a.ravel(), b.ravel(), 1)[0]
    return y[:, others].mean(axis=1) + slope * (x[:, column] - x[:, others].mean(axis=1))


def table_of(rng, models=4):
    """Rows of some models in all languages and English, with a measure that follows accuracy."""
    for model in range(models):
        who = {"task": "mini-xnli", "objective": "sam" if model < 2 else "mvr", "seed": model % 2, "n": 50}
        who |= {"key": f"{model:016d}", "status": "ok", "on": "test, no labels", "model": "tiny"}
        for code in ["en", *LANGUAGES]:
            value = rng.uniform(0.5, 0.9)
            yield who | {"language": code, "measure": "accuracy", "value": value, "on": "test, true labels"}
            yield who | {"language": code, "measure": "confidence", "value": value + rng.normal(0, 0.05)}
            yield who | {"language": code, "measure": "fisher_trace", "value": math.exp(3 * value)}


@pytest.fixture
def frame():
    return pd.DataFrame(list(table_of(np.random.default_rng(0))))


@pytest.fixture
def four(frame):
    keys = [("sam", 0), ("sam", 1), ("mvr", 0), ("mvr", 1)]
    by_key = frame.assign(key=list(zip(frame.objective, frame.seed, strict=True)))
    return measures.MeasureTables(SimpleNamespace(frame=by_key, runs=dict.fromkeys(keys)))


def test_a_forecast_has_not_seen_the_language_or_the_model_or_the_objective(four):
    x, y = four.tables["confidence"], four.tables["accuracy"]
    language, model = (four.leave_out(unit, ["confidence"]).errors for unit in ("language", "model"))
    for column, code in enumerate(LANGUAGES):
        said = left_out(x, y, column)
        assert language["ours"].mae[code] == pytest.approx(100 * np.abs(said - y[:, column]).mean())
        rest = np.delete(y, column, axis=1).mean(axis=1)
        assert language["mean"].mae[code] == pytest.approx(100 * np.abs(rest - y[:, column]).mean())
    for row, key in enumerate(four.keys):
        said = left_out(x.T, y.T, row)
        assert model["ours"].mae[key] == pytest.approx(100 * np.abs(said - y[row]).mean())
    assert four.leave_out("language", ["confidence"]).errors.keys() == {"ours", "mean", "English"}
    with pytest.raises(AnalysisError, match="2 groups"):
        four.leave_out("objective", ["confidence"])
    with pytest.raises(UnknownName, match="what to leave out 'languages'. Did you mean 'language'"):
        four.leave_out("languages", ["confidence"])


def test_english_accuracy_is_one_line_for_all_models_of_a_new_language(four, frame):
    english = frame[(frame.measure == "accuracy") & (frame.language == "en")].value.to_numpy()
    y = four.tables["accuracy"]
    said = [np.polyval(np.polyfit(np.repeat(english, 4), np.delete(y, i, 1).ravel(), 1), english) for i in range(5)]
    found = four.leave_out("language", ["confidence"]).errors["English"].mae
    assert list(found.values()) == pytest.approx([100 * np.abs(s - y[:, i]).mean() for i, s in enumerate(said)])


def test_a_measure_of_many_orders_of_magnitude_enters_by_its_logarithm(four):
    assert four.features(["fisher_trace"])[:, 0] == pytest.approx(3 * four.tables["accuracy"].ravel())
    assert four.leave_out("language", ["fisher_trace"]).errors["ours"].mean.value == pytest.approx(0, abs=1e-9)


def test_what_a_measure_adds_is_compared_with_the_others_alone(four):
    found = four.leave_out("language", ["fisher_trace"], beside=["confidence"])
    alone = four.leave_out("language", ["confidence"]).errors["ours"].mae
    assert found.errors["alone"].mae == pytest.approx(alone)
    assert found.gain("ours", "alone").difference.value < 0 and found.errors.keys() == {"ours", "alone"}


def test_correlations_are_of_the_table_or_of_the_table_on_its_side(four):
    x, y = four.tables["confidence"], four.tables["accuracy"]
    assert four.over_languages("confidence", resamples=99) == clustered(x, y, resamples=99)
    assert four.over_models("confidence", resamples=99) == clustered(x.T, y.T, resamples=99)
    some = four.over_languages("confidence", "mvr", coefficient="kendall", resamples=99)
    assert some == clustered(x[2:], y[2:], coefficient="kendall", resamples=99)
    answer = {"a": SimpleNamespace(p=0.01), "b": SimpleNamespace(p=0.04)}
    assert measures.corrected(answer) == {"a": 0.02, "b": 0.04}
    assert measures.cell(some) == str(some.interval) and measures.cell(some, 2) == f"{some.interval:.2f}"
    assert measures.cell(clustered(0 * x, y, resamples=99)) == "undefined"


def test_an_answer_passes_four_tests_and_fails_by_any_one(four):
    c, result = four.over_languages("confidence", resamples=99), four.leave_out("language", ["confidence"])
    assert result.gain("ours", "mean").difference.high < 0
    assert four.settles("confidence", c, 0.05, result)
    assert not four.settles("confidence", c, 0.051, result)
    assert not four.settles("confidence", c, 0.05, None)
    assert not four.settles("confidence", replace(c, low=-0.1), 0.05, result)
    assert not four.settles("confidence", replace(c, status="undefined"), 0.05, result)
    worse = four.leave_out("language", ["confidence"])
    worse.errors["ours"], worse.errors["mean"] = worse.errors["mean"], worse.errors["ours"]
    assert not four.settles("confidence", c, 0.05, worse)
    four.tables["confidence"] = np.where(np.arange(5) == 0, np.nan, four.tables["confidence"])  # a fifth of the values
    assert not four.settles("confidence", c, 0.05, result)


def test_records_are_forecast_as_the_miniature_is_and_by_models_where_there_are_enough(four, frame):
    (found,) = [row for row in contests.forecasts(frame, "en") if row["measure"] == "confidence"]
    ours = four.leave_out("language", ["confidence"]).errors
    assert found["error"] == ours["ours"].mean and found["baseline"] == ours["mean"].mean and found["models"] == 4
    assert found["r"].value == pytest.approx(four.over_languages("confidence", resamples=99).value)
    by_model = {row["measure"]: row for row in contests.forecasts(frame, "en", "model")}
    ours = four.leave_out("model", ["confidence"]).errors
    assert by_model["confidence"]["error"].value == pytest.approx(ours["ours"].mean.value)
    assert by_model["fisher_trace"]["error"].value == pytest.approx(0, abs=1e-9)
    some = frame[frame.key.isin(sorted(set(frame.key))[:3])]
    assert contests.forecasts(some, "en", "model") == [] != contests.forecasts(some, "en")


def test_a_forecast_as_it_is_has_no_line(four, frame):
    off = 100 * np.abs(four.tables["confidence"].clip(0, 1) - four.tables["accuracy"]).mean(axis=0)
    found = contests.as_it_is(frame, "confidence", "en")
    assert found.value == pytest.approx(off.mean()) and found.n == len(LANGUAGES)
    assert contests.as_it_is(four.frame, "confidence", "en").value == pytest.approx(off.mean())
    assert contests.as_it_is(frame, "cot", "en") is None and contests.as_it_is(pd.DataFrame(), "cot", "en") is None


def test_both_scales_stand_side_by_side_with_the_cost_and_a_blank_where_nothing_is_recorded(four, frame):
    mini = {m: four.leave_out("language", [m]) for m in ("fisher_trace", "confidence")}
    real = contests.forecasts(frame[frame.measure != "fisher_trace"], "en")
    shown = text(contests.side_by_side(mini, real, dict.fromkeys(mini, False), "x", "the mean"))
    base, error = (mini["confidence"].errors[who].mean for who in ("mean", "ours"))
    assert f"|the mean|0|{base:.2f}|{base:.2f}|" in shown
    assert f"|mean confidence|not needed|1|{error:.2f}|{error:.2f}|" in shown
    trace = f"|Tr F|not needed|{contests.passes('fisher_trace')}|"
    assert trace in shown and shown.index(trace) < shown.index("|mean confidence|")  # the better first
    none = text(contests.side_by_side(mini, [], dict.fromkeys(mini, False), "x", "the mean"))
    assert f"|the mean|0|{base:.2f}|" in none and f"{base:.2f}|{base:.2f}" not in none


def test_forests_have_a_row_a_measure_and_a_line_a_baseline(four):
    _, (left, right) = plt.subplots(1, 2)
    answer = {m: four.over_languages(m, resamples=99) for m in four.tried}
    answer["frobenius"] = replace(answer["confidence"], status="undefined")
    four.forest(left, answer, "languages")
    assert [tick.get_text() for tick in left.get_yticklabels()] == [measures.named(m) for m in answer]
    assert [line.get_text() for line in left.texts] == ["undefined"] and "over languages" in left.get_xlabel()
    left.clear()
    four.forest(left, {"confidence": answer["confidence"]}, "languages", ["doc", "confidence"])
    assert [tick.get_text() for tick in left.get_yticklabels()] == [measures.named(m) for m in ("doc", "confidence")]
    assert [line.get_xydata()[0, 1] for line in left.lines if len(line.get_xydata()) == 1] == [1]
    results = {name: four.leave_out("language", [name]) for name in ("confidence", "fisher_trace")}
    contests.error_forest(right, results, {"confidence": True, "fisher_trace": False}, contests.BASES["language"])
    assert [tick.get_text() for tick in right.get_yticklabels()] == ["fisher_trace", "confidence"]
    base = results["fisher_trace"].errors["mean"].mean.value
    assert right.get_legend_handles_labels()[1][0] == f"mean of other languages: {base:.1f}"
    plt.close("all")


def test_recorded_models_have_a_forest_in_the_order_of_another(four):
    results = {name: four.leave_out("language", [name]) for name in ("confidence", "fisher_trace")}
    about = {"models": 2, "error": Interval(2.0, 1.0, 3.0, 14), "baseline": Interval(4.0, 3.0, 5.0, 14)}
    real = [
        about | {"measure": "margin", "needs_labels": True},
        about | {"measure": "confidence", "needs_labels": False},
    ]
    real[1] |= {"error": Interval(1.5, 1.0, 2.0, 14)}
    _, axes = plt.subplots(1, 3)
    order = ["fisher_trace", measures.named("confidence"), measures.named("margin")]
    free = {"confidence": True, "fisher_trace": False}
    contests.error_forest(axes[0], results, free, contests.BASES["language"], order)
    contests.real_error_forest(axes[1], real, "mean of other languages", order)
    contests.real_error_forest(axes[2], real, "mean of other languages")
    at = [[line.get_xydata()[0, 1] for line in ax.lines if len(line.get_xydata()) == 1] for ax in axes]
    assert [sorted(places) for places in at[1:]] == [[1, 2], [0, 1]]
    for ax in axes[:2]:
        assert [tick.get_text() for tick in ax.get_yticklabels()] == order
    assert axes[2].get_yticklabels()[0].get_text() == measures.named("confidence")  # the best
    assert axes[1].get_legend_handles_labels()[1] == ["mean of other languages: 4.0"]
    plt.close("all")


def test_each_measure_of_a_record_is_a_forecast_beside_the_mean_of_the_others():
    rng = np.random.default_rng(0)
    accuracy = dict(zip(["en", *LANGUAGES, "fr"], [0.9, *rng.uniform(0.5, 0.8, 6)], strict=True))
    who = {"key": "a" * 16, "objective": "sam", "status": "ok", "n": 50}
    of_measure = {
        "accuracy": ("test, true labels", accuracy),
        "confidence": ("test, no labels", {code: 0.4 + 0.5 * value for code, value in accuracy.items()}),
        "dev_accuracy": ("dev, true labels", {code: value + rng.normal(0, 0.05) for code, value in accuracy.items()}),
        "unknown_rate": ("test, text", dict.fromkeys(accuracy, 0.0)),
        "entropy": ("test, no labels", {code: 1 - value for code, value in accuracy.items() if code != "fr"}),
    }
    frame = pd.DataFrame(
        who | {"measure": name, "on": on, "language": code, "value": value}
        for name, (on, values) in of_measure.items()
        for code, value in values.items()
    )
    rows = {row["measure"]: row for row in contests.forecasts(frame, "en")}
    assert rows.keys() == {"confidence", "dev_accuracy"}  # not a constant, nor what misses a language
    assert rows["confidence"]["error"].value == pytest.approx(0, abs=1e-9) and not rows["confidence"]["needs_labels"]
    y = np.array([accuracy[code] for code in sorted([*LANGUAGES, "fr"])])
    x = np.array([of_measure["dev_accuracy"][1][code] for code in sorted([*LANGUAGES, "fr"])])
    off, from_mean = [], []
    for i in range(len(y)):
        slope, level = np.polyfit(np.delete(x, i), np.delete(y, i), 1)
        off.append(100 * abs(slope * x[i] + level - y[i]))
        from_mean.append(100 * abs(np.delete(y, i).mean() - y[i]))
    assert rows["dev_accuracy"]["error"].value == pytest.approx(np.mean(off)) and rows["dev_accuracy"]["needs_labels"]
    assert rows["dev_accuracy"]["baseline"].value == pytest.approx(np.mean(from_mean))
    assert contests.forecasts(pd.DataFrame(), "en") == []
