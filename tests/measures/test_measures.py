"""The measures against closed forms, and what they must leave untouched."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from xlgen.core.errors import ConfigError, DataError, ModelError, TrainingError, UnknownName
from xlgen.data.batch import Batch
from xlgen.measures import ALL, MEASURES, Subject, Value, measure, settings_of
from xlgen.measures.base import Predictions
from xlgen.measures.margin import margins
from xlgen.measures.sharpness_alpha import Attack
from xlgen.measures.sharpness_difference import Ball
from xlgen.models import evaluate, perturb

torch.set_num_threads(1)


class Toy(nn.Module):
    """Two layers with dropout, a frozen bias and a parameter that takes no part."""

    def __init__(self, width=4, classes=3):
        super().__init__()
        self.hidden = nn.Linear(width, 5)
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Linear(5, classes)
        self.unused = nn.Parameter(torch.ones(2))
        self.hidden.bias.requires_grad_(False)

    def forward(self, x):
        return SimpleNamespace(logits=self.classifier(self.dropout(torch.tanh(self.hidden(x)))))


class Quadratic(nn.Module):
    """Cross-entropy of class 0 is exactly q_i(w) = 1/2 Σ_k x_ik w_k²: L is a quadratic with Hessian mean(x)."""

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w, dtype=torch.float64))

    def forward(self, x):
        q = (x * self.w**2).sum(1) / 2
        return SimpleNamespace(logits=torch.stack([-q, torch.log(-torch.expm1(-q))], dim=1))


class Logistic(nn.Module):
    """One weight, logits (0, w x)."""

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([w], dtype=torch.float64))

    def forward(self, x):
        return SimpleNamespace(logits=torch.stack([torch.zeros_like(x[:, 0]), self.w * x[:, 0]], dim=1))


class Failing(nn.Module):
    """Raises at its k-th forward pass."""

    def __init__(self, inner, k):
        super().__init__()
        self.inner, self.left = inner, k

    def forward(self, x):
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("out of memory")
        return self.inner(x)


def batches_of(x, y, size):
    """Fixed batches in an order that is not the split's."""
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    return [Batch({"x": x[rows]}, y[rows], rows) for rows in order.split(size)]


def subject_of(model, x, y, size=5, languages=("en", "de"), **more):
    return Subject(model, {language: batches_of(x, y, size) for language in languages}, **more)


def fixed(logits, labels):
    """A subject whose predictions are given."""
    subject = Subject(nn.Identity(), {"en": []})
    subject.__dict__["predictions"] = {
        "en": Predictions(torch.tensor(logits, dtype=torch.float64), torch.tensor(labels))
    }
    return subject


# --- evaluation -------------------------------------------------------------------------------------------------------


def test_predictions_are_in_the_order_of_the_split(toy, data):
    x, y = data
    predictions = evaluate.predict(toy, batches_of(x, y, 5))
    assert torch.allclose(predictions.logits, toy(x).logits, rtol=1e-13, atol=0)
    assert torch.equal(predictions.labels, y)
    assert predictions.logits.dtype == torch.float64 and not predictions.logits.requires_grad


def test_the_mean_of_the_losses_weighs_examples_and_not_batches(toy, data):
    x, y = data
    expected = nn.functional.cross_entropy(toy(x).logits, y).item()
    for size in (1, 4, 23):
        found = evaluate.losses(evaluate.predict(toy, batches_of(x, y, size))).mean().item()
        assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("size", [1, 4, 23])
def test_gradient_is_that_of_the_mean_over_all_examples(toy, data, size):
    x, y = data
    loss, gradient = evaluate.loss_and_gradient(toy, batches_of(x, y, size))
    for p in toy.parameters():
        p.requires_grad_(True)
    expected = nn.functional.cross_entropy(toy(x).logits, y)
    names, parameters = zip(*toy.named_parameters(), strict=True)
    oracle = torch.autograd.grad(expected, parameters, allow_unused=True)
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    assert set(gradient) == set(names)
    for name, g in zip(names, oracle, strict=True):
        assert torch.allclose(gradient[name], torch.zeros(2).double() if g is None else g, rtol=1e-10, atol=1e-14)


def test_training_flags_requires_grad_and_grad_are_left_alone(toy, data):
    toy.train()
    toy.hidden.eval()
    toy.classifier.weight.grad = kept = torch.full_like(toy.classifier.weight, 7.0)
    frozen = {name: p.requires_grad for name, p in toy.named_parameters()}
    batches = batches_of(*data, 5)
    first = evaluate.predict(toy, batches)
    evaluate.loss_and_gradient(toy, batches)
    assert torch.equal(first.logits, evaluate.predict(toy, batches).logits)  # no dropout
    assert toy.training and toy.dropout.training and not toy.hidden.training
    assert {name: p.requires_grad for name, p in toy.named_parameters()} == frozen
    assert toy.classifier.weight.grad is kept and (kept == 7).all()
    assert toy.hidden.weight.grad is None


