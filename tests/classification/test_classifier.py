"""Named nodes from labelled texts: who is held out, what is answered, and what a saved classifier gives."""

import itertools
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import check_grad
from scipy.sparse import csr_array

import rootward as rw
from rootward.classification import Classifier, tuning
from rootward.classification import linear as linear_module
from rootward.classification.classifier import (
    held_out_rows,
    labelled_texts,
)
from rootward.classification.linear import fit_linear, principal_directions
from rootward.classification.tuning import TunedEncoder, _in_tree_order, tune
from rootward.classification.weights import Weights, calibration_error, fitted_weights, sureness
from rootward.encoders.pretrained import Encoder, new_encoder
from rootward.errors import InputError, PairsError, RunFolderError
from rootward.evaluation.naming import closure_in
from rootward.ids import Ids
from rootward.texts import Texts, normal_form
from rootward.training.session import Display

PARENT = {"shoes": None, "boots": "shoes", "sandals": "shoes", "tools": None, "hammers": "tools", "saws": "tools"}
WORDS = {
    "boots": ["leather", "winter", "ankle", "hiking", "rubber", "work"],
    "sandals": ["beach", "summer", "strap", "open", "pool", "cork"],
    "hammers": ["claw", "sledge", "mallet", "framing", "ball", "tack"],
    "saws": ["hand", "band", "hack", "coping", "circular", "chain"],
}
KIND = {"boots": "boot", "sandals": "sandal", "hammers": "hammer", "saws": "saw"}


def shop_labels() -> list[tuple[str, str]]:
    """Fifteen texts for each of the four kinds, such as "winter ankle boot"."""
    return [
        (f"{one} {two} {KIND[node]}", node)
        for node, words in WORDS.items()
        for i, one in enumerate(words)
        for two in words[i + 1 :]
    ]


def pairs_of(labels: list[tuple[str, str]]) -> rw.Pairs:
    """The nodes as queries, then each text with its node and all above it."""
    ids = list(PARENT)

    def above(node: str | None) -> list[str]:
        return [] if node is None else [node, *above(PARENT[node])]

    rows, documents, distances = [], [], []
    for row, node in enumerate([*ids, *(node for _, node in labels)]):
        for hops, each in enumerate(above(node)):
            rows.append(row)
            documents.append(ids.index(each))
            distances.append(hops)
    names = (*ids, *(text for text, _ in labels))
    texts = Texts(names, ((),) * len(names), ("",) * len(names))
    queries = Ids([*ids, *(f"label {i}" for i in range(len(labels)))])
    return rw.Pairs.from_arrays(
        queries, Ids(ids), np.array(rows), np.array(documents), np.array(distances),
        query_texts=texts, document_texts=texts.take(np.arange(len(ids))),
    )  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    settings = rw.Settings(progress=False, measure=False)
    out = tmp_path_factory.mktemp("runs") / "shop"
    return Classifier.fit(
        pairs_of(shop_labels()), recipe=rw.recipes.decoupled(steps=60), dim=16, out=out, settings=settings
    )


def test_labels_are_held_out_and_every_node_keeps_a_text():
    labels = [*shop_labels(), ("Winter, Ankle BOOT", "boots")]  # another spelling of a text that is there
    pairs = pairs_of(labels)
    rows, nodes = labelled_texts(pairs)
    held = held_out_rows(pairs, rows, nodes, seed=0)
    assert len(rows) == len(PARENT) + len(labels)
    assert 12 <= len(held) <= 22
    assert held.min() >= len(PARENT)  # no name
    forms = [normal_form(pairs.query_texts.names[row]) for row in range(pairs.n_queries)]
    kept = set(range(pairs.n_queries)) - set(held.tolist())
    assert not {forms[row] for row in held.tolist()} & {forms[row] for row in kept}
    assert set(nodes[~np.isin(rows, held)].tolist()) == set(range(len(PARENT)))


