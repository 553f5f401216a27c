"""Standard errors over examples: words of a sentence come together, and every measure has one that is right."""

import math
from types import SimpleNamespace

import pytest
import torch
from test_measures import CURVATURE, Quadratic, Toy, subject_of
from torch.func import functional_call
from torch.nn import functional as F

from paper import chapters, protocols
from xlgen.data.batch import Batch
from xlgen.measures import LABEL_FREE, MEASURES, Subject, measure
from xlgen.measures.base import Predictions
from xlgen.measures.blocks import BLOCKS, RUNS, block_of, blocks
from xlgen.measures.hessian import curvatures
from xlgen.measures.margin import percentile_and_error
from xlgen.measures.sampling import RESAMPLES, clustered, design_effect, resampled
from xlgen.measures.sharpness_alpha import CRITERIA, _alphas
from xlgen.models import perturb

torch.set_num_threads(1)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --- sentences --------------------------------------------------------------------------------------------------------


def tagged(words: int, sentences: int = 400) -> Subject:
    """A tagger and sentences whose words are all the same one."""
    torch.manual_seed(0)
    x, y = normal(sentences, 4), torch.randint(0, 3, (sentences,), generator=torch.Generator().manual_seed(1))
    x, y = x[:, None].repeat(1, words, 1), y[:, None].repeat(1, words)
    rows = torch.arange(sentences)
    parts = [Batch({"x": x[at]}, y[at], at, piece=torch.zeros_like(at)) for at in rows.split(90)]
    return Subject(Toy().double().eval(), {"en": parts}, labels=("O", "B-X", "I-X"), kind="token")


ALPHA = {"examples": 0, "alpha_min": 1e-3, "alpha_max": 10.0}
SETTINGS = {
    "sharpness_difference": {"noise_seeds": (0,)},
    "sharpness_adaptive": {"examples": 0},
    "sharpness_alpha": {**ALPHA, "criterion": "loss_deviation"},
    "hessian_eigenvalue": {"examples": 0, "iterations": 200, "tolerance": 1e-8},
}
MEANS = ("accuracy", "loss", "margin", "margin_logit", "margin_p10", "margin_logit_p10", *SETTINGS)


@pytest.mark.parametrize("name", MEANS)
def test_words_that_repeat_one_another_do_not_shrink_the_error(name):
    one, ten = (measure(tagged(words), [name], SETTINGS)[name]["en"] for words in (1, 10))
    tolerance = 0.05 if name.endswith("p10") else 1e-5  # a percentile of repeated numbers interpolates elsewhere
    assert ten.value == pytest.approx(one.value, rel=tolerance)
    assert one.stderr > 0 and one.stderr_kind == "examples"
    assert ten.stderr == pytest.approx(one.stderr, rel=6 * tolerance)
    assert (one.n, ten.n) == (400, 4000)  # units
    for key in ("correct_only_stderr", "stderr_examples"):
        if key in one.extra:
            assert ten.extra[key] == pytest.approx(one.extra[key], rel=6 * tolerance), key


def test_measures_of_whole_sentences_count_sentences():
    subject = tagged(10)
    subject.batches["xx"] = subject.batches["en"]
    found = measure(subject, ["f1", "fisher_trace", "frechet"], {"frechet": {"parameters": "all"}})
    assert [values["en"].n for values in found.values()] == [400, 400, 400]


