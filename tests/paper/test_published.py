"""The papers' tables as data: shape, ranges, look-up, and the intervals they do not print."""

import csv
import re
from importlib import resources
from pathlib import Path

import pytest

from paper import published, sphinxext
from paper.cli import LISTS
from xlgen.analysis import AnalysisError
from xlgen.core.errors import UnknownName

EVERY = [(table, row, column) for table in published.TABLES.values() for row in table.rows for column in table.columns]


@pytest.mark.parametrize(("table", "row", "column"), EVERY)
def test_every_cell_is_a_correlation_printed_with_three_digits(table, row, column):
    cell = table.cell(row, column)
    assert re.fullmatch(r"-?0\.\d{3}", cell.printed)
    assert cell.value == float(cell.printed) and -1 < cell.value < 1
    assert cell.interval.low < cell.value < cell.interval.high and cell.interval.n == table.n
    assert cell.paper == "bassi2024generalization"


def test_the_tables_have_the_shape_of_the_printed_ones():
    assert [(len(table.rows), len(table.columns)) for table in published.TABLES.values()] == [(5, 2), (3, 2), (4, 1)]
    assert [table.caption.split()[0] for table in published.TABLES.values()] == ["Correlation"] * 3
    assert published.TABLES["2"].caption.endswith("PAWS-X dataset.")
    assert published.TABLES["1"].columns == published.TABLES["2"].columns == ("Margin", "Sharpness")
    assert list(published.TABLES["1"].rows)[:4] == list(published.TABLES["3"].rows)


def test_margins_are_positive_and_sharpnesses_negative_as_the_paper_says():
    for name in "12":
        for row in published.TABLES[name].rows:
            assert published.cell(name, row, "Margin").value > 0.8
            assert published.cell(name, row, "Sharpness").value < -0.2


def test_the_sums_of_the_columns():
    sums = {
        (table.number, column): sum(round(1000 * table.cell(row, column).value) for row in table.rows)
        for table in published.TABLES.values()
        for column in table.columns
    }
    assert list(sums.values()) == [4359, -3303, 2990, -1619, -828]


def test_some_cells_by_their_printed_names():
    assert published.cell(1, "mBERT+SAM", "Sharpness").printed == "-0.584"
    assert published.cell("1", "mT5 + Adafactor", "Sharpness").printed == "-0.410"
    assert published.cell(2, "RoBERTa", "Margin").value == 0.997


@pytest.mark.parametrize(
    ("task", "measure", "objective", "printed"),
    [
        ("xnli", "margin", "baseline", "0.801"),
        ("mini-xnli", "sharpness_difference", "fisher", "-0.671"),
        ("xnli", "sharpness_alpha", "mvr", "-0.471"),
        ("pawsx", "sharpness_difference", "baseline", "-0.289"),
    ],
)
def test_find_by_the_names_of_the_project(task, measure, objective, printed):
    assert published.find(task, measure, objective).printed == printed


@pytest.mark.parametrize(
    "names",
    [("xnli", "frobenius", "sam"), ("pawsx", "margin", "sam"), ("udpos", "margin", "sam"), ("xnli", "margin", "x")],
)
def test_find_is_none_where_the_paper_prints_nothing(names):
    assert published.find(*names) is None


def test_readers_see_the_names_of_papers_and_no_keys():
    said = published.with_names("stickland2021regularising, Figure 1; anonymous2021frustratingly, Table 2")
    assert said == "Stickland & Murray (2021), Figure 1; Anonymous, L2 and EWC (2021), Table 2"
    shown = [entry for what in ("measures", "protocols") for entry in LISTS[what](Path())]
    assert any(key in entry.about for entry in shown for key in published.PAPERS)
    cells = [sphinxext._words(entry.name, entry.about)[1].astext() for entry in shown]
    assert not [cell for cell in cells for key in published.PAPERS if key in cell]


def test_find_only_points_at_cells_that_exist():
    for table in published.TABLES.values():
        assert set(table.objectives.values()) <= set(table.rows)
        assert set(table.measures.values()) <= set(table.columns)


def test_names_of_the_project_exist():
    from xlgen.data.catalogue import TASKS
    from xlgen.measures import MEASURES
    from xlgen.objectives import OBJECTIVES

    for table in published.TABLES.values():
        assert table.task in TASKS
        assert all(name in OBJECTIVES for name in table.objectives)
        assert all(name in MEASURES for name in table.measures)


def test_languages_are_those_of_the_task():
    from xlgen.data.catalogue import TASKS

    assert published.TABLES["1"].n == published.TABLES["3"].n == len(TASKS["xnli"].languages) - 1
    assert published.TABLES["2"].n == len(TASKS["pawsx"].languages)
    assert all(str(table.n) in table.n_note for table in published.TABLES.values())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((4, "Baseline", "Margin"), "unknown table"),
        ((1, "mBert+SAM", "Margin"), "Did you mean 'mBERT.SAM'"),
        ((1, "mBERT+SAM", "sharpness"), "Did you mean 'Sharpness'"),
        ((3, "Baseline", "Margin"), "unknown column"),
    ],
)
def test_unknown_names_are_suggested(names, message):
    with pytest.raises(UnknownName, match=message):
        published.cell(*names)


def test_intervals_are_computed_at_n():
    interval = published.cell(1, "Baseline", "Sharpness").interval
    assert (round(interval.low, 2), round(interval.high, 2), interval.n) == (-0.95, -0.57, 14)


def test_a_number_that_is_no_correlation_over_known_languages_has_no_interval():
    with pytest.raises(AnalysisError, match="n is 0; expected at least 4 points"):
        published.printed_table("anonymous2021frustratingly", 5).cell("Wiki", "UDPOS").interval  # noqa: B018


def test_files_name_their_source_and_are_plain_csv():
    folder = resources.files("paper.published")
    files = [file for file in folder.iterdir() if re.match(r"bassi.*csv$", file.name)]
    assert len(files) == 3
    for file in files:
        lines = file.read_text(encoding="utf-8").splitlines()
        assert "(bassi2024generalization)" in lines[0]
        table = list(csv.reader(line for line in lines if not line.startswith("#")))
        assert len({len(row) for row in table}) == 1 and table[0][0] == "Model"
