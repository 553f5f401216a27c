"""Analysis: coefficients and intervals against other implementations and by simulation; seeds, verdicts, rows."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from xlgen.analysis import (
    AGREES,
    CANNOT_SAY,
    DISAGREES,
    FEWEST,
    SIGN_ONLY,
    AnalysisError,
    Interval,
    binomial_interval,
    correlate,
    correlations,
    difference_of_z,
    fisher_interval,
    interval_of_mean,
    kendall,
    over_seeds,
    p_of_mean,
    paired,
    partial_correlation,
    pearson,
    pivot,
    signed,
    spearman,
    verdict,
    verdict_of_pairs,
    within_minus_pooled,
)
from xlgen.core.errors import UnknownName


def sample(n=14, rho=0.6, seed=0, ties=False):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = rho * x + math.sqrt(1 - rho**2) * rng.normal(size=n)
    return (np.round(x), np.round(y)) if ties else (x, y)


# ------------------------------------------------------------------------------------------------- coefficients


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_coefficients_equal_numpys_and_scipys(seed, ties):
    x, y = sample(seed=seed, ties=ties)
    assert pearson(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-12)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert kendall(x, y) == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)


@pytest.mark.parametrize("statistic", [pearson, spearman, kendall])
def test_coefficients_along_an_axis_equal_those_of_each_row(statistic):
    x, y = np.random.default_rng(0).normal(size=(2, 5, 9))
    rows = [float(statistic(a, b)) for a, b in zip(x, y, strict=True)]
    assert statistic(x, y, axis=-1) == pytest.approx(rows, abs=1e-12)
    assert statistic(x.T, y.T, axis=0) == pytest.approx(rows, abs=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e12])
def test_a_constant_has_no_coefficient(value):
    y, constant = sample()[1], np.full(14, value)
    assert all(np.isnan(f(constant, y)) and np.isnan(f(y, constant)) for f in (pearson, spearman, kendall))


def test_rounding_errors_of_a_constant_are_not_correlated():
    x = 0.1 * np.array([1, 1 + 1e-15] * 7)
    assert np.ptp(x) > 0 and np.isnan(pearson(x, sample()[1]))
    assert correlate(x, sample()[1]).reason == "x constant"


def test_int8_signs_do_not_overflow_in_kendall():
    x = np.arange(40.0)  # 1,560 ordered pairs
    assert kendall(x, x) == 1 and kendall(x, -x) == -1


# ---------------------------------------------------------------------------------------------------- intervals


@pytest.mark.parametrize(("r", "n"), [(-0.845, 14), (0.0, 4), (0.999, 7), (-0.3, 300)])
def test_fisher_interval_equals_scipys(r, n):
    x = np.arange(n, dtype=float) - (n - 1) / 2
    other = np.random.default_rng(n).normal(size=n)
    other -= other.mean() + x * (x @ other) / (x @ x)
    y = r * x / np.linalg.norm(x) + math.sqrt(1 - r**2) * other / np.linalg.norm(other)
    theirs = stats.pearsonr(x, y).confidence_interval()
    ours = fisher_interval(r, n)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@pytest.mark.parametrize(
    ("r", "n", "low", "high"), [(-0.41, 14, -0.77, 0.15), (-0.845, 14, -0.95, -0.57), (-0.289, 7, -0.86, 0.59)]
)
def test_fisher_interval_of_published_coefficients(r, n, low, high):
    interval = fisher_interval(r, n)
    assert (round(interval.low, 2), round(interval.high, 2)) == (low, high)


def test_a_perfect_correlation_has_no_interval():
    assert math.isnan(fisher_interval(1.0, 9).low) and math.isnan(fisher_interval(-1.0, 9).high)
    ranks = correlate(range(7), np.exp(range(7))).spearman
    assert ranks.value == 1 and math.isnan(ranks.low) and ranks.p == pytest.approx(2 / math.factorial(7))


@pytest.mark.parametrize(("r", "n", "given"), [(1.1, 9, 0), (math.nan, 9, 0), (0.5, 3, 0), (0.5, 4, 1)])
def test_fisher_interval_refuses(r, n, given):
    with pytest.raises(AnalysisError):
        fisher_interval(r, n, given)


@pytest.mark.parametrize("rho", [0.0, -0.6, 0.9])
def test_fisher_interval_covers_in_95_percent_of_simulations(rho):
    rng = np.random.default_rng(1)
    x, noise = rng.normal(size=(2, 2_000, 14))
    intervals = [fisher_interval(float(r), 14) for r in pearson(x, rho * x + math.sqrt(1 - rho**2) * noise)]
    assert 0.93 <= np.mean([rho in interval for interval in intervals]) <= 0.97


@pytest.mark.parametrize("name", ["spearman", "kendall"])
def test_rank_intervals_cover_in_about_95_percent_of_simulations(name):
    from xlgen.analysis import STATISTICS
    from xlgen.analysis.intervals import fisher_ends

    statistic, stderr = STATISTICS[name]
    rho, rng = 0.6, np.random.default_rng(2)
    truth = {"spearman": 6 / math.pi * math.asin(rho / 2), "kendall": 2 / math.pi * math.asin(rho)}[name]
    x, noise = rng.normal(size=(2, 2_000, 30))
    values = statistic(x, rho * x + math.sqrt(1 - rho**2) * noise)
    ends = [fisher_ends(float(value), stderr(float(value), 30)) for value in values]
    assert 0.93 <= np.mean([low <= truth <= high for low, high in ends]) <= 0.97


def test_bootstrap_interval_is_scipys_and_covers_most_of_the_time():
    x, y = sample()
    ours = correlate(x, y, resamples=999).pearson.bootstrap
    theirs = stats.bootstrap(
        (x, y), lambda a, b: np.corrcoef(a, b)[0, 1], paired=True, vectorized=False, n_resamples=999, rng=1
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.05)
    many = [correlate(*sample(rho=0.6, seed=s), resamples=199).pearson.bootstrap for s in range(100)]
    assert 0.85 <= np.mean([low <= 0.6 <= high for low, high in many]) <= 1


def test_bootstrap_of_few_points_falls_back_to_percentiles():
    x = [0.0, 1.0, 2.0, 3.0]  # one of 64 resamples is constant
    for coefficient in (correlate(x, [0.0, 1.0, 2.0, 2.5]).pearson, correlate(x, x).kendall):
        low, high = coefficient.bootstrap
        assert -1 <= low <= coefficient.value <= high <= 1


def test_interval_of_mean_equals_scipys():
    values = [0.1, 0.4, 0.35, 0.8]
    theirs = stats.ttest_1samp(values, 0).confidence_interval()
    ours = interval_of_mean(values)
    assert (ours.low, ours.high, ours.n) == (pytest.approx(theirs.low), pytest.approx(theirs.high), 4)
    one = interval_of_mean([0.3])
    assert one.value == 0.3 and math.isnan(one.low) and math.isnan(one.high)


@pytest.mark.parametrize("values", [[], [1.0, math.nan]])
def test_interval_of_mean_refuses(values):
    with pytest.raises(AnalysisError):
        interval_of_mean(values)


def test_binomial_interval_is_wilsons():
    n, p, z = 500, 0.62, stats.norm.ppf(0.975)
    centre, half = (
        (p + z * z / 2 / n) / (1 + z * z / n),
        z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + (z / 2 / n) ** 2),
    )
    ours = binomial_interval(p, n)
    assert (ours.low, ours.high) == pytest.approx((centre - half, centre + half))
    assert binomial_interval(0.0, 10).low == 0 and binomial_interval(0.0, 10).high > 0.2


@pytest.mark.parametrize(("share", "n"), [(0.5, 3), (1.5, 2), (math.nan, 4), (0.0, 0), (-0.5, 2)])
def test_binomial_interval_refuses(share, n):
    with pytest.raises(AnalysisError, match="whole number"):
        binomial_interval(share, n)


def test_numbers_in_prose():
    assert (signed(-0.8451), signed(-0.0001), signed(math.nan)) == ("−0.845", "0.000", "nan")


# ---------------------------------------------------------------------------------------------------- correlate


def test_permutation_p_is_exact_for_seven_points():
    x, y = sample(7, seed=3)
    result = correlate(x, y)
    observed = abs(np.corrcoef(x, y)[0, 1])
    every = [np.corrcoef(x, [y[i] for i in order])[0, 1] for order in itertools.permutations(range(7))]
    one_sided = [np.mean(np.array(every) >= observed - 1e-12), np.mean(np.array(every) <= -observed + 1e-12)]
    tail = one_sided[0] if np.corrcoef(x, y)[0, 1] > 0 else one_sided[1]
    assert result.exact
    assert result.pearson.p == pytest.approx(min(1, 2 * tail), abs=1e-12)
    assert not correlate(*sample(8)).exact


def test_a_correlation_writes_itself_for_prose():
    x, y = sample(8)
    c = correlate(x, y)
    assert c.interval() == Interval(c.pearson.value, c.pearson.low, c.pearson.high, 8)
    assert c.interval("kendall") == Interval(c.kendall.value, c.kendall.low, c.kendall.high, 8)
    assert f"{c:.1f}" == f"r = {c.interval():.1f} (n = 8, p = {c.pearson.p:.2g})"
    assert f"{c}" == str(c) and str(c.interval()) in str(c)
    assert f"{correlate([1.0] * 8, y):.1f}" == "r undefined: x constant"


def test_exact_p_of_kendall_equals_scipys():
    x, y = sample(6, seed=5)
    assert correlate(x, y).kendall.p == pytest.approx(stats.kendalltau(x, y, method="exact").pvalue)


def test_permutation_p_is_uniform_without_association():
    results = [correlate(*sample(5, rho=0, seed=s), resamples=120) for s in range(150)]
    assert all(result.exact for result in results)
    assert stats.kstest([result.pearson.p for result in results], "uniform").pvalue > 0.01
    assert np.mean([result.pearson.p <= 0.1 for result in results]) <= 0.17


def test_sampled_permutation_p_is_small_for_a_strong_association_and_never_zero():
    x, _ = sample()
    result = correlate(x, x + 0.01 * sample(seed=1)[0], resamples=999)
    assert 0 < result.pearson.p <= 0.005 and 0 < result.spearman.p <= 0.005 and 0 < result.kendall.p <= 0.005


def test_the_same_seed_gives_the_same_numbers_and_another_does_not():
    x, y = sample()
    first = correlate(x, y, seed=1, resamples=199)
    assert correlate(x, y, seed=1, resamples=199) == first
    other = correlate(x, y, seed=2, resamples=199)
    assert other.pearson.bootstrap != first.pearson.bootstrap
    assert (other.pearson.value, other.pearson.low) == (first.pearson.value, first.pearson.low)


def test_pearson_ignores_scale_and_rank_coefficients_ignore_monotone_maps():
    x, y = sample()
    plain, scaled, bent = (correlate(f, y, resamples=199) for f in (x, 1e9 * x - 5, np.exp(3 * x)))
    assert scaled.pearson.value == pytest.approx(plain.pearson.value)
    assert (bent.spearman, bent.kendall) == (plain.spearman, plain.kendall)
    assert bent.pearson.value != pytest.approx(plain.pearson.value, abs=0.01)


def test_points_with_another_status_are_left_out_and_counted():
    x, y = sample()
    x = x.copy()
    x[[2, 5]] = [math.nan, 1e12]
    status = ["ok"] * 14
    status[2], status[5] = "not_finite", "hit_lower"
    result = correlate(x, y, status=status, resamples=199)
    keep = [i for i in range(14) if i not in (2, 5)]
    assert (result.n, result.left_out, result.status) == (12, 2, "ok")
    assert result.pearson == correlate(x[keep], y[keep], resamples=199).pearson
    assert str(result).endswith("n = 12 (2 left out)")
    with pytest.raises(AnalysisError, match=r"x\[2\] is nan"):  # the number of the point as it was given
        correlate(x, y, status=["odd", "odd", "ok"] + ["ok"] * 11)


@pytest.mark.parametrize(
    ("x", "y", "status", "n", "reason"),
    [
        (np.full(14, 1e12), sample()[1], None, 14, "x constant"),
        (sample()[0], np.zeros(14), None, 14, "y constant"),
        (np.zeros(14), np.zeros(14), None, 14, "x and y constant"),
        (np.full(14, math.nan), sample()[1], ["hit_lower"] * 14, 0, "0 usable points, 4 needed"),
        (*sample(), ["ok"] * 3 + ["hit_upper"] * 11, 3, "3 usable points, 4 needed"),
    ],
)
def test_a_saturated_measure_is_undefined_rather_than_an_error(x, y, status, n, reason):
    result = correlate(x, y, status=status)
    assert (result.status, result.n, result.reason) == ("undefined", n, reason)
    assert math.isnan(result.pearson.value) and math.isnan(result.kendall.p)
    assert reason in str(result)


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        ([1, 2, 3], [1, 2, 3], {}, "3 points"),
        ([1, 2, 3, 4], [1, 2, 3], {}, "shapes"),
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]], {}, "shapes"),
        ([1, 2, 3, 4], [1, 3, 2, 4], {"status": ["ok"] * 3}, "status"),
        ([1, 2, math.nan, 4], [1, 2, 3, 5], {}, r"x\[2\] is nan"),
        ([1, 2, 3, 4], [1, 2, 3, math.inf], {}, r"y\[3\] is inf"),
        ([1, 2, 3, 4], [1, 3, 2, 4], {"resamples": 5}, "resamples is 5"),
    ],
)
def test_correlate_refuses_in_one_line(x, y, options, message):
    with pytest.raises(AnalysisError, match=message) as caught:
        correlate(x, y, **options)
    assert "\n" not in str(caught.value)


def test_four_points_have_wide_intervals_and_kendalls_says_nothing():
    result = correlate([1, 2, 3, 4], [1, 3, 2, 4])
    assert result.pearson.low < -0.5 and (result.kendall.low, result.kendall.high) == (-1, 1)


def test_partial_correlation_is_that_of_the_residuals():
    rng = np.random.default_rng(0)
    z = rng.normal(size=20)
    x, y = z + rng.normal(size=20), -z + rng.normal(size=20)
    residuals = [a - np.polyval(np.polyfit(z, a, 1), z) for a in (x, y)]
    ours = partial_correlation(x, y, z)
    assert ours.value == pytest.approx(np.corrcoef(*residuals)[0, 1])
    assert (ours.low, ours.high) == pytest.approx((lambda i: (i.low, i.high))(fisher_interval(ours.value, 19)))


@pytest.mark.parametrize(
    ("x", "y", "z"), [([1, 2, 3, 5, 4], [1, 2, 3, 4, 6], [2, 4, 6, 10, 8]), ([1, 2, 3, 5, 4], [1, 2], [3, 3, 3, 3, 3])]
)
def test_partial_correlation_refuses(x, y, z):
    with pytest.raises(AnalysisError):
        partial_correlation(x, y, z)


# ---------------------------------------------------------------------------------------------------- over seeds


def test_over_seeds_averages_fishers_z():
    r = [0.9, 0.5, 0.7]
    result = over_seeds(r)
    z = np.arctanh(r)
    ends = stats.t.interval(0.95, 2, z.mean(), z.std(ddof=1) / math.sqrt(3))
    assert result.mean == pytest.approx(np.tanh(z.mean()))
    assert (result.low, result.high) == pytest.approx(tuple(np.tanh(ends)))
    assert result.spread == pytest.approx(z.std(ddof=1))
    assert (result.smallest, result.largest, result.n_seeds, result.left_out) == (0.5, 0.9, 3, 0)
    assert "3 seeds" in str(result)


def test_over_seeds_reads_correlations_and_leaves_undefined_ones_out():
    runs = [correlate(*sample(seed=s), resamples=199) for s in range(3)] + [correlate(np.zeros(14), np.arange(14))]
    result = over_seeds(runs)
    assert (result.n_seeds, result.left_out) == (3, 1)
    assert result.largest == max(run.pearson.value for run in runs[:3])
    assert result.interval == Interval(result.mean, result.low, result.high, 3)


def test_over_one_seed_or_none_there_is_no_interval():
    one = over_seeds([0.5])
    assert one.mean == pytest.approx(0.5) and math.isnan(one.low) and math.isnan(one.spread)
    assert f"{one.interval:.2f}" == "0.50"
    none = over_seeds([math.nan, math.nan])
    assert (none.n_seeds, none.left_out) == (0, 2) and math.isnan(none.mean) and math.isnan(none.smallest)


def test_a_perfect_coefficient_has_no_mean_of_z():
    result = over_seeds([1.0, 0.9])
    assert math.isnan(result.mean) and math.isnan(result.high) and (result.smallest, result.largest) == (0.9, 1.0)


def test_over_seeds_refuses():
    with pytest.raises(AnalysisError, match="one per seed"):
        over_seeds([])
    with pytest.raises(AnalysisError, match="-1.5"):
        over_seeds([0.2, -1.5])


# ------------------------------------------------------------------------------------------------------ verdicts

NAN = math.nan


@pytest.mark.parametrize(
    ("published", "numbers", "facts", "outcome", "words"),
    [
        (-0.845, (-0.7, -0.9, -0.3), {"n": 14, "n_published": 14}, AGREES, "not shown to differ (z = 0.87"),
        (-0.95, (-0.7, -0.9, -0.3), {"n": 14, "n_published": 14}, SIGN_ONLY, "differ (z = 2.26, ours over 14"),
        (-0.95, (-0.7, -0.9, -0.3), {"n": 14, "n_published": 4}, AGREES, "not shown to differ"),
        (-0.95, (-0.7, -0.9, -0.3), {"n": 14}, SIGN_ONLY, "taken as exact, lies outside it: its number of points"),
        (-0.85, (-0.7, -0.9, -0.3), {"n": 14}, AGREES, "lies in it"),
        (-0.9, (-0.7, -0.9, -0.3), {}, AGREES, "lies in it"),  # ends included
        (-0.95, (-0.7, -0.9, -0.3), {}, SIGN_ONLY, "taken as exact, lies outside it: the paper gives no interval"),
        (0.1, (-0.7, -0.9, -0.3), {"n": 14, "n_published": 14}, DISAGREES, "on the other side"),
        (0.0, (0.7, 0.3, 0.9), {"n": 14, "n_published": 14}, DISAGREES, "on the other side"),
        (-0.4, (-0.3, -0.7, 0.2), {"n": 14, "n_published": 14}, CANNOT_SAY, "includes 0"),
        (0.5, (0.3, 0.0, 0.6), {"n": 14}, CANNOT_SAY, "includes 0"),  # ends included
        (-0.8, (-0.9, -0.99, -0.1), {"n": FEWEST - 1, "n_published": 14}, CANNOT_SAY, "over 4 points, fewer than 5"),
        (-0.8, (-0.9, -0.99, -0.1), {"n": FEWEST, "n_published": 14}, AGREES, "not shown to differ"),
        (0.5, (NAN, NAN, NAN), {}, CANNOT_SAY, "no interval"),
        (0.5, (1.0, NAN, NAN), {"n": 14}, CANNOT_SAY, "no interval"),
        (None, (-0.7, -0.9, -0.3), {"sign": -1}, AGREES, "a direction and no number"),
        (None, (-0.7, -0.9, -0.3), {"sign": 1}, DISAGREES, "on the other side"),
        (0.1, (-0.7, -0.9, -0.3), {"sign": -1}, SIGN_ONLY, "taken as exact"),  # what is claimed in words counts
    ],
)  # fmt: skip
def test_verdict(published, numbers, facts, outcome, words):
    value, *ends = numbers
    found = verdict(value, ends, published, **facts)
    assert found.outcome == outcome and words in found.because and str(found) == f"{outcome}: {found.because}"
    mirrored = facts | ({"sign": -facts["sign"]} if "sign" in facts else {})
    other = None if published is None else -published
    assert verdict(-value, [-ends[1], -ends[0]], other, **mirrored).outcome == outcome


@pytest.mark.parametrize(
    ("ends", "outcome"),
    [((-0.4, 0.5), AGREES), ((0.51, 0.9), DISAGREES), ((-0.9, -0.6), DISAGREES), ((0.1, 0.6), CANNOT_SAY)],
)
def test_verdict_of_a_small_number(ends, outcome):
    assert verdict(sum(ends) / 2, ends, bound=0.5).outcome == outcome


def test_verdict_of_a_ratio_has_its_null_at_one():
    assert verdict(0.5, (0.3, 0.9), 0.4, 1).outcome == AGREES
    assert verdict(0.5, (0.3, 1.1), 0.4, 1).outcome == CANNOT_SAY
    assert verdict(2.0, (1.1, 4.0), 0.4, 1).outcome == DISAGREES


def test_the_difference_of_two_coefficients_is_standard_normal_where_they_are_of_one_population():
    """And a pair beyond each other's interval is none: that happens three times as often."""
    rng, z, outside = np.random.default_rng(0), [], 0
    for _ in range(4_000):
        x = rng.normal(size=(2, 14))
        r, other = pearson(x, 0.8 * x + 0.6 * rng.normal(size=(2, 14)))
        z.append(difference_of_z(r, 14, other, 14))
        outside += other not in fisher_interval(r, 14)
    reached = np.mean(np.abs(z) > stats.norm.ppf(0.975))
    assert abs(reached - 0.05) < 3 * math.sqrt(0.05 * 0.95 / 4_000) and outside / 4_000 > 0.12
    assert difference_of_z(0.954, 14, 0.990, 14) == pytest.approx(-1.81, abs=0.01)
    assert difference_of_z(1.0, 14, 0.9, 14) == math.inf and difference_of_z(1.0, 14, 1.0, 9) == 0
    for facts in ((0.5, 3, 0.5, 14), (1.2, 14, 0.5, 14), (0.5, 14, NAN, 14)):
        with pytest.raises(AnalysisError, match="expected correlations of at least 4 points"):
            difference_of_z(*facts)


