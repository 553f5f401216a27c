"""`predict`: what it rests on, the same numbers as the measures, a user's files, the command line and the report."""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import TaggedToy, ToyTask, config, options, save_encoder

import xlgen
from xlgen import cli
from xlgen.core.errors import ConfigError, DataError, ModelError, UnknownName, XlgenError
from xlgen.data.catalogue import TASKS
from xlgen.forecast import basis, one_pass, report
from xlgen.forecast import frame as frames
from xlgen.forecast import predict as module
from xlgen.forecast import scores as tallies
from xlgen.forecast.forecasters import DEFAULT
from xlgen.forecast.others import is_called, of_others
from xlgen.forecast.scores import ESTIMATORS, scores
from xlgen.measures import measuring
from xlgen.models.evaluate import Predictions

torch.set_num_threads(1)

CODES = ("de", "el", "es", "fr", "hi", "ko", "ru", "sw", "th", "tr", "ur")


class Toys(ToyTask):
    """The toy task in more languages, whose rows are one another's with a part of the words exchanged."""

    def rows(self, language, split, data_dir=None):
        return ToyTask("toy", ("en", "xx"), version=hash_of(language)).rows("en", split)


def hash_of(language):
    return 0 if language == "en" else 1 + CODES.index(language)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A toy run, and where it is."""
    folder = tmp_path_factory.mktemp("predict")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS._entries, "toy", Toys(languages=("en", *CODES)))
        run = measuring.run(config(save_encoder(folder / "encoder"), epochs=2), options(folder))
    return run, options(folder)


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setitem(TASKS._entries, "toy", Toys(languages=("en", *CODES)))
    monkeypatch.setitem(TASKS._entries, "tagged", TaggedToy())


def records(models, task="toy", languages=CODES, slope=0.6):
    rng, rows = np.random.default_rng(0), []
    for m in range(models):
        for language in languages:
            p = rng.uniform(0.2, 0.9)
            values = dict.fromkeys((*DEFAULT, "atc"), p) | {"accuracy": 0.2 + slope * p + 0.01 * rng.normal()}
            for name, value in values.items():
                rows.append({"task": task, "model": f"m{m}", "language": language, "measure": name, "value": value})
    return pd.DataFrame(rows)


def pairs(path, language=None, label=None, n=30, split="test", rows_of="ko"):
    rows = Toys(languages=("en", *CODES)).rows(rows_of, split)
    head = ["premise", "hypothesis"] + (["label"] if label else []) + (["language"] if language else [])
    lines = ["\t".join(head)]
    for a, b, y in list(zip(rows.first, rows.second, rows.labels, strict=True))[:n]:
        cells = [a, b] + ([("entailment", "neutral", "contradiction")[y]] if label else [])
        lines.append("\t".join([*cells, *([language] if language else [])]))
    path.write_text("\n".join(lines) + "\n")
    return path


# --- what a forecast rests on -----------------------------------------------------------------------------------------


def test_importing_the_package_is_free_and_predict_is_there():
    free = "import sys, xlgen; assert not {'torch', 'sklearn', 'pandas'} & set(sys.modules)"
    code = f"{free}; assert callable(xlgen.predict)"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'predictt'"):
        _ = xlgen.predictt


def test_with_nothing_but_the_source_it_is_doc_without_an_interval(trained):
    run, where = trained
    found = xlgen.predict(run, languages=("de", "ko"), options=where)
    values = measuring.measure(run, measuring.MeasureConfig(("doc",), ("de", "ko")), where)["doc"]
    assert list(found.table["forecast"]) == pytest.approx([values["de"].value, values["ko"].value], abs=1e-6)
    assert found.table[["low", "high", "measured", "labels"]].isna().all(axis=None) and found.table["outside"].all()
    assert "weaker" in found.basis and "no intervals" in found.interval and math.isnan(found.error)


def test_labels_of_a_language_are_used_only_where_that_is_allowed(trained):
    run, where = trained
    found = xlgen.predict(run, labelled=CODES[:9], options=where)
    assert "fitted on 9 labelled languages" in found.basis and "jackknife+" in found.interval
    table = found.table.set_index("language")
    assert table["measured"].notna().sum() == 9 and table.loc[["tr", "ur"], "measured"].isna().all()
    assert (table.loc["tr", "low"] <= table.loc["tr", "forecast"]) and table.loc["tr", "high"] <= 1
    assert table.loc["de", ["low", "high"]].isna().all()  # eight others are one too few
    truth = measuring.measure(run, measuring.MeasureConfig(("accuracy",), ("de",)), where)["accuracy"]["de"].value
    assert table.loc["de", "measured"] == truth


def test_a_labelled_language_is_forecast_from_the_others(trained, monkeypatch):
    run, where = trained
    before = xlgen.predict(run, labelled=CODES[:9], options=where).table
    add, real = module.Tally.add_labels, module.Tally.truth
    monkeypatch.setattr(module.Tally, "truth", lambda self, metric: 0.99 if self is first[0] else real(self, metric))
    first = []

    def noted(self, *given):
        first.append(self) if self.rows == 18 and not first else None  # the first target language; the source has 21
        return add(self, *given)

    monkeypatch.setattr(module.Tally, "add_labels", noted)
    after = xlgen.predict(run, labelled=CODES[:9], options=where).table
    assert after["measured"][0] == 0.99 != before["measured"][0]
    assert after["forecast"][0] == pytest.approx(before["forecast"][0])
    assert not np.allclose(after["forecast"][1:], before["forecast"][1:])


def test_few_labelled_languages_give_forecasts_without_intervals(trained):
    run, where = trained
    found = xlgen.predict(run, labelled=CODES[:4], options=where)
    assert "4 labelled languages" in found.basis and "they need 9" in found.interval
    assert found.table["low"].isna().all() and math.isfinite(found.error)
    assert (found.table["labels"] >= 0).all()


def test_a_low_level_needs_languages_and_models_enough_nevertheless(trained):
    """One labelled language, or one model, is nothing to learn from, however rarely an interval has to hold."""
    run, where = trained
    found = xlgen.predict(run, labelled=CODES[:1], level=0.5, options=where)
    assert "calibrated on 'en' alone" in found.basis
    found = xlgen.predict(run, labelled=CODES[:3], level=0.5, options=where)
    assert found.interval.startswith("jackknife+ at 50%") and found.table["low"].notna().all()
    one, two = (xlgen.predict(run, languages=("de",), records=records(n), level=0.5, options=where) for n in (1, 2))
    assert one.interval == "no intervals: at 50% they need 2 models, and the records have 1"
    assert "CV+ at 50%" in two.interval and one.table["low"].isna().all() and two.table["low"].notna().all()


def test_a_level_is_said_as_it_was_given(trained):
    run, where = trained
    found = xlgen.predict(run, labelled=CODES[:4], level=0.996, options=where)
    assert "at 99.6% they need 249" in found.interval
    assert "99.6% interval" in report.text(found) and "99.6% interval" in report.html(found)


def test_records_of_other_models_are_fitted_and_a_new_language_is_left_out_with_the_model(trained, monkeypatch):
    run, where = trained
    seen = []
    plus = basis.jackknife_plus
    monkeypatch.setattr(
        basis, "jackknife_plus", lambda *given, **more: seen.append(len(given[4])) or plus(*given, **more)
    )
    known = records(9, languages=tuple(code for code in CODES if code != "ko"))
    found = xlgen.predict(run, languages=("de", "ko"), records=known, options=where)
    assert seen[:2] == [1, 2] and "90 labelled results of 9 models" in found.basis
    table = found.table.set_index("language")
    expected = 0.2 + 0.3 * (table["doc"] + table["atc_entropy"])  # alike in the records, so each bears a half
    assert table["forecast"].to_numpy() == pytest.approx(expected.clip(0, 1).to_numpy(), abs=0.05)
    assert (table["low"] < table["forecast"]).all() and (table["forecast"] < table["high"]).all()
    seen.clear()  # labels of one's own do not make a language one that other models have
    xlgen.predict(run, languages=("de", "ko"), labelled=("ko",), records=known, options=where)
    assert sorted(seen[:2]) == [1, 2]
    few = xlgen.predict(run, languages=("de",), records=records(8), options=where)
    assert few.table[["low", "high"]].isna().all(axis=None) and math.isfinite(few.error)
    assert few.interval == "no intervals: at 90% they need 9 models, and the records have 8"


def shifted(models):
    """Records of models that are each better or worse by something of their own in all languages."""
    table = records(models)
    shift = np.random.default_rng(3).uniform(-0.06, 0.06, models)
    off = table["model"].map({f"m{m}": value for m, value in enumerate(shift)}).where(table["measure"] == "accuracy", 0)
    return table.assign(value=(table["value"] + off).clip(0, 1))


def test_own_labels_move_a_forecast_that_rests_on_other_models(trained, monkeypatch):
    run, where = trained
    known, asked = shifted(12), {"languages": ("tr", "ur"), "options": where}
    monkeypatch.setattr(module, "spread", lambda parts: np.zeros(len(parts[0])))  # 18 rows are few
    monkeypatch.setattr(module.Tally, "truth", lambda tally, metric: 0.95)  # far above what the line says
    alone = xlgen.predict(run, records=known, **asked)
    found = xlgen.predict(run, records=known, labelled=("de", "el"), **asked)
    assert "what it is better by" in found.basis and "2 labelled languages of this model (de, el)" in found.basis
    assert "its labels in de, el" in found.interval and "labels" not in alone.interval
    both = [one.table.set_index("language").loc[["tr", "ur"]] for one in (alone, found)]
    assert (both[1]["forecast"] > both[0]["forecast"] + 0.03).all()
    # models that are left out keep their labels there, and are less off
    assert (both[1]["high"] - both[1]["low"] < both[0]["high"] - both[0]["low"]).all() and found.error < alone.error


def test_labels_in_all_languages_of_the_records_leave_models_out_whole(trained, monkeypatch):
    """Nothing else would be left to tell how far off a model is."""
    run, where = trained
    known = records(9, languages=("de", "el"))
    seen, plus = [], basis.jackknife_plus
    monkeypatch.setattr(basis, "jackknife_plus", lambda *given, **more: seen.append(given[4]) or plus(*given, **more))
    found = xlgen.predict(run, languages=("ko",), labelled=("de", "el"), records=known, options=where)
    assert found.table.set_index("language").loc["ko", ["low", "high"]].notna().all()
    assert {*seen[-1][0]} == {None, *(f"m{m}" for m in range(9))} and seen[-1][0].count(None) == 2
    assert "its labels" not in found.interval


def test_nine_own_labels_beside_records_are_what_intervals_rest_on(trained, monkeypatch):
    """However wrong the records are, the interval holds what their fit is off by in the model's own languages."""
    run, where = trained
    seen, plus = [], basis.jackknife_plus
    monkeypatch.setattr(basis, "jackknife_plus", lambda *given, **more: seen.append(given[4]) or plus(*given, **more))
    wild = shifted(4)
    wild["value"] = wild["value"].where(wild["measure"] != "accuracy", 1 - wild["value"])
    found = xlgen.predict(run, labelled=CODES[:9], records=wild, options=where)
    assert "jackknife+" in found.interval and "9 labelled languages of this model" in found.basis
    labels = next(apart[0] for apart in seen if len({*apart[0]}) == 10)
    assert {*labels} == {None, *CODES[:9]}
    table = found.table.set_index("language")
    assert table.loc[["tr", "ur"], ["low", "high"]].notna().all(axis=None)
    assert table.loc["de", ["low", "high"]].isna().all()  # eight others are one too few
    alone = xlgen.predict(run, records=wild, options=where).table.set_index("language")
    assert alone["low"].isna().all()


