"""All measures of a protocol's models as tables of models and languages, and the tables of a page that compare them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from paper.chapters.page import NAMES, table
from paper.protocols.base import PREDICTED
from paper.records import Obtained
from xlgen.analysis import Clustered, correlate, signed
from xlgen.analysis.contest import Contest, contest
from xlgen.core.errors import ConfigError
from xlgen.data.catalogue import TASKS

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import HTML

NAMES_OF_ALL = NAMES | {
    "loss": "loss (test) [nats]",
    "margin_p10": "margin, 10th percentile (test)",
    "margin_logit": "margin of logits (test)",
    "margin_logit_p10": "margin of logits, 10th p. (test)",
    "sharpness_adaptive": "sharpness, adaptive [nats]",
    "fisher_trace": "Tr F",
    "hessian_eigenvalue": "top eigenvalue of the Hessian",
    "frechet": "Fréchet distance to English",
    "frobenius": "distance from the pretrained weights",
    "confidence": "mean confidence",
    "confidence_scaled": "mean confidence, scaled on English",
    "doc": "difference of confidences (DoC)",
    "atc": "thresholded confidence (ATC)",
    "atc_entropy": "thresholded entropy (ATC)",
    "entropy": "entropy [nats]",
    "entropy_of_mean": "entropy of the mean prediction [nats]",
    "nuclear_norm": "nuclear norm of the predictions",
    "cot": "optimal transport of confidence (COT)",
    "cott": "thresholded transport (COTT)",
    "dropout_agreement": "agreement of dropout masks",
    "representation_distance": "distance of representations from English",
    "fertility": "sub-words a word",
    "unknown_rate": "share of unknown sub-words",
    "pretraining_share": "text in pretraining [decades]",
}
"""How the measures of the protocol ``seeds`` are named on a page."""
ALPHA = 0.05
"""The largest corrected p-value with which a measure is called related."""
MISSING = 0.1
"""The largest share of values that are bounds with which a measure goes into a joint regression."""


class MeasureTables:
    """The measures of the models of a protocol with keys (objective, seed), beside their accuracy.

    Of the margins of what is classified correctly, only that of the development split (Figure 3) is among them.

    Args:
        found: the models.

    Attributes:
        keys: of the models.
        languages: other than the source language.
        frame: :attr:`paper.records.Obtained.frame` of these measures.
        tried: the measures but accuracy; those that need no label first, those of the test predictions last.
        candidates: those that are not computed from the very predictions of which accuracy is the share correct.
        with_all: keys of the models that have every measure.
        tables: by measure, (models, languages); ``nan`` where a value is missing or a bound.

    Raises:
        ConfigError: no model has every measure.
    """

    def __init__(self, found: Obtained):
        import pandas as pd

        frame, self.keys = found.frame, list(found.runs)
        correct = frame.measure.str.endswith("_correct")
        self.frame = frame = pd.concat([frame[~correct], frame[frame.measure == "dev_margin_correct"]])
        self.about = frame.groupby("measure", sort=False).last()
        task = TASKS[frame.task.iloc[0]]
        self.languages = [c for c in task.languages if c in set(frame.language) - {task.source_language}]
        place = list(self.about.index).index
        self.tried = sorted(set(self.about.index) - {"accuracy"}, key=lambda m: (*self._order(m), place(m)))
        self.candidates = [m for m in self.tried if not self.same_predictions(m)]
        have = frame.groupby(["objective", "seed"]).measure.agg(set)
        self.with_all = [key for key in self.keys if have[key] >= set(self.tried)]
        if not self.with_all:
            raise ConfigError("thorough names none of the seeds; expected at least one whose models get every measure.")
        self.tables = {m: self._table(m) for m in (*self.tried, "accuracy")}

    def needs_labels(self, measure: str) -> bool:
        """Whether it is computed with true labels of the target language."""
        return "true labels" in self.about.on[measure]

    def same_predictions(self, measure: str) -> bool:
        """Whether it is computed from the predictions of which accuracy is the share of correct ones."""
        return measure in PREDICTED

    def mostly_there(self, measure: str) -> bool:
        """Whether at most :data:`MISSING` of its values are bounds, of the models that have every measure."""
        return self.bounds(measure) <= MISSING

    def bounds(self, measure: str) -> float:
        """The share of values that are no measurement, of the models that have every measure."""
        rows = [self.keys.index(key) for key in self.with_all]
        return float(np.mean(~np.isfinite(self.tables[measure][rows])))

    def having(self, measure: str) -> list[tuple[str, int]]:
        """Keys of the models that have it in some language."""
        return [key for key, row in zip(self.keys, self.tables[measure], strict=True) if np.isfinite(row).any()]

    def sets_of(self, measures: Sequence[str]) -> dict[str, list[str]]:
        """Those without labels, those with labels, and all together: the joint regressions."""
        sets = {"all without labels": [m for m in measures if not self.needs_labels(m)]}
        sets |= {"all with labels": [m for m in measures if self.needs_labels(m)], "all together": list(measures)}
        return {title: chosen for title, chosen in sets.items() if len(chosen) > 1}

    def settled(self, answer: Mapping[str, Clustered], p: Mapping[str, float]) -> list[str]:
        """Candidates with a corrected p-value of at most 5 % and an interval without 0, the strongest first."""
        passed = [m for m in self.candidates if p[m] <= ALPHA and 0 not in answer[m].interval]
        return sorted(passed, key=lambda m: -abs(answer[m].value))

    def table(self, caption: str) -> HTML:
        """What each measure needs, and of how many examples and models it is known."""
        rows, source = [], TASKS[self.frame.task.iloc[0]].source_language
        for m in self.tried:
            of_m = self.frame[self.frame.measure == m]
            targets, n = of_m[of_m.language != source], self.about.n[m.removesuffix("_correct")]
            of_it = [
                self._labels(m),
                self.about.on[m].split(",")[0],
                f"{int(n):,}" if n > 0 else "",
                of_m.key.nunique(),
            ]
            rows.append((self._dagger(m), *of_it, f"{(targets.status != 'ok').sum()} of {len(targets)}"))
        head = ("measure", "labels in the target language", "computed on", "examples", "models", "values left out")
        return table(head, rows, caption)

    def answers(
        self,
        answer: Mapping[str, Mapping[str, Clustered]],
        adjusted: Mapping[str, Mapping[str, float]],
        caption: str,
    ) -> HTML:
        """Coefficients with interval, p and corrected p, by coefficient, a row a measure."""
        rows = []
        for m in self.tried:
            c = answer["pearson"][m]
            row = [self._dagger(m), self._labels(m)]
            if c.status != "ok":
                rows.append((*row, "", f"undefined: {c.reason}", *[""] * (3 * len(answer) - 2)))
                continue
            row.append(f"{c.groups} × {c.clusters}" + (f" ({c.left_out} left out)" if c.left_out else ""))
            for kind in answer:
                row += [str(answer[kind][m].interval), p_text(answer[kind][m].p), p_text(adjusted[kind][m])]
            rows.append(row)
        head = [cell for kind in answer for cell in (f"{kind.capitalize()} [95 %]", "p", "Holm")]
        return table(("", "labels", "table", *head), rows, caption)

    def _order(self, measure: str) -> tuple[bool, ...]:
        return self.same_predictions(measure), self.needs_labels(measure), not measure.startswith("dev_")

    def _table(self, measure: str) -> NDArray:
        import pandas as pd

        rows = self.frame[(self.frame.measure == measure) & (self.frame.status == "ok")]
        wide = rows.pivot(index=["objective", "seed"], columns="language", values="value")
        columns = ["all"] * len(self.languages) if "all" in wide else self.languages  # one number a model
        return wide.reindex(index=pd.MultiIndex.from_tuples(self.keys), columns=columns).to_numpy(dtype=float)

    def _labels(self, measure: str) -> str:
        return "needed" if self.needs_labels(measure) else "not needed"

    def _dagger(self, measure: str) -> str:
        return named(measure) + (" †" if self.same_predictions(measure) else "")


def forecasts(frame: pd.DataFrame, source: str) -> list[dict[str, Any]]:
    """Each measure of each model as a forecast of one language from the others, by a straight line.

    Args:
        frame: of :func:`paper.records.recorded`, of one task; measures with a value in every target language are taken.
        source: language of the training data; it is left out.

    Returns:
        Rows with ``key``, ``objective``, ``measure``, whether it ``needs_labels`` of the language and is computed from
        the ``same_predictions`` as accuracy, ``r`` (an interval), and the mean absolute ``error`` [points] beside the
        ``baseline``, that of the mean of the other languages (intervals over languages).
    """
    rows = []
    if frame.empty:
        return rows
    frame = frame[(frame.status == "ok") & ~frame.language.isin([source, "all"])]
    for (key, objective), part in frame.groupby(["key", "objective"]):
        wide = part.pivot_table("value", "language", "measure").dropna(axis=1)
        y, languages, model = wide.pop("accuracy"), list(wide.index), [key] * len(wide)
        labelled = part.groupby("measure").on.first().str.contains("true labels")
        for measure, x in wide.items():
            c = correlate(x, y)
            if c.status == "ok":
                predictors = {"ours": x.to_numpy()[:, None], "mean": np.zeros((len(y), 1))}
                result = contest(predictors, y, languages, dict.fromkeys(predictors, model))
                about = {"needs_labels": bool(labelled[measure]), "same_predictions": measure in PREDICTED}
                errors = {"error": result.errors["ours"].mean, "baseline": result.errors["mean"].mean}
                rows.append(
                    {"key": key, "objective": objective, "measure": measure, "r": c.interval()} | about | errors
                )
    return rows


def named(measure: str) -> str:
    """A measure as a page names it."""
    return NAMES_OF_ALL.get(measure, measure)


def listed(measures: Sequence[str], answer: Mapping[str, Clustered]) -> str:
    """Measures with their coefficients, for prose."""
    return ", ".join(f"{named(m)} ({signed(answer[m].value, 2)})" for m in measures) or "none"


def p_text(p: float) -> str:
    """A p-value in a table; nothing where there is none."""
    return "" if math.isnan(p) else f"{p:.2g}"


def error_of(result: Contest, who: str = "ours") -> float:
    """Mean absolute error [points] of a predictor."""
    return result.errors[who].mean.value


def compared(results: Mapping[str, Contest], title: str | None, base: str = "mean") -> str:
    """The error of a predictor, that of a baseline, and their difference, in words."""
    if title is None:
        return "there is none"
    gain = results[title].gain("ours", base)
    return (
        f"{title}: {error_of(results[title]):.2f} points against {error_of(results[title], base):.2f} (difference "
        f"{gain.difference:+.2f}, p = {gain.p_flip:.2g} by sign flips, better in {gain.better} of {gain.difference.n})"
    )


def contest_table(results: Mapping[str, Contest], bases: Mapping[str, str], unit: str, caption: str) -> HTML:
    """Errors of predictors and their differences to baselines, a row a predictor.

    Args:
        results: by title.
        bases: what the baselines of the contests are called.
        unit: what is left out, in the plural.
        caption: of the table.
    """
    head = [cell for base in bases.values() for cell in (f"minus {base}", "p, t", "p, sign flips", f"better {unit}")]
    rows = []
    for title, result in results.items():
        row = [title, f"{result.errors['ours'].mean:.2f}", f"{result.errors['ours'].root:.2f}"]
        for gain in (result.gain("ours", base) for base in bases):
            row += [f"{gain.difference:.2f}", f"{gain.p:.2g}", f"{gain.p_flip:.2g}"]
            row.append(f"{gain.better} of {gain.difference.n}")
        rows.append(row)
    return table(("", "mean absolute error [95 %]", "RMSE", *head), rows, caption)
