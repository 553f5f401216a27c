"""The tasks: one row each, read from the hub, from the official archives in a folder, or generated (the miniatures).

A task is a fact sheet; nothing else in the library knows a data set by name. To add one, add a row.
"""

from __future__ import annotations

from xlgen.core.registry import Registry
from xlgen.data.read_pairs import File, Hub
from xlgen.data.task import SPLITS, TaggingTask, Task

__all__ = ["PAWSX_LANGUAGES", "SPLITS", "TASKS", "TaggingTask", "Task", "UDPOS_LANGUAGES", "WIKIANN_LANGUAGES"]
__all__ += ["XNLI_LANGUAGES"]

XNLI_LANGUAGES = ("en", "ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
PAWSX_LANGUAGES = ("en", "de", "es", "fr", "ja", "ko", "zh")
WIKIANN_LANGUAGES = (*XNLI_LANGUAGES, "ja", "ko")
UDPOS_LANGUAGES = tuple(language for language in WIKIANN_LANGUAGES if language != "sw")
"""Swahili has no treebank in Universal Dependencies 2.5; Thai has a test set only."""

TASKS: Registry[Task] = Registry("task")

_XNLI_COLUMNS = dict(first="sentence1", second="sentence2", label="gold_label", language="language")
_PAWSX_COLUMNS = dict(first="sentence1", second="sentence2", label="label")
_NLI_LABELS = ("entailment", "neutral", "contradiction")
_PARAPHRASE_LABELS = ("different", "paraphrase")
_ENTITY_LABELS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
_UPOS_LABELS = tuple("ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split())
_XTREME = "https://github.com/google-research/xtreme"
_WIKIANN_SMALL = {"hi": 1_000, "sw": 1_000, "ur": 1_000}
_UD_NAMES = dict(
    en="English", ar="Arabic", bg="Bulgarian", de="German", el="Greek", es="Spanish", fr="French", hi="Hindi",
    ru="Russian", th="Thai", tr="Turkish", ur="Urdu", vi="Vietnamese", zh="Chinese", ja="Japanese", ko="Korean",
)  # fmt: skip

_PEOPLE = Task("mini-xnli-people", XNLI_LANGUAGES, _NLI_LABELS, "conneau2018xnli")
_SNLI = Task(
    name="snli",
    languages=("en",),
    labels=_NLI_LABELS,
    citation="bowman2015large",
    hub=Hub("stanfordnlp/snli", "premise", "hypothesis", config="plain_text"),
    archive={"test": File("snli_1.0/snli_1.0_test.txt", "sentence1", "sentence2", "gold_label")},
    page="https://nlp.stanford.edu/projects/snli/",
    sizes={"test": 10_000},
    unlabelled="-",
)
"""Descriptions of pictures, where MultiNLI has fiction, letters and talk: another domain than XNLI's, English alone."""

for _task in (
    Task("mini-xnli", XNLI_LANGUAGES, _NLI_LABELS, "conneau2018xnli", shifted=_PEOPLE),
    Task("mini-pawsx", PAWSX_LANGUAGES, _PARAPHRASE_LABELS, "yang2019pawsx"),
    Task(
        name="xnli",
        languages=XNLI_LANGUAGES,
        labels=_NLI_LABELS,
        citation="conneau2018xnli",
        hub=Hub("facebook/xnli", "premise", "hypothesis"),
        archive={
            "train": File("XNLI-MT-1.0/multinli/multinli.train.en.tsv", "premise", "hypo", "label"),
            "dev": File("XNLI-1.0/xnli.dev.tsv", **_XNLI_COLUMNS),
            "test": File("XNLI-1.0/xnli.test.tsv", **_XNLI_COLUMNS),
        },
        page="https://cims.nyu.edu/~sbowman/xnli/",
        aliases={"contradictory": "contradiction"},
        sizes={"train": 392_702, "dev": 2_490, "test": 5_010},
        shifted=_SNLI,
    ),
    Task(
        name="pawsx",
        languages=PAWSX_LANGUAGES,
        labels=_PARAPHRASE_LABELS,
        citation="yang2019pawsx",
        hub=Hub("google-research-datasets/paws-x", "sentence1", "sentence2"),
        archive={
            "train": File("x-final/{language}/train.tsv", **_PAWSX_COLUMNS),
            "dev": File("x-final/{language}/dev_2k.tsv", **_PAWSX_COLUMNS),
            "test": File("x-final/{language}/test_2k.tsv", **_PAWSX_COLUMNS),
        },
        page="https://github.com/google-research-datasets/paws/tree/master/pawsx",
        aliases={"0": "different", "1": "paraphrase"},
        placeholders=frozenset({"", "NS"}),
        sizes={"train": 49_401, "dev": 2_000, "test": 2_000},
    ),
    # WikiAnn is scored by entities. UDPOS is scored by the accuracy; hu2020xtreme's F1 of it is also to be had, see
    # xlgen.models.entity_f1 for why the two differ.
    TaggingTask(
        name="wikiann",
        languages=WIKIANN_LANGUAGES,
        labels=_ENTITY_LABELS,
        citation="rahimi2019massively",
        hub=Hub("unimelb-nlp/wikiann", "tokens", None, "ner_tags"),
        paths=("panx/{split}-{language}.tsv", "panx_dataset/{language}/{split}"),
        page=_XTREME,
        sizes={
            "train": {"en": 20_000},
            "dev": dict.fromkeys(WIKIANN_LANGUAGES, 10_000) | _WIKIANN_SMALL,
            "test": dict.fromkeys(WIKIANN_LANGUAGES, 10_000) | _WIKIANN_SMALL,
        },
        metric="f1",
        default="O",
    ),
    TaggingTask(
        name="udpos",
        languages=UDPOS_LANGUAGES,
        labels=_UPOS_LABELS,
        citation="nivre2020universal",
        hub=Hub("google/xtreme", "tokens", None, "pos_tags", "udpos.{language}", _UD_NAMES),
        paths=("udpos/{split}-{language}.tsv",),
        treebanks="UD_{name}-*/{language}_*-ud-{split}.conllu",
        page=_XTREME,
        sizes={"train": {"en": 21_253}, "dev": {"en": 3_974, "de": 19_233}, "test": {"en": 5_440, "de": 22_458}},
        default="X",
    ),
    TaggingTask("mini-wikiann", WIKIANN_LANGUAGES, _ENTITY_LABELS, "rahimi2019massively", metric="f1"),
    TaggingTask("mini-udpos", UDPOS_LANGUAGES, _UPOS_LABELS, "nivre2020universal", default="X"),
):
    TASKS.add(_task.name, _task)