def test_gradient_pass_that_fails_leaves_no_trace(toy, data):
    model = Failing(toy, 2).train()
    with pytest.raises(RuntimeError):
        evaluate.loss_and_gradient(model, batches_of(*data, 5))
    assert model.training and toy.dropout.training
    assert all(p.grad is None for p in toy.parameters()) and not toy.hidden.bias.requires_grad


def test_infinite_logits_name_the_row_and_the_language(toy, data):
    x, y = data
    x[17, 0] = math.inf
    x[17, 1] = math.nan
    for f in (evaluate.predict, evaluate.loss_and_gradient):
        with pytest.raises(TrainingError, match=r"row 17 of 'sw'"):
            f(toy, batches_of(x, y, 5), "sw")


def test_gradient_that_is_not_finite_is_an_error(data):
    class Root(Logistic):
        def forward(self, x):
            return super().forward(x * torch.sqrt(self.w))  # slope infinite at 0

    with pytest.raises(TrainingError, match=r"gradient of 'th'"):
        evaluate.loss_and_gradient(Root(0.0), batches_of(data[0], data[1] % 2, 5), "th")


def test_rows_that_are_missing_or_double_are_an_error(toy, data):
    batches = batches_of(*data, 5)
    for bad in (batches[1:], [*batches, batches[0]]):
        with pytest.raises(DataError, match="each once"):
            evaluate.predict(toy, bad)
    with pytest.raises(DataError, match="no examples of 'ur'"):
        evaluate.predict(toy, [], "ur")


def test_subset_is_the_first_rows_whatever_the_batches(toy, data):
    x, y = data
    full = evaluate.predict(toy, batches_of(x, y, 5))
    few = evaluate.subset(batches_of(x, y, 5), 9)
    part = evaluate.predict(toy, few)
    assert len(part) == 9 and max(map(len, few)) <= 5 and len(few) <= 3
    assert torch.allclose(part.logits, full.logits[:9], rtol=1e-13, atol=0)
    assert torch.equal(part.labels, y[:9])
    assert evaluate.subset(few, 0) == few == evaluate.subset(few, 9)


def test_subset_joins_batches_of_different_lengths_with_padding():
    short = Batch({"ids": torch.ones(2, 3, dtype=torch.long)}, torch.zeros(2).long(), torch.tensor([4, 0]))
    long = Batch({"ids": torch.full((2, 5), 2)}, torch.ones(2).long(), torch.tensor([1, 3]))
    other = Batch({"ids": torch.full((1, 5), 3)}, torch.ones(1).long(), torch.tensor([2]))
    (joined,) = evaluate.subset([short, long, other], 2)
    assert joined.inputs["ids"].tolist() == [[1, 1, 1, 0, 0], [2, 2, 2, 2, 2]]
    assert joined.index.tolist() == [0, 1] and joined.labels.tolist() == [0, 1]


# --- accuracy, loss, margin -------------------------------------------------------------------------------------------


def test_accuracy_and_its_binomial_error():
    logits = [[2.0, 1.0], [0.0, 1.0], [3.0, 1.0], [1.0, 0.0]]
    value = MEASURES["accuracy"](fixed(logits, [0, 1, 0, 1]))["en"]
    assert (value.value, value.n, value.stderr_kind) == (0.75, 4, "examples")
    assert value.stderr == pytest.approx(math.sqrt(0.75 * 0.25 / 4), rel=1e-14)


def test_loss_and_its_standard_error():
    value = MEASURES["loss"](fixed([[0.0, 0.0], [math.log(3), 0.0]], [0, 1]))["en"]
    each = [math.log(2), math.log(4)]
    assert value.value == pytest.approx(sum(each) / 2, rel=1e-14)
    assert value.stderr == pytest.approx((each[1] - each[0]) / 2, rel=1e-12)  # s/√2 = |d|/√2/√2


def test_margins_by_hand():
    subject = fixed([[2.0, 5.0, 1.0], [0.0, math.log(2), math.log(7)], [1.0, 0.0, 1.0]], [1, 1, 0])
    predictions = subject.predictions["en"]
    assert margins(predictions, "logit").tolist() == pytest.approx([3.0, math.log(2 / 7), 0.0], abs=1e-14)
    assert margins(predictions, "prob")[1].item() == pytest.approx(0.2 - 0.7, rel=1e-12)
    assert MEASURES["margin_logit"](subject)["en"].value == pytest.approx((3 + math.log(2 / 7)) / 3, rel=1e-12)
    assert MEASURES["margin_logit"](subject)["en"].extra["correct_only"] == 3.0
    assert MEASURES["margin_logit"](subject)["en"].extra["n_correct"] == 1  # a tie is not ahead


