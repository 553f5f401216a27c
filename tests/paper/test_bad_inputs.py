"""The table of bad input: every command is refused in one line that speaks of what was typed, and not of Python."""

import json
import random
import re
import tempfile
from dataclasses import fields
from pathlib import Path

import pytest

from paper.bad_inputs import TABLE, BadInput, answer, answered, checkpoint
from xlgen.core.coerce import settings_of
from xlgen.core.config import RunConfig, RunOptions
from xlgen.measures import MEASURES
from xlgen.measures.measuring import MeasureConfig
from xlgen.models.tuning import TUNINGS
from xlgen.objectives import OBJECTIVES

PYTHON = re.compile(
    r"Traceback|NoneType|\w+(Error|Exception|Warning)\b|<class|object has no|codec can't|\[Errno|\bdict\b|\btuple\b|"
    r"positional argument|\bNone\b|\bint value|\bfloat value|0x[0-9a-f]{6}|site-packages|\.py\b"
)
"""What somebody who typed a command must not have to read."""

ROOT = Path(__file__).resolve().parents[2]


def refused(bad: BadInput) -> str:
    with tempfile.TemporaryDirectory() as folder:
        code, out, err = answer(bad, Path(folder))
        made = {path.parts[0] for path in (p.relative_to(folder) for p in Path(folder).rglob("*"))}
        assert folder not in err and str(ROOT) not in err, "a path that nobody typed"
    assert code == bad.code, (out, err)
    assert err.startswith("xlgen: ") and err.count("\n") == 1 and err.endswith((".\n", "?\n", ")\n")), err
    assert not PYTHON.search(err), (PYTHON.search(err), err)
    assert made <= {Path(name).parts[0] for name in bad.files} | {"runs"}, made
    return err


@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: f"{bad.section}: {bad.typed}"[:90])
def test_bad_input_is_refused_in_one_line(bad):
    refused(bad)


def test_the_table_is_long_and_nothing_is_in_it_twice():
    assert len(TABLE) >= 80
    shown = [(bad.typed, str(bad.files)) for bad in TABLE]
    assert len(set(shown)) == len(shown)


def test_every_field_of_every_configuration_is_in_it():
    typed = [bad.typed for bad in TABLE]

    def named(*spellings):
        return any(spelling in text for text in typed for spelling in spellings)

    filled_in = {"code", "records", "progress"}  # the loader's, the book's; and a flag without a value
    for f in [*fields(RunConfig), *fields(RunOptions), *fields(MeasureConfig)]:
        option = f"--{f.name.replace('_', '-')}"
        assert (
            f.name in filled_in
            or named(f" {f.name}=", f"'{f.name}=", option, f"--measures {f.name}")
            or f.name
            in (
                "names",
                "settings",
            )
        ), f.name
    for registry in (OBJECTIVES, TUNINGS):
        for name, owner in registry.items():
            assert all(named(f" {name} --set {f.name}=") for f in fields(owner)), name
    for name, measure in MEASURES.items():
        assert all(named(f" {name}.{setting}=") for setting in settings_of(measure)), name


def test_what_nothing_is_wrong_with_is_not_refused(tmp_path):
    """So that the table does not pass because its files are bad in another way than it says."""
    asked = "measure --model checkpoint --task mini-xnli --languages en --size 2 --measures accuracy"
    code, out, err = answer(BadInput("", asked, {"checkpoint": checkpoint}), tmp_path)
    assert (code, err) == (0, "") and "accuracy" in out


def test_the_book_shows_what_is_answered(monkeypatch):
    from paper import bad_inputs

    monkeypatch.setattr(bad_inputs, "TABLE", TABLE[:9])
    shown = answered()
    assert sum(map(len, shown.values())) == 9
    assert all(said == refused(bad).removeprefix("xlgen: ").strip() for rows in shown.values() for bad, said in rows)


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_file_is_refused_or_read_but_never_answered_by_python(seed):
    """Random bytes put into, taken out of or changed in files that are good."""
    draw = random.Random(seed)
    rows = [{"premise": f"a {i}", "hypothesis": "b", "label": "neutral"} for i in range(8)]
    text = {
        "pairs-ko.tsv": "premise\thypothesis\tlabel\n" + "".join("\t".join(row.values()) + "\n" for row in rows),
        "pairs-ko.csv": "premise,hypothesis,label\n" + "".join(",".join(row.values()) + "\n" for row in rows),
        "pairs-ko.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
    }
    name = draw.choice(sorted(text))
    content = bytearray(text[name].encode())
    for _ in range(draw.randint(1, 6)):
        place = draw.randrange(len(content))
        change = draw.choice(("flip", "cut", "put"))
        if change == "flip":
            content[place] ^= 1 << draw.randrange(8)
        elif change == "cut":
            del content[place : place + draw.randrange(1, 9)]
        else:
            content[place:place] = bytes(draw.choice(b'\0\xff"\t\n,{}\xc3') for _ in range(3))
    # a language that is not there: what can be read is refused for that, and what cannot be is refused before
    typed = f"predict --model checkpoint --task mini-xnli --data {name} --languages kr"
    assert refused(BadInput("", typed, {"checkpoint": checkpoint, name: bytes(content)}))