def test_one_label_a_node_cannot_be_measured():
    labels = [(f"{words[0]} {KIND[node]}", node) for node, words in WORDS.items()]
    rows, nodes = labelled_texts(pairs_of(labels))
    with pytest.raises(PairsError, match="Only 4 labelled texts can be held out, and 20 are needed"):
        held_out_rows(pairs_of(labels), rows, nodes, seed=0)


def test_a_classifier_that_was_interrupted_goes_on_to_the_same_answers(shop, tmp_path, monkeypatch):
    settings, steps = rw.Settings(progress=False, measure=False), itertools.count(1)
    how = {"recipe": rw.recipes.decoupled(steps=60), "dim": 16, "settings": settings}
    last = 60 + 30  # the trial has 60 steps
    monkeypatch.setattr(
        Display, "stepped", lambda *_: os.kill(os.getpid(), signal.SIGINT) if next(steps) == last else None
    )
    with pytest.raises(KeyboardInterrupt):
        Classifier.fit(pairs_of(shop_labels()), out=tmp_path / "run", **how)
    assert not rw.Run.load(tmp_path / "run").finished
    monkeypatch.undo()
    with pytest.raises(RunFolderError, match="no classifier yet: its training was interrupted"):
        rw.Searcher.open(tmp_path / "run")
    again = Classifier.resume(tmp_path / "run", settings=settings)
    for name in ("evidence.safetensors", "held_out.safetensors", "report.json"):
        files = (run / "classifier" / name for run in (shop.run.folder, tmp_path / "run"))
        assert len({path.read_bytes() for path in files}) == 1, name
    assert again.weights == shop.weights
    assert Classifier.load(tmp_path / "run").answer("rubber winter boot") == shop.answer("rubber winter boot")
    with pytest.raises(InputError, match="is finished, and has its classifier"):
        Classifier.resume(tmp_path / "run")


def test_a_text_names_its_node_and_everything_above(shop):
    answer = shop.answer("rubber winter boot")
    assert answer.node == "boots"
    assert answer.ranked[0] == "boots"
    assert set(answer.answers) == {"boots", "shoes"}
    assert answer.answers[0] == "boots"
    assert 0.4 < answer.probability <= 1
    assert shop.report.accuracy.value > 0.9  # every held-out text has the word for its kind


def test_answer_sets_are_closed_upwards(shop):
    for answer in shop.answers(["leather", "saw", "strap hammer", "work", "open chain"]):
        for node in answer.answers:
            assert PARENT[node] is None or PARENT[node] in answer.answers
        assert all(chance >= shop.weights.floor for chance in answer.probabilities)


def test_nothing_fits_what_has_no_known_word(shop):
    for text in ("zqxv", "", "!!!"):
        answer = shop.answer(text)
        assert (answer.node, answer.answers, answer.probability) == (None, (), 0.0)


def test_a_searcher_of_the_run_answers_by_the_classifier(shop):
    searcher = rw.Searcher.open(shop.run.folder)
    found = searcher.answers(["rubber work boot", "xyzzy"])
    assert [(each.node, each.probability) for each in found] == [
        (shop.answer(text).node, pytest.approx(shop.answer(text).probability)) for text in ("rubber work boot", "xyzzy")
    ]
    assert found.ids == [["boots", "shoes"], []]
    assert all(match.accepted and match.probability == pytest.approx(match.score) for match in found[0])
    assert found[0][0].path == ("shoes", "boots")
    assert "nothing fits" in str(found[1])


def test_a_search_by_the_classifier_shows_what_is_less_likely_below_the_answer_set(shop):
    searcher = rw.Searcher.open(shop.run.folder)
    (found,) = searcher.search("rubber work boot", 4)
    assert found.ids[:2] == ["boots", "shoes"]
    assert [match.accepted for match in found] == [True, True, False, False]
    (tools,) = searcher.search("rubber work boot", where=rw.Filter.below("tools"))
    assert set(tools.ids) <= {"tools", "hammers", "saws"}
    (known,) = searcher.search("boots", 2)
    assert [(match.id, match.hops) for match in known] == [("boots", 0), ("shoes", 1)]
    (many,) = searcher.search("rubber work boot", threshold=0.0)
    assert set(many.ids) == set(PARENT)
    (two,) = searcher.search("rubber work boot", threshold=0.0, cap=2)
    assert sorted(two.scores) == sorted(many.scores)[-2:]
    assert two.to_dict()["truncated"]


