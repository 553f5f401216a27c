"""The miniature's tagged tasks: checked word by word against the grammar, the treebanks and a checksum."""

import gzip
import hashlib
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from xlgen.core.errors import DataError, UnknownName
from xlgen.data.catalogue import TASKS
from xlgen.data.mini import names, tagging, world
from xlgen.data.mini.grammar import Clause, Sentence, realise
from xlgen.data.mini.lexicon import lexicon
from xlgen.models.entity_f1 import chunks

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"
TAGGED = ("mini-udpos", "mini-wikiann")
UNSPACED = ("th", "zh", "ja")


def generated(task: str, language: str, split: str):
    """The rows of a task, as the miniature makes them."""
    return tagging.rows(task, language, split, TASKS[task].labels)


def said(task: str, language: str, sentence: Sentence) -> str:
    """The sentence as words and tags, ``O`` left out."""
    words = names.named(lexicon(language)) if task == "mini-wikiann" else lexicon(language)
    tag = tagging.entities if task == "mini-wikiann" else tagging.parts_of_speech
    return " ".join(word if tag == "O" else f"{word}/{tag}" for word, tag in tagging.tagged(sentence, words, tag))


def spans(tags: list[str]) -> list[tuple[str, int, int]]:
    """Entities of well-formed IOB2 tags."""
    text = "".join({"O": "o"}.get(tag, tag[0].lower() if tag[0] == "I" else "B") for tag in tags)
    return [(tags[m.start()][2:], m.start(), m.end()) for m in re.finditer("Bi*", text)]


@pytest.mark.parametrize("task", TAGGED)
def test_words_put_together_are_the_sentence(task):
    for language in TASKS[task].languages:
        words = names.named(lexicon(language)) if task == "mini-wikiann" else lexicon(language)
        rows = generated(task, language, "dev")
        for sentence, found in zip(tagging.sentences(task, "dev")[:200], rows.words, strict=False):
            text = realise(sentence, words).replace("[", "").replace("]", "")
            assert "".join(found) == re.sub(r"\s", "", text)
            # Words come apart at spaces everywhere, else only at punctuation and French elision.
            if language not in UNSPACED:
                assert " ".join(found) == " ".join(re.sub(r"([,.،۔।])|(?<=\b[lnLN]')", r" \1 ", text).split())


def test_every_word_is_tagged_and_languages_are_parallel():
    for task in TAGGED:
        for split in ("dev", "test"):
            tables = [TASKS[task].rows(language, split) for language in TASKS[task].languages]
            assert {len(rows) for rows in tables} == {tagging.SIZES[split]}
        assert len(TASKS[task].rows("en", "train")) == tagging.SIZES["train"]
    verbs = TASKS["mini-udpos"].labels.index("VERB")
    for language in TASKS["mini-udpos"].languages:
        for sentence, labels in zip(
            tagging.sentences("mini-udpos", "test"), generated("mini-udpos", language, "test").labels, strict=True
        ):
            assert labels.count(verbs) >= len(sentence.clauses)


@pytest.mark.parametrize("language", TASKS["mini-wikiann"].languages)
def test_names_are_tagged_where_the_concepts_say_and_nowhere_else(language):
    labels = TASKS["mini-wikiann"].labels
    rows = generated("mini-wikiann", language, "test")
    for sentence, words, tags in zip(tagging.sentences("mini-wikiann", "test"), rows.words, rows.labels, strict=True):
        tags = [labels[tag] for tag in tags]
        for before, tag in zip(["O", *tags], tags, strict=False):
            assert tag[0] != "I" or before[1:] == tag[1:], "not IOB2"
        concepts = [x for c in sentence.clauses for x in (c.subject, c.object, c.adverbial or "")]
        assert Counter(kind for kind, _, _ in spans(tags)) == Counter(filter(None, map(names.kind, concepts)))
        # The same name is the same words everywhere, but for case endings and particles.
        for kind, start, end in spans(tags):
            text = "".join(words[start:end])
            assert any(text.startswith(stem) for stem in _stems(language, kind)), text


def _stems(language: str, kind: str) -> set[str]:
    words = lexicon(language).names
    if kind == "LOC":
        return {forms["nom"].replace(" ", "") for forms in words["city"].values()}
    if kind == "PER":
        return {form for forms in words["first"].values() for column, form in forms.items() if column != "gender"}
    bare = [phrase[phrase.index("[") + 1 :] for phrase in lexicon(language).organisations.values()]
    called = [forms["nom"] for part in ("surname", "city") for forms in words[part].values()]
    return {phrase.split("{name}")[0].replace(" ", "") or name.split()[0] for phrase in bare for name in called}


