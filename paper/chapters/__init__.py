"""What the chapters on fine-tuned models share: their parameters, what is measured on what, tables and boxes of a page.

Every chapter measures with :func:`study_measures`, so that a model that two chapters need is trained and measured once.
"""

from paper.chapters.evidence import Evidence
from paper.chapters.page import (
    NAMES,
    adds,
    beside,
    box,
    conflicts,
    correlation_table,
    published,
    records_box,
    run_table,
    saturation,
    table,
    unlearnt,
)
from paper.chapters.parameters import MIN_TARGETS, by_name, given, options_for, scale_of, spoken, words
from paper.chapters.rows import PREDICTED, collect, column, commonest, held_fixed, partial, study_measures
from paper.chapters.say import Say, facts
from paper.notebook import ledger_folder

__all__ = [
    "MIN_TARGETS",
    "NAMES",
    "PREDICTED",
    "Evidence",
    "Say",
    "adds",
    "beside",
    "box",
    "by_name",
    "collect",
    "column",
    "commonest",
    "conflicts",
    "correlation_table",
    "facts",
    "given",
    "held_fixed",
    "ledger_folder",
    "options_for",
    "partial",
    "published",
    "records_box",
    "run_table",
    "saturation",
    "scale_of",
    "spoken",
    "study_measures",
    "table",
    "unlearnt",
    "words",
]
