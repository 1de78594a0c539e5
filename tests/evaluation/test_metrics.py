import numpy as np
import pytest
import torch

from evaluation.naive import case, measure
from rootward.errors import InputError, PairsError
from rootward.evaluation import answer_order, answer_sets, best, rank_pairs, recall, recall_at, sampled_recall
from rootward.evaluation.metrics import query_sums
from rootward.ids import Ids
from rootward.pairs import Pairs


def line(n: int, scores: list[float], relevant: dict[int, int]):
    """One query over n documents with these scores; relevant holds document to distance."""
    pairs = Pairs.from_arrays(Ids(["q"]), Ids(range(n)), [0] * len(relevant), list(relevant), list(relevant.values()))
    return torch.ones(1, 1), torch.tensor(scores)[:, None], pairs


def random_case(seed=0):
    queries, documents, pairs = case(seed, n_queries=60, n_documents=90, dim=4, spread=3, fill=0.1, deepest=5)
    return torch.from_numpy(queries), torch.from_numpy(documents), pairs


def test_a_perfect_model_has_everything():
    """One-hot documents, and queries that are the sum of their relevant ones."""
    _, _, pairs = random_case()
    queries = torch.zeros(60, 90)
    queries[pairs.query_of, pairs.documents] = 1
    ranks = rank_pairs(queries, torch.eye(90), pairs)
    found = recall(ranks)
    assert (found.by_distance == 1.0).all()
    assert found.overall == found.minimum == 1.0
    assert answer_order(ranks).whole == 1.0


def test_slices_weigh_a_pair_by_its_query():
    """q has one answer, found; r has three, of which the two far ones are missed."""
    pairs = Pairs.from_arrays(Ids("qr"), Ids("abcdef"), [0, 1, 1, 1], [0, 1, 2, 3], [0, 0, 1, 1])
    queries = torch.tensor([[9.0, 0, 0, 0, 0, 0], [0, 9, 1, 1, 2, 2]])
    found = recall(rank_pairs(queries, torch.eye(6), pairs))
    assert found.by_distance.tolist() == [1.0, 0.0]
    assert found.shares == pytest.approx([(1 + 1 / 3) / 2, (2 / 3) / 2])
    assert found.n_pairs.tolist() == [2, 2]
    assert found.overall == pytest.approx((1 + 1 / 3) / 2)
    assert found.minimum == 0.0


def test_queries_without_pairs_are_left_out():
    queries, documents, pairs = random_case()
    more = Pairs.from_arrays(
        Ids([*pairs.query_ids, "lonely", "lonelier"]),
        pairs.document_ids,
        pairs.query_of,
        pairs.documents,
        pairs.distances,
    )
    before = rank_pairs(queries, documents, pairs)
    after = rank_pairs(torch.cat([queries, torch.zeros(2, 4)]), documents, more)
    assert recall(after).overall == recall(before).overall
    assert answer_order(after) == answer_order(before)


def test_a_distance_with_no_pairs_is_nan_and_never_the_minimum():
    queries, documents, pairs = line(4, [3, 2, 1, 0], {0: 0, 1: 3})
    found = recall(rank_pairs(queries, documents, pairs))
    assert np.array_equal(found.by_distance, [1, np.nan, np.nan, 1], equal_nan=True)
    assert found.minimum == 1.0


def test_recall_at_k_counts_every_pair_once():
    ranks = rank_pairs(*line(6, [5, 4, 3, 2, 1, 0], {0: 0, 2: 1, 5: 2}))
    assert recall_at(ranks, [1, 2, 3, 5, 6]) == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3, 1])
    assert recall(ranks, k=3).by_distance.tolist() == [1, 1, 0]
    for wrong in (lambda: recall_at(ranks, [0]), lambda: recall(ranks, k=0), lambda: best(ranks, 0)):
        with pytest.raises(InputError, match="at least 1"):
            wrong()


def test_the_papers_sample_is_near_the_closed_form_and_repeatable():
    ranks = rank_pairs(*random_case())
    exact = recall(ranks)
    drawn = sampled_recall(ranks, seed=1)
    assert drawn.n_pairs.sum() == 10_000
    assert abs(drawn.overall - exact.overall) < 0.02
    assert drawn.shares == pytest.approx(exact.shares, abs=0.02)
    assert sampled_recall(ranks, seed=1).overall == drawn.overall
    assert sampled_recall(ranks, seed=2).overall != drawn.overall
    with pytest.raises(InputError, match="at least one pair"):
        sampled_recall(ranks, n=0)


