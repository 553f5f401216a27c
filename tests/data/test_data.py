"""The data path: every example once, in a repeatable order, padded to the longest and no further."""

from dataclasses import replace

import pytest
import torch
from transformers import BertTokenizerFast, PreTrainedTokenizerFast

from xlgen.core.errors import ModelError
from xlgen.data import encode as data
from xlgen.data import token_cache
from xlgen.data.encode import Encoded, encode, fingerprint, training_order
from xlgen.data.read_pairs import Rows

WORDS = [f"w{i}" for i in range(20)]
VOCAB = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "##x"])}


@pytest.fixture(autouse=True)
def forget():
    token_cache._memory.clear()


@pytest.fixture
def tokenizer():
    return BertTokenizerFast(vocab=dict(VOCAB))


def some_rows(n: int, seed: int = 0) -> Rows:
    generator = torch.Generator().manual_seed(seed)

    def text():
        length = int(torch.randint(1, 30, (), generator=generator))
        return " ".join(WORDS[i] for i in torch.randint(0, len(WORDS), (length,), generator=generator))

    return Rows(tuple(text() for _ in range(n)), tuple(text() for _ in range(n)), tuple(i % 3 for i in range(n)))


def same(a: Encoded, b: Encoded) -> bool:
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in ("tokens", "types", "offsets", "labels"))


def unpadded(inputs) -> list[dict[str, list[int]]]:
    """The examples of a batch without their padding."""
    lengths = inputs["attention_mask"].sum(1).tolist()
    return [{k: v[i, :n].tolist() for k, v in inputs.items()} for i, n in enumerate(lengths)]


# Encoding and padding


def test_batches_hold_what_the_tokenizer_says_of_each_pair_alone(tokenizer):
    rows = some_rows(37)
    batches = encode(rows, tokenizer, 24).batches(8)
    found = {}
    for batch in batches:
        found |= dict(zip(batch.index.tolist(), unpadded(batch.inputs), strict=True))
        assert batch.labels.tolist() == [rows.labels[i] for i in batch.index.tolist()]
    assert sorted(found) == list(range(37))
    assert max(len(example["input_ids"]) for example in found.values()) == 24
    for i, example in found.items():
        alone = tokenizer(rows.first[i], rows.second[i], truncation="longest_first", max_length=24)
        assert example == dict(alone)


def test_truncation_takes_from_the_longer_text(tokenizer):
    encoded = encode(Rows((" ".join(WORDS),), ("w0 w1",), (0,)), tokenizer, 8)
    cls, sep = VOCAB["[CLS]"], VOCAB["[SEP]"]
    w = [VOCAB[word] for word in WORDS]
    assert encoded.tokens.tolist() == [cls, *w[:3], sep, *w[:2], sep]
    assert encoded.types.tolist() == [0] * 5 + [1] * 3


def test_padding_reaches_the_longest_only_and_is_masked(tokenizer):
    encoded = encode(some_rows(50), tokenizer, 128, position_ids=True)
    batches = encoded.batches(16)
    assert [len(batch) for batch in batches] == [16, 16, 16, 2]
    widths = [batch.inputs["input_ids"].shape[1] for batch in batches]
    assert widths == sorted(widths, reverse=True) and widths[0] == encoded.lengths.max()
    for batch in batches:
        mask, ids = batch.inputs["attention_mask"], batch.inputs["input_ids"]
        assert mask.sum(1).tolist() == encoded.lengths[batch.index].tolist()
        assert mask.sum(1).max() == ids.shape[1]
        assert torch.equal(mask, mask.sort(dim=1, descending=True).values)
        assert (ids[mask == 0] == tokenizer.pad_token_id).all()
        assert (batch.inputs["token_type_ids"][mask == 0] == 0).all()
        for tensor in batch.inputs.values():
            assert tensor.shape == ids.shape and tensor.dtype == torch.int64 and tensor.is_contiguous()
        assert torch.equal(batch.inputs["position_ids"], torch.arange(ids.shape[1]).expand_as(ids))


def test_padding_with_a_number_other_than_zero(tokenizer):
    vocab = {"<s>": 0, "<pad>": 1, "</s>": 2, "[UNK]": 3, "w0": 4}
    other = BertTokenizerFast(vocab=vocab, pad_token="<pad>", cls_token="<s>", sep_token="</s>", mask_token=None)
    batch = encode(Rows(("w0", "w0 w0"), ("w0", "w0"), (0, 1)), other, 16).batches(2)[0]
    assert batch.inputs["input_ids"][1].tolist() == [0, 4, 2, 4, 2, 1]


def test_inputs_are_those_that_the_model_takes(tokenizer):
    plain = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer, pad_token="[PAD]", model_input_names=["input_ids"]
    )
    rows = some_rows(5)
    assert set(encode(rows, tokenizer, 64).batches(5)[0].inputs) == {"input_ids", "attention_mask", "token_type_ids"}
    assert set(encode(rows, plain, 64).batches(5)[0].inputs) == {"input_ids", "attention_mask"}
    names = set(encode(rows, plain, 64, position_ids=True).batches(5)[0].inputs)
    assert names == {"input_ids", "attention_mask", "position_ids"}


