"""Labels of the Fisher information, and the measure Tr F."""

import math
import random
from dataclasses import replace
from types import SimpleNamespace

import pytest
import tiny
import torch
from test_fisher_engine import CLASSES, batches, build, naive
from transformers import AutoTokenizer

from xlgen.core.errors import ConfigError
from xlgen.data.batch import IGNORE
from xlgen.data.encode_tagged import encode_tagged
from xlgen.data.read_tagged import TaggedRows
from xlgen.fisher import diagonal, labels, trace
from xlgen.measures import MEASURES, Subject, measure
from xlgen.measures.fisher_trace import _proxy

torch.set_num_threads(1)


def probabilities(rows, classes, scale=1.0):
    logits = scale * torch.randn(rows, classes, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return logits.softmax(-1)


@pytest.mark.parametrize("scale", [1, 5, 50, 1000])
@pytest.mark.parametrize("classes", [1, 2, 3, 17])
def test_the_factor_squares_to_the_covariance_of_the_label(classes, scale):
    p = probabilities(40, classes, scale)
    s = labels.factor(p)
    assert s.shape == (40, classes, classes - 1) and s.isfinite().all()
    torch.testing.assert_close(s @ s.mT, torch.diag_embed(p) - p[:, :, None] * p[:, None, :], rtol=0, atol=1e-15)
    # relative to its own size also where a model is so confident that 1 - p is rounded away
    variance = p * (p.sum(1, keepdim=True) - p) if scale < 5 else s.square().sum(-1)
    torch.testing.assert_close(s.square().sum(-1), variance, rtol=1e-9, atol=0)


def test_a_confident_example_keeps_its_digits():
    """p = (1 - 1e-12, 1e-12) in the logits' float32: 1 - p is 1e-12 and neither 0 nor 1.2e-7."""
    logits, y = torch.tensor([[0.0, -27.6310211]]), torch.tensor([0])
    (direction,) = labels.directions(logits, y, "true")
    assert direction[0, 1].item() == pytest.approx(1e-12, rel=1e-4)
    (direction,) = labels.directions(logits, y, "model")
    assert direction.square().sum().item() == pytest.approx(2e-12, rel=1e-4)


def test_draws_have_the_model_s_frequencies_and_do_not_depend_on_the_cut():
    p = probabilities(3, 4)
    many = p.repeat(20_000, 1)
    y = labels.draw(many, torch.Generator().manual_seed(0))
    for row in range(3):
        found = torch.bincount(y[row::3], minlength=4) / 20_000
        torch.testing.assert_close(found.double(), p[row], atol=5 * math.sqrt(0.25 / 20_000), rtol=0)
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(torch.cat([labels.draw(part, generator) for part in many.split(7)]), y)
    certain = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64).repeat(100, 1)
    assert (labels.draw(certain, generator) == 1).all()


