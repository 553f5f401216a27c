"""Claims of stickland2021regularising: the trace of the Fisher information and consistency losses."""

from __future__ import annotations

from xlgen.ledger.claims import CLAIMS, Claim

PAPER = "stickland2021regularising"


def _claim(name: str, item: str, sentence: str, kind: str, chapter: str, **facts) -> None:
    CLAIMS.add(f"stickland-{name}", Claim(f"stickland-{name}", PAPER, item, sentence, kind, chapter, **facts))


for _name, _sentence, _facts in (
    (
        "accuracy",
        "XNLI, over models with other weights of a penalty: a larger Tr F at the end of training goes with a lower "
        "English development accuracy.",
        {"kind": "correlation", "sign": -1},
    ),
    (
        "consistency",
        "Tr F falls as the weight of the consistency loss grows.",
        {"kind": "correlation", "sign": -1},
    ),
    (
        "penalty",
        "Tr F falls as the weight of the Fisher penalty grows.",
        {"kind": "correlation", "sign": -1},
    ),
    (
        "similar",
        "The Fisher penalty does what the consistency loss does: the best English development accuracy of the two "
        "differs by at most one point.",
        {"kind": "small", "bound": 1.0},
    ),
):
    _claim(f"f1-{_name}", "Figure 1", _sentence, chapter="fisher", **_facts)

for _language in ("de", "es", "zh"):
    _claim(
        f"f2-{_language}",
        "Figure 2",
        f"PAWS-X, {_language}: the smaller Tr F is after training on English, the more the development accuracy of the "
        "language rises when the model is trained on that language too.",
        "correlation",
        "pawsx",
        sign=-1,
    )
