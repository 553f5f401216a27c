"""Rows of the peers: each is optional, and what is not installed is named and left out.

What was needed to make them right on BERT is in here too: explicit (B, T) positions, without which every method that
hooks modules is silently wrong, and an additive (B, 1, 1, T) mask, without which ``vmap`` fails.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import naive
from benchmarks.harness import Row
from benchmarks.rows_fisher import operation
from benchmarks.rows_steps import SAM_STEP
from benchmarks.shapes import Bench, Shape, Timed

OPTIMIZER, OPACUS, LAPLACE, CURVLINOPS = "pytorch-optimizer", "opacus", "laplace-torch", "curvlinops-for-pytorch"
SMALL = 4
"""Layers up to which the dear peers are worth the time."""
EXACT = 1e-5
"""Relative error up to which a peer in float32 counts as right."""


def rows() -> list[Row]:
    """Everything that computes what a row of ours computes."""
    true, model = "true", "model"
    found = [
        Row(SAM_STEP, f"SAM{name}", partial(_sam, settings), "sam", 1e-3, needs=OPTIMIZER, brief=True)
        for name, settings in (("", {}), (", foreach", {"foreach": True}), (", fused AdamW", {"fused": True}))
    ]
    for kind, labels, who, make, limits in (
        ("trace", true, "ghost", partial(_opacus, "ghost", True), {"needs": OPACUS, "brief": True}),
        ("trace", true, "hooks", partial(_opacus, "hooks", True), {"needs": OPACUS, "layers": SMALL}),
        ("trace", true, "vmap(grad)", partial(_vmap, True), {"needs": "torch", "layers": SMALL}),
        ("diagonal", true, "hooks", partial(_opacus, "hooks", False), {"needs": OPACUS, "gib": _side_by_side}),
        ("diagonal", true, "vmap(grad)", partial(_vmap, False), {"needs": "torch", "gib": _side_by_side}),
        ("diagonal", true, "CurvlinopsEF", partial(_laplace, "EF"), {"needs": LAPLACE, "gib": _side_by_side}),
        ("diagonal", model, "CurvlinopsGGN", partial(_laplace, "GGN"), {"needs": LAPLACE, "gib": _all_classes}),
    ):
        found.append(Row(operation(kind, labels), who, make, f"fisher: {kind} {labels}", EXACT, **limits))
    for who, labels in (("EF", "true labels"), ("GGN", "model's labels")):
        what = f"one random probe of Tr F, {labels}"
        found.append(Row(what, who, partial(_curvlinops, who), needs=CURVLINOPS, layers=SMALL))
    return found


def _side_by_side(shape: Shape) -> float:
    """Gradients of all examples, and temporary copies [GiB]."""
    return 1.5 * shape.per_sample


def _all_classes(shape: Shape) -> float:
    """The same for each class, twice [GiB]."""
    return 2.3 * shape.classes * shape.per_sample


def _inputs(ids: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Inputs that every peer can take."""
    length = ids.shape[1]
    return {
        "input_ids": ids,
        "attention_mask": torch.where(mask[:, None, None, :] > 0, 0.0, torch.finfo(torch.float32).min),
        "position_ids": torch.arange(length).expand(ids.shape[0], -1).contiguous(),
        "token_type_ids": torch.zeros_like(ids),
    }


class _Packed(nn.Module):
    """A model of one tensor (B, 2, T): numbers and mask."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        ids, mask = x.unbind(1)
        return self.model(**_inputs(ids.long(), mask.long())).logits


def _data(bench: Bench) -> tuple[Tensor, Tensor, Tensor]:
    return bench.batch.inputs["input_ids"], bench.batch.inputs["attention_mask"], bench.batch.labels


def _by_name(bench: Bench, tensors) -> dict[str, Tensor]:
    return dict(zip(bench.weights, tensors, strict=True))


def _sam(settings: Mapping[str, object], bench: Bench) -> Timed:
    from pytorch_optimizer import SAM

    model = bench.model
    optimizer = SAM(model.parameters(), torch.optim.AdamW, rho=naive.RHO, lr=0.0, weight_decay=0.0, **settings)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = bench.loss(bench.batch)
        loss.backward()
        return loss

    def run():
        closure()
        optimizer.step(closure)
        return bench.gradients

    return run


def _opacus(mode: str, trace: bool, bench: Bench) -> Timed:
    from opacus.grad_sample import GradSampleModule
    from opacus.grad_sample.grad_sample_module_fast_gradient_clipping import GradSampleModuleFastGradientClipping

    model = copy.deepcopy(bench.model).train()
    build = GradSampleModuleFastGradientClipping if mode == "ghost" else GradSampleModule
    wrapped = build(model, loss_reduction="mean", strict=False)
    ids, mask, labels = _data(bench)
    inputs, n = _inputs(ids, mask), len(labels)

    def run():
        wrapped.zero_grad(set_to_none=True)
        for w in model.parameters():
            w.grad_sample = None
        F.cross_entropy(wrapped(**inputs).logits, labels).backward()
        if mode == "ghost":
            return wrapped.get_norm_sample().square().mean().item()
        if trace:
            return sum(w.grad_sample.square().sum().item() for w in model.parameters()) / n
        return _by_name(bench, [w.grad_sample.square().sum(0) / n for w in model.parameters()])

    return run


def _vmap(trace: bool, bench: Bench) -> Timed:
    from torch.func import functional_call, grad, vmap

    ids, mask, labels = _data(bench)
    theta = {name: w.detach() for name, w in bench.weights.items()}

    def loss(theta, ids, mask, label):
        logits = functional_call(bench.model, theta, (), _inputs(ids[None], mask[None])).logits
        return F.cross_entropy(logits, label[None])

    per_example = vmap(grad(loss), in_dims=(None, 0, 0, 0))

    def run():
        g = per_example(theta, ids, mask, labels)
        if trace:
            return sum(part.square().sum().item() for part in g.values()) / len(labels)
        return {name: part.square().sum(0) / len(labels) for name, part in g.items()}

    return run


def _laplace(kind: str, bench: Bench) -> Timed:
    backend = getattr(importlib.import_module("laplace.curvature.curvlinops"), f"Curvlinops{kind}")
    ids, mask, labels = _data(bench)
    curvature = backend(_Packed(copy.deepcopy(bench.model)), "classification")
    x, n = torch.stack([ids, mask], 1), len(labels)

    def run():
        _, diagonal = curvature.diag(x, labels, N=n)
        sizes = [w.numel() for w in bench.weights.values()]
        parts = zip(diagonal.split(sizes), bench.weights.values(), strict=True)
        return _by_name(bench, [(part / n).view_as(w) for part, w in parts])

    return run


def _curvlinops(kind: str, bench: Bench) -> Timed:
    import curvlinops

    build = getattr(curvlinops, f"{kind}LinearOperator")
    ids, mask, labels = _data(bench)
    model = _Packed(bench.model)
    data = [(torch.stack([ids, mask], 1), labels)]
    operator = build(model, nn.CrossEntropyLoss(), list(model.parameters()), data, check_deterministic=False)
    v = torch.randn(sum(w.numel() for w in model.parameters()), generator=torch.Generator().manual_seed(0))

    def run():
        operator @ v

    return run
