"""Tagged sentences: read exactly from archives, treebanks and the hub's layout, and encoded without losing a word."""

import gzip
import logging
from pathlib import Path

import pytest
import tiny
import torch
from transformers import AutoTokenizer, BertTokenizerFast

from xlgen.core.errors import ConfigError, DataError
from xlgen.data import token_cache
from xlgen.data.batch import IGNORE
from xlgen.data.catalogue import TASKS
from xlgen.data.encode_tagged import Cut, Frame, cuts, encode_tagged, tagged_view
from xlgen.data.read_tagged import TaggedRows
from xlgen.data.segment import Segmenter

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"
real = pytest.mark.skipif(not REAL.is_dir(), reason="no real data beside the repository")
PANX = "He\tO\nvisits\tO\nNew\tB-LOC\nYork\tI-LOC\n\nAnna\tB-PER\n\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def refused(task: str, language: str, split: str, data_dir: Path | None) -> str:
    """The one-line message of the DataError."""
    with pytest.raises(DataError) as caught:
        TASKS[task].rows(language, split, data_dir)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Rows


def test_rows_take_relabel_and_fingerprint():
    rows = TaggedRows((("a", "b"), ("c",)), ((0, 1), (2,)))
    assert len(rows) == 2 and rows.dropped == ()
    assert rows.take(1) == TaggedRows((("a", "b"),), ((0, 1),))
    assert rows.take(0) is rows.take(2) is rows.take(5) is rows
    assert rows.relabelled([2, 0, 1]).labels == ((2, 0), (1,))
    others = [
        rows.take(1),
        rows.relabelled([1, 0, 2]),
        TaggedRows((("a",), ("b", "c")), ((0,), (1, 2))),
        TaggedRows((("a b",), ("c",)), ((0,), (2,))),
    ]
    assert len({rows.fingerprint, *(other.fingerprint for other in others)}) == 5
    with pytest.raises(ValueError, match="do not match"):
        TaggedRows((("a", "b"),), ((0,),))


# Archives


@pytest.mark.parametrize("place", ["panx/dev-fr.tsv", "x/panx/dev-fr.tsv.gz", "panx_dataset/fr/dev"])
def test_wikiann_is_found_in_xtremes_and_the_original_layout(tmp_path, place):
    text = PANX if "tsv" in place else "".join(f"fr:{li}\n" if li else "\n" for li in PANX.split("\n")[:-1])
    write(tmp_path / place, text)
    rows = TASKS["wikiann"].rows("fr", "dev", tmp_path)
    assert rows == TaggedRows((("He", "visits", "New", "York"), ("Anna",)), ((0, 0, 5, 6), (1,)))


def test_a_prefix_of_some_words_only_is_part_of_them(tmp_path):
    write(tmp_path / "panx/dev-fr.tsv", "fr:wiki\tB-ORG\nest\tO\n")
    assert TASKS["wikiann"].rows("fr", "dev", tmp_path).words == (("fr:wiki", "est"),)


def test_line_ends_blank_lines_and_odd_characters_in_words(tmp_path):
    write(tmp_path / "udpos/dev-fr.tsv", "\n\na\u2028\x85\tNOUN\r\n\u00a0\tPUNCT\r\n\r\n\r\nb\tX")
    rows = TASKS["udpos"].rows("fr", "dev", tmp_path)
    assert rows.words == (("a\u2028\x85", "\u00a0"), ("b",))
    assert rows.labels == (tuple(map(TASKS["udpos"].labels.index, ("NOUN", "PUNCT"))), (16,))


