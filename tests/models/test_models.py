"""Models: what may be loaded, what is refused and in which words, and where new weights come from."""

import io
import json
import shutil
import sys

import pytest
import torch
from tiny import FAMILIES, WORDS, save_encoder, save_family
from transformers import BertConfig, BertForSequenceClassification, RobertaConfig, RobertaForSequenceClassification

from xlgen import models
from xlgen.core.errors import ModelError
from xlgen.data import encode
from xlgen.data.read_pairs import Rows
from xlgen.models.catalogue import MODELS
from xlgen.training.presets import config_for


@pytest.fixture
def encoder(tmp_path):
    return save_encoder(tmp_path / "encoder")


def weights(model):
    return {name: w.detach().clone() for name, w in model.named_parameters()}


def test_new_weights_come_from_the_seed_and_from_nothing_else(encoder):
    torch.manual_seed(1)
    first = weights(models.load_classifier(str(encoder), 3, seed=5))
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = weights(models.load_classifier(str(encoder), 3, seed=5))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = weights(models.load_classifier(str(encoder), 3, seed=6))
    changed = {name for name in first if not torch.equal(first[name], other[name])}
    assert changed == {"classifier.weight", "bert.pooler.dense.weight"}


def test_the_encoder_is_the_pretrained_one_in_float32(encoder):
    from safetensors.torch import load_file, save_file

    saved = load_file(encoder / "model.safetensors")
    save_file({k: v.half() for k, v in saved.items()}, encoder / "model.safetensors", {"format": "pt"})
    settings = json.loads((encoder / "config.json").read_text())
    (encoder / "config.json").write_text(json.dumps(settings | {"dtype": "float16"}))
    model = models.load_classifier(str(encoder), 3, seed=0)
    assert {w.dtype for w in model.parameters()} == {torch.float32}
    key = "bert.encoder.layer.0.output.dense.weight"
    assert torch.equal(dict(model.named_parameters())[key], saved[key].half().float())
    assert not model.training


def test_eager_attention_can_be_differentiated_twice(encoder):
    model = models.load_classifier(str(encoder), 3, seed=0, eager=True)
    ids = torch.tensor([[2, 6, 7, 3]])
    loss = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.square().sum()
    weight = model.bert.encoder.layer[0].attention.self.query.weight
    (gradient,) = torch.autograd.grad(loss, weight, create_graph=True)
    assert torch.autograd.grad(gradient.square().sum(), weight)[0].abs().sum() > 0


def test_dropout_reaches_every_dropout_module_or_none(encoder):
    def rates(**settings):
        model = models.load_classifier(str(encoder), 3, seed=0, **settings)
        return {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)}

    assert rates() == {0.1}
    assert rates(dropout=0.0) == {0.0}
    assert rates(dropout=0.3) == {0.3}


def test_pretrained_weights_are_those_of_the_checkpoint_without_the_new_head(encoder):
    model = models.load_classifier(str(encoder), 3, seed=0)
    start = weights(model)
    with torch.no_grad():
        for w in model.parameters():
            w.add_(1.0)
    reference = models.pretrained_weights(str(encoder), model)
    new = {"classifier.weight", "classifier.bias", "bert.pooler.dense.weight", "bert.pooler.dense.bias"}
    assert set(start) - set(reference) == new
    assert all(torch.equal(reference[name], start[name]) for name in reference)


def test_positions_for_bert_but_not_for_roberta():
    sizes = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, vocab_size=20)
    assert models.takes_position_ids(BertForSequenceClassification(BertConfig(**sizes)))
    assert not models.takes_position_ids(RobertaForSequenceClassification(RobertaConfig(**sizes)))


TEXTS = (["w3 w21", "w1"], ["w10", "w2 w2 w2 w2"])


