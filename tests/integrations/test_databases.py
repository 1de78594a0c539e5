"""docs/databases.md: the recipes, run as they are written, give the answer sets of rootward."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from pymilvus import MilvusClient

import rootward as rw

PAGE = Path(__file__).parents[2] / "docs" / "databases.md"
BELOW = "boots"


@pytest.fixture(scope="module")
def recipes(tmp_path_factory):
    """The names that the page's Python defines, after it has run."""
    folder, before = tmp_path_factory.mktemp("page"), Path.cwd()
    names: dict[str, object] = {"__name__": "page"}
    try:
        os.chdir(folder)
        for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            exec(compile(block, PAGE.name, "exec"), names)
    finally:
        os.chdir(before)
    names["folder"] = folder / "shoes.vectors"
    names["searcher"] = rw.Searcher.open(folder / "runs" / "shoes")
    return names


def check(recipes, answers):
    """`answers(query, below)` for every query, with and without a filter."""
    assert len(recipes["queries"]) == 5
    for query in recipes["queries"].values():
        for below in (None, BELOW):
            where = None if below is None else rw.Filter.below(below)
            (expected,) = recipes["searcher"].answers(query["id"], where=where)
            assert answers(query, below) == expected.ids
    assert answers(recipes["queries"]["rain boots"], None) == ["rain boots", "boots", "shoes"]
    assert answers(recipes["queries"]["rain boots"], BELOW) == ["rain boots", "boots"]


def test_numpy_gives_the_same_answer_sets(recipes):
    for query in recipes["queries"].values():
        assert recipes["numpy_answers"](query) == recipes["searcher"].answers(query["id"])[0].ids


def test_qdrant_gives_the_same_answer_sets(recipes):
    check(recipes, lambda query, below: recipes["qdrant_answers"](recipes["client"], query, below))


@pytest.mark.filterwarnings("ignore")
def test_milvus_gives_the_same_answer_sets(recipes, milvus):
    client = MilvusClient(milvus.uri)
    try:
        recipes["load_milvus"](client)
        check(recipes, lambda query, below: recipes["milvus_answers"](client, query, below))
        client.drop_collection("shoes")
    finally:
        client.close()


def test_requests_for_elasticsearch_ask_for_the_answer_set(recipes):
    """Computes what the server does: filter, score by the script in 32 bits, leave out what is below min_score."""

    def answers(query, below):
        body = recipes["elastic_query"](query, below)
        scored = body["query"]["script_score"]
        wanted, hits = scored["query"].get("term", {}).get("within"), []
        assert scored["script"]["source"] == "dotProduct(params.query, 'vector') + params.shift"
        for each in recipes["documents"]:
            score = np.float32(np.dot(each["vector"], scored["script"]["params"]["query"]))
            score = np.float32(score + np.float32(scored["script"]["params"]["shift"]))
            assert score >= 0
            if score >= body["min_score"] and wanted in (None, each["id"], *each["ancestors"]):
                hits.append({"_source": {"row": each["row"]}})
        return recipes["elastic_answers"](hits, query)

    check(recipes, answers)
