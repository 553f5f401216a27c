"""The papers' protocols: which models are trained, with which settings, and what is measured of them.

A protocol is a function of a preset, so that the chapters, the committed records (:mod:`paper.records`) and a
replication on real data train the same list of models::

    protocols.seeds("mini").configs["sam", 3]              # the miniature
    protocols.seeds("paper", task="xnli").configs["sam", 3]  # all English pairs, mBERT

The miniature's models of these protocols are trained on 3,000 examples: they are many, so they are small. Those of
:mod:`paper.protocols.whole` are trained on the preset's 6,000.
"""

from paper.protocols.base import PROTOCOLS, SMALL, Protocol, few, name_of, uniform
from paper.protocols.checks import checks
from paper.protocols.details import AS_IT_IS, DETAILS, MEASURED, details
from paper.protocols.divergence import SIGMAS, divergence
from paper.protocols.domains import domains
from paper.protocols.forecasts import forecasts
from paper.protocols.penalties import penalties, stages
from paper.protocols.rates import faster, rates
from paper.protocols.regularisers import VANILLA, regularisers
from paper.protocols.scales import SCALES, at_scale, scales
from paper.protocols.seeds import seeds
from paper.protocols.settings import beside_table10, extreme, settings
from paper.protocols.transfer import SETUPS, frozen, tagging, transfer
from paper.protocols.whole import distances, miniature

__all__ = [
    "AS_IT_IS",
    "DETAILS",
    "MEASURED",
    "PROTOCOLS",
    "SCALES",
    "SETUPS",
    "SIGMAS",
    "SMALL",
    "VANILLA",
    "Protocol",
    "at_scale",
    "beside_table10",
    "distances",
    "checks",
    "details",
    "divergence",
    "domains",
    "extreme",
    "faster",
    "few",
    "forecasts",
    "frozen",
    "miniature",
    "name_of",
    "penalties",
]
__all__ += ["rates", "regularisers", "scales", "seeds", "settings", "stages", "tagging", "transfer", "uniform"]
