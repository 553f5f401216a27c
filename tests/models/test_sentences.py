"""Folders of sentence-transformers: the encoder is found, and how it makes vectors is obeyed or refused."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from tiny import FAMILIES, config, options, save_family, save_sentences
from transformers import AutoModel

from xlgen import models
from xlgen.core.errors import ModelError
from xlgen.fisher import of_text
from xlgen.measures import measuring
from xlgen.models.sentences import E5, SENTENCES, Sentences, loss_of, sentences_of, unlisted
from xlgen.training import runs

torch.set_num_threads(1)

ENCODERS = [family for family in FAMILIES if family != "mt5"]


@pytest.fixture
def folder(tmp_path):
    return save_sentences(tmp_path / "model")


def edit(path, **changes):
    found = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(found | changes))


@pytest.mark.parametrize("below", ["", "0_Transformer"])
@pytest.mark.parametrize("family", ENCODERS)
def test_the_encoder_is_that_of_the_folder_and_its_pooling_adds_nothing(tmp_path, family, below):
    folder = save_sentences(tmp_path / "model", family, below)
    inner = folder / below
    stored = load_file(inner / "model.safetensors")
    assert models.locate(str(folder)) == inner
    model = models.load_classifier(str(folder), 3, seed=0)
    encoder = getattr(model, model.base_model_prefix)
    own = {name: w for name, w in encoder.named_parameters() if "pooler" not in name}
    assert len(own) > 20 and all(torch.equal(w, stored[name]) for name, w in own.items())
    tokenizer = models.load_tokenizer(str(folder))
    whole = AutoModel.from_pretrained(inner).eval()
    inputs = tokenizer("w3 w11 w2", return_tensors="pt")
    kept = {key: value for key, value in inputs.items() if key in ("input_ids", "attention_mask")}
    with torch.no_grad():
        states = (each(**kept).last_hidden_state for each in (encoder.eval(), whole))
        torch.testing.assert_close(*states, rtol=0, atol=1e-6)


@pytest.mark.parametrize("below", ["", "0_Transformer"])
def test_a_folder_of_sentences_is_trained_stored_and_measured(tmp_path, toy_tasks, below):
    folder = save_sentences(tmp_path / "model", "xlm-roberta", below)
    run = runs.run(config(folder, epochs=1), options(tmp_path))
    wanted = measuring.MeasureConfig(("accuracy", "frechet"), settings={"frechet": {"folds": 2}})
    found = measuring.measure(run, wanted, options(tmp_path))
    assert 0 <= found["accuracy"]["xx"].value <= 1 and found["frechet"]["xx"].value > 0


def test_where_the_encoder_lies_is_no_part_of_what_it_is(tmp_path):
    old = save_sentences(tmp_path / "old", below="0_Transformer")
    inner = shutil.copytree(old / "0_Transformer", tmp_path / "inner")
    assert models.fingerprint(str(old)) == models.fingerprint(str(inner))


def test_an_encoder_without_its_decoder_is_refused(tmp_path):
    import transformers

    folder = save_sentences(tmp_path / "model", "mt5")
    whole = models.load_classifier(str(folder), 3, seed=0)
    assert type(whole).__name__ == "MT5ForSequenceClassification"
    encoder = transformers.MT5EncoderModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    encoder.save_pretrained(folder)
    with pytest.raises(ModelError, match="only .* of .* weights|lacks"):
        models.load_classifier(str(folder), 3, seed=0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[", "cannot be read"),
        ("{}", "no list of modules"),
        ("[]", "no list of modules"),
        ('[{"idx": 0}]', "names None"),
        ('[{"path": "../elsewhere"}]', "names '../elsewhere'"),
        ('[{"path": ".."}]', "names '..'"),
        ('[{"path": "0_Transformer"}]', "lacks the folder 0_Transformer"),
    ],
)
def test_a_bad_description_is_refused(folder, content, said):
    (folder / "modules.json").write_text(content)
    with pytest.raises(ModelError, match=said):
        models.locate(str(folder))


def test_a_tokenizer_that_keeps_capitals_is_refused_where_texts_were_lower_cased(folder):
    edit(folder / "tokenizer_config.json", do_lower_case=True)
    edit(folder / "sentence_bert_config.json", do_lower_case=True)
    models.locate(str(folder))
    edit(folder / "tokenizer_config.json", do_lower_case=False)
    with pytest.raises(ModelError, match="keeps capitals"):
        models.locate(str(folder))


def test_which_loss_an_encoder_was_trained_with(folder, tmp_path, monkeypatch):
    assert loss_of(str(folder)) == "contrastive" and loss_of("mini") == "mlm"
    assert loss_of(str(save_family(tmp_path / "plain", "bert"))) == "mlm"
    assert loss_of("e5-small") == loss_of("minilm-en") == "contrastive"  # without the packages, too
    assert sentences_of("intfloat/multilingual-e5-base") == E5 == Sentences("query: ", 0.01)
    assert SENTENCES["minilm-en"] == sentences_of(str(folder)) == Sentences("", 0.05)
    with pytest.raises(ModelError, match="no folder"):
        loss_of("./absent")


def test_the_prompt_that_texts_begin_with_is_the_folders(folder):
    prompts = {"query": "query: ", "passage": "passage: "}
    edit(folder / "config_sentence_transformers.json", prompts=prompts)
    assert sentences_of(str(folder)).prefix == ""
    edit(folder / "config_sentence_transformers.json", default_prompt_name="passage")
    assert sentences_of(str(folder)).prefix == "passage: "


@pytest.mark.parametrize("modes", [["mean"], "mean"])
def test_the_pooling_may_be_written_the_new_way(folder, modes):
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"embedding_dimension": 16, "pooling_mode": modes}))
    assert sentences_of(str(folder)) == Sentences("", 0.05)


def test_vectors_that_are_made_otherwise_are_refused(folder):
    pooling = folder / "1_Pooling" / "config.json"
    edit(pooling, pooling_mode_cls_token=True, pooling_mode_mean_tokens=False)
    with pytest.raises(ModelError, match="by cls_token|by cls"):
        sentences_of(str(folder))
    pooling.write_text("7")
    with pytest.raises(ModelError, match="no settings by name"):
        sentences_of(str(folder))
    pooling.unlink()
    with pytest.raises(ModelError, match="has no 1_Pooling/config.json"):
        sentences_of(str(folder))
    modules = json.loads((folder / "modules.json").read_text())
    dense = modules[0] | {"path": "3_Dense", "type": "sentence_transformers.models.Dense"}
    (folder / "modules.json").write_text(json.dumps([*modules, dense]))
    with pytest.raises(ModelError, match="pass through Dense"):
        sentences_of(str(folder))


@pytest.mark.parametrize(
    ("pooling", "said"),
    [
        ({}, "by nothing"),
        ({"pooling_mode": None}, "is None"),
        ({"pooling_mode": 3}, "is 3"),
        ({"pooling_mode": [[]]}, "is"),
    ],
)
def test_a_pooling_that_says_nothing_is_not_the_mean(folder, pooling, said):
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    with pytest.raises(ModelError, match=said):
        sentences_of(str(folder))


@pytest.mark.parametrize(
    "settings",
    [
        {"prompts": ["a"], "default_prompt_name": "q"},
        {"prompts": {"q": None}, "default_prompt_name": "q"},
        {"prompts": {"q": "x"}, "default_prompt_name": ["q"]},
        {"prompts": {"q": "x"}, "default_prompt_name": "other"},
    ],
)
def test_prompts_of_wrong_kinds_are_refused(folder, settings):
    edit(folder / "config_sentence_transformers.json", **settings)
    with pytest.raises(ModelError, match="config_sentence_transformers.json"):
        sentences_of(str(folder))


def test_what_names_in_the_store_have_to_say_of_an_encoder(folder, tmp_path):
    assert unlisted("e5-small") == unlisted("minilm-en") == unlisted("mini") == []
    assert unlisted(str(folder)) == [{"prefix": "", "temperature": 0.05}]
    edit(folder / "config_sentence_transformers.json", prompts={"q": "query: "}, default_prompt_name="q")
    assert unlisted(str(folder)) == [{"prefix": "query: ", "temperature": 0.05}]


def test_another_prompt_is_another_fisher_information_and_another_run(tmp_path, toy_tasks):
    """The prompt of an encoder that lies one folder below is in a file that its fingerprint does not cover."""
    folder = save_sentences(tmp_path / "model", below="0_Transformer")
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "en-fr.tsv").write_text("".join(f"w{i} w{i + 1}\tw{i + 2} w{i}\n" for i in range(12)))
    where = options(tmp_path, text_dir=tmp_path / "text")
    wanted = config(folder, objective="ewc", hyper={"examples": 6})
    prompts, pooling = folder / "config_sentence_transformers.json", folder / "1_Pooling" / "config.json"
    text = of_text.read(str(folder), ["fr"], 6, where)
    found = set()
    for prefix in ("", "w7 "):
        edit(prompts, prompts={"q": prefix}, default_prompt_name="q")
        stored = of_text.of_text(str(folder), text, of_text.Settings(24), where)
        found.add((stored.folder.name, runs.resolve(wanted, where).hash))
    assert len({name for name, _ in found}) == len({key for _, key in found}) == 2
    edit(pooling, pooling_mode_cls_token=True, pooling_mode_mean_tokens=False)
    with pytest.raises(ModelError, match="by cls"):  # also where the store has one of the same weights
        of_text.of_text(str(folder), text, of_text.Settings(24), where)
