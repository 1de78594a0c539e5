"""What the benchmarks of unseen words measure, on a shop small enough to say the answers."""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from letters import Letters
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.texts import Texts

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import hpo_synonyms
import lexical
import machine
import sentences
import unseen
import wordnet_glosses

sys.path.pop(0)  # the benchmarks' other modules have names of the tests' own folders

NAMES = ("footwear", "leather shoes", "beach sandals", "rain boots")


def shop(queries: tuple[str, ...], nodes: tuple[int, ...]) -> Pairs:
    """Queries that ask for a node and for "footwear" (row 0) above it."""
    ids = Ids([f"n{row}" for row in range(len(NAMES))])
    above = [
        (place, document, hops) for place, node in enumerate(nodes) for hops, document in enumerate({node: 0, 0: 1})
    ]
    texts = Texts(queries, ((),) * len(queries), ("",) * len(queries))
    named = Texts(NAMES, ((),) * len(NAMES), ("",) * len(NAMES))
    asked = Ids([f"q{place}" for place in range(len(queries))])
    q, d, hops = zip(*above, strict=True)
    return Pairs.from_arrays(asked, ids, q, d, hops, query_texts=texts, document_texts=named)


TRAIN = shop(NAMES, (0, 1, 2, 3))


def test_bm25_by_hand() -> None:
    known = ["leather shoes", "shoes", "rain boots"]
    scores = lexical.bm25(known, ["shoes shoes", "sandals"], 3).toarray()
    idf = math.log1p((3 - 2 + 0.5) / (2 + 0.5))
    one_word = 2.5 / (1 + 1.5 * (0.25 + 0.75 * 1 / (5 / 3)))
    two_words = 2.5 / (1 + 1.5 * (0.25 + 0.75 * 2 / (5 / 3)))
    assert scores[0] == pytest.approx([2 * idf * two_words, 2 * idf * one_word, 0.0])
    assert not scores[1].any()


def test_tf_idf_is_a_cosine_and_keeps_the_best() -> None:
    known = ["leather shoes", "beach sandals", "rain boots", "leather boots"]
    all_of_them = lexical.tf_idf(known, known, 4).toarray()
    assert np.diag(all_of_them) == pytest.approx(1)
    assert all_of_them == pytest.approx(all_of_them.T)
    kept = lexical.tf_idf(known, known, 2)
    assert np.diff(kept.indptr).max() == 2
    assert kept.toarray()[3].nonzero()[0].tolist() == [0, 3] or kept.toarray()[3].nonzero()[0].tolist() == [2, 3]


def test_blocks_find_what_one_product_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    left, right = (csr_array(rng.random((n, 30)) * (rng.random((n, 30)) < 0.3)) for n in (11, 17))
    whole = lexical.best_products(left, right, 4).toarray()
    monkeypatch.setattr(lexical, "BLOCK", 3)
    assert lexical.best_products(left, right, 4).toarray() == pytest.approx(whole)
    full = (left @ right.T).toarray()
    assert np.sort(whole, axis=1)[:, -4:] == pytest.approx(np.sort(full, axis=1)[:, -4:])


def test_the_nearest_text_is_expanded_by_what_it_asks_for() -> None:
    test = shop(("shoes of leather", "sandals for rain"), (1, 2))
    nearest = csr_array(np.array([[0.1, 0.9, 0.0, 0.0], [0.0, 0.0, 0.4, 0.6]]))
    ranks, more = unseen.expanded(nearest, TRAIN, test)
    assert ranks.ranks.tolist() == [0, 1, 2, 1]  # the second: boots, footwear, then sandals
    assert more == {"set_f1": pytest.approx((1 + 0.5) / 2), "exact_first": 0.5}
    row = unseen.figures("case", ranks, more)
    assert row["overall"] == 75.0
    assert row["by_distance_0_to_8_and_more"] == [50.0, 100.0]
    assert row["intervals"][1] == [100.0, 100.0]


def test_documents_nobody_listed_come_last() -> None:
    test = shop(("shoes of leather",), (1,))
    ranks, more = unseen.listed(csr_array(np.array([[0.0, 0.7, 0.9, 0.0]])), np.array([0]), test)
    assert ranks.ranks.tolist() == [1, 4]
    assert more == {"exact_first": 0.0}


def test_every_document_is_scored_and_sets_are_calibrated() -> None:
    test = shop(NAMES * 4, (0, 1, 2, 3) * 4)
    documents = torch.nn.functional.normalize(torch.tensor([[1.0, 0, 0, 0], [1, 9, 0, 0], [1, 0, 9, 0], [1, 0, 0, 9]]))
    queries = torch.nn.functional.normalize(documents + 2 * documents[:1]).repeat(4, 1)
    ranks, more = unseen.dense(queries, documents, test)
    assert ranks.hits.all()
    assert set(more) == {"exact_first", "set_f1", "set_f1_best_fixed_k"}
    assert more["set_f1"] >= more["set_f1_best_fixed_k"]


def test_fine_tuning_pairs_are_texts_with_names_of_their_documents() -> None:
    anchors, positives = sentences.text_pairs(TRAIN, 40, seed=0)
    assert len(anchors) == len(positives) == 40
    assert all(one != other for one, other in zip(anchors, positives, strict=True))
    assert set(zip(anchors, positives, strict=True)) == {(name, "footwear") for name in NAMES[1:]}


def test_a_part_that_is_none_is_refused() -> None:
    given = unseen.flags(None).parse_args(["--parts", "lexical,magic"])
    with pytest.raises(SystemExit, match="holds magic; there are lexical"):
        unseen.measured("nothing", TRAIN, {"words": TRAIN}, given, "")


