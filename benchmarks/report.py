"""Read the results and arrange them as tables; needs nothing but the standard library."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
HEAD = ("operation", "who", "ratio", "[min-max]", "n", "seconds", "extra MiB", "error", "goal", "")
MISSING = ("skipped", "failed")
Found = Mapping[str, Any]


def load(folder: Path | str = RESULTS) -> dict[str, dict[str, Any]]:
    """The committed tables by size: ``facts`` of the run and ``rows``."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(folder).glob("*.json"))}


def best_peer(row: Found, rows: Iterable[Found]) -> Found | None:
    """The fastest row of the same operation that is not ours and is right."""
    peers = [r for r in rows if r["operation"] == row["operation"] and not r["ours"] and r["status"] == "ok"]
    return min(peers, key=lambda r: r["ratio"], default=None)


def verdict(row: Found, rows: Sequence[Found]) -> str:
    """Whether a row of ours reached its goal and is ahead of every peer; empty for peers."""
    if not row["ours"] or row["status"] in MISSING:
        return ""
    said = []
    if row["goal"] is not None:
        said.append("met" if row["ratio"] <= row["goal"] else "missed")
    peer = best_peer(row, rows)
    if peer is not None:
        ahead = row["ratio"] < peer["ratio"]
        clear = row["high"] < peer["low"] or peer["high"] < row["low"]
        said.append(f"{'ahead' if ahead else 'behind'}{'' if clear else ' (ranges overlap)'}")
    return ", ".join(said)


def cells(row: Found, rows: Sequence[Found]) -> tuple[str, ...]:
    """A row of :data:`HEAD` as text."""
    if row["status"] in MISSING:
        return (row["operation"], row["who"], f"{row['status']}: {row['reason']}", *[""] * (len(HEAD) - 3))
    unit = "" if row["unit"] == "plain" else f" of {row['unit']}"
    error = "" if row["error"] is None else f"{row['error']:.1e}" + (" WRONG" if row["status"] == "wrong" else "")
    return (
        row["operation"],
        row["who"],
        f"{row['ratio']:.2f}{unit}",
        f"[{row['low']:.2f}-{row['high']:.2f}]",
        str(row["n"]),
        f"{row['seconds']:.3g}",
        "" if row["extra_mib"] is None else f"{row['extra_mib']:+.0f}",
        error,
        "" if row["goal"] is None else f"{row['goal']:g}",
        verdict(row, rows),
    )


def line(row: Found, rows: Sequence[Found]) -> str:
    """A row for the terminal."""
    operation, who, *rest = cells(row, rows)
    if row["status"] in MISSING:
        return f"{operation:44s} {who:40s} {rest[0]}"
    ratio, span, n, seconds, mib, error, goal, said = rest
    goal = f"goal {goal}" if goal else ""
    return (
        f"{operation:44s} {who:40s} {ratio:>6s} {span:13s} n={n:2s} {seconds:>8s} s {mib:>6s} MiB  "
        f"{error:8s} {goal} {said}".rstrip()
    )


def summary(rows: Sequence[Found]) -> str:
    """How many goals were met, and what was left out."""
    goals = [row for row in rows if row["ours"] and row["status"] == "ok" and row["goal"] is not None]
    missed = [row["operation"] for row in goals if row["ratio"] > row["goal"]]
    behind = [row["operation"] for row in rows if "behind" in verdict(row, rows)]
    counts = {status: sum(row["status"] == status for row in rows) for status in ("wrong", "skipped", "failed")}
    parts = [f"{len(goals) - len(missed)} of {len(goals)} goals met"]
    parts += [f"missed: {'; '.join(missed)}"] if missed else []
    parts += [f"behind a peer: {'; '.join(behind)}"] if behind else []
    return ", ".join(parts + [f"{n} {status}" for status, n in counts.items() if n])