def test_four_points_are_never_settled_however_well_they_lie_on_a_line():
    def best(n: int):
        return correlate(np.arange(n), np.arange(n) + 1e-3 * np.arange(n) ** 2)

    def judged(n: int):
        r = best(n).pearson
        return verdict(r.value, (r.low, r.high), 0.9, n=n, n_published=14).outcome

    assert 0 not in best(FEWEST - 1).pearson and judged(FEWEST - 1) == CANNOT_SAY
    assert best(FEWEST - 1).pearson.p > 0.05 > best(FEWEST).pearson.p
    assert judged(FEWEST) != CANNOT_SAY


def test_verdict_refuses_what_is_no_claim():
    for r in (1.2, NAN):
        with pytest.raises(AnalysisError, match="expected a number, of a correlation"):
            verdict(0.5, (0.1, 0.8), r, n=14)
    with pytest.raises(AnalysisError, match="nothing is claimed"):
        verdict(0.5, (0.1, 0.8))


@pytest.mark.parametrize(
    ("values", "lows", "p", "outcome"),
    [
        ((2, 3), (1, 1), (0.01, 0.01), AGREES),
        ((2, 3), (1, 1), (0.04, 0.04), AGREES),  # all of them: no correction
        ((2, 0.5), (1, -1), (0.02, 0.4), SIGN_ONLY), ((2, 0.5), (1, -1), (0.03, 0.4), CANNOT_SAY),
        ((2, -0.5), (1, -2), (0.01, 0.4), CANNOT_SAY),
        ((2, -2), (1, -3), (0.01, 0.01), DISAGREES), ((2, -2), (-1, -3), (0.3, 0.02), DISAGREES),
        ((2, -2), (-1, -3), (0.3, 0.03), CANNOT_SAY),  # one of two: corrected, p = 0.06
        ((2, 3), (NAN, NAN), (NAN, NAN), CANNOT_SAY),
        ((2, 3), (1, 0), (0.2, 0.2), CANNOT_SAY),  # ends belong to intervals
    ],
)  # fmt: skip
def test_verdict_of_pairs(values, lows, p, outcome):
    value, low, chance = (dict(zip(("a > b", "a > c"), part, strict=True)) for part in (values, lows, p))
    found = verdict_of_pairs(value, low, chance)
    assert found.outcome == outcome and ("−2.000 for a > c (p = 0.0" in found.because) == (outcome == DISAGREES)


