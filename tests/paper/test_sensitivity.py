"""The paper's tables over settings of the hyper-parameters, by the project's names, against its own files."""

import csv
import statistics
from pathlib import Path

import pytest

from paper import published
from paper.published import sensitivity
from xlgen.core.errors import UnknownName

FOLDER = Path(published.__file__).parent


def lines(number):
    path = FOLDER / f"anonymous2021frustratingly_table{number}.csv"
    return list(csv.reader(line for line in path.read_text(encoding="utf-8").splitlines() if line[:2] != "# "))


@pytest.mark.parametrize("task", sensitivity.TITLES)
def test_every_task_and_setup_has_the_numbers_of_its_column(task):
    for _, name, test, *cells in lines(3)[1:]:
        setup = {"Vanilla": "vanilla", "w/ L2": "l2"}.get(name)
        column = [cell.split(" ")[0] for cell in lines(3)[0][3:]].index(
            task.upper() if task != "wikiann" else "Wikiann"
        )
        mean, std = cells[column].split(" ± ")
        assert sensitivity.over_settings(f"mini-{task}", setup, test) == float(mean)
        assert sensitivity.over_settings(task, setup, test, "std") == float(std)
    for setup, row in zip(("vanilla", "l2"), lines(14)[1:], strict=True):
        printed = dict(zip((cell.lower() for cell in lines(14)[0]), row, strict=True))
        cell = next(value for name, value in printed.items() if name.startswith(task))
        assert sensitivity.extreme(task, setup) == float(cell)


@pytest.mark.parametrize("task", sensitivity.BY_LANGUAGE)
def test_the_languages_average_to_the_zero_shot_score_of_table_3(task):
    for setup in sensitivity.SETUPS:
        codes = sensitivity.languages(task)
        means = [row[list(sensitivity.SETUPS).index(setup)] for row in sensitivity.grid(task, codes)]
        assert "en" not in codes and means == [sensitivity.by_language(task, setup, code).number for code in codes]
        expected = sensitivity.over_settings(task, setup, "zero-shot")
        assert statistics.fmean(means) == pytest.approx(expected, abs=0.01)  # both are rounded


def test_a_setting_is_read_as_printed():
    by_row = {tuple(row[:3]): tuple(row[3:]) for row in lines(10)[1:]}
    for task, title in sensitivity.TITLES.items():
        for setup, name in sensitivity.SETUPS.items():
            for number in range(1, 6):
                assert sensitivity.setting(f"mini-{task}", setup, number) == by_row[title, name, str(number)]


def test_settings_are_unlike_where_table_10_prints_two_lines():
    by_row = {tuple(row[:3]): row[3:] for row in lines(10)[1:]}
    for task, title in sensitivity.TITLES.items():
        expected = [n for n in range(1, 6) if by_row[title, "Vanilla", str(n)] != by_row[title, "w/ L2", str(n)]]
        assert sensitivity.unlike(f"mini-{task}") == expected
    assert any(map(sensitivity.unlike, sensitivity.TITLES)) and not all(map(sensitivity.unlike, sensitivity.TITLES))


def test_what_the_paper_does_not_have_is_named():
    with pytest.raises(UnknownName, match="unknown task of anonymous2021frustratingly 'xnl'. Did you mean 'xnli'"):
        sensitivity.by_language("xnl", "l2", "de")
    with pytest.raises(UnknownName, match="unknown setup of anonymous2021frustratingly 'ewc'"):
        sensitivity.over_settings("xnli", "ewc", "en")
    with pytest.raises(UnknownName, match="unknown task"):
        sensitivity.extreme("mini-xquad", "l2")
