"""Public facts about languages, from ``languages.csv``: a row each, read once.

``iso3`` is the code of ISO 639-2/T, that of the macrolanguage where there is one, under which URIEL knows most.
``cc100`` is the size of its text in CC-100 [GiB], from the table in the appendix of conneau2020xlmr; Chinese is the sum
of its two scripts; romanised Bengali, Hindi, Tamil, Telugu and Urdu, and Burmese in Zawgyi, are left out.
"""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any, NamedTuple


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

REGIONAL = frozenset(
    "ar-ae ar-sa de-at de-be de-ch de-li en-au en-ca en-gb en-my en-us es-ar es-co es-mx es-sv es-us fa-af fr-be fr-ca "
    "fr-ch it-ch ms-my nl-be ps-af pt-br pt-pt ro-md sr-ba sr-me sv-fi ta-my zh-cn zh-hans zh-hant zh-hk zh-sg "
    "zh-tw".split()
)
"""Codes of languages in a region that names of files have in small letters. What a region is called is often the code
of a language, too: ``pt-br`` is Portuguese in Brazil and not Breton."""

SUBTAG = "[A-Z]{2}|[A-Z][a-z]{3}|[0-9]{3}"
"""A region or script as it is written in codes of languages."""


def iso3(language: str) -> str:
    """The three-letter code of a language of the table; any other code as it is."""
    return LANGUAGES[language].iso3 if language in LANGUAGES else language


def code_of(parts: Sequence[str]) -> str:
    """The code at the end of a name: of a language, or of one in a region or script; empty if there is none."""
    *_, language, region = ["", *parts]
    if language in LANGUAGES and (f"{language}-{region.lower()}" in REGIONAL or re.fullmatch(SUBTAG, region)):
        return f"{language}-{region}"
    return region if region in LANGUAGES else ""


def no_code(language: Any) -> str:
    """What is wrong with a language's code; empty if nothing is."""
    if isinstance(language, str) and re.fullmatch("[a-z]{2,3}([-_][A-Za-z0-9]+)*", language):
        return ""
    codes = {facts.name.lower(): code for code, facts in LANGUAGES.items()} | {code.upper(): code for code in LANGUAGES}
    near = difflib.get_close_matches(str(language).lower(), codes, n=1, cutoff=0.8)
    code = codes.get(str(language)) or (codes[near[0]] if near else "")
    return f"expected the code of a language, such as {code or 'ko'!r}" + (f". Did you mean {code!r}?" if code else "")
