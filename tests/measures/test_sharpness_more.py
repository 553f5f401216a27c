"""Adaptive sharpness, the sweep over noise scales, and what the searches for alpha cost."""

import math
from types import SimpleNamespace

import pytest
import torch
from test_measures import CURVATURE, Failing, W, batches_of, logistic, quadratic, subject_of
from torch import nn

from xlgen.core.errors import ConfigError, UnknownName
from xlgen.measures import MEASURES, measure
from xlgen.measures.attack import Attack
from xlgen.models import perturb
from xlgen.models.evaluate import losses

torch.set_num_threads(1)


class Counting(nn.Module):
    """Counts forward passes with and without a gradient."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.units = inner, 0.0
        self.forwards = self.gradients = 0

    def forward(self, x):
        if torch.is_grad_enabled():
            self.gradients += 1
        else:
            self.forwards += 1
        return self.inner(x)


# --- adaptive sharpness -----------------------------------------------------------------------------------------------


class Rescaled(nn.Module):
    """ReLU network whose first layer is multiplied and whose second is divided by the same number."""

    def __init__(self, factor):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(4, 6), nn.Linear(6, 3)
        self.double()
        with torch.no_grad():
            self.first.weight *= factor
            self.first.bias *= factor
            self.second.weight /= factor

    def forward(self, x):
        return SimpleNamespace(logits=self.second(torch.relu(self.first(x))))


def test_adaptive_sharpness_does_not_see_rescaling_and_the_other_does(data):
    one, other = (subject_of(Rescaled(factor), *data, languages=("en",)) for factor in (1.0, 8.0))
    name = "sharpness_adaptive"
    values = [MEASURES[name](subject, rho=0.5)["en"] for subject in (one, other)]
    assert values[0].value == pytest.approx(values[1].value, rel=1e-9) and values[0].value > 1e-2
    assert values[0].extra["rises"] == pytest.approx(values[1].extra["rises"], rel=1e-8)
    plain = [MEASURES["sharpness_difference"](subject)["en"].value for subject in (one, other)]
    assert abs(plain[1] / plain[0] - 1) > 0.5


def worst_relative_rise(rho):
    """max of 1/2 Σ b (1 + v)² - 1/2 Σ b over ||v|| ≤ rho: b (1 + v) = μ v with the μ > max b that fits the radius."""
    b = CURVATURE.mean(0) * torch.tensor(W, dtype=torch.float64) ** 2
    low, high = b.max().item(), 1e6
    for _ in range(200):
        mu = (low + high) / 2
        low, high = (mu, high) if (b / (mu - b)).norm() > rho else (low, mu)
    v = b / (high - b)
    return (b * ((1 + v) ** 2 - 1)).sum().item() / 2


@pytest.mark.parametrize("rho", [0.05, 0.5])
def test_adaptive_sharpness_of_a_quadratic_is_the_exact_maximum(rho):
    value = MEASURES["sharpness_adaptive"](quadratic(), rho=rho, steps=60)["en"]
    assert value.value == pytest.approx(worst_relative_rise(rho), rel=1e-6) and value.status == "ok"


def test_adaptive_search_stays_in_the_ball_and_counts_its_units(toy, data):
    origin = {name: p.detach().clone() for name, p in toy.named_parameters()}
    radii = []

    def radius(*_):
        moved = [((p - origin[name]) / origin[name]).norm() for name, p in toy.named_parameters()]
        radii.append(torch.stack(moved).norm().item())

    hook = toy.register_forward_pre_hook(radius)
    subject = subject_of(toy, *data, size=23, languages=("en",))
    value = MEASURES["sharpness_adaptive"](subject, rho=0.3, steps=6)["en"]
    hook.remove()
    # L(w), then the start and six points: v grows by half a radius at most
    assert radii[:3] == pytest.approx([0, 0, 0.15], abs=1e-12) and max(radii) == pytest.approx(0.3, rel=1e-9)
    assert len(radii) == 8 and value.extra["units"] == pytest.approx(6 + 1 / 3)
    assert value.value == max(value.extra["rises"]) and len(value.extra["rises"]) == 6


def test_adaptive_sharpness_of_a_model_that_is_certain_is_zero():
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(2, dtype=torch.float64))

        def forward(self, x):
            return SimpleNamespace(logits=0 * x[:, :2] * self.w)

    value = MEASURES["sharpness_adaptive"](subject_of(Constant(), CURVATURE, torch.zeros(3).long(), 2))["en"]
    assert (value.value, value.status, value.stderr) == (0.0, "ok", 0.0)


def test_adaptive_status_error_and_subset(toy, data):
    one = MEASURES["sharpness_adaptive"](subject_of(toy, *data), rho=1.0, steps=1)["en"]
    assert one.status == "not_converged" and one.value > 0  # one step cannot tell
    x, y = data
    part = MEASURES["sharpness_adaptive"](subject_of(toy, x, y), examples=9)["en"]
    alone = MEASURES["sharpness_adaptive"](subject_of(toy, x[:9], y[:9]))["en"]
    assert part.value == pytest.approx(alone.value, rel=1e-10) and part.n == 9 and "first 9 examples" in part.on
    assert part.stderr == pytest.approx(alone.stderr, rel=1e-8) and part.stderr_kind == "examples"
    values = [MEASURES["sharpness_adaptive"](subject_of(toy, x, y), rho=rho)["en"].value for rho in (0.1, 0.2, 0.4)]
    assert 0 < values[0] < values[1] < values[2]


@pytest.mark.parametrize("settings", [{"rho": 0.0}, {"steps": 0}, {"tolerance": 0.0}, {"examples": -1}])
def test_adaptive_refuses_settings_out_of_range(toy, data, settings):
    with pytest.raises(ConfigError, match=f"^{next(iter(settings))} is"):
        MEASURES["sharpness_adaptive"](subject_of(toy, *data), **settings)


# --- draws of the noise -----------------------------------------------------------------------------------------------


def test_a_draw_is_one_gradient_and_one_forward_pass(toy, data):
    """The floor: L(w_0) comes from the pass of accuracy and margin."""
    model = Counting(toy)
    subject = subject_of(model, *data, size=23, languages=("en", "de", "sw"))
    settings = {"noise_seeds": (0, 1), "control": False}
    measure(subject, ["accuracy", "margin", "sharpness_difference"], {"sharpness_difference": settings})
    assert (model.gradients, model.forwards) == (3 * 2, 3 + 3 * 2)


# --- the searches for alpha -------------------------------------------------------------------------------------------

PLAIN = {"bisections": 15, "restarts": 3, "steps": 20}


def searches(subject, **settings):
    """By search, the value; with the settings of a plain search of 915 units."""
    run = MEASURES["sharpness_alpha"]
    return {name: run(subject, search=name, **PLAIN, **settings)["en"] for name in ("plain", "bisection", "guided")}


@pytest.mark.parametrize("criterion", ["accuracy_deviation", "loss_deviation"])
@pytest.mark.parametrize("seed", [0, 1])
def test_guided_search_brackets_the_plain_answer_for_a_fifth_of_its_units(toy, data, criterion, seed):
    subject = subject_of(toy, *data, size=23, languages=("en",))
    found = searches(subject, criterion=criterion, alpha_max=10.0, seed=seed)
    plain, early, guided = (found[name].extra for name in ("plain", "bisection", "guided"))
    assert plain["units"] == pytest.approx(15 * 3 * (20 + 1 / 3))
    assert (plain["alpha"], plain["alpha_above"]) == (early["alpha"], early["alpha_above"])
    assert early["units"] < plain["units"]
    assert guided["alpha"] <= plain["alpha_above"] and plain["alpha"] <= guided["alpha_above"]
    assert 1 < guided["alpha_above"] / guided["alpha"] <= 1.05 * (1 + 1e-12)
    assert guided["units"] * 5 <= plain["units"]


def test_guided_search_finds_the_closed_form_to_any_tolerance():
    for tolerance in (0.3, 0.05, 1e-4):
        settings = {"search": "guided", "tolerance": tolerance, "alpha_min": 1e-3, "alpha_max": 10.0}
        extra = MEASURES["sharpness_alpha"](logistic(), **settings)["en"].extra
        assert extra["alpha"] <= 2.0 <= extra["alpha_above"] <= extra["alpha"] * (1 + tolerance) * (1 + 1e-12)


def test_guided_search_reports_where_it_ends():
    run = lambda **settings: MEASURES["sharpness_alpha"](logistic(), search="guided", **settings)["en"]  # noqa: E731
    lower, upper = run(alpha_min=4.0, alpha_max=8.0), run(alpha_min=0.1, alpha_max=1.0, restarts=3)
    assert (lower.status, lower.extra["alpha"], lower.value) == ("hit_lower", 4.0, 1 / 16)
    assert (upper.status, upper.extra["alpha"], upper.extra["alpha_above"]) == ("hit_upper", 1.0, None)
    assert upper.extra["units"] == pytest.approx(3 * (5 + 1 / 3))  # every start, at the upper end alone
    assert run(alpha_min=1.999, alpha_max=2.001).status == "ok"
    assert run(criterion="absolute_loss", threshold=0.01).extra["units"] == 0


class Scripted(Attack):
    """An attack whose starts have known answers."""

    def __init__(self, answers):
        self.answers, self.restarts, self.steps, self.tried, self.asked = answers, len(answers), 20, [], []

    def climb(self, restart, alpha):
        self.asked.append((restart, alpha))
        bad = alpha >= self.answers[restart]
        return float(bad), min(20, int(20 * self.answers[restart] / alpha)) if bad else None


@pytest.mark.parametrize("answers", [(3e-4, 4e-4, 5e-4), (5e-4, 4e-4, 3e-4), (4e-4, 3e-4, 3.001e-4), (3e-4,) * 3])
def test_guided_search_is_the_smallest_over_the_starts(answers):
    from xlgen.measures.attack import guide

    attack = Scripted(answers)
    low, above, status = guide(attack, 1e-6, 0.1, 0.05)
    assert status == "ok" and low < 3e-4 <= above <= low * 1.05 * (1 + 1e-12)
    for restart in range(3):  # every start was tried, and tolerated the answer or more
        tolerated = [a for r, a in attack.asked if r == restart and a < answers[restart]]
        assert max(tolerated) >= low


def test_a_start_is_the_same_whenever_it_is_used(toy, data):
    """The guided search climbs from one start alone; the bisection from all, in order."""
    seen = []
    hook = toy.register_forward_pre_hook(lambda module, _: seen.append(module.hidden.weight.detach().clone()))
    parameters = perturb.weights(toy)
    with perturb.restored(parameters) as origin:
        attack = Attack(
            toy, batches_of(*data, 23), parameters, origin, None, lambda *_: torch.zeros(1), 0.1, 3, 1, None, 0
        )
        attack.tolerated(0.1)
        for restart in (2, 0, 1):
            attack.climb(restart, 0.1)
    hook.remove()
    starts = seen[::2]
    assert all(torch.equal(starts[3 + i], starts[restart]) for i, restart in enumerate((2, 0, 1)))
    assert not torch.equal(starts[0], starts[1]) and not torch.equal(starts[1], starts[2])


def test_unknown_search_and_tolerance_are_explained():
    with pytest.raises(UnknownName, match="Did you mean 'guided'"):
        MEASURES["sharpness_alpha"](logistic(), search="guide")
    with pytest.raises(ConfigError, match="^tolerance is 0"):
        MEASURES["sharpness_alpha"](logistic(), search="guided", tolerance=0)


# --- what all must leave untouched ------------------------------------------------------------------------------------

MOVING = [
    ("sharpness_adaptive", {}),
    ("sharpness_difference", {}),
    ("sharpness_alpha", {"search": "guided"}),
    ("noise_divergence", {}),
]


@pytest.mark.parametrize(("name", "settings"), MOVING)
def test_weights_come_back_wherever_the_model_fails(toy, data, name, settings):
    toy.hidden.weight.grad = kept = torch.ones_like(toy.hidden.weight)
    before = {key: p.detach().clone() for key, p in toy.named_parameters()}
    pointers = [p.data_ptr() for p in toy.parameters()]
    subject = subject_of(toy, *data, size=12)
    subject.predictions  # noqa: B018  (so that the first forward pass below is a perturbed one)
    for k in (*range(6), math.inf):
        subject.model = Failing(toy, k)
        if k < math.inf:
            with pytest.raises(RuntimeError, match="out of memory"):
                MEASURES[name](subject, **settings)
        else:
            MEASURES[name](subject, **settings)
        assert all(torch.equal(p, before[key]) for key, p in toy.named_parameters())
        assert [p.data_ptr() for p in toy.parameters()] == pointers
        assert toy.hidden.weight.grad is kept and toy.classifier.weight.grad is None
        assert not toy.hidden.bias.requires_grad


@pytest.mark.parametrize(("name", "settings"), MOVING)
def test_a_language_does_not_depend_on_its_neighbours_or_the_batches(toy, data, name, settings):
    x, y = data
    together = subject_of(toy, 3 * x, y, languages=("en",))
    together.batches["de"] = batches_of(x, y, 5)
    alone = MEASURES[name](subject_of(toy, x, y, 5, ("de",)), **settings)["de"]
    assert MEASURES[name](together, **settings)["de"] == alone
    whole = MEASURES[name](subject_of(toy, x, y, 23, ("de",)), **settings)["de"]
    assert whole.value == pytest.approx(alone.value, rel=1e-8)


def test_losses_are_those_of_the_unperturbed_model(toy, data):
    subject = subject_of(toy, *data)
    expected = losses(subject.predictions["en"]).mean().item()
    for name in ("sharpness_adaptive", "sharpness_difference"):
        assert MEASURES[name](subject)["en"].extra["loss"] == expected
