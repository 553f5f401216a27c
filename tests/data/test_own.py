"""A user's own files: the same rows in every format, any language, with labels or without; what is refused."""

import gzip
import json
import logging
from pathlib import Path

import datasets
import pytest

from xlgen.core.config import digest
from xlgen.core.errors import ConfigError, DataError, UnknownName, XlgenError
from xlgen.data.catalogue import TASKS
from xlgen.data.own import OwnFiles
from xlgen.data.own_task import own_task
from xlgen.data.read_pairs import Rows
from xlgen.data.read_tagged import TaggedRows
from xlgen.data.task_file import task_of

LABELS = {"entailment": 0, "neutral": 1, "contradiction": 2}
TAGS = {"O": 0, "B-PER": 1, "I-PER": 2}
RECORDS = [
    {"sentence1": 'Sie sagte "nein".', "sentence2": "Ja, oder?", "gold_label": "contradiction", "lang": "de"},
    {"sentence1": "고양이가 잔다\u2028 .", "sentence2": "동물", "gold_label": "", "lang": "ko"},
    {"sentence1": "Ein Satz", "sentence2": "Sätze", "gold_label": "neutral", "lang": "de"},
]
GERMAN = Rows(('Sie sagte "nein".', "Ein Satz"), ("Ja, oder?", "Sätze"), (2, 1))
KOREAN = Rows(("고양이가 잔다\u2028 .",), ("동물",), (0,), labelled=False)


