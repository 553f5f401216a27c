"""A checkpoint's own words: each setting of its files is obeyed, or refused with its reason; and text is data."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import FAMILIES, VOCAB, TaggedToy, ToyTask, config, options, save_encoder, save_family
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast, XLMRobertaTokenizer

from xlgen import models
from xlgen.core.errors import ModelError
from xlgen.data import encode, plain
from xlgen.data.catalogue import TASKS
from xlgen.data.encode_tagged import encode_tagged, tagged_view
from xlgen.data.read_pairs import Rows
from xlgen.data.read_tagged import TaggedRows
from xlgen.data.segment import PairTemplate, Segmenter
from xlgen.fisher import mlm
from xlgen.measures import measuring
from xlgen.models.tokens import casing
from xlgen.training import setup

torch.set_num_threads(1)

REAL = Path(__file__).parents[3] / "shared" / "data"
LABELS = ToyTask.labels
PAIRS = Rows(("w3 w21 w7", "w1 W2", "w10 é"), ("w1", "w10 w11 w5", "w2"), (0, 1, 2))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A BERT and a RoBERTa that were fine-tuned for the toy task."""
    root = tmp_path_factory.mktemp("checkpoints")
    for family in ("bert", "roberta", "xlm"):
        folder = str(save_family(root / f"pretrained-{family}", family))
        model = models.load_classifier(folder, 3, seed=0)
        model.config.id2label, model.config.label2id = dict(enumerate(LABELS)), {c: i for i, c in enumerate(LABELS)}
        models.save(model, models.load_tokenizer(folder), root / family)
    return root


@pytest.fixture
def folder(root, tmp_path):
    def folder(family="bert"):
        return shutil.copytree(root / family, tmp_path / "model")

    return folder


def edit(folder, changes, file="config.json"):
    """Change a JSON file; ``None`` deletes the key."""
    path = folder / file
    found = json.loads(path.read_text()) if path.is_file() else {}
    found |= changes
    path.write_text(json.dumps({key: value for key, value in found.items() if value is not None}))


def logits(folder, rows=PAIRS):
    model, tokenizer = models.load_finetuned(str(folder), 3), models.load_tokenizer(str(folder))
    (batch,) = encode.encode(rows, tokenizer, 24, None, models.takes_position_ids(model)).batches(8)
    with torch.no_grad():
        return model(**batch.inputs).logits[batch.index.argsort()]


TOKENIZER, DESCRIPTION = "tokenizer_config.json", "tokenizer.json"
CUT = {"max_length": 4, "stride": 0, "strategy": "LongestFirst", "direction": "Right"}
FILL = {"strategy": {"Fixed": 20}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0}
OTHER = dict(enumerate(reversed(LABELS)))

OBEYED = [
    # (family, file, changes): the logits are those of the unchanged folder
    ("bert", "config.json", {"return_dict": False}),
    ("bert", "config.json", {"output_hidden_states": True}),
    ("bert", "config.json", {"output_attentions": True}),
    ("bert", "config.json", {"use_cache": True}),
    ("bert", "config.json", {"torchscript": True}),
    ("bert", "config.json", {"gradient_checkpointing": True}),
    ("bert", "config.json", {"chunk_size_feed_forward": 4}),
    ("bert", "config.json", {"attn_implementation": "flash_attention_2"}),
    ("bert", "config.json", {"_attn_implementation": "flash_attention_2"}),
    ("bert", "config.json", {"tie_word_embeddings": False}),
    ("bert", "config.json", {"problem_type": "single_label_classification"}),
    ("bert", "config.json", {"num_labels": 3}),
    ("bert", "config.json", {"num_labels": 5}),
    ("bert", "config.json", {"id2label": None}),
    ("bert", "config.json", {"label2id": None}),
    ("bert", "config.json", {"position_embedding_type": "absolute"}),
    ("bert", "config.json", {"architectures": None}),
    ("bert", TOKENIZER, {"model_max_length": 4}),
    ("bert", TOKENIZER, {"do_lower_case": None}),
    ("bert", DESCRIPTION, {"truncation": CUT}),
    ("bert", DESCRIPTION, {"padding": FILL | {"pad_token": "[PAD]"}}),
    ("roberta", "config.json", {"return_dict": False, "output_hidden_states": True, "chunk_size_feed_forward": 4}),
    ("roberta", TOKENIZER, {"add_prefix_space": None}),
    ("xlm", "config.json", {"return_dict": False, "output_hidden_states": True, "output_attentions": True}),
]

