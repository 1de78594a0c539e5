"""Every planted fault is called by its name. At full size: benchmarks/diagnose.py."""

import numpy as np
import pytest
import torch

import planted
import rootward as rw
from rootward.diagnosis import Diagnosis
from rootward.diagnosis.facts import Known
from rootward.hierarchy import Hierarchy

TREE = Hierarchy.perfect_tree(height=4, width=5, root=False).pairs()
SHORT = {"epochs": 30}
CASES = {
    "healthy": (planted.healthy, SHORT),
    "sampling bias": (planted.in_batch, {"dim": 3, "steps": 200, "batch_size": 512}),
    "under-training": (planted.too_short, {"epochs": 2}),
    "capacity": (planted.too_small, {"dim": 2, **SHORT}),
    "data": (planted.wrong_pairs, {"share": 0.1, **SHORT}),
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("fault", CASES)
def test_the_planted_fault_is_named(fault, seed):
    plant, options = CASES[fault]
    pairs, queries, documents = plant(TREE, seed, **options)
    found = rw.diagnose(queries, documents, pairs, seed=seed)
    assert found.cause == fault, str(found)
    assert found.verdict.evidence
    assert found.verdict.advice


def test_texts_that_were_trained_on_are_never_healthy():
    pairs, queries, documents = planted.healthy(TREE, 0, **SHORT)
    found = rw.diagnose(queries, documents, pairs, texts="trained on")
    assert found.cause == "unclear"
    assert "for texts that it was trained on" in found.verdict.finding
    assert "--labels FILE" in found.verdict.advice[0]
    assert rw.diagnose(queries, documents, pairs, texts="held-out").cause == "healthy"


def test_held_out_texts_that_are_missed_are_a_matter_of_generalisation(short):
    """All that was trained on is found, so neither more training nor more dimensions will help."""
    pairs, queries, documents = short
    known = Known(recipe="decoupled", in_batch=False, far_only=False, finished=True, recall=0.999)
    found = rw.diagnose(queries, documents, pairs, texts="held-out", known=known)
    assert found.cause == "generalisation", str(found)
    assert "99.9 % for what it was trained on" in found.verdict.evidence[0]
    assert found.facts.same_dim is None


@pytest.fixture(scope="module")
def short():
    return planted.too_short(TREE, 0, epochs=2)


def test_nothing_that_was_given_is_changed_and_the_same_seed_says_the_same(short):
    pairs, queries, documents = short
    before = queries.clone(), documents.clone()
    first, again = (rw.diagnose(queries, documents, pairs, seed=3) for _ in range(2))
    assert first.facts == again.facts
    assert first.verdict == again.verdict
    assert torch.equal(before[0], queries)
    assert torch.equal(before[1], documents)


def test_the_order_of_rows_does_not_matter(short):
    pairs, queries, documents = short
    rng = np.random.default_rng(0)
    q, d = rng.permutation(pairs.n_queries), rng.permutation(pairs.n_documents)
    moved = rw.Pairs.from_arrays(
        pairs.query_ids.take(q),
        pairs.document_ids.take(d),
        np.argsort(q)[pairs.query_of],
        np.argsort(d)[pairs.documents],
        pairs.distances,
    )
    as_it_was = rw.diagnose(queries, documents, pairs, probes=False).facts
    permuted = rw.diagnose(queries[torch.from_numpy(q)], documents[torch.from_numpy(d)], moved, probes=False).facts
    assert permuted.overall == pytest.approx(as_it_was.overall)
    assert [part.recall for part in permuted.by_generality] == pytest.approx(
        [part.recall for part in as_it_was.by_generality]
    )
    assert permuted.bias.lean == pytest.approx(as_it_was.bias.lean, abs=1e-5)
    assert permuted.documents.effective_rank == pytest.approx(as_it_was.documents.effective_rank, rel=1e-4)


def test_queries_whose_rows_are_shuffled_are_no_training_problem(short):
    pairs, queries, documents = planted.healthy(TREE, 0, **SHORT)
    order = torch.randperm(len(queries), generator=torch.Generator().manual_seed(0))
    found = rw.diagnose(queries[order], documents, pairs, probes=False)
    assert found.cause == "data"
    assert "do not belong to the ids" in found.verdict.finding


def test_a_diagnosis_prints_saves_and_loads(short, tmp_path):
    pytest.importorskip("matplotlib")
    pairs, queries, documents = short
    found = rw.diagnose(queries, documents, pairs, label="mine", probes=False)
    assert Diagnosis.load(found.save(tmp_path / "d.json")) == found
    text = str(found)
    assert text.startswith("mine: 155 queries, 155 documents, 430 pairs, dim 64")
    assert "Next:" in text
    assert found.plot(tmp_path / "d.svg").read_text().lstrip().startswith("<?xml")
    with pytest.raises(rw.errors.InputError, match=r"saved as \.json"):
        found.save(tmp_path / "d.txt")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(rw.errors.InputError, match="is not a diagnosis"):
        Diagnosis.load(tmp_path / "bad.json")


@pytest.mark.parametrize(
    ("queries", "documents", "message"),
    [
        (np.zeros((154, 2)), np.zeros((155, 2)), "155 query ids and need as many query vectors, row i"),
        (np.zeros((155, 2)), np.zeros((155, 3)), "one width"),
        (np.full((155, 2), np.nan), np.zeros((155, 2)), "NaN or infinite"),
        ([["a"]], [["b"]], "matrices of numbers"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(queries, documents, message):
    with pytest.raises(rw.errors.InputError, match=message):
        rw.diagnose(queries, documents, TREE)


def test_pairs_that_are_not_there_cannot_be_diagnosed():
    empty = TREE.keep(np.zeros(len(TREE), bool))
    with pytest.raises(rw.errors.PairsError, match="no pairs"):
        rw.diagnose(np.zeros((155, 2)), np.zeros((155, 2)), empty)


def test_collapsed_vectors_are_seen():
    ones = np.ones((155, 4), np.float32)
    found = rw.diagnose(ones, ones, TREE, probes=False)
    assert found.facts.overall == 0
    assert found.facts.documents.duplicates == found.facts.documents.collapsed == 1
    assert any("collapsed" in line for line in found.verdict.evidence)
