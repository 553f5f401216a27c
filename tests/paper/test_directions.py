"""In which direction a measure is meant, and what is left of an agreement once that is taken out."""

import numpy as np
import pytest

from paper import protocols
from paper.chapters import truth
from paper.chapters.directions import MEANT, beyond_chance, turned
from paper.chapters.questions import SIGNS
from xlgen.analysis import NOTHING, Interval
from xlgen.analysis.agreement import cohens_kappa


@pytest.mark.parametrize("preset", ["mini", "real"])
def test_every_measure_of_the_models_that_are_compared_has_a_direction(preset):
    names = {name for parts in protocols.seeds(preset).measures.values() for one in parts for name in one.names}
    names |= {*truth.recorded_models().measure}
    assert names - {"accuracy", "margin_correct"} <= {*MEANT} | {name.removeprefix("dev_") for name in MEANT}
    assert set(MEANT.values()) == {1, -1}


def test_a_forecast_of_accuracy_is_meant_to_be_high_whatever_its_name():
    """Read off a part of the name, two measures with an entropy in it were turned the wrong way."""
    high = "atc atc_entropy cot cott doc entropy_of_mean nuclear_norm pretraining_share".split()
    low = "entropy loss dev_loss sharpness_alpha hessian_eigenvalue fisher_trace frechet fertility".split()
    assert [MEANT[name] for name in high + low] == [1] * len(high) + [-1] * len(low)
    assert SIGNS == {"margin": 1, "confidence": 1, "sharpness_difference": -1, "fisher_trace": -1}


def test_the_twins_are_one_measure_over_the_languages_of_a_recorded_model():
    rows = truth.recorded_models()
    wide = rows[(rows.language != "en") & rows.measure.isin(["doc", "confidence"])]
    for _, model in wide.groupby("key"):
        two = model.pivot(index="language", columns="measure", values="value")
        assert np.ptp(two.doc - two.confidence) < 1e-6


def test_what_agrees_by_definition_agrees_no_more_once_it_is_turned():
    """A loss that falls and a margin that rises on both sides are a perfect κ, and one judgement after the turn."""
    signs = {"loss": [-1, -1], "entropy": [-1, -1], "margin": [1, 1], "confidence": [1, 1], "frechet": [-1, 1]}
    assert cohens_kappa(*zip(*signs.values(), strict=True)) > 0.5
    after = turned(signs)
    assert after == {name: [1, 1] for name in signs} | {"frechet": [1, -1]}
    assert cohens_kappa(*zip(*after.values(), strict=True)) == pytest.approx(0)


@pytest.mark.parametrize(
    ("kappa", "words"),
    [
        (Interval(0.5, 0.1, 0.9, 9), "better than chance"),
        (Interval(0.5, -0.1, 0.9, 9), "not shown to be better than chance"),
        (Interval(-0.05, -0.1, 0.0, 9), "no better than chance"),
        (NOTHING, "not shown to be better than chance"),
    ],
)
def test_how_an_agreement_is_worded(kappa, words):
    assert beyond_chance(kappa) == words
