"""Plain text and its masking: every source, what is refused, and what is hidden."""

import gzip
import sys
import types
from pathlib import Path

import pytest
import torch
from tiny import save_encoder, save_family

from xlgen import models
from xlgen.core.errors import DataError, ModelError, UnknownName
from xlgen.data.batch import IGNORE
from xlgen.data.mini.lexicon import languages
from xlgen.data.text import LONGEST, read
from xlgen.fisher import mlm

torch.set_num_threads(1)

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "text"
real = pytest.mark.skipif(not REAL.is_dir(), reason="no real data beside the repository")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "fr.txt").write_text("un\n\n  deux\u2028  \rtrois \r\n\n" + "x" * 9000 + "\nquatre", encoding="utf-8")
    (tmp_path / "el.txt.gz").write_bytes(gzip.compress("ένα\nδύο\nτρία\n".encode()))
    (tmp_path / "sw").mkdir()
    (tmp_path / "sw" / "b.txt").write_text("tatu\n")
    (tmp_path / "sw" / "a.txt").write_text("\ufeffmoja\nmbili\n", encoding="utf-8")
    (tmp_path / "sw" / "notes.md").write_text("no text\n")
    return tmp_path


def test_a_paragraph_is_a_line_that_is_not_empty(folder):
    text = read(["fr"], 4, text_dir=folder)
    assert text.paragraphs == ("un", "deux trois", "x" * LONGEST, "quatre")
    assert (len(text), text.languages, text.source) == (4, ("fr",), f"{folder.name}/fr.txt")
    assert read(["fr"], 2, text_dir=folder).paragraphs == ("un", "deux trois")
    assert read(["fr"], 2, text_dir=folder / "fr.txt").paragraphs == ("un", "deux trois")


def test_gzip_and_a_folder_of_files_are_read(folder):
    assert read(["el"], 3, text_dir=folder).paragraphs == ("ένα", "δύο", "τρία")
    assert read(["sw"], 3, text_dir=folder).paragraphs == ("moja", "mbili", "tatu")


def test_of_several_languages_the_paragraphs_alternate(folder):
    text = read(["el", "sw"], 5, text_dir=folder)
    assert text.paragraphs == ("ένα", "moja", "δύο", "mbili", "τρία")
    assert text.languages == ("el", "sw") and "el.txt.gz, sw/a.txt" in text.source


