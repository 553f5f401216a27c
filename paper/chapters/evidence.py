"""What a chapter found for the claims that it tests, on its way to the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from paper import ledger
from paper.chapters.page import table
from paper.chapters.parameters import scale_of
from paper.notebook import ledger_folder
from paper.records import Obtained
from xlgen.analysis import AnalysisError, Correlation, Interval
from xlgen.core.errors import UnknownName

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import HTML


REAL_DATA = ledger.SCALES[1]


class Evidence:
    """The evidence of a chapter: what was found for a claim, or why it was not run.

    A chapter settles claim after claim, and shows what became of those of a table or figure::

        evidence = chapters.Evidence("tagging", found, preset, changed, store=options.store)
        evidence.settle("l2-t7-l2", interval_of_mean(differences), keys)
        evidence.table("Table 7")
        evidence.left_out("not among the parameter tasks")

    As a context manager it says at its end of all claims that were not settled in it why not::

        with chapters.Evidence("xnli", found, preset, changed, missing="needs both objectives") as evidence:
            evidence.settle("bassi-t1-margin-sam", correlation, [run])

    What the chapter had recorded before is taken out when the object is made.

    Args:
        chapter: its file name.
        found: the models.
        preset: of the sizes.
        changed: settings that differ from the preset's (see :func:`paper.chapters.scale_of`).
        store: folder of the results (see :func:`paper.notebook.ledger_folder`).
        missing: why a claim that is not settled was not run.
    """

    def __init__(
        self,
        chapter: str,
        found: Obtained | None = None,
        preset: str = "mini",
        changed: Mapping[str, object] | None = None,
        *,
        store: Path | None = None,
        missing: str = "left out by the parameters of this chapter",
    ):
        self.chapter, self.found, self.missing = chapter, found, missing
        self.scale = scale_of(preset, changed or {})
        self.folder = ledger_folder(store)
        self.claims = {claim.id: claim for claim in ledger.claims(chapter=chapter)}
        self.records: dict[str, ledger.Record] = {}
        self.real: dict[str, ledger.Record] = {}
        ledger.clear(chapter, folder=self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.left_out(self.missing)

    def settle(
        self,
        claim: str,
        numbers: Mapping[str, Any] | Interval | Correlation | Callable[[], Any],
        keys: Iterable[Hashable] | None = None,
        found: Obtained | None = None,
    ) -> ledger.Record:
        """Record what was found for a claim.

        Args:
            claim: its id.
            numbers: keywords of :func:`paper.ledger.record`, an interval or a correlation, or a function that computes
                one of them and raises an error where it cannot.
            keys: of the models that it rests on; all of them unless given.
            found: where those models are, if not those of the chapter.

        Raises:
            UnknownName: there is no such claim.
            LedgerError: the claim is another chapter's, or a number is not what its kind of evidence needs.
        """
        found = found or self.found
        keys = list(found.runs if keys is None else keys)
        try:
            numbers = numbers() if callable(numbers) else numbers
            if isinstance(numbers, Correlation) and numbers.status != "ok":
                raise AnalysisError(f"no correlation: {numbers.reason}")
        except (AnalysisError, ledger.LedgerError) as error:
            return self.not_run(claim, str(error))
        numbers = ledger.of(numbers) if isinstance(numbers, Interval | Correlation) else dict(numbers)
        runs = [found.runs[key] for key in keys]
        numbers = {
            "seeds": sorted({run.config.seed for run in runs}),
            "pairs": sorted({run.manifest["train_pairs"] for run in runs}),
            "run_keys": [run.key for run in runs],
            "live": found.live.issuperset(keys),
            "scale": self.scale,
        } | numbers
        self.records[claim] = ledger.record(self.chapter, claim, **numbers, folder=self.folder)
        return self.records[claim]

    def settle_recorded(
        self, claim: str, numbers: Mapping[str, Any] | Interval | Correlation, rows: pd.DataFrame
    ) -> ledger.Record | None:
        """Record what committed records of real models say of a claim: a row of its own, at the scale *real data*.

        It stands beside the chapter's own row of the claim; in a chapter that is at that scale itself nothing is
        recorded, as its own models answer there::

            rows = records.recorded(task="xnli", model="e5-small", objective="baseline")
            wide = rows[rows.language != "en"].pivot_table("value", "language", "measure")
            r = correlate(wide.dev_margin, wide.accuracy)
            evidence.settle_recorded("bassi-f3-baseline", r, rows)

        Args:
            claim: its id.
            numbers: as of :meth:`settle`.
            rows: of :func:`paper.records.recorded`, all that the numbers were computed from; seeds, training examples
                and runs are theirs.

        Raises:
            UnknownName: there is no such claim.
            LedgerError: there are no rows, the claim is another chapter's, or a number is not what its kind needs.
        """
        if rows.empty:
            raise ledger.LedgerError(f"claim {claim!r} has no recorded rows; expected some of records.recorded.")
        if self.scale == REAL_DATA:
            return None
        numbers = ledger.of(numbers) if isinstance(numbers, Interval | Correlation) else dict(numbers)
        about = {"seeds": rows.seed, "pairs": rows.train_size, "run_keys": rows.key}
        about = {name: sorted(set(column)) for name, column in about.items()}
        facts = about | {"scale": REAL_DATA, "live": False}
        self.real[claim] = ledger.record(self.chapter, claim, **facts | numbers, folder=self.folder)
        return self.real[claim]

    def settle_pairs(
        self, claim: str, difference: Callable[[str, str], Interval], keys: Callable[[str], Iterable[Hashable]]
    ) -> ledger.Record:
        """Record what was found for an ordering.

        Args:
            claim: its id.
            difference: of two names of its pairs, the interval of the first minus the second.
            keys: of the models of a name.

        Raises:
            UnknownName: there is no such claim of the chapter.
        """
        if claim not in self.claims:
            raise UnknownName(f"claim of {self.chapter}", claim, self.claims)
        pairs = {pair: pair.split(" > ") for pair in self.claims[claim].pairs}
        involved = dict.fromkeys(key for pair in pairs.values() for name in pair for key in keys(name))
        numbers = ledger.of_pairs({pair: difference(*names) for pair, names in pairs.items()})
        return self.settle(claim, numbers, involved)

    def not_run(self, claim: str, why: str) -> ledger.Record:
        """Record why a claim was not run."""
        self.records[claim] = ledger.not_run(self.chapter, claim, why, folder=self.folder)
        return self.records[claim]

    def left_out(self, why: str) -> None:
        """Record why every claim of the chapter that was not settled was not run."""
        for claim in self.claims.keys() - self.records.keys() - self.real.keys():
            self.not_run(claim, why)

    def choice(self, contradiction: str, sentence: str) -> None:
        """Record how much a choice matters where the papers contradict themselves or each other."""
        ledger.choice(self.chapter, contradiction, sentence, folder=self.folder)

    def rows(self, *items: str) -> list[ledger.Row]:
        """The ledger's rows of the chapter's claims, of these tables and figures or of all."""
        rows = ledger.rows([*self.records.values(), *self.real.values()])
        return [row for row in rows if row.chapter == self.chapter and (not items or row.item in items)]

    def verdict(self, claim: str) -> ledger.Verdict:
        """What became of a claim, in the ledger's words."""
        return ledger.verdict(self.claims[claim], self.records.get(claim))

    def table(self, *items: str, caption: str = "What became of the claims") -> HTML:
        """The claims of these tables and figures, with what became of them; at which scale, if there are several."""
        rows = self.rows(*items)
        several = len({row.scale for row in rows if row.scale}) > 1
        body = [
            (
                row.item,
                row.sentence,
                *([row.scale] if several else []),
                *("; ".join(text.split("\n")) for text in (row.number, row.ours)),
                f"{row.verdict}: {row.because}",
            )
            for row in rows
        ]
        return table(("", "claim", *["scale"] * several, "paper", "ours [95 %]", "verdict"), body, caption)

    @property
    def tally(self) -> str:
        """How many claims came out how, in the ledger's words."""
        counts = Counter(self.verdict(claim).outcome for claim in self.records)
        return ", ".join(f"{outcome} {counts[outcome]}" for outcome in ledger.OUTCOMES if counts[outcome])