REFUSED = [
    # (family, file, changes, what is said)
    ("bert", "config.json", {"is_decoder": True}, "is_decoder, which makes it a decoder"),
    ("bert", "config.json", {"add_cross_attention": True}, "add_cross_attention, which makes it a decoder"),
    ("bert", "config.json", {"quantization_config": {"quant_method": "fp8"}}, "quantised weights"),
    ("bert", "config.json", {"auto_map": {"AutoModel": "code.Bert"}}, "auto_map: it is computed by code of its own"),
    ("bert", "config.json", {"position_embedding_type": "relative_key"}, "'relative_key'"),
    ("bert", "config.json", {"problem_type": "multi_label_classification"}, "is for multi_label_classification"),
    ("bert", "config.json", {"problem_type": "regression"}, "is for regression"),
    ("bert", "config.json", {"architectures": ["BertForTokenClassification"]}, "expected BertForSequenceClassif"),
    ("bert", "config.json", {"pad_token_id": 5}, r"pad_token_id of .* is 5 in its config.json, and 0 \(\[PAD\]\)"),
    ("roberta", "config.json", {"pad_token_id": 0}, r"pad_token_id of .* is 0 in its config.json, and 1 \(<pad>\)"),
    ("xlm", "config.json", {"pad_index": 0}, r"pad_token_id of .* is 0 in its config.json, and 2 \(<pad>\)"),
    ("xlm", "config.json", {"n_langs": 3, "use_lang_emb": True}, "use_lang_emb"),
    ("xlm", "config.json", {"causal": True}, "causal, which makes it a decoder"),
    ("bert", "config.json", {"num_hidden_layers": 1}, r"weights \(bert.*layer.1.* in layers that config.json does not"),
    ("bert", "config.json", {"num_hidden_layers": 3}, r"layer.2.* lacks"),
    ("bert", "config.json", {"max_position_embeddings": 64}, r"position_embeddings.weight.* in another size"),
    ("bert", "config.json", {"vocab_size": 100}, r"word_embeddings.weight.* in another size"),
    ("bert", "config.json", {"type_vocab_size": 1}, r"token_type_embeddings.weight.* in another size"),
    ("bert", "config.json", {"id2label": OTHER}, "id2label and label2id .* contradict each other"),
    ("bert", "config.json", {"label2id": {"neutral": 0, "entailment": 1, "contradiction": 2}}, "contradict"),
    ("bert", "config.json", {"id2label": None, "label2id": {"neutral": 0, "entailment": 1}}, "names 2 classes"),
    (
        "bert",
        "config.json",
        {"label2id": {"neutral": 0, "entailment": 0, "contradiction": 1}},
        "two classes one number",
    ),
    (
        "bert",
        "config.json",
        {"label2id": {"neutral": 1, "entailment": 2, "contradiction": 3}},
        "does not number",
    ),
    ("bert", "config.json", {"label2id": {"neutral": "first"}}, "does not number"),
    ("bert", "adapter_config.json", {"peft_type": "LORA"}, "merge_and_unload.* delete adapter_config.json"),
    ("bert", TOKENIZER, {"padding_side": "left"}, "pads on the left"),
    ("bert", TOKENIZER, {"auto_map": {"AutoTokenizer": ["code.Words", None]}}, "code of its own"),
    ("bert", TOKENIZER, {"do_lower_case": False}, "tokenizer_config.json says do_lower_case False"),
    ("roberta", TOKENIZER, {"add_prefix_space": True}, "tokenizer_config.json says add_prefix_space True"),
]


def name(value):
    return json.dumps(value)[:60] if isinstance(value, dict) else None


@pytest.mark.parametrize(("family", "file", "changes"), OBEYED, ids=name)
def test_settings_that_are_obeyed_or_do_not_matter(folder, root, family, file, changes):
    changed = folder(family)
    edit(changed, changes, file)
    torch.testing.assert_close(logits(changed), logits(root / family), rtol=1e-5, atol=1e-6)
    assert models.class_order(models.load_finetuned(str(changed), 3), ToyTask()) == [0, 1, 2]


@pytest.mark.parametrize(("family", "file", "changes", "said"), REFUSED, ids=name)
def test_settings_that_are_refused_with_their_reason(folder, family, file, changes, said):
    changed = folder(family)
    edit(changed, changes, file)
    with pytest.raises(ModelError, match=said):
        logits(changed)


@pytest.mark.parametrize("content", ["[]", "3"])
@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "tokenizer.json", "added_tokens.json"])
def test_files_of_another_kind_are_refused_by_name(folder, file, content):
    path = folder() / file
    path.write_text(content)
    with pytest.raises(ModelError, match=f"{file} holds no settings by name"):
        models.load_tokenizer(str(path.parent))