def test_mean_margin_and_percentile_of_probabilities():
    p = torch.linspace(0.05, 0.95, 101, dtype=torch.float64)
    subject = fixed(torch.stack([p.log(), (1 - p).log()], 1).tolist(), [0] * 101)
    gamma = 2 * p - 1
    mean, low = MEASURES["margin"](subject)["en"], MEASURES["margin_p10"](subject)["en"]
    assert mean.value == pytest.approx(gamma.mean().item(), abs=1e-12)
    assert mean.stderr == pytest.approx(gamma.std().item() / math.sqrt(101), rel=1e-12)
    assert low.value == pytest.approx(gamma[10].item(), rel=1e-12)
    delta = math.sqrt(0.09 / 101)
    assert low.stderr == pytest.approx(1.8 * delta, rel=1e-10)  # quantiles of an even grid are linear
    assert mean.extra["correct_only"] == pytest.approx(gamma[gamma > 1e-9].mean().item(), rel=1e-12)


def test_percentile_error_agrees_with_resampling():
    generator = torch.Generator().manual_seed(1)
    sample = torch.randn(400, generator=generator, dtype=torch.float64)
    logits = torch.stack([sample, torch.zeros_like(sample)], 1)
    stderr = MEASURES["margin_logit_p10"](fixed(logits.tolist(), [0] * 400))["en"].stderr
    again = sample[torch.randint(0, 400, (2000, 400), generator=generator)].quantile(0.1, dim=1).std().item()
    assert stderr == pytest.approx(again, rel=0.35)


def test_the_best_other_class_may_have_a_negative_logit():
    subject = fixed([[-1.0, -2.0, -4.0], [-3.0, -1.0, -2.0]], [0, 0])
    assert margins(subject.predictions["en"], "logit").tolist() == [1.0, -2.0]


def test_margin_of_probabilities_lies_in_its_range_even_for_extreme_logits():
    subject = fixed([[1000.0, -1000.0, 0.0], [-1000.0, 1000.0, 0.0]], [0, 0])
    assert margins(subject.predictions["en"], "prob").tolist() == [1.0, -1.0]


def test_margin_with_no_correct_example_is_still_a_value():
    value = MEASURES["margin"](fixed([[0.0, 1.0], [0.0, 2.0]], [0, 0]))["en"]
    assert value.value < 0 and math.isnan(value.extra["correct_only"]) and value.extra["n_correct"] == 0


# --- difference-based sharpness ---------------------------------------------------------------------------------------

CURVATURE = torch.tensor([[0.5, 2.0, 1.0], [1.5, 1.0, 0.2], [0.1, 0.6, 3.0]], dtype=torch.float64)
W = [0.9, -0.7, 1.1]


def quadratic(size=2, languages=("en",)):
    return subject_of(Quadratic(W), CURVATURE, torch.zeros(3).long(), size, languages)


def algorithm_1(seed, scale, n, lam, project=True):
    """Algorithm 1 written out for L(w) = 1/2 Σ a w²."""
    a, w0 = CURVATURE.mean(0), torch.tensor(W, dtype=torch.float64)
    loss = lambda w: (a * w**2).sum().item() / 2  # noqa: E731
    noise = scale * torch.randn(3, generator=torch.Generator().manual_seed(seed)).double()
    w = w0 + noise
    new = w + n * a * w
    p = lam * new.norm()
    if project and (new - w0).norm() > p:
        new = w0 + (new - w0) / (new - w0).norm() * p
    return loss(new) - loss(w0), new, p.item()


@pytest.mark.parametrize(
    ("scale", "n", "lam", "project", "clipped"),
    [
        (0.01, 0.05, 1.0, True, 0.0),
        (0.01, 0.05, 0.01, True, 1.0),
        (0.2, 0.3, 0.05, True, 1.0),
        (0.2, 0.3, 0.05, False, 0),
    ],
)
def test_difference_is_algorithm_1_on_a_quadratic(scale, n, lam, project, clipped):
    settings = {"noise_scale": scale, "n": n, "lam": lam, "project": project, "noise_seeds": (0, 5)}
    value = MEASURES["sharpness_difference"](quadratic(), **settings)["en"]
    oracle = [algorithm_1(seed, scale, n, lam, project) for seed in (0, 5)]
    phi = [each[0] for each in oracle]
    assert value.extra["phi"] == pytest.approx(phi, rel=1e-6)  # ε is drawn in float32
    assert value.value == pytest.approx(sum(phi) / 2, rel=1e-6)
    assert value.stderr == pytest.approx(abs(phi[0] - phi[1]) / 2, rel=1e-4)
    assert value.extra["radius"] == pytest.approx([each[2] for each in oracle], rel=1e-6)
    assert value.extra["clipped"] == clipped and value.stderr_kind == "noise" and value.n == 3
    noise = [algorithm_1(seed, scale, 0.0, lam, project)[0] for seed in (0, 5)]
    assert value.extra["phi_noise"] == pytest.approx(noise, rel=1e-5)
    assert value.extra["ascent_share"] == pytest.approx(1 - sum(noise) / sum(phi), rel=1e-5)


