"""What every engine promises, as one suite. A new engine joins by a subclass with one fixture, and is done:

    class TestMine(EngineContract):
        @pytest.fixture
        def make(self):
            yield lambda documents: Mine(...)   # an engine that holds documents[i] as row i, committed
            ...                                  # and whatever has to be stopped afterwards

The documents of the suite are whole numbers, so that every engine's inner products are the same bits, and its sets are
so small (300 x 8) that an engine, set to its greatest effort, finds all of them: answers must *equal* NumPy's. What an
engine misses at less effort is measured in `benchmarks/`. Where it is not exact, ties may be cut anywhere, so scores
are compared, and rows by the score that they own.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rootward.errors import InputError
from rootward.retrieval import Condition, Tunable, Where
from rootward.retrieval.catalogue import Ancestors

N_DOCUMENTS, N_QUERIES, DIM = 300, 20, 8


def whole_numbers(n, seed, dim=DIM):
    return torch.from_numpy(np.random.default_rng(seed).integers(-3, 4, (n, dim)).astype(np.float32))


QUERIES, DOCUMENTS = whole_numbers(N_QUERIES, 1), whole_numbers(N_DOCUMENTS, 2)


def table(documents=DOCUMENTS):
    """{row: vector} of what an engine should hold."""
    return dict(enumerate(documents.numpy()))


def ancestors_of(rows):
    """A chain: document i stands below 0 .. i."""
    lists = [list(range(row, -1, -1)) for row in rows]
    return Ancestors(
        np.array(rows, np.int32),
        np.cumsum([0, *map(len, lists)]),
        np.array([each for ancestors in lists for each in ancestors], np.int32),
        np.array([hops for ancestors in lists for hops in range(len(ancestors))], np.int32),
    )


def check_search(found, queries, held, k, *, by_row=False):
    """Scores are the k highest there are, and every row owns its score; `by_row`, the lower row wins a tie."""
    rows, vectors = np.array(sorted(held)), np.array([held[row] for row in sorted(held)]).reshape(-1, DIM)
    assert len(found) == len(queries)
    scores = queries.numpy() @ vectors.T if len(held) else np.empty((len(queries), 0), np.float32)
    for i in range(len(queries)):
        part = slice(found.offsets[i], found.offsets[i + 1])
        order = np.lexsort((rows, -scores[i]))[:k]
        np.testing.assert_allclose(found.scores[part], scores[i][order], rtol=1e-5, atol=1e-5)
        assert len(set(found.rows[part].tolist())) == min(k, len(held)), "a row was returned twice"
        if by_row:
            assert found.rows[part].tolist() == rows[order].tolist()
        owned = [float(queries[i].numpy() @ held[row]) for row in found.rows[part].tolist()]
        np.testing.assert_allclose(found.scores[part], owned, rtol=1e-5, atol=1e-5)


def check_range(found, queries, held, thresholds):
    """Exactly the rows that reach the threshold, best first, ties by row."""
    for i in range(len(queries)):
        scores = {row: float(queries[i].numpy() @ vector) for row, vector in held.items()}
        wanted = sorted((row for row, score in scores.items() if score >= thresholds[i]), key=lambda r: (-scores[r], r))
        part = slice(found.offsets[i], found.offsets[i + 1])
        assert found.rows[part].tolist() == wanted
        np.testing.assert_allclose(found.scores[part], [scores[row] for row in wanted], rtol=1e-5, atol=1e-5)


class EngineContract:
    """The suite; subclasses give `make`. See the module."""

    @pytest.fixture
    def make(self):
        raise NotImplementedError

    @pytest.fixture
    def engine(self, make):
        """300 documents, at the greatest effort."""
        return whole_effort(make(DOCUMENTS))

    def test_it_says_what_it_is(self, engine):
        assert isinstance(engine.name, str)
        assert isinstance(engine.exact, bool)
        assert isinstance(engine.durable, bool)
        assert engine.dim == DIM
        assert engine.count() == N_DOCUMENTS

    @pytest.mark.parametrize("k", [1, 10, N_DOCUMENTS, 1000])
    def test_search_gives_the_highest_inner_products(self, engine, k):
        found = engine.search(QUERIES, k)
        check_search(found, QUERIES, table(), k, by_row=engine.exact)
        assert found.truncated is None or not found.truncated.any()

    def test_range_gives_all_that_reach_the_threshold_of_their_query(self, engine):
        thresholds = np.linspace(-5, 40, N_QUERIES).astype(np.float32)
        found = engine.range(QUERIES, thresholds)
        check_range(found, QUERIES, table(), thresholds)
        assert len(set(np.diff(found.offsets).tolist())) > 3

    def test_a_document_at_the_threshold_belongs(self, engine):
        best = engine.search(QUERIES, 1)
        found = engine.range(QUERIES, best.scores.astype(np.float32))
        assert (np.diff(found.offsets) >= 1).all()

    def test_no_threshold_reached_is_an_empty_answer(self, engine):
        found = engine.range(QUERIES, np.full(N_QUERIES, 1e6, np.float32))
        assert found.offsets.tolist() == [0] * (N_QUERIES + 1)

    def test_a_cap_keeps_the_best_and_says_where_it_cut(self, engine):
        thresholds = np.full(N_QUERIES, 20, np.float32)
        whole, cut = engine.range(QUERIES, thresholds), engine.range(QUERIES, thresholds, cap=3)
        sizes = np.diff(whole.offsets)
        assert np.diff(cut.offsets).tolist() == np.minimum(sizes, 3).tolist()
        assert cut.truncated.tolist() == (sizes > 3).tolist()
        assert 0 < cut.truncated.sum() < N_QUERIES
        for i in range(N_QUERIES):
            got, best = (each.scores[each.offsets[i] : each.offsets[i + 1]] for each in (cut, whole))
            np.testing.assert_allclose(got, best[:3], rtol=1e-5)

    @pytest.mark.parametrize("allowed", [range(0, N_DOCUMENTS, 3), [7], [5, 6, 250], range(N_DOCUMENTS), []])
    @pytest.mark.parametrize("told", ["rows", "conditions"])
    def test_only_allowed_documents_are_found_and_all_of_them(self, engine, allowed, told):
        conditions = (Condition("row", tuple(allowed)),) if told == "conditions" else None
        where = Where(np.array(allowed, np.int64), conditions)
        held = {row: DOCUMENTS[row].numpy() for row in allowed}
        check_search(engine.search(QUERIES, 10, where), QUERIES, held, 10, by_row=engine.exact)
        thresholds = np.full(N_QUERIES, 5, np.float32)
        check_range(engine.range(QUERIES, thresholds, where), QUERIES, held, thresholds)

    def test_conditions_on_facts_mean_what_the_rows_say(self, make):
        engine = whole_effort(make(DOCUMENTS))
        some = list(range(0, N_DOCUMENTS, 2))
        engine.upsert(some, DOCUMENTS[::2], ancestors_of(some))
        engine.commit()
        below = [row for row in some if row >= 100]
        for conditions, allowed in (
            ((Condition("ancestors", (100,)),), below),
            ((Condition("depth", range(100, 110)),), [row for row in below if row < 110]),
            ((Condition("ancestors", (100,)), Condition("depth", range(0, 111))), [r for r in below if r <= 110]),
        ):
            held = {row: DOCUMENTS[row].numpy() for row in allowed}
            where = Where(np.array(allowed), conditions)
            check_search(engine.search(QUERIES, 7, where), QUERIES, held, 7)

    def test_one_query_or_many_give_the_same(self, engine):
        many = engine.search(QUERIES, 9)
        for i in (0, 7):
            one = engine.search(QUERIES[i : i + 1], 9)
            np.testing.assert_allclose(one.scores, many.scores[many.offsets[i] : many.offsets[i + 1]], rtol=1e-5)

    def test_no_queries_find_nothing(self, engine):
        for found in (engine.search(QUERIES[:0], 3), engine.range(QUERIES[:0], np.empty(0, np.float32))):
            assert (len(found), len(found.rows), len(found.scores)) == (0, 0, 0)

    # -- changing ------------------------------------------------------------------------------------------------

    def test_an_upsert_replaces_and_adds_rows(self, engine):
        rows, vectors = [3, 900, 17, 300], whole_numbers(4, 5)
        engine.upsert(rows, vectors)
        engine.commit()
        held = table() | dict(zip(rows, vectors.numpy(), strict=True))
        assert engine.count() == N_DOCUMENTS + 2
        check_search(engine.search(QUERIES, 50), QUERIES, held, 50)
        thresholds = np.full(N_QUERIES, 5, np.float32)
        check_range(engine.range(QUERIES, thresholds), QUERIES, held, thresholds)

    def test_the_same_upsert_again_doubles_nothing(self, engine):
        for _ in range(2):
            engine.upsert(np.arange(50), DOCUMENTS[:50])
        engine.commit()
        assert engine.count() == N_DOCUMENTS
        check_search(engine.search(QUERIES, 20), QUERIES, table(), 20)

    def test_deleted_documents_are_never_found_and_may_come_back(self, engine):
        gone = list(range(0, N_DOCUMENTS, 2))
        engine.delete([*gone, 77_777])
        engine.commit()
        held = {row: vector for row, vector in table().items() if row % 2}
        assert engine.count() == len(held)
        check_search(engine.search(QUERIES, 200), QUERIES, held, 200)
        thresholds = np.full(N_QUERIES, 0, np.float32)
        check_range(engine.range(QUERIES, thresholds), QUERIES, held, thresholds)
        where = Where(np.arange(100))
        check_search(engine.search(QUERIES, 9, where), QUERIES, {r: v for r, v in held.items() if r < 100}, 9)
        engine.upsert([4], DOCUMENTS[4:5])
        engine.commit()
        check_search(engine.search(QUERIES, 151), QUERIES, {**held, 4: DOCUMENTS[4].numpy()}, 151)

    def test_everything_may_be_deleted(self, engine):
        engine.delete(np.arange(N_DOCUMENTS))
        engine.commit()
        assert engine.count() == 0
        assert len(engine.search(QUERIES, 3).rows) == 0
        assert len(engine.range(QUERIES, np.full(N_QUERIES, -1e6, np.float32)).rows) == 0

    # -- on disk -------------------------------------------------------------------------------------------------

    def test_a_saved_engine_answers_the_same_and_can_be_changed(self, engine, tmp_path):
        engine.upsert([400], whole_numbers(1, 9))
        engine.delete([5])
        engine.commit()
        files = engine.save(tmp_path, "0001")
        assert all("0001" in file and (tmp_path / file).is_file() for file in files)
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)
        again = type(engine).load(tmp_path, files, engine.settings)
        if isinstance(engine, Tunable):
            again.effort = engine.effort
        held = {row: vector for row, vector in table().items() if row != 5} | {400: whole_numbers(1, 9)[0].numpy()}
        assert again.count() == len(held)
        check_search(again.search(QUERIES, 30), QUERIES, held, 30)
        again.delete([400])
        again.upsert([5], DOCUMENTS[5:6])
        again.commit()
        check_search(again.search(QUERIES, 30), QUERIES, table(), 30)
        again.close()

    # -- refusing ------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_vectors_that_are_not_finite_are_refused_and_change_nothing(self, engine, bad):
        vectors = whole_numbers(3, 6)
        vectors[1, 2] = bad
        with pytest.raises(InputError, match="NaN or infinite"):
            engine.upsert([1, 2, 3], vectors)
        engine.commit()
        assert engine.count() == N_DOCUMENTS
        check_search(engine.search(QUERIES, 5), QUERIES, table(), 5)

    @pytest.mark.parametrize(
        ("rows", "shape", "message"),
        [
            ([1], (1, DIM + 1), f"{DIM} columns"),
            ([1, 2], (1, DIM), "one row number each"),
            ([1, 1], (2, DIM), "Row 1 was given twice"),
            ([-1], (1, DIM), "from 0 up, got -1"),
        ],
    )
    def test_documents_that_do_not_fit_are_refused(self, engine, rows, shape, message):
        with pytest.raises(InputError, match=message):
            engine.upsert(rows, torch.ones(shape))

    def test_queries_that_cannot_be_scored_are_refused(self, engine):
        with pytest.raises(InputError, match=f"{DIM} columns"):
            engine.search(torch.ones(2, DIM - 1), 3)
        with pytest.raises(InputError, match="NaN"):
            engine.range(torch.full((1, DIM), torch.nan), np.zeros(1, np.float32))


def whole_effort(engine):
    """The engine set to look at everything, where that can be set."""
    if isinstance(engine, Tunable):
        engine.effort = engine.efforts()[-1]
    return engine
