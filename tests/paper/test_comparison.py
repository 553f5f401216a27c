"""Setups beside vanilla, ours and a paper's: what is compared, over which languages, and what a page shows of it."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from paper import chapters, figures, ledger
from paper.published import scores
from xlgen.analysis import paired_change
from xlgen.core.errors import UnknownName
from xlgen.data.catalogue import TASKS

PAPER = "anonymous2021frustratingly"
CODES = ["en", "fr", "sw", "th"]  # Thai is in the task and not in the paper's table
NAMES = {"vanilla": "vanilla", "l2": "L2"}


def frame(*rows):
    return pd.DataFrame(rows, index=[0, 1], columns=CODES, dtype=float)


@pytest.fixture
def comparison():
    ours = {"vanilla": frame([80, 70, 50, 40], [81, 71, 52, 41]), "l2": frame([80, 71, 50, 42], [81, 74, 52, 44])}
    return chapters.Comparison("mini-xnli", ours, PAPER, NAMES)


def text(shown):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", shown.data))


def test_the_paper_counts_only_languages_that_both_have(comparison):
    assert comparison.targets == ["fr", "sw", "th"] and comparison.shared == ["fr", "sw"]
    assert comparison.mean("vanilla") == np.mean([70, 50, 71, 52])
    assert comparison.change("l2") == paired_change([[71, 50], [74, 52]], [[70, 50], [71, 52]])
    assert comparison.change("l2", ["th"]).value == 2.5 and comparison.change("vanilla", ["th"], "l2").value == -2.5
    assert comparison.change("l2", over="languages").n == 2
    other = chapters.Comparison("mini-other", comparison.ours, PAPER, NAMES)
    assert not other.printed and other.gains("l2") == {} and np.isnan(other.printed_mean("l2"))


def test_a_matrix_has_a_row_for_each_setup(comparison):
    assert comparison.matrix(["vanilla", "l2"]).tolist() == [[0, 0, 0], [2, 0, 2.5]]


def test_scores_of_models_are_rows_in_percent():
    parts = [{"f1": {"en": SimpleNamespace(value=v), "de": SimpleNamespace(value=v / 2)}} for v in (0.5, 0.25)]
    found = SimpleNamespace(measured={"a": (parts[0],), "b": (parts[1],)})
    shown = chapters.score_frame(found, ["b", "a"], "f1")
    assert list(shown.columns) == ["en", "de"] and shown.to_numpy().tolist() == [[25, 12.5], [50, 25]]


def test_a_tie_is_no_win_but_half_of_one_in_the_ledger(comparison):
    assert comparison.better("l2") == ["fr"] and comparison.better("l2", comparison.targets) == ["fr", "th"]
    assert comparison.share("l2") == ledger.share([0.75, 0.75])
    ours = {"vanilla": comparison.ours["vanilla"] + 0.1, "l2": comparison.ours["vanilla"] + 0.3 - 0.2}
    assert chapters.Comparison("mini-xnli", ours, PAPER, NAMES).better("l2") == []


def test_the_papers_changes_are_its_rows(comparison):
    printed = scores(PAPER, "xnli")
    assert comparison.gains("l2")["sw"] == printed["l2"]["sw"] - printed["vanilla"]["sw"]
    assert comparison.printed_mean("l2") == pytest.approx(66.03, abs=0.005)
    given = chapters.Comparison("mini-xnli", comparison.ours, PAPER, NAMES, {"l2": 1.0})
    assert given.printed_mean("l2") == 1 and given.printed_mean("vanilla") == comparison.printed_mean("vanilla")


def test_the_tables_show_ours_beside_the_papers(comparison):
    by_language = text(comparison.table("by language", marked=["sw"]))
    change, printed = comparison.change("l2", ["fr"]), scores(PAPER, "xnli")
    assert f"fr 70.50 {change:+.2f} {printed['vanilla']['fr']:.2f} +1.82" in by_language
    assert "sw † 51.00" in by_language and re.search(r"th 40.50 \+2.50 \[[^]]*\] *$", by_language)
    means = text(chapters.means_table([comparison], "means"))
    assert (
        f"mini-xnli: L2 80.50 61.75 {comparison.change('l2'):+.2f}" in means and "1 of 2 66.03 +1.65 13 of 13" in means
    )
    assert "mini-xnli: vanilla 80.50 60.75 64.39 mini-xnli: L2" in means  # vanilla has no change


def test_the_drawing_has_a_row_for_each_setup_and_one_for_the_papers(comparison):
    plt = pytest.importorskip("matplotlib.pyplot")
    _, ax = plt.subplots()
    comparison.draw(ax, ["l2"], comparison.targets)
    filled, hollow = ax.containers
    assert filled.lines[0].get_ydata().tolist() == [2, 0, 2.5]
    assert hollow.lines[0].get_ydata().tolist() == [comparison.gains("l2")[code] for code in ("fr", "sw")]
    assert filled.lines[0].get_color() == figures.SETUPS["l2"].colour
    assert [label.get_text() for label in ax.get_legend().texts] == ["L2, ours", "L2, paper"]
    plt.close("all")


def test_an_unknown_setup_is_refused(comparison):
    with pytest.raises(UnknownName, match="unknown setup 'l3'"):
        comparison.change("l3")
    assert comparison.english == TASKS["mini-xnli"].source_language
