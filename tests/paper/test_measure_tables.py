"""Measures of models as tables of a page."""

import math
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from paper.chapters import measures
from xlgen.analysis import Interval, clustered
from xlgen.analysis.contest import contest
from xlgen.core.errors import ConfigError

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
    assert f"|margin (dev)|needed|2 × 5|{margin.interval}|{margin.p:.2g}|0.032|" in shown
    assert f"undefined: {answer['frobenius'].reason}" in shown


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


def test_contests_are_told_with_error_baseline_and_difference():
    x = np.arange(8.0)[:, None]
    result = contest({"ours": x, "mean": np.zeros((8, 1))}, 0.1 * x[:, 0] + [0.01, -0.01] * 4, list("aabbccdd"))
    gain = result.gain("ours", "mean")
    shown = text(measures.contest_table({"a measure": result}, {"mean": "the mean"}, "groups", "x"))
    assert f"|a measure|{result.errors['ours'].mean:.2f}|" in shown and f"|{gain.better} of 4|" in shown
    told = measures.compared({"a measure": result}, "a measure")
    assert f"difference {gain.difference:+.2f}" in told and told.startswith("a measure: ")
    assert measures.compared({}, None) == "there is none" and measures.p_text(math.nan) == ""


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
    rows = {row["measure"]: row for row in measures.forecasts(frame, "en")}
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
    assert measures.forecasts(pd.DataFrame(), "en") == []
