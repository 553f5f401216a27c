"""F1 by chunks: by hand, against seqeval on random tags, and through the measure."""

import random
import warnings

import pytest
import torch

from xlgen.core.errors import ConfigError
from xlgen.data.catalogue import TASKS
from xlgen.measures import MEASURES, Subject
from xlgen.measures.sampling import clustered
from xlgen.models.entity_f1 import chunk_counts, chunks
from xlgen.models.evaluate import Predictions

ENTITIES = TASKS["wikiann"].labels
UPOS = TASKS["udpos"].labels


def subject(guessed: list[list[str]], true: list[list[str]], names=ENTITIES, kind="token") -> Subject:
    """A subject whose predictions are the given tags."""
    numbers = [[names.index(tag) for sentence in table for tag in sentence] for table in (guessed, true)]
    example = torch.arange(len(true)).repeat_interleave(torch.tensor([len(sentence) for sentence in true]))
    logits = torch.nn.functional.one_hot(torch.tensor(numbers[0]), len(names)).double()
    result = Subject(torch.nn.Identity(), {"en": []}, labels=tuple(names), kind=kind)
    result.predictions = {"en": Predictions(logits, torch.tensor(numbers[1]), example)}
    return result


def tables(names: tuple[str, ...], seed: int, sentences: int) -> tuple[list[list[str]], list[list[str]]]:
    """Random tags, well-formed or not, and others that agree with them now and then."""
    draw = random.Random(seed)
    true = [draw.choices(names, k=draw.randint(1, 12)) for _ in range(sentences)]
    guessed = [[tag if draw.random() < 0.7 else draw.choice(names) for tag in sentence] for sentence in true]
    return guessed, true


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O O", []),
        ("B-PER", ["PER 0 0"]),
        ("B-PER I-PER O", ["PER 0 1"]),
        ("B-PER B-PER", ["PER 0 0", "PER 1 1"]),
        ("B-PER I-ORG I-ORG", ["PER 0 0", "ORG 1 2"]),
        ("I-LOC I-LOC O I-LOC", ["LOC 0 1", "LOC 3 3"]),
        ("O I-LOC B-LOC I-LOC", ["LOC 1 1", "LOC 2 3"]),
        ("NOUN NOUN VERB NOUN", ["OUN 0 1", "ERB 2 2", "OUN 3 3"]),
        # A first letter that seqeval takes for a prefix: adjacent SCONJ are two chunks, CCONJ before one is lost.
        ("SCONJ SCONJ", ["CONJ 0 0", "CONJ 1 1"]),
        ("CCONJ SCONJ NOUN", ["CONJ 1 1", "OUN 2 2"]),
        ("NOUN X", ["OUN 0 0"]),
    ],
)
def test_chunks_by_hand(tags, expected):
    assert chunks(tags.split()) == {(kind, int(i), int(j)) for kind, i, j in map(str.split, expected)}


def test_f1_by_hand():
    true = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-ORG"]]
    guessed = [["B-PER", "I-PER", "O", "B-ORG"], ["B-LOC", "B-ORG"]]
    value = MEASURES["f1"](subject(guessed, true))["en"]
    # Right: PER and the second sentence's ORG; predicted 4, true 3.
    assert value.value == pytest.approx(2 * 2 / (4 + 3))
    assert value.extra == {"precision": 0.5, "recall": pytest.approx(2 / 3), "chunks": 3}
    assert (value.n, value.stderr_kind, value.status) == (2, "examples", "ok")
    assert chunk_counts(subject(guessed, true).predictions["en"], ENTITIES).tolist() == [[1, 2, 2], [1, 2, 1]]


def test_chunks_do_not_reach_over_sentences():
    true = [["O", "B-PER"], ["I-PER", "O"]]
    assert chunk_counts(subject(true, true).predictions["en"], ENTITIES).tolist() == [[1, 1, 1], [1, 1, 1]]


def test_extremes():
    true = [["B-PER", "O"], ["O", "O"]]
    assert MEASURES["f1"](subject(true, true))["en"].value == 1
    assert MEASURES["f1"](subject([["O", "O"]] * 2, true))["en"].value == 0
    nothing = MEASURES["f1"](subject([["O"]], [["O"]]))["en"]
    assert (nothing.value, nothing.stderr) == (0, None)