def test_four_own_labels_at_a_low_level_do_not_tell_what_twelve_models_can(trained):
    """Of four errors an 80 % interval takes the greatest."""
    run, where = trained
    told = {}
    for models in (2, 12):
        asked = {"labelled": CODES[:4], "languages": ("ur",), "records": records(models), "level": 0.8}
        told[models] = xlgen.predict(run, options=where, **asked).interval
    assert "each labelled language of this model" in told[2]
    assert "each model" in told[12] and "its labels in de, el, es, fr" in told[12]


def test_models_of_other_encoders_are_not_learnt_from_where_that_is_known(trained, tmp_path):
    run, where = trained
    table = records(4).assign(run=lambda one: one["model"])
    encoder = {"m0": "xlm-roberta-base", "m1": "FacebookAI/xlm-roberta-base", "m2": "mini", "m3": "./somebodys"}
    table["model"] = table["run"].map(encoder)
    other_task = table.assign(task="other")
    of = SimpleNamespace(key="k", model=str(tmp_path), pretrained="xlm-roberta-base")
    kept, left_out = of_others(pd.concat([table, other_task]), of, "toy")
    assert left_out == ["1 model of other encoders"] and set(kept["model"][kept["task"] == "toy"]) == {"m0", "m1", "m3"}
    assert kept["model"][kept["task"] == "other"].nunique() == 4
    of.pretrained = "./mine"
    assert of_others(table, of, "toy")[1] == [] and len(of_others(table, of, "toy")[0]) == len(table)
    (tmp_path / "model.safetensors").touch()
    of.pretrained = ""  # the sizes of a checkpoint tell what it cannot be
    sizes = {"model_type": "xlm-roberta", "hidden_size": 768, "num_hidden_layers": 12}
    for width, models in ((768, {"m0", "m1", "m3"}), (1024, {"m3"})):
        (tmp_path / "config.json").write_text(json.dumps(sizes | {"hidden_size": width}))
        assert {*of_others(table, of, "toy")[0]["model"]} == models
    of.pretrained = "mini"
    without_encoders = table.drop(columns="run")
    assert of_others(without_encoders, of, "toy")[1] == []  # the column is then what a model is called
    assert "other encoders" not in xlgen.predict(run, languages=("de",), records=table, options=where).basis


