"""The miniature: its language is checked by rule, its tasks by their own semantics."""

import hashlib
import random
import unicodedata

import pytest

from paper import shortcuts
from xlgen.core.errors import DataError, UnknownName
from xlgen.data.mini import corpus, grammar, lexicon, tasks, world
from xlgen.data.mini.grammar import Clause, Sentence, pieces, realise

LANGUAGES = lexicon.languages()
XNLI = ("en", "ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")


def test_all_languages_of_the_real_tasks_have_a_lexicon():
    assert set(LANGUAGES) == {*XNLI, "ja", "ko"}
    assert LANGUAGES[0] == "en"


@pytest.mark.parametrize("code", LANGUAGES)
def test_lexicon_is_complete_and_unambiguous(code):
    words = lexicon.lexicon(code)
    assert set(words.nouns) == {*world.PERSONS, *world.THINGS, *world.CATEGORIES}
    assert set(words.verbs) == set(world.VERBS)
    assert set(words.adverbials) == set(world.ADVERBIALS)
    for column in (0, 1):
        surfaces = [forms[column] for forms in words.nouns.values()]
        assert len(set(surfaces)) == len(surfaces), "two nouns of one language look the same"
    for polarity in ("pos", "neg"):
        surfaces = [forms[polarity] for forms in words.verbs.values()]
        assert len(set(surfaces)) == len(surfaces), "two verbs of one language look the same"
    everything = "".join(realise(s, words) for s in _sample(50))
    assert unicodedata.is_normalized("NFC", everything)
    assert "{" not in everything and grammar.SPACE not in everything and "  " not in everything


def _sample(n, seed=0):
    rng = random.Random(seed)
    return [corpus.sentence(rng) for _ in range(n)]


@pytest.mark.parametrize("code", LANGUAGES)
def test_polarity_is_visible(code):
    words = lexicon.lexicon(code)
    for verb in world.THING_VERBS:
        thing = world.things_for(verb)[0]
        said = realise(Sentence((Clause("doctor", verb, thing),)), words)
        denied = realise(Sentence((Clause("doctor", verb, thing, negated=True),)), words)
        assert said != denied


@pytest.mark.parametrize("code", LANGUAGES)
def test_pieces_join_to_the_sentence_and_know_their_concepts(code):
    words = lexicon.lexicon(code)
    for sentence in _sample(30):
        parts = pieces(sentence, words)
        assert "".join(p.text for p in parts) == realise(sentence, words)
        slots = {(p.clause, p.slot): p.concept for p in parts if p.slot}
        for number, clause in enumerate(sentence.clauses):
            assert slots[number, "S"] == clause.subject
            assert slots[number, "V"] == clause.verb
            assert slots[number, "O"] == clause.object
            assert slots.get((number, "A")) == clause.adverbial


def test_word_order_and_agreement_of_known_sentences():
    clause = Clause("queen", "buy", "car", negated=True)
    assert realise(Sentence((clause,)), lexicon.lexicon("en")) == "The queen does not buy the car."
    assert realise(Sentence((clause,)), lexicon.lexicon("de")) == "Die Königin kauft das Auto nicht."
    assert realise(Sentence((clause,)), lexicon.lexicon("zh")) == "女王不买汽车。"
    fronted = Clause("doctor", "buy", "car", adverbial="today", front=True)
    assert realise(Sentence((fronted,)), lexicon.lexicon("de")) == "Heute kauft der Arzt das Auto."
    assert realise(Sentence((fronted,)), lexicon.lexicon("tr")).startswith("Bugün doktor")
    assert lexicon.lexicon("ar").verb("buy", negated=False, feminine=True, person=False) != lexicon.lexicon("ar").verb(
        "buy", negated=False, feminine=False, person=False
    )
    assert lexicon.lexicon("sw").verb("love", negated=False, feminine=True, person=True) != lexicon.lexicon("sw").verb(
        "love", negated=False, feminine=True, person=False
    )


def test_turkish_capital_i():
    sentence = Sentence((Clause("doctor", "buy", "car", adverbial="at_the_station", front=True),))
    assert realise(sentence, lexicon.lexicon("tr")).startswith("İ")


