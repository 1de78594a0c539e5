"""Named nodes: right answers by hand on the shoe shop, and the same figures as an independent scorer."""

import csv
import importlib.util
import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from rootward.csr import offsets_of
from rootward.errors import InputError, PairsError
from rootward.evaluation import (
    NodeReport,
    Predictions,
    Report,
    closure_in,
    compare_nodes,
    evaluate,
    measure_nodes,
    named_queries,
    predict_nodes,
)
from rootward.hierarchy import Hierarchy
from rootward.ids import Ids
from rootward.pairs import Pairs
from shoes import EDGES, shoes

SCORER = Path(__file__).parents[3] / "shared" / "tasks" / "score.py"


def predictions(documents, rows, said):
    """Predictions from (node or None, answers, candidates) of each query."""
    width = max(1, *(len(ranked) for _, _, ranked in said))
    ranked = np.full((len(said), width), -1)
    for row, (_, _, candidates) in enumerate(said):
        ranked[row, : len(candidates)] = documents.rows(candidates)
    return Predictions(
        np.asarray(rows),
        np.array([-1 if node is None else documents.row(node) for node, _, _ in said]),
        offsets_of([len(answers) for _, answers, _ in said]),
        documents.rows(each for _, answers, _ in said for each in answers),
        ranked,
    )


def texts_of(tree, nodes):
    """Pairs of one text for each of these nodes, beside the nodes themselves; and the rows of the texts."""
    own = tree.pairs()
    closure = tree.ancestors(nodes)
    texts = Ids([*own.query_ids, *(f"text {i}" for i in range(len(nodes)))])
    pairs = Pairs.from_arrays(
        texts,
        own.document_ids,
        np.r_[own.query_of, len(own.query_ids) + np.repeat(np.arange(len(nodes)), np.diff(closure.offsets))],
        np.r_[own.documents, closure.ancestors],
        np.r_[own.distances, closure.distances],
    )
    return pairs, len(own.query_ids) + np.arange(len(nodes))


def report_of(said, nodes, **options):
    tree = shoes()
    pairs, rows = texts_of(tree, nodes)
    return measure_nodes(predictions(tree.ids, rows, said), pairs, **options)


def test_a_shop_by_hand():
    above = {node: [each for each in shoes().ids if each in ancestors(node)] for node, _ in EDGES}
    said = [
        ("flip-flops", above["flip-flops"], ["flip-flops", "sandals"]),  # right
        ("hiking sandals", above["hiking sandals"], ["hiking sandals", "flip-flops"]),  # a sibling
        ("shoes", above["shoes"], ["shoes", "boots", "footwear"]),  # too high
        (None, [], []),  # nothing
    ]
    found = report_of(said, ["flip-flops", "flip-flops", "kids' sneakers", "rain boots"], bootstrap=0)
    assert found.accuracy.value == 1 / 4
    assert found.mrr.value == (1 + 1 / 2) / 4
    assert (found.hit1.value, found.hit5.value) == (1 / 4, 2 / 4)
    # answered 4 + 4 + 2 + 0, true 4 + 4 + 5 + 3, both 4 + 3 + 2 + 0
    assert found.precision.value == pytest.approx(9 / 10)
    assert found.recall.value == pytest.approx(9 / 16)
    assert found.f1.value == pytest.approx(18 / 26)
    assert found.mean_f1.value == pytest.approx((1 + 6 / 8 + 4 / 7 + 0) / 4)
    assert found.exact.value == 1 / 4
    # 0; flip-flops to hiking sandals 2; kids' sneakers to shoes 2; nothing named: depth 2 of rain boots + 1
    assert found.hops_counts == (1, 0, 2, 1)
    assert found.hops.value == 7 / 4
    assert found.macro.value == pytest.approx((1 / 2 + 0 + 0) / 3)
    assert [(each.name, each.n_queries, each.n_nodes, each.accuracy) for each in found.by_depth] == [
        ("2", 1, 1, 0),
        ("3", 3, 2, 1 / 3),
    ]


def ancestors(node):
    tree = shoes()
    found = tree.ancestors([node])
    return {tree.ids[row] for row in found.ancestors.tolist()}


def test_hops_in_a_dag_go_through_the_nearest_common_ancestor():
    ways = {("kids' sneakers", "kids' shoes"): 1, ("kids' sneakers", "running shoes"): 2, ("boots", "flip-flops"): 4}
    for (named, true), hops in ways.items():
        assert report_of([(named, [named], [named])], [true], bootstrap=0).hops.value == hops


