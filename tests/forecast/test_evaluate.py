"""Forecasters left out: what they may see, what they cost, and tables that cannot be used."""

import math

import numpy as np
import pandas as pd
import pytest

from xlgen.core.config import RunConfig
from xlgen.core.errors import DataError, UnknownName
from xlgen.core.files import StoreError
from xlgen.core.packed import pack
from xlgen.core.result import Result
from xlgen.forecast import evaluate, frame
from xlgen.forecast.forecasters import DEFAULT, Forecaster, rivals
from xlgen.measures import settings_of

LANGUAGES = ("en", "ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr")


def table(models=4, task="mini-xnli", noise=0.01, seed=0, offset=0.0):
    """Models whose accuracy is half of their confidence and more, with a little noise."""
    rng, rows = np.random.default_rng(seed), []
    for m in range(models):
        for language in LANGUAGES:
            sure = rng.uniform(0.4, 0.9)
            right = 0.1 + 0.8 * sure + offset + noise * rng.normal()
            for name, value in (("confidence", sure), ("accuracy", right), ("frobenius", rng.normal())):
                who = {"run": f"{task}{m}", "task": task, "model": "mini", "language": language, "measure": name}
                rows.append(who | {"value": value, "status": "ok"})
    return pd.DataFrame(rows)


RIDGE, MEAN = Forecaster("confidence", ("confidence",)), Forecaster("mean of the others", (), "mean")


@pytest.mark.parametrize(
    ("leave", "models", "languages", "level"),
    [
        ("language", 4, 11, 0.9),  # a 90 % interval takes nine others
        ("model", 11, 11, 0.9),
        ("model and language", 7, 6, 0.8),  # of an 80 % interval it is four: here each row is a fit of its own
    ],
)
def test_a_measure_that_tells_beats_the_mean_and_covers(leave, models, languages, level):
    rows = table(models).query(f"language in {LANGUAGES[: 1 + languages]}")
    found = evaluate.evaluate(rows, leave, [MEAN, RIDGE], level).set_index("forecaster")
    good, poor = found.loc["confidence"], found.loc["mean of the others"]
    assert list(found.index)[0] == "confidence" and good["mae"] < 0.02 < poor["mae"]
    assert good["mae_low"] < good["mae"] < good["mae_high"] and good["r"] > 0.9
    assert good["coverage"] > 0.8 and good["coverage_low"] < good["coverage"] < good["coverage_high"]
    assert (good["passes"], poor["passes"]) == (1, 0) and good["rows"] == languages * models
    assert good["groups"] == (models if leave == "model" else languages)


@pytest.mark.parametrize("leave", list(evaluate.SPLITS))
def test_a_row_that_is_left_out_does_not_move_its_forecast(leave):
    """A fault in the truth of one row changes what is said of the others, and not what is said of it."""
    tasks = ["mini-xnli", "mini-pawsx", "xnli"]
    rows = pd.concat([table(2, task, seed=i) for i, task in enumerate(tasks)], ignore_index=True)
    spoilt, where = (
        rows.copy(),
        (rows["language"] == "hi") & (rows["run"] == "mini-xnli1") & (rows["measure"] == "accuracy"),
    )
    spoilt.loc[where, "value"] = 0.01
    before, after = (
        evaluate.left_out(frame.tidy(each), RIDGE, leave).sort_values(frame.KEYS, ignore_index=True)
        for each in (rows, spoilt)
    )
    here = (before["language"] == "hi") & (before["model"] == "mini-xnli1")
    same = np.isclose(before["value"], after["value"])
    assert same[here].all() and not same.all()
    expected = {
        "language": (before["model"] == "mini-xnli1") & ~here,
        "model": (before["task"] == "mini-xnli") & (before["model"] != "mini-xnli1"),
        "model and language": (before["model"] == "mini-xnli0") & (before["language"] != "hi"),
        "task": before["task"] != "mini-xnli",
    }[leave]
    assert (~same == expected).all()


def test_the_source_language_is_no_target_and_is_the_forecast_of_source_accuracy():
    wide = frame.wide(frame.tidy(table(1)), ["confidence"])
    assert "en" not in set(wide["language"]) and len(wide) == 11
    english = table(1).query("language == 'en' and measure == 'accuracy'")["value"].item()
    assert set(wide["source"]) == {english}
    found = evaluate.left_out(frame.tidy(table(1)), Forecaster("source", ("source",), "as is"))
    assert set(found["value"]) == {english}


def test_errors_and_coverage_are_counted_by_hand():
    rows = frame.tidy(table(1))
    found = evaluate.left_out(rows, MEAN)
    truth = frame.wide(rows)["truth"].to_numpy()
    others = np.array([np.delete(truth, i).mean() for i in range(11)])
    assert np.sort(found["value"]) == pytest.approx(np.sort(others))
    (row,) = evaluate.evaluate(rows, "language", [MEAN]).to_dict("records")
    assert row["mae"] == pytest.approx(np.abs(truth - others).mean())
    inside = (found["low"] <= found["truth"]) & (found["truth"] <= found["high"])
    assert row["coverage"] == pytest.approx(inside.mean()) and row["intervals"] == 1


