"""HyperLex and hyperbolic embeddings: what is read, what a word can mean, distances by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from rootward import Hierarchy
from rootward.errors import InputError, TableError
from rootward_paper.baseline_models import (
    Hyperbolic,
    lorentz,
    poincare,
    points,
    scored_recall,
    scores_of,
    train_hyperbolic,
)
from rootward_paper.measuring import pairs_of
from rootward_paper.registry import reproduce, study_table
from rootward_paper.table2 import Rated, Senses, correlation, oracle, read_hyperlex, wordnet_senses


@pytest.fixture(scope="module")
def tree() -> Hierarchy:
    return wordnet_senses()[0]


@pytest.fixture(scope="module")
def senses() -> Senses:
    return wordnet_senses()[1]


def test_noun_pairs_are_read_and_verbs_left_out(ratings: Path) -> None:
    rated = read_hyperlex(ratings)
    assert rated.pairs == (("cat", "animal"), ("recliner", "furniture"), ("chair", "cat"), ("animal", "cat"))
    assert rated.ratings.tolist() == [5.9, 5.5, 0.1, 2.0]


def test_without_the_file_it_is_said_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="states no licence"):
        reproduce("table2", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(TableError, match="There is no file"):
        read_hyperlex(tmp_path / "nowhere.txt")
    with pytest.raises(TableError, match="is a folder; needed is the file"):
        read_hyperlex(tmp_path)
    (tmp_path / "other.txt").write_text("a b c\n")
    with pytest.raises(TableError, match="no column 'WORD1'"):
        read_hyperlex(tmp_path / "other.txt")


def test_a_word_means_its_synsets_commonest_first(tree: Hierarchy, senses: Senses) -> None:
    assert tree.ids[senses.of("cat")[0]] == "cat.n.01"
    assert tree.ids[senses.of("easy-chair")[0]] == "easy_chair.n.01"
    assert senses.of("cats") == senses.of("cat")
    assert senses.of("xyzzy") == []


def test_the_oracle_knows_which_way_is_up(ratings: Path, tree: Hierarchy, senses: Senses) -> None:
    rated = read_hyperlex(ratings)
    scores = oracle(tree, rated, senses)
    assert scores[:2].tolist() == [1.0, 1.0]
    assert (scores[2:] < 0.5).all()
    assert correlation(scores, rated) > 0.7


def test_a_pair_without_a_sense_has_the_lowest_score() -> None:
    rated = Rated((("a", "b"), ("c", "d"), ("e", "f")), np.array([0.0, 3.0, 6.0]))
    assert correlation(np.array([np.nan, -5.0, 2.0]), rated) == pytest.approx(1.0)


def test_table2_stands_beside_the_published(tiny) -> None:
    study = tiny("table2")[0]
    learned = [row for row in study.rows if row["dim"] is not None]
    assert [row["senses"] for row in learned] == ["best", "first"]
    assert learned[0]["rho"] > 0.5
    assert "published: Poincare" in study_table(study)


def test_hyperbolic_distances_by_hand() -> None:
    origin = torch.zeros(1, 2, dtype=torch.float64)
    half = torch.tensor([[0.5, 0.0]], dtype=torch.float64)
    far = torch.tensor([[0.0, 0.999999]], dtype=torch.float64)
    assert float(poincare(origin, half)) == pytest.approx(2 * math.atanh(0.5), abs=1e-6)
    assert float(lorentz(half, far)) == pytest.approx(float(poincare(half, far)), abs=1e-6)


def test_no_point_leaves_the_ball() -> None:
    wild = torch.tensor([[3.0, -4.0, 50.0], [0.1, 0.0, -50.0]], dtype=torch.float64)
    norms = points(wild).norm(dim=1)
    assert 0 <= float(norms[1]) < float(norms[0]) < 1


@pytest.mark.parametrize("space", ["poincare", "lorentz"])
def test_hyperbolic_embeddings_learn_a_tree(space) -> None:
    pairs = pairs_of("tree")
    rows = np.arange(pairs.n_queries)
    model = Hyperbolic.begin(pairs, 5, space, 0)
    before = scored_recall(scores_of(model), pairs, rows).overall
    train_hyperbolic(model, pairs, steps=60, batch_size=256, learning_rate=0.1, scale=5.0, seed=0)
    assert before < 0.1
    assert scored_recall(scores_of(model), pairs, rows).overall > 0.4


def test_hyperbolic_recall_is_what_counting_gives() -> None:
    pairs = pairs_of("tree")
    model = Hyperbolic.begin(pairs, 4, "lorentz", 1)
    scores = model.scores(model.queries, model.documents).numpy()
    hits = []
    for q in range(pairs.n_queries):
        wanted = pairs.documents[pairs.offsets[q] : pairs.offsets[q + 1]]
        hits.append(np.isin(wanted, np.argsort(-scores[q])[: len(wanted)]).mean())
    assert scored_recall(scores_of(model), pairs, np.arange(pairs.n_queries)).overall == pytest.approx(np.mean(hits))
