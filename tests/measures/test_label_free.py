"""Label-free measures: by hand, against independent computations, the spread of fresh samples, and without labels."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment, linprog
from scipy.sparse import eye, kron, vstack
from tiny import TaggedToy, ToyTask, config, options
from torch import nn

import xlgen.measures as measures
from paper.protocols.base import LABEL_FREE_MEASURES
from xlgen import models
from xlgen.core.errors import ConfigError, DataError, ModelError, UnknownName
from xlgen.core.files import StoreError
from xlgen.data.batch import IGNORE, Batch
from xlgen.data.catalogue import TASKS
from xlgen.data.encode import encode
from xlgen.data.encode_tagged import encode_tagged
from xlgen.data.read_pairs import Rows
from xlgen.data.read_tagged import TaggedRows
from xlgen.measures import (
    LABEL_FREE,
    MEASURES,
    Subject,
    asked,
    logits,
    measuring,
    settings_of,
    subjects,
    typological_distance,
)
from xlgen.measures.atc import threshold, thresholds
from xlgen.measures.representation_distance import pooled
from xlgen.measures.transport import carried
from xlgen.models.evaluate import Predictions

pytestmark = pytest.mark.usefixtures("toy_tasks")

torch.set_num_threads(1)

OF_PREDICTIONS = ("confidence", "confidence_scaled", "doc", "atc", "atc_entropy", "entropy", "entropy_of_mean")
OF_PREDICTIONS += ("nuclear_norm", "cot", "cott")
CALIBRATED = {"confidence_scaled", "doc", "atc", "atc_entropy", "cot", "cott", "representation_distance"}


def fixed(target: Predictions, source: Predictions | None = None, kind: str = "sequence") -> Subject:
    """A subject whose predictions are given."""
    subject = Subject(nn.Identity(), {"de": []}, kind=kind)
    subject.predictions = {"de": target}
    if source is not None:
        subject.calibration = source
    return subject


def value(name: str, target: Predictions, source: Predictions | None = None, **settings):
    return MEASURES[name](fixed(target, source), **settings)["de"]


def drawn(n: int, seed: int, shift: float = 0.0, classes: int = 3) -> Predictions:
    """Predictions of a model that is right more often where it is sure; with ``shift`` it is wrong more often."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, n, p=np.array([0.5, 0.3, 0.2]) if classes == 3 else None)
    f = rng.normal(size=(n, classes)) * 1.5 + (1.8 - shift) * np.eye(classes)[labels]
    return Predictions(torch.tensor(f), torch.tensor(labels))


