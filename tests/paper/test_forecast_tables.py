"""The tables of the page on forecasts."""

import numpy as np
import pandas as pd
import pytest

from paper.chapters import forecasts
from paper.chapters.noise import blocks, errors_apart, noise, noise_cells, noise_of
from paper.protocols.base import LABEL_FREE_MEASURES
from xlgen.analysis.reliability import NOISY
from xlgen.forecast import frame as frames

CODES = ["ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur"]


def recorded(stderr=0.01, noise=0.0):
    """Rows as of the records: accuracy, a measure that follows it, and one that the source language has too."""
    rng, rows = np.random.default_rng(0), []
    for language in ["en", *CODES]:
        p = rng.uniform(0.4, 0.9)
        values = {"accuracy": p, "confidence": p + noise * rng.normal(), "atc_entropy": p, "dev_margin": 2 * p - 1}
        values |= {"doc": values["confidence"] - 0.1, "cot": values["confidence"]}
        for measure, value in values.items():
            row = {"task": "xnli", "model": "m", "language": language, "measure": measure, "value": value}
            on = "dev, true labels" if measure == "dev_margin" else "test"
            rows.append(row | {"stderr": stderr, "status": "ok", "on": on})
    return pd.DataFrame(rows)


def test_noise_leaves_the_source_out_and_pairs_by_language():
    rows = recorded()
    strange = rows.assign(value=rows["value"].where(rows["language"] != "en", 99.0))
    found = noise(strange.sample(frac=1, random_state=1), "confidence", resamples=99)
    assert found.raw.n == len(CODES) and found.raw.value == pytest.approx(1)
    assert 0 < found.reliability_x < 1 and found.reliability_x == pytest.approx(found.reliability_y)
    assert noise(rows.assign(stderr=np.nan), "confidence") is None
    assert noise(rows[rows["language"].isin(CODES[:3])], "confidence") is None


def test_noise_that_is_as_large_as_the_spread_is_called_so():
    rows = recorded(stderr=2.0)
    sure = rows["measure"] == "confidence"
    rows.loc[sure, "value"] = np.random.default_rng(2).normal(size=sure.sum())
    found = noise(rows, "confidence", resamples=99)
    assert found.why_not == NOISY and found.reliability_x < 0
    assert noise_cells(found) == ("< 0", "", NOISY) and noise_cells(None) == ("", "", "")


def in_blocks(rows, shared, seed=0):
    """Rows with errors of 0.1 whose blocks say that the languages have this share of them in common."""
    rng, d = np.random.default_rng(seed), {}
    for measure in rows["measure"].unique():
        own, alike = rng.normal(size=(len(CODES) + 1, 999)), rng.normal(size=999)
        blocks_of = 0.1 * 999**0.5 * ((1 - shared) ** 0.5 * own + shared**0.5 * alike)
        d[measure] = iter(blocks_of.tolist())
    return rows.assign(extra=[{"blocks": next(d[measure])} for measure in rows["measure"]])


def test_errors_that_the_languages_share_take_nothing_from_reliability(monkeypatch):
    monkeypatch.setitem(noise.__globals__, "blocks_of_recorded", lambda task: {})
    rows = recorded(stderr=0.1).assign(key="one", stderr_kind="examples")
    without = noise(rows.assign(extra=[{}] * len(rows)), "confidence", resamples=99)
    lost = 1 - without.reliability_x
    assert 0.2 < lost < 0.9
    for shared in (0.0, 0.6):
        found = noise(in_blocks(rows, shared), "confidence", resamples=99)
        assert 1 - found.reliability_x == pytest.approx((1 - shared) * lost, rel=0.1)
        assert 1 - found.reliability_y == pytest.approx((1 - shared) * (1 - without.reliability_y), rel=0.1)


