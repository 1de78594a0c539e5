"""Retrievers for LangChain, LlamaIndex and Haystack give what `Searcher` gives, and are saved without the model."""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
from importlib import import_module
from typing import Any

import pytest
from haystack import Pipeline
from langchain_core.load import dumps, loads
from langchain_core.runnables import ConfigurableField
from langchain_tests.integration_tests import RetrieversIntegrationTests
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer
from llama_index.core.schema import MetadataMode

import rootward as rw
from classification.test_classifier import PARENT, shop_labels
from rootward.classification import Classifier
from rootward.encoders import DualEncoder
from rootward.errors import InputError, MissingExtraError, RunFolderError, UnknownIdError
from rootward.integrations import haystack, langchain, llamaindex
from rootward.integrations.documents import opened
from shoes import shoes
from training.runs import QUIET

FLIP_FLOPS = ["flip-flops", "sandals", "shoes", "footwear"]
CALLS: dict[str, Any] = {
    "langchain": lambda run, text, **fields: [
        (each.id, each.page_content, each.metadata["score"], each.metadata)
        for each in langchain.RootwardRetriever(run=run, **fields).invoke(text)
    ],
    "llamaindex": lambda run, text, **fields: [
        (each.node.node_id, each.node.text, each.score, each.node.metadata)
        for each in llamaindex.RootwardRetriever(run, **fields).retrieve(text)
    ],
    "haystack": lambda run, text, **fields: [
        (each.id, each.content, each.score, each.meta)
        for each in haystack.RootwardRetriever(run, **fields).run(text)["documents"]
    ],
}
ALL = pytest.mark.parametrize("library", list(CALLS))


@ALL
def test_a_document_has_all_that_is_known_of_it(library, shoe_run):
    found = CALLS[library](shoe_run, "jandals", threshold="auto")
    assert [each[0] for each in found] == FLIP_FLOPS
    assert [each[1] for each in found] == [
        "Flip-Flops", "Sandals\nOpen shoes held on by straps.", "Shoes", "Footwear",
    ]  # fmt: skip
    assert [each[3]["hops"] for each in found] == [0, 1, 2, 3]
    own = found[0][3]
    assert own["path"] == FLIP_FLOPS[::-1]
    assert own["ancestors"] == FLIP_FLOPS[1:]
    assert (own["id"], own["name"], own["accepted"], own["probability"]) == ("flip-flops", "Flip-Flops", True, None)
    assert found[0][2] == own["score"] > 0
    json.dumps(own)


@ALL
def test_fields_are_those_of_a_search(library, shoe_run):
    searcher = rw.Searcher.open(shoe_run)

    def ids(**fields):
        return [each[0] for each in CALLS[library](shoe_run, "rain boots", **fields)]

    assert ids() == searcher.search("rain boots")[0].ids
    assert len(ids()) == 10
    assert ids(k=3) == ["rain boots", "boots", "footwear"]
    assert ids(threshold="auto") == ["rain boots", "boots", "footwear"]
    assert ids(threshold="auto", k=1) == ["rain boots"]
    assert ids(threshold="auto", below="boots") == ["rain boots", "boots"]
    assert set(ids(below="boots")) == {"boots", "rain boots", "hiking boots"}
    assert set(ids(above="hiking sandals", hops=1)) == {"hiking sandals", "sandals"}
    assert set(ids(levels=(0, 1))) == {"footwear", "shoes", "boots"}
    assert ids(threshold=99.0) == []


@ALL
def test_unknown_words_find_nothing_and_wrong_settings_are_told(library, shoe_run, tmp_path):
    call = CALLS[library]
    assert call(shoe_run, "qqq") == []
    assert call(shoe_run, "") == []
    with pytest.raises(UnknownIdError, match="boot"):
        call(shoe_run, "sandals", below="bootz")
    with pytest.raises(InputError, match="set below or above"):
        call(shoe_run, "sandals", hops=1)
    with pytest.raises(RunFolderError):
        call(tmp_path / "nothing", "sandals")


@ALL
def test_a_run_that_looks_queries_up_says_which_names_it_knows(library, tmp_path):
    pairs = shoes().pairs()
    rw.train(DualEncoder.lookup(pairs, 8), pairs, rw.recipes.decoupled(steps=5), out=tmp_path / "run", settings=QUIET)
    with pytest.raises(UnknownIdError, match="Did you mean 'sandals'"):
        CALLS[library](tmp_path / "run", "sandal")


