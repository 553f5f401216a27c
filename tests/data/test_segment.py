"""Sampled segmentations: against the tokenizer itself at p = 0 and against enumeration elsewhere."""

import itertools
import math
import random
from collections import Counter

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from xlgen.core.errors import ConfigError
from xlgen.data.segment import Segmenter, longest_first

DRAWS = 20_000
LETTERS = "abcdefg"
PIECES = [*LETTERS, "##ab", "ab", "abc", "cab", "##cd", "##cde", "bed", "##dge", "face", "fa", "##ce", ",", "."]
SCORED = {"▁": -3.0, "▁a": -2.0, "▁ab": -2.5, "▁abc": -3.2, "ab": -2.2, "bc": -2.6, "cd": -2.1, "abc": -2.9, "ga": -3.5}
TEXTS = [
    "abc cab, bed",
    "FACE facade. cage",
    "abcde bedge qqq",
    "zz",
    "",
    "a b c d e f g " * 3,
    "x" * 101,
    "abqqc qd é",
]


def wordpiece(pieces=(*PIECES, *(f"##{c}" for c in LETTERS)), longest_word=100):
    """A cased-folding WordPiece tokenizer with BERT's special tokens."""
    vocabulary = {piece: i for i, piece in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces))}
    core = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=longest_word))
    core.normalizer = normalizers.BertNormalizer()
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.decoder = decoders.WordPiece()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def unigram():
    """A unigram tokenizer with RoBERTa's special tokens; the letter g alone is not in its vocabulary."""
    scored = SCORED | {c: -3.0 - i / 10 for i, c in enumerate(LETTERS[:-1])}
    special = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    core = Tokenizer(models.Unigram([*special, *scored.items()], unk_id=3, byte_fallback=False))
    core.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    core.decoder = decoders.Metaspace()
    core.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="<unk>", pad_token="<pad>", cls_token="<s>", sep_token="</s>"
    )


def frequencies(segmenter, tokenizer, word):
    """Relative frequencies of the segmentations of ``word``."""
    generator = torch.Generator().manual_seed(0)
    draws = (tuple(tokenizer.convert_ids_to_tokens(segmenter.segment(word, generator))) for _ in range(DRAWS))
    return {pieces: n / DRAWS for pieces, n in Counter(draws).items()}


def assert_close(sampled, exact):
    """Every frequency within four standard errors of its probability, and nothing drawn that is impossible."""
    assert math.isclose(sum(exact.values()), 1, abs_tol=1e-9)
    assert set(sampled) <= {pieces for pieces, p in exact.items() if p > 0}
    for pieces, p in exact.items():
        assert abs(sampled.get(pieces, 0) - p) <= 4 * math.sqrt(p * (1 - p) / DRAWS) + 1e-12, pieces


@pytest.mark.parametrize("make", [wordpiece, unigram])
@pytest.mark.parametrize("faithful", [False, True])
def test_p_0_is_the_tokenizer(make, faithful):
    tokenizer = make()
    segmenter = Segmenter.for_tokenizer(tokenizer, p=0, faithful=faithful)
    for (first, second), max_length in itertools.product(itertools.product(TEXTS, TEXTS), (8, 9, 16, 128)):
        # as lists: a single empty second text would be taken for none
        settings = {"truncation": "longest_first", "max_length": max_length, "return_token_type_ids": True}
        own = tokenizer([first], [second], **settings)
        assert segmenter.pair(first, second, 0, max_length) == (own["input_ids"][0], own["token_type_ids"][0])


def test_longest_first_never_exceeds_the_room():
    for n, m, room in itertools.product(range(12), range(12), range(1, 14)):
        cut = longest_first(n, m, room)
        assert cut[0] <= n and cut[1] <= m and sum(cut) == min(n + m, room)


