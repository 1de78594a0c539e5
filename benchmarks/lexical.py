"""The nearest texts by the words they share: BM25 and TF-IDF, what a practitioner tries first."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, vstack

from rootward.encoders.features import Grams, Vocabulary
from rootward.texts import normal_form
from rootward_paper import baseline_models

Texts = list[str]
BLOCK = 256  # texts compared with all known ones at a time


def tf_idf(known: Texts, asked: Texts, n: int) -> csr_array:
    """Cosine of words and character 3- to 5-grams weighted by idf, the n best of each (asked x known)."""
    vocabulary = Vocabulary.of(known, Grams())
    left, right = (baseline_models.tf_idf(vocabulary, texts) for texts in (asked, known))
    return best_products(left, right, n)


def bm25(known: Texts, asked: Texts, n: int, k1: float = 1.5, b: float = 0.75) -> csr_array:
    """Okapi BM25 of words, the n best of each (asked x known)."""
    words: dict[str, int] = {}
    left, right = (_counts([normal_form(text).split() for text in texts], words) for texts in (asked, known))
    left.resize(left.shape[0], len(words))
    right.resize(right.shape[0], len(words))
    lengths, found = right.sum(axis=1), np.bincount(right.indices, minlength=len(words))
    idf = np.log1p((len(known) - found + 0.5) / (found + 0.5))
    where = np.repeat(np.arange(len(known)), np.diff(right.indptr))
    norm = k1 * (1 - b + b * lengths / lengths.mean())
    right.data = idf[right.indices] * right.data * (k1 + 1) / (right.data + norm[where])
    return best_products(left, right, n)


def _counts(texts: list[list[str]], words: dict[str, int]) -> csr_array:
    columns = [words.setdefault(word, len(words)) for text in texts for word in text]
    rows = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    counts = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(texts), len(words)))
    counts.sum_duplicates()
    return counts


def best_products(left: csr_array, right: csr_array, n: int) -> csr_array:
    """left @ right.T with the n largest entries of each row kept; of equal ones the first columns."""
    turned = right.T.tocsr()
    parts = [_kept(csr_array(left[i : i + BLOCK] @ turned), n) for i in range(0, left.shape[0], BLOCK)]
    return csr_array(vstack(parts, format="csr"))


def _kept(block: csr_array, n: int) -> csr_array:
    block.sort_indices()
    rows = [slice(block.indptr[i], block.indptr[i + 1]) for i in range(block.shape[0])]
    best = [row.start + np.argsort(-block.data[row], kind="stable")[:n] for row in rows]
    offsets = np.r_[0, np.cumsum([len(each) for each in best])]
    index = np.concatenate([*best, np.empty(0, np.int64)]).astype(np.int64)
    return csr_array((block.data[index], block.indices[index], offsets), shape=block.shape)
