"""What trainings cost, and ours against the best published row: exponents, ratios and intervals by hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from rootward_paper.best import above, best_published, ours, wilson
from rootward_paper.cost import CENTRE, STANDARD, exponent, methods
from rootward_paper.drawing import Interval
from rootward_paper.machine import watched
from rootward_paper.measuring import grid
from rootward_paper.registry import study_table
from rootward_paper.study import Study
from rootward_paper.table1 import OURS


def test_a_grid_is_every_combination_and_the_key_is_what_is_measured() -> None:
    jobs = list(grid(lambda **key: [key], dim=[4, 8], seed=[0, 1]))
    assert [job.key for job in jobs] == [
        {"dim": 4, "seed": 0},
        {"dim": 4, "seed": 1},
        {"dim": 8, "seed": 0},
        {"dim": 8, "seed": 1},
    ]
    assert [list(job.measure()) for job in jobs] == [[job.key] for job in jobs]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells the peak")
def test_the_peak_is_that_of_the_work_and_not_of_what_came_before() -> None:
    np.ones(40_000_000).sum()  # 320 MB that are gone
    with watched() as took:
        np.ones(10_000_000).sum()
    assert took.seconds > 0
    assert took.peak_mb is not None
    assert 75 < took.peak_mb < 120


def costs(nodes: int, depth: int, dim: int, method: str, seed: int, seconds: float) -> dict[str, object]:
    found = {"overall": 1.0, "minimum": 1.0, "by_distance": [1.0], "pairs": 10, "steps": 5}
    size = {"nodes": nodes, "depth": depth, "dim": dim}
    return {
        **size,
        "method": method,
        "seed": seed,
        **found,
        "seconds": seconds,
        "ms_a_step": 1,
        "mb": 1,
        "peak_mb": dim,
    }


def test_exponents_and_ratios_are_those_of_the_rows() -> None:
    middle = CENTRE["tiny"]
    rows = [costs(n, middle["depth"], middle["dim"], OURS, s, n**1.5 / 1e3) for n in (50, 100, 200) for s in (0, 1)]
    rows += [costs(*middle.values(), name, s, 2.0) for name in methods("tiny") if name != OURS for s in (0, 1)]
    study = Study("cost", "tiny", 2, tuple(rows), {})
    found = exponent(study, "nodes", "seconds")
    assert found is not None
    assert found.value == pytest.approx(1.5)
    assert exponent(study, "dim", "seconds") is None
    told = study_table(study).splitlines()
    assert "time ~ nodes^1.5 [1.5, 1.5]" in "\n".join(told)
    assert "1.00 ±0.00" in next(line for line in told if STANDARD in line)
    assert "0.50 ±0.00" in next(line for line in reversed(told) if line.lstrip().startswith(OURS))


def test_the_second_stage_has_the_published_share_of_the_steps() -> None:
    first, second = methods("paper")["pretrain-finetune"]().stages
    assert (first.steps, second.steps) == (50_000, 700)
    assert methods("cpu")["pretrain-finetune"]().stages[1].steps == 35


def test_an_interval_has_the_spread_of_queries_and_of_seeds_in_it() -> None:
    rows = [
        {
            "overall": share,
            "by_distance": [share],
            "intervals": [[share - 0.03, share + 0.03]],
            "overall_interval": [0, 1],
        }
        for share in (0.90, 0.92)
    ]
    found = ours(rows, 0)
    seeds = 12.706 * 0.01 * 100  # Student's t with one degree of freedom, times the error of the mean
    assert found.value == pytest.approx(91.0)
    assert found.high - found.value == pytest.approx((seeds**2 + 3**2) ** 0.5, rel=1e-3)
    assert ours(rows[:1], 0).high == pytest.approx(93.0)


def test_the_best_published_figure_is_taken_at_each_distance() -> None:
    far, near = best_published(64, 8), best_published(64, 1)
    assert far is not None
    assert near is not None
    assert (far[0], far[1].value, near[0], near[1].value) == ("pretrain-finetune", 75.7, "regular", 93.9)
    assert far[1].low < 72 < 79 < far[1].high  # 400 pairs
    assert best_published(8, 0) is None


def test_above_means_that_intervals_do_not_overlap() -> None:
    found = wilson(50, 100)
    assert (found.low, found.high) == (pytest.approx(40.4, abs=0.1), pytest.approx(59.6, abs=0.1))
    assert above(Interval(62, 60, 64), found)
    assert not above(Interval(61, 59, 63), found)
    perfect = wilson(100, 2_110)
    assert above(Interval(99.6, 99.4, 99.8), perfect)
    assert not above(Interval(99.4, 99.3, 99.5), perfect)


def test_the_table_says_where_ours_is_above() -> None:
    row = {
        "source": "wordnet",
        "dim": 64,
        "method": OURS,
        "seed": 0,
        "overall": 0.999,
        "by_distance": [0.99] + 8 * [0.999],
        "intervals": [[0.989, 0.991]] + 8 * [[0.998, 1.0]],
        "overall_interval": [0.998, 1.0],
    }
    told = study_table(Study("best", "cpu", 1, (row,), {}))
    assert f"{OURS}, dim 64: 9 of 10" in told
    assert "intervals are over queries alone" in told