def skewed(n: int, seed: int, shares: tuple[float, ...]) -> Predictions:
    """Predictions of a good model, where the classes have these shares."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, n, p=shares)
    return Predictions(torch.tensor(rng.normal(size=(n, 3)) + 2 * np.eye(3)[labels]), torch.tensor(labels))


def sentences(n: int, seed: int, shift: float = 0.0) -> Predictions:
    """Words of n sentences, of which each is easy or hard as a whole."""
    rng = np.random.default_rng(seed)
    example = np.repeat(np.arange(n), rng.integers(2, 9, n))
    labels = rng.choice(3, len(example), p=[0.5, 0.3, 0.2])
    ease = rng.normal(size=n)[example, None] * 1.5
    f = rng.normal(size=(len(example), 3)) + (1.8 + ease - shift) * np.eye(3)[labels]
    return Predictions(torch.tensor(f), torch.tensor(labels), torch.tensor(example))


def softmax(f) -> np.ndarray:
    e = np.exp(np.asarray(f) - np.asarray(f).max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def of_probabilities(p, labels=None) -> Predictions:
    p = torch.tensor(p, dtype=torch.float64)
    return Predictions(p.log(), torch.tensor(labels if labels is not None else [0] * len(p)))


# --- by hand and against other programs ------------------------------------------------------------------------------


def test_the_label_free_measures_are_named_in_one_place():
    assert set(LABEL_FREE_MEASURES) | {"typological_distance", "noise_divergence"} == LABEL_FREE
    assert len(LABEL_FREE_MEASURES) == len(set(LABEL_FREE_MEASURES))
    assert not LABEL_FREE & {"accuracy", "loss", "f1", "margin"}
    assert {name for name in LABEL_FREE if "calibration" in settings_of(name)} == CALIBRATED


def test_confidence_and_entropies_by_hand():
    target = of_probabilities([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
    assert value("confidence", target).value == pytest.approx(0.65)
    assert value("confidence", target).stderr == pytest.approx(0.15)
    two = [1.5 * math.log(2), 0.2 * math.log(10) - 0.8 * math.log(0.8)]
    assert value("entropy", target).value == pytest.approx(sum(two) / 2)
    mean = [0.3, 0.525, 0.175]
    assert value("entropy_of_mean", target).value == pytest.approx(-sum(x * math.log(x) for x in mean))


def test_a_prediction_of_probability_0_is_no_accident():
    """log 0 is in the logits of a model that is sure beyond the precision of its probabilities."""
    target = Predictions(torch.tensor([[0.0, -2000.0], [-2000.0, 0.0]], dtype=torch.float64), torch.zeros(2).long())
    assert value("entropy", target).value == 0 and value("entropy_of_mean", target).value == pytest.approx(math.log(2))
    assert value("nuclear_norm", target).value == pytest.approx(1)


def test_difference_of_confidences_by_hand():
    source = of_probabilities([[0.9, 0.1], [0.7, 0.3], [0.4, 0.6], [0.2, 0.8]], [0, 0, 0, 1])
    found = value("doc", of_probabilities([[0.6, 0.4], [0.5, 0.5]]), source)
    assert found.value == pytest.approx(0.75 - (0.75 - 0.55))
    gap = np.array([1 - 0.9, 1 - 0.7, 0 - 0.6, 1 - 0.8])
    assert found.stderr == pytest.approx(math.hypot(np.std([0.6, 0.5], ddof=1) / 2**0.5, gap.std(ddof=1) / 2))
    again = value("doc", source, source)
    assert again.value == pytest.approx(0.75), "on the source itself, its accuracy"


def test_average_thresholded_confidence_by_hand():
    source = of_probabilities([[0.9, 0.1], [0.7, 0.3], [0.45, 0.55], [0.2, 0.8]], [0, 1, 1, 1])
    found = value("atc", of_probabilities([[0.6, 0.4], [0.5, 0.5], [0.3, 0.7]]), source)
    assert found.extra["threshold"] == pytest.approx(0.7), "one of the four is wrong: one lies below"
    assert found.value == pytest.approx(1 / 3), "a score that equals the threshold reaches it"
    right = replace(source, labels=torch.tensor([0, 0, 1, 1]))
    assert value("atc", of_probabilities([[0.5, 0.5]]), right).value == 0
    wrong = replace(source, labels=torch.tensor([1, 1, 0, 0]))
    assert (
        value("atc", of_probabilities([[1.0, 0.0]]), wrong).value == 0
        and threshold(torch.zeros(3), torch.ones(3).bool()) == math.inf
    )


@pytest.mark.parametrize("name", ["atc", "atc_entropy", "doc", "cott"])
def test_on_the_source_the_forecast_is_its_accuracy(name):
    source = drawn(311, seed=1)
    accuracy = value("accuracy", source).value
    assert value(name, source, source).value == pytest.approx(accuracy, abs=1e-12)


@pytest.mark.parametrize("name", ["atc", "atc_entropy"])
def test_thresholds_equal_a_search_over_all(name):
    """The threshold of the official definition, found by trying every score."""
    source, target = drawn(200, seed=2), drawn(150, seed=3, shift=0.7)

    def score(predictions):
        p = softmax(predictions.logits)
        return p.max(1) if name == "atc" else (p * np.log(p)).sum(1)

    errors = (source.logits.argmax(1) != source.labels).double().mean().item()
    s = score(source)
    t = min(s, key=lambda t: abs((s < t).mean() - errors))
    assert value(name, target, source).value == pytest.approx((score(target) >= t - 1e-12).mean())


def test_temperature_is_where_the_loss_of_the_source_is_least():
    source = drawn(400, seed=4)
    found = value("confidence_scaled", drawn(300, seed=5, shift=1.0), source)
    f, y = source.logits.numpy(), source.labels.numpy()
    grid = np.geomspace(0.2, 5, 4001)
    losses = [-np.log(softmax(f / t)[np.arange(len(y)), y]).mean() for t in grid]
    assert found.extra["temperature"] == pytest.approx(grid[np.argmin(losses)], rel=1e-3)
    f = drawn(300, seed=5, shift=1.0).logits.numpy()
    assert found.value == pytest.approx(softmax(f / found.extra["temperature"]).max(1).mean(), rel=1e-12)
    hot = replace(source, logits=source.logits * 10)
    again = value("confidence_scaled", Predictions(torch.tensor(f) * 10, torch.zeros(300).long()), hot)
    assert again.value == pytest.approx(found.value, rel=1e-5), "the scale of the logits does not matter"
    assert again.stderr == pytest.approx(found.stderr, rel=1e-3)


def test_a_source_without_errors_has_no_temperature():
    source = Predictions(torch.eye(3).double() * 3, torch.arange(3))
    found = value("confidence_scaled", drawn(20, seed=0), source)
    assert (found.status, found.stderr, found.extra["temperature"]) == ("hit_lower", None, 0) and math.isnan(
        found.value
    )
    found = value("confidence_scaled", drawn(20, seed=0), replace(source, labels=torch.tensor([1, 2, 0])))
    assert (found.status, found.extra["temperature"]) == ("hit_upper", math.inf)
    nearly = Predictions(torch.eye(3).double().repeat(500, 1) * 3, torch.tensor([*[0, 1, 2] * 499, 0, 1, 1]))
    found = value("confidence_scaled", nearly, nearly)
    assert found.value == pytest.approx(1499 / 1500), "one error in 1,500 is enough"


@pytest.mark.parametrize(("n", "classes"), [(40, 3), (7, 5), (3, 4)])
def test_nuclear_norm_equals_numpys(n, classes):
    target = drawn(n, seed=6, classes=classes)
    p = softmax(target.logits)
    assert value("nuclear_norm", target).value == pytest.approx(np.linalg.norm(p, "nuc") / math.sqrt(min(p.shape) * n))


def test_nuclear_norm_is_largest_for_sure_and_even_predictions():
    even = Predictions(torch.eye(3).double().repeat(4, 1) * 60, torch.zeros(12).long())
    assert value("nuclear_norm", even).value == pytest.approx(1)
    one = Predictions(torch.eye(3).double()[:1].repeat(12, 1) * 60, torch.zeros(12).long())
    assert value("nuclear_norm", one).value == pytest.approx(1 / math.sqrt(3)), "sure, but of one class"
    assert value("nuclear_norm", one).stderr == pytest.approx(0, abs=1e-12)


def transported(cost: np.ndarray, weights: np.ndarray) -> float:
    """The same linear programme by HiGHS."""
    n, c = cost.shape
    equal = vstack([kron(eye(n), np.ones((1, c))), kron(np.ones((1, n)), eye(c))]).tocsc()
    return linprog(cost.ravel(), A_eq=equal, b_eq=np.r_[np.full(n, 1 / n), weights], method="highs").fun


@pytest.mark.parametrize(
    ("n", "m", "classes"), [(1, 1, 2), (30, 17, 3), (50, 40, 7), (200, 90, 2), (8, 300, 5), (1500, 100, 3)]
)
def test_transport_equals_linear_programming(n, m, classes):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        p = rng.dirichlet(np.full(classes, 0.4), n)
        labels = torch.tensor(rng.choice(classes, m, p=rng.dirichlet(np.ones(classes))))
        cost = torch.tensor(1 - p)
        plan, v = carried(cost, labels)
        w = labels.bincount(minlength=classes).double() / m
        assert torch.allclose(plan.sum(1), torch.full((n,), 1 / n).double()) and torch.allclose(plan.sum(0), w)
        best = (plan * cost).sum().item()
        assert best == pytest.approx(transported(1 - p, w.numpy()), abs=1e-9)
        assert (cost - v).amin(1).mean().item() + (w @ v).item() == pytest.approx(best, abs=1e-9), "duality"


def test_transport_equals_an_assignment_of_labels():
    """With as many examples as labels the cost is that of the best one-to-one assignment."""
    source, target = drawn(60, seed=7), drawn(60, seed=8, shift=1.5)
    p = softmax(target.logits)
    cost = np.abs(p[:, None] - np.eye(3)[source.labels.numpy()][None]).sum(2) / 2
    rows, columns = linear_sum_assignment(cost)
    assert value("cot", target, source).value == pytest.approx(1 - cost[rows, columns].mean(), abs=1e-12)


def test_transport_never_forecasts_more_than_confidence():
    source, target = drawn(100, seed=9), drawn(90, seed=10, shift=2.0)
    assert value("cot", target, source).value <= value("confidence", target).value
    same = replace(target, labels=target.logits.argmax(1))
    assert value("cot", target, same).value == pytest.approx(value("confidence", target).value, abs=1e-12)


def test_agreement_of_models_by_hand():
    def kept(classes, key="test", data="x"):
        logit = torch.nn.functional.one_hot(torch.tensor(classes), 3).double()
        part = logits.Part(Predictions(logit, torch.zeros(len(classes)).long()), torch.zeros(2), torch.ones(2), data)
        return logits.Kept("r", "toy", ("a", "b", "c"), "sequence", "en", "mini", {(key, "de"): part})

    three = [kept([0, 1, 2, 0]), kept([0, 1, 1, 0]), kept([0, 2, 0, 0])]
    found = logits.agreement(three)["de"]
    each = [1, 1 / 3, 0, 1]
    assert found.value == pytest.approx(np.mean(each)) and found.n == 4
    assert found.stderr == pytest.approx(np.std(each, ddof=1) / 2)
    assert logits.agreement(three, size=1)["de"].value == 1 and logits.agreement(three, "dev") == {}
    with pytest.raises(DataError, match="at least two"):
        logits.agreement(three[:1])
    with pytest.raises(DataError, match="different rows"):
        logits.agreement([three[0], kept([0, 1, 2, 0], data="y")])


# --- standard errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("draw", [drawn, sentences], ids=["examples", "sentences"])
def test_standard_errors_are_those_of_fresh_samples(draw):
    """Over fresh source and target samples, the error's size is the spread of the values, for every measure."""
    n = 200 if draw is drawn else 60
    samples = [(draw(n, 2 * seed, 0.7), draw(n, 2 * seed + 1)) for seed in range(60)]
    for name in OF_PREDICTIONS:
        found = [value(name, *pair) for pair in samples]
        spread = np.std([v.value for v in found], ddof=1)
        ratio = np.sqrt(np.mean([v.stderr**2 for v in found])) / spread
        assert 0.75 < ratio < 1.35, (name, ratio)
        middle, errors = np.mean([v.value for v in found]), np.array([v.stderr for v in found])
        covered = np.mean(np.abs(np.array([v.value for v in found]) - middle) < 1.96 * errors)
        assert covered > 0.85, (name, covered)


