"""The same questions put to the miniature and to real data: a measure's relation, an objective's gain, a claim."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from paper import ledger, protocols, records
from paper.chapters.noise import with_errors_apart
from paper.chapters.real import ENCODER, SEEDS, rows_of
from paper.protocols.base import OBJECTIVES, name_of
from xlgen.analysis import (
    CANNOT_SAY,
    DISAGREES,
    MIN_POINTS,
    NOTHING,
    RESAMPLES,
    AnalysisError,
    Clustered,
    Interval,
    clustered,
    correlate,
    interval_of_mean,
)
from xlgen.analysis.reliability import from_errors

if TYPE_CHECKING:
    import pandas as pd

    from paper.chapters.evidence import Evidence

RISES, FALLS, UNSETTLED = "rises with accuracy", "falls with accuracy", CANNOT_SAY
"""What an interval of a correlation says: it lies above 0, below, or includes it."""

WITHIN: Mapping[str, str] = {
    "bassi-t1-margin": "dev_margin",
    "bassi-t1-sharpness": "sharpness_difference",
    "bassi-t3": "sharpness_alpha",
    "bassi-f3": "dev_margin",
    "bassi-f4": "sharpness_difference",
    "bassi-f7": "sharpness_alpha",
}
"""Claims on a correlation over languages, by the beginning of their ids; the rest of an id is the objective."""
TWICE = ("bassi-f3", "bassi-f4")
"""Those that claim the signs of what Table 1 has in numbers."""
POOLED: Mapping[str, str] = {"bassi-f1-pooled": "margin", "bassi-f2-pooled": "accuracy"}
"""Claims on the sharpness by difference against a measure, over all objectives and languages together: their intervals
draw models and languages."""
ORDERED: Mapping[str, str] = {
    "bassi-f1-flattest": "sharpness_difference",
    "bassi-f5-distance": "frobenius",
    "bassi-f5-accuracy": "accuracy",
    "bassi-f6-best": "accuracy",
}
"""Claims on an order of the objectives by the mean of a measure over languages."""
SPREADS = ("bassi-f6-stable", "bassi-f6-most-stable")
"""Claims on an order of the objectives by the spread of their accuracy over seeds."""
WEAK = "bassi-f5-weak"
"""The claim on how far from its start a model ends and how accurate it is, over the models."""


class Side:
    """One of the two worlds, as far as its models are measured.

    Args:
        frame: of :func:`paper.records.recorded`, or :attr:`paper.records.Obtained.frame`; it may be empty.
        source: language of the training data, which is no target.
        scale: one of :data:`paper.ledger.SCALES`.
        resamples: bootstrap samples of every interval.

    Attributes:
        tables: by measure, a row a model (its objective and seed) and a column a target language; ``nan`` for bounds.
        errors: the standard errors of ``tables``, of a language against the others
            (:func:`paper.chapters.noise.with_errors_apart`).
        whole: by measure, one number a model for what knows no language.
        counts: by measure, the examples of each language, in the median; 0 where that is not known.
    """

    def __init__(self, frame: pd.DataFrame, source: str, scale: str, resamples: int = RESAMPLES):
        self.scale, self.source, self.resamples = scale, source, resamples
        self.tables: dict[str, pd.DataFrame] = {}
        self.errors: dict[str, pd.DataFrame] = {}
        self.whole: dict[str, pd.Series] = {}
        self.counts: dict[str, int] = {}
        if frame.empty:
            return
        import pandas as pd

        frame = frame.reset_index(drop=True)
        apart = with_errors_apart(frame[frame.language != source]).stderr
        frame = frame.assign(value=frame.value.where(frame.status == "ok"), stderr=apart.reindex(frame.index))
        models = pd.MultiIndex.from_frame(frame[["objective", "seed"]].drop_duplicates())
        for measure, rows in frame.groupby("measure", sort=False):
            of_model = rows[rows.language == "all"].set_index(["objective", "seed"]).value
            if len(of_model):
                self.whole[measure] = of_model
                continue
            targets = rows[rows.language != source]
            wide = targets.pivot(index=["objective", "seed"], columns="language", values="value")
            self.tables[measure] = wide.reindex(models)
            errors = targets.pivot(index=["objective", "seed"], columns="language", values="stderr")
            self.errors[measure] = errors.reindex(models)
            self.counts[measure] = int(targets.n.median()) if "n" in targets else 0

    @cached_property
    def accuracy(self) -> pd.DataFrame:
        """Of each model (row) in each target language (column); empty where there is no model."""
        import pandas as pd

        return self.tables.get("accuracy", pd.DataFrame())

    @property
    def models(self) -> list[tuple[str, int]]:
        """Objective and seed of each."""
        return list(self.accuracy.index)

    @property
    def objectives(self) -> list[str]:
        """Of the models."""
        return list(dict.fromkeys(objective for objective, _ in self.models))

    @property
    def measures(self) -> list[str]:
        """All with a number for each language, but accuracy."""
        return [measure for measure in self.tables if measure != "accuracy"]

    def relation(self, measure: str, objectives: Collection[str] = ()) -> Clustered | None:
        """Mean correlation of a measure with accuracy over languages, for a fixed model; ``None`` if none has it.

        Args:
            measure: its name.
            objectives: of the models that are taken; all unless given.
        """
        if measure not in self.tables:
            return None
        x = self.tables[measure].reindex(index=self.accuracy.index, columns=self.accuracy.columns)
        rows = [place for place, key in enumerate(self.models) if not objectives or key[0] in objectives]
        if not np.isfinite(x.to_numpy()[rows]).any():
            return None
        return clustered(x.to_numpy()[rows], self.accuracy.to_numpy()[rows], resamples=self.resamples)

    def reliability(self, measure: str) -> float:
        """Share of a measure's variance over languages that its standard errors do not explain, mean over models.

        :func:`xlgen.analysis.reliability.from_errors`; ``nan`` where no model has an error for every language.
        """
        each = []
        for key, values in self.tables[measure].iterrows():
            errors = self.errors[measure].loc[key]
            if np.isfinite(values).all() and np.isfinite(errors).all() and np.ptp(values):
                each.append(from_errors(values, errors))
        return float(np.mean(each)) if each else math.nan

    @property
    def noise(self) -> float:
        """The standard error of an accuracy, as a share of the standard deviation of the languages' mean accuracies."""
        return float(np.nanmean(self.errors["accuracy"]) / self.accuracy.mean().std(ddof=1))

    def levels(self, measure: str) -> dict[str, dict[int, float]]:
        """By objective and seed, a measure's mean over the target languages; accuracy in per cent."""
        means = self.whole.get(measure)
        if means is None and measure in self.tables:
            means = self.tables[measure].mean(axis=1) * (100 if measure == "accuracy" else 1)
        levels: dict[str, dict[int, float]] = {}
        for (objective, seed), value in ({} if means is None else means.dropna()).items():
            levels.setdefault(objective, {})[seed] = float(value)
        return levels

    def gain(self, objective: str, base: str = "baseline") -> Interval:
        """How much more accurate [points], in the mean over target languages, with the interval over common seeds.

        :data:`~xlgen.analysis.NOTHING` where no seed has both; no ends with one seed.
        """
        levels = self.levels("accuracy")
        ours, theirs = levels.get(objective, {}), levels.get(base, {})
        common = sorted(ours.keys() & theirs.keys())
        return interval_of_mean([ours[seed] - theirs[seed] for seed in common]) if common else NOTHING

    def record(self, claim: ledger.Claim) -> ledger.Record | None:
        """What these models say of a claim; ``None`` where they cannot be asked, for want of models or a measure."""
        try:
            numbers = self._numbers(claim)
        except (AnalysisError, ledger.LedgerError):
            return None
        if numbers is None or not numbers["n"]:
            return None
        seeds = tuple(sorted({seed for _, seed in self.rests_on(claim)}))
        return ledger.Record(claim.chapter, claim.id, **numbers, seeds=seeds, scale=self.scale)

    def judged(self) -> dict[ledger.Group, ledger.Joint]:
        """What the ledger says of each claim of :func:`asked` by these models alone: :func:`paper.ledger.joined`.

        Claims that are one are judged once, and of what is tested with another criterion than the paper's the ledger
        cannot say whether it holds. A claim that these models cannot be asked is left out.
        """
        found = filter(None, map(self.record, asked()))
        return {joint.group: joint for joint in ledger.joined(ledger.rows(found)) if joint.scale}

    def rests_on(self, claim: ledger.Claim) -> list[tuple[str, int]]:
        """The models that a claim rests on: of the objectives that it names, those that have its measure.

        An order of objectives rests on the seeds that all of them have.
        """
        some = involved(claim) or set(self.objectives)
        seeds = {name: {*found} for name, found in self.levels(measure_of(claim)).items() if name in some}
        if claim.id in ORDERED or claim.id in SPREADS:
            common = set.intersection(*seeds.values()) if seeds else set()
            seeds = dict.fromkeys(seeds, common)
        return [(name, seed) for name, seed in self.models if seed in seeds.get(name, ())]

    def _numbers(self, claim: ledger.Claim) -> dict[str, Any] | None:
        start, _, objective = claim.id.rpartition("-")
        if start in WITHIN and objective in self.objectives:
            return numbers_of(self.relation(WITHIN[start], [objective]))
        measure = measure_of(claim)
        if claim.id in POOLED and len(self.objectives) > 1 and measure in self.tables:
            x, y = (self.tables[m] for m in (measure, POOLED[claim.id]))
            y = y.reindex(index=x.index, columns=x.columns)
            tables = x.to_numpy(), y.to_numpy()
            return numbers_of(clustered(*tables, how="pooled", rows_too=True, resamples=self.resamples))
        if claim.id == WEAK and measure in self.whole:
            y = self.accuracy.mean(axis=1).reindex(self.whole[measure].index)
            return ledger.of(correlate(self.whole[measure], y)) if len(y) >= MIN_POINTS else None
        if claim.id in ORDERED or claim.id in SPREADS:
            levels, named = self.levels(measure), involved(claim)
            if not named <= levels.keys():
                return None
            common = sorted({seed for _, seed in self.rests_on(claim)})
            scores = {name: [levels[name][seed] for seed in common] for name in named}
            if common:
                return (ledger.spreads if claim.id in SPREADS else ledger.differences)(scores, claim.pairs)
        return None


