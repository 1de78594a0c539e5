"""`Searcher` over the shoe shop: what a person types, and the answers that can be said aloud."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

import rootward as rw
from rootward.calibration.rules import ExpectedSize, Universal
from rootward.calibration.set_report import Chances
from rootward.errors import InputError, UnknownIdError
from rootward.hierarchy import Hierarchy
from rootward.retrieval import Searcher
from rootward.texts import Texts
from shoes import ANCESTORS, EDGES, shoes

SYNONYMS = {"sneakers": ("trainers", "sporty"), "flip-flops": ("thongs", "jandals"), "running shoes": ("sporty",)}


def named_shop():
    """The shop with names; "trainers" means sneakers, "sporty" sneakers or running shoes."""
    tree = shoes()
    names = [label.title() for label in tree.ids]
    texts = Texts(tuple(names), tuple(SYNONYMS.get(label, ()) for label in tree.ids), ("",) * len(tree))
    return Hierarchy(tree.ids, tree.parent_offsets, tree.parents, texts)


def trained(folder, make):
    pairs = named_shop().pairs()
    rw.train(
        make(pairs),
        pairs,
        rw.recipes.decoupled(steps=200),
        out=folder,
        settings=rw.Settings(device="cpu", progress=False),
    )
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that looks its queries up."""
    return trained(tmp_path_factory.mktemp("runs") / "lookup", lambda pairs: rw.DualEncoder.lookup(pairs, dim=16))


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """A run that reads texts."""
    return trained(tmp_path_factory.mktemp("runs") / "words", lambda pairs: rw.DualEncoder.text(pairs, dim=32))


@pytest.fixture(scope="module")
def searcher(run):
    return Searcher.open(run)


@pytest.fixture(scope="module")
def reader(words):
    return Searcher.open(words)


# -- what a text means ---------------------------------------------------------------------------------------------


def test_ids_names_and_synonyms_find_the_node_and_all_above_it(searcher):
    results = searcher.answers(["flip-flops", "Rain Boots", "jandals", "kids' sneakers"])
    assert results.ids[0] == ["flip-flops", "sandals", "shoes", "footwear"]
    assert results.ids[1] == ["rain boots", "boots", "footwear"]
    assert results.ids[2] == results.ids[0]
    assert set(results.ids[3]) == {label for label, _ in ANCESTORS["kids' sneakers"]}
    assert [result.query for result in results] == ["flip-flops", "rain boots", "flip-flops", "kids' sneakers"]
    assert [result.text for result in results] == ["flip-flops", "Rain Boots", "jandals", "kids' sneakers"]


def test_one_text_alone_gives_a_list_of_one(searcher):
    assert searcher.search("boots", k=2) == searcher.search(["boots"], k=2)
    assert len(searcher.search("boots", k=2)) == 1
    assert searcher.search([]) == ()


def test_an_ambiguous_name_is_searched_as_its_best_meaning_and_says_so(searcher):
    (result,) = searcher.search("sporty", k=3)
    assert result.meanings == ("running shoes", "sneakers")
    assert result.query == "running shoes" == result[0].id
    assert "'sporty' also means sneakers; search for the id" in result.notes
    assert result.to_dict()["others"] == ["sneakers"]


def test_unknown_and_known_texts_are_answered_in_the_order_of_the_texts(reader):
    results = reader.search(["something for the rain", "trainers", "beach sandals", "boots"], k=3)
    assert [result.unseen for result in results] == [True, False, True, False]
    assert [result.query for result in results] == ["something for the rain", "sneakers", "beach sandals", "boots"]
    assert results.ids[0][0] == "rain boots"
    assert results.ids[2][0] == "sandals"
    assert results[0].notes[0] == "no known query is called so: read as an unseen text"
    assert [match.relevant for match in results[3]][:2] == [True, True]
    assert results[0][0].relevant is None, "nobody knows what is right for it"
    alone = [reader.search(result.text, k=3)[0] for result in results]
    assert [result.ids for result in alone] == results.ids