@pytest.mark.parametrize(("task", "tag"), [("wikiann", "O"), ("udpos", "X")])
def test_a_word_without_a_tag_has_the_default_and_is_logged(tmp_path, caplog, task, tag):
    folder = "panx" if task == "wikiann" else task
    first = TASKS[task].labels[1]
    write(tmp_path / f"{folder}/test-fr.tsv", f"a\t{first}\nb\n")
    assert TASKS[task].rows("fr", "test", tmp_path).labels == ((1, TASKS[task].labels.index(tag)),)
    assert "1 of 2 words have no tag" in caplog.text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a\tO\nb\tB-MISC\n", ["line 2", "'B-MISC'", "expected one of O, B-PER"]),
        ("a\tO\tO\n", ["line 1", "expected a word, a tab and its tag"]),
        ("\tO\n", ["line 1", "expected a word"]),
        ("a\tO\n  \nb\tO\n", ["line 2", "expected a word"]),
        ("a\t\n", ["line 1", "unknown label ''"]),
        ("\n\n", ["no words"]),
        ("", ["no words"]),
        ("a\nb\n\nc\n", ["none of its 3 words has a tag", "use split 'dev'", "unimelb-nlp/wikiann"]),
        ("a\tO\n" * 100, ["label 'O' on all 100 words", "stripped"]),
    ],
)
def test_damaged_and_unlabelled_files_are_refused(tmp_path, text, says):
    write(tmp_path / "panx/test-fr.tsv", text)
    message = refused("wikiann", "fr", "test", tmp_path)
    for words in [*says, "test"]:
        assert words in message


def test_bad_gzip_bad_utf8_and_missing_files_are_refused(tmp_path):
    path = write(tmp_path / "panx/dev-fr.tsv.gz", PANX)
    path.write_bytes(path.read_bytes()[:-9])
    assert "not a complete gzip file" in refused("wikiann", "fr", "dev", tmp_path)
    path.unlink()
    (tmp_path / "panx/dev-fr.tsv").write_bytes("é\tO\n".encode("latin-1"))
    assert "not UTF-8" in refused("wikiann", "fr", "dev", tmp_path)
    message = refused("udpos", "fr", "dev", tmp_path)
    for words in ("udpos/dev-fr.tsv", "subfolders", "google/xtreme/", "github.com", "--data-dir"):
        assert words in message
    assert "training rows only in 'en'" in refused("udpos", "de", "train", tmp_path)


def test_sizes_are_compared_by_language(tmp_path, caplog):
    write(tmp_path / "panx/dev-ur.tsv", PANX * 500)
    TASKS["wikiann"].rows("ur", "dev", tmp_path)
    assert not caplog.records
    write(tmp_path / "panx/dev-vi.tsv", PANX * 500)
    TASKS["wikiann"].rows("vi", "dev", tmp_path)
    assert "1000 rows in 'vi', the official set 10000" in caplog.text


# Treebanks


def conllu(*rows: str) -> str:
    """Lines of number, form, tag and head."""
    cells = [row.split() for row in rows]
    return (
        "\n".join("\t".join([n, form, "_", tag, "_", "_", head, "_", "_", "_"]) for n, form, tag, head in cells) + "\n"
    )


FRENCH = "# text = Il va au lit\n" + conllu(
    "1 Il PRON 2",
    "2 va VERB 0",
    "3-4 au _ _",
    "3 à ADP 5",
    "4 le DET 5",
    "5 lit NOUN 2",
    "5.1 va VERB _",
    "6 . PUNCT 2",
)


def test_contractions_stay_one_word_with_the_tag_of_their_head(tmp_path):
    folder = tmp_path / "ud/UD_French-GSD"
    write(folder / "fr_gsd-ud-test.conllu", FRENCH)
    # Here the conjunction is above the verb, and the depth counts for more than the kind of word.
    arabic = conllu("1-2 واضافت _ _", "1 و CCONJ 0", "2 اضافت VERB 1", "3 المصادر NOUN 2")
    write(folder.parent / "UD_Arabic-PUD/ar_pud-ud-test.conllu", arabic)
    write(folder.parent / "UD_Vietnamese-VTB/vi_vtb-ud-test.conllu", conllu("1 sẵn_sàng ADJ 0").replace("n_s", "n s"))
    # Of words at the same depth the kind counts: for Spanish, ADP before DET.
    write(
        folder.parent / "UD_Spanish-X/es_x-ud-test.conllu", conllu("1-2 xy _ _", "1 x DET 3", "2 y ADP 3", "3 z NOUN 0")
    )
    labels = TASKS["udpos"].labels
    rows = TASKS["udpos"].rows("fr", "test", tmp_path / "ud")
    assert rows.words == (("Il", "va", "au", "lit", "."),)
    assert [labels[i] for i in rows.labels[0]] == ["PRON", "VERB", "ADP", "NOUN", "PUNCT"]
    arabic = TASKS["udpos"].rows("ar", "test", tmp_path / "ud")
    assert arabic.words == (("واضافت", "المصادر"),)
    assert [labels[i] for i in arabic.labels[0]] == ["CCONJ", "NOUN"]
    assert TASKS["udpos"].rows("vi", "test", tmp_path / "ud").words == (("sẵnsàng",),)
    assert labels[TASKS["udpos"].rows("es", "test", tmp_path / "ud").labels[0][0]] == "ADP"


