"""Correlation over a table of models and languages, whose points are not independent.

A table has a group a row and a cluster a column: models down and languages across for "in which language is a model
good?", languages down and models across for "which model is good in a language?". The points of a column come from the
same language (or the same model) and go up and down together, so that columns, and not points, are what is drawn: the
interval resamples whole columns and the p-value permutes whole columns. Where points of different rows are pooled, rows
can be drawn as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from xlgen.analysis.correlation import BATCH, RESAMPLES, STATISTICS, bootstrap_ends, is_constant
from xlgen.analysis.intervals import LEVEL, MIN_POINTS, AnalysisError, Interval
from xlgen.core.errors import UnknownName

HOW = ("mean", "centred", "pooled")
ENOUGH = 10_000
"""Permutations that reach the coefficient after which no more are drawn: p is then known to 1/√10000, 1 % of itself."""


@dataclass(frozen=True)
class Clustered:
    """A correlation over a table.

    Attributes:
        value: the coefficient.
        low: lower end of its 95 % bootstrap interval over clusters (BCa, or percentiles where BCa does not exist).
        high: its upper end.
        p: two-sided p-value of permuting the clusters; ``nan`` for ``"pooled"``.
        clusters: columns with a usable point.
        groups: rows used.
        points: usable points of those rows.
        left_out: points of the table that were not used.
        status: ``"ok"``, or ``"undefined"``: value, interval and p are then ``nan``.
        reason: why it is undefined, in words.
    """

    value: float
    low: float
    high: float
    p: float
    clusters: int
    groups: int
    points: int
    left_out: int
    status: str = "ok"
    reason: str = ""

    @property
    def interval(self) -> Interval:
        """The coefficient and its interval; ``n`` is the number of clusters."""
        return Interval(self.value, self.low, self.high, self.clusters)

    def __str__(self) -> str:
        left_out = f" ({self.left_out} points left out)" if self.left_out else ""
        if self.status != "ok":
            return f"r undefined: {self.reason}{left_out}"
        return f"r = {self.interval}, {self.groups} × {self.clusters}{left_out}"


def clustered(
    x: ArrayLike,
    y: ArrayLike,
    *,
    how: str = "mean",
    coefficient: str = "pearson",
    rows_too: bool = False,
    seed: int = 0,
    resamples: int = RESAMPLES,
    permutations: int = 0,
) -> Clustered:
    r"""Correlate two tables, with columns as the unit of sampling.

    With :math:`r_g` the coefficient over the columns of row g, and :math:`S^g_{xy} = \sum_c (x_{gc} - \bar x_g)
    (y_{gc} - \bar y_g)`:

    - ``"mean"``: :math:`\frac1G \sum_g r_g`, what one row gives on average;
    - ``"centred"``: :math:`\sum_g S^g_{xy} / \sqrt{\sum_g S^g_{xx} \sum_g S^g_{yy}}`, one slope for all rows, each with
      a mean of its own;
    - ``"pooled"``: Pearson's r of all points, which mixes what is within rows with what is between them.

    The interval is a bootstrap over columns [efron1993bootstrap]: a column that is drawn twice counts twice in every
    row. The p-value permutes the columns of x, in the same order in every row (among the usable points of that row).
    It is ``nan`` for ``"pooled"``, where no permutation of columns takes away what the rows' means share. Of n random
    permutations its own standard error is :math:`\sqrt{p (1 - p) / n}`; a verdict that must not hang on the seed needs
    more of them than an interval does.

    Args:
        x: (rows, columns); ``nan`` leaves a point out.
        y: the same shape.
        how: see above.
        coefficient: ``"pearson"``, ``"spearman"`` or ``"kendall"`` (the last two for ``"mean"``).
        rows_too: of ``"pooled"``, draw rows as well as columns, independently of each other (A. B. Owen, Annals of
            Applied Statistics 1, 2007): the interval, of percentiles, then holds for other rows too.
        seed: of the resampling.
        resamples: bootstrap samples, and permutations.
        permutations: the most permutations, where that is more: drawn until :data:`ENOUGH` reach the coefficient
            [besag1991sequential].

    Returns:
        The coefficient. Rows with fewer than 4 usable points, or constant ones, are left out, except for ``"pooled"``.
        The status is ``"undefined"`` where nothing is left, or all that is left is constant.

    Raises:
        UnknownName: no such ``how`` or coefficient.
        AnalysisError: no tables of one shape, ranks for something else than ``"mean"``, or fewer than 99 resamples.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    for kind, name, names in (("way to correlate a table", how, HOW), ("coefficient", coefficient, STATISTICS)):
        if name not in names:
            raise UnknownName(kind, name, names)
    if x.ndim != 2 or x.shape != y.shape:
        raise AnalysisError(f"x and y have shapes {x.shape} and {y.shape}; expected two tables of one shape.")
    if how != "mean" and coefficient != "pearson":
        raise AnalysisError(f"{coefficient} is not defined for {how!r}; expected 'pearson', or how='mean'.")
    if rows_too and how != "pooled":
        raise AnalysisError(f"rows are drawn of how='pooled' alone; {how!r} holds for the rows that there are.")
    if resamples < 99:
        raise AnalysisError(f"resamples is {resamples}; expected at least 99.")
    usable = np.isfinite(x) & np.isfinite(y)
    enough = [g for g in range(len(x)) if _varies(x[g], y[g], usable[g])] if how != "pooled" else list(range(len(x)))
    x, y, usable, left_out = x[enough], y[enough], usable[enough], usable.size - int(usable[enough].sum())
    counts = {"clusters": int(usable.any(axis=0).sum()), "groups": int(usable.any(axis=1).sum())}
    counts |= {"points": int(usable.sum()), "left_out": left_out}
    x, y = (np.where(usable, a, 0.0) for a in (x, y))
    value = math.nan
    if len(x) and counts["clusters"] >= MIN_POINTS:
        value = float(_weighted(x, y, usable, np.ones((1, x.shape[1])), how, coefficient)[0])
    if not math.isfinite(value):
        reason = f"no row with {MIN_POINTS} usable points that vary"
        if how == "pooled":
            reason = f"fewer than {MIN_POINTS} usable columns, or constant"
        return Clustered(math.nan, math.nan, math.nan, math.nan, **counts, status="undefined", reason=reason)
    columns = np.arange(x.shape[1])

    def statistic(index: NDArray, _: NDArray, axis: int = -1) -> NDArray:
        index = np.moveaxis(np.asarray(index), axis, -1)
        drawn = (index[..., None] == columns).sum(-2, dtype=float)  # how often each column
        flat = _weighted(x, y, usable, drawn.reshape(-1, len(columns)), how, coefficient)
        return flat.reshape(drawn.shape[:-1])

    if rows_too:
        low, high = _both_ways(x, y, usable, seed, resamples)
    else:
        low, high = bootstrap_ends(columns, columns, statistic, seed, resamples)
    p = math.nan if how == "pooled" else _permuted(x, y, usable, how, coefficient, seed, resamples, permutations)
    return Clustered(value, low, high, p, **counts)