def rejections(tokenizer, word, p, faithful):
    """Exact probabilities of WordPiece segmentations, by following every decision (default rule: no dead ends)."""
    vocabulary = tokenizer.get_vocab()

    def candidates(start):
        found = [(e, ("##" if start else "") + word[start:e]) for e in range(len(word), start, -1)]
        return [(e, piece) for e, piece in found if piece in vocabulary and (faithful or completes(e))]

    def completes(start):
        return start == len(word) or bool(candidates(start))

    exact = Counter()

    def walk(start, pieces, probability):
        if start == len(word):
            exact[pieces] += probability
            return
        ends = candidates(start)
        for rank, (end, piece) in enumerate(ends):
            last = not faithful and rank == len(ends) - 1
            walk(end, (*pieces, piece), probability * p**rank * (1 if last else 1 - p))
        if faithful:
            exact[("[UNK]",)] += probability * p ** len(ends)

    walk(0, (), 1.0)
    return exact


@pytest.mark.parametrize("faithful", [False, True])
def test_wordpiece_follows_the_rejection_rule(faithful):
    tokenizer = wordpiece()
    segmenter = Segmenter.for_tokenizer(tokenizer, p=0.3, faithful=faithful)
    for word in ("abcde", "facab"):
        assert_close(frequencies(segmenter, tokenizer, word), rejections(tokenizer, word, 0.3, faithful))


def test_only_the_faithful_rule_loses_words():
    tokenizer = wordpiece()
    text = " ".join("".join(letters) for letters in itertools.product(LETTERS, repeat=3))
    faithful, default = (Segmenter.for_tokenizer(tokenizer, 0.3, faithful=rule) for rule in (True, False))
    for seed in range(5):
        faithful.segment(text, seed)
        default.segment(text, seed)
    expected = [rejections(tokenizer, word, 0.3, True)[("[UNK]",)] for word in text.split()]
    assert faithful.unknown_rate == pytest.approx(sum(expected) / len(expected), abs=0.05) and min(expected) > 0
    assert default.unknown_rate == 0 and default.words == faithful.words == 5 * 7**3


def test_default_rule_avoids_dead_ends_but_keeps_the_tokenizers_unknown_words():
    # after a, only ##bc leads to the end of abc; greedy matching of abd stops after ab although a ##bd exists
    tokenizer = wordpiece(pieces=("abc", "ab", "a", "##bc", "##b", "##bd"))
    segmenter = Segmenter.for_tokenizer(tokenizer, p=0.5)
    assert set(frequencies(segmenter, tokenizer, "abc")) == {("abc",), ("a", "##bc")}
    assert segmenter.unknown_rate == 0
    assert tokenizer.tokenize("abd") == ["[UNK]"]
    assert set(frequencies(segmenter, tokenizer, "abd")) == {("[UNK]",)}
    assert segmenter.unknown_rate == 0.5


def test_p_1_gives_characters():
    tokenizer = wordpiece()
    default, faithful = (Segmenter.for_tokenizer(tokenizer, 1.0, rule) for rule in (False, True))
    characters = ["f", "##a", "##c", "##e"]
    assert tokenizer.convert_ids_to_tokens(default.segment("face", 0)) == characters
    assert tokenizer.convert_ids_to_tokens(faithful.segment("face", 0)) == characters
    # the authors' code splits before it looks anything up
    assert tokenizer.convert_ids_to_tokens(faithful.segment("fqe", 0)) == ["f", "[UNK]", "##e"]
    assert tokenizer.convert_ids_to_tokens(default.segment("fqe", 0)) == ["[UNK]"]


def test_long_words_are_unknown():
    for faithful, p in itertools.product((False, True), (0.0, 0.2, 1.0)):
        segmenter = Segmenter.for_tokenizer(wordpiece(longest_word=5), p, faithful)
        assert segmenter.segment("abcabc", 0) == [1]


def segmentations(word):
    """Every way to cut ``word``."""
    for cuts in itertools.product((False, True), repeat=len(word) - 1):
        bounds = [0, *(i + 1 for i, cut in enumerate(cuts) if cut), len(word)]
        yield tuple(word[a:b] for a, b in itertools.pairwise(bounds))


