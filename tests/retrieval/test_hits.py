"""Hits as a value: what they print, and what they are as JSON."""

import json

import numpy as np
import pytest
import torch
from rich.console import Console

from rootward.encoders import DualEncoder
from rootward.errors import InputError
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.retrieval import Index
from rootward.texts import Texts


@pytest.fixture
def marked():
    """'sandals' answered with itself, 'boots' wrongly, and without the root."""
    ids = Ids(["top", "sandals", "boots"])
    names = Texts(("footwear", "sandals", "boots"), ((), (), ()), ("", "", ""))
    pairs = Pairs.from_arrays(ids, ids, [1, 1], [1, 0], [0, 1], query_texts=names, document_texts=names)
    model = DualEncoder.from_vectors(pairs, np.eye(3), np.array([[0, 0.1, 0], [0, 0.9, 0], [0, 0.2, 0]]))
    model.thresholds = torch.tensor([torch.nan, 0.5, torch.nan])
    return Index.build(model).search(model.queries(["sandals"]), 2).marked(pairs)


def test_hits_print_rank_id_name_hops_score_and_mark(marked):
    assert str(marked).splitlines() == [
        "sandals",
        "rank  id       name     hops  score",
        "   1  sandals  sandals     0  0.900  ✓",
        "-----------------------------------",
        "   2  boots    boots          0.200",
        "1 of 2 right answers, 1 missing",
    ]


def test_hits_are_a_table_on_a_terminal(marked):
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(marked)
    text = console.export_text()
    assert "sandals" in text
    assert "✓" in text
    assert "1 missing" in text


def test_hits_as_json_have_one_object_a_query(marked):
    told = json.loads(marked.to_json())
    assert told == marked.to_dict()
    assert told["exact"] is True
    assert told["queries"] == [
        {
            "query": "sandals",
            "threshold": 0.5,
            "relevant": 2,
            "missing": 1,
            "documents": [
                {"rank": 1, "id": "sandals", "name": "sandals", "score": 0.9, "accepted": True}
                | {"relevant": True, "hops": 0},
                {"rank": 2, "id": "boots", "name": "boots", "score": 0.2, "accepted": False}
                | {"relevant": False, "hops": None},
            ],
        }
    ]


def test_the_first_k_are_the_first_shown(marked):
    cut = marked.first(1)
    assert cut.ids == [["sandals"]]
    assert cut.hops.tolist() == [0]
    assert marked.first(9) == marked
    assert marked.first(9) != cut
    with pytest.raises(InputError, match="at least 1"):
        marked.first(0)


def test_an_empty_answer_says_so():
    ids = Ids(["a"])
    pairs = Pairs.from_arrays(ids, ids, [0], [0], [0])
    model = DualEncoder.from_vectors(pairs, np.ones((1, 1)), np.ones((1, 1)))
    model.thresholds = torch.tensor([torch.inf])  # training found no hit: nothing is accepted
    hits = Index.build(model).answers(model.queries())
    assert hits.to_dict()["queries"] == [{"query": "a", "threshold": None, "documents": []}]
    assert "(nothing)" in str(hits)
