"""The miniature's WordPiece vocabulary: trained on its corpus, languages weighted as in pretraining.

Text is normalised to NFC and lower-cased (Turkish dotted İ included), accents are kept, Chinese characters stand
alone; all as multilingual BERT does it, but for the accents, which Hindi, Thai and Vietnamese cannot do without.
"""

from __future__ import annotations

import random

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from xlgen.data.mini.corpus import Corpus

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def train_tokenizer(*, size: int, sentences: int, seed: int, smoothing: float) -> PreTrainedTokenizerFast:
    """Train a WordPiece tokenizer of ``size`` pieces on ``sentences`` sentences of the corpus."""
    corpus, rng = Corpus(smoothing), random.Random(f"tokenizer {seed}")
    core = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    core.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.Replace("İ", "i"),
            normalizers.BertNormalizer(strip_accents=False, lowercase=True),
        ]
    )
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=list(SPECIAL), show_progress=False)
    core.train_from_iterator((corpus.text(rng) for _ in range(sentences)), trainer)
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, core.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=128,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
