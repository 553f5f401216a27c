"""Correlation over tables: against the definitions, a plain bootstrap and the null; Holm's correction."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from xlgen.analysis import AnalysisError, clustered, holm, kendall, pearson, spearman
from xlgen.analysis.clustered import ENOUGH, _weighted
from xlgen.core.errors import UnknownName

PLAIN = {"pearson": pearson, "spearman": spearman, "kendall": kendall}


def table(groups=5, columns=14, slope=0.8, seed=0, common=1.0):
    """Rows with means of their own; what is common to a column comes back in every row."""
    rng = np.random.default_rng(seed)
    x0, e0 = rng.normal(size=(2, 1, columns))
    x = common * x0 + 0.3 * rng.normal(size=(groups, columns))
    y = slope * x + common * e0 + 0.3 * rng.normal(size=(groups, columns))
    return x + 3 * rng.normal(size=(groups, 1)), y + 3 * rng.normal(size=(groups, 1))


def quick(x, y, **more):
    return clustered(x, y, **{"resamples": 99} | more)


# Definitions


@pytest.mark.parametrize("coefficient", PLAIN)
def test_the_mean_is_that_of_the_rows_coefficients(coefficient):
    x, y = table()
    x, y = np.round(x), np.round(y, 1)  # ties
    expected = np.mean([PLAIN[coefficient](a, b) for a, b in zip(x, y, strict=True)])
    found = quick(x, y, coefficient=coefficient)
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert (found.groups, found.clusters, found.points, found.left_out) == (5, 14, 70, 0)


def test_centred_is_pearsons_r_of_what_is_left_of_the_rows_means_and_pooled_that_of_everything():
    x, y = table()
    dx, dy = (a - a.mean(axis=1, keepdims=True) for a in (x, y))
    assert quick(x, y, how="centred").value == pytest.approx(pearson(dx.ravel(), dy.ravel()), abs=1e-12)
    assert quick(x, y, how="pooled").value == pytest.approx(pearson(x.ravel(), y.ravel()), abs=1e-12)


def test_what_differs_between_rows_only_is_pooled_and_neither_mean_nor_centred():
    """Simpson's paradox: within every row the slope is −1, between rows it is +1."""
    x = np.arange(5.0)[:, None] * 10 + np.arange(6.0)
    y = np.arange(5.0)[:, None] * 10 - np.arange(6.0)
    assert quick(x, y).value == quick(x, y, how="centred").value == pytest.approx(-1)
    assert quick(x, y, how="pooled").value > 0.9


@pytest.mark.parametrize("how", ["mean", "centred", "pooled"])
def test_the_interval_is_scipys_over_tables_put_together_from_drawn_columns(how):
    x, y = table(groups=3, columns=9)
    theirs = stats.bootstrap(
        (np.arange(9),),
        lambda index: quick_value(x[:, index], y[:, index], how),
        vectorized=False,
        n_resamples=399,
        rng=2,
    ).confidence_interval
    found = clustered(x, y, how=how, resamples=399, seed=2)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_rows_are_drawn_as_well_where_that_is_asked_for():
    """By hand: whole rows and whole columns copied, of the rows that have a point; missing points stay missing."""
    x, y = table(groups=6, columns=9)
    x[0, :3], x[5] = math.nan, math.nan
    rng, drawn = np.random.default_rng(1), []
    for _ in range(1_999):
        some = np.ix_(rng.integers(5, size=5), rng.integers(9, size=9))
        points = np.isfinite(x[some])
        drawn.append(pearson(x[some][points], y[some][points]))
    found = clustered(x, y, how="pooled", rows_too=True, resamples=1_999)
    assert np.quantile(drawn, [0.025, 0.975]) == pytest.approx([found.low, found.high], abs=0.05)
    assert found.value == clustered(x, y, how="pooled", resamples=99).value


def test_what_differs_between_rows_is_sure_for_these_rows_and_not_for_others():
    x, y = table(groups=5, columns=14, common=0.1)
    these, others = (clustered(x, y, how="pooled", rows_too=both, resamples=499) for both in (False, True))
    assert others.high - others.low > 2 * (these.high - these.low)


def quick_value(x, y, how):
    if how == "mean":
        return np.nanmean([pearson(a, b) for a, b in zip(x, y, strict=True)])
    if how == "centred":
        x, y = (a - a.mean(axis=1, keepdims=True) for a in (x, y))
    return pearson(x.ravel(), y.ravel())


@pytest.mark.parametrize("coefficient", PLAIN)
def test_a_column_twice_counts_as_two_columns(coefficient):
    """The weights of the bootstrap are numbers of copies, also for ranks."""
    x, y = (np.round(a, 1) for a in table(groups=4, columns=8))
    w = np.array([[2, 0, 1, 3, 0, 1, 1, 0.0], np.ones(8)])
    copies = np.repeat(np.arange(8), w[0].astype(int))
    samples = [[PLAIN[coefficient](a[i], b[i]) for a, b in zip(x, y, strict=True)] for i in (copies, range(8))]
    expected = np.mean(samples, axis=1)
    assert _weighted(x, y, np.ones_like(x, dtype=bool), w, "mean", coefficient) == pytest.approx(expected, abs=1e-12)


