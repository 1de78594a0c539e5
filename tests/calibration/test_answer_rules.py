"""Under calibration: the best documents, cuts, shifts, regressions, chances, against what can be said or counted."""

import numpy as np
import pytest
import torch

from evaluation.naive import case
from rootward.calibration.repair import missing_above
from rootward.calibration.rules import (
    ExpectedSize,
    FixedSize,
    Predicted,
    Universal,
    UpperBound,
    best_cuts,
    best_shift,
    ridge,
    shifted,
)
from rootward.calibration.set_report import Chances, measure
from rootward.calibration.top_documents import top_documents
from rootward.errors import InputError
from rootward.evaluation.metrics import answer_sets
from rootward.ids import Ids
from rootward.pairs import Pairs
from shoes import shoes


def vectors(seed=0, n_documents=90, fill=0.1, **more):
    sizes = {"n_queries": 60, "n_documents": n_documents, "dim": 4, "spread": 3, "fill": fill, "deepest": 5} | more
    queries, documents, pairs = case(seed, **sizes)
    return torch.from_numpy(queries), torch.from_numpy(documents), pairs


def line(scores, relevant):
    """One query over documents with these scores; the relevant ones at distance 0."""
    pairs = Pairs.from_arrays(Ids(["q"]), Ids(range(len(scores))), [0] * len(relevant), relevant, [0] * len(relevant))
    return top_documents(torch.ones(1, 1), torch.tensor(scores)[:, None], pairs)


def test_lists_are_the_best_documents_ties_by_row():
    queries, documents, pairs = vectors(n_documents=300, fill=0.02)
    top = top_documents(queries, documents, pairs)
    scores = (queries @ documents.T).numpy()
    for i, row in enumerate(top.rows.tolist()):
        part = slice(top.offsets[i], top.offsets[i + 1])
        expected = np.argsort(-scores[row], kind="stable")[: 4 * pairs.sizes[row] + 64]
        found = top.documents[part]
        assert found.tolist() == expected.tolist()
        assert top.scores[part].tolist() == scores[row][expected].tolist()
        of_row = {d for d, _ in pairs.relevant(pairs.query_ids[row])}
        assert [pairs.document_ids[d] in of_row for d in found] == top.relevant[part].tolist()
    assert (pairs.documents[top.pairs[top.relevant]] == top.documents[top.relevant]).all()
    assert not top.whole.any()
    chunked = top_documents(queries, documents, pairs, block_bytes=1)
    assert (chunked.documents == top.documents).all()


def test_the_best_cut_said_aloud():
    """Relevant are the first and the third: three documents have F1 0.8, one has 2/3."""
    sizes, thresholds = best_cuts(line([5.0, 4, 3, 2, 1], [0, 2]))
    assert (sizes.tolist(), thresholds.tolist()) == ([3], [2.5])
    sizes, thresholds = best_cuts(line([5.0, 4], [0, 1]))  # everything is relevant
    assert (sizes.tolist(), thresholds.tolist()) == ([2], [4.0])


def test_the_best_shift_is_the_best_of_all_thresholds():
    for seed in range(3):
        queries, documents, pairs = vectors(seed, n_documents=60)
        top = top_documents(queries, documents, pairs)
        assert top.whole.all()
        shift = best_shift(top, Universal().margins(top, queries.numpy()))
        every = [answer_sets(queries, documents, pairs, t).f1 for t in np.arange(-40, 40) + 0.5]
        assert answer_sets(queries, documents, pairs, shift).f1 == pytest.approx(max(every))


def test_the_best_fixed_k_is_the_best_of_all_k():
    queries, documents, pairs = vectors(n_documents=60)
    top = top_documents(queries, documents, pairs)
    k = -best_shift(top, FixedSize().margins(top, np.empty(0)))
    scores = [measure(top, queries, documents, pairs, FixedSize(-j - 0.5)).sets.f1 for j in range(1, 61)]
    assert int(k) == 1 + int(np.argmax(scores))


def test_a_floor_takes_the_highest_f1_that_keeps_it():
    """40 queries whose one answer leads by itself, then 40 whose answer comes second: a floor of 0.9 stops between."""
    n = 80
    pairs = Pairs.from_arrays(Ids(range(n)), Ids(["right", "wrong"]), range(n), [0] * n, [0] * n)
    queries = torch.tensor([[9.0, 0]] * 40 + [[4.0, 5]] * 40)
    top = top_documents(queries, torch.eye(2), pairs)
    margins = Universal().margins(top, queries.numpy())
    shift = best_shift(top, margins, floor=0.9)
    sets = measure(top, queries, torch.eye(2), pairs, Universal(shift)).sets
    assert (sets.sizes.tolist(), sets.hits.sum()) == ([1] * 40 + [0] * 40, 40)
    assert best_shift(top, margins, floor=0.99) == np.inf  # 40 successes do not prove 99 %
    assert best_shift(top, margins, floor=0.4) == best_shift(top, margins) == 2.0


