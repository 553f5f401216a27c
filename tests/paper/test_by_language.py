"""The papers' scores by language are those of their tables."""

import pytest

from paper.published import BY_LANGUAGE, printed_table, scores, setup_of, tables
from xlgen.core.errors import UnknownName
from xlgen.data.catalogue import TASKS

(PAPER,) = BY_LANGUAGE
PRINTED = [(task, number) for task, numbers in BY_LANGUAGE[PAPER].items() for number in numbers]


@pytest.mark.parametrize(("task", "number"), PRINTED)
def test_every_cell_of_a_table_is_found_by_setup_and_language(task, number):
    table, ours = printed_table(PAPER, number), scores(PAPER, f"mini-{task}")
    assert ours == scores(PAPER, task)
    for row in table.rows:
        assert row.startswith("mBERT, ")
        assert list(ours[setup_of(row)].items()) == [(c, table.cell(row, c).number) for c in ("en", *table.targets)]


def test_a_table_is_of_the_task_that_it_is_said_to_be_of():
    names = {"xnli": "XNLI", "wikiann": "Wikiann", "udpos": "UDPOS", "pawsx": "PAWS-X"}
    for task, number in PRINTED:
        assert names[task] in printed_table(PAPER, number).caption
        assert {*printed_table(PAPER, number).targets} < {*TASKS[task].languages}


def test_the_setups_are_the_rows_of_all_tables_of_a_task():
    three = {"vanilla", "ewc", "l2"}
    assert {task: {*scores(PAPER, task)} for task in BY_LANGUAGE[PAPER]} == {
        "xnli": three | {"prompt", "bitfit", "adapter"},
        "udpos": three | {"prompt", "bitfit", "adapter"},
        "wikiann": three,
        "pawsx": three,
    }
    assert {setup_of(row) for row in printed_table(PAPER, 6).rows} == {"vanilla", "l2", "prompt", "bitfit", "adapter"}
    assert scores(PAPER, "wikiann")["ewc"]["ur"] == 26.48  # from the page


def test_a_task_that_a_paper_does_not_print_is_empty_and_an_unknown_paper_an_error():
    assert scores(PAPER, "mini-other") == scores("bassi2024generalization", "xnli") == {}
    assert len(PRINTED) == len({*PRINTED}) and {n for _, n in PRINTED} <= {t.number for t in tables()}
    with pytest.raises(UnknownName, match="Did you mean 'anonymous2021frustratingly'"):
        scores("anonymous2021frustrating", "xnli")
