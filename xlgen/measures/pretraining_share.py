"""How much text of a language the encoder was pretrained on, relative to English [lauscher2020zero].

share = log₁₀(size(L) / size(en))   [decades; 0 in English, -2 for a hundredth]

Sizes are public facts. Of XLM-R they are those of CC-100 [GiB, table of the appendix of conneau2020xlmr] in
``languages.csv``. Multilingual E5 (wang2024multilingual) was distilled from a model of that text; no sizes of what its
own stages saw are published, so that those of CC-100 stand for them. Of multilingual BERT they are the articles of
Wikipedia at its time (:data:`xlgen.data.mini.corpus.WIKIPEDIA`, rounded, 17 languages), which the miniature's corpus
follows too. All of these draw languages by a power of the size (0.3 and 0.7), which only stretches the scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from xlgen.data.languages import LANGUAGES
from xlgen.data.mini.corpus import WIKIPEDIA
from xlgen.measures.base import MEASURES, Subject, Value, by_name, label_free
from xlgen.models.catalogue import MODELS, spellings_of

CC100 = {code: facts.cc100 for code, facts in LANGUAGES.items() if facts.cc100}
CORPORA: Mapping[str, tuple[Mapping[str, float], str]] = {
    "mini": (WIKIPEDIA, "articles of Wikipedia"),
    "bert-base-multilingual": (WIKIPEDIA, "articles of Wikipedia"),
    "xlm-roberta": (CC100, "GiB of CC-100"),
    "e5-small": (CC100, "GiB of CC-100, the text of XLM-R, which it descends from"),
}
"""By what the encoder's name holds, the size of its text by language, and the unit."""


def corpus_of(encoder: str) -> str:
    """The key of :data:`CORPORA` that an encoder's name holds; empty if it holds none."""
    name = encoder.rstrip("/").split("/")[-1]
    return next((key for key in CORPORA if name == key or (key != "mini" and key in name)), "")


def called(encoder: str) -> list[str]:
    """What the name of a result in the store has to say of what an encoder is called: of a listed one nothing."""
    return [] if not encoder or any(name in MODELS for name in spellings_of(encoder)) else [corpus_of(encoder)]


@MEASURES.register("pretraining_share")
@label_free
@by_name(called)
def pretraining_share(subject: Subject) -> dict[str, Value]:
    """Look up the encoder's text of the language, relative to English [decades].

    Returns:
        Per language, a value without a standard error. The status is ``"unknown_encoder"`` where nothing is known of
        the encoder's text, and ``"not_listed"`` where the language is not in the list.
    """
    corpus = CORPORA.get(corpus_of(subject.encoder))
    result = {}
    for language in subject.languages:
        if corpus is None:
            result[language] = Value(math.nan, on="no text", status="unknown_encoder")
            continue
        sizes, unit = corpus
        size = sizes.get(language)
        value, status = (math.nan, "not_listed") if size is None else (math.log10(size / sizes["en"]), "ok")
        result[language] = Value(value, on=f"no text; {unit}", status=status)
    return result
