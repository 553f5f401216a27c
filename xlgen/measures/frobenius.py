"""Frobenius distance of the fine-tuned weights from the pretrained ones [nagarajan2019generalization]."""

from __future__ import annotations

from collections import defaultdict

from torch import Tensor, nn

from xlgen.core.errors import ModelError
from xlgen.measures.base import ALL, MEASURES, Subject, Value
from xlgen.models.layers import embedding_tables, layer_of
from xlgen.models.perturb import distance, norm, weights
from xlgen.models.vocabulary import whole_shape


def shared_weights(subject: Subject) -> dict[str, nn.Parameter]:
    """The parameters that the pretrained model has too: those whose distance from initialisation is defined.

    Raises:
        ModelError: the subject has no pretrained weights, none of their names fits, or a shape differs.
    """
    if subject.reference is None:
        raise ModelError(
            "the distance from initialisation needs the pretrained weights; say with --pretrained what the model was "
            "fine-tuned from (in Python: Checkpoint.pretrained, or Subject.reference), or leave this measure out."
        )
    shared = {name: p for name, p in weights(subject.model).items() if name in subject.reference}
    if not shared:
        raise ModelError(
            "the pretrained weights share no parameter name with the model; expected those that it was fine-tuned from."
        )
    for name, p in shared.items():
        shape, reference_shape = whole_shape(p), tuple(subject.reference[name].shape)
        if shape != reference_shape:
            raise ModelError(f"pretrained {name!r} has shape {reference_shape}, the model's {shape}; they must agree.")
    return shared


@MEASURES.register("frobenius")
def frobenius(subject: Subject) -> dict[str, Value]:
    """Compute ||W - W_0||_F over the parameters that the pretrained model has.

    W_0 are the weights before fine-tuning. The new classification head has no W_0 and is excluded; its norm is in
    ``extra["excluded_norm"]``. The value belongs to the model, not to a language, and is exact.

    Returns:
        One value under the key ``ALL`` [parameter norm]. ``extra``: ``relative`` (divided by ||W_0||_F),
        ``without_embeddings``, ``by_layer`` (the distance of every numbered block, of the embedding tables and of the
        rest), ``parameters`` (how many numbers it was computed over), ``excluded`` and ``excluded_norm``.

    Raises:
        ModelError: as `shared_weights`.
    """
    shared = shared_weights(subject)
    groups: dict[str, dict[str, Tensor]] = defaultdict(dict)
    tables = embedding_tables(subject.model)
    for name, p in shared.items():
        groups[layer_of(name, tables)][name] = p
    excluded = {name: p for name, p in weights(subject.model).items() if name not in shared}
    value = distance(shared, subject.reference)
    extra = {
        "relative": value / norm(subject.reference[name] for name in shared),
        "without_embeddings": distance(
            {name: p for group, ps in groups.items() if group != "embeddings" for name, p in ps.items()},
            subject.reference,
        ),
        "by_layer": {group: distance(ps, subject.reference) for group, ps in groups.items()},
        "parameters": sum(subject.reference[name].numel() for name in shared),
        "excluded": list(excluded),
        "excluded_norm": norm(excluded.values()),
    }
    return {ALL: Value(value, on="weights the pretrained model has", extra=extra)}
