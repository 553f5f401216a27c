"""The ledger: every numbered table and figure of the papers, what it claims, and what was found.

>>> from paper import ledger
>>> [claim.id for claim in ledger.claims(item="Table 15")]
['l2-t15-fr', 'l2-t15-en']

A chapter records its evidence and the ledger's page joins it with the claims::

    ledger.clear("pawsx", folder=folder)
    ledger.record("pawsx", "bassi-t2-margin-mbert", **ledger.of(correlation), seeds=[0], scale="miniature",
                  run_keys=[run.key], folder=folder)
    ledger.not_run("pawsx", "bassi-t2-margin-roberta", "no such encoder here", folder=folder)
    ledger.choice("pawsx", "korean", "With Korean the mean changes by 0.2 points.", folder=folder)
    claims = ledger.joined(ledger.rows(ledger.load(folder)))
"""

from paper.ledger.choices import Choice, choice, choices
from paper.ledger.claims import CHAPTERS, CLAIMS, KINDS, Claim, LedgerError, claims
from paper.ledger.evidence import differences, of, of_pairs, share, spread_ratio, spreads, wins
from paper.ledger.files import clear
from paper.ledger.joined import Group, Joint, counts, in_words, joined
from paper.ledger.rates import Rate, error_rates
from paper.ledger.records import SCALES, Record, load, not_run, record
from paper.ledger.table import CARRIED_OUT, NOT_RUN, OUTCOMES, Row, rows, verdict
from xlgen.analysis import AGREES, Verdict

__all__ = ["AGREES", "CARRIED_OUT", "CHAPTERS", "CLAIMS", "KINDS", "NOT_RUN", "OUTCOMES", "SCALES", "Choice", "Claim"]
__all__ += ["Group", "Joint", "LedgerError", "Rate", "Record", "Row", "Verdict", "choice", "choices", "claims", "clear"]
__all__ += ["counts", "differences", "error_rates", "in_words", "joined", "load", "not_run", "of", "of_pairs", "record"]
__all__ += ["rows", "share", "spread_ratio", "spreads", "verdict", "wins"]
