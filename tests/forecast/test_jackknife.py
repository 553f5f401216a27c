"""jackknife+, of rows and of groups: the theorem, a naive loop, and what cannot be done; what a forecast is worth."""

import math

import numpy as np
import pytest
from scipy import stats

from xlgen.analysis import AnalysisError
from xlgen.forecast.forecasters import mean
from xlgen.forecast.jackknife import fewest, jackknife_plus
from xlgen.forecast.labels import error_of_labels, labels_worth
from xlgen.forecast.ridge import ridge


def line(x, y):
    """Least squares."""
    a = np.column_stack([np.ones(len(x)), x])
    beta = np.linalg.lstsq(a, y, rcond=None)[0]
    return lambda new: np.column_stack([np.ones(len(new)), new]) @ beta


def naive(fit, x, y, new, apart, level):
    """The definition, a row at a time, in words of the paper; of groups, as many are needed as of rows."""
    n, lows, highs = len(y), [], []
    for i in range(n):
        rest = [j for j in range(n) if all(labels[j] != labels[i] for labels in apart)]
        predictor = fit(x[rest], y[rest])
        residual = abs(y[i] - predictor(x[[i]])[0])
        lows.append(predictor(new)[0] - residual)
        highs.append(predictor(new)[0] + residual)
    alpha = 1 - level
    if math.ceil((1 - alpha) * (len(set(apart[0])) + 1) - 1e-9) > len(set(apart[0])):
        return -math.inf, math.inf
    k = math.ceil((1 - alpha) * (n + 1) - 1e-9)
    return -sorted(-low for low in lows)[k - 1], sorted(highs)[k - 1]


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("grouped", ["rows", "models", "both"])
def test_the_interval_is_that_of_a_naive_loop(level, grouped):
    rng = np.random.default_rng(0)
    x, y, new = rng.normal(size=(20, 2)), rng.normal(size=20), rng.normal(size=(1, 2))
    models, languages = [i // 5 for i in range(20)], [i % 5 for i in range(20)]
    apart = {"rows": [range(20)], "models": [models], "both": [models, languages]}[grouped]
    found = jackknife_plus(line, x, y, new, None if grouped == "rows" else apart, level)
    assert (found.low[0], found.high[0]) == pytest.approx(naive(line, x, y, new, apart, level))
    assert found.value == pytest.approx(line(x, y)(new))


def test_held_rows_are_predicted_without_all_that_they_share():
    y = np.array([0.0, 1.0, 10.0, 11.0])
    found = jackknife_plus(mean, np.zeros((4, 0)), y, np.zeros((1, 0)), [["a", "a", "b", "b"]])
    assert found.held.tolist() == [10.5, 10.5, 0.5, 0.5]
    both = jackknife_plus(mean, np.zeros((4, 0)), y, np.zeros((1, 0)), [["a", "a", "b", "b"], ["x", "y", "x", "y"]])
    assert both.held.tolist() == [11.0, 10.0, 1.0, 0.0]


def test_rows_without_a_label_are_fitted_on_and_their_errors_are_not_counted():
    """The interval is that of the labelled rows, each predicted by a fit on all others but what it shares."""
    rng = np.random.default_rng(5)
    x, y, new = rng.normal(size=(20, 1)), rng.normal(size=20), rng.normal(size=(2, 1))
    labels, languages = [None] * 8 + list(range(12)), [i % 8 for i in range(20)]
    for apart in ([labels], [labels, languages]):
        found = jackknife_plus(line, x, y, new, apart, 0.8)
        lows, highs, held = [], [], []
        for i in range(8, 20):
            rest = [j for j in range(20) if j != i and (len(apart) == 1 or languages[j] != languages[i])]
            predictor = line(x[rest], y[rest])
            held.append(predictor(x[[i]])[0])
            lows.append(predictor(new) - abs(y[i] - held[-1]))
            highs.append(predictor(new) + abs(y[i] - held[-1]))
        assert found.held[8:] == pytest.approx(held) and np.isnan(found.held[:8]).all()
        assert found.low == pytest.approx(np.sort(lows, axis=0)[1]) and found.high == pytest.approx(
            np.sort(highs, axis=0)[10]
        )
    few = jackknife_plus(line, x, y, new, [[None] * 12 + list(range(8))])
    assert np.isinf(few.high).all() and np.isfinite(few.held[12:]).all()
    assert np.isinf(jackknife_plus(line, x, y, new, [[None] * 20]).high).all()


@pytest.mark.parametrize("fit", [line, ridge])
def test_exchangeable_rows_are_covered_at_least_as_often_as_the_theorem_says(fit):
    """1 - 2α at the least, about 1 - α in fact; 600 draws have a standard error below 0.02."""
    rng, inside, tries = np.random.default_rng(1), 0, 600 if fit is line else 200
    for _ in range(tries):
        x = rng.uniform(size=(15, 1))
        y = 0.2 + 0.6 * x[:, 0] + 0.1 * rng.standard_t(3, size=15).clip(-1, 1)
        found = jackknife_plus(fit, x[:-1], y[:-1], x[-1:], level=0.8)
        inside += found.low[0] <= y[-1] <= found.high[0]
    assert inside / tries > 0.6
    assert inside / tries == pytest.approx(0.8, abs=0.1)


def test_residuals_of_a_fit_that_saw_the_row_would_be_too_small():
    """What jackknife+ is for: with four features and seven rows, fitted residuals say nothing."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(7, 4)), rng.normal(size=7)
    fitted = np.abs(y - line(x, y)(x)).max()
    found = jackknife_plus(line, x, y, x[:1], level=0.8)
    assert (found.high - found.low)[0] > 4 * fitted


def test_intervals_are_infinite_until_there_are_rows_enough():
    rng = np.random.default_rng(3)
    assert (fewest(0.9), fewest(0.8), fewest(0.5)) == (9, 4, 1)
    for n in (8, 9):
        x, y = rng.normal(size=(n, 1)), rng.normal(size=n)
        found = jackknife_plus(line, x, y, x[:1])
        assert np.isfinite(found.high[0]) == np.isfinite(found.low[0]) == (n == 9)


@pytest.mark.parametrize("spread", [0.5, 3.0])
def test_a_new_group_is_covered_though_its_rows_share_an_error(spread):
    """Nine models of fourteen languages, whose errors differ between models by ``spread`` of those within one."""
    rng, inside, tries = np.random.default_rng(7), 0.0, 300
    models = np.repeat(range(10), 14)
    known = models < 9
    for _ in range(tries):
        y = np.repeat(spread * rng.normal(size=10), 14) + rng.normal(size=140)
        found = jackknife_plus(mean, np.zeros((126, 0)), y[known], np.zeros((1, 0)), [models[known].tolist()])
        inside += ((found.low <= y[~known]) & (y[~known] <= found.high)).mean() / tries
    assert inside > 0.8 and inside == pytest.approx(0.9, abs=0.06)


def test_rows_are_no_substitute_for_groups():
    y, models = np.random.default_rng(8).normal(size=160), np.repeat(range(8), 20).tolist()
    found = jackknife_plus(mean, np.zeros((160, 0)), y, np.zeros((1, 0)), [models])
    assert np.isinf([found.low, found.high]).all() and np.isfinite(found.held).all()


def test_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(4)
    x, y, new, order = rng.normal(size=(12, 1)), rng.normal(size=12), rng.normal(size=(3, 1)), rng.permutation(12)
    one, other = jackknife_plus(line, x, y, new), jackknife_plus(line, x[order], y[order], new)
    assert other.low == pytest.approx(one.low) and other.high == pytest.approx(one.high)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(y=[1.0, math.nan, 2.0]), r"y\[1\] is nan"),
        (dict(y=[1.0, 2.0]), "do not match"),
        (dict(new=np.zeros((1, 2))), "do not match"),
        (dict(apart=[["a", "b"]]), "do not match"),
        (dict(apart=[["a", "a", "a"]]), "nothing is left to fit without a"),
        (dict(level=1.0), "level is 1.0; expected a share"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change, message):
    given = dict(x=np.zeros((3, 1)), y=[1.0, 2.0, 3.0], new=np.zeros((1, 1)), apart=None, level=0.9) | change
    with pytest.raises(AnalysisError, match=message):
        jackknife_plus(mean, **given)


def test_ridge_is_scikit_learns_pipeline_and_a_missing_feature_counts_as_the_mean():
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from xlgen.forecast.ridge import LAMS, slopes

    rng = np.random.default_rng(5)
    x = rng.normal(size=(12, 2)) * [1, 100] + [0, 1000]
    y = 0.5 + 0.1 * x[:, 0] + 0.01 * rng.normal(size=12)
    for known in (y, y + 0.3 * rng.normal(size=12), np.repeat(0.5, 12)):  # a weak, a strong and an idle penalty
        theirs = make_pipeline(StandardScaler(), RidgeCV(alphas=LAMS)).fit(x, known)
        assert ridge(x, known)(x[:4]) == pytest.approx(theirs.predict(x[:4]).clip(0, 1))
        z = x / [1, 100]
        theirs = RidgeCV(alphas=LAMS, fit_intercept=False).fit(z, known)
        assert slopes(z, known, 0.0) == pytest.approx(theirs.coef_)
    gap = x[:1].copy()
    gap[0, 1] = math.nan
    filled = np.array([[x[0, 0], x[:, 1].mean()]])
    assert ridge(x, y)(gap) == pytest.approx(ridge(x, y)(filled))
    constant = np.column_stack([x[:, 0], np.full(12, 7.0)])
    assert ridge(constant, y)(constant) == pytest.approx(ridge(x[:, :1], y)(x[:, :1]), abs=1e-6)


@pytest.mark.parametrize("p", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("n", [100, 400])
def test_labels_worth_a_forecast_have_its_error_when_simulated(p, n):
    error = error_of_labels(n, p)
    shares = np.random.default_rng(6).binomial(n, p, size=200_000) / n
    assert np.abs(shares - p).mean() == pytest.approx(error, rel=0.02)
    assert labels_worth(error, p) == pytest.approx(n)


@pytest.mark.parametrize("p", [0.3, 0.8])
def test_labels_are_counted_as_in_de_moivres_exact_deviation(p):
    n = 200
    v = math.floor(n * p) + 1
    exact = 2 * v * (1 - p) * stats.binom.pmf(v, n, p) / n
    assert error_of_labels(n, p) == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: labels_worth(0, 0.5), "error is 0"),
        (lambda: labels_worth(1.5, 0.5), "error is 1.5"),
        (lambda: labels_worth(0.1, 1.2), "accuracy is 1.2"),
        (lambda: error_of_labels(0, 0.5), "n is 0"),
    ],
)
def test_labels_of_impossible_numbers_are_refused(call, message):
    with pytest.raises(AnalysisError, match=message):
        call()