def tsv(path, records):
    lines = ["\t".join(records[0]), *("\t".join(map(str, record.values())) for record in records)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def quoted(path, records):
    rows = [records[0].keys(), *(record.values() for record in records)]
    text = "\r\n".join(",".join('"' + str(cell).replace('"', '""') + '"' for cell in row) for row in rows)
    path.write_bytes(text.encode("utf-8-sig"))


def jsonl(path, records):
    path.write_text("\n".join(json.dumps(record, ensure_ascii=False) for record in records), encoding="utf-8")


def gz(path, records):
    tsv(path, records)
    path.write_bytes(gzip.compress(path.read_bytes()))


def parquet(path, records):
    datasets.Dataset.from_list(records).to_parquet(path)


def saved(path, records):
    datasets.Dataset.from_list(records).save_to_disk(str(path))


FORMATS = {"a.tsv": tsv, "a.csv": quoted, "a.jsonl": jsonl, "a.tsv.gz": gz, "a.parquet": parquet, "a": saved}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_rows(tmp_path, name):
    FORMATS[name](tmp_path / name, RECORDS)
    files = OwnFiles(tmp_path / name, LABELS)
    (guessed,) = files.guesses.values()
    assert guessed == {"first": "sentence1", "second": "sentence2", "label": "gold_label", "language": "lang"}
    assert {k: (v.rows, v.labelled) for k, v in files.survey.items()} == {"de": (2, True), "ko": (1, False)}
    assert (files.rows("de"), files.rows("ko")) == (GERMAN, KOREAN)


@pytest.mark.parametrize("name", ["a.parquet", "a"])
def test_numbered_labels_count_by_their_names_and_not_by_their_numbers(tmp_path, name):
    """The data set's order of classes is not the task's."""
    names = ["contradiction", "entailment", "neutral"]
    features = datasets.Features(
        {
            "premise": datasets.Value("string"),
            "hypothesis": datasets.Value("string"),
            "label": datasets.ClassLabel(names=names),
        }
    )
    table = datasets.Dataset.from_dict({"premise": ["a", "b"], "hypothesis": ["c", "d"], "label": [0, 1]}, features)
    table.to_parquet(tmp_path / name) if "." in name else table.save_to_disk(str(tmp_path / name))
    assert OwnFiles(tmp_path / name, LABELS, language="ko").rows("ko").labels == (2, 0)


def test_chunks_are_the_rows_in_their_order_and_hold_one_language_each(tmp_path):
    records = [RECORDS[0] | {"sentence1": f"s{i}", "lang": "de" if i % 3 else "sw"} for i in range(20)]
    tsv(tmp_path / "a.tsv", records)
    files = OwnFiles(tmp_path / "a.tsv", LABELS)
    parts = list(files.chunks(["de", "sw"], 4))
    assert {len(rows) for _, rows in parts[:-2]} == {4} and sum(len(rows) for _, rows in parts) == 20
    for language in ("de", "sw"):
        assert sum((rows.first for spoken, rows in parts if spoken == language), ()) == files.rows(language).first
    assert {language for language, _ in files.chunks(["sw"], 4)} == {"sw"}


def test_a_folder_holds_a_file_a_language_by_its_name(tmp_path):
    for code in ("ko", "de"):
        tsv(tmp_path / f"my-test_{code}.tsv", [{"premise": "a", "hypothesis": f"in {code}"}])
    (tmp_path / "notes.md").write_text("not data")
    files = OwnFiles(tmp_path, LABELS)
    assert list(files.survey) == ["de", "ko"] and files.rows("ko").second == ("in ko",)


@pytest.mark.parametrize("kind", ["sequence", "token"])
@pytest.mark.parametrize(
    ("names", "named", "message"),
    [
        (("dev-en", "test-de", "train-en"), "", "dev-en.*train-en.* are both 'en'; expected one file of a language"),
        (("dev", "train"), "de", "dev.*train.* are both 'de'; expected one file of a language"),
        (("test-pt-br", "ours-pt-br"), "", "ours-pt-br.* and .*test-pt-br.* are both 'pt-br'"),
    ],
)
def test_two_files_of_one_language_are_not_pooled(tmp_path, kind, names, named, message):
    """A split that the model was trained on would pass for one that it is measured on."""
    for name in names:
        text = "premise\thypothesis\na\tb\n" if kind == "sequence" else "Ada\tB-PER\n"
        (tmp_path / f"{name}.tsv").write_text(text)
    with pytest.raises(DataError, match=message):
        _ = OwnFiles(tmp_path, LABELS if kind == "sequence" else TAGS, kind, language=named).survey


@pytest.mark.parametrize("more", [{}, {"language": "de"}])
def test_a_file_that_lies_there_in_two_formats_is_not_counted_twice(tmp_path, more):
    for name in ("test-de.tsv", "test-de.tsv.gz"):
        (gz if name.endswith(".gz") else tsv)(tmp_path / name, [{"premise": "a", "hypothesis": "b"} | more])
    with pytest.raises(DataError, match="test-de.tsv and .*test-de.tsv.gz are called the same but for the format"):
        _ = OwnFiles(tmp_path, LABELS).survey


def test_files_with_a_column_of_languages_may_share_a_language(tmp_path):
    for name in ("a", "b"):
        tsv(tmp_path / f"{name}.tsv", [{"premise": name, "hypothesis": "b", "language": "de"}])
    assert OwnFiles(tmp_path, LABELS).rows("de").first == ("a", "b")


def test_splits_with_a_column_of_languages_are_not_pooled(tmp_path):
    for name in ("my_test_dev", "train"):
        if name == "train":
            assert OwnFiles(tmp_path, LABELS).survey["de"].rows == 1
        tsv(tmp_path / f"{name}.tsv", [{"premise": "a", "hypothesis": "b", "language": "de"}])
    with pytest.raises(DataError, match="my_test_dev.tsv and .*train.tsv are called by different splits"):
        _ = OwnFiles(tmp_path, LABELS).survey


def test_a_file_and_a_link_to_it_are_one(tmp_path):
    tsv(tmp_path / "my-ko.tsv", [{"premise": "a", "hypothesis": "b"}])
    (tmp_path / "latest-ko.tsv").symlink_to(tmp_path / "my-ko.tsv")
    assert OwnFiles(tmp_path, LABELS).survey["ko"].rows == 1


def test_what_a_folder_holds_besides_is_named(tmp_path, caplog):
    for name in ("README.md", ".hidden", "ko.xlsx"):
        (tmp_path / name).write_text("")
    (tmp_path / "parts.tsv").mkdir()
    with pytest.raises(
        DataError, match="no data files in the folder .*, only README.md, ko.xlsx, parts.tsv/; expected"
    ):
        _ = OwnFiles(tmp_path, LABELS).survey
    tsv(tmp_path / "ko.tsv", [{"premise": "a", "hypothesis": "b"}])
    files = OwnFiles(tmp_path, LABELS)
    with caplog.at_level(logging.WARNING):
        assert (len(files.rows("ko")), len(files.rows("ko"))) == (1, 1)
    (said,) = caplog.messages
    assert "ignored: README.md, ko.xlsx, parts.tsv/; expected .tsv, .csv" in said


@pytest.mark.parametrize(
    ("name", "named", "code"),
    [
        ("pairs-pt-br.tsv", "", "pt-br"),
        ("pairs-pt-br.tsv", "br", "br"),
        ("pairs_pt_BR.tsv", "", "pt-BR"),
        ("pairs_pt_BR.tsv", "pt-br", "pt-br"),
        ("pairs-zh-Hans.tsv.gz", "", "zh-Hans"),
        ("pairs-es-ar.tsv", "", "es-ar"),
        ("xnli-en-de.tsv", "", "de"),
        ("pairs-de.tsv", "sw", "de"),
        ("up-ko.TSV", "", "ko"),
        ("up-ko.tsv.GZ", "", "ko"),
    ],
)
def test_the_end_of_a_name_is_a_code_also_of_a_region(tmp_path, name, named, code):
    (gz if name.lower().endswith(".gz") else tsv)(tmp_path / name, [{"premise": "a", "hypothesis": "b"}])
    assert list(OwnFiles(tmp_path / name, LABELS, language=named).survey) == [code]


def test_names_that_begin_in_a_later_line_of_json_are_columns(tmp_path):
    lines = [
        {"premise": "a", "hypothesis": "b", "language": "ko"},
        {"premise": "c", "hypothesis": "d", "language": "de"},
    ]
    jsonl(tmp_path / "a.jsonl", [lines[0], lines[1] | {"label": "neutral"}])
    files = OwnFiles(tmp_path / "a.jsonl", LABELS)
    assert {code: found.labelled for code, found in files.survey.items()} == {"ko": False, "de": True}
    jsonl(tmp_path / "a.jsonl", [lines[0], lines[0] | {"label": "neutral"}])
    with pytest.raises(DataError, match="line 1: no label in 'ko'"):
        _ = OwnFiles(tmp_path / "a.jsonl", LABELS).survey


@pytest.mark.parametrize("kind", ["sequence", "token"])
def test_half_a_character_is_refused_with_its_line(tmp_path, kind):
    cells = '"premise": "a \\ud800", "hypothesis": "b"' if kind == "sequence" else '"words": ["a", "\\ud800"]'
    (tmp_path / "a-ko.jsonl").write_text(f"{{{cells}}}\n")
    with pytest.raises(DataError, match="line 1, column .*halved characters"):
        _ = OwnFiles(tmp_path / "a-ko.jsonl", LABELS, kind).survey


def test_parquet_that_is_described_wrongly_is_refused(tmp_path):
    from pyarrow import table
    from pyarrow.parquet import write_table

    found = table({"premise": ["a"], "hypothesis": ["b"]}).replace_schema_metadata({"huggingface": '{"info": 3}'})
    write_table(found, tmp_path / "a-ko.parquet")
    with pytest.raises(DataError, match="a-ko.parquet: its columns are not described"):
        _ = OwnFiles(tmp_path / "a-ko.parquet", LABELS).survey


@pytest.mark.parametrize("name", ["locale", "lang_code", "Language_Code", "iso", "lang_id", "lang_iso"])
def test_a_column_of_languages_is_known_by_many_names(tmp_path, name):
    tsv(tmp_path / "a.tsv", [{"premise": "a", "hypothesis": "b", name: code} for code in ("de", "ko_KR")])
    assert list(OwnFiles(tmp_path / "a.tsv", LABELS, language="fr").survey) == ["de", "ko_KR"]


@pytest.mark.parametrize(
    "codes", [["de", "ko"], ["deu", "deu", "kor"], ["DE", "KO"], ["zh-cn", "pt_BR"], ["German", "Thai"]]
)
def test_a_column_of_languages_by_another_name_is_not_overlooked(tmp_path, codes):
    """All rows would be of one language. They may be sorted, so that the first ones are."""
    rows = [{"premise": "a", "hypothesis": "b", "sprache": code, "domain": "is"} for code in codes for _ in range(60)]
    tsv(tmp_path / "a-fr.tsv", rows)
    with pytest.raises(DataError, match="column 'sprache' looks like languages.*--columns language=sprache, or"):
        _ = OwnFiles(tmp_path / "a-fr.tsv", LABELS).survey
    jsonl(tmp_path / "a-fr.jsonl", [{"tokens": ["a"], "sprache": row["sprache"]} for row in rows])
    with pytest.raises(DataError, match="column 'sprache' looks like languages"):
        _ = OwnFiles(tmp_path / "a-fr.jsonl", TAGS, "token").survey


@pytest.mark.parametrize("cells", [["de", "de"], ["de", ""], ["no", "is", "yes"], ["a-b", "de-x"]])
def test_other_columns_are_no_languages(tmp_path, cells):
    tsv(tmp_path / "a-fr.tsv", [{"premise": "a", "hypothesis": "b", "more": cell} for cell in cells])
    assert OwnFiles(tmp_path / "a-fr.tsv", LABELS).survey["fr"].rows == len(cells)


def test_two_columns_are_not_one(tmp_path):
    with pytest.raises(ConfigError, match="first and second are both the column 'a'"):
        OwnFiles(tmp_path, LABELS, columns={"first": "a", "second": "a"})


def test_a_column_of_texts_is_not_guessed_to_be_the_labels(tmp_path):
    tsv(tmp_path / "a-ko.tsv", [{"premise": "a", "label": "b"}])
    files = OwnFiles(tmp_path / "a-ko.tsv", LABELS, columns={"second": "label"})
    assert files.rows("ko") == Rows(("a",), ("b",), (0,), labelled=False)


def test_a_long_cell_of_csv_is_read(tmp_path):
    quoted(tmp_path / "a-ko.csv", [{"premise": "a " * 100_000, "hypothesis": "b"}])
    assert OwnFiles(tmp_path / "a-ko.csv", LABELS).rows("ko").first == ("a " * 100_000,)


def test_labels_are_no_part_of_an_unlabelled_fingerprint_and_labelled_ones_keep_theirs():
    assert KOREAN.fingerprint == Rows(KOREAN.first, KOREAN.second, (2,), labelled=False).fingerprint
    assert KOREAN.fingerprint != Rows(KOREAN.first, KOREAN.second, (0,)).fingerprint
    assert Rows(("a",), ("b",), (0,)).fingerprint == digest([["a"], ["b"], [0]])
    assert TaggedRows((("a",),), ((0,),)).fingerprint == digest(["tagged", [["a"]], [[0]]])


# --- tagged sentences ------------------------------------------------------------------------------------------------

SENTENCES = TaggedRows((("Ada", "Lovelace", "rief"), ("Nein",)), ((1, 2, 0), (0,)))
CONLL = "-DOCSTART- -X- O\n\nAda NNP B-PER\nLovelace NNP I-PER\nrief VVD O\n\nNein PTK O\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a-de.conll", CONLL),
        ("a-de.tsv", CONLL.replace("-DOCSTART- -X- O\n\n", "").replace(" ", "\t")),
        ("a-de.txt", CONLL.removesuffix("\n").replace("\n", "\r\n")),
        ("a-de.jsonl", '{"tokens": ["Ada", "Lovelace", "rief"], "ner_tags": ["B-PER", "I-PER", "O"]}\n'
                       '{"tokens": ["Nein"], "ner_tags": ["O"]}'),
    ],
)  # fmt: skip
def test_every_format_gives_the_same_sentences(tmp_path, name, text):
    (tmp_path / name).write_text(text, newline="")
    assert OwnFiles(tmp_path / name, TAGS, "token").rows("de") == SENTENCES


