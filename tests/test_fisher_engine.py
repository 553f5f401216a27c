"""The Fisher engine against a loop over single examples that uses nothing but automatic differentiation."""

import itertools
import logging
from types import SimpleNamespace

import pytest
import torch
import transformers
from torch import nn
from torch.nn import functional as F

from xlgen.batch import IGNORE, Batch
from xlgen.errors import ConfigError, DataError, ModelError, TrainingError, UnknownName
from xlgen.fisher import diagonal, engine, trace
from xlgen.fisher.labels import directions, draw, factor

torch.set_num_threads(1)

CLASSES, VOCAB, PAD, EOS = 3, 29, 0, 1
BERT = dict(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12, max_position_embeddings=20)
XLM = dict(n_words=VOCAB, emb_dim=8, n_layers=2, n_heads=2, max_position_embeddings=20, n_langs=1, pad_index=PAD)
MT5 = dict(d_model=8, d_kv=4, d_ff=12, num_layers=2, num_heads=2, eos_token_id=EOS, decoder_start_token_id=PAD)
COMMON = dict(vocab_size=VOCAB, pad_token_id=PAD, num_labels=CLASSES)
CONFIGS = {
    "Bert": lambda: transformers.BertConfig(**BERT, **COMMON),
    "Roberta": lambda: transformers.RobertaConfig(**BERT, **COMMON),
    "XLMRoberta": lambda: transformers.XLMRobertaConfig(**BERT, **COMMON),
    "XLM": lambda: transformers.XLMConfig(**XLM, num_labels=CLASSES),
    "MT5": lambda: transformers.MT5Config(**MT5, **COMMON),
}
HEADS = {"sequence": "SequenceClassification", "token": "TokenClassification", "masked": "MaskedLM"}


def build(family, kind, dtype=torch.float64):
    """A random model in training mode with dropout, some of it frozen, and all biases away from zero."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        name = "XLMWithLMHeadModel" if (family, kind) == ("XLM", "masked") else f"{family}For{HEADS[kind]}"
        model = getattr(transformers, name)(CONFIGS[family]()).to(dtype)
        with torch.no_grad():
            for p in model.parameters():
                p.add_(0.2 * torch.randn_like(p))
    for p in list(model.parameters())[::3]:
        p.requires_grad_(False)
    return model.train()


def batches(kind, sizes=((5, 7), (5, 4), (1, 6)), positions=True, types=True, classes=CLASSES):
    """Batches of (B, T) with padding and repeated tokens.

    The first part of the second batch is square: a (T, T) table of positions then looks like (B, T).
    """
    generator = torch.Generator().manual_seed(1)
    result, start = [], 0
    for rows, width in sizes:
        ids = torch.randint(5, VOCAB, (rows, width), generator=generator)
        ids[:, 1] = ids[:, 2]
        ids[:, width - 1] = EOS
        mask = torch.ones_like(ids)
        for row in range(0, rows, 2):  # one shorter by one
            ids[row, width - 2 :] = torch.tensor([EOS, PAD])
            mask[row, width - 1] = 0
        inputs = {"input_ids": ids, "attention_mask": mask}
        if positions:
            inputs["position_ids"] = torch.arange(width).repeat(rows, 1)
        if types:
            inputs["token_type_ids"] = (torch.arange(width) >= 2).long().repeat(rows, 1)
        labels = torch.randint(classes, (rows,) if kind == "sequence" else (rows, width), generator=generator)
        if kind != "sequence":
            labels[mask == 0] = IGNORE
            labels[:, 0] = IGNORE
            labels[0, :] = IGNORE  # an example without a unit
            labels[-1, 3:] = IGNORE
        result.append(Batch(inputs, labels, torch.arange(start, start + rows)))
        start += rows
    return result


def suited(family, kind, **options):
    classes = VOCAB if kind == "masked" else CLASSES
    only_bert = family == "Bert"
    sizes = ((4, 7), (5, 4), (1, 6)) if family == "MT5" else ((5, 7), (4, 5), (1, 6))
    return batches(kind, sizes, positions=only_bert, types=only_bert, classes=classes, **options)


def naive(model, data, labels):
    """Squared gradients of each example by parameter, from the definition; one example and one label at a time."""
    flags = {p: p.requires_grad for p in model.parameters()}
    model = model.eval()
    parameters = dict(model.named_parameters())
    for p in parameters.values():
        p.requires_grad_(True)
    squares = []
    for batch in data:
        for b in range(len(batch)):
            logits = model(**{key: value[b : b + 1] for key, value in batch.inputs.items()}).logits[0]
            y = batch.labels[b]
            if y.ndim == 0:
                logits, y = logits[None], y[None]
            logits, y = logits[y != IGNORE], y[y != IGNORE]
            if labels == "true":
                terms = [(1.0, -F.cross_entropy(logits, y, reduction="sum"))] if len(y) else []
            else:
                log_p = logits.log_softmax(-1)
                terms = [(log_p[u, c].exp().item(), log_p[u, c]) for u in range(len(y)) for c in range(log_p.shape[1])]
            total = {name: torch.zeros_like(p) for name, p in parameters.items()}
            for weight, term in terms:
                found = torch.autograd.grad(term, parameters.values(), retain_graph=True, allow_unused=True)
                for (name, _), g in zip(parameters.items(), found, strict=True):
                    if g is not None:
                        total[name] += weight * g.square()
            squares.append(total)
    for p, flag in flags.items():
        p.requires_grad_(flag)
    model.train()
    return squares


def assert_equal(model, data, labels, tolerance=1e-10, **options):
    """Trace of every example, and diagonal of every parameter, equal the loop's."""
    expected = naive(model, data, labels)
    norms = [sum(x.sum(dtype=torch.float64).item() for x in total.values()) for total in expected]
    norms = torch.tensor(norms, dtype=torch.float64)
    found = trace(model, data, labels, **options)
    torch.testing.assert_close(found.values, norms, rtol=tolerance, atol=tolerance * norms.max().item())
    diag = diagonal(model, data, labels, **options)
    assert list(diag) == list(expected[0])
    scale = max(x.max().item() for total in expected for x in total.values())
    for name, entries in diag.items():
        mean = torch.stack([total[name] for total in expected]).mean(0)
        # softmax attention does not depend on the biases of the keys: relative to what would be an error
        assert (entries - mean).abs().max() <= tolerance * mean.max() + tolerance**2 * scale, name
    assert sum(x.sum().item() for x in diag.values()) == pytest.approx(found.mean, rel=100 * tolerance)
    assert found.mean > 0
    return found, diag


