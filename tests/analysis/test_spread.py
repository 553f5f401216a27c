"""Standard deviations over runs, against simulations, other people's code and the distributions themselves."""

import math

import numpy as np
import pytest
from scipy import stats

from xlgen.analysis import spread


def draws(n, *stds, r=0.0, seed=0, times=2_000):
    """Pairs of normal scores with these standard deviations and correlation, (times, n) each."""
    first, second = np.random.default_rng(seed).normal(size=(2, times, n))
    return stds[0] * first, stds[1] * (r * first + math.sqrt(1 - r**2) * second)


@pytest.mark.parametrize("n", [4, 8])
def test_the_intervals_cover_the_truth_in_95_of_100_cases(n):
    first, second = draws(n, 2.0, 1.0)
    covered = [2.0 in spread.std_interval(a) for a in first]
    ratios = [2.0 in spread.ratio_of(a, b) for a, b in zip(first, second, strict=True)]
    first, second = draws(n, 2.0, 1.0, r=0.8)
    pairs = [2.0 in spread.paired_ratio(a, b) for a, b in zip(first, second, strict=True)]
    for share in map(np.mean, (covered, ratios, pairs)):
        assert share == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 2_000))


def test_the_ends_are_quantiles_of_their_distributions():
    a, b = np.random.default_rng(1).normal(size=9), np.random.default_rng(2).normal(size=6)
    one, ratio = spread.std_interval(a), spread.ratio_of(a, b)
    below = stats.chi2.cdf([8 * one.value**2 / end**2 for end in (one.low, one.high)], 8)
    assert below == pytest.approx([0.975, 0.025])
    below = stats.f.cdf([(ratio.value / end) ** 2 for end in (ratio.low, ratio.high)], 8, 5)
    assert below == pytest.approx([0.975, 0.025])
    assert (one.value, one.n, ratio.n) == (pytest.approx(np.std(a, ddof=1)), 9, 6)


@pytest.mark.parametrize("ratio", [spread.ratio_of, spread.paired_ratio])
def test_the_other_way_round_the_ratio_is_the_reciprocal(ratio):
    a, b = (one[0] for one in draws(7, 1.0, 3.0, r=0.5))
    there, back = ratio(a, b), ratio(b, 5 * np.asarray(a))
    assert (back.value, back.low, back.high) == pytest.approx(
        (1 / there.value / 5, 1 / there.high / 5, 1 / there.low / 5)
    )


def test_the_paired_interval_includes_1_where_sum_and_difference_are_not_correlated():
    inside = set()
    for a, b in zip(*draws(6, 1.6, 1.0, r=0.7, times=60), strict=True):
        p = stats.pearsonr(a + b, a - b).pvalue
        assert (1 in spread.paired_ratio(a, b)) == (p > 0.05)
        inside.add(p > 0.05)
    assert inside == {True, False}


def test_pairs_that_go_together_narrow_the_interval_of_the_ratio():
    a = np.array([0.1, 0.9, 0.4, 0.7, 0.2])
    b = 2 * a + np.array([0.01, -0.01, 0.0, 0.01, -0.01])
    paired, apart = spread.paired_ratio(a, b), spread.ratio_of(a, b)
    assert paired.value == pytest.approx(apart.value) and paired.high / paired.low < apart.high / apart.low / 5


def test_the_robust_p_value_is_that_of_a_t_test_of_distances_from_the_medians():
    """With two groups, the F of Brown and Forsythe is the square of Student's t."""
    a, b = (one[0] for one in draws(9, 1.0, 3.0))
    p = stats.ttest_ind(abs(a - np.median(a)), abs(b - np.median(b))).pvalue
    assert spread.brown_forsythe(a, b) == pytest.approx(p) and 0 < p < 0.2
    assert math.isnan(spread.brown_forsythe([1.0, 1.0], [1.0, 2.0]))


def test_what_does_not_vary_has_no_interval():
    for ratio in (spread.ratio_of, spread.paired_ratio):
        assert math.isnan(ratio([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]).value)
        assert math.isnan(ratio([1.0, 2.0, 3.0], [1.0]).value)
    assert math.isnan(spread.std_interval([1.0]).value)
    assert math.isnan(spread.paired_ratio([1.0, 2.0], [3.0, 5.0]).value)


def test_the_power_is_how_often_the_interval_excludes_1():
    for n, ratio in ((5, 0.4), (8, 0.4), (8, 1.0)):
        found = np.mean([1 not in spread.ratio_of(a, b) for a, b in zip(*draws(n, ratio, 1.0), strict=True)])
        assert spread.power(ratio, n) == pytest.approx(found, abs=0.045)
    assert spread.power(1.0, 8) == pytest.approx(0.05)
    assert spread.power(0.5, 9) == pytest.approx(spread.power(2, 9))


def test_as_many_runs_as_are_needed_are_enough_and_one_less_is_not():
    n = spread.runs_needed(0.5)
    assert spread.power(0.5, n) >= 0.8 > spread.power(0.5, n - 1)
    assert spread.runs_needed(0.999) is None
    ratio = spread.detectable(n)
    assert 0.5 <= ratio < 1 and spread.power(ratio, n) >= 0.8 > spread.power(ratio + 0.002, n)