@pytest.mark.parametrize("text", [CONLL.replace(" ", "\t"), CONLL])
def test_the_prefix_of_the_original_wikiann_is_no_part_of_a_word(tmp_path, text):
    words = ("Ada", "Lovelace", "rief", "Nein")
    for word in words:
        text = text.replace(word, f"de:{word}")
    (tmp_path / "de.conll").write_text(text)
    assert OwnFiles(tmp_path / "de.conll", TAGS, "token").rows("de") == SENTENCES
    (tmp_path / "de.conll").write_text(text.replace("de:Nein", "Nein"))  # then it is a part of the others
    assert OwnFiles(tmp_path / "de.conll", TAGS, "token").rows("de").words[0][0] == "de:Ada"


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("more", ["", "\tB-PER"])
def test_numbers_of_words_are_no_words(tmp_path, start, more):
    lines = [f"{number}\t{word}{more}" for number, word in enumerate(("Ada", "Lovelace"), start)]
    (tmp_path / "de.conll").write_text("\n".join([*lines, "", lines[0]]))
    with pytest.raises(DataError, match="de.conll: the first column counts the words of each sentence"):
        _ = OwnFiles(tmp_path / "de.conll", TAGS, "token").survey


def test_sentences_of_numbers_are_words_unless_all_of_them_count(tmp_path):
    (tmp_path / "de.conll").write_text("1 O\n2 O\n3 O\n\n1990 O\n")
    assert OwnFiles(tmp_path / "de.conll", TAGS, "token").rows("de").words == (("1", "2", "3"), ("1990",))


