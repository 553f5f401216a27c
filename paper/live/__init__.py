"""Live figures: offline, with native inputs, and a picture of each for print and where no script runs.

A cell of a chapter ends with one of them::

    live.leave_out(obtained.frame, "margin")
"""

from paper.live.confidence import calibration, thresholds
from paper.live.divergence import divergence
from paper.live.embed import Live, show
from paper.live.landscape import algorithm_1, bisection, two_steps
from paper.live.leave_out import leave_out
from paper.live.ledger_grid import ledger_grid
from paper.live.picker import picker

__all__ = ["Live", "algorithm_1", "bisection", "calibration", "divergence", "leave_out", "ledger_grid", "picker"]
__all__ += ["show", "thresholds", "two_steps"]
