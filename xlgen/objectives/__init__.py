"""Training objectives: gradient procedures that share one loop (see :mod:`xlgen.objectives.base`).

========  =====================================================================================================
baseline  cross-entropy
sam       the worst cross-entropy within a radius :math:`\\rho` of the weights
fisher    cross-entropy and a penalty on the trace of the Fisher information
mvr       cross-entropy of two segmentations of each text, and the divergence between the two predictions
========  =====================================================================================================
"""

from xlgen.objectives.base import OBJECTIVES, Objective, Step
from xlgen.objectives.baseline import Baseline
from xlgen.objectives.fisher import FisherPenalty
from xlgen.objectives.hyper import create
from xlgen.objectives.mvr import MVR
from xlgen.objectives.sam import SAM

__all__ = ["MVR", "OBJECTIVES", "SAM", "Baseline", "FisherPenalty", "Objective", "Step", "create"]