@pytest.mark.parametrize("kind", ["sequence", "token"])
@pytest.mark.parametrize("family", FAMILIES)
def test_explicit_positions_are_what_the_model_would_take_by_itself(tmp_path, family, kind):
    folder = str(save_family(tmp_path, family))
    model, tokenizer = models.load_classifier(folder, 3, seed=0, kind=kind), models.load_tokenizer(folder)
    encoded = encode.encode(Rows(*map(tuple, TEXTS), (0, 1)), tokenizer, 24, None, models.takes_position_ids(model))
    (batch,) = encoded.batches(2)
    assert ("position_ids" in batch.inputs) == (family in ("bert", "xlm"))
    bare = {key: x for key, x in batch.inputs.items() if key != "position_ids"}
    with torch.no_grad():
        assert torch.equal(model(**batch.inputs).logits, model(**bare).logits)
    shape = (2, 3) if kind == "sequence" else (*batch.inputs["input_ids"].shape, 3)
    assert model(**bare).logits.shape == shape


@pytest.mark.parametrize("family", FAMILIES)
def test_pairs_are_encoded_as_by_the_tokenizer_with_segments_where_the_model_has_them(tmp_path, family):
    tokenizer = models.load_tokenizer(str(save_family(tmp_path, family)))
    encoded = encode.encode(Rows(*map(tuple, TEXTS), (0, 1)), tokenizer, 24)
    expected = tokenizer(*TEXTS)["input_ids"]
    assert encoded.tokens.tolist() == sum(expected, [])
    assert (encoded.types is not None) == (family == "bert")
    (batch,) = encode.encode(Rows(*map(tuple, TEXTS), (0, 1)), tokenizer, 8).batches(2)
    assert batch.inputs["input_ids"].shape == (2, 8)


def test_xlm_takes_segment_numbers_for_words_and_gets_none(tmp_path):
    folder = str(save_family(tmp_path, "xlm"))
    model, tokenizer = models.load_classifier(folder, 3, seed=0), models.load_tokenizer(folder)
    inputs = dict(tokenizer(*TEXTS, padding=True, return_tensors="pt"))
    assert {*inputs} == {"input_ids", "attention_mask"}
    with torch.no_grad():
        wrong = model(**inputs, token_type_ids=torch.zeros_like(inputs["input_ids"])).logits
        assert not torch.allclose(wrong, model(**inputs).logits)


def test_the_fingerprint_of_xlms_tokenizer_follows_its_words_and_rules(tmp_path):
    def fingerprint(change=lambda folder: None):
        folder = save_family(tmp_path / "xlm", "xlm")
        change(folder)
        return encode.fingerprint(models.load_tokenizer(str(folder)))

    def fewer_merges(folder):
        (folder / "merges.txt").write_text("w 1\nw 2\n")

    def other_words(folder):
        (folder / "vocab.json").write_text((folder / "vocab.json").read_text().replace('"w2"', '"w3"'))

    found = [fingerprint(), fingerprint(), fingerprint(fewer_merges), fingerprint(other_words)]
    assert found[0] == found[1] and len({*found}) == 3


def test_mt5_reads_sentencepieces_own_file_as_sentencepiece_does(tmp_path):
    import sentencepiece

    folder, written = save_family(tmp_path, "mt5"), io.BytesIO()
    (folder / "tokenizer.json").unlink()
    texts = [" ".join(WORDS[i * j % 24] for j in range(8)) for i in range(40)]
    ids = dict(pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=written, vocab_size=24, hard_vocab_limit=False, minloglevel=2, **ids
    )
    (folder / "spiece.model").write_bytes(written.getvalue())
    (folder / "tokenizer_config.json").write_text(json.dumps({"extra_ids": 0, "tokenizer_class": "T5Tokenizer"}))
    tokenizer = models.load_tokenizer(str(folder))
    original = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    for text in texts[1:4]:
        assert tokenizer(text)["input_ids"] == [*original.encode(text), 1]