def test_thresholds_are_those_of_resampled_examples():
    source, generator = sentences(30, seed=11), torch.Generator().manual_seed(0)
    score, wrong = source.log_probs.amax(dim=1), source.logits.argmax(dim=1) != source.labels
    for t in thresholds(score, wrong, source):
        chosen = torch.randint(source.examples, (source.examples,), generator=generator)
        units = torch.cat([torch.nonzero(source.example == i)[:, 0] for i in chosen])
        assert t == threshold(score[units], wrong[units])


def test_the_error_of_transport_holds_the_sampling_of_labels():
    """With few labels and many predictions, they are nearly all of it."""
    found = [value("cot", drawn(1000, 2 * seed), drawn(40, 2 * seed + 1)) for seed in range(60)]
    ratio = np.sqrt(np.mean([v.stderr**2 for v in found])) / np.std([v.value for v in found], ddof=1)
    assert 0.75 < ratio < 1.35


def test_the_error_of_transport_knows_that_classes_have_a_price():
    """Of a language with other classes than the source mass is moved on: what a unit costs depends on that."""
    pairs = [
        (skewed(300, 2 * seed, (0.2, 0.2, 0.6)), skewed(300, 2 * seed + 1, (0.7, 0.2, 0.1))) for seed in range(200)
    ]
    found = [value("cot", *pair) for pair in pairs]
    ratio = np.sqrt(np.mean([v.stderr**2 for v in found])) / np.std([v.value for v in found], ddof=1)
    assert 0.92 < ratio < 1.12