@pytest.mark.parametrize(("name", "message"), [("de.conll", "its first column, tags its last"), ("de.conllu", "FORM")])
def test_columns_of_files_that_have_no_names_for_them_are_refused(tmp_path, name, message):
    (tmp_path / name).write_text(CONLL)
    with pytest.raises(ConfigError, match=rf"columns are named \(words\), and .*{name} has no names.*{message}"):
        _ = OwnFiles(tmp_path / name, TAGS, "token", {"words": "form"}).survey


def test_words_without_tags_are_read_from_a_column(tmp_path):
    (tmp_path / "ko.conll").write_text("Ada\nLovelace\n\nNein\n")
    rows = OwnFiles(tmp_path / "ko.conll", TAGS, "token").rows("ko")
    assert rows == TaggedRows((("Ada", "Lovelace"), ("Nein",)), ((0, 0), (0,)), labelled=False)


def conllu(words):
    return "".join(
        f"{number}\t{word}\t_\t{tag}\t_\t_\t{head}\t_\t_\t_\n" for number, word, tag, head in words
    )  # fmt: skip


def test_conllu_with_tags_and_without(tmp_path):
    words = [("1-2", "im", "_", "_"), ("1", "in", "ADP", "3"), ("2", "dem", "DET", "3"), ("3", "Haus", "NOUN", "0")]
    labels = {"ADP": 0, "DET": 1, "NOUN": 2}
    (tmp_path / "de.conllu").write_text("# sent_id = 1\n" + conllu(words) + "\n")
    rows = OwnFiles(tmp_path / "de.conllu", labels, "token").rows("de")
    assert rows.words == (("im", "Haus"),) and rows.labelled
    bare = [(number, word, "_", "_") for number, word, _, _ in words]
    (tmp_path / "de.conllu").write_text("# sent_id = 1\n" + conllu(bare) + "\n")
    rows = OwnFiles(tmp_path / "de.conllu", labels, "token").rows("de")
    assert rows.words == (("im", "Haus"),) and not rows.labelled


