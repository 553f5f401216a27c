"""Codes of languages as they are written in names of files and in columns."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

from xlgen.data.languages import LANGUAGES

REGIONAL = frozenset(
    "ar-ae ar-sa de-at de-be de-ch de-li en-au en-ca en-gb en-my en-us es-ar es-co es-mx es-sv es-us fa-af fr-be fr-ca "
    "fr-ch it-ch ms-my nl-be ps-af pt-br pt-pt ro-md sr-ba sr-me sv-fi ta-my zh-cn zh-hans zh-hant zh-hk zh-sg "
    "zh-tw".split()
)
"""Codes of languages in a region that names of files have in small letters. What a region is called is often the code
of a language, too: ``pt-br`` is Portuguese in Brazil and not Breton."""

NAMES = frozenset(LANGUAGES) | {name.lower() for facts in LANGUAGES.values() for name in (facts.iso3, facts.name)}
"""What languages are called, in small letters."""

OWN_NAMES = {
    "deutsch": "de", "español": "es", "français": "fr", "italiano": "it", "nederlands": "nl", "polski": "pl",
    "português": "pt", "русский": "ru", "suomi": "fi", "svenska": "sv", "türkçe": "tr", "中文": "zh", "日本語": "ja",
    "한국어": "ko", "हिन्दी": "hi", "العربية": "ar",
}  # fmt: skip
"""Codes by what some languages call themselves."""

COUNTRIES = {"cn": "zh", "cz": "cs", "dk": "da", "gr": "el", "ir": "fa", "jp": "ja", "ua": "uk", "vn": "vi"}
"""Codes of languages by those of countries that are taken for them and are no language's."""

SUBTAG = "[A-Z]{2}|[A-Z][a-z]{3}|[0-9]{3}"
"""A region or script as it is written in codes of languages."""


def code_of(parts: Sequence[str]) -> str:
    """The code at the end of a name: of a language, or of one in a region or script; empty if there is none."""
    *_, language, region = ["", *parts]
    if language in LANGUAGES and (f"{language}-{region.lower()}" in REGIONAL or re.fullmatch(SUBTAG, region)):
        return f"{language}-{region}"
    return region if region in LANGUAGES else ""


def is_language(text: str) -> bool:
    """Whether a cell can be meant for nothing but a language: its code of two or three letters, in large ones too, with
    or without a region or script, or its English name."""
    language, *region = re.split("[-_]", text)
    if len(region) > 1 or region and not re.fullmatch(SUBTAG, region[0]) and text.replace("_", "-") not in REGIONAL:
        return False
    return language.lower() in NAMES


def no_code(language: Any) -> str:
    """What is wrong with a language's code; empty if nothing is."""
    if isinstance(language, str) and re.fullmatch("[a-z]{2,3}([-_][A-Za-z0-9]+)*", language):
        return ""
    codes = {facts.name.lower(): code for code, facts in LANGUAGES.items()} | {code.upper(): code for code in LANGUAGES}
    codes |= OWN_NAMES
    near = difflib.get_close_matches(str(language).lower(), codes, n=1, cutoff=0.8)
    code = codes.get(str(language)) or (codes[near[0]] if near else "")
    return f"expected the code of a language, such as {code or 'ko'!r}" + (f". Did you mean {code!r}?" if code else "")