@pytest.mark.parametrize(
    "changes",
    [
        {"id2label": list(LABELS)},
        {"id2label": 3},
        {"label2id": list(LABELS)},
        {"dtype": "float99"},
        {"num_attention_heads": 0},
        {"pad_token_id": 10**9},
        {"architectures": 3},
        {"xlgen_tuning": "adapter"},
        {"model_type": ["bert"]},
        {"num_hidden_layers": 0},
        {"num_hidden_layers": -1},
    ],
    ids=str,
)
def test_values_of_another_kind_are_refused_in_one_line(folder, changes):
    path = folder()
    edit(path, changes)
    with pytest.raises(ModelError) as refused:
        models.load_finetuned(str(path), 3)
    assert len(str(refused.value).splitlines()) == 1 and "config.json" in str(refused.value)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("key", ["num_hidden_layers", "max_position_embeddings"])
def test_training_does_not_begin_from_new_weights_inside_the_encoder(tmp_path, key, layers):
    folder = save_encoder(tmp_path / "encoder")
    edit(folder, {key: layers})
    with pytest.raises(ModelError, match="are of different encoders"):
        models.load_classifier(str(folder), 3, seed=0)


def test_half_precision_is_a_way_of_storing(folder, root):
    stored = folder()
    save_file(
        {key: w.half() for key, w in load_file(stored / "model.safetensors").items()},
        stored / "model.safetensors",
        {"format": "pt"},
    )
    for key in ("dtype", "torch_dtype"):
        edit(stored, {"dtype": None, "torch_dtype": None} | {key: "float16"})
        found = logits(stored)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, logits(root / "bert"), rtol=0, atol=2e-3)


def test_a_language_model_s_flags_are_set_aside_and_its_decoder_may_not_be_absent(tmp_path):
    folder = save_encoder(tmp_path / "encoder")
    tokenizer = models.load_tokenizer(str(folder))

    def loss():
        model = mlm.load(str(folder))
        (batch,) = mlm.batches(model, tokenizer, ["w1 w2 w3"], max_length=8, batch_size=1)
        with torch.no_grad():
            return model(**batch.inputs).logits

    before = loss()
    edit(folder, {"return_dict": False, "output_hidden_states": True, "chunk_size_feed_forward": 4})
    torch.testing.assert_close(loss(), before)
    for key in ("attn_implementation", "_attn_implementation"):
        edit(folder, {key: "flash_attention_2"})
        torch.testing.assert_close(loss(), before)
        assert models.load_classifier(str(folder), 3, seed=0).config._attn_implementation == "sdpa"
        edit(folder, {key: None})
    edit(folder, {"num_hidden_layers": 1})
    with pytest.raises(ModelError, match="in layers that config.json does not have"):
        loss()
    edit(folder, {"num_hidden_layers": 2, "is_decoder": True})
    with pytest.raises(ModelError, match="decoder"):
        loss()
    edit(folder, {"is_decoder": False, "tie_word_embeddings": False})
    with pytest.raises(ModelError, match="lacks 2 weights of a masked language model"):
        loss()


# --- classes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("generic", [None, {i: f"LABEL_{i}" for i in range(3)}])
def test_classes_named_in_label2id_alone_are_in_its_order(folder, caplog, generic):
    changed = folder()
    edit(changed, {"id2label": generic, "label2id": {"contradiction": 0, "entailment": 1, "neutral": 2}})
    assert models.class_order(models.load_finetuned(str(changed), 3), ToyTask()) == [1, 2, 0]
    assert not caplog.records


def test_classes_without_names_are_said_to_be_assumed_and_odd_numbers_are_refused(folder, caplog):
    changed = folder()
    edit(changed, {"id2label": None, "label2id": {f"LABEL_{i}": i for i in range(3)}})
    assert models.class_order(models.load_finetuned(str(changed), 3), ToyTask()) == [0, 1, 2]
    assert "does not name its classes" in caplog.text
    edit(changed, {"label2id": {f"LABEL_{2 - i}": i for i in range(3)}})
    with pytest.raises(ModelError, match="classes are LABEL_2, LABEL_1, LABEL_0; expected entailment"):
        models.class_order(models.load_finetuned(str(changed), 3), ToyTask())


def test_a_head_of_other_classes_or_of_another_kind_is_called_so(folder):
    named = folder()
    edit(named, {"id2label": OTHER, "label2id": None})
    with pytest.raises(ModelError, match="of 3 classes .contradiction, neutral, entailment., and the task 7"):
        models.load_finetuned(str(named), 7)
    with pytest.raises(ModelError, match="has the head of BertForSequenceClassification, and no BertForTokenClass"):
        models.load_finetuned(str(named), 7, kind="token")


