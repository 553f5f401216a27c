"""The Fisher engine against a loop over single examples that uses nothing but automatic differentiation."""

import gc
import math
import weakref
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import transformers
from torch import nn
from torch.nn import functional as F

from xlgen.core.errors import ConfigError, DataError, ModelError, TrainingError, UnknownName
from xlgen.data.batch import IGNORE, Batch
from xlgen.fisher import diagonal, engine, factors, modules, trace

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


def batches(kind, sizes=((5, 5), (4, 7), (1, 6)), positions=True, types=True, classes=CLASSES):
    """Batches of (B, T) with padding and repeated tokens; in a square one a table (T, T) could be taken for (B, T)."""
    generator = torch.Generator().manual_seed(1)
    result, start = [], 0
    for rows, width in sizes:
        ids = torch.randint(5, VOCAB, (rows, width), generator=generator)
        ids[:, 1] = ids[:, 2]
        ids[-1, 3] = PAD  # attended, but the row of the table is not trained
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


def suited(family, kind):
    """Positions and segments are given where the family counts positions from zero, as batches of a task do."""
    is_bert = family == "Bert"
    return batches(kind, positions=is_bert, types=is_bert, classes=VOCAB if kind == "masked" else CLASSES)


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


class Odd(nn.Module):
    """Uses of parameters that a look at the modules would not tell."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(VOCAB, 6)
        self.free = nn.Parameter(torch.randn(6))  # owned by a module of an unknown kind
        self.table = nn.Embedding(9, 6)  # called without a batch dimension
        self.again = nn.Linear(6, 6)  # its weight is also used outside of it
        self.twice = nn.Linear(6, 6)  # called twice: fast
        self.own = Own(6, 6)  # a linear map with a forward pass of its own
        self.gemma = GemmaRMSNorm(6)  # multiplies by 1 + weight
        self.t5 = MyT5LayerNorm(6)
        self.hooked = nn.Linear(6, 6, bias=False)
        self.hooked.register_forward_hook(lambda _module, _inputs, output: 2 * output)
        self.head = nn.Linear(6, CLASSES)
        self.dead = nn.Linear(6, 6)  # takes no part

    def forward(self, input_ids, attention_mask):
        x = self.words(input_ids) + self.free + self.table(torch.arange(input_ids.shape[1]))
        x = self.twice(torch.tanh(self.twice(x))) + self.again(x) + x @ self.again.weight + self.own(x)
        x = self.t5(self.gemma(torch.tanh(x + self.hooked(x))))
        self.dead(x)
        return SimpleNamespace(logits=self.head((x * attention_mask[:, :, None]).sum(1)))


class Own(nn.Linear):
    def forward(self, x):
        return x @ self.weight**2 + self.bias


class GemmaRMSNorm(nn.Module):
    def __init__(self, n, shift=1):
        super().__init__()
        self.weight, self.shift = nn.Parameter(torch.randn(n)), shift

    def forward(self, x):
        return (self.shift + self.weight) * x / x.square().mean(-1, keepdim=True).sqrt()


class MyT5LayerNorm(GemmaRMSNorm):
    def __init__(self, n):
        super().__init__(n, shift=0)


def odd():
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return Odd().double()


@pytest.mark.parametrize("labels", ["true", "model"])
def test_what_is_not_understood_is_exact_and_said_once(labels, caplog):
    data = batches("sequence", ((4, 5), (9, 6), (9, 9)), positions=False, types=False)
    assert_equal(odd(), data, labels)
    (record,) = caplog.records
    # the others are fast: also those of a map called twice, and of one that takes no part
    assert record.args == ("free, table.weight, again.weight, own.weight, own.bias and 2 more",)


def test_an_output_changed_in_place_still_has_its_own_gradient():
    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.norm = nn.Embedding(VOCAB, 6), nn.LayerNorm(6)
            self.map, self.head = nn.Linear(6, 6), nn.Linear(6, CLASSES)

        def forward(self, input_ids, attention_mask):
            x = self.norm(self.words(input_ids))
            x *= 3 * attention_mask[:, :, None]
            x = self.map(x)  # a view of the matrix product
            x *= attention_mask[:, :, None]
            return SimpleNamespace(logits=self.head(x.tanh()).sum(1))

    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = InPlace().double()
    assert_equal(model, batches("sequence", positions=False, types=False), "true")


def test_broadcast_positions_are_one_row_for_each_example(caplog):
    model = build("Bert", "sequence")
    with_rows, without = batches("sequence"), batches("sequence", positions=False, types=False)
    for batch in with_rows:
        batch.inputs["token_type_ids"].zero_()
    torch.testing.assert_close(trace(model, without).values, trace(model, with_rows).values, rtol=1e-12, atol=0)
    name = "bert.embeddings.position_embeddings.weight"
    torch.testing.assert_close(diagonal(model, without)[name], diagonal(model, with_rows)[name], rtol=1e-10, atol=0)
    assert not caplog.records


def test_a_broadcast_row_that_only_one_example_reads_is_an_error():
    class First(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.places, self.head = nn.Embedding(VOCAB, 6), nn.Embedding(9, 6), nn.Linear(6, CLASSES)

        def forward(self, input_ids, attention_mask):
            places = self.places(torch.arange(input_ids.shape[1])[None])[0]
            return SimpleNamespace(logits=self.head((self.words(input_ids) + places).tanh().sum(1)))

    with pytest.raises(ModelError, match="position_ids"):
        trace(First(), batches("sequence", positions=False, types=False))


def test_long_texts_take_the_matrix_itself():
    data = batches("sequence", ((3, 19),))
    assert_equal(build("Bert", "sequence"), data, "true")  # 19 (8 + 8) > 8 8: the direct norm
    wide = dict(BERT, hidden_size=64, intermediate_size=96)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = transformers.BertForSequenceClassification(transformers.BertConfig(**wide, **COMMON)).double()
    assert_equal(model, data, "model")  # Gram matrices


def test_gram_matrices_in_blocks_are_whole(monkeypatch):
    for small in (1, 3):
        monkeypatch.setattr(factors, "STEP", small)
        monkeypatch.setattr(factors, "CHUNK", small)
        assert_equal(build("Bert", "sequence"), batches("sequence"), "model")


def test_the_order_of_the_batches_does_not_matter():
    model, data = build("Bert", "token"), batches("token")
    expected = trace(model, data)
    assert expected.index.tolist() == list(range(10))
    shuffled = [batch.rows(torch.arange(len(batch)).flip(0)) for batch in reversed(data)]
    torch.testing.assert_close(trace(model, shuffled).values, expected.values, rtol=1e-12, atol=1e-30)


SENTENCES = torch.tensor([0, 1, 0, 2, 3, 1, 0, 4, 3, 2])
"""Which sentence each of ten rows is a piece of: one of three pieces, three of two, one whole."""


def cut(data, sentences=SENTENCES):
    """The same batches with rows that are pieces of sentences; pieces are of different lengths and batches."""
    pieces = torch.tensor([int((sentences[:row] == sentences[row]).sum()) for row in range(len(sentences))])
    return [replace(batch, index=sentences[batch.index], piece=pieces[batch.index]) for batch in data]


@pytest.mark.parametrize(
    ("family", "labels", "sentences"),
    [*((family, "true", SENTENCES) for family in CONFIGS)]
    + [("Bert", "model", SENTENCES), ("Bert", "true", torch.arange(10) // 2), ("MT5", "true", torch.arange(10) // 2)],
)
@pytest.mark.usefixtures("all_in_float64")
def test_the_pieces_of_a_sentence_are_one_example(family, labels, sentences):
    """Their gradients are added before they are squared, as a loop over the pieces does."""
    model, data = build(family, "token").eval(), suited(family, "token")
    numbers = sentences.unique().tolist()
    if labels == "model":  # labels of different words are independent given the text: no cross terms
        rows = naive(model, data, "model")
        each = [[rows[row] for row in (sentences == number).nonzero()[:, 0].tolist()] for number in numbers]
        expected = [{name: sum(row[name] for row in found) for name in found[0]} for found in each]
    else:
        parameters = dict(model.named_parameters())
        sums = [{name: torch.zeros_like(p) for name, p in parameters.items()} for _ in numbers]
        for p in parameters.values():
            p.requires_grad_(True)
        for batch in data:
            for row, y, number in zip(range(len(batch)), batch.labels, batch.index, strict=True):
                logits = model(**batch.rows(slice(row, row + 1)).inputs).logits[0]
                loss = F.cross_entropy(logits, y, reduction="sum", ignore_index=IGNORE)
                found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
                for name, g in zip(parameters, found, strict=True):
                    if g is not None:
                        sums[int(sentences[number])][name] += g
        expected = [{name: g.square() for name, g in total.items()} for total in sums]
    norms = torch.tensor([sum(x.sum().item() for x in total.values()) for total in expected], dtype=torch.float64)
    found = trace(model, cut(data, sentences), labels)
    assert found.index.tolist() == numbers and len(found) == len(numbers)
    torch.testing.assert_close(found.values, norms, rtol=1e-9, atol=1e-10 * norms.max().item())
    assert found.mean == pytest.approx(norms.mean().item(), rel=1e-9)
    entries = diagonal(model, cut(data, sentences), labels)
    for name, entry in entries.items():
        mean = torch.stack([total[name] for total in expected]).mean(0)
        assert (entry - mean).abs().max() <= 1e-9 * mean.max() + 1e-18, name


def test_one_piece_a_sentence_changes_no_bit():
    model, data = build("Bert", "token"), batches("token")
    alone = [replace(batch, piece=torch.zeros_like(batch.index)) for batch in data]
    for labels in ("true", "model", "sample"):
        draws = lambda: torch.Generator().manual_seed(0)  # noqa: E731
        one, two = (trace(model, each, labels, generator=draws()) for each in (data, alone))
        assert torch.equal(one.values, two.values) and torch.equal(one.index, two.index)


def test_an_input_changed_after_its_use_is_refused_as_autograd_does():
    class Changed(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.head = nn.Embedding(VOCAB, 6), nn.Linear(6, CLASSES)

        def forward(self, input_ids, attention_mask):
            ids = input_ids.clone()
            x = self.words(ids)
            ids -= 1
            return SimpleNamespace(logits=self.head(x.sum(1)))

    with pytest.raises(RuntimeError, match="inplace"):
        trace(Changed(), batches("sequence", positions=False, types=False))


def test_activations_are_freed_without_the_garbage_collector(monkeypatch):
    alive = []

    def uses(module, x, gradient):
        alive.append(weakref.ref(x))
        return modules.uses(module, x, gradient)

    monkeypatch.setattr(engine, "uses", uses)
    gc.disable()
    try:
        trace(build("Bert", "sequence"), batches("sequence"))
        assert len(alive) > 50 and not any(x() is not None for x in alive)
    finally:
        gc.enable()


def test_names_restrict_what_is_looked_at():
    model, data = build("Bert", "sequence"), batches("sequence")
    whole = diagonal(model, data)
    names = [name for name in whole if name.endswith("bias") or "classifier" in name]
    part = diagonal(model, data, names=names)
    assert list(part) == names
    for name in names:
        torch.testing.assert_close(part[name], whole[name], rtol=1e-10, atol=1e-25)
    total = sum(entries.sum().item() for entries in part.values())
    assert trace(model, data, names=names).mean == pytest.approx(total, rel=1e-10)
    with pytest.raises(UnknownName, match="clasifier.weight.*Did you mean 'classifier.weight'"):
        trace(model, data, names=["clasifier.weight"])


@pytest.mark.parametrize(
    ("family", "tuning"),
    [("Bert", "bitfit"), ("Bert", "adapter"), ("Bert", "prompt"), ("MT5", "adapter"), ("MT5", "prompt")],
)
@pytest.mark.usefixtures("all_in_float64")
def test_tuned_models_equal_the_loop(family, tuning):
    from xlgen.core import hyper
    from xlgen.models.tuning import TUNINGS

    model = build(family, "sequence")
    hyper_parameters = {"adapter": {"bottleneck": 3}, "prompt": {"tokens": 5}}.get(tuning, {})
    model = hyper.create(TUNINGS, tuning, hyper_parameters).apply(model.double()).double()
    data = suited(family, "sequence")
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    _, whole = assert_equal(model, data, "model")
    for name, entries in diagonal(model, data, names=trained).items():
        torch.testing.assert_close(entries, whole[name], rtol=1e-10, atol=1e-25)


@pytest.mark.parametrize("tokens", [2, 4, 5])
@pytest.mark.usefixtures("all_in_float64")
def test_inputs_of_other_lengths_with_as_many_places_are_added(tokens):
    """mT5's encoder sees a prompt that its decoder does not, and both stop at the same place of a short text."""
    from xlgen.core import hyper
    from xlgen.models.tuning import TUNINGS

    sizes = dict(vocab_size=VOCAB, d_model=64, d_kv=16, d_ff=128, num_layers=1, num_heads=4, num_labels=CLASSES)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = transformers.MT5ForSequenceClassification(transformers.MT5Config(**sizes, decoder_start_token_id=0))
        model = hyper.create(TUNINGS, "prompt", {"tokens": tokens}).apply(model.double()).double()
    ids = torch.randint(5, VOCAB, (2, 52), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    for row, end in enumerate((40, 37)):
        ids[row, end], ids[row, end + 1 :], mask[row, end + 1 :] = EOS, 0, 0
    batch = Batch({"input_ids": ids, "attention_mask": mask}, torch.tensor([0, 1]), torch.arange(2))
    assert_equal(model, [batch], "true")


def state(model):
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    return hooks, [m.training for m in model.modules()], [p.requires_grad for p in model.parameters()]


def test_nothing_of_the_model_changes(monkeypatch):
    model, data = build("MT5", "sequence"), suited("MT5", "sequence")
    for p in list(model.parameters())[::2]:
        p.grad = torch.full_like(p, 2)
    before, weights = state(model), [p.detach().clone() for p in model.parameters()]

    def same():
        assert state(model) == before
        for i, (p, w) in enumerate(zip(model.parameters(), weights, strict=True)):
            assert torch.equal(p, w)
            assert p.grad is None if i % 2 else torch.equal(p.grad, torch.full_like(p, 2))

    for kind in ("true", "model"):
        trace(model, data, kind)
        diagonal(model, data, kind)
        same()

    def fail(*_, **__):
        raise MemoryError

    for place, name in ((engine, "directions"), (engine, "uses"), (engine, "_one_by_one"), (type(model), "forward")):
        with monkeypatch.context() as patch, pytest.raises(MemoryError):
            patch.setattr(place, name, fail)
            trace(model, data)
        same()


def test_bad_input_is_named():
    model, data = build("Bert", "sequence"), batches("sequence")
    with pytest.raises(ConfigError, match="labels is 'empirical'; expected one of 'true', 'model', 'sample'"):
        trace(model, data, "empirical")
    with pytest.raises(ConfigError, match="generator"):
        diagonal(model, data, "sample")
    for nothing in ([], [data[0].rows(slice(0, 0))]):
        with pytest.raises(DataError, match="no examples"):
            diagonal(model, nothing)
    with torch.no_grad():
        model.classifier.bias[0] = math.nan
    with pytest.raises(TrainingError, match="not finite"):
        trace(model, data)