def test_the_p_value_of_a_mean_is_that_of_students_t():
    x = np.random.default_rng(0).normal(0.5, size=7)
    assert p_of_mean(interval_of_mean(x)) == pytest.approx(stats.ttest_1samp(x, 0).pvalue)
    assert math.isnan(p_of_mean(interval_of_mean([0.1]))) and p_of_mean(Interval(0, 0, 0, 3)) == 1
    assert math.isnan(p_of_mean(interval_of_mean([0.3 - 0.2, 0.4 - 0.3, 0.1])))  # the same but for rounding


def test_coefficients_within_minus_pooled_is_zero_in_the_mean_where_there_is_nothing():
    """The difference of absolute values is not: it is +0.1."""
    rng = np.random.default_rng(0)
    tables = rng.normal(size=(2_000, 2, 4, 14))
    found = np.array([within_minus_pooled(x, y) for x, y in tables])
    absolute = [np.abs(pearson(x, y)).mean() - abs(pearson(x.ravel(), y.ravel())) for x, y in tables]
    stderr = found.std() / math.sqrt(len(found))
    assert abs(found.mean()) < 3 * stderr < 0.02 < 0.1 < np.mean(absolute)
    x = rng.normal(size=(4, 14))
    shifted = x + 9 * np.arange(4)[:, None]
    assert within_minus_pooled(shifted, -x + 9 * np.arange(4)[:, None]) < -1.5  # −1 within, near +1 over all points


