"""An unfinished run in one file, so that it can be resumed: weights, best weights, optimizer state and progress.

One safetensors file, replaced atomically: whenever the run is killed, the file is a whole checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from xlgen.core.files import read_tensors, write_tensors


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        step: optimizer steps done.
        seconds: wall time, interruptions excluded.
        sums: of each number logged since the last look, the sum over examples and their number.
        log: one entry a look at the development set.
        best: the best of them.
    """

    step: int = 0
    seconds: float = 0.0
    sums: dict[str, list[float]] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] | None = None

    def add(self, means: Mapping[str, float], examples: int) -> None:
        """Count ``means`` over ``examples`` into the sums."""
        for name, mean in means.items():
            total, n = self.sums.get(name, (0.0, 0))
            self.sums[name] = [total + mean * examples, n + examples]


def copied(model: nn.Module) -> dict[str, Tensor]:
    """Copies of all parameters on the CPU, by name."""
    return {name: weight.detach().cpu().clone() for name, weight in model.named_parameters()}


@torch.no_grad()
def put_back(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give the parameters of ``model`` the values of :func:`copied`."""
    for name, weight in model.named_parameters():
        weight.copy_(weights[name])


def save(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress, best: Mapping[str, Tensor]
) -> None:
    """Write or replace the checkpoint ``path``; ``best`` are the weights of the best look, if there was one."""
    tensors = {f"model/{name}": weight for name, weight in model.named_parameters()}
    tensors |= {f"best/{name}": weight for name, weight in best.items()}
    numbers = {}
    for index, state in optimizer.state_dict()["state"].items():
        for key, value in state.items():
            (tensors if isinstance(value, Tensor) else numbers)[f"optimizer/{index}/{key}"] = value
    write_tensors(path, tensors, {"progress": asdict(progress), "numbers": numbers})


def load(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[Progress, dict[str, Tensor]]:
    """Put weights and optimizer state back; return progress and the best weights so far.

    Raises:
        StoreError: the file cannot be read.
    """
    tensors, meta = read_tensors(path)
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "optimizer": {}}
    for name, tensor in (tensors | meta["numbers"]).items():
        kind, _, key = name.partition("/")
        parts[kind][key] = tensor
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in parts["optimizer"].items():
        index, _, key = name.partition("/")
        state.setdefault(int(index), {})[key] = tensor
    put_back(model, parts["model"])
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return Progress(**meta["progress"]), parts["best"]