def test_all_treebanks_of_a_language_are_joined_and_the_archive_comes_first(tmp_path, caplog):
    for name in ("B", "A"):
        text = FRENCH.replace("lit", f"lit{name}") + "\n"
        write(tmp_path / f"UD_French-{name}/fr_{name.lower()}-ud-dev.conllu.gz", text)
    with caplog.at_level(logging.WARNING):
        rows = TASKS["udpos"].rows("fr", "dev", tmp_path)
    assert [sentence[3] for sentence in rows.words] == ["litA", "litB"]
    assert "fr_a-ud-dev.conllu.gz, fr_b-ud-dev.conllu.gz" in caplog.text
    write(tmp_path / "udpos/dev-fr.tsv", "a\tNOUN\n")
    assert TASKS["udpos"].rows("fr", "dev", tmp_path).words == (("a",),)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("1\ta\tNOUN", "line 1: 3 columns; expected the 10 of CoNLL-U (ID FORM"),
        (conllu("1 a NOUN 0").replace("\t", " "), "line 1: 1 columns; expected the 10"),
        (conllu("1 a NOUN 0", "2 b NOM 1"), "line 2, column 4 (UPOS): unknown label 'NOM'"),
        (conllu("x a NOUN 0"), "line 1, column 1 (ID) is 'x'; expected the word 1, a contraction such as 1-2, or 0.1."),
        (conllu("1 a NOUN 0", "² b NOUN 1"), "line 2, column 1 (ID) is '²'; expected the word 2"),
        (conllu("١ a NOUN 0"), "line 1, column 1 (ID) is '١'"),
        (conllu("1-2-3 a NOUN 0"), "line 1, column 1 (ID) is '1-2-3'"),
        (conllu("1.2.3 a NOUN 0"), "line 1, column 1 (ID) is '1.2.3'"),
        (conllu("-1 a NOUN 0"), "line 1, column 1 (ID) is '-1'"),
        (conllu("1 a NOUN 0", "1 b NOUN 1"), "line 2, column 1 (ID) is '1'; expected the word 2"),
        (conllu("1 a NOUN 0", "3 b NOUN 1"), "line 2, column 1 (ID) is '3'; expected the word 2"),
        (conllu("2 a NOUN 0"), "line 1, column 1 (ID) is '2'; expected the word 1"),
        (
            conllu("1-2 ab _ _"),
            "line 1, column 1 (ID) is '1-2'; expected lines for all its words; the sentence",
        ),
        (conllu("1 a NOUN 0", "2-3 bc _ _", "2 b NOUN 1"), "line 2, column 1 (ID) is '2-3'; expected lines for all"),
        (conllu("1 a NOUN 0", "3-4 bc _ _"), "line 2, column 1 (ID) is '3-4'; expected the word 2"),
        (conllu("1-1 a _ _", "1 a NOUN 0"), "line 1, column 1 (ID) is '1-1'; expected a contraction of words after 0"),
        (conllu("1-3 a _ _", "1 a NOUN 0", "2-3 b _ _"), "line 3, column 1 (ID) is '2-3'; expected a contraction of"),
        (conllu("1 a NOUN 0", "8.1 b NOUN _"), "line 2, column 1 (ID) is '8.1'; expected the word 2"),
        (conllu("1 a NOUN 0", "1.2 b NOUN _"), "line 2, column 1 (ID) is '1.2'; expected the word 2"),
        (conllu("1 a NOUN _"), "line 1, column 7 (HEAD) is '_'; expected the number of the word's head"),
        (conllu("1 a NOUN ²"), "line 1, column 7 (HEAD) is '²'"),
        (conllu("1 a NOUN 2"), "line 1, column 7 (HEAD) is '2'; expected a word of the sentence, 1 to 1, or 0"),
        (conllu("1 a NOUN 0").replace("a", " "), "line 1, column 2 (FORM) is ' '; expected a word"),
    ],
)
def test_damaged_treebanks_are_refused(tmp_path, line, says):
    write(tmp_path / "UD_French-GSD/fr_gsd-ud-dev.conllu", line)
    said = refused("udpos", "fr", "dev", tmp_path)
    assert f"fr_gsd-ud-dev.conllu, {says}" in said and "\n" not in said


