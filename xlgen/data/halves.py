"""The development split in two: what the second stage of fine-tuning trains on, and what is held out of it.

As in stickland2021regularising, section 3, who train on 1,000 of the 2,000 development pairs of a target language and
evaluate on the other 1,000.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

TRAINED, HELD = "dev_first", "dev_held"
HALVES = (TRAINED, HELD)
"""Names of the halves, wherever a split is named."""


def halves(rows: Any) -> dict[str, Any]:
    """Cut the rows of a split in two, at the middle of the source's rows.

    Where the languages are parallel the halves are the same examples in all of them, also where a language lacks the
    text of some rows: nothing that one language trains on is a translation of what is held in another.

    Args:
        rows: of one language, :class:`~xlgen.data.read_pairs.Rows` or :class:`~xlgen.data.read_tagged.TaggedRows`.

    Returns:
        By the names in :data:`HALVES`; of an odd number the second half has one more.
    """
    middle = (len(rows) + len(rows.dropped)) // 2
    before = tuple(row for row in rows.dropped if row < middle)
    cut = middle - len(before)
    return {
        TRAINED: replace(rows.part(0, cut), dropped=before),
        HELD: replace(rows.part(cut, len(rows)), dropped=rows.dropped[len(before) :]),
    }
