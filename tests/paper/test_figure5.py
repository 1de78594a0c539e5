"""Figure 5 on the real slice of ESCI, and what is said where ESCI is not there."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from rootward import DualEncoder, Pairs, train
from rootward.errors import InputError
from rootward_paper.__main__ import app
from rootward_paper.figure5 import FINETUNE, KS, QUIET, SCALES, drawn, in_stages, jointly
from rootward_paper.registry import reproduce, study_table
from rootward_paper.study import Study


@pytest.fixture
def study(tiny) -> tuple[Study, Path]:
    return tiny("figure5")


def test_a_row_a_training_and_set(study: tuple[Study, Path], esci: Path) -> None:
    rows = study[0].rows
    assert [(row["training"], row["set"]) for row in rows] == [
        (training, name)
        for training in ("joint", "pretrained", "pretrain-finetune")
        for name in ("Exact", "Substitute")
    ]
    test = Pairs.from_esci(esci, part="test")
    assert [row["pairs"] for row in rows[:2]] == np.bincount(test.distances).tolist()
    for row in rows:
        assert row["documents"] == 200
        assert row["recall"] == sorted(row["recall"])
        assert row["recall"][KS.index(200)] == 1.0


def test_products_are_found_by_their_words(study: tuple[Study, Path]) -> None:
    found = study[0].where(training="joint", set="Exact")[0]
    assert found["recall"][KS.index(10)] > 0.2  # 10 of 200 products at random: 0.05


def test_what_is_kept_is_drawn_again(study: tuple[Study, Path]) -> None:
    measured, out = study
    assert study_table(Study.load(out)) == study_table(measured)
    assert "among 200 products" in study_table(measured)
    wanted = {"results.json", "measured.jsonl", "figure5.png", "figure5.svg"}
    assert {path.name for path in out.iterdir()} == wanted


def test_the_finetuned_model_goes_on_from_the_pretrained_one(esci: Path) -> None:
    pairs = Pairs.from_esci(esci)
    names, seconds, vectors = [], [], []
    for name, model, took in chain(jointly(SCALES["tiny"], pairs, 0), in_stages(SCALES["tiny"], pairs, 0)):
        names.append(name)
        seconds.append(took)
        vectors.append(model.document_vectors().clone())
    assert names == ["joint", "pretrained", "pretrain-finetune"]
    assert seconds[2] > seconds[1]
    near = float((vectors[1] * vectors[2]).sum(1).mean())
    assert float((vectors[1] * vectors[0]).sum(1).mean()) < near < 1


def test_test_pairs_are_drawn_without_replacement() -> None:
    pairs = Pairs.from_table([("q", f"d{i}", i % 2) for i in range(40)])
    some = drawn(pairs, 1, 8, seed=0)
    assert len(some) == 8
    assert set(some.distances.tolist()) == {1}
    assert len(drawn(pairs, 0, 5_000, seed=0)) == 20


def test_without_the_files_the_command_says_how_to_get_them(tmp_path: Path) -> None:
    for arguments in ([], ["--data", str(tmp_path)]):
        done = CliRunner().invoke(app, ["figure5", "--out", str(tmp_path / "out"), *arguments])
        assert done.exit_code == 2
        told = " ".join(done.stderr.split())
        assert "git clone https://github.com/amazon-science/esci-data" in told
    assert not (tmp_path / "out").exists()


def test_data_for_a_study_that_needs_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="noise takes no data"):
        reproduce("noise", data=tmp_path)


def moved_by_finetuning(name: str, **changes: object) -> float:
    """How far finetuning takes a product's vector, where a query has an Exact and a Substitute product."""
    pairs = Pairs.from_table([("q", "exact", 0), ("q", "substitute", 1), ("other", "nothing of it", 0)])
    stage = SCALES["tiny"].stage("finetune", steps=8, **{**FINETUNE, **changes})
    model, row = DualEncoder.lookup(pairs, 4, seed=1), pairs.document_ids.row(name)
    before = model.document_vectors()[row].clone()
    train(model, pairs, stage, settings=QUIET)
    return float((model.document_vectors()[row] - before).norm())


def test_finetuning_sets_no_substitute_against_an_exact_product() -> None:
    assert moved_by_finetuning("exact") < 1e-6  # neither drawn nor a negative
    assert moved_by_finetuning("exact", loss="softmax") > 0.01
    assert moved_by_finetuning("substitute") > 1e-4
