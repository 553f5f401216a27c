r"""The largest eigenvalue of the Hessian of the loss: its curvature in the direction in which it bends most.

.. math::

    H = \nabla^2_\theta L(\theta), \qquad L(\theta) = -\frac1U \sum_{u=1}^{U} \log p_\theta(y_u | x_u), \qquad
    H v = \nabla_\theta \big(v^\top \nabla_\theta L(\theta)\big)

by the Lanczos method. The libraries' solvers (ARPACK, LOBPCG) keep 10 to 20 vectors as long as all weights, 14 GB for
an encoder of 178 million; the bare recurrence keeps three, and is run a second time for an eigenvector. Without
reorthogonalisation found eigenvalues come up again as copies, which changes nothing at the ends of the spectrum.

With another sample of examples H would be another mean of the H_i of the examples, and to first order
:math:`\lambda = v^\top H v` another mean of the curvatures :math:`v^\top H_i v` in the direction of its eigenvector.
Their spread gives the standard error (the infinitesimal jackknife, efron1993bootstrap). The largest eigenvalue of few
examples is larger than that of many, as its v is that of the worst of them; the error does not know of this bias, and
is itself too large for the same reason.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xlgen.core.coerce import AtLeast0, AtLeast1, Positive
from xlgen.core.errors import ModelError, TrainingError
from xlgen.data.batch import Batch, count, scored
from xlgen.measures.base import MEASURES, Subject, Value
from xlgen.measures.blocks import blocks
from xlgen.measures.sampling import clustered
from xlgen.models.evaluate import differentiable, evaluating, losses, predict, subset
from xlgen.models.perturb import gaussian, inner, norm, restored, weights

log = logging.getLogger(__name__)

RISE = 0.01
"""Nats: far above the rounding of a loss in float32, and small enough for a loss to be quadratic."""

Vector = Mapping[str, Tensor]
"""A direction in the space of the weights, by parameter name."""


@MEASURES.register("hessian_eigenvalue")
def hessian_eigenvalue(
    subject: Subject, *, iterations: AtLeast1 = 40, tolerance: Positive = 0.01, examples: AtLeast0 = 64, seed: int = 0
) -> dict[str, Value]:
    """Compute the largest (most positive) eigenvalue of the Hessian of the mean cross-entropy, per language.

    H is over all parameters, embeddings included, with the true labels, in eval mode. At a minimum it has no negative
    eigenvalue; away from one, as for a language that the model was not trained on, the most negative can be larger in
    magnitude. What power iteration would return is then that one; here both ends come from the same vectors.

    Args:
        subject: model and examples; the model must use attention that can be differentiated twice (eager).
        iterations: at most so many products with H.
        tolerance: stop when the residual of both ends is at most this share of the spectrum's magnitude.
        examples: the first so many examples of each language; 0 is all of them.
        seed: seeds the first vector.

    Returns:
        Per language λ_max [nats / parameter²], its standard error over examples (sentences in tagging) given the
        eigenvector, and status ``"ok"`` or ``"not_converged"`` (λ_max is at least the value). ``extra``: ``residual``
        ||H v - λ v|| of a vector v of length 1 (an eigenvalue of H lies that close to the value), ``smallest`` and
        ``smallest_residual`` (the same for the most negative end) and ``iterations``.

    Raises:
        ConfigError: a setting is out of range.
        ModelError: the model's attention cannot be differentiated twice.
        TrainingError: a second derivative is not finite.
    """
    parameters = weights(subject.model)
    result = {}
    for language, batches in subject.batches.items():
        few = subset(batches, examples)
        drawn = gaussian(parameters, 1.0, torch.Generator().manual_seed(seed))
        start = {name: v.to(parameters[name]) for name, v in drawn.items()}
        with evaluating(subject.model), differentiable(subject.model), torch.enable_grad():
            multiply = partial(product, subject.model, few, parameters)
            ends = lanczos(multiply, start, iterations, tolerance)
            v = combined(multiply, {name: v.to(parameters[name]) for name, v in drawn.items()}, ends)
        log.info("hessian_eigenvalue: %s, %.4g after %d products", language, ends.largest, ends.iterations)
        extra = {
            "residual": ends.residual,
            "smallest": ends.smallest,
            "smallest_residual": ends.smallest_residual,
            "iterations": ends.iterations,
        }
        status = "ok" if ends.converged else "not_converged"
        before = subject.predictions[language].first(examples or subject.predictions[language].examples)
        per_example = curvatures(subject.model, few, parameters, v, losses(before), max(ends.largest, -ends.smallest))
        stderr = clustered(per_example, before.example)
        extra |= blocks(per_example, before.example)
        on = f"{subject.split}, first {before.examples} examples, true labels, eval mode, all parameters"
        kind = "" if stderr is None else "examples"
        result[language] = Value(ends.largest, stderr, len(before), on, kind, status, extra)
    return result


def curvatures(
    model: nn.Module,
    batches: Sequence[Batch],
    parameters: Mapping[str, Tensor],
    v: Vector,
    here: Tensor,
    magnitude: float,
) -> Tensor:
    """The curvature of the loss of each unit along v of length 1, (U,), by central differences of second order.

    Args:
        model: left as it was.
        batches: the examples.
        parameters: the live weights.
        v: the direction.
        here: (U,) losses at the weights.
        magnitude: of H: the steps are so long that the mean loss rises by :data:`RISE` or less.
    """
    h = math.sqrt(2 * RISE / magnitude) if magnitude else 1.0
    result = -2 * here
    with restored(parameters) as origin:
        for step in (h, -h):
            with torch.no_grad():
                for name, p in parameters.items():
                    torch.add(origin[name], v[name], alpha=step, out=p)
            result += losses(predict(model, batches))
    return result / h**2


def product(model: nn.Module, batches: Sequence[Batch], parameters: Mapping[str, Tensor], v: Vector) -> Vector:
    """H v by double backward, one batch after the other.

    Raises:
        ModelError: the model's attention cannot be differentiated twice.
    """
    total, names = count(batches), list(parameters)
    theta, direction = list(parameters.values()), [v[name] for name in names]
    result = [torch.zeros_like(p) for p in theta]
    for batch in batches:
        logits, labels = scored(model(**batch.inputs).logits, batch.labels)
        loss = F.cross_entropy(logits.to(torch.promote_types(logits.dtype, torch.float32)), labels, reduction="sum")
        try:
            g = torch.autograd.grad(loss / total, theta, create_graph=True, allow_unused=True)
            used = [(part, d) for part, d in zip(g, direction, strict=True) if part is not None and part.requires_grad]
            outputs, vectors = zip(*used, strict=True)
            hv = torch.autograd.grad(outputs, theta, vectors, materialize_grads=True)
        except RuntimeError as error:
            if "not implemented" not in str(error):
                raise
            raise ModelError(
                "hessian_eigenvalue needs attention that can be differentiated twice, and this model's cannot; leave "
                'the measure out (in Python, load the model with attn_implementation="eager").'
            ) from error
        torch._foreach_add_(result, hv)
    return dict(zip(names, result, strict=True))


@dataclass(frozen=True)
class Ends:
    """Both ends of a spectrum: the eigenvalues, and the residuals ||A v - λ v|| of their vectors.

    The recurrence's α, β, and the largest one's eigenvector s of the tridiagonal matrix give its vector Σ_j s_j v_j.
    """

    largest: float
    residual: float
    smallest: float
    smallest_residual: float
    iterations: int
    converged: bool
    alphas: tuple[float, ...]
    betas: tuple[float, ...]
    s: tuple[float, ...]


def lanczos(multiply: Callable[[Vector], Vector], start: Vector, iterations: int, tolerance: float) -> Ends:
    """The ends of the spectrum of a symmetric matrix A.

    In exact arithmetic the vectors v_1, v_2, … are orthonormal and A is tridiagonal in them,

        β_j v_{j+1} = A v_j - α_j v_j - β_{j-1} v_{j-1},

    so the eigenvalues of the tridiagonal matrix approach A's from inside, those at the ends first. The residual of one
    with eigenvector s of the tridiagonal matrix is β_j times the last entry of s.

    Args:
        multiply: v to A v, in fresh tensors.
        start: not orthogonal to the wanted eigenvectors; overwritten.
        iterations: at most so many products.
        tolerance: stop when both residuals are at most this share of the larger magnitude of the two.

    Raises:
        TrainingError: a product is not finite.
    """
    v, before = dict(start), None
    _scale(v, 1 / norm(v.values()))
    alphas, betas = [], []
    while True:
        w = multiply(v)
        alphas.append(inner(w, v))
        _subtract(w, v, alphas[-1])
        if before is not None:
            _subtract(w, before, betas[-1])
        betas.append(norm(w.values()))
        if not math.isfinite(betas[-1]):
            raise TrainingError("a second derivative of the loss is not finite; check the model's weights.")
        matrix = torch.diag(torch.tensor(alphas, dtype=torch.float64))
        matrix += sum(torch.diag(torch.tensor(betas[:-1], dtype=torch.float64), k) for k in (-1, 1))
        values, vectors = torch.linalg.eigh(matrix)
        residuals = (betas[-1] * vectors[-1].abs()).tolist()
        magnitude = values.abs().max().item()
        converged = max(residuals[0], residuals[-1]) <= tolerance * magnitude
        if converged or len(alphas) == iterations:
            ends = values[-1].item(), residuals[-1], values[0].item(), residuals[0]
            return Ends(*ends, len(alphas), converged, tuple(alphas), tuple(betas), tuple(vectors[:, -1].tolist()))
        _scale(w, 1 / betas[-1])
        v, before = w, v


def combined(multiply: Callable[[Vector], Vector], start: Vector, ends: Ends) -> Vector:
    """The vector of the largest eigenvalue, of length 1, by running the recurrence again; ``start`` as it was then."""
    v, before = dict(start), None
    _scale(v, 1 / norm(v.values()))
    vector = {name: ends.s[0] * part for name, part in v.items()}
    for alpha, beta, last, share in zip(ends.alphas, ends.betas, (0.0, *ends.betas), ends.s[1:], strict=False):
        w = multiply(v)
        _subtract(w, v, alpha)
        if before is not None:
            _subtract(w, before, last)
        _scale(w, 1 / beta)
        v, before = w, v
        _subtract(vector, v, -share)
    _scale(vector, 1 / norm(vector.values()))
    return vector


def _scale(v: Vector, factor: float) -> None:
    torch._foreach_mul_(list(v.values()), factor)


def _subtract(v: Vector, other: Vector, factor: float) -> None:
    torch._foreach_add_(list(v.values()), [other[name] for name in v], alpha=-factor)
