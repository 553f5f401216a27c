"""The theorems of the chapter on theory, each checked against a definition that the library does not use."""

import math

import pytest
import torch
from torch import nn

from xlgen.core.errors import ConfigError
from xlgen.fisher.exact import empirical_fisher, fisher, flat, kl, scores

N, C, HIDDEN = 12, 3, 4


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def normal(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def network(generator, activation=None):
    """A two-layer classifier on fixed inputs as logits(theta), and a theta."""
    model = nn.Sequential(nn.Linear(2, HIDDEN), activation or nn.Tanh(), nn.Linear(HIDDEN, C))
    logits, like = flat(model, normal(generator, N, 2))
    return logits, normal(generator, len(like))


def literal_kl(logits, theta, epsilon):
    before, after = (torch.log_softmax(logits(t), dim=-1) for t in (theta, theta + epsilon))
    return (before.exp() * (before - after)).sum(dim=-1).mean()


def fitted_slope(x, y):
    x, y = x.log() - x.log().mean(), y.log() - y.log().mean()
    return (x @ y / (x @ x)).item()


def test_flat_is_the_module_and_leaves_it_alone(generator):
    model = nn.Sequential(nn.Linear(2, 5), nn.Dropout(0.5), nn.Linear(5, C))
    x = normal(generator, N, 2).float()
    logits, theta = flat(model, x)
    expected = model.eval()(x)
    model.train()
    assert theta.dtype == logits(theta).dtype == torch.float64
    torch.testing.assert_close(logits(theta), expected.double(), atol=1e-6, rtol=1e-5)
    assert torch.equal(theta, torch.cat([p.detach().double().flatten() for p in model.parameters()]))
    assert not torch.equal(logits(2 * theta), logits(theta))
    assert model.training and all(p.dtype == torch.float32 and p.grad is None for p in model.parameters())


def test_flat_keeps_integer_inputs(generator):
    model = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, C))
    logits, theta = flat(model, torch.arange(7))
    assert logits(theta).shape == (7, C)


def test_the_fisher_matrix_of_a_softmax_is_diag_p_minus_p_p(generator):
    z = normal(generator, 5)
    p = torch.softmax(z, dim=0)
    F = fisher(lambda theta: theta[None], z)
    torch.testing.assert_close(F, torch.diag(p) - torch.outer(p, p), atol=1e-15, rtol=1e-13)


def test_the_fisher_matrix_is_the_hessian_of_the_divergence(generator):
    logits, theta = network(generator)
    zero = torch.zeros_like(theta)
    F = fisher(logits, theta)
    for divergence in (kl, literal_kl):
        curvature = torch.func.hessian(lambda e, f=divergence: f(logits, theta, e))(zero)
        torch.testing.assert_close(curvature, F, atol=1e-13, rtol=1e-10)


def test_the_fisher_matrix_is_the_sum_over_examples_and_classes_of_autograd_gradients(generator):
    logits, theta = network(generator)
    leaf = theta.clone().requires_grad_()
    expected = torch.zeros(len(theta), len(theta), dtype=torch.float64)
    for n in range(N):
        for y in range(C):
            z = logits(leaf)[n]
            (g,) = torch.autograd.grad(nn.functional.cross_entropy(z[None], torch.tensor([y])), leaf)
            expected += torch.softmax(z, dim=0)[y].item() * torch.outer(g, g) / N
    torch.testing.assert_close(fisher(logits, theta), expected, atol=1e-15, rtol=1e-12)


def test_the_fisher_matrix_is_symmetric_and_positive_semidefinite(generator):
    logits, theta = network(generator)
    F = fisher(logits, theta)
    values = torch.linalg.eigvalsh(F)
    assert torch.equal(F, F.T) or (F - F.T).abs().max() < 1e-16
    assert values.min() > -1e-14 * values.max()
    assert values.max() > 0.1


def test_the_score_has_mean_zero(generator):
    logits, theta = network(generator)
    p = torch.softmax(logits(theta), dim=1)
    assert torch.einsum("nc,nci->ni", p, scores(logits, theta)).abs().max() < 1e-14


def test_the_remainder_of_the_quadratic_form_falls_with_slope_3(generator):
    logits, theta = network(generator)
    F = fisher(logits, theta)
    radii = torch.logspace(-5, -3, 9, dtype=torch.float64)
    for direction in nn.functional.normalize(normal(generator, 4, len(theta)), dim=1):
        divergence = torch.stack([kl(logits, theta, r * direction) for r in radii])
        remainder = (divergence - 0.5 * radii**2 * (direction @ F @ direction)).abs()
        assert fitted_slope(radii, divergence) == pytest.approx(2, abs=0.01)
        assert fitted_slope(radii, remainder) == pytest.approx(3, abs=0.02)


def test_a_wrong_fisher_matrix_leaves_slope_2(generator):
    """The slope test can fail: the empirical Fisher matrix is not the curvature."""
    logits, theta = network(generator)
    F = empirical_fisher(logits, theta, torch.arange(N) % C)
    radii = torch.logspace(-5, -3, 9, dtype=torch.float64)
    direction = nn.functional.normalize(normal(generator, len(theta)), dim=0)
    divergence = torch.stack([kl(logits, theta, r * direction) for r in radii])
    remainder = (divergence - 0.5 * radii**2 * (direction @ F @ direction)).abs()
    assert fitted_slope(radii, remainder) == pytest.approx(2, abs=0.02)