def test_blocks_of_texts_give_the_answers_of_single_ones(shop):
    texts = [text for text, _ in shop_labels()] * 5
    together = list(shop.answers(texts))
    assert [each.text for each in together] == texts
    for place in (0, 255, 256, 299):
        alone = shop.answer(texts[place])
        assert alone.node == together[place].node
        assert alone.probability == pytest.approx(together[place].probability, abs=1e-5)


def test_saved_and_loaded_it_answers_the_same(shop):
    loaded = Classifier.load(shop.run.folder)
    assert loaded.weights == shop.weights
    texts = ["rubber winter boot", "claw", "zqxv"]
    assert list(loaded.answers(texts)) == list(shop.answers(texts))
    assert loaded.report.accuracy == shop.report.accuracy


def test_a_run_without_a_classifier_says_how_to_make_one(tmp_path):
    pairs = pairs_of(shop_labels())
    model = rw.DualEncoder.text(pairs, "static", dim=8)
    settings = rw.Settings(progress=False, measure=False)
    rw.train(model, pairs, rw.recipes.decoupled(steps=2), out=tmp_path / "run", settings=settings)
    with pytest.raises(RunFolderError, match="has no classifier"):
        Classifier.load(tmp_path / "run")


def test_the_calibration_error_by_hand():
    # Two bins of five texts: says 0.9 and is right in 4 of 5; says 0.5 and is right in 1 of 5.
    chances, right = np.repeat([0.5, 0.9], 50), np.tile([True, True, True, True, False], 20)
    right[:50] = np.tile([True, False, False, False, False], 10)
    assert calibration_error(chances, right) == pytest.approx((0.3 + 0.1) / 2)


def test_weights_follow_the_measure_that_is_right():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((400, 6, 2)).astype(np.float32)
    right = np.zeros((400, 6), np.bool_)
    right[np.arange(400), values[:, :, 0].argmax(1)] = True  # the first measure knows
    weights = fitted_weights(values, right, ("trained", "encoder"))
    assert weights[0] > 5
    assert abs(weights[1]) < weights[0] / 10


def test_weights_without_texts_to_fit_on_are_the_usual_ones():
    weights = fitted_weights(np.zeros((3, 2, 1), np.float32), np.zeros((3, 2), np.bool_), ("linear",))
    np.testing.assert_allclose(weights, [0.6])


def test_the_gradient_of_the_linear_classifier(monkeypatch):
    rng = np.random.default_rng(0)
    features, classes = rng.standard_normal((12, 4)).astype(np.float32), np.arange(12) % 3
    hops = csr_array(np.array([[1, 0, 0, 2], [0, 1, 0, 2], [0, 0, 1, 0]], np.float32))
    seen = {}

    def spy(loss, start, **_):
        at = rng.standard_normal(start.size) / 50
        error = check_grad(lambda x: loss(x)[0], lambda x: loss(x)[1], at, epsilon=1e-3)
        seen["error"] = error / np.linalg.norm(loss(at)[1])
        return type("Found", (), {"x": start})

    monkeypatch.setattr(linear_module, "minimize", spy)
    fit_linear(features, classes, hops)
    assert seen["error"] < 0.02


