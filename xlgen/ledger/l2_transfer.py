"""Claims of anonymous2021frustratingly on zero-shot scores: L2, EWC, Fréchet distances, frozen encoders, XLM-R Large.

Scores and their differences are in percent, as printed.
"""

from __future__ import annotations

from xlgen.ledger.claims import CLAIMS, Claim
from xlgen.published.numbers import Number, compare, share, value
from xlgen.published.printed import printed_table

PAPER = "anonymous2021frustratingly"
TASKS = {"xnli": "XNLI", "wikiann": "Wikiann", "udpos": "UDPOS", "pawsx": "PAWSX"}
"""The tasks by the name that they have here."""
CHAPTER = {"xnli": "l2_ewc", "wikiann": "tagging", "udpos": "tagging", "pawsx": "l2_ewc"}


def claim(name: str, item: str, sentence: str, kind: str, chapter: str, **facts) -> None:
    """Enter a claim of the paper."""
    CLAIMS.add(f"l2-{name}", Claim(f"l2-{name}", PAPER, item, sentence, kind, chapter, **facts))


def column(table: int, task: str) -> str:
    """The column of a task: its heading starts with the task's name."""
    return next(name for name in printed_table(PAPER, table).columns if name.startswith(TASKS[task]))


def _averages() -> None:
    for task, title in TASKS.items():
        for name, row, words in (("ewc", "w/ EWC", "lower with EWC"), ("l2", "w/ L2", "higher with L2")):
            number = compare("difference", PAPER, 1, column(1, task), (f"mBERT, {row}", "mBERT, Vanilla"))
            sentence = f"{title}: the mean zero-shot score is {words} than with vanilla fine-tuning."
            claim(f"t1-{task}-{name}", "Table 1", sentence, "difference", CHAPTER[task], numbers=(number,))


def _languages() -> None:
    names = {"xnli": ("vanilla", "w/ EWC", "w/ L2"), "udpos": ("vanilla", "ewc", "l2")}
    for number, task in {2: "xnli", 7: "wikiann", 8: "udpos", 9: "pawsx"}.items():
        vanilla, ewc, l2 = (f"mBERT, {name}" for name in names.get(task, ("Vanilla", "w/ EWC", "w/ L2")))
        for name, first, words in (("l2", l2, "L2 is"), ("ewc", ewc, "EWC is")):
            found = share(PAPER, (number, first), (number, vanilla))
            k, n = found.wins
            sentence = f"{TASKS[task]}: {words} better than vanilla fine-tuning in {k} of {n} languages."
            claim(f"t{number}-{name}", f"Table {number}", sentence, "share", CHAPTER[task], numbers=(found,))


def _frechet() -> None:
    for corpus, text in (("Wiki", "Wikipedia"), ("XNLI", "the XNLI test set")):
        for task, title in TASKS.items():
            number = value(PAPER, 5, corpus, column(5, task))
            goes = "lower" if number.value < 0 else "higher"
            sentence = (
                f"{title}: a larger Fréchet distance from English, with the Fisher information of {text}, goes with a "
                f"{goes} zero-shot score."
            )
            claim(f"t5-{corpus.lower()}-{task}", "Table 5", sentence, "correlation", "frechet", numbers=(number,))


FROZEN = {
    "prompt": ("w/ soft prompts", "soft prompts (Lester et al., 2021)", "soft prompts"),
    "bitfit": ("w/ bitfit", "bitfit (Zaken et al., 2021)", "BitFit"),
    "adapter": ("w/ adapter", "adapter (Houlsby et al., 2019)", "adapters"),
}
"""The frozen techniques by the name that they have here: rows of Table 6, rows of Tables 17 and 18, in words."""


def _pair(test: str, first: str, second: str) -> Number:
    rows = {"baseline": "Vanilla", "l2": "w/ L2"} | {name: row for name, (row, *_) in FROZEN.items()}
    return compare("difference", PAPER, 6, test, (rows[first], rows[second]))


