"""Simple methods on the texts of the shoe shop."""

import sys

import numpy as np
import pytest

pytest.importorskip("sklearn")

from rootward.errors import InputError, MissingExtraError, PairsError, UnknownIdError
from rootward.evaluation import Baselines, Predictions, baselines, closure_in, measure_nodes
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.texts import Texts
from shoes import shoes

LEARNT = [
    ("rubber boots for rainy weather", "rain boots"),
    ("waterproof boots for rain", "rain boots"),
    ("boots for walking in the mountains", "hiking boots"),
    ("mountain boots with ankle support", "hiking boots"),
    ("beach slippers", "flip-flops"),
    ("thin slippers for the beach", "flip-flops"),
]
ASKED = [("boots for rainy days", "rain boots"), ("mountain walking boots", "hiking boots"), ("slippers", "flip-flops")]


def labelled(labels, nodes_too, named=()):
    """Pairs of these (text, node), beside the nodes themselves, of which few have names."""
    tree = shoes()
    closure = tree.ancestors([*(tree.ids if nodes_too else ()), *(node for _, node in labels)])
    names = [*(node if node in named else "" for node in tree.ids if nodes_too), *(text for text, _ in labels)]
    ids = Ids([*(tree.ids if nodes_too else ()), *(f"text {i}" for i in range(len(labels)))])
    queries = np.repeat(np.arange(len(ids)), np.diff(closure.offsets))
    texts = Texts(tuple(names), ((),) * len(names), ("",) * len(names))
    return Pairs.from_arrays(ids, tree.ids, queries, closure.ancestors, closure.distances, query_texts=texts)


TRAIN, TEST = labelled(LEARNT, True), labelled(ASKED, False)


class Letters:
    """An encoder that counts letters."""

    def encode(self, texts):
        return np.array([[text.count(chr(97 + i)) for i in range(26)] for text in texts], np.float32)


def test_every_method_names_the_right_nodes_and_answers_with_their_ancestors():
    found = baselines(TRAIN, TEST, encoder=Letters(), bootstrap=20)
    assert [row.name for row in found.rows] == ["tfidf", "svm", "encoder", "encoder+logreg"]
    assert found.n_train == 6, "nodes without a name are no texts"
    for name in ("tfidf", "svm"):
        row = found[name]
        assert (row.report.accuracy.value, row.report.f1.value, row.report.exact.value) == (1, 1, 1)
        assert row.predictions.named.tolist() == TRAIN.document_ids.rows(node for _, node in ASKED).tolist()
    assert found["encoder"].report.hit10.value == 1
    assert [each.name for each in found["tfidf"].report.by_labels] == ["1-3"]
    assert "learnt from 6 labelled texts" in str(found)


def test_a_name_that_is_the_id_is_a_text():
    assert baselines(labelled(LEARNT, True, named=["boots"]), TEST, which=["tfidf"]).n_train == 7


def test_ours_is_compared_text_by_text():
    named = np.full((3, 1), TRAIN.document_ids.row("flip-flops"))
    ours = measure_nodes(Predictions.from_ranked(np.arange(3), named, closure_in(TRAIN)), TEST, label="ours")
    found = baselines(TRAIN, TEST, which=["tfidf"], ours=ours, bootstrap=50)
    row = found["tfidf"]
    assert row.accuracy.value == pytest.approx(-2 / 3)
    # footwear alone is shared with either pair of boots: 4 + 1 + 1 of 4 + 4 + 4 answered and 4 + 3 + 3 true
    assert row.f1.value == pytest.approx(2 * 6 / 22 - 1)
    assert row.accuracy.low < -0.5 < row.accuracy.high <= 0
    assert "-66.67" in str(found)
    assert "ours - it" in found.to_markdown()


def test_a_table_of_baselines_is_saved_and_loaded(tmp_path):
    found = baselines(TRAIN, TEST, which=["tfidf"], bootstrap=20)
    loaded = Baselines.load(found.save(tmp_path / "b.json"))
    assert loaded["tfidf"].report == found["tfidf"].report
    assert loaded["tfidf"].predictions is None


def test_what_cannot_be_run_is_skipped_with_the_reason(monkeypatch):
    found = baselines(TRAIN, TEST, which=["encoder"])
    assert (found.rows[0].report, "no sentence encoder" in found.rows[0].skipped) == (None, True)
    monkeypatch.setattr(sys.modules["rootward.evaluation.baselines"], "MOST_CLASSES", 2)
    found = baselines(TRAIN, TEST, which=["svm"])
    assert "3 nodes have texts" in str(found)


def test_measured_texts_that_are_learnt_from_are_counted_and_not_measured_alone():
    known = labelled([*LEARNT, ("  Slippers!", "flip-flops")], True)
    found = baselines(known, TEST, which=["tfidf"], bootstrap=20)
    assert (found.n_train, found.n_known) == (7, 1)
    assert "training texts too, in some spelling: 1" in str(found)
    assert found["tfidf"].report.texts == "partly held-out"
    with pytest.raises(PairsError, match="held-out texts"):
        baselines(TEST, TEST, which=["tfidf"])


def test_what_the_user_got_wrong(monkeypatch):
    with pytest.raises(InputError, match="A baseline is one of tfidf"):
        baselines(TRAIN, TEST, which=["bm25"])
    with pytest.raises(UnknownIdError, match="clogs"):
        baselines(TRAIN, Pairs.from_table([("wooden shoes", "clogs", 0)]))
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtraError, match="sklearn"):
        baselines(TRAIN, TEST)
