"""Predictions of accuracy: ridge against least squares, nested choice against plain loops, no leak, honest errors."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from xlgen.analysis import (
    LAMS,
    AnalysisError,
    errors,
    gain,
    interval_of_mean,
    leave_one_out,
    mean_of_others,
    ridge,
    sign_flip,
)

LANGUAGES, MODELS = [f"l{i}" for i in range(10)], ["a", "b", "c"]


def data(slope=0.1, noise=0.01, k=4, seed=0):
    """Measures (N, K) of which the first is related to accuracy, accuracies, languages and models."""
    rng = np.random.default_rng(seed)
    where = [(language, model) for model in MODELS for language in LANGUAGES]
    x = rng.normal(size=(len(where), k)) + np.repeat(rng.normal(size=(3, k)), 10, axis=0)
    y = 0.6 + slope * x[:, 0] + noise * rng.normal(size=len(where))
    return x, y, [w[0] for w in where], [w[1] for w in where]


# Ridge


@pytest.mark.parametrize("lam", [1e-3, 0.5, 20.0])
def test_ridge_is_least_squares_with_rows_that_pull_to_zero(lam):
    x, y, *_ = data()
    x[:, 1] *= 1e6  # standardised, so the unit does not matter
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    n, k = x.shape
    beta, *_ = np.linalg.lstsq(
        np.vstack([z, math.sqrt(n * lam) * np.eye(k)]), np.concatenate([y - y.mean(), np.zeros(k)]), rcond=None
    )
    (fit,) = ridge(x, y, [lam])
    assert fit.beta == pytest.approx(beta, abs=1e-10) and fit.intercept == pytest.approx(y.mean())
    assert fit(x) == pytest.approx(y.mean() + z @ beta, abs=1e-10)


def test_without_a_penalty_one_measure_is_a_straight_line():
    x, y, *_ = data()
    (fit,) = ridge(x[:, :1], y, [0.0])
    assert fit(x[:, :1]) == pytest.approx(np.polyval(np.polyfit(x[:, 0], y, 1), x[:, 0]), abs=1e-10)


def test_constant_and_repeated_measures_do_no_harm():
    x, y, *_ = data(k=1)
    (alone,) = ridge(x, y, [0.0])
    (fit,) = ridge(np.column_stack([x, np.full(len(x), 0.1), x]), y, [0.0])
    assert fit.beta[1] == 0
    assert fit(np.column_stack([x, np.full(len(x), 0.1), x])) == pytest.approx(alone(x), abs=1e-10)
    (none,) = ridge(np.zeros((len(x), 2)), y, [0.0])
    assert none(np.zeros((3, 2))) == pytest.approx(np.full(3, y.mean()))


def test_an_infinite_penalty_predicts_the_mean():
    x, y, *_ = data()
    assert ridge(x, y, [1e12])[0](x) == pytest.approx(np.full(len(y), y.mean()), abs=1e-9)


# Leaving out


def slow(x, y, groups, within, lams):
    """The same with loops and without any of the library's pieces."""
    groups, within = np.array(groups), np.array(within)

    def predict(train, test, lam):
        def centre(rows, column):
            return np.array([column[train & (within == within[r])].mean(axis=0) for r in np.flatnonzero(rows)])

        a, b = x[train] - centre(train, x), y[train] - centre(train, y)
        z = (a - a.mean(axis=0)) / a.std(axis=0)
        beta = np.linalg.solve(z.T @ z / len(b) + lam * np.eye(x.shape[1]), z.T @ (b - b.mean()) / len(b))
        new = (x[test] - centre(test, x) - a.mean(axis=0)) / a.std(axis=0)
        return centre(test, y) + b.mean() + new @ beta

    values, chosen = np.empty(len(y)), {}
    for out in dict.fromkeys(groups):
        others = [g for g in dict.fromkeys(groups) if g != out]
        score = [
            sum(np.mean((predict(~np.isin(groups, [out, g]), groups == g, lam) - y[groups == g]) ** 2) for g in others)
            for lam in lams
        ]
        chosen[str(out)] = lams[int(np.argmin(score))]
        values[groups == out] = predict(groups != out, groups == out, chosen[str(out)])
    return values, chosen


