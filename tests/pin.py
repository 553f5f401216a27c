"""Give the parts whose source has changed a version in ``xlgen/core/versions.csv`` (``make version``).

``--why`` says what changed. A change that can alter a number raises the version; ``--same`` keeps it, and then
``--why`` says why no number changes.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from xlgen.core import code
from xlgen.measures import MEASURES
from xlgen.models.tuning import TUNINGS
from xlgen.objectives import OBJECTIVES


def parts() -> list[str]:
    """Every part that a stored result can rest on, with a version of its own."""
    found = {*code.of_text("contrastive"), *code.of_tokens(), *code.YOUNGER}
    found |= {part for _, objective in OBJECTIVES.items() for part in code.of_run(objective, TUNINGS["full"])}
    found |= {part for _, tuning in TUNINGS.items() for part in code.of_run(OBJECTIVES["baseline"], tuning)}
    return sorted(found | {part for _, measure in MEASURES.items() for part in code.of_measure(measure)})


def missing() -> list[str]:
    """The parts whose source as it is now has no version."""
    return [part for part, version in code.versions(parts()).items() if isinstance(version, str)]


def pin(path: Path, why: str, same: bool) -> list[dict[str, object]]:
    """Add a row for each part without a version, and return them."""
    last = {row["part"]: int(row["version"]) for row in code.rows()}
    added = []
    for part in missing():
        version = last.get(part, 0) + (not same or part not in last)
        added.append({"part": part, "version": version, "source": code.source(part), "why": why})
    rows = sorted([*code.rows(), *added], key=lambda row: (row["part"], int(row["version"])))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ("part", "version", "source", "why"), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return added


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--why", required=True)
    parser.add_argument("--same", action="store_true")
    given = parser.parse_args()
    for row in pin(code.VERSIONS, given.why, given.same):
        print(row["part"], row["version"])
