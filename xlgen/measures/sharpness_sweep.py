"""Difference-based sharpness over scales of the noise: how much of a comparison is a choice of the scale.

Algorithm 1 of bassi2024generalization (see :mod:`xlgen.measures.sharpness_difference`), whose authors choose one scale
for each model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from xlgen.core.coerce import Different, NotNegative, Positive
from xlgen.measures.base import MEASURES, Subject, Value
from xlgen.measures.sharpness_difference import explore

SCALES = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
"""Three orders of magnitude around the paper's four scales, 0.001 to 0.02."""


@MEASURES.register("sharpness_sweep")
def sharpness_sweep(
    subject: Subject,
    *,
    noise_scale: NotNegative = 0.001,
    noise_scales: Annotated[Sequence[NotNegative], *Different] = SCALES,
    n: NotNegative = 0.05,
    lam: Positive = 0.05,
    noise_seeds: Annotated[Sequence[int], *Different] = (0,),
    project: bool = True,
    control: bool = False,
) -> dict[str, Value]:
    """Compute φ_difference at every one of ``noise_scales``; the value is the one at ``noise_scale``.

    All scales share L(w_0) and, draw by draw, the direction of ε, so that a curve is one walk along a line and bends
    because of the loss and not because of the draw. At each scale the number is the one that ``sharpness_difference``
    returns for it.

    Args:
        subject: model and examples; the weights are restored exactly.
        noise_scale: the scale whose φ is the value; measured too if it is not among ``noise_scales``.
        noise_scales: standard deviations of ε.
        n: as in ``sharpness_difference``, and so are the following.
        lam: radius of the ball relative to ||w'||_F.
        noise_seeds: one direction of ε for each.
        project: project on the ball.
        control: also compute φ without the ascent step.

    Returns:
        Per language φ at ``noise_scale`` [nats] with the standard error and the ``extra`` of
        ``sharpness_difference``; and in ``extra["curve"]`` one entry a scale, ascending: ``scale``, ``phi``,
        ``stderr`` (of the same kind), ``clipped`` and, with ``control``, ``phi_noise`` (each a mean over the draws).

    Raises:
        ConfigError: a setting is out of range.
        TrainingError: a loss or gradient is not finite.
    """
    scales = sorted({*noise_scales, noise_scale})
    found = explore(subject, scales, n, lam, noise_seeds, project, control)
    result = {}
    for language, value in found[noise_scale].items():
        curve = [_point(scale, found[scale][language]) for scale in scales]
        result[language] = replace(value, extra={**value.extra, "curve": curve})
    return result


def _point(scale: float, value: Value) -> dict[str, float | None]:
    """One entry of the curve."""
    point = {"scale": scale, "phi": value.value, "stderr": value.stderr, "clipped": value.extra["clipped"]}
    if "phi_noise" in value.extra:
        point["phi_noise"] = sum(value.extra["phi_noise"]) / len(value.extra["phi_noise"])
    return point