def test_a_try_on_some_queries_writes_no_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(unseen, "save", lambda *_: pytest.fail("a file was written"))
    given = argparse.Namespace(parts="lexical", queries=2, seed=0)
    unseen.measured("nothing", TRAIN, {"words": TRAIN}, given, "")
    assert capsys.readouterr().out.count("nearest text expanded") == 2


def test_held_out_glosses_are_seen_in_no_training_text() -> None:
    glosses = tuple(f'thing number {i}; "take {name}"; "{name} again"' for i, name in enumerate(NAMES))
    texts = Texts(NAMES, (("shoe {definition)",), (), (), ()), glosses)
    pairs = replace(shop(NAMES, (0, 1, 2, 3)), query_ids=TRAIN.document_ids, query_texts=texts, document_texts=texts)
    train, tests = wordnet_glosses.split_of(pairs, seed=0, share=0.25)
    asked = {kind: [test.query_ids[row] for row in np.flatnonzero(test.sizes)] for kind, test in tests.items()}
    (definition,) = asked["definitions"]
    node = definition.removesuffix(" (definition)")
    assert asked["examples"] == [f"{node} (example 1)", f"{node} (example 2)"]
    known = [train.query_ids[row] for row in np.flatnonzero(train.sizes)]
    assert node in known
    assert len(known) == 4 + 1 + 3 * 3  # names, a synonym, the glosses of three nodes
    assert not [label for label in known if label.startswith(f"{node} (")]


OBO = """format-version: 1.2

[Term]
id: T:0
name: footwear
def: "What is worn on feet." [shop:1]

"""


@pytest.fixture
def obo(tmp_path: Path) -> Path:
    """Forty kinds of shoes with a synonym each; of some the definition is what some synonym says."""
    told = {3: "Pair 8!", 4: "pair-4", 5: "Worn by 5.", 6: "worn by 5", 8: "Worn by 8."}
    terms = [
        f'[Term]\nid: T:{i}\nname: kind {i} of shoe\nsynonym: "Pair {i}" EXACT []\n'
        + (f'def: "{told[i]}" [shop:{i}]\n' if i in told else "")
        + "is_a: T:0 ! footwear\n"
        for i in range(1, 41)
    ]
    path = tmp_path / "shoes.obo"
    path.write_text(OBO + "\n".join(terms))
    return path


@pytest.mark.parametrize("seed", range(5))
def test_definitions_train_too_and_the_test_queries_stay_the_same(seed: int, obo: Path) -> None:
    (plain, test), (told, same) = (hpo_synonyms.split_of(obo, seed, glosses) for glosses in (False, True))
    assert test.query_ids == same.query_ids
    assert test.document_ids == told.document_ids
    assert all(np.array_equal(getattr(test, name), getattr(same, name)) for name in ("offsets", "documents"))
    before, after = ({each.query_ids[row] for row in np.flatnonzero(each.sizes)} for each in (plain, told))
    asked = {test.query_ids[row] for row in np.flatnonzero(test.sizes)}
    assert len(asked) == 8
    # Of the definitions that of 4 repeats its own synonym, 5 and 6 say one thing, and 3 says what 8 is called.
    ambiguous = {"T:8: Pair 8"} - asked
    assert after == (before - ambiguous) | {"T:0 (definition)", "T:8 (definition)"}
    assert told.relevant("T:8 (definition)") == told.relevant("T:8")
    assert told.shared_texts(test) == []


def test_results_with_glosses_and_word_pairs_have_a_file_of_their_own(
    obo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "RESULTS", tmp_path)
    monkeypatch.setattr(unseen.sentences, "load", lambda *_: Letters())
    monkeypatch.setenv("ROOTWARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "argv", f"x --parts joint --epochs 2 --dim 8 --word-pairs --glosses --obo {obo}".split())
    hpo_synonyms.main()
    kept = json.loads((tmp_path / "hpo_synonyms_joint_word_pairs_glosses.json").read_text())
    assert (
        kept["command"] == "python benchmarks/hpo_synonyms.py --parts joint --seed 0 --word-pairs --glosses --epochs 2"
    )
    assert kept["note"].startswith("8 unseen synonyms; ")
    cases = [row["case"] for row in kept["figures"]]
    expanded = ["joint tower, nearest text expanded", "joint tower, own first answer expanded"]
    assert cases == ["joint tower, leaning on nothing", "joint tower", *expanded]
    assert all(0 <= row["overall"] <= 100 for row in kept["figures"])


def test_what_is_left_without_near_duplicates_is_measured_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "RESULTS", tmp_path)
    test = shop(("leather boots", "sandal for the beach", "rainboots", "wet boots"), (3, 2, 3, 3))
    unseen.measured("x", TRAIN, {"words": test}, unseen.flags("x").parse_args(["--parts", "lexical"]), "")
    told = json.loads((tmp_path / "x_lexical.json").read_text())
    assert told["note"].startswith("4 unseen words, 2 unseen words, no near duplicates; ")
    assert [row["queries"] for row in told["figures"]] == ["words", "words, no near duplicates"] * 2
    left = unseen.apart(TRAIN, test)
    assert left is not None
    assert np.flatnonzero(left.sizes).tolist() == [0, 3]
    assert unseen.apart(TRAIN, TRAIN) is None


def test_encoders_side_by_side_are_unit_vectors_after_each_other() -> None:
    one, other = Letters(), Letters()
    both = sentences.SideBySide([one, other]).encode(["ab", "cc"])
    alone = np.asarray(one.encode(["ab", "cc"]), np.float32)
    alone /= np.linalg.norm(alone, axis=1, keepdims=True)
    assert both == pytest.approx(np.concatenate([alone, alone], axis=1) / math.sqrt(2), abs=1e-6)