def test_bad_lexicons_are_refused():
    from importlib import resources

    text = (resources.files("xlgen.data.mini") / "lexicons" / "de.txt").read_text(encoding="utf-8")
    lines = text.splitlines()
    without = "\n".join(line for line in lines if not line.startswith("doctor"))
    with pytest.raises(DataError, match="lacks: doctor"):
        lexicon.parse(without, "de")
    with pytest.raises(DataError, match="unknown: unicorn"):
        lexicon.parse(text.replace("\n[thing]", "\nunicorn = a | b | m\n[thing]", 1), "de")
    with pytest.raises(DataError, match="wrong number of forms in: doctor"):
        lexicon.parse("\n".join("doctor = der Arzt" if li.startswith("doctor") else li for li in lines), "de")
    with pytest.raises(UnknownName, match="Did you mean"):
        lexicon.lexicon("enn")


# --- the tasks -------------------------------------------------------------------------------------------------


def entails(premise: Sentence, hypothesis: Clause) -> int:
    """The label by brute force: 0 entailment, 1 neutral, 2 contradiction (independent of how pairs are made)."""
    for clause in premise.clauses:
        same_object = hypothesis.object in (clause.object, world.CATEGORY_OF.get(clause.object))
        if clause.subject != hypothesis.subject or not same_object:
            continue
        if clause.verb == hypothesis.verb:
            return 0 if clause.negated == hypothesis.negated else 2
        if world.ANTONYM[clause.verb] == hypothesis.verb and not clause.negated and not hypothesis.negated:
            return 2
    return 1


@pytest.mark.parametrize("split", ["test", "dev", "train"])
@pytest.mark.parametrize("task", ["mini-xnli", "mini-xnli-people"])
def test_nli_labels_follow_from_the_meaning(task, split):
    for pair in tasks.pairs(task, split)[:3000]:
        assert entails(pair.first, pair.second.clauses[0]) == pair.label


def test_the_other_domain_has_no_thing_and_the_first_no_person_as_an_object():
    """The words are those of the lexicon all the same, and every clause of a premise says when or where."""
    for pair in tasks.pairs("mini-xnli-people", "test"):
        named = [(clause.subject, clause.object) for clause in pair.first.clauses]
        assert len(set(sum(named, ()))) == 4 and set(sum(named, ())) <= set(world.PERSONS)
        assert all(clause.adverbial for clause in pair.first.clauses)
    assert not {c.object for pair in tasks.pairs("mini-xnli", "test") for c in pair.first.clauses} & set(world.PERSONS)


def _meaning(sentence: Sentence):
    return frozenset((c.subject, c.verb, c.object, c.negated, c.adverbial) for c in sentence.clauses)


def test_paraphrases_mean_the_same_and_others_do_not():
    for pair in tasks.pairs("mini-pawsx", "train")[:3000]:
        assert (_meaning(pair.first) == _meaning(pair.second)) == bool(pair.label)
        assert pair.first != pair.second


def test_paraphrase_bags_of_words_are_equal_in_english():
    first, second, _ = tasks.rows("mini-pawsx", "en", "train")
    for a, b in zip(first, second, strict=True):
        assert sorted(shortcuts.words(a)) == sorted(shortcuts.words(b))


@pytest.mark.parametrize("task", ["mini-xnli", "mini-xnli-people", "mini-pawsx"])
def test_splits_are_balanced_disjoint_and_parallel(task):
    splits = {split: tasks.pairs(task, split) for split in tasks.SIZES}
    for split, pairs in splits.items():
        assert len(pairs) == tasks.SIZES[split]
        counts = [sum(p.label == label for p in pairs) for label in range(len(tasks.LABELS[task]))]
        assert max(counts) - min(counts) <= 1
    assert len(set().union(*splits.values())) == sum(map(len, splits.values()))
    labels = {tasks.rows(task, language, "test")[2] for language in LANGUAGES}
    assert len(labels) == 1


def test_training_pairs_are_english_only():
    with pytest.raises(DataError, match="English only"):
        tasks.rows("mini-xnli", "de", "train")
    with pytest.raises(UnknownName, match="Did you mean 'mini-xnli'"):
        tasks.rows("mini-xnl", "en", "test")
    with pytest.raises(UnknownName, match="split"):
        tasks.rows("mini-xnli", "en", "validation")