def test_one_example_has_no_standard_error():
    alone, pair = drawn(1, seed=0), drawn(2, seed=3)
    for name in OF_PREDICTIONS:
        assert value(name, alone, drawn(50, seed=1)).stderr is None, name
    for name in CALIBRATED & set(OF_PREDICTIONS) - {"confidence_scaled"}:
        assert value(name, pair, alone).stderr is None, name


# --- with a model ----------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def database(tmp_path_factory, monkeypatch):
    """URIEL as its package has it, with three languages and four features."""
    folder = tmp_path_factory.mktemp("uriel")
    data = np.full((3, 4, 2), -1.0)
    data[0, :, 0] = [1, 0, 1, 1]
    data[1, :, 1] = [1, 1, -1, 0]
    data[1, 0, 0] = 0
    data[2, 3, 0] = 1
    names = np.array(["S_A", "S_B", "S_C", "P_D"])
    for file in ("features.npz", "family_features.npz", "geocoord_features.npz"):
        np.savez(folder / file, langs=np.array(["eng", "deu", "xxx"]), feats=names, data=data)
    monkeypatch.setattr(typological_distance, "database", lambda: folder)
    return folder


def made(encoder, kind: str, relabel=None, batch_size: int = 5) -> Subject:
    """A classifier with a random head, the toy's test examples in two languages, and its English development set."""
    task = ToyTask() if kind == "sequence" else TaggedToy()
    model, tokenizer = models.load_classifier(str(encoder), 3, seed=0, kind=kind), models.load_tokenizer(str(encoder))

    def batched(rows):
        encoder_of = encode if kind == "sequence" else encode_tagged
        # short, so that sentences of words are cut in pieces
        batches = encoder_of(rows, tokenizer, 24 if kind == "sequence" else 8, position_ids=True).batches(batch_size)
        return batches

    texts = {language: task.rows(language, "test") for language in task.languages}
    batches = {language: batched(rows) for language, rows in texts.items()}
    if relabel is not None:
        batches = {x: [replace(b, labels=relabel(b.labels)) for b in group] for x, group in batches.items()}
    source = lambda: batched(task.rows("en", "dev"))  # noqa: E731
    return Subject(
        model, batches, labels=task.labels, kind=kind, source=source, texts=texts, tokenizer=tokenizer, encoder="mini"
    )


