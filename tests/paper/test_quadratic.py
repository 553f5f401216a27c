"""How quadratic the divergence under noise is, of models that were made up."""

from dataclasses import replace

import numpy as np
import pytest

from paper import protocols
from paper.chapters import quadratic
from paper.records import Obtained
from xlgen.measures import Value

KEY = ("sam", 0)
TRACE = {"en": 4.0, "de": 8.0, "ur": 16.0}
DRAWN = {"en": (0.5, 1.5, 1.0, 1.0), "de": (1.2, 1.0, 0.6, 0.8), "ur": (1.0, 1.0, 1.0, 1.0)}
"""Of each draw ε'Fε / σ² Tr F."""


def made(beyond) -> Obtained:
    """A model whose divergence is half of σ² Tr F times the draw, and of another order beyond that."""
    asked = protocols.divergence("mini", objectives=["sam"])
    parts = [{"fisher_trace": {code: Value(trace) for code, trace in TRACE.items()}}]
    for sigma in protocols.SIGMAS:
        values = {}
        for code, trace in TRACE.items():
            forms = [sigma**2 * trace / 2 * share for share in DRAWN[code]]
            pairs = [form * (1 + beyond(sigma, trace)) for form in forms]
            values[code] = Value(float(np.mean(pairs)), extra={"pairs": pairs, "forms": forms})
        parts.append({"noise_divergence": values})
    return Obtained({KEY: None}, {KEY: tuple(parts)}, asked.measures, frozenset(), (), asked.names)


def test_a_divergence_that_is_quadratic_is_its_form_at_every_size():
    found = quadratic(made(lambda sigma, trace: 0.0))
    assert set(found) == {(KEY, sigma) for sigma in protocols.SIGMAS}
    for one in found.values():
        assert one.form == pytest.approx([1, 1, 1], rel=1e-12) and one.order == 1
        assert one.trace == pytest.approx(np.mean([*DRAWN.values()], axis=0), rel=1e-12)
        assert one.trace_stderr == pytest.approx(one.trace.std(ddof=1) / 2, rel=1e-12)


def test_what_it_has_beyond_its_form_shows_and_can_turn_the_order_of_the_languages():
    found = quadratic(made(lambda sigma, trace: (sigma / 0.01) ** 2 * (10 - trace) / 60))
    least, *_, largest = (found[KEY, sigma] for sigma in protocols.SIGMAS)
    assert least.form == pytest.approx([1.001, 1 + 1 / 3000, 0.999], rel=1e-9) and least.order == 1
    assert largest.form == pytest.approx([1.9, 1.3, 0.1], rel=1e-9)
    assert largest.order == -0.5


def test_whole_leaves_out_models_that_lack_a_part():
    full = made(lambda sigma, trace: 0.0)
    assert full.whole() == full
    lacking = ("mvr", 0)
    measured = full.measured | {lacking: (*full.measured[KEY][:-1], {})}
    both = replace(
        full,
        runs={**full.runs, lacking: None},
        measured=measured,
        measures=dict.fromkeys((KEY, lacking), full.measures[KEY]),
        live=frozenset((lacking,)),
    )
    assert both.whole() == full
