"""Divergence under noise, against the exact Fisher information and the theorem that connects them."""

import copy

import numpy as np
import pytest
import torch
from test_measures import subject_of
from torch import nn

from xlgen.core.errors import ConfigError
from xlgen.fisher import exact
from xlgen.measures import MEASURES, measure
from xlgen.models.perturb import gaussian, weights

measured = MEASURES["noise_divergence"]


class Logits(nn.Module):
    """The logits of a model, as the exact computations want them."""

    def __init__(self, inner):
        super().__init__()
        self.inner = copy.deepcopy(inner)

    def forward(self, x):
        return self.inner(x).logits


def flat(toy, x):
    """The model as a function of one vector, and what turns a step by name into one."""
    logits, theta = exact.flat(Logits(toy), x)
    order = [name for name, _ in toy.named_parameters()]
    return logits, theta, lambda step: torch.cat([step[name].double().flatten() for name in order])


def draws(toy, seeds):
    return [gaussian(weights(toy), 1.0, torch.Generator().manual_seed(seed)) for seed in seeds]


def test_it_is_the_exact_divergence_in_the_mean_over_both_signs(toy, data):
    logits, theta, vector = flat(toy, data[0])
    value = measured(subject_of(toy, *data, size=7), noise_scale=0.3, noise_seeds=(5, 2))["de"]
    expected = [
        sum(exact.kl(logits, theta, sign * 0.3 * vector(e)).item() for sign in (1, -1)) / 2 for e in draws(toy, (5, 2))
    ]
    assert value.extra["pairs"] == pytest.approx(expected, rel=1e-6)  # the noise is scaled in float32
    assert value.value == pytest.approx(np.mean(expected), rel=1e-6)
    assert value.stderr == pytest.approx(np.std(expected, ddof=1) / 2**0.5, rel=1e-5)
    assert (value.stderr_kind, value.n, value.extra["seeds"]) == ("noise", len(data[0]), [5, 2])


def test_what_a_pair_leaves_of_the_quadratic_form_is_of_fourth_order(toy, data):
    logits, theta, vector = flat(toy, data[0])
    F, (e,) = exact.fisher(logits, theta), map(vector, draws(toy, (1,)))
    scales = np.array([0.02, 0.04, 0.08])
    left = [
        abs(measured(subject_of(toy, *data), noise_scale=s, noise_seeds=(1,))["de"].value - (s * e @ F @ (s * e) / 2))
        for s in scales.tolist()
    ]
    slope = np.polyfit(np.log(scales), np.log([x.item() for x in left]), 1)[0]
    assert 3.8 < slope < 4.2


def test_the_form_of_a_pair_is_the_quadratic_form_of_its_noise(toy, data):
    logits, theta, vector = flat(toy, data[0])
    F, seeds = exact.fisher(logits, theta), (4, 1, 7)
    value = measured(subject_of(toy, *data, size=7), noise_scale=1e-3, noise_seeds=seeds)["de"]
    exactly = [(1e-6 * vector(e) @ F @ vector(e) / 2).item() for e in draws(toy, seeds)]
    assert value.extra["forms"] == pytest.approx(exactly, rel=1e-4)
    assert value.extra["pairs"] == pytest.approx(exactly, rel=1e-4)
    assert len(set(exactly)) == 3 and max(exactly) > 1.2 * min(exactly), "the pairs do differ"
    large = measured(subject_of(toy, *data), noise_scale=1.0, noise_seeds=seeds)["de"]
    assert abs(large.value / (1e6 * np.mean(exactly)) - 1) > 0.02, "at this size it is not quadratic"


def test_over_many_draws_it_is_half_the_trace(toy, data):
    subject, scale = subject_of(toy, *data), 1e-3
    found = measure(subject, ["noise_divergence", "fisher_trace"], {"noise_divergence": {"noise_seeds": range(300)}})
    value, trace = (found[name]["de"] for name in ("noise_divergence", "fisher_trace"))
    half = scale**2 * trace.value / 2
    assert abs(value.value - half) < 4 * value.stderr and value.stderr < 0.1 * half


def test_with_one_pair_the_error_is_that_of_the_examples(toy, data):
    x, y = data
    subject, twice = subject_of(toy, x, y), subject_of(toy, x.repeat(2, 1), y.repeat(2))
    one, two = (measured(each, noise_seeds=(0,))["de"] for each in (subject, twice))
    assert one.stderr_kind == "examples" and one.stderr == one.extra["stderr_examples"] > 0
    assert two.value == pytest.approx(one.value, rel=1e-9)
    n = len(x)
    assert two.stderr == pytest.approx(one.stderr * ((n - 1) / (2 * n - 1)) ** 0.5, rel=1e-9)


@pytest.mark.parametrize(
    "settings", [{"noise_scale": 0}, {"noise_scale": -1e-3}, {"noise_seeds": (1, 1)}, {"noise_seeds": ()}]
)
def test_settings_out_of_range_are_refused(toy, data, settings):
    (name,) = settings
    with pytest.raises(ConfigError, match=name):
        measured(subject_of(toy, *data), **settings)
