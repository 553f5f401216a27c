"""Claims of bassi2024generalization: measures of generalisation and zero-shot accuracy."""

from __future__ import annotations

from xlgen.ledger.claims import CLAIMS, Claim
from xlgen.published.numbers import value

PAPER = "bassi2024generalization"
ROWS = {"baseline": "Baseline", "mvr": "mBERT+MVR", "sam": "mBERT+SAM", "fisher": "mBERT+FIM"}
"""The objectives of mBERT by the name that they have here."""
_HUB = "pretrained weights of {}, which are not shipped"


def _claim(name: str, item: str, sentence: str, kind: str, chapter: str, **facts) -> None:
    CLAIMS.add(f"bassi-{name}", Claim(f"bassi-{name}", PAPER, item, sentence, kind, chapter, **facts))


def _tables() -> None:
    others = {"mt5": "mT5 + Adafactor"}
    for column, goes in (
        ("Margin", "a larger margin goes with a higher"),
        ("Sharpness", "more sharpness goes with a lower"),
    ):
        for name, row in (ROWS | others).items():
            needs = _HUB.format("mT5-small") if name in others else ""
            sentence = f"XNLI, {row}: {goes} test accuracy over the languages."
            number = value(PAPER, 1, row, column)
            key = f"t1-{column.lower()}-{name}"
            _claim(key, "Table 1", sentence, "correlation", "objectives", numbers=(number,), needs=needs)
    models = {"mbert": ("mBERT", ""), "roberta": ("RoBERTa", "roberta-base"), "xlm": ("XLM-R", "xlm-mlm-en-2048")}
    for column, goes in (
        ("Margin", "a larger margin goes with a higher"),
        ("Sharpness", "more sharpness goes with a lower"),
    ):
        for name, (row, hub) in models.items():
            sentence = f"PAWS-X, {row}: {goes} test accuracy over the languages."
            number = value(PAPER, 2, row, column)
            needs = _HUB.format(hub) if hub else ""
            key = f"t2-{column.lower()}-{name}"
            _claim(key, "Table 2", sentence, "correlation", "pawsx", numbers=(number,), needs=needs)
    for name, row in ROWS.items():
        number = value(PAPER, 3, row, "Correlation coefficient of α-sharpness with accuracy")
        goes = "higher" if number.value > 0 else "lower"
        sentence = f"XNLI, {row}: more α-sharpness goes with a {goes} test accuracy over the languages."
        _claim(f"t3-{name}", "Table 3", sentence, "correlation", "objectives", numbers=(number,))


def _figures() -> None:
    _claim(
        "f1-pooled",
        "Figure 1",
        "XNLI, all objectives and languages together: more sharpness goes with a smaller margin.",
        "correlation",
        "synthesis",
        sign=-1,
    )
    _claim(
        "f1-flattest",
        "Figure 1",
        "SAM and the Fisher penalty have less sharpness than the baseline and MVR.",
        "ordering",
        "synthesis",
        pairs=("baseline > sam", "baseline > fisher", "mvr > sam", "mvr > fisher"),
    )
    _claim(
        "f2-pooled",
        "Figure 2",
        "XNLI, all objectives and languages together: more sharpness goes with a lower test accuracy.",
        "correlation",
        "synthesis",
        sign=-1,
    )
    _claim(
        "f2-depends",
        "Figure 2",
        "How sharpness goes with accuracy depends on the objective: the correlation is stronger within the objectives, "
        "in the mean, than over all of them.",
        "difference",
        "synthesis",
        sign=1,
    )
    for name, row in ROWS.items():
        sentence = f"XNLI, {row}: a larger margin on the development split goes with a higher test accuracy."
        _claim(f"f3-{name}", "Figure 3", sentence, "correlation", "synthesis", sign=1)
    for name, row in ROWS.items():
        sentence = f"XNLI, {row}: more difference-based sharpness goes with a lower test accuracy."
        _claim(f"f4-{name}", "Figure 4", sentence, "correlation", "synthesis", sign=-1)
    _claim(
        "f5-weak",
        "Figure 5",
        "Over runs, the Frobenius distance from the initial weights has no strong relation with test accuracy.",
        "small",
        "synthesis",
        bound=0.5,
    )
    others = ("baseline", "sam", "mvr")
    _claim(
        "f5-distance",
        "Figure 5",
        "The Fisher penalty ends farther from the initial weights than the other objectives.",
        "ordering",
        "synthesis",
        pairs=tuple(f"fisher > {name}" for name in others),
    )
    _claim(
        "f5-accuracy",
        "Figure 5",
        "The Fisher penalty has a lower test accuracy than the other objectives.",
        "ordering",
        "synthesis",
        pairs=tuple(f"{name} > fisher" for name in others),
    )
    _claim(
        "f6-stable",
        "Figure 6",
        "Over seeds, accuracy varies less with SAM, MVR and the Fisher penalty than with the baseline (differences of "
        "the logarithm of the standard deviation).",
        "ordering",
        "stability",
        pairs=("baseline > sam", "baseline > mvr", "baseline > fisher"),
    )
    _claim(
        "f6-most-stable",
        "Figure 6",
        "Over seeds, accuracy varies least with the Fisher penalty (differences of the logarithm of the standard "
        "deviation).",
        "ordering",
        "stability",
        pairs=("baseline > fisher", "sam > fisher", "mvr > fisher"),
    )
    _claim(
        "f6-best",
        "Figure 6",
        "SAM has the highest mean zero-shot accuracy.",
        "ordering",
        "stability",
        pairs=("sam > baseline", "sam > mvr", "sam > fisher"),
    )
    for name in ("baseline", "sam"):
        sentence = f"XNLI, {ROWS[name]}: α-sharpness (1/α²) has no strong relation with test accuracy."
        _claim(f"f7-{name}", "Figure 7", sentence, "small", "synthesis", bound=0.5)
    for name in ("mvr", "fisher"):
        sentence = f"XNLI, {ROWS[name]}: more α-sharpness (1/α²) goes with a lower test accuracy."
        _claim(f"f7-{name}", "Figure 7", sentence, "correlation", "synthesis", sign=-1)
    _claim(
        "f7-extreme",
        "Figure 7",
        "The search of α ends at an end of its bracket, in most languages and models.",
        "share",
        "synthesis",
        sign=1,
    )


_tables()
_figures()