def asked() -> list[ledger.Claim]:
    """The claims of the first paper that are put to both sides, but for :data:`TWICE`."""
    return [
        claim
        for claim in ledger.claims(paper="bassi2024generalization")
        if claim.id in {*POOLED, *ORDERED, *SPREADS, WEAK}
        or (claim.id.rpartition("-")[0] in WITHIN.keys() - set(TWICE) and involved(claim) <= set(OBJECTIVES))
    ]


def asked_once() -> list[ledger.Group]:
    """The claims of :func:`asked`, those that are one joined, in the order of the papers' tables and figures."""
    names = {claim.id for claim in asked()}
    return [joint.group for joint in ledger.joined(ledger.rows(())) if joint.concerns(names)]


def numbers_shown(joint: ledger.Joint, languages: int) -> str:
    """The number that a verdict is about, and over how many languages where some are missing.

    Args:
        joint: of :meth:`Side.judged`.
        languages: of the side.
    """
    row = joint.every[0]
    missing = row.claim.kind == "correlation" and row.n < languages
    return "; ".join(row.ours.split("\n")) + (f", n = {row.n}" if missing else "")


def because_of(joint: ledger.Joint) -> str:
    """Why an order of objectives does not hold, where some of its pairs are as claimed; empty otherwise."""
    row = joint.every[0]
    if not row.claim.pairs or joint.verdict != DISAGREES:
        return ""
    pairs = {pair: set(pair.split(" > ")) for pair in row.claim.pairs}
    along = [pair for pair in pairs if row.record.value[pair] > 0]
    if not along:
        return ""
    alone = set.intersection(*(names for pair, names in pairs.items() if pair not in along))
    alone = alone.difference(*(pairs[pair] for pair in along))
    start = f"because of {' and '.join(sorted(alone))} alone: " if alone else "though "
    return start + f"{' and '.join(along)} {'has' if len(along) == 1 else 'have'} the claimed sign"