def test_in_mt5_every_row_of_a_batch_of_pairs_ends_both_texts(tmp_path):
    tokenizer = models.load_tokenizer(str(save_family(tmp_path, "mt5")))
    rows = Rows(("w1", "w1 w2 w3 w4 w5 w6 w7", "w1"), ("w2", "w3", "w1 w2 w3 w4 w5 w6 w7 w8 w9"), (0, 1, 2))
    (batch,) = encode.encode(rows, tokenizer, 12).batches(3)
    assert (batch.inputs["input_ids"] == tokenizer.eos_token_id).sum(dim=1).tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("family", "module", "package"),
    [
        ("xlm", "sacremoses", "sacremoses"),
        ("mt5", "google.protobuf", "protobuf"),
    ],
)
def test_a_missing_package_is_named(tmp_path, monkeypatch, family, module, package):
    folder = save_family(tmp_path, family)
    if family == "mt5":
        (folder / "tokenizer.json").rename(folder / "spiece.model")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModelError, match=f"needs {package}; install it with `pip install {package}`.*families"):
        models.load_tokenizer(str(folder))


def test_the_settings_of_an_encoder_are_found_by_either_of_its_names():
    for name, row in MODELS.items():
        for spelling in filter(None, (name, row.hub)):
            found = config_for("small", model=spelling)
            assert found.model == spelling
            assert {key: getattr(found, key) for key in row.settings} == dict(row.settings)
    large, mt5 = MODELS["xlm-roberta-large"].settings, MODELS["google/mt5-small"].settings
    assert large["lr"] == 3e-5 and mt5["optimizer"] == "adafactor"
    assert {"roberta-base", "xlm-mlm-en-2048", "xlm-roberta-base", "bert-base-multilingual-cased"} <= {*MODELS}


def test_a_tuning_brings_its_learning_rate_unless_another_is_asked_for():
    assert config_for("small").lr == config_for("small", tuning="full").lr == 2e-5
    assert config_for("small", tuning="adapter", bottleneck=8).lr == 1e-3
    assert config_for("small", tuning="prompt").lr == 1e-2
    assert config_for("small", tuning="bitfit", lr=3e-4).lr == 3e-4


def test_a_fine_tuned_model_comes_back_exactly_and_a_bare_encoder_is_refused(encoder, tmp_path):
    model = models.load_classifier(str(encoder), 3, seed=0)
    model.save_pretrained(tmp_path / "tuned")
    again = models.load_finetuned(str(tmp_path / "tuned"), 3)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    assert again.config._attn_implementation == "eager"
    with pytest.raises(ModelError, match="fine-tuned on the task"):
        models.load_finetuned(str(encoder), 3)
    with pytest.raises(ModelError, match="has a head of 3 classes .LABEL_0, LABEL_1, LABEL_2., and the task 2"):
        models.load_finetuned(str(tmp_path / "tuned"), 2)


def test_the_tokenizer_must_belong_to_the_model(encoder):
    assert models.load_tokenizer(str(encoder)).tokenize("w3 w21") == ["w3", "w21"]
    settings = json.loads((encoder / "config.json").read_text())
    (encoder / "config.json").write_text(json.dumps(settings | {"vocab_size": 10}))
    with pytest.raises(ModelError, match="75 sub-words, the model only 10"):
        models.load_tokenizer(str(encoder))
    for path in [*encoder.glob("tokenizer*"), *encoder.glob("vocab*")]:
        path.unlink()
    with pytest.raises(ModelError, match="no tokenizer"):
        models.load_tokenizer(str(encoder))


def test_fingerprint_follows_the_contents_not_the_place(encoder, tmp_path):
    shutil.copytree(encoder, tmp_path / "copy")
    assert models.fingerprint(str(encoder)) == models.fingerprint(str(tmp_path / "copy"))
    (tmp_path / "copy" / "README.md").write_text("not part of the model")
    assert models.fingerprint(str(encoder)) == models.fingerprint(str(tmp_path / "copy"))
    save_encoder(tmp_path / "copy", seed=1)
    assert models.fingerprint(str(encoder)) != models.fingerprint(str(tmp_path / "copy"))


