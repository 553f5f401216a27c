"""Exact Fisher informations of encoders: the trace and the diagonal, over single examples.

:func:`trace` and :func:`diagonal` equal what a loop over the examples with automatic differentiation computes, for a
fraction of a training step more than a forward pass. They know the modules of transformers (linear maps, embedding
tables, layer norms, in any arrangement, tied or used twice) and check in each forward pass that every use of a
parameter was one of these; parameters with other uses are differentiated one example at a time, which is said once in
the log. An example's log-likelihood is the sum over its scored units: a class, tagged words, or hidden sub-words.
"""

from xlgen.fisher.diagonal import diagonal
from xlgen.fisher.trace import Trace, trace

__all__ = ["Trace", "diagonal", "trace"]
