"""Fréchet distance of each language's Fisher information from the source language's [anonymous2021frustratingly]."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Literal

import torch

from xlgen.core.coerce import AtLeast0, AtLeast1
from xlgen.core.device import seed_of
from xlgen.core.errors import ConfigError
from xlgen.data.batch import Batch
from xlgen.data.batch import examples as count_examples
from xlgen.fisher import diagonal
from xlgen.fisher.frechet import Distances, distances
from xlgen.fisher.labels import LABELS
from xlgen.measures.base import MEASURES, Subject, Value, together
from xlgen.measures.blocks import kept
from xlgen.models.evaluate import subset
from xlgen.models.layers import embedding_tables, encoder, layer_of
from xlgen.models.vocabulary import whole_shape

log = logging.getLogger(__name__)

PARAMETERS = ("encoder", "blocks", "all")


@MEASURES.register("frechet")
@together
def frechet(
    subject: Subject,
    *,
    labels: Literal[LABELS] = "true",
    parameters: Literal[PARAMETERS] = "encoder",
    source: str = "en",
    examples: AtLeast0 = 0,
    folds: AtLeast1 = 5,
    seed: int = 0,
) -> dict[str, Value]:
    """Compute d²(F_source, F_language) of the diagonal Fisher informations on the task's examples.

    d² = 1 - Σ_i √F̂_source,i √F̂_language,i with F̂ = F / tr F (equation 3 of anonymous2021frustratingly), F the mean
    over examples of the squared gradient of the log-likelihood, in eval mode; see `xlgen.fisher.frechet`. In [0, 1],
    and 0 for the source language. The languages' embeddings are largely different rows of one table, which alone makes
    them distant:
    ``"blocks"`` leaves the tables out, and ``extra`` has both.

    The standard error is a delete-one-fold jackknife: example i is in fold i mod ``folds`` in every language, so that
    translations of each other are left out together; a sentence that was cut in pieces is one. ``folds`` diagonals of
    every language are in memory at once, 4 bytes a parameter; with ``folds=1`` it is one, without a standard error.

    Args:
        subject: model and examples; left exactly as they were.
        labels: ``"true"`` (the empirical Fisher information), ``"sample"`` (drawn from the model) or ``"model"`` (their
            exact mean); the last two read no label.
        parameters: ``"encoder"`` (without the head), ``"blocks"`` (also without the embedding tables) or ``"all"``.
        source: language that the distances are from.
        examples: the first so many examples of each language; 0 is all of them.
        folds: see above.
        seed: of the sampled labels.

    Returns:
        Per language d². ``extra``: ``bias`` (the jackknife's estimate, positive: few examples look farther apart),
        ``without_embeddings``, ``by_layer`` (each layer normalised to unit trace by itself, as in kirkpatrick2017ewc),
        ``row`` (d² to every language), ``trace`` Tr F over the chosen parameters, and their number ``parameters``.

    Raises:
        UnknownName: no such labels or choice of parameters.
        ConfigError: a setting is out of its range, the source language is not among the languages, or there are fewer
            examples than folds.
        ModelError: a Fisher information is 0 or not finite.
    """
    if source not in subject.batches:
        raise ConfigError(f"frechet needs the source language {source!r} among the languages; add it.")
    tables = embedding_tables(subject.model)
    names = dict(subject.model.named_parameters()) if parameters == "all" else encoder(subject.model)
    names = [name for name in names if not (parameters == "blocks" and layer_of(name, tables) == "embeddings")]
    diagonals, counts = {}, {}
    for language, batches in subject.batches.items():
        log.info("frechet: %s", language)
        dealt = _dealt(subset(batches, examples), folds, language)
        counts[language] = [count_examples(fold) for fold in dealt]
        diagonals[language] = []
        for k, fold in enumerate(dealt):
            draws = torch.Generator().manual_seed(seed_of("frechet", seed, k))
            F = diagonal(subject.model, fold, labels, names=names, generator=draws)
            diagonals[language].append({name: part.cpu() for name, part in F.items()})
    d, origin = distances(diagonals, tables, counts), list(diagonals).index(source)
    on = f"{subject.split}, {labels} labels, eval mode, parameters: {parameters}"
    sizes = {name: math.prod(whole_shape(p)) for name, p in subject.model.named_parameters()}
    size = sum(sizes[name] for name in diagonals[source][0])
    return {language: _value(d, origin, i, sum(counts[language]), on, size) for i, language in enumerate(diagonals)}


def _dealt(batches: Sequence[Batch], folds: int, language: str) -> list[list[Batch]]:
    """The examples of each fold."""
    dealt = [[batch.rows(batch.index % folds == k) for batch in batches] for k in range(folds)]
    dealt = [[batch for batch in fold if len(batch)] for fold in dealt]
    if not all(dealt):
        raise ConfigError(f"frechet: fewer examples of {language!r} than folds ({folds}); ask for fewer folds.")
    return dealt


def _value(d: Distances, source: int, language: int, n: int, on: str, size: int) -> Value:
    extra = {
        "without_embeddings": d.without_embeddings[source, language].item(),
        "by_layer": {layer: d2[source, language].item() for layer, d2 in d.by_layer.items()},
        "row": dict(zip(d.languages, d.d2[language].tolist(), strict=True)),
        "trace": d.trace[language].item(),
        "parameters": size,
    }
    if d.stderr is None:
        return Value(d.d2[source, language].item(), None, n, on, "", "ok", extra)
    extra["bias"] = d.bias[source, language].item()
    extra |= kept(d.blocks["d2"][:, source, language])
    stderr = d.stderr[source, language].item()
    return Value(d.d2[source, language].item(), stderr, n, on, "examples", "ok", extra)
