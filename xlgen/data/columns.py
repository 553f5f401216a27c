"""Which column of a file is what: as the user has named it, or guessed from its name."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from xlgen.core.errors import DataError, UnknownName
from xlgen.data.formats import header_of

LANGUAGE = ("language", "lang", "language_code", "lang_code", "lang_id", "lang_iso", "locale", "iso")

GUESSES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "sequence": {
        "first": ("first", "premise", "sentence1", "text1", "text_a", "question1"),
        "second": ("second", "hypothesis", "hypo", "sentence2", "text2", "text_b", "question2"),
        "label": ("label", "gold_label", "class"),
        "language": LANGUAGE,
    },
    "token": {
        "words": ("words", "tokens", "word", "form"),
        "tags": ("tags", "ner_tags", "pos_tags", "upos", "labels", "tag", "label"),
        "language": LANGUAGE,
    },
}
"""By kind of task, what each column is called, the likeliest name first."""

NEEDED = {"sequence": ("first", "second"), "token": ("words",)}


def columns_of(file: Path, kind: str, named: Mapping[str, str]) -> dict[str, str]:
    """The columns of a file by what they are.

    Args:
        file: not of CoNLL, which has no names of columns.
        kind: of the task.
        named: the user's names of columns, by those of :data:`GUESSES`; others are guessed.

    Raises:
        UnknownName: the file lacks a column that is named.
        DataError: two columns have one name, or one that is needed is not there.
    """
    header = header_of(file)
    found = {}
    if twice := [name for name, n in Counter(header).items() if n > 1]:
        raise DataError(f"{file}: {header.count(twice[0])} columns are called {twice[0]!r}; expected different names.")
    for what, likely in GUESSES[kind].items():
        if what in named:
            if named[what] not in header:
                raise UnknownName(f"column of {file} for {what}", named[what], header)
            found[what] = named[what]
            continue
        by_name = {name.lower(): name for name in reversed(header) if name not in named.values()}
        if guess := next((by_name[name] for name in likely if name in by_name), None):
            found[what] = guess
    for what in NEEDED[kind]:
        if what not in found:
            likely = GUESSES[kind][what]
            free = [name for name in header if name not in found.values()]
            near = [x for name in likely for x in difflib.get_close_matches(name, free, n=1, cutoff=0.75)]
            pairs = "pairs of sentences, and so " if kind == "sequence" else ""
            hint = f" Did you mean {what}={near[0]}?" if near else ""
            raise DataError(
                f"{file}: no column for {what!r} among {', '.join(header)[:200]}; expected {pairs}one of "
                f"{', '.join(likely)}, or its name as --columns {what}=NAME.{hint}"
            )
    return found