def test_ascent_alone_has_a_closed_form_and_one_draw():
    value = MEASURES["sharpness_difference"](quadratic(), noise_scale=0.0, n=0.1, lam=10.0)["en"]
    a, w0 = CURVATURE.mean(0), torch.tensor(W, dtype=torch.float64)
    expected = (a * w0**2 * ((1 + 0.1 * a) ** 2 - 1)).sum().item() / 2
    assert value.value == pytest.approx(expected, rel=1e-12)
    assert value.extra["seeds"] == [0] and value.extra["phi_noise"] == [0.0]
    # there is no noise of draws: the error is that of the examples
    assert value.stderr_kind == "examples" and value.stderr == value.extra["stderr_examples"] > 0
    assert value.extra["ascent_norm"] == pytest.approx([0.1 * (a * w0).norm().item()], rel=1e-12)


def test_no_noise_and_no_step_is_exactly_zero():
    assert MEASURES["sharpness_difference"](quadratic(), noise_scale=0.0, n=0.0)["en"].value == 0.0


def test_standard_error_over_examples_is_that_of_the_rises():
    value = MEASURES["sharpness_difference"](quadratic(), noise_scale=0.0, n=0.1, lam=10.0)["en"]
    a, w0 = CURVATURE.mean(0), torch.tensor(W, dtype=torch.float64)
    rises = (CURVATURE * w0**2 * ((1 + 0.1 * a) ** 2 - 1)).sum(1) / 2
    assert value.extra["stderr_examples"] == pytest.approx(rises.std().item() / math.sqrt(3), rel=1e-10)


def test_standard_error_over_examples_is_that_of_their_means_over_draws():
    settings = {"noise_scale": 0.2, "n": 0.3, "project": False, "noise_seeds": (0, 5)}
    value, w0 = MEASURES["sharpness_difference"](quadratic(), **settings)["en"], torch.tensor(W, dtype=torch.float64)
    neighbours = [algorithm_1(seed, 0.2, 0.3, 1.0, project=False)[1] for seed in (0, 5)]
    rises = torch.stack([(CURVATURE * (w**2 - w0**2)).sum(1) / 2 for w in neighbours]).mean(0)
    assert value.extra["stderr_examples"] == pytest.approx(rises.std().item() / math.sqrt(3), rel=1e-6)


def test_projected_neighbour_lies_on_the_sphere_in_the_same_direction():
    model = Quadratic(W)
    parameters = perturb.weights(model)
    with perturb.restored(parameters) as origin:
        noise = perturb.gaussian(parameters, 0.3, torch.Generator().manual_seed(0))
        ball = Ball(parameters, origin, noise, 0.05, 0.05, True)
        ball.to_noise()
        before = model.w.detach() - origin["w"]
        far, radius, clipped = ball.clip()
        after = model.w.detach() - origin["w"]
        assert clipped and far == pytest.approx(before.norm().item(), rel=1e-12)
        assert after.norm().item() == pytest.approx(radius, rel=1e-12)
        assert torch.dot(before, after).item() == pytest.approx((before.norm() * after.norm()).item(), rel=1e-12)