def test_records_of_the_model_itself_are_not_learnt_from(trained):
    run, where = trained
    own = records(1).assign(model=run.key)
    both = pd.concat([records(3), own])
    one, other = (xlgen.predict(run, languages=("de",), records=known, options=where) for known in (records(3), both))
    pd.testing.assert_frame_equal(one.table, other.table)
    assert other.basis == f"{one.basis}; nothing is learnt from this model itself in the records"


@pytest.mark.parametrize("given", [{}, {"pretrained": "encoder"}, {"max_length": 16}, {"model": "spelled"}, {"run": 1}])
def test_what_was_measured_of_the_model_is_not_learnt_from_however_it_was_called(trained, tmp_path, given):
    """`measure --out` of the model is its own, also with another key."""
    run, where = trained
    here = run.model
    spelled = {"encoder": run.pretrained, "spelled": f"{here}/../model"}
    changes = {key: spelled.get(value, value) for key, value in given.items() if key != "run"}
    measured = run if "run" in given else measuring.Checkpoint(**{"model": here, "task": "toy", **changes})
    own = measuring.frame([measured], [measuring.MeasureConfig(("accuracy", *DEFAULT), CODES)], where)
    source = run if "model" in given else here
    others = records(3).assign(run=lambda rows: rows["model"], status="ok")
    one, other = (
        xlgen.predict(source, "toy", languages=("de",), records=known, options=where)
        for known in (others, pd.concat([others, own]))
    )
    pd.testing.assert_frame_equal(one.table, other.table)


def test_a_copy_of_the_model_is_the_model(trained, tmp_path):
    run, where = trained
    shutil.copytree(run.model, tmp_path / "copy")
    other = shutil.copytree(run.model, tmp_path / "other")
    weights = load_file(other / "model.safetensors")
    save_file({name: 1.001 * value for name, value in weights.items()}, other / "model.safetensors")
    assert [is_called(run, str(tmp_path / name)) for name in ("copy", "other")] == [True, False]
    (tmp_path / "copy/model.safetensors").unlink()
    assert not is_called(run, str(tmp_path / "copy"))


def test_a_model_of_which_no_estimator_is_recorded_is_not_learnt_from(trained):
    run, where = trained
    bare = records(4).query("model != 'm3' or measure == 'accuracy'")
    known = records(4).query("model != 'm3'")
    one, other = (xlgen.predict(run, languages=("de",), records=each, options=where) for each in (bare, known))
    pd.testing.assert_frame_equal(one.table, other.table)


def test_records_of_other_tasks_give_the_direct_estimator_its_interval(trained):
    run, where = trained
    known = pd.concat([records(2, f"task{n}", slope=0.7) for n in range(9)])
    tagged = records(2, "mini-wikiann").replace("accuracy", "f1")  # of which DoC is no forecast
    found = xlgen.predict(run, languages=("de",), records=pd.concat([known, tagged]), options=where)
    assert "its errors in 198 labelled results of 9 other tasks" in found.interval
    row = found.table.iloc[0]
    assert row["forecast"] == row["doc"] and row["low"] < row["forecast"] < row["high"]
    for n in (1, 8):
        few = known[known["task"].isin([f"task{k}" for k in range(n)])]
        found = xlgen.predict(run, languages=("de",), records=few, options=where)
        assert found.interval == f"no intervals: at 90% they need 9 other tasks, and the records have {n}"
        assert found.table["low"].isna().all() and math.isfinite(found.error)


