"""Read the results and arrange them as tables; needs nothing but the standard library."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

RESULTS = Path(__file__).parent / "results"
HEAD = ("operation", "who", "ratio", "min-max", "to", "n", "seconds", "extra MiB", "error", "goal", "verdict")
MISSING = ("skipped", "failed")
Found = Mapping[str, Any]


def load(folder: Path | str = RESULTS) -> dict[str, dict[str, Any]]:
    """The tables of a folder by size: ``facts`` of the run and ``rows``."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(folder).glob("*.json"))}


def peers_of(row: Found, rows: Iterable[Found]) -> list[Found]:
    """Rows of the same operation and unit that are not ours, and are right."""
    same = lambda r: r["operation"] == row["operation"] and not r["ours"] and r["status"] == "ok"  # noqa: E731
    return [r for r in rows if same(r) and r["unit"] == row["unit"]]


def best_peer(row: Found, rows: Iterable[Found]) -> Found | None:
    """The fastest of them."""
    return min(peers_of(row, rows), key=lambda peer: peer["ratio"], default=None)


def verdict(row: Found, rows: Sequence[Found]) -> str:
    """Whether a row of ours reached its goal and is ahead of every peer; of others, whether the value is wrong."""
    if row["status"] in MISSING:
        return row["status"]
    said = ["WRONG value"] if row["status"] == "wrong" else []
    if row["ours"] and row["goal"] is not None:
        reached = "missed (range includes it)" if row["low"] <= row["goal"] else "missed"
        said.append("met" if row["ratio"] <= row["goal"] else reached)
    peer = best_peer(row, rows) if row["ours"] else None
    if peer is not None:
        apart = row["high"] < peer["low"] or peer["high"] < row["low"]
        said.append(("ahead" if row["ratio"] < peer["ratio"] else "behind") + ("" if apart else " (ranges overlap)"))
    return ", ".join(said)


def cells(row: Found, rows: Sequence[Found]) -> tuple[str, ...]:
    """A row as text, in the order of :data:`HEAD`."""
    if row["status"] in MISSING:
        return (row["operation"], row["who"], *[""] * (len(HEAD) - 3), f"{row['status']}: {row['reason']}")
    return (
        row["operation"],
        row["who"],
        _number(row["ratio"]),
        "" if row["n"] == 1 else f"{_number(row['low'])}-{_number(row['high'])}",
        row["unit"],
        str(row["n"]),
        f"{row['seconds']:.3g}" if row["seconds"] else "",
        "" if row["extra_mib"] is None else f"{row['extra_mib']:+.0f}".replace("-", "−"),
        "" if row["error"] is None else f"{row['error']:.1e}",
        "" if row["goal"] is None else f"{row['goal']:g}",
        verdict(row, rows),
    )


def _number(ratio: float) -> str:
    return f"{ratio:z.2f}" if abs(ratio) < 100 else f"{ratio:.0f}"


def line(row: Found, rows: Sequence[Found]) -> str:
    """A row for the terminal."""
    operation, who, ratio, span, unit, n, seconds, mib, error, goal, said = cells(row, rows)
    if row["status"] in MISSING:
        return f"{operation:42s} {who:42s} {said}"
    extra = f"{mib} MiB" if mib else ""
    wrong = f"err {error}" if error else ""
    aim = f"goal {goal}: {said}" if goal else said
    return f"{operation:42s} {who:42s} {ratio:>6s} [{span:9s}] n={n:2s} {extra:>10s}  {wrong:12s} {aim}".rstrip() + (
        "" if row["unit"] == "plain" else f"  (to: {row['unit']})"
    )


def missed(rows: Sequence[Found]) -> list[Found]:
    """Rows of ours that did not reach their goal."""
    return [row for row in _aimed(rows) if row["ratio"] > row["goal"]]


def _aimed(rows: Sequence[Found]) -> list[Found]:
    return [row for row in rows if row["ours"] and row["status"] not in MISSING and row["goal"] is not None]


def summary(rows: Sequence[Found]) -> str:
    """How many goals were met, where we are behind, and what was left out."""
    behind = [row["operation"] for row in rows if "behind" in verdict(row, rows)]
    counts = {status: sum(row["status"] == status for row in rows) for status in ("wrong", *MISSING)}
    short = missed(rows)
    parts = [f"{len(_aimed(rows)) - len(short)} of {len(_aimed(rows))} goals met"]
    parts += [f"missed: {'; '.join(row['operation'] for row in short)}"] if short else []
    parts += [f"behind a peer: {'; '.join(behind)}"] if behind else []
    return ", ".join(parts + [f"{n} {status}" for status, n in counts.items() if n])


LOWERED = ("task", "encoder", "objective", "seeds", "English", "bf16 −", "others", "bf16 −", "one language", "time")
"""Of :func:`lowered`."""


def lowered(rows: Iterable[Found]) -> list[tuple[str, ...]]:
    """What bfloat16 changes: for each objective, accuracies and differences in points, mean ± spread over seeds.

    "One language" is the largest difference of one language and seed.
    """
    return [(*kind, *_lowered([*some])) for kind, some in groupby(rows, _kind)]


def _kind(row: Found) -> tuple[str, str, str]:
    return row["task"], row["model"], row["objective"]


def beyond_seeds(rows: Iterable[Found]) -> list[str]:
    """Mean differences between bfloat16 and float32 that are larger than the spread of float32 over the seeds."""
    found = []
    for (_, model, objective), some in groupby(rows, _kind):
        for part, (before, change) in _parts([*some]).items():
            if len(before) > 1 and abs(fmean(change)) > stdev(before):
                found.append(f"{objective} of {model}, {part}: {_spread(change, '+')}, seeds {stdev(before):.1f}")
    return found


def _parts(rows: Sequence[Found]) -> dict[str, tuple[list[float], list[float]]]:
    """In English and in the mean of the others, by seed: accuracy in float32, and what bfloat16 changes [points]."""
    full, low = ([row["accuracy"][precision] for row in rows] for precision in ("float32", "bf16"))
    parts = {}
    for name, part in (("English", ("en",)), ("others", tuple(set(full[0]) - {"en"}))):
        before, after = ([100 * fmean(one[language] for language in part) for one in all_] for all_ in (full, low))
        parts[name] = before, [b - a for a, b in zip(before, after, strict=True)]
    return parts


def _lowered(rows: Sequence[Found]) -> tuple[str, ...]:
    full, low = ([row["accuracy"][precision] for row in rows] for precision in ("float32", "bf16"))
    cells = [cell for before, change in _parts(rows).values() for cell in (_spread(before), _spread(change, "+"))]
    largest = max((100 * (b[key] - a[key]) for a, b in zip(full, low, strict=True) for key in a), key=abs)
    low_time, high_time = rows[0]["time_range"]
    time = f"{rows[0]['time']:.2f} [{low_time:.2f}, {high_time:.2f}]"
    return (str(len(rows)), *cells, f"{largest:+.1f}".replace("-", "−"), time)


def _spread(numbers: Sequence[float], sign: str = "") -> str:
    around = f" ± {stdev(numbers):.1f}" if len(numbers) > 1 else ""
    return f"{fmean(numbers):{sign}.1f}{around}".replace("-", "−")
