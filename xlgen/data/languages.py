"""Public facts about languages, from ``languages.csv``: a row each, read once.

``iso3`` is the code of ISO 639-2/T, that of the macrolanguage where there is one, under which URIEL knows most.
``cc100`` is the size of its text in CC-100 [GiB], from the table in the appendix of conneau2020xlmr; Chinese is the sum
of its two scripts; romanised Bengali, Hindi, Tamil, Telugu and Urdu, and Burmese in Zawgyi, are left out.
"""

from __future__ import annotations

import csv
from importlib import resources
from typing import NamedTuple


class Facts(NamedTuple):
    """A row of the table."""

    name: str
    iso3: str
    cc100: float


def _read() -> dict[str, Facts]:
    text = resources.files("xlgen.data").joinpath("languages.csv").read_text(encoding="utf-8")
    return {
        row["code"]: Facts(row["name"], row["iso3"], float(row["cc100"])) for row in csv.DictReader(text.splitlines())
    }


LANGUAGES: dict[str, Facts] = _read()
"""By the code that data sets use, ISO 639-1 where there is one."""


def iso3(language: str) -> str:
    """The three-letter code of a language of the table; any other code as it is."""
    return LANGUAGES[language].iso3 if language in LANGUAGES else language
