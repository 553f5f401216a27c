"""Reliability and disattenuated correlations: classical test theory, where the true scores are known."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from xlgen.analysis import AnalysisError, disattenuated
from xlgen.analysis.reliability import FEW, NOISY, _drawn, apart, examples_for, from_errors, in_common


def scores(n, r, seed):
    """True scores (2, n) of two measures with variance 1 and that correlation."""
    return np.random.default_rng(seed).multivariate_normal([0, 0], [[1, r], [r, 1]], size=n).T


def in_blocks(truth, error, shared, k, seed):
    """Values (L,) with errors of that size, ``shared`` of their variance in common, and by how much blocks differ."""
    rng = np.random.default_rng(seed)
    own, all_alike = rng.normal(size=(len(truth), k)), rng.normal(size=k)
    x = truth[:, None] + error * math.sqrt(k) * (math.sqrt(1 - shared) * own + math.sqrt(shared) * all_alike)
    return x.mean(axis=1), x - x.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("error", [0.3, 0.7, 1.0])
def test_both_reliabilities_are_the_true_scores_share_of_the_variance(error):
    truth, _ = scores(40_000, 0, 1)
    share = 1 / (1 + error**2)
    whole, blocks = in_blocks(truth, error, 0, 4, 1)
    assert from_errors(whole, np.full(truth.shape, error)) == pytest.approx(share, abs=0.01)
    assert 1 - apart(blocks) / whole.var(ddof=1) == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("shared", [0.0, 0.5, 0.8])
def test_errors_that_all_languages_share_set_none_apart(shared):
    """14 languages and 8 blocks, as in a record: what 400 models say together is the truth."""
    tables = [in_blocks(np.arange(14.0), 0.3, shared, 8, seed)[1] for seed in range(400)]
    assert np.mean([apart(table) for table in tables]) == pytest.approx(0.3**2 * (1 - shared), rel=0.02)
    errors = np.full(14, 0.3)
    assert in_common((table, errors) for table in tables) == pytest.approx(shared, abs=0.02)
    in_other_units = ((10 * table, 10 * errors) for table in tables)
    assert in_common(in_other_units) == pytest.approx(in_common((table, errors) for table in tables))
    wider = np.hypot(errors, 0.4)  # by what all languages have from elsewhere
    alone = 0.3**2 * (1 - shared)
    assert in_common((table, wider) for table in tables) == pytest.approx(1 - alone / 0.25, abs=0.02)


def test_what_moves_all_languages_alike_is_no_part_of_it():
    _, blocks = in_blocks(np.arange(5.0), 0.3, 0, 6, 7)
    assert apart(blocks + [3, -2, -1, 5, -5, 0]) == pytest.approx(apart(blocks))
    assert apart(np.tile([1.0, -1.0], (5, 1))) == 0 and in_common([(np.tile([1.0, -1.0], (5, 1)), np.ones(5))]) == 1


def test_it_is_cronbachs_alpha_and_the_mean_over_all_ways_to_make_two_halves():
    values, blocks = in_blocks(scores(14, 0, 3)[0], 0.6, 0.4, 6, 8)
    x = values[:, None] + blocks
    k, of_sum = x.shape[1], x.sum(axis=1).var(ddof=1)
    reliability = 1 - apart(blocks) / values.var(ddof=1)
    assert reliability == pytest.approx(k / (k - 1) * (1 - x.var(axis=0, ddof=1).sum() / of_sum))
    halves = [(x[:, some].sum(axis=1), x.sum(axis=1) - x[:, some].sum(axis=1)) for some in combinations(range(6), 3)]
    rulon = [2 * (1 - (a.var(ddof=1) + b.var(ddof=1)) / of_sum) for a, b in halves]
    assert reliability == pytest.approx(np.mean(rulon))


@pytest.mark.parametrize("r", [-0.8, 0.0, 0.5])
def test_the_correlation_of_the_true_scores_is_recovered(r):
    rng, errors = np.random.default_rng(2), (0.8, 0.5)
    x, y = (t + e * rng.normal(size=t.shape) for t, e in zip(scores(20_000, r, 2), errors, strict=True))
    found = disattenuated(x, np.full(x.shape, 0.8), y, np.full(y.shape, 0.5), resamples=99)
    assert found.raw.value == pytest.approx(r / math.sqrt(1.64 * 1.25), abs=0.02)
    assert found.corrected.value == pytest.approx(r, abs=0.02)


def test_the_interval_holds_the_correlation_of_the_true_scores_about_as_often_as_it_says():
    rng, inside = np.random.default_rng(3), []
    for seed in range(120):
        x, y = (t + 0.5 * rng.normal(size=t.shape) for t in scores(30, 0.6, 100 + seed))
        inside.append(0.6 in disattenuated(x, np.full(30, 0.5), y, np.full(30, 0.5), resamples=199).corrected)
    assert 0.88 <= np.mean(inside) <= 1


def test_a_resample_is_corrected_as_the_languages_are():
    x, y = scores(9, 0.6, 6)
    x_error, y_error = np.random.default_rng(7).uniform(0.1, 0.4, size=(2, 9))
    found = _drawn(np.stack([x, x_error**2, y, y_error**2]), 0, 20)
    for value, at in zip(found, np.random.default_rng(0).integers(9, size=(20, 9)), strict=True):
        again = disattenuated(x[at], x_error[at], y[at], y_error[at], resamples=1)
        assert value == pytest.approx(again.corrected.value)


def test_without_errors_nothing_is_corrected():
    x, y = scores(14, 0.5, 4)
    found = disattenuated(x, 0 * x, y, 0 * y)
    assert found.corrected.value == found.raw.value == pytest.approx(stats.pearsonr(x, y).statistic)
    assert found.reliability_x == found.reliability_y == 1


def test_errors_by_hand():
    assert apart([[1, -1], [-1, 1]]) == pytest.approx(4 / 2)  # four squared deviations of 1, one degree of freedom
    assert in_common([([[1, -1], [-1, 1]], [1, 1])]) == pytest.approx(1 - 2 / 1)  # errors that go against each other
    unequal = [([[1, -1], [-1, 1]], [1, 3])]  # the squared errors have the mean 5
    assert in_common(unequal) == pytest.approx(1 - 2 / 5)
    assert math.isnan(in_common([])) and math.isnan(in_common([(np.zeros((3, 4)), np.zeros(3))]))
    assert from_errors([0.0, 2.0], [1.0, 1.0]) == pytest.approx(0.5)  # variance 2, mean squared error 1


@pytest.mark.parametrize("m", [2, 5])
def test_more_examples_have_the_reliability_that_they_are_asked_for(m):
    """True scores of variance 1 and errors of variance 2 / n: by theory, and as Cronbach's α of simulated blocks."""
    before, after = (1 / (1 + 2 / n) for n in (3, 3 * m))
    assert examples_for(before, 3, after) == pytest.approx(3 * m)
    truth = scores(40_000, 0, 5)[0]
    values, blocks = in_blocks(truth, math.sqrt(2 / (3 * m)), 0.3, 4, 6)
    found = 1 - apart(blocks) / values.var(ddof=1)
    expected = 1 / (1 + 0.7 * 2 / (3 * m))  # what the blocks share is no noise
    assert found == pytest.approx(expected, abs=0.01)
    assert examples_for(expected, 3 * m, 1 / (1 + 0.7 * 2 / 3)) == pytest.approx(3)
    assert examples_for(0.8, 64) == pytest.approx(64) and examples_for(0.5, 64) == pytest.approx(256)
    assert examples_for(1, 64) == 0 and examples_for(-0.2, 64) == math.inf


