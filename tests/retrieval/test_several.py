"""Several vectors a document: every engine finds each document once, by its best vector, as brute force does."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from retrieval.contract import whole_effort, whole_numbers
from rootward.encoders import DualEncoder
from rootward.errors import InputError, UnknownIdError
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.retrieval import Exact, Filter, Index
from rootward.retrieval.catalogue import Catalogue
from rootward.retrieval.several import Merged
from shoes import shoes

ENGINES = ["exact", "ivf", "ivf-sq8", "hnsw"]
N_DOCUMENTS, N_VECTORS, DIM = 60, 300, 6
QUERIES = whole_numbers(25, 1, DIM)
VECTORS = whole_numbers(N_VECTORS, 2, DIM)


def owners_of(n=N_VECTORS, seed=3):
    """Few documents own many vectors, many own one; every document owns one at least, in no order."""
    rng = np.random.default_rng(seed)
    some = rng.permutation(np.concatenate([np.arange(N_DOCUMENTS), rng.zipf(1.5, n - N_DOCUMENTS) % N_DOCUMENTS]))
    return [f"d{each:02}" for each in some]


OWNERS = owners_of()


def model_of(n=N_DOCUMENTS, documents=None):
    """A model of documents d00, d01, ...; by default its own document vectors are zero, of no use."""
    ids = Ids(f"d{i:02}" for i in range(n))
    pairs = Pairs.from_arrays(ids, ids, np.arange(n), np.arange(n), np.zeros(n, int))
    return DualEncoder.from_vectors(pairs, torch.ones(n, DIM), torch.zeros(n, DIM) if documents is None else documents)


def built(engine, vectors=VECTORS, owners=OWNERS, **options):
    index = Index.build(model_of(), engine, vectors=vectors, owners=owners, **options)
    whole_effort(index.engine)
    return index


def held():
    """{id: its vectors} of what an index built with `built` holds."""
    table = {}
    for owner, vector in zip(OWNERS, VECTORS.numpy(), strict=True):
        table.setdefault(owner, []).append(vector)
    return table


def ranked(table):
    """For each query [(id, score of its best vector)]: highest first, by id where scores are equal."""
    best = {id_: (QUERIES.numpy() @ np.stack(vectors).T).max(axis=1).tolist() for id_, vectors in table.items()}
    return [
        sorted([(id_, scores[i]) for id_, scores in best.items()], key=lambda each: (-each[1], each[0]))
        if query.any()
        else []
        for i, query in enumerate(QUERIES)
    ]


def check(index, table, *, where=None, ks=(1, 3, 10, 100)):
    """Searches and answer sets are those of brute force; which of equal scores is cut off is free unless exact."""
    ranks = ranked(table)
    for k in ks:
        hits = index.search(QUERIES, k, where=where)
        for wanted, ids, scores in zip(ranks, hits.ids, hits.scores, strict=True):
            assert scores.tolist() == [score for _, score in wanted[:k]]
            assert len(set(ids)) == len(ids)
            if index.engine.exact:
                assert ids == [id_ for id_, _ in wanted[:k]]
            assert dict(zip(ids, scores.tolist(), strict=True)).items() <= dict(wanted).items()
    for cap in (None, 1, 4):
        hits = index.answers(QUERIES, threshold=8.0, where=where, cap=cap)
        for i, rank in enumerate(ranks):
            wanted = [each for each in rank if each[1] >= 8.0]
            assert list(zip(hits.ids[i], hits.scores[i].tolist(), strict=True)) == wanted[:cap]
            assert hits.truncated[i] == (cap is not None and len(wanted) > cap)


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


# -- the same as brute force -----------------------------------------------------------------------------------------


def test_a_document_is_found_once_by_its_best_vector(engine):
    index = built(engine)
    assert (len(index), index.engine.count()) == (N_DOCUMENTS, N_VECTORS)
    assert repr(index) == f"Index(60 documents, 300 vectors, {engine})"
    check(index, held())


def test_filters_are_about_documents(engine):
    allowed = [f"d{i:02}" for i in range(0, N_DOCUMENTS, 4)]
    check(built(engine), {id_: held()[id_] for id_ in allowed}, where=Filter.only(allowed))
    assert not built(engine).search(QUERIES, 3, where=Filter.only([])).found.rows.size


def test_filters_by_the_hierarchy_reach_every_vector():
    tree = shoes()
    pairs = tree.pairs()
    model = DualEncoder.lookup(pairs, dim=8)
    vectors = torch.cat([model.document_vectors().detach()] * 2)
    several = Index.build(model, hierarchy=tree, vectors=vectors, owners=[*model.document_ids] * 2)
    one = Index.build(model, hierarchy=tree)
    for where in (Filter.below("sandals"), Filter.above("flip-flops"), Filter.levels(1, 2)):
        assert several.search(model.queries(), 5, where=where) == one.search(model.queries(), 5, where=where)


@pytest.mark.parametrize("times", [2, 7])
def test_duplicates_of_vectors_change_no_answer(engine, times):
    once, often = built(engine), built(engine, torch.cat([VECTORS] * times), OWNERS * times)
    if engine == "exact":
        for k in (1, 5, 60):
            assert often.search(QUERIES, k) == once.search(QUERIES, k)
    check(often, held())


def test_one_vector_each_is_the_plain_index(engine):
    model = model_of(documents=VECTORS[:N_DOCUMENTS])
    plain = Index.build(model, engine)
    several = Index.build(model, engine, vectors=VECTORS[:N_DOCUMENTS], owners=model.document_ids)
    for index in (plain, several):
        whole_effort(index.engine)
    assert several.answers(QUERIES, threshold=2.0) == plain.answers(QUERIES, threshold=2.0)
    if engine == "exact":
        assert several.search(QUERIES, 9) == plain.search(QUERIES, 9)


@pytest.mark.parametrize("engine", ["exact", "ivf", "ivf-sq8"])  # FAISS' graph of 500 equal vectors leads nowhere
def test_one_document_with_nearly_all_vectors_hides_no_other(engine):
    vectors = torch.cat([torch.full((500, DIM), 3.0), VECTORS[: N_DOCUMENTS - 1]])
    owners = ["d00"] * 500 + [f"d{i:02}" for i in range(1, N_DOCUMENTS)]
    table = {"d00": [np.full(DIM, 3.0)]}
    table |= {owner: [vector.numpy()] for owner, vector in zip(owners[500:], vectors[500:], strict=True)}
    check(built(engine, vectors, owners), table)


def test_many_equal_scores_are_cut_by_document_row_though_later_vectors_came_late():
    index = built("exact", torch.ones(N_VECTORS, DIM), OWNERS)
    index.delete(["d00", "d01"])
    index.upsert(["d01"] * 400, torch.ones(400, DIM))
    assert not index.catalogue.in_order
    assert index.search(torch.ones(1, DIM), 3).ids == [["d01", "d02", "d03"]]


# -- changing --------------------------------------------------------------------------------------------------------


def changed(index):
    """What it holds after documents were replaced by more and by fewer vectors, deleted, and added."""
    table, new = held(), whole_numbers(30, 9, DIM)
    for id_, part in {"d03": new[:12], "d59": new[12:13], "new": new[13:15], "d07": new[15:30]}.items():
        index.upsert([id_] * len(part), part)
        table[id_] = list(part.numpy())
    index.delete(["d00", "d20"])
    del table["d00"], table["d20"]
    index.upsert(["d20", "d21", "d20"], new[:3])  # one is back, among others
    table["d20"], table["d21"] = [new[0].numpy(), new[2].numpy()], [new[1].numpy()]
    index.commit()
    return table


def test_an_upsert_replaces_all_vectors_of_an_id_and_a_delete_removes_them(engine):
    index = built(engine)
    table = changed(index)
    whole_effort(index.engine)
    assert len(index) == len(table) == N_DOCUMENTS
    assert index.engine.count() == sum(map(len, table.values()))
    check(index, table)
    check(index, {"new": table["new"], "d20": table["d20"]}, where=Filter.only(["new", "d20", "d00"]))
    with pytest.raises(UnknownIdError, match="deleted before"):
        index.delete(["d00"])


def test_the_same_upserts_again_and_again_take_no_more_rows():
    index = built("exact")
    for n in (5, 2, 5, 1, 4):
        index.upsert(["d10"] * n, whole_numbers(n, n, DIM))
    rows = np.flatnonzero(index.catalogue.owners == 10)
    assert len(rows) == max(5, OWNERS.count("d10"))
    assert index.engine.count() == N_VECTORS - OWNERS.count("d10") + 4


def test_changes_are_there_after_a_commit_and_a_load(engine, tmp_path):
    index = built(engine, out=tmp_path / "index")
    check(whole(Index.load(tmp_path / "index")), held())
    table = changed(index)
    again = whole(Index.load(tmp_path / "index"))
    check(again, table)
    assert (repr(again), len(again)) == (repr(index), len(index))
    again.upsert(["d01"], VECTORS[:1])
    again.commit()
    check(whole(Index.load(tmp_path / "index")), table | {"d01": [VECTORS[0].numpy()]})


def whole(index):
    whole_effort(index.engine)
    return index


def test_a_plain_index_has_the_files_it_had(tmp_path):
    model = model_of()
    Index.build(model, out=tmp_path / "plain")
    assert sorted(path.name for path in (tmp_path / "plain").iterdir()) == [
        "config.json",
        "documents-0001.parquet",
        "exact-0001.safetensors",
    ]
    assert Index.load(tmp_path / "plain").catalogue.owners is None
    with pytest.raises(InputError, match="'d01' stands in rows 0 and 1"):
        Index.load(tmp_path / "plain").upsert(["d01", "d01"], torch.ones(2, DIM))


def test_heights_and_names_are_those_of_documents():
    index = built("exact")
    index.upsert(["d02", "new", "d02"], torch.ones(3, DIM), heights=[4, 2], names={"new": "New"})
    assert index.heights[index.document_ids.rows(["d02", "new"])].tolist() == [4, 2]
    hits = index.search(torch.ones(1, DIM), 100)
    assert hits.name(index.document_ids.row("new")) == "New"


# -- tuning ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_an_approximate_engine_is_tuned_to_documents(engine):
    rng = np.random.default_rng(0)
    n = 400
    ids = Ids(range(n))
    centres = rng.normal(size=(n, 16)).astype(np.float32)
    query_of = np.repeat(np.arange(n), 3)
    documents = (query_of + np.tile([0, 1, 2], n)) % n
    pairs = Pairs.from_arrays(ids, ids, query_of, documents, np.tile([0, 1, 2], n))
    model = DualEncoder.from_vectors(pairs, torch.from_numpy(centres), torch.from_numpy(centres))
    owners = np.repeat(np.arange(n), 4)
    vectors = centres[owners] + 0.3 * rng.normal(size=(4 * n, 16)).astype(np.float32)
    index = Index.build(model, engine, pairs=pairs, vectors=vectors, owners=owners, recall=0.9)
    right = Index.build(model, vectors=vectors, owners=owners).search(centres, 3, nearest_first=False)
    found = index.search(centres, 3, nearest_first=False)
    shares = [len(set(a) & set(b)) / 3 for a, b in zip(found.ids, right.ids, strict=True)]
    assert index.tuned.recall >= 0.85
    assert abs(np.mean(shares) - index.tuned.recall) < 0.1


# -- an engine that cuts off -----------------------------------------------------------------------------------------


class Limited(Exact):
    """Returns at most 50 vectors of a query and says where it cut off, as a server with a limit does."""

    def search(self, queries, k, where=None):
        return replace(super().search(queries, min(k, 50), where), truncated=np.full(len(queries), k > 50))


def test_a_limit_of_the_engine_is_told_only_where_documents_are_missing():
    owners = np.repeat(np.arange(3), [98, 1, 1])
    catalogue = Catalogue.of(model_of(3), None, owners)
    vectors = torch.cat([torch.full((98, 1), 2.0), torch.ones(2, 1)])
    finder = Merged(Limited.over(vectors, np.arange(100)), catalogue)
    found = finder.search(torch.tensor([[1.0], [-1.0]]), 2)
    assert found.rows.tolist() == [0, 1, 2]
    assert found.truncated.tolist() == [True, False]


# -- refusing --------------------------------------------------------------------------------------------------------


def test_vectors_and_owners_that_do_not_fit_are_refused():
    model = model_of(3)
    ids = ["d00", "d01", "d02", "d02"]
    build = {"vectors": torch.ones(4, DIM), "owners": ids}
    for change, message in (
        ({"owners": None}, "go together"),
        ({"vectors": None}, "go together"),
        ({"owners": ids[:3]}, "one row number each"),
        ({"vectors": torch.ones(4, DIM + 1)}, f"{DIM} columns"),
        ({"vectors": torch.full((4, DIM), torch.nan)}, "NaN"),
        ({"owners": ["d00", "d00", "d00", "d02"]}, "1 of 3 documents own no vector, the first is 'd01'"),
        ({"owners": ["d00", "d01", "d02", "d09"]}, "No id 'd09'"),
    ):
        with pytest.raises(InputError, match=message):
            Index.build(model, **(build | change))
    index = Index.build(model, **build)
    with pytest.raises(InputError, match="one row number each"):
        index.upsert(["d00", "d00"], torch.ones(1, DIM))
    assert index.engine.count() == 4
