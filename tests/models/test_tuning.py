"""Tuning methods: what each one computes, what it trains, and that a stored model is the one that was trained."""

import copy
import warnings

import pytest
import torch
from tiny import FAMILIES, save_family
from torch.nn import functional as F

from xlgen import models
from xlgen.core.errors import ConfigError, ModelError, UnknownName
from xlgen.models import tuning

HYPER = {"full": {}, "bitfit": {}, "adapter": {"bottleneck": 3}, "prompt": {"tokens": 4}}
KINDS = ("sequence", "token")
TEXTS = (["w3 w21", "w1"], ["w10", "w2 w2 w2 w2"])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("families")
    return {family: str(save_family(root / family, family)) for family in FAMILIES}


@pytest.fixture
def load(folders):
    def load(family, method="full", kind="sequence", seed=0, **hyper):
        settings = dict(tuning=method, tuning_hyper=HYPER[method] | hyper)
        return models.load_classifier(folders[family], 3, seed=seed, kind=kind, **settings)

    return load


@pytest.fixture
def batch(folders):
    def batch(family, texts=TEXTS):
        inputs = dict(models.load_tokenizer(folders[family])(*texts, padding=True, return_tensors="pt"))
        if family in ("bert", "xlm"):
            inputs["position_ids"] = torch.arange(inputs["input_ids"].shape[1]).repeat(len(texts[0]), 1)
        return inputs

    return batch


def applies(family, method):
    return (family, method) != ("mt5", "bitfit")


def logits(model, inputs):
    with torch.no_grad():
        return model(**inputs).logits


@torch.no_grad()
def shaken(model, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for p in model.parameters():
        p.add_(torch.randn(p.shape, generator=generator) / 10)
    return model


def trained(model):
    return {name for name, p in model.named_parameters() if p.requires_grad}


# --- what is trained ---


def test_full_trains_everything_and_bitfit_the_biases_and_what_is_new(load):
    assert trained(load("bert")) == {name for name, _ in load("bert").named_parameters()}
    model = load("bert", "bitfit")
    biases = {name for name, p in model.named_parameters() if name.endswith(".bias")}
    assert "bert.encoder.layer.1.output.LayerNorm.bias" in biases
    assert trained(model) == biases | {"classifier.weight", "bert.pooler.dense.weight"}


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "mt5"])
def test_bitfit_trains_one_vector_for_each_layer_with_a_bias(load, family):
    model = load(family, "bitfit", kind="token")
    layers = [m for m in model.base_model.modules() if getattr(m, "bias", None) is not None]
    sizes = sum(m.bias.numel() for m in layers) + sum(p.numel() for _, p in tuning.head(model))
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == sizes


def test_a_pretrained_pooler_is_frozen_and_a_new_one_trained(load, tmp_path):
    pooler = {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}
    model = load("bert", "adapter")
    assert pooler <= trained(model)
    load("bert").save_pretrained(tmp_path)
    model = models.load_classifier(str(tmp_path), 3, seed=0, tuning="adapter")
    assert not pooler & trained(model)
    assert {"classifier.weight", "classifier.bias"} <= trained(model)
    model = models.load_classifier(str(tmp_path), 3, seed=0, tuning="bitfit")
    assert pooler & trained(model) == {"bert.pooler.dense.bias"}


@pytest.mark.parametrize(
    ("family", "places"), [("bert", 4), ("roberta", 4), ("xlm-roberta", 4), ("xlm", 4), ("mt5", 10)]
)
def test_adapters_add_two_bottlenecks_a_layer_and_train_the_layer_norms(load, family, places):
    d, m = 16, 3
    model, plain = load(family, "adapter"), load(family)
    old = {name for name, _ in plain.named_parameters()}
    new = {name: p for name, p in model.named_parameters() if name not in old}
    assert sum(p.numel() for p in new.values()) == places * (2 * m * d + m + d)
    heads = {name for name, _ in tuning.head(model)}
    norms = {name for name in old if "norm" in name.lower()}
    fresh = {name for name in old if "pooler" in name}
    assert trained(model) == {*new} | norms | heads | fresh
    assert norms


