"""What a run stays close to: the pretrained weights, and for EWC the Fisher information of text."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor, nn

from xlgen import models
from xlgen.core.config import RunConfig, RunOptions
from xlgen.core.errors import ConfigError
from xlgen.data.text import Text, check_folder
from xlgen.fisher import of_text as fishers
from xlgen.fisher.of_text import Settings
from xlgen.objectives import Anchor, Objective

log = logging.getLogger(__name__)


def anchors_for(config: RunConfig, objective: Objective, model: nn.Module, options: RunOptions) -> list[Anchor]:
    """The anchors of a run before its first step.

    Args:
        config: of the run.
        objective: L2 or EWC.
        model: the classifier as it will be trained, on its device.
        options: where the Fisher information is computed and stored, and where the text is.

    Returns:
        One anchor for L2, one for each corpus of EWC. They hold the trained parameters that the pretrained model has,
        on the device and in the type of ``model``.

    Raises:
        ConfigError: the run also decays the weights, or trains no weight that the pretrained model has.
        ModelError: for EWC, the encoder is neither a masked language model nor one of sentences, or does not fit the
            classifier.
        DataError: for EWC, there is no such text.
    """
    check(config, objective)
    trained = {name: w for name, w in model.named_parameters() if w.requires_grad}
    theta = {
        name: w.to(trained[name])
        for name, w in models.pretrained_weights(config.model, model).items()
        if name in trained
    }
    if not theta:
        raise ConfigError(
            f"tuning {config.tuning!r} trains no weight of the pretrained model, so there is nothing for "
            f"{config.objective!r} to hold back; use the objective 'baseline', or the tuning 'full' or 'bitfit'."
        )
    texts = texts_for(config, objective, options)
    return [_weighted(theta, text, config, objective, options) for text in texts] or [Anchor(theta)]


def texts_for(config: RunConfig, objective: Objective, options: RunOptions) -> list[Text]:
    """The text of each Fisher information that the objective needs: none but for EWC."""
    corpora: Sequence[Sequence[str]] = getattr(objective, "corpora", ())
    check_folder(chain.from_iterable(corpora), options.text_dir)
    return [fishers.read(config.model, corpus, objective.examples, options) for corpus in corpora]


def check(config: RunConfig, objective: Objective) -> None:
    """Refuse weight decay beside an anchored objective.

    Raises:
        ConfigError: the two would pull the weights to different places.
    """
    if objective.needs_anchors and config.weight_decay:
        raise ConfigError(
            f"weight_decay is {config.weight_decay}: it pulls the weights to 0, and {config.objective!r} to the "
            "pretrained ones; set weight_decay=0."
        )


def _weighted(
    theta: dict[str, Tensor], text: Text, config: RunConfig, objective: Objective, options: RunOptions
) -> Anchor:
    """EWC's anchor: θ* and F where both are defined, F scaled as the objective asks."""
    settings = Settings(config.max_length, objective.labels)
    fisher = fishers.of_text(config.model, text, settings, options).diagonal()
    names = [name for name, w in theta.items() if name in fisher and fisher[name].shape == w.shape]
    total = sum(fisher[name].sum(dtype=torch.float64).item() for name in names)
    if not total > 0:
        raise ConfigError(
            f"the text in {', '.join(text.languages)} says nothing about the weights that tuning {config.tuning!r} "
            "trains: their Fisher information is 0. Use the objective 'l2', or the tuning 'full'."
        )
    mean = total / sum(theta[name].numel() for name in names)
    log.info("Fisher information of %s: mean %.3g", ", ".join(text.languages), mean)
    scale = 1 / mean if objective.normalise == "mean" else 1.0
    return Anchor(
        {name: theta[name] for name in names}, {name: (fisher[name].double() * scale).to(theta[name]) for name in names}
    )
