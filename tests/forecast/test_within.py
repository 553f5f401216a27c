"""Regression within languages: the theorem of fixed effects, what is unknown, and what a look-up and a line miss."""

import numpy as np
import pandas as pd
import pytest

from xlgen.forecast import evaluate
from xlgen.forecast.forecasters import Forecaster
from xlgen.forecast.jackknife import jackknife_plus
from xlgen.forecast.ridge import ridge
from xlgen.forecast.within import effects, numbers, within

CODES = ("de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur")


def world(models, noise=0.0, seed=0):
    """Accuracies with an effect of the language that no feature has, and one of the model that all have."""
    rng = np.random.default_rng(seed)
    language, model = np.tile(np.arange(len(CODES)), models), np.repeat(np.arange(models), len(CODES))
    level, shift = rng.uniform(0.4, 0.7, len(CODES)), rng.normal(0, 0.03, models)
    apart = rng.normal(0, 0.02, (models, len(CODES)))
    x = rng.uniform(0.3, 0.8, len(CODES))[language] + shift[model] + apart[model, language]
    y = level[language] + 0.7 * (shift[model] + apart[model, language]) + noise * rng.normal(size=len(model))
    return x, y, np.array(CODES)[language], model


def test_it_is_the_regression_with_a_dummy_for_each_language():
    """Frisch, Waugh and Lovell: deviations from languages' means have the slope that dummies would give."""
    x, y, language, model = world(8, noise=0.01)
    found = within(np.column_stack([x, numbers(language), model, 0 * x]), y)
    dummies = (language[:, None] == np.array(CODES)).astype(float)
    slope, *levels = np.linalg.lstsq(np.column_stack([x, dummies]), y, rcond=None)[0]
    new = np.column_stack([np.full(len(CODES), 0.55), numbers(CODES), np.full(len(CODES), -1), np.zeros(len(CODES))])
    # the least ridge takes 1e-3 of a sum of squares of 80
    assert found(new) == pytest.approx(np.array(levels) + slope * 0.55, abs=1e-4)


def test_what_a_feature_cannot_know_of_a_language_is_looked_up():
    x, y, language, model = world(12)
    rows = np.column_stack([x, numbers(language), model, 0 * x])
    apart = [model.tolist()]
    errors = {
        name: np.abs(jackknife_plus(fit, given, y, given[:1], apart).held - y).mean()
        for name, fit, given in (
            ("within", within, rows),
            ("line", ridge, x[:, None]),
            ("look-up", within, rows[:, 1:]),
        )
    }
    assert errors["within"] < 0.002 < 0.01 < min(errors["line"], errors["look-up"])


def test_an_unknown_language_is_forecast_by_the_line():
    x, y, language, model = world(6, noise=0.01)
    rows = np.column_stack([x, numbers(language), model, 0 * x])
    new = np.array([[0.5, numbers(["ko"])[0], -1, 0], [0.5, numbers(["de"])[0], -1, 0]])
    assert within(rows, y)(new)[0] == ridge(rows[:, :1], y)(new[:, :1])[0]
    assert within(rows, y)(new)[1] != ridge(rows[:, :1], y)(new[:, :1])[1]


def test_one_row_a_language_has_no_differences_to_learn_from():
    x, y, language, model = world(1)
    rows = np.column_stack([x, numbers(language), model, 0 * x])
    assert within(rows, y)(rows) == pytest.approx(ridge(rows[:, :1], y)(rows[:, :1]))


def test_a_missing_feature_is_taken_not_to_differ():
    x, y, language, model = world(6)
    rows = np.column_stack([x, x**2, numbers(language), model, 0 * x])
    gap, there = rows[:1].copy(), rows[:1].copy()
    gap[0, 1] = np.nan
    there[0, 1] = rows[language == language[0], 1].mean()
    assert within(rows, y)(gap) == pytest.approx(within(rows, y)(there))


def test_labels_in_some_languages_show_what_a_model_is_better_by_in_all():
    """A model that is 5 points better than its features say: seen in two languages, forecast in the others."""
    x, y, language, model = world(12)
    y = y + np.where(model == 11, 0.05, np.repeat(np.random.default_rng(1).normal(0, 0.03, 12), len(CODES)))
    rows = np.column_stack([x, numbers(language), model, 0 * x])
    labelled = (model < 11) | np.isin(language, CODES[:2])
    without, given = (within(rows[fit], y[fit])(rows[~labelled]) for fit in (model < 11, labelled))
    assert np.abs(given - y[~labelled]).max() < 0.01 < 0.03 < np.abs(without - y[~labelled]).min()


def test_a_model_is_compared_with_the_others_and_not_with_a_mean_that_it_is_part_of():
    """Of three models one is 6 points better: in the mean of the three, two thirds of it would be seen."""
    rng = np.random.default_rng(0)
    language, model = np.tile(np.arange(20), 3), np.repeat([0, 1, 2], 20)
    y = rng.uniform(0.4, 0.7, 20)[language] + np.where(model == 2, 0.06, 0) + rng.normal(0, 0.001, 60)
    rows = np.column_stack([language, model, np.zeros(60)])
    known = (model < 2) | (language < 10)
    found = within(rows[known], y[known])(rows[~known])
    assert found == pytest.approx(y[~known], abs=0.006)


