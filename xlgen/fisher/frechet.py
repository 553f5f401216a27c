r"""The Fréchet distance between the diagonals of two Fisher informations.

.. math::

    d^2(\hat F_1, \hat F_2) = \frac12 \mathrm{tr}\big(\hat F_1 + \hat F_2 - 2 (\hat F_1 \hat F_2)^{1/2}\big)
    = 1 - \sum_i \sqrt{\hat F_{1,i}} \sqrt{\hat F_{2,i}}, \qquad \hat F = F / \mathrm{tr} F

(equation 3 of anonymous2021frustratingly; kirkpatrick2017ewc calls :math:`1 - d^2` the overlap). It is the squared
Hellinger distance, in [0, 1]: 0 where two tasks need the same weights in the same proportions, 1 where they need
different ones. It does not depend on the scale of either Fisher information.

Everything is computed from the Gram matrices of the roots, one for each parameter, which add up over parameters: the
sums over all of them, over one layer or over all but the embeddings give the three distances, each normalised to unit
trace over its own parameters. A unit trace over 10⁸ weights leaves each about 10⁻⁸: nothing is added below the root,
each factor has a root of its own, and all sums are in float64.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from xlgen.core.errors import ModelError
from xlgen.models.layers import layer_of

CHUNK = 1 << 18
"""Weights of one step of the sum: bounds the memory of the float64 copies."""


@dataclass(frozen=True)
class Distances:
    """Distances between the Fisher informations of several languages.

    Attributes:
        languages: in the order of the rows and columns.
        d2: (L, L) float64, over all parameters.
        stderr: (L, L), the delete-one-fold jackknife's standard errors of ``d2``; ``None`` without folds.
        bias: (L, L), the jackknife's estimate of the bias of ``d2``, which is positive: two estimates of the same
            Fisher information from few examples are some distance apart; ``None`` without folds.
        without_embeddings: (L, L), over all but the embedding tables.
        by_layer: (L, L) of each numbered block, of the embedding tables, and of the rest.
        stderr_of_parts: (L, L), the jackknife's standard errors of ``without_embeddings`` and of each layer, by these
            names; empty without folds.
        blocks: (K, L, L) by ``d2`` and the same names, by how much each of K folds has it another: the jackknife's
            pseudo-values, without their mean. They tell what the languages have in common of their errors, that of the
            language they are compared with above all (:func:`xlgen.analysis.reliability.apart`); empty without folds.
        trace: (L,) Tr F of each language.
    """

    languages: tuple[str, ...]
    d2: Tensor
    stderr: Tensor | None
    bias: Tensor | None
    without_embeddings: Tensor
    by_layer: Mapping[str, Tensor]
    stderr_of_parts: Mapping[str, Tensor]
    blocks: Mapping[str, Tensor]
    trace: Tensor

    def rows(self) -> list[dict[str, Any]]:
        """One flat row for each pair of languages and each distance: ``d2``, ``without_embeddings``, or a layer's."""
        rows, errors = [], {"d2": self.stderr, **self.stderr_of_parts}
        for name, d2 in {"d2": self.d2, "without_embeddings": self.without_embeddings, **self.by_layer}.items():
            error = errors.get(name)
            for i, source in enumerate(self.languages):
                for j, language in enumerate(self.languages):
                    stderr = None if error is None else error[i, j].item()
                    numbers = {"value": d2[i, j].item(), "stderr": stderr, "status": "ok"}
                    rows.append({"source": source, "language": language, "measure": name, **numbers})
        return rows