def test_an_alias_is_found_however_it_is_spelled(folder):
    named = folder()
    edit(named, {"id2label": {0: "Maybe", 1: "NO", 2: "yes"}, "label2id": None})
    aliases = {"Yes": "entailment", "no": "contradiction", "maybe": "neutral"}
    task = SimpleNamespace(labels=ToyTask().labels, aliases=aliases)
    assert models.class_order(models.load_finetuned(str(named), 3), task) == [2, 0, 1]


@pytest.mark.parametrize("written", ["<pad>", {"content": "<pad>", "special": True}, None])
def test_the_padding_that_a_decoders_config_lacks_is_its_tokenizers(tmp_path, written):
    """A classifier on the last place of a text has to know which places are none."""
    from transformers import LlamaConfig, LlamaForSequenceClassification

    pieces = {piece: i for i, piece in enumerate(["<unk>", "w", "<pad>"])}
    Tokenizer(WordLevel(pieces, unk_token="<unk>")).save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"pad_token": written} if written else {}))
    small = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, vocab_size=3)
    LlamaForSequenceClassification(LlamaConfig(num_labels=3, **small)).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text()).get("pad_token_id") is None
    model = models.load_finetuned(str(tmp_path), 3)
    assert model.config.pad_token_id == (2 if written else None)
    if written:
        texts, alone = torch.tensor([[1, 2, 2], [1, 1, 1]]), torch.tensor([[1]])
        torch.testing.assert_close(model(texts, attention_mask=texts != 2).logits[:1], model(alone).logits)


def test_training_goes_on_from_a_head_in_the_task_s_order_only(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(TASKS._entries, "toy", ToyTask())
    start, where = folder(), options(tmp_path)
    setup.prepare(config(start), where, measuring.accelerator_for("cpu"))
    edit(start, {"id2label": OTHER, "label2id": None})
    with pytest.raises(ModelError, match="has a head whose classes are contradiction, neutral, entailment; expected"):
        setup.prepare(config(start), where, measuring.accelerator_for("cpu"))
    model = models.load_classifier(str(start), 5, seed=0)  # a new head has no part of the old one's names
    assert not models.named(model)


def test_the_pretrained_weights_do_not_depend_on_the_head_that_lies_with_them(folder):
    stored = folder()
    edit(stored, {"problem_type": "regression", "id2label": OTHER})
    reference = models.pretrained_weights(str(stored), models.load_classifier(str(stored), 5, seed=0))
    assert "bert.encoder.layer.1.output.dense.weight" in reference and "classifier.weight" not in reference


def test_an_encoder_saved_without_a_head_and_a_prefix_is_one(tmp_path):
    folder = save_encoder(tmp_path / "encoder")
    expected = load_file(folder / "model.safetensors")["bert.encoder.layer.1.output.dense.weight"]
    BertForMaskedLM.from_pretrained(folder).bert.save_pretrained(folder)
    model = models.load_classifier(str(folder), 3, seed=0)
    assert torch.equal(model.bert.encoder.layer[1].output.dense.weight, expected)


# --- adapters --------------------------------------------------------------------------------------------------------


def test_an_adapter_beside_full_weights_or_alone_is_refused(folder):
    stored = folder()
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        (stored / file).write_text("{}")
    for gone in ((), ("model.safetensors",), ("config.json",)):
        for file in gone:
            (stored / file).unlink()
        for load in (models.load_finetuned, models.load_classifier):
            seed = {"seed": 0} if load is models.load_classifier else {}
            with pytest.raises(ModelError, match="merge_and_unload"):
                load(str(stored), 3, **seed)


# --- the tokenizer's own words ---------------------------------------------------------------------------------------

CASED = [*VOCAB, "Über", "W", "é"]
LOWER = [*VOCAB, "über", "é"]
BARE = [*VOCAB, "uber"]


def only_vocabulary(folder, pieces, keep=()):
    for file in (TOKENIZER, DESCRIPTION):
        if file not in keep:
            (folder / file).unlink(missing_ok=True)
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    edit(folder, {"vocab_size": len(pieces)})


@pytest.mark.parametrize(
    ("pieces", "tokens"),
    [(CASED, ["Über", "é"]), (LOWER, ["über", "é"]), (BARE, ["uber", "e"])],
    ids=["cased", "lower", "bare"],
)
def test_a_vocabulary_alone_says_whether_texts_are_lower_cased_and_lose_accents(tmp_path, pieces, tokens):
    folder = save_encoder(tmp_path)
    only_vocabulary(folder, pieces)
    assert models.load_tokenizer(str(folder)).tokenize("Über é") == tokens
    edit(folder, {"model_max_length": 128}, TOKENIZER)  # a configuration that does not say
    assert models.load_tokenizer(str(folder)).tokenize("Über é") == tokens


@pytest.mark.parametrize(
    ("pieces", "stated", "wanted"),
    [
        (("W", "\u00e9</w>"), {}, False),
        (("w3",), {}, True),
        (("w3", "\u00e9</w>"), {}, None),
        (("w3", "\u00e9</w>"), {"do_lowercase_and_remove_accent": False}, False),
    ],
)
def test_xlm_s_vocabulary_alone_says_so_too_or_is_refused(tmp_path, pieces, stated, wanted):
    """XLM's class has one word for case and accents: a vocabulary with accents and without capitals fits neither."""
    save_family(tmp_path, "xlm")
    vocabulary = json.loads((tmp_path / "vocab.json").read_text())
    for piece, old in zip(pieces, ("w1", "w1</w>"), strict=False):
        vocabulary[piece] = vocabulary.pop(old)
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / TOKENIZER).write_text(json.dumps(stated))
    if wanted is None:
        with pytest.raises(ModelError, match="write do_lowercase_and_remove_accent in its tokenizer_config.json"):
            models.load_tokenizer(str(tmp_path))
    else:
        assert models.load_tokenizer(str(tmp_path)).do_lowercase_and_remove_accent is wanted