def test_every_language_gets_the_same_noise(toy, data):
    class Spy(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner, self.seen = inner, []

        def forward(self, x):
            if torch.is_grad_enabled():
                self.seen.append((x.sum().item(), self.inner.hidden.weight.detach().clone()))
            return self.inner(x)

    x, y = data
    spy = Spy(toy)
    other = x.flip(0) * 2
    subject = Subject(spy, {"en": batches_of(x, y, 23), "de": batches_of(other, y, 23)})
    values = MEASURES["sharpness_difference"](subject, noise_seeds=(0, 1))
    first, second, third, fourth = (w for _, w in spy.seen)
    assert torch.equal(first, second) and torch.equal(third, fourth) and not torch.equal(first, third)
    assert values["en"].extra["noise_norm"] == values["de"].extra["noise_norm"]
    assert values["en"].value != values["de"].value


def test_a_language_does_not_depend_on_its_neighbours(toy, data):
    x, y = data
    together = Subject(toy, {"en": batches_of(x * 3, y, 5), "de": batches_of(x, y, 5)})
    for name in ("sharpness_difference", "sharpness_alpha"):
        alone = MEASURES[name](subject_of(toy, x, y, 5, ("de",)))["de"]
        assert MEASURES[name](together)["de"] == alone


def test_difference_does_not_depend_on_the_batch_size(toy, data):
    results = [MEASURES["sharpness_difference"](subject_of(toy, *data, size))["en"] for size in (1, 7, 23)]
    for result in results[1:]:
        assert result.value == pytest.approx(results[0].value, rel=1e-9)
        assert result.stderr == pytest.approx(results[0].stderr, rel=1e-8)


def test_control_can_be_left_out_without_changing_phi(toy, data):
    subject = subject_of(toy, *data)
    full = MEASURES["sharpness_difference"](subject)["en"]
    short = MEASURES["sharpness_difference"](subject, control=False)["en"]
    assert short.value == full.value and "phi_noise" not in short.extra


@pytest.mark.parametrize(
    "settings",
    [{"noise_scale": -1}, {"n": -0.1}, {"lam": 0}, {"noise_seeds": ()}, {"noise_seeds": (1, 1)}],
)
def test_difference_refuses_settings_out_of_range(settings):
    with pytest.raises(ConfigError, match=f"^{next(iter(settings))} is"):
        MEASURES["sharpness_difference"](quadratic(), **settings)


# --- what both must leave untouched -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sharpness_difference", "sharpness_alpha"])
def test_weights_grads_and_flags_come_back(toy, data, name):
    model = toy.float()
    model.hidden.weight.grad = kept = torch.ones_like(model.hidden.weight)
    before = {key: p.detach().clone() for key, p in model.named_parameters()}
    pointers = [p.data_ptr() for p in model.parameters()]
    MEASURES[name](subject_of(model, data[0].float(), data[1]))
    assert all(torch.equal(p, before[key]) for key, p in model.named_parameters())
    assert [p.data_ptr() for p in model.parameters()] == pointers
    assert model.hidden.weight.grad is kept and model.classifier.weight.grad is None
    assert not model.hidden.bias.requires_grad and model.hidden.weight.requires_grad


@pytest.mark.parametrize("name", ["sharpness_difference", "sharpness_alpha"])
def test_weights_come_back_wherever_the_model_fails(toy, data, name):
    before = {key: p.detach().clone() for key, p in toy.named_parameters()}
    subject = subject_of(toy, *data, size=12)
    subject.predictions  # noqa: B018  (so that the first forward pass below is a perturbed one)
    for k in range(7):
        subject.model = Failing(toy, k)
        with pytest.raises(RuntimeError, match="out of memory"):
            MEASURES[name](subject)
        assert all(torch.equal(p, before[key]) for key, p in toy.named_parameters())
        assert all(p.grad is None for p in toy.parameters()) and not toy.hidden.bias.requires_grad


# --- alpha sharpness --------------------------------------------------------------------------------------------------

ALPHA = {"alpha_min": 1e-3, "alpha_max": 10.0, "bisections": 30}


def logistic(w=2.0, n=8):
    x = torch.tensor([[1.0], [-1.0]] * (n // 2), dtype=torch.float64)
    return subject_of(Logistic(w), x, (x[:, 0] > 0).long(), 3)


@pytest.mark.parametrize(("restarts", "steps"), [(1, 1), (2, 5)])
def test_alpha_of_a_logistic_model_has_a_closed_form(restarts, steps):
    settings = {**ALPHA, "restarts": restarts, "steps": steps}
    rise = 0.1
    loss = math.log1p(math.exp(-2.0))
    alpha = 2.0 + math.log(math.expm1(loss + rise))  # log(1 + exp(-(w - α))) = L + rise
    value = MEASURES["sharpness_alpha"](logistic(), criterion="loss_deviation", threshold=rise, **settings)["en"]
    assert value.status == "ok" and value.stderr < 1e-12  # all examples are equal
    assert value.extra["alpha"] == pytest.approx(alpha, rel=1e-6) and value.extra["alpha"] <= alpha
    assert value.extra["alpha_above"] >= alpha
    assert value.value == pytest.approx(1 / alpha**2, rel=1e-6)
    total = MEASURES["sharpness_alpha"](logistic(), criterion="absolute_loss", threshold=loss + rise, **settings)["en"]
    assert total.extra["alpha"] == pytest.approx(alpha, rel=1e-6)
    accuracy = MEASURES["sharpness_alpha"](logistic(), criterion="accuracy_deviation", **settings)["en"]
    assert accuracy.extra["alpha"] == pytest.approx(2.0, rel=1e-6)  # all answers flip when w - α < 0


def test_relative_ball_scales_with_the_weight():
    value = MEASURES["sharpness_alpha"](logistic(), relative=True, epsilon=0.0, **ALPHA)["en"]
    assert value.extra["alpha"] == pytest.approx(1.0, rel=1e-6)
    negative = logistic(-2.0)
    negative.batches = {"en": [Batch(b.inputs, 1 - b.labels, b.index) for b in negative.batches["en"]]}
    value = MEASURES["sharpness_alpha"](negative, relative=True, epsilon=0.0, **ALPHA)["en"]
    assert value.extra["alpha"] == pytest.approx(1.0, rel=1e-6)
    wider = MEASURES["sharpness_alpha"](logistic(), relative=True, epsilon=0.5, **ALPHA)["en"]
    assert wider.extra["alpha"] == pytest.approx(0.75, rel=1e-6)


def test_relative_ball_reaches_the_corner_for_weights_of_either_sign():
    alpha, a, w0 = 0.2, CURVATURE.mean(0), torch.tensor(W, dtype=torch.float64)
    rise = (a * w0**2 * ((1 + alpha) ** 2 - 1)).sum().item() / 2
    settings = {"criterion": "loss_deviation", "threshold": rise, "relative": True, "epsilon": 0.0, **ALPHA}
    assert MEASURES["sharpness_alpha"](quadratic(), **settings)["en"].extra["alpha"] == pytest.approx(alpha, rel=1e-6)


def test_worst_case_reaches_the_corner_in_every_coordinate():
    """L = 1/2 Σ a w² over |u_i| ≤ α is largest at w_i + α sign(w_i)."""
    alpha, a, w0 = 0.2, CURVATURE.mean(0), torch.tensor(W, dtype=torch.float64)
    rise = (a * ((w0.abs() + alpha) ** 2 - w0**2)).sum().item() / 2
    settings = {"criterion": "loss_deviation", "threshold": rise, **ALPHA}
    assert MEASURES["sharpness_alpha"](quadratic(), **settings)["en"].extra["alpha"] == pytest.approx(alpha, rel=1e-6)


def test_search_never_leaves_the_ball(toy, data):
    """Every point that the model is asked about lies within the largest α tried so far."""
    distances = []
    hook = toy.register_forward_pre_hook(
        lambda module, _: distances.append(
            max((p - origin[k]).abs().max().item() for k, p in module.named_parameters())
        )
    )
    origin = {k: p.detach().clone() for k, p in toy.named_parameters()}
    subject = subject_of(toy, *data, languages=("en",))
    value = MEASURES["sharpness_alpha"](subject, bisections=1, alpha_min=0.01, alpha_max=0.04, threshold=0.9)["en"]
    hook.remove()
    assert value.extra["search"][0][0] == pytest.approx(0.02)
    assert max(distances) == pytest.approx(0.02, rel=1e-9)  # and it does reach the faces


def test_starts_fill_the_middle_half_of_the_ball():
    model = nn.Linear(50, 50)
    parameters = perturb.weights(model)
    with perturb.restored(parameters) as origin:
        attack = Attack(model, [], parameters, origin, None, None, 0.1, 1, 1, None, 0)
        attack.start(0.1, torch.Generator().manual_seed(0))
        u = (model.weight - origin["weight"]).detach()
    assert u.min().item() == pytest.approx(-0.05, abs=1e-3) and u.max().item() == pytest.approx(0.05, abs=1e-3)
    assert u.mean().item() == pytest.approx(0, abs=2e-3)


def test_deviation_is_from_the_unperturbed_model_not_between_restarts():
    """Every restart finds the same worst accuracy; compared with one another they would never deviate."""
    value = MEASURES["sharpness_alpha"](logistic(), restarts=4, **ALPHA)["en"]
    assert value.status == "ok"
    assert max(deviation for _, deviation in value.extra["search"]) == 1.0


def test_saturated_searches_say_so():
    run = lambda **settings: MEASURES["sharpness_alpha"](logistic(), **settings)["en"]  # noqa: E731
    lower = run(alpha_min=4.0, alpha_max=8.0)
    upper = run(alpha_min=0.1, alpha_max=1.0)
    inside = run(alpha_min=0.1, alpha_max=8.0)
    assert (lower.status, upper.status, inside.status) == ("hit_lower", "hit_upper", "ok")
    assert lower.value == 1 / 4.0**2 and upper.extra["alpha_above"] is None
    assert 1 <= upper.value < 1.02


def test_the_printed_criterion_is_unreachable_when_the_loss_is_already_larger():
    subject = logistic(w=0.5)  # L(w) = 0.47
    value = MEASURES["sharpness_alpha"](subject, criterion="absolute_loss", threshold=0.1)["en"]
    assert value.status == "hit_lower" and value.extra["search"] == [] and value.extra["units"] == 0
    assert MEASURES["sharpness_alpha"](subject, criterion="loss_deviation", alpha_max=1.0)["en"].status == "ok"


def test_alpha_grows_with_the_threshold(toy, data):
    subject = subject_of(toy, *data, languages=("en",))
    for criterion in ("loss_deviation", "accuracy_deviation"):
        runs = [
            MEASURES["sharpness_alpha"](subject, criterion=criterion, threshold=t, alpha_max=10.0)["en"]
            for t in (0.01, 0.1, 0.2, 0.3)
        ]
        alphas = [run.extra["alpha"] for run in runs]
        assert alphas == sorted(alphas) and alphas[0] < alphas[-1]


def test_alpha_is_the_same_again_for_every_batch_size_and_other_for_another_seed(toy, data):
    run = lambda size, seed: MEASURES["sharpness_alpha"](  # noqa: E731
        subject_of(toy, *data, size), seed=seed, criterion="loss_deviation", steps=1, bisections=25
    )["en"]
    first = run(5, 0)
    assert run(5, 0) == first
    assert run(23, 0).value == pytest.approx(first.value, rel=1e-5)
    assert run(5, 1).extra["search"] != first.extra["search"]


def test_units_count_passes_and_an_alpha_is_given_up_at_once():
    settings = {"bisections": 1, "restarts": 3, "steps": 4}
    tolerated = MEASURES["sharpness_alpha"](logistic(), alpha_min=0.1, alpha_max=0.2, **settings)["en"]
    assert tolerated.extra["units"] == pytest.approx(3 * (4 + 1 / 3))
    # from w - α/2 at worst the first step of α/2 crosses 0 for α = 50 at latest at the end of the first restart
    given_up = MEASURES["sharpness_alpha"](logistic(), alpha_min=50.0, alpha_max=50.1, **settings)["en"]
    assert given_up.extra["units"] <= 4 + 1 / 3 and given_up.status == "hit_lower"


def test_a_model_that_overflows_is_not_tolerated():
    class Overflow(Logistic):
        def forward(self, x):
            logits = super().forward(x).logits
            return SimpleNamespace(logits=logits * (math.inf if abs(self.w.item() - 2) > 0.1 else 1.0))

    x = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    subject = subject_of(Overflow(2.0), x, (x[:, 0] > 0).long(), 2)
    value = MEASURES["sharpness_alpha"](subject, **ALPHA)["en"]
    assert value.status == "ok" and value.extra["alpha"] == pytest.approx(0.1, rel=0.2)
    assert value.extra["search"][0][1] == math.inf


def test_alpha_uses_the_first_examples():
    x = torch.tensor([[1.0]] * 4 + [[-1.0]] * 4, dtype=torch.float64)
    y = torch.ones(8, dtype=torch.long)  # the last four are wrong
    subject = subject_of(Logistic(2.0), x, y, 3)
    value = MEASURES["sharpness_alpha"](subject, examples=4, threshold=1.0, **ALPHA)["en"]
    assert value.n == 4 and "first 4 examples" in value.on
    assert value.extra["alpha"] == pytest.approx(2.0, rel=1e-6)


def test_phi_needs_the_pretrained_weights():
    subject = logistic()
    assert "phi" not in MEASURES["sharpness_alpha"](subject, **ALPHA)["en"].extra
    subject.reference = {"w": torch.tensor([0.5])}
    extra = MEASURES["sharpness_alpha"](subject, **ALPHA)["en"].extra
    assert extra["distance"] == 1.5
    assert extra["phi"] == pytest.approx(1.5**2 / (4 * 2.0**2), rel=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        {"threshold": 0.0},
        {"alpha_min": 0.0},
        {"alpha_min": 1.0, "alpha_max": 0.5},
        {"bisections": 0},
        {"restarts": 0},
        {"steps": 0},
        {"epsilon": -1.0},
        {"examples": -1},
    ],
)
def test_alpha_refuses_settings_out_of_range(settings):
    with pytest.raises(ConfigError, match=f"^{next(iter(settings))} is"):
        MEASURES["sharpness_alpha"](logistic(), **settings)


def test_unknown_criterion_is_suggested():
    with pytest.raises(UnknownName, match="Did you mean 'loss_deviation'"):
        MEASURES["sharpness_alpha"](logistic(), criterion="loss-deviation")


# --- Frobenius distance -----------------------------------------------------------------------------------------------


class Layered(nn.Module):
    """Named as a transformer: an embedding table, two blocks, a pooler and a head."""

    def __init__(self):
        super().__init__()
        self.embeddings = nn.Embedding(2, 2)
        self.layer = nn.ModuleList([nn.Linear(2, 1), nn.Linear(2, 1)])
        self.pooler = nn.Linear(1, 1)
        self.classifier = nn.Linear(1, 2)


def test_frobenius_by_hand():
    model = Layered()
    reference = {k: torch.ones_like(p) for k, p in model.named_parameters() if "classifier" not in k}
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(1.0)
        model.embeddings.weight.fill_(2.0)  # 4 numbers moved by 1
        model.layer[1].weight.fill_(4.0)  # 2 numbers moved by 3
        model.pooler.bias.fill_(0.0)
        model.classifier.weight.fill_(2.0)
        model.classifier.bias.fill_(0.0)
    value = MEASURES["frobenius"](Subject(model, {}, reference=reference))[ALL]
    assert value.value == pytest.approx(math.sqrt(4 + 18 + 1), rel=1e-14)
    assert value.stderr is None and value.n == 0
    assert value.extra["without_embeddings"] == pytest.approx(math.sqrt(19), rel=1e-14)
    layers = {"embeddings": 2.0, "layer.0": 0.0, "layer.1": math.sqrt(18), "rest": 1.0}
    assert value.extra["by_layer"] == pytest.approx(layers, rel=1e-14)
    assert value.extra["excluded"] == ["classifier.bias", "classifier.weight"]
    assert value.extra["excluded_norm"] == pytest.approx(math.sqrt(8), rel=1e-14)
    assert value.extra["parameters"] == 4 + 6 + 2
    assert value.extra["relative"] == pytest.approx(math.sqrt(23 / 12), rel=1e-14)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (None, "Subject"),
        ({}, "no parameter name"),
        ({"pooler.weight": torch.ones(3, 1)}, r"\(3, 1\).*\(1, 1\)"),
    ],
)
def test_frobenius_needs_weights_that_fit(reference, message):
    with pytest.raises(ModelError, match=message):
        MEASURES["frobenius"](Subject(Layered(), {}, reference=reference))