# ---------------------------------------------------------------------------------------------------------- rows


LANGUAGES = ("en", "de", "fr", "sw", "th", "zh")


def rows(objectives=("baseline", "sam"), seeds=(0, 1)):
    result = []
    for number, (objective, seed, language) in enumerate(itertools.product(objectives, seeds, LANGUAGES)):
        common = {"objective": objective, "seed": seed, "language": language, "n": 100, "status": "ok"}
        noise = math.sin(7 * number)
        result.append(common | {"measure": "accuracy", "value": 0.5 + 0.1 * noise, "stderr": 0.05})
        result.append(common | {"measure": "margin", "value": 0.1 * noise + 0.02 * math.cos(number), "stderr": None})
    return result


def test_pivot_arranges_by_run_and_language():
    table = pivot(rows(), "accuracy")
    assert set(table) == {("baseline", 0), ("baseline", 1), ("sam", 0), ("sam", 1)}
    assert tuple(table["sam", 1]) == LANGUAGES
    assert table["baseline", 0]["en"]["value"] == 0.5


def test_pivot_refuses():
    with pytest.raises(UnknownName, match="Did you mean 'margin'"):
        pivot(rows(), "margins")
    with pytest.raises(AnalysisError, match="'en' .*twice"):
        pivot([*rows(), rows()[0]], "accuracy")