@ALL
def test_without_its_library_the_error_says_what_to_install(library, monkeypatch):
    module = f"rootward.integrations.{library}"
    package = {"langchain": "langchain_core.callbacks", "llamaindex": "llama_index.core.base.base_retriever"}
    monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package.get(library, "haystack"), None)
    with pytest.raises(MissingExtraError, match=rf"rootward\[{library}\]"):
        import_module(module)


def test_retrievers_of_one_folder_share_its_searcher_until_it_is_written_again(tmp_path):
    pairs, run = shoes().pairs(), tmp_path / "run"
    DualEncoder.lookup(pairs, 8).save(run)
    first = opened(run)
    assert opened(str(run)) is first
    DualEncoder.lookup(pairs, 16).save(run)
    assert opened(run) is not first
    assert opened(run).model.dim == 16


# -- LangChain -------------------------------------------------------------------------------------------------


class TestStandards(RetrieversIntegrationTests):
    """LangChain's own suite for retrievers."""

    @pytest.fixture(autouse=True)
    def _run(self, shoe_run):
        type(self).folder = shoe_run

    @property
    def retriever_constructor(self):
        return langchain.RootwardRetriever

    @property
    def retriever_constructor_params(self):
        return {"run": str(self.folder)}

    @property
    def retriever_query_example(self):
        return "sandals"

    test_ainvoke_returns_documents = pytest.mark.asyncio(RetrieversIntegrationTests.test_ainvoke_returns_documents)


def test_langchain_batches_streams_and_takes_settings_of_one_call(shoe_run):
    retriever = langchain.RootwardRetriever(run=shoe_run, k=3)
    texts = ["rain boots", "flip-flops"]
    expected = [["rain boots", "boots", "footwear"], FLIP_FLOPS[:3]]
    assert [[each.id for each in found] for found in retriever.batch(texts)] == expected
    assert [[each.id for each in found] for found in asyncio.run(retriever.abatch(texts))] == expected
    assert [each.id for each in asyncio.run(retriever.ainvoke("rain boots", k=1))] == ["rain boots"]
    assert [each.id for each in retriever.invoke("rain boots", below="boots", threshold="auto")] == expected[0][:2]
    with pytest.raises(InputError, match=r"treshold is no setting of a search\. Did you mean 'threshold'"):
        retriever.invoke("rain boots", treshold=1)
    chain = retriever | (lambda found: found[0].metadata["path"])
    assert chain.invoke("rain boots") == ["footwear", "boots", "rain boots"]
    changing = retriever.configurable_fields(k=ConfigurableField(id="k"))
    assert len(changing.invoke("rain boots", config={"configurable": {"k": 2}})) == 2


def test_langchain_saves_the_folder_and_not_the_model(shoe_run):
    retriever = langchain.RootwardRetriever(run=shoe_run, threshold="auto", levels=(1, None))
    saved = dumps(retriever)
    assert len(saved) < 1000
    again = loads(saved, allowed_objects=[langchain.RootwardRetriever], valid_namespaces=["rootward"])
    for other in (again, pickle.loads(pickle.dumps(retriever)), retriever.model_copy()):
        assert other.invoke("rain boots") == retriever.invoke("rain boots") != []
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        langchain.RootwardRetriever(run=shoe_run, k=0)
    with pytest.raises(InputError, match="needs the folder of a run"):
        langchain.RootwardRetriever()


# -- LlamaIndex ------------------------------------------------------------------------------------------------


def test_llamaindex_works_in_a_query_engine_async_and_in_batches(shoe_run, monkeypatch):
    monkeypatch.setenv("IS_TESTING", "1")  # else it looks for a language model that it does not use
    retriever = llamaindex.RootwardRetriever(shoe_run, threshold="auto")
    alone = retriever.retrieve("flip-flops")
    assert [each.node_id for each in asyncio.run(retriever.aretrieve("flip-flops"))] == FLIP_FLOPS
    both = retriever.retrieve_batch(["rain boots", "flip-flops"])
    assert both[1] == alone
    assert [each.node_id for each in both[0]] == ["rain boots", "boots", "footwear"]
    assert "ancestors" not in alone[0].get_content(MetadataMode.LLM)
    engine = RetrieverQueryEngine(retriever, get_response_synthesizer(response_mode=ResponseMode.NO_TEXT))
    assert [each.node_id for each in engine.query("flip-flops").source_nodes] == FLIP_FLOPS


