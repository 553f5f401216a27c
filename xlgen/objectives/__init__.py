"""Training objectives: gradient procedures that share one loop (see :mod:`xlgen.objectives.base`).

===========  ===============================================================================================
objective    what is minimised
===========  ===============================================================================================
baseline     cross-entropy
sam          the worst cross-entropy within a radius :math:`\\rho` of the weights
fisher       cross-entropy and a penalty on the trace of the Fisher information
mvr          cross-entropy of two segmentations of each text, and the divergence between the two predictions
rdrop        cross-entropy under two dropout masks, and the divergence between the two predictions
consistency  cross-entropy, and the divergence between the predictions of weights with and without noise
l2           cross-entropy and the squared distance from the pretrained weights
ewc          the same, each weight's part weighted by its Fisher information on text
===========  ===============================================================================================
"""

from __future__ import annotations

import importlib
import pkgutil

from xlgen.objectives.base import OBJECTIVES, Anchor, Objective, Step

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

from xlgen.objectives.baseline import Baseline  # noqa: E402
from xlgen.objectives.fisher import FisherPenalty  # noqa: E402
from xlgen.objectives.hyper import create  # noqa: E402
from xlgen.objectives.mvr import MVR  # noqa: E402
from xlgen.objectives.sam import SAM  # noqa: E402

__all__ = ["MVR", "OBJECTIVES", "SAM", "Anchor", "Baseline", "FisherPenalty", "Objective", "Step", "create"]
