import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.naive import case, measure
from rootward import scoring as blocks_module
from rootward.errors import InputError
from rootward.evaluation import Ranks, rank_pairs
from rootward.evaluation.metrics import answer_order, recall
from rootward.evaluation.ranks import ascents, comparable, in_order, others_at_least
from rootward.ids import Ids
from rootward.pairs import Pairs

ARRAYS = [
    "ranks",
    "scores",
    "floor",
    "ceiling",
    "exact_first_by_score",
    "exact_first_shown",
    "in_order_by_score",
    "in_order_shown",
]


def rank(queries, documents, pairs, **options) -> Ranks:
    return rank_pairs(torch.as_tensor(queries), torch.as_tensor(documents), pairs, **options)


def same(a: Ranks, b: Ranks) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True) for name in ARRAYS)


def shop() -> Pairs:
    """sandals -> shoes; boots -> shoes; a query "hat" with no answer."""
    documents = Ids(["shoes", "sandals", "boots", "hats"])
    return Pairs.from_arrays(Ids(["sandals", "hat", "boots"]), documents, [0, 0, 2, 2], [1, 0, 2, 0], [0, 1, 0, 1])


def test_a_shop_said_aloud():
    documents = torch.eye(4)
    queries = torch.tensor([[3.0, 2, 1, 0], [9, 9, 9, 9], [1, 3, 2, 0]])
    found = rank(queries, documents, shop())
    # sandals scores shoes 3, sandals 2, boots 1; boots scores sandals 3, boots 2, shoes 1
    assert found.ranks.tolist() == [1, 0, 1, 2]
    assert found.scores.tolist() == [2, 3, 2, 1]
    assert found.hits.tolist() == [True, True, True, False]
    assert np.array_equal(found.floor, [2, np.nan, 1], equal_nan=True)
    assert np.array_equal(found.ceiling, [1, np.nan, 3], equal_nan=True)
    assert found.whole.tolist() == [True, False, False]
    # by score shoes comes before sandals; shown by heights (shoes 2 queries, sandals 1), sandals does
    assert found.exact_first_by_score.tolist() == [False, False, False]
    assert found.in_order_by_score.tolist() == [0, 0, 0]
    assert found.in_order_shown.tolist() == [1, 0, 0]
    # the set of "boots" is {boots, sandals}, both with heights 1, and sandals scores higher
    assert found.exact_first_shown.tolist() == [True, False, False]
    assert recall(found).by_distance.tolist() == [1.0, 0.5]
    assert recall(found).overall == 0.75


def test_heights_decides_what_is_shown_first():
    documents = torch.eye(4)
    queries = torch.tensor([[3.0, 2, 1, 0], [9, 9, 9, 9], [1, 3, 2, 0]])
    found = rank(queries, documents, shop(), heights=[2, 5, 1, 0])
    # now shoes is shown before sandals; and boots before the intruding sandals
    assert found.exact_first_shown.tolist() == [False, False, True]
    assert found.in_order_shown.tolist() == [0, 0, 0]


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_queries=st.integers(1, 12),
    n_documents=st.integers(1, 25),
    dim=st.integers(1, 4),
    spread=st.integers(0, 3),
    fill=st.sampled_from([0.05, 0.2, 0.5, 0.95, 1.0]),
    deepest=st.integers(0, 5),
    block_bytes=st.sampled_from([1, 300, 2**24]),
    with_known=st.booleans(),
)
def test_the_same_as_saying_it_in_loops(
    seed, n_queries, n_documents, dim, spread, fill, deepest, block_bytes, with_known
):
    queries, documents, pairs = case(
        seed, n_queries=n_queries, n_documents=n_documents, dim=dim, spread=spread, fill=fill, deepest=deepest
    )
    rng = np.random.default_rng(seed + 1)
    heights = rng.integers(0, 4, n_documents)
    known = pairs.keep(rng.random(len(pairs)) < 0.4) if with_known else None
    measured = pairs if known is None else pairs.keep(rng.random(len(pairs)) < 0.5)
    found = rank(queries, documents, measured, heights=heights, known=known, block_bytes=block_bytes)
    naive = measure(queries, documents, measured, heights.tolist(), known)
    rows = found.answered
    assert found.ranks.tolist() == naive.ranks
    assert found.whole[rows].tolist() == naive.whole
    for name in ARRAYS[4:]:
        assert getattr(found, name)[rows].tolist() == getattr(naive, name), name
    assert comparable(found.offsets, found.distances)[rows].tolist() == naive.comparable
    if len(measured):
        got = recall(found)
        for hops, value in naive.recall.items():
            assert got.by_distance[hops] == pytest.approx(value)
        assert got.overall == pytest.approx(naive.overall)


