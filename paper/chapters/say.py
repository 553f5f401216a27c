"""Numbers in the prose of a chapter: computed here, named there."""

from __future__ import annotations

from pathlib import Path

from myst_nb import glue

from paper.records import Obtained
from xlgen.core.errors import ConfigError
from xlgen.data.catalogue import TASKS


class Say:
    """Give texts a name that the chapter's prose can hold: ``say(best="sam")`` is ``{glue:text}`xnli-best```.

    >>> say = Say("xnli")
    >>> say(n_models=f"{4}")  # doctest: +SKIP

    Args:
        chapter: the file name of the chapter, with which all its names begin.
    """

    def __init__(self, chapter: str):
        self.chapter = chapter

    def __call__(self, **texts: str | int) -> None:
        """Name these texts; an underscore is a hyphen on the page.

        Raises:
            ConfigError: a number whose digits nobody chose.
        """
        for name, text in texts.items():
            if not isinstance(text, str | int):
                raise ConfigError(f'{name} is {text!r}; expected a text: say how many digits, as in f"{{x:.2f}}".')
            glue(f"{self.chapter}-{name.replace('_', '-')}", str(text), display=False)


def facts(found: Obtained) -> dict[str, str]:
    """What every chapter says of its models: ``encoder``, ``models``, ``seeds``, ``pairs``, for :class:`Say`."""
    runs = list(found.runs.values())
    first = runs[0]
    seeds = len({run.config.seed for run in runs})
    return {
        "encoder": "the shipped miniature" if first.config.model == "mini" else Path(first.config.model).name,
        "models": f"{len(runs)}",
        "seeds": f"{seeds} seed{'s' * (seeds != 1)}",
        "pairs": f"{first.manifest['train_pairs']:,}",
        "english": TASKS[first.task].source_language,
    }
