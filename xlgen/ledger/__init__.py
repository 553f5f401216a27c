"""The ledger: every numbered table and figure of the papers, what it claims, and what was found.

>>> from xlgen import ledger
>>> [claim.id for claim in ledger.claims(item="Table 15")]
['l2-t15-fr', 'l2-t15-en']

A chapter records its evidence and the ledger's page joins it with the claims::

    ledger.clear("pawsx", folder=folder)
    ledger.record("pawsx", "bassi-t2-margin-mbert", **ledger.of(correlation), seeds=[0], scale="miniature",
                  run_keys=[run.key], folder=folder)
    ledger.not_run("pawsx", "bassi-t2-margin-roberta", "no such encoder here", folder=folder)
    ledger.choice("pawsx", "korean", "With Korean the mean changes by 0.2 points.", folder=folder)
    table = ledger.rows(ledger.load(folder))
"""

from xlgen.ledger import bassi, l2_stability, l2_transfer, stickland  # noqa: F401 (they enter their claims)
from xlgen.ledger.choices import Choice, choice, choices
from xlgen.ledger.claims import CHAPTERS, CLAIMS, KINDS, Claim, LedgerError, claims
from xlgen.ledger.evidence import differences, of, share, spread_ratio, spreads
from xlgen.ledger.records import SCALES, Record, clear, load, not_run, record
from xlgen.ledger.table import Row, counts, rows
from xlgen.ledger.verdicts import AGREES, NOT_RUN, OUTCOMES, Verdict, verdict

__all__ = ["AGREES", "CHAPTERS", "CLAIMS", "KINDS", "NOT_RUN", "OUTCOMES", "SCALES", "Choice", "Claim", "LedgerError"]
__all__ += ["Record", "Row", "Verdict", "choice", "choices", "claims", "clear", "counts", "differences", "load"]
__all__ += ["not_run", "of", "record", "rows", "share", "spread_ratio", "spreads", "verdict"]
