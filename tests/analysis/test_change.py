"""Paired changes over seeds and over languages."""

import numpy as np
import pytest
from scipy import stats

from xlgen.analysis import AnalysisError, paired_change
from xlgen.core.errors import UnknownName

RNG = np.random.default_rng(0)
OLD = RNG.normal(size=(3, 5))
NEW = OLD + RNG.normal(size=(3, 5))


@pytest.mark.parametrize(("over", "axis"), [("seeds", 1), ("languages", 0)])
def test_it_is_the_paired_t_test_of_means(over, axis):
    theirs = stats.ttest_rel(NEW.mean(axis), OLD.mean(axis)).confidence_interval(0.95)
    ours = paired_change(NEW, OLD, over)
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs))
    assert ours.value == pytest.approx((NEW - OLD).mean()) and ours.n == NEW.shape[1 - axis]


def test_what_both_setups_share_cancels():
    shared = 100 * RNG.normal(size=(3, 5))
    for over in ("seeds", "languages"):
        plain, shifted = paired_change(NEW, OLD, over), paired_change(NEW + shared, OLD + shared, over)
        assert (shifted.low, shifted.high) == pytest.approx((plain.low, plain.high))
        back = paired_change(OLD, NEW, over)
        assert (back.low, back.high) == pytest.approx((-plain.high, -plain.low))


def test_it_is_over_seeds_where_there_are_several():
    assert paired_change(NEW, OLD) == paired_change(NEW, OLD, "seeds")
    assert paired_change(NEW[:1], OLD[:1]) == paired_change(NEW[:1], OLD[:1], "languages")
    alone = paired_change(NEW[:1, :1], OLD[:1, :1])
    assert alone.value == NEW[0, 0] - OLD[0, 0] and np.isnan(alone.low) and alone.n == 1


def test_bad_tables_are_refused():
    with pytest.raises(AnalysisError, match=r"shape \(3, 5\) and \(3, 4\); expected \(seeds, languages\)"):
        paired_change(NEW, OLD[:, :4])
    with pytest.raises(AnalysisError, match=r"shape \(5,\) and \(5,\)"):
        paired_change(NEW[0], OLD[0])
    with pytest.raises(AnalysisError, match="no values"):
        paired_change(NEW[:0], OLD[:0])
    with pytest.raises(AnalysisError, match="expected finite"):
        paired_change(NEW * [1, 1, 1, 1, np.nan], OLD)
    with pytest.raises(UnknownName, match="Did you mean 'seeds'"):
        paired_change(NEW, OLD, "seed")