CLAUSE = Clause("queen", "lose", "school", negated=True, adverbial="in_the_morning")


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (
            "en",
            "The/DET queen/NOUN does/AUX not/PART lose/VERB the/DET school/NOUN in/ADP the/DET morning/NOUN ./PUNCT",
        ),
        ("de", "Die/DET Königin/NOUN verliert/VERB die/DET Schule/NOUN am/ADP Morgen/NOUN nicht/PART ./PUNCT"),
        ("fr", "La/DET reine/NOUN ne/ADV perd/VERB pas/ADV l'/DET école/NOUN le/DET matin/NOUN ./PUNCT"),
        ("ar", "لا/PART تفقد/VERB الملكة/NOUN المدرسة/NOUN في/ADP الصباح/NOUN ./PUNCT"),
        ("hi", "रानी/NOUN सुबह/NOUN स्कूल/NOUN को/ADP नहीं/PART खोती/VERB ।/PUNCT"),
        ("tr", "Kraliçe/NOUN sabahleyin/ADV okulu/NOUN kaybetmiyor/VERB ./PUNCT"),
        ("ko", "여왕은/NOUN 아침에/ADV 학교를/NOUN 잃어버리지/VERB 않는다/AUX ./PUNCT"),
        ("zh", "女王/NOUN 早上/NOUN 不/ADV 会/AUX 弄丢/VERB 学校/NOUN 。/PUNCT"),
        ("ja", "女王/NOUN は/ADP 朝/NOUN に/ADP 学校/NOUN を/ADP なくさ/VERB ない/AUX 。/PUNCT"),
        ("th", "ราชินี/NOUN ไม่/PART สูญเสีย/VERB โรงเรียน/NOUN ตอน/NOUN เช้า/NOUN"),
    ],
)
def test_parts_of_speech_of_known_sentences(language, expected):
    assert said("mini-udpos", language, Sentence((CLAUSE,))) == expected


def test_phrases_with_tags_of_their_own():
    lost = Sentence((Clause("king", "lose", "car"), Clause("king", "push", "car", negated=True)), "and")
    assert "खो/VERB देता/AUX है/AUX और/CCONJ" in said("mini-udpos", "hi", lost)
    # Arabic "and" is part of the next word, whose tag counts.
    assert "السيارة/NOUN ،/PUNCT ولا/PART يدفع/VERB" in said("mini-udpos", "ar", lost)
    river = Sentence((Clause("king", "lose", "car", adverbial="near_the_river", front=True),))
    assert said("mini-udpos", "ja", river).startswith("川/NOUN の/ADP 近く/NOUN で/ADP 、/PUNCT 国王/NOUN")
    assert (
        said("mini-udpos", "tr", Sentence((Clause("king", "lose", "car", adverbial="at_the_station", front=True),)))[0]
        == "İ"
    )


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "In Monte/B-LOC Carlo/I-LOC Anna/B-PER Rossi/I-PER loves the Sato/B-ORG School/I-ORG ."),
        ("fr", "À Monte-Carlo/B-LOC Anna/B-PER Rossi/I-PER aime l' école/B-ORG Sato/I-ORG ."),
        ("el", "Στο Μόντε/B-LOC Κάρλο/I-LOC η Άννα/B-PER Ρόσι/I-PER αγαπά το Σχολείο/B-ORG Σάτο/I-ORG ."),
        ("tr", "Monte/B-LOC Carlo'da/I-LOC Anna/B-PER Rossi/I-PER Sato/B-ORG Okulunu/I-ORG seviyor ."),
        ("sw", "Mjini Monte/B-LOC Carlo/I-LOC Anna/B-PER Rossi/I-PER anapenda Shule/B-ORG ya/I-ORG Sato/I-ORG ."),
        ("ko", "몬테카를로에서/B-LOC 안나/B-PER 로시는/I-PER 사토/B-ORG 학교를/I-ORG 좋아한다 ."),
        (
            "zh",
            "在 蒙特卡洛/B-LOC ， 安娜/B-PER ·/I-PER 罗西/I-PER 喜欢 佐藤/B-ORG 学校/I-ORG 。",
        ),
    ],
)
def test_entities_of_a_known_sentence(language, expected):
    sentence = Sentence((Clause("anna rossi", "love", "school sato", adverbial="in monte_carlo", front=True),))
    assert said("mini-wikiann", language, sentence) == expected


def test_persons_agree_as_nouns_do():
    woman = Sentence((Clause("anna rossi", "visit", "elena conti"),))
    assert said("mini-wikiann", "ru", woman) == "Анна/B-PER Росси/I-PER посещает Елену/B-PER Конти/I-PER ."
    assert said("mini-wikiann", "sw", woman).split()[2] == "anamtembelea", "class-1 object"
    assert said("mini-wikiann", "ar", woman).split()[0] == "تزور", "feminine subject"
    assert "va voir" in said("mini-wikiann", "fr", woman)
    assert " a Elena/B-PER" in said("mini-wikiann", "es", woman)
    assert "visita Oslo" in said("mini-wikiann", "es", Sentence((Clause("king", "visit", "oslo"),))).replace(
        "/B-LOC", ""
    )