def test_scale_and_origin_do_not_matter_and_sign_follows():
    x, y = scores(20, 0.4, 5)
    errors = np.full(20, 0.4)
    plain = disattenuated(x, errors, y, errors)
    scaled = disattenuated(100 * x + 7, 100 * errors, -y, errors)
    assert scaled.corrected.value == pytest.approx(-plain.corrected.value)
    assert scaled.reliability_x == pytest.approx(plain.reliability_x)


def test_it_says_why_it_cannot_say():
    x, y = scores(200, 0.5, 6)
    none = np.zeros(200)
    assert disattenuated(x, none, y, none).why_not == ""
    weak = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 2.0, 1.0, 2.0])  # four points say nothing, however exact
    assert disattenuated(weak[0], np.zeros(4), weak[1], np.zeros(4)).why_not == FEW
    one, other = np.linalg.qr(np.column_stack([np.ones(14), x[:14], y[:14]]))[0].T[1:]  # centred, of length 1
    both = one, 0.4 * one + math.sqrt(1 - 0.4**2) * other  # r = 0.4; of 14 languages 0.53 would be enough
    share = np.full(14, math.sqrt(0.6 / 13))  # of the standard error: a reliability of 0.4
    assert disattenuated(both[0], 0 * share, both[1], 0 * share).why_not == FEW
    found = disattenuated(both[0], share, both[1], 0 * share)
    assert found.corrected.value == pytest.approx(0.4 / math.sqrt(0.4)) and found.why_not == NOISY
    lost = disattenuated(x[:10], np.full(10, 9.0), y[:10], np.zeros(10))
    assert lost.reliability_x < 0 and math.isnan(lost.corrected.value)


def test_resamples_that_tell_nothing_make_the_interval_wide():
    """With a reliability near 0 a good part of the resamples has none: the ends go to those of all correlations."""
    x, y = scores(8, 0.6, 9)
    loose = disattenuated(x, np.full(8, 0.97 * x.std(ddof=1)), y, np.zeros(8)).corrected
    tight = disattenuated(x, np.full(8, 0.1), y, np.zeros(8)).corrected
    assert (loose.low, loose.high) == (-1, 1) and tight.high - tight.low < 2
    assert loose.low <= loose.value <= loose.high


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: from_errors([1, 2], [1]), r"values \(2,\) and stderr \(1,\)"),
        (lambda: from_errors([1, math.nan], [1, 1]), r"values\[1\] is nan"),
        (lambda: from_errors([1], [1]), "at least two"),
        (lambda: from_errors([2, 2, 2], [1, 1, 1]), "languages that differ"),
        (lambda: examples_for(0.5, 64, 1.0), "wanted 1.0"),
        (lambda: examples_for(math.nan, 64), "reliability nan"),
        (lambda: apart([1.0, 2.0]), r"blocks \(2,\); expected a row a language"),
        (lambda: in_common([([[1.0], [2.0]], [1, 1])]), r"blocks \(2, 1\)"),
        (lambda: in_common([([[1.0, 2.0], [math.nan, 1.0]], [1, 1])]), r"blocks\[2\] is nan"),
        (lambda: in_common([([[1.0, 2.0], [2.0, 1.0]], [1.0])]), r"blocks \(2, 2\) and stderr \(1,\)"),
        (lambda: disattenuated([1, 2, 3], [0] * 3, [1, 2, 3], [0] * 3), "at least 4"),
        (lambda: disattenuated([1, 2, 3, 4], [0] * 4, [1, 2, 3, 4, 5], [0] * 5), "4 and 5 languages"),
    ],
)
def test_what_has_no_reliability_is_refused(call, message):
    with pytest.raises(AnalysisError, match=message):
        call()