def test_doubling_the_weight_of_a_text_is_having_it_twice():
    features = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    classes = np.array([0, 1, 2, 0, 1, 2])
    closure = csr_array(np.array([[1, 0, 0, 2], [0, 1, 0, 2], [0, 0, 1, 0]], np.float32))
    weights = np.array([1.0, 1, 2, 1, 1, 1])
    to_the_end = {"steps": 2_000, "penalty": 0.1}
    weighted = fit_linear(features, classes, closure, weights=weights, **to_the_end)
    twice = fit_linear(np.vstack([features, features[2:3]]), np.r_[classes, 2], closure, **to_the_end)
    alike = fit_linear(features, classes, closure, **to_the_end)
    assert np.allclose(weighted, twice, atol=0.01 * abs(twice).max())
    assert not np.allclose(weighted, alike, atol=0.03 * abs(twice).max())


def test_from_where_it_ended_the_linear_classifier_stays():
    features = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    classes = np.array([0, 1, 2, 0, 1, 2])
    closure = csr_array(np.array([[1, 0, 0, 2], [0, 1, 0, 2], [0, 0, 1, 0]], np.float32))
    ended = fit_linear(features, classes, closure, steps=2_000, penalty=0.1)
    further = fit_linear(features, classes, closure, steps=1, penalty=0.1, start=ended)
    anew = fit_linear(features, classes, closure, steps=1, penalty=0.1)
    assert np.allclose(further, ended, atol=1e-3 * abs(ended).max())
    assert not np.allclose(anew, ended, atol=0.1 * abs(ended).max())


def test_a_linear_classifier_moves_to_other_directions_and_classes(shop):
    own = shop.evidence
    assert own.linear is not None
    assert own.directions is not None
    turned = replace(own, directions=own.directions[:, ::-1].copy())
    np.testing.assert_allclose(turned._linear_in(own), _reversed(own, own.linear), atol=2e-3 * abs(own.linear).max())
    fewer = replace(own, classes=own.classes[1:], linear=own.linear[1:])
    moved = fewer._linear_in(own)
    assert not moved[0].any()
    assert moved[1:].any(1).all()


def _reversed(own, linear):
    n = 0 if own.outputs is None else own.outputs.shape[1]
    return np.hstack([linear[:, :n], linear[:, n:-1][:, ::-1], linear[:, -1:]])


def test_a_node_learns_from_texts_below_its_siblings_parent():
    # Class 0 and 1 stand below one node, class 2 elsewhere; a text of class 1 far from all is nearer to 0 than to 2.
    features = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]] * 4, np.float32)
    hops = csr_array(np.array([[1, 0, 0, 2], [0, 1, 0, 2], [0, 0, 1, 0]], np.float32))
    weights = fit_linear(features, np.array([0, 1, 2] * 4), hops)
    scores = np.array([0, 1, 0]) @ weights[:, :-1].T + weights[:, -1]
    assert scores[1] > scores[0] > scores[2]


def test_directions_are_those_of_the_singular_value_decomposition():
    rng = np.random.default_rng(0)
    dense = (rng.random((40, 30)) * (rng.random((40, 30)) < 0.3)).astype(np.float32)
    found = principal_directions(csr_array(dense), 5, seed=0)
    wanted = np.linalg.svd(dense)[2][:5].T
    np.testing.assert_allclose(found.T @ found, np.eye(5), atol=1e-4)
    assert np.linalg.svd(wanted.T @ found)[1].min() > 0.9


def test_the_same_seed_gives_the_same_answers(shop):
    again = Classifier.fit(
        pairs_of(shop_labels()), recipe=rw.recipes.decoupled(steps=60), dim=16,
        settings=rw.Settings(progress=False, measure=False),
    )  # fmt: skip
    assert again.weights == shop.weights
    assert torch.equal(again.evidence.model.query_tower.encode(), shop.evidence.model.query_tower.encode())
    assert closure_in(again.pairs).ancestors.tolist() == shop.closure.ancestors.tolist()


