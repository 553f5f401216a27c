"""Forgetting is a divergence: zero at the pretrained weights, quadratic near them, and by hand."""

import pytest
import torch
from torch.nn import functional

from xlgen.core.errors import UnknownName
from xlgen.data import text
from xlgen.fisher.forgetting import Forgetting, inner
from xlgen.models import load_classifier

TEXTS = {code: text.read([code], 5, model="mini").paragraphs for code in ("en", "fr")}


@pytest.fixture(scope="module")
def forgetting():
    return Forgetting("mini", TEXTS, max_length=24, batch_size=2)


@pytest.fixture
def noise(forgetting):
    draw = torch.Generator().manual_seed(0)
    return {
        name: 0.01 * torch.randn(forgetting.origin[key].shape, generator=draw) for key, name in forgetting.names.items()
    }


def test_nothing_is_forgotten_where_nothing_moved(forgetting, noise):
    assert forgetting({}) == forgetting(noise, 0.0) == {"en": 0.0, "fr": 0.0}
    assert all(value > 0 for value in forgetting(noise).values())
    assert forgetting(noise, languages=["fr"]) == {"fr": forgetting(noise)["fr"]}


def test_it_is_the_divergence_word_by_word(forgetting, noise):
    def guesses():
        for batch in forgetting.batches["fr"]:
            logits = forgetting.model(**batch.inputs).logits
            yield from (row.log_softmax(-1) for row in logits[batch.labels >= 0])

    with torch.no_grad():
        before = list(guesses())
        for key, w in forgetting.model.named_parameters():
            w.add_(0.5 * noise.get(forgetting.names.get(key), torch.zeros_like(w)))
        after = list(guesses())
        for key, w in forgetting.model.named_parameters():
            w.copy_(forgetting.origin[key])
    by_hand = sum(functional.kl_div(q, p, reduction="sum", log_target=True).item() for p, q in zip(before, after))  # noqa: B905
    assert forgetting(noise, 0.5)["fr"] == pytest.approx(by_hand / len(TEXTS["fr"]), rel=1e-3)


def test_near_the_pretrained_weights_it_is_quadratic(forgetting, noise):
    half, whole = (forgetting(noise, t)["fr"] for t in (0.1, 0.2))
    assert whole / half == pytest.approx(4, rel=0.1)


def test_the_weights_are_put_back(forgetting, noise):
    broken = dict(noise)
    name = next(iter(broken))
    broken[name] = torch.zeros(1, 2, 3, 4, 5)
    with pytest.raises(RuntimeError):
        forgetting(broken)
    forgetting(noise)
    assert all(torch.equal(w, forgetting.origin[key]) for key, w in forgetting.model.named_parameters())


def test_the_displacement_of_an_untrained_classifier_is_zero(forgetting):
    classifier = load_classifier("mini", 3, seed=0, kind="sequence", tuning="full")
    assert set(forgetting.displacement(classifier)) <= set(dict(classifier.named_parameters()))
    assert not any(delta.any() for delta in forgetting.displacement(classifier).values())
    with torch.no_grad():
        for name, w in classifier.named_parameters():
            if name.endswith("bias"):
                w.add_(1)
    delta = forgetting.displacement(classifier)
    assert all(torch.allclose(d, torch.full_like(d, float(name.endswith("bias")))) for name, d in delta.items())
    assert inner(delta, delta) == pytest.approx(sum(d.numel() for name, d in delta.items() if name.endswith("bias")))


def test_unknown_names_are_refused(forgetting, noise):
    with pytest.raises(UnknownName, match="unknown language 'fe'"):
        forgetting(noise, languages=["fe"])
    with pytest.raises(UnknownName, match="unknown weight of the encoder 'head'"):
        forgetting({"head": torch.zeros(2)})


def test_an_inner_product_weighs_what_is_named():
    a, b = {"x": torch.tensor([1.0, 2]), "y": torch.tensor([3.0])}, {"x": torch.tensor([5.0, 7]), "y": torch.ones(1)}
    assert inner(a, b) == 5 + 14 + 3 and inner(a, b, {"x": torch.tensor([2.0, 0])}) == 10