def test_the_fingerprint_is_that_of_the_paragraphs(folder):
    before = read(["el"], 2, text_dir=folder)
    assert before.fingerprint == read(["el"], 2, text_dir=folder / "el.txt.gz").fingerprint
    assert before.fingerprint != read(["el"], 3, text_dir=folder).fingerprint
    (folder / "el.txt.gz").write_bytes(gzip.compress("ένα\nδυο και\nτρία\n".encode()))
    assert before.fingerprint != read(["el"], 2, text_dir=folder).fingerprint


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("de.txt.gz", b"plain", "not a complete gzip"),
        ("de.txt.gz", gzip.compress(b"eins\n", mtime=0)[:-9], "not a complete gzip"),
        ("de.txt", "für\n".encode("latin-1"), "not UTF-8"),
        ("de.txt", b"eins\n", "has 1 paragraphs in 'de', 2 are asked for"),
        ("fr.txt", b"un\n", "no de.txt, de.txt.gz or folder de/"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read(["de"], 2, text_dir=tmp_path)
    assert "\n" not in str(caught.value)


def test_one_file_is_text_of_one_language(folder):
    with pytest.raises(DataError, match="give a folder"):
        read(["el", "sw"], 2, text_dir=folder / "el.txt.gz")
    with pytest.raises(DataError, match="no text in 'el'"):
        read(["el"], 2, text_dir=folder / "nowhere")


def test_the_miniature_has_text_of_its_own_in_all_its_languages():
    texts = {language: read([language], 30, model="mini") for language in languages()}
    assert all(len(set(text.paragraphs)) > 25 and text.source == "xlgen.mini" for text in texts.values())
    assert read(["fr"], 10, model="mini").paragraphs == texts["fr"].paragraphs[:10]
    assert texts["th"].paragraphs[0] != texts["en"].paragraphs[0]
    with pytest.raises(UnknownName, match="'fr'"):
        read(["fra"], 3, model="mini")


@pytest.fixture
def hub(monkeypatch):
    """A hub with one article of several paragraphs after another."""
    calls = []

    def load_dataset(*args, **kwargs):
        calls.append((args, kwargs))
        return ({"title": str(i), "text": f"Article {i}.\n\nMore\nof it."} for i in range(1000))

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    return calls


def test_other_models_read_wikipedia_from_the_hub_as_a_stream(hub):
    text = read(["xh"], 3, model="bert-base-multilingual-cased")
    assert text.paragraphs == tuple(f"Article {i}. More of it." for i in range(3))
    assert hub == [(("wikimedia/wikipedia", "20231101.xh"), {"split": "train", "streaming": True})]
    assert text.source == "wikimedia/wikipedia 20231101"


def test_without_the_hub_the_message_says_what_to_give_instead(monkeypatch):
    def load_dataset(*args, **kwargs):
        raise ConnectionError("Couldn't reach 'wikimedia/wikipedia' on the Hub (LocalEntryNotFoundError)\nmore")

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    with pytest.raises(DataError, match=r"reach 'wikimedia/wikipedia' on the Hub; .*--text-dir.*zu\.txt") as caught:
        read(["zu"], 3, model="bert-base-multilingual-cased")
    assert "\n" not in str(caught.value)


@real
@pytest.mark.parametrize("language", ["en", "el", "th", "zh", "sw"])
def test_real_text_is_read(language):
    text = read([language], 200, text_dir=REAL / "wiki_paragraphs")
    assert len(set(text.paragraphs)) > 190 and all(len(paragraph) <= LONGEST for paragraph in text.paragraphs)
    declaration = read([language], 20, text_dir=REAL / "udhr")
    assert text.fingerprint != declaration.fingerprint


# --- masking --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return str(save_encoder(tmp_path_factory.mktemp("models") / "encoder"))


PARAGRAPHS = ["w1", "w1 w2 w3 w4 w5 w6 w7", " ".join(f"w{i}" for i in range(20)), "w9 w8"]


def masked(encoder, paragraphs=PARAGRAPHS, **changes):
    """By paragraph number, the ids that are seen, and the labels."""
    model, tokenizer = mlm.load(encoder), models.load_tokenizer(encoder)
    found = {}
    for batch in mlm.batches(model, tokenizer, paragraphs, **{"max_length": 24, "batch_size": 3, **changes}):
        assert batch.inputs["position_ids"].shape == batch.labels.shape == batch.inputs["input_ids"].shape
        for i, index in enumerate(batch.index.tolist()):
            n = int(batch.inputs["attention_mask"][i].sum())
            assert (batch.labels[i, n:] == IGNORE).all()
            found[index] = batch.inputs["input_ids"][i, :n].tolist(), batch.labels[i, :n].tolist()
    return [found[i] for i in range(len(paragraphs))]


def test_fifteen_percent_and_at_least_one_sub_word_are_hidden(encoder):
    tokenizer = models.load_tokenizer(encoder)
    rows = masked(encoder)
    assert [sum(label != IGNORE for label in labels) for _, labels in rows] == [1, 1, 3, 1]
    for paragraph, (ids, labels) in zip(PARAGRAPHS, rows, strict=True):
        assert [tokenizer.mask_token_id == token for token in ids] == [label != IGNORE for label in labels]
        whole = [token if label == IGNORE else label for token, label in zip(ids, labels, strict=True)]
        assert whole == tokenizer(paragraph)["input_ids"]
        assert labels[0] == labels[-1] == IGNORE  # [CLS] and [SEP] are there to be seen


def test_what_is_hidden_depends_on_the_seed_and_the_paragraph_only(encoder):
    rows = masked(encoder)
    assert masked(encoder, batch_size=1) == rows
    assert masked(encoder, PARAGRAPHS[::-1]) == rows[::-1]
    torch.manual_seed(7)
    assert masked(encoder) == rows
    assert any(masked(encoder, seed=seed)[2] != rows[2] for seed in (1, 2))
    many = [" ".join(f"w{(i * j) % 24}" for j in range(1, 11)) for i in range(200)]
    places = [place for _, labels in masked(encoder, many) for place, label in enumerate(labels) if label != IGNORE]
    counts = [places.count(place) for place in range(1, 11)]
    assert sum(counts) == 400 and min(counts) > 20  # expected 40 each, standard deviation 6


def test_a_long_paragraph_loses_its_end(encoder):
    ids, labels = masked(encoder, max_length=9)[2]
    assert len(ids) == 9 and sum(label != IGNORE for label in labels) == 1


def test_the_shipped_encoder_knows_its_own_text():
    """Its head was pretrained, and the text is what it was pretrained on."""
    model, tokenizer = mlm.load("mini"), models.load_tokenizer("mini")
    right = total = 0
    for batch in mlm.batches(model, tokenizer, read(["en"], 64, model="mini").paragraphs, max_length=64, batch_size=32):
        with torch.no_grad():
            guess = model(**batch.inputs).logits.argmax(-1)
        right += int((guess == batch.labels).sum())
        total += batch.units
    assert right / total > 0.2  # one of 6,000 pieces by chance


def test_a_model_without_a_masked_lm_head_is_refused(encoder, tmp_path):
    t5 = str(save_family(tmp_path / "mt5", "mt5"))
    with pytest.raises(ModelError, match="mt5.*no masked language model.*'l2'.*'frechet'"):
        mlm.load(t5)
    mlm.load(encoder).bert.save_pretrained(tmp_path / "headless")
    with pytest.raises(ModelError, match="head was not saved"):
        mlm.load(str(tmp_path / "headless"))
    with pytest.raises(ModelError, match="no folder"):
        mlm.load("./nowhere")


def test_a_tokenizer_without_a_mask_or_a_paragraph_without_sub_words_is_refused(encoder):
    model, tokenizer = mlm.load(encoder), models.load_tokenizer(encoder)
    with pytest.raises(ModelError, match="makes no sub-word of paragraph 1"):
        mlm.batches(model, tokenizer, ["w1", "\u200b"], max_length=9, batch_size=2)
    tokenizer.mask_token = None
    with pytest.raises(ModelError, match="no mask sub-word"):
        mlm.batches(model, tokenizer, ["w1"], max_length=9, batch_size=2)