@pytest.mark.parametrize("alpha", [0.2, 1.0])
@pytest.mark.parametrize("word", ["abcd", "agga"])
def test_unigram_samples_all_segmentations_by_their_power(alpha, word):
    tokenizer = unigram()
    scores = SCORED | {c: -3.0 - i / 10 for i, c in enumerate(LETTERS[:-1])}
    scores["g"] = min(scores.values()) - 10  # unknown to the vocabulary: SentencePiece's penalty
    exact = Counter()
    for pieces in segmentations("▁" + word):
        if all(piece in scores for piece in pieces):
            fused = tuple(k for k, _ in itertools.groupby("<unk>" if x == "g" else i for i, x in enumerate(pieces)))
            shown = tuple(k if k == "<unk>" else pieces[k] for k in fused)
            exact[shown] += math.exp(alpha * sum(scores[piece] for piece in pieces))
    total = sum(exact.values())
    segmenter = Segmenter.for_tokenizer(tokenizer, p=alpha)
    assert_close(frequencies(segmenter, tokenizer, word), {pieces: w / total for pieces, w in exact.items()})
    assert segmenter.unknown_rate == float("g" in word)


def test_unigram_with_little_temperature_is_the_tokenizer():
    # alpha is bounded by 1, so the scores are stretched instead
    scored = [("<unk>", 0.0), ("▁", -30.0), ("▁a", -20.0), ("▁ab", -251.0), ("b", -210.0), ("c", -30.0), ("bc", -500.0)]
    core = Tokenizer(models.Unigram(scored, unk_id=0, byte_fallback=False))
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>")
    segmenter = Segmenter.for_tokenizer(tokenizer, p=1.0)
    for seed in range(50):
        assert segmenter.segment("abc", seed) == tokenizer("abc", add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("make", [wordpiece, unigram])
def test_pieces_spell_the_text(make):
    tokenizer, rng = make(), random.Random(0)
    segmenter = Segmenter.for_tokenizer(tokenizer, p=0.5)
    for seed in range(100):
        words = ["".join(rng.choices(LETTERS[:-1], k=rng.randint(1, 8))) for _ in range(5)]
        assert tokenizer.decode(segmenter.segment(" ".join(words), seed)).split() == words


@pytest.mark.parametrize("make", [wordpiece, unigram])
def test_special_tokens_in_a_text_are_text(make):
    tokenizer = make()
    segmenter = Segmenter.for_tokenizer(tokenizer, p=0.2)
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    for text in (" ".join(tokenizer.all_special_tokens), "ab</s> <s>ab [SEP][CLS]"):
        assert not special & set(segmenter.segment(text, 0))


@pytest.mark.parametrize("make", [wordpiece, unigram])
def test_the_seed_decides(make):
    segmenter, again = (Segmenter.for_tokenizer(make(), p=0.5) for _ in range(2))
    text = "abcabc cabcab face facab " * 3
    again.segment(text, 3)  # what was segmented before has no influence
    assert segmenter.pair(text, text, 1, 99) == again.pair(text, text, 1, 99) != segmenter.pair(text, text, 2, 99)
    first, second = (torch.Generator().manual_seed(5) for _ in range(2))
    runs = [[s.segment(text, g) for _ in range(3)] for s, g in ((segmenter, first), (again, second))]
    assert runs[0] == runs[1] and runs[0][0] != runs[0][1]


def test_the_global_random_state_is_left_alone():
    python, torch_state = random.getstate(), torch.get_rng_state()
    Segmenter.for_tokenizer(wordpiece(), p=0.5).pair("abcabc", "face", torch.Generator().manual_seed(0), 16)
    assert random.getstate() == python and torch.equal(torch.get_rng_state(), torch_state)


def test_other_tokenizers_are_refused_with_alternatives():
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core)
    with pytest.raises(ConfigError, match=r"BPE.*bert-base-multilingual-cased.*xlm-roberta-base.*sam"):
        Segmenter.for_tokenizer(tokenizer)
    with pytest.raises(ConfigError, match="slow"):
        Segmenter.for_tokenizer(object())


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_p_is_a_probability(p):
    with pytest.raises(ConfigError, match=r"\[0, 1\]"):
        Segmenter.for_tokenizer(wordpiece(), p=p)