def test_a_text_that_nothing_is_called_by_is_an_error_of_its_own(searcher):
    with pytest.raises(UnknownIdError, match="Did you mean 'Sandals'"):
        searcher.search(["boots", "sandalz"])
    results = searcher.search(["boots", "sandalz", None, "jandals"], k=1, errors="keep")
    assert results.ids == [["boots"], [], [], ["flip-flops"]]
    assert "Did you mean 'Sandals'" in str(results[1].error)
    assert "needed a text or an id" in str(results[2].error)
    assert results.to_dict()[1] == {"text": "sandalz", "query": "sandalz", "error": str(results[1].error)}
    assert str(results[1]).startswith("sandalz\nNothing is called")


def test_a_text_of_which_the_tower_knows_nothing_is_an_error_of_its_own(reader):
    with pytest.raises(InputError, match="No part of '漢字' was among the texts"):
        reader.search(["boots", "漢字"])
    for options in ({}, {"threshold": "auto"}):
        results = reader.search(["漢字", "rain boot", "boots"], errors="keep", **options)
        assert [result.error is None for result in results] == [False, True, True]
        assert results[1].ids[0] == "rain boots"


# -- what is known of each document ------------------------------------------------------------------------------------


def test_each_document_has_its_hops_its_path_and_what_stands_above_it(searcher):
    (result,) = searcher.search("flip-flops", k=6)
    sandals = result[1]
    assert (sandals.id, sandals.name, sandals.hops, sandals.relevant, sandals.accepted) == (
        "sandals", "Sandals", 1, True, True
    )  # fmt: skip
    assert sandals.path == ("footwear", "shoes", "sandals")
    assert sandals.ancestors == ("shoes", "footwear")
    assert [match.hops for match in result] == [0, 1, 2, 3, None, None]
    assert result[4].relevant is False
    assert result[3].path == ("footwear",)
    assert result[3].ancestors == ()
    kids = searcher.search("kids' sneakers", k=1)[0][0]
    assert kids.path in (("footwear", "shoes", each, "kids' sneakers") for each in ("sneakers", "kids' shoes"))
    assert set(kids.ancestors) == {"sneakers", "kids' shoes", "shoes", "footwear"}
    assert result.names[:2] == ["Flip-Flops", "Sandals"]
    np.testing.assert_allclose(result.scores, [match.score for match in result], rtol=1e-6)


def test_margins_are_scores_above_the_threshold(searcher):
    result = searcher.search("flip-flops", k=6)[0]
    assert [match.margin >= 0 for match in result] == [True] * 4 + [False] * 2
    threshold = result.to_dict()["threshold"]
    assert result[0].margin == pytest.approx(result[0].score - threshold, abs=1e-5)
    assert result[0].probability is None, "nothing was calibrated"


@pytest.mark.parametrize("where", [None, rw.Filter.only(["sandals", "footwear", "boots"])])
def test_a_calibration_tells_the_chance_that_a_document_is_right(run, searcher, where):
    report, print_ = None, searcher.model.fingerprint()
    by_score = rw.Calibration(Universal(0.2), Chances(np.array([-1.0, 1.0]), np.array([0.0, 1.0])), report, print_)
    known = Searcher(searcher.model, pairs=searcher.pairs, calibration=by_score)
    for match in known.search("flip-flops", k=6, where=where)[0]:
        assert match.probability == pytest.approx(np.clip((match.score - 0.2 + 1) / 2, 0, 1), abs=1e-5)
    # four answers are expected of every query: the first document has a margin of 3, the sixth of -2
    vectors = searcher.model.query_vectors().detach().numpy()
    by_rank = ExpectedSize(vectors, np.full(len(vectors), 4.0))
    ranked = rw.Calibration(by_rank, Chances(np.array([-10.0, 10.0]), np.array([0.0, 1.0])), report, print_)
    known = Searcher(searcher.model, pairs=searcher.pairs, calibration=ranked)
    order = searcher.search("flip-flops", k=12, nearest_first=False)[0].ids
    for match in known.search("flip-flops", k=6, where=where)[0]:
        margin = 4 - (order.index(match.id) + 1)
        assert match.probability == pytest.approx((margin + 10) / 20, abs=1e-5)


