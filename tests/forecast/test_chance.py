"""What the chance of examples adds: by hand, the standard error of a mean, and a world in which sentences are drawn."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from xlgen.forecast.chance import spread, widened
from xlgen.forecast.jackknife import jackknife_plus
from xlgen.forecast.within import within


def test_ends_are_moved_in_quadrature_and_stay_shares():
    value, reach = np.full(3, 0.5), np.array([0.03, 1e-3, math.nan])
    chance = np.array([0.04, 0.9, 0.04]) / norm.ppf(0.95)
    low, high = widened(value, value - reach, value + 2 * reach, chance, 0.9)
    assert low[:2] == pytest.approx([0.45, 0.0]) and high[:2] == pytest.approx([0.5 + math.hypot(0.06, 0.04), 1.0])
    assert np.isnan([low[2], high[2]]).all()
    low, high = widened(value, value - reach, value + 2 * reach, np.zeros(3), 0.9)
    assert low[:2] == pytest.approx((value - reach)[:2]) and high[:2] == pytest.approx((value + 2 * reach)[:2])


@pytest.mark.parametrize("low, high", [(0.5, 0.5), (0.52, 0.6), (0.4, 0.48)])
def test_an_end_that_the_forecast_is_at_or_beyond_is_moved_away_from_it(low, high):
    for chance in (0.0, 0.05):
        new = widened(*(np.array([x]) for x in (0.5, low, high, chance)), 0.9)
        assert new[0] <= min(low, 0.5 - chance) and new[1] >= max(high, 0.5 + chance)


def test_of_parts_it_is_the_standard_error_of_the_mean_of_all():
    x = np.random.default_rng(0).normal(size=(10_000, 2))
    parts = [x[k::10].mean(axis=0) for k in range(10)]
    exact = np.std(parts, axis=0, ddof=1) / math.sqrt(10)
    assert spread(parts) == pytest.approx(exact) and exact == pytest.approx(0.01, rel=0.5)
    gaps = np.array(parts)
    gaps[:8, 0], gaps[1:, 1] = np.nan, np.nan
    found = spread(gaps)
    assert found[0] == pytest.approx(np.std(gaps[8:, 0], ddof=1) / math.sqrt(2)) and np.isnan(found[1])


def test_other_sentences_are_covered_as_often_as_is_said_and_would_not_be_without():
    """All models share the luck of the records' sentences; the new one is looked at on others, and its accuracy on all
    sentences is asked for."""
    rng, level, inside, models, languages = np.random.default_rng(0), 0.8, [], 6, 12
    model, language = np.repeat(np.arange(models + 1), languages), np.tile(np.arange(languages), models + 1)
    new = model == models
    for _ in range(80):
        p = rng.uniform(0.55, 0.7, languages)[language] + rng.normal(0, 0.01, models + 1)[model]
        p = p + rng.normal(0, 0.005, len(p))
        error = np.sqrt(0.24 / 1500)
        luck = rng.normal(0, error, languages)[language]  # of the records' sentences
        parts = rng.normal(0, 0.3 * np.sqrt(10) * error, (10, languages))  # of those at hand, in each of ten parts
        y = p + luck
        sure = p + 0.1 + rng.normal(0, 0.006, len(p))
        x = np.column_stack([sure, language, model, np.full(len(p), error)])
        at = x[new]
        at[:, 0] += parts.mean(axis=0)
        band = jackknife_plus(within, x[~new], y[~new], at, [model[~new].tolist()], level)
        fit, folds = within(x[~new], y[~new]), []
        for part in parts:
            fold = at.copy()
            fold[:, 0] = sure[new] + part
            folds.append(fit(fold))
        chance = np.hypot(error, spread(folds))
        ends = widened(band.value, band.low, band.high, chance, level)
        true = p[new]
        inside.append([((low <= true) & (true <= high)).mean() for low, high in ((band.low, band.high), ends)])
    raw, wide = np.mean(inside, axis=0)
    assert raw < 0.7 and wide == pytest.approx(level, abs=0.08)