def test_outside_is_where_an_estimator_is_beyond_all_that_was_fitted(trained):
    run, where = trained
    known = records(4)
    far = known.assign(value=known["value"].where(known["measure"] == "accuracy", known["value"] * 0.01 + 0.985))
    inside, outside = (
        xlgen.predict(run, languages=("de",), records=k, options=where).table.iloc[0] for k in (known, far)
    )
    assert not inside["outside"] and inside["because"] == ""
    assert outside["outside"] and "doc" in outside["because"] and "is below 0.98" in outside["because"]


# --- in constant memory, and the same as the measures ----------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 5, 2048])
def test_sums_over_chunks_are_the_measures(trained, monkeypatch, chunk):
    run, where = trained
    monkeypatch.setattr(one_pass, "CHUNK", chunk)
    table = xlgen.predict(run, languages=("de", "ko"), options=where).table.set_index("language")
    values = measuring.measure(run, measuring.MeasureConfig(ESTIMATORS, ("de", "ko")), where)
    for name in ESTIMATORS:
        for language in ("de", "ko"):
            assert table.loc[language, name] == pytest.approx(values[name][language].value, abs=1e-6), name


def test_transport_of_more_units_than_are_kept_is_that_of_all_but_for_the_draw():
    torch.manual_seed(0)
    logits, labels = 2 * torch.randn(4000, 3).double(), torch.randint(3, (500,))
    logits[:2000, 0] += 2  # the first half of the text favours a class: what is kept must be of both
    found = []
    for kept in (4000, 500):
        tally = tallies.Tally(kept=kept)
        for chunk in logits.split(300):
            tally.add(Predictions(chunk, torch.zeros(len(chunk)).long()), {"confidence": tallies.sure}, len(chunk))
        assert len(tally.drawn) == kept
        found.append(tally.estimates(labels))
    assert found[0]["confidence"] == found[1]["confidence"]
    assert 0 < abs(found[0]["cot"] - found[1]["cot"]) < 0.01
    first_half = tallies.Tally()
    first_half.add(Predictions(logits[:500], torch.zeros(500).long()), {"confidence": tallies.sure}, 500)
    assert found[0]["cot"] - first_half.estimates(labels)["cot"] > 0.02


def test_atc_is_right_by_hand():
    """Four source examples, one of them wrong: a quarter of the scores lies below the threshold."""
    p = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]], dtype=torch.float64)
    source = Predictions(p.log(), torch.tensor([0, 0, 0, 1]))
    target = Predictions(torch.tensor([[0.69, 0.31], [0.71, 0.29], [0.05, 0.95]]).double().log(), torch.zeros(3).long())
    found = {name: score(target).mean().item() for name, score in scores(source).items()}
    assert found["atc"] == found["atc_entropy"] == pytest.approx(2 / 3)
    assert found["confidence"] == pytest.approx((0.69 + 0.71 + 0.95) / 3)
    assert found["doc"] == pytest.approx(0.75 - (0.75 - found["confidence"]))


def test_f1_is_counted_over_chunks_as_the_measure_does(tmp_path, monkeypatch):
    run = measuring.run(config(save_encoder(tmp_path / "encoder"), task="tagged", epochs=1), options(tmp_path))
    monkeypatch.setattr(one_pass, "CHUNK", 5)
    found = xlgen.predict(run, labelled=("xx",), options=options(tmp_path))
    values = measuring.measure(run, measuring.MeasureConfig(("f1", "confidence"), ("xx",)), options(tmp_path))
    accuracy = measuring.measure(run, measuring.MeasureConfig(("accuracy",), ("xx",)), options(tmp_path))["accuracy"]
    row = found.table.iloc[0]
    assert row["measured"] == pytest.approx(accuracy["xx"].value)  # beside a forecast of accuracy
    assert row["confidence"] == pytest.approx(values["confidence"]["xx"].value)
    assert row["metric"] == "accuracy" and "not F1" in found.basis  # nothing but the source is known
    assert row["forecast"] == row["atc"] != row["doc"]  # of words
    f1 = measuring.measure(run, measuring.MeasureConfig(("f1",), ("en",), "dev"), options(tmp_path))["f1"]["en"].value
    assert found.source == pytest.approx(f1) and f"F1 {f1:.3f} ± {found.source_stderr:.3f} on" in report.text(found)
    assert f"F1 {f1:.1%} ±" in report.html(found) and f"on {found.source_rows} labelled rows" in report.html(found)


@pytest.mark.parametrize("metric", ["accuracy", "f1"])
def test_the_standard_error_of_what_is_measured_is_that_of_the_measures(tmp_path, monkeypatch, metric):
    run = measuring.run(config(save_encoder(tmp_path / "encoder"), task="tagged", epochs=1), options(tmp_path))
    value = measuring.measure(run, measuring.MeasureConfig((metric,), ("xx",)), options(tmp_path))[metric]["xx"]
    seen = []
    known = module.Tally.truth_error
    monkeypatch.setattr(module.Tally, "truth_error", lambda tally, of: seen.append(known(tally, metric)) or seen[-1])
    n = xlgen.predict(run, labelled=("xx",), options=options(tmp_path)).table["rows"][0]
    # the measures divide by n - 1 sentences; F1's is a jackknife, which is not linear
    assert seen[0] * math.sqrt(n / (n - 1)) == pytest.approx(value.stderr, rel=1e-9 if metric == "accuracy" else 0.01)