def test_too_few_languages_give_no_interval_and_say_so():
    few = table().query("language in ('en', 'ar', 'bg', 'de')")
    (row,) = evaluate.evaluate(few, "language", [RIDGE]).to_dict("records")
    assert row["intervals"] == 0 and math.isnan(row["coverage"]) and math.isfinite(row["mae"])


def test_without_intervals_the_errors_are_the_same():
    (ours,) = evaluate.evaluate(table(), "language", [RIDGE]).to_dict("records")
    (bare,) = evaluate.evaluate(table(), "language", [RIDGE], None).to_dict("records")
    assert [bare[name] for name in ("mae", "mae_low", "mae_high", "r")] == [
        ours[name] for name in ("mae", "mae_low", "mae_high", "r")
    ]
    assert bare["intervals"] == 0 < ours["intervals"]


def test_rivals_are_all_that_the_table_has():
    names = [each.name for each in rivals(["accuracy", "confidence", "frobenius", "pretraining_share", "fertility"])]
    assert names[:3] == ["mean of the others", "source accuracy", "confidence as it is"]
    assert {"confidence", "frobenius", "features of the language"} <= set(names) and "accuracy" not in names
    assert Forecaster("x", ("sharpness_difference", "confidence", "atc")).passes == 17
    free = {each.name for each in rivals(["margin", "fisher_trace", "atc"]) if each.label_free}
    assert free == {"mean of the others", "source accuracy", "atc as it is", "atc"}


def test_tagging_is_forecast_by_the_metric_of_its_task():
    rows = table(1, "mini-wikiann")
    f1 = rows[rows["measure"] == "accuracy"].assign(measure="f1", value=0.25)
    assert set(frame.wide(frame.tidy(pd.concat([rows, f1])))["truth"]) == {0.25}


def test_a_table_on_disk_comes_back(tmp_path):
    rows = table(2)
    rows.loc[rows["language"] == "sw", "language"] = "nan"  # the code of Min Nan
    rows.loc[rows["run"] == "mini-xnli0", "run"] = "0000012"
    rows.to_csv(tmp_path / "rows.csv", index=False)
    rows.to_parquet(tmp_path / "rows.parquet")
    expected = frame.tidy(rows).reset_index(drop=True)
    for name in ("rows.csv", "rows.parquet"):
        pd.testing.assert_frame_equal(
            frame.tidy(frame.load(tmp_path / name)).reset_index(drop=True), expected, check_dtype=False
        )


def test_statuses_that_are_not_ok_are_left_out():
    rows = table(1)
    rows.loc[rows["measure"] == "confidence", ["value", "status"]] = [math.nan, "hit_lower"]
    assert set(frame.tidy(rows)["measure"]) == {"accuracy", "frobenius"}


