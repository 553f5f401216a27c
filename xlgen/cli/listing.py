"""What there is to choose from, read from the registries and the store: the command line and the book show the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """A name, a line about it, and its settings with their defaults."""

    name: str
    about: str
    settings: Mapping[str, Any] = {}

    @property
    def line(self) -> str:
        """What is said of it, the settings in brackets."""
        return f"{self.about} ({in_words(self.settings)})" if self.settings else self.about


def in_words(settings: Mapping[str, Any]) -> str:
    """``a=1, b=x``."""
    return ", ".join(f"{key}={value}" for key, value in settings.items())


def objectives(store: Path) -> Iterable[Entry]:
    from xlgen.objectives import OBJECTIVES

    yield from _classes(OBJECTIVES.items())


def tunings(store: Path) -> Iterable[Entry]:
    from xlgen.models.tuning import TUNINGS

    yield from _classes(TUNINGS.items())


def measures(store: Path) -> Iterable[Entry]:
    from xlgen.measures import MEASURES, settings_of

    for name, function in sorted(MEASURES.items()):
        yield Entry(name, about(function), settings_of(name))


def tasks(store: Path) -> Iterable[Entry]:
    from xlgen.data.catalogue import TASKS

    for name, task in TASKS.items():
        yield Entry(name, f"{', '.join(task.labels)}; {' '.join(task.languages)}")


def presets(store: Path) -> Iterable[Entry]:
    from xlgen.training.presets import PRESETS

    for name, preset in PRESETS.items():
        yield Entry(name, preset.about, {"task": preset.task} | dict(preset.settings))


def models(store: Path) -> Iterable[Entry]:
    from xlgen.models.catalogue import MODELS

    for name, model in MODELS.items():
        yield Entry(name, model.about, model.settings)
    yield Entry("...", "or the folder or hub id of any encoder")


def runs(store: Path) -> Iterable[Entry]:
    from xlgen.core.store import Store

    results = Store(store)
    for name in results.entries("run"):
        config, best = results.get(name).documents("config", "summary")
        what = (config["objective"], config["hyper"]), (config["tuning"], config["tuning_hyper"])
        spoken = ", ".join(f"{name} ({in_words(hyper)})" if hyper else name for name, hyper in what if name != "full")
        about = f"{config['task']}, {config['model']}, {spoken}, seed {config['seed']}"
        about += "".join(f", {key} {config[key]}" for key in ("start", "language") if config.get(key))
        yield Entry(name, f"{about}: dev accuracy {best['dev_accuracy']:.4f}")


LISTS: dict[str, Callable[[Path], Iterable[Entry]]] = {
    "measures": measures,
    "models": models,
    "objectives": objectives,
    "presets": presets,
    "runs": runs,
    "tasks": tasks,
    "tunings": tunings,
}


def _classes(kinds: Iterable[tuple[str, type]]) -> Iterable[Entry]:
    for name, kind in sorted(kinds):
        yield Entry(name, about(kind), {f.name: f.default for f in fields(kind)})


def about(thing: Any) -> str:
    """The first line of the docstring, without its markup."""
    return (thing.__doc__ or "").strip().splitlines()[0].rstrip(".").replace("``", "")