def test_the_head_is_trained_by_every_method_in_every_family(load):
    for family in FAMILIES:
        for method in filter(lambda method: applies(family, method), HYPER):
            for kind in KINDS:
                model = load(family, method, kind)
                heads = {name for name, _ in tuning.head(model)}
                assert heads and heads <= trained(model)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_prompt_trains_its_vectors_and_what_is_new(load, family):
    model = load(family, "prompt", kind="token")
    (vectors,) = (name for name in trained(model) if name.endswith("soft_prompt.embedding.weight"))
    assert trained(model) == {vectors} | {name for name, _ in tuning.head(model)}


# --- adapters ---


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_training_of_adapters_starts_from_exactly_the_pretrained_model(load, batch, family, kind):
    inputs = batch(family)
    assert torch.equal(logits(load(family, "adapter", kind), inputs), logits(load(family, "full", kind), inputs))


def bottleneck(layer, h):
    down = h @ layer.down.weight.T + layer.down.bias
    return h + F.gelu(down) @ layer.up.weight.T + layer.up.bias


def test_an_adapter_stands_before_the_residual_connection_and_the_layer_norm(load):
    model = shaken(load("bert", "adapter"))
    h, x = torch.randn(2, 5, 16), torch.randn(2, 5, 16)
    for part in (model.bert.encoder.layer[0].attention.output, model.bert.encoder.layer[1].output):
        given = h if part.dense.in_features == 16 else h.repeat(1, 1, 2)
        expected = part.LayerNorm(bottleneck(part.dropout.adapter, part.dense(given)) + x)
        assert torch.allclose(part(given, x), expected, atol=1e-6)


def test_an_adapter_in_mt5_stands_before_the_residual_connection_in_every_sublayer(load):
    model = shaken(load("mt5", "adapter"))
    h = torch.randn(2, 5, 16)
    attention, cross, forward = model.transformer.decoder.block[1].layer
    for part, inner in ((attention, "SelfAttention"), (cross, "EncDecAttention")):
        given = {"key_value_states": h} if part is cross else {}
        out = getattr(part, inner)(part.layer_norm(h), **given)[0]
        assert torch.allclose(part(h, **given)[0], h + bottleneck(part.dropout.adapter, out), atol=1e-6)
    out = forward.DenseReluDense(forward.layer_norm(h))
    assert torch.allclose(forward(h), h + bottleneck(forward.dropout.adapter, out), atol=1e-6)


def test_an_adapter_in_xlm_stands_before_the_residual_connection(load, batch):
    """The first layer by hand, from the inputs of its attention to its output."""
    model, inputs = shaken(load("xlm", "adapter")), batch("xlm")
    base, seen = model.transformer, {}
    base.attentions[0].q_lin.register_forward_hook(lambda _, args, __: seen.update(x=args[0]))
    base.attentions[0].out_lin.register_forward_hook(lambda _, __, out: seen.update(attended=out))
    base.attentions[1].q_lin.register_forward_hook(lambda _, args, __: seen.update(out=args[0]))
    logits(model, inputs)
    h = base.layer_norm1[0](seen["x"] + bottleneck(base.attentions[0].adapter, seen["attended"]))
    out = base.ffns[0].lin2(F.gelu(base.ffns[0].lin1(h)))
    h = base.layer_norm2[0](h + bottleneck(base.ffns[0].adapter, out)) * inputs["attention_mask"][..., None]
    assert torch.allclose(seen["out"], h, atol=1e-5)


def test_a_bottleneck_starts_near_zero_and_does_not_stand_still(load):
    adapter = load("bert", "adapter", bottleneck=64).bert.encoder.layer[0].output.dropout.adapter
    assert adapter.down.weight.abs().max() <= 0.02
    assert 0.005 < adapter.down.weight.std() < 0.015
    h = torch.randn(7, 16)
    adapter(h).square().sum().backward()
    assert adapter.up.weight.grad.abs().sum() > 0


