"""Sentences that read a table stay true when its numbers are others."""

import numpy as np
import pytest
from recorded import L2, VANILLA, obtained
from scipy import stats

from paper.chapters import readings
from xlgen.analysis import correlate

KEYS = [("xnli", setup, seed) for setup in (VANILLA, L2) for seed in (0, 1)]


def named(key):
    return key[1][0]


def test_no_quantity_is_compared_with_itself_where_the_baseline_varies_least():
    some = {"baseline": [0.0, 1.0, 2.0], "sam": [0.0, 2.0, 4.0], "mvr": [0.0, 3.0, 6.0]}
    said = readings.least_spread(some, "baseline")
    assert said.startswith("No objective varies less than the baseline: its standard deviation, 1.00 points")
    assert "smallest of the 3; the next, that of sam, is 2.00 [" in said
    other = readings.least_spread(some | {"baseline": [0.0, 4.0, 8.0]}, "baseline")
    assert other.startswith("The smallest standard deviation is that of sam, 2.00 points; the baseline's is 2.00 [")
    assert readings.least_spread({"baseline": [1.0], "sam": [2.0]}, "baseline") == "One seed has no spread."


def test_how_one_number_goes_with_another_is_said_only_where_it_is_settled():
    x = np.arange(8.0)
    noise = np.array([0.1, -0.1] * 4)
    assert [readings.goes(correlate(x, y)) for y in (x + noise, noise - x)] == ["rises with", "falls with"]
    assert {readings.goes(correlate(x, y)) for y in (noise, 0 * x)} == {"shows no settled relation to"}


def test_four_points_settle_no_sign():
    x = np.arange(5.0)
    y = x + [0.0, 0.01, -0.01, 0.01, 0.0]
    assert 0 not in correlate(x[:4], y[:4]).pearson and not readings.is_settled(correlate(x[:4], y[:4]))
    assert readings.is_settled(correlate(x, y)) and not readings.is_settled(correlate(x, 0 * x))


def test_a_step_that_is_too_long_for_first_order_is_said_to_be():
    slopes = {"en": 1.0, "de": 2.0, "sw": 4.0}
    said = readings.first_order({"en": 1.1, "de": 2.0, "sw": 1.0}, slopes)
    assert said.startswith("0.25 (sw) to 1.10 (en) times") and "in 1 of 3 languages it is off by more than 20 %" in said
    short = readings.first_order(slopes, slopes)
    assert "too long" not in short and "there is little" in short


@pytest.mark.parametrize(
    ("kept", "repeated", "said"),
    [
        ((0.99, 0.95, 0.7), 0.2, "up to σ = 0.2 (rank correlation at least 0.95); at 0.4 it is 0.70, and two draws"),
        ((0.99, 0.95, 0.7), 0.2, "agree by 0.20 only: there it is largely the draw"),
        ((0.99, 0.95, 0.7), 0.8, "agree by 0.80: another order."),
        ((0.99, 0.95, 0.9), 0.2, "The order holds at all of them: its rank correlation is at least 0.90"),
        ((0.8, -0.5, 0.95), 0.8, "The order holds at none of them: at 0.2 its rank correlation is −0.50"),
    ],
)
def test_the_order_of_languages_has_a_verdict(kept, repeated, said):
    scales = (0.1, 0.2, 0.4)
    assert said in readings.order_kept(dict(zip(scales, kept, strict=True)), dict.fromkeys(scales, repeated))


