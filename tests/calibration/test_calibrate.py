"""Calibration: what it promises of queries it has not seen, and what it says when it cannot."""

import json
import sys

import numpy as np
import pytest
import torch

from calibration.scaled import scaled
from rootward.calibration.calibrate import Calibration, calibrate
from rootward.calibration.set_report import SetReport
from rootward.encoders import DualEncoder
from rootward.errors import InputError, MissingExtraError, PairsError, UnknownIdError
from rootward.evaluation import extend_documents, extend_queries
from rootward.evaluation.metrics import answer_sets
from rootward.ids import Ids
from rootward.pairs import Pairs
from shoes import shoes


@pytest.fixture(scope="module")
def model_and_pairs():
    return scaled()


@pytest.fixture(scope="module")
def calibration(model_and_pairs):
    return calibrate(*model_and_pairs)


def thresholds(calibration, vectors):
    return calibration.thresholds(vectors, lambda *_: pytest.fail("only the rule 'size' searches"))


def test_a_threshold_that_follows_the_query_is_found_and_chosen(calibration):
    report = calibration.report
    assert (report.rule, report.by, report.met) == ("predicted", "f1", True)
    assert report.figures.f1 == report.figures.precision == report.figures.recall == report.figures.exact == 1.0
    assert (report.n_fitted, report.n_chosen, report.n_queries) == (100, 50, 50)
    rivals = {each.name.split(",")[0]: each.figures.f1 for each in report.rivals}
    assert rivals["universal"] < 0.9
    assert rivals["size"] < 0.95
    assert rivals["best fixed k"] < 0.8
    assert rivals["upper bound (knows the answers)"] == 1.0


def test_it_holds_for_vectors_that_nobody_has_seen(calibration):
    model, pairs = scaled(60, seed=9)
    found = answer_sets(
        model.query_vectors(), model.document_vectors(), pairs, thresholds(calibration, model.query_vectors())
    )
    assert found.exact == 1.0


def test_slices_said_aloud(calibration):
    """Everything is found, so each distance has recall 1, and every query is counted once, at its farthest."""
    slices = calibration.report.slices
    assert [each.distance for each in slices] == list(range(6))
    assert all(each.recall == 1.0 and each.f1 == 1.0 for each in slices)
    assert sum(each.n_queries for each in slices) == slices[0].n_pairs == 50


def test_the_figures_are_those_of_the_measured_queries_recomputed(model_and_pairs):
    model, pairs = model_and_pairs
    calibration = calibrate(model, pairs, rule="universal")
    part = pairs.split("queries", validation=0.25, test=0.25).test
    found = answer_sets(model.query_vectors(), model.document_vectors(), part, calibration.rule.shift)
    figures = calibration.report.figures
    assert (figures.f1, figures.recall, figures.exact) == (found.f1, found.recall, found.exact)
    assert figures.size == found.sizes.mean()
    assert figures.precision == pytest.approx(
        np.mean([h / s for h, s in zip(found.hits, found.sizes, strict=True) if s])
    )
    assert 0 < figures.f1 < 1


def test_documents_in_another_order_change_nothing(model_and_pairs, calibration):
    model, pairs = model_and_pairs
    order = np.random.default_rng(1).permutation(30)
    where = np.argsort(order)
    moved = Pairs.from_arrays(
        pairs.query_ids, pairs.document_ids.take(order), pairs.query_of, where[pairs.documents], pairs.distances
    )
    other = DualEncoder.from_vectors(moved, model.query_vectors(), model.document_vectors(order))
    assert calibrate(other, moved).report == calibration.report
    assert calibrate(other, pairs).report == calibration.report  # pairs of other rows, matched by id


def test_the_same_seed_gives_the_same_and_blocks_change_nothing(model_and_pairs, calibration):
    assert calibrate(*model_and_pairs) == calibration
    assert calibrate(*model_and_pairs, block_bytes=1).report == calibration.report
    assert calibrate(*model_and_pairs, seed=1) != calibration
    assert calibrate(*model_and_pairs, max_queries=100).report.n_queries == 25


# -- a floor of precision --------------------------------------------------------------------------------------