@pytest.mark.parametrize(
    ("stated", "missing"), [({}, "do_lower_case and keep_accents"), ({"do_lower_case": True}, "write keep_accents")]
)
def test_an_albert_that_does_not_speak_of_case_is_refused(tmp_path, stated, missing):
    """Its class lower-cases and takes off accents, and those of Indic scripts are vowels."""
    pytest.importorskip("google.protobuf")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "albert"}))
    for name in ("model.safetensors", "spiece.model"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / TOKENIZER).write_text(json.dumps(stated))
    with pytest.raises(ModelError, match=missing):
        models.load_tokenizer(str(tmp_path))


def test_a_configuration_that_speaks_of_case_is_obeyed(tmp_path):
    folder = save_encoder(tmp_path)
    only_vocabulary(folder, [*CASED, "uber"])
    edit(folder, {"do_lower_case": True}, TOKENIZER)
    assert models.load_tokenizer(str(folder)).tokenize("Über") != ["Über"]
    edit(folder, {"do_lower_case": False}, TOKENIZER)
    assert models.load_tokenizer(str(folder)).tokenize("Über") == ["Über"]


def test_casing_reads_letters_and_neither_special_pieces_nor_other_scripts():
    assert casing(["[CLS]", "[UNK]", "a", "##b", "ß", "क", "ि", "ั"]) == {"do_lower_case": True, "strip_accents": True}
    assert casing(["a", "й"]) == {"do_lower_case": True, "strip_accents": False}
    assert casing(["A", "e"]) == {"do_lower_case": False, "strip_accents": False}


@pytest.mark.parametrize("rest", [{"tokenizer_class": "BertTokenizer"}, None], ids=["named", "absent"])
def test_tokenizer_json_is_the_tokenizer(tmp_path, rest):
    """Transformers builds a class's tokenizer anew, with the defaults of the class, and lower-cases."""
    folder = save_encoder(tmp_path)
    with torch.random.fork_rng([]):
        BertForMaskedLM(BertConfig.from_pretrained(folder, vocab_size=len(CASED))).save_pretrained(folder)
    BertTokenizerFast(vocab={piece: i for i, piece in enumerate(CASED)}, do_lower_case=False).save_pretrained(folder)
    described = Tokenizer.from_file(str(folder / DESCRIPTION)).encode("Über é w1").ids
    (folder / TOKENIZER).unlink()
    if rest:
        edit(folder, rest, TOKENIZER)
    tokenizer = models.load_tokenizer(str(folder))
    assert tokenizer("Über é w1")["input_ids"] == described
    models.save(models.load_classifier(str(folder), 3, seed=0), tokenizer, tmp_path / "again")
    assert models.load_tokenizer(str(tmp_path / "again"))("Über é w1")["input_ids"] == described


def test_a_normaliser_that_the_class_does_not_know_is_kept(tmp_path):
    from tokenizers import normalizers

    folder = save_encoder(tmp_path)
    own = Tokenizer.from_file(str(folder / DESCRIPTION))
    own.normalizer = normalizers.Sequence([normalizers.Replace("x1", "w1"), own.normalizer])
    own.save(str(folder / DESCRIPTION))
    for again in (False, True):
        tokenizer = models.load_tokenizer(str(folder))
        assert tokenizer.tokenize("x1 w2") == ["w1", "w2"]
        if not again:
            models.save(models.load_classifier(str(folder), 3, seed=0), tokenizer, tmp_path / "again")
            folder = tmp_path / "again"


