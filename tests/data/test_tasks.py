"""Tasks: what the archives and the hub's layout hold is read exactly, and damage is refused in one line."""

import gzip
import logging
import subprocess
import sys
import types
from collections import Counter
from pathlib import Path

import pytest

from xlgen.core.errors import DataError, UnknownName, XlgenError
from xlgen.data import read_pairs
from xlgen.data.catalogue import PAWSX_LANGUAGES, TASKS, XNLI_LANGUAGES
from xlgen.data.read_pairs import Rows
from xlgen.data.task import SHIFTED

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"
real = pytest.mark.skipif(not REAL.is_dir(), reason="no real data beside the repository")

XNLI_HEADER = ["language", "gold_label", *(f"sentence{i}_{kind}" for kind in ("binary_parse", "parse") for i in (1, 2))]
XNLI_HEADER += ["sentence1", "sentence2", "promptID", "pairID", "genre", *(f"label{i}" for i in range(1, 6))]
XNLI_HEADER += ["sentence1_tokenized", "sentence2_tokenized", "match"]


def xnli_line(language: str, label: str, first: str, second: str) -> str:
    cells = {"language": language, "gold_label": label, "sentence1": first, "sentence2": second}
    return "\t".join(cells.get(name, "") for name in XNLI_HEADER)


def xnli_lines(languages=XNLI_LANGUAGES) -> list[str]:
    labels = ["neutral", "contradiction", "entailment"]
    rows = [xnli_line(lang, label, f'"{lang} a{i}', f"b{i}") for lang in languages for i, label in enumerate(labels)]
    return ["\t".join(XNLI_HEADER), *rows]


