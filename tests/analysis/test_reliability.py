"""Reliability and disattenuated correlations: classical test theory, where the true scores are known."""

import math

import numpy as np
import pytest
from scipy import stats

from xlgen.analysis import AnalysisError, disattenuated
from xlgen.analysis.reliability import FEW, NOISY, from_errors, split_half


def scores(n, r, seed):
    """True scores (2, n) of two measures with variance 1 and that correlation."""
    return np.random.default_rng(seed).multivariate_normal([0, 0], [[1, r], [r, 1]], size=n).T


@pytest.mark.parametrize("error", [0.3, 0.7, 1.0])
def test_both_reliabilities_are_the_true_scores_share_of_the_variance(error):
    rng, (truth, _) = np.random.default_rng(1), scores(40_000, 0, 1)
    share = 1 / (1 + error**2)
    whole = truth + error * rng.normal(size=truth.shape)
    assert from_errors(whole, np.full(truth.shape, error)) == pytest.approx(share, abs=0.01)
    # half of the examples: twice the variance of the error
    halves = [truth + math.sqrt(2) * error * rng.normal(size=truth.shape) for _ in range(2)]
    assert split_half(*halves) == pytest.approx(share, abs=0.01)


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


def test_without_errors_nothing_is_corrected():
    x, y = scores(14, 0.5, 4)
    found = disattenuated(x, 0 * x, y, 0 * y)
    assert found.corrected.value == found.raw.value == pytest.approx(stats.pearsonr(x, y).statistic)
    assert found.reliability_x == found.reliability_y == 1


def test_halves_by_hand():
    assert split_half([1, 2, 3], [2, 4, 6]) == pytest.approx(1)
    first, second = [1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0]  # r = 0.8
    assert split_half(first, second) == pytest.approx(1.6 / 1.8)
    assert from_errors([0.0, 2.0], [1.0, 1.0]) == pytest.approx(0.5)  # variance 2, mean squared error 1


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
        (lambda: split_half([1, 2], [3, 3]), "languages that differ"),
        (lambda: split_half([1, 2], [2, 1]), "each other's opposite"),
        (lambda: disattenuated([1, 2, 3], [0] * 3, [1, 2, 3], [0] * 3), "at least 4"),
        (lambda: disattenuated([1, 2, 3, 4], [0] * 4, [1, 2, 3, 4, 5], [0] * 5), "4 and 5 languages"),
    ],
)
def test_what_has_no_reliability_is_refused(call, message):
    with pytest.raises(AnalysisError, match=message):
        call()
