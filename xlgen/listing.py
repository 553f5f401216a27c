"""What ``xlgen list`` shows, read from the registries and the store: a name and a line about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

Lines = Iterable[tuple[str, str]]


def objectives(store: Path) -> Lines:
    from xlgen.objectives import OBJECTIVES

    for name, kind in sorted(OBJECTIVES.items()):
        yield name, _about(kind) + _settings({f.name: f.default for f in fields(kind)})


def measures(store: Path) -> Lines:
    from xlgen.measures import MEASURES, settings_of

    for name, function in sorted(MEASURES.items()):
        yield name, _about(function) + _settings(settings_of(name))


def tasks(store: Path) -> Lines:
    from xlgen.tasks import TASKS

    for name, task in TASKS.items():
        yield name, f"{', '.join(task.labels)}; {' '.join(task.languages)}"


def presets(store: Path) -> Lines:
    from xlgen.presets import PRESETS

    for name, preset in PRESETS.items():
        yield name, preset.about + _settings({"task": preset.task} | dict(preset.settings))


def models(store: Path) -> Lines:
    from xlgen.presets import MODELS

    for name, model in MODELS.items():
        yield name, model.about + _settings(model.settings)
    yield "...", "or the folder or hub id of any encoder"


def tunings(store: Path) -> Lines:
    from xlgen.tuning import TUNINGS

    for name, kind in sorted(TUNINGS.items()):
        yield name, _about(kind) + _settings({f.name: f.default for f in fields(kind)})


def runs(store: Path) -> Lines:
    from xlgen.store import Store, read_json

    results = Store(store)
    for name in results.entries("run"):
        config, best = (read_json(results.root / name / f"{file}.json") for file in ("config", "summary"))
        about = f"{config['task']}, {config['model']}, {config['objective']}{_settings(config['hyper'])}"
        yield name, f"{about}, seed {config['seed']}: dev accuracy {best['dev_accuracy']:.4f}"


LISTS: dict[str, Callable[[Path], Lines]] = {
    "measures": measures,
    "models": models,
    "objectives": objectives,
    "presets": presets,
    "runs": runs,
    "tasks": tasks,
    "tunings": tunings,
}


def _about(thing: Any) -> str:
    return (thing.__doc__ or "").strip().splitlines()[0].rstrip(".")


def _settings(values: Mapping[str, Any]) -> str:
    return f" ({', '.join(f'{key}={value}' for key, value in values.items())})" if values else ""