# --- tasks -----------------------------------------------------------------------------------------------------------


def test_a_tasks_own_data_stand_in_for_what_is_missing_of_the_source(tmp_path):
    tsv(tmp_path / "ko.tsv", [{"premise": "a", "hypothesis": "b"}])
    task = task_of("mini-xnli", tmp_path / "ko.tsv")
    assert task.languages == ("ko",) and task.rows("ko", "test").first == ("a",)
    assert task.rows("en", "dev") == TASKS["mini-xnli"].rows("en", "dev")
    with pytest.raises(UnknownName, match="unknown language in .*'de'"):
        task.rows("de", "test")


def test_labelled_rows_of_the_source_are_used_before_the_tasks_own(tmp_path):
    tsv(tmp_path / "a.tsv", [{"premise": "a", "hypothesis": "b", "label": "neutral", "language": "en"}])
    assert task_of("mini-xnli", tmp_path / "a.tsv").rows("en", "dev").first == ("a",)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("DE", "--languages: 'DE'; expected the code of a language, such as 'de'. Did you mean 'de'[?]$"),
        ("Deutsch", "Did you mean 'de'"),
        ("German", "Did you mean 'de'"),
        ("d", "'d'; expected the code of a language, such as 'ko'[.]$"),
    ],
)
def test_what_names_the_language_of_a_file_is_a_code(tmp_path, typed, message):
    tsv(tmp_path / "mine.tsv", [{"premise": "a", "hypothesis": "b"}])
    with pytest.raises(ConfigError, match=message):
        own_task(TASKS["mini-xnli"], tmp_path / "mine.tsv", {}, [typed])