@pytest.fixture(autouse=True)
def fresh_log():
    engine._say.cache_clear()


@pytest.fixture
def all_in_float64(monkeypatch):
    """XLM's softmax and mT5's norms compute in float32 whatever the type: their rounding would hide an error."""

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.variance_epsilon))

    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    monkeypatch.setattr(transformers.models.mt5.modeling_mt5.MT5LayerNorm, "forward", forward)


@pytest.mark.parametrize("labels", ["true", "model"])
@pytest.mark.parametrize("kind", ["sequence", "token"])
@pytest.mark.parametrize("family", CONFIGS)
@pytest.mark.usefixtures("all_in_float64")
def test_every_family_equals_the_loop(family, kind, labels, caplog):
    assert_equal(build(family, kind), suited(family, kind), labels)
    slow = [record.getMessage() for record in caplog.records if record.name == engine.__name__]
    if family == "MT5":  # the tables of relative positions have no batch dimension
        assert len(slow) == 1 and "relative_attention_bias" in slow[0] and " more" not in slow[0]
    else:
        assert not slow


@pytest.mark.parametrize("family", ["Bert", "XLM"])
@pytest.mark.usefixtures("all_in_float64")
def test_a_masked_language_model_with_tied_weights_equals_the_loop(family, caplog):
    model = build(family, "masked")
    tied = model.get_output_embeddings().weight
    assert tied is model.get_input_embeddings().weight
    data = suited(family, "masked")
    for labels in ("true", "model"):
        assert_equal(model, data, labels)
    assert not caplog.records


@pytest.mark.parametrize("family", CONFIGS)
def test_float32_is_exact_to_its_rounding(family, request):
    data = suited(family, "sequence")
    single = build(family, "sequence", torch.float32)
    found = {labels: (trace(single, data, labels), diagonal(single, data, labels)) for labels in ("true", "model")}
    request.getfixturevalue("all_in_float64")
    for labels, (norms, squares) in found.items():
        double = build(family, "sequence", torch.float32).double()
        torch.testing.assert_close(norms.values, trace(double, data, labels).values, rtol=1e-5, atol=0)
        for name, expected in diagonal(double, data, labels).items():
            assert squares[name].dtype == torch.float32
            error = (squares[name].double() - expected).norm()
            assert error <= 5e-6 * expected.norm() or "key.bias" in name or "k_lin.bias" in name, name
