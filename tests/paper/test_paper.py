"""The paper's trainings at their smallest: rows say what was trained, and a study that was cut off goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from rootward.errors import InputError, RunFolderError
from rootward.training import loop, recipes
from rootward.training.loop import train_step
from rootward.training.state import State
from rootward_paper import table1
from rootward_paper.drawing import percent
from rootward_paper.measuring import SOURCES, pairs_of, trained, validated
from rootward_paper.published import published_figure, published_figures, published_method, published_rows, worst_gap
from rootward_paper.registry import reproduce, study_table
from rootward_paper.study import Checkpoint, Experiment, Job, run_study
from rootward_paper.table1 import TABLE1, measure

THE_FIRST = recipes.regular(steps=6, batch_size=64)


def test_every_published_number_has_a_place_and_a_name_of_its_own() -> None:
    named = [(figure.place, figure.name) for figure in published_figures()]
    assert len(set(named)) == len(named) > 40
    assert published_figure("Figure 2a", "slope") == 2.29
    assert published_figure("Table 2", "pretrain-finetune") == 0.415
    assert published_figure("Figure D.1", "Poincare") == 45.4
    with pytest.raises(KeyError):
        published_figure("Figure 3", "no such training")


def test_published_slices_add_up_to_the_published_overall_but_once() -> None:
    shares = next(f.value for f in published_figures("Section 6.1") if f.name == "shares, regular")
    assert isinstance(shares, tuple)
    gaps = {
        (row.dim, row.method): abs(np.dot(shares, row.by_distance) / sum(shares) - row.overall)
        for row in published_rows()
    }
    assert {key for key, gap in gaps.items() if gap > 1} == {(32, "pretrain-finetune")}


def test_a_percentage_over_seeds_has_its_interval() -> None:
    assert percent([0.5]) == "50.0"
    assert percent([0.4, 0.5, 0.6]) == "50.0 ±24.8"
    assert percent([None]) == "-"
    row = published_method("regular", 16)
    assert row is not None
    assert worst_gap([{"by_distance": [1.0, 0.6, 0.466]}], row) == pytest.approx(2.8)


def test_a_curve_counts_steps_over_all_stages_and_ends_where_the_run_ended() -> None:
    pairs = pairs_of("tree")
    recipe = recipes.pretrain_finetune(steps=6, finetune_steps=4, batch_size=64)
    found = trained(pairs, recipe, 4, seed=0, validations=2)
    assert [(look["stage"], look["step"]) for look in found.curve] == [
        ("pretrain", 3),
        ("pretrain", 6),
        ("finetune", 8),
        ("finetune", 10),
    ]
    assert [stage.validate_every for stage in validated(recipe, 2).stages] == [3, 2]


def test_the_papers_vectors_are_free_of_the_sphere_and_ours_are_not() -> None:
    free = trained(pairs_of("tree"), THE_FIRST, 4, seed=0).model.query_vectors().norm(dim=1)
    ours = trained(pairs_of("tree"), recipes.decoupled(steps=6), 4, seed=0).model.query_vectors().norm(dim=1)
    assert free.std() > 0.05
    assert ours.allclose(ours.new_ones(()), atol=1e-5)


def test_ranks_are_kept_beside_the_rows_and_give_the_same_recall(tmp_path: Path) -> None:
    jobs = list(islice(measure("tiny", [0], source="tree"), 3, 5))
    few = replace(TABLE1, measure=lambda scale, seeds: iter(jobs))
    study = run_study("table1", few, "tiny", [0], checkpoint=Checkpoint.open(tmp_path, {}))
    pairs = pairs_of("tree")
    for row in study.rows:
        ranks = load_file(tmp_path / row["ranks"])["ranks"]
        hits = ranks < pairs.sizes[pairs.query_of]
        assert float((hits * pairs.weights).sum()) == pytest.approx(row["overall"])
    assert {(job.key["dim"], job.key["method"]) for job in measure("paper", [0])} >= {
        (row.dim, row.method) for row in published_rows()
    }
    assert "The published rows are of WordNet" in study_table(study)


def test_the_finetuning_begins_where_the_regular_row_ends() -> None:
    jobs = {job.key["method"]: job for job in measure("tiny", [0], source="tree") if job.key["dim"] == 16}
    (regular,), (both,) = jobs["regular"].measure(), jobs["pretrain-finetune"].measure()
    assert both["curve"][: len(regular["curve"])] == regular["curve"]
    assert [look["stage"] for look in both["curve"][len(regular["curve"]) :]].count("finetune") >= 1
    assert (both["steps"], both["curve"][-1]["step"]) == (34, 34)
    assert regular["steps"] == 24


def counted(calls: list[int]) -> Experiment:
    def job(seed: int) -> list[dict[str, int]]:
        calls.append(seed)
        if seed == 2 and len(calls) == 3:
            raise KeyboardInterrupt
        return [{"value": 10 * seed}]

    def measure(scale, seeds, *, source=None):
        for seed in seeds:
            yield Job({"seed": seed}, lambda seed=seed: job(seed))

    return Experiment(measure, lambda study: "", lambda study: None)


def test_a_study_that_was_cut_off_measures_only_what_is_missing(tmp_path: Path) -> None:
    calls: list[int] = []
    asked = {"study": "counted", "scale": "tiny"}
    with pytest.raises(KeyboardInterrupt):
        run_study("counted", counted(calls), "tiny", range(4), checkpoint=Checkpoint.open(tmp_path, asked))
    with (tmp_path / "measured.jsonl").open("a") as file:
        file.write('{"key": {"seed": 2}, "ro')  # a line that a crash cut off
    kept = Checkpoint.open(tmp_path, asked)
    study = run_study("counted", counted(calls), "tiny", range(4), checkpoint=kept)
    assert calls == [0, 1, 2, 2, 3]
    assert [row["value"] for row in study.rows] == [0, 10, 20, 30]
    assert len((tmp_path / "measured.jsonl").read_text().splitlines()) == 5


@pytest.mark.parametrize("killed_after", [10, 24])
def test_a_training_that_was_cut_off_goes_on_from_its_checkpoint(
    killed_after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed within the training that two rows share, or between these rows: no step is taken twice."""
    steps: list[int] = []
    left: list[int] = []  # until the process is killed; empty where it never is

    def step(state: State, *rest: Any) -> float:
        if left and left.pop() == 0:
            raise KeyboardInterrupt
        steps.append(state.step)
        return train_step(state, *rest)

    def two_rows(scale: str, seeds: Sequence[int], *, trainings: Path) -> Iterator[Job]:
        return islice(measure(scale, seeds, source="tree", trainings=trainings), 3, 5)

    def process(folder: Path) -> list[dict[str, Any]]:
        table1._pretrained.cache_clear()
        kept, few = Checkpoint.open(folder, {}), replace(TABLE1, measure=two_rows)
        rows = run_study("table1", few, "tiny", [0], checkpoint=kept).rows
        return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]

    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr(loop, "train_step", step)
    whole = process(tmp_path / "whole")
    assert steps == [*range(24), *range(10)]
    steps.clear()
    left += range(killed_after + 1)
    with pytest.raises(KeyboardInterrupt):
        process(tmp_path / "cut")
    assert len(steps) == killed_after
    assert list((tmp_path / "cut" / "trainings").iterdir())
    assert process(tmp_path / "cut") == whole
    assert steps == [*range(24), *range(10)]
    assert not (tmp_path / "cut" / "trainings").exists()


def test_half_of_another_study_is_refused(tmp_path: Path) -> None:
    kept = Checkpoint.open(tmp_path, {"study": "table1", "scale": "tiny"})
    assert not list(tmp_path.iterdir())
    kept.rows_of({"seed": 0}, lambda: [{"value": 1}])
    with pytest.raises(RunFolderError, match="to go on, ask for the same"):
        Checkpoint.open(tmp_path, {"study": "table1", "scale": "cpu"})


def test_options_that_a_study_has_no_use_for_are_refused() -> None:
    with pytest.raises(InputError, match=r"noise takes no source: leave it out\. .* one: table1, figure4"):
        reproduce("noise", source="tree")
    with pytest.raises(InputError, match=r"No source 'wordnett'.* Did you mean 'wordnet'"):
        reproduce("table1", source="wordnett")
    assert json.dumps(list(SOURCES)) == '["tree", "dag", "animal", "wordnet"]'