def refusal(name):
    with pytest.raises(ModelError) as caught:
        models.load_classifier(str(name), 3, seed=0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_bad_folders_are_refused_in_one_line(encoder, tmp_path):
    assert "no folder" in refusal(tmp_path / "absent")
    assert "no folder" in refusal("./absent")
    (tmp_path / "empty").mkdir()
    assert "no config.json" in refusal(tmp_path / "empty")

    (tmp_path / "pickled").mkdir()
    shutil.copy(encoder / "config.json", tmp_path / "pickled")
    torch.save({}, tmp_path / "pickled" / "pytorch_model.bin")
    assert "pickled weights are refused" in refusal(tmp_path / "pickled")

    (encoder / "model.safetensors").write_bytes(b"not safetensors")
    assert "are damaged or not complete" in refusal(encoder)


def test_a_checkpoint_of_another_architecture_is_not_taken_for_a_random_one(encoder):
    from safetensors.torch import load_file, save_file

    renamed = {f"other.{name}": weight for name, weight in load_file(encoder / "model.safetensors").items()}
    save_file(renamed, encoder / "model.safetensors", {"format": "pt"})
    assert "only 0 of" in refusal(encoder)


def test_code_that_comes_with_a_model_is_not_run(encoder, tmp_path):
    settings = json.loads((encoder / "config.json").read_text())
    custom = {"auto_map": {"AutoConfig": "evil.Config"}, "model_type": "evil"}
    (encoder / "config.json").write_text(json.dumps(settings | custom))
    (encoder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    refusal(encoder)
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def hub(monkeypatch):
    """Answer in place of the hub; returns a function that sets what happens online."""
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    state = {"online": LocalEntryNotFoundError("Got: ConnectError: no route\nmore"), "cached": None, "asked": []}
    state["names"] = []

    def download(name, *, local_files_only, **_):
        state["asked"].append(local_files_only)
        state["names"].append((name, local_files_only))
        answer = state["cached"] if local_files_only else state["online"]
        if answer is None:
            raise LocalEntryNotFoundError("not cached")
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return state


def test_without_a_connection_the_message_says_what_to_do(hub):
    message = refusal("bert-base-multilingual-casd")
    assert "no connection to the hub" in message and "HF_HOME" in message and "'mini'" in message
    assert "Did you mean 'bert-base-multilingual-cased'?" in message


def test_a_wrong_name_is_told_from_no_connection(hub):
    from huggingface_hub.errors import RepositoryNotFoundError

    hub["online"] = RepositoryNotFoundError.__new__(RepositoryNotFoundError)
    assert "the hub shows no such model" in refusal("nobody/nothing")


def test_the_cache_is_used_without_asking_the_hub(hub, encoder):
    hub["cached"] = encoder
    assert models.load_classifier("some/model", 3, seed=0).num_labels == 3
    assert set(hub["asked"]) == {True}


def test_an_incomplete_cache_is_completed(hub, encoder, tmp_path):
    (tmp_path / "partial").mkdir()
    shutil.copy(encoder / "config.json", tmp_path / "partial")
    hub["cached"], hub["online"] = tmp_path / "partial", encoder
    assert models.locate("some/model") == encoder


def test_a_model_is_looked_for_under_all_its_names_and_downloaded_under_the_hubs(hub, encoder):
    hub["online"] = encoder
    new, old = "FacebookAI/xlm-roberta-base", "xlm-roberta-base"
    for name in (new, old):
        hub["names"].clear()
        assert models.locate(name) == encoder
        assert {(old, True), (new, True)} <= {*hub["names"]} and hub["names"][-1] == (new, False)
        assert (old, False) not in hub["names"]