def test_nested_choice_is_that_of_plain_loops():
    x, y, languages, models = data(noise=0.1)
    kept = [row for row in range(30) if row not in (13, 17, 23, 28)]  # languages have differently many rows
    x, y, languages, models = x[kept], y[kept], [languages[r] for r in kept], [models[r] for r in kept]
    lams = [0.01, 0.1, 1.0, 10.0]
    for groups, within in ((languages, models), (languages, ["all"] * len(y))):
        values, chosen = slow(x, y, groups, within, lams)
        found = leave_one_out(x, y, groups, None if within[0] == "all" else within, lams)
        assert found.values == pytest.approx(values, abs=1e-9)
        assert found.lams == pytest.approx(chosen)
    assert len(set(chosen.values())) > 1, "the test is to see a choice"


@pytest.mark.parametrize("k", [1, 4])
def test_a_left_out_group_is_predicted_as_by_scikit_learn(k):
    linear_model = pytest.importorskip("sklearn.linear_model")
    model_selection = pytest.importorskip("sklearn.model_selection")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y, languages, _ = data(k=k)
    found = leave_one_out(x, y, languages)
    for rest, out in model_selection.LeaveOneGroupOut().split(x, y, languages):
        lam = found.lams[languages[out[0]]]
        model = make_pipeline(StandardScaler(), linear_model.Ridge(lam * len(rest), solver="svd"))
        assert found.values[out] == pytest.approx(model.fit(x[rest], y[rest]).predict(x[out]), abs=1e-12)


def test_one_measure_is_plain_least_squares_and_several_choose_from_the_list():
    x, y, languages, _ = data()
    assert set(leave_one_out(x[:, :1], y, languages).lams.values()) == {0.0}
    assert set(leave_one_out(x, y, languages).lams.values()) <= set(LAMS)
    assert set(leave_one_out(np.zeros_like(x), y, languages).lams.values()) == {max(LAMS)}  # of equals the strongest


@pytest.mark.parametrize("labelled", [False, True])
def test_the_rows_of_the_left_out_language_do_not_influence_its_prediction(labelled):
    x, y, languages, models = data(noise=0.1)
    within = models if labelled else None
    before = leave_one_out(x, y, languages, within)
    mine = np.array(languages) == "l3"
    other = y.copy()
    other[mine] = [0.1, 0.9, -5.0]
    after = leave_one_out(x, other, languages, within)
    assert (after.values[mine] == before.values[mine]).all() and after.lams["l3"] == before.lams["l3"]
    assert (after.values[~mine] != before.values[~mine]).any()
    moved = x.copy()
    moved[np.flatnonzero(mine)[0]] = 1e3  # one of its rows: the others' predictions stay
    after = leave_one_out(moved, y, languages, within)
    assert (after.values[mine][1:] == before.values[mine][1:]).all()
    assert after.values[mine][0] != before.values[mine][0]


def test_a_planted_relation_is_found_and_beats_both_baselines():
    x, y, languages, models = data()
    mean = errors(mean_of_others(y, languages, models), y, languages)
    english = errors(leave_one_out(np.array([[hash_of(m)] for m in models]), y, languages).values, y, languages)
    for within in (None, models):
        ours = errors(leave_one_out(x, y, languages, within).values, y, languages)
        for baseline in (mean, english):
            found = gain(ours.mae, baseline.mae)
            assert found.difference.high < 0 and max(found.p, found.p_flip) < 0.05 and found.better >= 8
        assert ours.mean.value < 1.5 < mean.mean.value


def hash_of(model):
    return {"a": 0.7, "b": 0.8, "c": 0.75}[model]


def test_shuffled_labels_are_predicted_no_better_than_by_the_baseline():
    differences = []
    for seed in range(12):
        x, y, languages, models = data(seed=seed)
        order = np.random.default_rng(seed).permutation(10)
        y = y.reshape(3, 10)[:, order].ravel()  # accuracies of other languages
        ours, mean = leave_one_out(x, y, languages, models).values, mean_of_others(y, languages, models)
        differences.append(errors(ours, y, languages).mean.value - errors(mean, y, languages).mean.value)
    assert np.mean(differences) > -0.1


def test_the_mean_of_others_is_that_of_the_same_model_in_the_other_languages():
    _, y, languages, models = data()
    found = mean_of_others(y, languages, models)
    for row, (language, model) in enumerate(zip(languages, models, strict=True)):
        same = [v for v, c, m in zip(y, languages, models, strict=True) if m == model and c != language]
        assert found[row] == pytest.approx(np.mean(same))
    alone = mean_of_others(y, languages)
    assert alone[0] == pytest.approx(np.mean(y[np.array(languages) != "l0"]))


