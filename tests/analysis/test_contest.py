"""Predictors against each other on the same rows."""

import numpy as np
import pytest

from xlgen.analysis import AnalysisError, errors, gain, leave_one_out, mean_of_others
from xlgen.analysis.contest import contest, contests

LANGUAGES = [code for code in ("de", "fr", "sw", "zh") for _ in range(3)]
MODELS = [0, 1, 2] * 4


@pytest.fixture
def table():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(12, 2))
    return x, 0.6 + x @ [0.05, -0.02] + 0.01 * draw.normal(size=12)


def test_each_predictor_says_what_it_says_alone(table):
    x, y = table
    level = np.repeat([[0.8], [0.9], [0.7]], 4, axis=1).T.reshape(-1, 1)
    result = contest(
        {"ours": x, "mean": np.zeros((12, 1)), "level": level}, y, LANGUAGES, {"ours": MODELS, "mean": MODELS}
    )
    assert np.array_equal(result.predicted["ours"], leave_one_out(x, y, LANGUAGES, MODELS).values)
    assert np.array_equal(result.predicted["mean"], mean_of_others(y, LANGUAGES, MODELS))
    assert np.array_equal(result.predicted["level"], leave_one_out(level, y, LANGUAGES).values)
    assert result.errors["ours"] == errors(result.predicted["ours"], y, LANGUAGES)
    assert result.gain("ours", "mean") == gain(result.errors["ours"].mae, result.errors["mean"].mae)
    assert result.gain("ours", "mean").difference.value < 0 == result.gain("mean", "mean").difference.value


def test_a_row_that_one_cannot_predict_is_taken_out_for_all(table):
    x, y = table
    holed = x.copy()
    holed[[1, 4], 0] = np.nan
    result = contest({"ours": holed, "other": x[:, 1:]}, y, LANGUAGES)
    keep = [row for row in range(12) if row not in (1, 4)]
    assert result.rows.tolist() == keep and result.groups == tuple(LANGUAGES[row] for row in keep)
    alone = leave_one_out(x[keep, 1:], y[keep], [LANGUAGES[row] for row in keep])
    assert np.array_equal(result.predicted["other"], alone.values) and np.array_equal(result.y, y[keep])


def test_what_cannot_be_contested_is_said(table):
    x, y = table
    x[:6, 0] = np.nan
    with pytest.raises(AnalysisError, match="2 groups with all measures; expected at least 3"):
        contest({"ours": x}, y, LANGUAGES)
    with pytest.raises(AnalysisError, match="'ours': 5.*expected as many of each"):
        contest({"ours": x[:5]}, y, LANGUAGES)
    with pytest.raises(AnalysisError, match="expected as many of each"):
        contest({"ours": x}, y, LANGUAGES, {"ours": MODELS[:5]})


def test_a_contest_with_too_few_groups_is_not_held(table):
    x, y = table
    short = x.copy()
    short[:6] = np.nan
    results = contests({"all": x, "short": short}, lambda some: contest({"ours": some}, y, LANGUAGES))
    assert list(results) == ["all"]
    assert np.array_equal(results["all"].predicted["ours"], contest({"ours": x}, y, LANGUAGES).predicted["ours"])
