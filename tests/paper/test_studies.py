"""Studies at their smallest: what they measure is what they say, and everything is drawn from the raw rows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from rootward import Hierarchy, construct, evaluate
from rootward.errors import InputError, RunFolderError
from rootward.geometry.constructions import corrupt
from rootward_paper import STUDIES
from rootward_paper.drawing import mean, slope
from rootward_paper.figure2 import slopes
from rootward_paper.margins import in_bytes, quantised
from rootward_paper.registry import EXPERIMENTS, reproduce, study_table
from rootward_paper.study import Row, Study


@pytest.fixture(params=sorted(set(EXPERIMENTS) - {"figure5"}))
def study(request: pytest.FixtureRequest, tiny) -> tuple[Study, Path]:
    return tiny(request.param)


def test_every_study_has_a_line_of_its_own() -> None:
    assert list(STUDIES) == list(EXPERIMENTS)


def test_results_are_saved_and_loaded_again(study: tuple[Study, Path]) -> None:
    measured, folder = study
    again = Study.load(folder)
    assert again.rows == tuple(json.loads(json.dumps(row)) for row in measured.rows)
    assert study_table(again) == study_table(measured)
    assert {path.name for path in folder.iterdir()} - {"ranks", "measured.jsonl"} == {
        "results.json",
        f"{measured.name}.png",
        f"{measured.name}.svg",
    }


def test_figures_are_drawn_from_the_saved_rows(study: tuple[Study, Path]) -> None:
    measured, folder = study
    assert (folder / f"{measured.name}.svg").read_text().lstrip().startswith("<?xml")
    assert (folder / f"{measured.name}.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_drawn_was_read_from_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Study] = []
    monkeypatch.setattr("rootward_paper.registry.draw_study", lambda study, folder: drawn.append(study))
    measured = reproduce("noise", "tiny", seeds=1, out=tmp_path)
    assert drawn == [Study.load(tmp_path)]
    assert drawn[0] is not measured


SAID_BY: dict[str, Callable[[Row, Row], bool]] = {
    "figureC1": lambda row, last: row["share"] in (None, last["regular_share"]),
    "figureE1": lambda row, last: row["varied"] != "scale" or last["scale"] == row["value"],
    "losses": lambda row, last: (last["learning_rate"], last["optimizer"]) == (row["rate"] / 1000, row["optimizer"]),
    "scarce": lambda row, last: (last["sampler"] == "heavy_tail") == (row["method"] == "pretrain-finetune"),
    "table1": lambda row, last: (last["loss"] == "decoupled") == row["method"].startswith("ours"),
}
"""What the recipe of a row has to say of its last stage."""


def test_rows_say_what_they_were_trained_with(study: tuple[Study, Path]) -> None:
    said = SAID_BY.get(study[0].name, lambda row, last: bool(last["steps"]))
    assert [row for row in study[0].rows if "recipe" in row and not said(row, row["recipe"][-1])] == []
    assert study[0].name not in SAID_BY or any("recipe" in row for row in study[0].rows)


def test_results_are_not_overwritten(study: tuple[Study, Path]) -> None:
    assert study[0].seeds == 1
    data = study[0].options.get("data")
    with pytest.raises(RunFolderError, match="holds results already"):
        reproduce(study[0].name, "tiny", seeds=1, out=study[1], data=data)


def test_more_seeds_measure_only_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rootward_paper.registry.draw_study", lambda study, folder: [])
    told: list[int] = []
    begun: list[tuple[int, int]] = []
    one = reproduce(
        "noise",
        "tiny",
        seeds=1,
        out=tmp_path,
        on_row=lambda row: told.append(row["seed"]),
        on_start=lambda key, done, total: begun.append((done, total)),
    )
    assert begun == [(place, len(told)) for place in range(len(told))]
    began = (tmp_path / "measured.jsonl").read_text()
    two = reproduce("noise", "tiny", seeds=2, out=tmp_path)
    assert told
    assert set(told) == {0}
    assert (tmp_path / "measured.jsonl").read_text().startswith(began)
    assert json.dumps([row for row in two.rows if row["seed"] == 0]) == json.dumps(list(one.rows))
    assert {row["seed"] for row in Study.load(tmp_path).rows} == {0, 1}


def test_figure2_measures_dimensions_that_reach_the_target(tiny) -> None:
    rows = tiny("figure2")[0].rows
    deepest = next(row for row in rows if row["height"] == 4 and row["way"] == "constructed")
    pairs = Hierarchy.perfect_tree(4, 2, root=False).pairs()
    assert evaluate(construct(pairs, deepest["dim"]), pairs, bootstrap=0).overall.value > 0.95
    assert evaluate(construct(pairs, deepest["dim"] - 1), pairs, bootstrap=0).overall.value <= 0.95
    learned = [row for row in rows if row["way"] == "learned"]
    assert all(row["recall"] >= 0.95 for row in learned)


def test_slopes_are_those_of_the_rows() -> None:
    rows = [
        {"panel": "height", "height": h, "way": "constructed", "dim": 3 * h**2, "seed": s}
        for h in (3, 5, 9)
        for s in (0, 1)
    ]
    found = slopes(Study("figure2", "tiny", 2, tuple(rows), {}), "height", "constructed")
    assert found.value == pytest.approx(2.0)


def test_noise_rows_are_what_the_construction_gives(tiny) -> None:
    rows = tiny("noise")[0].rows
    row = next(row for row in rows if row["kind"] == "dropped" and row["share"] == 0.3)
    true = Hierarchy.perfect_tree(4, 5, root=False).pairs()
    points = construct(corrupt(true, dropped=0.3), 64)
    assert row["recall"] == evaluate(points, true, bootstrap=0).overall.value
    assert next(row for row in rows if row["share"] == 0.0)["margin"] == construct(true, 64).margin


def test_rounding_keeps_what_it_should() -> None:
    vectors = torch.nn.functional.normalize(torch.from_numpy(np.random.default_rng(0).standard_normal((200, 16))))
    vectors = vectors.float()
    rounded = in_bytes(vectors)
    assert (rounded - vectors).abs().max() <= vectors.abs().max() / 254 + 1e-6
    assert len(torch.unique((rounded / rounded.abs().amax(1, keepdim=True) * 127).round())) <= 255
    pytest.importorskip("faiss")
    coarse = quantised(vectors, 0)
    assert 0 < (coarse - vectors).norm() < vectors.norm()
    assert torch.equal(coarse, quantised(vectors, 0))


def test_means_and_slopes_by_hand() -> None:
    found = mean([1.0, 2.0, 3.0])
    assert found.value == 2.0
    assert found.high - 2.0 == pytest.approx(4.302653 / math.sqrt(3), abs=1e-5)
    assert math.isnan(mean([1.0]).low)
    line = slope([0, 1, 2, 3], [1, 3, 5, 7])
    assert (line.value, line.low) == (pytest.approx(2), pytest.approx(2))
    with pytest.raises(InputError, match="two places"):
        slope([1, 1], [1, 2])


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Did you mean 'noise'"):
        reproduce("noize")
    with pytest.raises(InputError, match="scale must be one of tiny, cpu, paper"):
        reproduce("noise", "huge")
    with pytest.raises(InputError, match="at least 1"):
        reproduce("noise", seeds=0)
    with pytest.raises(RunFolderError, match="does not exist"):
        Study.load(tmp_path)
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(RunFolderError, match="no results of a study"):
        Study.load(tmp_path)