def test_paired_matches_languages_whatever_the_order_of_the_rows():
    forward, backward = paired(rows(), "margin"), paired(rows()[::-1], "margin")
    for run, pairs in forward.items():
        other = backward[run]
        assert sorted(zip(pairs.languages, pairs.x, pairs.y, strict=True)) == sorted(
            zip(other.languages, other.x, other.y, strict=True)
        )
    pairs = forward["baseline", 0]
    assert pairs.yerr == (0.05,) * 6 and all(map(math.isnan, pairs.xerr)) and pairs.status == ("ok",) * 6


def test_paired_carries_any_bad_status_and_missing_values():
    table = rows()
    table[1] = table[1] | {"value": None, "status": "hit_lower"}  # margin of en
    table[2] = table[2] | {"status": "odd"}  # accuracy of de
    pairs = paired(table, "margin")["baseline", 0]
    assert pairs.status[:3] == ("hit_lower", "odd", "ok") and math.isnan(pairs.x[0])
    assert correlations(table, "margin", resamples=99)["baseline", 0].left_out == 2


def test_paired_without_the_source_language():
    assert paired(rows(), "margin", without=["en"])["sam", 0].languages == LANGUAGES[1:]
    with pytest.raises(UnknownName, match="'eng'"):
        paired(rows(), "margin", without=["eng"])