@pytest.mark.parametrize("names", [ENTITIES, UPOS], ids=["entities", "parts of speech"])
def test_f1_equals_seqeval_on_random_tags(names):
    seqeval = pytest.importorskip("seqeval.metrics")
    for seed in range(60):
        guessed, true = tables(names, seed, sentences=random.Random(seed).randint(1, 60))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = [
                score(true, guessed) for score in (seqeval.f1_score, seqeval.precision_score, seqeval.recall_score)
            ]
        value = MEASURES["f1"](subject(guessed, true, names))["en"]
        found = [value.value, value.extra["precision"], value.extra["recall"]]
        assert found == pytest.approx(expected, abs=1e-12), seed


def test_chunks_equal_seqevals_on_thousands_of_sentences():
    found = pytest.importorskip("seqeval.metrics.sequence_labeling").get_entities
    draw = random.Random(0)
    for _ in range(3000):
        tags = draw.choices(draw.choice([ENTITIES, UPOS]), k=draw.randint(1, 15))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert chunks(tags) == set(found(tags))


def test_parts_of_speech_have_an_f1_other_than_the_accuracy():
    true = [["DET", "NOUN", "NOUN", "VERB"]]
    guessed = [["DET", "NOUN", "ADJ", "VERB"]]
    at = subject(guessed, true, UPOS)
    assert MEASURES["accuracy"](at)["en"].value == 0.75
    assert MEASURES["f1"](at)["en"].value == pytest.approx(2 * 2 / (4 + 3))


def test_standard_error_is_that_of_fresh_sentences():
    """The bootstrap's error agrees with the spread of F1 over independent samples of sentences."""
    spread = [MEASURES["f1"](subject(*tables(ENTITIES, seed, 150)))["en"] for seed in range(60)]
    values = torch.tensor([value.value for value in spread])
    errors = torch.tensor([value.stderr for value in spread])
    assert errors.mean().item() == pytest.approx(values.std().item(), rel=0.25)
    again = MEASURES["f1"](subject(*tables(ENTITIES, 0, 150)))["en"]
    assert again == spread[0], "the same in every run"


def test_a_task_of_pairs_has_no_f1():
    with pytest.raises(ConfigError, match="accuracy"):
        MEASURES["f1"](subject([["O"]], [["O"]], kind="sequence"))


def test_accuracy_of_words_has_an_error_clustered_by_sentence():
    true = [["O"] * 4, ["O"] * 2, ["O"] * 6]
    guessed = [["O"] * 4, ["B-PER"] * 2, ["O"] * 3 + ["B-PER"] * 3]
    value = MEASURES["accuracy"](subject(guessed, true))["en"]
    share = 7 / 12
    sums = [4 - 4 * share, 0 - 2 * share, 3 - 6 * share]
    assert value.value == pytest.approx(share) and value.n == 12
    assert value.stderr == pytest.approx((3 / 2 * sum(x * x for x in sums)) ** 0.5 / 12)
    alone = MEASURES["accuracy"](subject([["O", "B-PER"]], [["O", "O"]]))["en"]
    assert alone.stderr is None


def test_a_cluster_of_one_is_the_usual_error():
    x = torch.randn(50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    one_each = Predictions(torch.zeros(50, 2), torch.zeros(50, dtype=torch.long))
    assert clustered(x, one_each.example) == pytest.approx(x.std().item() / 50**0.5)
    # Every unit twice in its example: the same information, so the same error.
    twice = Predictions(torch.zeros(100, 2), torch.zeros(100).long(), torch.arange(50).repeat_interleave(2))
    assert clustered(x.repeat_interleave(2), twice.example) == pytest.approx(clustered(x, one_each.example))


def test_accuracy_of_pairs_is_as_before():
    value = MEASURES["accuracy"](subject([["O"]] * 3 + [["B-PER"]], [["O"]] * 4, kind="sequence"))["en"]
    assert (value.value, value.n) == (0.75, 4)
    assert value.stderr == pytest.approx((0.75 * 0.25 / 4) ** 0.5)