# --- the table of measures --------------------------------------------------------------------------------------------


def test_measure_fills_a_table_with_one_forward_pass(toy, data):
    passes = []
    hook = toy.register_forward_hook(lambda *_: passes.append(1))
    subject = subject_of(toy, *data, size=23, reference={"hidden.weight": torch.zeros(5, 4)})
    subject.reference["hidden.weight"] += 1
    names = ["accuracy", "loss", "margin", "margin_p10", "margin_logit", "margin_logit_p10", "frobenius"]
    table = measure(subject, names)
    hook.remove()
    assert len(passes) == 2  # one for each language
    assert list(table) == names
    assert all(set(table[name]) == {"en", "de"} for name in names[:-1]) and set(table["frobenius"]) == {ALL}


def test_measure_checks_all_names_before_it_computes(toy, data):
    subject = subject_of(Failing(toy, 0), *data)
    with pytest.raises(UnknownName, match="Did you mean 'sharpness_difference'"):
        measure(subject, ["accuracy", "sharpnes_difference"])
    with pytest.raises(UnknownName, match="Did you mean 'noise_scale'"):
        measure(subject, ["sharpness_difference"], {"sharpness_difference": {"noisescale": 0.1}})
    with pytest.raises(UnknownName, match="unknown measure 'sharpness'"):
        measure(subject, ["accuracy"], {"sharpness": {}})
    with pytest.raises(ConfigError, match="'subject' was given"):
        measure(subject, ["accuracy"], {"accuracy": {"subject": 1}})


def test_settings_reach_the_measure(toy, data):
    subject = subject_of(toy, *data)
    table = measure(subject, ["sharpness_difference"], {"sharpness_difference": {"noise_seeds": [4]}})
    assert table["sharpness_difference"]["en"].extra["seeds"] == [4]
    assert settings_of("sharpness_alpha")["criterion"] == "accuracy_deviation" and settings_of("margin") == {}


def test_value_that_is_not_finite_is_an_error_unless_its_status_says_why(monkeypatch, toy, data):
    entry = {"value": Value(math.nan)}
    monkeypatch.setitem(MEASURES._entries, "broken", lambda subject: {"sw": entry["value"]})
    with pytest.raises(TrainingError, match="'broken' of 'sw' is nan"):
        measure(subject_of(toy, *data), ["broken"])
    entry["value"] = Value(math.nan, status="undefined")
    assert measure(subject_of(toy, *data), ["broken"])["broken"]["sw"].status == "undefined"