def shuffled(labels):
    """Other labels at the same places."""
    return torch.where(labels == IGNORE, labels, (labels + 1) % 3)


@pytest.mark.parametrize("kind", ["sequence", "token"])
def test_other_labels_give_the_identical_values(encoder, kind):
    subjects = [made(encoder, kind), made(encoder, kind, shuffled)]
    if kind == "sequence":
        subjects.append(made(encoder, kind, lambda labels: torch.full_like(labels, IGNORE)))
    first, *others = [measures.measure(subject, sorted(LABEL_FREE)) for subject in subjects]
    assert all(repr(other) == repr(first) for other in others)  # a value of nan is itself too
    assert all(set(values) == {"en", "xx"} for values in first.values())
    accuracies = [MEASURES["accuracy"](subject)["en"].value for subject in subjects[:2]]
    assert accuracies[0] != accuracies[1], "the labels do differ"


@pytest.mark.parametrize("kind", ["sequence", "token"])
def test_measuring_leaves_the_model_and_the_generator_alone(encoder, kind):
    subject = made(encoder, kind)
    before = {name: tensor.clone() for name, tensor in subject.model.state_dict().items()}
    subject.model.train()
    subject.model.dropout.eval()
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    measures.measure(subject, sorted(LABEL_FREE))
    assert torch.equal(torch.rand(3), expected)
    assert subject.model.training and not subject.model.dropout.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in subject.model.state_dict().items())


def test_the_source_is_read_when_it_is_needed_and_once(encoder):
    subject, asked = made(encoder, "sequence"), []
    original = subject.source
    subject.source = lambda: asked.append(1) or original()
    measures.measure(subject, ["confidence", "entropy", "nuclear_norm", "fertility"])
    assert not asked
    measures.measure(subject, sorted(LABEL_FREE))
    assert len(asked) == 1


@pytest.mark.parametrize("name", sorted(CALIBRATED))
def test_a_subject_without_a_source_is_refused(encoder, name):
    subject = made(encoder, "sequence")
    subject.source = None
    with pytest.raises(ConfigError, match="labelled development examples in 'en'"):
        MEASURES[name](subject)


@pytest.mark.parametrize("kind", ["sequence", "token"])
def test_representations_are_means_over_sub_words(encoder, kind):
    """Against one text at a time, without padding; the pieces of a sentence count by their sub-words."""
    subject = made(encoder, kind)
    r, predictions = pooled(subject.model, subject.batches["xx"])
    assert torch.allclose(predictions.logits, subject.predictions["xx"].logits, atol=1e-6)
    rows = {}
    for batch in subject.batches["xx"]:
        for k in range(len(batch)):
            length = int(batch.inputs["attention_mask"][k].sum())
            inputs = {key: tensor[k : k + 1, :length] for key, tensor in batch.inputs.items()}
            hidden = subject.model(**inputs, output_hidden_states=True).hidden_states[-1][0]
            rows.setdefault(int(batch.index[k]), []).append(hidden)
    if kind == "token":
        assert any(len(pieces) > 1 for pieces in rows.values())
    expected = torch.stack([torch.cat(rows[i]).mean(0) for i in range(len(rows))]).double()
    assert torch.allclose(r, expected, atol=1e-5)
    source, _ = pooled(subject.model, subject.source_batches)
    spread = (source - source.mean(0)).square().sum(1).mean().sqrt()
    found = MEASURES["representation_distance"](subject)["xx"]
    assert found.value == pytest.approx(((r.mean(0) - source.mean(0)).norm() / spread).item())


def test_the_error_of_the_distance_is_that_of_fresh_samples(monkeypatch):
    module = measures.representation_distance
    rng, found = np.random.default_rng(0), []
    scale = np.array([2.0, 1.0, 0.5])

    def draw(model, batches, language=""):
        n, shift = (60, 0.0) if language == "en" else (80, 10.0)  # far away the source's spread counts most
        return torch.tensor(rng.normal(size=(n, 3)) * scale + [shift, 0, 0]), None

    monkeypatch.setattr(module, "pooled", draw)
    monkeypatch.setattr(measures.base, "pooled", draw)
    for _ in range(300):
        subject = Subject(nn.Identity(), {"de": []}, source=lambda: [])
        found.append(MEASURES["representation_distance"](subject)["de"])
    spread = np.std([v.value for v in found], ddof=1)
    assert np.mean([v.stderr for v in found]) / spread == pytest.approx(1, abs=0.15)