def test_a_countrys_code_is_taken_with_a_warning_and_codes_beyond_the_table_without(tmp_path, caplog):
    tsv(tmp_path / "mine.tsv", [{"premise": "a", "hypothesis": "b"}])
    with caplog.at_level(logging.WARNING):
        assert own_task(TASKS["mini-xnli"], tmp_path / "mine.tsv", {}, ["gsw"]).languages == ("gsw",)
        assert not caplog.messages
        assert own_task(TASKS["mini-xnli"], tmp_path / "mine.tsv", {}, ["jp"]).languages == ("jp",)
    (said,) = caplog.messages
    assert "'jp' is no language's code, only a country's; is 'ja' meant?" in said


TOML = 'labels = ["no", "yes"]\ndata = "pairs.csv"\n[columns]\nfirst = "q"\n[aliases]\nsi = "yes"\n'
YAML = "labels: ['no', 'yes']\ndata: pairs.csv\ncolumns: {first: q}\naliases: {si: 'yes'}\n"


@pytest.mark.parametrize(("name", "text"), [("mine.toml", TOML), ("mine.yaml", YAML)])
def test_a_task_of_the_users_own_is_a_small_file(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    (tmp_path / "pairs.csv").write_text("q,second,label,language\na,b,si,en\nc,d,no,ko\n")
    task = task_of(str(tmp_path / name))
    assert (task.name, task.labels, task.languages) == ("mine", ("no", "yes"), ("en", "ko"))
    assert task.rows("en", "dev").labels == (1,) and task.rows("ko", "test").labels == (0,)


def test_a_task_file_says_what_numbers_mean(tmp_path):
    """As the book has it."""
    book = (Path(__file__).parents[2] / "book" / "running.md").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(book.split("```toml\n")[1].split("```")[0])
    (tmp_path / "pairs-ko.csv").write_text("question,hypothesis,label\na,b,2\nc,d,0\n")
    assert task_of(str(tmp_path / "mine.toml")).rows("ko", "test").labels == (2, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("labels = ['a', 'b']\nlabel = 'x'", "Did you mean 'labels'"),
        ("labels = ['a', 'a']", "at least two different names"),
        ("kind = 'token'", "labels is None"),
        ("labels = ['a', 'b']\nkind = 'tokens'", "Did you mean 'token'"),
        ("labels = ['a', 'b']\nmetric = 'f1'", "expected one of accuracy"),
        ("labels = ['a', 'b']\naliases = {x = 'aa'}", "Did you mean 'a'"),
        ("labels = ['a', 'b']\ncolumns = ['x']", "expected texts by text"),
        ("labels = ['a', 'b'", "mine.toml: "),
        ("labels = ['a', 'b']", "names no data, and none are given"),
        ("labels = ['a', 'b']\ndata = 'absent.csv'", "no file or folder"),
    ],
)
def test_task_files_that_cannot_be_used_are_refused(tmp_path, text, message):
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(XlgenError, match=message):
        task_of(str(tmp_path / "mine.toml"))