def test_copies_of_a_row_say_nothing_new():
    """Were points independent, five copies would shorten the interval by more than half."""
    (x,), (y,) = table(groups=1, slope=0.5)
    one, five = (clustered(np.tile(x, (k, 1)), np.tile(y, (k, 1)), resamples=999) for k in (1, 5))
    assert (five.low, five.high, five.p) == pytest.approx((one.low, one.high, one.p), abs=1e-9)


def test_intervals_cover_and_p_values_are_uniform_over_correlated_rows_without_a_relation():
    """What is common to a language comes back in every model; a test on points would reject half of the time."""
    p, covered = [], 0
    for seed in range(120):
        x, y = table(groups=4, columns=12, slope=0, seed=seed)
        found = clustered(x, y, resamples=199, seed=seed)
        p.append(found.p)
        covered += found.low <= 0 <= found.high
    assert np.mean(np.array(p) <= 0.1) < 0.19 and 0.35 < np.mean(p) < 0.65
    assert covered / 120 > 0.85


def test_a_relation_is_found():
    found = clustered(*table(slope=2.0, common=0.5), resamples=999)
    assert found.low > 0.5 and found.p == pytest.approx(1e-3)


@pytest.mark.parametrize("coefficient", PLAIN)
def test_the_p_value_of_one_row_is_scipys_permutation_test(coefficient):
    x, y = table(groups=1, columns=6, slope=0.4, seed=3)
    statistic = PLAIN[coefficient]
    r = abs(statistic(x[0], y[0]))
    exact = np.mean([abs(statistic(np.array(a), y[0])) >= r - 1e-12 for a in itertools.permutations(x[0])])
    found = clustered(x, y, coefficient=coefficient, resamples=9_999)
    assert found.p == pytest.approx(exact, abs=0.02)


def test_no_verdict_near_its_threshold_hangs_on_the_seed():
    """With p near 0.01 a few thousand permutations fall on either side of a threshold of 0.05 / 6."""
    x, y = table(groups=8, slope=0.425)
    few = [clustered(x, y, resamples=999, seed=seed).p for seed in range(12)]
    many = [clustered(x, y, resamples=99, permutations=200_000, seed=seed).p for seed in range(6)]
    p, threshold = np.mean(many), 0.05 / 6
    assert len({one <= threshold for one in few}) == 2 and len({one <= threshold for one in many}) == 1
    error = math.sqrt(p * (1 - p) / 200_000)
    assert max(abs(one - p) for one in many) < 3 * error and abs(p - threshold) > 3 * error


def test_more_permutations_end_where_enough_reach_the_coefficient():
    x, y = table(slope=0)
    once = clustered(x, y, resamples=36_000).p
    assert once * 36_000 > ENOUGH and clustered(x, y, resamples=36_000, permutations=400_000).p == once
    sure = clustered(*table(slope=2.0, common=0.2), resamples=99, permutations=20_000)
    assert sure.p == pytest.approx(1 / 20_001)


@pytest.mark.parametrize("coefficient", PLAIN)
def test_rows_with_gaps_of_their_own_are_dealt_out_among_their_usable_columns(coefficient):
    x, y = table(groups=4, columns=9)
    x[0, 2], y[1, :2], x[3, 2] = math.nan, math.nan, math.nan
    rows = [np.isfinite(a) & np.isfinite(b) for a, b in zip(x, y, strict=True)]
    keys, statistic = np.random.default_rng(5).random((199, 9)), PLAIN[coefficient]
    dealt = [
        np.mean([statistic(a[k][np.argsort(key[k])], b[k]) for a, b, k in zip(x, y, rows, strict=True)]) for key in keys
    ]
    reached = np.sum(np.abs(dealt) >= abs(quick_value_of(x, y, rows, statistic)) - 1e-9)
    assert clustered(x, y, coefficient=coefficient, seed=5, resamples=199).p == pytest.approx((1 + reached) / 200)


def quick_value_of(x, y, rows, statistic):
    return np.mean([statistic(a[k], b[k]) for a, b, k in zip(x, y, rows, strict=True)])


# Missing points and rows


def test_points_left_out_are_counted_and_rows_with_too_few_are_not_used():
    x, y = table(groups=4, columns=10)
    x[0, :2], y[1, 5] = math.nan, math.nan
    x[2, 3:] = math.nan  # 3 points are left
    x[3] = 7.0  # constant
    found = quick(x, y)
    expected = [pearson(x[0, 2:], y[0, 2:]), pearson(np.delete(x[1], 5), np.delete(y[1], 5))]
    assert found.value == pytest.approx(np.mean(expected), abs=1e-12)
    assert (found.groups, found.points, found.left_out) == (2, 8 + 9, 40 - 17)
    assert "23 points left out" in str(found)