def test_a_model_with_one_segment_gets_no_segment_numbers(tmp_path):
    """A tokenizer of BERT's kind numbers two; the table of a model of RoBERTa's kind has one row."""
    folder = save_family(tmp_path, "roberta")
    for file in (TOKENIZER, DESCRIPTION, "vocab.json", "merges.txt"):
        (folder / file).unlink(missing_ok=True)
    BertTokenizerFast(vocab={"[UNK]": 0, "[PAD]": 1, "[CLS]": 2, "[SEP]": 3, "w": 4, "##1": 5}).save_pretrained(folder)
    tokenizer = models.load_tokenizer(str(folder))
    assert encode.encode(PAIRS, tokenizer, 24).types is None


def test_a_tokenizer_that_cuts_on_the_left_is_obeyed_everywhere(tmp_path):
    folder = save_encoder(tmp_path)
    edit(folder, {"truncation_side": "left"}, TOKENIZER)
    tokenizer = models.load_tokenizer(str(folder))
    first, second = " ".join(f"w{i}" for i in range(9)), "w20 w21"
    expected = tokenizer(first, second, truncation="longest_first", max_length=8)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(expected) == ["[CLS]", "w6", "w7", "w8", "[SEP]", "w20", "w21", "[SEP]"]
    assert encode.encode(Rows((first,), (second,), (0,)), tokenizer, 8).tokens.tolist() == expected
    ids, _ = Segmenter.for_tokenizer(tokenizer, p=0).pair(first, second, 0, 8)
    assert ids == expected
    assert PairTemplate.of(tokenizer).fill([7, 8, 9], [], 5)[0][1:3] == [8, 9]


def test_the_fingerprint_leaves_the_tokenizer_as_it_was(tmp_path):
    tokenizer = models.load_tokenizer(str(save_encoder(tmp_path)))
    backend, plainly = tokenizer.backend_tokenizer, encode.fingerprint(tokenizer)
    backend.enable_truncation(5, stride=1, strategy="only_first", direction="left")
    backend.enable_padding(direction="left", pad_id=3, pad_type_id=1, pad_token="[SEP]", length=9, pad_to_multiple_of=4)
    before = backend.truncation, backend.padding, backend.to_str()
    assert encode.fingerprint(tokenizer) == plainly
    encode.encode(PAIRS, tokenizer, 12)
    assert (backend.truncation, backend.padding, backend.to_str()) == before


def test_the_fingerprint_of_the_miniature_s_tokenizer_is_pinned():
    """Stored results have it in their names. It follows the version of tokenizers, so only its part is pinned."""
    import tokenizers

    if tokenizers.__version__ != "0.23.3":
        pytest.skip("pinned for tokenizers 0.23.3")
    assert encode.fingerprint(models.load_tokenizer("mini")) == "74320103582109ef"


# --- words -----------------------------------------------------------------------------------------------------------

SENTENCES = TaggedRows((("w1", "w12", "w20"), ("w3",)), ((0, 1, 2), (0,)))


def test_words_of_byte_level_bpe_keep_the_space_in_front_of_them(tmp_path):
    tokenizer = models.load_tokenizer(str(save_family(tmp_path, "roberta")))
    encoded = encode_tagged(SENTENCES, tokenizer, 24)
    tokens = tokenizer.convert_ids_to_tokens(encoded.tokens.tolist())
    assert tokens == ["<s>", "Ġw", "1", "Ġw", "12", "Ġw", "20", "</s>", "<s>", "Ġw", "3", "</s>"]
    # what a text with a space in front of it has
    whole = tokenizer(" w1 w12 w20", add_special_tokens=False)["input_ids"]
    assert encoded.tokens[1:7].tolist() == whole
    view = tagged_view(SENTENCES, tokenizer, 24, lambda text: tokenizer(text, add_special_tokens=False)["input_ids"])
    assert torch.equal(view.tokens, encoded.tokens)


@pytest.mark.parametrize("family", [f for f in FAMILIES if f != "roberta"])
def test_words_of_other_families_are_as_the_tokenizer_has_them(tmp_path, family):
    tokenizer = models.load_tokenizer(str(save_family(tmp_path, family)))
    assert plain.word_prefix(tokenizer) == ""
    words = ("w1", "w12", "w20")
    own = sum((tokenizer(word, add_special_tokens=False)["input_ids"] for word in words), [])
    encoded = encode_tagged(TaggedRows((words,), ((0, 1, 2),)), tokenizer, 24)
    assert [i for i in encoded.tokens.tolist() if i in own] == own