# --- what is refused, and where --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a-ko.tsv", "premise\thypothesis\na\n", "line 2: 1 columns; expected the header's 2"),
        ("a-ko.tsv", "premise\thypothesis\na\t \n", "line 2, column 'hypothesis': ' '; expected a sentence"),
        ("a-ko.tsv", "premise\thypothesis\tlabel\na\tb\tneutrl\n", "line 2, column 'label'.*Did you mean 'neutral'"),
        (
            "a-ko.tsv",
            "premise\thypothesis\tlabel\na\tb\tneutral\nc\td\t\n",
            "line 3: no label in 'ko', although .*line 2",
        ),
        (
            "a-ko.tsv",
            "premise\thypothesis\tlabel\na\tb\t\nc\td\tneutral\n",
            "line 2: no label in 'ko', although .*line 3",
        ),
        ("a-ko.tsv", "premise\thypothesis\tlabel\na\tb\t2\n", r"label '2'.*by \[aliases\] in a task file.*\"2\" = "),
        ("a-ko.tsv", "sentence1\tlabel\na\t2\n", "for 'second' among .*pairs of sentences.*second=NAME. *$"),
        (
            "a-ko.csv",
            "premise;hypothesis\na;b\n",
            "a-ko.csv: the columns .* are separated by ';'; expected ',' in a .csv",
        ),
        ("a-ko.csv", '"premise";"hypothesis"\n"a, b";"c"\n', "are separated by ';'"),
        ("a-ko.tsv", "premise,hypothesis\na,b\n", "are separated by ','; expected tabs in a .tsv"),
        ("a-ko.csv", "premise\thypothesis\na\tb\n", "are separated by tabs; expected ',' in a .csv"),
        ("a-ko", "", "a-ko: its name has no ending; expected .tsv, .csv"),
        ("a-ko.tsv", "premis\thypothesis\na\tb\n", "no column for 'first' among premis.*Did you mean first=premis"),
        ("a-ko.tsv", "premise\thypothesis\n", "no rows"),
        ("a-ko.tsv", "", "no header"),
        ("a.tsv", "premise\thypothesis\na\tb\n", "neither a column of languages nor a code"),
        ("a.tsv", "premise\thypothesis\tlanguage\na\tb\tKorean\n", "'Korean'; expected .*Did you mean 'ko'"),
        ("a.tsv", "premise\thypothesis\tlanguage\na\tb\tKO\n", "Did you mean 'ko'"),
        ("a-ko.csv", 'premise,hypothesis\n"a,b\n', "not CSV"),
        ("a-ko.csv", 'premise,hypothesis\n"a\n\nb",c\n"d",\n', "line 5, column 'hypothesis'"),
        ("a-ko.jsonl", '{"premise": "a", "hypothesis": "b"}\n{"premise": \n', "line 2: not JSON"),
        ("a-ko.jsonl", '{"premise": "a", "hypothesis": "b"}\n["a", "b"]\n', "line 2: .*expected an object"),
        (
            "a-ko.jsonl",
            '{"premise": "a", "hypothesis": "b"}\n{"premise": "a"}\n',
            "line 2, column 'hypothesis': nothing; expected a sentence",
        ),
        ("a-ko.parquet", "PAR0", "not Parquet"),
        ("a-ko.xlsx", "", "ending '.xlsx' is unknown; expected .tsv, .csv"),
    ],
)
def test_pairs_that_cannot_be_used_are_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text, newline="")
    with pytest.raises(DataError, match=message):
        _ = OwnFiles(tmp_path / name, LABELS).survey


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("ko.conll", "Ada B-PER\nrief\n", "line 2: 'rief'; expected a word and its tag in 2 columns"),
        ("ko.conll", "Ada B-PERS\n", "line 1, column 'tag': unknown label 'B-PERS'.*Did you mean 'B-PER'"),
        ("ko.jsonl", '{"tokens": ["a", "b"], "tags": ["O"]}', "line 1, column 'tags'.*a list of 2 tags"),
        ("ko.jsonl", '{"tokens": "a b"}', "line 1, column 'tokens': 'a b'; expected a list of words"),
        ("ko.conllu", "1\ta\n", "line 1: .*expected the 10 columns of CoNLL-U"),
        ("ko.conll", "\n\n", "no rows"),
    ],
)
def test_sentences_that_cannot_be_used_are_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        _ = OwnFiles(tmp_path / name, TAGS, "token").survey


SAID = '"Er sagte: ""Hallo"""'


