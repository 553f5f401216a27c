"""In which direction each measure is meant, and what signs that agree are worth once they are turned that way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xlgen.analysis import Interval

MEANT: Mapping[str, int] = {
    "dev_accuracy": 1,
    "margin": 1,
    "margin_p10": 1,
    "margin_logit": 1,
    "margin_logit_p10": 1,
    "dev_margin": 1,
    "dev_margin_p10": 1,
    "dev_margin_logit": 1,
    "dev_margin_logit_p10": 1,
    "loss": -1,
    "dev_loss": -1,
    "sharpness_difference": -1,
    "sharpness_alpha": -1,
    "sharpness_adaptive": -1,
    "hessian_eigenvalue": -1,
    "fisher_trace": -1,
    "noise_divergence": -1,
    "frobenius": -1,
    "frechet": -1,
    "representation_distance": -1,
    "typological_distance": -1,
    "confidence": 1,
    "confidence_scaled": 1,
    "doc": 1,
    "atc": 1,
    "atc_entropy": 1,  # a forecast of accuracy, whatever its score is
    "entropy": -1,
    "entropy_of_mean": 1,  # of the mean prediction: all classes are predicted about equally often
    "nuclear_norm": 1,
    "cot": 1,
    "cott": 1,
    "dropout_agreement": 1,
    "fertility": -1,
    "unknown_rate": -1,
    "pretraining_share": 1,
}
"""By measure, whether a larger value is meant to go with a higher accuracy (1) or with a lower one (−1)."""


def turned(signs: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """By measure, signs of correlations with accuracy, turned so that + is what is meant: times :data:`MEANT`.

    Two worlds agree on the sign of an entropy and of a confidence because one falls where the other rises. After the
    turn that is no agreement any more.
    """
    return {measure: [MEANT[measure] * sign for sign in pair] for measure, pair in signs.items()}


def beyond_chance(kappa: Interval) -> str:
    """What an agreement beyond chance comes to, in words."""
    if kappa.low > 0:
        return "better than chance"
    return "no better than chance" if kappa.value <= 0 else "not shown to be better than chance"