def test_words_that_are_not_written_are_left_out_wherever_they_stand(tmp_path):
    rows = (
        "0.1 x NOUN _",
        "1-2 ab _ _",
        "1 a NOUN 0",
        "1.1 x NOUN _",
        "1.2 x _ _",
        "2 b NOUN 1",
        "3 c VERB 1",
        "3.1 x _ _",
    )
    write(tmp_path / "UD_French-GSD/fr_gsd-ud-dev.conllu", conllu(*rows))
    assert TASKS["udpos"].rows("fr", "dev", tmp_path).words == (("ab", "c"),)


# The hub


def write_mirror(folder: Path, words, tags, names=None, column="ner_tags") -> None:
    import datasets

    table = datasets.Dataset.from_dict({"tokens": words, column: tags})
    if names:
        table = table.cast_column(column, datasets.List(datasets.ClassLabel(names=list(names))))
    folder.mkdir(parents=True, exist_ok=True)
    table.to_parquet(folder / "test-00000-of-00001.parquet")


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def test_copies_of_the_hubs_data_are_read_by_the_names_of_their_tags(tmp_path, hub_cache):
    names = TASKS["wikiann"].labels
    write_mirror(tmp_path / "unimelb-nlp/wikiann/sw", [["Anna", "a"], []], [[1, 0], []], names)
    assert TASKS["wikiann"].rows("sw", "test", tmp_path) == TaggedRows((("Anna", "a"),), ((1, 0),))
    write_mirror(tmp_path / "unimelb-nlp/wikiann/tr", [["Anna", "a"]], [[1, 0]], ["B-LOC", "O", *names[1:5], "I-LOC"])
    assert TASKS["wikiann"].rows("tr", "test", tmp_path).labels == ((0, 5),)
    write_mirror(tmp_path / "google/xtreme/udpos.German", [["a"]], [[7]], TASKS["udpos"].labels, "pos_tags")
    assert TASKS["udpos"].rows("de", "test", tmp_path).labels == ((7,),)


def test_hidden_tags_and_wrong_columns_are_refused(tmp_path, hub_cache):
    write_mirror(tmp_path / "unimelb-nlp/wikiann/sw", [["a", "b"]], [[0, -1]])
    assert "row 0: unknown label -1" in refused("wikiann", "sw", "test", tmp_path)
    write_mirror(tmp_path / "unimelb-nlp/wikiann/tr", [["a"]], [[0]], column="tags")
    assert "no column ner_tags" in refused("wikiann", "tr", "test", tmp_path)
    write_mirror(tmp_path / "unimelb-nlp/wikiann/vi", [["a", "b"]], [[0]])
    assert "2 words, 1 tags" in refused("wikiann", "vi", "test", tmp_path)


# Encoding


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return AutoTokenizer.from_pretrained(tiny.save_encoder(tmp_path_factory.mktemp("encoder")))


def rows_of(*sentences: str) -> TaggedRows:
    words = tuple(tuple(sentence.split()) for sentence in sentences)
    count = iter(range(10_000))
    return TaggedRows(words, tuple(tuple(next(count) % 7 for _ in sentence) for sentence in words))


def spelled(tokenizer, encoded, row: int) -> list[str]:
    return tokenizer.convert_ids_to_tokens(encoded.tokens[encoded.offsets[row] : encoded.offsets[row + 1]].tolist())