def test_a_label_that_no_training_row_has_takes_the_mean_of_all():
    _, y, _, models = data()
    found = mean_of_others(y, models, models)  # the model left out is unknown
    assert found[0] == pytest.approx(y[10:].mean())


def test_what_a_mean_of_its_own_absorbs_is_no_error():
    """Models that differ in level only: deviations within a model are predicted as well as with one model."""
    x, y, languages, models = data()
    level = np.repeat([0.0, 0.3, -0.3], 10)
    plain, shifted = (leave_one_out(x, v, languages, models).values for v in (y, y + level))
    assert shifted - level == pytest.approx(plain, abs=1e-9)


def test_bad_rows_are_refused():
    x, y, languages, models = data()
    with pytest.raises(AnalysisError, match="expected a row for each"):
        leave_one_out(x[:-1], y, languages)
    with pytest.raises(AnalysisError, match="expected finite numbers"):
        leave_one_out(np.where(x > 1, math.nan, x), y, languages)
    with pytest.raises(AnalysisError, match="2 groups; expected at least 3"):
        leave_one_out(x, y, [m == "a" for m in models])
    assert leave_one_out(x, y, [m == "a" for m in models], lams=[1.0]).lams == {True: 1.0, False: 1.0}
    with pytest.raises(AnalysisError, match="1 groups; expected at least 2"):
        mean_of_others(y, ["a"] * len(y))
    with pytest.raises(AnalysisError):
        leave_one_out(x[:, :0], y, languages)


# Errors and gains


def test_errors_are_in_points_by_group():
    found = errors([0.5, 0.6, 0.7], [0.4, 0.63, 0.66], ["x", "y", "x"])
    assert found.mae == pytest.approx({"x": 7.0, "y": 3.0})
    assert found.rmse == pytest.approx({"x": math.sqrt((100 + 16) / 2), "y": 3.0})
    assert found.root == pytest.approx(math.sqrt((58 + 9) / 2))
    assert found.mean == interval_of_mean([7.0, 3.0]) or found.mean.value == pytest.approx(5.0)
    with pytest.raises(AnalysisError, match="expected one each"):
        errors([0.5], [0.5, 0.6], ["x", "y"])


def test_a_gain_is_paired_by_group():
    ours, theirs = {"a": 1.0, "b": 2.0, "c": 2.5}, {"c": 4.0, "a": 2.0, "b": 1.5}
    found = gain(ours, theirs)
    d = [-1.0, 0.5, -1.5]
    assert found.difference == interval_of_mean(d) and found.better == 2
    assert found.p == pytest.approx(stats.ttest_rel([1, 2, 2.5], [2, 1.5, 4]).pvalue)
    assert found.p_flip == sign_flip(d)
    assert gain(ours, ours).p == 1 and gain(ours, ours).p_flip == 1
    alike = gain({"a": 1.3, "b": 2.3, "c": 0.3}, {"a": 1.2, "b": 2.2, "c": 0.2})  # no t, and no certainty of p = 0
    assert math.isnan(alike.p) and alike.p_flip == 2**-2
    with pytest.raises(AnalysisError, match="expected the same"):
        gain(ours, {"a": 1.0})


@pytest.mark.parametrize("n", [2, 5, 9])
def test_sign_flips_are_scipys(n):
    d = np.random.default_rng(n).normal(0.5, 1, size=n)
    theirs = stats.permutation_test(
        (d, np.zeros(n)), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip(d) == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize("step", [0.1, 0.7, 1 / 3])
def test_sums_that_are_equal_but_for_rounding_are_counted_as_equal(step):
    d = np.array([0, -5, 1, 1, 2, 5, -5, 1, 5, -5])  # accuracies differ by whole numbers of examples
    assert sign_flip(step * d) == sign_flip(d)


def test_many_values_are_flipped_at_random_and_the_given_order_is_one_of_them():
    d = np.random.default_rng(0).normal(0.45, 1, size=15)
    exact = np.mean([abs(np.dot(s, d)) >= abs(d.sum()) - 1e-12 for s in itertools.product((1, -1), repeat=15)])
    assert sign_flip(d) == pytest.approx(exact, abs=0.015)
    assert sign_flip(np.ones(20)) == pytest.approx(1e-4)
    with pytest.raises(AnalysisError):
        sign_flip([])