def test_sentencepiece_without_a_prefix_has_words_after_a_space():
    from tokenizers import pre_tokenizers

    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁w", -1.0), ("w", -1.0), ("1", -1.0)]
    tokenizer = XLMRobertaTokenizer(vocab=[*pieces, ("<mask>", 0.0)])
    assert plain.word_prefix(tokenizer) == ""
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    encoded = encode_tagged(TaggedRows((("w1", "w1"),), ((0, 1),)), tokenizer, 24)
    assert tokenizer.convert_ids_to_tokens(encoded.tokens.tolist())[1:-1] == ["▁w", "1", "▁w", "1"]


# --- text is data ----------------------------------------------------------------------------------------------------

QUOTES = ("</s>", "<s>", "<mask>", "<pad>", "<unk>", "[SEP]", "[CLS]", "[MASK]", "[PAD]", "<extra_id_0>", "<special1>")
TEXTS = [text for q in QUOTES for text in (q, f"w1 {q} w2", f"w1{q}w2", f"{q}{q} w3")]


@pytest.fixture(scope="module")
def tokenizers_of(tmp_path_factory):
    root = tmp_path_factory.mktemp("families")
    return {family: models.load_tokenizer(str(save_family(root / family, family))) for family in FAMILIES}


def special(tokenizer):
    """All special numbers but the one of what is unknown, which a text may come to."""
    return {*tokenizer.all_special_ids} - {tokenizer.unk_token_id}


@pytest.mark.parametrize("family", FAMILIES)
def test_no_text_makes_a_special_sub_word(tokenizers_of, family):
    tokenizer = tokenizers_of[family]
    bare = plain.encode(tokenizer, TEXTS, special=False)["input_ids"]
    assert all(special(tokenizer).isdisjoint(ids) for ids in bare)
    # a pair has as many special sub-words as one that quotes none, at the same places
    frame = [i for i in tokenizer("w1", "w2")["input_ids"] if i in special(tokenizer)]
    coded = plain.encode(tokenizer, TEXTS, TEXTS[::-1], max_length=16)
    for ids, mask in zip(coded["input_ids"], coded["special_tokens_mask"], strict=True):
        assert [i for i in ids if i in special(tokenizer)] == frame
        assert [i for i, is_special in zip(ids, mask, strict=True) if is_special] == frame
    rows = Rows(tuple(TEXTS), tuple(TEXTS[::-1]), (0,) * len(TEXTS))
    assert encode.encode(rows, tokenizer, 16).tokens.tolist() == sum(coded["input_ids"], [])


@pytest.mark.parametrize("family", FAMILIES)
def test_no_word_of_a_sentence_makes_a_special_sub_word(tokenizers_of, family):
    tokenizer = tokenizers_of[family]
    encoded = encode_tagged(TaggedRows((QUOTES,), ((0,) * len(QUOTES),)), tokenizer, 256)
    frame = [i for i in tokenizer("w1")["input_ids"] if i in special(tokenizer)]
    assert [i for i in encoded.tokens.tolist() if i in special(tokenizer)] == frame
    assert int((encoded.labels == 0).sum()) == len(QUOTES)


@pytest.mark.parametrize("family", ["bert", "xlm-roberta", "mt5"])
def test_no_sampled_segmentation_makes_a_special_sub_word(tokenizers_of, family):
    tokenizer = tokenizers_of[family]
    for p in (0, 0.3, 1):
        segmenter = Segmenter.for_tokenizer(tokenizer, p=p)
        for text in TEXTS:
            assert special(tokenizer).isdisjoint(segmenter.segment(text, 0)), (text, p)
            if p == 0:
                assert segmenter.segment(text, 0) == plain.encode(tokenizer, [text], special=False)["input_ids"][0]


@pytest.mark.parametrize("family", [f for f in FAMILIES if f != "mt5"])
def test_no_paragraph_of_plain_text_makes_a_special_sub_word(tmp_path, family):
    folder = str(save_family(tmp_path, family))
    model, tokenizer = mlm.load(folder), models.load_tokenizer(folder)
    if family == "xlm":  # XLM hides words by another of its special sub-words
        tokenizer.mask_token = "<special1>"
    quoted = [f"w1 {q} w2 w3 w4 w5" for q in QUOTES]
    frame = sum(i in special(tokenizer) for i in tokenizer("w1")["input_ids"])
    for batch in mlm.batches(model, tokenizer, quoted, max_length=24, batch_size=1):
        ids, labels = batch.inputs["input_ids"][0], batch.labels[0]
        hidden = labels != -100
        assert (ids[hidden] == tokenizer.mask_token_id).all()
        assert sum(int(i) in special(tokenizer) for i in ids[~hidden]) == frame
        assert special(tokenizer).isdisjoint(labels[hidden].tolist())