def write(path: Path, lines: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def pawsx_lines(language: str, rows=None) -> list[str]:
    rows = rows or [(f"{language} a", f"{language} b", "0"), (f"{language} c", f"{language} d", "1")]
    return ["id\tsentence1\tsentence2\tlabel", *(f"{i}\t{a}\t{b}\t{y}" for i, (a, b, y) in enumerate(rows, start=7))]


def refused(task: str, language: str, split: str, data_dir: Path) -> str:
    """The one-line message of the DataError."""
    with pytest.raises(DataError) as caught:
        TASKS[task].rows(language, split, data_dir)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# The fact sheets


def test_the_tasks_state_the_published_facts():
    real = {"xnli", "pawsx", "wikiann", "udpos"}
    assert set(TASKS) == real | {f"mini-{name}" for name in real}
    for name in real:
        twin = TASKS[f"mini-{name}"]
        for fact in ("languages", "labels", "citation", "metric", "kind"):
            assert getattr(twin, fact) == getattr(TASKS[name], fact)
    for name in ("xnli", "mini-xnli"):
        assert TASKS[name].labels == ("entailment", "neutral", "contradiction")
        assert " ".join(sorted(TASKS[name].languages)) == "ar bg de el en es fr hi ru sw th tr ur vi zh"
    for name in ("pawsx", "mini-pawsx"):
        assert len(TASKS[name].labels) == 2
        assert " ".join(sorted(TASKS[name].languages)) == "de en es fr ja ko zh"
    for _, task in TASKS.items():
        assert task.languages[0] == task.source_language == "en"


def test_unknown_names_and_training_rows_in_other_languages_are_refused():
    with pytest.raises(UnknownName, match="Did you mean 'xnli'"):
        TASKS["xnlii"]
    with pytest.raises(UnknownName, match="language"):
        TASKS["xnli"].rows("ja", "test")
    with pytest.raises(UnknownName, match="Known: dev, dev_first, dev_held, shifted, test, train"):
        TASKS["xnli"].rows("en", "validation")
    with pytest.raises(UnknownName, match="Known: dev, dev_first, dev_held, test, train"):
        TASKS["pawsx"].rows("en", SHIFTED)
    for name, task in TASKS.items():
        with pytest.raises(DataError, match=f"{name} has training rows only in 'en'"):
            task.rows(task.languages[1], "train")


def test_importing_the_tasks_loads_neither_torch_nor_datasets():
    code = "import sys, xlgen.data.catalogue; sys.exit(bool({'torch', 'datasets', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Rows


def test_rows_take_and_fingerprint():
    rows = Rows(("a", "b", "c"), ("d", "e", "f"), (0, 1, 0))
    assert rows.take(2) == Rows(("a", "b"), ("d", "e"), (0, 1))
    assert rows.take(0) is rows.take(3) is rows.take(9) is rows
    same = Rows(("a", "b", "c"), ("d", "e", "f"), (0, 1, 0), dropped=(4,))
    assert same.fingerprint == rows.fingerprint
    others = [
        rows.take(2),
        Rows(("a", "b", "c"), ("d", "e", "f"), (0, 1, 1)),
        Rows(("ab", "", "c"), ("d", "e", "f"), (0, 1, 0)),
        Rows(("d", "e", "f"), ("a", "b", "c"), (0, 1, 0)),
    ]
    assert len({rows.fingerprint, *(other.fingerprint for other in others)}) == 5
    with pytest.raises(ValueError, match="2 first"):
        Rows(("a", "b"), ("c",), (0,))


# Archives in a folder


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("level", ["", "xnli/"])
def test_xnli_archive_is_found_plain_or_zipped_directly_or_one_level_down(tmp_path, suffix, level):
    write(tmp_path / f"{level}XNLI-1.0/xnli.dev.tsv{suffix}", xnli_lines())
    for language in XNLI_LANGUAGES:
        rows = TASKS["xnli"].rows(language, "dev", tmp_path)
        # Quotes are data, and the class order is entailment, neutral, contradiction.
        assert rows == Rows(tuple(f'"{language} a{i}' for i in range(3)), ("b0", "b1", "b2"), (1, 2, 0))


def test_the_machine_translated_archive_spells_contradiction_otherwise(tmp_path):
    lines = ["premise\thypo\tlabel", "p\th\tcontradictory", 'a "b\tc\tentailment', "\tempty\tneutral", "u\tv\tneutral"]
    write(tmp_path / "XNLI-MT-1.0/multinli/multinli.train.en.tsv", lines)
    rows = TASKS["xnli"].rows("en", "train", tmp_path)
    assert rows == Rows(("p", 'a "b', "u"), ("h", "c", "v"), (2, 0, 1), dropped=(2,))


def test_another_domain_is_the_test_split_of_another_data_set_whose_rows_without_label_are_dropped(tmp_path):
    lines = ["gold_label\tsentence1\tsentence2", "neutral\ta\tb", "-\tc\td", "contradiction\te\tf"]
    write(tmp_path / "snli_1.0/snli_1.0_test.txt", lines)
    assert TASKS["xnli"].rows("en", SHIFTED, tmp_path) == Rows(("a", "e"), ("b", "f"), (1, 2), dropped=(1,))
    with pytest.raises(UnknownName, match="language of snli 'de'"):
        TASKS["xnli"].rows("de", SHIFTED, tmp_path)
    write(tmp_path / "snli_1.0/snli_1.0_test.txt", [*lines, "hidden\tg\th"])
    with pytest.raises(DataError, match="line 5: unknown label 'hidden'"):
        TASKS["xnli"].rows("en", SHIFTED, tmp_path)
    write(tmp_path / "snli_1.0/snli_1.0_test.txt", [lines[0], lines[2]])
    with pytest.raises(DataError, match="no row carries text and a label"):
        TASKS["xnli"].rows("en", SHIFTED, tmp_path)


def test_the_miniature_has_another_domain_in_every_language():
    task = TASKS["mini-xnli"]
    first, other = task.rows("de", "test"), task.rows("de", SHIFTED)
    assert len(other) == len(first) and not {*first.first} & {*other.first}
    assert other.labels == task.rows("en", SHIFTED).labels


def test_a_parsed_file_is_parsed_again_only_when_it_changes(tmp_path, monkeypatch):
    path = write(tmp_path / "XNLI-1.0/xnli.dev.tsv", xnli_lines())
    opened, text = [], read_pairs.read_text
    monkeypatch.setattr(read_pairs, "read_text", lambda path: opened.append(path) or text(path))
    for language in XNLI_LANGUAGES:
        TASKS["xnli"].rows(language, "dev", tmp_path)
    assert opened == [path]
    assert TASKS["xnli"].rows("de", "dev", tmp_path) is TASKS["xnli"].rows("de", "dev", str(tmp_path))
    write(path, [line.replace("de a0", "de changed") for line in xnli_lines()])
    assert TASKS["xnli"].rows("de", "dev", tmp_path).first[0] == '"de changed'


def test_windows_line_ends_and_control_characters_inside_texts(tmp_path):
    lines = [line + "\r" for line in pawsx_lines("en", [("a\x1cb\u2028\x85", "c\rd", "0"), ("e", "f", "1")])]
    write(tmp_path / "x-final/en/test_2k.tsv", lines)
    rows = TASKS["pawsx"].rows("en", "test", tmp_path)
    assert rows == Rows(("a\x1cb\u2028\x85", "e"), ("c\rd", "f"), (0, 1))


def test_pawsx_placeholders_are_dropped_counted_and_logged(tmp_path, caplog):
    rows = [("NS", "b", "0"), ("c", "d", "1"), ("e", "", "0"), ("NS", "NS", "0"), ("NSA", "g", "0"), (" ", "h", "1")]
    write(tmp_path / "x-final/en/test_2k.tsv", pawsx_lines("en", [("a", "b", "0")] * 6))
    write(tmp_path / "x-final/de/test_2k.tsv", pawsx_lines("de", rows))
    with caplog.at_level(logging.INFO):
        found = TASKS["pawsx"].rows("de", "test", tmp_path)
    assert found == Rows(("c", "NSA"), ("d", "g"), (1, 0), dropped=(0, 2, 3, 5))
    assert "dropped 4 of 6 rows" in caplog.text


def test_another_size_than_the_official_one_is_a_warning(tmp_path, caplog):
    write(tmp_path / "XNLI-1.0/xnli.dev.tsv", xnli_lines())
    TASKS["xnli"].rows("de", "dev", tmp_path)
    TASKS["xnli"].rows("fr", "dev", tmp_path)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1 and "3 rows per language, the official set 2490" in warnings[0]


# Damage


def cut_line(lines):
    return [*lines[:5], lines[5][: lines[5].index("\t", 20)], *lines[6:]]


def replaced(old, new, at):
    return lambda lines: [*lines[:at], lines[at].replace(old, new), *lines[at + 1 :]]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (cut_line, ["line 6", "expected 19", "got "]),
        (replaced("neutral", "neutal", 1), ["line 2", "'neutal'", "expected one of entailment, neutral"]),
        (replaced("neutral", "-", 1), ["line 2", "'-'", "strip"]),
        (replaced("gold_label", "label", 0), ["no column gold_label"]),
        (replaced("en\t", "xx\t", 1), ["line 2", "unknown language 'xx'"]),
        (replaced("b0", " ", 1), ["line 2", "empty text"]),
        (lambda lines: [line for line in lines if not line.startswith("de\t")], ["no rows in 'de'", "ar, bg, el"]),
        (lambda lines: lines[:-1], ["2 rows in 'zh' but 3 in 'en'"]),
        (lambda lines: lines[:1], ["no rows"]),
        (lambda lines: [], ["no column", "expected"]),
    ],
)
def test_damaged_xnli_is_refused(tmp_path, damage, says):
    path = write(tmp_path / "XNLI-1.0/xnli.dev.tsv", damage(xnli_lines()))
    message = refused("xnli", "de", "dev", tmp_path)
    assert str(path) in message
    for words in says:
        assert words in message