def test_two_trees_meet_above_their_roots():
    tree = Hierarchy.from_edges([("b", "a"), ("y", "x")])
    pairs, rows = texts_of(tree, ["b"])
    assert measure_nodes(predictions(tree.ids, rows, [("y", ["y"], ["y"])]), pairs, bootstrap=0).hops.value == 4


def test_any_of_several_true_nodes_is_right_and_the_nearest_counts():
    tree = shoes()
    own = tree.pairs()
    both = tree.ids.rows(["rain boots", "flip-flops"])
    rest = tree.ids.rows(["boots", "sandals", "shoes", "footwear"])
    pairs = Pairs.from_arrays(
        Ids([*own.query_ids, "wet feet"]),
        own.document_ids,
        np.r_[own.query_of, [12] * 6],
        np.r_[own.documents, both, rest],
        np.r_[own.distances, 0, 0, 1, 1, 2, 2],
    )
    for named, right, hops in (("flip-flops", 1, 0), ("rain boots", 1, 0), ("hiking sandals", 0, 2)):
        found = measure_nodes(predictions(tree.ids, [12], [(named, [named], [named])]), pairs, bootstrap=0)
        assert (found.accuracy.value, found.hops.value, found.n_nodes) == (right, hops, 2)


def test_nodes_by_how_many_labels_they_have():
    labels = np.zeros(12, np.int64)
    ids = shoes().ids
    labels[ids.rows(["flip-flops", "rain boots"])] = 3, 64
    said = [("flip-flops", [], []), ("boots", [], []), ("boots", [], [])]
    found = report_of(said, ["flip-flops", "rain boots", "hiking boots"], n_labels=labels, bootstrap=0)
    assert [(each.name, each.accuracy) for each in found.by_labels] == [("0", 0), ("1-3", 1), ("64+", 0)]


def test_closure_is_what_the_hierarchy_says():
    tree = shoes()
    found, right = closure_in(tree.pairs()), tree.ancestors()
    for name in ("rows", "offsets", "ancestors", "distances"):
        assert np.array_equal(getattr(found, name), getattr(right, name))


def test_documents_that_no_query_names_have_only_themselves():
    found = closure_in(Pairs.from_table([("pumps", "shoes", 0), ("pumps", "footwear", 1)]))
    assert (found.offsets.tolist(), found.ancestors.tolist()) == ([0, 2, 3], [0, 1, 1])


def random_case(seed, n_queries=60):
    rng = np.random.default_rng(seed)
    tree = Hierarchy.random_dag(40, seed=seed)
    nodes = [tree.ids[row] for row in rng.integers(40, size=n_queries).tolist()]
    said = []
    for node in nodes:
        ranked = [tree.ids[row] for row in rng.permutation(40)[:8].tolist()]
        if rng.random() < 0.5:
            ranked[0:1] = [node, *(each for each in ranked[:1] if each != node)]
            ranked = list(dict.fromkeys(ranked))
        answers = [tree.ids[row] for row in rng.permutation(40)[: rng.integers(6)].tolist()]
        said.append((None, answers, []) if rng.random() < 0.1 else (ranked[0], answers, ranked))
    return tree, nodes, said


