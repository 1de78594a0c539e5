"""Figure 4: recall by distance against steps on WordNet at dimension 64, through pretraining and finetuning.

The text at hand names this figure and does not say what it shows. Our reading: figure 3's curves on WordNet, where the
long distances fall behind in the first stage and come back in the second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from rootward.evaluation.report import plain_table
from rootward.experiments.beside import percent, slice_cells
from rootward.experiments.diverged import converged, with_diverged
from rootward.experiments.figure3 import curve
from rootward.experiments.kept import kept_in
from rootward.experiments.lines import draw_curves, looks_of, stages_apart
from rootward.experiments.study import Experiment, Job, Study
from rootward.experiments.table1 import FINETUNING, LENGTHS, SOURCE, TWO_STAGES
from rootward.training import recipes

DIM = {"tiny": 16, "cpu": 64, "paper": 64}
LOOKS = {"tiny": 5, "cpu": 30, "paper": 50}
STAGES = ("pretrain", "finetune")


def measure(
    scale: str, seeds: Sequence[int], *, source: str | None = None, trainings: Path | None = None
) -> Iterator[Job]:
    """Pretrain-finetune as in Table 1, looked at on the way."""
    name = source or SOURCE[scale]
    recipe = recipes.pretrain_finetune(finetune_steps=FINETUNING[scale], **LENGTHS[scale])
    for seed in seeds:
        key = {"source": name, "seed": seed}
        looked = partial(curve, recipe, seed, dim=DIM[scale], source=name, looks=LOOKS[scale])
        yield Job(key, partial(looked, folder=kept_in(trainings, scale, name, seed)))


def table(study: Study) -> str:
    """Recall by distance at the best look of each stage, which is where its vectors are taken from."""
    lines, distances = [], max(len(row["by_distance"]) for row in study.rows)
    for stage in STAGES:
        best = [max(looks_of(row, stage), key=lambda look: float(look["recall"])) for row in converged(study.rows)]
        steps = ", ".join(f"{look['step']:,}" for look in best) or "-"
        overall = with_diverged(study.rows, percent([look["recall"] for look in best]))
        lines.append([stage, *slice_cells(best, distances), overall, steps])
    header = ["stage", *map(str, range(distances)), "overall", "best at step"]
    about = f"{study.rows[0]['source']}, dim {DIM[study.scale]}, validation queries, seeds: {study.seeds}"
    return f"Recall at |S(q)| in %: {about}\n{plain_table(header, lines)}"


def draw(study: Study, path: Path) -> Path:
    """A panel a stage."""
    return draw_curves(stages_apart(TWO_STAGES, study.rows), path)


FIGURE4 = Experiment("recall by distance against steps on WordNet, through both stages", measure, table, draw)