@pytest.mark.parametrize("threshold", [-100.0, -3.5, 0.0, 2.5, 100.0])
def test_sets_are_counted_exactly_however_large(threshold):
    """600 documents, so that top of 64 to 100 are too short for low thresholds."""
    queries, documents, pairs = vectors(n_documents=600, fill=0.005)
    found = measure(top_documents(queries, documents, pairs), queries, documents, pairs, Universal(threshold))
    expected = answer_sets(queries, documents, pairs, threshold)
    assert found.sets.sizes.tolist() == expected.sizes.tolist()
    assert found.sets.hits.tolist() == expected.hits.tolist()
    scores = (queries @ documents.T).numpy()
    assert found.accepted.tolist() == (scores[pairs.query_of, pairs.documents] >= threshold).tolist()


def test_nothing_beats_each_query_s_own_cut():
    queries, documents, pairs = vectors(4)
    top = top_documents(queries, documents, pairs)
    own = measure(top, queries, documents, pairs, UpperBound()).sets
    for k in range(1, 90):
        other = measure(top, queries, documents, pairs, FixedSize(-k)).sets
        assert (2 * own.hits / (own.sizes + own.relevant) >= 2 * other.hits / (k + own.relevant) - 1e-12).all()


def test_the_regression_finds_a_line_and_ignores_noise():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3))
    weights, intercept = ridge(x, x @ [1.0, -2.0, 0.5] + 4)
    assert weights == pytest.approx([1, -2, 0.5], abs=1e-4)
    assert intercept == pytest.approx(4, abs=1e-4)
    weights, intercept = ridge(rng.normal(size=(30, 20)), rng.normal(size=30))
    assert np.abs(weights).max() < 0.2  # a plain regression goes far beyond
    assert ridge(np.ones((4, 2)), np.full(4, 7.0))[1] == pytest.approx(7)


def test_an_expected_size_is_that_of_the_nearest():
    rule = ExpectedSize(np.arange(20.0)[:, None], np.r_[np.full(10, 3.0), np.full(10, 8.0)])
    assert rule.expected(np.array([[1.0], [18.0]])) == pytest.approx([3, 8])
    assert shifted(rule, 2.0).expected(np.array([[1.0]])) == pytest.approx([1])


def test_queries_without_a_listed_answer_teach_no_threshold():
    """Their relevant document is the worst of 200 and stands in no list."""
    pairs = Pairs.from_arrays(Ids(range(3)), Ids(range(200)), range(3), [199] * 3, [0] * 3)
    queries = torch.ones(3, 1)
    top = top_documents(queries, -torch.arange(200.0)[:, None], pairs)
    assert not top.relevant.any()
    assert Predicted.fit(top, queries.numpy()).thresholds(queries.numpy()).tolist() == [0, 0, 0]


def test_neighbouring_bins_that_fall_share_a_chance_said_aloud():
    """Scores 4 to 1, a bin each, relevant are the first and the third: the second and the third bin are 1/2 each."""
    top = line([4.0, 3, 2, 1], [0, 2])
    assert Chances.fit(top, top.scores)([1, 2, 3, 4]) == pytest.approx([0, 0.5, 0.5, 1])


def test_chances_rise():
    queries, documents, pairs = vectors(1)
    top = top_documents(queries, documents, pairs)
    chances = Chances.fit(top, top.scores)
    found = chances(np.linspace(-40, 40, 200))
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()
    assert Chances(np.empty(0), np.empty(0))([1.0]).tolist() == [0.0]


# -- upward ------------------------------------------------------------------------------------------------------


def added(above, ids, accepted, **more):
    place = np.repeat(np.arange(len(accepted)), [len(each) for each in accepted])
    rows = ids.rows([label for each in accepted for label in each])
    places, documents = missing_above(above, ids, place, rows, **more)
    return [{ids[d] for d in documents[places == i].tolist()} for i in range(len(accepted))]


def test_what_stands_above_is_missing_said_aloud():
    tree = shoes()
    accepted = [["flip-flops", "footwear"], ["footwear"], [], ["kids' sneakers", "sneakers"]]
    expected = [{"sandals", "shoes"}, set(), set(), {"kids' shoes", "shoes", "footwear"}]
    assert added(tree, tree.ids, accepted) == expected
    assert added(tree.pairs(), tree.ids, accepted) == expected
    turned = Ids(reversed(list(tree.ids)))  # other rows, the same names
    assert added(tree, turned, accepted) == added(tree.pairs(), turned, accepted) == expected
    assert added(tree, tree.ids, [["flip-flops"]], max_distance=1) == [{"sandals"}]
    assert added(tree.pairs(), tree.ids, [["flip-flops"]], max_distance=2) == [{"sandals", "shoes"}]


def test_a_graph_of_other_documents_is_refused():
    with pytest.raises(InputError, match="knows none of these documents, such as 'hat'"):
        added(shoes(), Ids(["hat"]), [["hat"]])
    with pytest.raises(InputError, match="max_distance"):
        added(shoes(), shoes().ids, [["boots"]], max_distance=-1)
    mixed = Ids(["hat", "boots", "footwear"])
    assert added(shoes(), mixed, [["hat", "boots"]]) == [{"footwear"}]