def test_a_floor_of_precision_is_kept_on_queries_not_seen():
    """Vectors with noise, so that precision has a price."""
    model, pairs = scaled(1_200)
    noise = torch.from_numpy(np.random.default_rng(2).normal(scale=0.5, size=(1_200, 31)).astype(np.float32))
    noisy = DualEncoder.from_vectors(pairs, model.query_vectors() + noise, model.document_vectors())
    best = calibrate(noisy, pairs, rule="predicted").report.figures
    careful = calibrate(noisy, pairs, rule="predicted", by="precision", floor=0.95).report
    assert best.precision < 0.92
    assert careful.figures.precision >= 0.95
    assert careful.figures.recall < best.recall
    assert best.abstained < careful.figures.abstained < 0.1
    assert "precision of at least 95 %" in str(careful)


def test_a_floor_out_of_reach_abstains_and_says_so(model_and_pairs):
    _, pairs = model_and_pairs
    blind = DualEncoder.from_vectors(pairs, torch.ones(200, 1), torch.arange(30.0)[:, None])
    calibration = calibrate(blind, pairs, by="precision", floor=0.99)
    report = calibration.report
    assert not report.met
    assert (report.figures.abstained, report.figures.precision, report.figures.recall) == (1.0, None, 0.0)
    assert "every query abstains" in str(report)
    assert thresholds(calibration, torch.ones(3, 1)).tolist() == [np.inf] * 3


# -- queries that are not the model's own ------------------------------------------------------------------------


def test_queries_the_model_was_not_trained_on_come_as_vectors_or_by_id(model_and_pairs, calibration):
    model, pairs = model_and_pairs
    texts = Ids(f"text {i}" for i in range(200))
    of_texts = Pairs.from_arrays(texts, pairs.document_ids, pairs.query_of, pairs.documents, pairs.distances)
    with pytest.raises(UnknownIdError, match="200 query ids"):
        calibrate(model, of_texts)
    found = calibrate(model, of_texts, queries=model.query_vectors())
    assert found.report.figures.f1 == 1.0
    with pytest.raises(InputError, match="a row for each of the 200 query ids"):
        calibrate(model, of_texts, queries=torch.ones(7, 31))
    assert calibrate(model, pairs, queries=model.queries(reversed(list(pairs.query_ids)))).report == calibration.report
    with pytest.raises(UnknownIdError, match="197 queries with pairs have no vector"):
        calibrate(model, pairs, queries=model.queries(["q0", "q1", "q2"]))
    with pytest.raises(InputError, match="made by another model"):
        calibrate(model, pairs, queries=scaled(seed=3)[0].queries())


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"by": "recall"}, InputError, "'f1' or 'precision', got 'recall'"),
        ({"by": "precision", "floor": 95}, InputError, "at most 1, such as 0.95, got 95"),
        ({"rule": "magic"}, InputError, "No rule 'magic'; there is 'best', 'universal'"),
        ({"max_queries": 3}, InputError, "max_queries must be at least 8"),
    ],
)
def test_aims_that_are_none_are_refused(model_and_pairs, wrong, error, message):
    with pytest.raises(error, match=message):
        calibrate(*model_and_pairs, **wrong)


def test_too_few_queries_are_refused(model_and_pairs):
    model, pairs = model_and_pairs
    with pytest.raises(PairsError, match="at least 8 with answers, got 5"):
        calibrate(model, pairs.keep(pairs.query_of < 5))


# -- repair ------------------------------------------------------------------------------------------------------


def test_upward_repair_is_measured_apart():
    """Every query of the shop finds its exact match alone; with what stands above it, everything."""
    tree = shoes()
    pairs = tree.pairs()
    model = DualEncoder.from_vectors(pairs, torch.eye(12), torch.eye(12))
    report = calibrate(model, pairs, rule="universal", above=tree).report
    assert (report.figures.precision, report.repaired.precision, report.repaired.recall) == (1.0, 1.0, 1.0)
    assert report.figures.recall < 1
    assert [each.recall for each in report.slices][:2] == [1.0, 0.0]
    assert [each.recall for each in report.repaired_slices][:2] == [1.0, 1.0]
    assert "repaired upward" in str(report)
    assert calibrate(model, pairs, rule="universal", above=pairs).report == report


# -- one more coordinate -----------------------------------------------------------------------------------------


