"""Training in bfloat16: another run with another name, as reproducible as any, and measured in float32."""

import pytest
import torch
from tiny import config, options, resumed

from xlgen import models
from xlgen.core.config import RunConfig
from xlgen.core.errors import ConfigError
from xlgen.data.batch import Batch
from xlgen.models.evaluate import predict
from xlgen.models.precision import float32, lower
from xlgen.objectives import SAM, Baseline, FisherPenalty, Step
from xlgen.objectives.ascent import norm
from xlgen.training import train

pytestmark = pytest.mark.usefixtures("toy_tasks")

torch.set_num_threads(1)
CPU = torch.device("cpu")


@pytest.fixture
def batch():
    ids = torch.randint(5, 29, (6, 8), generator=torch.Generator().manual_seed(0))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    return Batch(inputs, torch.tensor([0, 1, 2, 0, 1, 2]), torch.arange(6))


def classifier(encoder, lowered=True):
    model = models.load_classifier(str(encoder), 3, seed=0, dropout=0.0)
    if lowered:
        lower(model, CPU)
    return model


def weights(trained):
    return [w.detach().clone() for w in trained.model.parameters()]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


def test_the_name_of_a_run_in_float32_is_what_it_was():
    assert RunConfig().hash == RunConfig(precision="float32").hash == RunConfig.from_dict({}).hash
    assert RunConfig(precision="bf16").hash != RunConfig().hash
    with pytest.raises(ConfigError, match="precision is 'fp16'; expected 'float32' or 'bf16'"):
        RunConfig(precision="fp16")


@pytest.mark.parametrize("objective", ["baseline", "sam", "rdrop", "consistency"])
def test_a_run_is_repeated_and_resumed_to_the_bit(encoder, tmp_path, monkeypatch, objective):
    wanted = config(encoder, objective=objective, precision="bf16")
    first = train.train(wanted, options(tmp_path))
    assert same(first, train.train(wanted, options(tmp_path)))
    assert same(first, resumed(monkeypatch, wanted, options(tmp_path, checkpoint_every=2), [3, 11]))
    assert not same(first, train.train(wanted.with_(precision="float32"), options(tmp_path)))
    assert all(w.dtype == torch.float32 for w in weights(first))


def test_only_training_is_lowered(encoder, batch):
    low, full = classifier(encoder), classifier(encoder, lowered=False)
    assert torch.equal(predict(low, [batch]).logits, predict(full, [batch]).logits)
    low.train(), full.train()
    a, b = low(**batch.inputs).logits, full(**batch.inputs).logits
    assert a.dtype == torch.float32 and not torch.equal(a, b)
    torch.testing.assert_close(a, b, rtol=0.1, atol=0.02)
    with float32(low):
        assert torch.equal(low(**batch.inputs).logits, b)
    assert torch.equal(low(**batch.inputs).logits, a)


def test_gradients_are_close_to_those_in_float32(encoder, batch):
    found = []
    for lowered in (True, False):
        model = classifier(encoder, lowered).train()
        Baseline().gradient(model, [batch], Step())
        found.append(torch.cat([w.grad.flatten() for w in model.parameters()]))
    assert torch.cosine_similarity(*found, dim=0) > 0.999


def test_sam_s_second_pass_is_at_the_moved_weights(encoder, batch):
    """Within one block of torch.autocast it would compute with the rounded weights of the first."""
    model = classifier(encoder).train()
    logs = SAM(rho=0.5).gradient(model, [batch], Step())
    assert logs["sam_loss"] > logs["loss"] + 0.5 * 0.5 * logs["ascent_norm"]


def test_the_fisher_penalty_s_difference_is_in_float32(encoder, batch):
    found = []
    for lowered in (True, False):
        model = classifier(encoder, lowered).train()
        logs = FisherPenalty(weight=0.1, every_k=2).gradient(model, [batch], Step(number=0))
        found.append((logs, [w.grad for w in model.parameters()]))
    (a, g), (b, h) = found
    assert a == b and all(torch.equal(x, y) for x, y in zip(g, h, strict=True))
    model = classifier(encoder).train()  # between the steps of the penalty it is lowered
    logs = FisherPenalty(weight=0.1, every_k=2).gradient(model, [batch], Step(number=1))
    assert logs["loss"] != a["loss"] and float(norm([w.grad for w in model.parameters()])) > 0
