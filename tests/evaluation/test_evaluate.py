from dataclasses import replace

import numpy as np
import pytest
import torch

from evaluation.naive import case
from rootward.encoders import DualEncoder
from rootward.errors import InputError, UnknownIdError
from rootward.evaluation import evaluate, rank_pairs, ranks_of
from rootward.hierarchy import Hierarchy
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.texts import Texts
from shoes import EDGES


def given(seed=0) -> tuple[DualEncoder, Pairs]:
    queries, documents, pairs = case(seed, n_queries=30, n_documents=50, dim=4, spread=3, fill=0.1, deepest=8)
    return DualEncoder.from_vectors(pairs, torch.from_numpy(queries), torch.from_numpy(documents)), pairs


def test_a_model_is_measured_by_its_vectors():
    model, pairs = given()
    report = evaluate(model, pairs, bootstrap=20, label="ours")
    ranks = rank_pairs(model.query_vectors(), model.document_vectors(), pairs, heights=model.heights)
    assert np.array_equal(report.ranks.ranks, ranks.ranks)
    assert report.ranks.fingerprint == ranks.fingerprint
    assert (report.dim, report.n_documents, report.label) == (4, 50, "ours")
    assert report.wall_seconds > 0


def test_pairs_may_hold_some_of_the_queries_in_any_order():
    """Documents that are in no pair still compete."""
    model, pairs = given()
    rng = np.random.default_rng(0)
    q_rows = rng.permutation(30)[:12]
    d_rows = rng.permutation(50)
    triples = [(q, name, hops) for q in q_rows for name, hops in pairs.relevant(pairs.query_ids[q])]
    used = {name for _, name, _ in triples}
    documents = Ids(pairs.document_ids[d] for d in d_rows if pairs.document_ids[d] in used)
    queries = Ids([*(pairs.query_ids[q] for q in q_rows), "never asked"])
    some = Pairs.from_arrays(
        queries,
        documents,
        [queries.row(pairs.query_ids[q]) for q, _, _ in triples],
        [documents.row(name) for _, name, _ in triples],
        [hops for *_, hops in triples],
    )
    whole, part = ranks_of(model, pairs), ranks_of(model, some)
    assert part.n_documents == 50
    for row, q in enumerate(q_rows.tolist()):
        ours = {
            some.document_ids[d]: r
            for d, r in zip(
                some.documents[some.offsets[row] : some.offsets[row + 1]],
                part.ranks[part.offsets[row] : part.offsets[row + 1]],
                strict=True,
            )
        }
        theirs = {
            pairs.document_ids[d]: r
            for d, r in zip(
                pairs.documents[pairs.offsets[q] : pairs.offsets[q + 1]],
                whole.ranks[whole.offsets[q] : whole.offsets[q + 1]],
                strict=True,
            )
        }
        assert ours == theirs
        for name in ("exact_first_shown", "in_order_shown", "in_order_by_score"):
            assert getattr(part, name)[row] == getattr(whole, name)[q]


@pytest.mark.parametrize("side", ["query", "document"])
def test_pairs_that_the_model_does_not_know_are_named(side):
    model, pairs = given()
    ids = pairs.query_ids if side == "query" else pairs.document_ids
    renamed = Ids([f"x{ids[0]}", *ids[1:]])
    known, wrong = (renamed, pairs.document_ids) if side == "query" else (pairs.query_ids, renamed)
    other = Pairs.from_arrays(known, wrong, [0, 1], [0, 1], [0, 0])
    with pytest.raises(UnknownIdError, match=rf"1 {side} ids .* 'x{ids[0]}'\. Did you mean"):
        ranks_of(model, other)


def test_a_report_names_its_source_and_has_no_row_beside_its_own_unless_one_is_put_there():
    model, pairs = given()
    report = evaluate(model, pairs, source="wordnet", bootstrap=0)
    assert (report.source, report.beside) == ("wordnet", ())
    assert "published" not in str(report)


def test_known_pairs_are_matched_by_label_too():
    model, pairs = given()
    split = pairs.split(test=0.3, seed=0)
    found = ranks_of(model, split.test, known=split.train)
    direct = rank_pairs(
        model.query_vectors(), model.document_vectors(), split.test, known=split.train, heights=model.heights
    )
    assert np.array_equal(found.ranks, direct.ranks)
    assert (found.ranks <= ranks_of(model, split.test).ranks).all()
    with pytest.raises(InputError, match="known"):
        ranks_of(model, pairs, known=Pairs.from_arrays(Ids("q"), pairs.document_ids, [], [], []))


def test_vectors_are_encoded_some_rows_at_a_time(monkeypatch):
    model, pairs = given()
    whole = ranks_of(model, pairs)
    monkeypatch.setitem(ranks_of.__globals__, "ENCODE_ROWS", 7)
    assert np.array_equal(ranks_of(model, pairs).ranks, whole.ranks)


def test_a_bar_is_shown_only_where_somebody_sees_it(capsys):
    model, pairs = given()
    evaluate(model, pairs, bootstrap=0, progress=True)
    assert capsys.readouterr().err == ""


def named(pairs: Pairs, name: str) -> Pairs:
    """The pairs with this name for their first query."""
    n = pairs.n_queries
    return replace(pairs, query_texts=Texts((name, *pairs.query_ids[1:]), ((),) * n, ("",) * n))


def test_another_text_under_an_id_that_a_text_model_knows_is_refused():
    pairs = Hierarchy.from_edges(EDGES).pairs()
    model = DualEncoder.text(pairs, dim=8)
    first = pairs.query_ids[0]
    with pytest.raises(InputError, match=rf"1 query has an id .*{first}.* is 'clogs' here and .* Give other"):
        evaluate(model, named(pairs, "clogs"))
    for same in (first, first.upper(), ""):
        assert evaluate(model, named(pairs, same)).n_unseen == 0
    looked_up = DualEncoder.lookup(pairs, dim=8)
    assert evaluate(looked_up, named(pairs, "clogs")).n_queries == pairs.n_queries