def test_what_stands_above_is_added(searcher):
    """Flip-flops and shoes score above the threshold; sandals below it, footwear not at all."""
    ids, scores = searcher.pairs.document_ids, {"flip-flops": 0.9, "shoes": 0.8, "sandals": 0.3, "boots": 0.1}
    documents = np.array([[scores.get(label, 0.0), 1.0] for label in ids], np.float32)
    queries = np.tile(np.array([1.0, 0.0], np.float32), (len(ids), 1))
    model = rw.DualEncoder.from_vectors(searcher.pairs, queries, documents)
    (result,) = Searcher(model, pairs=searcher.pairs).search("flip-flops", threshold=0.5, upward=True)
    assert {match.id: match.added for match in result} == {
        "flip-flops": False, "shoes": False, "sandals": True, "footwear": True
    }  # fmt: skip
    footwear = result[result.ids.index("footwear")]
    assert (footwear.score, footwear.margin, footwear.relevant, footwear.hops) == (None, None, True, 3)
    assert "added, as they stand above accepted ones: " in str(result)


# -- k, thresholds, filters --------------------------------------------------------------------------------------------


def test_the_answer_set_is_as_large_as_it_is_and_k_cuts_it(searcher):
    assert searcher.search("flip-flops", k=2, threshold="auto").ids == [["flip-flops", "sandals"]]
    assert searcher.search("flip-flops", threshold=99).ids == [[]]
    assert len(searcher.search("flip-flops", threshold=-99)[0]) == len(searcher) == 12
    assert len(searcher.search("flip-flops")[0]) == 10
    by_score = searcher.search("flip-flops", k=12, nearest_first=False)[0]
    assert by_score.scores == sorted(by_score.scores, reverse=True)
    with pytest.raises(InputError, match="at least 1, got 0"):
        searcher.search("boots", k=0)


@pytest.mark.parametrize(
    ("where", "allowed"),
    [
        (rw.Filter.below("sandals"), {"sandals", "flip-flops", "hiking sandals"}),
        (rw.Filter.above("flip-flops"), {"flip-flops", "sandals", "shoes", "footwear"}),
        (rw.Filter.below("boots") & rw.Filter.levels(2), {"rain boots", "hiking boots"}),
        (rw.Filter.only(["boots"]), {"boots"}),
        (rw.Filter.below("boots", of=shoes()), {"boots", "rain boots", "hiking boots"}),
    ],
)
def test_filters_need_no_more_than_the_run(run, where, allowed):
    assert set(Searcher.open(run).search("flip-flops", where=where)[0].ids) == allowed


def test_a_model_without_pairs_is_searched_without_marks_and_says_why_it_has_no_filter(run, tmp_path):
    bare = Searcher.open(rw.DualEncoder.load(run).save(tmp_path / "bare"))
    match = bare.search("flip-flops", k=1)[0][0]
    assert (match.id, match.relevant, match.hops, match.path, match.ancestors) == ("flip-flops", None, None, (), ())
    assert bare.search("boots", where=rw.Filter.only(["boots"])).ids == [["boots"]]
    for _ in range(2):
        with pytest.raises(InputError, match="saved without pairs"):
            bare.search("boots", where=rw.Filter.below("shoes"))
    with pytest.raises(InputError, match="a run of a hierarchy"):
        bare.search("boots", upward=True)


def test_pairs_of_labelled_texts_tell_right_answers_and_no_paths():
    pairs = rw.Pairs.from_table([("red pump", "pumps", 0), ("red pump", "heels", 1), ("clog", "clogs", 0)])
    vectors = np.eye(3, dtype=np.float32)
    pumps = Searcher(rw.DualEncoder.from_vectors(pairs, vectors[:2], vectors), pairs=pairs)
    (result,) = pumps.search("red pump", k=2)
    assert {(match.id, match.hops) for match in result if match.relevant} <= {("pumps", 0), ("heels", 1)}
    assert [match.path for match in result] == [(), ()]
    with pytest.raises(InputError, match="do not say how documents stand"):
        pumps.search("red pump", where=rw.Filter.levels(1))


# -- opening -------------------------------------------------------------------------------------------------------


