"""The statistics that the chapter on seeds and settings spells out, against simulations and other people's code."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from paper import ledger, notebook
from xlgen.analysis import Interval

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def page():
    """The names that the page's two cells of statistics define."""
    names = {"np": np, "stats": stats, "math": math, "Interval": Interval}
    for cell in notebook.read(ROOT / "notebooks" / "stability.py").cells:
        if cell.cell_type == "code" and ("def std_interval" in cell.source or "def power" in cell.source):
            exec(cell.source, names)
    return names


def draws(n, *stds, r=0.0, seed=0, times=2_000):
    """Pairs of normal scores with these standard deviations and correlation, (times, n) each."""
    first, second = np.random.default_rng(seed).normal(size=(2, times, n))
    return stds[0] * first, stds[1] * (r * first + math.sqrt(1 - r**2) * second)


@pytest.mark.parametrize("n", [4, 8])
def test_the_intervals_cover_the_truth_in_95_of_100_cases(page, n):
    first, second = draws(n, 2.0, 1.0)
    covered = [2.0 in page["std_interval"](a) for a in first]
    ratios = [2.0 in page["ratio_of"](a, b) for a, b in zip(first, second, strict=True)]
    first, second = draws(n, 2.0, 1.0, r=0.8)
    pairs = [2.0 in page["paired_ratio"](a, b) for a, b in zip(first, second, strict=True)]
    for share in map(np.mean, (covered, ratios, pairs)):
        assert share == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 2_000))


def test_the_paired_interval_includes_1_where_sum_and_difference_are_not_correlated(page):
    inside = set()
    for a, b in zip(*draws(6, 1.6, 1.0, r=0.7, times=60), strict=True):
        p = stats.pearsonr(a + b, a - b).pvalue
        assert (1 in page["paired_ratio"](a, b)) == (p > 0.05)
        inside.add(p > 0.05)
    assert inside == {True, False}


def test_pairs_that_go_together_narrow_the_interval_of_the_ratio(page):
    a = np.array([0.1, 0.9, 0.4, 0.7, 0.2])
    b = 2 * a + np.array([0.01, -0.01, 0.0, 0.01, -0.01])
    paired, apart = page["paired_ratio"](a, b), page["ratio_of"](a, b)
    assert paired.value == pytest.approx(apart.value) and paired.high / paired.low < apart.high / apart.low / 5


def test_the_ratio_is_the_ledgers(page):
    a, b = (one[0] for one in draws(7, 1.0, 3.0))
    expected = ledger.spread_ratio(a, b)
    found = page["ratio_of"](a, b)
    assert (found.value, found.low, found.high) == pytest.approx([expected[k] for k in ("value", "low", "high")])


def test_what_does_not_vary_has_no_interval(page):
    for name in ("ratio_of", "paired_ratio"):
        assert math.isnan(page[name]([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]).value)
    assert math.isnan(page["std_interval"]([1.0, 2.0]).value)


def test_the_power_is_how_often_the_interval_excludes_1(page):
    for n, ratio in ((5, 0.4), (8, 0.4), (8, 1.0)):
        found = np.mean([1 not in page["ratio_of"](a, b) for a, b in zip(*draws(n, ratio, 1.0), strict=True)])
        assert page["power"](ratio, n) == pytest.approx(found, abs=0.045)
    assert page["power"](1.0, 8) == pytest.approx(0.05) and page["power"](0.5, 9) == pytest.approx(page["power"](2, 9))


def test_as_many_runs_as_are_needed_are_enough_and_one_less_is_not(page):
    n = page["runs_needed"](0.5)
    assert page["power"](0.5, n) >= 0.8 > page["power"](0.5, n - 1)
    assert page["runs_needed"](0.999) is None
    ratio = page["detectable"](n)
    assert 0.5 <= ratio < 1 and page["power"](ratio, n) >= 0.8 > page["power"](ratio + 0.002, n)
