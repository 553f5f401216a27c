"""Agreement beyond chance, against numbers worked out by hand and the formula's own theorems."""

import math

import numpy as np
import pytest

from xlgen.analysis import AnalysisError
from xlgen.analysis.agreement import cohens_kappa, effective_number, kappa_interval


def test_kappa_of_a_table_worked_out_by_hand():
    """20 both yes, 5 and 10 split, 15 both no: 0.7 observed, 0.5 · 0.6 + 0.5 · 0.4 = 0.5 by chance."""
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert cohens_kappa(first, second) == pytest.approx(0.4)


def test_kappa_is_one_for_the_same_and_zero_for_independent_and_symmetric():
    assert cohens_kappa("abca", "abca") == 1
    assert cohens_kappa("aabb", "abab") == 0
    assert cohens_kappa("ab", "ba") == -1
    draw = np.random.default_rng(0)
    a, b = draw.integers(3, size=(2, 40)).tolist()
    assert cohens_kappa(a, b) == pytest.approx(cohens_kappa(b, a))


def test_there_is_no_kappa_where_chance_agrees_always():
    assert math.isnan(cohens_kappa("aaa", "aaa"))
    found = kappa_interval("aaa", "aaa", resamples=99)
    assert math.isnan(found.value) and math.isnan(found.low)
    assert cohens_kappa("aab", "aaa") == 0  # a judge who does not look


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    draw, truth, hits = np.random.default_rng(1), 0.5, 0
    for _ in range(100):
        first = draw.integers(2, size=60)
        second = np.where(draw.random(60) < 0.75, first, 1 - first)  # κ = 2 · 0.75 − 1
        hits += truth in kappa_interval(first.tolist(), second.tolist(), resamples=199)
    assert 85 <= hits <= 100


def test_the_same_seed_gives_the_same_interval_around_its_value():
    a, b = "abcabcaab", "abcabbaac"
    found = kappa_interval(a, b, resamples=199)
    assert found == kappa_interval(a, b, resamples=199) and found.low <= found.value <= found.high and found.n == 9


@pytest.mark.parametrize(("first", "second"), [("", ""), ("ab", "a")])
def test_judgements_that_do_not_pair_are_refused(first, second):
    with pytest.raises(AnalysisError, match="one of each for every item"):
        cohens_kappa(first, second)


def test_the_effective_number_of_copies_is_one_and_of_unrelated_columns_their_number():
    x = np.array([1.0, 2.0, 4.0, 3.0])
    assert effective_number([x, -2 * x, x + 5]) == pytest.approx(1)
    assert effective_number(np.eye(4) * 2 - np.ones((4, 4)) / 2 + 1) == pytest.approx(3)  # one is fixed by the others
    orthogonal = [[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]
    assert effective_number(orthogonal) == pytest.approx(3)
    r = np.corrcoef(draws := np.random.default_rng(0).standard_normal((5, 9)))
    eigen = np.linalg.eigvalsh(r)
    assert effective_number(draws) == pytest.approx(eigen.sum() ** 2 / (eigen**2).sum())


@pytest.mark.parametrize("columns", [[], [[1.0, 1.0]], [[1.0, math.nan]]])
def test_columns_without_a_correlation_are_refused(columns):
    with pytest.raises(AnalysisError, match="numbers that vary"):
        effective_number(columns)