def test_languages_that_no_model_has_are_forecast_beside_the_line():
    """Two models without a language in common, each as far from the line as the other: a labelled model is moved."""
    rng = np.random.default_rng(0)
    x, model = rng.uniform(0.3, 0.8, 40), np.repeat([0, 1], 20)
    y = 0.1 + 0.7 * x + np.where(model == 1, 0.05, -0.05)
    found = within(np.column_stack([x, np.arange(40), model, 0 * x]), y)
    new = np.column_stack([np.full(3, 0.5), np.full(3, 99), [0, 1, 2], np.zeros(3)])
    assert found(new) == pytest.approx([0.40, 0.50, 0.45], abs=0.003)


def test_effects_are_those_of_the_mixed_model_equations():
    """Henderson's equations with the variances of which a balanced table is drawn; and the moments find these."""
    rng = np.random.default_rng(0)
    models, rows, outer, inner = 400, 8, 0.05, 0.1
    model = np.repeat(np.arange(models), rows)
    true = rng.normal(0, outer, models)
    residual = true[model] + rng.normal(0, inner, len(model))
    found = effects(residual, model, np.full(len(residual), np.nan))
    z = (model[:, None] == np.arange(models)).astype(float)
    henderson = np.linalg.solve(z.T @ z + inner**2 / outer**2 * np.eye(models), z.T @ residual)
    assert found.to_numpy() == pytest.approx(henderson, abs=0.005)
    means = pd.Series(residual).groupby(model).mean()
    assert np.square(found - true).mean() < 0.8 * np.square(means - true).mean()


def test_unequal_groups_are_shrunk_by_their_own_sizes():
    residual, model = np.array([0.3, 0.3, 0.5, 0.1, -0.2, -0.4]), np.array([7, 7, 7, 7, 9, 9])
    inner = (0.08 + 0.02) / 4
    grand = residual.mean()
    outer = (4 * (0.3 - grand) ** 2 + 2 * (-0.3 - grand) ** 2 - inner) / (6 - 20 / 6)
    expected = [0.3 * 4 / (4 + inner / outer), -0.3 * 2 / (2 + inner / outer)]
    assert effects(residual, model, np.full(len(residual), np.nan)).loc[[7, 9]].to_numpy() == pytest.approx(expected)


def test_labels_on_few_examples_count_less_than_those_on_many():
    """The equations of a mixed model with known variances, of which the noisier rows have another; a mean would do
    worse."""
    rng = np.random.default_rng(1)
    models, rows, outer, inner, usual, few = 60, 10, 0.02, 0.01, 0.007, 0.05
    model = np.repeat(np.arange(models), rows)
    noise = np.where((model == 0) & (np.arange(len(model)) < 6), few, usual)
    beyond = np.sqrt(np.square(noise) - usual**2)
    off, plain = [], []
    for _ in range(200):
        true = rng.normal(0, outer, models)
        residual = true[model] + inner * rng.normal(size=len(model)) + beyond * rng.normal(size=len(model))
        first = model != 0
        some = np.flatnonzero(first | (np.arange(len(model)) < 4))  # of the first model, four noisy rows
        found = effects(residual[some], model[some], noise[some])[0]
        precision = 4 / (inner**2 + few**2 - usual**2)
        best = precision * residual[:4].mean() / (1 / outer**2 + precision)
        assert found == pytest.approx(best, abs=0.01)
        off.append(found - true[0])
        plain.append(effects(residual[some], model[some], np.full(len(some), usual))[0] - true[0])
    assert np.std(off) < outer < np.std(plain)


@pytest.mark.parametrize("model", [[1, 1, 1, 1], [1, 2, 3, 4], [1, 2, 1, 2]])
def test_models_that_cannot_be_told_apart_have_no_effects(model):
    assert (effects(np.array([0.1, 0.1, -0.1, -0.1]), np.array(model), np.full(4, 0.1)) == 0).all()


def test_forecasts_are_shares():
    x, y, language, model = world(4)
    rows = np.column_stack([x, numbers(language), model, 0 * x])
    assert set(within(rows, y)(np.column_stack([[-50, 50], rows[:2, 1:]]))) == {0.0, 1.0}


def test_numbers_tell_all_codes_apart_and_do_not_depend_on_the_table():
    codes = [f"{a}{b}-{script}" for a in "abcdefghij" for b in "abcdefghij" for script in ("Hans", "Hant")]
    assert len({*numbers(codes)}) == len(codes)
    assert numbers(codes[::-1])[0] == numbers(codes)[-1] and numbers(codes).max() < 2**52


def test_the_mean_of_the_language_is_a_forecaster_without_measures():
    x, y, language, model = world(3)
    rows = [
        {"task": "mini-xnli", "model": f"m{m}", "language": code, "measure": "accuracy", "value": value}
        for m, code, value in zip(model, language, y, strict=True)
    ]
    found = evaluate.left_out(pd.DataFrame(rows), Forecaster("mean of the language", (), "within"), "model")
    others = pd.DataFrame(rows).groupby("language")["value"]
    expected = (found["language"].map(others.sum()) - found["truth"]) / 2
    assert found["value"].to_numpy() == pytest.approx(expected.to_numpy())


def test_what_is_known_of_few_examples_says_nothing_of_how_models_vary():
    """However far off it is: its own error is not the models'."""
    residual, model = np.array([0.02, 0.04, -0.03, -0.01, 0.0]), np.array([1.0, 1.0, 2.0, 2.0, 3.0])
    noise = np.array([0.01, 0.01, 0.01, 0.01, 0.3])
    near, far = (effects(residual + [0, 0, 0, 0, off], model, noise)[[1.0, 2.0]] for off in (0, 0.9))
    assert (near != 0).all() and (near == far).all()