@pytest.mark.parametrize("chunk", [7, 2048])
def test_parts_of_the_rows_are_weighed_as_all_of_them_and_have_truths_of_their_own(trained, monkeypatch, chunk):
    run, where = trained
    monkeypatch.setattr(one_pass, "CHUNK", chunk)
    seen, whole, beside = [], module.basis_of, basis.Basis.beside
    monkeypatch.setattr(module, "basis_of", lambda *given: seen.append(given[1]) or whole(*given))
    monkeypatch.setattr(basis.Basis, "beside", lambda one, part: seen.append(part) or beside(one, part))
    xlgen.predict(run, languages=("ur",), labelled=("de",), records=records(9), options=where)
    own, *parts = (table.set_index("language") for table in seen)
    assert len(parts) == 10
    assert {part.loc["de", "noise"] for part in parts} == {own.loc["de", "noise"]}
    for name in ("confidence", "truth"):  # 18 rows: eight parts of two, and two of one
        sizes = [2] * 8 + [1] * 2
        assert np.average([part.loc["de", name] for part in parts], weights=sizes) == pytest.approx(own.loc["de", name])
        assert len({part.loc["de", name] for part in parts}) > 1


def test_a_part_is_forecast_as_the_whole_is_where_it_lacks_a_language_or_its_labels():
    """Of four labelled rows some parts have none: the chance of the rows is no distance between two estimators."""
    own = pd.DataFrame(
        {"task": "toy", "model": "mine", "language": ["de", "es", "fr", "ur"], frames.NOISE: 0.05}
        | {name: [0.7, 0.6, 0.65, 0.5] for name in ESTIMATORS}
        | {frames.TRUTH: [0.75, 0.6, 0.7, math.nan]}
    )
    known = basis.basis_of(ToyTask(), own, None, ("de", "es", "fr"), 0.9)
    part = own[own["language"] != "es"].assign(confidence=[0.72, 0.67, 0.5])
    part.loc[part["language"] == "fr", frames.TRUTH] = math.nan
    found = known.beside(part)
    assert found.forecaster == known.forecaster and found.words == known.words
    rows, before = (one.rows.set_index("language") for one in (found, known))
    assert rows.loc["es"].to_dict() == before.loc["es"].to_dict() and rows.loc["de", "confidence"] == 0.72
    assert rows.loc["fr", "confidence"] == 0.67 and rows.loc["fr", frames.TRUTH] == 0.7
    assert [*rows.index] == [*before.index] and np.isfinite(found.values(part)).all()
    assert known.beside(own).rows[known.rows.columns].equals(known.rows)


def test_the_chance_of_examples_widens_intervals_and_errors(trained):
    """By that of the records, and by that of the rows at hand; without a column for it, that is said."""
    run, where = trained
    known = records(9)
    found = {s: xlgen.predict(run, languages=("ur",), records=known.assign(stderr=s), options=where) for s in (0, 0.05)}
    bare = xlgen.predict(run, languages=("ur",), records=known, options=where)
    ends = {s: one.table.iloc[0] for s, one in found.items()}
    assert ends[0]["forecast"] == ends[0.05]["forecast"] == bare.table["forecast"][0]
    z = 1.6448536
    for end in ("low", "high"):
        apart = [abs(ends[s][end] - ends[s]["forecast"]) for s in (0, 0.05)]
        assert apart[1] ** 2 - apart[0] ** 2 == pytest.approx((z * 0.05) ** 2)
    assert found[0.05].error ** 2 - found[0].error ** 2 == pytest.approx(2 / math.pi * 0.05**2)
    assert "no column stderr" in bare.interval and "stderr" not in found[0].interval
    assert "the chance of the examples" in found[0].interval
    few, all_ = (
        xlgen.predict(run, languages=("ur",), size=n, records=known.assign(stderr=0), options=where).table.iloc[0]
        for n in (4, 18)
    )
    assert all_["high"] - all_["low"] == pytest.approx(ends[0]["high"] - ends[0]["low"])  # there are no more
    assert few["high"] - few["low"] > all_["high"] - all_["low"]


def test_an_error_of_f1_is_worth_no_number_of_labels(tmp_path):
    """F1 is no share of labelled examples; a tagged accuracy is one of words."""
    run = measuring.run(config(save_encoder(tmp_path / "encoder"), task="tagged", epochs=1), options(tmp_path))
    known = records(9, "tagged", ("de", "xx"))
    of_f1 = known.assign(measure=known["measure"].replace("accuracy", "f1"))
    with pytest.MonkeyPatch.context() as patch:
        found = xlgen.predict(run, records=of_f1, options=options(tmp_path))
        assert found.error > 0 and found.table["labels"].isna().all()
        assert report.price(found) == f"Such forecasts are off by {found.error:.1%} of F1 on average."
        patch.setitem(TASKS._entries, "tagged", TaggedToy(metric="accuracy"))
        found = xlgen.predict(run, records=known, options=options(tmp_path))
    assert found.table["labels"].notna().all()
    assert "of accuracy on average" in report.price(found) and "labelled words of a language" in report.price(found)


def test_a_language_of_one_row_is_as_uncertain_as_that_row(trained, tmp_path):
    run, where = trained
    asked = {"records": records(9), "options": where}
    few, many = (xlgen.predict(run, data=pairs(tmp_path / f"{n}-ko.tsv", n=n), **asked).table.iloc[0] for n in (1, 18))
    p = few["forecast"]
    assert few["high"] - few["low"] > min(p, 1.64 * math.sqrt(p * (1 - p))) > 0.3 > 0
    assert few["high"] - few["low"] > many["high"] - many["low"]


def test_one_row_that_is_right_makes_no_language_certain(trained, tmp_path):
    run, where = trained
    known = records(9)
    known.loc[known["measure"] == "accuracy", "value"] = 1.0
    row = xlgen.predict(run, data=pairs(tmp_path / "1-ko.tsv", n=1), records=known, options=where).table.iloc[0]
    assert row["forecast"] > 0.99 and row["low"] < 0.7 and row["high"] == 1