def test_with_one_more_coordinate_every_answer_set_ends_at_zero(model_and_pairs, calibration):
    model, _ = model_and_pairs
    queries, documents = model.query_vectors(), model.document_vectors()
    limits = thresholds(calibration, queries)
    wider = extend_queries(queries, limits) @ extend_documents(documents).T
    assert wider.shape == (200, 30)
    assert torch.equal(wider >= 0, queries @ documents.T >= torch.from_numpy(limits)[:, None])
    with pytest.raises(InputError, match="200 queries need as many thresholds"):
        extend_queries(queries, [1.0])
    with pytest.raises(InputError, match="the first in row 1"):
        extend_queries(queries[:2], [1.0, np.inf])


# -- as a value --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["universal", "predicted", "size"])
def test_saved_beside_a_model_it_comes_back_the_same(model_and_pairs, rule, tmp_path):
    model, pairs = model_and_pairs
    calibration = calibrate(model, pairs, rule=rule)
    folder = model.save(tmp_path / "model")
    assert calibration.save(folder) == folder / "calibration.safetensors"
    again = Calibration.load(folder)
    assert again == calibration
    assert DualEncoder.load(folder).fingerprint() == again.fingerprint
    assert again.chances([-9, 9]).tolist() == calibration.chances([-9, 9]).tolist()
    assert again != calibrate(model, pairs, rule=rule, by="precision", floor=0.5)


def test_files_that_are_no_calibrations_are_refused(calibration, tmp_path):
    with pytest.raises(InputError, match="rootward calibrate RUN"):
        Calibration.load(tmp_path)
    path = calibration.save(tmp_path / "c.safetensors")
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match="is damaged"):
        Calibration.load(path)


def test_vectors_of_another_width_are_refused(calibration):
    with pytest.raises(InputError, match="31 columns, got shape"):
        thresholds(calibration, torch.ones(2, 5))


def test_the_report_prints_and_comes_back_from_json(calibration, tmp_path):
    report = calibration.report
    assert SetReport.load(report.save(tmp_path / "sets.json")) == report
    lines = str(calibration).splitlines()
    assert lines[0] == "predicted threshold, by F1: 50 queries that were not calibrated on (100 + 50 were)"
    assert " ".join(lines[1].split()) == "distance pairs recall % queries up to it precision % F1 %"
    assert "predicted (chosen)" in str(report)
    assert lines[-1].startswith("expected calibration error")
    for text, message in (("{}", "is not a report"), ("nothing", "is not a report"), ('{"format": 99}', "newer")):
        (tmp_path / "wrong.json").write_text(text)
        with pytest.raises(InputError, match=message):
            SetReport.load(tmp_path / "wrong.json")
    with pytest.raises(InputError, match="no file"):
        SetReport.load(tmp_path / "nowhere.json")


def test_the_curve_tells_relevant_documents_from_others(calibration):
    report = calibration.report
    assert sum(each.n for each in report.bins) == sum(2 * each.n_pairs for each in report.slices)
    assert [each.observed for each in report.bins if each.high < 0] == [0.0] * sum(b.high < 0 for b in report.bins)
    assert all(each.observed == 1.0 for each in report.bins if each.low > 0)
    assert report.error < 0.05
    assert json.loads(report.to_json())["bins"][0]["n"] == report.bins[0].n


def test_the_curve_is_drawn_as_png_or_svg(calibration, tmp_path, monkeypatch):
    assert calibration.plot(tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in calibration.report.plot(tmp_path / "curve.svg").read_text("utf-8")
    with pytest.raises(InputError, match=r"\.png or \.svg"):
        calibration.plot(tmp_path / "curve.gif")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"rootward\[plots\]"):
        calibration.plot(tmp_path / "curve.png")


def test_a_set_of_expected_size_ends_half_way_to_the_next_document(model_and_pairs):
    model, _ = model_and_pairs
    found = calibrate(*model_and_pairs, rule="size")
    queries, documents = model.query_vectors(), model.document_vectors()
    ends = found.thresholds_among(queries, documents)
    scores = np.sort((queries @ documents.T).numpy())[:, ::-1]
    sizes = np.floor(found.rule.expected(queries.numpy().astype(float))).astype(int)
    rows = np.flatnonzero(sizes > 0)
    middle = (scores[rows, sizes[rows] - 1] + scores[rows, sizes[rows]]) / 2
    assert ends[rows] == pytest.approx(middle, rel=1e-5)
