"""Names in another language's spelling: the tags and all other words stay."""

import pytest

from xlgen.data.catalogue import TASKS
from xlgen.data.mini.respell import respelled
from xlgen.models.entity_f1 import chunks

TASK = TASKS["mini-wikiann"]


def names_of(rows):
    """The names of each sentence, spelled as they are."""
    found = []
    for words, labels in zip(rows.words, rows.labels, strict=True):
        spans = chunks([TASK.labels[i] for i in labels])
        found.append(sorted((kind, " ".join(words[a : b + 1])) for kind, a, b in spans))
    return found


@pytest.mark.parametrize("language", TASK.languages)
def test_like_itself_nothing_but_cases_and_like_english_every_name_is_english(language):
    english, own = (TASK.rows(code, "test", None).take(60) for code in ("en", language))
    new = respelled(TASK.name, language, "en", "test", TASK.labels, 60)
    assert len(new.words) == 60
    known = {word for sentence in names_of(english) for _, name in sentence for word in name.split()}
    persons = [name for sentence in names_of(new) for kind, name in sentence if kind == "PER"]
    assert persons and all(any(word in known for word in name.split()) for name in persons)
    others = [
        [w for w, y in zip(*row, strict=True) if TASK.labels[y] == "O"]
        for row in zip(own.words, own.labels, strict=True)
    ]
    again = [
        [w for w, y in zip(*row, strict=True) if TASK.labels[y] == "O"]
        for row in zip(new.words, new.labels, strict=True)
    ]
    assert sum(a == b for a, b in zip(others, again, strict=True)) >= 0.9 * 60
    assert [len(sentence) for sentence in names_of(new)] == [len(sentence) for sentence in names_of(own)]


def test_english_like_english_is_english():
    assert respelled(TASK.name, "en", "en", "test", TASK.labels) == TASK.rows("en", "test", None)
