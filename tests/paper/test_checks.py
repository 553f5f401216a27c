"""What the next checks say, of a chapter's models and of recorded ones."""

from types import SimpleNamespace

import numpy as np
import pytest

from paper import protocols, records
from paper.chapters import checks
from paper.chapters.checks import PHI, Checked
from xlgen.measures import Value

CODES = ("en", "de", "fr", "hi", "sw", "ur")
PRINTED = {"margin": [0.0, 1, 2, 3, 4], "accuracy": [0.1, 0.2, 0.3, 0.5, 0.4], PHI: [5.0, 4, 2, 3, 1]}


def values(numbers, n=9, **status):
    cells = zip(CODES, [99.0, *numbers], strict=True)  # what English has must not count
    return {code: Value(x, None, n, "on", "", status.get(code, "ok"), {}) for code, x in cells}


def config(name, split="test", **settings):
    return SimpleNamespace(names=(name,), split=split, settings={name: settings})


@pytest.fixture
def found():
    """One model of XNLI at the usual duration, two noise scales, and one of another task without sharpness."""
    measures = (
        config("accuracy"),
        config("margin", "dev"),
        config(PHI, noise_scale=0.001),
        config(PHI, noise_scale=0.1),
    )
    parts = (
        {"accuracy": values(PRINTED["accuracy"])},
        {"margin": values(PRINTED["margin"])},
        {PHI: values(PRINTED[PHI])},
        {PHI: values(PRINTED[PHI][::-1], de="hit_lower")},
    )
    words = (config("f1"), config("margin", "dev"))
    keys = ("mini-xnli", 1, 8), ("mini-udpos", 1, 8)
    run = SimpleNamespace(config=SimpleNamespace(epochs=3))
    return SimpleNamespace(
        runs=dict.fromkeys(keys, run),
        measures={keys[0]: measures, keys[1]: words},
        measured={keys[0]: parts, keys[1]: ({"f1": values(PRINTED[PHI])}, {"margin": values(PRINTED["margin"])})},
    )


def test_scales_are_told_apart_and_english_and_bounds_are_left_out(found):
    checked = Checked.of(found, "en")
    assert list(checked.tables[PHI, 0.001].columns) == list(CODES[1:])
    assert list(checked.tables[PHI, 0.1].columns) == list(CODES[2:])
    assert checked.tables["dev_margin"].shape == (2, 5) and checked.epochs == {("xnli", 1, 8): 3, ("udpos", 1, 8): 3}


def test_answers_are_correlations_over_the_target_languages(found):
    checked = Checked.of(found, "en")
    noises = checked.noises(resamples=199)
    assert noises[0.001].value == pytest.approx(np.corrcoef(PRINTED[PHI], PRINTED["accuracy"])[0, 1])
    answers = checked.answers(["hi", "sw", "ur", "fr"], resamples=199)
    assert answers["noise scale", "σ = 0.001"].startswith(f"r of φ with accuracy {noises[0.001]:.2f}")
    assert answers["other tasks", "udpos"].startswith("r with F1: margin −0.90")
    assert answers["other tasks", "udpos"].endswith("sharpness not run (1 model)")
    duration = answers["seeds and durations", "1 × the epochs"]
    assert duration.startswith("r of margin and φ −0.90") and duration.endswith("(3 epochs, 1 model)")
    poor = np.corrcoef(PRINTED["margin"][1:], PRINTED[PHI][1:])[0, 1]
    assert f"low-resource half −{abs(poor):.2f}" in duration and "seed by seed" not in duration


def test_several_seeds_have_the_range_of_theirs_over_the_languages_of_both(found):
    """A language whose sharpness is a bound, in every model, is left out."""
    first = found.measured["mini-xnli", 1, 8]
    bound = {PHI: values(PRINTED[PHI], de="hit_lower")}
    found.measured["mini-xnli", 1, 8] = (*first[:2], bound, first[3])
    found.measured["mini-xnli", 1, 9] = (first[0], {"margin": values(PRINTED["margin"][::-1])}, bound, first[3])
    found.measures["mini-xnli", 1, 9] = found.measures["mini-xnli", 1, 8]
    found.runs["mini-xnli", 1, 9] = found.runs["mini-xnli", 1, 8]
    r = np.corrcoef(PRINTED["margin"][1:], PRINTED[PHI][1:])[0, 1]
    answer = Checked.of(found, "en").answers([], resamples=199)["seeds and durations", "1 × the epochs"]
    assert r < 0 and f"; seed by seed −{-r:.2f} to {-r:.2f};" in answer and answer.endswith("(3 epochs, 2 models)")


def test_recorded_models_are_those_of_the_protocol(monkeypatch):
    """Of the same settings, whatever the data were; of two numbers of one measure, that of more examples."""
    protocol = protocols.checks("real", seeds=[0])
    asked = protocol.configs["xnli", 1, 0]

    def result(name, split, numbers, n=9, size=64, **settings):
        facts = {"config": {"names": [name], "split": split, "size": size, "settings": {name: settings}}}
        facts["values"] = {code: vars(value) for code, value in values(numbers, n).items()}
        return SimpleNamespace(read=facts.__getitem__)

    def each(folder):
        few = result("accuracy", "test", PRINTED[PHI], n=3)
        whole = result("accuracy", "test", PRINTED["accuracy"], size=0)
        yield (
            asked.with_(data="0123", dev_size=7),
            None,
            [whole, few, result(PHI, "test", PRINTED[PHI], noise_scale=0.001, noise_seeds=[0, 1, 2])],
        )
        yield asked.with_(lr=2 * asked.lr), None, [result("margin", "dev", PRINTED["margin"])]

    monkeypatch.setattr(records, "each", each)
    checked = Checked.recorded("e5-small")
    assert {*checked.tables} == {"accuracy", (PHI, 0.001)} and checked.epochs == {("xnli", 1, 0): asked.epochs}
    assert checked.tables["accuracy"].loc[[("xnli", 1, 0)]].to_numpy()[0] == pytest.approx(PRINTED["accuracy"])
    assert set(checked.answers([], resamples=199)) == {(checks.NAMES[1], "σ = 0.001")}


def test_an_archive_without_a_development_split_of_a_language_measures_no_margin_in_it():
    """Of words alone: what is measured of XNLI, and the scores of the words, are of every language."""
    found = protocols.checks("real", tasks=["udpos"], languages=["en", "de"], seeds=[0])
    asked = {(key[0], one.names[0], one.split): one.languages for key, parts in found.measures.items() for one in parts}
    assert asked.pop(("udpos", "margin", "dev")) == ("en", "de")
    assert len(asked) == 5 and not any(asked.values())
