"""Word vectors from translations alone, in closed form: where the encoder's embeddings start.

Count how often a piece ``a`` of one text meets a piece ``b`` of its translation, keep what is more frequent than
chance (positive pointwise mutual information)

    PPMI(a, b) = max(0, log p(a, b) / (p(a) p(b)))

and factor the matrix, ``PPMI ≈ U S Uᵀ`` (latent semantic analysis across languages). Pieces that translate each other
meet the same pieces, so their vectors ``U √S`` are close; how close depends on how often their language was seen.
"""

from __future__ import annotations

import random

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import svds
from transformers import PreTrainedTokenizerFast

from xlgen.data.mini.corpus import Corpus, sentence
from xlgen.data.mini.grammar import pieces
from xlgen.data.mini.lexicon import lexicon


def word_vectors(
    tokenizer: PreTrainedTokenizerFast, *, dimensions: int, pairs: int, seed: int, smoothing: float
) -> np.ndarray:
    """Vectors (V, dimensions) of all pieces, with unit mean square; pieces never seen are zero.

    Args:
        tokenizer: cuts the texts into pieces.
        dimensions: of a vector.
        pairs: sentences whose translations are counted; languages are drawn as in pretraining.
        seed: of the sentences.
        smoothing: exponent of the languages' sampling weights.
    """
    corpus, rng = Corpus(smoothing), random.Random(f"word vectors {seed}")
    texts: list[tuple[str, str]] = []
    for _ in range(pairs):
        stated = sentence(rng, simple=True)
        first = corpus.language(rng)
        second = corpus.other_language(first, rng)
        texts.append(tuple("".join(p.text for p in pieces(stated, lexicon(code))) for code in (first, second)))
    sides = [tokenizer([pair[k] for pair in texts], add_special_tokens=False)["input_ids"] for k in (0, 1)]
    met = [(a, b) for left, two in zip(*sides, strict=True) for a in set(left) for b in set(two)]
    a, b = np.array(met).T
    size = len(tokenizer)
    counts = coo_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(size, size)).tocsr()
    total, marginal = counts.sum(), np.asarray(counts.sum(1)).ravel()
    counts = counts.tocoo()
    ppmi = np.log(counts.data * total / (marginal[counts.row] * marginal[counts.col])).clip(0)
    matrix = coo_matrix((ppmi, (counts.row, counts.col)), shape=(size, size)).tocsr()
    start = np.random.default_rng(seed).standard_normal(size)
    u, s, _ = svds(matrix, k=dimensions, v0=start)
    vectors = u * np.sqrt(s)
    return vectors / np.sqrt((vectors**2).mean())
