"""Trainings whose loss becomes no number: the study goes on, its table says so and its figure shows it."""

from __future__ import annotations

import pytest

from rootward.errors import TrainingError
from rootward.plots import save_figure
from rootward.training import recipes
from rootward_paper.drawing import legend_name, with_diverged
from rootward_paper.measuring import measured_row, pairs_of, train, trained
from rootward_paper.registry import EXPERIMENTS, reproduce, study_table
from rootward_paper.study import converged, rows_or_failure

pytest.importorskip("matplotlib")

STUDIES = ("figure3", "figureC1", "figure4", "tableC1", "table2", "figureE1", "figureD1", "incomplete", "order")
UNTRAINED = {"table2": ["no training: shared information"], "baselines": ["XR-Linear"]}


def no_number(*args: object, **given: object) -> object:
    raise TrainingError("The loss became nan at step 3. Lower the learning rate.")


@pytest.mark.parametrize("name", [*STUDIES, "table1", "losses", "scarce", "irregular", "best", "cost", "baselines"])
def test_a_study_of_which_every_training_diverges_comes_to_its_end(name, ratings, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("rootward_paper.measuring.train", no_number)
    monkeypatch.setattr("rootward_paper.figured1.train_hyperbolic", no_number)
    monkeypatch.setattr("rootward_paper.baselines.train_scored", no_number)
    study = reproduce(name, "tiny", 2, data=ratings if name == "table2" else None)
    failed = [row for row in study.rows if row not in converged(study.rows)]
    others = [row for row in study.rows if row not in failed]
    assert [row["method"] for row in others] == UNTRAINED.get(name, [])
    assert all("Lower the learning rate" in row["failed"] for row in failed)
    if name != "tableC1":  # without a list there is no query to show
        assert "diverged" in study_table(study)
    assert save_figure(EXPERIMENTS[name].draw(study), tmp_path / f"{name}.svg").stat().st_size > 5_000


def test_the_other_seeds_are_shown_and_how_many_diverged(tmp_path, monkeypatch) -> None:
    calls: list[int] = []

    def sometimes(*args, **given):
        calls.append(1)
        return no_number() if len(calls) == 2 else train(*args, **given)

    monkeypatch.setattr("rootward_paper.measuring.train", sometimes)
    study = reproduce("figure3", "tiny", 2)
    assert "(1 of 2 diverged)" in study_table(study).splitlines()[2]
    assert study_table(study).count("diverged") == 1
    assert "1 of 2 diverged" in save_figure(EXPERIMENTS["figure3"].draw(study), tmp_path / "figure3.svg").read_text()


def test_a_rate_that_is_far_too_high_is_a_row_that_says_so() -> None:
    recipe = recipes.regular(steps=40, batch_size=64, learning_rate=1e9)
    (row,) = rows_or_failure(lambda: [measured_row(trained(pairs_of("tree"), recipe, 4, 0), pairs_of("tree"))])
    assert row["overall"] is None
    assert "Lower the learning rate" in row["failed"]


def test_rows_before_the_failure_are_kept() -> None:
    def measure():
        yield {"overall": 0.5}
        no_number()

    first, last = rows_or_failure(measure)
    assert (first, last["overall"]) == ({"overall": 0.5}, None)
    assert with_diverged([first, last], "50.0") == "50.0 (1 of 2 diverged)"
    assert legend_name([last], "regular") == "regular: diverged"
    assert legend_name([first], "regular") == with_diverged([first], "regular") == "regular"
