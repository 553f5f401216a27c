"""Typological distance of a language from the source [littell2017uriel].

d = 2/π arccos(aᵀb / (‖a‖ ‖b‖))

with a and b the binary features of the two languages in the URIEL database that are known of both; a feature is 1 where
one of the database's sources says so (the union). This is the distance of URIEL+ (khan2025urielplus). The database is
read, without pickle, from the package ``urielplus`` (the extra ``languages``), of which no code is run.
"""

from __future__ import annotations

import importlib.util
import math
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xlgen.core.errors import ConfigError, UnknownName
from xlgen.data.languages import iso3
from xlgen.measures.base import MEASURES, Subject, Value, label_free

FEATURES = {
    "syntactic": ("features.npz", "S_"),
    "phonological": ("features.npz", "P_"),
    "inventory": ("features.npz", "INV_"),
    "genetic": ("family_features.npz", ""),
    "geographic": ("geocoord_features.npz", ""),
}
"""The file of each kind of features, and how their names begin."""


@MEASURES.register("typological_distance")
@label_free
def typological_distance(subject: Subject, *, features: str = "syntactic") -> dict[str, Value]:
    """Look up how far the language is from the source in the features of grammar, sound, family or place.

    Args:
        subject: its languages.
        features: one of :data:`FEATURES`.

    Returns:
        Per language, a value in [0, 1] without a standard error; ``extra``: how many features are ``known`` of both.
        The status is ``"not_listed"`` where the database does not have the language, and ``"unknown"`` where no feature
        is known of both.

    Raises:
        UnknownName: no such features.
        ConfigError: the database is not installed, or lacks the source language.
    """
    if features not in FEATURES:
        raise UnknownName("kind of features", features, FEATURES)
    folder = database()
    source = vector(folder, subject.source_language, features)
    if source is None:
        raise ConfigError(f"the URIEL database has no language {subject.source_language!r} to measure from.")
    on, result = f"no text; {features} features of URIEL", {}
    for language in subject.languages:
        features_of = vector(folder, language, features)
        if features_of is None:
            result[language] = Value(math.nan, on=on, status="not_listed")
            continue
        both = (source >= 0) & (features_of >= 0)
        value = angle(source[both], features_of[both]) if both.any() else math.nan
        status = "ok" if both.any() else "unknown"
        result[language] = Value(value, on=on, status=status, extra={"known": int(both.sum())})
    return result


def angle(a: NDArray, b: NDArray) -> float:
    """2/π arccos of the cosine; a vector of zeros is taken to lie in the middle, as in URIEL+."""
    a, b = (x if x.any() else np.ones_like(x) for x in (a, b))
    cosine = a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
    return 2 / math.pi * math.acos(min(1.0, max(-1.0, cosine)))


def database() -> Path:
    """The folder of URIEL's files in the package ``urielplus``, which is found and not imported.

    Raises:
        ConfigError: it is not installed.
    """
    spec = importlib.util.find_spec("urielplus")
    if spec is None:
        raise ConfigError("typological distances need the package urielplus: pip install 'xlgen[languages]'.")
    return Path(spec.submodule_search_locations[0]) / "database" / "original_uriel"


@lru_cache(maxsize=256)
def vector(folder: Path, language: str, features: str) -> NDArray | None:
    """The features of a language (F,): in [0, 1], or -1 where unknown; ``None`` if the language is not listed."""
    file, prefix = FEATURES[features]
    languages, names, data = _arrays(folder / file)
    place = languages.get(iso3(language))
    if place is None:
        return None
    wanted = np.char.startswith(names, prefix)
    return data[place, wanted].astype(float)


@lru_cache(maxsize=2)
def _arrays(path: Path) -> tuple[dict[str, int], NDArray, NDArray]:
    with np.load(path, allow_pickle=False) as file:
        languages = {str(code): place for place, code in enumerate(file["langs"])}
        return languages, file["feats"], file["data"].max(axis=2)
