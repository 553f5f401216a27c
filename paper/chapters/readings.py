"""Sentences that say what a table shows, with whatever numbers it has."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from paper.chapters.comparison import VANILLA
from paper.chapters.real import target_means
from paper.chapters.setups import Setup, setups_of
from paper.records import Obtained
from xlgen.analysis import FEWEST, LEVEL, RESAMPLES, Correlation, Interval, interval_of_mean, signed, spread
from xlgen.analysis.correlation import pearson
from xlgen.analysis.reliability import NOISY

if TYPE_CHECKING:
    from IPython.display import HTML

Named = Callable[[Any], str]
FAR = 0.2
"""How far from 1 a ratio to first order is called too far."""
SAME, HALF = 0.9, 0.5
"""Rank correlations from which on an order is called the same, and below which it is called the draw's."""


def reading(*sentences: str) -> HTML | None:
    """A paragraph of those sentences that are not empty; nothing where all are."""
    from IPython.display import HTML

    text = " ".join(filter(None, sentences))
    return HTML(f"<p>{html.escape(text)}</p>") if text else None


def least_spread(scores: Mapping[str, ArrayLike], base: str) -> str:
    """Which objective varies least over seeds, and the ratio of standard deviations to the one it is compared with.

    That is the baseline; where the baseline itself varies least, it is the next.

    Args:
        scores: by objective, of each seed [points].
        base: the objective that the others are compared with.
    """
    if min(map(len, scores.values())) < 2:
        return "One seed has no spread."
    first, second, *_ = sorted(scores, key=lambda name: np.std(scores[name]))
    least = f"{spread.std_interval(scores[first]).value:.2f} points"
    if first != base:
        times = spread.ratio_of(scores[base], scores[first])
        return f"The smallest standard deviation is that of {first}, {least}; the {base}'s is {times:.2f} times that."
    times = spread.ratio_of(scores[second], scores[base])
    return (
        f"No objective varies less than the {base}: its standard deviation, {least}, is the smallest of the "
        f"{len(scores)}; the next, that of {second}, is {times:.2f} times as large."
    )


def goes(correlation: Correlation) -> str:
    """How one number goes with another: rises with it, falls with it, or shows no settled relation to it."""
    if not is_settled(correlation):
        return "shows no settled relation to"
    return "rises with" if correlation.pearson.value > 0 else "falls with"


def is_settled(correlation: Correlation) -> bool:
    """Whether its sign is, by the ledger's rule: the interval excludes 0, over :data:`xlgen.analysis.FEWEST` points."""
    return correlation.status == "ok" and correlation.n >= FEWEST and 0 not in correlation.pearson


def first_order(values: Mapping[str, float], slopes: Mapping[str, float]) -> str:
    """How φ compares with the first order of its step, and in which languages the step is too long for it.

    Args:
        values: by language, φ without noise [nats].
        slopes: by language, n ‖∇L‖² [nats].
    """
    times = {code: values[code] / slopes[code] for code in values}
    ends = " to ".join(f"{times[code]:.2f} ({code})" for code in (min(times, key=times.get), max(times, key=times.get)))
    far = [code for code, ratio in times.items() if abs(ratio - 1) > FAR]
    if not far:
        return f"{ends} times its first order, beyond which there is little."
    many = f"in {len(far)} of {len(times)} languages it is off by more than {100 * FAR:.0f} %"
    return f"{ends} times its first order; {many}: there the step is too long."


def order_kept(kept: Mapping[float, float], repeated: Mapping[float, float]) -> str:
    """Up to which noise scale the order of the languages is that without noise.

    Args:
        kept: by noise scale, rank correlation with the order corrected for error.
        repeated: by noise scale, mean rank correlation of two draws.
    """
    scales = sorted(kept)
    lost = next((scale for scale in scales if kept[scale] < SAME), None)
    if lost is None:
        return f"The order holds at all of them: its rank correlation is at least {min(kept.values()):.2f}."
    held = scales[: scales.index(lost)]
    worst = min(scales[len(held) :], key=kept.get)
    start = f"The order holds at none of them: at {worst:g} its rank correlation is {signed(kept[worst], 2)}"
    if held:
        least = min(kept[scale] for scale in held)
        start = f"The order holds up to σ = {held[-1]:g} (rank correlation at least {least:.2f}); at {worst:g} it is "
        start += signed(kept[worst], 2)
    draws = f"{start}, and two draws agree by {signed(repeated[worst], 2)}"
    return f"{draws} only: there it is largely the draw." if repeated[worst] < HALF else f"{draws}: another order."


def real_changes(found: Obtained, named: Named) -> str:
    """What recorded setups change against vanilla, in the mean over the target languages; empty without models.

    The interval is Student's t over the seeds that both have.

    Args:
        found: of :func:`paper.records.committed`.
        named: what a setup is called, from a key.
    """
    means: dict[tuple[str, str], dict[int, float]] = {}
    for key, mean in target_means(found).items():
        run = found.runs[key]
        means.setdefault((run.task, named(key)), {})[run.config.seed] = mean
    changes, alone = {}, [task for task in dict.fromkeys(task for task, _ in means)]
    for (task, setup), ours in means.items():
        theirs = means.get((task, VANILLA), {})
        if setup != VANILLA and (common := sorted(ours.keys() & theirs.keys())):
            changes[f"{setup} ({task}, {_seeds(common)})"] = interval_of_mean([ours[s] - theirs[s] for s in common])
            alone = [one for one in alone if one != task]
    sentences = []
    if changes:
        listed = ", ".join(f"{change:+.1f} with {name}" for name, change in changes.items())
        settled = [name for name, change in changes.items() if change.low == change.low and 0 not in change]
        told = f"settled (its interval excludes 0): {', '.join(settled)}" if settled else "no change is settled"
        sentences.append(f"Against {VANILLA}, the mean of the target languages changes by [points]: {listed}; {told}.")
    if alone:
        tasks = _and(alone)
        sentences.append(f"Of {tasks} no two setups with a seed in common are recorded yet, to be compared.")
    return " ".join(sentences)