@pytest.mark.skipif(not SCORER.is_file(), reason="the independent scorer is not there")
@pytest.mark.parametrize("seed", range(5))
def test_figures_are_those_of_an_independent_scorer(seed, tmp_path, capsys):
    spec = importlib.util.spec_from_file_location("score", SCORER)
    score = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(score)
    tree, nodes, said = random_case(seed)
    with (tmp_path / "edges.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("child", "parent"), *((root, "") for root in tree.roots), *tree.edges()])
    with (tmp_path / "test.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "node"), *((f"text {i}", node) for i, node in enumerate(nodes))])
    lines = [json.dumps({"node": n, "answers": a, "ranked": r}) for n, a, r in said]
    (tmp_path / "p.jsonl").write_text("\n".join(lines))
    score.main(tmp_path, tmp_path / "p.jsonl")
    right = json.loads(capsys.readouterr().out)
    pairs, rows = texts_of(tree, nodes)
    found = measure_nodes(predictions(tree.ids, rows, said), pairs, bootstrap=200)
    names = {"acc@1": "accuracy", "hP": "precision", "hR": "recall", "hF": "f1", "set_f1": "mean_f1"}
    for theirs, ours in {**names, "exact_set": "exact", "mrr": "mrr", "hit@5": "hit5"}.items():
        assert 100 * getattr(found, ours).value == pytest.approx(right[theirs], abs=0.006), theirs
    assert found.hops.value == pytest.approx(right["hops"], abs=0.006)
    assert 100 * found.f1.low == pytest.approx(right["hF_95"][0], abs=3)


def test_a_report_prints_saves_and_loads(tmp_path):
    found = report_of([("boots", ["boots"], ["boots"])] * 2, ["boots", "shoes"], label="shop", texts="held-out")
    assert "shop: 2 held-out texts, 2 nodes of 12" in str(found)
    assert "hierarchical F1 (hF)" in str(found)
    assert (found.accuracy.low, found.accuracy.high) == (0, 1)
    loaded = NodeReport.load(found.save(tmp_path / "r.json"))
    assert loaded == found
    assert "| named node right (accuracy@1) | 50.00 |" in found.save(tmp_path / "r.md").read_text()
    with pytest.raises(InputError, match="measure again"):
        compare_nodes(found, loaded)


def test_a_report_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    assert report_of([("boots", ["boots"], ["boots"])], ["shoes"]).plot(tmp_path / "r.svg").is_file()


def test_two_reports_are_compared_text_by_text():
    nodes = ["boots", "shoes"] * 20
    good = report_of([(node, ["footwear", node], [node]) for node in nodes], nodes)
    half = report_of([("boots", ["boots"], ["boots"])] * 40, nodes)
    found = compare_nodes(half, good)
    assert found["accuracy"].value == 1 / 2
    assert found["accuracy"].low > 0.3
    assert (found["hops"].value, compare_nodes(good, good)["f1"].high) == (-1, 0)
    with pytest.raises(InputError, match="different pairs"):
        compare_nodes(half, report_of([("boots", [], [])], ["boots"]))


def test_queries_without_an_exact_document_are_refused():
    pairs = Pairs.from_table([("pumps", "shoes", 1), ("clogs", "clogs", 0)])
    assert named_queries(pairs).tolist() == [1]
    with pytest.raises(PairsError, match="distance 0"):
        measure_nodes(Predictions.from_ranked(np.array([0]), [[0]], closure_in(pairs)), pairs)


def test_the_node_of_vectors_is_the_answer_shown_first():
    tree = shoes()
    pairs = tree.pairs()
    documents = torch.eye(12)
    queries = torch.zeros(12, 12)
    queries[pairs.query_of, pairs.documents] = 1
    found = predict_nodes(queries, documents, pairs)
    assert found.named.tolist() == list(range(12))
    report = measure_nodes(found, pairs, bootstrap=0)
    assert (report.f1.value, report.exact.value, report.hit1.value) == (1, 1, 1)
    sandals = found.ranked[tree.ids.row("hiking sandals")].tolist()
    assert sandals[0] == tree.ids.row("hiking sandals")
    assert not set(sandals[1:9]) & set(tree.ids.rows(["sandals", "shoes", "footwear"]).tolist()), "they stand above it"
    ends = np.full(12, 0.5, np.float32)
    ends[tree.ids.row("boots")] = np.nan
    ended = predict_nodes(queries, documents, pairs, thresholds=ends)
    assert ended.named.tolist() == [-1 if node == "boots" else row for row, node in enumerate(tree.ids)]
    sizes = np.where(np.array(tree.ids) == "boots", 0, pairs.sizes)
    assert np.diff(ended.offsets).tolist() == sizes.tolist()
    assert (np.sort(ended.ranked[0]) == np.sort(found.ranked[0])).all()


def test_evaluate_adds_named_nodes_where_asked():
    tree = shoes()
    pairs = tree.pairs()

    class Perfect:
        query_ids = document_ids = tree.ids
        heights, dim = pairs.heights, 12

        def query_vectors(self, rows=None):
            vectors = torch.zeros(12, 12)
            vectors[pairs.query_of, pairs.documents] = 1
            return vectors[rows]

        def document_vectors(self, rows=None):
            return torch.eye(12)[rows]

    plain, found = (evaluate(Perfect(), pairs, bootstrap=0, nodes=nodes) for nodes in (False, True))
    assert plain.nodes is None
    assert (found.nodes.accuracy.value, found.nodes.texts) == (1, None)
    assert Report.from_json(found.to_json()) == found
    assert "named node right" in str(found)
    assert found.overall == plain.overall


def test_thousands_of_texts_take_a_moment():
    tree = Hierarchy.perfect_tree(9, 3)
    rng = np.random.default_rng(0)
    closure = tree.ancestors()
    nodes = rng.integers(len(tree), size=4_000)
    pairs, rows = texts_of(tree, [tree.ids[row] for row in nodes.tolist()])
    ranked = rng.integers(len(tree), size=(4_000, 10))
    ranked[::2, 0] = nodes[::2]
    start = time.perf_counter()
    found = measure_nodes(Predictions.from_ranked(rows, ranked, closure), pairs, closure=closure)
    assert found.accuracy.value == pytest.approx(0.5, abs=0.001)
    assert time.perf_counter() - start < 10