class Noisy(nn.Module):
    """Class 0, or with probability q under dropout class 1: the only input is dropped or not."""

    def __init__(self, q):
        super().__init__()
        self.dropout = nn.Dropout(q)

    def forward(self, x):
        kept = self.dropout(torch.ones(len(x), 1)) > 0
        return SimpleNamespace(logits=torch.cat([kept, ~kept], dim=1).float())


def test_dropout_agreement_is_the_chance_that_two_masks_agree():
    batches = [Batch({"x": torch.zeros(500, 1)}, torch.zeros(500).long(), torch.arange(500) + 500 * k) for k in (0, 1)]
    q, found = 0.3, []
    for seed in range(60):
        found.append(MEASURES["dropout_agreement"](Subject(Noisy(q), {"de": batches}), masks=4, seed=seed)["de"])
    assert np.mean([v.value for v in found]) == pytest.approx(q**2 + (1 - q) ** 2, abs=0.005)
    spread = np.std([v.value for v in found], ddof=1)
    assert np.mean([v.stderr for v in found]) / spread == pytest.approx(1, abs=0.3)
    again = MEASURES["dropout_agreement"](Subject(Noisy(q), {"de": batches}), masks=4, seed=0)["de"]
    assert again == found[0] and found[0].value != found[1].value
    with pytest.raises(ConfigError, match="masks is 1"):
        MEASURES["dropout_agreement"](Subject(Noisy(q), {"de": batches}), masks=1)
    with pytest.raises(ModelError, match="no dropout"):
        MEASURES["dropout_agreement"](Subject(Noisy(0.0), {"de": batches}))


# --- language and tokenizer ------------------------------------------------------------------------------------------


def test_sub_words_by_hand(encoder):
    """w1 and w23 are pieces, w77 is w7 and ##7, and ? is unknown."""
    tokenizer = models.load_tokenizer(str(encoder))
    rows = Rows(("w1 w77 ?", "w23"), ("w1", "w2 ?"), (0, 0))
    subject = Subject(nn.Identity(), {"de": []}, texts={"de": rows}, tokenizer=tokenizer)
    sub_words, words = np.array([5, 3]), np.array([4, 3])
    found = MEASURES["fertility"](subject)["de"]
    assert found.value == pytest.approx(8 / 7) and (found.n, found.status) == (2, "ok")
    rest = sub_words - 8 / 7 * words
    assert found.stderr == pytest.approx(math.sqrt(2 * (rest**2).sum()) / 7)
    assert found.extra["per_character"] == pytest.approx(8 / (8 + 6))
    assert MEASURES["unknown_rate"](subject)["de"].value == pytest.approx(2 / 8)


def test_a_script_without_spaces_has_no_words_to_count(encoder):
    tokenizer = models.load_tokenizer(str(encoder))
    texts = {"zh": Rows(("我喜欢茶。",), ("OK 他不喜欢。",), (0,)), "ja": TaggedRows((("我", "喜欢"),), ((0, 1),))}
    found = MEASURES["fertility"](Subject(nn.Identity(), {}, texts=texts, tokenizer=tokenizer))
    assert found["zh"].status == "unspaced" and math.isnan(found["zh"].value) and found["zh"].extra["per_character"] > 0
    assert found["ja"].status == "ok", "the words of tagging are given"


def test_measures_of_text_ask_for_it():
    for name in ("fertility", "unknown_rate"):
        with pytest.raises(ConfigError, match="`texts` and a `tokenizer`"):
            MEASURES[name](Subject(nn.Identity(), {"de": []}))


def test_pretraining_share_of_known_encoders():
    def share(encoder):
        subject = Subject(nn.Identity(), {x: [] for x in ("en", "sw", "de", "qq")}, encoder=encoder)
        return MEASURES["pretraining_share"](subject)

    found = share("FacebookAI/xlm-roberta-base")
    assert found["sw"].value == pytest.approx(math.log10(1.6 / 300.8)) and found["en"].value == 0
    assert found["sw"].stderr is None and found["sw"].n == 0 and found["qq"].status == "not_listed"
    for name in ("mini", "google-bert/bert-base-multilingual-cased"):
        assert share(name)["sw"].value == pytest.approx(math.log10(0.045 / 5.8))
    for name in ("", "minilm", "some/other"):
        assert {v.status for v in share(name).values()} == {"unknown_encoder"}