def test_an_index_of_the_run_answers_as_the_run_does(run, searcher, tmp_path):
    rw.Index.build(searcher.model, out=tmp_path / "index")
    texts = ["flip-flops", "trainers"]
    for index in (tmp_path / "index", rw.Index.load(tmp_path / "index")):
        assert Searcher.open(run, index=index).answers(texts) == searcher.answers(texts)


def test_an_index_of_another_model_is_refused_at_once(run, words, tmp_path):
    rw.Index.build(rw.DualEncoder.load(words), out=tmp_path / "index")
    with pytest.raises(InputError, match="another model"):
        Searcher.open(run, index=tmp_path / "index")


def test_the_calibration_of_the_run_is_used_unless_another_or_none_is_named(run, searcher, tmp_path):
    copied = shutil.copytree(run, tmp_path / "run")
    found = rw.calibrate(searcher.model, searcher.pairs)
    found.save(copied)
    assert Searcher.open(copied).index.calibration == found
    assert Searcher.open(run, calibration=found).index.calibration == found
    assert Searcher.open(run, calibration=copied / "calibration.safetensors").index.calibration == found
    index = rw.Index.build(searcher.model).calibrated(found)
    assert Searcher.open(run, index=index).index.calibration == found
    assert Searcher.open(copied, index=index, calibration=None).index.calibration is None
    replace(found, fingerprint="of another").save(copied)
    other = Searcher.open(copied)
    assert other.index.calibration is None
    assert "is of another model and left out; calibrate again" in other.notes[0]


# -- results are values -----------------------------------------------------------------------------------------------


def test_results_print_and_turn_into_json(searcher):
    results = searcher.search(["flip-flops", "sporty"], k=2)
    first, second = str(results).split("\n\n")
    assert first.splitlines()[0] == "flip-flops: Flip-Flops, thongs, jandals"
    assert first.splitlines()[-1] == "2 of 4 right answers, 2 missing"
    assert second.splitlines()[-1] == "'sporty' also means sneakers; search for the id"
    told = json.loads(results.to_json())
    assert told == results.to_dict()
    assert told[0]["documents"][1] == {
        "rank": 2,
        "id": "sandals",
        "name": "Sandals",
        "score": told[0]["documents"][1]["score"],
        "accepted": True,
        "added": False,
        "hops": 1,
        "relevant": True,
        "margin": told[0]["documents"][1]["margin"],
        "probability": None,
        "path": ["footwear", "shoes", "sandals"],
        "ancestors": ["shoes", "footwear"],
    }
    assert repr(results) == "Results(2 texts, 4 documents)"
    assert repr(results[0]) == "Result('flip-flops', ['flip-flops', 'sandals'])"
    assert repr(searcher) == "Searcher(12 documents, exact)"


def test_threads_get_the_answers_that_one_alone_gets(words):
    texts = [label for label, _ in EDGES] + ["for the rain", "trainers", "shoes to run in"]
    one = Searcher.open(words)
    alone = [one.search(text, k=4)[0].to_dict() for text in texts]
    several = Searcher.open(words)
    where = rw.Filter.below("footwear")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: several.search(text, k=4, where=where)[0].to_dict(), texts * 4))
    for ours, theirs in zip(found, alone * 4, strict=True):
        assert [each["id"] for each in ours["documents"]] == [each["id"] for each in theirs["documents"]]


def test_a_batch_is_encoded_at_once(reader, monkeypatch):
    calls, encode = [], type(reader.model).encode_queries
    monkeypatch.setattr(
        type(reader.model), "encode_queries", lambda self, texts: calls.append(len(texts)) or encode(self, texts)
    )
    reader.search(["for the rain", "boots", "shoes to run in", "sandals"], k=1)
    assert calls == [2]


def test_thresholds_of_none_are_needed_for_auto(searcher):
    model = rw.DualEncoder.from_vectors(
        searcher.pairs,
        *(part.detach().numpy() for part in (searcher.model.query_vectors(), searcher.model.document_vectors())),
    )
    assert torch.isnan(model.thresholds).all()
    with pytest.raises(InputError, match="have no threshold"):
        Searcher(model).answers("boots")
    assert Searcher(model).search("boots", k=1).ids == [["boots"]]
