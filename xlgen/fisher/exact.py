r"""The exact Fisher information and KL divergence of a small classifier, in float64, from their definitions.

Everything here enumerates: all classes of all examples, and all entries of the matrix. That is what a theorem can be
checked against; it is affordable for a few dozen parameters and never for an encoder.

A classifier is a function ``logits(theta)`` from one flat vector of parameters (P,) to the logits (N, C) of N fixed
inputs; :func:`flat` makes one from a module. Means are over the N examples.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from xlgen.core.errors import ConfigError

Logits = Callable[[Tensor], Tensor]


def flat(model: nn.Module, inputs: Tensor) -> tuple[Logits, Tensor]:
    """Write a module on fixed inputs as a function of one flat vector of parameters.

    The module is copied, in float64 and in eval mode; the one given is left as it was.

    Args:
        model: maps ``inputs`` to logits (N, C).
        inputs: the N examples, first dimension N.

    Returns:
        ``logits``, from theta (P,) to (N, C), and the module's own theta, the parameters in the order of
        ``model.named_parameters()``.
    """
    model = copy.deepcopy(model).double().eval()
    inputs = inputs.double() if inputs.is_floating_point() else inputs
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    sizes = [p.numel() for p in parameters.values()]

    def logits(theta: Tensor) -> Tensor:
        pieces = zip(parameters.items(), theta.split(sizes), strict=True)
        return torch.func.functional_call(model, {name: piece.view_as(p) for (name, p), piece in pieces}, (inputs,))

    return logits, torch.cat([p.flatten() for p in parameters.values()])


def kl(logits: Logits, theta: Tensor, epsilon: Tensor) -> Tensor:
    r"""Compute :math:`\mathrm{KL}[p_\theta \| p_{\theta+\epsilon}]`, the mean over the examples [nats].

    .. math::

        \mathrm{KL} = \sum_y p_\theta(y) \big(\log p_\theta(y) - \log p_{\theta+\epsilon}(y)\big)
                    = \sum_y p_\theta(y) \big(e^{d_y} - 1 - d_y\big), \qquad
        d_y = \log p_{\theta+\epsilon}(y) - \log p_\theta(y)

    The second form, equal because both distributions sum to 1, is the one computed: its terms are of second order in
    ε and none is negative, where those of the first are of first order and cancel, which leaves an absolute error of
    one rounding of log p.

    Args:
        logits: the classifier.
        theta: parameters (P,), float64.
        epsilon: the step (P,), float64.

    Returns:
        A scalar that can be differentiated in ``epsilon``.

    Raises:
        ConfigError: a vector is not float64, or not of one dimension.
    """
    _check(theta=theta, epsilon=epsilon)
    before = torch.log_softmax(logits(theta), dim=-1)
    d = torch.log_softmax(logits(theta + epsilon), dim=-1) - before  # (N, C)
    return (before.exp() * (torch.expm1(d) - d)).sum(dim=-1).mean()


def scores(logits: Logits, theta: Tensor) -> Tensor:
    r"""Compute :math:`\nabla_\theta \log p_\theta(y|x_n)` for every example and every class.

    Args:
        logits: the classifier.
        theta: parameters (P,), float64.

    Returns:
        (N, C, P); minus the gradient g(x_n, y) of the cross-entropy.

    Raises:
        ConfigError: ``theta`` is not float64, or not of one dimension.
    """
    _check(theta=theta)
    return torch.func.jacrev(lambda t: torch.log_softmax(logits(t), dim=-1))(theta)


def fisher(logits: Logits, theta: Tensor) -> Tensor:
    r"""Compute the Fisher information matrix by enumerating the classes (stickland2021regularising, section 1).

    .. math::

        F(\theta) = \frac1N \sum_{n=1}^{N} \sum_y p_\theta(y|x_n) \, g(x_n, y) \, g(x_n, y)^\top

    The labels are the model's own, not those of the data: F is the curvature of the KL divergence,
    :math:`\mathrm{KL}[p_\theta \| p_{\theta+\epsilon}] = \frac12 \epsilon^\top F \epsilon + O(\|\epsilon\|^3)`.

    Args:
        logits: the classifier.
        theta: parameters (P,), float64.

    Returns:
        (P, P), symmetric and positive semidefinite.

    Raises:
        ConfigError: ``theta`` is not float64, or not of one dimension.
    """
    g = scores(logits, theta)
    p = torch.softmax(logits(theta), dim=-1)
    return torch.einsum("nc,nci,ncj->ij", p, g, g) / len(g)


def empirical_fisher(logits: Logits, theta: Tensor, labels: Tensor) -> Tensor:
    r"""Compute the second moment of the gradients at given labels, :math:`\frac1N \sum_n g(x_n, y_n) g(x_n, y_n)^\top`.

    With labels drawn from the model its expectation is F; with the labels of the data it is not F and not a curvature.

    Args:
        logits: the classifier.
        theta: parameters (P,), float64.
        labels: (N,), class indices.

    Returns:
        (P, P), symmetric and positive semidefinite.

    Raises:
        ConfigError: ``theta`` is not a float64 vector, or ``labels`` are not N class indices.
    """
    g = scores(logits, theta)
    n, classes, _ = g.shape
    if labels.shape != (n,) or labels.is_floating_point() or labels.min() < 0 or labels.max() >= classes:
        raise ConfigError(
            f"labels has shape {tuple(labels.shape)} and type {labels.dtype}; "
            f"expected {n} integers from 0 to {classes - 1}, one per example."
        )
    g = g[torch.arange(n), labels]
    return g.T @ g / n


def _check(**vectors: Tensor) -> None:
    for name, vector in vectors.items():
        if vector.dtype != torch.float64 or vector.dim() != 1:
            raise ConfigError(
                f"{name} is {vector.dtype} of shape {tuple(vector.shape)}; expected a float64 vector (P,), because "
                "differences of KL divergences drown in float32 rounding. Convert with .double().flatten()."
            )