def test_mt5_s_sentinels_are_text_although_they_are_ordinary_pieces():
    from transformers import T5Tokenizer

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("w", -1.0), ("▁<extra_id_0>", 0.0)]
    tokenizer = T5Tokenizer(vocab=pieces, extra_ids=0)
    assert tokenizer("w <extra_id_0>")["input_ids"][-2] == 5  # what has to be prevented
    assert 5 not in plain.encode(tokenizer, ["w <extra_id_0>", "<extra_id_0>"])["input_ids"][0]


def test_words_that_a_user_has_added_stay_words():
    tokenizer = BertTokenizerFast(vocab={piece: i for i, piece in enumerate(VOCAB)})
    tokenizer.add_special_tokens({"additional_special_tokens": ["<e1>"]})
    tokenizer.add_tokens(["qqq"])
    ids = plain.encode(tokenizer, ["w1 qqq <e1> w2"], special=False)["input_ids"][0]
    assert tokenizer.convert_tokens_to_ids("qqq") in ids and tokenizer.convert_tokens_to_ids("<e1>") not in ids


def test_whitespace_wordpiece_and_bpe_whose_merges_spell_a_special_sub_word():
    """Pieces of the vocabulary, found without any list of added ones."""
    from tokenizers import pre_tokenizers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    tokenizer = BertTokenizerFast(vocab={piece: i for i, piece in enumerate(VOCAB)})
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    assert special(tokenizer).isdisjoint(plain.encode(tokenizer, ["w1 [SEP] w2"], special=False)["input_ids"][0])
    vocab = {piece: i for i, piece in enumerate(["<unk>", "<p>", "<", "p", ">", "<p", "w"])}
    bpe = Tokenizer(BPE(vocab, [("<", "p"), ("<p", ">")], unk_token="<unk>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token="<p>", unk_token="<unk>")
    assert plain.encode(tokenizer, ["w<p>w"])["input_ids"] == [[6, 5, 4, 6]]


def ordinary(task, n=150):
    for language in task.languages:
        rows = task.rows(language, "dev").take(n)
        yield from (rows.first, rows.second) if task.kind == "sequence" else (sum(rows.words, ()),)


@pytest.mark.parametrize("task", ["mini-xnli", "mini-pawsx", "mini-wikiann", "mini-udpos"])
def test_ordinary_texts_have_the_numbers_that_the_tokenizer_gives_them(task):
    tokenizer = models.load_tokenizer("mini")
    for texts in ordinary(TASKS[task]):
        assert (
            plain.encode(tokenizer, texts, max_length=16)["input_ids"]
            == (tokenizer(list(texts), truncation=True, max_length=16)["input_ids"])
        )


@pytest.mark.skipif(not REAL.is_dir(), reason="no real data beside the repository")
@pytest.mark.parametrize("task", ["xnli", "wikiann"])
def test_real_texts_have_the_numbers_that_the_tokenizer_gives_them(task):
    task, tokenizer = TASKS[task], models.load_tokenizer("mini")
    found = 0
    for language in ("en", "de", "ur"):
        rows = task.rows(language, "dev", REAL).take(300)
        for texts in (rows.first, rows.second) if task.kind == "sequence" else (sum(rows.words, ()),):
            expected = tokenizer(list(texts), truncation=True, max_length=64)["input_ids"]
            assert plain.encode(tokenizer, texts, max_length=64)["input_ids"] == expected
            found += len(texts)
    assert found >= 1800


@pytest.mark.parametrize("family", FAMILIES)
def test_ordinary_pairs_have_the_numbers_that_the_tokenizer_gives_them(tokenizers_of, family):
    tokenizer, rows = tokenizers_of[family], ToyTask().rows("en", "train")
    for max_length in (6, 9, 64):
        expected = tokenizer(
            list(rows.first), list(rows.second), truncation="longest_first", max_length=max_length, padding=False
        )
        found = plain.encode(tokenizer, rows.first, rows.second, max_length=max_length)
        assert all(found[key] == expected[key] for key in found if key != "special_tokens_mask")
    assert ("token_type_ids" in found) == ("token_type_ids" in tokenizer.model_input_names)


def test_a_tagged_toy_sentence_is_unchanged_for_wordpiece(tokenizers_of):
    rows, tokenizer = TaggedToy().rows("en", "dev"), tokenizers_of["bert"]
    expected = tokenizer([list(words) for words in rows.words], is_split_into_words=True)["input_ids"]
    assert encode_tagged(rows, tokenizer, 64).tokens.tolist() == sum(expected, [])
