"""Memory of a forecast: does it grow with the text? One process a length, so that nothing is left of the one before.

The encoder is as small as can be, because memory of the text and not of the weights is asked for: what `predict` holds
of any text is a chunk of rows a language, their sub-words and their logits.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.harness import Timing, finished
from xlgen.data import languages

LENGTHS = (2_000, 20_000, 100_000)
"""Pairs of sentences, of all languages together."""
LANGUAGES = tuple(code for code in languages.LANGUAGES if code != "en")[:50]
"""Targets; most of them no task lists, and the text is that of :data:`WRITTEN`."""
WRITTEN = ("de", "hi", "ko", "zh")
GOAL = 1.25
"""Peak with the longest text over that with the shortest: constant but for what the allocator keeps."""

PROGRAM = """
import json, resource, sys, time
import xlgen
from xlgen.core.config import RunOptions
start = time.perf_counter()
found = xlgen.predict(
    sys.argv[1], "mini-xnli", data=sys.argv[2], options=RunOptions(device="cpu", threads=1, progress=False)
)
print(json.dumps({
    "seconds": time.perf_counter() - start,
    "rows": int(found.table["rows"].sum()),
    "kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
}))
"""


def measured(lengths: tuple[int, ...] = LENGTHS) -> Iterator[dict[str, Any]]:
    """A row for each length beyond the first: its peak of resident memory over that of the first."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = save_model(folder / "model")
        found = [_alone(model, write_text(folder / f"{n}.tsv", n)) for n in lengths]
    first = found[0]
    for n, here in zip(lengths[1:], found[1:], strict=True):
        ratio = here["kib"] / first["kib"]
        yield finished(f"forecast, memory: {n:,} pairs in {len(LANGUAGES)} languages", "xlgen",
            Timing(here["seconds"], ratio, ratio, ratio, 1), unit=f"{lengths[0]:,} pairs", goal=GOAL,
            extra_mib=(here["kib"] - first["kib"]) / 1024, difference=float(here["rows"] != n), tolerance=0.0,
            note=f"peak of resident memory {here['kib'] / 1024:,.0f} MiB, of which the smallest text has "
            f"{first['kib'] / 1024:,.0f}; error: pairs that were not counted",
        )  # fmt: skip


def save_model(folder: Path) -> Path:
    """A classifier of 16 units with the miniature's tokenizer."""
    from transformers import BertConfig, BertForSequenceClassification

    from xlgen import models

    tokenizer = models.load_tokenizer("mini")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 16}
    names = dict(enumerate(("entailment", "neutral", "contradiction")))
    config = BertConfig(vocab_size=len(tokenizer), **sizes, pad_token_id=tokenizer.pad_token_id, id2label=names,
        label2id={name: i for i, name in names.items()})  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_text(path: Path, n: int) -> Path:
    """The miniature's pairs, over and over, the languages in turn."""
    from xlgen.data.mini import tasks

    rows = [tasks.rows("mini-xnli", language, "test") for language in WRITTEN]
    with path.open("w", encoding="utf-8") as file:
        file.write("premise\thypothesis\tlanguage\n")
        for i in range(n):
            language = LANGUAGES[i % len(LANGUAGES)]
            first, second, _ = rows[i % len(LANGUAGES) % len(WRITTEN)]
            k = i // len(LANGUAGES) % len(first)
            file.write(f"{first[k]}\t{second[k]}\t{language}\n")
    return path


def _alone(model: Path, text: Path) -> dict[str, Any]:
    asked = [sys.executable, "-c", PROGRAM, str(model), str(text)]
    return json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