def test_order_of_answers_said_aloud():
    """cat: 0 cat, 1 feline, 2 animal; animal is relevant to most, cat to one. Scored animal, cat, feline."""
    queries, documents, pairs = line(5, [2, 1, 3, 0, 0], {0: 0, 1: 1, 2: 2})
    found = answer_order(rank_pairs(queries, documents, pairs, heights=[1, 2, 3, 1, 1]))
    assert found.whole == 1.0
    assert found.exact_first_by_score == 0.0
    assert found.exact_first_shown == 1.0
    assert found.in_order_by_score == pytest.approx(1 / 3)
    assert found.in_order_shown == 1.0


def test_order_says_nothing_where_nothing_can_be_said():
    found = answer_order(rank_pairs(*line(3, [2, 1, 0], {0: 2, 1: 2})))
    assert found.exact_first_shown is None
    assert found.in_order_by_score is None


def test_no_pairs_are_refused():
    ranks = rank_pairs(*line(3, [2, 1, 0], {}))
    for measured in (
        recall,
        sampled_recall,
        answer_order,
        query_sums,
        lambda r: recall_at(r, [1]),
        lambda r: best(r, 1),
    ):
        with pytest.raises(PairsError, match="no pairs"):
            measured(ranks)
    with pytest.raises(PairsError, match="no pairs"):
        answer_sets(*line(3, [2, 1, 0], {}), 0.0)


# -- answer sets -------------------------------------------------------------------------------------------------


def test_answer_sets_said_aloud():
    """Scores 5 4 3 2 1; relevant are the first and the third. From 3 up: three documents, two of them relevant."""
    given = line(5, [5, 4, 3, 2, 1], {0: 0, 2: 1})
    found = answer_sets(*given, 3.0)
    assert (found.sizes.tolist(), found.hits.tolist(), found.relevant.tolist()) == ([3], [2], [2])
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == 1.0
    assert found.f1 == pytest.approx(4 / 5)
    assert found.exact == 0.0
    nothing = answer_sets(*given, 6.0)
    assert (nothing.precision, nothing.recall, nothing.f1) == (0.0, 0.0, 0.0)
    assert answer_sets(*given, [5.0]).precision == 1.0


def test_the_k_best_are_the_answer_set_at_the_kth_score_when_nothing_ties():
    given = line(5, [5, 4, 3, 2, 1], {0: 0, 2: 1})
    by_k, by_score = best(rank_pairs(*given), 3), answer_sets(*given, 3.0)
    assert (by_k.sizes.tolist(), by_k.hits.tolist()) == (by_score.sizes.tolist(), by_score.hits.tolist())
    assert best(rank_pairs(*given), 99).sizes.tolist() == [5]


def test_a_threshold_at_the_floor_gives_everything_relevant():
    queries, documents, pairs = random_case(2)
    ranks = rank_pairs(queries, documents, pairs)
    found = answer_sets(queries, documents, pairs, ranks.floor, block_bytes=1_000)
    assert found.recall == 1.0
    assert found.exact == answer_order(ranks).whole
    scores = queries @ documents.T
    assert found.sizes.tolist() == [
        int((scores[q] >= float(ranks.floor[q])).sum()) for q in range(60) if pairs.sizes[q]
    ]


def test_thresholds_that_are_unknown_or_too_few_are_refused():
    given = random_case()
    with pytest.raises(InputError, match="no threshold"):
        answer_sets(*given, torch.full((60,), torch.nan))
    with pytest.raises(InputError, match="one number or 60"):
        answer_sets(*given, [1.0, 2.0])


def test_naive_and_sums_agree():
    queries, documents, pairs = random_case(5)
    sums = query_sums(rank_pairs(queries, documents, pairs))
    naive = measure(queries.numpy(), documents.numpy(), pairs, pairs.heights.tolist())
    assert sums.weights.sum(1) == pytest.approx(1)
    assert 1 - sums.missed.sum() / len(sums.missed) == pytest.approx(naive.overall)