def test_changes_are_paired_by_seed_and_what_stands_alone_is_named():
    found = obtained(*KEYS, ("pawsx", VANILLA, 0))
    means = readings.target_means(found)
    each = [means["xnli", L2, seed] - means["xnli", VANILLA, seed] for seed in (0, 1)]
    assert means["xnli", VANILLA, 1] == pytest.approx(100 * (0.5 + 0.04 * np.mean(range(1, 7))))
    said = readings.real_changes(found, named)
    assert f"{np.mean(each):+.1f} [" in said and "with L2 (xnli, 2 seeds)" in said and "settled (its interval" in said
    assert said.endswith("Of pawsx no two setups with a seed in common are recorded yet, to be compared.")
    single = readings.real_changes(obtained(KEYS[0], KEYS[2]), named)
    assert "(xnli, 1 seed); no change is settled" in single and "[+" not in single and "recorded yet" not in single
    assert readings.real_changes(obtained(), named) == ""
    assert readings.real_changes(obtained(KEYS[0], KEYS[3]), named).startswith("Of xnli no two setups")


def test_a_relation_is_settled_or_it_is_said_what_it_lacks(monkeypatch):
    found = obtained(*KEYS)
    said = readings.real_relation(found, "φ", "sharpness_difference", named, resamples=199)
    assert said == "The correlation of φ with accuracy is settled in each setup: its interval excludes 0."
    assert readings.real_relation(found, "Tr F", "fisher_trace", named) == ""
    whole = readings.setups_of(found, "sharpness_difference", named)
    rng = np.random.default_rng(0)
    noisy = {name: type(one)(one.x * 0 + rng.normal(size=one.x.shape), *list(vars(one).values())[1:])
             for name, one in whole.items()}  # fmt: skip
    monkeypatch.setattr(readings, "setups_of", lambda *_: noisy)
    none = readings.real_relation(found, "φ", "sharpness_difference", named, resamples=199)
    assert none.startswith(
        "No correlation of φ with accuracy is settled: every interval includes 0. Its reliability is"
    )
    monkeypatch.setattr(readings, "setups_of", lambda *_: {"vanilla": whole["vanilla"], "L2": noisy["L2"]})
    some = readings.real_relation(found, "φ", "sharpness_difference", named, resamples=199)
    assert (
        "is settled (its interval excludes 0) with vanilla alone. Where it is not, its reliability is at most" in some
    )


def test_rows_that_are_settled_are_counted_and_the_strongest_is_named():
    measures = {"φ": "sharpness_difference", "accuracy again": "accuracy", "Tr F": "fisher_trace"}
    said = readings.real_settled(obtained(*KEYS[:2]), measures, named, resamples=199)
    assert said.startswith("The interval of r excludes 0 in 2 of 2 rows; all of them are settled. Farthest from 0 is")
    assert readings.real_settled(obtained(), measures, named) == ""


def test_how_much_farther_from_zero_one_measure_is_has_an_interval_over_languages():
    found, control = obtained(*KEYS), ("sharpness_difference", "phi_noise")
    setups = [readings.setups_of(found, measure, named)["L2"] for measure in ("sharpness_difference", control)]
    rng = np.random.default_rng(1)
    other = type(setups[0])(setups[0].x + rng.normal(0, 0.1, setups[0].x.shape), *list(vars(setups[0]).values())[1:])
    between = readings._farther(setups[0], other, 499)
    kept = setups[0].x.columns[np.isfinite(setups[0].x).all()]
    by_hand = [
        np.mean([stats.pearsonr(part.x.loc[key, kept], part.y.loc[key, kept])[0] for key in part.x.index])
        for part in (setups[0], other)
    ]
    assert between.value == pytest.approx(abs(by_hand[0]) - abs(by_hand[1])) and between.n == len(kept) == 5
    assert between.low < between.value < between.high
    said = readings.real_difference(found, ("A", "sharpness_difference"), ("with B", control), named, 199)
    assert said.startswith("A, r is farther from 0 than with B by 0.00 [") and "not shown to add anything" in said
    assert readings.real_difference(obtained(), ("A", "accuracy"), ("B", "accuracy"), named) == ""


def test_nothing_to_read_is_no_paragraph():
    assert readings.reading("", "") is None
    assert readings.reading("a < b", "", "c").data == "<p>a &lt; b c</p>"
