r"""Empirical risk minimisation: the mean cross-entropy of a step's examples.

.. math:: L(\theta) = -\frac{1}{B} \sum_{i=1}^{B} \log p_\theta(y_i | x_i)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from xlgen.data.batch import Batch
from xlgen.objectives.accumulate import accumulate, cross_entropy
from xlgen.objectives.base import OBJECTIVES, Step


@OBJECTIVES.register("baseline")
@dataclass(frozen=True)
class Baseline:
    """Minimise the cross-entropy; it has no hyper-parameters."""

    needs_double_backward: ClassVar[bool] = False
    needs_views: ClassVar[bool] = False
    needs_anchors: ClassVar[bool] = False

    def gradient(self, model: nn.Module, batches: Sequence[Batch], step: Step) -> dict[str, float]:
        """Accumulate the gradient; log ``loss``."""
        return accumulate(model, batches, step, cross_entropy(model))