def test_every_measure_of_examples_has_a_standard_error():
    """Only the distance from initialisation, which is exact, has none. The label-free ones have tests of their own."""
    x, y = normal(30, 4), torch.randint(0, 3, (30,), generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    subject = subject_of(Toy().double().eval(), x, y)
    names = [name for name in MEASURES if name not in ("f1", "frobenius", *LABEL_FREE)]  # f1: above
    found = measure(subject, names, {"frechet": {"parameters": "all"}, **SETTINGS})
    for name, values in found.items():
        value = values["de"]
        assert value.stderr is not None and value.stderr_kind in ("examples", "noise"), name
        assert value.status != "ok" or math.isfinite(value.stderr), name


def drawn(seed: int, sentences: int = 80) -> tuple[torch.Tensor, torch.Tensor]:
    """Words whose values have half of their variance in common with the others of their sentence."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 12, (sentences,), generator=generator)
    example = torch.arange(sentences).repeat_interleave(lengths)
    each = torch.randn(len(example), generator=generator, dtype=torch.float64)
    return torch.randn(sentences, generator=generator, dtype=torch.float64)[example] + each, example


@pytest.mark.parametrize(("statistic", "truth"), [("mean", 0.0), ("p10", -1.2815515655 * 2**0.5)])
def test_intervals_over_sentences_hold_what_they_promise(statistic, truth):
    values, errors, naive = [], [], []
    for seed in range(400):
        x, example = drawn(seed)
        alone = torch.arange(len(x))
        if statistic == "mean":
            values.append(x.mean().item())
            errors.append(clustered(x, example))
            naive.append(clustered(x, alone))
        else:
            value, error, _ = percentile_and_error(x, example)
            values.append(value)
            errors.append(error)
            naive.append(percentile_and_error(x, alone)[1])
    values, errors, naive = (torch.tensor(each) for each in (values, errors, naive))
    inside = lambda e: ((values - truth).abs() <= 1.96 * e).double().mean().item()  # noqa: E731
    assert 0.92 <= inside(errors) <= 0.98 and inside(naive) < 0.8
    assert errors.mean().item() == pytest.approx(values.std().item(), rel=0.1)


def test_the_design_effect_is_exactly_one_where_nothing_is_shared():
    x = normal(37)
    assert design_effect((x < 0.3).double(), torch.arange(37)) == 1.0
    assert design_effect(torch.ones(5), torch.arange(5)) == 1.0
    assert design_effect(x, torch.zeros(37, dtype=torch.long)) is None and clustered(x, torch.zeros(37).long()) is None
    repeated = design_effect(x.repeat_interleave(9), torch.arange(37).repeat_interleave(9))
    assert repeated == pytest.approx(9 * (37 / 36) * (332 / 333), rel=1e-12)


def test_resamples_are_the_same_in_every_run():
    assert torch.equal(resampled(7), resampled(7)) and resampled(7).shape == (RESAMPLES, 7)


# --- the search for alpha ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world():
    """A model that has learnt a noisy task, and samples of it."""
    truth = normal(6, 3, seed=1)

    def sample(n, seed):
        x = normal(n, 6, seed=seed)
        return x, (x @ truth + 0.7 * normal(n, 3, seed=10_000 + seed)).argmax(1)

    torch.manual_seed(0)
    model = Toy(width=6).double().eval().requires_grad_(True)
    x, y = sample(3000, 99)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(200):
        optimizer.zero_grad()
        F.cross_entropy(model(x).logits, y).backward()
        optimizer.step()
    return model, sample


def test_the_error_of_alpha_is_that_of_other_samples(world):
    model, sample = world
    settings = {"alpha_min": 1e-4, "alpha_max": 10.0, "bisections": 7, "restarts": 1, "steps": 3}
    logs, errors, inside = [], [], []
    for seed in range(80):
        subject = subject_of(model, *sample(40, 1000 + seed), size=40, languages=("en",))
        value = MEASURES["sharpness_alpha"](subject, **settings)["en"]
        low, high = value.extra["alpha_interval"]
        logs.append(math.log(value.extra["alpha"]))
        errors.append(value.stderr / value.value / 2)
        inside.append((low, high))
        assert 0 < low < high and value.stderr_kind == "examples"
    middle, spread = torch.tensor(logs).mean().exp().item(), torch.tensor(logs).std().item()
    assert torch.tensor(errors).mean().item() == pytest.approx(spread, rel=0.25)
    assert sum(low <= middle <= high for low, high in inside) / 80 >= 0.75


def test_the_bootstrap_of_alpha_takes_no_pass(world, monkeypatch):
    model, sample = world
    subject = subject_of(model, *sample(24, 0), size=24, languages=("en",))
    subject.predictions  # noqa: B018
    passes = []
    hook = model.register_forward_hook(lambda *_: passes.append(1))
    value = MEASURES["sharpness_alpha"](subject, search="plain", bisections=5, restarts=1, steps=3, **ALPHA)["en"]
    hook.remove()
    assert value.stderr > 0 and len(passes) == 5 * 4


def test_a_sample_reaches_the_threshold_at_the_first_alpha_that_does():
    """Also where a larger α was attacked less well."""
    before = Predictions(torch.zeros(4, 2).double(), torch.zeros(4).long())
    met = [(alpha, torch.full((4,), deviation).double()) for alpha, deviation in ((0.1, 0.2), (0.2, 0.05), (0.4, 0.8))]
    attack = SimpleNamespace(before=before, deviation=lambda here, there: torch.zeros(4), met=met, threshold=0.1)
    assert _alphas(attack, torch.ones(1, 4).double(), 1e-3).tolist() == pytest.approx([0.05])


def test_a_search_that_found_nothing_has_no_error(world):
    model, sample = world
    subject = subject_of(model, *sample(24, 0), size=24, languages=("en",))
    value = MEASURES["sharpness_alpha"](subject, alpha_max=1e-5)["en"]
    assert value.status == "hit_upper" and value.stderr is None and value.stderr_kind == ""
    # resamples whose loss is above the threshold without any perturbation are at the end of the bracket
    loss = MEASURES["loss"](subject)["en"].value
    settings = {**ALPHA, "criterion": "absolute_loss", "threshold": 1.02 * loss}
    value = MEASURES["sharpness_alpha"](subject, **settings)["en"]
    assert value.status == "ok" and math.isfinite(value.stderr) and value.extra["alpha_interval"][0] == 1e-3


@pytest.mark.parametrize(("n", "count"), [(24, 3), (30, 3), (40, 4), (48, 5), (7, 1)])
def test_the_threshold_of_an_accuracy_is_a_number_of_answers(world, n, count):
    """0.1 is 3 of 24, a share of 0.125; 3 of 30 is not less than 0.1 although 0.1 · 30 is a bit more than 3."""
    model, sample = world
    subject = subject_of(model, *sample(n, 0), size=n, languages=("en",))
    extra = MEASURES["sharpness_alpha"](subject, **ALPHA)["en"].extra
    assert (extra["threshold_count"], extra["threshold"]) == (count, count / n)
    worst = [largest for _, largest in extra["search"]]
    assert all((drop >= 0.1) == (round(drop * n) >= count) for drop in worst)
    loss = MEASURES["sharpness_alpha"](subject, criterion="loss_deviation", **ALPHA)["en"].extra
    assert (loss["threshold_count"], loss["threshold"]) == (None, 0.1)
    beyond = MEASURES["sharpness_alpha"](subject, threshold=2.0, **ALPHA)["en"].extra
    assert (beyond["threshold_count"], beyond["threshold"]) == (None, 2.0)


def test_chapters_and_protocols_search_alpha_in_the_same_way():
    chapter = chapters.study_measures()[-1].settings["sharpness_alpha"]
    (dear,) = (one for one in protocols.seeds("mini").measures["baseline", 0] if "sharpness_alpha" in one.names)
    protocol = dear.settings["sharpness_alpha"]
    assert {key: chapter[key] for key in protocol} == protocol
    assert chapter["threshold"] * protocol["examples"] == 4  # a whole number of answers


def test_a_criterion_is_a_mean_over_units():
    before, after = (Predictions(normal(20, 3, seed=seed), torch.arange(20) % 3) for seed in (0, 1))
    right = [(p.logits.argmax(1) == p.labels).double().mean() for p in (before, after)]
    loss = [F.cross_entropy(p.logits, p.labels) for p in (before, after)]
    expected = {
        "accuracy_deviation": right[0] - right[1],
        "loss_deviation": loss[1] - loss[0],
        "absolute_loss": loss[1],
    }
    for name, value in expected.items():
        assert CRITERIA[name](before, after).mean().item() == pytest.approx(value.item(), abs=1e-14)


# --- the largest eigenvalue -------------------------------------------------------------------------------------------


def test_curvatures_of_single_examples_are_exact():
    model = Quadratic([0.9, -0.7, 1.1])
    subject = subject_of(model, CURVATURE, torch.zeros(3).long(), 2, ("en",))
    parameters, v = perturb.weights(model), normal(3)
    v = {"w": v / v.norm()}
    here = F.cross_entropy(model(CURVATURE).logits, torch.zeros(3).long(), reduction="none").detach()
    found = curvatures(model, subject.batches["en"], parameters, v, here, 2.0)
    torch.testing.assert_close(found, (CURVATURE * v["w"] ** 2).sum(1), rtol=1e-9, atol=0)
    value = MEASURES["hessian_eigenvalue"](subject, tolerance=1e-9)["en"]
    largest = CURVATURE[:, CURVATURE.mean(0).argmax()]
    assert value.stderr == pytest.approx(largest.std().item() / math.sqrt(3), rel=1e-5)


def test_the_error_of_the_eigenvalue_is_the_slope_in_the_weights_of_the_examples(world):
    """Leaving out an example, done in full."""
    model, sample = world
    x, y = sample(400, 0)
    names, values = zip(*((k, p.detach()) for k, p in model.named_parameters() if k != "unused"), strict=True)
    sizes = [p.numel() for p in values]

    def losses(theta):
        state = {k: part.view_as(p) for k, part, p in zip(names, theta.split(sizes), values, strict=True)}
        return F.cross_entropy(functional_call(model, state, (x,)).logits, y, reduction="none")

    theta = torch.cat([p.flatten() for p in values])
    starts = range(0, 400, 20)
    blocks = [torch.autograd.functional.hessian(lambda t, i=i: losses(t)[i : i + 20].sum(), theta) for i in starts]
    total = sum(blocks)
    without = torch.stack([torch.linalg.eigvalsh((total - block) / 380)[-1] for block in blocks])
    jackknife = (19 / 20 * (without - without.mean()).square().sum()).sqrt().item()
    subject = subject_of(model, x, y, size=400, languages=("en",))
    value = MEASURES["hessian_eigenvalue"](subject, examples=0, iterations=100, tolerance=1e-6)["en"]
    assert value.value == pytest.approx(torch.linalg.eigvalsh(total / 400)[-1].item(), rel=1e-6)
    assert value.stderr == pytest.approx(jackknife, rel=0.35)  # 20 blocks: itself known to some 16 %


def test_the_error_of_the_eigenvalue_is_that_of_other_samples(world):
    model, sample = world
    found = []
    for seed in range(40):
        subject = subject_of(model, *sample(1000, 2000 + seed), size=1000, languages=("en",))
        settings = {"examples": 0, "iterations": 60, "tolerance": 1e-4}
        found.append(MEASURES["hessian_eigenvalue"](subject, **settings)["en"])
    spread = torch.tensor([value.value for value in found]).std().item()
    assert torch.tensor([value.stderr for value in found]).mean().item() == pytest.approx(spread, rel=0.35)


# --- blocks -----------------------------------------------------------------------------------------------------------

BLOCKWISE = (*(name for name in MEANS if name != "sharpness_alpha"), "confidence", "entropy", "entropy_of_mean")
BLOCKWISE += ("nuclear_norm", "fisher_trace")


@pytest.mark.parametrize("name", BLOCKWISE)
def test_blocks_of_examples_differ_as_much_as_the_error_says(name):
    found = measure(tagged(words=2, sentences=4000), [name], SETTINGS)[name]["en"]
    d, error = torch.tensor(found.extra["blocks"]), found.extra.get("stderr_examples", found.stderr)
    assert len(d) == BLOCKS and abs(d.mean()) <= 1e-3 * d.abs().max()
    assert 0.4 <= (d.square().sum() / (BLOCKS * (BLOCKS - 1))).sqrt() / error <= 1.9  # χ² with 7: 99.9 % lie within


def test_a_block_says_what_its_own_examples_would_have_given():
    x = normal(803)
    (d,) = blocks(x, torch.arange(803)).values()
    own = [x[block_of(803) == k] for k in range(BLOCKS)]
    for deviation, part in zip(d, own, strict=True):
        assert deviation == pytest.approx((part - x.mean()).sum().item() * BLOCKS / 803, rel=1e-3)
        assert deviation == pytest.approx((part.mean() - x.mean()).item(), rel=0.07)  # blocks of 96 to 102
    assert blocks(x[:7], torch.arange(7)) == {}


def test_a_block_has_neighbours_and_some_of_everything():
    for n in (8, 64, 500, 5010):
        block, run = block_of(n), max(1, n // (BLOCKS * RUNS))
        assert len(block) == n and block.unique().tolist() == list(range(BLOCKS))
        assert (block.diff() == 0).sum() >= n * (1 - 1 / run) - 1  # a step only at the end of a run
        assert block.bincount().min() >= n // BLOCKS - run
    thirds = block_of(5010).split(1670)
    assert min(part.bincount().min() for part in thirds) > 0.8 * 1670 / BLOCKS  # sorted data: all blocks have each part
    shifted = block_of(5010)[1:]  # a language without the first row
    assert (shifted == block_of(5009)).double().mean() > 0.95


def test_a_search_for_alpha_tells_its_blocks_apart():
    """A quadratic whose examples bend the same way, but for one block in which they bend four times as much."""
    found = {}
    for bent in (0, 3):
        subject = Subject(Toy().double().eval(), tagged(1, 80).batches, labels=("O", "B-X", "I-X"))
        rows = block_of(80)
        for batch in subject.batches["en"]:
            batch.inputs["x"] *= torch.where(rows[batch.index] == bent, 4.0, 1.0)[:, None, None]
        settings = {"sharpness_alpha": {**ALPHA, "criterion": "loss_deviation"}}
        found[bent] = measure(subject, ["sharpness_alpha"], settings)["sharpness_alpha"]["en"]
    for bent, value in found.items():
        d = value.extra["blocks"]
        assert len(d) == BLOCKS and abs(sum(d)) <= 1e-3 * max(map(abs, d))
        assert max(d) == d[bent] > 0  # the sharper block