@pytest.mark.parametrize("name", ["ko.tsv", "ko.tsv.gz"])
@pytest.mark.parametrize(
    ("text", "first"),
    [
        (f'premise\thypothesis\na\tb\n{SAID}\tb\n"a, b"\tb\n', ("a", 'Er sagte: "Hallo"', "a, b")),
        ('"premise"\t"hypothesis"\n"a"\t"b"\n', ("a",)),
        ('premise\thypothesis\n"er """\t"b"\n', ('er "',)),
    ],
)
def test_the_quoting_of_a_table_is_no_part_of_its_texts(tmp_path, caplog, name, text, first):
    content = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    with caplog.at_level(logging.WARNING):
        rows = OwnFiles(tmp_path / name, LABELS).rows("ko")
    assert rows.first == first and set(rows.second) == {"b"}
    (said,) = caplog.messages  # the file is read twice
    assert "cells are quoted as in CSV; the quotes are taken off" in said


@pytest.mark.parametrize(
    "texts", [['"Hallo."'], [SAID, 'Er sagte: "Hallo"'], ['"', SAID], ['""Hallo""'], ['"a" und "b"']]
)
def test_quotation_marks_that_are_not_quoting_are_kept(tmp_path, texts):
    tsv(tmp_path / "ko.tsv", [{"premise": text, "hypothesis": "b"} for text in texts])
    assert OwnFiles(tmp_path / "ko.tsv", LABELS).rows("ko").first == tuple(texts)


def test_damage_is_told_with_its_line(tmp_path):
    (tmp_path / "ko.tsv").write_bytes(b"premise\thypothesis\na\tb\nc\t\xff\n")
    with pytest.raises(DataError, match="ko.tsv, line 3: not UTF-8"):
        _ = OwnFiles(tmp_path / "ko.tsv", LABELS).survey
    lines = b"premise\thypothesis\n" + b"a\tb\n" * 9_000
    (tmp_path / "de.tsv.gz").write_bytes(gzip.compress(lines + b"c\t\xe4\n" + lines))
    with pytest.raises(DataError, match="de.tsv.gz, line 9002: not UTF-8"):
        _ = OwnFiles(tmp_path / "de.tsv.gz", LABELS).survey
    whole = gzip.compress(b"premise\thypothesis\n" + b"a\tb\n" * 1000)
    (tmp_path / "ko.tsv.gz").write_bytes(whole[:-20])
    with pytest.raises(DataError, match="not a complete gzip file"):
        _ = OwnFiles(tmp_path / "ko.tsv.gz", LABELS).survey


def test_names_that_there_are_not_are_refused(tmp_path):
    tsv(tmp_path / "pairs-ko.tsv", [{"premise": "a", "hypothesis": "b"}])
    with pytest.raises(DataError, match="Did you mean .*pairs-ko.tsv"):
        _ = OwnFiles(tmp_path / "pair-ko.tsv", LABELS).survey
    with pytest.raises(UnknownName, match="unknown column 'frist'. Did you mean 'first'"):
        OwnFiles(tmp_path, LABELS, columns={"frist": "premise"})
    with pytest.raises(UnknownName, match="unknown column of .* for first 'premis'. Did you mean 'premise'"):
        _ = OwnFiles(tmp_path, LABELS, columns={"first": "premis"}).survey
    with pytest.raises(UnknownName, match="'kr'. Did you mean 'ko'"):
        own_task(TASKS["mini-xnli"], tmp_path, {}, ["kr"])
    with pytest.raises(ConfigError, match="without data"):
        task_of("mini-xnli", None, {"first": "premise"})
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no data files in the folder"):
        _ = OwnFiles(tmp_path / "empty", LABELS).survey


REAL = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.skipif(not (REAL / "xnli").is_dir(), reason="the real data are not here")
def test_the_official_files_of_xnli_are_read_as_a_users_own():
    file = REAL / "xnli" / "XNLI-1.0" / "xnli.dev.tsv.gz"
    mine, theirs = task_of("xnli", file), TASKS["xnli"]
    assert len(mine.languages) == 15
    for language in ("sw", "zh"):
        assert mine.rows(language, "test") == theirs.rows(language, "dev", REAL)