def test_probabilities_that_are_too_sure_are_lowered():
    # Of those said to be 0.9, 0.6 and 0.3 sure, 6, 5 and 4 of 10 are right.
    chances = np.repeat([0.9, 0.6, 0.3], 1000)
    right = np.concatenate([np.arange(1000) % 10 < tenths for tenths in (6, 5, 4)])
    found = Weights(measures=(), weights=(), sureness=sureness(chances, right)).calibrated(np.array([0.9, 0.6, 0.3]))
    np.testing.assert_allclose(found, [0.6, 0.5, 0.4], atol=0.02)
    assert Weights(measures=(), weights=()).calibrated(np.array([0.7]))[0] == pytest.approx(0.7)


def tiny_encoder(folder):
    texts = [text for text, _ in shop_labels()]
    return Encoder.of(new_encoder(texts, folder, layers=3, width=16, heads=2, mlp=32, vocabulary=300, longest=12))


def labels_and_rest():
    """(kept texts, their nodes, (held-out texts, their nodes), the closure)."""
    pairs = pairs_of(shop_labels())
    rows, nodes = labelled_texts(pairs)
    texts = [pairs.query_texts.names[row] for row in rows.tolist()]
    held = np.arange(len(texts)) % 5 == 0
    kept, other = ([texts[place] for place in np.flatnonzero(some)] for some in (~held, held))
    return kept, nodes[~held], (other, nodes[held]), closure_in(pairs)


def test_a_tuned_encoder_brings_texts_of_a_node_together(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "RATE", 3e-3)  # of an untrained encoder
    base = tiny_encoder(tmp_path / "tiny")
    kept, nodes, held, closure = labels_and_rest()
    tuned = tune(base, kept, nodes, closure, held, steps=40)
    assert tuned is not None

    def apart(encoder):
        """How much nearer two texts of one node are than two of different nodes."""
        vectors = torch.nn.functional.normalize(torch.from_numpy(encoder.encode(held[0]))).numpy()
        alike, same = vectors @ vectors.T, held[1][:, None] == held[1]
        return alike[same].mean() - alike[~same].mean()

    assert apart(tuned.encoder) > apart(base) + 0.01
    again = tune(base, kept, nodes, closure, held, steps=40)
    for name, weights in tuned.weights.items():
        assert torch.equal(weights, again.weights[name])
        assert ".0." not in name
        assert "embedding" not in name
    tuned.save(tmp_path / "weights.safetensors")
    loaded = TunedEncoder.load(tmp_path / "weights.safetensors", base)
    np.testing.assert_array_equal(loaded.encoder.encode(kept[:3]), tuned.encoder.encode(kept[:3]))


def test_what_is_no_model_or_has_one_text_a_node_is_not_tuned(tmp_path):
    class Letters:
        def encode(self, texts):
            return np.array([[text.count(letter) for letter in "abc"] for text in texts], np.float32)

    kept, nodes, held, closure = labels_and_rest()
    assert tune(Encoder.of(Letters()), kept, nodes, closure, held) is None
    first = np.unique(nodes, return_index=True)[1]
    one_each = [kept[place] for place in first]
    assert tune(tiny_encoder(tmp_path / "tiny"), one_each, nodes[first], closure, held) is None


def test_neighbours_in_the_taxonomy_follow_each_other():
    pairs = pairs_of([])
    ids = list(PARENT)
    order = _in_tree_order([ids.index(node) for node in ("saws", "boots", "hammers", "sandals")], closure_in(pairs))
    assert [ids[row] for row in order] == ["boots", "sandals", "hammers", "saws"]


def test_a_classifier_with_a_tuned_encoder_answers_the_same_when_loaded(tmp_path):
    base = tiny_encoder(tmp_path / "tiny")
    made = Classifier.fit(
        pairs_of(shop_labels()), encoder=base, recipe=rw.recipes.decoupled(steps=20), dim=8, out=tmp_path / "run",
        settings=rw.Settings(progress=False, measure=False),
    )  # fmt: skip
    texts = ["rubber work boot", "open strap sandal", "framing hammer"]
    assert list(Classifier.load(tmp_path / "run").answers(texts)) == list(made.answers(texts))
    assert (made.tuned is not None) == (tmp_path / "run" / "classifier" / "encoder.safetensors").is_file()