def test_what_languages_share_is_what_the_recorded_models_of_the_task_say_on_every_page(monkeypatch):
    rows = recorded(stderr=0.1).assign(key="one", stderr_kind="examples")
    rows["extra"] = [{}] * len(rows)
    other = in_blocks(rows.assign(key="other"), 0.6)
    of_recorded = blocks(other[other["language"] != "en"])
    assert {table.shape for found in of_recorded.values() for table, _ in found} == {(len(CODES), 999)}
    monkeypatch.setitem(noise.__globals__, "blocks_of_recorded", lambda task: of_recorded if task == "xnli" else {})
    said = noise(other, "confidence", resamples=99)
    assert noise(rows, "confidence", resamples=99) == said
    apart = in_blocks(rows, 0.0)  # what a page has at hand says another thing
    assert noise(apart, "confidence", resamples=99) == said
    assert noise(apart.assign(task="pawsx"), "confidence", resamples=99).reliability_x < said.reliability_x - 0.1


def test_errors_of_one_column_lose_what_its_blocks_have_in_common_and_stay_whole_without_blocks():
    rows = in_blocks(recorded(stderr=0.1), 0.6)
    rows = rows[(rows["measure"] == "confidence") & (rows["language"] != "en")].set_index("language")
    parts = rows["extra"].map(lambda extra: extra["blocks"])
    assert errors_apart(rows["stderr"], parts).to_numpy() == pytest.approx(0.1 * 0.4**0.5, rel=0.05)
    without = parts.where(parts.index != "sw", None)
    assert (errors_apart(rows["stderr"], without) == 0.1).all()


def test_a_column_that_is_known_exactly_is_reliable_and_a_constant_has_no_coefficient():
    rng = np.random.default_rng(3)
    x, y, none, some = rng.normal(size=9), rng.normal(size=9), np.zeros(9), np.full(9, 0.1)
    found = noise_of(x, none, y, some, resamples=99)
    assert found.reliability_x == 1 > found.reliability_y == pytest.approx(1 - 0.01 / y.var(ddof=1))
    assert noise_of(np.ones(9), some, y, some) is noise_of(x, some, np.ones(9), some) is None
    assert noise_of(x, [None, *some[1:]], y, some) is noise_of(x[:3], some[:3], y[:3], some[:3]) is None


def test_the_table_has_every_estimator_once_and_the_best_first():
    rows = recorded(noise=0.05)
    body = forecasts.contest(frames.tidy(rows), rows)
    names = [row[0] for row in body]
    assert len(names) == len(set(names)) and all(len(row) == len(forecasts.HEAD) for row in body)
    by_name = {row[0]: row for row in body}
    assert names[-1] in (forecasts.MEAN.name, "English accuracy")  # all else follows accuracy
    assert by_name["English accuracy"][2] == 0 and by_name[forecasts.LINE.name][2] == 1
    assert by_name[forecasts.MEAN.name][4] == ""
    labels = {name for name, row in by_name.items() if row[1]}
    assert labels == {forecasts.named("dev_margin")}


def test_a_measure_that_can_do_without_labels_is_not_said_to_need_them():
    """The trace of the Fisher information is taken with the model's labels or with true ones; the records say which."""
    rows = recorded(noise=0.05)
    for on, said in (("test, model's labels", ""), ("test, true labels", "needed")):
        trace = rows[rows["measure"] == "confidence"].assign(measure="fisher_trace", on=on)
        table = pd.concat([rows, trace])
        body = {row[0]: row for row in forecasts.contest(frames.tidy(table), table)}
        assert body[forecasts.named("fisher_trace")][1] == said


def test_every_measure_without_labels_is_tried_by_itself():
    rows = recorded()
    some = [rows[rows["measure"] == "confidence"].assign(measure=name) for name in LABEL_FREE_MEASURES]
    frame = frames.tidy(pd.concat([rows[rows["measure"] == "accuracy"], *some]))
    tried = {one.measures for one in forecasts.estimators(frame) if one.how == "ridge"}
    assert tried >= {(name,) for name in LABEL_FREE_MEASURES} | {forecasts.DEFAULT}


def test_what_has_no_interval_says_so():
    assert forecasts.share(float("nan")) == "no interval" and forecasts.share(0.905) == "90%"