def test_bad_gzip_and_bad_utf8_are_refused(tmp_path):
    path = write(tmp_path / "XNLI-1.0/xnli.dev.tsv.gz", xnli_lines())
    whole = path.read_bytes()
    for bad in (whole[: len(whole) // 2], b"not gzip at all", whole[:-6] + b"\0" * 6, whole[:40] + b"\xff" * 40):
        path.write_bytes(bad)
        message = refused("xnli", "de", "dev", tmp_path)
        assert str(path) in message and "not a complete gzip file" in message
    path.unlink()
    (tmp_path / "XNLI-1.0/xnli.dev.tsv").write_bytes("\n".join(xnli_lines()).encode("utf-16"))
    assert "not UTF-8" in refused("xnli", "de", "dev", tmp_path)


def test_a_missing_file_is_named_with_the_places_searched_and_the_remedy(tmp_path):
    message = refused("pawsx", "de", "dev", tmp_path)
    for words in ("x-final/de/dev_2k.tsv", str(tmp_path), "subfolders", "github.com", "--data-dir", "paws-x/"):
        assert words in message
    assert "no data folder" in refused("pawsx", "de", "dev", tmp_path / "absent")


def test_pawsx_languages_of_different_sizes_are_refused(tmp_path):
    write(tmp_path / "x-final/en/dev_2k.tsv", pawsx_lines("en"))
    write(tmp_path / "x-final/de/dev_2k.tsv", pawsx_lines("de")[:-1])
    assert "1 rows in 'de' but 2 in 'en'" in refused("pawsx", "de", "dev", tmp_path)


def test_labels_of_one_class_only_are_refused(tmp_path):
    rows = [(f"a{i}", f"b{i}", "0") for i in range(100)]
    write(tmp_path / "x-final/en/test_2k.tsv", pawsx_lines("en", rows))
    assert "'paraphrase' on 0 of 100 rows" in refused("pawsx", "en", "test", tmp_path)


# The hub


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def write_mirror(folder: Path, names: list[str] | None, labels: list[int], columns=("premise", "hypothesis")) -> None:
    import datasets

    texts = {column: [f"{column} {i}" for i in range(len(labels))] for column in columns}
    table = datasets.Dataset.from_dict(texts | {"label": labels})
    if names:
        table = table.cast_column("label", datasets.ClassLabel(names=names))
    folder.mkdir(parents=True, exist_ok=True)
    table.to_parquet(folder / "validation-00000-of-00001.parquet")


@pytest.mark.parametrize("level", ["", "copies/"])
def test_a_copy_in_the_hubs_layout_is_read_through_datasets(tmp_path, hub_cache, level):
    names = ["entailment", "neutral", "contradiction"]
    write_mirror(tmp_path / f"{level}facebook/xnli/sw", names, [2, 0, 1])
    rows = TASKS["xnli"].rows("sw", "dev", tmp_path)
    assert rows == Rows(
        ("premise 0", "premise 1", "premise 2"), ("hypothesis 0", "hypothesis 1", "hypothesis 2"), (2, 0, 1)
    )
    write_mirror(
        tmp_path / f"{level}google-research-datasets/paws-x/ja", ["0", "1"], [1, 0], ("sentence1", "sentence2")
    )
    assert TASKS["pawsx"].rows("ja", "dev", tmp_path).labels == (1, 0)


def test_a_part_of_the_files_of_a_split_does_not_pass_for_the_split(tmp_path, hub_cache):
    folder = tmp_path / "facebook/xnli/sw"
    write_mirror(folder, None, [2, 0, 1])
    (folder / "validation-00000-of-00001.parquet").rename(folder / "validation-00001-of-00002.parquet")
    said = refused("xnli", "sw", "dev", tmp_path)
    assert "sw has 1 of the 2 files of the split 'validation'; copy the others" in said
    write_mirror(folder, None, [1])
    (folder / "validation-00000-of-00001.parquet").rename(folder / "validation-00000-of-00002.parquet")
    assert TASKS["xnli"].rows("sw", "dev", tmp_path).labels == (1, 2, 0, 1)


def test_the_hubs_rows_without_label_are_dropped_where_the_data_set_has_such(tmp_path, hub_cache):
    folder = tmp_path / "stanfordnlp/snli/plain_text"
    write_mirror(folder, ["entailment", "neutral", "contradiction"], [2, -1, 0])
    (folder / "validation-00000-of-00001.parquet").rename(folder / "test-00000-of-00001.parquet")
    rows = TASKS["xnli"].rows("en", SHIFTED, tmp_path)
    assert rows.labels == (2, 0) and rows.dropped == (1,)


def test_class_names_decide_over_their_numbers(tmp_path, hub_cache):
    write_mirror(tmp_path / "facebook/xnli/sw", ["contradiction", "neutral", "entailment"], [0, 1, 2])
    assert TASKS["xnli"].rows("sw", "dev", tmp_path).labels == (2, 1, 0)
    write_mirror(tmp_path / "facebook/xnli/tr", None, [0, 1, 2])
    assert TASKS["xnli"].rows("tr", "dev", tmp_path).labels == (0, 1, 2)


def test_hidden_labels_wrong_columns_and_damaged_parquet_are_refused(tmp_path, hub_cache):
    write_mirror(tmp_path / "facebook/xnli/sw", None, [0, -1, 2])
    assert "row 1: unknown label -1" in refused("xnli", "sw", "dev", tmp_path)
    write_mirror(tmp_path / "facebook/xnli/tr", None, [0, 1, 2], ("premise", "hypo"))
    assert "no column hypothesis" in refused("xnli", "tr", "dev", tmp_path)
    (tmp_path / "facebook/xnli/th").mkdir()
    (tmp_path / "facebook/xnli/th/validation-00000-of-00001.parquet").write_bytes(b"no parquet\nat all")
    assert "copy the files again" in refused("xnli", "th", "dev", tmp_path)


def test_an_unreachable_hub_says_what_to_do(monkeypatch):
    import datasets

    def unreachable(path, name, *, split):
        assert (path, name, split) == ("facebook/xnli", "sw", "validation")
        raise ConnectionError("Couldn't reach the hub (LocalEntryNotFoundError)\nTraceback: many lines")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    message = refused("xnli", "sw", "dev", None)
    for words in ("facebook/xnli (sw, validation)", "Couldn't reach the hub;", "--data-dir", "HF_HUB_OFFLINE"):
        assert words in message
    assert "Error" not in message


def test_what_the_hub_returns_is_read_and_checked(monkeypatch):
    import datasets

    names = ["entailment", "neutral", "contradiction"]
    texts = {"premise": ["p", "q"], "hypothesis": ["h", "i"]}

    def load(path, name, *, split):
        table = datasets.Dataset.from_dict(texts | {"label": [1, 2]})
        return table.cast_column("label", datasets.ClassLabel(names=names))

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert TASKS["xnli"].rows("en", "train") == Rows(("p", "q"), ("h", "i"), (1, 2))
    texts["premise"][1] = None
    assert TASKS["xnli"].rows("en", "train") == Rows(("p",), ("h",), (1,), dropped=(1,))
    with pytest.raises(DataError, match="row 1: empty text"):
        TASKS["xnli"].rows("en", "test")


# The miniatures


def test_miniatures_come_from_the_generator(monkeypatch):
    asked = []

    def rows(*arguments):
        asked.append(arguments)
        return ("a", "b"), ("c", "d"), tuple(labels)

    labels = [1, 0]
    module = types.ModuleType("xlgen.data.mini.tasks")
    module.rows = rows
    monkeypatch.setitem(sys.modules, "xlgen.data.mini.tasks", module)
    assert TASKS["mini-pawsx"].rows("ko", "test") == Rows(("a", "b"), ("c", "d"), (1, 0))
    assert asked == [("mini-pawsx", "ko", "test")]
    labels[0] = 2
    with pytest.raises(DataError, match="class index 2; expected 0 to 1"):
        TASKS["mini-pawsx"].rows("ko", "test")


# Real data


@real
@pytest.mark.parametrize(("split", "size"), [("dev", 2490), ("test", 5010)])
def test_real_xnli_is_complete_balanced_and_parallel(split, size, caplog):
    tables = {language: TASKS["xnli"].rows(language, split, REAL) for language in XNLI_LANGUAGES}
    for rows in tables.values():
        assert len(rows) == size and not rows.dropped
        assert Counter(rows.labels) == {0: size // 3, 1: size // 3, 2: size // 3}
        assert rows.labels == tables["en"].labels
    assert len({rows.fingerprint for rows in tables.values()}) == 15
    assert not caplog.records


@real
def test_real_multinli_train():
    rows = TASKS["xnli"].rows("en", "train", REAL / "xnli")
    assert Counter(rows.labels) == {0: 6709, 1: 6646, 2: 6645}
    assert rows.second[0].startswith("It was already a problem forty years ago") and rows.labels[0] == 1


@real
@pytest.mark.parametrize(
    ("split", "dropped"),
    [
        ("dev", {"en": 0, "de": 68, "es": 38, "fr": 8, "ja": 20, "ko": 35, "zh": 16}),
        ("test", {"en": 0, "de": 32, "es": 1, "fr": 14, "ja": 54, "ko": 28, "zh": 25}),
    ],
)
def test_real_pawsx_counts_and_placeholders(split, dropped):
    for language in PAWSX_LANGUAGES:
        rows = TASKS["pawsx"].rows(language, split, REAL)
        assert (len(rows), len(rows.dropped)) == (2000 - dropped[language], dropped[language])
        assert not {"NS", ""} & {*rows.first, *rows.second}
        assert 0.4 < sum(rows.labels) / len(rows) < 0.5
    if split == "test":
        assert Counter(TASKS["pawsx"].rows("en", split, REAL).labels) == {0: 1093, 1: 907}


@real
def test_a_truncated_copy_of_real_xnli_is_refused(tmp_path):
    (tmp_path / "XNLI-1.0").mkdir()
    whole = (REAL / "xnli/XNLI-1.0/xnli.dev.tsv.gz").read_bytes()
    (tmp_path / "XNLI-1.0/xnli.dev.tsv.gz").write_bytes(whole[:-1000])
    assert "not a complete gzip file" in refused("xnli", "de", "dev", tmp_path)
    (tmp_path / "XNLI-1.0/xnli.dev.tsv.gz").unlink()
    (tmp_path / "XNLI-1.0/xnli.dev.tsv").write_bytes(gzip.decompress(whole)[:-1000])
    assert issubclass(DataError, XlgenError) and refused("xnli", "de", "dev", tmp_path)