def test_llamaindex_saves_the_folder_and_not_the_model(shoe_run):
    retriever = llamaindex.RootwardRetriever(shoe_run, k=5, levels=(1, None), above="flip-flops", hops=2)
    saved = json.loads(json.dumps(retriever.to_dict()))
    pickled = pickle.dumps(retriever)
    assert len(pickled) < 1000
    for other in (llamaindex.RootwardRetriever.from_dict(saved), pickle.loads(pickled)):
        assert other.to_dict() == retriever.to_dict()
        assert other.retrieve("sandals") == retriever.retrieve("sandals") != []


# -- Haystack --------------------------------------------------------------------------------------------------


def test_haystack_works_in_a_pipeline_that_is_saved(shoe_run):
    pipeline = Pipeline()
    pipeline.add_component("nodes", haystack.RootwardRetriever(shoe_run, k=5, levels=(0, 2)))
    saved = pipeline.dumps()
    assert str(shoe_run) in saved
    again = Pipeline.loads(saved, allowed_modules=["rootward.integrations.haystack"])
    for each in (pipeline, again):
        found = each.run({"nodes": {"query": "rain boots", "threshold": "auto"}})["nodes"]["documents"]
        assert [document.id for document in found] == ["rain boots", "boots", "footwear"]
    retriever = haystack.RootwardRetriever(shoe_run, k=2)
    assert [each.id for each in asyncio.run(retriever.run_async("boots"))["documents"]] == ["boots", "footwear"]
    assert [each.id for each in retriever.run("boots", k=1)["documents"]] == ["boots"]


# -- a run of labelled texts -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labelled_run(tmp_path_factory):
    """The folder of a run that learnt from labelled texts: "rubber work boot" is boots, below shoes."""
    tree = rw.Hierarchy.from_edges([(node, parent or "") for node, parent in PARENT.items()])
    labels = rw.Labels(*map(tuple, zip(*shop_labels(), strict=True)))
    out = tmp_path_factory.mktemp("labelled") / "shop"
    recipe = rw.recipes.decoupled(steps=40)
    Classifier.fit(tree.pairs(labels=labels), recipe=recipe, dim=16, out=out, settings=QUIET)
    return out


@ALL
def test_a_run_of_labelled_texts_gives_the_node_first_with_its_chance(library, labelled_run):
    call = CALLS[library]
    found = call(labelled_run, "a rubber boot for work", threshold="auto")
    assert [each[0] for each in found] == ["boots", "shoes"]
    own, above = (each[3] for each in found)
    assert own["path"] == ["shoes", "boots"]
    assert above["accepted"] is True
    assert 0.5 < own["probability"] <= above["probability"] <= 1.000001
    assert found[0][2] == own["score"] == pytest.approx(own["probability"])
    answer = Classifier.load(labelled_run).answer("a rubber boot for work")
    assert [each[0] for each in found] == list(answer.answers)
    json.dumps(own)
    assert call(labelled_run, "qqq xyzzy", threshold="auto") == []  # nothing fits
    assert call(labelled_run, "", threshold="auto") == []


@ALL
def test_filters_and_thresholds_of_a_run_of_labelled_texts(library, labelled_run):
    def ids(**fields):
        return [each[0] for each in CALLS[library](labelled_run, "a rubber boot for work", **fields)]

    assert ids(k=1) == ["boots"]
    assert ids(threshold="auto", below="boots") == ["boots"]
    assert ids(threshold="auto", below="tools") == []
    assert ids(threshold=0.0)[:2] == ["boots", "shoes"]
    assert set(ids(levels=(0, 0))) == {"shoes", "tools"}
    assert ids(threshold=2.0) == []


def test_several_texts_at_once(labelled_run, shoe_run):
    texts = ["a rubber boot for work", "open beach sandal"]
    for run, asked in ((labelled_run, texts), (shoe_run, ["jandals", "rain boots", "qqq"])):
        index = llamaindex.RootwardRetriever(run, threshold="auto")
        stack = haystack.RootwardRetriever(run, threshold="auto")
        batch = [[each.id for each in found] for found in stack.run_batch(asked)]
        assert batch == [[each.id for each in stack.run(text)["documents"]] for text in asked]
        assert batch == [[each.node.node_id for each in found] for found in index.retrieve_batch(asked)]
        assert stack.run_batch([]) == []
    assert batch == [FLIP_FLOPS, ["rain boots", "boots", "footwear"], []]