@pytest.mark.parametrize(
    "task,inputs,limit",
    [("mini-xnli", "second", 0.383), ("mini-xnli-people", "second", 0.383), ("mini-pawsx", "both", 0.55)],
)
def test_shortcuts_stay_near_chance(task, inputs, limit):
    class Rows:
        def __init__(self, split, n):
            first, second, labels = tasks.rows(task, "en", split)
            self.first, self.second, self.labels = first[:n], second[:n], labels[:n]

    assert shortcuts.shortcut_accuracy(Rows("train", 3000), Rows("test", 1000), inputs=inputs, epochs=5) < limit


def test_generated_text_is_the_same_on_every_machine():
    """A checksum over both tasks in all languages: a change of the miniature must be deliberate."""
    digest = hashlib.sha256()
    for task in ("mini-xnli", "mini-pawsx"):
        for language in LANGUAGES:
            for split in ("dev", "test") if language != "en" else ("train", "dev", "test"):
                first, second, labels = tasks.rows(task, language, split)
                digest.update("\n".join((*first, *second, *map(str, labels))).encode())
    assert digest.hexdigest()[:16] == CHECKSUM


CHECKSUM = "8adeb7dc8198257f"


# --- the pretraining text ----------------------------------------------------------------------------------------


def test_language_shares_follow_the_smoothed_sizes():
    shares = corpus.weights(0.7)
    assert set(shares) == set(LANGUAGES)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["en"] / shares["sw"] == pytest.approx((5.8 / 0.045) ** 0.7)
    drawn = corpus.Corpus(0.7)
    rng = random.Random(0)
    counts = [drawn.language(rng) for _ in range(20_000)]
    assert counts.count("de") / 20_000 == pytest.approx(shares["de"], abs=0.01)


def test_pretraining_never_marks_phrases_inside_a_target_language():
    """Where replaced words are to be told, no phrase of the first text is in the second's language, but for English."""
    c, rng = corpus.Corpus(), random.Random(1)
    for _ in range(1500):
        example = c.example(rng)
        if example.replaced is None:
            continue
        second = set.intersection(*map(_languages_of, (p for p in example.second if p.slot == "S")))
        if second != {"en"}:
            for piece in example.first:
                assert piece.slot != "S" or not (_languages_of(piece) >= second), example


def _languages_of(piece):
    """Languages in which a subject phrase says its concept."""
    text = piece.text.lower().replace(" ", "")
    return {
        code for code in LANGUAGES if lexicon.lexicon(code).nouns[piece.concept][0].lower().replace(" ", "") == text
    }


def test_pretraining_replaces_words_but_never_exchanges_roles():
    c, rng = corpus.Corpus(), random.Random(2)
    for _ in range(2000):
        example = c.example(rng)
        if not example.replaced:
            continue
        said = {(p.clause, p.slot): p.concept for p in example.first if p.slot}
        repeated = {(p.clause, p.slot): p.concept for p in example.second if p.slot}
        for number in {clause for clause, _ in repeated}:
            agent, patient = repeated[number, "S"], repeated[number, "O"]
            assert not any((said[n, "S"], said[n, "O"]) == (patient, agent) for n in (0, 1) if (n, "S") in said), (
                "agent and patient exchanged"
            )


def test_replaced_slots_are_the_ones_that_differ():
    rng = random.Random(3)
    for _ in range(2000):
        stated = corpus.sentence(rng)
        repeated, numbers = corpus._repeat(stated, rng)
        changed, replaced = corpus._corrupted(stated, repeated, numbers, rng)
        assert replaced
        for position, (before, after) in enumerate(zip(repeated.clauses, changed.clauses, strict=True)):
            differs = {
                "S": before.subject != after.subject,
                "V": (before.verb, before.negated) != (after.verb, after.negated),
                "O": before.object != after.object,
                "A": before.adverbial != after.adverbial,
            }
            marked = {slot for at, slot in replaced if at == position}
            assert {slot for slot, different in differs.items() if different} <= marked