def test_what_an_encoder_is_called_is_part_of_the_name_of_its_share(encoder, tmp_path):
    """One encoder under two names has one key and two values; those of the list are called as they always were."""
    here, other = tmp_path / "xlm-roberta-copy", tmp_path / "other"
    for link in (here, other):
        link.symlink_to(encoder)
    both = ("pretraining_share", "accuracy")
    wanted, names = measuring.MeasureConfig(both, settings=dict.fromkeys(both, {})), []
    for name in (here, other):
        source = asked.Checkpoint(str(here), "toy", pretrained=str(name))
        names.append(asked.store_names(source, wanted))
    assert names[0]["accuracy"] == names[1]["accuracy"]
    assert names[0]["pretraining_share"] != names[1]["pretraining_share"]
    called = MEASURES["pretraining_share"].called
    assert called("") == called("mini") == called("e5-small") == called("FacebookAI/xlm-roberta-base") == []
    assert called("/a/xlm-roberta-copy/") == ["xlm-roberta"] and called("mine") == [""]


def test_a_source_without_spread_is_no_measure_of_distance(encoder, tmp_path):
    run = measuring.run(config(encoder, epochs=1), options(tmp_path))
    wanted = measuring.MeasureConfig(("representation_distance",), ("xx",), size=1)
    found = measuring.measure(run, wanted, options(tmp_path))["representation_distance"]["xx"]
    assert math.isnan(found.value) and found.stderr is None and found.status == "no_spread"


def test_typological_distance_by_hand():
    subject = Subject(nn.Identity(), {x: [] for x in ("en", "de", "xxx", "qq")})
    found = MEASURES["typological_distance"](subject)
    # Of S_A to S_C, A and B are known of both: (1, 0) and, by the union of the sources, (1, 1).
    assert (
        found["de"].value == pytest.approx(2 / math.pi * math.acos(1 / math.sqrt(2)))
        and found["de"].extra["known"] == 2
    )
    assert found["en"].value == pytest.approx(0, abs=1e-7)
    assert found["xxx"].status == "unknown" and found["qq"].status == "not_listed"
    assert MEASURES["typological_distance"](subject, features="phonological")["xxx"].value == pytest.approx(0, abs=1e-7)
    with pytest.raises(UnknownName, match="Did you mean 'syntactic'"):
        MEASURES["typological_distance"](subject, features="syntax")


