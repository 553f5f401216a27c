"""The largest eigenvalue of the Hessian against dense matrices, in float64."""

import math

import pytest
import torch
from test_consistency import tagged, tagger
from test_measures import CURVATURE, Failing, Quadratic, batches_of, subject_of
from test_objectives import bert, examples
from torch.nn import functional as F
from transformers import BertConfig, BertForSequenceClassification

from xlgen.core.errors import ConfigError, ModelError, TrainingError
from xlgen.data.batch import scored
from xlgen.measures import MEASURES
from xlgen.measures.hessian import curvatures, lanczos, product
from xlgen.models import perturb
from xlgen.models.evaluate import differentiable, loss_and_gradient

torch.set_num_threads(1)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def data():
    return normal(23, 4), torch.randint(0, 3, (23,), generator=torch.Generator().manual_seed(0))


def dense(model, x, y):
    """The Hessian (P, P) of the mean loss over all parameters, in the order of their names, by autograd."""
    parameters = perturb.weights(model)
    sizes = [p.numel() for p in parameters.values()]

    def loss(theta):
        pieces = zip(parameters.items(), theta.split(sizes), strict=True)
        state = {name: piece.view_as(p) for (name, p), piece in pieces}
        return F.cross_entropy(torch.func.functional_call(model, state, (x,)).logits, y)

    return torch.autograd.functional.hessian(loss, torch.cat([p.detach().flatten() for p in parameters.values()]))


def matrix_times(matrix):
    return lambda v: {"w": matrix @ v["w"]}


# --- Lanczos ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("iterations", [8, 20, 40])
def test_lanczos_finds_both_ends_and_its_residuals_hold(iterations):
    half = normal(40, 40)
    matrix = half + half.T
    values = torch.linalg.eigvalsh(matrix)
    ends = lanczos(matrix_times(matrix), {"w": normal(40, seed=1)}, iterations, 1e-15)
    # an eigenvalue lies within the residual, and the estimates approach from inside
    assert (values - ends.largest).abs().min() <= ends.residual + 1e-9 and ends.largest <= values[-1] + 1e-9
    assert (values - ends.smallest).abs().min() <= ends.smallest_residual + 1e-9 and ends.smallest >= values[0] - 1e-9
    assert ends.iterations == iterations
    if iterations == 40:  # as many as there are dimensions
        assert (ends.largest, ends.smallest) == pytest.approx((values[-1].item(), values[0].item()), rel=1e-9)


def test_residual_is_that_of_the_vector():
    """For two products by hand: the Ritz vector is a combination of v_1 and v_2."""
    half, start = normal(6, 6), normal(6, seed=1)
    matrix = half + half.T
    ends = lanczos(matrix_times(matrix), {"w": start.clone()}, 2, 1e-9)
    basis = torch.linalg.qr(torch.stack([start, matrix @ start], dim=1)).Q
    values, vectors = torch.linalg.eigh(basis.T @ matrix @ basis)
    v = basis @ vectors[:, -1]
    assert ends.largest == pytest.approx(values[-1].item(), rel=1e-12)
    assert ends.residual == pytest.approx((matrix @ v - values[-1] * v).norm().item(), rel=1e-9)


def test_largest_is_the_most_positive_and_not_the_largest_in_magnitude():
    ends = lanczos(matrix_times(torch.diag(torch.tensor([-9.0, 1.0, 3.0]).double())), {"w": normal(3)}, 9, 1e-9)
    assert (ends.largest, ends.smallest) == pytest.approx((3.0, -9.0), rel=1e-12)
    assert ends.converged and ends.iterations == 3


def test_it_has_converged_when_both_ends_have():
    """The largest eigenvalue lies far from the others and is found at once; the smallest is one of many."""
    values = torch.cat([torch.linspace(-50, 0, 60), torch.tensor([100.0])]).double()
    alone, both = (
        lanczos(matrix_times(torch.diag(values)), {"w": normal(61)}, iterations, 1e-3) for iterations in (12, 61)
    )
    assert alone.residual < 0.1 < alone.smallest_residual and not alone.converged
    assert both.converged and both.smallest_residual <= 0.1 and both.iterations > 12


def test_a_matrix_of_zeros_has_converged_at_once():
    ends = lanczos(matrix_times(torch.zeros(3, 3).double()), {"w": normal(3)}, 9, 1e-9)
    assert (ends.largest, ends.residual, ends.converged, ends.iterations) == (0.0, 0.0, True, 1)


# --- the measure ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [5, 23])
def test_both_ends_are_those_of_the_dense_hessian(toy, data, size):
    """Whatever the batches; over frozen parameters too, and one that takes no part."""
    x, y = data
    values = torch.linalg.eigvalsh(dense(toy, x, y))
    found = MEASURES["hessian_eigenvalue"](subject_of(toy, x, y, size), iterations=200, tolerance=1e-8)
    for value in found.values():
        assert value.status == "ok" and value.value == pytest.approx(values[-1].item(), rel=1e-7)
        assert value.extra["smallest"] == pytest.approx(values[0].item(), rel=1e-7) and values[0] < -1e-3
        assert value.extra["residual"] <= 1e-8 * values.abs().max() and value.n == 23


def test_a_quadratic_has_its_curvature():
    model = Quadratic([0.9, -0.7, 1.1])
    value = MEASURES["hessian_eigenvalue"](subject_of(model, CURVATURE, torch.zeros(3).long(), 2, ("en",)))["en"]
    assert value.value == pytest.approx(CURVATURE.mean(0).max().item(), rel=1e-9)
    assert value.extra["smallest"] == pytest.approx(CURVATURE.mean(0).min().item(), rel=1e-9)


