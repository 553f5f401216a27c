"""All measures of a protocol's models as tables of models and languages, and the tables of a page that compare them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from paper import figures, records
from paper.chapters.noise import NOISE_HEAD, noise, noise_cells
from paper.chapters.page import NAMES, table
from paper.chapters.parameters import how_many
from paper.chapters.real import ENCODER
from paper.protocols.base import PREDICTED, Protocol
from paper.records import Obtained
from xlgen.analysis import Clustered, clustered, holm, signed
from xlgen.analysis.contest import Contest, contest
from xlgen.core.config import RunOptions
from xlgen.core.errors import ConfigError, UnknownName
from xlgen.data.catalogue import TASKS

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import HTML
    from matplotlib.axes import Axes

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
    "noise_divergence": "divergence under noise [nats]",
    "representation_distance": "distance of representations from English",
    "fertility": "sub-words a word",
    "unknown_rate": "share of unknown sub-words",
    "pretraining_share": "text in pretraining [decades]",
}
"""How the measures of the protocol ``seeds`` are named on a page."""
TWINS = {"doc": "confidence"}
"""Measures that are another plus a constant within a model. Where languages are compared they are no second witness,
and count once, under the name of the other; between models they differ."""
ALPHA = 0.05
"""The largest corrected p-value with which a measure is called related."""
MISSING = 0.1
"""The largest share of values that are bounds with which a measure goes into a joint regression."""
LOGARITHMIC = ("sharpness_alpha", "fisher_trace")
"""Measures that enter a regression by their logarithm: positive by definition, and spread over orders of magnitude."""
UNLABELLED = "#D55E00"
"""The colour of what needs no label in the target language."""


def beside_real(protocol: Protocol, options: RunOptions, workers: int, live: object) -> tuple[Obtained, pd.DataFrame]:
    """The models of a protocol, and the records of multilingual E5 small on real XNLI, which stand beside them.

    Args:
        protocol: which models, and what is measured of each.
        options: how a model that has no record is trained.
        workers: models trained or measured side by side [processes].
        live: models trained even where there is a record [count], or ``"all"``.
    """
    found = records.obtain(protocol, options, workers=workers, live=how_many(live))
    return found, records.recorded(task="xnli", model=ENCODER)


class MeasureTables:
    """The measures of the models of a protocol with keys (objective, seed), beside their accuracy.

    Of the margins of what is classified correctly, only that of the development split (Figure 3) is among them.

    Args:
        found: the models.

    Attributes:
        keys: of the models.
        source: language of the training data.
        languages: the others.
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
        self.source = task.source_language
        self.languages = [c for c in task.languages if c in set(frame.language) - {self.source}]
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

    def settles(self, measure: str, c: Clustered, p: float, result: Contest | None) -> bool:
        """Whether a measure passes all tests of an answer to the question which language.

        Its corrected p-value is at most :data:`ALPHA`, the interval of its coefficient excludes 0, the error in a new
        language is shown to be below that of the mean of the others, and few of its values are bounds.

        Args:
            measure: a candidate.
            c: its coefficient.
            p: corrected for the number of measures tried.
            result: of :meth:`leave_out`, of a language.
        """
        if c.status != "ok" or result is None:
            return False
        better = result.gain("ours", "mean").difference.high < 0
        return p <= ALPHA and 0 not in c.interval and better and self.mostly_there(measure)

    def of(self, objective: str) -> list[int]:
        """Rows of an objective's models; of all models for ``""``."""
        return [row for row, key in enumerate(self.keys) if objective in ("", key[0])]

    def over_languages(self, measure: str, objective: str = "", **how: Any) -> Clustered:
        """Correlation with accuracy over the languages, for a fixed model; languages are drawn.

        Args:
            measure: one of those tried.
            objective: of the models; all unless given.
            how: keywords of :func:`xlgen.analysis.clustered`.
        """
        rows = self.of(objective)
        return clustered(self.tables[measure][rows], self.tables["accuracy"][rows], **how)

    def over_models(self, measure: str, objective: str = "", **how: Any) -> Clustered:
        """Correlation with accuracy over the models, for a fixed language; models are drawn.

        Args are those of :meth:`over_languages`.
        """
        rows = self.of(objective)
        return clustered(self.tables[measure][rows].T, self.tables["accuracy"][rows].T, **how)

    def features(self, measures: Sequence[str]) -> NDArray:
        """A row for each model and language, a column a measure."""
        columns = (np.log(self.tables[m]) if m in LOGARITHMIC else self.tables[m] for m in measures)
        return np.column_stack([column.ravel() for column in columns])

    def labels(self) -> dict[str, list]:
        """Of each row of :meth:`features`: its ``"language"``, its ``"model"`` and that model's ``"objective"``."""
        models = [key for key in self.keys for _ in self.languages]
        return {"language": self.languages * len(self.keys), "model": models, "objective": [key[0] for key in models]}

    def leave_out(self, unit: str, measures: Sequence[str], beside: Sequence[str] = ()) -> Contest:
        """Predict accuracy where it was left out, with regressions on measures and without.

        The predictor ``"ours"`` has the measures; ``"mean"`` is the mean of what is not left out, of the same model if
        languages are left out and of the same language otherwise; ``"English"`` has the model's accuracy in the source
        language; ``"alone"``, which is there if ``beside`` is, has those measures without the others.

        Args:
            unit: ``"language"``, ``"model"`` or ``"objective"``.
            measures: of the regression.
            beside: measures that enter besides; the comparison is then with these alone.

        Raises:
            UnknownName: no such unit.
            AnalysisError: too few groups with all measures.
        """
        label = self.labels()
        if unit not in label:
            raise UnknownName("what to leave out", unit, label)
        y, same = self.tables["accuracy"].ravel(), label["model" if unit == "language" else "language"]
        if beside:
            predictors = {"ours": self.features([*beside, *measures]), "alone": self.features(beside)}
            return contest(predictors, y, label[unit], dict.fromkeys(predictors, same))
        rows = self.frame[(self.frame.measure == "accuracy") & (self.frame.language == self.source)]
        english = dict(zip(rows.key, rows.value, strict=True))
        level = np.array([[english[key]] for key in label["model"]])
        predictors = {"ours": self.features(measures), "mean": np.zeros_like(level), "English": level}
        within = dict.fromkeys(predictors, same)
        if unit == "language":
            del within["English"]  # which is the same in all languages of a model: one line for all of them
        return contest(predictors, y, label[unit], within)

    def forest(self, ax: Axes, answer: Mapping[str, Clustered], over: str) -> None:
        """Draw the coefficient of each measure with its interval, in the order of :attr:`tried`."""
        for height, (measure, c) in enumerate(answer.items()):
            if c.status != "ok":
                ax.text(0, height, "undefined", ha="center", va="center", color=figures.FAINT, fontsize=8)
                continue
            marker, colour = ("o", figures.INK) if self.needs_labels(measure) else ("D", UNLABELLED)
            if self.same_predictions(measure):
                marker, colour = "x", figures.FAINT
            figures.interval(ax, c.interval, height, marker, colour, 1.4, hollow=not self.needs_labels(measure))
        ax.axvline(0, color=figures.FAINT, lw=0.8, zorder=0)
        ax.set_yticks(range(len(answer)), map(named, answer))
        ax.set(xlim=(-1.05, 1.05), ylim=(len(answer) - 0.5, -0.5), xlabel=f"mean r with accuracy, over {over}")
        ax.grid(visible=False, axis="y")

    def table(self, caption: str) -> HTML:
        """What each measure needs, and of how many examples and models it is known."""
        rows = []
        for m in self.tried:
            of_m = self.frame[self.frame.measure == m]
            targets, n = of_m[of_m.language != self.source], self.about.n[m.removesuffix("_correct")]
            of_it = [
                self._labels(m),
                self.about.on[m].split(",")[0],
                f"{int(n):,}" if n > 0 else "",
                of_m.key.nunique(),
            ]
            rows.append((self._dagger(m), *of_it, f"{(targets.status != 'ok').sum()} of {len(targets)}"))
        head = ("measure", "labels in the target language", "computed on", "examples", "models", "values left out")
        return table(head, rows, caption, dense=True)

    def answers(
        self,
        answer: Mapping[str, Mapping[str, Clustered]],
        adjusted: Mapping[str, Mapping[str, float]],
        caption: str,
        quiet: bool = False,
    ) -> HTML:
        """Coefficients with interval, p and corrected p, by coefficient, a row a measure.

        Args:
            answer: by coefficient and measure.
            adjusted: the corrected p-values.
            caption: of the table.
            quiet: whether the columns of :func:`paper.chapters.noise.noise` follow, of the means over the models.
        """
        head = [cell for kind in answer for cell in (f"{kind.capitalize()} [95 %]", "p", "Holm")]
        head += NOISE_HEAD if quiet else ()
        rows = []
        for m in self.tried:
            c = answer["pearson"][m]
            row = [self._dagger(m)]
            if c.status != "ok":
                rows.append((*row, "undefined", *[""] * (len(head) - 1)))
                continue
            for kind in answer:
                row += [str(answer[kind][m].interval), p_text(answer[kind][m].p), p_text(adjusted[kind][m])]
            rows.append([*row, *(noise_cells(noise(self.frame, m, self.source)) if quiet else ())])
        reasons = dict.fromkeys(c.reason for c in answer["pearson"].values() if c.status != "ok")
        caption += "".join(f"; undefined: {reason}" for reason in reasons)
        return table(("", *head), rows, caption, dense=True)

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


def corrected(answer: Mapping[str, Clustered]) -> dict[str, float]:
    """Holm-adjusted p-values by measure."""
    return dict(zip(answer, map(float, holm([c.p for c in answer.values()])), strict=True))


def cell(c: Clustered) -> str:
    """A coefficient with its interval in a table."""
    return str(c.interval) if c.status == "ok" else "undefined"


def named(measure: str) -> str:
    """A measure as a page names it."""
    return NAMES_OF_ALL.get(measure, measure)


def listed(measures: Sequence[str], answer: Mapping[str, Clustered]) -> str:
    """Measures with their coefficients, for prose."""
    return ", ".join(f"{named(m)} ({signed(answer[m].value, 2)})" for m in measures) or "none"


def p_text(p: float) -> str:
    """A p-value in a table; nothing where there is none."""
    return "" if math.isnan(p) else f"{p:.2g}"