# --- soft prompts ---


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "xlm"])
def test_a_prompt_of_word_embeddings_is_a_text_that_starts_with_these_words(load, batch, family, kind):
    words = torch.tensor([[5, 6, 7, 8]])
    model, inputs = load(family, "prompt", kind), batch(family)
    plain = load(family, "full", kind)
    table = model.base_model.get_input_embeddings().weight
    with torch.no_grad():
        model.base_model.soft_prompt.embedding.weight.copy_(table[words[0]])
    longer = {"input_ids": torch.cat([words.expand(2, -1), inputs["input_ids"]], 1)}
    longer["attention_mask"] = F.pad(inputs["attention_mask"], (4, 0), value=1)
    if "token_type_ids" in inputs:
        longer["token_type_ids"] = F.pad(inputs["token_type_ids"], (4, 0))
    expected = logits(plain, longer)
    real = inputs["attention_mask"].bool()
    found = logits(model, inputs)
    if kind == "token":
        assert found.shape == (*inputs["input_ids"].shape, 3)
        found, expected = found[real], expected[:, 4:][real]
    assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_in_mt5_the_prompt_goes_to_the_encoder_and_the_decoder_attends_to_it(load, batch, kind):
    words = torch.tensor([[5, 6, 7, 8]])
    model, plain, inputs = load("mt5", "prompt", kind), load("mt5", "full", kind), batch("mt5")
    encoder = model.transformer.encoder
    with torch.no_grad():
        encoder.soft_prompt.embedding.weight.copy_(encoder.embed_tokens.weight[words[0]])
    ids = torch.cat([words.expand(2, -1), inputs["input_ids"]], 1)
    mask = F.pad(inputs["attention_mask"], (4, 0), value=1)
    if kind == "token":
        real = inputs["attention_mask"].bool()
        found = logits(model, inputs)
        assert torch.allclose(
            found[real], logits(plain, dict(input_ids=ids, attention_mask=mask))[:, 4:][real], atol=1e-6
        )
        return
    with torch.no_grad():
        encoded = plain.transformer.encoder(input_ids=ids, attention_mask=mask)
    longer = dict(input_ids=inputs["input_ids"], attention_mask=mask, encoder_outputs=encoded)
    assert torch.allclose(logits(model, inputs), logits(plain, longer), atol=1e-6)


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta"])
def test_where_peft_wraps_rightly_its_logits_are_the_same(load, batch, family):
    from peft import PromptTuningConfig, get_peft_model

    for kind, task in (("sequence", "SEQ_CLS"), ("token", "TOKEN_CLS")):
        model, inputs = load(family, "prompt", kind), batch(family)
        wrapped = get_peft_model(load(family, "full", kind), PromptTuningConfig(task_type=task, num_virtual_tokens=4))
        with torch.no_grad():
            ours = model.base_model.soft_prompt.embedding.weight
            wrapped.prompt_encoder["default"].embedding.weight.copy_(ours)
        expected = logits(wrapped.eval(), {key: x for key, x in inputs.items() if key != "position_ids"})
        expected = expected[:, 4:] if kind == "token" else expected
        assert torch.allclose(logits(model, inputs), expected, atol=1e-6)