def test_large_relevant_sets_take_the_sorting_path_to_the_same_ranks(monkeypatch):
    queries, documents, pairs = case(3, n_queries=40, n_documents=300, dim=4, spread=5, fill=0.4, deepest=6)
    sorted_rows = rank(queries, documents, pairs)
    assert (pairs.sizes > blocks_module.SORT_ABOVE).all()
    monkeypatch.setattr(blocks_module, "SORT_ABOVE", 10**9)
    assert same(sorted_rows, rank(queries, documents, pairs))


def test_threads_change_nothing(monkeypatch):
    queries, documents, pairs = case(4, n_queries=60, n_documents=400, dim=3, spread=4, fill=0.05, deepest=6)
    alone = rank(queries, documents, pairs)
    monkeypatch.setattr(blocks_module, "_SHARED_FROM", 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert same(alone, rank(queries, documents, pairs))


def test_a_chain_of_a_thousand_is_in_perfect_order():
    n = 1_000
    above = np.arange(n)[:, None] >= np.arange(n)
    q, d = above.nonzero()
    ids = Ids(range(n))
    pairs = Pairs.from_arrays(ids, ids, q, d, q - d)
    # node i stands at angle i of an arc; the query scores its own angle highest, then the nearest ones
    angle = np.linspace(0, 1.5, n)
    points = np.stack([np.cos(angle), np.sin(angle)], 1)
    found = rank(points, points, pairs)
    perfect = comparable(found.offsets, found.distances)
    assert (perfect == pairs.sizes * (pairs.sizes - 1) // 2).all()
    assert found.exact_first_by_score.all()
    assert found.exact_first_shown[-1]
    assert found.in_order_by_score[-1] == perfect[-1] == 499_500
    assert recall(found).by_distance[0] == 1.0


@pytest.mark.parametrize("block_bytes", [1, 4 * 82 * 7, 2**24])
def test_blocks_do_not_change_a_bit(block_bytes):
    queries, documents, pairs = case(5, n_queries=50, n_documents=82, dim=3, spread=9, fill=0.2, deepest=4)
    assert same(rank(queries, documents, pairs), rank(queries, documents, pairs, block_bytes=block_bytes))


@pytest.mark.parametrize("n_queries", [1, 2, 30])
def test_collapsed_embeddings_reach_nothing(n_queries):
    """Also with float vectors, and with one query: equal documents must score equal to the last bit."""
    rng = np.random.default_rng(0)
    documents = np.repeat(rng.standard_normal((1, 64), np.float32), 1_003, axis=0)
    _, _, pairs = case(6, n_queries=n_queries, n_documents=1_003, dim=1, spread=1, fill=0.01, deepest=3)
    found = rank(rng.standard_normal((n_queries, 64), np.float32), documents, pairs)
    assert (found.ranks == 1_002).all()
    assert recall(found).overall == 0.0
    assert answer_order(found).exact_first_shown == 0.0


def test_a_tie_for_the_last_place_is_no_hit():
    ids = Ids(["a", "b", "c"])
    pairs = Pairs.from_arrays(Ids(["q"]), ids, [0, 0], [0, 1], [0, 1])
    found = rank(torch.ones(1, 1), torch.tensor([[2.0], [1.0], [1.0]]), pairs)
    assert found.ranks.tolist() == [0, 2]
    assert found.hits.tolist() == [True, False]


def test_two_relevant_documents_that_tie_both_count_when_there_is_room():
    pairs = Pairs.from_arrays(Ids(["q"]), Ids(["a", "b", "c"]), [0, 0], [0, 1], [0, 1])
    found = rank(torch.ones(1, 1), torch.tensor([[1.0], [1.0], [0.0]]), pairs)
    assert found.ranks.tolist() == [1, 1]
    assert found.hits.all()
    assert not found.exact_first_by_score.any()


def test_permuting_ids_permutes_the_answers():
    queries, documents, pairs = case(7, n_queries=20, n_documents=40, dim=3, spread=3, fill=0.2, deepest=4)
    rng = np.random.default_rng(1)
    q_to, d_to = rng.permutation(20), rng.permutation(40)
    moved = Pairs.from_arrays(
        Ids(f"q{i}" for i in np.argsort(q_to)),
        Ids(f"d{i}" for i in np.argsort(d_to)),
        q_to[pairs.query_of],
        d_to[pairs.documents],
        pairs.distances,
    )
    before = rank(queries, documents, pairs)
    after = rank(queries[np.argsort(q_to)], documents[np.argsort(d_to)], moved)
    key = np.lexsort((moved.documents, moved.query_of))
    wanted = np.lexsort((d_to[pairs.documents], q_to[pairs.query_of]))
    assert np.array_equal(after.ranks[key], before.ranks[wanted])
    for name in ARRAYS[2:]:
        assert np.array_equal(getattr(after, name)[q_to], getattr(before, name), equal_nan=True), name


def test_float64_vectors_are_compared_as_float64():
    """Two documents a billionth apart are one in float32."""
    pairs = Pairs.from_arrays(Ids(["q"]), Ids(["a", "b"]), [0], [0], [0])
    documents = torch.tensor([[1 + 1e-9], [1.0]], dtype=torch.float64)
    assert rank(torch.ones(1, 1, dtype=torch.float64), documents, pairs).hits.all()
    assert not rank(torch.ones(1, 1), documents, pairs).hits.any()


def test_known_pairs_are_no_competitors():
    pairs = Pairs.from_arrays(Ids(["q"]), Ids(["a", "b", "c"]), [0, 0], [0, 1], [0, 1])
    train, test = pairs.near(0), pairs.far(1)
    documents = torch.tensor([[3.0], [2.0], [1.0]])
    assert rank(torch.ones(1, 1), documents, test).ranks.tolist() == [1]
    assert rank(torch.ones(1, 1), documents, test, known=train).ranks.tolist() == [0]


def test_saved_ranks_come_back(tmp_path):
    queries, documents, pairs = case(8, n_queries=20, n_documents=40, dim=3, spread=3, fill=0.1, deepest=4)
    found = rank(queries, documents, pairs)
    again = Ranks.load(found.save(tmp_path / "ranks.safetensors"))
    assert same(found, again)
    assert (again.fingerprint, again.n_documents) == (found.fingerprint, 40)
    assert again.ranks.dtype == np.int32
    (tmp_path / "broken").write_bytes(b"not ranks")
    with pytest.raises(InputError, match=r"not written by Ranks\.save"):
        Ranks.load(tmp_path / "broken")
    with pytest.raises(InputError, match="no file"):
        Ranks.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("queries", "documents", "message"),
    [
        (torch.full((3, 2), torch.nan), torch.zeros(4, 2), "NaN or infinite, the first in row 0"),
        (torch.zeros(3, 2), torch.tensor([[0.0, 0], [torch.inf, 0], [0, 0], [0, 0]]), "1 document vectors"),
        (torch.zeros(3, 2), torch.zeros(4, 3), "one width"),
        (torch.zeros(2, 2), torch.zeros(4, 2), "3 query ids"),
        (torch.zeros(3, 2), torch.zeros(5, 2), "4 document ids"),
        (torch.full((3, 2), 1e30), torch.full((4, 2), 1e30), "overflow"),
    ],
)
def test_vectors_that_cannot_be_scored_are_refused(queries, documents, message):
    with pytest.raises(InputError, match=message):
        rank_pairs(queries, documents, shop())


def test_options_that_do_not_fit_are_refused():
    queries, documents = torch.zeros(3, 2), torch.zeros(4, 2)
    with pytest.raises(InputError, match="one number for each"):
        rank_pairs(queries, documents, shop(), heights=[1, 2])
    with pytest.raises(InputError, match="block_bytes"):
        rank_pairs(queries, documents, shop(), block_bytes=0)
    _, _, other = case(0, n_queries=2, n_documents=2, dim=1, spread=1, fill=1, deepest=1)
    with pytest.raises(InputError, match="known"):
        rank_pairs(queries, documents, shop(), known=other)


def test_progress_counts_the_queries_that_have_answers():
    done = []
    rank_pairs(torch.zeros(3, 2), torch.zeros(4, 2), shop(), progress=done.append)
    assert sum(done) == 2


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12), max_size=6))
def test_counting_in_ragged_rows(rows):
    place = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    x, y = np.array([pair for row in rows for pair in row], np.int64).reshape(-1, 2).T
    assert ascents(place, y, len(rows)).tolist() == [
        sum(b < d for i, (_, b) in enumerate(row) for _, d in row[i + 1 :]) for row in rows
    ]
    assert in_order(place, x, (y,), len(rows)).tolist() == [
        sum(a < c and b < d for a, b in row for c, d in row) for row in rows
    ]
    assert others_at_least(place, y.astype(float)).tolist() == [
        sum(d >= b for _, d in row) - 1 for row in rows for _, b in row
    ]
