"""What other people's checkpoints say of themselves is obeyed, or refused with its reason."""

import json

import pytest
import torch
from tiny import ToyTask, save_encoder, save_family

from xlgen import data, mlm, models, study
from xlgen.batch import Batch
from xlgen.errors import ModelError
from xlgen.fisher.trace import trace

torch.set_num_threads(1)

LABELS = ["contradiction", "entailment", "neutral"]
NAMED = {str(i): label for i, label in enumerate(LABELS)}
NUMBERED = {label: i for i, label in enumerate(LABELS)}
MADE_UP = {str(i): f"LABEL_{i}" for i in range(3)}
INPUTS = {"input_ids": torch.tensor([[2, 6, 7, 3]]), "attention_mask": torch.ones(1, 4, dtype=torch.long)}


@pytest.fixture
def encoder(tmp_path):
    return save_encoder(tmp_path / "encoder")


@pytest.fixture
def tuned(encoder, tmp_path):
    models.save(
        models.load_classifier(str(encoder), 3, seed=0), models.load_tokenizer(str(encoder)), tmp_path / "tuned"
    )
    return tmp_path / "tuned"


def configure(folder, **changes):
    """Change config.json; a setting of ``None`` is taken out."""
    settings = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps({k: v for k, v in settings.items() if v is not None}))
    return str(folder)


@pytest.mark.parametrize(
    ("id2label", "label2id"),
    [(NAMED, None), (None, NUMBERED), (MADE_UP, NUMBERED), (NAMED, NUMBERED), (NAMED, {"LABEL_0": 0})],
)
def test_classes_are_named_by_whichever_of_the_two_says_something(tuned, id2label, label2id):
    model = models.load_finetuned(configure(tuned, id2label=id2label, label2id=label2id), 3)
    assert model.config.id2label == dict(enumerate(LABELS)) and model.config.label2id == NUMBERED
    assert study.class_order(model, ToyTask()) == [1, 2, 0]


@pytest.mark.parametrize(
    ("id2label", "label2id", "said"),
    [
        (NAMED, {"entailment": 0, "contradiction": 1, "neutral": 2}, "differently"),
        (None, {"entailment": 0, "contradiction": 1, "neutral": 1}, "another name for each of the 3 classes"),
        (None, {"entailment": 0, "contradiction": 1}, "another name for each of the 3 classes"),
        (None, {"entailment": 1, "contradiction": 2, "neutral": 3}, "classes 0 to 2"),
        ({"0": "neutral", "1": "neutral", "2": "entailment"}, None, "another name"),
        (None, {"entailment": "first"}, "whole numbers"),
    ],
)
def test_names_of_classes_that_contradict_are_refused(tuned, id2label, label2id, said):
    with pytest.raises(ModelError, match=said):
        models.load_finetuned(configure(tuned, id2label=id2label, label2id=label2id), 3)


def test_made_up_names_in_another_order_are_no_order(tuned):
    model = models.load_finetuned(
        configure(tuned, id2label={"0": "LABEL_1", "1": "LABEL_0", "2": "LABEL_2"}, label2id=None), 3
    )
    with pytest.raises(ModelError, match="LABEL_1, LABEL_0, LABEL_2; expected"):
        study.class_order(model, ToyTask())


def test_an_adapter_beside_full_weights_is_refused_and_one_alone_too(tuned):
    (tuned / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="if it was merged, remove adapter_config.json"):
        models.load_finetuned(str(tuned), 3)
    (tuned / "model.safetensors").unlink()
    (tuned / "config.json").unlink()
    with pytest.raises(ModelError, match="an adapter without the model that it belongs to"):
        models.load_classifier(str(tuned), 3, seed=0)


@pytest.mark.parametrize(
    "flag", [{"return_dict": False}, {"output_hidden_states": True}, {"output_attentions": True}], ids=str
)
def test_flags_of_what_a_call_returns_change_nothing(tuned, flag):
    expected = models.load_finetuned(str(tuned), 3)(**INPUTS).logits
    found = models.load_finetuned(configure(tuned, **flag), 3)(**INPUTS)
    assert [*found] == ["logits"] and torch.equal(found.logits, expected)


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ({"is_decoder": True}, "sees only those before it"),
        ({"add_cross_attention": True}, "second text"),
        ({"auto_map": {"AutoModel": "modeling.Own"}}, "code of its own"),
        ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}}, "rounded to few bits"),
        ({"position_embedding_type": "relative_key"}, "expected 'absolute'"),
        ({"max_position_embeddings": 16}, "other shapes than its config.json says"),
    ],
)
def test_flags_that_make_another_model_of_the_weights_are_refused(encoder, flag, said):
    folder = configure(encoder, **flag)
    with pytest.raises(ModelError, match=said):
        models.load_classifier(folder, 3, seed=0)
    with pytest.raises(ModelError):
        mlm.load(folder)


@pytest.mark.parametrize("kind", ["regression", "multi_label_classification"])
def test_a_head_that_was_not_trained_to_choose_is_refused_and_a_new_one_is_not(tuned, kind):
    folder = configure(tuned, problem_type=kind)
    with pytest.raises(ModelError, match="not trained to choose one of the classes"):
        models.load_finetuned(folder, 3)
    assert models.load_classifier(folder, 3, seed=0).config.problem_type is None


def test_half_precision_weights_are_read_as_they_are_and_computed_in_single(tuned):
    model = models.load_finetuned(str(tuned), 3)
    model.half().save_pretrained(tuned)
    again = models.load_finetuned(str(tuned), 3)
    assert again.dtype == torch.float32
    assert all(torch.equal(a, b.float()) for a, b in zip(again.parameters(), model.parameters(), strict=True))


def test_the_fingerprint_of_a_tokenizer_leaves_its_truncation_and_padding(encoder):
    tokenizer = models.load_tokenizer(str(encoder))
    bare, backend = data.fingerprint(tokenizer), tokenizer.backend_tokenizer
    backend.enable_truncation(7, stride=2, strategy="only_first", direction="left")
    backend.enable_padding(length=9, pad_id=3, pad_token="[SEP]", direction="left", pad_to_multiple_of=3)
    before = backend.truncation, backend.padding
    assert data.fingerprint(tokenizer) == bare
    assert (backend.truncation, backend.padding) == before and None not in before


@pytest.mark.parametrize("tokens", [1, 2, 3, 4])
def test_the_trace_with_a_short_prompt_is_that_of_one_example_at_a_time(tmp_path, tokens):
    """Behind a prompt the inputs of the encoder's maps differ in length, and may reach the logits as far."""
    folder = str(save_family(tmp_path, "mt5"))
    model = models.load_classifier(folder, 3, seed=0, eager=True, tuning="prompt", tuning_hyper={"tokens": tokens})
    ids = torch.tensor([[4, 5, 6, 7, 8, 1], [6, 5, 9, 7, 1, 0]])
    labels = torch.tensor([0, 2])
    batch = Batch({"input_ids": ids, "attention_mask": (ids != 0).long()}, labels, torch.arange(2))
    for p in model.parameters():
        p.requires_grad_(True)
    expected = []
    for b in range(2):
        rows = batch.rows(slice(b, b + 1))
        log_p = model(**rows.inputs).logits.log_softmax(-1)[0]
        for c in range(3):
            model.zero_grad()
            (-log_p[c]).backward(retain_graph=True)
            squares = sum(p.grad.double().square().sum() for p in model.parameters() if p.grad is not None)
            expected.append(log_p[c].exp().item() * squares.item())
    assert trace(model, [batch], labels="model").mean == pytest.approx(sum(expected) / 2, rel=1e-4)