def test_directions_are_zero_outside_of_the_units():
    logits = torch.randn(2, 4, CLASSES, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([[IGNORE, 2, IGNORE, 0], [IGNORE, 1, IGNORE, IGNORE]])
    for kind, count in (("true", 1), ("sample", 1), ("model", 2 * (CLASSES - 1))):
        along = labels.directions(logits, y, kind, torch.Generator().manual_seed(0))
        assert len(along) == count
        assert all((direction[y == IGNORE] == 0).all() for direction in along)
    (true,) = labels.directions(logits, y, "true", scale=3.0)
    assert true[0, 3].tolist() == pytest.approx((3 * (logits[0, 3].softmax(-1) - torch.tensor([1.0, 0, 0]))).tolist())


@pytest.mark.parametrize("kind", ["sequence", "token"])
def test_sampled_labels_agree_with_the_model_s_on_average(kind):
    model, data = build("Bert", kind), batches(kind, ((4, 6),))
    exact = trace(model, data)
    generator, rows = torch.Generator().manual_seed(0), data[0].rows(torch.arange(4).repeat(30))
    often = [replace(rows, index=torch.arange(len(rows)))]  # each row 30 times, as examples of their own
    draws = torch.cat([trace(model, often, "sample", generator=generator).values.view(30, 4) for _ in range(10)])
    error = draws.std(0) / math.sqrt(300)
    assert ((draws.mean(0) - exact.values).abs() <= 4 * error + 1e-12).all()
    repeat = [trace(model, data, "sample", generator=torch.Generator().manual_seed(1)).values for _ in range(2)]
    assert torch.equal(*repeat)
    diag = diagonal(model, data, "sample", generator=torch.Generator().manual_seed(1))
    assert sum(x.sum().item() for x in diag.values()) == pytest.approx(repeat[0].mean().item(), rel=1e-9)


def test_labels_of_one_text_are_independent():
    """The mean over all joint labels of two words is what the sum over words computes."""
    model, (batch,) = build("Bert", "token"), batches("token", ((2, 6),))
    batch.labels.fill_(IGNORE)
    batch.labels[:, 1:3] = 0
    model.eval()
    parameters = [p.requires_grad_() for p in model.parameters()]
    expected = torch.zeros(2, dtype=torch.float64)
    for b in range(2):
        log_p = model(**batch.rows(slice(b, b + 1)).inputs).logits[0, 1:3].log_softmax(-1)
        for i in range(CLASSES):
            for j in range(CLASSES):
                joint = log_p[0, i] + log_p[1, j]
                found = torch.autograd.grad(joint, parameters, retain_graph=True, allow_unused=True)
                expected[b] += joint.exp().item() * sum(g.square().sum().item() for g in found if g is not None)
    torch.testing.assert_close(trace(model, [batch]).values, expected, rtol=1e-10, atol=0)


def test_too_many_classes_name_the_alternative(monkeypatch):
    monkeypatch.setattr(labels, "EXACT_CLASSES", CLASSES - 1)
    with pytest.raises(ConfigError, match="use 'sample'"):
        trace(build("Bert", "sequence"), batches("sequence"))


@pytest.mark.parametrize("kind", ["sequence", "token"])
def test_the_measure_is_the_mean_and_its_error(kind):
    model, data = build("Bert", kind), batches(kind)
    subject = Subject(model, {"en": data}, split="dev", kind=kind)
    for name in ("model", "true"):
        squares = [sum(x.sum().item() for x in each.values()) for each in naive(model, data, name)]
        norms = torch.tensor(squares, dtype=torch.float64)
        value = measure(subject, ["fisher_trace"], {"fisher_trace": {"labels": name}})["fisher_trace"]["en"]
        assert value.value == pytest.approx(norms.mean().item(), rel=1e-9)
        assert value.stderr == pytest.approx(norms.std().item() / math.sqrt(10), rel=1e-9)
        assert value.n == 10 and value.stderr_kind == "examples" and "dev" in value.on and name in value.on
        assert value.extra["per_unit"] == pytest.approx(norms.sum().item() / sum(b.units for b in data), rel=1e-9)
    first = MEASURES["fisher_trace"](subject, labels="true", examples=4, proxy=False)["en"]
    assert first.n == 4 and first.value == pytest.approx(norms[:4].mean().item(), rel=1e-9)
    assert "proxy" not in first.extra


def test_the_proxy_is_the_fisher_penalty_times_the_batch():
    model, data = build("Bert", "sequence"), batches("sequence")
    subject = Subject(model, {"en": data})
    value = MEASURES["fisher_trace"](subject, labels="true")["en"]
    model.eval()
    parameters = [p.requires_grad_() for p in model.parameters()]
    each = []
    for batch in data:
        loss = torch.nn.functional.cross_entropy(model(**batch.inputs).logits, batch.labels)
        each.append(len(batch) * sum(g.square().sum().item() for g in torch.autograd.grad(loss, parameters)))
    sizes = [len(batch) for batch in data]
    mean = sum(size * v for size, v in zip(sizes, each, strict=True)) / 10
    assert value.extra["proxy"] == pytest.approx(mean, rel=1e-9) and value.extra["proxy_batch"] == max(sizes)
    spread = sum((size / 10 * (v - mean)) ** 2 for size, v in zip(sizes, each, strict=True))
    error = math.sqrt(spread * len(data) / (len(data) - 1))  # of batches of one size: s / √k, as of any mean
    assert value.extra["proxy_stderr"] == pytest.approx(error, rel=1e-9)


def test_the_mean_of_the_proxy_over_sampled_labels_is_the_trace():
    model, data = build("Bert", "sequence"), batches("sequence")
    runs = [_proxy(model, data, "sample", torch.Generator().manual_seed(seed))["proxy"] for seed in range(100)]
    expected, found = MEASURES["fisher_trace"](Subject(model, {"en": data}), proxy=False)["en"], torch.tensor(runs)
    assert abs(found.mean().item() - expected.value) < 4 * found.std().item() / 10


class Lookup(torch.nn.Module):
    """A tagger of single sub-words: where a sentence is cut changes nothing of what it says."""

    def __init__(self, vocab, classes):
        super().__init__()
        torch.manual_seed(0)
        self.table, self.head = torch.nn.Embedding(vocab, 6), torch.nn.Linear(6, classes)
        self.double()

    def forward(self, input_ids, **_):
        return SimpleNamespace(logits=self.head(self.table(input_ids)))


@pytest.mark.parametrize("kind", ["model", "true"])
def test_a_sentence_that_was_cut_is_one_example(kind, tmp_path):
    """Tr F, its error, n and the proxy do not depend on max_length, up to what the context of a word does."""
    draw, tokenizer = random.Random(0), AutoTokenizer.from_pretrained(tiny.save_encoder(tmp_path / "encoder"))
    words = tuple(tuple(draw.choices(tiny.WORDS, k=k)) for k in (200, 3, 60, 7, 130, 1, 20))
    rows = TaggedRows(words, tuple(tuple(tiny.WORDS.index(word) % 3 for word in each) for each in words))
    model, found = Lookup(len(tiny.VOCAB), 3), {}
    for length in (64, 256):
        data = encode_tagged(rows, tokenizer, length)
        assert len(data) == (7 if length == 256 else 12)
        # one batch: the proxy sees nothing of pieces but their number
        whole = [data.batch(torch.arange(len(data)))]
        subject = Subject(model, {"en": whole, "xx": [data.batch(torch.arange(len(data) - 1))]}, kind="token")
        settings = {"fisher_trace": {"labels": kind}, "frechet": {"labels": kind, "parameters": "all", "folds": 2}}
        values = measure(subject, list(settings), settings)
        found[length], found[length, "distance"] = values["fisher_trace"]["en"], values["frechet"]["xx"]
    one, two = (found[length, "distance"] for length in (64, 256))
    assert one.n == two.n == 6 and one.extra["trace"] == pytest.approx(two.extra["trace"], rel=1e-6)
    assert one.value == pytest.approx(two.value, rel=1e-6) and one.stderr == pytest.approx(two.stderr, rel=1e-6)
    one, two = found[64], found[256]
    assert one.value == pytest.approx(two.value, rel=1e-9) and one.stderr == pytest.approx(two.stderr, rel=1e-9)
    assert one.n == two.n == 7
    for name in ("per_unit", "proxy", "proxy_batch"):
        assert one.extra[name] == pytest.approx(two.extra[name], rel=1e-9), name


def test_settings_are_checked():
    subject = Subject(build("Bert", "sequence"), {"en": batches("sequence")})
    with pytest.raises(ConfigError, match="labels is 'all'"):
        MEASURES["fisher_trace"](subject, labels="all")
    with pytest.raises(ConfigError, match="examples is -1"):
        MEASURES["fisher_trace"](subject, examples=-1)