def test_nothing_left_is_undefined_with_a_reason():
    x, y = table(columns=6)
    for undefined in (quick(np.full_like(x, 2.0), y), quick(x[:, :3], y[:, :3]), quick(x * math.nan, y)):
        assert undefined.status == "undefined" and undefined.reason
        assert math.isnan(undefined.value) and math.isnan(undefined.p) and math.isnan(undefined.low)
        assert str(undefined).startswith("r undefined: no row with 4 usable points that vary")
    assert quick(np.full_like(x, 2.0), y, how="pooled").status == "undefined"


def test_a_row_that_is_constant_but_for_rounding_has_no_coefficient():
    x, y = table(groups=2, columns=8)
    x[0] = 0.1 * np.array([1, 1 + 1e-15] * 4)
    assert quick(x, y).groups == 1


def test_a_drawn_row_that_is_constant_but_for_rounding_has_no_coefficient():
    """Without column 0 the first row is constant: what is drawn without it is the second row's alone."""
    x = np.vstack([0.1 * np.array([9, *[1, 1 + 1e-15] * 3, 1]), np.arange(8.0)])
    y = table(groups=2, columns=8)[1]
    w = np.array([[0, 1, 2, 1, 1, 1, 1, 1.0]])
    found = _weighted(x, y, np.ones_like(x, dtype=bool), w, "mean", "pearson")
    drawn = [1, 2, 2, 3, 4, 5, 6, 7]
    assert found[0] == pytest.approx(pearson(x[1, drawn], y[1, drawn]), abs=1e-12)


def test_pooled_has_no_p_value_and_an_interval():
    found = quick(*table(), how="pooled")
    assert math.isnan(found.p) and found.low < found.value < found.high and found.interval.n == 14


def test_the_seed_determines_everything():
    x, y = table()
    assert quick(x, y, seed=5) == quick(x, y, seed=5) != quick(x, y, seed=6)


def test_bad_tables_are_refused():
    x, y = table()
    with pytest.raises(UnknownName, match="way to correlate a table 'centered'. Did you mean 'centred'"):
        quick(x, y, how="centered")
    with pytest.raises(UnknownName, match="coefficient 'pearsn'"):
        quick(x, y, coefficient="pearsn")
    for bad in (lambda: quick(x, y[:3]), lambda: quick(x[0], y[0]), lambda: quick(x, y, resamples=5)):
        with pytest.raises(AnalysisError):
            bad()
    with pytest.raises(AnalysisError, match="rows are drawn of how='pooled' alone"):
        quick(x, y, rows_too=True)
    with pytest.raises(AnalysisError, match="kendall is not defined for 'pooled'"):
        quick(x, y, how="pooled", coefficient="kendall")


# Holm


def adjusted_by_definition(p):
    """The smallest level at which the step-down procedure rejects, found by trying the levels."""
    m, order = len(p), np.argsort(p)

    def rejects(level, k):
        return all((m - i) * p[order[i]] <= level for i in range(k + 1))

    levels = sorted({min(1.0, (m - i) * p[j]) for i in range(m) for j in range(m)} | {1.0})
    found = np.empty(m)
    for k in range(m):
        found[order[k]] = next((level for level in levels if rejects(level, k)), 1.0)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_holm_is_the_smallest_level_at_which_the_procedure_rejects(seed):
    p = np.random.default_rng(seed).uniform(0, 0.3, size=7).round(2)
    assert holm(p) == pytest.approx(adjusted_by_definition(p))


def test_holm_of_a_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_is_monotone_between_p_and_bonferroni_and_keeps_the_order():
    p = np.random.default_rng(0).uniform(size=30) ** 3
    adjusted = holm(p)
    assert (adjusted >= p).all() and (adjusted <= np.minimum(1, 30 * p)).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()
    assert adjusted.min() == pytest.approx(30 * p.min())
    assert holm([0.03]) == pytest.approx([0.03]) and holm([]).size == 0


def test_a_measure_without_a_p_value_was_tried():
    assert holm([0.01, math.nan, 0.02]) == pytest.approx([0.03, math.nan, 0.04], nan_ok=True)


def test_holm_makes_a_false_discovery_in_at_most_five_percent_of_families():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(4_000, 10)) + rng.normal(size=(4_000, 1))  # dependent
    p = 2 * stats.norm.sf(np.abs(z / math.sqrt(2)))
    assert np.mean([holm(row).min() <= 0.05 for row in p]) <= 0.055


@pytest.mark.parametrize("p", [[1.2], [-0.1, 0.5], 0.3])
def test_holm_refuses_what_is_no_list_of_p_values(p):
    with pytest.raises(AnalysisError):
        holm(p)