def _frozen() -> None:
    for task, test, pairs, words in (
        (
            "xnli",
            "zero-shot XNLI (Acc.)",
            ("l2 > adapter", "adapter > baseline", "baseline > bitfit", "baseline > prompt"),
            "XNLI, zero-shot: L2 is better than adapters, adapters are better than vanilla fine-tuning, and BitFit and "
            "soft prompts are worse.",
        ),
        (
            "udpos",
            "zero-shot UDPOS (F1)",
            ("l2 > baseline", "baseline > adapter", "baseline > bitfit", "baseline > prompt"),
            "UDPOS, zero-shot: L2 is better than vanilla fine-tuning, and all frozen techniques are worse.",
        ),
        *(
            (
                f"{task}-en",
                f"en (test set) {name}",
                ("baseline > adapter", "baseline > bitfit", "baseline > prompt"),
                f"{TASKS[task]}, English: all frozen techniques are worse than vanilla fine-tuning.",
            )
            for task, name in (("xnli", "XNLI (Acc.)"), ("udpos", "UDPOS (F1)"))
        ),
    ):
        numbers = tuple(_pair(test, *pair.split(" > ")) for pair in pairs)
        claim(f"t6-{task}", "Table 6", words, "ordering", "frozen", pairs=pairs, numbers=numbers)
    claim(
        "t16-settings",
        "Table 16",
        "The frozen techniques are trained with these hyper-parameters.",
        "procedure",
        "frozen",
    )
    for number, task, other in ((17, "xnli", (2, "mBERT, vanilla")), (18, "udpos", (8, "mBERT, vanilla"))):
        for name, (_, row, words) in FROZEN.items():
            found = share(PAPER, (number, f"mBERT, {row}"), other)
            k, n = found.wins
            be = "is" if name == "bitfit" else "are"
            sentence = f"{TASKS[task]}: {words} {be} better than vanilla fine-tuning in {k} of {n} languages."
            claim(f"t{number}-{name}", f"Table {number}", sentence, "share", "frozen", numbers=(found,))


def _variants() -> None:
    rows = {
        "baseline": "Vanilla",
        "ewc": "w/ EWC (fr)",
        "ewc_two": "w/ EWC (fr+en)",
        "ewc_mix": "w/ EWC (mix fr-en)",
        "l2": "w/ L2",
    }
    for language, pairs, words in (
        (
            "fr",
            ("ewc > baseline", "ewc > ewc_two", "ewc > ewc_mix", "l2 > ewc"),
            "French: EWC with the Fisher information of French is better than vanilla fine-tuning and than the two "
            "other variants of EWC, and L2 is better still.",
        ),
        (
            "en",
            ("ewc_two > ewc", "ewc_mix > ewc"),
            "English: the two variants of EWC that have seen English text are better than EWC with the Fisher "
            "information of French.",
        ),
    ):
        found = (tuple(f"mBERT, {rows[name]}" for name in pair.split(" > ")) for pair in pairs)
        numbers = tuple(compare("difference", PAPER, 15, language, pair) for pair in found)
        claim(f"t15-{language}", "Table 15", words, "ordering", "l2_ewc", pairs=pairs, numbers=numbers)


def _figures() -> None:
    claim(
        "f1-zero-shot",
        "Figure 1",
        "XNLI: over λ the zero-shot accuracy rises above that without the penalty and falls again where the penalty "
        "is too large (best: the λ with the highest English development accuracy).",
        "ordering",
        "l2_ewc",
        pairs=("best > none", "best > largest"),
    )
    claim(
        "f1-english",
        "Figure 1",
        "XNLI: English accuracy is higher with a small penalty than with a large one.",
        "ordering",
        "l2_ewc",
        pairs=("smallest > largest",),
    )
    claim(
        "f2-steps",
        "Figure 2",
        "EWC takes its Fisher information from text of the target language, trains on English, and is tested on the "
        "target language without any example of it.",
        "procedure",
        "l2_ewc",
    )


def _large() -> None:
    needs = "pretrained weights of XLM-R Large, which are not shipped"
    reported = "XLM-R Large, (Hu et al., 2020)"
    for number, task in {19: "xnli", 20: "wikiann", 21: "udpos", 22: "pawsx"}.items():
        for name, row, words in (
            ("l2", "XLM-R Large, Vanilla", "with vanilla fine-tuning"),
            ("reported", reported, "what Hu et al. (2020) report"),
        ):
            found = compare("difference", PAPER, number, "Avg.", ("XLM-R Large, w/ L2", row))
            better = "higher" if found.value > 0 else "lower"
            sentence = f"{TASKS[task]}, XLM-R Large: the mean zero-shot score with L2 is {better} than {words}."
            key = f"t{number}-{name}"
            claim(key, f"Table {number}", sentence, "difference", CHAPTER[task], numbers=(found,), needs=needs)


_averages()
_languages()
_frechet()
_frozen()
_variants()
_figures()
_large()