def broken(change):
    return change(table(1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="value"), "no column value"),
        (lambda t: pd.concat([t, t.head(1)]), "is there twice"),
        (lambda t: t.assign(value=math.inf), "expected a number"),
        (lambda t: t.assign(value="much"), "is 'much'; expected a number"),
        (lambda t: t.assign(status="hit_lower"), "no rows with a number"),
        (lambda t: t.assign(value=100 * t["value"]), r"expected a share in \[0, 1\], such as 0.55 for 55 %"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(change, message):
    with pytest.raises(DataError, match=message):
        frame.tidy(broken(change))


def test_what_is_asked_has_to_be_there(tmp_path):
    rows = frame.tidy(table(1))
    with pytest.raises(UnknownName, match="Did you mean 'confidence'"):
        evaluate.left_out(rows, Forecaster("x", ("confidense",)))
    with pytest.raises(UnknownName, match="Did you mean 'language'"):
        evaluate.left_out(rows, MEAN, "languages")
    with pytest.raises(DataError, match="nothing is left to learn from without a model"):
        evaluate.left_out(rows, MEAN, "model")
    with pytest.raises(DataError, match="hold no accuracy"):
        frame.wide(rows[rows["measure"] == "confidence"])
    with pytest.raises(DataError, match=r"expected a .csv or .parquet"):
        frame.load(tmp_path / "rows.txt")
    with pytest.raises(DataError, match="cannot be read"):
        frame.load(tmp_path / "rows.csv")


def test_what_a_model_is_too_sure_by_matters_between_models_alone():
    """Each model is too sure by an amount of its own, which English tells and which DoC takes off."""
    rng, rows = np.random.default_rng(5), []
    for m in range(6):
        excess = rng.uniform(-0.2, 0.2)
        for language in LANGUAGES:
            right = rng.uniform(0.4, 0.7)
            doc = right + 0.01 * rng.normal()
            who = {"run": f"m{m}", "task": "mini-xnli", "model": "mini", "language": language, "status": "ok"}
            values = {"accuracy": right, "confidence": doc + excess, "doc": doc, "atc_entropy": rng.uniform()}
            values |= {"cot": doc + excess}
            rows += [who | {"measure": name, "value": value} for name, value in values.items()]
    known = pd.DataFrame(rows)
    doc, sure, all_ = Forecaster("doc", ("doc",)), Forecaster("confidence", ("confidence",)), Forecaster("all", DEFAULT)
    alike = [evaluate.left_out(frame.tidy(known), one, "language") for one in (doc, sure)]
    assert alike[0]["value"].to_numpy() == pytest.approx(alike[1]["value"].to_numpy(), abs=1e-9)
    between = evaluate.evaluate(known, "model", [doc, sure, all_, MEAN]).set_index("forecaster")["mae"]
    assert max(between["doc"], between["all"]) < 0.02 < 0.05 < min(between["confidence"], between["mean of the others"])


def test_a_forecast_that_is_taken_as_it_is_stays_a_share():
    """DoC is the accuracy in the source minus a fall of the confidence: it can be anything."""
    as_it_is = Forecaster("doc", ("doc",), "as is").fit(np.zeros((2, 1)), np.zeros(2))
    assert list(as_it_is(np.array([[-0.1], [0.4], [1.2]]))) == [0, 0.4, 1]


UNUSUAL = 700
"""Examples of a measure that is recorded with another setting too."""


def packed(folder, seed, values, **settings):
    """A record of a model that nobody has trained: by (measure, split, examples), a value for each language."""
    made = {"kind": "run", "commit": "0" * 40}
    config = RunConfig(task="mini-xnli", model="mini", objective="baseline", seed=seed, **settings)
    run = Result(config.hash, folder, {"config": config.to_dict(), "summary": {}, "log": [], "manifest": made})
    measured = [
        Result(
            f"{number:016x}",
            folder,
            {
                "config": {
                    "names": [name],
                    "split": split,
                    "settings": {name: settings_of(name) | ({"unusual": 1} if n == UNUSUAL else {})},
                },
                "values": {code: {"value": value, "n": n, "status": "ok"} for code, value in by_language.items()},
                "manifest": made,
            },
        )
        for number, ((name, split, n), by_language) in enumerate(values.items())
    ]
    pack(folder, run, measured)
    return config.hash


def test_a_folder_of_records_is_a_table_of_what_was_measured_on_test_examples_of_zero_shot_models(tmp_path):
    few, many = {"en": 0.1, "de": 0.2}, {"en": 0.7, "de": 0.6}
    values = {("accuracy", "test", 500): many, ("accuracy", "test", 60): few, ("accuracy", "dev", 900): few}
    values[("accuracy", "test", UNUSUAL)] = few
    names = [packed(tmp_path, seed, values | {("doc", "test", 500): few}) for seed in (0, 1)]
    values[("accuracy", "train", 900)] = few
    packed(tmp_path, 2, values, language="de")
    packed(tmp_path, 3, values, start="0" * 16)
    found = frame.load(tmp_path)
    assert set(frame.load(tmp_path)["encoder"]) == {"mini"}
    assert set(found["model"]) == {*names} and set(found["task"]) == {"mini-xnli"}
    kept = found[found["model"] == names[0]].set_index(["measure", "language"])["value"].to_dict()
    assert kept == {("accuracy", k): v for k, v in many.items()} | {("doc", k): v for k, v in few.items()}
    (damaged,) = tmp_path.glob(f"{names[0]}.json")
    damaged.write_text(damaged.read_text().replace("0.7", "0.8"))
    with pytest.raises(StoreError, match=f"{names[0]}.json is not as it was written"):
        frame.load(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no records; expected those that `xlgen record` writes"):
        frame.load(tmp_path / "empty")


def test_coverage_counts_each_language_once_and_only_finite_intervals():
    found = pd.DataFrame(
        {"language": ["a", "a", "a", "b", "c"], "model": [*"klmkk"], "task": "t", "truth": 0.5, "value": 0.4}
        | {"low": [0.3, 0.3, 0.3, 0.6, -np.inf], "high": [0.6, 0.6, 0.4, 0.7, np.inf]}
    )
    row = evaluate._summary(found, RIDGE, "language")
    assert row["coverage"] == pytest.approx((2 / 3 + 0) / 2) and row["intervals"] == 4 / 5
    assert (row["coverage_low"], row["coverage_high"]) == pytest.approx(evaluate.wilson(1 / 3, 2))


def test_wilsons_interval_of_five_in_ten_is_as_printed():
    assert evaluate.wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert evaluate.wilson(0.0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