def _both_ways(x: NDArray, y: NDArray, usable: NDArray, seed: int, resamples: int) -> tuple[float, float]:
    """Percentile interval of Pearson's r of all points, where a point counts as often as its row times its column."""
    kept = usable.any(axis=1)
    x, y, usable = (a[kept] for a in (x, y, usable))
    rng = np.random.default_rng(seed)
    rows, columns = (rng.multinomial(n, np.full(n, 1 / n), resamples).astype(float) for n in x.shape)
    w = (rows[:, :, None] * columns[:, None] * usable).reshape(resamples, -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        xy, xx, yy = _parts(x.ravel(), y.ravel(), w, "pearson")
        low, high = np.nanquantile(xy / np.sqrt(xx * yy), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _varies(x: NDArray, y: NDArray, usable: NDArray) -> bool:
    return usable.sum() >= MIN_POINTS and not (is_constant(x[usable]) or is_constant(y[usable]))


def _weighted(x: NDArray, y: NDArray, usable: NDArray, w: NDArray, how: str, coefficient: str) -> NDArray:
    """The coefficient with column c counted ``w[s, c]`` times, for every sample s: (S,); ``nan`` where undefined."""
    if how == "pooled":
        x, y, w = x.reshape(1, -1), y.reshape(1, -1), np.tile(w, len(x))
        usable = usable.reshape(1, -1)
    parts = np.array([_parts(*row, coefficient) for row in zip(x, y, w * usable[:, None], strict=True)])  # (G, 3, S)
    if how == "centred":
        parts = parts.sum(axis=0, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = parts[:, 0] / np.sqrt(parts[:, 1] * parts[:, 2])  # (G, S)
    defined = np.isfinite(r)
    total = np.where(defined, np.clip(r, -1, 1), 0).sum(axis=0)
    return total / np.where(defined.any(axis=0), defined.sum(axis=0), np.nan)


def _parts(x: NDArray, y: NDArray, w: NDArray, coefficient: str) -> tuple[NDArray, NDArray, NDArray]:
    """Numerator and the two squared lengths of one row's coefficient, for each row of the weights w (S, C)."""
    if coefficient == "kendall":
        dx, dy = _signs(x), _signs(y)
        return tuple(((w @ pairs) * w).sum(-1) for pairs in (dx * dy, dx * dx, dy * dy))
    if coefficient == "spearman":  # Σ_j w_j sign(x_i - x_j) is twice the mean rank of i but for a constant
        x, y = w @ _signs(x).T, w @ _signs(y).T
    total = np.maximum(w.sum(-1, keepdims=True), 1)
    dx, dy = (a - (w * a).sum(-1, keepdims=True) / total for a in (x, y))
    xx, yy = (_cleared((w * d * d).sum(-1), w, a) for d, a in ((dx, x), (dy, y)))
    return (w * dx * dy).sum(-1), xx, yy


def _cleared(squares: NDArray, w: NDArray, a: NDArray) -> NDArray:
    """A sum of squares without the rounding errors of a constant."""
    largest = np.where(w > 0, np.abs(a), 0).max(-1)
    return np.where(squares <= w.sum(-1) * (1e-12 * largest) ** 2, 0, squares)


def _signs(a: NDArray) -> NDArray:
    return np.sign(a[:, None] - a[None, :])


def _permuted(
    x: NDArray, y: NDArray, usable: NDArray, how: str, coefficient: str, seed: int, least: int, most: int
) -> float:
    """Two-sided p-value: the share of permutations, with the given order among them, that reach the coefficient."""
    rows, lengths = [], []
    for a, b, keep in zip(x, y, usable, strict=True):
        a, b = a[keep], b[keep]
        if coefficient == "kendall":
            a, b = _signs(a), _signs(b)
        else:
            a, b = (stats.rankdata(c) if coefficient == "spearman" else c for c in (a, b))
            a, b = a - a.mean(), b - b.mean()
        rows.append((a, b, keep))
        lengths.append(((a * a).sum(), (b * b).sum()))
    xx, yy = np.array(lengths).T
    length = np.sqrt(xx * yy) * len(rows) if how == "mean" else np.full(len(rows), math.sqrt(xx.sum() * yy.sum()))
    share = 1 / length
    observed = abs(sum(c * (a * b).sum() for c, (a, b, _) in zip(share, rows, strict=True)))
    alike: dict[bytes, list[tuple[NDArray, NDArray]]] = {}  # rows in which the same columns are usable
    for c, (a, b, keep) in zip(share, rows, strict=True):
        alike.setdefault(keep.tobytes(), []).append((c * a, b))
    drawn, reached, orders = 0, 1, _orders(x.shape[1], seed, max(least, most))
    while drawn < least or (drawn < most and reached < ENOUGH):
        some = orders[drawn : drawn + BATCH]
        drawn += len(some)
        total = np.zeros(len(some))
        for pattern, of_it in alike.items():
            keep = np.frombuffer(pattern, dtype=bool)
            order = (np.cumsum(keep) - 1)[some[keep[some]].reshape(len(some), -1)]  # among the usable columns
            if coefficient == "kendall":
                for a, b in of_it:
                    total += np.tensordot(a[order[:, :, None], order[:, None, :]], b, 2)
            else:  # what column i of x gives in the place of column j, over all of these rows
                gives = sum(np.outer(a, b) for a, b in of_it)
                total += gives[order, np.arange(len(gives))].sum(axis=1)
        reached += int((np.abs(total) >= observed * (1 - 1e-9)).sum())
    return reached / (drawn + 1)


@lru_cache(maxsize=4)  # all measures of a table are dealt out in the same orders
def _orders(columns: int, seed: int, n: int) -> NDArray:
    """Random orders of columns: (n, columns)."""
    rng = np.random.default_rng(seed)
    sizes = [min(BATCH, n - start) for start in range(0, n, BATCH)]
    kind = np.min_scalar_type(columns)
    return np.concatenate([np.argsort(rng.random((size, columns)), axis=1).astype(kind) for size in sizes])
