"""Claims of anonymous2021frustratingly on hyper-parameters: five settings, and an extreme learning rate."""

from __future__ import annotations

from xlgen.ledger.l2_transfer import PAPER, TASKS, claim, column
from xlgen.published.numbers import Number, compare, share
from xlgen.published.printed import printed_table

VANILLA, L2 = "mBERT, Vanilla", "mBERT, w/ L2"


def _settings() -> None:
    for task, title in TASKS.items():
        of = column(3, task)
        gain = compare("difference", PAPER, 3, of, (f"{L2}, zero-shot", f"{VANILLA}, zero-shot"))
        sentence = (
            f"{title}: over five settings, the mean zero-shot score is higher with L2 than with vanilla fine-tuning."
        )
        claim(f"t3-{task}-mean", "Table 3", sentence, "difference", "stability", numbers=(gain,))
        spread = compare("ratio", PAPER, 3, of, (f"{L2}, zero-shot", f"{VANILLA}, zero-shot"), "std")
        sentence = (
            f"{title}: over five settings, the zero-shot score varies less with L2 than with vanilla fine-tuning "
            "(ratio of the standard deviations)."
        )
        claim(f"t3-{task}-spread", "Table 3", sentence, "ratio", "stability", numbers=(spread,))
        spread = compare("ratio", PAPER, 3, of, (f"{VANILLA}, zero-shot", f"{VANILLA}, en"), "std")
        sentence = (
            f"{title}: over five settings of vanilla fine-tuning, the zero-shot score varies more than the English one "
            "(ratio of the standard deviations)."
        )
        claim(f"t3-{task}-english", "Table 3", sentence, "ratio", "stability", numbers=(spread,))
    claim(
        "t10-settings",
        "Table 10",
        "Each task is trained with these five settings, vanilla and with L2.",
        "procedure",
        "stability",
    )


def _languages() -> None:
    for number, task in {4: "xnli", 11: "wikiann", 12: "udpos", 13: "pawsx"}.items():
        mean, less = (share(PAPER, *rows, part) for rows, part in (
            (((number, L2), (number, VANILLA)), "value"), (((number, VANILLA), (number, L2)), "std"),
        ))  # fmt: skip
        for name, found, words in (
            ("mean", mean, "the mean score is higher"),
            ("spread", less, "the score varies less"),
        ):
            k, n = found.wins
            sentence = (
                f"{TASKS[task]}: over five settings, {words} with L2 than with vanilla fine-tuning in {k} of {n} "
                "languages."
            )
            claim(f"t{number}-{name}", f"Table {number}", sentence, "share", "stability", numbers=(found,))


def _extreme() -> None:
    table = printed_table(PAPER, 14)
    for task, title in TASKS.items():
        number = Number("difference", (table.cell(L2, title), table.cell(VANILLA, title)))
        sentence = (
            f"{title}: at an extreme learning rate (1e-4), the mean zero-shot score is higher with L2 than with "
            "vanilla fine-tuning."
        )
        claim(f"t14-{task}", "Table 14", sentence, "difference", "stability", numbers=(number,))


_settings()
_languages()
_extreme()