@pytest.mark.parametrize("scale", [0.1, 1])
def test_curvatures_of_single_examples_are_those_of_the_dense_hessians(toy, data, scale):
    """Up to what a step that can be told from rounding leaves of higher orders."""
    x, y = scale * data[0], data[1]
    values, vectors = torch.linalg.eigh(dense(toy, x, y))
    largest, parameters = vectors[:, -1], perturb.weights(toy)
    parts = zip(parameters.items(), largest.split([p.numel() for p in parameters.values()]), strict=True)
    v = {name: part.view_as(p) for (name, p), part in parts}
    here = F.cross_entropy(toy(x).logits, y, reduction="none").detach()
    found = curvatures(toy, batches_of(x, y, 7), parameters, v, here, values.abs().max().item())
    expected = torch.stack([largest @ dense(toy, x[i : i + 1], y[i : i + 1]) @ largest for i in range(len(x))])
    assert found.mean().item() == pytest.approx(values[-1].item(), rel=0.02)
    assert (found - expected).norm() < 0.05 * expected.norm()


def test_each_language_has_its_own_and_the_first_examples_count(toy, data):
    x, y = data
    subject = subject_of(toy, x, y, languages=("en",))
    subject.batches["de"] = batches_of(3 * x, y, 7)
    found = MEASURES["hessian_eigenvalue"](subject, examples=9, iterations=200, tolerance=1e-8)
    for language, factor in (("en", 1), ("de", 3)):
        expected = torch.linalg.eigvalsh(dense(toy, factor * x[:9], y[:9]))[-1].item()
        assert found[language].value == pytest.approx(expected, rel=1e-7)
        assert found[language].n == 9 and "first 9 examples" in found[language].on


@pytest.mark.parametrize("kind", ["sequence", "token"])
def test_product_is_the_slope_of_the_gradient_of_an_encoder(kind):
    """Against central differences of the gradient."""
    model, batch = (bert(), examples(6)) if kind == "sequence" else (tagger(), tagged()[0])
    model.eval()
    parameters = perturb.weights(model)
    v = {name: normal(*p.shape, seed=i) for i, (name, p) in enumerate(parameters.items())}
    with differentiable(model):
        parts = [batch.rows(slice(0, 2)), batch.rows(slice(2, None))]
        found = product(model, parts, parameters, v)
    sides = []
    with perturb.restored(parameters) as origin:
        for sign in (1e-5, -1e-5):
            with torch.no_grad():
                for name, p in parameters.items():
                    p.copy_(origin[name] + sign * v[name])
            sides.append(loss_and_gradient(model, [batch])[1])
    for name in parameters:
        expected = (sides[0][name] - sides[1][name]) / 2e-5
        torch.testing.assert_close(found[name], expected, rtol=1e-4, atol=1e-6)
        assert found[name].any() or "key.bias" in name or "embeddings" in name
    assert scored(model(**batch.inputs).logits, batch.labels)[1].ndim == 1


def test_fused_attention_is_refused_with_the_way_out():
    sizes = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    model = BertForSequenceClassification(
        BertConfig(vocab_size=40, num_labels=3, attn_implementation="sdpa", **sizes)
    ).eval()
    subject = subject_of(model, *[torch.zeros(0)] * 2, languages=())
    subject.batches = {"en": [examples(4, view=False)]}
    with pytest.raises(ModelError, match='attn_implementation="eager"'):
        MEASURES["hessian_eigenvalue"](subject)


def test_too_few_products_say_so(toy, data):
    value = MEASURES["hessian_eigenvalue"](subject_of(toy, *data), iterations=2)["en"]
    assert value.status == "not_converged" and value.extra["iterations"] == 2
    assert value.value < torch.linalg.eigvalsh(dense(toy, *data))[-1]


def test_same_seed_same_number_and_another_start_the_same_eigenvalue(toy, data):
    run = lambda seed: MEASURES["hessian_eigenvalue"](subject_of(toy, *data), seed=seed, tolerance=1e-9)["en"]  # noqa: E731
    assert run(0) == run(0) != run(1)
    assert run(0).value == pytest.approx(run(1).value, rel=1e-9)


def test_the_model_is_left_alone(toy, data):
    toy.train()
    toy.hidden.weight.grad = kept = torch.ones_like(toy.hidden.weight)
    before = {name: p.detach().clone() for name, p in toy.named_parameters()}
    for model in (toy, Failing(toy, 3)):
        try:
            MEASURES["hessian_eigenvalue"](subject_of(model, *data, size=12))
        except RuntimeError:
            assert model is not toy
        assert toy.training and toy.hidden.weight.grad is kept and toy.classifier.weight.grad is None
        assert not toy.hidden.bias.requires_grad
        assert all(torch.equal(p, before[name]) for name, p in toy.named_parameters())


def test_curvature_that_is_not_finite_is_an_error(toy, data):
    with torch.no_grad():
        toy.classifier.bias[0] = math.nan
    with pytest.raises(TrainingError, match="not finite"):
        MEASURES["hessian_eigenvalue"](subject_of(toy, *data))


@pytest.mark.parametrize("settings", [{"iterations": 0}, {"tolerance": 0.0}, {"examples": -1}])
def test_settings_out_of_range_are_explained(toy, data, settings):
    with pytest.raises(ConfigError, match=f"^{next(iter(settings))} is"):
        MEASURES["hessian_eigenvalue"](subject_of(toy, *data), **settings)
