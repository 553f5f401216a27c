"""A task with a user's files in place of its own data."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xlgen.core.errors import ConfigError, DataError, UnknownName
from xlgen.data.codes import COUNTRIES, no_code
from xlgen.data.own import OwnFiles
from xlgen.data.read_pairs import Rows
from xlgen.data.read_tagged import TaggedRows
from xlgen.data.task import Task, check_split

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class OwnTask(Task):
    """A task whose rows are a user's, whatever the split; what they lack of the source language is the task's own.

    Attributes:
        files: the user's.
        base: the task of the catalogue, if it is one.
    """

    files: OwnFiles | None = None
    base: Task | None = None

    def rows(self, language: str, split: str, data_dir: Path | None = None) -> Rows | TaggedRows:
        """As :meth:`Task.rows`; development rows of the source language have labels, or are the base's.

        Raises:
            UnknownName: the files do not have the language, or there is no such split.
            DataError: as :attr:`OwnFiles.survey`; or there are no labelled rows of the source language anywhere.
        """
        check_split(split)
        there = self.files.survey.get(language)
        if split != "dev" or language != self.source_language or (there and there.labelled):
            return self._kept(language)
        if self.base is None:
            raise DataError(
                f"{self.files.path} has no labelled rows in {language!r}, which forecasts are calibrated on; add them."
            )
        return self.base.rows(language, split, data_dir)

    def _kept(self, language: str) -> Rows | TaggedRows:
        known = self.__dict__.setdefault("_known", {})
        if language not in known:
            known[language] = self.files.rows(language)
        return known[language]


def own_task(task: Task, path: Path, columns: Mapping[str, str], languages: Sequence[str] = ()) -> OwnTask:
    """A task with a user's files in place of its own; any language that they have is one of it.

    Args:
        task: labels and kind.
        path: the files.
        columns: see :attr:`OwnFiles.columns`.
        languages: the wanted ones; a single one names that of files that do not tell.

    Raises:
        UnknownName: the files lack a language or a column.
        ConfigError: what is wanted is not the code of a language.
        DataError: as :attr:`OwnFiles.survey`.
    """
    for language in languages:
        if language != task.source_language and (problem := no_code(language)):
            raise ConfigError(f"--languages: {language!r}; {problem}{'' if problem.endswith('?') else '.'}")
    index = {label: i for i, label in enumerate(task.labels)}
    labels = index | {alias: index[label] for alias, label in task.aliases.items()}
    targets = [language for language in languages if language != task.source_language]
    files = OwnFiles(path, labels, task.kind, columns, targets[0] if len(targets) == 1 else "")
    for language in languages:
        if language not in files.survey and language != task.source_language:
            raise UnknownName(f"language in {path}", language, files.survey)
    for language in files.survey:
        if language in COUNTRIES:
            log.warning(
                "%s: %r is no language's code, only a country's; is %r meant?", path, language, COUNTRIES[language]
            )
    facts = {name: getattr(task, name) for name in ("name", "labels", "aliases", "metric", "kind", "source_language")}
    base = task if task.languages else None  # a task of the user's own has no other data
    return OwnTask(**facts, languages=tuple(languages) or tuple(files.survey), citation="", files=files, base=base)