def test_labels_stand_on_the_first_sub_word_of_each_word(tokenizer):
    encoded = encode_tagged(TaggedRows((("w1", "a12", "w2"),), ((3, 4, 5),)), tokenizer, 16)
    assert spelled(tokenizer, encoded, 0) == ["[CLS]", "w1", "a", "##1", "##2", "w2", "[SEP]"]
    assert encoded.labels.tolist() == [IGNORE, 3, 4, IGNORE, IGNORE, 5, IGNORE]
    batch = encoded.batch(torch.tensor([0]))
    assert batch.labels.shape == batch.inputs["input_ids"].shape == (1, 7) and batch.units == 3


def test_long_sentences_are_cut_at_words_and_nothing_is_lost(tokenizer):
    rows = rows_of("w1 a12 w2 w3 b99 w4", "w5", "c1 c2 c3")
    encoded = encode_tagged(rows, tokenizer, 7)  # room for five
    assert [spelled(tokenizer, encoded, i)[1:-1] for i in range(len(encoded))] == [
        ["w1", "a", "##1", "##2", "w2"],
        ["w3", "b", "##9", "##9", "w4"],
        ["w5"],
        ["c", "##1", "c", "##2"],
        ["c", "##3"],
    ]
    assert encoded.example.tolist() == [0, 0, 1, 2, 2] and encoded.piece.tolist() == [0, 1, 0, 0, 1]
    assert encoded.lengths.max() <= 7


@pytest.mark.parametrize("max_length", [3, 4, 6, 9, 30])
def test_every_word_is_scored_once_in_order_at_any_length(tokenizer, max_length):
    draw = torch.Generator().manual_seed(max_length)
    words = ["w1", "w23", "a1", "b12", "c1234", "\u200b", "é"]
    sentences = [" ".join(words[i] for i in torch.randint(len(words), (n,), generator=draw)) for n in (1, 5, 40, 2, 17)]
    rows = rows_of(*sentences)
    encoded = encode_tagged(rows, tokenizer, max_length)
    assert encoded.lengths.max() <= max_length
    kept = encoded.labels != IGNORE
    assert encoded.labels[kept].tolist() == [label for sentence in rows.labels for label in sentence]
    row = torch.arange(len(encoded)).repeat_interleave(encoded.lengths)
    per_sentence = torch.bincount(encoded.example[row[kept]], minlength=len(rows))
    assert per_sentence.tolist() == [len(sentence) for sentence in rows.words]


def test_words_that_come_out_empty_or_too_long_are_unknown(tokenizer):
    rows = TaggedRows((("w1", "\u200b\u00ad", "a1234567", "w2"),), ((1, 2, 3, 4),))
    encoded = encode_tagged(rows, tokenizer, 6)
    assert spelled(tokenizer, encoded, 0) == ["[CLS]", "w1", "[UNK]", "[UNK]", "w2", "[SEP]"]
    assert encoded.labels.tolist() == [IGNORE, 1, 2, 3, 4, IGNORE]


def test_cuts_are_as_few_as_possible():
    lengths = [[3, 2, 1], [5], [1, 5, 4, 1]]
    assert list(cuts(lengths, 5)) == [
        Cut(0, 0, 2),
        Cut(0, 2, 3),
        Cut(1, 0, 1),
        Cut(2, 0, 1),
        Cut(2, 1, 2),
        Cut(2, 2, 4),
    ]


def test_a_length_without_room_for_a_word_is_refused(tokenizer):
    with pytest.raises(ConfigError, match="max_length is 2"):
        encode_tagged(rows_of("w1"), tokenizer, 2)
    assert Frame.of(tokenizer).room(3) == 1


