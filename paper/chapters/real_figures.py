"""Figures of what is recorded of a real encoder, like those of a chapter's own models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np

from paper import figures
from paper.chapters.setups import Setup, rows_of, setups_of
from paper.records import Obtained
from xlgen.analysis import RESAMPLES, Clustered

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(ax: Axes, setup: Setup, name: str, correlation: Clustered | None = None) -> None:
    """A point a language with its standard errors; the legend has the name, and the correlation if given."""
    errors = {"xerr": setup.x_stderr, "yerr": setup.y_stderr}
    figures.scatter_correlation(ax, *setup.points(), **errors, correlation=correlation, objective=name)


def real_scatter(
    measures: Mapping[str, Mapping[str, Setup]],
    *,
    logarithmic: Sequence[str] = (),
    columns: int = 0,
    resamples: int = RESAMPLES,
) -> None:
    """Draw accuracy against measures over the target languages: a panel a measure and setup, if there is any.

    Args:
        measures: by label of the horizontal axis, the setups by name.
        logarithmic: labels of axes that are so.
        columns: panels side by side; a row a measure unless given.
        resamples: bootstrap samples of every interval.
    """
    drawn = [(label, name, setup) for label, setups in measures.items() for name, setup in setups.items()]
    if not drawn:
        return
    columns = columns or max(map(len, measures.values()))
    width = min(10.8 / columns, 4.8)
    axes = [*figures.panels(range(len(drawn)), (width, 0.95 * width), columns).values()]
    for ax, (label, name, setup) in zip(axes, drawn, strict=True):
        ax.set(xlabel=label, xscale="log" if label in logarithmic else "linear")
        draw(ax, setup, name)
        ax.get_legend().remove()  # wider than a panel
        ax.set_title(f"{name}\nr = {setup.correlation(resamples).interval:.2f}", fontsize="medium")
        if ax.get_subplotspec().is_first_col():
            ax.set_ylabel("accuracy (test)")
    axes[0].figure.draw_without_rendering()  # labels find free places only once the panels have their sizes
    for ax, (*_, setup) in zip(axes, drawn, strict=True):
        x, y = setup.points()
        there = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        figures.label_points(ax, x[there], y[there], list(setup.x.columns[there]))
    plt.show()


def real_together(panels: Mapping[tuple[str, str], Mapping[str, Setup]], resamples: int = RESAMPLES) -> None:
    """Draw all setups in one panel, a point a setup and target language; a panel a pair of measures, if there is any.

    Args:
        panels: by the labels of both axes, the setups by name.
        resamples: bootstrap samples of every interval.
    """
    drawn = {labels: setups for labels, setups in panels.items() if setups}
    if not drawn:
        return
    _, axes = plt.subplots(1, len(drawn), figsize=(10.4, 4.6), squeeze=False)
    for ax, ((xlabel, ylabel), setups) in zip(axes[0], drawn.items(), strict=True):
        for name, setup in setups.items():
            draw(ax, setup, name, setup.correlation(resamples))
        ax.set(xlabel=xlabel, ylabel=ylabel)
    plt.show()


def real_models(found: Obtained, measure: str, xlabel: str, named: Callable[[Any], str]) -> None:
    """Draw the mean accuracy over the target languages against a number of the model, and by setup; if there is any.

    Args:
        found: of :func:`paper.records.committed`, of one task.
        measure: that is the same in all languages.
        xlabel: its label.
        named: what a setup is called, from a key; keys of one name are its seeds.
    """
    rows = rows_of(found)
    if rows.empty or measure not in set(rows.measure):
        return
    number, setups = rows[rows.measure == measure].groupby("key").value.first(), setups_of(found, "accuracy", named)
    _, (left, right) = plt.subplots(1, 2, figsize=(10.4, 4.2), sharey=True, width_ratios=(3, 2))
    for place, (name, setup) in enumerate(setups.items()):
        style, mean = figures.look(name), 100 * setup.y.mean(axis=1)
        error = 100 * np.sqrt(np.mean(setup.y_stderr**2))  # translations of the same examples err together
        bar = {"fmt": style.marker, "color": style.colour, "elinewidth": 0.8}
        left.errorbar(number.reindex(mean.index), mean, yerr=error, label=name, **bar)
        right.errorbar(np.full(len(mean), place), mean, yerr=error, **bar)
    left.set(xlabel=xlabel, ylabel="mean accuracy of the target languages [%]")
    left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4)
    right.set_xticks(range(len(setups)), setups)
    right.set_xlim(-0.6, len(setups) - 0.4)
    right.grid(visible=False, axis="x")
    plt.show()
