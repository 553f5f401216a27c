"""Any Hugging Face encoder as a classifier: the shipped miniature, a folder, or a name on the hub."""

from xlgen.models.classes import class_order, named
from xlgen.models.configuration import configuration
from xlgen.models.families import COUNTS_FROM_ZERO, longest_input, takes_position_ids
from xlgen.models.load import check_encoder, load_classifier, load_finetuned, pretrained, pretrained_weights, save
from xlgen.models.locate import FILES, MINI, fingerprint, locate
from xlgen.models.messages import quiet
from xlgen.models.tokens import load_tokenizer

__all__ = [
    "COUNTS_FROM_ZERO",
    "FILES",
    "MINI",
    "check_encoder",
    "class_order",
    "configuration",
    "fingerprint",
    "load_classifier",
    "load_finetuned",
    "load_tokenizer",
    "locate",
    "longest_input",
    "named",
    "pretrained",
    "pretrained_weights",
    "quiet",
    "save",
    "takes_position_ids",
]
