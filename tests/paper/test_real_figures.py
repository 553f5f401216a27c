"""Figures of recorded models of real encoders: the points are the records', bounds are left out."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from recorded import CODES, L2, VANILLA, obtained, score

from paper.chapters import noise, real_models, real_scatter, real_together, setups_of

TARGETS = [code for code in CODES if code != "en"]


def by_name(key):
    return key[1][0]


@pytest.fixture
def two_seeds():
    return obtained(("xnli", VANILLA, 0), ("xnli", VANILLA, 1), ("xnli", L2, 0))


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were shown."""
    figures = []
    monkeypatch.setattr(plt, "show", lambda: figures.append(plt.gcf()))
    yield figures
    plt.close("all")


def test_a_point_is_the_mean_over_seeds_and_a_bound_has_none(two_seeds):
    vanilla, l2 = setups_of(two_seeds, "sharpness_difference", by_name).values()
    assert [len(vanilla.x), len(l2.x)] == [2, 1] and list(vanilla.x.columns) == TARGETS
    phi, accuracy = vanilla.points()
    places = [CODES.index(code) for code in TARGETS]
    expected = [np.mean([score(VANILLA, seed, place) for seed in (0, 1)]) for place in places]
    np.testing.assert_allclose(accuracy, expected)
    np.testing.assert_allclose(phi[:-1], -accuracy[:-1])
    assert np.isnan(phi[-1])  # Chinese has a bound
    assert vanilla.x_stderr.to_numpy() == pytest.approx(0.01) == vanilla.y_stderr.to_numpy()
    assert vanilla.correlation(99).value == pytest.approx(-1) and vanilla.correlation(99).clusters == len(TARGETS) - 1
    assert not setups_of(two_seeds, "margin", by_name) and not setups_of(obtained(), "margin", by_name)


def test_bars_are_whole_errors_and_reliability_is_lost_to_what_sets_languages_apart(two_seeds, monkeypatch):
    monkeypatch.setitem(noise.__globals__, "blocks_of_recorded", lambda task: {})
    rng, alike = np.random.default_rng(0), 0.6 * np.random.default_rng(1).normal(size=999)
    drawn = (0.01 * 999**0.5 * (alike + 0.8 * rng.normal(size=999)) for _ in range(len(two_seeds.frame)))
    parts = [{"blocks": d.tolist()} for d in drawn]
    vars(two_seeds)["frame"] = two_seeds.frame.assign(extra=parts)
    vanilla, _ = setups_of(two_seeds, "sharpness_difference", by_name).values()
    assert vanilla.x_stderr.to_numpy() == pytest.approx(0.01) == vanilla.y_stderr.to_numpy()
    assert vanilla.x_apart.to_numpy() == pytest.approx(0.008, rel=0.05) == vanilla.y_apart.to_numpy()
    spread = vanilla.points()[1][:-1].var(ddof=1)
    assert 1 - vanilla.noise(99).reliability_y == pytest.approx(0.64 * 0.01**2 / spread, rel=0.1)


def test_panels_stand_in_rows_of_measures_with_every_language_by_its_code(two_seeds, drawn):
    setups = setups_of(two_seeds, "sharpness_difference", by_name)
    accuracy = setups_of(two_seeds, "accuracy", by_name)
    real_scatter({"phi": setups, "itself": accuracy}, logarithmic=["itself"], resamples=99)
    (figure,) = drawn
    assert [ax.get_xlabel() for ax in figure.axes] == ["phi", "phi", "itself", "itself"]
    assert [ax.get_title().split("\n")[0] for ax in figure.axes] == ["vanilla", "L2"] * 2
    assert [ax.get_xscale() for ax in figure.axes] == ["linear"] * 2 + ["log"] * 2
    assert {text.get_text() for text in figure.axes[2].texts} == set(TARGETS)
    assert {text.get_text() for text in figure.axes[0].texts} == set(TARGETS) - {"zh"}
    assert [bool(ax.get_ylabel()) for ax in figure.axes] == [True, False] * 2
    assert figure.axes[0].get_title().endswith("r = −1.00 [−1.00, −1.00]")


def test_all_setups_stand_in_one_panel_and_models_beside_their_distance(two_seeds, drawn):
    setups = setups_of(two_seeds, "sharpness_difference", by_name)
    real_together({("phi", "accuracy"): setups, ("phi", "none"): {}}, resamples=99)
    (figure,) = drawn
    (ax,) = figure.axes
    assert [text.get_text().split(":")[0] for text in ax.get_legend().get_texts()] == ["vanilla", "L2"]
    real_models(two_seeds, "sharpness_difference", "number", by_name)
    left, right = drawn[1].axes
    of_vanilla, of_l2 = (container.lines[0].get_xydata() for container in left.containers)
    assert len(of_vanilla) == 2 and len(of_l2) == 1
    places = [CODES.index(code) for code in TARGETS]
    assert of_vanilla[0, 1] == pytest.approx(100 * np.mean([score(VANILLA, 0, place) for place in places]))
    assert [label.get_text() for label in right.get_xticklabels()] == ["vanilla", "L2"]


def test_where_nothing_is_recorded_nothing_is_drawn(two_seeds, drawn):
    real_scatter({"phi": {}})
    real_together({("phi", "accuracy"): {}})
    real_models(two_seeds, "frobenius", "distance", by_name)
    real_models(obtained(), "frobenius", "distance", by_name)
    assert not drawn
