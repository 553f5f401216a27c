"""The same sentences with their names spelled as in another language: one thing changed, all else equal."""

from __future__ import annotations

from dataclasses import replace

from xlgen.data.mini import names, tagging
from xlgen.data.mini.lexicon import lexicon
from xlgen.data.read_tagged import TaggedRows


def respelled(task: str, language: str, like: str, split: str, labels: tuple[str, ...], size: int = 0) -> TaggedRows:
    """Sentences of a task of names whose grammar and other words are one language's and whose names another's.

    A name is put in its nominative; its gender, which the grammar needs, stays.

    Args:
        task: ``"mini-wikiann"``.
        language: of the sentences.
        like: whose spelling the names get.
        split: of the data.
        labels: of the task.
        size: the first so many sentences; 0 is all of them.
    """
    words, spelled = lexicon(language), lexicon(like).names
    forms = {
        part: {
            key: dict.fromkeys(entry, spelled[part][key]["nom"])
            | ({"gender": entry["gender"]} if "gender" in entry else {})
            for key, entry in table.items()
        }
        for part, table in words.names.items()
    }
    words = names.named(replace(words, names=forms))
    rows = [
        tagging.tagged(sentence, words, tagging.entities) for sentence in tagging.sentences(task, split)[: size or None]
    ]
    cut = tuple(tuple(word for word, _ in row) for row in rows)
    return TaggedRows(cut, tuple(tuple(labels.index(tag) for _, tag in row) for row in rows))