def test_paired_refuses_a_language_with_only_one_of_the_two():
    with pytest.raises(AnalysisError, match="'en' .*has accuracy but no margin"):
        paired([row for number, row in enumerate(rows()) if number != 1], "margin")


def test_correlations_are_those_of_each_run():
    found = correlations(rows(), "margin", without=["en"], seed=3, resamples=199)
    pairs = paired(rows(), "margin", without=["en"])
    assert found.keys() == pairs.keys()
    for run, result in found.items():
        # as text, in which a nan is itself: from Python 3.13 on dataclasses compare field by field, and nan != nan
        assert repr(result) == repr(correlate(pairs[run].x, pairs[run].y, seed=3, resamples=199))
    assert replace(found["sam", 1], n=0) != found["sam", 1]


def test_ranks_have_standard_errors_of_their_own():
    """By hand: Bonett & Wright's 1 + ρ²/2 over n − 3, and Fieller, Hartley & Pearson's 0.437 over n − 4."""
    x, y = np.arange(12.0), np.array([1, 0, 3, 2, 5, 4, 7, 6, 9, 11, 10, 8.0])
    found = correlate(x, y)
    for name, variance in (("spearman", (1 + found.spearman.value**2 / 2) / 9), ("kendall", 0.437 / 8)):
        one = getattr(found, name)
        assert math.atanh(one.high) - math.atanh(one.value) == pytest.approx(1.959964 * math.sqrt(variance), rel=1e-6)
