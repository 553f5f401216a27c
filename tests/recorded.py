"""Recorded models of a real encoder that nobody has trained, with accuracies that are known."""

from __future__ import annotations

from types import SimpleNamespace

from paper.records import Obtained
from xlgen.measures import Value
from xlgen.measures.measuring import MeasureConfig

CODES = ("en", "de", "fr", "hi", "sw", "ur", "zh")
VANILLA, L2 = ("vanilla", 0.0), ("L2", 0.01)
LIFT = {VANILLA: 0.0, L2: 0.01}
ACCURACY = MeasureConfig(("accuracy",), (), "test", 0)
SHARP = MeasureConfig(("sharpness_difference",), (), "test", 64)


def value(x, status="ok", **extra):
    return Value(x, 0.01, 100, "on", "examples", status, extra)


def score(setup, seed, place):
    """Another slope for each seed, so that no two models are alike."""
    return 0.5 + 0.02 * place * (1 + seed) + LIFT[setup] * (1 + place)


def obtained(*keys):
    """Models with these keys (task, setup, seed); φ falls with accuracy, its control rises; Chinese has a bound."""
    runs, measured = {}, {}
    for key in keys:
        config = SimpleNamespace(model="e5-small", objective="baseline", seed=key[2], data=f"data{key[2]}")
        manifest = {"created": f"2026-11-2{key[2]}T00:00:00", "train_pairs": 10_000}
        runs[key] = SimpleNamespace(
            key=f"{sum(map(ord, str(key))):016x}",
            task=key[0],
            config=config,
            manifest=manifest,
            summary={"dev_accuracy": 0.7},
        )
        truth = {code: score(key[1], key[2], place) for place, code in enumerate(CODES)}
        phi = {c: value(-x, "hit_lower" if c == "zh" else "ok", phi_noise=[x - 1, x + 1]) for c, x in truth.items()}
        measured[key] = ({"accuracy": {c: value(x) for c, x in truth.items()}}, {"sharpness_difference": phi})
    measures = dict.fromkeys(keys, (ACCURACY, SHARP))
    return Obtained(runs, measured, measures, frozenset(), (), ("task", "setup", "seed"))