def involved(claim: ledger.Claim) -> set[str]:
    """The objectives that a claim names; none where it is about all that there are."""
    start, _, objective = claim.id.rpartition("-")
    return {objective} if start in WITHIN else {name for pair in claim.pairs for name in pair.split(" > ")}


def measure_of(claim: ledger.Claim) -> str:
    """What a claim sets beside accuracy, or orders the objectives by: without it a model cannot be asked."""
    if claim.id in POOLED:
        return "sharpness_difference"
    if claim.id == WEAK:
        return "frobenius"
    return WITHIN.get(claim.id.rpartition("-")[0]) or ORDERED.get(claim.id, "accuracy")


def recorded_models(encoder: str = ENCODER, objectives: Sequence[str] = OBJECTIVES) -> pd.DataFrame:
    """What is recorded of the protocol ``seeds`` with an encoder of real size: :func:`paper.chapters.real.rows_of`.

    Models that differ from the protocol's in size or settings do not count.

    Args:
        encoder: name of the model.
        objectives: of the models.
    """
    return rows_of(records.committed(protocols.seeds("real", model=encoder, objectives=objectives, seeds=SEEDS)))


def further_models(preset: str, **settings: Any) -> pd.DataFrame:
    """What is recorded of the objectives of the other papers on XNLI: as :func:`recorded_models`, baseline included.

    L2 and EWC (French text) at the strength of the third paper's tables, the consistency loss of the second, and
    R-Drop.

    Args:
        preset: see :mod:`xlgen.training.presets`.
        settings: of the runs, such as the encoder.
    """
    import pandas as pd

    task = name_of("xnli", preset)
    others = protocols.seeds(preset, objectives=("baseline", "consistency", "rdrop"), seeds=SEEDS, **settings)
    pulled = protocols.regularisers(
        preset, tasks=[task], strengths=[0.01], variants=[], own=["fr"], seeds=SEEDS, **settings
    )
    found = records.committed(pulled)
    pulled_only = rows_of(found, [key for key in found.runs if key[1] != protocols.VANILLA])
    return pd.concat([rows_of(records.committed(others)), pulled_only], ignore_index=True)


