"""Scores that are the same numbers on every processor; by them the k best, and all above a threshold."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from rootward.scoring import above, best, exact_scores, score_blocks


def vectors(dtype, dim, n_queries=6, n_documents=9_001):
    """Rows of lengths from 1e-3 to 1e3; documents 5000 to 5099 are equal to the first, number 10 is zero."""
    generator = torch.Generator().manual_seed(dim)
    queries = torch.randn(n_queries, dim, dtype=dtype, generator=generator)
    queries *= torch.logspace(-3, 3, n_queries, dtype=dtype)[:, None]
    documents = torch.randn(n_documents, dim, dtype=dtype, generator=generator)
    documents[5_000:5_100] = documents[0]
    documents[10] = 0
    return queries, documents


def scored(queries, documents, block_bytes=2**26):
    sizes = np.ones(len(queries), np.int64)
    return np.concatenate([block.scores.copy() for block in score_blocks(queries, documents, sizes, block_bytes)])


KINDS = pytest.mark.parametrize(
    ("dtype", "dim"), [(torch.float32, 1), (torch.float32, 64), (torch.float32, 385), (torch.float64, 65)]
)


@KINDS
def test_a_score_is_one_number_however_it_is_computed(dtype, dim):
    queries, documents = vectors(dtype, dim)
    scores = scored(queries, documents)
    assert np.array_equal(scores, scored(queries, documents, block_bytes=1))
    order = torch.randperm(len(documents), generator=torch.Generator().manual_seed(0))
    assert np.array_equal(scores[:, order.numpy()], scored(queries, documents[order]))
    columns = torch.randperm(dim, generator=torch.Generator().manual_seed(0))
    assert np.array_equal(scores, scored(queries[:, columns], documents[:, columns]))
    place, column = np.divmod(np.arange(scores.size), scores.shape[1])
    assert np.array_equal(scores.ravel(), exact_scores(queries, documents, place, column))


@KINDS
def test_equal_documents_score_equal(dtype, dim):
    scores = scored(*vectors(dtype, dim))
    assert (scores[:, 5_000:5_100] == scores[:, :1]).all()


@pytest.mark.parametrize(("dtype", "roundings"), [(torch.float32, 2.0**-23), (torch.float64, 2.0**-44)])
def test_scores_are_those_of_fractions_but_for_the_last_digits(dtype, roundings):
    queries, documents = vectors(dtype, 7, n_documents=40)
    scores = scored(queries, documents)
    for query, row in zip(queries.tolist(), scores.tolist(), strict=True):
        for document, score in zip(documents.tolist(), row, strict=True):
            true = sum(Fraction(a) * Fraction(b) for a, b in zip(query, document, strict=True))
            size = np.linalg.norm(query) * np.linalg.norm(document)
            assert abs(Fraction(score) - true) <= roundings * size


@KINDS
@pytest.mark.parametrize("k", [1, 10, 300, 9_001])
def test_the_k_best_are_the_first_of_all_sorted(dtype, dim, k):
    queries, documents = vectors(dtype, dim)
    scores = scored(queries, documents)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    offsets, columns, found = best(queries, documents, np.full(len(queries), k))
    assert offsets.tolist() == list(range(0, columns.size + 1, k))
    assert np.array_equal(columns.reshape(-1, k), expected)
    assert np.array_equal(found.reshape(-1, k), np.take_along_axis(scores, expected, 1))


def test_each_query_may_want_another_number():
    queries, documents = vectors(torch.float32, 8)
    wanted = np.array([3, 0, 9_001, 1, 70, 2])
    offsets, columns, _ = best(queries, documents, wanted, block_bytes=1)
    assert np.diff(offsets).tolist() == wanted.tolist()
    for row, k in enumerate(wanted.tolist()):
        alone = best(queries[row : row + 1], documents, np.array([k]))[1]
        assert columns[offsets[row] : offsets[row + 1]].tolist() == alone.tolist()


@KINDS
def test_a_document_at_the_threshold_is_above_it(dtype, dim):
    queries, documents = vectors(dtype, dim)
    scores = scored(queries, documents)
    thresholds = scores[:, 0].copy()  # the score of 101 equal documents
    thresholds[-2:] = np.nan, np.inf
    offsets, columns, found = above(queries, documents, thresholds)
    for row, threshold in enumerate(thresholds.tolist()):
        part = slice(offsets[row], offsets[row + 1])
        order = np.argsort(-scores[row], kind="stable")
        assert columns[part].tolist() == [each for each in order.tolist() if scores[row, each] >= threshold]
        assert np.array_equal(found[part], scores[row, columns[part]])


def test_extreme_lengths_do_no_harm():
    tiny, huge = torch.full((2, 3), 1e-42), torch.full((4, 3), 3e37)
    assert np.allclose(scored(tiny, huge), 3 * float(tiny[0, 0]) * 3e37, rtol=1e-6)
    assert not scored(torch.zeros(1, 3), huge).any()