def test_a_third_of_the_names_is_new_in_the_test():
    for pool in (world.FIRST_NAMES, world.SURNAMES, world.CITIES):
        assert len(names.HELD_OUT & set(pool)) in (3, 4)
    used = {split: _names(split) for split in tagging.SIZES}
    assert not used["train"] & names.HELD_OUT
    for split in ("dev", "test"):
        assert used[split] >= names.HELD_OUT and used["train"] <= used[split]
    mentions = [x for s in tagging.sentences("mini-wikiann", "test") for x in _mentions(s)]
    new = sum(bool(names.HELD_OUT & set(x.split())) for x in mentions) / len(mentions)
    assert 0.4 < new < 0.6, "about half of the names have a part that is new"


def test_remembering_names_is_not_enough():
    """Each word with the tag that it mostly has in training, O where it is new: half of the names are missed."""
    labels, seen = TASKS["mini-wikiann"].labels, defaultdict(Counter)
    train, test = (generated("mini-wikiann", "en", split) for split in ("train", "test"))
    for words, tags in zip(train.words, train.labels, strict=True):
        for word, tag in zip(words, tags, strict=True):
            seen[word.lower()][labels[tag]] += 1
    right = predicted = true = 0
    for words, tags in zip(test.words, test.labels, strict=True):
        guessed = chunks([max(seen[word.lower()] or ["O"], key=seen[word.lower()].get) for word in words])
        given = chunks([labels[tag] for tag in tags])
        right, predicted, true = right + len(guessed & given), predicted + len(guessed), true + len(given)
    assert 0.3 < 2 * right / (predicted + true) < 0.5


def _mentions(sentence: Sentence) -> list[str]:
    concepts = [x for c in sentence.clauses for x in (c.subject, c.object, c.adverbial or "")]
    return [concept for concept in concepts if names.kind(concept)]


def _names(split: str) -> set[str]:
    known = {*world.FIRST_NAMES, *world.SURNAMES, *world.CITIES}
    return {x for s in tagging.sentences("mini-wikiann", split) for name in _mentions(s) for x in name.split()} & known


@pytest.mark.parametrize("task", TAGGED)
def test_splits_are_disjoint(task):
    splits = [tagging.sentences(task, split) for split in tagging.SIZES]
    assert len(set().union(*splits)) == sum(map(len, splits)) == sum(tagging.SIZES.values())


def test_what_does_not_exist_is_refused():
    with pytest.raises(DataError, match="English only"):
        generated("mini-udpos", "de", "train")
    with pytest.raises(UnknownName, match="Did you mean 'mini-udpos'"):
        tagging.sentences("mini-udpo", "test")
    with pytest.raises(UnknownName, match="split"):
        tagging.sentences("mini-udpos", "validation")
    with pytest.raises(UnknownName, match="language of mini-udpos"):
        TASKS["mini-udpos"].rows("sw", "test")


def test_tags_of_the_lexicons_are_universal():
    for language in TASKS["mini-udpos"].languages:
        for tags in lexicon(language).pos.values():
            for tag in tags.split():
                assert tag.rpartition("/")[2] in TASKS["mini-udpos"].labels


def test_generated_tags_are_the_same_on_every_machine():
    """A checksum over both tasks in all languages: a change of the miniature must be deliberate."""
    total = hashlib.sha256()
    for task in TAGGED:
        for language in TASKS[task].languages:
            for split in ("dev", "test") if language != "en" else ("train", "dev", "test"):
                total.update(generated(task, language, split).fingerprint.encode())
    assert total.hexdigest()[:16] == CHECKSUM


CHECKSUM = "2bcf922b1a966881"

HOMOGRAPHS = 0.05
"""Share of words that are mostly something else in running text (English *attacks*, Turkish *kadın* before a noun)."""


@pytest.mark.skipif(not REAL.is_dir(), reason="no real data beside the repository")
@pytest.mark.parametrize("language", TASKS["mini-udpos"].languages)
def test_treebanks_tag_the_same_words_alike(language):
    """Of the words that a treebank has three times or more, its tag is ours in at least a fifth of them."""
    seen = defaultdict(Counter)
    for path in sorted((REAL / "udpos").glob(f"*-{language}.tsv.gz")):
        for line in gzip.decompress(path.read_bytes()).decode().split("\n"):
            word, _, tag = line.partition("\t")
            seen[word.lower()][tag] += 1
    rows, labels = generated("mini-udpos", language, "test"), TASKS["mini-udpos"].labels
    ours = Counter(
        (word.lower(), labels[tag])
        for words, tags in zip(rows.words, rows.labels, strict=True)
        for word, tag in zip(words, tags, strict=True)
    )
    # Vietnamese: the treebank calls không (not) X and và (and) SCONJ, against the guidelines; syllables are no words.
    skipped = ("không", "và") if language == "vi" else ()
    known = {key: n for key, n in ours.items() if seen[key[0]].total() >= 3 and key[0] not in skipped}
    agreed = sum(n for (word, tag), n in known.items() if seen[word][tag] >= 0.2 * seen[word].total())
    assert sum(known.values()) > 0.4 * ours.total()
    assert agreed / sum(known.values()) > 1 - (0.1 if language == "vi" else HOMOGRAPHS)