def test_the_divergence_is_the_definition_and_more_exact_where_that_cancels(generator):
    logits, theta = network(generator)
    direction = nn.functional.normalize(normal(generator, len(theta)), dim=0)
    for radius in (0.1, 1.0, 10.0):
        exact = kl(logits, theta, radius * direction)
        before, after = (torch.log_softmax(logits(t), dim=1) for t in (theta, theta + radius * direction))
        torch.testing.assert_close(
            exact, nn.functional.kl_div(after, before, log_target=True, reduction="batchmean"), atol=1e-14, rtol=1e-12
        )
        assert exact > 0
    tiny = 1e-8 * direction
    quadratic = 0.5 * tiny @ fisher(logits, theta) @ tiny
    assert kl(logits, theta, tiny) == pytest.approx(quadratic.item(), rel=1e-5, abs=0)
    assert literal_kl(logits, theta, tiny) != pytest.approx(quadratic.item(), rel=1e-2, abs=0)
    assert kl(logits, theta, torch.zeros_like(theta)) == 0


def test_gaussian_noise_measures_the_trace(generator):
    """Mean and standard error of 2 KL / σ² and of ε'Fε / σ² over draws, against Tr F and sqrt(2 Tr F² / m)."""
    logits, theta = network(generator)
    F = fisher(logits, theta)
    sigma, m = 1e-3, 4000
    epsilon = sigma * normal(generator, m, len(theta))
    divergence = torch.func.vmap(lambda e: kl(logits, theta, e))(epsilon)
    forms = torch.einsum("mi,ij,mj->m", epsilon, F, epsilon)
    for values in (2 * divergence / sigma**2, forms / sigma**2):
        stderr = values.std().item() / math.sqrt(m)
        assert abs(values.mean() - F.trace()) < 3 * stderr
        assert stderr == pytest.approx(math.sqrt(2 * (F @ F).trace() / m), rel=0.15)
        assert stderr < 0.05 * F.trace()


def test_the_empirical_fisher_matrix_has_the_fisher_matrix_as_its_mean_over_the_models_labels(generator):
    z = normal(generator, C)
    p = torch.softmax(z, dim=0)
    mean = sum(p[y] * empirical_fisher(lambda theta: theta[None], z, torch.tensor([y])) for y in range(C))
    torch.testing.assert_close(mean, fisher(lambda theta: theta[None], z))


def test_the_empirical_fisher_matrix_is_the_second_moment_of_the_gradients(generator):
    logits, theta = network(generator)
    labels = torch.arange(N) % C
    losses = lambda t: nn.functional.cross_entropy(logits(t), labels, reduction="none")  # noqa: E731
    g = torch.func.jacrev(losses)(theta)
    torch.testing.assert_close(empirical_fisher(logits, theta, labels), g.T @ g / N)


@pytest.mark.parametrize("alpha", [1 / 16, 0.5, 4.0, 3.0])
def test_rescaling_a_relu_layer_changes_the_trace_but_not_the_function(generator, alpha):
    """Tr F(α) = T1/α² + α² T2 + T0 (dinh2017sharp); Σ θ² F_ii does not change."""
    logits, theta = network(generator, nn.ReLU())
    block = torch.tensor([1] * 3 * HIDDEN + [2] * C * HIDDEN + [0] * C)
    rescaled = torch.tensor([1, alpha, 1 / alpha], dtype=torch.float64)[block] * theta
    before, after = fisher(logits, theta).diagonal(), fisher(logits, rescaled).diagonal()
    t0, t1, t2 = (before[block == b].sum().item() for b in (0, 1, 2))
    if math.log2(alpha).is_integer():
        assert torch.equal(logits(rescaled), logits(theta))
    else:
        torch.testing.assert_close(logits(rescaled), logits(theta), atol=1e-14, rtol=1e-14)
    assert after.sum().item() == pytest.approx(t1 / alpha**2 + alpha**2 * t2 + t0, rel=1e-12)
    assert abs(after.sum() / before.sum() - 1) > 0.1
    assert (rescaled**2 * after).sum().item() == pytest.approx((theta**2 * before).sum().item(), rel=1e-12)


def test_between_the_kinks_of_a_relu_network_the_hessian_of_the_loss_has_the_trace_of_the_fisher_matrix(generator):
    labels = torch.arange(N) % C
    traces = {}
    for activation in (nn.ReLU(), nn.Tanh()):
        logits, theta = network(generator, activation)
        hessian = torch.func.hessian(lambda t, f=logits: nn.functional.cross_entropy(f(t), labels))(theta)
        traces[type(activation)] = hessian.trace().item(), fisher(logits, theta).trace().item()
    assert traces[nn.ReLU][0] == pytest.approx(traces[nn.ReLU][1], rel=1e-12)
    assert traces[nn.Tanh][0] != pytest.approx(traces[nn.Tanh][1], rel=1e-2)


@pytest.mark.parametrize("bad", [lambda t: t.float(), lambda t: t[None]], ids=["float32", "matrix"])
def test_parameters_that_are_not_a_float64_vector_are_refused(generator, bad):
    logits, theta = network(generator)
    for call in (
        lambda: kl(logits, bad(theta), theta),
        lambda: kl(logits, theta, bad(theta)),
        lambda: scores(logits, bad(theta)),
        lambda: fisher(logits, bad(theta)),
    ):
        with pytest.raises(ConfigError, match=r"expected a float64 vector \(P,\)"):
            call()


@pytest.mark.parametrize(
    "labels",
    [torch.zeros(N - 1, dtype=torch.long), torch.zeros(N), torch.full((N,), C), torch.full((N,), -1)],
    ids=["too few", "float", "too large", "negative"],
)
def test_labels_that_are_not_one_class_per_example_are_refused(generator, labels):
    logits, theta = network(generator)
    with pytest.raises(ConfigError, match=f"expected {N} integers from 0 to {C - 1}"):
        empirical_fisher(logits, theta, labels)
