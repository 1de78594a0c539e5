"""Margins by hand, and against a few lines of NumPy that share no code with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rootward import Hierarchy, Pairs
from rootward.errors import InputError
from rootward.geometry import separation
from rootward.geometry.separation import COLUMNS, ROWS, separates, smallest_match, universal_threshold
from shoes import EDGES

ONE_QUERY = Pairs.from_table([("sandals", "sandals", 0), ("sandals", "shoes", 1), ("boots", "boots", 0)])
"""Documents: sandals, shoes, boots."""


def naive(queries: np.ndarray, documents: np.ndarray, pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """Lowest relevant and highest other score of every query that has relevant documents."""
    scores = queries @ documents.T
    relevant = np.zeros(scores.shape, bool)
    relevant[pairs.query_of, pairs.documents] = True
    answered = relevant.any(1)
    floor = np.where(relevant, scores, np.inf).min(1)[answered]
    return floor, np.where(relevant, -np.inf, scores).max(1)[answered]


def test_margin_and_threshold_said_aloud() -> None:
    # Scores of "sandals": sandals 0.9, shoes 0.6, boots 0.1. Scores of "boots": 0.2, 0.3, 0.8.
    queries = torch.tensor([[0.9, 0.6, 0.1], [0.2, 0.3, 0.8]], dtype=torch.float64)
    found = separation(queries, torch.eye(3, dtype=torch.float64), ONE_QUERY)
    assert (found.smallest_match, found.largest_other) == (0.6, 0.3)
    assert found.margin == pytest.approx(0.3)
    assert found.threshold == pytest.approx(0.45)
    assert (found.separated, found.at_threshold) == (1.0, 1.0)
    assert (found.n_queries, found.n_scores, found.dtype) == (2, 6, "float64")


def test_each_query_may_be_separated_though_no_one_threshold_serves_both() -> None:
    # "sandals" needs a threshold in (0.1, 0.2], "boots" one in (0.7, 0.8].
    queries = torch.tensor([[0.9, 0.2, 0.1], [0.2, 0.7, 0.8]], dtype=torch.float64)
    found = separation(queries, torch.eye(3, dtype=torch.float64), ONE_QUERY)
    assert found.margin == pytest.approx(-0.5)
    assert (found.separated, found.at_threshold) == (1.0, 0.5)


def test_equal_scores_are_not_separated() -> None:
    queries = torch.ones(2, 3)
    found = separation(queries, torch.eye(3), ONE_QUERY)
    assert (found.margin, found.separated, found.at_threshold) == (0.0, 0.0, 0.0)


def test_same_as_numpy_across_the_edges_of_tiles() -> None:
    rng = np.random.default_rng(0)
    n, m = ROWS + 7, COLUMNS + 5
    rows = np.unique(rng.integers(0, n * m, 6_000))
    ids = [f"q{i}" for i in range(n)], [f"d{i}" for i in range(m)]
    pairs = Pairs.from_arrays(
        Pairs.from_table([(q, q, 0) for q in ids[0]]).query_ids,
        Pairs.from_table([(d, d, 0) for d in ids[1]]).document_ids,
        rows // m,
        rows % m,
        np.zeros(len(rows)),
    )
    queries, documents = (rng.standard_normal((k, 5)) for k in (n, m))
    floor, ceiling = naive(queries, documents, pairs)
    found = separation(torch.from_numpy(queries), torch.from_numpy(documents), pairs)
    assert found.smallest_match == pytest.approx(floor.min(), abs=1e-12)
    assert found.largest_other == pytest.approx(ceiling.max(), abs=1e-12)
    assert found.separated == np.mean(floor > ceiling)
    assert smallest_match(torch.from_numpy(queries), torch.from_numpy(documents), pairs) == pytest.approx(floor.min())


def test_early_exit_agrees_with_the_whole_measurement() -> None:
    pairs = Hierarchy.from_edges(EDGES).pairs()
    rng = np.random.default_rng(1)
    answers = set()
    for _ in range(30):
        documents = np.eye(12) + 0.12 * rng.standard_normal((12, 12))
        queries = np.zeros((12, 12))
        queries[pairs.query_of, pairs.documents] = 1.0
        tensors = torch.from_numpy(queries), torch.from_numpy(documents)
        margin, whole = separates(*tensors, pairs), separation(*tensors, pairs).margin
        assert (margin > 0) == (whole > 0)
        assert margin <= 0 or margin == pytest.approx(whole)
        answers.add(margin > 0)
    assert answers == {True, False}


@pytest.mark.parametrize(
    ("floor", "ceiling", "lies_in"),
    [
        ([0.5], [0.1], (0.1, 0.5)),
        ([0.5, 0.9, 0.95], [0.4, 0.6, 0.7], (0.7, 0.9)),  # two of three
        ([0.5, 0.5], [-np.inf, -np.inf], (0.49, 0.5)),  # nothing else to be told from
        ([0.3, 0.2], [0.3, 0.2], (0.29, 0.3)),  # nothing can be
    ],
)
def test_the_universal_threshold_serves_most_queries(
    floor: list[float], ceiling: list[float], lies_in: tuple[float, float]
) -> None:
    low, high = lies_in
    assert low < universal_threshold(floor, ceiling) <= high


def test_wrong_shapes_and_no_pairs_are_refused() -> None:
    with pytest.raises(InputError, match="3 document ids and need as many vectors, got 2"):
        separation(torch.ones(2, 3), torch.ones(2, 3), ONE_QUERY)
    with pytest.raises(InputError, match="NaN"):
        separation(torch.full((2, 3), torch.nan), torch.eye(3), ONE_QUERY)
    with pytest.raises(InputError, match="nothing to separate"):
        separation(torch.ones(2, 3), torch.eye(3), ONE_QUERY.keep(np.zeros(3, bool)))