def test_encoding_is_remembered_and_kept_in_a_file(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(token_cache, "_memory", {})
    rows = rows_of("w1 a12 w2", "w3 w4 w5 w6")
    first = encode_tagged(rows, tokenizer, 6, tmp_path, position_ids=True)
    assert encode_tagged(rows, tokenizer, 6, tmp_path, position_ids=True) is first
    (file,) = tmp_path.iterdir()
    token_cache._memory.clear()
    monkeypatch.setattr("xlgen.data.encode_tagged.word_ids", None)  # not tokenised again
    again = encode_tagged(rows, tokenizer, 6, tmp_path, position_ids=True)
    for name in ("tokens", "types", "offsets", "labels", "example"):
        assert torch.equal(getattr(again, name), getattr(first, name))
    monkeypatch.undo()
    token_cache._memory.clear()
    other = encode_tagged(rows.relabelled([6, 5, 4, 3, 2, 1, 0]), tokenizer, 6, tmp_path)
    assert not torch.equal(other.labels, first.labels) and len(list(tmp_path.iterdir())) == 2
    file.write_bytes(b"damaged")
    token_cache._memory.clear()
    assert torch.equal(encode_tagged(rows, tokenizer, 6, tmp_path).labels, first.labels)


# Views


def test_a_view_of_the_own_segmentation_is_the_encoding(tokenizer):
    rows = rows_of("w1 a12 w2 w3 b99 w4", "w5", "c1 c2 c3")
    encoded = encode_tagged(rows, tokenizer, 7)
    own = lambda word: tokenizer(word, add_special_tokens=False)["input_ids"]  # noqa: E731
    view = tagged_view(rows, tokenizer, 7, own)
    for name in ("tokens", "types", "offsets", "labels", "example"):
        assert torch.equal(getattr(view, name), getattr(encoded, name))


def test_units_of_a_sampled_view_match_one_by_one_up_to_what_is_cut(tokenizer):
    rows = rows_of(*["w11 a12 w12 w13 b99 w14 w15"] * 30, "w5")
    encoded = encode_tagged(rows, tokenizer, 9)
    segmenter = Segmenter.for_tokenizer(tokenizer, p=0.5)
    generator = torch.Generator().manual_seed(0)
    view = tagged_view(rows, tokenizer, 9, lambda word: segmenter.segment(word, generator))
    assert torch.equal(view.example, encoded.example) and view.lengths.max() <= 9
    shorter = 0
    for i in range(len(encoded)):
        batch = encoded.batch(torch.tensor([i]), view)
        here, there = (x[x != IGNORE].tolist() for x in (batch.labels, batch.view_labels))
        assert there == here[: len(there)] and there
        shorter += len(there) < len(here)
    assert 0 < shorter < len(encoded), "some rows lost a word at the end, others none"


# Real data


@real
def test_real_wikiann_has_its_sizes_and_withheld_tests_are_refused(caplog):
    task, unlabelled = TASKS["wikiann"], []
    for language in task.languages:
        small = language in ("hi", "sw", "ur")
        if language != "th":
            assert len(task.rows(language, "dev", REAL)) == (1_000 if small else 10_000)
        try:
            assert len(task.rows(language, "test", REAL)) == (1_000 if small else 10_000)
        except DataError as error:
            assert "none of its" in str(error)
            unlabelled.append(language)
    assert unlabelled == "ar bg el fr hi th tr ur vi zh ja ko".split()
    assert len(task.rows("en", "train", REAL)) == 20_000
    assert not caplog.records


@real
def test_real_udpos_of_the_archive_and_of_a_treebank_agree():
    """Greek and Urdu have one treebank: the archive's rows are its rows, but for tags revised in a later version."""
    for language, folder in (("el", "UD_Greek-GDT"), ("ur", "UD_Urdu-UDTB")):
        archive = TASKS["udpos"].rows(language, "test", REAL)
        treebank = TASKS["udpos"].rows(language, "test", REAL / "ud")
        assert (REAL / "ud" / folder).is_dir()
        same = [a == b for a, b in zip(archive.words, treebank.words, strict=True)]
        assert sum(same) > 0.98 * len(same), language
        tags = [
            x == y
            for s, a, b in zip(same, archive.labels, treebank.labels, strict=True)
            if s
            for x, y in zip(a, b, strict=True)
        ]
        assert sum(tags) > 0.95 * len(tags), language


@real
def test_real_sentences_longer_than_the_model_lose_nothing():
    rows = TASKS["udpos"].rows("ar", "test", REAL)
    tokenizer = BertTokenizerFast(
        vocab={piece: i for i, piece in enumerate([*tiny.VOCAB, *"ابتثجحخدذرزسشصضطظعغفقكلمنهوي"])}
    )
    encoded = encode_tagged(rows, tokenizer, 64)
    assert len(encoded) > len(rows) and int((encoded.labels != IGNORE).sum()) == sum(map(len, rows.words))
