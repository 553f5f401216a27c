"""Translations: read from files and from XNLI, none twice, none both right and wrong, and refused in one line."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny import ToyTask

from xlgen.core.errors import DataError
from xlgen.data.catalogue import TASKS
from xlgen.data.parallel import read
from xlgen.data.read_pairs import Rows

REAL = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def folder(tmp_path):
    for language in ("de", "fr", "sw"):
        lines = [f"english {i}\t{language} {i}\n" for i in range(6)]
        (tmp_path / f"en-{language}.tsv").write_text("".join(lines), encoding="utf-8")
    return tmp_path


def test_a_pair_is_a_line_with_the_languages_own_sentence_first(folder):
    text = read(["fr"], 3, text_dir=folder)
    assert text.paragraphs == tuple((f"fr {i}", f"english {i}") for i in range(3))
    assert text.languages == ("fr",) and text.source == f"{folder.name}/en-fr.tsv"
    packed = folder / "packed"
    packed.mkdir()
    with gzip.open(packed / "en-fr.tsv.gz", "wt", encoding="utf-8") as file:
        file.write((folder / "en-fr.tsv").read_text(encoding="utf-8").replace("\n", "\r\n"))
    assert read(["fr"], 3, text_dir=packed).fingerprint == text.fingerprint


def test_english_is_translated_into_each_language_in_turn(folder):
    found = read(["en"], 4, text_dir=folder).paragraphs
    assert found == tuple((f"english {i}", f"{code} {i}") for i, code in enumerate(("de", "fr", "sw", "de")))


def test_no_sentence_is_in_two_pairs(folder):
    rows = ["a\tA", "b\tA", "a\tB", "\tC", "c\t", "", "d  d\t D ", "same\tsame", "A\tE", "f\tF"]
    (folder / "en-fr.tsv").write_text("\n".join(rows), encoding="utf-8")
    assert read(["fr"], 3, text_dir=folder).paragraphs == (("A", "a"), ("D", "d d"), ("F", "f"))


def test_in_mixed_text_no_translation_of_one_pair_is_in_another(folder):
    mixed = read(["fr", "en"], 5, text_dir=folder)
    assert [pair[0].split()[0] for pair in mixed.paragraphs] == ["fr", "english", "fr", "english", "fr"]
    numbers = [{text.split()[1] for text in pair} for pair in mixed.paragraphs]
    assert all(len(number) == 1 for number in numbers) and len(set.union(*numbers)) == 5


def test_the_fingerprint_is_that_of_both_sides(folder):
    before = read(["fr"], 3, text_dir=folder).fingerprint
    lines = (folder / "en-fr.tsv").read_text(encoding="utf-8")
    (folder / "en-fr.tsv").write_text(lines.replace("english 1", "another"), encoding="utf-8")
    assert read(["fr"], 3, text_dir=folder).fingerprint != before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a\tb\nc\n", "line 2: 1 columns; expected two"),
        (b"a\tb\tc\n", "line 1: 3 columns"),
        (b"a\t\xff\n", "not UTF-8"),
        (b"a\tb\n", "has 1 different sentences with translations in 'fr'"),
    ],
)
def test_bad_files_are_refused_in_one_line(folder, content, said):
    (folder / "en-fr.tsv").write_bytes(content)
    with pytest.raises(DataError, match=said):
        read(["fr"], 2, text_dir=folder)


def test_what_is_missing_is_named_with_what_to_give(folder, monkeypatch):
    for text_dir in (folder, folder / "absent", folder / "en-fr.tsv"):
        with pytest.raises(DataError, match=r"no translations in 'ja': .* no folder with en-ja\.tsv"):
            read(["ja"], 2, text_dir=text_dir)
    with pytest.raises(DataError, match=r"(?s)needs translations .* folder that has en-ja\.tsv .* --data-dir"):
        read(["ja"], 2, data_dir=folder)
    with pytest.raises(DataError, match=r"(?s)folder that has en-fr\.tsv .*no XNLI-1\.0/xnli\.dev\.tsv"):
        read(["fr"], 2, data_dir=folder)


@dataclass(frozen=True)
class Three(ToyTask):
    """Each premise is in three rows, as in XNLI."""

    name: str = "xnli"
    languages: tuple[str, ...] = ("en", "de", "fr", "sw")

    def rows(self, language: str, split: str, data_dir: Path | None = None) -> Rows:
        assert split == "dev", "the accuracy is measured on the others"
        premises = tuple(f"{language} {i // 3}" for i in range(12))
        return Rows(premises, tuple(f"hypothesis {language} {i}" for i in range(12)), tuple(i % 3 for i in range(12)))


def test_xnli_gives_its_premises_once_and_nothing_else(monkeypatch):
    monkeypatch.setitem(TASKS._entries, "xnli", Three())
    text = read(["fr"], 4)
    assert text.paragraphs == tuple((f"fr {i}", f"en {i}") for i in range(4)) and text.source == "xnli dev, premises"
    assert read(["en"], 4).paragraphs == (("en 0", "de 0"), ("en 1", "fr 1"), ("en 2", "sw 2"), ("en 3", "de 3"))
    with pytest.raises(DataError, match="xnli dev, premises has 4 different sentences"):
        read(["fr"], 5)


@pytest.mark.skipif(not REAL.is_dir(), reason="no real data")
def test_real_xnli_has_eight_hundred_premises():
    text = read(["sw"], 800, data_dir=REAL)
    sides = list(zip(*text.paragraphs, strict=True))
    assert all(len(set(side)) == 800 for side in sides) and not set(sides[0]) & set(sides[1])