def distances(
    folds: Mapping[str, Sequence[Mapping[str, Tensor]]],
    tables: Collection[str] = (),
    counts: Mapping[str, Sequence[int]] | None = None,
) -> Distances:
    """Compute all distances between the languages.

    Args:
        folds: by language, the diagonal F of each fold of its examples, by parameter name: means over the fold's
            examples. As many folds, with the same parameters, for every language; one fold gives no standard errors.
            Where the languages' examples are translations of each other, fold k should hold the same ones in all.
        tables: names of the embedding tables.
        counts: by language, the examples of each fold; equal unless given.

    Raises:
        ModelError: the languages have different parameters, an entry is negative or not finite, or a trace is 0.
    """
    languages = tuple(folds)
    diagonals = [folds[language] for language in languages]
    names = list(diagonals[0][0])
    for language, F in zip(languages, diagonals, strict=True):
        if len(F) != len(diagonals[0]) or any(set(fold) != set(names) for fold in F):
            raise ModelError(f"the Fisher information of {language!r} has other folds or parameters than the first's.")
    n = torch.ones(len(languages), len(diagonals[0]), dtype=torch.float64)
    if counts is not None:
        n = torch.tensor([list(counts[language]) for language in languages], dtype=torch.float64)
    layers: dict[str, Tensor] = {}
    for name in names:
        layer = layer_of(name, tables)
        layers[layer] = layers.get(layer, 0) + gram([[fold[name] for fold in F] for F in diagonals], n)
    total = sum(layers.values())
    trace = total[0].diagonal() / n.sum(dim=1)
    for language, value in zip(languages, trace.tolist(), strict=True):
        if not 0 < value < math.inf:
            raise ModelError(
                f"the trace of the Fisher information of {language!r} is {value}; expected entries >= 0, not all of "
                "them 0. Check the model's weights and that its examples have labels."
            )
    rest = [gram for layer, gram in layers.items() if layer != "embeddings"]
    samples = _d2(total)
    parts = {"without_embeddings": _d2(sum(rest)) if rest else torch.full_like(samples, math.nan)}
    parts |= {layer: _d2(gram) for layer, gram in layers.items()}
    k = len(samples) - 1
    return Distances(
        languages=languages,
        d2=samples[0],
        stderr=_jackknife(samples) if k else None,
        bias=(k - 1) * (samples[1:].mean(dim=0) - samples[0]) if k else None,
        without_embeddings=parts["without_embeddings"][0],
        by_layer={layer: parts[layer][0] for layer in layers},
        stderr_of_parts={name: _jackknife(part) for name, part in parts.items()} if k else {},
        blocks={name: _apart(part) for name, part in {"d2": samples, **parts}.items()} if k else {},
        trace=trace,
    )


def gram(diagonals: Sequence[Sequence[Tensor]], n: Tensor) -> Tensor:
    r"""Inner products :math:`\sum_i \sqrt{F_{a,i}} \sqrt{F_{b,i}}` of one parameter's roots.

    Args:
        diagonals: of each of L languages, of each of K folds, the entries of one parameter.
        n: (L, K) weights of the folds.

    Returns:
        (1, L, L) float64, or with more than one fold (1 + K, L, L): of the weighted sum over all folds, and of the sums
        over all folds but the k-th.
    """
    flat = [[fold.detach().flatten().cpu() for fold in folds] for folds in diagonals]
    total = torch.zeros(())
    for start in range(0, flat[0][0].numel(), CHUNK):
        part = torch.stack([torch.stack([fold[start : start + CHUNK] for fold in folds]) for folds in flat])
        weighted = part.double() * n[:, :, None]  # (L, K, chunk)
        sums = weighted.sum(dim=1, keepdim=True)
        if n.shape[1] > 1:
            # what only fold k has is exactly 0 without it; the rounding of all else can leave no negative sum either
            sums = torch.cat([sums, (sums - weighted).clamp(min=0)], dim=1)
        roots = sums.sqrt().transpose(0, 1)  # (1 + K, L, chunk)
        total = total + roots @ roots.transpose(1, 2)
    return total


def _jackknife(samples: Tensor) -> Tensor:
    """Standard errors from (1 + K, …) estimates: with all folds first, then with all but the k-th."""
    dropped, k = samples[1:], len(samples) - 1
    return ((k - 1) / k * (dropped - dropped.mean(dim=0)).square().sum(dim=0)).sqrt()


def _apart(samples: Tensor) -> Tensor:
    """Pseudo-values without their mean, (K, …), from the same."""
    dropped = samples[1:]
    return (len(dropped) - 1) * (dropped.mean(dim=0) - dropped)


def _d2(grams: Tensor) -> Tensor:
    """(…, L, L) distances from the sums of Gram matrices; ``nan`` where a trace is 0; exactly 0 on the diagonal."""
    trace = grams.diagonal(dim1=-2, dim2=-1)
    d2 = 1 - grams / (trace[..., :, None].sqrt() * trace[..., None, :].sqrt())
    d2 = (d2 + d2.transpose(-2, -1)) / 2
    same = torch.eye(d2.shape[-1], dtype=torch.bool) & (trace[..., None] > 0)
    return d2.clamp(0, 1).masked_fill(same, 0.0)
