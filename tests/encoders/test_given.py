"""What is handed to the Python API in a wrong form gets one error that says how it is written."""

import numpy as np
import pytest

import rootward as rw
from rootward.errors import InputError, TableError
from shoes import shoes as shop
from training.runs import QUIET

SHOES = shop().pairs()
MODEL = rw.DualEncoder.lookup(SHOES, 8)
READER = rw.DualEncoder.text(SHOES, dim=8, documents="text")
VECTORS = np.eye(12, dtype=np.float32)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: MODEL.queries("boots"), r"model.queries\(\['boots'\]\)"),
        (lambda: MODEL.queries(7), "takes a list; got 7, a int"),
        (lambda: READER.encode_queries("boots"), r"encode_queries\(\['boots'\]\)"),
        (lambda: READER.encode_documents("boots"), r"encode_documents\(\['boots'\]\)"),
        (lambda: rw.DualEncoder.lookup(SHOES, dim="16"), "dim is a whole number, such as 64; got '16'"),
        (lambda: rw.DualEncoder.lookup(SHOES, dim=2.5), "dim is a whole number"),
        (lambda: rw.DualEncoder.text(SHOES, dim=None), "dim is a whole number"),
        (lambda: rw.DualEncoder.lookup(shop(), 8), "got a Hierarchy. A hierarchy's are hierarchy.pairs()"),
        (lambda: rw.DualEncoder.text("shoes.csv"), "DualEncoder.text takes pairs first; got a str"),
        (lambda: rw.DualEncoder.from_vectors(VECTORS, VECTORS, SHOES), "from_vectors takes pairs first; got a ndarray"),
        (lambda: rw.DualEncoder.from_vectors(SHOES, "q.npy", VECTORS), "query vectors must be a matrix of numbers"),
        (lambda: rw.DualEncoder.from_vectors(SHOES, VECTORS, [["a"]]), "document vectors must be a matrix of numbers"),
        (lambda: rw.DualEncoder.from_vectors(SHOES, VECTORS[0], VECTORS), r"got shape \(12,\)"),
        (lambda: rw.train(SHOES, MODEL), "takes a model, then pairs.*got a Pairs and a DualEncoder"),
        (lambda: rw.train(MODEL, SHOES, "decoupeld"), "Did you mean 'decoupled'"),
        (lambda: rw.train(MODEL, SHOES, "rebalanced"), "needs p"),
        (lambda: rw.train(MODEL, SHOES, 20), "or its name, such as 'decoupled'; got 20"),
    ],
)
def test_it_is_said_in_one_error(call, says):
    with pytest.raises(InputError, match=says):
        call()


def test_a_recipe_may_go_by_its_name():
    pairs = rw.Hierarchy.from_edges([("b", "a"), ("c", "a")]).pairs()
    run = rw.train(rw.DualEncoder.lookup(pairs, 4), pairs, "ordered", settings=QUIET)
    assert run.recipe.name == "ordered"


def test_a_text_that_says_nothing_and_a_zero_vector_find_nothing():
    index = rw.Index.build(READER)
    hits = index.search(READER.encode_queries(["", "sandals", "?!"]), k=3)
    assert [len(found) for found in hits.ids] == [0, 3, 0]
    assert index.search(np.zeros((2, 8)), k=3).ids == [[], []]
    assert [len(found) for found in index.answers(np.zeros((1, 8)), threshold=-1).ids] == [0]
    assert "(nothing)" in str(hits)


def test_pairs_of_a_folder_are_pointed_to(tmp_path):
    with pytest.raises(TableError, match=r"is not whole; needed are pairs as Pairs\.from_table"):
        rw.Pairs.load(tmp_path)
    SHOES.save(tmp_path / "pairs.parquet")
    with pytest.raises(TableError, match=r"that of a run is \S+pairs.parquet. A whole run"):
        rw.Pairs.load(tmp_path)
