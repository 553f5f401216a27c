"""Models: what may be loaded, what is refused and in which words, and where new weights come from."""

import json
import shutil

import pytest
import torch
from tiny import save_encoder
from transformers import BertConfig, BertForSequenceClassification, RobertaConfig, RobertaForSequenceClassification

from xlgen import models
from xlgen.errors import ModelError


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


def test_a_fine_tuned_model_comes_back_exactly_and_a_bare_encoder_is_refused(encoder, tmp_path):
    model = models.load_classifier(str(encoder), 3, seed=0)
    model.save_pretrained(tmp_path / "tuned")
    again = models.load_finetuned(str(tmp_path / "tuned"), 3)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    assert again.config._attn_implementation == "eager"
    with pytest.raises(ModelError, match="fine-tuned on the task"):
        models.load_finetuned(str(encoder), 3)
    with pytest.raises(ModelError, match="classifier with 2 classes"):
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
    assert "cannot be loaded" in refusal(encoder)


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

    def download(name, *, local_files_only, **_):
        state["asked"].append(local_files_only)
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