def rates_tried(preset: str, **choices: Any) -> dict[float, float]:
    """Accuracy on English development examples by learning rate, of the models of ``rates`` that are recorded.

    Args:
        preset: see :mod:`xlgen.training.presets`.
        choices: of the protocol, by name.
    """
    found = records.committed(protocols.rates(preset, **choices)).runs.values()
    return dict(sorted((run.config.lr, run.summary["dev_accuracy"]) for run in found))


def settle_real(evidence: Evidence, frame: pd.DataFrame, source: str = "en") -> None:
    """Give a chapter's claims their rows at the scale *real data*, as far as recorded models can be asked.

    Args:
        evidence: of the chapter.
        frame: of :func:`recorded_models`.
        source: language of the training data.
    """
    side = Side(frame, source, "real data")
    for claim in evidence.claims.values():
        if (record := side.record(claim)) is not None:
            numbers = {name: getattr(record, name) for name in ("value", "low", "high", "p", "n")}
            models = side.rests_on(claim)
            rows = frame[[key in models for key in zip(frame.objective, frame.seed, strict=True)]]
            evidence.settle_recorded(claim.id, numbers, rows)


def says(relation: Clustered | None) -> str:
    """Whether a measure rises or falls with accuracy, or what is known does not say."""
    if relation is None or relation.status != "ok" or math.isnan(relation.low) or relation.low <= 0 <= relation.high:
        return UNSETTLED
    return RISES if relation.value > 0 else FALLS


def parting(here: str, there: str) -> str:
    """How two of the words of :func:`says` go together, that of the miniature first."""
    if here == there:
        return "neither" if here == UNSETTLED else "together"
    if UNSETTLED not in (here, there):
        return "opposite"
    return "real only" if here == UNSETTLED else "miniature only"


def across(x: pd.DataFrame, y: pd.DataFrame, languages: Sequence[str] = (), resamples: int = RESAMPLES) -> Interval:
    """Mean correlation of two measures over languages, of the models that have both; nothing where there is none.

    Args:
        x: a row a model and a column a language.
        y: the same.
        languages: to which it is restricted; all that both have unless given.
        resamples: bootstrap samples of its interval.
    """
    models = [key for key in x.index if key in y.index]
    codes = [code for code in x.columns if code in y.columns and (not languages or code in languages)]
    if not models or len(codes) < MIN_POINTS:
        return NOTHING
    return clustered(x.loc[models, codes].to_numpy(), y.loc[models, codes].to_numpy(), resamples=resamples).interval


def numbers_of(relation: Clustered | None) -> dict[str, Any] | None:
    """A correlation as the ledger takes it; ``None`` where there is none."""
    if relation is None or relation.status != "ok":
        return None
    low, high = min(relation.low, relation.value), max(relation.high, relation.value)  # a bootstrap may miss by a hair
    return {"value": relation.value, "low": low, "high": high, "n": relation.clusters}