def real_relation(found: Obtained, title: str, measure: str, named: Named, resamples: int = RESAMPLES) -> str:
    """In which recorded setups a measure's correlation with accuracy is settled, and how reliable it is.

    Args:
        found: of :func:`paper.records.committed`, of one task.
        title: of the measure, as a sentence has it.
        measure: as rows name it.
        named: what a setup is called, from a key; keys of one name are its seeds.
        resamples: bootstrap samples of every interval.
    """
    setups = setups_of(found, measure, named)
    rs = {name: r.interval for name, one in setups.items() if (r := one.correlation(resamples)).status == "ok"}
    if not rs:
        return ""
    settled = [name for name, r in rs.items() if 0 not in r]
    if len(settled) == len(rs):
        return f"The correlation of {title} with accuracy is settled in each setup: its interval excludes 0."
    first = f"No correlation of {title} with accuracy is settled: every interval includes 0."
    if settled:
        first = (
            f"The correlation of {title} with accuracy is settled (its interval excludes 0) with {_and(settled)} alone."
        )
    noises = (setups[name].noise(resamples) for name in rs if name not in settled)
    noises = [noise for noise in noises if noise is not None]
    if not noises:
        return first
    most = max(noise.reliability_x for noise in noises)
    if most < 0:
        return f"{first} Its errors exceed all differences between the languages: it takes more examples to say more."
    where = "Where it is not, its" if settled else "Its"
    more = "examples" if any(noise.why_not == NOISY for noise in noises) else "languages"
    return f"{first} {where} reliability is at most {most:.2f}: it takes more {more} to say more."


def real_settled(found: Obtained, measures: Mapping[str, str], named: Named, resamples: int = RESAMPLES) -> str:
    """How many measures of recorded models go along with accuracy, which do most, and which do not.

    Args:
        found: of :func:`paper.records.committed`, of one task.
        measures: by title, as rows name them.
        named: what a setup is called, from a key; keys of one name are its seeds.
        resamples: bootstrap samples of every interval.
    """
    rs = {
        title if len(setups) == 1 else f"{title}, {name}": r.interval
        for title, measure in measures.items()
        for setups in [setups_of(found, measure, named)]
        for name, one in setups.items()
        if (r := one.correlation(resamples)).status == "ok"
    }
    if not rs:
        return ""
    strongest = max(rs, key=lambda title: abs(rs[title].value))
    open_ = [title for title, r in rs.items() if 0 in r]
    rest = f"not settled: {'; '.join(open_)}" if open_ else "all of them are settled"
    return (
        f"The interval of r excludes 0 in {len(rs) - len(open_)} of {len(rs)} rows; {rest}. Farthest from 0 is "
        f"{strongest}, r = {rs[strongest]:.2f}."
    )


def real_difference(
    found: Obtained,
    one: tuple[str, str | tuple[str, str]],
    other: tuple[str, str | tuple[str, str]],
    named: Named,
    resamples: int = RESAMPLES,
) -> str:
    r"""By how much the one measure's r with accuracy is farther from 0 than the other's, by recorded setup.

    .. math:: |\bar r_1| - |\bar r_2|

    with the mean over seeds of Pearson's r over the target languages; the interval draws languages, the same for both.

    Args:
        found: of :func:`paper.records.committed`, of one task.
        one: title of a measure, and the measure as :func:`paper.chapters.setups_of` takes it.
        other: another one.
        named: what a setup is called, from a key; keys of one name are its seeds.
        resamples: bootstrap samples.
    """
    (title, ours), (control, theirs) = ((title, setups_of(found, measure, named)) for title, measure in (one, other))
    by = {name: _farther(ours[name], theirs[name], resamples) for name in ours if name in theirs}
    if not by:
        return ""
    more = [name for name, difference in by.items() if difference.low > 0]
    told = (
        f"the interval lies above 0 with {_and(more)}"
        if more
        else "no interval lies above 0, so it is not shown to add anything"
    )
    listed = ", ".join(f"{difference:.2f} ({name})" for name, difference in by.items())
    return f"{title}, r is farther from 0 than {control} by {listed}; {told}."


def _farther(one: Setup, other: Setup, resamples: int) -> Interval:
    keys = one.x.index.intersection(other.x.index)
    both = [part.x.loc[keys].columns[np.isfinite(part.x.loc[keys]).all()] for part in (one, other)]
    codes = both[0].intersection(both[1], sort=False)
    draws = np.random.default_rng(0).integers(len(codes), size=(resamples, len(codes)))
    draws = np.vstack([np.arange(len(codes)), draws])
    y = one.y.loc[keys, codes].to_numpy()[:, draws]
    r, r_other = (pearson(part.x.loc[keys, codes].to_numpy()[:, draws], y).mean(axis=0) for part in (one, other))
    value, *drawn = abs(r) - abs(r_other)
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(value), float(low), float(high), len(codes))


def _seeds(seeds: list[int]) -> str:
    return f"{len(seeds)} seed{'s' * (len(seeds) != 1)}"


def _and(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