def test_by_how_much_a_forecaster_is_closer_is_over_models_and_has_a_sign():
    rows = pd.concat([recorded(noise=0.05).assign(model=f"m{m}") for m in range(3)])
    rows["value"] += 0.001 * np.random.default_rng(1).normal(size=len(rows))
    frame = frames.tidy(rows)
    one = forecasts.closer(frame, forecasts.LINE, forecasts.MEAN, "language")
    other = forecasts.closer(frame, forecasts.MEAN, forecasts.LINE, "language")
    assert one.n == 3 and one.high < 0 and (one.value, one.low) == pytest.approx((-other.value, -other.high))
    assert forecasts.closer(frame, forecasts.LINE, forecasts.LINE, "model").value == 0


def test_an_error_of_few_groups_has_no_interval_and_none_is_below_zero():
    row = pd.Series({"mae": 0.02, "mae_low": -0.01, "mae_high": 0.05, "groups": 6})
    assert forecasts.points(row) == "2.0 [0.0, 5.0]"
    assert forecasts.points(pd.Series({**row, "groups": forecasts.FEW - 1})) == "2.0"


def test_a_new_language_of_a_new_model_has_part_in_none_of_its_forecasts():
    rows = pd.concat([recorded(noise=0.05).assign(model=f"m{m}") for m in range(3)])
    rows["value"] += 0.01 * np.random.default_rng(1).normal(size=len(rows))
    frame = frames.tidy(rows)
    found = forecasts.new_language(frame, forecasts.LINE)
    table = frames.wide(frame, forecasts.LINE.measures)
    x, y = forecasts.LINE.features(table), table["truth"].to_numpy()
    off = []
    for i in range(len(y)):
        rest = ((table["model"] != table["model"][i]) & (table["language"] != table["language"][i])).to_numpy()
        off.append(100 * abs(forecasts.LINE.fit(x[rest], y[rest])(x[i : i + 1])[0] - y[i]))
    assert found.value == pytest.approx(np.mean(off)) and found.n == 3


def models(before, after):
    """Rows of models of before and after the choice; those of after are 10 points better than they are sure of."""
    rows = []
    for m in range(before + after):
        late = m >= before
        one = recorded(noise=0.01).assign(key=f"m{m}", model=f"m{m}", objective="sam", seed=m)
        one["value"] += 0.1 * (late & (one["measure"] == "accuracy")) + 1e-3 * m
        rows.append(one.assign(created="2999-01-01" if late else "2000-01-01"))
    return pd.concat(rows, ignore_index=True)


def test_an_encoder_is_forecast_from_models_of_the_others_alone():
    rows = models(4, 0).assign(run=lambda one: one["key"])
    rows["model"] = rows["key"].map({"m0": "a", "m1": "a", "m2": "b", "m3": "b"})
    rows.loc[(rows["model"] == "b") & (rows["measure"] == "accuracy"), "value"] -= 0.2
    found = forecasts.other_encoders(rows, (forecasts.LOOKUP,)).set_index("model")
    assert list(found["models"]) == list(found["others"]) == [2, 2]
    assert found.loc["a", "bias"] == pytest.approx(-20, abs=1) and found.loc["b", "bias"] == pytest.approx(20, abs=1)
    assert (found["off"] > 19).all()
    assert forecasts.other_encoders(rows[rows["model"] == "a"], (forecasts.LOOKUP,)).empty


CHOSEN = "2020-01-01"


def test_models_of_after_the_choice_are_forecast_from_those_of_before():
    both = (forecasts.LINE, forecasts.MEAN)
    found = forecasts.afterwards(models(9, 2), both, 0.9, CHOSEN).set_index(["seed", "forecaster"])
    assert set(found.index) == {(seed, one.name) for seed in (9, 10) for one in both}
    line = found.xs(forecasts.LINE.name, level="forecaster")
    assert line["off"].to_numpy() == pytest.approx(10, abs=1.5) and (line["inside"] < 0.2).all()
    few = forecasts.afterwards(models(8, 1), both, 0.9, CHOSEN)
    assert few["off"].notna().all() and few["inside"].isna().all()  # eight are too few for an interval
    assert (
        forecasts.afterwards(models(9, 0), both, 0.9, CHOSEN).empty
        and forecasts.afterwards(models(1, 2), both, 0.9, CHOSEN).empty
    )
