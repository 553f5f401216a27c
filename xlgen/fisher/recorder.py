"""Watch a forward pass: which modules are called with what, and which parameters are used in no other way.

Nothing is taken on trust. Every use of a parameter is an edge of the graph that autograd has built, so the number of
edges into a parameter is compared with the number of calls that were understood; a parameter for which they differ
(used outside its module, by a module of an unknown kind, by a call without a batch dimension) is handed to automatic
differentiation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from xlgen.data.batch import Batch
from xlgen.fisher.modules import known, normalised, scales

Deliver = Callable[["Call", Tensor], None]


@dataclass(eq=False)
class Call:
    """One call of a known module.

    Attributes:
        module: what was called.
        x: its input; not to be changed in place.
        version: how often ``x`` had been changed in place by then.
        node: where the output enters autograd's graph.
        expanded: whether the call had one row for all examples (positions), and the output was repeated.
    """

    module: nn.Module
    x: Tensor
    version: int
    node: torch.autograd.graph.Node
    expanded: bool


@dataclass
class Forward:
    """What one forward pass has shown.

    Attributes:
        logits: of the batch, with their graph.
        ends: where a backward pass may stop; every call is met on the way there.
        fast: parameters, by ``id``, whose every use is a known call: the others need automatic differentiation.
        used: of parameters, by ``id``: how often.
    """

    logits: Tensor
    ends: list[torch.autograd.graph.GradientEdge]
    fast: set[int]
    used: Counter


@dataclass
class Recorder:
    """Records forward passes of one model.

    Attributes:
        model: in eval mode; the parameters looked at, and no others, require gradients.
        parameters: those, by name.
        unfit: modules that turned out not to be what :mod:`~xlgen.fisher.modules` assumes.
        checked: modules whose kind was guessed from their name, and then tried.
    """

    model: nn.Module
    parameters: Mapping[str, Tensor]
    unfit: set[nn.Module] = field(default_factory=set)
    checked: set[nn.Module] = field(default_factory=set)

    @contextmanager
    def forward(self, batch: Batch, deliver: Deliver) -> Iterator[Forward]:
        """Run the model; until exit, backward passes give the gradient of every call's output to ``deliver``.

        Of a batch of one example every tensor should have one row. A module that then has more, such as a table of
        relative positions (T, T), has no batch dimension, whatever its shape in other batches; so the first batch of
        a model must have one example.
        """
        calls: list[Call] = []
        hooks = []

        def record(module: nn.Module, args: tuple, kwargs: dict, out: object) -> Tensor | None:
            if kwargs or len(args) != 1 or not isinstance(out, Tensor) or not out.requires_grad:
                return None  # the count of uses will tell whether something was missed
            x, rows = args[0].detach(), len(batch)
            expanded = isinstance(module, nn.Embedding) and x.ndim == 2 and len(x) == 1 < rows
            if expanded:
                x, out = x.expand(rows, -1), out.expand(rows, -1, -1)
            if x.ndim < 2 - isinstance(module, nn.Embedding) or x.shape[:1] != (rows,):
                self.unfit.add(module)
                return None
            edge = torch.autograd.graph.get_gradient_edge(out)
            call = Call(module, x, x._version, edge.node, expanded)
            edges[edge.node] = edge
            # on the tensor as it is now: a later change in place does not concern this hook
            hooks.append(out.register_hook(lambda gradient: deliver(call, gradient)))
            calls.append(call)
            return out if expanded else None

        edges: dict = {}
        watched = [m for m in self.model.modules() if m not in self.unfit and known(m) and _owns(m)]
        watchers = [m.register_forward_hook(record, with_kwargs=True) for m in watched]
        try:
            try:
                logits = self.model(**batch.inputs).logits
            finally:
                for watcher in watchers:
                    watcher.remove()
            yield self._survey(logits, calls, edges)
        finally:
            for hook in hooks:  # they refer to the calls, which refer to the graph, which holds the hooks
                hook.remove()
            calls.clear()
            edges.clear()

    def _survey(self, logits: Tensor, calls: list[Call], edges: Mapping) -> Forward:
        """Compare the uses of every parameter in the graph of ``logits`` with the calls."""
        used, met, above = _graph(logits.grad_fn, edges)
        self.unfit |= {call.module for call in calls if call.x._version != call.version}
        for module in {call.module: call.x for call in calls if scales(call.module)}.items():
            self._check(*module)
        understood = Counter(
            id(p) for call in calls if call.node in met and call.module not in self.unfit for p in _owns(call.module)
        )
        ends = [edge for node, edge in edges.items() if node in met and node not in above]
        fast = {id(p) for p in self.parameters.values() if used[id(p)] == understood[id(p)]}
        return Forward(logits, ends, fast, used)

    @torch.no_grad()
    def _check(self, module: nn.Module, x: Tensor) -> None:
        """Whether the weight of a module that looks like RMSNorm multiplies, which not every kind's does."""
        if module not in self.checked:
            self.checked.add(module)
            if not torch.allclose(module(x), module.weight * normalised(module, x), rtol=1e-4):
                self.unfit.add(module)


def _owns(module: nn.Module) -> list[Tensor]:
    return [p for p in module._parameters.values() if p is not None and p.requires_grad]


def _graph(root: torch.autograd.graph.Node | None, edges: Mapping) -> tuple[Counter, dict, set]:
    """Walk autograd's graph from ``root`` to the leaves.

    Returns:
        How often each parameter is used, by ``id``; the nodes that were met, each with the nodes that lead to it; and
        those of them from which a node of ``edges`` can be reached.
    """
    met: dict = {} if root is None else {root: []}
    stack = list(met)
    while stack:
        node = stack.pop()
        for child, _ in node.next_functions:
            if child is None:
                continue
            if child not in met:
                met[child] = []
                stack.append(child)
            met[child].append(node)
    used: Counter = Counter()
    for node, leading in met.items():
        if hasattr(node, "variable"):
            used[id(node.variable)] += len(leading)
    above: set = set()
    stack = [node for node in edges if node in met]
    while stack:
        leading = [node for node in met[stack.pop()] if node not in above]
        above.update(leading)
        stack.extend(leading)
    return used, met, above