def test_padding_does_not_change_what_a_model_computes(tokenizer):
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    sizes = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    model = BertForSequenceClassification(BertConfig(vocab_size=len(VOCAB), num_labels=3, **sizes)).double().eval()
    encoded = encode(some_rows(12), tokenizer, 64, position_ids=True)
    with torch.no_grad():
        together = torch.empty(12, 3, dtype=torch.float64)
        for batch in encoded.batches(6):
            together[batch.index] = model(**batch.inputs).logits
        alone = torch.cat([model(**encoded.inputs(torch.tensor([i]))).logits for i in range(12)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


def test_an_unfit_tokenizer_is_refused(tokenizer):
    class Slow:
        is_fast, name_or_path = False, "some/model"

    with pytest.raises(ModelError, match="some/model is not a fast one"):
        encode(some_rows(2), Slow(), 16)
    without_padding = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer)
    with pytest.raises(ModelError, match="no padding token"):
        encode(some_rows(2), without_padding, 16)


# Training order


@pytest.mark.parametrize(("n", "batch", "micro"), [(1, 8, 0), (64, 8, 0), (67, 8, 3), (1003, 4, 4), (5, 8, 2)])
def test_each_example_is_seen_once_an_epoch(tokenizer, n, batch, micro):
    encoded = encode(some_rows(n), tokenizer, 64)
    steps = list(encoded.epoch(batch, micro, seed=3, epoch=1))
    assert len(steps) == -(-n // batch)
    sizes = sorted(sum(map(len, step)) for step in steps)
    assert sizes[1:] == [batch] * (len(steps) - 1) and sizes[0] == (n % batch or batch)
    assert all(len(part) <= (micro or batch) for step in steps for part in step)
    seen = torch.cat([part.index for step in steps for part in step])
    assert torch.equal(seen.sort().values, torch.arange(n))
    for step in steps:
        for part in step:
            assert torch.equal(part.labels, encoded.labels[part.index])
            assert part.inputs["attention_mask"].sum(1).tolist() == encoded.lengths[part.index].tolist()
            assert part.inputs["attention_mask"].sum(1).max() == part.inputs["attention_mask"].shape[1]


def test_order_depends_on_seed_and_epoch_alone():
    lengths = torch.randint(5, 60, (700,), generator=torch.Generator().manual_seed(0))

    def order(seed, epoch):
        return torch.cat(training_order(lengths, 8, seed, epoch)).tolist()

    torch.manual_seed(1)
    first, state = order(0, 0), torch.get_rng_state()
    torch.manual_seed(2)
    assert order(0, 0) == first
    torch.manual_seed(1)
    order(5, 5)
    assert torch.equal(torch.get_rng_state(), state)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9
    assert order(1, 0) != order(0, 1)


def test_micro_batches_split_the_same_steps(tokenizer):
    encoded = encode(some_rows(50), tokenizer, 64)
    whole = [step[0].index.tolist() for step in encoded.epoch(8, 0, seed=0, epoch=0)]
    parts = [sum((part.index.tolist() for part in step), []) for step in encoded.epoch(8, 3, seed=0, epoch=0)]
    assert whole == parts


def test_batches_are_alike_in_length_but_random_in_order():
    lengths = torch.randint(5, 100, (6400,), generator=torch.Generator().manual_seed(0))
    batches = training_order(lengths, 32, seed=0, epoch=0)
    within = torch.stack([lengths[index].double().std() for index in batches]).mean()
    means = torch.stack([lengths[index].double().mean() for index in batches])
    assert within < 0.05 * lengths.double().std()
    # Neither rising nor falling over the epoch.
    assert abs(torch.corrcoef(torch.stack([means, torch.arange(len(means)).double()]))[0, 1]) < 0.25


def test_bucketing_saves_padding(tokenizer):
    encoded = encode(some_rows(400), tokenizer, 128)
    text = encoded.lengths.sum()
    processed = sum(part.inputs["input_ids"].numel() for step in encoded.epoch(8, 0, seed=0, epoch=0) for part in step)
    assert text <= processed < 1.1 * text
    order = torch.randperm(400, generator=torch.Generator().manual_seed(0)).split(8)
    assert processed < sum(encoded.batch(index).inputs["input_ids"].numel() for index in order)


# Second views


def test_views_follow_the_examples_and_are_padded_on_their_own(tokenizer):
    encoded = encode(some_rows(40), tokenizer, 64, position_ids=True)
    lengths = {epoch: [3 + (i * 7 + epoch) % 11 for i in range(40)] for epoch in (0, 1)}
    asked = []

    def views(epoch):
        asked.append(epoch)
        ids = [[i + 5] * n for i, n in enumerate(lengths[epoch])]
        return Encoded.pack(ids, [[1] * len(x) for x in ids], encoded.labels.tolist(), pad=0, position_ids=True)

    plain = [part.index.tolist() for step in encoded.epoch(8, 4, 0, 1) for part in step]
    batches = [part for step in encoded.epoch(8, 4, 0, 1, views) for part in step]
    assert asked == [1] and [batch.index.tolist() for batch in batches] == plain
    for batch in batches:
        assert set(batch.view) == set(batch.inputs)
        assert batch.view["input_ids"].shape[1] == max(lengths[1][i] for i in batch.index.tolist())
        for i, example in zip(batch.index.tolist(), unpadded(batch.view), strict=True):
            assert example["input_ids"] == [i + 5] * lengths[1][i]
    with pytest.raises(ValueError, match="expected the same 40 rows"):
        next(encoded.epoch(8, 4, 0, 0, lambda epoch: encode(some_rows(39), tokenizer, 64)))


def test_pack_is_what_encode_makes(tokenizer):
    rows = some_rows(9)
    lists = tokenizer(list(rows.first), list(rows.second), truncation="longest_first", max_length=32)
    packed = Encoded.pack(lists["input_ids"], lists["token_type_ids"], rows.labels, tokenizer.pad_token_id)
    assert same(packed, encode(rows, tokenizer, 32))
    assert Encoded.pack([[1, 2]], None, [0], 0).inputs(torch.tensor([0])).keys() == {"input_ids", "attention_mask"}


# Caches


def test_encoding_is_remembered_by_content(tokenizer, monkeypatch):
    rows = some_rows(10)
    first = encode(rows, tokenizer, 32)
    again = BertTokenizerFast(vocab=dict(VOCAB))
    again(["w0"], padding="max_length", truncation=True, max_length=7)
    assert encode(some_rows(10), again, 32) is first
    assert encode(rows, tokenizer, 33) is not first
    assert encode(some_rows(10, seed=1), tokenizer, 32) is not first
    assert encode(rows, tokenizer, 32, position_ids=True).position_ids and not encode(rows, tokenizer, 32).position_ids
    relabelled = encode(replace(rows, labels=(0,) * 10), tokenizer, 32)
    assert relabelled.labels.tolist() == [0] * 10
    monkeypatch.setattr(token_cache, "REMEMBERED", len(token_cache._memory))
    for n in range(1, 10):
        encode(rows.take(n), tokenizer, 32)
    assert len(token_cache._memory) == token_cache.REMEMBERED and encode(rows, tokenizer, 32) is not first


def test_fingerprint_covers_what_changes_the_tokens(tokenizer):
    others = [
        BertTokenizerFast(vocab={**VOCAB, "extra": len(VOCAB)}),
        BertTokenizerFast(vocab=dict(VOCAB), do_lower_case=False),
        BertTokenizerFast(vocab=dict(VOCAB), truncation_side="left"),
        BertTokenizerFast(vocab={**VOCAB, "w0": VOCAB["w1"], "w1": VOCAB["w0"]}),
    ]
    assert len({fingerprint(tokenizer), *map(fingerprint, others)}) == 5


def test_files_are_read_back_exactly(tokenizer, tmp_path, monkeypatch):
    rows = some_rows(20)
    first = encode(rows, tokenizer, 32, tmp_path / "deep" / "cache")
    files = list((tmp_path / "deep" / "cache").iterdir())
    assert [path.suffix for path in files] == [".safetensors"]
    token_cache._memory.clear()
    monkeypatch.setattr(data, "_tokenise", lambda *_: pytest.fail("tokenised again"))
    assert same(encode(rows, tokenizer, 32, tmp_path / "deep" / "cache"), first)


def test_damaged_files_are_made_again(tokenizer, tmp_path, caplog):
    rows = some_rows(4)
    right = encode(rows, tokenizer, 32, tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    damaged = [b"", whole[:100], whole[:-1], whole + b"\0", whole.replace(b'"I32"', b'"F32"')]
    damaged += [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in range(0, len(whole), 3)]
    made_again = 0
    for content in damaged:
        path.write_bytes(content)
        token_cache._memory.clear()
        caplog.clear()
        assert same(encode(rows, tokenizer, 32, tmp_path), right)
        made_again += "made again" in caplog.text and path.read_bytes() == whole
    # A flipped bit in the padding of the header is the one kind that does no harm.
    assert made_again >= len(damaged) - 4
    other = encode(some_rows(4, seed=1), tokenizer, 32, tmp_path)
    (second,) = set(tmp_path.iterdir()) - {path}
    path.write_bytes(second.read_bytes())
    token_cache._memory.clear()
    assert same(encode(rows, tokenizer, 32, tmp_path), right) and not same(right, other)


def test_a_failed_write_leaves_nothing_behind(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(token_cache.Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        encode(some_rows(3), tokenizer, 32, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_long_inputs_are_tokenised_in_parts(tokenizer, monkeypatch):
    rows = some_rows(25)
    whole = encode(rows, tokenizer, 32)
    token_cache._memory.clear()
    monkeypatch.setattr(data, "CHUNK", 10)
    assert same(encode(rows, tokenizer, 32), whole)