@pytest.mark.parametrize("method", ["full", "adapter", "prompt"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_padding_changes_nothing(load, batch, family, kind, method):
    model, inputs = shaken(load(family, method, kind)), batch(family)
    together = logits(model, inputs)
    for row in range(2):
        n = int(inputs["attention_mask"][row].sum())
        alone = logits(model, {key: x[row : row + 1, :n] for key, x in inputs.items()})[0]
        assert torch.allclose(alone, together[row, :n] if kind == "token" else together[row], atol=1e-5)


def test_a_prompt_keeps_explicit_positions_one_row_each_and_warns_of_nothing(load, batch):
    model, inputs, seen = load("bert", "prompt"), batch("bert"), {}
    embeddings = model.bert.embeddings
    embeddings.position_embeddings.register_forward_pre_hook(lambda _, args: seen.update(positions=args[0]))
    model.bert.soft_prompt.embedding.register_forward_pre_hook(lambda _, args: seen.update(prompt=args[0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logits(model, inputs)
    length = 4 + inputs["input_ids"].shape[1]
    assert torch.equal(seen["positions"], torch.arange(length).repeat(2, 1))
    assert seen["positions"].is_contiguous()
    assert torch.equal(seen["prompt"], torch.arange(4).repeat(2, 1)) and seen["prompt"].is_contiguous()
    spread = inputs | {"position_ids": inputs["position_ids"] * 2}
    assert not torch.equal(logits(model, inputs), logits(model, spread))


def test_a_prompt_starts_from_the_vocabulary_or_from_random_numbers(load):
    model = load("bert", "prompt")
    rows, table = model.bert.soft_prompt.embedding.weight, model.bert.embeddings.word_embeddings.weight
    assert all((table == row).all(dim=1).any() for row in rows)
    rows = load("bert", "prompt", from_vocabulary=False).bert.soft_prompt.embedding.weight
    assert not any((table == row).all(dim=1).any() for row in rows)


def test_a_text_is_shorter_by_the_prompt_where_positions_are_numbered(load, batch):
    assert models.longest_input(load("bert"), 128) == 32
    assert models.longest_input(load("roberta"), 128) == 32
    assert models.longest_input(load("xlm", "prompt"), 128) == 28
    assert models.longest_input(load("xlm-roberta", "prompt"), 128) == 28
    assert models.longest_input(load("bert", "prompt"), 24) == 24
    assert models.longest_input(load("mt5", "prompt"), 128) == 128
    for family in ("bert", "roberta", "xlm", "xlm-roberta"):
        model = load(family, "prompt")
        ids = torch.full((1, 28), 5)
        assert logits(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}).isfinite().all()
        with pytest.raises((IndexError, RuntimeError)):
            ids = torch.full((1, 29), 5)
            logits(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    with pytest.raises(ModelError, match="tokens=30 leaves room for 2 .*set tokens to at most 24"):
        models.longest_input(load("bert", "prompt", tokens=30), 128)


# --- randomness, storage, errors ---


@pytest.mark.parametrize("method", ["adapter", "prompt"])
def test_new_modules_come_from_the_seed_and_from_nothing_else(load, method):
    def weights(seed):
        return {name: p.detach() for name, p in load("bert", method, seed=seed).named_parameters()}

    torch.manual_seed(1)
    first, before = weights(5), torch.get_rng_state()
    second = weights(5)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = weights(6)
    assert any("adapter" in n or "prompt" in n for n in first if not torch.equal(first[n], other[n]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("family", "method"), [(f, m) for f in FAMILIES for m in HYPER if applies(f, m)])
def test_a_stored_model_is_the_one_that_was_trained(load, batch, folders, tmp_path, family, method, kind):
    model, inputs = shaken(load(family, method, kind)), batch(family)
    tokenizer = models.load_tokenizer(folders[family])
    models.save(model, tokenizer, tmp_path / "stored")
    again = models.load_finetuned(str(tmp_path / "stored"), 3, kind=kind, eager=False)
    assert torch.equal(logits(model, inputs), logits(again, inputs))
    assert not again.training and not any(module.training for module in again.modules())
    assert {name for name, _ in again.named_parameters()} == {name for name, _ in model.named_parameters()}
    reopened = models.load_tokenizer(str(tmp_path / "stored"))
    assert reopened(*TEXTS)["input_ids"] == tokenizer(*TEXTS)["input_ids"]
    assert reopened.model_input_names == tokenizer.model_input_names
    files = list((tmp_path / "stored").iterdir())
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".txt", ".model"}
    for path in files:
        contents = path.read_bytes()
        assert str(tmp_path).encode() not in contents and folders[family].encode() not in contents


@pytest.mark.parametrize("method", ["full", "bitfit"])
def test_what_inserts_nothing_is_stored_as_a_plain_model(load, batch, folders, tmp_path, method):
    from transformers import AutoModelForSequenceClassification

    model, inputs = shaken(load("bert", method)), batch("bert")
    models.save(model, models.load_tokenizer(folders["bert"]), tmp_path)
    assert "xlgen" not in (tmp_path / "config.json").read_text()
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert torch.equal(logits(model, inputs), logits(plain, inputs))


@pytest.mark.parametrize("method", ["adapter", "prompt"])
def test_a_stored_model_without_its_inserted_weights_is_refused(load, folders, tmp_path, method):
    from safetensors.torch import load_file, save_file

    models.save(load("bert", method), models.load_tokenizer(folders["bert"]), tmp_path)
    kept = {n: w for n, w in load_file(tmp_path / "model.safetensors").items() if method not in n}
    save_file(kept, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="lacks .* weights"):
        models.load_finetuned(str(tmp_path), 3)


def test_tuning_goes_on_from_a_stored_model_with_all_of_it_or_not_at_all(load, batch, folders, tmp_path):
    model, inputs = shaken(load("bert", "adapter")), batch("bert")
    models.save(model, models.load_tokenizer(folders["bert"]), tmp_path)
    again = models.load_classifier(str(tmp_path), 3, seed=1)
    assert torch.equal(logits(model, inputs), logits(again, inputs))
    assert trained(again) == {name for name, _ in model.named_parameters()}
    with pytest.raises(ModelError, match="tuned with 'adapter' before"):
        models.load_classifier(str(tmp_path), 3, seed=1, tuning="prompt")


def test_the_pretrained_weights_have_the_names_of_the_tuned_model(load, folders):
    for family in FAMILIES:
        for method in filter(lambda method: applies(family, method), HYPER):
            before = dict(load(family).named_parameters())
            model = load(family, method)
            reference = models.pretrained_weights(folders[family], shaken(model))
            new = {name for name, _ in model.named_parameters()} - {*reference}
            heads = {name for name, _ in tuning.head(model)}
            assert new == heads | {n for n in dict(model.named_parameters()) if n not in before or "pooler" in n}
            assert all(torch.equal(w, before[name]) for name, w in reference.items())


@pytest.mark.parametrize("method", HYPER)
def test_a_copy_of_a_tuned_model_is_independent(load, batch, method):
    model, inputs = load("bert", method), batch("bert")
    before = logits(model, inputs)
    other = shaken(copy.deepcopy(model))
    assert torch.equal(logits(model, inputs), before)
    assert not torch.equal(logits(other, inputs), before)
    if method in ("adapter", "prompt"):
        part = next(p for n, p in model.named_parameters() if "adapter.up.bias" in n or "soft_prompt" in n)
        with torch.no_grad():
            part.add_(1.0)
        assert not torch.equal(logits(model, inputs), before)


def test_what_does_not_apply_names_the_alternatives(load, tmp_path):
    with pytest.raises(ModelError, match="no bias terms; use one of adapter, full, prompt"):
        load("mt5", "bitfit")
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    sizes = dict(dim=8, n_layers=1, n_heads=1, hidden_dim=8, vocab_size=20, max_position_embeddings=16)
    model = DistilBertForSequenceClassification(DistilBertConfig(**sizes))
    with pytest.raises(ModelError, match="known in bert, .*mt5.*; use one of bitfit, full, prompt"):
        tuning.create("adapter").apply(model)
    model.distilbert.forward = lambda input_ids=None, attention_mask=None: None
    with pytest.raises(ModelError, match="embedded texts; use one of adapter, bitfit, full"):
        tuning.create("prompt").apply(model)


def test_names_and_values_are_checked(load):
    with pytest.raises(UnknownName, match="unknown tuning 'adaptor'. Did you mean 'adapter'"):
        models.load_classifier("mini", 3, seed=0, tuning="adaptor")
    with pytest.raises(UnknownName, match="Did you mean 'bottleneck'"):
        tuning.create("adapter", {"botleneck": 3})
    with pytest.raises(ConfigError, match="bottleneck is '0'; expected a width >= 1"):
        tuning.create("adapter", {"bottleneck": "0"})
    with pytest.raises(ConfigError, match="tokens is 0"):
        tuning.create("prompt", {"tokens": 0})
    with pytest.raises(ConfigError, match="full has no hyper-parameters"):
        tuning.create("full", {"lr": 1})
    with pytest.raises(ConfigError, match="expected 'sequence' or 'token'"):
        load("bert", kind="tokens")
