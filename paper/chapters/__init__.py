"""What the chapters on fine-tuned models share: their parameters, what is measured on what, tables and boxes of a page.

Every chapter measures with :func:`study_measures`, so that a model that two chapters need is trained and measured once.
"""

from paper.chapters.comparison import Comparison, means_table, score_frame
from paper.chapters.evidence import Evidence
from paper.chapters.noise import NOISE_HEAD, errors_apart, noise, noise_cells, noise_of, reliability_text, shares
from paper.chapters.page import (
    NAMES,
    adds,
    beside,
    box,
    conflicts,
    correlation_table,
    own_contradictions,
    published,
    records_box,
    run_table,
    saturation,
    show,
    table,
    unlearnt,
)
from paper.chapters.parameters import MIN_TARGETS, by_name, given, how_many, options_for, scale_of, spoken, words
from paper.chapters.quadratic import Quadratic, quadratic
from paper.chapters.real import (
    ENCODER,
    SEEDS,
    compared,
    real_box,
    real_order,
    real_relations,
    real_setups,
    real_table,
)
from paper.chapters.real_figures import real_models, real_scatter, real_together
from paper.chapters.rows import (
    PREDICTED,
    best_constant,
    column,
    commonest,
    constant_tag,
    held_fixed,
    partial,
    score_table,
    study_measures,
    with_both_errors,
)
from paper.chapters.say import Say, facts
from paper.chapters.setups import rows_of, setups_of
from paper.notebook import ledger_folder

__all__ = [
    "ENCODER",
    "MIN_TARGETS",
    "NAMES",
    "NOISE_HEAD",
    "PREDICTED",
    "SEEDS",
    "Comparison",
    "Evidence",
    "Quadratic",
    "Say",
    "adds",
    "beside",
    "best_constant",
    "box",
    "by_name",
    "column",
    "compared",
    "commonest",
    "conflicts",
    "constant_tag",
    "errors_apart",
    "correlation_table",
    "facts",
    "given",
    "held_fixed",
    "how_many",
    "ledger_folder",
    "means_table",
    "noise",
    "noise_cells",
    "noise_of",
    "options_for",
    "own_contradictions",
    "partial",
    "published",
    "quadratic",
    "real_box",
    "real_models",
    "real_order",
    "real_relations",
    "real_scatter",
    "real_setups",
    "real_table",
    "real_together",
    "records_box",
    "rows_of",
    "run_table",
    "saturation",
    "scale_of",
    "score_frame",
    "score_table",
    "setups_of",
    "reliability_text",
    "shares",
    "show",
    "spoken",
    "study_measures",
    "with_both_errors",
    "table",
    "unlearnt",
    "words",
]