def test_forecasts_that_are_worth_no_label_are_not_compared_with_any(trained):
    run, where = trained
    found = xlgen.predict(run, languages=("ur",), records=records(9), options=where)
    nothing = replace(found, table=found.table.assign(labels=0.0, measured=1.0, stderr=0.0))  # a row that is right
    assert "  1.000  " in report.text(nothing) and ">100.0%<" in report.html(nothing)
    assert "is as good" in report.price(found) and report.price(nothing).endswith("on average.")


def test_how_far_off_forecasts_are_is_a_mean_of_absolute_errors(monkeypatch):
    rows = pd.DataFrame({"model": [*"abcd"], "language": "de", "group": [*"abcd"], frames.TRUTH: 0.5})
    rows = rows.assign(**dict.fromkeys(DEFAULT, 0.5), **{frames.NOISE: math.nan})
    held = 0.5 + np.array([0.1, -0.3, 0.0, np.nan])
    band = basis.jackknife_plus.__globals__["Band"](*3 * [np.zeros(1)], held)
    monkeypatch.setattr(basis, "jackknife_plus", lambda *given: band)
    known = basis.Basis(basis.Forecaster("", DEFAULT, "within"), rows, "", "", "accuracy")
    own = pd.DataFrame({"model": ["mine"], "language": ["de"]})
    assert known.errors(own, 0.9) == [pytest.approx(0.4 / 3)]


# --- what the classes are ---------------------------------------------------------------------------------------------


def counted(*pairs_of_classes):
    """Predictions with these counts of (predicted, right) classes."""
    predicted, right = (torch.tensor([pair[i] for pair, n in pairs_of_classes for _ in range(n)]) for i in (0, 1))
    return Predictions(torch.nn.functional.one_hot(predicted, 3).double(), right, torch.arange(len(right)))


def test_an_order_of_classes_that_is_assumed_has_to_be_the_best():
    swapped = counted(((0, 2), 40), ((1, 1), 30), ((2, 0), 40), ((0, 0), 5), ((2, 1), 5))
    with pytest.raises(ModelError, match="29% of 120 labelled rows .* 92% if they are c, b, a"):
        one_pass.check_classes(swapped, ("a", "b", "c"), "m", named=False)
    one_pass.check_classes(swapped, ("a", "b", "c"), "m", named=True)  # a bad model, but what it says counts
    close = counted(((0, 0), 14), ((0, 1), 20), ((1, 1), 14), ((1, 0), 20), ((2, 2), 30))  # 12 of 68: no proof
    one_pass.check_classes(close, ("a", "b", "c"), "m", named=False)


def test_a_model_that_has_learnt_nothing_is_told_so(caplog):
    one_pass.check_classes(counted(((0, 0), 40), ((1, 1), 40), ((2, 2), 41)), "abc", "m", named=True)
    assert not caplog.records
    one_pass.check_classes(counted(((0, 0), 50), ((0, 1), 40), ((1, 2), 41)), "abc", "m", named=True)
    assert "right in 38% of 131 labelled rows" in caplog.text and "one answer to all in 38%" in caplog.text


def test_rows_that_fill_all_sub_words_are_told(trained, caplog):
    run, where = trained
    xlgen.predict(run, languages=("de",), options=where)
    assert "sub-words" not in caplog.text and "calibrated on 21 labelled rows in 'en'" in caplog.text
    xlgen.predict(run.model, "toy", languages=("de",), max_length=8, options=where)
    assert re.search(r"\d+ of 39 rows fill all 8 sub-words", caplog.text)


def test_the_source_under_another_code_is_no_target(trained, tmp_path):
    run, where = trained
    lines = pairs(tmp_path / "x.tsv", language="eng_Latn").read_text()
    with pytest.raises(DataError, match="'eng_Latn' in .* is the source language; call it 'en'"):
        xlgen.predict(run, data=tmp_path / "x.tsv", options=where)
    (tmp_path / "x.tsv").write_text(lines.replace("eng_Latn", "deu_Latn"))
    assert list(xlgen.predict(run, data=tmp_path / "x.tsv", options=where).table["language"]) == ["deu_Latn"]


def test_a_language_that_the_records_call_otherwise_is_named(trained, tmp_path, caplog):
    run, where = trained
    for code, said in (("de-AT", "the records have 'de', and not 'de-AT'"), ("de", ""), ("nl", "")):
        caplog.clear()
        pairs(tmp_path / "x.tsv", language=code)
        xlgen.predict(run, data=tmp_path / "x.tsv", records=records(2), options=where)
        assert said in caplog.text and bool(said) == ("records have" in caplog.text)


def test_a_task_of_the_users_own_keeps_its_score_and_source_in_the_records():
    task = SimpleNamespace(name="ours", metric="f1", source_language="de")
    rows = records(2, "ours", ("de", "en", "fr"))
    f1 = rows[rows["measure"] == "accuracy"].assign(measure="f1", value=0.5)
    table = frames.wide(frames.tidy(pd.concat([rows, f1])), DEFAULT, task)
    assert set(table["language"]) == {"en", "fr"} and set(table["truth"]) == {0.5}


# --- a user's files ---------------------------------------------------------------------------------------------------


def test_a_language_that_no_task_lists_is_forecast_without_labels(trained, tmp_path):
    run, where = trained
    found = xlgen.predict(run, data=pairs(tmp_path / "mine-gsw.tsv"), languages=["gsw"], options=where)
    there = xlgen.predict(run, languages=("ko",), options=where).table.iloc[0]
    row = found.table.iloc[0]
    assert row["language"] == "gsw" and row["atc"] == there["atc"] and row["rows"] == 18
    assert list(found.columns.values()) == [{"first": "premise", "second": "hypothesis"}]