def test_a_missing_database_is_named(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(typological_distance.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'xlgen\[languages\]'"):
        MEASURES["typological_distance"](Subject(nn.Identity(), {"de": []}))


@pytest.mark.parametrize("kind", ["syntactic", "phonological", "inventory", "genetic"])
def test_typological_distance_equals_that_of_uriel_plus(monkeypatch, kind):
    package = pytest.importorskip("urielplus.urielplus")
    monkeypatch.undo()
    uriel, languages = package.URIELPlus(), {"de": "deu", "hi": "hin", "sw": "swa", "zh": "zho", "tr": "tur"}
    found = MEASURES["typological_distance"](Subject(nn.Identity(), {x: [] for x in languages}), features=kind)
    for code, iso3 in languages.items():
        expected = getattr(uriel, f"new_{kind}_distance")("eng", iso3)
        assert found[code].value == pytest.approx(expected, abs=6e-5), code


# --- store -----------------------------------------------------------------------------------------------------------


class OtherSource(ToyTask):
    """The same but for the labels of the English development set."""

    def rows(self, language, split, data_dir=None):
        rows = super().rows(language, split, data_dir)
        return rows.relabelled((1, 2, 0)) if (language, split) == ("en", "dev") else rows


def test_what_is_calibrated_is_named_by_the_source_and_nothing_else_is(encoder, tmp_path, monkeypatch):
    checkpoint = measuring.Checkpoint(str(encoder), "toy")
    wanted = measuring.MeasureConfig((*sorted(LABEL_FREE), "accuracy", "margin"), ("xx",), size=9)

    def names(asked):
        return measuring.names(checkpoint, asked, options(tmp_path))

    before = names(wanted)
    monkeypatch.setitem(TASKS._entries, "toy", OtherSource())
    after = names(wanted)
    assert {name for name in before if before[name] != after[name]} == CALIBRATED
    larger = names(replace(wanted, size=10))
    assert all(larger[name] != after[name] for name in CALIBRATED)


@pytest.fixture(scope="module")
def trained(encoder, tmp_path_factory):
    """A run of each kind of task."""
    where, old = options(tmp_path_factory.mktemp("store")), dict(TASKS._entries)
    TASKS._entries.update(toy=ToyTask(), tagged=TaggedToy())
    try:
        yield {kind: measuring.run(config(encoder, task=kind, epochs=1), where) for kind in ("toy", "tagged")}, where
    finally:
        TASKS._entries.clear()
        TASKS._entries.update(old)


def test_a_study_reads_the_source_for_calibrated_measures_alone(trained, monkeypatch):
    (runs, where), read, original = trained, [], asked.source_rows
    for module in (asked, subjects):
        monkeypatch.setattr(module, "source_rows", lambda *args: read.append(1) or original(*args))
    measuring.measure(runs["toy"], measuring.MeasureConfig(("confidence", "fertility"), ("xx",), size=7), where)
    assert not read
    measuring.measure(runs["toy"], measuring.MeasureConfig(("doc",), ("xx",), size=7), where)
    assert read


@pytest.mark.parametrize("task", ["toy", "tagged"])
def test_kept_logits_give_the_measures_of_the_model(trained, task):
    (run, where), size = (trained[0][task], trained[1]), 11
    path = logits.keep(run, where)
    assert path.parent == where.store.parent / "logits" and path.stem == run.key
    kept = logits.read(path)
    assert set(kept.parts) == {(split, language) for split in ("dev", "test") for language in ("en", "xx")}
    names = (*OF_PREDICTIONS, "accuracy", "pretraining_share")
    from_model = measuring.measure(run, measuring.MeasureConfig(names, (), "test", size), where)
    from_file = measures.measure(kept.subject("test", size=size), names)
    for name in names:
        for language, expected in from_model[name].items():
            found = from_file[name][language]
            assert (found.n, found.status) == (expected.n, expected.status), name
            # at a threshold a rounded score may pass to the other side
            step = 1.01 / found.n if name in ("atc", "atc_entropy", "cott") else 2e-3
            assert found.value == pytest.approx(expected.value, abs=step, nan_ok=True), name
            if expected.stderr is not None and step == 2e-3:
                assert found.stderr == pytest.approx(expected.stderr, rel=0.05, abs=1e-3), name
    names = ("representation_distance", "accuracy")
    (folder := path.parent / task).mkdir()
    measuring.measure(  # one pass for the measures and for what is kept
        run,
        measuring.MeasureConfig(names, ("en", "xx"), "test", batch_size=63),
        where,
        lambda subject: logits.keep_measured(run, subject, where, folder),
    )
    again = logits.read(folder / path.name)
    assert set(again.parts) == {("test", "en"), ("test", "xx")} and again.labels == kept.labels
    for key, part in again.parts.items():
        assert part.data == kept.parts[key].data
        assert torch.allclose(part.predictions.logits, kept.parts[key].predictions.logits, atol=1e-3)
        assert torch.allclose(part.mean, kept.parts[key].mean, atol=1e-5)
    whole = measuring.subject(run, measuring.MeasureConfig((), ("xx",), "test"), where)
    r, predictions = pooled(whole.model, whole.batches["xx"])
    part = kept.parts["test", "xx"]
    assert torch.allclose(part.predictions.logits, predictions.logits, rtol=1e-3, atol=1e-4)
    assert torch.equal(part.predictions.example, predictions.example)
    assert torch.allclose(part.mean, r.mean(0), atol=1e-5) and torch.allclose(part.variance, r.var(0), atol=1e-5)


def test_what_is_kept_is_not_computed_again_and_other_rows_replace_it(trained, monkeypatch):
    (runs, where), seen, original = trained, [], logits.measuring.subject
    run = runs["toy"]
    path = logits.keep(run, where, ("test",), ("en",))

    def subject(source, config, options):
        seen.append((config.split, config.languages))
        return original(source, config, options)

    monkeypatch.setattr(logits.measuring, "subject", subject)
    logits.keep(run, where, ("dev", "test"))
    before = logits.read(path)
    seen.clear()
    logits.keep(run, where)
    assert seen == [] and set(before.parts) == {(s, x) for s in ("dev", "test") for x in ("en", "xx")}
    monkeypatch.setitem(TASKS._entries, "toy", OtherSource())
    logits.keep(run, where)
    assert seen == [("dev", ("en",))]
    after = logits.read(path)
    assert after.parts["dev", "en"].data != before.parts["dev", "en"].data
    assert torch.equal(after.parts["test", "xx"].predictions.logits, before.parts["test", "xx"].predictions.logits)


def test_kept_logits_refuse_what_they_cannot_answer(trained, tmp_path):
    (runs, where) = trained
    kept = logits.read(logits.keep(runs["toy"], where))
    for name in ("dropout_agreement", "representation_distance", "fisher_trace", "fertility", "noise_divergence"):
        with pytest.raises((ModelError, ConfigError), match="kept logits have no model|lacks|without"):
            MEASURES[name](kept.subject())
    with pytest.raises(DataError, match="no logits of test/de are kept"):
        kept.subject("test", ["de"])
    with pytest.raises(StoreError, match="cannot be read"):
        logits.read(tmp_path / "nothing.safetensors")
    one = kept.parts["test", "xx"]
    large = replace(one, predictions=replace(one.predictions, logits=one.predictions.logits + 1e6))
    with pytest.raises(ModelError, match="too large for half precision"):
        logits._write(tmp_path / "x.safetensors", replace(kept, parts={("test", "xx"): large}))
    assert not (tmp_path / "x.safetensors").exists()