def test_the_labels_of_a_file_are_used_and_its_other_languages_come_along(trained, tmp_path):
    run, where = trained
    for code in CODES[:9]:
        pairs(tmp_path / f"{code}.tsv", label=True, rows_of=code)
    pairs(tmp_path / "ur.tsv", rows_of="ur")
    found = xlgen.predict(run, data=tmp_path, languages=["ur"], options=where)
    theirs = xlgen.predict(run, labelled=CODES[:9], languages=["ur"], options=where)
    columns = ["language", "forecast", "low", "high", "measured"]
    one, other = (f.table[columns].sort_values("language", ignore_index=True) for f in (found, theirs))
    pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (dict(languages=["kor"]), UnknownName, "Did you mean 'ko'"),
        (dict(labelled=["kor"]), UnknownName, "Did you mean 'ko'"),
        (dict(languages=["en"], labelled=[]), DataError, "expected another language"),
        (dict(data="absent.tsv"), DataError, "no file or folder absent.tsv"),
        (dict(task="toyy"), UnknownName, "Did you mean 'toy'"),
        (dict(records=pd.DataFrame({"task": ["toy"]})), DataError, "no column model"),
        (dict(records=records(3).query("measure != 'atc_entropy'")), DataError, "the records have no atc_entropy"),
        (dict(level=1.5, labelled=CODES), XlgenError, "level is 1.5"),
    ],
)
def test_what_cannot_be_forecast_is_refused(trained, given, error, message):
    run, where = trained
    with pytest.raises(error, match=message):
        xlgen.predict(run, **given, options=where)


def test_labels_that_are_not_there_cannot_be_used(trained, tmp_path):
    run, where = trained
    with pytest.raises(ConfigError, match="has no labels in 'ko'"):
        xlgen.predict(run, data=pairs(tmp_path / "ko.tsv"), labelled=["ko"], options=where)


def test_bfloat16_moves_estimates_by_its_rounding_alone(trained, monkeypatch):
    """Eight bits: a relative step of 2⁻⁸ a product, and so no more than a few percent of a probability."""
    run, where = trained
    dtypes, forward = set(), torch.nn.functional.linear

    def watched(x, *rest):
        out = forward(x, *rest)
        dtypes.add(out.dtype)
        return out

    monkeypatch.setattr(torch.nn.functional, "linear", watched)
    exact = xlgen.predict(run, languages=("de", "ko"), options=where).table
    assert dtypes == {torch.float32}
    dtypes.clear()
    rounded = xlgen.predict(run, languages=("de", "ko"), precision="bf16", options=where).table
    assert dtypes == {torch.bfloat16}
    assert list(rounded["confidence"]) == pytest.approx(list(exact["confidence"]), rel=0.05)
    assert list(rounded["confidence"]) != list(exact["confidence"])
    with pytest.raises(UnknownName, match="Did you mean 'bf16'"):
        xlgen.predict(run, precision="bf61", options=where)


# --- command line and report ------------------------------------------------------------------------------------------


@pytest.fixture
def typed(trained, capsys):
    run, where = trained

    def call(command, *arguments):
        common = ("--store", where.store, "--device", "cpu", "--threads", "1", "--no-progress")
        code = cli.main([*map(str, (command, "--run", run.key, *arguments, *common))])
        output = capsys.readouterr()
        return code, output.out, output.err

    return call


class Page(HTMLParser):
    """What a page asks of the network, and its pictures' names."""

    def __init__(self, text):
        super().__init__()
        self.asked, self.named, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.asked += [v for k, v in attrs if k in ("src", "href", "xlink:href") and v and not v.startswith("#")]
        self.asked += [tag] if tag in ("script", "link", "iframe") else []
        if tag == "svg":
            self.named.append((found.get("role"), found.get("aria-label")))


def test_predict_prints_writes_and_reports(typed, tmp_path):
    pairs(tmp_path / "ko.tsv")
    out, page = tmp_path / "there" / "table.csv", tmp_path / "report.html"
    code, said, err = typed("predict", "--data", tmp_path / "ko.tsv", "--out", out, "--report", page)
    assert (code, err) == (0, "")
    assert "first is 'premise', second is 'hypothesis'" in said and "calibrated on 'en' alone" in said
    table = pd.read_csv(out)
    assert list(table["language"]) == ["ko"] and f"{table['forecast'][0]:.3f}" in said
    typed("predict", "--data", tmp_path / "ko.tsv", "--out", tmp_path / "table.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), table, check_dtype=False)
    found = Page(page.read_text(encoding="utf-8"))
    assert found.asked == [] and found.named[0][0] == "img" and "ko" in found.named[0][1]
    assert not list(tmp_path.glob(".*")) and not list(out.parent.glob(".*"))


def test_what_is_read_is_not_written_over_and_a_table_says_whose_it_is(typed, trained, tmp_path):
    run, where = trained
    known = tmp_path / "known.csv"
    records(3).to_csv(known, index=False)
    before = known.read_bytes()
    data = pairs(tmp_path / "ko.tsv")
    code, _, err = typed("predict", "--data", data, "--records", known, "--out", known)
    assert code == 2 and "known.csv is in the records" in err and known.read_bytes() == before
    for given in (("--size", 5), ("--split", "dev")):
        assert "of --data all rows are read" in typed("predict", "--data", data, *given)[2]
    assert typed("predict", "--data", data, "--records", known, "--out", tmp_path / "o.csv")[0] == 0
    table = pd.read_csv(tmp_path / "o.csv")
    assert {*table["model"]} == {run.model} and {*table["task"]} == {"toy"} and {*table["level"]} == {0.9}


def test_a_reader_who_stops_reading_loses_no_file(typed, tmp_path, monkeypatch):
    def closed(forecast):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(report, "text", closed)
    before = os.dup(1)
    try:
        code, *_ = typed("predict", "--data", pairs(tmp_path / "ko.tsv"), "--out", tmp_path / "o.csv")
    finally:
        os.dup2(before, 1)
    assert code == 128 + signal.SIGPIPE and len(pd.read_csv(tmp_path / "o.csv")) == 1


def test_an_interrupted_forecast_promises_nothing(typed, tmp_path, monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "tallies_of", interrupted)
    code, _, err = typed("predict", "--data", pairs(tmp_path / "ko.tsv"))
    assert code == 130 and err.strip().endswith("interrupted; nothing was written.")


def test_columns_are_told_before_the_work(typed, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "tallies_of", lambda *given: (_ for _ in ()).throw(DataError("later")))
    code, said, err = typed("predict", "--data", pairs(tmp_path / "ko.tsv"))
    assert code == 2 and "later" in err and "first is 'premise'" in said


def test_a_task_of_the_users_own_is_forecast_without_code(trained, tmp_path, capsys, monkeypatch):
    run, where = trained
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    pairs(tmp_path / "ours-en.tsv", label=True, rows_of="en", split="dev")
    pairs(tmp_path / "ours-ko.tsv")
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "mine.toml").write_text(
        'labels = ["entailment", "neutral", "contradiction"]\ndata = ".."\n[columns]\nsecond = "hypothesis"\n'
    )
    arguments = ["predict", "--model", run.model, "--task", tmp_path / "task" / "mine.toml", "--languages", "ko"]
    common = ["--device", "cpu", "--threads", "1", "--max-length", run.max_length]
    assert cli.main([*map(str, [*arguments, *common])]) == 0
    said, err = capsys.readouterr()
    same = xlgen.predict(run, languages=("ko",), options=where)
    assert "(mine)" in said and f"{same.table['forecast'][0]:.3f}" in said
    assert re.search(r"48/48 \[\d\d:\d\d<\d\d:\d\d, +[\d.]+ rows/s\]|39/39 .* rows/s", err)  # the rate, and time left


def test_a_report_escapes_what_others_wrote(trained):
    from dataclasses import replace

    run, where = trained
    found = xlgen.predict(run, labelled=CODES, options=where)
    table = found.table.assign(name="<b>&", because='"><script>alert(1)</script>')
    text = report.html(replace(found, model="/a/<i>x</i>", basis="<script>", table=table))
    assert "<script" not in text and "<i>" not in text and "<b>" not in text
    assert Page(text).asked == []
    assert report.html(found) == report.html(found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--languages", "kor"], "Did you mean 'ko'"),
        (["--out", "table.txt"], "--out table.txt: expected a name that ends in .csv or .parquet"),
        (["--report", "page.htm"], "ends in .html"),
        (["--columns", "first"], "--columns 'first' is not of the form key=value, such as --columns first=premise"),
        (["--columns", "first=a"], "without data"),
        (["--records", "absent.csv"], "absent.csv cannot be read"),
        (["--data", "absent-ko.csv"], "no file or folder absent-ko.csv"),
    ],
)
def test_bad_arguments_are_one_line_and_leave_nothing(typed, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = typed("predict", *arguments)
    assert code == 2 and out == "" and err.count("\n") == 1 and message in err
    assert not list(tmp_path.iterdir())


def test_a_bad_line_leaves_an_older_table_as_it_was(typed, tmp_path):
    (tmp_path / "ko.tsv").write_text("premise\thypothesis\nw1\tw2\nw1\n")
    (tmp_path / "table.csv").write_text("older\n")
    code, _, err = typed("predict", "--data", tmp_path / "ko.tsv", "--out", tmp_path / "table.csv")
    assert code == 2 and "ko.tsv, line 3: 1 columns" in err and (tmp_path / "table.csv").read_text() == "older\n"


def test_measure_takes_a_users_files(typed, trained, tmp_path):
    pairs(tmp_path / "mine.tsv", language="gsw", label=True)
    pairs(tmp_path / "xx-ko.tsv")
    code, said, err = typed("measure", "--data", tmp_path / "mine.tsv", "--measures", "accuracy,confidence")
    assert (code, err) == (0, "") and "language is 'language'" in said
    run, where = trained
    value = measuring.measure(run, measuring.MeasureConfig(("accuracy",), ("ko",)), where)["accuracy"]["ko"].value
    assert said.splitlines()[-1].split()[:2] == ["gsw", f"{value:.5g}"]
    out = tmp_path / "rows.parquet"
    code, said, _ = typed("measure", "--data", tmp_path / "xx-ko.tsv", "--measures", "atc,confidence", "--out", out)
    assert code == 0 and list(pd.read_parquet(out)["measure"]) == ["atc", "confidence"]
    code, _, err = typed("measure", "--data", tmp_path / "xx-ko.tsv", "--measures", "accuracy,confidence")
    assert code == 2 and "accuracy: needs labels, which ko has not" in err and "confidence" in err
    assert TASKS["toy"].languages == ("en", *CODES)  # the task is as it was


def test_what_measure_writes_is_what_predict_learns_from(typed, tmp_path, trained):
    names = ",".join(["accuracy", *DEFAULT])
    typed("measure", "--measures", names, "--out", tmp_path / "rows.csv")
    rows = pd.read_csv(tmp_path / "rows.csv", dtype={"run": str})
    several = pd.concat([rows.assign(run=f"r{i}", value=rows["value"] * (1 - i / 50)) for i in range(3)])
    several.to_csv(tmp_path / "rows.csv", index=False)
    code, said, err = typed("predict", "--records", tmp_path / "rows.csv", "--languages", "ko")
    assert (code, err) == (0, "") and "33 labelled results of 3 models of toy" in said
